/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "journal/archive.h"
#include "journal/files.h"
#include "journal/journal.h"
#include "journal/store.h"

enum { ROUNDS = 5 }; /* how often a supervisor may start or stop under one query */

/* What tells that the file was not touched: it is written only when a WAL goes into it. */
struct mark {
    int64_t size, wal;
    struct timespec changed;
    ino_t inode;
};

struct journal_reader {
    struct journal_db db;
    char *dir, *path, *wal;
    bool open, immutable;
    struct mark mark;
};

typedef cJSON *query_fn(struct journal_db *d, const void *arg, struct err *err);

struct query_arg {
    const char *prefix;
    int64_t number; /* limit or operation */
};

static void take_mark(const struct journal_reader *r, struct mark *m)
{
    struct stat st = {0};

    *m = (struct mark){.size = -1};
    if (stat(r->path, &st) == 0)
        *m = (struct mark){.size = (int64_t)st.st_size, .changed = st.st_mtim, .inode = st.st_ino};
    m->wal = journal_file_size(r->wal);
}

static bool still_so(const struct journal_reader *r)
{
    struct mark now;

    take_mark(r, &now);
    return now.size == r->mark.size && now.wal == r->mark.wal && now.inode == r->mark.inode &&
           now.changed.tv_sec == r->mark.changed.tv_sec && now.changed.tv_nsec == r->mark.changed.tv_nsec;
}

static void drop(struct journal_reader *r)
{
    if (r->open)
        journal_db_close(&r->db);
    r->open = false;
}

static int ensure_open(struct journal_reader *r, struct err *err)
{
    if (r->open && (!r->immutable || still_so(r)))
        return 0;
    drop(r);
    take_mark(r, &r->mark);
    if (journal_store_read(&r->db, r->dir, &r->immutable, err) < 0)
        return -1;
    r->open = true;
    return 0;
}

/* A file without a WAL is read without locks, which is right as long as it stays so: looked at after each query, and
 * asked again when a supervisor came meanwhile. */
static cJSON *ask(struct journal_reader *r, query_fn *query, const void *arg, struct err *err)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct err why = ERR_INIT;
        cJSON *j = ensure_open(r, &why) == 0 ? query(&r->db, arg, &why) : NULL;

        if (!r->open || !r->immutable || still_so(r)) {
            if (!j && err)
                *err = why;
            return j;
        }
        cJSON_Delete(j);
        drop(r);
    }
    err_set(err, ERR_AGAIN, 0, "the journal in %s is being opened and closed again and again: try again later", r->dir);
    return NULL;
}

int journal_read_open(struct journal_reader **out, const char *dir, struct err *err)
{
    struct journal_reader *r = mem_zero(sizeof *r);

    r->dir = mem_str(dir);
    r->path = mem_printf("%s/journal.db", dir);
    r->wal = mem_printf("%s/journal.db-wal", dir);
    if (ensure_open(r, err) < 0) {
        journal_read_close(r);
        return -1;
    }
    *out = r;
    return 0;
}

void journal_read_close(struct journal_reader *r)
{
    if (!r)
        return;
    drop(r);
    free(r->dir);
    free(r->path);
    free(r->wal);
    free(r);
}

/* ---- queries: each makes an array and fills it row by row ---- */

static cJSON *rows(struct journal_db *d, sqlite3_stmt *s, void (*row)(sqlite3_stmt *, cJSON *), struct err *err)
{
    cJSON *array = cJSON_CreateArray();
    int rc = -1;

    while (s && (rc = journal_db_next(d, s, err)) > 0)
        row(s, array);
    if (rc == 0)
        return array;
    cJSON_Delete(array);
    return NULL;
}

static void set_int(cJSON *j, const char *key, sqlite3_stmt *s, int column)
{
    if (sqlite3_column_type(s, column) != SQLITE_NULL)
        json_set_int(j, key, sqlite3_column_int64(s, column));
}

static void set_str(cJSON *j, const char *key, sqlite3_stmt *s, int column)
{
    json_set_str(j, key, journal_db_text(s, column));
}

static cJSON *new_row(cJSON *array)
{
    cJSON *j = cJSON_CreateObject();

    cJSON_AddItemToArray(array, j);
    return j;
}

