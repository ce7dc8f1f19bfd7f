/* SPDX-License-Identifier: Apache-2.0 */
#include "model/knobs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "model/config.h"
#include "model/fleet.h"

/* Times that files take into pods: kubelets look every 60 to 90 s, the plane at once. No knob says less. */
enum {
    FILES_S = 180,
    FILES_LEAST_S = 90,
    FILES_HERE_S = 10,
    FILES_HERE_LEAST_S = 2,
    READY_S = 600,
    READY_LEAST_S = 10,
    READY_MOST_S = 86400,
    POLL_S = 2,
    POLL_MOST_S = 60
};

/* ---- looking: the cluster, the installation, the operator's configuration ---- */

struct from {
    const cJSON *own, *spec, *config;
};

/* Said by the resource itself: -1 when it says nothing. */
static int said(const struct from *w, const char *path)
{
    int flag = config_flag(json_at(w->own, path));

    return flag < 0 ? config_flag(json_at(w->spec, path)) : flag;
}

static bool flag_of(const struct from *w, const char *path, bool dflt)
{
    int flag = said(w, path);

    return flag < 0 ? config_bool(w->config, path, dflt) : flag;
}

static int64_t number(const struct from *w, const char *path, int64_t dflt)
{
    int64_t n = json_int(w->own, path, 0);

    if (n <= 0)
        n = json_int(w->spec, path, 0);
    if (n <= 0)
        n = json_int(w->config, path, 0);
    return n > 0 ? n : dflt;
}

static const char *word(const struct from *w, const char *path)
{
    const char *text = json_str(w->spec, path, "");

    return *text ? text : json_str(w->config, path, "");
}

static int64_t between(int64_t n, int64_t least, int64_t most)
{
    return n < least ? least : n > most ? most : n;
}

/* ---- the installation's ---- */

static enum on_failure failure(const char *text, enum on_failure other)
{
    if (strcasecmp(text, "abort") == 0)
        return FAILURE_ABORT;
    if (strcasecmp(text, "rollback") == 0)
        return FAILURE_ROLLBACK;
    if (strcasecmp(text, "delete") == 0)
        return FAILURE_TAKE_BACK;
    return strcasecmp(text, "ignore") == 0 ? FAILURE_IGNORE : other;
}

static bool deletes(const cJSON *kinds, const char *kind, bool dflt)
{
    const char *text = json_str(kinds, kind, "");

    return strcasecmp(text, "Retain") == 0 ? false : strcasecmp(text, "Delete") == 0 ? true : dflt;
}

/* Secrets cannot be made again with the same content: they go only when that is said. */
static struct cleanup_kinds kinds(const cJSON *spec, const char *which, bool dflt)
{
    auto_free char *path = mem_printf("reconcile.cleanup.%s", which);
    const cJSON *v = json_at(spec, path);

    return (struct cleanup_kinds){
        .statefulset = deletes(v, "statefulSet", dflt),
        .pvc = deletes(v, "pvc", dflt),
        .configmap = deletes(v, "configMap", dflt),
        .service = deletes(v, "service", dflt),
        .secret = deletes(v, "secret", false),
        .pdb = deletes(v, "pdb", dflt),
    };
}

static int64_t propagation(const struct fleet *f, const cJSON *spec)
{
    int64_t n = json_int(spec, "reconcile.configMapPropagationTimeout", 0);

    if (f->endpoints)
        return n > 0 ? between(n, FILES_HERE_LEAST_S, 3600) : FILES_HERE_S;
    return n > 0 ? between(n, FILES_LEAST_S, 3600) : FILES_S;
}

void knobs_of_installation(const struct fleet *f, const cJSON *spec, struct knobs *out)
{
    const struct from w = {NULL, spec, f->config};
    const char *sts = "reconcile.statefulSet.";
    auto_free char *create = mem_printf("%screate.onFailure", sts), *update = mem_printf("%supdate.onFailure", sts);
    auto_free char *loss = mem_printf("%srecreate.onDataLoss", sts),
                   *failed = mem_printf("%srecreate.onUpdateFailure", sts);

    *out = (struct knobs){
        .create_failed = failure(word(&w, create), FAILURE_IGNORE),
        .update_failed = failure(word(&w, update), FAILURE_ABORT),
        .recreate_on_data_loss = strcasecmp(word(&w, loss), "abort") != 0,
        .recreate_on_update = strcasecmp(word(&w, failed), "abort") != 0,
        .ready_s = between(number(&w, "reconcile.statefulSet.update.timeout", READY_S), READY_LEAST_S, READY_MOST_S),
        .poll_s = between(number(&w, "reconcile.statefulSet.update.pollInterval", POLL_S), 1, POLL_MOST_S),
        .propagation_s = propagation(f, spec),
        .unknown = kinds(spec, "unknownObjects", true),
        .failed = kinds(spec, "reconcileFailedObjects", false),
    };
    if (out->create_failed == FAILURE_ROLLBACK) /* there is nothing to roll back to */
        out->create_failed = FAILURE_ABORT;
    if (out->update_failed == FAILURE_TAKE_BACK) /* what has served is not taken away */
        out->update_failed = FAILURE_ABORT;
    if (out->failed.statefulset && out->create_failed == FAILURE_ABORT)
        out->create_failed = FAILURE_TAKE_BACK;
}

