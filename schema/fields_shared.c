/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes that several resources or several places use. */
#include "schema/fields_internal.h"

/* ---- single values ---- */

const struct shape schema_text = {.kind = SHAPE_TEXT};
const struct shape schema_integer = {.kind = SHAPE_INTEGER};
const struct shape schema_boolean = {.kind = SHAPE_BOOLEAN};
const struct shape schema_count = {.kind = SHAPE_INTEGER, .has_min = true, .min = 0};
const struct shape schema_integer_from_1 = {.kind = SHAPE_INTEGER, .has_min = true, .min = 1};
const struct shape schema_texts = {.kind = SHAPE_LIST, .items = &schema_text};

const struct shape schema_string_bool = {
    .kind = SHAPE_TEXT,
    .name = "StringBool",
    .values = "|0|1|False|false|True|true|No|no|Yes|yes|Off|off|On|on|Disable|disable|Enable|enable|Disabled|disabled|"
              "Enabled|enabled",
};
const struct shape schema_provisioner = {
    .kind = SHAPE_TEXT, .name = "PVCProvisioner", .values = "|StatefulSet|Operator"};
const struct shape schema_retain_delete = {.kind = SHAPE_TEXT, .name = "RetainDelete", .values = "|Retain|Delete"};
const struct shape schema_short_name = {
    .kind = SHAPE_TEXT,
    .name = "ShortName",
    .pattern = "^[a-zA-Z0-9-]{0,15}$",
    .min_length = 1,
    .max_length = 15,
};
const struct shape schema_domain_pattern = {.kind = SHAPE_TEXT, .pattern = "^([^%]*%s[^%]*)?$"};
const struct shape schema_port = {
    .kind = SHAPE_INTEGER, .name = "Port", .has_min = true, .min = 1, .has_max = true, .max = 65535};
const struct shape schema_threads = {.kind = SHAPE_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 65535};
const struct shape schema_up_to_65535 = {
    .kind = SHAPE_INTEGER, .has_min = true, .min = 0, .has_max = true, .max = 65535};
const struct shape schema_percent = {.kind = SHAPE_INTEGER, .has_min = true, .min = 0, .has_max = true, .max = 100};
const struct shape schema_seconds_3600 = {
    .kind = SHAPE_INTEGER, .has_min = true, .min = 0, .has_max = true, .max = 3600};

/* ---- free-form parts ---- */

const struct shape schema_settings = {.kind = SHAPE_FREE, .free = FREE_SETTINGS, .name = "Settings"};
const struct shape schema_files = {.kind = SHAPE_FREE, .free = FREE_FILES, .name = "Files"};
const struct shape schema_labels = {.kind = SHAPE_FREE, .free = FREE_LABELS};
const struct shape schema_meta = {.kind = SHAPE_FREE, .free = FREE_META, .name = "ObjectMeta"};
const struct shape schema_pod_spec = {.kind = SHAPE_FREE, .free = FREE_POD_SPEC, .name = "PodSpec"};
const struct shape schema_pvc_spec = {.kind = SHAPE_FREE, .free = FREE_PVC_SPEC, .name = "PersistentVolumeClaimSpec"};
const struct shape schema_service_spec = {.kind = SHAPE_FREE, .free = FREE_SERVICE_SPEC, .name = "ServiceSpec"};
const struct shape schema_any = {.kind = SHAPE_FREE, .free = FREE_ANY};

/* ---- reconcile ---- */

static const struct field schema_cleanup_kinds_fields[] = {
    FE("statefulSet", schema_retain_delete, "What happens to such StatefulSets.", "as its parent says", "Delete"),
    FE("pvc", schema_retain_delete,
       "What happens to such volume claims. Whatever stands here, a claim is only deleted by its own step and when its "
       "data is proven to be elsewhere or consent is given.",
       "as its parent says", "Retain"),
    FE("configMap", schema_retain_delete, "What happens to such ConfigMaps.", "as its parent says", "Delete"),
    FE("service", schema_retain_delete, "What happens to such Services.", "as its parent says", "Delete"),
    FX("secret", schema_retain_delete, FIELD_OURS,
       "What happens to such Secrets. One that was made once cannot be made again with the same content.", "Retain",
       "Retain"),
    FX("pdb", schema_retain_delete, FIELD_OURS, "What happens to such PodDisruptionBudgets.", "as its parent says",
       "Delete"),
    FIELD_END,
};
SHARED_OBJECT(schema_cleanup_kinds, "CleanupKinds");

