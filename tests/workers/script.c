/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/workers/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/worker.h"

enum { LATENCY_MS = 2, FACTS_MS = 5, MEMBER_MS = 40, POD_GONE_MS = 100 };

struct script_event {
    struct script_event *next;
    uint64_t at, seq;
    void (*fn)(struct script_event *e);
    void *a, *b;
    char *text;
    size_t len;
    uint16_t type;
    uint32_t n;
    struct script *s;
    bool of_worker; /* goes with the worker when it dies */
};

struct world_chan {
    struct script *s;
    struct world_chan_cbs cbs;
    void *ctx;
};

/* ---- events ---- */

static struct script_event *event(struct script *s, uint64_t ms, void (*fn)(struct script_event *e), bool of_worker)
{
    struct script_event *e = mem_zero(sizeof *e), **at = &s->events;

    e->s = s;
    e->at = s->now_ms + ms;
    e->seq = s->seq++;
    e->fn = fn;
    e->of_worker = of_worker;
    while (*at && ((*at)->at < e->at || ((*at)->at == e->at && (*at)->seq < e->seq)))
        at = &(*at)->next;
    e->next = *at;
    *at = e;
    return e;
}

static void event_free(struct script_event *e)
{
    free(e->text);
    free(e);
}

static void forget(struct script *s, struct script_event *which)
{
    for (struct script_event **at = &s->events; *at; at = &(*at)->next)
        if (*at == which) {
            *at = which->next;
            event_free(which);
            return;
        }
}

static void after_fired(struct script_event *e)
{
    void (*fn)(struct script *, struct script_host *);

    memcpy(&fn, &e->a, sizeof fn);
    fn(e->s, e->b);
}

void script_after(struct script *s, uint64_t ms, void (*fn)(struct script *s, struct script_host *h),
                  struct script_host *h)
{
    struct script_event *e = event(s, ms, after_fired, false);

    memcpy(&e->a, &fn, sizeof fn);
    e->b = h;
}

static void violation(struct script *s, const char *what, const struct script_host *h)
{
    if (!*s->violation)
        snprintf(s->violation, sizeof s->violation, "%s: %s", h ? h->key : "-", what);
}

static void note(struct script *s, const char *what, const struct script_host *h)
{
    str_addf(&s->log, "%s %s\n", what, h ? h->key : "-");
}

/* ---- hosts ---- */

static struct script_host *host_of(struct script *s, const char *key)
{
    for (int i = 0; i < s->n_hosts; i++)
        if (strcmp(s->hosts[i].key, key) == 0)
            return &s->hosts[i];
    return NULL;
}

static void identity_of(const struct script_host *h, char *buf, size_t size)
{
    if (h->pod && h->process && !h->terminating)
        snprintf(buf, size, "uid%u c%u", h->uid, h->process);
    else
        snprintf(buf, size, "%s", "");
}

static bool serves(const struct script_host *h)
{
    return h->pod && h->ready && !h->terminating && !h->hangs && strcmp(h->member, "in") == 0 && !h->readonly &&
           h->delay < 10;
}

/* The rule of rules, looked at whenever a server is stopped. */
static void watch_stop(struct script *s, struct script_host *h)
{
    bool others = false, any = false;
    int up = 0;

    for (int i = 0; i < s->n_hosts; i++)
        up += s->hosts[i].pod && s->hosts[i].ready && &s->hosts[i] != h;
    if (strcmp(s->kind, "chk") == 0) {
        if (s->n_hosts > 2 && h->ready && up <= s->n_hosts / 2)
            violation(s, "stopped although the rest has no quorum", h);
        return;
    }
    if (!h->ready || strcmp(h->action, "remove") == 0 || strcmp(h->action, "stop") == 0)
        return;
    for (int i = 0; i < s->n_hosts; i++) {
        if (&s->hosts[i] == h || s->hosts[i].shard != h->shard)
            continue;
        any = true;
        others = others || serves(&s->hosts[i]);
    }
    if (any && !others)
        violation(s, "stopped while no other replica of the shard serves", h);
    if (strcmp(h->member, "out") != 0 || h->label)
        violation(s, "stopped while clients were sent to it", h);
    if (h->queries && !h->kept_queries)
        violation(s, "stopped while queries ran", h);
}

static void came_up(struct script *s, struct script_host *h)
{
    if (!h->pod || h->terminating || h->broken_image)
        return;
    h->ready = !h->unready;
    h->started_s = s->now_ms / 1000;
    script_facts(s, h);
}

static void new_process(struct script *s, struct script_host *h)
{
    h->process = ++h->starts;
    h->ready = false;
    h->loaded_identity[0] = '\0';
    script_after(s, s->restarted_ms, came_up, h);
    script_facts(s, h);
}

static void new_pod(struct script *s, struct script_host *h)
{
    if (h->replicas < 1 || !h->sts) {
        h->pod = h->terminating = false;
        h->process = 0;
        script_facts(s, h);
        return;
    }
    h->pod = true;
    h->terminating = h->ready = h->label = h->endpoint = false;
    h->uid++;
    h->updated = true;
    h->image_matches = true;
    if (h->broken_image) {
        h->process = 0;
        script_facts(s, h);
        return;
    }
    new_process(s, h);
}

static void session_ends(struct script *s, struct script_host *h)
{
    (void)s;
    h->zk_active = false;
}

static void pod_goes(struct script *s, struct script_host *h)
{
    if (!h->pod || h->terminating)
        return;
    watch_stop(s, h);
    note(s, "pod-stop", h);
    h->terminating = true;
    h->ready = false;
    h->endpoint = false;
    script_after(s, h->session_ms, session_ends, h);
    script_facts(s, h);
    script_after(s, h->gone_ms ? h->gone_ms : POD_GONE_MS, new_pod, h);
}

static cJSON *claim_json(const struct script_host *h)
{
    cJSON *p = cJSON_CreateObject();

    json_set_str(p, "name", "data");
    json_set_str(p, "uid", "claim-uid");
    json_set_str(p, "phase", h->lost_claim ? "Lost" : "Bound");
    json_set_str(p, "capacity", h->capacity ? h->capacity : "10Gi");
    json_set_str(p, "requested", h->requested ? h->requested : "10Gi");
    json_set_bool(p, "retain", h->retain);
    json_set_bool(p, "goes", h->claim_goes);
    json_set_bool(p, "given_up", h->claim_given_up);
    json_set_str(p, "attributes", h->attributes);
    json_set_str(p, "attributes_now", h->attributes_now);
    if (h->attributes_refused)
        json_set_bool(p, "attributes_refused", true);
    if (h->node_grows_ms)
        json_set_int(p, "node_grows_since_ms", (int64_t)h->node_grows_ms);
    return p;
}

