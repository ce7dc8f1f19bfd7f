/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tar.h"

#include <string.h>

enum { BLOCK = 512, NAME = 100, PREFIX = 155 };

struct ustar {
    char name[NAME], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[NAME], magic[6], version[2];
    char user[32], group[32], major[8], minor[8], prefix[PREFIX], pad[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "ustar header");

/* Octal with a NUL behind; the value is cut to what fits (sizes here are far below 8 GiB). */
static void octal(char *field, size_t size, uint64_t value)
{
    field[--size] = '\0';
    while (size > 0) {
        field[--size] = (char)('0' + (value & 7));
        value >>= 3;
    }
}

static void set_name(struct ustar *h, const char *name)
{
    size_t len = strlen(name), cut = 0;

    if (len > NAME)
        for (size_t i = 0; i < len && i <= PREFIX; i++)
            if (name[i] == '/' && len - i - 1 <= NAME)
                cut = i;
    memcpy(h->prefix, name, cut);
    if (cut)
        name += cut + 1;
    len = strlen(name);
    memcpy(h->name, name, len < NAME ? len : NAME);
}

void tar_add(FILE *f, const char *name, const char *data, size_t len, uint64_t mtime_s)
{
    struct ustar h = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    static const char zero[BLOCK];
    unsigned sum = 0;

    set_name(&h, name);
    octal(h.mode, sizeof h.mode, 0600);
    octal(h.uid, sizeof h.uid, 0);
    octal(h.gid, sizeof h.gid, 0);
    octal(h.size, sizeof h.size, len);
    octal(h.mtime, sizeof h.mtime, mtime_s);
    memset(h.sum, ' ', sizeof h.sum);
    for (size_t i = 0; i < BLOCK; i++)
        sum += ((const unsigned char *)&h)[i];
    octal(h.sum, 7, sum);
    fwrite(&h, 1, BLOCK, f);
    fwrite(data, 1, len, f);
    fwrite(zero, 1, (BLOCK - len % BLOCK) % BLOCK, f);
}

void tar_end(FILE *f)
{
    static const char zero[2 * BLOCK];

    fwrite(zero, 1, sizeof zero, f);
}
