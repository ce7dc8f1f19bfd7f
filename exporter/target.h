/* SPDX-License-Identifier: Apache-2.0 */
/* Between targets.c, target.c and their tests. */
#ifndef EXPORTER_TARGET_H
#define EXPORTER_TARGET_H

#include "exporter/targets.h"
#include "model/fleet.h"

/* What the exporter keeps of a fleet. What `old` (may be NULL) saw of its hosts is remembered. The caller's reference. */
struct target *target_make(const struct fleet *f, const struct target *old);
cJSON *target_json(const struct target *t); /* one entry of /chi; caller owns */

#endif
