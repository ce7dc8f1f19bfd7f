/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates laid over each other, with the peer's surprises: in some sections the later layer wins, in others the
 * earlier one. Layers: auto templates by namespace and name, the templates the resource asks for in its order, the
 * resource.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/fleet_build.h"

static bool empty(const cJSON *v)
{
    if (!v || cJSON_IsNull(v) || (cJSON_IsString(v) && !*v->valuestring))
        return true;
    return (cJSON_IsArray(v) || cJSON_IsObject(v)) && !v->child;
}

/* Non-empty values of `from` replace; maps are merged, lists replaced. */
static void put_over(cJSON *to, const cJSON *from)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, from) {
        cJSON *old = json_get(to, v->string);

        if (empty(v) && old)
            continue;
        if (cJSON_IsObject(v) && cJSON_IsObject(old))
            put_over(old, v);
        else
            json_set(to, v->string, json_copy(v));
    }
}

/* Only what `to` lacks. */
static void fill(cJSON *to, const cJSON *from)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, from) {
        cJSON *old = json_get(to, v->string);

        if (cJSON_IsObject(v) && cJSON_IsObject(old))
            fill(old, v);
        else if (empty(old))
            json_set(to, v->string, json_copy(v));
    }
}

static void append(cJSON *to, const char *key, const cJSON *list, bool once)
{
    cJSON *have = cJSON_IsArray(json_get(to, key)) ? json_get(to, key) : json_set_arr(to, key);
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
        if (!once || !cJSON_IsString(v) || !json_has(have, v->valuestring))
            cJSON_AddItemToArray(have, json_copy(v));
}

/* As fill, but lists merge by index and `env` is joined: what the peer does to pod templates of one name. */
static void fill_by_index(cJSON *to, const cJSON *from)
{
    const cJSON *v;
    int i = 0;

    if (cJSON_IsArray(to)) {
        cJSON_ArrayForEach(v, from) {
            cJSON *old = cJSON_GetArrayItem(to, i++);

            if (!old)
                cJSON_AddItemToArray(to, json_copy(v));
            else if (cJSON_IsObject(old) && cJSON_IsObject(v))
                fill_by_index(old, v);
        }
        return;
    }
    cJSON_ArrayForEach(v, from) {
        cJSON *old = json_get(to, v->string);

        if (strcmp(v->string, "env") == 0 && cJSON_IsArray(old))
            append(to, "env", v, false);
        else if ((cJSON_IsObject(v) && cJSON_IsObject(old)) || (cJSON_IsArray(v) && cJSON_IsArray(old)))
            fill_by_index(old, v);
        else if (empty(old))
            json_set(to, v->string, json_copy(v));
    }
}

static cJSON *by_name(cJSON *list, const char *name)
{
    cJSON *v;

    cJSON_ArrayForEach(v, list)
        if (str_eq(json_str(v, "name", NULL), name))
            return v;
    return NULL;
}

/* Service templates of one name: the later layer's scalars and map keys win, lists stay the earlier layer's. */
static void merge_service(cJSON *to, const cJSON *from)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, from) {
        cJSON *old = json_get(to, v->string);

        if (cJSON_IsObject(v) && cJSON_IsObject(old))
            merge_service(old, v);
        else if (!(cJSON_IsArray(v) && cJSON_IsArray(old)) && !(empty(v) && old))
            json_set(to, v->string, json_copy(v));
    }
}

static void merge_templates(cJSON *to, const cJSON *from)
{
    static const char *const kinds[] = {"hostTemplates", "podTemplates", "volumeClaimTemplates", "serviceTemplates"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const cJSON *list = json_get(from, kinds[i]), *v;
        cJSON *have;

        if (!cJSON_IsArray(list))
            continue;
        have = cJSON_IsArray(json_get(to, kinds[i])) ? json_get(to, kinds[i]) : json_set_arr(to, kinds[i]);
        cJSON_ArrayForEach(v, list) {
            cJSON *old = by_name(have, json_str(v, "name", ""));

            if (!old)
                cJSON_AddItemToArray(have, json_copy(v));
            else if (i == 3)
                merge_service(old, v);
            else
                fill_by_index(old, v);
        }
    }
}

static void join_nodes(cJSON *to, const cJSON *list)
{
    cJSON *have = cJSON_IsArray(json_get(to, "nodes")) ? json_get(to, "nodes") : json_set_arr(to, "nodes");
    const cJSON *v, *old;

    cJSON_ArrayForEach(v, list) {
        bool there = false;

        cJSON_ArrayForEach(old, have)
            there |= json_same(old, v);
        if (!there)
            cJSON_AddItemToArray(have, json_copy(v));
    }
}

