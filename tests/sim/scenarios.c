/* SPDX-License-Identifier: Apache-2.0 */
/* The table of scenarios. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/scenario.h"


static void violation(struct run *r, const char *text)
{
    observer_violation(r->l->obs, "%s", text);
}

/* ---- create ---- */

static void change_create(struct run *r)
{
    r->shape = (struct shape){.shards = 2, .replicas = 2, .settings = SETTING("100"), .hooks = r->shape.hooks};
    run_apply(r);
}

static void judge_created(struct run *r)
{
    struct chost *h;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (chost_starts(h) != 1)
            observer_violation(r->l->obs, "[4] %s was started %u times for a creation", chost_pod(h), chost_starts(h));
}

/* ---- upgrade, settings, restarts ---- */

#define LAST_POD "default/chi-demo-main-0-1-0"

/* Its turn has come: it is out, its files are those of the new version, and its process, of the old one, is about to be
 * replaced. */
static bool between_versions(struct run *r)
{
    const cJSON *files = store_get(r->l->plane.store, PK_CM, "default", "chi-demo-deploy-confd-main-0-1");
    const struct chost *h = hosts_get(r->l->hosts, LAST_POD, false);

    return json_get(json_get(files, "data"), "chop-generated-settings_common.xml") && str_eq(chost_image(h), LAB_IMAGE);
}

/* By itself: nobody is to blame for the queries that it takes along. */
static void crash_last(void *ctx)
{
    struct run *r = ctx;

    if (between_versions(r)) {
        sim_after(r->l->s, 500, crash_last, r);
        return;
    }
    observer_outside(r->l->obs);
    kubelet_crash(r->l->kubelet, LAST_POD);
}

static void change_both(struct run *r)
{
    observer_pair(r->l->obs, LAB_IMAGE, "keep_alive_timeout", "100");
    observer_pair(r->l->obs, LAB_NEW_IMAGE, "keep_alive_timeout", "200");
    r->shape.settings = SETTING("200");
    run_change_image(r);
}

/* A server that dies by itself in the middle must not find what is not meant for it either. */
static void change_both_and_crash(struct run *r)
{
    change_both(r);
    sim_after(r->l->s, 2000 + sim_random(r->l->s) % (r->l->dns ? 1200000 : 30000), crash_last, r);
}

/* The misfortune comes some time: first all of that time, then the end. */
static bool in_the_end_completed(struct run *r)
{
    lab_run(r->l, r->l->dns ? 1300000 : 100000);
    return run_completed(r);
}

static void judge_crashed(struct run *r)
{
    struct chost *h;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++) {
        unsigned n = chost_starts(h) - 1;

        if (n != 1 && (n != 2 || strcmp(chost_pod(h), LAST_POD) != 0))
            observer_violation(r->l->obs, "[4] %s was started %u times for one change", chost_pod(h), n);
    }
}

/* Pods that are taken away by others in the middle come back and are taken in. */
static void evict_one(void *ctx)
{
    struct run *r = ctx;
    auto_free char *pod =
        mem_printf("chi-demo-main-%u-%u-0", (unsigned)(sim_random(r->l->s) & 1), (unsigned)(sim_random(r->l->s) & 1));

    observer_outside(r->l->obs);
    store_delete(r->l->plane.store, PK_POD, "default", pod, NULL, NULL, NULL, NULL);
}

static void change_and_evict(struct run *r)
{
    run_change_image(r);
    for (int i = 0; i < 3; i++)
        sim_after(r->l->s, 1000 + sim_random(r->l->s) % (r->l->dns ? 500000 : 60000), evict_one, r);
}

static void change_reloadable(struct run *r)
{
    r->shape.settings = SETTING("100") ",\"logger/level\":\"debug\"";
    run_apply(r);
}

static void judge_reloaded(struct run *r)
{
    struct chost *h;
    char value[64];

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (strcmp(chost_setting(h, "level", false, value, sizeof value), "debug") != 0)
            observer_violation(r->l->obs, "%s has not loaded logger/level: \"%s\"", chost_pod(h), value);
}

