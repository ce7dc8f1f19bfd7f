/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every manifest of examples/: nothing in it is unknown or without effect, and what is made of it is well-formed and
 * fits together. Lines at its head allow what is meant to be so:
 *   # Warns: TEXT     a warning of the plan with this in it
 *   # Notes: TEXT     a note of the check with this in it
 * tests/examples/golden/ holds chosen objects of them (golden.inc says which), and what is made of tests/examples/cases/: the
 * objects that a case names in lines "# Objects: Kind/name …", its warnings, or its error. CHFLEET_UPDATE_GOLDEN=1 writes them
 * and examples/README.md anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "schema/check.h"
#include "schema/emit.h"
#include "tests/examples/lib.h"
#include "tests/examples/objects.h"

static void each_example(void (*fn)(struct example *e))
{
    char **list = examples_list();
    size_t n = 0;

    for (; list[n]; n++) {
        struct example e;

        example_load(list[n], &e);
        fn(&e);
        example_fini(&e);
    }
    examples_free(list);
    assert_true(n >= 60);
}

struct allowed {
    const char *text;
    bool found;
};

static void look(void *ctx, const char *text)
{
    struct allowed *a = ctx;

    a->found |= strstr(a->text, text) != NULL;
}

static bool is_allowed(const struct example *e, const char *what, const char *text)
{
    struct allowed a = {text, false};

    example_notes(e, what, look, &a);
    return a.found;
}

/* ---- the check ---- */

static bool is_ours(const cJSON *o)
{
    return strstr(json_str(o, "apiVersion", ""), "altinity.com/") != NULL;
}

/* A configuration file of the operator, in a ConfigMap. */
static void check_config(const struct example *e, const char *text, struct schema_problems *p)
{
    auto_yaml struct schema_yaml *y = NULL;
    struct err err = ERR_INIT;

    if (schema_yaml_parse(e->path, text, strlen(text), &y, &err) < 0 || y->n != 1)
        fail_msg("examples/%s: %s", e->path, err.msg);
    schema_check_config(y->roots[0], NULL, p);
}

/* By the rules of an API server: what only chfleet's own reader takes has no place in an example. */
static void checks(struct example *e)
{
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;
    size_t ours = 0;
    bool noted = false;

    for (size_t i = 0; i < e->yaml->n; i++)
        if (is_ours(e->yaml->roots[i])) {
            ours++;
            schema_check(e->yaml->roots[i], 0, e->yaml, &p);
        } else if (json_get(json_get(e->yaml->roots[i], "data"), "config.yaml")) {
            ours++;
            check_config(e, json_get(json_get(e->yaml->roots[i], "data"), "config.yaml")->valuestring, &p);
        }
    if (ours == 0)
        fail_msg("examples/%s: has no resource of ours", e->path);
    for (size_t i = 0; i < p.n; i++) {
        auto_free char *text = mem_printf("%s: %s", p.v[i].path, p.v[i].text);

        if (!schema_is_note(p.v[i].code) || !is_allowed(e, "Notes", text))
            fail_msg("examples/%s:%u: %s", e->path, p.v[i].pos.line, text);
        noted = true;
    }
    if (!noted && example_notes(e, "Notes", NULL, NULL))
        fail_msg("examples/%s: no note is there that it says", e->path);
}

static void every_example_is_free_of_problems(void **state)
{
    (void)state;
    each_example(checks);
}

/* ---- what is made of it ---- */

static int warnings(const struct example *e, const struct fleet *f)
{
    const cJSON *w;

    cJSON_ArrayForEach(w, f->warnings)
        if (!is_allowed(e, "Warns", w->valuestring))
            fail_msg("examples/%s: warns: %s", e->path, w->valuestring);
    return cJSON_GetArraySize(f->warnings);
}

/* All objects of one installation. NULL with err. */
static cJSON *made(const struct example *e, const cJSON *resource, const struct addressing *a, const char *version,
                   struct fleet **fleet, struct err *err)
{
    struct cluster_state state = e->state;
    struct render_ctx ctx;

