/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences: each test makes the one moment at which a fence is all that is left, since everything else says "go on": a write
 * that comes late, a watch that tells nothing, a word that is taken back at the last moment, a lead that is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "render/compare.h"
#include "tests/sim/load.h"
#include "tests/sim/scenario.h"

#define MINUTES(n) ((n)*UINT64_C(60000))
#define READY "clickhouse.altinity.com/ready"

struct fixture {
    struct lab *l;
    struct shape shape;
    bool armed;
    unsigned seen;
};

static void apply(struct fixture *f)
{
    auto_free char *text = lab_demo(&f->shape);

    lab_apply(f->l, text);
}

static void begin(struct fixture *f, uint64_t seed, bool dns, struct shape shape)
{
    *f = (struct fixture){.l = lab_new(seed, dns), .shape = shape};
    if (getenv("VERBOSE"))
        simlog_trace(true, f->l->s);
    lab_super_start(f->l);
    apply(f);
    if (!lab_wait_completed(f->l, "demo", HOURS(3)))
        fail_msg("the fleet to begin with is not completed");
    lab_schema(f->l, "demo");
    lab_run(f->l, MINUTES(2));
    observer_mark(f->l->obs);
    f->l->hook_ctx = f;
}

static void end(struct fixture *f)
{
    auto_free char *bad = mem_str(observer_text(f->l->obs));

    lab_free(f->l);
    if (*bad)
        fail_msg("%s", bad);
}

static void patch(struct fixture *f, enum plane_kind kind, const char *name, const char *json, unsigned flags)
{
    auto_json cJSON *p = json_parse(json, strlen(json), NULL);
    struct err err = ERR_INIT;

    if (store_patch(f->l->plane.store, kind, "default", name, p, flags, NULL, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
}

static const cJSON *get(struct fixture *f, enum plane_kind kind, const char *name)
{
    return store_get(f->l->plane.store, kind, "default", name);
}

static struct chost *host(struct fixture *f, const char *name)
{
    auto_free char *pod = mem_printf("default/chi-demo-main-%s-0", name);

    return hosts_get(f->l->hosts, pod, false);
}

static bool is_labelled(struct fixture *f, const char *pod, const char *value)
{
    return str_eq(json_label(get(f, PK_POD, pod), READY), value);
}

static void run_until_labelled(struct fixture *f, const char *pod, const char *value)
{
    for (int i = 0; i < 3000 && !is_labelled(f, pod, value); i++)
        lab_run(f->l, 100);
    assert_true(is_labelled(f, pod, value));
}

/* ---- late writes ---- */

static bool hold_new_image(void *ctx, const char *method, const char *path, const char *body)
{
    struct fixture *f = ctx;

    if (f->l->held || strcmp(method, "PATCH") != 0 || !strstr(path, "/statefulsets/") || !strstr(body, LAB_NEW_IMAGE))
        return false;
    f->armed = true;
    return true;
}

/* It was sent before its sender died, and comes when the owner has long changed his mind. */
static void a_write_of_a_dead_supervisor_that_comes_late_does_nothing(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, false, (struct shape){.shards = 1, .replicas = 2});
    f.l->hold = hold_new_image;
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    for (int i = 0; i < 6000 && !f.armed; i++)
        lab_run(f.l, 100);
    assert_true(f.armed);
    lab_super_kill(f.l);
    f.l->hold = NULL;
    f.shape.image = NULL;
    apply(&f);
    lab_super_start(f.l);
    assert_true(lab_wait_completed(f.l, "demo", HOURS(1)));
    assert_int_equal(lab_let_go(f.l), 0);
    lab_run(f.l, MINUTES(10));
    observer_expect_starts(f.l->obs, 0);
    end(&f);
}

/* ---- a watch that tells nothing ---- */

/* The other replica is out of the balancer, and nobody has told so. */
static void take_the_peer_away(struct fixture *f)
{
    f->l->deaf = true;
    patch(f, PK_POD, "chi-demo-main-0-1-0", "{\"metadata\":{\"labels\":{\"" READY "\":\"no\"}}}", 0);
}

static void nobody_leaves_on_what_a_silent_watch_says(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 3, true, (struct shape){.shards = 1, .replicas = 2});
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    lab_run(f.l, 20); /* it is told of the resource, and of nothing else */
    take_the_peer_away(&f);
    for (int i = 0; i < 100; i++) {
        lab_run(f.l, 100);
        assert_true(is_labelled(&f, "chi-demo-main-0-0-0", "yes"));
    }
    f.l->deaf = false;
    assert_true(lab_wait_completed(f.l, "demo", HOURS(3)));
    end(&f);
}

