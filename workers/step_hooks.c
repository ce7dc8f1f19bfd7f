/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of people around changes: spec.chfleet.hooks. A hook of a host runs on that host, one of a shard or a
 * cluster on one host of it that runs. A hook that was recorded as done is not run again; one that a crash cut off is,
 * from its first statement. With `expect` the last statement is a question, asked until its first value is that.
 */
#include <stdio.h>
#include <string.h>

#include "workers/protocol.h"
#include "workers/task.h"

/* "before-host" of the step, "beforeHost" of the resource. */
static bool is_when(const char *step, const char *when)
{
    for (; *step && *when; step++, when++) {
        if (*step == '-' && step[1] - 'a' + 'A' == *when)
            step++;
        else if (*step != *when)
            return false;
    }
    return *step == *when;
}

static bool same_list(const cJSON *list, const char *value)
{
    return cJSON_GetArraySize(list) == 0 || json_has(list, value);
}

/* Of the hosts this operation changes in `cluster`, is one for this hook? Only the tasks of the whole know all. */
static bool cluster_concerns(const struct task *t, const cJSON *hook, const char *cluster)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, json_get(t->json, "changes"))
        if (str_eq(json_str(one, "cluster", NULL), cluster) &&
            json_has(json_get(hook, "actions"), json_str(one, "action", "")))
            return true;
    return false;
}

static bool host_concerns(const struct whost *h, const cJSON *hook)
{
    return same_list(json_get(hook, "clusters"), host_str(h, "cluster")) &&
           json_has(json_get(hook, "actions"), host_str(h, "action"));
}

static bool shard_concerns(const struct task *t, const cJSON *hook)
{
    for (size_t i = 0; i < t->n_own; i++)
        if (same_shard(&t->hosts[i], t->host) && host_concerns(&t->hosts[i], hook))
            return true;
    return false;
}

/* Once for the shard: before its first host, after its last one. */
static bool shard_turn(const struct task *t)
{
    bool before = strcmp(t->step->name, "before-shard") == 0;

    for (size_t i = 0; i < t->n_own; i++) {
        const struct whost *h = &t->hosts[i];
        const cJSON *row = task_row(t, h->key, t->step->name);

        if (h == t->host || strcmp(host_str(h, "action"), "none") == 0)
            continue;
        if (before && row && str_eq(json_str(row, "outcome", NULL), "done"))
            return false;
        if (!before && !h->over)
            return false;
    }
    return true;
}

/* ---- on which host ---- */

static struct whost *one_of_shard(struct task *t)
{
    for (size_t i = 0; i < t->n_hosts; i++)
        if (same_shard(&t->hosts[i], t->host) && host_runs(t, &t->hosts[i]))
            return &t->hosts[i];
    return NULL;
}

static struct whost *one_of_cluster(struct task *t, const char *cluster)
{
    for (size_t i = 0; i < t->n_hosts; i++)
        if (strcmp(host_str(&t->hosts[i], "cluster"), cluster) == 0 && host_runs(t, &t->hosts[i]))
            return &t->hosts[i];
    return NULL;
}

/* Calls fn for each hook of this step with the host it runs on; stops at the first that is not STEP_YES or STEP_SKIP. */
typedef enum step_rc hook_fn(struct task *t, const cJSON *hook, unsigned at, struct whost *on, struct err *err);

static enum step_rc on_host(struct task *t, const cJSON *hook, unsigned at, struct whost *on, hook_fn *fn,
                            struct err *err)
{
    return on ? fn(t, hook, at, on, err) : STEP_SKIP; /* nobody runs: what is down is not kept from its repair */
}

static enum step_rc of_clusters(struct task *t, const cJSON *hook, unsigned at, hook_fn *fn, struct err *err)
{
    enum step_rc all = STEP_SKIP;
    const cJSON *c;

    cJSON_ArrayForEach(c, json_get(t->json, "clusters")) {
        enum step_rc rc = STEP_SKIP;

        if (same_list(json_get(hook, "clusters"), c->valuestring) && cluster_concerns(t, hook, c->valuestring))
            rc = on_host(t, hook, at, one_of_cluster(t, c->valuestring), fn, err);
        if (rc != STEP_YES && rc != STEP_SKIP)
            return rc;
        if (rc == STEP_YES)
            all = rc;
    }
    return all;
}

static enum step_rc of_host(struct task *t, const cJSON *hook, unsigned at, hook_fn *fn, struct err *err)
{
    bool shard = str_ends(t->step->name, "-shard");

    if (shard ? !shard_concerns(t, hook) || !shard_turn(t) : !host_concerns(t->host, hook))
        return STEP_SKIP;
    return on_host(t, hook, at, shard ? one_of_shard(t) : host_runs(t, t->host) ? t->host : NULL, fn, err);
}

static enum step_rc each_hook(struct task *t, hook_fn *fn, struct err *err)
{
    enum step_rc all = STEP_SKIP;
    const cJSON *hook;
    unsigned at = 0;

