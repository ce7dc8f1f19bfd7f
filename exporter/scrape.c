/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/scrape.h"

#include <stdlib.h>

#include "base/mem.h"
#include "exporter/ask.h"

enum { AT_ONCE = 200 }; /* hosts; each has at most six connections */

struct running {
    struct scrape s; /* first: this is what others see */
    struct world *w;
    struct targets *t;
    struct world_timer *timer;
    size_t *order; /* hosts as they are asked */
    size_t next, open;
    uint64_t started_ms;
    bool over;
    scrape_done_fn *done;
    void *ctx;
};

static void start_more(struct running *r);

static void finish(struct running *r)
{
    r->over = true;
    world_timer_stop(r->w, &r->timer);
    r->s.took_ms = world_mono(r->w) - r->started_ms;
    r->done(r->ctx, &r->s);
}

static void host_done(void *ctx, struct samples *takes, bool refused)
{
    struct scrape_host *sh = ctx;
    struct running *r = (struct running *)sh->scrape;

    sh->ask = NULL;
    sh->samples = *takes;
    *takes = (struct samples){NULL, 0, 0};
    r->open--;
    r->s.failed += sh->h->failed;
    if (refused)
        targets_refused(r->t, sh->target);
    start_more(r);
    if (!r->open && !r->over && r->next == r->s.n)
        finish(r);
}

static void start_more(struct running *r)
{
    struct target_access access;

    for (; r->next < r->s.n && r->open < AT_ONCE && !r->over; r->next++) {
        struct scrape_host *sh = &r->s.hosts[r->order[r->next]];

        targets_access(r->t, sh->target, &access);
        r->open++;
        sh->ask = ask_start(r->w, r->s.pool, sh->h, &access, host_done, sh);
    }
}

/* Those that were not begun are begun, so that they say that they failed. */
static void time_is_over(void *ctx)
{
    struct running *r = ctx;
    struct target_access access;

    r->timer = NULL;
    r->over = true; /* nothing is begun by those that end now */
    for (size_t i = 0; i < r->next; i++)
        if (r->s.hosts[r->order[i]].ask)
            ask_give_up(r->s.hosts[r->order[i]].ask);
    for (; r->next < r->s.n; r->next++) {
        struct scrape_host *sh = &r->s.hosts[r->order[r->next]];

        targets_access(r->t, sh->target, &access);
        r->open++;
        sh->ask = ask_start(r->w, r->s.pool, sh->h, &access, host_done, sh);
        ask_give_up(sh->ask);
    }
    finish(r);
}

static void nobody(void *ctx)
{
    struct running *r = ctx;

    r->timer = NULL;
    finish(r);
}

static void collect_hosts(struct running *r)
{
    struct target_access access;
    size_t n = 0;

    for (size_t i = 0; i < targets_count(r->t); i++)
        n += targets_at(r->t, i)->n_hosts;
    r->s.hosts = mem_array(n + 1, sizeof *r->s.hosts);
    for (size_t i = 0; i < targets_count(r->t); i++) {
        struct target *t = targets_at(r->t, i);

        for (size_t k = 0; k < t->n_hosts && targets_access(r->t, t, &access); k++)
            if (targets_wanted(r->t, t, &t->hosts[k]))
                r->s.hosts[r->s.n++] = (struct scrape_host){.target = target_ref(t), .h = &t->hosts[k], .scrape = &r->s};
    }
}

static void put_in_order(struct running *r)
{
    size_t at = 0;

    r->order = mem_array(r->s.n + 1, sizeof *r->order);
    for (int failed = 0; failed < 2; failed++)
        for (size_t i = 0; i < r->s.n; i++)
            if (r->s.hosts[i].h->failed == failed)
                r->order[at++] = i;
}

struct scrape *scrape_start(struct world *w, struct targets *t, uint32_t limit_ms, scrape_done_fn *done, void *ctx)
{
    struct running *r = mem_zero(sizeof *r);

    *r = (struct running){.s = {.refs = 1, .pool = pool_new()}, .w = w, .t = t, .done = done, .ctx = ctx};
    r->started_ms = world_mono(w);
    collect_hosts(r);
    put_in_order(r);
    r->timer = world_timer(w, r->s.n ? limit_ms : 0, r->s.n ? time_is_over : nobody, r);
    start_more(r);
    return &r->s;
}

struct scrape *scrape_ref(struct scrape *s)
{
    s->refs++;
    return s;
}

void scrape_unref(struct scrape *s)
{
    struct running *r = (struct running *)s;

    if (!s || --s->refs)
        return;
    world_timer_stop(r->w, &r->timer);
    for (size_t i = 0; i < s->n; i++) {
        ask_cancel(s->hosts[i].ask);
        samples_free(&s->hosts[i].samples);
        target_unref(s->hosts[i].target);
    }
    pool_free(s->pool);
    free(s->hosts);
    free(r->order);
    free(r);
}
