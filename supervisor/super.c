/* SPDX-License-Identifier: Apache-2.0 */
/* Life of the supervisor: discovery, caches, recovery from the journal, leadership, the tick. */
#include "supervisor/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/config.h"

const enum kube_kind owned_kinds[OWNED_KINDS] = {KUBE_STS, KUBE_POD,    KUBE_SVC,     KUBE_CM,   KUBE_PVC,
                                                 KUBE_PDB, KUBE_SECRET, KUBE_EPSLICE, KUBE_LEASE};

static const char *const group_label[GROUPS] = {"clickhouse.altinity.com", "clickhouse-keeper.altinity.com"};
static const char *const group_owner[GROUPS] = {"clickhouse.altinity.com/chi", "clickhouse-keeper.altinity.com/chk"};

/* One watch of one kind and group: who to tell. */
struct watch_ctx {
    struct super *s;
    enum owner_group group;
    enum kube_kind kind;
};


struct kube_cache *super_cache(const struct super *s, enum owner_group g, enum kube_kind kind)
{
    for (int i = 0; i < OWNED_KINDS; i++)
        if (owned_kinds[i] == kind)
            return s->owned[i][g];
    return NULL;
}

const cJSON *super_get(const struct super *s, enum owner_group g, enum kube_kind kind, const char *ns, const char *name)
{
    struct kube_cache *c = super_cache(s, g, kind);

    return c ? kube_cache_get(c, ns, name) : NULL;
}

const cJSON *super_resource(const struct inst *in)
{
    struct kube_cache *c = in->group == GROUP_CHI ? in->s->chi : in->s->chk;

    return c ? kube_cache_get(c, in->ns, in->name) : NULL;
}

void super_incident(struct super *s, struct inst *in, const char *host, const char *code, const char *fmt, ...)
{
    struct journal_rec rec = {.type = JRN_INCIDENT, .op = in->op, .object = host ? host : in->key, .name = code};
    const cJSON *res = super_resource(in);
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rec.text = text;
    s->n_incidents++;
    journal_put(s->j, &rec, NULL, NULL);
    log_warn(rec.object, "%s: %s", code, text);
    if (res)
        kube_event(s->kube, res, true, code, "%s%s%s", host ? host : "", host ? ": " : "", text);
}

/* ---- watches ---- */

/* Keeps of an object only the fields named (ends with NULL). */
static void keep_only(cJSON *obj, const char *const *fields)
{
    cJSON *c = obj ? obj->child : NULL;

    while (c) {
        cJSON *next = c->next;
        bool kept = false;

        for (size_t i = 0; fields[i]; i++)
            kept |= strcmp(c->string, fields[i]) == 0;
        if (!kept)
            cJSON_Delete(cJSON_DetachItemViaPointer(obj, c));
        c = next;
    }
}

static void keep_only_each(cJSON *list, const char *const *fields)
{
    cJSON *c;

    cJSON_ArrayForEach(c, list)
        keep_only(c, fields);
}

/* A fleet of 600 hosts has as many pods, of which we want to know what runs, how it is, and why it does not. */
static void compact_pod(cJSON *obj)
{
    static const char *const spec[] = {"containers", NULL}, *const container[] = {"name", "image", NULL},
                             *const status[] = {"phase", "podIP", "conditions", "containerStatuses", NULL},
                             *const condition[] = {"type", "status", "reason", "message", NULL},
                             *const state[] = {"name", "state", "lastState", "ready", "restartCount", "started", "containerID", NULL};

    cJSON_DeleteItemFromObjectCaseSensitive(json_get(obj, "metadata"), "ownerReferences");
    keep_only(json_get(obj, "spec"), spec);
    keep_only_each(json_at(obj, "spec.containers"), container);
    keep_only(json_get(obj, "status"), status);
    keep_only_each(json_at(obj, "status.conditions"), condition);
    keep_only_each(json_at(obj, "status.containerStatuses"), state);
}

static void compact_slice(cJSON *obj)
{
    static const char *const slice[] = {"apiVersion", "kind", "metadata", "endpoints", NULL},
                             *const meta[] = {"name", "namespace", "uid", "resourceVersion", "labels", NULL},
                             *const endpoint[] = {"targetRef", "conditions", NULL}, *const target[] = {"name", NULL};
    cJSON *c;

    keep_only(obj, slice);
    keep_only(json_get(obj, "metadata"), meta);
    keep_only_each(json_get(obj, "endpoints"), endpoint);
    cJSON_ArrayForEach(c, json_get(obj, "endpoints"))
        keep_only(json_get(c, "targetRef"), target);
}

