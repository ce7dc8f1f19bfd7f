/* SPDX-License-Identifier: Apache-2.0 */
/* What workers are told of a host, from the watch caches (protocol.h, FACTS). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/claims.h"
#include "supervisor/internal.h"

static const char *label_of(const struct inst *in, const cJSON *obj, const char *what)
{
    char key[96];

    snprintf(key, sizeof key, "%s/%s",
             in->group == GROUP_CHI ? "clickhouse.altinity.com" : "clickhouse-keeper.altinity.com", what);
    return json_label(obj, key);
}

/* Cluster, shard and replica of a key, split at its slashes. */
struct key_parts {
    char cluster[80], shard[80], replica[80];
};

static bool split_key(const struct inst *in, const char *key, struct key_parts *p)
{
    size_t n = inst_prefix(in);

    return strncmp(key, in->key, n) == 0 && key[n] == '/' &&
           sscanf(key + n + 1, "%79[^/]/%79[^/]/%79[^/]", p->cluster, p->shard, p->replica) == 3;
}

struct find_sts {
    const struct inst *in;
    const struct key_parts *p;
    const cJSON *found;
};

static int match_sts(void *ctx, const cJSON *obj)
{
    struct find_sts *f = ctx;
    const char *owner = label_of(f->in, obj, f->in->group == GROUP_CHI ? "chi" : "chk");

    if (strcmp(json_ns(obj), f->in->ns) != 0 || !str_eq(owner, f->in->name) ||
        !str_eq(label_of(f->in, obj, "cluster"), f->p->cluster) ||
        !str_eq(label_of(f->in, obj, "shard"), f->p->shard) || !str_eq(label_of(f->in, obj, "replica"), f->p->replica))
        return 0;
    f->found = obj;
    return 1;
}

const char *hostfacts_sts(struct inst *in, const char *key, char *buf, size_t size)
{
    const struct host *h = in->fleet ? fleet_host(in->fleet, key) : NULL;
    struct key_parts p;
    struct find_sts f = {in, &p, NULL};

    if (h) {
        snprintf(buf, size, "%s", h->sts);
        return buf;
    }
    if (!split_key(in, key, &p))
        return NULL;
    kube_cache_each(super_cache(in->s, in->group, KUBE_STS), match_sts, &f);
    if (!f.found) /* the set is gone already: its Service keeps the same name and labels */
        kube_cache_each(super_cache(in->s, in->group, KUBE_SVC), match_sts, &f);
    if (!f.found)
        return NULL;
    snprintf(buf, size, "%s", json_name(f.found));
    return buf;
}

const cJSON *hostfacts_pod(struct inst *in, const char *sts)
{
    char pod[310];

    snprintf(pod, sizeof pod, "%s-0", sts);
    return inst_live(in, KUBE_POD, pod);
}

/* ---- parts of FACTS ---- */

static const char *depth_name(enum compare_depth d)
{
    static const char *const names[] = {"same", "metadata", "template", "immutable"};

    return names[d];
}

/* Can it be given back what it was, and is it that already? */
static void add_previous(struct inst *in, cJSON *j, const cJSON *sts)
{
    auto_json cJSON *before = previous_statefulset(in, sts);

    json_set_bool(j, "previous", before != NULL);
    if (before)
        json_set_bool(j, "restored", compare_statefulset(sts, before, NULL, NULL) < COMPARE_TEMPLATE);
}

static cJSON *want_statefulset(struct inst *in, const struct host *h)
{
    struct render_ctx c;
    struct err err = ERR_INIT;

    desired_ctx(in, &c);
    return h ? render_host_statefulset(in->fleet, h, &c, &err) : NULL;
}

