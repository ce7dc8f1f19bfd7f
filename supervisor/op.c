/* SPDX-License-Identifier: Apache-2.0 */
/* One operation: write the plan down, run its tasks wave by wave, settle, end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

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
    inst_free_tasks(in);
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
        h->held_turn = h->held_back = false;
        h->begun_ms = 0;
        h->ordered = p->hosts[i].ordered;
        h->objects = p->hosts[i].objects;
    }
}

void op_run_wave(struct inst *in)
{
    in->state = INST_RUNNING;
    in->wave = UINT32_MAX;
    for (size_t i = 0; i < in->n_tasks; i++)
        if (in->tasks[i].state == TASK_WAIT && in->tasks[i].wave < in->wave)
            in->wave = in->tasks[i].wave;
    op_run_ready_tasks(in);
}

/* Of several records the first one says what is wrong: the rest fail because it is missing. */
static void head_written(void *ctx, const struct err *err)
{
    struct inst *in = ctx;

    in->pending--;
    free(in->write_error);
    in->write_error = err ? mem_str(err->msg) : NULL;
}

static void plan_written(void *ctx, const struct err *err)
{
    struct inst *in = ctx;

    in->pending--;
    if (err) {
        in->state = INST_IDLE;
        inst_free_tasks(in);
        inst_set_error(in, "JOURNAL", "%s: nothing is changed until the journal can be written",
                       in->write_error ? in->write_error : err->msg);
        inst_kick(in, 5000);
        return;
    }
    if (in->plan && in->plan->hold_settings)
        settings_hold(in);
    else
        op_run_wave(in);
}

static bool is_fresh(const struct inst *in)
{
    for (size_t i = 0; i < in->n_hosts; i++)
        if (in->hosts[i].listed)
            return false;
    return true;
}

void op_begin(struct inst *in, struct fleet *f, struct plan *p)
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
    metrics_op_begun(in);
    take_tasks(in, p);
    if (in->group == GROUP_CHK && is_fresh(in)) /* a first ensemble knows all its members from the start */
        for (size_t i = 0; i < f->n_hosts; i++)
            inst_host_need(in, f->hosts[i]->key)->listed = true;
    if (!in->halted) /* what failed stays said until the spec is corrected */
        inst_set_error(in, NULL, NULL);
    log_note(in->key, "operation %llu, generation %lld: %zu hosts, %zu tasks", (unsigned long long)in->op,
             (long long)f->generation, p->n_hosts, p->n_tasks);
    in->pending += 2;
    journal_put(in->s->j, &rec, head_written, in);
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

bool op_is_shard_task(const struct task *t)
{
    return strcmp(t->table, "shard") == 0;
}

