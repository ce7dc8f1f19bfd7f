/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/world_real.h"

struct net {
    struct world *w;
    struct evhttp *server;
    struct evhttp_request *held[4]; /* answers that are still being written */
    int n_held;
    unsigned port, peers[16], requests;
    SSL_CTX *tls;
    char *cert_pem, *key_pem;
};

struct call {
    struct net *n;
    struct world_http *h;
    int done, status;
    bool sent;
    struct str body, stream;
    char type[64];
    struct err why;
    const char *cancel_at; /* cancel when the stream holds this */
};

/* ---- the server ---- */

static void answer(struct evhttp_request *req, void *ctx)
{
    struct net *n = ctx;
    const char *uri = evhttp_request_get_uri(req);
    struct evbuffer *out = evbuffer_new();
    char *host;
    uint16_t port;

    evhttp_connection_get_peer(evhttp_request_get_connection(req), &host, &port);
    n->peers[n->requests++ % 16] = port;
    if (strcmp(uri, "/hang") == 0) {
        n->held[n->n_held++] = req;
    } else if (strcmp(uri, "/drip") == 0) {
        n->held[n->n_held++] = req;
        evhttp_send_reply_start(req, 200, "OK");
        evbuffer_add_printf(out, "one\n");
        evhttp_send_reply_chunk(req, out);
    } else if (strcmp(uri, "/drop") == 0) {
        shutdown(bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(req))), SHUT_RDWR);
    } else {
        struct evbuffer *in = evhttp_request_get_input_buffer(req);

        evhttp_add_header(evhttp_request_get_output_headers(req), "X-Reply", "  spaced value ");
        evbuffer_add_printf(out, "%s ", uri);
        evbuffer_add_buffer(out, in);
        evhttp_send_reply(req, strcmp(uri, "/busy") == 0 ? 429 : 200, "OK", out);
    }
    evbuffer_free(out);
}

static struct bufferevent *tls_bev(struct event_base *base, void *ctx)
{
    struct net *n = ctx;

