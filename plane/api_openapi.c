/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI v3 (and v2 as JSON) from the tables, as far as kubectl apply, explain and validation need them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "plane/api_priv.h"
#include "plane/custom.h"
#include "plane/types.h"

#define MACHINERY "io.k8s.apimachinery.pkg."

struct doc {
    const char *ref_prefix; /* "#/components/schemas/" or "#/definitions/" */
    bool v3;
    cJSON *schemas;
};

static void set_ref(struct doc *d, cJSON *schema, const char *name)
{
    auto_free char *ref = mem_printf("%s%s", d->ref_prefix, name);

    if (d->v3) {
        cJSON *one = cJSON_CreateObject();

        json_set_str(one, "$ref", ref);
        cJSON_AddItemToArray(json_set_arr(schema, "allOf"), one);
    } else {
        json_set_str(schema, "$ref", ref);
    }
}

static void add_type(struct doc *d, const char *type);

static cJSON *scalar_schema(struct doc *d, char code)
{
    cJSON *s = cJSON_CreateObject();

    switch (code) {
    case 'b':
    case 'B':
        json_set_str(s, "type", "boolean");
        break;
    case 'i':
    case 'I':
        json_set_str(s, "type", "integer");
        break;
    case 'q':
        set_ref(d, s, MACHINERY "api.resource.Quantity");
        break;
    case 'o':
        set_ref(d, s, MACHINERY "util.intstr.IntOrString");
        break;
    case 't':
        set_ref(d, s, MACHINERY "apis.meta.v1.Time");
        break;
    case 'y':
        json_set_str(s, "type", "string");
        json_set_str(s, "format", "byte");
        break;
    case '*':
        json_set_str(s, "type", "object");
        json_set_bool(s, "x-kubernetes-preserve-unknown-fields", true);
        break;
    default:
        json_set_str(s, "type", "string");
    }
    return s;
}

static void full_name(const struct type_row *row, char *buf, size_t size)
{
    snprintf(buf, size, "io.k8s.%s.%s", row->pkg, row->name);
}

static cJSON *item_schema(struct doc *d, const char *name)
{
    const struct type_row *row = name[1] ? type_find(name) : NULL;
    char full[160];
    cJSON *s;

    if (!row)
        return scalar_schema(d, name[0]);
    add_type(d, name);
    full_name(row, full, sizeof full);
    s = cJSON_CreateObject();
    set_ref(d, s, full);
    return s;
}

static cJSON *field_schema(struct doc *d, const struct type_ref *t)
{
    cJSON *item = item_schema(d, t->name), *s;

    if (t->form == TYPE_ONE)
        return item;
    s = cJSON_CreateObject();
    json_set_str(s, "type", t->form == TYPE_LIST ? "array" : "object");
    json_set(s, t->form == TYPE_LIST ? "items" : "additionalProperties", item);
    if (*t->merge_key) {
        json_set_str(s, "x-kubernetes-patch-strategy", "merge");
        if (strcmp(t->merge_key, ".") != 0)
            json_set_str(s, "x-kubernetes-patch-merge-key", t->merge_key);
    }
    return s;
}

static void add_type(struct doc *d, const char *type)
{
    const struct type_row *row = type_find(type);
    char full[160], name[64];
    struct type_ref t;
    cJSON *s, *props, *need = NULL;

    full_name(row, full, sizeof full);
    if (json_get(d->schemas, full))
        return;
    s = json_set_obj(d->schemas, full);
    json_set_str(s, "type", "object");
    props = json_set_obj(s, "properties");
    for (const char *pos = row->fields; type_next(&pos, name, sizeof name, &t);) {
        json_set(props, name, field_schema(d, &t));
        if (t.required) {
            need = need ? need : json_set_arr(s, "required");
            json_add_str(need, name);
        }
    }
}

static void add_gvk(cJSON *j, enum plane_kind kind, const char *group, bool list)
{
    cJSON *gvk = cJSON_CreateObject();

    json_set_str(gvk, "group", group);
    json_set_str(gvk, "kind", plane_kind(kind)->kind);
    json_set_str(gvk, "version", "v1");
    if (list)
        cJSON_AddItemToArray(json_set_arr(j, "x-kubernetes-group-version-kind"), gvk);
    else
        json_set(j, "x-kubernetes-group-version-kind", gvk);
}

