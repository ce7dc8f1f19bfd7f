/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/protocol.h"

const char *const point_names[POINTS] = {"before its record", "after its record, before the ack",
                                         "the ack is on its way", "after the ack, before the act",
                                         "after the act's first effect"};

enum { MAX_STEPS = 24, KINDS = 2 };

/* ---- whose record is it? ---- */

static struct worker_task *task_at(struct tasks *t, const struct world *worker)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].worker == worker)
            return &t->v[i];
    t->v = mem_grow(t->v, t->n + 1, sizeof *t->v);
    t->v[t->n] = (struct worker_task){.worker = worker};
    return &t->v[t->n++];
}

void tasks_frame(struct tasks *t, const struct sim_frame *f)
{
    struct worker_task *w;

    if (f->type != MSG_TASK || f->after)
        return;
    w = task_at(t, f->to);
    cJSON_Delete(w->json);
    *w = (struct worker_task){.worker = f->to, .json = json_parse(f->body, f->len, NULL)};
}

static size_t step_in(const struct step_table *table, const char *step)
{
    size_t i = 0;

    while (table && i < table->n_steps && strcmp(table->steps[i].name, step) != 0)
        i++;
    return i;
}

static const struct step_table *table_of(const struct worker_task *w, const char *host)
{
    const struct step_table *table = steps_table(json_str(w->json, "table", ""));
    const cJSON *h;
    char name[64];

    if (table)
        return table;
    cJSON_ArrayForEach(h, json_get(w->json, "hosts")) {
        if (strcmp(json_str(h, "key", ""), host) != 0)
            continue;
        snprintf(name, sizeof name, "%s%s", strcmp(json_str(w->json, "kind", ""), "chk") == 0 ? "keeper-" : "",
                 json_str(h, "action", ""));
        return steps_table(name);
    }
    return NULL;
}

/* The driver goes to another table after a failure: its first step is in no other. */
static void look_for_aftermath(struct worker_task *w, const char *host, const char *step)
{
    if (strcmp(step, "restore") != 0 && strcmp(step, "park") != 0)
        return;
    w->after = steps_table(strcmp(step, "park") == 0 ? "take-back" : "rollback");
    snprintf(w->aftermath, sizeof w->aftermath, "%s", host);
}

bool tasks_record(struct tasks *t, const struct sim_frame *f, struct record *rec)
{
    struct worker_task *w = task_at(t, f->from);
    auto_json cJSON *body = json_parse(f->body, f->len, NULL);
    const char *host = json_str(body, "host", ""), *step = json_str(body, "step", "");

    look_for_aftermath(w, host, step);
    *rec = (struct record){.table = strcmp(w->aftermath, host) == 0 && w->after ? w->after : table_of(w, host),
                           .result = strcmp(json_str(body, "type", ""), "end") == 0};
    rec->step = step_in(rec->table, step);
    return rec->table && rec->step < rec->table->n_steps;
}

void tasks_free(struct tasks *t)
{
    for (size_t i = 0; i < t->n; i++)
        cJSON_Delete(t->v[i].json);
    free(t->v);
}

/* ---- cells ---- */

static size_t index_of(const struct step_table *table)
{
    size_t i = 0;

    while (steps_at(i) && steps_at(i) != table)
        i++;
    return i;
}

struct cells cells_new(void)
{
    return (struct cells){mem_zero((index_of(NULL) + 1) * MAX_STEPS * KINDS * POINTS * sizeof(unsigned))};
}

void cells_free(struct cells *c)
{
    free(c->v);
}

static size_t cell(const struct step_table *table, size_t step, bool result, enum point p)
{
    return ((index_of(table) * MAX_STEPS + step) * KINDS + result) * POINTS + p;
}

unsigned *cells_at(struct cells *c, const struct record *rec, enum point p)
{
    return &c->v[cell(rec->table, rec->step, rec->result, p)];
}

bool record_has(const struct record *rec, enum point p)
{
    return p != AFTER_EFFECT || rec->acts;
}

/* What does not happen, and why. */
static const struct never {
    const char *table, *step; /* NULL: each */
    bool result;              /* not even a result */
} nevers[] = {
    {"remove", "delete-statefulset", false},        /* halt takes the set along: one of no spec has no set at 0 */
    {"keeper-remove", "delete-statefulset", false}, /* likewise */
    {"keeper-reload", "config", false},             /* what a running member takes over is in the common files */
    {"create", "attached", false},                  /* its volumes are new, or were kept without its server being seen */
    {"move", "attached", false},                    /* its data is on a new volume */
    {"rebuild", "attached", false},                 /* likewise */
    {"keeper-soft-restart", NULL, true},            /* not planned: a member restarts with a new pod */
};

static const struct never *is_never(const struct step_table *table, const struct step *s)
{
    for (size_t i = 0; i < sizeof nevers / sizeof *nevers; i++)
        if (strcmp(nevers[i].table, table->name) == 0 && (!nevers[i].step || strcmp(nevers[i].step, s->name) == 0))
            return &nevers[i];
    return NULL;
}

static unsigned missing_at(const struct cells *c, const struct step_table *table, size_t step, bool result,
                           struct str *out)
{
    unsigned n = 0;

    for (int p = 0; p < AFTER_EFFECT; p++) {
        bool worker_is_gone = result && step + 1 == table->n_steps && (p == BEFORE_ACK || p == AFTER_ACK);

        if (c->v[cell(table, step, result, (enum point)p)] || worker_is_gone) /* with the last result it is done */
            continue;
        n++;
        str_addf(out, "#   nothing died at %s, %s, %s: %s\n", table->name, table->steps[step].name,
                 result ? "result" : "begun", point_names[p]);
    }
    return n;
}

/* What is said never to happen has happened. */
static unsigned wrong_never(const struct cells *c, const struct step_table *table, size_t step, bool result,
                            struct str *out)
{
    unsigned n = 0;

    for (int p = 0; p < POINTS; p++)
        n += c->v[cell(table, step, result, (enum point)p)];
    if (n)
        str_addf(out, "#   %s, %s, %s is in the list of what never happens\n", table->name, table->steps[step].name,
                 result ? "result" : "begun");
    return n;
}

unsigned cells_missing(const struct cells *c, struct str *out)
{
    const struct step_table *table;
    unsigned n = 0;

    for (size_t i = 0; (table = steps_at(i)); i++)
        for (size_t k = 0; k < table->n_steps; k++) {
            const struct never *never = is_never(table, &table->steps[k]);

            n += never ? wrong_never(c, table, k, false, out) : missing_at(c, table, k, false, out);
            n += never && never->result ? wrong_never(c, table, k, true, out) : missing_at(c, table, k, true, out);
        }
    return n;
}
