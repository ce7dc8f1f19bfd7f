/* SPDX-License-Identifier: Apache-2.0 */
#include <regex.h>

#include "tests/schema/help.h"

static const char *base_type(const struct shape *s)
{
    switch (s->kind) {
    case SHAPE_TEXT:
        return "string";
    case SHAPE_INTEGER:
        return "integer";
    case SHAPE_BOOLEAN:
        return "boolean";
    case SHAPE_LIST:
        return "array";
    default:
        return "object";
    }
}

static char *type_of(const struct shape *s)
{
    return s->kind == SHAPE_LIST ? mem_printf("array<%s>", base_type(s->items)) : mem_str(base_type(s));
}

/* As the path lists write it. */
static char *constraints_of(const struct field *f)
{
    struct str out = STR_INIT;
    const struct shape *s = f->shape;
    const char *names[8];
    size_t n = 0;

#define ADD(...) (str_add(&out, out.len ? "; " : ""), str_addf(&out, __VA_ARGS__))
    if (f->flags & FIELD_NULLABLE)
        ADD("nullable");
    if (s->values)
        ADD("enum %s%s", *s->values == '|' ? "\"\"" : "", s->values);
    if (s->pattern)
        ADD("pattern %s", s->pattern);
    if (s->has_min)
        ADD("minimum %lld", (long long)s->min);
    if (s->has_max)
        ADD("maximum %lld", (long long)s->max);
    if (s->min_length)
        ADD("minLength %u", s->min_length);
    if (s->max_length)
        ADD("maxLength %u", s->max_length);
    for (const struct field *m = s->kind == SHAPE_OBJECT ? s->fields : NULL; m && m->name && n < 8; m++)
        if ((m->flags & FIELD_REQUIRED) && !(m->flags & FIELD_OURS))
            names[n++] = m->name;
    for (size_t i = 0; i < n; i++)
        str_addf(&out, "%s%s", i ? "|" : out.len ? "; required " : "required ", names[i]);
#undef ADD
    return str_take(&out);
}

static void check_line(const struct shape *root, char *line)
{
    char *col[4] = {line, NULL, NULL, NULL};
    const struct field *f;
    auto_free char *type = NULL, *constraints = NULL;

    for (size_t i = 1; i < 4; i++) {
        col[i] = strchr(col[i - 1], '\t');
        assert_non_null(col[i]);
        *col[i]++ = '\0';
    }
    if (str_ends(col[0], "[]")) /* an entry of a list: its type stands in the line of the list */
        return;
    f = schema_field(root, col[0]);
    if (!f)
        fail_msg("the table has no %s", col[0]);
    type = type_of(f->shape);
    constraints = constraints_of(f);
    if (strcmp(type, col[1]) != 0)
        fail_msg("%s is %s in the table, not %s", col[0], type, col[1]);
    /* one status for all installations: more of it may be null than some lists say */
    if (str_starts(constraints, "nullable") && !*col[2] && str_starts(col[0], "status."))
        constraints[0] = '\0';
    if (strcmp(constraints, col[2]) != 0)
        fail_msg("%s: \"%s\" in the table, not \"%s\"", col[0], constraints, col[2]);
    if (str_eq(col[3], "yes") && schema_inner(f->shape)->kind != SHAPE_FREE && !schema_inner(f->shape)->open)
        fail_msg("%s is not free-form in the table", col[0]);
    if (str_eq(col[3], "file") && !(f->flags & FIELD_FILE))
        fail_msg("%s would be in the CRD", col[0]);
    if (str_eq(col[3], "no") && (f->flags & FIELD_FILE))
        fail_msg("%s would not be in the CRD", col[0]);
}

static void check_list_of_paths(const char *name, enum schema_kind kind, size_t least)
{
    auto_free char *text = file_text(name);
    size_t n = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (*line != '#') {
            check_line(schema_resource(kind)->root, line);
            n++;
        }
    assert_true(n >= least);
}

