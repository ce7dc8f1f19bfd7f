/* SPDX-License-Identifier: Apache-2.0 */
/* Keeper members: one at a time, the leader last, and never one whose absence would take the quorum. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "keeper/keeper.h"
#include "workers/protocol.h"
#include "workers/task.h"

/* mntr, or srvr where mntr is not allowed. STEP_NO: no answer, or one that is none. */
static enum step_rc member_state(struct task *t, const struct whost *h, struct keeper_state *out, struct err *err)
{
    struct answer a;
    enum ask_rc rc = ask_word(t, h, "mntr", &a);

    if (rc == ASK_WAIT)
        return STEP_WAIT;
    if (rc == ASK_GOOD && keeper_parse_mntr(a.text, out, err) == 0)
        return STEP_YES;
    if (rc == ASK_BAD)
        return not_yet(t, "WAIT_QUORUM", "%s: %s", h->key, a.err.msg);
    rc = ask_word(t, h, "srvr", &a);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    if (rc == ASK_GOOD && keeper_parse_srvr(a.text, out, err) == 0)
        return STEP_YES;
    return not_yet(t, "WAIT_QUORUM", "%s: %s", h->key, rc == ASK_BAD ? a.err.msg : err->msg);
}

struct ensemble {
    unsigned members, serving;
    const struct whost *leader;
    bool synced; /* the leader has all other members in sync (where it says so) */
};

/* Everybody is asked at once. A member that does not answer does not serve. */
static enum step_rc look_at_all(struct task *t, struct ensemble *e)
{
    bool waits = false;

    memset(e, 0, sizeof *e);
    for (size_t i = 0; i < t->n_hosts; i++) {
        struct keeper_state s = {0};
        struct err err = ERR_INIT;
        enum step_rc rc;

        if (!same_cluster(&t->hosts[i], t->host))
            continue;
        e->members++;
        rc = member_state(t, &t->hosts[i], &s, &err);
        waits = waits || rc == STEP_WAIT;
        if (rc != STEP_YES || !s.serving)
            continue;
        e->serving++;
        if (strcmp(s.role, "leader") != 0)
            continue;
        e->leader = &t->hosts[i];
        e->synced = s.synced_followers == 0 || s.synced_followers >= s.followers;
    }
    return waits ? STEP_WAIT : STEP_YES;
}

static bool others_wait(const struct task *t)
{
    for (size_t i = t->at + 1; i < t->n_own; i++) {
        const char *action = host_str(&t->hosts[t->order[i]], "action");

        if (strcmp(action, "none") != 0 && strcmp(action, "create") != 0)
            return true;
    }
    return false;
}

/* After this member is gone, those that serve and are in sync must still be a majority of all. */
enum step_rc guard_quorum(struct task *t, struct err *err)
{
    struct ensemble e;
    enum step_rc rc;
    struct keeper_state own = {0};

    t->polled = true;
    if (strcmp(t->kind, "chk") != 0)
        return STEP_YES;
    rc = look_at_all(t, &e);
    if (rc != STEP_YES)
        return rc;
    if (e.members <= 1 || json_bool(t->json, "deleting", false))
        return STEP_YES; /* an ensemble of one stops as a whole, by the owner's word */
    rc = member_state(t, t->host, &own, err);
    if (rc == STEP_WAIT)
        return rc;
    if (rc != STEP_YES || !own.serving)
        return STEP_YES; /* its absence takes nothing away */
    if (e.leader == t->host && others_wait(t))
        return STEP_DEFER;
    /* Two members are a majority only together: their ensemble pauses, which the plan warned of. */
    if (e.members > 2 && e.serving - 1 < e.members / 2 + 1)
        return not_yet(t, "WAIT_QUORUM", "%u of %u members serve: without this one the ensemble has no majority",
                       e.serving, e.members);
    if (!e.synced)
        return not_yet(t, "WAIT_QUORUM", "the leader does not have all its followers in sync");
    return STEP_YES;
}

static enum step_rc started_probe(struct task *t, struct err *err)
{
    struct answer a;
    enum ask_rc rc;

    (void)err;
    if (!host_runs(t, t->host))
        return not_yet(t, "WAIT_LOADING", "the pod is not Ready yet: %s %s", fact_str(t, t->host, "pod.waiting"),
                       fact_str(t, t->host, "pod.waiting_message"));
    rc = ask_word(t, t->host, "ruok", &a);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    if (rc == ASK_GOOD && strncmp(a.text, "imok", 4) == 0)
        return STEP_YES;
    return not_yet(t, "WAIT_LOADING", "the member does not answer: %s", rc == ASK_BAD ? a.err.msg : a.text);
}

/* The first members of a new ensemble cannot serve before the others exist: the last one waits for all. */
static bool is_founding(const struct task *t)
{
    return (strcmp(t->table->name, "keeper-create") == 0 || strcmp(t->table->name, "keeper-start") == 0) &&
           t->at + 1 < t->n_own;
}

/* The member itself serves (a role), and the ensemble as a whole is whole again. */
static enum step_rc synced_probe(struct task *t, struct err *err)
{
    struct keeper_state own = {0};
    struct ensemble e;
    enum step_rc rc = look_at_all(t, &e);

    if (rc != STEP_YES)
        return rc;
    if (is_founding(t) && e.serving < e.members / 2 + 1)
        return STEP_SKIP;
    rc = member_state(t, t->host, &own, err);
    if (rc != STEP_YES)
        return rc;
    if (!own.serving)
        return not_yet(t, "WAIT_QUORUM", "the member has not joined a quorum yet");
    if (e.members > 1 && (!e.leader || !e.synced))
        return not_yet(t, "WAIT_QUORUM",
                       e.leader ? "its leader does not have all followers in sync" : "the ensemble has no leader");
    return STEP_YES;
}

const struct step_fns step_keeper_fns[] = {
    {.name = "started", .kind = "chk", .probe = started_probe},
    {.name = "synced", .kind = "chk", .probe = synced_probe},
    {.name = NULL},
};
