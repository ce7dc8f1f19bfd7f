/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gate for every disruption. Permits are not tokens that can leak: what is in use is computed from what is begun
 * and what does not serve. Facts for a permit are read fresh from the API server before it is given.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "supervisor/internal.h"
#include "supervisor/window.h"

enum { FRESH_MS = 10000, DEFAULT_THREADS = 5, DEFAULT_PERCENT = 50 };

/* ---- how many shards at once ---- */

static const struct cluster *cluster_named(const struct fleet *f, const char *name)
{
    for (size_t i = 0; f && i < f->n_clusters; i++)
        if (strcmp(f->clusters[i].name, name) == 0)
            return &f->clusters[i];
    return NULL;
}

/* As the peer: min(threads, max(round(percent of shards), 1)); creations of a fresh installation are not counted down.
 */
unsigned governor_shard_slots(struct inst *in, const char *cluster)
{
    const struct cluster *c = cluster_named(in->fleet, cluster);
    unsigned threads = c && c->knobs.shards_threads ? c->knobs.shards_threads : DEFAULT_THREADS;
    unsigned percent = c && c->knobs.shards_percent ? c->knobs.shards_percent : DEFAULT_PERCENT;
    unsigned by_percent;

    if (!c || in->fleet->deleting)
        return in->s->opt.max_workers;
    for (size_t i = 0; i < in->n_tasks; i++)
        for (size_t k = 0; k < in->tasks[i].n_hosts; k++) {
            struct hostrec *h = inst_host(in, in->tasks[i].hosts[k]);

            if (h && h->action != ACT_CREATE && h->action != ACT_NONE && h->action != ACT_JOIN &&
                h->action != ACT_RELOAD) {
                by_percent = (unsigned)((c->n_shards * percent + 50) / 100);
                if (by_percent < 1)
                    by_percent = 1;
                return threads < by_percent ? threads : by_percent;
            }
        }
    return in->s->opt.max_workers;
}

/* ---- what a failure means for others ---- */

bool governor_tolerates(struct inst *in, const char *host)
{
    const struct hostrec *h = inst_host(in, host);
    const struct knobs *k = &in->fleet->knobs;

    if (!h || in->group != GROUP_CHI)
        return false;
    return (h->action == ACT_CREATE ? k->create_failed : k->update_failed) == FAILURE_IGNORE;
}

/* ---- how many installations at once ---- */

enum { TURN_AGAIN_MS = 5000 };

static bool is_repair(const struct plan *p)
{
    for (size_t i = 0; i < p->n_hosts; i++)
        switch (p->hosts[i].action) {
        case ACT_NONE:
        case ACT_JOIN:
        case ACT_START:
        case ACT_STOP:
        case ACT_REMOVE:
        case ACT_REBUILD:
            break;
        default:
            return false;
        }
    return true;
}

/* Who only waits for permits holds no turn: a closed window of one must not keep the others. */
static bool works(const struct inst *in)
{
    bool any = false;

    if (in->state != INST_RUNNING)
        return in->state != INST_IDLE;
    for (const struct wproc *wp = in->s->wprocs; wp; wp = wp->next) {
        bool waits = false;

        if (wp->inst != in || !wp->task)
            continue;
        for (const struct permit *p = wp->permits; p; p = p->next)
            waits |= !p->member;
        any |= !waits;
    }
    return any;
}

void governor_no_turn(struct inst *in)
{
    struct journal_rec rec = {.type = JRN_DECISION, .object = in->key};

    if (in->turn_since)
        journal_put(in->s->j, &rec, NULL, NULL);
    in->turn_since = 0;
}

/* First come, first served; what repairs, stops or removes does not wait. */
bool governor_turn(struct inst *in, const struct plan *p)
{
    unsigned at_work = 0, before = 0, most = knobs_installations(in->s->config);

    for (const struct inst *other = in->s->insts; other; other = other->next) {
        at_work += other != in && works(other);
        before += other != in && other->timer && other->turn_since && in->turn_since && other->turn_since < in->turn_since;
    }
    if (is_repair(p) || at_work + before < most) {
        governor_no_turn(in);
        return true;
    }
    if (!in->turn_since) {
        struct journal_rec rec = {.type = JRN_DECISION, .object = in->key, .name = "WAIT_TURN"};

        in->turn_since = world_mono(in->s->w) + 1; /* never 0 */
        rec.text = "reconcile.runtime.reconcileCHIsThreadsNumber installations are worked on: it begins after one of them";
        journal_put(in->s->j, &rec, NULL, NULL);
        log_note(in->key, "WAIT_TURN: %s", rec.text);
    }
    inst_kick(in, TURN_AGAIN_MS);
    return false;
}

