/* SPDX-License-Identifier: Apache-2.0 */
/* What was open when the last supervisor ended. A connection of its own, so that look-ups also work while the thread
 * writes; they see what is durable. */
#include "base/log.h"
#include "base/mem.h"
#include "journal/internal.h"

/* A journal that cannot be read must not look like one in which nothing is open. */
static int each(struct journal *j, sqlite3_stmt *s, const struct err *bind_err, int (*row)(sqlite3_stmt *, void *),
                void *arg)
{
    struct err err = *bind_err;
    int rc, stop = 0;

    while (s && (rc = journal_db_next(&j->read, s, &err)) != 0) {
        if (rc < 0)
            break;
        if ((stop = row(s, arg)) != 0) {
            journal_db_done(s);
            return stop;
        }
    }
    if (err.kind == ERR_NONE)
        return 0;
    log_error(j->writer.dir, "recovery: %s", err.msg);
    return -1;
}

struct walk {
    int (*op)(void *ctx, const struct journal_op *);
    int (*task)(void *ctx, const struct journal_task *);
    int (*step)(void *ctx, const struct journal_step *);
    void *ctx;
    uint32_t number;
};

static int op_row(sqlite3_stmt *s, void *arg)
{
    const struct walk *walk = arg;
    struct journal_op op = {
        .op = (uint64_t)sqlite3_column_int64(s, 0),
        .object = journal_db_text(s, 1),
        .kind = journal_db_text(s, 2),
        .generation = sqlite3_column_int64(s, 3),
        .plan = journal_db_text(s, 4),
    };
    return walk->op(walk->ctx, &op);
}

static int task_row(sqlite3_stmt *s, void *arg)
{
    const struct walk *walk = arg;
    struct journal_task task = {
        .op = (uint64_t)sqlite3_column_int64(s, 9),
        .task = (uint32_t)sqlite3_column_int64(s, 0),
        .wave = (uint32_t)sqlite3_column_int64(s, 1),
        .object = journal_db_text(s, 2),
        .name = journal_db_text(s, 3),
        .outcome = (enum outcome)sqlite3_column_int(s, 4),
        .text = journal_db_text(s, 8),
    };
    return walk->task(walk->ctx, &task);
}

static int step_row(sqlite3_stmt *s, void *arg)
{
    const struct walk *walk = arg;
    struct journal_step step = {
        .op = (uint64_t)sqlite3_column_int64(s, 0),
        .task = walk->number,
        .object = journal_db_text(s, 1),
        .name = journal_db_text(s, 2),
        .attempt = (uint32_t)sqlite3_column_int64(s, 3),
        .wall_ms = (uint64_t)sqlite3_column_int64(s, 4),
        .mono_ms = (uint64_t)sqlite3_column_int64(s, 5),
        .boot_id = journal_db_text(s, 6),
        .outcome = (enum outcome)sqlite3_column_int(s, 7),
        .baseline = journal_db_text(s, 8),
        .detail = journal_db_text(s, 9),
    };
    return walk->step(walk->ctx, &step);
}

int journal_each_open_op(struct journal *j, int (*fn)(void *ctx, const struct journal_op *), void *ctx)
{
    struct walk walk = {.op = fn, .ctx = ctx};
    struct err err = ERR_INIT;

    return each(j, journal_db_bind(&j->read, SQL_OPEN_OPS, &err), &err, op_row, &walk);
}

int journal_each_task(struct journal *j, uint64_t op, int (*fn)(void *ctx, const struct journal_task *), void *ctx)
{
    struct walk walk = {.task = fn, .ctx = ctx};
    struct err err = ERR_INIT;

    return each(j, journal_db_bind(&j->read, SQL_TASK_LIST, &err, (int64_t)op), &err, task_row, &walk);
}

int journal_each_step(struct journal *j, uint32_t task, int (*fn)(void *ctx, const struct journal_step *), void *ctx)
{
    struct walk walk = {.step = fn, .ctx = ctx, .number = task};
    struct err err = ERR_INIT;

    return each(j, journal_db_bind(&j->read, SQL_NEWEST_STEPS, &err, (int64_t)task), &err, step_row, &walk);
}

/* An answer that cannot be had counts as "done": a task ID that is not run at all is seen and given anew, one that runs
 * twice restarts a fleet twice. */
bool journal_task_id_done(struct journal *j, const char *object, const char *task_id, uint64_t *op)
{
    struct err err = ERR_INIT;
    int64_t v = 0;
    int rc = journal_db_int(&j->read, SQL_TASK_ID_GET, &v, &err, object, task_id);

    if (rc < 0)
        log_error(object, "task ID %s is taken as executed: %s", task_id, err.msg);
    if (rc != 0 && op)
        *op = (uint64_t)v;
    return rc != 0;
}

char *journal_kv(struct journal *j, const char *key)
{
    struct err err = ERR_INIT;
    sqlite3_stmt *s = journal_db_bind(&j->read, SQL_KV_GET, &err, key);
    char *value = NULL;

    if (s && journal_db_next(&j->read, s, &err) == 1) {
        value = mem_str(journal_db_text(s, 0));
        journal_db_done(s);
    }
    if (err.kind != ERR_NONE)
        log_error(j->writer.dir, "reading %s: %s", key, err.msg);
    return value;
}
