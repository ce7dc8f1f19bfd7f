/* SPDX-License-Identifier: Apache-2.0 */
/* The controllers as they are in the simulated world: store in memory, kubelet, balancer and volumes of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/ctl.h"
#include "tests/sim/sim.h"

struct pod_event;

struct rig {
    struct sim *sim;
    struct plane p;
    struct ctl_sts *sts;
    struct ctl_pvc *pvc;
    struct ctl_svc *svc;
    struct ctl_pdb *pdb;
    struct ctl_sched *sched;
    struct store_sub *pods;
    const char *broken; /* pods of this image never become ready */
    unsigned most_down, volumes_made, volumes_removed;
    uint64_t grows_since;
    /* balancer */
    void (*changed)(void *ctx, const char *ns, const char *name);
    void *changed_ctx;
    char in[8][64], want[8][64]; /* uids */
    unsigned lb_delay_ms;
    struct pod_event *events;
    cJSON *order; /* what happened, in order */
};

/* ---- kubelet ---- */

struct pod_event {
    struct pod_event *next; /* all are freed at the end */
    struct rig *r;
    char name[64], uid[64];
};

static void start_pod(void *ctx)
{
    struct pod_event *e = ctx;
    const cJSON *pod = store_get(e->r->p.store, PK_POD, "default", e->name);
    static const char up[] =
        "{\"status\":{\"phase\":\"Running\",\"podIP\":\"127.0.0.1\",\"conditions\":[{\"type\":\"Ready\","
        "\"status\":\"True\"}]}}";
    static const char down[] = "{\"status\":{\"phase\":\"Running\",\"podIP\":\"127.0.0.1\",\"conditions\":[{\"type\":"
                               "\"Ready\",\"status\":\"False\"}]}}";

    if (pod && strcmp(json_uid(pod), e->uid) == 0) {
        bool bad = e->r->broken && strcmp(json_str(pod, "spec.containers.0.image", ""), e->r->broken) == 0;
        auto_json cJSON *patch = json_parse(bad ? down : up, strlen(bad ? down : up), NULL);

        store_patch(e->r->p.store, PK_POD, "default", e->name, patch, STORE_STATUS, NULL, NULL);
    }
}

static void end_pod(void *ctx)
{
    struct pod_event *e = ctx;
    struct store_delete d = {.uid = e->uid, .grace_s = 0};

    store_delete(e->r->p.store, PK_POD, "default", e->name, &d, NULL, NULL, NULL);
}

static void in_ms(struct rig *r, const cJSON *pod, uint64_t ms, void (*fn)(void *ctx))
{
    struct pod_event *e = mem_zero(sizeof *e);

    e->r = r;
    e->next = r->events;
    r->events = e;
    snprintf(e->name, sizeof e->name, "%s", json_name(pod));
    snprintf(e->uid, sizeof e->uid, "%s", json_uid(pod));
    world_timer(r->p.w, ms, fn, e);
}

static int count_down(void *ctx, const cJSON *pod)
{
    *(unsigned *)ctx += !ctl_pod_ready(pod) || ctl_deleting(pod);
    return 0;
}

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct rig *r = ctx;
    unsigned down = 0;

    if (!obj || what == STORE_GONE)
        return;
    if (*json_str(obj, "spec.nodeName", "") && (!old || !*json_str(old, "spec.nodeName", "")))
        in_ms(r, obj, 50, start_pod);
    if (ctl_deleting(obj) && (!old || !ctl_deleting(old)))
        in_ms(r, obj, 80, end_pod);
    store_each(r->p.store, PK_POD, NULL, NULL, count_down, &down);
    if (down > r->most_down)
        r->most_down = down;
}

/* ---- volumes ---- */

static int vol_make(void *ctx, const char *ns, const char *claim, const char *uid,
                    bool (*taken)(void *tctx, const char *path), void *tctx, char **path, struct err *err)
{
    struct rig *r = ctx;

    (void)uid;
    (void)err;
    *path = mem_printf("/v/%s_%s", ns, claim);
    assert_false(taken(tctx, *path));
    r->volumes_made++;
    return 0;
}

static int vol_remove(void *ctx, const char *path, struct err *err)
{
    (void)path;
    (void)err;
    ((struct rig *)ctx)->volumes_removed++;
    return 0;
}

/* Grows for half a second; then the file system waits for its node for two. */
static enum volume_size vol_grow(void *ctx, const cJSON *pvc)
{
    struct rig *r = ctx;
    uint64_t now = world_mono(r->p.w);

