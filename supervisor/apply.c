/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only writer of managed objects. Render, compare with what is live, write the difference with a precondition, or
 * nothing. A conflict means somebody was faster: read again, render again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/apply.h"

enum { APPLY_TRIES = 6 };

static void step(void *ctx);
static void next_object(struct apply *a);

void apply_finish(struct apply *a, const struct err *err)
{
    struct inst *in = a->in;

    if (!err && a->changed)
        nudge_after(in, a->req);
    in->pending--;
    a->done(a->ctx, a->changed, err);
    cJSON_Delete(a->req);
    cJSON_Delete(a->queue);
    cJSON_Delete(a->then);
    cJSON_Delete(a->desired);
    cJSON_Delete(a->patch_only);
    free(a->name);
    free(a);
}

void apply_fail(struct apply *a, enum err_kind kind, const char *text)
{
    struct err err = ERR_INIT;

    err_set(&err, kind, 0, "%s", text);
    apply_finish(a, &err);
}

void apply_again(struct apply *a, uint64_t ms)
{
    a->timer = world_timer(a->in->s->w, ms, step, a);
}

static const cJSON *live(const struct apply *a)
{
    return inst_live(a->in, a->kind, a->name);
}

static void reread(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    if (err && status != 404) {
        apply_finish(a, err);
        return;
    }
    if (obj && !err)
        kube_cache_put(super_cache(a->in->s, a->in->group, a->kind), obj);
    apply_again(a, status == 404 ? 50 : 0);
}

/* Somebody was faster, and the watch has told us already. */
static bool cache_moved(const struct apply *a)
{
    const cJSON *now = live(a);

    return now && *a->sent_rv && strcmp(json_rv(now), a->sent_rv) != 0;
}

/* An API server that does not know the field takes the object and leaves it out. */
static bool dropped_attributes(const struct apply *a, const cJSON *obj)
{
    return a->kind == KUBE_PVC && a->desired && *json_str(a->desired, "spec.volumeAttributesClassName", "") &&
           !*json_str(obj, "spec.volumeAttributesClassName", "");
}

static void written(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    if (err && (status == 409 || status == 404) && ++a->tries < APPLY_TRIES) {
        if (status == 409 && cache_moved(a))
            apply_again(a, 0);
        else
            kube_get(a->in->s->kube, a->kind, a->in->ns, a->name, reread, a);
        return;
    }
    if (err) {
        apply_finish(a, err);
        return;
    }
    a->changed = true;
    if (obj)
        kube_cache_put(super_cache(a->in->s, a->in->group, a->kind), obj);
    if (obj && dropped_attributes(a, obj)) {
        apply_fail(a, ERR_REFUSED,
                   "the cluster does not know volumeAttributesClassName (VolumeAttributesClass): take it out of "
                   "the volume template, or switch that API on");
        return;
    }
    next_object(a);
}

/* ---- one write ---- */

static void put_patch(struct apply *a, const cJSON *now, cJSON *patch)
{
    cJSON *meta = json_need_obj(patch, "metadata");

    json_set_str(meta, "resourceVersion", json_rv(now));
    snprintf(a->sent_rv, sizeof a->sent_rv, "%s", json_rv(now));
    kube_patch(a->in->s->kube, a->kind, a->in->ns, a->name, NULL, patch, written, a);
}

static void write_object(struct apply *a, cJSON *desired)
{
    const cJSON *now = live(a);
    auto_json cJSON *patch = NULL;

    if (apply_anew(a, now, desired))
        return;
    patch = compare_object(now, desired, NULL, NULL);
    if (!patch)
        next_object(a);
    else if (!now) {
        if (a->kind == KUBE_STS)
            apply_put_notes(a, patch);
        kube_create(a->in->s->kube, a->kind, a->in->ns, patch, written, a);
    } else
        put_patch(a, now, patch);
}

/* A fixed patch (label, annotation): written when it would change something. */
static void write_patch(struct apply *a)
{
    const cJSON *now = live(a);
    auto_json cJSON *after = json_copy(now), *patch = json_copy(a->patch_only);

    if (!now) {
        if (json_bool(a->req, "if_exists", false))
            next_object(a);
        else
            apply_fail(a, ERR_MISSING, "the object is not there");
        return;
    }
    json_merge_patch(&after, patch);
    if (json_same(now, after))
        next_object(a);
    else
        put_patch(a, now, patch);
}

static void step(void *ctx)
{
    struct apply *a = ctx;
    struct err err = ERR_INIT;

    a->timer = NULL;
    if (!super_leads(a->in->s)) {
        apply_fail(a, ERR_AGAIN, "this supervisor does not lead any more");
    } else if (a->patch_only) {
        write_patch(a);
    } else if (a->desired) {
        write_object(a, a->desired);
    } else {
        auto_json cJSON *d = apply_want(a, &err);

        if (d)
            write_object(a, d);
        else
            apply_finish(a, &err);
    }
}

/* ---- one object after the other ---- */

bool apply_deleted(struct apply *a, int status, const struct err *err)
{
    if (err && status != 404 && status != 409) {
        apply_finish(a, err);
        return false;
    }
    a->changed = true;
    return true;
}

