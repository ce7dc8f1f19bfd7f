/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server drops before it stores a resource. */
#include <string.h>

#include "schema/check_internal.h"

struct prune {
    struct schema_problems *dropped; /* NULL: nobody asks */
    struct str path;
};

static void prune_value(struct prune *p, cJSON *item, const struct shape *shape);

static void drop(struct prune *p, cJSON *object, cJSON *item)
{
    size_t len = schema_path_key(&p->path, item->string);

    if (p->dropped)
        schema_problem_add(p->dropped, SCHEMA_UNKNOWN, str_text(&p->path), "there is no such field; it was dropped",
                           (struct schema_pos){0, 0});
    schema_path_back(&p->path, len);
    cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
}

static void prune_member(struct prune *p, cJSON *object, cJSON *item, const struct shape *shape)
{
    const struct field *f = schema_child(shape, item->string, strlen(item->string));
    size_t len;

    if (!f || (f->flags & FIELD_FILE)) {
        if (!shape->open)
            drop(p, object, item);
        return;
    }
    if (cJSON_IsNull(item)) {
        if (!(f->flags & FIELD_NULLABLE))
            cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
        return;
    }
    len = schema_path_key(&p->path, item->string);
    prune_value(p, item, f->shape);
    schema_path_back(&p->path, len);
}

static void prune_value(struct prune *p, cJSON *item, const struct shape *shape)
{
    cJSON *child = item->child, *next;
    size_t i = 0;

    if (shape->kind == SHAPE_OBJECT && cJSON_IsObject(item)) {
        for (; child; child = next) {
            next = child->next;
            prune_member(p, item, child, shape);
        }
    } else if (shape->kind == SHAPE_LIST && cJSON_IsArray(item)) {
        for (; child; child = child->next) {
            size_t len = schema_path_index(&p->path, i++);

            prune_value(p, child, shape->items);
            schema_path_back(&p->path, len);
        }
    }
}

void schema_prune(cJSON *resource, struct schema_problems *dropped)
{
    struct prune p = {.dropped = dropped};
    int kind = schema_kind_of(resource);

    if (kind >= 0)
        prune_value(&p, resource, schema_resource((enum schema_kind)kind)->root);
    str_free(&p.path);
}
