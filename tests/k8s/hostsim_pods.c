/* SPDX-License-Identifier: Apache-2.0 */
/* The kubelet of pods that are ClickHouse or Keeper hosts: containers start, become ready, restart in place, end. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "tests/k8s/hostsim_impl.h"

enum { LACKS_MS = 300, PULL_RETRY_MS = 10000, BACKOFF_MS = 10000, BACKOFF_MAX_MS = 300000, NUDGED_MS = 300 };
#define CHI_GROUP "clickhouse.altinity.com/"
#define CHK_GROUP "clickhouse-keeper.altinity.com/"

struct job {
    struct hostsim *hs;
    char *uid, *what;
    unsigned serial;
};

static void job_free(struct job *j)
{
    free(j->uid);
    free(j->what);
    free(j);
}

static struct hpod *find(struct hostsim *hs, const char *uid)
{
    for (struct hpod *p = hs->list; p; p = p->next)
        if (strcmp(p->uid, uid) == 0)
            return p;
    return NULL;
}

static struct hpod **bucket(struct hostsim *hs, const char *key)
{
    return &hs->named[hash_fnv64(key, strlen(key)) % POD_BUCKETS];
}

struct hpod *pods_by_key(struct hostsim *hs, const char *key)
{
    for (struct hpod *p = *bucket(hs, key); p; p = p->next_named)
        if (!p->gone && strcmp(p->key, key) == 0)
            return p;
    return NULL;
}

struct hpod *pods_by_ip(struct hostsim *hs, const char *ip)
{
    for (struct hpod *p = hs->list; p; p = p->next)
        if (!p->gone && str_eq(p->ip, ip))
            return p;
    return NULL;
}

static void after(struct hpod *p, uint64_t ms, void (*fn)(void *ctx), const char *what)
{
    struct job *j = mem_zero(sizeof *j);

    *j = (struct job){p->hs, mem_str(p->uid), mem_str(what), p->serial};
    sim_after(p->hs->sim, ms, fn, j);
}

static uint64_t upto(struct hostsim *hs, uint64_t max)
{
    return max ? sim_random(hs->sim) % (max + 1) : 0;
}

static const cJSON *live(const struct hpod *p)
{
    const cJSON *pod = kube_cache_get(p->hs->pods, p->ns, p->name);

    return pod && strcmp(json_uid(pod), p->uid) == 0 ? pod : NULL;
}

static bool deleting(const cJSON *obj)
{
    return json_at(obj, "metadata.deletionTimestamp") != NULL;
}

static const char *server_name(const struct hpod *p)
{
    return p->keeper ? "clickhouse-keeper" : "clickhouse";
}

unsigned pods_port(struct hostsim *hs, const struct hpod *p, const char *name)
{
    const cJSON *port;

    (void)hs;
    cJSON_ArrayForEach(port, json_get(podspec_server(live(p), server_name(p)), "ports"))
        if (str_eq(json_str(port, "name", NULL), name))
            return (unsigned)json_int(port, "containerPort", 0);
    return 0;
}

/* ---- status ---- */

static void container_id(const struct hpod *p, const char *name, unsigned n, char out[80])
{
    snprintf(out, 80, "simulated://%.8s-%.20s-%u", p->uid, name, n);
}

static void last_state(const struct hpod *p, cJSON *c)
{
    char id[80], at[32];
    cJSON *t;

    if (p->exit_code < 0)
        return;
    container_id(p, server_name(p), p->containers - p->running, id);
    podspec_time(p->started_wall_ms, at);
    t = json_set_obj(json_set_obj(c, "lastState"), "terminated");
    json_set_int(t, "exitCode", p->exit_code);
    json_set_str(t, "reason", p->exit_code ? "Error" : "Completed");
    json_set_str(t, "containerID", id);
    json_set_str(t, "startedAt", at);
    json_set_str(t, "finishedAt", at);
}

