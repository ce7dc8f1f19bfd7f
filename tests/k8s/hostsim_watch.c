/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is anything harmed? Looks at the servers, not at what the operator says: a shard that has had two serving replicas never
 * has none because of a stop; whoever stops is neither behind the Services nor in the lists of those that go on.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tests/k8s/hostsim_impl.h"

enum { NOTES_MAX = 100 };

void watch_note(struct hostsim *hs, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_note(NULL, "%s", text);
    if (cJSON_GetArraySize(hs->seen.notes) < NOTES_MAX)
        json_add_str(hs->seen.notes, text);
}

static bool serves(const struct hpod *p)
{
    return p->host && !p->gone && chost_state(p->host) == CHOST_UP;
}

static unsigned serving(struct hostsim *hs, const char *shard)
{
    unsigned n = 0;

    for (struct hpod *p = hs->list; p; p = p->next)
        n += serves(p) && strcmp(p->shard, shard) == 0;
    return n;
}

/* Does other, which goes on, still send queries to h? */
static bool lists(struct chost *other, struct chost *h)
{
    struct chost *replicas[32];
    int64_t shard = chost_macro_int(h, "shard");
    int n = shard < 0 ? 0 : chost_members(other, (unsigned)shard, replicas, 32);

    for (int i = 0; i < n; i++)
        if (replicas[i] == h)
            return true;
    return false;
}

static void stops_listed(struct hostsim *hs, const struct hpod *p)
{
    for (struct hpod *o = hs->list; o; o = o->next)
        if (o != p && serves(o) && strcmp(o->cluster, p->cluster) == 0 && lists(o->host, p->host)) {
            hs->seen.stopped_listed++;
            watch_note(hs, "%s stopped while %s had it in its list", p->key, o->key);
            return;
        }
}

static void stops(struct hostsim *hs, const struct hpod *p)
{
    const cJSON *pod = kube_cache_get(hs->pods, p->ns, p->name);
    const char *label = json_label(pod, "clickhouse.altinity.com/ready");
    unsigned others = serving(hs, p->shard);

    if (!json_get(hs->seen.armed, p->shard) || hs->seen.on_purpose)
        return;
    if (!others) {
        hs->seen.breaches++;
        watch_note(hs, "%s stopped and was the last serving replica of shard %s", p->key, p->shard);
        return;
    }
    if (p->ready && str_eq(label, "yes")) {
        hs->seen.stopped_served++;
        watch_note(hs, "%s stopped while it was behind the Services", p->key);
    }
    stops_listed(hs, p);
}

void watch_state(struct hostsim *hs, struct chost *h, enum chost_state was)
{
    struct hpod *p = pods_by_key(hs, chost_pod(h));

    if (!p)
        return;
    log_info(p->key, "%s (%s)",
             (const char *[]){"is down", "starts", "serves", "stops"}[chost_state(h)], p->image);
    if (chost_state(h) == CHOST_UP && serving(hs, p->shard) >= 2)
        json_set_bool(hs->seen.armed, p->shard, true);
    if (was == CHOST_UP && chost_state(h) != CHOST_UP)
        stops(hs, p);
}
