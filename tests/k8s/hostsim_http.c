/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP ports of the servers, each on its pod's address, and the page by which tests look and give orders. */
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>

#include "tests/k8s/hostsim_impl.h"

struct hs_server {
    struct hostsim *hs;
    struct chost *host;
    struct evhttp *http, *https; /* NULL: that port is closed */
    SSL_CTX *tls;
    struct sim_http *pending;
    struct hs_server *next;
};

cJSON *order_of(struct hostsim *hs, const char *key, const char *what)
{
    return json_get(json_get(hs->orders, key), what);
}

static char *body_of(struct evhttp_request *req, size_t *len)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(req);
    char *text;

    *len = evbuffer_get_length(in);
    text = mem_zero(*len + 1);
    evbuffer_copyout(in, text, *len);
    return text;
}

/* ---- servers ---- */

static const char *const passed_on[] = {"X-ClickHouse-User", "X-ClickHouse-Key", NULL};

static void ask(struct hs_server *s, struct evhttp_request *req)
{
    char user[200];
    const char *name = evhttp_find_header(evhttp_request_get_input_headers(req), passed_on[0]);
    const char *headers[2] = {NULL, NULL};
    size_t len;
    auto_free char *body = body_of(req, &len),
                   *url = mem_printf("http://%s%s", chost_pod(s->host), evhttp_request_get_uri(req));
    auto_str struct str out = STR_INIT;
    struct http_request r = {.method = "POST", .url = url, .headers = headers, .body = body, .body_len = len};
    struct sim_http *h;
    int status = 200;

    if (name) {
        snprintf(user, sizeof user, "X-ClickHouse-User: %s", name);
        headers[0] = user;
    }
    h = hs_http_new(req, &s->pending);
    if (!chost_http(s->host, h, &r, &status, &out))
        return;
    if (status == SIM_REFUSED) {
        sim_http_fail(h);
        return;
    }
    hs_http_over(h);
    hs_http_send(req, status, str_text(&out), out.len);
}

static void on_request(struct evhttp_request *req, void *ctx)
{
    struct hs_server *s = ctx;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req)), *pod = chost_pod(s->host);

    if (order_of(s->hs, pod, "hang") || (chost_state(s->host) == CHOST_STOPPING && path[1])) {
        hs_http_new(req, &s->pending); /* never answered; goes when the client goes or the server ends */
        return;
    }
    if (order_of(s->hs, pod, "error")) {
        static const char text[] = "Code: 210, e.displayText() = DB::NetException: ordered, e.what() = DB::NetException\n";

        hs_http_send(req, 500, text, strlen(text));
        return;
    }
    if (strcmp(path, "/ping") == 0 || strcmp(path, "/replicas_status") == 0)
        hs_http_send(req, 200, "Ok.\n", 4);
    else
        ask(s, req);
}

static void on_secure_request(struct evhttp_request *req, void *ctx)
{
    struct hs_server *s = ctx;
    const char *pod = chost_pod(s->host);
    const cJSON *n = json_get(s->hs->seen.secure, pod);

    json_set_int(s->hs->seen.secure, pod, (n ? n->valueint : 0) + 1);
    on_request(req, s);
}

static struct bufferevent *secure_bev(struct event_base *base, void *ctx)
{
    struct hs_server *s = ctx;
    struct bufferevent *b =
        bufferevent_openssl_socket_new(base, -1, SSL_new(s->tls), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);

    bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
    return b;
}

static struct evhttp *listen_at(struct hs_server *s, const struct hpod *p, unsigned port, bool secure)
{
    struct evhttp *http;

    if (!port)
        return NULL;
    http = evhttp_new(s->hs->base);
    evhttp_set_gencb(http, secure ? on_secure_request : on_request, s);
    evhttp_set_max_body_size(http, 64 << 20);
    if (secure)
        evhttp_set_bevcb(http, secure_bev, s);
    if (evhttp_bind_socket(http, p->ip, (ev_uint16_t)port) < 0)
        log_error(p->key, "cannot listen on %s:%u", p->ip, port);
    return http;
}

void http_open(struct hostsim *hs, struct chost *h)
{
    struct hpod *p = pods_by_key(hs, chost_pod(h));
    struct hs_server *s;

    if (!p)
        return;
    http_close(hs, h);
    s = mem_zero(sizeof *s);
    *s = (struct hs_server){.hs = hs, .host = h, .next = hs->servers};
    hs->servers = s;
    if (chost_tls_port(h, false))
        s->tls = hs_tls_host(hs->tls, p->key, p->ip);
    s->http = listen_at(s, p, chost_port(h, false), false);
    s->https = listen_at(s, p, chost_tls_port(h, false), true);
}