static void change_task_id(struct run *r)
{
    r->shape.extra = "\"taskID\":\"restart-1\",\"restart\":\"RollingUpdate\",";
    run_apply(r);
}

/* The same task ID once more, with another change that needs no restart. */
static bool again_same_task_id(struct run *r)
{
    if (!run_completed(r))
        return false;
    r->shape.settings = SETTING("100") ",\"logger/level\":\"debug\"";
    run_apply(r);
    return run_completed(r);
}

/* ---- stop and start ---- */

static void change_stop(struct run *r)
{
    r->shape.extra = "\"stop\":\"yes\",";
    run_apply(r);
}

static bool stop_then_start(struct run *r)
{
    auto_free char *bad = NULL;

    if (!run_completed(r))
        return false;
    bad = observer_audit(r->l->obs, "demo", false);
    if (bad)
        violation(r, bad);
    r->shape.extra = "";
    run_apply(r);
    return run_completed(r);
}

/* ---- scale ---- */

static void change_out(struct run *r)
{
    r->shape.shards = 2;
    r->shape.replicas = 3;
    run_apply(r);
}

static void change_in(struct run *r)
{
    r->shape.replicas = 2;
    run_apply(r);
}

static bool claim_there(struct run *r, const char *name)
{
    return store_get(r->l->plane.store, PK_PVC, "default", name) != NULL;
}

static void judge_in(struct run *r)
{
    struct chost *h;
    char n[64];
    unsigned s, rep;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (observer_place(chost_pod(h), n, sizeof n, &s, &rep)) {
            auto_free char *claim = mem_printf("data-%s", strchr(chost_pod(h), '/') + 1);

            if (rep >= 2 && claim_there(r, claim) &&
                !(r->chaos & (CHAOS_EMPTY | CHAOS_LOST))) /* nobody can prove any more that it may go */
                observer_violation(r->l->obs, "claim %s is still there", claim);
        }
    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (observer_place(chost_pod(h), n, sizeof n, &s, &rep) && rep < 2 && !chost_current(h, 60000))
            observer_violation(r->l->obs, "%s has not all rows", chost_pod(h));
}

/* A shard that only consent may take: refused first, then done. */
static void change_shard_away(struct run *r)
{
    r->shape.shards = 1;
    run_apply(r);
}

static bool refused_then_consented(struct run *r)
{
    if (!lab_wait_word(r->l, "demo", "Aborted", HOURS(6)))
        return false;
    lab_run(r->l, 600000);
    if (!claim_there(r, "data-chi-demo-main-1-0-0") || !claim_there(r, "data-chi-demo-main-1-1-0"))
        violation(r, "[3] the shard's volumes are gone without consent");
    r->shape.extra = "\"chfleet\":{\"consent\":{\"dataLoss\":[\"1\"]}},";
    run_apply(r);
    return run_completed(r);
}

/* ---- storage ---- */

static const cJSON *claim(struct run *r, const char *name)
{
    return store_get(r->l->plane.store, PK_PVC, "default", name);
}

static void each_data_claim(struct run *r, void (*fn)(struct run *r, const cJSON *pvc, const char *name))
{
    struct chost *h;
    const char *volume = r->shape.volume ? r->shape.volume : "data";

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++) {
        auto_free char *name = mem_printf("%s-%s", volume, strchr(chost_pod(h), '/') + 1);

        fn(r, claim(r, name), name);
    }
}

static void change_size(struct run *r)
{
    r->shape.size = "9Gi";
    run_apply(r);
}

static void grown(struct run *r, const cJSON *pvc, const char *name)
{
    if (strcmp(json_str(pvc, "status.capacity.storage", ""), "9Gi") != 0)
        observer_violation(r->l->obs, "claim %s has %s, though its installation is Completed", name,
                           json_str(pvc, "status.capacity.storage", "nothing"));
}

