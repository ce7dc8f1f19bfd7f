/* SPDX-License-Identifier: Apache-2.0 */
#include "render/claims.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "render/internal.h"

char *claim_template(const char *sts, const char *claim)
{
    auto_free char *suffix = mem_printf("-%s-0", sts);

    if (!str_ends(claim, suffix) || strlen(claim) == strlen(suffix))
        return NULL;
    return mem_strn(claim, strlen(claim) - strlen(suffix));
}

/* ---- policy ---- */

static const cJSON *template_named(const struct fleet *f, const char *name)
{
    const cJSON *t;

    cJSON_ArrayForEach(t, json_at(f->resource, "spec.templates.volumeClaimTemplates"))
        if (str_eq(json_str(t, "name", NULL), name))
            return t;
    return NULL;
}

/* As the label would be written: the template's own word, else the installation's, else Delete. */
static const char *template_policy(const struct fleet *f, const cJSON *t)
{
    const char *own = json_str(t, "reclaimPolicy", "");

    if (!*own)
        own = json_str(f->resource, "spec.defaults.storageManagement.reclaimPolicy", "");
    return *own ? own : "Delete";
}

bool claim_kept(const struct fleet *f, const char *sts, const cJSON *pvc)
{
    auto_free char *key = meta_key(f, "reclaimPolicy"), *name = claim_template(sts, json_name(pvc));
    const cJSON *t = name ? template_named(f, name) : NULL;
    const char *label = json_label(pvc, key);

    if (t && strcmp(template_policy(f, t), "Delete") != 0)
        return true;
    return label && *label ? strcmp(label, "Delete") != 0 : t == NULL;
}

/* ---- what only a new volume can give ---- */

static void set_change(struct change *what, const struct volume *v, const char *field, const cJSON *from,
                       const cJSON *to)
{
    what->path = mem_printf("volume %s %s", v->name, field);
    what->from = cJSON_IsString(from) ? mem_str(from->valuestring) : from ? json_print(from) : NULL;
    what->to = cJSON_IsString(to) ? mem_str(to->valuestring) : json_print(to);
}

bool claim_must_move(const struct volume *v, const cJSON *pvc, struct change *what)
{
    const cJSON *want = json_get(v->tmpl, "spec"), *have = json_get(pvc, "spec");
    const cJSON *to = json_get(want, "storageClassName"), *from = json_get(have, "storageClassName");

    if (cJSON_IsString(to) && *to->valuestring && !json_same(to, from)) {
        set_change(what, v, "storageClassName", from, to);
        return true;
    }
    to = json_get(want, "accessModes");
    from = json_get(have, "accessModes");
    if (cJSON_GetArraySize(to) > 0 && cJSON_GetArraySize(from) > 0 && !json_same(to, from)) {
        set_change(what, v, "accessModes", from, to);
        return true;
    }
    return false;
}

/* ---- where the data is ---- */

static char *source_of(const cJSON *sts, const char *volume)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(sts, "spec.volumeClaimTemplates"))
        if (strcmp(json_name(v), volume) == 0)
            return mem_printf("%s-%s-0", volume, json_name(sts));
    cJSON_ArrayForEach(v, json_at(sts, "spec.template.spec.volumes")) {
        auto_json cJSON *source = NULL;

        if (!str_eq(json_str(v, "name", NULL), volume))
            continue;
        if (json_get(v, "emptyDir"))
            return mem_str("");
        if (json_get(v, "persistentVolumeClaim"))
            return mem_str(json_str(v, "persistentVolumeClaim.claimName", ""));
        source = json_copy(v);
        cJSON_DeleteItemFromObjectCaseSensitive(source, "name");
        return json_print(source);
    }
    return mem_str("");
}

char *claim_of_data(const struct fleet *f, const cJSON *sts)
{
    const cJSON *m, *mount = NULL;

    cJSON_ArrayForEach(m, json_get(fleet_server_container(f, json_at(sts, "spec.template.spec")), "volumeMounts")) {
        const char *path = json_str(m, "mountPath", "");

        if (fleet_holds_data(f, path) && (!mount || strlen(path) > strlen(json_str(mount, "mountPath", ""))))
            mount = m;
    }
    return mount ? source_of(sts, json_str(mount, "name", "")) : mem_str("");
}

bool claim_data_moves(const struct fleet *f, const struct host *h, const struct render_ctx *c, const cJSON *wanted_sts)
{
    const cJSON *sts = ctx_live(c, "StatefulSet", h->sts);
    auto_free char *from = sts ? claim_of_data(f, sts) : NULL, *to = sts ? claim_of_data(f, wanted_sts) : NULL;

    if (sts && strcmp(from, to) != 0)
        return true;
    for (size_t i = 0; i < h->n_volumes; i++) {
        const cJSON *pvc = ctx_live(c, "PersistentVolumeClaim", h->volumes[i].pvc_name);
        struct change what = {NULL, NULL, NULL};
        bool moves = !h->volumes[i].logs && pvc && claim_must_move(&h->volumes[i], pvc, &what);

        free(what.path);
        free(what.from);
        free(what.to);
        if (moves)
            return true;
    }
    return false;
}

bool claim_goes(const struct volume *v, const cJSON *pvc, bool data_moves, struct change *what)
{
    if (claim_must_move(v, pvc, what))
        return true;
    if (!data_moves || v->logs)
        return false;
    what->path = mem_printf("volume %s", v->name);
    what->from = mem_str("what the data directory that is replaced left on it");
    what->to = mem_str("empty");
    return true;
}

/* ---- growing ---- */

const char *claim_waits_for_node(const cJSON *pvc)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(pvc, "status.conditions"))
        if (str_eq(json_str(v, "type", NULL), "FileSystemResizePending") && str_eq(json_str(v, "status", NULL), "True"))
            return json_str(v, "lastTransitionTime", "");
    return "";
}

/* ---- consent ---- */

bool claim_consented(const cJSON *consent, const char *list, const char *cluster, const char *claim)
{
    auto_free char *full = mem_printf("%s/%s", cluster, claim);
    const cJSON *names = json_get(consent, list);

    return json_has(names, claim) || json_has(names, full);
}
