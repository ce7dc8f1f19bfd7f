/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prom.h"

static void assert_text(void (*fn)(struct str *out, const char *raw), const char *raw, const char *wanted)
{
    auto_str struct str out = STR_INIT;

    fn(&out, raw);
    assert_string_equal(str_text(&out), wanted);
}

static void characters_that_names_cannot_have_become_underscores(void **state)
{
    (void)state;
    assert_text(prom_metric_name, "jemalloc.background_thread.num_runs", "jemalloc_background_thread_num_runs");
    assert_text(prom_metric_name, "a:b-c d", "a:b_c_d");
    assert_text(prom_metric_name, "größe", "gr__e"); /* one for each character, not for each byte */
    assert_text(prom_label_name, "clickhouse.altinity.com/chi", "clickhouse_altinity_com_chi");
    assert_text(prom_label_name, "a:b", "a_b");
}

static void label_names_are_never_empty_and_never_prometheus_own(void **state)
{
    (void)state;
    assert_text(prom_label_name, "", "_");
    assert_text(prom_label_name, "7up", "_7up");
    assert_text(prom_label_name, "__name__", "_name__");
    assert_text(prom_label_name, "____", "_");
    assert_text(prom_label_name, "/x", "_x");
}

static void label_values_are_escaped_and_valid_utf8(void **state)
{
    (void)state;
    assert_text(prom_label_value, "a\\b\"c\nd", "a\\\\b\\\"c\\nd");
    assert_text(prom_label_value, "größe {}=", "größe {}=");
    assert_text(prom_label_value, "\xff\xc3(", "?" "?(");
    assert_text(prom_label_value, "\xed\xa0\x80", "???"); /* half of a surrogate pair */
    assert_text(prom_label_value, "cut \xe2\x82", "cut ??");
}

static void numbers_read_back_as_they_were(void **state)
{
    static const double some[] = {0, 1, -1, 0.1, 1e-9, 123456.789, 1e15, 9007199254740993.0, 1.8446744073709552e19, 1e308, 5e-324};

    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        auto_str struct str out = STR_INIT;

        prom_number(&out, some[i]);
        assert_true(strtod(str_text(&out), NULL) == some[i]);
    }
}

static void whole_numbers_have_no_point(void **state)
{
    auto_str struct str out = STR_INIT;

    (void)state;
    prom_number(&out, 0);
    str_addc(&out, ' ');
    prom_number(&out, 1);
    str_addc(&out, ' ');
    prom_number(&out, 1234567890123);
    assert_string_equal(str_text(&out), "0 1 1234567890123");
}

static void what_is_no_number_is_told_as_prometheus_wants_it(void **state)
{
    auto_str struct str out = STR_INIT;

    (void)state;
    prom_number(&out, prom_read_number("nan"));
    str_addc(&out, ' ');
    prom_number(&out, prom_read_number("inf"));
    str_addc(&out, ' ');
    prom_number(&out, prom_read_number("-inf"));
    str_addc(&out, ' ');
    prom_number(&out, prom_read_number("12 apples"));
    assert_string_equal(str_text(&out), "NaN +Inf -Inf 0");
}

static void labels_are_sorted_and_the_later_of_two_wins(void **state)
{
    struct prom_labels base = {NULL, 0}, own = {NULL, 0};
    auto_str struct str out = STR_INIT;

    (void)state;
    prom_labels_put(&base, "zone", "a");
    prom_labels_put(&base, "app.kubernetes.io/name", "x");
    prom_labels_put(&base, "app_kubernetes_io_name", "y");
    prom_labels_put(&base, "table", "of the resource");
    prom_labels_put(&own, "table", "t");
    prom_labels_put(&own, "active", "1");
    prom_labels_print(&out, &base, &own);
    assert_string_equal(str_text(&out), "active=\"1\",app_kubernetes_io_name=\"y\",table=\"t\",zone=\"a\"");
    prom_labels_free(&base);
    prom_labels_free(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_that_names_cannot_have_become_underscores),
        cmocka_unit_test(label_names_are_never_empty_and_never_prometheus_own),
        cmocka_unit_test(label_values_are_escaped_and_valid_utf8),
        cmocka_unit_test(numbers_read_back_as_they_were),
        cmocka_unit_test(whole_numbers_have_no_point),
        cmocka_unit_test(what_is_no_number_is_told_as_prometheus_wants_it),
        cmocka_unit_test(labels_are_sorted_and_the_later_of_two_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
