/* SPDX-License-Identifier: Apache-2.0 */
/* cJSON → YAML text, as kubectl lays it out: block style, lists not indented below their key, members in the order of
 * the tree. The same tree gives the same text, and reading the text gives the same tree. Does not block. */
#ifndef SCHEMA_EMIT_H
#define SCHEMA_EMIT_H

#include "base/json.h"
#include "base/str.h"

/* Appends the value and a newline. */
void schema_emit(const cJSON *value, struct str *out);

/* Appends one scalar text the way schema_emit() writes it: bare where that is safe, else in quotes (never a block). */
void schema_emit_text(const char *text, struct str *out);

#endif
