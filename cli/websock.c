/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/websock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

enum { OP_MORE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum { OPEN_MS = 10000, SEND_MS = 60000, HEAD_MAX = 64 << 10, MESSAGE_MAX = 32 << 20 };

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* the protocol's own constant */

struct websock {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl; /* NULL: plain */
    struct str in, message; /* message: parts of one that is not complete */
    bool ended;
};

/* ---- frames ---- */

int websock_parse(const char *p, size_t n, struct websock_frame *f, size_t *used, struct err *err)
{
    const unsigned char *u = (const unsigned char *)p;
    uint64_t len;
    size_t head = 2;

    if (n < 2)
        return 0;
    len = u[1] & 0x7f;
    if ((u[0] & 0x70) || (u[1] & 0x80))
        return err_set(err, ERR_AGAIN, 0, "the server sent what is no WebSocket frame");
    if (len >= 126) {
        size_t bytes = len == 126 ? 2 : 8;

        head += bytes;
        if (n < head)
            return 0;
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | u[i];
    }
    if (len > MESSAGE_MAX)
        return err_set(err, ERR_AGAIN, 0, "the server sent a WebSocket frame of %llu bytes", (unsigned long long)len);
    if (n - head < len)
        return 0;
    *f = (struct websock_frame){u[0] & 0x80, u[0] & 15, p + head, (size_t)len};
    *used = head + (size_t)len;
    return 1;
}

void websock_put(struct str *out, unsigned opcode, const void *data, size_t len, const unsigned char mask[4])
{
    const unsigned char *u = data;

    str_addc(out, (char)(0x80 | opcode));
    if (len < 126) {
        str_addc(out, (char)(0x80 | len));
    } else {
        unsigned bytes = len < 65536 ? 2 : 8;

        str_addc(out, (char)(0x80 | (bytes == 2 ? 126 : 127)));
        while (bytes-- > 0)
            str_addc(out, (char)((uint64_t)len >> (8 * bytes)));
    }
    str_addn(out, mask, 4);
    for (size_t i = 0; i < len; i++)
        str_addc(out, (char)(u[i] ^ mask[i % 4]));
}

/* ---- the connection ---- */

static bool wait_fd(int fd, short what, int ms)
{
    struct pollfd p = {.fd = fd, .events = what};

    return poll(&p, 1, ms) > 0;
}

static int dial(const char *host, const char *port, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *a;
    int fd = -1, rc = getaddrinfo(host, port, &hints, &list), so = 0;
    socklen_t size = sizeof so;

    if (rc != 0)
        return err_set(err, ERR_AGAIN, 0, "cannot find %s: %s", host, gai_strerror(rc));
    for (a = list; a; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        so = 0;
        if (fd >= 0 && (connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
                        (errno == EINPROGRESS && wait_fd(fd, POLLOUT, OPEN_MS) &&
                         getsockopt(fd, SOL_SOCKET, SO_ERROR, &so, &size) == 0 && so == 0)))
            break;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd >= 0 ? fd : err_set(err, ERR_AGAIN, 0, "cannot connect to %s:%s: %s", host, port, strerror(so ? so : errno));
}

static void trust_pem(SSL_CTX *ctx, const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    X509 *x;

    while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
        X509_free(x);
    }
    ERR_clear_error(); /* the end of the text is reported as an error */
    BIO_free(b);
}

static int use_cert(SSL_CTX *ctx, const struct http_tls *tls, struct err *err)
{
    BIO *cert = BIO_new_mem_buf(tls->cert, -1), *key = BIO_new_mem_buf(tls->key ? tls->key : "", -1);
    X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    bool ok = x && k && SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, k) == 1;

    X509_free(x);
    EVP_PKEY_free(k);
    BIO_free(cert);
    BIO_free(key);
    return ok ? 0 : err_set(err, ERR_INPUT, 0, "the client certificate or key of the kubeconfig cannot be used");
}

static int make_ssl(struct websock *w, const char *host, const struct http_tls *tls, struct err *err)
{
    const char *name = tls && tls->server_name ? tls->server_name : host;
    struct in6_addr any;
    bool address = inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;

    w->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(w->ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(w->ctx, tls && tls->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (tls && tls->ca)
        trust_pem(w->ctx, tls->ca);
    else
        SSL_CTX_set_default_verify_paths(w->ctx);
    if (tls && tls->cert && use_cert(w->ctx, tls, err) < 0)
        return -1;
    w->ssl = SSL_new(w->ctx);
    if (address) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(w->ssl), name);
    } else {
        SSL_set1_host(w->ssl, name);
        SSL_set_tlsext_host_name(w->ssl, name);
    }
    SSL_set_fd(w->ssl, w->fd);
    return 0;
}

/* After a TLS call said `rc`: waits for what it needs. False: it failed. */
static bool ssl_again(struct websock *w, int rc, int ms)
{
    switch (SSL_get_error(w->ssl, rc)) {
    case SSL_ERROR_WANT_READ: return wait_fd(w->fd, POLLIN, ms);
    case SSL_ERROR_WANT_WRITE: return wait_fd(w->fd, POLLOUT, ms);
    default: return false;
    }
}

