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

/* `shim` is the path of chfleet-shim. ERR_MISSING when there is no haproxy on this machine (plane.haproxy, else where
 * packages put it). */
int lb_new(struct plane *p, const char *shim, struct lb **out, struct err *err);
void lb_free(struct lb *lb); /* NULL-safe; HAProxy goes on */
const struct lb_ops *lb_real(void);
/* Why Services are not balanced, for people; NULL when nothing is known to be wrong. Valid until the next change. Each
 * Service gets an event with it, and trying goes on. */
const char *lb_trouble(const struct lb *lb);
void lb_on_trouble(struct lb *lb, void (*changed)(void *ctx), void *ctx);

#endif
