/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one step driver. For each step of each host: probe; true → recorded as "already". Else: what must be known after
 * a crash (baseline) is recorded, and only when that is durable the permit is asked for, the guards are looked at, and
 * the act is done; then the probe decides when it is true. A resumed task does the same, with the baseline of the row
 * that was begun: there is no other code for resuming than finding the step where the rows end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/task.h"

enum {
    HEARTBEAT_MS = 30000,
    BACK_OFF_MIN_MS = 50,
    BACK_OFF_MAX_MS = 2000,
    PERMIT_GOOD_MS = 10000,
    UNDO_LIMIT_S = 600,
    PEERLESS_MS = 15000,
    MAX_BACKS = 3,
    FENCE_TRIES = 3
};

static void enter(struct task *t, enum phase phase);
static bool start_host(struct task *t);
static bool defer_host(struct task *t);
static const struct step_table *table_of(const struct task *t, const struct whost *h);
static bool goes_back(struct task *t, const char *outcome, const char *text);
static bool start_table(struct task *t);
static void finish(struct task *t, const char *outcome, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static const char *row_host(const struct task *t)
{
    return t->host ? t->host->key : json_str(t->json, "object", "");
}

/* ---- records ---- */

static void remember_row(struct task *t, const char *outcome)
{
    cJSON *row = cJSON_CreateObject();

    json_set_str(row, "host", row_host(t));
    json_set_str(row, "step", t->step->name);
    json_set_int(row, "attempt", t->attempt);
    json_set_str(row, "outcome", outcome);
    if (t->baseline)
        json_set(row, "baseline", json_copy(t->baseline));
    cJSON_AddItemToArray(t->rows, row);
}

static cJSON *record(const struct task *t, const char *type)
{
    cJSON *body = cJSON_CreateObject();

    json_set_str(body, "type", type);
    json_set_str(body, "host", row_host(t));
    json_set_str(body, "step", t->step->name);
    json_set_int(body, "attempt", t->attempt);
    return body;
}

static void record_end(struct task *t, const char *outcome, const char *detail)
{
    auto_json cJSON *body = record(t, "end");

    json_set_str(body, "outcome", outcome);
    json_set_str(body, "detail", detail);
    if (t->baseline) /* rows that a next worker resumes from replace each other: the newest one carries it, too */
        json_set(body, "baseline", json_copy(t->baseline));
    worker_send(t->worker, MSG_RECORD, body);
    remember_row(t, outcome);
    t->begun = false;
    log_info(row_host(t), "step %s: %s%s%s", t->step->name, outcome, *detail ? ": " : "", detail);
}

/* ---- progress ---- */

static void say_progress(struct task *t)
{
    auto_json cJSON *body = cJSON_CreateObject();

    t->beat_ms = world_mono(t->w) + HEARTBEAT_MS;
    json_set_str(body, "host", row_host(t));
    json_set_str(body, "step", t->step ? t->step->name : "fence");
    json_set_str(body, "text", t->why);
    json_set_str(body, "waiting", *t->waiting ? t->waiting : NULL);
    json_set_int(body, "since_ms", (int64_t)t->why_ms);
    worker_send(t->worker, MSG_PROGRESS, body);
}

static void report(struct task *t)
{
    char now_said[sizeof t->said];

    snprintf(now_said, sizeof now_said, "%s %s", t->waiting, t->why);
    if (!*t->why || strcmp(now_said, t->said) == 0)
        return;
    memcpy(t->said, now_said, sizeof t->said);
    say_progress(t);
}

static void nothing_to_say(struct task *t)
{
    t->why[0] = t->waiting[0] = t->said[0] = '\0';
}

/* ---- phases ---- */

static void enter(struct task *t, enum phase phase)
{
    t->phase = phase;
    asks_clear(t);
    t->polled = false;
    t->next_poll_ms = 0;
    t->back_off_ms = BACK_OFF_MIN_MS;
    if (phase == PHASE_ACT || phase == PHASE_CHECK)
        t->quiet = 0;
}

/* A round that said "not yet": the next one comes by an event, or when others than the facts were asked, by time. */
static uint32_t longer_pause(const struct task *t, uint32_t ms)
{
    int64_t most = knob_int(t, "poll_ms", BACK_OFF_MAX_MS);

    return ms * INT64_C(2) > most ? (uint32_t)most : ms * 2;
}

static void round_over(struct task *t)
{
    asks_clear(t);
    report(t);
    if (t->polled) {
        t->next_poll_ms = world_mono(t->w) + t->back_off_ms;
        t->back_off_ms = longer_pause(t, t->back_off_ms);
    }
    t->polled = false;
}

static unsigned limit_s(const struct task *t)
{
    char path[64];

    if (strcmp(t->step->name, "drain") == 0)
        return (unsigned)knob_int(t, "drain_s", t->step->limit_s);
    snprintf(path, sizeof path, "limits.%s", t->step->name);
    return (unsigned)knob_int(t, path, t->step->limit_s);
}

static void new_deadline(struct task *t)
{
    t->deadline_ms = world_mono(t->w) + limit_s(t) * UINT64_C(1000);
}

static void free_baseline(struct task *t)
{
    cJSON_Delete(t->baseline);
    t->baseline = NULL;
}

/* Attempts of one step and host are numbered through, also over workers and when the host leaves twice. */
static void begin_attempt(struct task *t, unsigned tried)
{
    const cJSON *row = task_row(t, row_host(t), t->step->name);

    t->attempt = row ? (unsigned)json_int(row, "attempt", 0) + 1 : 1;
    t->tried = tried;
    t->guard_wait_ms = BACK_OFF_MIN_MS;
    t->peerless_ms = 0;
    t->begun = t->acted = false;
    t->permit_ms = t->settled_ms = 0;
    t->progress_mark = 0;
    if (tried == 1) /* else the probe sees what the attempt before has done after its time was over */
        free_baseline(t);
    t->hooks_told = 0;
    memset(&t->fail, 0, sizeof t->fail);
    nothing_to_say(t);
    t->attempt_ms = world_mono(t->w);
    new_deadline(t);
    t->fence_all = false;
    enter(t, tried > 1 && strcmp(t->kind, "chi") == 0 && t->host ? PHASE_FENCE : PHASE_PROBE);
}

/* The step at t->step_at; false when the table is done. */
static bool start_step(struct task *t)
{
    if (t->step_at >= t->table->n_steps)
        return false;
    t->step = &t->table->steps[t->step_at];
    t->fns = step_fns_find(t->step->name, t->kind);
    begin_attempt(t, 1);
    return true;
}

static void next_step(struct task *t)
{
    t->step_at++;
    if (start_step(t))
        return;
    if (t->host && is_aftermath(t->table)) { /* the host is well again; the change has failed all the same */
        finish(t, "failed", "%s; %s", t->aftermath,
               strcmp(t->table->name, "rollback") == 0 ? "it has its old StatefulSet back" : "it is scaled to 0");
        return;
    }
    if (t->host) {
        t->host->over = true;
        t->at++;
    }
    if (!t->host || !start_host(t))
        finish(t, "done", "%s", "");
}

static bool begins_outage(const struct step *s)
{
    return (s->klass == CLASS_DOWN || s->klass == CLASS_OWNER || s->klass == CLASS_KEEPER) &&
           strcmp(s->name, "leave") != 0;
}

static bool is_leave(const struct step *s)
{
    return strcmp(s->name, "leave") == 0;
}

static const struct step *step_named(const struct step_table *table, const char *name, size_t *at)
{
    for (size_t i = 0; i < table->n_steps; i++)
        if (strcmp(table->steps[i].name, name) == 0) {
            *at = i;
            return &table->steps[i];
        }
    return NULL;
}

/* ---- ends ---- */

static void finish(struct task *t, const char *outcome, const char *fmt, ...)
{
    auto_json cJSON *body = cJSON_CreateObject();
    char text[1200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_set_str(body, "outcome", outcome);
    json_set_str(body, "host", row_host(t));
    json_set_str(body, "step", t->step ? t->step->name : NULL);
    json_set_str(body, "text", text);
    if (t->late)
        json_set(body, "late", json_copy(t->late));
    if (t->behind)
        json_set(body, "behind", json_copy(t->behind));
    worker_send(t->worker, MSG_DONE, body);
    enter(t, PHASE_OVER);
}

/* Back into the balancer before the end, when the host left and its server was not touched. */
static void end_task(struct task *t, const char *outcome, const char *text)
{
    size_t at = 0;
    const struct step *leave = t->host ? step_named(t->table, "leave", &at) : NULL;

    if (goes_back(t, outcome, text))
        return;
    if (!t->left || t->stopped_server || !leave || !leave->has_undo) {
        finish(t, outcome, "%s", text);
        return;
    }
    snprintf(t->undo_outcome, sizeof t->undo_outcome, "%s", outcome);
    err_set(&t->fail, ERR_NONE, 0, "%s", text);
    t->step = leave;
    t->step_at = at;
    t->fns = step_fns_find("leave", t->kind);
    t->deadline_ms = world_mono(t->w) + UNDO_LIMIT_S * UINT64_C(1000);
    enter(t, PHASE_UNDO);
}

static void attempt_failed(struct task *t, const struct err *err)
{
    char text[1100];

    if (t->begun)
        record_end(t, "failed", err->msg);
    if (t->tried < t->step->tries && err->kind != ERR_REFUSED && err->kind != ERR_INPUT && err->kind != ERR_BUG) {
        begin_attempt(t, t->tried + 1);
        return;
    }
    if (t->host && is_aftermath(t->table) && *t->aftermath)
        snprintf(text, sizeof text, "%s; and the %s stopped at %s: %s", t->aftermath, t->table->name, t->step->name,
                 err->msg);
    else
        snprintf(text, sizeof text, "%s: %s", t->step->name, err->msg);
    end_task(t, err->kind == ERR_REFUSED ? "refused" : "failed", text);
}

/* A host that does not start after its change is brought back to what it was, or a new one is parked, where the knobs say
 * so. The reason rides in the baseline of the first step, so that the next worker can still say it. */
static bool goes_back(struct task *t, const char *outcome, const char *text)
{
    const char *name = strcmp(outcome, "failed") == 0 ? aftermath_table(t) : NULL;
    char reason[sizeof t->aftermath];

    if (!name)
        return false;
    snprintf(reason, sizeof reason, "%s", text);
    memcpy(t->aftermath, reason, sizeof reason);
    task_incident(t, t->host->key, strcmp(name, "rollback") == 0 ? "ROLLED_BACK" : "TAKEN_BACK", "%s", reason);
    t->table = steps_table(name);
    t->left = t->stopped_server = false;
    t->step_at = 0;
    start_step(t);
    return true;
}

static void too_late(struct task *t)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_AGAIN, 0, "not done within %u s%s%s", limit_s(t), *t->why ? ": " : "", t->why);
    attempt_failed(t, &err);
}

