/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LEFT = 26, WIDTH = 100 };

static const struct program_text common[] = {
    {"help", NULL, "Prints this text."}, {"version", NULL, "Prints the version."}, {NULL, NULL, NULL}};

/* ---- parsing ---- */

static const struct program_text *find(const struct program_text *list, const char *name, size_t len)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == len && memcmp(list->name, name, len) == 0)
            return list;
    return NULL;
}

static int take_one(const struct program *p, char **argv, int *i, program_take_fn *take, void *ctx, struct err *err)
{
    const char *word = argv[*i], *eq = strchr(word, '='), *value = NULL;
    size_t len = eq ? (size_t)(eq - word) : strlen(word);
    const struct program_text *o = str_starts(word, "--") ? find(p->options, word + 2, len - 2) : NULL;

    if (!o)
        return err_set(err, ERR_INPUT, 0, "\"%s\" is not an option; see %s --help", word, p->name);
    if (!o->value && eq)
        return err_set(err, ERR_INPUT, 0, "--%s takes no value", o->name);
    if (o->value) {
        value = eq ? eq + 1 : argv[*i + 1] ? argv[++*i] : NULL;
        if (!value)
            return err_set(err, ERR_INPUT, 0, "--%s needs a value: --%s %s", o->name, o->name, o->value);
    }
    return take(ctx, o->name, value, err);
}

bool program_parse(const struct program *p, int argc, char **argv, program_take_fn *take, void *ctx, int *code)
{
    auto_str struct str text = STR_INIT;
    struct err err = ERR_INIT;

    for (int i = 1; i < argc; i++) {
        *code = 0;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            program_help(p, &text);
            fputs(str_text(&text), stdout);
            return false;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", p->name, PACKAGE_VERSION_TEXT);
            return false;
        }
        if (take_one(p, argv, &i, take, ctx, &err) < 0) {
            fprintf(stderr, "%s: %s\n", p->name, err.msg);
            *code = 2;
            return false;
        }
    }
    return true;
}

/* ---- --help ---- */

/* The text in lines of WIDTH, each after `left` blanks but the first. */
static void wrapped(struct str *out, const char *text, size_t left)
{
    size_t column = left;

    while (*text) {
        size_t n = strcspn(text, " ");

        if (column > left && column + n + 1 > WIDTH) {
            str_addf(out, "\n%*s", (int)left, "");
            column = left;
        } else if (column > left) {
            str_addc(out, ' ');
            column++;
        }
        str_addn(out, text, n);
        column += n;
        text += n + (text[n] == ' ');
    }
    str_addc(out, '\n');
}

static void help_list(struct str *out, const struct program_text *list, const char *dashes)
{
    for (; list && list->name; list++) {
        auto_str struct str left = STR_INIT;

        str_addf(&left, "  %s%s%s%s", dashes, list->name, list->value ? " " : "", list->value ? list->value : "");
        if (left.len >= LEFT)
            str_addf(out, "%s\n%*s", left.s, LEFT, "");
        else
            str_addf(out, "%-*s", LEFT, left.s);
        wrapped(out, list->text, LEFT);
    }
}

static void help_part(struct str *out, const char *title, const struct program_text *list, const char *dashes)
{
    if (!list)
        return;
    str_addf(out, "\n%s\n", title);
    help_list(out, list, dashes);
}

void program_help(const struct program *p, struct str *out)
{
    str_addf(out, "%s: %s\n\nUsage: %s [OPTION…]\n\n", p->name, p->summary, p->name);
    help_list(out, p->options, "--");
    help_list(out, common, "--");
    help_part(out, "Environment", p->environment, "");
    str_addf(out, "\n%s\n", p->about);
}

/* ---- manual pages ---- */

