/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash matrix: for every table, the worker dies with the n-th thing it does (a message to the supervisor, a
 * statement, a Keeper operation), before or after that takes effect, for n = 1, 2, … until it is through; the next
 * worker goes on with what the journal has. The end must be the same, each restart must have happened once, and no rule
 * may have been broken. And: the same with a stop at the n-th thing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/workers/scenes.h"

enum { MAX_POINTS = 2000, LIMIT_MS = 3600000 };

struct story {
    const char *name, *action;
    int shards, replicas, hosts; /* hosts: how many of the first shard have the action */
    bool keeper;
    unsigned starts; /* processes each of them has seen at the end */
    bool in;         /* and whether it is a member then */
};

static const struct story stories[] = {
    {"restart", "restart", 1, 2, 2, false, 2, true},   {"soft-restart", "soft-restart", 1, 2, 2, false, 2, true},
    {"recreate", "recreate", 1, 2, 1, false, 2, true}, {"create", "create", 1, 3, 1, false, 1, true},
    {"create all", "create", 1, 2, 2, false, 1, true}, {"rebuild", "rebuild", 1, 2, 1, false, 2, true},
    {"remove", "remove", 1, 2, 1, false, 1, false},    {"stop", "stop", 1, 2, 2, false, 1, false},
    {"reload", "reload", 1, 2, 1, false, 1, true},     {"single", "restart", 1, 1, 1, false, 2, true},
    {"keeper", "restart", 1, 3, 3, true, 2, false},    {"move", "move", 1, 2, 2, false, 2, true},
};

static void stage(struct script *s, const struct story *st)
{
    scene(s, st->shards, st->replicas, st->action);
    for (int i = 1; i < st->hosts; i++)
        scene_give(s, i, st->action);
    if (strcmp(st->action, "rebuild") == 0)
        s->hosts[0].zk_entry = true;
    if (strcmp(st->action, "remove") == 0)
        s->hosts[0].distributed = true;
    if (st->keeper) {
        s->kind = "chk";
        s->table = "keeper";
        s->hosts[0].keeper_role = "leader";
        for (int i = 0; i < s->n_hosts; i++) {
            s->hosts[i].member = "out";
            s->hosts[i].label = s->hosts[i].endpoint = false;
        }
    }
}

static void check(struct script *s, const struct story *st, const char *how, unsigned n)
{
    bool removed = strcmp(st->action, "remove") == 0;

    if (*s->violation)
        fail_msg("%s, %s %u: %s\n%s", st->name, how, n, s->violation, str_text(&s->log));
    if (!s->done || strcmp(s->outcome, "done") != 0) {
        char *rows = json_print(s->rows);

        fail_msg("%s, %s %u: %s %s\n%s\n%s", st->name, how, n, s->done ? s->outcome : "never done", s->done_text,
                 str_text(&s->log), rows);
    }
    for (int i = 0; i < st->hosts; i++) {
        const struct script_host *h = &s->hosts[i];

        if (h->starts != st->starts)
            fail_msg("%s, %s %u: %s has started %u times, not %u\n%s", st->name, how, n, h->key, h->starts, st->starts,
                     str_text(&s->log));
        if (!st->keeper && (strcmp(h->member, "in") == 0) != st->in)
            fail_msg("%s, %s %u: %s is %s\n%s", st->name, how, n, h->key, h->member, str_text(&s->log));
        if (removed && (h->sts || h->pod || h->claim || h->zk_entry))
            fail_msg("%s, %s %u: something of %s is left\n%s", st->name, how, n, h->key, str_text(&s->log));
    }
}

