/* SPDX-License-Identifier: Apache-2.0 */
#include "render/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/quantity.h"
#include "model/settings.h"
#include "render/apidefaults.h"
#include "render/internal.h"

void compare_add(struct change **list, size_t *n, const char *path, const char *from, const char *to)
{
    *list = mem_grow(*list, *n + 1, sizeof **list);
    (*list)[(*n)++] = (struct change){mem_str(path), mem_str(from), mem_str(to)};
}

/* ---- values ---- */

static bool is_trivial(const cJSON *v)
{
    if (!v || cJSON_IsNull(v) || cJSON_IsFalse(v))
        return true;
    if (cJSON_IsString(v))
        return !*v->valuestring;
    if (cJSON_IsNumber(v))
        return v->valuedouble == 0;
    return (cJSON_IsArray(v) || cJSON_IsObject(v)) && !v->child;
}

static bool all_trivial(const cJSON *v)
{
    const cJSON *child;

    if (!cJSON_IsObject(v))
        return is_trivial(v);
    cJSON_ArrayForEach(child, v)
        if (!all_trivial(child))
            return false;
    return true;
}

/* A value for people, short, and never one that an environment variable gives a program. */
static char *show(const cJSON *v, const char *path)
{
    enum { LONGEST = 160 };
    char *text;

    if (!v || cJSON_IsNull(v))
        return NULL;
    if (strstr(path, ".env[") && str_ends(path, ".value"))
        return mem_str("(hidden)");
    if (strstr(path, ".env") && (cJSON_IsObject(v) || cJSON_IsArray(v)))
        return mem_str("(set)");
    text = settings_scalar(v);
    if (!text)
        text = json_print(v);
    if (strlen(text) > LONGEST)
        memcpy(text + LONGEST - 3, "...", 4);
    return text;
}

static size_t differ(const cJSON *live, const cJSON *desired, const char *path, struct change **changes, size_t *n)
{
    auto_free char *from = show(live, path), *to = show(desired, path);

    if (changes)
        compare_add(changes, n, path, from, to);
    return 1;
}

static char *element_path(const char *path, const cJSON *a, const cJSON *b, int i)
{
    const char *name = json_str(b ? b : a, "name", NULL);

    return name ? mem_printf("%s[%s]", path, name) : mem_printf("%s[%d]", path, i);
}

static bool same_names(const cJSON *a, const cJSON *b)
{
    for (const cJSON *x = a->child, *y = b->child; x && y; x = x->next, y = y->next)
        if (!str_eq(json_str(x, "name", NULL), json_str(y, "name", NULL)))
            return false;
    return true;
}

static size_t compare_arrays(const cJSON *live, const cJSON *desired, const char *path, struct change **changes,
                             size_t *n)
{
    size_t found = 0;
    int i = 0;

    if (cJSON_GetArraySize(live) != cJSON_GetArraySize(desired) || !same_names(live, desired))
        return differ(live, desired, path, changes, n);
    for (const cJSON *x = live->child, *y = desired->child; x && y; x = x->next, y = y->next, i++) {
        auto_free char *sub = element_path(path, x, y, i);

        found += compare_values(x, y, sub, changes, n);
    }
    return found;
}

static char *sub_path(const char *path, const char *key)
{
    return *path && path[strlen(path) - 1] != ' ' ? mem_printf("%s.%s", path, key) : mem_printf("%s%s", path, key);
}

static size_t compare_objects(const cJSON *live, const cJSON *desired, const char *path, struct change **changes,
                              size_t *n)
{
    const cJSON *v;
    size_t found = 0;

    cJSON_ArrayForEach(v, desired) {
        auto_free char *sub = sub_path(path, v->string);

        found += compare_values(json_get(live, v->string), v, sub, changes, n);
    }
    cJSON_ArrayForEach(v, live) {
        auto_free char *sub = NULL;

        if (json_get(desired, v->string) || all_trivial(v))
            continue;
        sub = sub_path(path, v->string);
        found += differ(v, NULL, sub, changes, n);
    }
    return found;
}

