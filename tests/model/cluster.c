/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"

static char *source_path(const char *dir, const char *name)
{
    const char *top = getenv("srcdir");

    return mem_printf("%s/%s/%s", top ? top : "..", dir, name);
}

char *test_file_text(const char *dir, const char *name)
{
    auto_free char *path = source_path(dir, name);
    FILE *f = fopen(path, "rb");
    auto_str struct str s = STR_INIT;
    char buf[65536];
    size_t n;

    if (!f)
        return NULL;
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_addn(&s, buf, n);
    fclose(f);
    return str_take(&s);
}

void test_file_write(const char *dir, const char *name, const char *text)
{
    auto_free char *path = source_path(dir, name), *folder = source_path(dir, "");
    FILE *f;

    mkdir(folder, 0777);
    f = fopen(path, "wb");
    if (!f)
        fail_msg("cannot write %s", path);
    fputs(text, f);
    fclose(f);
}

cJSON *test_file_json(const char *dir, const char *name)
{
    auto_free char *text = test_file_text(dir, name);
    struct err err = ERR_INIT;
    cJSON *j;

    if (!text)
        fail_msg("there is no %s/%s", dir, name);
    j = json_parse(text, strlen(text), &err);
    if (!j)
        fail_msg("%s/%s: %s", dir, name, err.msg);
    return j;
}

bool test_updates(void)
{
    return getenv("CHFLEET_UPDATE_GOLDEN") != NULL;
}

void cluster_init(struct cluster_state *s, cJSON *objects)
{
    *s = (struct cluster_state){.objects = objects ? objects : cJSON_CreateArray()};
}

void cluster_fini(struct cluster_state *s)
{
    cJSON_Delete(s->objects);
}

const cJSON *cluster_find(const struct cluster_state *s, const char *kind, const char *name)
{
    const cJSON *o;

    cJSON_ArrayForEach(o, s->objects)
        if (strcmp(json_str(o, "kind", ""), kind) == 0 && strcmp(json_name(o), name) == 0)
            return o;
    return NULL;
}

void cluster_put(struct cluster_state *s, cJSON *object)
{
    cJSON *old = (cJSON *)cluster_find(s, json_str(object, "kind", ""), json_name(object));

    if (old)
        cJSON_Delete(cJSON_DetachItemViaPointer(s->objects, old));
    cJSON_AddItemToArray(s->objects, object);
}

static void pod_status(cJSON *pod, const cJSON *template, const char *started_at)
{
    cJSON *status = json_set_obj(pod, "status"), *conditions, *containers, *ready;
    const cJSON *c;

    json_set_str(status, "phase", "Running");
    conditions = json_set_arr(status, "conditions");
    ready = cJSON_CreateObject();
    json_set_str(ready, "type", "Ready");
    json_set_str(ready, "status", "True");
    cJSON_AddItemToArray(conditions, ready);
    containers = json_set_arr(status, "containerStatuses");
    cJSON_ArrayForEach(c, json_at(template, "spec.containers")) {
        cJSON *one = cJSON_CreateObject();
        auto_free char *id = mem_printf("test://%s/%s", json_name(pod), json_str(c, "name", ""));

        json_set_str(one, "name", json_str(c, "name", ""));
        json_set_str(one, "containerID", id);
        json_set_str(one, "image", json_str(c, "image", ""));
        json_set_str(json_set_obj(json_set_obj(one, "state"), "running"), "startedAt", started_at);
        cJSON_AddItemToArray(containers, one);
    }
}

cJSON *cluster_pod(const cJSON *sts, const char *ready_key, const char *ready, const char *started_at)
{
    const cJSON *template = json_at(sts, "spec.template");
    auto_free char *name = mem_printf("%s-0", json_name(sts)), *uid = mem_printf("uid-of-%s", name);
    cJSON *pod = cJSON_CreateObject(), *m;

    json_set_str(pod, "apiVersion", "v1");
    json_set_str(pod, "kind", "Pod");
    m = json_set_obj(pod, "metadata");
    json_set_str(m, "name", name);
    json_set_str(m, "namespace", json_ns(sts));
    json_set_str(m, "uid", uid);
    json_set(m, "labels", json_copy(json_at(template, "metadata.labels")));
    json_set_str(json_get(m, "labels"), ready_key, ready);
    json_set(pod, "spec", json_copy(json_get(template, "spec")));
    pod_status(pod, template, started_at);
    return pod;
}

/* ---- callbacks ---- */

static const cJSON *ctx_live(void *ctx, const char *kind, const char *name)
{
    return cluster_find(ctx, kind, name);
}

static const char *ctx_version(void *ctx, const struct host *h)
{
    const struct cluster_state *s = ctx;

    return s->version_of_pods && !cluster_find(s, "Pod", h->pod) ? NULL : s->version;
}

static bool ctx_listed(void *ctx, const struct host *h)
{
    const struct cluster_state *s = ctx;

    return !s->out_of_list || strcmp(s->out_of_list, h->key) != 0;
}

static const char *ctx_held(void *ctx, const struct host *h)
{
    const struct cluster_state *s = ctx;

    (void)h;
    return s->held;
}

