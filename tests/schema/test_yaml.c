/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "tests/schema/help.h"

static void becomes(const char *text, const char *json)
{
    auto_yaml struct schema_yaml *y = must_read(text);
    auto_free char *got = NULL;

    assert_int_equal(y->n, 1);
    got = json_print(y->roots[0]);
    if (strcmp(got, json) != 0)
        fail_msg("%s\n→ %s\nnot %s", text, got, json);
}

static void refused(const char *text, const char *where, const char *why)
{
    struct err err = ERR_INIT;
    struct schema_yaml *y = NULL;

    if (schema_yaml_parse("f", text, strlen(text), &y, &err) == 0) {
        schema_yaml_free(y);
        fail_msg("not refused: %s", text);
    }
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(y);
    if (!str_starts(err.msg, where) || !strstr(err.msg, why))
        fail_msg("%s\n→ %s\nnot %s … %s", text, err.msg, where, why);
}

static void bare_words_are_read_as_kubectl_reads_them(void **state)
{
    (void)state;
    becomes("a: [yes, No, on, OFF, true, y, N]", "{\"a\":[true,false,true,false,true,true,false]}");
    becomes("a: [yEs, tRUE, 'yes', \"no\", !!str on]", "{\"a\":[\"yEs\",\"tRUE\",\"yes\",\"no\",\"on\"]}");
    becomes("a: [~, null, Null, NULL]", "{\"a\":[null,null,null,null]}");
    becomes("a:\nb: 1", "{\"a\":null,\"b\":1}");
    becomes("a: [2024-01-01, 1:30, 1.2.3, 10Gi, 0x, 1e]",
            "{\"a\":[\"2024-01-01\",\"1:30\",\"1.2.3\",\"10Gi\",\"0x\",\"1e\"]}");
    becomes("yes: 1\n12: 2\n1.50: 3", "{\"true\":1,\"12\":2,\"1.5\":3}");
    becomes("a: !!int \"3\"\nb: ! 4", "{\"a\":3,\"b\":\"4\"}");
}

static void numbers_keep_their_digits(void **state)
{
    (void)state;
    becomes("a: [18446744073709551615, -9223372036854775808, 123456789012345678901234567890]",
            "{\"a\":[18446744073709551615,-9223372036854775808,123456789012345678901234567890]}");
    becomes("a: [0x1F, 0b101, 0o17, 0644, 08, 1_000, +5, -0x10, 0xFFFFFFFFFFFFFFFF]",
            "{\"a\":[31,5,15,420,8,1000,5,-16,18446744073709551615]}");
    becomes("a: [0.5, .5, 5., 1e3, -2.5e-3, 1e400, .1_0, 0x1p3]",
            "{\"a\":[0.5,0.5,5,1000,-0.0025,\"1e400\",0.1,\"0x1p3\"]}");
    becomes("{\"a\": [18446744073709551615, 1.5, -7]}", "{\"a\":[18446744073709551615,1.5,-7]}");
    refused("a: .nan", "f:1:4: ", "quotes");
    refused("a: -.inf", "f:1:4: ", "quotes");
}

static void documents_and_lists_are_opened(void **state)
{
    auto_yaml struct schema_yaml *y =
        must_read("# first\n---\na: 1\n---\n---\nkind: List\nitems:\n- b: 2\n- c: 3\n...\n");
    auto_yaml struct schema_yaml *json = must_read("{\"a\":1}\n{\"b\":2}");
    auto_yaml struct schema_yaml *none = must_read("# nothing\n");

    (void)state;
    assert_int_equal(y->n, 3);
    assert_int_equal(json_int(y->roots[2], "c", 0), 3);
    assert_int_equal(y->starts[0].line, 3);
    assert_int_equal(y->starts[2].line, 9);
    assert_int_equal(json->n, 2);
    assert_int_equal(json->starts[1].line, 2);
    assert_int_equal(none->n, 0);
    refused("- a\n- b\n", "f:1:1: ", "is a list");
    refused("just words", "f:1:1: ", "a single value");
}

static void value_at(const struct schema_yaml *y, const char *path, unsigned line, unsigned column, unsigned key_column)
{
    const cJSON *item = json_at(y->roots[0], path);
    struct schema_pos v = schema_yaml_value_pos(y, item), k = schema_yaml_key_pos(y, item);

    assert_non_null(item);
    if (v.line != line || v.column != column || k.column != key_column)
        fail_msg("%s is at %u:%u, key %u", path, v.line, v.column, k.column);
}