static void op_row(sqlite3_stmt *s, cJSON *array)
{
    cJSON *j = new_row(array);

    set_int(j, "op", s, 0);
    set_str(j, "object", s, 1);
    set_str(j, "kind", s, 2);
    set_int(j, "generation", s, 3);
    set_int(j, "begun", s, 4);
    set_int(j, "ended", s, 5);
    json_set_str(j, "outcome", outcome_name((enum outcome)sqlite3_column_int(s, 6)));
    set_str(j, "why", s, 7);
}

static void decision_row(sqlite3_stmt *s, cJSON *array)
{
    cJSON *j = new_row(array);

    set_str(j, "object", s, 0);
    set_int(j, "op", s, 1);
    set_int(j, "task", s, 2);
    set_str(j, "code", s, 3);
    set_str(j, "text", s, 4);
    set_int(j, "since", s, 5);
    set_int(j, "at", s, 6);
}

static void incident_row(sqlite3_stmt *s, cJSON *array)
{
    cJSON *j = new_row(array);

    set_int(j, "id", s, 0);
    set_int(j, "op", s, 1);
    set_str(j, "object", s, 2);
    set_str(j, "code", s, 3);
    set_str(j, "text", s, 4);
    set_int(j, "at", s, 5);
}

static void step_row(sqlite3_stmt *s, cJSON *array)
{
    struct journal_shown_step step = {
        .task = (uint32_t)sqlite3_column_int64(s, 0),
        .table = journal_db_text(s, 1),
        .object = journal_db_text(s, 2),
        .name = journal_db_text(s, 3),
        .attempt = sqlite3_column_int64(s, 4),
        .outcome = sqlite3_column_int(s, 5),
        .begun_ms = sqlite3_column_int64(s, 6),
        .ended_ms = sqlite3_column_int64(s, 7),
    };
    cJSON *j = journal_show_step(array, &step);

    if (journal_db_text(s, 8))
        json_set(j, "baseline", journal_text_value(journal_db_text(s, 8)));
    if (journal_db_text(s, 9))
        json_set(j, "detail", journal_text_value(journal_db_text(s, 9)));
}

static void task_row(sqlite3_stmt *s, cJSON *array)
{
    struct journal_shown_task t = {
        .task = sqlite3_column_int64(s, 0),
        .wave = sqlite3_column_int64(s, 1),
        .object = journal_db_text(s, 2),
        .table = journal_db_text(s, 3),
        .outcome = sqlite3_column_int(s, 4),
        .begun_ms = sqlite3_column_int64(s, 5),
        .ended_ms = sqlite3_column_int64(s, 6),
        .why = journal_db_text(s, 7),
    };
    cJSON *j = journal_show_task(array, &t);

    if (journal_db_text(s, 8))
        json_set(j, "text", journal_text_value(journal_db_text(s, 8)));
}

static cJSON *query_ops(struct journal_db *d, const void *arg, struct err *err)
{
    const struct query_arg *a = arg;

    return rows(d, journal_db_bind(d, SQL_READ_OPS, err, a->prefix, a->number), op_row, err);
}

static cJSON *query_decisions(struct journal_db *d, const void *arg, struct err *err)
{
    const struct query_arg *a = arg;

    return rows(d, journal_db_bind(d, SQL_READ_DECISIONS, err, a->prefix), decision_row, err);
}

static cJSON *query_incidents(struct journal_db *d, const void *arg, struct err *err)
{
    const struct query_arg *a = arg;

    return rows(d, journal_db_bind(d, SQL_READ_INCIDENTS, err, a->prefix, a->number), incident_row, err);
}

static int newest_first(const void *a, const void *b)
{
    const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;
    int64_t tx = json_int(x, "begun", 0), ty = json_int(y, "begun", 0);

    return tx == ty ? json_int(x, "#", 0) < json_int(y, "#", 0) ? 1 : -1 : tx < ty ? 1 : -1;
}

