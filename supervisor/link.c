/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's end of the worker sockets: tasks and facts go out, requests come in and are answered once each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

enum { TASK_TRIES = 8, STEP_SLACK_MS = 10000, MEMBERSHIP_SLACK_S = 180, FAR_PEERS = 12 };

/* A request under way: the answer goes to the worker only if it still lives. */
struct pending {
    struct super *s;
    struct wproc *wp;
    uint64_t generation; /* of the worker: a new one may sit at the same address */
    uint32_t seq;
    cJSON *record; /* MSG_RECORD: what was written */
};

static void send_json(struct wproc *wp, uint16_t type, uint32_t seq, const cJSON *body)
{
    auto_free char *text = json_print(body);

    if (wp->chan)
        wp->inst->s->w->ops->chan_send(wp->inst->s->w, wp->chan, type, wp->task ? wp->task->id : 0, seq, text,
                                       strlen(text));
}

void link_answer(struct wproc *wp, uint32_t seq, const cJSON *data, const struct err *err)
{
    auto_json cJSON *j = cJSON_CreateObject();

    json_set_bool(j, "ok", err == NULL);
    if (data)
        json_set(j, "data", json_copy(data));
    if (err) {
        json_set_str(j, "kind", err_kind_name(err->kind));
        json_set_str(j, "message", err->msg);
    }
    send_json(wp, MSG_ANSWER, seq, j);
}

/* ---- the task's text ---- */

static void add_ports(cJSON *out, const struct host *h)
{
    cJSON *ports = json_set_obj(out, "ports");

    for (int p = 0; p < HOST_PORTS; p++)
        if (h->ports[p])
            json_set_int(ports, strcmp(host_port_names[p], "secureclient") == 0 ? "tls" : host_port_names[p],
                         h->ports[p]);
}

static void add_volumes(cJSON *out, const struct host *h)
{
    cJSON *list = json_set_arr(out, "volumes");

    for (size_t i = 0; i < h->n_volumes; i++) {
        cJSON *v = cJSON_CreateObject();

        json_set_str(v, "pvc", h->volumes[i].pvc_name);
        json_set_bool(v, "retain", h->volumes[i].retain);
        json_set_bool(v, "data", h->volumes[i].data);
        json_set_int(v, "size", h->volumes[i].size_bytes);
        json_set_str(v, "attributes", json_str(h->volumes[i].tmpl, "spec.volumeAttributesClassName", NULL));
        cJSON_AddItemToArray(list, v);
    }
}

/* Where a worker reaches a host: lists of peers hold the name alone, but the operator lives in a namespace of its own.
 */
static const char *reached_at(const struct inst *in, const struct host *h)
{
    return in->s->endpoints ? h->address : h->fqdn;
}

static cJSON *wanted_host_json(struct inst *in, const struct host *h)
{
    cJSON *j = cJSON_CreateObject(), *want = json_set_obj(j, "want");
    struct render_ctx c;
    struct err err = ERR_INIT;
    auto_free char *hash = NULL;

    desired_ctx(in, &c);
    hash = render_restart_hash(in->fleet, h, &c, &err);
    json_set_str(j, "key", h->key);
    json_set_str(j, "cluster", h->cluster->name);
    json_set_str(j, "shard", h->shard->name);
    json_set_str(j, "replica", h->replica_name);
    json_set_str(j, "sts", h->sts);
    json_set_str(j, "service", h->service);
    json_set_str(j, "configmap", h->configmap);
    json_set_str(j, "address", reached_at(in, h));
    json_set_str(j, "macro_replica", h->service);
    json_set_bool(j, "secure", h->secure && !h->ports[PORT_HTTP]);
    json_set_bool(j, "ephemeral", h->ephemeral);
    json_set_int(j, "member_index", h->replica_index);
    json_set_int(j, "shard_replicas", (int64_t)h->shard->n_hosts);
    add_ports(j, h);
    add_volumes(j, h);
    json_set_str(want, "image", h->image);
    json_set_str(want, "version", h->tag_version);
    json_set_str(want, "restart_hash", hash);
    json_set_int(want, "replicas", in->fleet->stop ? 0 : 1);
    return j;
}

