/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that no patch can bring to what is wanted: they are made anew (a StatefulSet leaves its pod alone).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/apply.h"

enum { GONE_WAIT_MS = 100, GONE_WAITS = 300 };

/* What its process has loaded is noted on the old set, and as true for the new one. While there is no set the pod holds
 * the notes: whoever makes the new one may be another than who deleted the old one. */
#define POD_NOTES "chfleet.io/notes"

static char *notes_of(const cJSON *now)
{
    auto_json cJSON *notes = cJSON_CreateObject();
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(now, "metadata.annotations"))
        if (str_starts(v->string, "chfleet.io/"))
            json_set(notes, v->string, json_copy(v));
    return json_print(notes);
}

static void noted(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    if (err && status != 404 && status != 409) {
        apply_finish(a, err);
        return;
    }
    if (obj && !err)
        kube_cache_put(super_cache(a->in->s, a->in->group, KUBE_POD), obj);
    apply_again(a, err ? GONE_WAIT_MS : 0);
}

/* False: the pod holds them already, or there is none. */
static bool note_on_pod(struct apply *a, const char *notes)
{
    const cJSON *pod = hostfacts_pod(a->in, a->name);
    auto_json cJSON *patch = NULL;
    cJSON *meta;

    if (!pod || json_at(pod, "metadata.deletionTimestamp") || str_eq(json_annotation(pod, POD_NOTES), notes))
        return false;
    patch = cJSON_CreateObject();
    meta = json_set_obj(patch, "metadata");
    json_set_str(meta, "resourceVersion", json_rv(pod));
    json_set_str(json_set_obj(meta, "annotations"), POD_NOTES, notes);
    kube_patch(a->in->s->kube, KUBE_POD, a->in->ns, json_name(pod), NULL, patch, noted, a);
    return true;
}

void apply_put_notes(const struct apply *a, cJSON *desired)
{
    cJSON *to = json_need_obj(json_get(desired, "metadata"), "annotations");
    const char *text = json_annotation(hostfacts_pod(a->in, a->name), POD_NOTES);
    auto_json cJSON *notes = text ? json_parse(text, strlen(text), NULL) : NULL;
    const cJSON *v;

    cJSON_ArrayForEach(v, notes)
        if (!json_get(to, v->string))
            json_set(to, v->string, json_copy(v));
}

/* The watch tells when it is gone; until then it is looked at again. */
static void going(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    (void)obj;
    if (apply_deleted(a, status, err))
        apply_again(a, GONE_WAIT_MS);
}

static bool must_be_made_anew(const struct apply *a, const cJSON *now, const cJSON *desired)
{
    if (!now)
        return false;
    if (a->kind == KUBE_STS)
        return compare_statefulset(now, desired, NULL, NULL) == COMPARE_IMMUTABLE;
    return a->kind == KUBE_SVC && compare_must_replace(now, desired);
}

bool apply_anew(struct apply *a, const cJSON *now, const cJSON *desired)
{
    bool set = a->kind == KUBE_STS;

    if (!must_be_made_anew(a, now, desired))
        return false;
    if (set && !json_bool(a->req, "orphan", false)) {
        apply_fail(a, ERR_REFUSED,
                   "a StatefulSet field that cannot be changed differs; only the recreate table may replace the set");
    } else if (json_at(now, "metadata.deletionTimestamp")) {
        if (++a->waits > GONE_WAITS)
            apply_fail(a, ERR_AGAIN, "the old object does not go away");
        else
            apply_again(a, GONE_WAIT_MS);
    } else {
        auto_free char *notes = set ? notes_of(now) : NULL;

        if (set && note_on_pod(a, notes))
            return true;
        kube_delete(a->in->s->kube, a->kind, a->in->ns, a->name, json_uid(now), set ? "Orphan" : NULL, -1, going, a);
    }
    return true;
}
