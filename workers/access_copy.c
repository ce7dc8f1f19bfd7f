/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/access_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { DDL_MS = 60000, DENIED = 497 };

struct entity {
    char *kind, *name, *database, *table;
    char *create;         /* NULL: not asked for */
    bool there;           /* on the host that is filled */
    bool hidden;
};
struct entities {
    struct entity *v;
    size_t n;
};

static void entities_fini(struct entities *e)
{
    for (size_t i = 0; i < e->n; i++) {
        free(e->v[i].kind);
        free(e->v[i].name);
        free(e->v[i].database);
        free(e->v[i].table);
        free(e->v[i].create);
    }
    free(e->v);
    *e = (struct entities){NULL, 0};
}

static bool same_entity(const struct entity *a, const struct entity *b)
{
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0 && strcmp(a->database, b->database) == 0 &&
           strcmp(a->table, b->table) == 0;
}

static bool has_grants(const struct entity *e)
{
    return strcmp(e->kind, "USER") == 0 || strcmp(e->kind, "ROLE") == 0;
}

/* ---- texts ---- */

/* What follows the word at `p` in a list of authentication methods is a secret that is there. */
static bool shows_secret(const char *after)
{
    return strncmp(after, " BY ", 4) == 0 && strncmp(after, " BY '[HIDDEN]'", 14) != 0;
}

bool access_hides_secret(const char *s)
{
    static const char *const methods[] = {"plaintext_password", "sha256_password",       "sha256_hash",
                                          "double_sha1_password", "double_sha1_hash",    "bcrypt_password",
                                          "bcrypt_hash",        "scram_sha256_password", "scram_sha256_hash"};
    const char *at = strstr(s, " IDENTIFIED ");

    for (size_t i = 0; at && i < sizeof methods / sizeof *methods; i++)
        for (const char *p = at; (p = strstr(p, methods[i])); p += strlen(methods[i]))
            if (p[-1] == ' ' && !shows_secret(p + strlen(methods[i])))
                return true;
    return strstr(s, "[HIDDEN]") != NULL;
}

size_t access_without_to(const char *s)
{
    char quote = '\0';
    size_t at = strlen(s);

    for (size_t i = 0; s[i]; i++) {
        if (quote && s[i] == '\\' && s[i + 1])
            i++;
        else if (quote)
            quote = s[i] == quote ? '\0' : quote;
        else if (strchr("'`\"", s[i]))
            quote = s[i];
        else if (strncmp(s + i, " TO ", 4) == 0)
            at = i;
    }
    return at;
}

bool access_create(const char *kind, const char *statement, struct str *out)
{
    auto_free char *begin = mem_printf("CREATE %s ", kind);

    if (!str_starts(statement, begin))
        return false;
    str_addf(out, "%sIF NOT EXISTS %s", begin, statement + strlen(begin));
    return true;
}

/* ---- reading ---- */

static void tell(struct task *t, const char *fmt, const char *what, const char *host)
{
    auto_free char *text = mem_printf(fmt, what, host);

    if (json_get(t->told, text))
        return;
    if (!t->told)
        t->told = cJSON_CreateObject();
    json_set_bool(t->told, text, true);
    task_incident(t, t->host->key, "ACCESS_NOT_COPIED", "%s", text);
}

/* STEP_SKIP: the server does not say, and waiting will not help. */
static enum step_rc readable(struct task *t, const struct whost *h, enum ask_rc rc, const struct answer *a, struct err *err)
{
    if (rc != ASK_BAD || a->err.kind == ERR_AGAIN || a->err.kind == ERR_CONFLICT)
        return asked(t, rc, a, err);
    if (a->err.sys == DENIED)
        tell(t, "%s may not be seen by the operator's user on %s: users, roles and grants made by SQL are not copied. Give it "
                "access_management",
             "what SQL made", h->key);
    else
        tell(t, "%s of %s cannot be read: users, roles and grants made by SQL are not copied", "access entities", h->key);
    return STEP_SKIP;
}

static enum step_rc read_entities(struct task *t, struct whost *h, struct entities *out, struct err *err)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[4];
    enum step_rc rc = readable(t, h, ask_sql(t, h, "access", NULL, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 4) == 4) {
        out->v = mem_grow(out->v, out->n + 1, sizeof *out->v);
        out->v[out->n++] = (struct entity){
            .kind = mem_str(f[0]), .name = mem_str(f[1]), .database = mem_str(f[2]), .table = mem_str(f[3])};
    }
    return STEP_YES;
}

