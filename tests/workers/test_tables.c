/* SPDX-License-Identifier: Apache-2.0 */
/* Each table on scripted hosts: it gets there, and what it may not do it does not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/workers/scenes.h"

#define H(i) (s.hosts[i].key)

static void expect(struct script *s, const char *outcome)
{
    if (*s->violation)
        fail_msg("%s\n%s", s->violation, str_text(&s->log));
    if (!s->done || strcmp(s->outcome, outcome) != 0) {
        char *rows = json_print(s->rows);

        fail_msg("%s %s (%s)\n%s\n%s", s->done ? s->outcome : "not done", s->done_text, outcome, str_text(&s->log),
                 rows);
    }
}

static void restart_replaces_each_pod_once_in_order(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 2, 2, "restart");
    scene_give(&s, 1, "restart");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s.hosts[i].starts, 2);
        assert_string_equal(s.hosts[i].member, "in");
        assert_true(s.hosts[i].label);
        assert_true(script_row(&s, H(i), "caught-up", "done"));
        assert_string_equal(s.hosts[i].loaded_hash, "hash-new");
    }
    assert_int_equal(script_count(&s, "permit-planned ns/i/c/0/0"), 1);
    script_fini(&s);
}

static uint64_t create_takes_ms(unsigned api_fails)
{
    struct script s;
    uint64_t took;

    scene(&s, 1, 2, "create");
    s.api_fails = api_fails;
    took = s.now_ms;
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(s.api_fails, 0);
    took = s.now_ms - took;
    script_fini(&s);
    return took;
}

static void what_the_api_server_does_not_do_is_asked_again_soon(void **state)
{
    (void)state;
    assert_in_range(create_takes_ms(5), 0, create_takes_ms(0) + 5000); /* no event tells when to */
}

static void soft_restart_sends_one_shutdown(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "soft-restart");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "shutdown "), 1);
    assert_int_equal(s.hosts[0].starts, 2);
    assert_int_equal(s.hosts[0].uid, 1);
    script_fini(&s);
}

static void peer_fails(struct script *s, struct script_host *h)
{
    h->ready = false;
    script_facts(s, h);
}

static void peer_comes_back(struct script *s, struct script_host *h)
{
    h->ready = true;
    script_facts(s, h);
}

static void a_process_that_somebody_restarted_is_not_ended_again(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "soft-restart");
    s.disturb = "session_timeout"; /* between the look at the process and the statement that ends it */
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(s.hosts[0].starts, 2);
    assert_int_equal(script_count(&s, "shutdown "), 0);
    script_fini(&s);
}

static void crashes(struct script *s, struct script_host *h)
{
    h->process = ++h->starts;
    script_facts(s, h);
}

static void a_crash_before_the_replace_costs_no_second_restart(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].queries = 2;
    s.hosts[0].queries_stay_ms = 2000;
    script_after(&s, 1000, peer_fails, &s.hosts[1]); /* the replace waits for its peer */
    script_after(&s, 8000, crashes, &s.hosts[0]);
    script_after(&s, 12000, peer_comes_back, &s.hosts[1]);
    assert_true(script_finish(&s, 90000));
    expect(&s, "done");
    assert_int_equal(s.hosts[0].starts, 3); /* the crash, and the one that was wanted */
    assert_int_equal(script_count(&s, "pod-stop "), 1);
    script_fini(&s);
}

static void queries_that_never_cease_over_kept_connections_are_not_waited_for(void **state)
{
    struct script s;
    uint64_t began_ms;

    (void)state;
    scene(&s, 1, 2, "restart");
    began_ms = s.now_ms;
    s.hosts[0].queries = 2;
    s.hosts[0].kept_queries = true;
    assert_true(script_finish(&s, 90000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "kill-queries "), 0);
    assert_int_equal(script_count(&s, "pod-stop "), 1);
    assert_true(s.now_ms - began_ms > 10000); /* not at once: it may be one that ends */
    script_fini(&s);
}

static void a_server_that_does_not_know_the_operator_yet_is_waited_for(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "create");
    s.named = true;
    s.hosts[0].locked_until_ms = s.now_ms + 3000;
    assert_true(script_finish(&s, 300000));
    expect(&s, "done");
    script_fini(&s);

    scene(&s, 1, 2, "create"); /* but not for ever */
    s.named = true;
    s.hosts[0].locked_until_ms = UINT64_MAX;
    assert_true(script_finish(&s, 300000));
    expect(&s, "refused");
    script_fini(&s);
}

static void on_nodes_a_stop_comes_seconds_after_the_leave(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.named = true;
    script_start(&s);
    script_run(&s, 1900);
    assert_int_equal(script_count(&s, "member-out "), 1);
    assert_int_equal(script_count(&s, "pod-stop "), 0);
    assert_true(script_run(&s, 90000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "pod-stop "), 1);
    script_fini(&s);
}

