/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages are made as they are sent: up to a megabyte in one piece with its length (old tools want that), beyond in chunks, the
 * next one when the last one has left. A reader that goes away ends its page.
 */
#include "exporter/front.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/serve.h"
#include "exporter/own.h"
#include "exporter/page.h"

enum {
    WHOLE_MAX = 1 << 20,
    CHUNK = 128 << 10,
    LIMIT_LEAST_MS = 500,
    REPLY_S = 60, /* a reader that takes nothing for so long is gone */
};

/* One who waits for, or reads, /metrics. */
struct reader {
    struct reader *next;
    struct front *f;
    struct evhttp_request *req; /* NULL: gone */
    struct page *page;
    struct str text;
    z_stream z;
    bool packed, chunked, before, over;
};

struct front {
    struct world *w;
    struct targets *t;
    struct evhttp *http;
    bool (*leading)(void *ctx);
    void *ctx;
    struct scrape *running;
    struct reader *readers;
    struct own_numbers own;
};

static void header(struct evhttp_request *req, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(req), name, value);
}

/* ---- one page ---- */

static void reader_free(struct reader *r)
{
    struct reader **at = &r->f->readers;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    if (r->packed)
        deflateEnd(&r->z);
    page_free(r->page);
    str_free(&r->text);
    free(r);
}

/* The reader's connection ended before its page did. */
static void reader_left(struct evhttp_connection *conn, void *ctx)
{
    (void)conn;
    reader_free(ctx);
}

/* Plain text that comes next; false when it was the last. */
static bool next_text(struct reader *r, struct str *out)
{
    if (!r->before) {
        r->before = true;
        own_print(out, &r->f->own);
    }
    if (r->page && page_more(r->page, out, CHUNK))
        return true;
    prom_process(out);
    return false;
}

static void pack(struct reader *r, const struct str *text, int how, struct evbuffer *out)
{
    unsigned char buf[16 << 10];

    r->z.next_in = (unsigned char *)str_text(text);
    r->z.avail_in = (unsigned)text->len;
    do {
        r->z.next_out = buf;
        r->z.avail_out = sizeof buf;
        deflate(&r->z, how);
        evbuffer_add(out, buf, sizeof buf - r->z.avail_out);
    } while (r->z.avail_out == 0);
}

/* Makes text until `out` has `want` bytes as they are sent, or all is there. */
static void fill(struct reader *r, struct evbuffer *out, size_t want)
{
    while (!r->over && evbuffer_get_length(out) < want) {
        str_reset(&r->text);
        r->over = !next_text(r, &r->text);
        if (r->packed)
            pack(r, &r->text, r->over ? Z_FINISH : Z_NO_FLUSH, out);
        else
            evbuffer_add(out, str_text(&r->text), r->text.len);
    }
}

static void forget(struct reader *r)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(r->req), NULL, NULL);
}

static void on_sent(struct evhttp_connection *conn, void *ctx)
{
    struct reader *r = ctx;
    struct evbuffer *out;

    (void)conn;
    if (r->over) {
        forget(r);
        evhttp_send_reply_end(r->req);
        reader_free(r);
        return;
    }
    out = evbuffer_new();
    fill(r, out, CHUNK);
    evhttp_send_reply_chunk_with_cb(r->req, out, on_sent, r);
    evbuffer_free(out);
}

