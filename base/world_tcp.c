/* SPDX-License-Identifier: Apache-2.0 */
/* One question over TCP (four-letter words): connect, send, collect until the other side closes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/world_impl.h"

enum { TCP_MS = 5000 };

struct world_tcp {
    LIST_ENTRY(world_tcp) link;
    struct world_real *w;
    struct world_http *connecting;
    struct event *ev, *limit_ev;
    int fd;
    char *peer; /* "host port 2181" for errors */
    struct str out, in;
    size_t limit;
    uint32_t total_ms;
    void (*done)(void *ctx, const char *text, size_t len, const struct err *err);
    void *ctx;
};

static void tcp_free(struct world_tcp *t)
{
    LIST_REMOVE(t, link);
    if (t->connecting)
        world_http_cancel(&t->w->w, t->connecting);
    if (t->ev)
        event_free(t->ev);
    event_free(t->limit_ev);
    if (t->fd >= 0)
        close(t->fd);
    str_free(&t->out);
    str_free(&t->in);
    free(t->peer);
    free(t);
}

static void tcp_done(struct world_tcp *t, const struct err *err)
{
    auto_str struct str in = t->in;

    t->in = (struct str)STR_INIT;
    if (t->ev)
        event_del(t->ev);
    event_del(t->limit_ev);
    t->done(t->ctx, str_text(&in), in.len, err);
    tcp_free(t);
}

static void tcp_failed(struct world_tcp *t, const char *what)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_AGAIN, errno, "%s: %s: %s", t->peer, what, strerror(errno));
    tcp_done(t, &err);
}

static void tcp_read(struct world_tcp *t)
{
    char buf[4096];
    ssize_t n = read(t->fd, buf, sizeof buf);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        tcp_failed(t, "the connection broke");
        return;
    }
    if (n > 0)
        str_addn(&t->in, buf, (size_t)n < t->limit - t->in.len ? (size_t)n : t->limit - t->in.len);
    if (n == 0 || t->in.len >= t->limit)
        tcp_done(t, NULL);
}

static void on_ready(evutil_socket_t fd, short what, void *ctx);

static void tcp_listen(struct world_tcp *t)
{
    short bits = (short)(EV_READ | EV_PERSIST | (t->out.len ? EV_WRITE : 0));

    if (t->ev)
        event_free(t->ev);
    t->ev = world_event(t->w, t->fd, bits, on_ready, t);
    event_add(t->ev, NULL);
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct world_tcp *t = ctx;

    if (what & EV_WRITE) {
        ssize_t n = send(fd, t->out.s, t->out.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            tcp_failed(t, "cannot send");
            return;
        }
        str_cut(&t->out, n < 0 ? 0 : (size_t)n);
        if (t->out.len == 0)
            tcp_listen(t);
    }
    if (what & EV_READ)
        tcp_read(t);
}

static void on_connected(void *ctx, int fd, const struct err *why)
{
    struct world_tcp *t = ctx;

    t->connecting = NULL;
    t->fd = fd;
    if (fd < 0) {
        tcp_done(t, why);
        return;
    }
    evutil_make_socket_nonblocking(fd);
    tcp_listen(t);
}

static void on_limit(evutil_socket_t fd, short what, void *ctx)
{
    struct world_tcp *t = ctx;
    struct err err = ERR_INIT;

    (void)fd;
    (void)what;
    err_set(&err, ERR_AGAIN, ETIMEDOUT, "%s: no complete answer within %u ms", t->peer, t->total_ms);
    if (t->connecting)
        world_http_cancel(&t->w->w, t->connecting);
    t->connecting = NULL;
    tcp_done(t, &err);
}

struct world_tcp *world_tcp_start(struct world *w, const char *host, unsigned port, const char *text, size_t limit,
                                  uint32_t total_ms,
                                  void (*done)(void *ctx, const char *text, size_t len, const struct err *err),
                                  void *ctx)
{
    struct world_tcp *t = mem_zero(sizeof *t);

    t->w = real_of(w);
    t->fd = -1;
    t->peer = mem_printf("%s port %u", host, port);
    str_add(&t->out, text);
    t->limit = limit;
    t->total_ms = total_ms ? total_ms : TCP_MS;
    t->done = done;
    t->ctx = ctx;
    t->limit_ev = world_event(t->w, -1, 0, on_limit, t);
    world_event_in(t->limit_ev, t->total_ms);
    LIST_INSERT_HEAD(&t->w->tcps, t, link);
    t->connecting = world_http_connect(w, host, port, t->total_ms + 1000, on_connected, t);
    return t;
}

void world_tcp_cancel(struct world *w, struct world_tcp *t)
{
    (void)w;
    tcp_free(t);
}

void world_tcp_close(struct world_real *w)
{
    while (!LIST_EMPTY(&w->tcps))
        tcp_free(LIST_FIRST(&w->tcps));
}
