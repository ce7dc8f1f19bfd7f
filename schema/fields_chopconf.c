/* SPDX-License-Identifier: Apache-2.0 */
/* ClickHouseOperatorConfiguration, whose spec is also the tree of the operator's configuration file. */
#include "schema/fields_internal.h"

/* In the file only, or kept in a resource because the object around it is open. */
#define OLD(name, shape, text)                                                                                         \
    {                                                                                                                  \
        name, &(shape), FIELD_FILE | FIELD_OBSOLETE, text, NULL, NULL                                                  \
    }
#define OLD_SECRET(name, shape, text)                                                                                  \
    {                                                                                                                  \
        name, &(shape), FIELD_FILE | FIELD_OBSOLETE | FIELD_SECRET, text, NULL, NULL                                   \
    }
#define IDLE(name, shape, text)                                                                                        \
    {                                                                                                                  \
        name, &(shape), FIELD_FILE | FIELD_NO_EFFECT, text, NULL, NULL                                                 \
    }

/* ---- watch ---- */

static const struct shape namespaces = {.kind = SHAPE_FREE, .free = FREE_NAMESPACES};
static const struct field watch_fields[] = {
    FE("namespaces", namespaces,
       "Which namespaces are watched: {include: [...], exclude: [...]}; in the file a plain list is include. Each "
       "entry is a name or a regular expression that is found anywhere in the name; exclude wins.",
       "all", "{include: [], exclude: []}"),
    FIELD_END,
};
OBJECT(watch);

/* ---- clickhouse ---- */

static const struct field file_path_fields[] = {
    FE("common", schema_text,
       "Folder whose *.xml files every host gets in config.d. Relative to the configuration file.", "chi/config.d",
       "chi/config.d"),
    FE("host", schema_text, "Folder whose *.xml files every host gets in conf.d.", "chi/conf.d", "chi/conf.d"),
    FE("user", schema_text, "Folder whose *.xml files every host gets in users.d.", "chi/users.d", "chi/users.d"),
    FIELD_END,
};
OBJECT(file_path);
static const struct field config_file_fields[] = {
    F("path", file_path, "Folders with such files; one that does not exist is left out.", NULL),
    FIELD_END,
};
OBJECT(config_file);

static const struct field user_default_fields[] = {
    FE("profile", schema_text, "Profile of users that name none.", "default", "default"),
    FE("quota", schema_text, "Quota of users that name none.", "default", "default"),
    FE("networksIP", schema_texts, "Addresses that every user may come from, before those of its own.",
       "the loopback addresses", "[\"::1\", \"127.0.0.1\"]"),
    FX("password", schema_text, FIELD_SECRET,
       "Password of users that have none; not for default and the operator's user.", "default", "default"),
    FIELD_END,
};
OBJECT(user_default);
static const struct field config_user_fields[] = {
    F("default", user_default, "What users get that do not say otherwise.", NULL),
    FIELD_END,
};
OBJECT(config_user);
static const struct field config_network_fields[] = {
    FE("hostRegexpTemplate", schema_text, "host_regexp of users that have none; {chi} and {namespace} are expanded.",
       "the pods and Services of the installation",
       "\"(chi-{chi}-[^.]+\\\\d+-\\\\d+|clickhouse\\\\-{chi})\\\\.{namespace}\\\\.svc\\\\.cluster\\\\.local$\""),
    FIELD_END,
};
OBJECT(config_network);
static const struct field ch_configuration_fields[] = {
    F("file", config_file, "Configuration files that every installation gets.", NULL),
    F("user", config_user, "Defaults for users.", NULL),
    F("network", config_network, "Defaults for where users may come from.", NULL),
    FIELD_END,
};
OBJECT(ch_configuration);

static const struct shape restart_rule = {.kind = SHAPE_FREE, .free = FREE_RULES};
LIST(restart_rules, restart_rule);
static const struct field restart_rule_set_fields[] = {
    FE("version", schema_text, "Versions of the running server that it is for: * or a comparison such as \">= 23.3\".",
       NULL, "\"*\""),
    FE("rules", restart_rules,
       "One-key maps: a path such as settings/logger/* with * for any text, and \"yes\" for restart or \"no\". The "
       "last match decides.",
       "none", "[{settings/*: \"yes\"}, {settings/logger/*: \"no\"}]"),
    FIELD_END,
};
OBJECT(restart_rule_set);
LIST(restart_rule_sets, restart_rule_set);
static const struct field restart_policy_fields[] = {
    F("rules", restart_rule_sets,
      "Rule sets by version; later ones win. Those of resources are added to those of the file.",
      "those of Altinity's operator: most settings do, logger, macros, dictionaries, limits of memory and queries do "
      "not"),
    FIELD_END,
};
OBJECT(restart_policy);

