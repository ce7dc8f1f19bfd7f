/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/index.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/out.h"
#include "model/config.h"
#include "model/others.h"

enum { PORT_FIRST = 21000 }; /* for hosts that do not exist yet; the operator gives them their real ones */

static const enum kube_kind read_kinds[] = {KUBE_CHI, KUBE_CHK, KUBE_STS, KUBE_POD, KUBE_SVC, KUBE_CM,
                                            KUBE_PVC, KUBE_EPSLICE, KUBE_PDB};

struct live {
    struct fleet_api *a;
    char *ns, *blocked;
    const char **pod_ips; /* see ctx_pod_ips() */
    bool endpoints;
    cJSON *lists[KUBE_KINDS]; /* arrays of items */
    struct {                  /* where they are: thousands are looked for by name, each many times */
        struct index by_name;
        cJSON **items;
    } names[KUBE_KINDS];
    cJSON *secrets;           /* "ns/name" → Secret, null when there is none */
    cJSON *ports;             /* "service/proto" → port, for what is not there yet */
    cJSON *config, *file;     /* in force; of the file */
    struct {                  /* of the installation being planned */
        const char *label, *name;
        enum kube_kind kind;
        bool holding;
    } now;
};

/* ---- reading ---- */

/* Items of a list say neither kind nor apiVersion; the plan's functions look at both. */
static void name_items(enum kube_kind kind, cJSON *items)
{
    const struct kube_kind_info *info = kube_kind_info(kind);
    auto_free char *api = *info->group ? mem_printf("%s/%s", info->group, info->version) : mem_str(info->version);
    cJSON *item;

    cJSON_ArrayForEach(item, items) {
        json_set_str(item, "apiVersion", api);
        json_set_str(item, "kind", info->kind);
    }
}

static void forget_names(struct live *l, enum kube_kind kind)
{
    index_fini(&l->names[kind].by_name);
    free(l->names[kind].items);
    l->names[kind].items = NULL;
}

static void index_names(struct live *l, enum kube_kind kind)
{
    size_t n = 0, at;
    cJSON *item;

    l->names[kind].items = mem_array((size_t)cJSON_GetArraySize(l->lists[kind]) + 1, sizeof *l->names[kind].items);
    cJSON_ArrayForEach(item, l->lists[kind]) {
        if (!index_find(&l->names[kind].by_name, json_name(item), &at))
            index_add(&l->names[kind].by_name, json_name(item), n);
        l->names[kind].items[n++] = item;
    }
}

static int read_list(struct live *l, enum kube_kind kind, const char *ns, struct err *err)
{
    auto_json cJSON *list = api_list(l->a, kind, ns, NULL, err);

    if (!list)
        return -1;
    l->lists[kind] = cJSON_DetachItemFromObjectCaseSensitive(list, "items");
    if (!l->lists[kind])
        l->lists[kind] = cJSON_CreateArray();
    name_items(kind, l->lists[kind]);
    index_names(l, kind);
    return 0;
}

static void collect(const cJSON *array, const cJSON ***v, size_t *n)
{
    const cJSON *item;

    *n = 0;
    *v = mem_array((size_t)cJSON_GetArraySize(array) + 1, sizeof **v);
    cJSON_ArrayForEach(item, array)
        (*v)[(*n)++] = item;
}

static const char *ctx_secret(void *ctx, const char *ns, const char *name, const char *key);

/* The operator's login, where its configuration says in which Secret it is and we may read that; as the operator does it. */
static void read_login(struct live *l)
{
    const char *ns = json_str(l->config, "clickhouse.access.secret.namespace", "");
    const char *name = json_str(l->config, "clickhouse.access.secret.name", "");
    const char *user = *ns && *name ? ctx_secret(l, ns, name, "username") : NULL;
    const char *password = user ? ctx_secret(l, ns, name, "password") : NULL;
    cJSON *access = json_at(l->config, "clickhouse.access");

    if (!user || !*user || !password || !*password)
        return;
    json_set_str(access, "username", user);
    json_set_str(access, "password", password);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(json_name(*(const cJSON *const *)a), json_name(*(const cJSON *const *)b));
}

