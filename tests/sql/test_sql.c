/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sql/sql.h"
#include "tests/lib/networld.h"
#include "tests/lib/servers.h"

static const char *const hostile[] = {
    "plain",
    "it's",
    "`; DROP TABLE t; --",
    "back\\slash",
    "\\",
    "\\'",
    "'",
    "''",
    "\"double\"",
    "new\nline",
    "tab\there",
    "{n:str}",
    "%s%n",
    "\xd0\xb6\xe2\x82\xac\xf0\x9f\x98\x80",
    "\x01\x7f",
    "/* c */",
    "a'||'b",
    "a\rb",
    "$1",
    "?x=1&y=2",
    " lead",
};
enum { N_HOSTILE = sizeof hostile / sizeof *hostile };

struct fixture {
    struct servers *s;
    struct server *c;
    struct networld *n;
};

struct answer {
    bool here, good, sent;
    struct err err;
    struct str text;
};

static void answered(void *ctx, const char *rows, size_t len, const struct err *err, bool sent)
{
    struct answer *a = ctx;

    a->here = true;
    a->good = err == NULL;
    a->sent = sent;
    if (err)
        a->err = *err;
    if (len)
        str_addn(&a->text, rows, len);
}

static void ask_as(struct fixture *f, struct answer *a, const char *user, const char *password, unsigned port,
                   const struct sql_query *q)
{
    struct sql_host h = {.address = "127.0.0.1", .port = port, .user = user, .password = password};

    memset(a, 0, sizeof *a);
    assert_non_null(sql_start(networld_world(f->n), &h, q, answered, a));
    assert_false(a->here);
    assert_true(networld_run(f->n, &a->here, 20000));
}

static void ask(struct fixture *f, struct answer *a, const char *sql)
{
    struct sql_query q = {.text = sql, .id = "chfleet-1-2-test-1-0", .timeout_ms = 5000};

    ask_as(f, a, "default", "", f->c->http, &q);
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    struct clickhouse_opts o = {0};
    struct err err = ERR_INIT;

    *state = NULL;
    if (!servers_have_clickhouse())
        return 0;
    if (servers_new(&f->s, &err) < 0 || servers_clickhouse(f->s, &o, &f->c, &err) < 0 || server_start(f->c, &err) < 0)
        return -1;
    f->n = networld_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f) {
        networld_free(f->n);
        servers_free(f->s);
        mem_freep(state);
    }
    return 0;
}

#define FIXTURE                                                                                                        \
    struct fixture *f = *state;                                                                                        \
    struct answer a;                                                                                                   \
    if (!f)                                                                                                            \
    skip()

static void hostile_values_come_back_byte_for_byte(void **state)
{
    FIXTURE;
    for (size_t i = 0; i < N_HOSTILE; i++) {
        auto_str struct str sql = STR_INIT, buf = STR_INIT;
        struct sql_rows rows;
        const char *field;

        str_add(&sql, "SELECT ");
        sql_quote_string(&sql, hostile[i]);
        ask(f, &a, sql.s);
        if (!a.good)
            fail_msg("%s: %s", hostile[i], a.err.msg);
        rows = (struct sql_rows){a.text.s, a.text.s + a.text.len};
        assert_int_equal(sql_next(&rows, &buf, &field, 1), 1);
        assert_string_equal(field, hostile[i]);
        assert_int_equal(sql_next(&rows, &buf, &field, 1), 0);
        str_free(&a.text);
    }
}

static void hostile_names_name_one_table_each(void **state)
{
    FIXTURE;
    for (size_t i = 0; i < N_HOSTILE; i++) {
        auto_str struct str sql = STR_INIT, buf = STR_INIT;
        struct sql_rows rows;
        const char *field = "";

        str_add(&sql, "CREATE TABLE ");
        sql_quote_name(&sql, hostile[i]);
        str_add(&sql, " (n UInt8) ENGINE=Memory");
        ask(f, &a, sql.s);
        if (!a.good)
            fail_msg("%s: %s", hostile[i], a.err.msg);
        str_free(&a.text);
        str_reset(&sql);
        str_add(&sql, "SELECT name FROM system.tables WHERE database = 'default' AND name = ");
        sql_quote_string(&sql, hostile[i]);
        ask(f, &a, sql.s);
        rows = (struct sql_rows){a.text.s, a.text.s + a.text.len};
        assert_int_equal(sql_next(&rows, &buf, &field, 1), 1);
        assert_string_equal(field, hostile[i]);
        str_free(&a.text);
    }
    ask(f, &a, "SELECT count() FROM system.tables WHERE database = 'default'");
    assert_int_equal(atoi(a.text.s), N_HOSTILE);
    str_free(&a.text);
}