static void container_status(const struct hpod *p, const cJSON *spec, bool server, cJSON *list)
{
    cJSON *c = cJSON_CreateObject(), *state = json_set_obj(c, "state"), *is;
    char at[32], id[80];

    json_set_str(c, "name", json_str(spec, "name", ""));
    json_set_str(c, "image", json_str(spec, "image", ""));
    json_set_str(c, "imageID", "");
    json_set_int(c, "restartCount", server && p->containers ? (int64_t)p->containers - 1 : 0);
    json_set_bool(c, "ready", p->running && (!server || p->ready));
    json_set_bool(c, "started", p->running);
    if (server)
        last_state(p, c);
    if (p->running) {
        podspec_time(p->started_wall_ms, at);
        container_id(p, json_str(spec, "name", ""), server ? p->containers : 1, id);
        json_set_str(c, "containerID", id);
        json_set_str(json_set_obj(state, "running"), "startedAt", at);
    } else {
        is = json_set_obj(state, "waiting");
        json_set_str(is, "reason", p->waiting);
        json_set_str(is, "message", *p->message ? p->message : NULL);
    }
    cJSON_AddItemToArray(list, c);
}

static cJSON *status_of(const struct hpod *p, const cJSON *pod)
{
    cJSON *patch = cJSON_CreateObject(), *st = json_set_obj(patch, "status"), *list, *ip;
    const cJSON *c;
    char at[32];

    json_set_str(json_set_obj(patch, "metadata"), "uid", p->uid);
    podspec_time(world_wall(p->hs->w), at);
    json_set_str(st, "phase", p->containers ? "Running" : "Pending");
    json_set_str(st, "startTime", json_str(pod, "status.startTime", at));
    json_set_str(st, "hostIP", "10.0.0.1");
    if (p->containers) {
        json_set_str(st, "podIP", p->ip);
        json_set_str(ip = cJSON_CreateObject(), "ip", p->ip);
        cJSON_AddItemToArray(json_set_arr(st, "podIPs"), ip);
    }
    list = json_set_arr(st, "conditions");
    podspec_condition(list, "PodScheduled", true, at);
    podspec_condition(list, "Initialized", true, at);
    podspec_condition(list, "ContainersReady", p->running && p->ready, at);
    podspec_condition(list, "Ready", p->running && p->ready, at);
    list = json_set_arr(st, "containerStatuses");
    cJSON_ArrayForEach(c, json_at(pod, "spec.containers"))
        container_status(p, c, c == podspec_server(pod, server_name(p)), list);
    return patch;
}

static void write_status(struct hpod *p);

static void wrote(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct job *j = ctx;
    struct hpod *p = find(j->hs, j->uid);

    (void)obj;
    if (p) {
        p->writing = false;
        if (p->write_again || (err && status != 404 && status != 409))
            write_status(p);
    }
    job_free(j);
}

/* One write at a time for each pod: they may not overtake each other. */
static void write_status(struct hpod *p)
{
    const cJSON *pod = live(p);
    auto_json cJSON *patch = NULL;
    struct job *j;

    if (!pod || p->gone)
        return;
    p->write_again = p->writing;
    if (p->writing)
        return;
    p->writing = true;
    j = mem_zero(sizeof *j);
    *j = (struct job){p->hs, mem_str(p->uid), NULL, 0};
    patch = status_of(p, pod);
    kube_patch(p->hs->kube, KUBE_POD, p->ns, p->name, "status", patch, wrote, j);
}

static void waits(struct hpod *p, const char *reason, const char *message)
{
    p->running = p->ready = false;
    p->waiting = reason;
    p->message = message;
    write_status(p);
}

/* ---- what a pod mounts ---- */

static const cJSON *find_claim(void *ctx, const char *ns, const char *name)
{
    struct hostsim *hs = ctx;

    return kube_cache_get(hs->claims, ns, name);
}

static const cJSON *find_configmap(void *ctx, const char *ns, const char *name)
{
    struct hostsim *hs = ctx;

    return kube_cache_get(hs->configmaps, ns, name);
}

static void mount_one(void *ctx)
{
    struct job *j = ctx;
    struct hpod *p = find(j->hs, j->uid);
    const cJSON *cm = p && p->host && !p->gone ? kube_cache_get(j->hs->configmaps, p->ns, j->what) : NULL;

    if (cm && p->mounted)
        chost_mount(p->host, j->what, json_copy(json_get(cm, "data")));
    job_free(j);
}

