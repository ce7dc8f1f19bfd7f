/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step tables on real ClickHouse and ZooKeeper: a shard of two servers that have data and a schema with everything, and
 * a third one that is created, restarted, rebuilt after it lost its disk, and removed. The supervisor is the test.
 */
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/lib/networld.h"
#include "tests/lib/servers.h"
#include "workers/protocol.h"
#include "workers/worker.h"

enum { N = 3, NEW = 2 };

struct real {
    struct servers *sv;
    struct server *zk, *ch[N];
    struct networld *n;
    cJSON *facts; /* of the third one */
    cJSON *rows;
    unsigned process, try, shutdowns;
    bool done, watches;
    char outcome[24], text[700];
    struct clickhouse_opts opts;
    char remote[900];
};

static struct real R;

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct err err_ = ERR_INIT, *err = &err_;                                                                      \
        if ((call) < 0)                                                                                                \
            fail_msg("%s: %s", #call, err->msg);                                                                       \
    } while (0)

static void sql(int i, const char *text)
{
    auto_str struct str out = STR_INIT;

    OK(server_query(R.ch[i], &out, err, "%s", text));
}

static char *value(int i, const char *text)
{
    struct str out = STR_INIT;

    OK(server_query(R.ch[i], &out, err, "%s", text));
    return str_take(&out);
}

/* ---- the supervisor ---- */

static void send_facts(void)
{
    auto_json cJSON *body = cJSON_CreateObject();
    auto_free char *text = NULL;

    json_set(json_set_obj(body, "hosts"), "ns/i/c/01/ch4", json_copy(R.facts));
    text = json_print(body);
    networld_send(R.n, MSG_FACTS, 0, 0, text);
}

static void set_process(unsigned n, bool ready)
{
    cJSON *pod = json_need_obj(R.facts, "pod");
    auto_free char *identity = mem_printf("uid c%u", n);

    json_set_bool(pod, "exists", true);
    json_set_bool(pod, "ready", ready);
    json_set_bool(pod, "terminating", false);
    json_set_bool(pod, "image_matches", true);
    json_set_str(pod, "uid", "uid");
    json_set_str(pod, "identity", ready ? identity : "");
    json_set_str(pod, "label", json_str(pod, "label", "no"));
}

static void fresh_facts(const char *member)
{
    cJSON *sts, *one;

    cJSON_Delete(R.facts);
    R.facts = cJSON_CreateObject();
    sts = json_set_obj(R.facts, "sts");
    json_set_bool(sts, "exists", true);
    json_set_bool(sts, "observed", true);
    json_set_bool(sts, "updated", true);
    json_set_int(sts, "replicas", 1);
    json_set_str(sts, "depth", "same");
    json_set_bool(json_set_obj(R.facts, "configmap"), "current", true);
    json_set_str(json_get(R.facts, "configmap"), "restart_hash", "h");
    json_set_bool(json_set_obj(R.facts, "service"), "exists", true);
    json_set_str(R.facts, "member", member);
    json_set_str(json_set_obj(R.facts, "pod"), "label", strcmp(member, "in") == 0 ? "yes" : "no");
    one = cJSON_CreateObject();
    json_set_str(one, "name", "data");
    json_set_bool(one, "retain", false);
    cJSON_AddItemToArray(json_set_arr(R.facts, "pvcs"), one);
    set_process(++R.process, true);
}

static void on_apply(const cJSON *body)
{
    const char *text = json_str(body, "value", "");

    if (strcmp(json_str(body, "key", ""), "chfleet.io/loaded") == 0)
        json_set(R.facts, "loaded", json_parse(text, strlen(text), NULL));
}

static void on_delete(const cJSON *body)
{
    const char *what = json_str(body, "what", "");

    if (strcmp(what, "statefulset") == 0) {
        OK(server_stop(R.ch[NEW], SIGTERM, err));
        json_set_bool(json_get(R.facts, "sts"), "exists", false);
        json_set_bool(json_get(R.facts, "pod"), "exists", false);
        set_process(0, false);
        json_set_bool(json_get(R.facts, "pod"), "exists", false);
    }
    if (strcmp(what, "pvc") == 0)
        json_set_arr(R.facts, "pvcs");
    if (strcmp(what, "service") == 0)
        json_set_bool(json_get(R.facts, "service"), "exists", false);
}

