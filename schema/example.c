/* SPDX-License-Identifier: Apache-2.0 */
/* The example with every parameter: one comment and one value for each field of the table. */
#include <string.h>

#include "base/mem.h"
#include "schema/explain.h"
#include "schema/fields_internal.h"

#define WIDTH 100

struct page {
    struct str *out;
    unsigned depth;
    bool off; /* inside a part that stands there as a comment, because it excludes another one */
};

static void begin(struct page *p)
{
    str_addf(p->out, "%s%*s", p->off ? "#" : "", (int)p->depth * 2, "");
}

static void comment(struct page *p, const char *text)
{
    size_t room = WIDTH - p->depth * 2, used = 0;

    begin(p);
    str_addc(p->out, '#');
    while (*text) {
        size_t n = strcspn(text, " ");

        if (used && used + n + 1 > room) {
            str_addc(p->out, '\n');
            begin(p);
            str_addc(p->out, '#');
            used = 0;
        }
        str_addf(p->out, " %.*s", (int)n, text);
        used += n + 1;
        text += n + strspn(text + n, " ");
    }
    str_addc(p->out, '\n');
}

static void comment_of(struct page *p, const struct field *f)
{
    auto_str struct str text = STR_INIT, values = STR_INIT;

    if (f->flags & FIELD_OURS)
        str_add(&text, "[chfleet] ");
    if (f->flags & FIELD_NO_EFFECT)
        str_add(&text, "[without effect] ");
    if (f->flags & FIELD_OBSOLETE)
        str_add(&text, "[old form] ");
    str_add(&text, f->text);
    if (f->flags & FIELD_REQUIRED)
        str_add(&text, " Required.");
    else if (f->dflt)
        str_addf(&text, " Default: %s.", f->dflt);
    comment(p, str_text(&text));
}

static void members(struct page *p, const struct shape *shape);

static void member(struct page *p, const struct field *f)
{
    const struct shape *inner = schema_inner(f->shape);
    bool off = p->off, list = f->shape->kind == SHAPE_LIST;
    const char *example = f->example ? f->example : "";

    comment_of(p, f);
    if (*example == '#') {
        p->off = true;
        example++;
    }
    begin(p);
    str_addf(p->out, "%s:", f->name);
    if (*example) {
        str_addf(p->out, " %s\n", example);
    } else {
        str_addc(p->out, '\n');
        if (list) {
            begin(p);
            str_add(p->out, "-\n");
        }
        p->depth++;
        members(p, inner);
        p->depth--;
    }
    p->off = off;
}

static void members(struct page *p, const struct shape *shape)
{
    for (const struct field *f = shape->fields; f->name; f++)
        if (!(f->flags & FIELD_FILE))
            member(p, f);
}

void schema_example(enum schema_kind kind, struct str *out)
{
    const struct schema_resource *r = schema_resource(kind);
    const struct field *spec = schema_field(r->root, "spec");
    struct page p = {.out = out};

    str_add(out, "# SPDX-License-Identifier: Apache-2.0\n"
                 "# Made from schema/ by schema-gen; `make schema-update` writes it anew.\n");
    str_addf(out, "# Every parameter of %s, for looking up, not for applying: take what you need.\n", r->kind);
    str_addf(out, "apiVersion: %s/%s\nkind: %s\nmetadata:\n  name: all-parameters\n", r->group, r->version, r->kind);
    comment(&p, spec->text);
    str_add(out, "spec:\n");
    p.depth = 1;
    members(&p, spec->shape);
}
