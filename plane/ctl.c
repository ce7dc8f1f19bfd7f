/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

struct item {
    LIST_ENTRY(item) link;
    char *ns, *name;
    uint64_t at; /* monotonic */
};

struct ctl_queue {
    struct world *w;
    ctl_work_fn *fn;
    void *ctx;
    LIST_HEAD(, item) items;
    struct world_timer *timer;
    uint64_t timer_at;
};

struct ctl_queue *ctl_queue_new(struct world *w, ctl_work_fn *fn, void *ctx)
{
    struct ctl_queue *q = mem_zero(sizeof *q);

    q->w = w;
    q->fn = fn;
    q->ctx = ctx;
    LIST_INIT(&q->items);
    return q;
}

static void item_free(struct item *i)
{
    LIST_REMOVE(i, link);
    free(i->ns);
    free(i->name);
    free(i);
}

void ctl_queue_free(struct ctl_queue *q)
{
    if (!q)
        return;
    world_timer_stop(q->w, &q->timer);
    while (!LIST_EMPTY(&q->items))
        item_free(LIST_FIRST(&q->items));
    free(q);
}

static void on_timer(void *ctx);

static void set_timer(struct ctl_queue *q)
{
    uint64_t next = UINT64_MAX, now = world_mono(q->w);
    struct item *i;

    LIST_FOREACH(i, &q->items, link)
        if (i->at < next)
            next = i->at;
    if (next == UINT64_MAX || (q->timer && q->timer_at <= next))
        return;
    world_timer_stop(q->w, &q->timer);
    q->timer = world_timer(q->w, next > now ? next - now : 0, on_timer, q);
    q->timer_at = next;
}

static struct item *due(struct ctl_queue *q, uint64_t now)
{
    struct item *i, *first = NULL;

    LIST_FOREACH(i, &q->items, link)
        if (i->at <= now && (!first || i->at < first->at))
            first = i;
    return first;
}

static void on_timer(void *ctx)
{
    struct ctl_queue *q = ctx;
    uint64_t now = world_mono(q->w);
    struct item *i;

    q->timer = NULL;
    while ((i = due(q, now))) {
        auto_free char *ns = mem_str(i->ns), *name = mem_str(i->name);

        item_free(i);
        q->fn(q->ctx, ns, name);
    }
    set_timer(q);
}

void ctl_queue_add(struct ctl_queue *q, const char *ns, const char *name, uint64_t delay_ms)
{
    uint64_t at = world_mono(q->w) + delay_ms;
    struct item *i;

    LIST_FOREACH(i, &q->items, link)
        if (strcmp(i->name, name) == 0 && strcmp(i->ns, ns) == 0) {
            i->at = at < i->at ? at : i->at;
            set_timer(q);
            return;
        }
    i = mem_zero(sizeof *i);
    i->ns = mem_str(ns);
    i->name = mem_str(name);
    i->at = at;
    LIST_INSERT_HEAD(&q->items, i, link);
    set_timer(q);
}

/* ---- shared ---- */

const cJSON *ctl_condition(const cJSON *obj, const char *type)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(obj, "status.conditions"))
        if (str_eq(json_str(c, "type", NULL), type))
            return c;
    return NULL;
}

bool ctl_pod_ready(const cJSON *pod)
{
    return strcmp(json_str(ctl_condition(pod, "Ready"), "status", ""), "True") == 0;
}

uint64_t ctl_time_ms(const char *text)
{
    struct tm tm = {0};

    if (!text || sscanf(text, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                        &tm.tm_sec) != 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (uint64_t)timegm(&tm) * 1000;
}

bool ctl_pod_available(const cJSON *pod, int64_t min_ready_s, uint64_t now_ms, uint64_t *wait_ms)
{
    uint64_t since = ctl_time_ms(json_str(ctl_condition(pod, "Ready"), "lastTransitionTime", NULL));
    uint64_t due_ms = since + (uint64_t)(min_ready_s > 0 ? min_ready_s : 0) * 1000;

    if (!ctl_pod_ready(pod))
        return false;
    if (min_ready_s <= 0 || now_ms >= due_ms)
        return true;
    if (!*wait_ms || due_ms - now_ms < *wait_ms)
        *wait_ms = due_ms - now_ms;
    return false;
}

bool ctl_deleting(const cJSON *obj)
{
    return json_str(obj, "metadata.deletionTimestamp", NULL) != NULL;
}

bool ctl_pod_over(const cJSON *pod)
{
    const char *phase = json_str(pod, "status.phase", "");

    return strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0;
}

void ctl_write_status(struct store *s, enum plane_kind kind, const cJSON *obj, cJSON *takes_status)
{
    auto_json cJSON *status = takes_status;
    cJSON *diff = json_diff_patch(json_get(obj, "status"), status);
    auto_json cJSON *patch = NULL;
    struct err e = ERR_INIT;

    if (!diff)
        return;
    patch = cJSON_CreateObject();
    json_set_str(json_set_obj(patch, "metadata"), "uid", json_uid(obj));
    json_set(patch, "status", diff);
    if (store_patch(s, kind, json_ns(obj), json_name(obj), patch, STORE_STATUS, NULL, &e) < 0 &&
        e.kind != ERR_MISSING && e.kind != ERR_CONFLICT)
        log_warn(json_name(obj), "%s status not written: %s", plane_kind(kind)->kind, e.msg);
}
