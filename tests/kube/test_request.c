/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/kube/script.h"

struct plan {
    int failures, status; /* so many times this status (0: connection lost), then 200 */
    bool sent;
    const char *headers, *body;
    uint64_t at[64];
    int n;
};

static void serve(struct script *s, struct world_http *h)
{
    struct plan *p = s->ctx;

    p->at[p->n++ % 64] = s->now;
    assert_string_equal(h->auth, "Bearer secret");
    assert_true(str_starts(h->agent, "chfleet/"));
    assert_true(h->flags & HTTP_KEEP);
    if (p->failures-- > 0) {
        if (p->status)
            script_answer(h, p->status, p->headers, p->body);
        else
            script_lose(h, p->sent);
        return;
    }
    script_answer(h, 200, NULL, "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}");
}

static struct kube *client(struct script **s, struct plan *p)
{
    *s = script_new();
    (*s)->serve = serve;
    (*s)->ctx = p;
    return script_kube(*s);
}

static void done(struct script *s, struct kube *k, struct heard *h)
{
    heard_free(h);
    kube_free(k);
    script_free(s);
}

static void a_read_gets_the_object(void **state)
{
    struct plan p = {0};
    struct heard h = {0};
    struct script *s;
    struct kube *k = client(&s, &p);

    (void)state;
    kube_get(k, KUBE_POD, "ns", "p", heard_done, &h);
    assert_int_equal(h.n, 0);
    script_run(s, 0);
    assert_int_equal(h.status, 200);
    assert_string_equal(json_name(h.obj), "p");
    assert_string_equal(s->log, "GET /api/v1/namespaces/ns/pods/p\n");
    done(s, k, &h);
}

static const char conflict[] =
    "{\"kind\":\"Status\",\"message\":\"object was modified\",\"reason\":\"Conflict\",\"code\":409}";

static void statuses_become_kinds_with_the_servers_words(void **state)
{
    static const struct {
        int status;
        enum err_kind kind;
    } rows[] = {{400, ERR_INPUT},    {401, ERR_REFUSED}, {403, ERR_REFUSED}, {404, ERR_MISSING},
                {409, ERR_CONFLICT}, {410, ERR_AGAIN},   {413, ERR_INPUT},   {422, ERR_INPUT}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plan p = {.failures = 9, .status = rows[i].status, .body = conflict};
        struct heard h = {0};
        struct script *s;
        struct kube *k = client(&s, &p);

        kube_get(k, KUBE_STS, "ns", "x", heard_done, &h);
        script_run(s, 60000);
        assert_int_equal(h.n, 1);
        assert_int_equal(s->requests, 1); /* none of these is tried again */
        assert_int_equal(h.err.kind, rows[i].kind);
        assert_int_equal(h.err.sys, rows[i].status);
        assert_non_null(strstr(h.err.msg, "GET StatefulSet ns/x: object was modified"));
        done(s, k, &h);
    }
}

static void a_patch_of_an_object_that_was_made_anew_is_a_conflict(void **state)
{
    struct plan p = {.failures = 9,
                     .status = 422,
                     .body = "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"metadata.uid: field is "
                             "immutable\",\"details\":{\"causes\":[{\"field\":\"metadata.uid\"}]},\"code\":422}"};
    struct heard h = {0};
    struct script *s;
    struct kube *k = client(&s, &p);
    auto_json cJSON *patch = cJSON_CreateObject();

    (void)state;
    json_set_str(json_set_obj(patch, "metadata"), "uid", "of-the-old-one");
    kube_patch(k, KUBE_POD, "ns", "x", NULL, patch, heard_done, &h);
    script_run(s, 60000);
    assert_int_equal(h.n, 1);
    assert_int_equal(h.err.kind, ERR_CONFLICT);
    done(s, k, &h);
}

static bool ask(void *ctx)
{
    return *(bool *)ctx;
}

