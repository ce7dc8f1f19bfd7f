/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's small HTTP front: read-only, for probes, Prometheus, `chfleet status` and people with a browser. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/prom.h"
#include "supervisor/internal.h"

struct http_front {
    struct evhttp *http;
    struct super *s;
};

static void send_text(struct evhttp_request *req, int code, const char *type, const char *text)
{
    struct evbuffer *buf = evbuffer_new();

    evbuffer_add(buf, text, strlen(text));
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Cache-Control", "no-store");
    evhttp_send_reply(req, code, code == 200 ? "OK" : "Unavailable", buf);
    evbuffer_free(buf);
}

static void on_health(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;
    const char *why = "";
    bool ok = super_healthy(h->s, &why);

    send_text(req, ok ? 200 : 503, "text/plain", why);
}

static void on_ready(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;

    send_text(req, super_synced(h->s) ? 200 : 503, "text/plain",
              super_synced(h->s) ? "ok" : "watches are not complete yet");
}

static void on_status(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;
    auto_json cJSON *j = super_status(h->s);
    auto_free char *text = json_print(j);

    send_text(req, 200, "application/json", text);
}

static void on_metrics(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;
    auto_str struct str out = STR_INIT;

    super_metrics(h->s, &out);
    prom_process(&out);
    super_target_info(h->s, &out);
    send_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", str_text(&out));
}

static void on_page(struct evhttp_request *req, void *ctx)
{
    static const char page[] =
#include "supervisor/page.inc"
        ;

    (void)ctx;
    send_text(req, 200, "text/html; charset=utf-8", page);
}

int http_front_open(struct event_base *base, struct super *s, const char *address, const char *file,
                    struct http_front **out, struct err *err)
{
    struct http_front *h = mem_zero(sizeof *h);
    struct evhttp_bound_socket *sock;
    char host[128];
    unsigned short port = 0;

    if (addr_split(address, "address", host, sizeof host, &port, err) < 0) {
        free(h);
        return -1;
    }
    h->s = s;
    h->http = evhttp_new(base);
    evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(h->http, 16384);
    evhttp_set_max_body_size(h->http, 16384);
    evhttp_set_timeout(h->http, 30);
    evhttp_set_cb(h->http, "/healthz", on_health, h);
    evhttp_set_cb(h->http, "/readyz", on_ready, h);
    evhttp_set_cb(h->http, "/status", on_status, h);
    evhttp_set_cb(h->http, "/metrics", on_metrics, h);
    evhttp_set_cb(h->http, "/", on_page, h);
    sock = evhttp_bind_socket_with_handle(h->http, host, port);
    if (!sock) {
        evhttp_free(h->http);
        free(h);
        return err_set(err, ERR_SYS, 0,
                       "cannot listen on %s: is the port used by another program? Choose one with --status-address",
                       address);
    }
    if (file && addr_write(evhttp_bound_socket_get_fd(sock), host, file, err) < 0) {
        http_front_close(h);
        return -1;
    }
    *out = h;
    return 0;
}

void http_front_close(struct http_front *h)
{
    if (!h)
        return;
    evhttp_free(h->http);
    free(h);
}
