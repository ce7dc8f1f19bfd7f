/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the YAML reader; nobody else includes it. */
#ifndef SCHEMA_YAML_INTERNAL_H
#define SCHEMA_YAML_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "schema/yaml.h"

/* ---- places: item address → place of its value and key ---- */
struct schema_posmap *schema_posmap_new(void);
void schema_posmap_free(struct schema_posmap *m);
void schema_posmap_put(struct schema_posmap *m, const cJSON *item, struct schema_pos value, struct schema_pos key);
bool schema_posmap_get(const struct schema_posmap *m, const cJSON *item, struct schema_pos *value,
                       struct schema_pos *key);

/* ---- the keys of one mapping, so that a repeated one is found in constant time ---- */
struct keyset {
    const cJSON **slots; /* power of two */
    size_t cap, n;
};
void schema_keyset_fini(struct keyset *k);
/* Returns the item that has this key already, or NULL after adding `item`. `item->string` must be set and stay. */
const cJSON *schema_keyset_add(struct keyset *k, const cJSON *item);
const cJSON *schema_keyset_find(const struct keyset *k, const char *key);

/* ---- documents ---- */
/* Adds a document (takes root). `kind: List` is opened. -1 when it is no mapping. */
int schema_yaml_add(struct schema_yaml *y, cJSON *root, struct schema_pos start, struct err *err);

/* "file:line:column: …" as ERR_INPUT; returns -1. */
int schema_yaml_fail(const struct schema_yaml *y, struct schema_pos pos, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* JSON text, one value after the other. 1 = done, 0 = this is not JSON (try YAML; nothing was added), -1 = refused. */
int schema_json_read(struct schema_yaml *y, const char *text, size_t len, struct err *err);
int schema_yaml_build(struct schema_yaml *y, const char *text, size_t len, struct err *err);

/* A scalar → value. `plain` = written without quotes; `tag` may be NULL. NULL and *why for a refusal. Caller owns. */
cJSON *schema_scalar(const char *text, size_t len, bool plain, const char *tag, const char **why);
/* The digits of a whole decimal number → number, or cJSON_Raw when a double could lose some. */
cJSON *schema_whole_number(const char *digits, size_t len);

#endif