/* A host that the spec no longer has: from its live objects. */
static cJSON *live_host_json(struct inst *in, const char *key)
{
    cJSON *j = cJSON_CreateObject(), *ports = json_set_obj(j, "ports");
    char sts[300];
    const cJSON *svc, *p;
    const char *at = key + inst_prefix(in), *names[] = {"cluster", "shard", "replica"};

    json_set_str(j, "key", key);
    for (int i = 0; i < 3 && *at == '/'; i++) {
        size_t n = strcspn(++at, "/");
        auto_free char *part = mem_strn(at, n);

        json_set_str(j, names[i], part);
        at += n;
    }
    auto_free char *cm = mem_printf("%s-%s-deploy-confd-%s-%s-%s", in->group == GROUP_CHI ? "chi" : "chk", in->name,
                                    json_str(j, "cluster", ""), json_str(j, "shard", ""), json_str(j, "replica", ""));
    json_set_str(j, "configmap", cm);
    if (!hostfacts_sts(in, key, sts, sizeof sts))
        return j;
    svc = super_get(in->s, in->group, KUBE_SVC, in->ns, sts);
    json_set_str(j, "sts", sts);
    json_set_str(j, "service", sts);
    json_set_str(j, "macro_replica", sts);
    auto_free char *dns = in->fleet ? fleet_fqdn(in->fleet, sts) : mem_printf("%s.%s.svc.cluster.local", sts, in->ns);
    json_set_str(j, "address", in->s->endpoints ? "127.0.0.1" : dns);
    cJSON_ArrayForEach(p, json_at(svc, "spec.ports")) {
        const char *name = json_str(p, "name", "");

        json_set_int(ports, strcmp(name, "secureclient") == 0 ? "tls" : name, json_int(p, "port", 0));
    }
    json_set_bool(j, "secure", !json_get(ports, "http") && json_get(ports, "https"));
    json_set_arr(j, "volumes");
    return j;
}

static cJSON *host_json(struct inst *in, const char *key)
{
    const struct host *h = fleet_host(in->fleet, key);
    cJSON *j = h ? wanted_host_json(in, h) : live_host_json(in, key);
    struct hostrec *rec = inst_host(in, key);

    json_set_bool(j, "member", rec && rec->want_in && rec->listed);
    return j;
}

/* What a task needs to know of a host that another task cares for. */
static cJSON *peer_json(struct inst *in, const struct host *h)
{
    cJSON *j = cJSON_CreateObject();
    struct hostrec *rec = inst_host(in, h->key);

    json_set_str(j, "key", h->key);
    json_set_str(j, "cluster", h->cluster->name);
    json_set_str(j, "shard", h->shard->name);
    json_set_str(j, "replica", h->replica_name);
    json_set_str(j, "sts", h->sts);
    json_set_str(j, "address", reached_at(in, h));
    json_set_str(j, "macro_replica", h->service);
    json_set_bool(j, "secure", h->secure && !h->ports[PORT_HTTP]);
    json_set_int(j, "member_index", h->replica_index);
    json_set_int(j, "shard_replicas", (int64_t)h->shard->n_hosts);
    add_ports(j, h);
    json_set_bool(j, "member", rec && rec->want_in && rec->listed);
    return j;
}

/* Who must load a list: whoever runs and is in it or was in the one before, the host that joins included. */
static bool must_load(struct inst *in, const char *key)
{
    const struct host *h = fleet_host(in->fleet, key);
    const struct hostrec *rec = inst_host(in, key);
    char pod[310];

    if (!h || !rec || !(rec->listed || member_listed(in, h)))
        return false;
    snprintf(pod, sizeof pod, "%s-0", h->sts);
    return compare_pod_ready(super_get(in->s, in->group, KUBE_POD, in->ns, pod));
}

static void add_zookeeper(cJSON *out, const struct fleet *f)
{
    const struct zookeeper *z = NULL;
    cJSON *j = json_set_obj(out, "zookeeper");
    auto_str struct str servers = STR_INIT;

    for (size_t i = 0; i < f->n_clusters && !z; i++)
        if (f->clusters[i].zookeeper.n_nodes)
            z = &f->clusters[i].zookeeper;
    for (size_t i = 0; z && i < z->n_nodes; i++)
        str_addf(&servers, "%s%s:%u", i ? "," : "", z->nodes[i].host, z->nodes[i].port);
    json_set_str(j, "servers", str_text(&servers));
    json_set_str(j, "root", z && z->root ? z->root : "");
}

