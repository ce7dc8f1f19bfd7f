/* SPDX-License-Identifier: Apache-2.0 */
/* ClickHouseInstallation and ClickHouseInstallationTemplate: one and the same spec. */
#include "schema/fields_internal.h"

/* ---- names of templates ---- */

static const struct field template_names_fields[] = {
    FE("hostTemplate", schema_text,
       "Entry of spec.templates.hostTemplates. A name that does not exist counts as not given.", "the built-in host",
       "host"),
    FE("podTemplate", schema_text,
       "Entry of spec.templates.podTemplates. A name that does not exist counts as not given.", "the built-in pod",
       "pod"),
    FE("dataVolumeClaimTemplate", schema_text,
       "Entry of spec.templates.volumeClaimTemplates that is mounted at /var/lib/clickhouse.",
       "volumeClaimTemplate, else no volume: data is lost with the pod", "data"),
    FE("logVolumeClaimTemplate", schema_text,
       "Entry of spec.templates.volumeClaimTemplates that is mounted at /var/log/clickhouse-server; the pod gets a "
       "second container for the log.",
       "no log volume", "log"),
    FE("serviceTemplate", schema_text,
       "Entry of spec.templates.serviceTemplates for the Service of the whole installation. Only read in "
       "spec.defaults.templates.",
       "the built-in headless Service", "service"),
    FX("serviceTemplates", schema_texts, FIELD_NULLABLE,
       "More entries for Services of the whole installation; lists of several levels are joined.", "none", "[service]"),
    FE("clusterServiceTemplate", schema_text, "Entry of spec.templates.serviceTemplates for a Service per cluster.",
       "no such Service", "#cluster"),
    FE("shardServiceTemplate", schema_text, "Entry of spec.templates.serviceTemplates for a Service per shard.",
       "no such Service", "#shard"),
    FE("replicaServiceTemplate", schema_text, "Entry of spec.templates.serviceTemplates for the Service of each host.",
       "the built-in headless Service", "#host"),
    FX("volumeClaimTemplate", schema_text, FIELD_OBSOLETE, "Old name of dataVolumeClaimTemplate.", NULL, "data"),
    FIELD_END,
};
NAMED_OBJECT(template_names, "TemplateNames");

/* ---- coordination ---- */

static const struct field zookeeper_node_fields[] = {
    FE("host", schema_text, "Name or address of the server.", NULL, "zookeeper-0.zookeepers.example.svc"),
    FE("port", schema_up_to_65535, "Its client port.", "2181", "2181"),
    FE("secure", schema_string_bool, "\"yes\" for TLS.", "not written, so the server's own default", "\"no\""),
    FE("availabilityZone", schema_text, "Zone of the server; a host prefers servers of its own zone.", "none",
       "zone-a"),
    FIELD_END,
};
OBJECT(zookeeper_node);
LIST(zookeeper_nodes, zookeeper_node);

static const struct field keeper_reference_fields[] = {
    FX("name", schema_text, FIELD_OURS | FIELD_REQUIRED, "Name of the ClickHouseKeeperInstallation.", NULL, "keeper"),
    FX("namespace", schema_text, FIELD_OURS, "Its namespace.", "the namespace of this resource", "default"),
    FIELD_END,
};
OBJECT(keeper_reference);

static const struct field schema_zookeeper_fields[] = {
    F("nodes", zookeeper_nodes,
      "The servers. With an empty list nothing about ZooKeeper or distributed DDL is written.",
      "those of the installation, for a cluster"),
    FX("keeper", keeper_reference, FIELD_OURS,
       "Use the members of a ClickHouseKeeperInstallation instead of listing nodes; changes of its members follow by "
       "themselves.",
       "none", "#"),
    FE("session_timeout_ms", schema_integer, "Session time-out in milliseconds.",
       "not written, so the server's own default", "30000"),
    FE("operation_timeout_ms", schema_integer, "Time-out of one operation in milliseconds.",
       "not written, so the server's own default", "10000"),
    FE("root", schema_text, "Path below which everything of ClickHouse lives; it is created.", "the top",
       "/clickhouse/example"),
    FX("identity", schema_text, FIELD_SECRET, "user:password for the servers.", "none", "\"user:password\""),
    FE("use_compression", schema_string_bool, "\"yes\" compresses the protocol.",
       "not written, so the server's own default", "\"no\""),
    FIELD_END,
};
SHARED_OBJECT(schema_zookeeper, "ZookeeperConfig");

