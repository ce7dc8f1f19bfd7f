/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a data directory beside the database itself: lock and ballast. All may block as a local disk does.
 * The database file itself is opened by SQLite only: closing any other descriptor of it would drop SQLite's locks. */
#ifndef JOURNAL_FILES_H
#define JOURNAL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* flock on DIR/journal.lock, with our pid in it. ERR_REFUSED names the pid that holds it. The fd is the lock. */
int journal_lock(const char *dir, int *fd, struct err *err);

/* DIR/ballast: space kept back for the day when the disk is full. It is given up bit by bit, so that whoever filled the
 * disk does not take it all at once. */
int journal_ballast_make(const char *dir, size_t bytes,
                         struct err *err);  /* whole already = success; leaves room for others */
bool journal_ballast_give(const char *dir); /* true: some space is free now */

/* Size of a file, -1 when absent. */
int64_t journal_file_size(const char *path);

/* Makes renames and new names in DIR durable. */
int journal_sync_dir(const char *dir, struct err *err);

#endif
