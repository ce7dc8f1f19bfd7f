/* SPDX-License-Identifier: Apache-2.0 */
/* Which pod a person means: a pod's name, or a host as status shows it ("main/0/1"), with the installation in front
 * where several fit ("demo/main/0/1"). */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "cli/api.h"

/* The pod and its server container (clickhouse, clickhouse-keeper, else the first; `container` when not NULL, which must exist).
 * ERR_MISSING, or ERR_INPUT when several pods fit (they are named). Caller owns *pod; *name points into it. */
int target_find(struct fleet_api *a, const char *what, const char *container, cJSON **pod, const char **name, struct err *err);

/* Does this pod fit? Pure; for tests. */
bool target_fits(const cJSON *pod, const char *what);

#endif