static void add_sts(struct inst *in, cJSON *out, const char *name, const struct host *h, const cJSON *want)
{
    const cJSON *sts = inst_live(in, KUBE_STS, name);
    const cJSON *pod = hostfacts_pod(in, name);
    const char *update = json_str(sts, "status.updateRevision", ""), *rev;
    cJSON *j = json_set_obj(out, "sts");
    const char *loaded = json_annotation(sts, "chfleet.io/loaded");

    json_set_bool(j, "exists", sts != NULL);
    if (!sts)
        return;
    rev = json_label(pod, "controller-revision-hash");
    json_set_str(j, "uid", json_uid(sts));
    json_set_int(j, "replicas", json_int(sts, "spec.replicas", 1));
    json_set_bool(j, "observed",
                  json_int(sts, "status.observedGeneration", -1) >= json_int(sts, "metadata.generation", 0));
    json_set_bool(j, "updated", rev && *update && strcmp(rev, update) == 0);
    if (json_at(sts, "metadata.deletionTimestamp"))
        json_set_bool(j, "terminating", true);
    if (h) {
        json_set_str(j, "depth", want ? depth_name(compare_statefulset(sts, want, NULL, NULL)) : "unknown");
        add_previous(in, j, sts);
    }
    if (loaded) {
        cJSON *l = json_parse(loaded, strlen(loaded), NULL);

        if (l)
            json_set(out, "loaded", l);
    }
}

static const cJSON *server_status(const cJSON *pod, const struct inst *in)
{
    const char *name = in->group == GROUP_CHI ? "clickhouse" : "clickhouse-keeper";
    const cJSON *s;

    cJSON_ArrayForEach(s, json_at(pod, "status.containerStatuses"))
        if (strcmp(json_str(s, "name", ""), name) == 0)
            return s;
    return json_at(pod, "status.containerStatuses.0");
}

const char *hostfacts_image(const struct inst *in, const cJSON *pod)
{
    const char *name = in->group == GROUP_CHI ? "clickhouse" : "clickhouse-keeper";
    const cJSON *s;

    cJSON_ArrayForEach(s, json_at(pod, "spec.containers"))
        if (strcmp(json_str(s, "name", ""), name) == 0)
            return json_str(s, "image", "");
    return json_str(pod, "spec.containers.0.image", "");
}

/* Why the container does not run: its own words, else how the last process ended. */
static void add_waiting_message(cJSON *j, const cJSON *st)
{
    const char *said = json_str(st, "state.waiting.message", ""),
               *last = json_str(st, "lastState.terminated.message", "");
    auto_free char *text = NULL;

    if (*said || !json_at(st, "lastState.terminated"))
        text = mem_str(said);
    else
        text = mem_printf("the last process ended with code %lld%s%s",
                          (long long)json_int(st, "lastState.terminated.exitCode", 0), *last ? ": " : "", last);
    json_set_str(j, "waiting_message", text);
}

/* A pod that no node takes has no containers yet: the scheduler says why. */
static const cJSON *unscheduled(const cJSON *pod)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(pod, "status.conditions"))
        if (strcmp(json_str(c, "type", ""), "PodScheduled") == 0 && strcmp(json_str(c, "status", ""), "False") == 0)
            return c;
    return NULL;
}

static void add_waiting(cJSON *j, const cJSON *pod, const cJSON *st)
{
    const cJSON *c = st ? NULL : unscheduled(pod);

    if (c) {
        json_set_str(j, "waiting", json_str(c, "reason", "Unschedulable"));
        json_set_str(j, "waiting_message", json_str(c, "message", ""));
        return;
    }
    json_set_str(j, "waiting", json_str(st, "state.waiting.reason", ""));
    add_waiting_message(j, st);
}