static cJSON *facts_json(const struct script_host *h)
{
    cJSON *f = cJSON_CreateObject(), *sts = json_set_obj(f, "sts"), *pod = json_set_obj(f, "pod"), *o;
    char identity[64], uid[24];

    identity_of(h, identity, sizeof identity);
    snprintf(uid, sizeof uid, "uid%u", h->uid);
    json_set_bool(sts, "exists", h->sts);
    json_set_str(sts, "uid", "sts-uid");
    json_set_int(sts, "replicas", h->replicas);
    json_set_bool(sts, "observed", h->observed);
    json_set_bool(sts, "updated", h->updated);
    json_set_str(sts, "depth", h->depth);
    json_set_bool(sts, "previous", h->previous);
    json_set_bool(sts, "restored", h->restored);
    json_set_bool(pod, "exists", h->pod);
    json_set_str(pod, "uid", h->pod ? uid : "");
    json_set_bool(pod, "ready", h->ready);
    json_set_bool(pod, "terminating", h->terminating);
    json_set_str(pod, "identity", identity);
    json_set_bool(pod, "image_matches", h->image_matches);
    json_set_str(pod, "waiting", h->broken_image && !h->process ? "ImagePullBackOff" : "");
    json_set_str(pod, "waiting_message", h->broken_image && !h->process ? "no such image" : "");
    json_set_int(pod, "restarts", h->restarts);
    json_set_bool(pod, "started", h->process && !h->not_started);
    json_set_str(pod, "label", h->label ? "yes" : "no");
    o = json_set_obj(f, "configmap");
    json_set_bool(o, "current", h->configmap);
    json_set_str(o, "restart_hash", "hash-new");
    json_set_str(o, "live_hash", "hash-live");
    json_set_bool(json_set_obj(f, "service"), "exists", h->service);
    json_set_bool(f, "in_endpoints", h->endpoint);
    json_set_str(f, "member", h->member);
    o = json_set_obj(f, "loaded");
    json_set_str(o, "identity", h->loaded_identity);
    json_set_str(o, "restart_hash", h->loaded_hash);
    json_set_bool(f, "data_moves", h->claim_goes);
    o = json_set_arr(f, "pvcs");
    if (h->claim)
        cJSON_AddItemToArray(o, claim_json(h));
    if (h->unused_claim) {
        cJSON *p = cJSON_CreateObject();

        json_set_str(p, "name", "old");
        json_set_str(p, "uid", "old-uid");
        json_set_str(p, "phase", "Bound");
        json_set_bool(p, "retain", false);
        json_set_bool(p, "unused", true);
        cJSON_AddItemToArray(o, p);
    }
    return f;
}

/* ---- to the worker ---- */

static void deliver(struct script_event *e)
{
    struct frame f = {.type = e->type, .seq = e->n, .body = e->text, .len = (uint32_t)e->len};

    if (e->s->worker_lives && e->s->chan && e->s->chan->cbs.frame)
        e->s->chan->cbs.frame(e->s->chan->ctx, &f);
}

static void send_json(struct script *s, uint64_t ms, uint16_t type, uint32_t seq, const cJSON *body)
{
    struct script_event *e = event(s, ms, deliver, true);

    e->type = type;
    e->n = seq;
    e->text = json_print(body);
    e->len = strlen(e->text);
}

void script_facts(struct script *s, struct script_host *h)
{
    auto_json cJSON *body = NULL;

    if (h->peer || !s->worker_lives)
        return;
    body = cJSON_CreateObject();
    json_set(json_set_obj(body, "hosts"), h->key, facts_json(h));
    send_json(s, FACTS_MS, MSG_FACTS, 0, body);
}

static void answer(struct script *s, uint64_t ms, uint32_t seq, const cJSON *data)
{
    auto_json cJSON *body = cJSON_CreateObject();

    json_set_bool(body, "ok", true);
    if (data)
        json_set(body, "data", json_copy(data));
    send_json(s, ms, MSG_ANSWER, seq, body);
}

static void refuse(struct script *s, uint32_t seq, const char *kind, const char *text)
{
    auto_json cJSON *body = cJSON_CreateObject();

    json_set_bool(body, "ok", false);
    json_set_str(body, "kind", kind);
    json_set_str(body, "message", text);
    send_json(s, LATENCY_MS, MSG_ANSWER, seq, body);
}

void script_stop(struct script *s, bool now)
{
    auto_json cJSON *body = cJSON_CreateObject();

    json_set_str(body, "why", "a newer generation");
    json_set_bool(body, "now", now);
    send_json(s, 0, MSG_STOP, 0, body);
}

/* ---- what the supervisor does ---- */

static cJSON *host_json(const struct script *s, const struct script_host *h)
{
    cJSON *j = cJSON_CreateObject(), *want = json_set_obj(j, "want"), *v = cJSON_CreateObject();
    char text[32];

    json_set_str(j, "key", h->key);
    json_set_str(j, "action", h->peer ? NULL : h->action);
    json_set_str(j, "cluster", "c");
    snprintf(text, sizeof text, "%u", h->shard);
    json_set_str(j, "shard", text);
    snprintf(text, sizeof text, "%u", h->replica);
    json_set_str(j, "replica", text);
    json_set_str(j, "sts", h->key);
    json_set_str(j, "service", h->key);
    json_set_str(j, "configmap", h->key);
    auto_free char *name = mem_printf("%s.ns.svc.cluster.local", h->key);
    json_set_str(j, "address", s->named ? name : "127.0.0.1");
    snprintf(text, sizeof text, "r%u-%u", h->shard, h->replica);
    json_set_str(j, "macro_replica", text);
    json_set_bool(j, "member", strcmp(h->member, "in") == 0);
    json_set_int(json_set_obj(j, "ports"), "http", 1000 + (h - s->hosts));
    json_set_int(json_get(j, "ports"), "zk", 2000 + (h - s->hosts));
    json_set_str(want, "restart_hash", "hash-new");
    json_set_int(want, "replicas", 1);
    json_set_str(v, "pvc", "data");
    json_set_bool(v, "retain", h->retain);
    json_set_str(v, "attributes", s->want_attributes);
    json_set_int(v, "size", s->want_gib << 30);
    cJSON_AddItemToArray(json_set_arr(j, "volumes"), v);
    return j;
}

