/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers older than 21.1 load their tables once, when they start. One that Keeper refused in that moment ends, mostly;
 * sometimes it comes up without a table that its disk has, answers everything, and says "no such table" to who asks for it. The
 * replicas of a shard tell each other's tables; what lies on a disk is attached, also on a sibling that came up first, when
 * nobody could tell. In later versions such a table is loaded read-only and comes to life by itself, and one that is
 * detached is so because somebody wants it.
 *
 * What could not be settled, because another server did not say what it has or a sibling could not attach, stays known:
 * "unasked" beside what the process has loaded (chfleet.io/loaded). The plan then has the host join once more when they can
 * be asked (model/plan.c). It is a member then, and nobody waits for it: it waits for the answers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/schema_read.h"

enum { STRANGERS = 2, ATTACH_MS = 120000, SIBLING_MS = 30000 };

/* The replicas of the host's shard that run and may have left something out, and what each of them has. */
struct group {
    struct member {
        struct whost *host;
        struct schema has;
    } * v;
    size_t n;
    struct schema all;
    char open[300]; /* what could not be settled; "" */
};

static void group_fini(struct group *g)
{
    for (size_t i = 0; i < g->n; i++)
        schema_fini(&g->v[i].has);
    free(g->v);
    schema_fini(&g->all);
}

