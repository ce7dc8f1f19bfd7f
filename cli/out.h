/* SPDX-License-Identifier: Apache-2.0 */
/* Output for people: colours only on terminals, tables with columns that fit, and the same data as JSON or YAML. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"

/* Escape sequences, or "" when standard output is no terminal, NO_COLOR is set, TERM=dumb or colours were forbidden. */
void out_forbid_colour(void);
const char *out_bold(void);
const char *out_plain(void);
const char *out_red(void);
const char *out_green(void);
const char *out_yellow(void);
const char *out_dim(void);
bool out_is_terminal(void);
void out_screen(unsigned *columns, unsigned *rows); /* size of the terminal; 0, 0 when there is none */

unsigned out_lines(const char *text); /* how many newlines */
/* Each line of `text` on a line of its own, behind `indent`. */
void out_indented(struct str *out, const char *indent, const char *text);

/* "3s", "12m", "5h", "3d": as kubectl writes ages. */
void out_age(uint64_t ms, char *buf, size_t size);
/* Age of an RFC 3339 time; "<unknown>" when it is none. */
void out_age_of(const char *rfc3339, char *buf, size_t size);
/* Seconds since 1970 of an RFC 3339 time, -1 when it is none. */
int64_t out_time(const char *rfc3339);
void out_rfc3339(uint64_t wall_ms, char *buf, size_t size);

/* A table. Cells are copied; a colour (static text from above) goes around a cell without counting for its width. */
struct out_table {
    struct out_cell {
        char *text;
        const char *colour;
    } *cells;
    size_t n_cells, columns;
    size_t header; /* cells of the head line; 0 = none */
};
void out_table_init(struct out_table *t, const char *const *heads); /* NULL-terminated */
void out_cell(struct out_table *t, const char *text);
void out_cellf(struct out_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_cell_colour(struct out_table *t, const char *text, const char *colour);
void out_table_print(const struct out_table *t, const char *indent, struct str *out);
void out_table_fini(struct out_table *t);

/* -o json or yaml of a whole answer. form "json" or "yaml". */
void out_document(const cJSON *doc, const char *form);
void out_yaml(const cJSON *j, struct str *out);      /* block style, ends with a newline */
void out_json(const cJSON *j, struct str *out);      /* indented by 2, ends with a newline */
/* {"apiVersion":"chfleet.io/v1","kind":kind}: what our own documents start with. Caller owns. */
cJSON *out_document_new(const char *kind);

#endif
