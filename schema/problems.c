/* SPDX-License-Identifier: Apache-2.0 */
/* The list of what is wrong, and its forms for people and programs. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schema/check_internal.h"

static const struct {
    bool note;
    const char *cause;
} codes[] = {
    [SCHEMA_UNKNOWN] = {false, "FieldValueForbidden"},   [SCHEMA_TYPE] = {false, "FieldValueTypeInvalid"},
    [SCHEMA_VALUE] = {false, "FieldValueInvalid"},       [SCHEMA_MISSING] = {false, "FieldValueRequired"},
    [SCHEMA_DUPLICATE] = {false, "FieldValueDuplicate"}, [SCHEMA_KIND] = {false, "FieldValueNotSupported"},
    [SCHEMA_COERCED] = {true, "FieldValueInvalid"},      [SCHEMA_NO_EFFECT] = {true, "FieldValueInvalid"},
    [SCHEMA_OBSOLETE] = {true, "FieldValueInvalid"},     [SCHEMA_SUSPECT] = {true, "FieldValueInvalid"},
};

bool schema_is_note(enum schema_code code)
{
    return codes[code].note;
}

const char *schema_cause(enum schema_code code)
{
    return codes[code].cause;
}

void schema_problems_free(struct schema_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->v[i].path);
        free(p->v[i].text);
    }
    free(p->v);
    *p = (struct schema_problems)SCHEMA_PROBLEMS_INIT;
}

void schema_problem_add(struct schema_problems *out, enum schema_code code, const char *path, const char *text,
                        struct schema_pos pos)
{
    out->errors += !codes[code].note;
    if (out->n == SCHEMA_PROBLEMS_MAX) {
        out->left_off++;
        return;
    }
    out->v = mem_grow(out->v, out->n + 1, sizeof *out->v);
    out->v[out->n++] = (struct schema_problem){code, mem_str(path), mem_str(text), pos};
}

void schema_problem(struct check *c, enum schema_code code, const cJSON *item, bool at_key, const char *name,
                    const char *fmt, ...)
{
    struct schema_pos pos = at_key ? schema_yaml_key_pos(c->where, item) : schema_yaml_value_pos(c->where, item);
    size_t len = c->path.len;
    char text[800];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (name)
        schema_path_key(&c->path, name);
    schema_problem_add(c->out, code, str_text(&c->path), text, pos);
    if (name)
        schema_path_back(&c->path, len);
}

static bool is_word(const char *key)
{
    if (!*key || strlen(key) > 64)
        return false;
    for (; *key; key++)
        if (!isalnum((unsigned char)*key) && *key != '_' && *key != '-')
            return false;
    return true;
}

size_t schema_path_key(struct str *path, const char *key)
{
    size_t len = path->len;

    if (is_word(key))
        str_addf(path, "%s%s", len ? "." : "", key);
    else
        str_addf(path, "[%.100s]", key);
    return len;
}

size_t schema_path_index(struct str *path, size_t i)
{
    size_t len = path->len;

    str_addf(path, "[%zu]", i);
    return len;
}

void schema_path_back(struct str *path, size_t len)
{
    path->len = len;
    if (path->s)
        path->s[len] = '\0';
}

static void print_one(const struct schema_problem *p, const char *file, struct str *out)
{
    if (file && p->pos.line)
        str_addf(out, "%s:%u:%u: ", file, p->pos.line, p->pos.column);
    else if (file)
        str_addf(out, "%s: ", file);
    str_add(out, codes[p->code].note ? "note: " : "error: ");
    if (*p->path)
        str_addf(out, "%s: ", p->path);
    str_add(out, p->text);
}

void schema_problems_print(const struct schema_problems *p, const char *file, struct str *out)
{
    for (size_t i = 0; i < p->n; i++) {
        print_one(&p->v[i], file, out);
        str_addc(out, '\n');
    }
    if (p->left_off)
        str_addf(out, "%s%s%zu more like these\n", file ? file : "", file ? ": " : "", p->left_off);
}

int schema_problems_err(const struct schema_problems *p, const char *file, struct err *err)
{
    auto_str struct str text = STR_INIT;
    size_t shown = 0;

    if (!p->errors)
        return 0;
    for (size_t i = 0; i < p->n && shown < 3; i++) {
        if (codes[p->v[i].code].note)
            continue;
        if (shown++)
            str_add(&text, "; ");
        if (file && p->v[i].pos.line)
            str_addf(&text, "%s:%u:%u: ", file, p->v[i].pos.line, p->v[i].pos.column);
        str_addf(&text, "%s%s%s", p->v[i].path, *p->v[i].path ? ": " : "", p->v[i].text);
    }
    if (p->errors > shown)
        str_addf(&text, "; and %zu more", p->errors - shown);
    return err_set(err, ERR_INPUT, 0, "%s", str_text(&text));
}
