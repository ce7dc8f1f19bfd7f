/* SPDX-License-Identifier: Apache-2.0 */
/* What is said outside: the resource's status (the peer's fields), GET /status, metrics. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/config.h"
#include "supervisor/internal.h"

enum { STATUS_EVERY_MS = 5000, STATUS_LIST_MAX = 100, STATUS_TEXTS = 10 };

const char *status_word(const struct inst *in)
{
    const cJSON *res = super_resource(in);

    if (json_at(res, "metadata.deletionTimestamp"))
        return "Terminating";
    if (in->error_code && (strcmp(in->error_code, "FAILED") == 0 || strcmp(in->error_code, "REFUSED") == 0 ||
                           strcmp(in->error_code, "BAD_SPEC") == 0))
        return "Aborted";
    if (!res || !in->fleet)
        return "";
    if (!str_eq(in->fleet->uid, json_uid(res)) || in->fleet->generation != json_int(res, "metadata.generation", -1))
        return "InProgress"; /* what is known is about an older one */
    return inst_busy(in) || in->error_code || !in->audited ? "InProgress" : "Completed";
}

/* ---- the resource's status ---- */

static void count_actions(const struct inst *in, cJSON *st)
{
    int64_t added = 0, updated = 0, unchanged = 0, done = 0, to_delete = 0, deleted = 0, failed = 0;

    for (size_t i = 0; i < in->n_hosts; i++) {
        const struct hostrec *h = &in->hosts[i];

        added += h->action == ACT_CREATE;
        to_delete += h->action == ACT_REMOVE;
        unchanged += h->action == ACT_NONE;
        updated += h->action != ACT_CREATE && h->action != ACT_REMOVE && h->action != ACT_NONE;
        done += h->finished && h->action != ACT_NONE;
        deleted += h->finished && h->action == ACT_REMOVE;
        failed += !h->finished && h->begun_ms && h->action != ACT_NONE;
    }
    if (inst_busy(in)) {
        json_set_int(st, "hostsAdded", added);
        json_set_int(st, "hostsUpdated", updated);
        json_set_int(st, "hostsUnchanged", unchanged);
        json_set_int(st, "hostsCompleted", done);
        json_set_int(st, "hostsDelete", to_delete);
        json_set_int(st, "hostsDeleted", deleted);
    } else {
        if (failed && str_eq(in->error_code, "FAILED"))
            json_set_int(st, "hostsFailed", failed);
        json_set_int(st, "hostsCompleted", (int64_t)(in->fleet ? in->fleet->n_hosts : 0));
    }
}

static void add_lists(const struct inst *in, cJSON *st)
{
    cJSON *pods = json_set_arr(st, "pods"), *fqdns = json_set_arr(st, "fqdns");

    for (size_t i = 0; i < in->fleet->n_hosts && i < STATUS_LIST_MAX; i++) {
        json_add_str(pods, in->fleet->hosts[i]->pod);
        json_add_str(fqdns, in->fleet->hosts[i]->fqdn);
    }
    auto_free char *endpoint =
        mem_printf("%s-%s.%s.svc.cluster.local", in->group == GROUP_CHI ? "clickhouse" : "keeper", in->name, in->ns);
    json_set_str(st, "endpoint", endpoint);
    json_add_str(json_set_arr(st, "endpoints"), endpoint);
}

/* Newest first, at most ten, no text twice. */
static void push_text(cJSON *st, const cJSON *old, const char *field, const char *text)
{
    cJSON *list = json_set_arr(st, field);
    const cJSON *o;

    if (text)
        json_add_str(list, text);
    cJSON_ArrayForEach(o, json_get(old, field))
        if (cJSON_IsString(o) && !json_has(list, o->valuestring) && cJSON_GetArraySize(list) < STATUS_TEXTS)
            json_add_str(list, o->valuestring);
}

static void add_condition(cJSON *list, const cJSON *old, const char *type, bool on, const char *reason,
                          const char *message, int64_t generation, uint64_t wall)
{
    cJSON *c = cJSON_CreateObject();
    const cJSON *o;
    const char *status = on ? "True" : "False", *since = NULL;
    char now[32];
    time_t t = (time_t)(wall / 1000);
    struct tm tm;

    cJSON_ArrayForEach(o, old)
        if (strcmp(json_str(o, "type", ""), type) == 0 && strcmp(json_str(o, "status", ""), status) == 0)
            since = json_str(o, "lastTransitionTime", NULL);
    gmtime_r(&t, &tm);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_set_str(c, "type", type);
    json_set_str(c, "status", status);
    json_set_str(c, "reason", reason);
    json_set_str(c, "message", message);
    json_set_str(c, "lastTransitionTime", since ? since : now);
    json_set_int(c, "observedGeneration", generation);
    cJSON_AddItemToArray(list, c);
}

