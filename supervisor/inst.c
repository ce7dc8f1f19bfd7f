/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One installation: look at it, plan, write the plan down, run its tasks wave by wave, settle, look again. `Completed`
 * is said only when a fresh plan from live facts is empty.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

static const char *const finalizers[GROUPS] = {"finalizer.clickhouseinstallation.altinity.com",
                                               "finalizer.clickhousekeeperinstallation.altinity.com"};

static void look(struct inst *in);
static void op_begin(struct inst *in, struct fleet *f, struct plan *p);
static void op_end(struct inst *in, enum outcome outcome, const char *why);

/* ---- finding and making ---- */

struct inst *inst_find(struct super *s, enum owner_group g, const char *ns, const char *name)
{
    for (struct inst *in = s->insts; in; in = in->next)
        if (in->group == g && strcmp(in->ns, ns) == 0 && strcmp(in->name, name) == 0)
            return in;
    return NULL;
}

struct inst *inst_get(struct super *s, enum owner_group g, const char *ns, const char *name)
{
    struct inst *in = inst_find(s, g, ns, name);

    if (in)
        return in;
    in = mem_zero(sizeof *in);
    in->s = s;
    in->group = g;
    in->kind = g == GROUP_CHI ? KUBE_CHI : KUBE_CHK;
    in->ns = mem_str(ns);
    in->name = mem_str(name);
    in->key = mem_printf("%s/%s%s", ns, name, g == GROUP_CHK ? ".keeper" : "");
    in->secrets = cJSON_CreateObject();
    in->member_unknown = true;
    in->next = s->insts;
    s->insts = in;
    return in;
}

static void free_tasks(struct inst *in)
{
    for (size_t i = 0; i < in->n_tasks; i++) {
        struct task *t = &in->tasks[i];

        if (t->wp)
            t->wp->task = NULL;
        world_timer_stop(in->s->w, &t->retry);
        free(t->table);
        free(t->object);
        for (size_t k = 0; k < t->n_hosts; k++)
            free(t->hosts[k]);
        free(t->hosts);
        cJSON_Delete(t->resume);
        free(t->error);
    }
    free(in->tasks);
    in->tasks = NULL;
    in->n_tasks = 0;
}

void inst_free(struct inst *in)
{
    free_tasks(in);
    world_timer_stop(in->s->w, &in->timer);
    world_timer_stop(in->s->w, &in->status_timer);
    world_timer_stop(in->s->w, &in->member_timer);
    world_timer_stop(in->s->w, &in->soak_timer);
    world_timer_stop(in->s->w, &in->hold_timer);
    fleet_free(in->fleet);
    plan_free(in->plan);
    for (size_t i = 0; i < in->n_hosts; i++) {
        free(in->hosts[i].key);
        free(in->hosts[i].version);
    }
    free(in->hosts);
    for (size_t i = 0; i < in->n_member_list; i++)
        free(in->member_list[i]);
    free(in->member_list);
    free(in->held_old);
    free(in->held_new);
    in->held_new = NULL;
    free(in->error);
    free(in->error_code);
    cJSON_Delete(in->told);
    free(in->status_sent);
    free(in->done_hash);
    cJSON_Delete(in->secrets);
    free(in->ns);
    free(in->name);
    free(in->key);
    free(in);
}

void inst_forget(struct inst *in)
{
    free_tasks(in);
    fleet_free(in->fleet);
    in->fleet = NULL;
    for (size_t i = 0; i < in->n_hosts; i++) {
        free(in->hosts[i].key);
        free(in->hosts[i].version);
    }
    in->n_hosts = 0;
    free(in->error);
    free(in->error_code);
    free(in->done_hash);
    in->error = in->error_code = in->done_hash = NULL;
    in->halted = in->holding = false;
    in->backoff_ms = 0;
    in->restarted_generation = 0;
    cJSON_Delete(in->secrets);
    in->secrets = cJSON_CreateObject();
}

struct hostrec *inst_host(struct inst *in, const char *key)
{
    for (size_t i = 0; i < in->n_hosts; i++)
        if (strcmp(in->hosts[i].key, key) == 0)
            return &in->hosts[i];
    return NULL;
}

struct hostrec *inst_host_need(struct inst *in, const char *key)
{
    struct hostrec *h = inst_host(in, key);

    if (h)
        return h;
    in->hosts = mem_grow(in->hosts, in->n_hosts + 1, sizeof *in->hosts);
    h = &in->hosts[in->n_hosts++];
    memset(h, 0, sizeof *h);
    h->key = mem_str(key);
    h->version = mem_str("");
    return h;
}

bool inst_busy(const struct inst *in)
{
    return in->state != INST_IDLE;
}

/* ---- errors: what blocks or failed, for status, decisions and people ---- */

