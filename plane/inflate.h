/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a zlib stream (RFC 1950, 1951) that comes in pieces, each ended by a sync flush, with a preset dictionary: the
 * header blocks of SPDY. Pure. */
#ifndef PLANE_INFLATE_H
#define PLANE_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct inflate {
    unsigned char window[32768];
    size_t pos; /* bytes ever written to the window */
    bool begun; /* the zlib header was read */
    const unsigned char *dict;
    size_t dict_len;
};

void inflate_init(struct inflate *z, const unsigned char *dict, size_t dict_len); /* dict is borrowed */
/* One piece; adds its text to *out, at most `max` bytes. -1: it is damaged. */
int inflate_piece(struct inflate *z, const unsigned char *in, size_t n, size_t max, struct str *out);

#endif
