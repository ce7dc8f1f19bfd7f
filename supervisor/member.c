/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in remote_servers and behind the Services. Workers ask for their host to be in or out; changes of one moment
 * are one new list with a generation, published by the membership worker. A host is "in" when all peers that answer
 * have loaded a list that has it, and its pod carries ready=yes; "out" when none of both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

enum { COALESCE_MS = 15, RETRY_MS = 1000, LATE_MS = 3000, LATE_TRIES = 2 };

static void publish(void *ctx);

/* ---- the list ---- */

/* Is any host of this host's shard wanted in (other than those out)? A shard never disappears from the list. */
static bool shard_has_member(struct inst *in, const char *key)
{
    size_t n = inst_shard_len(key);

    for (size_t i = 0; i < in->n_hosts; i++)
        if (in->hosts[i].want_in && strncmp(in->hosts[i].key, key, n) == 0)
            return true;
    return false;
}

static bool wanted_in_list(struct inst *in, struct hostrec *h)
{
    if (h->want_in)
        return true;
    /* The last of its shard stays listed while it is away: clients get a clear error from it instead of silent holes.
     */
    return h->listed && in->fleet && fleet_host(in->fleet, h->key) && !shard_has_member(in, h->key);
}

bool member_listed(void *ctx, const struct host *h)
{
    struct inst *in = ctx;
    struct hostrec *rec = inst_host(in, h->key);

    if (in->group == GROUP_CHK) /* the raft list: published with the member's own ConfigMap, one member at a time */
        return rec && rec->listed;
    return rec && rec->published;
}

/* reconcile.host.wait.{exclude,include}: a peer that says it has an older list keeps this host from being out (or in) for
 * good, however late it is. One that does not answer keeps nobody. */
static bool kept_by_peers(struct inst *in, const struct hostrec *rec, bool want_in)
{
    const struct host *h = in->fleet ? fleet_host(in->fleet, rec->key) : NULL;
    const struct cluster *c = h ? h->cluster : in->fleet && in->fleet->n_clusters ? &in->fleet->clusters[0] : NULL;
    const cJSON *peer;

    if (!in->behind || !c || !(want_in ? c->knobs.wait_include : c->knobs.wait_exclude) || rec->published != want_in)
        return false;
    cJSON_ArrayForEach(peer, in->behind)
        if (strcmp(peer->string, rec->key) != 0 && peer->valuedouble < (double)rec->published_since)
            return true;
    return false;
}

static bool any_kept(struct inst *in)
{
    for (struct wproc *wp = in->behind ? in->s->wprocs : NULL; wp; wp = wp->next)
        for (struct permit *p = wp->inst == in ? wp->permits : NULL; p; p = p->next) {
            const struct hostrec *rec = p->member ? inst_host(in, p->host) : NULL;

            if (rec && kept_by_peers(in, rec, p->want_in))
                return true;
        }
    return false;
}

enum member_state member_state(struct inst *in, const char *key)
{
    struct hostrec *h = inst_host(in, key);

    if (!h)
        return MEMBER_OUT;
    if (h->want_in)
        return h->listed && !kept_by_peers(in, h, true) ? MEMBER_IN : MEMBER_GOING_IN;
    if (in->fleet && in->fleet->deleting) /* nobody is left who would need a list */
        return MEMBER_OUT;
    if (!h->listed && kept_by_peers(in, h, false))
        return MEMBER_GOING_OUT;
    /* Not in the file is not out: peers may still have the list that a supervisor before us has replaced. */
    return h->listed && wanted_in_list(in, h) ? MEMBER_OUT
           : h->listed || in->member_unknown  ? MEMBER_GOING_OUT
                                              : MEMBER_OUT;
}

static void set_list(struct inst *in, char **list, size_t n, uint64_t generation)
{
    size_t known = in->n_hosts;
    bool *was = mem_array(known + 1, sizeof *was);

    for (size_t i = 0; i < in->n_member_list; i++)
        free(in->member_list[i]);
    free(in->member_list);
    in->member_list = list;
    in->n_member_list = n;
    for (size_t i = 0; i < known; i++) {
        was[i] = in->hosts[i].published;
        in->hosts[i].published = false;
    }
    for (size_t i = 0; i < n; i++)
        inst_host_need(in, list[i])->published = true;
    for (size_t i = 0; i < in->n_hosts; i++)
        if (i >= known || was[i] != in->hosts[i].published)
            in->hosts[i].published_since = generation;
    free(was);
}

/* The generation in the live file: a lost journal must not give a number that servers have loaded already. */
static uint64_t published_generation(struct inst *in)
{
    static const char tag[] = "<chfleet_membership>";
    auto_free char *name = mem_printf("chi-%s-common-configd", in->name);
    const cJSON *cm = inst_live(in, KUBE_CM, name);
    const cJSON *text = json_get(json_get(cm, "data"), "chfleet-membership.xml");
    const char *at = cJSON_IsString(text) ? strstr(text->valuestring, tag) : NULL;

    return at ? strtoull(at + sizeof tag - 1, NULL, 10) : 0;
}