/* Steps come task by task; "#" keeps the order of those of one millisecond. */
static cJSON *sort_steps(cJSON *array)
{
    int n = cJSON_GetArraySize(array);
    cJSON **items = mem_array((size_t)n, sizeof *items);

    for (int i = 0; i < n; i++) {
        items[i] = cJSON_DetachItemFromArray(array, 0);
        json_set_int(items[i], "#", i);
    }
    qsort(items, (size_t)n, sizeof *items, newest_first);
    for (int i = 0; i < n; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(items[i], "#");
        cJSON_AddItemToArray(array, items[i]);
    }
    free(items);
    return array;
}

static int archived_steps(struct journal_db *d, int64_t op, cJSON *array, struct err *err)
{
    sqlite3_stmt *s = journal_db_bind(d, SQL_READ_ARCHIVE, err, op);
    int rc = -1;

    while (s && (rc = journal_db_next(d, s, err)) > 0)
        if (journal_archive_show(d, (uint32_t)sqlite3_column_int64(s, 0), sqlite3_column_blob(s, 1),
                                 (size_t)sqlite3_column_bytes(s, 1), array, err) < 0) {
            journal_db_done(s);
            return -1;
        }
    return rc;
}

static cJSON *query_steps_now(struct journal_db *d, const void *arg, struct err *err)
{
    const struct query_arg *a = arg;
    cJSON *array = rows(d, journal_db_bind(d, SQL_READ_STEPS, err, a->number), step_row, err);

    if (array && archived_steps(d, a->number, array, err) == 0)
        return sort_steps(array);
    cJSON_Delete(array);
    return NULL;
}

static cJSON *query_plan_now(struct journal_db *d, const void *arg, struct err *err)
{
    const struct query_arg *a = arg;
    sqlite3_stmt *s = journal_db_bind(d, SQL_READ_PLAN, err, a->number);
    cJSON *out, *tasks;
    int rc = s ? journal_db_next(d, s, err) : -1;

    if (rc == 0)
        err_set(err, ERR_MISSING, 0, "operation %" PRId64 " is not in the journal", a->number);
    if (rc <= 0)
        return NULL;
    if (sqlite3_column_type(s, 1) != SQLITE_NULL) {
        out = journal_archive_plan(d, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), err);
        journal_db_done(s);
        return out;
    }
    out = cJSON_CreateObject();
    json_set(out, "plan", journal_text_value(journal_db_text(s, 0)));
    journal_db_done(s);
    tasks = rows(d, journal_db_bind(d, SQL_TASK_LIST, err, a->number), task_row, err);
    if (tasks) {
        json_set(out, "tasks", tasks);
        return out;
    }
    cJSON_Delete(out);
    return NULL;
}

/* Several statements see one state. */
static cJSON *in_transaction(struct journal_db *d, query_fn *query, const void *arg, struct err *err)
{
    cJSON *j;

    if (journal_db_exec(d, "BEGIN", err) < 0)
        return NULL;
    j = query(d, arg, err);
    sqlite3_exec(d->db, "COMMIT", NULL, NULL, NULL);
    return j;
}

static cJSON *query_steps(struct journal_db *d, const void *arg, struct err *err)
{
    return in_transaction(d, query_steps_now, arg, err);
}

static cJSON *query_plan(struct journal_db *d, const void *arg, struct err *err)
{
    return in_transaction(d, query_plan_now, arg, err);
}

cJSON *journal_read_ops(struct journal_reader *r, const char *object_prefix, int limit, struct err *err)
{
    struct query_arg arg = {object_prefix, limit};

    return ask(r, query_ops, &arg, err);
}

cJSON *journal_read_steps(struct journal_reader *r, uint64_t op, struct err *err)
{
    struct query_arg arg = {NULL, (int64_t)op};

    return ask(r, query_steps, &arg, err);
}

cJSON *journal_read_decisions(struct journal_reader *r, const char *object_prefix, struct err *err)
{
    struct query_arg arg = {object_prefix, 0};

    return ask(r, query_decisions, &arg, err);
}

cJSON *journal_read_incidents(struct journal_reader *r, const char *object_prefix, int limit, struct err *err)
{
    struct query_arg arg = {object_prefix, limit};

    return ask(r, query_incidents, &arg, err);
}

cJSON *journal_read_plan(struct journal_reader *r, uint64_t op, struct err *err)
{
    struct query_arg arg = {NULL, (int64_t)op};

    return ask(r, query_plan, &arg, err);
}