/* As the operator does it. */
static void make_config(struct live *l)
{
    auto_free const cJSON **resources = NULL;
    size_t n;

    collect(l->lists[KUBE_CHOPCONF], &resources, &n);
    qsort(resources, n, sizeof *resources, by_name);
    cJSON_Delete(l->config);
    l->config = config_effective(l->file, resources, n);
    read_login(l);
}

static const char *operator_of(const struct live *l)
{
    static const enum kube_kind kinds[] = {KUBE_CHI, KUBE_CHK};
    const cJSON *item;

    for (size_t i = 0; i < 2; i++)
        cJSON_ArrayForEach(item, l->lists[kinds[i]])
            if (json_str(item, "status.chfleet.operator", NULL))
                return json_str(item, "status.chfleet.operator", NULL);
    return NULL;
}

/* Templates count in all namespaces; who may read only this one plans with those of this one. */
static int read_templates(struct live *l, struct err *err)
{
    struct err ignored = ERR_INIT;

    return read_list(l, KUBE_CHIT, NULL, &ignored) == 0 ? 0 : read_list(l, KUBE_CHIT, l->ns, err);
}

/* In all namespaces, else in this one, else nothing is known. */
static void look_for_others(struct live *l)
{
    struct err ignored = ERR_INIT;
    auto_json cJSON *list = l->endpoints ? NULL : api_list(l->a, KUBE_DEPLOYMENT, NULL, NULL, &ignored);
    const cJSON *d;

    if (!list && !l->endpoints)
        list = api_list(l->a, KUBE_DEPLOYMENT, l->ns, NULL, &ignored);
    cJSON_ArrayForEach(d, json_get(list, "items"))
        if (!l->blocked && others_is(d) && others_replicas(d) && others_acts_in(d, l->ns))
            l->blocked = others_advice(d);
}

static int read_all(struct live *l, const char *operator_ns, const cJSON *config, struct err *err)
{
    auto_json cJSON *version = api_raw(l->a, "/version", err);

    if (!version)
        return -1;
    l->endpoints = str_eq(json_str(version, "platform", ""), "chfleet-plane");
    for (size_t i = 0; i < sizeof read_kinds / sizeof *read_kinds; i++)
        if (read_list(l, read_kinds[i], l->ns, err) < 0)
            return -1;
    if (!operator_ns)
        operator_ns = operator_of(l);
    if (read_templates(l, err) < 0 || (operator_ns && read_list(l, KUBE_CHOPCONF, operator_ns, err) < 0))
        return -1;
    l->file = json_copy(config);
    make_config(l);
    look_for_others(l);
    return 0;
}

int live_read(struct fleet_api *a, const char *ns, const char *operator_ns, const cJSON *config, struct live **out,
              struct err *err)
{
    struct live *l = mem_zero(sizeof *l);

    l->a = a;
    l->ns = mem_str(ns);
    l->secrets = cJSON_CreateObject();
    l->ports = cJSON_CreateObject();
    if (read_all(l, operator_ns, config, err) < 0) {
        live_free(l);
        return -1;
    }
    *out = l;
    return 0;
}

void live_free(struct live *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < KUBE_KINDS; i++) {
        forget_names(l, (enum kube_kind)i);
        cJSON_Delete(l->lists[i]);
    }
    cJSON_Delete(l->secrets);
    cJSON_Delete(l->ports);
    cJSON_Delete(l->config);
    cJSON_Delete(l->file);
    free(l->ns);
    free(l->blocked);
    free(l->pod_ips);
    free(l);
}