static void on_configmap(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct hostsim *hs = ctx;

    if (what != KUBE_CHANGED || json_same(json_get(old, "data"), json_get(obj, "data")))
        return;
    for (struct hpod *p = hs->list; p; p = p->next) {
        const cJSON *pod = p->gone || !p->mounted ? NULL : live(p);

        if (pod && strcmp(p->ns, json_ns(obj)) == 0 && podspec_mounts_configmap(pod, json_name(obj)))
            after(p, upto(hs, hosts_knobs(hs->hosts)->mount_max_ms), mount_one, json_name(obj));
    }
}

/* ---- containers ---- */

static void start(void *ctx);

static void start_in(struct hpod *p, uint64_t ms)
{
    after(p, ms, start, "");
}

static void probed(void *ctx)
{
    struct job *j = ctx;
    struct hpod *p = find(j->hs, j->uid);

    if (p && p->serial == j->serial && p->running && !p->gone && (p->keeper || chost_state(p->host) == CHOST_UP)) {
        p->ready = true;
        write_status(p);
    }
    job_free(j);
}

static bool image_says(const struct hpod *p, const char *word)
{
    return strstr(p->image, word) || order_of(p->hs, p->key, word);
}

static void run_keeper(struct hpod *p)
{
    if (image_says(p, "crash")) {
        p->running = false;
        p->exit_code = 70;
        p->serial++;
        waits(p, "CrashLoopBackOff", "back-off restarting failed container");
        start_in(p, BACKOFF_MS);
        return;
    }
    write_status(p);
    if (image_says(p, "mute"))
        return;
    keeper_open(p->hs, p);
    after(p, p->hs->o.probe_ms, probed, "");
}

static void run_host(struct hpod *p, const cJSON *pod)
{
    auto_free char *disk = podspec_disk(pod, server_name(p), &p->hs->source),
                   *identity = mem_printf("%s/%u", p->uid, p->containers);
    struct chost_boot b = {.image = p->image,
                           .disk = disk,
                           .identity = identity,
                           .ready_ms = (unsigned)json_int(order_of(p->hs, p->key, "slow"), "ms", 0),
                           .crash = image_says(p, "crash"),
                           .mute = image_says(p, "mute")};

    write_status(p);
    chost_boot(p->host, &b);
}

static void count_start(struct hpod *p)
{
    const cJSON *n = json_get(p->hs->seen.counts, p->key);

    p->hs->seen.starts++;
    json_set_int(p->hs->seen.counts, p->key, n ? n->valueint + 1 : 1);
}

static void start(void *ctx)
{
    struct job *j = ctx;
    struct hpod *p = find(j->hs, j->uid);
    const cJSON *pod = p && p->serial == j->serial && !p->gone ? live(p) : NULL;
    const char *lacks;
    bool absent;

    job_free(j);
    if (!pod || deleting(pod))
        return;
    free(p->image);
    p->image = mem_str(json_str(podspec_server(pod, server_name(p)), "image", ""));
    lacks = podspec_missing(pod, &p->hs->source);
    absent = image_says(p, "nosuch");
    if (lacks || absent) {
        waits(p,
              lacks       ? "ContainerCreating"
              : p->pulled ? "ImagePullBackOff"
                          : "ErrImagePull",
              lacks ? lacks : "the image is not in the registry");
        p->pulled = absent;
        start_in(p, lacks ? LACKS_MS : PULL_RETRY_MS);
        return;
    }
    p->serial++;
    p->containers++;
    p->running = true;
    p->ready = false;
    p->started_ms = sim_now(p->hs->sim);
    p->started_wall_ms = world_wall(p->hs->w);
    count_start(p);
    if (p->keeper) {
        run_keeper(p);
        return;
    }
    if (!p->mounted)
        podspec_mount_all(p->host, pod, &p->hs->source);
    p->mounted = true;
    run_host(p, pod);
}

void pods_state(struct hostsim *hs, struct chost *h, enum chost_state was)
{
    struct hpod *p = pods_by_key(hs, chost_pod(h));

    if (p && chost_state(h) == CHOST_UP && was != CHOST_UP)
        after(p, hs->o.probe_ms, probed, "");
}

