/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the check; nobody else includes it. */
#ifndef SCHEMA_CHECK_INTERNAL_H
#define SCHEMA_CHECK_INTERNAL_H

#include "schema/check.h"
#include "schema/words.h"

#define CHECK_DEPTH 128 /* more than any file may nest; a resource given without a file may, and is refused */

struct check {
    struct schema_problems *out;
    const struct schema_yaml *where;
    bool from_file; /* SCHEMA_FROM_FILE */
    bool config;    /* the operator's configuration file */
    bool kept;      /* inside something that an open object keeps as it is */
    struct str path;
    unsigned depth;
    struct { /* the objects around the value being looked at, outermost first */
        const struct shape *shape;
        size_t path_len;
    } around[CHECK_DEPTH];
    unsigned n_around;
};

/* ---- problems ---- */
/* `item` gives the place (of its key when `at_key`). The path is c->path, with ".name" when name is not NULL. */
void schema_problem(struct check *c, enum schema_code code, const cJSON *item, bool at_key, const char *name,
                    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void schema_problem_add(struct schema_problems *out, enum schema_code code, const char *path, const char *text,
                        struct schema_pos pos);

/* ---- path ---- */
size_t schema_path_key(struct str *path, const char *key); /* ".key", or "[a/b]" for a key that is no word */
size_t schema_path_index(struct str *path, size_t i);
void schema_path_back(struct str *path, size_t len); /* to the length that the two above returned */

/* ---- words ---- */
/* The allowed value that is meant, into buf, or NULL. */
const char *schema_near_value(const char *values, const char *text, char *buf, size_t size);
/* What to do about an unknown key of `shape`, as ": did you mean …" or a list of what there is; "" when nothing helps.
 */
void schema_unknown_advice(const struct check *c, const struct shape *shape, const char *key, struct str *out);

/* ---- values ---- */
void schema_check_value(struct check *c, cJSON *item, const struct shape *shape, unsigned flags);
void schema_check_free(struct check *c, cJSON *item, const struct shape *shape);
void schema_check_own_metadata(struct check *c, cJSON *meta);
/* "text", "a number", "a list", … */
const char *schema_type_word(const cJSON *item);
/* The shape of what a free-form part really holds, as far as we read it; NULL when it has none. */
const struct shape *schema_free_shape(enum free_kind free);
extern const struct shape schema_own_meta;
bool schema_is_quantity(const cJSON *item);

#endif