static const struct cluster *cluster_of(const struct task *t, const struct inst *in)
{
    const char *at = t ? t->object + strlen(in->key) : "";

    for (size_t i = 0; *at == '/' && i < in->fleet->n_clusters; i++) {
        size_t n = strlen(in->fleet->clusters[i].name);

        if (strncmp(at + 1, in->fleet->clusters[i].name, n) == 0 && (at[1 + n] == '/' || !at[1 + n]))
            return &in->fleet->clusters[i];
    }
    return in->fleet->n_clusters ? &in->fleet->clusters[0] : NULL;
}

static bool task_has(const struct task *t, const char *key)
{
    for (size_t i = 0; t && i < t->n_hosts; i++)
        if (strcmp(t->hosts[i], key) == 0)
            return true;
    return false;
}

/* Is h in the shard of a host of this task? Also when that one is not in the spec any more. */
static bool near(const struct task *t, const struct host *h)
{
    size_t n = inst_shard_len(h->key);

    for (size_t i = 0; t && i < t->n_hosts; i++)
        if (strncmp(t->hosts[i], h->key, n) == 0)
            return true;
    return false;
}

/* Hosts that the spec has no more and that still serve: clients reach others through them until their turn comes. */
static void add_leaving(cJSON *out, struct inst *in)
{
    for (size_t i = 0; i < in->n_hosts; i++) {
        const struct hostrec *rec = &in->hosts[i];
        char sts[300];

        if (!fleet_host(in->fleet, rec->key) && rec->want_in && hostfacts_sts(in, rec->key, sts, sizeof sts) &&
            compare_pod_ready(hostfacts_pod(in, sts))) {
            cJSON *peer = live_host_json(in, rec->key);

            json_set_bool(peer, "member", true);
            cJSON_AddItemToArray(out, peer);
        }
    }
}

/* All of its own shards, and of others as many as somebody is asked of: who can lend a schema, or drop what a replica
 * left. A worker is to stay small in a fleet of any size. Keepers and the membership see all. */
static void add_peers(cJSON *out, const struct wproc *wp)
{
    struct inst *in = wp->inst;
    struct task *t = wp->task;
    bool all = wp->membership || !t || in->group == GROUP_CHK;
    const struct cluster *cluster = NULL;
    unsigned far = 0, silent = 0;

    for (size_t i = 0; i < in->fleet->n_hosts; i++) {
        const struct host *h = in->fleet->hosts[i];
        cJSON *peer;

        if (t && !t->n_hosts && h->cluster != cluster) /* tasks of the whole know some of every cluster */
            far = silent = 0;
        cluster = h->cluster;

        if (task_has(t, h->key))
            continue;
        if (!all && !near(t, h) && (must_load(in, h->key) ? far++ >= FAR_PEERS : silent++ >= FAR_PEERS / 4))
            continue;
        peer = peer_json(in, h);
        if (wp->membership)
            json_set_bool(peer, "member", must_load(in, h->key));
        cJSON_AddItemToArray(out, peer);
    }
    if (wp->membership)
        add_leaving(out, in);
}

