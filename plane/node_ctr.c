/* SPDX-License-Identifier: Apache-2.0 */
/* One container: prepared, given to a shim, watched over the shim's line, stopped. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/node_priv.h"

enum { LAUNCH_MS = 10000, SHIM_BUSY = 3, AGAIN_MS = 200, FAILED_AGAIN_MS = 5000, RELAUNCH_MS = 50, POST_START_MS = 600000 };

static void attach(struct node_ctr *c);

static void attach_timer(void *ctx)
{
    struct node_ctr *c = ctx;

    c->retry = NULL;
    attach(c);
}

void ctr_init(struct node_ctr *c, struct node_pod *p, const cJSON *spec, bool init)
{
    c->pod = p;
    c->spec = spec;
    c->name = mem_str(json_str(spec, "name", ""));
    c->dir = mem_printf("%s/containers/%s", p->dir, c->name);
    c->init = init;
    link_init(&c->link);
    probes_init(c);
    ctr_wait_set(c, "ContainerCreating", NULL);
}

void ctr_fini(struct node_ctr *c)
{
    probes_fini(c);
    hook_forget(c, HOOK_POST_START);
    hook_forget(c, HOOK_PRE_STOP);
    link_close(c);
    node_run_forget(c->pod->node, c);
    world_timer_stop(c->pod->node->w, &c->retry);
    if (c->pod->node->zk_restarting == c)
        c->pod->node->zk_restarting = NULL;
    container_plan_fini(&c->plan);
    free(c->loaded);
    free(c->wait_message);
    free(c->words);
    free(c->name);
    free(c->dir);
}

void ctr_wait_set(struct node_ctr *c, const char *reason, const char *message)
{
    char *text = mem_str(message); /* may be the old one */

    snprintf(c->wait_reason, sizeof c->wait_reason, "%s", reason);
    free(c->wait_message);
    c->wait_message = text;
}

bool ctr_running(const struct node_ctr *c)
{
    return c->known && c->st.pid > 0 && (c->st.phase == SHIM_RUNNING || c->st.phase == SHIM_STOPPING) &&
           strcmp(c->st.boot, c->pod->node->boot) == 0;
}

static bool ended(const struct node_ctr *c)
{
    return c->known && c->st.phase == SHIM_EXITED && c->st.last_pid > 0;
}

bool ctr_done_well(const struct node_ctr *c)
{
    return ended(c) && c->st.exit_code == 0;
}

/* The restart policy asks for no further start. Init containers of pods that always restart are run until they end
 * well. */
static bool finished(const struct node_ctr *c)
{
    const char *policy = json_str(c->pod->obj, "spec.restartPolicy", "Always");

    if (!ended(c))
        return false;
    if (strcmp(policy, "Never") == 0)
        return true;
    return c->st.exit_code == 0 && (c->init || strcmp(policy, "OnFailure") == 0);
}

/* ---- prepare ---- */

static void cannot(struct node_ctr *c, const char *reason, const struct err *e)
{
    if (strcmp(c->wait_reason, reason) != 0 || !str_eq(c->wait_message, e->msg))
        pod_event(c->pod, true, "Failed", "%s: %s", reason, e->msg);
    ctr_wait_set(c, reason, e->msg);
    world_timer_stop(c->pod->node->w, &c->retry);
    c->retry = world_timer(c->pod->node->w, FAILED_AGAIN_MS, attach_timer, c);
}

static int find_program(struct node_ctr *c, struct err *err)
{
    const char *image = json_str(c->spec, "image", "");
    auto_str struct str text = STR_INIT;

    c->program = programs_find(c->pod->node->programs, image);
    if (c->program)
        return 0;
    programs_missing_text(image, &text);
    return err_set(err, ERR_MISSING, 0, "%s", str_text(&text));
}

static int write_spec(struct node_ctr *c, struct shim_spec *spec, struct err *err)
{
    auto_str struct str text = STR_INIT;

    if (c->init)
        spec->restart = strcmp(json_str(c->pod->obj, "spec.restartPolicy", "Always"), "Never") == 0
                            ? SHIM_RESTART_NEVER
                            : SHIM_RESTART_ON_FAILURE;
    shim_spec_encode(spec, &text);
    return program_write(c->dir, "spec", text.s, text.len, 0600, NULL, err);
}

static int prepare(struct node_ctr *c, const char **reason, struct err *err)
{
    struct container_run r = {
        .pod = c->pod->obj, .container = c->spec, .dir = c->dir, .port = node_port, .port_ctx = c->pod->node};
    struct container_plan plan;
    struct shim_spec spec;
    int rc = -1;

    *reason = "ProgramMissing";
    if (find_program(c, err) < 0)
        return -1;
    *reason = "CreateContainerConfigError";
    if (hooks_check(c, err) == 0 && ctr_mounts(c, &r.maps, err) == 0 && ctr_environment(c, &r.env, err) == 0 && program_mkdirs(c->dir, err) == 0) {
        rc = container_prepare(c->program, &r, &spec, &plan, err);
        if (rc < 0 && err->kind == ERR_MISSING)
            *reason = "ProgramMissing";
    }
    if (rc == 0) {
        rc = write_spec(c, &spec, err);
        container_plan_fini(&c->plan);
        c->plan = plan;
        c->prepared = true;
        shim_spec_fini(&spec);
    }
    env_free(r.env);
    path_maps_fini(&r.maps);
    return rc;
}