static void comes_back_in(struct script *s, struct script_host *h)
{
    h->member = "in";
    h->label = h->endpoint = true;
    script_facts(s, h);
}

static void a_host_that_somebody_put_back_leaves_again_before_it_is_stopped(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].queries = 2;
    s.hosts[0].queries_stay_ms = 2000;
    script_after(&s, 1000, peer_fails, &s.hosts[1]); /* the replace waits for its peer */
    script_after(&s, 8000, comes_back_in, &s.hosts[0]);
    script_after(&s, 12000, peer_comes_back, &s.hosts[1]);
    assert_true(script_finish(&s, 90000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "member-out "), 2);
    assert_int_equal(script_count(&s, "pod-stop "), 1);
    script_fini(&s);
}

static void stops_answering(struct script *s, struct script_host *h, const char *step)
{
    (void)s;
    if (strcmp(step, "leave") == 0) {
        h->hangs = true;
        h->queries = 1;
    }
}

static void answers_again(struct script *s, struct script_host *h)
{
    (void)s;
    h->hangs = false;
    h->queries = 0;
}

static void a_server_that_does_not_tell_its_queries_is_not_taken_for_idle(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.on_permit = stops_answering;
    script_after(&s, 60000, answers_again, &s.hosts[0]);
    assert_false(script_finish(&s, 50000));
    assert_int_equal(script_count(&s, "pod-stop "), 0);
    assert_true(script_run(&s, 60000));
    expect(&s, "done");
    script_fini(&s);
}

static void a_stop_ends_the_wait_for_a_permit(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.permit = 1;
    assert_false(script_finish(&s, 5000));
    script_stop(&s, false);
    assert_true(script_run(&s, 1000));
    expect(&s, "superseded");
    assert_int_equal(script_count(&s, "member-out "), 0);
    script_fini(&s);
}

static void a_stop_while_it_drains_brings_the_host_back_in(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].queries = 1;
    assert_false(script_finish(&s, 5000));
    assert_string_equal(s.hosts[0].member, "out");
    script_stop(&s, false);
    assert_true(script_run(&s, 2000));
    expect(&s, "superseded");
    assert_string_equal(s.hosts[0].member, "in");
    assert_int_equal(s.hosts[0].starts, 1);
    assert_true(script_row(&s, H(0), "leave", "undone"));
    script_fini(&s);
}

static void a_stop_after_the_stop_of_the_server_ends_its_waits_at_once(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].broken_image = true;
    assert_false(script_finish(&s, 10000));
    script_stop(&s, false);
    assert_true(script_run(&s, 30000)); /* an urgent fix starts in less */
    expect(&s, "superseded");
    script_fini(&s);
}

static void soft_restart_waits_until_the_server_sees_its_new_files(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "soft-restart");
    s.hosts[0].keeps_old_files = true;
    assert_false(script_finish(&s, 100000));
    assert_int_equal(script_count(&s, "shutdown "), 0);
    assert_string_equal(s.hosts[0].member, "in"); /* it has not even left */
    s.hosts[0].keeps_old_files = false;
    assert_true(script_run(&s, 100000));
    expect(&s, "done");
    script_fini(&s);
}

static void create_copies_the_schema_and_joins_last(void **state)
{
    struct script s;
    const char *made, *joined;

    (void)state;
    scene(&s, 1, 3, "none");
    scene_give(&s, 2, "create");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    made = strstr(s.log.s, "create-table ns/i/c/0/2");
    joined = strstr(s.log.s, "member-in ns/i/c/0/2");
    assert_non_null(made);
    assert_non_null(joined);
    assert_true(made < joined);
    assert_int_equal(script_count(&s, "pod-stop "), 0); /* existing hosts are not restarted */
    script_fini(&s);
}

static void the_first_hosts_of_an_installation_need_no_peer(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "create");
    scene_give(&s, 1, "create");
    assert_true(script_finish(&s, 60000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "member-in "), 2);
    script_fini(&s);
}

static void new_hosts_of_a_shard_start_side_by_side(void **state)
{
    struct script s;
    const char *last, *joined;

    (void)state;
    scene(&s, 1, 3, "create");
    scene_give(&s, 1, "create");
    scene_give(&s, 2, "create");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    last = strstr(s.log.s, "apply-statefulset ns/i/c/0/2");
    joined = strstr(s.log.s, "member-in ns/i/c/0/0");
    assert_non_null(last);
    assert_non_null(joined);
    assert_true(last < joined);
    assert_int_equal(script_count(&s, "apply-statefulset "), 3);
    script_fini(&s);
}