static cJSON *task_json(struct wproc *wp)
{
    struct inst *in = wp->inst;
    struct task *t = wp->task;
    cJSON *j = cJSON_CreateObject(), *hosts = json_set_arr(j, "hosts"), *peers = json_set_arr(j, "peers");
    const struct cluster *c = cluster_of(t, in);

    json_set_int(j, "operation", (int64_t)in->op);
    json_set_int(j, "task", t ? t->id : 0);
    json_set_int(j, "try", t ? t->tries : 0);
    json_set_str(j, "table", t ? t->table : "membership");
    json_set_str(j, "object", t ? t->object : in->key);
    auto_free char *inst = mem_printf("%s/%s", in->ns, in->name);
    json_set_str(j, "installation", inst);
    json_set_str(j, "kind", in->group == GROUP_CHI ? "chi" : "chk");
    for (size_t i = 0; t && i < t->n_hosts; i++) {
        cJSON *h = host_json(in, t->hosts[i]);
        struct hostrec *rec = inst_host_need(in, t->hosts[i]);

        json_set_str(h, "action", host_action_name(rec->action));
        cJSON_AddItemToArray(hosts, h);
    }
    add_peers(peers, wp);
    add_zookeeper(j, in->fleet);
    if (c)
        knobs_add(j, in, c);
    knobs_add_hooks(j, in, t);
    json_set_bool(j, "deleting", in->fleet->deleting);
    json_set_bool(j, "retains",
                  in->fleet->deleting &&
                      json_str(in->fleet->resource, "spec.defaults.storageManagement.reclaimPolicy", NULL) != NULL);
    if (desired_consent(in))
        json_set(j, "consent", json_copy(desired_consent(in)));
    json_set_int(j, "render_version", RENDER_VERSION);
    if (wp->membership) {
        cJSON *m = json_set_obj(j, "membership"), *list = json_set_arr(m, "listed");

        json_set_int(m, "generation", (int64_t)in->member_generation);
        for (size_t i = 0; i < in->n_member_list; i++)
            json_add_str(list, in->member_list[i]);
    }
    if (t && t->resume)
        json_set(j, "resume", json_copy(t->resume));
    return j;
}

/* ---- facts ---- */

static bool cares(const struct wproc *wp, const char *key)
{
    return !wp->membership && wp->task && (!key || task_has(wp->task, key));
}

static void send_facts(struct wproc *wp, const char *key)
{
    auto_json cJSON *j = cJSON_CreateObject();
    cJSON *hosts = json_set_obj(j, "hosts");
    struct task *t = wp->task;

    for (size_t i = 0; t && i < t->n_hosts; i++)
        if (!key || strcmp(t->hosts[i], key) == 0)
            json_set(hosts, t->hosts[i], hostfacts_make(wp->inst, wp->inst->fleet, t->hosts[i]));
    send_json(wp, MSG_FACTS, 0, j);
}

void link_facts(struct inst *in, const char *host_key)
{
    for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
        if (wp->inst == in && wp->chan && cares(wp, host_key))
            send_facts(wp, host_key);
}

void link_send_task(struct wproc *wp)
{
    auto_json cJSON *j = task_json(wp);

    send_facts(wp, NULL);
    send_json(wp, MSG_TASK, 0, j);
    wp->last_frame_ms = world_mono(wp->inst->s->w);
    if (wp->membership)
        wp->step_deadline_ms =
            wp->last_frame_ms +
            (wp->step_limit_ms = (uint64_t)(wp->inst->fleet->knobs.propagation_s + MEMBERSHIP_SLACK_S) * 1000);
}

void link_stop(struct wproc *wp, const char *why, bool now)
{
    auto_json cJSON *j = cJSON_CreateObject();

    json_set_str(j, "why", why);
    json_set_bool(j, "now", now);
    wp->stopping = true;
    send_json(wp, MSG_STOP, 0, j);
}

/* ---- requests ---- */

static bool alive(const struct pending *p)
{
    for (struct wproc *wp = p->s->wprocs; wp; wp = wp->next)
        if (wp == p->wp && wp->generation == p->generation)
            return wp->chan != NULL;
    return false;
}

static struct pending *pending_new(struct wproc *wp, uint32_t seq)
{
    struct pending *p = mem_zero(sizeof *p);

    *p = (struct pending){.s = wp->inst->s, .wp = wp, .generation = wp->generation, .seq = seq};
    return p;
}

static void apply_answer(void *ctx, bool changed, const struct err *err)
{
    struct pending *p = ctx;
    auto_json cJSON *data = cJSON_CreateObject();

    json_set_bool(data, "changed", changed);
    if (alive(p)) {
        send_facts(p->wp, NULL);
        link_answer(p->wp, p->seq, data, err);
    }
    free(p);
}

