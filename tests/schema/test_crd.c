/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/crd.h"
#include "tests/schema/help.h"

/* The schema node of a path such as spec.configuration.clusters[].name. */
static const cJSON *node_at(const cJSON *schema, const char *path)
{
    while (schema && *path) {
        size_t n = strcspn(path, ".[");
        auto_free char *name = mem_strn(path, n);

        schema = json_get(json_get(schema, "properties"), name);
        path += n;
        while (schema && str_starts(path, "[]")) {
            schema = json_get(schema, "items");
            path += 2;
        }
        path += *path == '.';
    }
    return schema;
}

static char *joined(const cJSON *list)
{
    struct str out = STR_INIT;
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
        str_addf(&out, "%s%s", v == list->child ? "" : "|", *v->valuestring ? v->valuestring : "\"\"");
    return str_take(&out);
}

/* One constraint of a path list: "minimum 0", "enum a|b", "nullable". */
static bool has_constraint(const cJSON *node, const char *c)
{
    auto_free char *list = NULL;
    const char *value = strchr(c, ' ');
    auto_free char *key = mem_strn(c, value ? (size_t)(value - c) : strlen(c));
    const cJSON *v = json_get(node, key);

    if (!value)
        return cJSON_IsTrue(v);
    value++;
    if (cJSON_IsNumber(v))
        return v->valuedouble == strtod(value, NULL);
    if (cJSON_IsString(v))
        return strcmp(v->valuestring, value) == 0;
    list = joined(v);
    return strcmp(list, value) == 0;
}

static void check_line(const cJSON *schema, char *line)
{
    char *type = strchr(line, '\t'), *constraints, *free_form;
    auto_free char *got = NULL;
    const cJSON *node;

    *type++ = '\0';
    constraints = strchr(type, '\t');
    *constraints++ = '\0';
    free_form = strchr(constraints, '\t');
    *free_form++ = '\0';
    node = node_at(schema, line);
    if (str_eq(free_form, "file")) {
        if (node)
            fail_msg("%s is in the CRD", line);
        return;
    }
    if (!node)
        fail_msg("the CRD has no %s", line);
    got = str_eq(json_str(node, "type", ""), "array") ? mem_printf("array<%s>", json_str(node, "items.type", ""))
                                                      : mem_str(json_str(node, "type", ""));
    if (strcmp(got, type) != 0)
        fail_msg("%s is %s in the CRD", line, got);
    for (char *c = strtok(constraints, ";"); c; c = strtok(NULL, ";"))
        if (!has_constraint(node, c + (*c == ' ')))
            fail_msg("%s lacks: %s", line, c);
    if (str_eq(free_form, "yes") && !json_bool(str_starts(got, "array") ? json_get(node, "items") : node,
                                               "x-kubernetes-preserve-unknown-fields", false))
        fail_msg("%s would be pruned", line);
}

static void compare(enum schema_kind kind, const char *list)
{
    auto_free char *text = file_text(list);
    auto_json cJSON *schema = schema_openapi(kind);
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (*line != '#')
            check_line(schema, line);
}

static void every_known_path_is_in_the_crd(void **state)
{
    (void)state;
    compare(SCHEMA_CHI, "tests/schema/paths-chi.txt");
    compare(SCHEMA_CHIT, "tests/schema/paths-chi.txt");
    compare(SCHEMA_CHK, "tests/schema/paths-chk.txt");
    compare(SCHEMA_CHOPCONF, "tests/schema/paths-chopconf.txt");
}

/* What an API server demands of a structural schema. */
static void structural(const cJSON *node, const char *where, bool root)
{
    const cJSON *p;
    const char *type = json_str(node, "type", "");

    if (!*type)
        fail_msg("%s has no type", where);
    if (str_eq(type, "array"))
        structural(json_get(node, "items"), where, false);
    if (!root && str_eq(type, "object") && !json_get(node, "properties") &&
        !json_bool(node, "x-kubernetes-preserve-unknown-fields", false) && !str_ends(where, ".metadata"))
        fail_msg("%s holds nothing", where);
    cJSON_ArrayForEach(p, json_get(node, "required")) if (!json_get(json_get(node, "properties"), p->valuestring))
        fail_msg("%s requires %s, which it has not", where, p->valuestring);
    cJSON_ArrayForEach(p, json_get(node, "properties"))
    {
        auto_free char *path = mem_printf("%s.%s", where, p->string);

        structural(p, path, false);
    }
}

static void schemas_are_structural(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMA_KINDS; i++) {
        auto_json cJSON *schema = schema_openapi((enum schema_kind)i);

        structural(schema, "", true);
    }
}

