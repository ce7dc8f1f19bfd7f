/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of installations as one document, from the resources themselves and, where it can be reached, from the
 * operator's status: that of this machine, or of the pod that leads in the cluster. Shape (kind Status):
 *   {"operator":{"reachable":bool,"address","leader":bool,"why"},
 *    "installations":[{"namespace","name","kind","key","status","error","code","generation","observedGeneration","operation",
 *      "busy":bool,"progress":{"done","total"},"detailed":bool (hosts come from the operator),
 *      "hosts":[{"key","host":"main/0/1","pod","action","step","state","waiting","text","sinceMs" (wall clock),"version",
 *                "image","podImage" (what its pod has now),"tag","ready":bool,"member"}]}]}
 */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/api.h"

/* NULL and err. `names` may be empty = all. ERR_MISSING when a name fits no installation. Caller owns. */
cJSON *status_collect(struct fleet_api *a, const char *const *names, int n_names, struct err *err);

bool status_pod_ready(const cJSON *pod); /* Ready, and not about to go; NULL is not */

/* Is this installation all done at `generation`? 1 yes, 0 not yet, -1 it failed or was refused. */
int status_done(const cJSON *installation, int64_t generation);

struct status_form {
    bool wide;              /* pods and whole images */
    unsigned columns, rows; /* of the screen it must fit in; 0 = no limit */
    uint64_t now_ms;        /* wall clock */
};

/* Text for people, of all installations. Where the rows do not suffice, hosts at work come first and the others are counted. */
void status_print(const cJSON *doc, const struct status_form *form, struct str *out);

#endif
