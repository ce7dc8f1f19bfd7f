/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/crd.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schema/emit.h"
#include "schema/rules.h"

static cJSON *schema_of(const struct shape *shape, const struct field *field);

static void add_values(cJSON *s, const char *values)
{
    cJSON *list = json_set_arr(s, "enum");

    for (const char *v = values;; v++) {
        size_t n = strcspn(v, "|");
        auto_free char *one = mem_strn(v, n);

        json_add_str(list, one);
        v += n;
        if (!*v)
            return;
    }
}

static void add_limits(cJSON *s, const struct shape *shape)
{
    if (shape->values)
        add_values(s, shape->values);
    json_set_str(s, "pattern", shape->pattern);
    if (shape->min_length)
        json_set_int(s, "minLength", shape->min_length);
    if (shape->max_length)
        json_set_int(s, "maxLength", shape->max_length);
    if (shape->has_min)
        json_set_int(s, "minimum", shape->min);
    if (shape->has_max)
        json_set_int(s, "maximum", shape->max);
}

static void add_rules(cJSON *s, const struct shape *shape)
{
    const struct schema_rule *rule;
    cJSON *list = NULL;

    for (unsigned i = 0; (rule = schema_rule(shape, i)); i++) {
        cJSON *one = cJSON_CreateObject();

        json_set_str(one, "rule", rule->cel);
        json_set_str(one, "message", rule->message);
        if (!list)
            list = json_set_arr(s, "x-kubernetes-validations");
        cJSON_AddItemToArray(list, one);
    }
}

static void add_members(cJSON *s, const struct shape *shape)
{
    cJSON *properties = cJSON_CreateObject(), *required = cJSON_CreateArray();

    for (const struct field *f = shape->fields; f->name; f++) {
        if (f->flags & FIELD_FILE)
            continue;
        json_set(properties, f->name, schema_of(f->shape, f));
        if (f->flags & FIELD_REQUIRED)
            json_add_str(required, f->name);
    }
    if (required->child)
        json_set(s, "required", required);
    else
        cJSON_Delete(required);
    json_set(s, "properties", properties);
    if (shape->open)
        json_set_bool(s, "x-kubernetes-preserve-unknown-fields", true);
    add_rules(s, shape);
}

/* "Meaning. Default: what." */
static void add_description(cJSON *s, const struct field *f)
{
    auto_str struct str text = STR_INIT;

    if (!f || !f->text)
        return;
    if (f->flags & FIELD_NO_EFFECT)
        str_add(&text, "Without effect. ");
    else if (f->flags & FIELD_OBSOLETE)
        str_add(&text, "Old form. ");
    str_add(&text, f->text);
    if (f->dflt)
        str_addf(&text, " Default: %s.", f->dflt);
    json_set_str(s, "description", str_text(&text));
}

static cJSON *schema_of(const struct shape *shape, const struct field *field)
{
    static const char *const types[] = {
        [SHAPE_TEXT] = "string",   [SHAPE_INTEGER] = "integer", [SHAPE_BOOLEAN] = "boolean",
        [SHAPE_OBJECT] = "object", [SHAPE_LIST] = "array",      [SHAPE_FREE] = "object",
    };
    cJSON *s = cJSON_CreateObject();

    json_set_str(s, "type", types[shape->kind]);
    add_description(s, field);
    if (field && (field->flags & FIELD_NULLABLE))
        json_set_bool(s, "nullable", true);
    add_limits(s, shape);
    if (shape->kind == SHAPE_OBJECT)
        add_members(s, shape);
    else if (shape->kind == SHAPE_LIST)
        json_set(s, "items", schema_of(shape->items, NULL));
    else if (shape->kind == SHAPE_FREE)
        json_set_bool(s, "x-kubernetes-preserve-unknown-fields", true);
    return s;
}

