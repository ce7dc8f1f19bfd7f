/* SPDX-License-Identifier: Apache-2.0 */
/* What each record means, seen through recovery and readers. */
#include "tests/journal/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct fixture {
    struct kit_world world;
    char *dir;
    struct journal *j;
    struct journal_reader *r;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);

    kit_world_init(&f->world);
    f->dir = kit_dir_new();
    f->j = kit_open(&f->world, f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    journal_read_close(f->r);
    journal_close(f->j);
    kit_dir_remove(f->dir);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    journal_close(f->j);
    f->j = kit_open(&f->world, f->dir);
}

static enum err_kind put(struct fixture *f, struct journal_rec rec)
{
    f->world.wall_ms += 10;
    f->world.mono_ms += 10;
    return kit_put(f->j, &f->world, rec);
}

static enum err_kind step(struct fixture *f, enum journal_type type, const char *host, const char *name,
                          uint32_t attempt, enum outcome outcome, const char *text)
{
    return put(f, (struct journal_rec){.type = type,
                                       .op = 1,
                                       .task = 1,
                                       .object = host,
                                       .name = name,
                                       .attempt = attempt,
                                       .outcome = outcome,
                                       .text = text});
}

static int op_line(void *ctx, const struct journal_op *op)
{
    str_addf(ctx, "op %d %s %s gen %d %s\n", (int)op->op, op->object, op->kind, (int)op->generation, op->plan);
    return 0;
}

static int task_line(void *ctx, const struct journal_task *t)
{
    str_addf(ctx, "task %d/%u w%u %s %s %s %s\n", (int)t->op, t->task, t->wave, t->object, t->name,
             outcome_name(t->outcome), t->text);
    return 0;
}

static int step_line(void *ctx, const struct journal_step *s)
{
    str_addf(ctx, "step %d/%u %s %s #%u %s %s %s\n", (int)s->op, s->task, s->object, s->name, s->attempt,
             outcome_name(s->outcome), s->baseline ? s->baseline : "-", s->detail ? s->detail : "-");
    return 0;
}

static void walk_is(struct fixture *f, const char *want)
{
    auto_str struct str s = STR_INIT;

    assert_int_equal(journal_each_open_op(f->j, op_line, &s), 0);
    assert_int_equal(journal_each_task(f->j, 1, task_line, &s), 0);
    assert_int_equal(journal_each_step(f->j, 1, step_line, &s), 0);
    assert_string_equal(str_text(&s), want);
}

static cJSON *steps(struct fixture *f, uint64_t op)
{
    struct err err = ERR_INIT;
    cJSON *j;

    if (!f->r)
        assert_int_equal(journal_read_open(&f->r, f->dir, &err), 0);
    j = journal_read_steps(f->r, op, &err);
    if (!j)
        fail_msg("%s", err.msg);
    return j;
}

static void an_open_step_is_found_after_a_restart(void **state)
{
    struct fixture *f = *state;

    kit_begin(f->j, &f->world, 1, 1);
    assert_int_equal(step(f, JRN_STEP_BEGIN, "ns/a/c/0/0", "leave", 1, OUT_NONE, "{\"gen\":1}"), ERR_NONE);
    assert_int_equal(step(f, JRN_STEP_END, "ns/a/c/0/0", "leave", 1, OUT_DONE, "left"), ERR_NONE);
    assert_int_equal(step(f, JRN_STEP_BEGIN, "ns/a/c/0/0", "drain", 1, OUT_NONE, NULL), ERR_NONE);
    reopen(f);
    walk_is(f, "op 1 ns/a ClickHouseInstallation gen 3 {}\n"
               "task 1/1 w0 ns/a/c/0 shard open {\"hosts\":[0,1]}\n"
               "step 1/1 ns/a/c/0/0 leave #1 done {\"gen\":1} left\n"
               "step 1/1 ns/a/c/0/0 drain #1 open - -\n");
}

/* The end of the first did not get onto a full disk. */
static void an_object_has_one_open_operation(void **state)
{
    struct fixture *f = *state;
    auto_str struct str s = STR_INIT;

    kit_begin(f->j, &f->world, 1, 1);
    kit_begin(f->j, &f->world, 2, 2);
    reopen(f);
    assert_int_equal(journal_each_open_op(f->j, op_line, &s), 0);
    assert_string_equal(str_text(&s), "op 2 ns/a ClickHouseInstallation gen 3 {}\n");
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_OP_END, .op = 2, .outcome = OUT_DONE}), ERR_NONE);
    str_reset(&s);
    assert_int_equal(journal_each_open_op(f->j, op_line, &s), 0);
    assert_string_equal(str_text(&s), "");
}

