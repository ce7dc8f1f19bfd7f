/* SPDX-License-Identifier: Apache-2.0 */
/* The defaults of the Kubernetes API (1.32) for the kinds the plane serves, so that an object read back looks the same
 * from here and from a cluster. */
#include <string.h>

#include "base/hash.h"
#include "plane/rules.h"

static void dflt_str(cJSON *j, const char *key, const char *value)
{
    if (!json_get(j, key))
        json_set_str(j, key, value);
}

static void dflt_int(cJSON *j, const char *key, int64_t value)
{
    if (!json_get(j, key))
        json_set_int(j, key, value);
}

static void dflt_bool(cJSON *j, const char *key, bool value)
{
    if (!json_get(j, key))
        json_set_bool(j, key, value);
}

static void default_probe(cJSON *probe)
{
    cJSON *get;

    if (!probe)
        return;
    dflt_int(probe, "timeoutSeconds", 1);
    dflt_int(probe, "periodSeconds", 10);
    dflt_int(probe, "successThreshold", 1);
    dflt_int(probe, "failureThreshold", 3);
    if ((get = json_get(probe, "httpGet"))) {
        dflt_str(get, "path", "/");
        dflt_str(get, "scheme", "HTTP");
    }
    if ((get = json_get(probe, "grpc")))
        dflt_str(get, "service", "");
}

static void default_handler(cJSON *handler)
{
    cJSON *get = json_get(handler, "httpGet");

    if (get) {
        dflt_str(get, "path", "/");
        dflt_str(get, "scheme", "HTTP");
    }
}

/* No tag, or the tag latest: look for a newer one each time. */
static const char *pull_policy(const char *image)
{
    const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image, *colon = strrchr(name, ':');

    if (strchr(image, '@'))
        return "IfNotPresent";
    return colon && strcmp(colon, ":latest") != 0 ? "IfNotPresent" : "Always";
}

/* Limits count as requests where no request is given. */
static void default_requests(cJSON *resources)
{
    cJSON *limits = json_get(resources, "limits"), *limit;

    cJSON_ArrayForEach(limit, limits) {
        cJSON *requests = json_need_obj(resources, "requests");

        if (!json_get(requests, limit->string))
            json_set(requests, limit->string, json_copy(limit));
    }
}

static void default_env(cJSON *env)
{
    cJSON *var;

    cJSON_ArrayForEach(var, env) {
        cJSON *ref = json_at(var, "valueFrom.fieldRef"), *res = json_at(var, "valueFrom.resourceFieldRef");

        if (ref)
            dflt_str(ref, "apiVersion", "v1");
        if (res)
            dflt_str(res, "divisor", "0");
    }
}

static void default_container(cJSON *c)
{
    cJSON *port;

    cJSON_ArrayForEach(port, json_get(c, "ports"))
        dflt_str(port, "protocol", "TCP");
    default_env(json_get(c, "env"));
    if (!json_get(c, "resources"))
        json_set_obj(c, "resources");
    default_requests(json_get(c, "resources"));
    default_probe(json_get(c, "livenessProbe"));
    default_probe(json_get(c, "readinessProbe"));
    default_probe(json_get(c, "startupProbe"));
    default_handler(json_at(c, "lifecycle.postStart"));
    default_handler(json_at(c, "lifecycle.preStop"));
    dflt_str(c, "terminationMessagePath", "/dev/termination-log");
    dflt_str(c, "terminationMessagePolicy", "File");
    dflt_str(c, "imagePullPolicy", pull_policy(json_str(c, "image", "")));
}

static void default_downward_items(cJSON *items)
{
    cJSON *item;

    cJSON_ArrayForEach(item, items) {
        cJSON *ref = json_get(item, "fieldRef");

        if (ref)
            dflt_str(ref, "apiVersion", "v1");
    }
}

