/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "render/claims.h"
#include "render/compare.h"
#include "render/internal.h"

/* Live order of environment variables stays when the set is the same: the peer's order is random. */
static void adopt_env_order(cJSON *container, const cJSON *live)
{
    cJSON *env = json_get(container, "env"), *sorted;
    const cJSON *old = json_get(live, "env"), *v;

    if (!env || cJSON_GetArraySize(env) != cJSON_GetArraySize(old))
        return;
    sorted = cJSON_CreateArray();
    cJSON_ArrayForEach(v, old) {
        const cJSON *e;

        cJSON_ArrayForEach(e, env)
            if (str_eq(json_str(e, "name", NULL), json_str(v, "name", "")))
                cJSON_AddItemToArray(sorted, json_copy(e));
    }
    if (cJSON_GetArraySize(sorted) == cJSON_GetArraySize(env))
        json_set(container, "env", sorted);
    else
        cJSON_Delete(sorted);
}

static void adopt_env_orders(cJSON *template, const cJSON *live)
{
    cJSON *c;
    int i = 0;

    cJSON_ArrayForEach(c, json_at(template, "spec.containers"))
        adopt_env_order(c, cJSON_GetArrayItem(json_at(live, "spec.template.spec.containers"), i++));
}

/* Tools such as `kubectl rollout restart` write there; taking it away would restart the pod. */
static void adopt_tool_annotations(cJSON *template, const cJSON *live)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(live, "spec.template.metadata.annotations"))
        if (str_starts(v->string, "kubectl.kubernetes.io/"))
            json_set(json_need_obj(json_get(template, "metadata"), "annotations"), v->string, json_copy(v));
}

/* A taken over template says ready=yes; that alone is no reason for a new pod, so it stays until there is one. */
static void adopt_ready_label(const struct fleet *f, cJSON *object, const cJSON *live)
{
    auto_free char *key = meta_key(f, "ready");
    cJSON *labels = json_at(object, "spec.template.metadata.labels");
    const char *now = cJSON_GetStringValue(json_get(json_at(live, "spec.template.metadata.labels"), key));
    auto_free char *wanted = mem_str(cJSON_GetStringValue(json_get(labels, key)));
    struct change *changes = NULL;
    size_t n = 0;
    bool other = false;

    if (!now || str_eq(now, wanted))
        return;
    json_set_str(labels, key, now);
    compare_statefulset(live, object, &changes, &n);
    for (size_t i = 0; i < n; i++) {
        other |= str_starts(changes[i].path, "StatefulSet spec.template");
        free(changes[i].path);
        free(changes[i].from);
        free(changes[i].to);
    }
    free(changes);
    if (other)
        json_set_str(labels, key, wanted);
}

/* Metadata of live claim templates is taken as it is: it cannot be changed and decides nothing. */
static void claims(const struct host *h, cJSON *spec, const cJSON *live)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *old;

    for (size_t i = 0; i < h->n_volumes; i++) {
        cJSON *claim;

        if (h->volumes[i].operator_made)
            continue;
        claim = volume_claim(h, &h->volumes[i]);
        cJSON_ArrayForEach(old, json_at(live, "spec.volumeClaimTemplates"))
            if (strcmp(json_name(old), h->volumes[i].name) == 0) {
                json_set(claim, "metadata", json_copy(json_get(old, "metadata")));
                cJSON_DeleteItemFromObjectCaseSensitive(json_get(claim, "metadata"), "creationTimestamp");
            }
        cJSON_AddItemToArray(list, claim);
    }
    if (list->child)
        json_set(spec, "volumeClaimTemplates", list);
    else
        cJSON_Delete(list);
}

/* Another operator compares this label only: with a value of ours it writes its object, and nothing restarts. */
static void object_version(const struct fleet *f, cJSON *object)
{
    auto_free char *key = meta_key(f, "object-version"), *sha = NULL;
    auto_json cJSON *spec = json_copy(json_get(object, "spec"));
    auto_str struct str text = STR_INIT;

    cJSON_DeleteItemFromObjectCaseSensitive(spec, "replicas");
    json_canonical(spec, &text);
    sha = hash_sha1_hex(str_text(&text), text.len);
    json_set_str(json_at(object, "metadata.labels"), key, sha);
}

