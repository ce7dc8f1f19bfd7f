/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StatefulSets, as kube-controller-manager runs them: pods by ordinal, one at a time in order (OrderedReady) or
 * together (Parallel), rolling update from the highest ordinal down, revisions as ControllerRevision objects, claims
 * from templates, orphans adopted. A pod of a bad revision is not replaced by a good one while it is not ready: it is
 * deleted by hand or by the operator, as on a cluster.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "plane/ctl.h"

#define REVISION_LABEL "controller-revision-hash"
#define POD_NAME_LABEL "statefulset.kubernetes.io/pod-name"
#define POD_INDEX_LABEL "apps.kubernetes.io/pod-index"

enum { AGAIN_MS = 1000 };

struct ctl_sts {
    struct plane *p;
    struct store *s;
    struct ctl_queue *q;
    struct store_sub *sts, *pods;
};

/* One look at one StatefulSet. */
struct pass {
    struct ctl_sts *c;
    const cJSON *sts;
    const char *ns, *name;
    int64_t replicas, start;
    bool ordered;
    char *update, *current; /* revision names */
    const cJSON **pods;     /* by ordinal - start; NULL = not there */
    const cJSON **condemned; /* ordinals out of range, highest last */
    size_t n_condemned;
    int64_t current_left; /* status.currentReplicas, for which revision a new pod gets */
    uint64_t wait_ms;     /* look again then; 0 = not needed */
};

/* ---- revisions ---- */

static char *template_hash(const cJSON *sts)
{
    auto_str struct str text = STR_INIT;
    auto_free char *hex = NULL;

    json_canonical(json_at(sts, "spec.template"), &text);
    hex = hash_sha1_hex(str_text(&text), text.len);
    return mem_strn(hex, 10);
}

static int newest(void *ctx, const cJSON *rev)
{
    int64_t *max = ctx, n = json_int(rev, "revision", 0);

    if (n > *max)
        *max = n;
    return 0;
}

static cJSON *revision_object(const cJSON *sts, const char *name, const char *hash, int64_t number)
{
    cJSON *rev = store_new_object(PK_REVISION, json_ns(sts), name), *labels, *data;
    const cJSON *label;

    labels = json_set_obj(json_get(rev, "metadata"), "labels");
    cJSON_ArrayForEach(label, json_at(sts, "spec.template.metadata.labels"))
        json_set(labels, label->string, json_copy(label));
    json_set_str(labels, REVISION_LABEL, hash);
    store_set_controller(rev, sts);
    data = json_set_obj(json_set_obj(rev, "data"), "spec");
    json_set_str(json_set(data, "template", json_copy(json_at(sts, "spec.template"))), "$patch", "replace");
    json_set_int(rev, "revision", number);
    return rev;
}

/* Makes sure that the template's revision is there, with the highest number. Returns its name. */
static char *update_revision(struct ctl_sts *c, const cJSON *sts)
{
    auto_free char *hash = template_hash(sts);
    char *name = mem_printf("%s-%s", json_name(sts), hash);
    const cJSON *have = store_get(c->s, PK_REVISION, json_ns(sts), name);
    int64_t max = 0;
    struct err e = ERR_INIT;

    store_each(c->s, PK_REVISION, json_ns(sts), NULL, newest, &max);
    if (!have) {
        if (store_create(c->s, PK_REVISION, revision_object(sts, name, hash, max + 1), STORE_SYSTEM, NULL, &e) < 0)
            log_warn(json_name(sts), "revision not stored: %s", e.msg);
    } else if (strcmp(json_str(store_controller_of(have), "uid", ""), json_uid(sts)) != 0) { /* of a deleted namesake */
        cJSON *obj = json_copy(have);

        cJSON_DeleteItemFromObjectCaseSensitive(json_get(obj, "metadata"), "ownerReferences");
        store_set_controller(obj, sts);
        store_update(c->s, PK_REVISION, obj, STORE_SYSTEM, NULL, NULL);
    }
    return name;
}

