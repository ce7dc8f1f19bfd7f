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
#include "keeper/keeper.h"
#include "tests/lib/networld.h"
#include "tests/lib/servers.h"

struct fixture {
    struct servers *s;
    struct server *zk;
    struct networld *n;
    char at[64];
};

struct answer {
    bool here, good;
    struct err err;
    char value[4096];
};

static void answered(void *ctx, const char *value, const struct err *err)
{
    struct answer *a = ctx;

    a->here = true;
    a->good = err == NULL;
    if (err)
        a->err = *err;
    snprintf(a->value, sizeof a->value, "%s", value);
}

static struct answer ask(struct fixture *f, enum zk_op op, const char *path)
{
    struct answer a = {0};
    struct world *w = networld_world(f->n);

    w->ops->zk(w, f->at, op, path, 5000, answered, &a);
    assert_false(a.here); /* never from inside the call */
    assert_true(networld_run(f->n, &a.here, 10000));
    return a;
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    struct err err = ERR_INIT;

    *state = NULL;
    if (!servers_have_zookeeper())
        return 0;
    if (servers_new(&f->s, &err) < 0 || servers_zookeeper(f->s, &f->zk, &err) < 0)
        return -1;
    snprintf(f->at, sizeof f->at, "127.0.0.1:%u", f->zk->client);
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
    if (!f)                                                                                                            \
    skip()

static void a_path_is_created_and_creating_it_again_is_success(void **state)
{
    FIXTURE;
    assert_true(ask(f, ZK_CREATE_PATH, "/a/b c/d'e").good);
    assert_true(ask(f, ZK_CREATE_PATH, "/a/b c/d'e/").good);
    assert_string_equal(ask(f, ZK_LIST, "/a").value, "b c\n");
    assert_string_equal(ask(f, ZK_LIST, "/a/b c").value, "d'e\n");
    assert_true(ask(f, ZK_GET, "/a").good);
}

static void a_missing_node_is_an_error_to_read_and_success_to_delete(void **state)
{
    struct answer a;

    FIXTURE;
    a = ask(f, ZK_GET, "/nowhere");
    assert_false(a.good);
    assert_int_equal(a.err.kind, ERR_MISSING);
    assert_int_equal(ask(f, ZK_LIST, "/nowhere").err.kind, ERR_MISSING);
    assert_true(ask(f, ZK_DELETE_TREE, "/nowhere").good);
}

static void a_wide_and_deep_tree_goes_and_its_neighbour_stays(void **state)
{
    char path[200];

    FIXTURE;
    assert_true(ask(f, ZK_CREATE_PATH, "/t/replicas2/x").good);
    for (int i = 0; i < 150; i++) {
        snprintf(path, sizeof path, "/t/replicas/r%d/parts/all_%d_%d_0/columns", i % 3, i, i);
        assert_true(ask(f, ZK_CREATE_PATH, path).good);
    }
    assert_true(ask(f, ZK_DELETE_TREE, "/t/replicas").good);
    assert_string_equal(ask(f, ZK_LIST, "/t").value, "replicas2\n");
    assert_true(ask(f, ZK_DELETE_TREE, "/t").good);
    assert_int_equal(ask(f, ZK_LIST, "/t").err.kind, ERR_MISSING);
}

static void the_root_is_never_deleted(void **state)
{
    FIXTURE;
    assert_int_equal(ask(f, ZK_DELETE_TREE, "/").err.kind, ERR_INPUT);
    assert_int_equal(ask(f, ZK_DELETE_TREE, "///").err.kind, ERR_INPUT);
    assert_int_equal(ask(f, ZK_DELETE_TREE, "a").err.kind, ERR_INPUT);
}

static void a_dead_server_is_an_answer_in_time_and_the_next_one_is_tried(void **state)
{
    struct answer a = {0};
    struct world *w;
    char both[128];

    FIXTURE;
    w = networld_world(f->n);
    snprintf(both, sizeof both, "127.0.0.1:%u", servers_port(f->s));
    w->ops->zk(w, both, ZK_GET, "/", 700, answered, &a);
    assert_true(networld_run(f->n, &a.here, 3000));
    assert_int_equal(a.err.kind, ERR_AGAIN);
    snprintf(both + strlen(both), sizeof both - strlen(both), ",%s", f->at);
    memset(&a, 0, sizeof a);
    w->ops->zk(w, both, ZK_GET, "/", 5000, answered, &a);
    assert_true(networld_run(f->n, &a.here, 6000));
    assert_true(a.good);
}

static void a_cancelled_operation_calls_nobody(void **state)
{
    struct answer a = {0};
    struct world *w;
    struct world_zk *z;

    FIXTURE;
    w = networld_world(f->n);
    assert_true(ask(f, ZK_CREATE_PATH, "/c/1/2").good);
    z = w->ops->zk(w, f->at, ZK_DELETE_TREE, "/c", 5000, answered, &a);
    networld_run(f->n, &a.here, 3);
    if (!a.here)
        w->ops->zk_cancel(w, z);
    assert_false(a.here && !a.good);
    memset(&a, 0, sizeof a);
    assert_false(networld_run(f->n, &a.here, 50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_created_and_creating_it_again_is_success),
        cmocka_unit_test(a_missing_node_is_an_error_to_read_and_success_to_delete),
        cmocka_unit_test(a_wide_and_deep_tree_goes_and_its_neighbour_stays),
        cmocka_unit_test(the_root_is_never_deleted),
        cmocka_unit_test(a_dead_server_is_an_answer_in_time_and_the_next_one_is_tried),
        cmocka_unit_test(a_cancelled_operation_calls_nobody),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
