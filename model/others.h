/* SPDX-License-Identifier: Apache-2.0 */
/* Altinity's clickhouse-operator, which must not act on the same installations at the same time: how its Deployment is known
 * (as its bundle, its chart and mirrors of its image make it), whether it runs, and where it may act. */
#ifndef MODEL_OTHERS_H
#define MODEL_OTHERS_H

#include "base/json.h"

/* Does this Deployment run Altinity's operator, at whatever number of replicas? */
bool others_is(const cJSON *deployment);
/* Replicas that are wanted or still there. */
int64_t others_replicas(const cJSON *deployment);
/* May it act in this namespace? By its environment (WATCH_NAMESPACE, WATCH_NAMESPACES, WATCH_NAMESPACES_EXCLUDE); what that
 * does not say, its configuration file may: then it may. */
bool others_acts_in(const cJSON *deployment, const char *ns);
/* What has to be done before chfleet may act, for people. Caller frees. */
char *others_advice(const cJSON *deployment);
/* Only what the functions above look at; of another Deployment nothing but its name. Changes in place. */
void others_compact(cJSON *deployment);

#endif
