/* SPDX-License-Identifier: Apache-2.0 */
/* What an installation asks for, from the caches: fleet, facts, the render context, addresses and ports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

enum { PORTS_MAX = 12000 }; /* how far above the base ports are tried */

const char *desired_owner_label(const struct inst *in)
{
    return in->group == GROUP_CHI ? "clickhouse.altinity.com/chi" : "clickhouse-keeper.altinity.com/chk";
}

/* ---- ports of the endpoints addressing ---- */

static const cJSON *any_of(const struct super *s, enum kube_kind kind, const char *ns, const char *name)
{
    const cJSON *o = super_get(s, GROUP_CHI, kind, ns, name);

    return o ? o : super_get(s, GROUP_CHK, kind, ns, name);
}

static unsigned live_port(const cJSON *svc, const char *name)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_at(svc, "spec.ports"))
        if (strcmp(json_str(p, "name", ""), name) == 0)
            return (unsigned)json_int(p, "port", 0);
    return 0;
}

struct used_ctx {
    unsigned port;
    bool used;
};

static int port_used(void *ctx, const cJSON *svc)
{
    struct used_ctx *u = ctx;
    const cJSON *p;

    cJSON_ArrayForEach(p, json_at(svc, "spec.ports"))
        u->used |= (unsigned)json_int(p, "port", 0) == u->port;
    return u->used;
}

static bool port_taken(struct super *s, unsigned port)
{
    struct used_ctx u = {port, false};
    const cJSON *svc, *p;

    cJSON_ArrayForEach(svc, s->ports)
        cJSON_ArrayForEach(p, svc)
            if ((unsigned)p->valuedouble == port)
                return true;
    for (int g = 0; g < GROUPS && !u.used; g++)
        kube_cache_each(super_cache(s, (enum owner_group)g, KUBE_SVC), port_used, &u);
    return u.used || !s->w->ops->port_free(s->w, port);
}

/* Did the server of this host end because another program has the port? Only its own words count, as the plane tells
 * them: a port that is in use is mostly in use by the server itself. */
static bool port_lost(struct super *s, const char *ns, const char *service, unsigned port)
{
    auto_free char *pod = mem_printf("%s-0", service), *words = mem_printf("port %u is used by another process", port);
    const cJSON *c = json_at(any_of(s, KUBE_POD, ns, pod), "status.containerStatuses.0");
    const char *why = json_str(c, "lastState.terminated.message", json_str(c, "state.terminated.message", ""));

    return strstr(why, words) && !json_bool(c, "ready", false) && !s->w->ops->port_free(s->w, port);
}

/* A port that was given out for a host without a server yet, and is taken by somebody else meanwhile. */
static bool port_gone(struct super *s, const char *ns, const char *service, unsigned port)
{
    return !any_of(s, KUBE_STS, ns, service) && !s->w->ops->port_free(s->w, port);
}

/* The live Service tells the port of a host; one that was given out but is not in a Service yet is remembered. */
static unsigned give_port(void *ctx, const char *ns, const char *service, enum host_port proto, struct err *err)
{
    struct super *s = ctx;
    const char *name = host_port_names[proto];
    auto_free char *key = mem_printf("%s/%s", ns, service);
    unsigned port = live_port(any_of(s, KUBE_SVC, ns, service), name);
    cJSON *given = json_need_obj(s->ports, key);
    unsigned start = (unsigned)json_int(s->ports, "next", s->opt.port_base);

    if (!port && (port = (unsigned)json_int(given, name, 0)) && port_gone(s, ns, service, port))
        port = 0;
    if (port && port_lost(s, ns, service, port)) {
        log_warn(service, "port %u (%s) is used by another program: the host gets another one", port, name);
        port = 0;
    }
    for (unsigned i = 0; !port && i < PORTS_MAX; i++) {
        unsigned p = s->opt.port_base + (start - s->opt.port_base + i) % PORTS_MAX;

        if (!port_taken(s, p)) {
            port = p;
            json_set_int(s->ports, "next", p + 1);
        }
    }
    if (!port) {
        err_set(err, ERR_SYS, 0,
                "no free port between %u and %u for %s %s: free some, or start chfleetd with another --port-base",
                s->opt.port_base, s->opt.port_base + PORTS_MAX, service, name);
        return 0;
    }
    json_set_int(given, name, port);
    return port;
}

struct resolve_ctx {
    struct super *s;
    const char *ns, *name; /* of the keeper installation, when the name is its Service */
    void (*emit)(void *emit_ctx, const char *host, unsigned port);
    void *emit_ctx;
    int n;
};

