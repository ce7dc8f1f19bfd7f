/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/kinds.h"

#include <stdio.h>
#include <string.h>

#define CHI_GROUP "clickhouse.altinity.com"
#define CHK_GROUP "clickhouse-keeper.altinity.com"
#define NSD PKF_NAMESPACED

static const struct plane_kind_info kinds[PK_KINDS] = {
    [PK_NS] = {"", "v1", "namespaces", "namespace", "Namespace", "ns", PKF_STATUS},
    [PK_NODE] = {"", "v1", "nodes", "node", "Node", "no", PKF_STATUS},
    [PK_PV] = {"", "v1", "persistentvolumes", "persistentvolume", "PersistentVolume", "pv", PKF_STATUS},
    [PK_POD] = {"", "v1", "pods", "pod", "Pod", "po", NSD | PKF_STATUS | PKF_ALL | PKF_GRACE},
    [PK_SVC] = {"", "v1", "services", "service", "Service", "svc", NSD | PKF_STATUS | PKF_ALL},
    [PK_ENDPOINTS] = {"", "v1", "endpoints", "endpoints", "Endpoints", "ep", NSD},
    [PK_CM] = {"", "v1", "configmaps", "configmap", "ConfigMap", "cm", NSD},
    [PK_SECRET] = {"", "v1", "secrets", "secret", "Secret", "", NSD},
    [PK_PVC] = {"", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", "pvc",
                NSD | PKF_STATUS},
    [PK_EVENT] = {"", "v1", "events", "event", "Event", "ev", NSD},
    [PK_SA] = {"", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", "sa", NSD},
    [PK_STS] = {"apps", "v1", "statefulsets", "statefulset", "StatefulSet", "sts",
                NSD | PKF_STATUS | PKF_SCALE | PKF_GENERATION | PKF_ALL},
    [PK_REVISION] = {"apps", "v1", "controllerrevisions", "controllerrevision", "ControllerRevision", "", NSD},
    [PK_PDB] = {"policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", "pdb",
                NSD | PKF_STATUS | PKF_GENERATION},
    [PK_EPSLICE] = {"discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", "",
                    NSD | PKF_GENERATION},
    [PK_LEASE] = {"coordination.k8s.io", "v1", "leases", "lease", "Lease", "", NSD},
    [PK_STORAGECLASS] = {"storage.k8s.io", "v1", "storageclasses", "storageclass", "StorageClass", "sc", 0},
    [PK_CRD] = {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "customresourcedefinition",
                "CustomResourceDefinition", "crd,crds", PKF_STATUS | PKF_GENERATION},
    [PK_CHI] = {CHI_GROUP, "v1", "clickhouseinstallations", "clickhouseinstallation", "ClickHouseInstallation", "chi",
                NSD | PKF_STATUS | PKF_SCALE | PKF_GENERATION | PKF_CUSTOM},
    [PK_CHIT] = {CHI_GROUP, "v1", "clickhouseinstallationtemplates", "clickhouseinstallationtemplate",
                 "ClickHouseInstallationTemplate", "chit", NSD | PKF_STATUS | PKF_GENERATION | PKF_CUSTOM},
    [PK_CHOPCONF] = {CHI_GROUP, "v1", "clickhouseoperatorconfigurations", "clickhouseoperatorconfiguration",
                     "ClickHouseOperatorConfiguration", "chopconf", NSD | PKF_GENERATION | PKF_CUSTOM},
    [PK_CHK] = {CHK_GROUP, "v1", "clickhousekeeperinstallations", "clickhousekeeperinstallation",
                "ClickHouseKeeperInstallation", "chk",
                NSD | PKF_STATUS | PKF_SCALE | PKF_GENERATION | PKF_CUSTOM},
};

const struct plane_kind_info *plane_kind(enum plane_kind kind)
{
    return &kinds[kind];
}

int plane_kind_by_plural(const char *group, const char *version, const char *plural)
{
    for (int i = 0; i < PK_KINDS; i++)
        if (strcmp(kinds[i].plural, plural) == 0 && strcmp(kinds[i].group, group) == 0 &&
            strcmp(kinds[i].version, version) == 0)
            return i;
    if (strcmp(group, "events.k8s.io") == 0 && strcmp(version, "v1") == 0 && strcmp(plural, "events") == 0)
        return PK_EVENT;
    return -1;
}

int plane_kind_by_kind(const char *group, const char *kind)
{
    for (int i = 0; i < PK_KINDS; i++)
        if (strcmp(kinds[i].kind, kind) == 0 && strcmp(kinds[i].group, group) == 0)
            return i;
    return -1;
}

bool plane_kind_namespaced(enum plane_kind kind)
{
    return kinds[kind].flags & PKF_NAMESPACED;
}

const char *plane_kind_api_version(enum plane_kind kind, char *buf, size_t size)
{
    snprintf(buf, size, "%s%s%s", kinds[kind].group, *kinds[kind].group ? "/" : "", kinds[kind].version);
    return buf;
}