static const char *hash_of(const char *revision, const char *sts)
{
    size_t n = strlen(sts);

    return strncmp(revision, sts, n) == 0 && revision[n] == '-' ? revision + n + 1 : revision;
}

static const char *pod_revision(const cJSON *pod)
{
    const char *hash = json_label(pod, REVISION_LABEL);

    return hash ? hash : "";
}

static bool of_revision(const struct pass *p, const cJSON *pod, const char *revision)
{
    const char *hash = pod_revision(pod);

    return strcmp(hash, hash_of(revision, p->name)) == 0 ||
           strcmp(hash, revision) == 0; /* kube's label is the whole name */
}

/* ---- pods ---- */

static int64_t ordinal_of(const char *sts, const char *pod)
{
    size_t n = strlen(sts);
    char *end;
    long long v;

    if (strncmp(pod, sts, n) != 0 || pod[n] != '-' || pod[n + 1] < '0' || pod[n + 1] > '9')
        return -1;
    v = strtoll(pod + n + 1, &end, 10);
    return *end ? -1 : v;
}

/* Ours: controlled by it, or a fitting orphan, which is adopted. */
static bool is_mine(struct pass *p, const cJSON *pod)
{
    const cJSON *owner = store_controller_of(pod);
    cJSON *obj;
    struct err e = ERR_INIT;

    if (ordinal_of(p->name, json_name(pod)) < 0)
        return false;
    if (owner)
        return strcmp(json_str(owner, "uid", ""), json_uid(p->sts)) == 0;
    if (!store_selector_matches(json_at(p->sts, "spec.selector"), json_at(pod, "metadata.labels")) || ctl_deleting(pod))
        return false;
    obj = json_copy(pod);
    store_set_controller(obj, p->sts);
    if (store_update(p->c->s, PK_POD, obj, STORE_SYSTEM, NULL, &e) < 0) {
        p->wait_ms = AGAIN_MS;
        return false;
    }
    return true;
}

static int by_ordinal(const void *a, const void *b)
{
    const char *x = json_name(*(const cJSON *const *)a), *y = json_name(*(const cJSON *const *)b);
    int64_t i = atoll(strrchr(x, '-') + 1), k = atoll(strrchr(y, '-') + 1);

    return i < k ? -1 : i > k;
}

static int collect(void *ctx, const cJSON *pod)
{
    struct pass *p = ctx;
    int64_t at = ordinal_of(p->name, json_name(pod)) - p->start;

    if (!is_mine(p, pod))
        return 0;
    if (at >= 0 && at < p->replicas) {
        p->pods[at] = pod;
        return 0;
    }
    p->condemned = mem_grow(p->condemned, p->n_condemned + 1, sizeof *p->condemned);
    p->condemned[p->n_condemned++] = pod;
    return 0;
}

/* ---- claims ---- */

static char *claim_name(const cJSON *tmpl, const char *pod)
{
    return mem_printf("%s-%s", json_name(tmpl), pod);
}