static int emit_keeper_host(void *ctx, const cJSON *svc)
{
    struct resolve_ctx *r = ctx;
    const char *chk = json_label(svc, "clickhouse-keeper.altinity.com/chk");
    const char *what = json_label(svc, "clickhouse-keeper.altinity.com/Service");
    unsigned port = live_port(svc, "zk");

    if (chk && what && strcmp(what, "host") == 0 && strcmp(chk, r->name) == 0 && strcmp(json_ns(svc), r->ns) == 0 &&
        port) {
        r->emit(r->emit_ctx, "127.0.0.1", port);
        r->n++;
    }
    return 0;
}

static int resolve(void *ctx, const char *ns, const char *name, unsigned port,
                   void (*emit)(void *emit_ctx, const char *host, unsigned port), void *emit_ctx)
{
    struct super *s = ctx;
    auto_free char *first = mem_strn(name, strcspn(name, "."));
    const char *dot = strchr(name, '.');
    auto_free char *in_ns = dot ? mem_strn(dot + 1, strcspn(dot + 1, ".")) : mem_str(ns);
    const cJSON *svc = super_get(s, GROUP_CHK, KUBE_SVC, in_ns, first);
    struct resolve_ctx r = {s, in_ns, NULL, emit, emit_ctx, 0};

    (void)port;
    if (svc && (r.name = json_label(svc, "clickhouse-keeper.altinity.com/chk")) && str_starts(first, "keeper-")) {
        kube_cache_each(super_cache(s, GROUP_CHK, KUBE_SVC), emit_keeper_host, &r);
        return r.n;
    }
    if (svc && live_port(svc, "zk")) {
        emit(emit_ctx, "127.0.0.1", live_port(svc, "zk"));
        return 1;
    }
    return 0;
}

void desired_addressing(struct super *s, struct addressing *a)
{
    *a = (struct addressing){.endpoints = s->endpoints, .port = give_port, .resolve = resolve, .ctx = s};
}

/* ---- fleet ---- */

struct collect {
    const cJSON **v;
    size_t n;
    const struct super *s;
};

static int collect(void *ctx, const cJSON *obj)
{
    struct collect *c = ctx;

    if (c->s && !super_watches(c->s, json_ns(obj)))
        return 0;

    c->v = mem_grow(c->v, c->n + 1, sizeof *c->v);
    c->v[c->n++] = obj;
    return 0;
}

static const char *ctx_secret(void *ctx, const char *ns, const char *name, const char *key);

/* ---- how we log in to the databases ---- */

const char *desired_access_ns(const struct inst *in)
{
    const char *ns = json_str(in->s->config, "clickhouse.access.secret.namespace", "");

    return *ns ? ns : in->s->opt.lease_ns ? in->s->opt.lease_ns : in->ns;
}

/* The Secret's name and password count where it has both; users' files are made with them. */
static cJSON *config_with_login(struct inst *in)
{
    const char *secret = json_str(in->s->config, "clickhouse.access.secret.name", "");
    const char *user = *secret ? ctx_secret(in, desired_access_ns(in), secret, "username") : NULL;
    const char *password = *secret ? ctx_secret(in, desired_access_ns(in), secret, "password") : NULL;
    cJSON *config = json_copy(in->s->config), *access;

    if (user && *user && password && *password) {
        access = json_need_obj(json_need_obj(config, "clickhouse"), "access");
        json_set_str(access, "username", user);
        json_set_str(access, "password", password);
    }
    return config;
}

/* All that count now: those of the start where the configuration says ReadOnStart. */
static void each_template(const struct super *s, int (*fn)(void *ctx, const cJSON *obj), void *ctx)
{
    const cJSON *t;

    if (strcasecmp(json_str(s->config, "template.chi.policy", ""), "ReadOnStart") != 0) {
        kube_cache_each(s->chit, fn, ctx);
        return;
    }
    cJSON_ArrayForEach(t, s->first_templates)
        fn(ctx, t);
}

static int make_fleet(struct inst *in, const cJSON *resource, struct fleet **out, struct err *err)
{
    struct collect templates = {NULL, 0, in->s}, keepers = {NULL, 0, NULL};
    struct addressing a;
    auto_json cJSON *config = config_with_login(in);
    struct fleet_input input = {.resource = resource, .config = config, .addressing = &a};
    int rc;

    desired_addressing(in->s, &a);
    each_template(in->s, collect, &templates);
    kube_cache_each(in->s->chk, collect, &keepers);
    input.templates = templates.v;
    input.n_templates = templates.n;
    input.keepers = keepers.v;
    input.n_keepers = keepers.n;
    rc = fleet_make(&input, out, err);
    free(templates.v);
    free(keepers.v);
    return rc;
}

