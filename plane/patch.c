/* SPDX-License-Identifier: Apache-2.0 */
/* JSON patch (RFC 6902) and the strategic merge patch of Kubernetes. The list keys of the latter come from types.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/api_priv.h"
#include "plane/types.h"

/* ---- JSON patch ---- */

/* One step of a JSON pointer, unescaped; *p moves behind it. */
static void pointer_step(const char **p, struct str *out)
{
    const char *s = *p;

    str_reset(out);
    for (; *s && *s != '/'; s++) {
        if (*s == '~' && (s[1] == '0' || s[1] == '1'))
            str_addc(out, *++s == '0' ? '~' : '/');
        else
            str_addc(out, *s);
    }
    *p = s;
}

static cJSON *step_into(const cJSON *j, const char *key)
{
    char *end;
    long i;

    if (!cJSON_IsArray(j))
        return cJSON_IsObject(j) ? json_get(j, key) : NULL;
    i = strtol(key, &end, 10);
    return *key && !*end && i >= 0 && i < 1000000 ? cJSON_GetArrayItem(j, (int)i) : NULL;
}

/* The parent of what `pointer` names, and the last step in *last; NULL when the way is not there. */
static cJSON *pointer_parent(cJSON *root, const char *pointer, struct str *last)
{
    cJSON *j = root;

    if (*pointer != '/')
        return NULL;
    for (;;) {
        pointer++;
        pointer_step(&pointer, last);
        if (!*pointer)
            return j;
        j = step_into(j, str_text(last));
        if (!j)
            return NULL;
    }
}

static int op_add(cJSON *parent, const char *key, cJSON *takes)
{
    char *end;
    long i;

    if (cJSON_IsObject(parent)) {
        json_set(parent, key, takes);
        return 0;
    }
    i = strtol(key, &end, 10);
    if (strcmp(key, "-") == 0)
        i = cJSON_GetArraySize(parent);
    else if (!*key || *end)
        i = -1;
    if (!cJSON_IsArray(parent) || i < 0 || i > cJSON_GetArraySize(parent)) {
        cJSON_Delete(takes);
        return -1;
    }
    json_insert(parent, (int)i, takes);
    return 0;
}

static cJSON *op_take(cJSON *parent, const char *key)
{
    cJSON *item = step_into(parent, key);

    return item ? cJSON_DetachItemViaPointer(parent, item) : NULL;
}

/* "replace": keeps the place in a list. */
static int op_replace(cJSON *parent, const char *key, cJSON *takes)
{
    cJSON *old = op_take(parent, key);

    if (!old) {
        cJSON_Delete(takes);
        return -1;
    }
    cJSON_Delete(old);
    return op_add(parent, key, takes);
}

static const cJSON *value_at(cJSON *root, const char *pointer)
{
    auto_str struct str last = STR_INIT;
    cJSON *parent = *pointer ? pointer_parent(root, pointer, &last) : NULL;

    return *pointer ? step_into(parent, str_text(&last)) : root;
}

static int apply_op(cJSON **obj, const cJSON *op, struct err *err)
{
    const char *name = json_str(op, "op", ""), *path = json_str(op, "path", ""), *from = json_str(op, "from", "");
    auto_str struct str last = STR_INIT, from_last = STR_INIT;
    const cJSON *value = json_get(op, "value");
    cJSON *parent = pointer_parent(*obj, path, &last), *source, *item = NULL;
    int rc = -1;

    if (strcmp(name, "test") == 0)
        return json_same(value_at(*obj, path), value)
                   ? 0
                   : err_set(err, ERR_INPUT, 422, "testing path %s failed: the value is another", path);
    if (!parent)
        return err_set(err, ERR_INPUT, 422, "the JSON patch operation \"%s\" names %s, which is not there", name, path);
    if (strcmp(name, "add") == 0 && value) {
        rc = op_add(parent, str_text(&last), json_copy(value));
    } else if (strcmp(name, "replace") == 0 && value) {
        rc = op_replace(parent, str_text(&last), json_copy(value));
    } else if (strcmp(name, "remove") == 0) {
        item = op_take(parent, str_text(&last));
        rc = item ? 0 : -1;
        cJSON_Delete(item);
    } else if (strcmp(name, "copy") == 0 && value_at(*obj, from)) {
        rc = op_add(parent, str_text(&last), json_copy(value_at(*obj, from)));
    } else if (strcmp(name, "move") == 0) {
        source = pointer_parent(*obj, from, &from_last);
        item = source && !str_starts(path, from) ? op_take(source, str_text(&from_last)) : NULL;
        rc = item ? op_add(parent, str_text(&last), item) : -1;
    }
    return rc == 0 ? 0
                   : err_set(err, ERR_INPUT, 422, "the JSON patch operation \"%s\" cannot be done at %s", name, path);
}

