/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader election by a Lease. Only our own monotonic clock counts: another's lease is over when its record has not
 * changed for its duration since we saw it; ours is good for two thirds of the duration since we sent the renewal that
 * succeeded. So we stop acting before anybody else may begin, whatever the clocks say.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/impl.h"

enum { RENEWALS = 6, RELEASE_MS = 1500 }; /* renewals per duration; how long giving back may take */

struct kube_lease {
    struct kube *k;
    struct world *w;
    char *ns, *name, *identity;
    unsigned duration_s;
    kube_lease_fn *fn;
    void *ctx;
    struct kube_call *call;
    struct world_timer *tick, *lapse;
    bool leading, stopped;
    unsigned busy;
    uint64_t sent_ms, renewed_ms; /* the write under way; the last that succeeded */
    cJSON *record;                /* as last seen or written by us */
    cJSON *seen_spec;             /* what its holder said last… */
    uint64_t seen_ms;             /* …and when that was new to us: what others note in the record does not count */
    struct candidates *candidates; /* NULL: nothing is announced */
    void (*moved)(void *ctx);
    struct err problem;
};

static void look(struct kube_lease *l);

static uint64_t good_ms(const struct kube_lease *l)
{
    return (uint64_t)l->duration_s * 1000 * 2 / 3;
}

static void lease_free(struct kube_lease *l)
{
    cJSON_Delete(l->record);
    cJSON_Delete(l->seen_spec);
    candidates_free(l->candidates);
    free(l->ns);
    free(l->name);
    free(l->identity);
    free(l);
}

/* False: the callback stopped it, l is gone. */
static bool set_leading(struct kube_lease *l, bool leading)
{
    if (l->leading == leading)
        return true;
    l->leading = leading;
    l->busy++;
    l->fn(l->ctx, leading);
    l->busy--;
    if (!l->stopped || l->busy)
        return !l->stopped;
    lease_free(l);
    return false;
}

static void tick_in(struct kube_lease *l, uint64_t ms);

/* One answer that is lost and two that are errors must not cost the lead: the next try comes soon, and no try takes more than a
 * quarter of the time that there is. */
static void tick_soon(struct kube_lease *l)
{
    tick_in(l, kube_jitter(l->k, (uint64_t)l->duration_s * 1000 / RENEWALS / 4));
}

static void on_tick(void *ctx)
{
    struct kube_lease *l = ctx;

    l->tick = NULL;
    look(l);
}

static void tick_in(struct kube_lease *l, uint64_t ms)
{
    world_timer_stop(l->w, &l->tick);
    l->tick = world_timer(l->w, ms, on_tick, l);
}

static void tick_later(struct kube_lease *l)
{
    uint64_t ms = (uint64_t)l->duration_s * 1000 / RENEWALS;

    tick_in(l, ms - ms / 10 + l->w->ops->random(l->w) % (ms / 5 + 1));
}

/* The other's lease may end before the usual look. */
static void tick_at_end(struct kube_lease *l)
{
    uint64_t whole = (uint64_t)json_int(l->record, "spec.leaseDurationSeconds", l->duration_s) * 1000,
             since = world_mono(l->w) - l->seen_ms, usual = (uint64_t)l->duration_s * 1000 / RENEWALS;

    if (since < whole && whole - since < usual)
        tick_in(l, whole - since);
    else
        tick_later(l);
}

static void on_lapse(void *ctx)
{
    struct kube_lease *l = ctx;

    l->lapse = NULL;
    if (l->leading)
        log_warn(l->name, "the lease could not be renewed for %llu ms, no longer leading: %s",
                 (unsigned long long)good_ms(l), l->problem.kind ? l->problem.msg : "the API server does not answer");
    set_leading(l, false);
}

/* ---- the record ---- */

static const char *holder(const struct kube_lease *l)
{
    return json_str(l->record, "spec.holderIdentity", "");
}

static void remember(struct kube_lease *l, const cJSON *obj)
{
    if (!cJSON_Compare(l->seen_spec, json_get(obj, "spec"), true)) {
        cJSON_Delete(l->seen_spec);
        l->seen_spec = json_copy(json_get(obj, "spec"));
        l->seen_ms = world_mono(l->w);
    }
    cJSON_Delete(l->record);
    l->record = json_copy(obj);
    if (l->candidates && candidates_read(l->candidates, l->record, world_mono(l->w)))
        l->moved(l->ctx);
}

