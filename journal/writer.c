/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit, and what happens when the disk is full. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "journal/files.h"
#include "journal/internal.h"

static void set_err(struct journal_entry *e, const struct err *err)
{
    if (!e->err)
        e->err = mem_alloc(sizeof *e->err);
    *e->err = *err;
}

static void clear_errs(struct journal_entry *first, const struct journal_entry *end)
{
    for (struct journal_entry *e = first; e != end; e = e->next)
        mem_freep(&e->err), e->err = NULL;
}

static int store_numbers(struct journal_writer *w, struct err *err)
{
    if (w->high_op > w->saved_op && journal_db_run(&w->db, SQL_NUMBER_SET, err, "op", (int64_t)w->high_op) < 0)
        return -1;
    if (w->high_task > w->saved_task && journal_db_run(&w->db, SQL_NUMBER_SET, err, "task", (int64_t)w->high_task) < 0)
        return -1;
    return 0;
}

static int apply_all(struct journal_writer *w, struct journal_entry *first, const struct journal_entry *end,
                     struct err *err)
{
    for (struct journal_entry *e = first; e != end; e = e->next) {
        struct err why = ERR_INIT;
        bool alone;

        if (journal_apply(w, e, &alone, &why) == 0)
            continue;
        if (!alone) {
            *err = why;
            return -1;
        }
        set_err(e, &why);
    }
    return store_numbers(w, err);
}

/* The records from `first` up to but not including `end` in one transaction. */
static int write_once(struct journal_writer *w, struct journal_entry *first, const struct journal_entry *end,
                      struct err *err)
{
    uint64_t op = w->high_op;
    uint32_t task = w->high_task;

    clear_errs(first, end);
    if (journal_db_run(&w->db, SQL_BEGIN, err) == 0 && apply_all(w, first, end, err) == 0 &&
        journal_db_run(&w->db, SQL_COMMIT, err) == 0) {
        w->saved_op = w->high_op;
        w->saved_task = w->high_task;
        return 0;
    }
    if (!sqlite3_get_autocommit(w->db.db))
        sqlite3_exec(w->db.db, "ROLLBACK", NULL, NULL, NULL);
    w->high_op = op;
    w->high_task = task;
    memset(w->known, 0, sizeof w->known);
    return -1;
}

static bool is_full(const struct err *err)
{
    return err->kind == ERR_SYS && err->sys == ENOSPC;
}

/* Once there is space again the ballast is made again, and new work may begin. */
static void refill(struct journal_writer *w)
{
    if (!w->low || journal_ballast_make(w->dir, w->ballast_bytes, NULL) < 0)
        return;
    w->low = false;
    log_note(w->dir, "the disk has space again; the journal keeps its reserve and new work begins again");
}

static bool give_ballast(struct journal_writer *w)
{
    if (!w->ballast_bytes || !journal_ballast_give(w->dir))
        return false;
    if (!w->low)
        log_warn(w->dir,
                 "the disk is full: the journal uses its reserve of %zu KiB to finish what has begun; free some "
                 "space, new work waits for it",
                 w->ballast_bytes / 1024);
    w->low = true;
    return true;
}

static int write_range(struct journal_writer *w, struct journal_entry *first, const struct journal_entry *end,
                       uint64_t *commits)
{
    struct err err = ERR_INIT;
    int rc = write_once(w, first, end, &err);

    while (rc < 0 && is_full(&err) && give_ballast(w))
        rc = write_once(w, first, end, &err);
    if (rc == 0) {
        ++*commits;
        return 0;
    }
    for (struct journal_entry *e = first; e != end; e = e->next)
        set_err(e, &err);
    return is_full(&err) ? 1 : -1;
}

void journal_write_batch(struct journal_writer *w, struct journal_entry *first, uint64_t *commits)
{
    refill(w);
    if (write_range(w, first, NULL, commits) <= 0 || !first->next)
        return;
    /* Full even so: a large record must not take the small ones with it. */
    for (struct journal_entry *e = first; e; e = e->next)
        write_range(w, e, e->next, commits);
}
