/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server does to an object before it is stored: defaults and validation, per kind. Pure. */
#ifndef PLANE_RULES_H
#define PLANE_RULES_H

#include <stdbool.h>

#include "base/json.h"
#include "base/str.h"
#include "plane/kinds.h"

/* Problems of one object, as a Status' details.causes has them. */
struct field_errs {
    cJSON *causes; /* array, or NULL when there is none */
    struct str text; /* "field: message" joined by ", " */
    int n;
};
#define FIELD_ERRS_INIT {NULL, STR_INIT, 0}
void field_errs_free(struct field_errs *e);
/* reason without its FieldValue prefix: "Invalid", "Required", "Forbidden", "Duplicate", "NotSupported", "TooLong". */
void field_err(struct field_errs *e, const char *reason, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Fills in what the user left out. Idempotent. */
void rules_defaults(enum plane_kind kind, cJSON *obj);
/* Defaults of the parts that are also used alone. */
void rules_default_pod_spec(cJSON *spec);

/* Values the API server gave at first and a client may leave out of an update. Before rules_defaults(). */
void rules_carry_over(enum plane_kind kind, cJSON *obj, const cJSON *old);
/* `old` NULL on create. `system` lifts the rules that bind users only (spec.nodeName of a running pod and the like). */
void rules_validate(enum plane_kind kind, const cJSON *obj, const cJSON *old, bool system, struct field_errs *e);
/* The status a new object begins with; NULL = none. Caller owns. */
cJSON *rules_first_status(enum plane_kind kind, const cJSON *obj);

/* Lower-case RFC 1123 names. */
bool rules_is_label_name(const char *s);     /* at most 63, no dots */
bool rules_is_subdomain(const char *s);      /* at most 253 */
bool rules_is_label_key(const char *s);      /* [prefix/]name */
bool rules_is_label_value(const char *s);
extern const char rules_subdomain_help[], rules_label_help[];

void rules_validate_meta(enum plane_kind kind, const cJSON *obj, struct field_errs *e);
const char *rules_qos(const cJSON *pod_spec);

#endif
