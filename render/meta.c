/* SPDX-License-Identifier: Apache-2.0 */
/* Labels, annotations and owners, as the peer's objects have them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "render/internal.h"

enum { LABEL_LONGEST = 63 };

struct place place_cr(const struct fleet *f)
{
    return (struct place){.f = f};
}

struct place place_cluster(const struct cluster *c)
{
    return (struct place){.f = c->fleet, .c = c};
}

struct place place_shard(const struct shard *s)
{
    return (struct place){.f = s->cluster->fleet, .c = s->cluster, .s = s};
}

struct place place_host(const struct host *h)
{
    return (struct place){.f = h->cluster->fleet, .c = h->cluster, .s = h->shard, .h = h};
}

const char *meta_group(const struct fleet *f)
{
    return f->kind == FLEET_KEEPER ? "clickhouse-keeper.altinity.com" : "clickhouse.altinity.com";
}

char *meta_key(const struct fleet *f, const char *name)
{
    return mem_printf("%s/%s", meta_group(f), name);
}

const cJSON *ctx_live(const struct render_ctx *c, const char *kind, const char *name)
{
    return c->live ? c->live(c->ctx, kind, name) : NULL;
}

bool ctx_listed(const struct render_ctx *c, const struct host *h)
{
    return !c->listed || c->listed(c->ctx, h);
}

static void set_label(const struct fleet *f, cJSON *labels, const char *name, const char *value)
{
    auto_free char *key = meta_key(f, name);
    size_t n = strlen(value), from = 0;
    auto_free char *cut = NULL;

    if (n > LABEL_LONGEST)
        n = LABEL_LONGEST;
    while (n > from && strchr("-_.", value[n - 1]))
        n--;
    while (from < n && strchr("-_.", value[from]))
        from++;
    cut = mem_strn(value + from, n - from);
    json_set_str(labels, key, cut);
}

cJSON *meta_selector(const struct place *p, bool ready)
{
    cJSON *l = cJSON_CreateObject();

    set_label(p->f, l, "namespace", p->f->ns);
    set_label(p->f, l, "app", "chop");
    set_label(p->f, l, p->f->kind == FLEET_KEEPER ? "chk" : "chi", p->f->name);
    if (p->c)
        set_label(p->f, l, "cluster", p->c->name);
    if (p->s)
        set_label(p->f, l, "shard", p->s->name);
    if (p->h)
        set_label(p->f, l, "replica", p->h->replica_name);
    if (ready)
        set_label(p->f, l, "ready", "yes");
    return l;
}

static void set_number(const struct fleet *f, cJSON *labels, const char *name, unsigned n)
{
    auto_free char *text = mem_printf("%u", n);

    set_label(f, labels, name, text);
}

/* Scope labels, when the operator configuration asks for them. Cycles are never closed: size 0, index 0. */
static void scope_labels(const struct place *p, cJSON *labels)
{
    const char *own = p->f->kind == FLEET_KEEPER ? "chk" : "chi";
    struct {
        const char *prefix;
        unsigned index;
    } scopes[] = {{own, p->h->chi_index}, {"cluster", p->h->cluster_index}};

    set_number(p->f, labels, "shardScopeIndex", p->h->replica_index);
    set_number(p->f, labels, "replicaScopeIndex", p->h->shard_index);
    for (size_t i = 0; i < 2; i++) {
        auto_free char *index = mem_printf("%sScopeIndex", scopes[i].prefix);
        auto_free char *size = mem_printf("%sScopeCycleSize", scopes[i].prefix);
        auto_free char *cycle = mem_printf("%sScopeCycleIndex", scopes[i].prefix);
        auto_free char *offset = mem_printf("%sScopeCycleOffset", scopes[i].prefix);

        set_number(p->f, labels, index, scopes[i].index);
        set_number(p->f, labels, size, 0);
        set_number(p->f, labels, cycle, 0);
        set_number(p->f, labels, offset, scopes[i].index);
    }
}

void meta_expand_into(const struct place *p, cJSON *to, const cJSON *from)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, from) {
        auto_free char *key = fleet_macros(p->f, p->c, p->s, p->h, v->string);
        auto_free char *value = NULL;

        if (!cJSON_IsString(v))
            continue;
        value = fleet_macros(p->f, p->c, p->s, p->h, v->valuestring);
        json_set_str(to, key, value);
    }
}