static unsigned running_shards(const struct inst *in, const char *cluster_prefix)
{
    unsigned n = 0;

    for (size_t i = 0; i < in->n_tasks; i++)
        if (in->tasks[i].state == TASK_RUN && op_is_shard_task(&in->tasks[i]) &&
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
    if (!op_is_shard_task(t))
        return true;
    cluster_prefix(t, prefix, sizeof prefix);
    c = prefix + inst_prefix(in) + 1;
    snprintf(cluster, sizeof cluster, "%.*s", (int)strcspn(c, "/"), c);
    return running_shards(in, prefix) < governor_shard_slots(in, cluster);
}

static void retry_task(void *ctx)
{
    struct task *t = ctx;

    t->retry = NULL;
    op_run_ready_tasks(t->inst);
}

static void start_task(struct task *t)
{
    struct err err = ERR_INIT;

    if (wproc_start(t->inst, t, false, &err) == 0) {
        t->state = TASK_RUN;
        if (t->resume && cJSON_GetArraySize(t->resume) > 0)
            member_resume(t->inst);
        return;
    }
    log_warn(t->object, "worker does not start: %s; trying again", err.msg);
    t->retry = world_timer(t->inst->s->w, 500, retry_task, t);
}

static void soak_over(void *ctx)
{
    struct inst *in = ctx;

    in->soak_timer = NULL;
    op_run_ready_tasks(in);
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
void op_run_ready_tasks(struct inst *in)
{
    bool running = false, waiting = false, later = false;
    const char *failed = NULL, *tolerated = NULL;

    if (in->state != INST_RUNNING || in->s->stopping)
        return;
    for (size_t i = 0; i < in->n_tasks; i++)
        if (in->tasks[i].state == TASK_FAILED) {
            const char *why = in->tasks[i].error ? in->tasks[i].error : in->tasks[i].object;

            if (in->tasks[i].tolerated)
                tolerated = tolerated ? tolerated : why;
            else
                failed = failed ? failed : why;
        }
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
        op_run_wave(in);
    else if (member_to_be_told(in))
        return; /* member_done() comes here again */
    else if (tolerated)
        op_end(in, OUT_FAILED, tolerated); /* the others are done; this is tried again */
    else if (in->holding)
        settings_settle(in);
    else
        op_end(in, OUT_DONE, "");
}

static bool was_planned_change(const struct task *t)
{
    return op_is_shard_task(t) || str_starts(t->table, "keeper");
}

static int64_t failures(const struct inst *in)
{
    int64_t n = 0;

    for (size_t i = 0; i < in->n_tasks; i++)
        n += in->tasks[i].state == TASK_FAILED && !in->tasks[i].tolerated;
    return n;
}

void op_task_over(struct inst *in, struct task *t)
{
    static const enum outcome outs[] = {[TASK_DONE] = OUT_DONE,
                                        [TASK_FAILED] = OUT_FAILED,
                                        [TASK_SUPERSEDED] = OUT_SUPERSEDED,
                                        [TASK_WAIT] = OUT_NONE,
                                        [TASK_RUN] = OUT_NONE};
    struct journal_rec rec = {
        .type = JRN_TASK_END, .op = in->op, .task = t->id, .outcome = outs[t->state], .text = t->error};

    journal_put(in->s->j, &rec, NULL, NULL);
    if (t->state == TASK_FAILED && was_planned_change(t) && !t->tolerated && !in->halted &&
        failures(in) > json_int(in->fleet->chfleet, "budgets.failures", 0)) {
        in->halted = true;
        in->halted_generation = in->generation;
        for (struct wproc *wp = in->s->wprocs; wp; wp = wp->next)
            if (wp->inst == in && wp->task && wp->task != t)
                link_stop(wp, "another host failed", false);
    }
    status_kick(in);
    op_run_ready_tasks(in);
}

static void record_task_id(struct inst *in)
{
    struct journal_rec rec = {.type = JRN_TASK_ID, .op = in->op, .object = in->key, .name = in->fleet->task_id};

    if (in->plan && in->plan->execute_task_id && in->fleet->task_id)
        journal_put(in->s->j, &rec, NULL, NULL);
    else if (in->plan && in->plan->restart_token)
        in->restarted_generation = in->generation;
}

void op_end(struct inst *in, enum outcome outcome, const char *why)
{
    struct journal_rec rec = {.type = JRN_OP_END, .op = in->op, .outcome = outcome, .text = why};
    auto_free char *text = mem_str(why);

    if (outcome == OUT_DONE) {
        for (size_t i = 0; i < in->n_tasks; i++)
            if (in->halted && op_is_shard_task(&in->tasks[i]) && in->rolled_back_generation != in->generation) {
                in->halted = false; /* what had failed works now */
                inst_note_failure(in, NULL);
            }
        record_task_id(in);
        free(in->done_hash);
        in->done_hash = in->plan && in->plan->object ? plan_hash(in->plan) : NULL;
        in->done_generation = in->generation;
    }
    if (outcome == OUT_FAILED && in->halted)
        inst_note_failure(in, text);
    journal_put(in->s->j, &rec, NULL, NULL);
    log_note(in->key, "operation %llu %s%s%s", (unsigned long long)in->op, outcome_name(outcome), *text ? ": " : "",
             text);
    in->state = INST_IDLE;
    in->superseding = false;
    metrics_op_over(in, outcome);
    if (in->member_wp)
        wproc_kill(in->member_wp, "operation over");
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
    inst_free_tasks(in);
    governor_next_turn(in->s);
}
