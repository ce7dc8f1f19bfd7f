/* SPDX-License-Identifier: Apache-2.0 */
/* One pod: volumes, containers in order, end. pod_sync() looks at everything and does what is due; it may run at any
 * time. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/node_priv.h"

enum { TRY_AGAIN_MS = 1000, LEAST_GRACE_MS = 2000 };

static void pod_sync(void *ctx);

bool pod_deleted(const struct node_pod *p)
{
    return p->stage >= POD_STOPPING;
}

uint64_t pod_grace_ms(const struct node_pod *p)
{
    int64_t s = json_int(p->obj, "metadata.deletionGracePeriodSeconds",
                         json_int(p->obj, "spec.terminationGracePeriodSeconds", 30));

    return s > 0 ? (uint64_t)s * 1000 : 0;
}

void pod_event(struct node_pod *p, bool warning, const char *reason, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    store_event(p->node->s, "kubelet", p->obj, warning, reason, "%s", text);
}

struct node_ctr *pod_container(struct node_pod *p, const char *name)
{
    for (size_t i = 0; i < p->n_ctrs; i++)
        if (strcmp(p->ctrs[i].name, name) == 0)
            return &p->ctrs[i];
    return NULL;
}

/* ---- what it uses ---- */

static bool env_uses(const cJSON *containers, const char *key, const char *from, const char *name)
{
    const cJSON *c, *e;

    cJSON_ArrayForEach(c, containers) {
        cJSON_ArrayForEach(e, json_get(c, "env"))
            if (str_eq(json_str(json_get(json_get(e, "valueFrom"), key), "name", NULL), name))
                return true;
        cJSON_ArrayForEach(e, json_get(c, "envFrom"))
            if (str_eq(json_str(json_get(e, from), "name", NULL), name))
                return true;
    }
    return false;
}

bool pod_uses(const struct node_pod *p, const char *what, const char *name)
{
    bool cm = strcmp(what, "configMap") == 0, secret = strcmp(what, "secret") == 0;
    const cJSON *v, *containers = json_at(p->obj, "spec.containers");

    cJSON_ArrayForEach(v, json_at(p->obj, "spec.volumes"))
        if ((cm && str_eq(json_str(v, "configMap.name", NULL), name)) ||
            (secret && str_eq(json_str(v, "secret.secretName", NULL), name)) ||
            (!cm && !secret && str_eq(json_str(v, "persistentVolumeClaim.claimName", NULL), name)))
            return true;
    if (cm)
        return env_uses(containers, "configMapKeyRef", "configMapRef", name);
    return secret && env_uses(containers, "secretKeyRef", "secretRef", name);
}

/* ---- life ---- */

static void make_containers(struct node_pod *p)
{
    const cJSON *init = json_at(p->obj, "spec.initContainers"), *main = json_at(p->obj, "spec.containers"), *c;
    size_t n = (size_t)(cJSON_GetArraySize(init) + cJSON_GetArraySize(main)), i = 0;

    p->ctrs = mem_array(n, sizeof *p->ctrs);
    cJSON_ArrayForEach(c, init)
        ctr_init(&p->ctrs[i++], p, c, true);
    cJSON_ArrayForEach(c, main)
        ctr_init(&p->ctrs[i++], p, c, false);
    p->n_ctrs = n;
}

struct node_pod *pod_new(struct node *n, const cJSON *obj)
{
    struct node_pod *p = mem_zero(sizeof *p);

    p->node = n;
    p->obj = json_copy(obj);
    p->ns = mem_str(json_ns(obj));
    p->name = mem_str(json_name(obj));
    p->uid = mem_str(json_uid(obj));
    p->dir = mem_printf("%s/pods/%s_%s_%s", n->dir, p->ns, p->name, p->uid);
    make_containers(p);
    LIST_INSERT_HEAD(&n->pods, p, link);
    pod_soon(p, 0);
    return p;
}

void pod_free(struct node_pod *p)
{
    for (size_t i = 0; i < p->n_ctrs; i++)
        ctr_fini(&p->ctrs[i]);
    node_run_forget(p->node, p);
    world_timer_stop(p->node->w, &p->sync_timer);
    LIST_REMOVE(p, link);
    free(p->ctrs);
    cJSON_Delete(p->obj);
    free(p->ns);
    free(p->name);
    free(p->uid);
    free(p->dir);
    free(p->last_event);
    free(p);
}

