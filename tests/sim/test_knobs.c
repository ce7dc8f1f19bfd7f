/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knobs that only show in a whole fleet: each is turned both ways, on the same seed, and what differs is looked at. The
 * observer watches all the time: no knob may lower a floor.
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
#include "tests/sim/load.h"
#include "tests/sim/scenario.h"

#define MINUTES(n) ((n)*UINT64_C(60000))
#define BAD_IMAGE "clickhouse/nosuch:24.8"

/* ---- a fleet, watched ---- */

struct try {
    struct lab *l;
    struct shape shape;
    char *more[4]; /* other installations: names, besides "demo" */
    size_t n_more;
    unsigned down, most_down;   /* servers that do not run, now and at most */
    unsigned places, most_places; /* installations that have such ones */
    unsigned hooks;
};

static void apply_as(struct try *t, const char *name)
{
    auto_free char *text = lab_demo(&t->shape);
    auto_json cJSON *r = json_parse(text, strlen(text), NULL);
    auto_free char *named = NULL;

    json_set_str(json_get(r, "metadata"), "name", name);
    named = json_print(r);
    lab_apply(t->l, named);
}

static void apply_all_of(struct try *t)
{
    apply_as(t, "demo");
    for (size_t i = 0; i < t->n_more; i++)
        apply_as(t, t->more[i]);
}

static void begin(struct try *t, uint64_t seed, bool dns, struct shape shape, const char *config, const char *second)
{
    *t = (struct try){.l = lab_new(seed, dns), .shape = shape};
    t->l->config = config;
    if (getenv("VERBOSE"))
        simlog_trace(true, t->l->s);
    if (second)
        t->more[t->n_more++] = mem_str(second);
    lab_super_start(t->l);
    apply_all_of(t);
    if (!lab_wait_completed(t->l, "demo", HOURS(3)) || (second && !lab_wait_completed(t->l, second, HOURS(3))))
        fail_msg("the fleet to begin with is not completed");
    lab_schema(t->l, "demo");
    if (second)
        lab_schema(t->l, second);
    lab_run(t->l, MINUTES(2));
    observer_mark(t->l->obs);
    load_start(t->l->load, "clickhouse-demo", 400);
    lab_run(t->l, 2000);
    observer_guard(t->l->obs, true);
}

static void end(struct try *t)
{
    const char *bad = observer_text(t->l->obs);

    load_stop(t->l->load);
    if (*bad)
        fail_msg("%s", bad);
    for (size_t i = 0; i < t->n_more; i++)
        free(t->more[i]);
    lab_free(t->l);
}

static void look(struct try *t)
{
    bool here[8] = {false};
    struct chost *h;

    t->down = t->places = 0;
    for (size_t i = 0; (h = hosts_at(t->l->hosts, i)); i++) {
        if (chost_state(h) == CHOST_UP)
            continue;
        t->down++;
        for (size_t k = 0; k < t->n_more; k++) {
            auto_free char *prefix = mem_printf("default/chi-%s-", t->more[k]);

            if (str_starts(chost_pod(h), prefix))
                here[k + 1] = true;
        }
        here[0] |= str_starts(chost_pod(h), "default/chi-demo-");
    }
    for (size_t k = 0; k < 8; k++)
        t->places += here[k];
    if (t->down > t->most_down)
        t->most_down = t->down;
    if (t->places > t->most_places)
        t->most_places = t->places;
}

/* Runs until each says `word` or the time is over, and looks at the servers all the while. */
static bool wait_all(struct try *t, const char *word, uint64_t limit_ms)
{
    for (uint64_t end_ms = sim_now(t->l->s) + limit_ms; sim_now(t->l->s) < end_ms;) {
        bool all = true;

        lab_run(t->l, 250);
        look(t);
        for (size_t i = 0; i <= t->n_more && all; i++) {
            const cJSON *r = lab_chi(t->l, i ? t->more[i - 1] : "demo");

            all = strcmp(json_str(r, "status.status", ""), word) == 0 &&
                  json_int(r, "status.observedGeneration", -1) == json_int(r, "metadata.generation", 0);
        }
        if (all)
            return true;
    }
    return false;
}

