/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/spaces.h"

static struct spaces *made(const char *config, const char *const *names, const char *const *exclude)
{
    auto_json cJSON *j = cJSON_Parse(config);
    struct spaces *s = NULL;
    struct err err = ERR_INIT;

    assert_non_null(j);
    if (spaces_new(j, names, exclude, &s, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

static void nothing_said_is_all(void **state)
{
    struct spaces *s = made("{}", NULL, NULL);

    (void)state;
    assert_true(spaces_has(s, "shop"));
    assert_null(spaces_names(s));
    spaces_free(s);
}

static void entries_of_the_configuration_are_found_anywhere_in_a_name(void **state)
{
    struct spaces *s = made("{\"watch\":{\"namespaces\":[\"shop\",\"^st.*s$\"]}}", NULL, NULL);

    (void)state;
    assert_true(spaces_has(s, "shop"));
    assert_true(spaces_has(s, "workshop-2"));
    assert_true(spaces_has(s, "stats"));
    assert_false(spaces_has(s, "my-stats"));
    assert_false(spaces_has(s, "other"));
    spaces_free(s);
}

static void exclude_wins(void **state)
{
    struct spaces *s = made("{\"watch\":{\"namespaces\":{\"include\":[\"shop\"],\"exclude\":[\"-\\\\d+$\"]}}}", NULL, NULL);

    (void)state;
    assert_true(spaces_has(s, "shop"));
    assert_false(spaces_has(s, "shop-17"));
    spaces_free(s);
}

static void names_of_the_command_line_mean_exactly_these(void **state)
{
    static const char *const names[] = {"shop", "stats", NULL};
    struct spaces *s = made("{\"watch\":{\"namespaces\":{\"include\":[\"other\"]}}}", names, NULL);

    (void)state;
    assert_true(spaces_has(s, "stats"));
    assert_false(spaces_has(s, "workshop"));
    assert_false(spaces_has(s, "other"));
    assert_string_equal(spaces_names(s)[0], "shop");
    assert_string_equal(spaces_names(s)[1], "stats");
    assert_null(spaces_names(s)[2]);
    assert_false(spaces_loose(s));
    spaces_free(s);
}

static void expressions_of_the_command_line_need_all_namespaces(void **state)
{
    static const char *const names[] = {"team-.*", NULL}, *const exclude[] = {"team-test", NULL};
    struct spaces *s = made("{}", names, exclude);
    auto_free char *text = spaces_print(s);

    (void)state;
    assert_null(spaces_names(s));
    assert_true(spaces_has(s, "team-a"));
    assert_false(spaces_has(s, "team-test"));
    assert_string_equal(text, "team-.* but not team-test");
    spaces_free(s);
}

static void an_expression_that_is_none_is_an_error_that_names_it(void **state)
{
    auto_json cJSON *j = cJSON_Parse("{\"watch\":{\"namespaces\":{\"include\":[\"shop(\"]}}}");
    struct spaces *s = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(spaces_new(j, NULL, NULL, &s, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.msg, "watch.namespaces"));
    assert_non_null(strstr(err.msg, "shop("));
}

static void other_lists_are_seen(void **state)
{
    struct spaces *a = made("{\"watch\":{\"namespaces\":[\"a\"]}}", NULL, NULL);
    struct spaces *b = made("{\"watch\":{\"namespaces\":[\"a\"]}}", NULL, NULL);
    struct spaces *c = made("{\"watch\":{\"namespaces\":{\"include\":[\"a\"],\"exclude\":[\"b\"]}}}", NULL, NULL);

    (void)state;
    assert_true(spaces_same(a, b));
    assert_false(spaces_same(a, c));
    spaces_free(a);
    spaces_free(b);
    spaces_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_all),
        cmocka_unit_test(entries_of_the_configuration_are_found_anywhere_in_a_name),
        cmocka_unit_test(exclude_wins),
        cmocka_unit_test(names_of_the_command_line_mean_exactly_these),
        cmocka_unit_test(expressions_of_the_command_line_need_all_namespaces),
        cmocka_unit_test(an_expression_that_is_none_is_an_error_that_names_it),
        cmocka_unit_test(other_lists_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
