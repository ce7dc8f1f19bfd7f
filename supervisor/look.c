/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at an installation: what is live against what the resource asks for, and the plan that comes of it.
 * `Completed` is said only when a fresh plan from live facts is empty.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

static const char *const finalizers[GROUPS] = {"finalizer.clickhouseinstallation.altinity.com",
                                               "finalizer.clickhousekeeperinstallation.altinity.com"};

/* Writes the list of finalizers with or without ours, and with it whose the resource is. */
static void set_finalizer(struct inst *in, const cJSON *res, bool on)
{
    auto_json cJSON *patch = cJSON_CreateObject();
    cJSON *meta = json_set_obj(patch, "metadata"), *list = json_set_arr(meta, "finalizers");
    const cJSON *f;

    cJSON_ArrayForEach(f, json_at(res, "metadata.finalizers"))
        if (strcmp(f->valuestring, finalizers[in->group]) != 0)
            json_add_str(list, f->valuestring);
    if (on)
        json_add_str(list, finalizers[in->group]);
    if (on && others_needs_claim(in, res))
        json_set_str(json_set_obj(meta, "annotations"), OPERATOR_NOTE, in->s->opt.lease_ns);
    inst_patch_resource(in, res, patch);
}

/* Somebody else may act on it: nothing of ours is written but that we wait. */
static bool is_blocked(struct inst *in, const cJSON *res)
{
    const char *code;
    auto_free char *other = others_say(in, res, &code);

    if (!other)
        return false;
    inst_set_error(in, code, "%s", other);
    in->audited = false;
    return true;
}

static bool owns_any(struct inst *in, const struct facts *facts)
{
    for (size_t i = 0; i < facts->n_hosts; i++) {
        const char *owner = json_label(hostfacts_pod(in, facts->hosts[i].sts_name), desired_owner_label(in));

        if (facts->hosts[i].sts || str_eq(owner, in->name)) /* another installation may have the name */
            return true;
    }
    return false;
}

/* Live equals desired: the audit's good end. */
static void completed(struct inst *in)
{
    in->audited = true;
    governor_no_turn(in);
    if (in->halted)
        inst_note_failure(in, NULL);
    in->backoff_ms = 0;
    in->halted = false;
    inst_set_error(in, NULL, NULL);
    for (size_t i = 0; i < in->n_hosts; i++) {
        in->hosts[i].action = ACT_NONE;
        in->hosts[i].step[0] = in->hosts[i].waiting[0] = in->hosts[i].text[0] = '\0';
    }
    status_kick(in);
}

static void refuse(struct inst *in, const struct plan *p)
{
    auto_str struct str text = STR_INIT;

    for (size_t i = 0; i < p->n_refused; i++)
        str_addf(&text, "%s%s", i ? "\n" : "", p->refused[i]);
    inst_set_error(in, "REFUSED", "%s", str_text(&text));
}

/* What follows by itself from what was approved and done, such as files for the version that turned out to run; nobody is taken
 * out for it. */
static bool follows(const struct inst *in, const struct plan *p)
{
    if (in->done_generation != p->generation)
        return false;
    for (size_t i = 0; i < p->n_hosts; i++)
        if (p->hosts[i].action != ACT_NONE && p->hosts[i].action != ACT_RELOAD && p->hosts[i].action != ACT_JOIN)
            return false;
    return true;
}

/* Notes of ours, as who may lead next: there is nothing to look at. */
static bool tells_nothing(const struct plan *p)
{
    for (size_t i = 0; i < p->n_hosts; i++)
        if (p->hosts[i].action != ACT_NONE || p->hosts[i].objects)
            return false;
    return p->n_common == 0;
}

/* spec.chfleet.approval: required. The hash is what `chfleet plan` prints. */
static bool approved(struct inst *in, const struct fleet *f, const struct plan *p)
{
    auto_free char *hash = plan_hash(p);

    if (strcmp(json_str(f->chfleet, "approval", "none"), "required") != 0 ||
        strcmp(json_str(f->chfleet, "approved", ""), hash) == 0 || follows(in, p) || tells_nothing(p))
        return true;
    inst_set_error(in, "WAIT_APPROVAL",
                   "the plan waits for approval: look at it with `chfleet plan %s -n %s`, then set "
                   "spec.chfleet.approved to \"%s\"",
                   in->name, in->ns, hash);
    return false;
}

static void log_changes(const char *key, const char *what, const struct change *v, size_t n)
{
    if (n)
        log_info(key, "%s: %s: %s -> %s%s", what, v->path, v->from ? v->from : "(none)", v->to ? v->to : "(none)",
                 n > 1 ? " and more" : "");
}

/* Why hosts are not as they should be: for people who read the log after the fact. */
static void log_reasons(const struct facts *facts)
{
    log_changes("common", "differs", facts->common_changes, facts->n_common);
    for (size_t i = 0; i < facts->n_hosts; i++) {
        const struct host_facts *h = &facts->hosts[i];

        log_changes(h->key, "restart", h->restart_changes, h->n_restart);
        log_changes(h->key, "reload", h->reload_changes, h->n_reload);
        log_changes(h->key, "template", h->template_changes, h->n_template);
        log_changes(h->key, "recreate", h->recreate_changes, h->n_recreate);
        log_changes(h->key, "metadata", h->object_changes, h->n_object);
        log_changes(h->key, "volume", h->volume_changes, h->n_volume);
    }
}

