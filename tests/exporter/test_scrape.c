/* SPDX-License-Identifier: Apache-2.0 */
/* One look at many hosts, in a world with a clock of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "exporter/page.h"
#include "tests/exporter/fakeworld.h"

/* ---- what a scrape asks of targets.c ---- */

struct targets {
    struct target target;
    unsigned refused;
};

size_t targets_count(const struct targets *t)
{
    (void)t;
    return 1;
}

struct target *targets_at(const struct targets *t, size_t i)
{
    return i ? NULL : (struct target *)&t->target;
}

bool targets_wanted(const struct targets *t, const struct target *of, const struct target_host *h)
{
    (void)t;
    (void)of;
    return strcmp(h->sts, "stopped") != 0;
}

bool targets_access(struct targets *t, const struct target *of, struct target_access *out)
{
    (void)t;
    (void)of;
    *out = (struct target_access){.scheme = "auto", .user = "u", .password = "p", .connect_ms = 1000, .query_ms = 4000};
    return true;
}

void targets_refused(struct targets *t, const struct target *of)
{
    (void)of;
    t->refused++;
}

static struct targets *make(size_t n)
{
    struct targets *t = mem_zero(sizeof *t);

    t->target.refs = 1;
    t->target.ns = mem_str("ns");
    t->target.name = mem_str("c");
    t->target.n_hosts = n;
    t->target.hosts = mem_array(n + 1, sizeof *t->target.hosts);
    for (size_t i = 0; i < n; i++) {
        struct target_host *h = &t->target.hosts[i];
        auto_str struct str text = STR_INIT;

        h->address = mem_printf("h%zu", i);
        h->hostname = mem_printf("h%zu.ns", i);
        h->sts = mem_str("");
        h->http = 8123;
        prom_labels_put(&h->labels, "chi", "c");
        prom_labels_put(&h->labels, "hostname", h->hostname);
        prom_labels_print(&text, &h->labels, &(struct prom_labels){NULL, 0});
        h->text = mem_str(str_text(&text));
    }
    return t;
}

static void end(struct targets *t)
{
    for (size_t i = 0; i < t->target.n_hosts; i++) {
        free(t->target.hosts[i].address);
        free(t->target.hosts[i].hostname);
        free(t->target.hosts[i].sts);
        free(t->target.hosts[i].text);
        prom_labels_free(&t->target.hosts[i].labels);
    }
    free(t->target.hosts);
    free(t->target.ns);
    free(t->target.name);
    assert_int_equal(t->target.refs, 1);
    free(t);
}

/* ---- hosts ---- */

struct script {
    int values, parts;    /* delays, or what they do instead */
    size_t dead_from;     /* hosts from this number on are dead */
    const char *version;
    const char *extra;    /* lines of the values */
    int status;           /* of all answers; 0 = 200 */
    unsigned many;        /* values of each host */
    unsigned asked_disks;
};

static int answer(void *ctx, const char *host, const char *statement, struct str *body, int *status)
{
    struct script *s = ctx;

    if (s->dead_from && strtoul(host + 1, NULL, 10) >= s->dead_from)
        return FAKE_DEAD;
    if (s->status) {
        *status = s->status;
        str_add(body, "Code: 516, e.displayText() = DB::Exception: u: Authentication failed");
        return 1;
    }
    if (strstr(statement, "uptime()")) {
        str_addf(body, "%s\t100\n", s->version);
        return 1;
    }
    if (strstr(statement, "system.asynchronous_metrics")) {
        str_addf(body, "0\t%s\t\n1\tQuery\t3\n2\tUptime\t77\n3\tMerge\t5\n5\t\t0.5\n%s", s->version, s->extra ? s->extra : "");
        for (unsigned i = 0; i < s->many; i++)
            str_addf(body, "3\tEvent%u\t%u\n", i, i);
        return s->values;
    }
    if (strstr(statement, "FROM system.parts")) {
        str_add(body, "d\\tb\tt\"x\t1\t2\t3\t400\t900\t50\t512\t64\nd\tt\t0\t1\t1\t1\t1\t1\t8\t1\n");
        return s->parts;
    }
    s->asked_disks += strstr(statement, "system.disks") != NULL;
    if (strstr(statement, "system.disks"))
        str_add(body, "default\t10\t20\n");
    return 1;
}

