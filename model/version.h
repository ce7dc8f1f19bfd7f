/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of servers and the constraints that rules of the operator configuration put on them. */
#ifndef MODEL_VERSION_H
#define MODEL_VERSION_H

#include <stdbool.h>

#include "base/str.h"

/* What the peer counts an image tag "latest" as. */
#define VERSION_LATEST "99.99.99"

/* First "digits.digits…" of the tag of an image ("24.8.4" of "repo/server:24.8.4-alpine"); VERSION_LATEST for "latest" or no
 * tag; "" when the tag says nothing. Caller frees. */
char *version_of_image(const char *image);

/* <0, 0, >0 by numbers; missing parts count as 0. "" is lower than anything. */
int version_compare(const char *a, const char *b);

/* Is the version known and at least this one? */
bool version_at_least(const char *version, const char *least);

/* "*", ">= 23.3", "21.*", "21.8", ">1, <2", "~24.3", "a || b". An unknown version ("") fits only "*"; a constraint that
 * cannot be read fits nothing. */
bool version_fits(const char *version, const char *constraint);

#endif