static void judge_grown(struct run *r)
{
    each_data_claim(r, grown);
}

static void change_size_and_image(struct run *r)
{
    r->shape.size = "9Gi";
    run_change_image(r);
}

static void change_provisioner(struct run *r)
{
    r->shape.provisioner = "Operator";
    run_apply(r);
}

static bool provisioner_and_back(struct run *r)
{
    if (!run_completed(r))
        return false;
    r->shape.provisioner = "StatefulSet";
    run_apply(r);
    return run_completed(r);
}

/* Another storage class: refused first, then consent. */
static void change_class(struct run *r)
{
    r->shape.klass = "fast";
    run_apply(r);
}

static bool moved_with_consent(struct run *r)
{
    if (!lab_wait_word(r->l, "demo", "Aborted", HOURS(6)))
        return false;
    r->shape.extra = "\"chfleet\":{\"consent\":{\"moveVolumes\":[\"data\"]}},";
    run_apply(r);
    return run_completed(r);
}

static void of_new_class(struct run *r, const cJSON *pvc, const char *name)
{
    if (strcmp(json_str(pvc, "spec.storageClassName", ""), "fast") != 0)
        observer_violation(r->l->obs, "claim %s is of class %s", name, json_str(pvc, "spec.storageClassName", "none"));
}

static void judge_moved(struct run *r)
{
    each_data_claim(r, of_new_class);
    run_judge_schema(r);
}

/* The data volume under another name. */
static void change_volume(struct run *r)
{
    r->shape.volume = "ssd";
    r->shape.extra = "\"chfleet\":{\"consent\":{\"moveVolumes\":[\"data\"]}},";
    run_apply(r);
}

static void is_there(struct run *r, const cJSON *pvc, const char *name)
{
    auto_free char *old = mem_printf("data%s", strchr(name, '-'));

    if (!pvc)
        observer_violation(r->l->obs, "claim %s is not there", name);
    if (claim(r, old) && !(r->chaos & (CHAOS_EMPTY | CHAOS_LOST))) /* nobody remembers that it was replaced */
        observer_violation(r->l->obs, "claim %s is still there", old);
}

static void judge_renamed(struct run *r)
{
    each_data_claim(r, is_there);
    run_judge_schema(r);
}

/* A node is gone, and with it the disk of one host. */
static void change_node_gone(struct run *r)
{
    static const char elsewhere[] =
        "{\"spec\":{\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{"
        "\"key\":\"kubernetes.io/hostname\",\"operator\":\"In\",\"values\":[\"gone\"]}]}]}}}}";
    struct store *s = r->l->plane.store;
    const char *pv = json_str(claim(r, "data-chi-demo-main-1-0-0"), "spec.volumeName", "");
    auto_json cJSON *patch = json_parse(elsewhere, strlen(elsewhere), NULL);
    auto_free char *name = mem_str(pv);

    store_patch(s, PK_PV, NULL, name, patch, STORE_SYSTEM, NULL, NULL);
    store_delete(s, PK_POD, "default", "chi-demo-main-1-0-0", NULL, NULL, NULL, NULL);
}

static bool rebuilt_with_consent(struct run *r)
{
    struct chost *h = hosts_get(r->l->hosts, "default/chi-demo-main-1-0-0", false);

    lab_run(r->l, HOURS(1));
    if (!claim_there(r, "data-chi-demo-main-1-0-0") || chost_state(h) == CHOST_UP)
        violation(r, "the volume on the node that is gone was given up without consent");
    r->shape.extra = "\"chfleet\":{\"consent\":{\"volumes\":[\"data-chi-demo-main-1-0-0\"]}},";
    run_apply(r);
    return run_completed(r);
}

/* ---- failures ---- */

static void change_bad_image(struct run *r)
{
    static const char *const bad[] = {"clickhouse/nosuch:24.8", "clickhouse/crash:24.8", "clickhouse/mute:24.8"};

    r->shape.image = bad[r->l->seed % 3];
    run_apply(r);
}