static enum ask_rc ask_create(struct task *t, struct whost *h, const struct entity *e, struct answer *a)
{
    const struct sql_arg args[] = {{"kind", e->kind},         {"name", e->name}, {"database", e->database},
                                   {"table", e->table}, {NULL, NULL}};
    bool whole = !*e->table || strcmp(e->table, "*") == 0;

    if (strcmp(e->kind, "ROW POLICY") != 0)
        return ask_sql(t, h, "show_access", args, a);
    return ask_sql(t, h, whole ? "show_database_policy" : "show_policy", args, a);
}

static char *first_field(const struct answer *a)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows = answer_rows(a);
    const char *f[1];

    return sql_next(&rows, &buf, f, 1) >= 1 ? mem_str(f[0]) : mem_str("");
}

/* The statements of those that are to be made, and of profiles, whose TO comes later. */
static enum step_rc read_creates(struct task *t, struct whost *source, struct entities *ref, struct err *err)
{
    enum step_rc all = STEP_YES;

    for (size_t i = 0; i < ref->n; i++) {
        struct entity *e = &ref->v[i];
        struct answer a;
        enum step_rc rc;

        if (e->there && strcmp(e->kind, "SETTINGS PROFILE") != 0)
            continue;
        rc = readable(t, source, ask_create(t, source, e, &a), &a, err);
        if (rc == STEP_YES) {
            e->create = first_field(&a);
            e->hidden = strcmp(e->kind, "USER") == 0 && access_hides_secret(e->create);
        }
        if (rc == STEP_FAIL || rc == STEP_NO)
            return rc;
        if (rc == STEP_WAIT)
            all = rc;
    }
    return all;
}

/* ---- what is to be run ---- */

struct todo {
    char **v;
    const char **what; /* for people: no secret is in it; borrowed */
    size_t n;
};

static void todo_add(struct todo *d, char *sql, const char *what)
{
    d->v = mem_grow(d->v, d->n + 1, sizeof *d->v);
    d->what = mem_grow(d->what, d->n + 1, sizeof *d->what);
    d->v[d->n] = sql;
    d->what[d->n++] = what;
}

static void todo_fini(struct todo *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->v[i]);
    free(d->v);
    free(d->what);
}

/* A profile may name roles and users, and they it: it is made for nobody first. */
static void add_create(struct task *t, const struct whost *source, const struct entity *e, struct todo *out)
{
    auto_str struct str sql = STR_INIT;
    bool profile = strcmp(e->kind, "SETTINGS PROFILE") == 0;
    auto_free char *text = mem_strn(e->create, profile ? access_without_to(e->create) : strlen(e->create));

    if (e->hidden) {
        tell(t, "user %s is not copied: %s does not show its password. Make it by hand here, let servers and the operator's "
                "user show secrets (display_secrets_in_show_and_select), or keep users in a replicated directory",
             e->name, source->key);
        return;
    }
    if (access_create(e->kind, text, &sql))
        todo_add(out, str_take(&sql), e->name);
    else if (*e->create)
        tell(t, "%s is not copied from %s: its statement is of a form that is not known", e->name, source->key);
}

/* The TO that was left out. */
static enum step_rc add_assignment(struct task *t, const struct entity *e, struct todo *out, struct err *err)
{
    size_t cut = access_without_to(e->create);
    auto_str struct str sql = STR_INIT;
    auto_free char *own = NULL;
    struct answer a;
    enum step_rc rc;

    if (!e->create[cut])
        return STEP_YES;
    rc = readable(t, t->host, ask_create(t, t->host, e, &a), &a, err);
    if (rc != STEP_YES)
        return rc == STEP_SKIP ? STEP_YES : rc;
    own = first_field(&a);
    if (strlen(own) != cut || strncmp(own, e->create, cut) != 0)
        return STEP_YES; /* it has its own */
    str_add(&sql, "ALTER SETTINGS PROFILE ");
    sql_quote_name(&sql, e->name);
    str_add(&sql, e->create + cut);
    todo_add(out, str_take(&sql), e->name);
    return STEP_YES;
}

static bool has_line(const struct answer *a, const char *line)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows = answer_rows(a);
    const char *f[1];

    while (sql_next(&rows, &buf, f, 1) >= 1)
        if (strcmp(f[0], line) == 0)
            return true;
    return false;
}

