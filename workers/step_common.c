/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/task.h"

/* ---- binding ---- */

const struct step_fns *step_fns_find(const char *name, const char *kind)
{
    static const struct step_fns *const all[] = {
        step_objects_fns, step_member_fns, step_process_fns, step_attach_fns, step_schema_fns,
        step_catchup_fns, step_remove_fns, step_keeper_fns,  step_membership_fns,
        step_after_fns,   step_hooks_fns,
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct step_fns *f = all[i]; f->name; f++)
            if (strcmp(f->name, name) == 0 && (!f->kind || strcmp(f->kind, kind) == 0))
                return f;
    return NULL;
}

/* ---- hosts and facts ---- */

const cJSON *host_facts(struct task *t, const struct whost *h)
{
    return worker_facts(t->worker, h->key);
}

const char *fact_str(struct task *t, const struct whost *h, const char *path)
{
    return json_str(host_facts(t, h), path, "");
}

bool fact_bool(struct task *t, const struct whost *h, const char *path)
{
    return json_bool(host_facts(t, h), path, false);
}

int64_t fact_int(struct task *t, const struct whost *h, const char *path, int64_t dflt)
{
    return json_int(host_facts(t, h), path, dflt);
}

const char *host_str(const struct whost *h, const char *path)
{
    return json_str(h->json, path, "");
}

/* The supervisor tells facts of the task's own hosts; of the others it says at the start whether they are members. That
 * is not proof that they answer: whoever needs that asks them. */
/* What reconcile.host.wait.probes asks for of the host at hand; others count when they are Ready. */
static bool probes_passed(struct task *t, const struct whost *h)
{
    if (fact_bool(t, h, "pod.ready"))
        return true;
    if (h != t->host || knob_bool(t, "probe_readiness", true))
        return false;
    return !knob_bool(t, "probe_startup", false) || fact_bool(t, h, "pod.started");
}

bool host_runs(struct task *t, const struct whost *h)
{
    if (!host_facts(t, h))
        return json_bool(h->json, "member", false);
    return probes_passed(t, h) && !fact_bool(t, h, "pod.terminating") && *fact_str(t, h, "pod.identity");
}

bool host_serves(struct task *t, const struct whost *h)
{
    return host_runs(t, h) &&
           (!host_facts(t, h) || (fact_bool(t, h, "pod.ready") && strcmp(fact_str(t, h, "member"), "in") == 0));
}

static bool same_field(const struct whost *a, const struct whost *b, const char *field)
{
    const cJSON *x = json_get(a->json, field), *y = json_get(b->json, field);

    return json_same(x, y);
}

bool same_cluster(const struct whost *a, const struct whost *b)
{
    return same_field(a, b, "cluster");
}

bool same_shard(const struct whost *a, const struct whost *b)
{
    return same_cluster(a, b) && same_field(a, b, "shard");
}

int64_t knob_int(const struct task *t, const char *name, int64_t dflt)
{
    return json_int(json_get(t->json, "knobs"), name, dflt);
}

bool knob_bool(const struct task *t, const char *name, bool dflt)
{
    return json_bool(json_get(t->json, "knobs"), name, dflt);
}

const cJSON *task_row(const struct task *t, const char *host, const char *step)
{
    const cJSON *row, *found = NULL;

    cJSON_ArrayForEach(row, t->rows)
        if (str_eq(json_str(row, "host", NULL), host) && str_eq(json_str(row, "step", NULL), step))
            found = row;
    return found;
}

const cJSON *row_baseline(const struct task *t, const char *host, const char *step)
{
    const cJSON *row, *found = NULL;

    cJSON_ArrayForEach(row, t->rows)
        if (str_eq(json_str(row, "host", NULL), host) && str_eq(json_str(row, "step", NULL), step) &&
            cJSON_IsObject(json_get(row, "baseline")))
            found = json_get(row, "baseline");
    return found;
}

const char *base_str(const struct task *t, const char *path)
{
    return json_str(t->baseline, path, "");
}

/* ---- saying ---- */

enum step_rc not_yet(struct task *t, const char *waiting, const char *fmt, ...)
{
    char text[sizeof t->why]; /* what is said may be made of what was said before */
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (strcmp(t->waiting, waiting ? waiting : "") != 0 || !*t->why)
        t->why_ms = world_wall(t->w);
    snprintf(t->waiting, sizeof t->waiting, "%s", waiting ? waiting : "");
    memcpy(t->why, text, sizeof text);
    return STEP_NO;
}

enum step_rc step_failed(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    char text[sizeof err->msg];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(err, kind, 0, "%s", text);
    return STEP_FAIL;
}

void task_incident(struct task *t, const char *host, const char *code, const char *fmt, ...)
{
    auto_json cJSON *body = cJSON_CreateObject();
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_set_str(body, "host", host);
    json_set_str(body, "code", code);
    json_set_str(body, "text", text);
    worker_send(t->worker, MSG_INCIDENT, body);
}

/* ---- consent ---- */

