/* SPDX-License-Identifier: Apache-2.0 */
/* The pod template of a host. The order of edits is the peer's, because list order is part of a pod's revision. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "render/internal.h"

static cJSON *need_arr(cJSON *o, const char *key)
{
    cJSON *v = json_get(o, key);

    return cJSON_IsArray(v) ? v : json_set_arr(o, key);
}

static cJSON *find_named(const cJSON *list, const char *name)
{
    cJSON *v;

    cJSON_ArrayForEach(v, list)
        if (str_eq(json_str(v, "name", NULL), name))
            return v;
    return NULL;
}

/* ---- containers ---- */

static cJSON *server_container(const struct fleet *f, const struct host *h, cJSON *spec)
{
    cJSON *list = need_arr(spec, "containers"), *c = (cJSON *)fleet_server_container(f, spec);

    if (c)
        return c;
    c = cJSON_CreateObject();
    json_set_str(c, "name", fleet_container_name(f));
    json_set_str(c, "image", h->image);
    cJSON_AddItemToArray(list, c);
    return c;
}

static cJSON *http_probe(const struct host *h, int delay, int failures)
{
    cJSON *p = cJSON_CreateObject(), *get = json_set_obj(p, "httpGet");
    bool plain = h->ports[PORT_HTTP];

    json_set_str(get, "path", "/ping");
    json_set_str(get, "port", plain ? "http" : "https");
    if (!plain)
        json_set_str(get, "scheme", "HTTPS");
    json_set_int(p, "initialDelaySeconds", delay);
    json_set_int(p, "periodSeconds", 3);
    if (failures)
        json_set_int(p, "failureThreshold", failures);
    return p;
}

static cJSON *keeper_probe(const struct host *h, bool live)
{
    cJSON *p = cJSON_CreateObject();

    if (live) {
        cJSON *command = json_set_arr(json_set_obj(p, "exec"), "command");
        auto_free char *script =
            mem_printf("date && OK=$(exec 3<>/dev/tcp/127.0.0.1/%u; printf 'ruok' >&3; IFS=; tee <&3; exec 3<&-;);"
                       "if [[ \"${OK}\" == \"imok\" ]]; then exit 0; else exit 1; fi",
                       h->ports[PORT_ZK]);

        json_add_str(command, "bash");
        json_add_str(command, "-xc");
        json_add_str(command, script);
    } else {
        cJSON *get = json_set_obj(p, "httpGet");

        json_set_str(get, "path", "/ready");
        json_set_int(get, "port", 9182);
    }
    json_set_int(p, "initialDelaySeconds", 5);
    json_set_int(p, "periodSeconds", 5);
    json_set_int(p, "failureThreshold", 12);
    return p;
}

static void probes(const struct fleet *f, const struct host *h, cJSON *c)
{
    if (f->kind == FLEET_KEEPER) {
        if (!json_get(c, "livenessProbe"))
            json_set(c, "livenessProbe", keeper_probe(h, true));
        if (!json_get(c, "readinessProbe"))
            json_set(c, "readinessProbe", keeper_probe(h, false));
        return;
    }
    if (!h->ports[PORT_HTTP] && !h->ports[PORT_HTTPS])
        return;
    if (h->cluster->knobs.probe_startup && !json_get(c, "startupProbe"))
        json_set(c, "startupProbe", http_probe(h, 60, 10));
    if (!json_get(c, "livenessProbe"))
        json_set(c, "livenessProbe", http_probe(h, 60, 10));
    if (!json_get(c, "readinessProbe"))
        json_set(c, "readinessProbe", http_probe(h, 10, 0));
}

static void ports(const struct host *h, cJSON *c)
{
    for (int p = 0; p < HOST_PORTS; p++) {
        cJSON *list, *one;

        if (!h->ports[p])
            continue;
        list = need_arr(c, "ports");
        one = find_named(list, host_port_names[p]);
        if (!one) {
            one = cJSON_CreateObject();
            json_set_str(one, "name", host_port_names[p]);
            cJSON_AddItemToArray(list, one);
        }
        json_set_int(one, "containerPort", h->ports[p]);
        cJSON_DeleteItemFromObjectCaseSensitive(one, "hostPort");
    }
}