static unsigned running(const struct try *t, const char *image)
{
    struct chost *h;
    unsigned n = 0;

    for (size_t i = 0; (h = hosts_at(t->l->hosts, i)); i++)
        n += chost_state(h) == CHOST_UP && strcmp(chost_image(h), image) == 0;
    return n;
}

static struct chost *host(struct try *t, const char *name)
{
    auto_free char *pod = mem_printf("default/chi-demo-main-%s-0", name);
    struct chost *h = hosts_get(t->l->hosts, pod, false);

    assert_non_null(h);
    return h;
}

#define RECONCILE(text) "\"reconcile\":{" text "},"
#define SHAPE(s, r, x)                                                                                                 \
    (struct shape)                                                                                                     \
    {                                                                                                                  \
        .shards = s, .replicas = r, .extra = x                                                                         \
    }

/* ---- how much at once ---- */

static unsigned most_down_with(const char *extra, uint64_t seed)
{
    struct try t;
    unsigned n;

    begin(&t, seed, false, SHAPE(6, 2, extra), NULL, NULL);
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(3)));
    n = t.most_down;
    end(&t);
    return n;
}

/* Of several runs: whether those that may be down together are so at one moment is chance. */
static unsigned most_down(const char *extra)
{
    unsigned most = 0;

    for (uint64_t seed = 2; seed <= 8; seed += 2) {
        unsigned n = most_down_with(extra, seed);

        if (n > most)
            most = n;
    }
    return most;
}

static void so_many_shards_change_at_once_as_threads_and_percent_say(void **state)
{
    (void)state;
    assert_int_equal(most_down(RECONCILE("\"runtime\":{\"reconcileShardsThreadsNumber\":1}")), 1);
    assert_int_equal(most_down(RECONCILE(
                         "\"runtime\":{\"reconcileShardsThreadsNumber\":5,\"reconcileShardsMaxConcurrencyPercent\":33}")),
                     2);
    assert_true(most_down(RECONCILE(
                    "\"runtime\":{\"reconcileShardsThreadsNumber\":5,\"reconcileShardsMaxConcurrencyPercent\":100}")) >= 3);
}

static void a_budget_of_hosts_that_are_out_is_kept(void **state)
{
    (void)state;
    assert_int_equal(most_down(RECONCILE("\"runtime\":{\"reconcileShardsThreadsNumber\":5,"
                                         "\"reconcileShardsMaxConcurrencyPercent\":100}")
                               "\"chfleet\":{\"budgets\":{\"maxUnavailableHosts\":1}},"),
                     1);
}

static void annotate(struct try *t, const char *json)
{
    auto_json cJSON *p = json_parse(json, strlen(json), NULL);
    struct err err = ERR_INIT;

    assert_int_equal(store_patch(t->l->plane.store, PK_CHI, "default", "demo", p, 0, NULL, &err), 0);
}

static unsigned running(const struct try *t, const char *image);

/* What is held or suspended stays as it is; then it goes on. */
static void nothing_is_done_while_hosts_are_held_or_all_is_suspended(void **state)
{
    struct try t;

    (void)state;
    begin(&t, 18, false, SHAPE(1, 2, ""), NULL, NULL);
    annotate(&t, "{\"metadata\":{\"annotations\":{\"chfleet.io/hold\":\"*: a test\"}}}");
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    lab_run(t.l, MINUTES(30));
    assert_int_equal(running(&t, LAB_IMAGE), 2);
    t.shape.extra = "\"suspend\":\"yes\",";
    apply_all_of(&t);
    annotate(&t, "{\"metadata\":{\"annotations\":{\"chfleet.io/hold\":null}}}");
    lab_run(t.l, MINUTES(30));
    assert_int_equal(running(&t, LAB_IMAGE), 2);
    t.shape.extra = "";
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(1)));
    assert_int_equal(running(&t, LAB_NEW_IMAGE), 2);
    end(&t);
}

