/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows a failure, where reconcile.statefulSet.{update,create}.onFailure ask for it. A changed host gets the
 * StatefulSet back that it had; a new one is scaled to 0. Nothing here deletes a StatefulSet.
 */
#include <string.h>

#include "workers/protocol.h"
#include "workers/task.h"

static enum step_rc apply(struct task *t, const char *what, cJSON *more, struct err *err)
{
    struct answer a;

    return asked(t, ask_apply(t, t->host, what, more, &a), &a, err);
}

/* Why this table was begun at all: the next worker has only this. */
static enum step_rc why_baseline(struct task *t, cJSON *out, struct err *err)
{
    (void)err;
    json_set_str(out, "why", t->aftermath);
    return STEP_YES;
}

/* ---- when ---- */

bool is_aftermath(const struct step_table *table)
{
    return strcmp(table->name, "rollback") == 0 || strcmp(table->name, "take-back") == 0;
}

/* What the knobs ask for when this step fails; NULL: nothing. */
static const char *asked_for(const struct task *t, bool create)
{
    static const char *const steps[] = {"objects", "orphan", "replace", "started", "loaded", NULL};
    const char *name = json_str(json_get(t->json, "knobs"), create ? "after_failed_create" : "after_failed_update", "");
    bool known = false;

    for (size_t i = 0; steps[i]; i++)
        known |= strcmp(t->step->name, steps[i]) == 0;
    return known && *name && t->host && !is_aftermath(t->table) && strcmp(t->kind, "chi") == 0 ? name : NULL;
}

const char *aftermath_refused(struct task *t)
{
    bool create = strcmp(t->table->name, "create") == 0;

    if (create || !asked_for(t, create) || fact_bool(t, t->host, "sts.previous"))
        return "";
    return "; onFailure: rollback does not reach this change, which is not one of the pod template: apply the spec of before";
}

const char *aftermath_table(struct task *t)
{
    bool create = strcmp(t->table->name, "create") == 0;
    const char *name = asked_for(t, create);

    if (!name)
        return NULL;
    if (create)
        return t->acted || strcmp(t->step->name, "objects") != 0 ? name : NULL;
    return fact_bool(t, t->host, "sts.previous") ? name : NULL;
}

/* ---- restore ---- */

static enum step_rc restore_probe(struct task *t, struct err *err)
{
    if (!fact_bool(t, t->host, "sts.previous"))
        return step_failed(err, ERR_REFUSED, "what its StatefulSet was before is not known any more");
    if (!t->baseline || !fact_bool(t, t->host, "sts.restored"))
        return not_yet(t, NULL, "its StatefulSet is not yet as before");
    if (!fact_bool(t, t->host, "sts.observed") || !fact_bool(t, t->host, "sts.updated") ||
        !fact_bool(t, t->host, "pod.exists") || fact_bool(t, t->host, "pod.terminating"))
        return not_yet(t, NULL, "its pod is not yet as before");
    return STEP_YES;
}

/* A pod of the failed template goes by our own hand: the controller never replaces one that is not Ready. */
static enum step_rc restore_act(struct task *t, struct err *err)
{
    cJSON *files = cJSON_CreateObject(), *set = cJSON_CreateObject();
    struct answer a;
    enum step_rc rc;

    json_set_bool(files, "held_back", true);
    rc = apply(t, "configmap", files, err);
    if (rc != STEP_YES) {
        cJSON_Delete(set);
        return rc;
    }
    json_set_bool(set, "restore", true);
    rc = apply(t, "statefulset", set, err);
    if (rc != STEP_YES)
        return rc;
    if (!fact_bool(t, t->host, "sts.observed") || !fact_bool(t, t->host, "sts.restored"))
        return STEP_WAIT;
    if (!*base_str(t, "pod_uid") || fact_bool(t, t->host, "sts.updated"))
        return STEP_YES;
    return asked(t, ask_delete(t, t->host, "pod", NULL, base_str(t, "pod_uid"), false, &a), &a, err);
}

/* ---- noted ---- */

static enum step_rc noted_probe(struct task *t, struct err *err)
{
    const char *identity = fact_str(t, t->host, "pod.identity");

    (void)err;
    if (*identity && strcmp(fact_str(t, t->host, "loaded.identity"), identity) == 0)
        return STEP_YES;
    return not_yet(t, "WAIT_LOADING", "not written down yet what the process has loaded");
}

static enum step_rc noted_act(struct task *t, struct err *err)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[2] = {"", ""};
    enum step_rc rc;

    if (!host_runs(t, t->host))
        return not_yet(t, "WAIT_LOADING", "the server does not run");
    rc = asked(t, ask_version(t, t->host, &a), &a, err);
    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    sql_next(&rows, &buf, f, 2);
    return write_loaded(t, f[0], fact_str(t, t->host, "configmap.live_hash"), err);
}

/* ---- park and what may go with it ---- */

static enum step_rc park_probe(struct task *t, struct err *err)
{
    (void)err;
    if (!t->baseline)
        return not_yet(t, NULL, "it is still asked for a pod");
    if (fact_bool(t, t->host, "sts.exists") && fact_int(t, t->host, "sts.replicas", 1) != 0)
        return not_yet(t, NULL, "its StatefulSet still asks for a pod");
    return fact_bool(t, t->host, "pod.exists") ? not_yet(t, NULL, "its pod is still there") : STEP_YES;
}

static enum step_rc park_act(struct task *t, struct err *err)
{
    cJSON *set = cJSON_CreateObject();

    json_set_int(set, "replicas", 0);
    json_set_bool(set, "gave_up", true);
    return apply(t, "statefulset", set, err);
}

static enum step_rc failed_objects_probe(struct task *t, struct err *err)
{
    (void)err;
    if (!knob_bool(t, "failed_service_goes", false) && !knob_bool(t, "failed_configmap_goes", false))
        return STEP_SKIP;
    return t->phase == PHASE_CHECK ? STEP_YES : not_yet(t, NULL, "not deleted yet");
}

static enum step_rc failed_objects_act(struct task *t, struct err *err)
{
    struct answer a;
    enum step_rc one = STEP_YES, two = STEP_YES;

    if (knob_bool(t, "failed_service_goes", false))
        one = asked(t, ask_delete(t, t->host, "service", NULL, NULL, false, &a), &a, err);
    if (one != STEP_FAIL && knob_bool(t, "failed_configmap_goes", false))
        two = asked(t, ask_delete(t, t->host, "configmap", NULL, NULL, false, &a), &a, err);
    return one == STEP_YES ? two : one;
}

const struct step_fns step_after_fns[] = {
    {.name = "restore", .probe = restore_probe, .act = restore_act, .baseline = why_baseline},
    {.name = "noted", .probe = noted_probe, .act = noted_act},
    {.name = "park", .probe = park_probe, .act = park_act, .baseline = why_baseline},
    {.name = "failed-objects", .probe = failed_objects_probe, .act = failed_objects_act},
    {.name = NULL},
};