/* The process that this step was about is gone, by somebody else's hand: what its successor has loaded and lacks is
 * looked at again. */
static bool back_to_started(struct task *t)
{
    struct err err = ERR_INIT;
    size_t at;

    err_set(&err, ERR_REFUSED, 0, "the server of %s restarts again and again: find out why", row_host(t));
    if (t->backs >= MAX_BACKS || !step_named(t->table, "started", &at)) {
        attempt_failed(t, &err);
        return true;
    }
    t->backs++;
    if (t->begun)
        record_end(t, "failed", "the server restarted meanwhile: looked at from its start again");
    t->step_at = at;
    start_step(t);
    return true;
}

/* Pod and process of the host, as the facts say now. Caller frees. */
static char *what_runs(struct task *t)
{
    return t->host ? mem_printf("%s %s", fact_str(t, t->host, "pod.uid"), fact_str(t, t->host, "pod.identity"))
                   : mem_str("");
}

/* ---- one function per phase: true = something moved, call the next one at once ---- */

static bool in_probe(struct task *t)
{
    struct err err = ERR_INIT;

    switch (t->fns->probe(t, &err)) {
    case STEP_YES:
        record_end(t, t->begun ? "done" : "already", "");
        if (is_leave(t->step))
            t->left = true;
        next_step(t);
        return true;
    case STEP_SKIP:
        if (t->begun)
            record_end(t, "done", "nothing to do");
        next_step(t);
        return true;
    case STEP_NO:
        if (!t->begun) {
            free(t->probed);
            t->probed = what_runs(t);
        }
        enter(t, t->begun ? PHASE_PERMIT : PHASE_BASE);
        return true;
    case STEP_WAIT:
        return false;
    case STEP_BACK:
        return back_to_started(t);
    default:
        attempt_failed(t, &err);
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
        enter(t, PHASE_PROBE);
        return true;
    }
    if (t->host) {
        json_set_str(base, "identity", fact_str(t, t->host, "pod.identity"));
        json_set_str(base, "pod_uid", fact_str(t, t->host, "pod.uid"));
    }
    if (t->fns->baseline)
        rc = t->fns->baseline(t, base, &err);
    if (rc == STEP_YES) {
        free_baseline(t);
        t->baseline = json_copy(base);
        enter(t, PHASE_RECORD);
        return true;
    }
    if (rc == STEP_NO)
        round_over(t);
    else if (rc == STEP_FAIL)
        attempt_failed(t, &err);
    return rc == STEP_FAIL;
}

