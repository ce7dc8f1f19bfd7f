/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of databases, tables and functions as servers tell them: merged over sources, compared, and put in an order in
 * which each object comes after those that its statement names. Pure. */
#ifndef WORKERS_SCHEMA_SET_H
#define WORKERS_SCHEMA_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "sql/sql.h"

struct schema_object {
    char *database; /* "" for functions */
    char *name;     /* "" for databases */
    char *engine;   /* of the table or database; "Function" */
    char *text;     /* statement that makes it; of a database its engine with arguments */
    unsigned votes;
    bool near;      /* a replica of the same shard has it */
    bool by_engine; /* its database makes it by itself (Replicated): waited for, not created */
};
struct schema_set {
    struct schema_object *v;
    size_t n;
};

void schema_set_fini(struct schema_set *s);
/* Puts the object in, or counts a vote. Of different statements for one name a near one wins, else the one that came
 * first with most votes. */
struct schema_object *schema_set_add(struct schema_set *s, const char *database, const char *name, const char *engine,
                                     const char *text, bool near); /* valid until the next one */
void schema_set_merge(struct schema_set *to, const struct schema_set *from); /* adds each of them */
void schema_set_settle(struct schema_set *s);                      /* after the last add: one object per name */
const struct schema_object *schema_set_find(const struct schema_set *s, const char *database, const char *name);

/* Do both statements make the same object? UUIDs do not matter. */
bool schema_same(const char *a, const char *b);
/* Indexes of s->v in an order for creating (caller frees): functions first, then what is named before what names it. */
size_t *schema_order(const struct schema_set *s);
/* The statement with IF NOT EXISTS, and without the UUID of a materialized view's inner table; false when it is none we
 * know. */
bool schema_create(const struct schema_object *o, struct str *out);
bool schema_is_distributed(const struct schema_object *o);

#endif
