/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a StatefulSet was before a change, kept in an annotation of the set itself for as long as reconcile.statefulSet.
 * update.onFailure is "rollback": a supervisor that begins with an empty journal can still give it back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/internal.h"

/* The note of this generation; NULL when there is none. Caller owns. */
static cJSON *note_of(const struct inst *in, const cJSON *sts)
{
    const char *text = sts ? json_annotation(sts, RENDER_PREVIOUS) : NULL;
    cJSON *note = text && *text ? json_parse(text, strlen(text), NULL) : NULL;

    if (note && json_int(note, "generation", -1) == in->generation && cJSON_IsObject(json_get(note, "spec")))
        return note;
    cJSON_Delete(note);
    return NULL;
}

char *previous_note(const struct inst *in, const cJSON *now, const cJSON *desired)
{
    auto_json cJSON *note = now ? note_of(in, now) : NULL;

    if (!now || note || in->group != GROUP_CHI || !in->fleet || in->fleet->knobs.update_failed != FAILURE_ROLLBACK ||
        compare_statefulset(now, desired, NULL, NULL) != COMPARE_TEMPLATE) /* a set is not made anew to go back */
        return NULL;
    note = cJSON_CreateObject();
    json_set_int(note, "generation", in->generation);
    json_set(note, "spec", json_copy(json_get(now, "spec")));
    return json_print(note);
}

cJSON *previous_statefulset(const struct inst *in, const cJSON *now)
{
    auto_json cJSON *note = note_of(in, now);
    static const char *const kept[] = {"name", "namespace", "labels", "annotations", "ownerReferences"};
    cJSON *old, *meta;

    if (!note)
        return NULL;
    old = cJSON_CreateObject();
    json_set_str(old, "apiVersion", "apps/v1");
    json_set_str(old, "kind", "StatefulSet");
    meta = json_set_obj(old, "metadata");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_at(now, "metadata") && json_get(json_get(now, "metadata"), kept[i]))
            json_set(meta, kept[i], json_copy(json_get(json_get(now, "metadata"), kept[i])));
    json_set(old, "spec", json_copy(json_get(note, "spec")));
    return old;
}