/* The API server owns these three; a schema may say no more of them. */
static void plain_root(cJSON *properties)
{
    for (const char *const *name = (const char *const[]){"apiVersion", "kind", "metadata", NULL}; *name; name++) {
        cJSON *plain = cJSON_CreateObject();

        json_set_str(plain, "type", strcmp(*name, "metadata") == 0 ? "object" : "string");
        json_set(properties, *name, plain);
    }
}

cJSON *schema_openapi(enum schema_kind kind)
{
    const struct schema_resource *r = schema_resource(kind);
    cJSON *s = schema_of(r->root, NULL), *required = cJSON_CreateArray();

    plain_root(json_get(s, "properties"));
    json_set_str(s, "description", r->text);
    if (schema_field(r->root, "spec")->flags & FIELD_REQUIRED)
        json_add_str(required, "spec");
    if (required->child) {
        json_set(s, "required", required);
    } else {
        cJSON_Delete(required);
        cJSON_DeleteItemFromObject(s, "required");
    }
    return s;
}

static void add_names(cJSON *spec, const struct schema_resource *r)
{
    cJSON *names = json_set_obj(spec, "names");

    json_set_str(names, "kind", r->kind);
    json_set_str(names, "listKind", r->list_kind);
    json_set_str(names, "plural", r->plural);
    json_set_str(names, "singular", r->singular);
    json_add_str(json_set_arr(names, "shortNames"), r->short_name);
}

static void add_columns(cJSON *version, const struct schema_resource *r)
{
    cJSON *list = json_set_arr(version, "additionalPrinterColumns");

    for (size_t i = 0; i < r->n_columns; i++) {
        cJSON *one = cJSON_CreateObject();

        json_set_str(one, "name", r->columns[i].name);
        json_set_str(one, "type", r->columns[i].type);
        if (r->columns[i].priority)
            json_set_int(one, "priority", r->columns[i].priority);
        json_set_str(one, "jsonPath", r->columns[i].path);
        cJSON_AddItemToArray(list, one);
    }
}

static cJSON *version_of(enum schema_kind kind)
{
    const struct schema_resource *r = schema_resource(kind);
    cJSON *version = cJSON_CreateObject();

    json_set_str(version, "name", r->version);
    json_set_bool(version, "served", true);
    json_set_bool(version, "storage", true);
    if (r->status_subresource)
        json_set_obj(json_set_obj(version, "subresources"), "status");
    if (r->scale_subresource) {
        cJSON *scale = json_set_obj(json_need_obj(version, "subresources"), "scale");

        json_set_str(scale, "specReplicasPath", "." SCHEMA_SCALE_SPEC);
        json_set_str(scale, "statusReplicasPath", "." SCHEMA_SCALE_STATUS);
        json_set_str(scale, "labelSelectorPath", "." SCHEMA_SCALE_SELECTOR);
    }
    add_columns(version, r);
    json_set(json_set_obj(version, "schema"), "openAPIV3Schema", schema_openapi(kind));
    return version;
}

cJSON *schema_crd(enum schema_kind kind)
{
    const struct schema_resource *r = schema_resource(kind);
    auto_free char *name = mem_printf("%s.%s", r->plural, r->group);
    cJSON *crd = cJSON_CreateObject(), *spec;

    json_set_str(crd, "apiVersion", "apiextensions.k8s.io/v1");
    json_set_str(crd, "kind", "CustomResourceDefinition");
    json_set_str(json_set_obj(crd, "metadata"), "name", name);
    spec = json_set_obj(crd, "spec");
    json_set_str(spec, "group", r->group);
    json_set_str(spec, "scope", "Namespaced");
    add_names(spec, r);
    cJSON_AddItemToArray(json_set_arr(spec, "versions"), version_of(kind));
    return crd;
}

void schema_crd_file(enum schema_kind kind, struct str *out)
{
    auto_json cJSON *crd = schema_crd(kind);

    str_add(out, "# SPDX-License-Identifier: Apache-2.0\n"
                 "# Made from schema/ by schema-gen; `make schema-update` writes it anew.\n");
    schema_emit(crd, out);
}
