/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the server: connections and the streams on them. */
#ifndef PLANE_SERVER_PRIV_H
#define PLANE_SERVER_PRIV_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "plane/http.h"
#include "plane/server.h"
#include "plane/ws.h"

struct forward;

enum conn_state {
    CONN_HEAD,    /* reads a request */
    CONN_BODY,
    CONN_HELD,    /* the answer is ready, but waits for the store's commit */
    CONN_WATCH,   /* streams */
    CONN_LOGS,
    CONN_EXEC,
    CONN_FORWARD,
    CONN_LAST,    /* the last bytes go out, then it closes */
    CONN_DEAD,    /* on the list of the dead until the end of the round */
};

struct conn {
    struct conn *next, **back;
    struct server *server;
    struct bufferevent *bev;
    enum conn_state state;
    struct http_head head;
    struct http_body body;
    struct api_response res;
    bool keep_alive;
    struct api_watch *watch;
    struct api_stream *stream;
    struct runtime_job *job;
    bool job_paused, input_full, headers_sent, doomed;
    struct ws_reader ws;
    struct forward *forward;
};

struct server {
    struct server_options o;
    SSL_CTX *ssl;
    struct evconnlistener *listener;
    struct event *flush_event;
    struct conn *conns;
    struct conn *dead;
    unsigned n_conns, port;
};

enum { CONN_OUT_HIGH = 1 << 20, CONN_OUT_LOW = 128 << 10, CONN_OUT_MAX = 48 << 20 };

/* ---- server.c ---- */
void conn_kill(struct conn *c);   /* at the end of the round */
void conn_doom(struct conn *c);   /* the same, from places that may not close a watch or a job now */
void conn_finish(struct conn *c); /* when everything was sent */
void conn_write(struct conn *c, const void *data, size_t len);
void conn_write_chunk(struct conn *c, const void *data, size_t len);
void conn_answer_fail(struct conn *c, int code, const char *reason, const char *text);
size_t conn_pending(const struct conn *c);
void conn_request(const struct conn *c, struct api_request *req);

/* ---- stream.c ---- */
void stream_start(struct conn *c, enum api_outcome what);
void stream_input(struct conn *c); /* bytes came from the client of an exec or forward */
void stream_drained(struct conn *c);
void stream_stop(struct conn *c);
void conn_ws_send(struct conn *c, int opcode, const void *data, size_t len);
void conn_ws_close(struct conn *c, unsigned code, const char *reason);

/* ---- forward.c ---- */
struct forward *forward_new(struct conn *c);
void forward_input(struct forward *f, const char *data, size_t len);
void forward_drained(struct forward *f);
void forward_free(struct forward *f);

#endif