static const struct field access_secret_fields[] = {
    FE("namespace", schema_text, "Namespace of the Secret.", "that of the operator", "\"\""),
    FE("name", schema_text, "Name of the Secret; empty means none.", "clickhouse-operator", "clickhouse-operator"),
    FIELD_END,
};
OBJECT(access_secret);
static const struct field access_timeouts_fields[] = {
    FE("connect", ((const struct shape){.kind = SHAPE_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 10}),
       "Seconds until a connection must stand.", "2 (operator), 1 (exporter)", "1"),
    FE("query", ((const struct shape){.kind = SHAPE_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 600}),
       "Seconds until a short query must be answered.", "10 (operator), 4 (exporter)", "4"),
    FIELD_END,
};
OBJECT(access_timeouts);
static const struct field access_fields[] = {
    FE("scheme", schema_text, "http, https, or auto: http where a host has an HTTP port.", "auto", "auto"),
    FE("username", schema_text, "ClickHouse user of the operator.", "clickhouse_operator", "\"\""),
    FX("password", schema_text, FIELD_SECRET, "Its password.", "clickhouse_operator_password", "\"\""),
    FE("rootCA", schema_text, "Root certificate for https, as PEM text.", "empty: certificates of hosts are not verified", "\"\""),
    F("secret", access_secret, "Secret with the keys username and password. It wins when both are filled.", NULL),
    FE("port", schema_port, "Port that is used where a host does not say its own.", "8123", "8123"),
    F("timeouts", access_timeouts, "Time-outs in seconds.", NULL),
    FIELD_END,
};
OBJECT(access);

static const struct field addon_configuration_fields[] = {
    FE("users", schema_settings,
       "Users and their rights; {clickhouseOperatorUser} stands for the operator's user. In a resource every value is "
       "text.",
       "none", "{\"{clickhouseOperatorUser}/access_management\": \"1\"}"),
    FE("profiles", schema_settings, "Settings profiles. In a resource every value is text.", "none",
       "{default/log_queries: \"1\"}"),
    FE("quotas", schema_settings, "Quotas. In a resource every value is text.", "none",
       "{default/interval/duration: \"3600\"}"),
    FE("settings", schema_settings, "Server settings. In a resource every value is text.", "none",
       "{display_secrets_in_show_and_select: \"1\"}"),
    FE("files", schema_files, "Configuration files.", "none", "{config.d/addon.xml: \"<clickhouse></clickhouse>\"}"),
    FIELD_END,
};
OBJECT(addon_configuration);
static const struct field addon_spec_fields[] = {
    F("configuration", addon_configuration, "Sections that are put under those of the installation.", "empty"),
    FIELD_END,
};
OBJECT(addon_spec);
static const struct field addon_rule_fields[] = {
    FE("version", schema_text, "Lowest version among the hosts that it is for: * or a comparison such as \">= 23.5\".",
       NULL, "\"*\""),
    F("spec", addon_spec, "What is added, as a part of an installation's spec.", "nothing"),
    FIELD_END,
};
OBJECT(addon_rule);
LIST(addon_rules, addon_rule);
static const struct field addons_fields[] = {
    F("rules", addon_rules, "All rules that match are applied; an earlier one wins.",
      "rights of the operator's user, from 23.3 on"),
    FIELD_END,
};
OBJECT(addons);

static const struct field collect_timeouts_fields[] = {
    FE("collect", ((const struct shape){.kind = SHAPE_INTEGER, .has_min = true, .min = 1, .has_max = true, .max = 600}),
       "Seconds after which a collection of metrics ends with what it has.", "9", "9"),
    FIELD_END,
};
OBJECT(collect_timeouts);
static const struct field ch_metrics_fields[] = {
    F("timeouts", collect_timeouts, "Time-outs in seconds.", NULL),
    FIELD_END,
};
OBJECT(ch_metrics);

