/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field notation: "name:T" where T is
 *   s text, left out when ""; S text, kept when ""; b boolean, left out when false; B boolean, kept
 *   i integer, left out when 0; I integer, kept; q quantity; o integer or text; t time; y base64 bytes; * anything
 *   Name    another row; [T] list; {T} map with text keys
 * followed by ~key (strategic merge by this key; ~. merges scalars) and/or ! (required).
 */
#include "plane/types.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define CORE "api.core.v1"
#define APPS "api.apps.v1"
#define META "apimachinery.pkg.apis.meta.v1"
#define TOP "apiVersion:s kind:s metadata:ObjectMeta "
#define COND "type:s! status:s! reason:s message:s lastTransitionTime:t "

static const struct type_row rows[] = {
    {"ObjectMeta", META,
     "name:s generateName:s namespace:s selfLink:s uid:s resourceVersion:s generation:i creationTimestamp:t "
     "deletionTimestamp:t "
     "deletionGracePeriodSeconds:I labels:{s} annotations:{S} ownerReferences:[OwnerReference]~uid finalizers:[s]~. "
     "managedFields:[*]"},
    {"OwnerReference", META, "apiVersion:s! kind:s! name:s! uid:s! controller:B blockOwnerDeletion:B"},
    {"LabelSelector", META, "matchLabels:{S} matchExpressions:[LabelSelectorRequirement]"},
    {"LabelSelectorRequirement", META, "key:s! operator:s! values:[S]"},
    {"Condition", META, COND "observedGeneration:i"},

    {"Namespace", CORE, TOP "spec:NamespaceSpec status:NamespaceStatus"},
    {"NamespaceSpec", CORE, "finalizers:[s]"},
    {"NamespaceStatus", CORE, "phase:s conditions:[NamespaceCondition]~type"},
    {"NamespaceCondition", CORE, COND},

    {"Node", CORE, TOP "spec:NodeSpec status:NodeStatus"},
    {"NodeSpec", CORE,
     "podCIDR:s podCIDRs:[s]~. providerID:s unschedulable:b taints:[Taint] externalID:s configSource:*"},
    {"Taint", CORE, "key:s! value:s effect:s! timeAdded:t"},
    {"NodeStatus", CORE,
     "capacity:{q} allocatable:{q} phase:s conditions:[NodeCondition]~type addresses:[NodeAddress]~type "
     "daemonEndpoints:* "
     "nodeInfo:NodeSystemInfo images:[*] volumesInUse:[s] volumesAttached:[*] config:* runtimeHandlers:[*] features:*"},
    {"NodeCondition", CORE, COND "lastHeartbeatTime:t"},
    {"NodeAddress", CORE, "type:s! address:s!"},
    {"NodeSystemInfo", CORE,
     "machineID:S systemUUID:S bootID:S kernelVersion:S osImage:S containerRuntimeVersion:S kubeletVersion:S "
     "kubeProxyVersion:S "
     "operatingSystem:S architecture:S swap:*"},

    {"PersistentVolume", CORE, TOP "spec:PersistentVolumeSpec status:PersistentVolumeStatus"},
    {"PersistentVolumeSpec", CORE,
     "capacity:{q} accessModes:[s] claimRef:ObjectReference persistentVolumeReclaimPolicy:s storageClassName:s "
     "mountOptions:[s] "
     "volumeMode:S nodeAffinity:VolumeNodeAffinity hostPath:HostPathVolumeSource local:LocalVolumeSource csi:* nfs:* "
     "volumeAttributesClassName:S"},
    {"VolumeNodeAffinity", CORE, "required:NodeSelector"},
    {"LocalVolumeSource", CORE, "path:s! fsType:S"},
    {"PersistentVolumeStatus", CORE, "phase:s message:s reason:s lastPhaseTransitionTime:t"},
    {"ObjectReference", CORE, "kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s"},
    {"LocalObjectReference", CORE, "name:s"},
    {"TypedLocalObjectReference", CORE, "apiGroup:S kind:s! name:s!"},
    {"TypedObjectReference", CORE, "apiGroup:S kind:s! name:s! namespace:S"},

    {"PersistentVolumeClaim", CORE, TOP "spec:PersistentVolumeClaimSpec status:PersistentVolumeClaimStatus"},
    {"PersistentVolumeClaimSpec", CORE,
     "accessModes:[s] selector:LabelSelector resources:VolumeResourceRequirements volumeName:s storageClassName:S "
     "volumeMode:S "
     "dataSource:TypedLocalObjectReference dataSourceRef:TypedObjectReference volumeAttributesClassName:S"},
    {"VolumeResourceRequirements", CORE, "limits:{q} requests:{q}"},
    {"PersistentVolumeClaimStatus", CORE,
     "phase:s accessModes:[s] capacity:{q} conditions:[PersistentVolumeClaimCondition]~type allocatedResources:{q} "
     "allocatedResourceStatuses:{s} currentVolumeAttributesClassName:S modifyVolumeStatus:*"},
    {"PersistentVolumeClaimCondition", CORE, COND "lastProbeTime:t"},

    {"Pod", CORE, TOP "spec:PodSpec status:PodStatus"},
    {"PodTemplateSpec", CORE, "metadata:ObjectMeta spec:PodSpec"},
    {"PodSpec", CORE,
     "volumes:[Volume]~name initContainers:[Container]~name containers:[Container]~name! "
     "ephemeralContainers:[EphemeralContainer]~name "
     "restartPolicy:s terminationGracePeriodSeconds:I activeDeadlineSeconds:I dnsPolicy:s nodeSelector:{S} "
     "serviceAccountName:s "
     "serviceAccount:s automountServiceAccountToken:B nodeName:s hostNetwork:b hostPID:b hostIPC:b "
     "shareProcessNamespace:B "
     "securityContext:PodSecurityContext imagePullSecrets:[LocalObjectReference]~name hostname:s subdomain:s "
     "affinity:Affinity "
     "schedulerName:s tolerations:[Toleration] hostAliases:[HostAlias]~ip priorityClassName:s priority:I "
     "dnsConfig:PodDNSConfig "
     "readinessGates:[PodReadinessGate] runtimeClassName:S enableServiceLinks:B preemptionPolicy:S overhead:{q} "
     "topologySpreadConstraints:[TopologySpreadConstraint]~topologyKey setHostnameAsFQDN:B os:PodOS hostUsers:B "
     "schedulingGates:[PodSchedulingGate]~name resourceClaims:[*] resources:ResourceRequirements"},
    {"PodSecurityContext", CORE,
     "seLinuxOptions:* windowsOptions:* runAsUser:I runAsGroup:I runAsNonRoot:B supplementalGroups:[I] "
     "supplementalGroupsPolicy:S "
     "fsGroup:I sysctls:[Sysctl] fsGroupChangePolicy:S seccompProfile:SeccompProfile appArmorProfile:* "
     "seLinuxChangePolicy:S"},
    {"Sysctl", CORE, "name:s! value:S!"},
    {"SeccompProfile", CORE, "type:s! localhostProfile:S"},
    {"Toleration", CORE, "key:s operator:s value:s effect:s tolerationSeconds:I"},
    {"HostAlias", CORE, "ip:s! hostnames:[s]"},
    {"PodDNSConfig", CORE, "nameservers:[s] searches:[s] options:[PodDNSConfigOption]"},
    {"PodDNSConfigOption", CORE, "name:s value:S"},
    {"PodReadinessGate", CORE, "conditionType:s!"},
    {"PodSchedulingGate", CORE, "name:s!"},
    {"PodOS", CORE, "name:s!"},
    {"TopologySpreadConstraint", CORE,
     "maxSkew:I! topologyKey:s! whenUnsatisfiable:s! labelSelector:LabelSelector minDomains:I nodeAffinityPolicy:S "
     "nodeTaintsPolicy:S "
     "matchLabelKeys:[s]"},
    {"Affinity", CORE, "nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity"},
    {"NodeAffinity", CORE,
     "requiredDuringSchedulingIgnoredDuringExecution:NodeSelector "
     "preferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm]"},
    {"NodeSelector", CORE, "nodeSelectorTerms:[NodeSelectorTerm]!"},
    {"NodeSelectorTerm", CORE, "matchExpressions:[NodeSelectorRequirement] matchFields:[NodeSelectorRequirement]"},
    {"NodeSelectorRequirement", CORE, "key:s! operator:s! values:[S]"},
    {"PreferredSchedulingTerm", CORE, "weight:I! preference:NodeSelectorTerm!"},
    {"PodAffinity", CORE,
     "requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm] "
     "preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]"},
    {"PodAntiAffinity", CORE,
     "requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm] "
     "preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]"},
    {"WeightedPodAffinityTerm", CORE, "weight:I! podAffinityTerm:PodAffinityTerm!"},
    {"PodAffinityTerm", CORE,
     "labelSelector:LabelSelector namespaces:[s] topologyKey:S! namespaceSelector:LabelSelector matchLabelKeys:[s] "
     "mismatchLabelKeys:[s]"},
    {"Container", CORE,
     "name:s! image:s command:[S] args:[S] workingDir:s ports:[ContainerPort]~containerPort envFrom:[EnvFromSource] "
     "env:[EnvVar]~name "
     "resources:ResourceRequirements resizePolicy:[*] restartPolicy:S volumeMounts:[VolumeMount]~mountPath "
     "volumeDevices:[VolumeDevice]~devicePath livenessProbe:Probe readinessProbe:Probe startupProbe:Probe "
     "lifecycle:Lifecycle "
     "terminationMessagePath:s terminationMessagePolicy:s imagePullPolicy:s securityContext:SecurityContext stdin:b "
     "stdinOnce:b tty:b"},
    {"EphemeralContainer", CORE,
     "name:s! image:s command:[S] args:[S] workingDir:s ports:[ContainerPort]~containerPort envFrom:[EnvFromSource] "
     "env:[EnvVar]~name "
     "resources:ResourceRequirements volumeMounts:[VolumeMount]~mountPath terminationMessagePath:s "
     "terminationMessagePolicy:s "
     "imagePullPolicy:s securityContext:SecurityContext stdin:b stdinOnce:b tty:b targetContainerName:s"},
    {"ContainerPort", CORE, "name:s hostPort:i containerPort:I! protocol:s hostIP:s"},
    {"EnvFromSource", CORE, "prefix:s configMapRef:ConfigMapEnvSource secretRef:SecretEnvSource"},
    {"ConfigMapEnvSource", CORE, "name:s optional:B"},
    {"SecretEnvSource", CORE, "name:s optional:B"},
    {"EnvVar", CORE, "name:s! value:s valueFrom:EnvVarSource"},
    {"EnvVarSource", CORE,
     "fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector configMapKeyRef:ConfigMapKeySelector "
     "secretKeyRef:SecretKeySelector"},
    {"ObjectFieldSelector", CORE, "apiVersion:s fieldPath:s!"},
    {"ResourceFieldSelector", CORE, "containerName:s resource:s! divisor:q"},
    {"ConfigMapKeySelector", CORE, "name:s key:s! optional:B"},
    {"SecretKeySelector", CORE, "name:s key:s! optional:B"},
    {"ResourceRequirements", CORE, "limits:{q} requests:{q} claims:[*]"},
    {"VolumeMount", CORE,
     "name:s! readOnly:b recursiveReadOnly:S mountPath:s! subPath:s mountPropagation:S subPathExpr:s"},
    {"VolumeDevice", CORE, "name:s! devicePath:s!"},
    {"Probe", CORE,
     "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:GRPCAction initialDelaySeconds:i "
     "timeoutSeconds:i "
     "periodSeconds:i successThreshold:i failureThreshold:i terminationGracePeriodSeconds:I"},
    {"ExecAction", CORE, "command:[S]"},
    {"HTTPGetAction", CORE, "path:s port:o! host:s scheme:s httpHeaders:[HTTPHeader]"},
    {"HTTPHeader", CORE, "name:s! value:S!"},
    {"TCPSocketAction", CORE, "port:o! host:s"},
    {"GRPCAction", CORE, "port:I! service:S"},
    {"Lifecycle", CORE, "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal:S"},
    {"LifecycleHandler", CORE, "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:SleepAction"},
    {"SleepAction", CORE, "seconds:I!"},
    {"SecurityContext", CORE,
     "capabilities:Capabilities privileged:B seLinuxOptions:* windowsOptions:* runAsUser:I runAsGroup:I runAsNonRoot:B "
     "readOnlyRootFilesystem:B allowPrivilegeEscalation:B procMount:S seccompProfile:SeccompProfile appArmorProfile:*"},
    {"Capabilities", CORE, "add:[s] drop:[s]"},
    {"Volume", CORE,
     "name:s! hostPath:HostPathVolumeSource emptyDir:EmptyDirVolumeSource secret:SecretVolumeSource "
     "configMap:ConfigMapVolumeSource "
     "persistentVolumeClaim:PersistentVolumeClaimVolumeSource projected:ProjectedVolumeSource "
     "downwardAPI:DownwardAPIVolumeSource "
     "ephemeral:* csi:* nfs:* iscsi:* fc:* image:*"},
    {"HostPathVolumeSource", CORE, "path:s! type:S"},
    {"EmptyDirVolumeSource", CORE, "medium:s sizeLimit:q"},
    {"SecretVolumeSource", CORE, "secretName:s items:[KeyToPath] defaultMode:I optional:B"},
    {"ConfigMapVolumeSource", CORE, "name:s items:[KeyToPath] defaultMode:I optional:B"},
    {"KeyToPath", CORE, "key:s! path:s! mode:I"},
    {"PersistentVolumeClaimVolumeSource", CORE, "claimName:s! readOnly:b"},
    {"ProjectedVolumeSource", CORE, "sources:[VolumeProjection] defaultMode:I"},
    {"VolumeProjection", CORE,
     "secret:SecretProjection configMap:ConfigMapProjection downwardAPI:DownwardAPIProjection serviceAccountToken:* "
     "clusterTrustBundle:*"},
    {"SecretProjection", CORE, "name:s items:[KeyToPath] optional:B"},
    {"ConfigMapProjection", CORE, "name:s items:[KeyToPath] optional:B"},
    {"DownwardAPIProjection", CORE, "items:[DownwardAPIVolumeFile]"},
    {"DownwardAPIVolumeSource", CORE, "items:[DownwardAPIVolumeFile] defaultMode:I"},
    {"DownwardAPIVolumeFile", CORE,
     "path:s! fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector mode:I"},
    {"PodStatus", CORE,
     "observedGeneration:i phase:s conditions:[PodCondition]~type message:s reason:s nominatedNodeName:s hostIP:s "
     "hostIPs:[HostIP] "
     "podIP:s podIPs:[PodIP]~ip startTime:t initContainerStatuses:[ContainerStatus] "
     "containerStatuses:[ContainerStatus] "
     "ephemeralContainerStatuses:[ContainerStatus] qosClass:s resize:s resourceClaimStatuses:[*]"},
    {"HostIP", CORE, "ip:s!"},
    {"PodIP", CORE, "ip:s!"},
    {"PodCondition", CORE, COND "lastProbeTime:t observedGeneration:i"},
    {"ContainerStatus", CORE,
     "name:s! state:ContainerState lastState:ContainerState ready:B restartCount:I image:S imageID:S containerID:s "
     "started:B "
     "allocatedResources:{q} resources:ResourceRequirements volumeMounts:[*] user:* allocatedResourcesStatus:[*]"},
    {"ContainerState", CORE,
     "waiting:ContainerStateWaiting running:ContainerStateRunning terminated:ContainerStateTerminated"},
    {"ContainerStateWaiting", CORE, "reason:s message:s"},
    {"ContainerStateRunning", CORE, "startedAt:t"},
    {"ContainerStateTerminated", CORE,
     "exitCode:I! signal:i reason:s message:s startedAt:t finishedAt:t containerID:s"},

    {"Service", CORE, TOP "spec:ServiceSpec status:ServiceStatus"},
    {"ServiceSpec", CORE,
     "ports:[ServicePort]~port selector:{S} clusterIP:s clusterIPs:[s] type:s externalIPs:[s] sessionAffinity:s "
     "loadBalancerIP:s "
     "loadBalancerSourceRanges:[s] externalName:s externalTrafficPolicy:s healthCheckNodePort:i "
     "publishNotReadyAddresses:b "
     "sessionAffinityConfig:* ipFamilies:[s] ipFamilyPolicy:S allocateLoadBalancerNodePorts:B loadBalancerClass:S "
     "internalTrafficPolicy:S trafficDistribution:S"},
    {"ServicePort", CORE, "name:s protocol:s appProtocol:S port:I! targetPort:o nodePort:i"},
    {"ServiceStatus", CORE, "loadBalancer:LoadBalancerStatus conditions:[Condition]~type"},
    {"LoadBalancerStatus", CORE, "ingress:[LoadBalancerIngress]"},
    {"LoadBalancerIngress", CORE, "ip:s hostname:s ipMode:S ports:[*]"},

    {"Endpoints", CORE, TOP "subsets:[EndpointSubset]"},
    {"EndpointSubset", CORE, "addresses:[EndpointAddress] notReadyAddresses:[EndpointAddress] ports:[EndpointPort]"},
    {"EndpointAddress", CORE, "ip:s! hostname:s nodeName:S targetRef:ObjectReference"},
    {"EndpointPort", CORE, "name:s port:I! protocol:s appProtocol:S"},
    {"ConfigMap", CORE, TOP "immutable:B data:{S} binaryData:{y}"},
    {"Secret", CORE, TOP "immutable:B data:{y} stringData:{S} type:s"},
    {"ServiceAccount", CORE,
     TOP "secrets:[ObjectReference]~name imagePullSecrets:[LocalObjectReference] automountServiceAccountToken:B"},
    {"Event", CORE,
     TOP "involvedObject:ObjectReference reason:s message:s source:EventSource firstTimestamp:t lastTimestamp:t "
         "count:i type:s "
         "eventTime:t series:EventSeries action:s related:ObjectReference reportingComponent:S reportingInstance:S"},
    {"EventSource", CORE, "component:s host:s"},
    {"EventSeries", CORE, "count:i lastObservedTime:t"},

    {"StatefulSet", APPS, TOP "spec:StatefulSetSpec status:StatefulSetStatus"},
    {"StatefulSetSpec", APPS,
     "replicas:I selector:LabelSelector! template:PodTemplateSpec! volumeClaimTemplates:[PersistentVolumeClaim] "
     "serviceName:S "
     "podManagementPolicy:s updateStrategy:StatefulSetUpdateStrategy revisionHistoryLimit:I minReadySeconds:i "
     "persistentVolumeClaimRetentionPolicy:StatefulSetPersistentVolumeClaimRetentionPolicy "
     "ordinals:StatefulSetOrdinals"},
    {"StatefulSetUpdateStrategy", APPS, "type:s rollingUpdate:RollingUpdateStatefulSetStrategy"},
    {"RollingUpdateStatefulSetStrategy", APPS, "partition:I maxUnavailable:o"},
    {"StatefulSetPersistentVolumeClaimRetentionPolicy", APPS, "whenDeleted:s whenScaled:s"},
    {"StatefulSetOrdinals", APPS, "start:I"},
    {"StatefulSetStatus", APPS,
     "observedGeneration:i replicas:I readyReplicas:i currentReplicas:i updatedReplicas:i currentRevision:s "
     "updateRevision:s "
     "collisionCount:I conditions:[StatefulSetCondition]~type availableReplicas:I"},
    {"StatefulSetCondition", APPS, COND},
    {"ControllerRevision", APPS, TOP "data:* revision:I!"},

    {"PodDisruptionBudget", "api.policy.v1", TOP "spec:PodDisruptionBudgetSpec status:PodDisruptionBudgetStatus"},
    {"PodDisruptionBudgetSpec", "api.policy.v1",
     "minAvailable:o selector:LabelSelector maxUnavailable:o unhealthyPodEvictionPolicy:S"},
    {"PodDisruptionBudgetStatus", "api.policy.v1",
     "observedGeneration:i disruptedPods:{t} disruptionsAllowed:I currentHealthy:I desiredHealthy:I expectedPods:I "
     "conditions:[Condition]~type"},
    {"EndpointSlice", "api.discovery.v1", TOP "addressType:s! endpoints:[Endpoint] ports:[SlicePort]"},
    {"Endpoint", "api.discovery.v1",
     "addresses:[s]! conditions:EndpointConditions hostname:S targetRef:ObjectReference deprecatedTopology:{s} "
     "nodeName:S zone:S hints:*"},
    {"EndpointConditions", "api.discovery.v1", "ready:B serving:B terminating:B"},
    {"SlicePort", "api.discovery.v1", "name:S protocol:S port:I appProtocol:S"},
    {"Lease", "api.coordination.v1", TOP "spec:LeaseSpec"},
    {"LeaseSpec", "api.coordination.v1",
     "holderIdentity:S leaseDurationSeconds:I acquireTime:t renewTime:t leaseTransitions:I strategy:S "
     "preferredHolder:S"},
    {"StorageClass", "api.storage.v1",
     TOP "provisioner:s! parameters:{S} reclaimPolicy:S mountOptions:[s] allowVolumeExpansion:B volumeBindingMode:S "
         "allowedTopologies:[*]"},
    {"CustomResourceDefinition", "apiextensions-apiserver.pkg.apis.apiextensions.v1", TOP "spec:* status:*"},
    {"Scale", "api.autoscaling.v1", TOP "spec:ScaleSpec status:ScaleStatus"},
    {"ScaleSpec", "api.autoscaling.v1", "replicas:I"},
    {"ScaleStatus", "api.autoscaling.v1", "replicas:I selector:s"},
};

