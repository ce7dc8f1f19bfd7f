/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture of what is live around one installation, in the form planning needs it: by this the command line plans with the
 * same functions as the operator. Nothing is written.
 */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "cli/api.h"
#include "model/plan.h"
#include "render/compare.h"
#include "render/render.h"

struct live;

/* Reads namespace `ns`: templates (of all namespaces, where that is allowed), keepers, and the objects of all installations in
 * it; operator configurations of `operator_ns` (NULL: where the installations' status says that the operator is). `config` is
 * the tree of the operator's configuration file, or NULL. */
int live_read(struct fleet_api *a, const char *ns, const char *operator_ns, const cJSON *config, struct live **out,
              struct err *err);
void live_free(struct live *l);

/* The resource as it is, or NULL. Borrowed. */
const cJSON *live_resource(const struct live *l, enum kube_kind kind, const char *name);
/* The same of any namespace that was read. */
const cJSON *live_object(const struct live *l, enum kube_kind kind, const char *ns, const char *name);
/* From here on this resource counts instead of the one that is live (chfleet plan -f). Copies. */
void live_replace(struct live *l, enum kube_kind kind, const cJSON *resource);
/* Names of all installations of a kind. */
const cJSON *live_list(const struct live *l, enum kube_kind kind);

/* Why chfleetd would change nothing in this namespace now: Altinity's operator runs. Borrowed; NULL: it does not, as far as the
 * Deployments that may be seen say. */
const char *live_blocked(const struct live *l);

/* The plan for one installation (CHI or CHK). *fleet lives until fleet_free(). */
int live_plan(struct live *l, enum kube_kind kind, const char *name, struct plan **out, struct err *err);

#endif