static void removed(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct job *j = ctx;

    (void)obj;
    if (err && status != 404 && status != 409)
        log_warn(NULL, "%s", err->msg);
    job_free(j);
}

static void pod_ended(struct hpod *p)
{
    struct job *j = mem_zero(sizeof *j);

    p->serial++;
    p->running = p->ready = false;
    if (p->keeper)
        keeper_close(p->hs, p);
    *j = (struct job){p->hs, mem_str(p->uid), NULL, 0};
    kube_delete(p->hs->kube, KUBE_POD, p->ns, p->name, p->uid, NULL, 0, removed, j);
}

static void container_ended(struct hpod *p, int code)
{
    const cJSON *pod = live(p);
    uint64_t wait = 200;

    p->serial++;
    if (!pod || deleting(pod)) {
        if (pod)
            pod_ended(p);
        return;
    }
    if (sim_now(p->hs->sim) - p->started_ms > 600000)
        p->backoff_ms = 0;
    if (code)
        wait = p->backoff_ms ? p->backoff_ms : 500;
    p->backoff_ms = !p->backoff_ms                       ? BACKOFF_MS
                    : p->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS
                                                         : p->backoff_ms * 2;
    p->exit_code = code;
    waits(p, code && wait > 500 ? "CrashLoopBackOff" : "ContainerCreating",
          code ? "back-off restarting failed container" : "");
    start_in(p, wait);
}

void pods_exited(struct hostsim *hs, struct chost *h, int code)
{
    struct hpod *p = pods_by_key(hs, chost_pod(h));

    if (p && p->running)
        container_ended(p, code);
}

bool pods_crash(struct hostsim *hs, struct hpod *p)
{
    if (!p->running)
        return false;
    if (p->host) {
        hs->seen.on_purpose = true;
        chost_kill(p->host);
        hs->seen.on_purpose = false;
    } else {
        keeper_close(p->hs, p);
        container_ended(p, 137);
    }
    return true;
}

/* ---- ending ---- */

static void grace_over(void *ctx)
{
    struct job *j = ctx;
    struct hpod *p = find(j->hs, j->uid);

    if (p && !p->gone && p->running && p->host)
        chost_kill(p->host);
    job_free(j);
}

static void end_now(void *ctx)
{
    struct job *j = ctx;
    struct hpod *p = find(j->hs, j->uid);

    if (p && !p->gone)
        pod_ended(p);
    job_free(j);
}

static void end(struct hpod *p, const cJSON *pod)
{
    bool runs = p->host && p->running && chost_state(p->host) != CHOST_DOWN;

    p->ending = true;
    if (!runs) {
        after(p, 300, end_now, "");
        return;
    }
    p->ready = false;
    write_status(p);
    chost_term(p->host);
    after(p, 1000 * (uint64_t)json_int(pod, "metadata.deletionGracePeriodSeconds", 30), grace_over, "");
}

/* ---- pods of the API server ---- */

static char *path_of(const cJSON *obj, const char *group, const char *owner, bool shard)
{
    const char *parts[] = {owner, "cluster", "shard"};
    auto_str struct str out = STR_INIT;

    str_add(&out, json_ns(obj));
    for (int i = 0; i < 2 + shard; i++) {
        auto_free char *key = mem_printf("%s%s", group, parts[i]);
        const char *v = json_label(obj, key);

        str_addf(&out, "/%s", v ? v : "");
    }
    return str_take(&out);
}

static char *address_give(struct hostsim *hs, const cJSON *obj)
{
    const char *had = json_str(obj, "status.podIP", "");
    char ip[32];

    if (str_starts(had, hs->o.subnet))
        return mem_str(had);
    do {
        hs->next_ip = hs->next_ip % 64000 + 1;
        snprintf(ip, sizeof ip, "%s.%u.%u", hs->o.subnet, hs->next_ip / 250, 1 + hs->next_ip % 250);
    } while (pods_by_ip(hs, ip));
    return mem_str(ip);
}

static struct hpod *pod_new(struct hostsim *hs, const cJSON *obj)
{
    struct hpod *p = mem_zero(sizeof *p);
    const char *group;

