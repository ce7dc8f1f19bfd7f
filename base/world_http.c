/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP of the real world: libcurl's multi interface on the libevent loop.
 *
 * No callback of the user runs inside a call of libcurl (which forbids it to start or cancel transfers): what libcurl
 * hands over is kept, and delivered by pump() after libcurl has returned.
 *
 * Kept connections live in a pool (one CURLM) apart from that of single requests, whose HTTP/1.1 would make libcurl
 * forget that the server speaks HTTP/2. A kept transfer that timed out says that its connection may be dead without
 * anybody knowing, so its pool is retired: running transfers end in it, new ones get a new pool.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/world_impl.h"

enum {
    BODY_MAX = 64 << 20,
    HEAD_MAX = 256 << 10,
    CONNECT_MS = 5000,
    UNACKED_MS = 30000, /* sent bytes that nobody acknowledged for so long: the connection is dead */
    POOL_KEEPS = 16,
    ALONE_BUFFER = 8 << 10,
    ALONE_UPLOAD = 16 << 10, /* the least that curl takes */
};

struct http_pool {
    LIST_ENTRY(http_pool) link;
    struct world_real *w;
    CURLM *multi;
    struct event *timer;
    TAILQ_HEAD(, world_http) ready; /* streams with bytes for their user */
    unsigned running, depth;        /* depth: pump() is at work in it */
    bool kept, retired;
};

struct world_http {
    LIST_ENTRY(world_http) link;
    TAILQ_ENTRY(world_http) ready_link;
    struct http_pool *pool;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char *where, *body; /* where: "GET https://host:port/path", for errors */
    size_t body_len, body_off;
    struct str in, head;
    struct event *idle;
    uint64_t heard_ms;
    uint32_t idle_ms;
    unsigned flags;
    bool ready, busy, cancelled, too_big;
    http_data_fn *on_data;
    http_done_fn *on_done;
    void (*on_socket)(void *ctx, int fd, const struct err *why); /* world_http_connect() */
    void *ctx;
    char reason[CURL_ERROR_SIZE];
};

static void pump(struct http_pool *pool);

/* ---- pool ---- */

static void on_socket_event(evutil_socket_t fd, short what, void *ctx)
{
    struct http_pool *pool = ctx;
    int bits = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0), running;

    curl_multi_socket_action(pool->multi, fd, bits, &running);
    pump(pool);
}

static void on_timer_event(evutil_socket_t fd, short what, void *ctx)
{
    struct http_pool *pool = ctx;
    int running;

    (void)fd;
    (void)what;
    curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    pump(pool);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_pool *pool = ctx;
    struct event *ev = socket_ctx;
    short bits = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

    (void)easy;
    if (ev)
        event_free(ev);
    ev = what == CURL_POLL_REMOVE ? NULL : world_event(pool->w, fd, bits, on_socket_event, pool);
    if (ev)
        event_add(ev, NULL);
    curl_multi_assign(pool->multi, fd, ev);
    return 0;
}

static int want_timer(CURLM *multi, long ms, void *ctx)
{
    struct http_pool *pool = ctx;

    (void)multi;
    if (ms < 0)
        event_del(pool->timer);
    else
        world_event_in(pool->timer, (uint64_t)ms);
    return 0;
}

static struct http_pool *pool_new(struct world_real *w, bool kept)
{
    struct http_pool *pool = mem_zero(sizeof *pool);

    if (!w->curl_ready)
        curl_global_init(CURL_GLOBAL_DEFAULT); /* late: a worker that has no request to send does not pay for it */
    w->curl_ready = true;
    pool->w = w;
    pool->kept = kept;
    pool->multi = curl_multi_init();
    if (!pool->multi)
        abort(); /* only for want of memory */
    pool->timer = world_event(w, -1, 0, on_timer_event, pool);
    TAILQ_INIT(&pool->ready);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)POOL_KEEPS);
    LIST_INSERT_HEAD(&w->pools, pool, link);
    return pool;
}