static const struct field schema_cleanup_fields[] = {
    F("unknownObjects", schema_cleanup_kinds,
      "Objects that carry the labels of this installation but that its spec does not ask for any more.",
      "Delete for every kind but Secrets"),
    F("reconcileFailedObjects", schema_cleanup_kinds,
      "Objects of a new host that did not start. A StatefulSet is never deleted for that: Delete scales it to 0 until the "
      "spec changes. The others go only together with that.",
      "Retain for every kind"),
    FIELD_END,
};
const struct shape schema_cleanup = {.kind = SHAPE_OBJECT, .fields = schema_cleanup_fields};

const struct shape schema_reconcile_policy = {.kind = SHAPE_TEXT, .values = "|wait|nowait"};

static const struct field schema_reconcile_runtime_fields[] = {
    FE("reconcileShardsThreadsNumber", schema_threads,
       "How many shards of a cluster may be worked on at the same time.", "operator configuration, else 5", "4"),
    FE("reconcileShardsMaxConcurrencyPercent", schema_percent,
       "The same limit as a percentage of all shards; the smaller of the two counts. 0 means: not given.",
       "operator configuration, else 50", "50"),
    FIELD_END,
};
SHARED_OBJECT(schema_reconcile_runtime, "ReconcileRuntime");

static const struct field wait_replicas_fields[] = {
    FE("all", schema_string_bool,
       "\"yes\": every changed replica must be within the delay before it takes queries again. With \"no\" it must work and "
       "have read the log that was there when it came back.",
       "operator configuration, else yes", "\"no\""),
    FE("new", schema_string_bool,
       "\"yes\": a new replica, and one that never caught up, must be within the delay first. Counts where all is no.",
       "operator configuration, else yes", "\"yes\""),
    FE("delay", schema_integer, "The replication delay in seconds up to which a replica counts as caught up.",
       "operator configuration, else 10", "10"),
    FIELD_END,
};
OBJECT(wait_replicas);

static const struct field wait_probes_fields[] = {
    FE("startup", schema_string_bool,
       "\"yes\": the pod gets a startup probe, and work goes on when it has succeeded (where readiness is not waited for "
       "anyway).",
       "operator configuration, else no", "\"no\""),
    FE("readiness", schema_string_bool,
       "\"yes\": work goes on when the pod is ready. \"no\": when its server answers; no other replica is taken out before it "
       "is ready.",
       "operator configuration, else yes", "\"yes\""),
    FIELD_END,
};
OBJECT(wait_probes);

static const struct field reconcile_wait_fields[] = {
    FE("exclude", schema_string_bool,
       "\"yes\": a host that answers and still has the leaving host in its cluster list keeps it from being stopped, however "
       "late it is. \"no\": after reconcile.configMapPropagationTimeout it is an incident and keeps nobody.",
       "operator configuration, else yes", "\"yes\""),
    FE("queries", schema_string_bool,
       "\"yes\": wait until the queries that run on the host have ended before it is stopped.",
       "operator configuration, else yes", "\"yes\""),
    FE("include", schema_string_bool,
       "\"yes\": a host that answers and does not yet have the returned host in its cluster list keeps the next one from "
       "beginning, however late it is. \"no\": after reconcile.configMapPropagationTimeout it is an incident and keeps nobody.",
       "operator configuration, else no", "\"no\""),
    F("replicas", wait_replicas, "Waiting for replication after a change.", "operator configuration"),
    F("probes", wait_probes, "Which probes of the pod are waited for after a change of its StatefulSet.",
      "operator configuration"),
    FIELD_END,
};
OBJECT(reconcile_wait);

static const struct field drop_replicas_fields[] = {
    FE("onDelete", schema_string_bool,
       "\"no\" keeps the entries of a removed host in Keeper; otherwise they are dropped with it.",
       "operator configuration, else yes", "\"yes\""),
    FE("onLostVolume", schema_string_bool,
       "\"no\" keeps the entries in Keeper of a host that lost its volume; otherwise they are dropped before it is "
       "rebuilt from its peers.",
       "operator configuration, else yes", "\"yes\""),
    FE("active", schema_string_bool,
       "\"no\" forbids to drop the entries of a replica that Keeper still calls active after its storage was lost.",
       "operator configuration, else no", "\"no\""),
    FIELD_END,
};
OBJECT(drop_replicas);