static void default_volume(cJSON *v)
{
    static const char *const with_mode[] = {"secret", "configMap", "downwardAPI", "projected"};
    static const char *const sources[] = {"hostPath",  "emptyDir",    "secret",    "configMap", "persistentVolumeClaim",
                                          "projected", "downwardAPI", "ephemeral", "csi",       "nfs",
                                          "iscsi",     "fc",          "image"};
    cJSON *source;
    bool any = false;

    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        any = any || json_get(v, sources[i]);
    if (!any)
        json_set_obj(v, "emptyDir");
    for (size_t i = 0; i < sizeof with_mode / sizeof *with_mode; i++)
        if ((source = json_get(v, with_mode[i])))
            dflt_int(source, "defaultMode", 420);
    if ((source = json_get(v, "hostPath")))
        dflt_str(source, "type", "");
    default_downward_items(json_at(v, "downwardAPI.items"));
    cJSON_ArrayForEach(source, json_at(v, "projected.sources"))
        default_downward_items(json_at(source, "downwardAPI.items"));
}

static void default_host_ports(cJSON *spec)
{
    cJSON *c, *port;

    if (!json_bool(spec, "hostNetwork", false))
        return;
    cJSON_ArrayForEach(c, json_get(spec, "containers"))
        cJSON_ArrayForEach(port, json_get(c, "ports"))
            dflt_int(port, "hostPort", json_int(port, "containerPort", 0));
}

void rules_default_pod_spec(cJSON *spec)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
    const char *account = json_str(spec, "serviceAccountName", json_str(spec, "serviceAccount", NULL));
    cJSON *item;

    if (!spec)
        return;
    for (size_t i = 0; i < 3; i++)
        cJSON_ArrayForEach(item, json_get(spec, lists[i]))
            default_container(item);
    cJSON_ArrayForEach(item, json_get(spec, "volumes"))
        default_volume(item);
    dflt_str(spec, "restartPolicy", "Always");
    dflt_int(spec, "terminationGracePeriodSeconds", 30);
    dflt_str(spec, "dnsPolicy", "ClusterFirst");
    dflt_str(spec, "schedulerName", "default-scheduler");
    if (!json_get(spec, "securityContext"))
        json_set_obj(spec, "securityContext");
    if (account) {
        dflt_str(spec, "serviceAccountName", account);
        dflt_str(spec, "serviceAccount", account);
    }
    default_host_ports(spec);
}

static void default_pod(cJSON *pod)
{
    cJSON *spec = json_get(pod, "spec");

    rules_default_pod_spec(spec);
    if (spec) { /* for pods themselves, not for templates */
        dflt_bool(spec, "enableServiceLinks", true);
        dflt_str(spec, "preemptionPolicy", "PreemptLowerPriority");
        dflt_int(spec, "priority", 0);
        if (!json_get(spec, "serviceAccountName")) {
            json_set_str(spec, "serviceAccountName", "default");
            json_set_str(spec, "serviceAccount", "default");
        }
    }
}

static void default_claim_spec(cJSON *spec)
{
    if (!spec)
        return;
    dflt_str(spec, "volumeMode", "Filesystem");
    default_requests(json_get(spec, "resources"));
}

static void default_statefulset(cJSON *obj)
{
    cJSON *spec = json_get(obj, "spec"), *strategy, *keep, *claim;

    if (!spec)
        return;
    rules_default_pod_spec(json_at(spec, "template.spec"));
    dflt_str(spec, "podManagementPolicy", "OrderedReady");
    strategy = json_need_obj(spec, "updateStrategy");
    dflt_str(strategy, "type", "RollingUpdate");
    if (strcmp(json_str(strategy, "type", ""), "RollingUpdate") == 0)
        dflt_int(json_need_obj(strategy, "rollingUpdate"), "partition", 0);
    keep = json_need_obj(spec, "persistentVolumeClaimRetentionPolicy");
    dflt_str(keep, "whenDeleted", "Retain");
    dflt_str(keep, "whenScaled", "Retain");
    dflt_int(spec, "replicas", 1);
    dflt_int(spec, "revisionHistoryLimit", 10);
    dflt_str(spec, "serviceName", "");
    cJSON_ArrayForEach(claim, json_get(spec, "volumeClaimTemplates")) {
        dflt_str(claim, "apiVersion", "v1");
        dflt_str(claim, "kind", "PersistentVolumeClaim");
        default_claim_spec(json_get(claim, "spec"));
        if (!json_get(claim, "status"))
            json_set_str(json_need_obj(claim, "status"), "phase", "Pending");
    }
}

