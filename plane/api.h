/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kubernetes REST API over the store, without sockets: a request goes in, a response comes out. Watches, logs, exec
 * and port-forward are answered as "goes on": the caller (server.c, or the simulation's network) opens the stream with
 * the functions below. Nothing blocks.
 */
#ifndef PLANE_API_H
#define PLANE_API_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "base/world.h"
#include "plane/runtime.h"
#include "plane/store.h"

struct api;

struct api_request {
    const char *method;       /* "GET" … */
    const char *path;         /* as sent, still percent-encoded, without the query */
    const char *query;        /* after '?', still encoded; NULL or "" when none */
    const char *content_type; /* NULL when absent */
    const char *accept;       /* NULL when absent */
    const char *user;         /* who was authenticated; for field managers and `auth whoami` */
    const char *body;
    size_t body_len;
};

struct api_response {
    int status;
    const char *content_type; /* static text */
    struct str body;
    struct str headers; /* extra "Name: value\r\n" lines */
    bool wrote;         /* the store changed: answer only after store_flush() said 0 */
};

enum api_outcome {
    API_DONE,  /* res is the answer */
    API_WATCH, /* status 200 and content_type are set: open with api_watch_open() */
    API_LOGS,  /* api_stream_open() … */
    API_EXEC,
    API_FORWARD,
};

struct api *api_new(struct world *w, struct store *s);
void api_free(struct api *a); /* closes all watches without calling done */
void api_set_runtime(struct api *a, const struct runtime_ops *ops, void *node);
const struct runtime_ops *api_runtime(const struct api *a, void **node); /* NULL when none was set */

/* res must be zeroed; free with api_response_free(). */
enum api_outcome api_handle(struct api *a, const struct api_request *req, struct api_response *res);
void api_response_free(struct api_response *res);
/* Fills res with a Status object, for refusals of the caller's own (401, 413 …). */
void api_fail(struct api_response *res, int code, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- watches ---- */
struct api_watch;
/* data is one or more whole lines. done: timeoutSeconds is over or the watch expired (the ERROR event was emitted). */
typedef void api_emit_fn(void *ctx, const char *data, size_t len);
struct api_watch *api_watch_open(struct api *a, const struct api_request *req, api_emit_fn *emit,
                                 void (*done)(void *ctx), void *ctx);
void api_watch_close(struct api_watch *w); /* NULL-safe; not after done */

/* ---- logs, exec, port-forward: what was asked for ---- */
struct api_stream {
    enum api_outcome what;
    cJSON *pod;                      /* copy */
    char *container;                 /* logs, exec */
    struct runtime_log_options logs; /* .container points into this struct */
    char **argv;                     /* exec; ends with NULL */
    unsigned flags;                  /* exec: RUNTIME_* */
};
/* After api_handle() said API_LOGS, API_EXEC or API_FORWARD for the same request. Caller frees. */
struct api_stream *api_stream_open(struct api *a, const struct api_request *req);
void api_stream_free(struct api_stream *s);

#endif
