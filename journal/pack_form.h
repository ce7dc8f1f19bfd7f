/* SPDX-License-Identifier: Apache-2.0 */
/* The packed form itself, for pack.c and unpack.c: what the bytes mean, and the dictionary that both sides build alike.
 */
#ifndef JOURNAL_PACK_FORM_H
#define JOURNAL_PACK_FORM_H

#include <stddef.h>
#include <stdint.h>

/* Stored in files: append only. In a part of a string, T_INT and the small integers mean decimal digits. Strings
 * that will hardly come again in a document (integers, T_HEX, T_UUID, T_TIME) are not counted for T_SEEN. */
enum tag {
    T_NULL,
    T_FALSE,
    T_TRUE,
    T_INT,    /* zigzag varint */
    T_NUMBER, /* varint length, text */
    T_ARRAY,  /* varint n, values */
    T_OBJECT, /* varint n, n keys (strings), values: a new shape */
    T_SHAPE,  /* varint shape, values */
    T_TEXT,   /* varint length, bytes */
    T_WORD,   /* varint id in table word */
    T_SEEN,   /* varint index of an earlier string of the document */
    T_HEX,    /* string before, varint bytes, bytes, string after */
    T_UUID,   /* 16 bytes */
    T_TIME,   /* varint seconds since 1970: YYYY-MM-DDThh:mm:ssZ */
    T_SPLIT,  /* varint n, n strings, joined by blanks */
    T_INTS,   /* varint n, n zigzag varints: an array of integers */
    T_RUNS,   /* varint n, n times zigzag varint, varint how often: an array of integers */
    T_FORM,   /* varint id in table word, then a varint for each HOLE in its text */
    T_LIST,   /* string: an array of strings, joined by BETWEEN */
    T_TAGS,
    T_SMALL_INT = 0x80,  /* + 0 … 63 */
    T_SMALL_SEEN = 0xc0, /* + 0 … 63 */
};
enum { SMALL = 64, MAX_SHAPES = 64, MAX_DEPTH = 64, MAX_WORDS = 32768, MAX_WORD = 160 };
enum { HOLE = '\x01', BETWEEN = '\x1f', LIST_MIN = 3 };
enum { HEX_MIN = 16, SPLIT_MAX = 64, PIECES_DEPTH = 8, MAX_TEXT = 64 << 20, MAX_ITEMS = 1 << 20 };

struct journal_shape {
    char **keys;
    size_t n;
};

/* What a document has said so far. */
struct journal_dict {
    char **seen; /* strings in the order in which they ended */
    size_t n_seen, cap_seen;
    struct journal_shape shapes[MAX_SHAPES];
    size_t n_shapes;
};

void journal_dict_free(struct journal_dict *d);
void journal_dict_add(struct journal_dict *d, char *text); /* takes text */
void journal_shape_free(struct journal_shape *shape);
void journal_time_text(int64_t at, char buf[32]); /* "" when it has no such form */

#endif