static void unknown_deleted(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    (void)obj;
    if (apply_deleted(a, status, err))
        next_object(a);
}

static void delete_unknown(struct apply *a)
{
    const cJSON *now = live(a);

    if (now)
        kube_delete(a->in->s->kube, a->kind, a->in->ns, a->name, json_uid(now), NULL, -1, unknown_deleted, a);
    else
        next_object(a);
}

static void then_done(void *ctx, bool changed, const struct err *err)
{
    struct apply *a = ctx;

    a->changed |= changed;
    apply_finish(a, err);
}

static void queue_is_empty(struct apply *a)
{
    cJSON *then = a->then;

    a->then = NULL;
    if (cJSON_GetArraySize(then) > 0) {
        apply_all(a->in, then, then_done, a);
        return;
    }
    cJSON_Delete(then);
    apply_finish(a, NULL);
}

static void next_object(struct apply *a)
{
    cJSON *head = a->queue ? cJSON_DetachItemFromArray(a->queue, 0) : NULL;

    cJSON_Delete(a->desired);
    cJSON_Delete(a->patch_only);
    a->desired = a->patch_only = NULL;
    a->tries = 0;
    if (!head) {
        queue_is_empty(a);
        return;
    }
    a->kind = (enum kube_kind)kube_kind_by_name(json_str(head, "kind", ""));
    free(a->name);
    a->name = mem_str(json_name(head));
    if (json_bool(head, "delete", false)) {
        cJSON_Delete(head);
        delete_unknown(a);
        return;
    }
    if (json_get(head, "patch"))
        a->patch_only = cJSON_DetachItemFromObjectCaseSensitive(head, "patch");
    else
        a->desired = head;
    if (a->patch_only)
        cJSON_Delete(head);
    apply_again(a, 0);
}

static void start(void *ctx)
{
    struct apply *a = ctx;
    struct err err = ERR_INIT;
    int several = apply_fill_queue(a, &err);

    a->timer = NULL;
    if (several < 0)
        apply_finish(a, &err);
    else if (several)
        next_object(a);
    else
        step(a);
}

static struct apply *apply_new(struct inst *in, const cJSON *req, apply_done_fn *done, void *ctx)
{
    struct apply *a = mem_zero(sizeof *a);

    *a = (struct apply){.in = in, .req = json_copy(req), .done = done, .ctx = ctx};
    in->pending++;
    return a;
}

void apply_start(struct inst *in, const cJSON *req, apply_done_fn *done, void *ctx)
{
    struct apply *a = apply_new(in, req, done, ctx);

    a->timer = world_timer(in->s->w, 0, start, a);
}

/* ---- deleting ---- */

static void deleted(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    (void)obj;
    /* 409: another object has the name, the one with this UID is gone. */
    if (err && status != 404 && status != 409) {
        apply_finish(a, err);
        return;
    }
    a->changed = !err;
    apply_finish(a, NULL);
}

static enum kube_kind delete_kind(const char *what)
{
    static const struct {
        const char *what;
        enum kube_kind kind;
    } kinds[] = {
        {"pod", KUBE_POD}, {"statefulset", KUBE_STS}, {"service", KUBE_SVC}, {"configmap", KUBE_CM}, {"pvc", KUBE_PVC}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].what, what) == 0)
            return kinds[i].kind;
    return KUBE_KINDS;
}

static void delete_now(void *ctx)
{
    struct apply *a = ctx;
    const cJSON *now;
    const char *uid = json_str(a->req, "uid", NULL);

    a->timer = NULL;
    a->kind = delete_kind(json_str(a->req, "what", ""));
    a->name = mem_str(json_str(a->req, "name", ""));
    if (a->kind == KUBE_KINDS) {
        apply_fail(a, ERR_BUG, "a worker asked to delete something of an unknown kind");
        return;
    }
    if (!*a->name) { /* names of a host that left the spec are read from its objects: the last of them is gone */
        apply_finish(a, NULL);
        return;
    }
    now = live(a);
    if (a->kind == KUBE_PVC && !json_bool(a->req, "consent", false)) {
        apply_fail(a, ERR_REFUSED, "a volume is deleted only by its own step, with the policy's consent");
        return;
    }
    if (a->kind == KUBE_PVC && now && !hostfacts_claim_may_go(a->in, json_str(a->req, "host", ""), now)) {
        apply_fail(a, ERR_REFUSED, "the claim stays: its reclaimPolicy keeps it, or nothing says that it may go");
        return;
    }
    if (!now && !uid) {
        apply_finish(a, NULL);
        return;
    }
    kube_delete(a->in->s->kube, a->kind, a->in->ns, a->name, uid ? uid : json_uid(now),
                a->kind == KUBE_STS ? "Background" : NULL, -1, deleted, a);
}

void apply_delete(struct inst *in, const cJSON *req, apply_done_fn *done, void *ctx)
{
    struct apply *a = apply_new(in, req, done, ctx);

    a->timer = world_timer(in->s->w, 0, delete_now, a);
}
