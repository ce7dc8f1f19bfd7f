/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the host's own replica caught up? Measured on 18.16: after a kill a replica says that it is not read-only, has an
 * empty queue and sees all replicas active, and yet does not replicate until its old Keeper session expires; only the
 * delay and the log pointer show it. So: not read-only, session alive, the log pointer passed what was the end of the
 * log when the host came back, parts known by then are fetched, and the delay is under the limit. The state of a
 * sibling says nothing about this host.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/task.h"

enum {
    COL_DB,
    COL_TABLE,
    COL_READONLY,
    COL_EXPIRED,
    COL_LOG_MAX,
    COL_LOG_POINTER,
    COL_DELAY,
    COL_QUEUE,
    COL_TOTAL,
    COL_ACTIVE,
    COL_PATH,
    COL_REPLICA,
    COLS
};

enum { FIRST_PATIENCE_MS = 60000 };

static bool is_remove(const struct whost *h)
{
    return strcmp(host_str(h, "action"), "remove") == 0;
}

/* How many other replicas the shard has, and how many of them serve. */
static void others(struct task *t, unsigned *all, unsigned *serving)
{
    *all = *serving = 0;
    for (size_t i = 0; i < t->n_hosts; i++) {
        const struct whost *h = &t->hosts[i];

        if (h == t->host || is_remove(h) || !same_shard(h, t->host))
            continue;
        ++*all;
        *serving += host_serves(t, h);
    }
}

static enum step_rc baseline(struct task *t, cJSON *out, struct err *err)
{
    cJSON *tables = json_set_obj(out, "log_max");
    auto_str struct str buf = STR_INIT, name = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[COLS];
    enum step_rc rc = asked(t, ask_version(t, t->host, &a), &a, err);

    if (rc != STEP_YES)
        return rc == STEP_FAIL ? not_yet(t, "WAIT_LOADING", "%s", a.err.msg) : rc;
    rows = answer_rows(&a);
    json_set_int(out, "since_s", (int64_t)(world_wall(t->w) / 1000));
    rc = asked(t, ask_sql(t, t->host, "replicas", NULL, &a), &a, err);
    if (rc != STEP_YES) /* the whole table fails while one replica has no Keeper */
        return rc == STEP_FAIL ? not_yet(t, "WAIT_CATCHUP", "%s", a.err.msg) : rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, COLS) == COLS) {
        str_reset(&name);
        str_addf(&name, "%s\t%s", f[COL_DB], f[COL_TABLE]);
        json_set_int(tables, str_text(&name), strtoll(f[COL_LOG_MAX], NULL, 10));
    }
    return STEP_YES;
}

/* reconcile.host.wait.replicas: is the delay waited for, too? That a replica works and has read the log that was there is
 * no question of knobs. */
static bool waits_for_delay(const struct task *t)
{
    static const char *const returns[] = {"restart", "soft-restart", "recreate", "rollback", "start", NULL};

    if (knob_bool(t, "replicas_all", true))
        return true;
    for (size_t i = 0; returns[i]; i++)
        if (strcmp(t->table->name, returns[i]) == 0)
            return false;
    return knob_bool(t, "replicas_new", true);
}

struct state { /* of all tables together */
    int64_t behind, delay_s;
    char first[220]; /* a table that is not there yet, and why */
};

static void found(struct state *s, const char **f, const char *why)
{
    if (!*s->first)
        snprintf(s->first, sizeof s->first, "%.60s.%.60s %s", f[COL_DB], f[COL_TABLE], why);
}

/* An empty log has no end to pass: pointer and maximum are both 0 then, as they are when its first entry is not read
 * yet. */
static enum step_rc log_is_empty(struct task *t, const char *path)
{
    auto_free char *log = mem_printf("%s/log", path);
    const struct sql_arg args[] = {{"path", log}, {NULL, NULL}};
    struct answer a;
    enum ask_rc rc = ask_sql(t, t->host, "zk_children", args, &a);

    if (rc == ASK_WAIT)
        return STEP_WAIT;
    return rc == ASK_GOOD && a.len == 0 ? STEP_YES : STEP_NO;
}

static enum step_rc table_state(struct task *t, const char **f, struct state *s)
{
    auto_free char *name = mem_printf("%s\t%s", f[COL_DB], f[COL_TABLE]);
    const cJSON *maxes = json_get(t->baseline, "log_max"), *was = json_get(maxes, name);
    int64_t max = cJSON_IsNumber(was) ? (int64_t)was->valuedouble : strtoll(f[COL_LOG_MAX], NULL, 10);
    int64_t pointer = strtoll(f[COL_LOG_POINTER], NULL, 10), delay = strtoll(f[COL_DELAY], NULL, 10);

    if (strcmp(f[COL_READONLY], "0") != 0 || strcmp(f[COL_EXPIRED], "0") != 0) {
        s->behind++;
        found(s, f, "is read-only: it has no Keeper session");
        return STEP_NO;
    }
    if (pointer == 0 && max == 0) {
        enum step_rc rc = log_is_empty(t, f[COL_PATH]);

        if (rc != STEP_NO)
            return rc;
    }
    if (pointer <= max) {
        s->behind += max + 1 - pointer;
        found(s, f, "has not read the log that was there when the host came back");
        return STEP_NO;
    }
    s->delay_s = delay > s->delay_s ? delay : s->delay_s;
    if (delay > knob_int(t, "replicas_delay_s", 10) && waits_for_delay(t)) {
        found(s, f, "is behind");
        return STEP_NO;
    }
    return STEP_YES;
}