/* The list that a permit is given on does not come. */
static void nobody_leaves_on_an_answer_that_is_none(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 3, true, (struct shape){.shards = 1, .replicas = 2});
    sim_faults(f.l->s)->error_prefix = "http://api.sim:80/api/v1/namespaces/default/pods?";
    sim_faults(f.l->s)->http_error_permille = 1000;
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    for (int i = 0; i < 1200; i++) {
        lab_run(f.l, 100);
        assert_true(is_labelled(&f, "chi-demo-main-0-0-0", "yes"));
    }
    sim_faults(f.l->s)->http_error_permille = 0;
    assert_true(lab_wait_completed(f.l, "demo", HOURS(3)));
    end(&f);
}

/* The other replica answers whoever asks it, and its probe says that it is not ready; it has left when that happens. */
static void nobody_is_stopped_on_what_a_silent_watch_says(void **state)
{
    struct fixture f;
    const char *gone = "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}";

    (void)state;
    begin(&f, 3, true, (struct shape){.shards = 1, .replicas = 2});
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    run_until_labelled(&f, "chi-demo-main-0-0-0", "no");
    lab_run(f.l, 12000);
    f.l->deaf = true;
    patch(&f, PK_POD, "chi-demo-main-0-1-0", gone, STORE_STATUS);
    for (int i = 0; i < 600; i++) {
        lab_run(f.l, 100);
        if (!compare_pod_ready(get(&f, PK_POD, "chi-demo-main-0-1-0")))
            assert_int_equal(chost_state(host(&f, "0-0")), CHOST_UP);
    }
    f.seen = !compare_pod_ready(get(&f, PK_POD, "chi-demo-main-0-1-0"));
    assert_true(f.seen);
    lab_free(f.l);
}

/* ---- a journal that takes nothing ---- */

static void nobody_is_stopped_whose_step_is_not_written_down(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 3, true, (struct shape){.shards = 1, .replicas = 2});
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    run_until_labelled(&f, "chi-demo-main-0-0-0", "no");
    lab_disk_full(f.l, true);
    for (int i = 0; i < 6000; i++) {
        lab_run(f.l, 100);
        assert_int_equal(chost_state(host(&f, "0-0")), CHOST_UP);
    }
    lab_disk_full(f.l, false);
    assert_true(lab_wait_completed(f.l, "demo", HOURS(3)));
    end(&f);
}

/* ---- a word that is taken back ---- */

/* The set of the host that goes is deleted: its claim comes next. */
static void keep_the_claim(void *ctx, const char *method, const char *path)
{
    struct fixture *f = ctx;

    if (f->armed || strcmp(method, "DELETE") != 0 || !strstr(path, "/statefulsets/chi-demo-main-0-1"))
        return;
    f->armed = true;
    patch(f, PK_PVC, "data-chi-demo-main-0-1-0",
          "{\"metadata\":{\"labels\":{\"clickhouse.altinity.com/reclaimPolicy\":\"Retain\"}}}", 0);
}

static void a_claim_that_is_to_be_kept_at_the_last_moment_is_kept(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, false, (struct shape){.shards = 1, .replicas = 2});
    f.l->on_write = keep_the_claim;
    f.shape.replicas = 1;
    apply(&f);
    for (int i = 0; i < 6000 && !f.armed; i++)
        lab_run(f.l, 100);
    assert_true(f.armed);
    lab_run(f.l, MINUTES(20));
    assert_non_null(get(&f, PK_PVC, "data-chi-demo-main-0-1-0"));
    assert_null(json_at(get(&f, PK_PVC, "data-chi-demo-main-0-1-0"), "metadata.deletionTimestamp"));
    end(&f);
}

/* ---- what Completed says ---- */

static void service_is_there(void *ctx, const char *method, const char *path)
{
    struct fixture *f = ctx;

    if (strcmp(method, "PATCH") != 0 || !strstr(path, "/status") ||
        strcmp(json_str(lab_chi(f->l, "demo"), "status.status", ""), "Completed") != 0)
        return;
    f->seen++;
    assert_non_null(get(f, PK_SVC, "chi-demo-main-0-0"));
}

