/* SPDX-License-Identifier: Apache-2.0 */
/* A world of clock, timers and seeded randomness only: enough for store and API. */
#ifndef TESTS_PLANE_MINI_H
#define TESTS_PLANE_MINI_H

#include "base/world.h"

struct world *mini_new(uint64_t seed);
void mini_free(struct world *w);             /* timers that are left are dropped */
void mini_run(struct world *w, uint64_t ms); /* moves the clock on, runs what is due in order */

#endif