static void break_pending(struct hs_server *s)
{
    while (s->pending) {
        struct sim_http *h = s->pending;
        void (*gone)(void *ctx) = h->gone;
        void *ctx = h->gone_ctx;

        sim_http_fail(h); /* frees it */
        if (gone)
            gone(ctx);
    }
}

void http_close(struct hostsim *hs, struct chost *h)
{
    for (struct hs_server **at = &hs->servers; *at; at = &(*at)->next) {
        struct hs_server *s = *at;

        if (s->host != h)
            continue;
        *at = s->next;
        break_pending(s);
        if (s->http)
            evhttp_free(s->http);
        if (s->https)
            evhttp_free(s->https);
        SSL_CTX_free(s->tls);
        free(s);
        return;
    }
}

/* ---- the page of orders ---- */

static void reply(struct evhttp_request *req, int status, const char *text)
{
    hs_http_send(req, status, text, strlen(text));
}

static void reply_json(struct evhttp_request *req, const cJSON *j)
{
    auto_free char *text = json_print(j);

    reply(req, 200, text);
}

static const char *const state_names[] = {"down", "starting", "up", "stopping"};

static cJSON *pod_json(struct hostsim *hs, const struct hpod *p)
{
    cJSON *j = cJSON_CreateObject();
    const cJSON *n = json_get(hs->seen.counts, p->key);

    json_set_str(j, "pod", p->key);
    json_set_str(j, "uid", p->uid);
    json_set_str(j, "ip", p->ip);
    json_set_str(j, "image", p->image);
    json_set_str(j, "shard", p->shard);
    json_set_bool(j, "keeper", p->keeper);
    json_set_bool(j, "ready", p->ready);
    json_set_int(j, "containers", p->containers);
    json_set_int(j, "https_requests", json_get(hs->seen.secure, p->key) ? json_get(hs->seen.secure, p->key)->valueint : 0);
    json_set_int(j, "starts", n ? n->valueint : 0);
    json_set_str(j, "state", p->host ? state_names[chost_state(p->host)] : p->running ? "up" : "down");
    return j;
}

static void page_hosts(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    auto_json cJSON *list = cJSON_CreateArray();

    (void)q;
    for (struct hpod *p = hs->list; p; p = p->next)
        cJSON_AddItemToArray(list, pod_json(hs, p));
    reply_json(req, list);
}

static void page_seen(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    auto_json cJSON *j = cJSON_CreateObject();

    (void)q;
    json_set_int(j, "starts", (int64_t)hs->seen.starts);
    json_set_int(j, "breaches", (int64_t)hs->seen.breaches);
    json_set_int(j, "stopped_served", (int64_t)hs->seen.stopped_served);
    json_set_int(j, "stopped_listed", (int64_t)hs->seen.stopped_listed);
    json_set_int(j, "unknown", (int64_t)hs->seen.unknown);
    json_set(j, "notes", json_copy(hs->seen.notes));
    json_set(j, "starts_of", json_copy(hs->seen.counts));
    reply_json(req, j);
}

/* From now on stops are on purpose, until two replicas serve again: /calm?of=PREFIX of "ns/installation/cluster/shard". */
static void page_calm(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    const char *of = evhttp_find_header(q, "of");

    for (cJSON *s = hs->seen.armed->child, *next; s; s = next) {
        next = s->next;
        if (str_starts(s->string, of ? of : ""))
            cJSON_Delete(cJSON_DetachItemViaPointer(hs->seen.armed, s));
    }
    reply(req, 200, "ok\n");
}

static void page_crash(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    const char *pod = evhttp_find_header(q, "pod");
    struct hpod *p = pod ? pods_by_key(hs, pod) : NULL;

    if (p && pods_crash(hs, p))
        reply(req, 200, "ok\n");
    else
        reply(req, 404, "no such pod runs\n");
}

/* /order?pod=ns/name&what=hang|error|mute|crash|nosuch|slow[&ms=N][&off=1] */
static void page_order(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    const char *pod = evhttp_find_header(q, "pod"), *what = evhttp_find_header(q, "what"), *ms = evhttp_find_header(q, "ms");
    cJSON *of;

    if (!pod || !what) {
        reply(req, 400, "pod and what are needed\n");
        return;
    }
    of = json_need_obj(hs->orders, pod);
    if (evhttp_find_header(q, "off"))
        cJSON_DeleteItemFromObjectCaseSensitive(of, what);
    else
        json_set_int(json_set_obj(of, what), "ms", ms ? atoll(ms) : 0);
    reply(req, 200, "ok\n");
}

