/* SPDX-License-Identifier: Apache-2.0 */
/* Installations that Altinity's operator 0.25.6 made and that were recorded on a real API server: what chfleet renders
 * for the same resources is the same, and taking them over restarts nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/plan.h"
#include "render/compare.h"
#include "tests/model/cluster.h"

static const char *const cases[] = {"minimal",  "replicated",  "shards",  "services",     "secrets", "storage-operator",
                                    "template", "hostnetwork", "stopped", "troubleshoot", "keeper"};
enum { CASES = sizeof cases / sizeof *cases };

struct recorded {
    struct cluster_state state;
    struct render_ctx ctx;
    struct fleet *fleet;
    const char *group;
    char *ips[64];
};

/* Addresses of pods in the recorded users file: what the default user has beyond the configured ones. */
static void read_ips(struct recorded *r, const char *users)
{
    const char *p = strstr(users, "<default>"), *end = p ? strstr(p, "</default>") : NULL;
    size_t n = 0, k = 0;

    while (p && (p = strstr(p, "<ip>")) && p < end) {
        size_t len = strcspn(p + 4, "<");

        if (k++ >= 2 && n < 63) {
            r->ips[n] = mem_strn(p + 4, len);
            r->state.pod_ips[n] = r->ips[n];
            n++;
        }
        p += 4;
    }
}

/* Files whose text was not recorded get ours; what they must say is tested with the server. */
static void fill_left_out(struct recorded *r)
{
    cJSON *o;
    struct err err = ERR_INIT;

    cJSON_ArrayForEach(o, r->state.objects) {
        auto_json cJSON *ours = NULL;
        cJSON *v;

        if (strcmp(json_str(o, "kind", ""), "ConfigMap") != 0 || !strstr(json_name(o), "-common-"))
            continue;
        ours = strstr(json_name(o), "configd") ? render_common_configmap(r->fleet, &r->ctx, &err)
                                               : render_users_configmap(r->fleet, &r->ctx, &err);
        if (!ours)
            fail_msg("%s", err.msg);
        cJSON_ArrayForEach(v, json_get(o, "data"))
            if (strcmp(v->valuestring, "(text left out)") == 0) {
                const char *text = cJSON_GetStringValue(json_get(json_get(ours, "data"), v->string));

                if (!text)
                    fail_msg("%s: there is no file %s", json_name(o), v->string);
                cJSON_SetValuestring(v, text);
            }
    }
}

/* The recording has the metadata of pods only. */
static void run_pods(struct recorded *r)
{
    auto_free char *key = mem_printf("%s/ready", r->group);
    const cJSON *o;
    auto_json cJSON *pods = cJSON_CreateArray();

    cJSON_ArrayForEach(o, r->state.objects)
        if (strcmp(json_str(o, "kind", ""), "StatefulSet") == 0 && json_int(o, "spec.replicas", 0))
            cJSON_AddItemToArray(pods, cluster_pod(o, key, "yes", "2026-11-22T13:33:00Z"));
    while (pods->child)
        cluster_put(&r->state, cJSON_DetachItemFromArray(pods, 0));
}

