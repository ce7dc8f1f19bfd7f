/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of Kubernetes' own types that chfleet reads. All of these objects are open: Kubernetes knows more, and
 * newer versions of it will, so that other keys pass (one that looks like a slip gets a note). */
#include "schema/check_internal.h"
#include "schema/fields_internal.h"

#define K(name, shape)                                                                                                 \
    {                                                                                                                  \
        name, &(shape), 0, NULL, NULL, NULL                                                                            \
    }
#define KR(name, shape)                                                                                                \
    {                                                                                                                  \
        name, &(shape), FIELD_REQUIRED, NULL, NULL, NULL                                                               \
    }
#define KU(name, shape)                                                                                                \
    {                                                                                                                  \
        name, &(shape), FIELD_UNIQUE, NULL, NULL, NULL                                                                 \
    }
#define OPEN_OBJECT(id) static const struct shape id = {.kind = SHAPE_OBJECT, .fields = id##_fields, .open = true}

static const struct shape any_object = {.kind = SHAPE_FREE, .free = FREE_ANY};
LIST(any_objects, any_object);
static const struct shape quantities = {.kind = SHAPE_FREE, .free = FREE_QUANTITIES};
static const struct shape protocol = {.kind = SHAPE_TEXT, .values = "TCP|UDP|SCTP"};

/* ---- metadata ---- */

static const struct field meta_fields[] = {K("labels", schema_labels),  K("annotations", schema_labels),
                                           K("name", schema_text),      K("generateName", schema_text),
                                           K("namespace", schema_text), FIELD_END};
OPEN_OBJECT(meta);

static const struct field own_meta_fields[] = {
    K("name", schema_text),
    K("generateName", schema_text),
    K("namespace", schema_text),
    K("labels", schema_labels),
    K("annotations", schema_labels),
    K("finalizers", schema_texts),
    K("ownerReferences", any_objects),
    K("uid", schema_text),
    K("resourceVersion", schema_text),
    K("generation", schema_integer),
    K("creationTimestamp", schema_text),
    K("deletionTimestamp", schema_text),
    K("deletionGracePeriodSeconds", schema_integer),
    K("selfLink", schema_text),
    K("managedFields", any_objects),
    FIELD_END,
};
const struct shape schema_own_meta = {.kind = SHAPE_OBJECT, .fields = own_meta_fields};

/* ---- pods ---- */

static const struct field env_source_fields[] = {K("secretKeyRef", any_object), K("configMapKeyRef", any_object),
                                                 K("fieldRef", any_object), K("resourceFieldRef", any_object),
                                                 FIELD_END};
OPEN_OBJECT(env_source);
static const struct field env_fields[] = {KR("name", schema_text), K("value", schema_text), K("valueFrom", env_source),
                                          FIELD_END};
OPEN_OBJECT(env);
LIST(envs, env);

static const struct field container_port_fields[] = {KR("containerPort", schema_port),  K("name", schema_text),
                                                     K("hostPort", schema_up_to_65535), K("protocol", protocol),
                                                     K("hostIP", schema_text),          FIELD_END};
OPEN_OBJECT(container_port);
LIST(container_ports, container_port);

static const struct field mount_fields[] = {KR("name", schema_text),
                                            KR("mountPath", schema_text),
                                            K("subPath", schema_text),
                                            K("subPathExpr", schema_text),
                                            K("readOnly", schema_boolean),
                                            K("mountPropagation", schema_text),
                                            FIELD_END};
OPEN_OBJECT(mount);
LIST(mounts, mount);

static const struct field resources_fields[] = {K("limits", quantities), K("requests", quantities),
                                                K("claims", any_objects), FIELD_END};
OPEN_OBJECT(resources);

static const struct field probe_fields[] = {
    K("httpGet", any_object),
    K("tcpSocket", any_object),
    K("exec", any_object),
    K("grpc", any_object),
    K("initialDelaySeconds", schema_integer),
    K("periodSeconds", schema_integer),
    K("timeoutSeconds", schema_integer),
    K("failureThreshold", schema_integer),
    K("successThreshold", schema_integer),
    K("terminationGracePeriodSeconds", schema_integer),
    FIELD_END,
};
OPEN_OBJECT(probe);

static const struct shape pull_policy = {.kind = SHAPE_TEXT, .values = "|Always|Never|IfNotPresent"};
static const struct field container_fields[] = {
    KR("name", schema_text),
    K("image", schema_text),
    K("imagePullPolicy", pull_policy),
    K("command", schema_texts),
    K("args", schema_texts),
    K("workingDir", schema_text),
    K("env", envs),
    K("envFrom", any_objects),
    K("ports", container_ports),
    K("resources", resources),
    K("volumeMounts", mounts),
    K("volumeDevices", any_objects),
    K("livenessProbe", probe),
    K("readinessProbe", probe),
    K("startupProbe", probe),
    K("lifecycle", any_object),
    K("securityContext", any_object),
    K("restartPolicy", schema_text),
    K("stdin", schema_boolean),
    K("stdinOnce", schema_boolean),
    K("tty", schema_boolean),
    K("terminationMessagePath", schema_text),
    K("terminationMessagePolicy", schema_text),
    K("resizePolicy", any_objects),
    FIELD_END,
};
OPEN_OBJECT(container);
LIST(containers, container);

static const struct field volume_fields[] = {
    KR("name", schema_text),    K("emptyDir", any_object),    K("configMap", any_object),
    K("secret", any_object),    K("hostPath", any_object),    K("persistentVolumeClaim", any_object),
    K("projected", any_object), K("downwardAPI", any_object), FIELD_END};