static bool in_record(struct task *t)
{
    cJSON *body = record(t, "begin");
    struct answer a;
    enum ask_rc rc;

    json_set(body, "baseline", json_copy(t->baseline));
    rc = ask_msg(t, MSG_RECORD, body, &a);
    if (rc == ASK_WAIT)
        return false;
    if (rc == ASK_BAD) { /* a full disk, say: nothing is done that is not written down */
        not_yet(t, NULL, "the journal does not take the record: %s", a.err.msg);
        t->polled = true;
        new_deadline(t); /* nothing has begun: waiting for the journal is not this step's time */
        round_over(t);
        return false;
    }
    remember_row(t, NULL);
    t->begun = true;
    enter(t, PHASE_PERMIT);
    return true;
}

static bool needs_permit(const struct step *s)
{
    return s->klass != CLASS_NONE && s->klass != CLASS_RECOVER;
}

/* A host that serves waits behind those of the task that do not: taken out first, it would wait for one of them, and
 * that one for its turn. */
static bool others_first(struct task *t)
{
    if (!t->host || t->step->klass != CLASS_PLANNED || t->n_asks || !host_serves(t, t->host))
        return false;
    for (size_t i = t->at + 1; i < t->n_own; i++) {
        struct whost *h = &t->hosts[t->order[i]];

        if (!h->over && table_of(t, h) && same_shard(h, t->host) && !host_serves(t, h))
            return true;
    }
    return false;
}

