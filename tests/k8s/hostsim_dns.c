/* SPDX-License-Identifier: Apache-2.0 */
/* Names of Services, as a cluster's DNS gives them: "service.namespace.svc.…" of the pods behind it. */
#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/util.h>
#include <stdio.h>

#include "tests/k8s/hostsim_impl.h"

enum { ADDRESSES_MAX = 400, NAME_MISSING = 3 };

static bool selects(const cJSON *svc, const cJSON *pod)
{
    const cJSON *want = json_at(svc, "spec.selector"), *l;

    if (!want || !want->child)
        return false;
    cJSON_ArrayForEach(l, want)
        if (!str_eq(json_label(pod, l->string), l->valuestring))
            return false;
    return true;
}

/* "service", "service.ns", "service.ns.anything" → two parts. */
static void split(const char *ns, const char *name, char service[256], char in[256])
{
    size_t n = strcspn(name, ".");
    const char *rest = name + n + (name[n] == '.');

    snprintf(service, 256, "%.*s", (int)n, name);
    snprintf(in, 256, "%.*s", (int)strcspn(rest, "."), rest);
    if (!*in)
        snprintf(in, 256, "%s", ns ? ns : "");
}

static bool answers(struct hostsim *hs, const cJSON *svc, const struct hpod *p)
{
    const cJSON *pod;

    if (p->gone || (!p->ready && !json_bool(svc, "spec.publishNotReadyAddresses", false)))
        return false;
    pod = kube_cache_get(hs->pods, p->ns, p->name);
    return pod && *json_str(pod, "status.podIP", "") && selects(svc, pod);
}

/* The Service of one replica selects no pod but its StatefulSet's, which is found by name: nobody looks at hundreds. */
static struct hpod *only_pod(struct hostsim *hs, const cJSON *svc)
{
    auto_free char *key = mem_printf("%s/%s-0", json_ns(svc), json_name(svc));
    const cJSON *selector = json_at(svc, "spec.selector");
    bool one = json_get(selector, "clickhouse.altinity.com/replica") && json_get(selector, "clickhouse.altinity.com/shard") &&
               json_get(selector, "clickhouse.altinity.com/cluster") && json_get(selector, "clickhouse.altinity.com/chi");

    return one ? pods_by_key(hs, key) : NULL;
}

int dns_pods(struct hostsim *hs, const char *ns, const char *name, struct hpod **out, int max)
{
    char service[256], in[256];
    const cJSON *svc;
    struct hpod *only;
    int n = 0;

    split(ns, name, service, in);
    svc = kube_cache_get(hs->services, in, service);
    only = svc ? only_pod(hs, svc) : NULL;
    if (only && answers(hs, svc, only)) {
        out[n++] = only;
        return n;
    }
    for (struct hpod *p = svc && !only ? hs->list : NULL; p && n < max; p = p->next)
        if (strcmp(p->ns, in) == 0 && answers(hs, svc, p))
            out[n++] = p;
    return n;
}

/* Ensembles that examples speak of and that no Service is there for: all of them are one that is always there. */
static bool is_ensemble(struct hostsim *hs, const char *name)
{
    char service[256], in[256];

    split(NULL, name, service, in);
    return !kube_cache_get(hs->services, in, service) &&
           (str_starts(service, "zookeeper") || str_starts(service, "zk") || str_starts(service, "keeper") ||
            str_starts(service, "clickhouse-keeper"));
}

static int addresses(struct hostsim *hs, const char *name, ev_uint32_t *out)
{
    struct hpod *pods[ADDRESSES_MAX];
    int n = dns_pods(hs, NULL, name, pods, ADDRESSES_MAX);

    for (int i = 0; i < n; i++)
        out[i] = inet_addr(pods[i]->ip);
    if (!n && is_ensemble(hs, name)) {
        auto_free char *ip = mem_printf("%s.255.254", hs->o.subnet);

        out[n++] = inet_addr(ip);
    }
    return n;
}

static void on_question(struct evdns_server_request *req, void *ctx)
{
    ev_uint32_t a[ADDRESSES_MAX];
    int found = 0;

    for (int i = 0; i < req->nquestions; i++) {
        const struct evdns_server_question *q = req->questions[i];
        int n = addresses(ctx, q->name, a);

        found += n;
        if (n && q->type == EVDNS_TYPE_A)
            evdns_server_request_add_a_reply(req, q->name, n > 20 ? 20 : n, a, 0);
    }
    evdns_server_request_respond(req, found ? 0 : NAME_MISSING);
}

int dns_open(struct hostsim *hs, struct err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)hs->o.dns_port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ||
        !evdns_add_server_port_with_base(hs->base, fd, 0, on_question, hs))
        return err_set(err, ERR_SYS, errno, "cannot answer DNS at 127.0.0.1:%u", hs->o.dns_port);
    return 0;
}