    (void)pvc;
    if (!r->grows_since)
        r->grows_since = now;
    if (now < r->grows_since + 500)
        return VOLUME_GROWS;
    return now < r->grows_since + 2500 ? VOLUME_WAITS_FOR_NODE : VOLUME_HAS_IT;
}

/* ---- balancer: does what it is told lb_delay_ms later ---- */

static unsigned lb_listen(void *ctx, const char *ns, const char *name, const char *port_name, unsigned want)
{
    (void)ctx;
    (void)ns;
    (void)name;
    (void)port_name;
    return want;
}

static bool among(char list[8][64], const char *uid)
{
    for (int i = 0; i < 8; i++)
        if (strcmp(list[i], uid) == 0)
            return true;
    return false;
}

static void lb_settle(void *ctx)
{
    struct rig *r = ctx;

    if (memcmp(r->in, r->want, sizeof r->in) == 0)
        return;
    memcpy(r->in, r->want, sizeof r->in);
    json_add_str(r->order, "balancer");
    r->changed(r->changed_ctx, "default", "lb");
}

static void lb_apply(void *ctx, const struct lb_service *s)
{
    struct rig *r = ctx;

    if (strcmp(s->name, "lb") != 0)
        return;
    memset(r->want, 0, sizeof r->want);
    for (size_t i = 0; i < s->n_members; i++)
        snprintf(r->want[i], sizeof r->want[i], "%s", s->members[i].uid);
    world_timer(r->p.w, r->lb_delay_ms, lb_settle, r);
}

static enum lb_state lb_state(void *ctx, const char *ns, const char *name, const char *uid)
{
    (void)ns;
    (void)name;
    return *uid && among(((struct rig *)ctx)->in, uid) ? LB_IN : LB_OUT;
}

static void lb_listener(void *ctx, void (*changed)(void *ctx2, const char *ns, const char *name), void *changed_ctx)
{
    struct rig *r = ctx;

    r->changed = changed;
    r->changed_ctx = changed_ctx;
}

static void on_slice(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct rig *r = ctx;

    (void)old;
    if (obj && what != STORE_SYNCED && str_eq(json_label(obj, "kubernetes.io/service-name"), "lb"))
        json_add_str(r->order, "slice");
}

/* ---- life ---- */

static int set_up(void **state)
{
    static const struct volume_ops volumes = {vol_make, vol_remove, vol_grow};
    static const struct lb_ops lb = {lb_listen, lb_apply, lb_state, lb_listener};
    struct rig *r = mem_zero(sizeof *r);
    struct err e = ERR_INIT;

    r->sim = sim_new(7);
    r->p.w = sim_proc(r->sim, "plane");
    r->p.data_dir = "/none";
    r->p.node_name = "sim";
    r->lb_delay_ms = 30;
    r->order = cJSON_CreateArray();
    if (store_open(r->p.w, ":memory:", &r->p.store, &e) < 0)
        fail_msg("%s", e.msg);
    store_create(r->p.store, PK_NS, store_new_object(PK_NS, NULL, "default"), STORE_SYSTEM, NULL, NULL);
    r->pods = store_subscribe(r->p.store, PK_POD, on_pod, r);
    store_subscribe(r->p.store, PK_EPSLICE, on_slice, r);
    r->sched = ctl_sched_new(&r->p);
    r->pvc = ctl_pvc_new(&r->p, &volumes, r);
    r->sts = ctl_sts_new(&r->p);
    r->svc = ctl_svc_new(&r->p, &lb, r);
    r->pdb = ctl_pdb_new(&r->p);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    ctl_pdb_free(r->pdb);
    ctl_svc_free(r->svc);
    ctl_sts_free(r->sts);
    ctl_pvc_free(r->pvc);
    ctl_sched_free(r->sched);
    store_close(r->p.store);
    sim_free(r->sim);
    cJSON_Delete(r->order);
    while (r->events) {
        struct pod_event *e = r->events;

        r->events = e->next;
        free(e);
    }
    free(r);
    return 0;
}

static void create(struct rig *r, enum plane_kind kind, const char *text)
{
    struct err e = ERR_INIT;
    cJSON *obj = json_parse(text, strlen(text), &e);

    if (!obj)
        fail_msg("%s: %s", e.msg, text);
    json_set_str(json_need_obj(obj, "metadata"), "namespace", "default");
    if (store_create(r->p.store, kind, obj, 0, NULL, &e) < 0)
        fail_msg("%s", e.msg);
}

static void patch(struct rig *r, enum plane_kind kind, const char *name, const char *text)
{
    struct err e = ERR_INIT;
    auto_json cJSON *p = json_parse(text, strlen(text), &e);

    if (store_patch(r->p.store, kind, kind == PK_PV ? NULL : "default", name, p, 0, NULL, &e) < 0)
        fail_msg("%s", e.msg);
}