static void pool_free(struct http_pool *pool)
{
    LIST_REMOVE(pool, link);
    if (pool->w->pool[pool->kept] == pool)
        pool->w->pool[pool->kept] = NULL;
    curl_multi_cleanup(pool->multi); /* ends kept connections: their sockets are unwatched by want_socket() */
    event_free(pool->timer);
    free(pool);
}

static void pool_retire(struct http_pool *pool)
{
    pool->retired = true;
    if (pool->w->pool[pool->kept] == pool)
        pool->w->pool[pool->kept] = NULL;
}

/* One of single requests is worth nothing when it is at rest, and takes 40 KiB. */
static void pool_release(struct http_pool *pool)
{
    if ((pool->retired || !pool->kept) && pool->running == 0 && pool->depth == 0)
        pool_free(pool);
}

/* ---- what libcurl hands over ---- */

static void heard(struct world_http *h)
{
    h->heard_ms = world_mono(&h->pool->w->w);
}

/* A refusal is not what the stream's user waits for: it comes whole, at the end. */
static bool is_streamed(const struct world_http *h)
{
    long status = 0;

    if (!(h->flags & HTTP_STREAM))
        return false;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct world_http *h = ctx;

    n *= size;
    heard(h);
    if (h->in.len + n > BODY_MAX) {
        h->too_big = true;
        return 0;
    }
    str_addn(&h->in, data, n);
    if (is_streamed(h) && !h->ready) {
        h->ready = true;
        TAILQ_INSERT_TAIL(&h->pool->ready, h, ready_link);
    }
    return n;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct world_http *h = ctx;

    n *= size;
    heard(h);
    if (n >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        str_reset(&h->head); /* a status line: what came before belonged to an interim answer */
        return n;
    }
    if (h->head.len + n > HEAD_MAX)
        return 0;
    if (n > 2)
        str_addn(&h->head, data, n);
    return n;
}

static size_t on_upload(char *buf, size_t size, size_t n, void *ctx)
{
    struct world_http *h = ctx;

    n *= size;
    if (n > h->body_len - h->body_off)
        n = h->body_len - h->body_off;
    if (n)
        memcpy(buf, h->body + h->body_off, n);
    h->body_off += n;
    heard(h);
    return n;
}

/* libcurl re-sends a request whose kept connection died without an answer. It must not where the other side may have
 * acted already: a body that was begun cannot be rewound. */
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    (void)ctx;
    (void)offset;
    (void)origin;
    return CURL_SEEKFUNC_FAIL;
}

static int on_sockopt(void *ctx, curl_socket_t fd, curlsocktype what)
{
    unsigned ms = UNACKED_MS;

    (void)ctx;
    if (what == CURLSOCKTYPE_IPCXN)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
    return CURL_SOCKOPT_OK;
}

/* ---- end of a transfer ---- */

static enum err_kind kind_of(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CIPHER:
    case CURLE_USE_SSL_FAILED:
        return ERR_REFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INPUT;
    default:
        return ERR_AGAIN;
    }
}

static void detach(struct world_http *h)
{
    struct http_pool *pool = h->pool;

    if (h->ready)
        TAILQ_REMOVE(&pool->ready, h, ready_link);
    LIST_REMOVE(h, link);
    curl_multi_remove_handle(pool->multi, h->easy);
    pool->running--;
}

static void http_free(struct world_http *h)
{
    curl_easy_cleanup(h->easy);
    curl_slist_free_all(h->headers);
    curl_slist_free_all(h->connect_to);
    if (h->idle)
        event_free(h->idle);
    str_free(&h->in);
    str_free(&h->head);
    free(h->where);
    free(h->body);
    free(h);
}

/* Gives a stream's user what came. False: the user cancelled it, h is gone. */
static bool deliver(struct world_http *h)
{
    auto_str struct str data = h->in;

    h->in = (struct str)STR_INIT;
    if (h->ready)
        TAILQ_REMOVE(&h->pool->ready, h, ready_link);
    h->ready = false;
    if (data.len) {
        h->busy = true;
        h->on_data(h->ctx, data.s, data.len);
        h->busy = false;
    }
    if (!h->cancelled)
        return true;
    http_free(h);
    return false;
}

