/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML (several documents) or JSON text → cJSON, with the place of every key and value.
 *
 * Read as kubectl reads it (YAML 1.1): bare yes/no/on/off/true/false in their three spellings and y/n are booleans,
 * 0x1f, 0b11, 0o17 and 017 are numbers, 2024-01-01 and 1:30 are text, keys that look like numbers or booleans become
 * text. Better than kubectl: whole numbers keep every digit (cJSON_Raw beyond 15 digits), a key given twice is refused
 * with both places, and with `<<` a key that is written out always wins over a merged one.
 *
 * Refused: more than SCHEMA_YAML_BYTES of text, nesting deeper than SCHEMA_YAML_DEPTH, more than SCHEMA_YAML_NODES
 * values after aliases are expanded, anchors that contain themselves, .nan and .inf, tags other than the YAML core
 * ones.
 */
#ifndef SCHEMA_YAML_H
#define SCHEMA_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

#define SCHEMA_YAML_BYTES (3u << 20)
#define SCHEMA_YAML_DEPTH 100
#define SCHEMA_YAML_NODES 500000u

struct schema_pos {
    unsigned line, column; /* from 1, columns in characters; 0 = not known */
};

struct schema_posmap;

/* One file. A document of `kind: List` is opened: its items stand in `roots` instead of it. */
struct schema_yaml {
    char *file;                /* as given; for messages */
    cJSON **roots;             /* objects, owned; may be changed in place: places belong to the item's address */
    struct schema_pos *starts; /* where each root begins */
    size_t n;
    struct schema_posmap *map;
};

/* `file` is only a name for messages ("file:line:column: what is wrong and what to write"). ERR_INPUT for bad text. A
 * text without any document gives n = 0. The caller frees *out with schema_yaml_free(). Does not block. */
int schema_yaml_parse(const char *file, const char *text, size_t len, struct schema_yaml **out, struct err *err);

/* The same from a path; "-" is standard input, shown as "stdin". Blocks on the file. */
int schema_yaml_load(const char *path, struct schema_yaml **out, struct err *err);

void schema_yaml_free(struct schema_yaml *y);
void schema_yaml_freep(struct schema_yaml **y);
#define auto_yaml __attribute__((cleanup(schema_yaml_freep)))

/* Gives root `i` to the caller; roots[i] is NULL after. Places stay known as long as both live. */
cJSON *schema_yaml_take(struct schema_yaml *y, size_t i);

/* Place of a value, or of the key in front of it (of the value when it has no key). {0,0} when not known. */
struct schema_pos schema_yaml_value_pos(const struct schema_yaml *y, const cJSON *item);
struct schema_pos schema_yaml_key_pos(const struct schema_yaml *y, const cJSON *item);

#endif
