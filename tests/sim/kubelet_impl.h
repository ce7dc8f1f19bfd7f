/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_KUBELET_IMPL_H
#define TESTS_SIM_KUBELET_IMPL_H

#include "plane/ctl.h"
#include "tests/sim/kubelet.h"
#include "tests/sim/podspec.h"

struct kpod {
    char *ns, *name, *uid, *key;
    const char *container; /* the server's */
    bool keeper, mounted, running, ready, pulled, ending, gone;
    unsigned serial;     /* events of an earlier container do nothing */
    unsigned containers; /* started so far */
    uint64_t started_ms, backoff_ms;
    const char *waiting, *message;
    char *image;        /* Keeper's */
    uint64_t synced_ms; /* it is in sync with its leader from then on */
    struct chost *host; /* NULL: a Keeper member */
    struct kpod *next;
};

/* One Service as the balancer has it now. */
struct lbsvc {
    char *ns, *name;
    struct lbmember {
        char *pod, *uid;
    } * v;
    size_t n;
    uint64_t serial;
    struct lbsvc *next;
};

struct count {
    char *pod;
    unsigned n;
    struct count *next;
};

struct kubelet {
    struct sim *s;
    struct plane *p;
    struct hosts *hosts;
    struct podspec_source source;
    struct kubelet_knobs knobs;
    struct ctl_sts *sts;
    struct ctl_pvc *pvc;
    struct ctl_svc *svc;
    struct ctl_sched *sched;
    struct store_sub *subs[3], *slices;
    struct kpod *pods;
    struct lbsvc *services;
    struct count *counts;
    void (*lb_changed)(void *ctx, const char *ns, const char *name);
    void *lb_ctx;
    unsigned next_port;
    bool deaf; /* to changed annotations */
};

struct kpod *kubelet_pod(struct kubelet *k, const char *key); /* "ns/name"; NULL */
void kubelet_count(struct kubelet *k, const char *pod);
store_change_fn kubelet_slice; /* EndpointSlices tell the balancer */
extern const struct lb_ops kubelet_lb_ops;
void kubelet_lb_free(struct kubelet *k);

#endif
