/* SPDX-License-Identifier: Apache-2.0 */
/* Lifecycle hooks of containers, as kubelets run them: exec, httpGet (any answer will do) and sleep. A tcpSocket hook
 * passes the API of a cluster and fails on every kubelet: here its pod does not start, and says why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/node_priv.h"

/* ---- shared with probes ---- */

unsigned ctr_port(const struct node_ctr *c, const cJSON *port)
{
    if (cJSON_IsNumber(port))
        return (unsigned)port->valuedouble;
    return cJSON_IsString(port) ? container_port(c->spec, port->valuestring, (unsigned)atoi(port->valuestring)) : 0;
}

void ctr_command(struct node_ctr *c, const cJSON *command, uint32_t total_ms, void *owner, node_run_fn *fn)
{
    struct path_maps maps = {NULL, 0};
    char **env = NULL, **argv = mem_array((size_t)cJSON_GetArraySize(command) + 1, sizeof *argv);
    struct err e = ERR_INIT;
    const cJSON *one;
    size_t n = 0;

    if (ctr_mounts(c, &maps, &e) < 0 || ctr_environment(c, &env, &e) < 0)
        log_debug(c->dir, "%s", e.msg); /* the command runs with what there is */
    cJSON_ArrayForEach(one, command)
        argv[n++] = path_maps_text(&maps, cJSON_IsString(one) ? one->valuestring : "");
    node_run(c->pod->node, owner, (const char *const *)argv, (const char *const *)env, total_ms, fn);
    env_free(argv);
    env_free(env);
    path_maps_fini(&maps);
}

struct world_http *ctr_http_get(struct node_ctr *c, const cJSON *get, uint32_t total_ms, http_done_fn *fn, void *ctx)
{
    static const struct http_tls any = {.insecure = true}; /* as kubelets: they do not check certificates here */
    struct world *w = c->pod->node->w;
    bool tls = strcasecmp(json_str(get, "scheme", "HTTP"), "HTTPS") == 0;
    const char *path = json_str(get, "path", "/"), *host = json_str(get, "host", "");
    auto_free char *url = mem_printf("%s://%s:%u%s%s", tls ? "https" : "http", *host ? host : "127.0.0.1",
                                     ctr_port(c, json_get(get, "port")), *path == '/' ? "" : "/", path);
    const cJSON *list = json_get(get, "httpHeaders"), *one;
    char **headers = mem_array((size_t)cJSON_GetArraySize(list) + 1, sizeof *headers);
    struct http_request req = {.method = "GET",
                               .url = url,
                               .headers = (const char *const *)headers,
                               .total_ms = total_ms,
                               .tls = tls ? &any : NULL,
                               .flags = HTTP_ALONE};
    struct world_http *http;
    size_t n = 0;

    cJSON_ArrayForEach(one, list)
        headers[n++] = mem_printf("%s: %s", json_str(one, "name", ""), json_str(one, "value", ""));
    http = w->ops->http(w, &req, NULL, fn, ctx);
    env_free(headers);
    return http;
}

/* ---- hooks ---- */

static const char *const hook_keys[HOOKS] = {"lifecycle.postStart", "lifecycle.preStop"};

int hooks_check(const struct node_ctr *c, struct err *err)
{
    for (int i = 0; i < HOOKS; i++) {
        const cJSON *h = json_at(c->spec, hook_keys[i]);

        if (h && !json_get(h, "exec") && !json_get(h, "httpGet") && !json_get(h, "sleep"))
            return err_set(err, ERR_INPUT, 0, "container %s: %s must be exec, httpGet or sleep; %s hooks are not supported",
                           c->name, hook_keys[i], h->child ? h->child->string : "empty");
    }
    return 0;
}

static void done(struct node_hook *h, const char *why)
{
    world_timer_stop(h->ctr->pod->node->w, &h->timer);
    h->http = NULL;
    h->busy = false;
    h->done(h->ctr, why);
}

static void on_command(void *owner, int status, const char *out, const char *errtext)
{
    auto_free char *why = mem_printf("it ended with %d: %.200s%s%.200s",
                                     WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), out,
                                     *out && *errtext ? " " : "", errtext);

    done(owner, status == 0 ? NULL : why);
}

static void on_http(void *ctx, const struct http_response *res)
{
    done(ctx, res->status ? NULL : res->why.msg);
}

static void on_timer(void *ctx)
{
    struct node_hook *h = ctx;

    h->timer = NULL;
    done(h, NULL);
}

bool hook_run(struct node_ctr *c, enum hook_kind kind, uint32_t limit_ms, hook_fn *fn)
{
    const cJSON *conf = json_at(c->spec, hook_keys[kind]);
    const cJSON *command = json_at(conf, "exec.command"), *get = json_get(conf, "httpGet");
    struct world *w = c->pod->node->w;
    struct node_hook *h = &c->hooks[kind];

    hook_forget(c, kind);
    if (!cJSON_GetArraySize(command) && !get && !json_get(conf, "sleep"))
        return false;
    h->ctr = c;
    h->done = fn;
    h->busy = true;
    if (get) {
        h->http = ctr_http_get(c, get, limit_ms, on_http, h);
    } else if (json_get(conf, "sleep")) {
        int64_t s = json_int(conf, "sleep.seconds", 0);

        h->timer = world_timer(w, s > 0 ? (uint64_t)s * 1000 : 0, on_timer, h);
    } else {
        ctr_command(c, command, limit_ms, h, on_command);
    }
    return true;
}

void hook_forget(struct node_ctr *c, enum hook_kind kind)
{
    struct node_hook *h = &c->hooks[kind];
    struct world *w = c->pod->node->w;

    world_timer_stop(w, &h->timer);
    if (h->http)
        w->ops->http_cancel(w, h->http);
    node_run_forget(c->pod->node, h);
    h->http = NULL;
    h->busy = false;
}
