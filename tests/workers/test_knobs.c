/* SPDX-License-Identifier: Apache-2.0 */
/* Each knob of reconcile that a worker reads: with it and without it, on the same scripted hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/workers/scenes.h"

enum { SECOND = 1000, MINUTE = 60000, HOUR = 3600000 };

static void expect(struct script *s, const char *outcome)
{
    if (*s->violation)
        fail_msg("%s\n%s", s->violation, str_text(&s->log));
    if (!s->done || strcmp(s->outcome, outcome) != 0)
        fail_msg("%s %s (%s)\n%s", s->done ? s->outcome : "not done", s->done_text, outcome, str_text(&s->log));
}

/* ---- wait.queries ---- */

static void queries_are_waited_for_only_when_that_is_said(void **state)
{
    (void)state;
    for (int wait = 0; wait < 2; wait++) {
        struct script s;

        scene(&s, 1, 2, "restart");
        json_set_bool(s.knobs, "wait_queries", wait);
        s.hosts[0].queries = wait ? 2 : 0;
        s.hosts[0].queries_stay_ms = 20 * SECOND;
        assert_true(script_finish(&s, 10 * MINUTE));
        expect(&s, "done");
        assert_int_equal(script_row(&s, s.hosts[0].key, "drain", "done"), wait);
        script_fini(&s);
    }
}

/* ---- wait.replicas ---- */

/* Has a host with this action joined though its delay is over the limit? */
static bool joins_behind(const char *action, bool all, bool fresh, int64_t limit)
{
    struct script s;
    bool done;

    scene(&s, 1, 3, "none");
    scene_give(&s, 2, action);
    json_set_bool(s.knobs, "replicas_all", all);
    json_set_bool(s.knobs, "replicas_new", fresh);
    json_set_int(s.knobs, "replicas_delay_s", limit);
    s.hosts[2].delay = 300;
    done = script_finish(&s, 10 * MINUTE);
    if (*s.violation)
        fail_msg("%s\n%s", s.violation, str_text(&s.log));
    assert_int_equal(script_count(&s, "member-in ns/i/c/0/2"), done);
    script_fini(&s);
    return done;
}

static void the_delay_is_waited_for_as_the_knobs_say(void **state)
{
    (void)state;
    assert_false(joins_behind("restart", true, true, 10));
    assert_true(joins_behind("restart", false, true, 10));
    assert_true(joins_behind("soft-restart", false, true, 10));
    assert_false(joins_behind("create", false, true, 10));
    assert_true(joins_behind("create", false, false, 10));
    assert_false(joins_behind("create", true, false, 10));
    assert_true(joins_behind("restart", true, true, 1000));
}

static void no_knob_lets_a_replica_join_that_does_not_work(void **state)
{
    struct script s;

    (void)state;
    for (int k = 0; k < 2; k++) {
        scene(&s, 1, 2, "restart");
        json_set_bool(s.knobs, "replicas_all", false);
        json_set_bool(s.knobs, "replicas_new", false);
        s.hosts[0].readonly = k == 0;
        if (k == 1)
            s.log_max = s.hosts[0].log_pointer + 5;
        assert_false(script_finish(&s, 10 * MINUTE));
        assert_int_equal(script_count(&s, "member-in "), 0);
        script_fini(&s);
    }
}

/* ---- wait.probes ---- */

static bool gets_on_unready(bool readiness, bool startup, bool not_started)
{
    struct script s;
    bool done;

    scene(&s, 1, 2, "restart");
    json_set_bool(s.knobs, "probe_readiness", readiness);
    json_set_bool(s.knobs, "probe_startup", startup);
    s.hosts[0].unready = true;
    s.hosts[0].not_started = not_started;
    done = script_finish(&s, 5 * MINUTE);
    if (*s.violation)
        fail_msg("%s\n%s", s.violation, str_text(&s.log));
    script_fini(&s);
    return done;
}

static void a_pod_that_is_not_ready_is_waited_for_as_the_probes_say(void **state)
{
    (void)state;
    assert_false(gets_on_unready(true, false, false));
    assert_true(gets_on_unready(false, false, false));
    assert_true(gets_on_unready(false, false, true));
    assert_true(gets_on_unready(false, true, false));
    assert_false(gets_on_unready(false, true, true));
}

