/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Databases of engine Replicated keep their replicas in Keeper, below PATH/replicas as SHARD|REPLICA, beside those of
 * their tables. One that stays when its host is gone is waited for by every later statement of that database, and keeps a
 * new host of that name from making it.
 */
#include <string.h>

#include "base/mem.h"
#include "workers/step_remove.h"

/* ---- names ---- */

/* The n-th quoted argument of an engine, from 0; NULL: it has fewer. */
static char *engine_arg(const char *engine, int n)
{
    auto_str struct str out = STR_INIT;

    for (const char *p = strchr(engine, '\''); p; p = strchr(p, '\''), n--) {
        str_reset(&out);
        for (p++; *p && *p != '\''; p++) {
            p += *p == '\\' && p[1];
            str_addc(&out, *p);
        }
        if (!*p)
            return NULL;
        if (n == 0)
            return mem_str(str_text(&out));
        p++;
    }
    return NULL;
}

static const char *macro_value(const cJSON *macros, const char *name, size_t len)
{
    auto_free char *key = mem_strn(name, len);

    return json_str(macros, key, NULL);
}

/* NULL: it has a macro that is not known. */
static char *expand(const cJSON *macros, const char *text)
{
    auto_str struct str out = STR_INIT;

    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        const char *value = end ? macro_value(macros, text + 1, (size_t)(end - text - 1)) : NULL;

        if (end && !value)
            return NULL;
        if (end)
            str_add(&out, value);
        else
            str_addc(&out, *text);
        text = end ? end + 1 : text + 1;
    }
    return mem_str(str_text(&out));
}

/* What a server of today takes where the statement gave no arguments. */
static char *arg_or(const char *engine, int n, const char *otherwise)
{
    char *arg = engine_arg(engine, n);

    return arg ? arg : mem_str(otherwise);
}

static void add_replica(struct task *t, cJSON *macros, const char **row, cJSON *list)
{
    auto_free char *path = arg_or(row[2], 0, "/clickhouse/databases/{uuid}"), *shard = arg_or(row[2], 1, "{shard}");
    auto_free char *replica = arg_or(row[2], 2, "{replica}"), *at = NULL, *of = NULL, *name = NULL, *full = NULL;
    cJSON *one;

    json_set_str(macros, "database", row[0]);
    json_set_str(macros, "uuid", row[1]);
    at = expand(macros, path);
    of = expand(macros, shard);
    name = expand(macros, replica);
    if (!at || !of || !name || !*of || !*name || strchr(of, '/') || strchr(name, '/')) {
        task_incident(t, t->host->key, "DATABASE_REPLICA",
                      "how database %.100s (%.200s) names its replica on this host is not known: if one stays in Keeper, drop it "
                      "by SYSTEM DROP DATABASE REPLICA",
                      row[0], row[2]);
        return;
    }
    one = cJSON_CreateObject();
    full = mem_printf("%s|%s", of, name);
    json_set_str(one, "database", row[0]);
    json_set_str(one, "path", at);
    json_set_str(one, "replica", full);
    cJSON_AddItemToArray(list, one);
}

/* Those of `h`, which is the host or its sibling: all but the name of the replica is the same in both. */
static enum step_rc macros_of(struct task *t, struct whost *h, cJSON *macros, struct err *err)
{
    struct sql_rows rows;
    auto_str struct str buf = STR_INIT;
    struct answer a;
    const char *f[2];
    enum step_rc rc = asked(t, ask_sql(t, h, "macros", NULL, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 2) == 2)
        json_set_str(macros, f[0], f[1]);
    if (h != t->host)
        json_set_str(macros, "replica", host_str(t->host, "macro_replica"));
    return STEP_YES;
}

enum step_rc database_replicas(struct task *t, struct whost *h, cJSON *list, struct err *err)
{
    auto_json cJSON *macros = cJSON_CreateObject();
    struct sql_rows rows;
    auto_str struct str buf = STR_INIT;
    struct answer a;
    const char *f[3];
    enum step_rc rc = asked(t, ask_version(t, h, &a), &a, err);

    if (rc != STEP_YES || !sql_has("replicated_databases", &h->version))
        return rc;
    rc = asked(t, ask_sql(t, h, "replicated_databases", NULL, &a), &a, err);
    if (rc != STEP_YES || a.len == 0)
        return rc;
    rc = macros_of(t, h, macros, err);
    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 3) == 3)
        add_replica(t, macros, f, list);
    return STEP_YES;
}

/* ---- whether they are there, and their end ---- */

static enum step_rc node_there(struct task *t, const cJSON *one, const char *below, struct err *err)
{
    auto_free char *rest = mem_printf("/replicas/%s%s", json_str(one, "replica", ""), below);
    auto_free char *node = keeper_path(t, json_str(one, "path", ""), rest);

    return node_exists(t, node, err);
}

enum step_rc database_replica_there(struct task *t, const cJSON *one, struct err *err)
{
    return node_there(t, one, "", err);
}

/* STEP_SKIP: no server of the cluster can do it. */
static enum step_rc drop_by_server(struct task *t, const struct whost *gone, const cJSON *one, struct err *err)
{
    const struct sql_arg args[] = {
        {"replica", json_str(one, "replica", "")}, {"database", json_str(one, "database", "")}, {NULL, NULL}};
    struct whost *by = dropper(t, gone);
    struct answer a;
    enum ask_rc rc;

    if (!by)
        return STEP_SKIP;
    rc = ask_version(t, by, &a);
    if (rc == ASK_GOOD && sql_has("drop_database_replica", &by->version))
        rc = ask_sql(t, by, "drop_database_replica", args, &a);
    else if (rc == ASK_GOOD)
        return STEP_SKIP;
    if (rc != ASK_BAD)
        return asked(t, rc, &a, err);
    return a.err.sys == 305 ? not_yet(t, NULL, "%s", a.err.msg) : STEP_SKIP; /* perhaps it does not have that database */
}

enum step_rc drop_database_replica(struct task *t, const struct whost *gone, const cJSON *one, struct err *err)
{
    const char *path = json_str(one, "path", ""), *replica = json_str(one, "replica", "");
    enum step_rc rc = node_there(t, one, "/active", err);

    if (rc == STEP_YES && !knob_bool(t, "drop_active", false))
        return not_yet(t, NULL, "replica %s of database %s is still active: its Keeper session has not ended", replica,
                       json_str(one, "database", ""));
    if (rc != STEP_YES && rc != STEP_SKIP)
        return rc;
    rc = drop_by_server(t, gone, one, err);
    if (rc != STEP_SKIP)
        return rc;
    rc = delete_in_keeper(t, path, replica, err);
    return rc == STEP_YES ? delete_if_last(t, path, err) : rc;
}