/* At the start of an operation live objects say who is in. */
void member_init(struct inst *in, const struct facts *facts)
{
    char **list = mem_array(facts->n_hosts, sizeof *list);
    size_t n = 0;
    uint64_t known = published_generation(in);

    if (known > in->member_generation)
        in->member_generation = known;
    cJSON_Delete(in->behind);
    in->behind = NULL;
    for (size_t i = 0; i < facts->n_hosts; i++) {
        struct hostrec *h = inst_host_need(in, facts->hosts[i].key);

        h->listed = facts->hosts[i].listed;
        h->want_in = h->listed && facts->hosts[i].labelled_in;
        h->disrupted = false;
        if (h->listed)
            list[n++] = mem_str(h->key);
    }
    set_list(in, list, n, in->member_generation);
    for (size_t i = 0; i < in->n_hosts; i++)
        in->hosts[i].published_since = in->member_generation; /* at the latest */
}

/* ---- requests ---- */

static void labelled(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    (void)changed;
    in->pending--;
    if (err) {
        log_warn(in->key, "ready label: %s; trying again", err->msg);
        if (!in->member_timer)
            in->member_timer = world_timer(in->s->w, RETRY_MS, publish, in);
    }
    member_look(in);
}

static void set_ready(struct inst *in, const char *host, bool yes)
{
    auto_json cJSON *req = cJSON_CreateObject();

    json_set_str(req, "what", "ready");
    json_set_str(req, "host", host);
    json_set_str(req, "ready", yes ? "yes" : "no");
    in->pending++;
    apply_start(in, req, labelled, in);
}

void member_ask(struct wproc *wp, uint32_t seq, const cJSON *req)
{
    struct inst *in = wp->inst;
    struct permit *p = mem_zero(sizeof *p);
    struct hostrec *h = inst_host_need(in, json_str(req, "host", ""));

    governor_drop_waits(wp);
    *p = (struct permit){.wp = wp,
                         .seq = seq,
                         .host = mem_str(h->key),
                         .step = mem_str(""),
                         .klass = mem_str(""),
                         .member = true,
                         .want_in = strcmp(json_str(req, "want", "in"), "in") == 0,
                         .since_wall_ms = world_wall(in->s->w),
                         .next = wp->permits};
    wp->permits = p;
    h->want_in = p->want_in;
    /* Out: balancer and lists at once. In: the lists first, the balancer when they are loaded. */
    if (!p->want_in)
        set_ready(in, h->key, false);
    if (in->fleet->deleting) { /* nobody is left who would need a list */
        h->listed = p->want_in;
        tell_host(in, h->key); /* no list will be published that would tell the worker */
        member_look(in);
        return;
    }
    if (!in->member_timer)
        in->member_timer = world_timer(in->s->w, COALESCE_MS, publish, in);
}

static bool list_is_current(struct inst *in)
{
    size_t n = 0;

    if (in->member_unknown || in->member_late)
        return false;
    for (size_t i = 0; i < in->n_hosts; i++) {
        bool want = wanted_in_list(in, &in->hosts[i]);

        if (want != in->hosts[i].published)
            return false;
        n += want;
    }
    return n == in->n_member_list;
}

/* Lists are as asked for: the labels of those who wait for it follow, if that was cut off before. */
static void label_asked(struct inst *in)
{
    for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
        for (struct permit *p = wp->inst == in ? wp->permits : NULL; p; p = p->next) {
            struct hostrec *h = p->member ? inst_host(in, p->host) : NULL;

            if (h && h->want_in == p->want_in && (h->listed || !p->want_in))
                set_ready(in, h->key, p->want_in);
        }
}

static void publish(void *ctx)
{
    struct inst *in = ctx;
    struct err err = ERR_INIT;
    char **list;
    size_t n = 0;

    in->member_timer = NULL;
    if (in->member_running || in->state != INST_RUNNING || in->fleet->deleting)
        return;
    if (list_is_current(in)) {
        label_asked(in);
        member_look(in);
        return;
    }
    list = mem_array(in->n_hosts, sizeof *list);
    for (size_t i = 0; i < in->n_hosts; i++)
        if (wanted_in_list(in, &in->hosts[i]))
            list[n++] = mem_str(in->hosts[i].key);
    set_list(in, list, n, in->member_generation + 1);
    in->member_late = false;
    in->member_running = ++in->member_generation;
    if (in->member_wp) {
        link_send_task(in->member_wp);
    } else if (wproc_start(in, NULL, true, &err) < 0) {
        log_warn(in->key, "membership worker: %s; trying again", err.msg);
        member_worker_gone(in);
    }
}

/* A task goes on whose host may have left before we came: nobody asks for that again, and its list may not be
 * everywhere yet. */
void member_resume(struct inst *in)
{
    if (in->group == GROUP_CHI && in->member_unknown && !in->member_running && !in->member_timer)
        in->member_timer = world_timer(in->s->w, RETRY_MS, publish, in);
}