static void default_service_ports(cJSON *spec)
{
    cJSON *port;

    cJSON_ArrayForEach(port, json_get(spec, "ports")) {
        cJSON *number = json_get(port, "port");

        dflt_str(port, "protocol", "TCP");
        if (!json_get(port, "targetPort") && number)
            json_set(port, "targetPort", json_copy(number));
    }
}

/* Pods share the machine's network, so every ClusterIP is the loopback address. */
static void default_cluster_ip(cJSON *spec)
{
    const char *ip = json_str(spec, "clusterIP", "127.0.0.1");

    dflt_str(spec, "clusterIP", ip);
    if (!json_get(spec, "clusterIPs"))
        json_add_str(json_set_arr(spec, "clusterIPs"), ip);
    if (!json_get(spec, "ipFamilies"))
        json_add_str(json_set_arr(spec, "ipFamilies"), "IPv4");
    dflt_str(spec, "ipFamilyPolicy", "SingleStack");
    dflt_str(spec, "internalTrafficPolicy", "Cluster");
}

static void default_service(cJSON *obj)
{
    cJSON *spec = json_need_obj(obj, "spec");
    const char *type;

    dflt_str(spec, "type", "ClusterIP");
    dflt_str(spec, "sessionAffinity", "None");
    default_service_ports(spec);
    type = json_str(spec, "type", "");
    if (strcmp(type, "ExternalName") != 0)
        default_cluster_ip(spec);
    if (strcmp(type, "LoadBalancer") == 0) {
        dflt_bool(spec, "allocateLoadBalancerNodePorts", true);
        dflt_str(spec, "externalTrafficPolicy", "Cluster");
    } else if (strcmp(type, "NodePort") == 0) {
        dflt_str(spec, "externalTrafficPolicy", "Cluster");
    }
}

/* stringData is for writing only: it ends up in data. */
static void default_secret(cJSON *obj)
{
    cJSON *plain = cJSON_DetachItemFromObjectCaseSensitive(obj, "stringData"), *item;

    cJSON_ArrayForEach(item, plain)
        if (cJSON_IsString(item)) {
            char *text = hash_base64(item->valuestring, strlen(item->valuestring));

            json_set_str(json_need_obj(obj, "data"), item->string, text);
            cJSON_free(text);
        }
    cJSON_Delete(plain);
    dflt_str(obj, "type", "Opaque");
}

static void default_namespace(cJSON *obj)
{
    cJSON *spec = json_need_obj(obj, "spec");
    cJSON *labels = json_need_obj(json_need_obj(obj, "metadata"), "labels");

    if (!json_get(spec, "finalizers"))
        json_add_str(json_set_arr(spec, "finalizers"), "kubernetes");
    json_set_str(labels, "kubernetes.io/metadata.name", json_name(obj));
}

static void default_slice(cJSON *obj)
{
    cJSON *port;

    cJSON_ArrayForEach(port, json_get(obj, "ports")) {
        dflt_str(port, "name", "");
        dflt_str(port, "protocol", "TCP");
    }
}

static void default_endpoints(cJSON *obj)
{
    cJSON *subset, *port;

    cJSON_ArrayForEach(subset, json_get(obj, "subsets"))
        cJSON_ArrayForEach(port, json_get(subset, "ports"))
            dflt_str(port, "protocol", "TCP");
}

