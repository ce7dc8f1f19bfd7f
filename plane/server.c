/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/server_priv.h"

enum { CONNS_MAX = 2000, IDLE_S = 180 };

static void next_request(struct conn *c);

/* ---- connections ---- */

size_t conn_pending(const struct conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static void wake_flush(struct server *s)
{
    struct timeval now = {0, 0};

    evtimer_add(s->flush_event, &now);
}

/* libevent may still be inside this connection's callback: it is freed at the end of the round. */
void conn_kill(struct conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    stream_stop(c);
    c->state = CONN_DEAD;
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    *c->back = c->next;
    if (c->next)
        c->next->back = c->back;
    c->next = c->server->dead;
    c->server->dead = c;
    wake_flush(c->server);
}

static void conn_free(struct conn *c)
{
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

    if (ssl)
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
    if (ssl && SSL_is_init_finished(ssl))
        SSL_shutdown(ssl);
    ERR_clear_error();
    bufferevent_free(c->bev);
    http_head_free(&c->head);
    str_free(&c->body.bytes);
    api_response_free(&c->res);
    c->server->n_conns--;
    free(c);
}

void conn_doom(struct conn *c)
{
    c->doomed = true;
    wake_flush(c->server);
}

void conn_write(struct conn *c, const void *data, size_t len)
{
    if (c->state != CONN_DEAD)
        bufferevent_write(c->bev, data, len);
}

void conn_write_chunk(struct conn *c, const void *data, size_t len)
{
    char head[24];
    int n = snprintf(head, sizeof head, "%zx\r\n", len);

    if (len == 0)
        return; /* would end the stream */
    conn_write(c, head, (size_t)n);
    conn_write(c, data, len);
    conn_write(c, "\r\n", 2);
}

void conn_finish(struct conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    stream_stop(c);
    c->state = CONN_LAST;
    if (conn_pending(c) == 0)
        conn_kill(c);
}

/* ---- answers ---- */

static const char *status_text(int code)
{
    static const struct {
        int code;
        const char *text;
    } texts[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {409, "Conflict"},
                 {410, "Gone"},
                 {413, "Request Entity Too Large"},
                 {415, "Unsupported Media Type"},
                 {422, "Unprocessable Entity"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].code == code)
            return texts[i].text;
    return "Status";
}

static void send_response(struct conn *c)
{
    auto_str struct str head = STR_INIT;
    bool keep = c->keep_alive;

    stream_stop(c);
    str_addf(&head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-cache, private\r\n",
             c->res.status, status_text(c->res.status), c->res.content_type, c->res.body.len);
    str_add(&head, str_text(&c->res.headers));
    str_add(&head, keep ? "\r\n" : "Connection: close\r\n\r\n");
    conn_write(c, head.s, head.len);
    if (c->res.body.len)
        conn_write(c, c->res.body.s, c->res.body.len);
    api_response_free(&c->res);
    memset(&c->res, 0, sizeof c->res);
    http_head_free(&c->head);
    str_free(&c->body.bytes);
    if (keep)
        c->state = CONN_HEAD;
    else
        conn_finish(c);
}

void conn_answer_fail(struct conn *c, int code, const char *reason, const char *text)
{
    api_response_free(&c->res);
    memset(&c->res, 0, sizeof c->res);
    api_fail(&c->res, code, reason, "%s", text);
    send_response(c);
}

/* An answer may not be seen before what it says is durable. */
static void hold_response(struct conn *c)
{
    c->state = CONN_HELD;
    wake_flush(c->server);
}

static void release_held(struct server *s, bool stored)
{
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (c->state != CONN_HELD)
            continue;
        if (stored || !c->res.wrote)
            send_response(c);
        else
            conn_answer_fail(c, 500, "InternalError",
                             "the change could not be made durable yet (see the log of chfleet-plane: the disk may be "
                             "full); it is tried again every second: read the object before you repeat the request");
        if (c->state == CONN_HEAD)
            next_request(c);
    }
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    struct err err = ERR_INIT;
    bool stored;

    (void)fd;
    (void)what;
    stored = store_flush(s->o.store, &err) == 0;
    release_held(s, stored);
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (c->doomed)
            conn_kill(c);
    }
    while (s->dead) {
        struct conn *c = s->dead;

        s->dead = c->next;
        conn_free(c);
    }
}

/* ---- requests ---- */

static bool same_secret(const char *a, const char *b)
{
    size_t n = strlen(a);

    return strlen(b) == n && CRYPTO_memcmp(a, b, n) == 0;
}

static bool is_health(const char *path)
{
    return strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0 || strcmp(path, "/readyz") == 0;
}