static void add_value(cJSON *env, const char *name, const char *value)
{
    cJSON *e;

    if (find_named(env, name))
        return;
    e = cJSON_CreateObject();
    json_set_str(e, "name", name);
    json_set_str(e, "value", value);
    cJSON_AddItemToArray(env, e);
}

static void environment(const struct fleet *f, cJSON *c)
{
    bool has_command = cJSON_GetArraySize(json_get(c, "command")) > 0;
    cJSON *env;

    if (f->kind == FLEET_CLICKHOUSE && f->n_env == 0 && has_command)
        return;
    env = need_arr(c, "env");
    for (size_t i = 0; i < f->n_env; i++) {
        cJSON *e, *ref;

        if (find_named(env, f->env[i].name))
            continue;
        e = cJSON_CreateObject();
        json_set_str(e, "name", f->env[i].name);
        ref = json_set_obj(json_set_obj(e, "valueFrom"), "secretKeyRef");
        json_set_str(ref, "name", f->env[i].secret);
        json_set_str(ref, "key", f->env[i].key);
        if (f->env[i].optional)
            json_set_bool(ref, "optional", true);
        cJSON_AddItemToArray(env, e);
    }
    if (f->kind == FLEET_KEEPER)
        add_value(env, "CLICKHOUSE_DATA_DIR", fleet_data_dir(f));
    else if (!has_command)
        add_value(env, "CLICKHOUSE_SKIP_USER_SETUP", "1");
}

/* The container stays for half an hour when the server ends, so that one can look. */
static void troubleshoot(cJSON *c)
{
    cJSON *command = json_get(c, "command"), *last;

    if (cJSON_GetArraySize(command) > 0) {
        last = cJSON_GetArrayItem(command, cJSON_GetArraySize(command) - 1);
        if (cJSON_IsString(last)) {
            auto_free char *text = mem_printf("%s || sleep 1800", last->valuestring);

            cJSON_SetValuestring(last, text);
        }
    } else {
        command = json_set_arr(c, "command");
        json_add_str(command, "/bin/sh");
        json_add_str(command, "-c");
        json_add_str(command, "/entrypoint.sh || sleep 1800");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(c, "livenessProbe");
    cJSON_DeleteItemFromObjectCaseSensitive(c, "readinessProbe");
}

static void log_container(const struct host *h, cJSON *spec)
{
    cJSON *list = json_get(spec, "containers"), *c;

    if (!h->templates.log_vct || h->cluster->fleet->kind == FLEET_KEEPER || find_named(list, "clickhouse-log"))
        return;
    c = cJSON_CreateObject();
    json_set_str(c, "name", "clickhouse-log");
    json_set_str(c, "image", "registry.access.redhat.com/ubi8/ubi-minimal:latest");
    cJSON *command = json_set_arr(c, "command");
    json_add_str(command, "/bin/sh");
    json_add_str(command, "-c");
    json_add_str(command, "--");
    json_add_str(json_set_arr(c, "args"), "while true; do sleep 30; done;");
    cJSON_AddItemToArray(list, c);
}

/* ---- volumes and mounts ---- */

static bool same_path(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);

    while (n > 1 && a[n - 1] == '/')
        n--;
    while (m > 1 && b[m - 1] == '/')
        m--;
    return n == m && memcmp(a, b, n) == 0;
}

/* Into every container that has neither this volume nor anything at this path. */
static void mount_everywhere(cJSON *spec, const char *volume, const char *path, bool read_only)
{
    cJSON *c, *m;

    cJSON_ArrayForEach(c, json_get(spec, "containers")) {
        cJSON *list = need_arr(c, "volumeMounts");
        bool there = false;

        cJSON_ArrayForEach(m, list)
            there |= str_eq(json_str(m, "name", NULL), volume) || same_path(json_str(m, "mountPath", ""), path);
        if (there)
            continue;
        m = cJSON_CreateObject();
        json_set_str(m, "name", volume);
        json_set_str(m, "mountPath", path);
        if (read_only)
            json_set_bool(m, "readOnly", true);
        cJSON_AddItemToArray(list, m);
    }
}