static cJSON *find(const struct live *l, enum kube_kind kind, const char *name)
{
    cJSON *item;
    size_t at;

    if (l->names[kind].items)
        return name && index_find(&l->names[kind].by_name, name, &at) ? l->names[kind].items[at] : NULL;
    cJSON_ArrayForEach(item, l->lists[kind])
        if (str_eq(json_name(item), name))
            return item;
    return NULL;
}

const cJSON *live_resource(const struct live *l, enum kube_kind kind, const char *name)
{
    return find(l, kind, name);
}

const cJSON *live_object(const struct live *l, enum kube_kind kind, const char *ns, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, l->lists[kind])
        if (str_eq(json_name(item), name) && str_eq(json_ns(item), ns))
            return item;
    return NULL;
}

const cJSON *live_list(const struct live *l, enum kube_kind kind)
{
    return l->lists[kind];
}

void live_replace(struct live *l, enum kube_kind kind, const cJSON *resource)
{
    cJSON *old = (cJSON *)live_object(l, kind, json_ns(resource), json_name(resource));

    forget_names(l, kind);
    if (!l->lists[kind] && kind == KUBE_CHOPCONF)
        l->lists[kind] = cJSON_CreateArray();
    if (old)
        cJSON_Delete(cJSON_DetachItemViaPointer(l->lists[kind], old));
    if (l->lists[kind])
        cJSON_AddItemToArray(l->lists[kind], json_copy(resource));
    if (kind == KUBE_CHOPCONF)
        make_config(l);
}

const char *live_blocked(const struct live *l)
{
    return l->blocked;
}

/* ---- addresses ---- */

static unsigned service_port(const cJSON *svc, const char *name)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_at(svc, "spec.ports"))
        if (str_eq(json_str(p, "name", ""), name))
            return (unsigned)json_int(p, "port", 0);
    return 0;
}

static unsigned give_port(void *ctx, const char *ns, const char *service, enum host_port proto, struct err *err)
{
    struct live *l = ctx;
    const char *name = host_port_names[proto];
    auto_free char *key = mem_printf("%s/%s", service, name);
    unsigned port = service_port(find(l, KUBE_SVC, service), name);

    (void)ns;
    (void)err;
    if (port)
        return port;
    if (!json_get(l->ports, key))
        json_set_int(l->ports, key, PORT_FIRST + cJSON_GetArraySize(l->ports));
    return (unsigned)json_get(l->ports, key)->valueint;
}

static int resolve(void *ctx, const char *ns, const char *name, unsigned port,
                   void (*emit)(void *emit_ctx, const char *host, unsigned port), void *emit_ctx)
{
    struct live *l = ctx;
    auto_free char *first = mem_strn(name, strcspn(name, "."));
    const cJSON *svc = find(l, KUBE_SVC, first), *one;
    const char *chk = json_label(svc, "clickhouse-keeper.altinity.com/chk");
    int n = 0;

    (void)ns;
    (void)port;
    if (svc && chk && str_starts(first, "keeper-")) {
        cJSON_ArrayForEach(one, l->lists[KUBE_SVC])
            if (str_eq(json_label(one, "clickhouse-keeper.altinity.com/chk"), chk) &&
                str_eq(json_label(one, "clickhouse-keeper.altinity.com/Service"), "host") && service_port(one, "zk")) {
                emit(emit_ctx, "127.0.0.1", service_port(one, "zk"));
                n++;
            }
        return n;
    }
    if (!svc || !service_port(svc, "zk"))
        return 0;
    emit(emit_ctx, "127.0.0.1", service_port(svc, "zk"));
    return 1;
}

/* ---- what rendering asks ---- */

static const char *ctx_version(void *ctx, const struct host *h)
{
    struct live *l = ctx;
    cJSON *sts = find(l, KUBE_STS, h->sts);
    const char *loaded = json_annotation(sts, "chfleet.io/loaded");
    auto_json cJSON *j = loaded ? json_parse(loaded, strlen(loaded), NULL) : NULL;

    if (!sts)
        return "";
    return json_set_str(sts, "chfleetRuns", json_str(j, "version", ""))->valuestring; /* lives as long as the picture */
}

