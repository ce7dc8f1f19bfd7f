/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema: what the peers have, made on the host, in an order in which each object comes after what it names. The host
 * is admitted only when it has every object of the reference; a peer that does not answer is not taken for one that has
 * nothing. One that is there with another statement is told and keeps nobody out: servers of two versions write the
 * same table in two ways, and a host that served before with its own view serves again.
 */
#include <string.h>

#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/access_copy.h"
#include "workers/schema_read.h"
#include "workers/step_remove.h"
#include "workers/task.h"

enum { DDL_MS = 120000 };

static bool policy_is(const struct task *t, const char *what, const char *value)
{
    const char *text = json_str(json_get(t->json, "schema_policy"), what, "All");

    return strcmp(text, value) == 0;
}

static bool is_source(struct task *t, const struct whost *h)
{
    return h != t->host && same_cluster(h, t->host) && host_serves(t, h) &&
           strcmp(host_str(h, "action"), "remove") != 0;
}

static bool has_near_source(struct task *t)
{
    for (size_t i = 0; i < t->n_hosts; i++)
        if (is_source(t, &t->hosts[i]) && same_shard(&t->hosts[i], t->host))
            return true;
    return false;
}

/* What the host should have: of its own shard's replicas when there are any, else of all other shards, as the policy
 * says. */
static enum step_rc reference(struct task *t, struct schema *ref, struct err *err)
{
    bool near = has_near_source(t), waits = false;
    unsigned sources = 0, answered = 0;

    for (size_t i = 0; i < t->n_hosts; i++) {
        struct whost *h = &t->hosts[i];
        bool sibling = same_shard(h, t->host);
        bool local = sibling ? !policy_is(t, "replica", "None") : policy_is(t, "shard", "All");
        bool distributed = sibling ? !policy_is(t, "replica", "None") : !policy_is(t, "shard", "None");
        enum step_rc rc;

        if (!is_source(t, h) || (near && !sibling) || (!local && !distributed))
            continue;
        sources++;
        rc = schema_read(t, h, ref, local, distributed, err);
        waits = waits || rc == STEP_WAIT;
        answered += rc == STEP_YES;
        if (rc == STEP_FAIL)
            not_yet(t, "WAIT_PEER", "%s: %s", h->key, err->msg);
    }
    if (waits)
        return STEP_WAIT;
    schema_set_settle(&ref->databases);
    schema_set_settle(&ref->objects);
    return sources == 0 || answered > 0 ? STEP_YES
                                        : not_yet(t, "WAIT_PEER", "no peer tells its schema: %.300s", t->why);
}

/* Whose users, roles and collections the host gets: a sibling's, else those of another shard, as the policy says of local
 * tables. */
static struct whost *access_source(struct task *t)
{
    bool near = has_near_source(t);

    for (size_t i = 0; i < t->n_hosts; i++) {
        struct whost *h = &t->hosts[i];
        bool sibling = same_shard(h, t->host);
        bool local = sibling ? !policy_is(t, "replica", "None") : policy_is(t, "shard", "All");

        if (is_source(t, h) && local && (sibling || !near))
            return h;
    }
    return NULL;
}

static bool applies(struct task *t)
{
    const char *table = t->table->name;

    if (policy_is(t, "replica", "None") && policy_is(t, "shard", "None"))
        return false;
    if (strcmp(table, "create") == 0 || strcmp(table, "rebuild") == 0 || strcmp(table, "move") == 0)
        return true;
    /* One that is no member when its turn comes may be out since its creation, which nobody finished. */
    return json_bool(t->host->json, "ephemeral", false) || !json_bool(t->host->json, "member", true);
}

static enum step_rc both_sides(struct task *t, struct schema *ref, struct schema *own, struct err *err)
{
    enum step_rc rc = reference(t, ref, err), mine = schema_read(t, t->host, own, true, true, err);

    return rc == STEP_YES ? mine : rc;
}

static bool database_is_needed(const struct task *t, const struct schema *ref, const char *name)
{
    if (policy_is(t, "shard", "All") || !policy_is(t, "replica", "None"))
        return true;
    for (size_t i = 0; i < ref->objects.n; i++)
        if (strcmp(ref->objects.v[i].database, name) == 0)
            return true;
    return false;
}

/* ---- probe ---- */

static enum step_rc compare(struct task *t, const struct schema *ref, const struct schema *own)
{
    size_t missing = 0;
    const struct schema_object *first = NULL, *other = NULL;