size_t compare_values(const cJSON *live, const cJSON *desired, const char *path, struct change **changes, size_t *n)
{
    if (all_trivial(live) && all_trivial(desired))
        return 0;
    if (cJSON_IsObject(live) && cJSON_IsObject(desired))
        return compare_objects(live, desired, path, changes, n);
    if (cJSON_IsArray(live) && cJSON_IsArray(desired))
        return compare_arrays(live, desired, path, changes, n);
    if (live && desired) {
        auto_free char *a = settings_scalar(live), *b = settings_scalar(desired);

        if (a && b && cJSON_IsString(live) == cJSON_IsString(desired) && strcmp(a, b) == 0)
            return 0;
        if ((strstr(path, "resources.") || str_ends(path, "sizeLimit")) && quantity_same(live, desired))
            return 0;
    }
    return differ(live, desired, path, changes, n);
}

/* ---- StatefulSets ---- */

/* What old and new API servers put into templates of their own accord. */
static void forget_host_ports(cJSON *live_spec, const cJSON *desired_spec)
{
    cJSON *c, *p;

    if (!json_bool(desired_spec, "hostNetwork", false))
        return;
    cJSON_ArrayForEach(c, json_get(live_spec, "containers"))
        cJSON_ArrayForEach(p, json_get(c, "ports"))
            if (json_int(p, "hostPort", 0) == json_int(p, "containerPort", -1))
                cJSON_DeleteItemFromObjectCaseSensitive(p, "hostPort");
}

static void forget_tool_annotations(cJSON *template)
{
    cJSON *a = json_at(template, "metadata.annotations"), *v, *next;

    for (v = a ? a->child : NULL; v; v = next) {
        next = v->next;
        if (str_starts(v->string, "kubectl.kubernetes.io/"))
            cJSON_Delete(cJSON_DetachItemViaPointer(a, v));
    }
    cJSON_DeleteItemFromObjectCaseSensitive(json_get(template, "metadata"), "creationTimestamp");
}

static void forget_claim_status(cJSON *sts)
{
    cJSON *v;

    cJSON_ArrayForEach(v, json_at(sts, "spec.volumeClaimTemplates")) {
        cJSON_DeleteItemFromObjectCaseSensitive(v, "status");
        cJSON_DeleteItemFromObjectCaseSensitive(json_get(v, "metadata"), "creationTimestamp");
    }
}

struct pair {
    cJSON *live, *desired; /* copies of the specs, made comparable */
};

static struct pair comparable(const cJSON *live, const cJSON *desired)
{
    struct pair p;
    auto_json cJSON *a = json_copy(live), *b = json_copy(desired);

    apidefaults_fill(a);
    apidefaults_fill(b);
    forget_host_ports(json_at(a, "spec.template.spec"), json_at(b, "spec.template.spec"));
    forget_tool_annotations(json_at(a, "spec.template"));
    forget_tool_annotations(json_at(b, "spec.template"));
    forget_claim_status(a);
    forget_claim_status(b); /* what was live once may be desired again */
    p.live = cJSON_DetachItemFromObjectCaseSensitive(a, "spec");
    p.desired = cJSON_DetachItemFromObjectCaseSensitive(b, "spec");
    return p;
}

static void pair_free(struct pair *p)
{
    cJSON_Delete(p->live);
    cJSON_Delete(p->desired);
}

static size_t claims_differ(const struct pair *p, struct change **changes, size_t *n)
{
    return compare_values(json_get(p->live, "volumeClaimTemplates"), json_get(p->desired, "volumeClaimTemplates"),
                          "StatefulSet spec.volumeClaimTemplates", changes, n);
}

static size_t part(const struct pair *p, const char *key, struct change **changes, size_t *n)
{
    auto_free char *path = mem_printf("StatefulSet spec.%s", key);

    return compare_values(json_get(p->live, key), json_get(p->desired, key), path, changes, n);
}

static bool metadata_differs(const cJSON *live, const cJSON *desired);

enum compare_depth compare_statefulset(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n)
{
    static const char *const immutable[] = {"selector", "serviceName", "podManagementPolicy"};
    static const char *const mutable[] = {"replicas", "revisionHistoryLimit", "updateStrategy", "minReadySeconds",
                                          "persistentVolumeClaimRetentionPolicy"};
    struct pair p = comparable(live, desired);
    enum compare_depth depth = metadata_differs(live, desired) ? COMPARE_METADATA : COMPARE_SAME;
    size_t fixed = claims_differ(&p, changes, n);

