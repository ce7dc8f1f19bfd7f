/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The knobs of `reconcile` as one normalized answer: the cluster's, the installation's and the operator configuration's words, with
 * defaults, bounds and floors put in. Workers, governor, plan and render read only this; docs/knobs.md says for each which gate it
 * moves.
 */
#ifndef MODEL_KNOBS_H
#define MODEL_KNOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* What happens when a host that was made or changed does not become ready. */
enum on_failure {
    FAILURE_ABORT,     /* nothing else that serves is taken out until the spec changes */
    FAILURE_IGNORE,    /* the others go on */
    FAILURE_ROLLBACK,  /* update: the host gets its old StatefulSet back, then as abort */
    FAILURE_TAKE_BACK, /* create: the host is scaled to 0 and waits for a change of the spec, then as abort */
};

/* reconcile.cleanup.*: true = Delete. */
struct cleanup_kinds {
    bool statefulset, pvc, configmap, service, secret, pdb;
};

/* Of an installation. */
struct knobs {
    enum on_failure create_failed, update_failed;
    bool recreate_on_data_loss, recreate_on_update; /* statefulSet.recreate.*: false = abort */
    int64_t ready_s;         /* statefulSet.update.timeout: a started host must be ready within this */
    int64_t poll_s;          /* statefulSet.update.pollInterval: the longest pause between two questions to a server */
    int64_t propagation_s;   /* a written ConfigMap is in every pod after this, or its host is late */
    struct cleanup_kinds unknown, failed;
};

/* Of a cluster and its hosts. */
struct cluster_knobs {
    unsigned shards_threads, shards_percent;
    unsigned min_serving; /* replicas of a shard that serve while another one is out; 1 and up */
    bool wait_exclude, wait_queries, wait_include, replicas_all, replicas_new, probe_startup, probe_readiness;
    int64_t replicas_delay_s;
    bool drop_on_delete, drop_on_lost_volume, drop_active;
};

struct fleet;

/* `spec` of the effective resource; the fleet's config and addressing are set already. */
void knobs_of_installation(const struct fleet *f, const cJSON *spec, struct knobs *out);
/* `own`: the cluster's entry. */
void knobs_of_cluster(const struct fleet *f, const cJSON *spec, const cJSON *own, struct cluster_knobs *out);
/* spec.chfleet.hooks with all defaults: [{"name","when","actions":[…],"clusters":[…],"sql":[…],"expect":null|"…",
 * "timeout_s":N,"ignore":bool}]. Caller owns. */
cJSON *knobs_hooks(const cJSON *spec);
/* "1h30m" → seconds; 0 for what is none. */
int64_t knobs_duration(const char *text);
/* reconcile.runtime.reconcileCHIsThreadsNumber: how many installations are worked on at once. Of the configuration alone. */
unsigned knobs_installations(const cJSON *config);

#endif
