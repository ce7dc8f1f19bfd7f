/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials that change while we run: files (tokens of pods and rotated certificates are read again each minute and
 * after a 401) and exec plugins (run again shortly before what they gave expires, and after a 401).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/impl.h"

enum { REREAD_MS = 60000, EXEC_MS = 60000, EARLY_MS = 30000, EXEC_AGAIN_MS = 5000, EXEC_AGAIN_MAX_MS = 120000 };

struct exec_run {
    struct kube_auth *a; /* NULL: nobody waits for it any more */
};

struct kube_auth {
    struct world *w;
    struct kube_config *c;
    void (*ready)(void *ctx);
    void *ctx;
    struct kube_cred *cred; /* NULL: none yet, or refused */
    uint64_t read_ms;       /* when files were read */
    int64_t expires_ms;     /* wall clock; 0 = never */
    struct exec_run *run;
    struct world_timer *again;
    unsigned failures;
    struct err failed;
};

/* ---- credentials ---- */

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void kube_cred_put(struct kube_cred *c)
{
    if (!c || --c->refs)
        return;
    wipe(c->auth);
    wipe(c->key);
    free(c->cert);
    free(c->ca);
    free(c->server_name);
    free(c->proxy);
    free(c);
}

static struct kube_cred *cred_new(const struct kube_config *c, const char *token, const char *cert, const char *key)
{
    struct kube_cred *cred = mem_zero(sizeof *cred);

    cred->refs = 1;
    cred->ca = c->insecure ? NULL : mem_str(c->ca);
    cred->cert = mem_str(cert);
    cred->key = mem_str(key);
    cred->server_name = mem_str(c->server_name);
    cred->proxy = mem_str(c->proxy);
    if (token && *token)
        cred->auth = mem_printf("Authorization: Bearer %.*s", (int)strcspn(token, "\r\n"), token);
    else if (c->basic)
        cred->auth = mem_printf("Authorization: %s", c->basic);
    cred->tls = (struct http_tls){.ca = cred->ca,
                                  .cert = cred->cert,
                                  .key = cred->key,
                                  .insecure = c->insecure,
                                  .server_name = cred->server_name,
                                  .proxy = cred->proxy};
    return cred;
}

static bool cred_same(const struct kube_cred *a, const struct kube_cred *b)
{
    return a && b && str_eq(a->auth, b->auth) && str_eq(a->cert, b->cert) && str_eq(a->key, b->key);
}

/* Takes `cred`. False: it is what we had. */
static bool cred_use(struct kube_auth *a, struct kube_cred *cred)
{
    bool same = cred_same(a->cred, cred);

    if (same) {
        kube_cred_put(cred);
    } else {
        kube_cred_put(a->cred);
        a->cred = cred;
    }
    a->failed = (struct err)ERR_INIT;
    return !same;
}

/* ---- files ---- */

static bool from_files(const struct kube_config *c)
{
    return c->token_file || c->cert_file || c->key_file;
}

static int read_again(struct kube_auth *a, const char *file, char **text, struct err *err)
{
    size_t len = 0;

    return file ? a->w->ops->read_file(a->w, file, text, &len, err) : 0;
}

/* False: nothing new. A file that cannot be read now leaves what we have in use. */
static bool files_read(struct kube_auth *a)
{
    const struct kube_config *c = a->c;
    auto_free char *token = NULL, *cert = NULL, *key = NULL;
    struct err err = ERR_INIT;

    a->read_ms = world_mono(a->w);
    if (read_again(a, c->token_file, &token, &err) < 0 || read_again(a, c->cert_file, &cert, &err) < 0 ||
        read_again(a, c->key_file, &key, &err) < 0) {
        err_ctx(&err, "%s: credentials", c->source);
        if (!str_eq(err.msg, a->failed.msg))
            log_warn(NULL, "%s; the ones in use stay, make the file readable", err.msg);
        a->failed = err;
        return false;
    }
    return cred_use(a, cred_new(c, token ? token : c->token, cert ? cert : c->cert, key ? key : c->key));
}

/* ---- exec plugin ---- */

static void exec_failed(struct kube_auth *a, const struct err *why);

static void on_again(void *ctx)
{
    struct kube_auth *a = ctx;

    a->again = NULL;
    a->failed = (struct err)ERR_INIT;
    a->ready(a->ctx);
}

static void exec_failed(struct kube_auth *a, const struct err *why)
{
    uint64_t wait = (uint64_t)EXEC_AGAIN_MS << (a->failures < 5 ? a->failures : 5);

    if (a->failures++ == 0)
        log_warn(NULL, "%s", why->msg);
    a->failed = *why;
    a->again = world_timer(a->w, wait < EXEC_AGAIN_MAX_MS ? wait : EXEC_AGAIN_MAX_MS, on_again, a);
    a->ready(a->ctx);
}

