/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/schema_set.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void object_fini(struct schema_object *o)
{
    free(o->database);
    free(o->name);
    free(o->engine);
    free(o->text);
}

void schema_set_fini(struct schema_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        object_fini(&s->v[i]);
    free(s->v);
    *s = (struct schema_set){NULL, 0};
}

static bool is_named(const struct schema_object *o, const char *database, const char *name)
{
    return strcmp(o->name, name) == 0 && strcmp(o->database, database) == 0;
}

struct schema_object *schema_set_add(struct schema_set *s, const char *database, const char *name, const char *engine,
                                     const char *text, bool near)
{
    struct schema_object o = {0};

    for (size_t i = 0; i < s->n; i++) /* linear per name is enough: sources tell sorted lists of the same objects */
        if (is_named(&s->v[i], database, name) && schema_same(s->v[i].text, text)) {
            s->v[i].votes++;
            s->v[i].near = s->v[i].near || near;
            return &s->v[i];
        }
    o.database = mem_str(database);
    o.name = mem_str(name);
    o.engine = mem_str(engine);
    o.text = mem_str(text);
    o.near = near;
    o.votes = 1;
    if ((s->n & (s->n - 1)) == 0)
        s->v = mem_grow(s->v, s->n ? s->n * 2 : 1, sizeof *s->v);
    s->v[s->n] = o;
    return &s->v[s->n++];
}

void schema_set_merge(struct schema_set *to, const struct schema_set *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct schema_object *o = &from->v[i];

        schema_set_add(to, o->database, o->name, o->engine, o->text, o->near);
    }
}

static bool is_better(const struct schema_object *a, const struct schema_object *b)
{
    return a->near != b->near ? a->near : a->votes > b->votes;
}

void schema_set_settle(struct schema_set *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        size_t k = 0;

        while (k < n && !is_named(&s->v[k], s->v[i].database, s->v[i].name))
            k++;
        if (k == n) {
            s->v[n++] = s->v[i];
        } else if (is_better(&s->v[i], &s->v[k])) {
            object_fini(&s->v[k]);
            s->v[k] = s->v[i];
        } else {
            object_fini(&s->v[i]);
        }
    }
    s->n = n;
}

const struct schema_object *schema_set_find(const struct schema_set *s, const char *database, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (is_named(&s->v[i], database, name))
            return &s->v[i];
    return NULL;
}

/* ---- statements ---- */

/* " UUID '…'" and " TO INNER UUID '…'" at p: how many bytes they take, else 0. */
static size_t uuid_at(const char *p)
{
    static const char *const words[] = {" TO INNER UUID '", " UUID '"};

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(words[i]);
        const char *end;

        if (strncmp(p, words[i], n) == 0 && (end = strchr(p + n, '\'')) && end - (p + n) == 36)
            return (size_t)(end - p) + 1;
    }
    return 0;
}

static void without_uuids(const char *text, struct str *out)
{
    for (const char *p = text; *p;) {
        size_t n = uuid_at(p);

        if (n == 0)
            str_addc(out, *p++);
        p += n;
    }
}

bool schema_same(const char *a, const char *b)
{
    auto_str struct str x = STR_INIT, y = STR_INIT;

    if (strcmp(a, b) == 0)
        return true;
    if (!strstr(a, "UUID '") && !strstr(b, "UUID '"))
        return false;
    without_uuids(a, &x);
    without_uuids(b, &y);
    return strcmp(str_text(&x), str_text(&y)) == 0;
}

bool schema_create(const struct schema_object *o, struct str *out)
{
    static const char *const kinds[] = {"CREATE TABLE ",     "CREATE VIEW ",        "CREATE MATERIALIZED VIEW ",
                                        "CREATE LIVE VIEW ", "CREATE WINDOW VIEW ", "CREATE DICTIONARY ",
                                        "CREATE FUNCTION "};
    const char *rest = NULL, *inner;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !rest; i++) {
        if (strncmp(o->text, kinds[i], strlen(kinds[i])) != 0)
            continue;
        rest = o->text + strlen(kinds[i]);
        str_addf(out, "%sIF NOT EXISTS ", kinds[i]);
    }
    if (!rest)
        return false;
    inner = strstr(rest, " TO INNER UUID '");
    if (inner && uuid_at(inner)) {
        str_addn(out, rest, (size_t)(inner - rest));
        rest = inner + uuid_at(inner);
    }
    str_add(out, rest);
    return true;
}

bool schema_is_distributed(const struct schema_object *o)
{
    return strcmp(o->engine, "Distributed") == 0;
}

