/* SPDX-License-Identifier: Apache-2.0 */
/* The few rules between the fields of one object: the CRD has them as CEL, the check as a function. */
#ifndef SCHEMA_RULES_H
#define SCHEMA_RULES_H

#include <stdbool.h>

#include "schema/fields.h"

struct schema_rule {
    const struct shape *shape;
    const char *cel, *message;
    bool (*holds)(const cJSON *object);
};

/* The n-th rule of this shape, or NULL. */
const struct schema_rule *schema_rule(const struct shape *shape, unsigned n);

#endif
