/* SPDX-License-Identifier: Apache-2.0 */
/* Settings, versions, quantities, the operator configuration, macros. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/config.h"
#include "model/fleet.h"
#include "model/quantity.h"
#include "model/settings.h"
#include "model/version.h"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *j = json_parse(text, strlen(text), &err);

    if (!j)
        fail_msg("%s: %s", text, err.msg);
    return j;
}

/* ---- settings ---- */

static struct settings loaded(const char *json, struct settings_source *src)
{
    auto_json cJSON *j = parse(json);
    struct settings s = {NULL, 0};
    struct err err = ERR_INIT;

    if (settings_load(&s, j, src, &err) < 0)
        fail_msg("%s: %s", json, err.msg);
    return s;
}

static const char *value(const struct settings *s, const char *path)
{
    const struct setting *one = settings_find(s, path);

    return one && one->n_values ? one->values[0] : NULL;
}

static void settings_keep_what_was_written(void **state)
{
    struct settings_source src = {.where = "w", .env_prefix = "CONFIGURATION_SETTINGS_"};
    struct settings s = loaded(
        "{\"big\":18446744073709551615,\"half\":0.5,\"neg\":-0.25,\"yes\":true,\"//a//b/\":\"x\",\"list\":[1,\"two\"],"
        "\"gone\":\"_removed_\",\"n\":{\"m\":3,\"@replace\":\"1\"},\"empty\":\"\"}",
        &src);

    (void)state;
    assert_string_equal(value(&s, "big"), "18446744073709551615");
    assert_string_equal(value(&s, "half"), "0.5");
    assert_string_equal(value(&s, "neg"), "-0.25");
    assert_string_equal(value(&s, "yes"), "true");
    assert_string_equal(value(&s, "a/b"), "x");
    assert_string_equal(value(&s, "n/m"), "3");
    assert_string_equal(value(&s, "empty"), "");
    assert_int_equal(settings_find(&s, "list")->kind, SETTING_LIST);
    assert_string_equal(settings_find(&s, "list")->values[1], "two");
    assert_int_equal(settings_find(&s, "gone")->kind, SETTING_REMOVE);
    assert_string_equal(settings_find(&s, "n")->attributes, "replace=\"1\"");
    for (size_t i = 1; i < s.n; i++)
        assert_true(strcmp(s.v[i - 1].path, s.v[i].path) < 0);
    settings_fini(&s);
}

static void references_become_variables(void **state)
{
    struct settings_source src = {.where = "w", .env_prefix = "CONFIGURATION_USERS_", .users = true};
    struct settings s = loaded(
        "{\"bob/k8s_secret_env_password\":\"creds/pw\",\"eve/password\":{\"valueFrom\":{\"secretKeyRef\":{\"name\":"
        "\"c\",\"key\":\"k\"}}},\"al/k8s_secret_password\":{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"c\","
        "\"key\":\"k\"}}}}",
        &src);
    auto_free char *long_name = settings_env_name("CONFIGURATION_SETTINGS_",
                                                  "a/very/long/path/of/a/setting/that/does/not/fit/into/sixty/three");

    (void)state;
    assert_string_equal(value(&s, "bob/password"), "CONFIGURATION_USERS_BOB_PASSWORD");
    assert_int_equal(settings_find(&s, "bob/password")->kind, SETTING_ENV);
    assert_string_equal(settings_find(&s, "bob/password")->secret_name, "creds");
    assert_string_equal(settings_find(&s, "eve/password")->secret_key, "k");
    assert_string_equal(value(&s, "al/k8s_secret_password"), "c/k");
    assert_true(str_starts(long_name, "CONFIGURATION_SETTINGS_A_VERY_LONG_PATH_OF_A_SETTING_THAT_DOES_"));
    assert_true(strlen(long_name) <= 63 + 1 + 32 && !strstr(long_name, "__"));
    settings_fini(&s);
}

static void impossible_settings_are_refused_with_their_path(void **state)
{
    static const char *const bad[] = {"{\"1st\":1}", "{\"a b\":1}",
                                      "{\"a\":{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"x\"}}}}", "{\"/\":1}"};
    struct settings_source src = {.where = "spec.configuration.settings", .env_prefix = "E_"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        auto_json cJSON *j = parse(bad[i]);
        struct settings s = {NULL, 0};
        struct err err = ERR_INIT;

        assert_int_equal(settings_load(&s, j, &src, &err), -1);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_true(str_starts(err.msg, "spec.configuration.settings."));
        settings_fini(&s);
    }
}

