/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed of a host, told to the worker that deals with it. In a fleet of hundreds a pod that starts is ten events, and
 * facts are not cheap: they are made once for all that changes in one moment, sent only when they differ from what the worker
 * knows, and made a slice of time at a time, so that the lease is renewed and answers are read meanwhile.
 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "supervisor/internal.h"

enum { SOON_MS = 10, SLICE_MS = 20 };

/* False: it knows them already. */
static bool add_facts(cJSON *hosts, struct inst *in, struct hostrec *rec)
{
    auto_json cJSON *facts = hostfacts_make(in, in->fleet, rec->key);
    auto_free char *text = json_print(facts);
    uint64_t digest = hash_fnv64(text, strlen(text));

    rec->facts_due = false;
    if (rec->facts_sent == digest)
        return false;
    rec->facts_sent = digest;
    json_set(hosts, rec->key, facts);
    facts = NULL;
    return true;
}

void tell_now(struct wproc *wp)
{
    auto_json cJSON *j = NULL;
    struct task *t = wp->task;
    bool any = false;

    wp->facts_due = 0;
    if (!wp->chan || !t)
        return;
    j = cJSON_CreateObject();
    cJSON *hosts = json_set_obj(j, "hosts");
    for (size_t i = 0; i < t->n_hosts; i++) {
        struct hostrec *rec = inst_host_need(wp->inst, t->hosts[i]);

        if (rec->facts_due)
            any |= add_facts(hosts, wp->inst, rec);
    }
    if (any) {
        auto_free char *text = json_print(j);

        link_send(wp, MSG_FACTS, 0, text);
    }
}

void tell_begin(struct wproc *wp)
{
    struct task *t = wp->task;

    for (size_t i = 0; t && i < t->n_hosts; i++) {
        struct hostrec *rec = inst_host_need(wp->inst, t->hosts[i]);

        rec->facts_due = true;
        rec->facts_sent = 0;
    }
    tell_now(wp);
}

/* Whose turn it is: first come, first served. */
static struct wproc *next_due(struct super *s)
{
    struct wproc *first = NULL;

    for (struct wproc *wp = s->wprocs; wp; wp = wp->next)
        if (wp->facts_due && (!first || wp->facts_due < first->facts_due))
            first = wp;
    return first;
}

static void due(void *ctx)
{
    struct super *s = ctx;
    uint64_t until = world_mono(s->w) + SLICE_MS;
    struct wproc *wp;

    s->facts_timer = NULL;
    while ((wp = next_due(s))) {
        if (world_mono(s->w) > until) {
            s->facts_timer = world_timer(s->w, 1, due, s);
            return;
        }
        tell_now(wp);
    }
}

static void soon(struct wproc *wp, const char *host)
{
    struct super *s = wp->inst->s;

    inst_host_need(wp->inst, host)->facts_due = true;
    if (!wp->facts_due)
        wp->facts_due = ++s->facts_turn;
    if (!s->facts_timer)
        s->facts_timer = world_timer(s->w, SOON_MS, due, s);
}

static bool listens(const struct inst *in, const struct wproc *wp)
{
    return wp->inst == in && wp->chan && wp->task && !wp->membership;
}

void tell_host(struct inst *in, const char *host_key)
{
    for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
        for (size_t i = 0; listens(in, wp) && i < wp->task->n_hosts; i++)
            if (!host_key || strcmp(wp->task->hosts[i], host_key) == 0)
                soon(wp, wp->task->hosts[i]);
}

static bool is_pod_of(struct inst *in, const char *host, const char *pod)
{
    char sts[300];

    return hostfacts_sts(in, host, sts, sizeof sts) && str_starts(pod, sts) && strcmp(pod + strlen(sts), "-0") == 0;
}

void tell_pod(struct inst *in, const char *pod)
{
    for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
        for (size_t i = 0; listens(in, wp) && i < wp->task->n_hosts; i++)
            if (is_pod_of(in, wp->task->hosts[i], pod))
                soon(wp, wp->task->hosts[i]);
}
