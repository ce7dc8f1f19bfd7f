/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/leader.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { EVERY_MS = 3000 };

struct leader {
    struct world *w;
    struct kube *k;
    char *ns, *identity;
    bool leads;
    struct world_timer *timer;
    struct kube_call *call;
};

static void look(void *ctx);

static void answered(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct leader *l = ctx;
    bool leads = obj && !err && strcmp(json_str(obj, "spec.holderIdentity", ""), l->identity) == 0;

    l->call = NULL;
    l->timer = world_timer(l->w, EVERY_MS, look, l);
    if (err && status != 404) {
        log_warn(NULL, "Lease: %s", err->msg);
        return; /* no answer is no news */
    }
    if (leads != l->leads)
        log_note(NULL, leads ? "the operator of this pod leads: hosts are shown" : "another operator leads: hosts are shown there");
    l->leads = leads;
}

static void look(void *ctx)
{
    struct leader *l = ctx;

    l->timer = NULL;
    l->call = kube_get(l->k, KUBE_LEASE, l->ns, "chfleet-leader", answered, l);
}

struct leader *leader_new(struct world *w, struct kube *k, const char *ns, const char *identity)
{
    struct leader *l = mem_zero(sizeof *l);

    l->w = w;
    l->k = k;
    l->ns = mem_str(ns);
    l->identity = mem_str(identity);
    l->timer = world_timer(w, 0, look, l);
    return l;
}

void leader_free(struct leader *l)
{
    if (!l)
        return;
    world_timer_stop(l->w, &l->timer);
    if (l->call)
        kube_cancel(l->call);
    free(l->ns);
    free(l->identity);
    free(l);
}

bool leader_leads(const struct leader *l)
{
    return l->leads;
}
