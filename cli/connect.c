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

/* The port of a service for a protocol, by its name or that of the container port behind it; its place in the list. */
static const cJSON *service_port(const cJSON *svc, const char *proto, int *at)
{
    const cJSON *p, *found = NULL;
    int i = 0;

    cJSON_ArrayForEach(p, json_at(svc, "spec.ports")) {
        bool named = str_eq(json_str(p, "name", ""), proto);

        if (named || (!found && str_eq(json_str(p, "targetPort", ""), proto))) {
            found = p;
            *at = i;
        }
        if (named)
            break;
        i++;
    }
    return found;
}

/* Where a client reaches it: the balancer's address and, where the balancer says so (the plane's does), its own port. */
static bool reach(const cJSON *svc, const char *proto, struct endpoint *e)
{
    const cJSON *ingress = json_at(svc, "status.loadBalancer.ingress.0");
    int at = 0;
    const cJSON *p = service_port(svc, proto, &at);

    e->host = json_str(ingress, "hostname", json_str(ingress, "ip", NULL));
    e->port = (unsigned)json_int(cJSON_GetArrayItem(json_get(ingress, "ports"), at), "port", json_int(p, "port", 0));
    return p && e->host && e->port;
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
    bool has_tcp = svc && reach(svc, "tcp", &tcp), has_http = svc && reach(svc, "http", &http);
    const char *in_ns = str_eq(ns, "default") ? "" : ns;

    if (!svc || (!has_tcp && !has_http && a->local))
        return;
    printf("\n%sConnect to %s%s\n", out_bold(), name, out_plain());
    if (has_tcp || has_http)
        print_lines(has_tcp ? &tcp : NULL, has_http ? &http : NULL);
    else
        printf("  kubectl port-forward -n %s service/%s 8123 9000\n", ns, service);
    printf("  %s status %s --watch%s%s%s%s\n", a->program, name, *in_ns ? " -n " : "", in_ns,
           a->data_given ? " --data " : "", a->data_given ? a->data_given : "");
    if (a->local)
        printf("  export KUBECONFIG=%s; kubectl get chi,pods%s%s\n", a->kubeconfig ? a->kubeconfig : "$KUBECONFIG",
               *in_ns ? " -n " : "", in_ns);
}
