/* SPDX-License-Identifier: Apache-2.0 */
/* A list of objects that plays the API server for tests of model/ and render/. */
#ifndef TESTS_MODEL_CLUSTER_H
#define TESTS_MODEL_CLUSTER_H

#include "model/fleet.h"
#include "render/compare.h"
#include "render/render.h"

struct cluster_state {
    cJSON *objects;         /* array, owned */
    const char *pod_ips[64];
    const char *version;    /* that runs everywhere; NULL = unknown */
    bool version_of_pods;   /* … only where a pod is there */
    const char *held;       /* held settings text for all hosts */
    const char *out_of_list; /* key of a host that is not listed; NULL = all are */
};

cJSON *test_file_json(const char *dir, const char *name); /* from the source tree; fails the test */
char *test_file_text(const char *dir, const char *name);  /* NULL when there is none */
void test_file_write(const char *dir, const char *name, const char *text);
bool test_updates(void); /* CHFLEET_UPDATE_GOLDEN is set: golden files are written instead of compared */

void cluster_init(struct cluster_state *s, cJSON *objects); /* takes objects */
void cluster_fini(struct cluster_state *s);
const cJSON *cluster_find(const struct cluster_state *s, const char *kind, const char *name);
void cluster_put(struct cluster_state *s, cJSON *object); /* takes; replaces one of the same kind and name */
/* The pod of a StatefulSet as a running cluster has it, made from its template. Caller owns. */
cJSON *cluster_pod(const cJSON *sts, const char *ready_key, const char *ready, const char *started_at);

void cluster_ctx(struct cluster_state *s, struct render_ctx *c);
void cluster_source(struct cluster_state *s, struct facts_source *src);
/* Fleet of the first CHI (or CHK) among the objects; CHITs and CHKs found there are given along. */
int cluster_fleet(struct cluster_state *s, const struct addressing *a, struct fleet **out, struct err *err);
/* Everything that rendering gives for the fleet, in a fixed order. Caller owns. NULL with err. */
cJSON *cluster_render_all(const struct fleet *f, const struct render_ctx *c, struct err *err);
/* Ports 20000 and up by the order of asking; every zookeeper node leads to 127.0.0.1:2181. */
const struct addressing *cluster_endpoints(void);

#endif
