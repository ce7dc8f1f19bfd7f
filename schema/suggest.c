/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean …?" */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "schema/check_internal.h"

#define WORD_MAX 48
#define LIST_MAX 12 /* so many names are listed when none is near */

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

unsigned schema_word_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];

    if (n > WORD_MAX || m > WORD_MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= m; j++)
        before[j] = last[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *free_row = before;

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same_letter(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]) &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        before = last;
        last = now;
        now = free_row;
    }
    return last[m];
}

bool schema_word_near(const char *word, const char *meant)
{
    size_t n = strlen(word), m = strlen(meant), longer = n > m ? n : m;
    unsigned far = schema_word_distance(word, meant);

    if (far == 0)
        return true;
    if (n >= 4 && m >= 4 && (strncasecmp(word, meant, n) == 0 || strncasecmp(word, meant, m) == 0))
        return true; /* one begins with the other: shards, shardsCount */
    return far <= (longer < 3 ? 0 : longer < 6 ? 1 : longer < 10 ? 2 : 3);
}

const char *schema_near_value(const char *values, const char *text, char *buf, size_t size)
{
    unsigned best = UINT32_MAX;

    for (const char *v = values;; v++) {
        size_t n = strcspn(v, "|");
        char word[WORD_MAX + 1];

        if (n && n <= WORD_MAX) {
            unsigned far;

            memcpy(word, v, n);
            word[n] = '\0';
            far = schema_word_distance(text, word);
            if (far < best && schema_word_near(text, word)) {
                best = far;
                snprintf(buf, size, "%s", word);
            }
        }
        v += n;
        if (!*v)
            return best == UINT32_MAX ? NULL : buf;
    }
}

static bool is_offered(const struct field *f)
{
    return !(f->flags & (FIELD_OBSOLETE | FIELD_NO_EFFECT | FIELD_FILE));
}

static const char *near_field(const struct shape *shape, const char *key)
{
    unsigned best = UINT32_MAX;
    const char *name = NULL;

    for (const struct field *f = shape->fields; f->name; f++) {
        unsigned far = schema_word_distance(key, f->name);

        if (is_offered(f) && far < best && schema_word_near(key, f->name)) {
            best = far;
            name = f->name;
        }
    }
    return name;
}

/* Is there a field of exactly this name a few levels below? Writes "layout.shardsCount". */
static bool below(const struct shape *shape, const char *key, unsigned levels, struct str *out)
{
    const struct shape *inner = schema_inner(shape);
    size_t len = out->len;

    if (inner->kind != SHAPE_OBJECT)
        return false;
    if (schema_child(inner, key, strlen(key))) {
        schema_path_key(out, key);
        return true;
    }
    for (const struct field *f = inner->fields; levels && f->name; f++) {
        if (!is_offered(f))
            continue;
        schema_path_key(out, f->name);
        if (f->shape->kind == SHAPE_LIST)
            str_add(out, "[]");
        if (below(f->shape, key, levels - 1, out))
            return true;
        schema_path_back(out, len);
    }
    return false;
}

/* Nearest first, so that layout.shardsCount comes before something five levels down. */
static bool find_below(const struct shape *shape, const char *key, struct str *out)
{
    for (unsigned levels = 1; levels <= 3; levels++) {
        str_reset(out);
        if (below(shape, key, levels, out))
            return true;
    }
    return false;
}

/* Words that people look for at the wrong place altogether. */
static const struct {
    const char *key, *advice;
} well_known[] = {
    {"image", "the image stands in spec.templates.podTemplates[].spec.containers[].image"},
    {"version", "the version is the tag of the image in spec.templates.podTemplates[].spec.containers[].image"},
    {"resources", "resources stand in spec.templates.podTemplates[].spec.containers[].resources"},
    {"storage", "storage is asked for in spec.templates.volumeClaimTemplates[].spec.resources.requests.storage"},
};

static bool find_above(const struct check *c, const char *key, struct str *out)
{
    for (unsigned i = c->n_around; i-- > 1;) {
        const struct shape *shape = c->around[i - 1].shape;

        if (!schema_child(shape, key, strlen(key)))
            continue;
        str_addf(out, "%.*s%s%s", (int)c->around[i - 1].path_len, str_text(&c->path),
                 c->around[i - 1].path_len ? "." : "", key);
        return true;
    }
    return false;
}

static void list_fields(const struct shape *shape, struct str *out)
{
    unsigned n = 0;

    for (const struct field *f = shape->fields; f->name; f++)
        n += is_offered(f);
    if (n == 0 || n > LIST_MAX)
        return;
    str_add(out, ". Possible here: ");
    n = 0;
    for (const struct field *f = shape->fields; f->name; f++)
        if (is_offered(f))
            str_addf(out, "%s%s", n++ ? ", " : "", f->name);
}

void schema_unknown_advice(const struct check *c, const struct shape *shape, const char *key, struct str *out)
{
    const char *near = near_field(shape, key);
    auto_str struct str place = STR_INIT;

    if (near && schema_word_distance(near, key) <= 2) {
        str_addf(out, "; did you mean \"%s\"?", near);
        return;
    }
    if (find_below(shape, key, &place)) {
        str_addf(out, "; it belongs deeper: %s", str_text(&place));
        return;
    }
    if (find_above(c, key, &place)) {
        str_addf(out, "; it belongs further up, at %s: look at the indentation", str_text(&place));
        return;
    }
    for (size_t i = 0; i < sizeof well_known / sizeof *well_known; i++)
        if (strcmp(well_known[i].key, key) == 0) {
            str_addf(out, "; %s", well_known[i].advice);
            return;
        }
    if (near)
        str_addf(out, "; did you mean \"%s\"?", near);
    else
        list_fields(shape, out);
}
