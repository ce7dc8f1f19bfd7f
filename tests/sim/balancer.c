/* SPDX-License-Identifier: Apache-2.0 */
/* The balancer behind Services, which does what it is told a moment later, and Keeper members' four-letter words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/kubelet_impl.h"

static struct lbsvc *service(struct kubelet *k, const char *ns, const char *name, bool make)
{
    struct lbsvc *s;

    for (s = k->services; s; s = s->next)
        if (strcmp(s->ns, ns) == 0 && strcmp(s->name, name) == 0)
            return s;
    if (!make)
        return NULL;
    s = mem_zero(sizeof *s);
    s->ns = mem_str(ns);
    s->name = mem_str(name);
    s->next = k->services;
    k->services = s;
    return s;
}

static void clear(struct lbmember *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].pod);
        free(v[i].uid);
    }
    free(v);
}

static unsigned lb_listen(void *ctx, const char *ns, const char *name, const char *port_name, unsigned want)
{
    struct kubelet *k = ctx;

    (void)ns;
    (void)name;
    (void)port_name;
    (void)want;
    return 40000 + k->next_port++ % 20000;
}

struct order {
    struct kubelet *k;
    char *ns, *name;
    uint64_t serial;
    struct lbmember *v;
    size_t n;
};

static void carry_out(void *ctx)
{
    struct order *o = ctx;
    struct lbsvc *s = service(o->k, o->ns, o->name, true);

    if (o->serial == s->serial) {
        clear(s->v, s->n);
        s->v = o->v;
        s->n = o->n;
        if (o->k->lb_changed)
            o->k->lb_changed(o->k->lb_ctx, o->ns, o->name);
    } else {
        clear(o->v, o->n);
    }
    free(o->ns);
    free(o->name);
    free(o);
}

static bool as_wanted(const struct lbsvc *s, const struct lb_service *want)
{
    if (s->n != want->n_members)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].uid, want->members[i].uid) != 0)
            return false;
    return true;
}

static void lb_apply(void *ctx, const struct lb_service *want)
{
    struct kubelet *k = ctx;
    struct lbsvc *s = service(k, want->ns, want->name, true);
    struct order *o;

    s->serial++;
    if (as_wanted(s, want))
        return;
    o = mem_zero(sizeof *o);
    *o = (struct order){k,
                        mem_str(want->ns),
                        mem_str(want->name),
                        s->serial,
                        mem_array(want->n_members, sizeof *o->v),
                        want->n_members};
    for (size_t i = 0; i < want->n_members; i++)
        o->v[i] =
            (struct lbmember){mem_printf("%s/%s", want->ns, want->members[i].name), mem_str(want->members[i].uid)};
    sim_after(k->s, 1 + sim_random(k->s) % (k->knobs.lb_max_ms + 1), carry_out, o);
}

static bool balances(struct kubelet *k, const char *ns, const char *name)
{
    const cJSON *svc = store_get(k->p->store, PK_SVC, ns, name);

    return svc && strcmp(json_str(svc, "spec.clusterIP", ""), "None") != 0;
}

struct ready_pods {
    const char *service;
    struct lb_member v[64];
    size_t n;
};

static int add_ready(void *ctx, const cJSON *slice)
{
    struct ready_pods *r = ctx;
    const cJSON *e;

    if (!str_eq(json_label(slice, "kubernetes.io/service-name"), r->service))
        return 0;
    cJSON_ArrayForEach(e, json_get(slice, "endpoints"))
        if (json_bool(e, "conditions.ready", false) && r->n < 64)
            r->v[r->n++] =
                (struct lb_member){.name = json_str(e, "targetRef.name", ""), .uid = json_str(e, "targetRef.uid", "")};
    return 0;
}

void kubelet_slice(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct kubelet *k = ctx;
    const char *name = obj ? json_label(obj, "kubernetes.io/service-name") : NULL;
    struct ready_pods r = {.service = name};
    struct lb_service want;

    (void)what;
    (void)old;
    if (!name || !balances(k, json_ns(obj), name))
        return;
    store_each(k->p->store, PK_EPSLICE, json_ns(obj), NULL, add_ready, &r);
    want = (struct lb_service){json_ns(obj), name, NULL, 0, r.v, r.n};
    lb_apply(k, &want);
}

static enum lb_state lb_state(void *ctx, const char *ns, const char *name, const char *uid)
{
    struct lbsvc *s = service(ctx, ns, name, false);

    for (size_t i = 0; s && i < s->n; i++)
        if (strcmp(s->v[i].uid, uid) == 0)
            return LB_IN;
    return LB_OUT;
}

static void lb_listener(void *ctx, void (*changed)(void *ctx, const char *ns, const char *name), void *changed_ctx)
{
    struct kubelet *k = ctx;

    k->lb_changed = changed;
    k->lb_ctx = changed_ctx;
}

const struct lb_ops kubelet_lb_ops = {lb_listen, lb_apply, lb_state, lb_listener};

void kubelet_lb_free(struct kubelet *k)
{
    while (k->services) {
        struct lbsvc *s = k->services;

        k->services = s->next;
        clear(s->v, s->n);
        free(s->ns);
        free(s->name);
        free(s);
    }
    while (k->counts) {
        struct count *c = k->counts;

        k->counts = c->next;
        free(c->pod);
        free(c);
    }
}

int kubelet_members(struct kubelet *k, const char *ns, const char *name, const char **pods, int max)
{
    struct lbsvc *s = service(k, ns, name, false);
    int n = 0;

    for (size_t i = 0; s && i < s->n && n < max; i++)
        pods[n++] = s->v[i].pod;
    return n;
}

bool kubelet_balanced(struct kubelet *k, const char *pod)
{
    for (struct lbsvc *s = k->services; s; s = s->next)
        for (size_t i = 0; i < s->n; i++)
            if (strcmp(s->v[i].pod, pod) == 0)
                return true;
    return false;
}

/* ---- counts ---- */