static void explain(struct world_http *h, CURLcode code, struct http_response *res)
{
    if (h->too_big)
        err_set(&res->why, ERR_REFUSED, 0, "%s: the answer is larger than %d MiB", h->where, BODY_MAX >> 20);
    else
        err_set(&res->why, kind_of(code), 0, "%s: %s", h->where, h->reason[0] ? h->reason : curl_easy_strerror(code));
}

static void finish(struct world_http *h, CURLcode code, const char *override)
{
    struct http_pool *pool = h->pool;
    struct http_response res = {.why = ERR_INIT};
    long status = 0, request_bytes = 0;

    if (is_streamed(h) && !deliver(h))
        return;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    if (code == CURLE_OPERATION_TIMEDOUT && pool->kept)
        pool_retire(pool);
    detach(h);
    res.status = code == CURLE_OK ? (int)status : 0;
    res.sent = status != 0 || request_bytes > 0 || h->body_off > 0;
    if (override)
        err_set(&res.why, ERR_AGAIN, 0, "%s: %s", h->where, override);
    else if (code != CURLE_OK)
        explain(h, code, &res);
    else if (status == 0)
        err_set(&res.why, ERR_AGAIN, 0, "%s: the connection ended before an answer came", h->where);
    res.body = str_text(&h->in);
    res.body_len = h->in.len;
    res.headers = str_text(&h->head);
    h->on_done(h->ctx, &res);
    http_free(h);
}

static void finish_connect(struct world_http *h, CURLcode code)
{
    struct http_response res = {.why = ERR_INIT};
    curl_socket_t fd = CURL_SOCKET_BAD;
    int mine = -1;

    if (code == CURLE_OK)
        curl_easy_getinfo(h->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd != CURL_SOCKET_BAD)
        mine = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* libcurl closes its own */
    if (mine < 0)
        explain(h, code == CURLE_OK ? CURLE_COULDNT_CONNECT : code, &res);
    detach(h);
    h->on_socket(h->ctx, mine, mine < 0 ? &res.why : NULL);
    http_free(h);
}

static void pump(struct http_pool *pool)
{
    CURLMsg *msg;
    int left;

    pool->depth++;
    while (!TAILQ_EMPTY(&pool->ready))
        deliver(TAILQ_FIRST(&pool->ready));
    while ((msg = curl_multi_info_read(pool->multi, &left))) {
        struct world_http *h = NULL;
        CURLcode code = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&h);
        if (h->on_socket)
            finish_connect(h, code);
        else
            finish(h, code, NULL);
    }
    pool->depth--;
    pool_release(pool);
}

static void on_idle(evutil_socket_t fd, short what, void *ctx)
{
    struct world_http *h = ctx;
    struct http_pool *pool = h->pool;
    uint64_t quiet = world_mono(&pool->w->w) - h->heard_ms;
    char text[80];

    (void)fd;
    (void)what;
    if (quiet < h->idle_ms) {
        world_event_in(h->idle, h->idle_ms - quiet);
        return;
    }
    snprintf(text, sizeof text, "no byte came for %u ms", h->idle_ms);
    pool->depth++;
    finish(h, CURLE_OPERATION_TIMEDOUT, text);
    pool->depth--;
    pool_release(pool);
}

/* ---- start of a transfer ---- */

static struct world_http *transfer_new(struct world_real *w, bool kept)
{
    struct world_http *h = mem_zero(sizeof *h);

    if (!w->pool[kept])
        w->pool[kept] = pool_new(w, kept);
    h->pool = w->pool[kept];
    h->easy = curl_easy_init();
    if (!h->easy)
        abort();
    heard(h);
    curl_easy_setopt(h->easy, CURLOPT_PRIVATE, h);
    curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->reason);
    curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->easy, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
    return h;
}