void inst_set_error(struct inst *in, const char *code, const char *fmt, ...)
{
    char text[1600];
    va_list ap;
    struct journal_rec rec = {.type = JRN_DECISION, .op = in->op, .object = in->key, .name = code, .text = text};

    text[0] = '\0';
    if (fmt) {
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
    }
    in->error_generation = json_int(super_resource(in), "metadata.generation", 0);
    if (str_eq(in->error, code ? text : NULL) && str_eq(in->error_code, code))
        return;
    free(in->error);
    free(in->error_code);
    in->error = code ? mem_str(text) : NULL;
    in->error_code = mem_str(code);
    journal_put(in->s->j, &rec, NULL, NULL);
    if (code) {
        const cJSON *res = super_resource(in);

        log_error(in->key, "%s: %s", code, text);
        if (res)
            kube_event(in->s->kube, res, true, code, "%s", text);
    }
    status_kick(in);
}

/* ---- looking ---- */

static void look_timer(void *ctx)
{
    struct inst *in = ctx;

    in->timer = NULL;
    look(in);
}

void inst_kick(struct inst *in, uint64_t delay_ms)
{
    if (in->timer && delay_ms > 0)
        return;
    world_timer_stop(in->s->w, &in->timer);
    in->timer = world_timer(in->s->w, delay_ms, look_timer, in);
}

/* The key of the host an owned object belongs to, by its labels; NULL for installation-wide objects. Caller frees. */
static char *host_of(const struct inst *in, const cJSON *obj)
{
    const char *g = in->group == GROUP_CHI ? "clickhouse.altinity.com" : "clickhouse-keeper.altinity.com";
    char label[96];
    const char *cluster, *shard, *replica;

    snprintf(label, sizeof label, "%s/cluster", g);
    cluster = json_label(obj, label);
    snprintf(label, sizeof label, "%s/shard", g);
    shard = json_label(obj, label);
    snprintf(label, sizeof label, "%s/replica", g);
    replica = json_label(obj, label);
    return cluster && shard && replica ? mem_printf("%s/%s/%s/%s/%s", in->ns, in->name, cluster, shard, replica) : NULL;
}

size_t inst_prefix(const struct inst *in)
{
    return strlen(in->ns) + 1 + strlen(in->name);
}

void inst_owned_changed(struct inst *in, enum kube_kind kind, const cJSON *obj)
{
    auto_free char *host = host_of(in, obj);

    if (in->state == INST_RUNNING) {
        link_facts(in, kind == KUBE_EPSLICE ? NULL : host);
        governor_look(in->s);
        member_look(in);
        return;
    }
    if (!inst_busy(in))
        inst_kick(in, in->backoff_ms && !in->gone ? in->backoff_ms : 60);
    else
        in->kicked = true;
}

static void looked_again(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct inst *in = ctx;

    (void)status;
    in->pending--;
    if (err && err->kind != ERR_CONFLICT && err->kind != ERR_MISSING)
        log_warn(in->key, "%s; trying again", err->msg);
    if (obj && !err)
        kube_cache_put(in->group == GROUP_CHI ? in->s->chi : in->s->chk, obj);
    inst_kick(in, err ? 1000 : 0);
}

/* Writes the list of finalizers with or without ours. */
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
    json_set_str(meta, "resourceVersion", json_rv(res));
    in->pending++;
    kube_patch(in->s->kube, in->kind, in->ns, in->name, NULL, patch, looked_again, in);
}

static bool owns_any(struct inst *in, const struct facts *facts)
{
    for (size_t i = 0; i < facts->n_hosts; i++) {
        const char *owner;
        char pod[310];

        snprintf(pod, sizeof pod, "%s-0", facts->hosts[i].sts_name);
        owner = json_label(super_get(in->s, in->group, KUBE_POD, in->ns, pod), desired_owner_label(in));
        if (facts->hosts[i].sts || str_eq(owner, in->name)) /* another installation may have the name */
            return true;
    }
    return false;
}

static void note_failure(struct inst *in, const char *text);

/* Live equals desired: the audit's good end. */
static void completed(struct inst *in)
{
    in->audited = true;
    if (in->halted)
        note_failure(in, NULL);
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

/* spec.chfleet.approval: required. The hash is what `chfleet plan` prints. */
static bool approved(struct inst *in, const struct fleet *f, const struct plan *p)
{
    auto_free char *hash = plan_hash(p);

    if (strcmp(json_str(f->chfleet, "approval", "none"), "required") != 0 ||
        strcmp(json_str(f->chfleet, "approved", ""), hash) == 0)
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
    return a == ACT_RESTART || a == ACT_SOFT_RESTART || a == ACT_RECREATE;
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
    } else {
        op_begin(in, f, p);
    }
}