static void on_member(const cJSON *body)
{
    bool in = strcmp(json_str(body, "want", ""), "in") == 0;

    json_set_str(R.facts, "member", in ? "in" : "out");
    json_set_str(json_get(R.facts, "pod"), "label", in ? "yes" : "no");
}

static void on_frame(void *ctx, const struct frame *f)
{
    auto_json cJSON *body = json_parse(f->body, f->len, NULL);
    const char *reply = "{\"ok\":true}";

    (void)ctx;
    switch (f->type) {
    case MSG_APPLY:
        on_apply(body);
        break;
    case MSG_DELETE:
        on_delete(body);
        break;
    case MSG_MEMBER:
        on_member(body);
        break;
    case MSG_CREDENTIALS:
        reply = "{\"ok\":true,\"data\":{\"user\":\"admin\",\"password\":\"s3cret\"}}";
        break;
    case MSG_DONE:
        snprintf(R.outcome, sizeof R.outcome, "%s", json_str(body, "outcome", ""));
        snprintf(R.text, sizeof R.text, "%s", json_str(body, "text", ""));
        R.done = true;
        return;
    case MSG_RECORD:
    case MSG_PERMIT:
        break;
    default:
        return;
    }
    send_facts();
    networld_send(R.n, MSG_ANSWER, 0, f->seq, reply);
}

static cJSON *host_json(int i, const char *action)
{
    cJSON *j = cJSON_CreateObject();
    auto_free char *key = mem_printf("ns/i/c/01/%s", R.ch[i]->name);

    json_set_str(j, "key", key);
    json_set_str(j, "action", action);
    json_set_str(j, "cluster", "c");
    json_set_str(j, "shard", "01");
    json_set_str(j, "replica", R.ch[i]->name);
    json_set_str(j, "address", "127.0.0.1");
    json_set_int(json_set_obj(j, "ports"), "http", R.ch[i]->http);
    json_set_str(j, "macro_replica", R.ch[i]->name);
    json_set_bool(j, "member", i != NEW);
    json_set_str(json_set_obj(j, "want"), "restart_hash", "h");
    return j;
}

/* A server that ended by itself is started again, as its pod's keeper does. */
static void keep_running(void)
{
    if (!R.watches || server_runs(R.ch[NEW]))
        return;
    R.shutdowns++;
    set_process(0, false);
    OK(server_start(R.ch[NEW], err));
    set_process(++R.process, true);
    send_facts();
}

static void run(const char *action)
{
    static const struct world_worker_args args = {.name = "ns/i/c/01", .lock_path = ""};
    auto_json cJSON *j = cJSON_CreateObject();
    auto_free char *text = NULL, *servers = mem_printf("127.0.0.1:%u", R.zk->client);
    cJSON *peers = json_set_arr(j, "peers");
    struct world_chan *c = networld_chan(R.n, on_frame, NULL);

    R.done = false;
    json_set_int(j, "operation", 1);
    json_set_int(j, "task", ++R.try);
    json_set_int(j, "try", 1);
    json_set_str(j, "table", "shard");
    json_set_str(j, "kind", "chi");
    json_set_str(j, "object", "ns/i/c/01");
    cJSON_AddItemToArray(json_set_arr(j, "hosts"), host_json(NEW, action));
    cJSON_AddItemToArray(peers, host_json(0, NULL));
    cJSON_AddItemToArray(peers, host_json(1, NULL));
    json_set_str(json_set_obj(j, "zookeeper"), "servers", servers);
    json_set_int(json_set_obj(j, "knobs"), "propagation_s", 1);
    text = json_print(j);
    worker_main(networld_world(R.n), c, &args);
    send_facts();
    networld_send(R.n, MSG_TASK, 0, 0, text);
    for (int i = 0; i < 1200 && !R.done; i++) {
        networld_run(R.n, &R.done, 50);
        keep_running();
    }
    networld_run(R.n, &(bool){false}, 20);
    networld_close(R.n);
    if (!R.done || strcmp(R.outcome, "done") != 0)
        fail_msg("%s: %s %s", action, R.done ? R.outcome : "not done in a minute", R.text);
}

/* ---- the stage ---- */

static void add_replica(struct server *c)
{
    size_t n = strlen(R.remote);

    snprintf(R.remote + n, sizeof R.remote - n, "<replica><host>127.0.0.1</host><port>%u</port></replica>", c->tcp);
}

