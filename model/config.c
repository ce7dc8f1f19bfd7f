/* SPDX-License-Identifier: Apache-2.0 */
#include "model/config.h"

#include <string.h>

#include "base/mem.h"

static const char builtin[] =
    "{\"watch\":{\"namespaces\":{\"include\":[],\"exclude\":[]}},"
    "\"clickhouse\":{\"configuration\":{"
    "\"user\":{\"default\":{\"profile\":\"default\",\"quota\":\"default\",\"networksIP\":[\"::1\",\"127.0.0.1\"],"
    "\"password\":\"default\"}},"
    "\"network\":{\"hostRegexpTemplate\":"
    "\"(chi-{chi}-[^.]+\\\\d+-\\\\d+|clickhouse\\\\-{chi})\\\\.{namespace}\\\\.svc\\\\.cluster\\\\.local$\"}},"
    "\"configurationRestartPolicy\":{\"rules\":[{\"version\":\"*\",\"rules\":["
    "{\"settings/*\":\"yes\"},{\"settings/access_control_path\":\"no\"},{\"settings/dictionaries_config\":\"no\"},"
    "{\"settings/max_server_memory_*\":\"no\"},{\"settings/max_*_to_drop\":\"no\"},"
    "{\"settings/max_concurrent_queries\":\"no\"},{\"settings/models_config\":\"no\"},"
    "{\"settings/user_defined_executable_functions_config\":\"no\"},{\"settings/logger/*\":\"no\"},"
    "{\"settings/macros/*\":\"no\"},{\"settings/remote_servers/*\":\"no\"},{\"settings/user_directories/*\":\"no\"},"
    "{\"settings/display_secrets_in_show_and_select\":\"no\"},{\"zookeeper/*\":\"no\"},{\"files/*.xml\":\"yes\"},"
    "{\"files/config.d/*.xml\":\"yes\"},{\"files/config.d/*dict*.xml\":\"no\"},{\"files/config.d/"
    "*no_restart*\":\"no\"},"
    "{\"profiles/default/background_*_pool_size\":\"yes\"},{\"profiles/default/max_*_for_server\":\"yes\"}]},"
    "{\"version\":\"21.*\",\"rules\":[{\"settings/logger\":\"yes\"}]}]},"
    "\"access\":{\"scheme\":\"auto\",\"username\":\"clickhouse_operator\",\"password\":\"clickhouse_operator_"
    "password\","
    "\"rootCA\":\"\",\"secret\":{\"namespace\":\"\",\"name\":\"clickhouse-operator\"},\"port\":8123},"
    "\"addons\":{\"rules\":["
    "{\"version\":\">= 23.3\",\"spec\":{\"configuration\":{\"users\":{"
    "\"{clickhouseOperatorUser}/access_management\":1,\"{clickhouseOperatorUser}/named_collection_control\":1,"
    "\"{clickhouseOperatorUser}/show_named_collections\":1,"
    "\"{clickhouseOperatorUser}/show_named_collections_secrets\":1}}}},"
    "{\"version\":\">= 23.5\",\"spec\":{\"configuration\":{"
    "\"profiles\":{\"clickhouse_operator/format_display_secrets_in_show_and_select\":1},"
    "\"settings\":{\"display_secrets_in_show_and_select\":1}}}}]},"
    "\"metrics\":{\"timeouts\":{\"collect\":9}}},"
    "\"template\":{\"chi\":{\"policy\":\"ApplyOnNextReconcile\"}},"
    "\"reconcile\":{\"runtime\":{\"reconcileCHIsThreadsNumber\":10,\"reconcileShardsThreadsNumber\":5,"
    "\"reconcileShardsMaxConcurrencyPercent\":50},"
    "\"statefulSet\":{\"create\":{\"onFailure\":\"ignore\"},"
    "\"update\":{\"timeout\":600,\"pollInterval\":2,\"onFailure\":\"abort\"}},"
    "\"host\":{\"wait\":{\"exclude\":\"true\",\"queries\":\"true\",\"include\":\"false\","
    "\"replicas\":{\"all\":\"yes\",\"new\":\"yes\",\"delay\":10},\"probes\":{\"startup\":\"no\",\"readiness\":\"yes\"}},"
    "\"drop\":{\"replicas\":{\"onDelete\":\"yes\",\"onLostVolume\":\"yes\",\"active\":\"no\"}}}},"
    "\"annotation\":{\"include\":[],\"exclude\":[]},\"label\":{\"include\":[],\"exclude\":[],\"appendScope\":\"no\"},"
    "\"status\":{\"fields\":{\"action\":\"false\",\"actions\":\"false\",\"error\":\"true\",\"errors\":\"true\"}},"
    "\"statefulSet\":{\"revisionHistoryLimit\":10},\"pod\":{\"terminationGracePeriod\":30}}";

cJSON *config_builtin(void)
{
    return json_parse(builtin, sizeof builtin - 1, NULL);
}

int config_flag(const cJSON *v)
{
    if (cJSON_IsBool(v))
        return cJSON_IsTrue(v);
    if (cJSON_IsNumber(v))
        return v->valuedouble != 0;
    return cJSON_IsString(v) ? str_bool(v->valuestring) : -1;
}

bool config_bool(const cJSON *config, const char *path, bool dflt)
{
    int flag = config_flag(json_at(config, path));

    return flag < 0 ? dflt : flag;
}

static bool is_empty(const cJSON *v)
{
    if (cJSON_IsNull(v) || (cJSON_IsString(v) && !*v->valuestring) || (cJSON_IsNumber(v) && v->valuedouble == 0))
        return true;
    return (cJSON_IsArray(v) || cJSON_IsObject(v)) && !v->child;
}

