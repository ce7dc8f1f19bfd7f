/* SPDX-License-Identifier: Apache-2.0 */
/* What the cluster, the installation and the operator's configuration say about knobs becomes one answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/config.h"
#include "model/fleet.h"

static unsigned port(void *ctx, const char *ns, const char *service, enum host_port proto, struct err *err)
{
    (void)ctx;
    (void)ns;
    (void)service;
    (void)err;
    return 20000 + (unsigned)proto;
}

/* spec.reconcile, the cluster's reconcile, the configuration's reconcile, and other members of spec ("…," or ""). */
static struct fleet *fleet(const char *spec, const char *cluster, const char *config, const char *more, bool here)
{
    static const struct addressing dns, endpoints = {.endpoints = true, .port = port};
    auto_free char *text = mem_printf(
        "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"ns\"},\"spec\":{%s%s%s%s"
        "\"configuration\":{\"clusters\":[{\"name\":\"a\"%s%s}]}}}",
        more, spec ? "\"reconcile\":" : "", spec ? spec : "", spec ? "," : "", cluster ? ",\"reconcile\":" : "",
        cluster ? cluster : "");
    auto_free char *file = config ? mem_printf("{\"reconcile\":%s}", config) : NULL;
    auto_json cJSON *tree = file ? json_parse(file, strlen(file), NULL) : NULL;
    auto_json cJSON *effective = config_effective(tree, NULL, 0), *r = json_parse(text, strlen(text), NULL);
    struct fleet_input in = {.resource = r, .config = effective, .addressing = here ? &endpoints : &dns};
    struct fleet *f = NULL;
    struct err err = ERR_INIT;

    assert_non_null(r);
    if (fleet_make(&in, &f, &err) < 0)
        fail_msg("%s", err.msg);
    return f;
}

#define KNOBS(f) ((f)->clusters[0].knobs)

static void without_a_word_chfleets_own_values_count(void **state)
{
    auto_fleet struct fleet *f = fleet(NULL, NULL, NULL, "", false);
    const struct cluster_knobs *k = &KNOBS(f);

    (void)state;
    assert_int_equal(k->shards_threads, 5);
    assert_int_equal(k->shards_percent, 50);
    assert_int_equal(k->min_serving, 1);
    assert_true(k->wait_exclude && k->wait_queries && k->replicas_all && k->replicas_new && k->probe_readiness);
    assert_false(k->wait_include || k->probe_startup || k->drop_active);
    assert_true(k->drop_on_delete && k->drop_on_lost_volume);
    assert_int_equal(k->replicas_delay_s, 10);
    assert_int_equal(f->knobs.create_failed, FAILURE_IGNORE);
    assert_int_equal(f->knobs.update_failed, FAILURE_ABORT);
    assert_int_equal(f->knobs.ready_s, 600);
    assert_int_equal(f->knobs.poll_s, 2);
    assert_int_equal(f->knobs.propagation_s, 180);
    assert_true(f->knobs.recreate_on_data_loss && f->knobs.recreate_on_update);
    assert_true(f->knobs.unknown.statefulset && f->knobs.unknown.pvc && f->knobs.unknown.configmap &&
                f->knobs.unknown.service && f->knobs.unknown.pdb);
    assert_false(f->knobs.unknown.secret || f->knobs.failed.statefulset || f->knobs.failed.service);
}