/* ---- drop.replicas ---- */

static void entries_of_a_lost_volume_stay_when_that_is_said(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "rebuild");
    s.hosts[0].zk_entry = true;
    json_set_bool(s.knobs, "drop_on_lost_volume", false);
    assert_true(script_finish(&s, HOUR));
    expect(&s, "refused");
    assert_true(s.hosts[0].zk_entry);
    assert_non_null(strstr(s.done_text, "onLostVolume"));
    script_fini(&s);
}

static void entries_of_a_removed_host_stay_when_that_is_said(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "none");
    scene_give(&s, 1, "remove");
    json_set_bool(s.knobs, "drop_on_delete", false);
    assert_true(script_finish(&s, HOUR));
    expect(&s, "done");
    assert_true(s.hosts[1].zk_entry);
    script_fini(&s);
}

/* ---- minServing ---- */

static void more_than_one_other_replica_must_serve_when_that_is_said(void **state)
{
    (void)state;
    for (int64_t min = 1; min <= 3; min++) {
        struct script s;
        bool done;

        scene(&s, 1, 3, "restart");
        json_set_int(s.knobs, "min_serving", min);
        s.hosts[2].delay = 500; /* of three replicas one is behind */
        done = script_finish(&s, 10 * MINUTE);
        assert_int_equal(done, min == 1);
        assert_int_equal(s.hosts[0].starts, min == 1 ? 2 : 1);
        s.hosts[2].delay = 0;
        assert_true(script_run(&s, 10 * MINUTE)); /* never more than there are */
        expect(&s, "done");
        script_fini(&s);
    }
}

/* ---- statefulSet.update: timeout, pollInterval ---- */

static uint64_t fails_after(int64_t limit)
{
    struct script s;
    uint64_t t;

    scene(&s, 1, 2, "restart");
    json_set_int(json_set_obj(s.knobs, "limits"), "started", limit);
    s.restarted_ms = HOUR;
    assert_true(script_finish(&s, 2 * HOUR));
    expect(&s, "failed");
    assert_memory_equal(s.done_text, "started:", 8);
    t = s.now_ms;
    script_fini(&s);
    return t;
}

static void a_host_has_the_time_to_start_that_is_said(void **state)
{
    uint64_t some, more;

    (void)state;
    some = fails_after(60);
    more = fails_after(660);
    assert_in_range(more - some, 590 * SECOND, 1300 * SECOND);
}

static unsigned asked_while_waiting(int64_t poll_ms)
{
    struct script s;
    unsigned n;

    scene(&s, 1, 2, "restart");
    json_set_int(s.knobs, "poll_ms", poll_ms);
    s.hosts[0].delay = 100;
    assert_false(script_finish(&s, 10 * MINUTE));
    n = s.sql_sent;
    script_fini(&s);
    return n;
}

static void servers_are_asked_as_often_as_is_said(void **state)
{
    (void)state;
    assert_true(asked_while_waiting(2000) > 3 * asked_while_waiting(20000));
}

/* ---- statefulSet.update.onFailure: rollback ---- */

static void broken(struct script *s, const char *after)
{
    scene(s, 1, 2, "restart");
    scene_give(s, 1, "restart");
    json_set_str(s->knobs, "after_failed_update", after);
    s->hosts[0].broken_image = s->hosts[1].broken_image = true;
    s->hosts[0].previous = true;
}

static void a_host_that_fails_gets_its_old_statefulset_back_and_joins(void **state)
{
    struct script s;

    (void)state;
    broken(&s, "rollback");
    assert_true(script_finish(&s, HOUR));
    expect(&s, "failed");
    assert_non_null(strstr(s.done_text, "started:"));
    assert_true(s.hosts[0].restored && s.hosts[0].ready);
    assert_string_equal(s.hosts[0].member, "in");
    assert_string_equal(s.hosts[0].loaded_hash, "hash-live");
    assert_int_equal(script_count(&s, "incident-ROLLED_BACK ns/i/c/0/0"), 1);
    assert_int_equal(s.hosts[1].starts, 1); /* its turn does not come */
    assert_int_equal(script_count(&s, "delete-statefulset "), 0);
    script_fini(&s);
}

