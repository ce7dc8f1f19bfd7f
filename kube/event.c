/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events without floods: what repeats within ten minutes raises a count, and no object gets more than one request a
 * second. What fails is not tried again: an event is news, not state.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/impl.h"

enum { SAME_MS = 600000, PACE_MS = 1000, KEPT_MAX = 1000, WAITING_MAX = 16, TEXT_MAX = 1024, NAME_MAX_LEN = 200 };

struct event {
    TAILQ_ENTRY(event) link; /* oldest last_ms first */
    uint64_t about_key;      /* of the object, for the pace */
    char *key;               /* object, type, reason, text */
    char *ns, *name;
    cJSON *obj;       /* as it was or will be created */
    uint64_t last_ms; /* monotonic */
    unsigned count;
    bool created, dirty, busy;
    struct kube_call *call;
};

struct kube_events {
    struct kube *k;
    struct world *w;
    TAILQ_HEAD(event_list, event) list;
    size_t n;
    struct world_timer *timer;
    uint64_t sent_key[64], sent_ms[64]; /* when an object last got a request; a ring */
    unsigned sent_at;
};

static void flush(struct kube_events *e);

static void event_free(struct kube_events *e, struct event *v)
{
    TAILQ_REMOVE(&e->list, v, link);
    e->n--;
    if (v->call)
        kube_cancel(v->call);
    cJSON_Delete(v->obj);
    free(v->key);
    free(v->ns);
    free(v->name);
    free(v);
}

void kube_events_free(struct kube_events *e)
{
    while (!TAILQ_EMPTY(&e->list))
        event_free(e, TAILQ_FIRST(&e->list));
    world_timer_stop(e->w, &e->timer);
    free(e);
}

/* ---- pace ---- */

static uint64_t pace_wait(const struct kube_events *e, uint64_t about_key)
{
    uint64_t now = world_mono(e->w);

    for (size_t i = 0; i < sizeof e->sent_key / sizeof *e->sent_key; i++)
        if (e->sent_key[i] == about_key && now - e->sent_ms[i] < PACE_MS)
            return PACE_MS - (now - e->sent_ms[i]);
    return 0;
}

static void pace_note(struct kube_events *e, uint64_t about_key)
{
    e->sent_key[e->sent_at] = about_key;
    e->sent_ms[e->sent_at] = world_mono(e->w);
    e->sent_at = (e->sent_at + 1) % (sizeof e->sent_key / sizeof *e->sent_key);
}

static void on_timer(void *ctx)
{
    struct kube_events *e = ctx;

    e->timer = NULL;
    flush(e);
}

/* ---- requests ---- */

static void on_answer(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct event *v = ctx;

    (void)obj;
    v->call = NULL;
    v->busy = false;
    if (!err)
        v->created = true;
    else if (status == 404)
        v->created = false; /* the server forgot it: the next one makes it anew */
    else
        log_debug(v->name, "event not recorded: %s", err->msg);
}

static void send_event(struct kube_events *e, struct event *v)
{
    char now[32];

    kube_time_print(world_wall(e->w), false, now);
    json_set_str(v->obj, "lastTimestamp", now);
    json_set_int(v->obj, "count", v->count);
    v->dirty = false;
    v->busy = true;
    pace_note(e, v->about_key);
    if (v->created) {
        auto_json cJSON *patch = cJSON_CreateObject();

        json_set_str(patch, "lastTimestamp", now);
        json_set_int(patch, "count", v->count);
        v->call = kube_patch(e->k, KUBE_EVENT, v->ns, v->name, NULL, patch, on_answer, v);
    } else {
        v->call = kube_create(e->k, KUBE_EVENT, v->ns, v->obj, on_answer, v);
    }
}

static void flush(struct kube_events *e)
{
    uint64_t now = world_mono(e->w), next = UINT64_MAX;
    struct event *v, *after;

    world_timer_stop(e->w, &e->timer);
    for (v = TAILQ_FIRST(&e->list); v; v = after) {
        uint64_t wait = pace_wait(e, v->about_key);

        after = TAILQ_NEXT(v, link);
        if (!v->dirty || v->busy) {
            if (!v->busy && now - v->last_ms >= SAME_MS)
                event_free(e, v);
            else if (v->dirty && next > PACE_MS)
                next = PACE_MS;
        } else if (wait == 0) {
            send_event(e, v);
        } else if (wait < next) {
            next = wait;
        }
    }
    if (next == UINT64_MAX && !TAILQ_EMPTY(&e->list))
        next = SAME_MS;
    if (next != UINT64_MAX)
        e->timer = world_timer(e->w, next, on_timer, e);
}

/* ---- new events ---- */

