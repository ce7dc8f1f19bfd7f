/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that bring objects of the API server to what the fleet says. */
#include <string.h>

#include "base/mem.h"
#include "model/quantity.h"
#include "workers/protocol.h"
#include "workers/task.h"

enum { NODE_GROWS_MS = 600000 }; /* as in render/facts_host.c */

cJSON *act_note(const struct task *t)
{
    cJSON *note = cJSON_CreateObject();

    json_set_int(note, "operation", t->op);
    json_set_int(note, "task", t->id);
    json_set_str(note, "step", t->step->name);
    json_set_int(note, "attempt", t->attempt);
    json_set_str(note, "restart_hash", host_str(t->host, "want.restart_hash"));
    json_set(note, "baseline", t->baseline ? json_copy(t->baseline) : cJSON_CreateNull());
    return note;
}

static cJSON *with_mirror(struct task *t, cJSON *body)
{
    json_set(body, "mirror", act_note(t));
    return body;
}

static enum step_rc apply(struct task *t, const char *what, cJSON *more, struct err *err)
{
    struct answer a;
    enum ask_rc rc = ask_apply(t, t->host, what, more, &a);

    return asked(t, rc, &a, err);
}

/* ---- config ---- */

static enum step_rc config_probe(struct task *t, struct err *err)
{
    (void)err;
    if (fact_bool(t, t->host, "configmap.current"))
        return STEP_YES;
    return not_yet(t, NULL, "the host's ConfigMap is not yet as wanted");
}

static enum step_rc config_act(struct task *t, struct err *err)
{
    return apply(t, "configmap", NULL, err);
}

/* ---- objects ---- */

static bool claims_exist(struct task *t)
{
    const cJSON *volumes = json_get(t->host->json, "volumes"), *have = json_get(host_facts(t, t->host), "pvcs"), *v, *p;

    cJSON_ArrayForEach(v, volumes) {
        bool found = false;

        cJSON_ArrayForEach(p, have)
            found = found ||
                    (str_eq(json_str(p, "name", NULL), json_str(v, "pvc", "")) && !json_bool(p, "terminating", false));
        if (!found)
            return false;
    }
    return true;
}

static enum step_rc objects_probe(struct task *t, struct err *err)
{
    (void)err;
    if (!fact_bool(t, t->host, "configmap.current"))
        return not_yet(t, NULL, "its ConfigMap is not there yet");
    if (!fact_bool(t, t->host, "service.exists"))
        return not_yet(t, NULL, "its Service is not there yet");
    if (!fact_bool(t, t->host, "sts.exists") || fact_int(t, t->host, "sts.replicas", 0) < 1)
        return not_yet(t, NULL, "its StatefulSet is not there yet");
    if (strcmp(fact_str(t, t->host, "sts.depth"), "immutable") == 0)
        return STEP_YES; /* exists in another shape: recreating it is another table's work */
    if (strcmp(fact_str(t, t->host, "sts.depth"), "same") != 0)
        return not_yet(t, NULL, "its StatefulSet is not yet as wanted");
    return claims_exist(t) ? STEP_YES : not_yet(t, NULL, "its volume claims are not there yet");
}

static enum step_rc objects_act(struct task *t, struct err *err)
{
    static const char *const first[] = {"configmap", "service", "pvcs"};
    enum step_rc rc[3], all = STEP_YES;
    cJSON *one;

    for (size_t i = 0; i < 3; i++)
        rc[i] = apply(t, first[i], NULL, err);
    for (size_t i = 0; i < 3; i++)
        if (rc[i] == STEP_WAIT || (all == STEP_YES && rc[i] != STEP_YES))
            all = rc[i];
    if (all != STEP_YES)
        return all;
    one = cJSON_CreateObject();
    json_set_int(one, "replicas", json_int(t->host->json, "want.replicas", 1));
    if (!fact_bool(t, t->host, "pod.exists")) /* nothing runs that another shape of the set could disturb */
        json_set_bool(one, "orphan", true);
    return apply(t, "statefulset", with_mirror(t, one), err);
}

/* ---- replace ---- */

static bool pod_is_wanted(struct task *t)
{
    return fact_bool(t, t->host, "sts.exists") && fact_bool(t, t->host, "sts.updated") &&
           strcmp(fact_str(t, t->host, "sts.depth"), "same") == 0 && fact_bool(t, t->host, "pod.exists") &&
           !fact_bool(t, t->host, "pod.terminating") && fact_bool(t, t->host, "pod.image_matches");
}

static enum step_rc replace_probe(struct task *t, struct err *err)
{
    bool again = t->baseline != NULL && *base_str(t, "pod_uid");

    (void)err;
    if (!pod_is_wanted(t))
        return not_yet(t, NULL, "the pod is not yet of the newest template");
    if (again && strcmp(fact_str(t, t->host, "pod.uid"), base_str(t, "pod_uid")) == 0)
        return not_yet(t, NULL, "the old pod is still there");
    if (!again && strcmp(t->table->name, "recreate") != 0 && strcmp(t->table->name, "keeper-recreate") != 0 &&
        !t->baseline)
        return not_yet(t, NULL, "a new pod is wanted");
    return STEP_YES;
}

/* The StatefulSet first; the pod goes by our own hand, with its UID, once the controller has seen the new template: it
 * never replaces a pod that is not Ready by itself, and a pod made before it saw the template would be the old one
 * again. */
static enum step_rc replace_act(struct task *t, struct err *err)
{
    cJSON *one = cJSON_CreateObject();
    struct answer a;
    enum step_rc rc;

