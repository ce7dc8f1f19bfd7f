/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/custom.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "plane/store.h"
#include "schema/check.h"

void custom_prune(cJSON *obj, struct str *dropped)
{
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;

    schema_prune(obj, &p);
    for (size_t i = 0; i < p.n; i++)
        str_addf(dropped, "%s\n", p.v[i].path);
}

void custom_validate(const cJSON *obj, struct field_errs *e)
{
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;
    auto_json cJSON *copy = json_copy(obj);

    schema_check(copy, 0, NULL, &p);
    for (size_t i = 0; i < p.n; i++) {
        const char *reason = schema_cause(p.v[i].code);

        if (schema_is_note(p.v[i].code))
            continue;
        if (str_starts(reason, "FieldValue"))
            reason += strlen("FieldValue");
        field_err(e, reason, p.v[i].path, "%s", p.v[i].text);
    }
}

static enum schema_kind schema_kind_for(enum plane_kind kind)
{
    return kind == PK_CHI ? SCHEMA_CHI : kind == PK_CHIT ? SCHEMA_CHIT : kind == PK_CHK ? SCHEMA_CHK : SCHEMA_CHOPCONF;
}

static void set_names(cJSON *spec, const struct schema_resource *r)
{
    cJSON *names = json_set_obj(spec, "names");

    json_set_str(names, "kind", r->kind);
    json_set_str(names, "listKind", r->list_kind);
    json_set_str(names, "plural", r->plural);
    json_set_str(names, "singular", r->singular);
    json_add_str(json_set_arr(names, "shortNames"), r->short_name);
}

static void set_columns(cJSON *version, const struct schema_resource *r)
{
    cJSON *list = json_set_arr(version, "additionalPrinterColumns");

    for (size_t i = 0; i < r->n_columns; i++) {
        cJSON *c = cJSON_CreateObject();

        json_set_str(c, "name", r->columns[i].name);
        json_set_str(c, "type", r->columns[i].type);
        json_set_str(c, "jsonPath", r->columns[i].path);
        if (r->columns[i].priority)
            json_set_int(c, "priority", r->columns[i].priority);
        cJSON_AddItemToArray(list, c);
    }
}

static void set_condition(cJSON *list, const char *type, const char *reason)
{
    cJSON *c = cJSON_CreateObject();

    json_set_str(c, "type", type);
    json_set_str(c, "status", "True");
    json_set_str(c, "reason", reason);
    cJSON_AddItemToArray(list, c);
}

static cJSON *version_of(const struct schema_resource *r)
{
    cJSON *v = cJSON_CreateObject(), *schema;

    json_set_str(v, "name", r->version);
    json_set_bool(v, "served", true);
    json_set_bool(v, "storage", true);
    schema = json_set_obj(json_set_obj(v, "schema"), "openAPIV3Schema");
    json_set_str(schema, "type", "object");
    json_set_bool(schema, "x-kubernetes-preserve-unknown-fields", true);
    if (r->status_subresource)
        json_set_obj(json_set_obj(v, "subresources"), "status");
    set_columns(v, r);
    return v;
}

cJSON *custom_crd(enum plane_kind kind)
{
    const struct schema_resource *r = schema_resource(schema_kind_for(kind));
    auto_free char *name = mem_printf("%s.%s", r->plural, r->group);
    cJSON *crd = store_new_object(PK_CRD, NULL, name), *spec = json_set_obj(crd, "spec"), *status = json_set_obj(crd, "status");

    json_set_str(spec, "group", r->group);
    set_names(spec, r);
    json_set_str(spec, "scope", "Namespaced");
    cJSON_AddItemToArray(json_set_arr(spec, "versions"), version_of(r));
    json_set(status, "acceptedNames", json_copy(json_get(spec, "names")));
    json_add_str(json_set_arr(status, "storedVersions"), r->version);
    set_condition(json_set_arr(status, "conditions"), "Established", "InitialNamesAccepted");
    set_condition(json_get(status, "conditions"), "NamesAccepted", "NoConflicts");
    return crd;
}
