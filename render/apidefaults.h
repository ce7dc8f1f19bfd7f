/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server fills in when an object leaves it out: only with these filled in can a rendered object be compared
 * with a live one. */
#ifndef RENDER_APIDEFAULTS_H
#define RENDER_APIDEFAULTS_H

#include "base/json.h"

/* In place: StatefulSet, Service, PersistentVolumeClaim, PodDisruptionBudget; other kinds stay as they are. */
void apidefaults_fill(cJSON *object);
void apidefaults_pod_spec(cJSON *spec);

#endif
