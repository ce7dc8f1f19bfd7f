/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket client (RFC 6455) for `chfleet exec`: one connection, TLS as the kubeconfig says, binary messages. Opening blocks
 * (10 s at most for each of connect and handshake), reading and writing do not, except that websock_send() waits while the
 * other side does not read.
 */
#ifndef CLI_WEBSOCK_H
#define CLI_WEBSOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "base/world.h"

struct websock;

struct websock_target {
    const char *server;              /* "https://127.0.0.1:6443", without a slash at its end */
    const char *path;                /* with the query */
    const char *protocol;            /* the one subprotocol that is asked for and must be granted */
    const char *const *headers;      /* "Name: value", ends with NULL; may be NULL */
    const struct http_tls *tls;      /* may be NULL */
};

/* ERR_AGAIN: cannot connect; ERR_REFUSED: TLS or 401/403; ERR_MISSING: 404; the server's own words are in the text. */
int websock_open(struct websock **out, const struct websock_target *t, struct err *err);
void websock_close(struct websock *w); /* NULL is allowed */
int websock_fd(const struct websock *w); /* for poll(POLLIN) */

/* Next whole message into *message (emptied first). 1: there is one; 0: nothing more now; -1 and err ERR_MISSING: the other side
 * ended the connection properly; -1 and another kind: it broke. Call until 0 before polling again. */
int websock_next(struct websock *w, struct str *message, struct err *err);
int websock_send(struct websock *w, const void *data, size_t len, struct err *err);

/* Parsing, for tests: 1 and *used, 0 needs more, -1 not a frame. Server frames are unmasked. */
struct websock_frame {
    bool fin;
    unsigned opcode;
    const char *data;
    size_t len;
};
int websock_parse(const char *p, size_t n, struct websock_frame *f, size_t *used, struct err *err);
/* Appends a masked client frame. */
void websock_put(struct str *out, unsigned opcode, const void *data, size_t len, const unsigned char mask[4]);

#endif
