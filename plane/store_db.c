/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/store_priv.h"

enum { DB_APPLICATION = 0x63686670 /* "chfp" */, DB_VERSION = 1 };

struct store_db {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *put, *drop, *rv;
};

static const char schema[] = "CREATE TABLE objects (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY "
                             "KEY (kind, key)) STRICT, WITHOUT ROWID;"
                             "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
                             "INSERT INTO meta VALUES ('rv', 1);"
                             "PRAGMA user_version = 1; PRAGMA application_id = 1667786352;";

static int db_fail(struct store_db *db, const char *what, struct err *err)
{
    int rc = sqlite3_extended_errcode(db->db), kind = rc & 0xff;

    if (kind == SQLITE_NOTADB || kind == SQLITE_CORRUPT)
        return err_set(err, ERR_INPUT, 0,
                       "%s is not a sound object store (%s): put it aside and start again, or give another --data",
                       db->path, sqlite3_errmsg(db->db));
    if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
        return err_set(err, ERR_REFUSED, 0, "%s is in use by another process", db->path);
    return err_set(err, kind == SQLITE_FULL || kind == SQLITE_IOERR ? ERR_AGAIN : ERR_SYS, 0, "%s %s: %s", what,
                   db->path, sqlite3_errmsg(db->db));
}

static int64_t pragma_int(struct store_db *db, const char *sql, int64_t dflt)
{
    sqlite3_stmt *st = NULL;
    int64_t v = dflt;

    if (sqlite3_prepare_v2(db->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return v;
}

static int check_version(struct store_db *db, struct err *err)
{
    int64_t version = pragma_int(db, "PRAGMA user_version", -1), app = pragma_int(db, "PRAGMA application_id", -1);

    if (version < 0)
        return db_fail(db, "read", err);
    if (version == 0 && app == 0 && pragma_int(db, "SELECT count(*) FROM sqlite_master", 0) == 0)
        return sqlite3_exec(db->db, schema, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(db, "create", err);
    if (app != DB_APPLICATION)
        return err_set(err, ERR_INPUT, 0, "%s is a SQLite file of another program", db->path);
    if (version > DB_VERSION)
        return err_set(err, ERR_INPUT, 0,
                       "%s was written by a newer chfleet-plane (store version %" PRId64
                       ", this one knows %d): use that "
                       "one",
                       db->path, version, DB_VERSION);
    return 0;
}

static int prepare(struct store_db *db, const char *sql, sqlite3_stmt **st, struct err *err)
{
    return sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL) == SQLITE_OK
               ? 0
               : db_fail(db, "prepare", err);
}

int store_db_open(const char *path, struct store_db **out, struct err *err)
{
    static const char setup[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                                "PRAGMA cache_size=-256; PRAGMA wal_autocheckpoint=250;";
    struct store_db *db = mem_zero(sizeof *db);
    int rc, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* it holds Secrets */

    if (fd >= 0)
        close(fd);
    db->path = mem_str(path);
    rc = sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK || sqlite3_exec(db->db, setup, NULL, NULL, NULL) != SQLITE_OK)
        rc = db_fail(db, "open", err);
    else
        rc = check_version(db, err);
    if (rc == 0)
        rc = prepare(db, "INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3)", &db->put, err);
    if (rc == 0)
        rc = prepare(db, "DELETE FROM objects WHERE kind = ?1 AND key = ?2", &db->drop, err);
    if (rc == 0)
        rc = prepare(db, "UPDATE meta SET value = ?1 WHERE name = 'rv'", &db->rv, err);
    if (rc < 0) {
        store_db_close(db);
        return -1;
    }
    *out = db;
    return 0;
}

static int load_row(struct store_db *db, struct store *s, sqlite3_stmt *st, struct err *err)
{
    const char *kind = (const char *)sqlite3_column_text(st, 0), *slash = strrchr(kind, '/');
    char group[128];
    cJSON *obj;
    int k;

    snprintf(group, sizeof group, "%.*s", (int)(slash ? slash - kind : 0), kind);
    k = slash ? plane_kind_by_kind(group, slash + 1) : -1;
    if (k < 0)
        return err_set(err, ERR_INPUT, 0, "%s holds objects of the unknown kind \"%s\"", db->path, kind);
    obj = json_parse((const char *)sqlite3_column_text(st, 2), (size_t)sqlite3_column_bytes(st, 2), err);
    if (!obj)
        return err_ctx(err, "%s: %s \"%s\"", db->path, kind, (const char *)sqlite3_column_text(st, 1));
    store_load(s, (enum plane_kind)k, obj);
    return 0;
}

int store_db_load(struct store_db *db, struct store *s, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int rc, done = 0;

    if (prepare(db, "SELECT kind, key, body FROM objects ORDER BY kind, key", &st, err) < 0)
        return -1;
    while (done == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
        done = load_row(db, s, st, err);
    if (done == 0 && rc != SQLITE_DONE)
        done = db_fail(db, "read", err);
    sqlite3_finalize(st);
    s->rv = (uint64_t)pragma_int(db, "SELECT value FROM meta WHERE name = 'rv'", 1);
    return done;
}

static int run(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int write_one(struct store_db *db, struct store *s, const struct dirty_key *d)
{
    const struct plane_kind_info *info = plane_kind(d->kind);
    const char *slash = strchr(d->key, '/');
    char ns[300], kind[160];
    struct object *o;
    sqlite3_stmt *st;

    snprintf(ns, sizeof ns, "%.*s", (int)(slash - d->key), d->key);
    snprintf(kind, sizeof kind, "%s/%s", info->group, info->kind);
    o = store_find(s, d->kind, ns, slash + 1);
    st = o ? db->put : db->drop;
    sqlite3_bind_text(st, 1, kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, d->key, -1, SQLITE_STATIC);
    if (o)
        sqlite3_bind_text(st, 3, object_text(o), -1, SQLITE_STATIC);
    return run(st);
}

int store_db_commit(struct store_db *db, struct store *s, struct err *err)
{
    int rc = sqlite3_exec(db->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < s->dirty_n; i++)
        rc = write_one(db, s, &s->dirty[i]);
    if (rc == 0) {
        sqlite3_bind_int64(db->rv, 1, (int64_t)s->rv);
        rc = run(db->rv);
    }
    if (rc == 0)
        rc = sqlite3_exec(db->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
    if (rc == 0)
        return 0;
    db_fail(db, "write", err);
    if (err)
        err->kind = ERR_AGAIN;
    if (!sqlite3_get_autocommit(db->db))
        sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

void store_db_close(struct store_db *db)
{
    if (!db)
        return;
    sqlite3_finalize(db->put);
    sqlite3_finalize(db->drop);
    sqlite3_finalize(db->rv);
    sqlite3_close(db->db);
    free(db->path);
    free(db);
}
