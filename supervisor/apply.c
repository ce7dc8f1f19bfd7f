/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only writer of managed objects. Render, compare with what is live, write the difference with a precondition, or
 * nothing. A conflict means somebody was faster: read again, render again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "render/claims.h"
#include "supervisor/internal.h"

enum { APPLY_TRIES = 6, ORPHAN_WAIT_MS = 100, ORPHAN_WAITS = 300 };

struct apply {
    struct inst *in;
    cJSON *req;
    apply_done_fn *done;
    void *ctx;
    unsigned tries, waits;
    bool changed;
    enum kube_kind kind; /* of the object being written */
    char *name;
    cJSON *queue;      /* desired objects still to write ("shared", "pvcs") */
    cJSON *desired;    /* the one being written; NULL = it is rendered anew at each try */
    cJSON *patch_only; /* a plain merge patch instead of a rendered object */
    struct world_timer *timer;
    char sent_rv[32]; /* precondition of the patch under way */
};

static void step(void *ctx);
static void next_object(struct apply *a);

static void finish(struct apply *a, const struct err *err)
{
    struct inst *in = a->in;

    if (!err && a->changed)
        nudge_after(in, a->req);
    in->pending--;
    a->done(a->ctx, a->changed, err);
    cJSON_Delete(a->req);
    cJSON_Delete(a->queue);
    cJSON_Delete(a->desired);
    cJSON_Delete(a->patch_only);
    free(a->name);
    free(a);
}

static void fail(struct apply *a, enum err_kind kind, const char *text)
{
    struct err err = ERR_INIT;

    err_set(&err, kind, 0, "%s", text);
    finish(a, &err);
}

static void again(struct apply *a, uint64_t ms)
{
    a->timer = world_timer(a->in->s->w, ms, step, a);
}

static const cJSON *live(const struct apply *a)
{
    return super_get(a->in->s, a->in->group, a->kind, a->in->ns, a->name);
}

static void reread(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    if (err && status != 404) {
        finish(a, err);
        return;
    }
    if (obj && !err)
        kube_cache_put(super_cache(a->in->s, a->in->group, a->kind), obj);
    again(a, status == 404 ? 50 : 0);
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
            again(a, 0);
        else
            kube_get(a->in->s->kube, a->kind, a->in->ns, a->name, reread, a);
        return;
    }
    if (err) {
        finish(a, err);
        return;
    }
    a->changed = true;
    if (obj)
        kube_cache_put(super_cache(a->in->s, a->in->group, a->kind), obj);
    if (obj && dropped_attributes(a, obj)) {
        fail(a, ERR_REFUSED, "the cluster does not know volumeAttributesClassName (VolumeAttributesClass): take it out of "
                             "the volume template, or switch that API on");
        return;
    }
    next_object(a);
}

/* ---- what is wanted ---- */

static const struct host *wanted_host(const struct apply *a)
{
    return a->in->fleet ? fleet_host(a->in->fleet, json_str(a->req, "host", "")) : NULL;
}

static const cJSON *live_of(const struct inst *in, enum kube_kind kind, const char *name)
{
    return super_get(in->s, in->group, kind, in->ns, name);
}

/* The worker's note of its act, with what orders the restart. Takes note. */
static char *note_text(const struct apply *a, cJSON *note)
{
    const struct hostrec *rec = inst_host(a->in, json_str(a->req, "host", ""));
    char *text;

    if (note && rec && rec->ordered && a->in->plan && a->in->plan->restart_token)
        json_set_str(note, "token", a->in->plan->restart_token);
    text = json_print(note);
    cJSON_Delete(note);
    return text;
}

/* The last act and its epoch ride in the same request, so that a standby with an empty journal can go on. */
static void mirror(struct apply *a, cJSON *desired, const cJSON *now)
{
    cJSON *notes = json_need_obj(json_need_obj(desired, "metadata"), "annotations");
    char epoch[24];

    if (!json_get(a->req, "mirror"))
        return;
    auto_free char *text = note_text(a, json_copy(json_get(a->req, "mirror")));
    snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)a->in->s->epoch);
    (void)now;
    json_set_str(notes, RENDER_STEP, text);
    json_set_str(notes, "chfleet.io/epoch", epoch);
}