static void send_page(struct reader *r)
{
    struct evbuffer *out = evbuffer_new();

    header(r->req, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    if (r->packed)
        header(r->req, "Content-Encoding", "gzip");
    fill(r, out, WHOLE_MAX);
    if (r->over) {
        forget(r);
        evhttp_send_reply(r->req, 200, NULL, out);
        reader_free(r);
    } else {
        evhttp_send_reply_start(r->req, 200, NULL);
        evhttp_send_reply_chunk_with_cb(r->req, out, on_sent, r);
    }
    evbuffer_free(out);
}

/* ---- /metrics ---- */

static void look_done(void *ctx, struct scrape *s)
{
    struct front *f = ctx;

    f->running = NULL;
    f->own.scrapes++;
    f->own.hosts = s->n;
    f->own.failed = s->failed;
    f->own.took_ms = s->took_ms;
    f->own.installations = targets_count(f->t);
    for (struct reader *r = f->readers, *next; r; r = next) {
        next = r->next;
        if (!r->page) { /* the others read an older look */
            r->page = page_new(s);
            send_page(r);
        }
    }
    scrape_unref(s);
}

static bool takes_gzip(struct evhttp_request *req)
{
    const char *v = evhttp_find_header(evhttp_request_get_input_headers(req), "Accept-Encoding");

    return v && strstr(v, "gzip") && !strstr(v, "gzip;q=0");
}

/* Prometheus says when it gives up: what is there a little before that is better than nothing. */
static uint32_t limit_of(const struct front *f, struct evhttp_request *req)
{
    const char *v = evhttp_find_header(evhttp_request_get_input_headers(req), "X-Prometheus-Scrape-Timeout-Seconds");
    double given = v ? strtod(v, NULL) * 1000 : 0;
    uint32_t limit = targets_collect_ms(f->t);

    if (given > 0 && given * 0.8 < limit)
        limit = given * 0.8 < LIMIT_LEAST_MS ? LIMIT_LEAST_MS : (uint32_t)(given * 0.8);
    return limit;
}

static void on_metrics(struct evhttp_request *req, void *ctx)
{
    struct front *f = ctx;
    struct reader *r;

    if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD) {
        serve_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", "");
        return;
    }
    r = mem_zero(sizeof *r);
    *r = (struct reader){.next = f->readers, .f = f, .req = req, .text = STR_INIT};
    f->readers = r;
    r->packed = takes_gzip(req) && deflateInit2(&r->z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), reader_left, r);
    f->own.leading = !f->leading || f->leading(f->ctx);
    if (!f->own.leading) {
        f->own.hosts = f->own.failed = 0;
        send_page(r);
    } else if (!f->running) {
        f->running = scrape_start(f->w, f->t, limit_of(f, req), look_done, f);
    }
}

/* ---- the rest ---- */

static void on_chi(struct evhttp_request *req, void *ctx)
{
    struct front *f = ctx;
    auto_json cJSON *list = targets_list(f->t);
    auto_free char *json = json_print(list), *line = mem_printf("%s\n", json);

    serve_text(req, 200, "application/json", line);
}

static void on_health(struct evhttp_request *req, void *ctx)
{
    (void)ctx;
    serve_text(req, 200, "text/plain", "ok\n");
}

static void on_ready(struct evhttp_request *req, void *ctx)
{
    struct front *f = ctx;
    const char *why;
    bool ok = targets_ready(f->t, &why);
    auto_free char *line = mem_printf("%s\n", why);

    serve_text(req, ok ? 200 : 503, "text/plain", line);
}

static void on_root(struct evhttp_request *req, void *ctx)
{
    (void)ctx;
    serve_text(req, 200, "text/html",
              "<!doctype html><title>chfleet-exporter</title><p><a href=/metrics>/metrics</a> <a href=/chi>/chi</a> "
              "<a href=/ready>/ready</a>\n");
}

int front_open(struct event_base *base, struct world *w, struct targets *t, const struct front_options *opt, struct front **out,
               struct err *err)
{
    static const struct serve_page pages[] = {
        {"/metrics", on_metrics}, {"/chi", on_chi},     {"/healthz", on_health}, {"/ready", on_ready},
        {"/readyz", on_ready},    {"/", on_root},       {NULL, NULL},
    };
    struct front *f = mem_zero(sizeof *f);
    const struct serve_options serve = {.address = opt->address,
                                        .file = opt->address_file,
                                        .option = "--metrics-address",
                                        .timeout_s = REPLY_S,
                                        .pages = pages,
                                        .ctx = f};

    *f = (struct front){.w = w, .t = t, .leading = opt->leading, .ctx = opt->ctx};
    if (serve_open(base, &serve, &f->http, err) < 0) {
        free(f);
        return -1;
    }
    *out = f;
    return 0;
}

void front_close(struct front *f)
{
    if (!f)
        return;
    scrape_unref(f->running);
    f->running = NULL;
    evhttp_free(f->http); /* ends the readers too, by reader_left() */
    while (f->readers)
        reader_free(f->readers);
    free(f);
}
