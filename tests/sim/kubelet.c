/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/kubelet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/ctl.h"
#include "tests/sim/kubelet_impl.h"

enum { RETRY_MS = 1000, BACKOFF_MS = 10000, BACKOFF_MAX_MS = 300000, GRACE_MS = 30000, SYNC_MAX_MS = 3000 };

struct job {
    struct kubelet *k;
    char *ns, *name, *uid;
    unsigned serial;
    char *what;
};

static void job_free(struct job *j)
{
    free(j->ns);
    free(j->name);
    free(j->uid);
    free(j->what);
    free(j);
}

static uint64_t upto(struct kubelet *k, uint64_t max)
{
    return max ? sim_random(k->s) % (max + 1) : 0;
}

static struct kpod *find(struct kubelet *k, const char *uid)
{
    for (struct kpod *p = k->pods; p; p = p->next)
        if (strcmp(p->uid, uid) == 0)
            return p;
    return NULL;
}

struct kpod *kubelet_pod(struct kubelet *k, const char *key)
{
    for (struct kpod *p = k->pods; p; p = p->next)
        if (strcmp(p->key, key) == 0 && !p->gone)
            return p;
    return NULL;
}

static void after(struct kubelet *k, const struct kpod *p, uint64_t ms, void (*fn)(void *ctx), const char *what)
{
    struct job *j = mem_zero(sizeof *j);

    *j = (struct job){k, mem_str(p->ns), mem_str(p->name), mem_str(p->uid), p->serial, mem_str(what)};
    sim_after(k->s, ms, fn, j);
}

static const cJSON *live(struct kubelet *k, const struct kpod *p)
{
    const cJSON *pod = store_get(k->p->store, PK_POD, p->ns, p->name);

    return pod && strcmp(json_uid(pod), p->uid) == 0 ? pod : NULL;
}

/* ---- status ---- */

static void container_status(const struct kpod *p, const cJSON *spec, bool server, cJSON *list)
{
    cJSON *c = cJSON_CreateObject(), *state = json_set_obj(c, "state"), *is;
    auto_free char *id = mem_printf("sim://%s-%s-%u", p->uid, json_str(spec, "name", ""), server ? p->containers : 1);
    char at[32];

    json_set_str(c, "name", json_str(spec, "name", ""));
    json_set_str(c, "image", json_str(spec, "image", ""));
    json_set_int(c, "restartCount", server && p->containers ? (int64_t)p->containers - 1 : 0);
    json_set_bool(c, "ready", p->running && (!server || p->ready));
    json_set_bool(c, "started", p->running);
    if (p->running) {
        podspec_time(SIM_EPOCH_MS + p->started_ms, at);
        json_set_str(c, "containerID", id);
        json_set_str(json_set_obj(state, "running"), "startedAt", at);
    } else {
        is = json_set_obj(state, "waiting");
        json_set_str(is, "reason", p->waiting);
        json_set_str(is, "message", *p->message ? p->message : NULL);
    }
    cJSON_AddItemToArray(list, c);
}

static void write_status(struct kubelet *k, struct kpod *p)
{
    const cJSON *pod = live(k, p), *c;
    auto_json cJSON *patch = cJSON_CreateObject();
    cJSON *st = json_set_obj(patch, "status"), *list;
    char at[32];

    if (!pod)
        return;
    podspec_time(SIM_EPOCH_MS + sim_now(k->s), at);
    json_set_str(st, "phase", p->running || p->containers ? "Running" : "Pending");
    if (p->running || p->containers)
        json_set_str(st, "podIP", "127.0.0.1");
    list = json_set_arr(st, "conditions");
    podspec_condition(list, "PodScheduled", true, at);
    podspec_condition(list, "Initialized", true, at);
    podspec_condition(list, "ContainersReady", p->running && p->ready, at);
    podspec_condition(list, "Ready", p->running && p->ready, at);
    list = json_set_arr(st, "containerStatuses");
    cJSON_ArrayForEach(c, json_at(pod, "spec.containers"))
        container_status(p, c, str_eq(json_str(c, "name", NULL), p->container), list);
    store_patch(k->p->store, PK_POD, p->ns, p->name, patch, STORE_STATUS | STORE_SYSTEM, NULL, NULL);
}

static void waits(struct kubelet *k, struct kpod *p, const char *reason, const char *message)
{
    p->running = p->ready = false;
    p->waiting = reason;
    p->message = message;
    write_status(k, p);
}

/* ---- what a pod mounts ---- */