/* Taken away behind the back of an operation that has done its host already. */
static void what_was_taken_away_meanwhile_is_back_before_completed_is_said(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, false, (struct shape){.shards = 1, .replicas = 2});
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    run_until_labelled(&f, "chi-demo-main-0-1-0", "no");
    store_delete(f.l->plane.store, PK_SVC, "default", "chi-demo-main-0-0", NULL, NULL, NULL, NULL);
    f.l->on_write = service_is_there;
    assert_true(lab_wait_completed(f.l, "demo", HOURS(1)));
    lab_run(f.l, MINUTES(1));
    assert_true(f.seen > 0);
    store_delete(f.l->plane.store, PK_SVC, "default", "chi-demo-main-0-0", NULL, NULL, NULL, NULL);
    lab_run(f.l, MINUTES(1));
    assert_non_null(get(&f, PK_SVC, "chi-demo-main-0-0"));
    end(&f);
}

static bool hold_completed(void *ctx, const char *method, const char *path, const char *body)
{
    struct fixture *f = ctx;

    if (strcmp(method, "PATCH") != 0 || !strstr(path, "/demo/status") || !strstr(body, "\"Completed\""))
        return false;
    f->armed = true;
    return true;
}

/* What is said of the one that was comes when another resource has its name. */
static void nothing_is_said_of_another_resource_of_the_name(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, false, (struct shape){.shards = 1, .replicas = 2});
    f.l->hold = hold_completed;
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    for (int i = 0; i < 36000 && !f.armed; i++)
        lab_run(f.l, 100);
    assert_true(f.armed);
    f.l->deaf = true;
    patch(&f, PK_CHI, "demo", "{\"metadata\":{\"finalizers\":null}}", 0);
    lab_delete(f.l, "demo");
    assert_null(lab_chi(f.l, "demo"));
    apply(&f);
    assert_int_equal(lab_let_go(f.l), 0);
    f.l->deaf = false;
    lab_free(f.l);
}

/* ---- a lead that is over ---- */

static bool no_renewal(void *ctx, const char *method, const char *path, const char *body)
{
    struct fixture *f = ctx;

    (void)method;
    (void)body;
    return f->armed && strstr(path, "/leases") != NULL;
}

/* Its renewals do not arrive, and all else does: another may lead when the time is over. */
static void who_cannot_renew_its_lead_writes_nothing_after_it(void **state)
{
    struct fixture f = {.l = lab_new(2, false), .shape = {.shards = 2, .replicas = 2}};
    uint64_t writes;

    (void)state;
    f.l->lease_ns = "default";
    f.l->hook_ctx = &f;
    f.l->hold = no_renewal;
    lab_super_start(f.l);
    apply(&f);
    assert_true(lab_wait_completed(f.l, "demo", HOURS(1)));
    f.shape.image = LAB_NEW_IMAGE;
    apply(&f);
    run_until_labelled(&f, "chi-demo-main-0-0-0", "no");
    f.armed = true;
    lab_run(f.l, KUBE_LEASE_S * 1000);
    writes = f.l->writes;
    lab_run(f.l, MINUTES(10));
    assert_int_equal(f.l->writes, writes);
    end(&f);
}

/* test-sim-fences [PATTERN]: only the tests whose names fit; VERBOSE=1 shows the log. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_of_a_dead_supervisor_that_comes_late_does_nothing),
        cmocka_unit_test(nobody_leaves_on_what_a_silent_watch_says),
        cmocka_unit_test(nobody_leaves_on_an_answer_that_is_none),
        cmocka_unit_test(nobody_is_stopped_on_what_a_silent_watch_says),
        cmocka_unit_test(nobody_is_stopped_whose_step_is_not_written_down),
        cmocka_unit_test(a_claim_that_is_to_be_kept_at_the_last_moment_is_kept),
        cmocka_unit_test(what_was_taken_away_meanwhile_is_back_before_completed_is_said),
        cmocka_unit_test(nothing_is_said_of_another_resource_of_the_name),
        cmocka_unit_test(who_cannot_renew_its_lead_writes_nothing_after_it),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    log_set_level(LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
