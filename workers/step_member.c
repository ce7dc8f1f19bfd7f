/* SPDX-License-Identifier: Apache-2.0 */
/* Out of the balancer and of the peers' lists, done with its queries, and back in. */
#include <stdio.h>
#include <string.h>

#include "workers/protocol.h"
#include "workers/task.h"

static enum step_rc member(struct task *t, const char *want, struct err *err)
{
    cJSON *body = cJSON_CreateObject();
    struct answer a;
    enum ask_rc rc;

    json_set_str(body, "host", t->host->key);
    json_set_str(body, "want", want);
    rc = ask_msg(t, MSG_MEMBER, body, &a);
    return asked(t, rc, &a, err);
}

static enum step_rc leave_probe(struct task *t, struct err *err)
{
    (void)err;
    if (strcmp(fact_str(t, t->host, "member"), "out") != 0)
        return not_yet(t, "WAIT_PROPAGATION", "peers still list it in remote_servers");
    if (strcmp(fact_str(t, t->host, "pod.label"), "yes") == 0 || fact_bool(t, t->host, "in_endpoints"))
        return not_yet(t, "WAIT_PROPAGATION", "the balancer still sends to it");
    return STEP_YES;
}

static enum step_rc leave_act(struct task *t, struct err *err)
{
    return member(t, "out", err);
}

static enum step_rc join_probe(struct task *t, struct err *err)
{
    (void)err;
    if (strcmp(fact_str(t, t->host, "member"), "in") != 0)
        return not_yet(t, "WAIT_PROPAGATION", "not yet in its peers' remote_servers");
    if (strcmp(fact_str(t, t->host, "pod.label"), "yes") != 0)
        return not_yet(t, "WAIT_PROPAGATION", "not yet behind the balancer");
    return STEP_YES;
}

static enum step_rc join_act(struct task *t, struct err *err)
{
    return member(t, "in", err);
}

/* ---- drain ---- */

enum { QUIET_ROUNDS = 2, BALANCER_MS = 2000, KEPT_MS = 10000 };

/* Nodes take over a changed EndpointSlice within a second or so, and nobody can ask them: until then connections still
 * come to this host, and none to the one that joined before. The plane's balancer says itself when it has done so. */
static bool on_nodes(const struct task *t)
{
    return strcmp(host_str(t->host, "address"), "127.0.0.1") != 0;
}

static bool balancers_know(struct task *t)
{
    if (!on_nodes(t) || world_mono(t->w) - t->attempt_ms >= BALANCER_MS)
        return true;
    t->polled = true;
    return false;
}

/* The host ends by its owner's word, which a server that does not answer cannot hold up: what it holds is proven to be
 * elsewhere by later steps. */
static bool may_be_mute(const struct task *t)
{
    return strcmp(t->table->name, "remove") == 0 || strcmp(t->table->name, "stop") == 0;
}

/* Nothing of others runs, twice in a row: a client that kept its connection may send one more. An answer that does not
 * come is not a zero. Clients that go on and on over connections they have kept are not waited for, only what they sent
 * before: the server ends such a connection between two queries when it stops. */
static enum step_rc queries_over(struct task *t)
{
    uint64_t since_ms = world_mono(t->w) - t->attempt_ms;
    char seconds[24];
    const struct sql_arg args[] = {{"seconds", seconds}, {NULL, NULL}};
    struct answer a;
    int64_t n = 0;
    enum ask_rc rc;

    snprintf(seconds, sizeof seconds, "%llu", since_ms < KEPT_MS ? 0 : (unsigned long long)since_ms / 1000);
    rc = ask_number(t, t->host, "running", args, &n, &a);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    if (rc == ASK_BAD) {
        t->quiet = 0;
        if (may_be_mute(t) && since_ms >= MUTE_MS)
            return STEP_YES;
        return not_yet(t, "WAIT_DRAIN", "cannot count its queries: %s", a.err.msg);
    }
    if (n > 0) {
        t->quiet = 0;
        return not_yet(t, "WAIT_DRAIN", "%lld queries are still running", (long long)n);
    }
    return ++t->quiet >= QUIET_ROUNDS ? STEP_YES : not_yet(t, "WAIT_DRAIN", "no query runs; looking once more");
}

static enum step_rc drain_probe(struct task *t, struct err *err)
{
    bool waits = knob_bool(t, "wait_queries", true);

    (void)err;
    if (!waits && !on_nodes(t))
        return STEP_SKIP;
    if (!host_runs(t, t->host))
        return STEP_YES;
    if (t->phase == PHASE_PROBE)
        return not_yet(t, "WAIT_DRAIN", "its queries are not counted yet");
    if (!balancers_know(t))
        return not_yet(t, "WAIT_DRAIN", "nodes are taking it out of their balancing");
    return waits ? queries_over(t) : STEP_YES;
}

/* First the deadline is given to the queries; then they are told to end. */
static enum step_rc drain_act(struct task *t, struct err *err)
{
    struct answer a;

    if (t->tried < 2)
        return STEP_YES;
    return asked(t, ask_sql(t, t->host, "kill_running", NULL, &a), &a, err);
}

const struct step_fns step_member_fns[] = {
    {.name = "leave", .probe = leave_probe, .act = leave_act, .undo = join_act},
    {.name = "drain", .probe = drain_probe, .act = drain_act},
    {.name = "join", .probe = join_probe, .act = join_act},
    {.name = NULL},
};