static bool in_permit(struct task *t)
{
    cJSON *body;
    struct answer a;
    struct err err = ERR_INIT;
    enum ask_rc rc;

    if (!needs_permit(t->step) || (t->permit_ms && world_mono(t->w) < t->permit_ms + PERMIT_GOOD_MS)) {
        enter(t, PHASE_GUARD);
        return true;
    }
    if (others_first(t))
        return defer_host(t);
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
            round_over(t);
            return false;
        }
        attempt_failed(t, &err);
        return true;
    }
    t->permit_ms = world_mono(t->w);
    t->deadline_ms += t->permit_ms - t->asked_ms; /* waiting for the permit was not this step's time */
    enter(t, PHASE_GUARD);
    return true;
}

static void close_undone(struct task *t, const char *why)
{
    if (t->begun)
        record_end(t, "undone", why);
}

static bool back_to_leave(struct task *t)
{
    struct err err = ERR_INIT;
    size_t at;

    close_undone(t, "the host is not out any more: it leaves again first");
    if (t->backs++ >= MAX_BACKS || !step_named(t->table, "leave", &at)) {
        err_set(&err, ERR_REFUSED, 0,
                "somebody puts %s back behind the balancer while it is to be stopped: find out who", row_host(t));
        attempt_failed(t, &err);
        return true;
    }
    t->step_at = at;
    start_step(t);
    return true;
}

static bool defer_host(struct task *t)
{
    size_t first = t->order[t->at];

    close_undone(t, "other members go first");
    memmove(t->order + t->at, t->order + t->at + 1, (t->n_own - t->at - 1) * sizeof *t->order);
    t->order[t->n_own - 1] = first;
    if (!start_host(t))
        finish(t, "done", "%s", "");
    return true;
}

