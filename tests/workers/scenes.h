/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_WORKERS_SCENES_H
#define TESTS_WORKERS_SCENES_H

#include "tests/workers/script.h"

/* Hosts that run and are right; the first one is to have `action` done. Shards but the first are peers. */
void scene(struct script *s, int shards, int replicas, const char *action);
/* Gives host i an action and the state that makes it needed. */
void scene_give(struct script *s, int i, const char *action);

#endif
