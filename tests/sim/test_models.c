/* SPDX-License-Identifier: Apache-2.0 */
/* The model servers behave as the measured ones: what the simulation proves is worth as much as this. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/sim/hosts_impl.h"

struct ground {
    struct sim *s;
    struct hosts *hs;
    struct chost *a, *b;
    unsigned exits, unknown;
    int code;
};

static void exited(void *ctx, struct chost *h, int code)
{
    struct ground *g = ctx;

    (void)h;
    g->exits++;
    g->code = code;
}

static void unknown(void *ctx, struct chost *h, const char *sql)
{
    (void)h;
    (void)sql;
    ((struct ground *)ctx)->unknown++;
}

static struct chost *server(struct ground *g, const char *pod, const char *replica, unsigned port)
{
    struct chost *h = hosts_get(g->hs, pod, true);
    struct chost_boot b = {.image = "clickhouse:18.16", .disk = pod, .identity = "1"};
    cJSON *data = cJSON_CreateObject();
    auto_free char *macros = mem_printf(
        "<yandex><macros><cluster>main</cluster><shard>0</shard><replica>%s</replica></macros></yandex>", replica);
    auto_free char *ports =
        mem_printf("<yandex><http_port>%u</http_port><tcp_port>%u</tcp_port></yandex>", port, port + 1);

    json_set_str(data, "chop-generated-macros.xml", macros);
    json_set_str(data, "chop-generated-hostname-ports.xml", ports);
    chost_mount(h, "chi-demo-deploy-confd-main-0-0", data);
    chost_boot(h, &b);
    return h;
}

static const char ddl[] = "CREATE TABLE IF NOT EXISTS app.ev (id UInt64) ENGINE = ReplicatedMergeTree('/t/{shard}/ev', "
                          "'{replica}') ORDER BY id";

static int begin(void **state)
{
    struct ground *g = mem_zero(sizeof *g);
    struct hosts_hooks hooks = {NULL, exited, unknown, g};

    g->s = sim_new(7);
    g->hs = hosts_new(g->s, &hooks);
    g->a = server(g, "default/chi-demo-main-0-0-0", "r0", 1000);
    g->b = server(g, "default/chi-demo-main-0-1-0", "r1", 2000);
    sim_run(g->s, 10000, NULL, NULL);
    *state = g;
    return 0;
}

static int end(void **state)
{
    struct ground *g = *state;

    chost_kill(g->a);
    chost_kill(g->b);
    sim_run(g->s, 3600000, NULL, NULL); /* what is still to happen frees itself */
    hosts_free(g->hs);
    sim_free(g->s);
    free(g);
    return 0;
}

static void both_have_the_table(struct ground *g)
{
    struct err err = ERR_INIT;

    assert_int_equal(chost_execute(g->a, ddl, &err), 0);
    assert_int_equal(chost_execute(g->b, ddl, &err), 0);
}

static char *ask(struct chost *h, const char *sql)
{
    struct str out = STR_INIT;
    struct err err = ERR_INIT;

    assert_int_equal(statement_run(h, sql, "q", "", &out, &err), 0);
    return str_take(&out);
}

static void rows_reach_the_other_replica(void **state)
{
    struct ground *g = *state;

    both_have_the_table(g);
    assert_true(chost_insert(g->a, "app", "ev") >= 0);
    sim_run(g->s, 1000, NULL, NULL);
    assert_true(chost_current(g->b, 0));
}

static void what_has_no_replicated_table_is_not_read_only(void **state)
{
    struct ground *g = *state;
    struct chost_boot b = {.image = "clickhouse:24.3", .disk = "default/chi-demo-main-0-1-0", .identity = "2"};

    for (int with = 0; with < 2; with++) {
        bool seen = false;

        if (with)
            both_have_the_table(g);
        chost_term(g->b);
        sim_run(g->s, 60000, NULL, NULL);
        chost_boot(g->b, &b);
        for (int k = 0; k < 3000; k++) {
            sim_run(g->s, 10, NULL, NULL);
            seen |= chost_state(g->b) == CHOST_UP && chost_readonly(g->b);
        }
        assert_int_equal(chost_state(g->b), CHOST_UP);
        assert_int_equal(seen, with);
    }
}

