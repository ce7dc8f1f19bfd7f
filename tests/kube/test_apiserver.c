/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube/ against a real API server: the one of $CHFLEET_TEST_KUBECONFIG, or etcd and kube-apiserver from
 * $KUBEBUILDER_ASSETS, $TESTBED/bin or ~/.cache/k8s-testbed/bin, started here on loopback. Without any of them: a skip.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "base/world_real.h"
#include "kube/kube.h"

enum { OBJECTS = 620, READY_S = 90 };

struct cluster {
    char dir[64];
    char *config, *etcd_url;
    pid_t etcd, api;
    bool ours; /* started here: we know its token and may cut the history of its etcd */
};

static struct cluster cluster;

/* ---- processes ---- */

static pid_t start(const char *log, char *const argv[])
{
    pid_t pid, self = getpid();

    fflush(NULL);
    pid = fork();
    if (pid)
        return pid;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self)
        _exit(1);
    dup2(fd, 1);
    dup2(fd, 2);
    execv(argv[0], argv);
    _exit(127);
}

static void stop(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGTERM);
    for (int i = 0; i < 100 && waitpid(*pid, NULL, WNOHANG) != *pid; i++) {
        if (i == 50)
            kill(*pid, SIGKILL);
        usleep(100000);
    }
    *pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void write_key(const char *dir)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    auto_free char *private = mem_printf("%s/sa.key", dir), *public = mem_printf("%s/sa.pub", dir);
    FILE *f = fopen(private, "we");

    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    f = fopen(public, "we");
    PEM_write_PUBKEY(f, key);
    fclose(f);
    EVP_PKEY_free(key);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static unsigned free_port(struct world *w)
{
    for (;;) {
        unsigned port = 20000 + (unsigned)(w->ops->random(w) % 12000);

        if (w->ops->port_free(w, port) && w->ops->port_free(w, port + 1))
            return port;
    }
}

static char *assets(void)
{
    const char *home = getenv("HOME"), *kubebuilder = getenv("KUBEBUILDER_ASSETS"), *testbed = getenv("TESTBED");
    char *dirs[] = {mem_str(kubebuilder), testbed ? mem_printf("%s/bin", testbed) : NULL,
                    home ? mem_printf("%s/.cache/k8s-testbed/bin", home) : NULL};
    char *found = NULL;

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        auto_free char *dir = dirs[i];
        auto_free char *api = dir ? mem_printf("%s/kube-apiserver", dir) : NULL;
        auto_free char *etcd = dir ? mem_printf("%s/etcd", dir) : NULL;

        if (!found && api && access(api, X_OK) == 0 && access(etcd, X_OK) == 0)
            found = mem_str(dir);
    }
    return found;
}

static void start_etcd(struct cluster *c, const char *bin, unsigned port)
{
    auto_free char *exe = mem_printf("%s/etcd", bin), *data = mem_printf("%s/etcd-data", c->dir);
    auto_free char *log = mem_printf("%s/etcd.log", c->dir), *peer = mem_printf("http://127.0.0.1:%u", port + 1);
    auto_free char *members = mem_printf("default=%s", peer);
    char *argv[] = {exe,         "--data-dir",
                    data,        "--listen-client-urls",
                    c->etcd_url, "--advertise-client-urls",
                    c->etcd_url, "--listen-peer-urls",
                    peer,        "--initial-advertise-peer-urls",
                    peer,        "--initial-cluster",
                    members,     "--unsafe-no-fsync",
                    NULL};

    c->etcd = start(log, argv);
}