static void create_set(struct rig *r, const char *name, int replicas, const char *policy, const char *more)
{
    auto_free char *text = mem_printf(
        "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":%d,\"serviceName\":\"%s\",\"podManagementPolicy\":\"%"
        "s\","
        "\"selector\":{\"matchLabels\":{\"a\":\"%s\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"%s\",\"ready\":"
        "\"yes\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"good\",\"ports\":[{\"name\":\"http\","
        "\"containerPort\":7001}]}]}},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"},\"spec\":{"
        "\"accessModes\":"
        "[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]%s}}",
        name, replicas, name, policy, name, name, more);

    create(r, PK_STS, text);
}

static const cJSON *get(struct rig *r, enum plane_kind kind, const char *name)
{
    return store_get(r->p.store, kind, "default", name);
}

static void run(struct rig *r, uint64_t ms)
{
    sim_run(r->sim, ms, NULL, NULL);
}

static int64_t status(struct rig *r, const char *name, const char *field)
{
    auto_free char *path = mem_printf("status.%s", field);

    return json_int(get(r, PK_STS, name), path, 0);
}

#define IMAGE(x) "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" x "\"}]}}}}"

/* ---- tests ---- */

static void ordered_sets_start_one_pod_at_a_time(void **state)
{
    struct rig *r = *state;

    create_set(r, "s", 3, "OrderedReady", "");
    run(r, 80);
    assert_non_null(get(r, PK_POD, "s-0"));
    assert_null(get(r, PK_POD, "s-2"));
    run(r, 2000);
    assert_int_equal(status(r, "s", "readyReplicas"), 3);
    assert_int_equal(r->most_down, 1);
    assert_int_equal(r->volumes_made, 3);
}

static void parallel_sets_start_all_at_once(void **state)
{
    struct rig *r = *state;

    create_set(r, "s", 3, "Parallel", "");
    run(r, 40);
    assert_non_null(get(r, PK_POD, "s-2"));
    assert_int_equal(r->most_down, 3);
}

static void a_rolling_update_goes_from_the_top_and_one_by_one(void **state)
{
    struct rig *r = *state;

    create_set(r, "s", 3, "OrderedReady", "");
    run(r, 2000);
    r->most_down = 0;
    patch(r, PK_STS, "s", IMAGE("better"));
    run(r, 100);
    assert_string_equal(json_str(get(r, PK_POD, "s-0"), "spec.containers.0.image", ""), "good");
    run(r, 3000);
    for (int i = 0; i < 3; i++) {
        auto_free char *name = mem_printf("s-%d", i);

        assert_string_equal(json_str(get(r, PK_POD, name), "spec.containers.0.image", ""), "better");
    }
    assert_int_equal(r->most_down, 1);
    assert_string_equal(json_str(get(r, PK_STS, "s"), "status.currentRevision", ""),
                        json_str(get(r, PK_STS, "s"), "status.updateRevision", "x"));
}

static void a_bad_revision_stops_at_the_first_pod_and_stays_there_as_on_a_cluster(void **state)
{
    struct rig *r = *state;

    create_set(r, "s", 2, "OrderedReady", "");
    run(r, 2000);
    r->broken = "bad";
    patch(r, PK_STS, "s", IMAGE("bad"));
    run(r, 3000);
    assert_string_equal(json_str(get(r, PK_POD, "s-1"), "spec.containers.0.image", ""), "bad");
    assert_string_equal(json_str(get(r, PK_POD, "s-0"), "spec.containers.0.image", ""), "good");
    assert_int_equal(status(r, "s", "updatedReplicas"), 1);
    patch(r, PK_STS, "s", IMAGE("good"));
    run(r, 2000);
    assert_string_equal(json_str(get(r, PK_POD, "s-1"), "spec.containers.0.image", ""), "bad");
    store_delete(r->p.store, PK_POD, "default", "s-1", NULL, NULL, NULL, NULL);
    run(r, 2000);
    assert_string_equal(json_str(get(r, PK_POD, "s-1"), "spec.containers.0.image", ""), "good");
    assert_int_equal(status(r, "s", "readyReplicas"), 2);
}

