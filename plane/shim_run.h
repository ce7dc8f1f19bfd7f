/* SPDX-License-Identifier: Apache-2.0 */
/* Inside chfleet-shim. Its one process has one struct shim, so nothing is static. Links libc only: 200 of them run. */
#ifndef PLANE_SHIM_RUN_H
#define PLANE_SHIM_RUN_H

#include "plane/shim.h"

enum { SHIM_CLIENTS = 16, SHIM_EXEC_MAX = 1 << 17 };

struct shim_client {
    int fd; /* -1 = free slot */
    bool watching;
    char *in;
    size_t in_len;
    size_t exec_left; /* bytes of the exec request that are still to come + 1; 0 = lines are expected */
    int fds[3];       /* came with an exec request; -1 */
    int n_fds;
    pid_t exec_pid;        /* running command, 0 = none */
    uint64_t exec_kill_at; /* monotonic; after the hang-up */
};

enum shim_want { SHIM_WANT_RUN, SHIM_WANT_RESTART, SHIM_WANT_STOP };

struct shim {
    struct shim_spec spec;
    struct shim_state st;
    enum shim_want want;
    int lock_fd, listen_fd, sig_fd, log_fd, inotify_fd;
    int pid_fd;                         /* of the server; -1 = none runs */
    bool child;                         /* the server is our child (not adopted) */
    pid_t group;                        /* process group that is still being waited for; 0 = none */
    uint64_t kill_at, start_at, log_at; /* monotonic ms; 0 = not set */
    uint64_t up_since;                  /* monotonic ms */
    unsigned step;                      /* of the back-off */
    uint64_t await_since;               /* monotonic ms: a start waits for a Keeper since then; 0 = it does not */
    bool term;                          /* SIGTERM came: leave the server alone and go */
    struct shim_client clients[SHIM_CLIENTS];
};

/* shim_run.c */
uint64_t shim_mono_ms(void);
uint64_t shim_wall_ms(void);
/* Adopts the server of an earlier shim, or starts one, or waits out the rest of its back-off. */
void shim_begin(struct shim *s);
void shim_start_server(struct shim *s);
void shim_server_gone(struct shim *s, int wait_status, bool known);
void shim_reap(struct shim *s);
void shim_end(struct shim *s, enum shim_want want, uint64_t grace_ms);
void shim_tick(struct shim *s, uint64_t now);
bool shim_over(const struct shim *s);
void shim_end_execs(struct shim *s); /* commands end with their container */
/* Stores the state and tells the watchers. */
void shim_changed(struct shim *s);
/* For a child before exec: default signals, all of them unblocked. */
void shim_child_signals(void);

/* shim_await.c: true when the start that is due waits for a Keeper; it comes again by itself. */
bool shim_awaits(struct shim *s);

/* shim_serve.c */
void shim_accept(struct shim *s);
void shim_client_read(struct shim *s, struct shim_client *c);
void shim_client_close(struct shim_client *c);
void shim_tell(struct shim *s);
bool shim_exec_reaped(struct shim *s, pid_t pid, int wait_status); /* false: not one of the commands */

/* shim_log.c */
void shim_log_open(struct shim *s);
void shim_log_event(struct shim *s); /* the log grew */
void shim_log_begin(struct shim *s); /* notes where the instance that starts now begins in the log, and the one before it */
void shim_log_rotate(struct shim *s);

#endif
