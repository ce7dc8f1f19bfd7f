/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the worker sockets: 16 bytes of header (little endian: u32 payload length, u16 type, u16 version, u32 task,
 * u32 sequence), then the payload (JSON text, no NUL). The first frame on a socket is FRAME_HELLO, whose payload names
 * protocol and build; anything else first, another version, or a length over FRAME_MAX ends the connection.
 */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { FRAME_HEAD = 16, FRAME_VERSION = 1, FRAME_HELLO = 1 };
#define FRAME_MAX (8u << 20)

struct frame {
    uint16_t type;
    uint32_t task, seq;
    const char *body; /* borrowed from the buffer it was parsed from; NUL follows only by luck: use len */
    uint32_t len;
};

void frame_put(struct str *out, uint16_t type, uint32_t task, uint32_t seq, const char *body, size_t len);

/* Looks at the front of `in`. 1: *f is filled and *used says how many bytes it took; 0: more bytes are needed;
 * -1: not a frame (ERR_INPUT): close. Does not change `in`. */
int frame_get(const struct str *in, struct frame *f, size_t *used, struct err *err);

#endif
