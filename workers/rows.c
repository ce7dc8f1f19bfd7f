/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor is told of a task: rows for the journal, and how it gets on. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "workers/driver.h"
#include "workers/protocol.h"

const char *row_host(const struct task *t)
{
    return t->host ? t->host->key : json_str(t->json, "object", "");
}

/* ---- rows ---- */

static void remember(struct task *t, const char *outcome)
{
    cJSON *row = cJSON_CreateObject();

    json_set_str(row, "host", row_host(t));
    json_set_str(row, "step", t->step->name);
    json_set_int(row, "attempt", t->attempt);
    json_set_str(row, "outcome", outcome);
    if (t->baseline)
        json_set(row, "baseline", json_copy(t->baseline));
    cJSON_AddItemToArray(t->rows, row);
}

static cJSON *row_body(const struct task *t, const char *type)
{
    cJSON *body = cJSON_CreateObject();

    json_set_str(body, "type", type);
    json_set_str(body, "host", row_host(t));
    json_set_str(body, "step", t->step->name);
    json_set_int(body, "attempt", t->attempt);
    return body;
}

cJSON *row_begin(const struct task *t)
{
    cJSON *body = row_body(t, "begin");

    json_set(body, "baseline", json_copy(t->baseline));
    return body;
}

void row_begun(struct task *t)
{
    remember(t, NULL);
    t->begun = true;
}

void row_end(struct task *t, const char *outcome, const char *detail)
{
    auto_json cJSON *body = row_body(t, "end");

    json_set_str(body, "outcome", outcome);
    json_set_str(body, "detail", detail);
    if (t->baseline) /* rows that a next worker resumes from replace each other: the newest one carries it, too */
        json_set(body, "baseline", json_copy(t->baseline));
    worker_send(t->worker, MSG_RECORD, body);
    remember(t, outcome);
    t->begun = false;
    log_info(row_host(t), "step %s: %s%s%s", t->step->name, outcome, *detail ? ": " : "", detail);
}

/* ---- progress ---- */

void progress_say(struct task *t)
{
    auto_json cJSON *body = cJSON_CreateObject();

    t->beat_ms = world_mono(t->w) + HEARTBEAT_MS;
    json_set_str(body, "host", row_host(t));
    json_set_str(body, "step", t->step ? t->step->name : "fence");
    json_set_str(body, "text", t->why);
    json_set_str(body, "waiting", *t->waiting ? t->waiting : NULL);
    json_set_int(body, "since_ms", (int64_t)t->why_ms);
    worker_send(t->worker, MSG_PROGRESS, body);
}

void progress_report(struct task *t)
{
    char now_said[sizeof t->said];

    snprintf(now_said, sizeof now_said, "%s %s", t->waiting, t->why);
    if (!*t->why || strcmp(now_said, t->said) == 0)
        return;
    memcpy(t->said, now_said, sizeof t->said);
    progress_say(t);
}

void progress_clear(struct task *t)
{
    t->why[0] = t->waiting[0] = t->said[0] = '\0';
}
