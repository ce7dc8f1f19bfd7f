/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of several objects, or of fixed patches: what is to be written for them, one after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/apply.h"

/* ---- patches ---- */

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

static void queue_pod_patch(struct apply *a, const char *sts, cJSON *patch)
{
    const cJSON *pod = hostfacts_pod(a->in, sts);

    if (pod)
        queue_patch(a, "Pod", json_name(pod), patch);
    else
        cJSON_Delete(patch);
}

static int queue_ready(struct apply *a, struct err *err)
{
    const char *key =
        a->in->group == GROUP_CHI ? "clickhouse.altinity.com/ready" : "clickhouse-keeper.altinity.com/ready";
    const char *value = json_str(a->req, "ready", "no"), *service;
    char sts[300];

    (void)err;
    if (!hostfacts_sts(a->in, json_str(a->req, "host", ""), sts, sizeof sts))
        return 0;
    queue_pod_patch(a, sts, meta_patch("labels", key, value));
    service = json_str(inst_live(a->in, KUBE_STS, sts), "spec.serviceName", sts);
    if (inst_live(a->in, KUBE_SVC, service))
        queue_patch(a, "Service", service, meta_patch("annotations", key, value));
    return 0;
}

static int queue_nudge(struct apply *a, struct err *err)
{
    char sts[300], now[32];

    (void)err;
    if (!hostfacts_sts(a->in, json_str(a->req, "host", ""), sts, sizeof sts))
        return 0;
    snprintf(now, sizeof now, "%llu", (unsigned long long)world_wall(a->in->s->w));
    queue_pod_patch(a, sts, meta_patch("annotations", RENDER_NUDGE, now));
    return 0;
}

/* An annotation of the host's StatefulSet; what rides in the same write because it is true from then on. */
static int queue_annotation(struct apply *a, struct err *err)
{
    const char *host = json_str(a->req, "host", ""), *key = json_str(a->req, "key", RENDER_STEP);
    const char *value = json_str(a->req, "value", "");
    const struct hostrec *rec = inst_host(a->in, host);
    char sts[300];
    cJSON *patch, *notes;

    (void)err;
    if (!hostfacts_sts(a->in, host, sts, sizeof sts))
        return 0;
    patch = meta_patch("annotations", key, value);
    notes = json_at(patch, "metadata.annotations");
    if (strcmp(key, RENDER_STEP) == 0) {
        auto_free char *text = apply_note_text(a, json_parse(value, strlen(value), NULL));

        json_set_str(notes, RENDER_STEP, text);
    }
    /* The host has had its ordered restart: said in the same write that says what it has loaded. */
    if (strcmp(key, RENDER_LOADED) == 0 && rec && rec->ordered && a->in->plan && a->in->plan->restart_token)
        json_set_str(notes, RENDER_RESTART, a->in->plan->restart_token);
    queue_patch(a, "StatefulSet", sts, patch);
    return 0;
}

/* A set of another shape is only scaled down: what else differs comes when it is made anew. */
static bool queue_halt(struct apply *a, struct err *err)
{
    const struct host *h = apply_wanted_host(a);
    struct render_ctx c;
    auto_json cJSON *want = NULL;
    cJSON *patch;

    if (!h || json_int(a->req, "replicas", 1) != 0)
        return false;
    desired_ctx(a->in, &c);
    want = apply_want_statefulset(a, h, &c, err);
    if (!want || compare_statefulset(inst_live(a->in, KUBE_STS, h->sts), want, NULL, NULL) != COMPARE_IMMUTABLE)
        return false;
    patch = cJSON_CreateObject();
    json_set_int(json_set_obj(patch, "spec"), "replicas", 0);
    apply_mirror(a, patch);
    queue_patch(a, "StatefulSet", h->sts, patch);
    return true;
}

/* ---- rendered objects ---- */

static int queue_one(struct apply *a, cJSON *desired)
{
    if (!desired)
        return -1;
    cJSON_AddItemToArray(a->queue, desired);
    return 0;
}

