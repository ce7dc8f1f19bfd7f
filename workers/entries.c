/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of replicas in Keeper: those of a host that goes (drop-replica), and those that a host lost together with its
 * disk and that would keep it from making its tables again (forget). Only entries that are not active are touched, one
 * table after the other, and afterwards they are looked for again. A server that can do it is told to; for others, and
 * when none is left, they are deleted in Keeper itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/schema_read.h"
#include "workers/step_remove.h"

char *keeper_path(const struct task *t, const char *path, const char *rest)
{
    const char *root = json_str(t->json, "zookeeper.root", "");

    if (strncmp(path, "zookeeper:", 10) == 0) /* an auxiliary prefix of the default one */
        path += 10;
    return mem_printf("%s%s%s", str_eq(root, "/") ? "" : root, path, rest);
}

bool keeper_known(const struct task *t)
{
    return *json_str(t->json, "zookeeper.servers", "") != '\0';
}

enum step_rc node_exists(struct task *t, const char *path, struct err *err)
{
    struct answer a;
    enum ask_rc rc = ask_zk(t, ZK_GET, path, &a);

    if (rc == ASK_BAD && a.err.kind == ERR_MISSING)
        return STEP_SKIP;
    return asked(t, rc, &a, err);
}

struct whost *dropper(struct task *t, const struct whost *gone)
{
    for (size_t i = 0; i < t->n_hosts; i++) {
        struct whost *h = &t->hosts[i];

        if (h != gone && same_cluster(h, gone) && host_runs(t, h) && strcmp(host_str(h, "action"), "remove") != 0)
            return h;
    }
    return NULL;
}

enum step_rc delete_in_keeper(struct task *t, const char *path, const char *replica, struct err *err)
{
    auto_free char *rest = mem_printf("/replicas/%s", replica), *node = keeper_path(t, path, rest);
    struct answer a;

    if (!*path || !*replica || strchr(replica, '/'))
        return step_failed(err, ERR_INPUT, "replica '%s' of '%s' is not a name that can be deleted", replica, path);
    return asked(t, ask_zk(t, ZK_DELETE_TREE, node, &a), &a, err);
}

/* The last replica takes the table's path with it. */
enum step_rc delete_if_last(struct task *t, const char *path, struct err *err)
{
    auto_free char *replicas = keeper_path(t, path, "/replicas"), *whole = keeper_path(t, path, "");
    struct answer a;
    enum ask_rc rc = ask_zk(t, ZK_LIST, replicas, &a);

    if (rc == ASK_BAD && a.err.kind == ERR_MISSING)
        return STEP_YES;
    if (rc != ASK_GOOD)
        return asked(t, rc, &a, err);
    if (a.len > 0)
        return STEP_YES;
    return asked(t, ask_zk(t, ZK_DELETE_TREE, whole, &a), &a, err);
}

enum step_rc drop_replica_entries(struct task *t, const struct whost *gone, const char *path, const char *replica,
                                  struct err *err)
{
    auto_free char *rest = mem_printf("/replicas/%s/is_active", replica), *active = keeper_path(t, path, rest);
    const struct sql_arg args[] = {{"path", path}, {"replica", replica}, {NULL, NULL}};
    struct whost *by = dropper(t, gone);
    struct answer a;
    enum ask_rc asked_rc;
    enum step_rc rc = node_exists(t, active, err);

    if (rc == STEP_YES && !knob_bool(t, "drop_active", false))
        return not_yet(t, NULL, "replica %s of %s is still active: its Keeper session has not ended", replica, path);
    if (rc != STEP_YES && rc != STEP_SKIP)
        return rc;
    if (by) {
        asked_rc = ask_version(t, by, &a);
        if (asked_rc == ASK_WAIT)
            return STEP_WAIT;
        if (asked_rc == ASK_GOOD && sql_has("drop_replica", &by->version)) {
            asked_rc = ask_sql(t, by, "drop_replica", args, &a);
            if (asked_rc != ASK_BAD)
                return asked(t, asked_rc, &a, err);
            if (a.err.sys == 305)
                return not_yet(t, NULL, "%s", a.err.msg);
        }
    }
    rc = delete_in_keeper(t, path, replica, err);
    return rc == STEP_YES ? delete_if_last(t, path, err) : rc;
}

/* ---- drop-replica ---- */

static const cJSON *entries(struct task *t, const char *kind)
{
    return json_get(row_baseline(t, t->host->key, "flush"), kind);
}

/* A volume that is kept comes back with its tables only when their entries are kept, too; where a sibling stays, the
 * entries go all the same, because a replica that is gone blocks every ALTER. */
static bool entries_stay(struct task *t)
{
    return volumes_stay(t) && !serving_sibling(t);
}

/* How many are left, and whether that is known of all. */
static enum step_rc count_left(struct task *t, const cJSON *list, bool databases, size_t *left, struct err *err)
{
    enum step_rc all = STEP_YES;
    const cJSON *one;

