/* SPDX-License-Identifier: Apache-2.0 */
/* Logs by chunks, exec and port-forward by WebSocket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/server_priv.h"

#define FORWARD_PROTOCOL "SPDY/3.1+portforward.k8s.io"

static const struct runtime_ops *runtime(const struct conn *c, void **node)
{
    return api_runtime(c->server->o.api, node);
}

/* ---- WebSocket ---- */

void conn_ws_send(struct conn *c, int opcode, const void *data, size_t len)
{
    auto_str struct str frame = STR_INIT;

    ws_put(&frame, opcode, data, len);
    conn_write(c, frame.s, frame.len);
}

void conn_ws_close(struct conn *c, unsigned code, const char *reason)
{
    auto_str struct str frame = STR_INIT;

    ws_put_close(&frame, code, reason);
    conn_write(c, frame.s, frame.len);
    conn_finish(c);
}

/* The first of ours that the client offers, or NULL. */
static const char *pick_protocol(const struct conn *c, const char *const *ours)
{
    for (; *ours; ours++)
        if (http_head_has(&c->head, "Sec-WebSocket-Protocol", *ours))
            return *ours;
    return NULL;
}

/* Switches to WebSocket; -1: it was refused. */
static int upgrade(struct conn *c, const char *const *protocols)
{
    const char *key = http_head_get(&c->head, "Sec-WebSocket-Key"),
               *version = http_head_get(&c->head, "Sec-WebSocket-Version");
    const char *protocol = pick_protocol(c, protocols);
    auto_str struct str head = STR_INIT;
    auto_free char *accept = NULL;

    if (!http_head_has(&c->head, "Upgrade", "websocket") || !key || !str_eq(version, "13") || strlen(key) > 64) {
        conn_answer_fail(c, 400, "BadRequest",
                         "this needs a WebSocket (RFC 6455): kubectl 1.31 or newer uses it by default");
        return -1;
    }
    if (!protocol) {
        conn_answer_fail(c, 400, "BadRequest", "none of the offered WebSocket protocols is served");
        return -1;
    }
    accept = ws_accept(key);
    str_addf(
        &head,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
        "Sec-WebSocket-Protocol: %s\r\n\r\n",
        accept, protocol);
    conn_write(c, head.s, head.len);
    bufferevent_set_timeouts(c->bev, NULL, NULL);
    bufferevent_setwatermark(c->bev, EV_READ, 0, WS_MESSAGE_MAX + 1024);
    return 0;
}

/* ---- output of jobs ---- */

static void watch_output(struct conn *c)
{
    void *node;

    if (c->job && !c->job_paused && conn_pending(c) > CONN_OUT_HIGH) {
        c->job_paused = true;
        runtime(c, &node)->pause(c->job, true);
    }
}

void stream_drained(struct conn *c)
{
    void *node;

    if (c->job && c->job_paused && conn_pending(c) < CONN_OUT_LOW) {
        c->job_paused = false;
        runtime(c, &node)->pause(c->job, false);
    }
    if (c->forward)
        forward_drained(c->forward);
}

void stream_stop(struct conn *c)
{
    void *node;

    if (c->job)
        runtime(c, &node)->cancel(c->job);
    c->job = NULL;
    api_watch_close(c->watch);
    c->watch = NULL;
    forward_free(c->forward);
    c->forward = NULL;
    api_stream_free(c->stream);
    c->stream = NULL;
    ws_reader_free(&c->ws);
}

/* ---- logs ---- */

static void logs_head(struct conn *c)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
                               "Cache-Control: no-cache, private\r\nConnection: close\r\n\r\n";

    if (!c->headers_sent)
        conn_write(c, head, sizeof head - 1);
    c->headers_sent = true;
}

static void logs_data(void *ctx, int stream, const char *data, size_t len)
{
    struct conn *c = ctx;

    (void)stream;
    logs_head(c);
    conn_write_chunk(c, data, len);
    watch_output(c);
}

static void fail_by_err(struct conn *c, const struct err *err)
{
    c->keep_alive = false;
    if (err->kind == ERR_AGAIN || err->kind == ERR_SYS || err->kind == ERR_BUG)
        conn_answer_fail(c, 503, "ServiceUnavailable", err->msg);
    else
        conn_answer_fail(c, 400, "BadRequest", err->msg);
}

static void logs_done(void *ctx, int exit_code, const struct err *err)
{
    struct conn *c = ctx;

    (void)exit_code;
    c->job = NULL;
    if (err && err->kind != ERR_NONE && !c->headers_sent) {
        fail_by_err(c, err);
        return;
    }
    logs_head(c);
    conn_write(c, "0\r\n\r\n", 5);
    conn_finish(c);
}

static void start_logs(struct conn *c)
{
    static const struct runtime_cbs cbs = {.data = logs_data, .done = logs_done};
    struct err err = ERR_INIT;
    void *node;

    c->state = CONN_LOGS;
    c->job = runtime(c, &node)->logs(node, c->stream->pod, &c->stream->logs, &cbs, c, &err);
    if (!c->job) {
        fail_by_err(c, &err);
        return;
    }
    bufferevent_set_timeouts(c->bev, NULL, NULL);
    if (c->stream->logs.follow)
        logs_head(c);
}

/* ---- exec ---- */

enum { CHAN_STDIN = 0, CHAN_STDOUT = 1, CHAN_STDERR = 2, CHAN_ERROR = 3, CHAN_RESIZE = 4, CHAN_CLOSE = 255 };

