/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text: cJSON parses it, then the text is walked once more beside the tree to learn the places and to give long
 * numbers their digits back. The walk may rely on the text being valid. */
#include <string.h>

#include "base/mem.h"
#include "schema/yaml_internal.h"

struct walk {
    struct schema_yaml *y;
    const char *p, *end;
    struct schema_pos at;
    size_t nodes;
    struct err *err;
};

static void step(struct walk *w)
{
    unsigned char c = (unsigned char)*w->p++;

    if (c == '\n') {
        w->at.line++;
        w->at.column = 1;
    } else if ((c & 0xc0) != 0x80) {
        w->at.column++;
    }
}

/* cJSON skips everything up to the blank as space. */
static void spaces(struct walk *w)
{
    while (w->p < w->end && (unsigned char)*w->p <= ' ')
        step(w);
}

static int text_token(struct walk *w)
{
    struct schema_pos from = w->at;

    step(w);
    while (w->p < w->end && *w->p != '"') {
        if (w->end - w->p >= 6 && memcmp(w->p, "\\u0000", 6) == 0)
            return schema_yaml_fail(w->y, from, w->err, "a NUL character inside text is not possible");
        if (*w->p == '\\')
            step(w);
        if (w->p < w->end)
            step(w);
    }
    if (w->p < w->end)
        step(w);
    return 0;
}

static void word_token(struct walk *w, cJSON *item)
{
    const char *from = w->p;
    size_t n;

    while (w->p < w->end && (unsigned char)*w->p > ' ' && !strchr(",:]}{[\"", *w->p))
        step(w);
    n = (size_t)(w->p - from);
    if (cJSON_IsNumber(item) && n > 15 && strspn(from + (*from == '-'), "0123456789") >= n - (*from == '-')) {
        item->valuestring = cJSON_malloc(n + 1);
        memcpy(item->valuestring, from, n);
        item->valuestring[n] = '\0';
        item->type = (item->type & ~0xff) | cJSON_Raw;
    }
}

static int walk_value(struct walk *w, cJSON *item, struct schema_pos key, unsigned depth);

static int walk_key(struct walk *w, cJSON *child, struct keyset *keys, struct schema_pos *key)
{
    const cJSON *first;

    spaces(w);
    *key = w->at;
    first = schema_keyset_add(keys, child);
    if (first) {
        struct schema_pos at = schema_yaml_key_pos(w->y, first);

        return schema_yaml_fail(w->y, *key, w->err,
                                "the key \"%.100s\" is here a second time; the first is at %u:%u. Remove one",
                                child->string, at.line, at.column);
    }
    if (text_token(w) < 0)
        return -1;
    spaces(w);
    step(w); /* the colon */
    return 0;
}

static int walk_inside(struct walk *w, cJSON *item, unsigned depth)
{
    struct keyset keys = {NULL, 0, 0};
    struct schema_pos key = {0, 0};
    cJSON *child;
    int rc = 0;

    step(w);
    cJSON_ArrayForEach(child, item)
    {
        if (cJSON_IsObject(item))
            rc = walk_key(w, child, &keys, &key);
        if (rc == 0)
            rc = walk_value(w, child, key, depth + 1);
        if (rc < 0)
            break;
        spaces(w);
        if (w->p < w->end)
            step(w); /* comma or the closing bracket */
    }
    schema_keyset_fini(&keys);
    if (rc == 0 && !item->child) {
        spaces(w);
        step(w);
    }
    return rc;
}

static int walk_value(struct walk *w, cJSON *item, struct schema_pos key, unsigned depth)
{
    spaces(w);
    if (++w->nodes > SCHEMA_YAML_NODES)
        return schema_yaml_fail(w->y, w->at, w->err, "more than %u values: split the file", SCHEMA_YAML_NODES);
    if (depth > SCHEMA_YAML_DEPTH)
        return schema_yaml_fail(w->y, w->at, w->err, "nested deeper than %d levels", SCHEMA_YAML_DEPTH);
    schema_posmap_put(w->y->map, item, w->at, key);
    if (cJSON_IsObject(item) || cJSON_IsArray(item))
        return walk_inside(w, item, depth);
    if (cJSON_IsString(item))
        return text_token(w);
    word_token(w, item);
    return 0;
}

/* Is this UTF-8 as YAML and JSON want it: shortest forms, no surrogates, nothing beyond U+10FFFF? */
static bool is_utf8(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text, *end = s + len;

    while (s < end) {
        size_t more = *s < 0x80 ? 0 : *s < 0xc2 ? 9 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : *s < 0xf5 ? 3 : 9;

        if (more == 9 || (size_t)(end - s) <= more)
            return false;
        for (size_t i = 1; i <= more; i++)
            if ((s[i] & 0xc0) != 0x80)
                return false;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
            (s[0] == 0xf4 && s[1] > 0x8f))
            return false;
        s += more + 1;
    }
    return true;
}

/* The values one after the other, without places. False when the text is not JSON. */
static bool parse_all(const char *text, size_t len, cJSON *into)
{
    const char *end = text + len;

    for (;;) {
        const char *next = NULL;
        cJSON *value;

        while (text < end && (unsigned char)*text <= ' ')
            text++;
        if (text >= end)
            return into->child != NULL;
        value = *text == '{' ? cJSON_ParseWithLengthOpts(text, (size_t)(end - text), &next, 0) : NULL;
        if (!value)
            return false;
        cJSON_AddItemToArray(into, value);
        text = next;
    }
}

int schema_json_read(struct schema_yaml *y, const char *text, size_t len, struct err *err)
{
    bool bom = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    struct walk w = {y, text + (bom ? 3 : 0), text + len, {1, 1}, 0, err};
    auto_json cJSON *all = cJSON_CreateArray();
    cJSON *value;

    if (!is_utf8(text, len) || !parse_all(w.p, (size_t)(w.end - w.p), all))
        return 0;
    while ((value = cJSON_DetachItemFromArray(all, 0))) {
        struct schema_pos start;

        spaces(&w);
        start = w.at;
        if (walk_value(&w, value, (struct schema_pos){0, 0}, 1) < 0) {
            cJSON_Delete(value);
            return -1;
        }
        if (schema_yaml_add(y, value, start, err) < 0)
            return -1;
    }
    return 1;
}