    return bufferevent_openssl_socket_new(base, -1, SSL_new(n->tls), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

static char *pem_of(void (*write)(BIO *, void *), void *what)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    write(bio, what);
    n = BIO_get_mem_data(bio, &text);
    text = mem_strn(text, (size_t)n);
    BIO_free(bio);
    return text;
}

static void write_cert(BIO *bio, void *cert)
{
    PEM_write_bio_X509(bio, cert);
}

static void write_key(BIO *bio, void *key)
{
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
}

/* A self-signed certificate for 127.0.0.1, made here so that no key lies in the tree. */
static void make_tls(struct net *n)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1,DNS:api.internal");

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
                               0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    X509_add_ext(cert, san, -1);
    X509_sign(cert, key, EVP_sha256());
    n->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(n->tls, cert);
    SSL_CTX_use_PrivateKey(n->tls, key);
    n->cert_pem = pem_of(write_cert, cert);
    n->key_pem = pem_of(write_key, key);
    X509_EXTENSION_free(san);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int setup(void **state)
{
    struct net *n = mem_zero(sizeof *n);
    struct err err = ERR_INIT;
    struct evhttp_bound_socket *sock;
    struct sockaddr_in sin;
    socklen_t len = sizeof sin;

    assert_int_equal(world_real_new(NULL, &n->w, &err), 0);
    n->server = evhttp_new(world_real_base(n->w));
    evhttp_set_allowed_methods(n->server, 0xffff);
    evhttp_set_gencb(n->server, answer, n);
    sock = evhttp_bind_socket_with_handle(n->server, "127.0.0.1", 0);
    assert_non_null(sock);
    getsockname(evhttp_bound_socket_get_fd(sock), (void *)&sin, &len);
    n->port = ntohs(sin.sin_port);
    *state = n;
    return 0;
}

static int teardown(void **state)
{
    struct net *n = *state;

    for (int i = 0; i < n->n_held; i++)
        if (!evhttp_request_get_connection(n->held[i])) /* its client went: it is ours */
            evhttp_request_free(n->held[i]);
    evhttp_free(n->server);
    world_real_free(n->w);
    SSL_CTX_free(n->tls);
    free(n->cert_pem);
    free(n->key_pem);
    free(n);
    return 0;
}

/* ---- the client ---- */

static void on_done(void *ctx, const struct http_response *res)
{
    struct call *c = ctx;

    c->done++;
    c->status = res->status;
    c->sent = res->sent;
    c->why = res->why;
    assert_int_equal(strlen(res->body), res->body_len);
    str_add(&c->body, res->body);
    http_header(res, "x-reply", c->type, sizeof c->type);
    c->n->w->ops->quit(c->n->w, 0);
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct call *c = ctx;

    assert_int_equal(c->done, 0);
    str_addn(&c->stream, data, len);
    if (c->cancel_at && strstr(str_text(&c->stream), c->cancel_at)) {
        c->n->w->ops->http_cancel(c->n->w, c->h);
        c->h = NULL;
    }
    c->n->w->ops->quit(c->n->w, 0);
}

static void start(struct net *n, struct call *c, const char *method, const char *path, struct http_request *req)
{
    auto_free char *url = mem_printf("%s://127.0.0.1:%u%s", n->tls ? "https" : "http", n->port, path);

    c->n = n;
    req->method = method;
    req->url = url;
    c->h = n->w->ops->http(n->w, req, req->flags & HTTP_STREAM ? on_data : NULL, on_done, c);
}

static void call(struct net *n, struct call *c, const char *method, const char *path, struct http_request *req)
{
    start(n, c, method, path, req);
    assert_int_equal(c->done, 0); /* never inside the call */
    while (!c->done)
        world_real_run(n->w);
}

static void call_free(struct call *c)
{
    str_free(&c->body);
    str_free(&c->stream);
}
#define auto_call __attribute__((cleanup(call_free)))

static void on_pause(void *ctx)
{
    struct world *w = ctx;

    w->ops->quit(w, 1);
}

static void pause_ms(struct net *n, uint64_t ms)
{
    world_timer(n->w, ms, on_pause, n->w);
    while (world_real_run(n->w) != 1)
        continue;
}

/* ---- facts ---- */

static void bodies_headers_and_status_come_through(void **state)
{
    struct net *n = *state;
    const char *const headers[] = {"X-Test: 1", NULL};
    auto_call struct call get = {0}, post = {0}, patch = {0}, busy = {0};
    struct http_request plain = {.headers = headers}, body = {.body = "{\"a\":1}", .body_len = 7, .flags = HTTP_KEEP};

    call(n, &get, "GET", "/x", &plain);
    assert_int_equal(get.status, 200);
    assert_string_equal(str_text(&get.body), "/x ");
    assert_string_equal(get.type, "spaced value");
    call(n, &post, "POST", "/p", &body);
    assert_string_equal(str_text(&post.body), "/p {\"a\":1}");
    call(n, &patch, "PATCH", "/q", &body);
    assert_string_equal(str_text(&patch.body), "/q {\"a\":1}");
    call(n, &busy, "DELETE", "/busy", &body);
    assert_int_equal(busy.status, 429);
    assert_string_equal(str_text(&busy.body), "/busy {\"a\":1}");
}

static void kept_connections_are_shared_and_alone_ones_are_not(void **state)
{
    struct net *n = *state;
    struct call c[4] = {0};
    struct http_request keep = {.flags = HTTP_KEEP}, alone = {.flags = HTTP_ALONE};

    for (int i = 0; i < 4; i++) {
        call(n, &c[i], "GET", "/", i < 2 ? &keep : &alone);
        call_free(&c[i]);
    }
    assert_int_equal(n->peers[0], n->peers[1]);
    assert_int_not_equal(n->peers[2], n->peers[0]);
    assert_int_not_equal(n->peers[3], n->peers[2]);
}

static void a_refused_connection_was_surely_not_sent(void **state)
{
    struct net *n = *state;
    auto_call struct call c = {0}, d = {0};
    struct http_request req = {.body = "x", .body_len = 1};
    unsigned port = n->port;

    n->port = 1;
    call(n, &c, "POST", "/secret?password=x", &req);
    assert_int_equal(c.status, 0);
    assert_int_equal(c.why.kind, ERR_AGAIN);
    assert_false(c.sent);
    assert_null(strstr(c.why.msg, "password"));
    assert_non_null(strstr(c.why.msg, "POST http://127.0.0.1:1/secret"));
    n->port = port;
    call(n, &d, "POST", "/drop", &req);
    assert_int_equal(d.status, 0);
    assert_int_equal(d.why.kind, ERR_AGAIN);
    assert_true(d.sent);
}

static void a_sent_body_is_never_sent_again_by_itself(void **state)
{
    struct net *n = *state;
    auto_call struct call warm = {0}, post = {0};
    struct http_request keep = {.flags = HTTP_KEEP}, body = {.body = "x", .body_len = 1, .flags = HTTP_KEEP};

    call(n, &warm, "GET", "/", &keep);
    call(n, &post, "POST", "/drop", &body); /* on the kept connection, which ends without an answer */
    assert_int_equal(post.status, 0);
    assert_true(post.sent);
    assert_int_equal(n->requests, 2);
}

static void time_limits_hold(void **state)
{
    struct net *n = *state;
    auto_call struct call total = {0}, idle = {0};
    struct http_request t = {.total_ms = 80}, i = {.idle_ms = 80, .flags = HTTP_STREAM | HTTP_KEEP};
    uint64_t from = world_mono(n->w);

    call(n, &total, "GET", "/hang", &t);
    assert_int_equal(total.status, 0);
    assert_int_equal(total.why.kind, ERR_AGAIN);
    assert_true(total.sent);
    assert_in_range(world_mono(n->w) - from, 80, 1000);
    from = world_mono(n->w);
    call(n, &idle, "GET", "/drip", &i);
    assert_string_equal(str_text(&idle.stream), "one\n");
    assert_int_equal(idle.status, 0);
    assert_non_null(strstr(idle.why.msg, "no byte came for 80 ms"));
    assert_in_range(world_mono(n->w) - from, 80, 1000);
}

static void after_a_timeout_a_kept_connection_is_not_trusted(void **state)
{
    struct net *n = *state;
    auto_call struct call a = {0}, b = {0}, c = {0};
    struct http_request keep = {.flags = HTTP_KEEP}, slow = {.flags = HTTP_KEEP, .total_ms = 50};

    call(n, &a, "GET", "/", &keep);
    call(n, &b, "GET", "/hang", &slow);
    call(n, &c, "GET", "/", &keep);
    assert_int_equal(c.status, 200);
    assert_int_not_equal(n->peers[2], n->peers[0]);
}

static void streams_come_as_they_are_written(void **state)
{
    struct net *n = *state;
    auto_call struct call c = {0};
    struct http_request req = {.flags = HTTP_STREAM | HTTP_KEEP};
    struct evbuffer *out = evbuffer_new();

    start(n, &c, "GET", "/drip", &req);
    while (c.stream.len < 4)
        world_real_run(n->w);
    assert_int_equal(c.done, 0);
    evbuffer_add_printf(out, "two\n");
    evhttp_send_reply_chunk(n->held[0], out);
    evhttp_send_reply_end(n->held[0]);
    n->n_held = 0;
    while (!c.done)
        world_real_run(n->w);
    assert_string_equal(str_text(&c.stream), "one\ntwo\n");
    assert_int_equal(c.status, 200);
    assert_string_equal(str_text(&c.body), "");
    evbuffer_free(out);
}

static void a_refused_stream_comes_as_a_body(void **state)
{
    struct net *n = *state;
    auto_call struct call c = {0};
    struct http_request req = {.flags = HTTP_STREAM | HTTP_KEEP};

    call(n, &c, "GET", "/busy", &req);
    assert_int_equal(c.status, 429);
    assert_string_equal(str_text(&c.body), "/busy ");
    assert_int_equal(c.stream.len, 0);
}

static void a_cancelled_request_calls_nobody(void **state)
{
    struct net *n = *state;
    auto_call struct call c = {0}, d = {.cancel_at = "one"};
    struct http_request req = {.flags = HTTP_STREAM | HTTP_KEEP, .idle_ms = 50};

    start(n, &c, "GET", "/x", &req);
    n->w->ops->http_cancel(n->w, c.h);
    start(n, &d, "GET", "/drip", &req); /* cancels itself inside its on_data */
    while (d.h)
        world_real_run(n->w);
    pause_ms(n, 120);
    assert_int_equal(c.done + d.done, 0);
    assert_int_equal(c.stream.len, 0);
}

static void tls_trusts_only_the_given_authority(void **state)
{
    struct net *n = *state;
    auto_call struct call good = {0}, none = {0}, off = {0}, name = {0}, wrong = {0}, client = {0};
    struct http_tls ca = {0}, no = {0}, any = {.insecure = true}, named, bad, both;
    struct http_request req = {.flags = HTTP_KEEP};

    make_tls(n);
    evhttp_set_bevcb(n->server, tls_bev, n);
    ca.ca = n->cert_pem;
    named = bad = both = ca;
    named.server_name = "api.internal";
    bad.server_name = "other.internal";
    req.tls = &ca;
    call(n, &good, "GET", "/t", &req);
    assert_string_equal(good.why.msg, "");
    assert_int_equal(good.status, 200);
    req.tls = &no;
    call(n, &none, "GET", "/t", &req);
    assert_int_equal(none.status, 0);
    assert_int_equal(none.why.kind, ERR_REFUSED);
    assert_false(none.sent);
    req.tls = &any;
    call(n, &off, "GET", "/t", &req);
    assert_int_equal(off.status, 200);
    req.tls = &named;
    call(n, &name, "GET", "/t", &req);
    assert_int_equal(name.status, 200);
    req.tls = &bad;
    call(n, &wrong, "GET", "/t", &req);
    assert_int_equal(wrong.why.kind, ERR_REFUSED);
    SSL_CTX_set_verify(n->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(n->tls), SSL_CTX_get0_certificate(n->tls));
    both.cert = n->cert_pem;
    both.key = n->key_pem;
    req.tls = &both;
    call(n, &client, "GET", "/t", &req);
    assert_string_equal(client.why.msg, "");
    assert_int_equal(client.status, 200);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(bodies_headers_and_status_come_through),
        T(kept_connections_are_shared_and_alone_ones_are_not),
        T(a_refused_connection_was_surely_not_sent),
        T(a_sent_body_is_never_sent_again_by_itself),
        T(time_limits_hold),
        T(after_a_timeout_a_kept_connection_is_not_trusted),
        T(streams_come_as_they_are_written),
        T(a_refused_stream_comes_as_a_body),
        T(a_cancelled_request_calls_nobody),
        T(tls_trusts_only_the_given_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