static void every_value_has_its_place(void **state)
{
    auto_yaml struct schema_yaml *y = must_read("spec:\n  a: {x: 1, é: [2, three]}\n  'b':\n    - c: true\n");
    auto_yaml struct schema_yaml *j = must_read("\xef\xbb\xbf{\n\t\"a\" : [1, {\"\\u00e9\\\"\": \"é\", \"z\": null}],\n"
                                                "\t\"b\": 12345678901234567890 }");

    (void)state;
    value_at(y, "spec", 2, 3, 1);
    value_at(y, "spec.a.x", 2, 10, 7);
    value_at(y, "spec.a.é.1", 2, 20, 20);
    value_at(y, "spec.b.0.c", 4, 10, 7);
    value_at(j, "a", 2, 8, 2);
    value_at(j, "a.1.z", 2, 35, 30);
    value_at(j, "b", 3, 7, 2);
}

static void anchors_aliases_and_merge_keys(void **state)
{
    (void)state;
    becomes("a: &x {p: 1, q: 2}\nb: *x\nc: [*x]",
            "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":2},\"c\":[{\"p\":1,\"q\":2}]}");
    becomes("a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x, r: 4}", "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"r\":4,\"p\":1}}");
    becomes("a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y]}",
            "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"q\":2},\"c\":{\"p\":1,\"q\":2}}");
    becomes("a: {<<: &x {p: &y [1]}}\nb: *x\nc: *y", "{\"a\":{\"p\":[1]},\"b\":{\"p\":[1]},\"c\":[1]}");
    becomes("a: &x 1\nb: &x 2\nc: *x", "{\"a\":1,\"b\":2,\"c\":2}");
    becomes("&k a: 1\nb: *k", "{\"a\":1,\"b\":\"a\"}");
    becomes("a: {\"<<\": 1}", "{\"a\":{\"<<\":1}}");
    refused("a: *x", "f:1:4: ", "no anchor &x");
    refused("a: &x [*x]", "f:1:8: ", "contain itself");
    refused("a: &x 1\n---\nb: *x", "f:3:4: ", "in this document");
    refused("a: {<<: 1}", "f:1:5: ", "needs a mapping");
    refused("a: {<<: {x: 1}, <<: {y: 1}}", "f:1:17: ", "the first is at 1:5");
}

static void an_aliased_value_is_placed_where_it_is_written(void **state)
{
    auto_yaml struct schema_yaml *y = must_read("a: &x {p: 1}\nb: *x\n");

    (void)state;
    value_at(y, "b", 1, 4, 1); /* its anchor */
    value_at(y, "b.p", 1, 11, 8);
}

static void a_key_given_twice_is_refused_with_both_places(void **state)
{
    (void)state;
    refused("spec:\n  a: 1\n  b: 2\n  a: 3\n", "f:4:3: ", "the first is at 2:3");
    refused("{\"s\": {\"a\":1,\n \"a\":2}}", "f:2:2: ", "the first is at 1:8");
    refused("yes: 1\ntrue: 2", "f:2:1: ", "\"true\" is here a second time");
}

static void broken_text_is_refused_with_place_and_advice(void **state)
{
    (void)state;
    refused("spec:\n\ta: 1\n", "f:2:1: ", "a tab in the indentation");
    refused("spec:\n  a: 1\n b: 2\n", "f:3:2: ", "indentation");
    refused("a: b: c\n", "f:1:5: ", "\": \" does not fit");
    refused("a: \"x\n", "f:2:1: ", "never closed (it begins at line 1)");
    refused("a: [1, 2\nb: 3\n", "f:2:2: ", "");
    refused("a: @x\n", "f:1:4: ", "quotes");
    refused("a: \"\\q\"\n", "f:1:5: ", "unknown escape");
    refused("a: 1\n- b\n", "f:2:1: ", "");
    refused("ab: \xff\n", "f:1:5: ", "no UTF-8");
    refused("? [a]\n: b\n", "f:1:3: ", "a key must be plain text");
    refused("~: b\n", "f:1:1: ", "a key is missing");
    refused("a: !!binary aGk=\n", "f:1:4: ", "tag");
    refused("a: !mine x\n", "f:1:4: ", "tag");
    refused("a: !!int x\n", "f:1:4: ", "not what its tag says");
    refused("a: \"x\\0y\"\n", "f:1:4: ", "NUL");
    refused("{\"a\": \"x\\u0000y\"}", "f:1:7: ", "NUL");
    refused("{\"a\": 1,}x", "f:1:10: ", "");
}