/* ---- the cluster's ---- */

/* policy "wait" waits whatever else is said; "nowait" does not, unless the resource itself asks for it. */
static bool waits_for_queries(const struct from *w)
{
    const char *policy = json_str(w->spec, "reconcile.policy", "");
    int own = said(w, "reconcile.host.wait.queries");

    if (strcasecmp(policy, "wait") == 0)
        return true;
    if (own >= 0)
        return own;
    return strcasecmp(policy, "nowait") != 0 && config_bool(w->config, "reconcile.host.wait.queries", true);
}

void knobs_of_cluster(const struct fleet *f, const cJSON *spec, const cJSON *own, struct cluster_knobs *out)
{
    const struct from w = {own, spec, f->config};

    *out = (struct cluster_knobs){
        .shards_threads = (unsigned)number(&w, "reconcile.runtime.reconcileShardsThreadsNumber", 1),
        .shards_percent = (unsigned)number(&w, "reconcile.runtime.reconcileShardsMaxConcurrencyPercent", 50),
        .min_serving = (unsigned)between(json_int(spec, "chfleet.replicas.minServing", 1), 1, 1000),
        .wait_exclude = flag_of(&w, "reconcile.host.wait.exclude", true),
        .wait_queries = waits_for_queries(&w),
        .wait_include = flag_of(&w, "reconcile.host.wait.include", false),
        .replicas_all = flag_of(&w, "reconcile.host.wait.replicas.all", true),
        .replicas_new = flag_of(&w, "reconcile.host.wait.replicas.new", true),
        .replicas_delay_s = number(&w, "reconcile.host.wait.replicas.delay", 10),
        .probe_startup = flag_of(&w, "reconcile.host.wait.probes.startup", false),
        .probe_readiness = flag_of(&w, "reconcile.host.wait.probes.readiness", true),
        .drop_on_delete = flag_of(&w, "reconcile.host.drop.replicas.onDelete", true),
        .drop_on_lost_volume = flag_of(&w, "reconcile.host.drop.replicas.onLostVolume", true),
        .drop_active = flag_of(&w, "reconcile.host.drop.replicas.active", false),
    };
}

unsigned knobs_installations(const cJSON *config)
{
    return (unsigned)between(json_int(config, "reconcile.runtime.reconcileCHIsThreadsNumber", 10), 1, 65535);
}

/* ---- hooks ---- */

int64_t knobs_duration(const char *text)
{
    int64_t total = 0;

    while (*text) {
        char *unit;
        int64_t n = strtoll(text, &unit, 10);

        if (unit == text || !*unit)
            return total;
        total += n * (*unit == 'd' ? 86400 : *unit == 'h' ? 3600 : *unit == 'm' ? 60 : 1);
        text = unit + 1;
    }
    return total;
}

static cJSON *one_hook(const cJSON *v)
{
    static const char *const usual[] = {"restart", "soft-restart", "recreate", "move"};
    cJSON *h = cJSON_CreateObject(), *actions = json_set_arr(h, "actions");
    const cJSON *given = json_get(v, "actions"), *a, *expect = json_get(v, "expect");
    int64_t timeout = knobs_duration(json_str(v, "timeout", "1m"));

    json_set_str(h, "name", json_str(v, "name", ""));
    json_set_str(h, "when", json_str(v, "when", ""));
    cJSON_ArrayForEach(a, given)
        if (cJSON_IsString(a))
            json_add_str(actions, a->valuestring);
    for (size_t i = 0; cJSON_GetArraySize(given) == 0 && i < sizeof usual / sizeof *usual; i++)
        json_add_str(actions, usual[i]);
    json_set(h, "clusters", json_get(v, "clusters") ? json_copy(json_get(v, "clusters")) : cJSON_CreateArray());
    json_set(h, "sql", json_get(v, "sql") ? json_copy(json_get(v, "sql")) : cJSON_CreateArray());
    if (cJSON_IsString(expect))
        json_set_str(h, "expect", expect->valuestring);
    json_set_int(h, "timeout_s", between(timeout, 1, 86400));
    json_set_bool(h, "ignore", strcasecmp(json_str(v, "onFailure", "stop"), "ignore") == 0);
    return h;
}

cJSON *knobs_hooks(const cJSON *spec)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(spec, "chfleet.hooks"))
        cJSON_AddItemToArray(list, one_hook(v));
    return list;
}
