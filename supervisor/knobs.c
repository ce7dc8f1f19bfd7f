/* SPDX-License-Identifier: Apache-2.0 */
/* What a task is told of knobs and hooks. */
#include <string.h>

#include "base/mem.h"
#include "supervisor/internal.h"

enum { CONFIRM_SLACK_S = 30, HOOK_SLACK_S = 30 };

static const char *policy_name(enum schema_policy p)
{
    return p == SCHEMA_NONE ? "None" : p == SCHEMA_ALL ? "All" : "DistributedTablesOnly";
}

static const char *const hook_steps[][2] = {
    {"before-cluster", "beforeCluster"}, {"after-cluster", "afterCluster"}, {"before-shard", "beforeShard"},
    {"after-shard", "afterShard"},       {"before-host", "beforeHost"},     {"after-host", "afterHost"},
};
enum { HOOK_STEPS = sizeof hook_steps / sizeof *hook_steps };

cJSON *knobs_limits(const struct fleet *f)
{
    cJSON *limits = cJSON_CreateObject();
    const cJSON *hook;

    json_set_int(limits, "started", f->knobs.ready_s);
    json_set_int(limits, "confirm", f->knobs.propagation_s + CONFIRM_SLACK_S);
    if (f->knobs.propagation_s + 2 * CONFIRM_SLACK_S > 300) { /* they wait for what confirm waits for */
        json_set_int(limits, "leave", f->knobs.propagation_s + 2 * CONFIRM_SLACK_S);
        json_set_int(limits, "join", f->knobs.propagation_s + 2 * CONFIRM_SLACK_S);
    }
    for (size_t i = 0; i < HOOK_STEPS; i++) {
        int64_t all = 0;

        cJSON_ArrayForEach(hook, f->hooks)
            if (strcmp(json_str(hook, "when", ""), hook_steps[i][1]) == 0)
                all += json_int(hook, "timeout_s", 60) * (1 + cJSON_GetArraySize(json_get(hook, "sql")));
        if (all)
            json_set_int(limits, hook_steps[i][0], all + HOOK_SLACK_S);
    }
    return limits;
}

void knobs_add_hooks(cJSON *out, const struct inst *in, const struct task *t)
{
    cJSON *changes, *clusters;

    if (!cJSON_GetArraySize(in->fleet->hooks) || in->group != GROUP_CHI || !t)
        return;
    json_set(out, "hooks", json_copy(in->fleet->hooks));
    if (t->n_hosts)
        return;
    changes = json_set_arr(out, "changes");
    clusters = json_set_arr(out, "clusters");
    for (size_t i = 0; i < in->fleet->n_clusters; i++)
        json_add_str(clusters, in->fleet->clusters[i].name);
    for (size_t i = 0; i < in->n_hosts; i++) {
        const struct host *h = fleet_host(in->fleet, in->hosts[i].key);
        cJSON *one;

        if (!h || in->hosts[i].action == ACT_NONE)
            continue;
        one = cJSON_CreateObject();
        json_set_str(one, "cluster", h->cluster->name);
        json_set_str(one, "action", host_action_name(in->hosts[i].action));
        cJSON_AddItemToArray(changes, one);
    }
}

void knobs_add(cJSON *out, const struct inst *in, const struct cluster *c)
{
    const struct fleet *f = in->fleet;
    cJSON *policy = json_set_obj(out, "schema_policy"), *k = json_set_obj(out, "knobs");

    json_set_str(policy, "replica", policy_name(c->schema_replica));
    json_set_str(policy, "shard", policy_name(c->schema_shard));
    json_set_bool(k, "wait_queries", c->knobs.wait_queries);
    json_set_int(k, "min_serving", c->knobs.min_serving);
    json_set_bool(k, "replicas_all", c->knobs.replicas_all);
    json_set_bool(k, "replicas_new", c->knobs.replicas_new);
    json_set_int(k, "replicas_delay_s", c->knobs.replicas_delay_s);
    json_set_bool(k, "probe_startup", c->knobs.probe_startup);
    json_set_bool(k, "probe_readiness", c->knobs.probe_readiness);
    json_set_bool(k, "drop_on_delete", c->knobs.drop_on_delete);
    json_set_bool(k, "drop_on_lost_volume", c->knobs.drop_on_lost_volume);
    json_set_bool(k, "drop_active", c->knobs.drop_active);
    json_set_int(k, "poll_ms", f->knobs.poll_s * 1000);
    json_set_str(k, "after_failed_create", f->knobs.create_failed == FAILURE_TAKE_BACK ? "take-back" : NULL);
    json_set_str(k, "after_failed_update", f->knobs.update_failed == FAILURE_ROLLBACK ? "rollback" : NULL);
    json_set_bool(k, "failed_service_goes", f->knobs.failed.service);
    json_set_bool(k, "failed_configmap_goes", f->knobs.failed.configmap);
    json_set_bool(k, "failed_pvc_goes", f->knobs.failed.pvc);
    json_set_int(k, "propagation_s", f->knobs.propagation_s);
    json_set(k, "limits", knobs_limits(f));
    if (in->s->endpoints) /* the plane writes mounted files as soon as it sees the object */
        json_set_int(k, "files_s", 2);
}
