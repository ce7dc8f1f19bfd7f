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

static bool keeps_sessions(const cJSON *pod)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(pod, "spec.containers")) {
        const char *image = json_str(c, "image", "");
        const char *name = strrchr(image, '/') ? strrchr(image, '/') + 1 : image;

        if (strstr(name, "keeper")) /* zookeeper too */
            return true;
    }
    return false;
}

static int ask_one(struct fleet_api *a, const cJSON *pod, struct err *err)
{
    struct err why = ERR_INIT;

    if (json_at(pod, "metadata.deletionTimestamp"))
        return 0;
    if (api_delete(a, KUBE_POD, json_ns(pod), json_name(pod), json_uid(pod), &why) < 0 && why.kind != ERR_MISSING &&
        why.kind != ERR_CONFLICT) {
        *err = why;
        return -1;
    }
    return 0;
}

/* Asks every running pod to end that was not asked yet, Keepers only when nothing else runs: a database that loses its
 * Keeper while it stops waits for it. Returns how many still run, -1 on error. */
static int ask_all(struct fleet_api *a, struct err *err)
{
    auto_json cJSON *pods = api_list(a, KUBE_POD, NULL, NULL, err);
    const cJSON *pod;
    int keepers = 0, others = 0;

    if (!pods)
        return -1;
    cJSON_ArrayForEach(pod, json_get(pods, "items")) {
        if (!runs(pod))
            continue;
        if (keeps_sessions(pod))
            keepers++;
        else if (ask_one(a, pod, err) == 0)
            others++;
        else
            return -1;
    }
    if (others)
        return keepers + others;
    cJSON_ArrayForEach(pod, json_get(pods, "items"))
        if (runs(pod) && ask_one(a, pod, err) < 0)
            return -1;
    return keepers;
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
