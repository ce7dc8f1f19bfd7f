/* SPDX-License-Identifier: Apache-2.0 */
/* Reading HTTP/1.1 requests. Pure: bytes in, a request out. */
#ifndef PLANE_HTTP_H
#define PLANE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { HTTP_HEAD_MAX = 64 << 10, HTTP_HEADERS_MAX = 100 };
#define HTTP_BODY_MAX ((size_t)(3u << 20) + (64u << 10))

struct http_head {
    char *text; /* owns everything below */
    const char *method, *path, *query /* NULL when none */;
    struct {
        const char *name, *value;
    } headers[HTTP_HEADERS_MAX];
    unsigned n_headers;
    bool keep_alive, chunked, expect_continue;
    size_t length; /* Content-Length; 0 when absent */
};

/* Looks at the front of data. 1: *h is filled (free with http_head_free) and *used says how many bytes it took; 0: more
 * is needed; -1: *status says what to answer (400, 431, 413, 501, 505). */
int http_head_parse(const char *data, size_t len, struct http_head *h, size_t *used, int *status);
void http_head_free(struct http_head *h);
const char *http_head_get(const struct http_head *h, const char *name); /* NULL when absent; the first one */
/* Is `token` one of the comma-separated words of this header, in any case? */
bool http_head_has(const struct http_head *h, const char *name, const char *token);

/* The body as it comes. */
struct http_body {
    struct str bytes;
    size_t left; /* of the whole body, or of the chunk */
    enum { BODY_SIZE, BODY_DATA, BODY_DATA_END, BODY_TRAILER, BODY_PLAIN } state;
};
void http_body_begin(struct http_body *b, const struct http_head *h);
/* Takes from the front of data; *used says how much. 1: complete; 0: more is needed; -1: *status. */
int http_body_feed(struct http_body *b, const char *data, size_t len, size_t *used, int *status);

#endif
