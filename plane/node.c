/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/node_priv.h"

enum { FIRST_PORT = 34200, LAST_PORT = 39999 };

struct node_pod *node_find(struct node *n, const char *uid)
{
    struct node_pod *p;

    LIST_FOREACH(p, &n->pods, link)
        if (strcmp(p->uid, uid) == 0)
            return p;
    return NULL;
}

/* ---- programs that are run for a moment ---- */

struct node_run_ref {
    struct node_run_ref *next;
    struct node *node;
    void *owner; /* NULL = forgotten */
    node_run_fn *fn;
};

static void unlink_ref(struct node_run_ref *ref)
{
    struct node_run_ref **p = &ref->node->run_refs;

    while (*p && *p != ref)
        p = &(*p)->next;
    if (*p)
        *p = ref->next;
}

static void run_done(void *ctx, int status, const char *out, const char *errtext)
{
    struct node_run_ref *ref = ctx;

    if (ref->node)
        unlink_ref(ref);
    if (ref->owner)
        ref->fn(ref->owner, status, out, errtext);
    free(ref);
}

void node_run(struct node *n, void *owner, const char *const *argv, const char *const *env, uint32_t total_ms,
              node_run_fn *fn)
{
    struct node_run_ref *ref = mem_zero(sizeof *ref);

    *ref = (struct node_run_ref){n->run_refs, n, owner, fn};
    n->run_refs = ref;
    n->w->ops->run(n->w, argv, env, total_ms, run_done, ref);
}

void node_run_forget(struct node *n, const void *owner)
{
    for (struct node_run_ref *ref = n->run_refs; ref; ref = ref->next)
        if (ref->owner == owner)
            ref->owner = NULL;
}

unsigned node_port(void *node, const char *name)
{
    return ports_get(((struct node *)node)->ports, name, 0);
}

/* ---- what the store says ---- */

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct node *n = ctx;
    struct node_pod *p = obj ? node_find(n, json_uid(obj)) : NULL;

    (void)old;
    if (what == STORE_SYNCED || !obj)
        return;
    if (what == STORE_GONE) { /* forced away, or our own end of it */
        if (p)
            pod_update(p, NULL);
        return;
    }
    if (!str_eq(json_str(obj, "spec.nodeName", NULL), n->p->node_name))
        return;
    if (!p)
        p = pod_new(n, obj);
    else
        pod_update(p, obj);
}

static void refresh_users(struct node *n, const char *what, const cJSON *obj)
{
    struct node_pod *p;

    LIST_FOREACH(p, &n->pods, link)
        if (strcmp(p->ns, json_ns(obj)) == 0 && pod_uses(p, what, json_name(obj)))
            pod_refresh(p);
}

static void on_configmap(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    (void)old;
    if (obj && what != STORE_GONE)
        refresh_users(ctx, "configMap", obj);
}

static void on_secret(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    (void)old;
    if (obj && what != STORE_GONE)
        refresh_users(ctx, "secret", obj);
}

static void on_claim(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    (void)old;
    if (obj && what != STORE_GONE)
        refresh_users(ctx, "claim", obj);
}

/* ---- directories nobody owns any more ---- */

static bool wanted_dir(struct node *n, const char *name)
{
    const char *uid = strrchr(name, '_');

    return uid && node_find(n, uid + 1);
}

static int stop_stray(const char *containers)
{
    DIR *d = opendir(containers);
    struct dirent *e;
    int left = 0;

    while (d && (e = readdir(d))) {
        auto_free char *dir = mem_printf("%s/%s", containers, e->d_name);
        struct shim_state st;
        bool alive = false;

        if (e->d_name[0] == '.')
            continue;
        if (shim_call(dir, "stop 30000", 1000, NULL) == 0) {
            left++;
        } else if (shim_last_state(dir, &st, &alive, NULL) == 0 && alive) {
            kill((pid_t)-st.pid, SIGTERM);
            left++;
        }
    }
    if (d)
        closedir(d);
    return left;
}

/* Once, after the first list of pods is complete: what a pod left behind that was deleted while no plane ran. */
static void sweep(void *ctx)
{
    struct node *n = ctx;
    auto_free char *pods = mem_printf("%s/pods", n->dir);
    DIR *d = opendir(pods);
    struct dirent *e;
    bool again = false;

    n->sweep_timer = NULL;
    while (d && (e = readdir(d))) {
        auto_free char *dir = mem_printf("%s/%s", pods, e->d_name), *ctrs = mem_printf("%s/containers", dir);
        struct err err = ERR_INIT;

        if (e->d_name[0] == '.' || wanted_dir(n, e->d_name))
            continue;
        if (stop_stray(ctrs) > 0) {
            log_note(e->d_name, "its pod is gone: stopping what still runs");
            again = true;
        } else if (node_remove_tree(dir, &err) < 0) {
            log_warn(NULL, "%s; remove it by hand", err.msg);
        }
    }
    if (d)
        closedir(d);
    if (again)
        n->sweep_timer = world_timer(n->w, 2000, sweep, n);
}

static void on_pod_list(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct node *n = ctx;

    on_pod(ctx, what, old, obj);
    if (what == STORE_SYNCED && !n->sweep_timer)
        n->sweep_timer = world_timer(n->w, 0, sweep, n);
}

/* ---- life ---- */

int node_new(struct plane *p, struct programs *programs, const char *shim, struct node **out, struct err *err)
{
    struct node *n = mem_zero(sizeof *n);
    auto_free char *own = mem_printf("%s/node", p->data_dir), *pods = mem_printf("%s/pods", p->data_dir);
    auto_free char *ports = mem_printf("%s/ports.json", own);

    n->p = p;
    n->w = p->w;
    n->s = p->store;
    n->programs = programs;
    n->shim = mem_str(shim);
    n->dir = mem_str(p->data_dir);
    snprintf(n->boot, sizeof n->boot, "%s", p->w->ops->boot_id(p->w));
    LIST_INIT(&n->pods);
    if (program_mkdirs(own, err) < 0 || program_mkdirs(pods, err) < 0) {
        node_free(n);
        return -1;
    }
    n->ports = ports_open(n->w, ports, FIRST_PORT, LAST_PORT);
    n->subs[0] = store_subscribe(n->s, PK_POD, on_pod_list, n);
    n->subs[1] = store_subscribe(n->s, PK_CM, on_configmap, n);
    n->subs[2] = store_subscribe(n->s, PK_SECRET, on_secret, n);
    n->subs[3] = store_subscribe(n->s, PK_PVC, on_claim, n);
    *out = n;
    return 0;
}

void node_free(struct node *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < sizeof n->subs / sizeof *n->subs; i++)
        store_unsubscribe(n->subs[i]);
    while (!LIST_EMPTY(&n->pods))
        pod_free(LIST_FIRST(&n->pods));
    for (struct node_run_ref *ref = n->run_refs; ref; ref = ref->next) {
        ref->owner = NULL;
        ref->node = NULL;
    }
    world_timer_stop(n->w, &n->sweep_timer);
    world_timer_stop(n->w, &n->zk_turn);
    programs_free(n->programs);
    ports_close(n->ports);
    free(n->shim);
    free(n->dir);
    free(n);
}