/* With a spec that is wrong the last good fleet is still the one that runs. */
static int64_t seen_generation(const struct inst *in)
{
    bool bad = str_eq(in->error_code, "BAD_SPEC") || !in->fleet;

    return bad ? in->error_generation : in->fleet->generation;
}

static void add_conditions(const struct inst *in, cJSON *st, const cJSON *old)
{
    cJSON *list = json_set_arr(st, "conditions");
    const cJSON *was = json_get(old, "conditions");
    const char *word = status_word(in), *why = in->error ? in->error : "";
    int64_t g = seen_generation(in);
    uint64_t wall = world_wall(in->s->w);

    add_condition(list, was, "Ready", strcmp(word, "Completed") == 0, *word ? word : "Unknown", why, g, wall);
    add_condition(list, was, "Progressing", inst_busy(in), inst_busy(in) ? "Reconciling" : "Idle", "", g, wall);
    add_condition(list, was, "Degraded", in->error_code != NULL, in->error_code ? in->error_code : "AsExpected", why, g,
                  wall);
}

static const char *current_task_id(const struct inst *in)
{
    return in->fleet->task_id;
}

/* What is being done, host by host and not step by step: each text is one more write. "": nothing. Caller frees. */
static char *action_text(const struct inst *in)
{
    const struct hostrec *first = NULL;
    unsigned more = 0;

    for (size_t i = 0; i < in->n_hosts && inst_busy(in); i++) {
        const struct hostrec *h = &in->hosts[i];

        if (h->action == ACT_NONE || h->finished || !h->begun_ms)
            continue;
        more += first != NULL;
        first = first ? first : h;
    }
    if (!first)
        return mem_str("");
    return more ? mem_printf("%s %s and %u more", host_action_name(first->action), first->key, more)
                : mem_printf("%s %s", host_action_name(first->action), first->key);
}

/* Fields that the operator's configuration switches on and off, one by one. */
static void add_switched(const struct inst *in, cJSON *st, const cJSON *old)
{
    const cJSON *on = json_at(in->s->config, "status.fields");
    auto_free char *action = action_text(in);

    if (config_bool(on, "action", false) && *action)
        json_set_str(st, "action", action);
    if (config_bool(on, "actions", false) && (*action || json_get(old, "actions")))
        push_text(st, old, "actions", *action ? action : NULL);
    if (config_bool(on, "error", true))
        json_set_str(st, "error", in->error ? in->error : "");
    if (config_bool(on, "errors", true) && (in->error || json_get(old, "errors")))
        push_text(st, old, "errors", in->error && *in->error ? in->error : NULL);
}

/* The spec was wrong from the beginning: there is nothing to count. */
static cJSON *status_without_fleet(const struct inst *in, const cJSON *old)
{
    cJSON *st = cJSON_CreateObject();

    json_set_str(st, "chop-version", in->s->opt.build);
    json_set_str(st, "chop-ip", in->s->opt.operator_ip);
    json_set_str(st, "status", status_word(in));
    add_switched(in, st, old);
    json_set_int(st, "observedGeneration", seen_generation(in));
    add_conditions(in, st, old);
    return st;
}

/* What `kubectl scale` and autoscalers look at. */
static void add_scale(const struct fleet *f, cJSON *st)
{
    bool keeper = f->kind == FLEET_KEEPER;
    const char *group = keeper ? "clickhouse-keeper.altinity.com" : "clickhouse.altinity.com";
    auto_free char *selector = mem_printf("%s/namespace=%s,%s/app=chop,%s/%s=%s", group, f->ns, group, group,
                                          keeper ? "chk" : "chi", f->name);
    size_t most = 0;

    for (size_t i = 0; i < f->n_clusters; i++)
        for (size_t j = 0; j < f->clusters[i].n_shards; j++)
            if (f->clusters[i].shards[j].n_hosts > most)
                most = f->clusters[i].shards[j].n_hosts;
    json_set_int(st, "replicas", (int64_t)most);
    json_set_str(st, "selector", selector);
}

