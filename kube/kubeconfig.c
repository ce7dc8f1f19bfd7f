/* SPDX-License-Identifier: Apache-2.0 */
/* Where the API server is and who we are: a kubeconfig, or the account of the pod we run in. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "kube/impl.h"

#define ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

static void list_free(char **list)
{
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
}

static void exec_free(struct kube_exec *e)
{
    if (!e)
        return;
    list_free(e->argv);
    list_free(e->env);
    free(e->api_version);
    free(e->install_hint);
    free(e);
}

static void secret_free(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void kube_config_free(struct kube_config *c)
{
    if (!c)
        return;
    secret_free(c->token);
    secret_free(c->key);
    secret_free(c->basic);
    free(c->source);
    free(c->server);
    free(c->ns);
    free(c->ca);
    free(c->server_name);
    free(c->proxy);
    free(c->cert);
    free(c->cert_file);
    free(c->key_file);
    free(c->token_file);
    list_free(c->impersonate);
    exec_free(c->exec);
    free(c);
}

const char *kube_config_server(const struct kube_config *c)
{
    return c->server;
}

const char *kube_config_namespace(const struct kube_config *c)
{
    return c->ns && *c->ns ? c->ns : "default";
}

/* ---- parts of a kubeconfig ---- */

struct loader {
    struct kube_config *c;
    const char *dir; /* relative paths start here */
    struct err *err;
};

static int input_error(struct loader *l, const char *text, const char *name)
{
    return err_set(l->err, ERR_INPUT, 0, "%s: %s%s", l->c->source, text, name);
}

static char *resolve(struct loader *l, const char *path)
{
    return path[0] == '/' ? mem_str(path) : mem_printf("%s/%s", l->dir, path);
}

/* The named entry of "clusters", "users" or "contexts": its value under "cluster", "user" or "context". */
static const cJSON *named(struct loader *l, const cJSON *doc, const char *list, const char *member, const char *name)
{
    const cJSON *entry;

    cJSON_ArrayForEach(entry, json_get(doc, list))
    {
        if (str_eq(json_str(entry, "name", NULL), name))
            return json_get(entry, member);
    }
    err_set(l->err, ERR_INPUT, 0, "%s: there is no entry \"%s\" under %s", l->c->source, name, list);
    return NULL;
}

/* FIELD-data (base64) or FIELD (a file) as text; *file gets the path. Neither: nothing is set. */
static int pem_field(struct loader *l, const cJSON *j, const char *field, char **out, char **file)
{
    auto_free char *data_field = mem_printf("%s-data", field);
    const char *data = json_str(j, data_field, NULL), *path = json_str(j, field, NULL);
    struct world *w = l->c->w;
    size_t len = 0;

    if (data && *data) {
        *out = (char *)hash_unbase64(data, &len);
        return *out ? 0 : input_error(l, data_field, " is not base64");
    }
    if (!path || !*path)
        return 0;
    *file = resolve(l, path);
    if (w->ops->read_file(w, *file, out, &len, l->err) < 0)
        return err_ctx(l->err, "%s: %s", l->c->source, field);
    return 0;
}

static int load_cluster(struct loader *l, const cJSON *j)
{
    struct kube_config *c = l->c;
    auto_free char *ca_file = NULL;
    size_t n;

    c->server = mem_str(json_str(j, "server", ""));
    n = strlen(c->server);
    while (n && c->server[n - 1] == '/')
        c->server[--n] = '\0';
    if (!str_starts(c->server, "https://") && !str_starts(c->server, "http://"))
        return input_error(l,
                           "the cluster's \"server\" must be a URL, like https://10.0.0.1:6443, and is: ", c->server);
    c->insecure = json_bool(j, "insecure-skip-tls-verify", false);
    c->server_name = mem_str(json_str(j, "tls-server-name", NULL));
    c->proxy = mem_str(json_str(j, "proxy-url", NULL));
    return pem_field(l, j, "certificate-authority", &c->ca, &ca_file);
}