static cJSON *task_json(struct script *s)
{
    cJSON *j = cJSON_CreateObject(), *own = json_set_arr(j, "hosts"), *peers = json_set_arr(j, "peers"), *m;

    json_set_int(j, "operation", 7);
    json_set_int(j, "task", 3);
    json_set_int(j, "try", s->workers);
    json_set_str(j, "table", s->table);
    json_set_str(j, "object", "ns/i/c/0");
    json_set_str(j, "kind", s->kind);
    for (int i = 0; i < s->n_hosts; i++)
        cJSON_AddItemToArray(s->hosts[i].peer ? peers : own, host_json(s, &s->hosts[i]));
    json_set_str(json_set_obj(j, "zookeeper"), "servers", "127.0.0.1:1");
    json_set_str(json_get(j, "zookeeper"), "root", "");
    json_set(j, "knobs", json_copy(s->knobs));
    if (s->schema_policy) {
        json_set_str(json_set_obj(j, "schema_policy"), "replica", s->schema_policy);
        json_set_str(json_get(j, "schema_policy"), "shard", s->schema_policy);
    }
    json_set_bool(j, "deleting", s->deleting);
    if (s->consent)
        json_set(j, "consent", json_parse(s->consent, strlen(s->consent), NULL));
    if (s->hooks)
        json_set(j, "hooks", json_parse(s->hooks, strlen(s->hooks), NULL));
    if (s->changes) {
        json_set(j, "changes", json_parse(s->changes, strlen(s->changes), NULL));
        json_add_str(json_set_arr(j, "clusters"), "c");
    }
    m = json_set_obj(j, "membership");
    json_set_int(m, "generation", s->generation);
    m = json_set_arr(m, "listed");
    for (int i = 0; i < s->n_hosts; i++)
        if (strcmp(s->hosts[i].member, "in") == 0 && !s->hosts[i].unlisted)
            json_add_str(m, s->hosts[i].key);
    json_set(j, "resume", json_copy(s->rows));
    return j;
}

static void put_row(struct script *s, const cJSON *body)
{
    cJSON *row = cJSON_CreateObject();
    const char *host = json_str(body, "host", ""), *step = json_str(body, "step", "");
    const cJSON *baseline = json_get(body, "baseline");
    bool begin = strcmp(json_str(body, "type", ""), "begin") == 0;

    for (int i = 0; i < cJSON_GetArraySize(s->rows); i++) { /* newest row of (host, step) */
        const cJSON *old = cJSON_GetArrayItem(s->rows, i);

        if (strcmp(json_str(old, "host", ""), host) != 0)
            continue;
        if (begin && !json_str(old, "outcome", NULL) && strcmp(json_str(old, "step", ""), step) != 0)
            violation(s, "a second row was begun while one was open", host_of(s, host));
        if (strcmp(json_str(old, "step", ""), step) == 0) {
            if (begin && json_int(old, "attempt", 0) >= json_int(body, "attempt", 0))
                violation(s, "an attempt number was used twice", host_of(s, host));
            cJSON_DeleteItemFromArray(s->rows, i--);
        }
    }
    json_set_str(row, "host", host);
    json_set_str(row, "step", step);
    json_set_int(row, "attempt", json_int(body, "attempt", 0));
    if (!begin)
        json_set_str(row, "outcome", json_str(body, "outcome", ""));
    if (baseline)
        json_set(row, "baseline", json_copy(baseline));
    cJSON_AddItemToArray(s->rows, row);
}

static bool begun(const struct script *s, const char *host, const char *step)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, s->rows)
        if (strcmp(json_str(row, "host", ""), host) == 0 && strcmp(json_str(row, "step", ""), step) == 0)
            return json_str(row, "outcome", NULL) == NULL;
    return false;
}

/* No effect without a durable row that was begun. */
static void watch_begun(struct script *s, const char *effect, const struct script_host *h)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, s->rows)
        if (!json_str(row, "outcome", NULL) && (!h || strcmp(json_str(row, "host", ""), h->key) == 0))
            return;
    if (strcmp(effect, "member in") != 0) /* an undo has its row closed first */
        violation(s, effect, h);
}

static void apply(struct script *s, uint32_t seq, const cJSON *body)
{
    const char *what = json_str(body, "what", "");
    struct script_host *h = host_of(s, json_str(body, "host", ""));
    char line[40];

    if (s->api_fails) {
        s->api_fails--;
        refuse(s, seq, "again", "HTTP 503");
        return;
    }
    snprintf(line, sizeof line, "apply-%s", what);
    note(s, line, h);
    if (strcmp(what, "annotate") != 0)
        watch_begun(s, line, h);
    if (h && strcmp(what, "configmap") == 0)
        h->configmap = true;
    if (h && strcmp(what, "service") == 0)
        h->service = true;
    if (h && strcmp(what, "pvcs") == 0) {
        h->claim = true;
        h->requested = s->want_gib == 20 ? "20Gi" : h->requested;
        h->attributes = s->want_attributes;
        if (s->on_claim)
            script_after(s, 1000, s->on_claim, h);
    }
    if (h && strcmp(what, "statefulset") == 0) {
        bool fresh = !h->sts || h->replicas == 0, other = strcmp(h->depth, "immutable") == 0;
        bool halts = json_int(body, "replicas", 1) == 0;

        if (h->set_refused) {
            refuse(s, seq, "refused", "exceeded quota");
            return;
        }
        if (other && !halts && !json_bool(body, "orphan", false)) {
            refuse(s, seq, "refused", "immutable");
            return;
        }
        h->sts = h->observed = true;
        h->replicas = (int)json_int(body, "replicas", 1);
        if (strcmp(h->depth, "template") == 0 || other)
            h->updated = false;
        if (!other || !halts)
            h->depth = "same";
        if (json_bool(body, "restore", false)) {
            h->restored = true;
            h->updated = h->broken_image = false;
            h->depth = "template";
        }
        if (json_bool(body, "gave_up", false))
            note(s, "gave-up", h);
        if (h->replicas > 0)
            h->claim = true;
        if (h->replicas == 0)
            pod_goes(s, h);
        else if (fresh)
            script_after(s, POD_GONE_MS, new_pod, h);
    }
    if (h && strcmp(what, "annotate") == 0 && strcmp(json_str(body, "key", ""), "chfleet.io/loaded") == 0) {
        const char *text = json_str(body, "value", "");
        auto_json cJSON *v = json_parse(text, strlen(text), NULL);

        snprintf(h->loaded_identity, sizeof h->loaded_identity, "%s", json_str(v, "identity", ""));
        snprintf(h->loaded_hash, sizeof h->loaded_hash, "%s", json_str(v, "restart_hash", ""));
    }
    if (h)
        script_facts(s, h);
    answer(s, LATENCY_MS, seq, NULL);
}

