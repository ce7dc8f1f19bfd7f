/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small read-only HTTP server in an event loop: pages for probes, Prometheus, tools and people. GET and HEAD only; no
 * call waits. Above base/ only supervisor and exporter have one; the plane's API server is another matter
 * (plane/http.h).
 */
#ifndef BASE_SERVE_H
#define BASE_SERVE_H

#include "base/err.h"

struct event_base;
struct evhttp;
struct evhttp_request;

struct serve_page {
    const char *path;                                      /* the whole path; others are not found */
    void (*answer)(struct evhttp_request *req, void *ctx); /* at once, or keeps req until it does */
};

struct serve_options {
    const char *address;            /* "127.0.0.1:0" picks a port */
    const char *file;               /* the address with the real port is written here; NULL: nowhere */
    const char *option;             /* of the command line, that chose the address; for messages */
    int timeout_s;                  /* a reader that takes nothing for so long is gone */
    const struct serve_page *pages; /* ends with a NULL path */
    void *ctx;
};

/* Listens. Caller ends it with evhttp_free(). ERR_INPUT for the address, ERR_SYS when the port is used or the file
 * cannot be written. */
int serve_open(struct event_base *base, const struct serve_options *opt, struct evhttp **out, struct err *err);
/* The whole answer; a HEAD gets its headers only. `text` is copied. */
void serve_text(struct evhttp_request *req, int code, const char *type, const char *text);

#endif