static void every_known_path_is_in_the_table_with_its_type(void **state)
{
    (void)state;
    check_list_of_paths("tests/schema/paths-chi.txt", SCHEMA_CHI, 370);
    check_list_of_paths("tests/schema/paths-chi.txt", SCHEMA_CHIT, 370);
    check_list_of_paths("tests/schema/paths-chk.txt", SCHEMA_CHK, 170);
    check_list_of_paths("tests/schema/paths-chopconf.txt", SCHEMA_CHOPCONF, 150);
}

static void look_at(const struct shape *s, const char *where, unsigned depth)
{
    assert_true(depth < 20);
    if (s->pattern) {
        regex_t re;

        assert_int_equal(regcomp(&re, s->pattern, REG_EXTENDED), 0);
        regfree(&re);
    }
    if (s->kind == SHAPE_LIST)
        look_at(s->items, where, depth + 1);
    if (s->kind != SHAPE_OBJECT)
        return;
    for (const struct field *f = s->fields; f->name; f++) {
        auto_free char *path = mem_printf("%s.%s", where, f->name);
        size_t n;

        if (!f->text || !*f->text)
            fail_msg("%s has no description", path);
        n = strlen(f->text);
        if (depth > 0 && f->text[n - 1] != '.' && f->text[n - 1] != '}')
            fail_msg("%s: a description is a sentence: %s", path, f->text);
        for (const struct field *g = s->fields; g < f; g++)
            if (strcmp(g->name, f->name) == 0)
                fail_msg("%s is there twice", path);
        look_at(f->shape, path, depth + 1);
    }
}

static void every_field_is_described_once(void **state)
{
    (void)state;
    for (int i = 0; i < SCHEMA_KINDS; i++)
        look_at(schema_resource((enum schema_kind)i)->root, schema_resource((enum schema_kind)i)->short_name, 0);
}

static void kinds_are_found_by_every_name(void **state)
{
    auto_json cJSON *chk = json_parse("{\"apiVersion\":\"clickhouse-keeper.altinity.com/v1\","
                                      "\"kind\":\"ClickHouseKeeperInstallation\"}",
                                      89, NULL);
    auto_json cJSON *mixed = json_parse("{\"apiVersion\":\"clickhouse.altinity.com/v1\","
                                        "\"kind\":\"ClickHouseKeeperInstallation\"}",
                                        82, NULL);

    (void)state;
    assert_int_equal(schema_kind_by_name("chi"), SCHEMA_CHI);
    assert_int_equal(schema_kind_by_name("ClickHouseInstallationTemplates"), SCHEMA_CHIT);
    assert_int_equal(schema_kind_by_name("CHK"), SCHEMA_CHK);
    assert_int_equal(schema_kind_by_name("pod"), -1);
    assert_int_equal(schema_kind_by_name(NULL), -1);
    assert_int_equal(schema_kind_of(chk), SCHEMA_CHK);
    assert_int_equal(schema_kind_of(mixed), -1);
}

static void a_path_with_indexes_leads_to_its_field(void **state)
{
    const struct shape *root = schema_resource(SCHEMA_CHI)->root;

    (void)state;
    assert_ptr_equal(schema_field(root, "spec.configuration.clusters[3].layout.shards[].weight"),
                     schema_field(root, "spec.configuration.clusters.layout.shards.weight"));
    assert_null(schema_field(root, "spec.configuration.cluster"));
    assert_null(schema_field(root, "spec.taskID.x"));
    assert_null(schema_field(root, "spec.TaskID"));
    assert_non_null(schema_field(root, "spec.chfleet.consent.dataLoss"));
    assert_non_null(schema_field(root, "spec.configuration.clusters[].zookeeper.keeper.namespace"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_path_is_in_the_table_with_its_type),
        cmocka_unit_test(every_field_is_described_once),
        cmocka_unit_test(kinds_are_found_by_every_name),
        cmocka_unit_test(a_path_with_indexes_leads_to_its_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