static unsigned running_old(struct run *r)
{
    struct chost *h;
    unsigned n = 0;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        n += chost_state(h) == CHOST_UP && strcmp(chost_image(h), LAB_IMAGE) == 0;
    return n;
}

static bool fails_then_repaired(struct run *r)
{
    if (!lab_wait_word(r->l, "demo", "Aborted", HOURS(8)))
        return false;
    lab_run(r->l, HOURS(1));
    if (running_old(r) != 3)
        observer_violation(r->l->obs, "%u hosts were touched by the image that does not start", 4 - running_old(r));
    if (!strstr(json_str(lab_chi(r->l, "demo"), "status.error", ""), "default/demo/main/"))
        violation(r, "the status does not say which host failed");
    r->shape.image = LAB_IMAGE;
    run_apply(r);
    return run_completed(r);
}

/* Nobody but the first host has seen the settings that came with the image, not even one that crashes meanwhile. */
static void change_bad_image_and_setting(struct run *r)
{
    r->shape.settings = SETTING("200");
    change_bad_image(r);
}

static bool fails_then_corrected(struct run *r)
{
    const struct chost *h;
    char text[32];

    if (!lab_wait_word(r->l, "demo", "Aborted", HOURS(8)))
        return false;
    chost_kill(hosts_at(r->l->hosts, 3)); /* it comes back with what it had */
    lab_run(r->l, 60000);
    r->shape.settings = SETTING("300");
    r->shape.image = LAB_IMAGE;
    run_apply(r);
    if (!run_completed(r))
        return false;
    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (strcmp(chost_setting(h, "keep_alive_timeout", true, text, sizeof text), "300") != 0)
            observer_violation(r->l->obs, "%s runs with keep_alive_timeout %s", chost_pod(h), text);
    return true;
}

/* reconcile.statefulSet.update.onFailure: rollback. Whoever dies and whatever is lost, all run what they ran. */
static bool rolled_back_then_repaired(struct run *r)
{
    if (!lab_wait_word(r->l, "demo", "Aborted", HOURS(8)))
        return false;
    lab_run(r->l, HOURS(2));
    if (running_old(r) != 4)
        observer_violation(r->l->obs, "%u hosts do not run what they ran before the image that does not start",
                           4 - running_old(r));
    r->shape.image = LAB_IMAGE;
    run_apply(r);
    return run_completed(r);
}

/* ---- a new generation in the middle ---- */

static void next_generation(void *ctx)
{
    struct run *r = ctx;

    r->shape.image = "clickhouse/clickhouse-server:24.9";
    run_apply(r);
}

static void change_twice(struct run *r)
{
    run_change_image(r);
    sim_after(r->l->s, 100 + sim_random(r->l->s) % (r->l->dns ? 700000 : 90000), next_generation, r);
}

static bool second_completed(struct run *r)
{
    lab_run(r->l, r->l->dns ? 800000 : 100000);
    return run_completed(r);
}

static void judge_twice(struct run *r)
{
    struct chost *h;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (chost_starts(h) < 2 || chost_starts(h) > 3)
            observer_violation(r->l->obs, "[4] %s was started %u times for two upgrades", chost_pod(h),
                               chost_starts(h) - 1);
}

/* ---- deletion ---- */

static void change_delete(struct run *r)
{
    lab_delete(r->l, "demo");
}

static bool gone(struct run *r)
{
    return lab_wait_gone(r->l, "demo", HOURS(6));
}

static int count_object(void *ctx, const cJSON *obj)
{
    struct run *r = ctx;

    if (json_label(obj, "clickhouse.altinity.com/chi"))
        observer_violation(r->l->obs, "%s %s is still there", json_str(obj, "kind", ""), json_name(obj));
    return 0;
}

