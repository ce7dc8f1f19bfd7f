/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames (RFC 6455), server side. Pure. */
#ifndef PLANE_WS_H
#define PLANE_WS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum { WS_CONTINUE = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
#define WS_MESSAGE_MAX (4u << 20)

/* The value of Sec-WebSocket-Accept. Caller frees. */
char *ws_accept(const char *key);
void ws_put(struct str *out, int opcode, const void *data, size_t len);
void ws_put_close(struct str *out, unsigned code, const char *reason);

struct ws_reader {
    struct str message; /* fragments joined */
    int opcode;         /* of the message that is being joined; 0 = none */
};
/* Looks at the front of data (unmasks in place). 1: a message is complete: *opcode, *text, *text_len (valid until the
 * next call); 0: more is needed, or a fragment was taken; -1: against the protocol. *used says how many bytes were
 * taken. */
int ws_read(struct ws_reader *r, char *data, size_t len, size_t *used, int *opcode, const char **text,
            size_t *text_len);
void ws_reader_free(struct ws_reader *r);

#endif