/* Each leaf of host and runtime at each of the three places: the nearest wins. */
static void the_cluster_counts_before_the_installation_and_that_before_the_configuration(void **state)
{
#define LEAF(path, field)                                                                                              \
    {                                                                                                                  \
        path, offsetof(struct cluster_knobs, field)                                                                    \
    }
    static const struct {
        const char *path;
        size_t at;
    } flags[] = {
        LEAF("host.wait.exclude", wait_exclude),
        LEAF("host.wait.queries", wait_queries),
        LEAF("host.wait.include", wait_include),
        LEAF("host.wait.replicas.all", replicas_all),
        LEAF("host.wait.replicas.new", replicas_new),
        LEAF("host.wait.probes.startup", probe_startup),
        LEAF("host.wait.probes.readiness", probe_readiness),
        LEAF("host.drop.replicas.onDelete", drop_on_delete),
        LEAF("host.drop.replicas.onLostVolume", drop_on_lost_volume),
        LEAF("host.drop.replicas.active", drop_active),
    };

    (void)state;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        for (int k = 0; k < 8; k++) { /* who says it: 1 the configuration, 2 the installation, 4 the cluster */
            bool want = k & 4 ? false : k & 2 ? true : false;
            auto_json cJSON *yes = cJSON_CreateObject(), *no = cJSON_CreateObject();
            auto_free char *path = mem_str(flags[i].path), *y = NULL, *n = NULL;
            cJSON *a = yes, *b = no;

            if (!(k & 1))
                continue;
            for (char *part = strtok(path, "."), *next; part; part = next) {
                next = strtok(NULL, ".");
                if (!next) {
                    json_set_str(a, part, "yes");
                    json_set_str(b, part, "no");
                } else {
                    a = json_need_obj(a, part);
                    b = json_need_obj(b, part);
                }
            }
            y = json_print(yes);
            n = json_print(no);
            auto_fleet struct fleet *f = fleet(k & 2 ? y : NULL, k & 4 ? n : NULL, n, "", false);

            if (*(const bool *)((const char *)&KNOBS(f) + flags[i].at) != want)
                fail_msg("%s, said by %d, is not %d", flags[i].path, k, want);
        }
}

static void numbers_have_bounds_and_floors(void **state)
{
    static const struct {
        int given, dns, here;
    } files[] = {{0, 180, 10}, {10, 90, 10}, {1, 90, 2}, {100, 100, 100}, {3600, 3600, 3600}};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        auto_free char *text = mem_printf("{\"configMapPropagationTimeout\":%d}", files[i].given);
        auto_fleet struct fleet *dns = fleet(text, NULL, NULL, "", false), *here = fleet(text, NULL, NULL, "", true);

        assert_int_equal(dns->knobs.propagation_s, files[i].dns);
        assert_int_equal(here->knobs.propagation_s, files[i].here);
    }
    auto_fleet struct fleet *f =
        fleet("{\"runtime\":{\"reconcileShardsThreadsNumber\":3,\"reconcileShardsMaxConcurrencyPercent\":0},\"statefulSet\":{"
              "\"update\":{\"timeout\":1,\"pollInterval\":1000}}}",
              "{\"runtime\":{\"reconcileShardsMaxConcurrencyPercent\":20},\"host\":{\"wait\":{\"replicas\":{\"delay\":77}}}}",
              "{\"statefulSet\":{\"update\":{\"timeout\":300}}}", "\"chfleet\":{\"replicas\":{\"minServing\":2}},", false);

    assert_int_equal(KNOBS(f).shards_threads, 3);
    assert_int_equal(KNOBS(f).shards_percent, 20);
    assert_int_equal(KNOBS(f).replicas_delay_s, 77);
    assert_int_equal(KNOBS(f).min_serving, 2);
    assert_int_equal(f->knobs.ready_s, 10);
    assert_int_equal(f->knobs.poll_s, 60);
    auto_fleet struct fleet *g = fleet(NULL, NULL, "{\"statefulSet\":{\"update\":{\"timeout\":300}}}", "", false);

    assert_int_equal(g->knobs.ready_s, 300);
}

