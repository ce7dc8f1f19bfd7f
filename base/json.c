/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/index.h"
#include "base/mem.h"

void json_freep(cJSON **j)
{
    cJSON_Delete(*j);
}

/* The source text of each number in reading order, to give long integers their digits back. */
struct number_walk {
    const char *p, *end;
};

static const char *next_number(struct number_walk *w, size_t *len)
{
    bool quoted = false;

    for (; w->p < w->end; w->p++) {
        if (quoted) {
            if (*w->p == '\\')
                w->p++;
            else if (*w->p == '"')
                quoted = false;
        } else if (*w->p == '"') {
            quoted = true;
        } else if (*w->p == '-' || isdigit((unsigned char)*w->p)) {
            const char *from = w->p;

            while (w->p < w->end && strchr("+-.eE0123456789", *w->p))
                w->p++;
            *len = (size_t)(w->p - from);
            return from;
        }
    }
    return NULL;
}

static bool is_plain_integer(const char *s, size_t n)
{
    size_t i = n && s[0] == '-';

    if (i == n)
        return false;
    for (; i < n; i++)
        if (!isdigit((unsigned char)s[i]))
            return false;
    return true;
}

static void restore_digits(cJSON *j, struct number_walk *w)
{
    cJSON *child;

    if (cJSON_IsNumber(j)) {
        size_t n = 0;
        const char *s = next_number(w, &n);

        if (s && n > 15 && is_plain_integer(s, n)) {
            j->type = (j->type & ~0xff) | cJSON_Raw;
            j->valuestring = cJSON_malloc(n + 1);
            memcpy(j->valuestring, s, n);
            j->valuestring[n] = '\0';
        }
        return;
    }
    cJSON_ArrayForEach(child, j)
        restore_digits(child, w);
}

cJSON *json_parse(const char *text, size_t len, struct err *err)
{
    const char *end = NULL;
    cJSON *j = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    struct number_walk w = {text, text + len};

    if (!j) {
        err_set(err, ERR_INPUT, 0, "not valid JSON at byte %zu", end ? (size_t)(end - text) : 0);
        return NULL;
    }
    for (const char *p = end; p < text + len; p++)
        if (!isspace((unsigned char)*p) && *p) {
            cJSON_Delete(j);
            err_set(err, ERR_INPUT, 0, "text after the end of the JSON value at byte %zu", (size_t)(p - text));
            return NULL;
        }
    restore_digits(j, &w);
    return j;
}