    cJSON_ArrayForEach(one, list) {
        auto_free char *rest = mem_printf("/replicas/%s", json_str(one, "replica", ""));
        auto_free char *node = keeper_path(t, json_str(one, "path", ""), rest);
        enum step_rc rc = databases ? database_replica_there(t, one, err) : node_exists(t, node, err);

        *left += rc == STEP_YES;
        if (rc == STEP_FAIL)
            return rc;
        if (rc == STEP_WAIT || (rc == STEP_NO && all == STEP_YES))
            all = rc;
    }
    return all;
}

enum step_rc drop_replica_probe(struct task *t, struct err *err)
{
    const cJSON *tables = entries(t, "tables"), *databases = entries(t, "databases");
    size_t left_tables = 0, left_databases = 0;
    enum step_rc rc;

    if (!knob_bool(t, "drop_on_delete", true) || entries_stay(t))
        return STEP_SKIP;
    if (cJSON_GetArraySize(tables) == 0 && cJSON_GetArraySize(databases) == 0)
        return STEP_YES;
    if (!keeper_known(t))
        return step_failed(err, ERR_INPUT,
                           "its replicated tables have entries in Keeper, but the resource names no zookeeper nodes");
    rc = count_left(t, tables, false, &left_tables, err);
    if (rc == STEP_YES)
        rc = count_left(t, databases, true, &left_databases, err);
    if (rc == STEP_YES && left_tables + left_databases > 0)
        return not_yet(t, NULL, "entries of %zu tables and %zu databases are still in Keeper", left_tables, left_databases);
    return rc;
}

enum step_rc drop_replica_act(struct task *t, struct err *err)
{
    enum step_rc rc = STEP_YES;
    const cJSON *one;

    cJSON_ArrayForEach(one, entries(t, "tables")) {
        rc = drop_replica_entries(t, t->host, json_str(one, "path", ""), json_str(one, "replica", ""), err);
        if (rc != STEP_YES)
            return rc;
    }
    cJSON_ArrayForEach(one, entries(t, "databases")) {
        enum step_rc there = database_replica_there(t, one, err); /* a server says no to what is gone */

        rc = there == STEP_YES ? drop_database_replica(t, t->host, one, err) : there;
        if (rc != STEP_YES && rc != STEP_SKIP)
            return rc;
    }
    return STEP_YES;
}

/* ---- forget ---- */

/* Nobody knows what was done to it before: another task was cut off. */
static bool comes_back_somehow(const struct task *t)
{
    return strcmp(t->table->name, "start") == 0 || strcmp(t->table->name, "join") == 0;
}

bool lost_its_disk(const struct task *t)
{
    const char *table = t->table->name;

    return strcmp(table, "create") == 0 || strcmp(table, "rebuild") == 0 || strcmp(table, "move") == 0;
}

static bool may_have_lost_its_disk(struct task *t)
{
    return lost_its_disk(t) || comes_back_somehow(t) || json_bool(t->host->json, "ephemeral", false);
}

static bool has_path(const struct answer *own, const char *path)
{
    struct sql_rows rows = answer_rows(own);
    auto_str struct str buf = STR_INIT;
    const char *f[12];

    while (sql_next(&rows, &buf, f, 12) == 12)
        if (strcmp(f[10], path) == 0)
            return true;
    return false;
}

static enum step_rc replica_name(struct task *t, struct str *out, struct err *err)
{
    struct sql_rows rows;
    auto_str struct str buf = STR_INIT;
    struct answer a;
    const char *f[2];
    enum step_rc rc;

    str_add(out, host_str(t->host, "macro_replica"));
    if (out->len)
        return STEP_YES;
    rc = asked(t, ask_sql(t, t->host, "macros", NULL, &a), &a, err);
    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 2) == 2)
        if (strcmp(f[0], "replica") == 0)
            str_add(out, f[1]);
    return out->len ? STEP_YES : STEP_SKIP;
}

/* Is `replica` registered under path? Asked through the host's own server, so that its idea of the root counts. */
static enum step_rc is_registered(struct task *t, const char *path, const char *replica, struct err *err)
{
    auto_free char *replicas = mem_printf("%s/replicas", path);
    const struct sql_arg args[] = {{"path", replicas}, {NULL, NULL}};
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[1];
    enum step_rc rc = asked(t, ask_sql(t, t->host, "zk_children", args, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 1) == 1)
        if (strcmp(f[0], replica) == 0)
            return STEP_YES;
    return STEP_SKIP;
}

/* STEP_SKIP: the host has the table, loaded or on its disk. */
static enum step_rc is_lost(struct task *t, const char *database, const char *table, struct err *err)
{
    enum step_rc rc = table_on_disk(t, t->host, database, table, err);

    if (rc == STEP_YES)
        return STEP_SKIP;
    return rc == STEP_SKIP ? STEP_YES : rc;
}

typedef enum step_rc entry_fn(struct task *t, const char *path, const char *replica, struct err *err);

/* Calls fn for each entry that a sibling's tables say the host should have, that is there, and whose table the host
 * lacks: it is not loaded, and not on its disk either. */