static void a_new_host_that_is_refused_does_not_keep_the_one_before_from_serving(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "create");
    scene_give(&s, 1, "create");
    s.hosts[1].set_refused = true;
    assert_true(script_finish(&s, 600000));
    expect(&s, "refused");
    assert_non_null(strstr(s.done_text, "quota"));
    assert_string_equal(s.hosts[0].member, "in");
    assert_true(script_row(&s, "ns/i/c/0/0", "join", "done"));
    script_fini(&s);
}

static void entries_of_a_lost_disk_go_before_the_tables_come(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "rebuild");
    s.hosts[0].zk_entry = true;
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "zk-delete ns/i/c/0/0"), 1);
    assert_int_equal(script_count(&s, "delete-pvc "), 1);
    assert_true(s.hosts[0].has_table);
    script_fini(&s);
}

static void leave_out(struct script_host *h)
{
    h->has_table = h->zk_active = false;
    h->left_out = h->zk_entry = true;
    h->member = "out";
}

static void a_table_that_the_server_left_out_is_attached(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "join");
    leave_out(&s.hosts[0]);
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "attach ns/i/c/0/0"), 1);
    assert_int_equal(script_count(&s, "zk-delete "), 0);
    assert_int_equal(script_count(&s, "create-table "), 0);
    assert_true(s.hosts[0].has_table && s.hosts[0].zk_entry);
    script_fini(&s);
}

/* It came up first, and nobody could tell it. */
static void a_sibling_that_left_a_table_out_gets_it_too(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "join");
    s.hosts[0].member = "out";
    leave_out(&s.hosts[1]);
    s.hosts[1].member = "in";
    s.hosts[1].peer = true;
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "attach ns/i/c/0/1"), 1);
    assert_true(s.hosts[1].has_table);
    script_fini(&s);
}

/* Later versions are not told to attach what somebody may have detached, and their entries stay all the same. */
static void entries_of_a_table_that_is_on_the_disk_stay(void **state)
{
    static const char *const actions[] = {"join", "create"};
    struct script s;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        scene(&s, 1, 2, actions[i]);
        s.version = "24.8.4.13";
        leave_out(&s.hosts[0]);
        script_finish(&s, 600000);
        assert_int_equal(script_count(&s, "attach "), 0);
        assert_int_equal(script_count(&s, "zk-delete "), 0);
        assert_true(s.hosts[0].zk_entry);
        script_fini(&s);
    }
}

static void hosts_move_to_new_volumes_one_after_the_other(void **state)
{
    struct script s;
    const char *first_in, *second_out;

    (void)state;
    scene(&s, 1, 2, "move");
    scene_give(&s, 1, "move");
    s.hosts[0].unused_claim = true;
    assert_true(script_finish(&s, 3600000));
    expect(&s, "done");
    for (int i = 0; i < 2; i++) {
        assert_true(s.hosts[i].claim && s.hosts[i].has_table && !s.hosts[i].claim_goes);
        assert_int_equal(s.hosts[i].starts, 2);
        assert_string_equal(s.hosts[i].member, "in");
    }
    assert_int_equal(script_count(&s, "delete-pvc "), 3);
    assert_false(s.hosts[0].unused_claim);
    assert_int_equal(script_count(&s, "zk-delete "), 2); /* entries of the old disks */
    first_in = strstr(s.log.s, "member-in ns/i/c/0/0");
    second_out = strstr(s.log.s, "member-out ns/i/c/0/1");
    assert_true(first_in && second_out && first_in < second_out);
    script_fini(&s);
}

/* A new address of the operator stands in files that take their time to the servers. */
static void a_restart_waits_until_servers_let_the_operator_in(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "soft-restart");
    s.locked_until_ms = s.now_ms + 80000;
    assert_true(script_finish(&s, 900000));
    expect(&s, "done");
    assert_int_equal(s.hosts[0].starts, 2);
    assert_true(s.now_ms >= s.locked_until_ms);
    assert_true(strstr(str_text(&s.said), "does not let chfleet in"));
    script_fini(&s);
}

static void a_server_that_never_lets_the_operator_in_is_left_alone(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "soft-restart");
    s.locked_until_ms = UINT64_MAX;
    assert_true(script_finish(&s, 7200000));
    assert_string_not_equal(s.outcome, "done");
    assert_int_equal(s.hosts[0].starts, 1);
    script_fini(&s);
}

static void a_host_with_rows_of_its_own_does_not_move(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "move");
    s.hosts[0].plain_rows = true;
    assert_true(script_finish(&s, 3600000));
    expect(&s, "refused");
    assert_non_null(strstr(s.done_text, "dataLoss"));
    assert_true(s.hosts[0].pod && s.hosts[0].claim);
    assert_string_equal(s.hosts[0].member, "in");
    script_fini(&s);
}