static cJSON *make_status(const struct inst *in, const cJSON *old)
{
    cJSON *st = cJSON_CreateObject();
    const char *id = current_task_id(in);
    int64_t shards = 0;

    for (size_t i = 0; i < in->fleet->n_clusters; i++)
        shards += (int64_t)in->fleet->clusters[i].n_shards;
    json_set_str(st, "chop-version", in->s->opt.build);
    json_set_str(st, "chop-ip", in->s->opt.operator_ip);
    json_set_int(st, "clusters", (int64_t)in->fleet->n_clusters);
    json_set_int(st, "shards", shards);
    json_set_int(st, "hosts", (int64_t)in->fleet->n_hosts);
    add_scale(in->fleet, st);
    json_set_str(st, "status", status_word(in));
    json_set_str(st, "taskID", id);
    push_text(st, old, "taskIDsStarted", id);
    push_text(st, old, "taskIDsCompleted", strcmp(status_word(in), "Completed") == 0 ? id : NULL);
    add_switched(in, st, old);
    count_actions(in, st);
    if (cJSON_GetArraySize(in->fleet->used_templates))
        json_set(st, "usedTemplates", json_copy(in->fleet->used_templates));
    if (in->restarted_generation)
        json_set_int(json_need_obj(st, "chfleet"), "restartedGeneration", in->restarted_generation);
    if (in->s->opt.config_ns)
        json_set_str(json_need_obj(st, "chfleet"), "operator", in->s->opt.config_ns);
    if (in->fleet->warnings->child || json_at(old, "chfleet.warnings"))
        json_set(json_need_obj(st, "chfleet"), "warnings", json_copy(in->fleet->warnings));
    json_set_int(st, "observedGeneration", seen_generation(in));
    add_lists(in, st);
    add_conditions(in, st, old);
    return st;
}

/* A merge patch that also takes away what is not said any more. */
static cJSON *status_patch(const cJSON *old, const cJSON *now)
{
    static const char *const ours[] = {"hostsAdded",   "hostsUpdated", "hostsUnchanged", "hostsDelete",
                                       "hostsDeleted", "hostsFailed",  "taskID",         "action",
                                       "actions",      "error",        "errors",         "usedTemplates"};
    cJSON *diff = json_diff_patch(old ? old : NULL, now);
    const cJSON *c;
    cJSON *patch = cJSON_CreateObject();

    if (!old) {
        cJSON_Delete(diff);
        diff = json_copy(now);
    }
    cJSON_ArrayForEach(c, diff) {
        bool mine = json_get(now, c->string) != NULL;

        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            mine |= strcmp(ours[i], c->string) == 0;
        if (mine) /* what others keep in the status stays */
            cJSON_AddItemToObject(patch, c->string, json_copy(c));
    }
    cJSON_Delete(diff);
    if (!cJSON_GetArraySize(patch)) {
        cJSON_Delete(patch);
        return NULL;
    }
    return patch;
}

static void status_over(struct inst *in, const cJSON *now, bool again)
{
    in->pending--;
    in->status_busy = false;
    if (in->status_again || again)
        status_kick(in);
    in->status_again = false;
    if (now)
        kube_cache_put(in->group == GROUP_CHI ? in->s->chi : in->s->chk, now);
    if (!inst_busy(in) && in->kicked && !in->pending) {
        in->kicked = false;
        inst_kick(in, 0);
    }
}

static void status_reread(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    (void)status;
    status_over(ctx, err ? NULL : obj, true);
}

static void status_written(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct inst *in = ctx;

    if (err && status != 404)
        log_info(in->key, "status: %s", err->msg);
    if (err && status == 409)
        kube_get(in->s->kube, in->kind, in->ns, in->name, status_reread, in);
    else
        status_over(in, err ? NULL : obj, err && status != 404);
}

/* Takes what is to be said. It is true of the version that we know: not of one that was changed meanwhile, nor of another
 * resource that has the name now. */
static void status_send(struct inst *in, const cJSON *res, cJSON *status)
{
    auto_json cJSON *patch = cJSON_CreateObject();

    json_set_str(json_set_obj(patch, "metadata"), "resourceVersion", json_rv(res));
    json_set(patch, "status", status);
    in->status_busy = true;
    in->pending++;
    kube_patch(in->s->kube, in->kind, in->ns, in->name, "status", patch, status_written, in);
}

/* The fields of the peer stay its own as long as it may write them. */
static void say_blocked(struct inst *in, const cJSON *res)
{
    cJSON *status;

    if (str_eq(json_str(json_at(res, "status.chfleet"), "blocked", NULL), in->error))
        return;
    status = cJSON_CreateObject();
    json_set_str(json_set_obj(status, "chfleet"), "blocked", in->error);
    status_send(in, res, status);
}

void status_write_now(struct inst *in)
{
    const cJSON *res = super_resource(in);
    auto_json cJSON *st = NULL;
    cJSON *diff;

    if (!res || (!in->fleet && !in->error_code) || !in->s->leading || !super_watches(in->s, in->ns))
        return;
    if (in->status_busy) {
        in->status_again = true;
        return;
    }
    if (str_eq(in->error_code, "CLAIMED"))
        return; /* the one that takes care of it writes its status */
    if (str_eq(in->error_code, "OTHER_OPERATOR")) {
        say_blocked(in, res);
        return;
    }
    st = in->fleet ? make_status(in, json_get(res, "status")) : status_without_fleet(in, json_get(res, "status"));
    diff = status_patch(json_get(res, "status"), st);
    if (diff)
        status_send(in, res, diff);
}

