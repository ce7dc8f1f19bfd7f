/* SPDX-License-Identifier: Apache-2.0 */
/* The storage of class "simulated": a volume for each claim at once, larger when it is asked for, gone when it is released. */
#include <stdio.h>

#include "tests/k8s/hostsim_impl.h"

#define PROVISIONER "simulated.chfleet.io/volumes"

static const char *class_of(const cJSON *claim)
{
    return json_str(claim, "spec.storageClassName", "");
}

static bool provided_here(const cJSON *claim)
{
    const char *by = json_annotation(claim, "volume.kubernetes.io/storage-provisioner");

    return str_eq(by, PROVISIONER);
}

static void said(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    (void)ctx;
    (void)obj;
    if (err && status != 404 && status != 409)
        log_warn(NULL, "%s", err->msg);
}

static cJSON *volume_for(const cJSON *claim, const char *name)
{
    cJSON *pv = cJSON_CreateObject(), *meta = json_set_obj(pv, "metadata"), *spec = json_set_obj(pv, "spec"), *ref;
    auto_free char *path = mem_printf("/simulated/%s", name);

    json_set_str(pv, "apiVersion", "v1");
    json_set_str(pv, "kind", "PersistentVolume");
    json_set_str(meta, "name", name);
    json_set_str(json_set_obj(meta, "annotations"), "pv.kubernetes.io/provisioned-by", PROVISIONER);
    json_set_str(json_set_obj(spec, "capacity"), "storage", json_str(claim, "spec.resources.requests.storage", "1Gi"));
    json_set(spec, "accessModes", json_copy(json_at(claim, "spec.accessModes")));
    json_set_str(spec, "persistentVolumeReclaimPolicy", "Delete");
    json_set_str(spec, "storageClassName", class_of(claim));
    json_set_str(json_set_obj(spec, "hostPath"), "path", path);
    ref = json_set_obj(spec, "claimRef");
    json_set_str(ref, "apiVersion", "v1");
    json_set_str(ref, "kind", "PersistentVolumeClaim");
    json_set_str(ref, "namespace", json_ns(claim));
    json_set_str(ref, "name", json_name(claim));
    json_set_str(ref, "uid", json_uid(claim));
    return pv;
}

static void provide(struct hostsim *hs, const cJSON *claim)
{
    auto_free char *name = mem_printf("pvc-%s", json_uid(claim));
    auto_json cJSON *pv = volume_for(claim, name);

    kube_create(hs->kube, KUBE_PV, NULL, pv, said, hs);
}

/* ---- larger ---- */

struct resize {
    struct hostsim *hs;
    char *ns, *name, *uid, *volume, *size;
};

static void resize_free(struct resize *r)
{
    free(r->ns);
    free(r->name);
    free(r->uid);
    free(r->volume);
    free(r->size);
    free(r);
}

static void volume_grown(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct resize *r = ctx;
    auto_json cJSON *patch = cJSON_CreateObject();

    (void)status;
    (void)obj;
    if (err) {
        log_warn(NULL, "%s", err->msg);
    } else {
        json_set_str(json_set_obj(patch, "metadata"), "uid", r->uid);
        json_set_str(json_set_obj(json_set_obj(patch, "status"), "capacity"), "storage", r->size);
        kube_patch(r->hs->kube, KUBE_PVC, r->ns, r->name, "status", patch, said, r->hs);
    }
    resize_free(r);
}

static void grow(void *ctx)
{
    struct resize *r = ctx;
    auto_json cJSON *patch = cJSON_CreateObject();

    json_set_str(json_set_obj(json_set_obj(patch, "spec"), "capacity"), "storage", r->size);
    kube_patch(r->hs->kube, KUBE_PV, NULL, r->volume, NULL, patch, volume_grown, r);
}

static void resize(struct hostsim *hs, const cJSON *old, const cJSON *claim)
{
    const char *want = json_str(claim, "spec.resources.requests.storage", ""),
               *was = json_str(old, "spec.resources.requests.storage", "");
    struct resize *r;

    if (!old || strcmp(want, was) == 0 || strcmp(json_str(claim, "status.phase", ""), "Bound") != 0)
        return;
    r = mem_zero(sizeof *r);
    *r = (struct resize){hs, mem_str(json_ns(claim)), mem_str(json_name(claim)), mem_str(json_uid(claim)),
                         mem_str(json_str(claim, "spec.volumeName", "")), mem_str(want)};
    sim_after(hs->sim, hs->o.resize_ms, grow, r);
}

/* ---- watches ---- */

void volumes_claim(struct hostsim *hs, enum kube_change what, const cJSON *old, const cJSON *claim)
{
    if (what == KUBE_GONE || !provided_here(claim))
        return;
    if (!*json_str(claim, "spec.volumeName", "") && (!old || !provided_here(old)) &&
        strcmp(json_str(claim, "status.phase", ""), "Lost") != 0)
        provide(hs, claim);
    resize(hs, old, claim);
}

void volumes_volume(void *ctx, enum kube_change what, const cJSON *old, const cJSON *pv)
{
    struct hostsim *hs = ctx;

    (void)old;
    if (!pv || what == KUBE_GONE || !str_eq(json_annotation(pv, "pv.kubernetes.io/provisioned-by"), PROVISIONER))
        return;
    if (strcmp(json_str(pv, "status.phase", ""), "Released") == 0 &&
        strcmp(json_str(pv, "spec.persistentVolumeReclaimPolicy", ""), "Delete") == 0 &&
        !json_at(pv, "metadata.deletionTimestamp"))
        kube_delete(hs->kube, KUBE_PV, NULL, json_name(pv), json_uid(pv), NULL, -1, said, hs);
}