static void nothing_is_begun_while_the_journal_takes_nothing(void **state)
{
    struct try t;

    (void)state;
    begin(&t, 22, false, SHAPE(1, 2, ""), NULL, NULL);
    lab_disk_full(t.l, true);
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    lab_run(t.l, MINUTES(30));
    assert_int_equal(running(&t, LAB_IMAGE), 2);
    lab_disk_full(t.l, false);
    assert_true(wait_all(&t, "Completed", HOURS(1)));
    end(&t);
}

/* The first shard is watched for the time that is said before the next one is touched. */
static void a_soak_is_waited_for(void **state)
{
    struct try t;

    (void)state;
    begin(&t, 20, false, SHAPE(2, 2, "\"chfleet\":{\"waves\":[{\"shards\":1,\"soak\":\"1h\"}]},"), NULL, NULL);
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    lab_run(t.l, MINUTES(30));
    assert_int_equal(running(&t, LAB_NEW_IMAGE), 2);
    assert_true(wait_all(&t, "Completed", HOURS(3)));
    assert_int_equal(running(&t, LAB_NEW_IMAGE), 4);
    end(&t);
}

static unsigned most_places(const char *config)
{
    struct try t;
    unsigned n;

    begin(&t, 4, false, SHAPE(2, 2, ""), config, "other");
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(3)));
    n = t.most_places;
    end(&t);
    return n;
}

static void so_many_installations_change_at_once_as_the_configuration_says(void **state)
{
    (void)state;
    assert_int_equal(most_places("{\"reconcile\":{\"runtime\":{\"reconcileCHIsThreadsNumber\":1}}}"), 1);
    assert_int_equal(most_places("{\"reconcile\":{\"runtime\":{\"reconcileCHIsThreadsNumber\":10}}}"), 2);
}

/* One that only waits for its window holds no turn. */
static void an_installation_that_waits_for_its_window_keeps_no_other(void **state)
{
    struct try t;
    auto_free char *closed = NULL;

    (void)state;
    begin(&t, 6, false, SHAPE(1, 2, ""), "{\"reconcile\":{\"runtime\":{\"reconcileCHIsThreadsNumber\":1}}}", "other");
    t.shape.image = LAB_NEW_IMAGE;
    t.shape.extra = "\"chfleet\":{\"windows\":[{\"start\":\"03:00\",\"duration\":\"1s\"}]},";
    apply_as(&t, "other");
    lab_run(t.l, MINUTES(5));
    t.shape.extra = "";
    apply_as(&t, "demo");
    assert_true(lab_wait_completed(t.l, "demo", MINUTES(30)));
    assert_int_equal(running(&t, LAB_NEW_IMAGE), 2);
    end(&t);
}

/* ---- failures ---- */

/* How many of four hosts run what they ran, an hour after an image that does not come. */
static unsigned old_left(const char *extra)
{
    struct try t;
    unsigned n;

    begin(&t, 8, false, SHAPE(2, 2, extra), NULL, NULL);
    t.shape.image = BAD_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Aborted", HOURS(8)));
    lab_run(t.l, HOURS(1));
    n = running(&t, LAB_IMAGE);
    t.shape.image = LAB_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(8)));
    assert_int_equal(running(&t, LAB_IMAGE), 4);
    end(&t);
    return n;
}

static void a_change_that_fails_stops_goes_on_or_goes_back_as_is_said(void **state)
{
    (void)state;
    assert_int_equal(old_left(RECONCILE("\"statefulSet\":{\"update\":{\"onFailure\":\"abort\"}}")), 3);
    assert_int_equal(old_left(RECONCILE("\"statefulSet\":{\"update\":{\"onFailure\":\"ignore\"}}")), 2);
    assert_int_equal(old_left(RECONCILE("\"statefulSet\":{\"update\":{\"onFailure\":\"rollback\"}}")), 4);
}