void governor_next_turn(struct super *s)
{
    struct inst *next = NULL;

    for (struct inst *in = s->insts; in; in = in->next)
        if (in->turn_since && (!next || in->turn_since < next->turn_since))
            next = in;
    if (next)
        inst_kick(next, 0);
}

/* ---- waiting requests ---- */

void governor_drop_permit(struct wproc *wp, struct permit *p)
{
    for (struct permit **at = &wp->permits; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    free(p->host);
    free(p->step);
    free(p->klass);
    free(p);
}

void governor_drop(struct wproc *wp)
{
    struct permit *p = wp->permits, *next;

    for (; p; p = next) {
        next = p->next;
        if (!p->reading)
            governor_drop_permit(wp, p);
        else
            p->wp = NULL; /* its read frees it */
    }
    wp->permits = NULL;
}

/* A worker waits for one thing at a time: what it asks now replaces what it was told to stop waiting for. A wish that
 * stayed would be granted later to nobody, and "it waits for us" would excuse for ever that its worker hangs. */
void governor_drop_waits(struct wproc *wp)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_AGAIN, 0, "replaced by a newer request");
    for (struct permit *p = wp->permits; p; p = p->next)
        link_answer(wp, p->seq, NULL, &err);
    governor_drop(wp);
}

static void waits(struct inst *in, struct permit *p, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void waits(struct inst *in, struct permit *p, const char *code, const char *fmt, ...)
{
    struct hostrec *h = inst_host_need(in, p->host);
    struct journal_rec rec = {.type = JRN_DECISION, .op = in->op, .object = p->host, .name = code};
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (strcmp(h->waiting, code) == 0 && strcmp(h->text, text) == 0)
        return;
    snprintf(h->waiting, sizeof h->waiting, "%s", code);
    snprintf(h->text, sizeof h->text, "%s", text);
    h->since_ms = world_wall(in->s->w);
    rec.text = text;
    journal_put(in->s->j, &rec, NULL, NULL);
    log_info(p->host, "%s: %s", code, text);
    in->s->n_refused++;
    status_kick(in);
}

void governor_no_wait(struct inst *in, const char *host)
{
    struct hostrec *h = inst_host_need(in, host);
    struct journal_rec rec = {.type = JRN_DECISION, .op = in->op, .object = host};

    if (!h->waiting[0])
        return;
    h->waiting[0] = h->text[0] = '\0';
    journal_put(in->s->j, &rec, NULL, NULL);
}

struct shard_view {
    unsigned others, serving, disrupted;
};

/* Also of a host that the spec has no more. */
static const struct shard *shard_of(const struct fleet *f, const char *key)
{
    const struct host *h = fleet_host(f, key);
    size_t n = inst_shard_len(key);

    for (size_t i = 0; !h && i < f->n_hosts; i++)
        if (strncmp(f->hosts[i]->key, key, n) == 0)
            h = f->hosts[i];
    return h ? h->shard : NULL;
}

static struct shard_view view_shard(struct inst *in, const char *key)
{
    const struct shard *shard = shard_of(in->fleet, key);
    struct shard_view v = {0, 0, 0};

    for (size_t i = 0; shard && i < shard->n_hosts; i++) {
        const char *other = shard->hosts[i]->key;
        struct hostrec *rec;

        if (strcmp(other, key) == 0)
            continue;
        rec = inst_host(in, other);
        v.others++;
        v.serving += hostfacts_serves(in, other);
        v.disrupted += rec && rec->disrupted;
    }
    return v;
}

static unsigned others_unavailable(struct inst *in, const char *but)
{
    unsigned n = 0;

    for (size_t i = 0; i < in->fleet->n_hosts; i++)
        n += strcmp(in->fleet->hosts[i]->key, but) != 0 && !hostfacts_serves(in, in->fleet->hosts[i]->key);
    return n;
}

static bool held(struct inst *in, struct permit *p)
{
    const char *reason = command_hold(in, p->host);

    if (reason)
        waits(in, p, "WAIT_HOLD", "held by annotation " FLEET_HOLD ": %s", reason);
    return reason != NULL;
}

/* How many of the other replicas must serve; never more than there are. */
static unsigned must_serve(const struct inst *in, const char *key, unsigned others)
{
    const struct host *h = fleet_host(in->fleet, key);
    unsigned min = h ? h->cluster->knobs.min_serving : 1;

    return min < others ? min : others;
}

/* NULL: may go. Else the reason code; text is said through waits(). */
static bool planned_may(struct inst *in, struct permit *p)
{
    struct shard_view v = view_shard(in, p->host);
    int64_t budget = json_int(in->fleet->chfleet, "budgets.maxUnavailableHosts", 0);
    unsigned out = budget > 0 ? others_unavailable(in, p->host) : 0;
    struct err err = ERR_INIT;

    /* A host that takes no queries can lose nothing. What the journal says is begun is not asked: the step may have
       died before it had its permit. */
    if (!hostfacts_takes_queries(in, p->host))
        return true;
    if (in->halted && in->halted_generation == in->generation) {
        waits(in, p, "HALTED",
              "a change failed in this generation: %s. Correct the spec; nothing else is taken out until then",
              in->error ? in->error : "see the incidents");
        return false;
    }
    if (held(in, p))
        return false;
    if (!window_open(in->s->w, json_get(in->fleet->chfleet, "windows"), world_wall(in->s->w), &err)) {
        waits(in, p, "WAIT_WINDOW", "%s",
              err.msg[0] ? err.msg : "outside the maintenance windows of spec.chfleet.windows");
        return false;
    }
    if (v.disrupted) {
        waits(in, p, "WAIT_PEER", "another replica of the shard is out for a change");
        return false;
    }
    if (v.serving < must_serve(in, p->host, v.others)) {
        if (!v.serving)
            waits(in, p, "WAIT_PEER", "no other replica of the shard serves: this one stays until one does");
        else
            waits(in, p, "WAIT_PEER", "%u other replicas of the shard serve, spec.chfleet.replicas.minServing asks for %u",
                  v.serving, must_serve(in, p->host, v.others));
        return false;
    }
    if (budget > 0 && out >= (unsigned)budget) {
        waits(in, p, "WAIT_BUDGET", "%u hosts are out, spec.chfleet.budgets.maxUnavailableHosts allows %lld", out,
              (long long)budget);
        return false;
    }
    return true;
}

static unsigned keepers_serving(struct inst *in, const char *but)
{
    unsigned n = 0;

    for (size_t i = 0; i < in->fleet->n_hosts; i++)
        if (strcmp(in->fleet->hosts[i]->key, but) != 0)
            n += hostfacts_serves(in, in->fleet->hosts[i]->key);
    return n;
}

static bool keeper_may(struct inst *in, struct permit *p)
{
    size_t all = in->fleet->n_hosts;
    unsigned others = keepers_serving(in, p->host);

    if (!hostfacts_serves(in, p->host) || in->fleet->deleting) /* an ensemble that goes needs no quorum */
        return true;
    if (held(in, p))
        return false;
    if (all <= 1)
        return true;
    if (others < all / 2 + 1 && all > 2) {
        waits(in, p, "WAIT_QUORUM", "%u of the other %zu Keeper members serve, a quorum of %zu must stay", others,
              all - 1, all / 2 + 1);
        return false;
    }
    if (others < all - 1) {
        waits(in, p, "WAIT_QUORUM", "another Keeper member is out: one at a time");
        return false;
    }
    return true;
}

static bool may(struct inst *in, struct permit *p)
{
    if (strcmp(p->klass, "planned") == 0)
        return planned_may(in, p);
    if (strcmp(p->klass, "keeper") == 0)
        return keeper_may(in, p);
    return true; /* recovery, down, owner: workers hold the guards of these */
}

static void grant(struct permit *p)
{
    struct wproc *wp = p->wp;
    struct inst *in = wp->inst;

    governor_no_wait(in, p->host);
    if (strcmp(p->klass, "planned") == 0 || strcmp(p->klass, "down") == 0)
        inst_host_need(in, p->host)->disrupted = true;
    in->s->n_permits++;
    tell_now(wp); /* its guards come next: they are to see what the permit was given on */
    link_answer(wp, p->seq, NULL, NULL);
    governor_drop_permit(wp, p);
}

struct absent {
    const struct inst *in;
    const struct permit *p;
    const cJSON *items;
    char **names;
    size_t n;
};

static bool same_shard_pod(const struct absent *a, const cJSON *pod)
{
    const struct host *h = fleet_host(a->in->fleet, a->p->host);

    if (a->in->group == GROUP_CHK)
        return str_eq(json_label(pod, "clickhouse-keeper.altinity.com/chk"), a->in->name);
    return h && str_eq(json_label(pod, "clickhouse.altinity.com/chi"), a->in->name) &&
           str_eq(json_label(pod, "clickhouse.altinity.com/cluster"), h->cluster->name) &&
           str_eq(json_label(pod, "clickhouse.altinity.com/shard"), h->shard->name);
}

static int find_absent(void *ctx, const cJSON *pod)
{
    struct absent *a = ctx;
    const cJSON *item;

    if (!str_eq(json_ns(pod), a->in->ns) || !same_shard_pod(a, pod))
        return 0;
    cJSON_ArrayForEach(item, a->items)
        if (str_eq(json_name(item), json_name(pod)))
            return 0;
    a->names = mem_grow(a->names, a->n + 1, sizeof *a->names);
    a->names[a->n++] = mem_str(json_name(pod));
    return 0;
}

/* A slow watch may not have told yet that a pod is gone. */
static void forget_absent(struct inst *in, const struct permit *p, const cJSON *list)
{
    struct absent a = {.in = in, .p = p, .items = json_get(list, "items")};
    struct kube_cache *pods = super_cache(in->s, in->group, KUBE_POD);

    kube_cache_each(pods, find_absent, &a);
    for (size_t i = 0; i < a.n; i++) {
        kube_cache_missing(pods, in->ns, a.names[i], json_str(list, "metadata.resourceVersion", ""));
        free(a.names[i]);
    }
    free(a.names);
}

/* The fresh list of the shard's pods has come: now decide for good. */
static void read_fresh(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct permit *p = ctx;
    struct wproc *wp = p->wp;
    struct inst *in;
    const cJSON *pod;

    (void)status;
    if (!wp) { /* the worker died meanwhile */
        free(p->host);
        free(p->step);
        free(p->klass);
        free(p);
        return;
    }
    in = wp->inst;
    if (err) { /* unknown is never good */
        p->reading = false;
        waits(in, p, "WAIT_API", "%s", err->msg);
        return;
    }
    /* Still marked as reading: what the cache tells others must not begin a second read for it. */
    cJSON_ArrayForEach(pod, json_get(obj, "items")) {
        cJSON *copy = json_copy(pod);

        if (!json_get(copy, "kind"))
            json_set_str(copy, "kind", "Pod");
        kube_cache_put(super_cache(in->s, in->group, KUBE_POD), copy);
        cJSON_Delete(copy);
    }
    forget_absent(in, p, obj);
    inst_host_need(in, p->host)->fresh_ms = world_mono(in->s->w);
    p->reading = false;
    if (super_leads(in->s) && may(in, p))
        grant(p);
}

/* Also just before the stop ("down"): the worker's guards then see facts as fresh as this answer. One that is seconds
 * old, of the permit to leave, is fresh enough. */
static bool needs_fresh(const struct permit *p)
{
    const struct hostrec *h = inst_host(p->wp->inst, p->host);

    if (strcmp(p->klass, "down") == 0)
        return !h || !h->fresh_ms || world_mono(p->wp->inst->s->w) - h->fresh_ms > FRESH_MS;
    return strcmp(p->klass, "planned") == 0 || strcmp(p->klass, "keeper") == 0;
}

/* Two that act are worse than one that waits; a host that is out comes back without a permit. */
static bool others_act(struct inst *in, struct permit *p)
{
    const cJSON *res = super_resource(in);
    const char *code;
    auto_free char *why = res && strcmp(p->klass, "recover") != 0 ? others_say(in, res, &code) : NULL;

    if (why)
        waits(in, p, code, "%s", why);
    return why != NULL;
}

static void consider(struct permit *p)
{
    struct inst *in = p->wp->inst;
    const struct host *h;
    char selector[400];

    if (p->reading || p->member || !super_leads(in->s) || others_act(in, p) || !may(in, p))
        return;
    h = fleet_host(in->fleet, p->host);
    if (!needs_fresh(p) || !h) {
        grant(p);
        return;
    }
    if (in->group == GROUP_CHI)
        snprintf(selector, sizeof selector,
                 "clickhouse.altinity.com/chi=%s,clickhouse.altinity.com/cluster=%s,clickhouse.altinity.com/shard=%s",
                 in->name, h->cluster->name, h->shard->name);
    else
        snprintf(selector, sizeof selector, "clickhouse-keeper.altinity.com/chk=%s", in->name);
    p->reading = true;
    kube_list(in->s->kube, KUBE_POD, in->ns, selector, read_fresh, p);
}

void governor_ask(struct wproc *wp, uint32_t seq, const cJSON *req)
{
    struct permit *p = mem_zero(sizeof *p);

    governor_drop_waits(wp);
    *p = (struct permit){.wp = wp,
                         .seq = seq,
                         .host = mem_str(json_str(req, "host", "")),
                         .step = mem_str(json_str(req, "step", "")),
                         .klass = mem_str(json_str(req, "class", "planned")),
                         .since_wall_ms = world_wall(wp->inst->s->w),
                         .next = wp->permits};
    wp->permits = p;
    consider(p);
}

void governor_look(struct super *s)
{
    for (struct wproc *wp = s->wprocs, *next; wp; wp = next) {
        next = wp->next;
        for (struct permit *p = wp->permits, *after; p; p = after) {
            after = p->next;
            consider(p);
        }
    }
}