static void transfer_add(struct world_http *h)
{
    h->pool->running++;
    LIST_INSERT_HEAD(&h->pool->w->https, h, link);
    if (curl_multi_add_handle(h->pool->multi, h->easy) != CURLM_OK)
        abort();
}

/* The request for error texts: no user, no query (either may hold a secret). */
static char *describe(const char *method, const char *url)
{
    const char *host = strstr(url, "://"), *at;
    size_t scheme = host ? (size_t)(host + 3 - url) : 0, authority;

    host = url + scheme;
    authority = strcspn(host, "/?#");
    at = memchr(host, '@', authority);
    if (at)
        host = at + 1;
    return mem_printf("%s %.*s%.*s", method, (int)scheme, url, (int)strcspn(host, "?#"), host);
}

static void set_tls(struct world_http *h, const struct http_tls *tls)
{
    struct curl_blob blob = {.flags = CURL_BLOB_NOCOPY};
    const struct {
        CURLoption opt;
        const char *pem;
    } blobs[] = {{CURLOPT_CAINFO_BLOB, tls->ca}, {CURLOPT_SSLCERT_BLOB, tls->cert}, {CURLOPT_SSLKEY_BLOB, tls->key}};

    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++) {
        if (!blobs[i].pem)
            continue;
        blob.data = (void *)blobs[i].pem;
        blob.len = strlen(blobs[i].pem);
        curl_easy_setopt(h->easy, blobs[i].opt, &blob);
    }
    if (tls->ca)
        curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL); /* this authority only, not those of the machine too */
    curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
    curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
}

/* The certificate is checked against, and SNI says, `server_name`: the URL names it, and the connection goes to the
 * host of the original URL. */
static char *rename_server(struct world_http *h, const char *url, const char *server_name)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL, *renamed = NULL, *out = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        auto_free char *to = mem_printf("::%s:%s", host, port), *line = mem_printf("Host: %s:%s", host, port);

        h->connect_to = curl_slist_append(NULL, to);
        h->headers = curl_slist_append(h->headers, line);
        curl_easy_setopt(h->easy, CURLOPT_CONNECT_TO, h->connect_to);
        if (curl_url_set(u, CURLUPART_HOST, server_name, 0) == CURLUE_OK &&
            curl_url_get(u, CURLUPART_URL, &renamed, 0) == CURLUE_OK)
            out = mem_str(renamed);
    }
    curl_free(host);
    curl_free(port);
    curl_free(renamed);
    curl_url_cleanup(u);
    return out ? out : mem_str(url);
}

