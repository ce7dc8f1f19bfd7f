/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers answer: the statements of sql/statements/, found again by their text with the placeholders open, in the
 * variant that the server's version understands. Anything else is DDL, or an error that the test hears of.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sql/statements.h"
#include "tests/sim/hosts_impl.h"

struct call {
    struct chost *h;
    const char *sql, *query_id, *settings;
    char args[6][2][256]; /* name, value */
    int n_args;
    struct str *out;
    struct err *err;
};

static int fail(struct call *c, int code, const char *text)
{
    err_set(c->err, ERR_SYS, 0, "%s", text);
    c->err->sys = code;
    return -1;
}

static const char *arg(const struct call *c, const char *name)
{
    for (int i = 0; i < c->n_args; i++)
        if (strcmp(c->args[i][0], name) == 0)
            return c->args[i][1];
    return "";
}

/* ---- text back to name and values ---- */

static const char *take_quoted(const char *p, char mark, char *value, size_t size)
{
    size_t n = 0;

    if (*p != mark)
        return NULL;
    for (p++; *p && *p != mark; p++) {
        if (*p == '\\' && p[1])
            p++;
        if (n + 1 < size)
            value[n++] = *p;
    }
    value[n] = '\0';
    return *p == mark ? p + 1 : NULL;
}

static const char *take_plain(const char *p, const char *chars, char *value, size_t size)
{
    size_t n = strspn(p, chars);

    snprintf(value, size, "%.*s", (int)n, p);
    return n ? p + n : NULL;
}

static const char *take_arg(struct call *c, const char *p, const char *name, size_t name_len, const char *type)
{
    char *value = c->args[c->n_args][1];
    size_t size = sizeof c->args[0][1];

    snprintf(c->args[c->n_args++][0], sizeof c->args[0][0], "%.*s", (int)name_len, name);
    if (strncmp(type, "str}", 4) == 0)
        return take_quoted(p, '\'', value, size);
    if (strncmp(type, "id}", 3) == 0)
        return take_quoted(p, '`', value, size);
    if (strncmp(type, "int}", 4) == 0)
        return take_plain(p, "0123456789", value, size);
    return take_plain(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ", value, size);
}

static bool fits(struct call *c, const char *template)
{
    const char *p = c->sql;

    c->n_args = 0;
    while (*template) {
        if (*template == '{') {
            const char *colon = strchr(template, ':'), *end = strchr(template, '}');

            if (c->n_args == 6 || !(p = take_arg(c, p, template + 1, (size_t)(colon - template - 1), colon + 1)))
                return false;
            template = end + 1;
        } else if (*template ++ != *p++) {
            return false;
        }
    }
    return *p == '\0';
}

/* The statement's name, or NULL. A variant that the server does not understand yet does not count. */
static const char *name_of(struct call *c)
{
    struct sql_version v = chost_version(c->h);
    const struct sql_variant *s;

    for (size_t i = 0; (s = sql_variant_at(i)); i++)
        if (sql_version_at_least(&v, s->major, s->minor) && fits(c, s->text))
            return s->name;
    return NULL;
}

/* ---- answers ---- */

static void tsv(struct str *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            str_add(out, "\\n");
        else if (*text == '\t')
            str_add(out, "\\t");
        else if (*text == '\\' || *text == '\'')
            str_addf(out, "\\%c", *text);
        else
            str_addc(out, *text);
    }
}

static void session_make(struct chost *h, const char *id)
{
    struct session *s = mem_zero(sizeof *s);

    s->id = mem_str(id);
    s->next = h->sessions;
    h->sessions = s;
}

/* session_id=…: made unless session_check=1 demands one that is there. */
static int session(struct call *c)
{
    const char *p = strstr(c->settings, "session_id=");
    size_t n = p ? strcspn(p + 11, "&") : 0;
    auto_free char *id = p ? mem_strn(p + 11, n) : NULL;

    for (struct session *s = id ? c->h->sessions : NULL; s; s = s->next)
        if (strcmp(s->id, id) == 0)
            return 0;
    if (id && strstr(c->settings, "session_check=1"))
        return fail(c, 372, "Session not found.");
    if (id)
        session_make(c->h, id);
    return 0;
}

static int answer_identity(struct call *c)
{
    struct sql_version v = chost_version(c->h);
    /* now() and uptime() are cut to seconds at different moments */
    uint64_t s = c->h->hs->knobs.epoch_s + c->h->started_ms / 1000 + (sim_random(c->h->hs->s) & 1);

    str_addf(c->out, "%u.%u.%u\t%" PRIu64 "\n", v.major, v.minor, v.patch, s);
    return 0;
}

