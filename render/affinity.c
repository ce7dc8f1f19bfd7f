/* SPDX-License-Identifier: Apache-2.0 */
/* Zones and pod distribution: shortcuts of the resource, written out as the affinity of a pod. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "render/internal.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

static void add_once(cJSON *list, cJSON *item)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
        if (json_same(v, item)) {
            cJSON_Delete(item);
            return;
        }
    cJSON_AddItemToArray(list, item);
}

static cJSON *need_arr(cJSON *o, const char *key)
{
    cJSON *v = json_get(o, key);

    return cJSON_IsArray(v) ? v : json_set_arr(o, key);
}

static void zone(const struct host *h, cJSON *affinity)
{
    const cJSON *z = json_get(h->pod_template, "zone"), *values = json_get(z, "values"), *v;
    const char *key = json_str(z, "key", "");
    cJSON *terms, *rule, *item;

    if (cJSON_GetArraySize(values) == 0)
        return;
    terms = need_arr(json_need_obj(json_need_obj(affinity, "nodeAffinity"), REQUIRED), "nodeSelectorTerms");
    item = cJSON_CreateObject();
    rule = cJSON_CreateObject();
    json_set_str(rule, "key", *key ? key : "topology.kubernetes.io/zone");
    json_set_str(rule, "operator", "In");
    cJSON *list = json_set_arr(rule, "values");
    cJSON_ArrayForEach(v, values)
        if (cJSON_IsString(v))
            json_add_str(list, v->valuestring);
    cJSON_AddItemToArray(json_set_arr(item, "matchExpressions"), rule);
    add_once(terms, item);
}

/* Labels that bound a rule to a part of the fleet. */
static void scope_labels(const struct host *h, const char *scope, cJSON *labels)
{
    static const struct {
        const char *scope, *labels;
    } scopes[] = {
        {"Shard", "namespace cr cluster shard"},
        {"Replica", "namespace cr cluster replica"},
        {"Cluster", "namespace cr cluster"},
        {"ClickHouseInstallation", "namespace cr"},
        {"Namespace", "namespace"},
    };
    auto_json cJSON *all = NULL;
    struct place p = place_host(h);
    const char *names = "";

    all = meta_selector(&p, false);
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        if (strcmp(scopes[i].scope, scope) == 0)
            names = scopes[i].labels;
    while (*names) {
        size_t n = strcspn(names, " ");
        auto_free char *name = mem_strn(names, n);
        auto_free char *key =
            meta_key(p.f, strcmp(name, "cr") == 0 ? (p.f->kind == FLEET_KEEPER ? "chk" : "chi") : name);

        json_set(labels, key, json_copy(json_get(all, key)));
        names += n + (names[n] == ' ');
    }
}

/* "chi" in the rules below stands for the installation, whatever its kind. */
static char *own_key(const struct host *h, const char *name)
{
    const struct fleet *f = h->cluster->fleet;

    return meta_key(f, f->kind == FLEET_KEEPER && strcmp(name, "chi") == 0 ? "chk" : name);
}

static char *own_value(const struct host *h, const char *macro)
{
    const struct fleet *f = h->cluster->fleet;

    return fleet_macros(f, NULL, NULL, h, f->kind == FLEET_KEEPER && strcmp(macro, "{chi}") == 0 ? "{chk}" : macro);
}

static void own_label(const struct host *h, cJSON *labels, const char *name, const char *macro)
{
    auto_free char *key = own_key(h, name);
    auto_free char *value = own_value(h, macro);

    json_set_str(labels, key, value);
}

enum effect { ANTI_REQUIRED, ANTI_NOT_IN, NEAR_PREFERRED, NEAR_BOTH };

struct rule {
    const char *type;
    enum effect effect;
    const char *label, *macro;
    bool scoped; /* bounded by its scope */
    bool cluster_by_default;
};

static const struct rule rules[] = {
    {"ClickHouseAntiAffinity", ANTI_REQUIRED, "app", "chop", true, true},
    {"ShardAntiAffinity", ANTI_REQUIRED, "shard", "{shard}", true, true},
    {"ReplicaAntiAffinity", ANTI_REQUIRED, "replica", "{replica}", true, true},
    {"MaxNumberPerNode", ANTI_REQUIRED, "clusterScopeCycleIndex", "{clusterScopeCycleIndex}", true, false},
    {"AnotherNamespaceAntiAffinity", ANTI_NOT_IN, "namespace", "{namespace}", false, false},
    {"AnotherClickHouseInstallationAntiAffinity", ANTI_NOT_IN, "chi", "{chi}", false, false},
    {"AnotherClusterAntiAffinity", ANTI_NOT_IN, "cluster", "{cluster}", false, false},
    {"NamespaceAffinity", NEAR_PREFERRED, "namespace", "{namespace}", false, false},
    {"ClickHouseInstallationAffinity", NEAR_PREFERRED, "chi", "{chi}", false, false},
    {"ClusterAffinity", NEAR_PREFERRED, "cluster", "{cluster}", false, false},
    {"ShardAffinity", NEAR_PREFERRED, "shard", "{shard}", false, false},
    {"ReplicaAffinity", NEAR_PREFERRED, "replica", "{replica}", false, false},
    {"PreviousTailAffinity", NEAR_BOTH, "clusterScopeIndex", "{clusterScopeCycleHeadPointsToPreviousCycleTail}", false,
     false},
};

