/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of volume claims: who may delete one, and which of them a wanted volume needs anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "render/claims.h"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *j = json_parse(text, strlen(text), &err);

    if (!j)
        fail_msg("%s: %s", text, err.msg);
    return j;
}

static struct fleet *fleet_of(const char *spec)
{
    auto_free char *text = mem_printf(
        "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"i\","
        "\"namespace\":\"n\"},\"spec\":{%s}}",
        spec);
    auto_json cJSON *resource = parse(text);
    struct fleet_input in = {.resource = resource};
    struct fleet *f = NULL;
    struct err err = ERR_INIT;

    if (fleet_make(&in, &f, &err) < 0)
        fail_msg("%s", err.msg);
    return f;
}

#define CLAIM(labels)                                                                                                  \
    "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"data-chi-i-c-0-0-0\",\"labels\":{" labels "}}}"
#define POLICY(p) "\"clickhouse.altinity.com/reclaimPolicy\":\"" p "\""
#define TEMPLATE(more)                                                                                                 \
    "\"templates\":{\"volumeClaimTemplates\":[{\"name\":\"data\"," more "\"spec\":{\"resources\":{\"requests\":{"       \
    "\"storage\":\"1Gi\"}}}}]}"

static bool kept(const char *spec, const char *claim)
{
    auto_fleet struct fleet *f = fleet_of(spec);
    auto_json cJSON *pvc = parse(claim);

    return claim_kept(f, "chi-i-c-0-0", pvc);
}

static void retain_counts_wherever_it_is_said(void **state)
{
    (void)state;
    assert_true(kept(TEMPLATE("\"reclaimPolicy\":\"Retain\","), CLAIM(POLICY("Delete"))));
    assert_true(kept(TEMPLATE(""), CLAIM(POLICY("Retain"))));
    assert_true(kept("\"defaults\":{\"storageManagement\":{\"reclaimPolicy\":\"Retain\"}}," TEMPLATE(""), CLAIM("")));
}

static void a_claim_without_a_label_is_as_its_template_says(void **state)
{
    (void)state;
    assert_false(kept(TEMPLATE(""), CLAIM("")));
    assert_false(kept(TEMPLATE("\"reclaimPolicy\":\"Delete\","), CLAIM("")));
}

static void a_claim_of_unknown_policy_is_kept(void **state)
{
    (void)state;
    assert_true(kept("", CLAIM("")));
    assert_true(kept("", CLAIM(POLICY("Sometimes"))));
    assert_true(kept(TEMPLATE(""), CLAIM(POLICY("Sometimes"))));
    assert_false(kept("", CLAIM(POLICY("Delete"))));
}

static bool moves(const char *want, const char *have)
{
    auto_json cJSON *tmpl = parse(want), *pvc = parse(have);
    struct volume v = {.name = (char *)(uintptr_t) "data", .tmpl = tmpl};
    struct change what = {NULL, NULL, NULL};
    bool rc = claim_must_move(&v, pvc, &what);

    assert_true(rc == (what.path != NULL));
    free(what.path);
    free(what.from);
    free(what.to);
    return rc;
}

static void only_what_is_asked_for_must_be_so(void **state)
{
    (void)state;
    assert_true(moves("{\"spec\":{\"storageClassName\":\"fast\"}}", "{\"spec\":{\"storageClassName\":\"slow\"}}"));
    assert_false(moves("{\"spec\":{\"storageClassName\":\"fast\"}}", "{\"spec\":{\"storageClassName\":\"fast\"}}"));
    assert_false(moves("{\"spec\":{}}", "{\"spec\":{\"storageClassName\":\"the cluster's default\"}}"));
    assert_true(moves("{\"spec\":{\"storageClassName\":\"fast\"}}", "{\"spec\":{}}"));
    assert_true(moves("{\"spec\":{\"accessModes\":[\"ReadWriteMany\"]}}", "{\"spec\":{\"accessModes\":[\"ReadWriteOnce\"]}}"));
    assert_false(moves("{\"spec\":{\"volumeAttributesClassName\":\"gold\"}}", "{\"spec\":{}}"));
}

static void a_claim_names_its_template(void **state)
{
    auto_free char *name = claim_template("chi-i-c-0-0", "my-data-chi-i-c-0-0-0");

    (void)state;
    assert_string_equal(name, "my-data");
    assert_null(claim_template("chi-i-c-0-0", "data-chi-i-c-0-1-0"));
    assert_null(claim_template("chi-i-c-0-0", "-chi-i-c-0-0-0"));
}

static void a_file_system_waits_only_while_it_is_so(void **state)
{
    auto_json cJSON *waits = parse("{\"status\":{\"conditions\":[{\"type\":\"Resizing\",\"status\":\"True\"},{\"type\":"
                                   "\"FileSystemResizePending\",\"status\":\"True\",\"lastTransitionTime\":\"T\"}]}}");
    auto_json cJSON *over =
        parse("{\"status\":{\"conditions\":[{\"type\":\"FileSystemResizePending\",\"status\":\"False\"}]}}");

    (void)state;
    assert_string_equal(claim_waits_for_node(waits), "T");
    assert_string_equal(claim_waits_for_node(over), "");
    assert_string_equal(claim_waits_for_node(NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retain_counts_wherever_it_is_said),
        cmocka_unit_test(a_claim_without_a_label_is_as_its_template_says),
        cmocka_unit_test(a_claim_of_unknown_policy_is_kept),
        cmocka_unit_test(only_what_is_asked_for_must_be_so),
        cmocka_unit_test(a_claim_names_its_template),
        cmocka_unit_test(a_file_system_waits_only_while_it_is_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
