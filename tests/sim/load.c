/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LONG_PERMILLE = 20, LONG_MS = 6000, SHORT_MS = 120 };

struct load {
    struct sim *s;
    struct hosts *hosts;
    struct kubelet *kubelet;
    struct observer *obs;
    char *service;
    unsigned every_ms;
    bool on, armed;
    uint64_t queries, failed, serial;
};

/* A client's query and what it is made of. */
struct fan {
    struct load *l;
    unsigned open;
    bool failed, insert;
    char why[160];
    char pod[100];
    struct chost *into; /* insert: where the row goes */
};

static void part_done(void *ctx, bool ok, const char *why)
{
    struct fan *f = ctx;

    if (!ok && !f->failed) {
        f->failed = true;
        snprintf(f->why, sizeof f->why, "%s", why);
    }
    if (--f->open)
        return;
    if (f->failed) {
        f->l->failed++;
        observer_query_failed(f->l->obs, f->pod, f->why);
    }
    free(f);
}

/* The row is written when the replica says so. */
static void insert_done(void *ctx, bool ok, const char *why)
{
    struct fan *f = ctx;
    char text[160];

    if (ok && chost_insert(f->into, "app", "ev") < 0) {
        snprintf(text, sizeof text, "%s does not take a row", chost_pod(f->into));
        part_done(f, false, text);
    } else {
        part_done(f, ok, why);
    }
}

static unsigned duration(struct load *l)
{
    uint64_t r = sim_random(l->s);

    return 1 + (unsigned)(r % 1000 < LONG_PERMILLE ? (r >> 16) % LONG_MS : (r >> 16) % SHORT_MS);
}

/* A server tries the replicas of a shard until one takes the connection. */
static struct chost *pick_replica(struct load *l, struct chost *from, unsigned shard, bool *stuck)
{
    struct chost *all[32];
    int n = chost_members(from, shard, all, 32);
    uint64_t first = sim_random(l->s);

    *stuck = false;
    for (int i = 0; i < n; i++) {
        struct chost *h = all[(first + (unsigned)i) % (unsigned)n];

        if (!h)
            continue; /* refused: the next one */
        *stuck = chost_state(h) != CHOST_UP;
        return h;
    }
    return NULL;
}

static void part(struct fan *f, struct chost *h, unsigned shard, unsigned ms)
{
    bool stuck;
    struct chost *to = pick_replica(f->l, h, shard, &stuck);
    char why[160];

    f->open++;
    if (to && !stuck) {
        if (f->insert)
            f->into = to;
        chost_query(to, "client", ms, f->insert ? insert_done : part_done, f);
        return;
    }
    if (to)
        snprintf(why, sizeof why, "%s sends to %s, which is stopping", chost_pod(h), chost_pod(to));
    else
        snprintf(why, sizeof why, "%s finds no replica of shard %u", chost_pod(h), shard);
    part_done(f, false, why);
}

static void one_query(struct load *l)
{
    const char *pods[64];
    int n = kubelet_members(l->kubelet, "default", l->service, pods, 64);
    struct fan *f = mem_zero(sizeof *f);
    unsigned ms = duration(l), shards = 0, kind = (unsigned)(sim_random(l->s) % 3);
    struct chost *h, *all[32];

    f->l = l;
    f->open = 1;
    l->queries++;
    if (n == 0) {
        snprintf(f->pod, sizeof f->pod, "%s", "(nobody)");
        part_done(f, false, "the balancer has no server");
        return;
    }
    snprintf(f->pod, sizeof f->pod, "%s", pods[sim_random(l->s) % (unsigned)n]);
    h = hosts_get(l->hosts, f->pod, false);
    f->open++;
    chost_query(h, "client", ms + 5, part_done, f);
    while (chost_state(h) == CHOST_UP && chost_members(h, shards, all, 32) >= 0)
        shards++;
    f->insert = kind == 2 && shards;
    if (kind == 1)
        for (unsigned s = 0; s < shards; s++)
            part(f, h, s, ms);
    else if (kind == 2 && shards)
        part(f, h, (unsigned)(sim_random(l->s) % shards), 1 + ms % 20);
    part_done(f, true, "");
}

static void tick(void *ctx)
{
    struct load *l = ctx;

    l->armed = false;
    if (!l->on)
        return;
    one_query(l);
    l->armed = true;
    sim_after(l->s, 1 + sim_random(l->s) % (2 * l->every_ms), tick, l);
}

struct load *load_new(struct sim *s, struct hosts *hs, struct kubelet *k, struct observer *o)
{
    struct load *l = mem_zero(sizeof *l);

    l->s = s;
    l->hosts = hs;
    l->kubelet = k;
    l->obs = o;
    return l;
}

void load_free(struct load *l)
{
    free(l->service);
    free(l);
}

void load_start(struct load *l, const char *service, unsigned every_ms)
{
    free(l->service);
    l->service = mem_str(service);
    l->every_ms = every_ms;
    l->on = true;
    if (!l->armed)
        sim_after(l->s, 1, tick, l);
    l->armed = true;
}

void load_stop(struct load *l)
{
    l->on = false;
}

uint64_t load_queries(const struct load *l, uint64_t *failed)
{
    *failed = l->failed;
    return l->queries;
}
