/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts. A seeded load runs on a disk that forgets what was not synced; after each cut the journal that is left
 * must be exactly the state after all acknowledged records, or after those and the one that was under way. The state is
 * compared with that of a journal that got the same records and lived.
 */
#include "tests/journal/kit.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/internal.h"
#include "tests/journal/lossy_vfs.h"

enum { RECORDS = 90, SEEDS = 250, CUTS = 3 };

/* ---- the load: record i is a function of the seed ---- */

struct load {
    struct journal_rec recs[RECORDS];
    char text[RECORDS][4][64]; /* object, name, text, long text's key */
    char *plan;
};

static void random_step(struct load *l, int i, uint64_t *seed, uint32_t task)
{
    struct journal_rec *r = &l->recs[i];

    snprintf(l->text[i][0], sizeof l->text[i][0], "ns/a/c/%u/%d", task, (int)(kit_random(seed) % 2));
    snprintf(l->text[i][1], sizeof l->text[i][1], "step-%d", (int)(kit_random(seed) % 4));
    snprintf(l->text[i][2], sizeof l->text[i][2], "{\"n\":%d}", (int)(kit_random(seed) % 1000));
    *r = (struct journal_rec){.type = kit_random(seed) % 2 ? JRN_STEP_BEGIN : JRN_STEP_END,
                              .task = task,
                              .object = l->text[i][0],
                              .name = l->text[i][1],
                              .text = l->text[i][2],
                              .attempt = 1 + (uint32_t)(kit_random(seed) % 2)};
    if (r->type == JRN_STEP_END)
        r->outcome = kit_random(seed) % 4 ? OUT_DONE : OUT_FAILED;
}

static void random_note(struct load *l, int i, uint64_t *seed)
{
    static const enum journal_type types[] = {JRN_DECISION, JRN_INCIDENT, JRN_KV, JRN_TASK_ID};
    struct journal_rec *r = &l->recs[i];

    snprintf(l->text[i][0], sizeof l->text[i][0], "ns/a/c/%d", (int)(kit_random(seed) % 5));
    snprintf(l->text[i][1], sizeof l->text[i][1], "NAME_%d", (int)(kit_random(seed) % 6));
    snprintf(l->text[i][2], sizeof l->text[i][2], "value %d", (int)(kit_random(seed) % 1000));
    *r = (struct journal_rec){.type = types[kit_random(seed) % 4],
                              .object = l->text[i][0],
                              .name = l->text[i][1],
                              .text = kit_random(seed) % 5 ? l->text[i][2] : NULL};
    if (r->type == JRN_DECISION && kit_random(seed) % 4 == 0)
        r->name = NULL;
}

/* Numbers of operations and tasks run along; some records contradict what is there, and are refused in both journals.
 */
static void load_make(struct load *l, uint64_t seed)
{
    uint64_t op = 0;
    uint32_t task = 0;
    auto_str struct str plan = STR_INIT;

    for (int i = 0; i < 200; i++)
        str_addf(&plan, "%s{\"key\":\"ns/a/c/%d\",\"action\":\"restart\"}", i ? "," : "{\"hosts\":[", i);
    str_add(&plan, "]}");
    l->plan = str_take(&plan);
    for (int i = 0; i < RECORDS; i++) {
        uint64_t what = kit_random(&seed) % 20;
        struct journal_rec *r = &l->recs[i];

        if (op == 0 || what == 0)
            *r = (struct journal_rec){.type = JRN_OP_BEGIN, .op = ++op, .object = "ns/a", .kind = "k", .text = l->plan};
        else if (task == 0 || what < 4)
            *r = (struct journal_rec){.type = JRN_TASK, .task = ++task, .object = "ns/a/c/0", .name = "shard"};
        else if (what < 6)
            *r = (struct journal_rec){
                .type = JRN_TASK_END, .outcome = OUT_DONE, .task = task - (uint32_t)(kit_random(&seed) % 2)};
        else if (what == 6)
            *r = (struct journal_rec){.type = JRN_OP_END, .outcome = OUT_DONE};
        else if (what < 15)
            random_step(l, i, &seed, task);
        else
            random_note(l, i, &seed);
        r->op = op;
    }
}

/* ---- a journal's whole state as text ---- */

static void add_json(struct str *s, cJSON *j, const struct err *err)
{
    if (j)
        json_canonical(j, s);
    else
        str_add(s, err->msg); /* differs from what is wanted */
    str_addc(s, '\n');
    cJSON_Delete(j);
}

static int open_op(void *ctx, const struct journal_op *op)
{
    str_addf(ctx, "open %d\n", (int)op->op);
    return 0;
}