/* What the exporter asks: the version and a few numbers, which grow. */
static int answer_numbers(struct call *c)
{
    struct sql_version v = chost_version(c->h);

    str_addf(c->out, "0\t%u.%u.%u\t\n1\tQuery\t%u\n1\tReadonlyReplica\t0\n2\tUptime\t%" PRIu64 "\n3\tQuery\t%" PRIu64 "\n",
             v.major, v.minor, v.patch, chost_queries(c->h), (sim_now(c->h->hs->s) - c->h->started_ms) / 1000,
             sim_now(c->h->hs->s));
    return 0;
}

static int answer_macros(struct call *c)
{
    for (size_t i = 0; i < c->h->now.n_macros; i++) {
        tsv(c->out, c->h->now.macros[i].name);
        str_addc(c->out, '\t');
        tsv(c->out, c->h->now.macros[i].value);
        str_addc(c->out, '\n');
    }
    return 0;
}

static int answer_reload(struct call *c)
{
    config_load(c->h, false);
    return 0;
}

static int answer_shutdown(struct call *c)
{
    chost_term(c->h);
    return 0;
}

static int number(struct call *c, int64_t n)
{
    str_addf(c->out, "%" PRId64 "\n", n);
    return 0;
}

static int answer_running(struct call *c)
{
    return number(c, chost_queries(c->h));
}

static bool of_others(const struct query *q, void *ctx)
{
    (void)ctx;
    return !q->ours;
}

static int answer_kill_running(struct call *c)
{
    queries_kill(c->h, of_others, NULL);
    return 0;
}

static bool fenced(const struct query *q, void *ctx)
{
    return str_glob(ctx, q->id) && !strstr(q->id, "-fence-");
}

/* SQL's % is our *. */
static char *glob_arg(const struct call *c)
{
    char *glob = mem_str(arg(c, "pattern"));

    for (char *p = glob; *p; p++)
        if (*p == '%')
            *p = '*';
    return glob;
}

static int answer_fence_running(struct call *c)
{
    auto_free char *glob = glob_arg(c);
    int64_t n = 0;

    for (struct query *q = c->h->queries; q; q = q->next)
        n += fenced(q, glob);
    return number(c, n);
}

static int answer_fence_kill(struct call *c)
{
    auto_free char *glob = glob_arg(c);

    queries_kill(c->h, fenced, glob);
    return 0;
}

static bool any_broken(struct chost *h)
{
    for (struct dtable *t = table_first(h); t; t = table_next(t))
        if (t->broken)
            return true;
    return false;
}

static int answer_behind(struct call *c)
{
    int64_t limit = strtoll(arg(c, "limit"), NULL, 10), n = 0;

    if (any_broken(c->h))
        return fail(c, 999, "No node");
    tables_sync(c->h);
    for (struct dtable *t = table_first(c->h); t; t = table_next(t))
        n += t->log && (chost_readonly(c->h) || table_delay_s(c->h, t) > limit);
    return number(c, n);
}

static int answer_replicas(struct call *c)
{
    bool readonly = chost_readonly(c->h), lies = chost_lies(c->h);

    if (any_broken(c->h))
        return fail(c, 999, "No node");
    for (struct dtable *t = table_first(c->h); t; t = table_next(t)) {
        size_t pointer;
        unsigned total;

        if (!t->log)
            continue;
        pointer = table_pointer(c->h, t);
        total = replicas_of(c->h->hs, t->path, false);
        str_addf(c->out, "%s\t%s\t%d\t%d\t%lld\t%zu\t%" PRId64 "\t%zu\t%u\t%u\t%s\t%s\n", t->db, t->name, readonly,
                 readonly, t->log->n ? (long long)t->log->n - 1 : 0, pointer, table_delay_s(c->h, t),
                 lies ? 0 : t->log->n - t->have, total, lies ? total : replicas_of(c->h->hs, t->path, true), t->path,
                 t->replica);
    }
    return 0;
}

static int answer_old_fetches(struct call *c)
{
    uint64_t before = strtoull(arg(c, "before"), NULL, 10);
    int64_t n = 0;

    tables_sync(c->h);
    for (struct dtable *t = table_first(c->h); t; t = table_next(t))
        for (size_t i = t->have; t->log && c->h->queue_style && !chost_lies(c->h) && i < t->log->n; i++)
            n += !disk_has(t, i) && c->h->hs->knobs.epoch_s + t->log->at[i] / 1000 <= before;
    return number(c, n);
}

