/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/controllers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/api.h"
#include "plane/ctl.h"
#include "plane/ctl_volumes.h"
#include "plane/lb.h"
#include "plane/node.h"

enum { HEARTBEAT_MS = 300000, FIND_BALANCER_MS = 3000 };

struct controllers {
    struct plane *p;
    struct ctl_sts *sts;
    struct ctl_pvc *pvc;
    struct ctl_svc *svc;
    struct ctl_pdb *pdb;
    struct ctl_sched *sched;
    struct node *node;
    struct lb *lb;
    char *no_balancer; /* why there is none */
    cJSON *told;       /* object: Services that were told, by UID */
    struct world_timer *heartbeat, *balancer_timer;
};

/* ---- the Node object ---- */

static void add_size(cJSON *to)
{
    struct sysinfo info = {0};
    char memory[32];

    sysinfo(&info);
    snprintf(memory, sizeof memory, "%lluKi", (unsigned long long)info.totalram * info.mem_unit / 1024);
    json_set_str(to, "memory", memory);
    json_set_int(to, "cpu", sysconf(_SC_NPROCESSORS_ONLN));
    json_set_str(to, "pods", "1000");
}

static void add_info(struct plane *p, cJSON *status)
{
    cJSON *info = json_set_obj(status, "nodeInfo");
    struct utsname u;

    uname(&u);
    json_set_str(info, "architecture",
                 strcmp(u.machine, "x86_64") == 0    ? "amd64"
                 : strcmp(u.machine, "aarch64") == 0 ? "arm64"
                                                     : u.machine);
    json_set_str(info, "bootID", p->w->ops->boot_id(p->w));
    json_set_str(info, "containerRuntimeVersion", "chfleet://" PACKAGE_VERSION_TEXT);
    json_set_str(info, "kernelVersion", u.release);
    json_set_str(info, "kubeProxyVersion", "");
    json_set_str(info, "kubeletVersion", "chfleet-" PACKAGE_VERSION_TEXT);
    json_set_str(info, "machineID", "");
    json_set_str(info, "operatingSystem", "linux");
    json_set_str(info, "osImage", "this machine");
    json_set_str(info, "systemUUID", "");
}

static void add_condition(struct plane *p, const cJSON *node, cJSON *status, const char *type, const char *is,
                          const char *reason, const char *message)
{
    cJSON *c = cJSON_CreateObject(), *all = json_get(status, "conditions");
    const cJSON *old = ctl_condition(node, type);
    char now[32];

    store_now(p->store, now);
    json_set_str(c, "type", type);
    json_set_str(c, "status", is);
    json_set_str(c, "lastHeartbeatTime", now);
    json_set_str(c, "lastTransitionTime",
                 str_eq(json_str(old, "status", NULL), is) ? json_str(old, "lastTransitionTime", now) : now);
    json_set_str(c, "reason", reason);
    json_set_str(c, "message", message);
    cJSON_AddItemToArray(all ? all : json_set_arr(status, "conditions"), c);
}

static void add_balancer(struct controllers *c, const cJSON *node, cJSON *status)
{
    const char *trouble = c->lb ? lb_trouble(c->lb) : c->no_balancer;

    if (trouble)
        add_condition(c->p, node, status, "BalancerReady", "False", c->lb ? "HAProxyFailed" : "HAProxyMissing",
                      trouble);
    else
        add_condition(c->p, node, status, "BalancerReady", "True", "HAProxyFound", "Services are balanced by HAProxy");
}

static void add_addresses(struct plane *p, cJSON *status)
{
    const char *const all[][2] = {{"InternalIP", "127.0.0.1"}, {"Hostname", p->node_name}};
    cJSON *list = json_set_arr(status, "addresses");

    for (int i = 0; i < 2; i++) {
        cJSON *a = cJSON_CreateObject();

        json_set_str(a, "type", all[i][0]);
        json_set_str(a, "address", all[i][1]);
        cJSON_AddItemToArray(list, a);
    }
}

static void write_node_status(struct controllers *c)
{
    struct plane *p = c->p;
    const cJSON *node = store_get(p->store, PK_NODE, NULL, p->node_name);
    cJSON *st = cJSON_CreateObject();

    if (!node) {
        cJSON_Delete(st);
        return;
    }
    add_size(json_set_obj(st, "capacity"));
    add_size(json_set_obj(st, "allocatable"));
    add_condition(p, node, st, "Ready", "True", "KubeletReady", "the plane's node agent runs");
    add_balancer(c, node, st);
    add_addresses(p, st);
    add_info(p, st);
    ctl_write_status(p->store, PK_NODE, node, st);
}

static void beat(void *ctx)
{
    struct controllers *c = ctx;

    write_node_status(c);
    c->heartbeat = world_timer(c->p->w, HEARTBEAT_MS, beat, c);
}

static int make_node(struct plane *p, struct err *err)
{
    cJSON *node, *labels;

    if (store_get(p->store, PK_NODE, NULL, p->node_name))
        return 0;
    node = store_new_object(PK_NODE, NULL, p->node_name);
    labels = json_set_obj(json_get(node, "metadata"), "labels");
    json_set_str(labels, "kubernetes.io/hostname", p->node_name);
    json_set_str(labels, "kubernetes.io/os", "linux");
    json_set_str(labels, "topology.kubernetes.io/zone", "local");
    json_set_str(labels, "topology.kubernetes.io/region", "local");
    json_set_obj(node, "spec");
    return store_create(p->store, PK_NODE, node, STORE_SYSTEM, NULL, err);
}