static int load_exec(struct loader *l, const cJSON *j)
{
    struct kube_exec *e = l->c->exec = mem_zero(sizeof *e);
    const char *command = json_str(j, "command", NULL), *mode = json_str(j, "interactiveMode", "");
    const cJSON *args = json_get(j, "args"), *env = json_get(j, "env"), *item;
    size_t n = 0;

    e->api_version = mem_str(json_str(j, "apiVersion", ""));
    e->install_hint = mem_str(json_str(j, "installHint", NULL));
    e->cluster_info = json_bool(j, "provideClusterInfo", false);
    e->env = mem_array((size_t)cJSON_GetArraySize(env) + 1, sizeof *e->env);
    cJSON_ArrayForEach(item, env) e->env[n++] =
        mem_printf("%s=%s", json_str(item, "name", ""), json_str(item, "value", ""));
    if (!command || !*command)
        return input_error(l, "the user's exec plugin has no \"command\"", "");
    if (!str_eq(e->api_version, "client.authentication.k8s.io/v1") &&
        !str_eq(e->api_version, "client.authentication.k8s.io/v1beta1"))
        return input_error(l,
                           "the exec plugin's apiVersion must be client.authentication.k8s.io/v1 or v1beta1, and is: ",
                           e->api_version);
    if (str_eq(mode, "Always"))
        return input_error(
            l, "the exec plugin wants a terminal (interactiveMode: Always), which this program has not: ", command);
    e->argv = mem_array((size_t)cJSON_GetArraySize(args) + 2, sizeof *e->argv);
    e->argv[0] = strchr(command, '/') ? resolve(l, command) : mem_str(command);
    n = 1;
    cJSON_ArrayForEach(item, args) if (cJSON_IsString(item)) e->argv[n++] = mem_str(item->valuestring);
    return 0;
}

static void load_impersonation(struct kube_config *c, const cJSON *j)
{
    const cJSON *groups = json_get(j, "as-groups"), *extra = json_get(j, "as-user-extra"), *item, *value;
    const char *as = json_str(j, "as", NULL), *uid = json_str(j, "as-uid", NULL);
    size_t n = 0, room = (size_t)cJSON_GetArraySize(groups) + 3;

    if (!as)
        return;
    cJSON_ArrayForEach(item, extra) room += (size_t)cJSON_GetArraySize(item);
    c->impersonate = mem_array(room, sizeof *c->impersonate);
    c->impersonate[n++] = mem_printf("Impersonate-User: %s", as);
    if (uid)
        c->impersonate[n++] = mem_printf("Impersonate-Uid: %s", uid);
    cJSON_ArrayForEach(item, groups) if (cJSON_IsString(item)) c->impersonate[n++] =
        mem_printf("Impersonate-Group: %s", item->valuestring);
    cJSON_ArrayForEach(item, extra) cJSON_ArrayForEach(value, item) if (cJSON_IsString(value)) c->impersonate[n++] =
        mem_printf("Impersonate-Extra-%s: %s", item->string, value->valuestring);
}

static int load_user(struct loader *l, const cJSON *j)
{
    struct kube_config *c = l->c;
    const char *token_file = json_str(j, "tokenFile", NULL), *name = json_str(j, "username", NULL);

    c->token = mem_str(json_str(j, "token", NULL));
    if (token_file && *token_file)
        c->token_file = resolve(l, token_file);
    if (name && *name) {
        auto_free char *pair = mem_printf("%s:%s", name, json_str(j, "password", ""));
        auto_free char *b64 = hash_base64(pair, strlen(pair));

        c->basic = mem_printf("Basic %s", b64);
        explicit_bzero(pair, strlen(pair));
    }
    if (json_get(j, "auth-provider"))
        return input_error(l, "the user has an \"auth-provider\", which Kubernetes removed in 1.26: use an exec plugin",
                           "");
    if (pem_field(l, j, "client-certificate", &c->cert, &c->cert_file) < 0 ||
        pem_field(l, j, "client-key", &c->key, &c->key_file) < 0)
        return -1;
    if (!c->cert != !c->key)
        return input_error(l, "client-certificate and client-key belong together; missing is: ",
                           c->cert ? "client-key" : "client-certificate");
    load_impersonation(c, j);
    return json_get(j, "exec") ? load_exec(l, json_get(j, "exec")) : 0;
}