/* Kills the worker at point n; false when the story was over before. */
static bool one_death(const struct story *st, unsigned n, bool before, unsigned also)
{
    struct script s;
    bool reached;

    stage(&s, st);
    s.kill_at = n;
    s.kill_before = before;
    script_start(&s);
    script_run(&s, LIMIT_MS);
    reached = s.acted >= n;
    if (!s.done && also) { /* the second one dies soon after, too */
        s.acted = 0;
        s.kill_at = also;
        s.now_ms += 20;
        script_start(&s);
        script_run(&s, LIMIT_MS);
    }
    s.kill_at = 0;
    if (!s.done) {
        s.now_ms += 20;
        script_kill(&s);
        script_finish(&s, LIMIT_MS);
    }
    check(&s, st, before ? "death before" : "death after", n);
    script_fini(&s);
    return reached;
}

static void every_point_of_death_ends_the_same(void **state)
{
    unsigned total = 0;

    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
        for (int before = 0; before < 2; before++)
            for (unsigned n = 1; n < MAX_POINTS && one_death(&stories[i], n, before, 0); n++)
                total++;
    print_message("%u deaths\n", total);
    assert_true(total > 400);
}

static void two_deaths_in_a_row_end_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
        for (unsigned n = 1; n < MAX_POINTS; n += 3)
            if (!one_death(&stories[i], n, n % 2, 1 + n % 7))
                break;
}

/* A new generation at point n. The host that was not stopped is back in; one that was stopped may be out: then the next
 * operation, which starts from what it finds, brings it in. */
static bool one_stop(const struct story *st, unsigned n)
{
    struct script s;
    bool reached;

    stage(&s, st);
    s.stop_at = n;
    script_start(&s);
    script_run(&s, LIMIT_MS);
    reached = s.acted >= n;
    if (!s.done)
        fail_msg("%s, stop %u: never done\n%s", st->name, n, str_text(&s.log));
    if (*s.violation)
        fail_msg("%s, stop %u: %s\n%s", st->name, n, s.violation, str_text(&s.log));
    if (strcmp(s.outcome, "superseded") != 0 && strcmp(s.outcome, "done") != 0)
        fail_msg("%s, stop %u: %s %s", st->name, n, s.outcome, s.done_text);
    for (int i = 0; i < st->hosts && st->in && !st->keeper; i++) {
        const struct script_host *h = &s.hosts[i];
        bool begins_in = strcmp(st->action, "create") != 0 && strcmp(st->action, "rebuild") != 0;

        if (begins_in && h->starts == 1 && strcmp(h->member, "in") != 0 && !h->terminating && h->ready)
            fail_msg("%s, stop %u: %s was left out though its server was not touched\n%s", st->name, n, h->key,
                     str_text(&s.log));
    }
    if (strcmp(s.outcome, "superseded") == 0 && st->in) { /* the next plan: join those that are out */
        script_kill(&s);
        cJSON_Delete(s.rows);
        s.rows = cJSON_CreateArray();
        s.stop_at = 0;
        for (int i = 0; i < s.n_hosts; i++)
            if (strcmp(s.hosts[i].member, "in") == 0)
                s.hosts[i].action = "none";
            else if (strcmp(st->action, "move") == 0)
                s.hosts[i].action = s.hosts[i].replicas == 0 ? "start" : "join";
            else if (strcmp(st->action, "create") != 0 && strcmp(st->action, "rebuild") != 0)
                s.hosts[i].action = "join";
        script_finish(&s, LIMIT_MS);
        if (!s.done || strcmp(s.outcome, "done") != 0 || *s.violation)
            fail_msg("%s, after stop %u: %s %s %s\n%s", st->name, n, s.outcome, s.done_text, s.violation,
                     str_text(&s.log));
    }
    script_fini(&s);
    return reached;
}

static void a_stop_at_every_point_leaves_a_safe_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++)
        for (unsigned n = 1; n < MAX_POINTS && one_stop(&stories[i], n); n++)
            continue;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_point_of_death_ends_the_same),
        cmocka_unit_test(two_deaths_in_a_row_end_the_same),
        cmocka_unit_test(a_stop_at_every_point_leaves_a_safe_state),
    };

    log_set_level(LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