/* As it was before this generation: a roll-back. */
static cJSON *want_previous(struct apply *a, const struct host *h, struct err *err)
{
    cJSON *d = previous_statefulset(a->in, live_of(a->in, KUBE_STS, h->sts));

    if (!d)
        err_set(err, ERR_REFUSED, 0, "%s: what its StatefulSet was before is not known any more", h->key);
    return d;
}

/* What it was is written down with the change; a host that is given up carries the generation it could not start in. */
static void note_before(const struct apply *a, const struct host *h, cJSON *desired)
{
    cJSON *notes = json_need_obj(json_get(desired, "metadata"), "annotations");
    auto_free char *previous = json_get(a->req, "mirror")
                                   ? previous_note(a->in, live_of(a->in, KUBE_STS, h->sts), desired)
                                   : NULL;

    if (previous)
        json_set_str(notes, RENDER_PREVIOUS, previous);
    if (json_bool(a->req, "gave_up", false)) {
        auto_free char *text = mem_printf("%lld", (long long)a->in->generation);

        json_set_str(notes, RENDER_GAVE_UP, text);
    }
}

/* Its claims that consent gave up are gone when the set is written for a new start. */
static void note_given_up(const struct apply *a, const struct host *h, cJSON *desired)
{
    const struct hostrec *rec = inst_host(a->in, h->key);
    auto_str struct str names = STR_INIT;

    if (!rec || (rec->action != ACT_REBUILD && rec->action != ACT_MOVE) || json_int(a->req, "replicas", 0) == 0)
        return;
    for (size_t i = 0; i < h->n_volumes; i++)
        if (claim_consented(desired_consent(a->in), "volumes", h->cluster->name, h->volumes[i].pvc_name))
            str_addf(&names, "%s%s", names.len ? " " : "", h->volumes[i].pvc_name);
    if (names.len)
        json_set_str(json_at(desired, "metadata.annotations"), RENDER_GIVEN_UP, str_text(&names));
}

static cJSON *want_statefulset(struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    cJSON *d;

    if (json_bool(a->req, "restore", false))
        return want_previous(a, h, err);
    d = render_host_statefulset(a->in->fleet, h, c, err);
    if (d)
        note_before(a, h, d);
    if (d && json_get(a->req, "replicas"))
        json_set_int(json_get(d, "spec"), "replicas", json_int(a->req, "replicas", 1));
    if (d)
        note_given_up(a, h, d);
    if (d)
        mirror(a, d, NULL);
    return d;
}

/* Sets kind and name of the object and returns the desired one, or NULL with err (ERR_NONE: nothing is wanted). */
static cJSON *want(struct apply *a, struct err *err)
{
    const char *what = json_str(a->req, "what", "");
    const struct host *h = wanted_host(a);
    struct inst *in = a->in;
    struct render_ctx c;
    cJSON *d = NULL;

    desired_ctx(in, &c);
    if (strcmp(what, "common") == 0) {
        a->kind = KUBE_CM;
        d = render_common_configmap(in->fleet, &c, err);
    } else if (strcmp(what, "users") == 0) {
        a->kind = KUBE_CM;
        d = render_users_configmap(in->fleet, &c, err);
    } else if (!h) {
        err_set(err, ERR_REFUSED, 0, "%s: %s of host %s: the spec has no such host any more", in->key, what,
                json_str(a->req, "host", "(none)"));
    } else if (strcmp(what, "configmap") == 0) {
        a->kind = KUBE_CM;
        if (in->holding && !json_bool(a->req, "hold", false))
            inst_host_need(in, h->key)->held_turn = true;
        if (json_bool(a->req, "held_back", false))
            inst_host_need(in, h->key)->held_back = true;
        d = render_host_configmap(in->fleet, h, &c, err);
    } else if (strcmp(what, "service") == 0) {
        a->kind = KUBE_SVC;
        d = render_host_service(in->fleet, h, &c, err);
    } else if (strcmp(what, "statefulset") == 0) {
        a->kind = KUBE_STS;
        d = want_statefulset(a, h, &c, err);
    } else {
        err_set(err, ERR_BUG, 0, "unknown object \"%s\" asked for by a worker", what);
    }
    if (d) {
        free(a->name);
        a->name = mem_str(json_name(d));
    }
    return d;
}