static kube_compact_fn *compact_of(enum kube_kind kind)
{
    return kind == KUBE_POD ? compact_pod : kind == KUBE_EPSLICE ? compact_slice : NULL;
}

static bool is_suspended(const cJSON *res)
{
    return str_bool(json_str(res, "spec.suspend", NULL)) == 1 && !json_at(res, "metadata.deletionTimestamp");
}

static void resource_changed(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct watch_ctx *wc = ctx;
    struct super *s = wc->s;
    struct inst *in;

    if (what == KUBE_SYNCED) {
        super_start_watches(s);
        return;
    }
    in = inst_find(s, wc->group, json_ns(obj), json_name(obj));
    if (!in && !super_watches(s, json_ns(obj)))
        return;
    in = inst_get(s, wc->group, json_ns(obj), json_name(obj));
    in->gone = what == KUBE_GONE;
    if (in->gone && !inst_busy(in))
        inst_forget(in);
    /* Our own status writes come back here: only what we do not write is news. */
    if (what == KUBE_CHANGED && old &&
        json_int(old, "metadata.generation", 0) == json_int(obj, "metadata.generation", -1) &&
        json_same(json_at(old, "metadata.annotations"), json_at(obj, "metadata.annotations")) &&
        json_same(json_at(old, "metadata.labels"), json_at(obj, "metadata.labels")) &&
        json_same(json_at(old, "metadata.finalizers"), json_at(obj, "metadata.finalizers")) &&
        !json_at(old, "metadata.deletionTimestamp") == !json_at(obj, "metadata.deletionTimestamp"))
        return;
    if (what != KUBE_GONE && is_suspended(obj))
        log_note(in->key, "spec.suspend is set: nothing is done");
    inst_kick(in, 0);
    governor_look(s); /* a hold may be over */
}

static void told_endpoints(void *ctx, const char *ns, const char *pod)
{
    struct watch_ctx *wc = ctx;

    for (struct inst *in = wc->s->insts; in; in = in->next)
        if (in->group == wc->group && in->state == INST_RUNNING && strcmp(in->ns, ns) == 0)
            tell_pod(in, pod);
}

static void owned_changed(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct watch_ctx *wc = ctx;
    const char *name;
    struct inst *in;

    if (what == KUBE_SYNCED) {
        super_start_watches(wc->s);
        return;
    }
    if (wc->kind == KUBE_EPSLICE)
        endpoints_changed(wc->s->balanced, old, what == KUBE_GONE ? NULL : obj, told_endpoints, wc);
    wc->s->n_pods_added += wc->kind == KUBE_POD && what == KUBE_ADDED;
    wc->s->n_pods_deleted += wc->kind == KUBE_POD && what == KUBE_GONE;
    name = json_label(obj, group_owner[wc->group]);
    in = name ? inst_find(wc->s, wc->group, json_ns(obj), name) : NULL;
    if (in)
        inst_owned_changed(in, wc->kind, obj);
}

/* A changed template acts at the next reconcile, as users of the peer expect. */
static void template_changed(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct watch_ctx *wc = ctx;

    (void)old;
    if (what == KUBE_SYNCED)
        super_start_watches(wc->s);
    else
        log_info(json_name(obj), "%s changed: used from the next reconcile on", json_str(obj, "kind", "template"));
}

static void chopconf_changed(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct watch_ctx *wc = ctx;

    (void)old;
    if (what == KUBE_GONE)
        config_resource_gone(wc->s, obj);
    if (kube_cache_synced(wc->s->chopconf)) /* the first list is taken as one, in the order of the names */
        config_resources_changed(wc->s);
    if (what == KUBE_SYNCED)
        super_start_watches(wc->s);
}

struct kube_cache *super_watch(struct super *s, enum kube_kind kind, const char *selector, kube_compact_fn *compact,
                               kube_change_fn *fn, void *ctx)
{
    const char *const *spaces = s->narrow ? spaces_names(s->spaces) : NULL;

    if (spaces && spaces[1])
        return kube_watch_several(s->kube, kind, spaces, selector, compact, fn, ctx);
    return kube_watch(s->kube, kind, spaces ? spaces[0] : NULL, selector, compact, fn, ctx);
}