    for (size_t i = 0; i < sizeof mutable / sizeof *mutable; i++)
        if (part(&p, mutable[i], changes, n))
            depth = COMPARE_METADATA;
    if (part(&p, "template", changes, n))
        depth = COMPARE_TEMPLATE;
    for (size_t i = 0; i < sizeof immutable / sizeof *immutable; i++)
        fixed += part(&p, immutable[i], changes, n);
    pair_free(&p);
    return fixed ? COMPARE_IMMUTABLE : depth;
}

/* ---- metadata ---- */

static bool listed_key(const char *list, const char *key)
{
    size_t n = strlen(key);

    for (const char *p = list; p && *p; p += strcspn(p, " "), p += *p == ' ')
        if (strncmp(p, key, n) == 0 && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

/* Keys that we put there earlier and that are not wanted any more, as nulls. */
static void patch_removed(cJSON *patch, const cJSON *live, const cJSON *desired, const char *ours)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, live)
        if (listed_key(ours, v->string) && !json_get(desired, v->string))
            cJSON_AddItemToObject(patch, v->string, cJSON_CreateNull());
}

static void patch_map(cJSON *patch, const char *key, const cJSON *live, const cJSON *desired, const char *ours)
{
    cJSON *sub = cJSON_CreateObject();
    const cJSON *v;

    cJSON_ArrayForEach(v, json_get(desired, key))
        if (!json_same(json_get(json_get(live, key), v->string), v))
            json_set(sub, v->string, json_copy(v));
    patch_removed(sub, json_get(live, key), json_get(desired, key), ours);
    if (sub->child)
        json_set(patch, key, sub);
    else
        cJSON_Delete(sub);
}

static cJSON *find_owner(const cJSON *list, const cJSON *owner)
{
    cJSON *v;

    cJSON_ArrayForEach(v, list)
        if (str_eq(json_str(v, "kind", NULL), json_str(owner, "kind", "")) &&
            str_eq(json_str(v, "name", NULL), json_str(owner, "name", "")))
            return v;
    return NULL;
}

static void patch_owner(cJSON *patch, const cJSON *live, const cJSON *desired)
{
    const cJSON *want = cJSON_GetArrayItem(json_get(desired, "ownerReferences"), 0);
    cJSON *have = find_owner(json_get(live, "ownerReferences"), want), *list, *old;

    if (!want || (have && str_eq(json_str(have, "uid", NULL), json_str(want, "uid", ""))))
        return;
    list = json_set(patch, "ownerReferences", json_copy(json_get(live, "ownerReferences")));
    if (!list)
        list = json_set_arr(patch, "ownerReferences");
    old = find_owner(list, want);
    if (old)
        cJSON_Delete(cJSON_DetachItemViaPointer(list, old));
    cJSON_AddItemToArray(list, json_copy(want));
}

/* Which version a ConfigMap was made for is written with its files, and not worth a write of its own. */
static void drop_lone_version(cJSON *patch)
{
    cJSON *notes = json_get(patch, "annotations");

    if (!notes || !notes->child || notes->child->next || strcmp(notes->child->string, RENDER_FOR) != 0)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(patch, "annotations");
}

static cJSON *metadata_patch(const cJSON *live, const cJSON *desired, bool alone)
{
    const cJSON *a = json_get(live, "metadata"), *b = json_get(desired, "metadata");
    const char *ours = json_annotation(live, RENDER_KEYS);
    cJSON *patch = cJSON_CreateObject();

    patch_map(patch, "labels", a, b, ours);
    patch_map(patch, "annotations", a, b, ours);
    if (ours && !json_annotation(desired, RENDER_KEYS))
        json_set(json_need_obj(patch, "annotations"), RENDER_KEYS, cJSON_CreateNull());
    patch_owner(patch, a, b);
    if (alone)
        drop_lone_version(patch);
    if (patch->child)
        return patch;
    cJSON_Delete(patch);
    return NULL;
}

static bool metadata_differs(const cJSON *live, const cJSON *desired)
{
    auto_json cJSON *patch = metadata_patch(live, desired, true);

    return patch;
}

