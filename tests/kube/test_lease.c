/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/kube/script.h"

enum { DURATION_S = KUBE_LEASE_S };

/* ---- a server with one Lease (and Events) ---- */

struct server {
    struct script *s;
    cJSON *lease;
    unsigned rv;
    const char *cut_off; /* who holds this identity gets none */
    const char *dead;    /* who is this holder renews nothing any more */
    const char *trouble; /* what becomes of the next requests for the lease: h hangs, e is an error; NULL: nothing */
    struct world_http *slow; /* the one that hung last */
    cJSON *events;       /* name → object */
    unsigned event_writes;
};

struct who {
    struct server *srv;
    struct kube *k;
    struct kube_lease *l;
    bool leading;
    int changes;
    uint64_t since;
    unsigned moves;
};

static void answer_lease(struct server *srv, struct world_http *h, int status)
{
    auto_free char *text = NULL;

    if (status == 200) {
        char rv[16];

        snprintf(rv, sizeof rv, "%u", srv->rv);
        json_set_str(json_need_obj(srv->lease, "metadata"), "resourceVersion", rv);
        text = json_print(srv->lease);
    }
    script_answer(h, status, NULL, text ? text : "{\"kind\":\"Status\"}");
}

static void serve_lease(struct server *srv, struct world_http *h)
{
    auto_json cJSON *body = h->body ? json_parse(h->body, strlen(h->body), NULL) : NULL;

    if (str_eq(h->method, "GET")) {
        answer_lease(srv, h, srv->lease ? 200 : 404);
        return;
    }
    if (str_eq(h->method, "POST") ? srv->lease != NULL : !srv->lease || !str_eq(json_rv(body), json_rv(srv->lease))) {
        answer_lease(srv, h, 409);
        return;
    }
    cJSON_Delete(srv->lease);
    srv->lease = json_copy(body);
    srv->rv++;
    answer_lease(srv, h, 200);
}

static void serve_event(struct server *srv, struct world_http *h)
{
    auto_json cJSON *body = json_parse(h->body, strlen(h->body), NULL);
    const char *slash = strrchr(h->path, '/') + 1;
    auto_free char *name = mem_strn(slash, strcspn(slash, "?"));

    srv->event_writes++;
    if (str_eq(h->method, "POST")) {
        cJSON_AddItemToObject(srv->events, json_name(body), json_copy(body));
    } else {
        cJSON *old = cJSON_DetachItemFromObject(srv->events, name);

        if (!old) {
            script_answer(h, 404, NULL, "{\"kind\":\"Status\"}");
            return;
        }
        json_merge_patch(&old, body);
        cJSON_AddItemToObject(srv->events, name, old);
    }
    script_answer(h, 200, NULL, h->body);
}

static bool renews_when_dead(struct server *srv, const struct world_http *h)
{
    auto_json cJSON *body = srv->dead && h->body ? json_parse(h->body, strlen(h->body), NULL) : NULL;

    return body && str_eq(json_str(body, "spec.holderIdentity", NULL), srv->dead) &&
           !str_eq(json_str(body, "spec.renewTime", NULL), json_str(srv->lease, "spec.renewTime", NULL));
}

static void serve(struct script *s, struct world_http *h)
{
    struct server *srv = s->ctx;

    if (srv->cut_off && h->body && strstr(h->body, srv->cut_off))
        return;
    if (renews_when_dead(srv, h))
        return;
    if (strstr(h->path, "/leases") && srv->trouble && *srv->trouble) {
        srv->slow = h;
        if (*srv->trouble++ == 'e')
            answer_lease(srv, h, 500);
    } else if (strstr(h->path, "/leases"))
        serve_lease(srv, h);
    else
        serve_event(srv, h);
}

static struct server *server_new(void)
{
    struct server *srv = mem_zero(sizeof *srv);

    srv->s = script_new();
    srv->s->serve = serve;
    srv->s->ctx = srv;
    srv->events = cJSON_CreateObject();
    return srv;
}

