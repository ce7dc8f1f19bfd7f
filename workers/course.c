/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The straight way of a task: which table, host, step and attempt comes next, and the times of a phase. A resumed task
 * goes the same way: it begins where the rows end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "workers/driver.h"
#include "workers/protocol.h"

enum { BACK_OFF_MIN_MS = 50, BACK_OFF_MAX_MS = 2000 };

/* ---- phases and their times ---- */

void course_enter(struct task *t, enum phase phase)
{
    t->phase = phase;
    asks_clear(t);
    t->polled = false;
    t->next_poll_ms = 0;
    t->back_off_ms = BACK_OFF_MIN_MS;
    if (phase == PHASE_ACT || phase == PHASE_CHECK)
        t->quiet = 0;
}

uint32_t course_longer_pause(const struct task *t, uint32_t ms)
{
    int64_t most = knob_int(t, "poll_ms", BACK_OFF_MAX_MS);

    return ms * INT64_C(2) > most ? (uint32_t)most : ms * 2;
}

/* A round that said "not yet": the next one comes by an event, or when others than the facts were asked, by time. */
void course_round_over(struct task *t)
{
    asks_clear(t);
    progress_report(t);
    if (t->polled) {
        t->next_poll_ms = world_mono(t->w) + t->back_off_ms;
        t->back_off_ms = course_longer_pause(t, t->back_off_ms);
    }
    t->polled = false;
}

unsigned course_limit_s(const struct task *t)
{
    char path[64];

    if (strcmp(t->step->name, "drain") == 0)
        return (unsigned)knob_int(t, "drain_s", t->step->limit_s);
    snprintf(path, sizeof path, "limits.%s", t->step->name);
    return (unsigned)knob_int(t, path, t->step->limit_s);
}

void course_new_deadline(struct task *t)
{
    t->deadline_ms = world_mono(t->w) + course_limit_s(t) * UINT64_C(1000);
}

void course_free_baseline(struct task *t)
{
    cJSON_Delete(t->baseline);
    t->baseline = NULL;
}

/* ---- steps ---- */

bool course_is_leave(const struct step *s)
{
    return strcmp(s->name, "leave") == 0;
}

bool course_begins_outage(const struct step *s)
{
    return (s->klass == CLASS_DOWN || s->klass == CLASS_OWNER || s->klass == CLASS_KEEPER) && !course_is_leave(s);
}

const struct step *course_step_named(const struct step_table *table, const char *name, size_t *at)
{
    for (size_t i = 0; i < table->n_steps; i++)
        if (strcmp(table->steps[i].name, name) == 0) {
            *at = i;
            return &table->steps[i];
        }
    return NULL;
}

const struct step *course_leave(const struct task *t, size_t *at)
{
    return t->host ? course_step_named(t->table, "leave", at) : NULL;
}

/* Attempts of one step and host are numbered through, also over workers and when the host leaves twice. */
void course_attempt(struct task *t, unsigned tried)
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
        course_free_baseline(t);
    t->hooks_told = 0;
    memset(&t->fail, 0, sizeof t->fail);
    progress_clear(t);
    t->attempt_ms = world_mono(t->w);
    course_new_deadline(t);
    t->fence_all = false;
    course_enter(t, tried > 1 && strcmp(t->kind, "chi") == 0 && t->host ? PHASE_FENCE : PHASE_PROBE);
}

/* The step at t->step_at; false when the table is done. */
bool course_step(struct task *t)
{
    if (t->step_at >= t->table->n_steps)
        return false;
    t->step = &t->table->steps[t->step_at];
    t->fns = step_fns_find(t->step->name, t->kind);
    course_attempt(t, 1);
    return true;
}

/* ---- hosts and tables ---- */

const struct step_table *course_table_of(const struct task *t, const struct whost *h)
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
            !(s = course_step_named(t->table, json_str(row, "step", ""), &at)))
            continue;
        last = row;
        t->step_at = at;
        if (course_is_leave(s))
            t->left = strcmp(outcome, "undone") != 0;
        if (course_begins_outage(s) && strcmp(outcome, "undone") != 0)
            t->stopped_server = true;
        if (strcmp(outcome, "done") == 0 || strcmp(outcome, "already") == 0)
            t->step_at = at + 1;
    }
    if (!course_step(t) || !last || t->step != course_step_named(t->table, json_str(last, "step", ""), &at))
        return;
    if (str_eq(json_str(last, "outcome", NULL), "failed"))
        t->baseline = json_copy(json_get(last, "baseline")); /* it may have taken effect late */
    if (json_str(last, "outcome", NULL))
        return;
    t->attempt = (unsigned)json_int(last, "attempt", 1);
    t->begun = t->acted = true; /* perhaps: the probe says */
    t->baseline = json_copy(json_get(last, "baseline"));
}

/* The host is well again; the change has failed all the same. */
static void finish_aftermath(struct task *t)
{
    course_finish(t, "failed", "%s; %s", t->aftermath,
                  strcmp(t->table->name, "rollback") == 0 ? "it has its old StatefulSet back" : "it is scaled to 0");
}

static bool step_is_ahead(const struct task *t)
{
    return t->step_at < t->table->n_steps && t->table->steps[t->step_at].ahead;
}

/* Is there anything to do for the host at t->at? */
static bool begin_host(struct task *t)
{
    t->host = &t->hosts[t->order[t->at]];
    t->table = course_table_of(t, t->host);
    t->backs = 0;
    if (!t->table)
        return false; /* action none */
    read_rows(t);
    if (t->ahead)
        return step_is_ahead(t);
    if (t->step_at < t->table->n_steps)
        return true;
    if (is_aftermath(t->table)) { /* who was told so died before it was said on */
        finish_aftermath(t);
        return true;
    }
    t->host->over = true;
    return false;
}

bool course_host(struct task *t)
{
    for (;; t->at++) {
        if (t->at >= t->n_own && !t->ahead)
            return false;
        if (t->at >= t->n_own) {
            t->ahead = false;
            t->at = 0;
        }
        if (begin_host(t))
            return true;
    }
}

void course_after_host(struct task *t)
{
    t->at++;
    if (!course_host(t))
        course_finish(t, "done", "%s", "");
}

bool course_table(struct task *t)
{
    t->host = NULL;
    t->table = steps_table(json_str(t->json, "table", ""));
    if (!t->table || t->table->per_host) {
        t->ahead = t->n_own > 1;
        return course_host(t);
    }
    read_rows(t);
    return t->step_at < t->table->n_steps;
}

void course_next(struct task *t)
{
    t->step_at++;
    if (t->ahead && !step_is_ahead(t)) {
        course_after_host(t);
        return;
    }
    if (course_step(t))
        return;
    if (!t->host) {
        course_finish(t, "done", "%s", "");
        return;
    }
    if (is_aftermath(t->table)) {
        finish_aftermath(t);
        return;
    }
    t->host->over = true;
    course_after_host(t);
}

void course_finish(struct task *t, const char *outcome, const char *fmt, ...)
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
    course_enter(t, PHASE_OVER);
}
