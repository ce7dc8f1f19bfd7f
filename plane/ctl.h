/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers of the plane. Each watches the store and works on one object at a time from a queue; none keeps
 * anything that it could not find again in the store. Time comes from the world only, so the simulation runs them as
 * they are, with its own balancer and volumes behind the two tables below and its own kubelets in place of the node
 * agent.
 */
#ifndef PLANE_CTL_H
#define PLANE_CTL_H

#include "plane/plane.h"

/* ---- work queue: each name at most once, the earliest moment wins ---- */
struct ctl_queue;
typedef void ctl_work_fn(void *ctx, const char *ns, const char *name);
struct ctl_queue *ctl_queue_new(struct world *w, ctl_work_fn *fn, void *ctx);
void ctl_queue_free(struct ctl_queue *q); /* NULL-safe */
void ctl_queue_add(struct ctl_queue *q, const char *ns, const char *name, uint64_t delay_ms);

/* ---- what they need of the machine ---- */

/* How far a volume is on its way to a larger size. */
enum volume_size { VOLUME_HAS_IT, VOLUME_GROWS, VOLUME_WAITS_FOR_NODE };

/* Directories of volumes. */
struct volume_ops {
    /* Makes the volume's directory; *path is absolute, caller frees. `taken(path)` says that another volume has it. */
    int (*make)(void *ctx, const char *ns, const char *claim, const char *uid,
                bool (*taken)(void *tctx, const char *path), void *tctx, char **path, struct err *err);
    /* Removes it with what is in it; may go on in the background. Absent = success. */
    int (*remove)(void *ctx, const char *path, struct err *err);
    /* Asked again and again while the claim asks for more than it has. NULL: volumes have every size at once. */
    enum volume_size (*grow)(void *ctx, const cJSON *pvc);
};

/* The balancer of Services of type ClusterIP and LoadBalancer. */
struct lb_port {
    const char *name; /* Service port's name, "" when it has none */
    unsigned port;    /* the Service's */
    unsigned listen;  /* where the balancer listens on 127.0.0.1; set by lb_ops.listen() before */
    bool http;        /* HTTP mode; else TCP */
};
struct lb_member {
    const char *name; /* pod */
    const char *uid;
    const unsigned *ports; /* target port, one for each lb_port; 0 = it has none of that name */
    unsigned ping;         /* ClickHouse's HTTP port for GET /ping; 0 = check by connecting */
};
struct lb_service {
    const char *ns, *name;
    const struct lb_port *ports;
    size_t n_ports;
    const struct lb_member *members; /* who shall get new connections */
    size_t n_members;
};
enum lb_state {
    LB_UNKNOWN, /* the balancer was not asked yet; changed() will come */
    LB_OUT,     /* gets nothing new */
    LB_IN,      /* gets connections */
};
struct lb_ops {
    /* The listening port of a Service port, given out once and kept: `want` if nobody has it. 0: none is free. */
    unsigned (*listen)(void *lb, const char *ns, const char *name, const char *port_name, unsigned want);
    /* Makes it so, as soon as it can; then calls changed(). n_ports 0 = the Service is gone. */
    void (*apply)(void *lb, const struct lb_service *s);
    /* What is so now, for the pod (uid) behind this Service. */
    enum lb_state (*state)(void *lb, const char *ns, const char *name, const char *uid);
    /* Who is to hear that a state changed. */
    void (*listener)(void *lb, void (*changed)(void *ctx, const char *ns, const char *name), void *ctx);
};

/* ---- the controllers; each has new/free ---- */
struct ctl_sts;
struct ctl_sts *ctl_sts_new(struct plane *p);
void ctl_sts_free(struct ctl_sts *c);

struct ctl_pvc;
struct ctl_pvc *ctl_pvc_new(struct plane *p, const struct volume_ops *ops, void *ctx);
void ctl_pvc_free(struct ctl_pvc *c);

struct ctl_svc;
/* lb may be NULL: then Services only get EndpointSlices. */
struct ctl_svc *ctl_svc_new(struct plane *p, const struct lb_ops *lb, void *ctx);
void ctl_svc_free(struct ctl_svc *c);

struct ctl_pdb;
struct ctl_pdb *ctl_pdb_new(struct plane *p);
void ctl_pdb_free(struct ctl_pdb *c);

/* Gives pods without a node this one. */
struct ctl_sched;
struct ctl_sched *ctl_sched_new(struct plane *p);
void ctl_sched_free(struct ctl_sched *c);

/* ---- small things they share ---- */
bool ctl_pod_ready(const cJSON *pod); /* condition Ready is True */
bool ctl_pod_available(const cJSON *pod, int64_t min_ready_s, uint64_t now_ms, uint64_t *wait_ms);
bool ctl_deleting(const cJSON *obj);                            /* has a deletionTimestamp */
bool ctl_pod_over(const cJSON *pod);                            /* phase Failed or Succeeded */
const cJSON *ctl_condition(const cJSON *obj, const char *type); /* in status.conditions; NULL */
uint64_t ctl_time_ms(const char *rfc3339);                      /* 0 when it is none */
/* Writes status when it differs from the live one; errors are logged. */
void ctl_write_status(struct store *s, enum plane_kind kind, const cJSON *obj, cJSON *takes_status);

#endif
