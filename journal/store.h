/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the database file of a data directory: made whole when absent, checked, migrated. */
#ifndef JOURNAL_STORE_H
#define JOURNAL_STORE_H

#include "journal/db.h"

/* For the process that holds the lock. Anything that is not a sound journal of this version or an older one is
 * ERR_INPUT and stays as it is. */
int journal_store_open(struct journal_db *d, const char *dir, int64_t now_ms, struct err *err);

/* For readers. *immutable: nobody writes just now, the file is read without locks; the reader checks that it stayed so.
 */
int journal_store_read(struct journal_db *d, const char *dir, bool *immutable, struct err *err);

/* Brings the open database to `version` by the texts schema[user_version … version - 1], one transaction each. */
int journal_migrate(struct journal_db *d, const char *const *schema, int version, int64_t now_ms, struct err *err);

#endif
