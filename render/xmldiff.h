/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two configuration files as a server reads them: blanks, comments and the order of unlike elements
 * do not count. */
#ifndef RENDER_XMLDIFF_H
#define RENDER_XMLDIFF_H

#include <stdbool.h>

/* `path` is below the root element: "logger/level", the second of a name "node[2]/host". from or to is NULL when the element is
 * only in one of the files. A file that is not XML counts as one value with the path "". */
typedef void xmldiff_fn(void *ctx, const char *path, const char *from, const char *to);

/* Either text may be NULL (no file). `below`: start at this child of the root ("users"), or NULL. Calls fn once per
 * difference. */
void xmldiff(const char *from, const char *to, const char *below, xmldiff_fn *fn, void *ctx);

/* Do two values mean the same: equal text, number or yes/no word? */
bool xmldiff_same_value(const char *a, const char *b);

/* NULL when the text is well-formed XML, else what is wrong with it ("line 3: …"). Caller frees. */
char *xmldiff_complaint(const char *text);

/* Calls fn(path, value, NULL) for each value in the file. */
void xmldiff_walk(const char *text, xmldiff_fn *fn, void *ctx);

#endif