/* "com.altinity.clickhouse.v1.ClickHouseInstallation" as API servers name the schemas of custom resources. */
static void custom_name(enum plane_kind kind, char *buf, size_t size)
{
    snprintf(buf, size, "com.altinity.%s.v1.%s", kind == PK_CHK ? "clickhouse-keeper" : "clickhouse",
             plane_kind(kind)->kind);
}

static void add_custom(struct doc *d, enum plane_kind kind)
{
    auto_json cJSON *crd = custom_crd(kind);
    cJSON *s = json_copy(json_at(crd, "spec.versions.0.schema.openAPIV3Schema")), *props;
    char name[128];

    custom_name(kind, name, sizeof name);
    add_type(d, "ObjectMeta");
    props = json_need_obj(s, "properties");
    json_set(props, "metadata", item_schema(d, "ObjectMeta"));
    add_gvk(s, kind, plane_kind(kind)->group, true);
    json_set(d->schemas, name, s);
}

static void add_kind(struct doc *d, enum plane_kind kind, const char *group)
{
    const char *type = type_of_kind(kind);
    char full[160];

    if (!type) {
        add_custom(d, kind);
        return;
    }
    add_type(d, type);
    full_name(type_find(type), full, sizeof full);
    add_gvk(json_get(d->schemas, full), kind, group, true);
}

static void add_machinery(struct doc *d)
{
    cJSON *s = json_set_obj(d->schemas, MACHINERY "api.resource.Quantity"), *any;
    static const char *const names[] = {MACHINERY "api.resource.Quantity", MACHINERY "util.intstr.IntOrString"};

    for (int i = 0; i < 2; i++) {
        s = json_set_obj(d->schemas, names[i]);
        if (!d->v3) {
            json_set_str(s, "type", "string");
            continue;
        }
        if (i == 1)
            json_set_str(s, "format", "int-or-string");
        any = json_set_arr(s, "oneOf");
        cJSON_AddItemToArray(any, scalar_schema(d, 's'));
        cJSON_AddItemToArray(any, scalar_schema(d, 'i'));
    }
    s = json_set_obj(d->schemas, MACHINERY "apis.meta.v1.Time");
    json_set_str(s, "type", "string");
    json_set_str(s, "format", "date-time");
}

/* ---- paths ---- */

static void add_params(cJSON *op, bool v3, bool body)
{
    static const char *const names[] = {"dryRun", "fieldManager", "fieldValidation"};
    cJSON *list = json_set_arr(op, "parameters"), *p;

    for (int i = 0; i < 3; i++) {
        p = cJSON_CreateObject();
        json_set_str(p, "name", names[i]);
        json_set_str(p, "in", "query");
        if (v3)
            json_set_str(json_set_obj(p, "schema"), "type", "string");
        else
            json_set_str(p, "type", "string");
        cJSON_AddItemToArray(list, p);
    }
    (void)body;
}

static cJSON *add_op(struct doc *d, cJSON *path, const char *method, enum plane_kind kind, const char *group,
                     const char *action)
{
    cJSON *op = json_set_obj(path, method);

    json_set_str(op, "x-kubernetes-action", action);
    json_set_str(json_set_obj(json_set_obj(op, "responses"), "200"), "description", "OK");
    add_gvk(op, kind, group, false);
    if (strcmp(method, "get") != 0)
        add_params(op, d->v3, true);
    return op;
}

static void add_patch_types(cJSON *op, enum plane_kind kind)
{
    cJSON *content = json_set_obj(json_set_obj(op, "requestBody"), "content");

    json_set_obj(content, "application/json-patch+json");
    json_set_obj(content, "application/merge-patch+json");
    if (!(plane_kind(kind)->flags & PKF_CUSTOM))
        json_set_obj(content, "application/strategic-merge-patch+json");
}

static void add_paths(struct doc *d, cJSON *paths, enum plane_kind kind, const char *group)
{
    const struct plane_kind_info *info = plane_kind(kind);
    auto_free char *root = *group ? mem_printf("/apis/%s/v1", group) : mem_str("/api/v1");
    auto_free char *all =
        mem_printf("%s%s/%s", root, info->flags & PKF_NAMESPACED ? "/namespaces/{namespace}" : "", info->plural);
    auto_free char *one = mem_printf("%s/{name}", all);
    cJSON *p = json_set_obj(paths, all), *patch;

    add_op(d, p, "get", kind, group, "list");
    add_op(d, p, "post", kind, group, "post");
    p = json_set_obj(paths, one);
    add_op(d, p, "get", kind, group, "get");
    add_op(d, p, "put", kind, group, "put");
    add_op(d, p, "delete", kind, group, "delete");
    patch = add_op(d, p, "patch", kind, group, "patch");
    if (d->v3)
        add_patch_types(patch, kind);
}

