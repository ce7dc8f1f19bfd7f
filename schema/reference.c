/* SPDX-License-Identifier: Apache-2.0 */
/* The reference pages in Markdown: one section per object, shared shapes once. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schema/explain.h"
#include "schema/words.h"

#define SHARED_MAX 32

struct page {
    struct str *out;
    const struct shape *shared[SHARED_MAX]; /* named objects met so far, in order */
    size_t n_shared;
    bool free_met[FREE_ANY + 1];
};

/* In a table cell: bars and angle brackets would end it or vanish. */
static void cell(const char *text, struct str *out)
{
    for (; text && *text; text++) {
        if (*text == '|')
            str_add(out, "\\|");
        else if (*text == '<')
            str_add(out, "&lt;");
        else if (*text == '>')
            str_add(out, "&gt;");
        else if (*text == '*')
            str_add(out, "\\*");
        else
            str_addc(out, *text);
    }
}

static void anchor(const char *title, struct str *out)
{
    for (; *title; title++)
        if (isalnum((unsigned char)*title) || *title == '-')
            str_addc(out, (char)tolower((unsigned char)*title));
}

static void meet(struct page *p, const struct shape *shape)
{
    for (size_t i = 0; i < p->n_shared; i++)
        if (p->shared[i] == shape)
            return;
    if (p->n_shared < SHARED_MAX)
        p->shared[p->n_shared++] = shape;
}

/* The type as text, with a link where there is a section. */
static void type_cell(struct page *p, const struct field *f, const char *path)
{
    const struct shape *inner = schema_inner(f->shape);
    auto_str struct str type = STR_INIT, target = STR_INIT, values = STR_INIT;

    schema_type_text(f->shape, &type);
    schema_values_text(f->shape, &values);
    if (inner->kind == SHAPE_OBJECT && inner->name) {
        meet(p, inner);
        anchor(inner->name, &target);
    } else if (inner->kind == SHAPE_OBJECT) {
        anchor(path, &target);
    } else if (inner->kind == SHAPE_FREE && inner->free <= FREE_FILES) {
        p->free_met[inner->free] = true;
        anchor(schema_free_title(inner->free), &target);
    }
    if (target.len)
        str_addf(p->out, "[%s](#%s)", str_text(&type), str_text(&target));
    else
        cell(str_text(&type), p->out);
    if (values.len) {
        str_add(p->out, ": ");
        cell(str_text(&values), p->out);
    }
}

static void row(struct page *p, const struct field *f, const char *path)
{
    const char *flag = schema_flag_text(f->flags);

    str_addf(p->out, "| `%s` | ", f->name);
    type_cell(p, f, path);
    str_add(p->out, " | ");
    cell(f->flags & FIELD_REQUIRED ? "required" : f->dflt, p->out);
    str_add(p->out, " | ");
    if (*flag)
        str_addf(p->out, "*%s.* ", flag);
    cell(f->text, p->out);
    str_add(p->out, " |\n");
}

static char *path_of(const char *prefix, const struct field *f)
{
    struct str out = STR_INIT;

    str_addf(&out, "%s%s%s", prefix, *prefix ? "." : "", f->name);
    for (const struct shape *s = f->shape; s->kind == SHAPE_LIST; s = s->items)
        str_add(&out, "[]");
    return str_take(&out);
}

static void section(struct page *p, const char *title, const char *prefix, const char *text, const struct shape *shape);

/* The sections of the unnamed objects below, in the order of the table. */
static void sections_below(struct page *p, const char *prefix, const struct shape *shape)
{
    for (const struct field *f = shape->fields; f->name; f++) {
        const struct shape *inner = schema_inner(f->shape);
        auto_free char *path = path_of(prefix, f);

        if (inner->kind == SHAPE_OBJECT && !inner->name)
            section(p, path, path, f->text, inner);
    }
}

static void section(struct page *p, const char *title, const char *prefix, const char *text, const struct shape *shape)
{
    str_addf(p->out, "\n## %s\n\n", title);
    if (text && *text) {
        cell(text, p->out);
        str_add(p->out, "\n\n");
    }
    str_add(p->out, "| field | type | default | meaning |\n|---|---|---|---|\n");
    for (const struct field *f = shape->fields; f->name; f++) {
        auto_free char *path = path_of(prefix, f);

        row(p, f, path);
    }
    sections_below(p, prefix, shape);
}

static void shared_sections(struct page *p)
{
    for (size_t i = 0; i < p->n_shared; i++) /* it grows while it is walked */
        section(p, p->shared[i]->name, p->shared[i]->name, "", p->shared[i]);
}

static void free_sections(struct page *p)
{
    for (int i = FREE_META; i <= FREE_FILES; i++) {
        if (!p->free_met[i])
            continue;
        str_addf(p->out, "\n## %s\n\n", schema_free_title((enum free_kind)i));
        cell(schema_free_text((enum free_kind)i), p->out);
        str_addc(p->out, '\n');
    }
}

void schema_reference_page(enum schema_kind kind, struct str *out)
{
    const struct schema_resource *r = schema_resource(kind);
    const struct field *spec = schema_field(r->root, "spec"), *status = schema_field(r->root, "status");
    struct page p = {.out = out};

    str_addf(out,
             "<!-- SPDX-License-Identifier: Apache-2.0. Made from schema/ by schema-gen; `make schema-update` writes "
             "it anew. -->\n# %s\n\n%s\n\n",
             r->kind, r->text);
    str_addf(out,
             "`apiVersion: %s/%s`, `kind: %s`; short name `%s`. The same texts: `chfleet explain %s.spec`. Every field "
             "in a file: `examples/all-parameters-%s.yaml`.\n",
             r->group, r->version, r->kind, r->short_name, r->short_name, r->short_name);
    str_add(out, "\nWhere the type is \"yes\" or \"no\", these texts are possible: " SCHEMA_BOOL_WORDS
                 ". An API server refuses a bare yes; `chfleet apply` takes it and says so.\n");
    section(&p, "spec", "spec", spec->text, spec->shape);
    shared_sections(&p);
    free_sections(&p);
    if (status->shape->kind == SHAPE_OBJECT)
        section(&p, "status", "status", status->text, status->shape);
}
