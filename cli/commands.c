/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands and options. */
#include "cli/cli.h"

#define END_OF_OPTIONS {0, NULL, NULL, NULL, NULL}
#define OUTPUT {'o', "output", "FORM", "|table|wide|json|yaml", "table, wide, json or yaml"}

const struct cli_option cli_common[] = {
    {'n', "namespace", "NS", NULL, "namespace (default: the kubeconfig's, else \"default\")"},
    {0, "kubeconfig", "FILE", NULL, "how to reach the API server (default: --data's, $KUBECONFIG, chfleet up's, ~/.kube/config)"},
    {0, "data", "DIR", NULL, "folder of chfleet up (default: $XDG_DATA_HOME/chfleet, ~/.local/share/chfleet)"},
    {0, "no-color", NULL, NULL, "no colours; NO_COLOR in the environment does the same"},
    {'h', "help", NULL, NULL, "this text"},
    END_OF_OPTIONS,
};

static const struct cli_option up_options[] = {
    {0, "foreground", NULL, NULL, "do not go to the background: stay, and restart what dies (for systemd)"},
    {0, "programs", "FILE", NULL, "which program runs for which image (YAML; kept in the folder)"},
    {0, "exporter", "ADDRESS", NULL, "where metrics of the databases are shown (HOST:PORT, or off; kept in the folder)"},
    {0, "timeout", "TIME", NULL, "how long to wait until all serves (default 60s)"},
    END_OF_OPTIONS,
};
static const struct cli_option down_options[] = {
    {0, "keep", NULL, NULL, "leave the databases running; only plane and operator end"},
    {0, "purge", NULL, NULL, "remove the folder with all volumes too"},
    {'y', "yes", NULL, NULL, "do not ask before --purge"},
    {0, "timeout", "TIME", NULL, "how long databases may take to stop (default 120s)"},
    END_OF_OPTIONS,
};
static const struct cli_option apply_options[] = {
    {'f', "filename", "FILE", NULL, "a file, a folder, or - for standard input; may be given several times"},
    {0, "dry-run", NULL, NULL, "check and compare, send nothing"},
    {'w', "wait", NULL, NULL, "show what each host does until all is done"},
    {0, "timeout", "TIME", NULL, "give up waiting after this time (default 30m); the work goes on"},
    END_OF_OPTIONS,
};
static const struct cli_option get_options[] = {
    OUTPUT,
    {'l', "selector", "LABELS", NULL, "only objects with these labels: a=b,c"},
    {'A', "all-namespaces", NULL, NULL, "in all namespaces"},
    END_OF_OPTIONS,
};
static const struct cli_option delete_options[] = {
    {'f', "filename", "FILE", NULL, "delete what this file, folder or - describes"},
    {'w', "wait", NULL, NULL, "until it is really gone"},
    {0, "timeout", "TIME", NULL, "give up waiting after this time (default 10m)"},
    {0, "ignore-not-found", NULL, NULL, "what is not there is no error"},
    {0, "without-operator", NULL, NULL, "installations: its operator is gone, nobody else ends them"},
    END_OF_OPTIONS,
};
static const struct cli_option status_options[] = {
    OUTPUT,
    {'w', "watch", NULL, NULL, "go on showing changes until Ctrl-C"},
    {'A', "all-namespaces", NULL, NULL, "in all namespaces"},
    END_OF_OPTIONS,
};
static const struct cli_option plan_options[] = {
    {'f', "filename", "FILE", NULL, "plan what this file, folder or - describes, as if it were applied"},
    {'o', "output", "FORM", "|table|json|yaml", "table, json or yaml"},
    {0, "config", "FILE", NULL, "the operator's configuration file, when it runs with one (chfleetd --config)"},
    {0, "operator-namespace", "NS", NULL, "where ClickHouseOperatorConfigurations count (default: what the status of an installation says)"},
    END_OF_OPTIONS,
};
static const struct cli_option history_options[] = {
    {'o', "output", "FORM", "|table|wide|json|yaml", "table, wide, json or yaml"},
    {0, "limit", "N", NULL, "at most so many operations (default 20)"},
    {'A', "all-namespaces", NULL, NULL, "in all namespaces"},
    END_OF_OPTIONS,
};
static const struct cli_option why_options[] = {
    {'o', "output", "FORM", "|table|json|yaml", "table, json or yaml"},
    {'A', "all-namespaces", NULL, NULL, "in all namespaces"},
    END_OF_OPTIONS,
};
static const struct cli_option no_options[] = {END_OF_OPTIONS};
static const struct cli_option hold_options[] = {
    {0, "reason", "TEXT", NULL, "why; status and chfleet why show it"},
    END_OF_OPTIONS,
};
static const struct cli_option logs_options[] = {
    {'f', "follow", NULL, NULL, "go on printing as lines come"},
    {'c', "container", "NAME", NULL, "which container (default: the database)"},
    {'p', "previous", NULL, NULL, "of the instance before the last restart"},
    {0, "tail", "N", NULL, "only the last N lines"},
    {0, "since", "TIME", NULL, "only newer than this: 10m"},
    {0, "timestamps", NULL, NULL, "with the time of each line"},
    END_OF_OPTIONS,
};
static const struct cli_option exec_options[] = {
    {'i', "stdin", NULL, NULL, "pass standard input on"},
    {'t', "tty", NULL, NULL, "with a terminal"},
    {'c', "container", "NAME", NULL, "which container (default: the database)"},
    END_OF_OPTIONS,
};
static const struct cli_option explain_options[] = {
    {0, "tree", NULL, NULL, "all levels below, as an outline"},
    END_OF_OPTIONS,
};
static const struct cli_option kubeconfig_options[] = {
    {0, "raw", NULL, NULL, "print the content instead of the path"},
    END_OF_OPTIONS,
};
static const struct cli_option dump_options[] = {
    {'f', "filename", "FILE", NULL, "where to write the archive (default: chfleet-dump-TIME.tar here; - is standard output)"},
    END_OF_OPTIONS,
};
static const struct cli_option version_options[] = {
    {'o', "output", "FORM", "|table|json|yaml", "table, json or yaml"},
    END_OF_OPTIONS,
};

