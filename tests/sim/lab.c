/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/lab.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/config.h"
#include "tests/journal/lossy_vfs.h"
#include "tests/sim/load.h"
#include "workers/worker.h"

#define API "http://api.sim:80"

static const char kubeconfig[] = "apiVersion: v1\nkind: Config\ncurrent-context: sim\n"
                                 "clusters: [{name: sim, cluster: {server: \"" API "\"}}]\n"
                                 "users: [{name: sim, user: {token: t}}]\n"
                                 "contexts: [{name: sim, context: {cluster: sim, user: sim, namespace: default}}]\n";

static _Noreturn void broken(const char *what, const struct err *err)
{
    fprintf(stderr, "the simulation itself is broken: %s: %s\n", what, err->msg);
    abort();
}

/* ---- API server ---- */

/* An open watch, as the network carries it. */
struct stream {
    struct lab *l;
    struct sim_http *http; /* NULL: the client went away */
    struct api_watch *watch;
    uint64_t last_ms;
    bool silent, missed; /* missed: something was not told; it ends with the next word */
    unsigned refs;
};

struct piece {
    struct stream *st;
    struct str data;
    bool end;
};

static void stream_put(struct stream *st)
{
    if (--st->refs == 0)
        free(st);
}

static bool chance(struct lab *l, unsigned permille)
{
    return permille && sim_random(l->s) % 1000 < permille;
}

static void piece_arrives(void *ctx)
{
    struct piece *p = ctx;
    struct stream *st = p->st;

    if (st->http && p->end) {
        struct sim_http *http = st->http;

        st->http = NULL;
        sim_http_done(http);
        st->refs--; /* the piece still holds it */
    } else if (st->http) {
        sim_http_data(st->http, p->data.s, p->data.len);
    }
    str_free(&p->data);
    stream_put(st);
    free(p);
}

static void stream_send(struct stream *st, const char *data, size_t len, bool end)
{
    struct piece *p;
    uint64_t at = sim_now(st->l->s) + (st->l->watch.lag_max_ms ? sim_random(st->l->s) % st->l->watch.lag_max_ms : 0);

    st->missed |= st->l->deaf && !end;
    if ((st->silent || st->missed) && !end)
        return;
    if (at < st->last_ms)
        at = st->last_ms;
    st->last_ms = at;
    p = mem_zero(sizeof *p);
    p->st = st;
    p->end = end;
    st->refs++;
    if (len)
        str_addn(&p->data, data, len);
    sim_after(st->l->s, at - sim_now(st->l->s), piece_arrives, p);
}

static void stream_cut(void *ctx);

static void stream_emit(void *ctx, const char *data, size_t len)
{
    struct stream *st = ctx;

    if (st->missed && !st->l->deaf) {
        st->refs++;
        sim_after(st->l->s, 1, stream_cut, st);
    }
    stream_send(st, data, len, false);
}

static void stream_over(void *ctx)
{
    struct stream *st = ctx;

    st->watch = NULL;
    stream_send(st, NULL, 0, true);
    st->refs--; /* the end that is on its way holds it */
}

static void stream_gone(void *ctx)
{
    struct stream *st = ctx;

    st->http = NULL;
    if (st->watch) {
        api_watch_close(st->watch);
        st->watch = NULL;
        st->refs--;
    }
    stream_put(st);
}

static void stream_cut(void *ctx)
{
    struct stream *st = ctx;

    if (st->http && st->watch) {
        api_watch_close(st->watch);
        stream_over(st);
    }
    stream_put(st);
}

static void open_watch(struct lab *l, struct sim_http *http, const struct api_request *req)
{
    struct stream *st = mem_zero(sizeof *st);

    st->l = l;
    st->http = http;
    st->refs = 2; /* the connection and the watch */
    st->silent = chance(l, l->watch.silent_permille);
    st->watch = api_watch_open(l->plane.api, req, stream_emit, stream_over, st);
    sim_http_on_gone(http, stream_gone, st);
    if (chance(l, l->watch.cut_permille)) {
        st->refs++;
        sim_after(l->s, sim_random(l->s) % 60000, stream_cut, st);
    }
}

static const char *header(const struct http_request *req, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; req->headers && req->headers[i]; i++)
        if (strncasecmp(req->headers[i], name, n) == 0 && req->headers[i][n] == ':')
            return req->headers[i] + n + 1 + strspn(req->headers[i] + n + 1, " ");
    return NULL;
}

