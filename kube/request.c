/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One engine for all requests: queue, budget, credentials, retries.
 *
 * What may be sent again: everything the server surely did not act on (never sent, 429, 5xx with Retry-After), and
 * everything else but a POST, since writes carry a precondition: a repeated one that had worked meets its own result as
 * 409 or 404, and the caller reads again.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/budget.h"
#include "kube/impl.h"

enum {
    TOTAL_MS = 20000,
    GIVE_UP_MS = 30000,
    SINGLE_MS = 1000, /* how long a call of one try waits for credentials */
    BACKOFF_MS = 200,
    BACKOFF_MAX_MS = 5000,
    PAUSE_MAX_MS = 10000, /* how long a 429 may hold back other requests */
};

struct kube_call {
    TAILQ_ENTRY(kube_call) link;
    struct kube *k;
    enum { CALL_QUEUED, CALL_SENT, CALL_WAITING, CALL_WRAPPED } state;
    char *method, *path, *content_type, *what, *body;
    unsigned flags, tries;
    uint32_t total_ms, idle_ms, give_up_ms;
    uint64_t begun_ms, sent_ms;
    bool asked_again; /* after a 401 */
    bool streamed;    /* its user has got bytes: they must not come twice */
    struct kube_cred *cred;
    struct world_http *http;
    struct world_timer *timer;
    http_data_fn *on_data;
    kube_done_fn *done;
    void (*cancel)(void *ctx); /* CALL_WRAPPED */
    void *ctx;
};

TAILQ_HEAD(call_list, kube_call);

struct kube {
    struct world *w;
    struct kube_auth *auth;
    struct kube_events *events;
    struct kube_budget budget;
    uint64_t requests, writes;
    struct world_timer *pump_timer;
    bool (*may_write)(void *ctx);
    void *may_write_ctx;
    struct call_list urgent, queue, others; /* others: sent, waiting for a retry, wrapped */
};

static void pump(struct kube *k);

static struct call_list *list_of(struct kube_call *c)
{
    if (c->state != CALL_QUEUED)
        return &c->k->others;
    return c->flags & CALL_URGENT ? &c->k->urgent : &c->k->queue;
}

/* ---- budget ---- */

static void on_pump(void *ctx)
{
    struct kube *k = ctx;

    k->pump_timer = NULL;
    pump(k);
}

static void pump_in(struct kube *k, uint64_t ms)
{
    world_timer_stop(k->w, &k->pump_timer);
    k->pump_timer = world_timer(k->w, ms, on_pump, k);
}

uint64_t kube_jitter(struct kube *k, uint64_t ms)
{
    return ms / 2 + k->w->ops->random(k->w) % (ms + 1);
}

/* ---- ends ---- */

static void call_free(struct kube_call *c)
{
    if (c->http)
        c->k->w->ops->http_cancel(c->k->w, c->http);
    world_timer_stop(c->k->w, &c->timer);
    TAILQ_REMOVE(list_of(c), c, link);
    kube_cred_put(c->cred);
    if (c->body)
        explicit_bzero(c->body, strlen(c->body)); /* it may be a Secret */
    free(c->method);
    free(c->path);
    free(c->content_type);
    free(c->what);
    free(c->body);
    free(c);
}

static void call_end(struct kube_call *c, int status, const cJSON *obj, const struct err *err)
{
    kube_done_fn *done = c->done;
    void *ctx = c->ctx;
    struct err copy = ERR_INIT;

    if (err)
        copy = *err;
    call_free(c);
    done(ctx, status, obj, err ? &copy : NULL);
}

static enum err_kind kind_of_status(int status)
{
    switch (status) {
    case 404:
        return ERR_MISSING;
    case 409:
    case 412:
        return ERR_CONFLICT;
    case 401:
    case 403:
        return ERR_REFUSED;
    case 400:
    case 405:
    case 406:
    case 413:
    case 415:
    case 422:
        return ERR_INPUT;
    default:
        return ERR_AGAIN;
    }
}

/* A merge patch with the UID of an object that is gone meanwhile comes back as "metadata.uid: field is immutable" (422)
   and not as a conflict: ours is a precondition, so a conflict is what it is. */
