/* SPDX-License-Identifier: Apache-2.0 */
/* A host that goes: what it still has to send, its process, its entries in Keeper, its volumes and objects. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/step_remove.h"
#include "workers/task.h"

enum { FLUSH_MS = 600000, SETTLE_MS = 3000 };

/* ---- what it has in Keeper, while it can still say so ---- */

static void add_entry(cJSON *tables, const char *path, const char *replica)
{
    cJSON *one = cJSON_CreateObject();

    json_set_str(one, "path", path);
    json_set_str(one, "replica", replica);
    cJSON_AddItemToArray(tables, one);
}

/* Its own tables as `h` sees them; a sibling is asked with replica = the name the host has in the same paths. */
static enum step_rc entries_of(struct task *t, struct whost *h, const char *replica, cJSON *tables, struct err *err)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[12];
    enum step_rc rc = asked(t, ask_sql(t, h, "replicas", NULL, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 12) == 12)
        add_entry(tables, f[10], replica ? replica : f[11]);
    return STEP_YES;
}

static enum step_rc distributed_of(struct task *t, cJSON *list, struct err *err)
{
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[2];
    enum step_rc rc = asked(t, ask_sql(t, t->host, "distributed_tables", NULL, &a), &a, err);

    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    while (sql_next(&rows, &buf, f, 2) == 2) {
        cJSON *one = cJSON_CreateObject();

        json_set_str(one, "database", f[0]);
        json_set_str(one, "table", f[1]);
        cJSON_AddItemToArray(list, one);
    }
    return STEP_YES;
}

struct whost *serving_sibling(struct task *t)
{
    for (size_t i = 0; i < t->n_hosts; i++)
        if (&t->hosts[i] != t->host && same_shard(&t->hosts[i], t->host) && host_runs(t, &t->hosts[i]) &&
            strcmp(host_str(&t->hosts[i], "action"), "remove") != 0)
            return &t->hosts[i];
    return NULL;
}

static enum step_rc had_by_host(struct task *t, cJSON *out, struct err *err)
{
    cJSON *tables = json_set_arr(out, "tables"), *distributed = json_set_arr(out, "distributed");
    cJSON *databases = json_set_arr(out, "databases");
    struct whost *sibling;
    enum step_rc rc;

    if (host_runs(t, t->host)) {
        rc = entries_of(t, t->host, NULL, tables, err);
        if (rc == STEP_YES)
            rc = distributed_of(t, distributed, err);
        return rc == STEP_YES ? database_replicas(t, t->host, databases, err) : rc;
    }
    sibling = serving_sibling(t);
    if (!sibling || !*host_str(t->host, "macro_replica"))
        return STEP_YES;
    rc = entries_of(t, sibling, host_str(t->host, "macro_replica"), tables, err);
    return rc == STEP_YES ? database_replicas(t, sibling, databases, err) : rc;
}

/* A whole installation goes by its owner's word: a server that does not say what it has in Keeper cannot hold that up. */
static enum step_rc flush_baseline(struct task *t, cJSON *out, struct err *err)
{
    enum step_rc rc = had_by_host(t, out, err);

    if (rc != STEP_NO || !json_bool(t->json, "deleting", false) || world_mono(t->w) - t->attempt_ms < MUTE_MS)
        return rc;
    task_incident(t, t->host->key, "ENTRIES_LEFT",
                  "it did not say which replicated tables it has (%s): their entries stay in Keeper", t->why);
    return STEP_YES;
}

/* ---- flush ---- */

static enum step_rc flush_one(struct task *t, const struct sql_arg *table, struct err *err)
{
    static const struct ask_opts patient = {.timeout_ms = FLUSH_MS};
    struct answer a;
    enum ask_rc rc;

    if (t->host->version_of && sql_has("flush_distributed", &t->host->version))
        return asked(t, ask_sql_opts(t, t->host, "flush_distributed", table, &patient, &a), &a, err);
    rc = ask_sql(t, t->host, "distributed_reach", table, &a); /* a queue to a shard that is down does not empty */
    if (rc == ASK_BAD && a.err.kind != ERR_MISSING)
        return not_yet(t, "WAIT_DRAIN", "rows wait for a shard that cannot be reached: %s", a.err.msg);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    /* 18.16 shows its queues nowhere, but sends them at once when a table is attached: its back-off (up to 30 s) starts
     * over. */
    rc = ask_sql(t, t->host, "detach_table", table, &a);
    if (rc == ASK_WAIT || (rc == ASK_BAD && a.err.kind != ERR_MISSING))
        return asked(t, rc, &a, err);
    rc = ask_sql(t, t->host, "attach_table", table, &a);
    if (rc == ASK_BAD && a.err.sys == 57)
        return STEP_YES;
    return asked(t, rc, &a, err);
}