static bool free_to_take(const struct kube_lease *l)
{
    int64_t duration_s = json_int(l->record, "spec.leaseDurationSeconds", l->duration_s);

    if (!*holder(l) || str_eq(holder(l), l->identity))
        return true;
    return world_mono(l->w) - l->seen_ms >= (uint64_t)duration_s * 1000;
}

static cJSON *wanted_record(struct kube_lease *l, const char *identity)
{
    cJSON *obj = l->record ? json_copy(l->record) : cJSON_CreateObject(), *meta, *spec;
    bool same = str_eq(json_str(obj, "spec.holderIdentity", ""), identity);
    char now[32];

    kube_time_print(world_wall(l->w), true, now);
    json_set_str(obj, "apiVersion", "coordination.k8s.io/v1");
    json_set_str(obj, "kind", "Lease");
    meta = json_need_obj(obj, "metadata");
    cJSON_DeleteItemFromObjectCaseSensitive(meta, "managedFields");
    json_set_str(meta, "name", l->name);
    json_set_str(meta, "namespace", l->ns);
    spec = json_need_obj(obj, "spec");
    if (*identity && (!same || !json_get(spec, "acquireTime"))) {
        json_set_str(spec, "acquireTime", now);
        json_set_int(spec, "leaseTransitions", json_int(spec, "leaseTransitions", -1) + 1);
    }
    json_set_str(spec, "holderIdentity", identity);
    json_set_int(spec, "leaseDurationSeconds", *identity ? l->duration_s : 1);
    json_set_str(spec, "renewTime", now);
    if (l->candidates && *identity)
        candidates_write(l->candidates, obj, now, world_mono(l->w), true);
    return obj;
}

/* ---- requests ---- */

static void lease_call(struct kube_lease *l, const char *method, const cJSON *obj, kube_done_fn *done, void *ctx)
{
    bool post = strcmp(method, "POST") == 0;
    auto_free char *path = kube_path(KUBE_LEASE, l->ns, post ? NULL : l->name);
    auto_free char *text = obj ? json_print(obj) : NULL;
    auto_free char *what = kube_what(KUBE_LEASE, l->ns, l->name);
    auto_free char *full = mem_printf("%s%s", path, obj ? "?fieldManager=chfleet" : "");
    struct call_spec spec = {.method = method,
                             .path = full,
                             .content_type = obj ? "application/json" : NULL,
                             .what = what,
                             .body = text,
                             .flags = CALL_URGENT | CALL_SINGLE | (obj ? CALL_WRITE : 0u),
                             .total_ms = (uint32_t)(good_ms(l) / 4),
                             .done = done,
                             .ctx = ctx};
    struct kube_call *call = kube_call_start(l->k, &spec);

    if (ctx)
        l->call = call;
}

static void on_written(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct kube_lease *l = ctx;

    (void)status;
    l->call = NULL;
    if (err) {
        l->problem = *err;
        if (err->kind == ERR_CONFLICT || err->kind == ERR_MISSING) {
            cJSON_Delete(l->record); /* somebody else wrote: look before anything else */
            l->record = NULL;
            tick_in(l, 0);
        } else {
            tick_soon(l);
        }
        return;
    }
    l->problem = (struct err)ERR_INIT;
    remember(l, obj);
    l->renewed_ms = l->sent_ms;
    world_timer_stop(l->w, &l->lapse);
    if (world_mono(l->w) - l->renewed_ms < good_ms(l)) {
        l->lapse = world_timer(l->w, l->renewed_ms + good_ms(l) - world_mono(l->w), on_lapse, l);
        if (!set_leading(l, true))
            return;
    }
    tick_later(l);
}

static void write_record(struct kube_lease *l, const char *method)
{
    auto_json cJSON *obj = wanted_record(l, l->identity);

    l->sent_ms = world_mono(l->w);
    lease_call(l, method, obj, on_written, l);
}

static void on_announced(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct kube_lease *l = ctx;

    (void)status;
    l->call = NULL;
    if (!err)
        remember(l, obj);
    if (err && err->kind == ERR_CONFLICT) /* the leader renewed meanwhile */
        tick_soon(l);
    else
        tick_at_end(l);
}

/* Another leads: that we are there, and where. Only that annotation is ours to write. */
static void announce(struct kube_lease *l)
{
    auto_json cJSON *obj = json_copy(l->record);
    char now[32];

    kube_time_print(world_wall(l->w), true, now);
    cJSON_DeleteItemFromObjectCaseSensitive(json_need_obj(obj, "metadata"), "managedFields");
    candidates_write(l->candidates, obj, now, world_mono(l->w), false);
    lease_call(l, "PUT", obj, on_announced, l);
}

