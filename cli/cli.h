/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. One table of commands and options (commands.c) feeds the parser, --help and the tests. Each command
 * is one function in a file of its own, cmd_NAME.c; it prints and returns an exit code.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum cli_exit { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_REFUSED, EXIT_TIMEOUT, EXIT_UNREACHABLE };

struct cli;

struct cli_option {
    char letter;         /* 0 = none */
    const char *name;    /* without dashes */
    const char *value;   /* what it takes, for people ("FILE"); NULL = a switch */
    const char *allowed; /* "|a|b": the only values; NULL = any */
    const char *text;
};

struct cli_command {
    const char *name;
    const char *args;     /* for people: "[NAME]" */
    const char *summary;  /* one line */
    const char *help;     /* what it does and examples, whole paragraphs */
    const struct cli_option *options; /* ends with a NULL name; NULL = only the common ones */
    int min_args, max_args;           /* max -1 = any number */
    bool rest;                        /* everything after "--" (or after the first argument) is the command to run */
    int (*run)(struct cli *c);
};

extern const struct cli_command cli_commands[]; /* ends with a NULL name */
extern const struct cli_option cli_common[];

struct cli_value {
    const struct cli_option *option;
    const char *text; /* NULL for a switch */
};

/* What was asked for. Texts are borrowed from argv. */
struct cli {
    const struct cli_command *command;
    bool help, plugin;   /* plugin: called as kubectl-chfleet */
    const char *program; /* how the user calls us: "chfleet", "kubectl chfleet", or the path typed */
    const char **args;
    int n_args;
    struct cli_value *values;
    size_t n_values;
};

/* ERR_INPUT names the option and what to write. *out must be zeroed; cli_fini() after, also after an error. */
int cli_parse(int argc, char **argv, struct cli *out, struct err *err);
void cli_fini(struct cli *c);

const struct cli_command *cli_command(const char *name); /* NULL */
const char *cli_text(const struct cli *c, const char *option, const char *dflt); /* the last one given */
bool cli_flag(const struct cli *c, const char *option);
/* The i-th value of an option that may be given several times; NULL after the last. */
const char *cli_nth(const struct cli *c, const char *option, size_t i);
/* "90", "90s", "5m", "2h" → ms; ERR_INPUT otherwise. */
int cli_duration_ms(const char *text, uint64_t *ms, struct err *err);

void cli_help(const struct cli_command *command); /* NULL: the overview */
/* Prints "chfleet COMMAND: message" on stderr and gives the exit code of its kind. */
int cli_fail(const struct cli *c, const struct err *err);

int cmd_up(struct cli *c);
int cmd_down(struct cli *c);
int cmd_apply(struct cli *c);
int cmd_get(struct cli *c);
int cmd_delete(struct cli *c);
int cmd_status(struct cli *c);
int cmd_plan(struct cli *c);
int cmd_history(struct cli *c);
int cmd_hold(struct cli *c);
int cmd_release(struct cli *c);
int cmd_retry(struct cli *c);
int cmd_why(struct cli *c);
int cmd_logs(struct cli *c);
int cmd_exec(struct cli *c);
int cmd_explain(struct cli *c);
int cmd_kubeconfig(struct cli *c);
int cmd_dump(struct cli *c);
int cmd_version(struct cli *c);
int cmd_completion(struct cli *c);

#endif