static bool lacks_secret(const struct inst *in)
{
    const cJSON *secret;

    cJSON_ArrayForEach(secret, in->secrets)
        if (cJSON_IsNull(secret))
            return true;
    return false;
}

/*
 * What is deleted must go, though its spec is wrong or what it refers to went before it: then without the part that
 * cannot be understood. Hosts are found by their objects, and volumes say by their labels what becomes of them.
 */
static int fleet_to_delete(struct inst *in, struct fleet **out, struct err *err)
{
    static const char *const parts[] = {"users", "profiles", "quotas", "settings", "files", "zookeeper", "clusters"};
    auto_json cJSON *resource = json_copy(super_resource(in));
    cJSON *spec = json_get(resource, "spec"), *configuration = json_get(spec, "configuration");
    struct err why = ERR_INIT;

    if (lacks_secret(in))
        cJSON_DeleteItemFromObjectCaseSensitive(configuration, "users");
    if (make_fleet(in, resource, out, &why) == 0)
        return 0;
    log_warn(in->key, "is being deleted with a spec that is wrong (%s): Keeper entries may stay", why.msg);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(configuration, parts[i]);
        if (make_fleet(in, resource, out, err) == 0)
            return 0;
    }
    json_set_obj(resource, "spec");
    return make_fleet(in, resource, out, err);
}

/* Whose host has this StatefulSet name, other than ours? By the live object; else by what another one plans. */
static const char *other_owner(void *ctx, const struct host *h)
{
    const struct inst *in = ctx;
    const cJSON *sts = inst_live(in, KUBE_STS, h->sts);
    const char *owner = sts ? json_label(sts, desired_owner_label(in)) : NULL;

    if (owner)
        return strcmp(owner, in->name) != 0 ? owner : NULL;
    for (const struct inst *other = in->s->insts; other; other = other->next)
        if (other != in && !other->gone && other->group == in->group && other->fleet && strcmp(other->ns, in->ns) == 0 &&
            fleet_has_sts(other->fleet, h->sts))
            return other->name;
    return NULL;
}

int desired_fleet(struct inst *in, struct fleet **out, struct err *err)
{
    const cJSON *resource = super_resource(in);

    if (!resource)
        return err_set(err, ERR_MISSING, 0, "%s: the resource is gone", in->key);
    if (json_at(resource, "metadata.deletionTimestamp"))
        return fleet_to_delete(in, out, err);
    if (render_check_version(resource, err) < 0 || make_fleet(in, resource, out, err) < 0)
        return -1;
    if (fleet_check_owners(*out, other_owner, in, err) == 0)
        return 0;
    fleet_free(*out);
    *out = NULL;
    return -1;
}

/* spec.chfleet.consent, as long as it holds; NULL. */
const cJSON *desired_consent(struct inst *in)
{
    const cJSON *consent = in->fleet ? in->fleet->consent : NULL;
    const char *until = json_str(consent, "until", "");
    struct render_ctx c;

    desired_ctx(in, &c);
    return consent && (!*until || strcmp(c.now, until) < 0) ? consent : NULL;
}

/* ---- render context ---- */

static const char *ctx_version(void *ctx, const struct host *h)
{
    struct inst *in = ctx;
    struct hostrec *rec = inst_host_need(in, h->key);

    free(rec->version);
    rec->version = desired_version(in, h->sts);
    return rec->version;
}

char *desired_version(const struct inst *in, const char *sts)
{
    const char *loaded = json_annotation(inst_live(in, KUBE_STS, sts), "chfleet.io/loaded");
    auto_json cJSON *j = loaded ? json_parse(loaded, strlen(loaded), NULL) : NULL;

    return mem_str(json_str(j, "version", ""));
}

static const char *secret_value(const cJSON *secret, const char *key)
{
    const cJSON *v = json_get(json_get(secret, "data"), key);

    return cJSON_IsString(v) ? v->valuestring : NULL;
}

