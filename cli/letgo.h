/* SPDX-License-Identifier: Apache-2.0 */
/* Installations whose operator is gone, or has lost its rights with the namespace: they end without it. */
#ifndef CLI_LETGO_H
#define CLI_LETGO_H

#include "cli/api.h"

/* Takes chfleet's finalizer from the installation as it was read, and says what stays. ERR_REFUSED while an operator lives that
 * will end it in order; looking for one takes seconds. */
int letgo(struct fleet_api *a, enum kube_kind kind, const cJSON *live, struct err *err);

#endif
