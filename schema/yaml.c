/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "schema/yaml_internal.h"

struct place {
    const cJSON *item;
    struct schema_pos value, key;
};

struct schema_posmap {
    struct place *slots; /* open addressing, power of two, at most 70 % full */
    size_t cap, n;
};

struct schema_posmap *schema_posmap_new(void)
{
    struct schema_posmap *m = mem_zero(sizeof *m);

    m->cap = 256;
    m->slots = mem_array(m->cap, sizeof *m->slots);
    return m;
}

void schema_posmap_free(struct schema_posmap *m)
{
    if (m)
        free(m->slots);
    free(m);
}

static struct place *place_of(const struct schema_posmap *m, const cJSON *item)
{
    size_t i = (size_t)(((uintptr_t)item >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (m->cap - 1);

    while (m->slots[i].item && m->slots[i].item != item)
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

static void posmap_widen(struct schema_posmap *m)
{
    struct schema_posmap wide = {mem_array(m->cap * 2, sizeof *wide.slots), m->cap * 2, m->n};

    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].item)
            *place_of(&wide, m->slots[i].item) = m->slots[i];
    free(m->slots);
    *m = wide;
}

void schema_posmap_put(struct schema_posmap *m, const cJSON *item, struct schema_pos value, struct schema_pos key)
{
    struct place *p;

    if (m->n * 10 >= m->cap * 7)
        posmap_widen(m);
    p = place_of(m, item);
    m->n += !p->item;
    *p = (struct place){item, value, key};
}

bool schema_posmap_get(const struct schema_posmap *m, const cJSON *item, struct schema_pos *value,
                       struct schema_pos *key)
{
    const struct place *p = m && item ? place_of(m, item) : NULL;

