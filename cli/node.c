/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static int set_unschedulable(struct fleet_api *a, bool closed, struct err *err)
{
    auto_json cJSON *nodes = api_list(a, KUBE_NODE, NULL, NULL, err);
    const cJSON *node;

    if (!nodes)
        return -1;
    cJSON_ArrayForEach(node, json_get(nodes, "items")) {
        auto_json cJSON *patch = cJSON_CreateObject(), *answer = NULL;

        if (json_bool(node, "spec.unschedulable", false) == closed)
            continue;
        cJSON_AddItemToObject(json_set_obj(patch, "spec"), "unschedulable", closed ? cJSON_CreateTrue() : cJSON_CreateNull());
        answer = api_patch(a, KUBE_NODE, NULL, json_name(node), patch, err);
        if (!answer)
            return -1;
    }
    return 0;
}

int node_allow(struct fleet_api *a, struct err *err)
{
    return set_unschedulable(a, false, err);
}

static bool runs(const cJSON *pod)
{
    const char *phase = json_str(pod, "status.phase", "");

    return *json_str(pod, "spec.nodeName", "") && !str_eq(phase, "Succeeded") && !str_eq(phase, "Failed");
}

/* Asks every running pod to end that was not asked yet. Returns how many still run, -1 on error. */
static int ask_all(struct fleet_api *a, struct err *err)
{
    auto_json cJSON *pods = api_list(a, KUBE_POD, NULL, NULL, err);
    const cJSON *pod;
    int n = 0;

    if (!pods)
        return -1;
    cJSON_ArrayForEach(pod, json_get(pods, "items")) {
        struct err why = ERR_INIT;

        if (!runs(pod))
            continue;
        n++;
        if (json_at(pod, "metadata.deletionTimestamp"))
            continue;
        if (api_delete(a, KUBE_POD, json_ns(pod), json_name(pod), json_uid(pod), &why) < 0 && why.kind != ERR_MISSING &&
            why.kind != ERR_CONFLICT) {
            *err = why;
            return -1;
        }
    }
    return n;
}

int node_empty(struct fleet_api *a, uint64_t limit_ms, struct err *err)
{
    uint64_t until = api_mono(a) + limit_ms;
    int n;

    if (set_unschedulable(a, true, err) < 0)
        return -1;
    while ((n = ask_all(a, err)) > 0) {
        if (api_mono(a) > until)
            return err_set(err, ERR_AGAIN, 0, "%d pods still run after %llu s; chfleet down again, or with a longer --timeout", n,
                           (unsigned long long)limit_ms / 1000);
        api_sleep(a, 100);
    }
    return n;
}