/* ---- reconcile ---- */

static const struct field macros_switch_fields[] = {
    FE("enabled", schema_string_bool,
       "\"yes\": macros such as {cluster} are expanded in keys and values of this section.", "no", "\"yes\""),
    FIELD_END,
};
NAMED_OBJECT(macros_switch, "MacrosSection");

static const struct field macros_sections_fields[] = {
    F("users", macros_switch, "Macros in users; only those of the installation ({namespace}, {chi}).", "off"),
    F("profiles", macros_switch, "Macros in profiles; only those of the installation.", "off"),
    F("quotas", macros_switch, "Macros in quotas; only those of the installation.", "off"),
    F("settings", macros_switch, "Macros in settings of every level.", "off"),
    F("files", macros_switch, "Macros in files of every level.", "off"),
    FIELD_END,
};
OBJECT(macros_sections);

static const struct field macros_fields[] = {
    F("sections", macros_sections, "One switch per section of spec.configuration.", "all off"),
    FIELD_END,
};
OBJECT(macros);

static const struct field reconcile_fields[] = {
    FE("policy", schema_reconcile_policy,
       "wait: running queries are waited for, whatever reconcile.host.wait.queries says. nowait: they are not, unless the "
       "resource itself says so there.",
       "not given", "wait"),
    FE("configMapPropagationTimeout", schema_seconds_3600,
       "Seconds that changed ConfigMaps may take to reach the pods before this becomes an incident. On a cluster at least 90.",
       "180 on a cluster, 10 on one machine", "180"),
    F("cleanup", schema_cleanup, "What is done with objects that are left over.", NULL),
    F("macros", macros, "Where macros are expanded in the configuration.", "nowhere"),
    F("runtime", schema_reconcile_runtime, "How much is done at the same time.", "operator configuration"),
    F("host", schema_reconcile_host, "What is waited for around the change of a host, and what may be dropped.",
      "operator configuration"),
    FX("statefulSet", schema_reconcile_sts, FIELD_OURS, "Time-outs, and what happens when a host does not become ready.",
       "operator configuration", NULL),
    FIELD_END,
};
NAMED_OBJECT(reconcile, "Reconcile");

/* ---- clusters ---- */

static const struct field host_fields[] = {
    FE("name", schema_short_name,
       "Name of the host. A name that looks made (such as \"0-1\") is made again by the operator.", "<shard>-<replica>",
       "first"),
    FE("insecure", schema_string_bool, "\"no\" closes the ports without TLS. An empty text counts as no.",
       "that of the cluster, else yes", "\"yes\""),
    FE("secure", schema_string_bool, "\"yes\" opens the ports with TLS.", "that of the cluster, else no", "\"no\""),
    FE("tcpPort", schema_port, "Port of the native protocol.", "tcp_port of the settings, else 9000 when insecure",
       "9000"),
    FE("tlsPort", schema_port, "Port of the native protocol with TLS.",
       "tcp_port_secure of the settings, else 9440 when secure", "9440"),
    FE("httpPort", schema_port, "Port for HTTP.", "http_port of the settings, else 8123 when insecure", "8123"),
    FE("httpsPort", schema_port, "Port for HTTPS.", "https_port of the settings, else 8443 when secure", "8443"),
    FE("interserverHTTPPort", schema_port, "Port on which replicas fetch parts from each other.",
       "interserver_http_port of the settings, else 9009", "9009"),
    FE("settings", schema_settings, "Server settings of this host only. Without effect inside a host template.",
       "those of its shard (or replica)", "{max_connections: 512}"),
    FE("files", schema_files, "Configuration files of this host only. Without effect inside a host template.",
       "those of its shard (or replica)", "{host.xml: \"<clickhouse><path>/var/lib/clickhouse/</path></clickhouse>\"}"),
    F("templates", template_names, "Templates of this host.", "those of its shard (or replica)"),
    FIELD_END,
};
NAMED_OBJECT(host, "Host");
LIST(hosts, host);

