/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds chfleet speaks of: group, version, plural, kind. Also used by the plane's discovery. */
#ifndef KUBE_KINDS_H
#define KUBE_KINDS_H

#include <stdbool.h>

enum kube_kind {
    KUBE_CHI, KUBE_CHIT, KUBE_CHOPCONF, KUBE_CHK,
    KUBE_STS, KUBE_POD, KUBE_SVC, KUBE_CM, KUBE_SECRET, KUBE_PVC, KUBE_PV, KUBE_PDB, KUBE_EPSLICE, KUBE_EVENT, KUBE_LEASE,
    KUBE_NODE, KUBE_NS, KUBE_CRD, KUBE_SA, KUBE_DEPLOYMENT, KUBE_STORAGECLASS,
    KUBE_KINDS
};

struct kube_kind_info {
    const char *group; /* "" for core */
    const char *version, *plural, *singular, *kind, *short_names /* comma list or "" */;
    bool namespaced;
};
const struct kube_kind_info *kube_kind_info(enum kube_kind kind);
int kube_kind_by_name(const char *kind_or_plural_or_short); /* enum kube_kind, or -1 */
/* "/apis/apps/v1/namespaces/NS/statefulsets/NAME"; ns NULL = all namespaces, name NULL = the collection. Caller frees. */
char *kube_path(enum kube_kind kind, const char *ns, const char *name);

#endif
