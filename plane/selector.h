/* SPDX-License-Identifier: Apache-2.0 */
/* Label and field selectors in the text form of the query string. */
#ifndef PLANE_SELECTOR_H
#define PLANE_SELECTOR_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "plane/kinds.h"

struct selector; /* NULL matches everything */

/* "a=b,c!=d,e in (f,g),h notin (i),j,!k". NULL or "" gives NULL. ERR_INPUT says what cannot be read. */
int selector_labels(const char *text, struct selector **out, struct err *err);
/* "metadata.name=x,status.phase!=Running"; only the fields a Kubernetes API server knows for the kind. */
int selector_fields(enum plane_kind kind, const char *text, struct selector **out, struct err *err);
void selector_free(struct selector *s);
bool selector_match_labels(const struct selector *s, const cJSON *obj);
bool selector_match_fields(const struct selector *s, const cJSON *obj);

#endif
