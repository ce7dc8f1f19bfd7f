/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor does with knobs: tells workers of them, and lets failures and installations wait for each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "supervisor/internal.h"

/* Every knob a worker reads, away from its default. */
static const char all_knobs[] =
    "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"ns\"},\"spec\":{"
    "\"chfleet\":{\"replicas\":{\"minServing\":2},\"hooks\":[{\"name\":\"h\",\"when\":\"beforeHost\",\"sql\":[\"SELECT 1\",\"SELECT "
    "2\"],\"timeout\":\"2m\"}]},"
    "\"reconcile\":{\"policy\":\"nowait\",\"configMapPropagationTimeout\":333,"
    "\"statefulSet\":{\"create\":{\"onFailure\":\"delete\"},\"update\":{\"onFailure\":\"rollback\",\"timeout\":77,\"pollInterval\":9}},"
    "\"cleanup\":{\"reconcileFailedObjects\":{\"service\":\"Delete\",\"configMap\":\"Delete\",\"pvc\":\"Delete\"}},"
    "\"host\":{\"wait\":{\"replicas\":{\"all\":\"no\",\"new\":\"no\",\"delay\":55},\"probes\":{\"startup\":\"yes\",\"readiness\":\"no\"}},"
    "\"drop\":{\"replicas\":{\"onDelete\":\"no\",\"onLostVolume\":\"no\",\"active\":\"yes\"}}}},"
    "\"configuration\":{\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\",\"layout\":{\"shardsCount\":2}}]}}}";
static const char no_knobs[] =
    "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"ns\"},\"spec\":{\"configuration\":{"
    "\"clusters\":[{\"name\":\"a\"}]}}}";

static struct super s;

static void make(struct inst *in, const char *text)
{
    auto_json cJSON *r = json_parse(text, strlen(text), NULL);
    struct fleet_input input = {.resource = r};
    struct err err = ERR_INIT;

    assert_non_null(r);
    *in = (struct inst){.s = &s, .group = GROUP_CHI};
    if (fleet_make(&input, &in->fleet, &err) < 0)
        fail_msg("%s", err.msg);
}

static cJSON *told(struct inst *in)
{
    cJSON *j = cJSON_CreateObject();

    knobs_add(j, in, &in->fleet->clusters[0]);
    return j;
}

static void a_worker_is_told_of_every_knob(void **state)
{
    static const char *const flags[] = {"wait_queries", "replicas_all", "replicas_new", "probe_startup", "probe_readiness",
                                        "drop_on_delete", "drop_on_lost_volume", "drop_active", "failed_service_goes",
                                        "failed_configmap_goes", "failed_pvc_goes"};
    static const char *const numbers[] = {"min_serving", "replicas_delay_s", "poll_ms", "propagation_s", "limits.started",
                                          "limits.confirm"};
    struct inst with, without;

    (void)state;
    make(&with, all_knobs);
    make(&without, no_knobs);
    auto_json cJSON *a = told(&with), *b = told(&without);
    const cJSON *ka = json_get(a, "knobs"), *kb = json_get(b, "knobs");

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_true(cJSON_IsBool(json_get(ka, flags[i])) && cJSON_IsBool(json_get(kb, flags[i])));
        if (json_bool(ka, flags[i], false) == json_bool(kb, flags[i], false))
            fail_msg("%s is the same", flags[i]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (json_int(ka, numbers[i], -1) == json_int(kb, numbers[i], -1) || json_int(ka, numbers[i], -1) < 0)
            fail_msg("%s is the same", numbers[i]);
    assert_int_equal(json_int(ka, "propagation_s", 0), 333);
    assert_int_equal(json_int(ka, "limits.started", 0), 77);
    assert_int_equal(json_int(ka, "poll_ms", 0), 9000);
    assert_true(json_int(ka, "limits.confirm", 0) > 333); /* a late peer is named before the step's own time is over */
    assert_true(json_int(ka, "limits.before-host", 0) >= 240);
    assert_string_equal(json_str(ka, "after_failed_create", ""), "take-back");
    assert_string_equal(json_str(ka, "after_failed_update", ""), "rollback");
    assert_null(json_str(kb, "after_failed_create", NULL));
    assert_null(json_str(kb, "after_failed_update", NULL));
    fleet_free(with.fleet);
    fleet_free(without.fleet);
}

static void tasks_of_the_whole_know_which_clusters_are_changed(void **state)
{
    struct hostrec hosts[] = {{.key = "ns/demo/a/0/0", .action = ACT_NONE}, {.key = "ns/demo/b/1/0", .action = ACT_RESTART}};
    struct task whole = {0}, shard = {.n_hosts = 1};
    auto_json cJSON *j = cJSON_CreateObject(), *k = cJSON_CreateObject();
    struct inst in;

    (void)state;
    make(&in, all_knobs);
    in.hosts = hosts;
    in.n_hosts = 2;
    knobs_add_hooks(j, &in, &whole);
    assert_int_equal(cJSON_GetArraySize(json_get(j, "hooks")), 1);
    assert_int_equal(cJSON_GetArraySize(json_get(j, "clusters")), 2);
    assert_int_equal(cJSON_GetArraySize(json_get(j, "changes")), 1);
    assert_string_equal(json_str(j, "changes.0.cluster", ""), "b");
    assert_string_equal(json_str(j, "changes.0.action", ""), "restart");
    knobs_add_hooks(k, &in, &shard);
    assert_int_equal(cJSON_GetArraySize(json_get(k, "hooks")), 1);
    assert_null(json_get(k, "changes"));
    fleet_free(in.fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_is_told_of_every_knob),
        cmocka_unit_test(tasks_of_the_whole_know_which_clusters_are_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
