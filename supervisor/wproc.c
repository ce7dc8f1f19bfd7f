/* SPDX-License-Identifier: Apache-2.0 */
/* Worker processes: begun for a task or a list, watched while they are silent, ended; and what becomes of their task.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/link.h"

enum { TASK_TRIES = 8 };

static void retry(void *ctx)
{
    struct task *t = ctx;

    t->retry = NULL;
    op_run_ready_tasks(t->inst);
}

static void task_lost(struct task *t, int status)
{
    struct super *s = t->inst->s;

    t->wp = NULL;
    t->state = TASK_WAIT;
    if (s->stopping)
        return;
    super_incident(s, t->inst, NULL, "WORKER_DIED", "the worker of %s ended (status %d) and its task is taken up again",
                   t->object, status);
    if (++t->tries > TASK_TRIES) {
        t->state = TASK_FAILED;
        free(t->error);
        t->error = mem_printf("%s: its worker died %u times", t->object, t->tries);
        op_task_over(t->inst, t);
        return;
    }
    t->retry = world_timer(s->w, t->tries < 2 ? 0 : 100ull << t->tries, retry, t);
}

static void on_exit_status(void *ctx, int status)
{
    struct wproc *wp = ctx;
    struct super *s = wp->inst->s;
    struct inst *in = wp->inst;
    struct task *t = wp->task;
    bool membership = wp->membership;

    if (t)
        t->wp = NULL;
    governor_drop(wp);
    for (struct wproc **at = &s->wprocs; *at; at = &(*at)->next)
        if (*at == wp) {
            *at = wp->next;
            break;
        }
    s->n_workers--;
    in->pending--;
    if (membership && in->member_wp == wp)
        member_worker_gone(in);
    free(wp->name);
    free(wp);
    if (t)
        task_lost(t, status);
    op_run_ready_tasks(in);
    if (!inst_busy(in) && in->kicked)
        inst_kick(in, 0);
}

int wproc_start(struct inst *in, struct task *t, bool membership, struct err *err)
{
    struct super *s = in->s;
    struct wproc *wp = mem_zero(sizeof *wp);
    auto_free char *lock = NULL;
    struct world_worker_args args;

    *wp = (struct wproc){.inst = in, .task = t, .membership = membership, .generation = ++s->worker_generation};
    wp->name = membership ? mem_printf("%s/membership", in->key) : mem_str(t->object);
    if (*s->opt.data_dir) {
        auto_free char *flat = mem_str(wp->name);

        for (char *p = flat; *p; p++)
            if (*p == '/')
                *p = '+';
        lock = mem_printf("%s/locks/%s", s->opt.data_dir, flat);
    }
    args = (struct world_worker_args){wp->name, wp->generation, lock ? lock : ""};
    wp->proc = s->w->ops->spawn(s->w, &args, &link_cbs, on_exit_status, wp, &wp->chan, err);
    if (!wp->proc) {
        free(wp->name);
        free(wp);
        return -1;
    }
    wp->next = s->wprocs;
    s->wprocs = wp;
    s->n_workers++;
    in->pending++;
    if (t)
        t->wp = wp;
    if (membership)
        in->member_wp = wp;
    link_send_task(wp);
    if (t && in->superseding && !in->s->stopping)
        link_stop(wp, "a newer generation", false);
    return 0;
}

void wproc_kill(struct wproc *wp, const char *why)
{
    struct super *s = wp->inst->s;

    if (wp->task)
        log_warn(wp->name, "worker is killed: %s", why);
    s->n_worker_kills++;
    if (wp->inst->member_wp == wp && wp->inst->state != INST_RUNNING) {
        wp->inst->member_wp = NULL;
        wp->inst->member_unknown |= wp->inst->member_running != 0;
        wp->inst->member_running = 0;
    }
    if (wp->proc)
        s->w->ops->kill(s->w, wp->proc);
}

/* Workers that hang: a step over its deadline, or silence. They speak twice in that time also while they wait for us.
 */
void wproc_watchdog(struct super *s)
{
    uint64_t now = world_mono(s->w);
    bool slept = s->watched_ms && now - s->watched_ms > WORKER_SILENT_MS / 2; /* it is we who did not listen */

    s->watched_ms = now;
    for (struct wproc *wp = s->wprocs, *next; wp; wp = next) {
        next = wp->next;
        if (!wp->proc || (!wp->task && !wp->membership))
            continue;
        if (slept)
            wp->last_frame_ms = now;
        if (wp->permits && wp->step_deadline_ms) /* it waits for us: its own time begins after that */
            wp->step_deadline_ms = now + wp->step_limit_ms;
        if (wp->step_deadline_ms && now > wp->step_deadline_ms) {
            super_incident(s, wp->inst, NULL, "WORKER_HANGS",
                           "the worker of %s passed the deadline of its step and is killed", wp->name);
            wp->step_deadline_ms = 0;
            wproc_kill(wp, "over the deadline of its step");
        } else if (wp->task && now > wp->last_frame_ms + WORKER_SILENT_MS) {
            super_incident(s, wp->inst, NULL, "WORKER_HANGS", "the worker of %s says nothing for %d s and is killed",
                           wp->name, WORKER_SILENT_MS / 1000);
            wp->last_frame_ms = now;
            wproc_kill(wp, "silent");
        }
    }
}