static bool authorized(const struct conn *c)
{
    const char *auth = http_head_get(&c->head, "Authorization");

    if (is_health(c->head.path))
        return true;
    if (!auth || strncasecmp(auth, "Bearer ", 7) != 0)
        return false;
    auth += 7 + strspn(auth + 7, " ");
    return same_secret(auth, c->server->o.tls->token);
}

void conn_request(const struct conn *c, struct api_request *req)
{
    *req = (struct api_request){
        .method = c->head.method,
        .path = c->head.path,
        .query = c->head.query,
        .content_type = http_head_get(&c->head, "Content-Type"),
        .accept = http_head_get(&c->head, "Accept"),
        .user = "chfleet",
        .body = str_text(&c->body.bytes),
        .body_len = c->body.bytes.len,
    };
}

static void watch_emit(void *ctx, const char *data, size_t len)
{
    struct conn *c = ctx;

    if (c->state != CONN_WATCH || c->doomed)
        return;
    conn_write_chunk(c, data, len);
    if (conn_pending(c) > CONN_OUT_MAX) { /* a client that does not read; it lists again when it is back */
        log_warn(NULL, "a watch of %s is closed: its client does not read", c->head.path);
        conn_doom(c);
    }
}

static void watch_done(void *ctx)
{
    struct conn *c = ctx;

    c->watch = NULL;
    conn_write(c, "0\r\n\r\n", 5);
    conn_finish(c);
}

static void start_watch(struct conn *c)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
                               "Cache-Control: no-cache, private\r\nConnection: close\r\n\r\n";
    struct api_request req;

    conn_request(c, &req);
    c->state = CONN_WATCH;
    c->watch = api_watch_open(c->server->o.api, &req, watch_emit, watch_done, c);
    if (!c->watch) {
        conn_answer_fail(c, 400, "BadRequest", "this cannot be watched");
        return;
    }
    conn_write(c, head, sizeof head - 1);
    bufferevent_set_timeouts(c->bev, NULL, NULL);
}

static void run_request(struct conn *c)
{
    struct api_request req;
    enum api_outcome outcome;

    if (!authorized(c)) {
        conn_answer_fail(c, 401, "Unauthorized",
                         "Unauthorized: use the kubeconfig that chfleet-plane wrote into its data directory");
        return;
    }
    conn_request(c, &req);
    outcome = api_handle(c->server->o.api, &req, &c->res);
    if (outcome == API_DONE) {
        hold_response(c);
        return;
    }
    api_response_free(&c->res);
    memset(&c->res, 0, sizeof c->res);
    if (outcome == API_WATCH)
        start_watch(c);
    else
        stream_start(c, outcome);
}

static const char *reason_of(int code)
{
    return code == 413 ? "RequestEntityTooLarge" : "BadRequest";
}

/* Takes what can be taken from the input; true when a step was made. */
static bool read_head(struct conn *c, struct evbuffer *in)
{
    size_t used = 0, len = evbuffer_get_length(in);
    int status = 0, rc;

    if (len > HTTP_HEAD_MAX + 1)
        len = HTTP_HEAD_MAX + 1;
    if (len == 0)
        return false;
    rc = http_head_parse((const char *)evbuffer_pullup(in, (ev_ssize_t)len), len, &c->head, &used, &status);
    if (rc < 0) {
        c->keep_alive = false;
        conn_answer_fail(c, status, reason_of(status),
                         "the request is not well-formed HTTP/1.1, or too large (objects: 3 MiB, headers: 64 KiB)");
    }
    if (rc <= 0)
        return false;
    evbuffer_drain(in, used);
    c->keep_alive = c->head.keep_alive;
    http_body_begin(&c->body, &c->head);
    c->state = CONN_BODY;
    if (c->head.expect_continue)
        conn_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    return true;
}

static bool read_body(struct conn *c, struct evbuffer *in)
{
    size_t used = 0, len = evbuffer_get_length(in);
    int status = 0, rc;

    rc = http_body_feed(&c->body, len ? (const char *)evbuffer_pullup(in, -1) : "", len, &used, &status);
    evbuffer_drain(in, used);
    if (rc < 0) {
        c->keep_alive = false;
        conn_answer_fail(c, status, reason_of(status),
                         "the body of the request is too large (3 MiB) or not well-formed");
        return false;
    }
    if (rc == 1)
        run_request(c);
    return rc == 1;
}

static void next_request(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    bool more = true;

    while (more) {
        if (c->state == CONN_HEAD)
            more = read_head(c, in);
        else if (c->state == CONN_BODY)
            more = read_body(c, in);
        else
            more = false;
    }
}