int patch_json(cJSON **obj, const cJSON *ops, struct err *err)
{
    const cJSON *op;

    if (!cJSON_IsArray(ops))
        return err_set(err, ERR_INPUT, 400, "a JSON patch is a list of operations");
    if (cJSON_GetArraySize(ops) > 10000)
        return err_set(err, ERR_INPUT, 413, "a JSON patch may have at most 10000 operations");
    cJSON_ArrayForEach(op, ops)
        if (apply_op(obj, op, err) < 0)
            return -1;
    return 0;
}

/* ---- strategic merge ---- */

static int merge_object(cJSON *obj, const cJSON *patch, const char *type, struct err *err);

static bool is_directive(const char *key)
{
    return key && key[0] == '$';
}

static cJSON *find_by_key(const cJSON *list, const char *key, const cJSON *value)
{
    cJSON *item;

    cJSON_ArrayForEach(item, list)
        if (json_same(json_get(item, key), value))
            return item;
    return NULL;
}

static cJSON *find_scalar(const cJSON *list, const cJSON *value)
{
    cJSON *item;

    cJSON_ArrayForEach(item, list)
        if (json_same(item, value))
            return item;
    return NULL;
}

/* Directives do not belong into what is stored. */
static void strip_directives(cJSON *j)
{
    for (cJSON *child = j ? j->child : NULL, *next; child; child = next) {
        next = child->next;
        if (is_directive(child->string))
            cJSON_Delete(cJSON_DetachItemViaPointer(j, child));
        else
            strip_directives(child);
    }
}

static cJSON *clean_copy(const cJSON *j)
{
    cJSON *copy = json_copy(j);

    strip_directives(copy);
    return copy;
}

static bool list_is_replaced(const cJSON *patch)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, patch)
        if (strcmp(json_str(item, "$patch", ""), "replace") == 0)
            return true;
    return false;
}

static int merge_keyed_item(cJSON *list, const cJSON *item, const struct type_ref *t, struct err *err)
{
    const cJSON *value = json_get(item, t->merge_key);
    cJSON *have;

    if (!cJSON_IsObject(item) || !value)
        return err_set(err, ERR_INPUT, 400, "each item of this list in the patch needs its merge key \"%s\"",
                       t->merge_key);
    have = find_by_key(list, t->merge_key, value);
    if (strcmp(json_str(item, "$patch", ""), "delete") == 0) {
        if (have)
            cJSON_Delete(cJSON_DetachItemViaPointer(list, have));
        return 0;
    }
    if (have)
        return merge_object(have, item, t->name, err);
    cJSON_AddItemToArray(list, clean_copy(item));
    return 0;
}

static int merge_list(cJSON *obj, const cJSON *patch, const struct type_ref *t, struct err *err)
{
    cJSON *list = json_get(obj, patch->string);
    const cJSON *item;

    if (!cJSON_IsArray(list) || !*t->merge_key || list_is_replaced(patch)) {
        list = json_set_arr(obj, patch->string);
        cJSON_ArrayForEach(item, patch)
            if (!json_get(item, "$patch"))
                cJSON_AddItemToArray(list, clean_copy(item));
        return 0;
    }
    cJSON_ArrayForEach(item, patch) {
        if (strcmp(t->merge_key, ".") == 0) {
            if (!find_scalar(list, item))
                cJSON_AddItemToArray(list, json_copy(item));
        } else if (merge_keyed_item(list, item, t, err) < 0) {
            return err_ctx(err, "%s", patch->string);
        }
    }
    return 0;
}

