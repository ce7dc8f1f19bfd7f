/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which fields of schema/, and which of the values that a field may have, does no example and no golden test use? They stand in
 * tests/examples/unused.txt, each with a reason; a test fails when that list says too much or too little.
 * CHFLEET_UPDATE_GOLDEN=1 writes it anew, without reasons for what is new.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "schema/fields.h"
#include "tests/examples/lib.h"

/* A field by its place in the table: what several resources share is one field. */
struct use {
    const struct field *field;
    cJSON *values; /* texts that were seen */
};
struct uses {
    struct use *v;
    size_t n;
};

static struct use *find(const struct uses *u, const struct field *f)
{
    for (size_t i = 0; i < u->n; i++)
        if (u->v[i].field == f)
            return &u->v[i];
    return NULL;
}

static void mark(struct uses *u, const struct field *f, const cJSON *value)
{
    struct use *one = find(u, f);

    if (!one) {
        u->v = mem_grow(u->v, u->n + 1, sizeof *u->v);
        one = &u->v[u->n++];
        *one = (struct use){f, cJSON_CreateArray()};
    }
    if (cJSON_IsString(value) && !json_has(one->values, value->valuestring))
        json_add_str(one->values, value->valuestring);
}

static void walk(struct uses *u, const struct shape *shape, const cJSON *v)
{
    const cJSON *child;

    if (shape->kind == SHAPE_LIST) {
        cJSON_ArrayForEach(child, v)
            walk(u, shape->items, child);
        return;
    }
    if (shape->kind != SHAPE_OBJECT)
        return;
    cJSON_ArrayForEach(child, v) {
        const struct field *f = schema_child(shape, child->string, strlen(child->string));
        const cJSON *item;

        if (!f)
            continue;
        mark(u, f, child);
        if (cJSON_IsArray(child))
            cJSON_ArrayForEach(item, child)
                mark(u, f, item);
        walk(u, f->shape, child);
    }
}

/* The operator's configuration file, in a ConfigMap. */
static void walk_config(struct uses *u, const char *text)
{
    auto_yaml struct schema_yaml *y = NULL;

    if (schema_yaml_parse("config.yaml", text, strlen(text), &y, NULL) < 0 || y->n != 1)
        fail_msg("a config.yaml cannot be read");
    walk(u, schema_config_shape(), y->roots[0]);
}

static void walk_file(struct uses *u, const char *path)
{
    struct example e;

    example_load(path, &e);
    for (size_t i = 0; i < e.yaml->n; i++) {
        int kind = schema_kind_of(e.yaml->roots[i]);
        const cJSON *config = json_get(json_get(e.yaml->roots[i], "data"), "config.yaml");

        if (config)
            walk_config(u, config->valuestring);

        if (kind >= 0)
            walk(u, schema_resource((enum schema_kind)kind)->root, e.yaml->roots[i]);
    }
    example_fini(&e);
}

static void walk_files(struct uses *u, char **list)
{
    for (size_t i = 0; list[i]; i++)
        walk_file(u, list[i]);
    examples_free(list);
}

/* Golden plans: tests/plan/CASE/spec.yaml. */
static void walk_plans(struct uses *u)
{
    const char *top = getenv("srcdir");
    auto_free char *path = mem_printf("%s/tests/plan", top ? top : "..");
    DIR *d = opendir(path);
    const struct dirent *e;

    if (!d)
        fail_msg("there is no %s", path);
    while ((e = readdir(d))) {
        auto_free char *file = mem_printf("../tests/plan/%s/spec.yaml", e->d_name);
        auto_free char *text = e->d_name[0] == '.' ? NULL : test_file_text("examples", file);

        if (text)
            walk_file(u, file);
    }
    closedir(d);
}

/* ---- what was not seen ---- */

struct look {
    const struct uses *uses;
    const struct shape *seen[512]; /* shapes that were listed under another path */
    size_t n_seen;
    cJSON *unused; /* paths, and path=value */
};

