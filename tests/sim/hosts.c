/* SPDX-License-Identifier: Apache-2.0 */
/* Server processes: start, stop, die, reload, queries, and their HTTP port. */
#include "tests/sim/hosts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/hosts_impl.h"

/* An answer that comes later, or never. */
struct pending {
    struct chost *h;
    uint64_t serial;
    struct sim_http *http; /* NULL: the client went away */
    int status;
    char *body;
    struct pending *next;
};

struct later {
    struct chost *h;
    uint64_t serial, begun;
    int code;
    bool crash, mute;
};

static void after(struct chost *h, uint64_t ms, void (*fn)(void *ctx), struct later l)
{
    struct later *copy = mem_copy(&l, sizeof l);

    copy->h = h;
    copy->serial = h->serial;
    sim_after(h->hs->s, ms, fn, copy);
}

static uint64_t upto(struct hosts *hs, uint64_t max)
{
    return max ? sim_random(hs->s) % (max + 1) : 0;
}

static bool chance(struct hosts *hs, unsigned permille)
{
    return permille && sim_random(hs->s) % 1000 < permille;
}

struct hosts *hosts_new(struct sim *s, const struct hosts_hooks *hooks)
{
    struct hosts *hs = mem_zero(sizeof *hs);

    hs->s = s;
    hs->hooks = hooks ? *hooks : (struct hosts_hooks){0};
    hs->knobs = (struct hosts_knobs){.mount_max_ms = 90000,
                                     .start_max_ms = 1500,
                                     .catchup_max_ms = 60000,
                                     .session_max_ms = 1500,
                                     .lie_ms = 20000,
                                     .epoch_s = 1800000000};
    return hs;
}

void hosts_resolver(struct hosts *hs, hosts_resolve_fn *fn)
{
    hs->resolve = fn;
}

struct hosts_knobs *hosts_knobs(struct hosts *hs)
{
    return &hs->knobs;
}

static void free_queries(struct chost *h)
{
    while (h->queries) {
        struct query *q = h->queries;

        h->queries = q->next;
        free(q->id);
        free(q);
    }
}

static void forget_sessions(struct chost *h)
{
    while (h->sessions) {
        struct session *s = h->sessions;

        h->sessions = s->next;
        free(s->id);
        free(s);
    }
}

void hosts_free(struct hosts *hs)
{
    while (hs->list) {
        struct chost *h = hs->list;

        hs->list = h->next;
        free_queries(h);
        forget_sessions(h);
        chost_unmount_all(h);
        loaded_free(&h->now);
        loaded_free(&h->start);
        free(h->pod);
        free(h->image);
        free(h->identity);
        free(h);
    }
    disks_free(hs);
    for (size_t i = 0; i < hs->znodes.n; i++)
        free(hs->znodes.v[i]);
    free(hs->znodes.v);
    free(hs);
}

struct chost *hosts_get(struct hosts *hs, const char *pod, bool make)
{
    struct chost **at, *h;

    for (at = &hs->list; *at; at = &(*at)->next)
        if (strcmp((*at)->pod, pod) == 0)
            return *at;
    if (!make)
        return NULL;
    h = mem_zero(sizeof *h);
    h->hs = hs;
    h->pod = mem_str(pod);
    h->image = mem_str("");
    h->identity = mem_str("");
    return *at = h;
}

struct chost *hosts_at(struct hosts *hs, size_t i)
{
    struct chost *h = hs->list;

    while (h && i--)
        h = h->next;
    return h;
}

/* "ns/SERVICE-0" of a Service's name. */
static bool named(const struct chost *h, const char *address)
{
    const char *pod = strchr(h->pod, '/') + 1;
    size_t n = strcspn(address, ".");

    return strncmp(pod, address, n) == 0 && strcmp(pod + n, "-0") == 0;
}

struct chost *hosts_listening(struct hosts *hs, const char *address, unsigned port, bool tcp)
{
    bool number = strcmp(address, "127.0.0.1") == 0;

    for (struct chost *h = hs->list; h; h = h->next)
        if ((h->state == CHOST_UP || h->state == CHOST_STOPPING) && (tcp ? h->start.tcp : h->start.http) == port &&
            (number || named(h, address)))
            return h;
    return NULL;
}

static struct chost *at_url(struct hosts *hs, const char *url)
{
    const char *host = url + strlen("http://"), *colon = strchr(host, ':');
    auto_free char *address = colon ? mem_strn(host, (size_t)(colon - host)) : NULL;

    return address ? hosts_listening(hs, address, (unsigned)atoi(colon + 1), false) : NULL;
}

