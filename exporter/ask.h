/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks one host: first for its single numbers, and when it answers for tables, replicas, mutations, disks and detached parts
 * at once. Each of these may fail alone; that it did is a number too.
 */
#ifndef EXPORTER_ASK_H
#define EXPORTER_ASK_H

#include "exporter/samples.h"
#include "exporter/targets.h"

struct ask;
typedef void ask_done_fn(void *ctx, struct samples *takes, bool refused);

/* `h` and `pool` outlive it; access is copied. done comes once: *takes is the caller's. refused: the host did not accept
 * user and password. */
struct ask *ask_start(struct world *w, struct pool *pool, struct target_host *h, const struct target_access *access,
                      ask_done_fn *done, void *ctx);
/* The time is over: what has not been answered has failed. done is called from inside. */
void ask_give_up(struct ask *a);
void ask_cancel(struct ask *a); /* calls nobody; NULL is allowed */

#endif
