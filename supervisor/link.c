/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's end of the worker sockets: tasks and facts go out, requests come in and are answered once each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/link.h"

enum { MEMBERSHIP_SLACK_S = 180 };

struct pending {
    struct super *s;
    struct wproc *wp;
    uint64_t generation; /* of the worker: a new one may sit at the same address */
    uint32_t seq;
};

/* ---- out ---- */

void link_send(struct wproc *wp, uint16_t type, uint32_t seq, const char *text)
{
    if (wp->chan)
        wp->inst->s->w->ops->chan_send(wp->inst->s->w, wp->chan, type, wp->task ? wp->task->id : 0, seq, text,
                                       strlen(text));
}

static void send_json(struct wproc *wp, uint16_t type, uint32_t seq, const cJSON *body)
{
    auto_free char *text = json_print(body);

    link_send(wp, type, seq, text);
}

void link_answer(struct wproc *wp, uint32_t seq, const cJSON *data, const struct err *err)
{
    auto_json cJSON *j = cJSON_CreateObject();

    json_set_bool(j, "ok", err == NULL);
    if (data)
        json_set(j, "data", json_copy(data));
    if (err) {
        json_set_str(j, "kind", err_kind_name(err->kind));
        json_set_str(j, "message", err->msg);
    }
    send_json(wp, MSG_ANSWER, seq, j);
}

void link_send_task(struct wproc *wp)
{
    auto_json cJSON *j = tasktext_make(wp);

    tell_begin(wp);
    send_json(wp, MSG_TASK, 0, j);
    wp->last_frame_ms = world_mono(wp->inst->s->w);
    if (wp->membership)
        wp->step_deadline_ms =
            wp->last_frame_ms +
            (wp->step_limit_ms = (uint64_t)(wp->inst->fleet->knobs.propagation_s + MEMBERSHIP_SLACK_S) * 1000);
}

void link_stop(struct wproc *wp, const char *why, bool now)
{
    auto_json cJSON *j = cJSON_CreateObject();

    json_set_str(j, "why", why);
    json_set_bool(j, "now", now);
    wp->stopping = true;
    send_json(wp, MSG_STOP, 0, j);
}

/* ---- answers that come later ---- */

struct pending *link_later(struct wproc *wp, uint32_t seq)
{
    struct pending *p = mem_zero(sizeof *p);

    *p = (struct pending){.s = wp->inst->s, .wp = wp, .generation = wp->generation, .seq = seq};
    return p;
}

struct wproc *link_asker(const struct pending *p)
{
    for (struct wproc *wp = p->s->wprocs; wp; wp = wp->next)
        if (wp == p->wp && wp->generation == p->generation)
            return wp->chan ? wp : NULL;
    return NULL;
}

void link_answer_pending(struct pending *p, const cJSON *data, const struct err *err)
{
    struct wproc *wp = link_asker(p);

    if (wp)
        link_answer(wp, p->seq, data, err);
    free(p);
}

static void applied(void *ctx, bool changed, const struct err *err)
{
    struct pending *p = ctx;
    struct wproc *wp = link_asker(p);
    auto_json cJSON *data = cJSON_CreateObject();

    json_set_bool(data, "changed", changed);
    if (wp)
        tell_now(wp);
    link_answer_pending(p, data, err);
}

/* ---- in ---- */

static void on_progress(struct wproc *wp, const cJSON *req)
{
    struct hostrec *h = inst_host(wp->inst, json_str(req, "host", ""));
    const char *waiting = json_str(req, "waiting", ""), *text = json_str(req, "text", "");
    struct journal_rec rec = {.type = JRN_DECISION, .op = wp->inst->op, .task = wp->task ? wp->task->id : 0};

    if (!h)
        return;
    snprintf(h->step, sizeof h->step, "%s", json_str(req, "step", h->step));
    if (strcmp(h->waiting, waiting) != 0)
        h->since_ms = world_wall(wp->inst->s->w);
    if (strcmp(h->waiting, waiting) != 0 || strcmp(h->text, text) != 0) {
        snprintf(h->waiting, sizeof h->waiting, "%s", waiting);
        snprintf(h->text, sizeof h->text, "%s", text);
        rec.object = h->key;
        rec.name = *waiting ? waiting : NULL;
        rec.text = text;
        journal_put(wp->inst->s->j, &rec, NULL, NULL);
    }
    status_kick(wp->inst);
}

