/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ended work in few bytes. The archive row of a task is the packed array of enum task_field (archive.c), its steps by
 * column, since a column packs better than a row. op.pack of an ended operation is
 *   [plan, [task, wave, object, table, outcome, ms since the task before began, duration, why, text, …]].
 * Texts that are JSON objects or arrays in compact form are stored as such. Boot ids and monotonic clocks of ended
 * steps are not kept: nothing waits for them any more.
 */
#ifndef JOURNAL_ARCHIVE_H
#define JOURNAL_ARCHIVE_H

#include "base/json.h"
#include "journal/db.h"

/* Packs the steps of an ended task and deletes them. In the writer's transaction. */
int journal_archive_task(struct journal_db *d, uint32_t task, struct err *err);
/* Packs plan and tasks of an operation into out. The tasks are deleted once the operation has its pack. */
int journal_archive_op(struct journal_db *d, uint64_t op, struct str *out, struct err *err);
/* Deletes what is more than `keep` operations of the object of operation `ended`, and the oldest operations while the
 * file has more than keep_bytes in use. Open operations stay. Gives back pages when many are free. */
int journal_archive_trim(struct journal_db *d, int64_t ended, int64_t keep, int64_t keep_bytes, struct err *err);

/* Readers: adds one object per step to the array. */
struct journal_shown_step {
    uint32_t task;
    const char *table, *object, *name;
    int64_t attempt, begun_ms, ended_ms; /* ended_ms 0: not ended */
    int outcome;
};
cJSON *journal_show_step(cJSON *array, const struct journal_shown_step *s); /* the object, borrowed */
int journal_archive_show(struct journal_db *d, uint32_t task, const void *pack, size_t len, cJSON *array,
                         struct err *err);

/* op.pack as {plan, tasks}. Caller owns. */
cJSON *journal_archive_plan(struct journal_db *d, const void *pack, size_t len, struct err *err);

struct journal_shown_task {
    int64_t task, wave, begun_ms, ended_ms;
    const char *object, *table, *why;
    int outcome;
};
cJSON *journal_show_task(cJSON *array, const struct journal_shown_task *t); /* the object, borrowed */

/* Text as JSON when it is a compact object or array, else as a string; NULL gives null. */
cJSON *journal_text_value(const char *text);

#endif