static void metadata_changes(const cJSON *patch, const cJSON *live, const char *what, struct change **changes,
                             size_t *n)
{
    const cJSON *group, *v;

    cJSON_ArrayForEach(group, patch) {
        if (!cJSON_IsObject(group)) {
            auto_free char *path = mem_printf("%s metadata.%s", what, group->string);

            compare_add(changes, n, path, NULL, "this installation");
            continue;
        }
        cJSON_ArrayForEach(v, group) {
            auto_free char *path = mem_printf("%s metadata.%s.%s", what, group->string, v->string);

            const cJSON *old = json_get(json_get(json_get(live, "metadata"), group->string), v->string);

            compare_add(changes, n, path, cJSON_GetStringValue(old), cJSON_GetStringValue(v));
        }
    }
}

bool compare_metadata(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n)
{
    auto_json cJSON *patch = metadata_patch(live, desired, true);
    auto_free char *what = patch ? mem_printf("%s %s", json_str(desired, "kind", ""), json_name(desired)) : NULL;

    if (patch && changes)
        metadata_changes(patch, live, what, changes, n);
    return patch;
}

/* ---- objects ---- */

static bool is_kind(const cJSON *o, const char *kind)
{
    return strcmp(json_str(o, "kind", ""), kind) == 0;
}

static bool is_headless(const cJSON *service)
{
    return strcmp(json_str(service, "spec.clusterIP", ""), "None") == 0;
}

bool compare_must_replace(const cJSON *live, const cJSON *desired)
{
    return live && is_kind(desired, "Service") && is_headless(live) != is_headless(desired);
}

/* Fields of a Service that the cluster gives and that stay. */
static void keep_given(const cJSON *live, cJSON *spec)
{
    static const char *const given[] = {
        "clusterIP",           "clusterIPs",       "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy",
        "healthCheckNodePort", "loadBalancerClass"};
    const cJSON *old = json_get(live, "spec"), *p;
    cJSON *v;

    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (json_get(old, given[i]) && !json_get(spec, given[i]))
            json_set(spec, given[i], json_copy(json_get(old, given[i])));
    if (strcmp(json_str(spec, "type", ""), "ClusterIP") == 0)
        return;
    cJSON_ArrayForEach(v, json_get(spec, "ports"))
        cJSON_ArrayForEach(p, json_get(old, "ports"))
            if (json_int(p, "port", 0) == json_int(v, "port", -1) && json_get(p, "nodePort") &&
                !json_get(v, "nodePort"))
                json_set(v, "nodePort", json_copy(json_get(p, "nodePort")));
}

/* A claim only grows, and everything but its size is the cluster's. */
static void keep_claim(const cJSON *live, cJSON *spec)
{
    const cJSON *old = json_get(live, "spec");
    cJSON *want = json_at(spec, "resources.requests.storage"), *class = json_get(spec, "volumeAttributesClassName");
    cJSON *next = json_copy(old), *requests;

    requests = json_need_obj(json_need_obj(next, "resources"), "requests");
    if (want && quantity_bytes(want) > quantity_bytes(json_get(requests, "storage")))
        json_set(requests, "storage", json_copy(want));
    if (class)
        json_set(next, "volumeAttributesClassName", json_copy(class));
    while (spec->child)
        cJSON_Delete(cJSON_DetachItemViaPointer(spec, spec->child));
    spec->child = next->child;
    next->child = NULL;
    cJSON_Delete(next);
}

static cJSON *body_patch(const cJSON *live, const cJSON *desired, const char *key, struct change **changes, size_t *n)
{
    auto_json cJSON *want = json_copy(desired), *have = json_copy(live);
    auto_free char *path = mem_printf("%s %s %s", json_str(desired, "kind", ""), json_name(desired), key);
    struct change *found = NULL;
    size_t count = 0;
    cJSON *patch = NULL;

    apidefaults_fill(want);
    apidefaults_fill(have);
    if (is_kind(desired, "Service"))
        keep_given(live, json_get(want, "spec"));
    if (is_kind(desired, "PersistentVolumeClaim"))
        keep_claim(live, json_get(want, "spec"));
    if (compare_values(json_get(have, key), json_get(want, key), path, &found, &count))
        patch = json_diff_patch(json_get(live, key), json_get(want, key));
    for (size_t i = 0; i < count; i++) {
        if (changes)
            compare_add(changes, n, found[i].path, found[i].from, found[i].to);
        free(found[i].path);
        free(found[i].from);
        free(found[i].to);
    }
    free(found);
    return patch;
}