static void the_policy_moves_the_wait_for_queries(void **state)
{
    static const struct {
        const char *spec, *config;
        bool waits;
    } cases[] = {
        {"{\"policy\":\"wait\"}", "{\"host\":{\"wait\":{\"queries\":\"no\"}}}", true},
        {"{\"policy\":\"wait\",\"host\":{\"wait\":{\"queries\":\"no\"}}}", NULL, true},
        {"{\"policy\":\"nowait\"}", NULL, false},
        {"{\"policy\":\"nowait\"}", "{\"host\":{\"wait\":{\"queries\":\"yes\"}}}", false},
        {"{\"policy\":\"nowait\",\"host\":{\"wait\":{\"queries\":\"yes\"}}}", NULL, true},
        {"{\"policy\":\"\"}", NULL, true},
        {"{\"host\":{\"wait\":{\"queries\":\"no\"}}}", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_fleet struct fleet *f = fleet(cases[i].spec, NULL, cases[i].config, "", false);

        if (KNOBS(f).wait_queries != cases[i].waits)
            fail_msg("%s, %s", cases[i].spec, cases[i].config ? cases[i].config : "-");
    }
}

static void failure_policies_never_take_away_what_has_served(void **state)
{
    static const struct {
        const char *spec, *config;
        enum on_failure create, update;
    } cases[] = {
        {NULL, "{\"statefulSet\":{\"create\":{\"onFailure\":\"abort\"},\"update\":{\"onFailure\":\"rollback\"}}}", FAILURE_ABORT,
         FAILURE_ROLLBACK},
        {"{\"statefulSet\":{\"create\":{\"onFailure\":\"delete\"},\"update\":{\"onFailure\":\"ignore\"}}}",
         "{\"statefulSet\":{\"create\":{\"onFailure\":\"abort\"},\"update\":{\"onFailure\":\"rollback\"}}}", FAILURE_TAKE_BACK,
         FAILURE_IGNORE},
        {"{\"statefulSet\":{\"create\":{\"onFailure\":\"rollback\"},\"update\":{\"onFailure\":\"delete\"}}}", NULL, FAILURE_ABORT,
         FAILURE_ABORT},
        {"{\"statefulSet\":{\"create\":{\"onFailure\":\"nonsense\"},\"update\":{\"onFailure\":\"nonsense\"}}}", NULL,
         FAILURE_IGNORE, FAILURE_ABORT},
        {"{\"cleanup\":{\"reconcileFailedObjects\":{\"statefulSet\":\"Delete\"}},\"statefulSet\":{\"create\":{\"onFailure\":\"abort\"}}"
         "}",
         NULL, FAILURE_TAKE_BACK, FAILURE_ABORT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_fleet struct fleet *f = fleet(cases[i].spec, NULL, cases[i].config, "", false);

        if (f->knobs.create_failed != cases[i].create || f->knobs.update_failed != cases[i].update)
            fail_msg("case %zu: %d %d", i, f->knobs.create_failed, f->knobs.update_failed);
    }
}

static void each_kind_of_leftover_has_its_own_word(void **state)
{
    static const struct {
        const char *kind;
        size_t at;
    } kinds[] = {
        {"statefulSet", offsetof(struct cleanup_kinds, statefulset)}, {"pvc", offsetof(struct cleanup_kinds, pvc)},
        {"configMap", offsetof(struct cleanup_kinds, configmap)},     {"service", offsetof(struct cleanup_kinds, service)},
        {"secret", offsetof(struct cleanup_kinds, secret)},           {"pdb", offsetof(struct cleanup_kinds, pdb)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int del = 0; del < 2; del++) {
            auto_free char *text =
                mem_printf("{\"cleanup\":{\"unknownObjects\":{\"%s\":\"%s\"},\"reconcileFailedObjects\":{\"%s\":\"%s\"}}}",
                           kinds[i].kind, del ? "Delete" : "Retain", kinds[i].kind, del ? "Delete" : "Retain");
            auto_fleet struct fleet *f = fleet(text, NULL, NULL, "", false);

            assert_int_equal(*(const bool *)((const char *)&f->knobs.unknown + kinds[i].at), del);
            assert_int_equal(*(const bool *)((const char *)&f->knobs.failed + kinds[i].at), del);
        }
}

static void recreation_is_allowed_unless_it_is_forbidden(void **state)
{
    auto_fleet struct fleet *f = fleet("{\"statefulSet\":{\"recreate\":{\"onDataLoss\":\"abort\"}}}", NULL, NULL, "", false);
    auto_fleet struct fleet *g =
        fleet(NULL, NULL, "{\"statefulSet\":{\"recreate\":{\"onUpdateFailure\":\"abort\"}}}", "", false);

    (void)state;
    assert_false(f->knobs.recreate_on_data_loss);
    assert_true(f->knobs.recreate_on_update);
    assert_true(g->knobs.recreate_on_data_loss);
    assert_false(g->knobs.recreate_on_update);
}

static void hooks_have_all_their_defaults(void **state)
{
    auto_fleet struct fleet *f = fleet(
        NULL, NULL, NULL,
        "\"chfleet\":{\"hooks\":[{\"name\":\"a\",\"when\":\"beforeHost\",\"sql\":[\"SELECT 1\"]},{\"name\":\"b\",\"when\":"
        "\"afterCluster\",\"sql\":[\"SELECT 2\"],\"actions\":[\"remove\"],\"clusters\":[\"a\"],\"expect\":\"1\",\"timeout\":"
        "\"1h30m\",\"onFailure\":\"ignore\"}]},",
        false);
    const cJSON *a = cJSON_GetArrayItem(f->hooks, 0), *b = cJSON_GetArrayItem(f->hooks, 1);

    (void)state;
    assert_true(json_has(json_get(a, "actions"), "restart") && json_has(json_get(a, "actions"), "soft-restart") &&
                json_has(json_get(a, "actions"), "recreate"));
    assert_int_equal(json_int(a, "timeout_s", 0), 60);
    assert_false(json_bool(a, "ignore", true));
    assert_null(json_str(a, "expect", NULL));
    assert_int_equal(cJSON_GetArraySize(json_get(b, "actions")), 1);
    assert_int_equal(json_int(b, "timeout_s", 0), 5400);
    assert_true(json_bool(b, "ignore", false));
    assert_string_equal(json_str(b, "expect", ""), "1");
}

static void installations_at_once_are_of_the_configuration(void **state)
{
    auto_json cJSON *built_in = config_builtin();
    auto_json cJSON *one = json_parse("{\"reconcile\":{\"runtime\":{\"reconcileCHIsThreadsNumber\":1}}}", 59, NULL);

    (void)state;
    assert_int_equal(knobs_installations(built_in), 10);
    assert_int_equal(knobs_installations(NULL), 10);
    assert_int_equal(knobs_installations(one), 1);
}

/* spec.reconcile.macros: the section that is switched on is expanded, the others are not. */
static void macros_are_expanded_where_they_are_switched_on(void **state)
{
    static const char *const sections[] = {"users", "profiles", "quotas", "settings", "files"};

    (void)state;
    for (size_t on = 0; on < 5; on++) {
        auto_free char *rec = mem_printf("{\"macros\":{\"sections\":{\"%s\":{\"enabled\":\"yes\"}}}}", sections[on]);
        auto_free char *text = mem_printf(
            "{\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"ns\"},\"spec\":{\"reconcile\":%s,"
            "\"configuration\":{\"users\":{\"u/profile\":\"{chi}\"},\"profiles\":{\"p/a\":\"{chi}\"},\"quotas\":{\"q/a\":"
            "\"{chi}\"},\"settings\":{\"s\":\"{chi}\"},\"files\":{\"f.txt\":\"{chi}\"},\"clusters\":[{\"name\":\"a\"}]}}}",
            rec);
        auto_json cJSON *r = json_parse(text, strlen(text), NULL);
        struct fleet_input in = {.resource = r};
        auto_fleet struct fleet *f = NULL;
        struct err err = ERR_INIT;

        assert_int_equal(fleet_make(&in, &f, &err), 0);
        const struct {
            const struct settings *s;
            const char *path;
        } got[] = {{&f->users, "u/profile"}, {&f->profiles, "p/a"}, {&f->quotas, "q/a"}, {&f->settings, "s"}, {&f->files, "f.txt"}};

        for (size_t i = 0; i < 5; i++) {
            const struct setting *v = settings_find(got[i].s, got[i].path);

            assert_non_null(v);
            if (strcmp(v->values[0], i == on ? "demo" : "{chi}") != 0)
                fail_msg("macros in %s: %s is \"%s\"", sections[on], got[i].path, v->values[0]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_chfleets_own_values_count),
        cmocka_unit_test(the_cluster_counts_before_the_installation_and_that_before_the_configuration),
        cmocka_unit_test(numbers_have_bounds_and_floors),
        cmocka_unit_test(the_policy_moves_the_wait_for_queries),
        cmocka_unit_test(failure_policies_never_take_away_what_has_served),
        cmocka_unit_test(each_kind_of_leftover_has_its_own_word),
        cmocka_unit_test(recreation_is_allowed_unless_it_is_forbidden),
        cmocka_unit_test(hooks_have_all_their_defaults),
        cmocka_unit_test(installations_at_once_are_of_the_configuration),
        cmocka_unit_test(macros_are_expanded_where_they_are_switched_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