static bool is_another_object(const cJSON *obj)
{
    const cJSON *cause;

    cJSON_ArrayForEach(cause, json_at(obj, "details.causes"))
        if (str_eq(json_str(cause, "field", ""), "metadata.uid"))
            return true;
    return false;
}

static void explain(const struct kube_call *c, const struct http_response *res, const cJSON *obj, struct err *err)
{
    const char *text = json_str(obj, "message", "");
    enum err_kind kind = kind_of_status(res->status);

    if (res->status == 0) {
        *err = res->why;
        err_ctx(err, "%s %s", c->method, c->what);
        return;
    }
    if (!*text)
        text = *res->body && strlen(res->body) < 200 && !obj ? res->body : json_str(obj, "reason", "no reason given");
    if (res->status == 422 && is_another_object(obj))
        kind = ERR_CONFLICT;
    err_set(err, kind, res->status, "%s %s: %s (HTTP %d)%s", c->method, c->what, text,
            res->status,
            res->status == 401   ? "; the server does not know us: check the credentials of the kubeconfig"
            : res->status == 403 ? "; grant it by a Role or ClusterRole"
                                 : "");
}

/* ---- retries ---- */

static void to_queue(struct kube_call *c)
{
    TAILQ_REMOVE(list_of(c), c, link);
    c->state = CALL_QUEUED;
    TAILQ_INSERT_HEAD(list_of(c), c, link); /* it has waited already */
}

static void on_retry(void *ctx)
{
    struct kube_call *c = ctx;

    c->timer = NULL;
    to_queue(c);
    pump(c->k);
}

/* -1: the server named none. */
static int64_t retry_after_ms(const struct http_response *res)
{
    char text[32];
    char *end;
    long s;

    if (!http_header(res, "Retry-After", text, sizeof text))
        return -1;
    s = strtol(text, &end, 10);
    return end != text && *end == '\0' && s >= 0 && s < 3600 ? s * 1000 : -1;
}

static bool may_repeat(const struct kube_call *c, const struct http_response *res, int64_t after)
{
    if ((c->flags & CALL_SINGLE) || c->streamed)
        return false;
    if (res->status == 0)
        return res->why.kind == ERR_AGAIN && (!res->sent || !(c->flags & CALL_UNREPEATED));
    if (res->status == 429)
        return true;
    return res->status >= 500 && (after >= 0 || !(c->flags & CALL_UNREPEATED));
}

static bool retry(struct kube_call *c, const struct http_response *res)
{
    struct kube *k = c->k;
    uint64_t now = world_mono(k->w), wait = (uint64_t)BACKOFF_MS << (c->tries < 6 ? c->tries : 6);
    int64_t after = retry_after_ms(res);

    if (!may_repeat(c, res, after))
        return false;
    wait = kube_jitter(k, wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS);
    if (after > 0 && (uint64_t)after > wait)
        wait = (uint64_t)after + wait / 4; /* all who were told the same time do not come back together */
    if (res->status == 429 && after > 0 && !(c->flags & CALL_URGENT))
        budget_pause(&k->budget, now + ((uint64_t)after < PAUSE_MAX_MS ? (uint64_t)after : PAUSE_MAX_MS));
    if (now + wait > c->begun_ms + c->give_up_ms)
        return false;
    c->state = CALL_WAITING;
    c->timer = world_timer(k->w, wait, on_retry, c);
    return true;
}

/* ---- answers ---- */

static void end_well(struct kube_call *c, int status, const cJSON *obj)
{
    struct err err = ERR_INIT;

    if (cJSON_IsObject(obj) || (c->flags & (CALL_TEXT | CALL_STREAM))) {
        call_end(c, status, obj, NULL);
        return;
    }
    err_set(&err, ERR_AGAIN, status,
            "%s %s: the answer (HTTP %d) is no object: is that an API server, or a proxy before it?", c->method,
            c->what, status);
    call_end(c, status, NULL, &err);
}