static void without_that_knob_a_host_that_fails_stays_as_it_is(void **state)
{
    struct script s;

    (void)state;
    broken(&s, NULL);
    assert_true(script_finish(&s, HOUR));
    expect(&s, "failed");
    assert_false(s.hosts[0].restored);
    assert_string_equal(s.hosts[0].member, "out");
    assert_null(strstr(s.done_text, "rollback"));
    script_fini(&s);
}

static void nothing_is_rolled_back_to_what_is_not_known(void **state)
{
    struct script s;

    (void)state;
    broken(&s, "rollback");
    s.hosts[0].previous = false;
    assert_true(script_finish(&s, HOUR));
    expect(&s, "failed");
    assert_int_equal(script_count(&s, "incident-ROLLED_BACK "), 0);
    assert_non_null(strstr(s.done_text, "onFailure: rollback does not reach this change"));
    script_fini(&s);
}

/* The worker dies at each of its acts, before and after it took effect. */
static void a_rollback_is_finished_whoever_dies(void **state)
{
    unsigned acts;
    struct script s;

    (void)state;
    broken(&s, "rollback");
    assert_true(script_finish(&s, HOUR));
    acts = s.acted;
    script_fini(&s);
    for (unsigned at = 1; at <= acts; at++)
        for (int before = 0; before < 2; before++) {
            broken(&s, "rollback");
            s.kill_at = at;
            s.kill_before = before;
            assert_true(script_finish(&s, 2 * HOUR));
            expect(&s, "failed");
            if (!s.hosts[0].restored || !s.hosts[0].ready || strcmp(s.hosts[0].member, "in") != 0)
                fail_msg("killed at %u%s: %s\n%s", at, before ? " before" : "", s.done_text, str_text(&s.log));
            assert_non_null(strstr(s.done_text, "started:"));
            assert_int_equal(s.hosts[1].starts, 1);
            script_fini(&s);
        }
}

/* ---- statefulSet.create.onFailure: delete; cleanup.reconcileFailedObjects ---- */

static void not_starting(struct script *s, const char *after)
{
    scene(s, 1, 3, "none");
    scene_give(s, 2, "create");
    json_set_str(s->knobs, "after_failed_create", after);
    s->hosts[2].broken_image = true;
}

static void a_new_host_that_does_not_start_is_parked_and_never_deleted(void **state)
{
    struct script s;

    (void)state;
    not_starting(&s, "take-back");
    assert_true(script_finish(&s, HOUR));
    expect(&s, "failed");
    assert_true(s.hosts[2].sts && s.hosts[2].claim && s.hosts[2].service && s.hosts[2].configmap);
    assert_int_equal(s.hosts[2].replicas, 0);
    assert_false(s.hosts[2].pod);
    assert_int_equal(script_count(&s, "gave-up ns/i/c/0/2"), 1);
    assert_int_equal(script_count(&s, "delete-statefulset "), 0);
    script_fini(&s);
    not_starting(&s, NULL);
    assert_true(script_finish(&s, HOUR));
    expect(&s, "failed");
    assert_int_equal(s.hosts[2].replicas, 1);
    script_fini(&s);
}

static void what_failed_goes_with_it_only_where_that_is_said(void **state)
{
    struct script s;

    (void)state;
    for (int k = 0; k < 4; k++) {
        not_starting(&s, "take-back");
        json_set_bool(s.knobs, "failed_service_goes", k == 1);
        json_set_bool(s.knobs, "failed_configmap_goes", k == 2);
        json_set_bool(s.knobs, "failed_pvc_goes", k == 3);
        assert_true(script_finish(&s, HOUR));
        expect(&s, "failed");
        assert_int_equal(s.hosts[2].service, k != 1);
        assert_int_equal(s.hosts[2].configmap, k != 2);
        assert_true(s.hosts[2].claim); /* a volume goes by consent, not by policy */
        script_fini(&s);
    }
    not_starting(&s, "take-back");
    json_set_bool(s.knobs, "failed_pvc_goes", true);
    s.consent = "{\"dataLoss\":[\"c/0-2\"]}";
    assert_true(script_finish(&s, HOUR));
    expect(&s, "failed");
    assert_false(s.hosts[2].claim);
    script_fini(&s);
}

/* ---- hooks ---- */

