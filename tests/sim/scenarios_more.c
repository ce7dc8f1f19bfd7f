/* SPDX-License-Identifier: Apache-2.0 */
/* What the scenarios of every day do not bring about: hosts that lose their data with their pod, hooks, what is taken
 * back. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/scenario.h"

#define ONE_TWO .shards = 1, .replicas = 2, .settings = SETTING("100")

static bool completed_later(struct run *r)
{
    lab_run(r->l, 600000);
    return run_completed(r);
}

/* ---- hosts without volumes ---- */

/* Somebody takes the pod away, and its data with it. */
static void change_evicted(struct run *r)
{
    observer_outside(r->l->obs);
    store_delete(r->l->plane.store, PK_POD, "default", "chi-demo-main-0-1-0", NULL, NULL, NULL, NULL);
}

/* Somebody scales one StatefulSet to 0. */
static void change_scaled(struct run *r)
{
    static const char zero[] = "{\"spec\":{\"replicas\":0}}";
    auto_json cJSON *patch = json_parse(zero, strlen(zero), NULL);

    observer_outside(r->l->obs);
    store_patch(r->l->plane.store, PK_STS, "default", "chi-demo-main-0-1", patch, 0, NULL, NULL);
}

/* A table of one host is lost, whose name Keeper still knows. */
static void change_lost_table(struct run *r)
{
    observer_outside(r->l->obs);
    chost_lose_table(hosts_get(r->l->hosts, "default/chi-demo-main-0-1-0", false), "app", "ev");
    run_change_setting(r);
}

/* Logs get a volume: that needs another StatefulSet. */
static void change_logs(struct run *r)
{
    r->shape.logs = true;
    run_change_setting(r);
}

/* ---- volumes ---- */

/* The volume of the logs is not used any more, and may go. */
static void change_no_logs(struct run *r)
{
    r->shape.logs = false;
    r->shape.extra =
        "\"chfleet\":{\"consent\":{\"volumes\":[\"logs-chi-demo-main-0-0-0\",\"logs-chi-demo-main-0-1-0\"]}},";
    r->shape.settings = SETTING("200");
    run_change_image(r);
}

static void judge_no_logs(struct run *r)
{
    if (store_get(r->l->plane.store, PK_PVC, "default", "logs-chi-demo-main-0-0-0") &&
        !(r->chaos & (CHAOS_EMPTY | CHAOS_LOST))) /* nobody remembers that it was used */
        observer_violation(r->l->obs, "the claim of the logs is still there");
    run_judge_schema(r);
}

static void change_class(struct run *r)
{
    r->shape.klass = "fast";
    r->shape.extra = "\"chfleet\":{\"consent\":{\"moveVolumes\":[\"data\"]}},";
    r->shape.settings = SETTING("200");
    run_change_image(r);
}

/* The disk of one host is gone. */
static void change_disk_gone(struct run *r)
{
    struct store *s = r->l->plane.store;
    auto_free char *pv =
        mem_str(json_str(store_get(s, PK_PVC, "default", "data-chi-demo-main-0-1-0"), "spec.volumeName", ""));

    observer_outside(r->l->obs);
    store_delete(s, PK_PV, NULL, pv, NULL, NULL, NULL, NULL);
    store_delete(s, PK_POD, "default", "chi-demo-main-0-1-0", NULL, NULL, NULL, NULL);
}

/* ---- new hosts ---- */

/* Keeper still has entries of a host of that name. */
static void change_known_name(struct run *r)
{
    struct err err = ERR_INIT;

    hosts_zk(r->l->hosts, ZK_CREATE_PATH, "/clickhouse/demo/tables/0/app/ev/replicas/chi-demo-main-0-2", NULL, &err);
    r->shape.replicas = 3;
    run_apply(r);
}

#define TAKE_BACK                                                                                                      \
    "\"reconcile\":{\"statefulSet\":{\"create\":{\"onFailure\":\"delete\"}},\"cleanup\":{\"reconcileFailedObjects\":{" \
    "\"statefulSet\":\"Delete\",\"pvc\":\"Delete\",\"configMap\":\"Delete\",\"service\":\"Delete\"}}},"                \
    "\"chfleet\":{\"consent\":{\"dataLoss\":[\"0-2\"]}},"

static void change_bad_host(struct run *r)
{
    r->shape.replicas = 3;
    r->shape.image = "clickhouse/nosuch:24.8";
    r->shape.extra = TAKE_BACK;
    run_apply(r);
}

static bool taken_back_then_made(struct run *r)
{
    if (!lab_wait_word(r->l, "demo", "Aborted", HOURS(8)))
        return false;
    lab_run(r->l, HOURS(1));
    if (store_get(r->l->plane.store, PK_PVC, "default", "data-chi-demo-main-0-2-0") &&
        !(r->chaos & (CHAOS_EMPTY | CHAOS_LOST))) /* nobody remembers that the host was new */
        observer_violation(r->l->obs, "the claim of the host that was taken back is still there");
    r->shape.image = LAB_IMAGE;
    run_apply(r);
    return run_completed(r);
}

const struct scenario more_scenarios[] = {
    {.name = "ephemeral-setting",
     .what = "a setting for hosts without volumes",
     .from = {ONE_TWO, .ephemeral = true},
     .change = run_change_setting,
     .judge = run_judge_schema,
     .starts = 1},
    {.name = "lost-table",
     .what = "a setting for hosts of which one has lost a table",
     .from = {ONE_TWO, .ephemeral = true},
     .change = change_lost_table,
     .judge = run_judge_schema,
     .starts = 1,
     .unguarded = true,
     .no_load = true},
    {.name = "ephemeral-evicted",
     .what = "a host without volume loses its pod",
     .from = {ONE_TWO, .ephemeral = true},
     .change = change_evicted,
     .done = completed_later,
     .judge = run_judge_schema,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "ephemeral-scaled",
     .what = "a host without volume is scaled to 0 by others",
     .from = {ONE_TWO, .ephemeral = true},
     .change = change_scaled,
     .done = completed_later,
     .judge = run_judge_schema,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "ephemeral-logs",
     .what = "a volume for logs of hosts without one for data",
     .from = {ONE_TWO, .ephemeral = true},
     .change = change_logs,
     .judge = run_judge_schema,
     .starts = 1},
    {.name = "logs-away",
     .what = "a volume that is not used any more, image and setting in one edit",
     .from = {ONE_TWO, .logs = true},
     .change = change_no_logs,
     .judge = judge_no_logs,
     .starts = 1},
    {.name = "left-out-logs",
     .what = "a volume that is not used any more, and servers come up without a table that their disk has",
     .from = {ONE_TWO, .logs = true},
     .change = change_no_logs,
     .judge = judge_no_logs,
     .left_out = 1000,
     .starts = 1},
    {.name = "class-and-image",
     .what = "another storage class, image and setting in one edit",
     .from = {ONE_TWO},
     .change = change_class,
     .judge = run_judge_schema,
     .starts = 1,
     .proves = true},
    {.name = "disk-gone",
     .what = "the disk of one host is gone",
     .from = {ONE_TWO},
     .change = change_disk_gone,
     .done = completed_later,
     .judge = run_judge_schema,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "known-name",
     .what = "a new host whose name Keeper knows already",
     .from = {ONE_TWO},
     .change = change_known_name,
     .judge = run_judge_schema},
    {.name = "take-back",
     .what = "a new host that does not start, and the way back",
     .from = {ONE_TWO},
     .change = change_bad_host,
     .done = taken_back_then_made,
     .judge = run_judge_schema,
     .starts = 0},
    {.name = NULL},
};
