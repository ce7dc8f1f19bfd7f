/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sql/statements.h"
#include "tests/lib/servers.h"

static const struct sql_version old = {18, 16, 1}, modern = {24, 8, 4};
static const struct sql_arg some[] = {
    {"limit", "10"},
    {"seconds", "0"},
    {"before", "1"},
    {"path", "/x"},
    {"pattern", "chfleet-1-2-%"},
    {"own", "chfleet-1-2-fence"},
    {"database", "default"},
    {"table", "t"},
    {"replica", "r"},
    {"kind", "ROLE"},
    {"name", "n"},
    {NULL, NULL},
};

static void each_server_gets_the_newest_variant_it_knows(void **state)
{
    auto_str struct str a = STR_INIT, b = STR_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(sql_statement(&a, "functions", &old, NULL, &err), 0);
    assert_int_equal(sql_statement(&b, "functions", &modern, NULL, &err), 0);
    assert_non_null(strstr(a.s, "WHERE 0"));
    assert_non_null(strstr(b.s, "SQLUserDefined"));
}

static void a_server_that_is_too_old_is_refused(void **state)
{
    auto_str struct str a = STR_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(sql_statement(&a, "drop_replica", &old, some, &err), -1);
    assert_int_equal(err.kind, ERR_REFUSED);
    assert_false(sql_has("drop_replica", &old));
    assert_true(sql_has("drop_replica", &modern));
    assert_int_equal(a.len, 0);
}

/* Whatever is in a value or a name, it stays one. */
static void values_and_names_end_where_their_quotes_end(void **state)
{
    auto_str struct str value = STR_INIT, name = STR_INIT;

    (void)state;
    sql_quote_string(&value, "a' OR 1 -- \\' `b`\n\t\r");
    assert_string_equal(value.s, "'a\\' OR 1 -- \\\\\\' `b`\\n\\t\\r'");
    sql_quote_name(&name, "a` 'b' \\`");
    assert_string_equal(name.s, "`a\\` 'b' \\\\\\``");
}

static void values_that_do_not_fit_are_refused(void **state)
{
    static const struct sql_arg bad[] = {{"limit", "1 OR 1"}, {NULL, NULL}};
    auto_str struct str a = STR_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(sql_statement(&a, "behind", &old, bad, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(sql_statement(&a, "behind", &old, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_BUG);
    assert_int_equal(sql_statement(&a, "no such", &old, NULL, &err), -1);
}

static void every_variant_can_be_filled(void **state)
{
    const struct sql_variant *v;

    (void)state;
    for (size_t i = 0; (v = sql_variant_at(i)); i++) {
        auto_str struct str a = STR_INIT;
        struct sql_version at = {v->major, v->minor, 0};
        struct err err = ERR_INIT;

        if (sql_statement(&a, v->name, &at, some, &err) < 0)
            fail_msg("%s: %s", v->name, err.msg);
        assert_null(strchr(a.s, '{'));
    }
}

static bool only_an_object_is_missing(const char *text)
{
    return strstr(text, "Code: 57,") || strstr(text, "Code: 60,") || strstr(text, "Code: 999,");
}

/* What an 18.16 gets must parse and run there, or fail because of an object only. */
static void every_statement_for_old_servers_runs_on_one(void **state)
{
    struct servers *s;
    struct server *zk, *c;
    struct clickhouse_opts o = {0};
    struct err err = ERR_INIT;
    auto_str struct str out = STR_INIT;
    const struct sql_variant *v;

    (void)state;
    if (!servers_have_clickhouse() || !servers_have_zookeeper())
        skip();
    assert_int_equal(servers_new(&s, &err), 0);
    assert_int_equal(servers_zookeeper(s, &zk, &err), 0);
    o.zk_port = zk->client;
    o.remote_servers = "<solo><shard><replica><host>127.0.0.1</host><port>9</port></replica></shard></solo>";
    assert_int_equal(servers_clickhouse(s, &o, &c, &err), 0);
    assert_int_equal(server_start(c, &err), 0);
    assert_int_equal(
        server_query(c, &out, &err, "CREATE TABLE t (n UInt8) ENGINE=ReplicatedMergeTree('/t','r') ORDER BY n"), 0);
    for (size_t i = 0; (v = sql_variant_at(i)); i++) {
        auto_str struct str sql = STR_INIT;

        if (strcmp(v->name, "shutdown") == 0 || !sql_has(v->name, &old))
            continue;
        if (sql_statement(&sql, v->name, &old, some, &err) < 0)
            fail_msg("%s: %s", v->name, err.msg);
        if (server_query(c, &out, &err, "%s", sql.s) < 0 && !only_an_object_is_missing(err.msg))
            fail_msg("%s: %s", v->name, err.msg);
    }
    servers_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_server_gets_the_newest_variant_it_knows),
        cmocka_unit_test(a_server_that_is_too_old_is_refused),
        cmocka_unit_test(values_and_names_end_where_their_quotes_end),
        cmocka_unit_test(values_that_do_not_fit_are_refused),
        cmocka_unit_test(every_variant_can_be_filled),
        cmocka_unit_test(every_statement_for_old_servers_runs_on_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
