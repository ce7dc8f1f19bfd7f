/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the API server reaches running containers: logs, exec, port-forward. The node agent implements the table and gives it to
 * api_set_runtime(). As everywhere above the world: no call blocks, callbacks come from the loop and never from inside the call,
 * after `done` the job is dead, and a cancelled job calls nobody. `pod` is borrowed for the call only.
 */
#ifndef PLANE_RUNTIME_H
#define PLANE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct runtime_job;

struct runtime_log_options {
    const char *container;   /* never NULL: the API server has checked that the pod has it */
    bool follow;             /* goes on until the container is gone or the job is cancelled */
    bool previous;           /* the last ended instance instead of the running one */
    bool timestamps;         /* each line starts with an RFC 3339 time and a space */
    int64_t tail_lines;      /* -1 = all */
    int64_t since_wall_ms;   /* 0 = from the start */
    int64_t limit_bytes;     /* -1 = no limit */
};

enum { RUNTIME_STDIN = 1, RUNTIME_STDOUT = 2, RUNTIME_STDERR = 4, RUNTIME_TTY = 8 };

struct runtime_cbs {
    /* stream is RUNTIME_STDOUT or RUNTIME_STDERR (logs: always RUNTIME_STDOUT). */
    void (*data)(void *ctx, int stream, const char *data, size_t len);
    /* stdin took what it had: more may be given after runtime_ops.input() had said false. May be NULL for logs. */
    void (*drained)(void *ctx);
    /* exec: exit_code of the command (128 + signal when killed); err set when it could not be started or was lost.
     * logs: exit_code 0. The job is dead after this. */
    void (*done)(void *ctx, int exit_code, const struct err *err);
};

struct runtime_ops {
    /* NULL and err: ERR_MISSING no such container or instance, ERR_REFUSED not started yet, ERR_AGAIN node not reachable. */
    struct runtime_job *(*logs)(void *node, const cJSON *pod, const struct runtime_log_options *o, const struct runtime_cbs *cbs,
                                void *ctx, struct err *err);
    /* argv ends with NULL. The command runs as the container's processes do: its environment, working directory, rootfs view. */
    struct runtime_job *(*exec)(void *node, const cJSON *pod, const char *container, const char *const *argv, unsigned flags,
                                const struct runtime_cbs *cbs, void *ctx, struct err *err);
    /* To stdin of an exec. Always takes (copies) the bytes; false: hold back until drained(). len 0 = end of input. */
    bool (*input)(struct runtime_job *job, const char *data, size_t len);
    void (*resize)(struct runtime_job *job, unsigned columns, unsigned rows);
    /* The reader is slow (true) or fast again (false): stop or go on calling data(). */
    void (*pause)(struct runtime_job *job, bool paused);
    void (*cancel)(struct runtime_job *job); /* exec: the command is hung up on (SIGHUP, then SIGKILL) */
    /* Address a container port listens on, for port-forward. ERR_REFUSED with the reason when it is not open to that. */
    int (*port)(void *node, const cJSON *pod, unsigned container_port, char *host, size_t host_size, unsigned *port, struct err *err);
};

#endif
