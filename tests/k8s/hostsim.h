/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in for kubelets, servers, Keeper and DNS on simulated nodes. Pods of ClickHouse and Keeper hosts become the
 * server models of the simulation (tests/sim/hosts.h), in real time and reachable: each pod has an address of its own, on
 * which the model answers HTTP, and HTTPS where its configuration opens that port; Keeper members speak ZooKeeper's protocol and its four-letter words; names of Services resolve.
 * Statuses of these pods are written as a kubelet writes them: containers have IDs, restart in place, back off, end
 * gracefully. All other pods are KWOK's.
 */
#ifndef TESTS_K8S_HOSTSIM_H
#define TESTS_K8S_HOSTSIM_H

#include <event2/event.h>
#include <netinet/in.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/world_real.h"
#include "kube/kube.h"
#include "tests/sim/hosts.h"
#include "tests/sim/podspec.h"

struct hostsim;

/* A pod of ours, as long as its UID lives. */
struct hpod {
    struct hostsim *hs;
    char *ns, *name, *uid, *key, *ip, *image;
    char *cluster; /* "ns/installation/cluster": of whom it is a member */
    char *shard;   /* "ns/installation/cluster/shard" */
    bool keeper, mounted, pulled, running, ready, ending, gone;
    bool writing, write_again;
    unsigned serial;     /* events of an earlier container do nothing */
    unsigned containers; /* started so far */
    uint64_t started_wall_ms, started_ms, backoff_ms;
    const char *waiting, *message;
    int exit_code; /* of the last process; -1: none */
    struct chost *host; /* NULL: Keeper */
    struct hpod *next, *next_named;
};

struct hostsim_options {
    const char *kubeconfig, *subnet; /* "10.72" */
    unsigned control_port, dns_port; /* 0: none */
    unsigned probe_ms, pull_ms;      /* until a server that answers counts as ready; until a container starts */
    unsigned resize_ms;              /* until a volume has its new size */
};

struct hs_server;
struct hs_member;

enum { POD_BUCKETS = 4096 };

struct hostsim {
    struct world *w;
    struct event_base *base;
    struct kube *kube;
    struct sim *sim;
    struct hosts *hosts;
    struct hostsim_options o;
    struct podspec_source source;
    struct kube_cache *pods, *configmaps, *claims, *services, *volumes;
    struct hpod *list, *named[POD_BUCKETS]; /* the same by key: thousands of names are resolved each second */
    unsigned next_ip;
    struct hs_server *servers;
    struct hs_tls *tls;
    struct hs_member *members;
    struct {
        bool on_purpose; /* the test itself kills a server now */
        uint64_t starts, breaches, stopped_served, stopped_listed, unknown;
        cJSON *notes;  /* what was wrong: at most 100 sentences */
        cJSON *armed;  /* "ns/installation/cluster/shard" that have had two serving replicas */
        cJSON *secure; /* pod "ns/name" → requests that came over TLS */
        cJSON *counts; /* pod "ns/name" → processes ever begun under this name */
    } seen;
    /* what pods are told to do, by the control page: "ns/name" → {"hang": true, …} */
    cJSON *orders;
};

/* hostsim_world.c: the clock and the answers that tests/sim/hosts.c asks for */
struct sim *hs_sim_new(struct world *w);
void hs_sim_free(struct sim *s);

/* hostsim_pods.c: the kubelet */
void pods_start(struct hostsim *hs);
void pods_state(struct hostsim *hs, struct chost *h, enum chost_state was);
void pods_exited(struct hostsim *hs, struct chost *h, int code);
struct hpod *pods_by_key(struct hostsim *hs, const char *key); /* that is not gone; NULL */
struct hpod *pods_by_ip(struct hostsim *hs, const char *ip);
unsigned pods_port(struct hostsim *hs, const struct hpod *p, const char *name); /* of the container; 0 */
bool pods_crash(struct hostsim *hs, struct hpod *p);

/* hostsim_volumes.c: storage of class "simulated" */
void volumes_claim(struct hostsim *hs, enum kube_change what, const cJSON *old, const cJSON *claim);
kube_change_fn volumes_volume;

/* hostsim_watch.c: is anything harmed? */
void watch_state(struct hostsim *hs, struct chost *h, enum chost_state was);
void watch_note(struct hostsim *hs, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* hostsim_http.c: servers' HTTP ports and the control page */
void http_open(struct hostsim *hs, struct chost *h);
void http_close(struct hostsim *hs, struct chost *h);
int control_open(struct hostsim *hs, struct err *err);
cJSON *order_of(struct hostsim *hs, const char *key, const char *what); /* NULL: no such order */

/* hostsim_keeper.c */
void keeper_open(struct hostsim *hs, struct hpod *p); /* listens while the pod runs */
void keeper_close(struct hostsim *hs, struct hpod *p);
int ensemble_open(struct hostsim *hs, struct err *err); /* one that is always there, at .255.254:2181 */

/* hostsim_dns.c */
int dns_open(struct hostsim *hs, struct err *err);
/* Addresses of pods behind a name, as seen from namespace ns; at most max. */
int dns_pods(struct hostsim *hs, const char *ns, const char *name, struct hpod **out, int max);

#endif