static void merge_zookeeper(cJSON *to, const cJSON *from)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, from) {
        if (strcmp(v->string, "nodes") == 0)
            join_nodes(to, v);
        else if (strcmp(v->string, "use_compression") == 0 ? empty(json_get(to, v->string)) : !empty(v))
            json_set(to, v->string, json_copy(v));
    }
}

static void merge_configuration(cJSON *to, const cJSON *from)
{
    static const char *const sections[] = {"users", "profiles", "quotas", "settings", "files"};

    if (json_get(from, "zookeeper"))
        merge_zookeeper(json_need_obj(to, "zookeeper"), json_get(from, "zookeeper"));
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const cJSON *v;

        cJSON_ArrayForEach(v, json_get(from, sections[i])) {
            cJSON *have = json_need_obj(to, sections[i]);

            if (!json_get(have, v->string))
                json_set(have, v->string, json_copy(v));
        }
    }
    cJSON_DeleteItemFromObjectCaseSensitive(to, "clusters");
    if (json_get(from, "clusters"))
        json_set(to, "clusters", json_copy(json_get(from, "clusters")));
}

static void merge_reconcile(cJSON *to, const cJSON *from)
{
    static const char *const later_wins[] = {"policy", "configMapPropagationTimeout", "cleanup", "runtime", "statefulSet"};
    static const char *const earlier_wins[] = {"host", "macros"};

    for (size_t i = 0; i < sizeof later_wins / sizeof *later_wins; i++) {
        const cJSON *v = json_get(from, later_wins[i]);

        if (cJSON_IsObject(v))
            put_over(json_need_obj(to, later_wins[i]), v);
        else if (!empty(v))
            json_set(to, later_wins[i], json_copy(v));
    }
    for (size_t i = 0; i < sizeof earlier_wins / sizeof *earlier_wins; i++)
        if (cJSON_IsObject(json_get(from, earlier_wins[i])))
            fill(json_need_obj(to, earlier_wins[i]), json_get(from, earlier_wins[i]));
}

static void merge_defaults(cJSON *to, const cJSON *from)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, from) {
        if (strcmp(v->string, "replicasUseFQDN") == 0) {
            if (empty(json_get(to, v->string)))
                json_set(to, v->string, json_copy(v));
        } else if (strcmp(v->string, "templates") == 0) {
            cJSON *names = json_need_obj(to, "templates"), *rest = json_copy(v);

            append(names, "serviceTemplates", json_get(rest, "serviceTemplates"), true);
            cJSON_DeleteItemFromObjectCaseSensitive(rest, "serviceTemplates");
            put_over(names, rest);
            cJSON_Delete(rest);
        } else if (cJSON_IsObject(v)) {
            put_over(json_need_obj(to, v->string), v);
        }
    }
}

/* `own`: the resource itself, not a template. */
static void merge_spec(cJSON *to, const cJSON *from, bool own)
{
    static const char *const earlier_wins[] = {"taskID", "restart", "namespaceDomainPattern"};
    static const char *const later_wins[] = {"stop", "troubleshoot", "suspend"};
    const cJSON *reconcile = json_get(from, "reconcile"), *old_name = json_get(from, "reconciling");

    for (size_t i = 0; i < sizeof earlier_wins / sizeof *earlier_wins; i++)
        if (empty(json_get(to, earlier_wins[i])) && !empty(json_get(from, earlier_wins[i])))
            json_set(to, earlier_wins[i], json_copy(json_get(from, earlier_wins[i])));
    for (size_t i = 0; i < sizeof later_wins / sizeof *later_wins; i++)
        if (!empty(json_get(from, later_wins[i])))
            json_set(to, later_wins[i], json_copy(json_get(from, later_wins[i])));
    if (own && cJSON_IsObject(old_name))
        reconcile = old_name;
    if (cJSON_IsObject(reconcile))
        merge_reconcile(json_need_obj(to, "reconcile"), reconcile);
    if (cJSON_IsObject(json_get(from, "defaults")))
        merge_defaults(json_need_obj(to, "defaults"), json_get(from, "defaults"));
    if (cJSON_IsObject(json_get(from, "configuration")))
        merge_configuration(json_need_obj(to, "configuration"), json_get(from, "configuration"));
    if (cJSON_IsObject(json_get(from, "templates")))
        merge_templates(json_need_obj(to, "templates"), json_get(from, "templates"));
    if (cJSON_IsArray(json_get(from, "useTemplates")))
        append(to, "useTemplates", json_get(from, "useTemplates"), false);
    if (cJSON_IsObject(json_get(from, "chfleet")))
        put_over(json_need_obj(to, "chfleet"), json_get(from, "chfleet"));
}

/* ---- what the resource says in vain ---- */

