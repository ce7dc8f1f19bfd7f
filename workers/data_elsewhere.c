/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what a host holds also on another host? Compared part by part: a part is covered when a serving replica of the
 * same shard has an active part of the same table and partition whose block range contains it (a merge may have
 * happened there and not here). Rows of tables that are not replicated are nowhere else by definition.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/step_remove.h"

struct part {
    char *key; /* database, table, partition */
    long long min, max, level;
    bool covered;
};
struct parts {
    struct part *v;
    size_t n;
};

static void parts_fini(struct parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i].key);
    free(p->v);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct part *)a)->key, ((const struct part *)b)->key);
}

static void parts_read(const struct answer *a, struct parts *out)
{
    struct sql_rows rows = answer_rows(a);
    auto_str struct str buf = STR_INIT;
    const char *f[6];

    while (sql_next(&rows, &buf, f, 6) == 6) {
        struct part p = {mem_printf("%s\t%s\t%s", f[0], f[1], f[2]), strtoll(f[3], NULL, 10), strtoll(f[4], NULL, 10),
                         strtoll(f[5], NULL, 10), false};

        if ((out->n & (out->n - 1)) == 0)
            out->v = mem_grow(out->v, out->n ? out->n * 2 : 1, sizeof *out->v);
        out->v[out->n++] = p;
    }
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_key);
}

static bool is_covered(const struct part *p, const struct parts *by)
{
    const struct part *hit = by->n ? bsearch(p, by->v, by->n, sizeof *by->v, by_key) : NULL;

    if (!hit)
        return false;
    while (hit > by->v && by_key(hit - 1, p) == 0)
        hit--;
    for (; hit < by->v + by->n && by_key(hit, p) == 0; hit++)
        if (hit->min <= p->min && hit->max >= p->max && hit->level >= p->level)
            return true;
    return false;
}

static void cover(struct parts *own, const struct answer *a)
{
    struct parts theirs = {NULL, 0};

    parts_read(a, &theirs);
    for (size_t i = 0; i < own->n; i++)
        own->v[i].covered = own->v[i].covered || is_covered(&own->v[i], &theirs);
    parts_fini(&theirs);
}

bool volumes_stay(struct task *t)
{
    const cJSON *v, *list = json_get(host_facts(t, t->host), "pvcs");

    if (json_bool(t->host->json, "ephemeral", false) || cJSON_GetArraySize(list) == 0)
        return false;
    cJSON_ArrayForEach(v, list)
        if (!json_bool(v, "retain", false))
            return false;
    return true;
}

/* A host that moves starts empty, also when its old claims are kept: its peers must have what it has. */
static bool move_is_covered(struct task *t)
{
    const cJSON *claim, *names = json_at(t->json, "consent.volumes");
    bool all = true;

    if (!fact_bool(t, t->host, "data_moves"))
        return true;
    cJSON_ArrayForEach(claim, json_get(host_facts(t, t->host), "pvcs")) {
        auto_free char *full = mem_printf("%s/%s", host_str(t->host, "cluster"), json_str(claim, "name", ""));

        if (json_bool(claim, "goes", false) || json_bool(claim, "unused", false))
            all = all && (json_has(names, json_str(claim, "name", "")) || json_has(names, full));
    }
    return all && cJSON_GetArraySize(names) > 0;
}

bool loss_is_covered(struct task *t)
{
    if (consent_covers(t, t->host))
        return true;
    return strcmp(t->table->name, "move") == 0 ? move_is_covered(t) : volumes_stay(t);
}

static enum step_rc refuse(struct task *t, struct err *err, const char *what)
{
    return step_failed(
        err, ERR_REFUSED,
        "%s. To let it go, write in the resource: spec: {chfleet: {consent: {dataLoss: [\"%s/%s-%s\"]}}}", what,
        host_str(t->host, "cluster"), host_str(t->host, "shard"), host_str(t->host, "replica"));
}

enum step_rc data_unknown(struct task *t, struct err *err)
{
    return refuse(t, err, "the host does not answer, so it cannot be proven that its data is on another host");
}

/* ---- replicated tables ---- */