static void set_body(struct world_http *h, const struct http_request *req)
{
    bool upload = req->body_len || strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0 ||
                  strcmp(req->method, "PATCH") == 0;

    if (strcmp(req->method, "HEAD") == 0) {
        curl_easy_setopt(h->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (upload) {
        h->body = mem_copy(req->body, req->body_len);
        h->body_len = req->body_len;
        curl_easy_setopt(h->easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(h->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body_len);
        curl_easy_setopt(h->easy, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(h->easy, CURLOPT_READDATA, h);
        curl_easy_setopt(h->easy, CURLOPT_SEEKFUNCTION, on_seek);
    }
    curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static void set_connection(struct world_http *h, const struct http_request *req)
{
    bool keep = h->pool->kept;
    const char *proxy = req->tls ? req->tls->proxy : NULL;

    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(req->connect_ms ? req->connect_ms : CONNECT_MS));
    curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)req->total_ms);
    if (keep) {
        curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(h->easy, CURLOPT_PIPEWAIT, 1L); /* rather a stream of the connection being made */
        curl_easy_setopt(h->easy, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(h->easy, CURLOPT_TCP_KEEPIDLE, 30L);
        curl_easy_setopt(h->easy, CURLOPT_TCP_KEEPINTVL, 10L);
    } else {
        curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(h->easy, CURLOPT_FORBID_REUSE, 1L);
        curl_easy_setopt(h->easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* a pod that was replaced has another address */
        curl_easy_setopt(h->easy, CURLOPT_BUFFERSIZE, (long)ALONE_BUFFER); /* of many at once, in a process that is to be small */
        curl_easy_setopt(h->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)ALONE_UPLOAD);
    }
    if (proxy || !keep) /* hosts of the fleet are never behind the proxy of the environment; an API server may be */
        curl_easy_setopt(h->easy, CURLOPT_PROXY, proxy ? proxy : "");
}

struct world_http *world_http_start(struct world *w, const struct http_request *req, http_data_fn *on_data,
                                    http_done_fn *on_done, void *ctx)
{
    bool keep = (req->flags & HTTP_KEEP) && !(req->flags & HTTP_ALONE);
    struct world_http *h = transfer_new(real_of(w), keep);
    auto_free char *url =
        req->tls && req->tls->server_name ? rename_server(h, req->url, req->tls->server_name) : mem_str(req->url);

    h->where = describe(req->method, req->url);
    h->flags = on_data ? req->flags : req->flags & ~(unsigned)HTTP_STREAM;
    h->on_data = on_data;
    h->on_done = on_done;
    h->ctx = ctx;
    for (const char *const *p = req->headers; p && *p; p++)
        h->headers = curl_slist_append(h->headers, *p);
    h->headers = curl_slist_append(h->headers, "Expect:"); /* no extra round trip for large bodies */
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(h->easy, CURLOPT_URL, url);
    curl_easy_setopt(h->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
    set_body(h, req);
    set_connection(h, req);
    if (req->tls)
        set_tls(h, req->tls);
    h->idle_ms = req->idle_ms;
    if (h->idle_ms) {
        h->idle = world_event(h->pool->w, -1, 0, on_idle, h);
        world_event_in(h->idle, h->idle_ms);
    }
    transfer_add(h);
    return h;
}

struct world_http *world_http_connect(struct world *w, const char *host, unsigned port, uint32_t total_ms,
                                      void (*done)(void *ctx, int fd, const struct err *why), void *ctx)
{
    struct world_http *h = transfer_new(real_of(w), false);
    auto_free char *url = mem_printf(strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host, port);

    h->where = mem_printf("connect to %s port %u", host, port);
    h->on_socket = done;
    h->ctx = ctx;
    curl_easy_setopt(h->easy, CURLOPT_URL, url);
    curl_easy_setopt(h->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(h->easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(h->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(total_ms ? total_ms : CONNECT_MS));
    transfer_add(h);
    return h;
}

void world_http_cancel(struct world *w, struct world_http *h)
{
    struct http_pool *pool = h->pool;

    (void)w;
    detach(h);
    h->ready = false;
    if (h->busy) { /* from its own on_data: deliver() frees it */
        h->cancelled = true;
        if (h->idle)
            event_del(h->idle);
    } else {
        http_free(h);
    }
    pool_release(pool);
}

void world_http_close(struct world_real *w)
{
    while (!LIST_EMPTY(&w->https)) {
        struct world_http *h = LIST_FIRST(&w->https);

        detach(h);
        http_free(h);
    }
    while (!LIST_EMPTY(&w->pools))
        pool_free(LIST_FIRST(&w->pools));
    if (w->curl_ready)
        curl_global_cleanup();
    w->curl_ready = false;
}

const char *http_header(const struct http_response *res, const char *name, char *buf, size_t size)
{
    size_t n = strlen(name);

    for (const char *p = res->headers; p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
        const char *v = p + n;
        size_t len;

        if (strncasecmp(p, name, n) != 0 || *v != ':')
            continue;
        v++;
        v += strspn(v, " \t");
        len = strcspn(v, "\r\n");
        while (len && (v[len - 1] == ' ' || v[len - 1] == '\t'))
            len--;
        if (len >= size)
            return NULL;
        memcpy(buf, v, len);
        buf[len] = '\0';
        return buf;
    }
    return NULL;
}