/* Writes say which object, or which version of it, they are meant for. Events are ours alone. */
static bool has_precondition(const struct http_request *req)
{
    auto_free char *text = mem_strn(req->body_len ? req->body : "", req->body_len);
    auto_json cJSON *body = json_parse(text, strlen(text), NULL);

    if (strcmp(req->method, "POST") == 0 || strstr(req->url, "/events"))
        return true;
    if (strcmp(req->method, "DELETE") == 0)
        return *json_str(body, "preconditions.uid", "") != '\0';
    return *json_str(body, "metadata.resourceVersion", "") || *json_str(body, "metadata.uid", "");
}

static void note_write(struct lab *l, const struct http_request *req)
{
    size_t n = strlen(l->write_log);
    char line[400];

    if (!has_precondition(req))
        observer_violation(l->obs, "%s %s has no precondition", req->method, req->url + strlen(API));

    l->writes++;
    log_debug("api", "%s %s %.*s", req->method, req->url + strlen(API), req->body_len > 600 ? 600 : (int)req->body_len,
              (const char *)req->body);
    observer_wrote(l->obs, req->body, req->body_len);
    snprintf(line, sizeof line, "%llu %s %s %.200s\n", (unsigned long long)sim_now(l->s), req->method,
             req->url + strlen(API), req->body_len ? (const char *)req->body : "");
    if (n + strlen(line) + 1 >= sizeof l->write_log)
        n = 0;
    snprintf(l->write_log + n, sizeof l->write_log - n, "%s", line);
}

/* ---- writes that are late ---- */

struct held {
    char *method, *path, *query, *type, *body;
    struct held *next;
};

static void hold(struct lab *l, const struct api_request *r)
{
    struct held *h = mem_zero(sizeof *h);

    *h = (struct held){mem_str(r->method),       mem_str(r->path), mem_str(r->query),
                       mem_str(r->content_type), mem_str(r->body), l->held};
    l->held = h;
}

unsigned lab_let_go(struct lab *l)
{
    unsigned done = 0;

    for (struct held *h; (h = l->held);) {
        struct api_request r = {.method = h->method,
                                .path = h->path,
                                .query = h->query,
                                .content_type = h->type,
                                .user = "chfleet",
                                .body = h->body,
                                .body_len = strlen(h->body)};
        struct api_response res = {0};

        l->held = h->next;
        api_handle(l->plane.api, &r, &res);
        log_debug("api", "late: %s %s → %d", h->method, h->path, res.status);
        done += res.status < 300;
        api_response_free(&res);
        free(h->method);
        free(h->path);
        free(h->query);
        free(h->type);
        free(h->body);
        free(h);
    }
    return done;
}

static bool serve_api(struct lab *l, struct sim_http *http, const struct http_request *req, int *status,
                      struct str *headers, struct str *body)
{
    const char *path = req->url + strlen(API), *query = strchr(path, '?');
    auto_free char *only = mem_strn(path, query ? (size_t)(query - path) : strlen(path));
    struct api_request r = {.method = req->method,
                            .path = only,
                            .query = query ? query + 1 : "",
                            .content_type = header(req, "Content-Type"),
                            .accept = header(req, "Accept"),
                            .user = "chfleet",
                            .body = req->body,
                            .body_len = req->body_len};
    struct api_response res = {0};
    enum api_outcome out;

    l->requests++;
    if (strcmp(req->method, "GET") != 0)
        note_write(l, req);
    if (strcmp(req->method, "GET") != 0 && l->hold && l->hold(l->hook_ctx, req->method, only, req->body)) {
        hold(l, &r);
        return false;
    }
    if (strcmp(req->method, "GET") == 0 && query && strstr(query, "watch=true") && chance(l, l->watch.gone_permille)) {
        *status = 410;
        str_add(body, "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"simulated: too old "
                      "resource version\"}");
        return true;
    }
    out = api_handle(l->plane.api, &r, &res);
    if (res.wrote)
        store_flush(l->plane.store, NULL);
    *status = res.status;
    if (l->dns && strcmp(only, "/version") == 0)
        str_add(body, "{\"major\":\"1\",\"minor\":\"31\",\"gitVersion\":\"v1.31.0\",\"platform\":\"linux/amd64\"}");
    else
        str_addn(body, str_text(&res.body), res.body.len);
    str_addn(headers, str_text(&res.headers), res.headers.len);
    api_response_free(&res);
    if (out == API_WATCH)
        open_watch(l, http, &r);
    else if (strcmp(req->method, "GET") != 0 && l->on_write)
        l->on_write(l->hook_ctx, req->method, only);
    return out != API_WATCH;
}

