/* SPDX-License-Identifier: Apache-2.0 */
/* ClickHouseKeeperInstallation. */
#include "schema/fields_internal.h"

static const struct field template_names_fields[] = {
    FE("hostTemplate", schema_text,
       "Entry of spec.templates.hostTemplates. A name that does not exist counts as not given.", "the built-in host",
       "host"),
    FE("podTemplate", schema_text,
       "Entry of spec.templates.podTemplates. A name that does not exist counts as not given.", "the built-in pod",
       "pod"),
    FE("dataVolumeClaimTemplate", schema_text,
       "Entry of spec.templates.volumeClaimTemplates that is mounted at /var/lib/clickhouse-keeper.",
       "volumeClaimTemplate, else no volume", "data"),
    FE("logVolumeClaimTemplate", schema_text,
       "Entry of spec.templates.volumeClaimTemplates that is mounted at /var/log/clickhouse-keeper.", "no log volume",
       "log"),
    FE("serviceTemplate", schema_text,
       "Entry of spec.templates.serviceTemplates for the Service of the whole installation. Only read in "
       "spec.defaults.templates.",
       "the built-in headless Service", "service"),
    FX("serviceTemplates", schema_texts, FIELD_NULLABLE,
       "More entries for Services of the whole installation; lists of several levels are joined.", "none", "[service]"),
    FX("clusterServiceTemplate", schema_text, FIELD_NO_EFFECT, "Keeper clusters have no Service of their own.", NULL,
       "#cluster"),
    FX("shardServiceTemplate", schema_text, FIELD_NO_EFFECT, "Keeper has no shards.", NULL, "#shard"),
    FE("replicaServiceTemplate", schema_text,
       "Entry of spec.templates.serviceTemplates for the Service of each member.", "the built-in headless Service",
       "#host"),
    FX("volumeClaimTemplate", schema_text, FIELD_OBSOLETE, "Old name of dataVolumeClaimTemplate.", NULL, "data"),
    FIELD_END,
};
NAMED_OBJECT(template_names, "TemplateNames");

static const struct field host_fields[] = {
    FE("name", schema_short_name,
       "Name of the member. A name that looks made (such as \"0-1\") is made again by the operator.",
       "<shard>-<replica>", "first"),
    FE("zkPort", schema_port,
       "Client port of the pod and its Service. The server itself listens where keeper_server/tcp_port of the settings "
       "says.",
       "keeper_server/tcp_port of the settings, else 2181", "2181"),
    FE("raftPort", schema_port, "Port on which the members talk to each other.",
       "keeper_server/raft_configuration/server/port of the settings, else 9444", "9444"),
    FE("settings", schema_settings, "Settings of this member only. Without effect inside a host template.",
       "those of its replica", "{logger/level: information}"),
    FE("files", schema_files, "Configuration files of this member only. Without effect inside a host template.",
       "those of its replica", "{host.xml: \"<clickhouse></clickhouse>\"}"),
    F("templates", template_names, "Templates of this member.", "those of its replica"),
    FIELD_END,
};
NAMED_OBJECT(host, "Host");
LIST(hosts, host);

static const struct shape only_one = {.kind = SHAPE_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 1};
static const struct field replica_fields[] = {
    FE("name", schema_short_name, "Name of the replica.", "its number, from 0", "a"),
    FE("settings", schema_settings, "Settings of this member.", "those of the cluster", "{logger/level: information}"),
    FE("files", schema_files, "Configuration files of this member.", "those of the cluster",
       "{replica.xml: \"<clickhouse></clickhouse>\"}"),
    F("templates", template_names, "Templates of this member.", "those of the cluster"),
    FE("shardsCount", only_one,
       "Keeper has one shard; a larger number would make members with the same server id.", "1", "1"),
    FU("shards", hosts, "The member itself, written out as a list of one.", "made"),
    FIELD_END,
};
OBJECT(replica);
LIST(replicas, replica);

static const struct field layout_fields[] = {
    FE("replicasCount", schema_count,
       "Number of members. It grows to the length of replicas. Odd numbers are sensible.", "1; 0 counts as 1", "3"),
    FU("replicas", replicas, "The first members, written out; the others are made.", "all made"),
    FIELD_END,
};
OBJECT(layout);

static const struct field cluster_fields[] = {
    FE("name", schema_short_name, "Name of the cluster in object names.",
       "empty; \"cluster\" when no cluster is listed at all", "main"),
    FE("settings", schema_settings, "Settings of the members of this cluster.", "none",
       "{keeper_server/tcp_port: 2181}"),
    FE("files", schema_files,
       "Configuration files of the members. A file of the same name for hosts in spec.configuration.files wins.",
       "none", "{cluster.xml: \"<clickhouse></clickhouse>\"}"),
    FE("pdbManaged", schema_string_bool, "\"no\": the PodDisruptionBudget of the cluster is left alone.", "yes",
       "\"yes\""),
    FE("pdbMaxUnavailable", schema_up_to_65535, "maxUnavailable of the PodDisruptionBudget.", "1", "1"),
    F("templates", template_names, "Templates of the members.", "spec.defaults.templates"),
    F("layout", layout, "The members.", "one member"),
    FIELD_END,
};
OBJECT(cluster);
LIST(clusters, cluster);

static const struct field configuration_fields[] = {
    FE("settings", schema_settings, "Settings of all members.", "none",
       "{keeper_server/coordination_settings/raft_logs_level: information}"),
    FE("files", schema_files, "Configuration files of all members; a name may begin with keeper_config.d/ or conf.d/.",
       "none", "{keeper_config.d/extra.xml: \"<clickhouse></clickhouse>\"}"),
    FU("clusters", clusters, "The clusters; one is usual.", "one cluster \"cluster\" with one member"),
    FIELD_END,
};
const struct shape schema_chk_configuration = {.kind = SHAPE_OBJECT, .fields = configuration_fields};

