/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the command line by the table, and telling people about the table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "schema/words.h"

const struct cli_command *cli_command(const char *name)
{
    for (const struct cli_command *k = cli_commands; k->name; k++)
        if (str_eq(k->name, name))
            return k;
    return NULL;
}

/* ---- looking up ---- */

static bool option_is(const struct cli_option *o, const char *name, size_t len, char letter)
{
    return letter ? o->letter == letter : strlen(o->name) == len && strncmp(o->name, name, len) == 0;
}

/* By name, or by letter when it is not 0: the command's own first. */
static const struct cli_option *find_option(const struct cli *c, const char *name, size_t len, char letter)
{
    const struct cli_option *own = c->command ? c->command->options : NULL;

    for (const struct cli_option *o = own; o && o->name; o++)
        if (option_is(o, name, len, letter))
            return o;
    for (const struct cli_option *o = cli_common; o->name; o++)
        if (option_is(o, name, len, letter))
            return o;
    return NULL;
}

const char *cli_text(const struct cli *c, const char *option, const char *dflt)
{
    for (size_t i = c->n_values; i-- > 0;)
        if (str_eq(c->values[i].option->name, option) && c->values[i].text)
            return c->values[i].text;
    return dflt;
}

bool cli_flag(const struct cli *c, const char *option)
{
    for (size_t i = 0; i < c->n_values; i++)
        if (str_eq(c->values[i].option->name, option))
            return true;
    return false;
}

const char *cli_nth(const struct cli *c, const char *option, size_t i)
{
    for (size_t k = 0; k < c->n_values; k++)
        if (str_eq(c->values[k].option->name, option) && i-- == 0)
            return c->values[k].text;
    return NULL;
}

int cli_duration_ms(const char *text, uint64_t *ms, struct err *err)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (end != text && text[0] != '-' && n < 1000000 && str_eq(end, units[i].unit)) {
            *ms = n * units[i].ms;
            return 0;
        }
    return err_set(err, ERR_INPUT, 0, "'%s' is not a time: write 90s, 5m or 2h", text);
}

/* ---- parsing ---- */

static int put_value(struct cli *c, const struct cli_option *o, const char *text, struct err *err)
{
    if (text && o->allowed) {
        auto_free char *bars = mem_printf("|%s|", text);
        auto_free char *all = mem_printf("%s|", o->allowed);

        if (text[0] == '\0' || strchr(text, '|') || !strstr(all, bars)) {
            all[strlen(all) - 1] = '\0';
            for (char *p = all; (p = strchr(p, '|'));)
                *p = ' ';
            return err_set(err, ERR_INPUT, 0, "--%s cannot be '%s'; it can be:%s", o->name, text, all);
        }
    }
    c->values = mem_grow(c->values, c->n_values + 1, sizeof *c->values);
    c->values[c->n_values++] = (struct cli_value){o, text};
    return 0;
}

/* Keeps in *best the nearest so far of what `word` may be a slip for. */
static void nearer(const char *word, const char *name, const char **best)
{
    if (schema_word_near(word, name) &&
        (!*best || schema_word_distance(word, name) < schema_word_distance(word, *best)))
        *best = name;
}

static int unknown_command(const char *word, struct err *err)
{
    const char *best = NULL;

    for (const struct cli_command *k = cli_commands; k->name; k++)
        nearer(word, k->name, &best);
    if (best)
        return err_set(err, ERR_INPUT, 0, "unknown command '%s'; did you mean %s? See chfleet --help", word, best);
    return err_set(err, ERR_INPUT, 0, "unknown command '%s'; see chfleet --help", word);
}

static const char *near_option(const struct cli *c, const char *word)
{
    const char *best = NULL;
    auto_free char *name = mem_strn(word + 2, strcspn(word + 2, "="));

    for (const struct cli_option *o = c->command->options; o && o->name; o++)
        nearer(name, o->name, &best);
    for (const struct cli_option *o = cli_common; o->name; o++)
        nearer(name, o->name, &best);
    return best;
}

static int unknown_option(const struct cli *c, const char *word, struct err *err)
{
    const char *best = c->command && str_starts(word, "--") ? near_option(c, word) : NULL;

    if (best)
        return err_set(err, ERR_INPUT, 0, "unknown option %s; did you mean --%s? See chfleet %s --help", word, best,
                       c->command->name);
    if (c->command)
        return err_set(err, ERR_INPUT, 0, "unknown option %s; see chfleet %s --help", word, c->command->name);
    return err_set(err, ERR_INPUT, 0, "unknown option %s; see chfleet --help", word);
}

/* --name, --name=value, --name value. Returns how many words more were used, -1 on error. */
static int parse_long(struct cli *c, const char *word, const char *next, struct err *err)
{
    const char *name = word + 2, *eq = strchr(name, '=');
    size_t len = eq ? (size_t)(eq - name) : strlen(name);
    const struct cli_option *o = find_option(c, name, len, 0);

    if (!o)
        return unknown_option(c, word, err);
    if (!o->value) {
        if (eq)
            return err_set(err, ERR_INPUT, 0, "--%s takes no value", o->name);
        return put_value(c, o, NULL, err);
    }
    if (eq)
        return put_value(c, o, eq + 1, err);
    if (!next)
        return err_set(err, ERR_INPUT, 0, "--%s needs a value: --%s %s", o->name, o->name, o->value);
    return put_value(c, o, next, err) < 0 ? -1 : 1;
}

