/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/networld.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/world_real.h"
#include "keeper/keeper.h"

unsigned networld_requests;

struct networld {
    struct world w; /* first */
    struct event_base *base;
    struct world_chan *chan;
};

struct world_timer {
    struct event *ev;
    void (*fn)(void *ctx);
    void *ctx;
};

struct world_chan {
    struct networld *n;
    struct world_chan_cbs cbs;
    void *ctx;
    void (*on_frame)(void *ctx, const struct frame *f);
    void *frame_ctx;
};

/* What was answered already and is told from the loop. */
struct world_http {
    struct event *ev;
    http_done_fn *done;
    void *ctx;
    struct http_response res;
    struct str body;
};
struct world_tcp {
    struct event *ev;
    void (*done)(void *ctx, const char *text, size_t len, const struct err *err);
    void *ctx;
    struct str text;
    struct err err;
    bool failed;
};
struct packet { /* a frame under way */
    struct event *ev;
    struct world_chan *chan;
    bool to_worker;
    uint16_t type;
    uint32_t task, seq;
    char *body;
    size_t len;
};

static uint64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static uint64_t op_mono(struct world *w)
{
    (void)w;
    return clock_ms(CLOCK_MONOTONIC);
}

static uint64_t op_wall(struct world *w)
{
    (void)w;
    return clock_ms(CLOCK_REALTIME);
}

static uint64_t op_random(struct world *w)
{
    (void)w;
    return (uint64_t)random();
}

static const char *op_boot(struct world *w)
{
    (void)w;
    return "test-boot";
}

static struct event *soon(struct world *w, uint64_t ms, void (*fn)(evutil_socket_t, short, void *), void *ctx)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    struct event *ev = evtimer_new(((struct networld *)w)->base, fn, ctx);

    evtimer_add(ev, &tv);
    return ev;
}

static void timer_fired(evutil_socket_t fd, short what, void *ctx)
{
    struct world_timer *t = ctx;
    void (*fn)(void *) = t->fn;
    void *fn_ctx = t->ctx;

    (void)fd;
    (void)what;
    event_free(t->ev);
    free(t);
    fn(fn_ctx);
}

static struct world_timer *op_timer(struct world *w, uint64_t ms, void (*fn)(void *ctx), void *ctx)
{
    struct world_timer *t = mem_zero(sizeof *t);

    t->fn = fn;
    t->ctx = ctx;
    t->ev = soon(w, ms, timer_fired, t);
    return t;
}

static void op_timer_stop(struct world *w, struct world_timer *t)
{
    (void)w;
    event_free(t->ev);
    free(t);
}

/* ---- HTTP ---- */

static size_t collect(char *data, size_t size, size_t n, void *ctx)
{
    str_addn(ctx, data, size * n);
    return size * n;
}

static void http_told(evutil_socket_t fd, short what, void *ctx)
{
    struct world_http *h = ctx;

    (void)fd;
    (void)what;
    h->done(h->ctx, &h->res);
    event_free(h->ev);
    str_free(&h->body);
    free(h);
}

static void http_perform(const struct http_request *req, struct world_http *h)
{
    struct curl_slist *headers = NULL;
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURL *curl = curl_easy_init();
    CURLcode rc;

    for (const char *const *p = req->headers; p && *p; p++)
        headers = curl_slist_append(headers, *p);
    curl_easy_setopt(curl, CURLOPT_URL, req->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)req->body_len);
    curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, req->body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &h->body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)req->total_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    h->res.status = rc == CURLE_OK ? (int)status : 0;
    h->res.sent = rc != CURLE_COULDNT_CONNECT;
    if (rc != CURLE_OK)
        err_set(&h->res.why, ERR_AGAIN, 0, "%s", *why ? why : curl_easy_strerror(rc));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

static struct world_http *op_http(struct world *w, const struct http_request *req, http_data_fn *on_data,
                                  http_done_fn *done, void *ctx)
{
    struct world_http *h = mem_zero(sizeof *h);

    (void)on_data;
    networld_requests++;
    h->done = done;
    h->ctx = ctx;
    http_perform(req, h);
    h->res.body = str_text(&h->body);
    h->res.body_len = h->body.len;
    h->res.headers = "";
    h->ev = soon(w, 0, http_told, h);
    return h;
}

static void op_http_cancel(struct world *w, struct world_http *h)
{
    (void)w;
    event_free(h->ev);
    str_free(&h->body);
    free(h);
}

/* ---- four-letter words ---- */

static void tcp_told(evutil_socket_t fd, short what, void *ctx)
{
    struct world_tcp *t = ctx;

    (void)fd;
    (void)what;
    t->done(t->ctx, str_text(&t->text), t->text.len, t->failed ? &t->err : NULL);
    event_free(t->ev);
    str_free(&t->text);
    free(t);
}

static int tcp_perform(struct world_tcp *t, unsigned port, const char *text, uint32_t ms)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct timeval limit = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char buf[4096];
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 || send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return -1;
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
        str_addn(&t->text, buf, (size_t)n);
    return n < 0 ? -1 : 0;
}

