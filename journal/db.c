/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/db.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"

#define JOURNAL_SQL_TABLE
#include "journal/sql_text.h"

enum { BUSY_MS = 5000 };

int journal_db_error(struct journal_db *d, struct err *err)
{
    int rc = d->db ? sqlite3_errcode(d->db) : SQLITE_NOMEM, sys = d->db ? sqlite3_system_errno(d->db) : 0;
    const char *text = d->db ? sqlite3_errmsg(d->db) : "out of memory";

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return err_set(err, ERR_SYS, ENOSPC, "the journal cannot be written");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_INPUT, 0, "the journal is damaged (%s)", text);
    case SQLITE_CONSTRAINT:
        return err_set(err, ERR_CONFLICT, 0, "the journal does not take the record: %s", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_AGAIN, 0, "the journal is locked by another program");
    }
    if (sys == ENOSPC || sys == EDQUOT)
        return err_set(err, ERR_SYS, ENOSPC, "the journal cannot be written");
    return err_set(err, ERR_SYS, sys ? sys : EIO, "journal: %s", text);
}

int journal_db_open(struct journal_db *d, const char *path, unsigned flags, struct err *err)
{
    auto_str struct str uri = STR_INIT;
    int mode = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    int on = 0;

    *d = (struct journal_db){0};
    mode |= flags & DB_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    mode |= flags & DB_CREATE ? SQLITE_OPEN_CREATE : 0;
    str_add(&uri, "file:");
    for (const char *p = path; *p; p++)
        str_addf(&uri, *p == '?' || *p == '#' || *p == '%' ? "%%%02x" : "%c", (unsigned char)*p);
    str_add(&uri, flags & DB_IMMUTABLE ? "?immutable=1" : "");
    if (sqlite3_open_v2(str_text(&uri), &d->db, mode, NULL) != SQLITE_OK) {
        journal_db_error(d, err);
        journal_db_close(d);
        return -1;
    }
    sqlite3_busy_timeout(d->db, BUSY_MS);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (flags & DB_READ_ONLY) != 0, &on);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &on);
    return 0;
}

void journal_db_close(struct journal_db *d)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(d->stmt[i]);
    sqlite3_close(d->db);
    *d = (struct journal_db){0};
}

int journal_db_exec(struct journal_db *d, const char *sql, struct err *err)
{
    return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : journal_db_error(d, err);
}

int journal_db_pragma(struct journal_db *d, const char *sql, int64_t *out, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    if (rc != SQLITE_ROW)
        journal_db_error(d, err);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? 0 : -1;
}

static void bind_values(sqlite3_stmt *s, const char *types, va_list ap)
{
    for (int i = 1; types[i - 1]; i++) {
        if (types[i - 1] == 'i') {
            sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
        } else if (types[i - 1] == 's') {
            sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else {
            const void *data = va_arg(ap, const void *);
            sqlite3_bind_blob64(s, i, data, va_arg(ap, size_t), SQLITE_STATIC);
        }
    }
}

static sqlite3_stmt *bind_list(struct journal_db *d, enum journal_sql id, struct err *err, va_list ap)
{
    sqlite3_stmt **s = &d->stmt[id];

    if (!*s && sqlite3_prepare_v3(d->db, journal_sql[id].text, -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK) {
        journal_db_error(d, err);
        return NULL;
    }
    bind_values(*s, journal_sql[id].types, ap);
    return *s;
}

sqlite3_stmt *journal_db_bind(struct journal_db *d, enum journal_sql id, struct err *err, ...)
{
    sqlite3_stmt *s;
    va_list ap;

    va_start(ap, err);
    s = bind_list(d, id, err, ap);
    va_end(ap);
    return s;
}

int journal_db_next(struct journal_db *d, sqlite3_stmt *s, struct err *err)
{
    int rc = sqlite3_step(s);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        journal_db_error(d, err);
    journal_db_done(s);
    return rc == SQLITE_DONE ? 0 : -1;
}

void journal_db_done(sqlite3_stmt *s)
{
    sqlite3_reset(s); /* borrowed values stay bound, and are bound anew before the next run */
}

int journal_db_run(struct journal_db *d, enum journal_sql id, struct err *err, ...)
{
    sqlite3_stmt *s;
    va_list ap;
    int rc;

    va_start(ap, err);
    s = bind_list(d, id, err, ap);
    va_end(ap);
    if (!s)
        return -1;
    while ((rc = journal_db_next(d, s, err)) > 0)
        continue;
    return rc;
}

int journal_db_int(struct journal_db *d, enum journal_sql id, int64_t *out, struct err *err, ...)
{
    sqlite3_stmt *s;
    va_list ap;
    int rc;

    va_start(ap, err);
    s = bind_list(d, id, err, ap);
    va_end(ap);
    if (!s)
        return -1;
    rc = journal_db_next(d, s, err);
    if (rc == 1) {
        *out = sqlite3_column_int64(s, 0);
        journal_db_done(s);
    }
    return rc;
}

const char *journal_db_text(sqlite3_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s, column);
}