static void on_seen(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct kube_lease *l = ctx;

    l->call = NULL;
    if (status == 404) {
        cJSON_Delete(l->record);
        l->record = NULL;
        write_record(l, "POST");
        return;
    }
    if (err) {
        if (l->problem.kind == ERR_NONE && err->kind != ERR_AGAIN)
            log_warn(l->name, "lease: %s", err->msg);
        l->problem = *err;
        if (l->leading)
            tick_soon(l);
        else
            tick_later(l);
        return;
    }
    l->problem = (struct err)ERR_INIT;
    remember(l, obj);
    if (l->leading && !str_eq(holder(l), l->identity)) {
        log_warn(l->name, "%s took the lease, no longer leading", holder(l));
        world_timer_stop(l->w, &l->lapse);
        if (!set_leading(l, false))
            return;
    }
    if (free_to_take(l))
        write_record(l, "PUT");
    else if (l->candidates && candidates_due(l->candidates, l->record, world_mono(l->w)))
        announce(l);
    else
        tick_at_end(l);
}

static void look(struct kube_lease *l)
{
    if (l->leading && l->record)
        write_record(l, "PUT");
    else
        lease_call(l, "GET", NULL, on_seen, l);
}

/* ---- what users see ---- */

struct kube_lease *kube_lease_start(struct kube *k, const char *ns, const char *name, const char *identity,
                                    unsigned duration_s, kube_lease_fn *fn, void *ctx)
{
    struct kube_lease *l = mem_zero(sizeof *l);

    l->k = k;
    l->w = kube_world(k);
    l->ns = mem_str(ns);
    l->name = mem_str(name);
    l->identity = mem_str(identity);
    l->duration_s = duration_s < 2 ? 2 : duration_s;
    l->fn = fn;
    l->ctx = ctx;
    tick_in(l, 0);
    return l;
}

void kube_lease_announce(struct kube_lease *l, const char *address, void (*moved)(void *ctx))
{
    l->candidates = candidates_new(l->identity, address);
    l->moved = moved;
}

const cJSON *kube_lease_addresses(const struct kube_lease *l)
{
    return l->candidates ? candidates_addresses(l->candidates) : NULL;
}

struct release {
    struct kube *k;
    struct kube_call *call; /* NULL: there was nothing to give back */
    struct world_timer *limit;
    void (*done)(void *ctx);
    void *ctx;
};

static void release_over(struct release *r)
{
    void (*done)(void *ctx) = r->done;
    void *ctx = r->ctx;

    world_timer_stop(kube_world(r->k), &r->limit);
    free(r);
    done(ctx);
}

static void on_given_back(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    (void)status;
    (void)obj;
    if (err)
        log_info(NULL, "the lease was not given back, it runs out: %s", err->msg);
    if (ctx)
        release_over(ctx);
}

static void release_limit(void *ctx)
{
    struct release *r = ctx;

    r->limit = NULL;
    if (r->call)
        kube_cancel(r->call);
    release_over(r);
}

/* r NULL: nobody waits. */
static void lease_end(struct kube_lease *l, struct release *r)
{
    bool give_back = l->leading && l->record && kube_lease_valid(l);

    if (l->call)
        kube_cancel(l->call);
    l->call = NULL;
    world_timer_stop(l->w, &l->tick);
    world_timer_stop(l->w, &l->lapse);
    if (give_back) {
        auto_json cJSON *obj = wanted_record(l, "");

        lease_call(l, "PUT", obj, on_given_back, r);
        if (r)
            r->call = l->call;
        l->call = NULL;
    }
    l->leading = false;
    l->stopped = true;
    if (!l->busy)
        lease_free(l);
}

void kube_lease_stop(struct kube_lease *l)
{
    lease_end(l, NULL);
}

void kube_lease_release(struct kube_lease *l, void (*done)(void *ctx), void *ctx)
{
    struct release *r = mem_zero(sizeof *r);

    *r = (struct release){.k = l->k, .done = done, .ctx = ctx};
    lease_end(l, r);
    r->limit = world_timer(kube_world(r->k), r->call ? RELEASE_MS : 0, release_limit, r);
}

bool kube_lease_valid(const struct kube_lease *l)
{
    return l->leading && world_mono(l->w) - l->renewed_ms < good_ms(l);
}
