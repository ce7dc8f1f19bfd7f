/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/programs.h"

static size_t path_len(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

void path_maps_add(struct path_maps *m, const char *from, const char *to)
{
    size_t n = path_len(from), at = 0;

    for (size_t i = 0; i < m->n; i++)
        if (strlen(m->v[i].from) == n && memcmp(m->v[i].from, from, n) == 0)
            return;
    m->v = mem_grow(m->v, m->n + 1, sizeof *m->v);
    while (at < m->n && strlen(m->v[at].from) >= n)
        at++;
    memmove(m->v + at + 1, m->v + at, (m->n - at) * sizeof *m->v);
    m->v[at].from = mem_strn(from, n);
    m->v[at].to = mem_strn(to, path_len(to));
    m->n++;
}

void path_maps_fini(struct path_maps *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->v[i].from);
        free(m->v[i].to);
    }
    free(m->v);
    *m = (struct path_maps){NULL, 0};
}

const char *path_maps_at(const struct path_maps *m, const char *from)
{
    size_t n = path_len(from);

    for (size_t i = 0; i < m->n; i++)
        if (strlen(m->v[i].from) == n && memcmp(m->v[i].from, from, n) == 0)
            return m->v[i].to;
    return NULL;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

/* The mount that `text` begins with, as a whole path. */
static const struct path_map *mount_at(const struct path_maps *m, const char *text)
{
    for (size_t i = 0; i < m->n; i++) {
        size_t n = strlen(m->v[i].from);

        if (strncmp(text, m->v[i].from, n) == 0 && !is_name_char(text[n]))
            return &m->v[i];
    }
    return NULL;
}

char *path_maps_to(const struct path_maps *m, const char *path)
{
    const struct path_map *at = mount_at(m, path);

    return at ? mem_printf("%s%s", at->to, path + strlen(at->from)) : mem_str(path);
}

char *path_maps_text(const struct path_maps *m, const char *text)
{
    struct str out = STR_INIT;
    char before = ' ';

    while (*text) {
        const struct path_map *at = NULL;

        if (*text == '/' && !is_name_char(before) && before != '/' && before != '}' && before != ')')
            at = mount_at(m, text);
        if (at) {
            str_add(&out, at->to);
            text += strlen(at->from);
            before = 'x';
        } else {
            before = *text;
            str_addc(&out, *text++);
        }
    }
    return str_take(&out);
}
