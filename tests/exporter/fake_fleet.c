/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-fleet PORT HOSTS VALUES: an API server with one installation of so many hosts, and all these hosts at once, on one port of
 * 127.0.0.1: their names end with .localhost. Each answers with so many events. For the test of the exporter with a large fleet.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct fake {
    unsigned port, hosts, values;
    struct str numbers; /* the answer of metrics_values */
};

static void answer(struct evhttp_request *req, const char *type, const char *text, size_t len)
{
    struct evbuffer *buf = evbuffer_new();

    evbuffer_add(buf, text, len);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
    evhttp_send_reply(req, 200, NULL, buf);
    evbuffer_free(buf);
}

static void installation(const struct fake *f, struct str *out)
{
    str_addf(out,
             "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"big\",\"namespace\":\"ns\","
             "\"uid\":\"u\",\"generation\":1,\"resourceVersion\":\"5\",\"labels\":{\"team\":\"blue\"}},\"spec\":{\"namespaceDomainPattern\":"
             "\"%%s.localhost\",\"configuration\":{\"clusters\":[{\"name\":\"main\",\"layout\":{\"shardsCount\":%u}}]},\"defaults\":{\"templates\":"
             "{\"hostTemplate\":\"h\"}},\"templates\":{\"hostTemplates\":[{\"name\":\"h\",\"spec\":{\"httpPort\":%u}}]}}}",
             f->hosts, f->port);
}

static void stateful_sets(const struct fake *f, struct str *out)
{
    for (unsigned i = 0; i < f->hosts; i++)
        str_addf(out,
                 "%s{\"metadata\":{\"name\":\"chi-big-main-%u-0\",\"namespace\":\"ns\",\"uid\":\"s%u\",\"resourceVersion\":\"5\","
                 "\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"replicas\":1},\"status\":{\"readyReplicas\":1}}",
                 i ? "," : "", i, i);
}

static void api(struct fake *f, struct evhttp_request *req, const char *uri)
{
    auto_str struct str out = STR_INIT;

    if (strstr(uri, "watch=")) { /* nothing ever changes */
        evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "application/json");
        evhttp_send_reply_start(req, 200, NULL);
        return;
    }
    if (strcmp(uri, "/version") == 0) {
        str_add(&out, "{\"major\":\"1\",\"minor\":\"32\",\"gitVersion\":\"v1.32.0\"}");
    } else {
        str_add(&out, "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[");
        if (strstr(uri, "/clickhouseinstallations"))
            installation(f, &out);
        if (strstr(uri, "/statefulsets"))
            stateful_sets(f, &out);
        str_add(&out, "]}");
    }
    answer(req, "application/json", str_text(&out), out.len);
}

static void host(struct fake *f, struct evhttp_request *req)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(req);
    auto_free char *text = mem_strn((const char *)evbuffer_pullup(in, -1), evbuffer_get_length(in));
    static const char table[] = "d\tt%u\t1\t2\t3\t400\t900\t50\t512\t64\n";
    auto_str struct str out = STR_INIT;

    if (strstr(text, "uptime()")) {
        str_add(&out, "24.8.4.13\t100\n");
    } else if (strstr(text, "system.asynchronous_metrics")) {
        answer(req, "text/plain", str_text(&f->numbers), f->numbers.len);
        return;
    } else if (strstr(text, "FROM system.parts")) {
        for (unsigned i = 0; i < 50; i++)
            str_addf(&out, table, i);
    } else if (strstr(text, "system.disks")) {
        str_add(&out, "default\t10\t20\n");
    }
    answer(req, "text/plain", str_text(&out), out.len);
}

static void on_request(struct evhttp_request *req, void *ctx)
{
    if (evhttp_request_get_command(req) == EVHTTP_REQ_POST)
        host(ctx, req);
    else
        api(ctx, req, evhttp_request_get_uri(req));
}

int main(int argc, char **argv)
{
    struct fake f = {.numbers = STR_INIT};
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);

    if (argc != 4)
        return 2;
    f.port = (unsigned)atoi(argv[1]);
    f.hosts = (unsigned)atoi(argv[2]);
    f.values = (unsigned)atoi(argv[3]);
    str_add(&f.numbers, "0\t24.8.4.13\t\n");
    for (unsigned i = 0; i < f.values; i++)
        str_addf(&f.numbers, "3\tEventNumber%u\t%u\n", i, i * 17);
    evhttp_set_gencb(http, on_request, &f);
    if (evhttp_bind_socket(http, "127.0.0.1", (unsigned short)f.port) < 0) {
        fprintf(stderr, "port %u is used\n", f.port);
        return 1;
    }
    event_base_dispatch(base);
    return 0;
}