static enum step_rc parts_are_elsewhere(struct task *t, struct err *err)
{
    struct parts own = {NULL, 0};
    struct answer mine, a;
    unsigned siblings = 0;
    const struct whost *silent = NULL;
    size_t bare = 0, first = 0;
    enum step_rc rc = asked(t, ask_sql(t, t->host, "parts", NULL, &mine), &mine, err);

    if (rc != STEP_YES)
        return rc;
    parts_read(&mine, &own);
    for (size_t i = 0; i < t->n_hosts && own.n; i++) {
        struct whost *h = &t->hosts[i];
        enum ask_rc one;

        if (h == t->host || !same_shard(h, t->host) || strcmp(host_str(h, "action"), "remove") == 0)
            continue;
        siblings++;
        if (!host_serves(t, h)) {
            silent = h;
            continue;
        }
        one = ask_sql(t, h, "parts", NULL, &a);
        if (one == ASK_WAIT)
            rc = STEP_WAIT;
        if (one == ASK_BAD)
            silent = h;
        if (one == ASK_GOOD)
            cover(&own, &a);
    }
    for (size_t i = 0; i < own.n; i++)
        if (!own.v[i].covered && bare++ == 0)
            first = i;
    if (rc == STEP_YES && bare) {
        for (char *p = own.v[first].key; *p; p++)
            *p = *p == '\t' ? '.' : *p;
        if (silent)
            rc = not_yet(t, "WAIT_PEER", "%zu parts are not known to be on another replica: %s does not say what it has",
                         bare, silent->key);
        else if (siblings)
            rc = not_yet(t, "WAIT_CATCHUP", "%zu parts are not yet on another replica, the first in %.120s", bare,
                         own.v[first].key);
        else
            rc = refuse(t, err, "its shard has no other replica, so its data would be gone");
    }
    parts_fini(&own);
    return rc;
}

/* ---- tables that only this host has ---- */

static enum step_rc plain_rows(struct task *t, struct err *err)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[3];
    char what[260];
    enum step_rc rc = asked(t, ask_sql(t, t->host, "plain_rows", NULL, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    if (sql_next(&rows, &buf, f, 3) != 3)
        return STEP_YES;
    snprintf(what, sizeof what, "table %.80s.%.80s is not replicated and holds %.20s rows that would be gone", f[0],
             f[1], f[2]);
    return refuse(t, err, what);
}

static enum step_rc plain_tables(struct task *t, struct err *err)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a, b;
    const char *f[2];
    char what[260];
    enum step_rc rc = asked(t, ask_sql(t, t->host, "plain_tables", NULL, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 2) == 2) {
        const struct sql_arg table[] = {{"database", f[0]}, {"table", f[1]}, {NULL, NULL}};
        int64_t n = 0;

        rc = asked(t, ask_number(t, t->host, "count_rows", table, &n, &b), &b, err);
        if (rc != STEP_YES && !(rc == STEP_FAIL && b.err.kind == ERR_MISSING))
            return rc;
        if (n == 0)
            continue;
        snprintf(what, sizeof what, "table %.80s.%.80s is not replicated and holds %lld rows that would be gone", f[0],
                 f[1], (long long)n);
        return refuse(t, err, what);
    }
    return STEP_YES;
}

enum step_rc data_is_elsewhere(struct task *t, struct err *err)
{
    enum step_rc rc;

    if (loss_is_covered(t))
        return STEP_YES;
    rc = parts_are_elsewhere(t, err);
    if (rc == STEP_YES)
        rc = plain_rows(t, err);
    return rc == STEP_YES ? plain_tables(t, err) : rc;
}

/* While the server runs it is compared anew. Once it is halted nothing can be added: then the proof of this task's
 * flush holds, which was looked at again right before the halt. */
enum step_rc guard_data_elsewhere(struct task *t, struct err *err)
{
    const cJSON *flush;
    const char *outcome;

    t->polled = true;
    if (loss_is_covered(t))
        return STEP_YES;
    if (host_runs(t, t->host))
        return data_is_elsewhere(t, err);
    if (strcmp(t->kind, "chk") == 0)
        return STEP_YES; /* a member's data is the ensemble's; the quorum guard looked at that */
    flush = task_row(t, t->host->key, "flush");
    outcome = json_str(flush, "outcome", "");
    if (strcmp(outcome, "done") == 0 && *json_str(flush, "baseline.identity", ""))
        return STEP_YES;
    return data_unknown(t, err);
}