static void judge_deleted(struct run *r)
{
    static const enum plane_kind kinds[] = {PK_STS, PK_POD, PK_PVC, PK_SVC, PK_CM};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        store_each(r->l->plane.store, kinds[i], NULL, NULL, count_object, r);
    if (!(r->chaos &
          (CHAOS_EMPTY | CHAOS_LOST)) && /* who lost the journal after the servers were gone cannot know them */
        (hosts_znode(r->l->hosts, "/clickhouse/demo/tables/0/app/ev") ||
         hosts_znode(r->l->hosts, "/clickhouse/demo/tables/1/app/ev")))
        violation(r, "Keeper still has entries of the tables");
}

/* ---- all at once, and worse ---- */

static uint64_t some_time(struct run *r)
{
    return 1000 + sim_random(r->l->s) % (r->l->dns ? 900000 : 60000);
}

static void kill_all(void *ctx)
{
    struct run *r = ctx;
    struct chost *h;

    observer_outside(r->l->obs);
    lab_power_fails(r->l);
    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        kubelet_crash(r->l->kubelet, chost_pod(h));
    lab_super_restart_in(r->l, 500 + sim_random(r->l->s) % 20000);
}

static void change_and_kill_all(struct run *r)
{
    run_change_image(r);
    sim_after(r->l->s, some_time(r), kill_all, r);
}

static void judge_killed(struct run *r)
{
    struct chost *h;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (chost_starts(h) < 2 || chost_starts(h) > 3)
            observer_violation(r->l->obs, "[4] %s was started %u times for one upgrade and one death", chost_pod(h),
                               chost_starts(h) - 1);
}

static void stop_now(void *ctx)
{
    change_stop(ctx);
}

static void change_and_stop(struct run *r)
{
    run_change_image(r);
    sim_after(r->l->s, some_time(r), stop_now, r);
}

static bool stopped_in_the_middle(struct run *r)
{
    lab_run(r->l, r->l->dns ? 1000000 : 100000);
    return stop_then_start(r);
}

/* ---- two installations ---- */

static void apply_other(struct run *r, const char *image)
{
    auto_free char *text = lab_demo(
        &(struct shape){.shards = 1, .replicas = 2, .settings = SETTING("100"), .image = image, .name = "other"});

    lab_apply(r->l, text);
}

static void change_other(void *ctx)
{
    apply_other(ctx, LAB_NEW_IMAGE);
}

static void other_gets_tables(void *ctx)
{
    struct run *r = ctx;

    lab_schema(r->l, "other");
    sim_after(r->l->s, some_time(r), change_other, r);
}

/* The other one is changed with its tables, once it is made. */
static void other_is_made(void *ctx)
{
    struct run *r = ctx;

    if (strcmp(json_str(lab_chi(r->l, "other"), "status.status", ""), "Completed") != 0) {
        sim_after(r->l->s, 1000, other_is_made, r);
        return;
    }
    sim_after(r->l->s, 5000, other_gets_tables, r); /* its balancer has it all by then */
}

/* Or it is changed whatever it is at. */
static void change_two(struct run *r)
{
    apply_other(r, LAB_IMAGE);
    run_change_image(r);
    if (sim_random(r->l->s) & 1)
        other_is_made(r);
    else
        sim_after(r->l->s, some_time(r), change_other, r);
}

static bool other_is_changed(struct run *r)
{
    const char *image = "spec.templates.podTemplates.0.spec.containers.0.image";

    for (int k = 0; k < 3000; k++) {
        if (strcmp(json_str(lab_chi(r->l, "other"), image, ""), LAB_NEW_IMAGE) == 0)
            return true;
        lab_run(r->l, 10000);
    }
    return false;
}

static bool both_completed(struct run *r)
{
    return other_is_changed(r) && run_completed(r) && lab_wait_completed(r->l, "other", HOURS(12));
}

static void judge_other(struct run *r)
{
    auto_free char *bad = observer_audit(r->l->obs, "other", false);

    if (bad)
        violation(r, bad);
}

/* ---- a world that is slow, old or not there ---- */

