/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/plane/mini.h"

#include <stdlib.h>

#include "base/mem.h"

struct world_timer {
    struct world_timer *next;
    uint64_t at, number;
    void (*fn)(void *ctx);
    void *ctx;
};

struct mini {
    struct world world; /* first */
    uint64_t now, seed, count;
    struct world_timer *timers; /* by time, then by number */
};

static uint64_t mini_mono(struct world *w)
{
    return ((struct mini *)w)->now;
}

static uint64_t mini_wall(struct world *w)
{
    return 1767225600000u + ((struct mini *)w)->now; /* 2026-01-01 */
}

static uint64_t mini_random(struct world *w)
{
    uint64_t z = ((struct mini *)w)->seed += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct world_timer *mini_timer(struct world *w, uint64_t ms, void (*fn)(void *), void *ctx)
{
    struct mini *m = (struct mini *)w;
    struct world_timer *t = mem_zero(sizeof *t), **p = &m->timers;

    *t = (struct world_timer){NULL, m->now + ms, m->count++, fn, ctx};
    while (*p && (*p)->at <= t->at)
        p = &(*p)->next;
    t->next = *p;
    *p = t;
    return t;
}

static void mini_timer_stop(struct world *w, struct world_timer *t)
{
    struct world_timer **p = &((struct mini *)w)->timers;

    while (*p && *p != t)
        p = &(*p)->next;
    if (*p) {
        *p = t->next;
        free(t);
    }
}

static const struct world_ops mini_ops = {.mono_ms = mini_mono,
                                          .wall_ms = mini_wall,
                                          .random = mini_random,
                                          .timer = mini_timer,
                                          .timer_stop = mini_timer_stop};

struct world *mini_new(uint64_t seed)
{
    struct mini *m = mem_zero(sizeof *m);

    m->world.ops = &mini_ops;
    m->seed = seed;
    return &m->world;
}

void mini_free(struct world *w)
{
    struct mini *m = (struct mini *)w;

    while (m->timers)
        mini_timer_stop(w, m->timers);
    free(m);
}

void mini_run(struct world *w, uint64_t ms)
{
    struct mini *m = (struct mini *)w;
    uint64_t until = m->now + ms;

    while (m->timers && m->timers->at <= until) {
        struct world_timer *t = m->timers;

        m->timers = t->next;
        if (t->at > m->now)
            m->now = t->at;
        t->fn(t->ctx);
        free(t);
    }
    m->now = until;
}