/* The same plan again right after it was carried out: something undoes our writes, or we cannot do them. Trying on is
 * right, trying without a pause is not. */
static bool converges(struct inst *in, const struct plan *p)
{
    auto_free char *hash = plan_hash(p);
    uint64_t now = world_mono(in->s->w);
    bool same = str_eq(hash, in->done_hash) && in->done_generation == p->generation;

    if (!same) {
        in->repeats = 0;
        return true;
    }
    if (now < in->repeat_at) {
        inst_kick(in, in->repeat_at - now);
        return false;
    }
    if (++in->repeats == 3)
        super_incident(in->s, in, NULL, "NOT_CONVERGING",
                       "the same plan comes back after it was carried out; see the reasons in `chfleet plan %s`",
                       in->name);
    in->repeat_at = now + (500ull << (in->repeats < 10 ? in->repeats : 10));
    return true;
}

/* Another object may be what is wrong or missing (Secret, Keeper, template), and nobody tells us when it changes. */
enum { BAD_SPEC_MS = 5000 };

static int is_mine(void *ctx, const cJSON *obj)
{
    const struct inst *in = ctx;

    return str_eq(json_label(obj, desired_owner_label(in)), in->name) && str_eq(json_ns(obj), in->ns);
}

/* Deleted, and never had a host: a spec that allows none (names too long) must not keep the resource for ever. */
static bool never_had_hosts(struct inst *in)
{
    return json_at(super_resource(in), "metadata.deletionTimestamp") &&
           !kube_cache_each(super_cache(in->s, in->group, KUBE_STS), is_mine, in) &&
           !kube_cache_each(super_cache(in->s, in->group, KUBE_POD), is_mine, in);
}

static void cannot_plan(struct inst *in, const struct err *err)
{
    bool again = err->kind == ERR_AGAIN;

    if (!again && never_had_hosts(in)) {
        set_finalizer(in, super_resource(in), false);
        return;
    }
    inst_set_error(in, again ? "WAIT_API" : "BAD_SPEC", "%s", err->msg);
    desired_forget_missing(in);
    inst_kick(in, again ? 1000 : BAD_SPEC_MS);
}

/* What the peer would do without a word: said once for each, also after a restart of this process. */
static void tell_warnings(struct inst *in, const cJSON *res)
{
    const cJSON *told = json_at(res, "status.chfleet.warnings"), *w;

    cJSON_ArrayForEach(w, in->fleet->warnings)
        if (!json_has(told, w->valuestring) && !json_has(in->told, w->valuestring))
            super_incident(in->s, in, NULL, "SPEC_WARNING", "%s", w->valuestring);
    cJSON_Delete(in->told);
    in->told = json_copy(in->fleet->warnings);
}

static bool takes_out(enum host_action a)
{
    return a == ACT_RESTART || a == ACT_SOFT_RESTART || a == ACT_RECREATE || a == ACT_MOVE;
}

/* A planned change failed in this generation: what serves is left alone until the spec is corrected, what is out may
 * still be tried again and brought back. True: nothing is left to be done. */
static bool drop_planned(struct inst *in, struct plan *p)
{
    bool any = p->n_common > 0 || p->marks;
    size_t left = 0;

    if (!in->halted || in->group != GROUP_CHI)
        return false;
    for (size_t i = 0; i < p->n_hosts; i++)
        any |= p->hosts[i].objects && !takes_out(p->hosts[i].action);
    for (size_t i = 0; i < p->n_tasks; i++) {
        struct plan_task *t = &p->tasks[i];
        size_t n = 0, had = t->n_hosts;

        for (size_t k = 0; k < t->n_hosts; k++)
            if (!takes_out(p->hosts[t->hosts[k]].action) || !hostfacts_serves(in, p->hosts[t->hosts[k]].key))
                t->hosts[n++] = t->hosts[k];
        t->n_hosts = n;
        any |= n > 0;
        if (had && !n) {
            free(t->table);
            free(t->object);
            free(t->hosts);
            continue;
        }
        p->tasks[left++] = *t;
    }
    p->n_tasks = left;
    return !any;
}

static void plan_now(struct inst *in, const cJSON *res)
{
    struct fleet *f = NULL;
    struct facts *facts = NULL;
    struct plan *p = NULL;
    struct err err = ERR_INIT;
    bool gone;

    if (desired_fleet(in, &f, &err) < 0) {
        cannot_plan(in, &err);
        return;
    }
    if (desired_facts(in, f, &facts, &err) < 0 || plan_make(f, facts, &p, &err) < 0) {
        cannot_plan(in, &err);
        fleet_free(f);
        facts_free(facts);
        return;
    }
    fleet_free(in->fleet);
    in->fleet = f;
    tell_warnings(in, res);
    member_init(in, facts);
    if (!p->empty)
        log_reasons(facts);
    gone = f->deleting && p->empty && !owns_any(in, facts);
    facts_free(facts);
    if (gone) {
        plan_free(p);
        set_finalizer(in, res, false); /* what is left goes by its owner reference; kept volumes have none */
    } else if (p->n_refused) {
        refuse(in, p);
        plan_free(p);
    } else if (p->empty) {
        plan_free(p);
        completed(in);
    } else if (!approved(in, f, p)) {
        plan_free(p);
    } else if (drop_planned(in, p) || !converges(in, p)) { /* the error that stands says why */
        plan_free(p);
    } else if (!governor_turn(in, p)) {
        plan_free(p);
    } else {
        op_begin(in, f, p);
    }
}