/* ---- shim ---- */

static void launched(void *ctx, int status, const char *out, const char *errtext)
{
    struct node_ctr *c = ctx;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    struct err e = ERR_INIT;

    (void)out;
    c->launching = false;
    if (code == 0) {
        attach(c);
    } else if (code == SHIM_BUSY) { /* the old one is just going */
        world_timer_stop(c->pod->node->w, &c->retry);
        c->retry = world_timer(c->pod->node->w, AGAIN_MS, attach_timer, c);
    } else {
        err_set(&e, ERR_SYS, 0, "%s did not start: %.200s", c->pod->node->shim, errtext);
        cannot(c, "RunContainerError", &e);
        pod_write_status(c->pod);
    }
}

static void launch(struct node_ctr *c)
{
    const char *const argv[] = {c->pod->node->shim, c->dir, NULL};

    if (c->launching)
        return;
    c->launching = true;
    node_run(c->pod->node, c, argv, NULL, LAUNCH_MS, launched);
}

/* No shim listens. What is in the files says whether one is needed: to run, or only to adopt what must be stopped. */
static bool shim_needed(struct node_ctr *c)
{
    struct shim_state st;
    bool alive = false;

    if (shim_last_state(c->dir, &st, &alive, NULL) == 0) {
        c->st = st;
        c->known = true;
        if (strcmp(st.boot, c->pod->node->boot) != 0 && st.phase != SHIM_EXITED)
            c->st.pid = 0; /* of another boot */
    }
    if (c->stopping || pod_deleted(c->pod))
        return alive;
    return !finished(c);
}

/* A new plane knows what runs before the shim's first line, so that nobody sees a pod go that did not. */
static void know_from_files(struct node_ctr *c)
{
    struct shim_state st;
    bool alive = false;

    if (c->known || shim_last_state(c->dir, &st, &alive, NULL) < 0 || !alive)
        return;
    c->st = st;
    c->known = true;
    ctr_state(c);
}

static void attach(struct node_ctr *c)
{
    enum shim_phase phase = c->st.phase;
    int64_t last = c->st.last_pid;
    const char *reason = "";
    struct err e = ERR_INIT;

    world_timer_stop(c->pod->node->w, &c->retry);
    if (c->link.fd >= 0 || c->launching || c->over)
        return;
    know_from_files(c);
    if (link_open(c, &e) == 0) {
        if (c->stopping)
            link_say(c, "stop %" PRIu64 "\n", c->stop_ms);
        return;
    }
    if (!shim_needed(c)) {
        if (c->st.phase != phase || c->st.last_pid != last) /* it ended before anybody could listen */
            pod_soon(c->pod, 0);
        if (c->stopping || pod_deleted(c->pod)) {
            c->over = true;
            pod_soon(c->pod, 0);
        }
        return;
    }
    e = (struct err)ERR_INIT;
    if (!c->stopping && prepare(c, &reason, &e) < 0) {
        cannot(c, reason, &e);
        pod_write_status(c->pod);
        return;
    }
    launch(c);
}

void ctr_run(struct node_ctr *c)
{
    const char *reason = "";
    struct err e = ERR_INIT;

    if (c->link.fd >= 0 || c->launching || c->retry || c->over || finished(c))
        return;
    if (!c->prepared && prepare(c, &reason, &e) < 0) {
        cannot(c, reason, &e);
        return;
    }
    attach(c);
}

void ctr_link_lost(struct node_ctr *c)
{
    /* The shim is gone: it ended with its server (its last word said so), or somebody killed it. attach() sorts that
     * out. */
    world_timer_stop(c->pod->node->w, &c->retry);
    c->retry = world_timer(c->pod->node->w, ended(c) ? AGAIN_MS : RELAUNCH_MS, attach_timer, c);
    if (c->stopping && ended(c)) {
        world_timer_stop(c->pod->node->w, &c->retry);
        c->over = true;
    }
    pod_soon(c->pod, 0);
}

/* ---- ZooKeeper members load their list only at start: one after the other ---- */

static void note_loaded(struct node_ctr *c)
{
    if (!c->plan.restart_on_change || !ctr_running(c) || c->loaded_pid == c->st.pid)
        return;
    free(c->loaded);
    c->loaded = mem_str(c->plan.digest);
    c->loaded_pid = c->st.pid;
}