static int load_doc(struct loader *l, const cJSON *doc)
{
    const char *current = json_str(doc, "current-context", "");
    const cJSON *context, *cluster, *user;
    const char *user_name;

    if (!cJSON_IsObject(doc) || !json_get(doc, "clusters"))
        return input_error(l, "this is not a kubeconfig: it has no \"clusters\"", "");
    if (!*current)
        return input_error(l, "\"current-context\" is empty: choose one with kubectl config use-context", "");
    context = named(l, doc, "contexts", "context", current);
    cluster = context ? named(l, doc, "clusters", "cluster", json_str(context, "cluster", "")) : NULL;
    if (!cluster || load_cluster(l, cluster) < 0)
        return -1;
    l->c->ns = mem_str(json_str(context, "namespace", NULL));
    user_name = json_str(context, "user", NULL);
    if (!user_name || !*user_name)
        return 0; /* a server that lets everybody in */
    user = named(l, doc, "users", "user", user_name);
    return user ? load_user(l, user) : -1;
}

static int load_file(struct kube_config *c, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    auto_free char *dir = slash ? mem_strn(path, (size_t)(slash - path)) : mem_str(".");
    auto_free char *text = NULL;
    struct loader l = {c, dir, err};
    size_t len = 0;

    c->source = mem_str(path);
    if (c->w->ops->read_file(c->w, path, &text, &len, err) < 0) {
        if (err->kind == ERR_MISSING)
            err->kind = ERR_INPUT;
        return err_ctx(err, "kubeconfig");
    }
    auto_json cJSON *doc = kube_yaml_parse(text, len, err);
    if (!doc)
        return err_ctx(err, "kubeconfig %s", path);
    return load_doc(&l, doc);
}

/* ---- the account of the pod ---- */

static int load_account(struct kube_config *c, struct err *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    struct world *w = c->w;
    auto_free char *ns = NULL;
    size_t len = 0;

    c->source = mem_str("the pod's service account");
    if (!host || !*host || !port || !*port)
        return err_set(
            err, ERR_INPUT, 0,
            "no kubeconfig was given or found, and this is not a pod of a cluster: pass --kubeconfig FILE or set "
            "KUBECONFIG");
    c->server = mem_printf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
    c->token_file = mem_str(ACCOUNT_DIR "/token");
    if (w->ops->read_file(w, ACCOUNT_DIR "/ca.crt", &c->ca, &len, err) < 0)
        return err_ctx(err, "the pod's service account (is automountServiceAccountToken off?)");
    if (w->ops->read_file(w, ACCOUNT_DIR "/namespace", &ns, &len, NULL) == 0)
        c->ns = mem_strn(ns, strcspn(ns, " \r\n"));
    return 0;
}

/* The file to read, or NULL for the pod's account. */
static char *choose_file(struct world *w, const char *path)
{
    const char *env = getenv("KUBECONFIG"), *home = getenv("HOME");
    auto_free char *text = NULL;
    size_t len = 0;
    char *dflt;

    if (path && *path)
        return mem_str(path);
    if (env && *env)
        return mem_strn(env, strcspn(env, ":"));
    if (!home || !*home)
        return NULL;
    dflt = mem_printf("%s/.kube/config", home);
    if (w->ops->read_file(w, dflt, &text, &len, NULL) == 0)
        return dflt;
    free(dflt);
    return NULL;
}

int kube_config_load(struct world *w, const char *path, struct kube_config **out, struct err *err)
{
    struct kube_config *c = mem_zero(sizeof *c);
    auto_free char *file = choose_file(w, path);
    struct err why = ERR_INIT;

    c->w = w;
    if ((file ? load_file(c, file, &why) : load_account(c, &why)) < 0) {
        kube_config_free(c);
        if (err)
            *err = why;
        return -1;
    }
    *out = c;
    return 0;
}
