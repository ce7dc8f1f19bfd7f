/* SPDX-License-Identifier: Apache-2.0 */
/* What apply sends: a merge patch made from three sides, as kubectl's client-side apply makes it, so that both commands can
 * be used in turn on the same resource. Pure. */
#ifndef CLI_MERGE_H
#define CLI_MERGE_H

#include "base/json.h"

#define MERGE_NOTE "kubectl.kubernetes.io/last-applied-configuration"

/* Writes the note of what was applied into obj's annotations. */
void merge_note(cJSON *obj);
/* `wanted` has its note. From `live` to `wanted`: adds and changes what the file says, removes only what the file said the
 * last time and does not say any more; what others wrote stays. NULL: nothing to send. Caller owns. */
cJSON *merge_patch(const cJSON *live, const cJSON *wanted);

#endif