static void json_is_read_as_json(void **state)
{
    (void)state;
    becomes("{\"a\":\"\\ud83d\\ude00\\/\",\"b\":\"\\\\u0000\"}", "{\"a\":\"😀/\",\"b\":\"\\\\u0000\"}");
    becomes("{a: yes}", "{\"a\":true}");
    becomes("{\n\t\"a\":\t[ ],\t\"b\": { }\n}", "{\"a\":[],\"b\":{}}");
}

static void a_bomb_is_refused_quickly(void **state)
{
    auto_str struct str text = STR_INIT;
    struct timespec from, to;

    (void)state;
    str_add(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        str_addf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            str_addf(&text, "%s*a%d", k ? "," : "", i - 1);
        str_add(&text, "]\n");
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    refused(str_text(&text), "f:", "values");
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true(to.tv_sec - from.tv_sec < 10);
}

static void text_cannot_be_multiplied_by_aliases(void **state)
{
    auto_str struct str text = STR_INIT;

    (void)state;
    str_add(&text, "a: &a \"");
    for (int i = 0; i < 100000; i++)
        str_addc(&text, 'x');
    str_add(&text, "\"\nb:\n");
    for (int i = 0; i < 100; i++)
        str_add(&text, "- *a\n");
    refused(str_text(&text), "f:", "aliases of this file multiply");
}

static void depth_and_size_have_limits(void **state)
{
    auto_str struct str deep = STR_INIT, json = STR_INIT, large = STR_INIT, block = STR_INIT;
    struct err err = ERR_INIT;
    struct schema_yaml *y = NULL;

    (void)state;
    str_add(&deep, "a: ");
    str_add(&json, "{\"a\": ");
    for (int i = 0; i < 200; i++) {
        str_addc(&deep, '[');
        str_addc(&json, '[');
        str_addf(&block, "%*sa:\n", i, "");
    }
    for (int i = 0; i < 200; i++)
        str_addc(&json, ']');
    str_addc(&json, '}');
    refused(str_text(&deep), "f:1:", "nested deeper than 100");
    refused(str_text(&json), "f:1:", "nested deeper than 100");
    refused(str_text(&block), "f:", "nested deeper than 100");
    while (large.len <= SCHEMA_YAML_BYTES)
        str_add(&large, "# a comment that fills the file up to the limit\n");
    assert_int_equal(schema_yaml_parse("f", str_text(&large), large.len, &y, &err), -1);
    must_hold(err.msg, "3 MiB");
}

static void many_keys_and_anchors_take_no_square_time(void **state)
{
    auto_str struct str keys = STR_INIT, anchors = STR_INIT;
    auto_yaml struct schema_yaml *y = NULL;

    (void)state;
    for (int i = 0; i < 100000; i++)
        str_addf(&keys, "key%d: %d\n", i, i);
    y = must_read(str_text(&keys));
    assert_int_equal(json_int(y->roots[0], "key99999", 0), 99999);
    str_add(&anchors, "a:\n");
    for (int i = 0; i < 2000; i++)
        str_addf(&anchors, "- &a%d x\n", i);
    refused(str_text(&anchors), "f:1002:", "anchors");
}

static void a_missing_file_is_named(void **state)
{
    struct err err = ERR_INIT;
    struct schema_yaml *y = NULL;

    (void)state;
    assert_int_equal(schema_yaml_load("no/such/file.yaml", &y, &err), -1);
    must_hold(err.msg, "no/such/file.yaml");
}

static void a_root_can_be_taken_out(void **state)
{
    auto_yaml struct schema_yaml *y = must_read("a: 1\n---\nb: 2\n");
    auto_json cJSON *b = schema_yaml_take(y, 1);

    (void)state;
    assert_null(y->roots[1]);
    assert_int_equal(json_int(b, "b", 0), 2);
    assert_int_equal(schema_yaml_value_pos(y, json_get(b, "b")).line, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_words_are_read_as_kubectl_reads_them),
        cmocka_unit_test(numbers_keep_their_digits),
        cmocka_unit_test(documents_and_lists_are_opened),
        cmocka_unit_test(every_value_has_its_place),
        cmocka_unit_test(anchors_aliases_and_merge_keys),
        cmocka_unit_test(an_aliased_value_is_placed_where_it_is_written),
        cmocka_unit_test(a_key_given_twice_is_refused_with_both_places),
        cmocka_unit_test(broken_text_is_refused_with_place_and_advice),
        cmocka_unit_test(json_is_read_as_json),
        cmocka_unit_test(a_bomb_is_refused_quickly),
        cmocka_unit_test(text_cannot_be_multiplied_by_aliases),
        cmocka_unit_test(depth_and_size_have_limits),
        cmocka_unit_test(many_keys_and_anchors_take_no_square_time),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_root_can_be_taken_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
