/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/targets.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "exporter/target.h"
#include "model/config.h"
#include "model/spaces.h"

enum {
    GATHER_MS = 100,        /* changes that come together are looked at together */
    LOGIN_EVERY_MS = 60000, /* the Secret may be changed at any time */
    LOGIN_SOON_MS = 5000,
    NEW_HOST_MS = 600000, /* one that did not serve for so long is down, not new */
    PORT_UNKNOWN = 1,     /* a host whose Service is not there yet: nobody listens there */
    DAY_MS = 86400000,
};

enum { WATCH_CHI, WATCH_CHIT, WATCH_CHK, WATCH_STS, WATCH_SVC, WATCH_CONF, WATCHES };

/* User and password for the installations of one namespace. */
struct login {
    struct login *next;
    struct targets *t;
    char *ns, *user, *password;
    bool known; /* an answer came, be it that there is no such Secret */
    struct kube_call *call;
    uint64_t asked_ms;
};

struct watch_ctx {
    struct targets *t;
    int which;
};

struct targets {
    struct world *w;
    struct kube *k;
    char *operator_ns;
    cJSON *file, *config;       /* configuration: of the file; effective */
    char **namespaces, **exclude; /* of the options; NULL: as the configuration says */
    struct spaces *spaces;
    bool endpoints, discovered;
    struct kube_cache *cache[WATCHES];
    struct watch_ctx ctx[WATCHES];
    struct world_timer *timer, *login_timer;
    struct target **all; /* in order of ns, name */
    size_t n;
    struct login *logins;
};

static void rebuild(void *ctx);
static void login_start(struct login *l);

static void kick(struct targets *t)
{
    if (!t->timer)
        t->timer = world_timer(t->w, GATHER_MS, rebuild, t);
}

/* ---- watches ---- */

static void drop(cJSON *obj, const char *key)
{
    cJSON_DeleteItemFromObjectCaseSensitive(obj, key);
}

static void compact_resource(cJSON *obj)
{
    drop(obj, "status");
    drop(json_at(obj, "metadata.annotations"), "kubectl.kubernetes.io/last-applied-configuration");
}

static void compact_sts(cJSON *obj)
{
    int64_t replicas = json_int(obj, "spec.replicas", 1), ready = json_int(obj, "status.readyReplicas", 0);
    cJSON *meta = json_get(obj, "metadata"), *annotations = json_get(meta, "annotations");
    bool loaded = json_get(annotations, "chfleet.io/loaded") != NULL;

    drop(meta, "annotations");
    drop(meta, "ownerReferences");
    json_set_int(json_set_obj(obj, "spec"), "replicas", replicas);
    json_set_int(json_set_obj(obj, "status"), "readyReplicas", ready);
    json_set_bool(json_get(obj, "status"), "loaded", loaded);
}

static void compact_svc(cJSON *obj)
{
    cJSON *ports = cJSON_DetachItemFromObjectCaseSensitive(json_get(obj, "spec"), "ports");

    drop(obj, "status");
    drop(json_get(obj, "metadata"), "annotations");
    drop(json_get(obj, "metadata"), "ownerReferences");
    json_set(json_set_obj(obj, "spec"), "ports", ports ? ports : cJSON_CreateArray());
}

static void changed(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    const struct watch_ctx *c = ctx;

    (void)old;
    (void)obj;
    (void)what;
    if (c->which != WATCH_STS) /* looked up when a page is asked for */
        kick(c->t);
}

static void watch(struct targets *t, int which, enum kube_kind kind, const char *selector, kube_compact_fn *compact)
{
    const char *const *names = spaces_names(t->spaces); /* one watch in each needs no rights elsewhere */

    t->ctx[which] = (struct watch_ctx){t, which};
    if (names && names[0] && names[1])
        t->cache[which] = kube_watch_several(t->k, kind, names, selector, compact, changed, &t->ctx[which]);
    else
        t->cache[which] = kube_watch(t->k, kind, names ? names[0] : NULL, selector, compact, changed, &t->ctx[which]);
}

/* ---- configuration ---- */

struct item_list {
    const cJSON **v;
    size_t n;
};

static int add_item(void *ctx, const cJSON *obj)
{
    struct item_list *list = ctx;

    list->v = mem_grow(list->v, list->n + 1, sizeof *list->v);
    list->v[list->n++] = obj;
    return 0;
}

