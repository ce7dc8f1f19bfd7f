/* SPDX-License-Identifier: Apache-2.0 */
/* Port-forward: SPDY streams inside a WebSocket, two for each connection (error, data), to a port of the pod. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/server_priv.h"
#include "plane/spdy.h"

enum { LINES_MAX = 256 };

struct line { /* one forwarded connection */
    struct line *next;
    struct forward *forward;
    char request[64]; /* requestID */
    unsigned port;
    uint32_t error_id, data_id; /* 0 = not there yet */
    struct bufferevent *bev;    /* to the pod; NULL when closed */
    bool client_done, pod_done, dead;
};

struct forward {
    struct conn *conn;
    struct spdy spdy;
    struct str in;
    struct line *lines;
    unsigned n_lines;
    bool paused;
};

struct forward *forward_new(struct conn *c)
{
    struct forward *f = mem_zero(sizeof *f);

    f->conn = c;
    spdy_init(&f->spdy);
    return f;
}

static void send_out(struct forward *f, const struct str *bytes)
{
    if (bytes->len)
        conn_ws_send(f->conn, WS_BINARY, bytes->s, bytes->len);
}

static void line_close(struct line *l)
{
    if (l->bev)
        bufferevent_free(l->bev);
    l->bev = NULL;
    l->dead = true;
}

static void sweep(struct forward *f)
{
    for (struct line **p = &f->lines; *p;) {
        struct line *l = *p;

        if (!l->dead) {
            p = &l->next;
            continue;
        }
        *p = l->next;
        f->n_lines--;
        free(l);
    }
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    for (struct line *l = f->lines; l; l = l->next)
        line_close(l);
    sweep(f);
    spdy_fini(&f->spdy);
    str_free(&f->in);
    free(f);
}

/* ---- pod side ---- */

static void fail_line(struct line *l, const char *text)
{
    auto_str struct str out = STR_INIT;
    auto_free char *message = mem_printf("an error occurred forwarding to port %u: %s", l->port, text);

    if (l->error_id)
        spdy_put_data(&out, l->error_id, message, strlen(message), true);
    if (l->data_id)
        spdy_put_reset(&out, l->data_id, SPDY_REFUSED);
    send_out(l->forward, &out);
    line_close(l);
}

static void end_line_if_done(struct line *l)
{
    auto_str struct str out = STR_INIT;

    if (!l->client_done || !l->pod_done)
        return;
    if (l->error_id)
        spdy_put_data(&out, l->error_id, "", 0, true);
    send_out(l->forward, &out);
    line_close(l);
}

static void pod_read(struct bufferevent *bev, void *arg)
{
    struct line *l = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    auto_str struct str out = STR_INIT;
    char buf[16384];
    int n;

    while ((n = evbuffer_remove(in, buf, sizeof buf)) > 0)
        spdy_put_data(&out, l->data_id, buf, (size_t)n, false);
    send_out(l->forward, &out);
    if (conn_pending(l->forward->conn) > CONN_OUT_HIGH) {
        l->forward->paused = true;
        for (struct line *o = l->forward->lines; o; o = o->next)
            if (o->bev)
                bufferevent_disable(o->bev, EV_READ);
    }
}

static void pod_write(struct bufferevent *bev, void *arg)
{
    struct line *l = arg;

    if (l->client_done)
        shutdown(bufferevent_getfd(bev), SHUT_WR);
    if (l->forward->conn->input_full) {
        l->forward->conn->input_full = false;
        stream_input(l->forward->conn);
    }
}

static void pod_event(struct bufferevent *bev, short what, void *arg)
{
    struct line *l = arg;
    auto_str struct str out = STR_INIT;

    if (what & BEV_EVENT_CONNECTED)
        return;
    if (what & BEV_EVENT_ERROR) {
        fail_line(l, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    } else if (what & BEV_EVENT_EOF) {
        pod_read(bev, l);
        l->pod_done = true;
        spdy_put_data(&out, l->data_id, "", 0, true);
        send_out(l->forward, &out);
        end_line_if_done(l);
    }
    /* l stays until forward_drained() or the next input sweeps it */
}

static void connect_line(struct line *l)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct conn *c = l->forward->conn;
    struct err err = ERR_INIT;
    char host[64];
    unsigned port;
    void *node;

    if (api_runtime(c->server->o.api, &node)->port(node, c->stream->pod, l->port, host, sizeof host, &port, &err) < 0) {
        fail_line(l, err.msg);
        return;
    }
    v4.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &v4.sin_addr) != 1) {
        fail_line(l, "the pod has no IPv4 address");
        return;
    }
    l->bev = bufferevent_socket_new(c->server->o.base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    bufferevent_setcb(l->bev, pod_read, pod_write, pod_event, l);
    bufferevent_setwatermark(l->bev, EV_READ, 0, 256 << 10);
    bufferevent_enable(l->bev, EV_WRITE | (l->forward->paused ? 0 : EV_READ));
    if (bufferevent_socket_connect(l->bev, (struct sockaddr *)&v4, sizeof v4) < 0)
        fail_line(l, strerror(errno));
}

