/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds the plane serves, as one table: discovery, paths, printer columns and rules of each come from here. */
#ifndef PLANE_KINDS_H
#define PLANE_KINDS_H

#include <stdbool.h>
#include <stddef.h>

enum plane_kind {
    PK_NS,
    PK_NODE,
    PK_PV,
    PK_POD,
    PK_SVC,
    PK_ENDPOINTS,
    PK_CM,
    PK_SECRET,
    PK_PVC,
    PK_EVENT,
    PK_SA,
    PK_STS,
    PK_REVISION,
    PK_PDB,
    PK_EPSLICE,
    PK_LEASE,
    PK_STORAGECLASS,
    PK_CRD,
    PK_CHI,
    PK_CHIT,
    PK_CHOPCONF,
    PK_CHK,
    PK_KINDS
};

enum {
    PKF_NAMESPACED = 1,
    PKF_STATUS = 2, /* has a status subresource: writes to the main resource do not touch status, and the reverse */
    PKF_SCALE = 4,
    PKF_GENERATION = 8, /* metadata.generation counts changes of what is not metadata and not status */
    PKF_ALL = 16,       /* in category "all" */
    PKF_CUSTOM = 32,    /* defined by a CRD: no strategic merge, as on a real API server */
    PKF_GRACE = 64,     /* deleted in two steps: deletionTimestamp first, then by the node with grace period 0 */
};

struct plane_kind_info {
    const char *group; /* "" for core */
    const char *version, *plural, *singular, *kind, *short_names /* comma list or "" */;
    unsigned flags;
};

const struct plane_kind_info *plane_kind(enum plane_kind kind);
/* -1 when there is none. events.k8s.io/v1 events are PK_EVENT under another form: see api.c. */
int plane_kind_by_plural(const char *group, const char *version, const char *plural);
int plane_kind_by_kind(const char *group, const char *kind);
bool plane_kind_namespaced(enum plane_kind kind);
const char *plane_kind_api_version(enum plane_kind kind, char *buf, size_t size); /* "v1", "apps/v1" */

#endif
