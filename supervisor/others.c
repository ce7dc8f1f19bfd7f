/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else might act on an installation: Altinity's operator, and a chfleet of another namespace, which has another Lease.
 * The first is seen by its Deployment, the second by its name on the resource (annotation chfleet.io/operator), which is
 * written before anything else and only over the name of an operator whose Lease is dead. While somebody else may
 * act nothing is begun here, and what is under way goes to its safe point.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/others.h"
#include "supervisor/internal.h"

enum { LOOK_MS = 5000, SLACK_MS = 5000, DEFAULT_LEASE_S = 15 };

/* The Lease of another operator. */
struct foreign {
    struct super *s;
    char *ns, *version, *why; /* resourceVersion seen last; why it is not known to be dead */
    uint64_t seen_ms;         /* when it changed, for us */
    bool known, dead;
    struct world_timer *timer;
    struct foreign *next;
};

/* ---- Altinity's operator ---- */

struct search {
    const char *ns;
    const cJSON *found;
};

static int runs_here(void *ctx, const cJSON *obj)
{
    struct search *f = ctx;

    if (!others_is(obj) || !others_replicas(obj) || !others_acts_in(obj, f->ns))
        return 0;
    f->found = obj;
    return 1;
}

static void deployment_changed(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct super *s = ctx;

    if (what == KUBE_SYNCED)
        super_start_watches(s);
    else if (!(old && others_is(old)) && !others_is(obj))
        return;
    if (s->recovered)
        super_kick_all(s);
}

void others_watch(struct super *s)
{
    if (s->endpoints || !s->opt.look_for_others)
        return;
    s->deployments = super_watch(s, KUBE_DEPLOYMENT, NULL, others_compact, deployment_changed, s);
}

/* Nothing is acted on before this is known; without the right to look it never is. */
bool others_known(const struct super *s)
{
    const struct err *why = s->deployments ? kube_cache_problem(s->deployments) : NULL;

    return !s->deployments || kube_cache_synced(s->deployments) ||
           (why && (why->kind == ERR_REFUSED || why->kind == ERR_MISSING));
}

/* Was somebody else at this resource, and were we never? */
static bool is_foreign(const cJSON *res)
{
    return json_str(res, "status.chop-version", NULL) && !json_annotation(res, OPERATOR_NOTE) &&
           !json_at(res, "status.chfleet");
}

static char *altinity_says(const struct inst *in, const cJSON *res)
{
    const struct super *s = in->s;
    struct search f = {in->ns, NULL};

    if (!s->deployments)
        return NULL;
    if (kube_cache_synced(s->deployments)) {
        kube_cache_each(s->deployments, runs_here, &f);
        return f.found ? others_advice(f.found) : NULL;
    }
    if (kube_cache_problem(s->deployments)->kind == ERR_MISSING || !is_foreign(res))
        return NULL;
    return mem_printf("another operator made this installation, and whether it still runs cannot be seen: give the right to "
                      "list and watch deployments (deploy/rbac/rules.yaml): %s",
                      kube_cache_problem(s->deployments)->msg);
}

/* ---- chfleet in another namespace ---- */

static void foreign_look(void *ctx);

static void foreign_seen(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct foreign *f = ctx;
    uint64_t now = world_mono(f->s->w);
    int64_t limit_ms = json_int(obj, "spec.leaseDurationSeconds", DEFAULT_LEASE_S) * 1000 + SLACK_MS;
    bool was = f->dead;

    f->known = true;
    free(f->why);
    f->why = NULL;
    if (status == 404) {
        f->dead = true;
    } else if (err) { /* not known is not dead */
        f->dead = false;
        f->why = mem_str(err->msg);
    } else if (!*json_str(obj, "spec.holderIdentity", "")) {
        f->dead = true;
    } else if (!str_eq(f->version, json_rv(obj))) {
        free(f->version);
        f->version = mem_str(json_rv(obj));
        f->seen_ms = now;
        f->dead = false;
    } else {
        f->dead = now - f->seen_ms > (uint64_t)limit_ms;
    }
    if (f->dead != was)
        super_kick_all(f->s);
    f->timer = world_timer(f->s->w, LOOK_MS, foreign_look, f);
}

static void foreign_look(void *ctx)
{
    struct foreign *f = ctx;

    f->timer = NULL;
    kube_get(f->s->kube, KUBE_LEASE, f->ns, "chfleet-leader", foreign_seen, f);
}

/* Looked at as long as we live, once somebody has its name: there are few. */
static struct foreign *foreign_need(struct super *s, const char *ns)
{
    struct foreign *f;

    for (f = s->foreign; f; f = f->next)
        if (strcmp(f->ns, ns) == 0)
            return f;
    f = mem_zero(sizeof *f);
    *f = (struct foreign){.s = s, .ns = mem_str(ns), .next = s->foreign};
    s->foreign = f;
    foreign_look(f);
    return f;
}

static char *chfleet_says(const struct inst *in, const cJSON *res)
{
    const char *owner = json_annotation(res, OPERATOR_NOTE);
    struct foreign *f;

    if (!owner || !*owner || str_eq(owner, in->s->opt.lease_ns))
        return NULL;
    f = foreign_need(in->s, owner);
    if (f->dead)
        return NULL;
    if (f->why)
        return mem_printf("the chfleet of namespace %s takes care of it, and whether that one still lives cannot be seen (%s). If "
                          "it is gone: kubectl -n %s annotate %s %s " OPERATOR_NOTE "-",
                          owner, f->why, in->ns, in->group == GROUP_CHI ? "chi" : "chk", in->name);
    return mem_printf("the chfleet of namespace %s takes care of it (Lease %s/chfleet-leader): two must not act. Stop that one, or "
                      "let only one of them watch namespace %s",
                      owner, owner, in->ns);
}

/* ---- both ---- */

char *others_say(const struct inst *in, const cJSON *res, const char **code)
{
    char *text = chfleet_says(in, res);

    *code = text ? "CLAIMED" : "OTHER_OPERATOR";
    return text ? text : altinity_says(in, res);
}

/* Is our name to be written on it? */
bool others_needs_claim(const struct inst *in, const cJSON *res)
{
    return in->s->opt.lease_ns && !str_eq(json_annotation(res, OPERATOR_NOTE), in->s->opt.lease_ns);
}

void others_free(struct super *s)
{
    struct foreign *f, *next;

    for (f = s->foreign; f; f = next) {
        next = f->next;
        world_timer_stop(s->w, &f->timer);
        free(f->ns);
        free(f->version);
        free(f->why);
        free(f);
    }
}
