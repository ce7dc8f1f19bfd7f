/* SPDX-License-Identifier: Apache-2.0 */
/* The operator that leads in a cluster: who that is says its Lease, and what it knows comes through the API server. */
#ifndef CLI_LEADER_H
#define CLI_LEADER_H

#include "cli/api.h"

#define OPERATOR_NOTE "chfleet.io/operator" /* annotation of an installation: namespace of its operator */
#define OPERATOR_LEASE "chfleet-leader"

/* What the status page `path` of the operator in this namespace says, asked through pods/proxy. NULL and ERR_MISSING when no pod leads
 * there, ERR_REFUSED or ERR_AGAIN when it cannot be asked. Waits some seconds at most. Caller owns. */
cJSON *leader_page(struct fleet_api *a, const char *ns, const char *path, struct err *err);

#endif