static void columns_are(enum schema_kind kind, const char *want)
{
    auto_json cJSON *crd = schema_crd(kind);
    const cJSON *v;
    auto_str struct str out = STR_INIT;

    cJSON_ArrayForEach(v, json_at(crd, "spec.versions.0.additionalPrinterColumns"))
        str_addf(&out, "%s:%s:%d:%s ", json_str(v, "name", ""), json_str(v, "type", ""),
                 (int)json_int(v, "priority", 0), json_str(v, "jsonPath", ""));
    assert_string_equal(str_text(&out), want);
}

static void names_and_columns_are_what_people_have(void **state)
{
    auto_json cJSON *chi = schema_crd(SCHEMA_CHI), *chk = schema_crd(SCHEMA_CHK), *conf = schema_crd(SCHEMA_CHOPCONF);

    (void)state;
    assert_string_equal(json_name(chi), "clickhouseinstallations.clickhouse.altinity.com");
    assert_string_equal(json_name(chk), "clickhousekeeperinstallations.clickhouse-keeper.altinity.com");
    assert_string_equal(json_str(conf, "spec.names.shortNames.0", ""), "chopconf");
    assert_string_equal(json_str(chi, "spec.names.listKind", ""), "ClickHouseInstallationList");
    assert_non_null(json_at(chi, "spec.versions.0.subresources.status"));
    assert_null(json_at(conf, "spec.versions.0.subresources"));
    assert_string_equal(json_str(chi, "spec.versions.0.subresources.scale.specReplicasPath", ""),
                        ".spec.chfleet.replicasCount");
    assert_non_null(json_at(chk, "spec.versions.0.subresources.scale"));
    assert_string_equal(json_str(chi, "spec.versions.0.schema.openAPIV3Schema.required.0", ""), "spec");
    assert_null(json_at(conf, "spec.versions.0.schema.openAPIV3Schema.required"));
    columns_are(
        SCHEMA_CHI,
        "version:string:1:.status.chop-version clusters:integer:0:.status.clusters shards:integer:1:.status.shards "
        "hosts:integer:0:.status.hosts taskID:string:1:.status.taskID status:string:0:.status.status "
        "hosts-completed:integer:0:.status.hostsCompleted hosts-updated:integer:1:.status.hostsUpdated "
        "hosts-added:integer:1:.status.hostsAdded hosts-deleted:integer:1:.status.hostsDeleted "
        "endpoint:string:1:.status.endpoint age:date:0:.metadata.creationTimestamp suspend:string:0:.spec.suspend ");
    columns_are(
        SCHEMA_CHK,
        "version:string:1:.status.chop-version clusters:integer:0:.status.clusters shards:integer:1:.status.shards "
        "hosts:integer:0:.status.hosts taskID:string:1:.status.taskID status:string:0:.status.status "
        "hosts-unchanged:integer:1:.status.hostsUnchanged hosts-updated:integer:1:.status.hostsUpdated "
        "hosts-added:integer:1:.status.hostsAdded hosts-completed:integer:0:.status.hostsCompleted "
        "hosts-deleted:integer:1:.status.hostsDeleted hosts-delete:integer:1:.status.hostsDelete "
        "endpoint:string:1:.status.endpoint age:date:0:.metadata.creationTimestamp suspend:string:0:.spec.suspend ");
    columns_are(SCHEMA_CHOPCONF, "namespaces:string:0:.status age:date:0:.metadata.creationTimestamp ");
}

static void rules_are_in_the_crd(void **state)
{
    auto_json cJSON *schema = schema_openapi(SCHEMA_CHI);
    const cJSON *zk = node_at(schema, "spec.configuration.zookeeper"), *wave = node_at(schema, "spec.chfleet.waves[]");

    (void)state;
    must_hold(json_str(zk, "x-kubernetes-validations.0.rule", ""), "self.keeper");
    must_hold(json_str(wave, "x-kubernetes-validations.0.rule", ""), "has(self.shards) != has(self.percent)");
    assert_non_null(node_at(schema, "spec.configuration.clusters[].zookeeper.keeper"));
}

static void a_crd_fits_into_an_annotation(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMA_KINDS; i++) {
        auto_json cJSON *crd = schema_crd((enum schema_kind)i);
        auto_free char *text = json_print(crd);

        assert_true(strlen(text) < 256 * 1024); /* kubectl apply keeps a copy of it there */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_path_is_in_the_crd),         cmocka_unit_test(schemas_are_structural),
        cmocka_unit_test(names_and_columns_are_what_people_have), cmocka_unit_test(rules_are_in_the_crd),
        cmocka_unit_test(a_crd_fits_into_an_annotation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