static const struct field reconcile_drop_fields[] = {
    F("replicas", drop_replicas, "When the entries of a replica in Keeper may be dropped (SYSTEM DROP REPLICA).",
      "operator configuration"),
    FIELD_END,
};
OBJECT(reconcile_drop);

static const struct field schema_reconcile_host_fields[] = {
    F("wait", reconcile_wait, "What is waited for before and after a host is changed.", "operator configuration"),
    F("drop", reconcile_drop, "What may be dropped when a host goes away.", "operator configuration"),
    FIELD_END,
};
SHARED_OBJECT(schema_reconcile_host, "ReconcileHost");

static const struct field sts_create_fields[] = {
    FE("onFailure", schema_text,
       "When a new host does not become ready: abort takes nothing else out until the spec changes, delete scales it to 0 and "
       "then does the same, ignore goes on with the others. No StatefulSet is deleted for it.",
       "operator configuration, else ignore", "ignore"),
    FIELD_END,
};
OBJECT(sts_create);
static const struct field sts_update_fields[] = {
    FE("timeout", schema_integer, "Seconds within which a changed host must be ready, from the start of its container on.",
       "operator configuration, else 600", "600"),
    FE("pollInterval", schema_integer,
       "The longest pause in seconds between two questions to a server; objects are watched and not polled.",
       "operator configuration, else 2", "2"),
    FE("onFailure", schema_text,
       "When a changed host does not become ready: abort takes nothing else out until the spec changes, rollback gives the "
       "host its old StatefulSet back and then does the same, ignore goes on with the others.",
       "operator configuration, else abort", "abort"),
    FIELD_END,
};
OBJECT(sts_update);
static const struct shape abort_recreate = {.kind = SHAPE_TEXT, .values = "|abort|recreate"};
static const struct field sts_recreate_fields[] = {
    FX("onDataLoss", abort_recreate, FIELD_OURS,
       "When a host has lost its volume: recreate rebuilds it from its peers, abort refuses the plan.",
       "operator configuration, else recreate", "recreate"),
    FX("onUpdateFailure", abort_recreate, FIELD_OURS,
       "When a field of a StatefulSet cannot be edited: recreate makes it anew around its pod, abort refuses the plan.",
       "operator configuration, else recreate", "recreate"),
    FIELD_END,
};
OBJECT(sts_recreate);
static const struct field schema_reconcile_sts_fields[] = {
    F("create", sts_create, "New StatefulSets.", "operator configuration"),
    F("update", sts_update, "Changed StatefulSets.", "operator configuration"),
    FX("recreate", sts_recreate, FIELD_OURS, "StatefulSets that would have to be made anew.", "operator configuration",
       NULL),
    FIELD_END,
};
SHARED_OBJECT(schema_reconcile_sts, "ReconcileStatefulSet");

/* ---- defaults and templates ---- */

static const struct field schema_storage_management_fields[] = {
    FE("provisioner", schema_provisioner,
       "Who makes the volume claims: StatefulSet leaves it to Kubernetes; with Operator they are made and grown by the "
       "operator, so that more storage needs no new StatefulSet.",
       "StatefulSet", "StatefulSet"),
    FE("reclaimPolicy", schema_retain_delete, "Whether a volume claim goes when its host goes.", "Delete", "Retain"),
    FIELD_END,
};
const struct shape schema_storage_management = {.kind = SHAPE_OBJECT, .fields = schema_storage_management_fields};

static const struct field schema_distributed_ddl_fields[] = {
    FE("profile", schema_text, "Settings profile that ON CLUSTER statements run with.", "the server's own", "default"),
    FIELD_END,
};
const struct shape schema_distributed_ddl = {.kind = SHAPE_OBJECT, .fields = schema_distributed_ddl_fields};

static const struct field schema_zone_fields[] = {
    FE("key", schema_text, "Node label that names the zone.", "topology.kubernetes.io/zone",
       "topology.kubernetes.io/zone"),
    FE("values", schema_texts, "Values of that label a node may have. Without values the zone has no effect.",
       "no restriction", "[zone-a, zone-b]"),
    FIELD_END,
};
const struct shape schema_zone = {.kind = SHAPE_OBJECT, .fields = schema_zone_fields};

