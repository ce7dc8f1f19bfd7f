/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the driver only: what its files ask of each other. Each uses those below it, never one above.
 *   driver.c   the phases of a step, and the loop over them
 *   turns.c    where the straight way is left: failure, roll-back, leave again, others first, stop
 *   course.c   the straight way: phase and times, attempt, step, host, table, the end
 *   rows.c     what the supervisor is told: rows for the journal, progress
 * All act on the step at hand (task->step of task->host) and return at once. A task whose phase is PHASE_OVER is freed
 * by the loop, by nobody else.
 */
#ifndef WORKERS_DRIVER_H
#define WORKERS_DRIVER_H

#include "workers/task.h"

enum { HEARTBEAT_MS = 30000, UNDO_LIMIT_S = 600 };

/* ---- rows.c ---- */
const char *row_host(const struct task *t); /* key of the host at hand; the task's object in tables that run once */
cJSON *row_begin(const struct task *t);     /* body of MSG_RECORD that begins the attempt; caller owns */
void row_begun(struct task *t);             /* that one is durable */
void row_end(struct task *t, const char *outcome, const char *detail); /* of the attempt: sent, no answer is awaited */
void progress_say(struct task *t);    /* sends a heart-beat */
void progress_report(struct task *t); /* sends what it waits for, when that is something new */
void progress_clear(struct task *t);  /* it waits for nothing any more */

/* ---- course.c ---- */
void course_enter(struct task *t, enum phase phase);             /* forgets all that was asked in the phase before */
uint32_t course_longer_pause(const struct task *t, uint32_t ms); /* twice as long, up to the longest */
void course_round_over(struct task *t); /* "not yet": the next one comes by an event, or by time if others were asked */
unsigned course_limit_s(const struct task *t); /* of the step at hand, as knobs say */
void course_new_deadline(struct task *t);
void course_free_baseline(struct task *t);
bool course_begins_outage(const struct step *s);
bool course_is_leave(const struct step *s);
const struct step *course_step_named(const struct step_table *table, const char *name, size_t *at); /* NULL: has none */
const struct step *course_leave(const struct task *t, size_t *at); /* of the table of the host at hand; NULL: has none */
void course_attempt(struct task *t, unsigned tried); /* begins this try (1 = first) of the step at hand */
bool course_step(struct task *t); /* begins the step at task->step_at; false when the table is done */
const struct step_table *course_table_of(const struct task *t, const struct whost *h); /* NULL: nothing to do for h */
bool course_host(struct task *t);  /* the next host, from task->at, with something left to do; false: none */
void course_after_host(struct task *t); /* goes to the next host, or ends the task */
bool course_table(struct task *t); /* begins, or goes on where the rows end; false: all is done */
void course_next(struct task *t);  /* the step at hand is done: next step, host, or the end */
/* Sends MSG_DONE and enters PHASE_OVER. */
void course_finish(struct task *t, const char *outcome, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- turns.c: those that return bool return true, "something moved", so that a phase can end with them ---- */
void turn_failed(struct task *t, const struct err *err); /* the attempt: the next try, the way back, or the end */
void turn_too_late(struct task *t);                      /* the deadline is over */
bool turn_to_started(struct task *t);   /* another process runs than the step was about: from its start again */
bool turn_to_leave(struct task *t);     /* somebody put the host back in: it leaves again first */
bool turn_others_first(struct task *t); /* a question: should others of its shard go before the host at hand? */
bool turn_defer(struct task *t);        /* the host at hand goes behind the other hosts of the task */
bool turn_peerless(struct task *t); /* a question: it is out, and nobody else of its shard serves, for long enough? */
bool turn_rejoin(struct task *t);   /* back in at once, and then from the beginning */
const char *turn_undo_says(const struct task *t); /* outcome of the task when the undo at hand fails */
bool turn_stop_here(struct task *t); /* ends the task, or begins its undo, if this is the safe point; else false */

#endif
