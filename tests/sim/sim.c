/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "base/mem.h"

struct event {
    uint64_t at, seq;
    struct simproc *owner; /* NULL: environment */
    void (*fn)(void *ctx);
    void *ctx;
    bool dead;
    bool in_queue;
    struct event **slot; /* who remembers it, and must forget it when it is over; NULL: nobody */
};

struct simproc {
    struct world w;
    struct sim *s;
    char *name;
    bool alive, frozen, worker;
    struct simproc *next;
    struct world_chan *chans;
    struct sim_http *requests;
    struct world_proc *as_child; /* for workers: the parent's handle */
};

struct world_proc {
    struct simproc *parent, *child;
    world_exit_fn *on_exit;
    void *ctx;
    bool over;
};

struct world_chan {
    struct simproc *proc;
    struct world_chan *peer;
    struct world_chan_cbs cbs;
    void *ctx;
    bool listening, closed;
    struct world_chan *next;
};

struct sim_http {
    struct sim *s;
    struct simproc *proc;
    http_data_fn *on_data;
    http_done_fn *on_done;
    void *ctx;
    char *method, *url, *body;
    size_t body_len;
    char **headers;
    unsigned flags;
    bool cancelled, open, drop, lose, refused;
    int status;
    struct str res_headers, res_body;
    void (*gone)(void *ctx);
    void *gone_ctx;
    struct event *limit, *idle; /* time-outs of the client */
    uint32_t idle_ms;
    const char *why;
    unsigned refs;
    uint64_t last_delivery;
    struct sim_http *next;
};

struct sim {
    uint64_t now, seq, rng;
    struct event **heap;
    size_t n, cap;
    struct simproc *procs;
    struct sim_faults faults;
    sim_http_fn *http;
    sim_zk_fn *zk;
    sim_tcp_fn *tcp;
    void *ctx;
    world_worker_main *worker_main;
    void (*frame_hook)(void *, const struct sim_frame *);
    void *frame_ctx;
    struct file {
        char *path, *text;
    } * files;
    size_t n_files;
};

static const struct world_ops sim_ops;

/* ---- queue ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->seq < b->seq);
}

static void heap_up(struct sim *s, size_t i)
{
    while (i && before(s->heap[i], s->heap[(i - 1) / 2])) {
        struct event *t = s->heap[i];

        s->heap[i] = s->heap[(i - 1) / 2];
        s->heap[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

static void heap_down(struct sim *s, size_t i)
{
    for (;;) {
        size_t c = 2 * i + 1;
        struct event *t;

        if (c >= s->n)
            return;
        if (c + 1 < s->n && before(s->heap[c + 1], s->heap[c]))
            c++;
        if (!before(s->heap[c], s->heap[i]))
            return;
        t = s->heap[i];
        s->heap[i] = s->heap[c];
        s->heap[c] = t;
        i = c;
    }
}

static struct event *post(struct sim *s, struct simproc *owner, uint64_t ms, void (*fn)(void *), void *ctx)
{
    struct event *e = mem_zero(sizeof *e);

    *e = (struct event){s->now + ms, ++s->seq, owner, fn, ctx, false, true, NULL};
    if (s->n == s->cap)
        s->heap = mem_grow(s->heap, s->cap = s->cap ? 2 * s->cap : 256, sizeof *s->heap);
    s->heap[s->n++] = e;
    heap_up(s, s->n - 1);
    return e;
}

static struct event *pop(struct sim *s)
{
    struct event *e = s->heap[0];

    s->heap[0] = s->heap[--s->n];
    heap_down(s, 0);
    e->in_queue = false;
    return e;
}

bool sim_run(struct sim *s, uint64_t limit_ms, bool (*until)(void *ctx), void *ctx)
{
    uint64_t end = s->now + limit_ms;

    if (until && until(ctx))
        return true;
    while (s->n && s->heap[0]->at <= end) {
        struct event *e = pop(s);

        s->now = e->at > s->now ? e->at : s->now;
        if (e->slot)
            *e->slot = NULL;
        if (!e->dead && (!e->owner || (e->owner->alive && !e->owner->frozen))) {
            void (*fn)(void *) = e->fn;
            void *fn_ctx = e->ctx;

            free(e);
            fn(fn_ctx);
            if (until && until(ctx))
                return true;
        } else { /* also of a process that hangs */
            free(e);
        }
    }
    if (s->now < end)
        s->now = end;
    return false;
}