void rules_defaults(enum plane_kind kind, cJSON *obj)
{
    cJSON *spec = json_get(obj, "spec");

    switch (kind) {
    case PK_NS:
        default_namespace(obj);
        break;
    case PK_POD:
        default_pod(obj);
        break;
    case PK_STS:
        default_statefulset(obj);
        break;
    case PK_SVC:
        default_service(obj);
        break;
    case PK_PVC:
        default_claim_spec(spec);
        break;
    case PK_PV:
        if (spec) {
            dflt_str(spec, "persistentVolumeReclaimPolicy", "Retain");
            dflt_str(spec, "volumeMode", "Filesystem");
        }
        break;
    case PK_SECRET:
        default_secret(obj);
        break;
    case PK_EPSLICE:
        default_slice(obj);
        break;
    case PK_ENDPOINTS:
        default_endpoints(obj);
        break;
    case PK_STORAGECLASS:
        dflt_str(obj, "reclaimPolicy", "Delete");
        dflt_str(obj, "volumeBindingMode", "Immediate");
        break;
    default:
        break;
    }
}

void rules_carry_over(enum plane_kind kind, cJSON *obj, const cJSON *old)
{
    static const char *const service[] = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"};
    cJSON *spec = json_get(obj, "spec");
    const cJSON *before = json_get(old, "spec");

    if (kind != PK_SVC || !spec || json_get(spec, "clusterIP") ||
        str_eq(json_str(spec, "type", "ClusterIP"), "ExternalName"))
        return;
    for (int i = 0; i < 4; i++)
        if (!json_get(spec, service[i]) && json_get(before, service[i]))
            json_set(spec, service[i], json_copy(json_get(before, service[i])));
}

/* ---- first status ---- */

static bool has_resources(const cJSON *c, const char *what)
{
    const cJSON *r = json_at(c, what);

    return json_get(r, "cpu") || json_get(r, "memory");
}

static bool is_guaranteed(const cJSON *c)
{
    static const char *const names[] = {"cpu", "memory"};

    for (int i = 0; i < 2; i++) {
        const cJSON *limit = json_get(json_at(c, "resources.limits"), names[i]);

        if (!limit || !json_same(limit, json_get(json_at(c, "resources.requests"), names[i])))
            return false;
    }
    return true;
}

const char *rules_qos(const cJSON *pod_spec)
{
    static const char *const lists[] = {"initContainers", "containers"};
    bool any = false, all = true;
    const cJSON *c;

    for (int i = 0; i < 2; i++)
        cJSON_ArrayForEach(c, json_get(pod_spec, lists[i])) {
            any = any || has_resources(c, "resources.requests") || has_resources(c, "resources.limits");
            all = all && is_guaranteed(c);
        }
    return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

cJSON *rules_first_status(enum plane_kind kind, const cJSON *obj)
{
    cJSON *status = cJSON_CreateObject();

    switch (kind) {
    case PK_NS:
        json_set_str(status, "phase", "Active");
        return status;
    case PK_POD:
        json_set_str(status, "phase", "Pending");
        json_set_str(status, "qosClass", rules_qos(json_get(obj, "spec")));
        return status;
    case PK_PVC:
    case PK_PV:
        json_set_str(status, "phase", "Pending");
        return status;
    case PK_SVC:
        json_set_obj(status, "loadBalancer");
        return status;
    case PK_STS:
        json_set_int(status, "replicas", 0);
        json_set_int(status, "availableReplicas", 0);
        return status;
    case PK_PDB:
        json_set_int(status, "disruptionsAllowed", 0);
        json_set_int(status, "currentHealthy", 0);
        json_set_int(status, "desiredHealthy", 0);
        json_set_int(status, "expectedPods", 0);
        return status;
    default:
        cJSON_Delete(status);
        return NULL;
    }
}