static void add_pod(struct inst *in, cJSON *out, const char *sts, const struct host *h)
{
    const cJSON *pod = hostfacts_pod(in, sts), *st = server_status(pod, in);
    cJSON *j = json_set_obj(out, "pod");
    auto_free char *identity = pod ? compare_identity(pod) : NULL;

    json_set_bool(j, "exists", pod != NULL);
    if (!pod)
        return;
    json_set_str(j, "uid", json_uid(pod));
    json_set_str(j, "phase", json_str(pod, "status.phase", ""));
    json_set_bool(j, "ready", compare_pod_ready(pod));
    json_set_bool(j, "terminating", json_at(pod, "metadata.deletionTimestamp") != NULL);
    json_set_str(j, "identity", identity);
    json_set_str(j, "container_id", json_str(st, "containerID", ""));
    json_set_str(j, "started_at", json_str(st, "state.running.startedAt", ""));
    json_set_str(j, "image", hostfacts_image(in, pod));
    json_set_bool(j, "image_matches", h && strcmp(hostfacts_image(in, pod), h->image) == 0);
    add_waiting(j, pod, st);
    json_set_int(j, "restarts", json_int(st, "restartCount", 0));
    json_set_bool(j, "started", json_bool(st, "started", json_at(st, "state.running") != NULL));
    json_set_str(j, "label", label_of(in, pod, "ready") ? label_of(in, pod, "ready") : "");
}

/* What the host's ConfigMap is to be when its turn has come: the worker whose turn it is looks at it. */
static cJSON *wanted_configmap(struct inst *in, const struct host *h, const struct render_ctx *c, struct err *err)
{
    struct hostrec *rec = inst_host_need(in, h->key);
    bool turn = rec->held_turn;
    cJSON *want;

    rec->held_turn = true;
    want = render_host_configmap(in->fleet, h, c, err);
    inst_host_need(in, h->key)->held_turn = turn;
    return want;
}

static void add_config(struct inst *in, cJSON *out, const struct host *h, const struct render_ctx *c)
{
    const cJSON *cm = inst_live(in, KUBE_CM, h->configmap);
    const cJSON *svc = inst_live(in, KUBE_SVC, h->service);
    struct err err = ERR_INIT;
    auto_json cJSON *want = wanted_configmap(in, h, c, &err);
    auto_json cJSON *patch = want ? compare_object(cm, want, NULL, NULL) : NULL;
    auto_json cJSON *want_svc = render_host_service(in->fleet, h, c, &err);
    auto_json cJSON *svc_patch = want_svc ? compare_object(svc, want_svc, NULL, NULL) : NULL;
    cJSON *j = json_set_obj(out, "configmap");

    json_set_bool(j, "exists", cm != NULL);
    json_set_bool(j, "current", cm && want && !patch);
    json_set_str(j, "restart_hash", json_annotation(want, "chfleet.io/restart-hash"));
    if (cm) /* what a process that starts now loads */
        json_set_str(j, "live_hash", json_annotation(cm, "chfleet.io/restart-hash"));
    if (cm && want && !patch) /* for how long the server could read what a restart would load */
        json_set_int(j, "since_ms", kube_time_parse(json_annotation(cm, RENDER_RESTART_SINCE)));
    j = json_set_obj(out, "service");
    json_set_bool(j, "exists", svc != NULL);
    json_set_bool(j, "current", svc && want_svc && !svc_patch);
}

/* ---- claims ---- */

struct pvc_ctx {
    struct inst *in;
    cJSON *out;
    const struct fleet *f;
    const struct host *h; /* NULL: not in the spec any more */
    const char *sts;
    bool all_kept; /* by spec.reconcile.cleanup.unknownObjects.pvc, whatever its own policy is */
    bool data_moves;
};

static const struct volume *volume_of(const struct host *h, const cJSON *pvc)
{
    for (size_t i = 0; h && i < h->n_volumes; i++)
        if (strcmp(h->volumes[i].pvc_name, json_name(pvc)) == 0)
            return &h->volumes[i];
    return NULL;
}

static bool consented(const struct pvc_ctx *p, const char *list, const cJSON *pvc)
{
    const cJSON *consent = desired_consent(p->in);
    auto_free char *template = claim_template(p->sts, json_name(pvc));

    return claim_consented(consent, list, p->h->cluster->name,
                           strcmp(list, "moveVolumes") == 0 ? (template ? template : "") : json_name(pvc));
}