static const struct shape port_distribution_type = {.kind = SHAPE_TEXT, .values = "|Unspecified|ClusterScopeIndex"};
static const struct field port_distribution_fields[] = {
    FE("type", port_distribution_type,
       "Unspecified: every host has the same ports. ClusterScopeIndex: the position of the host in its cluster is "
       "added to each port, so that several hosts fit on one node.",
       "Unspecified", "ClusterScopeIndex"),
    FIELD_END,
};
OBJECT(port_distribution);
const struct shape schema_port_distributions = {.kind = SHAPE_LIST, .items = &port_distribution};

static const struct shape pod_distribution_scope = {
    .kind = SHAPE_TEXT, .values = "|Unspecified|Shard|Replica|Cluster|ClickHouseInstallation|Namespace"};
static const struct shape pod_distribution_type = {
    .kind = SHAPE_TEXT,
    .values = "|Unspecified|ClickHouseAntiAffinity|ShardAntiAffinity|ReplicaAntiAffinity|AnotherNamespaceAntiAffinity|"
              "AnotherClickHouseInstallationAntiAffinity|AnotherClusterAntiAffinity|MaxNumberPerNode|NamespaceAffinity|"
              "ClickHouseInstallationAffinity|ClusterAffinity|ShardAffinity|ReplicaAffinity|PreviousTailAffinity|"
              "CircularReplication",
};
static const struct field pod_distribution_fields[] = {
    FE("type", pod_distribution_type, "The rule. CircularReplication stands for seven rules at once.",
       "Unspecified: no rule", "ShardAntiAffinity"),
    FE("scope", pod_distribution_scope, "Within what the rule holds.",
       "Cluster for ClickHouse-, Shard- and ReplicaAntiAffinity and CircularReplication, else empty", "Cluster"),
    FE("number", schema_up_to_65535, "How many pods fit on a node, for MaxNumberPerNode.", "0", "1"),
    FE("topologyKey", schema_text, "Node label whose values tell places apart.", "kubernetes.io/hostname",
       "kubernetes.io/hostname"),
    FIELD_END,
};
OBJECT(pod_distribution);
const struct shape schema_pod_distributions = {.kind = SHAPE_LIST, .items = &pod_distribution};
const struct shape schema_old_distribution = {.kind = SHAPE_TEXT, .values = "|Unspecified|OnePerHost"};

static const struct field volume_claim_template_fields[] = {
    FX("name", schema_text, 0,
       "Name by which it is referred to; also the name of the volume, and the first part of the claim's.", NULL,
       "data"),
    FE("provisioner", schema_provisioner, "Who makes claims of this template; see storageManagement.provisioner.",
       "spec.defaults.storageManagement.provisioner", "StatefulSet"),
    FE("reclaimPolicy", schema_retain_delete, "Whether a claim of this template goes when its host goes.",
       "spec.defaults.storageManagement.reclaimPolicy", "Retain"),
    FE("metadata", schema_meta, "Labels and annotations of the claims.", "none", "{labels: {purpose: data}}"),
    FE("spec", schema_pvc_spec,
       "The volume claim as Kubernetes knows it: accessModes, resources.requests.storage, storageClassName. volumeMode "
       "is always Filesystem.",
       NULL, "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}"),
    FIELD_END,
};
OBJECT(volume_claim_template);
const struct shape schema_volume_claim_templates = {.kind = SHAPE_LIST, .items = &volume_claim_template};

static const struct field service_template_fields[] = {
    FE("name", schema_text, "Name by which it is referred to.", NULL, "service"),
    FE("generateName", schema_text,
       "Name of the Services, with macros such as {chi}, {cluster}, {shard} or {host}, as far as its level has them.",
       "the built-in name of its level", "\"service-{namespace}\""),
    FE("metadata", schema_meta,
       "Labels and annotations of the Services (macros are expanded); name and namespace given here are replaced.",
       "none", "{annotations: {example.com/owner: \"team-a\"}}"),
    FE("spec", schema_service_spec,
       "The Service as Kubernetes knows it: type, ports and the rest. The selector of the operator is put over the one "
       "given here.",
       NULL, "{type: ClusterIP, ports: [{name: http, port: 8123}, {name: tcp, port: 9000}]}"),
    FIELD_END,
};
OBJECT(service_template);
const struct shape schema_service_templates = {.kind = SHAPE_LIST, .items = &service_template};

/* ---- chfleet's own ---- */