static void a_partition_keeps_the_lower_pods(void **state)
{
    struct rig *r = *state;

    create_set(r, "s", 3, "OrderedReady",
               ",\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":2}}");
    run(r, 2000);
    patch(r, PK_STS, "s", IMAGE("better"));
    run(r, 3000);
    assert_string_equal(json_str(get(r, PK_POD, "s-2"), "spec.containers.0.image", ""), "better");
    assert_string_equal(json_str(get(r, PK_POD, "s-1"), "spec.containers.0.image", ""), "good");
    store_delete(r->p.store, PK_POD, "default", "s-0", NULL, NULL, NULL, NULL);
    run(r, 2000); /* a lost one below comes back as it was */
    assert_string_equal(json_str(get(r, PK_POD, "s-0"), "spec.containers.0.image", ""), "good");
}

static void the_same_template_is_the_same_revision_for_a_set_made_again(void **state)
{
    struct rig *r = *state;
    struct store_delete orphan = {.propagation = "Orphan", .grace_s = -1};
    auto_free char *uid = NULL, *rev = NULL;

    create_set(r, "s", 1, "OrderedReady", "");
    run(r, 1000);
    uid = mem_str(json_uid(get(r, PK_POD, "s-0")));
    rev = mem_str(json_str(get(r, PK_STS, "s"), "status.currentRevision", ""));
    store_delete(r->p.store, PK_STS, "default", "s", &orphan, NULL, NULL, NULL);
    run(r, 1000);
    assert_null(get(r, PK_STS, "s"));
    create_set(r, "s", 1, "OrderedReady", "");
    run(r, 1000);
    assert_string_equal(json_uid(get(r, PK_POD, "s-0")), uid);
    assert_string_equal(json_str(get(r, PK_STS, "s"), "status.currentRevision", ""), rev);
    assert_int_equal(status(r, "s", "readyReplicas"), 1);
}

static void retained_claims_stay_when_a_set_shrinks_and_go_when_it_says_delete(void **state)
{
    struct rig *r = *state;

    create_set(r, "keep", 1, "OrderedReady", "");
    create_set(r, "drop", 1, "OrderedReady", ",\"persistentVolumeClaimRetentionPolicy\":{\"whenScaled\":\"Delete\"}");
    run(r, 1000);
    patch(r, PK_STS, "keep", "{\"spec\":{\"replicas\":0}}");
    patch(r, PK_STS, "drop", "{\"spec\":{\"replicas\":0}}");
    run(r, 3000);
    assert_non_null(get(r, PK_PVC, "d-keep-0"));
    assert_null(get(r, PK_PVC, "d-drop-0"));
    assert_int_equal(r->volumes_removed, 1);
}

static void a_claim_that_grows_says_how_far_it_is(void **state)
{
    struct rig *r = *state;
    const cJSON *pvc;

    create_set(r, "g", 1, "OrderedReady", "");
    run(r, 2000);
    patch(r, PK_PVC, "d-g-0", "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"9Gi\"}}}}");
    run(r, 1500);
    pvc = get(r, PK_PVC, "d-g-0");
    assert_string_equal(json_str(pvc, "status.conditions.0.type", ""), "FileSystemResizePending");
    assert_string_not_equal(json_str(pvc, "status.capacity.storage", ""), "9Gi");
    run(r, 5000);
    pvc = get(r, PK_PVC, "d-g-0");
    assert_string_equal(json_str(pvc, "status.capacity.storage", ""), "9Gi");
    assert_null(json_at(pvc, "status.conditions.0"));
}

static void a_class_of_attributes_is_taken_over(void **state)
{
    struct rig *r = *state;

    create_set(r, "a", 1, "OrderedReady", "");
    run(r, 2000);
    patch(r, PK_PVC, "d-a-0", "{\"spec\":{\"volumeAttributesClassName\":\"gold\"}}");
    run(r, 1000);
    assert_string_equal(json_str(get(r, PK_PVC, "d-a-0"), "status.currentVolumeAttributesClassName", ""), "gold");
}

static void a_pod_does_not_go_where_its_volume_is_not(void **state)
{
    struct rig *r = *state;
    auto_free char *pv = NULL;
    const cJSON *pod;

    create_set(r, "n", 1, "OrderedReady", "");
    run(r, 2000);
    pv = mem_str(json_str(get(r, PK_PVC, "d-n-0"), "spec.volumeName", ""));
    patch(r, PK_STS, "n", "{\"spec\":{\"replicas\":0}}");
    run(r, 2000);
    patch(r, PK_PV, pv,
                 "{\"spec\":{\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":"
                 "\"kubernetes.io/hostname\",\"operator\":\"In\",\"values\":[\"gone\"]}]}]}}}}");
    patch(r, PK_STS, "n", "{\"spec\":{\"replicas\":1}}");
    run(r, 2000);
    pod = get(r, PK_POD, "n-0");
    assert_string_equal(json_str(pod, "spec.nodeName", ""), "");
    assert_string_equal(json_str(pod, "status.conditions.0.reason", ""), "Unschedulable");
    assert_non_null(strstr(json_str(pod, "status.conditions.0.message", ""), "volume node affinity conflict"));
}