static enum step_rc each_lost(struct task *t, entry_fn *fn, struct err *err)
{
    struct whost *sibling = serving_sibling(t);
    auto_str struct str buf = STR_INIT, replica = STR_INIT;
    struct sql_rows rows;
    struct answer own, theirs;
    const char *f[12];
    enum step_rc rc;

    if (!may_have_lost_its_disk(t) || !sibling || !host_serves(t, sibling))
        return STEP_SKIP;
    rc = replica_name(t, &replica, err);
    if (rc == STEP_YES)
        rc = asked(t, ask_sql(t, t->host, "replicas", NULL, &own), &own, err);
    if (rc == STEP_YES && comes_back_somehow(t) && own.len > 0)
        return STEP_SKIP; /* it has its disk: a table that it does not show may only be broken */
    if (rc == STEP_YES)
        rc = asked(t, ask_sql(t, sibling, "replicas", NULL, &theirs), &theirs, err);
    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&theirs);
    while (sql_next(&rows, &buf, f, 12) == 12) {
        if (has_path(&own, f[10]) || strcmp(f[11], str_text(&replica)) == 0)
            continue;
        rc = is_registered(t, f[10], str_text(&replica), err);
        if (rc == STEP_YES)
            rc = is_lost(t, f[0], f[1], err);
        if (rc == STEP_YES)
            rc = fn(t, f[10], str_text(&replica), err);
        if (rc != STEP_YES && rc != STEP_SKIP)
            return rc;
    }
    return STEP_YES;
}

static enum step_rc still_there(struct task *t, const char *path, const char *replica, struct err *err)
{
    if (!knob_bool(t, "drop_on_lost_volume", true))
        return step_failed(err, ERR_REFUSED,
                           "Keeper has an entry %s of %s, whose table the host lost, and "
                           "reconcile.host.drop.replicas.onLostVolume keeps it: the table cannot be made while it is "
                           "there. Drop it with SYSTEM DROP REPLICA on another host, or set onLostVolume to \"yes\"",
                           replica, path);
    return not_yet(t, NULL, "Keeper still has an entry %s of %s, whose table the host lost", replica, path);
}

static enum step_rc drop_own(struct task *t, const char *path, const char *replica, struct err *err)
{
    if (!keeper_known(t))
        return step_failed(err, ERR_INPUT,
                           "old entries of this host are in Keeper, but the resource names no zookeeper nodes");
    return drop_replica_entries(t, t->host, path, replica, err);
}

static enum step_rc database_entry_stays(struct task *t, const cJSON *one, struct err *err)
{
    const char *replica = json_str(one, "replica", ""), *database = json_str(one, "database", "");

    if (!knob_bool(t, "drop_on_lost_volume", true))
        return step_failed(err, ERR_REFUSED,
                           "Keeper has an entry %s of database %s, which the host lost, and "
                           "reconcile.host.drop.replicas.onLostVolume keeps it: the database cannot be made while it is "
                           "there. Drop it with SYSTEM DROP DATABASE REPLICA on another host, or set onLostVolume to \"yes\"",
                           replica, database);
    return not_yet(t, NULL, "Keeper still has an entry %s of database %s, which the host lost", replica, database);
}

/* The same for its Replicated databases. */
static enum step_rc each_lost_database(struct task *t, bool drop, struct err *err)
{
    auto_json cJSON *own = cJSON_CreateArray(), *theirs = cJSON_CreateArray();
    struct whost *sibling = serving_sibling(t);
    const cJSON *one;
    enum step_rc rc;

    if (!keeper_known(t) || !sibling)
        return STEP_SKIP;
    rc = database_replicas(t, t->host, own, err);
    if (rc == STEP_YES && comes_back_somehow(t) && own->child)
        return STEP_SKIP;
    if (rc == STEP_YES)
        rc = database_replicas(t, sibling, theirs, err);
    if (rc != STEP_YES)
        return rc;
    cJSON_ArrayForEach(one, theirs) {
        const cJSON *mine;
        bool has = false;

        cJSON_ArrayForEach(mine, own)
            has |= json_same(mine, one);
        if (has)
            continue;
        rc = database_replica_there(t, one, err);
        if (rc == STEP_YES)
            rc = drop ? drop_database_replica(t, t->host, one, err) : database_entry_stays(t, one, err);
        if (rc != STEP_YES && rc != STEP_SKIP)
            return rc;
    }
    return STEP_YES;
}

enum step_rc forget_probe(struct task *t, struct err *err)
{
    enum step_rc rc = each_lost(t, still_there, err), databases;

    if (rc != STEP_YES)
        return rc;
    databases = each_lost_database(t, false, err);
    return databases == STEP_SKIP ? rc : databases;
}

enum step_rc forget_act(struct task *t, struct err *err)
{
    enum step_rc rc = each_lost(t, drop_own, err);

    if (rc == STEP_YES)
        rc = each_lost_database(t, true, err);
    return rc == STEP_SKIP ? STEP_YES : rc;
}
