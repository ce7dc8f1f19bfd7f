/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler of one node: a pod goes there unless its nodeSelector names labels the node does not have, or one of its
 * volumes is on another node. Affinity rules are about several nodes; with one there is nothing to choose, so they are not looked at (docs say so).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/ctl.h"

enum { AGAIN_MS = 5000 };

struct ctl_sched {
    struct plane *p;
    struct store *s;
    struct ctl_queue *q;
    struct store_sub *pods, *nodes;
};

static bool names_node(const cJSON *terms, const char *node)
{
    const cJSON *term, *e;

    if (cJSON_GetArraySize(terms) == 0)
        return true;
    cJSON_ArrayForEach(term, terms) {
        bool all = true;

        cJSON_ArrayForEach(e, json_get(term, "matchExpressions"))
            if (str_eq(json_str(e, "key", NULL), "kubernetes.io/hostname") && str_eq(json_str(e, "operator", NULL), "In"))
                all &= json_has(json_get(e, "values"), node);
        if (all)
            return true;
    }
    return false;
}

/* The volume of a claim that is on another node than this one; NULL. */
static const cJSON *volume_elsewhere(struct ctl_sched *c, const cJSON *pod)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(pod, "spec.volumes")) {
        const char *claim = json_str(v, "persistentVolumeClaim.claimName", NULL);
        const cJSON *pvc = claim ? store_get(c->s, PK_PVC, json_ns(pod), claim) : NULL;
        const cJSON *pv = pvc ? store_get(c->s, PK_PV, NULL, json_str(pvc, "spec.volumeName", "")) : NULL;

        if (pv && !names_node(json_at(pv, "spec.nodeAffinity.required.nodeSelectorTerms"), c->p->node_name))
            return pv;
    }
    return NULL;
}

static bool fits(struct ctl_sched *c, const cJSON *pod, char *why, size_t size)
{
    const cJSON *node = store_get(c->s, PK_NODE, NULL, c->p->node_name), *want, *volume = volume_elsewhere(c, pod);

    if (node && json_bool(node, "spec.unschedulable", false)) {
        snprintf(why, size,
                 "0/1 nodes are available: 1 node(s) were unschedulable; `chfleet up` or kubectl uncordon %s opens it",
                 c->p->node_name);
        return false;
    }
    if (volume) {
        snprintf(why, size, "0/1 nodes are available: 1 node(s) had volume node affinity conflict (%s)", json_name(volume));
        return false;
    }
    cJSON_ArrayForEach(want, json_at(pod, "spec.nodeSelector"))
        if (!str_eq(node ? json_label(node, want->string) : NULL, cJSON_IsString(want) ? want->valuestring : "")) {
            snprintf(
                why, size,
                "0/1 nodes are available: 1 node(s) didn't match Pod's node selector (%s=%s); kubectl label node %s "
                "%s=%s makes it fit",
                want->string, cJSON_IsString(want) ? want->valuestring : "", c->p->node_name, want->string,
                cJSON_IsString(want) ? want->valuestring : "");
            return false;
        }
    return true;
}

static void write_unscheduled(struct ctl_sched *c, const cJSON *pod, const char *why)
{
    cJSON *st = json_copy(json_get(pod, "status")), *list, *cond = cJSON_CreateObject();
    const cJSON *old = ctl_condition(pod, "PodScheduled");
    char now[32];

    if (!st)
        st = cJSON_CreateObject();
    list = json_set_arr(st, "conditions");
    json_set_str(cond, "type", "PodScheduled");
    json_set_str(cond, "status", "False");
    json_set_str(cond, "reason", "Unschedulable");
    json_set_str(cond, "message", why);
    json_set_str(cond, "lastTransitionTime", json_str(old, "lastTransitionTime", store_now(c->s, now)));
    cJSON_AddItemToArray(list, cond);
    json_set_str(st, "phase", "Pending");
    ctl_write_status(c->s, PK_POD, pod, st);
}

static void sync_pod(void *ctx, const char *ns, const char *name)
{
    struct ctl_sched *c = ctx;
    const cJSON *pod = store_get(c->s, PK_POD, ns, name);
    auto_json cJSON *patch = NULL;
    struct err e = ERR_INIT;
    char why[512];

    if (!pod || *json_str(pod, "spec.nodeName", "") || ctl_deleting(pod))
        return;
    if (!fits(c, pod, why, sizeof why)) {
        if (!str_eq(json_str(ctl_condition(pod, "PodScheduled"), "message", NULL), why))
            store_event(c->s, "default-scheduler", pod, true, "FailedScheduling", "%s", why);
        write_unscheduled(c, pod, why);
        ctl_queue_add(c->q, ns, name, AGAIN_MS);
        return;
    }
    patch = cJSON_CreateObject();
    json_set_str(json_set_obj(patch, "metadata"), "uid", json_uid(pod));
    json_set_str(json_set_obj(patch, "spec"), "nodeName", c->p->node_name);
    if (store_patch(c->s, PK_POD, ns, name, patch, STORE_SYSTEM, NULL, &e) < 0 && e.kind != ERR_MISSING) {
        ctl_queue_add(c->q, ns, name, AGAIN_MS);
        return;
    }
    if ((pod = store_get(c->s, PK_POD, ns, name)))
        store_event(c->s, "default-scheduler", pod, false, "Scheduled", "Successfully assigned %s/%s to %s", ns, name,
                    c->p->node_name);
}

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_sched *c = ctx;

    (void)old;
    if (obj && what != STORE_GONE && !*json_str(obj, "spec.nodeName", ""))
        ctl_queue_add(c->q, json_ns(obj), json_name(obj), 0);
}

static int again(void *ctx, const cJSON *pod)
{
    on_pod(ctx, STORE_ADDED, NULL, pod);
    return 0;
}

/* The node was opened or got other labels. */
static void on_node(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_sched *c = ctx;

    if (!obj || what != STORE_CHANGED || !old ||
        (json_bool(old, "spec.unschedulable", false) == json_bool(obj, "spec.unschedulable", false) &&
         json_same(json_at(old, "metadata.labels"), json_at(obj, "metadata.labels"))))
        return;
    store_each(c->s, PK_POD, NULL, NULL, again, c);
}

struct ctl_sched *ctl_sched_new(struct plane *p)
{
    struct ctl_sched *c = mem_zero(sizeof *c);

    c->p = p;
    c->s = p->store;
    c->q = ctl_queue_new(p->w, sync_pod, c);
    c->pods = store_subscribe(c->s, PK_POD, on_pod, c);
    c->nodes = store_subscribe(c->s, PK_NODE, on_node, c);
    return c;
}

void ctl_sched_free(struct ctl_sched *c)
{
    if (!c)
        return;
    store_unsubscribe(c->pods);
    store_unsubscribe(c->nodes);
    ctl_queue_free(c->q);
    free(c);
}