static enum step_rc may_leave_out(struct task *t, struct whost *h, struct err *err)
{
    struct answer a;
    enum step_rc rc = asked(t, ask_known_version(t, h, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    return sql_version_at_least(&h->version, 21, 1) ? STEP_SKIP : STEP_YES;
}

static enum step_rc add_member(struct task *t, struct group *g, struct whost *h, struct err *err)
{
    struct member m = {.host = h};
    enum step_rc rc = may_leave_out(t, h, err);

    if (rc == STEP_YES)
        rc = schema_read(t, h, &m.has, true, true, err);
    if (rc != STEP_YES) {
        schema_fini(&m.has);
        return rc;
    }
    schema_set_merge(&g->all.objects, &m.has.objects);
    g->v = mem_grow(g->v, g->n + 1, sizeof *g->v);
    g->v[g->n++] = m;
    return STEP_YES;
}

__attribute__((format(printf, 2, 3))) static void leave_open(struct group *g, const char *fmt, ...)
{
    va_list ap;

    if (*g->open)
        return;
    va_start(ap, fmt);
    vsnprintf(g->open, sizeof g->open, fmt, ap);
    va_end(ap);
}

/* A host that is out is missed, and nothing is known to lack: it does not wait long for who does not answer. */
static enum step_rc silent(struct task *t, struct group *g, const struct whost *h, const char *why)
{
    if (!host_serves(t, t->host) && world_mono(t->w) >= t->attempt_ms + SIBLING_MS) {
        leave_open(g, "%s does not say which tables it has: %s", h->key, why);
        return STEP_YES;
    }
    return not_yet(t, "WAIT_PEER", "%s does not say which tables it has: %s", h->key, why);
}

/* It does not answer now, and nobody starts it: it may go on as it is. One that was started asks for itself. */
static bool hangs(struct task *t, const struct whost *h)
{
    const char *identity = fact_str(t, h, "pod.identity");

    return *identity && !fact_bool(t, h, "pod.terminating") && strcmp(fact_str(t, h, "loaded.identity"), identity) == 0;
}

static enum step_rc add_siblings(struct task *t, struct group *g)
{
    enum step_rc all = STEP_YES;

    for (size_t i = 0; i < t->n_hosts; i++) {
        struct whost *h = &t->hosts[i];
        struct err err = ERR_INIT;
        enum step_rc rc;

        if (h == t->host || !same_shard(h, t->host))
            continue;
        if (!host_runs(t, h)) {
            if (hangs(t, h))
                leave_open(g, "%s, which does not answer, may know of tables", h->key);
            continue;
        }
        rc = add_member(t, g, h, &err);
        if (rc == STEP_NO || rc == STEP_FAIL)
            rc = silent(t, g, h, rc == STEP_NO ? t->why : err.msg);
        if (rc == STEP_WAIT || (rc == STEP_NO && all == STEP_YES))
            all = rc;
    }
    return all;
}

/* A few hosts of other shards: perhaps the whole shard left out the same table. One that answers is enough. */
static enum step_rc ask_strangers(struct task *t, struct group *g)
{
    enum step_rc all = STEP_YES;
    unsigned asked_of = 0, answered = 0;
    struct err err = ERR_INIT;
    const struct whost *last = NULL;

    for (size_t i = 0; i < t->n_hosts && answered < STRANGERS && asked_of < 2 * STRANGERS; i++) {
        struct whost *h = &t->hosts[i];
        enum step_rc rc;

        if (!same_cluster(h, t->host) || same_shard(h, t->host) || !host_runs(t, h))
            continue;
        err.msg[0] = '\0';
        rc = schema_read(t, h, &g->all, true, true, &err);
        asked_of++;
        answered += rc == STEP_YES || rc == STEP_WAIT;
        if (rc == STEP_WAIT)
            all = STEP_WAIT;
        else if (rc != STEP_YES)
            last = h;
    }
    return all == STEP_YES && last && !answered ? silent(t, g, last, *err.msg ? err.msg : t->why) : all;
}

/* STEP_SKIP: the host is of a version that leaves nothing out. */
static enum step_rc group_read(struct task *t, struct group *g, struct err *err)
{
    enum step_rc rc = add_member(t, g, t->host, err), peers;

    if (rc != STEP_YES)
        return rc;
    peers = add_siblings(t, g);
    if (peers == STEP_YES)
        peers = ask_strangers(t, g);
    schema_set_settle(&g->all.objects);
    return peers;
}

typedef enum step_rc left_out_fn(struct task *t, struct whost *h, const struct schema_object *o, struct err *err);

static enum step_rc left_out(struct task *t, struct whost *h, const struct schema_object *o, struct err *err)
{
    (void)err;
    return not_yet(t, NULL, "%s: %s.%s is on its disk, but the server came up without it", h->key, o->database, o->name);
}

static enum step_rc attach(struct task *t, struct whost *h, const struct schema_object *o, struct err *err)
{
    const struct sql_arg args[] = {{"database", o->database}, {"table", o->name}, {NULL, NULL}};
    const struct ask_opts opts = {.timeout_ms = ATTACH_MS};
    struct answer a;
    enum ask_rc rc = ask_sql_opts(t, h, "attach_table", args, &opts, &a);

    if (rc != ASK_BAD)
        return asked(t, rc, &a, err);
    return step_failed(err, a.err.kind, "%s.%s is on its disk, but the server came up without it and cannot attach it: %s",
                       o->database, o->name, a.err.msg);
}

static enum step_rc each_of_member(struct task *t, const struct group *g, const struct member *m, left_out_fn *fn,
                                   struct err *err)
{
    auto_free size_t *order = schema_order(&g->all.objects);

    for (size_t i = 0; i < g->all.objects.n; i++) {
        const struct schema_object *o = &g->all.objects.v[order[i]];
        enum step_rc rc;

        if (!*o->database || !schema_set_find(&m->has.databases, o->database, "") ||
            schema_set_find(&m->has.objects, o->database, o->name))
            continue;
        rc = table_on_disk(t, m->host, o->database, o->name, err);
        if (rc == STEP_YES)
            rc = fn(t, m->host, o, err);
        if (rc != STEP_YES && rc != STEP_SKIP)
            return rc;
    }
    return STEP_YES;
}

/* What fails on a sibling is told and keeps nobody out. */
static enum step_rc of_sibling(struct task *t, struct group *g, const struct member *m, left_out_fn *fn, struct err *err)
{
    enum step_rc rc = each_of_member(t, g, m, fn, err);

    if (rc == STEP_FAIL)
        task_incident(t, m->host->key, "TABLE_LEFT_OUT", "%s", err->msg);
    if (rc == STEP_FAIL || (rc == STEP_NO && t->phase == PHASE_CHECK && !host_serves(t, t->host))) {
        leave_open(g, "%s", rc == STEP_NO ? t->why : err->msg);
        rc = STEP_YES;
    }
    return rc;
}

/* Calls fn for each table that another one has, a member has not loaded, and its disk has. */
static enum step_rc each_left_out(struct task *t, struct group *g, left_out_fn *fn, struct err *err)
{
    enum step_rc rc = group_read(t, g, err);

    for (size_t i = 0; rc == STEP_YES && i < g->n; i++)
        rc = g->v[i].host == t->host ? each_of_member(t, g, &g->v[i], fn, err) : of_sibling(t, g, &g->v[i], fn, err);
    return rc;
}

/* Writes down whether something is open, when that is something new. */
static enum step_rc settle(struct task *t, const char *open, struct err *err)
{
    if (fact_bool(t, t->host, "loaded.unasked") == (*open != '\0'))
        return STEP_YES;
    if (t->phase == PHASE_PROBE)
        return not_yet(t, NULL, "%s", *open ? open : "not written down yet that all its tables are there");
    if (*open)
        task_incident(t, t->host->key, "TABLES_UNASKED", "%s; it is looked at again when that can be asked", open);
    return write_unasked(t, *open != '\0', err);
}

static enum step_rc attached_probe(struct task *t, struct err *err)
{
    struct group g = {0};
    enum step_rc rc = each_left_out(t, &g, left_out, err);

    if (rc == STEP_YES)
        rc = settle(t, g.open, err);
    group_fini(&g);
    return rc;
}

static enum step_rc attached_act(struct task *t, struct err *err)
{
    struct group g = {0};
    enum step_rc rc = each_left_out(t, &g, attach, err);

    group_fini(&g);
    return rc == STEP_SKIP ? STEP_YES : rc;
}

const struct step_fns step_attach_fns[] = {
    {.name = "attached", .kind = "chi", .probe = attached_probe, .act = attached_act},
    {.name = NULL},
};
