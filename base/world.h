/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world behind one table. Time, randomness, network, worker processes and files are reached only through `struct
 * world`, so that the same supervisor, worker and plane code runs in production (world_real.c: libevent, libcurl, the
 * kernel) and in the seeded simulation (tests/sim/), where hours pass in milliseconds and anything can die.
 *
 * Rules for code above it: no call here blocks; every callback comes from the world's loop, never from inside the call
 * that asked for it; no static mutable state, so that many workers live in one simulation. A handle is dead once its
 * final callback ran or it was cancelled; a cancelled request calls nobody.
 */
#ifndef BASE_WORLD_H
#define BASE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct world;
struct world_timer;
struct world_http;
struct world_tcp;
struct world_zk;
struct world_proc;
struct world_chan;
struct world_watch;

/* ---- HTTP ---- */

/* TLS material, as PEM text (not files). All may be NULL. Borrowed until the request's final callback. */
struct http_tls {
    const char *ca, *cert, *key;
    bool insecure; /* no verification; only when the user's kubeconfig or configuration says so */
    const char *server_name; /* name in the certificate and SNI, where it is not the URL's host */
    const char *proxy;       /* URL of a proxy for this request */
};

enum {
    HTTP_STREAM = 1,   /* the body of a 2xx goes to on_data as it comes; another answer's is in response.body */
    HTTP_ALONE = 2,    /* a connection of its own, closed after; never re-sent on another one */
    HTTP_KEEP = 4,     /* may use and keep a pooled connection (API server) */
};

struct http_request {
    const char *method, *url;    /* absolute URL */
    const char *const *headers;  /* "Name: value", ends with NULL; may be NULL */
    const void *body;
    size_t body_len;
    uint32_t connect_ms;         /* 0 = 5000 */
    uint32_t total_ms;           /* whole request; 0 = no limit */
    uint32_t idle_ms;            /* no byte for so long ends it; 0 = no limit */
    const struct http_tls *tls;
    unsigned flags;
}; /* strings and body are copied; tls is borrowed */

struct http_response {
    int status;          /* 0: no answer; why says what happened, ERR_AGAIN unless it was refused by TLS (ERR_REFUSED) */
    const char *body;    /* NUL-terminated, never NULL; at most 64 MiB */
    size_t body_len;
    const char *headers; /* raw "Name: value\r\n" lines; never NULL */
    bool sent;           /* false: surely no byte of the request reached the other side */
    struct err why;
};

typedef void http_data_fn(void *ctx, const char *data, size_t len);
typedef void http_done_fn(void *ctx, const struct http_response *res);

/* The value of a response header into buf (case-insensitive name), or NULL. */
const char *http_header(const struct http_response *res, const char *name, char *buf, size_t size);

/* ---- Keeper/ZooKeeper paths (filled in by keeper/, see keeper/zk.h) ---- */
enum zk_op {
    ZK_GET,         /* value */
    ZK_LIST,        /* children, one per line */
    ZK_CREATE_PATH, /* each missing component, world:anyone; there already = success */
    ZK_DELETE_TREE, /* the node and all below; absent = success */
};
typedef void zk_done_fn(void *ctx, const char *value, const struct err *err); /* err NULL on success; ERR_MISSING: no node */

/* ---- worker channels ---- */
struct frame;
struct world_chan_cbs {
    void (*frame)(void *ctx, const struct frame *f);
    void (*closed)(void *ctx, const char *why); /* the other side is gone; the chan handle is dead after this */
};

/* The function a worker process runs: it sets up callbacks on `chan` and returns; the world's loop then runs it.
 * `*state` is its own memory, handed to nobody. */
struct world_worker_args {
    const char *name;     /* "ns/installation/cluster/shard" or ".../membership" */
    uint64_t generation;
    const char *lock_path; /* flock this first; "" in the simulation */
};
typedef int world_worker_main(struct world *w, struct world_chan *chan, const struct world_worker_args *args);

typedef void world_exit_fn(void *ctx, int status); /* wait status of the worker */

