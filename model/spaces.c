/* SPDX-License-Identifier: Apache-2.0 */
#include "model/spaces.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct entry {
    char *text;
    regex_t expr;
    bool is_expr; /* else the name itself */
};

struct entries {
    struct entry *v;
    size_t n;
};

struct spaces {
    struct entries include, exclude;
    const char **names; /* see spaces_names() */
    bool loose;
};

static bool is_plain(const char *text)
{
    return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

/* The peer's expressions know \d, POSIX ones do not. Caller frees. */
static char *posix(const char *text)
{
    struct str out = STR_INIT;

    for (; *text; text++) {
        if (text[0] == '\\' && text[1] == 'd') {
            str_add(&out, "[0-9]");
            text++;
        } else {
            str_addc(&out, *text);
            if (text[0] == '\\' && text[1])
                str_addc(&out, *++text);
        }
    }
    str_add(&out, "");
    return str_take(&out);
}

/* `exact`: a plain name is only that one. */
static int add(struct entries *l, const char *text, bool exact, struct err *err)
{
    struct entry *e;
    auto_free char *expr = posix(text);
    char why[160];
    int rc;

    l->v = mem_grow(l->v, l->n + 1, sizeof *l->v);
    e = &l->v[l->n];
    *e = (struct entry){.is_expr = !(exact && is_plain(text))};
    rc = e->is_expr ? regcomp(&e->expr, expr ? expr : "", REG_EXTENDED | REG_NOSUB) : 0;
    if (rc) {
        regerror(rc, &e->expr, why, sizeof why);
        return err_set(err, ERR_INPUT, 0,
                       "watch.namespaces: \"%s\" is neither a name nor a regular expression: %s", text, why);
    }
    e->text = mem_str(text);
    l->n++;
    return 0;
}

static int add_config(struct entries *l, const cJSON *list, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
        if (cJSON_IsString(v) && *v->valuestring && add(l, v->valuestring, false, err) < 0)
            return -1;
    return 0;
}

static int add_options(struct entries *l, const char *const *v, struct err *err)
{
    for (; *v; v++)
        if (add(l, *v, true, err) < 0)
            return -1;
    return 0;
}

static void note_names(struct spaces *s)
{
    for (size_t i = 0; i < s->include.n; i++)
        if (!is_plain(s->include.v[i].text))
            return;
    if (!s->include.n)
        return;
    s->names = mem_array(s->include.n + 1, sizeof *s->names);
    for (size_t i = 0; i < s->include.n; i++)
        s->names[i] = s->include.v[i].text;
}

int spaces_new(const cJSON *config, const char *const *names, const char *const *exclude, struct spaces **out,
               struct err *err)
{
    const cJSON *said = json_at(config, "watch.namespaces");
    const cJSON *include = cJSON_IsArray(said) ? said : json_get(said, "include");
    struct spaces *s = mem_zero(sizeof *s);
    bool given = names && names[0], but = exclude && exclude[0];

    if ((given ? add_options(&s->include, names, err) : add_config(&s->include, include, err)) < 0 ||
        (but ? add_options(&s->exclude, exclude, err) : add_config(&s->exclude, json_get(said, "exclude"), err)) < 0) {
        spaces_free(s);
        return -1;
    }
    s->loose = !given;
    note_names(s);
    *out = s;
    return 0;
}

static void entries_free(struct entries *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].text);
        if (l->v[i].is_expr)
            regfree(&l->v[i].expr);
    }
    free(l->v);
}

void spaces_free(struct spaces *s)
{
    if (!s)
        return;
    entries_free(&s->include);
    entries_free(&s->exclude);
    free(s->names);
    free(s);
}

static bool any(const struct entries *l, const char *ns)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].text, ns) == 0 || (l->v[i].is_expr && regexec(&l->v[i].expr, ns, 0, NULL, 0) == 0))
            return true;
    return false;
}

bool spaces_has(const struct spaces *s, const char *ns)
{
    return (!s->include.n || any(&s->include, ns)) && !any(&s->exclude, ns);
}

const char *const *spaces_names(const struct spaces *s)
{
    return s->names;
}

bool spaces_loose(const struct spaces *s)
{
    return s->loose;
}

static bool same(const struct entries *a, const struct entries *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i].text, b->v[i].text) != 0)
            return false;
    return true;
}

bool spaces_same(const struct spaces *a, const struct spaces *b)
{
    return same(&a->include, &b->include) && same(&a->exclude, &b->exclude);
}

static void print(const struct entries *l, struct str *out)
{
    for (size_t i = 0; i < l->n; i++)
        str_addf(out, "%s%s", i ? ", " : "", l->v[i].text);
}

char *spaces_print(const struct spaces *s)
{
    struct str out = STR_INIT;

    if (s->include.n)
        print(&s->include, &out);
    else
        str_add(&out, "all");
    if (s->exclude.n) {
        str_add(&out, " but not ");
        print(&s->exclude, &out);
    }
    return str_take(&out);
}
