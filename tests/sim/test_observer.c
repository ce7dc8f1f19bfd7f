/* SPDX-License-Identifier: Apache-2.0 */
/* The observer is worth something only if it sees each breach: here they are made on purpose, behind the product's
 * back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/sim/load.h"
#include "tests/sim/scenario.h"

struct breach {
    const char *expect; /* must be in what the observer says */
    void (*make)(struct lab *l);
};

static void patch(struct lab *l, enum plane_kind kind, const char *name, const char *json, unsigned flags)
{
    auto_json cJSON *p = json_parse(json, strlen(json), NULL);
    struct err err = ERR_INIT;

    assert_int_equal(store_patch(l->plane.store, kind, "default", name, p, flags, NULL, &err), 0);
}

static struct chost *host(struct lab *l, const char *name)
{
    auto_free char *pod = mem_printf("default/chi-demo-main-%s-0", name);

    return hosts_get(l->hosts, pod, false);
}

static void kill_both(struct lab *l)
{
    chost_kill(host(l, "0-0"));
    chost_kill(host(l, "0-1"));
    lab_run(l, 1000);
}

static void stop_one_that_serves(struct lab *l)
{
    load_start(l->load, "clickhouse-demo", 5);
    lab_run(l, 2000);
    chost_term(host(l, "0-0"));
    lab_run(l, 3000);
}

static void take_a_claim(struct lab *l)
{
    store_delete(l->plane.store, PK_PVC, "default", "data-chi-demo-main-0-0-0", NULL, NULL, NULL, NULL);
    lab_run(l, 1000);
}

static void take_retained_claim(struct lab *l)
{
    patch(l, PK_PVC, "data-chi-demo-main-0-0-0",
          "{\"metadata\":{\"labels\":{\"clickhouse.altinity.com/reclaimPolicy\":\"Retain\"}}}", 0);
    lab_run(l, 100);
    take_a_claim(l);
}

static void start_twice(struct lab *l)
{
    observer_mark(l->obs);
    chost_kill(host(l, "0-0"));
    lab_run(l, 60000);
    observer_expect_starts(l->obs, 0);
}

static void say_completed(struct lab *l)
{
    patch(l, PK_CHI, "demo", "{\"status\":{\"status\":\"InProgress\"}}", STORE_STATUS);
    patch(l, PK_CHI, "demo", "{\"status\":{\"status\":\"Completed\"}}", STORE_STATUS);
    lab_run(l, 2300); /* the claim is looked at 2.5 s after it is made; the server must not be back by then */
    chost_kill(host(l, "0-0"));
    lab_run(l, 400);
}

/* Put behind the balancer while it lies: it was killed, and has not got what was written meanwhile. */
static void join_early(struct lab *l)
{
    static const char in[] = "{\"metadata\":{\"labels\":{\"clickhouse.altinity.com/ready\":\"yes\"}}}";
    static const char out[] = "{\"metadata\":{\"labels\":{\"clickhouse.altinity.com/ready\":\"no\"}}}";

    patch(l, PK_POD, "chi-demo-main-0-1-0", out, STORE_SYSTEM);
    lab_run(l, 2000);
    chost_kill(host(l, "0-1"));
    for (int k = 0; k < 20; k++)
        chost_insert(host(l, "0-0"), "app", "ev");
    lab_run(l, 8000);
    patch(l, PK_POD, "chi-demo-main-0-1-0", in, STORE_SYSTEM);
    lab_run(l, 2000);
}

/* Behind the balancer from its first moment on, before it has a Keeper session. */
static void join_read_only(struct lab *l)
{
    static const char in[] = "{\"metadata\":{\"labels\":{\"clickhouse.altinity.com/ready\":\"yes\"}}}";
    static const char out[] = "{\"metadata\":{\"labels\":{\"clickhouse.altinity.com/ready\":\"no\"}}}";

    hosts_knobs(l->hosts)->session_max_ms = 3600000;
    patch(l, PK_POD, "chi-demo-main-0-1-0", out, STORE_SYSTEM);
    lab_run(l, 2000);
    chost_term(host(l, "0-1"));
    patch(l, PK_POD, "chi-demo-main-0-1-0", in, STORE_SYSTEM);
    lab_run(l, 60000);
}

static void tell_a_secret(struct lab *l)
{
    static const char body[] = "{\"status\":{\"error\":\"password " LAB_PASSWORD " is wrong\"}}";

    observer_wrote(l->obs, body, sizeof body - 1);
}

static void ask_nonsense(struct lab *l)
{
    struct err err = ERR_INIT;

    chost_execute(host(l, "0-0"), "SELECT everything", &err);
}

static const struct breach breaches[] = {
    {"[1] no replica of demo shard 0 serves", kill_both},
    {"[2] ", stop_one_that_serves},
    {"[3] claim data-chi-demo-main-0-0-0 is deleted though its host is in the spec", take_a_claim},
    {"[3] claim data-chi-demo-main-0-0-0 is deleted though its policy is Retain", take_retained_claim},
    {"[4] default/chi-demo-main-0-0-0 started 1 times, expected were 0", start_twice},
    {"[5] demo is said to be Completed, but default/chi-demo-main-0-0-0 does not run", say_completed},
    {"[7] default/chi-demo-main-0-1-0 joined before", join_early},
    {"[7] default/chi-demo-main-0-1-0 joined while it is read-only", join_read_only},
    {"[9] a password is in a status", tell_a_secret},
    {"a statement that no file of sql/statements has", ask_nonsense},
};
enum { N_BREACHES = sizeof breaches / sizeof *breaches };

struct one {
    struct run *r;
    const struct breach *b;
};

static int make_it(void *ctx, struct str *out)
{
    struct one *o = ctx;
    struct lab *l = o->r->l;

    observer_mark(l->obs);
    observer_guard(l->obs, true);
    lab_run(l, 2000);
    o->b->make(l);
    str_add(out, observer_text(l->obs));
    return 0;
}

/* All begin from one fleet that is complete and has no supervisor any more. */
static void every_breach_is_seen(void **state)
{
    struct scenario sc = *scenario_named("upgrade");
    struct run r;

    (void)state;
    sc.from.shards = 1;
    assert_true(run_prepare(&r, &sc, 5, false));
    lab_super_kill(r.l);
    for (size_t i = 0; i < N_BREACHES; i++) {
        struct one o = {&r, &breaches[i]};
        auto_free char *said = NULL;

        in_child(make_it, &o, &said);
        if (!said || !strstr(said, breaches[i].expect))
            fail_msg("not seen: %s; said was: %s", breaches[i].expect, said ? said : "nothing");
    }
    run_free(&r);
}

static void sit_still(struct lab *l)
{
    load_start(l->load, "clickhouse-demo", 50);
    lab_run(l, 600000);
}

static void an_undisturbed_fleet_is_no_breach(void **state)
{
    static const struct breach none = {"", sit_still};
    struct scenario sc = *scenario_named("upgrade");
    struct run r;
    struct one o = {&r, &none};
    auto_free char *said = NULL;

    (void)state;
    assert_true(run_prepare(&r, &sc, 6, true));
    in_child(make_it, &o, &said);
    if (said && *said)
        fail_msg("%s", said);
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_breach_is_seen),
        cmocka_unit_test(an_undisturbed_fleet_is_no_breach),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    fflush(NULL);
    _exit(failed != 0); /* what killed processes of the simulation left behind is no leak */
}
