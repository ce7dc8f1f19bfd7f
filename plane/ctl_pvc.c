/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: each gets a volume of its own, which is a directory of this machine, whatever its storage class is called.
 * Grows at once (a directory has no size; the numbers follow the request), and has every class of attributes at once;
 * volumes of a test that take their time are shown as a storage driver shows them. A claim in use stays until its pod is gone
 * (kubernetes.io/pvc-protection); with it goes the directory, unless the PersistentVolume says Retain.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/ctl.h"

#define PROTECTION "kubernetes.io/pvc-protection"

enum { AGAIN_MS = 1000 };

struct ctl_pvc {
    struct plane *p;
    struct store *s;
    const struct volume_ops *ops;
    void *ops_ctx;
    struct ctl_queue *claims, *volumes;
    struct store_sub *subs[3];
};

/* ---- binding ---- */

static int has_path(void *ctx, const cJSON *pv)
{
    return str_eq(json_str(pv, "spec.local.path", NULL), ctx);
}

static bool path_taken(void *ctx, const char *path)
{
    struct ctl_pvc *c = ctx;

    return store_each(c->s, PK_PV, NULL, NULL, has_path, (void *)path) != 0;
}

static void put_node_affinity(struct ctl_pvc *c, cJSON *spec)
{
    cJSON *terms = json_set_arr(json_set_obj(json_set_obj(spec, "nodeAffinity"), "required"), "nodeSelectorTerms");
    cJSON *term = cJSON_CreateObject(), *e = cJSON_CreateObject();

    json_set_str(e, "key", "kubernetes.io/hostname");
    json_set_str(e, "operator", "In");
    json_add_str(json_set_arr(e, "values"), c->p->node_name);
    cJSON_AddItemToArray(json_set_arr(term, "matchExpressions"), e);
    cJSON_AddItemToArray(terms, term);
}

static cJSON *make_volume(struct ctl_pvc *c, const cJSON *pvc, const char *name, const char *path)
{
    cJSON *pv = store_new_object(PK_PV, NULL, name), *spec = json_set_obj(pv, "spec"), *ref;
    const char *klass = json_str(pvc, "spec.storageClassName", "");

    json_set_str(json_set_obj(json_get(pv, "metadata"), "annotations"), "pv.kubernetes.io/provisioned-by",
                 "chfleet.io/directory");
    json_set(json_set_obj(spec, "capacity"), "storage", json_copy(json_at(pvc, "spec.resources.requests.storage")));
    json_set(spec, "accessModes", json_copy(json_at(pvc, "spec.accessModes")));
    json_set_str(json_set_obj(spec, "local"), "path", path);
    json_set_str(spec, "persistentVolumeReclaimPolicy", "Delete");
    json_set_str(spec, "storageClassName", klass);
    json_set_str(spec, "volumeMode", "Filesystem");
    ref = json_set_obj(spec, "claimRef");
    json_set_str(ref, "apiVersion", "v1");
    json_set_str(ref, "kind", "PersistentVolumeClaim");
    json_set_str(ref, "namespace", json_ns(pvc));
    json_set_str(ref, "name", json_name(pvc));
    json_set_str(ref, "uid", json_uid(pvc));
    put_node_affinity(c, spec);
    return pv;
}

static int make_pv(struct ctl_pvc *c, const cJSON *pvc, const char *name, struct err *err)
{
    auto_free char *path = NULL;
    const cJSON *pv = NULL;
    cJSON *status = cJSON_CreateObject();

    if (c->ops->make(c->ops_ctx, json_ns(pvc), json_name(pvc), json_uid(pvc), path_taken, c, &path, err) < 0 ||
        store_create(c->s, PK_PV, make_volume(c, pvc, name, path), STORE_SYSTEM, &pv, err) < 0) {
        cJSON_Delete(status);
        return -1;
    }
    json_set_str(status, "phase", "Bound");
    ctl_write_status(c->s, PK_PV, pv, status);
    return 0;
}

static int bind_claim(struct ctl_pvc *c, const cJSON *pvc, struct err *err)
{
    auto_free char *name = mem_printf("pvc-%s", json_uid(pvc));
    auto_json cJSON *patch = cJSON_CreateObject();
    cJSON *meta = json_set_obj(patch, "metadata"), *notes = json_set_obj(meta, "annotations"), *list;
    const cJSON *f;

    if (!store_get(c->s, PK_PV, NULL, name) && make_pv(c, pvc, name, err) < 0)
        return -1;
    json_set_str(meta, "uid", json_uid(pvc));
    json_set_str(notes, "pv.kubernetes.io/bind-completed", "yes");
    json_set_str(notes, "pv.kubernetes.io/bound-by-controller", "yes");
    json_set_str(notes, "volume.kubernetes.io/storage-provisioner", "chfleet.io/directory");
    list = json_set_arr(meta, "finalizers");
    cJSON_ArrayForEach(f, json_at(pvc, "metadata.finalizers"))
        if (!str_eq(f->valuestring, PROTECTION))
            cJSON_AddItemToArray(list, json_copy(f));
    json_add_str(list, PROTECTION);
    json_set_str(json_set_obj(patch, "spec"), "volumeName", name);
    return store_patch(c->s, PK_PVC, json_ns(pvc), json_name(pvc), patch, STORE_SYSTEM, NULL, err);
}

