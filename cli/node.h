/* SPDX-License-Identifier: Apache-2.0 */
/* The plane's one Node: chfleet down closes it to pods and empties it, as one does with a machine of a cluster before
 * switching it off; chfleet up opens it again. */
#ifndef CLI_NODE_H
#define CLI_NODE_H

#include "cli/api.h"

int node_allow(struct fleet_api *a, struct err *err);
/* Cordons the node, deletes all pods, Keepers last, and waits until no container runs. ERR_AGAIN when some still do after limit_ms. */
int node_empty(struct fleet_api *a, uint64_t limit_ms, struct err *err);

#endif
