/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/keeper.h"
#include "tests/lib/servers.h"

static void a_leader_of_clickhouse_keeper_counts_its_followers(void **state)
{
    static const char text[] = "zk_version\tv24.8.4.13-stable-abc\nzk_avg_latency\t0\nzk_server_state\tleader\n"
                               "zk_znode_count\t1234\nzk_followers\t2\nzk_synced_followers\t1\n";
    struct keeper_state s;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(keeper_parse_mntr(text, &s, &err), 0);
    assert_true(s.serving);
    assert_string_equal(s.role, "leader");
    assert_int_equal(s.followers, 2);
    assert_int_equal(s.synced_followers, 1);
    assert_int_equal(s.znodes, 1234);
    assert_string_equal(s.version, "v24.8.4.13-stable-abc");
}

static void a_member_without_quorum_does_not_serve(void **state)
{
    struct keeper_state s = {.serving = true};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(keeper_parse_mntr("This ZooKeeper instance is not currently serving requests\n", &s, &err), 0);
    assert_false(s.serving);
    s.serving = true;
    assert_int_equal(keeper_parse_srvr("This instance is not currently serving requests", &s, &err), 0);
    assert_false(s.serving);
}

static void other_answers_are_no_state(void **state)
{
    struct keeper_state s;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(keeper_parse_mntr("", &s, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(keeper_parse_mntr("HTTP/1.0 400 Bad Request\r\n", &s, &err), -1);
    assert_int_equal(keeper_parse_mntr("mntr is not executed because it is not in the whitelist.\n", &s, &err), -1);
    assert_int_equal(err.kind, ERR_REFUSED);
}

static void a_real_ensemble_is_read_right(void **state)
{
    struct servers *sv;
    struct server *zk[3];
    struct keeper_state s, leader = {0};
    struct err err = ERR_INIT;
    auto_str struct str out = STR_INIT;

    (void)state;
    if (!servers_have_zookeeper())
        skip();
    assert_int_equal(servers_new(&sv, &err), 0);
    assert_int_equal(servers_zookeeper_ensemble(sv, 3, zk, &err), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(server_4lw(zk[i], "mntr", &out, &err), 0);
        assert_int_equal(keeper_parse_mntr(out.s, &s, &err), 0);
        assert_true(s.serving);
        if (strcmp(s.role, "leader") == 0)
            leader = s;
        assert_int_equal(server_4lw(zk[i], "srvr", &out, &err), 0);
        assert_int_equal(keeper_parse_srvr(out.s, &s, &err), 0);
        assert_true(s.serving);
        assert_memory_equal(s.version, "3.8", 3);
    }
    assert_string_equal(leader.role, "leader");
    assert_int_equal(leader.followers, 2);
    assert_int_equal(leader.synced_followers, 2);
    servers_free(sv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_of_clickhouse_keeper_counts_its_followers),
        cmocka_unit_test(a_member_without_quorum_does_not_serve),
        cmocka_unit_test(other_answers_are_no_state),
        cmocka_unit_test(a_real_ensemble_is_read_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