/* ---- the network ---- */

static bool serve(void *ctx, struct sim_http *http, const struct http_request *req, int *status, struct str *headers,
                  struct str *body)
{
    struct lab *l = ctx;
    struct chost *h;
    bool done;

    if (strncmp(req->url, API, strlen(API)) == 0)
        return serve_api(l, http, req, status, headers, body);
    done = hosts_http(l->hosts, http, req, status, body, &h);
    if (h) {
        auto_free char *sql = mem_strn(req->body ? req->body : "", req->body_len);

        log_debug(chost_pod(h), "%s → %d", sql, *status);
        if (l->on_statement)
            l->on_statement(l->hook_ctx, h, sim_http_client(http), sql);
    }
    return done;
}

static int zk(void *ctx, enum zk_op op, const char *path, struct str *value, struct err *err)
{
    return hosts_zk(((struct lab *)ctx)->hosts, op, path, value, err);
}

static void tcp(void *ctx, const char *host, unsigned port, const char *text, struct str *answer, struct err *err)
{
    kubelet_word(((struct lab *)ctx)->kubelet, host, port, text, answer, err);
}

/* ---- hooks of the models ---- */

static void host_state(void *ctx, struct chost *h, enum chost_state was)
{
    struct lab *l = ctx;

    if (l->kubelet)
        kubelet_state(l->kubelet, h);
    if (l->obs)
        observer_host(l->obs, h, was);
}

static void host_exited(void *ctx, struct chost *h, int code)
{
    kubelet_exited(((struct lab *)ctx)->kubelet, h, code);
}

static void host_unknown(void *ctx, struct chost *h, const char *sql)
{
    observer_violation(((struct lab *)ctx)->obs, "%s got a statement that no file of sql/statements has: %s",
                       chost_pod(h), sql);
}

/* ---- life ---- */

static char *make_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = mem_printf("%s/chfleet-sim-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : tmp ? tmp : "/tmp");

    if (!mkdtemp(dir)) {
        perror(dir);
        abort();
    }
    return dir;
}

static void remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        auto_free char *path = mem_printf("%s/%s", dir, e->d_name);

        if (*e->d_name != '.')
            unlink(path);
    }
    if (d)
        closedir(d);
}

static void remove_dir(char *dir)
{
    remove_files(dir);
    rmdir(dir);
    free(dir);
}

struct lab *lab_new(uint64_t seed, bool dns)
{
    struct lab *l = mem_zero(sizeof *l);
    struct hosts_hooks hooks = {host_state, host_exited, host_unknown, l};
    struct err err = ERR_INIT;
    cJSON *node = store_new_object(PK_NODE, NULL, "sim");

    l->seed = seed;
    l->dns = dns;
    l->s = sim_new(seed);
    simlog_clock(l->s);
    sim_file(l->s, "kubeconfig", kubeconfig);
    sim_serve(l->s, serve, zk, tcp, l);
    sim_faults(l->s)->error_prefix = API;
    sim_workers(l->s, worker_main);
    l->journal_dir = make_dir();
    l->spare_dir = make_dir();
    l->disk = lossy_new();
    l->hosts = hosts_new(l->s, &hooks);
    l->plane.w = sim_proc(l->s, "plane");
    l->plane.data_dir = "/sim";
    l->plane.node_name = "sim";
    if (store_open(l->plane.w, ":memory:", &l->plane.store, &err) < 0)
        broken("store", &err);
    store_create(l->plane.store, PK_NODE, node, STORE_SYSTEM, NULL, NULL);
    l->plane.api = api_new(l->plane.w, l->plane.store);
    l->kubelet = kubelet_new(l->s, &l->plane, l->hosts, dns);
    hosts_knobs(l->hosts)->version_by_tag = seed % 2; /* servers of 18.16, or of today */
    hosts_knobs(l->hosts)->mount_max_ms = dns ? 90000 : 300;
    l->obs = observer_new(l->s, &l->plane, l->hosts, l->kubelet);
    l->load = load_new(l->s, l->hosts, l->kubelet, l->obs);
    return l;
}

void lab_free(struct lab *l)
{
    lab_super_kill(l);
    lab_let_go(l);
    load_free(l->load);
    observer_free(l->obs);
    kubelet_free(l->kubelet);
    api_free(l->plane.api);
    store_close(l->plane.store);
    hosts_free(l->hosts);
    simlog_trace(false, NULL);
    sim_free(l->s);
    lossy_free(l->disk);
    remove_dir(l->journal_dir);
    remove_dir(l->spare_dir);
    free(l);
}

