/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real world: libevent loop, libcurl multi on it (HTTP/2 by ALPN), the kernel. One per process.
 *
 * Order in chfleetd's main: world_real_spawner() FIRST (it forks the spawner while the process is still small, single-
 * threaded and without libraries' state), then world_real_new(). A worker process gets its own small world made after
 * the fork. Workers die with their parent (PR_SET_PDEATHSIG, checked after the fork).
 */
#ifndef BASE_WORLD_REAL_H
#define BASE_WORLD_REAL_H

#include "base/world.h"

struct event_base;
struct world_spawner;

/* Forks the spawner and a spare. The spawner forks a worker per request that comes over its socket (SCM_RIGHTS gives
 * the worker's channel), runs `worker_main` in it, and reports exits. It ends, and its workers with it, when this
 * process ends. If the spawner dies, all its workers die (closed()/on_exit come for each), the spare takes over, and
 * forks the next spare. Only when both died at once spawn() returns ERR_AGAIN: then chfleetd exits 75 and is started
 * again by its caller.
 *
 * `worker_main` returns 0 to have its loop run, else the worker's exit code. Spawner and workers ignore SIGINT, SIGTERM
 * and SIGHUP, which a terminal or service manager sends to the whole group: the supervisor decides. A worker whose
 * channel ends leaves with code 70; one that cannot take its lock leaves with 71. What workers need registered
 * (world_real_set_zk) is registered before this call. */
int world_real_spawner(world_worker_main *worker_main, struct world_spawner **out, struct err *err);

/* `spawner` may be NULL (plane, CLI, exporter). Takes the spawner. */
int world_real_new(struct world_spawner *spawner, struct world **out, struct err *err);
void world_real_free(struct world *w);
struct event_base *world_real_base(struct world *w); /* for servers (status, plane) that sit on the same loop */

/* Runs until quit(); returns its code. */
int world_real_run(struct world *w);

/* Signal handlers as loop events. */
void world_real_signal(struct world *w, int signo, void (*fn)(void *ctx, int signo), void *ctx);

/* keeper/ registers how Keeper paths are reached, so that base needs no ZooKeeper library. */
struct world_zk_ops {
    struct world_zk *(*start)(struct world *w, const char *servers, enum zk_op op, const char *path, uint32_t total_ms,
                              zk_done_fn *done, void *ctx);
    void (*cancel)(struct world *w, struct world_zk *z);
};
void world_real_set_zk(const struct world_zk_ops *ops); /* before world_real_new(); static lifetime */

#endif