/* What the status says of an image that does not come, and then of the one that was. */
static cJSON *said_with(const char *switches)
{
    auto_free char *config = mem_printf("{\"status\":{\"fields\":{%s}}}", switches);
    cJSON *said;
    struct try t;

    begin(&t, 14, false, SHAPE(1, 2, ""), config, NULL);
    t.shape.image = BAD_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Aborted", HOURS(8)));
    said = json_copy(json_get(lab_chi(t.l, "demo"), "status"));
    t.shape.image = LAB_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(8)));
    assert_null(json_get(json_get(lab_chi(t.l, "demo"), "status"), "action"));
    end(&t);
    return said;
}

static void the_status_has_the_fields_that_the_configuration_switches_on(void **state)
{
    auto_json cJSON *all = said_with("\"action\":\"yes\",\"actions\":\"yes\"");
    auto_json cJSON *none = said_with("\"error\":\"no\",\"errors\":\"no\"");

    (void)state;
    assert_non_null(strstr(json_str(all, "actions.0", ""), "default/demo/main/0/"));
    assert_string_not_equal(json_str(all, "error", ""), "");
    assert_string_equal(json_str(all, "errors.0", ""), json_str(all, "error", ""));
    for (const char *const *f = (const char *const[]){"action", "actions", "error", "errors", NULL}; *f; f++)
        assert_null(json_get(none, *f));
    assert_string_equal(json_str(none, "status", ""), "Aborted");
    assert_int_equal(json_int(none, "hostsFailed", 0), 1);
}

static void the_status_names_the_templates_that_were_applied(void **state)
{
    struct try t;

    (void)state;
    begin(&t, 16, false, SHAPE(1, 2, "\"useTemplates\":[{\"name\":\"extra\"}],"), NULL, NULL);
    assert_null(json_get(json_get(lab_chi(t.l, "demo"), "status"), "usedTemplates"));
    lab_apply(t.l, "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallationTemplate\","
                   "\"metadata\":{\"namespace\":\"default\",\"name\":\"extra\"},\"spec\":{\"configuration\":{"
                   "\"settings\":{\"max_concurrent_queries\":\"150\"}}}}");
    lab_run(t.l, MINUTES(1)); /* it counts from the next look at the installation */
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(8)));
    assert_string_equal(json_str(lab_chi(t.l, "demo"), "status.usedTemplates.0.name", ""), "extra");
    end(&t);
}

/* A rolled-back host runs what it ran: going back in the spec restarts nobody. */
static void a_host_that_was_rolled_back_is_restarted_no_more(void **state)
{
    struct try t;
    unsigned starts = 0, after = 0;
    struct chost *h;

    (void)state;
    begin(&t, 10, false, SHAPE(2, 2, RECONCILE("\"statefulSet\":{\"update\":{\"onFailure\":\"rollback\"}}")), NULL, NULL);
    t.shape.image = BAD_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Aborted", HOURS(8)));
    lab_run(t.l, HOURS(2));
    assert_int_equal(running(&t, LAB_IMAGE), 4);
    for (size_t i = 0; (h = hosts_at(t.l->hosts, i)); i++)
        starts += chost_starts(h);
    assert_int_equal(starts, 5);
    t.shape.image = LAB_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(8)));
    for (size_t i = 0; (h = hosts_at(t.l->hosts, i)); i++)
        after += chost_starts(h);
    assert_int_equal(after, starts);
    end(&t);
}

struct creation {
    int64_t replicas; /* of the StatefulSet that does not start */
    bool others;      /* the other new hosts are there */
    bool word;        /* Aborted was said */
};

/* 1 x 2 becomes 3 x 2; one new host finds no image. */
static struct creation created(const char *extra)
{
    struct creation c = {0};
    const cJSON *sts;
    struct try t;