/* Knobs move the deadlines of some steps; one that gets on may begin its time anew once. */
static uint64_t step_limit(const struct task *t, const char *host, const char *step)
{
    const struct step_table *table = steps_table(t->table);
    struct hostrec *h = inst_host(t->inst, host);
    auto_json cJSON *limits = knobs_limits(t->inst->fleet);
    char name[64];

    if (!table && h) {
        snprintf(name, sizeof name, "%s%s", t->inst->group == GROUP_CHK ? "keeper-" : "", host_action_name(h->action));
        table = steps_table(name);
    }
    if (json_get(limits, step))
        return 2 * (uint64_t)json_int(limits, step, 0);
    for (size_t i = 0; table && i < table->n_steps; i++)
        if (strcmp(table->steps[i].name, step) == 0)
            return table->steps[i].limit_s;
    return 900;
}

/* The journal has it: remember it for the next worker of this task, then let this one go on. */
static void record_durable(void *ctx, const struct err *err)
{
    struct pending *p = ctx;

    if (alive(p)) {
        struct task *t = p->wp->task;

        if (!err && t) {
            if (!t->resume)
                t->resume = cJSON_CreateArray();
            cJSON_AddItemToArray(t->resume, p->record);
            p->record = NULL;
        }
        link_answer(p->wp, p->seq, NULL, err);
    }
    cJSON_Delete(p->record);
    free(p);
}

static enum outcome outcome_parse(const char *text)
{
    static const struct {
        const char *text;
        enum outcome o;
    } all[] = {{"done", OUT_DONE}, {"already", OUT_ALREADY}, {"failed", OUT_FAILED}, {"undone", OUT_UNDONE}};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].text, text) == 0)
            return all[i].o;
    return OUT_FAILED;
}

/* An end replaces the begun row of its step in what a next worker resumes from. Returns the row's baseline; caller
 * owns. */
static cJSON *forget_begun(struct task *t, const char *host, const char *step)
{
    cJSON *baseline = NULL;

    for (int i = 0; t->resume && i < cJSON_GetArraySize(t->resume); i++) {
        cJSON *row = cJSON_GetArrayItem(t->resume, i);

        if (strcmp(json_str(row, "host", ""), host) != 0 || strcmp(json_str(row, "step", ""), step) != 0)
            continue;
        cJSON_Delete(baseline);
        baseline = cJSON_DetachItemFromObjectCaseSensitive(row, "baseline");
        cJSON_DeleteItemFromArray(t->resume, i--);
    }
    return baseline;
}

bool link_has_joined(const char *step, enum outcome outcome)
{
    return strcmp(step, "join") == 0 && (outcome == OUT_DONE || outcome == OUT_ALREADY);
}

static void on_record(struct wproc *wp, uint32_t seq, const cJSON *req)
{
    struct super *s = wp->inst->s;
    struct task *t = wp->task;
    bool begin = strcmp(json_str(req, "type", ""), "begin") == 0;
    const char *host = json_str(req, "host", ""), *step = json_str(req, "step", "");
    auto_free char *baseline = json_get(req, "baseline") ? json_print(json_get(req, "baseline")) : NULL;
    struct journal_rec rec = {.type = begin ? JRN_STEP_BEGIN : JRN_STEP_END,
                              .op = wp->inst->op,
                              .task = t ? t->id : 0,
                              .object = *host ? host : wp->inst->key,
                              .name = step,
                              .attempt = (uint32_t)json_int(req, "attempt", 1),
                              .text = begin ? baseline : json_str(req, "detail", ""),
                              .outcome = begin ? OUT_NONE : outcome_parse(json_str(req, "outcome", "failed"))};
    struct hostrec *h = *host ? inst_host(wp->inst, host) : NULL;
    struct pending *p = pending_new(wp, seq);

    if (!t) { /* membership lists are published again after a death: nothing to resume */
        link_answer(wp, seq, NULL, NULL);
        free(p);
        return;
    }
    wp->step_limit_ms = step_limit(t, host, step) * 1000ull + STEP_SLACK_MS;
    wp->step_deadline_ms = begin ? world_mono(s->w) + wp->step_limit_ms : 0;
    p->record = cJSON_CreateObject();
    json_set(p->record, "baseline", forget_begun(t, host, step));
    json_set_str(p->record, "host", host);
    json_set_str(p->record, "step", step);
    json_set_int(p->record, "attempt", rec.attempt);
    if (json_get(req, "baseline"))
        json_set(p->record, "baseline", json_copy(json_get(req, "baseline")));
    if (!begin)
        json_set_str(p->record, "outcome", json_str(req, "outcome", "failed"));
    json_set_bool(p->record, "same_boot", true);
    if (h) {
        snprintf(h->step, sizeof h->step, "%s", step);
        governor_no_wait(wp->inst, h->key);
        h->text[0] = '\0';
        h->since_ms = world_wall(s->w);
        metrics_host_works(wp->inst, h);
        h->joined = !begin && link_has_joined(step, rec.outcome);
        if (h->joined)
            h->disrupted = false; /* also when it was in already, and nobody had to ask for it */
    }
    journal_put(s->j, &rec, record_durable, p);
    status_kick(wp->inst);
}

