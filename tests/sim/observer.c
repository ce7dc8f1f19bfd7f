/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/observer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/sim/lab.h"

enum { LOOK_MS = 50, CALM_MS = 2000, SETTLE_MS = 2500, OUTSIDE_MS = 60000, MAX_SHARDS = 64, LINES_MAX = 4 };

struct seen {
    const struct chost *h;
    bool balanced;
    unsigned marked;
    bool there_at_mark;
};

struct observer {
    struct sim *s;
    struct plane *p;
    struct hosts *hosts;
    struct kubelet *kubelet;
    struct store_sub *claims, *chis;
    bool guard, calm;
    unsigned n;
    struct str text;
    struct seen *seen;
    size_t n_seen;
    struct pair {
        const char *image, *tag, *value;
    } pairs[4];
    size_t n_pairs;
    uint64_t outside_ms; /* others took a server away; 0 = never */
    bool served[MAX_SHARDS], dark[MAX_SHARDS];
};

void observer_violation(struct observer *o, const char *fmt, ...)
{
    char line[800];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    o->n++;
    log_warn("observer", "%s", line);
    if (o->n <= LINES_MAX)
        str_addf(&o->text, "%10.3f %s\n", (double)sim_now(o->s) / 1000, line);
}

unsigned observer_count(const struct observer *o)
{
    return o->n;
}

const char *observer_text(const struct observer *o)
{
    return str_text(&o->text);
}

void observer_calm(struct observer *o, bool on)
{
    o->calm = on;
}

void observer_guard(struct observer *o, bool on)
{
    o->guard = on;
}

bool observer_place(const char *pod, char *name, size_t size, unsigned *shard, unsigned *replica)
{
    const char *p = strstr(pod, "/chi-"), *m = p ? strstr(p, "-main-") : NULL;
    int end = 0;

    if (!m || sscanf(m, "-main-%u-%u-0%n", shard, replica, &end) != 2 || m[end])
        return false;
    snprintf(name, size, "%.*s", (int)(m - p - 5), p + 5);
    return true;
}

static const cJSON *chi(const struct observer *o, const char *name)
{
    return store_get(o->p->store, PK_CHI, "default", name);
}

static unsigned layout(const cJSON *c, const char *what)
{
    auto_free char *path = mem_printf("spec.configuration.clusters.0.layout.%s", what);

    return (unsigned)json_int(c, path, 1);
}

static bool stopped(const cJSON *c)
{
    return !c || json_at(c, "metadata.deletionTimestamp") || str_bool(json_str(c, "spec.stop", "")) == 1;
}

/* ---- 1: shards serve ---- */

static bool serves(struct observer *o, struct chost *h)
{
    return chost_state(h) == CHOST_UP && kubelet_balanced(o->kubelet, chost_pod(h));
}

static struct seen *seen_of(struct observer *o, const struct chost *h)
{
    for (size_t i = 0; i < o->n_seen; i++)
        if (o->seen[i].h == h)
            return &o->seen[i];
    o->seen = mem_grow(o->seen, o->n_seen + 1, sizeof *o->seen);
    o->seen[o->n_seen] = (struct seen){.h = h};
    return &o->seen[o->n_seen++];
}

static unsigned serving_in(struct observer *o, const char *name, unsigned shard, const struct chost *but)
{
    char n[64];
    unsigned s, r, count = 0;
    struct chost *h;

    for (size_t i = 0; (h = hosts_at(o->hosts, i)); i++)
        if (h != but && observer_place(chost_pod(h), n, sizeof n, &s, &r) && s == shard && strcmp(n, name) == 0)
            count += serves(o, h);
    return count;
}

/* A host came behind the balancer: it must have what it missed, unless nobody else serves. */
static void joined(struct observer *o, struct chost *h, const char *name, unsigned shard)
{
    if (!o->guard || serving_in(o, name, shard, h) == 0)
        return;
    if (chost_readonly(h))
        observer_violation(o, "[7] %s joined while it is read-only", chost_pod(h));
    else if (chost_behind_start(h))
        observer_violation(o, "[7] %s joined before it has the rows that were there when it started", chost_pod(h));
    else if (chost_left_out(h))
        observer_violation(o, "[7] %s joined without %s, which is on its disk", chost_pod(h), chost_left_out(h));
}

