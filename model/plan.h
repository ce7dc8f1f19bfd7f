/* SPDX-License-Identifier: Apache-2.0 */
/* fleet + facts → plan: per host one action with its reason, tasks, waves, refusals. Pure. `chfleet plan` prints exactly
 * what the supervisor will then do. */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "base/str.h"
#include "model/facts.h"
#include "model/fleet.h"

enum host_action {
    ACT_NONE, ACT_RELOAD, ACT_SOFT_RESTART, ACT_RESTART, ACT_RECREATE, ACT_CREATE, ACT_REMOVE, ACT_RESIZE, ACT_REBUILD,
    ACT_STOP,  /* spec.stop: scale to 0 */
    ACT_START, /* spec.stop taken back, or a StatefulSet found at 0 */
    ACT_JOIN,  /* runs and is right, but is out: only catch up and join (also: clears "out" marks) */
    ACT_MOVE,  /* to new volumes: it starts empty and is filled by its peers */
    HOST_ACTIONS
};
const char *host_action_name(enum host_action a); /* "none", "soft-restart", … */

struct plan_host {
    char *key;
    enum host_action action;
    char *reason;           /* "spec.configuration.settings.max_concurrent_queries: 100 → 150 (and 2 more)" */
    bool single_replica;    /* planned disruption takes the shard's only replica: allowed, warned */
    bool objects;           /* its Service, labels or other metadata differ: written by "prepare", nothing else happens for it */
    bool ordered;           /* restarts because spec.restart orders it; its StatefulSet then gets chfleet.io/restart = restart_token */
    unsigned wave;
};

/* Tasks of one operation, run wave by wave; tasks of one wave run in parallel as the governor allows. */
struct plan_task {
    char *table;            /* "prepare", "finish" (once); "shard", "keeper" (each of its hosts by the table of its action) */
    char *object;           /* "ns/inst/cluster/shard" or the installation's key */
    unsigned wave;
    size_t *hosts;          /* indexes into plan.hosts, in the order they are done */
    size_t n_hosts;
};

/* A wave that is followed by a time of watching (spec.chfleet.waves). */
struct plan_soak {
    unsigned wave;
    int64_t seconds;
};

struct plan {
    char *object;           /* fleet key */
    int64_t generation;
    struct plan_host *hosts; size_t n_hosts;
    struct plan_task *tasks; size_t n_tasks;
    char **refused; size_t n_refused;   /* each says what, why, and the YAML to write; a plan with refusals does nothing */
    char **warnings; size_t n_warnings;
    struct change *common; size_t n_common;
    bool hold_settings;     /* image and settings change together: hosts get their settings one by one */
    bool execute_task_id;   /* rolling restart of this spec.taskID */
    char *restart_token;    /* "task:ID" or "generation:N": what orders the restart now; NULL = nothing does */
    struct plan_soak *soaks; size_t n_soaks;
    bool marks;             /* annotations of ours on shared objects are to be written; nothing else about them */
    bool empty;             /* live equals desired */
};

int plan_make(const struct fleet *f, const struct facts *live, struct plan **out, struct err *err);
void plan_free(struct plan *p);
void plan_freep(struct plan **p);
#define auto_plan __attribute__((cleanup(plan_freep)))
void plan_print(const struct plan *p, struct str *out); /* the text of `chfleet plan` and of plan.txt in golden tests */
cJSON *plan_json(const struct plan *p);                 /* journal form and -o json */
char *plan_hash(const struct plan *p);                  /* what spec.chfleet.approved must be; caller frees */

#endif