void forward_drained(struct forward *f)
{
    sweep(f);
    if (!f->paused || conn_pending(f->conn) > CONN_OUT_LOW)
        return;
    f->paused = false;
    for (struct line *l = f->lines; l; l = l->next)
        if (l->bev)
            bufferevent_enable(l->bev, EV_READ);
}

/* ---- client side ---- */

static struct line *line_of(struct forward *f, const char *request)
{
    struct line *l;

    for (l = f->lines; l; l = l->next)
        if (!l->dead && strcmp(l->request, request) == 0)
            return l;
    if (f->n_lines == LINES_MAX)
        return NULL;
    l = mem_zero(sizeof *l);
    l->forward = f;
    l->next = f->lines;
    f->lines = l;
    f->n_lines++;
    snprintf(l->request, sizeof l->request, "%s", request);
    return l;
}

static int open_stream(struct forward *f, const struct spdy_frame *fr)
{
    static const char *const names[] = {"streamtype", "port", "requestid", NULL};
    auto_str struct str out = STR_INIT;
    char values[3][64];
    struct line *l;

    if (spdy_headers(&f->spdy, fr, names, values) < 0)
        return -1;
    l = line_of(f, values[2]);
    if (!l || strtoul(values[1], NULL, 10) == 0 || strtoul(values[1], NULL, 10) > 65535) {
        spdy_put_reset(&out, fr->stream, SPDY_REFUSED);
        send_out(f, &out);
        return 0;
    }
    l->port = (unsigned)strtoul(values[1], NULL, 10);
    spdy_put_reply(&f->spdy, &out, fr->stream);
    send_out(f, &out);
    if (strcmp(values[0], "error") == 0)
        l->error_id = fr->stream;
    else
        l->data_id = fr->stream;
    if (l->data_id && l->error_id && !l->bev)
        connect_line(l);
    return 0;
}

static void client_data(struct forward *f, const struct spdy_frame *fr)
{
    struct line *l;

    for (l = f->lines; l && (l->dead || l->data_id != fr->stream); l = l->next)
        ;
    if (!l || !l->bev)
        return; /* the error stream, or a line that is closed */
    if (fr->len)
        bufferevent_write(l->bev, fr->body, fr->len);
    if (evbuffer_get_length(bufferevent_get_output(l->bev)) > CONN_OUT_HIGH)
        f->conn->input_full = true;
    if (fr->flags & SPDY_FIN) {
        l->client_done = true;
        if (evbuffer_get_length(bufferevent_get_output(l->bev)) == 0)
            shutdown(bufferevent_getfd(l->bev), SHUT_WR);
        end_line_if_done(l);
    }
}

static void client_reset(struct forward *f, uint32_t stream)
{
    for (struct line *l = f->lines; l; l = l->next)
        if (!l->dead && (l->data_id == stream || l->error_id == stream))
            line_close(l);
}

static int take_frame(struct forward *f, const struct spdy_frame *fr)
{
    auto_str struct str out = STR_INIT;

    switch (fr->type) {
    case SPDY_SYN_STREAM:
        return open_stream(f, fr);
    case SPDY_DATA:
        client_data(f, fr);
        return 0;
    case SPDY_RST_STREAM:
        client_reset(f, fr->stream);
        return 0;
    case SPDY_PING:
        if (fr->len == 4)
            spdy_put_ping(&out, fr);
        send_out(f, &out);
        return 0;
    default:
        return 0; /* settings, window updates, goodbyes: nothing to do */
    }
}

void forward_input(struct forward *f, const char *data, size_t len)
{
    struct spdy_frame fr;
    int rc;

    sweep(f);
    str_addn(&f->in, data, len);
    while ((rc = spdy_frame(str_text(&f->in), f->in.len, &fr)) == 1) {
        if (take_frame(f, &fr) < 0) {
            rc = -1;
            break;
        }
        str_cut(&f->in, fr.used);
    }
    if (rc < 0)
        conn_doom(f->conn);
}