static const cJSON *find_claim(void *ctx, const char *ns, const char *name)
{
    struct kubelet *k = ctx;

    return store_get(k->p->store, PK_PVC, ns, name);
}

static const cJSON *find_configmap(void *ctx, const char *ns, const char *name)
{
    struct kubelet *k = ctx;

    return store_get(k->p->store, PK_CM, ns, name);
}

static void mount_one(void *ctx)
{
    struct job *j = ctx;
    struct kpod *p = find(j->k, j->uid);
    const cJSON *cm = p && p->host ? store_get(j->k->p->store, PK_CM, p->ns, j->what) : NULL;

    if (cm && p->mounted)
        chost_mount(p->host, j->what, json_copy(json_get(cm, "data")));
    job_free(j);
}

static void on_configmap(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct kubelet *k = ctx;

    (void)old;
    if (what != STORE_CHANGED)
        return;
    for (struct kpod *p = k->pods; p; p = p->next) {
        const cJSON *pod = p->gone || !p->mounted ? NULL : live(k, p);

        if (pod && strcmp(p->ns, json_ns(obj)) == 0 && podspec_mounts_configmap(pod, json_name(obj)))
            after(k, p, upto(k, hosts_knobs(k->hosts)->mount_max_ms), mount_one, json_name(obj));
    }
}

/* A pod whose annotations change is looked at now: its ConfigMaps, too. In every second run nobody can rely on that. */
static void look_now(struct kubelet *k, struct kpod *p, const cJSON *old, const cJSON *pod)
{
    const cJSON *a = json_at(old, "metadata.annotations"), *b = json_at(pod, "metadata.annotations"), *v;

    if (k->deaf || !p->mounted || p->gone || cJSON_Compare(a, b, true))
        return;
    cJSON_ArrayForEach(v, json_at(pod, "spec.volumes")) {
        const char *name = json_str(v, "configMap.name", NULL);

        if (name)
            after(k, p, 100 + upto(k, 400), mount_one, name);
    }
}

/* ---- containers ---- */

static void start(void *ctx);

static void start_in(struct kubelet *k, struct kpod *p, uint64_t ms)
{
    after(k, p, ms, start, "");
}

static void probed(void *ctx)
{
    struct job *j = ctx;
    struct kpod *p = find(j->k, j->uid);

    if (p && p->serial == j->serial && p->running && !p->gone && (p->keeper || chost_state(p->host) == CHOST_UP)) {
        p->ready = true;
        p->synced_ms = sim_now(j->k->s) + upto(j->k, SYNC_MAX_MS);
        write_status(j->k, p);
    }
    job_free(j);
}

static void run_keeper(struct kubelet *k, struct kpod *p, const char *image)
{
    free(p->image);
    p->image = mem_str(image);
    if (strstr(image, "crash")) {
        p->running = false;
        p->serial++;
        waits(k, p, "CrashLoopBackOff", "back-off restarting failed container");
        start_in(k, p, BACKOFF_MS);
        return;
    }
    write_status(k, p);
    if (!strstr(image, "mute"))
        after(k, p, 300 + upto(k, k->knobs.probe_max_ms), probed, "");
}

static void run_host(struct kubelet *k, struct kpod *p, const cJSON *pod, const char *image)
{
    auto_free char *disk = podspec_disk(pod, p->container, &k->source),
                   *identity = mem_printf("%s/%u", p->uid, p->containers);
    struct chost_boot b = {.image = image,
                           .disk = disk,
                           .identity = identity,
                           .crash = strstr(image, "crash"),
                           .mute = strstr(image, "mute")};

    write_status(k, p);
    chost_boot(p->host, &b);
}

static void start(void *ctx)
{
    struct job *j = ctx;
    struct kubelet *k = j->k;
    struct kpod *p = find(k, j->uid);
    const cJSON *pod = p && p->serial == j->serial && !p->gone ? live(k, p) : NULL;
    const char *image, *lacks;

    job_free(j);
    if (!pod || ctl_deleting(pod))
        return;
    image = json_str(podspec_server(pod, p->container), "image", "");
    lacks = podspec_missing(pod, &k->source);
    if (lacks || strstr(image, "nosuch")) {
        waits(k, p,
              lacks       ? "ContainerCreating"
              : p->pulled ? "ImagePullBackOff"
                          : "ErrImagePull",
              lacks ? lacks : "the image is not in the registry");
        p->pulled = !lacks;
        start_in(k, p, lacks ? 200 : 10000);
        return;
    }
    p->serial++;
    p->containers++;
    kubelet_count(k, p->key);
    p->running = true;
    p->ready = false;
    p->started_ms = sim_now(k->s);
    if (p->keeper) {
        run_keeper(k, p, image);
        return;
    }
    if (!p->mounted)
        podspec_mount_all(p->host, pod, &k->source);
    p->mounted = true;
    run_host(k, p, pod, image);
}

