/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: what chfleet is about to do, written down and durable before it is done. SQLite in DIR/journal.db: WAL,
 * synchronous=FULL, STRICT tables, user_version migrations, one writer.
 *
 * Records are handed over with journal_put() and acknowledged in order, once their transaction is on disk. All records
 * that wait when the writer becomes free share one commit. The writer is a thread (acks come through an eventfd on the
 * loop) or, with JOURNAL_INLINE, the caller itself (simulation, tests): then put() commits at once and the ack comes
 * from a 0 ms timer of the world. Nothing else differs.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/world.h"

struct journal;
struct event_base;

enum {
    JOURNAL_INLINE = 1,
    JOURNAL_NO_BALLAST = 2, /* no space is kept back (simulation, tests) */
};

/* What a record says. Fields not named for a type are 0/NULL. All strings are copied by journal_put(). */
enum journal_type {
    JRN_OP_BEGIN,   /* op, object, kind, generation, text = plan as JSON: written whole before anything is touched */
    JRN_TASK,       /* op, task, object = shard key, name = table, wave, text = task as JSON */
    JRN_OP_END,     /* op, outcome, text = why */
    JRN_STEP_BEGIN, /* op, task, object = host key, name = step, attempt, text = baseline JSON */
    JRN_STEP_END,   /* op, task, object, name, attempt, outcome, text = detail */
    JRN_TASK_END,   /* op, task, outcome, text; its steps are packed into one archive row */
    JRN_TASK_ID,  /* object = "ns/installation", name = spec.taskID, op: this task ID is executed by op; unique for ever
                   */
    JRN_DECISION, /* op, task, object, name = reason code (WAIT_PEER …), text: why something waits or was refused;
                     NULL name = the wait is over. One row per object, the newest */
    JRN_INCIDENT, /* op, object, name = code, text */
    JRN_KV,       /* name = key, text = value (NULL deletes): small durable facts (epoch, ports, …) */
};

enum outcome { OUT_NONE, OUT_DONE, OUT_ALREADY, OUT_FAILED, OUT_UNDONE, OUT_SUPERSEDED, OUT_REFUSED };
const char *outcome_name(enum outcome o); /* "done", "already so", …; OUT_NONE: "open" */

struct journal_rec {
    enum journal_type type;
    uint64_t op;
    uint32_t task, wave, attempt;
    int64_t generation;
    const char *object, *kind, *name, *text;
    enum outcome outcome;
};

/* err is NULL when durable. After a failed commit (disk full …) every record gets its ack with the error, in order, and
 * was not stored; ERR_SYS/ENOSPC when the disk is full even after the ballast was given up. */
typedef void journal_ack_fn(void *ctx, const struct err *err);

/* Opens or creates DIR/journal.db and DIR/ballast; takes DIR/journal.lock (flock): a second supervisor gets ERR_REFUSED
 * with the pid of the first. A file of a newer version, a damaged one, or one that is not ours gets ERR_INPUT saying
 * what to do; nothing is changed in it. `base` is the loop for acks (NULL with JOURNAL_INLINE). May block (opening). */
int journal_open(struct journal **out, const char *dir, struct world *w, struct event_base *base, unsigned flags,
                 struct err *err);
/* Writes what waits, then closes; blocks. Acks not delivered by then are not called any more. NULL is allowed. */
void journal_close(struct journal *j);

/* Numbers that survive: operations and tasks are numbered from here. */
uint64_t journal_next_op(struct journal *j);
uint32_t journal_next_task(struct journal *j);
/* Numbers up to these are taken (seen in annotations when the journal is empty): the next ones are higher. */
void journal_skip_numbers(struct journal *j, uint64_t op, uint32_t task);

/* ack may be NULL. An ack may put, but not close. A record that contradicts the journal is refused alone, the rest of
 * its commit stands: ERR_BUG (task or operation not open, an end without outcome), ERR_CONFLICT (number used already),
 * ERR_REFUSED (task ID executed by another operation). A step that was true already has an end without a begin; a step
 * that begins closes what was open on its host as superseded; the end of an operation ends its open tasks. */
void journal_put(struct journal *j, const struct journal_rec *rec, journal_ack_fn *ack, void *ctx);

/* For /metrics. waiting: records without a result yet. */
void journal_stats(struct journal *j, uint64_t *commits, uint64_t *records, uint64_t *waiting);
/* The disk was full and the ballast is in use: what has begun can be finished, JRN_OP_BEGIN and JRN_TASK are refused
 * with ENOSPC until there is space again (noticed by itself at the next record). */
bool journal_low(struct journal *j);

/* ---- recovery, right after open, before the first put; blocks. ---- */
struct journal_op {
    uint64_t op;
    const char *object, *kind, *plan;
    int64_t generation;
};
struct journal_task {
    uint64_t op;
    uint32_t task, wave;
    const char *object, *name, *text;
    enum outcome outcome; /* OUT_NONE: not ended */
};
struct journal_step {
    uint64_t op;
    uint32_t task, attempt;
    const char *object, *name, *baseline, *detail;
    uint64_t wall_ms, mono_ms;
    const char *boot_id;
    enum outcome outcome; /* OUT_NONE: begun and not ended */
};
/* Strings are valid during the call only. A callback that returns non-zero ends the walk; that value is returned; -1
 * also when the journal cannot be read (logged). Walks of different kinds may be nested. Steps come in the order in
 * which they began. All may be used later too, on the same thread: they see what has been acknowledged. */
int journal_each_open_op(struct journal *j, int (*fn)(void *ctx, const struct journal_op *), void *ctx);
int journal_each_task(struct journal *j, uint64_t op, int (*fn)(void *ctx, const struct journal_task *), void *ctx);
/* Newest row per (host, step) of an unended task; at most one row per host has outcome OUT_NONE. */
int journal_each_step(struct journal *j, uint32_t task, int (*fn)(void *ctx, const struct journal_step *), void *ctx);
bool journal_task_id_done(struct journal *j, const char *object, const char *task_id, uint64_t *op);
/* Caller frees; NULL when absent. */
char *journal_kv(struct journal *j, const char *key);

/* ---- readers (chfleet history, why, dump; the status page): a read-only handle of their own ---- */
/* Works while a supervisor writes, between two of them, and after a crash. Nothing is changed in journal.db and its WAL
 * (a -shm file may appear after a crash). Times are milliseconds since 1970. ERR_MISSING: no journal there. */
struct journal_reader;
int journal_read_open(struct journal_reader **out, const char *dir, struct err *err);
void journal_read_close(struct journal_reader *r);
/* Each returns a new JSON array, newest first, at most `limit` rows; object_prefix "" = all. Archived steps included.
 * NULL and err when the journal cannot be read.
 * ops: {op, object, kind, generation, begun, ended?, outcome, why?}
 * steps: {task, table, object, step, attempt, outcome, begun, ended?, baseline?, detail?}
 * decisions: {object, op, task, code, text?, since, at}; incidents: {id, op, object, code, text?, at} */
cJSON *journal_read_ops(struct journal_reader *r, const char *object_prefix, int limit, struct err *err);
cJSON *journal_read_steps(struct journal_reader *r, uint64_t op, struct err *err);
cJSON *journal_read_decisions(struct journal_reader *r, const char *object_prefix, struct err *err);
cJSON *journal_read_incidents(struct journal_reader *r, const char *object_prefix, int limit, struct err *err);
/* {plan, tasks: [{task, wave, object, table, outcome, begun, ended?, why?, text?}]}; ERR_MISSING: no such operation. */
cJSON *journal_read_plan(struct journal_reader *r, uint64_t op, struct err *err);

#endif
