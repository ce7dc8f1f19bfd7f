/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static char *digest_hex(const EVP_MD *md, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    char *hex;

    if (EVP_Digest(data, len, out, &n, md, NULL) != 1)
        n = 0;
    hex = mem_alloc(2 * (size_t)n + 1);
    for (unsigned int i = 0; i < n; i++) {
        hex[2 * i] = digits[out[i] >> 4];
        hex[2 * i + 1] = digits[out[i] & 15];
    }
    hex[2 * (size_t)n] = '\0';
    return hex;
}

char *hash_sha256_hex(const void *data, size_t len)
{
    return digest_hex(EVP_sha256(), data, len);
}

char *hash_sha1_hex(const void *data, size_t len)
{
    return digest_hex(EVP_sha1(), data, len);
}

char *hash_md5_hex(const void *data, size_t len)
{
    return digest_hex(EVP_md5(), data, len);
}

char *hash_base64(const void *data, size_t len)
{
    char *out = mem_alloc(4 * ((len + 2) / 3) + 1);
    int n = EVP_EncodeBlock((unsigned char *)out, data, (int)len);

    out[n] = '\0';
    return out;
}

unsigned char *hash_unbase64(const char *text, size_t *len)
{
    size_t n = strlen(text);
    unsigned char *out;
    int got;

    if (n % 4 != 0)
        return NULL;
    out = mem_alloc(n / 4 * 3 + 1);
    got = n ? EVP_DecodeBlock(out, (const unsigned char *)text, (int)n) : 0;
    if (got < 0) {
        free(out);
        return NULL;
    }
    for (size_t i = n; i > 0 && text[i - 1] == '=' && got > 0; i--)
        got--;
    out[got] = '\0';
    *len = (size_t)got;
    return out;
}

uint64_t hash_fnv64(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = 14695981039346656037ULL;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 1099511628211ULL;
    return h;
}
