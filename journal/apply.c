/* SPDX-License-Identifier: Apache-2.0 */
/* Each type of record as statements. The first statement of each decides whether the record is taken, so that a refused
 * record has changed nothing. */
#include <errno.h>
#include <inttypes.h>

#include "journal/archive.h"
#include "journal/internal.h"

typedef int apply_fn(struct journal_writer *w, const struct journal_entry *e, struct err *err);

static const char *text(const char *s)
{
    return s ? s : "";
}

static int64_t next_seq(struct journal_writer *w, const struct journal_entry *e)
{
    uint64_t by_clock = e->wall_ms << 10; /* goes on across restarts without being stored */

    w->seq = by_clock > w->seq ? by_clock : w->seq + 1;
    return (int64_t)w->seq;
}

/* Did the last statement change anything? */
static bool taken(struct journal_writer *w)
{
    return sqlite3_changes(w->db.db) > 0;
}

/* The record is about something that the journal does not know as open. */
static int not_open(const char *what, uint64_t number, struct err *err)
{
    return err_set(err, ERR_BUG, 0, "%s %" PRIu64 " is not open in the journal", what, number);
}

/* Most steps are of a few tasks: those that are known to be open need not be looked up. */
static uint32_t *known_task(struct journal_writer *w, uint32_t task)
{
    return &w->known[task % JOURNAL_KNOWN_TASKS];
}

static int task_begin(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;

    if (journal_db_run(&w->db, SQL_TASK_BEGIN, err, (int64_t)r->task, (int64_t)r->op, text(r->object), text(r->name),
                       (int64_t)r->wave, (int64_t)e->wall_ms, r->text) < 0)
        return -1;
    return taken(w) ? 0 : not_open("operation", r->op, err);
}

static int end_task(struct journal_writer *w, const struct journal_entry *e, uint64_t op, uint32_t task,
                    enum outcome outcome, const char *why, struct err *err)
{
    if (journal_db_run(&w->db, SQL_TASK_END, err, (int64_t)task, (int64_t)op, (int64_t)e->wall_ms, (int64_t)outcome,
                       why) < 0)
        return -1;
    if (!taken(w))
        return not_open("task", task, err);
    if (*known_task(w, task) == task)
        *known_task(w, task) = 0;
    return journal_archive_task(&w->db, task, err);
}

static int task_end(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    return end_task(w, e, e->rec.op, e->rec.task, e->rec.outcome, e->rec.text, err);
}

static int end_op(struct journal_writer *w, const struct journal_entry *e, uint64_t op, enum outcome outcome,
                  const char *why, struct err *err)
{
    auto_str struct str pack = STR_INIT;
    int64_t open_op, task;
    int rc;

    if ((rc = journal_db_int(&w->db, SQL_OP_OPEN, &open_op, err, (int64_t)op)) <= 0)
        return rc < 0 ? -1 : not_open("operation", op, err);
    while ((rc = journal_db_int(&w->db, SQL_TASK_OPEN_OF, &task, err, (int64_t)op)) > 0)
        if (end_task(w, e, op, (uint32_t)task, OUT_SUPERSEDED, "the operation ended", err) < 0)
            return -1;
    if (rc < 0 || journal_archive_op(&w->db, op, &pack, err) < 0)
        return -1;
    if (journal_db_run(&w->db, SQL_OP_END, err, (int64_t)op, (int64_t)e->wall_ms, (int64_t)outcome, why, pack.s,
                       pack.len) < 0 ||
        journal_db_run(&w->db, SQL_TASK_DELETE, err, (int64_t)op) < 0 ||
        journal_db_run(&w->db, SQL_DECISIONS_OVER, err, (int64_t)op) < 0)
        return -1;
    return journal_archive_trim(&w->db, (int64_t)op, w->keep_ops, w->keep_bytes, err);
}

static int op_end(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    return end_op(w, e, e->rec.op, e->rec.outcome, e->rec.text, err);
}

/* An object has one open operation. Where the end of an earlier one did not get onto a full disk, it must not be taken
 * up after a restart, when this one has long done something else. */
static int op_begin(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;
    int64_t older;
    int rc;

    while ((rc = journal_db_int(&w->db, SQL_OP_OPEN_OF, &older, err, text(r->object))) > 0)
        if (end_op(w, e, (uint64_t)older, OUT_SUPERSEDED, "its end was not written; a later operation began", err) < 0)
            return -1;
    if (rc < 0)
        return -1;
    return journal_db_run(&w->db, SQL_OP_BEGIN, err, (int64_t)r->op, text(r->object), text(r->kind), r->generation,
                          (int64_t)e->wall_ms, r->text);
}

static int need_open_task(struct journal_writer *w, uint32_t task, struct err *err)
{
    int64_t found;
    int rc;

    if (*known_task(w, task) == task && task != 0)
        return 0;
    rc = journal_db_int(&w->db, SQL_TASK_IS_OPEN, &found, err, (int64_t)task);
    if (rc == 0)
        not_open("task", task, err);
    if (rc <= 0)
        return -1;
    *known_task(w, task) = task;
    return 0;
}

