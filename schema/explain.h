/* SPDX-License-Identifier: Apache-2.0 */
/* The field table as text for people: `chfleet explain`, the reference pages and the examples. Nothing here blocks. */
#ifndef SCHEMA_EXPLAIN_H
#define SCHEMA_EXPLAIN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "schema/fields.h"

/* "chi.spec.configuration.clusters.layout", "ClickHouseKeeperInstallation", "config.reconcile" (the configuration
 * file). Appends type, values, default, meaning and what is inside; with `tree` all levels below as an outline.
 * ERR_INPUT with a guess when there is no such field. */
int schema_explain(const char *path, bool tree, struct str *out, struct err *err);

/* docs/reference/<short name>.md and examples/all-parameters-<short name>.yaml. */
void schema_reference_page(enum schema_kind kind, struct str *out);
void schema_example(enum schema_kind kind, struct str *out);

#endif
