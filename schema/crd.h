/* SPDX-License-Identifier: Apache-2.0 */
/* Custom resource definitions out of the field table. The caller owns what is returned. Nothing here blocks. */
#ifndef SCHEMA_CRD_H
#define SCHEMA_CRD_H

#include "base/json.h"
#include "base/str.h"
#include "schema/fields.h"

/* The whole CustomResourceDefinition (apiextensions.k8s.io/v1), without status. There is no scale subresource: its
 * paths cannot point into lists, and the counts stand in clusters[].layout. */
cJSON *schema_crd(enum schema_kind kind);

/* Its structural OpenAPI v3 schema alone, for discovery. */
cJSON *schema_openapi(enum schema_kind kind);

/* The CRD as the YAML file deploy/crds/<plural>.<group>.yaml. */
void schema_crd_file(enum schema_kind kind, struct str *out);

#endif