struct world_ops {
    uint64_t (*mono_ms)(struct world *w);   /* monotonic */
    uint64_t (*wall_ms)(struct world *w);   /* since 1970 */
    uint64_t (*random)(struct world *w);
    const char *(*boot_id)(struct world *w);

    /* One-shot timer; 0 ms runs on the next round. */
    struct world_timer *(*timer)(struct world *w, uint64_t delay_ms, void (*fn)(void *ctx), void *ctx);
    void (*timer_stop)(struct world *w, struct world_timer *t);

    struct world_http *(*http)(struct world *w, const struct http_request *req, http_data_fn *on_data,
                               http_done_fn *on_done, void *ctx);
    void (*http_cancel)(struct world *w, struct world_http *h);

    /* Sends text, collects what comes until the other side closes or `limit` bytes or ms (four-letter words). */
    struct world_tcp *(*tcp)(struct world *w, const char *host, unsigned port, const char *text, size_t limit,
                             uint32_t total_ms, void (*done)(void *ctx, const char *text, size_t len, const struct err *err),
                             void *ctx);
    void (*tcp_cancel)(struct world *w, struct world_tcp *t);

    /* `servers` is "host:port,host:port"; total_ms covers connecting too. */
    struct world_zk *(*zk)(struct world *w, const char *servers, enum zk_op op, const char *path, uint32_t total_ms,
                           zk_done_fn *done, void *ctx);
    void (*zk_cancel)(struct world *w, struct world_zk *z);

    /* Supervisor side: starts a worker; NULL and err when the spawner is gone. on_exit comes once, after closed(). */
    struct world_proc *(*spawn)(struct world *w, const struct world_worker_args *args, const struct world_chan_cbs *cbs,
                                world_exit_fn *on_exit, void *ctx, struct world_chan **chan, struct err *err);
    void (*kill)(struct world *w, struct world_proc *p); /* SIGKILL */
    int64_t (*pid)(struct world *w, struct world_proc *p);

    /* Both sides. Sending copies. A channel whose other side does not read is closed at 64 MiB. */
    void (*chan_send)(struct world *w, struct world_chan *c, uint16_t type, uint32_t task, uint32_t seq, const char *body,
                      size_t len);
    void (*chan_listen)(struct world *w, struct world_chan *c, const struct world_chan_cbs *cbs, void *ctx);

    /* Small files (kubeconfig, tokens, configuration). Blocks as a local disk does. Caller frees *text. */
    int (*read_file)(struct world *w, const char *path, char **text, size_t *len, struct err *err);
    int (*write_file)(struct world *w, const char *path, const char *text, size_t len, unsigned mode, struct err *err);
    /* Can this 127.0.0.1 port be bound now? */
    bool (*port_free)(struct world *w, unsigned port);
    /* Runs a program (kubeconfig exec plugins) and gives its wait status and what it printed; argv[0] is looked for in
     * PATH; env ("NAME=value", may be NULL) is added to our own. After total_ms it is killed with its process group. Not
     * in the simulation. */
    void (*run)(struct world *w, const char *const *argv, const char *const *env, uint32_t total_ms,
                void (*done)(void *ctx, int status, const char *out, const char *errtext), void *ctx);
    /* Ends the loop of world_run() after this round; the process exits with `code`. */
    void (*quit)(struct world *w, int code);
};

/* Every world begins with this, so that `w->ops->…` works; implementations embed it first. */
struct world {
    const struct world_ops *ops;
};

static inline uint64_t world_mono(struct world *w)
{
    return w->ops->mono_ms(w);
}
static inline uint64_t world_wall(struct world *w)
{
    return w->ops->wall_ms(w);
}
static inline struct world_timer *world_timer(struct world *w, uint64_t ms, void (*fn)(void *), void *ctx)
{
    return w->ops->timer(w, ms, fn, ctx);
}
static inline void world_timer_stop(struct world *w, struct world_timer **t) /* NULL-safe, clears */
{
    if (*t)
        w->ops->timer_stop(w, *t);
    *t = NULL;
}

#endif
