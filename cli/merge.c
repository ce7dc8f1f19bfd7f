/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/merge.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void merge_note(cJSON *obj)
{
    cJSON *annotations = json_need_obj(json_need_obj(obj, "metadata"), "annotations");
    auto_str struct str text = STR_INIT;

    cJSON_DeleteItemFromObjectCaseSensitive(annotations, MERGE_NOTE);
    json_canonical(obj, &text);
    str_addc(&text, '\n');
    json_set_str(annotations, MERGE_NOTE, str_text(&text));
}

/* Takes the nulls (removals) out of a patch. */
static void drop_nulls(cJSON *patch)
{
    cJSON *item = patch->child, *next;

    for (; item; item = next) {
        next = item->next;
        if (cJSON_IsNull(item)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(patch, item));
        } else if (cJSON_IsObject(item) && item->child) {
            drop_nulls(item);
            if (!item->child)
                cJSON_Delete(cJSON_DetachItemViaPointer(patch, item));
        }
    }
}

/* Keeps only the nulls of a patch, and of those only what `live` really has. */
static void keep_nulls(cJSON *patch, const cJSON *live)
{
    cJSON *item = patch->child, *next;

    for (; item; item = next) {
        const cJSON *here = cJSON_IsObject(live) ? json_get(live, item->string) : NULL;
        bool inner = cJSON_IsObject(item) && here;

        next = item->next;
        if (inner)
            keep_nulls(item, here);
        if (inner ? !item->child : !cJSON_IsNull(item) || !here)
            cJSON_Delete(cJSON_DetachItemViaPointer(patch, item));
    }
}

/* Deep union of two patches; b wins. */
static void join(cJSON *a, const cJSON *b)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, b) {
        cJSON *mine = json_get(a, item->string);

        if (mine && cJSON_IsObject(mine) && cJSON_IsObject(item))
            join(mine, item);
        else
            json_set(a, item->string, json_copy(item));
    }
}

cJSON *merge_patch(const cJSON *live, const cJSON *wanted)
{
    const char *note = json_annotation(live, MERGE_NOTE);
    auto_json cJSON *before = note ? json_parse(note, strlen(note), NULL) : NULL;
    auto_json cJSON *removals = before ? json_diff_patch(before, wanted) : NULL;
    cJSON *patch = json_diff_patch(live, wanted);

    if (!patch)
        return NULL;
    drop_nulls(patch);
    if (removals) {
        keep_nulls(removals, live);
        join(patch, removals);
    }
    if (!patch->child) {
        cJSON_Delete(patch);
        return NULL;
    }
    return patch;
}