static void make_schema(void)
{
    static const char *const both[] = {
        "CREATE DATABASE app",
        "CREATE DATABASE `it's odd`",
        "CREATE TABLE app.ev (d Date, id UInt64, v Enum8('a' = 1, 'b' = 2) DEFAULT 'a') ENGINE=ReplicatedMergeTree("
        "'/clickhouse/tables/{shard}/app/ev','{replica}') PARTITION BY toYYYYMM(d) ORDER BY id",
        "CREATE TABLE app.empty (n UInt8) "
        "ENGINE=ReplicatedMergeTree('/clickhouse/tables/{shard}/app/empty','{replica}') ORDER BY n",
        "CREATE TABLE app.all AS app.ev ENGINE=Distributed('c', 'app', 'ev', id)",
        "CREATE TABLE `it's odd`.`a``b \\\\ 'c'` (n UInt8) ENGINE=Log",
        "CREATE TABLE app.buf AS app.ev ENGINE=Buffer('app', 'ev', 1, 10, 100, 10, 100, 10000, 1000000)",
        "CREATE VIEW app.z_base AS SELECT id, v FROM app.ev",
        "CREATE VIEW app.a_top AS SELECT v, count() AS n FROM app.z_base GROUP BY v",
        "CREATE MATERIALIZED VIEW app.b_mv ENGINE=SummingMergeTree ORDER BY v AS SELECT v, count() AS n FROM app.ev "
        "GROUP BY v",
        "CREATE MATERIALIZED VIEW app.a_to TO `it's odd`.`a``b \\\\ 'c'` AS SELECT toUInt8(id) AS n FROM app.ev",
    };

    for (size_t i = 0; i < sizeof both / sizeof *both; i++)
        for (int k = 0; k < 2; k++)
            sql(k, both[i]);
    sql(0, "INSERT INTO app.ev SELECT toDate('2026-01-01') + number % 60, number, 'b' FROM numbers(200000)");
}

static int stage(void **state)
{
    (void)state;
    if (!servers_have_clickhouse() || !servers_have_zookeeper())
        return 0;
    OK(servers_new(&R.sv, err));
    OK(servers_zookeeper(R.sv, &R.zk, err));
    R.opts.zk_port = R.zk->client;
    snprintf(R.remote, sizeof R.remote, "<c><shard><internal_replication>true</internal_replication>");
    for (int i = 0; i < N; i++) {
        OK(servers_clickhouse(R.sv, &R.opts, &R.ch[i], err));
        if (i != NEW)
            add_replica(R.ch[i]);
    }
    strncat(R.remote, "</shard></c>", sizeof R.remote - strlen(R.remote) - 1);
    R.opts.remote_servers = R.remote;
    for (int i = 0; i < N; i++) {
        OK(server_include(R.ch[i], &R.opts, err));
        OK(server_start(R.ch[i], err));
    }
    make_schema();
    R.n = networld_new();
    return 0;
}

static int strike(void **state)
{
    (void)state;
    if (R.n)
        networld_free(R.n);
    servers_free(R.sv);
    cJSON_Delete(R.facts);
    return 0;
}

#define STAGE                                                                                                          \
    (void)state;                                                                                                       \
    if (!R.n)                                                                                                          \
    skip()

static const char schema_sql[] =
    "SELECT database, name, engine, create_table_query FROM system.tables WHERE database != 'system' "
    "ORDER BY database, name";
static const char data_sql[] = "SELECT count(), sum(id), uniqExact(id) FROM app.ev";

static void same_on_all(const char *text)
{
    auto_free char *a = value(0, text), *c = value(NEW, text);

    assert_string_equal(a, c);
}

/* ---- the story ---- */

static void a_new_replica_gets_schema_and_data_before_it_joins(void **state)
{
    STAGE;
    fresh_facts("out");
    run("create");
    same_on_all(schema_sql);
    same_on_all(data_sql);
    assert_string_equal(json_str(R.facts, "member", ""), "in");
    assert_string_equal(json_str(R.facts, "loaded.version", ""), "18.16.1");
}

static void creating_it_again_changes_nothing(void **state)
{
    STAGE;
    fresh_facts("out");
    run("create");
    same_on_all(schema_sql);
}

