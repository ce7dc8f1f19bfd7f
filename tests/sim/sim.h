/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world: one process, virtual time, one seed. Every process of the product (supervisor, worker) has a
 * world of its own over a shared event queue; killing it drops its timers, requests and channels at once. What answers
 * HTTP and Keeper paths is set by the test. Same seed, same run.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/world.h"

struct sim;
struct simproc; /* begins with struct world */

/* Answers one HTTP request; may keep it open by returning false and calling sim_http_data/sim_http_done later. */
struct sim_http; /* a request under way, as the server sees it */
typedef bool sim_http_fn(void *ctx, struct sim_http *h, const struct http_request *req, int *status,
                         struct str *headers, struct str *body);
typedef int sim_zk_fn(void *ctx, enum zk_op op, const char *path, struct str *value, struct err *err);
typedef void sim_tcp_fn(void *ctx, const char *host, unsigned port, const char *text, struct str *answer,
                        struct err *err);
#define SIM_EPOCH_MS 1800000000000ULL /* wall clock when a simulation begins */

enum { SIM_REFUSED = -1 }; /* as HTTP status: nobody listens there; surely nothing was sent */

struct sim_faults {
    unsigned http_drop_permille;  /* request lost before it arrives */
    unsigned http_lose_permille;  /* carried out, but the answer is lost */
    unsigned http_error_permille; /* answered 500 or 429 without being carried out */
    const char *error_prefix;     /* errors only for URLs that begin so; NULL = all */
    unsigned max_latency_ms;      /* each way, 1..n; 0 = 3 */
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);
uint64_t sim_now(const struct sim *s);
uint64_t sim_random(struct sim *s);
struct sim_faults *sim_faults(struct sim *s);
void sim_serve(struct sim *s, sim_http_fn *http, sim_zk_fn *zk, sim_tcp_fn *tcp, void *ctx);

/* A small file that read_file() of every process finds. Texts are copied. */
void sim_file(struct sim *s, const char *path, const char *text);

/* A process: its world. Kill: nothing of it is called any more; workers' supervisors see closed() and on_exit(). */
struct world *sim_proc(struct sim *s, const char *name);
void sim_kill(struct world *w);
void sim_freeze(struct world *w); /* hangs: none of its events run any more, and nobody is told */
bool sim_alive(const struct world *w);
void sim_workers(struct sim *s, world_worker_main *fn);
/* Worker processes alive now, in order of start; i from 0. NULL past the end. */
struct world *sim_worker_at(struct sim *s, unsigned i);
const char *sim_name(const struct world *w);

/* Events of the environment (kubelets, servers): belong to no process. */
void sim_after(struct sim *s, uint64_t ms, void (*fn)(void *ctx), void *ctx);

/* Runs events until `until` says true (checked after each event), the clock reaches now + limit_ms, or nothing is left.
 * True when `until` said so. until NULL: only the limit. */
bool sim_run(struct sim *s, uint64_t limit_ms, bool (*until)(void *ctx), void *ctx);

/* For answers that come later: the server returned false. Exactly one of done (after a streamed 200), answer and fail
 * (the connection breaks) ends it; none of them may be called after the client went away. */
void sim_http_data(struct sim_http *h, const char *data, size_t len);
void sim_http_done(struct sim_http *h);
void sim_http_answer(struct sim_http *h, int status, const char *body);
void sim_http_fail(struct sim_http *h);
const struct world *sim_http_client(const struct sim_http *h);
void sim_http_on_gone(struct sim_http *h, void (*gone)(void *ctx), void *ctx); /* the client went away */

/* Called for every frame between supervisor and worker, right before it is delivered and right after the receiver has
 * dealt with it. The test's function may kill processes: a dead receiver gets nothing. */
struct sim_frame {
    struct world *from, *to;
    uint16_t type;
    uint32_t task, seq;
    const char *body;
    size_t len;
    bool after;
};
void sim_on_frame(struct sim *s, void (*fn)(void *ctx, const struct sim_frame *f), void *ctx);

#endif