static int exec_parse(struct kube_auth *a, const char *out, struct err *err)
{
    const struct kube_exec *e = a->c->exec;
    auto_json cJSON *j = json_parse(out, strlen(out), err);
    const char *token, *cert, *key, *expires;

    if (!j)
        return err_ctx(err, "the exec plugin %s printed no ExecCredential", e->argv[0]);
    if (!str_eq(json_str(j, "apiVersion", ""), e->api_version) || !str_eq(json_str(j, "kind", ""), "ExecCredential"))
        return err_set(err, ERR_REFUSED, 0,
                       "the exec plugin %s printed %s %s, the kubeconfig asks for %s ExecCredential", e->argv[0],
                       json_str(j, "apiVersion", "?"), json_str(j, "kind", "?"), e->api_version);
    token = json_str(j, "status.token", NULL);
    cert = json_str(j, "status.clientCertificateData", NULL);
    key = json_str(j, "status.clientKeyData", NULL);
    expires = json_str(j, "status.expirationTimestamp", NULL);
    if (!token && !(cert && key))
        return err_set(err, ERR_REFUSED, 0, "the exec plugin %s gave neither a token nor a certificate with its key",
                       e->argv[0]);
    a->expires_ms = expires ? kube_time_parse(expires) : 0;
    if (a->expires_ms < 0)
        return err_set(err, ERR_REFUSED, 0, "the exec plugin %s gave an expirationTimestamp that is no time: %s",
                       e->argv[0], expires);
    cred_use(a, cred_new(a->c, token, cert ? cert : a->c->cert, key ? key : a->c->key));
    return 0;
}

static void on_exec(void *ctx, int status, const char *out, const char *errtext)
{
    struct exec_run *run = ctx;
    struct kube_auth *a = run->a;
    struct err err = ERR_INIT;

    free(run);
    if (!a)
        return;
    a->run = NULL;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        err_set(&err, ERR_REFUSED, 0, "the exec plugin %s failed (%s %d): %.200s%s%s", a->c->exec->argv[0],
                WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                errtext, a->c->exec->install_hint ? "; " : "",
                a->c->exec->install_hint ? a->c->exec->install_hint : "");
        exec_failed(a, &err);
    } else if (exec_parse(a, out, &err) < 0) {
        exec_failed(a, &err);
    } else {
        a->failures = 0;
        a->ready(a->ctx);
    }
}

static char *exec_info(const struct kube_config *c)
{
    auto_json cJSON *j = cJSON_CreateObject();
    cJSON *spec;

    json_set_str(j, "apiVersion", c->exec->api_version);
    json_set_str(j, "kind", "ExecCredential");
    spec = json_set_obj(j, "spec");
    json_set_bool(spec, "interactive", false);
    if (c->exec->cluster_info) {
        cJSON *cluster = json_set_obj(spec, "cluster");

        json_set_str(cluster, "server", c->server);
        json_set_str(cluster, "tls-server-name", c->server_name);
        json_set_bool(cluster, "insecure-skip-tls-verify", c->insecure);
        json_set_str(cluster, "proxy-url", c->proxy);
        if (c->ca) {
            auto_free char *b64 = hash_base64(c->ca, strlen(c->ca));

            json_set_str(cluster, "certificate-authority-data", b64);
        }
    }
    return json_print(j);
}

static void exec_start(struct kube_auth *a)
{
    struct kube_exec *e = a->c->exec;
    auto_free char *info = exec_info(a->c), *line = mem_printf("KUBERNETES_EXEC_INFO=%s", info);
    size_t n = 0;

    while (e->env[n])
        n++;
    auto_free const char **env = mem_array(n + 2, sizeof *env);
    for (size_t i = 0; i < n; i++)
        env[i] = e->env[i];
    env[n] = line;
    a->run = mem_zero(sizeof *a->run);
    a->run->a = a;
    a->w->ops->run(a->w, (const char *const *)e->argv, env, EXEC_MS, on_exec, a->run);
}

/* ---- what the client asks ---- */

struct kube_cred *kube_auth_get(struct kube_auth *a, struct err *err)
{
    bool exec = a->c->exec != NULL;
    int64_t left = a->expires_ms ? a->expires_ms - (int64_t)world_wall(a->w) : INT64_MAX;

    if (!exec && (!a->cred || (from_files(a->c) && world_mono(a->w) - a->read_ms >= REREAD_MS)))
        files_read(a);
    if (exec && (!a->cred || left < EARLY_MS) && !a->run && !a->again)
        exec_start(a);
    if (a->cred && left > 0) {
        a->cred->refs++;
        return a->cred;
    }
    if (a->failed.kind != ERR_NONE) {
        *err = a->failed;
        if (!exec && !a->again)
            a->again = world_timer(a->w, EXEC_AGAIN_MS, on_again, a);
    }
    return NULL;
}

bool kube_auth_refused(struct kube_auth *a, const struct kube_cred *used)
{
    if (a->cred && !cred_same(a->cred, used))
        return true; /* renewed since */
    if (!a->c->exec)
        return from_files(a->c) && files_read(a);
    if (a->again)
        return false;
    kube_cred_put(a->cred);
    a->cred = NULL;
    return true;
}

const struct kube_config *kube_auth_config(const struct kube_auth *a)
{
    return a->c;
}

struct kube_auth *kube_auth_new(struct kube_config *takes, void (*ready)(void *ctx), void *ctx)
{
    struct kube_auth *a = mem_zero(sizeof *a);

    a->w = takes->w;
    a->c = takes;
    a->ready = ready;
    a->ctx = ctx;
    return a;
}

void kube_auth_free(struct kube_auth *a)
{
    world_timer_stop(a->w, &a->again);
    if (a->run)
        a->run->a = NULL;
    kube_cred_put(a->cred);
    kube_config_free(a->c);
    free(a);
}