    for (size_t i = 0; i < ref->databases.n; i++)
        if (database_is_needed(t, ref, ref->databases.v[i].database) &&
            !schema_set_find(&own->databases, ref->databases.v[i].database, "") && missing++ == 0)
            first = &ref->databases.v[i];
    for (size_t i = 0; i < ref->objects.n; i++) {
        const struct schema_object *o = &ref->objects.v[i],
                                   *have = schema_set_find(&own->objects, o->database, o->name);

        if (have && !schema_same(have->text, o->text))
            other = o;
        if (!have && missing++ == 0)
            first = o;
    }
    if (missing)
        return not_yet(t, "WAIT_SCHEMA", "%zu objects of its peers are missing, the first is %s%s%s", missing,
                       first->database, *first->database && *first->name ? "." : "", first->name);
    if (other)
        task_incident(t, t->host->key, "SCHEMA_DIFFERS", "%s%s%s is made by another statement than on its peers",
                      other->database, *other->database ? "." : "", other->name);
    return STEP_YES;
}

static enum step_rc schema_probe(struct task *t, struct err *err)
{
    struct schema ref = {0}, own = {0};
    enum step_rc rc;

    if (!applies(t))
        return STEP_SKIP;
    rc = both_sides(t, &ref, &own, err);
    if (rc == STEP_YES)
        rc = collections_probe(t, access_source(t), err);
    if (rc == STEP_YES)
        rc = compare(t, &ref, &own);
    if (rc == STEP_YES)
        rc = access_probe(t, access_source(t), err);
    schema_fini(&ref);
    schema_fini(&own);
    return rc;
}

/* ---- act ---- */

struct making {
    struct task *t;
    const struct schema *ref, *own;
    unsigned made;
    bool waits;
    struct err first; /* of what could not be made */
};

/* "Replica PATH/replicas/NAME already exists": the name is the host's own, of the disk that it lost. Where it has no
 * sibling that could have told of it before, the server says it now. */
static enum ask_rc drop_own_entry(struct making *m, const char *said)
{
    const char *path = strstr(said, "Replica /"), *name = path ? strstr(path, "/replicas/") : NULL;
    auto_free char *of = NULL, *replica = NULL;
    struct err err = ERR_INIT;
    enum step_rc rc;

    if (!name)
        return ASK_BAD;
    path += strlen("Replica ");
    of = mem_strn(path, (size_t)(name - path));
    name += strlen("/replicas/");
    replica = mem_strn(name, strcspn(name, " ,'\""));
    rc = drop_replica_entries(m->t, m->t->host, of, replica, &err);
    if (rc == STEP_WAIT)
        return ASK_WAIT;
    if (rc == STEP_FAIL && m->first.kind == ERR_NONE)
        m->first = err;
    else if (m->first.kind == ERR_NONE)
        err_set(&m->first, ERR_AGAIN, 0, "an old entry %.60s of %.200s is being taken out of Keeper", replica, of);
    return ASK_GOOD;
}

static char *word_after(const char *text, const char *before)
{
    const char *at = strstr(text, before);

    at = at ? at + strlen(before) : "";
    return mem_strn(at, strcspn(at, " ,;"));
}

/* "Replica R of shard S of replicated database at … already exists": of the disk that was lost, too. A peer that has the
 * database takes it out; it refuses while that replica is active. */
static enum ask_rc drop_own_database_replica(struct making *m, const char *database, const char *said)
{
    auto_free char *replica = word_after(said, "Replica "), *shard = word_after(said, " of shard ");
    auto_free char *name = mem_printf("%s|%s", shard, replica);
    const struct sql_arg args[] = {{"replica", name}, {"database", database}, {NULL, NULL}};
    struct whost *peer = dropper(m->t, m->t->host);
    struct answer a;
    enum ask_rc rc;

    if (!*replica || !*shard || !peer)
        return ASK_BAD;
    rc = ask_sql(m->t, peer, "drop_database_replica", args, &a);
    if (rc == ASK_GOOD && m->first.kind == ERR_NONE)
        err_set(&m->first, ERR_AGAIN, 0, "an old replica %.100s of database %.100s is being taken out of Keeper", name,
                database);
    return rc;
}

