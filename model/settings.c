/* SPDX-License-Identifier: Apache-2.0 */
#include "model/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void one_fini(struct setting *s)
{
    free(s->path);
    for (size_t i = 0; i < s->n_values; i++)
        free(s->values[i]);
    free(s->values);
    free(s->attributes);
    free(s->secret_name);
    free(s->secret_key);
}

static void one_copy(struct setting *to, const struct setting *from)
{
    *to = (struct setting){
        .path = mem_str(from->path),
        .kind = from->kind,
        .values = mem_array(from->n_values, sizeof *to->values),
        .n_values = from->n_values,
        .attributes = mem_str(from->attributes),
        .secret_name = mem_str(from->secret_name),
        .secret_key = mem_str(from->secret_key),
    };
    for (size_t i = 0; i < from->n_values; i++)
        to->values[i] = mem_str(from->values[i]);
}

void settings_fini(struct settings *s)
{
    for (size_t i = 0; i < s->n; i++)
        one_fini(&s->v[i]);
    free(s->v);
    *s = (struct settings){NULL, 0};
}

/* Index of the first entry that is not before `path`. */
static size_t place(const struct settings *s, const char *path)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (strcmp(s->v[mid].path, path) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct setting *settings_find(const struct settings *s, const char *path)
{
    size_t i = place(s, path);

    return i < s->n && strcmp(s->v[i].path, path) == 0 ? &s->v[i] : NULL;
}

void settings_put(struct settings *s, const struct setting *one)
{
    size_t i = place(s, one->path);
    struct setting copy;

    one_copy(&copy, one);
    if (i < s->n && strcmp(s->v[i].path, one->path) == 0) {
        one_fini(&s->v[i]);
    } else {
        s->v = mem_grow(s->v, s->n + 1, sizeof *s->v);
        memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof *s->v);
        s->n++;
    }
    s->v[i] = copy;
}

void settings_put_text(struct settings *s, const char *path, const char *value)
{
    char *p = (char *)path, *v = (char *)value;
    struct setting one = {.path = p, .kind = SETTING_TEXT, .values = &v, .n_values = 1};

    settings_put(s, &one);
}

void settings_drop(struct settings *s, const char *path)
{
    size_t i = place(s, path);

    if (i == s->n || strcmp(s->v[i].path, path) != 0)
        return;
    one_fini(&s->v[i]);
    memmove(&s->v[i], &s->v[i + 1], (s->n - i - 1) * sizeof *s->v);
    s->n--;
}

void settings_fill(struct settings *s, const struct settings *from)
{
    for (size_t i = 0; i < from->n; i++)
        if (!settings_find(s, from->v[i].path))
            settings_put(s, &from->v[i]);
}

char *settings_path(const char *path)
{
    auto_str struct str out = STR_INIT;

    for (; *path; path++) {
        if (*path == '/' && (out.len == 0 || path[1] == '/' || path[1] == '\0'))
            continue;
        str_addc(&out, *path);
    }
    return str_take(&out);
}
