/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's life: facts and tasks in, requests out. One task at a time. Nothing here decides anything about
 * a host; that is driver.c and the steps.
 */
#include "workers/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/task.h"

struct worker {
    struct world *w;
    struct world_chan *chan;
    char *name;
    uint32_t seq;
    cJSON *facts; /* by host key */
    char *user, *password, *ca;
    bool insecure;
    struct access access;
    struct task *task;
};

uint32_t worker_send(struct worker *wk, int type, const cJSON *body)
{
    auto_free char *text = json_print(body);
    uint32_t seq = ++wk->seq;

    wk->w->ops->chan_send(wk->w, wk->chan, (uint16_t)type, wk->task ? wk->task->id : 0, seq, text, strlen(text));
    return seq;
}

const cJSON *worker_facts(struct worker *wk, const char *key)
{
    return json_get(wk->facts, key);
}

/* ---- credentials ---- */

static void forget(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

bool worker_has_credentials(struct worker *wk, const char **user, const char **password)
{
    *user = wk->user;
    *password = wk->password;
    return wk->user != NULL;
}

void worker_forget_credentials(struct worker *wk)
{
    forget(&wk->user);
    forget(&wk->password);
}

void worker_take_credentials(struct worker *wk, const cJSON *data)
{
    worker_forget_credentials(wk);
    forget(&wk->ca);
    wk->user = mem_str(json_str(data, "user", "default"));
    wk->password = mem_str(json_str(data, "password", ""));
    wk->ca = mem_str(json_str(data, "ca", NULL));
    wk->insecure = json_bool(data, "insecure", false);
    wk->access = (struct access){.secure = str_eq(json_str(data, "scheme", NULL), "https"),
                                 .plain = str_eq(json_str(data, "scheme", NULL), "http"),
                                 .port = (unsigned)json_int(data, "port", 0),
                                 .connect_ms = (uint32_t)json_int(data, "connect_s", 0) * 1000,
                                 .query_ms = (uint32_t)json_int(data, "query_s", 0) * 1000};
}

const struct access *worker_access(const struct worker *wk)
{
    return &wk->access;
}

struct http_tls worker_trust(const struct worker *wk)
{
    return (struct http_tls){.ca = wk->ca, .insecure = wk->insecure};
}

/* ---- tasks ---- */

static void done_refused(struct worker *wk, const char *why)
{
    auto_json cJSON *body = cJSON_CreateObject();

    json_set_str(body, "outcome", "failed");
    json_set_str(body, "text", why);
    worker_send(wk, MSG_DONE, body);
}

static void begin_task(struct worker *wk, cJSON *json)
{
    struct err err = ERR_INIT;

    if (wk->task) {
        cJSON_Delete(json);
        done_refused(wk, "a task came while another one was under way");
        return;
    }
    wk->task = task_new(wk, wk->w, json, &err);
    if (!wk->task)
        done_refused(wk, err.msg);
}

void worker_task_over(struct worker *wk)
{
    task_free(wk->task);
    wk->task = NULL;
}

static void merge_facts(struct worker *wk, cJSON *hosts)
{
    cJSON *one;

    while (hosts && (one = hosts->child)) {
        auto_free char *key = mem_str(one->string);

        json_set(wk->facts, key, cJSON_DetachItemViaPointer(hosts, one));
    }
    if (wk->task)
        task_poke(wk->task);
}

static void answer(struct worker *wk, uint32_t seq, const cJSON *body)
{
    struct ask *a = wk->task ? asks_pending_msg(wk->task, seq) : NULL;

    if (a)
        ask_answered(a, body);
}

static void on_frame(void *ctx, const struct frame *f)
{
    struct worker *wk = ctx;
    struct err err = ERR_INIT;
    cJSON *body = json_parse(f->body, f->len, &err);

    if (!body) {
        log_error(wk->name, "a message of type %d is %s: the supervisor and this worker are of different builds",
                  f->type, err.msg);
        return;
    }
    switch (f->type) {
    case MSG_TASK:
        begin_task(wk, body);
        return;
    case MSG_FACTS:
        merge_facts(wk, json_get(body, "hosts"));
        break;
    case MSG_ANSWER:
        answer(wk, f->seq, body);
        break;
    case MSG_STOP:
        if (wk->task)
            task_stop(wk->task, json_str(body, "why", "the supervisor asks"), json_bool(body, "now", false));
        break;
    default:
        break;
    }
    cJSON_Delete(body);
}

static void on_closed(void *ctx, const char *why)
{
    struct worker *wk = ctx;
    struct world *w = wk->w;

    (void)why;
    task_free(wk->task);
    cJSON_Delete(wk->facts);
    worker_forget_credentials(wk);
    forget(&wk->ca);
    free(wk->name);
    free(wk);
    w->ops->quit(w, 0);
}

int worker_main(struct world *w, struct world_chan *chan, const struct world_worker_args *args)
{
    static const struct world_chan_cbs cbs = {.frame = on_frame, .closed = on_closed};
    struct worker *wk = mem_zero(sizeof *wk);

    wk->w = w;
    wk->chan = chan;
    wk->name = mem_str(args->name ? args->name : "");
    wk->facts = cJSON_CreateObject();
    w->ops->chan_listen(w, chan, &cbs, wk);
    return 0;
}
