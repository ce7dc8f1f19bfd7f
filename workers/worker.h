/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include "base/world.h"

/*
 * Entry of a worker (world_worker_main): sets itself up on `chan` and returns 0; the loop of `w` does the rest. Whoever
 * starts it has taken its lock before (world->spawn). It waits for MSG_FACTS and MSG_TASK; the channel itself greets.
 * When the channel closes it cancels all it asked of the world, frees its memory, and calls quit(w, 0): in a simulation
 * `w` must therefore be a world of this worker's own, and calling its closed() is how a worker is killed there without
 * a leak.
 */
int worker_main(struct world *w, struct world_chan *chan, const struct world_worker_args *args);

#endif