static void errors_have_the_servers_code_and_a_kind(void **state)
{
    FIXTURE;
    ask(f, &a, "SELECT * FROM nothing.here");
    assert_false(a.good);
    assert_int_equal(a.err.kind, ERR_MISSING);
    assert_true(a.err.sys == 60 || a.err.sys == 81);
    assert_null(strstr(a.err.msg, "e.what()"));
    ask(f, &a, "SELEKT 1");
    assert_int_equal(a.err.sys, 62);
    assert_int_equal(a.err.kind, ERR_SYS);
    /* an error after many rows were sent is an error, not a short answer */
    ask(f, &a, "SELECT throwIf(number = 3000000) FROM system.numbers LIMIT 4000000");
    assert_false(a.good);
    assert_int_equal(a.err.sys, 395);
}

static void a_wrong_password_is_refused_and_stays_secret(void **state)
{
    struct sql_query q = {.text = "SELECT currentUser()", .timeout_ms = 5000};

    FIXTURE;
    ask_as(f, &a, "admin", "wr0ng", f->c->http, &q);
    assert_int_equal(a.err.kind, ERR_REFUSED);
    assert_null(strstr(a.err.msg, "wr0ng"));
    q.text = "SELECT user FROM system.processes";
    ask_as(f, &a, "admin", "s3cret", f->c->http, &q);
    assert_true(a.good);
    assert_string_equal(a.text.s, "admin\n");
    str_free(&a.text);
}

static void a_server_that_is_not_there_is_again_and_not_sent(void **state)
{
    struct sql_query q = {.text = "SELECT 1", .timeout_ms = 1000};

    FIXTURE;
    ask_as(f, &a, "default", "", servers_port(f->s), &q);
    assert_int_equal(a.err.kind, ERR_AGAIN);
    assert_false(a.sent);
}

static void a_query_that_takes_too_long_is_again_and_sent(void **state)
{
    struct sql_query q = {.text = "SELECT sleep(3)", .timeout_ms = 300};

    FIXTURE;
    ask_as(f, &a, "default", "", f->c->http, &q);
    assert_int_equal(a.err.kind, ERR_AGAIN);
    assert_true(a.sent);
}

static void the_query_id_is_the_one_given(void **state)
{
    FIXTURE;
    ask(f, &a, "SELECT query_id FROM system.processes WHERE query LIKE '%query_id FROM%'");
    assert_string_equal(a.text.s, "chfleet-1-2-test-1-0\n");
    str_free(&a.text);
}

static void versions_are_read_and_compared(void **state)
{
    struct sql_version v;

    (void)state;
    assert_int_equal(sql_version_parse("24.8.4.13-lts", &v), 0);
    assert_int_equal(v.patch, 4);
    assert_true(sql_version_at_least(&v, 24, 8));
    assert_true(sql_version_at_least(&v, 18, 16));
    assert_false(sql_version_at_least(&v, 24, 9));
    assert_false(sql_version_at_least(&v, 25, 1));
    assert_int_equal(sql_version_parse("latest", &v), -1);
    assert_int_equal(sql_version_parse("", &v), -1);
    assert_int_equal(sql_version_parse(NULL, &v), -1);
}

static void tsv_rows_split_where_they_should(void **state)
{
    static const char text[] = "a\\tb\tc\\\\\t\\'\n\t\t\nlast";
    struct sql_rows rows = {text, text + sizeof text - 1};
    auto_str struct str buf = STR_INIT;
    const char *fl[3];

    (void)state;
    assert_int_equal(sql_next(&rows, &buf, fl, 3), 3);
    assert_string_equal(fl[0], "a\tb");
    assert_string_equal(fl[1], "c\\");
    assert_string_equal(fl[2], "'");
    assert_int_equal(sql_next(&rows, &buf, fl, 3), 3);
    assert_string_equal(fl[2], "");
    assert_int_equal(sql_next(&rows, &buf, fl, 3), 1);
    assert_string_equal(fl[0], "last");
    assert_int_equal(sql_next(&rows, &buf, fl, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_values_come_back_byte_for_byte),
        cmocka_unit_test(hostile_names_name_one_table_each),
        cmocka_unit_test(errors_have_the_servers_code_and_a_kind),
        cmocka_unit_test(a_wrong_password_is_refused_and_stays_secret),
        cmocka_unit_test(a_server_that_is_not_there_is_again_and_not_sent),
        cmocka_unit_test(a_query_that_takes_too_long_is_again_and_sent),
        cmocka_unit_test(the_query_id_is_the_one_given),
        cmocka_unit_test(versions_are_read_and_compared),
        cmocka_unit_test(tsv_rows_split_where_they_should),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
