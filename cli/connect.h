/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CONNECT_H
#define CLI_CONNECT_H

#include "cli/api.h"

/* Says how to reach this ClickHouse installation: client line, HTTP address, and what to type next. Nothing when its
 * service has no address (yet). */
void connect_print(struct fleet_api *a, const char *ns, const char *name);

#endif
