/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: plain and Distributed selects and synchronous Distributed inserts through the balancer, without a retry. */
#ifndef TESTS_SIM_LOAD_H
#define TESTS_SIM_LOAD_H

#include "tests/sim/kubelet.h"
#include "tests/sim/observer.h"

struct load;

struct load *load_new(struct sim *s, struct hosts *hs, struct kubelet *k, struct observer *o);
void load_free(struct load *l);
/* One query every every_ms on average, through Service default/NAME. */
void load_start(struct load *l, const char *service, unsigned every_ms);
void load_stop(struct load *l);
uint64_t load_queries(const struct load *l, uint64_t *failed);

#endif