static void a_lone_host_moves_only_when_its_data_may_be_gone(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 2, 1, "move");
    assert_true(script_finish(&s, 3600000));
    expect(&s, "refused");
    assert_true(s.hosts[0].claim_goes);
    script_fini(&s);
    scene(&s, 2, 1, "move");
    s.consent = "{\"volumes\":[\"data\"]}";
    assert_true(script_finish(&s, 3600000));
    expect(&s, "done");
    assert_true(s.hosts[0].claim && !s.hosts[0].claim_goes);
    script_fini(&s);
}

static void a_given_up_volume_goes_and_the_host_is_filled(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "rebuild");
    s.hosts[0].lost_claim = false;
    s.hosts[0].claim_given_up = true;
    s.hosts[0].zk_entry = true;
    s.hosts[0].process = 0; /* Pending: the node is gone */
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "delete-pvc "), 1);
    assert_true(s.hosts[0].has_table && s.hosts[0].claim);
    script_fini(&s);
}

static void a_rebuild_keeps_what_nobody_gave_up(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "rebuild");
    s.hosts[0].lost_claim = false;
    s.hosts[0].has_table = s.hosts[0].zk_entry = true;
    s.hosts[0].log_pointer = s.log_max + 1;
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "delete-pvc "), 0);
    script_fini(&s);
}

static void storage_grew(struct script *s, struct script_host *h)
{
    if (h->node_grows_ms) {
        h->node_grows_ms = 0;
        h->capacity = "20Gi";
    } else {
        h->node_grows_ms = s->now_ms;
        script_after(s, 60000, storage_grew, h);
    }
    script_facts(s, h);
}

static void storage_stops_at_the_node(struct script *s, struct script_host *h)
{
    h->node_grows_ms = s->now_ms - 700000; /* for long */
    script_facts(s, h);
}

static void volumes_grow_without_a_restart_and_are_waited_for(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "resize");
    s.want_gib = 20;
    s.hosts[0].depth = "immutable";
    s.on_claim = storage_grew;
    assert_true(script_finish(&s, 7200000));
    expect(&s, "done");
    assert_string_equal(s.hosts[0].capacity, "20Gi");
    assert_string_equal(s.hosts[0].depth, "same");
    assert_int_equal(script_count(&s, "pod-stop "), 0);
    assert_int_equal(script_count(&s, "member-out "), 0);
    script_fini(&s);
}

static void a_file_system_that_needs_a_new_pod_is_left_to_the_next_plan(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "resize");
    s.want_gib = 20;
    s.on_claim = storage_stops_at_the_node;
    assert_true(script_finish(&s, 7200000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "pod-stop "), 0);
    script_fini(&s);
}

static void a_volume_that_does_not_grow_fails_in_words(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "resize");
    s.want_gib = 20;
    assert_true(script_finish(&s, 7200000));
    expect(&s, "failed");
    assert_non_null(strstr(s.done_text, "claim data has 10737418240 of 21474836480 bytes"));
    script_fini(&s);
}

static void class_is_applied(struct script *s, struct script_host *h)
{
    h->attributes_now = h->attributes;
    script_facts(s, h);
}

static void class_is_refused(struct script *s, struct script_host *h)
{
    h->attributes_refused = true;
    script_facts(s, h);
}

static void a_class_of_attributes_is_waited_for(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "resize");
    s.want_attributes = "gold";
    s.on_claim = class_is_applied;
    assert_true(script_finish(&s, 7200000));
    expect(&s, "done");
    assert_string_equal(s.hosts[0].attributes_now, "gold");
    script_fini(&s);
    scene(&s, 1, 2, "resize");
    s.want_attributes = "gold";
    s.on_claim = class_is_refused;
    assert_true(script_finish(&s, 7200000));
    expect(&s, "refused");
    assert_non_null(strstr(s.done_text, "gold: the storage does not take it"));
    script_fini(&s);
}

static void remove_takes_process_entries_volume_and_objects(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "none");
    scene_give(&s, 1, "remove");
    s.hosts[1].distributed = true;
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_false(s.hosts[1].pod || s.hosts[1].sts || s.hosts[1].claim || s.hosts[1].service || s.hosts[1].zk_entry);
    assert_true(s.hosts[0].zk_entry);
    assert_int_equal(script_count(&s, "detach "), 1);
    assert_int_equal(script_count(&s, "attach "), 1);
    script_fini(&s);
}

static void remove_keeps_a_volume_that_is_to_be_kept(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "none");
    scene_give(&s, 1, "remove");
    s.hosts[1].retain = true;
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_true(s.hosts[1].claim);
    assert_false(s.hosts[1].zk_entry); /* a sibling stays: a dead entry would block its ALTERs */
    script_fini(&s);
}