static void a_write_goes_out_only_while_it_may(void **state)
{
    struct plan p = {.failures = 1, .status = 503};
    struct heard read = {0}, write = {0}, late = {0};
    struct script *s;
    struct kube *k = client(&s, &p);
    auto_json cJSON *patch = cJSON_CreateObject();
    bool may = true;

    (void)state;
    kube_guard_writes(k, ask, &may);
    kube_patch(k, KUBE_POD, "ns", "x", "1", patch, heard_done, &write);
    script_run(s, 0);
    assert_int_equal(s->requests, 1); /* sent, and to be repeated */
    may = false;
    script_run(s, 60000);
    assert_int_equal(s->requests, 1);
    assert_int_equal(write.err.kind, ERR_AGAIN);
    kube_get(k, KUBE_POD, "ns", "x", heard_done, &read);
    kube_delete(k, KUBE_POD, "ns", "x", "uid", NULL, -1, heard_done, &late);
    script_run(s, 0);
    assert_int_equal(read.status, 200);
    assert_int_equal(late.err.kind, ERR_AGAIN);
    assert_non_null(strstr(late.err.msg, "does not lead"));
    assert_int_equal(s->requests, 2);
    heard_free(&read);
    heard_free(&late);
    done(s, k, &write);
}

static void passing_failures_are_retried_with_back_off(void **state)
{
    static const int statuses[] = {0, 429, 500, 503, 504};

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct plan p = {.failures = 4, .status = statuses[i], .sent = true};
        struct heard h = {0};
        struct script *s;
        struct kube *k = client(&s, &p);
        auto_json cJSON *obj = cJSON_CreateObject();

        kube_put(k, KUBE_STS, "ns", "x", "status", obj, heard_done, &h);
        script_run(s, 30000);
        assert_int_equal(h.status, 200);
        assert_int_equal(p.n, 5);
        assert_true(p.at[4] - p.at[3] > p.at[1] - p.at[0]);
        assert_non_null(strstr(s->log, "PUT /apis/apps/v1/namespaces/ns/statefulsets/x/status?fieldManager=chfleet\n"));
        done(s, k, &h);
    }
}

static void a_post_without_a_known_answer_is_not_repeated(void **state)
{
    static const struct {
        int status;
        bool sent;
        const char *headers;
        int tries;
    } rows[] = {{0, true, NULL, 1},   {0, false, NULL, 2},  {504, true, NULL, 1},
                {429, true, NULL, 2}, {500, true, NULL, 1}, {503, true, "Retry-After: 1\r\n", 2}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plan p = {.failures = 1, .status = rows[i].status, .sent = rows[i].sent, .headers = rows[i].headers};
        struct heard h = {0};
        struct script *s;
        struct kube *k = client(&s, &p);
        auto_json cJSON *obj = cJSON_CreateObject();

        kube_create(k, KUBE_CM, "ns", obj, heard_done, &h);
        script_run(s, 30000);
        assert_int_equal(h.n, 1);
        assert_int_equal(p.n, rows[i].tries);
        assert_int_equal(h.err.kind, rows[i].tries == 1 ? ERR_AGAIN : ERR_NONE);
        done(s, k, &h);
    }
}

static void the_server_says_when_to_come_back(void **state)
{
    struct plan p = {.failures = 1, .status = 429, .headers = "Retry-After: 3\r\n"};
    struct heard h = {0}, other = {0};
    struct script *s;
    struct kube *k = client(&s, &p);

    (void)state;
    kube_get(k, KUBE_POD, "ns", "p", heard_done, &h);
    script_run(s, 100);
    kube_get(k, KUBE_POD, "ns", "q", heard_done, &other); /* waits too: the server has too much to do */
    script_run(s, 2800);
    assert_int_equal(p.n, 1);
    script_run(s, 3000);
    assert_int_equal(h.status, 200);
    assert_int_equal(other.status, 200);
    heard_free(&other);
    done(s, k, &h);
}