/* Decoded values live in the object, so that they need no owner. */
static const char *ctx_secret(void *ctx, const char *ns, const char *name, const char *key)
{
    cJSON *o = (cJSON *)cluster_find(ctx, "Secret", name), *plain;
    const char *coded = cJSON_GetStringValue(json_get(json_get(o, "data"), key));
    size_t n = 0;
    auto_free unsigned char *value = coded ? hash_unbase64(coded, &n) : NULL;

    (void)ns;
    if (!value)
        return NULL;
    plain = json_need_obj(o, "decoded");
    return json_set_str(plain, key, (char *)value)->valuestring;
}

static void ctx_random(void *ctx, void *buf, size_t n)
{
    (void)ctx;
    memset(buf, 7, n);
}

static const char *const *ctx_pod_ips(void *ctx)
{
    return ((struct cluster_state *)ctx)->pod_ips;
}

void cluster_ctx(struct cluster_state *s, struct render_ctx *c)
{
    *c = (struct render_ctx){
        .operator_ip = "10.64.9.9",
        .listed = ctx_listed,
        .version = ctx_version,
        .secret = ctx_secret,
        .pod_ips = ctx_pod_ips,
        .live = ctx_live,
        .held_settings = ctx_held,
        .holding = s->held != NULL,
        .now = "2030-01-01T00:00:00Z",
        .random = ctx_random,
        .ctx = s,
    };
}

static int each(void *ctx, const char *kind, int (*fn)(void *fn_ctx, const cJSON *obj), void *fn_ctx)
{
    const struct cluster_state *s = ctx;
    const cJSON *o;

    cJSON_ArrayForEach(o, s->objects) {
        int rc = strcmp(json_str(o, "kind", ""), kind) == 0 ? fn(fn_ctx, o) : 0;

        if (rc)
            return rc;
    }
    return 0;
}

void cluster_source(struct cluster_state *s, struct facts_source *src)
{
    *src = (struct facts_source){each, s};
}

int cluster_fleet(struct cluster_state *s, const struct addressing *a, struct fleet **out, struct err *err)
{
    const cJSON *templates[64], *keepers[64], *o, *first = NULL, *first_keeper = NULL;
    struct fleet_input in = {.templates = templates, .keepers = keepers, .addressing = a};

    cJSON_ArrayForEach(o, s->objects) {
        const char *kind = json_str(o, "kind", "");

        if (strcmp(kind, "ClickHouseInstallation") == 0 && !first)
            first = o;
        else if (strcmp(kind, "ClickHouseInstallationTemplate") == 0)
            templates[in.n_templates++] = o;
        else if (strcmp(kind, "ClickHouseKeeperInstallation") == 0) {
            first_keeper = first_keeper ? first_keeper : o;
            keepers[in.n_keepers++] = o;
        }
    }
    in.resource = first ? first : first_keeper;
    return fleet_make(&in, out, err);
}

static int add(cJSON *all, cJSON *o)
{
    if (!o)
        return -1;
    cJSON_AddItemToArray(all, o);
    return 0;
}

static int render_host(const struct fleet *f, const struct host *h, const struct render_ctx *c, cJSON *all,
                       struct err *err)
{
    if (add(all, render_host_configmap(f, h, c, err)) < 0 || add(all, render_host_service(f, h, c, err)) < 0 ||
        add(all, render_host_statefulset(f, h, c, err)) < 0)
        return -1;
    for (size_t i = 0; i < h->n_volumes; i++)
        if (add(all, render_host_pvc(f, h, &h->volumes[i], c, err)) < 0)
            return -1;
    return 0;
}

cJSON *cluster_render_all(const struct fleet *f, const struct render_ctx *c, struct err *err)
{
    cJSON *all = cJSON_CreateArray();
    int rc = render_shared(f, c, all, err);

    if (rc == 0)
        rc = add(all, render_common_configmap(f, c, err));
    if (rc == 0)
        rc = add(all, render_users_configmap(f, c, err));
    for (size_t i = 0; rc == 0 && i < f->n_hosts; i++)
        rc = render_host(f, f->hosts[i], c, all, err);
    if (rc == 0)
        return all;
    cJSON_Delete(all);
    return NULL;
}

/* ---- endpoints ---- */

static unsigned port(void *ctx, const char *ns, const char *service, enum host_port proto, struct err *err)
{
    (void)ctx;
    (void)ns;
    (void)err;
    return 20000 + (unsigned)(hash_fnv64(service, strlen(service)) % 4000) * 10 + (unsigned)proto;
}

static int resolve(void *ctx, const char *ns, const char *name, unsigned number,
                   void (*emit)(void *emit_ctx, const char *host, unsigned port), void *emit_ctx)
{
    (void)ctx;
    (void)ns;
    if (strncmp(name, "keeper-", 7) != 0)
        return 0;
    emit(emit_ctx, "127.0.0.1", number + 20000);
    return 1;
}

const struct addressing *cluster_endpoints(void)
{
    static const struct addressing a = {.endpoints = true, .port = port, .resolve = resolve};

    return &a;
}