static enum step_rc add_grants(struct task *t, struct whost *source, const struct entity *e, struct todo *out,
                               struct err *err)
{
    const struct sql_arg args[] = {{"name", e->name}, {NULL, NULL}};
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer theirs, own;
    const char *f[1];
    enum ask_rc one = ask_sql(t, source, "show_grants", args, &theirs), two = ask_sql(t, t->host, "show_grants", args, &own);
    enum step_rc rc = readable(t, source, one, &theirs, err);

    if (rc == STEP_YES)
        rc = readable(t, t->host, two, &own, err);
    if (rc != STEP_YES)
        return rc == STEP_SKIP ? STEP_YES : rc;
    rows = answer_rows(&theirs);
    while (sql_next(&rows, &buf, f, 1) >= 1)
        if ((str_starts(f[0], "GRANT ") || str_starts(f[0], "REVOKE ")) && !has_line(&own, f[0]))
            todo_add(out, mem_str(f[0]), e->name);
    return STEP_YES;
}

static enum step_rc add_all(struct task *t, struct whost *source, const struct entities *ref, struct todo *out,
                            struct err *err)
{
    enum step_rc all = STEP_YES;

    for (size_t i = 0; i < ref->n; i++)
        if (!ref->v[i].there && ref->v[i].create)
            add_create(t, source, &ref->v[i], out);
    for (size_t i = 0; i < ref->n; i++) {
        const struct entity *e = &ref->v[i];
        enum step_rc rc = STEP_YES;

        if (e->there && e->create)
            rc = add_assignment(t, e, out, err);
        else if (e->there && has_grants(e))
            rc = add_grants(t, source, e, out, err);
        if (rc == STEP_FAIL || rc == STEP_NO)
            return rc;
        if (rc == STEP_WAIT)
            all = rc;
    }
    return all;
}

static enum step_rc access_todo(struct task *t, struct whost *source, struct entities *ref, struct todo *out,
                                struct err *err)
{
    struct entities own = {NULL, 0};
    enum step_rc rc = read_entities(t, source, ref, err), mine = read_entities(t, t->host, &own, err);

    if (rc == STEP_YES)
        rc = mine;
    for (size_t i = 0; rc == STEP_YES && i < ref->n; i++)
        for (size_t k = 0; k < own.n; k++)
            ref->v[i].there |= same_entity(&ref->v[i], &own.v[k]);
    entities_fini(&own);
    if (rc == STEP_YES)
        rc = read_creates(t, source, ref, err);
    return rc == STEP_YES ? add_all(t, source, ref, out, err) : rc;
}

/* ---- collections ---- */

static void collection_close(struct task *t, const struct whost *source, struct str *sql, const char *name, bool hidden,
                             struct todo *out)
{
    if (!sql->len)
        return;
    if (hidden)
        tell(t, "named collection %s is not copied: %s hides its values. Make it by hand here, or let servers and the "
                "operator's user show secrets",
             name, source->key);
    else
        todo_add(out, str_take(sql), "a named collection");
    str_free(sql);
    *sql = (struct str)STR_INIT;
}

static bool has_collection(const struct answer *own, const char *name)
{
    return has_line(own, name);
}

static void collections_of(struct task *t, const struct whost *source, const struct answer *theirs, const struct answer *own,
                           struct todo *out)
{
    auto_str struct str buf = STR_INIT, sql = STR_INIT, name = STR_INIT;
    struct sql_rows rows = answer_rows(theirs);
    const char *f[3];
    bool hidden = false;

    while (sql_next(&rows, &buf, f, 3) == 3) {
        bool next = strcmp(str_text(&name), f[0]) != 0 || !sql.len;

        if (has_collection(own, f[0]))
            continue;
        if (next) {
            collection_close(t, source, &sql, str_text(&name), hidden, out);
            hidden = false;
            str_reset(&name);
            str_add(&name, f[0]);
            str_add(&sql, "CREATE NAMED COLLECTION IF NOT EXISTS ");
            sql_quote_name(&sql, f[0]);
        }
        hidden |= strcmp(f[2], "[HIDDEN]") == 0;
        str_add(&sql, next ? " AS " : ", ");
        sql_quote_name(&sql, f[1]);
        str_add(&sql, " = ");
        sql_quote_string(&sql, f[2]);
    }
    collection_close(t, source, &sql, str_text(&name), hidden, out);
}