/* ---- the product ---- */

/* The peer's shipped configuration with a password to look for. */
static char *operator_config(const struct lab *l)
{
    auto_json cJSON *over = l->config ? json_parse(l->config, strlen(l->config), NULL) : NULL;
    cJSON *config = config_builtin();
    char *text;

    json_set_str(json_need_obj(json_need_obj(config, "clickhouse"), "access"), "password", LAB_PASSWORD);
    if (over)
        json_merge_patch(&config, over);
    text = json_print(config);
    cJSON_Delete(config);
    return text;
}

void lab_super_start(struct lab *l)
{
    struct super_options opt = {.data_dir = "", .identity = "sim", .operator_ip = "127.0.0.1", .build = "sim"};
    struct kube_limits limits = {.qps = 10000, .burst = 10000};
    struct kube_config *kc;
    struct err err = ERR_INIT;
    auto_free char *name = mem_printf("chfleetd-%u", ++l->super_starts), *config = operator_config(l);

    if (l->super_w)
        return;
    l->super_w = sim_proc(l->s, name);
    if (kube_config_load(l->super_w, "kubeconfig", &kc, &err) < 0)
        broken("kubeconfig", &err);
    l->kube = kube_new(l->super_w, kc, &limits);
    remove_files(l->spare_dir);
    lossy_arm(l->disk, l->journal_dir, l->spare_dir, 0, sim_random(l->s));
    if (journal_open(&l->journal, l->journal_dir, l->super_w, NULL, JOURNAL_INLINE | JOURNAL_NO_BALLAST, &err) < 0)
        broken("journal", &err);
    opt.config_text = config;
    opt.lease_ns = l->lease_ns;
    if (super_new(l->super_w, l->kube, l->journal, &opt, &l->super, &err) < 0)
        broken("supervisor", &err);
}

/* Its memory is given back before the world forgets it: what was sent is on its way all the same. */
void lab_super_kill(struct lab *l)
{
    struct world *w = l->super_w;

    if (!w)
        return;
    l->super_w = NULL;
    super_free(l->super);
    kube_free(l->kube);
    journal_close(l->journal);
    lossy_disarm(l->disk);
    sim_kill(w);
}

void lab_power_fails(struct lab *l)
{
    char *was = l->journal_dir;

    if (!l->super_w)
        return;
    lossy_crash(l->disk);
    lab_super_kill(l);
    l->journal_dir = l->spare_dir;
    l->spare_dir = was;
}

void lab_disk_full(struct lab *l, bool full)
{
    if (l->super_w)
        lossy_limit(l->disk, full ? lossy_used(l->disk) + 1 : 0, NULL);
}

static void start_again(void *ctx)
{
    lab_super_start(ctx);
}

void lab_super_restart_in(struct lab *l, uint64_t ms)
{
    sim_after(l->s, ms, start_again, l);
}

void lab_forget_journal(struct lab *l)
{
    remove_files(l->journal_dir);
}

/* ---- resources ---- */

static enum plane_kind kind_of(const cJSON *obj)
{
    const char *kind = json_str(obj, "kind", "");

    return strcmp(kind, "ClickHouseInstallation") == 0           ? PK_CHI
           : strcmp(kind, "ClickHouseKeeperInstallation") == 0   ? PK_CHK
           : strcmp(kind, "ClickHouseInstallationTemplate") == 0 ? PK_CHIT
                                                                 : PK_SECRET;
}

void lab_apply(struct lab *l, const char *json)
{
    struct err err = ERR_INIT;
    cJSON *obj = json_parse(json, strlen(json), &err);
    const cJSON *now;
    enum plane_kind kind;

    if (!obj)
        broken("resource", &err);
    kind = kind_of(obj);
    now = store_get(l->plane.store, kind, json_ns(obj), json_name(obj));
    if (!now) {
        if (store_create(l->plane.store, kind, obj, 0, NULL, &err) < 0)
            broken("create", &err);
        return;
    }
    cJSON *next = json_copy(now);

    json_set(next, "spec", json_copy(json_get(obj, "spec")));
    cJSON_Delete(obj);
    if (store_update(l->plane.store, kind, next, 0, NULL, &err) < 0)
        broken("update", &err);
}

void lab_delete(struct lab *l, const char *name)
{
    store_delete(l->plane.store, PK_CHI, "default", name, NULL, NULL, NULL, NULL);
}