/* File and resources over what is built in. A namespace list that cannot be read leaves the old one in force. */
static int read_config(struct targets *t, struct err *err)
{
    struct item_list list = {NULL, 0};
    struct spaces *spaces;

    if (t->cache[WATCH_CONF])
        kube_cache_each(t->cache[WATCH_CONF], add_item, &list);
    cJSON_Delete(t->config);
    t->config = config_effective(t->file, list.v, list.n);
    free(list.v);
    if (spaces_new(t->config, (const char *const *)t->namespaces, (const char *const *)t->exclude, &spaces, err) < 0)
        return -1;
    spaces_free(t->spaces);
    t->spaces = spaces;
    return 0;
}

/* ---- login ---- */

static char *secret_text(const cJSON *secret, const char *key)
{
    size_t n;
    const char *encoded = json_str(json_get(secret, "data"), key, NULL);

    return encoded ? (char *)hash_unbase64(encoded, &n) : NULL;
}

static void login_answered(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct login *l = ctx;
    auto_free char *user = NULL, *password = NULL;

    l->call = NULL;
    if (err && status != 404 && status != 403) {
        log_info(NULL, "login for namespace %s: %s", l->ns, err->msg);
        return; /* what was known counts on */
    }
    user = secret_text(obj, "username");
    password = secret_text(obj, "password");
    if (user && password && *user && *password) {
        free(l->user);
        free(l->password);
        l->user = user;
        l->password = password;
        user = password = NULL;
    } else if (!l->known && status == 403) {
        log_warn(NULL, "login for namespace %s: %s; the one of the configuration is used", l->ns, err->msg);
    }
    l->known = true;
}

static void login_start(struct login *l)
{
    struct targets *t = l->t;
    const char *name = json_str(t->config, "clickhouse.access.secret.name", "");
    const char *ns = json_str(t->config, "clickhouse.access.secret.namespace", "");

    if (l->call)
        return;
    l->asked_ms = world_mono(t->w);
    if (!*name) {
        l->known = true;
        return;
    }
    if (!*ns)
        ns = t->operator_ns ? t->operator_ns : l->ns;
    l->call = kube_get(t->k, KUBE_SECRET, ns, name, login_answered, l);
}

static struct login *login_of(struct targets *t, const char *ns)
{
    struct login *l = t->logins;

    while (l && strcmp(l->ns, ns) != 0)
        l = l->next;
    if (l)
        return l;
    l = mem_zero(sizeof *l);
    l->t = t;
    l->ns = mem_str(ns);
    l->next = t->logins;
    t->logins = l;
    login_start(l);
    return l;
}

static void logins_due(void *ctx)
{
    struct targets *t = ctx;

    t->login_timer = world_timer(t->w, LOGIN_EVERY_MS, logins_due, t);
    for (struct login *l = t->logins; l; l = l->next)
        login_start(l);
}

void targets_refused(struct targets *t, const struct target *of)
{
    struct login *l = login_of(t, of->ns);

    if (world_mono(t->w) - l->asked_ms > LOGIN_SOON_MS)
        login_start(l);
}

/* ---- from resources to hosts ---- */

static unsigned service_port(void *ctx, const char *ns, const char *service, enum host_port proto, struct err *err)
{
    struct targets *t = ctx;
    const cJSON *svc = kube_cache_get(t->cache[WATCH_SVC], ns, service), *p;

    (void)err;
    cJSON_ArrayForEach(p, json_at(svc, "spec.ports"))
        if (str_eq(json_str(p, "name", ""), host_port_names[proto]))
            return (unsigned)json_int(p, "port", PORT_UNKNOWN);
    return PORT_UNKNOWN;
}

/* Nothing is rendered here: addresses of Keepers may stay as they are written. */
static int keep_as_written(void *ctx, const char *ns, const char *name, unsigned port,
                           void (*emit)(void *emit_ctx, const char *host, unsigned port), void *emit_ctx)
{
    (void)ctx;
    (void)ns;
    (void)name;
    (void)port;
    (void)emit;
    (void)emit_ctx;
    return 0;
}

struct making {
    struct targets *t;
    struct item_list templates, keepers;
    struct addressing addressing;
    struct target **made;
    size_t n;
};

static struct target *find(struct targets *t, const char *ns, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->all[i]->ns, ns) == 0 && strcmp(t->all[i]->name, name) == 0)
            return t->all[i];
    return NULL;
}

