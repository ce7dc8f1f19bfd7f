/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers over cJSON, which is the form in which every object travels. "path" is dotted: "spec.template.spec". Keys
 * that hold dots ("clickhouse.altinity.com/ready") are reached with json_get() one level at a time. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

void json_freep(cJSON **j);
#define auto_json __attribute__((cleanup(json_freep)))

/* Parses `len` bytes. Integers that a double cannot hold exactly are kept to the digit (cJSON_Raw items), so that
 * printing gives what came in. Returns NULL and ERR_INPUT with the offset. Caller owns the result. */
cJSON *json_parse(const char *text, size_t len, struct err *err);
char *json_print(const cJSON *j);                     /* compact; caller frees */
void json_canonical(const cJSON *j, struct str *out); /* keys sorted, compact: equal values give equal text */
bool json_same(const cJSON *a, const cJSON *b);       /* by canonical text; NULL equals NULL */

/* Lookups: NULL or the default when the thing is not there or of another type. Borrowed. */
cJSON *json_get(const cJSON *j, const char *key); /* case-sensitive */
cJSON *json_at(const cJSON *j, const char *path); /* dotted; "items.0.name" works too */
const char *json_str(const cJSON *j, const char *path, const char *dflt);
int64_t json_int(const cJSON *j, const char *path, int64_t dflt);
bool json_bool(const cJSON *j, const char *path, bool dflt); /* true/false only */
bool json_has(const cJSON *array_of_strings, const char *text);

/* Building; each returns the item put in (owned by j). Setting replaces. */
cJSON *json_set(cJSON *j, const char *key, cJSON *item); /* takes item */
cJSON *json_set_str(cJSON *j, const char *key, const char *value); /* NULL value: nothing is set, NULL returned */
cJSON *json_set_int(cJSON *j, const char *key, int64_t value);
cJSON *json_set_bool(cJSON *j, const char *key, bool value);
cJSON *json_set_obj(cJSON *j, const char *key);                 /* new empty object */
cJSON *json_set_arr(cJSON *j, const char *key);                 /* new empty array */
cJSON *json_need_obj(cJSON *j, const char *key);                /* existing object, else a new one */
/* For objects that are kept by the thousand: names of fields are shared with all others from here on. They are never freed, so
 * only so many different ones are taken. Not for more than one thread. */
void json_share_names(cJSON *j);
/* Takes j. The same tree, small and never to be changed: names are shared as above, and equal arrays and objects inside of all
 * trees that are kept exist once. Ends with json_keep_no_more(), not with cJSON_Delete(); NULL is allowed in both. */
const cJSON *json_keep(cJSON *j);
void json_keep_no_more(const cJSON *kept);
cJSON *json_copy(const cJSON *j);                               /* deep; NULL gives NULL */
cJSON *json_add_str(cJSON *array, const char *value);
/* Takes item: it has index `at` afterwards, or is the last when there are not so many. (cJSON_InsertItemInArray() of Debian 12 puts
 * nothing between two others.) */
void json_insert(cJSON *array, int at, cJSON *item);

/* RFC 7396 merge patch applied to *target (may be NULL at first). Used by the plane, the simulation and tests. */
void json_merge_patch(cJSON **target, const cJSON *patch);
/* The merge patch that turns `from` into `to`, or NULL when they are the same. Caller owns. */
cJSON *json_diff_patch(const cJSON *from, const cJSON *to);

/* Kubernetes metadata shortcuts; "" when absent. */
const char *json_name(const cJSON *obj);
const char *json_ns(const cJSON *obj);
const char *json_uid(const cJSON *obj);
const char *json_rv(const cJSON *obj);
const char *json_label(const cJSON *obj, const char *key);      /* NULL when absent */
const char *json_annotation(const cJSON *obj, const char *key); /* NULL when absent */

#endif
