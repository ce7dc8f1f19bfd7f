/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/api.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/world_real.h"
#include "cli/out.h"

enum { CALL_MS = 45000, OPERATOR_MS = 3000 };

/* ---- where ---- */

static char *absolute(const char *path, struct err *err)
{
    auto_free char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *out;

    if (path[0] != '/' && !cwd) {
        err_set(err, ERR_INPUT, 0, "the current folder is gone; give --data with a path from /");
        return NULL;
    }
    out = cwd ? mem_printf("%s/%s", cwd, path) : mem_str(path);
    for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
        out[n - 1] = '\0';
    return out;
}

char *api_data_dir(const struct cli *c, struct err *err)
{
    const char *given = cli_text(c, "data", NULL), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    auto_free char *path = NULL;

    if (given && !*given) {
        err_set(err, ERR_INPUT, 0, "--data needs a folder");
        return NULL;
    }
    if (given)
        path = mem_str(given);
    else if (xdg && xdg[0] == '/')
        path = mem_printf("%s/chfleet", xdg);
    else if (home && *home)
        path = mem_printf("%s/.local/share/chfleet", home);
    else {
        err_set(err, ERR_INPUT, 0, "HOME is not set; say where chfleet's folder is with --data");
        return NULL;
    }
    return absolute(path, err);
}

static bool same_file(const char *a, const char *b)
{
    auto_free char *ra = realpath(a, NULL), *rb = realpath(b, NULL);

    return ra && rb && str_eq(ra, rb);
}

/* Which kubeconfig? NULL lets kube/ search: $KUBECONFIG, ~/.kube/config, the account of a pod. */
static char *choose_kubeconfig(const struct cli *c, const char *plane_config)
{
    const char *given = cli_text(c, "kubeconfig", NULL), *env = getenv("KUBECONFIG");

    if (given)
        return mem_str(given);
    if (cli_text(c, "data", NULL))
        return mem_str(plane_config);
    if (c->plugin || (env && *env) || access(plane_config, F_OK) < 0)
        return NULL;
    return mem_str(plane_config);
}

static bool is_local(const struct fleet_api *a, const char *plane_config)
{
    const char *env = getenv("KUBECONFIG");

    if (a->kubeconfig)
        return str_eq(a->kubeconfig, plane_config) || same_file(a->kubeconfig, plane_config);
    return env && same_file(env, plane_config);
}

/* Makes world and client; the rest of *a is set. `ns` NULL: the kubeconfig's. */
static int connect_to(struct fleet_api *a, const char *ns, struct err *err)
{
    struct kube_config *config;
    const struct kube_limits fast = {.qps = 1000, .burst = 1000}; /* a person waits */

    if (world_real_new(NULL, &a->w, err) < 0 || kube_config_load(a->w, a->kubeconfig, &config, err) < 0)
        return -1;
    a->ns = mem_str(ns ? ns : kube_config_namespace(config));
    a->server = mem_str(kube_config_server(config));
    a->k = kube_new(a->w, config, &fast);
    return 0;
}

int api_open_local(struct fleet_api *a, const char *dir, struct err *err)
{
    memset(a, 0, sizeof *a);
    a->data_dir = mem_str(dir);
    a->kubeconfig = mem_printf("%s/plane/kubeconfig", dir);
    a->local = true;
    return connect_to(a, NULL, err);
}

int api_open(struct fleet_api *a, const struct cli *c, struct err *err)
{
    auto_free char *plane_config = NULL;

    memset(a, 0, sizeof *a);
    a->program = c->program;
    a->data_given = cli_text(c, "data", NULL);
    a->data_dir = api_data_dir(c, err);
    if (!a->data_dir)
        return -1;
    plane_config = mem_printf("%s/plane/kubeconfig", a->data_dir);
    a->kubeconfig = choose_kubeconfig(c, plane_config);
    a->local = is_local(a, plane_config);
    if (a->local && access(plane_config, F_OK) < 0)
        return err_set(err, ERR_AGAIN, 0, "nothing was started in %s yet: %s up%s%s", a->data_dir, a->program,
                       a->data_given ? " --data " : "", a->data_given ? a->data_given : "");
    if (connect_to(a, cli_text(c, "namespace", NULL), err) < 0)
        return -1;
    a->all = cli_flag(c, "all-namespaces");
    if (a->local && !api_ping(a)) /* at once, and not after all the retries that suit a remote server */
        return err_set(err, ERR_AGAIN, 0, "chfleet of %s does not run; chfleet up starts it", a->data_dir);
    return 0;
}

void api_fini(struct fleet_api *a)
{
    if (a->k)
        kube_free(a->k);
    if (a->w)
        world_real_free(a->w);
    free(a->data_dir);
    free(a->kubeconfig);
    free(a->ns);
    free(a->server);
    memset(a, 0, sizeof *a);
}

/* ---- one call, waited for ---- */

struct waiting {
    struct world *w;
    struct kube_call *call;
    struct world_timer *limit;
    bool done, answered;
    cJSON *obj;
    struct err err;
};

static void on_limit(void *ctx)
{
    struct waiting *x = ctx;

    x->limit = NULL;
    x->w->ops->quit(x->w, 0);
}

static void on_answer(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct waiting *x = ctx;

    x->done = true;
    x->answered = status != 0;
    if (err)
        x->err = *err;
    else
        x->obj = obj ? json_copy(obj) : cJSON_CreateObject();
    x->w->ops->quit(x->w, 0);
}

