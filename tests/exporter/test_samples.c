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

#include "exporter/samples.h"

static void families_and_label_sets_exist_once(void **state)
{
    struct pool *p = pool_new();
    static const char *const one[] = {"a", "1", "b", "2", NULL}, *const same[] = {"b", "2", "a", "1", NULL},
                             *const other[] = {"a", "1", "b", "3", NULL}, *const none[] = {NULL};
    uint32_t first[3000];

    (void)state;
    assert_int_equal(pool_labels(p, one), pool_labels(p, same));
    assert_int_not_equal(pool_labels(p, one), pool_labels(p, other));
    assert_int_equal(pool_labels(p, none), 0);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 3000; i++) {
            char name[20];
            uint32_t at;

            snprintf(name, sizeof name, "f%u", i);
            at = pool_family(p, name, "help", round == 0);
            first[i] = round ? first[i] : at;
            assert_int_equal(first[i], at);
        }
    assert_int_equal(pool_families(p), 3000);
    assert_true(pool_family_at(p, first[7])->counter);
    pool_free(p);
}

static void a_series_is_there_once(void **state)
{
    struct pool *p = pool_new();
    struct samples s = {NULL, 0, 0};
    static const char *const labels[] = {"a", "1", NULL};
    uint32_t x = pool_family(p, "x", "", false), y = pool_family(p, "y", "", false), l = pool_labels(p, labels);
    size_t n;

    (void)state;
    samples_finish(&s, p);
    samples_add(&s, y, 0, 3);
    samples_add(&s, x, l, 1);
    samples_add(&s, y, 0, 3);
    samples_add(&s, x, 0, 2);
    samples_finish(&s, p);
    assert_int_equal(s.n, 3);
    assert_non_null(samples_of(&s, x, &n));
    assert_int_equal(n, 2);
    assert_true(samples_of(&s, y, &n)->value == 3);
    assert_int_equal(n, 1);
    samples_of(&s, 77, &n);
    assert_int_equal(n, 0);
    samples_free(&s);
    pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_and_label_sets_exist_once),
        cmocka_unit_test(a_series_is_there_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