/* ---- objects that no patch can bring to what is wanted: they are made anew (a StatefulSet leaves its pod alone) ----
 */

/* The watch tells when it is gone; until then it is looked at again. */
static void going(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    (void)obj;
    if (err && status != 404 && status != 409) {
        finish(a, err);
        return;
    }
    a->changed = true;
    again(a, ORPHAN_WAIT_MS);
}

/* What its process has loaded is noted on the old set, and as true for the new one. While there is no set the pod holds
 * the notes: whoever makes the new one may be another than who deleted the old one. */
#define POD_NOTES "chfleet.io/notes"

static const cJSON *pod_of_set(const struct apply *a)
{
    char pod[310];

    snprintf(pod, sizeof pod, "%s-0", a->name);
    return live_of(a->in, KUBE_POD, pod);
}

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
        finish(a, err);
        return;
    }
    if (obj && !err)
        kube_cache_put(super_cache(a->in->s, a->in->group, KUBE_POD), obj);
    again(a, err ? ORPHAN_WAIT_MS : 0);
}

/* False: the pod holds them already, or there is none. */
static bool note_on_pod(struct apply *a, const char *notes)
{
    const cJSON *pod = pod_of_set(a);
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

static void put_notes(const struct apply *a, cJSON *desired)
{
    cJSON *to = json_need_obj(json_get(desired, "metadata"), "annotations");
    const char *text = json_annotation(pod_of_set(a), POD_NOTES);
    auto_json cJSON *notes = text ? json_parse(text, strlen(text), NULL) : NULL;
    const cJSON *v;

    cJSON_ArrayForEach(v, notes)
        if (!json_get(to, v->string))
            json_set(to, v->string, json_copy(v));
}

static bool must_be_made_anew(const struct apply *a, const cJSON *now, const cJSON *desired)
{
    if (!now)
        return false;
    if (a->kind == KUBE_STS)
        return compare_statefulset(now, desired, NULL, NULL) == COMPARE_IMMUTABLE;
    return a->kind == KUBE_SVC && compare_must_replace(now, desired);
}

static bool recreate(struct apply *a, const cJSON *now, const cJSON *desired)
{
    bool set = a->kind == KUBE_STS;

    if (!must_be_made_anew(a, now, desired))
        return false;
    if (set && !json_bool(a->req, "orphan", false)) {
        fail(a, ERR_REFUSED,
             "a StatefulSet field that cannot be changed differs; only the recreate table may replace the set");
    } else if (json_at(now, "metadata.deletionTimestamp")) {
        if (++a->waits > ORPHAN_WAITS)
            fail(a, ERR_AGAIN, "the old object does not go away");
        else
            again(a, ORPHAN_WAIT_MS);
    } else {
        auto_free char *notes = set ? notes_of(now) : NULL;

        if (set && note_on_pod(a, notes))
            return true;
        kube_delete(a->in->s->kube, a->kind, a->in->ns, a->name, json_uid(now), set ? "Orphan" : NULL, -1, going, a);
    }
    return true;
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

    if (recreate(a, now, desired))
        return;
    patch = compare_object(now, desired, NULL, NULL);
    if (!patch)
        next_object(a);
    else if (!now) {
        if (a->kind == KUBE_STS)
            put_notes(a, patch);
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
            fail(a, ERR_MISSING, "the object is not there");
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
        fail(a, ERR_AGAIN, "this supervisor does not lead any more");
    } else if (a->patch_only) {
        write_patch(a);
    } else if (a->desired) {
        write_object(a, a->desired);
    } else {
        auto_json cJSON *d = want(a, &err);

        if (d)
            write_object(a, d);
        else
            finish(a, &err);
    }
}

static void unknown_deleted(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct apply *a = ctx;

    (void)obj;
    if (err && status != 404 && status != 409) {
        finish(a, err);
        return;
    }
    a->changed = true;
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

static void next_object(struct apply *a)
{
    cJSON *head = a->queue ? cJSON_DetachItemFromArray(a->queue, 0) : NULL;
    int kind;

    cJSON_Delete(a->desired);
    cJSON_Delete(a->patch_only);
    a->desired = a->patch_only = NULL;
    a->tries = 0;
    if (!head) {
        finish(a, NULL);
        return;
    }
    kind = kube_kind_by_name(json_str(head, "kind", ""));
    a->kind = (enum kube_kind)kind;
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
    again(a, 0);
}

/* ---- requests of several objects ---- */

static void queue_patch(struct apply *a, const char *kind, const char *name, cJSON *patch)
{
    cJSON *q = cJSON_CreateObject();

    json_set_str(q, "kind", kind);
    json_set_str(json_set_obj(q, "metadata"), "name", name);
    json_set(q, "patch", patch);
    cJSON_AddItemToArray(a->queue, q);
}

static cJSON *meta_patch(const char *section, const char *key, const char *value)
{
    cJSON *patch = cJSON_CreateObject();

    json_set_str(json_set_obj(json_set_obj(patch, "metadata"), section), key, value);
    return patch;
}

static void queue_ready(struct apply *a, const char *value)
{
    const char *key =
        a->in->group == GROUP_CHI ? "clickhouse.altinity.com/ready" : "clickhouse-keeper.altinity.com/ready";
    char sts[300], pod[310];
    const char *service;

    if (!hostfacts_sts(a->in, json_str(a->req, "host", ""), sts, sizeof sts))
        return;
    snprintf(pod, sizeof pod, "%s-0", sts);
    if (live_of(a->in, KUBE_POD, pod))
        queue_patch(a, "Pod", pod, meta_patch("labels", key, value));
    service = json_str(live_of(a->in, KUBE_STS, sts), "spec.serviceName", sts);
    if (live_of(a->in, KUBE_SVC, service))
        queue_patch(a, "Service", service, meta_patch("annotations", key, value));
}

static void queue_nudge(struct apply *a)
{
    char sts[300], pod[310], now[32];

    if (!hostfacts_sts(a->in, json_str(a->req, "host", ""), sts, sizeof sts))
        return;
    snprintf(pod, sizeof pod, "%s-0", sts);
    snprintf(now, sizeof now, "%llu", (unsigned long long)world_wall(a->in->s->w));
    if (live_of(a->in, KUBE_POD, pod))
        queue_patch(a, "Pod", pod, meta_patch("annotations", RENDER_NUDGE, now));
}

static void queue_annotation(struct apply *a)
{
    char sts[300];
    struct hostrec *rec;
    cJSON *patch;

    if (!hostfacts_sts(a->in, json_str(a->req, "host", ""), sts, sizeof sts))
        return;
    patch = meta_patch("annotations", json_str(a->req, "key", "chfleet.io/step"), json_str(a->req, "value", ""));
    /* The host has had its ordered restart: said in the same write that says what it has loaded. */
    rec = inst_host(a->in, json_str(a->req, "host", ""));
    if (strcmp(json_str(a->req, "key", ""), RENDER_STEP) == 0) {
        const char *value = json_str(a->req, "value", "");
        auto_free char *text = note_text(a, json_parse(value, strlen(value), NULL));

        json_set_str(json_at(patch, "metadata.annotations"), RENDER_STEP, text);
    }
    if (strcmp(json_str(a->req, "key", ""), RENDER_LOADED) == 0 && rec && rec->ordered && a->in->plan &&
        a->in->plan->restart_token)
        json_set_str(json_at(patch, "metadata.annotations"), RENDER_RESTART, a->in->plan->restart_token);
    queue_patch(a, "StatefulSet", sts, patch);
}

static int queue_pvcs(struct apply *a, struct err *err)
{
    const struct host *h = wanted_host(a);
    struct render_ctx c;

    if (!h)
        return 0;
    desired_ctx(a->in, &c);
    for (size_t i = 0; i < h->n_volumes; i++) {
        const cJSON *now = live_of(a->in, KUBE_PVC, h->volumes[i].pvc_name);
        cJSON *d;

        if (!now && !h->volumes[i].operator_made)
            continue; /* the StatefulSet controller makes it */
        d = render_host_pvc(a->in->fleet, h, &h->volumes[i], &c, err);
        if (!d)
            return -1;
        cJSON_AddItemToArray(a->queue, d);
    }
    return 0;
}

static int queue_one(struct apply *a, cJSON *desired)
{
    if (!desired)
        return -1;
    cJSON_AddItemToArray(a->queue, desired);
    return 0;
}

/* Claims that are there: their labels say whether they may be deleted. */
static int queue_live_claims(struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    for (size_t i = 0; i < h->n_volumes; i++)
        if (live_of(a->in, KUBE_PVC, h->volumes[i].pvc_name) &&
            queue_one(a, render_host_pvc(a->in->fleet, h, &h->volumes[i], c, err)) < 0)
            return -1;
    return 0;
}

/* Labels, annotations, Services, and the ConfigMap where nothing else will write it. */
static int queue_host_objects(struct apply *a, const struct render_ctx *c, struct err *err)
{
    const struct fleet *f = a->in->fleet;

    for (size_t i = 0; i < f->n_hosts; i++) {
        struct hostrec *rec = inst_host(a->in, f->hosts[i]->key);
        cJSON *svc, *sts;

        /* claims of a new host are made by the StatefulSet controller, without the label that says what becomes of them
         */
        if (rec && (rec->action == ACT_CREATE || rec->action == ACT_REBUILD || rec->action == ACT_MOVE) &&
            queue_live_claims(a, f->hosts[i], c, err) < 0)
            return -1;
        if (!rec || !rec->objects)
            continue;
        svc = render_host_service(f, f->hosts[i], c, err);
        sts = svc ? render_host_statefulset(f, f->hosts[i], c, err) : NULL;
        if (!sts) {
            cJSON_Delete(svc);
            return -1;
        }
        cJSON_AddItemToArray(a->queue, svc);
        if ((rec->action == ACT_NONE && queue_one(a, render_host_configmap(f, f->hosts[i], c, err)) < 0) ||
            queue_live_claims(a, f->hosts[i], c, err) < 0) {
            cJSON_Delete(sts);
            return -1;
        }
        if (compare_statefulset(live_of(a->in, KUBE_STS, f->hosts[i]->sts), sts, NULL, NULL) == COMPARE_METADATA)
            cJSON_AddItemToArray(a->queue, sts);
        else
            cJSON_Delete(sts);
    }
    return 0;
}

/* What the plan says is there and wanted by nothing: "Service x". */
static void queue_unknown(struct apply *a)
{
    const struct plan *p = a->in->plan;

    for (size_t i = 0; p && i < p->n_common; i++) {
        const struct change *ch = &p->common[i];
        const char *space = strchr(ch->path, ' ');
        auto_free char *kind = NULL;
        cJSON *q;

        if (ch->to || !str_eq(ch->from, "there") || !space || strchr(space + 1, ' '))
            continue;
        kind = mem_strn(ch->path, (size_t)(space - ch->path));
        if (kube_kind_by_name(kind) < 0 || kube_kind_by_name(kind) == KUBE_PVC || kube_kind_by_name(kind) == KUBE_STS)
            continue;
        q = cJSON_CreateObject();
        json_set_str(q, "kind", kind);
        json_set_str(json_set_obj(q, "metadata"), "name", space + 1);
        json_set_bool(q, "delete", true);
        cJSON_AddItemToArray(a->queue, q);
    }
}

/* A Keeper member enters the raft list just before its objects are made, and leaves it just before it is halted for
 * good. */
static bool keeper_list_changes(struct apply *a, const char *what)
{
    struct hostrec *rec = inst_host(a->in, json_str(a->req, "host", ""));
    bool enters = rec && rec->action != ACT_REMOVE && strcmp(what, "configmap") == 0;
    bool leaves = rec && rec->action == ACT_REMOVE && strcmp(what, "statefulset") == 0;

    if (!rec || rec->listed == enters || (!enters && !leaves))
        return false;
    rec->listed = enters;
    return true;
}

static int queue_keeper_list(struct apply *a, const char *what, struct err *err)
{
    struct render_ctx c;
    cJSON *common, *own;

    desired_ctx(a->in, &c);
    common = render_common_configmap(a->in->fleet, &c, err);
    if (!common)
        return -1;
    cJSON_AddItemToArray(a->queue, common);
    if (!wanted_host(a))
        return 0;
    own = strcmp(what, "configmap") == 0 ? render_host_configmap(a->in->fleet, wanted_host(a), &c, err)
                                         : want_statefulset(a, wanted_host(a), &c, err);
    if (!own)
        return -1;
    cJSON_AddItemToArray(a->queue, own);
    return 0;
}

static bool is_shared(const char *what)
{
    return strcmp(what, "common") == 0 || strcmp(what, "users") == 0 || strcmp(what, "shared") == 0;
}

/* A set of another shape is only scaled down: what else differs comes when it is made anew. */
static bool queue_halt(struct apply *a, struct err *err)
{
    const struct host *h = wanted_host(a);
    struct render_ctx c;
    auto_json cJSON *want = NULL;
    cJSON *patch;

    if (!h || json_int(a->req, "replicas", 1) != 0)
        return false;
    desired_ctx(a->in, &c);
    want = want_statefulset(a, h, &c, err);
    if (!want || compare_statefulset(live_of(a->in, KUBE_STS, h->sts), want, NULL, NULL) != COMPARE_IMMUTABLE)
        return false;
    patch = cJSON_CreateObject();
    json_set_int(json_set_obj(patch, "spec"), "replicas", 0);
    mirror(a, patch, NULL);
    queue_patch(a, "StatefulSet", h->sts, patch);
    return true;
}

/* Fills the queue for requests of several or of fixed objects. 1: it is one; 0: a single rendered object; -1: error. */
static int fill_queue(struct apply *a, struct err *err)
{
    const char *what = json_str(a->req, "what", "");
    struct render_ctx c;

    a->queue = cJSON_CreateArray();
    if (a->in->fleet->deleting && is_shared(what)) /* goes with its owner: not to be made again meanwhile */
        return 1;
    if (json_get(a->req, "ready") && strcmp(what, "ready") == 0) {
        queue_ready(a, json_str(a->req, "ready", "no"));
        return 1;
    }
    if (strcmp(what, "nudge") == 0) {
        queue_nudge(a);
        return 1;
    }
    if (strcmp(what, "annotate") == 0) {
        queue_annotation(a);
        return 1;
    }
    if (strcmp(what, "status") == 0) {
        status_kick(a->in); /* the audit that comes next mostly has more to say, in the same write */
        return 1;
    }
    if (a->in->group == GROUP_CHK && keeper_list_changes(a, what))
        return queue_keeper_list(a, what, err) < 0 ? -1 : 1;
    if (strcmp(what, "statefulset") == 0 && queue_halt(a, err))
        return 1;
    if (strcmp(what, "pvcs") == 0)
        return queue_pvcs(a, err) < 0 ? -1 : 1;
    if (strcmp(what, "shared") == 0) {
        desired_ctx(a->in, &c);
        if (render_shared(a->in->fleet, &c, a->queue, err) < 0 || queue_host_objects(a, &c, err) < 0)
            return -1;
        queue_unknown(a);
        return 1;
    }
    return 0;
}

static void start(void *ctx)
{
    struct apply *a = ctx;
    struct err err = ERR_INIT;
    int several = fill_queue(a, &err);

    a->timer = NULL;
    if (several < 0)
        finish(a, &err);
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
        finish(a, err);
        return;
    }
    a->changed = !err;
    finish(a, NULL);
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
        fail(a, ERR_BUG, "a worker asked to delete something of an unknown kind");
        return;
    }
    if (!*a->name) { /* names of a host that left the spec are read from its objects: the last of them is gone */
        finish(a, NULL);
        return;
    }
    now = live(a);
    if (a->kind == KUBE_PVC && !json_bool(a->req, "consent", false)) {
        fail(a, ERR_REFUSED, "a volume is deleted only by its own step, with the policy's consent");
        return;
    }
    if (a->kind == KUBE_PVC && now && !hostfacts_claim_may_go(a->in, json_str(a->req, "host", ""), now)) {
        fail(a, ERR_REFUSED, "the claim stays: its reclaimPolicy keeps it, or nothing says that it may go");
        return;
    }
    if (!now && !uid) {
        finish(a, NULL);
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