    p->hs = hs;
    p->ns = mem_str(json_ns(obj));
    p->name = mem_str(json_name(obj));
    p->uid = mem_str(json_uid(obj));
    p->key = mem_printf("%s/%s", p->ns, p->name);
    p->keeper = json_label(obj, CHK_GROUP "chk") != NULL;
    group = p->keeper ? CHK_GROUP : CHI_GROUP;
    p->cluster = path_of(obj, group, p->keeper ? "chk" : "chi", false);
    p->shard = path_of(obj, group, p->keeper ? "chk" : "chi", true);
    p->ip = address_give(hs, obj);
    p->waiting = "ContainerCreating";
    p->message = "";
    p->image = mem_str("");
    p->exit_code = -1;
    p->host = p->keeper ? NULL : hosts_get(hs->hosts, p->key, true);
    p->next = hs->list;
    hs->list = p;
    p->next_named = *bucket(hs, p->key);
    *bucket(hs, p->key) = p;
    return p;
}

static void pod_free(struct hostsim *hs, struct hpod *p)
{
    for (struct hpod **at = &hs->list; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    for (struct hpod **at = bucket(hs, p->key); *at; at = &(*at)->next_named)
        if (*at == p) {
            *at = p->next_named;
            break;
        }
    free(p->ns);
    free(p->name);
    free(p->uid);
    free(p->key);
    free(p->cluster);
    free(p->shard);
    free(p->ip);
    free(p->image);
    free(p);
}

static void pod_gone(struct hostsim *hs, struct hpod *p)
{
    p->gone = true;
    if (p->keeper)
        keeper_close(hs, p);
    else if (p->running)
        chost_kill(p->host);
    pod_free(hs, p);
}

/* A kubelet that works on a pod looks at its volumes, too. */
static void nudged(struct hpod *p, const cJSON *old, const cJSON *obj)
{
    const cJSON *v;

    if (!p->mounted || json_same(json_at(old, "metadata.annotations"), json_at(obj, "metadata.annotations")))
        return;
    cJSON_ArrayForEach(v, json_at(obj, "spec.volumes")) {
        const char *name = json_str(v, "configMap.name", NULL);

        if (name)
            after(p, NUDGED_MS, mount_one, name);
    }
}

static bool ours(const cJSON *obj)
{
    return json_label(obj, CHI_GROUP "chi") || json_label(obj, CHK_GROUP "chk");
}

static void on_pod(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct hostsim *hs = ctx;
    struct hpod *p = obj ? find(hs, json_uid(obj)) : NULL;

    if (!obj || !ours(obj))
        return;
    if (what == KUBE_GONE) {
        if (p)
            pod_gone(hs, p);
        return;
    }
    if (!*json_str(obj, "spec.nodeName", ""))
        return;
    if (!p) {
        p = pod_new(hs, obj);
        start_in(p, 10 + upto(hs, hs->o.pull_ms));
    }
    nudged(p, old, obj);
    if (deleting(obj) && !p->ending)
        end(p, obj);
}

static void on_claim(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct hostsim *hs = ctx;

    if (what == KUBE_GONE)
        hosts_disk_gone(hs->hosts, json_uid(obj));
    if (obj)
        volumes_claim(hs, what, old, obj);
}

static void on_service(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    (void)ctx;
    (void)what;
    (void)old;
    (void)obj;
}

void pods_start(struct hostsim *hs)
{
    hs->source = (struct podspec_source){find_claim, find_configmap, hs};
    hs->configmaps = kube_watch(hs->kube, KUBE_CM, NULL, NULL, NULL, on_configmap, hs);
    hs->claims = kube_watch(hs->kube, KUBE_PVC, NULL, NULL, NULL, on_claim, hs);
    hs->volumes = kube_watch(hs->kube, KUBE_PV, NULL, NULL, NULL, volumes_volume, hs);
    hs->services = kube_watch(hs->kube, KUBE_SVC, NULL, NULL, NULL, on_service, hs);
    hs->pods = kube_watch(hs->kube, KUBE_POD, NULL, NULL, NULL, on_pod, hs);
}