/* ---- queries ---- */

static void query_over(struct query *q, bool ok, const char *why)
{
    query_done_fn *done = q->done;
    void *ctx = q->ctx;

    for (struct query **at = &q->h->queries; *at; at = &(*at)->next)
        if (*at == q) {
            *at = q->next;
            break;
        }
    free(q->id);
    free(q);
    if (done)
        done(ctx, ok, why);
}

struct query_end {
    struct chost *h;
    uint64_t serial;
};

static void query_ends(void *ctx)
{
    struct query_end *e = ctx;

    for (struct query *q = e->h->queries; q; q = q->next)
        if (q->serial == e->serial) {
            query_over(q, true, "");
            break;
        }
    free(e);
}

struct query *query_add(struct chost *h, const char *id, uint64_t ms, query_done_fn *done, void *ctx)
{
    struct query *q = mem_zero(sizeof *q);
    struct query_end *e = mem_zero(sizeof *e);

    *q = (struct query){.h = h,
                        .id = mem_str(id ? id : ""),
                        .done = done,
                        .ctx = ctx,
                        .serial = sim_random(h->hs->s),
                        .next = h->queries};
    q->ours = id && strncmp(id, "chfleet-", 8) == 0;
    h->queries = q;
    *e = (struct query_end){h, q->serial};
    sim_after(h->hs->s, ms, query_ends, e);
    return q;
}

void chost_query(struct chost *h, const char *id, unsigned ms, query_done_fn *done, void *ctx)
{
    if (h->state != CHOST_UP)
        done(ctx, false,
             h->state == CHOST_STOPPING ? "the server is stopping: it takes the connection and never answers"
                                        : "nobody listens");
    else
        query_add(h, id, ms, done, ctx);
}

void queries_kill(struct chost *h, bool (*which)(const struct query *q, void *ctx), void *ctx)
{
    for (struct query *q = h->queries, *next; q; q = next) {
        next = q->next;
        if (which(q, ctx))
            query_over(q, false, "the query was killed");
    }
}

static bool every(const struct query *q, void *ctx)
{
    (void)q;
    (void)ctx;
    return true;
}

unsigned chost_queries(const struct chost *h)
{
    unsigned n = 0;

    for (const struct query *q = h->queries; q; q = q->next)
        n += !q->ours;
    return n;
}

/* ---- life ---- */

static void set_state(struct chost *h, enum chost_state state)
{
    enum chost_state was = h->state;

    h->state = state;
    if (was != state && h->hs->hooks.state)
        h->hs->hooks.state(h->hs->hooks.ctx, h, was);
}

static void process_gone(struct chost *h, int code)
{
    h->serial++;
    set_state(h, CHOST_DOWN);
    while (h->queries)
        queries_kill(h, every, NULL);
    forget_sessions(h);
    free(h->identity);
    h->identity = mem_str("");
    free(h->image);
    h->image = mem_str("");
    if (h->hs->hooks.exited)
        h->hs->hooks.exited(h->hs->hooks.ctx, h, code);
}

static void came_up(void *ctx)
{
    struct later *l = ctx;
    struct chost *h = l->h;

    if (h->serial == l->serial && h->state == CHOST_STARTING && !l->mute) {
        if (l->crash || !tables_loadable(h)) {
            process_gone(h, 70);
        } else {
            tables_started(h);
            set_state(h, CHOST_UP);
        }
    }
    free(l);
}

void chost_boot(struct chost *h, const struct chost_boot *b)
{
    h->serial++;
    h->starts++;
    h->started_ms = sim_now(h->hs->s);
    free(h->image);
    h->image = mem_str(b->image);
    free(h->identity);
    h->identity = mem_str(b->identity);
    h->disk = disk_get(h->hs, b->disk);
    config_load(h, true);
    set_state(h, CHOST_STARTING);
    after(h, 60 + upto(h->hs, h->hs->knobs.start_max_ms) + b->ready_ms, came_up,
          (struct later){.crash = b->crash, .mute = b->mute});
}

static void stop_look(void *ctx)
{
    struct later *l = ctx;
    struct chost *h = l->h;
    uint64_t waited = sim_now(h->hs->s) - l->begun;

    if (h->serial == l->serial && h->state == CHOST_STOPPING) {
        if (!h->queries || waited >= STOP_WAIT_MS + 10000) {
            h->disk->killed = false;
            process_gone(h, 0);
        } else {
            after(h, 250, stop_look, *l);
        }
    }
    free(l);
}