static void filling_keeps_what_is_there(void **state)
{
    struct settings a = {NULL, 0}, b = {NULL, 0};

    (void)state;
    settings_put_text(&a, "x", "1");
    settings_put_text(&b, "x", "2");
    settings_put_text(&b, "y", "3");
    settings_fill(&a, &b);
    assert_string_equal(value(&a, "x"), "1");
    assert_string_equal(value(&a, "y"), "3");
    settings_drop(&a, "x");
    settings_drop(&a, "x");
    assert_int_equal(a.n, 1);
    settings_fini(&a);
    settings_fini(&b);
}

/* ---- versions ---- */

static void versions_come_from_tags(void **state)
{
    static const char *const pairs[][2] = {
        {"clickhouse/clickhouse-server:24.8", "24.8"},
        {"registry:5000/x/server:24.8.4.13-alpine", "24.8.4.13"},
        {"server:v23.3.1", "23.3.1"},
        {"server:latest", VERSION_LATEST},
        {"server", VERSION_LATEST},
        {"registry:5000/server", VERSION_LATEST},
        {"server:head", ""},
        {"server:7", ""},
        {"server@sha256:1234.5", ""},
        {"server:24.3@sha256:12", "24.3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        auto_free char *v = version_of_image(pairs[i][0]);

        assert_string_equal(v, pairs[i][1]);
    }
}

static void constraints_fit_as_semver_says(void **state)
{
    static const struct {
        const char *version, *constraint;
        bool fits;
    } cases[] = {
        {"24.8", "*", true},
        {"", "*", true},
        {"", ">= 23.3", false},
        {"23.3", ">= 23.3", true},
        {"23.2.9", ">= 23.3", false},
        {"21.8.3", "21.*", true},
        {"22.1", "21.*", false},
        {"21.8", "21.8", true},
        {"21.8.1", "21.8", false},
        {"24.1", ">23, <25", true},
        {"25.1", ">23, <25", false},
        {"24.3.7", "~24.3", true},
        {"24.4.0", "~24.3", false},
        {"24.9", "^24.3", true},
        {"25.0", "^24.3", false},
        {"20.1", "20.* || 22.*", true},
        {"22.5", "20.* || 22.*", true},
        {"21.5", "20.* || 22.*", false},
        {"21.5", "nonsense", false},
        {"21.5", "!= 21.5", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (version_fits(cases[i].version, cases[i].constraint) != cases[i].fits)
            fail_msg("%s against %s", cases[i].version, cases[i].constraint);
    assert_true(version_compare("18.16.1", "18.16.10") < 0);
    assert_true(version_compare("", "0.0.1") < 0);
}

/* ---- quantities ---- */

static int64_t bytes(const char *text)
{
    auto_json cJSON *v = cJSON_CreateString(text);

    return quantity_bytes(v);
}

static void quantities_are_exact(void **state)
{
    auto_json cJSON *a = cJSON_CreateString("1024Mi"), *b = cJSON_CreateString("1Gi"), *c = cJSON_CreateString("0.1"),
                    *d = cJSON_CreateString("100m"), *e = cJSON_CreateString("1G");

    (void)state;
    assert_int_equal(bytes("10Gi"), INT64_C(10) << 30);
    assert_int_equal(bytes("1Ei"), INT64_C(1) << 60);
    assert_int_equal(bytes("1e3"), 1000);
    assert_int_equal(bytes("2E"), INT64_C(2000000000000000000));
    assert_int_equal(bytes("1.5Ki"), 1536);
    assert_int_equal(bytes("5"), 5);
    assert_int_equal(bytes("big"), -1);
    assert_int_equal(bytes("0x10"), -1);
    assert_int_equal(bytes("-1Gi"), -1);
    assert_int_equal(bytes(""), -1);
    assert_true(quantity_same(a, b));
    assert_true(quantity_same(c, d));
    assert_false(quantity_same(b, e));
}

/* ---- operator configuration ---- */

static void configuration_layers_join_as_the_peers_do(void **state)
{
    auto_json cJSON *file =
        parse("{\"watchNamespaces\":[\"a\"],\"chUsername\":\"boss\",\"clickhouse\":{\"configuration\":{\"user\":{"
              "\"default\":{"
              "\"networksIP\":[\"10.0.0.0/"
              "8\"]}}}},\"statefulSet\":{\"revisionHistoryLimit\":0},\"label\":{\"appendScope\":true}}");
    auto_json cJSON *resource = parse(
        "{\"spec\":{\"clickhouse\":{\"access\":{\"username\":\"\",\"port\":0},\"configuration\":{\"user\":{\"default\":"
        "{\"networksIP\":[\"::2\"]}}}}}}");
    const cJSON *list[] = {resource};
    auto_json cJSON *c = config_effective(file, list, 1);
    const cJSON *ips = json_at(c, "clickhouse.configuration.user.default.networksIP");

    (void)state;
    assert_string_equal(json_str(c, "clickhouse.access.username", ""), "boss");
    assert_int_equal(json_int(c, "clickhouse.access.port", 0), 8123);
    assert_int_equal(cJSON_GetArraySize(ips), 2);
    assert_true(json_has(ips, "10.0.0.0/8") && json_has(ips, "::2"));
    assert_true(json_has(json_at(c, "watch.namespaces.include"), "a"));
    assert_null(json_get(c, "watchNamespaces"));
    assert_int_equal(json_int(c, "statefulSet.revisionHistoryLimit", 0), 10);
    assert_true(config_bool(c, "label.appendScope", false));
    assert_true(config_bool(c, "reconcile.host.wait.queries", false));
    assert_int_equal(json_int(c, "reconcile.runtime.reconcileShardsThreadsNumber", 0), 5);
}

/* ---- fleets ---- */

static void macros_expand_by_scope(void **state)
{
    auto_json cJSON *r =
        parse("{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"ns\"},\"spec\":{"
              "\"configuration\":{"
              "\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\",\"layout\":{\"shardsCount\":2,\"replicasCount\":2}}]}}}");
    struct fleet_input in = {.resource = r};
    auto_fleet struct fleet *f = NULL;
    auto_free char *host = NULL, *cr = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(fleet_make(&in, &f, &err), 0);
    host = fleet_macros(
        f, NULL, NULL, f->hosts[4],
        "{namespace}/{chi}/{cluster}/{clusterIndex}/{shard}/{replica}/{host}/{chiScopeIndex}/{clusterScopeIndex}/"
        "{shardScopeIndex}/{replicaScopeIndex}/{chiID}/{");
    cr = fleet_macros(f, NULL, NULL, NULL, "{chi}-{cluster}");
    assert_string_equal(host, "ns/demo/b/1/1/1/1-1/4/3/1/1/{chiID}/{");
    assert_string_equal(cr, "demo-{cluster}");
    assert_ptr_equal(fleet_host(f, "ns/demo/b/1/1"), f->hosts[4]);
    assert_null(fleet_host(f, "ns/demo/b/9/9"));
}

static void a_resource_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"}}",
        "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{}}",
        "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"namespaceDomainPattern\":"
        "\"svc\"}}",
        "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"configuration\":{\"clusters\":["
        "{}]}}}",
        "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"configuration\":{\"clusters\":["
        "{\"name\":\"c\",\"layout\":{"
        "\"shardsCount\":5000,\"replicasCount\":5000}}]}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        auto_json cJSON *r = parse(bad[i]);
        struct fleet_input in = {.resource = r};
        struct fleet *f = NULL;
        struct err err = ERR_INIT;

        assert_int_equal(fleet_make(&in, &f, &err), -1);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_keep_what_was_written),
        cmocka_unit_test(references_become_variables),
        cmocka_unit_test(impossible_settings_are_refused_with_their_path),
        cmocka_unit_test(filling_keeps_what_is_there),
        cmocka_unit_test(versions_come_from_tags),
        cmocka_unit_test(constraints_fit_as_semver_says),
        cmocka_unit_test(quantities_are_exact),
        cmocka_unit_test(configuration_layers_join_as_the_peers_do),
        cmocka_unit_test(macros_expand_by_scope),
        cmocka_unit_test(a_resource_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