/* The decoded value stays in the Secret's copy under "decoded", so that the pointer lives as long as the copy. */
static const char *ctx_secret(void *ctx, const char *ns, const char *name, const char *key)
{
    struct inst *in = ctx;
    auto_free char *id = mem_printf("%s/%s", ns && *ns ? ns : in->ns, name);
    cJSON *secret = json_get(in->secrets, id), *decoded;
    const char *b64;
    size_t n = 0;

    if (!cJSON_IsObject(secret))
        return NULL;
    decoded = json_need_obj(secret, "decoded");
    if (json_get(decoded, key))
        return json_get(decoded, key)->valuestring;
    b64 = secret_value(secret, key);
    if (b64) {
        auto_free unsigned char *value = hash_unbase64(b64, &n);

        return value ? json_set_str(decoded, key, (const char *)value)->valuestring : NULL;
    }
    return NULL;
}

/* An object of that name that another installation made is not there for this one: nobody changes or deletes it by
 * mistake. */
static const cJSON *ctx_live(void *ctx, const char *kind, const char *name)
{
    struct inst *in = ctx;
    int k = kube_kind_by_name(kind);
    const cJSON *o = k < 0 ? NULL : inst_live(in, (enum kube_kind)k, name);
    const char *owner = o ? json_label(o, desired_owner_label(in)) : NULL;

    return owner && strcmp(owner, in->name) != 0 ? NULL : o;
}

/* A host whose turn has come gets the new text, one that waits keeps what it has. */
static const char *ctx_held(void *ctx, const struct host *h)
{
    struct inst *in = ctx;
    struct hostrec *rec = inst_host_need(in, h->key);
    const cJSON *cm = inst_live(in, KUBE_CM, h->configmap);
    const cJSON *own = json_get(json_get(cm, "data"), "chop-generated-settings_common.xml");

    if (!in->holding)
        return NULL;
    if (rec->held_back && in->held_old)
        return in->held_old;
    if (rec->held_turn)
        return in->held_new;
    return cJSON_IsString(own) ? own->valuestring : in->held_old;
}

static void ctx_random(void *ctx, void *buf, size_t n)
{
    struct inst *in = ctx;
    unsigned char *p = buf;

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)in->s->w->ops->random(in->s->w);
}

static void time_text(uint64_t wall_ms, char *buf, size_t size)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int add_pod_ip(void *ctx, const cJSON *pod)
{
    struct inst *in = ctx;
    const char *ip = json_str(pod, "status.podIP", "");

    if (!*ip || !str_eq(json_label(pod, desired_owner_label(in)), in->name) || !str_eq(json_ns(pod), in->ns))
        return 0;
    in->pod_ips = mem_grow(in->pod_ips, in->n_pod_ips + 2, sizeof *in->pod_ips);
    in->pod_ips[in->n_pod_ips++] = ip;
    in->pod_ips[in->n_pod_ips] = NULL;
    return 0;
}

/* Good until the cache changes. On one machine all have the address of the machine, which stands in the file anyway. */
static const char *const *ctx_pod_ips(void *ctx)
{
    struct inst *in = ctx;

    in->n_pod_ips = 0;
    if (in->s->endpoints)
        return NULL;
    kube_cache_each(super_cache(in->s, in->group, KUBE_POD), add_pod_ip, in);
    return in->n_pod_ips ? in->pod_ips : NULL;
}

void desired_ctx(struct inst *in, struct render_ctx *c)
{
    time_text(world_wall(in->s->w), in->now, sizeof in->now);
    *c = (struct render_ctx){.now = in->now,
                             .random = ctx_random,
                             .operator_ip = in->s->opt.operator_ip,
                             .operator_ips = in->s->lease ? kube_lease_addresses(in->s->lease) : NULL,
                             .listed = member_listed,
                             .membership_generation = in->member_generation,
                             .version = ctx_version,
                             .secret = ctx_secret,
                             .pod_ips = ctx_pod_ips,
                             .live = ctx_live,
                             .held_settings = ctx_held,
                             .holding = in->holding,
                             .ctx = in};
    if (in->holding && in->fleet && !in->held_new)
        in->held_new = render_common_settings_file(in->fleet, c);
}

/* ---- facts ---- */

struct each_ctx {
    struct inst *in;
    int (*fn)(void *fn_ctx, const cJSON *obj);
    void *fn_ctx;
};

static int each_of_inst(void *ctx, const cJSON *obj)
{
    struct each_ctx *e = ctx;
    const char *label = json_label(obj, desired_owner_label(e->in));

    if (!label || strcmp(label, e->in->name) != 0 || strcmp(json_ns(obj), e->in->ns) != 0)
        return 0;
    return e->fn(e->fn_ctx, obj);
}

