/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's small HTTP front: read-only, for probes, Prometheus, `chfleet status` and people with a browser. */
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prom.h"
#include "base/serve.h"
#include "supervisor/internal.h"

enum { REPLY_S = 30 };

struct http_front {
    struct evhttp *http;
    struct super *s;
};

static void on_health(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;
    const char *why = "";
    bool ok = super_healthy(h->s, &why);

    serve_text(req, ok ? 200 : 503, "text/plain", why);
}

static void on_ready(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;

    serve_text(req, super_synced(h->s) ? 200 : 503, "text/plain",
              super_synced(h->s) ? "ok" : "watches are not complete yet");
}

static void on_status(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;
    auto_json cJSON *j = super_status(h->s);
    auto_free char *text = json_print(j);

    serve_text(req, 200, "application/json", text);
}

static void on_metrics(struct evhttp_request *req, void *ctx)
{
    struct http_front *h = ctx;
    auto_str struct str out = STR_INIT;

    super_metrics(h->s, &out);
    prom_process(&out);
    super_target_info(h->s, &out);
    serve_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", str_text(&out));
}

static void on_page(struct evhttp_request *req, void *ctx)
{
    static const char page[] =
#include "supervisor/page.inc"
        ;

    (void)ctx;
    serve_text(req, 200, "text/html; charset=utf-8", page);
}

int http_front_open(struct event_base *base, struct super *s, const char *address, const char *file,
                    struct http_front **out, struct err *err)
{
    static const struct serve_page pages[] = {
        {"/healthz", on_health}, {"/readyz", on_ready}, {"/status", on_status},
        {"/metrics", on_metrics}, {"/", on_page}, {NULL, NULL},
    };
    struct http_front *h = mem_zero(sizeof *h);
    const struct serve_options opt = {.address = address,
                                      .file = file,
                                      .option = "--status-address",
                                      .timeout_s = REPLY_S,
                                      .pages = pages,
                                      .ctx = h};

    h->s = s;
    if (serve_open(base, &opt, &h->http, err) < 0) {
        free(h);
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