static void remove_of_the_only_copy_is_refused_and_undone(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 2, 1, "remove");
    assert_true(script_finish(&s, 3600000));
    expect(&s, "refused");
    assert_non_null(strstr(s.done_text, "dataLoss: [\"c/0-0\"]"));
    assert_true(s.hosts[0].pod && s.hosts[0].claim);
    assert_string_equal(s.hosts[0].member, "in");
    script_fini(&s);
    scene(&s, 2, 1, "remove");
    s.consent = "{\"dataLoss\":[\"c/0\"]}";
    assert_true(script_finish(&s, 3600000));
    expect(&s, "done");
    assert_false(s.hosts[0].claim);
    script_fini(&s);
}

static void remove_with_rows_that_are_not_replicated_is_refused(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "remove");
    s.hosts[0].plain_rows = true;
    assert_true(script_finish(&s, 3600000));
    expect(&s, "refused");
    assert_non_null(strstr(s.done_text, "db.local"));
    assert_memory_equal(s.done_text, "flush:", 6);
    assert_true(s.hosts[0].claim);
    script_fini(&s);
}

static void rows_come_late(struct script *s, struct script_host *h, const char *step)
{
    (void)s;
    if (strcmp(step, "halt") == 0)
        h->plain_rows = true;
}

static void rows_that_come_after_the_flush_stop_the_halt(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "remove");
    s.on_permit = rows_come_late;
    assert_true(script_finish(&s, 3600000));
    expect(&s, "refused");
    assert_true(s.hosts[0].pod && s.hosts[0].claim);
    script_fini(&s);
}

static void fetched(struct script *s, struct script_host *h)
{
    (void)s;
    h->missing_part = false;
}

static void remove_waits_for_parts_that_are_not_elsewhere(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "remove");
    s.hosts[1].missing_part = true;
    script_after(&s, 60000, fetched, &s.hosts[1]);
    assert_false(script_finish(&s, 50000));
    assert_true(s.hosts[0].pod);
    assert_true(script_run(&s, 60000));
    expect(&s, "done");
    script_fini(&s);
}

static void an_active_entry_is_never_deleted(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "remove");
    s.hosts[0].session_ms = 10000; /* it lives until its time-out, not until the process ends */
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    script_fini(&s);
}

static void a_peer_that_does_not_serve_keeps_the_host_in(void **state)
{
    static const char *const actions[] = {"restart", "soft-restart", "recreate"};

    (void)state;
    for (int k = 0; k < 4 * 3; k++) {
        struct script s;

        scene(&s, 1, 2, actions[k / 4]);
        s.hosts[1].readonly = k % 4 == 0;
        s.hosts[1].delay = k % 4 == 1 ? 5000 : 0;
        s.hosts[1].hangs = k % 4 == 2;
        if (k % 4 == 3)
            s.hosts[1].ready = false;
        assert_false(script_finish(&s, 100000));
        assert_int_equal(script_count(&s, "member-out "), 0);
        assert_int_equal(s.hosts[0].starts, 1);
        s.hosts[1].readonly = s.hosts[1].hangs = false;
        s.hosts[1].delay = 0;
        s.hosts[1].ready = true;
        script_facts(&s, &s.hosts[1]);
        assert_true(script_run(&s, 600000));
        expect(&s, "done");
        script_fini(&s);
    }
}

static void a_peer_that_fails_after_the_leave_brings_the_host_back(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].queries = 2;
    s.hosts[0].queries_stay_ms = 5000;
    script_after(&s, 3000, peer_fails, &s.hosts[1]);
    script_after(&s, 60000, peer_comes_back, &s.hosts[1]);
    assert_false(script_finish(&s, 50000));
    assert_string_equal(s.hosts[0].member, "in");
    assert_int_equal(s.hosts[0].starts, 1);
    assert_int_equal(script_count(&s, "kill-queries "), 0);
    assert_true(script_run(&s, 600000));
    expect(&s, "done");
    script_fini(&s);
}

static void queries_that_outlive_the_deadline_are_killed_then(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    json_set_int(s.knobs, "drain_s", 20);
    s.hosts[0].queries = 3;
    assert_false(script_finish(&s, 15000));
    assert_int_equal(script_count(&s, "kill-queries "), 0);
    assert_true(script_run(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "kill-queries "), 1);
    script_fini(&s);
}

static void a_single_replica_may_go_and_joins_at_once(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 1, "restart");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(s.hosts[0].starts, 2);
    script_fini(&s);
}

static void behind_for_a_while(struct script *s, struct script_host *h)
{
    (void)s;
    h->log_pointer = 10;
    h->delay = 0;
}

