/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubelets of the simulation, in place of the plane's node agent: pods of the store become containers with seeded
 * delays, restart in place, end gracefully. Also the volumes, the balancer behind Services, and Keeper members. Images
 * say what happens: "…nosuch…" is never pulled, "…crash…" ends at once, "…mute…" starts and never answers.
 */
#ifndef TESTS_SIM_KUBELET_H
#define TESTS_SIM_KUBELET_H

#include "plane/plane.h"
#include "tests/sim/hosts.h"

struct kubelet;

struct kubelet_knobs {
    unsigned pull_max_ms, probe_max_ms; /* until the container starts; until the probe sees that it answers */
    unsigned lb_max_ms;                 /* until the balancer does what it was told */
    unsigned watch_max_ms;              /* until the kubelet sees a change */
};

/* dns: balancers follow EndpointSlices; else slices follow the balancer, as in the plane. */
struct kubelet *kubelet_new(struct sim *s, struct plane *p, struct hosts *hs, bool dns);
void kubelet_free(struct kubelet *k);
struct kubelet_knobs *kubelet_knobs(struct kubelet *k);

/* A server's process ended by itself (hook of the host model). */
void kubelet_exited(struct kubelet *k, struct chost *h, int code);
void kubelet_state(struct kubelet *k, struct chost *h); /* it came up */

/* Crash of a container from outside (not by the product): SIGKILL. */
void kubelet_crash(struct kubelet *k, const char *pod);

/* ---- balancer: who gets new connections of this Service now ---- */
/* Pods "ns/name"; returns how many, at most max. Pointers live until the next event. */
int kubelet_members(struct kubelet *k, const char *ns, const char *service, const char **pods, int max);
bool kubelet_balanced(struct kubelet *k, const char *pod); /* behind any Service that balances */

/* ---- Keeper members: four-letter words ---- */
void kubelet_word(struct kubelet *k, const char *host, unsigned port, const char *word, struct str *answer,
                  struct err *err);
unsigned kubelet_starts(struct kubelet *k, const char *pod); /* containers ever started under this name, Keeper's too */
bool kubelet_runs(struct kubelet *k, const char *pod, const char **image); /* Ready now, with this image */

#endif