#define HOOK(when, more)                                                                                               \
    "{\"name\":\"h\",\"when\":\"" when "\",\"actions\":[\"restart\"],\"clusters\":[],\"sql\":[\"SELECT hook " when     \
    "\"],\"timeout_s\":60" more "}"

static void hooks_run_around_hosts_and_once_around_a_shard(void **state)
{
    struct script s;
    const char *before, *leave, *join, *after;

    (void)state;
    scene(&s, 1, 3, "restart");
    scene_give(&s, 1, "restart");
    s.hooks = "[" HOOK("beforeHost", "") "," HOOK("afterHost", "") "," HOOK("beforeShard", "") "," HOOK("afterShard", "") "]";
    assert_true(script_finish(&s, HOUR));
    expect(&s, "done");
    for (int i = 0; i < 3; i++) {
        auto_free char *b = mem_printf("SELECT hook beforeHost %s", s.hosts[i].key),
                       *a = mem_printf("SELECT hook afterHost %s", s.hosts[i].key);

        assert_int_equal(script_count(&s, b), i < 2);
        assert_int_equal(script_count(&s, a), i < 2);
    }
    assert_int_equal(script_count(&s, "SELECT hook beforeShard "), 1);
    assert_int_equal(script_count(&s, "SELECT hook afterShard "), 1);
    before = strstr(s.log.s, "SELECT hook beforeHost ns/i/c/0/0");
    leave = strstr(s.log.s, "member-out ns/i/c/0/0");
    join = strstr(s.log.s, "member-in ns/i/c/0/1");
    after = strstr(s.log.s, "SELECT hook afterShard");
    assert_true(strstr(s.log.s, "SELECT hook beforeShard") < before && before < leave && join < after);
    script_fini(&s);
}

static void hooks_are_for_the_actions_and_clusters_they_name(void **state)
{
    static const char *const none[] = {
        "[{\"name\":\"h\",\"when\":\"beforeHost\",\"actions\":[\"remove\"],\"clusters\":[],\"sql\":[\"SELECT hook\"]}]",
        "[{\"name\":\"h\",\"when\":\"beforeHost\",\"actions\":[\"restart\"],\"clusters\":[\"d\"],\"sql\":[\"SELECT hook\"]}]",
    };

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct script s;

        scene(&s, 1, 2, "restart");
        s.hooks = none[k];
        assert_true(script_finish(&s, HOUR));
        expect(&s, "done");
        assert_int_equal(script_count(&s, "SELECT hook "), 0);
        script_fini(&s);
    }
}

static void becomes_one(struct script *s, struct script_host *h)
{
    (void)s;
    h->hook_value = 1;
}

static void a_question_is_asked_until_it_is_answered_as_expected(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hooks = "[" HOOK("beforeHost", ",\"expect\":\"1\"") "]";
    script_after(&s, 30 * SECOND, becomes_one, &s.hosts[0]);
    assert_false(script_finish(&s, 25 * SECOND));
    assert_int_equal(script_count(&s, "member-out "), 0);
    assert_true(script_run(&s, HOUR));
    expect(&s, "done");
    script_fini(&s);
}

static void a_question_that_is_never_answered_so_stops_the_change_before_the_host(void **state)
{
    struct script s;

    (void)state;
    for (int ignore = 0; ignore < 2; ignore++) {
        scene(&s, 1, 2, "restart");
        s.hooks = ignore ? "[" HOOK("beforeHost", ",\"expect\":\"1\",\"ignore\":true") "]"
                         : "[" HOOK("beforeHost", ",\"expect\":\"1\"") "]";
        assert_true(script_finish(&s, HOUR));
        expect(&s, ignore ? "done" : "refused");
        assert_int_equal(s.hosts[0].starts, ignore ? 2 : 1);
        assert_int_equal(script_count(&s, "member-out "), ignore);
        assert_int_equal(script_count(&s, "incident-HOOK_FAILED "), ignore);
        script_fini(&s);
    }
}

