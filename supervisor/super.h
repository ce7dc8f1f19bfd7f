/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: one event loop, the only writer of managed objects and of the journal. It lists and watches, plans,
 * permits, writes down, and lets workers act. It never talks to a database and never blocks. All its state hangs on
 * `struct super`; everything outside is reached through the world, so that the simulation runs this very code.
 */
#ifndef SUPERVISOR_SUPER_H
#define SUPERVISOR_SUPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/world.h"
#include "journal/journal.h"
#include "kube/kube.h"

struct super;

struct super_options {
    const char *data_dir;          /* journal, locks; "" in the simulation */
    const char *config_text;       /* the peer's config.yaml as a tree (JSON text), NULL = built-in defaults */
    const char *config_ns;         /* where ClickHouseOperatorConfigurations count; NULL: nowhere */
    const char *const *namespaces; /* ends with NULL; NULL = those of the configuration, else all; see spaces.h */
    const char *const *exclude;    /* the same, for what is left out */
    const char *identity;          /* for the Lease: pod name or host name and pid */
    const char *lease_ns;          /* NULL: no leader election (embedded) */
    const char *operator_ip;       /* OPERATOR_POD_IP */
    bool look_for_others;          /* Altinity's operator, by its Deployment; not in the simulation */
    const char *build;             /* version text */
    int log_level;                 /* enum log_level that the command line asked for */
    unsigned port_base;            /* endpoints addressing: first port to give out; 0 = 21000 */
    unsigned max_workers;          /* 0 = 150 */
};

/* Takes neither world, kube nor journal: they outlive the supervisor. Work begins on the loop; it acts only while it
 * leads. Options are copied. */
int super_new(struct world *w, struct kube *k, struct journal *j, const struct super_options *opt, struct super **out,
              struct err *err);
/* Stops acting at once; workers are killed (their steps resume from the journal). Does not wait. NULL is allowed. */
void super_free(struct super *s);
/* SIGTERM: asks workers to stop after their current step, calls done within 2 s. */
void super_stop(struct super *s, void (*done)(void *ctx), void *ctx);
/* SIGHUP, changed file: takes a new configuration (JSON text); a bad one is refused and the old one stays. */
int super_reload(struct super *s, const char *config_text, struct err *err);
/* The file could not even be read: it is said as a refusal (log, status, metrics). */
void super_reload_failed(struct super *s, const char *why);

bool super_healthy(const struct super *s, const char **why);
bool super_synced(const struct super *s);
cJSON *super_status(struct super *s);                 /* body of GET /status; caller owns */
void super_metrics(struct super *s, struct str *out); /* Prometheus text, families by name up to clickhouse_operator_… */
void super_target_info(const struct super *s, struct str *out); /* its last family */

#endif