static void supersede(struct inst *in)
{
    in->superseding = true;
    for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
        if (wp->inst == in && wp->task)
            link_stop(wp, "a newer plan", false);
    inst_run_ready_tasks(in);
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

/* ---- a failure outlives the supervisor that saw it: in the journal, and for a lost journal in the status ---- */

static void note_failure(struct inst *in, const char *text)
{
    auto_free char *key = mem_printf("failed/%s", in->key),
                   *value = text ? mem_printf("%lld %s", (long long)in->halted_generation, text) : NULL;
    struct journal_rec rec = {.type = JRN_KV, .name = key, .text = value};

    journal_put(in->s->j, &rec, NULL, NULL);
}

static void recall_failure(struct inst *in, const cJSON *res)
{
    auto_free char *key = mem_printf("failed/%s", in->key), *value = journal_kv(in->s->j, key), *said = NULL;
    int64_t generation = json_int(res, "metadata.generation", 0);
    const char *text = value ? strchr(value, ' ') : NULL;
    const cJSON *c;

    if (in->recalled || in->group != GROUP_CHI)
        return;
    in->recalled = true;
    if (text && strtoll(value, NULL, 10) == generation)
        said = mem_str(text + 1);
    cJSON_ArrayForEach(c, json_at(res, "status.conditions"))
        if (!said && strcmp(json_str(c, "type", ""), "Degraded") == 0 &&
            strcmp(json_str(c, "reason", ""), "FAILED") == 0 && json_int(c, "observedGeneration", -1) == generation)
            said = mem_str(json_str(c, "message", ""));
    if (!said)
        return;
    in->halted = true;
    in->halted_generation = generation;
    in->generation = generation;
    inst_set_error(in, "FAILED", "%s", said);
}

void inst_retry(struct inst *in)
{
    if (in->halted)
        note_failure(in, NULL);
    in->halted = false;
    in->backoff_ms = in->repeat_at = 0;
    in->repeats = 0;
    inst_set_error(in, NULL, NULL);
    status_write_now(in); /* the status must not say any more what a successor would believe */
}

static void look(struct inst *in)
{
    const cJSON *res = super_resource(in);
    bool deleting = res && json_at(res, "metadata.deletionTimestamp");

    if (!in->s->recovered || !in->s->leading || in->s->stopping)
        return;
    if (in->state == INST_RUNNING) {
        bool newer = !res || json_int(res, "metadata.generation", 0) != in->generation ||
                     deleting != (in->fleet && in->fleet->deleting);

        if (newer && !in->superseding) {
            log_note(in->key, "generation %lld is superseded: going to the safe point", (long long)in->generation);
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
    if (!res)
        return;
    if (in->halted && in->halted_generation != json_int(res, "metadata.generation", 0)) {
        in->halted = false;
        in->backoff_ms = 0;
    }
    if (!deleting && str_bool(json_str(res, "spec.suspend", NULL)) == 1)
        return;
    if (!json_has(json_at(res, "metadata.finalizers"), finalizers[in->group])) {
        if (!deleting)
            set_finalizer(in, res, true);
        return;
    }
    recall_failure(in, res);
    if (!deleting && command_look(in, res))
        return;
    desired_need_secrets(in);
    if (!in->secrets_waiting)
        plan_now(in, res);
}

/* ---- operation ---- */

static char *task_text(const struct task *t)
{
    auto_json cJSON *j = cJSON_CreateObject();
    cJSON *hosts = json_set_arr(j, "hosts");

    for (size_t i = 0; i < t->n_hosts; i++)
        json_add_str(hosts, t->hosts[i]);
    return json_print(j);
}

static void take_tasks(struct inst *in, const struct plan *p)
{
    free_tasks(in);
    in->n_tasks = p->n_tasks;
    in->tasks = mem_array(p->n_tasks, sizeof *in->tasks);
    for (size_t i = 0; i < p->n_tasks; i++) {
        struct task *t = &in->tasks[i];

        *t = (struct task){.inst = in,
                           .id = journal_next_task(in->s->j),
                           .wave = p->tasks[i].wave,
                           .table = mem_str(p->tasks[i].table),
                           .object = mem_str(p->tasks[i].object),
                           .n_hosts = p->tasks[i].n_hosts,
                           .hosts = mem_array(p->tasks[i].n_hosts, sizeof(char *))};
        for (size_t k = 0; k < t->n_hosts; k++)
            t->hosts[k] = mem_str(p->hosts[p->tasks[i].hosts[k]].key);
    }
    for (size_t i = 0; i < p->n_hosts; i++) {
        struct hostrec *h = inst_host_need(in, p->hosts[i].key);

        if (h->action != p->hosts[i].action || p->generation != in->generation)
            h->replans = 0;
        h->step[0] = '\0';
        h->joined = false;
        h->out_since_ms = 0;
        h->action = p->hosts[i].action;
        h->finished = h->action == ACT_NONE;
        h->held_turn = false;
        h->ordered = p->hosts[i].ordered;
        h->objects = p->hosts[i].objects;
    }
}

static void run_wave(struct inst *in)
{
    in->state = INST_RUNNING;
    in->wave = UINT32_MAX;
    for (size_t i = 0; i < in->n_tasks; i++)
        if (in->tasks[i].state == TASK_WAIT && in->tasks[i].wave < in->wave)
            in->wave = in->tasks[i].wave;
    inst_run_ready_tasks(in);
}

/* How long a kubelet takes to show a changed ConfigMap in a running pod. */
enum { COPIES_MS = 100000 };

static bool common_has_settings(struct inst *in)
{
    auto_free char *name = mem_printf("chi-%s-common-configd", in->name);

    return json_get(json_get(super_get(in->s, in->group, KUBE_CM, in->ns, name), "data"),
                    "chop-generated-settings.xml") != NULL;
}

static void tell_hold(struct inst *in, const char *code)
{
    struct journal_rec rec = {.type = JRN_DECISION, .op = in->op, .object = in->key, .name = code};

    rec.text = "each host's own copy of today's settings is on its way into its pod, before the common file goes";
    journal_put(in->s->j, &rec, NULL, NULL);
}

static void copies_are_there(void *ctx)
{
    struct inst *in = ctx;

    in->hold_timer = NULL;
    tell_hold(in, NULL);
    run_wave(in);
}

static void held(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    (void)changed;
    in->pending--;
    if (err) {
        op_end(in, OUT_FAILED, err->msg);
        return;
    }
    /* A server that starts between the two would find neither. */
    if (in->holding && !in->s->endpoints && common_has_settings(in)) {
        tell_hold(in, "WAIT_PROPAGATION");
        in->hold_timer = world_timer(in->s->w, COPIES_MS, copies_are_there, in);
        return;
    }
    run_wave(in);
}

/* Image and settings change together: each host gets a copy of today's common settings file, then the common one goes.
 */
static void hold_settings(struct inst *in)
{
    const cJSON *res = super_resource(in);
    auto_free char *cm_name = mem_printf("chi-%s-common-configd", in->name);
    const cJSON *cm = super_get(in->s, in->group, KUBE_CM, in->ns, cm_name);
    const cJSON *text = json_get(json_get(cm, "data"), "chop-generated-settings.xml");
    cJSON *list = cJSON_CreateArray();

    (void)res;
    in->state = INST_PREPARING;
    in->holding = true;
    free(in->held_old);
    free(in->held_new);
    in->held_new = NULL;
    in->held_old = mem_str(cJSON_IsString(text) ? text->valuestring : NULL);
    for (size_t i = 0; i < in->fleet->n_hosts; i++) {
        cJSON *req;

        if (!super_get(in->s, in->group, KUBE_STS, in->ns, in->fleet->hosts[i]->sts))
            continue;
        req = cJSON_CreateObject();
        json_set_str(req, "what", "configmap");
        json_set_str(req, "host", in->fleet->hosts[i]->key);
        json_set_bool(req, "hold", true);
        cJSON_AddItemToArray(list, req);
    }
    in->pending++;
    apply_all(in, list, held, in);
}

static void plan_written(void *ctx, const struct err *err)
{
    struct inst *in = ctx;

    in->pending--;
    if (err) {
        in->state = INST_IDLE;
        free_tasks(in);
        inst_set_error(in, "JOURNAL", "%s: nothing is changed until the journal can be written", err->msg);
        inst_kick(in, 5000);
        return;
    }
    if (in->plan && in->plan->hold_settings)
        hold_settings(in);
    else
        run_wave(in);
}

static bool is_fresh(const struct inst *in)
{
    for (size_t i = 0; i < in->n_hosts; i++)
        if (in->hosts[i].listed)
            return false;
    return true;
}

static void op_begin(struct inst *in, struct fleet *f, struct plan *p)
{
    auto_json cJSON *plan = plan_json(p);
    auto_free char *text = json_print(plan);
    struct journal_rec rec = {.type = JRN_OP_BEGIN,
                              .object = in->key,
                              .kind = in->group == GROUP_CHI ? "chi" : "chk",
                              .generation = f->generation,
                              .text = text};

    plan_free(in->plan);
    in->plan = p;
    free(in->held_new);
    in->held_new = NULL; /* of an earlier generation, perhaps */
    in->op = rec.op = journal_next_op(in->s->j);
    in->generation = f->generation;
    in->superseding = in->kicked = in->audited = false;
    in->soak_until = in->soaked_wave = 0;
    in->state = INST_WRITING;
    in->op_started_ms = world_wall(in->s->w);
    in->s->n_ops++;
    take_tasks(in, p);
    if (in->group == GROUP_CHK && is_fresh(in)) /* a first ensemble knows all its members from the start */
        for (size_t i = 0; i < f->n_hosts; i++)
            inst_host_need(in, f->hosts[i]->key)->listed = true;
    if (!in->halted) /* what failed stays said until the spec is corrected */
        inst_set_error(in, NULL, NULL);
    log_note(in->key, "operation %llu, generation %lld: %zu hosts, %zu tasks", (unsigned long long)in->op,
             (long long)f->generation, p->n_hosts, p->n_tasks);
    journal_put(in->s->j, &rec, NULL, NULL);
    in->pending++;
    for (size_t i = 0; i < in->n_tasks; i++) {
        struct task *t = &in->tasks[i];
        auto_free char *body = task_text(t);
        struct journal_rec row = {.type = JRN_TASK,
                                  .op = in->op,
                                  .task = t->id,
                                  .object = t->object,
                                  .name = t->table,
                                  .wave = t->wave,
                                  .text = body};

        journal_put(in->s->j, &row, i + 1 == in->n_tasks ? plan_written : NULL, in);
    }
    if (in->n_tasks == 0) {
        in->pending--;
        op_end(in, OUT_FAILED, "the plan has changes but no task (a bug: please report the output of chfleet plan)");
    }
    status_write_now(in);
}

static bool is_shard_task(const struct task *t)
{
    return strcmp(t->table, "shard") == 0;
}

static unsigned running_shards(const struct inst *in, const char *cluster_prefix)
{
    unsigned n = 0;

    for (size_t i = 0; i < in->n_tasks; i++)
        if (in->tasks[i].state == TASK_RUN && is_shard_task(&in->tasks[i]) &&
            str_starts(in->tasks[i].object, cluster_prefix))
            n++;
    return n;
}

/* "ns/inst/cluster/" of "ns/inst/cluster/shard". */
static void cluster_prefix(const struct task *t, char *buf, size_t size)
{
    const char *slash = strrchr(t->object, '/');
    size_t n = slash ? (size_t)(slash - t->object) + 1 : strlen(t->object);

    snprintf(buf, size, "%.*s", (int)n, t->object);
}

static bool may_start(struct inst *in, const struct task *t)
{
    char prefix[512], cluster[64];
    const char *c;

    if (in->s->n_workers >= in->s->opt.max_workers)
        return false;
    if (!is_shard_task(t))
        return true;
    cluster_prefix(t, prefix, sizeof prefix);
    c = prefix + strlen(in->key) + 1;
    snprintf(cluster, sizeof cluster, "%.*s", (int)strcspn(c, "/"), c);
    return running_shards(in, prefix) < governor_shard_slots(in, cluster);
}

static void retry_task(void *ctx)
{
    struct task *t = ctx;

    t->retry = NULL;
    inst_run_ready_tasks(t->inst);
}

static void start_task(struct task *t)
{
    struct err err = ERR_INIT;

    if (link_start(t->inst, t, false, &err) == 0) {
        t->state = TASK_RUN;
        if (t->resume && cJSON_GetArraySize(t->resume) > 0)
            member_resume(t->inst);
        return;
    }
    log_warn(t->object, "worker does not start: %s; trying again", err.msg);
    t->retry = world_timer(t->inst->s->w, 500, retry_task, t);
}

static void settled(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    (void)changed;
    in->pending--;
    in->holding = err != NULL;
    op_end(in, err ? OUT_FAILED : OUT_DONE, err ? err->msg : "");
}

/* The copies go. */
static void settle_hosts(void *ctx)
{
    struct inst *in = ctx;
    cJSON *list = cJSON_CreateArray();

    in->hold_timer = NULL;
    for (size_t i = 0; i < in->fleet->n_hosts; i++) {
        cJSON *req = cJSON_CreateObject();

        json_set_str(req, "what", "configmap");
        json_set_str(req, "host", in->fleet->hosts[i]->key);
        cJSON_AddItemToArray(list, req);
    }
    in->pending++;
    apply_all(in, list, settled, in);
}

static void common_settled(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    if (err) {
        settled(in, changed, err);
        return;
    }
    in->pending--;
    if (in->s->endpoints)
        settle_hosts(in);
    else /* a server that starts before it sees the common file still finds its copy */
        in->hold_timer = world_timer(in->s->w, COPIES_MS, settle_hosts, in);
}

/* All hosts have their settings: the common file gets them again, then the copies go. */
static void settle(struct inst *in)
{
    cJSON *list = cJSON_CreateArray(), *req = cJSON_CreateObject();

    in->state = INST_SETTLING;
    in->holding = false;
    json_set_str(req, "what", "common");
    cJSON_AddItemToArray(list, req);
    in->pending++;
    apply_all(in, list, common_settled, in);
}

static void soak_over(void *ctx)
{
    struct inst *in = ctx;

    in->soak_timer = NULL;
    inst_run_ready_tasks(in);
}

static const char *sick_host(struct inst *in)
{
    for (size_t i = 0; i < in->n_hosts; i++)
        if (in->hosts[i].finished && in->hosts[i].action != ACT_NONE && in->hosts[i].action != ACT_REMOVE &&
            in->hosts[i].action != ACT_STOP && !hostfacts_serves(in, in->hosts[i].key))
            return in->hosts[i].key;
    return NULL;
}

/* spec.chfleet.waves: the hosts of this wave must stay healthy for a while. True when the next wave may begin. The
 * clock is monotonic and starts anew after a restart of this process: a soak never gets shorter. */
static bool soaked(struct inst *in)
{
    uint64_t now = world_mono(in->s->w);
    int64_t seconds = 0;
    const char *sick;

    for (size_t i = 0; in->plan && i < in->plan->n_soaks; i++)
        if (in->plan->soaks[i].wave == in->wave)
            seconds = in->plan->soaks[i].seconds;
    if (!seconds || in->soaked_wave == in->wave)
        return true;
    sick = sick_host(in);
    if (sick) {
        in->halted = true;
        in->halted_generation = in->generation;
        auto_free char *why = mem_printf("%s does not serve any more while wave %u was watched", sick, in->wave);
        op_end(in, OUT_FAILED, why);
        return false;
    }
    if (!in->soak_until)
        in->soak_until = now + (uint64_t)seconds * 1000;
    if (now >= in->soak_until) {
        in->soak_until = 0;
        in->soaked_wave = in->wave;
        return true;
    }
    if (!in->soak_timer)
        in->soak_timer = world_timer(in->s->w, 1000, soak_over, in);
    return false;
}

/* Where the operation stands: start what may start, go to the next wave, or end. */
void inst_run_ready_tasks(struct inst *in)
{
    bool running = false, waiting = false, later = false;
    const char *failed = NULL;

    if (in->state != INST_RUNNING || in->s->stopping)
        return;
    for (size_t i = 0; i < in->n_tasks; i++)
        if (in->tasks[i].state == TASK_FAILED && !failed)
            failed = in->tasks[i].error ? in->tasks[i].error : in->tasks[i].object;
    for (size_t i = 0; i < in->n_tasks; i++) {
        struct task *t = &in->tasks[i];
        bool resumes = t->resume && cJSON_GetArraySize(t->resume) > 0;

        if (t->state == TASK_WAIT && ((failed && in->halted) || in->superseding) && !resumes)
            t->state = TASK_SUPERSEDED;
        if (t->state == TASK_WAIT && (t->wave == in->wave || resumes) && !t->retry && may_start(in, t))
            start_task(t);
        running |= t->state == TASK_RUN;
        waiting |= t->state == TASK_WAIT && t->wave <= in->wave;
        later |= t->state == TASK_WAIT && t->wave > in->wave;
    }
    if (running || waiting)
        return;
    if (failed)
        op_end(in, OUT_FAILED, failed);
    else if (in->superseding)
        op_end(in, OUT_SUPERSEDED, "a newer generation");
    else if (later && !soaked(in))
        return;
    else if (later)
        run_wave(in);
    else if (in->holding)
        settle(in);
    else
        op_end(in, OUT_DONE, "");
}

static bool was_planned_change(const struct task *t)
{
    return is_shard_task(t) || str_starts(t->table, "keeper");
}

static int64_t failures(const struct inst *in)
{
    int64_t n = 0;

    for (size_t i = 0; i < in->n_tasks; i++)
        n += in->tasks[i].state == TASK_FAILED;
    return n;
}

void inst_task_over(struct inst *in, struct task *t)
{
    static const enum outcome outs[] = {[TASK_DONE] = OUT_DONE,
                                        [TASK_FAILED] = OUT_FAILED,
                                        [TASK_SUPERSEDED] = OUT_SUPERSEDED,
                                        [TASK_WAIT] = OUT_NONE,
                                        [TASK_RUN] = OUT_NONE};
    struct journal_rec rec = {
        .type = JRN_TASK_END, .op = in->op, .task = t->id, .outcome = outs[t->state], .text = t->error};

    journal_put(in->s->j, &rec, NULL, NULL);
    if (t->state == TASK_FAILED && was_planned_change(t) && !in->halted &&
        failures(in) > json_int(in->fleet->chfleet, "budgets.failures", 0)) {
        in->halted = true;
        in->halted_generation = in->generation;
        for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
            if (wp->inst == in && wp->task && wp->task != t)
                link_stop(wp, "another host failed", false);
    }
    status_kick(in);
    inst_run_ready_tasks(in);
}

static void record_task_id(struct inst *in)
{
    struct journal_rec rec = {.type = JRN_TASK_ID, .op = in->op, .object = in->key, .name = in->fleet->task_id};

    if (in->plan && in->plan->execute_task_id && in->fleet->task_id)
        journal_put(in->s->j, &rec, NULL, NULL);
    else if (in->plan && in->plan->restart_token)
        in->restarted_generation = in->generation;
}

static void op_end(struct inst *in, enum outcome outcome, const char *why)
{
    struct journal_rec rec = {.type = JRN_OP_END, .op = in->op, .outcome = outcome, .text = why};
    auto_free char *text = mem_str(why);

    if (outcome == OUT_DONE) {
        for (size_t i = 0; i < in->n_tasks; i++)
            if (in->halted && is_shard_task(&in->tasks[i])) {
                in->halted = false; /* what had failed works now */
                note_failure(in, NULL);
            }
        record_task_id(in);
        free(in->done_hash);
        in->done_hash = in->plan && in->plan->object ? plan_hash(in->plan) : NULL;
        in->done_generation = in->generation;
    }
    if (outcome == OUT_FAILED && in->halted)
        note_failure(in, text);
    journal_put(in->s->j, &rec, NULL, NULL);
    log_note(in->key, "operation %llu %s%s%s", (unsigned long long)in->op, outcome_name(outcome), *text ? ": " : "",
             text);
    in->state = INST_IDLE;
    in->superseding = false;
    if (in->member_wp)
        link_kill(in->member_wp, "operation over");
    if (outcome == OUT_FAILED) {
        in->backoff_ms = in->backoff_ms ? in->backoff_ms * 2 : FAIL_BACKOFF_MS;
        if (in->backoff_ms > FAIL_BACKOFF_MAX_MS)
            in->backoff_ms = FAIL_BACKOFF_MAX_MS;
        inst_set_error(in, "FAILED", "%s", text);
        status_write_now(in);
        inst_kick(in, in->backoff_ms);
    } else {
        inst_kick(in, 0);
    }
    free_tasks(in);
}

/* ---- recovery ---- */

static int recover_step(void *ctx, const struct journal_step *row)
{
    struct task *t = ctx;
    struct super *s = t->inst->s;
    cJSON *j = cJSON_CreateObject();
    bool same_boot = str_eq(row->boot_id, s->w->ops->boot_id(s->w));

    json_set_str(j, "host", row->object);
    json_set_str(j, "step", row->name);
    json_set_int(j, "attempt", row->attempt);
    if (row->outcome != OUT_NONE)
        json_set_str(j, "outcome", outcome_name(row->outcome));
    else
        inst_host_need(t->inst, row->object)->disrupted = is_shard_task(t);
    snprintf(inst_host_need(t->inst, row->object)->step, sizeof t->inst->hosts->step, "%s", row->name);
    inst_host_need(t->inst, row->object)->joined = link_has_joined(row->name, row->outcome);
    if (row->baseline && *row->baseline) {
        cJSON *b = json_parse(row->baseline, strlen(row->baseline), NULL);

        if (b)
            json_set(j, "baseline", b);
    }
    json_set_bool(j, "same_boot", same_boot);
    json_set_int(j, "age_ms", (int64_t)(world_wall(s->w) - row->wall_ms));
    if (!t->resume)
        t->resume = cJSON_CreateArray();
    cJSON_AddItemToArray(t->resume, j);
    return 0;
}

static int recover_task(void *ctx, const struct journal_task *row)
{
    struct inst *in = ctx;
    struct task *t;
    auto_json cJSON *body = row->text ? json_parse(row->text, strlen(row->text), NULL) : NULL;
    const cJSON *h;

    in->tasks = mem_grow(in->tasks, in->n_tasks + 1, sizeof *in->tasks);
    t = &in->tasks[in->n_tasks++];
    *t = (struct task){.inst = in,
                       .id = row->task,
                       .wave = row->wave,
                       .table = mem_str(row->name),
                       .object = mem_str(row->object),
                       .state = row->outcome == OUT_NONE ? TASK_WAIT : TASK_DONE};
    cJSON_ArrayForEach(h, json_get(body, "hosts")) {
        t->hosts = mem_grow(t->hosts, t->n_hosts + 1, sizeof *t->hosts);
        t->hosts[t->n_hosts++] = mem_str(h->valuestring);
    }
    return 0;
}

static void fenced(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    /* The end may have come before all hosts had their copy: once more, it writes only what is missing. */
    if (err || !in->holding) {
        held(in, changed, err);
    } else {
        in->pending--;
        hold_settings(in);
    }
}

/* Fences late writes: an epoch annotation on each StatefulSet that an unended row may still be writing to. */
static void fence(struct inst *in)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < in->n_tasks; i++) {
        const cJSON *row;

        cJSON_ArrayForEach(row, in->tasks[i].resume) {
            cJSON *req;
            char epoch[24];

            if (json_get(row, "outcome"))
                continue;
            snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)in->s->epoch);
            req = cJSON_CreateObject();
            json_set_str(req, "what", "annotate");
            json_set_str(req, "host", json_str(row, "host", ""));
            json_set_str(req, "key", "chfleet.io/epoch");
            json_set_str(req, "value", epoch);
            json_set_bool(req, "if_exists", true);
            cJSON_AddItemToArray(list, req);
        }
    }
    in->pending++;
    apply_all(in, list, fenced, in);
}

