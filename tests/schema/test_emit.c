/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/emit.h"
#include "tests/schema/help.h"

static void emitted(const char *json, const char *yaml)
{
    auto_json cJSON *v = json_parse(json, strlen(json), NULL);
    auto_str struct str out = STR_INIT;

    assert_non_null(v);
    schema_emit(v, &out);
    assert_string_equal(str_text(&out), yaml);
}

static void the_layout_is_that_of_kubectl(void **state)
{
    (void)state;
    emitted("{\"a\":{\"b\":[1,{\"c\":2,\"d\":[]},[3,4]],\"e\":{}},\"f\":null,\"g\":true}",
            "a:\n  b:\n  - 1\n  - c: 2\n    d: []\n  - - 3\n    - 4\n  e: {}\nf: null\ng: true\n");
    emitted("{\"a\":18446744073709551615,\"b\":0.5}", "a: 18446744073709551615\nb: 0.5\n");
    emitted("{\"a\":\"x\\ny\\n\",\"b\":[\"p\\n\\n q\"]}", "a: |\n  x\n  y\nb:\n- |-\n  p\n\n   q\n");
}

static void only_words_that_would_change_are_quoted(void **state)
{
    (void)state;
    emitted("[\"plain\",\"a b\",\"a: b\",\"a #b\",\"yes\",\"n\",\"1\",\"1e3\",\"0x1\",\"\",\"~\",\"null\",\" a\",\"a "
            "\",\"a:\",\"-\",\"é\"]",
            "- plain\n- a b\n- \"a: b\"\n- \"a #b\"\n- \"yes\"\n- \"n\"\n- \"1\"\n- \"1e3\"\n- \"0x1\"\n- \"\"\n- "
            "\"~\"\n- \"null\"\n"
            "- \" a\"\n- \"a \"\n- \"a:\"\n- \"-\"\n- é\n");
    emitted("{\"on\":1,\"a/b\":2,\"{x}\":3}", "\"on\": 1\na/b: 2\n\"{x}\": 3\n");
    emitted("[\"a\\tb\",\"\\u0001\",\"\\\"\\\\\",\"\\u2028\"]",
            "- \"a\\tb\"\n- \"\\x01\"\n- \"\\\"\\\\\"\n- \"\\u2028\"\n");
}

static uint64_t roll(uint64_t *x, uint64_t sides)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x % sides;
}

static char *any_text(uint64_t *x)
{
    static const char *const parts[] = {"a",  "B",    "1",  ".",   ":",   ": ",   " ",    "#",        " #", "-",  "- ",
                                        "\n", "\n\n", "\t", "'",   "\"",  "\\",   "{",    "[",        "*a", "&",  "!",
                                        "|",  ">",    "%",  "@",   "`",   "é",    "😀",    "~",        "no", "0x", "?",
                                        ",",  "]",    "}",  "---", "...", "\x01", "\x7f", "\xc2\x85", "=",  "<<", "_"};
    struct str out = STR_INIT;

    for (uint64_t n = roll(x, 7); n; n--)
        str_add(&out, parts[roll(x, sizeof parts / sizeof *parts)]);
    return str_take(&out);
}

static cJSON *any_tree(uint64_t *x, unsigned depth)
{
    auto_free char *text = any_text(x);
    cJSON *v;

    switch (roll(x, depth > 4 ? 5 : 8)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateBool(roll(x, 2) == 0);
    case 2:
        return cJSON_CreateNumber((double)(int64_t)roll(x, 1000000) / 8 - 1000);
    case 3:
    case 4:
        return cJSON_CreateString(text);
    case 5:
        v = cJSON_CreateArray();
        for (uint64_t n = roll(x, 4); n; n--)
            cJSON_AddItemToArray(v, any_tree(x, depth + 1));
        return v;
    default:
        v = cJSON_CreateObject();
        for (uint64_t n = roll(x, 5); n; n--) {
            auto_free char *key = any_text(x);

            json_set(v, key, any_tree(x, depth + 1));
        }
        return v;
    }
}

static void what_is_written_is_read_back(void **state)
{
    uint64_t x = 20240607;

    (void)state;
    for (int i = 0; i < 4000; i++) {
        auto_json cJSON *v = cJSON_CreateObject();
        auto_str struct str out = STR_INIT;
        auto_yaml struct schema_yaml *y = NULL;

        json_set(v, "root", any_tree(&x, 0));
        schema_emit(v, &out);
        y = must_read(str_text(&out));
        if (y->n != 1 || !json_same(v, y->roots[0])) {
            auto_free char *want = json_print(v), *got = json_print(y->roots[0]);

            fail_msg("%s\n%s\n%s", want, str_text(&out), got);
        }
    }
}

static void long_keys_are_read_back(void **state)
{
    auto_json cJSON *v = cJSON_CreateObject();
    auto_str struct str key = STR_INIT, out = STR_INIT;
    auto_yaml struct schema_yaml *y = NULL;

    (void)state;
    for (int i = 0; i < 3000; i++)
        str_add(&key, i % 2 ? "k" : ":");
    json_set_str(json_set_obj(v, str_text(&key)), str_text(&key), "x");
    schema_emit(v, &out);
    y = must_read(str_text(&out));
    assert_true(json_same(v, y->roots[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_that_of_kubectl),
        cmocka_unit_test(only_words_that_would_change_are_quoted),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(long_keys_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