static cJSON *add_volume(cJSON *spec, const char *name)
{
    cJSON *list = need_arr(spec, "volumes"), *v = find_named(list, name);

    if (v)
        return NULL;
    v = cJSON_CreateObject();
    json_set_str(v, "name", name);
    cJSON_AddItemToArray(list, v);
    return v;
}

static void config_volumes(const struct fleet *f, const struct host *h, cJSON *spec)
{
    static const char *const clickhouse[] = {"/etc/clickhouse-server/config.d/", "/etc/clickhouse-server/users.d/",
                                             "/etc/clickhouse-server/conf.d/"};
    static const char *const keeper[] = {"/etc/clickhouse-keeper/keeper_config.d/", "/etc/clickhouse-keeper/users.d/",
                                         "/etc/clickhouse-keeper/conf.d/"};
    const char *own = f->kind == FLEET_KEEPER ? "chk-{chk}" : "chi-{chi}";
    auto_free char *common_pattern = mem_printf("%s-common-configd", own);
    auto_free char *users_pattern = mem_printf("%s-common-usersd", own);
    auto_free char *common = fleet_macros(f, NULL, NULL, NULL, common_pattern);
    auto_free char *users = fleet_macros(f, NULL, NULL, NULL, users_pattern);
    const char *names[] = {common, users, h->configmap};

    for (int i = 0; i < 3; i++) {
        cJSON *v = add_volume(spec, names[i]);

        if (v) {
            cJSON *map = json_set_obj(v, "configMap");

            json_set_str(map, "name", names[i]);
            json_set_int(map, "defaultMode", 0644);
        }
        mount_everywhere(spec, names[i], f->kind == FLEET_KEEPER ? keeper[i] : clickhouse[i], false);
    }
}

/* The name of a volume for a file key: small letters, digits and inner dashes. */
static char *volume_name(const char *key)
{
    auto_str struct str out = STR_INIT;

    for (const char *p = key; *p && out.len < 63; p++) {
        char ch = (char)tolower((unsigned char)*p);

        if (isalpha((unsigned char)ch) || (out.len && (isdigit((unsigned char)ch) || ch == '-')))
            str_addc(&out, ch);
    }
    while (out.len && out.s[out.len - 1] == '-')
        out.s[--out.len] = '\0';
    return str_take(&out);
}

/* Keys such as "a.b" and "ab" give one name: another volume than the one of that name gets a number behind it. Takes name. */
static char *free_name(const cJSON *spec, char *name, const struct setting *s)
{
    char *one = mem_str(*name ? name : "file");

    for (unsigned n = 2;; n++) {
        const cJSON *v = find_named(json_get(spec, "volumes"), one);

        if (!v || (str_eq(json_str(v, "secret.secretName", NULL), s->secret_name) &&
                   str_eq(json_str(v, "secret.items.0.key", NULL), s->secret_key)))
            break;
        free(one);
        one = mem_printf("%.60s-%u", name, n);
    }
    free(name);
    return one;
}

static void secret_files(const struct settings *files, cJSON *spec)
{
    for (size_t i = 0; i < files->n; i++) {
        const struct setting *s = &files->v[i];
        auto_free char *name = NULL, *path = NULL;
        cJSON *v;

        if (s->kind != SETTING_FILE)
            continue;
        name = free_name(spec, volume_name(s->path), s);
        path = mem_printf("/etc/clickhouse-server/secrets.d/%s/%s", s->path, s->secret_name);
        v = add_volume(spec, name);
        if (v) {
            cJSON *secret = json_set_obj(v, "secret"), *item = cJSON_CreateObject();

            json_set_str(secret, "secretName", s->secret_name);
            json_set_str(item, "key", s->secret_key);
            json_set_str(item, "path", s->secret_key);
            cJSON_AddItemToArray(json_set_arr(secret, "items"), item);
            json_set_int(secret, "defaultMode", 0644);
        }
        mount_everywhere(spec, name, path, true);
    }
}