void pod_soon(struct node_pod *p, uint64_t ms)
{
    world_timer_stop(p->node->w, &p->sync_timer);
    p->sync_timer = world_timer(p->node->w, ms, pod_sync, p);
}

/* The containers point into the object: give them the new one. A container cannot be added to a pod; its image may
 * change. */
static void take_object(struct node_pod *p, const cJSON *obj)
{
    cJSON *copy = json_copy(obj);
    const cJSON *lists[2] = {json_at(copy, "spec.initContainers"), json_at(copy, "spec.containers")};
    size_t i = 0;

    for (int l = 0; l < 2; l++) {
        const cJSON *c;

        cJSON_ArrayForEach(c, lists[l])
            if (i < p->n_ctrs)
                p->ctrs[i++].spec = c;
    }
    for (i = 0; i < p->n_ctrs; i++)
        for (int k = 0; k < PROBES; k++)
            if (p->ctrs[i].probes[k].conf)
                p->ctrs[i].probes[k].conf = NULL;
    cJSON_Delete(p->obj);
    p->obj = copy;
    for (i = 0; i < p->n_ctrs; i++)
        probes_init(&p->ctrs[i]);
}

static bool only_status_changed(const cJSON *a, const cJSON *b)
{
    static const char *const parts[] = {"metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds",
                                        "metadata.labels", "metadata.annotations", "spec"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!json_same(json_at(a, parts[i]), json_at(b, parts[i])))
            return false;
    return true;
}

void pod_update(struct node_pod *p, const cJSON *obj)
{
    if (!obj) { /* gone from the store: stop at once */
        json_set_int(json_need_obj(p->obj, "metadata"), "deletionGracePeriodSeconds", 0);
        if (p->stage != POD_GONE)
            p->stage = POD_STOPPING;
        json_set_bool(p->obj, "chfleetGone", true);
        pod_soon(p, 0);
        return;
    }
    if (only_status_changed(p->obj, obj)) /* our own write comes back */
        return;
    take_object(p, obj);
    pod_soon(p, 0);
}

void pod_refresh(struct node_pod *p)
{
    struct err e = ERR_INIT;

    if (p->stage != POD_RUNS) {
        pod_soon(p, 0);
        return;
    }
    if (pod_volumes(p, &e) < 0) {
        pod_event(p, true, "FailedMount", "%s", e.msg);
        return;
    }
    for (size_t i = 0; i < p->n_ctrs; i++)
        ctr_refresh(&p->ctrs[i]);
}

/* ---- start ---- */

static void tell_once(struct node_pod *p, const char *reason, const char *text)
{
    if (p->last_event && strcmp(p->last_event, text) == 0)
        return;
    free(p->last_event);
    p->last_event = mem_str(text);
    pod_event(p, true, reason, "%s", text);
}

/* A pod that was forced away may still be stopping: its namesake must not open the same volumes meanwhile. */
static bool namesake_runs(const struct node_pod *p)
{
    const struct node_pod *o;

    LIST_FOREACH(o, &p->node->pods, link)
        if (o != p && strcmp(o->name, p->name) == 0 && strcmp(o->ns, p->ns) == 0)
            return true;
    return false;
}

static bool make_ready(struct node_pod *p)
{
    struct err e = ERR_INIT;

    if (namesake_runs(p)) {
        pod_soon(p, 100);
        return false;
    }
    if (pod_volumes(p, &e) == 0) {
        p->stage = POD_RUNS;
        return true;
    }
    if (e.kind != ERR_MISSING || !strstr(e.msg, "claim")) /* a claim is bound within milliseconds: no event for that */
        tell_once(p, "FailedMount", e.msg);
    for (size_t i = 0; i < p->n_ctrs; i++)
        ctr_wait_set(&p->ctrs[i], "ContainerCreating", e.msg);
    pod_soon(p, TRY_AGAIN_MS);
    return false;
}

