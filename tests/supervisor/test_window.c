/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "supervisor/window.h"

static const char *zone_file;
static size_t zone_len;

static int read_zone(struct world *w, const char *path, char **text, size_t *len, struct err *err)
{
    (void)w;
    if (!zone_file)
        return err_set(err, ERR_MISSING, 0, "%s", path);
    *text = mem_strn(zone_file, zone_len);
    *len = zone_len;
    return 0;
}

static const struct world_ops ops = {.read_file = read_zone};
static struct world fake = {&ops};

static bool open_at(const char *windows, uint64_t utc_s)
{
    auto_json cJSON *j = cJSON_Parse(windows);
    struct err err = ERR_INIT;

    assert_non_null(j);
    return window_open(&fake, j, utc_s * 1000, &err);
}

/* 2026-01-03 was a Saturday; 1767398400 is its midnight in UTC. */
enum { SATURDAY = 1767398400, HOUR = 3600 };

static void no_window_is_always_open(void **state)
{
    (void)state;
    assert_true(open_at("[]", SATURDAY));
}

static void a_window_opens_and_closes(void **state)
{
    const char *w = "[{\"days\":[\"Sat\"],\"start\":\"02:00\",\"duration\":\"4h\"}]";

    (void)state;
    assert_false(open_at(w, SATURDAY + 2 * HOUR - 1));
    assert_true(open_at(w, SATURDAY + 2 * HOUR));
    assert_true(open_at(w, SATURDAY + 6 * HOUR - 1));
    assert_false(open_at(w, SATURDAY + 6 * HOUR));
    assert_false(open_at(w, SATURDAY + 26 * HOUR)); /* Sunday */
}

static void a_window_goes_over_midnight(void **state)
{
    const char *w = "[{\"days\":[\"Fri\"],\"start\":\"23:00\",\"duration\":\"3h\"}]";

    (void)state;
    assert_true(open_at(w, SATURDAY + HOUR));
    assert_false(open_at(w, SATURDAY + 2 * HOUR));
    assert_true(open_at("[{\"days\":[\"Thu\"],\"start\":\"23:00\",\"duration\":\"3d\"}]", SATURDAY + 10 * HOUR));
}

static void an_unknown_zone_is_closed(void **state)
{
    (void)state;
    zone_file = NULL;
    assert_false(open_at("[{\"start\":\"00:00\",\"duration\":\"1d\",\"timezone\":\"Mars/Olympus\"}]", SATURDAY));
    assert_false(open_at("[{\"start\":\"00:00\",\"duration\":\"1d\",\"timezone\":\"../../etc/passwd\"}]", SATURDAY));
}

static void a_zone_moves_the_window(void **state)
{
    /* One rule from the beginning: UTC+1. */
    static const char tzif[] = "TZif\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* 20 */
                               "\0\0\0\0\0\0\0\0\0\0\0\0"             /* isut, isstd, leap: 32 */
                               "\0\0\0\1"                             /* times */
                               "\0\0\0\1"                             /* types */
                               "\0\0\0\0"                             /* chars: 44 */
                               "\0\0\0\0"                             /* transition at 0 */
                               "\0"                                   /* to type 0 */
                               "\0\0\x0e\x10\0\0";                    /* 3600 s */

    (void)state;
    zone_file = tzif;
    zone_len = sizeof tzif - 1;
    assert_true(open_at("[{\"start\":\"02:00\",\"duration\":\"1h\",\"timezone\":\"X/Y\"}]", SATURDAY + HOUR));
    assert_false(open_at("[{\"start\":\"02:00\",\"duration\":\"1h\",\"timezone\":\"X/Y\"}]", SATURDAY + 2 * HOUR));
    zone_len = 50; /* cut off: closed, and no read past the end */
    assert_false(open_at("[{\"start\":\"02:00\",\"duration\":\"1h\",\"timezone\":\"X/Y\"}]", SATURDAY + HOUR));
}

static void durations_have_units(void **state)
{
    (void)state;
    assert_int_equal(window_seconds("90m"), 5400);
    assert_int_equal(window_seconds("1d"), 86400);
    assert_int_equal(window_seconds("4"), -1);
    assert_int_equal(window_seconds("4hours"), -1);
    assert_int_equal(window_seconds("-4h"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_window_is_always_open),    cmocka_unit_test(a_window_opens_and_closes),
        cmocka_unit_test(a_window_goes_over_midnight), cmocka_unit_test(an_unknown_zone_is_closed),
        cmocka_unit_test(a_zone_moves_the_window),     cmocka_unit_test(durations_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