/* How to reach a database, as the operator's configuration says. */
static void add_access(const cJSON *config, cJSON *to)
{
    const cJSON *a = json_at(config, "clickhouse.access");
    const char *scheme = json_str(a, "scheme", ""), *ca = json_str(a, "rootCA", "");

    json_set_str(to, "scheme", strcasecmp(scheme, "https") == 0 ? "https" : strcasecmp(scheme, "http") == 0 ? "http" : "auto");
    if (*ca)
        json_set_str(to, "ca", ca);
    json_set_int(to, "port", json_int(a, "port", 8123));
    json_set_int(to, "connect_s", json_int(a, "timeouts.connect", 0));
    json_set_int(to, "query_s", json_int(a, "timeouts.query", 0));
}

static void on_credentials(struct wproc *wp, uint32_t seq)
{
    struct inst *in = wp->inst;
    auto_json cJSON *data = cJSON_CreateObject();
    const char *secret = json_str(in->s->config, "clickhouse.access.secret.name", "");
    const char *user = NULL, *password = NULL;
    struct render_ctx c;

    desired_ctx(in, &c);
    if (*secret) {
        user = c.secret(in, desired_access_ns(in), secret, "username");
        password = c.secret(in, desired_access_ns(in), secret, "password");
    }
    if (!user || !*user || !password || !*password) {
        user = json_str(in->s->config, "clickhouse.access.username", "");
        password = json_str(in->s->config, "clickhouse.access.password", "");
    }
    json_set_str(data, "user", *user ? user : "clickhouse_operator");
    json_set_str(data, "password", password);
    add_access(in->s->config, data);
    link_answer(wp, seq, data, NULL);
}

static void on_progress(struct wproc *wp, const cJSON *req)
{
    struct hostrec *h = inst_host(wp->inst, json_str(req, "host", ""));
    const char *waiting = json_str(req, "waiting", ""), *text = json_str(req, "text", "");
    struct journal_rec rec = {.type = JRN_DECISION, .op = wp->inst->op, .task = wp->task ? wp->task->id : 0};

    if (!h)
        return;
    snprintf(h->step, sizeof h->step, "%s", json_str(req, "step", h->step));
    if (strcmp(h->waiting, waiting) != 0)
        h->since_ms = world_wall(wp->inst->s->w);
    if (strcmp(h->waiting, waiting) != 0 || strcmp(h->text, text) != 0) {
        snprintf(h->waiting, sizeof h->waiting, "%s", waiting);
        snprintf(h->text, sizeof h->text, "%s", text);
        rec.object = h->key;
        rec.name = *waiting ? waiting : NULL;
        rec.text = text;
        journal_put(wp->inst->s->j, &rec, NULL, NULL);
    }
    status_kick(wp->inst);
}

static void task_failed(struct task *t, const cJSON *req)
{
    t->tolerated = governor_tolerates(t->inst, json_str(req, "host", ""));
    free(t->error);
    t->error = mem_printf("%s: %s", json_str(req, "host", t->object), json_str(req, "text", "no reason was given"));
    metrics_host_failed(t->inst);
    super_incident(t->inst->s, t->inst, json_str(req, "host", NULL), "STEP_FAILED", "%s", json_str(req, "text", ""));
}