void chost_term(struct chost *h)
{
    if (h->state == CHOST_DOWN || h->state == CHOST_STOPPING)
        return;
    set_state(h, CHOST_STOPPING);
    after(h, STOP_IDLE_MS, stop_look, (struct later){.begun = sim_now(h->hs->s)});
}

void chost_kill(struct chost *h)
{
    if (h->state == CHOST_DOWN)
        return;
    h->disk->killed = h->state != CHOST_STARTING || h->disk->killed;
    process_gone(h, 137);
}

/* ---- files ---- */

static void poll_files(void *ctx)
{
    struct later *l = ctx;

    if (l->h->serial == l->serial && l->h->state == CHOST_STARTING) /* it looks when it has come up */
        after(l->h, POLL_MS, poll_files, *l);
    else if (l->h->serial == l->serial && l->h->state == CHOST_UP)
        config_load(l->h, false);
    free(l);
}

void chost_stick(struct chost *h, bool stuck)
{
    h->stuck = stuck;
}

void chost_mount(struct chost *h, const char *configmap, cJSON *data)
{
    struct mount *m = NULL;
    uint64_t now = sim_now(h->hs->s);
    bool same_second;

    for (size_t i = 0; i < h->n_mounts && !m; i++)
        if (strcmp(h->mounts[i].configmap, configmap) == 0)
            m = &h->mounts[i];
    if (!m) {
        h->mounts = mem_grow(h->mounts, h->n_mounts + 1, sizeof *h->mounts);
        m = &h->mounts[h->n_mounts++];
        *m = (struct mount){mem_str(configmap), NULL, 0};
    }
    if (h->stuck && m->data) {
        cJSON_Delete(data);
        return;
    }
    same_second = m->data && m->written_ms / 1000 == now / 1000 && h->loaded_ms >= m->written_ms;
    cJSON_Delete(m->data);
    m->data = data ? data : cJSON_CreateObject();
    m->written_ms = now;
    if ((h->state == CHOST_UP || h->state == CHOST_STARTING) &&
        !same_second) /* times are compared in whole seconds: else it is never noticed */
        after(h, upto(h->hs, POLL_MS), poll_files, (struct later){0});
}

void chost_unmount_all(struct chost *h)
{
    for (size_t i = 0; i < h->n_mounts; i++) {
        free(h->mounts[i].configmap);
        cJSON_Delete(h->mounts[i].data);
    }
    free(h->mounts);
    h->mounts = NULL;
    h->n_mounts = 0;
}

/* ---- HTTP ---- */

static void client_gone(void *ctx)
{
    ((struct pending *)ctx)->http = NULL;
}

static void answer_pending(void *ctx)
{
    struct pending *p = ctx;

    if (p->http) {
        if (p->status && p->h->serial == p->serial)
            sim_http_answer(p->http, p->status, p->body);
        else
            sim_http_fail(p->http);
    }
    free(p->body);
    free(p);
}

/* The answer comes after ms, or breaks then when the process has ended. status 0: breaks in any case. */
static void answer_in(struct chost *h, struct sim_http *http, uint64_t ms, int status, const char *body)
{
    struct pending *p = mem_zero(sizeof *p);

    *p = (struct pending){.h = h, .serial = h->serial, .http = http, .status = status, .body = mem_str(body)};
    sim_http_on_gone(http, client_gone, p);
    sim_after(h->hs->s, ms, answer_pending, p);
}

static char *url_param(const char *url, const char *name)
{
    auto_free char *key = mem_printf("%s=", name);
    auto_str struct str out = STR_INIT;
    const char *p = strchr(url, '?');
    size_t n = strlen(key);

    for (; p; p = strchr(p + 1, '&'))
        if (strncmp(p + 1, key, n) == 0)
            break;
    if (!p)
        return NULL;
    for (p += 1 + n; *p && *p != '&'; p++) {
        unsigned c;

        if (*p == '%' && sscanf(p + 1, "%2x", &c) == 1) {
            str_addc(&out, (char)c);
            p += 2;
        } else {
            str_addc(&out, *p);
        }
    }
    return mem_str(str_text(&out));
}

static bool known_user(const struct chost *h, const struct http_request *req)
{
    for (size_t i = 0; req->headers && req->headers[i]; i++)
        if (strncmp(req->headers[i], "X-ClickHouse-User: ", 19) == 0) {
            auto_free char *tag = mem_printf("<%s>", req->headers[i] + 19),
                           *flat = mem_printf("<%s/", req->headers[i] + 19);

            return strcmp(req->headers[i] + 19, "default") == 0 || !h->start.users || strstr(h->now.users, tag) ||
                   strstr(h->now.users, flat);
        }
    return true;
}

