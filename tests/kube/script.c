/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kube/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct world_timer {
    uint64_t due;
    void (*fn)(void *);
    void *ctx;
    struct world_timer *next;
};

struct script_run {
    void (*done)(void *, int, const char *, const char *);
    void *ctx;
};

static struct script *of(struct world *w)
{
    return (struct script *)w;
}

static uint64_t s_mono(struct world *w)
{
    return of(w)->now;
}

static uint64_t s_wall(struct world *w)
{
    return of(w)->wall0 + of(w)->now;
}

static uint64_t s_random(struct world *w)
{
    struct script *s = of(w);

    s->seed = s->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return s->seed >> 17;
}

static struct world_timer *s_timer(struct world *w, uint64_t ms, void (*fn)(void *), void *ctx)
{
    struct world_timer *t = mem_zero(sizeof *t), **p = &of(w)->timers;

    t->due = of(w)->now + ms;
    t->fn = fn;
    t->ctx = ctx;
    while (*p && (*p)->due <= t->due)
        p = &(*p)->next;
    t->next = *p;
    *p = t;
    return t;
}

static void s_timer_stop(struct world *w, struct world_timer *t)
{
    struct world_timer **p = &of(w)->timers;

    while (*p && *p != t)
        p = &(*p)->next;
    if (!*p)
        abort(); /* a dead handle */
    *p = t->next;
    free(t);
}

static char *header(const struct http_request *req, const char *name)
{
    for (const char *const *p = req->headers; p && *p; p++)
        if (str_starts(*p, name))
            return mem_str(*p + strlen(name));
    return NULL;
}

static struct world_http *s_http(struct world *w, const struct http_request *req, http_data_fn *on_data,
                                 http_done_fn *on_done, void *ctx)
{
    struct script *s = of(w);
    struct world_http *h = mem_zero(sizeof *h), **p = &s->calls;
    const char *path = strchr(strstr(req->url, "://") + 3, '/');
    auto_free char *old = s->log;

    h->s = s;
    h->method = mem_str(req->method);
    h->path = mem_str(path ? path : "/");
    h->body = req->body ? mem_strn(req->body, req->body_len) : NULL;
    h->auth = header(req, "Authorization: ");
    h->agent = header(req, "User-Agent: ");
    h->type = header(req, "Content-Type: ");
    h->ca = mem_str(req->tls->ca);
    h->cert = mem_str(req->tls->cert);
    h->flags = req->flags;
    h->idle_ms = req->idle_ms;
    h->total_ms = req->total_ms;
    h->heard_ms = s->now;
    h->on_data = on_data;
    h->on_done = on_done;
    h->ctx = ctx;
    while (*p)
        p = &(*p)->next;
    *p = h;
    s->requests++;
    s->log = mem_printf("%s%s %s\n", old ? old : "", h->method, h->path);
    return h;
}

static void s_http_cancel(struct world *w, struct world_http *h)
{
    (void)w;
    if (h->dead)
        abort();
    h->dead = true;
}

static int s_read_file(struct world *w, const char *path, char **text, size_t *len, struct err *err)
{
    struct script *s = of(w);

    for (size_t i = 0; i < sizeof s->files / sizeof *s->files; i++)
        if (s->files[i].path && strcmp(s->files[i].path, path) == 0) {
            *text = mem_str(s->files[i].text);
            *len = strlen(*text);
            return 0;
        }
    return err_set(err, ERR_MISSING, 2, "cannot open %s: there is no such file", path);
}

static void s_run(struct world *w, const char *const *argv, const char *const *env, uint32_t total_ms,
                  void (*done)(void *, int, const char *, const char *), void *ctx)
{
    struct script *s = of(w);
    struct str text = STR_INIT;

    (void)total_ms;
    s->runs++;
    for (; *argv; argv++)
        str_addf(&text, "%s ", *argv);
    for (; *env; env++)
        str_addf(&text, "%s\n", *env);
    free(s->run_env);
    s->run_env = str_take(&text);
    s->pending_run = mem_zero(sizeof *s->pending_run);
    s->pending_run->done = done;
    s->pending_run->ctx = ctx;
}

static const struct world_ops ops = {
    .mono_ms = s_mono,
    .wall_ms = s_wall,
    .random = s_random,
    .timer = s_timer,
    .timer_stop = s_timer_stop,
    .http = s_http,
    .http_cancel = s_http_cancel,
    .read_file = s_read_file,
    .run = s_run,
};

struct script *script_new(void)
{
    struct script *s = mem_zero(sizeof *s);

    s->w.ops = &ops;
    s->now = 1000000;
    s->wall0 = UINT64_C(1700000000000);
    s->seed = 42;
    return s;
}