struct look {
    struct fakeworld *f;
    struct targets *t;
    struct scrape *s;
    bool done;
};

static void done(void *ctx, struct scrape *s)
{
    struct look *l = ctx;

    (void)s;
    l->done = true;
}

static void look(struct look *l, uint32_t limit_ms)
{
    scrape_unref(l->s);
    l->done = false;
    l->s = scrape_start(fake_world(l->f), l->t, limit_ms, done, l);
    fake_run(l->f, &l->done);
}

static void begin(struct look *l, struct script *s, size_t hosts)
{
    s->version = s->version ? s->version : "24.8.4.13";
    *l = (struct look){.f = fake_new(answer, s), .t = make(hosts)};
}

static void over(struct look *l)
{
    scrape_unref(l->s);
    fake_free(l->f);
    end(l->t);
}

static void whole_page(const struct look *l, struct str *out)
{
    struct page *p = page_new(l->s);

    while (page_more(p, out, out->len + 1000))
        continue;
    page_free(p);
}

static bool shows(const struct look *l, const char *line)
{
    auto_str struct str page = STR_INIT;

    whole_page(l, &page);
    if (strstr(str_text(&page), line))
        return true;
    print_message("%s\n", str_text(&page));
    return false;
}

/* ---- facts ---- */

static void a_page_has_the_peers_names_types_and_labels(void **state)
{
    struct script s = {.extra = "4\t\t7\n6\t\t18446744073709551615\n7\tNETWORK_ERROR\t2\n"};
    struct look l;

    (void)state;
    begin(&l, &s, 1);
    look(&l, 9000);
    assert_true(shows(&l, "# TYPE chi_clickhouse_metric_Query gauge\nchi_clickhouse_metric_Query{chi=\"c\",hostname=\"h0.ns\"} 3\n"));
    assert_true(shows(&l, "# TYPE chi_clickhouse_event_Merge counter\nchi_clickhouse_event_Merge{chi=\"c\",hostname=\"h0.ns\"} 5\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_Uptime{chi=\"c\",hostname=\"h0.ns\"} 77\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_LongestRunningQuery{chi=\"c\",hostname=\"h0.ns\"} 0.5\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_MemoryDictionaryBytesAllocated{chi=\"c\",hostname=\"h0.ns\"} 7\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_ChangedSettingsHash{chi=\"c\",hostname=\"h0.ns\"} 1.8446744073709552e+19\n"));
    assert_true(shows(&l, "# TYPE chi_clickhouse_metric_SystemErrors_NETWORK_ERROR counter\n"));
    assert_true(shows(&l, "chi_clickhouse_table_parts{active=\"1\",chi=\"c\",database=\"d\tb\",hostname=\"h0.ns\",table=\"t\\\"x\"} 3\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_DiskDataBytes{chi=\"c\",hostname=\"h0.ns\"} 520\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_DiskFreeBytes{chi=\"c\",disk=\"default\",hostname=\"h0.ns\"} 10\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_fetch_errors{chi=\"c\",fetch_type=\"table sizes\",hostname=\"h0.ns\"} 0\n"));
    over(&l);
}

