/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in remote_servers. One write of the common ConfigMap carries the list and its generation; each serving peer is
 * nudged with a reload and asked which generation it has loaded. A peer that does not say so in time becomes an
 * incident and is named in the answer: it blocks nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/protocol.h"
#include "workers/task.h"

#define MEMBERSHIP_MACRO "chfleet_membership"

static int64_t wanted_generation(const struct task *t)
{
    return json_int(t->json, "membership.generation", 0);
}

/* A list that has lost a shard would misplace inserts: refused here whatever the supervisor thinks. */
static enum step_rc every_shard_is_listed(struct task *t, struct err *err)
{
    const cJSON *listed = json_at(t->json, "membership.listed");

    for (size_t i = 0; i < t->n_hosts; i++) {
        bool found = json_has(listed, t->hosts[i].key);

        if (found || !json_bool(t->hosts[i].json, "member", false))
            continue;
        for (size_t k = 0; k < t->n_hosts && !found; k++)
            found = same_shard(&t->hosts[i], &t->hosts[k]) && json_has(listed, t->hosts[k].key);
        if (!found)
            return step_failed(
                err, ERR_REFUSED,
                "shard %s of cluster %s would vanish from remote_servers; one of its hosts must stay listed",
                host_str(&t->hosts[i], "shard"), host_str(&t->hosts[i], "cluster"));
    }
    return STEP_YES;
}

static enum step_rc publish_probe(struct task *t, struct err *err)
{
    (void)err;
    return t->phase == PHASE_CHECK ? STEP_YES : not_yet(t, NULL, "not written yet");
}

static enum step_rc publish_act(struct task *t, struct err *err)
{
    cJSON *more;
    struct answer a;
    enum step_rc rc = every_shard_is_listed(t, err);

    if (rc != STEP_YES)
        return rc;
    more = cJSON_CreateObject();
    json_set_int(more, "generation", wanted_generation(t));
    json_set(more, "listed", json_copy(json_at(t->json, "membership.listed")));
    return asked(t, ask_apply(t, NULL, "common", more, &a), &a, err);
}

/* ---- confirm ---- */

static int64_t loaded_generation(const struct answer *a)
{
    struct sql_rows rows = answer_rows(a);
    auto_str struct str buf = STR_INIT;
    const char *f[2];

    while (sql_next(&rows, &buf, f, 2) == 2)
        if (strcmp(f[0], MEMBERSHIP_MACRO) == 0)
            return strtoll(f[1], NULL, 10);
    return -1;
}

/* The reload makes the server read its files now; its failure is not an answer. Where hosts have names, one that comes has
 * another address than before it left: what the server remembers goes before the list is read. */
static enum step_rc peer_loaded(struct task *t, struct whost *h)
{
    static const struct ask_opts quick = {.timeout_ms =
                                              3000}; /* one that hangs must not keep the others from being asked */
    struct answer a;
    enum ask_rc rc = ASK_GOOD;

    if (strcmp(host_str(h, "address"), "127.0.0.1") != 0)
        rc = ask_sql_opts(t, h, "drop_dns_cache", NULL, &quick, &a);
    if (rc != ASK_WAIT) /* a server that refuses to forget names can have loaded the list all the same */
        rc = ask_sql_opts(t, h, "reload_config", NULL, &quick, &a);
    if (rc == ASK_GOOD)
        rc = ask_sql_opts(t, h, "macros", NULL, &quick, &a);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    h->behind = rc == ASK_GOOD; /* until it answers otherwise */
    h->loaded = rc == ASK_GOOD ? loaded_generation(&a) : -1;
    if (rc == ASK_BAD)
        return not_yet(t, "WAIT_PROPAGATION", "%s: %s", h->key, a.err.msg);
    if (h->loaded >= wanted_generation(t))
        return STEP_YES;
    return not_yet(t, "WAIT_PROPAGATION", "%s has not loaded membership %lld yet", h->key,
                   (long long)wanted_generation(t));
}

static void late_again(struct task *t)
{
    cJSON_Delete(t->late);
    cJSON_Delete(t->behind);
    t->late = cJSON_CreateArray();
    t->behind = cJSON_CreateObject();
}

static void tell_late(struct task *t)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, t->late)
        task_incident(t, one->valuestring, "LATE_MEMBERSHIP",
                      "did not load membership %lld within %u s: it may send queries to hosts that left, or none to "
                      "hosts that came",
                      (long long)wanted_generation(t), (unsigned)knob_int(t, "propagation_s", 90));
}

/* Many peers are asked at the same time, each with a connection of its own; the late ones are named when the time is
 * over. */
enum { PEERS_AT_ONCE = 16 };

static enum step_rc confirm_probe(struct task *t, struct err *err)
{
    uint64_t limit_ms = (uint64_t)knob_int(t, "propagation_s", 90) * 1000;
    bool all = true, over = world_mono(t->w) - t->attempt_ms >= limit_ms;
    unsigned waits = 0;

    (void)err;
    if (t->phase == PHASE_PROBE)
        return not_yet(t, "WAIT_PROPAGATION", "peers are not asked yet"); /* a reload is an effect */
    late_again(t);
    for (size_t i = 0; i < t->n_hosts; i++) {
        enum step_rc rc;

        if (!host_runs(t, &t->hosts[i]) || t->hosts[i].over)
            continue;
        rc = waits < PEERS_AT_ONCE ? peer_loaded(t, &t->hosts[i]) : STEP_NO;
        waits += rc == STEP_WAIT;
        t->hosts[i].over = rc == STEP_YES; /* not asked again */
        if (rc == STEP_YES)
            continue;
        all = false;
        json_add_str(t->late, t->hosts[i].key);
        if (t->hosts[i].behind)
            json_set_int(t->behind, t->hosts[i].key, t->hosts[i].loaded);
    }
    if (!all && over) {
        tell_late(t);
        return STEP_YES;
    }
    if (waits)
        return STEP_WAIT;
    return all ? STEP_YES : STEP_NO;
}

const struct step_fns step_membership_fns[] = {
    {.name = "publish", .probe = publish_probe, .act = publish_act},
    {.name = "confirm", .probe = confirm_probe},
    {.name = NULL},
};
