/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one step driver. For each step of each host: probe; true → recorded as "already". Else: what must be known after
 * a crash (baseline) is recorded, and only when that is durable the permit is asked for, the guards are looked at, and
 * the act is done; then the probe decides when it is true. A resumed task does the same, with the baseline of the row
 * that was begun: there is no other code for resuming than finding the step where the rows end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/driver.h"
#include "workers/protocol.h"

enum { PERMIT_GOOD_MS = 10000, FENCE_TRIES = 3 };

/* Pod and process of the host, as the facts say now. Caller frees. */
static char *what_runs(struct task *t)
{
    return t->host ? mem_printf("%s %s", fact_str(t, t->host, "pod.uid"), fact_str(t, t->host, "pod.identity"))
                   : mem_str("");
}

/* ---- one function per phase: true = something moved, call the next one at once ---- */

static bool in_fence(struct task *t)
{
    enum step_rc all = fence_hosts(t);

    if (all == STEP_WAIT)
        return false;
    if (all == STEP_NO && ++t->quiet < FENCE_TRIES) {
        course_round_over(t);
        return false;
    }
    t->quiet = 0;
    progress_clear(t);
    if (!t->fence_all)
        course_enter(t, PHASE_PROBE);
    else if (!course_table(t))
        course_finish(t, "done", "%s", "");
    return true;
}

static bool in_probe(struct task *t)
{
    struct err err = ERR_INIT;

    switch (t->fns->probe(t, &err)) {
    case STEP_YES:
        row_end(t, t->begun ? "done" : "already", "");
        if (course_is_leave(t->step))
            t->left = true;
        course_next(t);
        return true;
    case STEP_SKIP:
        if (t->begun)
            row_end(t, "done", "nothing to do");
        course_next(t);
        return true;
    case STEP_NO:
        if (!t->begun) {
            free(t->probed);
            t->probed = what_runs(t);
        }
        course_enter(t, t->begun ? PHASE_PERMIT : PHASE_BASE);
        return true;
    case STEP_WAIT:
        return false;
    case STEP_BACK:
        return turn_to_started(t);
    default:
        turn_failed(t, &err);
        return true;
    }
}

static bool in_base(struct task *t)
{
    auto_json cJSON *base = cJSON_CreateObject();
    struct err err = ERR_INIT;
    auto_free char *runs = what_runs(t);
    enum step_rc rc = STEP_YES;

    /* What an earlier attempt has done took effect since the probe: a baseline of now would have it done again. */
    if (t->baseline && !str_eq(t->probed, runs)) {
        course_enter(t, PHASE_PROBE);
        return true;
    }
    if (t->host) {
        json_set_str(base, "identity", fact_str(t, t->host, "pod.identity"));
        json_set_str(base, "pod_uid", fact_str(t, t->host, "pod.uid"));
    }
    if (t->fns->baseline)
        rc = t->fns->baseline(t, base, &err);
    if (rc == STEP_YES) {
        course_free_baseline(t);
        t->baseline = json_copy(base);
        course_enter(t, PHASE_RECORD);
        return true;
    }
    if (rc == STEP_NO)
        course_round_over(t);
    else if (rc == STEP_FAIL)
        turn_failed(t, &err);
    return rc == STEP_FAIL;
}

static bool in_record(struct task *t)
{
    struct answer a;
    enum ask_rc rc;

    rc = ask_msg(t, MSG_RECORD, row_begin(t), &a);
    if (rc == ASK_WAIT)
        return false;
    if (rc == ASK_BAD) { /* a full disk, say: nothing is done that is not written down */
        not_yet(t, NULL, "the journal does not take the record: %s", a.err.msg);
        t->polled = true;
        course_new_deadline(t); /* nothing has begun: waiting for the journal is not this step's time */
        course_round_over(t);
        return false;
    }
    row_begun(t);
    course_enter(t, PHASE_PERMIT);
    return true;
}

static bool needs_permit(const struct step *s)
{
    return s->klass != CLASS_NONE && s->klass != CLASS_RECOVER;
}

static bool in_permit(struct task *t)
{
    cJSON *body;
    struct answer a;
    struct err err = ERR_INIT;
    enum ask_rc rc;

    if (!needs_permit(t->step) || (t->permit_ms && world_mono(t->w) < t->permit_ms + PERMIT_GOOD_MS)) {
        course_enter(t, PHASE_GUARD);
        return true;
    }
    if (turn_others_first(t))
        return turn_defer(t);
    if (!t->n_asks)
        t->asked_ms = world_mono(t->w);
    body = cJSON_CreateObject();
    json_set_str(body, "host", row_host(t));
    json_set_str(body, "step", t->step->name);
    json_set_str(body, "class", step_class_name(t->step->klass));
    rc = ask_msg(t, MSG_PERMIT, body, &a);
    if (rc == ASK_WAIT)
        return false;
    if (rc == ASK_BAD) {
        err = a.err;
        if (err.kind == ERR_AGAIN) {
            not_yet(t, "WAIT_BUDGET", "%s", err.msg);
            t->polled = true;
            course_round_over(t);
            return false;
        }
        turn_failed(t, &err);
        return true;
    }
    t->permit_ms = world_mono(t->w);
    t->deadline_ms += t->permit_ms - t->asked_ms; /* waiting for the permit was not this step's time */
    course_enter(t, PHASE_GUARD);
    return true;
}