const cJSON *lab_chi(const struct lab *l, const char *name)
{
    const cJSON *chi = store_get(l->plane.store, PK_CHI, "default", name);

    return chi ? chi : store_get(l->plane.store, PK_CHK, "default", name);
}

struct goal {
    struct lab *l;
    const char *name, *word;
};

static bool says(void *ctx)
{
    struct goal *g = ctx;
    const cJSON *chi = lab_chi(g->l, g->name), *c;

    if (!chi || strcmp(json_str(chi, "status.status", ""), g->word) != 0)
        return false;
    cJSON_ArrayForEach(c, json_at(chi, "status.conditions"))
        if (json_int(c, "observedGeneration", 0) != json_int(chi, "metadata.generation", -1))
            return false;
    return true;
}

bool lab_wait_word(struct lab *l, const char *name, const char *word, uint64_t limit_ms)
{
    struct goal g = {l, name, word};

    return sim_run(l->s, limit_ms, says, &g);
}

bool lab_wait_completed(struct lab *l, const char *name, uint64_t limit_ms)
{
    return lab_wait_word(l, name, "Completed", limit_ms);
}

static bool is_gone(void *ctx)
{
    struct goal *g = ctx;

    return !lab_chi(g->l, g->name);
}

bool lab_wait_gone(struct lab *l, const char *name, uint64_t limit_ms)
{
    struct goal g = {l, name, ""};

    return sim_run(l->s, limit_ms, is_gone, &g);
}

void lab_run(struct lab *l, uint64_t ms)
{
    sim_run(l->s, ms, NULL, NULL);
}

/* One hook for each time at which there are any. What it says is true already. */
static void add_hooks(cJSON *spec)
{
    static const char *const when[] = {"beforeHost", "afterHost",     "beforeShard",
                                       "afterShard", "beforeCluster", "afterCluster"};
    static const char *const actions[] = {"create",  "soft-restart", "restart", "recreate", "move",
                                          "rebuild", "remove",       "stop",    "start"};
    cJSON *ours = json_get(spec, "chfleet") ? json_get(spec, "chfleet") : json_set_obj(spec, "chfleet"), *list;

    list = json_set_arr(ours, "hooks");
    for (size_t i = 0; i < sizeof when / sizeof *when; i++) {
        cJSON *h = cJSON_CreateObject(), *a = json_set_arr(h, "actions");

        json_set_str(h, "name", when[i]);
        json_set_str(h, "when", when[i]);
        for (size_t k = 0; k < sizeof actions / sizeof *actions; k++)
            json_add_str(a, actions[k]);
        json_add_str(json_set_arr(h, "sql"), "CREATE DATABASE IF NOT EXISTS app");
        cJSON_AddItemToArray(list, h);
    }
}

static char *or_hooks(char *text, bool hooks)
{
    auto_free char *plain = text;
    auto_json cJSON *r = hooks ? json_parse(text, strlen(text), NULL) : NULL;

    if (!r)
        return mem_str(text);
    add_hooks(json_get(r, "spec"));
    return json_print(r);
}

#define OR(text, usual) ((text) ? (text) : (usual))

char *lab_demo(const struct shape *s)
{
    const char *volume = OR(s->volume, "data");
    auto_free char *data = s->ephemeral ? mem_str("") : mem_printf("\"dataVolumeClaimTemplate\":\"%s\",", volume);
    char *text = mem_printf(
        "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\","
        "\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\"},\"spec\":{%s"
        "\"configuration\":{\"zookeeper\":{\"nodes\":[{\"host\":\"127.0.0.1\",\"port\":2181}]},"
        "\"clusters\":[{\"name\":\"main\",\"layout\":{\"shardsCount\":%u,\"replicasCount\":%u}}],\"settings\":{%s}},"
        "\"defaults\":{\"templates\":{\"podTemplate\":\"p\",%s%s\"serviceTemplate\":\"balancer\"}},"
        "\"templates\":{\"podTemplates\":[{\"name\":\"p\",\"spec\":{\"containers\":[{\"name\":\"clickhouse\",\"image\":"
        "\"%s\"}]}}],"
        "\"serviceTemplates\":[{\"name\":\"balancer\",\"spec\":{\"type\":\"LoadBalancer\",\"ports\":["
        "{\"name\":\"http\",\"port\":8123},{\"name\":\"tcp\",\"port\":9000}]}}],"
        "\"volumeClaimTemplates\":[{\"name\":\"logs\",\"reclaimPolicy\":\"Delete\",\"spec\":{\"accessModes\":["
        "\"ReadWriteOnce\"],"
        "\"storageClassName\":\"disk\",\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}},"
        "{\"name\":\"%s\",\"provisioner\":\"%s\",\"reclaimPolicy\":\"Delete\",\"spec\":{"
        "\"accessModes\":[\"ReadWriteOnce\"],\"storageClassName\":\"%s\","
        "\"resources\":{\"requests\":{\"storage\":\"%s\"}}}}]}}}",
        OR(s->name, "demo"), OR(s->extra, ""), s->shards, s->replicas, OR(s->settings, ""), data,
        s->logs ? "\"logVolumeClaimTemplate\":\"logs\"," : "", OR(s->image, LAB_IMAGE), volume,
        OR(s->provisioner, "StatefulSet"), OR(s->klass, "disk"), OR(s->size, "5Gi"));

    return or_hooks(text, s->hooks);
}