static void task_failed(struct task *t, const cJSON *req)
{
    t->tolerated = governor_tolerates(t->inst, json_str(req, "host", ""));
    free(t->error);
    t->error = mem_printf("%s: %s", json_str(req, "host", t->object), json_str(req, "text", "no reason was given"));
    metrics_host_failed(t->inst);
    super_incident(t->inst->s, t->inst, json_str(req, "host", NULL), "STEP_FAILED", "%s", json_str(req, "text", ""));
}

static void on_done(struct wproc *wp, const cJSON *req)
{
    struct task *t = wp->task;
    const char *outcome = json_str(req, "outcome", "failed");

    wp->step_deadline_ms = 0;
    if (wp->membership) {
        member_done(wp->inst, strcmp(outcome, "done") == 0, req);
        return;
    }
    if (!t)
        return;
    if (strcmp(outcome, "done") == 0) {
        t->state = TASK_DONE;
        for (size_t i = 0; i < t->n_hosts; i++) {
            inst_host_need(t->inst, t->hosts[i])->finished = true;
            inst_host_need(t->inst, t->hosts[i])->disrupted = false;
            metrics_host_done(t->inst, inst_host_need(t->inst, t->hosts[i]));
        }
    } else if (strcmp(outcome, "superseded") == 0 && (t->inst->superseding || t->inst->s->stopping || wp->stopping)) {
        t->state = TASK_SUPERSEDED;
    } else {
        t->state = TASK_FAILED;
        task_failed(t, req);
    }
    governor_drop(wp);
    wp->task = NULL;
    t->wp = NULL;
    if (wp->proc)
        wp->inst->s->w->ops->kill(wp->inst->s->w, wp->proc);
    if (t->inst->s->stopping && t->state == TASK_SUPERSEDED) /* goes on after the next start, from the journal */
        return;
    op_task_over(t->inst, t);
}

static void on_incident(struct wproc *wp, const cJSON *req)
{
    struct inst *in = wp->inst;
    const char *code = json_str(req, "code", "INCIDENT");

    if (strcmp(code, "ROLLED_BACK") == 0)
        in->rolled_back_generation = in->generation;
    if (strcmp(code, "TAKEN_BACK") == 0)
        in->retried_generation = 0;
    super_incident(in->s, in, json_str(req, "host", NULL), code, "%s", json_str(req, "text", ""));
}

static void on_credentials(struct wproc *wp, uint32_t seq)
{
    auto_json cJSON *data = access_data(wp->inst);

    link_answer(wp, seq, data, NULL);
}

static void take(struct wproc *wp, const struct frame *f, const cJSON *req)
{
    switch (f->type) {
    case MSG_RECORD:
        records_take(wp, f->seq, req);
        break;
    case MSG_PERMIT:
        governor_ask(wp, f->seq, req);
        break;
    case MSG_APPLY:
        apply_start(wp->inst, req, applied, link_later(wp, f->seq));
        break;
    case MSG_DELETE:
        apply_delete(wp->inst, req, applied, link_later(wp, f->seq));
        break;
    case MSG_MEMBER:
        member_ask(wp, f->seq, req);
        break;
    case MSG_CREDENTIALS:
        on_credentials(wp, f->seq);
        break;
    case MSG_PROGRESS:
        on_progress(wp, req);
        break;
    case MSG_INCIDENT:
        on_incident(wp, req);
        break;
    case MSG_DONE:
        on_done(wp, req);
        break;
    default:
        wproc_kill(wp, "it sent a message of an unknown type");
    }
}

static void on_frame(void *ctx, const struct frame *f)
{
    struct wproc *wp = ctx;
    struct err err = ERR_INIT;
    auto_json cJSON *req = json_parse(f->body, f->len, &err);

    wp->last_frame_ms = world_mono(wp->inst->s->w);
    if (req)
        take(wp, f, req);
    else
        wproc_kill(wp, "it sent something that is not JSON");
}

static void on_closed(void *ctx, const char *why)
{
    struct wproc *wp = ctx;

    wp->chan = NULL;
    if (wp->task)
        log_info(wp->name, "worker: %s", why);
}

const struct world_chan_cbs link_cbs = {on_frame, on_closed};
