/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet-exporter: wires the exporter to the real world. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/world_real.h"
#include "exporter/front.h"
#include "exporter/leader.h"
#include "exporter/program.h"
#include "schema/config_file.h"

enum { CONFIG_EVERY_MS = 5000 };

struct name_list {
    const char **v; /* ends with NULL */
    size_t n;
};

struct exporter {
    char *kubeconfig;
    const char *config_file, *address, *address_file;
    bool leader_only;
    struct name_list namespaces, exclude;
    cJSON *config;
    char *stamp; /* of the configuration file when it was read */
    struct world_timer *look;
    struct world *w;
    struct kube *kube;
    struct targets *targets;
    struct leader *leader;
    struct front *front;
};

static void add_names(struct name_list *l, const char *text)
{
    auto_free char *copy = mem_str(text);

    for (char *save = NULL, *ns = copy ? strtok_r(copy, ",: ", &save) : NULL; ns; ns = strtok_r(NULL, ",: ", &save)) {
        l->v = mem_grow(l->v, l->n + 2, sizeof *l->v);
        l->v[l->n++] = mem_str(ns);
        l->v[l->n] = NULL;
    }
}

static void free_names(struct name_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free((void *)l->v[i]);
    free(l->v);
}

static int take(void *ctx, const char *name, const char *value, struct err *err)
{
    struct exporter *x = ctx;

    if (strcmp(name, "kubeconfig") == 0 || strcmp(name, "data") == 0) {
        free(x->kubeconfig);
        x->kubeconfig = strcmp(name, "data") == 0 ? mem_printf("%s/plane/kubeconfig", value) : mem_str(value);
    } else if (strcmp(name, "config") == 0) {
        x->config_file = value;
    } else if (strcmp(name, "namespace") == 0) {
        add_names(&x->namespaces, value);
    } else if (strcmp(name, "exclude-namespace") == 0) {
        add_names(&x->exclude, value);
    } else if (strcmp(name, "metrics-address") == 0) {
        x->address = value;
    } else if (strcmp(name, "address-file") == 0) {
        x->address_file = value;
    } else if (strcmp(name, "leader-only") == 0) {
        x->leader_only = true;
    } else if (log_level_parse(value) < 0) {
        return err_set(err, ERR_INPUT, 0, "--log-level %s: write error, warning, notice, info or debug", value);
    } else {
        log_set_level((enum log_level)log_level_parse(value));
    }
    return 0;
}

static void environment(struct exporter *x)
{
    if (!x->namespaces.n)
        add_names(&x->namespaces, getenv("WATCH_NAMESPACES"));
    if (!x->namespaces.n)
        add_names(&x->namespaces, getenv("WATCH_NAMESPACE"));
    if (!x->exclude.n)
        add_names(&x->exclude, getenv("WATCH_NAMESPACES_EXCLUDE"));
    if (!x->config_file)
        x->config_file = getenv("CHOP_CONFIG");
}

static void on_signal(void *ctx, int signo)
{
    struct exporter *x = ctx;

    (void)signo;
    x->w->ops->quit(x->w, 0);
}

/* Six connections for each of the hosts that are asked at once. */
static void allow_files(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

/* A wrong file is told, and what was in force stays. */
static int read_config(struct exporter *x, struct err *err)
{
    auto_problems struct schema_problems notes = SCHEMA_PROBLEMS_INIT; /* the operator tells them */
    cJSON *config = NULL;

    if (!x->config_file)
        return 0;
    free(x->stamp);
    x->stamp = schema_config_stamp(x->config_file, x->config);
    if (schema_config_load(x->config_file, &config, &notes, err) < 0)
        return -1;
    cJSON_Delete(x->config);
    x->config = config;
    return 0;
}

static void look_at_config(void *ctx)
{
    struct exporter *x = ctx;
    auto_free char *stamp = schema_config_stamp(x->config_file, x->config);
    struct err err = ERR_INIT;

    x->look = world_timer(x->w, CONFIG_EVERY_MS, look_at_config, x);
    if (str_eq(stamp, x->stamp))
        return;
    if (read_config(x, &err) < 0)
        log_error(NULL, "%s; the configuration in force stays", err.msg);
    else
        targets_set_config(x->targets, x->config);
}

static bool leads(void *ctx)
{
    return leader_leads(ctx);
}

static int start(struct exporter *x, struct err *err)
{
    struct kube_config *kc = NULL;
    const char *ns = getenv("OPERATOR_POD_NAMESPACE"), *pod = getenv("OPERATOR_POD_NAME");
    struct targets_options to = {
        .namespaces = x->namespaces.v, .exclude = x->exclude.v, .operator_ns = ns && *ns ? ns : NULL};
    struct front_options fo = {.address = x->address, .address_file = x->address_file};

    if (x->leader_only && (!ns || !pod))
        return err_set(err, ERR_INPUT, 0, "--leader-only needs OPERATOR_POD_NAMESPACE and OPERATOR_POD_NAME in the environment");
    if (world_real_new(NULL, &x->w, err) < 0 || read_config(x, err) < 0 ||
        kube_config_load(x->w, x->kubeconfig, &kc, err) < 0)
        return -1;
    to.config = x->config;
    x->kube = kube_new(x->w, kc, NULL);
    if (targets_new(x->w, x->kube, &to, &x->targets, err) < 0)
        return -1;
    if (x->leader_only) {
        x->leader = leader_new(x->w, x->kube, ns, pod);
        fo.leading = leads;
        fo.ctx = x->leader;
    }
    if (front_open(world_real_base(x->w), x->w, x->targets, &fo, &x->front, err) < 0)
        return -1;
    if (x->config_file)
        x->look = world_timer(x->w, CONFIG_EVERY_MS, look_at_config, x);
    world_real_signal(x->w, SIGTERM, on_signal, x);
    world_real_signal(x->w, SIGINT, on_signal, x);
    log_note(NULL, "serving /metrics on %s", x->address);
    return 0;
}

static void stop(struct exporter *x)
{
    if (x->w)
        world_timer_stop(x->w, &x->look);
    front_close(x->front);
    leader_free(x->leader);
    targets_free(x->targets);
    kube_free(x->kube);
    if (x->w)
        world_real_free(x->w);
    cJSON_Delete(x->config);
    free(x->stamp);
    free_names(&x->namespaces);
    free_names(&x->exclude);
    free(x->kubeconfig);
}

int main(int argc, char **argv)
{
    struct exporter x = {.address = "127.0.0.1:8888"};
    struct err err = ERR_INIT;
    int code;

    log_init("chfleet-exporter", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (program_parse(&exporter_program, argc, argv, take, &x, &code)) {
        environment(&x);
        allow_files();
        if (start(&x, &err) < 0) {
            log_error(NULL, "%s", err.msg);
            code = err_exit_code(&err);
        } else {
            code = world_real_run(x.w);
        }
    }
    stop(&x);
    return code;
}