static enum step_rc flush_act(struct task *t, struct err *err)
{
    const cJSON *one;
    struct answer a;
    enum step_rc rc;

    if (!host_runs(t, t->host) || json_bool(t->json, "deleting", false))
        return STEP_YES;
    rc = asked(t, ask_version(t, t->host, &a), &a, err);
    if (rc != STEP_YES)
        return rc;
    cJSON_ArrayForEach(one, json_get(t->baseline, "distributed")) {
        const struct sql_arg table[] = {
            {"database", json_str(one, "database", "")}, {"table", json_str(one, "table", "")}, {NULL, NULL}};

        rc = flush_one(t, table, err);
        if (rc != STEP_YES)
            return rc;
    }
    return STEP_YES;
}

static enum step_rc queues_are_empty(struct task *t, struct err *err)
{
    struct answer a;
    int64_t n = 0;
    bool told = t->host->version_of && sql_has("distributed_queue", &t->host->version);
    enum step_rc rc;

    if (cJSON_GetArraySize(json_get(t->baseline, "distributed")) == 0)
        return STEP_YES;
    rc = asked(t, ask_number(t, t->host, told ? "distributed_queue" : "distributed_sending", NULL, &n, &a), &a, err);
    if (rc != STEP_YES)
        return rc;
    if (n > 0)
        t->settled_ms = 0;
    if (n > 0)
        return not_yet(t, "WAIT_DRAIN", "Distributed tables still send");
    if (told)
        return STEP_YES;
    if (!t->settled_ms)
        t->settled_ms = world_mono(t->w);
    if (world_mono(t->w) - t->settled_ms < SETTLE_MS)
        return not_yet(t, "WAIT_DRAIN", "Distributed tables send nothing; looking for %d s more", SETTLE_MS / 1000);
    return STEP_YES;
}

static enum step_rc flush_probe(struct task *t, struct err *err)
{
    enum step_rc rc;

    if (t->phase != PHASE_CHECK)
        return not_yet(t, "WAIT_DRAIN", "not flushed yet");
    if (json_bool(t->json, "deleting", false))
        return STEP_YES;
    if (!host_runs(t, t->host))
        return loss_is_covered(t) ? STEP_YES : data_unknown(t, err);
    rc = queues_are_empty(t, err);
    return rc == STEP_YES ? data_is_elsewhere(t, err) : rc;
}

/* ---- halt, delete-statefulset, delete-objects ---- */

static bool is_removal(const struct task *t)
{
    return strcmp(t->table->name, "remove") == 0 || strcmp(t->table->name, "keeper-remove") == 0;
}

static enum step_rc delete_sts_act(struct task *t, struct err *err)
{
    struct answer a;
    const char *uid = fact_str(t, t->host, "sts.uid");

    return asked(t, ask_delete(t, t->host, "statefulset", NULL, *uid ? uid : NULL, false, &a), &a, err);
}

static enum step_rc halt_probe(struct task *t, struct err *err)
{
    (void)err;
    if (fact_bool(t, t->host, "pod.exists"))
        return not_yet(t, NULL, "its pod is still there");
    if (fact_bool(t, t->host, "sts.exists") && fact_int(t, t->host, "sts.replicas", 1) != 0)
        return not_yet(t, NULL, "its StatefulSet still asks for a pod");
    return STEP_YES;
}

static enum step_rc halt_act(struct task *t, struct err *err)
{
    cJSON *more;
    struct answer a;

    if (!fact_bool(t, t->host, "sts.exists"))
        return STEP_YES;
    if (is_removal(t)) /* nothing is rendered any more for a host that the spec does not have: its set goes, and its pod
                          with it */
        return delete_sts_act(t, err);
    more = cJSON_CreateObject();
    json_set_int(more, "replicas", 0);
    return asked(t, ask_apply(t, t->host, "statefulset", more, &a), &a, err);
}

static enum step_rc delete_sts_probe(struct task *t, struct err *err)
{
    (void)err;
    return fact_bool(t, t->host, "sts.exists") ? not_yet(t, NULL, "its StatefulSet is still there") : STEP_YES;
}

static enum step_rc delete_objects_probe(struct task *t, struct err *err)
{
    (void)err;
    if (t->phase != PHASE_CHECK)
        return not_yet(t, NULL, "its Service and ConfigMap are not deleted yet");
    return fact_bool(t, t->host, "service.exists") ? not_yet(t, NULL, "its Service is still there") : STEP_YES;
}

