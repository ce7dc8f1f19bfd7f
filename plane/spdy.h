/* SPDX-License-Identifier: Apache-2.0 */
/* SPDY/3.1 frames, as far as port-forward of kubectl needs them. Pure. */
#ifndef PLANE_SPDY_H
#define PLANE_SPDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

#include "base/str.h"

enum { SPDY_DATA = 0, SPDY_SYN_STREAM = 1, SPDY_SYN_REPLY = 2, SPDY_RST_STREAM = 3, SPDY_SETTINGS = 4, SPDY_PING = 6, SPDY_GOAWAY = 7 };
enum { SPDY_FIN = 1, SPDY_REFUSED = 3, SPDY_FRAME_MAX = 1 << 20, SPDY_HEADERS_MAX = 16 << 10 };

struct spdy {
    z_stream in, out; /* header blocks of the client and ours; each direction is one stream */
};

struct spdy_frame {
    int type;
    unsigned flags;
    uint32_t stream;
    const char *body; /* what follows the 8 bytes of frame head */
    size_t len, used;
};

void spdy_init(struct spdy *s); /* stays where it is: zlib points back to it */
void spdy_fini(struct spdy *s);
/* Looks at the front of data. 1: *f; 0: more is needed; -1: not SPDY/3. */
int spdy_frame(const char *data, size_t len, struct spdy_frame *f);
/* The values of these headers (lower case names, list ends with NULL) of a SYN_STREAM. Every SYN_STREAM has to go through
 * here: the blocks build on each other. */
int spdy_headers(struct spdy *s, const struct spdy_frame *f, const char *const *names, char (*values)[64]);
void spdy_put_reply(struct spdy *s, struct str *out, uint32_t stream);
void spdy_put_data(struct str *out, uint32_t stream, const void *data, size_t len, bool last);
void spdy_put_reset(struct str *out, uint32_t stream, uint32_t code);
void spdy_put_ping(struct str *out, const struct spdy_frame *f);

#endif
