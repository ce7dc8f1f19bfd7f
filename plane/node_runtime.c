/* SPDX-License-Identifier: Apache-2.0 */
/* Logs, exec and port-forward of running containers for the API server (runtime.h). */
#include "plane/node_runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct node_ctr *runtime_container(struct node *n, const cJSON *pod, const char *name, struct err *err)
{
    struct node_pod *p = node_find(n, json_uid(pod));
    struct node_ctr *c = p ? pod_container(p, name) : NULL;

    if (c)
        return c;
    err_set(err, ERR_MISSING, 0, "container %s of pod %s is not on this node", name, json_name(pod));
    return NULL;
}

/* In endpoints mode containers listen on the very ports they name. */
static int node_port_of(void *node, const cJSON *pod, unsigned container_port, char *host, size_t host_size,
                        unsigned *port, struct err *err)
{
    struct node_pod *p = node_find(node, json_uid(pod));
    bool running = false;

    for (size_t i = 0; p && i < p->n_ctrs; i++)
        running |= ctr_running(&p->ctrs[i]);
    if (!running)
        return err_set(err, ERR_REFUSED, 0, "pod %s does not run", json_name(pod));
    snprintf(host, host_size, "127.0.0.1");
    *port = container_port;
    return 0;
}

static bool job_input(struct runtime_job *job, const char *data, size_t len)
{
    return job->kind->input ? job->kind->input(job, data, len) : true;
}

static void job_resize(struct runtime_job *job, unsigned columns, unsigned rows)
{
    if (job->kind->resize)
        job->kind->resize(job, columns, rows);
}

static void job_pause(struct runtime_job *job, bool paused)
{
    job->kind->pause(job, paused);
}

static void job_cancel(struct runtime_job *job)
{
    job->kind->cancel(job);
}

const struct runtime_ops *node_runtime(void)
{
    static const struct runtime_ops ops = {node_logs, node_exec,  job_input,   job_resize,
                                           job_pause, job_cancel, node_port_of};

    return &ops;
}
