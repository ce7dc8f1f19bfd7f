/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/index.h"
#include "base/mem.h"

enum { MANY = 5000 };

static void every_name_is_found_where_it_was_put(void **state)
{
    struct index x = {0};
    char **names = mem_array(MANY, sizeof *names);
    size_t at = 77;

    (void)state;
    assert_false(index_find(&x, "nobody", &at));
    for (size_t i = 0; i < MANY; i++) {
        names[i] = mem_printf("ns/installation/cluster/%zu/%zu", i / 3, i % 3);
        index_add(&x, names[i], i);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_true(index_find(&x, names[i], &at));
        assert_int_equal(at, i);
    }
    assert_false(index_find(&x, "ns/installation/cluster/0/3", &at));
    assert_int_equal(x.n, MANY);
    assert_true(x.n * 2 <= x.cap + 2);
    index_add(&x, names[7], 9); /* the newer place counts */
    assert_true(index_find(&x, names[7], &at));
    assert_int_equal(at, 9);
    assert_int_equal(x.n, MANY);
    index_fini(&x);
    assert_false(index_find(&x, names[7], &at));
    for (size_t i = 0; i < MANY; i++)
        free(names[i]);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_name_is_found_where_it_was_put)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