static int http_status(int code)
{
    return code == 62 ? 400 : code == 192 || code == 193 ? 401 : code == 60 || code == 46 || code == 115 ? 404 : 500;
}

static void error_body(struct str *body, const struct err *err)
{
    str_addf(body, "Code: %d, e.displayText() = DB::Exception: %s, e.what() = DB::Exception\n", err->sys, err->msg);
}

static int run(struct chost *h, const struct http_request *req, struct str *body, bool *ended)
{
    auto_free char *sql = mem_strn(req->body ? req->body : "", req->body_len), *id = url_param(req->url, "query_id");
    const char *settings = strchr(req->url, '?');
    uint64_t serial = h->serial;
    enum chost_state was = h->state;
    struct err err = ERR_INIT;
    int status = 200;

    if (!known_user(h, req)) {
        err_set(&err, ERR_REFUSED, 0, "Unknown user");
        err.sys = 192;
        status = 401;
    } else if (statement_run(h, sql, id, settings ? settings : "", body, &err) < 0) {
        str_reset(body);
        status = http_status(err.sys);
    }
    if (status != 200)
        error_body(body, &err);
    *ended = h->serial != serial || h->state != was;
    return status;
}

bool hosts_http(struct hosts *hs, struct sim_http *http, const struct http_request *req, int *status, struct str *body,
                struct chost **asked)
{
    *asked = at_url(hs, req->url);
    if (*asked)
        return chost_http(*asked, http, req, status, body);
    *status = SIM_REFUSED;
    return true;
}

bool chost_http(struct chost *h, struct sim_http *http, const struct http_request *req, int *status, struct str *body)
{
    struct hosts *hs = h->hs;
    bool ended = false;

    if (h->state == CHOST_DOWN) {
        *status = SIM_REFUSED;
        return true;
    }
    if (h->state == CHOST_STOPPING || chance(hs, hs->knobs.hang_permille)) {
        answer_in(h, http, h->state == CHOST_STOPPING ? 4000 : 3600000, 0, "");
        return false;
    }
    if (chance(hs, hs->knobs.error_permille)) {
        *status = 500;
        str_add(body, sim_random(hs->s) & 1
                          ? "Code: 210, e.displayText() = DB::NetException: simulated, e.what() = DB::NetException\n"
                          : "");
        return true;
    }
    *status = run(h, req, body, &ended);
    if (ended) { /* a shutdown: the answer may still get out */
        answer_in(h, http, 20, sim_random(hs->s) & 1 ? 0 : *status, str_text(body));
        return false;
    }
    if (chance(hs, hs->knobs.slow_permille)) {
        auto_free char *id = url_param(req->url, "query_id");
        uint64_t ms = upto(hs, 15000);

        query_add(h, id, ms, NULL, NULL);
        answer_in(h, http, ms, *status, str_text(body));
        return false;
    }
    return true;
}

int chost_execute(struct chost *h, const char *sql, struct err *err)
{
    auto_str struct str out = STR_INIT;

    if (h->state != CHOST_UP)
        return err_set(err, ERR_AGAIN, 0, "%s is not up", h->pod);
    return statement_run(h, sql, "user", "", &out, err);
}

/* ---- truth ---- */

const char *chost_pod(const struct chost *h)
{
    return h->pod;
}

enum chost_state chost_state(const struct chost *h)
{
    return h->state;
}

const char *chost_image(const struct chost *h)
{
    return h->image;
}

const char *chost_identity(const struct chost *h)
{
    return h->identity;
}

const char *chost_disk(const struct chost *h)
{
    return h->disk ? h->disk->id : "";
}

unsigned chost_starts(const struct chost *h)
{
    return h->starts;
}

unsigned chost_port(const struct chost *h, bool tcp)
{
    return h->state == CHOST_UP ? tcp ? h->start.tcp : h->start.http : 0;
}

unsigned chost_tls_port(const struct chost *h, bool tcp)
{
    return h->state == CHOST_UP ? tcp ? h->start.tls : h->start.https : 0;
}

/* "repository:24.8.4.13" → 24.8; without a tag or with a word: a modern one. */
struct sql_version chost_version(const struct chost *h)
{
    struct sql_version v = {18, 16, 1};
    const char *tag = strrchr(h->image, ':');

    if (h->hs->knobs.version_by_tag && (!tag || sql_version_parse(tag + 1, &v) < 0))
        v = (struct sql_version){24, 8, 1};
    return v;
}