/* ---- libevent callbacks ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;

    if (c->state == CONN_HEAD || c->state == CONN_BODY)
        next_request(c);
    else if (c->state == CONN_EXEC || c->state == CONN_FORWARD)
        stream_input(c);
    else if (c->state != CONN_HELD && c->state != CONN_DEAD)
        evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    if (c->state == CONN_LAST && conn_pending(c) == 0)
        conn_kill(c);
    else if (c->state == CONN_LOGS || c->state == CONN_EXEC || c->state == CONN_FORWARD)
        stream_drained(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
        conn_kill(c);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len, void *arg)
{
    struct server *s = arg;
    struct timeval idle = {IDLE_S, 0};
    struct conn *c;
    SSL *ssl;
    int one = 1;

    (void)l;
    (void)addr;
    (void)len;
    if (s->n_conns >= CONNS_MAX || !(ssl = SSL_new(s->ssl))) {
        evutil_closesocket(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c = mem_zero(sizeof *c);
    c->server = s;
    c->bev = bufferevent_openssl_socket_new(s->o.base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!c->bev) {
        SSL_free(ssl);
        evutil_closesocket(fd);
        free(c);
        return;
    }
    s->n_conns++;
    c->next = s->conns;
    c->back = &s->conns;
    if (c->next)
        c->next->back = &c->next;
    s->conns = c;
    bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_set_timeouts(c->bev, &idle, &idle);
    bufferevent_setwatermark(c->bev, EV_READ, 0, 256 << 10);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* ---- life ---- */

static int load_identity(SSL_CTX *ctx, const struct tls_files *f)
{
    BIO *bio = BIO_new_mem_buf(f->cert, -1), *key_bio = BIO_new_mem_buf(f->key, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    bool ok = cert && key && SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(bio);
    BIO_free(key_bio);
    return ok ? 0 : -1;
}

static int make_ssl(struct server *s, struct err *err)
{
    s->ssl = SSL_CTX_new(TLS_server_method());
    if (!s->ssl || load_identity(s->ssl, s->o.tls) < 0)
        return err_set(err, ERR_SYS, 0, "the server certificate cannot be used: %s",
                       ERR_reason_error_string(ERR_peek_last_error()));
    SSL_CTX_set_min_proto_version(s->ssl, TLS1_2_VERSION);
    SSL_CTX_set_mode(s->ssl,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(s->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(s->ssl, 0);
    SSL_CTX_set_options(s->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    return 0;
}

static int loopback_address(const char *host, unsigned port, struct sockaddr_storage *out, int *len, struct err *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 && (ntohl(v4->sin_addr.s_addr) >> 24) == 127) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof *v4;
        return 0;
    }
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *len = sizeof *v6;
        return 0;
    }
    return err_set(err, ERR_INPUT, 0,
                   "%s is no loopback address: the plane is for one machine and listens on 127.0.0.1 or ::1 only",
                   host);
}

static unsigned bound_port(struct evconnlistener *l)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;

    if (getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&a, &n) < 0)
        return 0;
    return ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port
                                        : ((struct sockaddr_in6 *)&a)->sin6_port);
}

int server_start(const struct server_options *o, struct server **out, struct err *err)
{
    struct server *s = mem_zero(sizeof *s);
    struct sockaddr_storage addr;
    int len = 0;

    s->o = *o;
    if (loopback_address(o->host, o->port, &addr, &len, err) < 0 || make_ssl(s, err) < 0) {
        server_stop(s);
        return -1;
    }
    s->flush_event = evtimer_new(o->base, on_flush, s);
    s->listener = evconnlistener_new_bind(o->base, on_accept, s,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, 128,
                                          (struct sockaddr *)&addr, len);
    if (!s->listener) {
        int e = errno;

        server_stop(s);
        return err_set(err, e == EADDRINUSE ? ERR_REFUSED : ERR_SYS, e == EADDRINUSE ? 0 : e, "listen on %s:%u%s",
                       o->host, o->port,
                       e == EADDRINUSE ? ": the port is taken by another program; give another one with --listen" : "");
    }
    s->port = bound_port(s->listener);
    *out = s;
    return 0;
}

unsigned server_port(const struct server *s)
{
    return s->port;
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    if (s->listener)
        evconnlistener_free(s->listener);
    while (s->conns)
        conn_kill(s->conns);
    while (s->dead) {
        struct conn *c = s->dead;

        s->dead = c->next;
        conn_free(c);
    }
    if (s->flush_event)
        event_free(s->flush_event);
    SSL_CTX_free(s->ssl);
    free(s);
}