static cJSON *match_labels(const struct host *h, const struct rule *r, const char *scope)
{
    cJSON *selector = cJSON_CreateObject(), *labels = json_set_obj(selector, "matchLabels");

    own_label(h, labels, r->label, r->macro);
    if (r->scoped)
        scope_labels(h, scope, labels);
    return selector;
}

static cJSON *match_not_in(const struct host *h, const struct rule *r)
{
    cJSON *selector = cJSON_CreateObject(), *e = cJSON_CreateObject();
    auto_free char *key = own_key(h, r->label);
    auto_free char *value = own_value(h, r->macro);

    json_set_str(e, "key", key);
    json_set_str(e, "operator", "NotIn");
    json_add_str(json_set_arr(e, "values"), value);
    cJSON_AddItemToArray(json_set_arr(selector, "matchExpressions"), e);
    return selector;
}

static cJSON *term(cJSON *selector, const char *topology)
{
    cJSON *t = cJSON_CreateObject();

    json_set(t, "labelSelector", selector);
    json_set_str(t, "topologyKey", topology);
    return t;
}

static void prefer(cJSON *near, cJSON *t)
{
    cJSON *w = cJSON_CreateObject();

    json_set_int(w, "weight", 1);
    json_set(w, "podAffinityTerm", t);
    add_once(need_arr(near, PREFERRED), w);
}

static void apply(const struct host *h, cJSON *affinity, const struct rule *r, const char *scope, const char *topology)
{
    if (!*scope && r->cluster_by_default)
        scope = "Cluster";
    switch (r->effect) {
    case ANTI_REQUIRED:
        add_once(need_arr(json_need_obj(affinity, "podAntiAffinity"), REQUIRED),
                 term(match_labels(h, r, scope), topology));
        break;
    case ANTI_NOT_IN:
        add_once(need_arr(json_need_obj(affinity, "podAntiAffinity"), REQUIRED), term(match_not_in(h, r), topology));
        break;
    case NEAR_BOTH:
        add_once(need_arr(json_need_obj(affinity, "podAffinity"), REQUIRED), term(match_labels(h, r, scope), topology));
        /* fall through */
    case NEAR_PREFERRED:
        prefer(json_need_obj(affinity, "podAffinity"), term(match_labels(h, r, scope), topology));
        break;
    }
}

static void apply_named(const struct host *h, cJSON *affinity, const char *type, const char *scope,
                        const char *topology)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].type, type) == 0)
            apply(h, affinity, &rules[i], scope, topology);
}

static void distribution(const struct host *h, cJSON *affinity, const cJSON *d)
{
    static const char *const circular[] = {"ShardAntiAffinity", "ReplicaAntiAffinity",
                                           "MaxNumberPerNode",  "PreviousTailAffinity",
                                           "NamespaceAffinity", "ClickHouseInstallationAffinity",
                                           "ClusterAffinity"};
    const char *type = json_str(d, "type", ""), *scope = json_str(d, "scope", "");
    const char *topology = json_str(d, "topologyKey", "");

    if (!*topology)
        topology = "kubernetes.io/hostname";
    if (strcmp(scope, "Unspecified") == 0)
        scope = "";
    if (strcmp(type, "CircularReplication") == 0) {
        /* the peer leaves topologyKey empty here, which the API server refuses */
        for (size_t i = 0; i < sizeof circular / sizeof *circular; i++)
            apply_named(h, affinity, circular[i], i < 3 && !*scope ? "Cluster" : scope, topology);
        return;
    }
    apply_named(h, affinity, type, scope, topology);
}

/* Macros in what the template itself says: selector values and topology keys. */
static void expand_texts(const struct host *h, cJSON *v)
{
    cJSON *child;

    if (cJSON_IsString(v) && strchr(v->valuestring, '{')) {
        auto_free char *text = fleet_macros(h->cluster->fleet, NULL, NULL, h, v->valuestring);

        cJSON_SetValuestring(v, text);
    }
    cJSON_ArrayForEach(child, v)
        expand_texts(h, child);
}

void affinity_add(const struct host *h, cJSON *pod_spec)
{
    const cJSON *d;
    cJSON *affinity = json_get(pod_spec, "affinity");

    if (!cJSON_IsObject(affinity))
        affinity = cJSON_CreateObject();
    else
        affinity = cJSON_DetachItemViaPointer(pod_spec, affinity);
    expand_texts(h, affinity);
    zone(h, affinity);
    cJSON_ArrayForEach(d, json_get(h->pod_template, "podDistribution"))
        distribution(h, affinity, d);
    if (affinity->child)
        json_set(pod_spec, "affinity", affinity);
    else
        cJSON_Delete(affinity);
}
