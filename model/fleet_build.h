/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that make a fleet; nothing outside model/ includes it. */
#ifndef MODEL_FLEET_BUILD_H
#define MODEL_FLEET_BUILD_H

#include "model/fleet.h"

struct build {
    const struct fleet_input *in;
    struct fleet *f;
    const cJSON *spec;
};

void fleet_warn(struct fleet *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* merge.c: templates and resource laid over each other. *used gets the status.usedTemplates list. Caller owns both. */
cJSON *merge_resource(const struct fleet_input *in, const cJSON *config, cJSON *warnings, cJSON **used);

/* layout.c: clusters, shards and hosts with names, settings, files and template names; no ports and volumes yet. */
int layout_make(struct build *b, struct err *err);
/* zookeeper.c: sections of all clusters. */
int zookeeper_make(struct build *b, struct err *err);

/* hosts.c: object names, ports, pod templates, volumes of every host. */
int hosts_make(struct build *b, struct err *err);

/* names.c */
char *names_cut(const char *part, size_t longest);
int names_check(struct build *b, struct err *err);
const cJSON *names_template(const struct fleet *f, const char *list, const char *name); /* entry of spec.templates.<list> */

/* Settings of one level: expands macros of the scope when spec.reconcile.macros says so. `what` is settings, files, … */
int layout_section(struct build *b, struct settings *to, const cJSON *level, const char *what, const char *where,
                   const struct cluster *c, const struct shard *s, const struct host *h, struct err *err);

#endif