static void a_host_that_is_behind_does_not_join(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].log_pointer = 5; /* as after a kill: nothing else shows it */
    script_after(&s, 90000, behind_for_a_while, &s.hosts[0]);
    assert_false(script_finish(&s, 80000));
    assert_int_equal(script_count(&s, "member-in "), 0);
    assert_true(script_run(&s, 60000));
    expect(&s, "done");
    script_fini(&s);
}

static void a_server_that_restarts_while_it_catches_up_is_looked_at_again(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].log_pointer = 5;
    script_after(&s, 30000, crashes, &s.hosts[0]);
    script_after(&s, 90000, behind_for_a_while, &s.hosts[0]);
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(s.hosts[0].starts, 3);
    assert_int_equal(script_count(&s, "pod-stop "), 1);
    assert_string_equal(s.hosts[0].loaded_identity, "uid2 c3"); /* of the process that joined */
    script_fini(&s);
}

/* Its time is over, and the process ends a moment later: while the next attempt looks. */
static void a_server_that_ends_late_is_ended_once(void **state)
{
    (void)state;
    for (unsigned ms = 179900; ms < 180050; ms++) {
        struct script s;

        scene(&s, 1, 2, "soft-restart");
        s.hosts[0].gone_ms = ms;
        assert_true(script_finish(&s, 3600000));
        expect(&s, "done");
        assert_int_equal(s.hosts[0].starts, 2);
        script_fini(&s);
    }
}

static void a_new_pod_is_there(struct script *s, struct script_host *h)
{
    h->terminating = false;
    h->ready = h->updated = h->image_matches = true;
    h->uid++;
    h->process = ++h->starts;
    h->started_s = s->now_ms / 1000;
    h->loaded_identity[0] = '\0';
}

/* The attempt failed, its worker died, and then it took effect. */
static void a_pod_that_goes_late_is_replaced_once_also_by_the_next_worker(void **state)
{
    struct script s;
    cJSON *row;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.hosts[0].gone_ms = 100000000;
    script_start(&s);
    assert_false(script_run(&s, 400000));
    script_kill(&s);
    row = cJSON_GetArrayItem(s.rows, cJSON_GetArraySize(s.rows) - 1);
    assert_string_equal(json_str(row, "step", ""), "replace");
    json_set_str(row, "outcome", "failed");
    a_new_pod_is_there(&s, &s.hosts[0]);
    assert_true(script_finish(&s, 3600000));
    expect(&s, "done");
    assert_int_equal(s.hosts[0].starts, 2);
    script_fini(&s);
}

static void an_image_that_does_not_come_fails_and_touches_no_sibling(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    scene_give(&s, 1, "restart");
    s.hosts[0].broken_image = true;
    assert_true(script_finish(&s, 3600000));
    expect(&s, "failed");
    assert_non_null(strstr(s.done_text, "ImagePullBackOff"));
    assert_int_equal(s.hosts[1].starts, 1);
    assert_string_equal(s.hosts[1].member, "in");
    script_fini(&s);
}

static void a_refused_permit_ends_the_task_untouched(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "restart");
    s.permit = 2;
    assert_true(script_finish(&s, 600000));
    expect(&s, "refused");
    assert_int_equal(script_count(&s, "member-out "), 0);
    script_fini(&s);
}

static void nothing_happens_while_the_journal_takes_nothing(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "soft-restart");
    s.journal_full = true;
    assert_false(script_finish(&s, 20000));
    assert_int_equal(s.log.len, 0);
    s.journal_full = false;
    assert_true(script_run(&s, 600000));
    expect(&s, "done");
    script_fini(&s);
}

static void membership_names_the_late_and_goes_on(void **state)
{
    struct script s;

    (void)state;
    script_init(&s, 2, 2);
    for (int i = 0; i < s.n_hosts; i++)
        s.hosts[i].peer = true;
    s.table = "membership";
    s.hosts[1].keeps_old_files = true;
    s.hosts[2].hangs = true;
    assert_true(script_finish(&s, 60000));
    expect(&s, "done");
    assert_int_equal(cJSON_GetArraySize(json_get(s.done_body, "late")), 2);
    assert_int_equal(script_count(&s, "incident-LATE_MEMBERSHIP "), 2);
    assert_int_equal(s.hosts[0].membership, 5);
    script_fini(&s);
}

static void membership_makes_servers_look_up_names_before_they_read_the_list(void **state)
{
    struct script s;

    (void)state;
    script_init(&s, 2, 2);
    for (int i = 0; i < s.n_hosts; i++)
        s.hosts[i].peer = true;
    s.table = "membership";
    s.named = true;
    assert_true(script_finish(&s, 60000));
    expect(&s, "done");
    assert_int_equal(cJSON_GetArraySize(json_get(s.done_body, "late")), 0);
    assert_int_equal(script_count(&s, "drop-dns-cache "), 4);
    assert_int_equal(s.hosts[3].membership, 5);
    script_fini(&s);
}

