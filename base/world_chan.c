/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels between supervisor and workers: frames over a stream socket pair. Both sides open with FRAME_HELLO, which is
 * sent and checked here, so that no other code sees a frame of another protocol or build.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/world_impl.h"

enum {
    CHAN_OUT_MAX = 64 << 20,
    CHAN_GONE_CODE = 70,
    READ_SIZE = 4 << 10, /* on the stack, of which a worker keeps every page that it once used */
};

struct world_chan {
    LIST_ENTRY(world_chan) link;
    struct world_real *w;
    struct world_chan **owner;
    int fd;
    struct event *read, *write;
    struct str in, out;
    size_t out_sent;
    pid_t peer; /* 0 until it has greeted */
    struct world_chan_cbs cbs;
    void *ctx;
    bool greeted, broken, quit_at_end;
    char why[200]; /* why it is broken */
};

static char *hello_text(void)
{
    return mem_printf("{\"protocol\":%d,\"build\":\"%s\",\"pid\":%d}", FRAME_VERSION, PACKAGE_VERSION_TEXT,
                      (int)getpid());
}

static void chan_break(struct world_chan *c, const char *why)
{
    if (c->broken)
        return;
    c->broken = true;
    snprintf(c->why, sizeof c->why, "%s", why);
    event_active(c->read, EV_READ, 0); /* closed() comes from the loop, never from chan_send() */
}

/* ---- out ---- */

static void chan_flush(struct world_chan *c)
{
    while (!c->broken && c->out_sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.s + c->out_sent, c->out.len - c->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            /* What it sent before it went is still to be read: the read side finds the end. */
            c->out_sent = c->out.len;
            event_active(c->read, EV_READ, 0);
            break;
        }
        c->out_sent += (size_t)n;
    }
    if (c->out_sent == c->out.len) {
        str_free(&c->out); /* an idle worker keeps no buffer */
        c->out_sent = 0;
        event_del(c->write);
    } else {
        if (c->out_sent > c->out.len / 2) {
            str_cut(&c->out, c->out_sent);
            c->out_sent = 0;
        }
        event_add(c->write, NULL);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    chan_flush(ctx);
}

void world_chan_send(struct world *w, struct world_chan *c, uint16_t type, uint32_t task, uint32_t seq,
                     const char *body, size_t len)
{
    (void)w;
    if (c->broken)
        return;
    if (len > FRAME_MAX) {
        chan_break(c, "a frame to be sent was larger than the protocol allows");
        return;
    }
    if (c->out.len - c->out_sent + len > CHAN_OUT_MAX) {
        chan_break(c, "the other side does not read");
        return;
    }
    frame_put(&c->out, type, task, seq, body, len);
    chan_flush(c);
}

/* ---- in ---- */

static void greet(struct world_chan *c, const struct frame *f)
{
    struct err err = ERR_INIT;
    auto_json cJSON *j = f->type == FRAME_HELLO ? json_parse(f->body, f->len, &err) : NULL;
    char why[sizeof c->why];

    c->greeted = true;
    c->peer = (pid_t)json_int(j, "pid", 0);
    if (!j) {
        chan_break(c, "the first frame was not a greeting");
    } else if (json_int(j, "protocol", 0) != FRAME_VERSION || !str_eq(json_str(j, "build", ""), PACKAGE_VERSION_TEXT)) {
        snprintf(why, sizeof why,
                 "the other side is build %.40s with protocol %d, this one is build %s with protocol %d",
                 json_str(j, "build", "?"), (int)json_int(j, "protocol", 0), PACKAGE_VERSION_TEXT, FRAME_VERSION);
        chan_break(c, why);
    }
}

/* Hands out the whole frames at the front of c->in. A callback may send, and even break the channel. */
static void chan_frames(struct world_chan *c)
{
    size_t at = 0, used = 0;

    while (!c->broken) {
        struct str rest = {c->in.s + at, c->in.len - at, 0};
        struct err err = ERR_INIT;
        struct frame f;
        int rc = c->in.len > at ? frame_get(&rest, &f, &used, &err) : 0;

        if (rc < 0)
            chan_break(c, err.msg);
        if (rc <= 0)
            break;
        at += used;
        if (!c->greeted)
            greet(c, &f);
        else if (f.type == FRAME_HELLO)
            chan_break(c, "a second greeting came");
        else if (c->cbs.frame)
            c->cbs.frame(c->ctx, &f);
    }
    if (at == c->in.len)
        str_free(&c->in);
    else if (at)
        str_cut(&c->in, at);
}

/* 1: bytes came; 0: none for now; -1: the end. */
static int chan_read(struct world_chan *c)
{
    char buf[READ_SIZE];
    ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);

    if (n < 0 && errno == EINTR)
        return 1;
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return -1;
    str_addn(&c->in, buf, (size_t)n);
    return 1;
}

static void chan_end(struct world_chan *c, const char *why)
{
    struct world_chan_cbs cbs = c->cbs;
    struct world_real *w = c->w;
    void *ctx = c->ctx;
    bool quit = c->quit_at_end;
    char text[sizeof c->why];

    snprintf(text, sizeof text, "%s", c->broken ? c->why : why);
    world_chan_free(c);
    if (cbs.closed)
        cbs.closed(ctx, text);
    if (quit)
        w->w.ops->quit(&w->w, CHAN_GONE_CODE);
}

void world_chan_finish(struct world_chan *c, const char *why)
{
    while (!c->broken && chan_read(c) > 0)
        chan_frames(c);
    chan_end(c, why);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct world_chan *c = ctx;
    int rc = c->broken ? 0 : chan_read(c);

    (void)fd;
    (void)what;
    if (rc > 0)
        chan_frames(c);
    if (c->broken || rc < 0)
        chan_end(c, "the other side closed the channel");
}

/* ---- life ---- */

void world_chan_drain(struct world_chan *c, int wait_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};

    while (!c->broken && c->out_sent < c->out.len && poll(&p, 1, wait_ms) > 0)
        chan_flush(c);
}

void world_chan_listen(struct world *w, struct world_chan *c, const struct world_chan_cbs *cbs, void *ctx)
{
    (void)w;
    c->cbs = *cbs;
    c->ctx = ctx;
}

pid_t world_chan_peer(const struct world_chan *c)
{
    return c->peer;
}

void world_chan_own(struct world_chan *c, struct world_chan **owner)
{
    c->owner = owner;
}

void world_chan_free(struct world_chan *c)
{
    if (c->owner)
        *c->owner = NULL;
    LIST_REMOVE(c, link);
    event_free(c->read);
    event_free(c->write);
    close(c->fd);
    str_free(&c->in);
    str_free(&c->out);
    free(c);
}

struct world_chan *world_chan_new(struct world_real *w, int fd, const struct world_chan_cbs *cbs, void *ctx,
                                  bool quit_at_end)
{
    struct world_chan *c = mem_zero(sizeof *c);
    auto_free char *hello = hello_text();

    c->w = w;
    c->fd = fd;
    c->quit_at_end = quit_at_end;
    if (cbs)
        world_chan_listen(&w->w, c, cbs, ctx);
    c->read = world_event(w, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->write = world_event(w, fd, EV_WRITE, on_writable, c);
    LIST_INSERT_HEAD(&w->chans, c, link);
    event_add(c->read, NULL);
    world_chan_send(&w->w, c, FRAME_HELLO, 0, 0, hello, strlen(hello));
    return c;
}