static void on_done(void *ctx, const struct http_response *res)
{
    struct kube_call *c = ctx;
    struct kube *k = c->k;
    struct err err = ERR_INIT, parse = ERR_INIT;
    auto_json cJSON *obj = NULL;

    c->http = NULL;
    if (!(c->flags & (CALL_STREAM | CALL_URGENT)))
        budget_answered(&k->budget, world_mono(k->w), res->status, c->flags & CALL_WRITE, world_mono(k->w) - c->sent_ms);
    if (res->status == 401 && !c->asked_again && kube_auth_refused(k->auth, c->cred)) {
        c->asked_again = true;
        to_queue(c);
        pump(k);
        return;
    }
    if (res->body_len)
        obj = json_parse(res->body, res->body_len, &parse);
    if (!obj && res->body_len && (c->flags & CALL_TEXT))
        obj = cJSON_CreateString(res->body); /* "/healthz" and the like */
    if (res->status >= 200 && res->status < 300) {
        end_well(c, res->status, obj);
        return;
    }
    explain(c, res, cJSON_IsObject(obj) ? obj : NULL, &err);
    if (!retry(c, res))
        call_end(c, res->status, obj, &err);
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct kube_call *c = ctx;

    c->streamed = true;
    c->on_data(c->ctx, data, len);
}

/* ---- sending ---- */

static void send_call(struct kube_call *c, struct kube_cred *cred)
{
    struct kube *k = c->k;
    const struct kube_config *cfg = kube_auth_config(k->auth);
    auto_free char *url = mem_printf("%s%s", cfg->server, c->path);
    auto_free char *type = c->content_type ? mem_printf("Content-Type: %s", c->content_type) : NULL;
    const char *headers[40];
    size_t n = 0;
    struct http_request req = {.method = c->method,
                               .url = url,
                               .headers = headers,
                               .body = c->body,
                               .body_len = c->body ? strlen(c->body) : 0,
                               .total_ms = c->flags & CALL_STREAM ? 0 : c->total_ms,
                               .idle_ms = c->idle_ms,
                               .tls = &cred->tls,
                               .flags = HTTP_KEEP | (c->flags & CALL_STREAM ? HTTP_STREAM : 0u)};

    headers[n++] = "Accept: application/json";
    headers[n++] = "User-Agent: chfleet/" PACKAGE_VERSION_TEXT;
    if (type)
        headers[n++] = type;
    if (cred->auth)
        headers[n++] = cred->auth;
    for (char **p = cfg->impersonate; p && *p && n + 1 < sizeof headers / sizeof *headers; p++)
        headers[n++] = *p;
    headers[n] = NULL;
    TAILQ_REMOVE(list_of(c), c, link);
    c->state = CALL_SENT;
    TAILQ_INSERT_TAIL(list_of(c), c, link);
    c->tries++;
    kube_cred_put(c->cred);
    c->cred = cred;
    c->sent_ms = world_mono(k->w);
    budget_take(&k->budget);
    k->requests++;
    k->writes += (c->flags & CALL_WRITE) != 0;
    c->http = k->w->ops->http(k->w, &req, c->flags & CALL_STREAM ? on_data : NULL, on_done, c);
}

/* Those who waited too long for credentials are told. */
static void fail_overdue(struct call_list *list, uint64_t now, const struct err *why)
{
    struct kube_call *c = TAILQ_FIRST(list);

    while (c) {
        struct kube_call *next = TAILQ_NEXT(c, link);
        struct err err = *why;

        if (now - c->begun_ms >= (c->flags & CALL_SINGLE ? SINGLE_MS : c->give_up_ms)) {
            err_ctx(&err, "%s %s", c->method, c->what);
            call_end(c, 0, NULL, &err);
            next = TAILQ_FIRST(list); /* the callback may have changed it */
        }
        c = next;
    }
}

static bool may_send(const struct kube_call *c)
{
    return !(c->flags & CALL_WRITE) || (c->flags & CALL_URGENT) || !c->k->may_write ||
           c->k->may_write(c->k->may_write_ctx);
}

static void refuse_write(struct kube_call *c)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_AGAIN, 0, "%s %s: not sent: this operator does not lead any more", c->method, c->what);
    call_end(c, 0, NULL, &err);
}

