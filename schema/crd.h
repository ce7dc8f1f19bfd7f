/* SPDX-License-Identifier: Apache-2.0 */
/* Custom resource definitions out of the field table. The caller owns what is returned. Nothing here blocks. */
#ifndef SCHEMA_CRD_H
#define SCHEMA_CRD_H

#include "base/json.h"
#include "base/str.h"
#include "schema/fields.h"

/* The whole CustomResourceDefinition (apiextensions.k8s.io/v1), without status. The scale subresource cannot
 * point into lists, where the counts of clusters[].layout stand; so it has a field of its own. */
cJSON *schema_crd(enum schema_kind kind);

/* Its structural OpenAPI v3 schema alone, for discovery. */
cJSON *schema_openapi(enum schema_kind kind);

/* The CRD as the YAML file deploy/crds/<plural>.<group>.yaml. */
void schema_crd_file(enum schema_kind kind, struct str *out);

#endif