/* ---- size ---- */

static void add_condition(cJSON *st, const cJSON *pvc, const char *type, struct ctl_pvc *c)
{
    cJSON *list = json_set_arr(st, "conditions"), *one = cJSON_CreateObject();
    const cJSON *old = ctl_condition(pvc, type);
    char now[32];

    json_set_str(one, "type", type);
    json_set_str(one, "status", "True");
    json_set_str(one, "lastTransitionTime", json_str(old, "lastTransitionTime", store_now(c->s, now)));
    cJSON_AddItemToArray(list, one);
}

/* True: the claim has the size that it asks for. Else the status says how far it is. */
static bool has_its_size(struct ctl_pvc *c, const cJSON *pvc, cJSON *st)
{
    const cJSON *want = json_at(pvc, "spec.resources.requests.storage"), *have = json_at(pvc, "status.capacity.storage");
    enum volume_size now;

    if (!want || !have || json_same(want, have) || !c->ops->grow)
        return true;
    now = c->ops->grow(c->ops_ctx, pvc);
    if (now == VOLUME_HAS_IT)
        return true;
    json_set(json_set_obj(st, "capacity"), "storage", json_copy(have));
    add_condition(st, pvc, now == VOLUME_GROWS ? "Resizing" : "FileSystemResizePending", c);
    ctl_queue_add(c->claims, json_ns(pvc), json_name(pvc), AGAIN_MS);
    return false;
}

static void note_growth(struct ctl_pvc *c, const cJSON *pvc, const cJSON *pv)
{
    const cJSON *want = json_at(pvc, "spec.resources.requests.storage");
    auto_json cJSON *patch = cJSON_CreateObject();

    if (!want || json_same(json_at(pv, "spec.capacity.storage"), want))
        return;
    json_set(json_set_obj(json_set_obj(patch, "spec"), "capacity"), "storage", json_copy(want));
    store_patch(c->s, PK_PV, NULL, json_name(pv), patch, STORE_SYSTEM, NULL, NULL);
    if (json_at(pvc, "status.capacity"))
        store_event(c->s, "volume_expand", pvc, false, "FileSystemResizeSuccessful",
                    "the volume has the size that was asked for");
}

static void write_bound(struct ctl_pvc *c, const cJSON *pvc)
{
    const cJSON *want = json_at(pvc, "spec.resources.requests.storage");
    const cJSON *pv = store_get(c->s, PK_PV, NULL, json_str(pvc, "spec.volumeName", ""));
    cJSON *st = cJSON_CreateObject();

    if (!pv) { /* somebody deleted the volume under the claim */
        json_set_str(st, "phase", "Lost");
        ctl_write_status(c->s, PK_PVC, pvc, st);
        return;
    }
    json_set_str(st, "phase", "Bound");
    json_set(st, "accessModes", json_copy(json_at(pvc, "spec.accessModes")));
    json_set_str(st, "currentVolumeAttributesClassName", json_str(pvc, "spec.volumeAttributesClassName", NULL));
    if (has_its_size(c, pvc, st)) {
        if (want)
            json_set(json_set_obj(st, "capacity"), "storage", json_copy(want));
        note_growth(c, pvc, pv);
    }
    ctl_write_status(c->s, PK_PVC, pvc, st);
}

/* ---- end ---- */

struct use {
    const char *claim;
};

static int uses_claim(void *ctx, const cJSON *pod)
{
    struct use *u = ctx;
    const cJSON *v;

    if (ctl_pod_over(pod))
        return 0;
    cJSON_ArrayForEach(v, json_at(pod, "spec.volumes"))
        if (str_eq(json_str(v, "persistentVolumeClaim.claimName", NULL), u->claim))
            return 1;
    return 0;
}

static void unprotect(struct ctl_pvc *c, const cJSON *pvc)
{
    struct use u = {json_name(pvc)};
    cJSON *obj, *list, *f;
    struct err e = ERR_INIT;

    if (!json_has(json_at(pvc, "metadata.finalizers"), PROTECTION) ||
        store_each(c->s, PK_POD, json_ns(pvc), NULL, uses_claim, &u) != 0)
        return;
    obj = json_copy(pvc);
    list = json_at(obj, "metadata.finalizers");
    cJSON_ArrayForEach(f, list)
        if (str_eq(f->valuestring, PROTECTION)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, f));
            break;
        }
    if (store_update(c->s, PK_PVC, obj, STORE_SYSTEM, NULL, &e) < 0 && e.kind != ERR_MISSING)
        ctl_queue_add(c->claims, json_ns(pvc), json_name(pvc), AGAIN_MS);
}