static void load(struct recorded *r, const char *name)
{
    auto_free char *file = mem_printf("%s.json", name);
    struct err err = ERR_INIT;
    cJSON *o;

    *r = (struct recorded){.fleet = NULL};
    cluster_init(&r->state, test_file_json("tests/takeover", file));
    cJSON_ArrayForEach(o, r->state.objects)
        if (strcmp(json_str(o, "kind", ""), "ConfigMap") == 0 && strstr(json_name(o), "-common-usersd") &&
            json_get(json_get(o, "data"), "chop-generated-users.xml"))
            read_ips(r, json_get(json_get(o, "data"), "chop-generated-users.xml")->valuestring);
    cJSON_ArrayForEach(o, r->state.objects)
        if (strncmp(json_str(o, "kind", ""), "ClickHouse", 10) == 0) {
            json_set_str(json_get(o, "metadata"), "uid", "UID-OF-OWNER");
            json_set_int(json_get(o, "metadata"), "generation", 1);
        }
    cluster_ctx(&r->state, &r->ctx);
    if (cluster_fleet(&r->state, NULL, &r->fleet, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    r->group = r->fleet->kind == FLEET_KEEPER ? "clickhouse-keeper.altinity.com" : "clickhouse.altinity.com";
    fill_left_out(r);
    run_pods(r);
}

static void unload(struct recorded *r)
{
    fleet_free(r->fleet);
    cluster_fini(&r->state);
    for (size_t i = 0; i < 64; i++)
        free(r->ips[i]);
}

static cJSON *rendered(struct recorded *r)
{
    struct err err = ERR_INIT;
    cJSON *all = cluster_render_all(r->fleet, &r->ctx, &err);

    if (!all)
        fail_msg("%s", err.msg);
    return all;
}

static bool is_kind(const cJSON *o, const char *kind)
{
    return strcmp(json_str(o, "kind", ""), kind) == 0;
}

/* ---- the same objects ---- */

static const cJSON *find(const cJSON *all, const cJSON *like)
{
    const cJSON *o;

    cJSON_ArrayForEach(o, all)
        if (is_kind(o, json_str(like, "kind", "")) && strcmp(json_name(o), json_name(like)) == 0)
            return o;
    return NULL;
}

static void the_same_set_of_objects(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct recorded r;
        auto_json cJSON *all = NULL;
        const cJSON *o;

        load(&r, cases[i]);
        all = rendered(&r);
        cJSON_ArrayForEach(o, r.state.objects)
            if (!strstr(json_name(o), "chi-storage-") && !is_kind(o, "Pod") && !is_kind(o, "Secret") &&
                strncmp(json_str(o, "kind", ""), "ClickHouse", 10) != 0 && !find(all, o))
                fail_msg("%s: %s %s is not rendered", cases[i], json_str(o, "kind", ""), json_name(o));
        cJSON_ArrayForEach(o, all)
            if (!find(r.state.objects, o) && !(is_kind(o, "PersistentVolumeClaim") && r.fleet->stop))
                fail_msg("%s: %s %s is not there", cases[i], json_str(o, "kind", ""), json_name(o));
        unload(&r);
    }
}

/* ---- the same files, to the byte ---- */

/* .gitkeep.xml came out of the peer's source folder by mistake and says nothing. */
static bool expected_gone(const char *file)
{
    return strcmp(file, ".gitkeep.xml") == 0;
}

/* Pods on one node have one address, which the peer writes once for each pod. */
static char *without_repeated_lines(const char *text)
{
    auto_str struct str out = STR_INIT;
    const char *last = "";
    size_t last_len = 0;

    while (text && *text) {
        size_t n = strcspn(text, "\n");

        n += text[n] == '\n';
        if (n != last_len || memcmp(text, last, n) != 0 || !strstr(text, "<ip>"))
            str_addn(&out, text, n);
        last = text;
        last_len = n;
        text += n;
    }
    return str_take(&out);
}

static void generated_files_are_the_same_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct recorded r;
        auto_json cJSON *all = NULL;
        const cJSON *o, *v;

        load(&r, cases[i]);
        all = rendered(&r);
        cJSON_ArrayForEach(o, all) {
            const cJSON *live = find(r.state.objects, o);

            if (!is_kind(o, "ConfigMap"))
                continue;
            cJSON_ArrayForEach(v, json_get(o, "data")) {
                auto_free char *text =
                    without_repeated_lines(cJSON_GetStringValue(json_get(json_get(live, "data"), v->string)));

                if (strcmp(text, v->valuestring) != 0)
                    fail_msg("%s: %s %s\n--- recorded\n%s\n--- rendered\n%s", cases[i], json_name(o), v->string, text,
                             v->valuestring);
            }
            cJSON_ArrayForEach(v, json_get(live, "data"))
                if (!json_get(json_get(o, "data"), v->string) && !expected_gone(v->string))
                    fail_msg("%s: %s has no %s", cases[i], json_name(o), v->string);
        }
        unload(&r);
    }
}

/* ---- the same StatefulSets, Services, budgets, claims ---- */