    begin(&t, 12, false, SHAPE(1, 2, extra), NULL, NULL);
    t.shape.replicas = 3;
    t.shape.image = BAD_IMAGE; /* old hosts wait for the new one */
    apply_all_of(&t);
    c.word = wait_all(&t, "Aborted", HOURS(8));
    lab_run(t.l, HOURS(1));
    sts = store_get(t.l->plane.store, PK_STS, "default", "chi-demo-main-0-2");
    assert_non_null(sts); /* whatever the knob says */
    c.replicas = json_int(sts, "spec.replicas", -1);
    c.others = running(&t, LAB_IMAGE) == 2;
    t.shape.image = LAB_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(8)));
    assert_int_equal(running(&t, LAB_IMAGE), 3);
    end(&t);
    return c;
}

static void a_new_host_that_does_not_start_is_handled_as_is_said(void **state)
{
    struct creation c;

    (void)state;
    c = created(RECONCILE("\"statefulSet\":{\"create\":{\"onFailure\":\"abort\"}}"));
    assert_true(c.word && c.others);
    assert_int_equal(c.replicas, 1);
    c = created(RECONCILE("\"statefulSet\":{\"create\":{\"onFailure\":\"delete\"}}"));
    assert_true(c.word && c.others);
    assert_int_equal(c.replicas, 0);
    c = created(RECONCILE("\"statefulSet\":{\"create\":{\"onFailure\":\"ignore\"}}"));
    assert_true(c.word);
    assert_false(c.others); /* the others are changed all the same: one of them, which then fails */
}

/* ---- peers that do not load the list ---- */

/* Minutes until the fleet is upgraded while a peer that is not changed any more gets no files; 0 = not within two hours. */
static unsigned upgraded_with_a_stuck_peer(const char *extra)
{
    struct try t;
    uint64_t from;
    unsigned minutes = 0;

    begin(&t, 13, true, SHAPE(2, 2, extra), NULL, NULL);
    chost_stick(host(&t, "1-1"), true);
    observer_guard(t.l->obs, false); /* queries through the stuck one may go wrong: that is what is chosen */
    load_stop(t.l->load);
    from = sim_now(t.l->s);
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    while (sim_now(t.l->s) - from < HOURS(2) && running(&t, LAB_NEW_IMAGE) < 2)
        lab_run(t.l, 10000);
    if (running(&t, LAB_NEW_IMAGE) >= 2)
        minutes = (unsigned)((sim_now(t.l->s) - from) / MINUTES(1)) + 1;
    chost_stick(host(&t, "1-1"), false);
    lab_free(t.l);
    return minutes;
}

static void a_peer_that_keeps_its_old_list_keeps_hosts_from_leaving_as_is_said(void **state)
{
    unsigned quick, slow;

    (void)state;
    quick = upgraded_with_a_stuck_peer(
        RECONCILE("\"configMapPropagationTimeout\":90,\"host\":{\"wait\":{\"exclude\":\"no\"}}"));
    slow = upgraded_with_a_stuck_peer(
        RECONCILE("\"configMapPropagationTimeout\":900,\"host\":{\"wait\":{\"exclude\":\"no\"}}"));
    assert_true(quick > 0);
    assert_true(slow == 0 || slow > quick + 10);
    assert_int_equal(upgraded_with_a_stuck_peer(
                         RECONCILE("\"configMapPropagationTimeout\":90,\"host\":{\"wait\":{\"exclude\":\"yes\"}}")),
                     0);
}

/* Is the operation over though a peer has not got the list that has the host back? */
static bool over_with_a_stuck_peer(const char *extra)
{
    struct try t;
    bool over;

    begin(&t, 15, true, SHAPE(1, 2, extra), NULL, NULL);
    t.shape.replicas = 3;
    chost_stick(host(&t, "0-1"), true);
    observer_guard(t.l->obs, false);
    load_stop(t.l->load);
    apply_all_of(&t);
    over = wait_all(&t, "Completed", MINUTES(20));
    assert_int_equal(running(&t, LAB_IMAGE), 3);
    chost_stick(host(&t, "0-1"), false);
    lab_free(t.l);
    return over;
}

static void a_peer_that_keeps_its_old_list_keeps_the_task_from_ending_as_is_said(void **state)
{
    (void)state;
    assert_true(over_with_a_stuck_peer(RECONCILE("\"host\":{\"wait\":{\"include\":\"no\"}}")));
    assert_false(over_with_a_stuck_peer(RECONCILE("\"host\":{\"wait\":{\"include\":\"yes\"}}")));
}

