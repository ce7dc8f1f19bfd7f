/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/statements.h"

#include <string.h>

static const struct sql_variant variants[] = {
#include "sql/statements.inc"
};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

const struct sql_variant *sql_variant_at(size_t i)
{
    return i < N_VARIANTS ? &variants[i] : NULL;
}

static const struct sql_variant *find(const char *name, const struct sql_version *v, bool *known)
{
    const struct sql_variant *best = NULL;

    *known = false;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        if (strcmp(variants[i].name, name) != 0)
            continue;
        if (v ? sql_version_at_least(v, variants[i].major, variants[i].minor) : !*known)
            best = &variants[i];
        *known = true;
    }
    return best;
}

bool sql_has(const char *name, const struct sql_version *v)
{
    bool known;

    return find(name, v, &known) != NULL;
}

static bool only(const char *value, const char *chars)
{
    return *value && strspn(value, chars) == strlen(value);
}

static int put_value(struct str *out, const char *type, const char *value, struct err *err)
{
    if (strcmp(type, "str") == 0) {
        sql_quote_string(out, value);
        return 0;
    }
    if (strcmp(type, "id") == 0) {
        sql_quote_name(out, value);
        return 0;
    }
    if (strcmp(type, "int") == 0 && !only(value, "0123456789"))
        return err_set(err, ERR_INPUT, 0, "'%s' is not a number", value);
    if (strcmp(type, "word") == 0 && !only(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ "))
        return err_set(err, ERR_INPUT, 0, "'%s' is not a keyword", value);
    if (strcmp(type, "int") != 0 && strcmp(type, "word") != 0)
        return err_set(err, ERR_BUG, 0, "placeholder of unknown type %s", type);
    str_add(out, value);
    return 0;
}

static const char *value_of(const struct sql_arg *args, const char *name)
{
    for (; args && args->name; args++)
        if (strcmp(args->name, name) == 0)
            return args->value;
    return NULL;
}

/* {name:type} at p; returns what follows it. */
static const char *put_placeholder(struct str *out, const char *p, const struct sql_arg *args, struct err *err)
{
    char name[32], type[8];
    const char *value, *colon = strchr(p, ':'), *end = strchr(p, '}');

    if (!colon || !end || colon > end || colon - p >= (int)sizeof name || end - colon > (int)sizeof type) {
        err_set(err, ERR_BUG, 0, "malformed placeholder in a statement");
        return NULL;
    }
    memcpy(name, p + 1, (size_t)(colon - p - 1));
    name[colon - p - 1] = '\0';
    memcpy(type, colon + 1, (size_t)(end - colon - 1));
    type[end - colon - 1] = '\0';
    value = value_of(args, name);
    if (!value) {
        err_set(err, ERR_BUG, 0, "no value for {%s:%s}", name, type);
        return NULL;
    }
    return put_value(out, type, value, err) < 0 ? NULL : end + 1;
}

int sql_statement(struct str *out, const char *name, const struct sql_version *v, const struct sql_arg *args,
                  struct err *err)
{
    bool known;
    const struct sql_variant *s = find(name, v, &known);
    auto_str struct str text = STR_INIT;
    const char *p;

    if (!known)
        return err_set(err, ERR_BUG, 0, "no statement %s", name);
    if (!s)
        return err_set(err, ERR_REFUSED, 0, "servers of version %u.%u have no %s", v->major, v->minor, name);
    for (p = s->text; *p;) {
        size_t n = strcspn(p, "{");

        str_addn(&text, p, n);
        p += n;
        if (*p && !(p = put_placeholder(&text, p, args, err)))
            return err_ctx(err, "statement %s", name);
    }
    str_addn(out, str_text(&text), text.len);
    return 0;
}