static void on_done(struct wproc *wp, const cJSON *req)
{
    struct task *t = wp->task;
    const char *outcome = json_str(req, "outcome", "failed");

    wp->step_deadline_ms = 0;
    if (wp->membership) {
        member_done(wp->inst, strcmp(outcome, "done") == 0, req);
        return;
    }
    if (!t)
        return;
    if (strcmp(outcome, "done") == 0) {
        t->state = TASK_DONE;
        for (size_t i = 0; i < t->n_hosts; i++) {
            inst_host_need(t->inst, t->hosts[i])->finished = true;
            inst_host_need(t->inst, t->hosts[i])->disrupted = false;
            metrics_host_done(t->inst, inst_host_need(t->inst, t->hosts[i]));
        }
    } else if (strcmp(outcome, "superseded") == 0 && (t->inst->superseding || t->inst->s->stopping || wp->stopping)) {
        t->state = TASK_SUPERSEDED;
    } else {
        t->state = TASK_FAILED;
        task_failed(t, req);
    }
    governor_drop(wp);
    wp->task = NULL;
    t->wp = NULL;
    if (wp->proc)
        wp->inst->s->w->ops->kill(wp->inst->s->w, wp->proc);
    if (t->inst->s->stopping && t->state == TASK_SUPERSEDED) /* goes on after the next start, from the journal */
        return;
    op_task_over(t->inst, t);
}

static void on_frame(void *ctx, const struct frame *f)
{
    struct wproc *wp = ctx;
    struct err err = ERR_INIT;
    auto_json cJSON *req = json_parse(f->body, f->len, &err);

    wp->last_frame_ms = world_mono(wp->inst->s->w);
    if (!req) {
        link_kill(wp, "it sent something that is not JSON");
        return;
    }
    switch (f->type) {
    case MSG_RECORD:
        on_record(wp, f->seq, req);
        break;
    case MSG_PERMIT:
        governor_ask(wp, f->seq, req);
        break;
    case MSG_APPLY:
        apply_start(wp->inst, req, apply_answer, pending_new(wp, f->seq));
        break;
    case MSG_DELETE:
        apply_delete(wp->inst, req, apply_answer, pending_new(wp, f->seq));
        break;
    case MSG_MEMBER:
        member_ask(wp, f->seq, req);
        break;
    case MSG_CREDENTIALS:
        on_credentials(wp, f->seq);
        break;
    case MSG_PROGRESS:
        on_progress(wp, req);
        break;
    case MSG_INCIDENT:
        if (strcmp(json_str(req, "code", ""), "ROLLED_BACK") == 0)
            wp->inst->rolled_back_generation = wp->inst->generation;
        if (strcmp(json_str(req, "code", ""), "TAKEN_BACK") == 0)
            wp->inst->retried_generation = 0;
        super_incident(wp->inst->s, wp->inst, json_str(req, "host", NULL), json_str(req, "code", "INCIDENT"), "%s",
                       json_str(req, "text", ""));
        break;
    case MSG_DONE:
        on_done(wp, req);
        break;
    default:
        link_kill(wp, "it sent a message of an unknown type");
    }
}

static void on_closed(void *ctx, const char *why)
{
    struct wproc *wp = ctx;

    wp->chan = NULL;
    if (wp->task)
        log_info(wp->name, "worker: %s", why);
}

/* ---- life ---- */

static void retry(void *ctx)
{
    struct task *t = ctx;

    t->retry = NULL;
    op_run_ready_tasks(t->inst);
}

static void task_lost(struct task *t, int status)
{
    struct super *s = t->inst->s;

    t->wp = NULL;
    t->state = TASK_WAIT;
    if (s->stopping)
        return;
    super_incident(s, t->inst, NULL, "WORKER_DIED", "the worker of %s ended (status %d) and its task is taken up again",
                   t->object, status);
    if (++t->tries > TASK_TRIES) {
        t->state = TASK_FAILED;
        free(t->error);
        t->error = mem_printf("%s: its worker died %u times", t->object, t->tries);
        op_task_over(t->inst, t);
        return;
    }
    t->retry = world_timer(s->w, t->tries < 2 ? 0 : 100ull << t->tries, retry, t);
}

