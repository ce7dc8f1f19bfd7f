/* SPDX-License-Identifier: Apache-2.0 */
/* The four custom resources, judged by schema/. */
#ifndef PLANE_CUSTOM_H
#define PLANE_CUSTOM_H

#include "plane/rules.h"

/* Drops fields the CRD does not have and names them in *dropped, one a line. */
void custom_prune(cJSON *obj, struct str *dropped);
void custom_validate(const cJSON *obj, struct field_errs *e);
/* The CustomResourceDefinition object of a custom kind. Caller owns. */
cJSON *custom_crd(enum plane_kind kind);

#endif