static void retries_end_after_thirty_seconds(void **state)
{
    struct plan p = {.failures = 1000, .status = 503, .body = "down"};
    struct heard h = {0};
    struct script *s;
    struct kube *k = client(&s, &p);

    (void)state;
    kube_get(k, KUBE_POD, "ns", "p", heard_done, &h);
    script_run(s, 31000);
    assert_int_equal(h.n, 1);
    assert_int_equal(h.err.kind, ERR_AGAIN);
    assert_non_null(strstr(h.err.msg, "down (HTTP 503)"));
    assert_in_range(p.n, 5, 20);
    done(s, k, &h);
}

static void the_budget_spreads_requests(void **state)
{
    struct plan p = {0};
    struct heard h = {0};
    struct script *s;
    struct kube *k = client(&s, &p);
    struct kube_limits limits = {.qps = 10, .burst = 5};
    uint64_t writes;

    (void)state;
    kube_set_limits(k, &limits);
    for (int i = 0; i < 25; i++)
        kube_get(k, KUBE_POD, "ns", "p", heard_done, &h);
    script_run(s, 0);
    assert_int_equal(h.n, 5);
    script_run(s, 1000);
    assert_in_range(h.n, 14, 16);
    script_run(s, 1200);
    assert_int_equal(h.n, 25);
    assert_int_equal(kube_requests(k, &writes), 25);
    assert_int_equal(writes, 0);
    done(s, k, &h);
}

static void a_cancelled_call_calls_nobody(void **state)
{
    struct plan p = {.failures = 100, .status = 503};
    struct heard h = {0};
    struct script *s;
    struct kube *k = client(&s, &p);

    (void)state;
    kube_cancel(kube_get(k, KUBE_POD, "ns", "queued", heard_done, &h));
    struct kube_call *waiting = kube_get(k, KUBE_POD, "ns", "retrying", heard_done, &h);
    script_run(s, 10);
    kube_cancel(waiting);
    kube_cancel(kube_list(k, KUBE_POD, NULL, NULL, heard_done, &h));
    script_run(s, 60000);
    assert_int_equal(h.n, 0);
    assert_int_equal(p.n, 1);
    assert_false(kube_busy(k));
    done(s, k, &h);
}