static const struct step *leave_of(const struct task *t)
{
    size_t at;

    return t->host ? step_named(t->table, "leave", &at) : NULL;
}

/* It is out and was not stopped yet, and the others of its shard have failed meanwhile. */
static bool peerless(struct task *t)
{
    const struct step *leave = leave_of(t);
    uint64_t now = world_mono(t->w);

    if (strcmp(t->waiting, "WAIT_PEER") != 0 || !t->left || !leave || !leave->has_undo) {
        t->peerless_ms = 0;
        return false;
    }
    if (!t->peerless_ms)
        t->peerless_ms = now;
    return now - t->peerless_ms >= PEERLESS_MS;
}

/* Clients need it more than it needs its change: back in, and then from the beginning. */
static bool rejoin(struct task *t)
{
    size_t at = 0;

    close_undone(t, "no other replica serves: it joins again first");
    snprintf(t->undo_outcome, sizeof t->undo_outcome, "%s", "again");
    err_set(&t->fail, ERR_NONE, 0, "%s", "no other replica of its shard serves");
    t->step = step_named(t->table, "leave", &at);
    t->step_at = at;
    t->fns = step_fns_find("leave", t->kind);
    t->deadline_ms = world_mono(t->w) + UNDO_LIMIT_S * UINT64_C(1000);
    t->stopped_server = false;
    enter(t, PHASE_UNDO);
    return true;
}

static bool in_guard(struct task *t)
{
    struct err err = ERR_INIT;

    switch (guards_check(t, t->step->guards, &err)) {
    case STEP_YES:
    case STEP_SKIP:
        if (begins_outage(t->step))
            t->stopped_server = true;
        if (is_leave(t->step))
            t->left = true;
        t->acted = true;
        enter(t, PHASE_ACT);
        return true;
    case STEP_NO: /* the world moved: look again whether it is done already, then ask again */
        if (peerless(t))
            return rejoin(t);
        round_over(t);
        t->phase = PHASE_PROBE;
        t->next_poll_ms = world_mono(t->w) + t->guard_wait_ms;
        t->guard_wait_ms = longer_pause(t, t->guard_wait_ms);
        return false;
    case STEP_BACK:
        return back_to_leave(t);
    case STEP_DEFER:
        return defer_host(t);
    case STEP_WAIT:
        return false;
    case STEP_FAIL:
        break;
    }
    attempt_failed(t, &err);
    return true;
}

static bool in_act(struct task *t)
{
    struct err err = ERR_INIT;
    enum step_rc rc = t->fns->act ? t->fns->act(t, &err) : STEP_YES;

    if (rc == STEP_YES || rc == STEP_SKIP) {
        enter(t, PHASE_CHECK);
        return true;
    }
    if (rc == STEP_NO)
        round_over(t);
    if (rc == STEP_NO || rc == STEP_WAIT)
        return false;
    attempt_failed(t, &err);
    return true;
}

static bool in_check(struct task *t)
{
    struct err err = ERR_INIT;
    int64_t mark = t->progress_mark;
    enum step_rc rc = t->fns->probe(t, &err);

    if (t->progress_mark != mark)
        new_deadline(t); /* slow, but it gets on */
    if (rc == STEP_YES || rc == STEP_SKIP) {
        record_end(t, "done", "");
        next_step(t);
        return true;
    }
    if (rc == STEP_NO)
        round_over(t);
    if (rc == STEP_NO || rc == STEP_WAIT)
        return false;
    if (rc == STEP_BACK)
        return back_to_started(t);
    attempt_failed(t, &err);
    return true;
}

static const char *undo_says(const struct task *t)
{
    return strcmp(t->undo_outcome, "again") == 0 ? "failed" : t->undo_outcome;
}

static bool in_undo(struct task *t)
{
    struct err err = ERR_INIT;
    enum step_rc rc = t->fns->undo(t, &err);

    if (rc == STEP_WAIT)
        return false;
    if (rc == STEP_NO) {
        round_over(t);
        return false;
    }
    if (rc == STEP_FAIL) {
        finish(t, undo_says(t), "%s; and joining again failed: %s", t->fail.msg, err.msg);
        return true;
    }
    t->left = false;
    record_end(t, "undone", t->fail.msg);
    if (strcmp(t->undo_outcome, "again") == 0) {
        t->peerless_ms = 0;
        start_step(t);
        return true;
    }
    finish(t, t->undo_outcome, "%s", t->fail.msg);
    return true;
}

