/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/files.h"

#define JOURNAL_SQL_TABLE
#include "journal/sql_text.h"

/* A file up to this size is checked at every start; a larger one only when its last writer did not close it. */
enum { SMALL_BYTES = 4 << 20, WHOLE_BYTES = 32 << 20, HEAD_BYTES = 100 };

static int migrate_one(struct journal_db *d, const char *sql, int version, int64_t now_ms, struct err *err)
{
    auto_free char *mark = mem_printf("INSERT INTO migration VALUES (%d, %" PRId64 ", 'chfleet %s');"
                                      "PRAGMA user_version = %d",
                                      version, now_ms, PACKAGE_VERSION_TEXT, version);

    if (journal_db_exec(d, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    if (journal_db_exec(d, sql, err) == 0 && journal_db_exec(d, mark, err) == 0 &&
        journal_db_exec(d, "COMMIT", err) == 0)
        return 0;
    sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
    return err_ctx(err, "migration of the journal to version %d", version);
}

int journal_migrate(struct journal_db *d, const char *const *schema, int version, int64_t now_ms, struct err *err)
{
    int64_t at = 0;

    if (journal_db_pragma(d, "PRAGMA user_version", &at, err) < 0)
        return -1;
    for (; at < version; at++)
        if (migrate_one(d, schema[at], (int)at + 1, now_ms, err) < 0)
            return -1;
    return 0;
}

/* The first bytes of the file, through SQLite's own descriptor. Not through SQLite's pages: while a WAL is being copied
 * into the file the power may go, and the file alone is then nothing whole. */
static int read_head(const char *path, unsigned char head[HEAD_BYTES], struct err *err)
{
    struct journal_db d;
    sqlite3_file *file = NULL;
    int rc;

    if (journal_db_open(&d, path, DB_READ_ONLY | DB_IMMUTABLE, err) < 0)
        return err_ctx(err, "%s", path);
    rc = sqlite3_file_control(d.db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK && file)
        rc = file->pMethods->xRead(file, head, HEAD_BYTES, 0); /* what is not there reads as 0 */
    journal_db_close(&d);
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ)
        return 0;
    return err_set(err, ERR_SYS, EIO, "read %s", path);
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Is the file of this name ours? Nothing in a foreign file is touched. Our files are made under another name and
 * renamed when complete: one of this name is whole, or not ours. */
static int look(const char *path, bool *there, struct err *err)
{
    auto_free char *wal = mem_printf("%s-wal", path);
    unsigned char head[HEAD_BYTES] = {0};

    *there = journal_file_size(path) >= 0;
    if (!*there && journal_file_size(wal) > 0)
        return err_set(err, ERR_INPUT, 0,
                       "%s is missing but its -wal is there: put the file back, or move the other one "
                       "away to start with an empty journal",
                       path);
    if (!*there)
        return 0;
    if (read_head(path, head, err) < 0)
        return -1;
    if (memcmp(head, "SQLite format 3", 16) != 0 || big_endian(head + 68) == 0)
        return err_set(err, ERR_INPUT, 0,
                       "%s is not a journal of chfleet, or is damaged at its beginning: move it away, "
                       "or use another data directory",
                       path);
    if (big_endian(head + 68) != JOURNAL_APPLICATION_ID)
        return err_set(err, ERR_INPUT, 0,
                       "%s is a database of another program: move it away, or use another data "
                       "directory",
                       path);
    return 0;
}

/* Made under another name and renamed: a crash while making it leaves no half database behind. */
static int make(const char *dir, const char *path, int64_t now_ms, struct err *err)
{
    auto_free char *half = mem_printf("%s.new", path);
    auto_free char *id = mem_printf("PRAGMA application_id = %d", JOURNAL_APPLICATION_ID);
    struct journal_db d = {0};
    int fd, rc;

    fd = open(half, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* SQLite alone would make it readable for all */
    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "create %s", half);
    close(fd);
    if (journal_db_open(&d, half, 0, err) < 0)
        return -1;
    rc = journal_db_exec(&d, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = FULL",
                         err);
    if (rc == 0)
        rc = journal_db_exec(&d, id, err);
    if (rc == 0)
        rc = journal_migrate(&d, journal_schema, JOURNAL_VERSION, now_ms, err);
    if (rc == 0)
        rc = journal_db_exec(&d, "PRAGMA journal_mode = WAL", err);
    journal_db_close(&d);
    if (rc == 0 && rename(half, path) < 0)
        rc = err_set(err, ERR_SYS, errno, "rename %s", half);
    if (rc < 0) {
        unlink(half);
        return -1;
    }
    return journal_sync_dir(dir, err);
}

static int check_version(struct journal_db *d, const char *path, int64_t *version, struct err *err)
{
    if (journal_db_pragma(d, "PRAGMA user_version", version, err) < 0)
        return -1;
    if (*version > JOURNAL_VERSION)
        return err_set(err, ERR_INPUT, 0,
                       "%s was written by a newer chfleet (journal version %" PRId64 ", this one knows "
                       "up to %d): install that version again, or use another data directory",
                       path, *version, JOURNAL_VERSION);
    if (*version < 1)
        return err_set(err, ERR_INPUT, 0, "%s has no journal version: the file is damaged", path);
    return 0;
}

static int check_with(struct journal_db *d, const char *pragma, struct err *err)
{
    sqlite3_stmt *s = NULL;
    const char *text;
    int rc = 0;

    if (sqlite3_prepare_v2(d->db, pragma, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
        rc = journal_db_error(d, err);
    text = rc == 0 ? journal_db_text(s, 0) : NULL;
    if (text && strcmp(text, "ok") != 0)
        rc = err_set(err, ERR_INPUT, 0, "the journal is damaged (%s)", text);
    sqlite3_finalize(s);
    return rc;
}

/* Years of archived work must not delay a recovery: of a large file only the tables that recovery stands on are
 * checked. Archived rows are checked when they are read. */
static int quick_check(struct journal_db *d, int64_t size, struct err *err)
{
    static const char *const tables[] = {"number", "op", "task", "step", "task_id", "decision", "incident", "kv"};

    if (size <= WHOLE_BYTES)
        return check_with(d, "PRAGMA quick_check(1)", err);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        auto_free char *pragma = mem_printf("PRAGMA quick_check(%s)", tables[i]);
        if (check_with(d, pragma, err) < 0)
            return -1;
    }
    return 0;
}

static int explain_damage(const char *path, struct err *err)
{
    if (err->kind == ERR_INPUT && strstr(err->msg, "damaged"))
        err_ctx(err,
                "%s: nothing was changed in it; restore it from a backup, or move it and its -wal away: chfleet then "
                "starts with an empty journal and takes over from the annotations of the fleet",
                path);
    return -1;
}

/* Everything that may lead to a refusal is looked at through a connection that cannot write. */
static int probe(const char *path, bool clean, struct err *err)
{
    struct journal_db d;
    int64_t version, size = journal_file_size(path);
    int rc;

    if (journal_db_open(&d, path, DB_READ_ONLY | (clean ? DB_IMMUTABLE : 0), err) < 0)
        return explain_damage(path, err);
    rc = check_version(&d, path, &version, err);
    if (rc == 0 && (!clean || size <= SMALL_BYTES))
        rc = quick_check(&d, size, err);
    journal_db_close(&d);
    return rc < 0 ? explain_damage(path, err) : 0;
}

static const char settings[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "PRAGMA cache_size = -1024; PRAGMA journal_size_limit = 8388608; PRAGMA temp_store = MEMORY";

int journal_store_open(struct journal_db *d, const char *dir, int64_t now_ms, struct err *err)
{
    auto_free char *path = mem_printf("%s/journal.db", dir);
    auto_free char *wal = mem_printf("%s/journal.db-wal", dir);
    bool there;

    if (look(path, &there, err) < 0)
        return -1;
    if (there ? probe(path, journal_file_size(wal) <= 0, err) < 0 : make(dir, path, now_ms, err) < 0)
        return -1;
    if (journal_db_open(d, path, 0, err) < 0)
        return err_ctx(err, "%s", path);
    if (journal_db_exec(d, settings, err) < 0 || journal_migrate(d, journal_schema, JOURNAL_VERSION, now_ms, err) < 0) {
        journal_db_close(d);
        return err_ctx(err, "%s", path);
    }
    return 0;
}

int journal_store_read(struct journal_db *d, const char *dir, bool *immutable, struct err *err)
{
    auto_free char *path = mem_printf("%s/journal.db", dir);
    auto_free char *wal = mem_printf("%s/journal.db-wal", dir);
    int64_t version = 0;
    bool there;

    if (look(path, &there, err) < 0)
        return -1;
    if (!there)
        return err_set(err, ERR_MISSING, 0, "no journal in %s: chfleetd has not run with this data directory", dir);
    *immutable = journal_file_size(wal) < 0;
    if (journal_db_open(d, path, DB_READ_ONLY | (*immutable ? DB_IMMUTABLE : 0), err) < 0)
        return err_ctx(err, "%s", path);
    if (check_version(d, path, &version, err) == 0 && version < JOURNAL_VERSION)
        err_set(err, ERR_INPUT, 0, "%s is of an older chfleet: start chfleetd once, it brings the file up to date",
                path);
    if (version == JOURNAL_VERSION)
        return 0;
    journal_db_close(d);
    return -1;
}
