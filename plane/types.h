/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of the built-in kinds, as one constant table. From it come: dropping and naming of unknown fields, type
 * checks, the normal form in which objects are stored (as a Kubernetes API server would print them), the list keys of
 * strategic merge patches, and the OpenAPI documents that kubectl reads.
 */
#ifndef PLANE_TYPES_H
#define PLANE_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/str.h"
#include "plane/kinds.h"

struct type_row {
    const char *name;   /* "Container"; unique */
    const char *pkg;    /* "api.core.v1": OpenAPI name is io.k8s.<pkg>.<name> */
    const char *fields; /* "name:type…" separated by blanks: see types.c */
};

/* What stands after a field's colon: s S b B i I q o t y * (see types.c), or a type name; inside [] a list, inside {} a
 * map. */
struct type_ref {
    enum { TYPE_ONE, TYPE_LIST, TYPE_MAP } form;
    char name[48];      /* of the item; one character for a scalar */
    char merge_key[24]; /* lists: key of strategic merge; "." merges scalars; "" = the list is replaced as one */
    bool required;
};

const struct type_row *type_find(const char *name); /* NULL when there is none */
/* Type name of a kind's objects; NULL for custom kinds. */
const char *type_of_kind(enum plane_kind kind);
bool type_field(const struct type_row *row, const char *field, struct type_ref *out);
/* Walks the fields of a row: start with *pos = row->fields; false at the end. */
bool type_next(const char **pos, char *name, size_t size, struct type_ref *out);

struct type_report {
    struct str unknown; /* paths, one a line */
    struct str wrong;   /* "path: what is wrong", the first one only */
};
/* Brings obj into normal form: unknown fields and nulls go, empty optional values go, quantities get their canonical
 * text. Wrong types are reported in r->wrong. */
void type_normalize(cJSON *obj, const char *type, struct type_report *r);
void type_report_free(struct type_report *r);

/* Canonical text of a Kubernetes quantity ("1024Mi" → "1Gi") into buf; false when it is none. */
bool quantity_canonical(const char *text, char *buf, size_t size);
/* Value in thousandths, saturating; false when it is no quantity. */
bool quantity_milli(const char *text, long double *out);

#endif
