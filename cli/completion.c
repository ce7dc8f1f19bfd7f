/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts without a look at the cluster but for names: chfleet get KIND -o … is asked when one presses the key. */
#include "cli/completion.h"

#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

/* What an option's value is, by how the table calls it. */
static bool takes_file(const struct cli_option *o)
{
    return strcmp(o->value, "FILE") == 0;
}

static bool takes_folder(const struct cli_option *o)
{
    return strcmp(o->value, "DIR") == 0;
}

/* "|a|b" as "a b". */
static char *words(const char *allowed)
{
    char *text = mem_str(allowed + 1);

    for (char *p = text; (p = strchr(p, '|'));)
        *p = ' ';
    return text;
}

/* ---- bash ---- */

static void bash_options(struct str *out, const struct cli_option *list)
{
    for (const struct cli_option *o = list; o && o->name; o++) {
        str_addf(out, " --%s", o->name);
        if (o->letter)
            str_addf(out, " -%c", o->letter);
    }
}

static void bash_values(struct str *out, const struct cli_option *list)
{
    for (const struct cli_option *o = list; o && o->name; o++) {
        if (!o->value)
            continue;
        str_addf(out, "    ");
        if (o->letter)
            str_addf(out, "-%c | ", o->letter);
        str_addf(out, "--%s) ", o->name);
        if (o->allowed) {
            auto_free char *text = words(o->allowed);

            str_addf(out, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", text);
        } else if (takes_file(o)) {
            str_add(out, "compopt -o default; COMPREPLY=()");
        } else if (takes_folder(o)) {
            str_add(out, "COMPREPLY=($(compgen -d -- \"$cur\"))");
        } else {
            str_add(out, "COMPREPLY=()");
        }
        str_add(out, "; return ;;\n");
    }
}

static void bash_command(struct str *out, const struct cli_command *k)
{
    str_addf(out, "    %s)\n        case \"$prev\" in\n", k->name);
    bash_values(out, k->options);
    bash_values(out, cli_common);
    str_add(out, "        esac\n        options='");
    bash_options(out, k->options);
    bash_options(out, cli_common);
    str_add(out, "'\n        ;;\n");
}

void completion_bash(struct str *out)
{
    str_add(out, "# SPDX-License-Identifier: Apache-2.0\n"
                 "# bash completion for chfleet, made from its table of commands: chfleet completion bash\n"
                 "_chfleet() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= options= i\n"
                 "    COMPREPLY=()\n"
                 "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "        case \"${COMP_WORDS[i]}\" in\n"
                 "        -*) ;;\n"
                 "        *) command=${COMP_WORDS[i]}; break ;;\n"
                 "        esac\n"
                 "    done\n"
                 "    case \"$command\" in\n"
                 "    '')\n"
                 "        COMPREPLY=($(compgen -W '");
    for (const struct cli_command *k = cli_commands; k->name; k++)
        str_addf(out, "%s ", k->name);
    str_add(out, "help --help' -- \"$cur\"))\n        return\n        ;;\n");
    for (const struct cli_command *k = cli_commands; k->name; k++)
        bash_command(out, k);
    str_add(out, "    esac\n"
                 "    if [[ $cur == -* ]]; then\n"
                 "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
                 "        return\n"
                 "    fi\n"
                 "    case \"$command\" in\n"
                 "    status | plan | history | why | hold | release | retry)\n"
                 "        COMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" get chi,chk -o json 2>/dev/null | "
                 "sed -n 's/^ *\"name\": \"\\([a-z0-9.-]*\\)\",*$/\\1/p' | sort -u)\" -- \"$cur\")) ;;\n"
                 "    get | delete) COMPREPLY=($(compgen -W 'chi chk chit chopconf pods services sts pvc cm events' -- \"$cur\")) ;;\n"
                 "    completion) COMPREPLY=($(compgen -W 'bash zsh' -- \"$cur\")) ;;\n"
                 "    esac\n"
                 "}\n"
                 "complete -F _chfleet chfleet kubectl-chfleet\n");
}

/* ---- zsh ---- */

/* Within '…' of an _arguments line, where [ ] : have a meaning. */
static void zsh_text(struct str *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            str_add(out, "'\\''");
        else if (strchr("[]:\\", *text))
            str_addf(out, "\\%c", *text);
        else
            str_addc(out, *text);
    }
}