static const struct shape schema_policy_replica = {.kind = SHAPE_TEXT, .values = "|None|All"};
static const struct shape schema_policy_shard = {.kind = SHAPE_TEXT, .values = "|None|All|DistributedTablesOnly"};
static const struct field schema_policy_fields[] = {
    FE("replica", schema_policy_replica, "What a new replica gets from the replicas of its shard: All or None.", "All",
       "All"),
    FE("shard", schema_policy_shard,
       "What a new shard gets from the others: All, None, or DistributedTablesOnly (Distributed tables and what they "
       "stand on).",
       "All", "All"),
    FIELD_END,
};
OBJECT(schema_policy);

static const struct field secret_key_fields[] = {
    FX("name", schema_text, FIELD_REQUIRED, "Name of the Secret.", NULL, "cluster-secret"),
    FX("key", schema_text, FIELD_REQUIRED, "Key inside the Secret.", NULL, "secret"),
    FE("optional", schema_boolean, "true: a pod may start without the Secret.", "false", "false"),
    FIELD_END,
};
OBJECT(secret_key);

static const struct field secret_source_fields[] = {
    F("secretKeyRef", secret_key,
      "A key of a Kubernetes Secret in the namespace of the installation; it reaches the server as an environment "
      "variable.",
      NULL),
    FIELD_END,
};
OBJECT(secret_source);

static const struct field cluster_secret_fields[] = {
    FE("auto", schema_string_bool, "\"yes\": a Secret NAME-CLUSTER-auto-secret is made with a random value.", "no",
       "\"no\""),
    FX("value", schema_text, FIELD_SECRET,
       "The secret itself, readable by everyone who can read this resource. Wins over the others.", NULL, "\"\""),
    F("valueFrom", secret_source, "Where the secret comes from. Wins over auto.", NULL),
    FIELD_END,
};
OBJECT(cluster_secret);

static const struct field cluster_reconcile_fields[] = {
    F("runtime", schema_reconcile_runtime, "How many shards of this cluster are worked on at once.",
      "spec.reconcile.runtime"),
    F("host", schema_reconcile_host, "Waiting and dropping for the hosts of this cluster.", "spec.reconcile.host"),
    FIELD_END,
};
OBJECT(cluster_reconcile);

static const struct field shard_fields[] = {
    FE("name", schema_short_name, "Name of the shard.", "its number, from 0", "east"),
    FX("definitionType", schema_text, FIELD_NO_EFFECT, "A remainder of old manifests.", NULL, "\"\""),
    FE("weight", schema_integer,
       "Share of inserted rows that Distributed tables send here. A negative number counts as not given.",
       "not written: 1 for the server", "1"),
    FE("internalReplication", schema_string_bool,
       "\"yes\": a Distributed table writes to one replica and replication does the rest; \"no\": it writes to all.",
       "yes when the shard has more than one replica", "\"yes\""),
    FE("settings", schema_settings, "Server settings of the hosts of this shard; they win over those of the cluster.",
       "those of the cluster", "{max_connections: 1024}"),
    FE("files", schema_files, "Configuration files of the hosts of this shard; they win over those of the cluster.",
       "those of the cluster", "{shard.xml: \"<clickhouse><path>/var/lib/clickhouse/</path></clickhouse>\"}"),
    F("templates", template_names, "Templates of the hosts of this shard.", "those of the cluster"),
    FE("replicasCount", schema_integer_from_1,
       "Number of replicas of this shard. A number smaller than the list of replicas cuts it.",
       "length of replicas, else layout.replicasCount", "2"),
    FU("replicas", hosts, "The first hosts of this shard, written out; the others are made.", "all made"),
    FIELD_END,
};
OBJECT(shard);
LIST(shards, shard);