#define DURATION_PATTERN "^([0-9]+(s|m|h|d))+$"
static const struct shape duration = {
    .kind = SHAPE_TEXT, .name = "Duration", .pattern = DURATION_PATTERN, .max_length = 32};
static const struct shape clock_time = {.kind = SHAPE_TEXT, .pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"};
static const struct shape instant = {
    .kind = SHAPE_TEXT,
    .name = "Time",
    .pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$",
};
static const struct shape weekday = {.kind = SHAPE_TEXT, .values = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"};
LIST(weekdays, weekday);
static const struct shape approval = {.kind = SHAPE_TEXT, .values = "required|none"};
static const struct shape percent_from_1 = {
    .kind = SHAPE_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 100};

static const struct field consent_fields[] = {
    FX("dataLoss", schema_texts, FIELD_OURS,
       "Hosts (\"0-1\", or \"cluster/0-1\") and shards (\"0\", or \"cluster/0\") whose data may be gone after the "
       "change, because no other replica has it. A refused change shows the names to write here.",
       "nothing may be lost", "[\"main/1\"]"),
    FX("volumes", schema_texts, FIELD_OURS,
       "Names of volume claims that may be deleted although their data is not proven to be elsewhere: of volumes that are "
       "not used any more, and of hosts that cannot run because their volume is on a node that is gone. Used once; take "
       "it out before you give it again.", "none",
       "[data-chi-example-main-1-0-0]"),
    FX("moveVolumes", schema_texts, FIELD_OURS,
       "Names of volumeClaimTemplates whose volumes may be replaced by new, empty ones, because what is asked for (another "
       "storage class) only a new volume can have. One host of a shard after the other: its data is proven to be on its "
       "peers, then its old claim is deleted, and it is filled by them before the next one's turn comes.",
       "none", "[data]"),
    FX("until", instant, FIELD_OURS, "The consent ends at this time (RFC 3339, for example 2030-01-31T18:00:00Z).",
       "valid as long as it stands here", "\"2030-01-31T18:00:00Z\""),
    FIELD_END,
};
OBJECT(consent);

static const struct field window_fields[] = {
    FX("days", weekdays, FIELD_OURS, "Days on which the window opens.", "every day", "[Sat, Sun]"),
    FX("start", clock_time, FIELD_OURS | FIELD_REQUIRED, "Time of day at which it opens, as HH:MM.", NULL, "\"02:00\""),
    FX("duration", duration, FIELD_OURS | FIELD_REQUIRED, "How long it stays open, such as 4h or 90m.", NULL, "4h"),
    FX("timezone", schema_text, FIELD_OURS, "Zone of the start time by its IANA name.", "UTC", "Europe/Berlin"),
    FIELD_END,
};
OBJECT(window);
LIST(windows, window);

static const struct field schema_wave_fields[] = {
    FX("shards", schema_integer_from_1, FIELD_OURS, "How many shards this wave takes. Give this or percent.", NULL,
       "1"),
    FX("percent", percent_from_1, FIELD_OURS, "How many percent of all shards are done when this wave ends.", NULL,
       "#25"),
    FX("soak", duration, FIELD_OURS, "How long the changed hosts must stay healthy before the next wave begins.",
       "no waiting", "10m"),
    FIELD_END,
};
SHARED_OBJECT(schema_wave, "Wave");
LIST(waves, schema_wave);

static const struct field budgets_fields[] = {
    FX("maxUnavailableHosts", schema_integer_from_1, FIELD_OURS,
       "How many hosts of the installation may be out at the same time, over all clusters and shards, those that "
       "failed by themselves included.",
       "only the limits per shard and of reconcile.runtime", "2"),
    FX("failures", schema_count, FIELD_OURS, "After how many failed hosts the operation halts.",
       "0: it halts at the first", "0"),
    FX("pdbPerShard", schema_boolean, FIELD_OURS,
       "true: one PodDisruptionBudget for each shard instead of one for each cluster, so that evictions may take one host of "
       "every shard at the same time.",
       "false", "false"),
    FIELD_END,
};
OBJECT(budgets);

static const struct shape hook_when = {
    .kind = SHAPE_TEXT, .values = "beforeHost|afterHost|beforeShard|afterShard|beforeCluster|afterCluster"};
static const struct shape hook_action = {
    .kind = SHAPE_TEXT, .values = "create|soft-restart|restart|recreate|move|rebuild|remove|stop|start"};
LIST(hook_actions, hook_action);
static const struct shape hook_failure = {.kind = SHAPE_TEXT, .values = "stop|ignore"};
static const struct field hook_fields[] = {
    FX("name", schema_text, FIELD_OURS | FIELD_REQUIRED, "Name of the hook, for messages.", NULL, "no-backup-runs"),
    FX("when", hook_when, FIELD_OURS | FIELD_REQUIRED,
       "When it runs. A hook of a host runs on that host, while it serves; one of a shard or a cluster runs once, on a host of "
       "it that serves.",
       NULL, "beforeHost"),
    FX("actions", hook_actions, FIELD_OURS, "For which changes of hosts it runs.", "restart, soft-restart, recreate and move",
       "[restart, soft-restart]"),
    FX("clusters", schema_texts, FIELD_OURS, "Names of the clusters it is for.", "all", "[main]"),
    FX("sql", schema_texts, FIELD_OURS | FIELD_REQUIRED,
       "Statements, run one after the other. One that was cut off by a crash is run again.", NULL,
       "[\"SELECT count() FROM system.processes WHERE query ILIKE 'BACKUP%'\"]"),
    FX("expect", schema_text, FIELD_OURS,
       "The first value that the last statement must answer. It is asked again until it does or the time is over.",
       "any answer", "\"0\""),
    FX("timeout", duration, FIELD_OURS, "How long a statement may take, and how long is waited for `expect`.", "1m", "10m"),
    FX("onFailure", hook_failure, FIELD_OURS,
       "stop: the change stops there, and a host that was not touched yet stays as it is. ignore: an incident is noted and "
       "the change goes on.",
       "stop", "stop"),
    FIELD_END,
};
OBJECT(hook);
LIST(hooks, hook);

static const struct field replicas_fields[] = {
    FX("minServing", schema_integer_from_1, FIELD_OURS,
       "How many other replicas of a shard must serve and be up to date before one of them is taken out, for example 2 for "
       "insert_quorum = 2 with three replicas. In a shard that has no more, all others must.",
       "1", "1"),
    FIELD_END,
};
OBJECT(replicas);

static const struct shape nudge = {.kind = SHAPE_TEXT, .values = "budget|always|never"};
static const struct field schema_chfleet_fields[] = {
    FX("consent", consent, FIELD_OURS,
       "What may be destroyed. Without it nothing is done that loses the only copy of data.", "nothing", NULL),
    FX("approval", approval, FIELD_OURS, "required: a plan is carried out only when its hash stands in `approved`.",
       "none", "none"),
    FX("approved", schema_text, FIELD_OURS, "Hash of the approved plan, as `chfleet plan` prints it.", NULL, "\"\""),
    FX("windows", windows, FIELD_OURS,
       "Maintenance windows for planned changes of serving hosts. Repairs, roll-backs and hosts that come back do not "
       "wait for one.",
       "always open", NULL),
    FX("waves", waves, FIELD_OURS, "How a change spreads over the shards; what the last wave leaves over follows it.",
       "one shard first, then all others", NULL),
    FX("budgets", budgets, FIELD_OURS, "Limits for the whole installation.", NULL, NULL),
    FX("replicasCount", schema_integer_from_1, FIELD_OURS,
       "Replicas of each shard, or members of a Keeper: wins over layout.replicasCount, not over what a single shard says. "
       "`kubectl scale` and autoscalers change it; they need it to be given.",
       "layout.replicasCount", "2"),
    FX("replicas", replicas, FIELD_OURS, "What must stay in a shard while one of its replicas is changed.", NULL, NULL),
    FX("hooks", hooks, FIELD_OURS,
       "SQL statements before and after changes of hosts, shards and clusters, and questions that must be answered as "
       "expected before a change goes on.",
       "none", NULL),
    FX("nudge", nudge, FIELD_OURS,
       "Whether an annotation on each pod makes its kubelet bring changed ConfigMaps in at once, which otherwise takes up to 90 s. "
       "budget: in installations of up to 8 hosts, and for at most one pod for each host that restarts. always: for all pods "
       "with each change of the list of hosts, so that a restart takes a minute or two less and some requests more. never: not "
       "at all.",
       "budget", "budget"),
    FIELD_END,
};
SHARED_OBJECT(schema_chfleet, "Chfleet");