/* "0-1" or "cluster/0-1" for the host, "0" or "cluster/0" for its shard, in spec.chfleet.consent.dataLoss. */
bool consent_covers(const struct task *t, const struct whost *h)
{
    const cJSON *consent = json_get(t->json, "consent"), *list = json_get(consent, "dataLoss");
    const char *cluster = host_str(h, "cluster"), *shard = host_str(h, "shard"), *replica = host_str(h, "replica");
    auto_free char *host = mem_printf("%s-%s", shard, replica), *full = mem_printf("%s/%s", cluster, host);
    auto_free char *of_cluster = mem_printf("%s/%s", cluster, shard);
    const char *name = host_str(h, "name");

    if (json_bool(t->json, "deleting", false))
        return true; /* the resource itself goes: the owner's word */
    return json_has(list, host) || json_has(list, full) || json_has(list, shard) || json_has(list, of_cluster) ||
           (*name && json_has(list, name));
}

/* ---- guards ---- */

static enum step_rc peer_is_fit(struct task *t, struct whost *peer, char *why, size_t size)
{
    auto_free char *limit = mem_printf("%lld", (long long)knob_int(t, "replicas_delay_s", 10));
    const struct sql_arg args[] = {{"limit", limit}, {NULL, NULL}};
    struct answer a;
    int64_t behind = -1;
    enum ask_rc rc;

    if (!host_serves(t, peer)) {
        snprintf(why, size, "%s does not serve", peer->key);
        return STEP_NO;
    }
    rc = ask_number(t, peer, "behind", args, &behind, &a);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    if (rc == ASK_BAD) {
        snprintf(why, size, "%s: %.200s", peer->key, a.err.msg);
        return STEP_NO;
    }
    if (behind == 0)
        return STEP_YES;
    snprintf(why, size, "%s: %lld tables are read-only or behind", peer->key, (long long)behind);
    return STEP_NO;
}

/* Another replica of the shard answers, is not read-only, not behind, and is behind the balancer (or more than one, by
 * spec.chfleet.replicas.minServing). A shard of one replica has nobody to ask (the plan warned of that), and a host that
 * does not run takes nothing away. */
static enum step_rc guard_peer_serves(struct task *t)
{
    char why[300] = "";
    bool waits = false;
    int64_t others = 0, fit = 0, needed = knob_int(t, "min_serving", 1);

    if (!host_runs(t, t->host))
        return STEP_YES;
    for (size_t i = 0; i < t->n_hosts; i++) {
        struct whost *peer = &t->hosts[i];

        if (peer == t->host || !same_shard(peer, t->host) || strcmp(host_str(peer, "action"), "remove") == 0)
            continue;
        others++;
        switch (peer_is_fit(t, peer, why, sizeof why)) {
        case STEP_YES:
            fit++;
            break;
        case STEP_WAIT:
            waits = true;
            break;
        default:
            break;
        }
    }
    if (fit >= (others < needed ? others : needed))
        return STEP_YES;
    t->polled = true;
    if (waits)
        return STEP_WAIT;
    return fit ? not_yet(t, "WAIT_PEER", "%lld other replicas of the shard can take over, minServing asks for %lld: %s",
                         (long long)fit, (long long)needed, why)
               : not_yet(t, "WAIT_PEER", "no other replica of the shard can take over: %s", why);
}

/* Still the pod of the baseline; where the process is what is ended, still that process. When it is not, the probe says
 * whether that was what is wanted: an attempt that may have acted already must not take a new baseline. */
static enum step_rc guard_identity(struct task *t)
{
    bool of_process = strcmp(t->step->name, "shutdown") == 0;
    const char *now = fact_str(t, t->host, of_process ? "pod.identity" : "pod.uid");

    if (strcmp(now, base_str(t, of_process ? "identity" : "pod_uid")) == 0)
        return STEP_YES;
    return not_yet(t, NULL, "the server was restarted by somebody else meanwhile");
}

static enum step_rc guard_out(struct task *t)
{
    const char *member = fact_str(t, t->host, "member");

    if (!host_runs(t, t->host))
        return STEP_YES; /* nobody reaches it */
    if (strcmp(member, "out") != 0 && strcmp(member, "going-out") != 0)
        return STEP_BACK;
    if (strcmp(member, "out") != 0 || fact_bool(t, t->host, "in_endpoints"))
        return not_yet(t, "WAIT_PROPAGATION", "the balancer still sends to it");
    return STEP_YES;
}

enum step_rc guards_check(struct task *t, unsigned guards, struct err *err)
{
    enum step_rc rc = STEP_YES;

    if (guards & GUARD_IDENTITY)
        rc = guard_identity(t);
    if (rc == STEP_YES && (guards & GUARD_OUT))
        rc = guard_out(t);
    if (rc == STEP_YES && (guards & GUARD_QUORUM))
        rc = guard_quorum(t, err);
    if (rc == STEP_YES && (guards & GUARD_DATA_ELSEWHERE))
        rc = guard_data_elsewhere(t, err);
    if (rc == STEP_YES && (guards & GUARD_PEER_SERVES))
        rc = guard_peer_serves(t);
    return rc;
}