    state.version = version;
    cluster_ctx(&state, &ctx);
    ctx.membership_generation = 1;
    return example_fleet(e, resource, a, fleet, err) < 0 ? NULL : cluster_render_all(*fleet, &ctx, err);
}

/* The operator's configuration shows in what is made of any installation. */
static void add_installation(struct example *e)
{
    static const char text[] = "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\","
                               "\"metadata\":{\"name\":\"any\",\"namespace\":\"shop\",\"uid\":\"1\"},\"spec\":{}}";
    const cJSON *o;

    cJSON_ArrayForEach(o, e->state.objects)
        if (example_is_installation(o))
            return;
    cJSON_AddItemToArray(e->state.objects, json_parse(text, sizeof text - 1, NULL));
}

static void renders(struct example *e)
{
    static const char *const versions[] = {NULL, "18.16.1", "25.8.1"};
    const cJSON *o;
    int warned = 0;

    example_state(e);
    add_installation(e);
    cJSON_ArrayForEach(o, e->state.objects)
        for (size_t i = 0; i < 2 * sizeof versions / sizeof *versions && example_is_installation(o); i++) {
            const struct addressing *a = i % 2 ? cluster_endpoints() : NULL;
            auto_fleet struct fleet *f = NULL;
            struct err err = ERR_INIT;
            auto_json cJSON *all = made(e, o, a, versions[i / 2], &f, &err);
            auto_free char *who = mem_printf("examples/%s, %s %s, %s", e->path, json_str(o, "kind", ""), json_name(o),
                                             a ? "endpoints" : "dns");

            if (!all)
                fail_msg("%s: %s", who, err.msg);
            warned += warnings(e, f);
            objects_check(who, all, e->state.objects);
        }
    if (!warned && example_notes(e, "Warns", NULL, NULL))
        fail_msg("examples/%s: nothing warns as it says", e->path);
}

static void every_example_renders_into_objects_that_fit_together(void **state)
{
    (void)state;
    each_example(renders);
}

/* ---- golden objects ---- */

static const struct golden {
    const char *example, *objects; /* Kind/name, separated by blanks */
} goldens[] = {
#include "tests/examples/golden.inc"
};

static void check_text(const char *dir, const char *file, const char *got)
{
    auto_free char *want = test_file_text(dir, file);

    if (str_eq(want, got))
        return;
    if (test_updates())
        test_file_write(dir, file, got);
    else
        fail_msg("%s/%s\n--- expected\n%s\n--- got\n%s", dir, file, want ? want : "(no file)", got);
}

static void add_text(void *ctx, const char *text)
{
    struct str *s = ctx;

    str_addf(s, "%s%s", s->len ? " " : "", text);
}

/* The operator's own files and owners are the same everywhere. */
static void shorten(cJSON *o)
{
    cJSON *data = json_get(o, "data"), *v, *next;

    cJSON_DeleteItemFromObjectCaseSensitive(json_get(o, "metadata"), "ownerReferences");
    for (v = data ? data->child : NULL; v; v = next) {
        next = v->next;
        if (v->string[0] == '0' || str_starts(v->string, "chfleet-"))
            cJSON_Delete(cJSON_DetachItemViaPointer(data, v));
    }
}

/* Puts the objects of one installation into all; what it says goes to text. */
static void make_one(const struct example *e, const cJSON *resource, cJSON *all, struct str *text)
{
    auto_fleet struct fleet *f = NULL;
    struct err err = ERR_INIT;
    cJSON *some = made(e, resource, NULL, NULL, &f, &err), *o;

    if (f)
        cJSON_ArrayForEach(o, f->warnings)
            str_addf(text, "# warns: %s\n", o->valuestring);
    if (!some)
        str_addf(text, "# error: %s\n", err.msg);
    while ((o = cJSON_DetachItemFromArray(some, 0)))
        cJSON_AddItemToArray(all, o);
    cJSON_Delete(some);
}