static void membership_that_loses_a_shard_is_refused(void **state)
{
    struct script s;

    (void)state;
    script_init(&s, 2, 1);
    s.table = "membership";
    s.hosts[0].peer = s.hosts[1].peer = s.hosts[1].unlisted = true;
    assert_true(script_finish(&s, 60000));
    expect(&s, "refused");
    assert_int_equal(script_count(&s, "apply-common "), 0);
    script_fini(&s);
}

static void a_server_that_does_not_answer_holds_up_no_stop(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "stop");
    s.hosts[0].hangs = true;
    assert_true(script_finish(&s, 150000));
    expect(&s, "done");
    assert_false(s.hosts[0].pod);
    script_fini(&s);
}

static void a_server_that_does_not_answer_holds_up_no_deletion(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "remove");
    s.deleting = true;
    s.hosts[0].hangs = true;
    assert_true(script_finish(&s, 300000));
    expect(&s, "done");
    assert_false(s.hosts[0].sts);
    assert_non_null(strstr(str_text(&s.said), "ENTRIES_LEFT"));
    script_fini(&s);
}

static void stop_and_start_keep_volumes(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "stop");
    scene_give(&s, 1, "stop");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_false(s.hosts[0].pod || s.hosts[1].pod);
    assert_true(s.hosts[0].claim && s.hosts[1].claim);
    s.hosts[0].action = s.hosts[1].action = "start";
    cJSON_Delete(s.rows);
    s.rows = cJSON_CreateArray();
    script_kill(&s);
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_true(s.hosts[0].label && s.hosts[1].label);
    script_fini(&s);
}

static void reload_changes_nothing_but_files(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "reload");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "member-out "), 0);
    assert_int_equal(s.hosts[0].starts, 1);
    script_fini(&s);
}

static void recreate_makes_the_set_anew_and_then_the_pod(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "recreate");
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    assert_int_equal(s.hosts[0].starts, 2);
    script_fini(&s);
}

static void keeper_members_go_one_by_one_and_the_leader_last(void **state)
{
    struct script s;
    const char *leader, *other;

    (void)state;
    script_init(&s, 1, 3);
    s.kind = "chk";
    s.table = "keeper";
    for (int i = 0; i < 3; i++)
        scene_give(&s, i, "restart");
    s.hosts[0].keeper_role = "leader";
    for (int i = 0; i < 3; i++)
        s.hosts[i].member = "out", s.hosts[i].label = false;
    assert_true(script_finish(&s, 600000));
    expect(&s, "done");
    for (int i = 0; i < 3; i++)
        assert_int_equal(s.hosts[i].starts, 2);
    leader = strstr(s.log.s, "pod-stop ns/i/c/0/0");
    other = strstr(s.log.s, "pod-stop ns/i/c/0/2");
    assert_true(leader && other && other < leader);
    script_fini(&s);
}

static void a_keeper_member_stays_while_another_is_down(void **state)
{
    struct script s;

    (void)state;
    script_init(&s, 1, 3);
    s.kind = "chk";
    s.table = "keeper";
    scene_give(&s, 0, "restart");
    s.hosts[1].keeper_role = "leader";
    s.hosts[2].ready = false;
    s.hosts[0].member = "out";
    s.hosts[0].label = false;
    assert_false(script_finish(&s, 100000));
    assert_int_equal(script_count(&s, "pod-stop "), 0);
    script_fini(&s);
}