static void call_free(struct world_http *h)
{
    free(h->method);
    free(h->path);
    free(h->body);
    free(h->auth);
    free(h->agent);
    free(h->type);
    free(h->ca);
    free(h->cert);
    free(h);
}

static void bury(struct script *s)
{
    for (struct world_http **p = &s->calls; *p;) {
        struct world_http *h = *p;

        if (!h->dead) {
            p = &h->next;
            continue;
        }
        *p = h->next;
        call_free(h);
    }
}

void script_free(struct script *s)
{
    for (struct world_http *h = s->calls; h; h = h->next)
        h->dead = true;
    bury(s);
    while (s->timers)
        s_timer_stop(&s->w, s->timers);
    for (size_t i = 0; i < sizeof s->files / sizeof *s->files; i++) {
        free(s->files[i].path);
        free(s->files[i].text);
    }
    free(s->log);
    free(s->run_env);
    free(s->pending_run);
    free(s);
}

/* True when something happened at this instant. */
static bool round_of(struct script *s)
{
    struct world_timer *t = s->timers;

    if (t && t->due <= s->now) {
        struct world_timer copy = *t;

        s_timer_stop(&s->w, t);
        copy.fn(copy.ctx);
        return true;
    }
    if (s->pending_run) {
        struct script_run run = *s->pending_run;

        free(s->pending_run);
        s->pending_run = NULL;
        run.done(run.ctx, s->run_status, s->run_out ? s->run_out : "", s->run_err ? s->run_err : "");
        return true;
    }
    for (struct world_http *h = s->calls; h; h = h->next) {
        uint32_t limit = h->idle_ms ? h->idle_ms : h->total_ms;

        if (h->dead)
            continue;
        if (!h->seen) {
            h->seen = true;
            if (s->serve)
                s->serve(s, h);
            return true;
        }
        if (limit && s->now - h->heard_ms >= limit) {
            script_lose(h, true);
            return true;
        }
    }
    return false;
}

void script_run(struct script *s, uint64_t ms)
{
    uint64_t end = s->now + ms;

    for (;;) {
        while (round_of(s))
            bury(s);
        if (s->now >= end)
            break;
        uint64_t next = end;

        if (s->timers && s->timers->due < next)
            next = s->timers->due;
        for (struct world_http *h = s->calls; h; h = h->next) {
            uint32_t limit = h->idle_ms ? h->idle_ms : h->total_ms;

            if (!h->dead && limit && h->heard_ms + limit < next)
                next = h->heard_ms + limit;
        }
        s->now = next;
    }
}

void script_file(struct script *s, const char *path, const char *text)
{
    for (size_t i = 0; i < sizeof s->files / sizeof *s->files; i++)
        if (!s->files[i].path || strcmp(s->files[i].path, path) == 0) {
            free(s->files[i].path);
            free(s->files[i].text);
            s->files[i].path = mem_str(path);
            s->files[i].text = mem_str(text);
            return;
        }
    abort();
}

struct kube *script_kube(struct script *s)
{
    struct kube_config *c = NULL;
    struct err err = ERR_INIT;

    script_file(s, "/kubeconfig",
                "clusters: [{name: c, cluster: {server: 'https://server/'}}]\n"
                "users: [{name: u, user: {token: secret}}]\n"
                "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                "current-context: x\n");
    if (kube_config_load(&s->w, "/kubeconfig", &c, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    return kube_new(&s->w, c, NULL);
}

void script_answer(struct world_http *h, int status, const char *headers, const char *body)
{
    struct http_response res = {.status = status,
                                .body = body && !(status == 200 && (h->flags & HTTP_STREAM)) ? body : "",
                                .headers = headers ? headers : "",
                                .sent = true,
                                .why = ERR_INIT};

    res.body_len = strlen(res.body);
    h->dead = true;
    h->on_done(h->ctx, &res);
}

void script_data(struct world_http *h, const char *text)
{
    h->heard_ms = h->s->now;
    h->on_data(h->ctx, text, strlen(text));
}

void script_lose(struct world_http *h, bool sent)
{
    struct http_response res = {.body = "", .headers = "", .sent = sent, .why = ERR_INIT};

    err_set(&res.why, ERR_AGAIN, 0, "connection lost");
    h->dead = true;
    h->on_done(h->ctx, &res);
}

struct world_http *script_open(struct script *s, const char *method, const char *prefix)
{
    for (struct world_http *h = s->calls; h; h = h->next)
        if (!h->dead && strcmp(h->method, method) == 0 && str_starts(h->path, prefix))
            return h;
    return NULL;
}

void heard_done(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct heard *h = ctx;

    h->n++;
    h->status = status;
    cJSON_Delete(h->obj);
    h->obj = json_copy(obj);
    h->err = err ? *err : (struct err)ERR_INIT;
}

void heard_free(struct heard *h)
{
    cJSON_Delete(h->obj);
    h->obj = NULL;
}