static void sync_claim(void *ctx, const char *ns, const char *name)
{
    struct ctl_pvc *c = ctx;
    const cJSON *pvc = store_get(c->s, PK_PVC, ns, name);
    auto_json cJSON *own = NULL;
    struct err e = ERR_INIT;

    if (!pvc)
        return;
    own = json_copy(pvc);
    if (ctl_deleting(own)) {
        unprotect(c, own);
        return;
    }
    if (!*json_str(own, "spec.volumeName", "") && bind_claim(c, own, &e) < 0) {
        store_event(c->s, "persistentvolume-controller", own, true, "ProvisioningFailed", "%s", e.msg);
        ctl_queue_add(c->claims, ns, name, AGAIN_MS);
        return;
    }
    pvc = store_get(c->s, PK_PVC, ns, name);
    if (pvc)
        write_bound(c, pvc);
}

/* A volume whose claim is gone. */
static void sync_volume(void *ctx, const char *ns, const char *name)
{
    struct ctl_pvc *c = ctx;
    const cJSON *pv = store_get(c->s, PK_PV, NULL, name);
    const cJSON *ref = pv ? json_at(pv, "spec.claimRef") : NULL;
    const cJSON *pvc = ref ? store_get(c->s, PK_PVC, json_str(ref, "namespace", ""), json_str(ref, "name", "")) : NULL;
    const char *path = pv ? json_str(pv, "spec.local.path", NULL) : NULL;
    struct err e = ERR_INIT;

    (void)ns;
    if (!ref || !path || (pvc && strcmp(json_uid(pvc), json_str(ref, "uid", "")) == 0))
        return;
    if (strcmp(json_str(pv, "spec.persistentVolumeReclaimPolicy", "Delete"), "Delete") != 0) {
        cJSON *st = cJSON_CreateObject();

        json_set_str(st, "phase", "Released");
        ctl_write_status(c->s, PK_PV, pv, st);
        return;
    }
    if (c->ops->remove(c->ops_ctx, path, &e) < 0) {
        log_warn(name, "volume not removed: %s", e.msg);
        ctl_queue_add(c->volumes, "", name, 10 * AGAIN_MS);
        return;
    }
    store_delete(c->s, PK_PV, NULL, name, NULL, NULL, NULL, NULL);
}

/* ---- watching ---- */

static void on_claim(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_pvc *c = ctx;

    (void)old;
    if (!obj)
        return;
    if (what != STORE_GONE)
        ctl_queue_add(c->claims, json_ns(obj), json_name(obj), 0);
    else if (*json_str(obj, "spec.volumeName", ""))
        ctl_queue_add(c->volumes, "", json_str(obj, "spec.volumeName", ""), 0);
}

static void on_volume(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_pvc *c = ctx;
    const cJSON *ref = obj ? json_at(obj, "spec.claimRef") : NULL;

    (void)old;
    if (!obj)
        return;
    if (what == STORE_GONE && ref)
        ctl_queue_add(c->claims, json_str(ref, "namespace", ""), json_str(ref, "name", ""), 0);
    else if (what == STORE_ADDED)
        ctl_queue_add(c->volumes, "", json_name(obj), AGAIN_MS); /* after the claims are known */
}

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_pvc *c = ctx;
    const cJSON *v;

    if (!obj || (what != STORE_GONE && !ctl_pod_over(obj)))
        return;
    (void)old;
    cJSON_ArrayForEach(v, json_at(obj, "spec.volumes")) {
        const char *claim = json_str(v, "persistentVolumeClaim.claimName", NULL);

        if (claim)
            ctl_queue_add(c->claims, json_ns(obj), claim, 0);
    }
}

struct ctl_pvc *ctl_pvc_new(struct plane *p, const struct volume_ops *ops, void *ctx)
{
    struct ctl_pvc *c = mem_zero(sizeof *c);

    c->p = p;
    c->s = p->store;
    c->ops = ops;
    c->ops_ctx = ctx;
    c->claims = ctl_queue_new(p->w, sync_claim, c);
    c->volumes = ctl_queue_new(p->w, sync_volume, c);
    c->subs[0] = store_subscribe(c->s, PK_PVC, on_claim, c);
    c->subs[1] = store_subscribe(c->s, PK_PV, on_volume, c);
    c->subs[2] = store_subscribe(c->s, PK_POD, on_pod, c);
    return c;
}

void ctl_pvc_free(struct ctl_pvc *c)
{
    if (!c)
        return;
    for (int i = 0; i < 3; i++)
        store_unsubscribe(c->subs[i]);
    ctl_queue_free(c->claims);
    ctl_queue_free(c->volumes);
    free(c);
}
