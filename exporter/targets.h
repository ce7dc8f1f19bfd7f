/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ClickHouse hosts there are: from the resources of the API server, kept up to date by watches. Nobody has to tell the
 * exporter. A host counts from the moment it served for the first time until its StatefulSet is stopped or gone, so that one
 * that is being made is not taken for one that is down.
 */
#ifndef EXPORTER_TARGETS_H
#define EXPORTER_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/world.h"
#include "base/prom.h"
#include "kube/kube.h"
#include "sql/sql.h"

struct target_host {
    char *cluster, *name;   /* "main", "0-0" */
    char *hostname;         /* label: the Service's name with its domain */
    char *address;          /* where to connect */
    char *sts;
    unsigned tcp, tls, http, https; /* 0 = not open */
    struct prom_labels labels;   /* of every series of this host */
    char *text;             /* the same, as in the text format */
    /* What was seen when it was asked last. */
    struct sql_version version;
    bool version_known, failed;
};

/* One installation. Never changed but for the last fields of its hosts: a new version of the resource makes a new one. */
struct target {
    unsigned refs;
    char *ns, *name;
    cJSON *labels, *annotations; /* as /chi shows them */
    struct target_host *hosts;
    size_t n_hosts;
};
struct target *target_ref(struct target *t);
void target_unref(struct target *t); /* NULL is allowed */

/* How to talk to the hosts of an installation, from the operator's configuration. Borrowed until the next round. */
struct target_access {
    const char *scheme; /* "auto", "http", "https" */
    const char *user, *password;
    struct http_tls trust;
    uint32_t connect_ms, query_ms;
};

struct targets_options {
    const char *const *namespaces; /* as spaces_new() has them; NULL = as the configuration says, else all */
    const char *const *exclude;
    const char *operator_ns;       /* where operator configurations and the Secret of the login are; NULL: no pod */
    const cJSON *config;           /* tree of the operator's configuration file, NULL = none */
};

struct targets;
/* Takes neither world nor client; both outlive it. Options are copied. ERR_INPUT: a namespace's expression is none. */
int targets_new(struct world *w, struct kube *k, const struct targets_options *opt, struct targets **out, struct err *err);
void targets_free(struct targets *t); /* NULL is allowed */
void targets_set_config(struct targets *t, const cJSON *config); /* the file has changed; copies */
/* Is all known that is needed to say something about every host? *why says what is missing, static text. */
bool targets_ready(const struct targets *t, const char **why);
size_t targets_count(const struct targets *t);
struct target *targets_at(const struct targets *t, size_t i); /* borrowed; NULL beyond the last */
/* Does this host run, or should it (see above)? */
bool targets_wanted(const struct targets *t, const struct target *of, const struct target_host *h);
/* False while the login is not known yet. */
bool targets_access(struct targets *t, const struct target *of, struct target_access *out);
/* A host did not accept the login: it is read again soon. */
void targets_refused(struct targets *t, const struct target *of);
uint32_t targets_collect_ms(const struct targets *t); /* limit of one look at all hosts */
/* What GET /chi answers: array of installations with their hosts. Caller owns. */
cJSON *targets_list(const struct targets *t);

#endif