static cJSON *document(struct doc *d, const char *only_group)
{
    cJSON *j = cJSON_CreateObject(), *info, *paths;

    json_set_str(j, d->v3 ? "openapi" : "swagger", d->v3 ? "3.0.0" : "2.0");
    info = json_set_obj(j, "info");
    json_set_str(info, "title", "chfleet-plane");
    json_set_str(info, "version", PACKAGE_VERSION_TEXT);
    paths = json_set_obj(j, "paths");
    d->schemas = d->v3 ? json_set_obj(json_set_obj(j, "components"), "schemas") : json_set_obj(j, "definitions");
    add_machinery(d);
    for (int k = 0; k < PK_KINDS; k++) {
        const char *group = plane_kind((enum plane_kind)k)->group;
        bool event = k == PK_EVENT && only_group && strcmp(only_group, "events.k8s.io") == 0;

        if (only_group && strcmp(only_group, group) != 0 && !event)
            continue;
        add_kind(d, (enum plane_kind)k, event ? only_group : group);
        add_paths(d, paths, (enum plane_kind)k, event ? only_group : group);
    }
    return j;
}

/* ---- answers ---- */

static void answer_v3_root(struct api_call *c)
{
    static const char *const groups[] = {"apps",
                                         "policy",
                                         "discovery.k8s.io",
                                         "coordination.k8s.io",
                                         "storage.k8s.io",
                                         "events.k8s.io",
                                         "apiextensions.k8s.io",
                                         "clickhouse.altinity.com",
                                         "clickhouse-keeper.altinity.com"};
    auto_json cJSON *j = cJSON_CreateObject();
    cJSON *paths = json_set_obj(j, "paths");
    auto_free char *core = mem_printf("/openapi/v3/api/v1?hash=%016" PRIX64, c->a->start_hash);

    json_set_str(json_set_obj(paths, "api/v1"), "serverRelativeURL", core);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        auto_free char *key = mem_printf("apis/%s/v1", groups[i]);
        auto_free char *url = mem_printf("/openapi/v3/%s?hash=%016" PRIX64, key, c->a->start_hash);

        json_set_str(json_set_obj(paths, key), "serverRelativeURL", url);
    }
    answer_json(c, 200, j);
}

static bool wants_only_protobuf(const struct api_call *c)
{
    const char *accept = c->req->accept ? c->req->accept : "";

    return strstr(accept, "protobuf") && !strstr(accept, "application/json") && !strstr(accept, "*/*");
}

bool api_openapi(struct api_call *c)
{
    struct doc d = {.v3 = true, .ref_prefix = "#/components/schemas/"};
    auto_json cJSON *j = NULL;

    if (c->segs < 2 || strcmp(c->seg[0], "openapi") != 0)
        return false;
    if (!call_is(c, "GET")) {
        answer_method(c);
        return true;
    }
    if (wants_only_protobuf(c)) {
        answer_fail(c, 406, "NotAcceptable", "the OpenAPI documents are served as application/json only");
        return true;
    }
    if (strcmp(c->seg[1], "v2") == 0 && c->segs == 2) {
        d = (struct doc){.v3 = false, .ref_prefix = "#/definitions/"};
        j = document(&d, NULL);
    } else if (strcmp(c->seg[1], "v3") == 0 && c->segs == 2) {
        answer_v3_root(c);
        return true;
    } else if (strcmp(c->seg[1], "v3") == 0 && c->segs == 4 && strcmp(c->seg[2], "api") == 0 &&
               strcmp(c->seg[3], "v1") == 0) {
        j = document(&d, "");
    } else if (strcmp(c->seg[1], "v3") == 0 && c->segs == 5 && strcmp(c->seg[2], "apis") == 0 &&
               strcmp(c->seg[4], "v1") == 0) {
        j = document(&d, c->seg[3]);
    } else {
        return false;
    }
    answer_json(c, 200, j);
    return true;
}