static enum step_rc all_tables(struct task *t, const struct answer *a, struct state *s, unsigned *n)
{
    struct sql_rows rows = answer_rows(a);
    auto_str struct str buf = STR_INIT;
    const char *f[COLS];
    enum step_rc all = STEP_YES;

    while (sql_next(&rows, &buf, f, COLS) == COLS) {
        enum step_rc rc = table_state(t, f, s);

        ++*n;
        if (rc == STEP_WAIT || (rc == STEP_NO && all == STEP_YES))
            all = rc;
    }
    return all;
}

static enum step_rc old_fetches(struct task *t, int64_t *n, struct err *err)
{
    auto_free char *before = mem_printf("%lld", (long long)json_int(t->baseline, "since_s", 0));
    const struct sql_arg args[] = {{"before", before}, {NULL, NULL}};
    struct answer a;

    return asked(t, ask_number(t, t->host, "old_fetches", args, n, &a), &a, err);
}

/* Less left than ever in this attempt: slow is not stuck. */
static void note_progress(struct task *t, int64_t left)
{
    if (!t->progress_mark || left + 1 < t->progress_mark)
        t->progress_mark = left + 1;
}

static enum step_rc own_replicas(struct task *t, struct err *err)
{
    struct state s = {0};
    struct answer a, alive;
    unsigned n = 0;
    int64_t fetches = 0;
    enum step_rc rc = asked(t, ask_sql(t, t->host, "replicas", NULL, &a), &a, err);

    if (rc == STEP_FAIL)
        return not_yet(t, "WAIT_CATCHUP", "%s", a.err.msg);
    if (rc != STEP_YES)
        return rc;
    rc = all_tables(t, &a, &s, &n);
    if (rc == STEP_WAIT)
        return rc;
    if (n > 0) {
        enum ask_rc lives = ask_sql(t, t->host, "keeper_alive", NULL, &alive);
        enum step_rc old = old_fetches(t, &fetches, err);

        if (lives == ASK_WAIT || old == STEP_WAIT)
            return STEP_WAIT;
        if (lives == ASK_BAD || old != STEP_YES)
            return not_yet(t, "WAIT_CATCHUP", "its Keeper session does not answer: %s",
                           lives == ASK_BAD ? alive.err.msg : t->why);
    }
    if (!waits_for_delay(t))
        fetches = 0;
    note_progress(t, s.behind + fetches + (s.delay_s < 1000000 ? s.delay_s : 1000000));
    if (rc != STEP_YES)
        return not_yet(t, "WAIT_CATCHUP", "%s (%lld s, %lld entries)", s.first, (long long)s.delay_s,
                       (long long)s.behind);
    return fetches == 0 ? STEP_YES
                        : not_yet(t, "WAIT_CATCHUP", "%lld parts are still to be fetched", (long long)fetches);
}

/* The first host of a new shard is missed by nobody: it joins when it can take rows. One that comes back to a dark
 * shard joins at once: reads are better than nothing. */
static enum step_rc first_takes_rows(struct task *t, struct err *err)
{
    static const struct sql_arg args[] = {{"limit", "4000000000"}, {NULL, NULL}};
    struct answer a;
    int64_t n = 0;
    enum step_rc rc;

    if (strcmp(t->table->name, "create") != 0 || world_mono(t->w) - t->attempt_ms >= FIRST_PATIENCE_MS)
        return STEP_YES;
    rc = asked(t, ask_number(t, t->host, "behind", args, &n, &a), &a, err);
    return rc != STEP_YES || n == 0 ? rc : not_yet(t, "WAIT_CATCHUP", "%lld tables are still read-only", (long long)n);
}

/* A shard that is made now: its first host has nobody to catch up with, and nothing to miss. */
static bool shard_is_new(struct task *t)
{
    for (size_t i = 0; i < t->n_hosts; i++)
        if (same_shard(&t->hosts[i], t->host) && strcmp(host_str(&t->hosts[i], "action"), "create") != 0)
            return false;
    return true;
}

static enum step_rc probe(struct task *t, struct err *err)
{
    unsigned all, serving;

    others(t, &all, &serving);
    if (serving == 0 && host_runs(t, t->host)) {
        enum step_rc rc = first_takes_rows(t, err);

        if (rc != STEP_YES)
            return rc;
        if (all > 0 && !t->alone_told && !shard_is_new(t))
            task_incident(t, t->host->key, "JOINED_ALONE",
                          "no other replica of its shard serves: it joins without having caught up");
        t->alone_told = all > 0;
        return STEP_YES;
    }
    if (!host_runs(t, t->host))
        return not_yet(t, "WAIT_LOADING", "the server does not run");
    if (!t->baseline)
        return not_yet(t, "WAIT_CATCHUP", "not measured yet");
    if (strcmp(fact_str(t, t->host, "pod.identity"), base_str(t, "identity")) != 0)
        return STEP_BACK; /* somebody restarted it: what was measured belongs to the process before */
    return own_replicas(t, err);
}

const struct step_fns step_catchup_fns[] = {
    {.name = "caught-up", .probe = probe, .baseline = baseline},
    {.name = NULL},
};
