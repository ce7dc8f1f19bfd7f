/* SPDX-License-Identifier: Apache-2.0 */
/* What a kubelet reads in a pod: for the one of the simulation and the one that stands before a real API server. Pure but
 * for what the two give to find other objects with. */
#ifndef TESTS_SIM_PODSPEC_H
#define TESTS_SIM_PODSPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "tests/sim/hosts.h"

struct podspec_source { /* NULL when there is no such object; borrowed */
    const cJSON *(*claim)(void *ctx, const char *ns, const char *name);
    const cJSON *(*configmap)(void *ctx, const char *ns, const char *name);
    void *ctx;
};

/* The container of that name, else the first. */
const cJSON *podspec_server(const cJSON *pod, const char *container);
bool podspec_mounts_configmap(const cJSON *pod, const char *name);
/* NULL: all claims are bound and all ConfigMaps there; else what is missing. */
const char *podspec_missing(const cJSON *pod, const struct podspec_source *from);
/* The identity of the data directory: its claim's UID, or the pod's. Caller frees. */
char *podspec_disk(const cJSON *pod, const char *container, const struct podspec_source *from);
/* The host has all its ConfigMaps as they are now, and no other. */
void podspec_mount_all(struct chost *h, const cJSON *pod, const struct podspec_source *from);

void podspec_time(uint64_t wall_ms, char out[32]);
void podspec_condition(cJSON *list, const char *type, bool on, const char *since);

#endif