static void server_free(struct server *srv)
{
    script_free(srv->s);
    cJSON_Delete(srv->lease);
    cJSON_Delete(srv->events);
    free(srv);
}

static void on_lease(void *ctx, bool leading)
{
    struct who *w = ctx;

    assert_true(w->leading != leading);
    w->leading = leading;
    w->since = w->srv->s->now;
    w->changes++;
}

static void join(struct who *w, struct server *srv, const char *identity)
{
    *w = (struct who){.srv = srv, .k = script_kube(srv->s)};
    w->l = kube_lease_start(w->k, "ops", "chfleet-leader", identity, DURATION_S, on_lease, w);
}

static void on_moved(void *ctx)
{
    ((struct who *)ctx)->moves++;
}

static void join_from(struct who *w, struct server *srv, const char *identity, const char *address)
{
    join(w, srv, identity);
    kube_lease_announce(w->l, address, on_moved);
}

static void assert_addresses(const struct who *w, const char *wanted)
{
    auto_free char *text = json_print(kube_lease_addresses(w->l));

    assert_string_equal(text, wanted);
}

static void part(struct who *w)
{
    if (w->l)
        kube_lease_stop(w->l);
    kube_free(w->k);
}

static void one_leads_and_the_other_waits(void **state)
{
    struct server *srv = server_new();
    struct who a, b;

    (void)state;
    join(&a, srv, "a");
    script_run(srv->s, 100);
    join(&b, srv, "b");
    for (int i = 0; i < 100; i++) {
        script_run(srv->s, 1000);
        assert_true(kube_lease_valid(a.l));
        assert_false(kube_lease_valid(b.l));
    }
    assert_int_equal(a.changes, 1);
    assert_int_equal(b.changes, 0);
    assert_string_equal(json_str(srv->lease, "spec.holderIdentity", ""), "a");
    assert_int_equal(json_int(srv->lease, "spec.leaseDurationSeconds", 0), DURATION_S);
    assert_true(strlen(json_str(srv->lease, "spec.renewTime", "")) == strlen("2006-01-02T15:04:05.000000Z"));
    part(&a);
    part(&b);
    server_free(srv);
}

static void a_dead_leader_is_succeeded_within_fifteen_seconds(void **state)
{
    struct server *srv = server_new();
    struct who a, b;
    uint64_t died;

    (void)state;
    join(&a, srv, "a");
    join(&b, srv, "b");
    script_run(srv->s, 30000);
    assert_true(a.leading);
    died = srv->s->now;
    srv->cut_off = "\"holderIdentity\":\"a\""; /* as if killed: no renewal, nothing given back */
    script_run(srv->s, 15000);
    assert_true(b.leading);
    assert_in_range(b.since - died, 5000, 15000);
    assert_int_equal(json_int(srv->lease, "spec.leaseTransitions", 0), 1);
    part(&a);
    part(&b);
    server_free(srv);
}

static void a_leader_without_a_server_stops_before_another_may_begin(void **state)
{
    struct server *srv = server_new();
    struct who a, b;
    uint64_t cut;

    (void)state;
    join(&a, srv, "a");
    script_run(srv->s, 20000);
    join(&b, srv, "b");
    script_run(srv->s, 5000);
    assert_true(a.leading);
    srv->cut_off = "\"holderIdentity\":\"a\""; /* its renewals go nowhere */
    cut = srv->s->now;
    while (a.leading) {
        assert_false(b.leading);
        script_run(srv->s, 100);
        assert_true(srv->s->now - cut < DURATION_S * 1000);
    }
    assert_false(kube_lease_valid(a.l));
    script_run(srv->s, 15000);
    assert_true(b.leading);
    assert_true(b.since - a.since >= DURATION_S * 1000 / 4); /* time for what is on its way, and for clocks that differ */
    srv->cut_off = NULL;
    script_run(srv->s, 20000);
    assert_false(a.leading); /* it queues up again */
    part(&a);
    part(&b);
    server_free(srv);
}

