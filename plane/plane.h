/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of one plane, wired by main.c; the simulation wires the same parts without sockets. */
#ifndef PLANE_PLANE_H
#define PLANE_PLANE_H

#include "base/world.h"
#include "plane/runtime.h"
#include "plane/store.h"

struct api;
struct controllers; /* private to controllers.c */

struct plane {
    struct world *w;
    struct store *store;
    struct api *api;
    const char *data_dir;      /* absolute; the node agent's own files go to data_dir/node, data_dir/pods, … */
    const char *programs_file; /* NULL: the built-in programs.yaml only */
    const char *haproxy;       /* NULL: where packages put it */
    const char *node_name;     /* the one Node object: the machine's host name in lower case */
    struct event_base *base;   /* NULL in the simulation */
    struct controllers *controllers;
};

#endif