static void status_due(void *ctx)
{
    struct inst *in = ctx;

    in->status_timer = NULL;
    status_write_now(in);
}

/* Changes of a running operation are told together; what is said when nothing runs is a result, and is told at once. */
void status_kick(struct inst *in)
{
    if (!inst_busy(in))
        world_timer_stop(in->s->w, &in->status_timer);
    if (!in->status_timer)
        in->status_timer = world_timer(in->s->w, inst_busy(in) ? STATUS_EVERY_MS : 0, status_due, in);
}

/* ---- GET /status ---- */

static cJSON *host_status(struct inst *in, const struct hostrec *h)
{
    cJSON *j = cJSON_CreateObject();
    const struct host *host = in->fleet ? fleet_host(in->fleet, h->key) : NULL;
    static const char *const members[] = {"out", "going-in", "in", "going-out"};
    char sts[300] = "";
    const cJSON *pod = NULL;
    bool idle = !inst_busy(in) || h->action == ACT_NONE;

    json_set_str(j, "key", h->key);
    if (hostfacts_sts(in, h->key, sts, sizeof sts)) {
        auto_free char *name = mem_printf("%s-0", sts), *version = desired_version(in, sts);

        json_set_str(j, "pod", name);
        json_set_str(j, "version", version);
        pod = hostfacts_pod(in, sts);
    }
    json_set_str(j, "action", host_action_name(idle ? ACT_NONE : h->action));
    json_set_str(j, "step", idle ? "" : h->step);
    json_set_str(j, "state",
                 idle            ? "idle"
                 : h->finished   ? "done"
                 : h->waiting[0] ? "waiting"
                 : h->step[0]    ? "working"
                                 : "queued");
    json_set_str(j, "waiting", h->waiting);
    json_set_str(j, "text", h->text);
    json_set_int(j, "since_ms", (int64_t)h->since_ms);
    json_set_str(j, "image", host ? host->image : "");
    json_set_str(j, "pod_image", pod ? hostfacts_image(in, pod) : "");
    json_set_bool(j, "ready", pod && compare_pod_ready(pod));
    json_set_str(j, "member", members[member_state(in, h->key)]);
    return j;
}

/* As the installation lists them; then those that are on their way out. */
static void add_hosts(struct inst *in, cJSON *hosts)
{
    for (size_t i = 0; in->fleet && i < in->fleet->n_hosts; i++) {
        const struct hostrec *h = inst_host(in, in->fleet->hosts[i]->key);

        if (h)
            cJSON_AddItemToArray(hosts, host_status(in, h));
    }
    for (size_t i = 0; inst_busy(in) && i < in->n_hosts; i++)
        if (!in->fleet || !fleet_host(in->fleet, in->hosts[i].key))
            cJSON_AddItemToArray(hosts, host_status(in, &in->hosts[i]));
}

static void add_progress(const struct inst *in, cJSON *progress)
{
    int64_t done = 0, total = 0;

    for (size_t i = 0; i < in->n_hosts; i++) {
        total += in->hosts[i].action != ACT_NONE;
        done += in->hosts[i].action != ACT_NONE && in->hosts[i].finished;
    }
    json_set_int(progress, "done", done);
    json_set_int(progress, "total", total);
}

static cJSON *inst_status(struct inst *in)
{
    cJSON *j = cJSON_CreateObject();

    json_set_str(j, "key", in->key);
    json_set_str(j, "kind", in->group == GROUP_CHI ? "chi" : "chk");
    json_set_str(j, "status", status_word(in));
    json_set_int(j, "operation", (int64_t)in->op);
    json_set_int(j, "generation", inst_busy(in) ? in->generation : seen_generation(in));
    json_set_bool(j, "busy", inst_busy(in));
    if (in->error) {
        json_set_str(j, "error", in->error);
        json_set_str(j, "code", in->error_code);
    }
    add_hosts(in, json_set_arr(j, "hosts"));
    add_progress(in, json_set_obj(j, "progress"));
    return j;
}

cJSON *super_status(struct super *s)
{
    cJSON *j = cJSON_CreateObject(), *list = json_set_arr(j, "installations");

    json_set_str(j, "apiVersion", "chfleet.io/v1");
    json_set_str(j, "kind", "Status");
    json_set_str(j, "version", s->opt.build);
    json_set_bool(j, "leader", s->leading);
    json_set_bool(j, "synced", s->recovered);
    json_set_str(j, "addressing", s->endpoints ? "endpoints" : "dns");
    json_set_int(j, "workers", s->n_workers);
    config_status(s, j);
    for (struct inst *in = s->insts; in; in = in->next)
        if (!in->gone && super_resource(in) && super_watches(s, in->ns))
            cJSON_AddItemToArray(list, inst_status(in));
    return j;
}