OPEN_OBJECT(volume);
LIST(volumes, volume);

static const struct shape toleration_operator = {.kind = SHAPE_TEXT, .values = "|Exists|Equal|Lt|Gt"};
static const struct shape taint_effect = {.kind = SHAPE_TEXT, .values = "|NoSchedule|PreferNoSchedule|NoExecute"};
static const struct field toleration_fields[] = {
    K("key", schema_text),     K("operator", toleration_operator),     K("value", schema_text),
    K("effect", taint_effect), K("tolerationSeconds", schema_integer), FIELD_END};
OPEN_OBJECT(toleration);
LIST(tolerations, toleration);

static const struct shape dns_policy = {.kind = SHAPE_TEXT,
                                        .values = "|ClusterFirst|ClusterFirstWithHostNet|Default|None"};
static const struct field pod_spec_fields[] = {
    KU("containers", containers),
    KU("initContainers", containers),
    KU("volumes", volumes),
    K("nodeSelector", schema_labels),
    K("affinity", any_object),
    K("tolerations", tolerations),
    K("topologySpreadConstraints", any_objects),
    K("hostNetwork", schema_boolean),
    K("hostPID", schema_boolean),
    K("hostIPC", schema_boolean),
    K("hostUsers", schema_boolean),
    K("hostname", schema_text),
    K("subdomain", schema_text),
    K("dnsPolicy", dns_policy),
    K("dnsConfig", any_object),
    K("terminationGracePeriodSeconds", schema_count),
    K("activeDeadlineSeconds", schema_count),
    K("serviceAccountName", schema_text),
    K("serviceAccount", schema_text),
    K("automountServiceAccountToken", schema_boolean),
    K("securityContext", any_object),
    K("imagePullSecrets", any_objects),
    K("priorityClassName", schema_text),
    K("priority", schema_integer),
    K("preemptionPolicy", schema_text),
    K("schedulerName", schema_text),
    K("schedulingGates", any_objects),
    K("runtimeClassName", schema_text),
    K("restartPolicy", schema_text),
    K("nodeName", schema_text),
    K("hostAliases", any_objects),
    K("readinessGates", any_objects),
    K("resourceClaims", any_objects),
    K("shareProcessNamespace", schema_boolean),
    K("setHostnameAsFQDN", schema_boolean),
    K("enableServiceLinks", schema_boolean),
    K("overhead", quantities),
    K("os", any_object),
    FIELD_END,
};
OPEN_OBJECT(pod_spec);

/* ---- volume claims ---- */

static const struct shape access_mode = {.kind = SHAPE_TEXT,
                                         .values = "ReadWriteOnce|ReadOnlyMany|ReadWriteMany|ReadWriteOncePod"};
LIST(access_modes, access_mode);
static const struct field pvc_spec_fields[] = {
    K("accessModes", access_modes),     K("resources", resources),
    K("storageClassName", schema_text), K("volumeMode", schema_text),
    K("volumeName", schema_text),       K("volumeAttributesClassName", schema_text),
    K("selector", any_object),          K("dataSource", any_object),
    K("dataSourceRef", any_object),     FIELD_END,
};
OPEN_OBJECT(pvc_spec);

/* ---- Services ---- */

static const struct shape int_or_text = {.kind = SHAPE_INT_OR_TEXT};
static const struct shape service_port_number = {
    .kind = SHAPE_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 65534};
static const struct field service_port_fields[] = {
    K("name", schema_text),
    KR("port", service_port_number),
    K("protocol", protocol),
    K("appProtocol", schema_text),
    K("nodePort", schema_up_to_65535),
    K("targetPort", int_or_text),
    FIELD_END,
};
OPEN_OBJECT(service_port);
LIST(service_ports, service_port);

static const struct shape service_type = {.kind = SHAPE_TEXT,
                                          .values = "|ClusterIP|NodePort|LoadBalancer|ExternalName"};
static const struct field service_spec_fields[] = {
    K("type", service_type),
    K("ports", service_ports),
    K("selector", schema_labels),
    K("clusterIP", schema_text),
    K("clusterIPs", schema_texts),
    K("externalIPs", schema_texts),
    K("externalName", schema_text),
    K("externalTrafficPolicy", schema_text),
    K("internalTrafficPolicy", schema_text),
    K("trafficDistribution", schema_text),
    K("ipFamilies", schema_texts),
    K("ipFamilyPolicy", schema_text),
    K("loadBalancerIP", schema_text),
    K("loadBalancerClass", schema_text),
    K("loadBalancerSourceRanges", schema_texts),
    K("allocateLoadBalancerNodePorts", schema_boolean),
    K("healthCheckNodePort", schema_up_to_65535),
    K("publishNotReadyAddresses", schema_boolean),
    K("sessionAffinity", schema_text),
    K("sessionAffinityConfig", any_object),
    FIELD_END,
};
OPEN_OBJECT(service_spec);

/* ---- namespaces of the operator's configuration ---- */

static const struct field namespaces_fields[] = {K("include", schema_texts), K("exclude", schema_texts), FIELD_END};
static const struct shape namespaces = {.kind = SHAPE_OBJECT, .fields = namespaces_fields};

const struct shape *schema_free_shape(enum free_kind free)
{
    static const struct shape *const shapes[] = {
        [FREE_META] = &meta,
        [FREE_POD_SPEC] = &pod_spec,
        [FREE_PVC_SPEC] = &pvc_spec,
        [FREE_SERVICE_SPEC] = &service_spec,
        [FREE_NAMESPACES] = &namespaces,
        [FREE_ANY] = NULL,
    };

    return shapes[free];
}