static enum step_rc collections_todo(struct task *t, struct whost *source, struct todo *out, struct err *err)
{
    struct answer theirs, own;
    enum ask_rc one = ask_sql(t, source, "named_collections", NULL, &theirs),
                two = ask_sql(t, t->host, "named_collections", NULL, &own);
    enum step_rc rc = readable(t, source, one, &theirs, err);

    if (rc == STEP_YES)
        rc = readable(t, t->host, two, &own, err);
    if (rc == STEP_YES)
        collections_of(t, source, &theirs, &own, out);
    return rc;
}

/* ---- running ---- */

/* Some need what comes later: what fails is tried again as long as anything else gets on. */
static enum step_rc run_all(struct task *t, const struct todo *d, const char *over)
{
    const struct ask_opts o = {.timeout_ms = DDL_MS};
    size_t made = 0, first = 0, failed = 0;
    int code = 0;
    bool waits = false, again = false;

    for (size_t i = 0; i < d->n; i++) {
        struct answer a;
        enum ask_rc rc = ask_text(t, t->host, d->v[i], &o, &a);

        made += rc == ASK_GOOD;
        waits |= rc == ASK_WAIT;
        if (rc == ASK_BAD && failed++ == 0) {
            first = i;
            code = a.err.sys;
            again = a.err.kind == ERR_AGAIN;
        }
    }
    if (waits)
        return STEP_WAIT;
    if (failed && !made && !again) { /* the server's own words may repeat a secret */
        auto_free char *what = mem_printf("%zu statements, the first of %s (code %d)", failed, d->what[first], code);

        tell(t, "%s could not be run on %s: access entities are not all copied", what, t->host->key);
        json_set_bool(t->told, over, true);
        return STEP_YES;
    }
    return d->n == 0 ? STEP_YES : not_yet(t, "WAIT_SCHEMA", "%zu statements about access were run; looking again", d->n);
}

static enum step_rc nothing_left(struct task *t, enum step_rc rc, const struct todo *d)
{
    if (rc == STEP_SKIP)
        return STEP_YES;
    if (rc != STEP_YES || d->n == 0)
        return rc;
    return not_yet(t, "WAIT_SCHEMA", "%zu statements about access are still to be run, the first of %.100s", d->n, d->what[0]);
}

/* Marks in t->told: no more is tried. */
static const char collections_over[] = "collections are over", access_over[] = "access is over";

/* Nobody to copy from, or a server without SQL access control. Its version is known: it has told its tables. */
static bool nobody(struct task *t, const struct whost *source, const char *over)
{
    return !source || json_get(t->told, over) || !source->version_of || !sql_has("show_access", &source->version);
}

enum step_rc collections_probe(struct task *t, struct whost *source, struct err *err)
{
    struct todo d = {NULL, NULL, 0};
    enum step_rc rc = nobody(t, source, collections_over) ? STEP_YES : nothing_left(t, collections_todo(t, source, &d, err), &d);

    todo_fini(&d);
    return rc;
}

enum step_rc collections_act(struct task *t, struct whost *source, struct err *err)
{
    struct todo d = {NULL, NULL, 0};
    enum step_rc rc = nobody(t, source, collections_over) ? STEP_SKIP : collections_todo(t, source, &d, err);

    if (rc == STEP_YES)
        rc = run_all(t, &d, collections_over);
    todo_fini(&d);
    return rc == STEP_SKIP ? STEP_YES : rc;
}

enum step_rc access_probe(struct task *t, struct whost *source, struct err *err)
{
    struct todo d = {NULL, NULL, 0};
    struct entities ref = {NULL, 0};
    enum step_rc rc = nobody(t, source, access_over) ? STEP_YES : nothing_left(t, access_todo(t, source, &ref, &d, err), &d);

    todo_fini(&d);
    entities_fini(&ref);
    return rc;
}

enum step_rc access_act(struct task *t, struct whost *source, struct err *err)
{
    struct todo d = {NULL, NULL, 0};
    struct entities ref = {NULL, 0};
    enum step_rc rc = nobody(t, source, access_over) ? STEP_SKIP : access_todo(t, source, &ref, &d, err);

    if (rc == STEP_YES)
        rc = run_all(t, &d, access_over);
    todo_fini(&d);
    entities_fini(&ref);
    return rc == STEP_SKIP ? STEP_YES : rc;
}
