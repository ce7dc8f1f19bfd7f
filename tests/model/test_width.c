/* SPDX-License-Identifier: Apache-2.0 */
/* Large installations: no object nears what the API server takes, and plans stay quick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/plan.h"
#include "render/xmldiff.h"
#include "tests/model/cluster.h"

enum { LARGEST = 512 * 1024 };

static cJSON *installation(unsigned shards, unsigned replicas, const char *image)
{
    auto_free char *text = mem_printf(
        "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\","
        "\"metadata\":{\"name\":\"large-installation\",\"namespace\":\"analytics\",\"uid\":\"u\",\"generation\":1},"
        "\"spec\":{\"defaults\":{\"templates\":{\"podTemplate\":\"p\",\"dataVolumeClaimTemplate\":\"d\"}},"
        "\"configuration\":{\"zookeeper\":{\"nodes\":[{\"host\":\"zk\"}]},\"settings\":{\"max_connections\":100},"
        "\"clusters\":[{\"name\":\"main-cluster\",\"layout\":{\"shardsCount\":%u,\"replicasCount\":%u}}]},"
        "\"templates\":{\"podTemplates\":[{\"name\":\"p\",\"spec\":{\"containers\":[{\"name\":\"clickhouse\",\"image\":"
        "\"%s\"}]}}],"
        "\"volumeClaimTemplates\":[{\"name\":\"d\",\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]}}}",
        shards, replicas, image);
    cJSON *o = json_parse(text, strlen(text), NULL);

    assert_non_null(o);
    return o;
}

/* A list of thousands of objects is searched by a sorted index, as a cache would. */
struct sorted {
    const cJSON **v;
    size_t n;
};

static int by_kind_and_name(const void *a, const void *b)
{
    const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
    int c = strcmp(json_str(x, "kind", ""), json_str(y, "kind", ""));

    return c ? c : strcmp(json_name(x), json_name(y));
}

static void index_make(struct sorted *x, const cJSON *objects)
{
    const cJSON *o;

    x->v = mem_array((size_t)cJSON_GetArraySize(objects), sizeof *x->v);
    x->n = 0;
    cJSON_ArrayForEach(o, objects)
        x->v[x->n++] = o;
    qsort(x->v, x->n, sizeof *x->v, by_kind_and_name);
}

static const cJSON *index_live(void *ctx, const char *kind, const char *name)
{
    const struct sorted *x = ctx;
    auto_json cJSON *key = cJSON_CreateObject();
    const cJSON *k = key, **found;

    json_set_str(key, "kind", kind);
    json_set_str(json_set_obj(key, "metadata"), "name", name);
    found = x->n ? bsearch(&k, x->v, x->n, sizeof *x->v, by_kind_and_name) : NULL;
    return found ? *found : NULL;
}

static void ctx_of(struct sorted *x, struct render_ctx *c)
{
    *c = (struct render_ctx){.operator_ip = "10.0.0.1",
                             .membership_generation = 1,
                             .live = index_live,
                             .now = "2030-01-01T00:00:00Z",
                             .ctx = x};
}

static struct fleet *fleet_of(cJSON *resource)
{
    struct fleet_input in = {.resource = resource};
    struct fleet *f = NULL;
    struct err err = ERR_INIT;

    if (fleet_make(&in, &f, &err) < 0)
        fail_msg("%s", err.msg);
    return f;
}

static void count_replicas(void *ctx, const char *path, const char *value, const char *unused)
{
    (void)value;
    (void)unused;
    if (str_ends(path, "/host"))
        ++*(size_t *)ctx;
}

