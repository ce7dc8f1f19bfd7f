/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/columns.h"
#include "cli/records.h"
#include "cli/status.h"
#include "cli/target.h"

static cJSON *parse(const char *text)
{
    cJSON *j = json_parse(text, strlen(text), NULL);

    assert_non_null(j);
    return j;
}

static int done(const char *text, int64_t generation)
{
    auto_json cJSON *j = parse(text);

    return status_done(j, generation);
}

static void done_needs_the_right_generation_and_rest(void **state)
{
    (void)state;
    assert_int_equal(done("{\"status\":\"Completed\",\"observedGeneration\":3}", 3), 1);
    assert_int_equal(done("{\"status\":\"Completed\",\"observedGeneration\":4}", 3), 1);
    assert_int_equal(done("{\"status\":\"Completed\",\"observedGeneration\":2}", 3), 0);
    assert_int_equal(done("{\"status\":\"Completed\",\"observedGeneration\":3,\"busy\":true}", 3), 0);
    assert_int_equal(done("{\"status\":\"Completed\"}", 1), 0); /* nobody said for which generation */
    assert_int_equal(done("{\"status\":\"InProgress\",\"observedGeneration\":3}", 3), 0);
    assert_int_equal(done("{\"status\":\"Aborted\",\"observedGeneration\":3}", 3), -1);
    assert_int_equal(done("{\"status\":\"Aborted\",\"observedGeneration\":2}", 3), 0); /* the old failure */
    assert_int_equal(done("{}", 1), 0);
}

static const char doc_text[] =
    "{\"operator\":{\"reachable\":true},\"installations\":[{\"name\":\"demo\",\"kind\":\"ClickHouseInstallation\","
    "\"status\":\"InProgress\",\"operation\":7,\"progress\":{\"done\":1,\"total\":4},\"hosts\":["
    "{\"host\":\"main/0/0\",\"action\":\"restart\",\"step\":\"catch-up\",\"state\":\"waiting\",\"waiting\":\"WAIT_CATCHUP\","
    "\"text\":\"12 entries\\nbehind\",\"sinceMs\":1000000,\"version\":\"18.16.1\",\"image\":\"x/y:24.8\",\"tag\":\"24.8\","
    "\"ready\":true,\"member\":\"out\",\"pod\":\"chi-demo-main-0-0-0\"},"
    "{\"host\":\"main/0/1\",\"action\":\"none\",\"state\":\"idle\",\"ready\":false}]}]}";

static void people_see_hosts_and_reasons(void **state)
{
    auto_json cJSON *doc = parse(doc_text);
    auto_str struct str text = STR_INIT;

    (void)state;
    status_print(doc, &(struct status_form){.now_ms = 1000000 + 65000}, &text);
    assert_non_null(strstr(text.s, "demo  ClickHouseInstallation  InProgress  1 of 4 hosts  operation 7\n"));
    assert_non_null(strstr(text.s, "  main/0/0  restart  catch-up  waiting  65s    18.16.1  24.8   yes    out     "
                                   "WAIT_CATCHUP: 12 entries behind\n"));
    assert_non_null(strstr(text.s, "  main/0/1  none     -         idle     -      -        -      no     -       -\n"));
    assert_null(strstr(text.s, "chi-demo-main-0-0-0"));
    str_reset(&text);
    status_print(doc, &(struct status_form){.wide = true}, &text);
    assert_non_null(strstr(text.s, "chi-demo-main-0-0-0"));
    assert_non_null(strstr(text.s, "x/y:24.8"));
}

static void narrow_terminals_get_cut_lines(void **state)
{
    auto_json cJSON *doc = parse(doc_text);
    auto_str struct str text = STR_INIT;

    (void)state;
    status_print(doc, &(struct status_form){.columns = 40}, &text);
    for (const char *p = text.s; *p; p += strcspn(p, "\n") + 1)
        assert_true(strcspn(p, "\n") <= 40);
}

/* `n` hosts, of which every tenth works and every second of the others has been done. */
static cJSON *large_fleet(int n)
{
    cJSON *doc = parse("{\"operator\":{\"reachable\":true},\"installations\":[{\"name\":\"demo\",\"status\":\"InProgress\"}]}");
    cJSON *hosts = json_set_arr(json_get(doc, "installations")->child, "hosts");

    for (int i = 0; i < n; i++) {
        cJSON *h = cJSON_CreateObject();
        auto_free char *name = mem_printf("main/%d/0", i);

        json_set_str(h, "host", name);
        json_set_str(h, "state", i % 10 == 0 ? "working" : i % 2 ? "done" : "queued");
        cJSON_AddItemToArray(hosts, h);
    }
    return doc;
}

static size_t lines_of(const struct str *text)
{
    size_t n = 0;

    for (const char *p = text->s; *p; p++)
        n += *p == '\n';
    return n;
}

static void a_large_fleet_shows_who_is_at_work(void **state)
{
    auto_json cJSON *small = large_fleet(100), *large = large_fleet(1000);
    auto_str struct str text = STR_INIT;

    (void)state;
    status_print(small, &(struct status_form){.rows = 24}, &text);
    assert_true(lines_of(&text) < 24);
    assert_non_null(strstr(text.s, "main/90/0"));
    assert_null(strstr(text.s, "main/91/0"));
    assert_non_null(strstr(text.s, "  90 more: 50 done, 40 queued\n"));
    str_reset(&text);
    status_print(large, &(struct status_form){.rows = 24}, &text);
    assert_int_equal(lines_of(&text), 23);
    assert_non_null(strstr(text.s, "… 81 more lines\n"));
    str_reset(&text);
    status_print(large, &(struct status_form){0}, &text);
    assert_non_null(strstr(text.s, "main/999/0"));
}

