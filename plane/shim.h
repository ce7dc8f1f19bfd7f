/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chfleet-shim: one process per running container, parent of the real server. It outlives the plane, and the server
 * outlives it. Protocol and files below are FROZEN: a shim may be years older than the plane that adopts it. New fields
 * are appended and unknown ones are skipped; nothing is renamed or removed without a new SHIM_PROTOCOL.
 *
 * A container directory holds
 *     spec     what to run (mode 0600: the environment may hold secrets); written by the node agent
 *     server   boot id, pid and start time of the running server; written by the server's process itself before it
 * execs, so that a shim which dies at any instant leaves enough behind for the next one to adopt the server state one
 * status line (below), replaced atomically by the shim at each change lock     flock()ed by the living shim: there is
 * never more than one sock     its unix stream socket log      what the server writes to stdout and stderr; rotated to
 * log.1 … by copying, so that no pipe ties server and shim
 *
 * Protocol, text lines over `sock`. The shim greets with "chfleet-shim 1 <version>". Then requests, one per line:
 *     status              → one "status …" line
 *     watch               → "status …" now and at each change, until the connection ends
 *     stop MS             → "ok"; SIGTERM to the server's group, SIGKILL after MS; no restart; the shim ends with the
 * server restart MS          → "ok"; the same, but the server is started again as the restart policy says signal N →
 * "ok"; to the server exec LEN            → LEN bytes follow, in them NUL-terminated strings (flags "t"/"-", then
 * argv); with them come three descriptors (SCM_RIGHTS: stdin, stdout, stderr). → "started PID", later "exit CODE"; or
 *                           "error …". Closing the connection hangs the command up.
 * Anything else → "error …". A status line is "status" and key=value words: boot phase pid start started_ms restarts
 * shim shim_start next_ms exit signal last_pid last_start last_started_ms finished_ms reason; `message` is last and
 * runs to the end.
 */
#ifndef PLANE_SHIM_H
#define PLANE_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

enum { SHIM_PROTOCOL = 1, SHIM_GRACE_MAX_MS = 24 * 3600 * 1000 };

enum shim_restart { SHIM_RESTART_ALWAYS, SHIM_RESTART_ON_FAILURE, SHIM_RESTART_NEVER };

struct shim_spec {
    char **argv, **env; /* NULL-terminated */
    size_t n_argv, n_env;
    char *cwd;
    enum shim_restart restart;
    uint64_t log_max;   /* bytes per log file; 0 = 10 MiB */
    unsigned log_files; /* rotated ones kept; 0 = 2 */
    unsigned *await;    /* ports of 127.0.0.1: a start waits a while until a Keeper serves at one of them */
    size_t n_await;
};

void shim_spec_fini(struct shim_spec *s);
void shim_spec_arg(struct shim_spec *s, const char *text);
void shim_spec_env(struct shim_spec *s, const char *name, const char *value); /* a later one replaces */
void shim_spec_await(struct shim_spec *s, unsigned port);
void shim_spec_encode(const struct shim_spec *s, struct str *out);
/* Takes what shim_spec_encode() gave. On error *s is empty. */
int shim_spec_decode(const char *text, struct shim_spec *s, struct err *err);

enum shim_phase {
    SHIM_WAITING, /* no server: start comes at next_ms (back-off) */
    SHIM_RUNNING,
    SHIM_STOPPING, /* asked to end */
    SHIM_EXITED,   /* over, and no start will come; the shim ends */
    SHIM_PHASES
};
extern const char *const shim_phase_names[SHIM_PHASES];

struct shim_state {
    char boot[40];
    enum shim_phase phase;
    int64_t pid;         /* of the server; 0 = none */
    uint64_t start;      /* its start time, clock ticks since boot (/proc/PID/stat field 22) */
    uint64_t started_ms; /* wall clock */
    uint64_t restarts;
    int64_t shim; /* pid of the shim */
    uint64_t shim_start;
    uint64_t next_ms; /* wall clock of the next start when waiting */
    /* the last ended one; last_pid 0 = none ended yet */
    int exit_code;   /* -1 = unknown (the shim was not its parent) */
    int exit_signal; /* 0 = none */
    int64_t last_pid;
    uint64_t last_start, last_started_ms, finished_ms;
    char reason[32]; /* "Completed", "Error", "StartError", "Unknown" */
    char message[256];
};

void shim_state_encode(const struct shim_state *s, struct str *out); /* one line, with its end */
int shim_state_decode(const char *line, struct shim_state *s, struct err *err);

/* How long to wait before the next start. *step counts fast failures; a run of more than 10 s resets it, and so does one
 * of more than 1 s that ended with code 0 (`clean`): it was told to. 0.2 s first, then 1, 2, 4 … 60 s. */
uint64_t shim_backoff_ms(unsigned *step, uint64_t uptime_ms, bool clean);

/* ---- the machine ---- */
/* This boot's id into buf (at least 40 bytes); "" when /proc is not there. */
const char *shim_boot_id(char *buf);
/* Start time of a living process, 0 when there is none (a zombie counts as none). */
uint64_t shim_proc_start(pid_t pid);
/* Reads a small file; NULL when it is not there. Caller frees. */
char *shim_read(int dir, const char *name);
/* Replaces a small file atomically. */
int shim_write(int dir, const char *name, const char *text, size_t len, unsigned mode, struct err *err);
/* Where in a container's log the running instance began, and the one before it (-1: there was none), as its shim noted. False: it
 * noted nothing, or the beginning is in the rotated file. `dir` may be AT_FDCWD. */
#define SHIM_LOG_BEGUN "log.begun"
bool shim_log_begun(int dir, const char *name, long long *before, long long *at);
/* The last state in a container directory: 0, or ERR_MISSING. `alive` (may be NULL): its server runs now, in this boot.
 */
int shim_last_state(const char *dir, struct shim_state *s, bool *alive, struct err *err);

/* ---- clients ---- */
/* Connects (blocks for a moment at most: the socket is local). Non-blocking close-on-exec descriptor, or -1:
 * ERR_MISSING when no shim listens. */
int shim_connect(const char *dir, struct err *err);
/* One request and its answer ("ok"), for programs without a loop; waits up to ms. */
int shim_call(const char *dir, const char *request, unsigned ms, struct err *err);
/* Asks every shim below data_dir/pods to stop and waits until all are gone, or ms passed (ERR_AGAIN: how many are
 * left). For `chfleet down`. A grace_ms of -1 means 30 s. */
int shim_stop_all(const char *data_dir, int64_t grace_ms, unsigned ms, struct err *err);

#endif