    json_set_int(one, "replicas", json_int(t->host->json, "want.replicas", 1));
    rc = apply(t, "statefulset", with_mirror(t, one), err);
    if (rc != STEP_YES)
        return rc;
    if (!fact_bool(t, t->host, "sts.observed") || strcmp(fact_str(t, t->host, "sts.depth"), "same") != 0)
        return STEP_WAIT;
    if (!*base_str(t, "pod_uid"))
        return STEP_YES;
    return asked(t, ask_delete(t, t->host, "pod", NULL, base_str(t, "pod_uid"), false, &a), &a, err);
}

/* ---- orphan ---- */

static enum step_rc orphan_probe(struct task *t, struct err *err)
{
    (void)err;
    if (fact_bool(t, t->host, "sts.exists") && strcmp(fact_str(t, t->host, "sts.depth"), "immutable") != 0)
        return STEP_YES;
    return not_yet(t, NULL, "the StatefulSet cannot be edited to what is wanted");
}

static enum step_rc orphan_act(struct task *t, struct err *err)
{
    cJSON *one = cJSON_CreateObject();

    json_set_int(one, "replicas", json_int(t->host->json, "want.replicas", 1));
    json_set_bool(one, "orphan", true);
    return apply(t, "statefulset", with_mirror(t, one), err);
}

/* ---- grow ---- */

/* The volume has grown, its file system has not: the node does that, with some storage only when a new pod mounts it. In
 * other tables there will be one; here it is planned when waiting did not help. */
static bool node_has_its_time(struct task *t, const cJSON *claim)
{
    int64_t since = json_int(claim, "node_grows_since_ms", 0);

    return strcmp(t->table->name, "resize") == 0 && (int64_t)world_wall(t->w) < since + NODE_GROWS_MS;
}

static enum step_rc has_grown(struct task *t, const cJSON *v, const cJSON *claim)
{
    int64_t want = json_int(v, "size", 0), have = quantity_bytes(json_get(claim, "capacity"));
    const char *name = json_str(claim, "name", "");

    if (want == 0)
        return STEP_YES;
    if (quantity_bytes(json_get(claim, "requested")) < want)
        return not_yet(t, NULL, "claim %s does not ask for its new size yet", name);
    if (have >= want)
        return STEP_YES;
    if (json_int(claim, "node_grows_since_ms", 0) > 0)
        return node_has_its_time(t, claim)
                   ? not_yet(t, "WAIT_VOLUME", "claim %s: the volume has grown, its file system not yet", name)
                   : STEP_YES;
    return not_yet(t, "WAIT_VOLUME", "claim %s has %lld of %lld bytes%s%s", name, (long long)have, (long long)want,
                   *json_str(claim, "trouble", "") ? ": " : "", json_str(claim, "trouble", ""));
}

static enum step_rc has_attributes(struct task *t, const cJSON *v, const cJSON *claim, struct err *err)
{
    const char *want = json_str(v, "attributes", ""), *name = json_str(claim, "name", "");

    if (!*want)
        return STEP_YES;
    if (strcmp(json_str(claim, "attributes", ""), want) != 0)
        return not_yet(t, NULL, "claim %s does not ask for class %s yet", name, want);
    if (json_bool(claim, "attributes_refused", false))
        return step_failed(err, ERR_REFUSED,
                           "claim %s cannot have volumeAttributesClassName %s: the storage does not take it. Write the "
                           "one that it has",
                           name, want);
    return strcmp(json_str(claim, "attributes_now", ""), want) == 0
               ? STEP_YES
               : not_yet(t, "WAIT_VOLUME", "claim %s: the storage has not applied class %s yet", name, want);
}

static enum step_rc grow_probe(struct task *t, struct err *err)
{
    const cJSON *volumes = json_get(t->host->json, "volumes"), *have = json_get(host_facts(t, t->host), "pvcs"), *v, *p;

    cJSON_ArrayForEach(v, volumes)
        cJSON_ArrayForEach(p, have) {
            enum step_rc rc;

            if (!str_eq(json_str(p, "name", NULL), json_str(v, "pvc", "")))
                continue;
            rc = has_grown(t, v, p);
            if (rc == STEP_YES)
                rc = has_attributes(t, v, p, err);
            if (rc != STEP_YES)
                return rc;
        }
    return STEP_YES;
}

static enum step_rc grow_act(struct task *t, struct err *err)
{
    return apply(t, "pvcs", NULL, err);
}

/* ---- objects of the whole installation: bringing them to what is wanted is the probe and the act in one; the
 * supervisor writes only what differs. ---- */

static enum step_rc whole_probe(struct task *t, struct err *err)
{
    (void)err;
    return t->phase == PHASE_CHECK ? STEP_YES : not_yet(t, NULL, "not compared yet");
}

static enum step_rc shared_act(struct task *t, struct err *err)
{
    return apply(t, "shared", NULL, err);
}

static enum step_rc users_act(struct task *t, struct err *err)
{
    return apply(t, "users", NULL, err);
}

static enum step_rc common_act(struct task *t, struct err *err)
{
    return apply(t, "common", NULL, err);
}

static enum step_rc status_act(struct task *t, struct err *err)
{
    return apply(t, "status", NULL, err);
}

const struct step_fns step_objects_fns[] = {
    {.name = "config", .probe = config_probe, .act = config_act},
    {.name = "objects", .probe = objects_probe, .act = objects_act},
    {.name = "replace", .probe = replace_probe, .act = replace_act},
    {.name = "orphan", .probe = orphan_probe, .act = orphan_act},
    {.name = "grow", .probe = grow_probe, .act = grow_act},
    {.name = "shared", .probe = whole_probe, .act = shared_act},
    {.name = "users", .probe = whole_probe, .act = users_act},
    {.name = "common", .probe = whole_probe, .act = common_act},
    {.name = "status", .probe = whole_probe, .act = status_act},
    {.name = NULL},
};
