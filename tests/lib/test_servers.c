/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/lib/servers.h"

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct err err_ = ERR_INIT, *err = &err_;                                                                      \
        if ((call) < 0)                                                                                                \
            fail_msg("%s: %s", #call, err->msg);                                                                       \
    } while (0)

static void replicated_rows_reach_the_other_server(void **state)
{
    struct servers *s;
    struct server *zk, *a, *b;
    struct clickhouse_opts o = {.shard = "01"};
    auto_str struct str out = STR_INIT;
    static const char ddl[] =
        "CREATE TABLE t (n UInt8) ENGINE=ReplicatedMergeTree('/t/{shard}','{replica}') ORDER BY n";

    (void)state;
    if (!servers_have_clickhouse() || !servers_have_zookeeper())
        skip();
    OK(servers_new(&s, err));
    OK(servers_zookeeper(s, &zk, err));
    o.zk_port = zk->client;
    OK(servers_clickhouse(s, &o, &a, err));
    OK(servers_clickhouse(s, &o, &b, err));
    OK(server_start(a, err));
    OK(server_start(b, err));
    OK(server_query(a, &out, err, "%s", ddl));
    OK(server_query(b, &out, err, "%s", ddl));
    OK(server_query(a, &out, err, "INSERT INTO t VALUES (7)"));
    OK(server_query(b, &out, err, "SYSTEM SYNC REPLICA t"));
    OK(server_query(b, &out, err, "SELECT n FROM t"));
    assert_string_equal(out.s, "7\n");
    OK(server_stop(a, SIGTERM, err));
    assert_false(server_runs(a));
    OK(server_start(a, err));
    OK(server_query(a, &out, err, "SELECT n FROM t"));
    servers_free(s);
}

static void the_second_version_says_so(void **state)
{
    struct servers *s;
    struct server *c;
    struct clickhouse_opts o = {.name = "new"};
    auto_free char *path = NULL;
    auto_str struct str out = STR_INIT;

    (void)state;
    if (!servers_have_clickhouse())
        skip();
    OK(servers_new(&s, err));
    OK(servers_second_version(s, &path, err));
    o.binary = path;
    OK(servers_clickhouse(s, &o, &c, err));
    OK(server_start(c, err));
    OK(server_query(c, &out, err, "SELECT version()"));
    assert_string_equal(out.s, "18.16.9\n");
    servers_free(s);
}

static void an_ensemble_of_three_serves(void **state)
{
    struct servers *s;
    struct server *zk[3];
    auto_str struct str out = STR_INIT;
    int leaders = 0;

    (void)state;
    if (!servers_have_zookeeper())
        skip();
    OK(servers_new(&s, err));
    OK(servers_zookeeper_ensemble(s, 3, zk, err));
    for (int i = 0; i < 3; i++) {
        OK(server_4lw(zk[i], "srvr", &out, err));
        leaders += strstr(out.s, "Mode: leader") != NULL;
    }
    assert_int_equal(leaders, 1);
    servers_free(s);
}

static void nothing_is_left_behind(void **state)
{
    struct servers *s;
    auto_free char *dir = NULL;

    (void)state;
    OK(servers_new(&s, err));
    dir = mem_str(servers_dir(s));
    assert_int_equal(access(dir, F_OK), 0);
    servers_free(s);
    assert_int_not_equal(access(dir, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replicated_rows_reach_the_other_server),
        cmocka_unit_test(the_second_version_says_so),
        cmocka_unit_test(an_ensemble_of_three_serves),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
