/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that workers write: into the journal, and into what a next worker of the task resumes from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/link.h"

enum { STEP_SLACK_MS = 10000, STEP_LIMIT_S = 900 };

/* A row on its way to the disk. */
struct writing {
    struct pending *asker;
    cJSON *row; /* for the next worker of the task */
};

/* Knobs move the deadlines of some steps; one that gets on may begin its time anew once. */
static uint64_t step_limit(const struct task *t, const char *host, const char *step)
{
    const struct step_table *table = steps_table(t->table);
    struct hostrec *h = inst_host(t->inst, host);
    auto_json cJSON *limits = knobs_limits(t->inst->fleet);
    char name[64];

    if (!table && h) {
        snprintf(name, sizeof name, "%s%s", t->inst->group == GROUP_CHK ? "keeper-" : "", host_action_name(h->action));
        table = steps_table(name);
    }
    if (json_get(limits, step))
        return 2 * (uint64_t)json_int(limits, step, 0);
    for (size_t i = 0; table && i < table->n_steps; i++)
        if (strcmp(table->steps[i].name, step) == 0)
            return table->steps[i].limit_s;
    return STEP_LIMIT_S;
}

static enum outcome outcome_parse(const char *text)
{
    static const struct {
        const char *text;
        enum outcome o;
    } all[] = {{"done", OUT_DONE}, {"already", OUT_ALREADY}, {"failed", OUT_FAILED}, {"undone", OUT_UNDONE}};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].text, text) == 0)
            return all[i].o;
    return OUT_FAILED;
}

/* An end replaces the begun row of its step in what a next worker resumes from. Returns the row's baseline; caller
 * owns. */
static cJSON *forget_begun(struct task *t, const char *host, const char *step)
{
    cJSON *baseline = NULL;

    for (int i = 0; t->resume && i < cJSON_GetArraySize(t->resume); i++) {
        cJSON *row = cJSON_GetArrayItem(t->resume, i);

        if (strcmp(json_str(row, "host", ""), host) != 0 || strcmp(json_str(row, "step", ""), step) != 0)
            continue;
        cJSON_Delete(baseline);
        baseline = cJSON_DetachItemFromObjectCaseSensitive(row, "baseline");
        cJSON_DeleteItemFromArray(t->resume, i--);
    }
    return baseline;
}

bool records_joined(const char *step, enum outcome outcome)
{
    return strcmp(step, "join") == 0 && (outcome == OUT_DONE || outcome == OUT_ALREADY);
}

/* What a next worker of the task gets of this row, when it is durable. Caller owns. */
static cJSON *resume_row(struct task *t, const cJSON *req, bool begin)
{
    cJSON *row = cJSON_CreateObject();
    const char *host = json_str(req, "host", ""), *step = json_str(req, "step", "");

    json_set(row, "baseline", forget_begun(t, host, step));
    json_set_str(row, "host", host);
    json_set_str(row, "step", step);
    json_set_int(row, "attempt", json_int(req, "attempt", 1));
    if (json_get(req, "baseline"))
        json_set(row, "baseline", json_copy(json_get(req, "baseline")));
    if (!begin)
        json_set_str(row, "outcome", json_str(req, "outcome", "failed"));
    json_set_bool(row, "same_boot", true);
    return row;
}

static void host_is_at(struct inst *in, struct hostrec *h, const char *step, enum outcome outcome)
{
    snprintf(h->step, sizeof h->step, "%s", step);
    governor_no_wait(in, h->key);
    h->text[0] = '\0';
    h->since_ms = world_wall(in->s->w);
    metrics_host_works(in, h);
    h->joined = records_joined(step, outcome);
    if (h->joined)
        h->disrupted = false; /* also when it was in already, and nobody had to ask for it */
}

/* The journal has it: remember it for the next worker of this task, then let this one go on. */
static void durable(void *ctx, const struct err *err)
{
    struct writing *w = ctx;
    struct wproc *wp = link_asker(w->asker);

    if (wp && wp->task && !err) {
        if (!wp->task->resume)
            wp->task->resume = cJSON_CreateArray();
        cJSON_AddItemToArray(wp->task->resume, w->row);
    } else
        cJSON_Delete(w->row);
    link_answer_pending(w->asker, NULL, err);
    free(w);
}

void records_take(struct wproc *wp, uint32_t seq, const cJSON *req)
{
    struct inst *in = wp->inst;
    struct task *t = wp->task;
    bool begin = strcmp(json_str(req, "type", ""), "begin") == 0;
    const char *host = json_str(req, "host", ""), *step = json_str(req, "step", "");
    auto_free char *baseline = json_get(req, "baseline") ? json_print(json_get(req, "baseline")) : NULL;
    struct journal_rec rec = {.type = begin ? JRN_STEP_BEGIN : JRN_STEP_END,
                              .op = in->op,
                              .task = t ? t->id : 0,
                              .object = *host ? host : in->key,
                              .name = step,
                              .attempt = (uint32_t)json_int(req, "attempt", 1),
                              .text = begin ? baseline : json_str(req, "detail", ""),
                              .outcome = begin ? OUT_NONE : outcome_parse(json_str(req, "outcome", "failed"))};
    struct hostrec *h = *host ? inst_host(in, host) : NULL;
    struct writing *w;

    if (!t) { /* membership lists are published again after a death: nothing to resume */
        link_answer(wp, seq, NULL, NULL);
        return;
    }
    wp->step_limit_ms = step_limit(t, host, step) * 1000ull + STEP_SLACK_MS;
    wp->step_deadline_ms = begin ? world_mono(in->s->w) + wp->step_limit_ms : 0;
    w = mem_zero(sizeof *w);
    *w = (struct writing){.asker = link_later(wp, seq), .row = resume_row(t, req, begin)};
    if (h)
        host_is_at(in, h, step, rec.outcome);
    journal_put(in->s->j, &rec, durable, w);
    status_kick(in);
}
