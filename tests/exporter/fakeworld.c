/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/exporter/fakeworld.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"

struct happening {
    TAILQ_ENTRY(happening) link;
    uint64_t at;
    void (*fn)(void *ctx); /* a timer */
    http_done_fn *done;    /* else an answer */
    void *ctx;
    struct http_response res;
    struct str body;
};

struct fakeworld {
    struct world w; /* first */
    uint64_t now;
    TAILQ_HEAD(, happening) list; /* by time */
    fake_host_fn *host;
    void *ctx;
    unsigned requests, open, most;
};

static uint64_t mono(struct world *w)
{
    return ((struct fakeworld *)w)->now;
}

static uint64_t wall(struct world *w)
{
    return 1800000000000 + mono(w);
}

static void put(struct fakeworld *f, struct happening *h)
{
    struct happening *before;

    TAILQ_FOREACH(before, &f->list, link)
        if (before->at > h->at)
            break;
    if (before)
        TAILQ_INSERT_BEFORE(before, h, link);
    else
        TAILQ_INSERT_TAIL(&f->list, h, link);
}

static void drop(struct fakeworld *f, struct happening *h)
{
    TAILQ_REMOVE(&f->list, h, link);
    f->open -= h->done != NULL;
    str_free(&h->body);
    free(h);
}

static struct world_timer *timer(struct world *w, uint64_t delay_ms, void (*fn)(void *ctx), void *ctx)
{
    struct fakeworld *f = (struct fakeworld *)w;
    struct happening *h = mem_zero(sizeof *h);

    h->at = f->now + delay_ms;
    h->fn = fn;
    h->ctx = ctx;
    put(f, h);
    return (struct world_timer *)h;
}

static void timer_stop(struct world *w, struct world_timer *t)
{
    drop((struct fakeworld *)w, (struct happening *)t);
}

static struct world_http *http(struct world *w, const struct http_request *req, http_data_fn *on_data, http_done_fn *on_done,
                               void *ctx)
{
    struct fakeworld *f = (struct fakeworld *)w;
    struct happening *h = mem_zero(sizeof *h);
    auto_free char *text = mem_strn(req->body, req->body_len), *url = mem_str(strstr(req->url, "://") + 3);
    int delay;

    (void)on_data;
    url[strcspn(url, ":/")] = '\0';
    h->res.status = 200;
    delay = f->host(f->ctx, url, text, &h->body, &h->res.status);
    if (delay < 0 || (uint32_t)delay > req->total_ms) {
        delay = delay == FAKE_GONE ? 1 : delay == FAKE_DEAD ? (int)req->connect_ms : (int)req->total_ms;
        h->res.status = 0;
        err_set(&h->res.why, ERR_AGAIN, 0, "no answer");
        str_reset(&h->body);
    }
    h->res.headers = "";
    h->at = f->now + (uint64_t)delay;
    h->done = on_done;
    h->ctx = ctx;
    f->requests++;
    f->open++;
    f->most = f->open > f->most ? f->open : f->most;
    put(f, h);
    return (struct world_http *)h;
}

static void http_cancel(struct world *w, struct world_http *h)
{
    drop((struct fakeworld *)w, (struct happening *)h);
}

static const struct world_ops ops = {
    .mono_ms = mono, .wall_ms = wall, .timer = timer, .timer_stop = timer_stop, .http = http, .http_cancel = http_cancel};

struct fakeworld *fake_new(fake_host_fn *host, void *ctx)
{
    struct fakeworld *f = mem_zero(sizeof *f);

    f->w.ops = &ops;
    f->host = host;
    f->ctx = ctx;
    TAILQ_INIT(&f->list);
    return f;
}

void fake_free(struct fakeworld *f)
{
    if (!TAILQ_EMPTY(&f->list)) {
        fprintf(stderr, "something is still under way\n");
        abort();
    }
    free(f);
}

struct world *fake_world(struct fakeworld *f)
{
    return &f->w;
}

void fake_run(struct fakeworld *f, const bool *flag)
{
    while (!*flag) {
        struct happening *h = TAILQ_FIRST(&f->list);

        if (!h) {
            fprintf(stderr, "nothing happens any more\n");
            abort();
        }
        TAILQ_REMOVE(&f->list, h, link);
        f->now = h->at;
        if (h->fn) {
            h->fn(h->ctx);
        } else {
            f->open--;
            h->res.body = str_text(&h->body);
            h->res.body_len = h->body.len;
            h->done(h->ctx, &h->res);
        }
        str_free(&h->body);
        free(h);
    }
}

unsigned fake_requests(const struct fakeworld *f)
{
    return f->requests;
}

unsigned fake_most_open(const struct fakeworld *f)
{
    return f->most;
}