static bool claim_is_to_go(const struct pvc_ctx *p, const cJSON *pvc)
{
    const struct volume *v = volume_of(p->h, pvc);
    struct change what = {NULL, NULL, NULL};
    bool goes = v && claim_goes(v, pvc, p->data_moves, &what);

    free(what.path);
    free(what.from);
    free(what.to);
    return goes && (consented(p, "volumes", pvc) || consented(p, "moveVolumes", pvc));
}

static bool given_up(const struct pvc_ctx *p, const cJSON *pvc)
{
    const struct hostrec *rec = inst_host(p->in, p->h->key);
    const char *before = json_annotation(inst_live(p->in, KUBE_STS, p->sts), RENDER_GIVEN_UP);
    auto_free char *padded = mem_printf(" %s ", before ? before : ""), *name = mem_printf(" %s ", json_name(pvc));

    return rec && rec->action == ACT_REBUILD && consented(p, "volumes", pvc) && !strstr(padded, name);
}

static bool is_unused(const struct pvc_ctx *p, const cJSON *pvc)
{
    return !volume_of(p->h, pvc) && (consented(p, "volumes", pvc) || consented(p, "moveVolumes", pvc));
}

/* What the storage says of a claim that does not get on. */
static const char *trouble(const cJSON *pvc)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(pvc, "status.conditions"))
        if (strstr(json_str(v, "type", ""), "Error") && *json_str(v, "message", ""))
            return json_str(v, "message", "");
    return "";
}

static void add_attributes(cJSON *j, const cJSON *pvc)
{
    json_set_str(j, "attributes", json_str(pvc, "spec.volumeAttributesClassName", NULL));
    json_set_str(j, "attributes_now", json_str(pvc, "status.currentVolumeAttributesClassName", NULL));
    if (str_eq(json_str(pvc, "status.modifyVolumeStatus.status", NULL), "Infeasible"))
        json_set_bool(j, "attributes_refused", true);
}

static bool is_kept(const struct pvc_ctx *p, const cJSON *pvc)
{
    return p->all_kept || claim_kept(p->f, p->sts, pvc);
}

static int add_pvc(void *ctx, const cJSON *pvc)
{
    struct pvc_ctx *p = ctx;
    const char *owner = json_label(pvc, desired_owner_label(p->in)), *waits = claim_waits_for_node(pvc);
    cJSON *j;

    if (owner && strcmp(owner, p->in->name) != 0)
        return 0;
    j = cJSON_CreateObject();
    json_set_str(j, "name", json_name(pvc));
    json_set_str(j, "uid", json_uid(pvc));
    json_set_str(j, "phase", json_str(pvc, "status.phase", ""));
    json_set_str(j, "capacity", json_str(pvc, "status.capacity.storage", ""));
    json_set_str(j, "requested", json_str(pvc, "spec.resources.requests.storage", ""));
    json_set_bool(j, "retain", is_kept(p, pvc));
    json_set_bool(j, "terminating", json_at(pvc, "metadata.deletionTimestamp") != NULL);
    if (*waits)
        json_set_int(j, "node_grows_since_ms", kube_time_parse(waits));
    if (*trouble(pvc))
        json_set_str(j, "trouble", trouble(pvc));
    add_attributes(j, pvc);
    if (p->h) {
        json_set_bool(j, "goes", claim_is_to_go(p, pvc));
        json_set_bool(j, "given_up", given_up(p, pvc));
        json_set_bool(j, "unused", is_unused(p, pvc));
    }
    cJSON_AddItemToArray(p->out, j);
    return 0;
}

/* sts: borrowed, as long as *p is used. want: the StatefulSet as it should be, NULL when there is none. */
static void pvc_ctx_init(struct pvc_ctx *p, struct inst *in, const struct fleet *f, const struct host *h, const char *sts,
                         const cJSON *want)
{
    struct render_ctx c;

    *p = (struct pvc_ctx){.in = in, .f = f, .h = h, .sts = sts};
    p->all_kept = !h && f && !f->deleting && !f->knobs.unknown.pvc;
    if (!h)
        return;
    desired_ctx(in, &c);
    p->data_moves = want && claim_data_moves(f, h, &c, want);
}

