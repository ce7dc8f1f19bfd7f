/* SPDX-License-Identifier: Apache-2.0 */
#include "base/frame.h"

#include <string.h>

static void put_le(unsigned char *p, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get_le(const unsigned char *p, int bytes)
{
    uint32_t v = 0;

    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

void frame_put(struct str *out, uint16_t type, uint32_t task, uint32_t seq, const char *body, size_t len)
{
    unsigned char head[FRAME_HEAD];

    put_le(head, (uint32_t)len, 4);
    put_le(head + 4, type, 2);
    put_le(head + 6, FRAME_VERSION, 2);
    put_le(head + 8, task, 4);
    put_le(head + 12, seq, 4);
    str_addn(out, head, sizeof head);
    str_addn(out, body, len);
}

int frame_get(const struct str *in, struct frame *f, size_t *used, struct err *err)
{
    const unsigned char *p = (const unsigned char *)in->s;
    uint32_t len;

    if (in->len < FRAME_HEAD)
        return 0;
    len = get_le(p, 4);
    if (get_le(p + 6, 2) != FRAME_VERSION)
        return err_set(err, ERR_INPUT, 0, "frame of protocol version %u, this build speaks %d", get_le(p + 6, 2),
                       FRAME_VERSION);
    if (len > FRAME_MAX)
        return err_set(err, ERR_INPUT, 0, "frame of %u bytes, the limit is %u", len, FRAME_MAX);
    if (in->len < FRAME_HEAD + (size_t)len)
        return 0;
    f->type = (uint16_t)get_le(p + 4, 2);
    f->task = get_le(p + 8, 4);
    f->seq = get_le(p + 12, 4);
    f->body = in->s + FRAME_HEAD;
    f->len = len;
    *used = FRAME_HEAD + (size_t)len;
    return 1;
}
