/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which namespaces are this operator's. Entries of the configuration are what the peer takes them for: a name, or a regular
 * expression (POSIX extended, with \d) that is found anywhere in the name; exclude wins. Entries of the command line and of
 * WATCH_NAMESPACES that are plain names mean exactly these, so that rights in these are enough.
 */
#ifndef MODEL_SPACES_H
#define MODEL_SPACES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"

struct spaces;

/* `names` and `exclude` are the command line's (end with NULL; NULL: not given) and count instead of the configuration's
 * lists. ERR_INPUT for an expression that is none. */
int spaces_new(const cJSON *config, const char *const *names, const char *const *exclude, struct spaces **out,
               struct err *err);
void spaces_free(struct spaces *s); /* NULL is allowed */

bool spaces_has(const struct spaces *s, const char *ns);
/* The names, ends with NULL, when only plain names are included; else NULL. Borrowed. */
const char *const *spaces_names(const struct spaces *s);
/* Are the names those of the configuration, which are found anywhere in a name when one may look everywhere? */
bool spaces_loose(const struct spaces *s);
bool spaces_same(const struct spaces *a, const struct spaces *b);
/* "shop, stats-.* but not test": for people. Caller frees. */
char *spaces_print(const struct spaces *s);

#endif
