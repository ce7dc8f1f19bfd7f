/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes quantities: "500m", "10Gi", "1.5", "1e3". */
#ifndef MODEL_QUANTITY_H
#define MODEL_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* In thousandths would lose large sizes, so: a long double is exact for every size in use. False when it is no quantity. */
bool quantity_parse(const char *text, long double *out);
/* Of a JSON text or number; -1 when it is none. Rounded up. */
int64_t quantity_bytes(const cJSON *v);
/* Are both quantities, and equal ("1024Mi", "1Gi")? */
bool quantity_same(const cJSON *a, const cJSON *b);

#endif
