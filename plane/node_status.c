/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a pod as a kubelet writes it. Written only when it changed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/node_priv.h"

void rfc3339(uint64_t wall_ms, char *buf)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void set_time(cJSON *j, const char *key, uint64_t wall_ms)
{
    char buf[32];

    if (!wall_ms)
        return;
    rfc3339(wall_ms, buf);
    json_set_str(j, key, buf);
}

char *ctr_id(const struct node_ctr *c, int64_t pid, uint64_t start)
{
    return mem_printf("chfleet://%s-%" PRId64 "-%" PRIu64, c->st.boot, pid, start);
}

bool ctr_in_status(const struct node_ctr *c, bool *started, bool *ready)
{
    const cJSON *pod = store_get(c->pod->node->s, PK_POD, c->pod->ns, c->pod->name), *one;
    auto_free char *id = ctr_id(c, c->st.pid, c->st.start);

    if (!pod || strcmp(json_uid(pod), c->pod->uid) != 0)
        return false;
    cJSON_ArrayForEach(one, json_at(pod, c->init ? "status.initContainerStatuses" : "status.containerStatuses"))
        if (str_eq(json_str(one, "containerID", NULL), id)) {
            if (started)
                *started = json_bool(one, "started", false);
            if (ready)
                *ready = json_bool(one, "ready", false);
            return true;
        }
    return false;
}

/* ---- one container ---- */

static cJSON *terminated(const struct node_ctr *c)
{
    cJSON *t = cJSON_CreateObject();
    auto_free char *id = ctr_id(c, c->st.last_pid, c->st.last_start);
    bool unknown = c->st.exit_code < 0;

    json_set_int(t, "exitCode", unknown ? 137 : c->st.exit_code);
    if (c->st.exit_signal)
        json_set_int(t, "signal", c->st.exit_signal);
    json_set_str(t, "reason", unknown ? "ContainerStatusUnknown" : c->st.reason);
    if (c->words && *c->words && c->words_pid == c->st.last_pid)
        json_set_str(t, "message", c->words);
    else if (c->st.message[0])
        json_set_str(t, "message", c->st.message);
    set_time(t, "startedAt", c->st.last_started_ms);
    set_time(t, "finishedAt", c->st.finished_ms);
    json_set_str(t, "containerID", id);
    return t;
}

static void add_state(const struct node_ctr *c, cJSON *out)
{
    cJSON *state = json_set_obj(out, "state");

    if (ctr_running(c)) {
        set_time(json_set_obj(state, "running"), "startedAt", c->st.started_ms);
    } else if (c->known && c->st.phase == SHIM_EXITED && c->st.last_pid) {
        json_set(state, "terminated", terminated(c));
    } else {
        cJSON *w = json_set_obj(state, "waiting");

        json_set_str(w, "reason", c->wait_reason);
        if (c->wait_message && *c->wait_message)
            json_set_str(w, "message", c->wait_message);
    }
}

static cJSON *container_status(const struct node_ctr *c)
{
    cJSON *s = cJSON_CreateObject(), *last;
    const char *image = json_str(c->spec, "image", "");
    auto_free char *id = ctr_running(c)               ? ctr_id(c, c->st.pid, c->st.start)
                         : c->known && c->st.last_pid ? ctr_id(c, c->st.last_pid, c->st.last_start)
                                                      : NULL;
    auto_free char *image_id = c->plan.binary ? mem_printf("chfleet://%s", c->plan.binary) : mem_str("");

    json_set_str(s, "name", c->name);
    add_state(c, s);
    last = json_set_obj(s, "lastState");
    if (c->known && c->st.last_pid && c->st.phase != SHIM_EXITED)
        json_set(last, "terminated", terminated(c));
    json_set_bool(s, "ready", c->init ? ctr_done_well(c) : ctr_running(c) && c->ready);
    json_set_bool(s, "started", ctr_running(c) && (c->started || c->init));
    json_set_int(s, "restartCount", c->known ? (int64_t)c->st.restarts : 0);
    json_set_str(s, "image", image);
    json_set_str(s, "imageID", image_id);
    if (id)
        json_set_str(s, "containerID", id);
    return s;
}

/* ---- the pod ---- */

struct tally {
    bool initialized, all_ready, any_running, all_ended, any_failed, any_waiting_first;
};

static struct tally count(const struct node_pod *p)
{
    struct tally t = {true, true, false, true, false, false};

    for (size_t i = 0; i < p->n_ctrs; i++) {
        const struct node_ctr *c = &p->ctrs[i];
        bool ended = c->known && c->st.phase == SHIM_EXITED && c->st.last_pid && !ctr_running(c);

        if (c->init) {
            t.initialized &= ctr_done_well(c);
            continue;
        }
        t.all_ready &= ctr_running(c) && c->ready;
        t.any_running |= ctr_running(c);
        t.all_ended &= ended;
        t.any_failed |= ended && c->st.exit_code != 0;
        t.any_waiting_first |= !ctr_running(c) && !(c->known && c->st.last_pid);
    }
    return t;
}