static int make_one(void *ctx, const cJSON *resource)
{
    struct making *m = ctx;
    struct targets *t = m->t;
    struct target *old = find(t, json_ns(resource), json_name(resource));
    struct fleet_input in = {.resource = resource,
                             .templates = m->templates.v,
                             .n_templates = m->templates.n,
                             .keepers = m->keepers.v,
                             .n_keepers = m->keepers.n,
                             .config = t->config,
                             .addressing = &m->addressing};
    auto_fleet struct fleet *f = NULL;
    struct err err = ERR_INIT;
    struct target *made;

    if (!spaces_has(t->spaces, json_ns(resource)))
        return 0;
    if (fleet_make(&in, &f, &err) < 0) {
        log_warn(NULL, "%s/%s: %s; %s", json_ns(resource), json_name(resource), err.msg,
                 old ? "its hosts of before stay" : "its hosts are not known");
        made = old ? target_ref(old) : NULL;
    } else {
        made = target_make(f, old);
    }
    if (!made)
        return 0;
    m->made = mem_grow(m->made, m->n + 1, sizeof *m->made);
    m->made[m->n++] = made;
    login_of(t, made->ns);
    return 0;
}

static bool usable(const struct kube_cache *c)
{
    return c && (kube_cache_synced(c) || kube_cache_problem(c));
}

static void rebuild(void *ctx)
{
    struct targets *t = ctx;
    struct making m = {.t = t,
                       .addressing = {.endpoints = t->endpoints, .port = service_port, .resolve = keep_as_written, .ctx = t}};
    struct err err = ERR_INIT;

    t->timer = NULL;
    if (read_config(t, &err) < 0)
        log_error(NULL, "%s; the namespaces of before stay", err.msg);
    if (!t->cache[WATCH_CHI] || !kube_cache_synced(t->cache[WATCH_CHI]) ||
        (t->cache[WATCH_SVC] && !kube_cache_synced(t->cache[WATCH_SVC])))
        return;
    if (!usable(t->cache[WATCH_CHIT]) || !usable(t->cache[WATCH_CHK]) || (t->cache[WATCH_CONF] && !usable(t->cache[WATCH_CONF]))) {
        t->timer = world_timer(t->w, GATHER_MS, rebuild, t); /* without their kinds they never say that they are complete */
        return;
    }
    kube_cache_each(t->cache[WATCH_CHIT], add_item, &m.templates);
    kube_cache_each(t->cache[WATCH_CHK], add_item, &m.keepers);
    kube_cache_each(t->cache[WATCH_CHI], make_one, &m);
    for (size_t i = 0; i < t->n; i++)
        target_unref(t->all[i]);
    free(t->all);
    t->all = m.made ? m.made : mem_array(1, sizeof *t->all);
    t->n = m.n;
    free(m.templates.v);
    free(m.keepers.v);
}

/* ---- life ---- */

static void discover(void *ctx);

static void discovered(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct targets *t = ctx;

    (void)status;
    if (err) {
        log_warn(NULL, "API server: %s; trying again in 1 s", err->msg);
        t->timer = world_timer(t->w, 1000, discover, t);
        return;
    }
    t->endpoints = strcmp(json_str(obj, "platform", ""), "chfleet-plane") == 0;
    t->discovered = true;
    watch(t, WATCH_CHI, KUBE_CHI, NULL, compact_resource);
    watch(t, WATCH_CHIT, KUBE_CHIT, NULL, compact_resource);
    watch(t, WATCH_CHK, KUBE_CHK, NULL, compact_resource);
    watch(t, WATCH_STS, KUBE_STS, "clickhouse.altinity.com/app=chop", compact_sts);
    if (t->endpoints)
        watch(t, WATCH_SVC, KUBE_SVC, "clickhouse.altinity.com/app=chop", compact_svc);
    if (t->operator_ns) {
        t->ctx[WATCH_CONF] = (struct watch_ctx){t, WATCH_CONF};
        t->cache[WATCH_CONF] = kube_watch(t->k, KUBE_CHOPCONF, t->operator_ns, NULL, NULL, changed, &t->ctx[WATCH_CONF]);
    }
}

static void discover(void *ctx)
{
    struct targets *t = ctx;

    t->timer = NULL;
    kube_raw(t->k, "GET", "/version", NULL, NULL, discovered, t);
}