/* Who has an old list blocks nobody for ever: it is an incident, and the end is judged all the same. */
static void lists_may_be_old(void *ctx)
{
    struct run *r = ctx;

    if (r->over)
        return;
    observer_outside(r->l->obs);
    sim_after(r->l->s, 30000, lists_may_be_old, r);
}

/* Files take longer to reach the pods than anybody waits for. */
static void change_with_slow_peers(struct run *r)
{
    lists_may_be_old(r);
    hosts_knobs(r->l->hosts)->mount_max_ms = r->l->dns ? 400000 : 30000;
    run_change_image(r);
}

/* Nothing is asked for: everything dies and comes back by itself. */
static void change_nothing_and_kill_all(struct run *r)
{
    kill_all(r);
}

static bool slow_completed(struct run *r)
{
    bool good = run_completed(r);

    lab_run(r->l, 500000);
    return good;
}

static void change_with_stale_watches(struct run *r)
{
    r->l->watch.lag_max_ms = 60000;
    run_change_image(r);
}

static void outage_over(void *ctx)
{
    struct run *r = ctx;

    sim_faults(r->l->s)->http_error_permille = 0;
    r->l->watch = (struct watch_faults){0};
}

/* Every request gets 500 or 429, every watch 410, and those that stand fall silent or break. */
static void outage(void *ctx)
{
    struct run *r = ctx;

    sim_faults(r->l->s)->http_error_permille = sim_random(r->l->s) & 1 ? 1000 : 700;
    r->l->watch = (struct watch_faults){1000, 500, 300, 600};
    sim_after(r->l->s, 5000 + sim_random(r->l->s) % 240000, outage_over, r);
}

static void change_with_outages(struct run *r)
{
    uint64_t at = 0;

    run_change_image(r);
    for (int i = 0; i < 3; i++)
        sim_after(r->l->s, at += 250000 + some_time(r), outage, r);
    sim_after(r->l->s, 1 + sim_random(r->l->s) % 20000, outage, r);
}

static void disk_full(void *ctx)
{
    lab_disk_full(((struct run *)ctx)->l, true);
}

static void disk_free(void *ctx)
{
    lab_disk_full(((struct run *)ctx)->l, false);
}

static void change_with_full_disk(struct run *r)
{
    uint64_t at = some_time(r);

    run_change_image(r);
    sim_after(r->l->s, at, disk_full, r);
    sim_after(r->l->s, at + 60000 + sim_random(r->l->s) % 1200000, disk_free, r);
}

static bool in_the_end_completed_slowly(struct run *r)
{
    lab_run(r->l, 2400000);
    return run_completed(r);
}

#define TWO_TWO_ROLLED_BACK                                                                                            \
    {                                                                                                                  \
        .shards = 2, .replicas = 2, .settings = SETTING("100"),                                                        \
        .extra = "\"reconcile\":{\"statefulSet\":{\"update\":{\"onFailure\":\"rollback\"}}},"                               \
    }
#define TWO_TWO                                                                                                        \
    {                                                                                                                  \
        .shards = 2, .replicas = 2, .settings = SETTING("100")                                                         \
    }
#define ONE_TWO                                                                                                        \
    {                                                                                                                  \
        .shards = 1, .replicas = 2, .settings = SETTING("100")                                                         \
    }