char *json_print(const cJSON *j)
{
    char *s = cJSON_PrintUnformatted(j);

    return s ? s : mem_str("null");
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

static void canonical_object(const cJSON *j, struct str *out)
{
    int n = cJSON_GetArraySize(j), i = 0;
    cJSON **items = mem_array((size_t)n, sizeof *items), *child;

    cJSON_ArrayForEach(child, j)
        items[i++] = child;
    qsort(items, (size_t)n, sizeof *items, by_key);
    str_addc(out, '{');
    for (i = 0; i < n; i++) {
        cJSON *key = cJSON_CreateStringReference(items[i]->string);
        char *text = cJSON_PrintUnformatted(key);

        str_addf(out, "%s%s:", i ? "," : "", text);
        json_canonical(items[i], out);
        cJSON_free(text);
        cJSON_Delete(key);
    }
    str_addc(out, '}');
    free(items);
}

void json_canonical(const cJSON *j, struct str *out)
{
    if (cJSON_IsObject(j)) {
        canonical_object(j, out);
    } else if (cJSON_IsArray(j)) {
        const cJSON *child;

        str_addc(out, '[');
        cJSON_ArrayForEach(child, j)
        {
            if (child != j->child)
                str_addc(out, ',');
            json_canonical(child, out);
        }
        str_addc(out, ']');
    } else {
        char *text = json_print(j);

        str_add(out, text);
        free(text);
    }
}

bool json_same(const cJSON *a, const cJSON *b)
{
    auto_str struct str x = STR_INIT, y = STR_INIT;

    if (!a || !b)
        return a == b;
    json_canonical(a, &x);
    json_canonical(b, &y);
    return x.len == y.len && memcmp(x.s, y.s, x.len) == 0;
}

cJSON *json_get(const cJSON *j, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(j, key);
}

cJSON *json_at(const cJSON *j, const char *path)
{
    char part[256];

    while (j && *path) {
        size_t n = strcspn(path, ".");

        if (n >= sizeof part)
            return NULL;
        memcpy(part, path, n);
        part[n] = '\0';
        j = cJSON_IsArray(j) ? cJSON_GetArrayItem(j, atoi(part)) : json_get(j, part);
        path += n + (path[n] == '.');
    }
    return (cJSON *)j;
}

const char *json_str(const cJSON *j, const char *path, const char *dflt)
{
    const cJSON *v = json_at(j, path);

    return cJSON_IsString(v) ? v->valuestring : dflt;
}

int64_t json_int(const cJSON *j, const char *path, int64_t dflt)
{
    const cJSON *v = json_at(j, path);

    if (cJSON_IsRaw(v))
        return strtoll(v->valuestring, NULL, 10);
    return cJSON_IsNumber(v) ? (int64_t)v->valuedouble : dflt;
}

bool json_bool(const cJSON *j, const char *path, bool dflt)
{
    const cJSON *v = json_at(j, path);

    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : dflt;
}

bool json_has(const cJSON *array_of_strings, const char *text)
{
    const cJSON *child;

    cJSON_ArrayForEach(child, array_of_strings)
        if (cJSON_IsString(child) && strcmp(child->valuestring, text) == 0)
            return true;
    return false;
}

cJSON *json_set(cJSON *j, const char *key, cJSON *item)
{
    if (json_get(j, key))
        cJSON_ReplaceItemInObjectCaseSensitive(j, key, item);
    else
        cJSON_AddItemToObject(j, key, item);
    return item;
}

cJSON *json_set_str(cJSON *j, const char *key, const char *value)
{
    return value ? json_set(j, key, cJSON_CreateString(value)) : NULL;
}

cJSON *json_set_int(cJSON *j, const char *key, int64_t value)
{
    char digits[24];

    if (value > -(INT64_C(1) << 53) && value < (INT64_C(1) << 53))
        return json_set(j, key, cJSON_CreateNumber((double)value));
    snprintf(digits, sizeof digits, "%" PRId64, value);
    return json_set(j, key, cJSON_CreateRaw(digits));
}

cJSON *json_set_bool(cJSON *j, const char *key, bool value)
{
    return json_set(j, key, cJSON_CreateBool(value));
}

cJSON *json_set_obj(cJSON *j, const char *key)
{
    return json_set(j, key, cJSON_CreateObject());
}

cJSON *json_set_arr(cJSON *j, const char *key)
{
    return json_set(j, key, cJSON_CreateArray());
}

cJSON *json_need_obj(cJSON *j, const char *key)
{
    cJSON *v = json_get(j, key);

    return cJSON_IsObject(v) ? v : json_set_obj(j, key);
}

cJSON *json_copy(const cJSON *j)
{
    return j ? cJSON_Duplicate(j, 1) : NULL;
}

cJSON *json_add_str(cJSON *array, const char *value)
{
    cJSON *v = cJSON_CreateString(value);

    cJSON_AddItemToArray(array, v);
    return v;
}

void json_insert(cJSON *array, int at, cJSON *item)
{
    auto_json cJSON *after = cJSON_CreateArray();
    cJSON *v;

    while ((v = cJSON_GetArrayItem(array, at)))
        cJSON_AddItemToArray(after, cJSON_DetachItemViaPointer(array, v));
    cJSON_AddItemToArray(array, item);
    while ((v = after->child))
        cJSON_AddItemToArray(array, cJSON_DetachItemViaPointer(after, v));
}

void json_merge_patch(cJSON **target, const cJSON *patch)
{
    const cJSON *child;

    if (!cJSON_IsObject(patch)) {
        cJSON_Delete(*target);
        *target = json_copy(patch);
        return;
    }
    if (!cJSON_IsObject(*target)) {
        cJSON_Delete(*target);
        *target = cJSON_CreateObject();
    }
    cJSON_ArrayForEach(child, patch)
    {
        cJSON *old;

        if (cJSON_IsNull(child)) {
            cJSON_DeleteItemFromObjectCaseSensitive(*target, child->string);
            continue;
        }
        old = cJSON_DetachItemFromObjectCaseSensitive(*target, child->string);
        json_merge_patch(&old, child);
        cJSON_AddItemToObject(*target, child->string, old);
    }
}

cJSON *json_diff_patch(const cJSON *from, const cJSON *to)
{
    cJSON *patch;
    const cJSON *child;

    if (json_same(from, to))
        return NULL;
    if (!cJSON_IsObject(from) || !cJSON_IsObject(to))
        return json_copy(to);
    patch = cJSON_CreateObject();
    cJSON_ArrayForEach(child, from)
        if (!json_get(to, child->string))
            cJSON_AddItemToObject(patch, child->string, cJSON_CreateNull());
    cJSON_ArrayForEach(child, to)
    {
        const cJSON *old = json_get(from, child->string);
        cJSON *sub = old ? json_diff_patch(old, child) : json_copy(child);

        if (sub)
            cJSON_AddItemToObject(patch, child->string, sub);
    }
    return patch;
}

const char *json_name(const cJSON *obj)
{
    return json_str(obj, "metadata.name", "");
}

const char *json_ns(const cJSON *obj)
{
    return json_str(obj, "metadata.namespace", "");
}

const char *json_uid(const cJSON *obj)
{
    return json_str(obj, "metadata.uid", "");
}

const char *json_rv(const cJSON *obj)
{
    return json_str(obj, "metadata.resourceVersion", "");
}

const char *json_label(const cJSON *obj, const char *key)
{
    const cJSON *v = json_get(json_at(obj, "metadata.labels"), key);

    return cJSON_IsString(v) ? v->valuestring : NULL;
}

const char *json_annotation(const cJSON *obj, const char *key)
{
    const cJSON *v = json_get(json_at(obj, "metadata.annotations"), key);

    return cJSON_IsString(v) ? v->valuestring : NULL;
}

/* ---- names that many objects share ---- */

enum { NAMES_MAX = 4096, NAME_MAX_LEN = 64 };

/* The one piece of state of this file: it only grows, to NAMES_MAX. */
static struct {
    struct index by_name;
    char *all[NAMES_MAX];
    size_t n;
} names;

static const char *shared_name(const char *name)
{
    size_t at;

    if (index_find(&names.by_name, name, &at))
        return names.all[at];
    if (names.n == NAMES_MAX || strlen(name) > NAME_MAX_LEN)
        return NULL;
    names.all[names.n] = mem_str(name);
    index_add(&names.by_name, names.all[names.n], names.n);
    return names.all[names.n++];
}

void json_share_names(cJSON *j)
{
    for (cJSON *c = j ? j->child : NULL; c; c = c->next) {
        const char *name = c->string && !(c->type & cJSON_StringIsConst) ? shared_name(c->string) : NULL;

        if (name) {
            cJSON_free(c->string);
            c->string = (char *)name;
            c->type |= cJSON_StringIsConst;
        }
        json_share_names(c);
    }
}