static void look_at_host(struct observer *o, struct chost *h)
{
    struct seen *seen = seen_of(o, h);
    bool now = kubelet_balanced(o->kubelet, chost_pod(h)) && chost_state(h) == CHOST_UP;
    char name[64];
    unsigned shard, replica;

    if (now && !seen->balanced && observer_place(chost_pod(h), name, sizeof name, &shard, &replica))
        joined(o, h, name, shard);
    seen->balanced = now;
}

static void look_at_shards(struct observer *o, const char *name)
{
    const cJSON *c = chi(o, name);
    unsigned shards = layout(c, "shardsCount"), replicas = layout(c, "replicasCount");

    if (stopped(c) || !o->guard) {
        memset(o->served, 0, sizeof o->served);
        memset(o->dark, 0, sizeof o->dark);
        return;
    }
    for (unsigned s = 0; s < shards && s < MAX_SHARDS; s++) {
        unsigned n = serving_in(o, name, s, NULL);

        if (n == 0 && o->served[s] && !o->dark[s] && replicas > 1)
            observer_violation(o, "[1] no replica of %s shard %u serves", name, s);
        o->dark[s] = n == 0;
        o->served[s] |= n > 0;
    }
}

static void look(struct observer *o)
{
    struct chost *h;

    for (size_t i = 0; (h = hosts_at(o->hosts, i)); i++)
        look_at_host(o, h);
    look_at_shards(o, "demo");
}

static void tick(void *ctx)
{
    struct observer *o = ctx;

    look(o);
    sim_after(o->s, o->calm ? CALM_MS : LOOK_MS, tick, o);
}

void observer_pair(struct observer *o, const char *image, const char *tag, const char *value)
{
    if (o->n_pairs < sizeof o->pairs / sizeof *o->pairs)
        o->pairs[o->n_pairs++] = (struct pair){image, tag, value};
}

/* No server ever reads settings meant for another version. */
static void look_at_start(struct observer *o, struct chost *h)
{
    char value[128];

    for (size_t i = 0; i < o->n_pairs; i++)
        if (strcmp(chost_image(h), o->pairs[i].image) == 0 &&
            strcmp(chost_setting(h, o->pairs[i].tag, true, value, sizeof value), o->pairs[i].value) != 0)
            observer_violation(o, "%s starts %s with %s = %s", chost_pod(h), o->pairs[i].image, o->pairs[i].tag, value);
}

void observer_host(struct observer *o, struct chost *h, enum chost_state was)
{
    if (chost_state(h) == CHOST_STARTING)
        look_at_start(o, h);
    if (o->guard && was == CHOST_UP && chost_state(h) == CHOST_STOPPING && chost_queries(h) &&
        kubelet_balanced(o->kubelet, chost_pod(h)))
        observer_violation(o, "[2] %s is stopped behind the balancer with %u queries running", chost_pod(h),
                           chost_queries(h));
    look(o);
}

/* ---- 2: queries ---- */

void observer_query_failed(struct observer *o, const char *pod, const char *why)
{
    if (o->guard)
        observer_violation(o, "[2] a query through %s failed: %s", pod, why);
}

/* ---- 3: volumes ---- */

static bool consented(const cJSON *c, unsigned shard, unsigned replica)
{
    const cJSON *list = json_at(c, "spec.chfleet.consent.dataLoss");
    auto_free char *s = mem_printf("%u", shard), *h = mem_printf("%u-%u", shard, replica);

    return json_has(list, s) || json_has(list, h);
}

/* Its host stays, and the owner says that this volume of it need not. */
static bool may_be_replaced(const cJSON *c, const char *claim)
{
    auto_free char *template = mem_strn(claim, strcspn(claim, "-"));

    return json_has(json_at(c, "spec.chfleet.consent.volumes"), claim) ||
           json_has(json_at(c, "spec.chfleet.consent.moveVolumes"), template);
}

/* There is nothing to lose any more. */
static bool volume_is_gone(const struct observer *o, const cJSON *pvc)
{
    const char *volume = json_str(pvc, "spec.volumeName", "");

    return *volume && !store_get(o->p->store, PK_PV, NULL, volume);
}