static const struct scenario scenarios[] = {
    {.name = "create", .what = "2 x 2 from nothing", .change = change_create, .judge = judge_created, .starts = -1},
    {.name = "upgrade", .what = "a new image, under load", .from = TWO_TWO, .change = run_change_image, .starts = 1},
    {.name = "settings",
     .what = "a setting that needs a restart",
     .from = TWO_TWO,
     .change = run_change_setting,
     .starts = 1},
    {.name = "both", .what = "image and setting in one edit", .from = TWO_TWO, .change = change_both, .starts = 1},
    {.name = "both-crash",
     .what = "the same, while a server crashes",
     .from = TWO_TWO,
     .change = change_both_and_crash,
     .done = in_the_end_completed,
     .judge = judge_crashed,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "evict",
     .what = "an upgrade while pods are evicted",
     .from = TWO_TWO,
     .change = change_and_evict,
     .done = in_the_end_completed,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "kill-all",
     .what = "operator, workers and servers die at once in an upgrade",
     .from = TWO_TWO,
     .change = change_and_kill_all,
     .done = in_the_end_completed,
     .judge = judge_killed,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "stop-upgrade",
     .what = "spec.stop in the middle of an upgrade, and start",
     .from = TWO_TWO,
     .change = change_and_stop,
     .done = stopped_in_the_middle,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "two",
     .what = "two installations at once",
     .from = TWO_TWO,
     .change = change_two,
     .done = both_completed,
     .judge = judge_other,
     .starts = 1},
    {.name = "slow-peers",
     .what = "an upgrade while files take long to reach pods",
     .from = TWO_TWO,
     .change = change_with_slow_peers,
     .done = slow_completed,
     .starts = 1,
     .no_load = true},
    {.name = "left-out",
     .what = "an upgrade, and servers come up without a table that their disk has",
     .from = TWO_TWO,
     .change = run_change_image,
     .left_out = 1000,
     .starts = 1},
    {.name = "left-out-setting",
     .what = "a setting that needs a restart, and servers come up without a table",
     .from = TWO_TWO,
     .change = run_change_setting,
     .left_out = 1000,
     .starts = 1},
    {.name = "stop-left-out",
     .what = "spec.stop and start, and servers come up without a table",
     .from = TWO_TWO,
     .change = change_stop,
     .done = stop_then_start,
     .left_out = 1000,
     .starts = 1,
     .unguarded = true,
     .no_load = true},
    {.name = "crash-left-out",
     .what = "everything dies at once, and servers come up without a table",
     .from = TWO_TWO,
     .change = change_nothing_and_kill_all,
     .done = in_the_end_completed,
     .left_out = 1000,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "stale",
     .what = "an upgrade while watches are a minute old",
     .from = TWO_TWO,
     .change = change_with_stale_watches,
     .starts = 1},
    {.name = "outage",
     .what = "an upgrade while the API server fails for minutes",
     .from = TWO_TWO,
     .change = change_with_outages,
     .done = in_the_end_completed_slowly,
     .starts = 1},
    {.name = "disk-full",
     .what = "an upgrade while the journal takes nothing",
     .from = TWO_TWO,
     .change = change_with_full_disk,
     .done = in_the_end_completed_slowly,
     .starts = 1},
    {.name = "ephemeral",
     .what = "an upgrade of hosts without volumes",
     .from = {.shards = 2, .replicas = 2, .settings = SETTING("100"), .ephemeral = true},
     .change = run_change_image,
     .judge = run_judge_schema,
     .starts = 1},
    {.name = "reload",
     .what = "a setting that needs none",
     .from = TWO_TWO,
     .change = change_reloadable,
     .judge = judge_reloaded},
    {.name = "task-id",
     .what = "spec.taskID, twice the same",
     .from = TWO_TWO,
     .change = change_task_id,
     .done = again_same_task_id,
     .starts = 1},
    {.name = "stop",
     .what = "spec.stop and start",
     .from = TWO_TWO,
     .change = change_stop,
     .done = stop_then_start,
     .starts = 1,
     .unguarded = true,
     .no_load = true},
    {.name = "scale-out", .what = "1 x 2 to 2 x 3", .from = ONE_TWO, .change = change_out, .judge = run_judge_schema},
    {.name = "scale-in",
     .what = "2 x 3 to 2 x 2",
     .from = {.shards = 2, .replicas = 3, .settings = SETTING("100")},
     .change = change_in,
     .judge = judge_in,
     .starts = -1},
    {.name = "shard-away",
     .what = "a shard that only consent may take",
     .from = TWO_TWO,
     .change = change_shard_away,
     .done = refused_then_consented,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "grow",
     .what = "larger volumes, on storage that takes its time",
     .from = TWO_TWO,
     .change = change_size,
     .judge = judge_grown},
    {.name = "grow-lazy",
     .what = "larger volumes, whose file systems grow only for a new pod",
     .from = {.shards = 2, .replicas = 2, .settings = SETTING("100"), .klass = "lazy"},
     .change = change_size,
     .judge = judge_grown,
     .starts = 1},
    {.name = "grow-and-image",
     .what = "larger volumes and a new image in one edit, on slow storage",
     .from = {.shards = 2, .replicas = 2, .settings = SETTING("100"), .klass = "slow"},
     .change = change_size_and_image,
     .judge = judge_grown,
     .starts = 1},
    {.name = "provisioner",
     .what = "claims made by the operator, and back",
     .from = TWO_TWO,
     .change = change_provisioner,
     .done = provisioner_and_back,
     .judge = run_judge_schema,
     .starts = 2},
    {.name = "storage-class",
     .what = "another storage class, with consent",
     .from = TWO_TWO,
     .change = change_class,
     .done = moved_with_consent,
     .judge = judge_moved,
     .starts = 1,
     .proves = true},
    {.name = "volume-renamed",
     .what = "the data on another volume, with consent",
     .from = TWO_TWO,
     .change = change_volume,
     .judge = judge_renamed,
     .starts = 1,
     .proves = true},
    {.name = "node-gone",
     .what = "a local disk whose node is gone, with consent",
     .from = TWO_TWO,
     .change = change_node_gone,
     .done = rebuilt_with_consent,
     .judge = run_judge_schema,
     .starts = -1,
     .unguarded = true},
    {.name = "bad-image",
     .what = "an image that does not start, and the way back",
     .from = TWO_TWO,
     .change = change_bad_image,
     .done = fails_then_repaired,
     .starts = -1},
    {.name = "bad-image-corrected",
     .what = "an image that does not start and a setting, then the old image and another setting",
     .from = {.shards = 2, .replicas = 2, .settings = SETTING("100")},
     .change = change_bad_image_and_setting,
     .done = fails_then_corrected,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = "rollback",
     .what = "an image that does not start, and the roll-back",
     .from = TWO_TWO_ROLLED_BACK,
     .change = change_bad_image,
     .done = rolled_back_then_repaired,
     .starts = -1},
    {.name = "rollback-left-out",
     .what = "an image that does not start, the roll-back, and servers come up without a table",
     .from = TWO_TWO_ROLLED_BACK,
     .change = change_bad_image,
     .done = rolled_back_then_repaired,
     .left_out = 1000,
     .starts = -1},
    {.name = "generation",
     .what = "a newer image in the middle of an upgrade",
     .from = TWO_TWO,
     .change = change_twice,
     .done = second_completed,
     .judge = judge_twice,
     .starts = -1},
    {.name = "delete",
     .what = "the resource goes",
     .from = TWO_TWO,
     .change = change_delete,
     .done = gone,
     .judge = judge_deleted,
     .starts = -1,
     .unguarded = true,
     .no_load = true},
    {.name = NULL},
};

static unsigned length(const struct scenario *list)
{
    unsigned n = 0;

    while (list[n].name)
        n++;
    return n;
}

const struct scenario *scenario_at(unsigned i)
{
    unsigned n = length(scenarios);

    if (i < n)
        return &scenarios[i];
    i -= n;
    n = length(more_scenarios);
    if (i < n)
        return &more_scenarios[i];
    i -= n;
    return i < length(keeper_scenarios) ? &keeper_scenarios[i] : NULL;
}

const struct scenario *scenario_named(const char *name)
{
    const struct scenario *sc;

    for (unsigned i = 0; (sc = scenario_at(i)); i++)
        if (strcmp(sc->name, name) == 0)
            return sc;
    return NULL;
}