/* What a claim holds is gone with it: another replica must have it. */
static void watch_loss(struct script *s, const struct script_host *h)
{
    bool elsewhere = s->consent && strstr(s->consent, "\"volumes\"");

    for (int i = 0; i < s->n_hosts; i++)
        elsewhere |= &s->hosts[i] != h && s->hosts[i].shard == h->shard && s->hosts[i].has_table && s->hosts[i].claim &&
                     !s->hosts[i].missing_part;
    if (!elsewhere || h->plain_rows)
        violation(s, "a volume was deleted with data that is nowhere else", h);
}

static void delete_object(struct script *s, uint32_t seq, const cJSON *body)
{
    const char *what = json_str(body, "what", "");
    struct script_host *h = host_of(s, json_str(body, "host", ""));
    char line[40], uid[24];

    snprintf(line, sizeof line, "delete-%s", what);
    note(s, line, h);
    watch_begun(s, line, h);
    snprintf(uid, sizeof uid, "uid%u", h->uid);
    if (strcmp(what, "pod") == 0 && strcmp(json_str(body, "uid", ""), uid) == 0)
        pod_goes(s, h);
    if (strcmp(what, "statefulset") == 0) {
        h->sts = false;
        h->replicas = 0;
        pod_goes(s, h);
    }
    if (strcmp(what, "pvc") == 0) {
        bool old = strcmp(json_str(body, "name", ""), "old") == 0;
        const char *step = old ? "unused-volumes" : h->claim_goes ? "old-volumes" : h->lost_claim || h->claim_given_up ? "lost-volumes" : "volumes";

        if (!json_bool(body, "consent", false) || (h->retain && !old) || !(begun(s, h->key, step) || begun(s, h->key, "failed-volumes")))
            violation(s, "a volume was deleted that must stay", h);
        if (!old && h->pod)
            violation(s, "a volume was deleted that a pod uses", h);
        if (h->claim_goes)
            watch_loss(s, h);
        if (old)
            h->unused_claim = false;
        else
            h->claim = h->lost_claim = h->claim_goes = h->claim_given_up = h->has_table = h->plain_rows = false;
        h->log_pointer = old ? h->log_pointer : 0;
    }
    if (strcmp(what, "service") == 0)
        h->service = false;
    if (strcmp(what, "configmap") == 0)
        h->configmap = false;
    script_facts(s, h);
    answer(s, LATENCY_MS, seq, NULL);
}

static void member(struct script *s, uint32_t seq, const cJSON *body)
{
    struct script_host *h = host_of(s, json_str(body, "host", ""));
    bool in = strcmp(json_str(body, "want", ""), "in") == 0;

    note(s, in ? "member-in" : "member-out", h);
    watch_begun(s, in ? "member in" : "member out", h);
    if (in &&
        ((!h->ready && !h->unready) || h->readonly || (h->log_pointer <= s->log_max && h->has_table && strcmp(h->action, "join") != 0)))
        for (int i = 0; i < s->n_hosts; i++)
            if (&s->hosts[i] != h && s->hosts[i].shard == h->shard && serves(&s->hosts[i]))
                violation(s, "joined before it had caught up", h);
    h->member = in ? "in" : "out";
    h->label = h->endpoint = in;
    script_facts(s, h);
    answer(s, MEMBER_MS, seq, NULL);
}

static void record(struct script *s, uint32_t seq, const cJSON *body)
{
    if (s->journal_full && strcmp(json_str(body, "type", ""), "begin") == 0) {
        refuse(s, seq, "system", "disk full");
        return;
    }
    put_row(s, body);
    answer(s, LATENCY_MS, seq, NULL);
}

static void permit(struct script *s, uint32_t seq, const cJSON *body)
{
    struct script_host *h = host_of(s, json_str(body, "host", ""));

    if (s->on_permit)
        s->on_permit(s, h, json_str(body, "step", ""));
    str_addf(&s->log, "permit-%s %s\n", json_str(body, "class", ""), h ? h->key : "-");
    if (s->permit == 0)
        answer(s, LATENCY_MS, seq, NULL);
    else if (s->permit == 2)
        refuse(s, seq, "refused", "outside of all windows");
}

static void worker_done(struct script *s, const cJSON *body)
{
    s->done = true;
    snprintf(s->outcome, sizeof s->outcome, "%s", json_str(body, "outcome", ""));
    snprintf(s->done_text, sizeof s->done_text, "%s", json_str(body, "text", ""));
    cJSON_Delete(s->done_body);
    s->done_body = json_copy(body);
}

static void supervise(struct script *s, uint16_t type, uint32_t seq, const cJSON *body)
{
    auto_json cJSON *data = NULL;

    auto_free char *text = json_print(body);

    s->frames_in++;
    str_addf(&s->said, "%u %s\n", type, text);
    switch (type) {
    case MSG_RECORD:
        record(s, seq, body);
        break;
    case MSG_PERMIT:
        permit(s, seq, body);
        break;
    case MSG_APPLY:
        apply(s, seq, body);
        break;
    case MSG_DELETE:
        delete_object(s, seq, body);
        break;
    case MSG_MEMBER:
        member(s, seq, body);
        break;
    case MSG_CREDENTIALS:
        data = cJSON_CreateObject();
        json_set_str(data, "user", "u");
        json_set_str(data, "password", "p");
        answer(s, LATENCY_MS, seq, data);
        break;
    case MSG_INCIDENT:
        str_addf(&s->log, "incident-%s %s\n", json_str(body, "code", ""), json_str(body, "host", "-"));
        break;
    case MSG_DONE:
        worker_done(s, body);
        break;
    default:
        break;
    }
}