/* What we add on purpose: our annotations, and another value of a label that only says "this is my object". */
static bool on_purpose(const char *path)
{
    return strstr(path, "chfleet.io/") || strstr(path, "/object-version");
}

static void objects_differ_only_where_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct recorded r;
        auto_json cJSON *all = NULL;
        const cJSON *o;

        load(&r, cases[i]);
        all = rendered(&r);
        cJSON_ArrayForEach(o, all) {
            const cJSON *live = find(r.state.objects, o);
            struct change *changes = NULL;
            size_t n = 0;
            auto_json cJSON *patch = live && !is_kind(o, "ConfigMap") ? compare_object(live, o, &changes, &n) : NULL;

            for (size_t k = 0; k < n; k++)
                if (!on_purpose(changes[k].path))
                    fail_msg("%s: %s %s: %s: %s -> %s", cases[i], json_str(o, "kind", ""), json_name(o),
                             changes[k].path, changes[k].from ? changes[k].from : "(none)",
                             changes[k].to ? changes[k].to : "(none)");
            if (patch && json_get(patch, "spec"))
                fail_msg("%s: %s %s would be patched", cases[i], json_str(o, "kind", ""), json_name(o));
            changes_free(changes, n);
        }
        unload(&r);
    }
}

static void no_statefulset_needs_a_new_pod(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct recorded r;
        auto_json cJSON *all = NULL;
        const cJSON *o;

        load(&r, cases[i]);
        all = rendered(&r);
        cJSON_ArrayForEach(o, all)
            if (is_kind(o, "StatefulSet") &&
                compare_statefulset(find(r.state.objects, o), o, NULL, NULL) > COMPARE_METADATA)
                fail_msg("%s: %s", cases[i], json_name(o));
        unload(&r);
    }
}

/* ---- the plan ---- */

static struct plan *plan_of(struct recorded *r)
{
    struct facts_source src;
    auto_facts struct facts *facts = NULL;
    struct plan *plan = NULL;
    struct err err = ERR_INIT;

    cluster_source(&r->state, &src);
    if (facts_make(r->fleet, &r->ctx, &src, &facts, &err) < 0 || plan_make(r->fleet, facts, &plan, &err) < 0)
        fail_msg("%s", err.msg);
    return plan;
}

static bool users_change(struct recorded *r, const char *address)
{
    auto_plan struct plan *plan = plan_of(r);

    for (size_t i = 0; i < plan->n_common; i++)
        if (strstr(plan->common[i].path, address))
            return true;
    return false;
}

/* Pods get other addresses with each start. */
static void addresses_of_pods_are_no_reason_to_write_the_users_file(void **state)
{
    struct recorded r;
    struct err err = ERR_INIT;
    cJSON *now;

    (void)state;
    load(&r, "replicated");
    assert_non_null(r.state.pod_ips[0]);
    r.state.pod_ips[0] = "10.99.0.1";
    assert_false(users_change(&r, "networks"));
    now = render_users_configmap(r.fleet, &r.ctx, &err); /* as it is after somebody wrote it */
    assert_non_null(now);
    assert_non_null(strstr(json_get(json_get(now, "data"), "chop-generated-users.xml")->valuestring, "<ip>10.99.0.1</ip>"));
    cluster_put(&r.state, now);
    r.state.pod_ips[0] = "10.99.0.2";
    assert_false(users_change(&r, "networks"));
    r.state.pod_ips[0] = NULL;
    assert_false(users_change(&r, "networks"));
    unload(&r);
}

static void put_users(struct recorded *r)
{
    struct err err = ERR_INIT;
    cJSON *now = render_users_configmap(r->fleet, &r->ctx, &err);

    assert_non_null(now);
    cluster_put(&r->state, now);
}