static void actions_from_plan(struct inst *in, const cJSON *plan)
{
    const cJSON *h;

    cJSON_ArrayForEach(h, json_get(plan, "hosts")) {
        struct hostrec *rec = inst_host_need(in, json_str(h, "key", ""));
        const char *action = json_str(h, "action", "none");

        rec->ordered = json_bool(h, "ordered", false);
        rec->objects = json_bool(h, "objects", false);

        for (int a = 0; a < HOST_ACTIONS; a++)
            if (strcmp(host_action_name((enum host_action)a), action) == 0)
                rec->action = (enum host_action)a;
    }
}

static void soaks_from_plan(struct plan *p, const cJSON *plan)
{
    const cJSON *s;

    cJSON_ArrayForEach(s, json_get(plan, "soaks")) {
        p->soaks = mem_grow(p->soaks, p->n_soaks + 1, sizeof *p->soaks);
        p->soaks[p->n_soaks++] = (struct plan_soak){(unsigned)json_int(s, "wave", 0), json_int(s, "seconds", 0)};
    }
}

int inst_recover(struct super *s, const struct journal_op *op)
{
    const char *slash = strchr(op->object, '/');
    enum owner_group g = strcmp(op->kind, "chk") == 0 ? GROUP_CHK : GROUP_CHI;
    auto_free char *ns = slash ? mem_strn(op->object, (size_t)(slash - op->object)) : mem_str("");
    auto_free char *name = mem_str(slash ? slash + 1 : op->object);
    auto_json cJSON *plan = op->plan ? json_parse(op->plan, strlen(op->plan), NULL) : NULL;
    struct journal_rec rec = {
        .type = JRN_OP_END, .op = op->op, .outcome = OUT_SUPERSEDED, .text = "its resource is gone"};
    struct facts *facts = NULL;
    struct fleet *f = NULL;
    struct err err = ERR_INIT;
    struct inst *in;
    const cJSON *res;

    if (g == GROUP_CHK && str_ends(name, ".keeper"))
        name[strlen(name) - strlen(".keeper")] = '\0';
    in = inst_get(s, g, ns, name);
    res = super_resource(in);
    if (!res || inst_busy(in) || desired_fleet(in, &f, &err) < 0 || desired_facts(in, f, &facts, &err) < 0) {
        if (res)
            rec.text = err.msg;
        fleet_free(f);
        journal_put(s->j, &rec, NULL, NULL);
        return 0;
    }
    fleet_free(in->fleet);
    in->fleet = f;
    member_init(in, facts);
    facts_free(facts);
    in->op = op->op;
    in->generation = op->generation;
    in->op_started_ms = world_wall(s->w);
    in->superseding = f->generation != op->generation;
    recall_failure(in, res);
    plan_free(in->plan);
    in->plan = mem_zero(sizeof *in->plan);
    in->plan->restart_token = mem_str(json_str(plan, "restart", NULL));
    in->plan->execute_task_id = in->plan->restart_token && str_starts(in->plan->restart_token, "task:");
    in->plan->hold_settings = in->holding = json_bool(plan, "holdSettings", false);
    actions_from_plan(in, plan);
    soaks_from_plan(in->plan, plan);
    journal_each_task(s->j, op->op, recover_task, in);
    for (size_t i = 0; i < in->n_tasks; i++)
        if (in->tasks[i].state == TASK_WAIT)
            journal_each_step(s->j, in->tasks[i].id, recover_step, &in->tasks[i]);
    log_note(in->key, "operation %llu goes on%s", (unsigned long long)in->op,
             in->superseding ? " to the safe point: there is a newer generation" : "");
    in->state = INST_PREPARING;
    fence(in);
    return 0;
}