/* With restartPolicy Always an ended container is started again: the pod is never over. */
static const char *phase(const struct node_pod *p, const struct tally *t)
{
    bool always = strcmp(json_str(p->obj, "spec.restartPolicy", "Always"), "Always") == 0;

    if (!t->initialized || t->any_waiting_first)
        return "Pending";
    if (t->all_ended && !always && !pod_deleted(p))
        return t->any_failed ? "Failed" : "Succeeded";
    return "Running";
}

static void add_condition(cJSON *list, const cJSON *old, const char *type, bool yes, const char *reason,
                          const char *now)
{
    cJSON *c = cJSON_CreateObject();
    const cJSON *one;
    const char *since = now, *text = yes ? "True" : "False";

    cJSON_ArrayForEach(one, old)
        if (str_eq(json_str(one, "type", NULL), type) && str_eq(json_str(one, "status", NULL), text))
            since = json_str(one, "lastTransitionTime", now);
    json_set_str(c, "type", type);
    json_set_str(c, "status", text);
    json_set(c, "lastProbeTime", cJSON_CreateNull());
    json_set_str(c, "lastTransitionTime", since);
    if (!yes && reason)
        json_set_str(c, "reason", reason);
    cJSON_AddItemToArray(list, c);
}

static const char *qos(const cJSON *pod)
{
    const cJSON *c;
    bool any = false, all = true;

    cJSON_ArrayForEach(c, json_at(pod, "spec.containers")) {
        const cJSON *limits = json_at(c, "resources.limits"), *requests = json_at(c, "resources.requests");
        bool full = json_get(limits, "cpu") && json_get(limits, "memory");

        any |= cJSON_GetArraySize(limits) || cJSON_GetArraySize(requests);
        all &= full && (!cJSON_GetArraySize(requests) || json_same(limits, requests));
    }
    return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

static void add_conditions(struct node_pod *p, const cJSON *old, const struct tally *t, cJSON *status)
{
    cJSON *list = json_set_arr(status, "conditions");
    const cJSON *was = json_get(old, "conditions"), *one;
    char now[32];

    store_now(p->node->s, now);
    cJSON_ArrayForEach(one, was) /* conditions of others stay */
    {
        const char *type = json_str(one, "type", "");

        if (strcmp(type, "Ready") && strcmp(type, "ContainersReady") && strcmp(type, "Initialized") &&
            strcmp(type, "PodScheduled"))
            cJSON_AddItemToArray(list, json_copy(one));
    }
    add_condition(list, was, "Initialized", t->initialized, "ContainersNotInitialized", now);
    add_condition(list, was, "Ready", t->all_ready, "ContainersNotReady", now);
    add_condition(list, was, "ContainersReady", t->all_ready, "ContainersNotReady", now);
    add_condition(list, was, "PodScheduled", true, NULL, now);
}

static void add_containers(const struct node_pod *p, cJSON *status)
{
    cJSON *main = cJSON_CreateArray(), *init = cJSON_CreateArray();

    for (size_t i = 0; i < p->n_ctrs; i++)
        cJSON_AddItemToArray(p->ctrs[i].init ? init : main, container_status(&p->ctrs[i]));
    if (cJSON_GetArraySize(init))
        json_set(status, "initContainerStatuses", init);
    else
        cJSON_Delete(init);
    json_set(status, "containerStatuses", main);
}

static void add_ip(cJSON *status, const char *list)
{
    cJSON *one = cJSON_CreateObject();

    json_set_str(one, "ip", "127.0.0.1");
    cJSON_AddItemToArray(json_set_arr(status, list), one);
}

static cJSON *make_status(struct node_pod *p, const cJSON *old)
{
    cJSON *s = cJSON_CreateObject();
    struct tally t = count(p);
    const char *start = json_str(old, "startTime", NULL);
    char now[32];

    json_set_str(s, "phase", phase(p, &t));
    add_conditions(p, old, &t, s);
    json_set_str(s, "hostIP", "127.0.0.1");
    add_ip(s, "hostIPs");
    json_set_str(s, "podIP", "127.0.0.1");
    add_ip(s, "podIPs");
    json_set_str(s, "startTime", start ? start : store_now(p->node->s, now));
    add_containers(p, s);
    json_set_str(s, "qosClass", qos(p->obj));
    return s;
}

void pod_write_status(struct node_pod *p)
{
    const cJSON *live = store_get(p->node->s, PK_POD, p->ns, p->name);
    auto_json cJSON *status = NULL, *patch = NULL, *diff = NULL;
    struct err e = ERR_INIT;

    if (!live || strcmp(json_uid(live), p->uid) != 0)
        return;
    status = make_status(p, json_get(live, "status"));
    diff = json_diff_patch(json_get(live, "status"), status);
    if (!diff)
        return;
    patch = cJSON_CreateObject();
    json_set_str(json_set_obj(patch, "metadata"), "uid", p->uid);
    json_set(patch, "status", json_copy(diff));
    if (store_patch(p->node->s, PK_POD, p->ns, p->name, patch, STORE_STATUS, NULL, &e) < 0 && e.kind != ERR_MISSING) {
        log_warn(p->name, "status not written: %s", e.msg);
        pod_soon(p, 1000);
    }
}