static struct kube_cache *watch(struct super *s, enum kube_kind kind, enum owner_group g, const char *selector,
                                kube_compact_fn *compact, kube_change_fn *fn)
{
    struct watch_ctx *wc = mem_zero(sizeof *wc); /* lives as long as the process */

    *wc = (struct watch_ctx){s, g, kind};
    return super_watch(s, kind, selector, compact, fn, wc);
}

/* Without the right to read them (or the CRD) there are none for us; the log says so. */
static bool config_known(const struct super *s)
{
    const struct err *why = s->chopconf ? kube_cache_problem(s->chopconf) : NULL;

    return !s->opt.config_ns || (s->chopconf && (kube_cache_synced(s->chopconf) ||
                                                 (why && (why->kind == ERR_REFUSED || why->kind == ERR_MISSING))));
}

static bool all_synced(const struct super *s)
{
    if (!s->chi || !s->chk || !s->chit || !kube_cache_synced(s->chi) || !kube_cache_synced(s->chk) ||
        !kube_cache_synced(s->chit) || !config_known(s) || !others_known(s))
        return false;
    for (int i = 0; i < OWNED_KINDS; i++)
        for (int g = 0; g < GROUPS; g++)
            if (s->owned[i][g] && !kube_cache_synced(s->owned[i][g]))
                return false;
    return true;
}

static int recover_op(void *ctx, const struct journal_op *op)
{
    return inst_recover(ctx, op);
}

static int kick_resource(void *ctx, const cJSON *obj)
{
    struct super *s = ctx;
    bool chi = strcmp(json_str(obj, "kind", ""), "ClickHouseInstallation") == 0;

    if (super_watches(s, json_ns(obj)))
        inst_kick(inst_get(s, chi ? GROUP_CHI : GROUP_CHK, json_ns(obj), json_name(obj)), 0);
    return 0;
}

static int kick_watched(void *ctx, const cJSON *obj)
{
    struct super *s = ctx;
    bool chi = strcmp(json_str(obj, "kind", ""), "ClickHouseInstallation") == 0;
    enum owner_group g = chi ? GROUP_CHI : GROUP_CHK;

    if (super_watches(s, json_ns(obj)) || inst_find(s, g, json_ns(obj), json_name(obj)))
        inst_kick(inst_get(s, g, json_ns(obj), json_name(obj)), 0);
    return 0;
}

void super_kick_all(struct super *s)
{
    kube_cache_each(s->chk, kick_watched, s);
    kube_cache_each(s->chi, kick_watched, s);
}

static int keep_template(void *ctx, const cJSON *obj)
{
    struct super *s = ctx;

    cJSON_AddItemToArray(s->first_templates, json_copy(obj));
    return 0;
}

/* Everything is listed: take up what was begun, then look at every installation. */
static void go(struct super *s)
{
    char epoch[24];
    auto_free char *old = journal_kv(s->j, "epoch");
    auto_free char *spaces = spaces_print(s->spaces);
    struct journal_rec rec = {.type = JRN_KV, .name = "epoch", .text = epoch};

    s->recovered = true;
    s->epoch = (old ? strtoull(old, NULL, 10) : 0) + 1;
    snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)s->epoch);
    journal_put(s->j, &rec, NULL, NULL);
    s->first_templates = cJSON_CreateArray();
    kube_cache_each(s->chit, keep_template, s);
    log_note(NULL, "serving: epoch %s, %s addressing, namespaces: %s", epoch, s->endpoints ? "endpoints" : "dns",
             spaces);
    journal_each_open_op(s->j, recover_op, s);
    kube_cache_each(s->chk, kick_resource, s);
    kube_cache_each(s->chi, kick_resource, s);
}

void super_start_watches(struct super *s)
{
    char selector[128];

    if (!s->discovered)
        return;
    if (!s->chi) {
        if (s->opt.config_ns) {
            struct watch_ctx *wc = mem_zero(sizeof *wc);

            wc->s = s;
            s->chopconf = kube_watch(s->kube, KUBE_CHOPCONF, s->opt.config_ns, NULL, NULL, chopconf_changed, wc);
        }
        others_watch(s);
        s->chi = watch(s, KUBE_CHI, GROUP_CHI, NULL, NULL, resource_changed);
        s->chk = watch(s, KUBE_CHK, GROUP_CHK, NULL, NULL, resource_changed);
        s->chit = watch(s, KUBE_CHIT, GROUP_CHI, NULL, NULL, template_changed);
        for (int i = 0; i < OWNED_KINDS; i++)
            for (int g = 0; g < GROUPS; g++) {
                if (owned_kinds[i] == KUBE_LEASE)
                    continue;
                snprintf(selector, sizeof selector, "%s/app=chop", group_label[g]);
                s->owned[i][g] = watch(s, owned_kinds[i], g, selector, compact_of(owned_kinds[i]), owned_changed);
            }
    }
    if (!s->recovered && s->leading && all_synced(s))
        go(s);
}