void kubelet_count(struct kubelet *k, const char *pod)
{
    struct count *c;

    for (c = k->counts; c; c = c->next)
        if (strcmp(c->pod, pod) == 0)
            break;
    if (!c) {
        c = mem_zero(sizeof *c);
        c->pod = mem_str(pod);
        c->next = k->counts;
        k->counts = c;
    }
    c->n++;
}

unsigned kubelet_starts(struct kubelet *k, const char *pod)
{
    for (struct count *c = k->counts; c; c = c->next)
        if (strcmp(c->pod, pod) == 0)
            return c->n;
    return 0;
}

bool kubelet_runs(struct kubelet *k, const char *pod, const char **image)
{
    struct kpod *p = kubelet_pod(k, pod);

    if (p)
        *image = p->host ? chost_image(p->host) : p->image;
    return p && p->running && p->ready;
}

/* ---- Keeper ---- */

static unsigned pod_port(struct kubelet *k, const struct kpod *p, const char *name)
{
    const cJSON *pod = store_get(k->p->store, PK_POD, p->ns, p->name), *c, *q;

    cJSON_ArrayForEach(c, json_at(pod, "spec.containers"))
        cJSON_ArrayForEach(q, json_get(c, "ports"))
            if (str_eq(json_str(q, "name", NULL), name))
                return (unsigned)json_int(q, "containerPort", 0);
    return 0;
}

static unsigned running_keepers(struct kubelet *k, const struct kpod **first)
{
    unsigned n = 0;

    *first = NULL;
    for (struct kpod *p = k->pods; p; p = p->next)
        if (p->keeper && !p->gone && p->ready && !p->ending) {
            n++;
            *first = p; /* the oldest one leads */
        }
    return n;
}

static unsigned in_sync(struct kubelet *k, const struct kpod *leader)
{
    unsigned n = 0;

    for (struct kpod *p = k->pods; p; p = p->next)
        n += p->keeper && !p->gone && p->ready && !p->ending && p != leader && p->synced_ms <= sim_now(k->s);
    return n;
}

static bool is_at(const struct kpod *p, const char *host)
{
    size_t n = strcspn(host, ".");

    return strcmp(host, "127.0.0.1") == 0 || (strncmp(p->name, host, n) == 0 && strcmp(p->name + n, "-0") == 0);
}

void kubelet_word(struct kubelet *k, const char *host, unsigned port, const char *word, struct str *answer,
                  struct err *err)
{
    const struct kpod *leader;
    unsigned n = running_keepers(k, &leader);

    for (struct kpod *p = k->pods; p; p = p->next) {
        if (!p->keeper || p->gone || !p->ready || pod_port(k, p, "zk") != port || !is_at(p, host))
            continue;
        if (strncmp(word, "ruok", 4) == 0)
            str_add(answer, "imok");
        else if (strncmp(word, "mntr", 4) == 0)
            str_addf(answer, "zk_version\t3.8.0\nzk_server_state\t%s\nzk_znode_count\t100\nzk_zxid\t7\n",
                     n == 1        ? "standalone"
                     : p == leader ? "leader"
                                   : "follower");
        else
            str_addf(answer, "Zookeeper version: 3.8.0\nZxid: 0x7\nMode: %s\nNode count: 100\n",
                     n == 1        ? "standalone"
                     : p == leader ? "leader"
                                   : "follower");
        if (strncmp(word, "mntr", 4) == 0 && n > 1 && p == leader)
            str_addf(answer, "zk_followers\t%u\nzk_synced_followers\t%u\n", n - 1, in_sync(k, leader));
        return;
    }
    err_set(err, ERR_AGAIN, 0, "%s:%u: connection refused", host, port);
}