static void warn_vain(cJSON *warnings, const char *path)
{
    auto_free char *text = mem_printf("%s: a template says something else, and the template counts here", path);

    json_add_str(warnings, text);
}

/* Every value of `own` that is another one in `now`. `env` is joined, other lists are compared by position. */
static void find_vain(const cJSON *own, const cJSON *now, const char *path, cJSON *warnings)
{
    const cJSON *v;
    int i = 0;

    if (!cJSON_IsObject(own) && !cJSON_IsArray(own)) {
        if (!empty(own) && !json_same(own, now))
            warn_vain(warnings, path);
        return;
    }
    cJSON_ArrayForEach(v, own) {
        auto_free char *below =
            cJSON_IsArray(own) ? mem_printf("%s[%d]", path, i) : mem_printf("%s.%s", path, v->string);

        if (cJSON_IsArray(own))
            find_vain(v, cJSON_GetArrayItem(now, i++), below, warnings);
        else if (strcmp(v->string, "env") != 0)
            find_vain(v, json_get(now, v->string), below, warnings);
    }
}

static void find_vain_sections(const cJSON *own, const cJSON *now, cJSON *warnings)
{
    static const char *const sections[] = {"users", "profiles", "quotas", "settings", "files"};
    const cJSON *v;

    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        cJSON_ArrayForEach(v, json_get(own, sections[i])) {
            auto_free char *path = mem_printf("spec.configuration.%s[%s]", sections[i], v->string);

            if (!json_same(v, json_get(json_get(now, sections[i]), v->string)))
                warn_vain(warnings, path);
        }
}

static void find_vain_templates(const cJSON *own, const cJSON *now, cJSON *warnings)
{
    static const char *const kinds[] = {"hostTemplates", "podTemplates", "volumeClaimTemplates", "serviceTemplates"};
    const cJSON *v;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        cJSON_ArrayForEach(v, json_get(own, kinds[i])) {
            auto_free char *path = mem_printf("spec.templates.%s[%s]", kinds[i], json_str(v, "name", ""));

            find_vain(v, by_name(json_get(now, kinds[i]), json_str(v, "name", "")), path, warnings);
        }
}

/* Where the earlier layer wins, people do not expect it. */
static void warn_all_vain(const cJSON *own, const cJSON *now, cJSON *warnings)
{
    static const char *const paths[] = {"taskID",
                                        "restart",
                                        "namespaceDomainPattern",
                                        "defaults.replicasUseFQDN",
                                        "reconcile.host",
                                        "reconcile.macros",
                                        "configuration.zookeeper.use_compression"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        auto_free char *path = mem_printf("spec.%s", paths[i]);
        const cJSON *v = json_at(own, paths[i]);

        if (v)
            find_vain(v, json_at(now, paths[i]), path, warnings);
    }
    find_vain_sections(json_get(own, "configuration"), json_get(now, "configuration"), warnings);
    find_vain_templates(json_get(own, "templates"), json_get(now, "templates"), warnings);
}

/* A section `configuration` without clusters takes those of the templates away. */
static void warn_clusters_gone(const cJSON *own, const cJSON *before, cJSON *warnings)
{
    if (!empty(json_at(before, "configuration.clusters")) && cJSON_IsObject(json_get(own, "configuration")) &&
        !json_get(json_get(own, "configuration"), "clusters"))
        json_add_str(warnings, "spec.configuration: has no clusters, so those of the template do not count either; write "
                               "them here, or leave configuration out");
}

static bool passes(const cJSON *config, const char *what, const char *key)
{
    const cJSON *rules = json_get(config, what);
    const cJSON *include = json_get(rules, "include"), *exclude = json_get(rules, "exclude");

    return (empty(include) || json_has(include, key)) && !json_has(exclude, key);
}

/* Labels and annotations of templates, as far as the operator's configuration lets them through. */
static void merge_metadata(cJSON *to, const cJSON *from, const cJSON *config, bool own)
{
    static const char *const kinds[2][2] = {{"labels", "label"}, {"annotations", "annotation"}};

    for (size_t i = 0; i < 2; i++) {
        const cJSON *v;

        cJSON_ArrayForEach(v, json_at(from, kinds[i][0]))
            if (own || (passes(config, kinds[i][1], v->string) &&
                        strcmp(v->string, "kubectl.kubernetes.io/last-applied-configuration") != 0))
                json_set(json_need_obj(to, kinds[i][0]), v->string, json_copy(v));
    }
}

static bool selects(const cJSON *chit, const cJSON *resource)
{
    const cJSON *want;

    cJSON_ArrayForEach(want, json_at(chit, "spec.templating.chiSelector"))
        if (!cJSON_IsString(want) || !str_eq(json_label(resource, want->string), want->valuestring))
            return false;
    return true;
}