/* ---- time and chance ---- */

uint64_t sim_now(const struct sim *s)
{
    return s->now;
}

uint64_t sim_random(struct sim *s) /* splitmix64 */
{
    uint64_t z = s->rng += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint64_t latency(struct sim *s)
{
    return 1 + sim_random(s) % (s->faults.max_latency_ms ? s->faults.max_latency_ms : 3);
}

static bool chance(struct sim *s, unsigned permille)
{
    return permille && sim_random(s) % 1000 < permille;
}

void sim_after(struct sim *s, uint64_t ms, void (*fn)(void *ctx), void *ctx)
{
    post(s, NULL, ms, fn, ctx);
}

static struct simproc *proc_of(struct world *w)
{
    return (struct simproc *)w;
}

static uint64_t op_mono(struct world *w)
{
    return proc_of(w)->s->now;
}

static uint64_t op_wall(struct world *w)
{
    return SIM_EPOCH_MS + proc_of(w)->s->now;
}

static uint64_t op_random(struct world *w)
{
    return sim_random(proc_of(w)->s);
}

static const char *op_boot(struct world *w)
{
    (void)w;
    return "sim-boot";
}

static struct world_timer *op_timer(struct world *w, uint64_t ms, void (*fn)(void *), void *ctx)
{
    return (struct world_timer *)post(proc_of(w)->s, proc_of(w), ms, fn, ctx);
}

static void op_timer_stop(struct world *w, struct world_timer *t)
{
    if (!proc_of(w)->frozen) /* else none of its timers runs, and this one may be over */
        ((struct event *)t)->dead = true;
}

/* ---- HTTP ---- */

static void quiet(struct event **e)
{
    if (*e) {
        (*e)->dead = true;
        (*e)->slot = NULL;
    }
    *e = NULL;
}

static void remember(struct event **slot, struct event *e)
{
    *slot = e;
    e->slot = slot;
}

static void http_unref(struct sim_http *h)
{
    if (--h->refs)
        return;
    for (struct sim_http **at = &h->proc->requests; *at; at = &(*at)->next)
        if (*at == h) {
            *at = h->next;
            break;
        }
    quiet(&h->limit);
    quiet(&h->idle);
    free(h->method);
    free(h->url);
    free(h->body);
    for (size_t i = 0; h->headers && h->headers[i]; i++)
        free(h->headers[i]);
    free(h->headers);
    str_free(&h->res_headers);
    str_free(&h->res_body);
    free(h);
}

static void http_finish(void *ctx)
{
    struct sim_http *h = ctx;
    struct http_response res = {.status = h->status,
                                .body = str_text(&h->res_body),
                                .body_len = h->res_body.len,
                                .headers = str_text(&h->res_headers),
                                .sent = !h->drop && !h->refused};

    if (!h->cancelled && h->proc->alive && h->proc->frozen)
        return; /* who asked still holds it */
    if (!h->cancelled && h->proc->alive) {
        h->cancelled = true;
        quiet(&h->limit);
        quiet(&h->idle);
        if (!res.status)
            err_set(&res.why, ERR_AGAIN, 0, "%s %s: %s", h->method, h->url, h->why ? h->why : "connection lost");
        if (h->on_data && res.status && h->res_body.len) {
            h->on_data(h->ctx, h->res_body.s, h->res_body.len);
            res.body = "";
            res.body_len = 0;
        }
        h->on_done(h->ctx, &res);
    }
    http_unref(h);
}

/* The server's side learns that the client does not listen any more. */
static void http_gone(struct sim_http *h)
{
    void (*gone)(void *) = h->gone;

    quiet(&h->limit);
    quiet(&h->idle);
    h->gone = NULL;
    if (h->open) {
        h->open = false;
        if (gone)
            gone(h->gone_ctx);
        http_unref(h);
    }
}

/* The client's patience is over. What it asked for may still be carried out. */
static void http_timeout(void *ctx)
{
    struct sim_http *h = ctx;
    struct http_response res = {.status = 0, .body = "", .headers = "", .sent = !h->drop};

    if (h->cancelled)
        return;
    h->cancelled = true;
    err_set(&res.why, ERR_AGAIN, 0, "%s %s: no answer in time", h->method, h->url);
    h->refs++;
    http_gone(h);
    h->on_done(h->ctx, &res);
    http_unref(h);
}

static void idle_timeout(void *ctx)
{
    http_timeout(ctx);
}

static bool may_fail(const struct sim_http *h)
{
    const char *prefix = h->s->faults.error_prefix;

    return !prefix || strncmp(h->url, prefix, strlen(prefix)) == 0;
}

/* The bytes left before the client died or gave up: the server may still carry them out. */
static bool still_comes(struct sim_http *h)
{
    return !h->drop && strcmp(h->method, "GET") != 0 && chance(h->s, 500);
}

static void http_lost(struct sim_http *h)
{
    h->status = 0;
    str_reset(&h->res_body);
}

static void http_arrive(void *ctx)
{
    struct sim_http *h = ctx;
    struct sim *s = h->s;
    struct http_request req = {.method = h->method,
                               .url = h->url,
                               .headers = (const char *const *)h->headers,
                               .body = h->body,
                               .body_len = h->body_len,
                               .flags = h->flags};
    bool done = true;

    if ((h->cancelled || !h->proc->alive) && !still_comes(h)) {
        http_unref(h);
        return;
    }
    if (h->drop) {
        h->status = 0;
    } else if (may_fail(h) && chance(s, s->faults.http_error_permille)) {
        h->status = chance(s, 500) ? 500 : 429;
        str_add(&h->res_body, "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"simulated\"}");
    } else {
        done = s->http(s->ctx, h, &req, &h->status, &h->res_headers, &h->res_body);
        if (h->status == SIM_REFUSED) {
            h->status = 0;
            h->refused = true;
            h->why = "connection refused";
        }
        if (done && h->lose)
            http_lost(h);
    }
    if (done)
        post(s, NULL, latency(s), http_finish, h);
    else if (h->cancelled || !h->proc->alive) {
        h->open = true;
        http_gone(h);
    } else
        h->open = true;
}

struct chunk {
    struct sim_http *h;
    struct str data;
};

static void chunk_deliver(void *ctx)
{
    struct chunk *c = ctx;
    struct sim_http *h = c->h;

    if (!h->cancelled && h->proc->alive && !h->proc->frozen && h->on_data) {
        if (h->idle) {
            quiet(&h->idle);
            remember(&h->idle, post(h->s, h->proc, h->idle_ms, idle_timeout, h));
        }
        h->on_data(h->ctx, c->data.s, c->data.len);
    }
    http_unref(h);
    str_free(&c->data);
    free(c);
}

/* One connection keeps its order. */
static uint64_t in_order(struct sim_http *h)
{
    uint64_t at = h->s->now + latency(h->s);

    if (at < h->last_delivery)
        at = h->last_delivery;
    h->last_delivery = at;
    return at - h->s->now;
}

void sim_http_data(struct sim_http *h, const char *data, size_t len)
{
    struct chunk *c;

    if (h->cancelled || !h->proc->alive)
        return;
    c = mem_zero(sizeof *c);
    c->h = h;
    h->refs++;
    str_addn(&c->data, data, len);
    post(h->s, NULL, in_order(h), chunk_deliver, c);
}

static void answer_later(struct sim_http *h)
{
    h->gone = NULL;
    h->open = false;
    post(h->s, NULL, in_order(h), http_finish, h);
}

void sim_http_done(struct sim_http *h)
{
    answer_later(h);
}

void sim_http_answer(struct sim_http *h, int status, const char *body)
{
    h->status = status;
    str_reset(&h->res_body);
    str_add(&h->res_body, body);
    if (h->lose)
        http_lost(h);
    answer_later(h);
}

void sim_http_fail(struct sim_http *h)
{
    http_lost(h);
    answer_later(h);
}

const struct world *sim_http_client(const struct sim_http *h)
{
    return &h->proc->w;
}

void sim_http_on_gone(struct sim_http *h, void (*gone)(void *ctx), void *ctx)
{
    h->gone = gone;
    h->gone_ctx = ctx;
}

static char **copy_headers(const char *const *headers)
{
    size_t n = 0;
    char **out;

    while (headers && headers[n])
        n++;
    out = mem_array(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = mem_str(headers[i]);
    return out;
}

static struct world_http *op_http(struct world *w, const struct http_request *req, http_data_fn *on_data,
                                  http_done_fn *on_done, void *ctx)
{
    struct simproc *p = proc_of(w);
    struct sim_http *h = mem_zero(sizeof *h);

    *h = (struct sim_http){.s = p->s,
                           .proc = p,
                           .on_data = req->flags & HTTP_STREAM ? on_data : NULL,
                           .on_done = on_done,
                           .ctx = ctx,
                           .method = mem_str(req->method),
                           .url = mem_str(req->url),
                           .body = mem_strn(req->body_len ? req->body : "", req->body_len),
                           .body_len = req->body_len,
                           .headers = copy_headers(req->headers),
                           .flags = req->flags,
                           .refs = 1,
                           .drop = chance(p->s, p->s->faults.http_drop_permille),
                           .lose = chance(p->s, p->s->faults.http_lose_permille),
                           .idle_ms = req->idle_ms,
                           .next = p->requests};
    p->requests = h;
    if (req->total_ms)
        remember(&h->limit, post(p->s, p, req->total_ms, http_timeout, h));
    if (req->idle_ms && req->flags & HTTP_STREAM)
        remember(&h->idle, post(p->s, p, req->idle_ms, idle_timeout, h));
    post(p->s, NULL, latency(p->s), http_arrive, h);
    return (struct world_http *)h;
}

static void op_http_cancel(struct world *w, struct world_http *wh)
{
    struct sim_http *h = (struct sim_http *)wh;

    (void)w;
    h->cancelled = true;
    http_gone(h);
}

/* ---- Keeper and four-letter words ---- */

struct ask {
    struct simproc *proc;
    enum zk_op op;
    char *path, *host;
    unsigned port;
    zk_done_fn *zk_done;
    void (*tcp_done)(void *, const char *, size_t, const struct err *);
    void *ctx;
    bool cancelled, failed;
    struct str value;
    struct err err;
};

static void ask_finish(void *ctx)
{
    struct ask *a = ctx;

    if (!a->cancelled && a->proc->alive && !a->proc->frozen) {
        if (a->zk_done)
            a->zk_done(a->ctx, str_text(&a->value), a->failed ? &a->err : NULL);
        else
            a->tcp_done(a->ctx, str_text(&a->value), a->value.len, a->failed ? &a->err : NULL);
    }
    str_free(&a->value);
    free(a->path);
    free(a->host);
    free(a);
}

static void ask_arrive(void *ctx)
{
    struct ask *a = ctx;
    struct sim *s = a->proc->s;

    if (a->zk_done)
        a->failed = s->zk(s->ctx, a->op, a->path, &a->value, &a->err) < 0;
    else
        s->tcp(s->ctx, a->host, a->port, a->path, &a->value, &a->err);
    a->failed |= a->err.kind != ERR_NONE;
    post(s, NULL, latency(s), ask_finish, a);
}

static struct ask *ask_new(struct world *w, void *ctx)
{
    struct ask *a = mem_zero(sizeof *a);

    a->proc = proc_of(w);
    a->ctx = ctx;
    post(a->proc->s, NULL, latency(a->proc->s), ask_arrive, a);
    return a;
}

static struct world_zk *op_zk(struct world *w, const char *servers, enum zk_op op, const char *path, uint32_t total_ms,
                              zk_done_fn *done, void *ctx)
{
    struct ask *a = ask_new(w, ctx);

    (void)servers;
    (void)total_ms;
    a->op = op;
    a->path = mem_str(path);
    a->zk_done = done;
    return (struct world_zk *)a;
}

static void op_zk_cancel(struct world *w, struct world_zk *z)
{
    (void)w;
    ((struct ask *)z)->cancelled = true;
}

static struct world_tcp *op_tcp(struct world *w, const char *host, unsigned port, const char *text, size_t limit,
                                uint32_t total_ms, void (*done)(void *, const char *, size_t, const struct err *),
                                void *ctx)
{
    struct ask *a = ask_new(w, ctx);

    (void)limit;
    (void)total_ms;
    a->host = mem_str(host);
    a->port = port;
    a->path = mem_str(text);
    a->tcp_done = done;
    return (struct world_tcp *)a;
}

static void op_tcp_cancel(struct world *w, struct world_tcp *t)
{
    (void)w;
    ((struct ask *)t)->cancelled = true;
}

/* ---- processes and channels ---- */

struct world *sim_proc(struct sim *s, const char *name)
{
    struct simproc *p = mem_zero(sizeof *p), **at = &s->procs;

    *p = (struct simproc){.w = {&sim_ops}, .s = s, .name = mem_str(name), .alive = true};
    while (*at)
        at = &(*at)->next;
    *at = p;
    return &p->w;
}

const char *sim_name(const struct world *w)
{
    return ((const struct simproc *)w)->name;
}

bool sim_alive(const struct world *w)
{
    return ((const struct simproc *)w)->alive;
}

void sim_workers(struct sim *s, world_worker_main *fn)
{
    s->worker_main = fn;
}

struct world *sim_worker_at(struct sim *s, unsigned i)
{
    for (struct simproc *p = s->procs; p; p = p->next)
        if (p->worker && p->alive && i-- == 0)
            return &p->w;
    return NULL;
}

void sim_freeze(struct world *w)
{
    proc_of(w)->frozen = true;
}

static void chan_closed(void *ctx)
{
    struct world_chan *c = ctx;

    if (c->closed)
        return;
    c->closed = true;
    if (c->listening && c->cbs.closed && c->proc->alive)
        c->cbs.closed(c->ctx, "the other side is gone");
}

static void exit_seen(void *ctx)
{
    struct world_proc *p = ctx;

    if (!p->over && p->parent->alive) {
        p->over = true;
        p->on_exit(p->ctx, 9);
    }
}

void sim_kill(struct world *w)
{
    struct simproc *p = proc_of(w);
    struct sim *s = p->s;

    if (!p->alive)
        return;
    p->alive = false;
    for (struct sim_http *h = p->requests, *next; h; h = next) {
        next = h->next;
        http_gone(h);
    }
    for (struct world_chan *c = p->chans; c; c = c->next)
        if (c->peer && !c->peer->closed)
            post(s, c->peer->proc, 1, chan_closed, c->peer);
    if (p->as_child)
        post(s, p->as_child->parent, 2, exit_seen, p->as_child);
    /* A supervisor takes its workers with it. */
    for (struct simproc *q = s->procs; q; q = q->next)
        if (q->alive && q->as_child && q->as_child->parent == p)
            sim_kill(&q->w);
}

static struct world_chan *chan_new(struct simproc *p)
{
    struct world_chan *c = mem_zero(sizeof *c);

    c->proc = p;
    c->next = p->chans;
    p->chans = c;
    return c;
}

struct boot {
    struct simproc *p;
    struct world_chan *chan;
    char *name;
    uint64_t generation;
};

static void boot_worker(void *ctx)
{
    struct boot *b = ctx;
    struct world_worker_args args = {b->name, b->generation, ""};

    b->p->s->worker_main(&b->p->w, b->chan, &args);
    free(b->name);
    free(b);
}

static struct world_proc *op_spawn(struct world *w, const struct world_worker_args *args,
                                   const struct world_chan_cbs *cbs, world_exit_fn *on_exit, void *ctx,
                                   struct world_chan **chan, struct err *err)
{
    struct simproc *parent = proc_of(w);
    struct simproc *child = proc_of(sim_proc(parent->s, args->name));
    struct world_proc *h = mem_zero(sizeof *h);
    struct world_chan *mine = chan_new(parent), *theirs = chan_new(child);
    struct boot *b = mem_zero(sizeof *b);

    (void)err;
    *h = (struct world_proc){parent, child, on_exit, ctx, false};
    child->worker = true;
    child->as_child = h;
    mine->peer = theirs;
    theirs->peer = mine;
    mine->cbs = *cbs;
    mine->ctx = ctx;
    mine->listening = true;
    *b = (struct boot){child, theirs, mem_str(args->name), args->generation};
    post(parent->s, child, 1, boot_worker, b);
    *chan = mine;
    return h;
}

static void op_kill(struct world *w, struct world_proc *p)
{
    (void)w;
    sim_kill(&p->child->w);
}

static int64_t op_pid(struct world *w, struct world_proc *p)
{
    (void)w;
    (void)p;
    return 1;
}

struct delivery {
    struct world_chan *to, *from;
    uint16_t type;
    uint32_t task, seq;
    char *body;
    size_t len;
};

static void frame_point(struct sim *s, const struct delivery *d, bool after)
{
    struct sim_frame f = {&d->from->proc->w, &d->to->proc->w, d->type, d->task, d->seq, d->body, d->len, after};

    if (s->frame_hook)
        s->frame_hook(s->frame_ctx, &f);
}

static void deliver(void *ctx)
{
    struct delivery *d = ctx;
    struct frame f = {d->type, d->task, d->seq, d->body, (uint32_t)d->len};
    struct sim *s = d->to->proc->s;

    if (!d->to->closed && d->to->listening && d->to->cbs.frame && d->to->proc->alive) {
        frame_point(s, d, false);
        if (d->to->proc->alive && !d->to->proc->frozen) {
            d->to->cbs.frame(d->to->ctx, &f);
            frame_point(s, d, true);
        }
    }
    free(d->body);
    free(d);
}

static void op_send(struct world *w, struct world_chan *c, uint16_t type, uint32_t task, uint32_t seq, const char *body,
                    size_t len)
{
    struct delivery *d;

    (void)w;
    if (c->closed || !c->peer->proc->alive)
        return;
    d = mem_zero(sizeof *d);
    *d = (struct delivery){c->peer, c, type, task, seq, mem_strn(body, len), len};
    post(c->proc->s, NULL, 1, deliver, d); /* what was sent arrives, also when its sender dies right after */
}

static void op_listen(struct world *w, struct world_chan *c, const struct world_chan_cbs *cbs, void *ctx)
{
    (void)w;
    c->cbs = *cbs;
    c->ctx = ctx;
    c->listening = true;
}

void sim_on_frame(struct sim *s, void (*fn)(void *, const struct sim_frame *), void *ctx)
{
    s->frame_hook = fn;
    s->frame_ctx = ctx;
}

/* ---- files and the rest ---- */

void sim_file(struct sim *s, const char *path, const char *text)
{
    s->files = mem_grow(s->files, s->n_files + 1, sizeof *s->files);
    s->files[s->n_files++] = (struct file){mem_str(path), mem_str(text)};
}

static int op_read(struct world *w, const char *path, char **text, size_t *len, struct err *err)
{
    struct sim *s = proc_of(w)->s;

    for (size_t i = 0; i < s->n_files; i++)
        if (strcmp(s->files[i].path, path) == 0) {
            *text = mem_str(s->files[i].text);
            *len = strlen(*text);
            return 0;
        }
    return err_set(err, ERR_MISSING, 0, "%s: the simulation has no such file", path);
}

static int op_write(struct world *w, const char *path, const char *text, size_t len, unsigned mode, struct err *err)
{
    (void)w;
    (void)text;
    (void)len;
    (void)mode;
    return err_set(err, ERR_REFUSED, 0, "%s: the simulation has no files", path);
}

static bool op_port_free(struct world *w, unsigned port)
{
    (void)w;
    (void)port;
    return true;
}

static void op_run(struct world *w, const char *const *argv, const char *const *env, uint32_t total_ms,
                   void (*done)(void *, int, const char *, const char *), void *ctx)
{
    (void)w;
    (void)argv;
    (void)env;
    (void)total_ms;
    done(ctx, 127, "", "the simulation runs no programs");
}

static void op_quit(struct world *w, int code)
{
    struct simproc *p = proc_of(w);

    (void)code;
    if (p->worker) {
        sim_kill(w);
        return;
    }
    p->frozen = true; /* what it has is still its own: who made it takes it apart */
    for (struct simproc *q = p->s->procs; q; q = q->next)
        if (q->alive && q->as_child && q->as_child->parent == p)
            sim_kill(&q->w);
}

static const struct world_ops sim_ops = {
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
    .spawn = op_spawn,
    .kill = op_kill,
    .pid = op_pid,
    .chan_send = op_send,
    .chan_listen = op_listen,
    .read_file = op_read,
    .write_file = op_write,
    .port_free = op_port_free,
    .run = op_run,
    .quit = op_quit,
};

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = mem_zero(sizeof *s);

    s->rng = seed;
    s->now = 1000;
    return s;
}

struct sim_faults *sim_faults(struct sim *s)
{
    return &s->faults;
}

void sim_serve(struct sim *s, sim_http_fn *http, sim_zk_fn *zk, sim_tcp_fn *tcp, void *ctx)
{
    s->http = http;
    s->zk = zk;
    s->tcp = tcp;
    s->ctx = ctx;
}

void sim_free(struct sim *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->heap[i]);
    free(s->heap);
    for (size_t i = 0; i < s->n_files; i++) {
        free(s->files[i].path);
        free(s->files[i].text);
    }
    free(s->files);
    for (struct simproc *p = s->procs, *next; p; p = next) {
        next = p->next;
        for (struct world_chan *c = p->chans, *cn; c; c = cn) {
            cn = c->next;
            free(c);
        }
        free(p->as_child);
        free(p->name);
        free(p);
    }
    free(s);
}