/* ---- spec.stop of a Keeper ---- */

static void apply_keeper(struct try *t, const char *stop)
{
    auto_free char *text = mem_printf(
        "{\"apiVersion\":\"clickhouse-keeper.altinity.com/v1\",\"kind\":\"ClickHouseKeeperInstallation\",\"metadata\":{"
        "\"namespace\":\"default\",\"name\":\"coord\"},\"spec\":{\"stop\":\"%s\",\"configuration\":{\"clusters\":[{\"name\":\"k\","
        "\"layout\":{\"replicasCount\":3}}]},\"defaults\":{\"templates\":{\"podTemplate\":\"p\",\"dataVolumeClaimTemplate\":\"d\"}},"
        "\"templates\":{\"podTemplates\":[{\"name\":\"p\",\"spec\":{\"containers\":[{\"name\":\"clickhouse-keeper\",\"image\":"
        "\"clickhouse/clickhouse-keeper:24.8\"}]}}],\"volumeClaimTemplates\":[{\"name\":\"d\",\"spec\":{\"accessModes\":["
        "\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]}}}",
        stop);

    lab_apply(t->l, text);
}

struct found {
    unsigned pods, claims;
};

static int count_pod(void *ctx, const cJSON *obj)
{
    ((struct found *)ctx)->pods += json_label(obj, "clickhouse-keeper.altinity.com/chk") != NULL;
    return 0;
}

static int count_claim(void *ctx, const cJSON *obj)
{
    ((struct found *)ctx)->claims += json_label(obj, "clickhouse-keeper.altinity.com/chk") != NULL;
    return 0;
}

static struct found found(struct try *t)
{
    struct found f = {0, 0};

    store_each(t->l->plane.store, PK_POD, NULL, NULL, count_pod, &f);
    store_each(t->l->plane.store, PK_PVC, NULL, NULL, count_claim, &f);
    return f;
}

static void a_keeper_stops_and_starts_and_keeps_its_volumes(void **state)
{
    struct try t = {.l = lab_new(16, false)};
    const char *bad;

    (void)state;
    lab_super_start(t.l);
    for (int k = 0; k < 3; k++) {
        apply_keeper(&t, k == 1 ? "yes" : "no");
        assert_true(lab_wait_completed(t.l, "coord", HOURS(1)));
        lab_run(t.l, MINUTES(1));
        assert_int_equal(found(&t).pods, k == 1 ? 0 : 3);
        assert_int_equal(found(&t).claims, 3);
    }
    bad = observer_text(t.l->obs);
    if (*bad)
        fail_msg("%s", bad);
    lab_free(t.l);
}

/* ---- hooks ---- */

static void on_statement(void *ctx, struct chost *h, const struct world *from, const char *sql)
{
    struct try *t = ctx;

    (void)h;
    (void)from;
    t->hooks += strstr(sql, "hook_of_a_cluster") != NULL;
}

static void a_hook_of_a_cluster_reaches_one_host(void **state)
{
    struct try t;

    (void)state;
    begin(&t, 14, false,
          SHAPE(2, 2,
                "\"chfleet\":{\"hooks\":[{\"name\":\"h\",\"when\":\"beforeCluster\",\"sql\":[\"CREATE DATABASE IF NOT EXISTS "
                "hook_of_a_cluster\"]}]},"),
          NULL, NULL);
    t.l->on_statement = on_statement;
    t.l->hook_ctx = &t;
    assert_int_equal(t.hooks, 0);
    t.shape.image = LAB_NEW_IMAGE;
    apply_all_of(&t);
    assert_true(wait_all(&t, "Completed", HOURS(3)));
    assert_int_equal(t.hooks, 1);
    end(&t);
}

/* ---- waves ---- */

/* begin() gives it three hours to be made, on servers of 18.16 and on those of today, whose files change when it is known
 * what runs. */
