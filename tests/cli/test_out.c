/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/out.h"
#include "cli/tar.h"
#include "schema/yaml.h"

static cJSON *parse(const char *text)
{
    cJSON *j = json_parse(text, strlen(text), NULL);

    assert_non_null(j);
    return j;
}

static char *yaml_of(const char *json)
{
    auto_json cJSON *j = parse(json);
    struct str out = STR_INIT;

    out_yaml(j, &out);
    return str_take(&out);
}

static void yaml_looks_as_people_write_it(void **state)
{
    auto_free char *text = yaml_of("{\"a\":1,\"b\":{\"c\":[{\"d\":\"x\",\"e\":true},[1,2]]},\"f\":[],\"g\":{},\"h\":null}");

    (void)state;
    assert_string_equal(text, "a: 1\nb:\n  c:\n  - d: x\n    e: true\n  - - 1\n    - 2\nf: []\ng: {}\nh: null\n");
}

/* What a YAML reader makes of it must be what went in: the reader is the one of the schema, with kubectl's rules. */
static void yaml_reads_back_the_same(void **state)
{
    static const char *const hard[] = {
        "yes", "no", "true", "~", "null", "1", "1.20", "0x1f", "1e3", "-", "- x", "a: b", "a:", "#c", "a #c", " lead", "trail ", "",
        "'q'", "\"q\"", "{x}", "[x]", "&a", "*a", "!t", "|", ">", "%", "@", "`", "two\nlines", "two\nlines\n", "three\n\n", "\n", " \n x",
        "tab\there", "a\\b", "2024-01-01", "1:30", "ü → ä", "=", "<<", ".5", "+1", "?", "? x", "a,b", "y", "N", "on", "\x01", "x \ny",
        "trail\n  more\nend", "---", "...", "\u00a0", ".inf", ".nan", "0o17", "017",
    };
    auto_json cJSON *j = cJSON_CreateObject();
    auto_yaml struct schema_yaml *y = NULL;
    auto_str struct str text = STR_INIT;
    struct err err = ERR_INIT;
    cJSON *list = json_set_arr(j, "list"), *map = json_set_obj(j, "map");

    (void)state;
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        json_add_str(list, hard[i]);
        json_set_str(map, hard[i], hard[i]);
    }
    cJSON_AddItemToArray(list, parse("[[\"a\\nb\"],{\"k\":[{\"x\":\"l1\\nl2\\n\"}]}]"));
    json_set(j, "big", parse("18446744073709551615"));
    json_set(j, "fraction", parse("0.25"));
    out_yaml(j, &text);
    if (schema_yaml_parse("t", str_text(&text), text.len, &y, &err) < 0)
        fail_msg("%s\n%s", err.msg, str_text(&text));
    assert_int_equal(y->n, 1);
    if (!json_same(y->roots[0], j))
        print_error("%s\n", str_text(&text));
    assert_true(json_same(y->roots[0], j));
}

static void json_is_indented_and_the_same(void **state)
{
    auto_json cJSON *j = parse("{\"a\":[1,{\"b\":\"x\\\"y\"}],\"e\":[],\"o\":{}}"), *again = NULL;
    auto_str struct str text = STR_INIT;

    (void)state;
    out_json(j, &text);
    again = parse(str_text(&text));
    assert_true(json_same(j, again));
    assert_non_null(strstr(text.s, "\n  \"a\": [\n    1,"));
}

static void tables_fit_their_widest_cell(void **state)
{
    static const char *const heads[] = {"A", "LONG HEAD", "C", NULL};
    struct out_table t;
    auto_str struct str text = STR_INIT;

    (void)state;
    out_table_init(&t, heads);
    out_cell(&t, "ü→ü");
    out_cell(&t, "");
    out_cell(&t, "end");
    out_cell(&t, "x");
    out_cellf(&t, "%d", 12);
    out_cell(&t, NULL);
    out_table_print(&t, " ", &text);
    out_table_fini(&t);
    assert_string_equal(text.s, " A    LONG HEAD  C\n ü→ü  -          end\n x    12         -\n");
}

static void ages_are_short(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{0, "0s"}, {119999, "119s"}, {120000, "2m0s"}, {599000, "9m59s"}, {600000, "10m"}, {3 * 3600000ull, "3h"},
                 {48 * 3600000ull, "2d"}, {400 * 86400000ull, "400d"}};
    char buf[32];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        out_age(cases[i].ms, buf, sizeof buf);
        assert_string_equal(buf, cases[i].text);
    }
    assert_int_equal(out_time("2026-01-02T03:04:05Z"), 1767323045);
    assert_int_equal(out_time("yesterday"), -1);
    out_age_of("nothing", buf, sizeof buf);
    assert_string_equal(buf, "<unknown>");
}

static void no_colour_without_a_terminal(void **state)
{
    (void)state;
    if (out_is_terminal())
        skip();
    assert_string_equal(out_red(), "");
    assert_string_equal(out_bold(), "");
}

static void a_tar_is_what_tar_reads(void **state)
{
    char template[] = "/tmp/chfleet-tar.XXXXXX", line[512] = "", command[1024];
    int fd = mkstemp(template);
    FILE *f = fdopen(fd, "wb"), *p;
    char *big = mem_zero(1500), deep[180];

    (void)state;
    assert_non_null(f);
    snprintf(deep, sizeof deep, "root/%0*d/file.json", 120, 7);
    memset(big, 'x', 1499);
    tar_add(f, "root/a.txt", "hello\n", 6, 1767323045);
    tar_add(f, deep, big, 1499, 1767323045);
    tar_add(f, "root/empty", "", 0, 1767323045);
    tar_end(f);
    assert_int_equal(ftell(f) % 512, 0);
    fclose(f);
    mem_freep(&big);
    snprintf(command, sizeof command, "tar -tvf %s 2>&1 | awk '{print $3, $NF}' | tr '\\n' ' '; tar -xOf %s root/a.txt", template, template);
    p = popen(command, "r"); /* the real tar is the judge here */
    assert_non_null(p);
    assert_true(fread(line, 1, sizeof line - 1, p) > 0);
    assert_int_equal(pclose(p), 0);
    remove(template);
    assert_non_null(strstr(line, "6 root/a.txt 1499 root/000"));
    assert_non_null(strstr(line, "7/file.json 0 root/empty hello"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_looks_as_people_write_it),
        cmocka_unit_test(yaml_reads_back_the_same),
        cmocka_unit_test(json_is_indented_and_the_same),
        cmocka_unit_test(tables_fit_their_widest_cell),
        cmocka_unit_test(ages_are_short),
        cmocka_unit_test(no_colour_without_a_terminal),
        cmocka_unit_test(a_tar_is_what_tar_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
