/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balancer: one HAProxy for the plane, under a shim in DATA/lb, so that it outlives the plane and is adopted by the
 * next. Members come and go over its runtime socket, without a reload; only new or gone listeners need one, which is
 * hitless (master-worker). What is so is always read back from HAProxy, never remembered.
 */
#ifndef PLANE_LB_H
#define PLANE_LB_H

#include "plane/ctl.h"

struct lb;

/* `shim` is the path of chfleet-shim. ERR_MISSING when there is no haproxy on this machine. */
int lb_new(struct plane *p, const char *shim, struct lb **out, struct err *err);
void lb_free(struct lb *lb); /* NULL-safe; HAProxy goes on */
const struct lb_ops *lb_real(void);

#endif
