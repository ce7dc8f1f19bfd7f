/* SPDX-License-Identifier: Apache-2.0 */
/* Live against desired: a write happens only when they differ, and the difference decides what a host needs. */
#ifndef RENDER_COMPARE_H
#define RENDER_COMPARE_H

#include "base/json.h"
#include "model/facts.h"
#include "render/render.h"

/* Semantic: what the API server defaults or owns (status, uid, clusterIP …) and metadata that others put there is not a
 * difference; list order matters only where it enters the pod revision. Returns the merge patch that brings `live` to
 * `desired` (caller owns), or NULL when nothing is to be written. Changed paths go to *changes when not NULL (appended;
 * *n updated). `live` NULL: the object must be created, the result is a copy of desired. */
cJSON *compare_object(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n);

/* Labels, annotations and owner only. Appends; true when something differs. */
bool compare_metadata(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n);

/* A difference that no patch can make: a Service that becomes headless or stops being it. It must be deleted and made anew. */
bool compare_must_replace(const cJSON *live, const cJSON *desired);

/* Adds to a list of changes; texts are copied. */
void compare_add(struct change **list, size_t *n, const char *path, const char *from, const char *to);

/* Differences between two values in the way of the API: what is empty equals what is absent, 1Gi equals 1024Mi. Defaults must be
 * filled in before. `path` stands before the names. Appends; returns the number found. */
size_t compare_values(const cJSON *live, const cJSON *desired, const char *path, struct change **changes, size_t *n);

/* What a StatefulSet difference takes: nothing, a metadata/replicas write, a new pod, or orphan re-creation. */
/* `changes` gets those of every depth. */
enum compare_depth { COMPARE_SAME, COMPARE_METADATA, COMPARE_TEMPLATE, COMPARE_IMMUTABLE };
enum compare_depth compare_statefulset(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n);

/* All live objects the facts are made from. `each` walks the objects of a kind ("StatefulSet", "Pod", "ConfigMap",
 * "Service", "PersistentVolumeClaim", "EndpointSlice", "Secret", "PodDisruptionBudget") that carry the installation's labels. */
struct facts_source {
    int (*each)(void *ctx, const char *kind, int (*fn)(void *fn_ctx, const cJSON *obj), void *fn_ctx);
    void *ctx;
};
int facts_make(const struct fleet *f, const struct render_ctx *c, const struct facts_source *live, struct facts **out,
               struct err *err);

/* "podUID containerID startedAt" of the server container (named clickhouse / clickhouse-keeper, else the first) of a
 * running pod; "" when it does not run. Caller frees. */
char *compare_identity(const cJSON *pod);
bool compare_pod_ready(const cJSON *pod); /* Ready and not terminating */

#endif