static void a_host_on_its_way_shows_both_images(void **state)
{
    auto_json cJSON *doc = parse("{\"operator\":{\"reachable\":true},\"installations\":[{\"name\":\"demo\",\"hosts\":["
                                 "{\"host\":\"main/0/0\",\"image\":\"x/y:24.9\",\"podImage\":\"x/y:24.8\"},"
                                 "{\"host\":\"main/0/1\",\"image\":\"x/y:24.9\",\"podImage\":\"x/y:24.9\"}]}]}");
    auto_str struct str text = STR_INIT;

    (void)state;
    status_print(doc, &(struct status_form){0}, &text);
    assert_non_null(strstr(text.s, " 24.8→24.9 "));
    assert_non_null(strstr(text.s, " 24.9 "));
}

static void an_error_of_several_lines_stays_below_its_installation(void **state)
{
    auto_json cJSON *doc = parse("{\"operator\":{\"reachable\":true},\"installations\":[{\"name\":\"demo\","
                                 "\"error\":\"write:\\nspec:\\n  chfleet:\"}]}");
    auto_str struct str text = STR_INIT;

    (void)state;
    status_print(doc, &(struct status_form){0}, &text);
    assert_non_null(strstr(text.s, "\n  write:\n  spec:\n    chfleet:\n"));
}

static void an_empty_fleet_says_what_to_do(void **state)
{
    auto_json cJSON *doc = parse("{\"operator\":{\"reachable\":false,\"address\":\"127.0.0.1:1\",\"why\":\"refused\"},\"installations\":[]}");
    auto_str struct str text = STR_INIT;

    (void)state;
    status_print(doc, &(struct status_form){0}, &text);
    assert_non_null(strstr(text.s, "chfleet apply -f FILE"));
    assert_non_null(strstr(text.s, "the operator does not answer (refused)"));
}

#define POD                                                                                                                \
    "{\"metadata\":{\"name\":\"chi-demo-main-0-1-0\",\"namespace\":\"default\",\"labels\":{"                               \
    "\"clickhouse.altinity.com/chi\":\"demo\",\"clickhouse.altinity.com/cluster\":\"main\","                               \
    "\"clickhouse.altinity.com/shard\":\"0\",\"clickhouse.altinity.com/replica\":\"1\"}}}"

static void hosts_are_named_in_many_ways(void **state)
{
    static const char *const yes[] = {"chi-demo-main-0-1-0", "chi-demo-main-0-1", "0/1", "main/0/1", "demo/main/0/1", "default/demo/main/0/1"};
    static const char *const no[] = {"1", "main", "main/0/0", "main/0", "emo/main/0/1", "ain/0/1", "other/main/0/1", "", "/",
                                     "x/default/demo/main/0/1", "chi-demo-main-0-1-1"};
    auto_json cJSON *pod = parse(POD);
    auto_json cJSON *bare = parse("{\"metadata\":{\"name\":\"p\"}}");

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!target_fits(pod, yes[i]))
            fail_msg("%s should fit", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (target_fits(pod, no[i]))
            fail_msg("%s should not fit", no[i]);
    assert_true(target_fits(bare, "p"));
    assert_false(target_fits(bare, "x/p"));
}

static void a_prefix_ends_at_a_name(void **state)
{
    (void)state;
    assert_true(records_below("ns/demo", "ns/demo"));
    assert_true(records_below("ns/demo", "ns/demo/main/0"));
    assert_true(records_below("ns/demo", "ns/demo.keeper/k/0/0"));
    assert_false(records_below("ns/demo", "ns/demo2/main/0"));
    assert_false(records_below("ns/demo", "ns/dem"));
    assert_true(records_below("ns/", "ns/anything"));
    assert_true(records_below("", "ns/anything"));
}

static void columns_are_those_of_kubectl(void **state)
{
    auto_json cJSON *pods = parse("[{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"},\"spec\":{\"containers\":[{},{}]},"
                                  "\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"ready\":true,\"restartCount\":2},"
                                  "{\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\"}},\"restartCount\":1}]}}]");
    auto_json cJSON *chis = parse("[{\"metadata\":{\"name\":\"demo\",\"namespace\":\"n\"},\"status\":{\"clusters\":1,\"hosts\":4,"
                                  "\"status\":\"Completed\"}}]");
    auto_str struct str text = STR_INIT;
    struct out_table t;

    (void)state;
    columns_table(KUBE_POD, pods, false, true, &t);
    out_table_print(&t, "", &text);
    out_table_fini(&t);
    assert_non_null(strstr(text.s, "NAMESPACE  NAME  READY  STATUS            RESTARTS  AGE\n"));
    assert_non_null(strstr(text.s, "n          a     1/2    ImagePullBackOff  3         <unknown>\n"));
    str_reset(&text);
    columns_table(KUBE_CHI, chis, false, false, &t);
    out_table_print(&t, "", &text);
    out_table_fini(&t);
    assert_true(str_starts(text.s, "NAME"));
    assert_non_null(strstr(text.s, "Completed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_needs_the_right_generation_and_rest),
        cmocka_unit_test(people_see_hosts_and_reasons),
        cmocka_unit_test(narrow_terminals_get_cut_lines),
        cmocka_unit_test(a_large_fleet_shows_who_is_at_work),
        cmocka_unit_test(a_host_on_its_way_shows_both_images),
        cmocka_unit_test(an_error_of_several_lines_stays_below_its_installation),
        cmocka_unit_test(an_empty_fleet_says_what_to_do),
        cmocka_unit_test(hosts_are_named_in_many_ways),
        cmocka_unit_test(a_prefix_ends_at_a_name),
        cmocka_unit_test(columns_are_those_of_kubectl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