static enum step_rc delete_objects_act(struct task *t, struct err *err)
{
    struct answer a;
    enum step_rc one = asked(t, ask_delete(t, t->host, "service", NULL, NULL, false, &a), &a, err);
    enum step_rc two =
        one == STEP_FAIL ? one : asked(t, ask_delete(t, t->host, "configmap", NULL, NULL, false, &a), &a, err);

    return one == STEP_YES ? two : one;
}

/* ---- volumes ---- */

typedef bool claim_fn(const cJSON *claim);

static bool not_kept(const cJSON *claim)
{
    return !json_bool(claim, "retain", true); /* what is not known to be ours to delete stays */
}

static bool may_go(const cJSON *claim, const char *mark)
{
    return json_bool(claim, mark, false) && not_kept(claim);
}

/* Lost, or given up by the owner because it is where its host cannot be any more. */
static bool lost(const cJSON *claim)
{
    return str_eq(json_str(claim, "phase", NULL), "Lost") || may_go(claim, "given_up");
}

static bool goes(const cJSON *claim)
{
    return may_go(claim, "goes");
}

static bool unused(const cJSON *claim)
{
    return may_go(claim, "unused");
}

static enum step_rc claims_gone(struct task *t, claim_fn *which)
{
    const cJSON *claim;

    cJSON_ArrayForEach(claim, json_get(host_facts(t, t->host), "pvcs"))
        if (which(claim))
            return not_yet(t, NULL, "claim %s is still there", json_str(claim, "name", ""));
    return STEP_YES;
}

static enum step_rc delete_claims(struct task *t, claim_fn *which, struct err *err)
{
    const cJSON *claim;
    enum step_rc all = STEP_YES;

    cJSON_ArrayForEach(claim, json_get(host_facts(t, t->host), "pvcs")) {
        struct answer a;
        enum step_rc rc;

        if (!which(claim) || json_bool(claim, "terminating", false))
            continue;
        rc =
            asked(t, ask_delete(t, t->host, "pvc", json_str(claim, "name", ""), json_str(claim, "uid", NULL), true, &a),
                  &a, err);
        if (rc == STEP_FAIL)
            return rc;
        if (rc == STEP_WAIT || all == STEP_YES)
            all = rc;
    }
    return all;
}

static enum step_rc volumes_probe(struct task *t, struct err *err)
{
    (void)err;
    return claims_gone(t, not_kept);
}

static enum step_rc volumes_act(struct task *t, struct err *err)
{
    return delete_claims(t, not_kept, err);
}

static enum step_rc lost_volumes_probe(struct task *t, struct err *err)
{
    (void)err;
    return claims_gone(t, lost);
}

static enum step_rc lost_volumes_act(struct task *t, struct err *err)
{
    return delete_claims(t, lost, err);
}

/* Of a new host that did not start: an owner's word is needed, whatever the policies say. */
static enum step_rc failed_volumes_probe(struct task *t, struct err *err)
{
    (void)err;
    if (!knob_bool(t, "failed_pvc_goes", false) || !consent_covers(t, t->host))
        return STEP_SKIP;
    return claims_gone(t, not_kept);
}

static enum step_rc old_volumes_probe(struct task *t, struct err *err)
{
    (void)err;
    return claims_gone(t, goes);
}

static enum step_rc old_volumes_act(struct task *t, struct err *err)
{
    return delete_claims(t, goes, err);
}

static enum step_rc unused_volumes_probe(struct task *t, struct err *err)
{
    (void)err;
    return claims_gone(t, unused);
}

static enum step_rc unused_volumes_act(struct task *t, struct err *err)
{
    return delete_claims(t, unused, err);
}

const struct step_fns step_remove_fns[] = {
    {.name = "flush", .probe = flush_probe, .act = flush_act, .baseline = flush_baseline},
    {.name = "halt", .probe = halt_probe, .act = halt_act},
    {.name = "drop-replica", .probe = drop_replica_probe, .act = drop_replica_act},
    {.name = "forget", .probe = forget_probe, .act = forget_act},
    {.name = "delete-statefulset", .probe = delete_sts_probe, .act = delete_sts_act},
    {.name = "volumes", .probe = volumes_probe, .act = volumes_act},
    {.name = "failed-volumes", .probe = failed_volumes_probe, .act = volumes_act},
    {.name = "lost-volumes", .probe = lost_volumes_probe, .act = lost_volumes_act},
    {.name = "old-volumes", .probe = old_volumes_probe, .act = old_volumes_act},
    {.name = "unused-volumes", .probe = unused_volumes_probe, .act = unused_volumes_act},
    {.name = "delete-objects", .probe = delete_objects_probe, .act = delete_objects_act},
    {.name = NULL},
};