    if (!p || !p->item)
        return false;
    *value = p->value;
    *key = p->key;
    return true;
}

void schema_keyset_fini(struct keyset *k)
{
    free(k->slots);
    *k = (struct keyset){NULL, 0, 0};
}

static size_t key_slot(const struct keyset *k, const char *key)
{
    size_t i = (size_t)hash_fnv64(key, strlen(key)) & (k->cap - 1);

    while (k->slots[i] && strcmp(k->slots[i]->string, key) != 0)
        i = (i + 1) & (k->cap - 1);
    return i;
}

static void keyset_widen(struct keyset *k)
{
    struct keyset wide = {NULL, k->cap ? k->cap * 2 : 16, k->n};

    wide.slots = mem_array(wide.cap, sizeof *wide.slots);
    for (size_t i = 0; i < k->cap; i++)
        if (k->slots[i])
            wide.slots[key_slot(&wide, k->slots[i]->string)] = k->slots[i];
    free(k->slots);
    *k = wide;
}

const cJSON *schema_keyset_find(const struct keyset *k, const char *key)
{
    return k->cap ? k->slots[key_slot(k, key)] : NULL;
}

const cJSON *schema_keyset_add(struct keyset *k, const cJSON *item)
{
    size_t i;

    if (k->n * 4 >= k->cap * 3)
        keyset_widen(k);
    i = key_slot(k, item->string);
    if (k->slots[i])
        return k->slots[i];
    k->slots[i] = item;
    k->n++;
    return NULL;
}

int schema_yaml_fail(const struct schema_yaml *y, struct schema_pos pos, struct err *err, const char *fmt, ...)
{
    char text[448];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(err, ERR_INPUT, 0, "%s:%u:%u: %s", y->file, pos.line, pos.column, text);
}

static void add_root(struct schema_yaml *y, cJSON *root, struct schema_pos start)
{
    y->roots = mem_grow(y->roots, y->n + 1, sizeof *y->roots);
    y->starts = mem_grow(y->starts, y->n + 1, sizeof *y->starts);
    y->roots[y->n] = root;
    y->starts[y->n++] = start;
}

/* Every item of a list must be an object itself, or the list is no list of resources. */
static cJSON *list_items(const cJSON *root)
{
    cJSON *items = json_get(root, "items"), *item;

    if (!str_ends(json_str(root, "kind", ""), "List") || !cJSON_IsArray(items))
        return NULL;
    cJSON_ArrayForEach(item, items) if (!cJSON_IsObject(item)) return NULL;
    return items;
}

int schema_yaml_add(struct schema_yaml *y, cJSON *root, struct schema_pos start, struct err *err)
{
    cJSON *items = list_items(root), *item;

    if (!root || cJSON_IsNull(root)) {
        cJSON_Delete(root);
        return 0;
    }
    if (items) {
        while ((item = cJSON_DetachItemFromArray(items, 0)))
            add_root(y, item, schema_yaml_value_pos(y, item));
        cJSON_Delete(root);
        return 0;
    }
    if (!cJSON_IsObject(root)) {
        const char *what = cJSON_IsArray(root) ? "a list" : "a single value";

        cJSON_Delete(root);
        return schema_yaml_fail(
            y, start, err, "the document is %s; a resource is a mapping that begins with apiVersion and kind", what);
    }
    add_root(y, root, start);
    return 0;
}

int schema_yaml_parse(const char *file, const char *text, size_t len, struct schema_yaml **out, struct err *err)
{
    auto_yaml struct schema_yaml *y = mem_zero(sizeof *y);
    int rc;

    y->file = mem_str(file);
    y->map = schema_posmap_new();
    if (len > SCHEMA_YAML_BYTES)
        return err_set(err, ERR_INPUT, 0, "%s: %zu bytes are too many: a file may have %u MiB; split it", file, len,
                       SCHEMA_YAML_BYTES >> 20);
    rc = schema_json_read(y, text, len, err);
    if (rc == 0)
        rc = schema_yaml_build(y, text, len, err) < 0 ? -1 : 1;
    if (rc < 0)
        return -1;
    *out = y;
    y = NULL;
    return 0;
}

static int read_all(FILE *f, const char *name, struct str *text, struct err *err)
{
    char part[65536];
    size_t n;

    while ((n = fread(part, 1, sizeof part, f)) > 0) {
        str_addn(text, part, n);
        if (text->len > SCHEMA_YAML_BYTES)
            return err_set(err, ERR_INPUT, 0, "%s: more than %u MiB: split the file", name, SCHEMA_YAML_BYTES >> 20);
    }
    return ferror(f) ? err_set(err, ERR_SYS, errno, "read %s", name) : 0;
}

int schema_yaml_load(const char *path, struct schema_yaml **out, struct err *err)
{
    bool in = str_eq(path, "-");
    FILE *f = in ? stdin : fopen(path, "re");
    const char *name = in ? "stdin" : path;
    auto_str struct str text = STR_INIT;
    int rc;

    if (!f)
        return err_set(err, ERR_INPUT, errno, "open %s: %s", path, strerror(errno));
    rc = read_all(f, name, &text, err);
    if (!in)
        fclose(f);
    return rc < 0 ? -1 : schema_yaml_parse(name, str_text(&text), text.len, out, err);
}

void schema_yaml_free(struct schema_yaml *y)
{
    if (!y)
        return;
    for (size_t i = 0; i < y->n; i++)
        cJSON_Delete(y->roots[i]);
    free(y->roots);
    free(y->starts);
    free(y->file);
    schema_posmap_free(y->map);
    free(y);
}

void schema_yaml_freep(struct schema_yaml **y)
{
    schema_yaml_free(*y);
}

cJSON *schema_yaml_take(struct schema_yaml *y, size_t i)
{
    cJSON *root = y->roots[i];

    y->roots[i] = NULL;
    return root;
}

struct schema_pos schema_yaml_value_pos(const struct schema_yaml *y, const cJSON *item)
{
    struct schema_pos value = {0, 0}, key = {0, 0};

    if (y)
        schema_posmap_get(y->map, item, &value, &key);
    return value;
}

struct schema_pos schema_yaml_key_pos(const struct schema_yaml *y, const cJSON *item)
{
    struct schema_pos value = {0, 0}, key = {0, 0};

    if (y)
        schema_posmap_get(y->map, item, &value, &key);
    return key.line ? key : value;
}