static void data_volumes(const struct fleet *f, const struct host *h, cJSON *spec)
{
    if (h->templates.data_vct)
        mount_everywhere(spec, json_str(h->templates.data_vct, "name", ""), fleet_data_dir(f), false);
    if (h->templates.log_vct)
        mount_everywhere(spec, json_str(h->templates.log_vct, "name", ""), fleet_log_dir(f), false);
    for (size_t i = 0; i < h->n_volumes; i++) {
        cJSON *v = h->volumes[i].operator_made ? add_volume(spec, h->volumes[i].name) : NULL;

        if (v)
            json_set_str(json_set_obj(v, "persistentVolumeClaim"), "claimName", h->volumes[i].pvc_name);
    }
}

static void host_alias(const struct host *h, cJSON *spec)
{
    cJSON *own = cJSON_DetachItemFromObjectCaseSensitive(spec, "hostAliases"),
          *list = json_set_arr(spec, "hostAliases"), *a;

    a = cJSON_CreateObject();
    json_set_str(a, "ip", "127.0.0.1");
    json_add_str(json_set_arr(a, "hostnames"), h->service);
    cJSON_AddItemToArray(list, a);
    while ((a = cJSON_DetachItemFromArray(own, 0)))
        cJSON_AddItemToArray(list, a);
    cJSON_Delete(own);
}

/* ---- the whole ---- */

static cJSON *metadata(const struct fleet *f, const struct host *h)
{
    struct place p = place_host(h);
    cJSON *m = cJSON_CreateObject(), *labels = meta_labels(&p, NULL, NULL), *annotations = meta_annotations(&p);
    auto_free char *ready = meta_key(f, "ready");
    const char *name = json_str(h->pod_template, "name", "");

    /* A host joins the balancer when it has caught up, not when its pod is up; a Keeper member has no such step. */
    json_set_str(labels, ready, f->kind == FLEET_KEEPER ? "yes" : "no");
    meta_expand_into(&p, labels, json_at(h->pod_template, "metadata.labels"));
    meta_expand_into(&p, annotations, json_at(h->pod_template, "metadata.annotations"));
    json_set_str(m, "name", *name ? name : h->sts);
    json_set(m, "labels", labels);
    if (annotations->child)
        json_set(m, "annotations", annotations);
    else
        cJSON_Delete(annotations);
    return m;
}

cJSON *pod_template(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err)
{
    cJSON *t = cJSON_CreateObject(), *spec, *server;

    (void)c;
    (void)err;
    json_set(t, "metadata", metadata(f, h));
    spec = json_copy(json_get(h->pod_template, "spec"));
    if (!cJSON_IsObject(spec))
        spec = cJSON_CreateObject();
    json_set(t, "spec", spec);
    if (!json_get(spec, "terminationGracePeriodSeconds"))
        json_set_int(spec, "terminationGracePeriodSeconds", json_int(f->config, "pod.terminationGracePeriod", 30));
    affinity_add(h, spec);
    server = server_container(f, h, spec);
    if (!*json_str(server, "image", ""))
        json_set_str(server, "image", h->image);
    probes(f, h, server);
    ports(h, server);
    environment(f, server);
    if (f->troubleshoot)
        troubleshoot(server);
    log_container(h, spec);
    host_alias(h, spec);
    config_volumes(f, h, spec);
    secret_files(&f->files, spec);
    secret_files(&h->files, spec);
    data_volumes(f, h, spec);
    if (json_bool(spec, "hostNetwork", false))
        json_set_str(spec, "dnsPolicy", "ClusterFirstWithHostNet");
    return t;
}

cJSON *volume_claim(const struct host *h, const struct volume *v)
{
    struct place p = place_host(h);
    cJSON *claim = cJSON_CreateObject(), *m, *spec, *annotations = meta_annotations(&p);

    json_set_str(claim, "apiVersion", "v1");
    json_set_str(claim, "kind", "PersistentVolumeClaim");
    m = json_set_obj(claim, "metadata");
    json_set_str(m, "name", v->name);
    json_set(m, "labels", meta_labels(&p, NULL, NULL));
    if (annotations->child)
        json_set(m, "annotations", annotations);
    else
        cJSON_Delete(annotations);
    spec = json_copy(json_get(v->tmpl, "spec"));
    if (!cJSON_IsObject(spec))
        spec = cJSON_CreateObject();
    json_set_str(spec, "volumeMode", "Filesystem");
    json_set(claim, "spec", spec);
    return claim;
}