static void the_newest_attempt_is_shown_and_one_step_per_host_is_open(void **state)
{
    struct fixture *f = *state;

    kit_begin(f->j, &f->world, 1, 1);
    step(f, JRN_STEP_BEGIN, "ns/a/c/0/1", "stop", 1, OUT_NONE, "b1");
    step(f, JRN_STEP_BEGIN, "ns/a/c/0/0", "leave", 1, OUT_NONE, "b2");
    step(f, JRN_STEP_END, "ns/a/c/0/1", "stop", 1, OUT_FAILED, "no");
    step(f, JRN_STEP_BEGIN, "ns/a/c/0/1", "stop", 2, OUT_NONE, "b3");
    step(f, JRN_STEP_BEGIN, "ns/a/c/0/1", "start", 1, OUT_NONE, NULL);
    reopen(f);
    walk_is(f, "op 1 ns/a ClickHouseInstallation gen 3 {}\n"
               "task 1/1 w0 ns/a/c/0 shard open {\"hosts\":[0,1]}\n"
               "step 1/1 ns/a/c/0/0 leave #1 open b2 -\n"
               "step 1/1 ns/a/c/0/1 stop #2 superseded b3 -\n"
               "step 1/1 ns/a/c/0/1 start #1 open - -\n");
}

static void a_step_that_was_so_already_needs_no_begin(void **state)
{
    struct fixture *f = *state;

    kit_begin(f->j, &f->world, 1, 1);
    assert_int_equal(step(f, JRN_STEP_END, "h", "join", 1, OUT_ALREADY, "in"), ERR_NONE);
    walk_is(f, "op 1 ns/a ClickHouseInstallation gen 3 {}\n"
               "task 1/1 w0 ns/a/c/0 shard open {\"hosts\":[0,1]}\n"
               "step 1/1 h join #1 already so - in\n");
}

static int clocks(void *ctx, const struct journal_step *s)
{
    str_addf(ctx, "%d %d %s", (int)(s->wall_ms - 1700000000000), (int)s->mono_ms, s->boot_id);
    return 7;
}

static void clocks_and_boot_are_kept_with_the_step(void **state)
{
    struct fixture *f = *state;
    auto_str struct str s = STR_INIT;

    kit_begin(f->j, &f->world, 1, 1);
    step(f, JRN_STEP_BEGIN, "h", "x", 1, OUT_NONE, NULL);
    f->world.boot_id = "boot-2";
    reopen(f);
    assert_int_equal(journal_each_step(f->j, 1, clocks, &s), 7); /* the callback's value ends the walk */
    assert_string_equal(str_text(&s), "10 5010 boot-1");
}

static void an_ended_task_is_packed_and_reads_the_same(void **state)
{
    struct fixture *f = *state;
    auto_json cJSON *before = NULL, *after = NULL;

    kit_begin(f->j, &f->world, 1, 1);
    step(f, JRN_STEP_BEGIN, "ns/a/c/0/0", "stop", 1, OUT_NONE,
         "{\"uid\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"at\":\"2026-01-02T03:04:05Z\"}");
    step(f, JRN_STEP_END, "ns/a/c/0/0", "stop", 1, OUT_FAILED, "exit code 139 after 12 s");
    step(f, JRN_STEP_BEGIN, "ns/a/c/0/0", "stop", 2, OUT_NONE,
         "{\"uid\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"at\":\"2026-01-02T03:04:05Z\"}");
    step(f, JRN_STEP_END, "ns/a/c/0/0", "stop", 2, OUT_DONE, NULL);
    step(f, JRN_STEP_END, "ns/a/c/0/1", "join", 1, OUT_ALREADY, "größer \"x\"");
    before = steps(f, 1);
    assert_int_equal(cJSON_GetArraySize(before), 3);
    assert_string_equal(json_str(before, "0.step", ""), "join"); /* newest first */
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_TASK_END, .op = 1, .task = 1, .outcome = OUT_DONE}),
                     ERR_NONE);
    after = steps(f, 1);
    assert_true(json_same(before, after));
    walk_is(f, "op 1 ns/a ClickHouseInstallation gen 3 {}\n"
               "task 1/1 w0 ns/a/c/0 shard done {\"hosts\":[0,1]}\n");
}

