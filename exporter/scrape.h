/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at all hosts, shared by all who ask for /metrics meanwhile. Many hosts are asked at once, those that answered last
 * time first, so that a dead one costs the others nothing; at the deadline what is there is the result.
 */
#ifndef EXPORTER_SCRAPE_H
#define EXPORTER_SCRAPE_H

#include "exporter/samples.h"
#include "exporter/targets.h"

struct scrape_host {
    struct target *target;
    struct target_host *h;
    struct samples samples;
    struct ask *ask;
    struct scrape *scrape;
};

struct scrape {
    unsigned refs;
    struct pool *pool;
    struct scrape_host *hosts; /* in order of installation and layout */
    size_t n, failed;
    uint64_t took_ms;
};

typedef void scrape_done_fn(void *ctx, struct scrape *s);
/* done comes once, from the loop; the caller's reference is given back with scrape_unref(), before or after that. */
struct scrape *scrape_start(struct world *w, struct targets *t, uint32_t limit_ms, scrape_done_fn *done, void *ctx);
struct scrape *scrape_ref(struct scrape *s);
void scrape_unref(struct scrape *s); /* the last one ends it; NULL is allowed */

#endif