static void claim_goes(struct observer *o, const cJSON *pvc)
{
    const char *policy = json_label(pvc, "clickhouse.altinity.com/reclaimPolicy"), *at = strstr(json_name(pvc), "chi-");
    auto_free char *pod = mem_printf("%s/%s", json_ns(pvc), at ? at : "");
    char name[64];
    unsigned shard, replica;
    const cJSON *c;
    int64_t only;

    if (policy && strcmp(policy, "Retain") == 0)
        observer_violation(o, "[3] claim %s is deleted though its policy is Retain", json_name(pvc));
    if (!observer_place(pod, name, sizeof name, &shard, &replica) || volume_is_gone(o, pvc))
        return;
    c = chi(o, name);
    if (!c || json_at(c, "metadata.deletionTimestamp"))
        return; /* the owner's word */
    if (shard < layout(c, "shardsCount") && replica < layout(c, "replicasCount") &&
        !may_be_replaced(c, json_name(pvc)) && !consented(c, shard, replica))
        observer_violation(o, "[3] claim %s is deleted though its host is in the spec", json_name(pvc));
    only = hosts_only_on(o->hosts, json_uid(pvc));
    if (only && !consented(c, shard, replica) && !json_has(json_at(c, "spec.chfleet.consent.volumes"), json_name(pvc)))
        observer_violation(o, "[3] claim %s is deleted with %lld rows that are nowhere else, without consent",
                           json_name(pvc), (long long)only);
}

static void on_claim(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    bool was = old && json_at(old, "metadata.deletionTimestamp");

    if (what == STORE_CHANGED && !was && json_at(obj, "metadata.deletionTimestamp"))
        claim_goes(ctx, obj);
}

/* ---- 4: starts ---- */

void observer_mark(struct observer *o)
{
    struct chost *h;

    for (size_t i = 0; i < o->n_seen; i++)
        o->seen[i].there_at_mark = false;
    for (size_t i = 0; (h = hosts_at(o->hosts, i)); i++) {
        struct seen *seen = seen_of(o, h);

        seen->marked = chost_starts(h);
        seen->there_at_mark = chost_state(h) == CHOST_UP;
    }
}

void observer_expect_starts(struct observer *o, unsigned each)
{
    observer_expect_starts_within(o, each, each);
}

void observer_expect_starts_within(struct observer *o, unsigned least, unsigned most)
{
    for (size_t i = 0; i < o->n_seen; i++) {
        unsigned n = chost_starts(o->seen[i].h) - o->seen[i].marked;

        if (o->seen[i].there_at_mark && (n < least || n > most))
            observer_violation(o, "[4] %s started %u times, expected were %u", chost_pod(o->seen[i].h), n, most);
    }
}

/* ---- 5: Completed ---- */

static char *audit_lists(struct observer *o, const char *name, const cJSON *c)
{
    unsigned shards = layout(c, "shardsCount"), replicas = layout(c, "replicasCount"), s, r;
    char n[64];
    struct chost *h, *all[32];

    for (size_t i = 0; (h = hosts_at(o->hosts, i)); i++) {
        if (chost_state(h) != CHOST_UP || !observer_place(chost_pod(h), n, sizeof n, &s, &r) || strcmp(n, name) != 0)
            continue;
        for (unsigned k = 0; k < shards; k++)
            if (chost_members(h, k, all, 32) != (int)replicas)
                return mem_printf("%s has loaded %d of %u replicas of shard %u", chost_pod(h),
                                  chost_members(h, k, all, 32), replicas, k);
    }
    return NULL;
}

static char *audit_host(struct observer *o, const cJSON *c, const char *pod, bool final)
{
    struct chost *h = hosts_get(o->hosts, pod, false);
    const char *image = json_str(c, "spec.templates.podTemplates.0.spec.containers.0.image", "");
    const cJSON *set;
    char value[128];

    if (!h || chost_state(h) != CHOST_UP)
        return mem_printf("%s does not run", pod);
    if (strcmp(chost_image(h), image) != 0)
        return mem_printf("%s runs %s instead of %s", pod, chost_image(h), image);
    if (!kubelet_balanced(o->kubelet, pod))
        return mem_printf("%s is not behind the balancer", pod);
    if (final && (chost_readonly(h) || chost_behind_start(h))) /* who joined alone may still be at it */
        return mem_printf("%s has not caught up", pod);
    cJSON_ArrayForEach(set, json_at(c, "spec.configuration.settings"))
        if (!strchr(set->string, '/') &&
            strcmp(chost_setting(h, set->string, true, value, sizeof value), set->valuestring) != 0)
            return mem_printf("%s started with %s = \"%s\" instead of \"%s\"", pod, set->string, value,
                              set->valuestring);
    return NULL;
}