/* Counts what the worker does; true when it dies with this one, before it takes effect. */
static bool counted(struct script *s)
{
    s->acted++;
    if (s->kill_at && s->acted == s->kill_at)
        s->dying = true;
    if (s->stop_at && s->acted == s->stop_at)
        script_stop(s, false);
    return s->kill_at && s->acted == s->kill_at;
}

static void frame_arrives(struct script_event *e)
{
    auto_json cJSON *body = json_parse(e->text, e->len, NULL);

    supervise(e->s, e->type, e->n, body);
}

/* What the worker had sent arrives; then its end is seen. */
static void die(struct script_event *e)
{
    struct script *s = e->s;

    for (struct script_event **at = &s->events; *at;) {
        struct script_event *f = *at;

        if (f->fn != frame_arrives) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        frame_arrives(f);
        event_free(f);
        at = &s->events;
    }
    script_kill(s);
    s->dying = false;
}

static void op_chan_send(struct world *w, struct world_chan *c, uint16_t type, uint32_t task, uint32_t seq,
                         const char *body, size_t len)
{
    struct script *s = (struct script *)w;
    struct script_event *e;
    bool dies;

    (void)c;
    (void)task;
    if (s->dying)
        return;
    dies = type != MSG_PROGRESS && counted(s);
    if (dies)
        event(s, 0, die, false);
    if (dies && s->kill_before)
        return;
    e = event(s, 0, frame_arrives, false);
    e->type = type;
    e->n = seq;
    e->text = mem_strn(body, len);
    e->len = len;
}

/* ---- SQL ---- */

static void restart_process(struct script *s, struct script_host *h)
{
    if (!h->pod || h->terminating)
        return;
    h->restarts++;
    h->going = false;
    new_process(s, h);
}

static void replicas_row(const struct script *s, const struct script_host *h, struct str *out)
{
    if (h->has_table)
        str_addf(out, "db\tt\t%d\t0\t%lld\t%lld\t%lld\t0\t2\t2\t/t/%u\tr%u-%u\n", h->readonly, (long long)s->log_max,
                 (long long)h->log_pointer, (long long)h->delay, h->shard, h->shard, h->replica);
}

static void queries_end(struct script *s, struct script_host *h)
{
    (void)s;
    h->queries = 0;
}

