/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/program.h"

#include <stddef.h>

static const struct program_text options[] = {
    {"kubeconfig", "FILE", "API server and credentials. Default: $KUBECONFIG, then ~/.kube/config, then the pod's account."},
    {"data", "DIR", "Journal and locks; needed."},
    {"config", "FILE", "Operator configuration in the format of clickhouse-operator's config.yaml."},
    {"namespace", "NS",
     "Look at this namespace only; may be repeated. A name, or a regular expression that is found anywhere in it; instead of the "
     "configuration's watch.namespaces."},
    {"exclude-namespace", "NS", "Leave this one alone; may be repeated."},
    {"status-address", "HOST:PORT",
     "Where /healthz, /readyz, /status and the live page are. Default: a free port of 127.0.0.1, written to DIR/status.address."},
    {"metrics-address", "HOST:PORT", "Where /metrics for Prometheus is. Default: with the status."},
    {"port-base", "N", "First port given to servers on one machine. Default: 21000."},
    {"api-rate", "N", "Requests a second that the API server gets at any time; twice as many at once after a pause. Default: 50."},
    {"api-rate-most", "N",
     "The rate rises up to this while the API server answers quickly and refuses nothing. Default: 200. The same number as --api-rate "
     "keeps it steady."},
    {"log-level", "LEVEL", "error, warning, notice, info (default) or debug."},
    {NULL, NULL, NULL}};

static const struct program_text environment[] = {
    {"WATCH_NAMESPACES", NULL, "Namespaces with commas or colons between, as --namespace. WATCH_NAMESPACE is the same."},
    {"WATCH_NAMESPACES_EXCLUDE", NULL, "As --exclude-namespace, in the same form."},
    {"KUBECONFIG", NULL, "As --kubeconfig."},
    {"OPERATOR_POD_NAMESPACE", NULL, "Where the Lease, operator configurations and the Secret with the login are. Without it nobody is elected."},
    {"OPERATOR_POD_NAME", NULL, "Who holds the Lease."},
    {"OPERATOR_POD_IP", NULL, "The address from which the databases let the operator in."},
    {NULL, NULL, NULL}};

static const struct program_text files[] = {{"DIR/journal.db", NULL, "What was done and what is about to be done."},
                                            {"DIR/status.address", NULL, "Address of the status page."},
                                            {NULL, NULL, NULL}};

static const struct program_text exits[] = {
    {"0", NULL, "Ended by SIGTERM or SIGINT."},
    {"1", NULL, "Something failed."},
    {"2", NULL, "An option or the configuration is wrong."},
    {"3", NULL, "Another operator of this machine works on this API server."},
    {"75", NULL, "Another operator leads now, or the worker processes cannot be started any more: start it again."},
    {NULL, NULL, NULL}};

const struct program chfleetd_program = {
    .name = "chfleetd",
    .summary = "operator of ClickHouse and Keeper installations",
    .about = "Watches ClickHouseInstallations and ClickHouseKeeperInstallations, plans what is to be done, writes it into a journal, and "
             "does it step by step without taking a database away from its users. It can be killed at any instant: the next one goes on "
             "where it stopped.\n\n"
             "SIGTERM ends it within 2 s at a safe point; databases go on. SIGHUP reads the configuration again; so does a change of "
             "the file or in its folders.",
    .options = options,
    .environment = environment,
    .files = files,
    .exits = exits,
    .see = "chfleet(1), chfleet\\-plane(8), chfleet\\-exporter(8)",
};