static char *audit_stopped(struct observer *o, const char *name)
{
    struct chost *h;
    char n[64];
    unsigned s, r;

    for (size_t i = 0; (h = hosts_at(o->hosts, i)); i++)
        if (observer_place(chost_pod(h), n, sizeof n, &s, &r) && strcmp(n, name) == 0 && chost_state(h) != CHOST_DOWN)
            return mem_printf("%s still runs", chost_pod(h));
    return NULL;
}

static char *audit_strangers(struct observer *o, const char *name, const cJSON *c)
{
    struct chost *h;
    char n[64];
    unsigned s, r;

    for (size_t i = 0; (h = hosts_at(o->hosts, i)); i++)
        if (observer_place(chost_pod(h), n, sizeof n, &s, &r) && strcmp(n, name) == 0 && chost_state(h) != CHOST_DOWN &&
            (s >= layout(c, "shardsCount") || r >= layout(c, "replicasCount")))
            return mem_printf("%s still runs though it is not in the spec", chost_pod(h));
    return NULL;
}

char *observer_audit(struct observer *o, const char *name, bool final)
{
    const cJSON *c = chi(o, name);
    char *bad = NULL;

    if (!c)
        return mem_printf("%s is not there", name);
    if (stopped(c))
        return audit_stopped(o, name);
    for (unsigned s = 0; s < layout(c, "shardsCount") && !bad; s++)
        for (unsigned r = 0; r < layout(c, "replicasCount") && !bad; r++) {
            auto_free char *pod = mem_printf("default/chi-%s-main-%u-%u-0", name, s, r);

            bad = audit_host(o, c, pod, final);
        }
    if (!bad)
        bad = audit_lists(o, name, c);
    if (!bad)
        bad = audit_strangers(o, name, c);
    return bad ? bad : hosts_dead_replica(o->hosts);
}

static bool done(const cJSON *c)
{
    const cJSON *cond;

    if (!c || strcmp(json_str(c, "status.status", ""), "Completed") != 0)
        return false;
    cJSON_ArrayForEach(cond, json_at(c, "status.conditions"))
        if (json_int(cond, "observedGeneration", 0) != json_int(c, "metadata.generation", -1))
            return false;
    return true;
}

struct claim {
    struct observer *o;
    char *name;
    int64_t generation;
};

/* The balancer has had the time that balancers need. */
static void check_claim(void *ctx)
{
    struct claim *cl = ctx;
    const cJSON *c = chi(cl->o, cl->name);
    auto_free char *bad = done(c) && json_int(c, "metadata.generation", 0) == cl->generation
                              ? observer_audit(cl->o, cl->name, false)
                              : NULL;
    bool outside = cl->o->outside_ms && sim_now(cl->o->s) - cl->o->outside_ms < OUTSIDE_MS;

    if (bad && !outside) /* the end is judged all the same */
        observer_violation(cl->o, "[5] %s is said to be Completed, but %s", cl->name, bad);
    free(cl->name);
    free(cl);
}

static void on_chi(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct observer *o = ctx;
    struct claim *cl;

    if (what != STORE_CHANGED || !done(obj) || done(old))
        return;
    cl = mem_zero(sizeof *cl);
    *cl = (struct claim){o, mem_str(json_name(obj)), json_int(obj, "metadata.generation", 0)};
    sim_after(o->s, SETTLE_MS, check_claim, cl);
}

/* ---- 9: secrets ---- */

void observer_wrote(struct observer *o, const void *body, size_t len)
{
    if (len && memmem(body, len, LAB_PASSWORD, strlen(LAB_PASSWORD)) && memmem(body, len, "\"status\"", 8))
        observer_violation(o, "[9] a password is in a status");
}

/* ---- life ---- */

void observer_outside(struct observer *o)
{
    o->outside_ms = sim_now(o->s);
}

struct observer *observer_new(struct sim *s, struct plane *p, struct hosts *hs, struct kubelet *k)
{
    struct observer *o = mem_zero(sizeof *o);

    o->s = s;
    o->p = p;
    o->hosts = hs;
    o->kubelet = k;
    o->claims = store_subscribe(p->store, PK_PVC, on_claim, o);
    o->chis = store_subscribe(p->store, PK_CHI, on_chi, o);
    sim_after(s, LOOK_MS, tick, o);
    return o;
}

void observer_free(struct observer *o)
{
    store_unsubscribe(o->claims);
    store_unsubscribe(o->chis);
    str_free(&o->text);
    free(o->seen);
    free(o);
}