static struct node_ctr *next_stale(struct node *n)
{
    struct node_pod *p;

    LIST_FOREACH(p, &n->pods, link)
        for (size_t i = 0; i < p->n_ctrs && p->stage == POD_RUNS; i++) {
            struct node_ctr *c = &p->ctrs[i];

            if (c->plan.restart_on_change && ctr_running(c) && c->loaded && !str_eq(c->loaded, c->plan.digest))
                return c;
        }
    return NULL;
}

static void zk_turn(void *ctx)
{
    struct node *n = ctx;
    struct node_ctr *c = n->zk_restarting;

    n->zk_turn = NULL;
    if (c && !c->stopping && (!c->ready || !str_eq(c->loaded, c->plan.digest))) {
        n->zk_turn = world_timer(n->w, AGAIN_MS, zk_turn, n);
        return;
    }
    n->zk_restarting = c = next_stale(n);
    if (!c)
        return;
    pod_event(c->pod, false, "ConfigChanged",
              "the members of the ensemble changed: ZooKeeper is restarted to load them");
    ctr_restart(c, pod_grace_ms(c->pod));
    n->zk_turn = world_timer(n->w, AGAIN_MS, zk_turn, n);
}

void ctr_refresh(struct node_ctr *c)
{
    const char *reason = "";
    struct err e = ERR_INIT;
    struct node *n = c->pod->node;

    if (c->stopping || c->over)
        return;
    if (prepare(c, &reason, &e) < 0) { /* the server goes on with what it has */
        pod_event(c->pod, true, "FailedConfigUpdate", "container %s: %s", c->name, e.msg);
        return;
    }
    if (!c->known)
        attach(c);
    if (c->plan.restart_on_change && !n->zk_turn && next_stale(n))
        n->zk_turn = world_timer(n->w, 0, zk_turn, n);
}

/* ---- what the shim said ---- */

static void post_start_done(struct node_ctr *c, const char *why)
{
    if (!why)
        return;
    pod_event(c->pod, true, "FailedPostStartHook", "container %s: postStart hook: %s", c->name, why);
    ctr_restart(c, pod_grace_ms(c->pod));
}

static void server_changed(struct node_ctr *c)
{
    c->probed_pid = c->st.pid;
    c->probed_start = c->st.start;
    hook_forget(c, HOOK_POST_START);
    if (c->st.pid && !ctr_in_status(c, NULL, NULL)) { /* else a plane before this one has told of it */
        pod_event(c->pod, false, "Started", "Started container %s (%s, pid %" PRId64 ")", c->name,
                  c->plan.binary ? c->plan.binary : "?", c->st.pid);
        hook_run(c, HOOK_POST_START, POST_START_MS, post_start_done);
    }
    probes_server_changed(c);
}

/* Looks once for the reason of each end. */
static void note_words(struct node_ctr *c)
{
    if (!c->st.last_pid || (c->words && c->words_pid == c->st.last_pid && c->words_start == c->st.last_start))
        return;
    free(c->words);
    c->words = ctr_last_words(c);
    c->words_pid = c->st.last_pid;
    c->words_start = c->st.last_start;
    if (c->st.phase == SHIM_WAITING && c->st.exit_code != 0)
        pod_event(c->pod, true, "BackOff", "Back-off restarting container %s: it ended with %d%s%s", c->name,
                  c->st.exit_code, *c->words ? ": " : "; see its log", c->words);
}

static void note_end(struct node_ctr *c)
{
    if (c->st.phase != SHIM_WAITING && c->st.phase != SHIM_EXITED)
        return;
    note_words(c);
    if (!c->st.last_pid) { /* its first start waits for a Keeper */
        ctr_wait_set(c, "ContainerCreating", "it starts when its Keeper answers, or in a while without");
        return;
    }
    ctr_wait_set(c, strcmp(c->st.reason, "StartError") == 0 ? "RunContainerError" : "CrashLoopBackOff",
                 c->words ? c->words : c->st.message);
}

void ctr_state(struct node_ctr *c)
{
    note_loaded(c);
    if (c->st.pid != c->probed_pid || (c->st.pid && c->st.start != c->probed_start))
        server_changed(c);
    note_end(c);
    pod_soon(c->pod, 0);
}

/* ---- stop ---- */

void ctr_stop(struct node_ctr *c, uint64_t grace_ms)
{
    bool first = !c->stopping;

    if (c->over || (!first && grace_ms >= c->stop_ms))
        return;
    c->stopping = true;
    c->stop_ms = grace_ms;
    if (first)
        world_timer_stop(c->pod->node->w, &c->retry);
    if (c->link.fd >= 0)
        link_say(c, "stop %" PRIu64 "\n", grace_ms);
    else
        attach(c);
}

void ctr_restart(struct node_ctr *c, uint64_t grace_ms)
{
    if (!c->stopping)
        link_say(c, "restart %" PRIu64 "\n", grace_ms);
}
