/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/hosts.c asks a simulation for the time, for chance and for later events: here it gets the real ones. */
#include "tests/k8s/hostsim_impl.h"

struct sim {
    struct world *w;
    uint64_t began_ms;
};

struct later {
    void (*fn)(void *ctx);
    void *ctx;
};

struct sim *hs_sim_new(struct world *w)
{
    struct sim *s = mem_zero(sizeof *s);

    s->w = w;
    s->began_ms = world_mono(w);
    return s;
}

void hs_sim_free(struct sim *s)
{
    free(s);
}

uint64_t sim_now(const struct sim *s)
{
    return world_mono(s->w) - s->began_ms;
}

uint64_t sim_random(struct sim *s)
{
    return s->w->ops->random(s->w);
}

static void fire(void *ctx)
{
    struct later l = *(struct later *)ctx;

    free(ctx);
    l.fn(l.ctx);
}

void sim_after(struct sim *s, uint64_t ms, void (*fn)(void *ctx), void *ctx)
{
    struct later l = {fn, ctx};

    world_timer(s->w, ms, fire, mem_copy(&l, sizeof l));
}

/* ---- answers that come later ---- */

static void forget(struct sim_http *h)
{
    for (struct sim_http **at = h->list; *at; at = &(*at)->next)
        if (*at == h) {
            *at = h->next;
            break;
        }
    free(h);
}

static void closed(struct evhttp_connection *conn, void *ctx)
{
    struct sim_http *h = ctx;
    void (*gone)(void *) = h->gone;
    void *gone_ctx = h->gone_ctx;

    (void)conn;
    forget(h);
    if (gone)
        gone(gone_ctx);
}

struct sim_http *hs_http_new(struct evhttp_request *req, struct sim_http **list)
{
    struct sim_http *h = mem_zero(sizeof *h);

    h->req = req;
    h->list = list;
    h->next = *list;
    *list = h;
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), closed, h);
    return h;
}

void hs_http_over(struct sim_http *h)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(h->req), NULL, NULL);
    forget(h);
}

void sim_http_on_gone(struct sim_http *h, void (*gone)(void *ctx), void *ctx)
{
    h->gone = gone;
    h->gone_ctx = ctx;
}

void hs_http_send(struct evhttp_request *req, int status, const char *body, size_t len)
{
    struct evbuffer *b = evbuffer_new();

    evbuffer_add(b, body, len);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "text/tab-separated-values; charset=UTF-8");
    evhttp_send_reply(req, status, status == 200 ? "OK" : "Error", b);
    evbuffer_free(b);
}

void sim_http_answer(struct sim_http *h, int status, const char *body)
{
    struct evhttp_request *req = h->req;

    hs_http_over(h);
    hs_http_send(req, status, body, strlen(body));
}

/* The connection breaks. */
void sim_http_fail(struct sim_http *h)
{
    struct evhttp_connection *conn = evhttp_request_get_connection(h->req);

    hs_http_over(h);
    evhttp_connection_free(conn);
}
