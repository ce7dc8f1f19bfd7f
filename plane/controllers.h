/* SPDX-License-Identifier: Apache-2.0 */
/* The controllers and the node agent of the plane, in one process with its API server. */
#ifndef PLANE_CONTROLLERS_H
#define PLANE_CONTROLLERS_H

#include "plane/plane.h"

/* Subscribes to the store, creates the Node and the StorageClass objects, adopts the shims that run, gives the node agent to
 * api_set_runtime(). Sets p->controllers. Does not block for long: work starts on the loop. */
int controllers_start(struct plane *p, struct err *err);
/* Lets go of everything; containers and their shims go on. NULL-safe on p->controllers. */
void controllers_stop(struct plane *p);

#endif