void roff_text(struct str *out, const char *text)
{
    bool first = true;

    for (; *text; text++, first = false) {
        if (first && (*text == '.' || *text == '\''))
            str_add(out, "\\&");
        switch (*text) {
        case '\\':
            str_add(out, "\\e");
            break;
        case '-':
            str_add(out, "\\-");
            break;
        case '\'':
            str_add(out, "\\(aq");
            break;
        case '`':
            str_add(out, "\\(ga");
            break;
        case '~':
            str_add(out, "\\(ti");
            break;
        case '^':
            str_add(out, "\\(ha");
            break;
        default:
            if (str_starts(text, "…")) {
                str_add(out, "...");
                text += strlen("…") - 1;
            } else {
                str_addc(out, *text);
            }
        }
    }
}

/* One line; blanks at the front are gone where the text flows. Each sentence on a line of its own, as formatters like it. */
static void flowing_line(struct str *out, const char *line)
{
    auto_str struct str part = STR_INIT;

    for (; *line; line++) {
        str_addc(&part, *line);
        if (strchr(".:?", *line) && line[1] == ' ' && isupper((unsigned char)line[2])) {
            roff_text(out, str_text(&part));
            str_addc(out, '\n');
            str_reset(&part);
            line++;
        }
    }
    if (!part.len)
        return;
    roff_text(out, str_text(&part));
    str_addc(out, '\n');
}

void roff_paragraphs(struct str *out, const char *text)
{
    auto_free char *copy = mem_str(text);
    bool literal = false, gap = false;

    for (char *line = copy, *end; line; line = end) {
        bool blanks = line[0] == ' ' && line[strspn(line, " \n")];

        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        if (!line[strspn(line, " ")]) {
            gap = true;
            continue;
        }
        if (literal && (!blanks || gap))
            str_add(out, ".EE\n");
        if (gap)
            str_add(out, ".PP\n");
        if (blanks && (!literal || gap))
            str_add(out, ".EX\n");
        literal = blanks;
        gap = false;
        if (blanks) {
            roff_text(out, line);
            str_addc(out, '\n');
        } else {
            flowing_line(out, line);
        }
    }
    if (literal)
        str_add(out, ".EE\n");
}

void roff_head(struct str *out, const char *name, int section, const char *summary)
{
    str_add(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made from the program's own tables; do not edit.\n.TH ");
    for (const char *c = name; *c; c++)
        str_addc(out, (char)toupper((unsigned char)*c));
    str_addf(out, " %d 2026-11-24 \"chfleet %s\" \"chfleet\"\n.SH NAME\n%s \\- ", section, PACKAGE_VERSION_TEXT, name);
    roff_text(out, summary);
    str_addc(out, '\n');
}

static void man_list(struct str *out, const struct program_text *list, const char *dashes)
{
    for (; list && list->name; list++) {
        str_add(out, ".TP\n\\fB");
        roff_text(out, dashes);
        roff_text(out, list->name);
        str_add(out, "\\fR");
        if (list->value) {
            str_add(out, " \\fI");
            roff_text(out, list->value);
            str_add(out, "\\fR");
        }
        str_addc(out, '\n');
        flowing_line(out, list->text);
    }
}

static void man_part(struct str *out, const char *title, const struct program_text *list)
{
    if (!list)
        return;
    str_addf(out, ".SH \"%s\"\n", title);
    man_list(out, list, "");
}

void program_man(const struct program *p, struct str *out)
{
    roff_head(out, p->name, 8, p->summary);
    str_addf(out, ".SH SYNOPSIS\n.B %s\n.RI [ OPTION ...]\n.SH DESCRIPTION\n", p->name);
    roff_paragraphs(out, p->about);
    str_add(out, ".SH OPTIONS\n");
    man_list(out, p->options, "--");
    man_list(out, common, "--");
    man_part(out, "ENVIRONMENT", p->environment);
    man_part(out, "FILES", p->files);
    man_part(out, "EXIT STATUS", p->exits);
    if (p->see)
        str_addf(out, ".SH \"SEE ALSO\"\n%s\n", p->see);
}