static char *state_of(struct journal *j, const char *dir)
{
    struct str s = STR_INIT;
    struct err err = ERR_INIT;
    struct journal_reader *r = NULL;

    if (journal_read_open(&r, dir, &err) < 0)
        fail_msg("%s", err.msg);
    add_json(&s, journal_read_ops(r, "", 100, &err), &err);
    for (uint64_t op = 1; op < 12; op++) {
        add_json(&s, journal_read_steps(r, op, &err), &err);
        cJSON *plan = journal_read_plan(r, op, &err);
        if (plan)
            add_json(&s, plan, &err);
    }
    add_json(&s, journal_read_decisions(r, "", &err), &err);
    add_json(&s, journal_read_incidents(r, "", 100, &err), &err);
    journal_read_close(r);
    if (journal_each_open_op(j, open_op, &s) < 0)
        str_add(&s, "unreadable\n");
    for (int i = 0; i < 6; i++) {
        char key[16];
        uint64_t op = 0;
        snprintf(key, sizeof key, "NAME_%d", i);
        auto_free char *value = journal_kv(j, key);
        str_addf(&s, "%s=%s", key, value ? value : "-");
        for (int k = 0; k < 5; k++) {
            char object[32];
            snprintf(object, sizeof object, "ns/a/c/%d", k);
            str_addf(&s, " %d", journal_task_id_done(j, object, key, &op) ? (int)op : -1);
        }
        str_addc(&s, '\n');
    }
    str_addf(&s, "numbers %d %u\n", (int)j->writer.saved_op, j->writer.saved_task);
    return str_take(&s);
}

/* ---- a run ---- */

struct run {
    struct lossy *lossy;
    struct kit_world world;
    struct load load;
    char *dir, *steady_dir; /* steady: the journal that lives */
    struct journal *steady;
    int at;                  /* records in the steady one */
    struct event_base *base; /* with the thread; NULL: JOURNAL_INLINE */
    int acks, good, want;    /* of a round */
    const char *pragma;      /* what makes the writer worse, for the counter-check */
    int lost;
};

/* Puts record i at its own time, so that both journals stamp the same. */
static void set_clock(struct run *r, int i)
{
    r->world.wall_ms = 1700000000000 + 10 * (uint64_t)i;
    r->world.mono_ms = 10 * (uint64_t)i;
}

static enum err_kind put_nth(struct run *r, struct journal *j, int i)
{
    set_clock(r, i);
    return kit_put(j, &r->world, r->load.recs[i]);
}

static void advance_steady(struct run *r, int to)
{
    while (r->at < to)
        put_nth(r, r->steady, r->at++);
}

/* Opened on the forgetful disk. Small values bring checkpoints into the run. */
static struct journal *open_lossy(struct run *r, const char *crash_dir, uint64_t nth, uint64_t seed)
{
    unsigned flags = JOURNAL_NO_BALLAST | (r->base ? 0 : JOURNAL_INLINE);
    struct journal *j = NULL;
    struct err err = ERR_INIT;

    lossy_arm(r->lossy, r->dir, crash_dir, nth, seed);
    if (journal_open(&j, r->dir, &r->world.world, r->base, flags, &err) < 0)
        fail_msg("%s", err.msg);
    sqlite3_exec(j->writer.db.db, "PRAGMA wal_autocheckpoint = 12", NULL, NULL, NULL);
    if (r->pragma)
        sqlite3_exec(j->writer.db.db, r->pragma, NULL, NULL, NULL);
    return j;
}

static void count_ack(void *ctx, const struct err *err)
{
    struct run *r = ctx;

    r->acks++;
    if (!err || err->kind == ERR_BUG || err->kind == ERR_CONFLICT || err->kind == ERR_REFUSED)
        r->good++; /* refused records have a result too */
    if (r->acks == r->want)
        event_base_loopbreak(r->base);
}

/* Up to 12 records in one round of the loop: one commit. */
static int put_round(struct run *r, struct journal *j, int i, uint64_t *seed)
{
    int n = 1 + (int)(kit_random(seed) % 12);

    r->acks = r->good = 0;
    r->want = i + n > RECORDS ? RECORDS - i : n;
    for (int k = i; k < i + r->want; k++) {
        set_clock(r, k);
        journal_put(j, &r->load.recs[k], count_ack, r);
    }
    event_base_dispatch(r->base);
    return r->want;
}