static cJSON *event_object(struct kube_events *e, const cJSON *about, const char *ns, const char *name, bool warning,
                           const char *reason, const char *text)
{
    cJSON *obj = cJSON_CreateObject(), *meta, *ref;
    char now[32];

    kube_time_print(world_wall(e->w), false, now);
    json_set_str(obj, "apiVersion", "v1");
    json_set_str(obj, "kind", "Event");
    meta = json_set_obj(obj, "metadata");
    json_set_str(meta, "namespace", ns);
    json_set_str(meta, "name", name);
    ref = json_set_obj(obj, "involvedObject");
    json_set_str(ref, "apiVersion", json_str(about, "apiVersion", NULL));
    json_set_str(ref, "kind", json_str(about, "kind", NULL));
    json_set_str(ref, "namespace", *json_ns(about) ? json_ns(about) : NULL);
    json_set_str(ref, "name", json_name(about));
    json_set_str(ref, "uid", json_uid(about));
    json_set_str(ref, "resourceVersion", *json_rv(about) ? json_rv(about) : NULL);
    json_set_str(obj, "reason", reason);
    json_set_str(obj, "message", text);
    json_set_str(obj, "type", warning ? "Warning" : "Normal");
    json_set_str(json_set_obj(obj, "source"), "component", "chfleet");
    json_set_str(obj, "reportingComponent", "chfleet");
    json_set_str(obj, "reportingInstance", "");
    json_set_str(obj, "firstTimestamp", now);
    json_set_str(obj, "lastTimestamp", now);
    json_set_int(obj, "count", 1);
    return obj;
}

static struct event *find(struct kube_events *e, const char *key)
{
    uint64_t now = world_mono(e->w);
    struct event *v;

    TAILQ_FOREACH(v, &e->list, link)
    {
        if (now - v->last_ms < SAME_MS && strcmp(v->key, key) == 0)
            return v;
    }
    return NULL;
}

/* How many of this object wait; with too many a new one is not worth its request. */
static unsigned waiting(const struct kube_events *e, uint64_t about_key)
{
    const struct event *v;
    unsigned n = 0;

    TAILQ_FOREACH(v, &e->list, link)
    n += v->dirty && v->about_key == about_key;
    return n;
}

static void add(struct kube_events *e, const cJSON *about, bool warning, const char *reason, const char *text,
                uint64_t about_key, const char *key)
{
    struct event *v = mem_zero(sizeof *v);

    v->about_key = about_key;
    v->key = mem_str(key);
    v->ns = mem_str(*json_ns(about) ? json_ns(about) : "default");
    v->name = mem_printf("%.*s.%016llx", NAME_MAX_LEN, json_name(about),
                         (unsigned long long)(hash_fnv64(key, strlen(key)) ^ world_wall(e->w)));
    v->obj = event_object(e, about, v->ns, v->name, warning, reason, text);
    TAILQ_INSERT_TAIL(&e->list, v, link);
    if (e->n++ >= KEPT_MAX)
        event_free(e, TAILQ_FIRST(&e->list));
    v->count = 1;
    v->dirty = true;
    v->last_ms = world_mono(e->w);
}

static struct kube_events *table(struct kube *k)
{
    struct kube_events **slot = kube_events_slot(k);

    if (!*slot) {
        *slot = mem_zero(sizeof **slot);
        (*slot)->k = k;
        (*slot)->w = kube_world(k);
        TAILQ_INIT(&(*slot)->list);
    }
    return *slot;
}

void kube_event(struct kube *k, const cJSON *about, bool warning, const char *reason, const char *fmt, ...)
{
    struct kube_events *e = table(k);
    auto_free char *who =
        mem_printf("%s/%s/%s/%s", json_str(about, "kind", ""), json_ns(about), json_name(about), json_uid(about));
    uint64_t about_key = hash_fnv64(who, strlen(who));
    char text[TEXT_MAX];
    struct event *v;
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(text, sizeof text, fmt, ap) >= (int)sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);
    va_end(ap);
    auto_free char *key = mem_printf("%s\n%d\n%s\n%s", who, warning, reason, text);
    v = find(e, key);
    if (v) {
        v->count++;
        v->dirty = true;
        v->last_ms = world_mono(e->w);
        TAILQ_REMOVE(&e->list, v, link);
        TAILQ_INSERT_TAIL(&e->list, v, link);
    } else if (waiting(e, about_key) >= WAITING_MAX) {
        log_debug(json_name(about), "event %s left out: %d of this object wait already", reason, WAITING_MAX);
        return;
    } else {
        add(e, about, warning, reason, text, about_key, key);
    }
    flush(e);
}