static void start_api(struct cluster *c, const char *bin, unsigned port)
{
    auto_free char *exe = mem_printf("%s/kube-apiserver", bin), *log = mem_printf("%s/api.log", c->dir);
    auto_free char *etcd = mem_printf("--etcd-servers=%s", c->etcd_url);
    auto_free char *certs = mem_printf("--cert-dir=%s/certs", c->dir), *listen = mem_printf("--secure-port=%u", port);
    auto_free char *pub = mem_printf("--service-account-key-file=%s/sa.pub", c->dir);
    auto_free char *key = mem_printf("--service-account-signing-key-file=%s/sa.key", c->dir);
    auto_free char *tokens = mem_printf("--token-auth-file=%s/tokens.csv", c->dir);
    char *argv[] = {exe,
                    etcd,
                    certs,
                    listen,
                    pub,
                    key,
                    tokens,
                    "--bind-address=127.0.0.1",
                    "--authorization-mode=RBAC",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    "--service-cluster-ip-range=10.96.0.0/16",
                    "--disable-admission-plugins=ServiceAccount",
                    NULL};

    c->api = start(log, argv);
}

static void start_cluster(struct cluster *c, const char *bin)
{
    struct err err = ERR_INIT;
    struct world *w = NULL;
    unsigned etcd_port, api_port;

    assert_int_equal(world_real_new(NULL, &w, &err), 0);
    snprintf(c->dir, sizeof c->dir, "apiserver-test-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    etcd_port = free_port(w);
    do
        api_port = free_port(w);
    while (api_port - etcd_port + 1 < 3);
    world_real_free(w);
    write_key(c->dir);
    auto_free char *tokens = mem_printf("%s/tokens.csv", c->dir);
    auto_free char *text = mem_printf("clusters: [{name: t, cluster: {server: 'https://127.0.0.1:%u', "
                                      "certificate-authority: certs/apiserver.crt}}]\n"
                                      "users: [{name: u, user: {token: admintoken}}]\n"
                                      "contexts: [{name: t, context: {cluster: t, user: u}}]\ncurrent-context: t\n",
                                      api_port);

    write_text(tokens, "admintoken,admin,admin,system:masters\n");
    c->config = mem_printf("%s/kubeconfig", c->dir);
    write_text(c->config, text);
    c->etcd_url = mem_printf("http://127.0.0.1:%u", etcd_port);
    start_etcd(c, bin, etcd_port);
    start_api(c, bin, api_port);
    c->ours = true;
}

/* ---- one client ---- */

struct story {
    struct world *w;
    struct kube *k;
    int n, status, changes[4];
    cJSON *obj;
    struct err err;
    struct kube_cache *cache;
    bool late;
};

static void on_done(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct story *s = ctx;

    s->n++;
    s->status = status;
    cJSON_Delete(s->obj);
    s->obj = json_copy(obj);
    s->err = err ? *err : (struct err)ERR_INIT;
    s->w->ops->quit(s->w, 0);
}

static void on_late(void *ctx)
{
    struct story *s = ctx;

    s->late = true;
    s->w->ops->quit(s->w, 0);
}

/* Runs until `n` answers came. */
static void await(struct story *s, int n)
{
    struct world_timer *limit = world_timer(s->w, 60000, on_late, s);

    while (s->n < n && !s->late)
        world_real_run(s->w);
    if (s->late)
        fail_msg("no answer in 60 s; the last was HTTP %d %s", s->status, s->err.msg);
    world_timer_stop(s->w, &limit);
    s->n = 0;
}

static void on_nap(void *ctx)
{
    struct world *w = ctx;

    w->ops->quit(w, 0);
}

static struct kube *client(struct world *w)
{
    struct kube_limits limits = {.qps = 2000, .burst = 2000};
    struct kube_config *c = NULL;
    struct err err = ERR_INIT;

    if (kube_config_load(w, cluster.config, &c, &err) < 0)
        fail_msg("%s", err.msg);
    return kube_new(w, c, &limits);
}

/* The kubeconfig names a certificate that the server makes as it starts. */
static void wait_for_certificate(void)
{
    auto_free char *path = mem_printf("%s/certs/apiserver.crt", cluster.dir);

    for (int i = 0; cluster.api && access(path, R_OK) < 0; i++) {
        if (i > READY_S * 10 || waitpid(cluster.api, NULL, WNOHANG) == cluster.api)
            fail_msg("kube-apiserver did not start: see its log");
        usleep(100000);
    }
}

static int setup(void **state)
{
    struct story *s = mem_zero(sizeof *s);
    struct err err = ERR_INIT;

    wait_for_certificate();
    assert_int_equal(world_real_new(NULL, &s->w, &err), 0);
    s->k = client(s->w);
    for (int i = 0;; i++) {
        kube_raw(s->k, "GET", "/readyz", NULL, NULL, on_done, s);
        await(s, 1);
        if (s->status == 200)
            break;
        if (i > READY_S)
            fail_msg("the API server is not ready: %s", s->err.msg);
        world_timer(s->w, 1000, on_nap, s->w);
        world_real_run(s->w);
    }
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;

    if (s->cache)
        kube_watch_stop(s->cache);
    kube_free(s->k);
    cJSON_Delete(s->obj);
    world_real_free(s->w);
    free(s);
    return 0;
}

static cJSON *config_map(const char *name, const char *value)
{
    cJSON *j = cJSON_CreateObject(), *meta;

    json_set_str(j, "apiVersion", "v1");
    json_set_str(j, "kind", "ConfigMap");
    meta = json_set_obj(j, "metadata");
    json_set_str(meta, "name", name);
    json_set_str(json_set_obj(meta, "labels"), "made-by", "chfleet-test");
    json_set_str(json_set_obj(j, "data"), "value", value);
    return j;
}

static void want(struct story *s, int status)
{
    await(s, 1);
    if (s->status != status)
        fail_msg("HTTP %d was expected, %d came: %s", status, s->status, s->err.msg);
}

static void make_namespace(struct story *s, const char *name)
{
    auto_json cJSON *ns = cJSON_CreateObject();

    json_set_str(ns, "apiVersion", "v1");
    json_set_str(ns, "kind", "Namespace");
    json_set_str(json_set_obj(ns, "metadata"), "name", name);
    kube_create(s->k, KUBE_NS, NULL, ns, on_done, s);
    await(s, 1);
    assert_true(s->status == 201 || s->status == 409);
}

/* ---- facts ---- */

static void writes_keep_their_preconditions(void **state)
{
    struct story *s = *state;
    auto_json cJSON *cm = config_map("one", "1"), *first = NULL, *patch = NULL;

    make_namespace(s, "chfleet-test");
    kube_create(s->k, KUBE_CM, "chfleet-test", cm, on_done, s);
    want(s, 201);
    first = json_copy(s->obj);
    if (cluster.ours)
        assert_string_equal(json_str(first, "metadata.managedFields.0.manager", ""), "chfleet");
    kube_create(s->k, KUBE_CM, "chfleet-test", cm, on_done, s);
    want(s, 409);
    assert_int_equal(s->err.kind, ERR_CONFLICT);
    json_set_str(json_get(first, "data"), "value", "2");
    kube_put(s->k, KUBE_CM, "chfleet-test", "one", NULL, first, on_done, s);
    want(s, 200);
    json_set_str(json_get(first, "data"), "value", "3");
    kube_put(s->k, KUBE_CM, "chfleet-test", "one", NULL, first, on_done, s); /* an old resourceVersion */
    want(s, 409);
    patch = cJSON_CreateObject();
    json_set_str(json_set_obj(patch, "metadata"), "uid", "00000000-0000-0000-0000-000000000000");
    kube_patch(s->k, KUBE_CM, "chfleet-test", "one", NULL, patch, on_done, s);
    await(s, 1);
    assert_int_equal(s->err.kind, ERR_CONFLICT);
    kube_delete(s->k, KUBE_CM, "chfleet-test", "one", "00000000-0000-0000-0000-000000000000", NULL, -1, on_done, s);
    want(s, 409);
    kube_delete(s->k, KUBE_CM, "chfleet-test", "one", json_uid(first), "Background", -1, on_done, s);
    want(s, 200);
    kube_get(s->k, KUBE_CM, "chfleet-test", "one", on_done, s);
    want(s, 404);
    assert_int_equal(s->err.kind, ERR_MISSING);
    json_set_int(json_get(cm, "data"), "value", 5); /* a number where a string belongs */
    kube_create(s->k, KUBE_CM, "chfleet-test", cm, on_done, s);
    await(s, 1);
    assert_int_equal(s->err.kind, ERR_INPUT);
}

static void on_change(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct story *s = ctx;

    (void)old;
    (void)obj;
    s->changes[what]++;
    s->n++;
    s->w->ops->quit(s->w, 0);
}

static void lists_page_and_caches_follow(void **state)
{
    struct story *s = *state;
    uint64_t before;

    make_namespace(s, "chfleet-test");
    for (int i = 0; i < OBJECTS; i++) {
        char name[32];

        snprintf(name, sizeof name, "many-%04d", i);
        auto_json cJSON *cm = config_map(name, "x");

        kube_create(s->k, KUBE_CM, "chfleet-test", cm, on_done, s);
    }
    await(s, OBJECTS);
    before = kube_requests(s->k, NULL);
    kube_list(s->k, KUBE_CM, "chfleet-test", "made-by=chfleet-test", on_done, s);
    want(s, 200);
    assert_int_equal(cJSON_GetArraySize(json_get(s->obj, "items")), OBJECTS);
    assert_int_equal(kube_requests(s->k, NULL) - before, 2); /* pages of 500 */
    s->cache = kube_watch(s->k, KUBE_CM, "chfleet-test", "made-by=chfleet-test", NULL, on_change, s);
    await(s, OBJECTS + 1);
    assert_int_equal(s->changes[KUBE_ADDED], OBJECTS);
    assert_true(kube_cache_synced(s->cache));
    assert_non_null(kube_cache_get(s->cache, "chfleet-test", "many-0042"));
    auto_json cJSON *patch = cJSON_CreateObject();

    json_set_str(json_set_obj(patch, "data"), "value", "changed");
    kube_patch(s->k, KUBE_CM, "chfleet-test", "many-0042", NULL, patch, on_done, s);
    await(s, 2); /* the answer and the event */
    assert_int_equal(s->changes[KUBE_CHANGED], 1);
    kube_delete(s->k, KUBE_CM, "chfleet-test", "many-0042", NULL, NULL, -1, on_done, s);
    await(s, 2);
    assert_int_equal(s->changes[KUBE_GONE], 1);
    assert_null(kube_cache_get(s->cache, "chfleet-test", "many-0042"));
    assert_int_equal(kube_cache_size(s->cache), OBJECTS - 1);
}

static void a_client_without_rights_is_refused_with_words(void **state)
{
    struct story *s = *state;
    auto_free char *text = NULL, *path = NULL;
    struct kube_config *c = NULL;
    struct err err = ERR_INIT;
    size_t len;
    char *token;

    assert_int_equal(s->w->ops->read_file(s->w, cluster.config, &text, &len, &err), 0);
    if (!cluster.ours)
        skip(); /* a server of somebody else, whose kubeconfig we do not change */
    token = strstr(text, "admintoken");
    memcpy(token, "badtoken!!", 10);
    path = mem_printf("%s/kubeconfig-bad", cluster.dir);
    write_text(path, text);
    kube_free(s->k);
    assert_int_equal(kube_config_load(s->w, path, &c, &err), 0);
    s->k = kube_new(s->w, c, NULL);
    kube_get(s->k, KUBE_NODE, NULL, "x", on_done, s);
    want(s, 401);
    assert_int_equal(s->err.kind, ERR_REFUSED);
}

static void on_lease(void *ctx, bool leading)
{
    struct story *s = ctx;

    s->changes[0] = leading;
    s->n++;
    s->w->ops->quit(s->w, 0);
}

static void a_lease_is_taken_and_given_back(void **state)
{
    struct story *s = *state;
    struct kube_lease *a, *b;

    make_namespace(s, "chfleet-test");
    a = kube_lease_start(s->k, "chfleet-test", "chfleet-leader", "first", 3, on_lease, s);
    await(s, 1);
    assert_true(kube_lease_valid(a));
    b = kube_lease_start(s->k, "chfleet-test", "chfleet-leader", "second", 3, on_lease, s);
    world_timer(s->w, 2500, on_nap, s->w); /* long enough for renewals */
    world_real_run(s->w);
    assert_true(kube_lease_valid(a));
    assert_false(kube_lease_valid(b));
    kube_lease_stop(a);
    await(s, 1);
    assert_true(kube_lease_valid(b));
    kube_get(s->k, KUBE_LEASE, "chfleet-test", "chfleet-leader", on_done, s);
    want(s, 200);
    assert_string_equal(json_str(s->obj, "spec.holderIdentity", ""), "second");
    kube_lease_stop(b);
}

static void events_are_recorded(void **state)
{
    struct story *s = *state;
    auto_json cJSON *about = config_map("about", "x");

    make_namespace(s, "chfleet-test");
    json_set_str(json_get(about, "metadata"), "namespace", "chfleet-test");
    json_set_str(json_get(about, "metadata"), "uid", "u-1");
    for (int i = 0; i < 5; i++)
        kube_event(s->k, about, true, "TestReason", "a text");
    world_timer(s->w, 1800, on_nap, s->w);
    world_real_run(s->w);
    kube_event(s->k, about, true, "TestReason", "a text");
    world_timer(s->w, 1800, on_nap, s->w);
    world_real_run(s->w);
    kube_list(s->k, KUBE_EVENT, "chfleet-test", NULL, on_done, s);
    want(s, 200);
    const cJSON *event, *found = NULL;

    cJSON_ArrayForEach(event, json_get(s->obj, "items")) if (str_eq(json_str(event, "reason", ""), "TestReason"))
        found = event;
    assert_non_null(found);
    assert_int_equal(json_int(found, "count", 0), 6);
}

static void on_compacted(void *ctx, const struct http_response *res)
{
    struct story *s = ctx;

    s->status = res->status;
    s->n++;
    s->w->ops->quit(s->w, 0);
}

/* etcd forgets its history: a continue token from before is refused with 410, which a paged list begins again on. */
static void an_expired_continue_token_is_refused_with_410(void **state)
{
    struct story *s = *state;
    auto_free char *url = NULL, *body = NULL, *token = NULL, *path = NULL;
    auto_json cJSON *cm = config_map("after", "1");

    if (!cluster.ours)
        skip();
    kube_raw(s->k, "GET", "/api/v1/namespaces/chfleet-test/configmaps?limit=10", NULL, NULL, on_done, s);
    want(s, 200);
    token = mem_str(json_str(s->obj, "metadata.continue", ""));
    assert_true(*token);
    kube_create(s->k, KUBE_CM, "chfleet-test", cm, on_done, s);
    want(s, 201);
    url = mem_printf("%s/v3/kv/compaction", cluster.etcd_url);
    body = mem_printf("{\"revision\":%s,\"physical\":true}", json_rv(s->obj));
    struct http_request req = {.method = "POST", .url = url, .body = body, .body_len = strlen(body)};

    s->w->ops->http(s->w, &req, NULL, on_compacted, s);
    want(s, 200);
    path = mem_printf("/api/v1/namespaces/chfleet-test/configmaps?limit=10&continue=%s", token);
    kube_raw(s->k, "GET", path, NULL, NULL, on_done, s);
    await(s, 1);
    assert_true(s->status == 410 || s->status == 200); /* 200: the server answers from its own memory */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(writes_keep_their_preconditions),
        T(lists_page_and_caches_follow),
        T(a_client_without_rights_is_refused_with_words),
        T(a_lease_is_taken_and_given_back),
        T(events_are_recorded),
        T(an_expired_continue_token_is_refused_with_410),
    };
    const char *given = getenv("CHFLEET_TEST_KUBECONFIG");
    auto_free char *bin = given ? NULL : assets();
    int rc;

    if (!given && !bin) {
        printf(
            "skipped: no kube-apiserver and etcd in $KUBEBUILDER_ASSETS, $TESTBED/bin or ~/.cache/k8s-testbed/bin\n");
        return 77;
    }
    if (given)
        cluster.config = mem_str(given);
    else
        start_cluster(&cluster, bin);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    stop(&cluster.api);
    stop(&cluster.etcd);
    if (cluster.dir[0] && rc == 0)
        nftw(cluster.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(cluster.config);
    free(cluster.etcd_url);
    return rc;
}