/* Do the operator configuration's filters let this key of the resource through? Our own annotations are commands to the
 * operator and never travel: in a pod template they would restart it. */
static bool travels(const struct fleet *f, const char *what, const char *key)
{
    const cJSON *rules = json_get(f->config, what);
    const cJSON *include = json_get(rules, "include"), *exclude = json_get(rules, "exclude");

    if (str_starts(key, "chfleet.io/") || strcmp(key, "kubectl.kubernetes.io/last-applied-configuration") == 0)
        return false;
    return (cJSON_GetArraySize(include) == 0 || json_has(include, key)) && !json_has(exclude, key);
}

static cJSON *filtered(const struct fleet *f, const char *what, const cJSON *map)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *v;

    cJSON_ArrayForEach(v, map)
        if (travels(f, what, v->string))
            json_set(out, v->string, json_copy(v));
    return out;
}

cJSON *meta_labels(const struct place *p, const char *kind, const char *value)
{
    cJSON *l = meta_selector(p, false);
    auto_json cJSON *own = filtered(p->f, "label", p->f->labels);

    if (p->h && config_bool(p->f->config, "label.appendScope", false))
        scope_labels(p, l);
    if (kind)
        set_label(p->f, l, kind, value);
    meta_expand_into(p, l, own);
    return l;
}

cJSON *meta_annotations(const struct place *p)
{
    cJSON *a = cJSON_CreateObject();
    auto_json cJSON *own = filtered(p->f, "annotation", p->f->annotations);

    meta_expand_into(p, a, own);
    return a;
}

static cJSON *owner(const struct fleet *f)
{
    cJSON *o = cJSON_CreateObject();
    auto_free char *api = mem_printf("%s/v1", meta_group(f));

    json_set_str(o, "apiVersion", api);
    json_set_str(o, "kind", f->kind == FLEET_KEEPER ? "ClickHouseKeeperInstallation" : "ClickHouseInstallation");
    json_set_str(o, "name", f->name);
    json_set_str(o, "uid", f->uid);
    json_set_bool(o, "controller", true);
    json_set_bool(o, "blockOwnerDeletion", true);
    return o;
}

cJSON *meta_object(const struct place *p, const char *api, const char *kind, const char *name, cJSON *labels,
                   bool owned)
{
    cJSON *o = cJSON_CreateObject(), *m;
    cJSON *annotations = meta_annotations(p);

    json_set_str(o, "apiVersion", api);
    json_set_str(o, "kind", kind);
    m = json_set_obj(o, "metadata");
    json_set_str(m, "name", name);
    json_set_str(m, "namespace", p->f->ns);
    json_set(m, "labels", labels);
    json_set(m, "annotations", annotations);
    if (owned)
        cJSON_AddItemToArray(json_set_arr(m, "ownerReferences"), owner(p->f));
    return o;
}

void meta_note_keys(const struct place *p, cJSON *object)
{
    cJSON *m = json_get(object, "metadata");
    const cJSON *v;
    auto_str struct str keys = STR_INIT;

    cJSON_ArrayForEach(v, json_get(m, "labels"))
        if (!str_starts(v->string, meta_group(p->f)))
            str_addf(&keys, "%s%s", keys.len ? " " : "", v->string);
    cJSON_ArrayForEach(v, json_get(m, "annotations"))
        if (!str_starts(v->string, meta_group(p->f)) && !str_starts(v->string, "chfleet.io/"))
            str_addf(&keys, "%s%s", keys.len ? " " : "", v->string);
    if (keys.len)
        json_set_str(json_need_obj(m, "annotations"), RENDER_KEYS, keys.s);
    else if (!json_get(m, "annotations")->child)
        cJSON_DeleteItemFromObjectCaseSensitive(m, "annotations");
}

int render_check_version(const cJSON *resource, struct err *err)
{
    const char *pin = json_annotation(resource, "chfleet.io/render");
    char *end;
    unsigned long v = pin ? strtoul(pin, &end, 10) : RENDER_VERSION;

    if (v >= 1 && v <= RENDER_VERSION && (!pin || !*end))
        return 0;
    return err_set(err, ERR_INPUT, 0,
                   "the annotation chfleet.io/render asks for rendering version \"%s\", and this chfleet has 1 to %d: run the "
                   "chfleet that wrote it, or correct the annotation",
                   pin, RENDER_VERSION);
}