static void pump(struct kube *k)
{
    struct kube_call *c;

    while ((c = TAILQ_FIRST(&k->urgent)) || (c = TAILQ_FIRST(&k->queue))) {
        uint64_t wait = c->flags & CALL_URGENT ? 0 : budget_wait(&k->budget, world_mono(k->w));
        struct err err = ERR_INIT;
        struct kube_cred *cred;

        if (wait) {
            pump_in(k, wait);
            return;
        }
        if (!may_send(c)) {
            refuse_write(c);
            continue;
        }
        cred = kube_auth_get(k->auth, &err);
        if (!cred) {
            if (err.kind != ERR_NONE) {
                fail_overdue(&k->urgent, world_mono(k->w), &err);
                fail_overdue(&k->queue, world_mono(k->w), &err);
            }
            return; /* on_auth() goes on */
        }
        send_call(c, cred);
    }
}

static void on_auth(void *ctx)
{
    pump(ctx);
}

/* ---- what the other files use ---- */

struct kube_call *kube_call_start(struct kube *k, const struct call_spec *spec)
{
    struct kube_call *c = mem_zero(sizeof *c);

    c->k = k;
    c->method = mem_str(spec->method);
    c->path = mem_str(spec->path);
    c->content_type = mem_str(spec->content_type);
    c->what = mem_str(spec->what);
    c->body = mem_str(spec->body);
    c->flags = spec->flags;
    c->total_ms = spec->total_ms ? spec->total_ms : TOTAL_MS;
    c->idle_ms = spec->idle_ms;
    c->give_up_ms = spec->give_up_ms ? spec->give_up_ms : GIVE_UP_MS;
    c->on_data = spec->on_data;
    c->done = spec->done;
    c->ctx = spec->ctx;
    c->begun_ms = world_mono(k->w);
    c->state = CALL_QUEUED;
    TAILQ_INSERT_TAIL(list_of(c), c, link);
    pump_in(k, 0); /* from the loop, so that no callback can come before this returns */
    return c;
}

struct kube_call *kube_call_wrap(struct kube *k, void (*cancel)(void *ctx), void *ctx)
{
    struct kube_call *c = mem_zero(sizeof *c);

    c->k = k;
    c->state = CALL_WRAPPED;
    c->cancel = cancel;
    c->ctx = ctx;
    TAILQ_INSERT_TAIL(&k->others, c, link);
    return c;
}

void kube_call_unwrap(struct kube_call *c)
{
    call_free(c);
}

void kube_cancel(struct kube_call *c)
{
    if (c->state == CALL_WRAPPED)
        c->cancel(c->ctx);
    call_free(c);
}

struct world *kube_world(struct kube *k)
{
    return k->w;
}

struct kube_auth *kube_auth_of(struct kube *k)
{
    return k->auth;
}

struct kube_events **kube_events_slot(struct kube *k)
{
    return &k->events;
}

/* ---- client ---- */

void kube_set_limits(struct kube *k, const struct kube_limits *limits)
{
    budget_set_limits(&k->budget, limits);
    pump_in(k, 0);
}

void kube_guard_writes(struct kube *k, bool (*may_write)(void *ctx), void *ctx)
{
    k->may_write = may_write;
    k->may_write_ctx = ctx;
}

struct kube *kube_new(struct world *w, struct kube_config *takes, const struct kube_limits *limits)
{
    struct kube *k = mem_zero(sizeof *k);

    k->w = w;
    k->auth = kube_auth_new(takes, on_auth, k);
    TAILQ_INIT(&k->urgent);
    TAILQ_INIT(&k->queue);
    TAILQ_INIT(&k->others);
    budget_init(&k->budget, limits, world_mono(w));
    return k;
}

void kube_free(struct kube *k)
{
    if (!k)
        return;
    if (k->events)
        kube_events_free(k->events);
    while (!TAILQ_EMPTY(&k->others))
        kube_cancel(TAILQ_FIRST(&k->others));
    while (!TAILQ_EMPTY(&k->queue))
        kube_cancel(TAILQ_FIRST(&k->queue));
    while (!TAILQ_EMPTY(&k->urgent))
        kube_cancel(TAILQ_FIRST(&k->urgent));
    world_timer_stop(k->w, &k->pump_timer);
    kube_auth_free(k->auth);
    free(k);
}

uint64_t kube_requests(const struct kube *k, uint64_t *writes)
{
    if (writes)
        *writes = k->writes;
    return k->requests;
}

bool kube_busy(const struct kube *k)
{
    return !TAILQ_EMPTY(&k->urgent) || !TAILQ_EMPTY(&k->queue) || !TAILQ_EMPTY(&k->others);
}
