/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's configuration: the peer's config.yaml, its ClickHouseOperatorConfiguration resources, and what counts
 * when neither says anything.
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "base/json.h"

/* What chfleet ships (same values as the peer's shipped file). Caller owns. */
cJSON *config_builtin(void);

/*
 * The effective configuration: built-in values, over them `file` (the tree of config.yaml; may be NULL), over that the spec of
 * each of the `n` resources in the given order (callers sort by name). A value that is present wins; lists of the
 * resources are appended to the file's, lists of the file replace the built-in ones; empty texts and zeros of a resource do not
 * override. Old flat keys (chUsername, watchNamespaces …) are moved to their new places. Caller owns.
 */
cJSON *config_effective(const cJSON *file, const cJSON *const *resources, size_t n);

/* StringBool at a dotted path (texts, or bare booleans as a file may have them). */
bool config_bool(const cJSON *config, const char *path, bool dflt);
/* The same for a value in hand; -1 when it is neither yes nor no. */
int config_flag(const cJSON *v);

#endif
