/* SPDX-License-Identifier: Apache-2.0 */
/* What workers are told of a host, from the watch caches (protocol.h, FACTS). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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
    return super_get(in->s, in->group, KUBE_POD, in->ns, pod);
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

static void add_sts(struct inst *in, cJSON *out, const char *name, const struct host *h, const struct render_ctx *c)
{
    const cJSON *sts = super_get(in->s, in->group, KUBE_STS, in->ns, name);
    const cJSON *pod = hostfacts_pod(in, name);
    const char *update = json_str(sts, "status.updateRevision", ""), *rev;
    cJSON *j = json_set_obj(out, "sts");
    const char *loaded = json_annotation(sts, "chfleet.io/loaded");
    struct err err = ERR_INIT;

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
        auto_json cJSON *want = render_host_statefulset(in->fleet, h, c, &err);

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

static const char *server_image(const cJSON *pod, const struct inst *in)
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
    json_set_str(j, "image", server_image(pod, in));
    json_set_bool(j, "image_matches", h && strcmp(server_image(pod, in), h->image) == 0);
    json_set_str(j, "waiting", json_str(st, "state.waiting.reason", ""));
    add_waiting_message(j, st);
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
    const cJSON *cm = super_get(in->s, in->group, KUBE_CM, in->ns, h->configmap);
    const cJSON *svc = super_get(in->s, in->group, KUBE_SVC, in->ns, h->service);
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

struct ep_ctx {
    struct inst *in;
    const char *pod, *host_service;
    bool found, any;
};

static int match_endpoint(void *ctx, const cJSON *slice)
{
    struct ep_ctx *e = ctx;
    const char *svc = json_label(slice, "kubernetes.io/service-name");
    const cJSON *ep;

    if (strcmp(json_ns(slice), e->in->ns) != 0 || !svc || strcmp(svc, e->host_service) == 0)
        return 0;
    cJSON_ArrayForEach(ep, json_get(slice, "endpoints"))
        if (strcmp(json_str(ep, "targetRef.name", ""), e->pod) == 0 && json_bool(ep, "conditions.ready", true))
            e->found = true;
    return e->found;
}

static bool in_endpoints(struct inst *in, const char *sts)
{
    char pod[310];
    struct ep_ctx e = {.in = in, .pod = pod, .host_service = sts};

    snprintf(pod, sizeof pod, "%s-0", sts);
    kube_cache_each(super_cache(in->s, in->group, KUBE_EPSLICE), match_endpoint, &e);
    return e.found;
}

struct pvc_ctx {
    struct inst *in;
    cJSON *out;
    const char *suffix;
    bool kept; /* by spec.reconcile.cleanup.unknownObjects.pvc, whatever its own policy is */
};

static int add_pvc(void *ctx, const cJSON *pvc)
{
    struct pvc_ctx *p = ctx;
    const char *policy = label_of(p->in, pvc, "reclaimPolicy");
    cJSON *j;

    if (strcmp(json_ns(pvc), p->in->ns) != 0 || !str_ends(json_name(pvc), p->suffix))
        return 0;
    j = cJSON_CreateObject();
    json_set_str(j, "name", json_name(pvc));
    json_set_str(j, "uid", json_uid(pvc));
    json_set_str(j, "phase", json_str(pvc, "status.phase", ""));
    json_set_str(j, "capacity", json_str(pvc, "status.capacity.storage", ""));
    json_set_str(j, "requested", json_str(pvc, "spec.resources.requests.storage", ""));
    json_set_bool(j, "retain", p->kept || (policy && strcmp(policy, "Retain") == 0));
    json_set_bool(j, "terminating", json_at(pvc, "metadata.deletionTimestamp") != NULL);
    cJSON_AddItemToArray(p->out, j);
    return 0;
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
    struct pvc_ctx p = {in, NULL, suffix, !h && f && !f->deleting && !f->knobs.unknown.pvc};

    if (!hostfacts_sts(in, key, sts, sizeof sts)) {
        json_set_bool(json_set_obj(out, "sts"), "exists", false);
        json_set_bool(json_set_obj(out, "pod"), "exists", false);
        json_set_str(out, "member", member_word(member_state(in, key)));
        return out;
    }
    desired_ctx(in, &c);
    add_sts(in, out, sts, h, &c);
    add_pod(in, out, sts, h);
    if (h)
        add_config(in, out, h, &c);
    json_set_bool(out, "in_endpoints", in_endpoints(in, sts));
    json_set_str(out, "member", member_word(member_state(in, key)));
    p.out = json_set_arr(out, "pvcs");
    snprintf(suffix, sizeof suffix, "-%s-0", sts);
    kube_cache_each(super_cache(in->s, in->group, KUBE_PVC), add_pvc, &p);
    return out;
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
