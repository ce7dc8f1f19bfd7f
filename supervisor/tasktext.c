/* SPDX-License-Identifier: Apache-2.0 */
/* The text of MSG_TASK: what a worker is told of its task, of the hosts it is for, and of those beside them. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/link.h"

enum { FAR_PEERS = 12 };

/* ---- one host ---- */

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

/* What is said of every wanted host. */
static cJSON *known_host_json(const struct inst *in, const struct host *h)
{
    cJSON *j = cJSON_CreateObject();

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
    return j;
}

static cJSON *wanted_host_json(struct inst *in, const struct host *h)
{
    cJSON *j = known_host_json(in, h), *want = json_set_obj(j, "want");
    struct render_ctx c;
    struct err err = ERR_INIT;
    auto_free char *hash = NULL;

    desired_ctx(in, &c);
    hash = render_restart_hash(in->fleet, h, &c, &err);
    json_set_str(j, "service", h->service);
    json_set_str(j, "configmap", h->configmap);
    json_set_bool(j, "ephemeral", h->ephemeral);
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
    svc = inst_live(in, KUBE_SVC, sts);
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
    cJSON *j = known_host_json(in, h);
    const struct hostrec *rec = inst_host(in, h->key);

    json_set_bool(j, "member", rec && rec->want_in && rec->listed);
    return j;
}

/* ---- peers ---- */

/* Who must load a list: whoever runs and is in it or was in the one before, the host that joins included. */
static bool must_load(struct inst *in, const char *key)
{
    const struct host *h = fleet_host(in->fleet, key);
    const struct hostrec *rec = inst_host(in, key);

    if (!h || !rec || !(rec->listed || member_listed(in, h)))
        return false;
    return compare_pod_ready(hostfacts_pod(in, h->sts));
}

bool tasktext_has_host(const struct task *t, const char *key)
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

/* Who only asks every peer what it has loaded needs to know where that is: of a thousand hosts each word counts. */
static void keep_address(cJSON *peer)
{
    static const char *const unused[] = {"replica", "sts", "service", "configmap", "macro_replica", "member_index", "shard_replicas", "volumes"};
    cJSON *ports = json_get(peer, "ports"), *p = ports ? ports->child : NULL;

    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(peer, unused[i]);
    while (p) {
        cJSON *next = p->next;

        if (strcmp(p->string, "http") != 0 && strcmp(p->string, "https") != 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(ports, p));
        p = next;
    }
}

/* All of its own shards, and of others as many as somebody is asked of: who can lend a schema, or drop what a replica
 * left. A worker is to stay small in a fleet of any size. Keepers and the membership see all. */
static void add_peers(cJSON *out, const struct wproc *wp)
{
    struct inst *in = wp->inst;
    const struct task *t = wp->task;
    bool all = wp->membership || !t || in->group == GROUP_CHK;
    const struct cluster *cluster = NULL;
    unsigned far = 0, silent = 0;

    for (size_t i = 0; i < in->fleet->n_hosts; i++) {
        const struct host *h = in->fleet->hosts[i];
        cJSON *peer;

        if (t && !t->n_hosts && h->cluster != cluster) /* tasks of the whole know some of every cluster */
            far = silent = 0;
        cluster = h->cluster;

        if (tasktext_has_host(t, h->key))
            continue;
        if (!all && !near(t, h) && (must_load(in, h->key) ? far++ >= FAR_PEERS : silent++ >= FAR_PEERS / 4))
            continue;
        peer = peer_json(in, h);
        if (wp->membership)
            json_set_bool(peer, "member", must_load(in, h->key));
        cJSON_AddItemToArray(out, peer);
    }
    if (!wp->membership)
        return;
    add_leaving(out, in);
    for (cJSON *peer = out->child; peer; peer = peer->next)
        keep_address(peer);
}

/* ---- the whole ---- */

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
    const char *at = t ? t->object + inst_prefix(in) : "";

    for (size_t i = 0; *at == '/' && i < in->fleet->n_clusters; i++) {
        size_t n = strlen(in->fleet->clusters[i].name);

        if (strncmp(at + 1, in->fleet->clusters[i].name, n) == 0 && (at[1 + n] == '/' || !at[1 + n]))
            return &in->fleet->clusters[i];
    }
    return in->fleet->n_clusters ? &in->fleet->clusters[0] : NULL;
}

static void add_own_hosts(cJSON *out, struct inst *in, const struct task *t)
{
    for (size_t i = 0; t && i < t->n_hosts; i++) {
        cJSON *h = host_json(in, t->hosts[i]);

        json_set_str(h, "action", host_action_name(inst_host_need(in, t->hosts[i])->action));
        cJSON_AddItemToArray(out, h);
    }
}

static void add_membership(cJSON *out, const struct inst *in)
{
    cJSON *m = json_set_obj(out, "membership"), *list = json_set_arr(m, "listed");

    json_set_int(m, "generation", (int64_t)in->member_generation);
    for (size_t i = 0; i < in->n_member_list; i++)
        json_add_str(list, in->member_list[i]);
}

static void add_policies(cJSON *out, struct inst *in, const struct task *t)
{
    const struct fleet *f = in->fleet;
    const struct cluster *c = cluster_of(t, in);

    if (c)
        knobs_add(out, in, c);
    knobs_add_hooks(out, in, t);
    json_set_bool(out, "deleting", f->deleting);
    json_set_bool(out, "retains",
                  f->deleting && json_str(f->resource, "spec.defaults.storageManagement.reclaimPolicy", NULL) != NULL);
    if (desired_consent(in))
        json_set(out, "consent", json_copy(desired_consent(in)));
}

cJSON *tasktext_make(const struct wproc *wp)
{
    struct inst *in = wp->inst;
    struct task *t = wp->task;
    cJSON *j = cJSON_CreateObject();
    auto_free char *installation = mem_printf("%s/%s", in->ns, in->name);

    json_set_int(j, "operation", (int64_t)in->op);
    json_set_int(j, "task", t ? t->id : 0);
    json_set_int(j, "try", t ? t->tries : 0);
    json_set_str(j, "table", t ? t->table : "membership");
    json_set_str(j, "object", t ? t->object : in->key);
    json_set_str(j, "installation", installation);
    json_set_str(j, "kind", in->group == GROUP_CHI ? "chi" : "chk");
    add_own_hosts(json_set_arr(j, "hosts"), in, t);
    add_peers(json_set_arr(j, "peers"), wp);
    add_zookeeper(j, in->fleet);
    add_policies(j, in, t);
    if (wp->membership)
        add_membership(j, in);
    if (t && t->resume)
        json_set(j, "resume", json_copy(t->resume));
    return j;
}