/* reconcileFailedObjects.pvc: of a new host that did not start; the worker has looked for consent. */
static bool is_of_failed_host(const struct pvc_ctx *p)
{
    const struct hostrec *rec = inst_host(p->in, p->h->key);

    return rec && rec->action == ACT_CREATE && p->f->knobs.failed.pvc;
}

bool hostfacts_claim_may_go(struct inst *in, const char *key, const cJSON *pvc)
{
    const struct host *h = in->fleet && !in->fleet->deleting ? fleet_host(in->fleet, key) : NULL;
    struct pvc_ctx p;
    char sts[300];

    if (!in->fleet || !hostfacts_sts(in, key, sts, sizeof sts))
        return false;
    auto_json cJSON *want = want_statefulset(in, h);

    pvc_ctx_init(&p, in, in->fleet, h, sts, want);
    if (is_kept(&p, pvc))
        return false;
    return !h || str_eq(json_str(pvc, "status.phase", NULL), "Lost") || claim_is_to_go(&p, pvc) || given_up(&p, pvc) ||
           is_unused(&p, pvc) || is_of_failed_host(&p);
}

static const char *member_word(enum member_state m)
{
    static const char *const words[] = {"out", "going-in", "in", "going-out"};

    return words[m];
}

cJSON *hostfacts_make(struct inst *in, const struct fleet *f, const char *key)
{
    cJSON *out = cJSON_CreateObject();
    const struct host *h = f ? fleet_host(f, key) : NULL;
    char sts[300], suffix[310];
    struct render_ctx c;
    struct pvc_ctx p;

    if (!hostfacts_sts(in, key, sts, sizeof sts)) {
        json_set_bool(json_set_obj(out, "sts"), "exists", false);
        json_set_bool(json_set_obj(out, "pod"), "exists", false);
        json_set_str(out, "member", member_word(member_state(in, key)));
        return out;
    }
    auto_json cJSON *want = want_statefulset(in, h);

    desired_ctx(in, &c);
    add_sts(in, out, sts, h, want);
    add_pod(in, out, sts, h);
    if (h)
        add_config(in, out, h, &c);
    json_set_bool(out, "in_endpoints", endpoints_have(in->s->balanced, in->ns, sts));
    json_set_str(out, "member", member_word(member_state(in, key)));
    if (!f)
        return out;
    pvc_ctx_init(&p, in, f, f->deleting ? NULL : h, sts, want);
    json_set_bool(out, "data_moves", p.data_moves);
    p.out = json_set_arr(out, "pvcs");
    snprintf(suffix, sizeof suffix, "-%s-0", sts);
    kube_cache_each_ending(super_cache(in->s, in->group, KUBE_PVC), in->ns, suffix, add_pvc, &p);
    return out;
}

bool hostfacts_in_endpoints(struct inst *in, const char *key)
{
    char sts[300];

    return hostfacts_sts(in, key, sts, sizeof sts) && endpoints_have(in->s->balanced, in->ns, sts);
}

bool hostfacts_takes_queries(struct inst *in, const char *key)
{
    struct hostrec *rec = inst_host(in, key);
    char sts[300];
    const cJSON *pod;
    const char *label;

    if (!hostfacts_sts(in, key, sts, sizeof sts))
        return false;
    pod = hostfacts_pod(in, sts);
    label = label_of(in, pod, "ready");
    if (!pod || !compare_pod_ready(pod))
        return false;
    if (in->group == GROUP_CHK)
        return true;
    return label && strcmp(label, "yes") == 0 && rec && rec->want_in && rec->listed;
}

bool hostfacts_serves(struct inst *in, const char *key)
{
    const struct hostrec *rec = inst_host(in, key);

    return hostfacts_takes_queries(in, key) && (in->group == GROUP_CHK || !rec->disrupted);
}