/* -abc, -nVALUE, -n VALUE. As parse_long(). */
static int parse_short(struct cli *c, const char *word, const char *next, struct err *err)
{
    for (const char *p = word + 1; *p; p++) {
        const struct cli_option *o = find_option(c, NULL, 0, *p);

        if (!o)
            return unknown_option(c, word, err);
        if (!o->value) {
            if (put_value(c, o, NULL, err) < 0)
                return -1;
            continue;
        }
        if (p[1])
            return put_value(c, o, p[1] == '=' ? p + 2 : p + 1, err);
        if (!next)
            return err_set(err, ERR_INPUT, 0, "-%c needs a value: -%c %s", *p, *p, o->value);
        return put_value(c, o, next, err) < 0 ? -1 : 1;
    }
    return 0;
}

static int take_word(struct cli *c, const char *word, struct err *err)
{
    if (!c->command) {
        c->command = cli_command(word);
        if (!c->command && !str_eq(word, "help"))
            return unknown_command(word, err);
        if (!c->command)
            c->help = true;
        return 0;
    }
    c->args[c->n_args++] = word;
    return 0;
}

static int check_args(struct cli *c, struct err *err)
{
    const struct cli_command *k = c->command;

    if (c->n_args < k->min_args)
        return err_set(err, ERR_INPUT, 0, "something is missing: chfleet %s %s", k->name, k->args);
    if (k->max_args >= 0 && c->n_args > k->max_args)
        return err_set(err, ERR_INPUT, 0, "'%s' is one too many: chfleet %s %s", c->args[k->max_args], k->name, k->args);
    return 0;
}

int cli_parse(int argc, char **argv, struct cli *out, struct err *err)
{
    const char *slash = strrchr(argv[0], '/');
    bool words = false; /* after "--", or after the first argument of a command that runs another one */

    out->plugin = str_starts(slash ? slash + 1 : argv[0], "kubectl");
    out->program = out->plugin ? "kubectl chfleet" : slash ? argv[0] : "chfleet";
    out->args = mem_array((size_t)argc + 1, sizeof *out->args);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        int used = 0;

        if (!words && str_eq(word, "--"))
            words = true;
        else if (!words && str_starts(word, "--"))
            used = parse_long(out, word, next, err);
        else if (!words && word[0] == '-' && word[1])
            used = parse_short(out, word, next, err);
        else
            used = take_word(out, word, err);
        if (used < 0)
            return -1;
        i += used;
        if (out->command && out->command->rest && out->n_args > 1)
            words = true;
    }
    out->help = out->help || cli_flag(out, "help");
    if (out->help || !out->command)
        return 0;
    return check_args(out, err);
}

void cli_fini(struct cli *c)
{
    free(c->args);
    free(c->values);
    memset(c, 0, sizeof *c);
}

/* ---- telling ---- */

static void print_option(const struct cli_option *o)
{
    auto_str struct str left = STR_INIT;

    str_addf(&left, o->letter ? "-%c, " : "    ", o->letter);
    str_addf(&left, "--%s", o->name);
    if (o->value)
        str_addf(&left, " %s", o->value);
    if (left.len > 26)
        printf("  %s\n  %-26s  %s\n", left.s, "", o->text);
    else
        printf("  %-26s  %s\n", left.s, o->text);
}

static void print_overview(void)
{
    printf("chfleet runs ClickHouse clusters: here on this machine, or on Kubernetes.\n\n");
    printf("%sUsage%s: chfleet COMMAND [OPTION…]    (as a plugin: kubectl chfleet COMMAND …)\n\n", out_bold(), out_plain());
    for (const struct cli_command *k = cli_commands; k->name; k++)
        printf("  %-11s %s\n", k->name, k->summary);
    printf("\n%sStart here%s\n", out_bold(), out_plain());
    printf("  chfleet up                                    start chfleet on this machine\n"
           "  chfleet apply -f examples/quickstart.yaml --wait\n"
           "  chfleet status --watch                        what each host is doing, and why it waits\n"
           "  chfleet plan -f changed.yaml                  what an edit would do, before doing it\n\n");
    printf("chfleet COMMAND --help says more, with examples. chfleet explain lists the fields of the resources.\n\n");
    printf("%sExit codes%s: 0 done, 1 failed, 2 bad usage or input, 3 refused, 4 timed out, 5 fleet not reachable\n", out_bold(),
           out_plain());
}

void cli_help(const struct cli_command *command)
{
    if (!command) {
        print_overview();
        return;
    }
    printf("%s\n\n%sUsage%s: chfleet %s%s%s [OPTION…]\n\n%s\n", command->summary, out_bold(), out_plain(), command->name,
           *command->args ? " " : "", command->args, command->help);
    if (command->options) {
        printf("\n%sOptions%s\n", out_bold(), out_plain());
        for (const struct cli_option *o = command->options; o->name; o++)
            print_option(o);
    }
    printf("\n%sCommon options%s\n", out_bold(), out_plain());
    for (const struct cli_option *o = cli_common; o->name; o++)
        print_option(o);
}

int cli_fail(const struct cli *c, const struct err *err)
{
    fflush(stdout);
    if (c->command)
        fprintf(stderr, "chfleet %s: %s\n", c->command->name, err->msg);
    else
        fprintf(stderr, "chfleet: %s\n", err->msg);
    return err_exit_code(err);
}
