/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/program.h"

static const struct program_text options[] = {
    {"data", "DIR", "Where it is. With 'quoted' and `other` text."}, {"fast", NULL, "A switch."}, {NULL, NULL, NULL}};
static const struct program p = {.name = "tool",
                                 .summary = "does something",
                                 .about = "First line.\nSecond one. And a third.\n\n  tool --fast\n  .dot\n\nThe end.",
                                 .options = options};

static int take(void *ctx, const char *name, const char *value, struct err *err)
{
    struct str *said = ctx;

    if (strcmp(name, "data") == 0 && !*value)
        return err_set(err, ERR_INPUT, 0, "--data is empty");
    str_addf(said, "%s=%s;", name, value ? value : "");
    return 0;
}

/* Options are taken, or the exit code of an error. */
static int parse(struct str *said, char *a, char *b, char *c)
{
    char *argv[] = {"tool", a, b, c, NULL};
    int n = 1, code = -1;

    while (argv[n])
        n++;
    return program_parse(&p, n, argv, take, said, &code) ? -1 : code;
}

static void options_are_taken_in_both_forms(void **state)
{
    auto_str struct str said = STR_INIT;

    (void)state;
    assert_int_equal(parse(&said, "--data=/x=y", "--fast", NULL), -1);
    assert_int_equal(parse(&said, "--data", "--fast", NULL), -1); /* a value may look like an option */
    assert_string_equal(str_text(&said), "data=/x=y;fast=;data=--fast;");
}

static void mistakes_end_with_2(void **state)
{
    auto_str struct str said = STR_INIT;

    (void)state;
    assert_int_equal(parse(&said, "--fast=yes", NULL, NULL), 2);
    assert_int_equal(parse(&said, "--data", NULL, NULL), 2);
    assert_int_equal(parse(&said, "--data=", NULL, NULL), 2);
    assert_int_equal(parse(&said, "--dat", "x", NULL), 2);
    assert_int_equal(parse(&said, "word", NULL, NULL), 2);
    assert_int_equal(said.len, 0);
}

static void help_and_version_end_with_0(void **state)
{
    auto_str struct str said = STR_INIT;

    (void)state;
    assert_int_equal(parse(&said, "--version", NULL, NULL), 0);
    assert_int_equal(parse(&said, "--help", NULL, NULL), 0);
}

static void a_page_keeps_examples_and_escapes_text(void **state)
{
    auto_str struct str out = STR_INIT;

    (void)state;
    program_man(&p, &out);
    assert_non_null(strstr(str_text(&out), "First line.\nSecond one.\nAnd a third.\n.PP\n.EX\n  tool \\-\\-fast\n  .dot\n.EE\n.PP\nThe end.\n"));
    assert_non_null(strstr(str_text(&out), "\\fB\\-\\-data\\fR \\fIDIR\\fR\nWhere it is.\nWith \\(aqquoted\\(aq and \\(gaother\\(ga text.\n"));
}

static void lines_that_begin_with_a_dot_are_text(void **state)
{
    auto_str struct str out = STR_INIT;

    (void)state;
    roff_text(&out, ".profile's…");
    assert_string_equal(str_text(&out), "\\&.profile\\(aqs...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken_in_both_forms),
        cmocka_unit_test(mistakes_end_with_2),
        cmocka_unit_test(help_and_version_end_with_0),
        cmocka_unit_test(a_page_keeps_examples_and_escapes_text),
        cmocka_unit_test(lines_that_begin_with_a_dot_are_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