static void a_killed_replica_lies_for_twenty_seconds(void **state)
{
    struct ground *g = *state;
    struct chost_boot b = {.image = "clickhouse:18.16", .disk = "default/chi-demo-main-0-1-0", .identity = "2"};
    auto_free char *said = NULL;

    both_have_the_table(g);
    chost_kill(g->b);
    assert_int_equal(g->code, 137);
    assert_true(chost_insert(g->a, "app", "ev") >= 0);
    chost_boot(g->b, &b);
    sim_run(g->s, 5000, NULL, NULL);
    assert_false(chost_readonly(g->b));
    assert_true(chost_behind_start(g->b));
    said =
        ask(g->b, "SELECT count() FROM system.replicas WHERE is_readonly OR is_session_expired OR absolute_delay > 10");
    assert_string_equal(said, "1\n"); /* only the delay shows it */
    sim_run(g->s, 120000, NULL, NULL);
    assert_true(chost_current(g->b, 0));
}

static void a_stopping_server_takes_connections_and_answers_nobody(void **state)
{
    struct ground *g = *state;
    struct err err = ERR_INIT;

    query_add(g->a, "client", 3000, NULL, NULL);
    chost_term(g->a);
    assert_int_equal(chost_state(g->a), CHOST_STOPPING);
    assert_ptr_equal(hosts_listening(g->hs, "127.0.0.1", 1000, false), g->a);
    assert_int_equal(chost_execute(g->a, "SELECT 1", &err), -1);
    sim_run(g->s, 10000, NULL, NULL);
    assert_int_equal(chost_state(g->a), CHOST_DOWN);
    assert_null(hosts_listening(g->hs, "127.0.0.1", 1000, false));
}

static void a_replica_whose_entries_are_gone_does_not_start(void **state)
{
    struct ground *g = *state;
    struct chost_boot b = {.image = "clickhouse:18.16", .disk = "default/chi-demo-main-0-1-0", .identity = "2"};
    struct err err = ERR_INIT;

    both_have_the_table(g);
    chost_term(g->b);
    sim_run(g->s, 5000, NULL, NULL);
    assert_int_equal(hosts_zk(g->hs, ZK_DELETE_TREE, "/t/0/ev/replicas/r1", NULL, &err), 0);
    chost_boot(g->b, &b);
    sim_run(g->s, 5000, NULL, NULL);
    assert_int_equal(g->code, 70);
    assert_int_equal(chost_state(g->b), CHOST_DOWN);
}

static void the_same_replica_name_twice_is_refused(void **state)
{
    struct ground *g = *state;
    struct err err = ERR_INIT;

    both_have_the_table(g);
    hosts_disk_gone(g->hs, "default/chi-demo-main-0-1-0");
    assert_int_equal(chost_execute(g->b, ddl, &err), -1);
    assert_int_equal(err.sys, 253);
}

static void a_reload_shows_new_files_and_a_start_setting_needs_a_start(void **state)
{
    struct ground *g = *state;
    cJSON *data = cJSON_CreateObject();
    char value[32];

    json_set_str(data, "chop-generated-settings.xml", "<yandex><keep_alive_timeout>7</keep_alive_timeout></yandex>");
    chost_mount(g->a, "chi-demo-common-configd", data);
    auto_free char *out = ask(g->a, "SYSTEM RELOAD CONFIG");

    assert_string_equal(chost_setting(g->a, "keep_alive_timeout", false, value, sizeof value), "7");
    assert_string_equal(chost_setting(g->a, "keep_alive_timeout", true, value, sizeof value), "");
}

static void statements_of_nobody_are_reported(void **state)
{
    struct ground *g = *state;
    struct err err = ERR_INIT;

    assert_int_equal(chost_execute(g->a, "SELECT 1", &err), -1);
    assert_int_equal(err.sys, 62);
    assert_int_equal(g->unknown, 1);
}

static void same_seed_same_run(void **state)
{
    uint64_t sum[2] = {0, 0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sim *s = sim_new(99);

        for (int k = 0; k < 1000; k++)
            sum[i] = sum[i] * 31 + sim_random(s);
        sim_free(s);
    }
    assert_true(sum[0] == sum[1]);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(rows_reach_the_other_replica),
        TEST(what_has_no_replicated_table_is_not_read_only),
        TEST(a_killed_replica_lies_for_twenty_seconds),
        TEST(a_stopping_server_takes_connections_and_answers_nobody),
        TEST(a_replica_whose_entries_are_gone_does_not_start),
        TEST(the_same_replica_name_twice_is_refused),
        TEST(a_reload_shows_new_files_and_a_start_setting_needs_a_start),
        TEST(statements_of_nobody_are_reported),
        cmocka_unit_test(same_seed_same_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