static void a_soft_restart_ends_the_process_once(void **state)
{
    pid_t before;

    STAGE;
    fresh_facts("in");
    before = R.ch[NEW]->pid;
    R.watches = true;
    R.shutdowns = 0;
    run("soft-restart");
    R.watches = false;
    assert_int_equal(R.shutdowns, 1);
    assert_int_not_equal(R.ch[NEW]->pid, before);
    same_on_all(data_sql);
}

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    return ftw->level == 0 ? 0 : remove(path);
}

static void a_replica_that_lost_its_disk_is_filled_again(void **state)
{
    auto_free char *data = NULL;

    STAGE;
    OK(server_stop(R.ch[NEW], SIGKILL, err)); /* its session in Keeper still lives for some seconds */
    data = mem_printf("%s/data", R.ch[NEW]->dir);
    nftw(data, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
    OK(server_start(R.ch[NEW], err));
    sql(0, "INSERT INTO app.ev SELECT toDate('2026-03-01'), 1000000 + number, 'a' FROM numbers(1000)");
    fresh_facts("out");
    json_set_bool(json_get(R.facts, "sts"), "exists", true);
    run("create"); /* the part of rebuild after its halt */
    same_on_all(schema_sql);
    same_on_all(data_sql);
}

static void a_replica_that_was_killed_joins_only_when_it_replicates(void **state)
{
    STAGE;
    OK(server_stop(R.ch[NEW], SIGKILL, err));
    sql(1, "INSERT INTO app.ev SELECT toDate('2026-04-01'), 2000000 + number, 'a' FROM numbers(1000)");
    OK(server_start(R.ch[NEW], err));
    fresh_facts("out");
    run("join");
    same_on_all(data_sql);
}

/* As it comes up when Keeper refused it for a moment; a host that is empty otherwise looks as one that lost its disk. */
static void tables_that_a_server_left_out_are_attached(void **state)
{
    static const char *const left_out[] = {"DETACH TABLE app.a_top", "DETACH TABLE app.all", "DETACH TABLE app.empty",
                                           "DETACH TABLE app.ev"};
    auto_free char *n = NULL;

    STAGE;
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        sql(NEW, left_out[i]);
    n = value(NEW, "SELECT count() FROM system.replicas");
    assert_string_equal(n, "0\n");
    fresh_facts("out");
    run("join");
    same_on_all(schema_sql);
    same_on_all(data_sql);
    free(n);
    n = value(0, "SELECT min(total_replicas), min(active_replicas) FROM system.replicas");
    assert_string_equal(n, "3\t3\n");
}

static void a_removed_replica_leaves_nothing_in_keeper(void **state)
{
    auto_free char *n = NULL;

    STAGE;
    fresh_facts("in");
    sql(NEW,
        "INSERT INTO app.all SELECT toDate('2026-05-01'), 3000000 + number, 'a' FROM numbers(1000)"); /* asynchronous */
    sql(0, "DROP TABLE app.a_to"); /* its target keeps rows that only this host has: not for this story */
    sql(NEW, "DROP TABLE app.a_to");
    sql(NEW, "DROP TABLE `it's odd`.`a``b \\\\ 'c'`");
    sql(NEW, "DROP TABLE app.b_mv");
    run("remove");
    n = value(0, "SELECT max(total_replicas), max(active_replicas) FROM system.replicas");
    assert_string_equal(n, "2\t2\n");
    free(n);
    n = value(0, "SELECT count() FROM app.ev WHERE id >= 3000000");
    assert_string_equal(n, "1000\n");
    assert_int_equal(cJSON_GetArraySize(json_get(R.facts, "pvcs")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_replica_gets_schema_and_data_before_it_joins),
        cmocka_unit_test(creating_it_again_changes_nothing),
        cmocka_unit_test(a_soft_restart_ends_the_process_once),
        cmocka_unit_test(a_replica_that_lost_its_disk_is_filled_again),
        cmocka_unit_test(a_replica_that_was_killed_joins_only_when_it_replicates),
        cmocka_unit_test(tables_that_a_server_left_out_are_attached),
        cmocka_unit_test(a_removed_replica_leaves_nothing_in_keeper),
    };

    log_set_level(LOG_ERR);
    return cmocka_run_group_tests(tests, stage, strike);
}