static void a_statement_that_fails_stops_or_is_noted(void **state)
{
    static const char *const hooks[] = {
        "[{\"name\":\"h\",\"when\":\"afterHost\",\"actions\":[\"restart\"],\"clusters\":[],\"sql\":[\"FAIL hook\"],\"timeout_s\":60}]",
        "[{\"name\":\"h\",\"when\":\"afterHost\",\"actions\":[\"restart\"],\"clusters\":[],\"sql\":[\"FAIL hook\"],\"timeout_s\":60,"
        "\"ignore\":true}]",
    };

    (void)state;
    for (int ignore = 0; ignore < 2; ignore++) {
        struct script s;

        scene(&s, 1, 2, "restart");
        scene_give(&s, 1, "restart");
        s.hooks = hooks[ignore];
        assert_true(script_finish(&s, HOUR));
        expect(&s, ignore ? "done" : "refused");
        assert_int_equal(s.hosts[1].starts, ignore ? 2 : 1); /* a canary that fails keeps the next host */
        assert_string_equal(s.hosts[0].member, "in");
        assert_int_equal(script_count(&s, "incident-HOOK_FAILED "), ignore ? 2 : 0);
        script_fini(&s);
    }
}

static void a_hook_of_a_cluster_runs_once_on_one_host_when_the_cluster_is_changed(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct script s;

        script_init(&s, 2, 2);
        for (int i = 0; i < s.n_hosts; i++)
            s.hosts[i].peer = true;
        s.table = "prepare";
        s.hooks = "[" HOOK("beforeCluster", "") "]";
        s.changes = k ? "[{\"cluster\":\"c\",\"action\":\"restart\"}]" : "[{\"cluster\":\"c\",\"action\":\"create\"}]";
        assert_true(script_finish(&s, HOUR));
        expect(&s, "done");
        assert_int_equal(script_count(&s, "SELECT hook beforeCluster "), k);
        script_fini(&s);
    }
}

static void a_hook_that_is_done_is_not_run_again_by_the_next_worker(void **state)
{
    struct script s;
    unsigned acts;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hooks = "[" HOOK("beforeHost", "") "]";
    assert_true(script_finish(&s, HOUR));
    acts = s.acted;
    script_fini(&s);
    for (unsigned at = 1; at <= acts; at++) {
        scene(&s, 1, 2, "restart");
        s.hooks = "[" HOOK("beforeHost", "") "]";
        s.kill_at = at;
        assert_true(script_finish(&s, HOUR));
        expect(&s, "done");
        assert_in_range(script_count(&s, "SELECT hook beforeHost "), 1, 2);
        assert_int_equal(s.hosts[0].starts, 2);
        script_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_waited_for_only_when_that_is_said),
        cmocka_unit_test(the_delay_is_waited_for_as_the_knobs_say),
        cmocka_unit_test(no_knob_lets_a_replica_join_that_does_not_work),
        cmocka_unit_test(a_pod_that_is_not_ready_is_waited_for_as_the_probes_say),
        cmocka_unit_test(entries_of_a_lost_volume_stay_when_that_is_said),
        cmocka_unit_test(entries_of_a_removed_host_stay_when_that_is_said),
        cmocka_unit_test(more_than_one_other_replica_must_serve_when_that_is_said),
        cmocka_unit_test(a_host_has_the_time_to_start_that_is_said),
        cmocka_unit_test(servers_are_asked_as_often_as_is_said),
        cmocka_unit_test(a_host_that_fails_gets_its_old_statefulset_back_and_joins),
        cmocka_unit_test(without_that_knob_a_host_that_fails_stays_as_it_is),
        cmocka_unit_test(nothing_is_rolled_back_to_what_is_not_known),
        cmocka_unit_test(a_rollback_is_finished_whoever_dies),
        cmocka_unit_test(a_new_host_that_does_not_start_is_parked_and_never_deleted),
        cmocka_unit_test(what_failed_goes_with_it_only_where_that_is_said),
        cmocka_unit_test(hooks_run_around_hosts_and_once_around_a_shard),
        cmocka_unit_test(hooks_are_for_the_actions_and_clusters_they_name),
        cmocka_unit_test(a_question_is_asked_until_it_is_answered_as_expected),
        cmocka_unit_test(a_question_that_is_never_answered_so_stops_the_change_before_the_host),
        cmocka_unit_test(a_statement_that_fails_stops_or_is_noted),
        cmocka_unit_test(a_hook_of_a_cluster_runs_once_on_one_host_when_the_cluster_is_changed),
        cmocka_unit_test(a_hook_that_is_done_is_not_run_again_by_the_next_worker),
    };

    log_set_level(LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
