/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs. */
#include "kube/kube.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/impl.h"

#define MANAGER "fieldManager=chfleet"

enum { READ_MS = 10000 };

static struct kube_call *object_call(struct kube *k, enum kube_kind kind, const char *ns, const char *name,
                                     const char *sub, const char *query, const cJSON *body, struct call_spec *spec)
{
    auto_free char *base = kube_path(kind, ns, name), *text = body ? json_print(body) : NULL;
    auto_free char *path =
        mem_printf("%s%s%s%s%s", base, sub ? "/" : "", sub ? sub : "", query ? "?" : "", query ? query : "");
    auto_free char *what = kube_what(kind, ns, name);
    struct kube_call *c;

    spec->path = path;
    spec->what = what;
    spec->body = text;
    if (body && !spec->content_type)
        spec->content_type = "application/json";
    c = kube_call_start(k, spec);
    if (text)
        explicit_bzero(text, strlen(text)); /* it may be a Secret */
    return c;
}

struct kube_call *kube_get(struct kube *k, enum kube_kind kind, const char *ns, const char *name, kube_done_fn *done,
                           void *ctx)
{
    struct call_spec spec = {.method = "GET", .total_ms = READ_MS, .done = done, .ctx = ctx};

    return object_call(k, kind, ns, name, NULL, NULL, NULL, &spec);
}

struct kube_call *kube_create(struct kube *k, enum kube_kind kind, const char *ns, const cJSON *obj, kube_done_fn *done,
                              void *ctx)
{
    struct call_spec spec = {.method = "POST", .flags = CALL_WRITE | CALL_UNREPEATED, .done = done, .ctx = ctx};
    auto_free char *path = kube_path(kind, ns, NULL), *text = json_print(obj);
    auto_free char *query = mem_printf("%s?%s", path, MANAGER);
    const char *name = json_name(obj);
    auto_free char *what = kube_what(kind, ns, *name ? name : json_str(obj, "metadata.generateName", "?"));
    struct kube_call *c;

    spec.path = query;
    spec.what = what;
    spec.body = text;
    spec.content_type = "application/json";
    c = kube_call_start(k, &spec);
    explicit_bzero(text, strlen(text));
    return c;
}

struct kube_call *kube_put(struct kube *k, enum kube_kind kind, const char *ns, const char *name, const char *sub,
                           const cJSON *obj, kube_done_fn *done, void *ctx)
{
    struct call_spec spec = {.method = "PUT", .flags = CALL_WRITE, .done = done, .ctx = ctx};

    return object_call(k, kind, ns, name, sub, MANAGER, obj, &spec);
}

struct kube_call *kube_patch(struct kube *k, enum kube_kind kind, const char *ns, const char *name, const char *sub,
                             const cJSON *patch, kube_done_fn *done, void *ctx)
{
    struct call_spec spec = {.method = "PATCH",
                             .content_type = "application/merge-patch+json",
                             .flags = CALL_WRITE,
                             .done = done,
                             .ctx = ctx};

    return object_call(k, kind, ns, name, sub, MANAGER, patch, &spec);
}

struct kube_call *kube_delete(struct kube *k, enum kube_kind kind, const char *ns, const char *name, const char *uid,
                              const char *propagation, int grace_s, kube_done_fn *done, void *ctx)
{
    struct call_spec spec = {.method = "DELETE", .flags = CALL_WRITE, .done = done, .ctx = ctx};
    auto_json cJSON *options = cJSON_CreateObject();

    json_set_str(options, "apiVersion", "v1");
    json_set_str(options, "kind", "DeleteOptions");
    if (uid && *uid)
        json_set_str(json_set_obj(options, "preconditions"), "uid", uid);
    json_set_str(options, "propagationPolicy", propagation);
    if (grace_s >= 0)
        json_set_int(options, "gracePeriodSeconds", grace_s);
    return object_call(k, kind, ns, name, NULL, NULL, options, &spec);
}

struct kube_call *kube_raw(struct kube *k, const char *method, const char *path, const char *content_type,
                           const char *body, kube_done_fn *done, void *ctx)
{
    bool read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    struct call_spec spec = {.method = method,
                             .path = path,
                             .content_type = content_type,
                             .what = path,
                             .body = body,
                             .flags = CALL_TEXT | (read ? 0u : CALL_WRITE | CALL_UNREPEATED),
                             .done = done,
                             .ctx = ctx};

    return kube_call_start(k, &spec);
}
