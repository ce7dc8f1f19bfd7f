/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include "base/json.h"
#include "cli/out.h"
#include "kube/kinds.h"

/* A table of objects of one kind, with the columns people know from kubectl. Pure but for the clock (ages). */
void columns_table(enum kube_kind kind, const cJSON *items, bool wide, bool with_namespace, struct out_table *t);

#endif