static int create_claim(struct pass *p, const cJSON *tmpl, const char *name, struct err *err)
{
    cJSON *pvc = store_new_object(PK_PVC, p->ns, name), *meta = json_get(pvc, "metadata"),
          *labels = json_set_obj(meta, "labels");
    const cJSON *l, *copy[] = {json_at(p->sts, "spec.selector.matchLabels"), json_at(tmpl, "metadata.labels")};

    for (int i = 0; i < 2; i++)
        cJSON_ArrayForEach(l, copy[i])
            json_set(labels, l->string, json_copy(l));
    if (json_at(tmpl, "metadata.annotations"))
        json_set(meta, "annotations", json_copy(json_at(tmpl, "metadata.annotations")));
    json_set(pvc, "spec", json_copy(json_get(tmpl, "spec")));
    if (strcmp(json_str(p->sts, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", ""), "Delete") == 0)
        store_set_controller(pvc, p->sts);
    return store_create(p->c->s, PK_PVC, pvc, STORE_SYSTEM, NULL, err);
}

static bool claims_ready(struct pass *p, const char *pod)
{
    const cJSON *tmpl;

    cJSON_ArrayForEach(tmpl, json_at(p->sts, "spec.volumeClaimTemplates")) {
        auto_free char *name = claim_name(tmpl, pod);
        const cJSON *have = store_get(p->c->s, PK_PVC, p->ns, name);
        struct err e = ERR_INIT;

        if (have && ctl_deleting(have)) { /* until it is gone, a new one cannot be made */
            p->wait_ms = AGAIN_MS;
            return false;
        }
        if (!have && create_claim(p, tmpl, name, &e) < 0) {
            store_event(p->c->s, "statefulset-controller", p->sts, true, "FailedCreate", "create claim %s: %s", name,
                        e.msg);
            p->wait_ms = AGAIN_MS;
            return false;
        }
        if (!have)
            store_event(p->c->s, "statefulset-controller", p->sts, false, "SuccessfulCreate",
                        "create Claim %s Pod %s in StatefulSet %s success", name, pod, p->name);
    }
    return true;
}

static void delete_claims(struct pass *p, const char *pod)
{
    const cJSON *tmpl;

    if (strcmp(json_str(p->sts, "spec.persistentVolumeClaimRetentionPolicy.whenScaled", ""), "Delete") != 0)
        return;
    cJSON_ArrayForEach(tmpl, json_at(p->sts, "spec.volumeClaimTemplates")) {
        auto_free char *name = claim_name(tmpl, pod);

        store_delete(p->c->s, PK_PVC, p->ns, name, NULL, NULL, NULL, NULL);
    }
}

/* ---- making and removing pods ---- */

static void put_claim_volumes(const cJSON *sts, const char *pod, cJSON *spec)
{
    cJSON *old = cJSON_DetachItemFromObjectCaseSensitive(spec, "volumes"), *list = json_set_arr(spec, "volumes"), *v;
    const cJSON *tmpl, *templates = json_at(sts, "spec.volumeClaimTemplates");

    cJSON_ArrayForEach(tmpl, templates) {
        cJSON *one = cJSON_CreateObject();
        auto_free char *claim = claim_name(tmpl, pod);

        json_set_str(one, "name", json_name(tmpl));
        json_set_str(json_set_obj(one, "persistentVolumeClaim"), "claimName", claim);
        cJSON_AddItemToArray(list, one);
    }
    cJSON_ArrayForEach(v, old) {
        bool replaced = false;

        cJSON_ArrayForEach(tmpl, templates)
            replaced |= str_eq(json_str(v, "name", NULL), json_name(tmpl));
        if (!replaced)
            cJSON_AddItemToArray(list, json_copy(v));
    }
    cJSON_Delete(old);
    if (!list->child)
        cJSON_DeleteItemFromObjectCaseSensitive(spec, "volumes");
}

static cJSON *make_pod(struct pass *p, const cJSON *template, const char *revision, const char *name, int64_t ordinal)
{
    cJSON *pod = store_new_object(PK_POD, p->ns, name), *meta = json_get(pod, "metadata"), *labels, *spec;
    auto_free char *generate = mem_printf("%s-", p->name), *index = mem_printf("%" PRId64, ordinal);
    const cJSON *service = json_at(p->sts, "spec.serviceName");

    json_set_str(meta, "generateName", generate);
    labels = json_at(template, "metadata.labels")
                 ? json_set(meta, "labels", json_copy(json_at(template, "metadata.labels")))
                 : json_set_obj(meta, "labels");
    json_set_str(labels, POD_INDEX_LABEL, index);
    json_set_str(labels, REVISION_LABEL, revision);
    json_set_str(labels, POD_NAME_LABEL, name);
    if (json_at(template, "metadata.annotations"))
        json_set(meta, "annotations", json_copy(json_at(template, "metadata.annotations")));
    store_set_controller(pod, p->sts);
    spec = json_set(pod, "spec", json_copy(json_get(template, "spec")));
    json_set_str(spec, "hostname", name);
    if (cJSON_IsString(service) && *service->valuestring)
        json_set_str(spec, "subdomain", service->valuestring);
    put_claim_volumes(p->sts, name, spec);
    return pod;
}

/* A new pod gets the current revision while the rolling update has not come to it. */
static const char *revision_for(const struct pass *p, int64_t index)
{
    int64_t partition = json_int(p->sts, "spec.updateStrategy.rollingUpdate.partition", 0);

    if (strcmp(json_str(p->sts, "spec.updateStrategy.type", "RollingUpdate"), "OnDelete") == 0)
        return index < p->current_left ? p->current : p->update;
    if (partition > 0)
        return index < partition ? p->current : p->update;
    return index < p->current_left ? p->current : p->update;
}

static const cJSON *template_of(struct pass *p, const char *revision)
{
    const cJSON *rev = strcmp(revision, p->update) == 0 ? NULL : store_get(p->c->s, PK_REVISION, p->ns, revision);

    return rev ? json_at(rev, "data.spec.template") : json_at(p->sts, "spec.template");
}

static bool create_pod(struct pass *p, int64_t index)
{
    auto_free char *name = mem_printf("%s-%" PRId64, p->name, p->start + index);
    const char *revision = revision_for(p, index);
    cJSON *pod;
    struct err e = ERR_INIT;

    if (!claims_ready(p, name))
        return false;
    pod = make_pod(p, template_of(p, revision), revision, name, p->start + index);
    if (store_create(p->c->s, PK_POD, pod, STORE_SYSTEM, &p->pods[index], &e) < 0) {
        store_event(p->c->s, "statefulset-controller", p->sts, true, "FailedCreate",
                    "create Pod %s in StatefulSet %s failed: %s", name, p->name, e.msg);
        p->pods[index] = NULL;
        p->wait_ms = AGAIN_MS;
        return false;
    }
    store_event(p->c->s, "statefulset-controller", p->sts, false, "SuccessfulCreate",
                "create Pod %s in StatefulSet %s successful", name, p->name);
    return true;
}

static void delete_pod(struct pass *p, const cJSON *pod)
{
    struct store_delete d = {.uid = json_uid(pod), .grace_s = -1};
    auto_free char *name = mem_str(json_name(pod));
    struct err e = ERR_INIT;

    if (store_delete(p->c->s, PK_POD, p->ns, name, &d, NULL, NULL, &e) < 0) {
        p->wait_ms = AGAIN_MS;
        return;
    }
    store_event(p->c->s, "statefulset-controller", p->sts, false, "SuccessfulDelete",
                "delete Pod %s in StatefulSet %s successful", name, p->name);
}

/* ---- the pass ---- */

static bool healthy(const cJSON *pod)
{
    return pod && !ctl_deleting(pod) && strcmp(json_str(pod, "status.phase", ""), "Running") == 0 && ctl_pod_ready(pod);
}

static bool available(struct pass *p, const cJSON *pod)
{
    return healthy(pod) &&
           ctl_pod_available(pod, json_int(p->sts, "spec.minReadySeconds", 0), world_wall(p->c->p->w), &p->wait_ms);
}

/* 0: go on with the next one. 1: wait. */
static int step_pod(struct pass *p, int64_t i)
{
    if (p->pods[i] && ctl_pod_over(p->pods[i]) && !ctl_deleting(p->pods[i])) {
        delete_pod(p, p->pods[i]);
        p->pods[i] = NULL; /* comes back when it is gone */
        return 1;
    }
    if (!p->pods[i]) {
        create_pod(p, i);
        return p->ordered;
    }
    if (ctl_deleting(p->pods[i]))
        return p->ordered;
    if (!claims_ready(p, json_name(p->pods[i])))
        return 1;
    return p->ordered && !available(p, p->pods[i]);
}

static bool scale_down(struct pass *p)
{
    if (!p->n_condemned)
        return false;
    qsort(p->condemned, p->n_condemned, sizeof *p->condemned, by_ordinal);
    for (size_t i = p->n_condemned; i-- > 0;) {
        if (ctl_deleting(p->condemned[i])) {
            if (p->ordered)
                return true;
            continue;
        }
        delete_claims(p, json_name(p->condemned[i]));
        delete_pod(p, p->condemned[i]);
        if (p->ordered)
            return true;
    }
    return true;
}

static void roll(struct pass *p)
{
    int64_t partition = json_int(p->sts, "spec.updateStrategy.rollingUpdate.partition", 0);

    if (strcmp(json_str(p->sts, "spec.updateStrategy.type", "RollingUpdate"), "OnDelete") == 0)
        return;
    for (int64_t i = p->replicas - 1; i >= (partition > 0 ? partition : 0); i--) {
        const cJSON *pod = p->pods[i];

        if (pod && !ctl_deleting(pod) && !of_revision(p, pod, p->update)) {
            auto_free char *name = mem_str(json_name(pod));

            delete_pod(p, pod);
            p->pods[i] = store_get(p->c->s, PK_POD, p->ns, name); /* the status must not count it as current any more */
            return;
        }
        if (!healthy(pod))
            return;
    }
}

static void act(struct pass *p)
{
    for (int64_t i = 0; i < p->replicas; i++)
        if (step_pod(p, i))
            return;
    if (scale_down(p))
        return;
    roll(p);
}

/* ---- status ---- */

static void count_pod(struct pass *p, const cJSON *pod, int64_t n[5])
{
    if (!pod)
        return;
    n[0]++;
    if (healthy(pod)) {
        n[1]++;
        n[2] += available(p, pod);
    }
    if (ctl_deleting(pod))
        return;
    n[3] += of_revision(p, pod, p->current);
    n[4] += of_revision(p, pod, p->update);
}

static cJSON *make_status(struct pass *p)
{
    static const char *const names[] = {"replicas", "readyReplicas", "availableReplicas", "currentReplicas",
                                        "updatedReplicas"};
    cJSON *st = cJSON_CreateObject();
    int64_t n[5] = {0};

    for (int64_t i = 0; i < p->replicas; i++)
        count_pod(p, p->pods[i], n);
    for (size_t i = 0; i < p->n_condemned; i++)
        count_pod(p, p->condemned[i], n);
    if (strcmp(p->current, p->update) != 0 && n[4] == p->replicas && n[1] == p->replicas && n[0] == p->replicas) {
        free(p->current); /* the update is complete */
        p->current = mem_str(p->update);
        n[3] = n[4];
    }
    json_set_int(st, "observedGeneration", json_int(p->sts, "metadata.generation", 0));
    for (int i = 0; i < 5; i++)
        if (i == 0 || i == 2 || n[i]) /* as kube-controller-manager writes it: zeros of the others are left out */
            json_set_int(st, names[i], n[i]);
    json_set_str(st, "currentRevision", p->current);
    json_set_str(st, "updateRevision", p->update);
    json_set_int(st, "collisionCount", 0);
    return st;
}

/* Revisions nobody needs, beyond spec.revisionHistoryLimit: the oldest go. */
struct old_revs {
    struct pass *p;
    const cJSON *oldest;
    int64_t n;
};

static int find_old(void *ctx, const cJSON *rev)
{
    struct old_revs *o = ctx;

    if (strcmp(json_str(store_controller_of(rev), "uid", ""), json_uid(o->p->sts)) != 0 ||
        strcmp(json_name(rev), o->p->update) == 0 || strcmp(json_name(rev), o->p->current) == 0)
        return 0;
    o->n++;
    if (!o->oldest || json_int(rev, "revision", 0) < json_int(o->oldest, "revision", 0))
        o->oldest = rev;
    return 0;
}

static void trim_history(struct pass *p)
{
    struct old_revs o = {.p = p};

    store_each(p->c->s, PK_REVISION, p->ns, NULL, find_old, &o);
    if (o.n > json_int(p->sts, "spec.revisionHistoryLimit", 10) && o.oldest)
        store_delete(p->c->s, PK_REVISION, p->ns, json_name(o.oldest), NULL, NULL, NULL, NULL);
}

static void pass_fini(struct pass *p)
{
    free(p->pods);
    free(p->condemned);
    free(p->update);
    free(p->current);
}

static void sync_one(void *ctx, const char *ns, const char *name)
{
    struct ctl_sts *c = ctx;
    const cJSON *sts = store_get(c->s, PK_STS, ns, name);
    auto_json cJSON *own = NULL;
    struct pass p = {.c = c, .ns = ns, .name = name};

    if (!sts || ctl_deleting(sts))
        return;
    own = json_copy(sts); /* the store's may be replaced while this pass writes */
    p.sts = own;
    p.replicas = json_int(own, "spec.replicas", 1);
    p.start = json_int(own, "spec.ordinals.start", 0);
    p.ordered = strcmp(json_str(own, "spec.podManagementPolicy", "OrderedReady"), "Parallel") != 0;
    p.update = update_revision(c, own);
    p.current = mem_str(json_str(own, "status.currentRevision", p.update));
    p.current_left = json_int(own, "status.currentReplicas", 0);
    p.pods = mem_array((size_t)p.replicas, sizeof *p.pods);
    store_each(c->s, PK_POD, ns, NULL, collect, &p);
    act(&p);
    ctl_write_status(c->s, PK_STS, own, make_status(&p));
    trim_history(&p);
    if (p.wait_ms)
        ctl_queue_add(c->q, ns, name, p.wait_ms);
    pass_fini(&p);
}

/* ---- watching ---- */

static void on_sts(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_sts *c = ctx;

    if (!obj || what == STORE_GONE)
        return;
    if (old && json_same(json_get(old, "spec"), json_get(obj, "spec")) &&
        json_same(json_at(old, "metadata.deletionTimestamp"), json_at(obj, "metadata.deletionTimestamp")))
        return;
    ctl_queue_add(c->q, json_ns(obj), json_name(obj), 0);
}

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_sts *c = ctx;
    const cJSON *owner = obj ? store_controller_of(obj) : NULL;
    const char *dash = obj ? strrchr(json_name(obj), '-') : NULL;
    auto_free char *guess = NULL;

    (void)what;
    (void)old;
    if (!obj)
        return;
    if (owner) {
        if (strcmp(json_str(owner, "kind", ""), "StatefulSet") == 0)
            ctl_queue_add(c->q, json_ns(obj), json_str(owner, "name", ""), 0);
        return;
    }
    guess = dash ? mem_strn(json_name(obj), (size_t)(dash - json_name(obj))) : NULL; /* an orphan to adopt? */
    if (guess && store_get(c->s, PK_STS, json_ns(obj), guess))
        ctl_queue_add(c->q, json_ns(obj), guess, 0);
}

struct ctl_sts *ctl_sts_new(struct plane *p)
{
    struct ctl_sts *c = mem_zero(sizeof *c);

    c->p = p;
    c->s = p->store;
    c->q = ctl_queue_new(p->w, sync_one, c);
    c->sts = store_subscribe(c->s, PK_STS, on_sts, c);
    c->pods = store_subscribe(c->s, PK_POD, on_pod, c);
    return c;
}

void ctl_sts_free(struct ctl_sts *c)
{
    if (!c)
        return;
    store_unsubscribe(c->sts);
    store_unsubscribe(c->pods);
    ctl_queue_free(c->q);
    free(c);
}
