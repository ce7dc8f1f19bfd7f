/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests a second go out, for servers that answer quickly, slowly, or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kube/budget.h"

static const struct kube_limits limits = {.qps = 50, .burst = 100, .most = 200};

/* There is always one more to send; each is answered after took_ms. How many go in so many ms. */
static unsigned sent_in(struct kube_budget *b, uint64_t *now, uint64_t ms, int status, uint64_t took_ms)
{
    uint64_t end = *now + ms;
    unsigned n = 0;

    while (*now < end) {
        uint64_t wait = budget_wait(b, *now);

        if (wait) {
            *now += wait;
            continue;
        }
        budget_take(b);
        n++;
        budget_answered(b, *now, status, true, took_ms);
    }
    return n;
}

static void a_server_with_room_gets_more(void **state)
{
    struct kube_budget b;
    uint64_t now = 1000;

    (void)state;
    budget_init(&b, &limits, now);
    sent_in(&b, &now, 5000, 201, 10);
    assert_in_range(sent_in(&b, &now, 1000, 201, 10), 150, 201);
    assert_in_range(sent_in(&b, &now, 10000, 201, 10), 1500, 2010); /* and never more */
}

static void a_slow_server_gets_no_more_than_the_rate(void **state)
{
    struct kube_budget b;
    uint64_t now = 1000;

    (void)state;
    budget_init(&b, &limits, now);
    assert_in_range(sent_in(&b, &now, 10000, 201, 500), 500, 601); /* 100 of them at once */
    sent_in(&b, &now, 10000, 201, 10);
    sent_in(&b, &now, 5000, 201, 3000);
    assert_in_range(sent_in(&b, &now, 1000, 201, 3000), 40, 51);
}

static void a_refusal_brings_the_rate_back_for_a_while(void **state)
{
    static const int refusals[] = {429, 503, 0};

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct kube_budget b;
        uint64_t now = 1000;

        budget_init(&b, &limits, now);
        sent_in(&b, &now, 5000, 201, 10);
        budget_answered(&b, now, refusals[i], true, 5);
        assert_in_range(sent_in(&b, &now, 9000, 201, 10), 440, 460);
        sent_in(&b, &now, 4000, 201, 10);
        assert_in_range(sent_in(&b, &now, 1000, 201, 10), 150, 201);
    }
}

static void reads_tell_nothing_of_room(void **state)
{
    struct kube_budget b;
    uint64_t now = 1000;

    (void)state;
    budget_init(&b, &limits, now);
    sent_in(&b, &now, 3000, 201, 500);
    for (int i = 0; i < 1000; i++)
        budget_answered(&b, now, 200, false, 1);
    assert_in_range(sent_in(&b, &now, 2000, 201, 500), 90, 101);
}

static void a_pause_ends_the_rise(void **state)
{
    struct kube_budget b;
    uint64_t now = 1000;

    (void)state;
    budget_init(&b, &limits, now);
    sent_in(&b, &now, 5000, 201, 10);
    now += 20000;
    assert_int_equal(budget_wait(&b, now), 0);
    assert_true(b.rate < 51);
    assert_true(b.tokens <= 100);
}

static void the_same_number_twice_is_steady(void **state)
{
    const struct kube_limits steady = {.qps = 10, .burst = 5, .most = 10}, short_form = {.qps = 10, .burst = 5};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct kube_budget b;
        uint64_t now = 1000;

        budget_init(&b, i ? &steady : &short_form, now);
        assert_in_range(sent_in(&b, &now, 10000, 201, 1), 100, 106);
    }
}

static void nothing_goes_while_the_server_asked_for_a_pause(void **state)
{
    struct kube_budget b;

    (void)state;
    budget_init(&b, &limits, 1000);
    budget_pause(&b, 4000);
    assert_int_equal(budget_wait(&b, 1500), 2500);
    budget_pause(&b, 3000); /* the longer one counts */
    assert_int_equal(budget_wait(&b, 3500), 500);
    assert_int_equal(budget_wait(&b, 4000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_with_room_gets_more),
        cmocka_unit_test(a_slow_server_gets_no_more_than_the_rate),
        cmocka_unit_test(a_refusal_brings_the_rate_back_for_a_while),
        cmocka_unit_test(reads_tell_nothing_of_room),
        cmocka_unit_test(a_pause_ends_the_rise),
        cmocka_unit_test(the_same_number_twice_is_steady),
        cmocka_unit_test(nothing_goes_while_the_server_asked_for_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
