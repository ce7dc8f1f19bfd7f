/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/explain.h"
#include "schema/generated.h"
#include "tests/schema/help.h"

static void committed_files_are_those_of_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_generated_files(); i++) {
        auto_free char *name = schema_generated_name(i), *have = file_text(name);
        auto_str struct str want = STR_INIT;

        schema_generated_text(i, &want);
        if (strcmp(have, str_text(&want)) != 0)
            fail_msg("%s lags behind the field table: run `make schema-update` and commit it", name);
    }
}

/* Does the example hold a value for every field that the CRD has? */
static void has_all(const cJSON *value, const struct shape *shape, const char *where)
{
    const struct shape *inner = schema_inner(shape);

    while (cJSON_IsArray(value) && inner->kind == SHAPE_OBJECT)
        value = value->child;
    if (inner->kind != SHAPE_OBJECT)
        return;
    for (const struct field *f = inner->fields; f->name; f++) {
        auto_free char *path = mem_printf("%s.%s", where, f->name);

        if ((f->flags & FIELD_FILE) || (f->example && *f->example == '#'))
            continue;
        if (!json_get(value, f->name))
            fail_msg("the example has no %s", path);
        has_all(json_get(value, f->name), f->shape, path);
    }
}

static void the_example_is_right_and_has_every_parameter(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMA_KINDS; i++) {
        auto_str struct str text = STR_INIT, out = STR_INIT;
        auto_yaml struct schema_yaml *y = NULL;
        auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;

        schema_example((enum schema_kind)i, &text);
        y = must_read(str_text(&text));
        assert_int_equal(y->n, 1);
        has_all(json_get(y->roots[0], "spec"), schema_field(schema_resource((enum schema_kind)i)->root, "spec")->shape,
                "spec");
        schema_check(y->roots[0], 0, y, &p);
        schema_problems_print(&p, "example", &out);
        if (p.errors)
            fail_msg("%s", str_text(&out));
    }
}

static void page_has(const char *page, const struct shape *shape)
{
    const struct shape *inner = schema_inner(shape);

    if (inner->kind != SHAPE_OBJECT)
        return;
    for (const struct field *f = inner->fields; f->name; f++) {
        auto_free char *cell = mem_printf("\n| `%s` | ", f->name);

        must_hold(page, cell);
        page_has(page, f->shape);
    }
}

static void the_page_has_a_row_for_every_field(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMA_KINDS; i++) {
        auto_str struct str page = STR_INIT;

        schema_reference_page((enum schema_kind)i, &page);
        page_has(str_text(&page), schema_field(schema_resource((enum schema_kind)i)->root, "spec")->shape);
        assert_null(strstr(str_text(&page), "(null)"));
    }
}

static void the_page_leads_from_one_section_to_another(void **state)
{
    auto_str struct str page = STR_INIT;

    (void)state;
    schema_reference_page(SCHEMA_CHI, &page);
    must_hold(str_text(&page), "\n## spec.configuration.clusters[].layout\n");
    must_hold(str_text(&page), "| `replicasCount` | whole number from 0 | 1; 0 counts as 1 | ");
    must_hold(str_text(&page), "\n## TemplateNames\n");
    must_hold(str_text(&page), "[TemplateNames](#templatenames)");
    must_hold(str_text(&page), "[list of mappings](#specconfigurationclusters)");
    must_hold(str_text(&page), "*chfleet's own.* ");
    must_hold(str_text(&page), "\n## Settings\n");
}

/* Every link leads to a heading. */
static void links_lead_somewhere(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMA_KINDS; i++) {
        auto_str struct str page = STR_INIT, anchors = STR_INIT;

        schema_reference_page((enum schema_kind)i, &page);
        str_addc(&anchors, ' ');
        for (const char *h = strstr(str_text(&page), "\n## "); h; h = strstr(h + 1, "\n## ")) {
            for (const char *c = h + 4; *c != '\n'; c++)
                if (*c != '.' && *c != '[' && *c != ']')
                    str_addc(&anchors, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
            str_addc(&anchors, ' ');
        }
        for (const char *l = strstr(str_text(&page), "](#"); l; l = strstr(l + 1, "](#")) {
            auto_free char *want = mem_printf(" %.*s ", (int)strcspn(l + 3, ")"), l + 3);

            must_hold(str_text(&anchors), want);
        }
    }
}

