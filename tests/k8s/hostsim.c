/* SPDX-License-Identifier: Apache-2.0 */
/* hostsim: see hostsim.h. Runs inside the network of tests/k8s/lib.sh, where its subnet is local. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tests/k8s/hostsim_impl.h"

static const char usage[] =
    "hostsim: kubelet, servers, Keeper and DNS for ClickHouse pods on simulated nodes\n\n"
    "  --kubeconfig FILE   of the API server\n"
    "  --subnet A.B        addresses of pods: A.B.0.0/16, local here (default 10.72)\n"
    "  --control PORT      page for looking and for orders, on 127.0.0.1\n"
    "  --dns PORT          answers names of Services, on 127.0.0.1\n"
    "  --log-level L       error, warning, notice, info (default) or debug\n";

static int parse(int argc, char **argv, struct hostsim_options *o, int *level)
{
    static const struct option longs[] = {{"kubeconfig", 1, NULL, 'k'}, {"subnet", 1, NULL, 's'}, {"control", 1, NULL, 'c'},
                                          {"dns", 1, NULL, 'd'},        {"log-level", 1, NULL, 'l'}, {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'k')
            o->kubeconfig = optarg;
        else if (c == 's')
            o->subnet = optarg;
        else if (c == 'c')
            o->control_port = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'd')
            o->dns_port = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'l')
            *level = log_level_parse(optarg);
        else
            return -1;
    }
    return o->kubeconfig && optind == argc && *level >= 0 ? 0 : -1;
}

static void on_state(void *ctx, struct chost *h, enum chost_state was)
{
    struct hostsim *hs = ctx;

    watch_state(hs, h, was);
    if (chost_state(h) == CHOST_UP)
        http_open(hs, h);
    else if (chost_state(h) == CHOST_DOWN)
        http_close(hs, h);
    pods_state(hs, h, was);
}

static void on_exited(void *ctx, struct chost *h, int code)
{
    pods_exited(ctx, h, code);
}

static void on_unknown(void *ctx, struct chost *h, const char *statement)
{
    struct hostsim *hs = ctx;

    hs->seen.unknown++;
    watch_note(hs, "%s does not know this statement: %s", chost_pod(h), statement);
}

static struct chost *resolve(void *ctx, const char *ns, const char *name)
{
    struct hpod *p;

    return dns_pods(ctx, ns, name, &p, 1) == 1 ? p->host : NULL;
}

static void on_signal(void *ctx, int signo)
{
    struct hostsim *hs = ctx;

    (void)signo;
    hs->w->ops->quit(hs->w, 0);
}

static int start(struct hostsim *hs, struct err *err)
{
    const struct hosts_hooks hooks = {on_state, on_exited, on_unknown, hs};
    const struct kube_limits limits = {.qps = 5000, .burst = 5000};
    struct kube_config *kc = NULL;
    struct hosts_knobs *k;

    if (world_real_new(NULL, &hs->w, err) < 0 || kube_config_load(hs->w, hs->o.kubeconfig, &kc, err) < 0)
        return -1;
    hs->base = world_real_base(hs->w);
    hs->kube = kube_new(hs->w, kc, &limits);
    hs->sim = hs_sim_new(hs->w);
    hs->hosts = hosts_new(hs->sim, &hooks);
    hosts_resolver(hs->hosts, resolve);
    hs->seen.notes = cJSON_CreateArray();
    hs->seen.armed = cJSON_CreateObject();
    hs->seen.counts = cJSON_CreateObject();
    hs->seen.secure = cJSON_CreateObject();
    hs->tls = hs_tls_new();
    hs->orders = cJSON_CreateObject();
    k = hosts_knobs(hs->hosts);
    *k = (struct hosts_knobs){.mount_max_ms = 1000,
                              .start_max_ms = 100,
                              .catchup_max_ms = 500,
                              .lie_ms = 2000,
                              .version_by_tag = true,
                              .epoch_s = world_wall(hs->w) / 1000};
    if (ensemble_open(hs, err) < 0 || (hs->o.dns_port && dns_open(hs, err) < 0) ||
        (hs->o.control_port && control_open(hs, err) < 0))
        return -1;
    pods_start(hs);
    world_real_signal(hs->w, SIGTERM, on_signal, hs);
    world_real_signal(hs->w, SIGINT, on_signal, hs);
    return 0;
}

int main(int argc, char **argv)
{
    struct hostsim hs = {.o = {.subnet = "10.72", .probe_ms = 100}};
    struct rlimit files;
    struct err err = ERR_INIT;
    int level = LOG_INFO;

    if (parse(argc, argv, &hs.o, &level) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    log_init("hostsim", (enum log_level)level);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (start(&hs, &err) < 0) {
        log_error(NULL, "%s", err.msg);
        return 1;
    }
    return world_real_run(hs.w); /* the kernel takes what is left */
}
