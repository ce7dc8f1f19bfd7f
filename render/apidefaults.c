/* SPDX-License-Identifier: Apache-2.0 */
#include "render/apidefaults.h"

#include <string.h>

#include "base/str.h"

static void text(cJSON *o, const char *key, const char *value)
{
    if (!json_get(o, key))
        json_set_str(o, key, value);
}

static void number(cJSON *o, const char *key, int64_t value)
{
    if (!json_get(o, key))
        json_set_int(o, key, value);
}

static void object(cJSON *o, const char *key)
{
    if (!cJSON_IsObject(json_get(o, key)))
        json_set_obj(o, key);
}

static void http_get(cJSON *handler)
{
    cJSON *get = json_get(handler, "httpGet");

    if (!cJSON_IsObject(get))
        return;
    text(get, "path", "/");
    text(get, "scheme", "HTTP");
}

static void probe(cJSON *p)
{
    cJSON *grpc = json_get(p, "grpc");

    if (!cJSON_IsObject(p))
        return;
    http_get(p);
    if (cJSON_IsObject(grpc))
        text(grpc, "service", "");
    number(p, "timeoutSeconds", 1);
    number(p, "periodSeconds", 10);
    number(p, "successThreshold", 1);
    number(p, "failureThreshold", 3);
}

static const char *pull_policy(const char *image)
{
    const char *slash = strrchr(image, '/'), *tag = strchr(slash ? slash : image, ':');

    if (strchr(image, '@'))
        return "IfNotPresent";
    return !tag || strcmp(tag, ":latest") == 0 ? "Always" : "IfNotPresent";
}

static void container(cJSON *c)
{
    cJSON *v;

    text(c, "terminationMessagePath", "/dev/termination-log");
    text(c, "terminationMessagePolicy", "File");
    text(c, "imagePullPolicy", pull_policy(json_str(c, "image", "")));
    object(c, "resources");
    cJSON_ArrayForEach(v, json_get(c, "ports"))
        text(v, "protocol", "TCP");
    cJSON_ArrayForEach(v, json_get(c, "env")) {
        cJSON *ref = json_at(v, "valueFrom.fieldRef");

        if (cJSON_IsObject(ref))
            text(ref, "apiVersion", "v1");
    }
    probe(json_get(c, "livenessProbe"));
    probe(json_get(c, "readinessProbe"));
    probe(json_get(c, "startupProbe"));
    http_get(json_at(c, "lifecycle.postStart"));
    http_get(json_at(c, "lifecycle.preStop"));
}

static void claim_spec(cJSON *spec)
{
    text(spec, "volumeMode", "Filesystem");
}

static void field_refs(cJSON *items)
{
    cJSON *v;

    cJSON_ArrayForEach(v, items) {
        cJSON *ref = json_get(v, "fieldRef");

        if (cJSON_IsObject(ref))
            text(ref, "apiVersion", "v1");
    }
}

static void projected(cJSON *sources)
{
    cJSON *v;

    cJSON_ArrayForEach(v, sources) {
        cJSON *token = json_get(v, "serviceAccountToken");

        if (cJSON_IsObject(token))
            number(token, "expirationSeconds", 3600);
        field_refs(json_at(v, "downwardAPI.items"));
    }
}

static void volume(cJSON *v)
{
    static const char *const with_mode[] = {"configMap", "secret", "projected", "downwardAPI"};
    cJSON *path = json_get(v, "hostPath"), *claim = json_at(v, "ephemeral.volumeClaimTemplate.spec");

    for (size_t i = 0; i < sizeof with_mode / sizeof *with_mode; i++)
        if (cJSON_IsObject(json_get(v, with_mode[i])))
            number(json_get(v, with_mode[i]), "defaultMode", 0644);
    if (cJSON_IsObject(path))
        text(path, "type", "");
    if (cJSON_IsObject(claim))
        claim_spec(claim);
    field_refs(json_at(v, "downwardAPI.items"));
    projected(json_at(v, "projected.sources"));
}

void apidefaults_pod_spec(cJSON *spec)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    cJSON *v;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        cJSON_ArrayForEach(v, json_get(spec, lists[i]))
            container(v);
    cJSON_ArrayForEach(v, json_get(spec, "volumes"))
        volume(v);
    text(spec, "dnsPolicy", "ClusterFirst");
    text(spec, "restartPolicy", "Always");
    text(spec, "schedulerName", "default-scheduler");
    object(spec, "securityContext");
    number(spec, "terminationGracePeriodSeconds", 30);
    if (*json_str(spec, "serviceAccountName", ""))
        text(spec, "serviceAccount", json_str(spec, "serviceAccountName", ""));
    else if (*json_str(spec, "serviceAccount", ""))
        text(spec, "serviceAccountName", json_str(spec, "serviceAccount", ""));
}

static void statefulset(cJSON *spec)
{
    cJSON *v;

    number(spec, "replicas", 1);
    number(spec, "revisionHistoryLimit", 10);
    text(spec, "podManagementPolicy", "OrderedReady");
    object(spec, "updateStrategy");
    text(json_get(spec, "updateStrategy"), "type", "RollingUpdate");
    object(spec, "persistentVolumeClaimRetentionPolicy");
    text(json_get(spec, "persistentVolumeClaimRetentionPolicy"), "whenDeleted", "Retain");
    text(json_get(spec, "persistentVolumeClaimRetentionPolicy"), "whenScaled", "Retain");
    if (cJSON_IsObject(json_at(spec, "template.spec")))
        apidefaults_pod_spec(json_at(spec, "template.spec"));
    cJSON_ArrayForEach(v, json_get(spec, "volumeClaimTemplates"))
        claim_spec(json_need_obj(v, "spec"));
}

static void service(cJSON *spec)
{
    const char *type = json_str(spec, "type", "ClusterIP");
    cJSON *v;

    text(spec, "type", "ClusterIP");
    text(spec, "sessionAffinity", "None");
    cJSON_ArrayForEach(v, json_get(spec, "ports")) {
        text(v, "protocol", "TCP");
        if (!json_get(v, "targetPort"))
            json_set(v, "targetPort", json_copy(json_get(v, "port")));
    }
    if (strcmp(type, "NodePort") == 0 || strcmp(type, "LoadBalancer") == 0)
        text(spec, "externalTrafficPolicy", "Cluster");
    if (strcmp(type, "LoadBalancer") == 0 && !json_get(spec, "allocateLoadBalancerNodePorts"))
        json_set_bool(spec, "allocateLoadBalancerNodePorts", true);
}

void apidefaults_fill(cJSON *o)
{
    const char *kind = json_str(o, "kind", "");
    cJSON *spec = json_get(o, "spec");

    if (!cJSON_IsObject(spec))
        return;
    if (strcmp(kind, "StatefulSet") == 0)
        statefulset(spec);
    else if (strcmp(kind, "Service") == 0)
        service(spec);
    else if (strcmp(kind, "PersistentVolumeClaim") == 0)
        claim_spec(spec);
}
