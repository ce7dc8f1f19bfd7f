/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery: which groups, versions and resources there are. The aggregated form is not served: clients that ask for it
 * take the plain one, as they do with older API servers. */
#include <string.h>

#include "base/mem.h"
#include "plane/api_priv.h"

static const char *const groups[] = {"apps",
                                     "policy",
                                     "discovery.k8s.io",
                                     "coordination.k8s.io",
                                     "storage.k8s.io",
                                     "events.k8s.io",
                                     "apiextensions.k8s.io",
                                     "authorization.k8s.io",
                                     "authentication.k8s.io",
                                     "clickhouse.altinity.com",
                                     "clickhouse-keeper.altinity.com"};

static cJSON *list_of(const char *kind, const char *version)
{
    cJSON *j = cJSON_CreateObject();

    json_set_str(j, "kind", kind);
    json_set_str(j, "apiVersion", version);
    return j;
}

static cJSON *group_entry(const char *group)
{
    cJSON *g = cJSON_CreateObject(), *v = cJSON_CreateObject();
    auto_free char *gv = mem_printf("%s/v1", group);

    json_set_str(g, "name", group);
    json_set_str(v, "groupVersion", gv);
    json_set_str(v, "version", "v1");
    json_set(g, "preferredVersion", json_copy(v));
    cJSON_AddItemToArray(json_set_arr(g, "versions"), v);
    return g;
}

static bool is_group(const char *name)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strcmp(groups[i], name) == 0)
            return true;
    return false;
}

static cJSON *resource_entry(cJSON *list, const char *name, const char *singular, bool namespaced, const char *kind,
                             const char *verbs)
{
    cJSON *r = cJSON_CreateObject(), *v;

    json_set_str(r, "name", name);
    json_set_str(r, "singularName", singular);
    json_set_bool(r, "namespaced", namespaced);
    json_set_str(r, "kind", kind);
    v = json_set_arr(r, "verbs");
    while (*verbs) {
        size_t n = strcspn(verbs, " ");
        auto_free char *verb = mem_strn(verbs, n);

        json_add_str(v, verb);
        verbs += n + (verbs[n] == ' ');
    }
    cJSON_AddItemToArray(list, r);
    return r;
}

static void sub_entry(cJSON *list, const struct plane_kind_info *info, const char *sub, const char *kind,
                      const char *verbs)
{
    auto_free char *name = mem_printf("%s/%s", info->plural, sub);

    resource_entry(list, name, "", info->flags & PKF_NAMESPACED, kind, verbs);
}

static void pod_subs(cJSON *list, const struct plane_kind_info *info)
{
    cJSON *eviction;

    sub_entry(list, info, "log", "Pod", "get");
    sub_entry(list, info, "exec", "PodExecOptions", "create get");
    sub_entry(list, info, "portforward", "PodPortForwardOptions", "create get");
    eviction = resource_entry(list, "pods/eviction", "", true, "Eviction", "create");
    json_set_str(eviction, "group", "policy");
    json_set_str(eviction, "version", "v1");
}

static void kind_entries(cJSON *list, enum plane_kind kind)
{
    const struct plane_kind_info *info = plane_kind(kind);
    cJSON *r = resource_entry(list, info->plural, info->singular, info->flags & PKF_NAMESPACED, info->kind,
                              kind == PK_CRD ? "get list watch"
                                             : "create delete deletecollection get list patch update watch");

    if (*info->short_names) {
        cJSON *shorts = json_set_arr(r, "shortNames");

        for (const char *p = info->short_names; *p; p += strcspn(p, ","), p += *p == ',') {
            auto_free char *s = mem_strn(p, strcspn(p, ","));

            json_add_str(shorts, s);
        }
    }
    if (info->flags & PKF_ALL)
        json_add_str(json_set_arr(r, "categories"), "all");
    if (info->flags & PKF_STATUS && kind != PK_CRD)
        sub_entry(list, info, "status", info->kind, "get patch update");
    if (info->flags & PKF_SCALE) {
        auto_free char *name = mem_printf("%s/scale", info->plural);
        cJSON *scale = resource_entry(list, name, "", true, "Scale", "get patch update");

        json_set_str(scale, "group", "autoscaling");
        json_set_str(scale, "version", "v1");
    }
    if (kind == PK_POD)
        pod_subs(list, info);
}