static int find_ready(void *ctx, const cJSON *slice)
{
    const cJSON *e;

    if (!str_eq(json_label(slice, "kubernetes.io/service-name"), "lb"))
        return 0;
    cJSON_ArrayForEach(e, json_get(slice, "endpoints"))
        if (str_eq(json_str(e, "targetRef.name", ""), ctx) && json_bool(e, "conditions.ready", false))
            return 1;
    return 0;
}

static bool ready_in_slices(struct rig *r, const char *pod)
{
    return store_each(r->p.store, PK_EPSLICE, NULL, NULL, find_ready, (void *)pod) != 0;
}

#define BALANCER                                                                                                       \
    "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"LoadBalancer\",\"selector\":{\"a\":\"s\",\"ready\":\"yes\"}" \
    ","                                                                                                                \
    "\"ports\":[{\"name\":\"http\",\"port\":8123}]}}"

static void the_slice_follows_the_balancer_in_both_directions(void **state)
{
    struct rig *r = *state;

    create(r, PK_SVC, BALANCER);
    create_set(r, "s", 1, "OrderedReady", "");
    r->lb_delay_ms = 500;
    run(r, 400);
    assert_true(ctl_pod_ready(get(r, PK_POD, "s-0")));
    assert_false(ready_in_slices(r, "s-0")); /* joins: the balancer does not send to it yet */
    run(r, 600);
    assert_true(ready_in_slices(r, "s-0"));
    patch(r, PK_POD, "s-0", "{\"metadata\":{\"labels\":{\"ready\":\"no\"}}}");
    run(r, 300);
    assert_true(ready_in_slices(r, "s-0")); /* leaves: the balancer still sends to it */
    cJSON_Delete(r->order);
    r->order = cJSON_CreateArray();
    run(r, 600);
    assert_false(ready_in_slices(r, "s-0"));
    assert_string_equal(json_str(r->order, "0", ""), "balancer");
}

static void slices_carry_each_pods_own_port_and_are_not_written_again_for_nothing(void **state)
{
    struct rig *r = *state;
    uint64_t rv;

    create(r, PK_SVC, BALANCER);
    create_set(r, "s", 1, "OrderedReady", "");
    run(r, 2000);
    rv = store_rv(r->p.store);
    assert_true(ready_in_slices(r, "s-0"));
    r->changed(r->changed_ctx, "default", "lb");
    run(r, 2000);
    assert_int_equal(store_rv(r->p.store), rv);
}

static void a_budget_counts_what_is_healthy_against_what_is_wanted(void **state)
{
    struct rig *r = *state;

    create(
        r, PK_PDB,
        "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"maxUnavailable\":1,\"selector\":{\"matchLabels\":{\"a\":\"s\"}}}}");
    create_set(r, "s", 3, "OrderedReady", "");
    run(r, 3000);
    assert_int_equal(json_int(get(r, PK_PDB, "b"), "status.expectedPods", 0), 3);
    assert_int_equal(json_int(get(r, PK_PDB, "b"), "status.disruptionsAllowed", 9), 1);
    store_delete(r->p.store, PK_POD, "default", "s-1", NULL, NULL, NULL, NULL);
    run(r, 40);
    assert_int_equal(json_int(get(r, PK_PDB, "b"), "status.disruptionsAllowed", 9), 0);
}

#define IN_RIG(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG(ordered_sets_start_one_pod_at_a_time),
        IN_RIG(parallel_sets_start_all_at_once),
        IN_RIG(a_rolling_update_goes_from_the_top_and_one_by_one),
        IN_RIG(a_bad_revision_stops_at_the_first_pod_and_stays_there_as_on_a_cluster),
        IN_RIG(a_partition_keeps_the_lower_pods),
        IN_RIG(the_same_template_is_the_same_revision_for_a_set_made_again),
        IN_RIG(a_claim_that_grows_says_how_far_it_is),
        IN_RIG(a_class_of_attributes_is_taken_over),
        IN_RIG(a_pod_does_not_go_where_its_volume_is_not),
        IN_RIG(retained_claims_stay_when_a_set_shrinks_and_go_when_it_says_delete),
        IN_RIG(the_slice_follows_the_balancer_in_both_directions),
        IN_RIG(slices_carry_each_pods_own_port_and_are_not_written_again_for_nothing),
        IN_RIG(a_budget_counts_what_is_healthy_against_what_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
