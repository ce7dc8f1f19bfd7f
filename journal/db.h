/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SQLite connection of the journal with its prepared statements. The statements are named in statements.sql
 * together with the types of their parameters; everything here takes the values after `err`: int64_t for 'i', const
 * char * (NULL allowed) for 's', const void * and size_t for 'b'. A connection belongs to one thread at a time.
 */
#ifndef JOURNAL_DB_H
#define JOURNAL_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "journal/sql_text.h"

struct journal_db {
    sqlite3 *db;
    sqlite3_stmt *stmt[SQL_COUNT];
};

enum { JOURNAL_APPLICATION_ID = 0x63666a72 }; /* "cfjr" */

/* Opens an existing or new file. `read_only` never writes to it, also not when it is the last to close a WAL; with
 * `immutable` nothing may change the file meanwhile (no lock, no -shm). */
enum { DB_READ_ONLY = 1, DB_IMMUTABLE = 2, DB_CREATE = 4 };
int journal_db_open(struct journal_db *d, const char *path, unsigned flags, struct err *err);
void journal_db_close(struct journal_db *d); /* closed already is allowed */

/* Sets err from the connection's last error (ERR_SYS/ENOSPC: disk full; ERR_INPUT: damaged file; ERR_CONFLICT: a
 * constraint; ERR_AGAIN: locked by another program) and returns -1. */
int journal_db_error(struct journal_db *d, struct err *err);

int journal_db_exec(struct journal_db *d, const char *sql, struct err *err);
/* First column of the first row of any SQL text. */
int journal_db_pragma(struct journal_db *d, const char *sql, int64_t *out, struct err *err);

/* Binds and returns the statement, ready for journal_db_next(); NULL and err when that fails. */
sqlite3_stmt *journal_db_bind(struct journal_db *d, enum journal_sql id, struct err *err, ...);
/* 1: there is a row; 0: none is left; -1: failed. After 0 and -1 the statement is reset. */
int journal_db_next(struct journal_db *d, sqlite3_stmt *s, struct err *err);
void journal_db_done(sqlite3_stmt *s); /* resets before the last row was read */

/* Runs to the end. */
int journal_db_run(struct journal_db *d, enum journal_sql id, struct err *err, ...);
/* First column of the first row: 1 and *out, 0 no row, -1 failed. */
int journal_db_int(struct journal_db *d, enum journal_sql id, int64_t *out, struct err *err, ...);

/* Column as text, NULL for NULL; valid until the next row. */
const char *journal_db_text(sqlite3_stmt *s, int column);

#endif