static const struct field clickhouse_fields[] = {
    F("configuration", ch_configuration, "What goes into the configuration of every installation.", NULL),
    F("configurationRestartPolicy", restart_policy, "Which changes of the configuration need a restart of the server.",
      NULL),
    F("access", access, "How the operator talks to ClickHouse.", NULL),
    F("addons", addons, "Configuration that depends on the version; the lowest layer of every installation.", NULL),
    F("metrics", ch_metrics, "How the exporter reads its metrics.", NULL),
    FIELD_END,
};
OBJECT(clickhouse);

/* ---- keeper ---- */

static const struct field keeper_path_fields[] = {
    FX("common", schema_text, FIELD_FILE, "Folder whose *.xml files every member gets in keeper_config.d.",
       "chk/keeper_config.d", "chk/keeper_config.d"),
    FX("host", schema_text, FIELD_FILE, "Folder whose *.xml files every member gets in conf.d.", "chk/conf.d",
       "chk/conf.d"),
    FX("user", schema_text, FIELD_FILE, "Folder whose *.xml files every member gets in users.d.", "chk/users.d",
       "chk/users.d"),
    FIELD_END,
};
OBJECT(keeper_path);
static const struct field keeper_file_fields[] = {
    FX("path", keeper_path, FIELD_FILE, "Folders with such files; one that does not exist is left out.", NULL, NULL),
    FIELD_END,
};
OBJECT(keeper_file);
static const struct field keeper_configuration_fields[] = {
    FX("file", keeper_file, FIELD_FILE, "Configuration files that every Keeper installation gets.", NULL, NULL),
    IDLE("user", schema_any, "Keeper has no users."),
    IDLE("network", schema_any, "Keeper has no users."),
    FIELD_END,
};
OBJECT(keeper_configuration);
static const struct field keeper_fields[] = {
    FX("configuration", keeper_configuration, FIELD_FILE,
       "What goes into the configuration of every Keeper installation.", NULL, NULL),
    FIELD_END,
};
OBJECT(keeper);

/* ---- template ---- */

static const struct shape chit_policy = {.kind = SHAPE_TEXT, .values = "|ReadOnStart|ApplyOnNextReconcile"};
static const struct field template_chi_fields[] = {
    FE("policy", chit_policy,
       "ReadOnStart: templates are read once. ApplyOnNextReconcile: a changed template counts from the next reconcile "
       "of an installation.",
       "ApplyOnNextReconcile", "ApplyOnNextReconcile"),
    FE("path", schema_text, "Folder with templates as *.yaml and *.json files. Relative to the configuration file.",
       "chi/templates.d", "chi/templates.d"),
    FIELD_END,
};
OBJECT(template_chi);
static const struct field template_chk_fields[] = {
    IDLE("policy", schema_text, "There are no templates of Keeper installations."),
    IDLE("path", schema_text, "There are no templates of Keeper installations."),
    FIELD_END,
};
OBJECT(template_chk);
static const struct field template_fields[] = {
    F("chi", template_chi, "Templates of ClickHouse installations.", NULL),
    IDLE("chk", template_chk, "There are no templates of Keeper installations."),
    FIELD_END,
};
OBJECT(template);

/* ---- reconcile ---- */

static const struct field runtime_fields[] = {
    FE("reconcileCHIsThreadsNumber", schema_threads, "How many installations are worked on at the same time.", "10",
       "10"),
    FE("reconcileShardsThreadsNumber", schema_threads, "How many shards of a cluster are worked on at the same time.",
       "5", "5"),
    FE("reconcileShardsMaxConcurrencyPercent", schema_percent,
       "The same limit as a percentage of all shards. 0 means: not given.", "50", "50"),
    IDLE("threadsNumber", schema_integer, "Old name of the other two; it never did anything."),
    FIELD_END,
};
OBJECT(runtime);

static const struct field reconcile_fields[] = {
    F("runtime", runtime, "How much is done at the same time.", NULL),
    F("statefulSet", schema_reconcile_sts, "Time-outs, and what happens on failure.", NULL),
    F("host", schema_reconcile_host, "Waiting and dropping for installations that do not say otherwise.", NULL),
    FIELD_END,
};
OBJECT(reconcile);

/* ---- the rest ---- */

static const struct field annotation_fields[] = {
    FE("include", schema_texts, "Annotations of an installation that its objects get; an empty list means all.", "all",
       "[]"),
    FE("exclude", schema_texts, "Annotations that they never get.", "none", "[]"),
    FIELD_END,
};
OBJECT(annotation);

