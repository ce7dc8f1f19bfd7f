/* SPDX-License-Identifier: Apache-2.0 */
/* Keeper ensembles: whatever is done to them, a majority of their members is there. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/scenario.h"

#define NEW_IMAGE "clickhouse/clickhouse-keeper:24.8"

static int count_ready(void *ctx, const cJSON *pod)
{
    unsigned *n = ctx;
    const cJSON *c;

    if (json_label(pod, "clickhouse-keeper.altinity.com/chk") && !json_at(pod, "metadata.deletionTimestamp"))
        cJSON_ArrayForEach(c, json_at(pod, "status.conditions"))
            *n += strcmp(json_str(c, "type", ""), "Ready") == 0 && strcmp(json_str(c, "status", ""), "True") == 0;
    return 0;
}

static unsigned members_ready(struct run *r)
{
    unsigned n = 0;

    store_each(r->l->plane.store, PK_POD, NULL, NULL, count_ready, &n);
    return n;
}

/* Once the ensemble is there, and until it is stopped or has too few members. */
static void look_at_quorum(void *ctx)
{
    struct run *r = ctx;

    if (r->over || !r->members)
        return;
    if (members_ready(r) < r->members / 2 + 1)
        observer_violation(r->l->obs, "[1] Keeper has no quorum: %u of %u members are ready", members_ready(r),
                           r->members);
    else
        sim_after(r->l->s, 50, look_at_quorum, r);
}

static bool reached(struct run *r, const struct kshape *k)
{
    auto_free char *text = lab_keeper(k);

    lab_apply(r->l, text);
    return lab_wait_completed(r->l, "keep", HOURS(12));
}

static const struct kshape three = {.members = 3}, with_volumes = {.members = 3, .volumes = true};

static void change_three(struct run *r)
{
    auto_free char *text = lab_keeper(&three);

    lab_apply(r->l, text);
}

static void change_with_volumes(struct run *r)
{
    auto_free char *text = lab_keeper(&with_volumes);

    lab_apply(r->l, text);
}

static bool made(struct run *r)
{
    if (!lab_wait_completed(r->l, "keep", HOURS(12)))
        return false;
    r->members = 3;
    look_at_quorum(r);
    return true;
}

static bool upgraded(struct run *r)
{
    struct kshape k = three;

    k.image = NEW_IMAGE;
    return made(r) && reached(r, &k);
}

/* One that a restart loads, and one that a running member takes over. */
static bool configured(struct run *r)
{
    struct kshape k = three;

    k.settings = "\"keeper_server/coordination_settings/operation_timeout_ms\":\"20000\"";
    if (!made(r) || !reached(r, &k))
        return false;
    k.settings = "\"keeper_server/coordination_settings/operation_timeout_ms\":\"20000\",\"logger/level\":\"debug\"";
    return reached(r, &k);
}

static bool more_and_fewer(struct run *r)
{
    struct kshape k = with_volumes;

    k.members = 5;
    if (!made(r) || !reached(r, &k))
        return false;
    k.members = 3;
    return reached(r, &k);
}

/* A member that does not exist yet is none of the quorum either: it comes first. */
static bool more_with_image(struct run *r)
{
    struct kshape k = with_volumes;

    k.members = 5;
    k.image = NEW_IMAGE;
    return made(r) && reached(r, &k);
}

static bool grown(struct run *r)
{
    struct kshape k = with_volumes;

    k.size = "9Gi";
    if (!made(r) || !reached(r, &k))
        return false;
    k.provisioner = "Operator";
    k.settings = "\"keeper_server/coordination_settings/operation_timeout_ms\":\"20000\"";
    return reached(r, &k);
}

static bool grown_with_image(struct run *r)
{
    struct kshape k = with_volumes;

    k.size = "9Gi";
    k.image = NEW_IMAGE;
    return made(r) && reached(r, &k);
}

static bool moved(struct run *r)
{
    struct kshape k = with_volumes;
    auto_free char *text = NULL;

    k.klass = "fast";
    k.settings = "\"keeper_server/coordination_settings/operation_timeout_ms\":\"20000\"";
    text = lab_keeper(&k);
    if (!made(r))
        return false;
    lab_apply(r->l, text);
    if (!lab_wait_word(r->l, "keep", "Aborted", HOURS(6)))
        return false;
    k.extra = "\"chfleet\":{\"consent\":{\"moveVolumes\":[\"data\"]}},";
    return reached(r, &k);
}

#define CONSENT(list, what) "\"chfleet\":{\"consent\":{\"" list "\":[" what "]}},"
#define LOGS(n) "\"logs-chk-keep-main-0-" n "-0\""

/* The volume under another name; before, one for logs that is given up. */
static bool renamed(struct run *r)
{
    struct kshape k = with_volumes;

    k.logs = true;
    if (!made(r) || !reached(r, &k))
        return false;
    k.logs = false;
    k.extra = CONSENT("volumes", LOGS("0") "," LOGS("1") "," LOGS("2"));
    if (!reached(r, &k))
        return false;
    k.volume = "ssd";
    k.extra = CONSENT("moveVolumes", "\"data\"");
    return reached(r, &k);
}

static bool has_fourth(void *ctx)
{
    return store_get(((struct run *)ctx)->l->plane.store, PK_STS, "default", "chk-keep-main-0-3") != NULL;
}

/* Another change while the fourth member starts, which the others do not list yet. */
static bool interrupted(struct run *r)
{
    struct kshape k = with_volumes;
    auto_free char *text = NULL;

    if (!made(r))
        return false;
    k.members = 5;
    text = lab_keeper(&k);
    lab_apply(r->l, text);
    sim_run(r->l->s, HOURS(1), has_fourth, r);
    lab_run(r->l, sim_random(r->l->s) % 3000);
    k.settings = "\"logger/level\":\"debug\"";
    return reached(r, &k);
}

