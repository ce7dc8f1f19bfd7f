/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/connect.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/out.h"

struct endpoint {
    const char *host;
    unsigned port;
};

/* The port of a service for a protocol, by its name or that of the container port behind it. */
static const cJSON *service_port(const cJSON *svc, const char *proto)
{
    const cJSON *p, *found = NULL;

    cJSON_ArrayForEach(p, json_at(svc, "spec.ports")) {
        if (str_eq(json_str(p, "name", ""), proto))
            return p;
        if (str_eq(json_str(p, "targetPort", ""), proto))
            found = p;
    }
    return found;
}

/* Where a client of this machine reaches it: the balancer's address, else (plane) the node port on loopback. */
static bool reach(const struct fleet_api *a, const cJSON *svc, const char *proto, struct endpoint *e)
{
    const cJSON *p = service_port(svc, proto), *ingress = json_at(svc, "status.loadBalancer.ingress.0");
    const char *host = json_str(ingress, "hostname", json_str(ingress, "ip", NULL));
    int64_t node_port = json_int(p, "nodePort", 0);

    if (!p || (!host && !a->local))
        return false;
    e->host = host ? host : "127.0.0.1";
    e->port = (unsigned)(a->local && node_port ? node_port : json_int(p, "port", 0));
    return e->port != 0;
}

static void print_lines(const struct endpoint *tcp, const struct endpoint *http)
{
    if (tcp)
        printf("  clickhouse-client --host %s --port %u\n", tcp->host, tcp->port);
    if (http)
        printf("  curl 'http://%s:%u/?query=SELECT+version()'\n", http->host, http->port);
}

void connect_print(struct fleet_api *a, const char *ns, const char *name)
{
    struct err ignored = ERR_INIT;
    auto_free char *service = mem_printf("clickhouse-%s", name);
    auto_json cJSON *svc = api_get(a, KUBE_SVC, ns, service, &ignored);
    struct endpoint tcp, http;
    bool has_tcp = svc && reach(a, svc, "tcp", &tcp), has_http = svc && reach(a, svc, "http", &http);
    const char *in_ns = str_eq(ns, "default") ? "" : ns;

    if (!svc || (!has_tcp && !has_http && a->local))
        return;
    printf("\n%sConnect to %s%s\n", out_bold(), name, out_plain());
    if (has_tcp || has_http)
        print_lines(has_tcp ? &tcp : NULL, has_http ? &http : NULL);
    else
        printf("  kubectl port-forward -n %s service/%s 8123 9000\n", ns, service);
    printf("  chfleet status %s --watch%s%s\n", name, *in_ns ? " -n " : "", in_ns);
    if (a->local)
        printf("  export KUBECONFIG=%s; kubectl get chi,pods%s%s\n", a->kubeconfig ? a->kubeconfig : "$KUBECONFIG",
               *in_ns ? " -n " : "", in_ns);
}