/* ---- fence ---- */

static bool in_fence(struct task *t)
{
    enum step_rc all = fence_hosts(t);

    if (all == STEP_WAIT)
        return false;
    if (all == STEP_NO && ++t->quiet < FENCE_TRIES) {
        round_over(t);
        return false;
    }
    t->quiet = 0;
    nothing_to_say(t);
    if (!t->fence_all)
        enter(t, PHASE_PROBE);
    else if (!start_table(t))
        finish(t, "done", "%s", "");
    return true;
}

/* ---- which step first ---- */

static const struct step_table *table_of(const struct task *t, const struct whost *h)
{
    const char *action = host_str(h, "action");
    const struct step_table *table = steps_table(json_str(t->json, "table", ""));
    char name[64];

    if (table)
        return table;
    if (task_row(t, h->key, "restore"))
        return steps_table("rollback");
    if (task_row(t, h->key, "park"))
        return steps_table("take-back");
    if (strcmp(t->kind, "chk") == 0) {
        snprintf(name, sizeof name, "keeper-%s", action);
        return steps_table(name);
    }
    return steps_table(action);
}

static void read_rows(struct task *t)
{
    const cJSON *row, *last = NULL;
    size_t at;

    t->left = t->stopped_server = false;
    t->step_at = 0;
    t->aftermath[0] = '\0';
    if (t->host && is_aftermath(t->table))
        snprintf(t->aftermath, sizeof t->aftermath, "%s",
                 json_str(row_baseline(t, row_host(t), t->table->steps[0].name), "why", ""));
    cJSON_ArrayForEach(row, t->rows) {
        const char *outcome = json_str(row, "outcome", "");
        const struct step *s;

        if (!str_eq(json_str(row, "host", NULL), row_host(t)) ||
            !(s = step_named(t->table, json_str(row, "step", ""), &at)))
            continue;
        last = row;
        t->step_at = at;
        if (is_leave(s))
            t->left = strcmp(outcome, "undone") != 0;
        if (begins_outage(s) && strcmp(outcome, "undone") != 0)
            t->stopped_server = true;
        if (strcmp(outcome, "done") == 0 || strcmp(outcome, "already") == 0)
            t->step_at = at + 1;
    }
    if (!start_step(t) || !last || t->step != step_named(t->table, json_str(last, "step", ""), &at))
        return;
    if (str_eq(json_str(last, "outcome", NULL), "failed"))
        t->baseline = json_copy(json_get(last, "baseline")); /* it may have taken effect late */
    if (json_str(last, "outcome", NULL))
        return;
    t->attempt = (unsigned)json_int(last, "attempt", 1);
    t->begun = t->acted = true; /* perhaps: the probe says */
    t->baseline = json_copy(json_get(last, "baseline"));
}

/* The next host that has something to do; false when there is none. */
static bool start_host(struct task *t)
{
    for (; t->at < t->n_own; t->at++) {
        t->host = &t->hosts[t->order[t->at]];
        t->table = table_of(t, t->host);
        t->backs = 0;
        if (!t->table)
            continue; /* action none */
        read_rows(t);
        if (t->step_at < t->table->n_steps)
            return true;
        t->host->over = true;
    }
    return false;
}

static bool start_table(struct task *t)
{
    t->host = NULL;
    t->table = steps_table(json_str(t->json, "table", ""));
    if (!t->table || t->table->per_host)
        return start_host(t);
    read_rows(t);
    return t->step_at < t->table->n_steps;
}

/* ---- stop ---- */

static bool may_end_here(const struct task *t)
{
    if (t->step->interruptible || !t->acted)
        return true;
    return t->phase == PHASE_PROBE && !t->begun;
}

/* The safe point: a host that was not touched or only left is put back; one whose server was stopped goes on to join,
 * but waits that a new generation may end do end. */