static void explained(const char *path, bool tree, const char *part)
{
    struct err err = ERR_INIT;
    auto_str struct str out = STR_INIT;

    if (schema_explain(path, tree, &out, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
    must_hold(str_text(&out), part);
    assert_null(strstr(str_text(&out), "(null)"));
}

static void explain_says_type_values_default_meaning_and_children(void **state)
{
    (void)state;
    explained("chi.spec.configuration.clusters.layout", false, "FIELD    spec.configuration.clusters[].layout\n");
    explained("chi.spec.configuration.clusters.layout", false, "DEFAULT  one shard with one replica\n");
    explained("chi.spec.configuration.clusters.layout", false,
              "  shardsCount  <whole number from 0>\n      Number of shards.");
    explained("chi.spec.restart", false, "VALUES   RollingUpdate\n");
    explained("ClickHouseInstallation", false, "KIND     ClickHouseInstallation (clickhouse.altinity.com/v1)\n");
    explained("chi.spec.chfleet.approval", false, "NOTE     chfleet's own\n");
    explained("chk.spec.configuration.clusters[].name", false, "name (1 to 15 letters, digits, -)");
    explained("chk.spec.reconciling.policy", false, "NOTE     without effect\n");
    explained("config.reconcile", true, "  statefulSet  <ReconcileStatefulSet>\n    create  <mapping>\n      onFailure  <text>\n");
    explained("chi.spec.configuration.settings", false, "logger/level");
    explained("chi.spec.configuration.zookeeper.keeper.name", false, "DEFAULT  none: it is required\n");
}

/* By its path, and with what is in it by name. */
static size_t explain_below(const char *root, const struct shape *shape, const char *above)
{
    const struct shape *s = schema_inner(shape);
    size_t n = 0;

    if (s->kind != SHAPE_OBJECT)
        return 0;
    for (const struct field *f = s->fields; f->name; f++) {
        auto_free char *path = mem_printf("%s%s%s", above, *above ? "." : "", f->name);
        auto_free char *below = mem_printf("%s%s", path, f->shape->kind == SHAPE_LIST ? "[]" : "");
        auto_free char *asked = mem_printf("%s.%s", root, path), *said = mem_printf("FIELD    %s", path);

        if ((f->flags & FIELD_FILE) && strcmp(root, "config") != 0)
            continue;
        explained(asked, false, said);
        n += 1 + explain_below(root, f->shape, below);
    }
    return n;
}

static void every_field_can_be_explained(void **state)
{
    static const char *const names[] = {"chi", "chit", "chk", "chopconf"};

    (void)state;
    for (int i = 0; i < SCHEMA_KINDS; i++)
        assert_true(explain_below(names[i], schema_resource((enum schema_kind)i)->root, "") > 50);
    assert_true(explain_below("config", schema_config_shape(), "") > 50);
}

static void not_explained(const char *path, const char *part)
{
    struct err err = ERR_INIT;
    auto_str struct str out = STR_INIT;

    assert_int_equal(schema_explain(path, false, &out, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(out.len, 0);
    must_hold(err.msg, part);
}

static void explain_guesses_what_was_meant(void **state)
{
    (void)state;
    not_explained("pod.spec", "begin with chi, chit, chk, chopconf or config");
    not_explained("", "begin with chi");
    not_explained("chi.spec.configuration.cluster", "did you mean \"clusters\"?");
    not_explained("chi.spec.shardsCount", "it belongs deeper");
    not_explained("chi.spec.templates.podTemplates.spec.containers", "kubectl explain pod.spec");
    not_explained("chi.spec.taskID.x", "spec.taskID has nothing inside");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_files_are_those_of_the_table),
        cmocka_unit_test(the_example_is_right_and_has_every_parameter),
        cmocka_unit_test(the_page_has_a_row_for_every_field),
        cmocka_unit_test(the_page_leads_from_one_section_to_another),
        cmocka_unit_test(links_lead_somewhere),
        cmocka_unit_test(explain_says_type_values_default_meaning_and_children),
        cmocka_unit_test(every_field_can_be_explained),
        cmocka_unit_test(explain_guesses_what_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