/* It is written without a word, a turn or an approval, and no host hangs on it. */
static void another_address_of_the_operator_is_only_noted(void **state)
{
    struct recorded r;
    auto_plan struct plan *plan = NULL, *none = NULL, *before = NULL;
    auto_free char *a = NULL, *b = NULL;

    (void)state;
    load(&r, "replicated");
    put_users(&r);
    before = plan_of(&r);
    r.ctx.operator_ip = "10.99.7.7";
    plan = plan_of(&r);
    assert_true(plan->marks && !plan->empty);
    assert_int_equal(plan->n_common, before->n_common);
    for (size_t i = 0; i < plan->n_hosts; i++)
        assert_int_equal(plan->hosts[i].action, before->hosts[i].action);
    a = plan_hash(before);
    b = plan_hash(plan);
    assert_string_equal(a, b);
    put_users(&r);
    none = plan_of(&r);
    assert_int_equal(none->n_common, before->n_common);
    assert_int_equal(none->marks, before->marks);
    unload(&r);
}

static void several_operators_are_let_in_and_the_resources_own_addresses_stay(void **state)
{
    struct recorded r;
    struct err err = ERR_INIT;
    auto_json cJSON *ips = cJSON_CreateArray(), *now = NULL;

    (void)state;
    load(&r, "replicated");
    put_users(&r);
    json_add_str(ips, "10.64.9.1");
    json_add_str(ips, "10.64.9.9");
    r.ctx.operator_ips = ips;
    now = render_users_configmap(r.fleet, &r.ctx, &err);
    assert_non_null(strstr(json_get(json_get(now, "data"), "chop-generated-users.xml")->valuestring,
                           "<ip>10.64.9.1</ip>\n                <ip>10.64.9.9</ip>"));
    assert_string_equal(json_annotation(now, RENDER_OPERATOR_IPS), "10.64.9.1,10.64.9.9");
    assert_false(users_change(&r, "networks"));
    put_users(&r);
    assert_false(users_change(&r, "networks"));
    r.ctx.operator_ip = "10.64.9.1"; /* the other one leads: the file stays as it is */
    {
        auto_json cJSON *then = render_users_configmap(r.fleet, &r.ctx, &err);

        assert_true(cJSON_Compare(now, then, true));
    }
    unload(&r);
}

static void taking_over_restarts_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct recorded r;
        auto_plan struct plan *plan = NULL;
        auto_str struct str text = STR_INIT;

        load(&r, cases[i]);
        plan = plan_of(&r);
        plan_print(plan, &text);
        for (size_t k = 0; k < plan->n_hosts; k++)
            if (plan->hosts[k].action != ACT_NONE)
                fail_msg("%s:\n%s", cases[i], text.s);
        assert_int_equal(plan->n_refused, 0);
        unload(&r);
    }
}

/* Writes what the plan would write, as the supervisor does, and looks again. */
static void after_the_first_pass_nothing_is_left_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct recorded r;
        auto_plan struct plan *plan = NULL;
        auto_json cJSON *all = NULL;
        auto_str struct str text = STR_INIT;
        cJSON *o;

        load(&r, cases[i]);
        all = rendered(&r);
        cJSON_ArrayForEach(o, all) {
            auto_json cJSON *patch =
                compare_object(cluster_find(&r.state, json_str(o, "kind", ""), json_name(o)), o, NULL, NULL);
            cJSON *live = json_copy(cluster_find(&r.state, json_str(o, "kind", ""), json_name(o)));

            if (patch) {
                json_merge_patch(&live, patch);
                cluster_put(&r.state, live);
            } else {
                cJSON_Delete(live);
            }
        }
        plan = plan_of(&r);
        plan_print(plan, &text);
        if (!plan->empty)
            fail_msg("%s:\n%s", cases[i], text.s);
        unload(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_set_of_objects),         cmocka_unit_test(generated_files_are_the_same_to_the_byte),
        cmocka_unit_test(objects_differ_only_where_meant), cmocka_unit_test(no_statefulset_needs_a_new_pod),
        cmocka_unit_test(addresses_of_pods_are_no_reason_to_write_the_users_file),
        cmocka_unit_test(another_address_of_the_operator_is_only_noted),
        cmocka_unit_test(several_operators_are_let_in_and_the_resources_own_addresses_stay),
        cmocka_unit_test(taking_over_restarts_nothing),    cmocka_unit_test(after_the_first_pass_nothing_is_left_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