static bool stop_here(struct task *t)
{
    if (!t->stop || t->phase == PHASE_UNDO || t->phase == PHASE_OVER)
        return false;
    if (t->phase == PHASE_FENCE && t->fence_all) {
        finish(t, "superseded", "%s", t->stop_why);
        return true;
    }
    if (!may_end_here(t) || (t->stopped_server && !t->step->interruptible && !t->stop_now))
        return false;
    close_undone(t, t->stop_why);
    end_task(t, "superseded", t->stop_why);
    return true;
}

void task_stop(struct task *t, const char *why, bool now)
{
    t->stop = true;
    t->stop_now = t->stop_now || now;
    snprintf(t->stop_why, sizeof t->stop_why, "%s", why);
    task_poke(t);
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
    if (stop_here(t))
        return true;
    if (t->phase != PHASE_PERMIT && !(t->phase == PHASE_FENCE && t->fence_all) && world_mono(t->w) >= t->deadline_ms) {
        if (t->phase == PHASE_UNDO)
            finish(t, undo_says(t), "%s; and joining again was not done in %d s", t->fail.msg, UNDO_LIMIT_S);
        else
            too_late(t);
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
        say_progress(t);
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

/* ---- life ---- */

static void add_hosts(struct task *t, const cJSON *list, bool peer)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, list) {
        struct whost *h = &t->hosts[t->n_hosts++];

        h->key = mem_str(json_str(one, "key", ""));
        h->json = one;
        h->peer = peer;
    }
}

static int check_task(const struct task *t, struct err *err)
{
    const char *name = json_str(t->json, "table", "");
    const struct step_table *table = steps_table(name);

    if (!table && t->n_own == 0)
        return err_set(err, ERR_INPUT, 0, "no step table '%s', and no hosts with actions", name);
    for (size_t i = 0; i < t->n_own; i++) {
        const char *action = host_str(&t->hosts[i], "action");

        if (!table && strcmp(action, "none") != 0 && !table_of(t, &t->hosts[i]))
            return err_set(err, ERR_INPUT, 0, "%s: no step table for action '%s'", t->hosts[i].key, action);
    }
    for (size_t i = 0; table && i < table->n_steps; i++)
        if (!step_fns_find(table->steps[i].name, t->kind))
            return err_set(err, ERR_BUG, 0, "step %s has no functions", table->steps[i].name);
    return 0;
}

struct task *task_new(struct worker *wk, struct world *w, cJSON *json, struct err *err)
{
    struct task *t = mem_zero(sizeof *t);
    const cJSON *own = json_get(json, "hosts"), *peers = json_get(json, "peers");

    t->worker = wk;
    t->w = w;
    t->json = json;
    t->op = json_int(json, "operation", 0);
    t->id = (uint32_t)json_int(json, "task", 0);
    t->tries = (uint32_t)json_int(json, "try", 1);
    t->kind = json_str(json, "kind", "chi");
    t->hosts = mem_array((size_t)(cJSON_GetArraySize(own) + cJSON_GetArraySize(peers)), sizeof *t->hosts);
    add_hosts(t, own, false);
    t->n_own = t->n_hosts;
    add_hosts(t, peers, true);
    t->order = mem_array(t->n_own, sizeof *t->order);
    for (size_t i = 0; i < t->n_own; i++)
        t->order[i] = i;
    t->rows = json_get(json, "resume") ? json_copy(json_get(json, "resume")) : cJSON_CreateArray();
    if (check_task(t, err) < 0) {
        task_free(t);
        return NULL;
    }
    t->fence_all = true;
    t->beat_ms = world_mono(w) + HEARTBEAT_MS;
    enter(t, PHASE_FENCE);
    task_poke(t);
    return t;
}

void task_free(struct task *t)
{
    if (!t)
        return;
    asks_clear(t);
    world_timer_stop(t->w, &t->wake);
    for (size_t i = 0; i < t->n_hosts; i++) {
        free(t->hosts[i].key);
        free(t->hosts[i].version_of);
    }
    free(t->hosts);
    free(t->order);
    cJSON_Delete(t->rows);
    cJSON_Delete(t->baseline);
    free(t->probed);
    cJSON_Delete(t->late);
    cJSON_Delete(t->told);
    cJSON_Delete(t->behind);
    cJSON_Delete(t->json);
    free(t);
}