/* Runs the loop until the call that was started with &x as its context is answered. */
static cJSON *wait_within(struct fleet_api *a, struct waiting *x, unsigned ms, struct err *err)
{
    x->limit = world_timer(a->w, ms, on_limit, x);
    world_real_run(a->w);
    world_timer_stop(a->w, &x->limit);
    if (!x->done) {
        kube_cancel(x->call);
        err_set(err, ERR_AGAIN, 0, "the API server gave no answer in %u s", ms / 1000);
        return NULL;
    }
    if (x->obj)
        return x->obj;
    *err = x->err;
    if (!x->answered && err->kind == ERR_AGAIN && a->local)
        err_set(err, ERR_AGAIN, 0, "chfleet of %s does not answer (%.200s); chfleet up starts it", a->data_dir, x->err.msg);
    return NULL;
}

static cJSON *wait_for(struct fleet_api *a, struct waiting *x, struct err *err)
{
    return wait_within(a, x, CALL_MS, err);
}

cJSON *api_get(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *name, struct err *err)
{
    struct waiting x = {.w = a->w};

    x.call = kube_get(a->k, kind, ns, name, on_answer, &x);
    return wait_for(a, &x, err);
}

cJSON *api_list(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *selector, struct err *err)
{
    struct waiting x = {.w = a->w};

    x.call = kube_list(a->k, kind, ns, selector, on_answer, &x);
    return wait_for(a, &x, err);
}

cJSON *api_create(struct fleet_api *a, enum kube_kind kind, const char *ns, const cJSON *obj, struct err *err)
{
    struct waiting x = {.w = a->w};

    x.call = kube_create(a->k, kind, ns, obj, on_answer, &x);
    return wait_for(a, &x, err);
}

cJSON *api_patch(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *name, const cJSON *patch,
                 struct err *err)
{
    struct waiting x = {.w = a->w};

    x.call = kube_patch(a->k, kind, ns, name, NULL, patch, on_answer, &x);
    return wait_for(a, &x, err);
}

int api_delete(struct fleet_api *a, enum kube_kind kind, const char *ns, const char *name, const char *uid, struct err *err)
{
    struct waiting x = {.w = a->w};
    auto_json cJSON *answer = NULL;

    x.call = kube_delete(a->k, kind, ns, name, uid, NULL, -1, on_answer, &x);
    answer = wait_for(a, &x, err);
    return answer ? 0 : -1;
}

cJSON *api_raw_within(struct fleet_api *a, const char *path, unsigned ms, struct err *err)
{
    struct waiting x = {.w = a->w};

    x.call = kube_raw(a->k, "GET", path, NULL, NULL, on_answer, &x);
    return wait_within(a, &x, ms, err);
}

cJSON *api_raw(struct fleet_api *a, const char *path, struct err *err)
{
    return api_raw_within(a, path, CALL_MS, err);
}

static void on_ping(void *ctx, const struct http_response *res)
{
    struct waiting *x = ctx;

    x->answered = res->status != 0 || res->why.kind == ERR_REFUSED; /* a wrong certificate is an answer too */
    x->w->ops->quit(x->w, 0);
}

bool api_ping(struct fleet_api *a)
{
    struct waiting x = {.w = a->w};
    auto_free char *url = mem_printf("%s/version", a->server);
    struct http_request req = {.method = "GET", .url = url, .connect_ms = 1000, .total_ms = 1000};

    a->w->ops->http(a->w, &req, NULL, on_ping, &x);
    world_real_run(a->w);
    return x.answered;
}

void api_sleep(struct fleet_api *a, uint64_t ms)
{
    struct waiting x = {.w = a->w};

    x.limit = world_timer(a->w, ms, on_limit, &x);
    world_real_run(a->w);
    world_timer_stop(a->w, &x.limit);
}

uint64_t api_mono(struct fleet_api *a)
{
    return world_mono(a->w);
}

/* ---- the operator's own address ---- */

char *api_operator_dir(const struct fleet_api *a)
{
    return mem_printf("%s/operator", a->data_dir);
}

static char *address_in(const struct fleet_api *a, const char *file)
{
    auto_free char *path = mem_printf("%s/%s", a->data_dir, file);
    char *text = NULL;
    size_t len;
    struct err ignored = ERR_INIT;

    if (!a->local || a->w->ops->read_file(a->w, path, &text, &len, &ignored) < 0)
        return NULL;
    text[strcspn(text, " \r\n")] = '\0';
    return text;
}

char *api_operator_address(const struct fleet_api *a)
{
    return address_in(a, "operator/status.address");
}

char *api_exporter_address(const struct fleet_api *a)
{
    return address_in(a, "exporter/address");
}

static void on_http(void *ctx, const struct http_response *res)
{
    struct waiting *x = ctx;

    x->done = true;
    if (res->status == 0)
        x->err = res->why;
    else if (res->status >= 300)
        err_set(&x->err, ERR_AGAIN, res->status, "the operator answered %d: %.200s", res->status, res->body);
    else if (!(x->obj = json_parse(res->body, res->body_len, &x->err)))
        x->obj = cJSON_CreateString(res->body); /* "ok" and other plain text */
    x->w->ops->quit(x->w, 0);
}

cJSON *api_operator(struct fleet_api *a, const char *path, struct err *err)
{
    struct waiting x = {.w = a->w};
    auto_free char *address = api_operator_address(a), *url = NULL;
    struct http_request req = {.method = "GET", .connect_ms = 1000, .total_ms = OPERATOR_MS};

    if (!address) {
        err_set(err, ERR_MISSING, 0, "no operator was started here");
        return NULL;
    }
    url = mem_printf("http://%s%s", address, path);
    req.url = url;
    a->w->ops->http(a->w, &req, NULL, on_http, &x);
    world_real_run(a->w);
    if (!x.obj) {
        *err = x.err;
        err_ctx(err, "operator at %s", address);
    }
    return x.obj;
}