static int step_begin(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;

    if (need_open_task(w, r->task, err) < 0)
        return -1;
    return journal_db_run(&w->db, SQL_STEP_BEGIN, err, (int64_t)r->task, text(r->object), text(r->name),
                          (int64_t)r->attempt, next_seq(w, e), (int64_t)e->wall_ms, (int64_t)e->mono_ms, w->boot_id,
                          r->text);
}

static int step_end(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;

    if (journal_db_run(&w->db, SQL_STEP_END, err, (int64_t)r->task, text(r->object), text(r->name), (int64_t)r->attempt,
                       (int64_t)e->wall_ms, (int64_t)r->outcome, r->text) < 0)
        return -1;
    if (taken(w))
        return 0;
    if (need_open_task(w, r->task, err) < 0)
        return -1;
    return journal_db_run(&w->db, SQL_STEP_WHOLE, err, (int64_t)r->task, text(r->object), text(r->name),
                          (int64_t)r->attempt, next_seq(w, e), (int64_t)e->wall_ms, (int64_t)e->mono_ms, w->boot_id,
                          (int64_t)r->outcome, r->text);
}

static int task_id(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;
    int64_t op = 0;
    int rc;

    if (journal_db_run(&w->db, SQL_TASK_ID_ADD, err, text(r->object), text(r->name), (int64_t)r->op,
                       (int64_t)e->wall_ms) < 0)
        return -1;
    if (taken(w))
        return 0;
    rc = journal_db_int(&w->db, SQL_TASK_ID_GET, &op, err, text(r->object), text(r->name));
    if (rc < 0 || (rc > 0 && op == (int64_t)r->op))
        return rc < 0 ? -1 : 0;
    return err_set(err, ERR_REFUSED, 0, "%s: task ID %s was already executed by operation %" PRId64, text(r->object),
                   text(r->name), op);
}

static int decision(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;

    if (!r->name)
        return journal_db_run(&w->db, SQL_DECISION_DELETE, err, text(r->object));
    return journal_db_run(&w->db, SQL_DECISION_SET, err, text(r->object), (int64_t)r->op, (int64_t)r->task, r->name,
                          r->text, (int64_t)e->wall_ms);
}

static int incident(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;

    if (journal_db_run(&w->db, SQL_INCIDENT_ADD, err, (int64_t)r->op, text(r->object), text(r->name), r->text,
                       (int64_t)e->wall_ms) < 0)
        return -1;
    return journal_db_run(&w->db, SQL_INCIDENT_TRIM, err, w->keep_incidents);
}

static int kv(struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    const struct journal_rec *r = &e->rec;

    if (!r->text)
        return journal_db_run(&w->db, SQL_KV_DELETE, err, text(r->name));
    return journal_db_run(&w->db, SQL_KV_SET, err, text(r->name), r->text);
}

static const struct {
    apply_fn *apply;
    const char *name;
    bool ends;   /* needs an outcome */
    bool begins; /* new work: not on the last space of the disk */
} types[] = {
    [JRN_OP_BEGIN] = {op_begin, "operation begin", false, true},
    [JRN_TASK] = {task_begin, "task", false, true},
    [JRN_OP_END] = {op_end, "operation end", true, false},
    [JRN_STEP_BEGIN] = {step_begin, "step begin", false, false},
    [JRN_STEP_END] = {step_end, "step end", true, false},
    [JRN_TASK_END] = {task_end, "task end", true, false},
    [JRN_TASK_ID] = {task_id, "task ID", false, false},
    [JRN_DECISION] = {decision, "decision", false, false},
    [JRN_INCIDENT] = {incident, "incident", false, false},
    [JRN_KV] = {kv, "fact", false, false},
};

static int refuse(const struct journal_writer *w, const struct journal_entry *e, struct err *err)
{
    if (types[e->rec.type].ends && e->rec.outcome == OUT_NONE)
        return err_set(err, ERR_BUG, 0, "an end without outcome");
    if (types[e->rec.type].begins && w->low)
        return err_set(err, ERR_SYS, ENOSPC,
                       "%s: only what has begun is finished on the last of the disk; free some "
                       "space, new work then goes on by itself",
                       w->dir);
    return 0;
}

int journal_apply(struct journal_writer *w, const struct journal_entry *e, bool *alone, struct err *err)
{
    const struct journal_rec *r = &e->rec;

    *alone = true;
    if ((unsigned)r->type >= sizeof types / sizeof *types)
        return err_set(err, ERR_BUG, 0, "journal record of unknown type %d", (int)r->type);
    if (refuse(w, e, err) < 0)
        return err_ctx(err, "journal: %s of %s", types[r->type].name, text(r->object));
    if (types[r->type].apply(w, e, err) < 0) {
        *alone = err->kind == ERR_BUG || err->kind == ERR_REFUSED || err->kind == ERR_CONFLICT;
        return err_ctx(err, "%s of %s (operation %" PRIu64 ", task %u)", types[r->type].name, text(r->object), r->op,
                       r->task);
    }
    if (r->op > w->high_op)
        w->high_op = r->op;
    if (r->task > w->high_task)
        w->high_task = r->task;
    return 0;
}