char *lab_keeper(const struct kshape *s)
{
    const char *volume = OR(s->volume, "data"), *klass = OR(s->klass, "disk"), *size = OR(s->size, "5Gi");
    auto_free char *data = s->volumes ? mem_printf(",\"dataVolumeClaimTemplate\":\"%s\"", volume) : mem_str("");

    return mem_printf(
        "{\"apiVersion\":\"clickhouse-keeper.altinity.com/v1\",\"kind\":\"ClickHouseKeeperInstallation\","
        "\"metadata\":{\"namespace\":\"default\",\"name\":\"keep\"},\"spec\":{%s"
        "\"configuration\":{\"clusters\":[{\"name\":\"main\",\"layout\":{\"replicasCount\":%u}}],\"settings\":{%s}},"
        "\"defaults\":{\"templates\":{\"podTemplate\":\"p\"%s}},"
        "\"templates\":{\"podTemplates\":[{\"name\":\"p\",\"spec\":{\"containers\":[{\"name\":"
        "\"clickhouse-keeper\",\"image\":\"%s\"%s}]}}],"
        "\"volumeClaimTemplates\":[{\"name\":\"logs\",\"reclaimPolicy\":\"Delete\",\"spec\":{\"accessModes\":["
        "\"ReadWriteOnce\"],"
        "\"storageClassName\":\"%s\",\"resources\":{\"requests\":{\"storage\":\"%s\"}}}},"
        "{\"name\":\"%s\",\"provisioner\":\"%s\",\"reclaimPolicy\":\"Delete\",\"spec\":{"
        "\"accessModes\":[\"ReadWriteOnce\"],\"storageClassName\":\"%s\",\"resources\":{\"requests\":{\"storage\":\"%"
        "s\"}}}}]}}}",
        OR(s->extra, ""), s->members, OR(s->settings, ""), data, OR(s->image, "clickhouse/clickhouse-keeper:24.3"),
        s->logs ? ",\"volumeMounts\":[{\"name\":\"logs\",\"mountPath\":\"/var/log/clickhouse-keeper\"}]" : "", klass,
        size, volume, OR(s->provisioner, "StatefulSet"), klass, size);
}

void lab_schema(struct lab *l, const char *name)
{
    static const char *const ddl[] = {
        "CREATE DATABASE IF NOT EXISTS app",
        "CREATE TABLE app.ev (id UInt64) ENGINE = "
        "ReplicatedMergeTree('/clickhouse/{installation}/tables/{shard}/app/ev', "
        "'{replica}') ORDER BY id",
        "CREATE TABLE app.ev_all (id UInt64) ENGINE = Distributed('main', 'app', 'ev', cityHash64(id))",
        /* the last: only servers of today know it */
        "CREATE DATABASE IF NOT EXISTS rep ENGINE = Replicated('/clickhouse/databases/{installation}/rep', '{shard}', '{replica}')",
    };
    auto_free char *prefix = mem_printf("default/chi-%s-", name);
    struct err err = ERR_INIT;

    for (size_t i = 0; hosts_at(l->hosts, i); i++) {
        struct chost *h = hosts_at(l->hosts, i);

        for (size_t k = 0, n = hosts_knobs(l->hosts)->version_by_tag ? 4 : 3;
             strncmp(chost_pod(h), prefix, strlen(prefix)) == 0 && chost_state(h) == CHOST_UP && k < n; k++)
            if (chost_execute(h, ddl[k], &err) < 0)
                broken(chost_pod(h), &err);
        for (int k = 0; k < 5; k++)
            chost_insert(h, "app", "ev");
    }
}