static int facts_each(void *ctx, const char *kind, int (*fn)(void *fn_ctx, const cJSON *obj), void *fn_ctx)
{
    struct each_ctx e = {ctx, fn, fn_ctx};
    int k = kube_kind_by_name(kind);
    struct kube_cache *c = k < 0 ? NULL : super_cache(e.in->s, e.in->group, (enum kube_kind)k);

    return c ? kube_cache_each(c, each_of_inst, &e) : 0;
}

/* Facts are compared with what all joined hosts should see, so membership is left out of the context here. */
int desired_facts(struct inst *in, const struct fleet *f, struct facts **out, struct err *err)
{
    struct facts_source src = {facts_each, in};
    struct render_ctx c;

    desired_ctx(in, &c);
    c.listed = NULL;
    if (facts_make(f, &c, &src, out, err) < 0)
        return -1;
    for (size_t i = 0; in->retried_generation == f->generation && i < (*out)->n_hosts; i++)
        if ((*out)->hosts[i].gave_up == f->generation)
            (*out)->hosts[i].gave_up = -1;
    if (f->task_id && journal_task_id_done(in->s->j, in->key, f->task_id, NULL)) {
        struct facts *facts = *out;

        facts->task_ids = mem_grow(facts->task_ids, facts->n_task_ids + 1, sizeof *facts->task_ids);
        facts->task_ids[facts->n_task_ids++] = mem_str(f->task_id);
    }
    return 0;
}

/* ---- Secrets that users are made from: read by name, never watched ---- */

struct secret_read {
    struct inst *in;
    char *id;
};

static void secret_read(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct secret_read *r = ctx;
    struct inst *in = r->in;

    in->pending--;
    in->secrets_waiting--;
    if (status == 404 || !err)
        json_set(in->secrets, r->id, err ? cJSON_CreateNull() : json_copy(obj));
    else
        inst_set_error(in, "WAIT_API", "%s", err->msg); /* not absent, only not known: nothing is planned without it */
    free(r->id);
    free(r);
    if (!in->secrets_waiting)
        inst_kick(in, err && status != 404 ? 1000 : 0);
}

static void need_secret(struct inst *in, const char *ns, const char *name)
{
    auto_free char *id = mem_printf("%s/%s", ns, name);
    struct secret_read *r;

    if (json_get(in->secrets, id))
        return;
    r = mem_zero(sizeof *r);
    *r = (struct secret_read){in, mem_str(id)};
    in->pending++;
    in->secrets_waiting++;
    kube_get(in->s->kube, KUBE_SECRET, ns, name, secret_read, r);
}

/* "[ns/]secret/key", or {"valueFrom":{"secretKeyRef":{"name","key"}}}. */
static void need_address(struct inst *in, const cJSON *v)
{
    if (cJSON_IsString(v)) {
        const char *a = strchr(v->valuestring, '/'), *b = a ? strchr(a + 1, '/') : NULL;
        auto_free char *first = mem_strn(v->valuestring, a ? (size_t)(a - v->valuestring) : 0);
        auto_free char *second = b ? mem_strn(a + 1, (size_t)(b - a) - 1) : NULL;

        if (a)
            need_secret(in, b ? first : in->ns, b ? second : first);
    } else if (json_str(v, "valueFrom.secretKeyRef.name", NULL)) {
        need_secret(in, in->ns, json_str(v, "valueFrom.secretKeyRef.name", ""));
    }
}

static void walk_users(struct inst *in, const cJSON *users)
{
    const cJSON *u;

    cJSON_ArrayForEach(u, users) {
        const char *slash = strrchr(u->string, '/');

        if (str_starts(slash ? slash + 1 : u->string, "k8s_secret_password"))
            need_address(in, u);
    }
}

static int walk_template(void *ctx, const cJSON *t)
{
    walk_users(ctx, json_at(t, "spec.configuration.users"));
    return 0;
}

void desired_forget_missing(struct inst *in)
{
    cJSON *next;

    for (cJSON *v = in->secrets->child; v; v = next) {
        next = v->next;
        if (cJSON_IsNull(v))
            cJSON_Delete(cJSON_DetachItemViaPointer(in->secrets, v));
    }
}

void desired_need_secrets(struct inst *in)
{
    const char *access = json_str(in->s->config, "clickhouse.access.secret.name", NULL);
    const cJSON *t;

    walk_users(in, json_at(super_resource(in), "spec.configuration.users"));
    if (in->group == GROUP_CHI)
        each_template(in->s, walk_template, in);
    cJSON_ArrayForEach(t, json_at(in->s->config, "template.chi.content"))
        if (in->group == GROUP_CHI)
            walk_template(in, t);
    if (access && *access)
        need_secret(in, desired_access_ns(in), access);
}