/* Its timers come late when it slept; and what counts is when it asked, not when it was answered. */
static void a_lead_ends_by_the_clock_alone(void **state)
{
    struct server *srv = server_new();
    struct who a;
    uint64_t asked;

    (void)state;
    join(&a, srv, "a");
    script_run(srv->s, 20000);
    assert_true(kube_lease_valid(a.l));
    srv->s->now += DURATION_S * 1000;
    assert_true(a.leading); /* nobody has told it yet */
    assert_false(kube_lease_valid(a.l));
    part(&a);
    join(&a, srv, "a");
    script_run(srv->s, 20000);
    assert_true(kube_lease_valid(a.l));
    srv->slow = NULL;
    srv->trouble = "h";
    while (!srv->slow)
        script_run(srv->s, 10);
    asked = srv->s->now;
    script_run(srv->s, 1500);
    srv->cut_off = "\"holderIdentity\":\"a\"";
    serve_lease(srv, srv->slow);
    script_run(srv->s, asked + DURATION_S * 1000 * 2 / 3 - 100 - srv->s->now);
    assert_true(kube_lease_valid(a.l));
    script_run(srv->s, 200);
    assert_false(kube_lease_valid(a.l));
    part(&a);
    server_free(srv);
}

static void released(void *ctx)
{
    ++*(int *)ctx;
}

static void an_answer_that_is_lost_and_two_errors_cost_no_lead(void **state)
{
    struct server *srv = server_new();
    struct who a;

    (void)state;
    join(&a, srv, "a");
    for (int i = 0; i < 20; i++) {
        script_run(srv->s, 10000);
        srv->trouble = "hee";
        script_run(srv->s, 10000);
        assert_string_equal(srv->trouble, "");
    }
    assert_true(a.leading);
    assert_int_equal(a.changes, 1);
    part(&a);
    server_free(srv);
}

static void giving_back_lets_the_next_begin_at_once(void **state)
{
    struct server *srv = server_new();
    int done = 0;
    struct who a, b;
    uint64_t at;

    (void)state;
    join(&a, srv, "a");
    script_run(srv->s, 5000);
    join(&b, srv, "b");
    script_run(srv->s, 5000);
    kube_lease_release(a.l, released, &done);
    a.l = NULL;
    at = srv->s->now;
    script_run(srv->s, 4000);
    assert_int_equal(done, 1);
    assert_true(b.leading);
    assert_in_range(b.since - at, 0, 3000);
    part(&a);
    part(&b);
    server_free(srv);
}

static void a_lost_answer_and_a_stolen_lease_are_seen(void **state)
{
    struct server *srv = server_new();
    struct who a;

    (void)state;
    join(&a, srv, "a");
    script_run(srv->s, 5000);
    srv->rv++; /* as if a renewal had worked whose answer was lost */
    json_set_str(json_get(srv->lease, "metadata"), "resourceVersion", "999");
    srv->rv = 999;
    script_run(srv->s, 5000);
    assert_true(kube_lease_valid(a.l));
    assert_int_equal(a.changes, 1);
    json_set_str(json_get(srv->lease, "spec"), "holderIdentity", "thief");
    srv->rv = 1000;
    json_set_str(json_get(srv->lease, "metadata"), "resourceVersion", "1000");
    script_run(srv->s, 5000);
    assert_false(kube_lease_valid(a.l));
    assert_false(a.leading);
    part(&a);
    server_free(srv);
}

/* ---- who may lead next ---- */