static const struct field reconciling_fields[] = {
    FX("policy", schema_reconcile_policy, FIELD_NO_EFFECT, "Keeper has no queries to wait for.", NULL, "\"\""),
    FX("configMapPropagationTimeout", schema_seconds_3600, FIELD_NO_EFFECT,
       "A Keeper member is changed by a new pod, which reads its files when it starts.", NULL, "0"),
    F("cleanup", schema_cleanup, "What is done with objects that are left over.", NULL),
    FIELD_END,
};
OBJECT(reconciling);

static const struct field defaults_fields[] = {
    FE("replicasUseFQDN", schema_string_bool,
       "\"yes\": members know each other by full names, \"no\": by the names of their Services.", "no", "\"no\""),
    FX("distributedDDL", schema_distributed_ddl, FIELD_NO_EFFECT, "For ClickHouse only.", NULL, NULL),
    F("storageManagement", schema_storage_management,
      "How volume claims are made and kept, where a template does not say it.", "StatefulSet and Delete"),
    F("templates", template_names, "Templates of all clusters.", "none"),
    FIELD_END,
};
OBJECT(defaults);

/* ---- templates ---- */

static const struct field host_template_fields[] = {
    FE("name", schema_text, "Name by which it is referred to.", NULL, "host"),
    F("portDistribution", schema_port_distributions, "How ports are given to members.", "Unspecified"),
    F("spec", host, "The member. Only ports and templates have an effect here.", "empty"),
    FIELD_END,
};
OBJECT(host_template);
LIST(host_templates, host_template);

static const struct field pod_template_fields[] = {
    FE("name", schema_text, "Name by which it is referred to.", NULL, "pod"),
    FE("generateName", schema_text, "Name of the StatefulSets, with the macros of a host.",
       "chk-{chk}-{cluster}-{host}", "\"chk-{chk}-{cluster}-{host}\""),
    F("zone", schema_zone, "Nodes on which the pods may run.", "any"),
    FX("distribution", schema_old_distribution, FIELD_NO_EFFECT, "Replaced by podDistribution.", NULL, "\"\""),
    F("podDistribution", schema_pod_distributions, "Rules that bring pods together or keep them apart.", "none"),
    FE("metadata", schema_meta, "Labels and annotations of the pods.", "none", "{labels: {team: data}}"),
    FE("spec", schema_pod_spec,
       "The pod as Kubernetes knows it. Keeper is the container named clickhouse-keeper, else the first one.",
       "one container with clickhouse/clickhouse-keeper:latest",
       "{containers: [{name: clickhouse-keeper, image: \"clickhouse/clickhouse-keeper:24.8\", resources: {requests: "
       "{memory: 256Mi}}}]}"),
    FIELD_END,
};
OBJECT(pod_template);
LIST(pod_templates, pod_template);

static const struct field templates_fields[] = {
    FU("hostTemplates", host_templates, "Templates of ports.", "none"),
    FU("podTemplates", pod_templates, "Templates of pods.", "none"),
    FU("volumeClaimTemplates", schema_volume_claim_templates, "Templates of volume claims.", "none"),
    FU("serviceTemplates", schema_service_templates, "Templates of Services.",
       "a headless Service for the installation and one for each member"),
    FIELD_END,
};
OBJECT(templates);

/* ---- spec ---- */

static const struct field spec_fields[] = {
    FE("taskID", schema_text, "Your own name for this change. It appears in the status.", "auto-<random>",
       "\"change-1\""),
    FE("stop", schema_string_bool,
       "\"yes\": all members are stopped; volumes stay. What uses them cannot write meanwhile.", "no", "\"no\""),
    FE("suspend", schema_string_bool, "\"yes\": changes of this resource are not acted on.", "no", "\"no\""),
    FE("namespaceDomainPattern", schema_domain_pattern, "Domain of the Services; one %s stands for the namespace.",
       "%s.svc.cluster.local", "\"%s.svc.cluster.local\""),
    F("reconciling", reconciling, "How changes are carried out.", NULL),
    F("defaults", defaults, "Values that all clusters inherit.", "none"),
    F("configuration", schema_chk_configuration, "Keeper's configuration and the list of clusters.",
      "one cluster with one member"),
    F("templates", templates, "Templates that the `templates` sections refer to by name.", "none"),
    FX("chfleet", schema_chfleet, FIELD_OURS,
       "What only chfleet offers: consent, approval, windows, waves and budgets.", "none", NULL),
    FIELD_END,
};
OBJECT(spec);

static const struct field schema_chk_root_fields[] = {
    FX("apiVersion", schema_text, FIELD_REQUIRED, "clickhouse-keeper.altinity.com/v1", NULL, NULL),
    FX("kind", schema_text, FIELD_REQUIRED, "ClickHouseKeeperInstallation", NULL, NULL),
    FX("metadata", schema_meta, 0, "Name, namespace, labels and annotations, as of every Kubernetes object.", NULL,
       NULL),
    FX("spec", spec, FIELD_REQUIRED, "What is wanted. It may be empty: {}.", NULL, NULL),
    FX("status", schema_status, 0, "What is. Written by the operator.", NULL, NULL),
    FIELD_END,
};
const struct shape schema_chk_root = {.kind = SHAPE_OBJECT, .fields = schema_chk_root_fields};
