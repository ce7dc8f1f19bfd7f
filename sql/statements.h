/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of sql/statements/ by name. Placeholders: {x:str} a quoted text, {x:id} a quoted name, {x:int} digits,
 * {x:word} capital letters and blanks. */
#ifndef SQL_STATEMENTS_H
#define SQL_STATEMENTS_H

#include "base/err.h"
#include "base/str.h"
#include "sql/sql.h"

struct sql_arg {
    const char *name, *value;
};

/* Appends the newest variant of the statement that `v` understands (NULL: the oldest). `args` ends with a NULL name;
 * NULL = none. ERR_REFUSED when the server is older than every variant, ERR_BUG for an unknown statement or
 * placeholder, ERR_INPUT for a value that its placeholder does not take. `out` is untouched on failure. */
int sql_statement(struct str *out, const char *name, const struct sql_version *v, const struct sql_arg *args,
                  struct err *err);
bool sql_has(const char *name, const struct sql_version *v); /* is there a variant for this server? */

/* All variants, for the tests: NULL after the last. */
struct sql_variant {
    const char *name;
    unsigned major, minor;
    const char *text;
};
const struct sql_variant *sql_variant_at(size_t i);

#endif
