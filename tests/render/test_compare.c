/* SPDX-License-Identifier: Apache-2.0 */
/* Live against desired; files against files; which settings need a restart; what text becomes in XML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/config.h"
#include "render/compare.h"
#include "render/xml.h"
#include "render/xmldiff.h"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *j = json_parse(text, strlen(text), &err);

    if (!j)
        fail_msg("%s: %s", text, err.msg);
    return j;
}

/* ---- objects ---- */

static const char service[] =
    "{\"kind\":\"Service\",\"metadata\":{\"name\":\"s\",\"labels\":{\"a\":\"1\"},\"ownerReferences\":[{\"kind\":\"K\","
    "\"name\":\"o\",\"uid\":\"u\"}]},\"spec\":{\"type\":\"NodePort\",\"selector\":{\"x\":\"y\"},\"ports\":[{\"name\":"
    "\"http\","
    "\"port\":8123},{\"name\":\"tcp\",\"port\":9000}]}}";

static cJSON *live_service(void)
{
    cJSON *live = parse(service), *p;
    int port = 30001;

    json_set_str(json_get(live, "spec"), "clusterIP", "10.1.2.3");
    json_set_str(json_get(live, "spec"), "sessionAffinity", "None");
    json_set_str(json_get(live, "spec"), "externalTrafficPolicy", "Cluster");
    json_set_str(json_get(live, "spec"), "internalTrafficPolicy", "Cluster");
    json_set_str(json_at(live, "metadata.labels"), "foreign", "stays");
    cJSON_ArrayForEach(p, json_at(live, "spec.ports")) {
        json_set_str(p, "protocol", "TCP");
        json_set(p, "targetPort", json_copy(json_get(p, "port")));
        json_set_int(p, "nodePort", port++);
    }
    return live;
}

static void what_the_cluster_fills_in_is_no_difference(void **state)
{
    auto_json cJSON *live = live_service(), *want = parse(service);

    (void)state;
    assert_null(compare_object(live, want, NULL, NULL));
}

static void a_changed_service_keeps_its_node_ports_and_address(void **state)
{
    auto_json cJSON *live = live_service(), *want = parse(service), *patch = NULL;

    (void)state;
    json_set_int(json_at(want, "spec.ports.1"), "targetPort", 9999);
    patch = compare_object(live, want, NULL, NULL);
    assert_non_null(patch);
    json_merge_patch(&live, patch);
    assert_int_equal(json_int(live, "spec.ports.0.nodePort", 0), 30001);
    assert_int_equal(json_int(live, "spec.ports.1.nodePort", 0), 30002);
    assert_int_equal(json_int(live, "spec.ports.1.targetPort", 0), 9999);
    assert_string_equal(json_str(live, "spec.clusterIP", ""), "10.1.2.3");
    assert_null(compare_object(live, want, NULL, NULL));
}

static void only_keys_of_ours_are_taken_away(void **state)
{
    auto_json cJSON *live = live_service(), *want = parse(service), *patch = NULL;

    (void)state;
    json_set_str(json_need_obj(json_get(live, "metadata"), "annotations"), RENDER_KEYS, "team owner");
    json_set_str(json_at(live, "metadata.labels"), "team", "old");
    json_set_str(json_at(live, "metadata.annotations"), "owner", "old");
    json_set_str(json_need_obj(json_get(want, "metadata"), "annotations"), RENDER_KEYS, "team");
    json_set_str(json_at(want, "metadata.labels"), "team", "new");
    patch = compare_object(live, want, NULL, NULL);
    json_merge_patch(&live, patch);
    assert_string_equal(json_label(live, "team"), "new");
    assert_string_equal(json_label(live, "foreign"), "stays");
    assert_null(json_annotation(live, "owner"));
    assert_null(json_get(patch, "spec"));
}

static void an_owner_of_another_uid_is_replaced(void **state)
{
    auto_json cJSON *live = live_service(), *want = parse(service), *patch = NULL;

    (void)state;
    json_set_str(json_at(want, "metadata.ownerReferences.0"), "uid", "new");
    patch = compare_object(live, want, NULL, NULL);
    json_merge_patch(&live, patch);
    assert_int_equal(cJSON_GetArraySize(json_at(live, "metadata.ownerReferences")), 1);
    assert_string_equal(json_str(live, "metadata.ownerReferences.0.uid", ""), "new");
}