    cJSON_ArrayForEach(hook, json_get(t->json, "hooks")) {
        enum step_rc rc;

        at++;
        if (!is_when(t->step->name, json_str(hook, "when", "")))
            continue;
        rc = t->host ? of_host(t, hook, at, fn, err) : of_clusters(t, hook, at, fn, err);
        if (rc != STEP_YES && rc != STEP_SKIP)
            return rc;
        if (rc == STEP_YES)
            all = rc;
    }
    return all;
}

/* ---- running ---- */

/* onFailure: ignore goes on, and says once what went wrong; stop ends the task before anything else is touched. */
static enum step_rc hook_failed(struct task *t, const cJSON *hook, unsigned at, const struct whost *on, const char *why,
                                struct err *err)
{
    uint64_t bit = UINT64_C(1) << (at % 64);

    if (!json_bool(hook, "ignore", false))
        return step_failed(err, ERR_REFUSED, "hook %s on %s: %s", json_str(hook, "name", ""), on->key, why);
    if (!(t->hooks_told & bit))
        task_incident(t, on->key, "HOOK_FAILED", "hook %s: %s; its onFailure is ignore", json_str(hook, "name", ""),
                      why);
    t->hooks_told |= bit;
    return STEP_YES;
}

static uint32_t time_of(const cJSON *hook)
{
    return (uint32_t)json_int(hook, "timeout_s", 60) * 1000;
}

static enum step_rc run(struct task *t, const cJSON *hook, unsigned at, struct whost *on, struct err *err)
{
    const struct ask_opts opts = {.timeout_ms = time_of(hook)};
    const cJSON *sql;
    bool question = json_str(hook, "expect", NULL) != NULL;

    cJSON_ArrayForEach(sql, json_get(hook, "sql")) {
        struct answer a;
        enum ask_rc rc;

        if (question && !sql->next)
            break;
        rc = ask_text(t, on, sql->valuestring, &opts, &a);
        if (rc == ASK_WAIT)
            return STEP_WAIT;
        if (rc == ASK_BAD)
            return hook_failed(t, hook, at, on, a.err.msg, err);
    }
    return STEP_YES;
}

/* The first value of the answer: up to the first tab or line end. */
static bool is_expected(const cJSON *hook, const struct answer *a)
{
    const char *want = json_str(hook, "expect", "");
    size_t n = strcspn(a->text, "\t\n");

    return strlen(want) == n && strncmp(want, a->text, n) == 0;
}

static enum step_rc ask_again(struct task *t, const cJSON *hook, unsigned at, struct whost *on, struct err *err)
{
    const cJSON *sql = json_get(hook, "sql"), *last = cJSON_GetArrayItem(sql, cJSON_GetArraySize(sql) - 1);
    const struct ask_opts opts = {.timeout_ms = time_of(hook)};
    char why[300];
    struct answer a;
    enum ask_rc rc;

    if (!last || !json_str(hook, "expect", NULL))
        return STEP_YES;
    rc = ask_text(t, on, last->valuestring, &opts, &a);
    if (rc == ASK_WAIT)
        return STEP_WAIT;
    if (rc == ASK_GOOD && is_expected(hook, &a))
        return STEP_YES;
    if (rc == ASK_BAD)
        snprintf(why, sizeof why, "%.250s", a.err.msg);
    else
        snprintf(why, sizeof why, "it says \"%.*s\", expected is \"%.80s\"",
                 (int)(strcspn(a.text, "\t\n") > 80 ? 80 : strcspn(a.text, "\t\n")), a.text,
                 json_str(hook, "expect", ""));
    if (world_mono(t->w) - t->attempt_ms >= time_of(hook))
        return hook_failed(t, hook, at, on, why, err);
    t->polled = true;
    return not_yet(t, "WAIT_HOOK", "hook %s on %s: %s", json_str(hook, "name", ""), on->key, why);
}

static enum step_rc is_any(struct task *t, const cJSON *hook, unsigned at, struct whost *on, struct err *err)
{
    (void)hook;
    (void)at;
    (void)on;
    (void)err;
    return not_yet(t, "WAIT_HOOK", "hooks are to run");
}

static enum step_rc probe(struct task *t, struct err *err)
{
    enum step_rc rc = each_hook(t, t->phase == PHASE_CHECK ? ask_again : is_any, err);

    return rc == STEP_SKIP && t->phase == PHASE_CHECK ? STEP_YES : rc;
}

static enum step_rc act(struct task *t, struct err *err)
{
    enum step_rc rc = each_hook(t, run, err);

    return rc == STEP_SKIP ? STEP_YES : rc;
}

const struct step_fns step_hooks_fns[] = {
    {.name = "before-cluster", .probe = probe, .act = act}, {.name = "after-cluster", .probe = probe, .act = act},
    {.name = "before-shard", .probe = probe, .act = act},   {.name = "after-shard", .probe = probe, .act = act},
    {.name = "before-host", .probe = probe, .act = act},    {.name = "after-host", .probe = probe, .act = act},
    {.name = NULL},
};