static int make_class(struct plane *p, struct err *err)
{
    cJSON *sc;

    if (store_get(p->store, PK_STORAGECLASS, NULL, "directory"))
        return 0;
    sc = store_new_object(PK_STORAGECLASS, NULL, "directory");
    json_set_str(json_set_obj(json_get(sc, "metadata"), "annotations"), "storageclass.kubernetes.io/is-default-class",
                 "true");
    json_set_str(sc, "provisioner", "chfleet.io/directory");
    json_set_str(sc, "reclaimPolicy", "Delete");
    json_set_bool(sc, "allowVolumeExpansion", true);
    json_set_str(sc, "volumeBindingMode", "Immediate");
    return store_create(p->store, PK_STORAGECLASS, sc, STORE_SYSTEM, NULL, err);
}

/* ---- parts ---- */

/* chfleet-shim lies beside this program. Caller frees. */
static char *shim_path(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    if (n <= 0)
        return mem_str("chfleet-shim");
    self[n] = '\0';
    slash = strrchr(self, '/');
    *slash = '\0';
    return mem_printf("%s/chfleet-shim", self);
}

static int start_node(struct controllers *c, const char *shim, struct err *err)
{
    auto_free char *own = mem_printf("%s/programs.yaml", c->p->data_dir);
    struct programs *programs = NULL;
    void *node = NULL;

    if (c->p->programs_file && access(c->p->programs_file, R_OK) < 0)
        return err_set(err, ERR_INPUT, errno, "--programs %s cannot be read (%s)", c->p->programs_file,
                       strerror(errno));
    if (access(shim, X_OK) < 0)
        return err_set(err, ERR_MISSING, 0, "%s is not there: install chfleet-shim beside chfleet-plane", shim);
    if (programs_load(c->p->programs_file ? c->p->programs_file : own, &programs, err) < 0)
        return -1;
    if (node_new(c->p, programs, shim, &c->node, err) < 0)
        return -1;
    node = c->node;
    if (c->p->api)
        api_set_runtime(c->p->api, node_runtime(), node);
    return 0;
}

static void on_trouble(void *ctx)
{
    write_node_status(ctx);
}

static int tell_unbalanced(void *ctx, const cJSON *svc)
{
    struct controllers *c = ctx;

    if (!str_eq(json_str(svc, "spec.type", NULL), "LoadBalancer") || json_get(c->told, json_uid(svc)))
        return 0;
    json_set_bool(c->told, json_uid(svc), true);
    store_event(c->p->store, "balancer", svc, true, "BalancerFailed", "%s", c->no_balancer);
    return 0;
}

/* Without a balancer Services have EndpointSlices only, and it is looked for again. */
static void find_balancer(void *ctx)
{
    struct controllers *c = ctx;
    auto_free char *shim = shim_path();
    struct err e = ERR_INIT;

    c->balancer_timer = NULL;
    if (lb_new(c->p, shim, &c->lb, &e) == 0) {
        lb_on_trouble(c->lb, on_trouble, c);
        ctl_svc_free(c->svc);
        c->svc = ctl_svc_new(c->p, lb_real(), c->lb);
        write_node_status(c);
        return;
    }
    if (!str_eq(c->no_balancer, e.msg)) {
        log_warn(NULL, "no balancer: %s", e.msg);
        free(c->no_balancer);
        c->no_balancer = mem_str(e.msg);
        write_node_status(c);
    }
    if (!c->svc)
        c->svc = ctl_svc_new(c->p, NULL, NULL);
    store_each(c->p->store, PK_SVC, NULL, NULL, tell_unbalanced, c);
    c->balancer_timer = world_timer(c->p->w, FIND_BALANCER_MS, find_balancer, c);
}

int controllers_start(struct plane *p, struct err *err)
{
    struct controllers *c = mem_zero(sizeof *c);
    auto_free char *shim = shim_path();

    c->p = p;
    c->told = cJSON_CreateObject();
    p->controllers = c;
    if (make_node(p, err) < 0 || make_class(p, err) < 0 || start_node(c, shim, err) < 0) {
        controllers_stop(p);
        return -1;
    }
    c->sched = ctl_sched_new(p);
    c->pvc = ctl_pvc_new(p, ctl_volumes(), p);
    c->sts = ctl_sts_new(p);
    c->pdb = ctl_pdb_new(p);
    find_balancer(c);
    beat(c);
    return 0;
}

void controllers_stop(struct plane *p)
{
    struct controllers *c = p->controllers;

    if (!c)
        return;
    if (p->api)
        api_set_runtime(p->api, NULL, NULL);
    world_timer_stop(p->w, &c->heartbeat);
    world_timer_stop(p->w, &c->balancer_timer);
    ctl_svc_free(c->svc);
    ctl_pdb_free(c->pdb);
    ctl_sts_free(c->sts);
    ctl_pvc_free(c->pvc);
    ctl_sched_free(c->sched);
    node_free(c->node);
    lb_free(c->lb);
    cJSON_Delete(c->told);
    free(c->no_balancer);
    free(c);
    p->controllers = NULL;
}