static void an_ended_operation_keeps_its_plan_and_tasks(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    auto_json cJSON *open_plan = NULL, *plan = NULL, *ops = NULL, *left = NULL;

    kit_begin(f->j, &f->world, 1, 1);
    put(f,
        (struct journal_rec){.type = JRN_TASK, .op = 1, .task = 2, .wave = 1, .object = "ns/a/c/1", .name = "shard"});
    step(f, JRN_STEP_BEGIN, "h", "x", 1, OUT_NONE, NULL);
    assert_int_equal(journal_read_open(&f->r, f->dir, &err), 0);
    open_plan = journal_read_plan(f->r, 1, &err);
    assert_int_equal(cJSON_GetArraySize(json_get(open_plan, "tasks")), 2);
    assert_int_equal(
        put(f, (struct journal_rec){.type = JRN_OP_END, .op = 1, .outcome = OUT_SUPERSEDED, .text = "gen 4"}),
        ERR_NONE);
    walk_is(f, "");
    plan = journal_read_plan(f->r, 1, &err);
    assert_non_null(plan);
    assert_true(json_same(json_get(plan, "plan"), json_get(open_plan, "plan")));
    assert_string_equal(json_str(plan, "tasks.0.outcome", ""), "superseded");
    assert_int_equal(json_int(plan, "tasks.1.wave", 0), 1);
    assert_int_equal(json_int(plan, "tasks.0.text.hosts.1", 0), 1);
    ops = journal_read_ops(f->r, "ns/", 10, &err);
    assert_string_equal(json_str(ops, "0.outcome", ""), "superseded");
    assert_string_equal(json_str(ops, "0.why", ""), "gen 4");
    left = steps(f, 1);
    assert_string_equal(json_str(left, "0.outcome", ""), "open"); /* begun and never ended stays so */
    assert_null(json_at(left, "0.ended"));
}

static void a_record_that_contradicts_the_journal_is_refused_alone(void **state)
{
    struct fixture *f = *state;

    kit_begin(f->j, &f->world, 1, 1);
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_OP_BEGIN, .op = 1, .object = "ns/b", .kind = "k"}),
                     ERR_CONFLICT);
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_TASK, .op = 9, .task = 5, .object = "x", .name = "t"}),
                     ERR_BUG);
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_TASK, .op = 1, .task = 1, .object = "x", .name = "t"}),
                     ERR_CONFLICT);
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_TASK_END, .op = 1, .task = 1}), ERR_BUG); /* no outcome */
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_TASK_END, .op = 2, .task = 1, .outcome = OUT_DONE}),
                     ERR_BUG);
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_OP_END, .op = 2, .outcome = OUT_DONE}), ERR_BUG);
    assert_int_equal(put(f, (struct journal_rec){.type = JRN_TASK_END, .op = 1, .task = 1, .outcome = OUT_DONE}),
                     ERR_NONE);
    assert_int_equal(step(f, JRN_STEP_BEGIN, "h", "x", 1, OUT_NONE, NULL), ERR_BUG); /* late, after the task's end */
    assert_int_equal(step(f, JRN_STEP_END, "h", "x", 1, OUT_DONE, NULL), ERR_BUG);
    assert_int_equal(put(f, (struct journal_rec){.type = (enum journal_type)99}), ERR_BUG);
    walk_is(f, "op 1 ns/a ClickHouseInstallation gen 3 {}\n"
               "task 1/1 w0 ns/a/c/0 shard done {\"hosts\":[0,1]}\n");
}

static void a_task_id_is_executed_once_for_ever(void **state)
{
    struct fixture *f = *state;
    struct journal_rec id = {.type = JRN_TASK_ID, .op = 1, .object = "ns/a", .name = "2026-01-01"};
    uint64_t op = 0;

    kit_begin(f->j, &f->world, 1, 1);
    assert_false(journal_task_id_done(f->j, "ns/a", "2026-01-01", &op));
    assert_int_equal(put(f, id), ERR_NONE);
    assert_int_equal(put(f, id), ERR_NONE); /* the same operation says it again after a crash */
    id.op = 2;
    assert_int_equal(put(f, id), ERR_REFUSED);
    id.object = "ns/b";
    assert_int_equal(put(f, id), ERR_NONE);
    put(f, (struct journal_rec){.type = JRN_OP_END, .op = 1, .outcome = OUT_DONE});
    reopen(f);
    assert_true(journal_task_id_done(f->j, "ns/a", "2026-01-01", &op));
    assert_int_equal(op, 1);
    assert_false(journal_task_id_done(f->j, "ns/a", "2026-01-02", &op));
}

static void numbers_go_on_after_a_restart_and_skip_what_others_used(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(journal_next_op(f->j), 1);
    assert_int_equal(journal_next_task(f->j), 1);
    assert_int_equal(journal_next_task(f->j), 2);
    kit_begin(f->j, &f->world, 41, 77);
    put(f, (struct journal_rec){.type = JRN_OP_END, .op = 41, .outcome = OUT_DONE});
    reopen(f);
    assert_int_equal(journal_next_op(f->j), 42);
    assert_int_equal(journal_next_task(f->j), 78);
    journal_skip_numbers(f->j, 100, 50);
    assert_int_equal(journal_next_op(f->j), 101);
    assert_int_equal(journal_next_task(f->j), 79);
}