static const struct field label_runtime_fields[] = {
    IDLE("appendScope", schema_boolean, "Worked out from label.appendScope."),
    FIELD_END,
};
OBJECT(label_runtime);
static const struct field label_fields[] = {
    FE("include", schema_texts, "Labels of an installation that its objects get; an empty list means all.", "all",
       "[]"),
    FE("exclude", schema_texts, "Labels that they never get.", "none", "[]"),
    FE("appendScope", schema_string_bool, "\"yes\": StatefulSets and pods also get labels with their positions.", "no",
       "\"no\""),
    IDLE("runtime", label_runtime, "Not for people."),
    FIELD_END,
};
OBJECT(label);

static const struct field metrics_labels_fields[] = {
    FE("exclude", schema_texts, "Labels that metrics do not carry.", "none", "[]"),
    FIELD_END,
};
OBJECT(metrics_labels);
static const struct field metrics_fields[] = {
    F("labels", metrics_labels, "Labels of metrics.", NULL),
    FIELD_END,
};
OBJECT(metrics);

static const struct field status_switches_fields[] = {
    FE("action", schema_string_bool, "\"yes\": status.action is written.", "no", "\"no\""),
    FE("actions", schema_string_bool, "\"yes\": status.actions is written.", "no", "\"no\""),
    FE("error", schema_string_bool, "\"yes\": status.error is written.", "yes", "\"yes\""),
    FE("errors", schema_string_bool, "\"yes\": status.errors is written.", "yes", "\"yes\""),
    FIELD_END,
};
OBJECT(status_switches);
static const struct field status_options_fields[] = {
    F("fields", status_switches, "Switches of single fields.", NULL),
    FIELD_END,
};
OBJECT(status_options);

static const struct field sts_fields[] = {
    FE("revisionHistoryLimit", schema_integer, "How many old revisions a StatefulSet keeps. 0 counts as not given.",
       "10", "0"),
    FIELD_END,
};
OBJECT(sts);
static const struct field pod_fields[] = {
    FE("terminationGracePeriod", schema_integer,
       "Seconds a server has to stop, where its pod template does not say it. 0 counts as not given.", "30", "30"),
    FIELD_END,
};
OBJECT(pod);

static const struct field logger_fields[] = {
    FX("logtostderr", schema_text, FIELD_NO_EFFECT, "The log always goes to standard error.", "true", "\"true\""),
    FX("alsologtostderr", schema_text, FIELD_NO_EFFECT, "The log always goes to standard error.", "false",
       "\"false\""),
    FE("v", schema_text, "How much is logged: from 2 on all (debug), below that what chfleetd --log-level says.", "1",
       "\"1\""),
    FX("stderrthreshold", schema_text, FIELD_NO_EFFECT, "chfleetd --log-level says how much is logged.", "empty",
       "\"\""),
    FX("vmodule", schema_text, FIELD_NO_EFFECT, "Levels for single source files.", NULL, "\"\""),
    FX("log_backtrace_at", schema_text, FIELD_NO_EFFECT, "Traces at single source lines.", NULL, "\"\""),
    FIELD_END,
};
OBJECT(logger);

