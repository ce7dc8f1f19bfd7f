/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/ws.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

char *ws_accept(const char *key)
{
    auto_free char *text = mem_printf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL);
    return hash_base64(digest, n);
}

void ws_put(struct str *out, int opcode, const void *data, size_t len)
{
    unsigned char head[10] = {(unsigned char)(0x80 | opcode)};
    size_t n = 2;

    if (len < 126) {
        head[1] = (unsigned char)len;
    } else if (len < 65536) {
        head[1] = 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        n = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    str_addn(out, head, n);
    str_addn(out, data, len);
}

void ws_put_close(struct str *out, unsigned code, const char *reason)
{
    char text[126];
    size_t n = strlen(reason);

    if (n > 123)
        n = 123;
    text[0] = (char)(code >> 8);
    text[1] = (char)code;
    memcpy(text + 2, reason, n);
    ws_put(out, WS_CLOSE, text, n + 2);
}

struct ws_head {
    bool fin;
    int opcode;
    size_t head, len;
};

/* 1 read, 0 more is needed, -1 wrong */
static int read_head(const unsigned char *p, size_t n, struct ws_head *h)
{
    uint64_t len;

    if (n < 2)
        return 0;
    h->fin = p[0] & 0x80;
    h->opcode = p[0] & 15;
    len = p[1] & 127;
    h->head = len == 126 ? 4 : len == 127 ? 10 : 2;
    if ((p[0] & 0x70) || !(p[1] & 0x80)) /* extensions; or an unmasked client */
        return -1;
    if (n < h->head + 4)
        return 0;
    if (len >= 126) {
        size_t bytes = h->head - 2;

        len = 0;
        for (size_t i = 0; i < bytes; i++)
            len = len << 8 | p[2 + i];
    }
    if (len > WS_MESSAGE_MAX || (h->opcode >= 8 && (len > 125 || !h->fin)))
        return -1;
    h->head += 4;
    h->len = (size_t)len;
    return n >= h->head + h->len;
}

int ws_read(struct ws_reader *r, char *data, size_t len, size_t *used, int *opcode, const char **text, size_t *text_len)
{
    unsigned char *p = (unsigned char *)data;
    struct ws_head h;
    int rc = read_head(p, len, &h);

    *used = 0;
    if (rc <= 0)
        return rc;
    for (size_t i = 0; i < h.len; i++)
        p[h.head + i] ^= p[h.head - 4 + (i & 3)];
    *used = h.head + h.len;
    *text = data + h.head;
    *text_len = h.len;
    *opcode = h.opcode;
    if (h.opcode >= 8)
        return h.opcode <= WS_PONG ? 1 : -1;
    if (h.opcode > WS_BINARY || (h.opcode == WS_CONTINUE) != (r->opcode != 0) ||
        r->message.len + h.len > WS_MESSAGE_MAX)
        return -1;
    if (h.fin && h.opcode != WS_CONTINUE)
        return 1;
    if (h.opcode != WS_CONTINUE) {
        r->opcode = h.opcode;
        str_reset(&r->message);
    }
    str_addn(&r->message, *text, h.len);
    if (!h.fin)
        return 0;
    *opcode = r->opcode;
    *text = str_text(&r->message);
    *text_len = r->message.len;
    r->opcode = 0;
    return 1;
}

void ws_reader_free(struct ws_reader *r)
{
    str_free(&r->message);
    r->opcode = 0;
}