/* ---- the tick: what has no event of its own ---- */
static void on_tick(void *ctx)
{
    struct super *s = ctx;

    s->tick = world_timer(s->w, 1000, on_tick, s);
    if (!s->recovered)
        super_start_watches(s); /* what we may not read is no event */
    wproc_watchdog(s);
    governor_look(s);
    for (struct inst *in = s->insts; in; in = in->next)
        inst_look_for_lost(in);
}

static void discovered(void *ctx, int status, const cJSON *obj, const struct err *err);

static void discover(void *ctx)
{
    struct super *s = ctx;

    s->tick = NULL;
    kube_raw(s->kube, "GET", "/version", NULL, NULL, discovered, s);
}

static void begin(struct super *s)
{
    s->discovered = true;
    super_start_watches(s);
    s->tick = world_timer(s->w, 1000, on_tick, s);
}

/* The configuration's names are found anywhere in a namespace's name: for that all have to be looked at. Where we may not,
 * they are the names themselves. */
static void rights_known(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct super *s = ctx;

    (void)obj;
    if (err && status != 403) {
        log_warn(NULL, "API server: %s; trying again in 1 s", err->msg);
        s->tick = world_timer(s->w, 1000, discover, s);
        return;
    }
    s->narrow = status == 403;
    begin(s);
}

static void discovered(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct super *s = ctx;

    (void)status;
    if (err) {
        log_warn(NULL, "API server: %s; trying again in 1 s", err->msg);
        s->tick = world_timer(s->w, 1000, discover, s);
        return;
    }
    s->endpoints = strcmp(json_str(obj, "platform", ""), "chfleet-plane") == 0;
    s->narrow = spaces_names(s->spaces) != NULL;
    if (s->narrow && spaces_loose(s->spaces)) {
        auto_free char *path = kube_path(KUBE_CHI, NULL, NULL), *one = mem_printf("%s?limit=1", path);

        kube_raw(s->kube, "GET", one, NULL, NULL, rights_known, s);
        return;
    }
    begin(s);
}

static void lead(void *ctx, bool leading)
{
    struct super *s = ctx;

    if (leading == s->leading)
        return;
    log_note(NULL, leading ? "leading" : "not leading any more: acting ends");
    s->leading = leading;
    if (leading) {
        super_start_watches(s);
        return;
    }
    /* The next leader resumes from the mirrored annotations; this process starts over with an empty mind. */
    s->w->ops->quit(s->w, 75);
}

static void candidates_moved(void *ctx)
{
    struct super *s = ctx;

    for (struct inst *in = s->recovered && s->leading && !s->stopping ? s->insts : NULL; in; in = in->next)
        inst_let_in(in);
}

/* The lease may have run out while this process did not run: its timers are late then. */
bool super_leads(const struct super *s)
{
    return s->leading && (!s->opt.lease_ns || (s->lease && kube_lease_valid(s->lease)));
}

static bool may_write(void *ctx)
{
    return super_leads(ctx);
}