static void a_service_that_becomes_headless_must_be_replaced(void **state)
{
    auto_json cJSON *live = live_service(), *want = parse(service);

    (void)state;
    assert_false(compare_must_replace(live, want));
    json_set_str(json_get(want, "spec"), "clusterIP", "None");
    assert_true(compare_must_replace(live, want));
    assert_false(compare_must_replace(NULL, want));
}

static void a_claim_grows_but_never_shrinks(void **state)
{
    auto_json cJSON *live = parse(
        "{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"d\"},\"spec\":{\"accessModes\":["
        "\"ReadWriteOnce\"],"
        "\"volumeName\":\"pv\",\"storageClassName\":\"std\",\"volumeMode\":\"Filesystem\",\"resources\":{\"requests\":{"
        "\"storage\":\"10Gi\"}}}}");
    auto_json cJSON *smaller = parse("{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"d\"},\"spec\":{"
                                     "\"resources\":{\"requests\":{\"storage\":"
                                     "\"5Gi\"}}}}");
    auto_json cJSON *larger = parse("{\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"d\"},\"spec\":{"
                                    "\"resources\":{\"requests\":{\"storage\":"
                                    "\"20Gi\"}}}}");
    auto_json cJSON *patch = NULL, *want = parse("{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"20Gi\"}}}}");

    (void)state;
    assert_null(compare_object(live, smaller, NULL, NULL));
    patch = compare_object(live, larger, NULL, NULL);
    assert_true(json_same(patch, want));
}

static const char statefulset[] = "{\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"replicas\":1,"
                                  "\"serviceName\":\"x\",\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
                                  "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
                                  "\"serviceAccountName\":\"sa\",\"containers\":[{\"name\":\"c\",\"image\":\"i:1\","
                                  "\"resources\":{\"limits\":{\"cpu\":\"0.5\",\"memory\":\"1024Mi\"}},\"env\":[{"
                                  "\"name\":\"POD\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":"
                                  "\"metadata.name\"}}}],\"livenessProbe\":{\"httpGet\":{\"port\":1}},\"volumeMounts\":"
                                  "[]}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}}}";

static void defaults_of_the_api_need_no_new_pod(void **state)
{
    auto_json cJSON *want = parse(statefulset), *live = parse(statefulset);
    cJSON *c = json_at(live, "spec.template.spec.containers.0"), *spec = json_at(live, "spec.template.spec");

    (void)state;
    json_set_str(c, "imagePullPolicy", "IfNotPresent");
    json_set_str(c, "terminationMessagePath", "/dev/termination-log");
    json_set_str(c, "terminationMessagePolicy", "File");
    json_set_str(json_at(c, "resources.limits"), "cpu", "500m");
    json_set_str(json_at(c, "resources.limits"), "memory", "1Gi");
    json_set_str(json_at(c, "env.0.valueFrom.fieldRef"), "apiVersion", "v1");
    json_set_str(spec, "serviceAccount", "sa");
    json_set_str(spec, "dnsPolicy", "ClusterFirst");
    json_set_int(spec, "terminationGracePeriodSeconds", 30);
    json_set_str(json_need_obj(json_at(live, "spec.template.metadata"), "annotations"),
                 "kubectl.kubernetes.io/restartedAt", "now");
    assert_int_equal(compare_statefulset(live, want, NULL, NULL), COMPARE_SAME);
}

