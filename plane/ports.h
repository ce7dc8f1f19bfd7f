/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of 127.0.0.1 that are given out under a name once and kept for good, in a small JSON file. */
#ifndef PLANE_PORTS_H
#define PLANE_PORTS_H

#include "base/world.h"

struct ports;

/* path NULL: kept in memory only (simulation). A damaged file is started anew. */
struct ports *ports_open(struct world *w, const char *path, unsigned first, unsigned last);
void ports_close(struct ports *p); /* NULL-safe */
/* The port of this name: the one it has, else `want` (0 = none) when it is free, else the first free one. 0: none is
 * left. */
unsigned ports_get(struct ports *p, const char *name, unsigned want);
void ports_drop(struct ports *p, const char *name);

#endif