const struct cli_command cli_commands[] = {
    {"up", "", "Start chfleet on this machine",
     "Starts a small Kubernetes API server (the plane), which runs pods as processes of this machine, and the operator\n"
     "on it, and the exporter of metrics. A guard restarts each when it dies; no such death stops a database. No root is needed. Twice is\n"
     "harmless: what runs stays as it is, what is dead is started.\n\n"
     "  chfleet up                         everything lives in ~/.local/share/chfleet\n"
     "  chfleet up --data /srv/chfleet     or in a folder of your choice\n"
     "  chfleet up --programs my.yaml      own servers for some images (docs/operations.md)\n"
     "  chfleet up --exporter :8888        metrics for Prometheus on all addresses, port 8888 (else a free port of\n"
     "                                     127.0.0.1, which stays the same); off: none\n"
     "  chfleet up --foreground            for a systemd unit",
     up_options, 0, 0, false, cmd_up},
    {"down", "", "Stop chfleet on this machine",
     "Ends the operator, lets the databases stop in peace, then ends the plane. Data stays; chfleet up brings all of it\n"
     "back.\n\n"
     "  chfleet down\n"
     "  chfleet down --keep                databases go on running, only without an operator\n"
     "  chfleet down --purge               removes the data too; asks first on a terminal",
     down_options, 0, 0, false, cmd_down},
    {"apply", "-f FILE", "Create or change what a file describes",
     "Checks each resource first (every mistake is shown with file, line and what to write), then sends what changed and\n"
     "nothing else. It keeps the note kubectl apply keeps, so both can be used in turn: a field that you take out of the\n"
     "file is taken out of the resource.\n\n"
     "  chfleet apply -f cluster.yaml\n"
     "  chfleet apply -f cluster.yaml --wait --timeout 20m\n"
     "  chfleet apply -f manifests/ --dry-run\n"
     "  cat cluster.yaml | chfleet apply -f -\n\n"
     "chfleet plan -f cluster.yaml shows before which hosts would be restarted.",
     apply_options, 0, 0, false, cmd_apply},
    {"get", "KIND [NAME…]", "Show resources and objects",
     "KIND is one of the four kinds (chi, chk, chit, chopconf) or of Kubernetes (pods, services, sts, pvc, cm, events …);\n"
     "several with commas.\n\n"
     "  chfleet get chi\n"
     "  chfleet get pods,services -l clickhouse.altinity.com/chi=demo\n"
     "  chfleet get chi demo -o yaml\n\n"
     "Values of Secrets are never shown here.",
     get_options, 1, -1, false, cmd_get},
    {"delete", "KIND NAME… | -f FILE", "Delete resources",
     "Deleting an installation removes its servers, services and Keeper entries. Volumes whose reclaimPolicy is Retain\n"
     "stay, and are attached again when an installation of the same name is created.\n\n"
     "That is the operator's work. Where it is gone, or lost its rights together with the namespace, an installation stays\n"
     "Terminating: --without-operator lets go of it. Then all its volumes stay, and its entries in Keeper. It is refused\n"
     "while an operator lives that can do it.\n\n"
     "  chfleet delete chi demo --wait\n"
     "  chfleet delete chi demo --without-operator --wait\n"
     "  chfleet delete -f cluster.yaml",
     delete_options, 0, -1, false, cmd_delete},
    {"status", "[NAME…]", "What each host is doing, and why it waits",
     "For each installation: its state, the operation that runs, and per host the action, the step, the reason code of a\n"
     "wait (WAIT_PEER, WAIT_CATCHUP …), since when, and the version that really runs beside what the image says.\n\n"
     "  chfleet status\n"
     "  chfleet status demo --watch\n"
     "  chfleet status -o json | jq .installations[].hosts[]",
     status_options, 0, -1, false, cmd_status},
    {"plan", "[NAME…]", "What would be done, without doing it",
     "Compares what is wanted with what is live, by the code the operator itself plans with: per host one action and its\n"
     "reason, waves, warnings, and refusals with the YAML that would allow them.\n\n"
     "  chfleet plan -f changed.yaml       before applying it\n"
     "  chfleet plan demo                  what is still to be done\n\n"
     "Exit code 3: the plan holds a refusal, so nothing of it would be done.",
     plan_options, 0, -1, false, cmd_plan},
    {"history", "[NAME | OPERATION]", "What was done",
     "Operations from the operator's journal, newest first; with the number of an operation, each of its steps.\n\n"
     "  chfleet history\n"
     "  chfleet history demo --limit 5\n"
     "  chfleet history 17",
     history_options, 0, 1, false, cmd_history},
    {"why", "[NAME]", "Why something waits or was refused",
     "Decisions and incidents from the operator's journal: what waits for what, since when, and what happened that should\n"
     "not have. Where the journal is elsewhere (on a cluster), from the status of the installations and from Events.\n\n"
     "  chfleet why demo\n"
     "  chfleet why demo/main/0            only this shard",
     why_options, 0, 1, false, cmd_why},
    {"hold", "NAME [HOST]", "Take nothing out for now",
     "Until chfleet release, nothing of the installation (or of this host) that serves is taken out for a change; what is\n"
     "out already comes back. A running upgrade stands still between two hosts. Stop, removal and deletion are your own\n"
     "word and are not held. It is the annotation chfleet.io/hold, so it outlives the operator.\n\n"
     "  chfleet hold demo --reason INC-1234\n"
     "  chfleet hold demo main/0/1 --reason backup",
     hold_options, 1, 2, false, cmd_hold},
    {"release", "NAME [HOST]", "Let changes go on",
     "Changes of the installation (or of this host) go on.\n\n"
     "  chfleet release demo",
     no_options, 1, 2, false, cmd_release},
    {"retry", "NAME", "Try again what failed",
     "After a failed change nothing else that serves is taken out until the spec changes. When not the spec was wrong but\n"
     "the world around it (a registry, a disk, a quota), put that right, then say so with this. It is the annotation\n"
     "chfleet.io/command: retry.\n\n"
     "  chfleet retry demo",
     no_options, 1, 1, false, cmd_retry},
    {"logs", "HOST", "Print a server's log",
     "HOST is a pod, or a host as chfleet status shows it (main/0/1, or demo/main/0/1 when several fit).\n\n"
     "  chfleet logs main/0/1 -f\n"
     "  chfleet logs chi-demo-main-0-1-0 --tail 50\n"
     "  chfleet logs main/0/1 --previous   why did it stop?",
     logs_options, 1, 1, false, cmd_logs},
    {"exec", "HOST -- COMMAND…", "Run a command beside a server",
     "Runs it in the server's container, with its environment. The exit code is the command's own.\n\n"
     "  chfleet exec main/0/0 -- clickhouse-client -q 'SELECT version()'\n"
     "  chfleet exec -it main/0/0 -- sh",
     exec_options, 2, -1, true, cmd_exec},
    {"explain", "[FIELD | TABLE]", "Explain a field, or the steps of an action",
     "A field of a resource: its meaning, type and default. A step table: what is done to a host for an action, in order,\n"
     "with deadlines and what must be true first.\n\n"
     "  chfleet explain chi.spec.configuration.clusters\n"
     "  chfleet explain chk\n"
     "  chfleet explain restart            the steps of a restart\n"
     "  chfleet explain chk --tree         all fields of a kind\n"
     "  chfleet explain                    what there is",
     explain_options, 0, 1, false, cmd_explain},
    {"kubeconfig", "", "Where the kubeconfig of this machine's plane is",
     "  export KUBECONFIG=$(chfleet kubeconfig)\n"
     "  kubectl get chi                    kubectl works on it too",
     kubeconfig_options, 0, 0, false, cmd_kubeconfig},
    {"dump", "", "Collect everything for a bug report",
     "Writes one tar archive: resources, objects, status, history, decisions, incidents and logs of the operator. Passwords\n"
     "and Secrets are left out.\n\n"
     "  chfleet dump\n"
     "  chfleet dump -f - | gzip > dump.tar.gz",
     dump_options, 0, 0, false, cmd_dump},
    {"version", "", "Versions of chfleet and of what it talks to",
     "  chfleet version\n"
     "  chfleet version -o json",
     version_options, 0, 0, false, cmd_version},
    {"completion", "SHELL", "Completion for bash or zsh",
     "Prints a script for the shell. Packages install it; otherwise:\n\n"
     "  source <(chfleet completion bash)\n"
     "  chfleet completion zsh > ~/.zfunc/_chfleet",
     NULL, 1, 1, false, cmd_completion},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, false, NULL},
};
