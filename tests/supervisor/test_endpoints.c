/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "supervisor/internal.h"

static void told(void *ctx, const char *ns, const char *pod)
{
    struct str *out = ctx;

    str_addf(out, "%s%s/%s", out->len ? " " : "", ns, pod);
}

static cJSON *slice(const char *service, const char *endpoints)
{
    auto_free char *text = mem_printf("{\"metadata\":{\"namespace\":\"n\",\"labels\":{\"kubernetes.io/service-name\":\"%s\"}},"
                                      "\"endpoints\":[%s]}", service, endpoints);
    cJSON *j = cJSON_Parse(text);

    assert_non_null(j);
    return j;
}

#define READY(pod) "{\"targetRef\":{\"name\":\"" pod "\"},\"conditions\":{\"ready\":true}}"
#define NOT_READY(pod) "{\"targetRef\":{\"name\":\"" pod "\"},\"conditions\":{\"ready\":false}}"

static void pods_that_come_and_go_are_told_once(void **state)
{
    struct endpoints *e = endpoints_new();
    auto_json cJSON *one = slice("all", READY("a-0")), *two = slice("all", READY("a-0") "," READY("b-0")),
                    *three = slice("all", NOT_READY("a-0") "," READY("b-0"));
    auto_str struct str out = STR_INIT;

    (void)state;
    endpoints_changed(e, NULL, one, told, &out);
    endpoints_changed(e, one, two, told, &out);
    assert_string_equal(str_text(&out), "n/a-0 n/b-0");
    assert_true(endpoints_have(e, "n", "a") && endpoints_have(e, "n", "b"));
    assert_false(endpoints_have(e, "other", "a"));
    endpoints_changed(e, two, three, told, &out);
    assert_string_equal(str_text(&out), "n/a-0 n/b-0 n/a-0");
    assert_false(endpoints_have(e, "n", "a"));
    endpoints_changed(e, three, NULL, told, &out);
    assert_false(endpoints_have(e, "n", "b"));
    endpoints_free(e);
}

static void a_pod_is_out_when_no_slice_has_it(void **state)
{
    struct endpoints *e = endpoints_new();
    auto_json cJSON *all = slice("all", READY("a-0")), *shard = slice("shard", READY("a-0"));
    auto_str struct str out = STR_INIT;

    (void)state;
    endpoints_changed(e, NULL, all, told, &out);
    endpoints_changed(e, NULL, shard, told, &out);
    endpoints_changed(e, all, NULL, told, &out);
    assert_true(endpoints_have(e, "n", "a"));
    assert_string_equal(str_text(&out), "n/a-0");
    endpoints_changed(e, shard, NULL, told, &out);
    assert_false(endpoints_have(e, "n", "a"));
    assert_string_equal(str_text(&out), "n/a-0 n/a-0");
    endpoints_free(e);
}

static void a_hosts_own_service_balances_nothing(void **state)
{
    struct endpoints *e = endpoints_new();
    auto_json cJSON *own = slice("a", READY("a-0")), *bare = cJSON_Parse("{\"endpoints\":[" READY("a-0") "]}");
    auto_str struct str out = STR_INIT;

    (void)state;
    endpoints_changed(e, NULL, own, told, &out);
    endpoints_changed(e, NULL, bare, told, &out);
    assert_false(endpoints_have(e, "n", "a"));
    assert_int_equal(out.len, 0);
    endpoints_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_that_come_and_go_are_told_once),
        cmocka_unit_test(a_pod_is_out_when_no_slice_has_it),
        cmocka_unit_test(a_hosts_own_service_balances_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
