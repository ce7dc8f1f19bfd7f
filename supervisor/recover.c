/* SPDX-License-Identifier: Apache-2.0 */
/* An operation of an earlier supervisor goes on: its rows from the journal, the fence, then as any other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

static size_t place_of(const struct step_table *table, const char *step)
{
    size_t i = 0;

    while (i < table->n_steps && strcmp(table->steps[i].name, step) != 0)
        i++;
    return i;
}

/* A row that has not ended: is its host out for it? Before it leaves and when it has joined it serves. */
static bool takes_out(const struct task *t, const struct hostrec *h, const char *step)
{
    const struct step_table *table = steps_table(host_action_name(h->action));
    size_t at = table ? place_of(table, step) : 0, leave = table ? place_of(table, "leave") : 0;

    if (!op_is_shard_task(t))
        return false;
    if (!table || at == table->n_steps) /* a table of what comes after a failure */
        return true;
    return at <= place_of(table, "join") && (leave == table->n_steps || at >= leave);
}

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
        inst_host_need(t->inst, row->object)->disrupted = takes_out(t, inst_host_need(t->inst, row->object), row->name);
    snprintf(inst_host_need(t->inst, row->object)->step, sizeof t->inst->hosts->step, "%s", row->name);
    inst_host_need(t->inst, row->object)->joined = records_joined(row->name, row->outcome);
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
        settings_held(in, changed, err);
    } else {
        in->pending--;
        settings_hold(in);
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
    if (in->group == GROUP_CHI && !in->s->endpoints) { /* our address may be a new one: servers ask for it first */
        cJSON *users = cJSON_CreateObject();

        json_set_str(users, "what", "users");
        cJSON_AddItemToArray(list, users);
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
    if (!res || !super_watches(s, ns) || inst_busy(in) || desired_fleet(in, &f, &err) < 0 ||
        desired_facts(in, f, &facts, &err) < 0) {
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
    metrics_op_begun(in);
    in->superseding = f->generation != op->generation;
    inst_recall_failure(in, res);
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
