/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/custom.h"

#include <string.h>

#include "base/mem.h"
#include "schema/check.h"
#include "schema/crd.h"

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

static void set_condition(cJSON *list, const char *type, const char *reason)
{
    cJSON *c = cJSON_CreateObject();

    json_set_str(c, "type", type);
    json_set_str(c, "status", "True");
    json_set_str(c, "reason", reason);
    cJSON_AddItemToArray(list, c);
}

cJSON *custom_crd(enum plane_kind kind)
{
    cJSON *crd = schema_crd(schema_kind_for(kind)), *status = json_set_obj(crd, "status"), *conditions;

    json_set(status, "acceptedNames", json_copy(json_at(crd, "spec.names")));
    json_add_str(json_set_arr(status, "storedVersions"), plane_kind(kind)->version);
    conditions = json_set_arr(status, "conditions");
    set_condition(conditions, "NamesAccepted", "NoConflicts");
    set_condition(conditions, "Established", "InitialNamesAccepted");
    return crd;
}