static void the_leader_knows_the_address_of_the_next_one_and_nothing_changes_when_that_one_leads(void **state)
{
    struct server *srv = server_new();
    struct who a, b;

    (void)state;
    join_from(&a, srv, "a", "10.0.0.9");
    script_run(srv->s, 5000);
    assert_addresses(&a, "[\"10.0.0.9\"]");
    join_from(&b, srv, "b", "10.0.0.1");
    script_run(srv->s, 10000);
    assert_addresses(&a, "[\"10.0.0.1\",\"10.0.0.9\"]");
    script_run(srv->s, 1800000);
    assert_int_equal(a.moves, 1);
    assert_int_equal(a.changes, 1);
    b.moves = 0;
    kube_lease_stop(a.l);
    a.l = NULL;
    script_run(srv->s, 60000);
    assert_true(b.leading);
    assert_addresses(&b, "[\"10.0.0.1\",\"10.0.0.9\"]");
    assert_int_equal(b.moves, 0);
    script_run(srv->s, 600000); /* it has not come back */
    assert_addresses(&b, "[\"10.0.0.1\"]");
    assert_null(strstr(json_annotation(srv->lease, "chfleet.io/candidates"), "10.0.0.9"));
    part(&a);
    part(&b);
    server_free(srv);
}

static void who_comes_back_with_another_address_is_known_by_that_one(void **state)
{
    struct server *srv = server_new();
    struct who a, b;

    (void)state;
    join_from(&a, srv, "a", "10.0.0.1");
    join_from(&b, srv, "b", "10.0.0.2");
    script_run(srv->s, 20000);
    part(&b);
    join_from(&b, srv, "b", "10.0.0.3");
    script_run(srv->s, 20000);
    assert_addresses(&a, "[\"10.0.0.1\",\"10.0.0.3\"]");
    assert_true(a.leading);
    part(&a);
    part(&b);
    server_free(srv);
}

static void addresses_are_sorted_whoever_comes_when(void **state)
{
    struct server *srv = server_new();
    struct who a, b, c;

    (void)state;
    join_from(&a, srv, "a", "10.0.0.1");
    join_from(&b, srv, "b", "10.0.0.9");
    script_run(srv->s, 20000);
    join_from(&c, srv, "c", "10.0.0.5");
    script_run(srv->s, 20000);
    assert_addresses(&a, "[\"10.0.0.1\",\"10.0.0.5\",\"10.0.0.9\"]");
    part(&a);
    part(&b);
    part(&c);
    server_free(srv);
}

static void what_candidates_say_does_not_keep_a_dead_leader_in_office(void **state)
{
    (void)state;
    for (uint64_t ms = 20000; ms < 80000; ms += 3000) {
        struct server *srv = server_new();
        struct who a, b, c;

        join_from(&a, srv, "a", "10.0.0.1");
        script_run(srv->s, 1000);
        join_from(&b, srv, "b", "10.0.0.2");
        join_from(&c, srv, "c", "10.0.0.3");
        script_run(srv->s, ms);
        assert_true(a.leading);
        srv->dead = "a";
        script_run(srv->s, 15000);
        assert_true(b.leading != c.leading);
        part(&a);
        part(&b);
        part(&c);
        server_free(srv);
    }
}

static void words_of_somebody_else_in_the_record_harm_nobody(void **state)
{
    struct server *srv = server_new();
    struct who a;

    (void)state;
    join_from(&a, srv, "a", "10.0.0.1");
    script_run(srv->s, 5000);
    json_set_str(json_need_obj(json_get(srv->lease, "metadata"), "annotations"), "chfleet.io/candidates", "[{\"a\":");
    json_set_str(json_get(srv->lease, "metadata"), "resourceVersion", "77");
    srv->rv = 77;
    script_run(srv->s, 10000);
    assert_true(a.leading);
    assert_addresses(&a, "[\"10.0.0.1\"]");
    assert_non_null(strstr(json_annotation(srv->lease, "chfleet.io/candidates"), "\"10.0.0.1\""));
    part(&a);
    server_free(srv);
}

/* ---- events ---- */

