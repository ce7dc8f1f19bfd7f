/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/program.h"

#include <stddef.h>

static const struct program_text options[] = {
    {"data", "DIR", "Where objects, keys, logs and volumes are kept; made when it is not there. Needed."},
    {"listen", "ADDRESS", "Loopback address and port. Port 0, the default, picks a free one at the first start and keeps it."},
    {"programs", "FILE", "Which program runs for which image, in front of the built-in list."},
    {"haproxy", "FILE", "The balancer's program; else it is looked for where packages put it."},
    {"log-level", "LEVEL", "error, warning, notice, info (default) or debug."},
    {NULL, NULL, NULL}};

static const struct program_text files[] = {{"DIR/kubeconfig", NULL, "For kubectl and chfleet."},
                                            {"DIR/programs.yaml", NULL, "As --programs, when there is one."},
                                            {NULL, NULL, NULL}};

static const struct program_text exits[] = {{"0", NULL, "Ended by SIGTERM or SIGINT."},
                                            {"1", NULL, "Something failed."},
                                            {"2", NULL, "An option is wrong."},
                                            {NULL, NULL, NULL}};

const struct program plane_program = {
    .name = "chfleet-plane",
    .summary = "small Kubernetes API server for one machine",
    .about = "A small Kubernetes API server, its controllers and a node agent, for one machine: its pods are ordinary processes. It runs in "
             "the foreground; chfleet up starts it.\n\n"
             "DIR/kubeconfig is for kubectl and chfleet. SIGTERM ends the plane; the servers it runs go on.",
    .options = options,
    .files = files,
    .exits = exits,
    .see = "chfleet(1), chfleetd(8), chfleet\\-exporter(8)",
};
