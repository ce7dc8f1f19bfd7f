/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole installation in one process: API server (the plane's own core), controllers, kubelets, servers, balancer,
 * clients, observer, and the real supervisor and workers, which can be killed at any moment. One seed, one run.
 */
#ifndef TESTS_SIM_LAB_H
#define TESTS_SIM_LAB_H

#include "journal/journal.h"
#include "kube/kube.h"
#include "plane/api.h"
#include "plane/plane.h"
#include "supervisor/super.h"
#include "tests/sim/hosts.h"
#include "tests/sim/kubelet.h"
#include "tests/sim/observer.h"
#include "tests/sim/sim.h"

struct load;
struct lossy;

/* Misfortunes of watches: extra delay, ended early, half-closed (silent), answered 410. */
struct watch_faults {
    unsigned lag_max_ms, cut_permille, silent_permille, gone_permille;
};

struct held; /* a write that is still on its way to the API server */

struct lab {
    uint64_t seed;
    bool dns;
    struct sim *s;
    struct plane plane;
    struct hosts *hosts;
    struct kubelet *kubelet;
    struct observer *obs;
    struct load *load;
    struct watch_faults watch;
    bool deaf; /* watches tell nothing while this is so; who lists anew sees it */
    /* the product; super_w is NULL while it does not run */
    struct world *super_w;
    struct kube *kube;
    struct journal *journal;
    struct super *super;
    char *journal_dir, *spare_dir; /* when the power goes, the other one gets what was durable */
    struct lossy *disk;            /* under the journal */
    unsigned super_starts;
    uint64_t requests, writes; /* that arrived at the API server */
    char write_log[4096];      /* the last ones */
    /* called after a write of the product was carried out, before its answer leaves; may kill */
    void (*on_write)(void *ctx, const char *method, const char *path);
    /* called after a statement reached a server, before its answer leaves; may kill */
    void (*on_statement)(void *ctx, struct chost *h, const struct world *from, const char *sql);
    /* true: this write stays on its way until lab_let_go(), whatever becomes of who sent it */
    bool (*hold)(void *ctx, const char *method, const char *path, const char *body);
    struct held *held;
    void *hook_ctx;
    const char *lease_ns; /* from the next start on it acts only while it leads; NULL: always */
    const char *config; /* JSON laid over the operator's configuration at the next start; NULL: nothing */
};

/* dns: as on a cluster: hosts are named, files take up to 90 s to reach a pod, balancers follow EndpointSlices; else as
 * in the plane: ports of one address, files at once, slices follow the balancer. */
struct lab *lab_new(uint64_t seed, bool dns);
void lab_free(struct lab *l);

void lab_super_start(struct lab *l);
void lab_super_kill(struct lab *l);           /* with its workers, at once */
void lab_power_fails(struct lab *l);          /* the same, and what its journal has not synced is lost or torn */
void lab_disk_full(struct lab *l, bool full); /* the journal takes nothing */
void lab_super_restart_in(struct lab *l, uint64_t ms); /* starts it again later */
void lab_forget_journal(struct lab *l); /* while it does not run: the next one begins with an empty one */

/* The held writes arrive now. Returns how many were carried out. */
unsigned lab_let_go(struct lab *l);

/* Creates or replaces the spec. Text is JSON. */
void lab_apply(struct lab *l, const char *json);
void lab_delete(struct lab *l, const char *name);
const cJSON *lab_chi(const struct lab *l, const char *name); /* NULL */
/* Runs until the resource's status says Completed for its generation and nothing is under way. */
bool lab_wait_completed(struct lab *l, const char *name, uint64_t limit_ms);
bool lab_wait_gone(struct lab *l, const char *name, uint64_t limit_ms);
bool lab_wait_word(struct lab *l, const char *name, const char *word, uint64_t limit_ms);
void lab_run(struct lab *l, uint64_t ms);

/* The shape all scenarios use: installation "demo", cluster "main". settings and extra may be "". */
struct shape {
    unsigned shards, replicas;
    const char *image, *settings, *extra;            /* extra: members of spec, "…," */
    const char *size, *klass, *provisioner, *volume; /* of the data volumes; volume: their template's name */
    const char *name;                                /* NULL: "demo" */
    bool ephemeral;                                  /* data goes with the pod */
    bool logs;                                       /* a volume of its own for logs */
    bool hooks;                                      /* a statement wherever hooks may have one */
};
char *lab_demo(const struct shape *shape); /* caller frees */

/* ClickHouseKeeperInstallation "keep". */
struct kshape {
    unsigned members;
    const char *image, *settings, *extra;   /* as above */
    const char *size, *klass, *provisioner; /* of its volumes; NULL: the usual ones */
    const char *volume;                     /* its template's name */
    bool volumes, logs;
};
char *lab_keeper(const struct kshape *shape); /* caller frees */

/* app.ev, replicated, and app.ev_all, Distributed, on every host; a few rows. */
void lab_schema(struct lab *l, const char *name);

#define LAB_IMAGE "clickhouse/clickhouse-server:24.3"
#define LAB_NEW_IMAGE "clickhouse/clickhouse-server:24.8"
#define HOURS(n) ((n)*UINT64_C(3600000)) /* ms */
#define LAB_PASSWORD "s1mulated-secret" /* the observer looks for it in everything that is written */

/* simlog.c: the log of all processes of the simulation. */
void simlog_trace(bool on, const struct sim *s);
void simlog_clock(const struct sim *s);
unsigned simlog_leaks(void);  /* lines that held LAB_PASSWORD */
uint64_t simlog_digest(void); /* of all lines so far, with their times: every write and every statement is one */

#endif