/* HTTP status for this statement; the answer to *out. */
static int run_sql(struct script *s, struct script_host *h, const char *url, const char *sql, struct str *out)
{
    int status;

    if (s->now_ms < s->locked_until_ms) {
        str_add(out, "Code: 195, e.displayText() = DB::Exception: User u is not allowed to connect from address 10.1.2.3, e.what() = x");
        return 403;
    }
    if (s->disturb && strstr(url, s->disturb) && strstr(sql, "toUnix")) {
        s->disturb = NULL;
        str_addf(out, "%s\t%llu\n", s->version, (unsigned long long)h->started_s);
        h->session = h->process; /* of the process that is gone */
        h->process = ++h->starts;
        h->started_s += 1000;
        h->queries = 0;
        script_facts(s, h);
        return 200;
    }
    if (strstr(sql, "hook")) {
        note(s, sql, h);
        watch_begun(s, "a hook ran", NULL);
        str_addf(out, "%lld\n", (long long)h->hook_value);
        return strstr(sql, "FAIL") ? 500 : 200;
    }
    if (script_access_sql(s, h, sql, out, &status))
        return status;
    if (s->now_ms < h->locked_until_ms) {
        str_add(out, "Code: 195, e.displayText() = DB::Exception: User chfleet is not allowed to connect from address 10.0.0.9");
        return 500;
    }
    if (strstr(url, "session_timeout"))
        h->session = strstr(url, "session_check") ? h->session : h->process;
    if (strstr(sql, "SELECT version(), toUnix")) {
        str_addf(out, "%s\t%llu\n", s->version, (unsigned long long)h->started_s);
    } else if (strstr(sql, "FROM system.processes")) {
        bool old = h->kept_queries && !strstr(sql, "elapsed >= 0"); /* what came since is all there is */

        str_addf(out, "%u\n", strstr(sql, "NOT LIKE 'chfleet-%'") && !old ? h->queries : 0);
        if (h->queries && h->queries_stay_ms)
            script_after(s, h->queries_stay_ms, queries_end, h);
    } else if (strstr(sql, "KILL QUERY WHERE query_id NOT LIKE")) {
        note(s, "kill-queries", h);
        h->queries = 0;
    } else if (strstr(sql, "absolute_delay >")) {
        str_addf(out, "%d\n", h->readonly || h->delay > 10);
    } else if (strstr(sql, "FROM system.replicas")) {
        replicas_row(s, h, out);
    } else if (strstr(sql, "system.replication_queue")) {
        str_add(out, "0\n");
    } else if (strstr(sql, "FROM system.zookeeper WHERE path = '/'")) {
        str_add(out, "3\n");
    } else if (strstr(sql, "FROM system.zookeeper")) {
        for (int i = 0; i < s->n_hosts && strstr(sql, "/replicas'"); i++)
            if (s->hosts[i].zk_entry && s->hosts[i].shard == h->shard)
                str_addf(out, "r%u-%u\n", s->hosts[i].shard, s->hosts[i].replica);
    } else if (strstr(sql, "SYSTEM DROP DNS CACHE")) {
        note(s, "drop-dns-cache", h);
        h->fresh_names = true;
    } else if (strstr(sql, "SYSTEM RELOAD CONFIG")) {
        h->membership = h->keeps_old_files || (s->named && !h->fresh_names) ? h->membership : s->generation;
    } else if (strstr(sql, "FROM system.macros")) {
        str_addf(out, "chfleet_membership\t%lld\nchfleet_config\t%s\n", (long long)h->membership,
                 h->keeps_old_files ? "hash-old" : "hash-new");
    } else if (strstr(sql, "SYSTEM SHUTDOWN") && strstr(url, "session_check=1") && h->session != h->process) {
        str_add(out, "Code: 372, e.displayText() = DB::Exception: Session not found.");
        return 500;
    } else if (strstr(sql, "SYSTEM SHUTDOWN")) {
        if (!strstr(url, "session_check=1"))
            violation(s, "a shutdown that is not tied to its process", h);
        note(s, "shutdown", h);
        watch_stop(s, h);
        watch_begun(s, "shutdown", h);
        h->ready = h->ready && h->gone_ms;
        h->process = h->gone_ms ? h->process : 0;
        if (!h->going)
            script_after(s, h->gone_ms ? h->gone_ms : 30, restart_process, h);
        h->going = true;
        script_facts(s, h);
    } else if (strstr(sql, "SHOW CREATE TABLE")) {
        if (!h->has_table && !h->left_out) {
            str_add(out, "Code: 390, e.displayText() = DB::Exception: There is no metadata file for table t");
            return 500;
        }
        str_add(out, "CREATE TABLE db.t (n UInt8) ENGINE = X\n");
    } else if (s->replicated && strstr(sql, "FROM system.databases")) {
        str_add(out, h->has_table ? "db\tReplicated\tReplicated('/d/db', '{shard}', '{replica}')\n" : "");
    } else if (s->replicated && strstr(sql, "CREATE DATABASE")) {
        watch_begun(s, "create database", h);
        note(s, "create-database", h);
        if (!strstr(sql, "ENGINE = Replicated('/d/db', '{shard}', '{replica}')"))
            violation(s, "the database was made with other arguments", h);
        if (h->database_replica) {
            str_addf(out, "Code: 253. DB::Exception: Replica r%u-%u of shard %u of replicated database at /d/db already exists. "
                          "Replica host ID: 'x', current host ID: 'y'", h->shard, h->replica, h->shard);
            return 500;
        }
        h->has_table = h->database_replica = true; /* it makes its tables by itself */
        h->log_pointer = s->log_max + 1;
    } else if (s->replicated && strstr(sql, "SYSTEM DROP DATABASE REPLICA")) {
        for (int i = 0; i < s->n_hosts; i++) {
            char replica[40];

            snprintf(replica, sizeof replica, "'%u|r%u-%u' FROM DATABASE `db`", s->hosts[i].shard, s->hosts[i].shard,
                     s->hosts[i].replica);
            if (strstr(sql, replica) && &s->hosts[i] != h)
                s->hosts[i].database_replica = false;
        }
        note(s, "drop-database-replica", h);
    } else if (strstr(sql, "SYSTEM DROP REPLICA '")) {
        for (int i = 0; i < s->n_hosts; i++) {
            char replica[24];

            snprintf(replica, sizeof replica, "'r%u-%u'", s->hosts[i].shard, s->hosts[i].replica);
            if (strstr(sql, replica) && &s->hosts[i] != h)
                s->hosts[i].zk_entry = false;
        }
    } else if (s->replicated && strstr(sql, "CREATE TABLE")) {
        violation(s, "a table was made that its database makes", h);
    } else if (strstr(sql, "FROM system.databases")) {
        str_add(out, h->has_table || h->left_out ? "db\tOrdinary\tOrdinary\ndefault\tOrdinary\tOrdinary\n"
                                  : "default\tOrdinary\tOrdinary\n");
    } else if (strstr(sql, "create_table_query FROM system.tables")) {
        str_add(out, h->has_table ? "db\tt\tReplicatedMergeTree\tCREATE TABLE db.t (n UInt8) ENGINE = X\n" : "");
    } else if (strstr(sql, "system.functions")) {
        str_reset(out);
    } else if (strstr(sql, "CREATE DATABASE")) {
        watch_begun(s, "create database", h);
    } else if (strstr(sql, "CREATE TABLE IF NOT EXISTS db.t")) {
        note(s, "create-table", h);
        if (h->left_out) {
            str_add(out, "Code: 117, e.displayText() = DB::Exception: Data directory for table already containing data parts");
            return 500;
        }
        if (h->zk_entry) {
            str_addf(out, "Code: 253, e.displayText() = DB::Exception: Replica /t/%u/replicas/r%u-%u already exists.",
                     h->shard, h->shard, h->replica);
            return 500;
        }
        h->has_table = h->zk_entry = h->zk_active = true;
        h->log_pointer = s->log_max + 1;
    } else if (strstr(sql, "min_block_number")) {
        str_add(out, "db\tt\tall\t0\t5\t1\n");
        if (!h->missing_part)
            str_add(out, "db\tt\tall\t6\t6\t0\n");
    } else if (strstr(sql, "sum(rows)")) {
        str_add(out, h->plain_rows ? "db\tlocal\t12\n" : "");
    } else if (strstr(sql, "'TinyLog'")) {
        str_reset(out);
    } else if (strstr(sql, "engine = 'Distributed'")) {
        str_add(out, h->distributed ? "db\td\n" : "");
    } else if (strstr(sql, "DETACH TABLE") || strstr(sql, "ATTACH TABLE")) {
        note(s, strstr(sql, "DETACH") ? "detach" : "attach", h);
        if (h->left_out && strstr(sql, "ATTACH TABLE `db`.`t`")) {
            h->left_out = false;
            h->has_table = h->zk_active = true;
        }
    } else if (strstr(sql, "DistributedSend") || strstr(sql, "WHERE 0")) {
        str_add(out, "0\n");
    } else {
        fprintf(stderr, "the script does not know: %s\n", sql);
        abort();
    }
    return 200;
}

struct world_http {
    struct script_event *e;
};
struct reply {
    http_done_fn *done;
    void *ctx;
    int status;
    struct str body;
    bool sent;
    struct world_http *h;
};

static void reply_arrives(struct script_event *e)
{
    struct reply *r = e->a;
    struct http_response res = {
        .status = r->status, .body = str_text(&r->body), .body_len = r->body.len, .headers = "", .sent = r->sent};

    if (!r->status)
        err_set(&res.why, ERR_AGAIN, 0, "no answer");
    r->done(r->ctx, &res);
    str_free(&r->body);
    free(r->h);
    free(r);
}