static void zsh_one(struct str *out, const struct cli_option *o, const char *dashes, const char *name)
{
    str_addf(out, "            '*%s%s[", dashes, name);
    zsh_text(out, o->text);
    str_add(out, "]");
    if (o->value) {
        str_add(out, ":");
        zsh_text(out, o->value);
        str_add(out, ":");
        if (o->allowed) {
            auto_free char *text = words(o->allowed);

            str_addf(out, "(%s)", text);
        } else if (takes_file(o)) {
            str_add(out, "_files");
        } else if (takes_folder(o)) {
            str_add(out, "_files -/");
        }
    }
    str_add(out, "' \\\n");
}

static void zsh_options(struct str *out, const struct cli_option *list)
{
    for (const struct cli_option *o = list; o && o->name; o++) {
        char letter[2] = {o->letter, '\0'};

        zsh_one(out, o, "--", o->name);
        if (o->letter)
            zsh_one(out, o, "-", letter);
    }
}

void completion_zsh(struct str *out)
{
    str_add(out, "#compdef chfleet kubectl-chfleet\n"
                 "# SPDX-License-Identifier: Apache-2.0\n"
                 "# zsh completion for chfleet, made from its table of commands: chfleet completion zsh\n"
                 "_chfleet() {\n"
                 "    local -a commands\n"
                 "    commands=(\n");
    for (const struct cli_command *k = cli_commands; k->name; k++) {
        str_addf(out, "        '%s:", k->name);
        zsh_text(out, k->summary);
        str_add(out, "'\n");
    }
    str_add(out, "    )\n"
                 "    if ((CURRENT == 2)); then\n"
                 "        _describe command commands\n"
                 "        return\n"
                 "    fi\n"
                 "    case \"$words[2]\" in\n");
    for (const struct cli_command *k = cli_commands; k->name; k++) {
        str_addf(out, "    %s)\n        _arguments \\\n", k->name);
        zsh_options(out, k->options);
        zsh_options(out, cli_common);
        str_add(out, strcmp(k->name, "completion") == 0 ? "            '2:shell:(bash zsh)'\n" : "            '*:argument:_files'\n");
        str_add(out, "        ;;\n");
    }
    str_add(out, "    esac\n"
                 "}\n"
                 "_chfleet \"$@\"\n");
}

/* ---- manual page ---- */

static void man_options(struct str *out, const struct cli_option *list)
{
    for (const struct cli_option *o = list; o && o->name; o++) {
        str_add(out, ".TP\n");
        if (o->letter)
            str_addf(out, "\\fB\\-%c\\fR, ", o->letter);
        str_add(out, "\\fB\\-\\-");
        roff_text(out, o->name);
        str_add(out, "\\fR");
        if (o->value) {
            str_add(out, " \\fI");
            roff_text(out, o->value);
            str_add(out, "\\fR");
        }
        str_addc(out, '\n');
        roff_text(out, o->text);
        str_add(out, ".\n");
    }
}

static void man_command(struct str *out, const struct cli_command *k)
{
    str_addf(out, ".SS \"%s%s", k->name, *k->args ? " " : "");
    roff_text(out, k->args);
    str_add(out, "\"\n");
    roff_text(out, k->summary);
    str_add(out, ".\n.PP\n");
    roff_paragraphs(out, k->help);
    if (k->options && k->options->name)
        man_options(out, k->options);
}

void cli_man(struct str *out)
{
    static const char *const exits[] = {"done", "failed", "wrong usage or input", "refused, with the reason", "timed out while waiting",
                                        "the fleet cannot be reached"};

    roff_head(out, "chfleet", 1, "runs ClickHouse clusters on this machine or on Kubernetes");
    str_add(out, ".SH SYNOPSIS\n.B chfleet\n.I COMMAND\n.RI [ OPTION ...]\n.br\n.B kubectl chfleet\n.I COMMAND\n.RI [ OPTION ...]\n"
                 ".SH DESCRIPTION\nStarts, shows, plans and changes ClickHouse and Keeper clusters that chfleetd(8) manages.\n"
                 ".SH COMMANDS\n");
    for (const struct cli_command *k = cli_commands; k->name; k++)
        man_command(out, k);
    str_add(out, ".SH \"COMMON OPTIONS\"\n");
    man_options(out, cli_common);
    str_add(out, ".SH \"EXIT STATUS\"\n");
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
        str_addf(out, ".TP\n\\fB%zu\\fR\n%s\n", i, exits[i]);
    str_add(out, ".SH ENVIRONMENT\n.TP\n\\fBKUBECONFIG\\fR\nHow to reach the API server.\n.TP\n\\fBNO_COLOR\\fR\nNo colours.\n"
                 ".SH \"SEE ALSO\"\nchfleetd(8), chfleet\\-plane(8), chfleet\\-exporter(8)\n");
}