/* "$setElementOrder/LIST": items that it names take this order; others stay behind the item they stood behind. */
static void set_order(cJSON *list, const cJSON *order, const char *key)
{
    cJSON *sorted = cJSON_CreateArray(), *item, *head = cJSON_CreateArray();
    const cJSON *o;

    while (list->child && !(strcmp(key, ".") == 0 ? find_scalar(order, list->child)
                                                  : find_by_key(order, key, json_get(list->child, key))))
        cJSON_AddItemToArray(head, cJSON_DetachItemViaPointer(list, list->child));
    cJSON_ArrayForEach(o, order) {
        item = strcmp(key, ".") == 0 ? find_scalar(list, o) : find_by_key(list, key, json_get(o, key));
        while (item) {
            cJSON *after = item->next;

            cJSON_AddItemToArray(sorted, cJSON_DetachItemViaPointer(list, item));
            item = after && !(strcmp(key, ".") == 0 ? find_scalar(order, after)
                                                    : find_by_key(order, key, json_get(after, key)))
                       ? after
                       : NULL;
        }
    }
    while (list->child)
        cJSON_AddItemToArray(sorted, cJSON_DetachItemViaPointer(list, list->child));
    while (head->child)
        cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(head, head->child));
    while (sorted->child)
        cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(sorted, sorted->child));
    cJSON_Delete(sorted);
    cJSON_Delete(head);
}

static void delete_scalars(cJSON *list, const cJSON *values)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, values) {
        cJSON *have = find_scalar(list, v);

        if (have)
            cJSON_Delete(cJSON_DetachItemViaPointer(list, have));
    }
}

static void retain_keys(cJSON *obj, const cJSON *keys)
{
    for (cJSON *child = obj->child, *next; child; child = next) {
        next = child->next;
        if (!json_has(keys, child->string))
            cJSON_Delete(cJSON_DetachItemViaPointer(obj, child));
    }
}

static bool field_of(const char *type, const char *field, struct type_ref *t)
{
    const struct type_row *row = type ? type_find(type) : NULL;

    return row && type_field(row, field, t);
}

static void merge_directives(cJSON *obj, const cJSON *patch, const char *type, bool after)
{
    const cJSON *d;

    cJSON_ArrayForEach(d, patch) {
        const char *field = d->string ? strchr(d->string, '/') : NULL;
        cJSON *list = field ? json_get(obj, field + 1) : NULL;
        struct type_ref t;

        if (!is_directive(d->string))
            continue;
        if (!after && strcmp(d->string, "$retainKeys") == 0)
            retain_keys(obj, d);
        else if (!after && str_starts(d->string, "$deleteFromPrimitiveList/") && list)
            delete_scalars(list, d);
        else if (after && str_starts(d->string, "$setElementOrder/") && cJSON_IsArray(list) &&
                 field_of(type, field + 1, &t) && *t.merge_key)
            set_order(list, d, t.merge_key);
    }
}

static int merge_field(cJSON *obj, const cJSON *patch, const char *type, struct err *err)
{
    struct type_ref t = {.form = TYPE_ONE};
    bool known = field_of(type, patch->string, &t);
    cJSON *have = json_get(obj, patch->string);

    if (cJSON_IsNull(patch)) {
        cJSON_DeleteItemFromObjectCaseSensitive(obj, patch->string);
        return 0;
    }
    if (cJSON_IsArray(patch))
        return merge_list(obj, patch, &t, err);
    if (cJSON_IsObject(patch) && cJSON_IsObject(have))
        return merge_object(have, patch, known && t.form == TYPE_ONE ? t.name : NULL, err);
    json_set(obj, patch->string, clean_copy(patch));
    if (cJSON_IsObject(patch)) { /* nulls inside a new object mean "not there" */
        cJSON *now = json_get(obj, patch->string);

        for (cJSON *child = now->child, *next; child; child = next) {
            next = child->next;
            if (cJSON_IsNull(child))
                cJSON_Delete(cJSON_DetachItemViaPointer(now, child));
        }
    }
    return 0;
}

static int merge_object(cJSON *obj, const cJSON *patch, const char *type, struct err *err)
{
    const char *whole = json_str(patch, "$patch", "");
    const cJSON *child;

    if (strcmp(whole, "replace") == 0 || strcmp(whole, "delete") == 0)
        while (obj->child)
            cJSON_Delete(cJSON_DetachItemViaPointer(obj, obj->child));
    if (strcmp(whole, "delete") == 0)
        return 0;
    merge_directives(obj, patch, type, false);
    cJSON_ArrayForEach(child, patch)
        if (!is_directive(child->string) && merge_field(obj, child, type, err) < 0)
            return -1;
    merge_directives(obj, patch, type, true);
    return 0;
}

int patch_strategic(cJSON **obj, const cJSON *patch, const char *type, struct err *err)
{
    if (!cJSON_IsObject(patch))
        return err_set(err, ERR_INPUT, 400, "a strategic merge patch is an object");
    return merge_object(*obj, patch, type, err);
}
