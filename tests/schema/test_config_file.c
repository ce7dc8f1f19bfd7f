/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's configuration file with its folders, in the layout of the peer's installation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "schema/config_file.h"

static char root[64];

static char *at(const char *path)
{
    return mem_printf("%s/%s", root, path);
}

static void folder(const char *path)
{
    auto_free char *p = at(path);

    assert_int_equal(mkdir(p, 0700), 0);
}

static void file(const char *path, const char *text)
{
    auto_free char *p = at(path);
    FILE *f = fopen(p, "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "%s/chfleet-config.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    auto_free char *command = mem_printf("rm -rf '%s'", root);

    (void)state;
    return system(command);
}

static cJSON *loaded(void)
{
    auto_free char *path = at("config.yaml");
    cJSON *config = NULL;
    struct err err = ERR_INIT;

    if (schema_config_load(path, &config, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return config;
}

static void refused(const char *why)
{
    auto_free char *path = at("config.yaml");
    cJSON *config = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(schema_config_load(path, &config, NULL, &err), -1);
    if (!strstr(err.msg, why))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
}

static void a_file_without_folders_is_the_file(void **state)
{
    auto_json cJSON *c = NULL;

    (void)state;
    file("config.yaml", "watch: {namespaces: [shop]}\nclickhouse: {access: {port: 8123}}\n");
    c = loaded();
    assert_int_equal(json_int(c, "clickhouse.access.port", 0), 8123);
    assert_null(json_at(c, "clickhouse.configuration.file.content"));
}

static void only_comments_are_all_defaults(void **state)
{
    auto_json cJSON *c = NULL;

    (void)state;
    file("config.yaml", "# nothing said\n");
    c = loaded();
    assert_true(cJSON_IsObject(c));
}

static void folders_of_the_peers_layout_are_read(void **state)
{
    auto_json cJSON *c = NULL;
    const cJSON *common, *t;

    (void)state;
    file("config.yaml", "clickhouse: {configuration: {file: {path: {common: chi/config.d, host: elsewhere}}}}\n");
    folder("chi");
    folder("chi/config.d");
    folder("chi/users.d");
    folder("chi/templates.d");
    folder("elsewhere");
    folder("chk");
    folder("chk/keeper_config.d");
    file("chi/config.d/10-own.xml", "<yandex/>");
    file("chi/config.d/.gitkeep.xml", "<!-- -->");
    file("chi/config.d/readme.txt", "no");
    file("chi/users.d/u.xml", "<clickhouse/>");
    file("elsewhere/h.xml", "<clickhouse><a>1</a></clickhouse>");
    file("chk/keeper_config.d/k.xml", "<clickhouse/>");
    file("chi/templates.d/001.yaml.example", "kind: Nothing");
    file("chi/templates.d/t.yaml", "apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallationTemplate\n"
                                   "metadata: {name: t, namespace: lost}\nspec: {stop: \"no\"}\n");
    c = loaded();
    common = json_at(c, "clickhouse.configuration.file.content.common");
    assert_int_equal(cJSON_GetArraySize(common), 1);
    assert_string_equal(json_get(common, "10-own.xml")->valuestring, "<yandex/>");
    assert_non_null(json_get(json_at(c, "clickhouse.configuration.file.content.user"), "u.xml"));
    assert_non_null(json_get(json_at(c, "clickhouse.configuration.file.content.host"), "h.xml"));
    assert_non_null(json_get(json_at(c, "keeper.configuration.file.content.common"), "k.xml"));
    assert_int_equal(cJSON_GetArraySize(json_at(c, "template.chi.content")), 1);
    t = json_at(c, "template.chi.content.0");
    assert_string_equal(json_name(t), "t");
    assert_string_equal(json_ns(t), "");
}

static void the_old_names_of_folders_count(void **state)
{
    auto_json cJSON *c = NULL;

    (void)state;
    file("config.yaml", "chUsersConfigsPath: mine\n");
    folder("mine");
    file("mine/x.xml", "<clickhouse/>");
    c = loaded();
    assert_non_null(json_get(json_at(c, "clickhouse.configuration.file.content.user"), "x.xml"));
}

static void what_is_wrong_is_named_with_its_file(void **state)
{
    (void)state;
    file("config.yaml", "clickhouse: {access: {prot: 1}}\n");
    refused("config.yaml:1");
    file("config.yaml", "a: 1\n---\nb: 2\n");
    refused("one YAML document");
    file("config.yaml", "{}\n");
    folder("chi");
    folder("chi/templates.d");
    file("chi/templates.d/t.yaml", "kind: Secret\n");
    refused("t.yaml");
    file("chi/templates.d/t.yaml", "apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallationTemplate\n"
                                   "metadata: {name: t}\nspec: {stopp: \"no\"}\n");
    refused("stopp");
}

static void files_that_no_object_could_hold_are_refused(void **state)
{
    auto_str struct str text = STR_INIT;

    (void)state;
    while (text.len <= SCHEMA_CONFIG_BYTES)
        str_add(&text, "<!-- 0123456789012345678901234567890123456789 -->\n");
    file("config.yaml", "{}\n");
    folder("chi");
    folder("chi/config.d");
    file("chi/config.d/big.xml", str_text(&text));
    refused("512 KiB");
}

static void the_stamp_changes_with_the_file_and_what_is_in_its_folders(void **state)
{
    auto_free char *path = at("config.yaml"), *a = NULL, *b = NULL, *c = NULL, *d = NULL;

    (void)state;
    file("config.yaml", "{}\n");
    a = schema_config_stamp(path, NULL);
    b = schema_config_stamp(path, NULL);
    assert_string_equal(a, b);
    folder("chi");
    folder("chi/config.d");
    file("chi/config.d/a.xml", "<a/>");
    c = schema_config_stamp(path, NULL);
    assert_string_not_equal(a, c);
    file("config.yaml", "watch: {}\n");
    d = schema_config_stamp(path, NULL);
    assert_string_not_equal(c, d);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_without_folders_is_the_file),
        TEST(only_comments_are_all_defaults),
        TEST(folders_of_the_peers_layout_are_read),
        TEST(the_old_names_of_folders_count),
        TEST(what_is_wrong_is_named_with_its_file),
        TEST(files_that_no_object_could_hold_are_refused),
        TEST(the_stamp_changes_with_the_file_and_what_is_in_its_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