const struct type_row *type_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

const char *type_of_kind(enum plane_kind kind)
{
    return plane_kind(kind)->flags & PKF_CUSTOM ? NULL : plane_kind(kind)->kind;
}

static void parse_ref(const char *p, const char *end, struct type_ref *out)
{
    size_t n;

    memset(out, 0, sizeof *out);
    if (*p == '[' || *p == '{') {
        out->form = *p == '[' ? TYPE_LIST : TYPE_MAP;
        p++;
    }
    n = strcspn(p, "]}~! ");
    snprintf(out->name, sizeof out->name, "%.*s", (int)n, p);
    for (p += n; p < end; p++) {
        if (*p == '!') {
            out->required = true;
        } else if (*p == '~') {
            n = strcspn(++p, "! ");
            snprintf(out->merge_key, sizeof out->merge_key, "%.*s", (int)n, p);
            p += n - 1;
        }
    }
}

bool type_next(const char **pos, char *name, size_t size, struct type_ref *out)
{
    const char *p = *pos + strspn(*pos, " ");
    size_t n = strcspn(p, ":"), len = strcspn(p, " ");

    if (!*p)
        return false;
    snprintf(name, size, "%.*s", (int)n, p);
    parse_ref(p + n + 1, p + len, out);
    *pos = p + len;
    return true;
}

bool type_field(const struct type_row *row, const char *field, struct type_ref *out)
{
    size_t n = strlen(field);

    for (const char *p = row->fields; *(p += strspn(p, " ")); p += strcspn(p, " "))
        if (strncmp(p, field, n) == 0 && p[n] == ':') {
            parse_ref(p + n + 1, p + strcspn(p, " "), out);
            return true;
        }
    return false;
}