static bool in_guard(struct task *t)
{
    struct err err = ERR_INIT;

    switch (guards_check(t, t->step->guards, &err)) {
    case STEP_YES:
    case STEP_SKIP:
        if (course_begins_outage(t->step))
            t->stopped_server = true;
        if (course_is_leave(t->step))
            t->left = true;
        t->acted = true;
        course_enter(t, PHASE_ACT);
        return true;
    case STEP_NO: /* the world moved: look again whether it is done already, then ask again */
        if (turn_peerless(t))
            return turn_rejoin(t);
        course_round_over(t);
        t->phase = PHASE_PROBE;
        t->next_poll_ms = world_mono(t->w) + t->guard_wait_ms;
        t->guard_wait_ms = course_longer_pause(t, t->guard_wait_ms);
        return false;
    case STEP_BACK:
        return turn_to_leave(t);
    case STEP_DEFER:
        return turn_defer(t);
    case STEP_WAIT:
        return false;
    case STEP_FAIL:
        break;
    }
    turn_failed(t, &err);
    return true;
}

static bool in_act(struct task *t)
{
    struct err err = ERR_INIT;
    enum step_rc rc = t->fns->act ? t->fns->act(t, &err) : STEP_YES;

    if (rc == STEP_YES || rc == STEP_SKIP) {
        course_enter(t, PHASE_CHECK);
        return true;
    }
    if (rc == STEP_NO)
        course_round_over(t);
    if (rc == STEP_NO || rc == STEP_WAIT)
        return false;
    turn_failed(t, &err);
    return true;
}

static bool in_check(struct task *t)
{
    struct err err = ERR_INIT;
    int64_t mark = t->progress_mark;
    enum step_rc rc = t->fns->probe(t, &err);

    if (t->progress_mark != mark)
        course_new_deadline(t); /* slow, but it gets on */
    if (rc == STEP_YES || rc == STEP_SKIP) {
        row_end(t, "done", "");
        course_next(t);
        return true;
    }
    if (rc == STEP_NO)
        course_round_over(t);
    if (rc == STEP_NO || rc == STEP_WAIT)
        return false;
    if (rc == STEP_BACK)
        return turn_to_started(t);
    turn_failed(t, &err);
    return true;
}

static bool in_undo(struct task *t)
{
    struct err err = ERR_INIT;
    enum step_rc rc = t->fns->undo(t, &err);

    if (rc == STEP_WAIT)
        return false;
    if (rc == STEP_NO) {
        course_round_over(t);
        return false;
    }
    if (rc == STEP_FAIL) {
        course_finish(t, turn_undo_says(t), "%s; and joining again failed: %s", t->fail.msg, err.msg);
        return true;
    }
    t->left = false;
    row_end(t, "undone", t->fail.msg);
    if (strcmp(t->undo_outcome, "again") == 0) {
        t->peerless_ms = 0;
        course_step(t);
        return true;
    }
    course_finish(t, t->undo_outcome, "%s", t->fail.msg);
    return true;
}

/* ---- the loop ---- */

static bool one_move(struct task *t)
{
    static bool (*const phases[])(struct task *) = {
        [PHASE_FENCE] = in_fence,   [PHASE_PROBE] = in_probe,   [PHASE_BASE] = in_base,
        [PHASE_RECORD] = in_record, [PHASE_PERMIT] = in_permit, [PHASE_GUARD] = in_guard,
        [PHASE_ACT] = in_act,       [PHASE_CHECK] = in_check,   [PHASE_UNDO] = in_undo,
    };

    if (t->phase == PHASE_OVER)
        return false;
    if (turn_stop_here(t))
        return true;
    if (t->phase != PHASE_PERMIT && !(t->phase == PHASE_FENCE && t->fence_all) && world_mono(t->w) >= t->deadline_ms) {
        if (t->phase == PHASE_UNDO)
            course_finish(t, turn_undo_says(t), "%s; and joining again was not done in %d s", t->fail.msg,
                          UNDO_LIMIT_S);
        else
            turn_too_late(t);
        return true;
    }
    if (t->next_poll_ms && world_mono(t->w) < t->next_poll_ms)
        return false;
    t->next_poll_ms = 0;
    asks_restart(t);
    return phases[t->phase](t);
}

static void drive(void *ctx);

static void arm(struct task *t)
{
    uint64_t now = world_mono(t->w),
             at = t->next_poll_ms && t->next_poll_ms < t->deadline_ms ? t->next_poll_ms : t->deadline_ms;

    if (t->phase == PHASE_PERMIT || (t->phase == PHASE_FENCE && t->fence_all))
        at = t->next_poll_ms;
    if (at == 0 || at > t->beat_ms)
        at = t->beat_ms; /* whoever says nothing for long is taken for dead */
    world_timer_stop(t->w, &t->wake);
    t->wake = world_timer(t->w, at > now ? at - now : 0, drive, t);
}

static void drive(void *ctx)
{
    struct task *t = ctx;

    t->wake = NULL;
    while (one_move(t))
        continue;
    if (world_mono(t->w) >= t->beat_ms)
        progress_say(t);
    if (t->phase == PHASE_OVER)
        worker_task_over(t->worker); /* t is gone */
    else
        arm(t);
}

void task_poke(struct task *t)
{
    t->next_poll_ms = 0;
    world_timer_stop(t->w, &t->wake);
    t->wake = world_timer(t->w, 0, drive, t);
}
