/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

enum { WORDS = 16 };

/* Parses "chfleet " + line (words between spaces). */
static int parse(const char *line, struct cli *c, struct err *err)
{
    static char copy[512]; /* the parsed texts point into it */
    char *argv[WORDS + 1] = {"chfleet"}, *save = NULL;
    int argc = 1;

    memset(c, 0, sizeof *c);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w && argc < WORDS; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    return cli_parse(argc, argv, c, err);
}

static void bad(const char *line, const char *words)
{
    struct cli c;
    struct err err = ERR_INIT;

    assert_int_equal(parse(line, &c, &err), -1);
    if (!strstr(err.msg, words))
        fail_msg("'%s' gave: %s", line, err.msg);
    assert_int_equal(err_exit_code(&err), EXIT_USAGE);
    cli_fini(&c);
}

static void options_come_in_all_forms(void **state)
{
    static const char *const lines[] = {"status -n x -o json demo", "status demo --namespace x --output json",
                                        "status --namespace=x demo --output=json", "-n x status -ojson demo", "status -nx -o=json demo"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cli c;
        struct err err = ERR_INIT;

        assert_int_equal(parse(lines[i], &c, &err), 0);
        assert_string_equal(c.command->name, "status");
        assert_string_equal(cli_text(&c, "namespace", ""), "x");
        assert_string_equal(cli_text(&c, "output", ""), "json");
        assert_int_equal(c.n_args, 1);
        assert_string_equal(c.args[0], "demo");
        cli_fini(&c);
    }
}

static void mistakes_are_named(void **state)
{
    (void)state;
    bad("frobnicate", "unknown command 'frobnicate'");
    bad("staus", "unknown command 'staus'; did you mean status? See chfleet --help");
    bad("status --wathc", "unknown option --wathc; did you mean --watch? See chfleet status --help");
    bad("status --outptu=json", "did you mean --output?");
    bad("status --frobnicate", "unknown option --frobnicate; see chfleet status --help");
    bad("--wat", "unknown option --wat");
    bad("status -x", "unknown option -x");
    bad("status -o", "-o needs a value");
    bad("apply --filename", "--filename needs a value");
    bad("apply --wait=yes", "--wait takes no value");
    bad("get chi -o xml", "--output cannot be 'xml'; it can be: table wide json yaml");
    bad("get chi -o ", "-o needs a value");
    bad("get chi --output=", "--output cannot be ''");
    bad("get chi --output=table|wide", "cannot be");
    bad("get", "something is missing: chfleet get KIND");
    bad("explain a b", "'b' is one too many");
    bad("up now", "'now' is one too many");
    bad("exec host", "something is missing");
}

static void the_command_of_exec_is_left_alone(void **state)
{
    static const char *const lines[] = {"exec -it main/0/0 -- sh -c -x --help", "exec main/0/0 -it sh -c -x --help"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cli c;
        struct err err = ERR_INIT;

        assert_int_equal(parse(lines[i], &c, &err), 0);
        assert_false(c.help);
        assert_true(cli_flag(&c, "stdin") && cli_flag(&c, "tty"));
        assert_int_equal(c.n_args, 5);
        assert_string_equal(c.args[1], "sh");
        assert_string_equal(c.args[4], "--help");
        cli_fini(&c);
    }
}

static void files_may_be_several(void **state)
{
    struct cli c;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(parse("apply -f a -f - --filename=c", &c, &err), 0);
    assert_string_equal(cli_nth(&c, "filename", 0), "a");
    assert_string_equal(cli_nth(&c, "filename", 1), "-");
    assert_string_equal(cli_nth(&c, "filename", 2), "c");
    assert_null(cli_nth(&c, "filename", 3));
    cli_fini(&c);
}

static void help_needs_nothing_else(void **state)
{
    static const char *const lines[] = {"get --help", "exec -h", "help", "help get", "--help"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cli c;
        struct err err = ERR_INIT;

        assert_int_equal(parse(lines[i], &c, &err), 0);
        assert_true(c.help);
        cli_fini(&c);
    }
}

static void times_have_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"90", 90000}, {"90s", 90000}, {"5m", 300000}, {"2h", 7200000}, {"250ms", 250}, {"0", 0}};
    static const char *const wrong[] = {"", "s", "-1", "1d", "1.5s", "1 s", "soon", "99999999h"};
    struct err err = ERR_INIT;
    uint64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(cli_duration_ms(good[i].text, &ms, &err), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(cli_duration_ms(wrong[i], &ms, &err), -1);
}

static void check_options(const char *command, const struct cli_option *list)
{
    for (const struct cli_option *o = list; o && o->name; o++) {
        if (!o->text || !*o->text || strlen(o->text) > 120)
            fail_msg("%s --%s: text missing or too long", command, o->name);
        if (o->allowed && !o->value)
            fail_msg("%s --%s: values of a switch", command, o->name);
        for (const struct cli_option *p = list; p != o; p++)
            if (str_eq(p->name, o->name) || (p->letter && p->letter == o->letter))
                fail_msg("%s: --%s or -%c stands twice", command, o->name, o->letter);
        for (const struct cli_option *p = cli_common; list != cli_common && p->name; p++)
            if (str_eq(p->name, o->name) || (p->letter && p->letter == o->letter))
                fail_msg("%s: --%s hides a common option", command, o->name);
    }
}

static void the_table_is_whole(void **state)
{
    (void)state;
    check_options("all", cli_common);
    for (const struct cli_command *k = cli_commands; k->name; k++) {
        auto_free char *self = mem_printf("chfleet %s", k->name);

        assert_non_null(k->run);
        assert_true(strlen(k->summary) > 10 && strlen(k->summary) < 60);
        if (!strstr(k->help, self) && !str_eq(k->name, "kubeconfig"))
            fail_msg("the help of %s has no example of it", k->name);
        for (const struct cli_command *p = cli_commands; p != k; p++)
            assert_string_not_equal(p->name, k->name);
        check_options(k->name, k->options);
    }
}

/* Each example of the help must itself be right: it goes through the parser. */
static void examples_of_the_help_parse(void **state)
{
    (void)state;
    for (const struct cli_command *k = cli_commands; k->name; k++) {
        for (const char *p = k->help; (p = strstr(p, "\n  chfleet ")); p++) {
            auto_free char *line = mem_strn(p + 11, strcspn(p + 11, "\n|>"));
            char *gap = strstr(line, "   ");
            struct cli c;
            struct err err = ERR_INIT;

            if (gap)
                *gap = '\0'; /* what follows explains */
            if (parse(line, &c, &err) < 0)
                fail_msg("%s: example '%s': %s", k->name, line, err.msg);
            cli_fini(&c);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_come_in_all_forms), cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_command_of_exec_is_left_alone), cmocka_unit_test(files_may_be_several),
        cmocka_unit_test(help_needs_nothing_else), cmocka_unit_test(times_have_units),
        cmocka_unit_test(the_table_is_whole), cmocka_unit_test(examples_of_the_help_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