static const struct field replica_fields[] = {
    FE("name", schema_short_name, "Name of the replica.", "its number, from 0", "a"),
    FE("settings", schema_settings,
       "Server settings of the hosts with this replica number. Not used when layout.shards is given.",
       "those of the cluster", "{max_connections: 1024}"),
    FE("files", schema_files,
       "Configuration files of the hosts with this replica number. Not used when layout.shards is given.",
       "those of the cluster", "{replica.xml: \"<clickhouse><path>/var/lib/clickhouse/</path></clickhouse>\"}"),
    F("templates", template_names,
      "Templates of the hosts with this replica number. Not used when layout.shards is given.", "those of the cluster"),
    FE("shardsCount", schema_integer_from_1,
       "Number of shards that have this replica; it can only raise layout.shardsCount.",
       "length of shards, else layout.shardsCount", "1"),
    FU("shards", hosts, "The first hosts with this replica number, by shard; the others are made.", "all made"),
    FIELD_END,
};
OBJECT(replica);
LIST(replicas, replica);

static const struct field layout_fields[] = {
    FE("shardsCount", schema_count, "Number of shards. It grows to what the lists below ask for.", "1; 0 counts as 1",
       "2"),
    FE("replicasCount", schema_count, "Number of replicas of each shard. It grows to what the lists below ask for.",
       "1; 0 counts as 1", "2"),
    FU("shards", shards, "The first shards, written out; the others are made.", "all made"),
    FU("replicas", replicas,
       "The first replicas of every shard, written out. When shards are given too, a host that stands in both has the "
       "values of shards.",
       "all made"),
    FIELD_END,
};
OBJECT(layout);

/* The name becomes an XML element. */
const struct shape schema_cluster_name = {
    .kind = SHAPE_TEXT,
    .pattern = "^[a-zA-Z][a-zA-Z0-9-]{0,14}$",
    .min_length = 1,
    .max_length = 15,
};
static const struct field cluster_fields[] = {
    FE("name", schema_cluster_name, "Name of the cluster in SQL (ON CLUSTER, Distributed tables) and in object names.",
       "empty; \"cluster\" when no cluster is listed at all", "main"),
    F("zookeeper", schema_zookeeper,
      "Keeper or ZooKeeper for this cluster. A cluster without nodes of its own takes everything from the "
      "installation.",
      "spec.configuration.zookeeper"),
    FE("settings", schema_settings, "Server settings of the hosts of this cluster.", "none",
       "{logger/level: information}"),
    FE("files", schema_files,
       "Configuration files of the hosts of this cluster. A file of the same name for hosts in "
       "spec.configuration.files wins.",
       "none", "{cluster.xml: \"<clickhouse><path>/var/lib/clickhouse/</path></clickhouse>\"}"),
    F("templates", template_names, "Templates of the hosts of this cluster.", "spec.defaults.templates"),
    F("schemaPolicy", schema_policy, "Which databases, tables and other schema objects a new host gets from its peers.",
      "All for both"),
    FE("insecure", schema_string_bool, "\"no\" closes the ports without TLS. An empty text counts as no.", "yes",
       "\"yes\""),
    FE("secure", schema_string_bool, "\"yes\" opens the ports with TLS, and the hosts use them among each other.", "no",
       "\"no\""),
    F("secret", cluster_secret, "Secret with which the servers of the cluster trust each other's queries.", "none"),
    FE("pdbManaged", schema_string_bool, "\"no\": the PodDisruptionBudget of the cluster is left alone.", "yes",
       "\"yes\""),
    FE("pdbMaxUnavailable", schema_up_to_65535, "maxUnavailable of the PodDisruptionBudget.", "1", "1"),
    F("reconcile", cluster_reconcile, "How changes of this cluster are carried out.", "spec.reconcile"),
    F("layout", layout, "Shards and replicas.", "one shard with one replica"),
    FIELD_END,
};
OBJECT(cluster);
LIST(clusters, cluster);

