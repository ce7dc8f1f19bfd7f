/* SPDX-License-Identifier: Apache-2.0 */
#include "base/serve.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <string.h>

#include "base/addr.h"

enum { REQUEST_MAX = 16384 };

void serve_text(struct evhttp_request *req, int code, const char *type, const char *text)
{
    struct evbuffer *buf = evbuffer_new();
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);

    if (evhttp_request_get_command(req) != EVHTTP_REQ_HEAD)
        evbuffer_add(buf, text, strlen(text));
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_send_reply(req, code, NULL, buf);
    evbuffer_free(buf);
}

int serve_open(struct event_base *base, const struct serve_options *opt, struct evhttp **out, struct err *err)
{
    struct evhttp *http;
    struct evhttp_bound_socket *sock;
    char host[128];
    unsigned short port = 0;

    if (addr_split(opt->address, opt->option, host, sizeof host, &port, err) < 0)
        return -1;
    http = evhttp_new(base);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(http, REQUEST_MAX);
    evhttp_set_max_body_size(http, REQUEST_MAX);
    evhttp_set_timeout(http, opt->timeout_s);
    for (const struct serve_page *p = opt->pages; p->path; p++)
        evhttp_set_cb(http, p->path, p->answer, opt->ctx);
    sock = evhttp_bind_socket_with_handle(http, host, port);
    if (!sock)
        err_set(err, ERR_SYS, 0, "cannot listen on %s: is the port used by another program? Choose one with %s",
                opt->address, opt->option);
    if (!sock || (opt->file && addr_write(evhttp_bound_socket_get_fd(sock), host, opt->file, err) < 0)) {
        evhttp_free(http);
        return -1;
    }
    *out = http;
    return 0;
}