static void add_named(const struct example *e, cJSON *all, const char *names, struct str *out)
{
    while (*names) {
        size_t n = strcspn(names, " ");
        bool found = false;
        cJSON *o;

        cJSON_ArrayForEach(o, all) {
            auto_free char *name = mem_printf("%s/%s", json_str(o, "kind", ""), json_name(o));

            if (strlen(name) != n || strncmp(name, names, n) != 0)
                continue;
            found = true;
            shorten(o);
            str_add(out, out->len ? "---\n" : "");
            schema_emit(o, out);
        }
        if (!found)
            fail_msg("%s makes no %.*s\n%s", e->path, (int)n, names, str_text(out));
        names += n + (names[n] == ' ');
    }
}

static void one_golden(const char *path, const char *names, const char *file)
{
    struct example e;
    auto_str struct str text = STR_INIT, more = STR_INIT;
    auto_json cJSON *all = cJSON_CreateArray();
    const cJSON *r;

    example_load(path, &e);
    example_state(&e);
    add_installation(&e);
    cJSON_ArrayForEach(r, e.state.objects)
        if (example_is_installation(r))
            make_one(&e, r, all, &text);
    if (!names)
        example_notes(&e, "Objects", add_text, &more);
    add_named(&e, all, names ? names : str_text(&more), &text);
    check_text("tests/examples/golden", file, str_text(&text));
    example_fini(&e);
}

static void chosen_objects_are_as_written_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        auto_free char *path = mem_printf("%s.yaml", goldens[i].example), *file = mem_str(path);

        for (char *p = file; *p; p++)
            *p = *p == '/' ? '.' : *p;
        one_golden(path, goldens[i].objects, file);
    }
}

static void cases_give_what_is_written_down(void **state)
{
    char **list = cases_list();

    (void)state;
    for (size_t i = 0; list[i]; i++) {
        auto_free char *file = mem_printf("case.%s", strrchr(list[i], '/') + 1);

        one_golden(list[i], NULL, file);
    }
    examples_free(list);
}

/* ---- the index ---- */

/* What stands in the first line of a manifest: what it shows. */
static char *shows(const struct example *e)
{
    if (!str_starts(e->text, "# ") || strcspn(e->text, "\n") > 140)
        fail_msg("examples/%s: its first line must be a comment that says what it shows", e->path);
    return mem_strn(e->text + 2, strcspn(e->text, "\n") - 2);
}

static void add_line(struct str *out, const char *path, char *folder, size_t size)
{
    auto_free char *what = NULL;
    const char *slash = strchr(path, '/');
    struct example e;
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (slash && (strlen(folder) != n || strncmp(folder, path, n) != 0)) {
        snprintf(folder, size, "%.*s", (int)n, path);
        str_addf(out, "\n## %s\n\n| file | what it shows |\n|---|---|\n", folder);
    }
    example_load(path, &e);
    what = shows(&e);
    if (slash)
        str_addf(out, "| [%s](%s) | %s |\n", slash + 1, path, what);
    example_fini(&e);
}

static void the_index_names_every_example(void **state)
{
    static const char mark[] = "<!-- what follows is made from the first lines of the files -->\n";
    auto_free char *now = test_file_text("examples", "README.md");
    auto_str struct str text = STR_INIT;
    char folder[64] = "", **list = examples_list();
    const char *head = now ? strstr(now, mark) : NULL;

    (void)state;
    if (!head)
        fail_msg("examples/README.md has no line %s", mark);
    str_addn(&text, now, (size_t)(head - now));
    str_add(&text, mark);
    for (size_t i = 0; list[i]; i++)
        add_line(&text, list[i], folder, sizeof folder);
    examples_free(list);
    check_text("examples", "README.md", str_text(&text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_is_free_of_problems),
        cmocka_unit_test(every_example_renders_into_objects_that_fit_together),
        cmocka_unit_test(chosen_objects_are_as_written_down),
        cmocka_unit_test(cases_give_what_is_written_down),
        cmocka_unit_test(the_index_names_every_example),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