static int answer_databases(struct call *c)
{
    for (size_t i = 0; i < c->h->disk->n_databases; i++) {
        const struct ddatabase *db = &c->h->disk->databases[i];

        tsv(c->out, db->name);
        str_addf(c->out, "\t%.*s\t", (int)strcspn(db->engine, "("), db->engine);
        tsv(c->out, db->engine);
        str_addc(c->out, '\n');
    }
    return 0;
}

static int answer_replicated_databases(struct call *c)
{
    for (size_t i = 0; i < c->h->disk->n_databases; i++) {
        const struct ddatabase *db = &c->h->disk->databases[i];

        if (!db->path)
            continue;
        tsv(c->out, db->name);
        str_add(c->out, "\t6f1c5b1e-0000-4000-8000-000000000000\t");
        tsv(c->out, db->engine);
        str_addc(c->out, '\n');
    }
    return 0;
}

static int answer_drop_database_replica(struct call *c)
{
    return database_drop_replica(c->h, arg(c, "database"), arg(c, "replica"), c->err);
}

static int answer_objects(struct call *c)
{
    for (struct dtable *t = table_first(c->h); t; t = table_next(t)) {
        tsv(c->out, t->db);
        str_addc(c->out, '\t');
        tsv(c->out, t->name);
        str_addc(c->out, '\t');
        tsv(c->out, t->engine);
        str_addc(c->out, '\t');
        tsv(c->out, t->create);
        str_addc(c->out, '\n');
    }
    return 0;
}

static int each_of_engine(struct call *c, const char *engine)
{
    for (struct dtable *t = table_first(c->h); t; t = table_next(t))
        if (strcmp(t->engine, engine) == 0)
            str_addf(c->out, "%s\t%s\n", t->db, t->name);
    return 0;
}

static int answer_distributed_tables(struct call *c)
{
    return each_of_engine(c, "Distributed");
}

static int answer_plain_tables(struct call *c)
{
    return each_of_engine(c, "Log");
}

static int answer_plain_rows(struct call *c)
{
    for (struct dtable *t = table_first(c->h); t; t = table_next(t))
        if (!t->log && t->rows && strcmp(t->engine, "MergeTree") == 0)
            str_addf(c->out, "%s\t%s\t%" PRId64 "\n", t->db, t->name, t->rows);
    return 0;
}

/* Runs of entries that are here, as merged parts. */
static int answer_parts(struct call *c)
{
    tables_sync(c->h);
    for (struct dtable *t = table_first(c->h); t; t = table_next(t))
        for (size_t i = 0, from; t->log && i < t->log->n; i++) {
            if (!disk_has(t, i))
                continue;
            for (from = i; i + 1 < t->log->n && disk_has(t, i + 1);)
                i++;
            str_addf(c->out, "%s\t%s\tall\t%zu\t%zu\t%d\n", t->db, t->name, from, i, from == i ? 0 : 1);
        }
    return 0;
}

static int answer_count_rows(struct call *c)
{
    struct dtable *t = disk_table(c->h->disk, arg(c, "database"), arg(c, "table"));
    int64_t n = 0;

    if (!t || t->left_out)
        return fail(c, 60, "Table doesn't exist.");
    tables_sync(c->h);
    for (size_t i = 0; t->log && i < t->log->n; i++)
        n += disk_has(t, i);
    return number(c, n + t->rows);
}

static int answer_attach_table(struct call *c)
{
    return table_attach(c->h, arg(c, "database"), arg(c, "table"), c->err);
}

static int answer_on_disk(struct call *c)
{
    const struct dtable *t = disk_table(c->h->disk, arg(c, "database"), arg(c, "table"));

    if (!t)
        return fail(c, 390, "There is no metadata file for the table");
    tsv(c->out, t->create);
    str_addc(c->out, '\n');
    return 0;
}

static int answer_drop_table(struct call *c)
{
    table_drop(c->h, arg(c, "database"), arg(c, "table"));
    return 0;
}

/* "…/log": the entries, a few are enough. */
static void log_children(struct call *c)
{
    const char *path = arg(c, "path");
    size_t len = strlen(path);

    for (struct klog *l = c->h->hs->logs; l && len > 4 && strcmp(path + len - 4, "/log") == 0; l = l->next)
        for (size_t i = 0; strncmp(l->path, path, len - 4) == 0 && !l->path[len - 4] && i < l->n && i < 5; i++)
            str_addf(c->out, "log-%010zu\n", i);
}