static void writes_carry_their_preconditions(void **state)
{
    struct plan p = {0};
    struct heard h = {0};
    struct script *s;
    struct kube *k = client(&s, &p);
    auto_json cJSON *patch = cJSON_CreateObject();
    struct world_http *call;

    (void)state;
    s->serve = NULL;
    kube_delete(k, KUBE_POD, "ns", "p", "uid-1", "Orphan", 0, heard_done, &h);
    kube_patch(k, KUBE_CHI, "ns", "c", NULL, patch, heard_done, &h);
    script_run(s, 0);
    call = script_open(s, "DELETE", "/api/v1/namespaces/ns/pods/p");
    assert_string_equal(call->body,
                        "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":{\"uid\":\"uid-1\"},"
                        "\"propagationPolicy\":\"Orphan\",\"gracePeriodSeconds\":0}");
    call = script_open(s, "PATCH", "/apis/clickhouse.altinity.com/v1/namespaces/ns/clickhouseinstallations/c?");
    assert_string_equal(call->type, "application/merge-patch+json");
    done(s, k, &h);
}

/* ---- lists ---- */

static void serve_pages(struct script *s, struct world_http *h)
{
    int *expire = s->ctx;

    if (!strstr(h->path, "continue=")) {
        script_answer(h, 200, NULL,
                      "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"a+b/=\"},"
                      "\"items\":[{\"metadata\":{\"name\":\"p1\"}},{\"metadata\":{\"name\":\"p2\"}}]}");
    } else if ((*expire)-- > 0) {
        script_answer(h, 410, NULL, "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}");
    } else {
        assert_non_null(strstr(h->path, "continue=a%2Bb%2F%3D"));
        script_answer(h, 200, NULL,
                      "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{\"metadata\":{\"name\":\"p3\"}}]}");
    }
}

static void lists_are_paged_and_begin_again_when_the_token_expired(void **state)
{
    (void)state;
    for (int expire = 0; expire < 3; expire++) {
        struct heard h = {0};
        struct script *s = script_new();
        struct kube *k = script_kube(s);
        int left = expire;

        s->serve = serve_pages;
        s->ctx = &left;
        kube_list(k, KUBE_POD, NULL, "a=b,c", heard_done, &h);
        script_run(s, 1000);
        assert_string_equal(h.err.msg, "");
        assert_int_equal(cJSON_GetArraySize(json_get(h.obj, "items")), 3);
        assert_string_equal(json_rv(h.obj), "7");
        assert_string_equal(json_str(h.obj, "items.2.metadata.name", ""), "p3");
        assert_string_equal(json_str(h.obj, "items.2.kind", ""), "Pod");
        assert_string_equal(json_str(h.obj, "items.2.apiVersion", ""), "v1");
        assert_true(str_starts(s->log, "GET /api/v1/pods?limit=500&labelSelector=a%3Db%2Cc\n"));
        assert_int_equal(s->requests, 2 + 2 * expire);
        done(s, k, &h);
    }
}

static void an_answer_that_is_no_object_is_an_error(void **state)
{
    struct plan p = {.failures = 1, .status = 200, .body = "<html>welcome</html>"};
    struct heard h = {0}, raw = {0};
    struct script *s;
    struct kube *k = client(&s, &p);

    (void)state;
    kube_get(k, KUBE_POD, "ns", "p", heard_done, &h);
    script_run(s, 0);
    assert_int_equal(h.err.kind, ERR_AGAIN);
    p.failures = 1;
    p.body = "ok";
    kube_raw(k, "GET", "/healthz", NULL, NULL, heard_done, &raw);
    script_run(s, 0);
    assert_string_equal(raw.obj->valuestring, "ok");
    heard_free(&raw);
    done(s, k, &h);
}

/* ---- kinds ---- */

static void kinds_are_found_by_all_their_names(void **state)
{
    auto_free char *hostile = kube_path(KUBE_CM, "a/../b", "x?y");

    (void)state;
    assert_int_equal(kube_kind_by_name("chi"), KUBE_CHI);
    assert_int_equal(kube_kind_by_name("ClickHouseKeeperInstallation"), KUBE_CHK);
    assert_int_equal(kube_kind_by_name("StatefulSets"), KUBE_STS);
    assert_int_equal(kube_kind_by_name("statefulsets.apps"), KUBE_STS);
    assert_int_equal(kube_kind_by_name("statefulsets.batch"), -1);
    assert_int_equal(kube_kind_by_name("crds"), KUBE_CRD);
    assert_int_equal(kube_kind_by_name(""), -1);
    assert_int_equal(kube_kind_by_name("job"), -1);
    assert_string_equal(hostile, "/api/v1/namespaces/a%2F..%2Fb/configmaps/x%3Fy");
    for (int i = 0; i < KUBE_KINDS; i++) {
        assert_non_null(kube_kind_info(i)->plural);
        assert_int_equal(kube_kind_by_name(kube_kind_info(i)->plural), i);
        assert_int_equal(kube_kind_by_name(kube_kind_info(i)->kind), i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_gets_the_object),
        cmocka_unit_test(statuses_become_kinds_with_the_servers_words),
        cmocka_unit_test(a_patch_of_an_object_that_was_made_anew_is_a_conflict),
        cmocka_unit_test(a_write_goes_out_only_while_it_may),
        cmocka_unit_test(passing_failures_are_retried_with_back_off),
        cmocka_unit_test(a_post_without_a_known_answer_is_not_repeated),
        cmocka_unit_test(the_server_says_when_to_come_back),
        cmocka_unit_test(retries_end_after_thirty_seconds),
        cmocka_unit_test(the_budget_spreads_requests),
        cmocka_unit_test(a_cancelled_call_calls_nobody),
        cmocka_unit_test(writes_carry_their_preconditions),
        cmocka_unit_test(lists_are_paged_and_begin_again_when_the_token_expired),
        cmocka_unit_test(an_answer_that_is_no_object_is_an_error),
        cmocka_unit_test(kinds_are_found_by_all_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