void kubelet_state(struct kubelet *k, struct chost *h)
{
    struct kpod *p = kubelet_pod(k, chost_pod(h));

    if (p && chost_state(h) == CHOST_UP)
        after(k, p, 50 + upto(k, k->knobs.probe_max_ms), probed, "");
}

static void pod_ended(struct kubelet *k, struct kpod *p)
{
    struct store_delete d = {.uid = p->uid, .grace_s = 0};

    p->serial++;
    p->running = p->ready = false;
    store_delete(k->p->store, PK_POD, p->ns, p->name, &d, NULL, NULL, NULL);
}

void kubelet_exited(struct kubelet *k, struct chost *h, int code)
{
    struct kpod *p = kubelet_pod(k, chost_pod(h));
    const cJSON *pod = p ? live(k, p) : NULL;
    uint64_t ran, wait = 200;

    if (!p || !p->running)
        return;
    p->serial++;
    if (!pod || ctl_deleting(pod)) {
        if (pod)
            pod_ended(k, p);
        return;
    }
    ran = sim_now(k->s) - p->started_ms;
    p->backoff_ms = ran > 600000 ? 0 : p->backoff_ms;
    if (code)
        wait = p->backoff_ms ? p->backoff_ms : 500;
    p->backoff_ms = !p->backoff_ms                       ? BACKOFF_MS
                    : p->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS
                                                         : p->backoff_ms * 2;
    waits(k, p, code && wait > 500 ? "CrashLoopBackOff" : "ContainerCreating",
          code ? "back-off restarting failed container" : "");
    start_in(k, p, wait);
}

void kubelet_crash(struct kubelet *k, const char *pod)
{
    struct kpod *p = kubelet_pod(k, pod);

    if (p && p->host)
        chost_kill(p->host);
}

/* ---- ending ---- */

static void grace_over(void *ctx)
{
    struct job *j = ctx;
    struct kpod *p = find(j->k, j->uid);

    if (p && !p->gone && p->running) {
        if (p->host)
            chost_kill(p->host);
        else
            pod_ended(j->k, p);
    }
    job_free(j);
}

static void end_now(void *ctx)
{
    struct job *j = ctx;
    struct kpod *p = find(j->k, j->uid);

    if (p && !p->gone)
        pod_ended(j->k, p);
    job_free(j);
}

static void end(void *ctx)
{
    struct job *j = ctx;
    struct kubelet *k = j->k;
    struct kpod *p = find(k, j->uid);

    if (p && !p->gone) {
        if (p->host && p->running && chost_state(p->host) != CHOST_DOWN) {
            p->ready = false;
            write_status(k, p);
            chost_term(p->host);
            after(k, p, GRACE_MS, grace_over, "");
        } else {
            after(k, p, 300, end_now, "");
        }
    }
    job_free(j);
}

/* ---- pods of the store ---- */

static struct kpod *pod_new(struct kubelet *k, const cJSON *obj)
{
    struct kpod *p = mem_zero(sizeof *p);

    p->ns = mem_str(json_ns(obj));
    p->name = mem_str(json_name(obj));
    p->uid = mem_str(json_uid(obj));
    p->key = mem_printf("%s/%s", p->ns, p->name);
    p->keeper = json_label(obj, "clickhouse-keeper.altinity.com/chk") != NULL;
    p->container = p->keeper ? "clickhouse-keeper" : "clickhouse";
    p->waiting = "ContainerCreating";
    p->message = "";
    p->image = mem_str("");
    p->host = p->keeper ? NULL : hosts_get(k->hosts, p->key, true);
    p->next = k->pods;
    k->pods = p;
    return p;
}

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct kubelet *k = ctx;
    struct kpod *p = obj ? find(k, json_uid(obj)) : NULL;

    if (!obj)
        return;
    if (what == STORE_GONE) {
        if (p && !p->gone) {
            p->gone = true;
            if (p->host && p->running)
                chost_kill(p->host);
        }
        return;
    }
    if (!*json_str(obj, "spec.nodeName", ""))
        return;
    if (!p) {
        p = pod_new(k, obj);
        start_in(k, p, 10 + upto(k, k->knobs.pull_max_ms));
    } else if (old) {
        look_now(k, p, old, obj);
    }
    if (ctl_deleting(obj) && !p->ending) {
        p->ending = true;
        after(k, p, 5 + upto(k, k->knobs.watch_max_ms), end, "");
    }
}