static int answer_zk_children(struct call *c)
{
    if (!chost_session(c->h))
        return fail(c, 999, "Session expired");
    log_children(c);
    znode_children(c->h->hs, arg(c, "path"), c->out);
    return 0;
}

static int answer_keeper_alive(struct call *c)
{
    return chost_session(c->h) ? number(c, 2) : fail(c, 999, "Session expired");
}

static int answer_drop_replica(struct call *c)
{
    auto_free char *node = mem_printf("%s/replicas/%s", arg(c, "path"), arg(c, "replica"));

    znode_delete_tree(c->h->hs, node);
    if (replicas_of(c->h->hs, arg(c, "path"), false) == 0)
        znode_delete_tree(c->h->hs, arg(c, "path"));
    return 0;
}

static int answer_reach(struct call *c)
{
    struct chost *replicas[32];

    for (unsigned s = 0; (int)s < c->h->now.n_shards; s++) {
        int n = chost_members(c->h, s, replicas, 32), up = 0;

        for (int i = 0; i < n; i++)
            up += replicas[i] && replicas[i]->state == CHOST_UP;
        if (!up)
            return fail(c, 279, "All connection tries failed.");
    }
    return number(c, 0);
}

static int answer_zero(struct call *c)
{
    return number(c, 0);
}

static int answer_nothing(struct call *c)
{
    (void)c;
    return 0;
}

static int answer_queue(struct call *c)
{
    struct sql_version v = chost_version(c->h);

    return v.major < 20 ? fail(c, 60, "Table system.distribution_queue doesn't exist.") : number(c, 0);
}

static const struct {
    const char *name;
    int (*fn)(struct call *c);
} answers[] = {
    {"access", answer_nothing},
    {"attach_table", answer_attach_table},
    {"behind", answer_behind},
    {"count_rows", answer_count_rows},
    {"databases", answer_databases},
    {"detach_table", answer_nothing},
    {"distributed_queue", answer_queue},
    {"distributed_reach", answer_reach},
    {"distributed_sending", answer_zero},
    {"distributed_tables", answer_distributed_tables},
    {"drop_database_replica", answer_drop_database_replica},
    {"drop_dns_cache", answer_nothing},
    {"drop_replica", answer_drop_replica},
    {"drop_table", answer_drop_table},
    {"fence_kill", answer_fence_kill},
    {"fence_running", answer_fence_running},
    {"flush_distributed", answer_nothing},
    {"functions", answer_nothing},
    {"identity", answer_identity},
    {"keeper_alive", answer_keeper_alive},
    {"kill_running", answer_kill_running},
    {"macros", answer_macros},
    {"metrics_detached", answer_nothing},
    {"metrics_disks", answer_nothing},
    {"metrics_mutations", answer_nothing},
    {"metrics_parts", answer_nothing},
    {"metrics_replicas", answer_nothing},
    {"metrics_values", answer_numbers},
    {"named_collections", answer_nothing},
    {"objects", answer_objects},
    {"old_fetches", answer_old_fetches},
    {"on_disk", answer_on_disk},
    {"parts", answer_parts},
    {"plain_rows", answer_plain_rows},
    {"plain_tables", answer_plain_tables},
    {"reload_config", answer_reload},
    {"replicas", answer_replicas},
    {"replicated_databases", answer_replicated_databases},
    {"running", answer_running},
    {"show_access", answer_nothing},
    {"show_database_policy", answer_nothing},
    {"show_grants", answer_nothing},
    {"show_policy", answer_nothing},
    {"shutdown", answer_shutdown},
    {"zk_children", answer_zk_children},
};

int statement_run(struct chost *h, const char *sql, const char *query_id, const char *settings, struct str *out,
                  struct err *err)
{
    struct call c = {.h = h, .sql = sql, .query_id = query_id, .settings = settings, .out = out, .err = err};
    const char *name = name_of(&c);
    int rc;

    if (session(&c) < 0)
        return -1;
    for (size_t i = 0; name && i < sizeof answers / sizeof *answers; i++)
        if (strcmp(answers[i].name, name) == 0)
            return answers[i].fn(&c);
    rc = tables_ddl(h, sql, err);
    if (rc <= 0)
        return rc;
    if (h->hs->hooks.unknown)
        h->hs->hooks.unknown(h->hs->hooks.ctx, h, sql);
    return fail(&c, 62, "Syntax error: the simulated server does not know this statement");
}
