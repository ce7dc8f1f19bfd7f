/* SPDX-License-Identifier: Apache-2.0 */
/* A task's life: from the text of MSG_TASK to its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/driver.h"

static void add_hosts(struct task *t, const cJSON *list, bool peer)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, list) {
        struct whost *h = &t->hosts[t->n_hosts++];

        h->key = json_str(one, "key", "");
        h->json = one;
        h->peer = peer;
    }
}

static int check_task(const struct task *t, struct err *err)
{
    const char *name = json_str(t->json, "table", "");
    const struct step_table *table = steps_table(name);

    if (!table && t->n_own == 0)
        return err_set(err, ERR_INPUT, 0, "no step table '%s', and no hosts with actions", name);
    for (size_t i = 0; i < t->n_own; i++) {
        const char *action = host_str(&t->hosts[i], "action");

        if (!table && strcmp(action, "none") != 0 && !course_table_of(t, &t->hosts[i]))
            return err_set(err, ERR_INPUT, 0, "%s: no step table for action '%s'", t->hosts[i].key, action);
    }
    for (size_t i = 0; table && i < table->n_steps; i++)
        if (!step_fns_find(table->steps[i].name, t->kind))
            return err_set(err, ERR_BUG, 0, "step %s has no functions", table->steps[i].name);
    return 0;
}

struct task *task_new(struct worker *wk, struct world *w, cJSON *text, struct err *err)
{
    struct task *t = mem_zero(sizeof *t);
    const cJSON *json = json_keep(text), *own = json_get(json, "hosts"), *peers = json_get(json, "peers");

    t->worker = wk;
    t->w = w;
    t->json = json;
    t->op = json_int(json, "operation", 0);
    t->id = (uint32_t)json_int(json, "task", 0);
    t->tries = (uint32_t)json_int(json, "try", 1);
    t->kind = json_str(json, "kind", "chi");
    t->hosts = mem_array((size_t)(cJSON_GetArraySize(own) + cJSON_GetArraySize(peers)), sizeof *t->hosts);
    add_hosts(t, own, false);
    t->n_own = t->n_hosts;
    add_hosts(t, peers, true);
    t->order = mem_array(t->n_own, sizeof *t->order);
    for (size_t i = 0; i < t->n_own; i++)
        t->order[i] = i;
    t->rows = json_get(json, "resume") ? json_copy(json_get(json, "resume")) : cJSON_CreateArray();
    if (check_task(t, err) < 0) {
        task_free(t);
        return NULL;
    }
    t->fence_all = true;
    t->beat_ms = world_mono(w) + HEARTBEAT_MS;
    course_enter(t, PHASE_FENCE);
    task_poke(t);
    return t;
}

void task_stop(struct task *t, const char *why, bool now)
{
    t->stop = true;
    t->stop_now = t->stop_now || now;
    snprintf(t->stop_why, sizeof t->stop_why, "%s", why);
    task_poke(t);
}

void task_free(struct task *t)
{
    if (!t)
        return;
    asks_clear(t);
    world_timer_stop(t->w, &t->wake);
    for (size_t i = 0; i < t->n_hosts; i++)
        free(t->hosts[i].version_of);
    free(t->hosts);
    free(t->order);
    cJSON_Delete(t->rows);
    cJSON_Delete(t->baseline);
    free(t->probed);
    cJSON_Delete(t->late);
    cJSON_Delete(t->told);
    cJSON_Delete(t->behind);
    json_keep_no_more(t->json);
    free(t);
}
