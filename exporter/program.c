/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/program.h"

#include <stddef.h>

static const struct program_text options[] = {
    {"kubeconfig", "FILE", "API server and credentials. Default: --data's, then $KUBECONFIG, ~/.kube/config, and the pod's account."},
    {"data", "DIR", "The folder of a \"chfleet up\" of this machine, whose hosts are shown."},
    {"config", "FILE", "The operator's configuration, as given to chfleetd: login, ports, time limits, labels. Default: $CHOP_CONFIG."},
    {"namespace", "NS",
     "Show hosts of this namespace only: a name, or a regular expression that is found anywhere in it. May be repeated."},
    {"exclude-namespace", "NS", "Do not show hosts of this one."},
    {"metrics-address", "HOST:PORT", "Where it listens. Default: 127.0.0.1:8888; with an empty host, on all addresses."},
    {"address-file", "FILE", "Where the address is written once it listens, useful with port 0."},
    {"leader-only", NULL,
     "Show hosts only while the operator in the same pod leads (its Lease is chfleet-leader), so that each host is shown once."},
    {"log-level", "LEVEL", "error, warning, notice, info (default) or debug."},
    {NULL, NULL, NULL}};

static const struct program_text environment[] = {
    {"WATCH_NAMESPACES", NULL, "Namespaces with commas or colons between, as --namespace. WATCH_NAMESPACE is the same."},
    {"WATCH_NAMESPACES_EXCLUDE", NULL, "As --exclude-namespace, in the same form."},
    {"CHOP_CONFIG", NULL, "As --config."},
    {"KUBECONFIG", NULL, "As --kubeconfig."},
    {"OPERATOR_POD_NAMESPACE", NULL, "Where operator configurations and the Secret with the login are looked for."},
    {"OPERATOR_POD_NAME", NULL, "Who holds the Lease while this pod leads."},
    {NULL, NULL, NULL}};

static const struct program_text exits[] = {{"0", NULL, "Ended by SIGTERM or SIGINT."},
                                            {"1", NULL, "It cannot listen, or something else failed."},
                                            {"2", NULL, "An option or a file is wrong."},
                                            {NULL, NULL, NULL}};

const struct program exporter_program = {
    .name = "chfleet-exporter",
    .summary = "Prometheus metrics of ClickHouse hosts",
    .about = "Finds ClickHouse hosts through the Kubernetes API, or through the API server of \"chfleet up\", and asks each of them for "
             "its numbers when somebody reads /metrics. Names, labels and types are those of Altinity's metrics-exporter, so that its "
             "dashboards and alerts work.\n\n"
             "  /metrics   all hosts, in the Prometheus text format, compressed when the reader wants it\n"
             "  /chi       which installations and hosts are known, as JSON\n"
             "  /healthz   200 while the program lives\n"
             "  /ready     200 once all that is watched has been listed\n\n"
             "Hosts are asked at the same time. One that does not answer within the configuration's limits has metric_fetch_errors 1 "
             "and delays nobody. A host is shown from its first start to its stop or removal.",
    .options = options,
    .environment = environment,
    .exits = exits,
    .see = "chfleet(1), chfleetd(8), chfleet\\-plane(8)",
};