static cJSON *secret(struct live *l, const char *ns, const char *name)
{
    auto_free char *key = mem_printf("%s/%s", ns, name);
    cJSON *have = json_get(l->secrets, key);
    struct err ignored = ERR_INIT; /* a missing Secret is told by what needs it */

    if (!have) {
        have = api_get(l->a, KUBE_SECRET, ns, name, &ignored);
        json_set(l->secrets, key, have ? have : cJSON_CreateNull());
    }
    return json_get(l->secrets, key);
}

static const char *ctx_secret(void *ctx, const char *ns, const char *name, const char *key)
{
    struct live *l = ctx;
    cJSON *s = secret(l, ns && *ns ? ns : l->ns, name), *decoded;
    const char *encoded = cJSON_GetStringValue(json_get(json_get(s, "data"), key));
    auto_free unsigned char *value = NULL;
    size_t n;

    if (!encoded || !(value = hash_unbase64(encoded, &n)))
        return NULL;
    decoded = json_need_obj(s, "decoded");
    if (!json_get(decoded, key))
        json_set_str(decoded, key, (const char *)value);
    return json_get(decoded, key)->valuestring;
}

static const cJSON *ctx_live(void *ctx, const char *kind, const char *name)
{
    struct live *l = ctx;
    int k = kube_kind_by_name(kind);
    const cJSON *o = k == KUBE_SECRET ? secret(l, l->ns, name) : k < 0 || !l->lists[k] ? NULL : find(l, (enum kube_kind)k, name);
    const char *owner = json_label(o, l->now.label);

    if (!cJSON_IsObject(o))
        return NULL;
    return owner && !str_eq(owner, l->now.name) ? NULL : o; /* another installation's: not there for this one */
}

/* For secrets that would be made: any value does, nothing of it is shown or kept. */
static void ctx_random(void *ctx, void *buf, size_t n)
{
    struct live *l = ctx;
    unsigned char *p = buf;

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)l->a->w->ops->random(l->a->w);
}

#define HELD_FILE "chop-generated-settings_common.xml"

/* While image and settings change together, a host that has its own copy of the common settings keeps it. */
static const char *ctx_held(void *ctx, const struct host *h)
{
    struct live *l = ctx;

    return cJSON_GetStringValue(json_get(json_get(find(l, KUBE_CM, h->configmap), "data"), HELD_FILE));
}

static bool is_holding(const struct live *l, const struct fleet *f)
{
    for (size_t i = 0; i < f->n_hosts; i++)
        if (json_get(json_get(find(l, KUBE_CM, f->hosts[i]->configmap), "data"), HELD_FILE))
            return true;
    return false;
}

static int each_object(void *ctx, const char *kind, int (*fn)(void *fn_ctx, const cJSON *obj), void *fn_ctx)
{
    struct live *l = ctx;
    int k = kube_kind_by_name(kind), rc = 0;
    const cJSON *obj;

    if (k < 0 || !l->lists[k])
        return 0;
    cJSON_ArrayForEach(obj, l->lists[k])
        if (rc == 0 && str_eq(json_label(obj, l->now.label), l->now.name))
            rc = fn(fn_ctx, obj);
    return rc;
}

/* ---- the plan ---- */

static int make_fleet(struct live *l, const cJSON *resource, struct fleet **out, struct err *err)
{
    struct addressing addressing = {.endpoints = l->endpoints, .port = give_port, .resolve = resolve, .ctx = l};
    auto_free const cJSON **templates = NULL, **keepers = NULL;
    struct fleet_input in = {.resource = resource, .config = l->config, .addressing = &addressing};

    collect(l->lists[KUBE_CHIT], &templates, &in.n_templates);
    collect(l->lists[KUBE_CHK], &keepers, &in.n_keepers);
    in.templates = templates;
    in.keepers = keepers;
    return fleet_make(&in, out, err);
}