static int handshake(struct websock *w, struct err *err)
{
    int rc;
    long verify;

    while ((rc = SSL_connect(w->ssl)) != 1)
        if (!ssl_again(w, rc, OPEN_MS))
            break;
    if (rc == 1)
        return 0;
    verify = SSL_get_verify_result(w->ssl);
    if (verify != X509_V_OK)
        return err_set(err, ERR_REFUSED, 0, "the server's certificate is not accepted: %s", X509_verify_cert_error_string(verify));
    return err_set(err, ERR_AGAIN, 0, "no TLS with the server");
}

static int send_all(struct websock *w, const char *p, size_t n, struct err *err)
{
    while (n > 0) {
        ssize_t rc = w->ssl ? SSL_write(w->ssl, p, n > 1 << 20 ? 1 << 20 : (int)n) : send(w->fd, p, n, MSG_NOSIGNAL);

        if (rc > 0) {
            p += rc;
            n -= (size_t)rc;
        } else if (w->ssl ? !ssl_again(w, (int)rc, SEND_MS)
                          : (errno != EAGAIN && errno != EINTR) || !wait_fd(w->fd, POLLOUT, SEND_MS)) {
            return err_set(err, ERR_AGAIN, 0, "the connection to the server broke while sending");
        }
    }
    return 0;
}