static const struct field configuration_fields[] = {
    F("zookeeper", schema_zookeeper, "Keeper or ZooKeeper for the clusters that name none of their own.",
      "none: no replicated tables"),
    FE("users", schema_settings,
       "Users: \"name/what\": value, for example \"reader/networks/ip\". Passwords are best taken from Secrets.",
       "the users default and clickhouse_operator",
       "{reader/networks/ip: [\"::1\", \"127.0.0.1\"], reader/profile: default, reader/k8s_secret_password: "
       "\"default/reader-secret/password\"}"),
    FE("profiles", schema_settings, "Settings profiles: \"profile/setting\": value.", "none",
       "{default/max_memory_usage: 10000000000}"),
    FE("quotas", schema_settings, "Quotas: \"quota/interval/what\": value.", "none",
       "{default/interval/duration: 3600}"),
    FE("settings", schema_settings, "Server settings of all hosts.", "none",
       "{max_concurrent_queries: 200, logger/level: information}"),
    FE("files", schema_files, "Configuration files of all hosts; a name may begin with config.d/, users.d/ or conf.d/.",
       "none", "{config.d/extra.xml: \"<clickhouse><max_table_size_to_drop>0</max_table_size_to_drop></clickhouse>\"}"),
    FU("clusters", clusters, "The clusters. A list here replaces the lists of templates.",
       "one cluster \"cluster\" with one host"),
    FIELD_END,
};
OBJECT(configuration);

/* ---- templates ---- */

static const struct field host_template_fields[] = {
    FE("name", schema_text, "Name by which it is referred to.", NULL, "host"),
    F("portDistribution", schema_port_distributions, "How ports are given to hosts.", "Unspecified"),
    F("spec", host, "The host. Only ports, secure, insecure and templates have an effect here.", "empty"),
    FIELD_END,
};
OBJECT(host_template);
LIST(host_templates, host_template);

static const struct field pod_template_fields[] = {
    FE("name", schema_text, "Name by which it is referred to.", NULL, "pod"),
    FE("generateName", schema_text, "Name of the StatefulSets, with the macros of a host.",
       "chi-{chi}-{cluster}-{host}", "\"chi-{chi}-{cluster}-{host}\""),
    F("zone", schema_zone, "Nodes on which the pods may run.", "any"),
    FX("distribution", schema_old_distribution, FIELD_NO_EFFECT, "Replaced by podDistribution.", NULL, "\"\""),
    F("podDistribution", schema_pod_distributions, "Rules that bring pods together or keep them apart.", "none"),
    FE("metadata", schema_meta, "Labels and annotations of the pods.", "none", "{labels: {team: data}}"),
    FE("spec", schema_pod_spec,
       "The pod as Kubernetes knows it. The server is the container named clickhouse, else the first one.",
       "one container with clickhouse/clickhouse-server:latest",
       "{containers: [{name: clickhouse, image: \"clickhouse/clickhouse-server:24.8\", resources: {requests: {cpu: "
       "\"1\", memory: 2Gi}}}]}"),
    FIELD_END,
};
OBJECT(pod_template);
LIST(pod_templates, pod_template);

static const struct field templates_fields[] = {
    FU("hostTemplates", host_templates, "Templates of ports and TLS.", "none"),
    FU("podTemplates", pod_templates, "Templates of pods.", "none"),
    FU("volumeClaimTemplates", schema_volume_claim_templates, "Templates of volume claims.", "none"),
    FU("serviceTemplates", schema_service_templates, "Templates of Services.",
       "a headless Service for the installation and one for each host"),
    FIELD_END,
};
OBJECT(templates);

/* ---- spec ---- */

static const struct shape restart = {.kind = SHAPE_TEXT, .values = "|RollingUpdate"};
static const struct shape templating_policy = {.kind = SHAPE_TEXT, .values = "|auto|manual"};
static const struct shape use_type = {.kind = SHAPE_TEXT, .values = "|merge"};

static const struct field templating_fields[] = {
    FE("policy", templating_policy,
       "auto: applied to every installation that chiSelector matches. manual: only where useTemplates names it.",
       "manual", "manual"),
    FE("chiSelector", schema_labels, "Labels that an installation must have; asked for manual templates too.",
       "matches every one", "{team: data}"),
    FIELD_END,
};
OBJECT(templating);

