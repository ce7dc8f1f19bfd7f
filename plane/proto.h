/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl's own "create namespace", "create configmap", "drain" … send Kubernetes' protobuf form and nothing else: it
 * is read for the kinds they create. Pure. */
#ifndef PLANE_PROTO_H
#define PLANE_PROTO_H

#include "base/err.h"
#include "base/json.h"

/* "k8s\0" and a runtime.Unknown → the object as JSON. ERR_INPUT: damaged, or a kind that is not read (sys 415). Caller
 * owns. */
cJSON *proto_parse(const char *data, size_t len, struct err *err);

#endif