static struct world_http *op_http(struct world *w, const struct http_request *req, http_data_fn *on_data,
                                  http_done_fn *done, void *ctx)
{
    struct script *s = (struct script *)w;
    struct reply *r = mem_zero(sizeof *r);
    struct script_host *h = &s->hosts[atoi(strstr(req->url, ":10") + 1) - 1000];
    auto_free char *sql = mem_strn(req->body, req->body_len);
    bool dead = s->dying, dies = counted(s), up = h->pod && (h->ready || (h->unready && h->process)) && !h->terminating && !dead;

    (void)on_data;
    s->sql_sent++;
    r->done = done;
    r->ctx = ctx;
    r->h = mem_zero(sizeof *r->h);
    r->sent = up;
    if (dies)
        event(s, 0, die, false);
    if (up && !h->hangs && !(dies && s->kill_before))
        r->status = run_sql(s, h, req->url, sql, &r->body);
    r->h->e = event(s, h->hangs ? req->total_ms : LATENCY_MS, reply_arrives, true);
    r->h->e->a = r;
    return r->h;
}

static void drop_reply(struct script_event *e)
{
    struct reply *r = e->a;

    str_free(&r->body);
    free(r->h);
    free(r);
}

static void op_http_cancel(struct world *w, struct world_http *h)
{
    struct script_event *e = h->e;

    drop_reply(e);
    forget((struct script *)w, e);
}

/* ---- Keeper ---- */

struct world_zk {
    struct script_event *e;
    zk_done_fn *done;
    void *ctx;
    struct err err;
    struct str value;
    bool failed;
};

static void zk_arrives(struct script_event *e)
{
    struct world_zk *z = e->a;

    z->done(z->ctx, str_text(&z->value), z->failed ? &z->err : NULL);
    str_free(&z->value);
    free(z);
}

static void zk_perform(struct script *s, enum zk_op op, const char *path, struct world_zk *z)
{
    bool found = false;

    for (int i = 0; i < s->n_hosts; i++) {
        struct script_host *h = &s->hosts[i];
        char node[64], active[80], all[32], whole[24];

        snprintf(node, sizeof node, "/t/%u/replicas/r%u-%u", h->shard, h->shard, h->replica);
        snprintf(active, sizeof active, "%s/is_active", node);
        snprintf(all, sizeof all, "/t/%u/replicas", h->shard);
        snprintf(whole, sizeof whole, "/t/%u", h->shard);
        if (op == ZK_LIST && strcmp(path, all) == 0) {
            found = true;
            if (h->zk_entry)
                str_addf(&z->value, "r%u-%u\n", h->shard, h->replica);
        }
        if (op == ZK_GET && ((strcmp(path, node) == 0 && h->zk_entry) || (strcmp(path, active) == 0 && h->zk_active)))
            found = true;
        if (op == ZK_DELETE_TREE && strcmp(path, node) == 0) {
            note(s, "zk-delete", h);
            watch_begun(s, "entries in Keeper deleted", NULL);
            if (h->zk_active || (h->has_table && h->pod))
                violation(s, "entries of a replica that lives were deleted", h);
            h->zk_entry = false;
        }
        if (op == ZK_DELETE_TREE && strcmp(path, whole) == 0) {
            note(s, "zk-delete-table", h);
            if (h->zk_entry)
                violation(s, "a table that has replicas was deleted in Keeper", h);
        }
    }
    if (op != ZK_DELETE_TREE && !found) {
        z->failed = true;
        err_set(&z->err, ERR_MISSING, 0, "no node %s", path);
    }
}

static struct world_zk *op_zk(struct world *w, const char *servers, enum zk_op op, const char *path, uint32_t ms,
                              zk_done_fn *done, void *ctx)
{
    struct script *s = (struct script *)w;
    struct world_zk *z = mem_zero(sizeof *z);
    bool dead = s->dying, dies = counted(s);

    (void)servers;
    (void)ms;
    z->done = done;
    z->ctx = ctx;
    if (dies)
        event(s, 0, die, false);
    if (!dead && !(dies && s->kill_before))
        zk_perform(s, op, path, z);
    z->e = event(s, LATENCY_MS, zk_arrives, true);
    z->e->a = z;
    return z;
}

static void op_zk_cancel(struct world *w, struct world_zk *z)
{
    forget((struct script *)w, z->e);
    str_free(&z->value);
    free(z);
}

struct world_tcp {
    struct script_event *e;
    void (*done)(void *ctx, const char *text, size_t len, const struct err *err);
    void *ctx;
    struct str text;
    bool up;
};

static void tcp_arrives(struct script_event *e)
{
    struct world_tcp *t = e->a;
    struct err err = ERR_INIT;

    if (!t->up)
        err_set(&err, ERR_AGAIN, 0, "connection refused");
    t->done(t->ctx, str_text(&t->text), t->text.len, t->up ? NULL : &err);
    str_free(&t->text);
    free(t);
}

static struct world_tcp *op_tcp(struct world *w, const char *host, unsigned port, const char *text, size_t limit,
                                uint32_t ms,
                                void (*done)(void *ctx, const char *text, size_t len, const struct err *err), void *ctx)
{
    struct script *s = (struct script *)w;
    struct script_host *h = &s->hosts[port - 2000];
    struct world_tcp *t = mem_zero(sizeof *t);
    int up = 0;

    (void)host;
    (void)limit;
    (void)ms;
    for (int i = 0; i < s->n_hosts; i++)
        up += s->hosts[i].pod && s->hosts[i].ready;
    t->done = done;
    t->ctx = ctx;
    t->up = h->pod && h->ready;
    if (strcmp(text, "ruok") == 0)
        str_add(&t->text, "imok");
    else if (up <= s->n_hosts / 2)
        str_add(&t->text, "This instance is not currently serving requests\n");
    else
        str_addf(&t->text, "zk_server_state\t%s\nzk_followers\t%d\nzk_synced_followers\t%d\n",
                 h->keeper_role ? h->keeper_role : "follower", up - 1, up - 1);
    t->e = event(s, LATENCY_MS, tcp_arrives, true);
    t->e->a = t;
    return t;
}

static void op_tcp_cancel(struct world *w, struct world_tcp *t)
{
    forget((struct script *)w, t->e);
    str_free(&t->text);
    free(t);
}

/* ---- the rest of the world ---- */

static uint64_t op_mono(struct world *w)
{
    return ((struct script *)w)->now_ms;
}
static uint64_t op_random(struct world *w)
{
    return ((struct script *)w)->seq * UINT64_C(6364136223846793005);
}
static const char *op_boot(struct world *w)
{
    (void)w;
    return "boot";
}

struct world_timer {
    struct script_event *e;
    void (*fn)(void *ctx);
    void *ctx;
};

