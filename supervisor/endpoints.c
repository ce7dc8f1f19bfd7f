/* SPDX-License-Identifier: Apache-2.0 */
/* Which pods the balancing Services send to: counted from changes, since hundreds of slices are too many to walk for each fact. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/index.h"
#include "base/mem.h"
#include "base/str.h"
#include "supervisor/internal.h"

struct pod_count {
    char *key; /* "ns/pod" */
    unsigned n; /* ready endpoints */
};

struct endpoints {
    struct index by_key;
    struct pod_count *pods;
    size_t n;
};

struct endpoints *endpoints_new(void)
{
    return mem_zero(sizeof(struct endpoints));
}

void endpoints_free(struct endpoints *e)
{
    if (!e)
        return;
    index_fini(&e->by_key);
    for (size_t i = 0; i < e->n; i++)
        free(e->pods[i].key);
    free(e->pods);
    free(e);
}

static struct pod_count *need(struct endpoints *e, const char *ns, const char *pod)
{
    auto_free char *key = mem_printf("%s/%s", ns, pod);
    size_t at;

    if (index_find(&e->by_key, key, &at))
        return &e->pods[at];
    e->pods = mem_grow(e->pods, e->n + 1, sizeof *e->pods);
    e->pods[e->n] = (struct pod_count){key, 0};
    key = NULL;
    index_add(&e->by_key, e->pods[e->n].key, e->n);
    return &e->pods[e->n++];
}

/* A host's own Service shows its pod also while it is out. */
static bool is_own(const char *service, const char *pod)
{
    return str_starts(pod, service) && strcmp(pod + strlen(service), "-0") == 0;
}

static const char *sent_to(const char *service, const cJSON *endpoint)
{
    const char *pod = json_str(endpoint, "targetRef.name", "");

    return *pod && !is_own(service, pod) && json_bool(endpoint, "conditions.ready", true) ? pod : NULL;
}

void endpoints_changed(struct endpoints *e, const cJSON *before, const cJSON *now,
                       void (*told)(void *ctx, const char *ns, const char *pod), void *ctx)
{
    const cJSON *slices[] = {now, before}, *ep; /* more first: who is in both is never out between */

    for (int i = 0; i < 2; i++) {
        const char *service = json_label(slices[i], "kubernetes.io/service-name"), *ns = json_ns(slices[i]);

        cJSON_ArrayForEach(ep, json_get(slices[i], "endpoints")) {
            const char *pod = service ? sent_to(service, ep) : NULL;
            struct pod_count *c = pod ? need(e, ns, pod) : NULL;

            if (!c)
                continue;
            c->n += i == 0 ? 1u : -1u;
            if (c->n == (i == 0 ? 1u : 0u))
                told(ctx, ns, pod);
        }
    }
}

bool endpoints_have(const struct endpoints *e, const char *ns, const char *sts)
{
    char key[600];
    size_t at;

    snprintf(key, sizeof key, "%s/%s-0", ns, sts);
    return index_find(&e->by_key, key, &at) && e->pods[at].n > 0;
}