static void depths_of_differences(void **state)
{
    auto_json cJSON *want = parse(statefulset), *live = parse(statefulset);
    struct change *changes = NULL;
    size_t n = 0;

    (void)state;
    json_set_int(json_get(live, "spec"), "replicas", 0);
    assert_int_equal(compare_statefulset(live, want, NULL, NULL), COMPARE_METADATA);
    json_set_str(json_at(live, "spec.template.spec.containers.0"), "image", "i:2");
    assert_int_equal(compare_statefulset(live, want, &changes, &n), COMPARE_TEMPLATE);
    assert_int_equal(n, 2);
    assert_string_equal(changes[1].path, "StatefulSet spec.template.spec.containers[c].image");
    assert_string_equal(changes[1].from, "i:2");
    assert_string_equal(changes[1].to, "i:1");
    json_set_str(json_get(live, "spec"), "serviceName", "y");
    assert_int_equal(compare_statefulset(live, want, NULL, NULL), COMPARE_IMMUTABLE);
    changes_free(changes, n);
}

static void values_of_variables_are_not_shown(void **state)
{
    auto_json cJSON *a = parse("{\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"template\":{"
                               "\"spec\":{\"containers\":[{\"name\":\"c\","
                               "\"image\":\"i\",\"env\":[{\"name\":\"PW\",\"value\":\"hush\"}]}]}}}}");
    auto_json cJSON *b = json_copy(a);
    struct change *changes = NULL;
    size_t n = 0;

    (void)state;
    json_set_str(json_at(b, "spec.template.spec.containers.0.env.0"), "value", "secret");
    compare_statefulset(a, b, &changes, &n);
    assert_int_equal(n, 1);
    assert_string_equal(changes[0].from, "(hidden)");
    assert_string_equal(changes[0].to, "(hidden)");
    changes_free(changes, n);
}

static void identity_needs_a_running_server(void **state)
{
    auto_json cJSON *pod = parse("{\"metadata\":{\"uid\":\"U\"},\"status\":{\"conditions\":[{\"type\":\"Ready\","
                                 "\"status\":\"True\"}],\"containerStatuses\":["
                                 "{\"name\":\"backup\",\"containerID\":\"b\",\"state\":{\"running\":{\"startedAt\":"
                                 "\"T0\"}}},{\"name\":\"clickhouse\","
                                 "\"containerID\":\"c\",\"state\":{\"running\":{\"startedAt\":\"T1\"}}}]}}");
    auto_free char *runs = compare_identity(pod), *none = NULL, *waits = NULL;

    (void)state;
    assert_string_equal(runs, "U c T1");
    assert_true(compare_pod_ready(pod));
    none = compare_identity(NULL);
    assert_string_equal(none, "");
    json_set_str(json_get(pod, "metadata"), "deletionTimestamp", "now");
    assert_false(compare_pod_ready(pod));
    json_set_obj(json_at(pod, "status.containerStatuses.1"), "state");
    waits = compare_identity(pod);
    assert_string_equal(waits, "");
}

/* ---- files ---- */

static void note(void *ctx, const char *path, const char *from, const char *to)
{
    str_addf(ctx, "%s: %s -> %s\n", path, from ? from : "-", to ? to : "-");
}

static void layout_of_a_file_is_no_difference(void **state)
{
    auto_str struct str s = STR_INIT;

    (void)state;
    xmldiff("<a><x>1</x><!-- no --><y><z>True</z></y><n>0.500000</n></a>",
            "<b>\n  <y><z> true </z></y>\n<n>0.5</n> <x>1</x></b>", NULL, note, &s);
    assert_string_equal(str_text(&s), "");
    xmldiff("<a><x>1</x><x>2</x></a>", "<a><x>1</x><x>3</x><y q=\"1\"/></a>", NULL, note, &s);
    assert_string_equal(str_text(&s), "x[2]: 2 -> 3\ny@q: - -> 1\n");
    str_reset(&s);
    xmldiff("<a><n>18446744073709551615</n></a>", "<a><n>18446744073709551614</n></a>", NULL, note, &s);
    assert_string_equal(str_text(&s), "n: 18446744073709551615 -> 18446744073709551614\n");
    str_reset(&s);
    xmldiff("<a><users><u><p>1</p></u></users></a>", NULL, "users", note, &s);
    assert_string_equal(str_text(&s), "u/p: 1 -> -\n");
    str_reset(&s);
    xmldiff("no xml", "<a/>", NULL, note, &s);
    assert_string_equal(str_text(&s), ": no xml -> -\n");
}