static bool is_new(struct look *l, const struct shape *s)
{
    for (size_t i = 0; i < l->n_seen; i++)
        if (l->seen[i] == s)
            return false;
    if (l->n_seen < sizeof l->seen / sizeof *l->seen)
        l->seen[l->n_seen++] = s;
    return true;
}

static void list_values(struct look *l, const struct field *f, const struct use *use, const char *path)
{
    const struct shape *s = schema_inner(f->shape);

    if (!s->values || str_eq(s->name, "StringBool"))
        return;
    for (const char *v = s->values; *v; v += *v == '|') {
        size_t n = strcspn(v, "|");
        auto_free char *value = mem_strn(v, n), *line = mem_printf("%s=%s", path, value);

        if (n && !json_has(use->values, value))
            json_add_str(l->unused, line);
        v += n;
    }
}

static void list_unused(struct look *l, const struct shape *shape, const char *path)
{
    const struct shape *s = schema_inner(shape);

    if (s->kind != SHAPE_OBJECT || !is_new(l, s))
        return;
    for (const struct field *f = s->fields; f->name; f++) {
        auto_free char *below = mem_printf("%s.%s%s", path, f->name, f->shape->kind == SHAPE_LIST ? "[]" : "");
        const struct use *use = find(l->uses, f);

        if (!use) {
            json_add_str(l->unused, below);
            continue; /* what is in it is not used either */
        }
        list_values(l, f, use, below);
        list_unused(l, f->shape, below);
    }
}

/* "PATH<blank>reason" for each line that is no comment. */
static cJSON *read_reasons(const char *text)
{
    cJSON *all = cJSON_CreateObject();

    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        auto_free char *line = mem_strn(p, strcspn(p, "\n"));
        size_t n = strcspn(line, " ");
        auto_free char *path = mem_strn(line, n);

        if (*line && *line != '#')
            json_set_str(all, path, line[n] ? line + n + 1 : "");
    }
    return all;
}

static void write_reasons(const char *text, const cJSON *unused, const cJSON *reasons)
{
    auto_str struct str out = STR_INIT;
    const cJSON *v;

    for (const char *p = text; *p == '#'; p += strcspn(p, "\n"), p += *p == '\n')
        str_addf(&out, "%.*s\n", (int)strcspn(p, "\n"), p);
    cJSON_ArrayForEach(v, unused) {
        const cJSON *why = json_get(reasons, v->valuestring);

        str_addf(&out, "%s %s\n", v->valuestring, why ? why->valuestring : "");
    }
    test_file_write("tests/examples", "unused.txt", str_text(&out));
}

static void every_field_is_used_or_listed_with_a_reason(void **state)
{
    static const char *const names[] = {"chi", "chit", "chk", "chopconf"};
    struct uses uses = {NULL, 0};
    struct look l = {.uses = &uses, .unused = cJSON_CreateArray()};
    auto_free char *text = test_file_text("tests/examples", "unused.txt");
    auto_json cJSON *reasons = read_reasons(text ? text : "");
    const cJSON *v;

    (void)state;
    walk_files(&uses, examples_list());
    walk_files(&uses, cases_list());
    walk_plans(&uses);
    for (int i = 0; i < SCHEMA_KINDS; i++)
        list_unused(&l, schema_resource((enum schema_kind)i)->root, names[i]);
    if (test_updates())
        write_reasons(text ? text : "", l.unused, reasons);
    else
        cJSON_ArrayForEach(v, l.unused)
            if (!json_get(reasons, v->valuestring) || !*json_get(reasons, v->valuestring)->valuestring)
                fail_msg("no example and no golden test uses %s: add one, or a line with a reason to "
                         "tests/examples/unused.txt",
                         v->valuestring);
    cJSON_ArrayForEach(v, reasons)
        if (!test_updates() && !json_has(l.unused, v->string))
            fail_msg("tests/examples/unused.txt: %s is used now, or does not exist", v->string);
    for (size_t i = 0; i < uses.n; i++)
        cJSON_Delete(uses.v[i].values);
    free(uses.v);
    cJSON_Delete(l.unused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_used_or_listed_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
