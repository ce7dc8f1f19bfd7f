/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this resource right? Every problem is collected: path, place (when the resource came from a file), what is wrong
 * and what to write. The command line and the API server of the plane give the same texts. Values that may be secrets
 * are never part of a text. Nothing here blocks.
 */
#ifndef SCHEMA_CHECK_H
#define SCHEMA_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "schema/fields.h"
#include "schema/yaml.h"

enum schema_code {
    SCHEMA_UNKNOWN,   /* no such field (kube-apiserver would drop it silently) */
    SCHEMA_TYPE,      /* text where a number belongs, … */
    SCHEMA_VALUE,     /* none of the allowed values, out of range, wrong pattern, too long */
    SCHEMA_MISSING,   /* a required field is not there */
    SCHEMA_DUPLICATE, /* the same name twice in a list where names identify */
    SCHEMA_KIND,      /* not one of the four resources, or a wrong apiVersion */
    SCHEMA_COERCED,   /* note: a bare boolean or number was taken as text */
    SCHEMA_NO_EFFECT, /* note: accepted, but does nothing */
    SCHEMA_OBSOLETE,  /* note: works, there is a newer name */
    SCHEMA_SUSPECT,   /* note: kept in a free-form part, but looks like a slip of the pen */
};

struct schema_problem {
    enum schema_code code;
    char *path;            /* "spec.configuration.clusters[0].name" */
    char *text;            /* one sentence, without path and place */
    struct schema_pos pos; /* {0,0} without a file */
};

struct schema_problems {
    struct schema_problem *v; /* in the order of the file */
    size_t n;
    size_t errors;   /* those which are not notes */
    size_t left_off; /* found, but beyond SCHEMA_PROBLEMS_MAX */
};
#define SCHEMA_PROBLEMS_INIT                                                                                           \
    {                                                                                                                  \
        NULL, 0, 0, 0                                                                                                  \
    }
#define SCHEMA_PROBLEMS_MAX 200

void schema_problems_free(struct schema_problems *p);
#define auto_problems __attribute__((cleanup(schema_problems_free)))

/* Notes are not errors: COERCED, NO_EFFECT, OBSOLETE, SUSPECT. */
bool schema_is_note(enum schema_code code);

/* The `reason` of an entry in a Kubernetes Status' details.causes: FieldValueInvalid, FieldValueRequired, … Static. */
const char *schema_cause(enum schema_code code);

enum {
    /* The resource comes from a file a person wrote: bare booleans and numbers in fields that hold "yes"/"no" texts
     * are turned into text in place, with a note; a `status` section is not looked at. Without it the rules are those
     * of the CRD, as a Kubernetes API server has them. */
    SCHEMA_FROM_FILE = 1,
};

/* Checks one of the four resources, found out by its kind; anything else is one SCHEMA_KIND problem. `where` gives
 * places; NULL without a file. Adds to *out. */
void schema_check(cJSON *resource, unsigned flags, const struct schema_yaml *where, struct schema_problems *out);

/* The operator's configuration file (the tree of a ClickHouseOperatorConfiguration's spec without the wrapper). Bare
 * booleans and numbers are turned into text where text belongs, silently. */
void schema_check_config(cJSON *config, const struct schema_yaml *where, struct schema_problems *out);

/* "file:3:5: error: spec.stop: …\n" for each problem, "note:" for notes, then a line for what was left off. `file`
 * NULL: without the place. */
void schema_problems_print(const struct schema_problems *p, const char *file, struct str *out);

/* 0 when there is no error (notes do not count); else -1 and ERR_INPUT with the first errors as one text. */
int schema_problems_err(const struct schema_problems *p, const char *file, struct err *err);

/* What kube-apiserver does when it stores a resource: removes fields that the schema does not have (not inside the
 * free-form parts) and null values of fields that may not be null. The paths removed as unknown are added to *dropped
 * (SCHEMA_UNKNOWN problems; NULL allowed). */
void schema_prune(cJSON *resource, struct schema_problems *dropped);

#endif