/* Texts of files are compared as they are; what the difference means is for facts_files.c to say. */
static cJSON *data_patch(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n)
{
    const cJSON *a = json_get(live, "data"), *b = json_get(desired, "data"), *v;
    cJSON *patch = cJSON_CreateObject();

    cJSON_ArrayForEach(v, b)
        if (!json_same(json_get(a, v->string), v))
            json_set(patch, v->string, json_copy(v));
    cJSON_ArrayForEach(v, a)
        if (!json_get(b, v->string))
            json_set(patch, v->string, cJSON_CreateNull());
    cJSON_ArrayForEach(v, patch) {
        auto_free char *path =
            mem_printf("%s %s data.%s", json_str(desired, "kind", ""), json_name(desired), v->string);

        if (changes)
            compare_add(changes, n, path, json_get(a, v->string) ? "(text)" : NULL, cJSON_IsNull(v) ? NULL : "(text)");
    }
    if (patch->child)
        return patch;
    cJSON_Delete(patch);
    return NULL;
}

static cJSON *statefulset_patch(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n)
{
    struct pair p = comparable(live, desired);
    cJSON *patch = cJSON_CreateObject(), *v;
    static const char *const parts[] = {"replicas",
                                        "revisionHistoryLimit",
                                        "updateStrategy",
                                        "template",
                                        "persistentVolumeClaimRetentionPolicy",
                                        "selector",
                                        "serviceName",
                                        "podManagementPolicy",
                                        "volumeClaimTemplates"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (part(&p, parts[i], changes, n) &&
            (v = json_diff_patch(json_get(p.live, parts[i]), json_get(p.desired, parts[i]))))
            json_set(patch, parts[i], v);
    pair_free(&p);
    if (patch->child)
        return patch;
    cJSON_Delete(patch);
    return NULL;
}

cJSON *compare_object(const cJSON *live, const cJSON *desired, struct change **changes, size_t *n)
{
    cJSON *patch = cJSON_CreateObject(), *v;
    const cJSON *key;

    if (!live) {
        cJSON_Delete(patch);
        return json_copy(desired);
    }
    compare_metadata(live, desired, changes, n);
    cJSON_ArrayForEach(key, desired) {
        if (strcmp(key->string, "data") == 0)
            v = data_patch(live, desired, changes, n);
        else if (is_kind(desired, "StatefulSet") && strcmp(key->string, "spec") == 0)
            v = statefulset_patch(live, desired, changes, n);
        else if (strcmp(key->string, "spec") == 0 || strcmp(key->string, "type") == 0)
            v = body_patch(live, desired, key->string, changes, n);
        else
            continue;
        if (v)
            json_set(patch, key->string, v);
    }
    v = metadata_patch(live, desired, !patch->child);
    if (v)
        json_set(patch, "metadata", v);
    if (patch->child)
        return patch;
    cJSON_Delete(patch);
    return NULL;
}

/* ---- pods ---- */

static const cJSON *server_status(const cJSON *pod)
{
    const cJSON *list = json_at(pod, "status.containerStatuses"), *v;

    cJSON_ArrayForEach(v, list)
        if (str_eq(json_str(v, "name", NULL), "clickhouse") || str_eq(json_str(v, "name", NULL), "clickhouse-keeper"))
            return v;
    return cJSON_GetArrayItem(list, 0);
}

char *compare_identity(const cJSON *pod)
{
    const cJSON *status = server_status(pod);
    const char *since = json_str(status, "state.running.startedAt", "");

    if (!pod || !*since)
        return mem_str("");
    return mem_printf("%s %s %s", json_uid(pod), json_str(status, "containerID", ""), since);
}

bool compare_pod_ready(const cJSON *pod)
{
    const cJSON *v;

    if (!pod || *json_str(pod, "metadata.deletionTimestamp", ""))
        return false;
    cJSON_ArrayForEach(v, json_at(pod, "status.conditions"))
        if (str_eq(json_str(v, "type", NULL), "Ready"))
            return str_eq(json_str(v, "status", NULL), "True");
    return false;
}
