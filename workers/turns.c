/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the straight way is left: an attempt that failed, a host that goes back to what it was or waits behind others,
 * one that must leave again or is needed by clients, and the safe point of a task that is to stop.
 */
#include <stdio.h>
#include <string.h>

#include "workers/driver.h"

enum { PEERLESS_MS = 15000, MAX_BACKS = 3 };

/* ---- ends ---- */

/* Joins again; the task goes on from there as `outcome` says ("again": the host from its beginning; else that is its
 * end). */
static void undo_leave(struct task *t, const char *outcome, const char *text)
{
    snprintf(t->undo_outcome, sizeof t->undo_outcome, "%s", outcome);
    err_set(&t->fail, ERR_NONE, 0, "%s", text);
    t->step = course_leave(t, &t->step_at);
    t->fns = step_fns_find("leave", t->kind);
    t->deadline_ms = world_mono(t->w) + UNDO_LIMIT_S * UINT64_C(1000);
    course_enter(t, PHASE_UNDO);
}

/* A host that does not start after its change is brought back to what it was, or a new one is parked, where the knobs
 * say so. The reason rides in the baseline of the first step, so that the next worker can still say it. */
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
    course_step(t);
    return true;
}

/* Back into the balancer before the end, when the host left and its server was not touched. */
static void end_task(struct task *t, const char *outcome, const char *text)
{
    size_t at;
    const struct step *leave = course_leave(t, &at);

    if (goes_back(t, outcome, text))
        return;
    if (t->left && !t->stopped_server && leave && leave->has_undo)
        undo_leave(t, outcome, text);
    else
        course_finish(t, outcome, "%s", text);
}

void turn_failed(struct task *t, const struct err *err)
{
    char text[1100];

    if (t->begun)
        row_end(t, "failed", err->msg);
    if (t->tried < t->step->tries && err->kind != ERR_REFUSED && err->kind != ERR_INPUT && err->kind != ERR_BUG) {
        course_attempt(t, t->tried + 1);
        return;
    }
    if (t->ahead) { /* that is for this host's turn to say; who comes before it does not suffer */
        course_after_host(t);
        return;
    }
    if (t->host && is_aftermath(t->table) && *t->aftermath)
        snprintf(text, sizeof text, "%s; and the %s stopped at %s: %s", t->aftermath, t->table->name, t->step->name,
                 err->msg);
    else
        snprintf(text, sizeof text, "%s: %s%s", t->step->name, err->msg, err->kind == ERR_REFUSED ? "" : aftermath_refused(t));
    end_task(t, err->kind == ERR_REFUSED ? "refused" : "failed", text);
}

void turn_too_late(struct task *t)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_AGAIN, 0, "not done within %u s%s%s", course_limit_s(t), *t->why ? ": " : "", t->why);
    turn_failed(t, &err);
}

/* ---- back to an earlier step, or behind others ---- */

/* The process that this step was about is gone, by somebody else's hand: what its successor has loaded and lacks is
 * looked at again. */
bool turn_to_started(struct task *t)
{
    struct err err = ERR_INIT;
    size_t at;

    err_set(&err, ERR_REFUSED, 0, "the server of %s restarts again and again: find out why", row_host(t));
    if (t->backs >= MAX_BACKS || !course_step_named(t->table, "started", &at)) {
        turn_failed(t, &err);
        return true;
    }
    t->backs++;
    if (t->begun)
        row_end(t, "failed", "the server restarted meanwhile: looked at from its start again");
    t->step_at = at;
    course_step(t);
    return true;
}

static void close_undone(struct task *t, const char *why)
{
    if (t->begun)
        row_end(t, "undone", why);
}

bool turn_to_leave(struct task *t)
{
    struct err err = ERR_INIT;
    size_t at;

    close_undone(t, "the host is not out any more: it leaves again first");
    if (t->backs++ >= MAX_BACKS || !course_step_named(t->table, "leave", &at)) {
        err_set(&err, ERR_REFUSED, 0,
                "somebody puts %s back behind the balancer while it is to be stopped: find out who", row_host(t));
        turn_failed(t, &err);
        return true;
    }
    t->step_at = at;
    course_step(t);
    return true;
}

/* A host that serves waits behind those of the task that do not: taken out first, it would wait for one of them, and
 * that one for its turn. */
bool turn_others_first(struct task *t)
{
    bool keeper = strcmp(t->kind, "chk") == 0; /* whose members serve when they run */

    if (!t->host || (t->step->klass != CLASS_PLANNED && t->step->klass != CLASS_KEEPER) || t->n_asks ||
        !(keeper ? host_runs(t, t->host) : host_serves(t, t->host)))
        return false;
    for (size_t i = t->at + 1; i < t->n_own; i++) {
        struct whost *h = &t->hosts[t->order[i]];

        if (!h->over && course_table_of(t, h) && same_shard(h, t->host) &&
            !(keeper ? host_runs(t, h) : host_serves(t, h)))
            return true;
    }
    return false;
}

bool turn_defer(struct task *t)
{
    size_t first = t->order[t->at];

    close_undone(t, "other members go first");
    memmove(t->order + t->at, t->order + t->at + 1, (t->n_own - t->at - 1) * sizeof *t->order);
    t->order[t->n_own - 1] = first;
    if (!course_host(t))
        course_finish(t, "done", "%s", "");
    return true;
}

/* ---- clients need the host at hand ---- */

/* It is out and was not stopped yet, and the others of its shard have failed meanwhile. */
bool turn_peerless(struct task *t)
{
    size_t at;
    const struct step *leave = course_leave(t, &at);
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
bool turn_rejoin(struct task *t)
{
    close_undone(t, "no other replica serves: it joins again first");
    t->stopped_server = false;
    undo_leave(t, "again", "no other replica of its shard serves");
    return true;
}

const char *turn_undo_says(const struct task *t)
{
    return strcmp(t->undo_outcome, "again") == 0 ? "failed" : t->undo_outcome;
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
bool turn_stop_here(struct task *t)
{
    if (!t->stop || t->phase == PHASE_UNDO || t->phase == PHASE_OVER)
        return false;
    if (t->phase == PHASE_FENCE && t->fence_all) {
        course_finish(t, "superseded", "%s", t->stop_why);
        return true;
    }
    if (!may_end_here(t) || (t->stopped_server && !t->step->interruptible && !t->stop_now))
        return false;
    close_undone(t, t->stop_why);
    end_task(t, "superseded", t->stop_why);
    return true;
}