static void on_exit_status(void *ctx, int status)
{
    struct wproc *wp = ctx;
    struct super *s = wp->inst->s;
    struct inst *in = wp->inst;
    struct task *t = wp->task;
    bool membership = wp->membership;

    if (t)
        t->wp = NULL;
    governor_drop(wp);
    for (struct wproc **at = &s->wprocs; *at; at = &(*at)->next)
        if (*at == wp) {
            *at = wp->next;
            break;
        }
    s->n_workers--;
    in->pending--;
    if (membership && in->member_wp == wp)
        member_worker_gone(in);
    free(wp->name);
    free(wp);
    if (t)
        task_lost(t, status);
    op_run_ready_tasks(in);
    if (!inst_busy(in) && in->kicked)
        inst_kick(in, 0);
}

int link_start(struct inst *in, struct task *t, bool membership, struct err *err)
{
    static const struct world_chan_cbs cbs = {on_frame, on_closed};
    struct super *s = in->s;
    struct wproc *wp = mem_zero(sizeof *wp);
    auto_free char *lock = NULL;
    struct world_worker_args args;

    *wp = (struct wproc){.inst = in, .task = t, .membership = membership, .generation = ++s->worker_generation};
    wp->name = membership ? mem_printf("%s/membership", in->key) : mem_str(t->object);
    if (*s->opt.data_dir) {
        auto_free char *flat = mem_str(wp->name);

        for (char *p = flat; *p; p++)
            if (*p == '/')
                *p = '+';
        lock = mem_printf("%s/locks/%s", s->opt.data_dir, flat);
    }
    args = (struct world_worker_args){wp->name, wp->generation, lock ? lock : ""};
    wp->proc = s->w->ops->spawn(s->w, &args, &cbs, on_exit_status, wp, &wp->chan, err);
    if (!wp->proc) {
        free(wp->name);
        free(wp);
        return -1;
    }
    wp->next = s->wprocs;
    s->wprocs = wp;
    s->n_workers++;
    in->pending++;
    if (t)
        t->wp = wp;
    if (membership)
        in->member_wp = wp;
    link_send_task(wp);
    if (t && in->superseding && !in->s->stopping)
        link_stop(wp, "a newer generation", false);
    return 0;
}

void link_kill(struct wproc *wp, const char *why)
{
    struct super *s = wp->inst->s;

    if (wp->task)
        log_warn(wp->name, "worker is killed: %s", why);
    s->n_worker_kills++;
    if (wp->inst->member_wp == wp && wp->inst->state != INST_RUNNING) {
        wp->inst->member_wp = NULL;
        wp->inst->member_unknown |= wp->inst->member_running != 0;
        wp->inst->member_running = 0;
    }
    if (wp->proc)
        s->w->ops->kill(s->w, wp->proc);
}

/* Workers that hang: a step over its deadline, or silence. They speak twice in that time also while they wait for us.
 */
void link_watchdog(struct super *s)
{
    uint64_t now = world_mono(s->w);
    bool slept = s->watched_ms && now - s->watched_ms > WORKER_SILENT_MS / 2; /* it is we who did not listen */

    s->watched_ms = now;
    for (struct wproc *wp = s->wprocs, *next; wp; wp = next) {
        next = wp->next;
        if (!wp->proc || (!wp->task && !wp->membership))
            continue;
        if (slept)
            wp->last_frame_ms = now;
        if (wp->permits && wp->step_deadline_ms) /* it waits for us: its own time begins after that */
            wp->step_deadline_ms = now + wp->step_limit_ms;
        if (wp->step_deadline_ms && now > wp->step_deadline_ms) {
            super_incident(s, wp->inst, NULL, "WORKER_HANGS",
                           "the worker of %s passed the deadline of its step and is killed", wp->name);
            wp->step_deadline_ms = 0;
            link_kill(wp, "over the deadline of its step");
        } else if (wp->task && now > wp->last_frame_ms + WORKER_SILENT_MS) {
            super_incident(s, wp->inst, NULL, "WORKER_HANGS", "the worker of %s says nothing for %d s and is killed",
                           wp->name, WORKER_SILENT_MS / 1000);
            wp->last_frame_ms = now;
            link_kill(wp, "silent");
        }
    }
}