static void a_decision_is_one_row_per_object_and_keeps_since_when(void **state)
{
    struct fixture *f = *state;
    struct journal_rec d = {.type = JRN_DECISION, .op = 1, .object = "ns/a/c/0/0", .name = "WAIT_PEER", .text = "t1"};
    struct err err = ERR_INIT;
    auto_json cJSON *one = NULL, *other = NULL, *none = NULL;

    put(f, d);
    d.text = "t2";
    put(f, d);
    assert_int_equal(journal_read_open(&f->r, f->dir, &err), 0);
    one = journal_read_decisions(f->r, "ns/a", &err);
    assert_int_equal(cJSON_GetArraySize(one), 1);
    assert_string_equal(json_str(one, "0.text", ""), "t2");
    assert_int_equal(json_int(one, "0.at", 0) - json_int(one, "0.since", 0), 10);
    d.name = "WAIT_WINDOW";
    put(f, d);
    other = journal_read_decisions(f->r, "ns/a", &err);
    assert_string_equal(json_str(other, "0.code", ""), "WAIT_WINDOW");
    assert_int_equal(json_int(other, "0.at", 0), json_int(other, "0.since", 1));
    d.name = NULL;
    put(f, d);
    none = journal_read_decisions(f->r, "", &err);
    assert_int_equal(cJSON_GetArraySize(none), 0);
}

static void waits_of_hosts_end_with_their_operation(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    auto_json cJSON *left = NULL;

    kit_begin(f->j, &f->world, 7, 8);
    put(f,
        (struct journal_rec){.type = JRN_DECISION, .op = 7, .object = "ns/a/c/0/0", .name = "WAIT_PEER", .text = "t"});
    put(f,
        (struct journal_rec){.type = JRN_DECISION, .op = 6, .object = "ns/b/c/0/0", .name = "WAIT_PEER", .text = "t"});
    put(f, (struct journal_rec){.type = JRN_DECISION, .op = 7, .object = "ns/a", .name = "FAILED", .text = "t"});
    put(f, (struct journal_rec){.type = JRN_OP_END, .op = 7, .outcome = OUT_FAILED});
    assert_int_equal(journal_read_open(&f->r, f->dir, &err), 0);
    left = journal_read_decisions(f->r, "", &err);
    assert_int_equal(cJSON_GetArraySize(left), 2);
    assert_string_equal(json_str(left, "0.object", ""), "ns/a");
    assert_string_equal(json_str(left, "1.object", ""), "ns/b/c/0/0");
}

static void incidents_are_newest_first_limited_and_by_prefix(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    auto_json cJSON *two = NULL, *all = NULL;

    put(f, (struct journal_rec){.type = JRN_INCIDENT, .object = "ns/a_b", .name = "C1", .text = "x"});
    put(f, (struct journal_rec){.type = JRN_INCIDENT, .object = "ns/axb", .name = "C2"});
    put(f, (struct journal_rec){.type = JRN_INCIDENT, .object = "ns/a_c", .name = "C3"});
    assert_int_equal(journal_read_open(&f->r, f->dir, &err), 0);
    two = journal_read_incidents(f->r, "ns/a_", 10, &err);
    assert_int_equal(cJSON_GetArraySize(two), 2);
    assert_string_equal(json_str(two, "0.code", ""), "C3");
    all = journal_read_incidents(f->r, "", 2, &err);
    assert_int_equal(cJSON_GetArraySize(all), 2);
}

static void facts_are_set_changed_and_deleted(void **state)
{
    struct fixture *f = *state;
    auto_free char *a = NULL, *b = NULL, *c = NULL;

    put(f, (struct journal_rec){.type = JRN_KV, .name = "epoch", .text = "1"});
    a = journal_kv(f->j, "epoch");
    put(f, (struct journal_rec){.type = JRN_KV, .name = "epoch", .text = "2"});
    reopen(f);
    b = journal_kv(f->j, "epoch");
    put(f, (struct journal_rec){.type = JRN_KV, .name = "epoch"});
    c = journal_kv(f->j, "epoch");
    assert_string_equal(a, "1");
    assert_string_equal(b, "2");
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(an_open_step_is_found_after_a_restart),
        T(an_object_has_one_open_operation),
        T(the_newest_attempt_is_shown_and_one_step_per_host_is_open),
        T(a_step_that_was_so_already_needs_no_begin),
        T(clocks_and_boot_are_kept_with_the_step),
        T(an_ended_task_is_packed_and_reads_the_same),
        T(an_ended_operation_keeps_its_plan_and_tasks),
        T(a_record_that_contradicts_the_journal_is_refused_alone),
        T(a_task_id_is_executed_once_for_ever),
        T(numbers_go_on_after_a_restart_and_skip_what_others_used),
        T(a_decision_is_one_row_per_object_and_keeps_since_when),
        T(waits_of_hosts_end_with_their_operation),
        T(incidents_are_newest_first_limited_and_by_prefix),
        T(facts_are_set_changed_and_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
