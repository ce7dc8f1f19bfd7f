/* SPDX-License-Identifier: Apache-2.0 */
/* Altinity's operator is known by what its bundle, its chart and mirrors make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/others.h"

/* labels and env are the inside of a JSON object and list */
static cJSON *deployment(const char *labels, const char *image, const char *env)
{
    auto_free char *text =
        mem_printf("{\"metadata\":{\"name\":\"op\",\"namespace\":\"kube-system\",\"uid\":\"u\",\"resourceVersion\":\"1\","
                   "\"labels\":{%s},\"annotations\":{\"a\":\"b\"}},\"spec\":{\"replicas\":1,\"template\":{\"spec\":{"
                   "\"containers\":[{\"name\":\"x\",\"image\":\"%s\",\"env\":[%s]}]}}},\"status\":{\"replicas\":1}}",
                   labels, image, env);
    cJSON *d = cJSON_Parse(text);

    assert_non_null(d);
    return d;
}

static bool is(const char *labels, const char *image)
{
    auto_json cJSON *d = deployment(labels, image, "");
    bool before = others_is(d);

    others_compact(d);
    assert_int_equal(others_is(d), before);
    return before;
}

static void bundle_chart_and_mirror_are_known(void **state)
{
    (void)state;
    assert_true(is("\"app\":\"clickhouse-operator\",\"clickhouse.altinity.com/chop\":\"0.25.6\"",
                   "altinity/clickhouse-operator:0.25.6"));
    assert_true(is("\"app.kubernetes.io/name\":\"altinity-clickhouse-operator\"", "registry.local:5000/chop@sha256:00"));
    assert_true(is("", "registry.local:5000/mirror/altinity/clickhouse-operator:1"));
    assert_true(is("\"app\":\"clickhouse-operator\"", "registry.local/clickhouse-operator"));
}

static void others_are_not(void **state)
{
    (void)state;
    assert_false(is("\"app.kubernetes.io/name\":\"chfleet\"", "chfleet:0.1.0"));
    assert_false(is("", "ghcr.io/clickhouse/clickhouse-operator:1"));
    assert_false(is("\"app\":\"clickhouse-operator-dashboard\"", "nginx"));
    assert_false(is("", "altinity/metrics-exporter:0.25.6"));
}

static void replicas_count_until_they_are_gone(void **state)
{
    auto_json cJSON *d = deployment("", "altinity/clickhouse-operator", "");

    (void)state;
    json_set_int(json_get(d, "spec"), "replicas", 0);
    others_compact(d);
    assert_int_equal(others_replicas(d), 1);
    json_set_int(json_get(d, "status"), "replicas", 0);
    assert_int_equal(others_replicas(d), 0);
}

static bool acts(const char *env, const char *ns)
{
    auto_json cJSON *d = deployment("", "altinity/clickhouse-operator", env);

    others_compact(d);
    return others_acts_in(d, ns);
}

static void its_environment_says_where_it_acts(void **state)
{
    (void)state;
    assert_true(acts("", "shop"));
    assert_true(acts("{\"name\":\"WATCH_NAMESPACES\",\"value\":\"shop,st.*\"}", "stats"));
    assert_true(acts("{\"name\":\"WATCH_NAMESPACES\",\"value\":\"shop\"}", "workshop"));
    assert_false(acts("{\"name\":\"WATCH_NAMESPACES\",\"value\":\"shop\"}", "other"));
    assert_false(acts("{\"name\":\"WATCH_NAMESPACE\",\"value\":\"shop\"}", "other"));
    assert_false(acts("{\"name\":\"WATCH_NAMESPACES_EXCLUDE\",\"value\":\"shop\"}", "shop"));
    assert_true(acts("{\"name\":\"WATCH_NAMESPACES\",\"value\":\"(\"}", "other")); /* not understood: it may */
    assert_true(acts("{\"name\":\"WATCH_NAMESPACES\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"x\",\"key\":\"y\"}}}", "other"));
}

static void the_advice_names_what_to_scale_down(void **state)
{
    auto_json cJSON *d = deployment("", "altinity/clickhouse-operator", "");
    auto_free char *text = others_advice(d);

    (void)state;
    assert_non_null(strstr(text, "kubectl -n kube-system scale deployment op --replicas=0"));
}

static void nothing_is_kept_of_other_deployments(void **state)
{
    auto_json cJSON *d = deployment("\"app\":\"shop\"", "shop:1", "");

    (void)state;
    others_compact(d);
    assert_string_equal(json_name(d), "op");
    assert_null(json_get(d, "spec"));
    assert_null(json_at(d, "metadata.labels"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundle_chart_and_mirror_are_known),  cmocka_unit_test(others_are_not),
        cmocka_unit_test(replicas_count_until_they_are_gone), cmocka_unit_test(its_environment_says_where_it_acts),
        cmocka_unit_test(the_advice_names_what_to_scale_down), cmocka_unit_test(nothing_is_kept_of_other_deployments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