static void channel_send(struct conn *c, unsigned char channel, const char *data, size_t len)
{
    auto_str struct str m = STR_INIT;

    str_addc(&m, (char)channel);
    str_addn(&m, data, len);
    conn_ws_send(c, WS_BINARY, m.s, m.len);
}

static void exec_data(void *ctx, int stream, const char *data, size_t len)
{
    struct conn *c = ctx;

    while (len) {
        size_t n = len > 32768 ? 32768 : len;

        channel_send(c, stream == RUNTIME_STDERR ? CHAN_STDERR : CHAN_STDOUT, data, n);
        data += n;
        len -= n;
    }
    watch_output(c);
}

static cJSON *exec_status(int exit_code, const struct err *err)
{
    cJSON *st = cJSON_CreateObject(), *cause;
    char text[64];

    json_set_obj(st, "metadata");
    if (err && err->kind != ERR_NONE) {
        json_set_str(st, "status", "Failure");
        json_set_str(st, "reason", "InternalError");
        json_set_str(st, "message", err->msg);
        json_set_int(st, "code", 500);
    } else if (exit_code) {
        json_set_str(st, "status", "Failure");
        json_set_str(st, "reason", "NonZeroExitCode");
        snprintf(text, sizeof text, "command terminated with non-zero exit code: %d", exit_code);
        json_set_str(st, "message", text);
        cause = cJSON_CreateObject();
        json_set_str(cause, "reason", "ExitCode");
        snprintf(text, sizeof text, "%d", exit_code);
        json_set_str(cause, "message", text);
        cJSON_AddItemToArray(json_set_arr(json_set_obj(st, "details"), "causes"), cause);
    } else {
        json_set_str(st, "status", "Success");
    }
    return st;
}

static void exec_done(void *ctx, int exit_code, const struct err *err)
{
    struct conn *c = ctx;
    auto_json cJSON *st = exec_status(exit_code, err);
    auto_free char *text = json_print(st);

    c->job = NULL;
    channel_send(c, CHAN_ERROR, text, strlen(text));
    conn_ws_close(c, 1000, "");
}

static void exec_drained(void *ctx)
{
    struct conn *c = ctx;

    c->input_full = false;
    stream_input(c);
}

static void exec_message(struct conn *c, const char *text, size_t len)
{
    unsigned char channel = len ? (unsigned char)text[0] : 255;
    void *node;
    const struct runtime_ops *ops = runtime(c, &node);

    if (!c->job || len == 0)
        return;
    text++;
    len--;
    if (channel == CHAN_STDIN && (c->stream->flags & RUNTIME_STDIN) && len) {
        c->input_full = !ops->input(c->job, text, len);
    } else if (channel == CHAN_CLOSE && len == 1 && text[0] == CHAN_STDIN && (c->stream->flags & RUNTIME_STDIN)) {
        ops->input(c->job, NULL, 0);
    } else if (channel == CHAN_RESIZE) {
        auto_json cJSON *size = json_parse(text, len, NULL);
        int64_t w = json_int(size, "Width", 0), h = json_int(size, "Height", 0);

        if (w > 0 && h > 0 && w < 65536 && h < 65536)
            ops->resize(c->job, (unsigned)w, (unsigned)h);
    }
}

static void start_exec(struct conn *c)
{
    static const char *const protocols[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
    static const struct runtime_cbs cbs = {.data = exec_data, .drained = exec_drained, .done = exec_done};
    struct err err = ERR_INIT;
    void *node;

    if (upgrade(c, protocols) < 0)
        return;
    c->state = CONN_EXEC;
    c->job = runtime(c, &node)->exec(node, c->stream->pod, c->stream->container, (const char *const *)c->stream->argv,
                                     c->stream->flags, &cbs, c, &err);
    if (!c->job)
        exec_done(c, 0, &err);
}

/* ---- both ---- */

static void handle_message(struct conn *c, int opcode, const char *text, size_t len)
{
    switch (opcode) {
    case WS_PING:
        conn_ws_send(c, WS_PONG, text, len);
        break;
    case WS_CLOSE:
        conn_ws_close(c, 1000, "");
        break;
    case WS_TEXT:
    case WS_BINARY:
        if (c->state == CONN_EXEC)
            exec_message(c, text, len);
        else if (c->forward)
            forward_input(c->forward, text, len);
        break;
    default:
        break;
    }
}

void stream_input(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);

    while ((c->state == CONN_EXEC || c->state == CONN_FORWARD) && !c->input_full) {
        size_t len = evbuffer_get_length(in), used = 0, n = 0;
        const char *text = NULL;
        int opcode = 0, rc;

        if (len == 0)
            return;
        rc = ws_read(&c->ws, (char *)evbuffer_pullup(in, -1), len, &used, &opcode, &text, &n);
        if (rc < 0) {
            conn_ws_close(c, 1002, "protocol error");
            return;
        }
        if (rc == 1)
            handle_message(c, opcode, text, n);
        if (used == 0)
            return;
        evbuffer_drain(in, used);
    }
}

static void start_forward(struct conn *c)
{
    static const char *const protocols[] = {FORWARD_PROTOCOL, NULL};

    if (upgrade(c, protocols) < 0)
        return;
    c->state = CONN_FORWARD;
    c->forward = forward_new(c);
}

void stream_start(struct conn *c, enum api_outcome what)
{
    struct api_request req;

    conn_request(c, &req);
    c->stream = api_stream_open(c->server->o.api, &req);
    if (!c->stream)
        conn_answer_fail(c, 404, "NotFound", "the pod is gone");
    else if (what == API_LOGS)
        start_logs(c);
    else if (what == API_EXEC)
        start_exec(c);
    else
        start_forward(c);
}