static int by_ns_and_name(const void *a, const void *b)
{
    const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
    int c = strcmp(json_ns(x), json_ns(y));

    return c ? c : strcmp(json_name(x), json_name(y));
}

struct layers {
    const cJSON **v;
    size_t n;
    const cJSON **all; /* templates of the cluster and of the operator's folder, which have no namespace; sorted */
    size_t n_all;
    cJSON *used, *warnings;
};

static void gather(struct layers *l, const struct fleet_input *in, const cJSON *config)
{
    const cJSON *of_folder = json_at(config, "template.chi.content"), *v;

    l->all = mem_array(in->n_templates + (size_t)cJSON_GetArraySize(of_folder) + 1, sizeof *l->all);
    for (size_t i = 0; i < in->n_templates; i++)
        l->all[l->n_all++] = in->templates[i];
    cJSON_ArrayForEach(v, of_folder)
        l->all[l->n_all++] = v;
    qsort(l->all, l->n_all, sizeof *l->all, by_ns_and_name);
}

static void add_layer(struct layers *l, const cJSON *chit, const char *ns)
{
    cJSON *use = cJSON_CreateObject();

    l->v = mem_grow(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = chit;
    json_set_str(use, "name", json_name(chit));
    if (ns && *ns)
        json_set_str(use, "namespace", ns);
    json_set_str(use, "useType", "merge");
    cJSON_AddItemToArray(l->used, use);
}

static void warn(struct layers *l, const char *what, const char *name, const char *why)
{
    auto_free char *text = mem_printf("spec.useTemplates: %s %s %s", what, name, why);

    json_add_str(l->warnings, text);
}

static const cJSON *find_template(const struct layers *l, const char *ns, const char *name)
{
    for (size_t i = 0; i < l->n_all; i++)
        if (strcmp(json_name(l->all[i]), name) == 0 && strcmp(json_ns(l->all[i]), ns) == 0)
            return l->all[i];
    return NULL;
}

static void add_named(struct layers *l, const struct fleet_input *in, const cJSON *use)
{
    const char *name = json_str(use, "name", ""), *ns = json_str(use, "namespace", "");
    const cJSON *chit = find_template(l, ns, name);

    if (!chit && !*ns)
        chit = find_template(l, json_ns(in->resource), name);
    if (!chit) {
        warn(l, "template", name, "does not exist and is skipped");
        return;
    }
    if (!selects(chit, in->resource)) {
        warn(l, "template", name, "has a chiSelector that does not fit this resource's labels and is skipped");
        return;
    }
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == chit)
            warn(l, "template", name, "is applied more than once");
    add_layer(l, chit, ns);
}

static void collect(struct layers *l, const struct fleet_input *in, const cJSON *config)
{
    const cJSON *use;

    gather(l, in, config);
    for (size_t i = 0; i < l->n_all; i++)
        if (str_eq(json_str(l->all[i], "spec.templating.policy", NULL), "auto") && selects(l->all[i], in->resource))
            add_layer(l, l->all[i], json_ns(l->all[i]));
    cJSON_ArrayForEach(use, json_at(in->resource, "spec.useTemplates"))
        add_named(l, in, use);
}

cJSON *merge_resource(const struct fleet_input *in, const cJSON *config, cJSON *warnings, cJSON **used)
{
    struct layers l = {.used = cJSON_CreateArray(), .warnings = warnings};
    cJSON *out = cJSON_CreateObject(), *meta = json_set_obj(out, "metadata"), *spec = json_set_obj(out, "spec");
    const cJSON *v;

    if (str_eq(json_str(in->resource, "kind", NULL), "ClickHouseInstallation"))
        collect(&l, in, config);
    for (size_t i = 0; i < l.n; i++) {
        merge_metadata(meta, json_get(l.v[i], "metadata"), config, false);
        merge_spec(spec, json_get(l.v[i], "spec"), false);
    }
    merge_metadata(meta, json_get(in->resource, "metadata"), config, true);
    warn_clusters_gone(json_get(in->resource, "spec"), spec, warnings);
    merge_spec(spec, json_get(in->resource, "spec"), true);
    if (l.n)
        warn_all_vain(json_get(in->resource, "spec"), spec, warnings);
    cJSON_ArrayForEach(v, in->resource)
        if (strcmp(v->string, "metadata") != 0 && strcmp(v->string, "spec") != 0)
            json_set(out, v->string, json_copy(v));
    cJSON_ArrayForEach(v, json_get(in->resource, "metadata"))
        if (strcmp(v->string, "labels") != 0 && strcmp(v->string, "annotations") != 0 &&
            strcmp(v->string, "managedFields") != 0)
            json_set(meta, v->string, json_copy(v));
    free(l.v);
    free(l.all);
    *used = l.used;
    return out;
}