static void let_in_done(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    if (err)
        log_warn(in->key, "the operators' addresses are not in the users' file yet: %s", err->msg);
    else if (changed)
        log_info(in->key, "the users' file has the addresses of all operators");
    inst_kick(in, 0);
}

void inst_let_in(struct inst *in)
{
    auto_json cJSON *req = NULL;

    if (in->group != GROUP_CHI)
        return;
    if (in->state != INST_RUNNING || !in->fleet || in->fleet->deleting) {
        inst_kick(in, 0);
        return;
    }
    req = cJSON_CreateObject();
    json_set_str(req, "what", "users");
    apply_start(in, req, let_in_done, in);
}

static void supersede(struct inst *in)
{
    in->superseding = true;
    for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
        if (wp->inst == in && wp->task)
            link_stop(wp, "a newer plan", false);
    op_run_ready_tasks(in);
}

/* ---- hosts that came back while an operation runs ---- */

enum { LOST_MS = 10000, LOST_REPLANS = 3 };

/* Ready, wanted, not behind the balancer, and no worker is at it: a pod that was evicted and made anew, say. */
static bool is_lost(struct inst *in, const struct host *h, const struct hostrec *rec)
{
    const cJSON *pod = hostfacts_pod(in, h->sts);
    const char *label = json_label(pod, "clickhouse.altinity.com/ready");
    bool at_work = rec->step[0] && !rec->finished && !rec->joined && rec->action != ACT_NONE;

    return !at_work && compare_pod_ready(pod) && !str_eq(label, "yes");
}

/* Nobody else would take it in before the operation ends, and its shard may wait for it: plan again. */
void inst_look_for_lost(struct inst *in)
{
    uint64_t now = world_mono(in->s->w);

    if (in->state != INST_RUNNING || in->superseding || in->group != GROUP_CHI || !in->fleet || in->fleet->stop ||
        in->fleet->deleting)
        return;
    for (size_t i = 0; i < in->fleet->n_hosts; i++) {
        struct hostrec *rec = inst_host_need(in, in->fleet->hosts[i]->key);

        if (!is_lost(in, in->fleet->hosts[i], rec)) {
            rec->out_since_ms = 0;
        } else if (!rec->out_since_ms) {
            rec->out_since_ms = now;
        } else if (now - rec->out_since_ms > LOST_MS && rec->replans < LOST_REPLANS) {
            rec->replans++;
            rec->out_since_ms = 0;
            log_note(in->key, "%s is ready and out: a new plan takes it in", rec->key);
            supersede(in);
            return;
        }
    }
}

void inst_look(struct inst *in)
{
    const cJSON *res = super_resource(in);
    bool deleting = res && json_at(res, "metadata.deletionTimestamp"), watched = super_watches(in->s, in->ns);
    const char *code;

    if (!in->s->recovered || !in->s->leading || in->s->stopping)
        return;
    if (in->state == INST_RUNNING) {
        bool newer = !res || !watched || json_int(res, "metadata.generation", 0) != in->generation ||
                     deleting != (in->fleet && in->fleet->deleting);
        auto_free char *other = res && !newer ? others_say(in, res, &code) : NULL;

        if ((newer || other) && !in->superseding) {
            log_note(in->key, "%s: going to the safe point",
                     other ? other : "the generation that is worked on is superseded");
            supersede(in);
        }
        return;
    }
    if (in->hold_timer && (!res || json_int(res, "metadata.generation", 0) != in->generation)) {
        world_timer_stop(in->s->w, &in->hold_timer);
        op_end(in, OUT_SUPERSEDED, "a newer generation");
        return;
    }
    if (inst_busy(in) || in->pending) {
        in->kicked = true;
        return;
    }
    if (!res || !watched)
        return;
    if (in->halted && in->halted_generation != json_int(res, "metadata.generation", 0)) {
        in->halted = false;
        in->backoff_ms = 0;
    }
    if (!deleting && str_bool(json_str(res, "spec.suspend", NULL)) == 1)
        return;
    if (is_blocked(in, res))
        return;
    if (!json_has(json_at(res, "metadata.finalizers"), finalizers[in->group])) {
        if (!deleting)
            set_finalizer(in, res, true);
        return;
    }
    if (others_needs_claim(in, res)) {
        set_finalizer(in, res, true);
        return;
    }
    inst_recall_failure(in, res);
    if (!deleting && command_look(in, res))
        return;
    desired_need_secrets(in);
    if (!in->secrets_waiting)
        plan_now(in, res);
}