/* Puts `from` over `to`. Appending is for resources: their lists join, and what is empty does not count. */
static void put_over(cJSON *to, const cJSON *from, bool append)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, from) {
        cJSON *old = json_get(to, v->string);
        const cJSON *item;

        if (cJSON_IsNull(v) || (append && is_empty(v)))
            continue;
        if (cJSON_IsObject(v) && cJSON_IsObject(old)) {
            put_over(old, v, append);
        } else if (append && cJSON_IsArray(v) && cJSON_IsArray(old)) {
            cJSON_ArrayForEach(item, v)
                cJSON_AddItemToArray(old, json_copy(item));
        } else {
            json_set(to, v->string, json_copy(v));
        }
    }
}

static const struct {
    const char *old, *path;
} flat_keys[] = {
    {"watchNamespaces", "watch.namespaces.include"},
    {"chCommonConfigsPath", "clickhouse.configuration.file.path.common"},
    {"chHostConfigsPath", "clickhouse.configuration.file.path.host"},
    {"chUsersConfigsPath", "clickhouse.configuration.file.path.user"},
    {"chiTemplatesPath", "template.chi.path"},
    {"statefulSetUpdateTimeout", "reconcile.statefulSet.update.timeout"},
    {"statefulSetUpdatePollPeriod", "reconcile.statefulSet.update.pollInterval"},
    {"onStatefulSetCreateFailureAction", "reconcile.statefulSet.create.onFailure"},
    {"onStatefulSetUpdateFailureAction", "reconcile.statefulSet.update.onFailure"},
    {"chConfigUserDefaultProfile", "clickhouse.configuration.user.default.profile"},
    {"chConfigUserDefaultQuota", "clickhouse.configuration.user.default.quota"},
    {"chConfigUserDefaultNetworksIP", "clickhouse.configuration.user.default.networksIP"},
    {"chConfigUserDefaultPassword", "clickhouse.configuration.user.default.password"},
    {"chConfigNetworksHostRegexpTemplate", "clickhouse.configuration.network.hostRegexpTemplate"},
    {"chScheme", "clickhouse.access.scheme"},
    {"chUsername", "clickhouse.access.username"},
    {"chPassword", "clickhouse.access.password"},
    {"chCredentialsSecretNamespace", "clickhouse.access.secret.namespace"},
    {"chCredentialsSecretName", "clickhouse.access.secret.name"},
    {"chPort", "clickhouse.access.port"},
    {"reconcileWaitExclude", "reconcile.host.wait.exclude"},
    {"reconcileWaitInclude", "reconcile.host.wait.include"},
    {"includeIntoPropagationAnnotations", "annotation.include"},
    {"excludeFromPropagationAnnotations", "annotation.exclude"},
    {"includeIntoPropagationLabels", "label.include"},
    {"excludeFromPropagationLabels", "label.exclude"},
    {"appendScopeLabels", "label.appendScope"},
    {"terminationGracePeriod", "pod.terminationGracePeriod"},
    {"revisionHistoryLimit", "statefulSet.revisionHistoryLimit"},
    {"v", "logger.v"},
};

static void put_at(cJSON *root, const char *path, cJSON *value)
{
    char part[64];

    for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
        memcpy(part, path, (size_t)(dot - path));
        part[dot - path] = '\0';
        root = json_need_obj(root, part);
    }
    json_set(root, path, value);
}

static cJSON *without_flat_keys(const cJSON *tree)
{
    cJSON *copy = cJSON_IsObject(tree) ? json_copy(tree) : cJSON_CreateObject();

    for (size_t i = 0; i < sizeof flat_keys / sizeof *flat_keys; i++) {
        cJSON *v = cJSON_DetachItemFromObjectCaseSensitive(copy, flat_keys[i].old);

        if (v && !is_empty(v))
            put_at(copy, flat_keys[i].path, v);
        else
            cJSON_Delete(v);
    }
    /* the file may have a plain list, which is what is included */
    if (cJSON_IsArray(json_at(copy, "watch.namespaces"))) {
        cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(json_get(copy, "watch"), "namespaces");

        put_at(copy, "watch.namespaces.include", list);
    }
    return copy;
}

/* Where 0 and "" mean "not given" even in the file. */
static void refill(cJSON *config, const cJSON *from, const char *path)
{
    const cJSON *v = json_at(config, path);

    if (!v || is_empty(v))
        put_at(config, path, json_copy(json_at(from, path)));
}

cJSON *config_effective(const cJSON *file, const cJSON *const *resources, size_t n)
{
    static const char *const never_empty[] = {
        "clickhouse.access.username",
        "clickhouse.access.password",
        "clickhouse.access.port",
        "clickhouse.configuration.user.default.profile",
        "clickhouse.configuration.user.default.quota",
        "statefulSet.revisionHistoryLimit",
        "pod.terminationGracePeriod",
        "reconcile.runtime.reconcileShardsMaxConcurrencyPercent",
    };
    cJSON *config = config_builtin();
    auto_json cJSON *shipped = config_builtin(), *own = without_flat_keys(file);

    put_over(config, own, false);
    for (size_t i = 0; i < n; i++) {
        auto_json cJSON *spec = without_flat_keys(json_get(resources[i], "spec"));

        put_over(config, spec, true);
    }
    for (size_t i = 0; i < sizeof never_empty / sizeof *never_empty; i++)
        refill(config, shipped, never_empty[i]);
    return config;
}