static void a_soak_delays_changes_and_not_the_creation(void **state)
{
    static const char waves[] = "\"chfleet\":{\"waves\":[{\"shards\":1,\"soak\":\"20m\"},{\"shards\":1,\"soak\":\"20m\"}]},";

    (void)state;
    for (uint64_t seed = 20; seed < 22; seed++) {
        struct try t = {.l = lab_new(seed, false), .shape = SHAPE(2, 2, waves)};

        if (getenv("VERBOSE"))
            simlog_trace(true, t.l->s);
        lab_super_start(t.l);
        apply_all_of(&t);
        assert_true(lab_wait_completed(t.l, "demo", MINUTES(5)));
        t.shape.image = LAB_NEW_IMAGE;
        apply_all_of(&t);
        assert_false(lab_wait_completed(t.l, "demo", MINUTES(39)));
        assert_true(lab_wait_completed(t.l, "demo", MINUTES(15)));
        lab_free(t.l);
    }
}

/* test-sim-knobs [PATTERN]: only the tests whose names fit; VERBOSE=1 shows the log. */
/* ---- many hosts ---- */

struct labels {
    struct sim *s;
    unsigned n;
    uint64_t first, last;
};

static void on_write(void *ctx, const char *method, const char *path)
{
    struct labels *seen = ctx;

    if (strcmp(method, "PATCH") != 0 || !strstr(path, "/persistentvolumeclaims/"))
        return;
    seen->last = sim_now(seen->s);
    if (seen->n++ == 0)
        seen->first = seen->last;
}

/* An answer takes 100 ms; 24 of them one after the other would be 2.4 s, and minutes in a fleet of thousands. */
static void claims_of_new_hosts_are_labelled_side_by_side(void **state)
{
    struct try t = {.shape = SHAPE(24, 1, "")};
    struct labels seen = {0};

    (void)state;
    t.l = lab_new(5, false);
    seen.s = t.l->s;
    t.l->on_write = on_write;
    t.l->hook_ctx = &seen;
    sim_faults(t.l->s)->max_latency_ms = 100;
    lab_super_start(t.l);
    apply_as(&t, "demo");
    assert_true(lab_wait_completed(t.l, "demo", HOURS(1)));
    assert_int_equal(seen.n, 24);
    assert_in_range(seen.last - seen.first, 1, 1200);
    lab_free(t.l);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_shards_change_at_once_as_threads_and_percent_say),
        cmocka_unit_test(so_many_installations_change_at_once_as_the_configuration_says),
        cmocka_unit_test(a_budget_of_hosts_that_are_out_is_kept),
        cmocka_unit_test(nothing_is_done_while_hosts_are_held_or_all_is_suspended),
        cmocka_unit_test(nothing_is_begun_while_the_journal_takes_nothing),
        cmocka_unit_test(a_soak_is_waited_for),
        cmocka_unit_test(an_installation_that_waits_for_its_window_keeps_no_other),
        cmocka_unit_test(a_change_that_fails_stops_goes_on_or_goes_back_as_is_said),
        cmocka_unit_test(the_status_has_the_fields_that_the_configuration_switches_on),
        cmocka_unit_test(the_status_names_the_templates_that_were_applied),
        cmocka_unit_test(a_host_that_was_rolled_back_is_restarted_no_more),
        cmocka_unit_test(a_new_host_that_does_not_start_is_handled_as_is_said),
        cmocka_unit_test(a_peer_that_keeps_its_old_list_keeps_hosts_from_leaving_as_is_said),
        cmocka_unit_test(a_peer_that_keeps_its_old_list_keeps_the_task_from_ending_as_is_said),
        cmocka_unit_test(a_keeper_stops_and_starts_and_keeps_its_volumes),
        cmocka_unit_test(a_hook_of_a_cluster_reaches_one_host),
        cmocka_unit_test(a_soak_delays_changes_and_not_the_creation),
        cmocka_unit_test(claims_of_new_hosts_are_labelled_side_by_side),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    log_set_level(LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