static int queue_pvcs(struct apply *a, struct err *err)
{
    const struct host *h = apply_wanted_host(a);
    struct render_ctx c;

    if (!h)
        return 0;
    desired_ctx(a->in, &c);
    for (size_t i = 0; i < h->n_volumes; i++) {
        const cJSON *now = inst_live(a->in, KUBE_PVC, h->volumes[i].pvc_name);
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

/* Claims that are there: their labels say whether they may be deleted. */
static int queue_live_claims(struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    for (size_t i = 0; i < h->n_volumes; i++)
        if (inst_live(a->in, KUBE_PVC, h->volumes[i].pvc_name) &&
            queue_one(a, render_host_pvc(a->in->fleet, h, &h->volumes[i], c, err)) < 0)
            return -1;
    return 0;
}

/* Labels, annotations, Services, and the ConfigMap where nothing else will write it. */
static int queue_written_with_shared(struct apply *a, const struct host *h, enum host_action action,
                                     const struct render_ctx *c, struct err *err)
{
    const struct fleet *f = a->in->fleet;
    cJSON *svc = render_host_service(f, h, c, err);
    auto_json cJSON *sts = svc ? render_host_statefulset(f, h, c, err) : NULL;

    if (!sts) {
        cJSON_Delete(svc);
        return -1;
    }
    cJSON_AddItemToArray(a->queue, svc);
    if ((action == ACT_NONE && queue_one(a, render_host_configmap(f, h, c, err)) < 0) ||
        queue_live_claims(a, h, c, err) < 0)
        return -1;
    if (compare_statefulset(inst_live(a->in, KUBE_STS, h->sts), sts, NULL, NULL) == COMPARE_METADATA) {
        cJSON_AddItemToArray(a->queue, sts);
        sts = NULL;
    }
    return 0;
}

/* Claims of a new host are made by the StatefulSet controller, without the label that says what becomes of them. */
static bool claims_are_new(enum host_action action)
{
    return action == ACT_CREATE || action == ACT_REBUILD || action == ACT_MOVE;
}

/* Each host's own objects are a request of their own: hundreds of them, some at a time. */
static void then_host_objects(struct apply *a)
{
    const struct fleet *f = a->in->fleet;

    a->then = cJSON_CreateArray();
    for (size_t i = 0; i < f->n_hosts; i++) {
        const struct hostrec *rec = inst_host(a->in, f->hosts[i]->key);
        cJSON *req;

        if (!rec || (!claims_are_new(rec->action) && !rec->objects))
            continue;
        req = cJSON_CreateObject();
        json_set_str(req, "what", "host-objects");
        json_set_str(req, "host", rec->key);
        cJSON_AddItemToArray(a->then, req);
    }
}

static int queue_host_objects(struct apply *a, struct err *err)
{
    const struct host *h = apply_wanted_host(a);
    const struct hostrec *rec = h ? inst_host(a->in, h->key) : NULL;
    struct render_ctx c;

    if (!rec)
        return 0;
    desired_ctx(a->in, &c);
    if (claims_are_new(rec->action) && queue_live_claims(a, h, &c, err) < 0)
        return -1;
    return rec->objects ? queue_written_with_shared(a, h, rec->action, &c, err) : 0;
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

/* ---- the list of Keeper members ---- */

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
    if (!apply_wanted_host(a))
        return 0;
    own = strcmp(what, "configmap") == 0 ? render_host_configmap(a->in->fleet, apply_wanted_host(a), &c, err)
                                         : apply_want_statefulset(a, apply_wanted_host(a), &c, err);
    if (!own)
        return -1;
    cJSON_AddItemToArray(a->queue, own);
    return 0;
}

/* ---- requests ---- */

static bool is_shared(const char *what)
{
    return strcmp(what, "common") == 0 || strcmp(what, "users") == 0 || strcmp(what, "shared") == 0;
}

/* The audit that comes next mostly has more to say, in the same write. */
static int queue_status(struct apply *a, struct err *err)
{
    (void)err;
    status_kick(a->in);
    return 0;
}

static int queue_shared(struct apply *a, struct err *err)
{
    struct render_ctx c;

    desired_ctx(a->in, &c);
    if (render_shared(a->in->fleet, &c, a->queue, err) < 0)
        return -1;
    then_host_objects(a);
    queue_unknown(a);
    return 0;
}

static const struct {
    const char *what; /* of MSG_APPLY */
    int (*fill)(struct apply *a, struct err *err);
} requests[] = {
    {"ready", queue_ready},   {"nudge", queue_nudge}, {"annotate", queue_annotation},
    {"status", queue_status}, {"pvcs", queue_pvcs},   {"shared", queue_shared},
    {"host-objects", queue_host_objects},
};

int apply_fill_queue(struct apply *a, struct err *err)
{
    const char *what = json_str(a->req, "what", "");

    a->queue = cJSON_CreateArray();
    if (a->in->fleet->deleting && is_shared(what)) /* goes with its owner: not to be made again meanwhile */
        return 1;
    if (a->in->group == GROUP_CHK && keeper_list_changes(a, what))
        return queue_keeper_list(a, what, err) < 0 ? -1 : 1;
    if (strcmp(what, "statefulset") == 0 && queue_halt(a, err))
        return 1;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        if (strcmp(requests[i].what, what) == 0)
            return requests[i].fill(a, err) < 0 ? -1 : 1;
    return 0;
}
