/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the real world (world_real.c, world_http.c, …) share. Nobody else includes this. */
#ifndef BASE_WORLD_IMPL_H
#define BASE_WORLD_IMPL_H

#include <curl/curl.h>
#include <event2/event.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/world.h"
#include "base/world_real.h"

struct http_pool;
struct world_signal;
struct world_run;
struct spawn_order;

struct world_real {
    struct world w; /* first */
    struct event_base *base;
    struct world_spawner *spawner; /* NULL in everything but the supervisor */
    struct http_pool *pool[2];     /* where new transfers go, [1] those on kept connections; made by the first one */
    LIST_HEAD(, http_pool) pools;
    LIST_HEAD(, world_timer) timers;
    LIST_HEAD(, world_http) https;
    LIST_HEAD(, world_tcp) tcps;
    LIST_HEAD(, world_run) runs;
    LIST_HEAD(, world_chan) chans;
    LIST_HEAD(, world_proc) procs;
    LIST_HEAD(, world_signal) signals;
    TAILQ_HEAD(, spawn_order) orders; /* for the spawner, not sent yet */
    uint64_t last_proc;
    bool curl_ready, quitting;
    int code;
    char boot_id[64];
};

static inline struct world_real *real_of(struct world *w)
{
    return (struct world_real *)w;
}

/* world_real.c */
struct event *world_event(struct world_real *w, int fd, short what, event_callback_fn fn,
                          void *ctx);                     /* not added yet */
void world_event_in(struct event *ev, uint64_t delay_ms); /* adds it with a time-out */

/* world_http.c */
struct world_http *world_http_start(struct world *w, const struct http_request *req, http_data_fn *on_data,
                                    http_done_fn *on_done, void *ctx);
void world_http_cancel(struct world *w, struct world_http *h);
void world_http_close(struct world_real *w);
/* Opens a TCP connection to host:port with the resolver and the happy eyeballs of libcurl; `done` gets a socket that is
 * the caller's, or -1 and the reason. */
struct world_http *world_http_connect(struct world *w, const char *host, unsigned port, uint32_t total_ms,
                                      void (*done)(void *ctx, int fd, const struct err *why), void *ctx);

/* world_tcp.c */
struct world_tcp *world_tcp_start(struct world *w, const char *host, unsigned port, const char *text, size_t limit,
                                  uint32_t total_ms,
                                  void (*done)(void *ctx, const char *text, size_t len, const struct err *err),
                                  void *ctx);
void world_tcp_cancel(struct world *w, struct world_tcp *t);
void world_tcp_close(struct world_real *w);

/* world_run.c */
void world_run_start(struct world *w, const char *const *argv, const char *const *env, uint32_t total_ms,
                     void (*done)(void *ctx, int status, const char *out, const char *errtext), void *ctx);
void world_run_close(struct world_real *w);

/* world_chan.c: takes fd. With `quit_at_end` the world's loop ends when the other side is gone (a worker's channel). */
struct world_chan *world_chan_new(struct world_real *w, int fd, const struct world_chan_cbs *cbs, void *ctx,
                                  bool quit_at_end);
void world_chan_send(struct world *w, struct world_chan *c, uint16_t type, uint32_t task, uint32_t seq,
                     const char *body, size_t len);
void world_chan_listen(struct world *w, struct world_chan *c, const struct world_chan_cbs *cbs, void *ctx);
/* Delivers what already came, then closed(); *owner (set by world_chan_own) is cleared. From the loop only. */
void world_chan_finish(struct world_chan *c, const char *why);
void world_chan_own(struct world_chan *c, struct world_chan **owner); /* *owner becomes NULL when the channel ends */
pid_t world_chan_peer(const struct world_chan *c);                    /* the other process; 0 until it has greeted */
void world_chan_drain(struct world_chan *c,
                      int wait_ms);         /* blocks until what was sent is out; before the end of a worker */
void world_chan_free(struct world_chan *c); /* tells nobody */

/* world_proc.c: supervisor's side of workers */
struct world_proc *world_proc_spawn(struct world *w, const struct world_worker_args *args,
                                    const struct world_chan_cbs *cbs, world_exit_fn *on_exit, void *ctx,
                                    struct world_chan **chan, struct err *err);
void world_proc_kill(struct world *w, struct world_proc *p);
int64_t world_proc_pid(struct world *w, struct world_proc *p);
void world_proc_attach(struct world_real *w); /* listens to the spawners */
void world_proc_close(struct world_real *w);

/* world_spawner.c: the spawner process and its messages, one per SOCK_SEQPACKET record */
enum spawn_type {
    SPAWN_START = 1, /* to it: id, generation, two strings; a descriptor rides along */
    SPAWN_KILL,      /* to it: id */
    SPAWN_CLONE,     /* to it: fork a spare spawner; its socket rides along */
    SPAWN_STARTED,   /* from it: id, value = pid */
    SPAWN_EXITED,    /* from it: id, value = wait status */
    SPAWN_FAILED,    /* from it: id, value = errno */
};
struct spawn_msg {
    uint32_t type;
    int32_t value;
    uint64_t id, generation;
    uint32_t name_len, lock_len; /* two strings with their NUL follow */
};
enum { SPAWN_MSG_MAX = 16384 };

struct world_spawner {
    struct spawner_link {
        int fd;    /* -1: dead */
        pid_t pid; /* 0: not our child, there is nothing to wait for */
        struct event *read, *write;
    } link[2]; /* [0] is in use, [1] is the spare */
};

/* Sends one record. 0, or -1 with errno. */
int spawn_send(int sock, const struct spawn_msg *msg, const char *name, const char *lock_path, int fd, int flags);
/* 1: a record is in buf (SPAWN_MSG_MAX bytes; the strings are NUL-terminated), *fd is -1 or the caller's; 0: the end;
 * -1: errno. */
int spawn_recv(int sock, struct spawn_msg *msg, char *buf, int *fd, int flags);

#endif