static void page_knobs(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    struct hosts_knobs *k = hosts_knobs(hs->hosts);
    const struct {
        const char *name;
        unsigned *at;
    } all[] = {{"mount_ms", &k->mount_max_ms},     {"start_ms", &k->start_max_ms},       {"catchup_ms", &k->catchup_max_ms},
               {"lie_ms", &k->lie_ms},             {"slow_permille", &k->slow_permille}, {"hang_permille", &k->hang_permille},
               {"error_permille", &k->error_permille}, {"probe_ms", &hs->o.probe_ms},    {"pull_ms", &hs->o.pull_ms},
               {"resize_ms", &hs->o.resize_ms}};
    auto_json cJSON *j = cJSON_CreateObject();

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *v = evhttp_find_header(q, all[i].name);

        if (v)
            *all[i].at = (unsigned)strtoul(v, NULL, 10);
        json_set_int(j, all[i].name, *all[i].at);
    }
    reply_json(req, j);
}

static struct chost *host_of(struct hostsim *hs, const struct evkeyvalq *q)
{
    const char *pod = evhttp_find_header(q, "pod");

    return pod ? hosts_get(hs->hosts, pod, false) : NULL;
}

static void page_sql(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    struct chost *h = host_of(hs, q);
    size_t len;
    auto_free char *sql = body_of(req, &len);
    struct err err = ERR_INIT;

    if (!h)
        reply(req, 404, "no such pod\n");
    else if (chost_execute(h, sql, &err) < 0)
        reply(req, 500, err.msg);
    else
        reply(req, 200, "ok\n");
}

/* /insert?pod=…&db=…&table=…[&n=N]: rows into a replicated table */
static void page_insert(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    struct chost *h = host_of(hs, q);
    const char *db = evhttp_find_header(q, "db"), *table = evhttp_find_header(q, "table"), *n = evhttp_find_header(q, "n");
    int64_t last = -1;

    for (long i = n ? atol(n) : 1; h && db && table && i > 0; i--)
        if ((last = chost_insert(h, db, table)) < 0)
            break;
    if (last < 0)
        reply(req, 500, "not taken\n");
    else
        reply(req, 200, "ok\n");
}

/* The value of a setting as the server loaded it: /setting?pod=…&tag=…[&start=1] */
static void page_setting(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    struct chost *h = host_of(hs, q);
    const char *tag = evhttp_find_header(q, "tag");
    char buf[200] = "";

    if (h && tag)
        chost_setting(h, tag, evhttp_find_header(q, "start") != NULL, buf, sizeof buf);
    reply(req, h && tag ? 200 : 404, buf);
}

/* Who signs the certificates of the hosts: what the operator's rootCA has to be */
static void page_authority(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q)
{
    auto_free char *pem = hs_tls_authority(hs->tls);

    (void)q;
    reply(req, 200, pem);
}

static const struct {
    const char *path;
    void (*fn)(struct hostsim *hs, struct evhttp_request *req, const struct evkeyvalq *q);
} pages[] = {
    {"/hosts", page_hosts},   {"/seen", page_seen}, {"/calm", page_calm},     {"/crash", page_crash},     {"/order", page_order},
    {"/knobs", page_knobs}, {"/sql", page_sql},   {"/insert", page_insert}, {"/setting", page_setting},
    {"/authority", page_authority},
};

static void on_order(struct evhttp_request *req, void *ctx)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
    struct evkeyvalq query;

    evhttp_parse_query_str(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req)), &query);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strcmp(pages[i].path, path) == 0) {
            pages[i].fn(ctx, req, &query);
            evhttp_clear_headers(&query);
            return;
        }
    evhttp_clear_headers(&query);
    reply(req, 404, "no such page\n");
}

int control_open(struct hostsim *hs, struct err *err)
{
    struct evhttp *http = evhttp_new(hs->base);

    evhttp_set_gencb(http, on_order, hs);
    if (evhttp_bind_socket(http, "127.0.0.1", (ev_uint16_t)hs->o.control_port) < 0)
        return err_set(err, ERR_SYS, errno, "cannot listen on 127.0.0.1:%u", hs->o.control_port);
    return 0;
}
