/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node agent: runs the pods that are bound to this machine as real processes, and says in their status what a
 * kubelet would. It reads and writes only the store; its own files are
 *     DATA/pods/<namespace>_<pod>_<uid>/containers/<name>/   see shim.h and the programs_*.c files
 *     DATA/pods/<namespace>_<pod>_<uid>/volumes/<name>/      emptyDir, configMap, secret
 *     DATA/volumes/…                                         claims (ctl_pvc.c gives their directories)
 *     DATA/node/ports.json                                   ports given out for good
 * Containers and their shims go on without it; a new one adopts them.
 */
#ifndef PLANE_NODE_H
#define PLANE_NODE_H

#include "plane/plane.h"
#include "plane/programs.h"

struct node;

/* Adopts what runs. `shim` is the path of chfleet-shim. Takes programs. p is borrowed for the node's life. */
int node_new(struct plane *p, struct programs *programs, const char *shim, struct node **out, struct err *err);
void node_free(struct node *n); /* NULL-safe; containers go on */
const struct runtime_ops *node_runtime(void);

#endif