void member_worker_gone(struct inst *in)
{
    in->member_wp = NULL;
    in->member_running = 0;
    in->member_unknown = true; /* what the peers have loaded is not known: publish again */
    if (in->state == INST_RUNNING && !in->member_timer)
        in->member_timer = world_timer(in->s->w, 200, publish, in);
}

/* Some peers have not loaded the list in time. They block nobody, but are told once more: a new generation is a new
 * file, which also a server notices that missed a second change within one second. */
static void told_late(struct inst *in, const cJSON *said)
{
    const cJSON *late = json_get(said, "late"), *behind = json_get(said, "behind"), *l;
    bool told;

    cJSON_Delete(in->behind);
    in->behind = cJSON_GetArraySize(behind) ? json_copy(behind) : NULL;
    if (!late || cJSON_GetArraySize(late) == 0) {
        in->late_tries = 0;
        return;
    }
    if (in->late_tries++ < LATE_TRIES) {
        in->member_late = true;
        return;
    }
    in->member_late = any_kept(in); /* as long as it says that it has an older one */
    told = in->late_tries > LATE_TRIES + 1;
    if (!in->member_late)
        in->late_tries = 0;
    if (told)
        return;
    cJSON_ArrayForEach(l, late)
        super_incident(in->s, in, l->valuestring, "WAIT_PROPAGATION", "has not loaded list %llu in time; %s",
                       (unsigned long long)in->member_generation,
                       in->member_late && json_get(in->behind, l->valuestring) ? "it has an older one, and hosts wait for it"
                                                                               : "it blocks nobody");
}

bool member_to_be_told(const struct inst *in)
{
    return !in->fleet->deleting && (in->member_late || in->member_running || (in->member_unknown && in->member_timer));
}

void member_done(struct inst *in, bool ok, const cJSON *said)
{
    if (!ok) {
        in->member_running = 0;
        in->member_unknown = true;
        if (!in->member_timer)
            in->member_timer = world_timer(in->s->w, 1000, publish, in);
        return;
    }
    for (size_t i = 0; i < in->n_hosts; i++)
        in->hosts[i].listed = in->hosts[i].published;
    in->member_running = 0;
    in->member_unknown = false;
    told_late(in, said);
    for (size_t i = 0; i < in->n_hosts; i++)
        if (in->hosts[i].want_in && in->hosts[i].listed)
            set_ready(in, in->hosts[i].key, true);
    if (in->member_late && !in->member_timer)
        in->member_timer = world_timer(in->s->w, LATE_MS, publish, in);
    tell_host(in, NULL);
    member_look(in);
    if (!list_is_current(in) && !in->member_timer)
        in->member_timer = world_timer(in->s->w, COALESCE_MS, publish, in);
    op_run_ready_tasks(in);
}

/* ---- answers ---- */

static bool labelled_as(struct inst *in, const char *host, bool yes)
{
    char sts[300];
    const cJSON *pod;
    const char *label;

    if (!hostfacts_sts(in, host, sts, sizeof sts) || !(pod = hostfacts_pod(in, sts)))
        return !yes;
    label = json_label(pod, in->group == GROUP_CHI ? "clickhouse.altinity.com/ready"
                                                   : "clickhouse-keeper.altinity.com/ready");
    return label && (strcmp(label, "yes") == 0) == yes;
}

static bool balanced_as(struct inst *in, const char *host, bool yes)
{
    /* Without a Service that balances there is no slice to wait for; a pod that is not Ready is in none either. */
    return yes || !hostfacts_in_endpoints(in, host);
}

static bool satisfied(struct inst *in, const struct permit *p)
{
    struct hostrec *h = inst_host(in, p->host);

    if (!h || h->want_in != p->want_in || in->member_running || (in->member_unknown && !in->fleet->deleting) ||
        kept_by_peers(in, h, p->want_in))
        return false;
    if (p->want_in)
        return h->listed && labelled_as(in, p->host, true);
    return (!h->listed || wanted_in_list(in, h)) && labelled_as(in, p->host, false) && balanced_as(in, p->host, false);
}

static void answer(struct inst *in, struct permit *p)
{
    struct wproc *wp = p->wp;
    struct hostrec *h = inst_host(in, p->host);

    if (p->want_in && h)
        h->disrupted = false;
    link_answer(wp, p->seq, NULL, NULL);
    governor_drop_permit(wp, p);
    status_kick(in);
}

void member_look(struct inst *in)
{
    for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next) {
        if (wp->inst != in)
            continue;
        for (struct permit *p = wp->permits, *next; p; p = next) {
            next = p->next;
            if (p->member && satisfied(in, p))
                answer(in, p);
        }
    }
    /* Keeper has no such list: what a member knows of the others is in its own files. */
    if (in->group == GROUP_CHI && in->state == INST_RUNNING && !in->member_running && !in->member_timer &&
        !in->fleet->deleting && !list_is_current(in))
        in->member_timer = world_timer(in->s->w, COALESCE_MS, publish, in);
}
