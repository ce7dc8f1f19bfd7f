/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/inflate.h"

#include <string.h>

struct bits {
    const unsigned char *in;
    size_t n, at; /* bytes */
    uint32_t hold;
    unsigned count; /* bits in hold */
    bool over;      /* more was asked for than there is */
};

struct huffman {
    uint16_t count[16];   /* codes of each length */
    uint16_t symbol[288]; /* ordered by code */
};

struct sink {
    struct inflate *z;
    struct str *out;
    size_t max, n;
    bool over;
};

void inflate_init(struct inflate *z, const unsigned char *dict, size_t dict_len)
{
    memset(z, 0, sizeof *z);
    z->dict = dict;
    z->dict_len = dict_len;
}

static uint32_t take(struct bits *b, unsigned want)
{
    uint32_t v;

    while (b->count < want) {
        if (b->at == b->n) {
            b->over = true;
            return 0;
        }
        b->hold |= (uint32_t)b->in[b->at++] << b->count;
        b->count += 8;
    }
    v = b->hold & ((1u << want) - 1);
    b->hold >>= want;
    b->count -= want;
    return v;
}

static void put(struct sink *s, unsigned char c)
{
    if (s->n++ >= s->max) {
        s->over = true;
        return;
    }
    s->z->window[s->z->pos++ & 32767] = c;
    str_addc(s->out, (char)c);
}

/* Lengths to codes, as RFC 1951 3.2.2. */
static int build(struct huffman *h, const uint8_t *lengths, size_t n)
{
    uint16_t offset[16];
    int left = 1;

    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < n; i++)
        h->count[lengths[i]]++;
    h->count[0] = 0;
    for (int len = 1; len < 16; len++) {
        left = (left << 1) - h->count[len];
        if (left < 0)
            return -1;
    }
    offset[1] = 0;
    for (int len = 1; len < 15; len++)
        offset[len + 1] = (uint16_t)(offset[len] + h->count[len]);
    for (size_t i = 0; i < n; i++)
        if (lengths[i])
            h->symbol[offset[lengths[i]]++] = (uint16_t)i;
    return 0;
}

static int decode(struct bits *b, const struct huffman *h)
{
    int code = 0, first = 0, index = 0;

    for (int len = 1; len < 16; len++) {
        code |= (int)take(b, 1);
        if (b->over)
            return -1;
        if (code - h->count[len] < first)
            return h->symbol[index + (code - first)];
        index += h->count[len];
        first = (first + h->count[len]) << 1;
        code <<= 1;
    }
    return -1;
}

static int copy_back(struct bits *b, struct sink *s, const struct huffman *dist, int symbol)
{
    static const uint16_t base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                    31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t far[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                   33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                   1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    unsigned len;
    size_t back;
    int d;

    if (symbol > 285)
        return -1;
    len = base[symbol - 257] + take(b, extra[symbol - 257]);
    d = decode(b, dist);
    if (d < 0 || d > 29)
        return -1;
    back = far[d] + take(b, d < 4 ? 0 : (unsigned)d / 2 - 1);
    if (b->over || back > s->z->pos)
        return -1;
    while (len-- && !s->over)
        put(s, s->z->window[(s->z->pos - back) & 32767]);
    return 0;
}

static int codes(struct bits *b, struct sink *s, const struct huffman *lit, const struct huffman *dist)
{
    while (!s->over) {
        int symbol = decode(b, lit);

        if (symbol < 0)
            return -1;
        if (symbol == 256)
            return 0;
        if (symbol < 256)
            put(s, (unsigned char)symbol);
        else if (copy_back(b, s, dist, symbol) < 0)
            return -1;
    }
    return -1;
}

static int stored(struct bits *b, struct sink *s)
{
    unsigned len, check;

    b->hold = 0;
    b->count = 0;
    len = take(b, 16);
    check = take(b, 16);
    if (b->over || (len ^ 0xffff) != check || b->n - b->at < len)
        return -1;
    while (len-- && !s->over)
        put(s, b->in[b->at++]);
    return s->over ? -1 : 0;
}

static int fixed(struct bits *b, struct sink *s)
{
    uint8_t lengths[288];
    struct huffman lit, dist;

    for (int i = 0; i < 288; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    build(&lit, lengths, 288);
    memset(lengths, 5, 30);
    build(&dist, lengths, 30);
    return codes(b, s, &lit, &dist);
}

/* The code lengths of a dynamic block, themselves coded. */
static int read_lengths(struct bits *b, const struct huffman *h, uint8_t *lengths, unsigned n)
{
    unsigned i = 0;

    while (i < n) {
        int symbol = decode(b, h);
        unsigned repeat = 1;
        uint8_t value = (uint8_t)symbol;

        if (symbol < 0 || symbol > 18 || (symbol == 16 && i == 0))
            return -1;
        if (symbol >= 16) {
            value = symbol == 16 ? lengths[i - 1] : 0;
            repeat = symbol == 16 ? 3 + take(b, 2) : symbol == 17 ? 3 + take(b, 3) : 11 + take(b, 7);
        }
        if (b->over || i + repeat > n)
            return -1;
        while (repeat--)
            lengths[i++] = value;
    }
    return 0;
}

static int dynamic(struct bits *b, struct sink *s)
{
    static const uint8_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    unsigned n_lit = take(b, 5) + 257, n_dist = take(b, 5) + 1, n_code = take(b, 4) + 4;
    uint8_t lengths[320] = {0};
    struct huffman lit, dist;

    if (b->over || n_lit > 286 || n_dist > 30)
        return -1;
    for (unsigned i = 0; i < n_code; i++)
        lengths[order[i]] = (uint8_t)take(b, 3);
    if (b->over || build(&lit, lengths, 19) < 0)
        return -1;
    memset(lengths, 0, sizeof lengths);
    if (read_lengths(b, &lit, lengths, n_lit + n_dist) < 0)
        return -1;
    if (build(&dist, lengths + n_lit, n_dist) < 0 || build(&lit, lengths, n_lit) < 0)
        return -1;
    return codes(b, s, &lit, &dist);
}

static int zlib_head(struct inflate *z, struct bits *b)
{
    unsigned cmf = take(b, 8), flg = take(b, 8);

    if (b->over || (cmf & 15) != 8 || (cmf * 256 + flg) % 31 != 0)
        return -1;
    if (flg & 32) {
        for (int i = 0; i < 4; i++)
            take(b, 8);
        for (size_t i = 0; i < z->dict_len; i++)
            z->window[z->pos++ & 32767] = z->dict[i];
    }
    z->begun = true;
    return b->over ? -1 : 0;
}

int inflate_piece(struct inflate *z, const unsigned char *in, size_t n, size_t max, struct str *out)
{
    struct bits b = {in, n, 0, 0, 0, false};
    struct sink s = {z, out, max, 0, false};
    int rc = z->begun ? 0 : zlib_head(z, &b);

    while (rc == 0 && b.at < b.n) {
        take(&b, 1); /* the last block: a stream of pieces has none */
        switch (take(&b, 2)) {
        case 0:
            rc = stored(&b, &s);
            break;
        case 1:
            rc = fixed(&b, &s);
            break;
        case 2:
            rc = dynamic(&b, &s);
            break;
        default:
            rc = -1;
        }
    }
    return rc < 0 || b.over ? -1 : 0;
}