/* Init containers one after the other, then all others together. */
static void run_containers(struct node_pod *p)
{
    for (size_t i = 0; i < p->n_ctrs; i++) {
        struct node_ctr *c = &p->ctrs[i];

        if (c->init && ctr_done_well(c))
            continue;
        ctr_run(c);
        if (c->init)
            return;
    }
}

/* ---- end ---- */

static void pre_stop_done(struct node_ctr *c, const char *why)
{
    c->pod->pre_stop_took_ms = world_mono(c->pod->node->w) - c->pod->pre_stop_since;
    if (why)
        pod_event(c->pod, true, "FailedPreStopHook", "container %s: preStop hook: %s", c->name, why);
    pod_soon(c->pod, 0);
}

static void start_pre_stops(struct node_pod *p, uint64_t grace_ms)
{
    p->pre_stopped = true;
    p->pre_stop_since = world_mono(p->node->w);
    for (size_t i = 0; i < p->n_ctrs && grace_ms; i++)
        if (ctr_running(&p->ctrs[i]) && !p->ctrs[i].init)
            hook_run(&p->ctrs[i], HOOK_PRE_STOP, (uint32_t)grace_ms, pre_stop_done);
}

/* Hooks may take as long as the grace. True when the containers may be stopped. */
static bool pre_stop(struct node_pod *p)
{
    uint64_t grace = pod_grace_ms(p), took;
    bool busy = false;

    if (!p->pre_stopped)
        start_pre_stops(p, grace);
    for (size_t i = 0; i < p->n_ctrs; i++)
        busy |= p->ctrs[i].hooks[HOOK_PRE_STOP].busy;
    if (!busy)
        return true;
    took = world_mono(p->node->w) - p->pre_stop_since;
    if (took < grace) {
        pod_soon(p, grace - took);
        return false;
    }
    p->pre_stop_took_ms = took;
    for (size_t i = 0; i < p->n_ctrs; i++)
        hook_forget(&p->ctrs[i], HOOK_PRE_STOP);
    return true;
}

/* What the hooks left of the grace, at least 2 s as on kubelets. */
static uint64_t stop_ms(const struct node_pod *p)
{
    uint64_t grace = pod_grace_ms(p);

    if (!grace || !p->pre_stop_took_ms)
        return grace;
    return grace > p->pre_stop_took_ms + LEAST_GRACE_MS ? grace - p->pre_stop_took_ms : LEAST_GRACE_MS;
}

static void finish(struct node_pod *p)
{
    struct node *n = p->node;
    bool gone = json_bool(p->obj, "chfleetGone", false), really = false;
    struct store_delete d = {.uid = p->uid, .grace_s = 0};
    struct err e = ERR_INIT;

    if (!gone && store_delete(n->s, PK_POD, p->ns, p->name, &d, NULL, &really, &e) < 0 && e.kind != ERR_MISSING &&
        e.kind != ERR_CONFLICT) {
        pod_soon(p, TRY_AGAIN_MS);
        return;
    }
    p->stage = POD_GONE;
    if (node_remove_tree(p->dir, &e) < 0)
        log_warn(p->name, "%s", e.msg);
    pod_free(p);
}

static void stop_containers(struct node_pod *p)
{
    bool left = false;

    if (!pre_stop(p))
        return;
    for (size_t i = 0; i < p->n_ctrs; i++) {
        ctr_stop(&p->ctrs[i], stop_ms(p));
        left |= !p->ctrs[i].over;
    }
    if (left)
        pod_write_status(p);
    else
        finish(p);
}

static void pod_sync(void *ctx)
{
    struct node_pod *p = ctx;

    p->sync_timer = NULL;
    if (json_str(p->obj, "metadata.deletionTimestamp", NULL) && p->stage < POD_STOPPING) {
        p->stage = POD_STOPPING;
        pod_event(p, false, "Killing", "Stopping containers of pod %s, %" PRIu64 " s grace", p->name,
                  pod_grace_ms(p) / 1000);
    }
    if (p->stage == POD_STOPPING) {
        stop_containers(p);
        return;
    }
    if (p->stage == POD_NEW && !make_ready(p)) {
        pod_write_status(p);
        return;
    }
    run_containers(p);
    pod_write_status(p);
}
