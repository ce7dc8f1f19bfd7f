/* SPDX-License-Identifier: Apache-2.0 */
/* PodDisruptionBudgets: the numbers in their status. The plane itself evicts nothing. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/ctl.h"

struct ctl_pdb {
    struct plane *p;
    struct store *s;
    struct ctl_queue *q;
    struct store_sub *pdbs, *pods, *sets;
};

struct tally {
    struct ctl_pdb *c;
    const cJSON *pdb;
    int64_t pods, healthy, expected;
    char **owners; /* StatefulSets seen */
    size_t n_owners;
};

static void count_owner(struct tally *t, const cJSON *pod)
{
    const cJSON *owner = store_controller_of(pod), *sts;
    const char *name = json_str(owner, "name", "");

    if (!owner || strcmp(json_str(owner, "kind", ""), "StatefulSet") != 0) {
        t->expected++;
        return;
    }
    for (size_t i = 0; i < t->n_owners; i++)
        if (strcmp(t->owners[i], name) == 0)
            return;
    t->owners = mem_grow(t->owners, t->n_owners + 1, sizeof *t->owners);
    t->owners[t->n_owners++] = mem_str(name);
    sts = store_get(t->c->s, PK_STS, json_ns(pod), name);
    t->expected += sts ? json_int(sts, "spec.replicas", 1) : 1;
}

static int count_pod(void *ctx, const cJSON *pod)
{
    struct tally *t = ctx;

    if (!store_selector_matches(json_at(t->pdb, "spec.selector"), json_at(pod, "metadata.labels")) || ctl_pod_over(pod))
        return 0;
    t->pods++;
    t->healthy += ctl_pod_ready(pod) && !ctl_deleting(pod);
    count_owner(t, pod);
    return 0;
}

/* A number, or a percentage of `of`, rounded up. */
static int64_t scaled(const cJSON *v, int64_t of)
{
    if (cJSON_IsString(v) && str_ends(v->valuestring, "%"))
        return (int64_t)ceil(strtod(v->valuestring, NULL) * (double)of / 100.0);
    return cJSON_IsNumber(v) ? (int64_t)v->valuedouble : cJSON_IsString(v) ? atoll(v->valuestring) : 0;
}

static cJSON *condition(struct ctl_pdb *c, const cJSON *pdb, bool allowed)
{
    const cJSON *old = ctl_condition(pdb, "DisruptionAllowed");
    cJSON *cond = cJSON_CreateObject();
    const char *status = allowed ? "True" : "False";
    char now[32];

    json_set_str(cond, "type", "DisruptionAllowed");
    json_set_str(cond, "status", status);
    json_set_int(cond, "observedGeneration", json_int(pdb, "metadata.generation", 0));
    json_set_str(cond, "reason", allowed ? "SufficientPods" : "InsufficientPods");
    json_set_str(cond, "message", "");
    json_set_str(cond, "lastTransitionTime",
                 str_eq(json_str(old, "status", NULL), status) ? json_str(old, "lastTransitionTime", "")
                                                               : store_now(c->s, now));
    return cond;
}

static void sync_pdb(void *ctx, const char *ns, const char *name)
{
    struct ctl_pdb *c = ctx;
    const cJSON *pdb = store_get(c->s, PK_PDB, ns, name), *max;
    struct tally t = {.c = c, .pdb = pdb};
    int64_t desired, allowed;
    cJSON *st;

    if (!pdb || ctl_deleting(pdb))
        return;
    store_each(c->s, PK_POD, ns, NULL, count_pod, &t);
    max = json_at(pdb, "spec.maxUnavailable");
    if (!max)
        t.expected = t.pods;
    desired = max ? t.expected - scaled(max, t.expected) : scaled(json_at(pdb, "spec.minAvailable"), t.expected);
    desired = desired < 0 ? 0 : desired;
    allowed = t.expected > 0 && t.healthy > desired ? t.healthy - desired : 0;
    st = cJSON_CreateObject();
    json_set_int(st, "observedGeneration", json_int(pdb, "metadata.generation", 0));
    json_set_int(st, "currentHealthy", t.healthy);
    json_set_int(st, "desiredHealthy", desired);
    json_set_int(st, "disruptionsAllowed", allowed);
    json_set_int(st, "expectedPods", t.expected);
    cJSON_AddItemToArray(json_set_arr(st, "conditions"), condition(c, pdb, allowed > 0));
    ctl_write_status(c->s, PK_PDB, pdb, st);
    for (size_t i = 0; i < t.n_owners; i++)
        free(t.owners[i]);
    free(t.owners);
}

static int enqueue(void *ctx, const cJSON *pdb)
{
    struct ctl_pdb *c = ctx;

    ctl_queue_add(c->q, json_ns(pdb), json_name(pdb), 20); /* many pods often change together */
    return 0;
}

static void on_pdb(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    (void)old;
    if (obj && what != STORE_GONE)
        enqueue(ctx, obj);
}

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_pdb *c = ctx;

    if (!obj || (what == STORE_CHANGED && old && ctl_pod_ready(old) == ctl_pod_ready(obj) &&
                 ctl_deleting(old) == ctl_deleting(obj) &&
                 json_same(json_at(old, "metadata.labels"), json_at(obj, "metadata.labels"))))
        return;
    store_each(c->s, PK_PDB, json_ns(obj), NULL, enqueue, c);
}

static void on_set(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_pdb *c = ctx;

    (void)what;
    if (obj && (!old || json_int(old, "spec.replicas", 1) != json_int(obj, "spec.replicas", 1)))
        store_each(c->s, PK_PDB, json_ns(obj), NULL, enqueue, c);
}

struct ctl_pdb *ctl_pdb_new(struct plane *p)
{
    struct ctl_pdb *c = mem_zero(sizeof *c);

    c->p = p;
    c->s = p->store;
    c->q = ctl_queue_new(p->w, sync_pdb, c);
    c->pdbs = store_subscribe(c->s, PK_PDB, on_pdb, c);
    c->pods = store_subscribe(c->s, PK_POD, on_pod, c);
    c->sets = store_subscribe(c->s, PK_STS, on_set, c);
    return c;
}

void ctl_pdb_free(struct ctl_pdb *c)
{
    if (!c)
        return;
    store_unsubscribe(c->pdbs);
    store_unsubscribe(c->pods);
    store_unsubscribe(c->sets);
    ctl_queue_free(c->q);
    free(c);
}