static void on_claim(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct kubelet *k = ctx;

    (void)old;
    if (what == STORE_GONE)
        hosts_disk_gone(k->hosts, json_uid(obj));
}

/* ---- life ---- */

static int volume_make(void *ctx, const char *ns, const char *claim, const char *uid,
                       bool (*taken)(void *tctx, const char *path), void *tctx, char **path, struct err *err)
{
    (void)ctx;
    (void)taken;
    (void)tctx;
    (void)err;
    *path = mem_printf("/sim/%s/%s/%s", ns, claim, uid);
    return 0;
}

static int volume_remove(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    (void)path;
    (void)err;
    return 0;
}

/* Storage takes its time, more of it with "slow" in its class's name; with "lazy" the file system grows only when a new pod
 * mounts it. */
static enum volume_size volume_grow(void *ctx, const cJSON *pvc)
{
    struct kubelet *k = ctx;
    const char *klass = json_str(pvc, "spec.storageClassName", "");
    const cJSON *waits = ctl_condition(pvc, "FileSystemResizePending");
    const struct kpod *p;

    if (!waits)
        return sim_random(k->s) % (strstr(klass, "slow") ? 60 : 8) ? VOLUME_GROWS : VOLUME_WAITS_FOR_NODE;
    if (!strstr(klass, "lazy"))
        return sim_random(k->s) % 8 ? VOLUME_WAITS_FOR_NODE : VOLUME_HAS_IT;
    for (p = k->pods; p; p = p->next) {
        const cJSON *pod = p->gone ? NULL : live(k, p), *v;

        cJSON_ArrayForEach(v, json_at(pod, "spec.volumes"))
            if (str_eq(json_str(v, "persistentVolumeClaim.claimName", NULL), json_name(pvc)) && p->running &&
                strcmp(json_str(pod, "metadata.creationTimestamp", ""), json_str(waits, "lastTransitionTime", "")) > 0)
                return VOLUME_HAS_IT;
    }
    return VOLUME_WAITS_FOR_NODE;
}

struct kubelet *kubelet_new(struct sim *s, struct plane *p, struct hosts *hs, bool dns)
{
    static const struct volume_ops volumes = {volume_make, volume_remove, volume_grow};
    struct kubelet *k = mem_zero(sizeof *k);

    k->s = s;
    k->p = p;
    k->hosts = hs;
    k->source = (struct podspec_source){find_claim, find_configmap, k};
    k->knobs = (struct kubelet_knobs){
        .pull_max_ms = 2000, .probe_max_ms = 3000, .lb_max_ms = dns ? 1000 : 300, .watch_max_ms = 200};
    k->deaf = dns && sim_random(s) % 2;
    k->sts = ctl_sts_new(p);
    k->pvc = ctl_pvc_new(p, &volumes, k);
    k->svc = ctl_svc_new(p, dns ? NULL : &kubelet_lb_ops, k);
    if (dns)
        k->slices = store_subscribe(p->store, PK_EPSLICE, kubelet_slice, k);
    k->sched = ctl_sched_new(p);
    k->subs[0] = store_subscribe(p->store, PK_POD, on_pod, k);
    k->subs[1] = store_subscribe(p->store, PK_CM, on_configmap, k);
    k->subs[2] = store_subscribe(p->store, PK_PVC, on_claim, k);
    return k;
}

struct kubelet_knobs *kubelet_knobs(struct kubelet *k)
{
    return &k->knobs;
}

void kubelet_free(struct kubelet *k)
{
    for (int i = 0; i < 3; i++)
        store_unsubscribe(k->subs[i]);
    store_unsubscribe(k->slices);
    ctl_sts_free(k->sts);
    ctl_pvc_free(k->pvc);
    ctl_svc_free(k->svc);
    ctl_sched_free(k->sched);
    while (k->pods) {
        struct kpod *p = k->pods;

        k->pods = p->next;
        free(p->ns);
        free(p->name);
        free(p->uid);
        free(p->key);
        free(p->image);
        free(p);
    }
    kubelet_lb_free(k);
    free(k);
}