/* Reads what is there into w->in. 1 something came, 0 nothing now, -1 the end. */
static int fill(struct websock *w)
{
    char buf[16384];
    ssize_t n = w->ssl ? SSL_read(w->ssl, buf, sizeof buf) : recv(w->fd, buf, sizeof buf, 0);

    if (n > 0) {
        str_addn(&w->in, buf, (size_t)n);
        return 1;
    }
    if (w->ssl) {
        int e = SSL_get_error(w->ssl, (int)n);

        return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* ---- opening ---- */

static int split_url(const char *url, bool *tls, char **host, char **port, struct err *err)
{
    const char *p = strstr(url, "://"), *end;

    *tls = str_starts(url, "https://");
    if (!p || (!*tls && !str_starts(url, "http://")))
        return err_set(err, ERR_INPUT, 0, "the server %s of the kubeconfig is no http(s) address", url);
    p += 3;
    if (strchr(p, '/'))
        return err_set(err, ERR_INPUT, 0, "a server address with a path (%s) is not supported by exec; use kubectl exec", url);
    if (*p == '[' && (end = strchr(p, ']'))) {
        *host = mem_strn(p + 1, (size_t)(end - p - 1));
        p = end + 1;
    } else {
        *host = mem_strn(p, strcspn(p, ":"));
        p += strlen(*host);
    }
    *port = mem_str(*p == ':' ? p + 1 : *tls ? "443" : "80");
    return 0;
}

static int send_request(struct websock *w, const struct websock_target *t, const char *host, const char *key, struct err *err)
{
    auto_str struct str req = STR_INIT;

    str_addf(&req, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\nUser-Agent: chfleet\r\n",
             t->path, host, key, t->protocol);
    for (const char *const *h = t->headers; h && *h; h++)
        str_addf(&req, "%s\r\n", *h);
    str_add(&req, "\r\n");
    return send_all(w, req.s, req.len, err);
}

/* What the server said instead of 101, in one line. */
static int refused(const char *head, const char *body, struct err *err)
{
    int status = atoi(head + strcspn(head, " "));
    enum err_kind kind = status == 401 || status == 403 ? ERR_REFUSED : status == 404 ? ERR_MISSING : status < 500 ? ERR_INPUT : ERR_AGAIN;
    const char *message = strstr(body, "\"message\":\"");
    auto_free char *words = message ? mem_strn(message + 11, strcspn(message + 11, "\"")) : mem_strn(body, 200);

    return err_set(err, kind, status, "the server answered %d: %s", status, words);
}

static bool header_is(const char *head, const char *name, const char *value)
{
    size_t n = strlen(name), v = strlen(value);

    for (const char *p = strchr(head, '\n'); p; p = strchr(p, '\n')) {
        p++;
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            p += strspn(p, " \t");
            return strncmp(p, value, v) == 0 && (p[v] == '\r' || p[v] == '\n');
        }
    }
    return false;
}

static int read_answer(struct websock *w, const struct websock_target *t, const char *key, struct err *err)
{
    auto_free char *joined = mem_printf("%s" GUID, key), *hex = hash_sha1_hex(joined, strlen(joined)), *accept = NULL, *head = NULL;
    unsigned char digest[20];
    const char *end;

    for (unsigned i = 0; i < sizeof digest; i++)
        digest[i] = (unsigned char)strtoul((char[]){hex[2 * i], hex[2 * i + 1], '\0'}, NULL, 16);
    accept = hash_base64(digest, sizeof digest);
    while (!(end = strstr(str_text(&w->in), "\r\n\r\n"))) {
        int rc = fill(w);

        if (rc < 0 || w->in.len > HEAD_MAX || (rc == 0 && !wait_fd(w->fd, POLLIN, OPEN_MS)))
            return err_set(err, ERR_AGAIN, 0, "the server did not answer the request for a WebSocket");
    }
    head = mem_strn(w->in.s, (size_t)(end + 2 - w->in.s));
    if (strncmp(head, "HTTP/1.1 101", 12) != 0) {
        while (wait_fd(w->fd, POLLIN, 500) && fill(w) > 0)
            continue;
        return refused(head, strstr(w->in.s, "\r\n\r\n") + 4, err);
    }
    if (!header_is(head, "Sec-WebSocket-Accept", accept))
        return err_set(err, ERR_AGAIN, 0, "the server's WebSocket answer is not one to our request");
    if (!header_is(head, "Sec-WebSocket-Protocol", t->protocol))
        return err_set(err, ERR_INPUT, 0, "the server does not speak %s; it may be older than Kubernetes 1.30", t->protocol);
    str_cut(&w->in, strlen(head) + 2);
    return 0;
}

static int open_all(struct websock *w, const struct websock_target *t, struct err *err)
{
    auto_free char *host = NULL, *port = NULL, *key = NULL;
    unsigned char nonce[16];
    bool tls;

    if (t->tls && t->tls->proxy)
        return err_set(err, ERR_INPUT, 0, "exec does not go through a proxy (proxy-url of the kubeconfig); use kubectl exec");
    if (split_url(t->server, &tls, &host, &port, err) < 0)
        return -1;
    w->fd = dial(host, port, err);
    if (w->fd < 0 || (tls && (make_ssl(w, host, t->tls, err) < 0 || handshake(w, err) < 0)))
        return -1;
    RAND_bytes(nonce, sizeof nonce);
    key = hash_base64(nonce, sizeof nonce);
    if (send_request(w, t, host, key, err) < 0)
        return -1;
    return read_answer(w, t, key, err);
}

int websock_open(struct websock **out, const struct websock_target *t, struct err *err)
{
    struct websock *w = mem_zero(sizeof *w);

    w->fd = -1;
    if (open_all(w, t, err) < 0) {
        websock_close(w);
        return -1;
    }
    *out = w;
    return 0;
}

void websock_close(struct websock *w)
{
    if (!w)
        return;
    SSL_free(w->ssl);
    SSL_CTX_free(w->ctx);
    if (w->fd >= 0)
        close(w->fd);
    str_free(&w->in);
    str_free(&w->message);
    free(w);
}

int websock_fd(const struct websock *w)
{
    return w->fd;
}

/* ---- messages ---- */

static int send_frame(struct websock *w, unsigned opcode, const void *data, size_t len, struct err *err)
{
    auto_str struct str out = STR_INIT;
    unsigned char mask[4];

    RAND_bytes(mask, sizeof mask);
    websock_put(&out, opcode, data, len, mask);
    return send_all(w, out.s, out.len, err);
}

int websock_send(struct websock *w, const void *data, size_t len, struct err *err)
{
    return send_frame(w, OP_BINARY, data, len, err);
}

/* One frame: 1 when it completed a message. */
static int take_frame(struct websock *w, const struct websock_frame *f, struct str *message, struct err *err)
{
    if (f->opcode == OP_CLOSE) {
        send_frame(w, OP_CLOSE, f->data, f->len < 125 ? f->len : 2, NULL);
        w->ended = true;
        return 0;
    }
    if (f->opcode == OP_PING)
        return send_frame(w, OP_PONG, f->data, f->len, err);
    if (f->opcode > OP_BINARY)
        return 0;
    if (w->message.len + f->len > MESSAGE_MAX)
        return err_set(err, ERR_AGAIN, 0, "the server sent a message of more than %d MiB", MESSAGE_MAX >> 20);
    str_addn(&w->message, f->data, f->len);
    if (!f->fin)
        return 0;
    str_addn(message, str_text(&w->message), w->message.len);
    str_reset(&w->message);
    return 1;
}

int websock_next(struct websock *w, struct str *message, struct err *err)
{
    str_reset(message);
    for (;;) {
        struct websock_frame f;
        size_t used;
        int rc = w->ended ? 0 : websock_parse(str_text(&w->in), w->in.len, &f, &used, err);

        if (w->ended)
            return err_set(err, ERR_MISSING, 0, "the server ended the connection");
        if (rc > 0) {
            rc = take_frame(w, &f, message, err);
            str_cut(&w->in, used);
            if (rc != 0)
                return rc;
            continue;
        }
        if (rc == 0)
            rc = fill(w);
        if (rc == 0)
            return 0;
        if (rc < 0)
            return err && err->kind != ERR_NONE ? -1 : err_set(err, ERR_AGAIN, 0, "the connection to the server broke");
    }
}