static void sizes(unsigned shards, unsigned replicas, size_t lists)
{
    auto_json cJSON *resource = installation(shards, replicas, "clickhouse/clickhouse-server:24.8");
    auto_fleet struct fleet *f = fleet_of(resource);
    struct sorted x = {NULL, 0};
    struct render_ctx c;
    auto_json cJSON *all = NULL;
    struct err err = ERR_INIT;
    const cJSON *o;
    size_t hosts = 0;

    ctx_of(&x, &c);
    all = cluster_render_all(f, &c, &err);
    assert_non_null(all);
    cJSON_ArrayForEach(o, all) {
        auto_free char *text = json_print(o);

        if (strlen(text) > LARGEST)
            fail_msg("%s %s has %zu bytes", json_str(o, "kind", ""), json_name(o), strlen(text));
        if (json_get(json_get(o, "data"), "chop-generated-remote_servers.xml"))
            xmldiff_walk(json_get(json_get(o, "data"), "chop-generated-remote_servers.xml")->valuestring,
                         count_replicas, &hosts);
    }
    assert_int_equal(hosts, (size_t)shards * replicas * lists);
    assert_int_equal(render_drops_auto_clusters(f, &c), lists == 1);
}

static void six_hundred_hosts_keep_all_lists_in_small_objects(void **state)
{
    (void)state;
    sizes(300, 2, 4);
}

static void three_thousand_hosts_drop_the_automatic_lists_and_stay_small(void **state)
{
    (void)state;
    sizes(1000, 3, 1);
}

static void run_all(const struct fleet *f, cJSON *all)
{
    auto_json cJSON *pods = cJSON_CreateArray();
    cJSON *o;

    (void)f;
    cJSON_ArrayForEach(o, all)
        if (strcmp(json_str(o, "kind", ""), "StatefulSet") == 0)
            cJSON_AddItemToArray(pods, cluster_pod(o, "clickhouse.altinity.com/ready", "yes", "2031-01-01T00:00:00Z"));
    while (pods->child)
        cJSON_AddItemToArray(all, cJSON_DetachItemFromArray(pods, 0));
}

static int each(void *ctx, const char *kind, int (*fn)(void *fn_ctx, const cJSON *obj), void *fn_ctx)
{
    const struct sorted *x = ctx;

    for (size_t i = 0; i < x->n; i++)
        if (strcmp(json_str(x->v[i], "kind", ""), kind) == 0 && fn(fn_ctx, x->v[i]) < 0)
            return -1;
    return 0;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_plan_for_three_thousand_hosts_is_quick_and_right(void **state)
{
    auto_json cJSON *before = installation(1000, 3, "clickhouse/clickhouse-server:24.8");
    auto_json cJSON *after = installation(1000, 3, "clickhouse/clickhouse-server:24.10"), *all = NULL;
    auto_fleet struct fleet *old = fleet_of(before), *f = NULL;
    struct sorted x = {NULL, 0};
    struct render_ctx c;
    struct facts_source src = {each, &x};
    auto_facts struct facts *facts = NULL;
    auto_plan struct plan *plan = NULL;
    struct err err = ERR_INIT;
    double from, took;

    (void)state;
    ctx_of(&x, &c);
    all = cluster_render_all(old, &c, &err);
    run_all(old, all);
    index_make(&x, all);
    from = seconds();
    f = fleet_of(after);
    if (facts_make(f, &c, &src, &facts, &err) < 0 || plan_make(f, facts, &plan, &err) < 0)
        fail_msg("%s", err.msg);
    took = seconds() - from;
    print_message("plan for 3000 hosts: %.2f s\n", took);
    for (size_t i = 0; i < plan->n_hosts; i++)
        assert_int_equal(plan->hosts[i].action, ACT_RESTART);
    assert_int_equal(plan->n_tasks, 1002);
    assert_int_equal(plan->tasks[1].wave, 1);
    assert_int_equal(plan->tasks[2].wave, 2);
    assert_int_equal(plan->tasks[1000].wave, 2);
    assert_true(took < 60);
    free(x.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_hundred_hosts_keep_all_lists_in_small_objects),
        cmocka_unit_test(three_thousand_hosts_drop_the_automatic_lists_and_stay_small),
        cmocka_unit_test(a_plan_for_three_thousand_hosts_is_quick_and_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
