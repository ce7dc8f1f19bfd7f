/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/schema_read.h"

#include <string.h>

void schema_fini(struct schema *s)
{
    schema_set_fini(&s->databases);
    schema_set_fini(&s->objects);
}

/* Engines whose tables are made by statements; others (MySQL, PostgreSQL, …) show tables of elsewhere. */
static bool database_takes_tables(const char *engine)
{
    static const char *const engines[] = {"Ordinary", "Atomic", "Lazy", "Replicated", "Memory", "Shared"};

    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strcmp(engine, engines[i]) == 0)
            return true;
    return false;
}

static void add_objects(struct schema *s, const struct answer *a, bool near, bool local, bool distributed)
{
    struct sql_rows rows = answer_rows(a);
    auto_str struct str buf = STR_INIT;
    const char *f[4];

    while (sql_next(&rows, &buf, f, 4) == 4) {
        const struct schema_object *db = schema_set_find(&s->databases, f[0], "");
        bool is_distributed = strcmp(f[2], "Distributed") == 0;
        struct schema_object *o;

        if (!*f[3] || (db && !database_takes_tables(db->engine)) || !(is_distributed ? distributed : local))
            continue;
        o = schema_set_add(&s->objects, f[0], f[1], f[2], f[3], near);
        o->by_engine = db && (strcmp(db->engine, "Replicated") == 0 || strcmp(db->engine, "Shared") == 0);
    }
}

static void add_databases(struct schema *s, const struct answer *a, bool near)
{
    struct sql_rows rows = answer_rows(a);
    auto_str struct str buf = STR_INIT;
    const char *f[3];

    while (sql_next(&rows, &buf, f, 3) == 3)
        schema_set_add(&s->databases, f[0], "", f[1], f[2], near);
}

static void add_functions(struct schema *s, const struct answer *a, bool near)
{
    struct sql_rows rows = answer_rows(a);
    auto_str struct str buf = STR_INIT;
    const char *f[2];

    while (sql_next(&rows, &buf, f, 2) == 2)
        schema_set_add(&s->objects, "", f[0], "Function", f[1], near);
}

enum step_rc schema_read(struct task *t, struct whost *h, struct schema *s, bool local, bool distributed, struct err *err)
{
    bool near = same_shard(h, t->host);
    struct answer db, ob, fn;
    enum ask_rc one = ask_sql(t, h, "databases", NULL, &db), two, three;

    if (one != ASK_GOOD) /* the version is asked first: the others wait for it */
        return asked(t, one, &db, err);
    two = ask_sql(t, h, "objects", NULL, &ob);
    three = ask_sql(t, h, "functions", NULL, &fn);
    if (two == ASK_BAD)
        return asked(t, two, &ob, err);
    if (three == ASK_BAD)
        return asked(t, three, &fn, err);
    if (two == ASK_WAIT || three == ASK_WAIT)
        return STEP_WAIT;
    add_databases(s, &db, near);
    add_objects(s, &ob, near, local, distributed);
    if (local)
        add_functions(s, &fn, near);
    return STEP_YES;
}

enum step_rc table_on_disk(struct task *t, struct whost *h, const char *database, const char *table, struct err *err)
{
    enum { UNKNOWN_TABLE = 60, UNKNOWN_DATABASE = 81, NO_METADATA = 390 };
    const struct sql_arg args[] = {{"database", database}, {"table", table}, {NULL, NULL}};
    struct answer a;
    enum ask_rc rc = ask_sql(t, h, "on_disk", args, &a);

    if (rc == ASK_BAD && (a.err.sys == UNKNOWN_TABLE || a.err.sys == UNKNOWN_DATABASE || a.err.sys == NO_METADATA))
        return STEP_SKIP;
    return asked(t, rc, &a, err);
}