/* Until the power goes or the load ends. Records [at, *acked) have their ack, [*acked, *tried) were under way. */
static void run_until_cut(struct run *r, const char *crash_dir, uint64_t nth, uint64_t seed, int *acked, int *tried)
{
    struct journal *j = open_lossy(r, crash_dir, nth, seed);

    *acked = *tried = r->at;
    while (*tried < RECORDS && !lossy_dead(r->lossy)) {
        *acked = *tried;
        if (r->base)
            *tried += put_round(r, j, *tried, &seed);
        else
            put_nth(r, j, (*tried)++);
        if (lossy_dead(r->lossy) && r->base)
            *acked += r->good;
    }
    if (!lossy_dead(r->lossy))
        *acked = *tried;
    if (seed % 2)
        lossy_crash(r->lossy); /* else the power may go while the journal is being closed, or after */
    journal_close(j);
    lossy_crash(r->lossy);
    lossy_disarm(r->lossy);
}

/* What is left must be the state after what was acknowledged, or after that and the whole commit that was under way. */
static void compare(struct run *r, int acked, int tried, uint64_t seed)
{
    struct journal *j = NULL;
    struct err err = ERR_INIT;
    auto_free char *left = NULL, *want = NULL, *more = NULL;

    if (journal_open(&j, r->dir, &r->world.world, NULL, JOURNAL_INLINE | JOURNAL_NO_BALLAST, &err) < 0) {
        if (!r->pragma)
            fail_msg("seed %d after %d records: %s", (int)seed, acked, err.msg);
        r->lost++;
        return;
    }
    left = state_of(j, r->dir);
    journal_close(j);
    advance_steady(r, acked);
    want = state_of(r->steady, r->steady_dir);
    if (strcmp(left, want) == 0)
        return;
    advance_steady(r, tried);
    more = state_of(r->steady, r->steady_dir);
    if (strcmp(left, more) == 0)
        return;
    if (!r->pragma)
        fail_msg("seed %d: the journal is neither that of %d records nor that of %d:\n%s\nwanted\n%s", (int)seed, acked,
                 tried, left, want);
    r->lost++;
}

static void one_run(struct run *r, uint64_t seed, int cuts)
{
    load_make(&r->load, seed);
    r->at = 0;
    r->dir = kit_dir_new();
    r->steady_dir = kit_dir_new();
    r->steady = kit_open(&r->world, r->steady_dir);
    journal_close(kit_open(&r->world, r->dir));
    for (int cut = 0; cut < cuts && r->at < RECORDS; cut++) {
        char *crash_dir = kit_dir_new();
        uint64_t nth = 1 + kit_random(&seed) % 220;
        int acked, tried;

        run_until_cut(r, crash_dir, nth, kit_random(&seed), &acked, &tried);

        kit_dir_remove(r->dir);
        r->dir = crash_dir;
        compare(r, acked, tried, seed);
    }
    journal_close(r->steady);
    kit_dir_remove(r->dir);
    kit_dir_remove(r->steady_dir);
    free(r->load.plan);
}

static void run_init(struct run *r)
{
    memset(r, 0, sizeof *r);
    kit_world_init(&r->world);
    r->lossy = lossy_new();
}

/* SEED of the environment moves all seeds, for long runs. */
static uint64_t first_seed(void)
{
    const char *text = getenv("SEED");

    return text ? strtoull(text, NULL, 10) * 1000 : 1;
}

static void acknowledged_records_survive_every_power_cut(void **state)
{
    struct run *r = mem_zero(sizeof *r);

    (void)state;
    run_init(r);
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++)
        one_run(r, seed, CUTS);
    lossy_free(r->lossy);
    free(r);
}

static void a_commit_of_many_records_is_there_whole_or_not_at_all(void **state)
{
    struct run *r = mem_zero(sizeof *r);

    (void)state;
    run_init(r);
    r->base = event_base_new();
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS / 2; seed++)
        one_run(r, seed, CUTS);
    event_base_free(r->base);
    lossy_free(r->lossy);
    free(r);
}

/* The disk must be able to show the fault that it is there to show. */
static void a_writer_that_does_not_sync_is_caught(void **state)
{
    struct run *r = mem_zero(sizeof *r);

    (void)state;
    run_init(r);
    r->pragma = "PRAGMA synchronous = OFF";
    for (uint64_t seed = 1; seed <= 40; seed++)
        one_run(r, seed, 1);
    lossy_free(r->lossy);
    assert_true(r->lost > 10);
    free(r);
}

static void a_writer_that_syncs_only_at_checkpoints_is_caught(void **state)
{
    struct run *r = mem_zero(sizeof *r);

    (void)state;
    run_init(r);
    r->pragma = "PRAGMA synchronous = NORMAL";
    for (uint64_t seed = 1; seed <= 40; seed++)
        one_run(r, seed, 1);
    lossy_free(r->lossy);
    assert_true(r->lost > 10);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_records_survive_every_power_cut),
        cmocka_unit_test(a_commit_of_many_records_is_there_whole_or_not_at_all),
        cmocka_unit_test(a_writer_that_does_not_sync_is_caught),
        cmocka_unit_test(a_writer_that_syncs_only_at_checkpoints_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
