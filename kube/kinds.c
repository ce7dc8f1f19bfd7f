/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/impl.h"

#define CH "clickhouse.altinity.com"

static const struct kube_kind_info kinds[KUBE_KINDS] = {
    [KUBE_CHI] = {CH, "v1", "clickhouseinstallations", "clickhouseinstallation", "ClickHouseInstallation", "chi", true},
    [KUBE_CHIT] = {CH, "v1", "clickhouseinstallationtemplates", "clickhouseinstallationtemplate",
                   "ClickHouseInstallationTemplate", "chit", true},
    [KUBE_CHOPCONF] = {CH, "v1", "clickhouseoperatorconfigurations", "clickhouseoperatorconfiguration",
                       "ClickHouseOperatorConfiguration", "chopconf", true},
    [KUBE_CHK] = {"clickhouse-keeper.altinity.com", "v1", "clickhousekeeperinstallations",
                  "clickhousekeeperinstallation", "ClickHouseKeeperInstallation", "chk", true},
    [KUBE_STS] = {"apps", "v1", "statefulsets", "statefulset", "StatefulSet", "sts", true},
    [KUBE_POD] = {"", "v1", "pods", "pod", "Pod", "po", true},
    [KUBE_SVC] = {"", "v1", "services", "service", "Service", "svc", true},
    [KUBE_CM] = {"", "v1", "configmaps", "configmap", "ConfigMap", "cm", true},
    [KUBE_SECRET] = {"", "v1", "secrets", "secret", "Secret", "", true},
    [KUBE_PVC] = {"", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", "pvc", true},
    [KUBE_PV] = {"", "v1", "persistentvolumes", "persistentvolume", "PersistentVolume", "pv", false},
    [KUBE_PDB] = {"policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", "pdb", true},
    [KUBE_EPSLICE] = {"discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", "", true},
    [KUBE_EVENT] = {"", "v1", "events", "event", "Event", "ev", true},
    [KUBE_LEASE] = {"coordination.k8s.io", "v1", "leases", "lease", "Lease", "", true},
    [KUBE_NODE] = {"", "v1", "nodes", "node", "Node", "no", false},
    [KUBE_NS] = {"", "v1", "namespaces", "namespace", "Namespace", "ns", false},
    [KUBE_CRD] = {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "customresourcedefinition",
                  "CustomResourceDefinition", "crd,crds", false},
    [KUBE_SA] = {"", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", "sa", true},
    [KUBE_DEPLOYMENT] = {"apps", "v1", "deployments", "deployment", "Deployment", "deploy", true},
    [KUBE_STORAGECLASS] = {"storage.k8s.io", "v1", "storageclasses", "storageclass", "StorageClass", "sc", false},
};

const struct kube_kind_info *kube_kind_info(enum kube_kind kind)
{
    return &kinds[kind];
}

static bool in_list(const char *list, const char *name)
{
    size_t n = strlen(name);

    while (*list) {
        size_t m = strcspn(list, ",");

        if (m == n && strncasecmp(list, name, n) == 0)
            return true;
        list += m + (list[m] == ',');
    }
    return false;
}

int kube_kind_by_name(const char *name)
{
    size_t plain = strcspn(name, ".");
    auto_free char *first = mem_strn(name, plain);

    if (!*first)
        return -1;
    for (int i = 0; i < KUBE_KINDS; i++) {
        const struct kube_kind_info *k = &kinds[i];

        if (name[plain] == '.' && strcasecmp(name + plain + 1, k->group) != 0)
            continue; /* "statefulsets.apps" names its group too */
        if (strcasecmp(first, k->kind) == 0 || strcasecmp(first, k->plural) == 0 ||
            strcasecmp(first, k->singular) == 0 || in_list(k->short_names, first))
            return i;
    }
    return -1;
}

void kube_url_add(struct str *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c))
            str_addc(out, *p);
        else
            str_addf(out, "%%%02X", c);
    }
}

char *kube_path(enum kube_kind kind, const char *ns, const char *name)
{
    const struct kube_kind_info *k = &kinds[kind];
    struct str s = STR_INIT;

    if (*k->group)
        str_addf(&s, "/apis/%s/%s/", k->group, k->version);
    else
        str_addf(&s, "/api/%s/", k->version);
    if (k->namespaced && ns) {
        str_add(&s, "namespaces/");
        kube_url_add(&s, ns);
        str_addc(&s, '/');
    }
    str_add(&s, k->plural);
    if (name) {
        str_addc(&s, '/');
        kube_url_add(&s, name);
    }
    return str_take(&s);
}

char *kube_what(enum kube_kind kind, const char *ns, const char *name)
{
    const struct kube_kind_info *k = &kinds[kind];

    if (!k->namespaced)
        ns = NULL;
    if (name)
        return mem_printf("%s %s%s%s", k->kind, ns ? ns : "", ns ? "/" : "", name);
    return ns ? mem_printf("%s of namespace %s", k->plural, ns) : mem_str(k->plural);
}