/* Whose host has this StatefulSet name, other than ours? By the live object; else by what another one plans. */
static const char *other_owner(void *ctx, const struct host *h)
{
    struct live *l = ctx;
    const char *owner = json_label(find(l, KUBE_STS, h->sts), l->now.label);
    const cJSON *other;

    if (owner)
        return str_eq(owner, l->now.name) ? NULL : owner;
    cJSON_ArrayForEach(other, l->lists[l->now.kind]) {
        auto_fleet struct fleet *f = NULL;
        struct err ignored = ERR_INIT; /* its own plan tells it */

        if (!str_eq(json_name(other), l->now.name) && make_fleet(l, other, &f, &ignored) == 0 && fleet_has_sts(f, h->sts))
            return json_name(other);
    }
    return NULL;
}

/* As the operator does it. */
static const char *const *ctx_pod_ips(void *ctx)
{
    struct live *l = ctx;
    const cJSON *pod;
    size_t n = 0;

    if (l->endpoints)
        return NULL;
    cJSON_ArrayForEach(pod, l->lists[KUBE_POD]) {
        const char *ip = json_str(pod, "status.podIP", "");

        if (!*ip || !str_eq(json_label(pod, l->now.label), l->now.name))
            continue;
        l->pod_ips = mem_grow(l->pod_ips, n + 2, sizeof *l->pod_ips);
        l->pod_ips[n++] = ip;
        l->pod_ips[n] = NULL;
    }
    return n ? l->pod_ips : NULL;
}

/* Who may lead next only operators know; what they noted stands with the file. NULL: only one. */
static cJSON *noted_operators(struct live *l, enum kube_kind kind, const char *name)
{
    auto_free char *users = mem_printf("chi-%s-common-usersd", name);
    const char *noted = kind == KUBE_CHI ? json_annotation(find(l, KUBE_CM, users), RENDER_OPERATOR_IPS) : NULL;
    cJSON *out = noted ? cJSON_CreateArray() : NULL;

    for (const char *p = noted; p && *p; p += strspn(p, ",")) {
        auto_free char *one = mem_strn(p, strcspn(p, ","));

        json_add_str(out, one);
        p += strlen(one);
    }
    return out;
}

int live_plan(struct live *l, enum kube_kind kind, const char *name, struct plan **out, struct err *err)
{
    const cJSON *resource = find(l, kind, name);
    char now[32];
    auto_fleet struct fleet *f = NULL;
    struct facts_source source = {each_object, l};
    struct facts *facts = NULL;
    struct render_ctx ctx = {.operator_ip = json_str(resource, "status.chop-ip", "127.0.0.1"),
                             .now = now,
                             .random = ctx_random,
                             .version = ctx_version,
                             .secret = ctx_secret,
                             .live = ctx_live,
                             .pod_ips = ctx_pod_ips,
                             .ctx = l};
    auto_json cJSON *operators = noted_operators(l, kind, name);
    int rc;

    out_rfc3339(world_wall(l->a->w), now, sizeof now);
    ctx.operator_ips = operators;
    ctx.operator_ip = operators ? NULL : ctx.operator_ip;
    if (!resource)
        return err_set(err, ERR_MISSING, 0, "there is no %s %s in namespace %s", kube_kind_info(kind)->kind, name, l->ns);
    l->now.label = kind == KUBE_CHI ? "clickhouse.altinity.com/chi" : "clickhouse-keeper.altinity.com/chk";
    l->now.name = name;
    l->now.kind = kind;
    if (render_check_version(resource, err) < 0 || make_fleet(l, resource, &f, err) < 0 || fleet_check_owners(f, other_owner, l, err) < 0)
        return -1;
    ctx.holding = is_holding(l, f);
    ctx.held_settings = ctx.holding ? ctx_held : NULL;
    if (facts_make(f, &ctx, &source, &facts, err) < 0)
        return -1;
    rc = plan_make(f, facts, out, err);
    facts_free(facts);
    return rc;
}