static char **copy_list(const char *const *list)
{
    size_t n = 0;
    char **out;

    if (!list)
        return NULL;
    while (list[n])
        n++;
    out = mem_array(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = mem_str(list[i]);
    return out;
}

int super_new(struct world *w, struct kube *k, struct journal *j, const struct super_options *opt, struct super **out,
              struct err *err)
{
    struct super *s = mem_zero(sizeof *s);

    *s = (struct super){.w = w, .kube = k, .j = j, .opt = *opt, .ports = cJSON_CreateObject()};
    s->accepted = cJSON_CreateObject();
    s->refused = cJSON_CreateObject();
    s->balanced = endpoints_new();
    if (config_set_file(s, opt->config_text, err) < 0) {
        config_free(s);
        endpoints_free(s->balanced);
        cJSON_Delete(s->ports);
        free(s);
        return -1;
    }
    s->opt.config_ns = mem_str(opt->config_ns);
    s->opt.exclude = (const char *const *)copy_list(opt->exclude);
    s->opt.data_dir = mem_str(opt->data_dir);
    s->opt.identity = mem_str(opt->identity);
    s->opt.lease_ns = mem_str(opt->lease_ns);
    s->opt.operator_ip = mem_str(opt->operator_ip ? opt->operator_ip : "127.0.0.1");
    s->opt.build = mem_str(opt->build);
    s->opt.namespaces = (const char *const *)copy_list(opt->namespaces);
    s->opt.config_text = NULL;
    if (!s->opt.port_base)
        s->opt.port_base = 21000;
    /* Two fleets on one machine begin at different places: a port that is free only while its server restarts must not
     * be given to the other fleet. */
    if (opt->data_dir && *opt->data_dir)
        json_set_int(s->ports, "next",
                     s->opt.port_base + (int64_t)(hash_fnv64(opt->data_dir, strlen(opt->data_dir)) % 100) * 100);
    if (!s->opt.max_workers)
        s->opt.max_workers = 150;
    s->leading = !opt->lease_ns;
    s->tick = world_timer(w, 0, discover, s);
    if (opt->lease_ns) {
        kube_guard_writes(k, may_write, s);
        s->lease = kube_lease_start(k, opt->lease_ns, "chfleet-leader", s->opt.identity, KUBE_LEASE_S, lead, s);
        if (opt->operator_ip)
            kube_lease_announce(s->lease, s->opt.operator_ip, candidates_moved);
    }
    *out = s;
    return 0;
}

static void free_list(const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++)
        free((void *)list[i]);
    free((void *)list);
}

void super_free(struct super *s)
{
    if (!s)
        return;
    kube_guard_writes(s->kube, NULL, NULL);
    world_timer_stop(s->w, &s->tick);
    world_timer_stop(s->w, &s->facts_timer);
    world_timer_stop(s->w, &s->look_timer);
    world_timer_stop(s->w, &s->stop_timer);
    for (struct wproc *wp = s->wprocs; wp; wp = wp->next)
        if (wp->proc)
            s->w->ops->kill(s->w, wp->proc);
    if (s->lease)
        kube_lease_stop(s->lease);
    while (s->insts) {
        struct inst *in = s->insts;

        s->insts = in->next;
        inst_free(in);
    }
    others_free(s);
    config_free(s);
    endpoints_free(s->balanced);
    cJSON_Delete(s->ports);
    cJSON_Delete(s->first_templates);
    free((void *)s->opt.config_ns);
    free_list(s->opt.exclude);
    free_list(s->opt.namespaces);
    free((void *)s->opt.data_dir);
    free((void *)s->opt.identity);
    free((void *)s->opt.lease_ns);
    free((void *)s->opt.operator_ip);
    free((void *)s->opt.build);
    free(s);
}

static void stop_check(void *ctx)
{
    struct super *s = ctx;

    s->stop_timer = NULL;
    if (!s->lease) {
        s->stop_done(s->stop_ctx);
        return;
    }
    /* Nobody acts any more: the next one need not wait until the lease runs out. */
    for (struct wproc *wp = s->wprocs; wp; wp = wp->next)
        if (wp->proc)
            s->w->ops->kill(s->w, wp->proc);
    s->leading = false;
    kube_lease_release(s->lease, s->stop_done, s->stop_ctx);
    s->lease = NULL;
}

void super_stop(struct super *s, void (*done)(void *ctx), void *ctx)
{
    bool any = false;

    if (s->stopping)
        return;
    s->stopping = true;
    s->stop_done = done;
    s->stop_ctx = ctx;
    for (struct wproc *wp = s->wprocs; wp; wp = wp->next)
        if (wp->chan) {
            link_stop(wp, "the supervisor ends", true);
            any = true;
        }
    /* A step that has begun resumes by its probe after the next start, so waiting longer would win nothing. */
    s->stop_timer = world_timer(s->w, any ? 700 : 0, stop_check, s);
}

int super_reload(struct super *s, const char *config_text, struct err *err)
{
    return config_set_file(s, config_text, err);
}

void super_reload_failed(struct super *s, const char *why)
{
    config_file_failed(s, why);
}

bool super_synced(const struct super *s)
{
    return all_synced(s);
}

bool super_healthy(const struct super *s, const char **why)
{
    *why = !s->discovered   ? "the API server has not answered yet"
           : !all_synced(s) ? "watches are not complete yet"
                            : "ok";
    return s->discovered;
}