/* A claim that was given up is not given up again because the word still stands there. The note goes with the word. */
static void keep_given_up(const struct host *h, cJSON *object, const cJSON *live)
{
    const char *names = live ? json_annotation(live, RENDER_GIVEN_UP) : NULL;
    auto_str struct str still = STR_INIT;

    for (const char *p = names; p && *p; p += strcspn(p, " "), p += *p == ' ') {
        auto_free char *claim = mem_strn(p, strcspn(p, " "));

        if (claim_consented(h->cluster->fleet->consent, "volumes", h->cluster->name, claim))
            str_addf(&still, "%s%s", still.len ? " " : "", claim);
    }
    if (names)
        json_set_str(json_at(object, "metadata.annotations"), RENDER_GIVEN_UP, str_text(&still));
}

static void keep_notes(const struct fleet *f, const struct host *h, cJSON *object, const cJSON *live)
{
    static const char *const labels[] = {"zookeeper-version", "settings-version"};
    const char *loaded = live ? json_annotation(live, RENDER_LOADED) : NULL;

    if (loaded)
        json_set_str(json_at(object, "metadata.annotations"), RENDER_LOADED, loaded);
    keep_given_up(h, object, live);
    for (size_t i = 0; i < 2; i++) {
        auto_free char *key = meta_key(f, labels[i]);

        if (live && json_label(live, key)) {
            json_set_str(json_at(object, "metadata.labels"), key, json_label(live, key));
            json_set_str(json_at(object, "spec.template.metadata.labels"), key, json_label(live, key));
        }
    }
}

/* A new host starts with everything there is: the restart that is ordered now is not for it. */
static void note_restart(const struct fleet *f, cJSON *object)
{
    auto_free char *token = fleet_restart_token(f);

    if (token)
        json_set_str(json_at(object, "metadata.annotations"), RENDER_RESTART, token);
}

cJSON *render_host_statefulset(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err)
{
    struct place p = place_host(h);
    const cJSON *live = ctx_live(c, "StatefulSet", h->sts);
    cJSON *template = pod_template(f, h, c, err), *o, *spec;

    if (!template)
        return NULL;
    o = meta_object(&p, "apps/v1", "StatefulSet", h->sts, meta_labels(&p, NULL, NULL), true);
    spec = json_set_obj(o, "spec");
    json_set_int(spec, "replicas", f->stop ? 0 : 1);
    json_set_str(spec, "serviceName", h->service);
    json_set(json_set_obj(spec, "selector"), "matchLabels", meta_selector(&p, false));
    json_set_str(spec, "podManagementPolicy", "OrderedReady");
    json_set_str(json_set_obj(spec, "updateStrategy"), "type", "RollingUpdate");
    json_set_int(spec, "revisionHistoryLimit", json_int(f->config, "statefulSet.revisionHistoryLimit", 10));
    json_set(spec, "template", template);
    claims(h, spec, live);
    keep_notes(f, h, o, live);
    if (!live && !ctx_live(c, "Pod", h->pod))
        note_restart(f, o);
    if (live) {
        adopt_env_orders(template, live);
        adopt_tool_annotations(template, live);
        adopt_ready_label(f, o, live);
    }
    object_version(f, o);
    meta_note_keys(&p, o);
    return o;
}

/* The template's labels and annotations of a claim; what the operator and the resource say wins. */
static void add_missing(const struct place *p, cJSON *to, const cJSON *from)
{
    auto_json cJSON *expanded = cJSON_CreateObject();

    meta_expand_into(p, expanded, from);
    for (const cJSON *v = expanded->child; v; v = v->next)
        if (!json_get(to, v->string))
            json_set_str(to, v->string, v->valuestring);
}

cJSON *render_host_pvc(const struct fleet *f, const struct host *h, const struct volume *v, const struct render_ctx *c,
                       struct err *err)
{
    struct place p = place_host(h);
    auto_free char *policy = meta_key(f, "reclaimPolicy");
    auto_json cJSON *claim = volume_claim(h, v);
    cJSON *o = meta_object(&p, "v1", "PersistentVolumeClaim", v->pvc_name, meta_labels(&p, NULL, NULL), false);
    cJSON *labels = json_at(o, "metadata.labels"), *annotations = json_at(o, "metadata.annotations");

    (void)c;
    (void)err;
    add_missing(&p, labels, json_at(v->tmpl, "metadata.labels"));
    add_missing(&p, annotations, json_at(v->tmpl, "metadata.annotations"));
    json_set_str(labels, policy, v->retain ? "Retain" : "Delete");
    json_set(o, "spec", json_copy(json_get(claim, "spec")));
    if (v->operator_made) {
        auto_free char *size = settings_scalar(json_at(v->tmpl, "spec.resources.requests.storage"));

        json_set_str(annotations, RENDER_SIZE, size);
    }
    meta_note_keys(&p, o); /* takes annotations away when there are none */
    return o;
}