static char **copy_list(const char *const *list)
{
    size_t n = 0;
    char **out;

    while (list && list[n])
        n++;
    if (!n)
        return NULL;
    out = mem_array(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = mem_str(list[i]);
    return out;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

int targets_new(struct world *w, struct kube *k, const struct targets_options *opt, struct targets **out, struct err *err)
{
    struct targets *t = mem_zero(sizeof *t);

    t->w = w;
    t->k = k;
    t->operator_ns = mem_str(opt->operator_ns);
    t->file = json_copy(opt->config);
    t->namespaces = copy_list(opt->namespaces);
    t->exclude = copy_list(opt->exclude);
    if (read_config(t, err) < 0) {
        targets_free(t);
        return -1;
    }
    t->timer = world_timer(w, 0, discover, t);
    t->login_timer = world_timer(w, LOGIN_EVERY_MS, logins_due, t);
    *out = t;
    return 0;
}

void targets_set_config(struct targets *t, const cJSON *config)
{
    cJSON_Delete(t->file);
    t->file = json_copy(config);
    if (t->discovered)
        kick(t);
}

void targets_free(struct targets *t)
{
    if (!t)
        return;
    world_timer_stop(t->w, &t->timer);
    world_timer_stop(t->w, &t->login_timer);
    for (int i = 0; i < WATCHES; i++)
        if (t->cache[i])
            kube_watch_stop(t->cache[i]);
    for (struct login *l = t->logins, *next; l; l = next) {
        next = l->next;
        if (l->call)
            kube_cancel(l->call);
        free(l->ns);
        free(l->user);
        free(l->password);
        free(l);
    }
    for (size_t i = 0; i < t->n; i++)
        target_unref(t->all[i]);
    free(t->all);
    cJSON_Delete(t->file);
    cJSON_Delete(t->config);
    spaces_free(t->spaces);
    free_list(t->namespaces);
    free_list(t->exclude);
    free(t->operator_ns);
    free(t);
}

/* ---- asking ---- */

bool targets_ready(const struct targets *t, const char **why)
{
    *why = !t->discovered                                                        ? "the API server has not answered yet"
           : !t->cache[WATCH_STS] || !kube_cache_synced(t->cache[WATCH_STS])      ? "StatefulSets are not listed yet"
           : !t->all                                                              ? "installations are not listed yet"
                                                                                  : "ok";
    for (struct login *l = t->logins; l && strcmp(*why, "ok") == 0; l = l->next)
        if (!l->known)
            *why = "the login is not known yet";
    return strcmp(*why, "ok") == 0;
}

size_t targets_count(const struct targets *t)
{
    return t->n;
}

struct target *targets_at(const struct targets *t, size_t i)
{
    return i < t->n ? t->all[i] : NULL;
}

bool targets_wanted(const struct targets *t, const struct target *of, const struct target_host *h)
{
    const cJSON *sts = t->cache[WATCH_STS] ? kube_cache_get(t->cache[WATCH_STS], of->ns, h->sts) : NULL;
    int64_t made = kube_time_parse(json_str(sts, "metadata.creationTimestamp", ""));

    if (!sts || json_int(sts, "spec.replicas", 1) == 0)
        return false;
    return json_int(sts, "status.readyReplicas", 0) > 0 || json_bool(sts, "status.loaded", false) || h->version_known ||
           (int64_t)world_wall(t->w) - made > NEW_HOST_MS;
}

static uint32_t seconds(const struct targets *t, const char *path, int64_t dflt)
{
    int64_t s = json_int(t->config, path, dflt);

    return (uint32_t)((s < 1 ? dflt : s * 1000 > DAY_MS ? DAY_MS / 1000 : s) * 1000);
}

bool targets_access(struct targets *t, const struct target *of, struct target_access *out)
{
    const struct login *l = login_of(t, of->ns);
    const char *ca = json_str(t->config, "clickhouse.access.rootCA", "");

    *out = (struct target_access){
        .scheme = json_str(t->config, "clickhouse.access.scheme", "auto"),
        .user = l->user ? l->user : json_str(t->config, "clickhouse.access.username", "clickhouse_operator"),
        .password = l->password ? l->password : json_str(t->config, "clickhouse.access.password", ""),
        .trust = {.ca = *ca ? ca : NULL, .insecure = !*ca},
        .connect_ms = seconds(t, "clickhouse.access.timeouts.connect", 1),
        .query_ms = seconds(t, "clickhouse.access.timeouts.query", 4),
    };
    return l->known;
}

uint32_t targets_collect_ms(const struct targets *t)
{
    return seconds(t, "clickhouse.metrics.timeouts.collect", 9);
}

cJSON *targets_list(const struct targets *t)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < t->n; i++)
        cJSON_AddItemToArray(list, target_json(t->all[i]));
    return list;
}