/* Somebody takes the common files and a pod away while no operator is there: nobody is listed any more. */
static bool forgotten(struct run *r)
{
    if (!made(r))
        return false;
    r->members = 0; /* who is not in sync yet when the pod goes takes the quorum along */
    lab_super_kill(r->l);
    store_delete(r->l->plane.store, PK_CM, "default", "chk-keep-common-configd", NULL, NULL, NULL, NULL);
    store_delete(r->l->plane.store, PK_POD, "default", "chk-keep-main-0-2-0", NULL, NULL, NULL, NULL);
    lab_super_start(r->l);
    lab_run(r->l, 600000);
    return lab_wait_completed(r->l, "keep", HOURS(12));
}

static void judge_five(struct run *r)
{
    if (members_ready(r) != 5)
        observer_violation(r->l->obs, "%u of 5 Keeper members are ready", members_ready(r));
}

/* The disk of one member is gone. */
static bool rebuilt(struct run *r)
{
    struct store *s = r->l->plane.store;
    auto_free char *pv = NULL;

    if (!made(r))
        return false;
    r->members = 0; /* with one member lost, another one that is not in sync yet takes the quorum along */
    pv = mem_str(json_str(store_get(s, PK_PVC, "default", "data-chk-keep-main-0-1-0"), "spec.volumeName", ""));
    store_delete(s, PK_PV, NULL, pv, NULL, NULL, NULL, NULL);
    store_delete(s, PK_POD, "default", "chk-keep-main-0-1-0", NULL, NULL, NULL, NULL);
    lab_run(r->l, 600000);
    return lab_wait_completed(r->l, "keep", HOURS(12));
}

static bool stopped_and_started(struct run *r)
{
    struct kshape k = with_volumes;

    if (!made(r))
        return false;
    r->members = 0;
    k.extra = "\"stop\":\"yes\",";
    if (!reached(r, &k))
        return false;
    if (members_ready(r))
        observer_violation(r->l->obs, "Keeper is stopped, and %u members are ready", members_ready(r));
    k.extra = "";
    return reached(r, &k);
}

static int check_image(void *ctx, const cJSON *pod)
{
    const char *image = json_str(pod, "spec.containers.0.image", "");

    if (json_label(pod, "clickhouse-keeper.altinity.com/chk") && !str_ends(image, ":24.8"))
        observer_violation(((struct run *)ctx)->l->obs, "%s has image %s", json_name(pod), image);
    return 0;
}

static void judge_three(struct run *r)
{
    if (members_ready(r) != 3)
        observer_violation(r->l->obs, "%u of 3 Keeper members are ready", members_ready(r));
}

static void judge_upgraded(struct run *r)
{
    judge_three(r);
    store_each(r->l->plane.store, PK_POD, NULL, NULL, check_image, r);
}

struct claims_ctx {
    struct run *r;
    const char *klass, *size;
};

static int check_claim(void *ctx, const cJSON *pvc)
{
    const struct claims_ctx *c = ctx;

    if (strcmp(json_str(pvc, "spec.storageClassName", ""), c->klass) != 0 ||
        strcmp(json_str(pvc, "status.capacity.storage", ""), c->size) != 0)
        observer_violation(c->r->l->obs, "claim %s is of class %s and has %s", json_name(pvc),
                           json_str(pvc, "spec.storageClassName", "none"),
                           json_str(pvc, "status.capacity.storage", "nothing"));
    return 0;
}

static void judge_grown(struct run *r)
{
    struct claims_ctx c = {r, "disk", "9Gi"};

    judge_three(r);
    store_each(r->l->plane.store, PK_PVC, NULL, NULL, check_claim, &c);
}

static void judge_moved(struct run *r)
{
    struct claims_ctx c = {r, "fast", "5Gi"};

    judge_three(r);
    store_each(r->l->plane.store, PK_PVC, NULL, NULL, check_claim, &c);
}

#define KEEPER(n, text, begin, end, judges)                                                                            \
    {                                                                                                                  \
        .name = n, .what = text, .change = begin, .done = end, .judge = judges, .starts = -1                           \
    }

const struct scenario keeper_scenarios[] = {
    KEEPER("keeper", "three Keeper members, created and upgraded", change_three, upgraded, judge_upgraded),
    KEEPER("keeper-settings", "settings of Keeper, with and without restart", change_three, configured, judge_three),
    KEEPER("keeper-scale", "three members, five, three", change_with_volumes, more_and_fewer, judge_three),
    KEEPER("keeper-scale-and-image", "five members instead of three, and a new image", change_with_volumes,
           more_with_image, judge_five),
    KEEPER("keeper-grow", "larger volumes of Keeper, then claims made by the operator", change_with_volumes, grown,
           judge_grown),
    KEEPER("keeper-grow-and-image", "larger volumes and a new image of Keeper", change_with_volumes, grown_with_image,
           judge_grown),
    KEEPER("keeper-move", "another storage class of Keeper, with consent", change_with_volumes, moved, judge_moved),
    KEEPER("keeper-volumes", "a volume for logs of Keeper, and back; then its data under another name",
           change_with_volumes, renamed, judge_three),
    KEEPER("keeper-interrupted", "another change while Keeper gets more members", change_with_volumes, interrupted,
           judge_five),
    KEEPER("keeper-forgotten", "the common files of Keeper are gone", change_with_volumes, forgotten, judge_three),
    KEEPER("keeper-rebuild", "the disk of a member is gone", change_with_volumes, rebuilt, judge_three),
    KEEPER("keeper-stop", "spec.stop of Keeper and start", change_with_volumes, stopped_and_started, judge_three),
    {.name = NULL},
};