static void answer_resources(struct api_call *c, const char *group)
{
    auto_json cJSON *j = list_of("APIResourceList", "v1");
    auto_free char *gv = mem_printf("%s%sv1", group, *group ? "/" : "");
    cJSON *list;

    json_set_str(j, "groupVersion", gv);
    list = json_set_arr(j, "resources");
    for (int k = 0; k < PK_KINDS; k++)
        if (strcmp(plane_kind((enum plane_kind)k)->group, group) == 0)
            kind_entries(list, (enum plane_kind)k);
    if (strcmp(group, "events.k8s.io") == 0)
        json_add_str(json_set_arr(resource_entry(list, "events", "event", true, "Event",
                                                 "create delete deletecollection get list patch update watch"),
                                  "shortNames"),
                     "ev");
    if (strcmp(group, "authorization.k8s.io") == 0)
        resource_entry(list, "selfsubjectaccessreviews", "selfsubjectaccessreview", false, "SelfSubjectAccessReview",
                       "create");
    if (strcmp(group, "authentication.k8s.io") == 0)
        resource_entry(list, "selfsubjectreviews", "selfsubjectreview", false, "SelfSubjectReview", "create");
    answer_json(c, 200, j);
}

static void answer_versions(struct api_call *c)
{
    auto_json cJSON *j = cJSON_CreateObject();

    json_set_str(j, "kind", "APIVersions");
    json_add_str(json_set_arr(j, "versions"), "v1");
    json_set_arr(j, "serverAddressByClientCIDRs");
    answer_json(c, 200, j);
}

static void answer_groups(struct api_call *c)
{
    auto_json cJSON *j = list_of("APIGroupList", "v1");
    cJSON *list = json_set_arr(j, "groups");

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        cJSON_AddItemToArray(list, group_entry(groups[i]));
    answer_json(c, 200, j);
}

static void answer_group(struct api_call *c, const char *group)
{
    auto_json cJSON *j = group_entry(group);

    json_set_str(j, "kind", "APIGroup");
    json_set_str(j, "apiVersion", "v1");
    answer_json(c, 200, j);
}

static void answer_paths(struct api_call *c)
{
    static const char *const paths[] = {"/api",        "/api/v1",     "/apis",   "/healthz", "/livez",
                                        "/openapi/v2", "/openapi/v3", "/readyz", "/version"};
    auto_json cJSON *j = cJSON_CreateObject();
    cJSON *list = json_set_arr(j, "paths");

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        json_add_str(list, paths[i]);
    answer_json(c, 200, j);
}

bool api_discovery(struct api_call *c)
{
    bool core = c->segs && strcmp(c->seg[0], "api") == 0, named = c->segs && strcmp(c->seg[0], "apis") == 0;

    if (c->segs && !core && !named)
        return false;
    if ((core && c->segs > 2) || (named && c->segs > 3))
        return false;
    if (!call_is(c, "GET"))
        answer_method(c);
    else if (c->segs == 0)
        answer_paths(c);
    else if (core && c->segs == 1)
        answer_versions(c);
    else if (named && c->segs == 1)
        answer_groups(c);
    else if (core && strcmp(c->seg[1], "v1") == 0)
        answer_resources(c, "");
    else if (named && is_group(c->seg[1]) && c->segs == 2)
        answer_group(c, c->seg[1]);
    else if (named && is_group(c->seg[1]) && strcmp(c->seg[2], "v1") == 0)
        answer_resources(c, c->seg[1]);
    else
        return false;
    return true;
}
