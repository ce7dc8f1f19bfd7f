/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/explain.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "schema/check_internal.h"
#include "schema/words.h"

#define WIDTH 96

/* Words of `text` in lines of WIDTH, each line after the first indented. */
static void wrapped(const char *text, unsigned margin, struct str *out)
{
    size_t column = margin;

    while (*text) {
        size_t n = strcspn(text, " ");

        if (column > margin && column + n + 1 > WIDTH) {
            str_addf(out, "\n%*s", (int)margin, "");
            column = margin;
        } else if (column > margin) {
            str_addc(out, ' ');
            column++;
        }
        str_addn(out, text, n);
        column += n;
        text += n + strspn(text + n, " ");
    }
    str_addc(out, '\n');
}

static void line(const char *title, const char *text, struct str *out)
{
    if (!text || !*text)
        return;
    str_addf(out, "%-9s", title);
    wrapped(text, 9, out);
}

static bool is_shown(const struct field *f)
{
    return !(f->flags & (FIELD_OBSOLETE | FIELD_NO_EFFECT)) || !(f->flags & FIELD_FILE);
}

static void list_members(const struct shape *shape, struct str *out)
{
    str_add(out, "\nINSIDE\n");
    for (const struct field *f = shape->fields; f->name; f++) {
        auto_str struct str type = STR_INIT;

        if (!is_shown(f))
            continue;
        schema_type_text(f->shape, &type);
        str_addf(out, "  %s  <%s>%s%s%s\n      ", f->name, str_text(&type),
                 f->flags & FIELD_REQUIRED ? " required" : "", *schema_flag_text(f->flags) ? " " : "",
                 schema_flag_text(f->flags));
        wrapped(f->text, 6, out);
    }
}

static void outline(const struct shape *shape, unsigned depth, struct str *out)
{
    const struct shape *inner = schema_inner(shape);

    if (inner->kind != SHAPE_OBJECT)
        return;
    for (const struct field *f = inner->fields; f->name; f++) {
        auto_str struct str type = STR_INIT;

        if (!is_shown(f))
            continue;
        schema_type_text(f->shape, &type);
        str_addf(out, "%*s%s  <%s>\n", (int)depth * 2, "", f->name, str_text(&type));
        outline(f->shape, depth + 1, out);
    }
}

static void describe_shape(const struct shape *shape, bool tree, struct str *out)
{
    const struct shape *inner = schema_inner(shape);

    if (inner->kind == SHAPE_FREE) {
        str_addc(out, '\n');
        wrapped(schema_free_text(inner->free), 0, out);
    } else if (inner->kind == SHAPE_OBJECT && tree) {
        str_add(out, "\nINSIDE\n");
        outline(shape, 1, out);
    } else if (inner->kind == SHAPE_OBJECT) {
        list_members(inner, out);
    }
}

static void describe_field(const struct field *f, const char *path, bool tree, struct str *out)
{
    auto_str struct str type = STR_INIT, values = STR_INIT;

    schema_type_text(f->shape, &type);
    schema_values_text(f->shape, &values);
    line("FIELD", path, out);
    line("TYPE", str_text(&type), out);
    if (str_eq(schema_inner(f->shape)->name, "StringBool"))
        str_add(&values, SCHEMA_BOOL_WORDS);
    line("VALUES", str_text(&values), out);
    line("FORM", schema_inner(f->shape)->pattern, out);
    line("DEFAULT", f->flags & FIELD_REQUIRED ? "none: it is required" : f->dflt, out);
    line("NOTE", schema_flag_text(f->flags), out);
    str_addc(out, '\n');
    wrapped(f->text, 0, out);
    describe_shape(f->shape, tree, out);
}

/* How the path is written with the lists in it: clusters[].layout. */
static void written_path(const struct shape *shape, const char *path, struct str *out)
{
    while (*path) {
        size_t n = strcspn(path, ".[");
        const struct field *f = schema_child(shape, path, n);

        str_addf(out, "%s%.*s", out->len ? "." : "", (int)n, path);
        for (shape = f->shape; shape->kind == SHAPE_LIST; shape = shape->items)
            str_add(out, "[]");
        path += n;
        path += strcspn(path, ".");
        path += *path == '.';
    }
}

/* The deepest part of the path that exists decides what to say. */
static int no_such_field(const struct shape *root, const char *path, struct err *err)
{
    const struct shape *shape = root;
    struct check c = {.n_around = 0};
    auto_str struct str advice = STR_INIT;
    const char *p = path;

    for (;;) {
        size_t n = strcspn(p, ".[");
        const struct field *f = schema_child(shape, p, n);
        auto_free char *key = mem_strn(p, n);

        if (!f && schema_inner(shape)->kind == SHAPE_FREE)
            return err_set(err, ERR_INPUT, 0, "%.*s is free-form, nothing inside it is described here: %s",
                           (int)(p - path ? p - path - 1 : 0), path, schema_free_text(schema_inner(shape)->free));
        if (!f && schema_inner(shape)->kind != SHAPE_OBJECT)
            return err_set(err, ERR_INPUT, 0, "%.*s has nothing inside", (int)(p - path ? p - path - 1 : 0), path);
        if (!f) {
            schema_unknown_advice(&c, schema_inner(shape), key, &advice);
            return err_set(err, ERR_INPUT, 0, "there is no field \"%s\" at %s%s", key, path, str_text(&advice));
        }
        shape = f->shape;
        p += n;
        p += strcspn(p, ".");
        p += *p == '.';
    }
}

static void describe_root(const char *title, const char *text, const struct shape *root, bool tree, struct str *out)
{
    line("KIND", title, out);
    str_addc(out, '\n');
    wrapped(text, 0, out);
    describe_shape(root, tree, out);
}

static int explain_in(const struct shape *root, const char *title, const char *text, const char *path, bool tree,
                      struct str *out, struct err *err)
{
    const struct field *f;
    auto_str struct str full = STR_INIT;

    if (!*path) {
        describe_root(title, text, root, tree, out);
        return 0;
    }
    f = schema_field(root, path);
    if (!f)
        return no_such_field(root, path, err);
    written_path(root, path, &full);
    line("KIND", title, out);
    describe_field(f, str_text(&full), tree, out);
    return 0;
}

int schema_explain(const char *path, bool tree, struct str *out, struct err *err)
{
    size_t n = strcspn(path, ".");
    auto_free char *name = mem_strn(path, n), *title = NULL;
    const char *rest = path + n + (path[n] == '.');
    int kind = schema_kind_by_name(name);
    const struct schema_resource *r;

    if (strcasecmp(name, "config") == 0)
        return explain_in(schema_config_shape(), "configuration file of the operator",
                          "The file given with --config: settings of the operator itself.", rest, tree, out, err);
    if (kind < 0)
        return err_set(err, ERR_INPUT, 0,
                       "\"%s\" is no resource; begin with chi, chit, chk, chopconf or config, as in "
                       "chi.spec.configuration.clusters",
                       name);
    r = schema_resource((enum schema_kind)kind);
    title = mem_printf("%s (%s/%s)", r->kind, r->group, r->version);
    return explain_in(r->root, title, r->text, rest, tree, out, err);
}
