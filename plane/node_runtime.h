/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the node agent: jobs for the API server. */
#ifndef PLANE_NODE_RUNTIME_H
#define PLANE_NODE_RUNTIME_H

#include "plane/node_priv.h"

struct job_kind {
    bool (*input)(struct runtime_job *job, const char *data, size_t len);
    void (*resize)(struct runtime_job *job, unsigned columns, unsigned rows);
    void (*pause)(struct runtime_job *job, bool paused);
    void (*cancel)(struct runtime_job *job);
};

/* Each kind of job begins with this. */
struct runtime_job {
    const struct job_kind *kind;
    struct node *node;
    struct runtime_cbs cbs;
    void *ctx;
};

struct node_ctr *runtime_container(struct node *n, const cJSON *pod, const char *name, struct err *err);
struct runtime_job *node_logs(void *node, const cJSON *pod, const struct runtime_log_options *o,
                              const struct runtime_cbs *cbs, void *ctx, struct err *err);
struct runtime_job *node_exec(void *node, const cJSON *pod, const char *container, const char *const *argv,
                              unsigned flags, const struct runtime_cbs *cbs, void *ctx, struct err *err);

#endif