static void prepare_and_finish_write_what_is_shared(void **state)
{
    struct script s;

    (void)state;
    script_init(&s, 1, 1);
    s.table = "prepare";
    assert_true(script_finish(&s, 60000));
    expect(&s, "done");
    assert_int_equal(script_count(&s, "apply-shared "), 1);
    assert_int_equal(script_count(&s, "apply-common "), 1);
    script_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restart_replaces_each_pod_once_in_order),
        cmocka_unit_test(soft_restart_sends_one_shutdown),
        cmocka_unit_test(what_the_api_server_does_not_do_is_asked_again_soon),
        cmocka_unit_test(a_process_that_somebody_restarted_is_not_ended_again),
        cmocka_unit_test(a_crash_before_the_replace_costs_no_second_restart),
        cmocka_unit_test(queries_that_never_cease_over_kept_connections_are_not_waited_for),
        cmocka_unit_test(a_server_that_does_not_know_the_operator_yet_is_waited_for),
        cmocka_unit_test(on_nodes_a_stop_comes_seconds_after_the_leave),
        cmocka_unit_test(a_host_that_somebody_put_back_leaves_again_before_it_is_stopped),
        cmocka_unit_test(a_server_that_does_not_tell_its_queries_is_not_taken_for_idle),
        cmocka_unit_test(a_stop_ends_the_wait_for_a_permit),
        cmocka_unit_test(a_stop_while_it_drains_brings_the_host_back_in),
        cmocka_unit_test(a_stop_after_the_stop_of_the_server_ends_its_waits_at_once),
        cmocka_unit_test(soft_restart_waits_until_the_server_sees_its_new_files),
        cmocka_unit_test(create_copies_the_schema_and_joins_last),
        cmocka_unit_test(the_first_hosts_of_an_installation_need_no_peer),
        cmocka_unit_test(new_hosts_of_a_shard_start_side_by_side),
        cmocka_unit_test(a_new_host_that_is_refused_does_not_keep_the_one_before_from_serving),
        cmocka_unit_test(entries_of_a_lost_disk_go_before_the_tables_come),
        cmocka_unit_test(a_table_that_the_server_left_out_is_attached),
        cmocka_unit_test(a_sibling_that_left_a_table_out_gets_it_too),
        cmocka_unit_test(entries_of_a_table_that_is_on_the_disk_stay),
        cmocka_unit_test(hosts_move_to_new_volumes_one_after_the_other),
        cmocka_unit_test(a_restart_waits_until_servers_let_the_operator_in),
        cmocka_unit_test(a_server_that_never_lets_the_operator_in_is_left_alone),
        cmocka_unit_test(a_host_with_rows_of_its_own_does_not_move),
        cmocka_unit_test(a_lone_host_moves_only_when_its_data_may_be_gone),
        cmocka_unit_test(a_given_up_volume_goes_and_the_host_is_filled),
        cmocka_unit_test(a_rebuild_keeps_what_nobody_gave_up),
        cmocka_unit_test(volumes_grow_without_a_restart_and_are_waited_for),
        cmocka_unit_test(a_file_system_that_needs_a_new_pod_is_left_to_the_next_plan),
        cmocka_unit_test(a_volume_that_does_not_grow_fails_in_words),
        cmocka_unit_test(a_class_of_attributes_is_waited_for),
        cmocka_unit_test(remove_takes_process_entries_volume_and_objects),
        cmocka_unit_test(remove_keeps_a_volume_that_is_to_be_kept),
        cmocka_unit_test(remove_of_the_only_copy_is_refused_and_undone),
        cmocka_unit_test(remove_with_rows_that_are_not_replicated_is_refused),
        cmocka_unit_test(rows_that_come_after_the_flush_stop_the_halt),
        cmocka_unit_test(remove_waits_for_parts_that_are_not_elsewhere),
        cmocka_unit_test(an_active_entry_is_never_deleted),
        cmocka_unit_test(a_peer_that_does_not_serve_keeps_the_host_in),
        cmocka_unit_test(a_peer_that_fails_after_the_leave_brings_the_host_back),
        cmocka_unit_test(queries_that_outlive_the_deadline_are_killed_then),
        cmocka_unit_test(a_single_replica_may_go_and_joins_at_once),
        cmocka_unit_test(a_host_that_is_behind_does_not_join),
        cmocka_unit_test(a_server_that_restarts_while_it_catches_up_is_looked_at_again),
        cmocka_unit_test(a_server_that_ends_late_is_ended_once),
        cmocka_unit_test(a_pod_that_goes_late_is_replaced_once_also_by_the_next_worker),
        cmocka_unit_test(an_image_that_does_not_come_fails_and_touches_no_sibling),
        cmocka_unit_test(a_refused_permit_ends_the_task_untouched),
        cmocka_unit_test(nothing_happens_while_the_journal_takes_nothing),
        cmocka_unit_test(membership_names_the_late_and_goes_on),
        cmocka_unit_test(membership_makes_servers_look_up_names_before_they_read_the_list),
        cmocka_unit_test(membership_that_loses_a_shard_is_refused),
        cmocka_unit_test(a_server_that_does_not_answer_holds_up_no_stop),
        cmocka_unit_test(a_server_that_does_not_answer_holds_up_no_deletion),
        cmocka_unit_test(stop_and_start_keep_volumes),
        cmocka_unit_test(reload_changes_nothing_but_files),
        cmocka_unit_test(recreate_makes_the_set_anew_and_then_the_pod),
        cmocka_unit_test(keeper_members_go_one_by_one_and_the_leader_last),
        cmocka_unit_test(a_keeper_member_stays_while_another_is_down),
        cmocka_unit_test(prepare_and_finish_write_what_is_shared),
    };

    log_set_level(LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