static void broken_files_get_a_complaint(void **state)
{
    auto_free char *bad = xmldiff_complaint("<a>\n<b></a>"), *good = xmldiff_complaint("<a/>");

    (void)state;
    assert_non_null(bad);
    assert_true(str_starts(bad, "line 2: "));
    assert_null(good);
}

static void text_is_escaped_but_xml_written_by_hand_stays(void **state)
{
    static const char *const pairs[][2] = {
        {"a < b && c", "a &lt; b &amp;&amp; c"},
        {"(?<name>x)", "(?&lt;name&gt;x)"},
        {"a &amp; b &#10; &unknown;", "a &amp; b &#10; &amp;unknown;"},
        {"<x>1</x>", "<x>1</x>"},
        {"<x>1</y>", "&lt;x&gt;1&lt;/y&gt;"},
        {"bell \x07 gone", "bell  gone"},
        {"zażółć", "zażółć"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        auto_str struct str s = STR_INIT;

        xml_escape(&s, pairs[i][0]);
        assert_string_equal(s.s, pairs[i][1]);
    }
}

static void settings_print_as_nested_elements(void **state)
{
    struct settings s = {NULL, 0};
    auto_free char *text = NULL;

    (void)state;
    settings_put_text(&s, "a/b", "1");
    settings_put_text(&s, "a-x", "2");
    settings_put_text(&s, "a/c/d", "3");
    settings_put_text(&s, "v", "4");
    settings_put_text(&s, "v/hidden", "5");
    text = xml_settings_file(&s, NULL);
    assert_string_equal(
        text,
        "<clickhouse>\n    <a-x>2</a-x>\n    <a>\n        <b>1</b>\n        <c>\n            <d>3</d>\n        </c>\n"
        "    </a>\n    <v>4</v>\n</clickhouse>\n");
    settings_fini(&s);
}

/* ---- restart rules ---- */

static void the_last_rule_that_fits_decides(void **state)
{
    auto_json cJSON *c = config_builtin();
    static const struct {
        const char *version, *path;
        bool restarts;
    } cases[] = {
        {"", "settings/max_connections", true},
        {"", "settings/max_concurrent_queries", false},
        {"", "settings/logger/level", false},
        {"21.3", "settings/logger", true},
        {"24.8", "settings/logger", true},
        {"", "settings/max_table_size_to_drop", false},
        {"", "settings/macros/shard", false},
        {"", "files/a.xml", true},
        {"", "files/config.d/a.xml", true},
        {"", "files/config.d/my_dict_1.xml", false},
        {"", "files/config.d/x_no_restart.xml", false},
        {"", "profiles/default/max_memory_usage", false},
        {"", "profiles/default/background_merges_pool_size", true},
        {"", "quotas/q/interval", false},
        {"", "users/u/password", false},
        {"", "settings/display_secrets_in_show_and_select", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (render_needs_restart(c, cases[i].version, cases[i].path) != cases[i].restarts)
            fail_msg("%s, version \"%s\"", cases[i].path, cases[i].version);
    assert_false(render_needs_restart(NULL, "", "settings/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_cluster_fills_in_is_no_difference),
        cmocka_unit_test(a_changed_service_keeps_its_node_ports_and_address),
        cmocka_unit_test(only_keys_of_ours_are_taken_away),
        cmocka_unit_test(an_owner_of_another_uid_is_replaced),
        cmocka_unit_test(a_service_that_becomes_headless_must_be_replaced),
        cmocka_unit_test(a_claim_grows_but_never_shrinks),
        cmocka_unit_test(defaults_of_the_api_need_no_new_pod),
        cmocka_unit_test(depths_of_differences),
        cmocka_unit_test(values_of_variables_are_not_shown),
        cmocka_unit_test(identity_needs_a_running_server),
        cmocka_unit_test(layout_of_a_file_is_no_difference),
        cmocka_unit_test(broken_files_get_a_complaint),
        cmocka_unit_test(text_is_escaped_but_xml_written_by_hand_stays),
        cmocka_unit_test(settings_print_as_nested_elements),
        cmocka_unit_test(the_last_rule_that_fits_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