static void repeated_events_raise_a_count_at_a_measured_pace(void **state)
{
    struct server *srv = server_new();
    struct kube *k = script_kube(srv->s);
    auto_json cJSON *about = cJSON_CreateObject();
    const cJSON *ev;

    (void)state;
    json_set_str(about, "kind", "ClickHouseInstallation");
    json_set_str(about, "apiVersion", "clickhouse.altinity.com/v1");
    json_set_str(json_set_obj(about, "metadata"), "name", "inst");
    json_set_str(json_get(about, "metadata"), "namespace", "ns");
    json_set_str(json_get(about, "metadata"), "uid", "u-1");
    for (int i = 0; i < 300; i++) {
        kube_event(k, about, true, "HostLeft", "host %d left", 7);
        script_run(srv->s, 10);
    }
    script_run(srv->s, 3000);
    assert_int_equal(cJSON_GetArraySize(srv->events), 1);
    assert_in_range(srv->event_writes, 2, 6);
    ev = srv->events->child;
    assert_int_equal(json_int(ev, "count", 0), 300);
    assert_string_equal(json_str(ev, "type", ""), "Warning");
    assert_string_equal(json_str(ev, "message", ""), "host 7 left");
    assert_string_equal(json_str(ev, "involvedObject.uid", ""), "u-1");
    assert_string_equal(json_str(ev, "source.component", ""), "chfleet");
    for (int i = 0; i < 100; i++) /* a flood of different texts about one object */
        kube_event(k, about, false, "Noise", "line %d", i);
    srv->event_writes = 0;
    script_run(srv->s, 5500);
    assert_in_range(srv->event_writes, 4, 7);
    script_run(srv->s, 60000);
    assert_in_range(cJSON_GetArraySize(srv->events), 10, 20);
    script_run(srv->s, 700000); /* after ten minutes it is a new one */
    kube_event(k, about, true, "HostLeft", "host %d left", 7);
    script_run(srv->s, 2000);
    assert_int_equal(json_int(cJSON_GetArrayItem(srv->events, cJSON_GetArraySize(srv->events) - 1), "count", 0), 1);
    kube_free(k);
    server_free(srv);
}

static void a_forgotten_event_is_made_anew(void **state)
{
    struct server *srv = server_new();
    struct kube *k = script_kube(srv->s);
    auto_json cJSON *about = cJSON_CreateObject();

    (void)state;
    json_set_str(json_set_obj(about, "metadata"), "name", "inst");
    kube_event(k, about, false, "R", "text");
    script_run(srv->s, 2000);
    cJSON_DeleteItemFromObject(srv->events, srv->events->child->string); /* its time to live is over */
    kube_event(k, about, false, "R", "text");
    script_run(srv->s, 2000);
    kube_event(k, about, false, "R", "text");
    script_run(srv->s, 2000);
    assert_int_equal(cJSON_GetArraySize(srv->events), 1);
    assert_string_equal(json_ns(srv->events->child), "default");
    kube_free(k);
    server_free(srv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_leads_and_the_other_waits),
        cmocka_unit_test(a_dead_leader_is_succeeded_within_fifteen_seconds),
        cmocka_unit_test(a_leader_without_a_server_stops_before_another_may_begin),
        cmocka_unit_test(a_lead_ends_by_the_clock_alone),
        cmocka_unit_test(an_answer_that_is_lost_and_two_errors_cost_no_lead),
        cmocka_unit_test(giving_back_lets_the_next_begin_at_once),
        cmocka_unit_test(the_leader_knows_the_address_of_the_next_one_and_nothing_changes_when_that_one_leads),
        cmocka_unit_test(who_comes_back_with_another_address_is_known_by_that_one),
        cmocka_unit_test(addresses_are_sorted_whoever_comes_when),
        cmocka_unit_test(what_candidates_say_does_not_keep_a_dead_leader_in_office),
        cmocka_unit_test(words_of_somebody_else_in_the_record_harm_nobody),
        cmocka_unit_test(a_lost_answer_and_a_stolen_lease_are_seen),
        cmocka_unit_test(repeated_events_raise_a_count_at_a_measured_pace),
        cmocka_unit_test(a_forgotten_event_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