static const struct field schema_chopconf_spec_fields[] = {
    F("watch", watch, "What is watched.", NULL),
    F("clickhouse", clickhouse, "ClickHouse installations.", NULL),
    FX("keeper", keeper, FIELD_FILE, "Keeper installations.", NULL, NULL),
    F("template", template, "Templates of installations.", NULL),
    F("reconcile", reconcile, "How changes are carried out.", NULL),
    F("annotation", annotation, "Which annotations go on from an installation to its objects.", NULL),
    F("label", label, "Which labels go on from an installation to its objects.", NULL),
    F("metrics", metrics, "Metrics of the operator and its exporter.", NULL),
    F("status", status_options, "What the status of an installation shows.", NULL),
    F("statefulSet", sts, "Values of StatefulSets.", NULL),
    F("pod", pod, "Values of pods.", NULL),
    F("logger", logger, "The operator's log.", NULL),
    IDLE("runtime", schema_any, "Not for people: the operator notes here where its configuration came from."),
    OLD("watchNamespaces", schema_texts, "Write watch.namespaces.include."),
    OLD("chCommonConfigsPath", schema_text, "Write clickhouse.configuration.file.path.common."),
    OLD("chHostConfigsPath", schema_text, "Write clickhouse.configuration.file.path.host."),
    OLD("chUsersConfigsPath", schema_text, "Write clickhouse.configuration.file.path.user."),
    OLD("chiTemplatesPath", schema_text, "Write template.chi.path."),
    OLD("statefulSetUpdateTimeout", schema_integer, "Write reconcile.statefulSet.update.timeout."),
    OLD("statefulSetUpdatePollPeriod", schema_integer, "Write reconcile.statefulSet.update.pollInterval."),
    OLD("onStatefulSetCreateFailureAction", schema_text, "Write reconcile.statefulSet.create.onFailure."),
    OLD("onStatefulSetUpdateFailureAction", schema_text, "Write reconcile.statefulSet.update.onFailure."),
    OLD("chConfigUserDefaultProfile", schema_text, "Write clickhouse.configuration.user.default.profile."),
    OLD("chConfigUserDefaultQuota", schema_text, "Write clickhouse.configuration.user.default.quota."),
    OLD("chConfigUserDefaultNetworksIP", schema_texts, "Write clickhouse.configuration.user.default.networksIP."),
    OLD_SECRET("chConfigUserDefaultPassword", schema_text, "Write clickhouse.configuration.user.default.password."),
    OLD("chConfigNetworksHostRegexpTemplate", schema_text,
        "Write clickhouse.configuration.network.hostRegexpTemplate."),
    OLD("chScheme", schema_text, "Write clickhouse.access.scheme."),
    OLD("chUsername", schema_text, "Write clickhouse.access.username."),
    OLD_SECRET("chPassword", schema_text, "Write clickhouse.access.password."),
    OLD("chCredentialsSecretNamespace", schema_text, "Write clickhouse.access.secret.namespace."),
    OLD("chCredentialsSecretName", schema_text, "Write clickhouse.access.secret.name."),
    OLD("chPort", schema_integer, "Write clickhouse.access.port."),
    IDLE("logtostderr", schema_text, "The log always goes to standard error."),
    IDLE("alsologtostderr", schema_text, "The log always goes to standard error."),
    OLD("v", schema_text, "Write logger.v."),
    IDLE("stderrthreshold", schema_text, "chfleetd --log-level says how much is logged."),
    IDLE("vmodule", schema_text, "Old place of logger.vmodule."),
    IDLE("log_backtrace_at", schema_text, "Old place of logger.log_backtrace_at."),
    IDLE("reconcileThreadsNumber", schema_integer, "It never did anything; see reconcile.runtime."),
    OLD("reconcileWaitExclude", schema_boolean, "Write reconcile.host.wait.exclude."),
    OLD("reconcileWaitInclude", schema_boolean, "Write reconcile.host.wait.include."),
    OLD("includeIntoPropagationAnnotations", schema_texts, "Write annotation.include."),
    OLD("excludeFromPropagationAnnotations", schema_texts, "Write annotation.exclude."),
    OLD("includeIntoPropagationLabels", schema_texts, "Write label.include."),
    OLD("excludeFromPropagationLabels", schema_texts, "Write label.exclude."),
    OLD("appendScopeLabels", schema_string_bool, "Write label.appendScope."),
    OLD("terminationGracePeriod", schema_integer, "Write pod.terminationGracePeriod."),
    OLD("revisionHistoryLimit", schema_integer, "Write statefulSet.revisionHistoryLimit."),
    FIELD_END,
};
const struct shape schema_chopconf_spec = {.kind = SHAPE_OBJECT, .fields = schema_chopconf_spec_fields, .open = true};

static const struct field schema_chopconf_root_fields[] = {
    FX("apiVersion", schema_text, FIELD_REQUIRED, "clickhouse.altinity.com/v1", NULL, NULL),
    FX("kind", schema_text, FIELD_REQUIRED, "ClickHouseOperatorConfiguration", NULL, NULL),
    FX("metadata", schema_meta, 0, "Name, namespace, labels and annotations, as of every Kubernetes object.", NULL,
       NULL),
    FX("spec", schema_chopconf_spec, 0,
       "The configuration. It is put over the configuration file, resource by resource in the order of their names: "
       "single values replace, lists are appended.",
       "empty", NULL),
    FX("status", schema_any, 0, "Not written.", NULL, NULL),
    FIELD_END,
};
const struct shape schema_chopconf_root = {.kind = SHAPE_OBJECT, .fields = schema_chopconf_root_fields};