static void timer_fires(struct script_event *e)
{
    struct world_timer *t = e->a;
    void (*fn)(void *) = t->fn;
    void *ctx = t->ctx;

    free(t);
    fn(ctx);
}

static struct world_timer *op_timer(struct world *w, uint64_t ms, void (*fn)(void *ctx), void *ctx)
{
    struct world_timer *t = mem_zero(sizeof *t);

    t->fn = fn;
    t->ctx = ctx;
    t->e = event((struct script *)w, ms, timer_fires, true);
    t->e->a = t;
    return t;
}

static void op_timer_stop(struct world *w, struct world_timer *t)
{
    forget((struct script *)w, t->e);
    free(t);
}

static void op_chan_listen(struct world *w, struct world_chan *c, const struct world_chan_cbs *cbs, void *ctx)
{
    (void)w;
    c->cbs = *cbs;
    c->ctx = ctx;
}

static void op_quit(struct world *w, int code)
{
    (void)w;
    (void)code;
}

static const struct world_ops ops = {
    .mono_ms = op_mono,
    .wall_ms = op_mono,
    .random = op_random,
    .boot_id = op_boot,
    .timer = op_timer,
    .timer_stop = op_timer_stop,
    .http = op_http,
    .http_cancel = op_http_cancel,
    .tcp = op_tcp,
    .tcp_cancel = op_tcp_cancel,
    .zk = op_zk,
    .zk_cancel = op_zk_cancel,
    .chan_send = op_chan_send,
    .chan_listen = op_chan_listen,
    .quit = op_quit,
};

/* ---- running ---- */

void script_init(struct script *s, int shards, int replicas)
{
    memset(s, 0, sizeof *s);
    s->w.ops = &ops;
    s->now_ms = 1000000;
    s->rows = cJSON_CreateArray();
    s->table = "shard";
    s->kind = "chi";
    s->version = "18.16.1";
    s->generation = 5;
    s->log_max = 9;
    s->restarted_ms = 300;
    s->knobs = cJSON_CreateObject();
    json_set_int(s->knobs, "propagation_s", 5);
    for (int i = 0; i < shards * replicas; i++) {
        struct script_host *h = &s->hosts[s->n_hosts++];

        snprintf(h->key, sizeof h->key, "ns/i/c/%d/%d", i / replicas, i % replicas);
        h->shard = (unsigned)(i / replicas);
        h->replica = (unsigned)(i % replicas);
        h->action = "none";
        h->sts = h->observed = h->updated = h->configmap = h->service = h->claim = true;
        h->replicas = 1;
        h->depth = "same";
        h->pod = h->ready = h->image_matches = h->label = h->endpoint = true;
        h->uid = h->process = h->starts = 1;
        h->member = "in";
        snprintf(h->loaded_identity, sizeof h->loaded_identity, "uid1 c1");
        snprintf(h->loaded_hash, sizeof h->loaded_hash, "hash-old");
        h->started_s = 100;
        h->has_table = h->zk_entry = h->zk_active = true;
        h->log_pointer = 10;
        h->membership = 4;
    }
}

void script_kill(struct script *s)
{
    struct world_chan *c = s->chan;

    if (!s->worker_lives)
        return;
    s->worker_lives = false;
    s->chan = NULL;
    if (c->cbs.closed)
        c->cbs.closed(c->ctx, "killed");
    free(c);
    for (struct script_event **at = &s->events; *at;) {
        struct script_event *e = *at;

        if (!e->of_worker) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        event_free(e);
    }
}

void script_fini(struct script *s)
{
    script_kill(s);
    while (s->events) {
        struct script_event *e = s->events;

        s->events = e->next;
        event_free(e);
    }
    cJSON_Delete(s->rows);
    cJSON_Delete(s->knobs);
    cJSON_Delete(s->done_body);
    for (int i = 0; i < SCRIPT_HOSTS; i++)
        cJSON_Delete(s->access[i]);
    str_free(&s->said);
    str_free(&s->log);
}

void script_start(struct script *s)
{
    static const struct world_worker_args args = {.name = "ns/i/c/0", .generation = 1, .lock_path = ""};
    auto_json cJSON *facts = cJSON_CreateObject(), *task = NULL;
    cJSON *hosts = json_set_obj(facts, "hosts");

    s->workers++;
    s->done = false;
    s->chan = mem_zero(sizeof *s->chan);
    s->chan->s = s;
    s->worker_lives = true;
    worker_main(&s->w, s->chan, &args);
    for (int i = 0; i < s->n_hosts; i++)
        if (!s->hosts[i].peer)
            json_set(hosts, s->hosts[i].key, facts_json(&s->hosts[i]));
    send_json(s, 0, MSG_FACTS, 0, facts);
    task = task_json(s);
    send_json(s, 0, MSG_TASK, 0, task);
}

bool script_run(struct script *s, uint64_t limit_ms)
{
    uint64_t end = s->now_ms + limit_ms;

    while (!s->done && s->worker_lives && s->events && s->events->at <= end) {
        struct script_event *e = s->events;

        s->events = e->next;
        if (s->now_ms < e->at) /* else it was due while no worker lived */
            s->now_ms = e->at;
        s->n_events++;
        e->fn(e);
        event_free(e);
    }
    if (!s->done && s->now_ms < end && s->worker_lives)
        s->now_ms = end;
    return s->done;
}

bool script_finish(struct script *s, uint64_t limit_ms)
{
    uint64_t end = s->now_ms + limit_ms;

    script_start(s);
    while (!s->done && s->now_ms < end) {
        script_run(s, end - s->now_ms);
        if (!s->done && !s->worker_lives) {
            s->now_ms += 20;
            script_start(s);
        } else if (!s->done) {
            break;
        }
    }
    return s->done;
}

unsigned script_count(const struct script *s, const char *line)
{
    unsigned n = 0;
    size_t len = strlen(line);

    for (const char *p = str_text(&s->log); *p; p = strchr(p, '\n') + 1)
        n += strncmp(p, line, len) == 0 && (p[len] == '\n' || line[len - 1] == ' ');
    return n;
}

bool script_row(const struct script *s, const char *host, const char *step, const char *outcome)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, s->rows)
        if (strcmp(json_str(row, "host", ""), host) == 0 && strcmp(json_str(row, "step", ""), step) == 0)
            return strcmp(json_str(row, "outcome", ""), outcome) == 0;
    return false;
}