static const struct field defaults_fields[] = {
    FE("replicasUseFQDN", schema_string_bool,
       "\"yes\": hosts know each other by full names, \"no\": by the names of their Services.", "no", "\"no\""),
    F("distributedDDL", schema_distributed_ddl, "Options of ON CLUSTER statements.", "none"),
    F("storageManagement", schema_storage_management,
      "How volume claims are made and kept, where a template does not say it.", "StatefulSet and Delete"),
    F("templates", template_names, "Templates of all clusters.", "none"),
    FIELD_END,
};
OBJECT(defaults);

static const struct field use_template_fields[] = {
    FE("name", schema_text,
       "Name of the ClickHouseInstallationTemplate. One that does not exist is left out, with a warning.", NULL,
       "team-defaults"),
    FE("namespace", schema_text, "Its namespace.", "that of the installation", "default"),
    FE("useType", use_type, "How it is applied; merge is the only way.", "merge", "merge"),
    FIELD_END,
};
OBJECT(use_template);
LIST(use_templates, use_template);

static const struct field spec_fields[] = {
    FE("taskID", schema_text,
       "Your own name for this change. It appears in the status, and with restart each new one restarts each host "
       "once.",
       "auto-<random>", "\"change-1\""),
    FE("stop", schema_string_bool,
       "\"yes\": all servers are stopped and the Service of the installation goes; volumes stay.", "no", "\"no\""),
    FE("restart", restart,
       "RollingUpdate: every host is restarted, one replica of a shard after the other, once for each taskID.",
       "no restart", "\"\""),
    FE("suspend", schema_string_bool, "\"yes\": changes of this resource are not acted on.", "no", "\"no\""),
    FE("troubleshoot", schema_string_bool,
       "\"yes\": probes are taken away and a container stays when ClickHouse ends, so that one can get in.", "no",
       "\"no\""),
    FE("namespaceDomainPattern", schema_domain_pattern, "Domain of the Services; one %s stands for the namespace.",
       "%s.svc.cluster.local", "\"%s.svc.cluster.local\""),
    F("templating", templating, "For templates only: whom it applies to.", "manual"),
    FX("reconciling", reconcile, FIELD_OBSOLETE,
       "Old name of reconcile. When both are given, this one counts as a whole.", NULL, NULL),
    F("reconcile", reconcile, "How changes are carried out.", NULL),
    F("defaults", defaults, "Values that all clusters inherit.", "none"),
    F("configuration", configuration, "ClickHouse's configuration and the list of clusters.",
      "one cluster with one host"),
    F("templates", templates, "Templates that the `templates` sections refer to by name.", "none"),
    F("useTemplates", use_templates,
      "ClickHouseInstallationTemplates to apply, in this order, after those with policy auto.", "none"),
    FX("chfleet", schema_chfleet, FIELD_OURS,
       "What only chfleet offers: consent, approval, windows, waves, budgets and hooks.", "none", NULL),
    FIELD_END,
};
OBJECT(spec);

#define ROOT_FIELDS(what)                                                                                              \
    FX("apiVersion", schema_text, FIELD_REQUIRED, "clickhouse.altinity.com/v1", NULL, NULL),                           \
        FX("kind", schema_text, FIELD_REQUIRED, what, NULL, NULL),                                                     \
        FX("metadata", schema_meta, 0, "Name, namespace, labels and annotations, as of every Kubernetes object.",      \
           NULL, NULL),                                                                                                \
        FX("spec", spec, FIELD_REQUIRED, "What is wanted. It may be empty: {}.", NULL, NULL),                          \
        FX("status", schema_status, 0, "What is. Written by the operator.", NULL, NULL), FIELD_END

static const struct field schema_chi_root_fields[] = {ROOT_FIELDS("ClickHouseInstallation")};
const struct shape schema_chi_root = {.kind = SHAPE_OBJECT, .fields = schema_chi_root_fields};
static const struct field schema_chit_root_fields[] = {ROOT_FIELDS("ClickHouseInstallationTemplate")};
const struct shape schema_chit_root = {.kind = SHAPE_OBJECT, .fields = schema_chit_root_fields};