/* ---- order ---- */

/* Words of a statement: names bare, `quoted`, "quoted" or in 'text' (engine arguments, dictGet). */
static const char *next_word(const char *p, struct str *word)
{
    str_reset(word);
    while (*p && !isalnum((unsigned char)*p) && *p != '_' && !strchr("`\"'", *p) && (unsigned char)*p < 128)
        p++;
    if (!*p)
        return NULL;
    if (strchr("`\"'", *p)) {
        char mark = *p++;

        for (; *p && *p != mark; p++) {
            if (*p == '\\' && p[1])
                p++;
            str_addc(word, *p);
        }
        return *p ? p + 1 : p;
    }
    for (; isalnum((unsigned char)*p) || *p == '_' || (unsigned char)*p >= 128; p++)
        str_addc(word, *p);
    return p;
}

static int rank(const struct schema_object *o)
{
    if (strcmp(o->engine, "Function") == 0)
        return 0;
    if (strcmp(o->engine, "Dictionary") == 0)
        return 2;
    if (schema_is_distributed(o) || strcmp(o->engine, "Buffer") == 0 || strcmp(o->engine, "Merge") == 0)
        return 3;
    if (strcmp(o->engine, "View") == 0 || strcmp(o->engine, "LiveView") == 0)
        return 4;
    return strcmp(o->engine, "MaterializedView") == 0 ? 5 : 1;
}

static int by_name(const void *a, const void *b)
{
    const struct schema_object *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static const struct schema_object *const *first_named(const struct schema_object *const *sorted, size_t n,
                                                      const char *name)
{
    struct schema_object want = {.name = (char *)(uintptr_t)name};
    const struct schema_object *key = &want;
    const struct schema_object *const *hit = bsearch(&key, sorted, n, sizeof *sorted, by_name);

    while (hit && hit > sorted && strcmp(hit[-1]->name, name) == 0)
        hit--;
    return hit;
}

struct graph {
    const struct schema_set *s;
    const struct schema_object **sorted;
    char *state; /* 0 new, 1 on the way, 2 placed */
    size_t *order, n;
};

static void place(struct graph *g, size_t i);

/* `word` names an object: its database stands before it, or it is the one of the statement's own database. */
static void place_named(struct graph *g, size_t self, const char *before, const char *word)
{
    const struct schema_object *const *hit = first_named(g->sorted, g->s->n, word);

    for (; hit && hit < g->sorted + g->s->n && strcmp((*hit)->name, word) == 0; hit++) {
        size_t i = (size_t)(*hit - g->s->v);

        if (i == self || ((*hit)->database[0] && strcmp((*hit)->database, before) != 0 &&
                          strcmp((*hit)->database, g->s->v[self].database) != 0))
            continue;
        if (rank(*hit) > rank(&g->s->v[self]) && rank(&g->s->v[self]) < 2)
            continue; /* a plain table does not need a view: the word is a column's */
        place(g, i);
    }
}

/* dictGet('db.name') names both in one text. */
static void place_dotted(struct graph *g, size_t self, const char *word)
{
    const char *dot = strchr(word, '.');
    auto_free char *database = NULL;

    if (!dot)
        return;
    database = mem_strn(word, (size_t)(dot - word));
    place_named(g, self, database, dot + 1);
}

static void place(struct graph *g, size_t i)
{
    auto_str struct str word = STR_INIT, before = STR_INIT;

    if (g->state[i])
        return; /* placed, or a circle: whoever came first goes first */
    g->state[i] = 1;
    for (const char *p = g->s->v[i].text; (p = next_word(p, &word));) {
        place_named(g, i, str_text(&before), str_text(&word));
        place_dotted(g, i, str_text(&word));
        str_reset(&before);
        str_add(&before, str_text(&word));
    }
    g->state[i] = 2;
    g->order[g->n++] = i;
}

size_t *schema_order(const struct schema_set *s)
{
    struct graph g = {.s = s,
                      .sorted = mem_array(s->n, sizeof *g.sorted),
                      .state = mem_array(s->n, 1),
                      .order = mem_array(s->n, sizeof *g.order)};

    for (size_t i = 0; i < s->n; i++)
        g.sorted[i] = &s->v[i];
    qsort(g.sorted, s->n, sizeof *g.sorted, by_name);
    for (int r = 0; r <= 5; r++)
        for (size_t i = 0; i < s->n; i++)
            if (rank(&s->v[i]) == r)
                place(&g, i);
    free(g.sorted);
    free(g.state);
    return g.order;
}
