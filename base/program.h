/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the daemons. One table per program feeds the parser, --help and the manual page, so that none lags. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct program_text {
    const char *name; /* an option without dashes, a variable, a file, an exit code */
    const char *value; /* of an option: what it takes, for people; NULL = a switch */
    const char *text;
};

/* Lists end with a NULL name, and may be NULL. */
struct program {
    const char *name, *summary; /* "chfleetd", "operator of …" */
    const char *about;          /* paragraphs with an empty line between; lines that begin with blanks stay as they are */
    const struct program_text *options, *environment, *files, *exits;
    const char *see;            /* "chfleet(1), chfleet-plane(8)" */
};

/* Takes one option; value NULL for a switch. ERR_INPUT says what to write. */
typedef int program_take_fn(void *ctx, const char *name, const char *value, struct err *err);

/* Hands the options to `take`, in their order. False: the program ends with *code (--help, --version, or an error that has
 * been told on stderr). Values are borrowed from argv. */
bool program_parse(const struct program *p, int argc, char **argv, program_take_fn *take, void *ctx, int *code);
void program_help(const struct program *p, struct str *out);
void program_man(const struct program *p, struct str *out); /* man(7), section 8 */

/* Pieces of manual pages. Plain text in, escaped text out. */
void roff_text(struct str *out, const char *text);  /* within a line */
void roff_paragraphs(struct str *out, const char *text); /* as struct program.about */
void roff_head(struct str *out, const char *name, int section, const char *summary); /* .TH and NAME */

#endif