static enum ask_rc run_ddl(struct making *m, const char *sql, const char *settings, const char *what, const char *name)
{
    const struct ask_opts o = {.timeout_ms = DDL_MS, .settings = settings};
    struct answer a;
    enum ask_rc rc = ask_text(m->t, m->t->host, sql, &o, &a);

    if (rc == ASK_GOOD)
        m->made++;
    if (rc != ASK_BAD)
        return rc;
    if (a.err.sys == 57 || a.err.sys == 82) /* there meanwhile */
        return ASK_GOOD;
    if (a.err.sys == 253 && lost_its_disk(m->t)) {
        rc = strcmp(what, "database") == 0 ? drop_own_database_replica(m, name, a.err.msg) : drop_own_entry(m, a.err.msg);
        if (rc != ASK_BAD)
            return rc;
    }
    if (m->first.kind == ERR_NONE)
        err_set(&m->first, a.err.kind, 0, "cannot make %s %s: %s", what, name, a.err.msg);
    return ASK_BAD;
}

static enum ask_rc make_database(struct making *m, const struct schema_object *o)
{
    auto_str struct str sql = STR_INIT;
    bool old_kind = strcmp(o->engine, "Ordinary") == 0 && sql_version_at_least(&m->t->host->version, 22, 7);

    str_add(&sql, "CREATE DATABASE IF NOT EXISTS ");
    sql_quote_name(&sql, o->database);
    str_addf(&sql, " ENGINE = %s", o->text);
    return run_ddl(m, str_text(&sql), old_kind ? "allow_deprecated_database_ordinary=1" : NULL, "database",
                   o->database);
}

static enum ask_rc make_object(struct making *m, const struct schema_object *o)
{
    auto_str struct str sql = STR_INIT;
    auto_free char *name = mem_printf("%s%s%s", o->database, *o->database ? "." : "", o->name);

    if (strstr(o->text, "[HIDDEN]")) {
        if (m->first.kind == ERR_NONE)
            err_set(&m->first, ERR_INPUT, 0,
                    "cannot copy %s: the server hides a secret in its statement; make it here by hand, or put the "
                    "secret in a named collection",
                    name);
        return ASK_BAD;
    }
    if (!schema_create(o, &sql)) {
        if (m->first.kind == ERR_NONE)
            err_set(&m->first, ERR_INPUT, 0, "cannot copy %s: its statement begins with '%.40s'", name, o->text);
        return ASK_BAD;
    }
    return run_ddl(m, str_text(&sql), NULL, o->engine, name);
}

/* One after the other; an object that fails does not keep the others from being made. */
static enum step_rc make_all(struct making *m)
{
    auto_free size_t *order = schema_order(&m->ref->objects);

    for (size_t i = 0; i < m->ref->databases.n; i++) {
        const struct schema_object *o = &m->ref->databases.v[i];

        if (database_is_needed(m->t, m->ref, o->database) && !schema_set_find(&m->own->databases, o->database, "") &&
            make_database(m, o) == ASK_WAIT)
            return STEP_WAIT;
    }
    for (size_t i = 0; i < m->ref->objects.n; i++) {
        const struct schema_object *o = &m->ref->objects.v[order[i]];

        if (!o->by_engine && !schema_set_find(&m->own->objects, o->database, o->name) && make_object(m, o) == ASK_WAIT)
            return STEP_WAIT;
    }
    return STEP_YES;
}

static enum step_rc schema_act(struct task *t, struct err *err)
{
    struct schema ref = {0}, own = {0};
    struct making m = {.t = t, .ref = &ref, .own = &own};
    enum step_rc rc = both_sides(t, &ref, &own, err);

    if (rc == STEP_YES)
        rc = collections_act(t, access_source(t), err);
    if (rc == STEP_YES)
        rc = make_all(&m);
    if (rc == STEP_YES && m.first.kind == ERR_NONE)
        rc = access_act(t, access_source(t), err);
    schema_fini(&ref);
    schema_fini(&own);
    if (rc != STEP_YES || m.first.kind == ERR_NONE)
        return rc;
    if (m.made > 0 || m.first.kind == ERR_AGAIN)
        return not_yet(t, "WAIT_SCHEMA", "%s", m.first.msg); /* what failed may find now what it needs */
    *err = m.first;
    return STEP_FAIL;
}

const struct step_fns step_schema_fns[] = {
    {.name = "schema", .kind = "chi", .probe = schema_probe, .act = schema_act},
    {.name = NULL},
};
