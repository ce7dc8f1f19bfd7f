/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of all fields of the four resources. CRDs, validation, `chfleet explain`, the reference pages and the
 * examples with every parameter are made from it; nothing else knows a field.
 *
 * A shape says what a value may be; a field is a shape with a name, a meaning and a default. Shapes used in several
 * places (StringBool, Reconcile, Host, TemplateNames …) exist once and are referred to. All of it is constant data.
 */
#ifndef SCHEMA_FIELDS_H
#define SCHEMA_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum shape_kind {
    SHAPE_TEXT,
    SHAPE_INTEGER,
    SHAPE_BOOLEAN,
    SHAPE_OBJECT,      /* `fields` */
    SHAPE_LIST,        /* `items` */
    SHAPE_INT_OR_TEXT, /* only inside free-form parts */
    SHAPE_FREE,        /* an object whose keys the CRD does not name; `free` says what it really is */
};

enum free_kind {
    FREE_NONE,
    FREE_META, /* ObjectMeta: labels, annotations */
    FREE_POD_SPEC,
    FREE_PVC_SPEC,
    FREE_SERVICE_SPEC,
    FREE_SETTINGS,   /* section/key → value */
    FREE_FILES,      /* file name → content */
    FREE_LABELS,     /* text → text */
    FREE_RULES,      /* one-key maps: glob → yes/no */
    FREE_NAMESPACES, /* {include, exclude}, in a file also a plain list */
    FREE_QUANTITIES, /* resource → quantity */
    FREE_ANY,        /* written by the operator, or not ours to judge */
};

struct field;

struct shape {
    enum shape_kind kind;
    enum free_kind free;
    const char *name;      /* of a shared shape: "StringBool"; NULL for others */
    const char *values;    /* TEXT: allowed values between bars, "|a|b" = "", "a" or "b"; NULL = any */
    const char *pattern;   /* TEXT: POSIX extended (= ECMA) regular expression; NULL = any */
    bool has_min, has_max; /* INTEGER */
    int64_t min, max;
    unsigned min_length, max_length; /* TEXT; 0 = no limit */
    const struct field *fields;      /* OBJECT: ends with a NULL name */
    const struct shape *items;       /* LIST */
    bool open;                       /* OBJECT: unknown keys are kept (x-kubernetes-preserve-unknown-fields) */
};

enum field_flag {
    FIELD_NULLABLE = 1,
    FIELD_REQUIRED = 2,
    FIELD_OURS = 4,      /* chfleet's own; the peer does not know it */
    FIELD_NO_EFFECT = 8, /* accepted so that manifests fit, does nothing */
    FIELD_OBSOLETE = 16, /* works; a newer name exists */
    FIELD_FILE = 32, /* not in the CRD's schema: only in the configuration file (or kept because its parent is open) */
    FIELD_UNIQUE = 128, /* a list whose entries are told apart by `name` */
    FIELD_SECRET = 64,  /* its value is never shown */
};

struct field {
    const char *name;
    const struct shape *shape;
    unsigned flags;
    const char *text;    /* meaning, for users; whole sentences */
    const char *dflt;    /* what counts when absent, for users; NULL = nothing */
    const char *example; /* a value for the example file, as YAML flow text; NULL = made from the shape */
};

struct schema_column {
    const char *name, *type, *path;
    int priority; /* 1 = only with -o wide */
};

enum schema_kind { SCHEMA_CHI, SCHEMA_CHIT, SCHEMA_CHK, SCHEMA_CHOPCONF, SCHEMA_KINDS };

struct schema_resource {
    const char *group, *version, *kind, *list_kind, *plural, *singular, *short_name;
    const char *text;
    const struct shape *root; /* apiVersion, kind, metadata, spec, status */
    const struct schema_column *columns;
    size_t n_columns;
    bool status_subresource;
    bool scale_subresource; /* SCHEMA_SCALE_… */
};
#define SCHEMA_SCALE_SPEC "spec.chfleet.replicasCount"
#define SCHEMA_SCALE_STATUS "status.replicas"
#define SCHEMA_SCALE_SELECTOR "status.selector"

const struct schema_resource *schema_resource(enum schema_kind kind);
/* By kind, plural, singular or short name in any case ("chi"); -1 when it is none of them. */
int schema_kind_by_name(const char *name);
/* By `kind` and the group of `apiVersion`; -1 when it is none of them. */
int schema_kind_of(const cJSON *resource);

/* The tree of the operator's configuration file = spec of SCHEMA_CHOPCONF. */
const struct shape *schema_config_shape(void);

/* "spec.configuration.clusters[].layout" (with or without [] and indexes) below `shape`; NULL when there is none. Case
 * matters. */
const struct field *schema_field(const struct shape *shape, const char *path);
/* A field of this object shape by name. Looks through lists. NULL when there is none. */
const struct field *schema_child(const struct shape *shape, const char *name, size_t len);
/* The shape inside all the lists around it. */
const struct shape *schema_inner(const struct shape *shape);

/* Is `text` one of the bar-separated values? */
bool schema_value_allowed(const char *values, const char *text);

#endif