static void each_family_is_one_block_in_the_order_of_names(void **state)
{
    struct script s = {.many = 50};
    struct look l;
    auto_str struct str page = STR_INIT;
    char last[200] = "", name[200] = "";

    (void)state;
    begin(&l, &s, 5);
    look(&l, 9000);
    whole_page(&l, &page);
    for (char *save = NULL, *line = strtok_r(page.s, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (sscanf(line, "# TYPE %199s", name) == 1) {
            assert_true(strcmp(last, name) < 0);
            snprintf(last, sizeof last, "%s", name);
        } else if (line[0] != '#') {
            assert_memory_equal(line, last, strlen(last));
            assert_int_equal(line[strlen(last)], '{');
        }
    }
    over(&l);
}

static void a_number_that_comes_twice_is_shown_once(void **state)
{
    struct script s = {.extra = "1\tQuery\t3\n2\tQuery\t3\n1\tUptime\t77\n"};
    struct look l;
    auto_str struct str page = STR_INIT;
    const char *first;

    (void)state;
    begin(&l, &s, 1);
    look(&l, 9000);
    whole_page(&l, &page);
    first = strstr(str_text(&page), "\nchi_clickhouse_metric_Query{");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\nchi_clickhouse_metric_Query{"));
    over(&l);
}

static void a_dead_host_costs_its_own_connect_limit_and_says_that_it_failed(void **state)
{
    struct script s = {.dead_from = 2};
    struct look l;

    (void)state;
    begin(&l, &s, 3);
    look(&l, 9000);
    assert_int_equal(l.s->took_ms, 1000);
    assert_int_equal(l.s->failed, 1);
    assert_true(shows(&l, "chi_clickhouse_metric_fetch_errors{chi=\"c\",fetch_type=\"system.metrics\",hostname=\"h2.ns\"} 1\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_fetch_errors{chi=\"c\",fetch_type=\"system.disks\",hostname=\"h2.ns\"} 1\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_fetch_errors{chi=\"c\",fetch_type=\"system.metrics\",hostname=\"h1.ns\"} 0\n"));
    assert_true(shows(&l, "chi_clickhouse_metric_Query{chi=\"c\",hostname=\"h1.ns\"} 3\n"));
    over(&l);
}

static void hosts_that_answered_are_asked_before_nine_hundred_dead_ones(void **state)
{
    struct script s = {.dead_from = 100};
    struct look l;

    (void)state;
    begin(&l, &s, 1000);
    for (size_t i = 100; i < 500; i++) { /* dead ones first in the layout */
        struct target_host swap = l.t->target.hosts[i - 100];

        l.t->target.hosts[i - 100] = l.t->target.hosts[i];
        l.t->target.hosts[i] = swap;
    }
    look(&l, 20000);
    assert_int_equal(l.s->failed, 900);
    look(&l, 1500);
    assert_int_equal(l.s->failed, 900);
    assert_true(shows(&l, "chi_clickhouse_metric_Query{chi=\"c\",hostname=\"h99.ns\"} 3\n"));
    assert_true(shows(&l, "fetch_errors{chi=\"c\",fetch_type=\"system.metrics\",hostname=\"h999.ns\"} 1\n"));
    assert_true(fake_most_open(l.f) <= 1000);
    over(&l);
}

static void at_the_deadline_what_is_there_is_the_page(void **state)
{
    struct script s = {.parts = FAKE_HANGS};
    struct look l;

    (void)state;
    begin(&l, &s, 2);
    look(&l, 3000);
    assert_int_equal(l.s->took_ms, 3000);
    assert_true(shows(&l, "chi_clickhouse_metric_Query{chi=\"c\",hostname=\"h0.ns\"} 3\n"));
    assert_true(shows(&l, "fetch_errors{chi=\"c\",fetch_type=\"system parts\",hostname=\"h0.ns\"} 1\n"));
    assert_true(shows(&l, "fetch_errors{chi=\"c\",fetch_type=\"system.disks\",hostname=\"h0.ns\"} 0\n"));
    assert_true(shows(&l, "fetch_errors{chi=\"c\",fetch_type=\"system.metrics\",hostname=\"h0.ns\"} 0\n"));
    over(&l);
}

static void a_query_that_hangs_costs_its_own_families_only(void **state)
{
    struct script s = {.parts = FAKE_HANGS};
    struct look l;
    auto_str struct str page = STR_INIT;

    (void)state;
    begin(&l, &s, 1);
    look(&l, 9000);
    assert_int_equal(l.s->took_ms, 4001); /* identity 1 ms, values at once, parts until its limit */
    whole_page(&l, &page);
    assert_null(strstr(str_text(&page), "chi_clickhouse_table_parts"));
    assert_null(strstr(str_text(&page), "DiskDataBytes"));
    assert_non_null(strstr(str_text(&page), "DiskFreeBytes"));
    over(&l);
}

static void an_old_server_is_not_asked_for_what_it_does_not_have(void **state)
{
    struct script s = {.version = "18.16.1"};
    struct look l;

    (void)state;
    begin(&l, &s, 1);
    look(&l, 9000);
    assert_int_equal(s.asked_disks, 0);
    assert_true(shows(&l, "fetch_errors{chi=\"c\",fetch_type=\"system.disks\",hostname=\"h0.ns\"} 0\n"));
    over(&l);
}

static void an_upgraded_server_is_asked_as_what_it_is_now(void **state)
{
    struct script s = {.version = "18.16.1"};
    struct look l;

    (void)state;
    begin(&l, &s, 1);
    look(&l, 9000);
    s.version = "24.8.1";
    look(&l, 9000);
    assert_int_equal(s.asked_disks, 1);
    assert_int_equal(l.t->target.hosts[0].version.major, 24);
    over(&l);
}

static void a_wrong_login_is_told(void **state)
{
    struct script s = {.status = 403};
    struct look l;

    (void)state;
    begin(&l, &s, 3);
    look(&l, 9000);
    assert_int_equal(l.t->refused, 3);
    assert_int_equal(l.s->failed, 3);
    over(&l);
}

static void a_host_without_a_port_for_the_scheme_has_failed(void **state)
{
    struct script s = {0};
    struct look l;

    (void)state;
    begin(&l, &s, 1);
    l.t->target.hosts[0].http = 0;
    look(&l, 9000);
    assert_int_equal(fake_requests(l.f), 0);
    assert_int_equal(l.s->failed, 1);
    over(&l);
}

static void stopped_hosts_and_empty_fleets_give_an_empty_page(void **state)
{
    struct script s = {0};
    struct look l;

    (void)state;
    begin(&l, &s, 1);
    free(l.t->target.hosts[0].sts);
    l.t->target.hosts[0].sts = mem_str("stopped");
    look(&l, 9000);
    assert_int_equal(l.s->n, 0);
    over(&l);
}

static void a_look_that_nobody_waits_for_any_more_ends(void **state)
{
    struct script s = {.values = FAKE_HANGS};
    struct look l;

    (void)state;
    begin(&l, &s, 300);
    l.s = scrape_start(fake_world(l.f), l.t, 9000, done, &l);
    over(&l); /* fails when requests are still under way */
}

static void a_thousand_hosts_need_little_memory(void **state)
{
    struct script s = {.many = 1200};
    struct look l;
    size_t bytes = 0;

    (void)state;
    begin(&l, &s, 1000);
    look(&l, 9000);
    assert_int_equal(l.s->failed, 0);
    for (size_t i = 0; i < l.s->n; i++)
        bytes += l.s->hosts[i].samples.cap * sizeof(struct sample);
    assert_true(bytes < (24 << 20));
    assert_true(fake_most_open(l.f) <= 1000);
    over(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_has_the_peers_names_types_and_labels),
        cmocka_unit_test(each_family_is_one_block_in_the_order_of_names),
        cmocka_unit_test(a_number_that_comes_twice_is_shown_once),
        cmocka_unit_test(a_dead_host_costs_its_own_connect_limit_and_says_that_it_failed),
        cmocka_unit_test(hosts_that_answered_are_asked_before_nine_hundred_dead_ones),
        cmocka_unit_test(at_the_deadline_what_is_there_is_the_page),
        cmocka_unit_test(a_query_that_hangs_costs_its_own_families_only),
        cmocka_unit_test(an_old_server_is_not_asked_for_what_it_does_not_have),
        cmocka_unit_test(an_upgraded_server_is_asked_as_what_it_is_now),
        cmocka_unit_test(a_wrong_login_is_told),
        cmocka_unit_test(a_host_without_a_port_for_the_scheme_has_failed),
        cmocka_unit_test(stopped_hosts_and_empty_fleets_give_an_empty_page),
        cmocka_unit_test(a_look_that_nobody_waits_for_any_more_ends),
        cmocka_unit_test(a_thousand_hosts_need_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