static struct world_tcp *op_tcp(struct world *w, const char *host, unsigned port, const char *text, size_t limit,
                                uint32_t ms,
                                void (*done)(void *ctx, const char *text, size_t len, const struct err *err), void *ctx)
{
    struct world_tcp *t = mem_zero(sizeof *t);

    (void)limit;
    t->done = done;
    t->ctx = ctx;
    if (tcp_perform(t, port, text, ms) < 0) {
        t->failed = true;
        err_set(&t->err, ERR_AGAIN, 0, "%s:%u does not answer", host, port);
    }
    t->ev = soon(w, 0, tcp_told, t);
    return t;
}

static void op_tcp_cancel(struct world *w, struct world_tcp *t)
{
    (void)w;
    event_free(t->ev);
    str_free(&t->text);
    free(t);
}

/* ---- Keeper ---- */

static struct world_zk *op_zk(struct world *w, const char *servers, enum zk_op op, const char *path, uint32_t ms,
                              zk_done_fn *done, void *ctx)
{
    return keeper_zk_ops.start(w, servers, op, path, ms, done, ctx);
}

static void op_zk_cancel(struct world *w, struct world_zk *z)
{
    keeper_zk_ops.cancel(w, z);
}

/* ---- channel ---- */

static void packet_arrives(evutil_socket_t fd, short what, void *ctx)
{
    struct packet *p = ctx;
    struct frame f = {.type = p->type, .task = p->task, .seq = p->seq, .body = p->body, .len = (uint32_t)p->len};

    (void)fd;
    (void)what;
    event_free(p->ev);
    if (!p->to_worker)
        p->chan->on_frame(p->chan->frame_ctx, &f);
    else if (p->chan->cbs.frame)
        p->chan->cbs.frame(p->chan->ctx, &f);
    free(p->body);
    free(p);
}

static void carry(struct world_chan *c, bool to_worker, uint16_t type, uint32_t task, uint32_t seq, const char *body,
                  size_t len)
{
    struct packet *p = mem_zero(sizeof *p);

    p->chan = c;
    p->to_worker = to_worker;
    p->type = type;
    p->task = task;
    p->seq = seq;
    p->body = mem_strn(body, len);
    p->len = len;
    p->ev = soon(&c->n->w, 0, packet_arrives, p);
}

static void op_chan_send(struct world *w, struct world_chan *c, uint16_t type, uint32_t task, uint32_t seq,
                         const char *body, size_t len)
{
    (void)w;
    carry(c, false, type, task, seq, body, len);
}

static void op_chan_listen(struct world *w, struct world_chan *c, const struct world_chan_cbs *cbs, void *ctx)
{
    (void)w;
    c->cbs = *cbs;
    c->ctx = ctx;
}

static void op_quit(struct world *w, int code)
{
    (void)w;
    (void)code;
}

static const struct world_ops ops = {
    .mono_ms = op_mono,
    .wall_ms = op_wall,
    .random = op_random,
    .boot_id = op_boot,
    .timer = op_timer,
    .timer_stop = op_timer_stop,
    .http = op_http,
    .http_cancel = op_http_cancel,
    .tcp = op_tcp,
    .tcp_cancel = op_tcp_cancel,
    .zk = op_zk,
    .zk_cancel = op_zk_cancel,
    .chan_send = op_chan_send,
    .chan_listen = op_chan_listen,
    .quit = op_quit,
};

struct networld *networld_new(void)
{
    struct networld *n = mem_zero(sizeof *n);

    n->w.ops = &ops;
    n->base = event_base_new();
    return n;
}

void networld_free(struct networld *n)
{
    event_base_loop(n->base, EVLOOP_NONBLOCK);
    event_base_free(n->base);
    free(n->chan);
    free(n);
}

struct world *networld_world(struct networld *n)
{
    return &n->w;
}

/* keeper/ asks for the loop of the real world; here this is it. */
struct event_base *world_real_base(struct world *w)
{
    return ((struct networld *)w)->base;
}

bool networld_run(struct networld *n, const bool *flag, unsigned limit_ms)
{
    uint64_t end = clock_ms(CLOCK_MONOTONIC) + limit_ms;

    while (!*flag && clock_ms(CLOCK_MONOTONIC) < end) {
        struct timeval tv = {0, 50000};

        event_base_loopexit(n->base, &tv);
        event_base_loop(n->base, EVLOOP_ONCE);
    }
    return *flag;
}

struct world_chan *networld_chan(struct networld *n, void (*on_frame)(void *ctx, const struct frame *f), void *ctx)
{
    free(n->chan); /* that of the worker before */
    n->chan = mem_zero(sizeof *n->chan);
    n->chan->n = n;
    n->chan->on_frame = on_frame;
    n->chan->frame_ctx = ctx;
    return n->chan;
}

void networld_send(struct networld *n, uint16_t type, uint32_t task, uint32_t seq, const char *body)
{
    carry(n->chan, true, type, task, seq, body, strlen(body));
}

void networld_close(struct networld *n)
{
    void (*closed)(void *, const char *) = n->chan->cbs.closed;

    n->chan->cbs = (struct world_chan_cbs){NULL, NULL};
    if (closed)
        closed(n->chan->ctx, "the test ends");
}
