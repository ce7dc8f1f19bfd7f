/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator's configuration brings along: files of its folders, templates of its folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/config.h"
#include "render/render.h"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *j = json_parse(text, strlen(text), &err);

    if (!j)
        fail_msg("%s: %s", text, err.msg);
    return j;
}

static const char chi[] = "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\",\"metadata\":{"
                          "\"name\":\"a\",\"namespace\":\"shop\",\"uid\":\"u\",\"generation\":1},\"spec\":{%s}}";

static struct fleet *fleet(const char *file, const char *spec)
{
    auto_free char *text = mem_printf(chi, spec);
    auto_json cJSON *resource = parse(text), *tree = parse(file), *config = NULL;
    struct fleet_input in = {.resource = resource};
    struct fleet *f = NULL;
    struct err err = ERR_INIT;

    if (render_check_config(tree, &err) < 0)
        fail_msg("%s", err.msg);
    config = config_effective(tree, NULL, 0);
    in.config = config;
    if (fleet_make(&in, &f, &err) < 0)
        fail_msg("%s", err.msg);
    return f;
}

static cJSON *users_data(struct fleet *f)
{
    struct render_ctx c = {0};
    struct err err = ERR_INIT;
    cJSON *o = render_users_configmap(f, &c, &err);

    if (!o)
        fail_msg("%s", err.msg);
    return o;
}

static void a_file_of_the_users_folder_is_in_every_installation(void **state)
{
    auto_fleet struct fleet *f = fleet("{\"clickhouse\":{\"configuration\":{\"file\":{\"content\":{\"user\":{\"x.xml\":"
                                       "\"<clickhouse><profiles/></clickhouse>\"}}}}}}",
                                       "");
    auto_json cJSON *o = users_data(f);

    (void)state;
    assert_string_equal(json_get(json_get(o, "data"), "x.xml")->valuestring, "<clickhouse><profiles/></clickhouse>");
}

static void what_the_peer_ships_is_made_for_the_version_that_runs(void **state)
{
    static const char shipped[] =
        "{\"clickhouse\":{\"configuration\":{\"file\":{\"content\":{\"user\":{\"01-clickhouse-operator-profile.xml\":"
        "\"<!-- comment --><clickhouse><profiles><clickhouse_operator><log_queries>0</log_queries>"
        "<skip_unavailable_shards>1</skip_unavailable_shards><http_connection_timeout>10</http_connection_timeout>"
        "<max_concurrent_queries_for_all_users>0</max_concurrent_queries_for_all_users>"
        "<os_thread_priority>0</os_thread_priority></clickhouse_operator></profiles></clickhouse>\"}}}}}}";
    auto_fleet struct fleet *f = fleet(shipped, "");
    auto_json cJSON *o = users_data(f);
    const char *text = json_get(json_get(o, "data"), "01-clickhouse-operator-profile.xml")->valuestring;

    (void)state;
    assert_null(strstr(text, "os_thread_priority")); /* the version is not known: only what all take */
}

static void what_was_changed_in_a_shipped_file_stays(void **state)
{
    auto_fleet struct fleet *f =
        fleet("{\"clickhouse\":{\"configuration\":{\"file\":{\"content\":{\"user\":{\"01-clickhouse-operator-profile.xml\":"
              "\"<clickhouse><profiles><clickhouse_operator><log_queries>1</log_queries></clickhouse_operator></profiles>"
              "</clickhouse>\"}}}}}}",
              "");
    auto_json cJSON *o = users_data(f);

    (void)state;
    assert_non_null(strstr(json_get(json_get(o, "data"), "01-clickhouse-operator-profile.xml")->valuestring,
                           "<log_queries>1<"));
}

static void a_file_that_is_not_xml_is_refused_with_its_name(void **state)
{
    auto_json cJSON *tree = parse("{\"clickhouse\":{\"configuration\":{\"file\":{\"content\":{\"host\":{\"bad.xml\":\"<a>\"}}}}}}");
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(render_check_config(tree, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.msg, "bad.xml"));
    assert_non_null(strstr(err.msg, "path.host"));
}

static const char template_config[] =
    "{\"template\":{\"chi\":{\"content\":[{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":"
    "\"ClickHouseInstallationTemplate\",\"metadata\":{\"name\":\"t\"},\"spec\":{%s\"configuration\":{\"settings\":{"
    "\"max_connections\":\"17\"}}}}]}}}";

static bool has_setting(struct fleet *f)
{
    struct render_ctx c = {0};
    auto_free char *text = render_common_settings_file(f, &c);

    return text && strstr(text, "<max_connections>17<");
}

static void an_automatic_template_of_the_folder_counts(void **state)
{
    auto_free char *config = mem_printf(template_config, "\"templating\":{\"policy\":\"auto\"},");
    auto_fleet struct fleet *f = fleet(config, "");

    (void)state;
    assert_true(has_setting(f));
}

static void a_template_of_the_folder_is_found_by_its_name_alone(void **state)
{
    auto_free char *config = mem_printf(template_config, "");
    auto_fleet struct fleet *with = fleet(config, "\"useTemplates\":[{\"name\":\"t\"}]"), *without = fleet(config, "");

    (void)state;
    assert_true(has_setting(with));
    assert_false(has_setting(without));
}

static void lists_of_namespaces_of_file_and_resources_are_joined(void **state)
{
    auto_json cJSON *file = parse("{\"watch\":{\"namespaces\":[\"a\"]}}"),
                    *one = parse("{\"spec\":{\"watch\":{\"namespaces\":{\"include\":[\"b\"],\"exclude\":[\"c\"]}}}}");
    const cJSON *all[] = {one};
    auto_json cJSON *config = config_effective(file, all, 1);

    (void)state;
    assert_int_equal(cJSON_GetArraySize(json_at(config, "watch.namespaces.include")), 2);
    assert_true(json_has(json_at(config, "watch.namespaces.include"), "a"));
    assert_true(json_has(json_at(config, "watch.namespaces.include"), "b"));
    assert_true(json_has(json_at(config, "watch.namespaces.exclude"), "c"));
}

static void a_rendering_version_that_this_build_lacks_is_refused(void **state)
{
    static const struct {
        const char *pin;
        int rc;
    } rows[] = {{NULL, 0}, {"1", 0}, {"0", -1}, {"2", -1}, {"1x", -1}, {"", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        auto_json cJSON *r = cJSON_CreateObject();
        struct err err = ERR_INIT;

        if (rows[i].pin)
            json_set_str(json_set_obj(json_set_obj(r, "metadata"), "annotations"), "chfleet.io/render", rows[i].pin);
        assert_int_equal(render_check_version(r, &err), rows[i].rc);
        assert_int_equal(err.kind, rows[i].rc < 0 ? ERR_INPUT : ERR_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rendering_version_that_this_build_lacks_is_refused),
        cmocka_unit_test(a_file_of_the_users_folder_is_in_every_installation),
        cmocka_unit_test(what_the_peer_ships_is_made_for_the_version_that_runs),
        cmocka_unit_test(what_was_changed_in_a_shipped_file_stays),
        cmocka_unit_test(a_file_that_is_not_xml_is_refused_with_its_name),
        cmocka_unit_test(an_automatic_template_of_the_folder_counts),
        cmocka_unit_test(a_template_of_the_folder_is_found_by_its_name_alone),
        cmocka_unit_test(lists_of_namespaces_of_file_and_resources_are_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
