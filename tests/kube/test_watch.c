/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/kube/script.h"

struct view {
    struct script *s;
    struct kube *k;
    struct kube_cache *c;
    struct str log; /* "+name@rv ~name@rv -name@rv synced" */
    const char *list;
    int list_status, watch_status;
    bool stop_at_add;
};

#define OBJ(name, uid, rv)                                                                                             \
    "{\"metadata\":{\"namespace\":\"n\",\"name\":\"" name "\",\"uid\":\"" uid "\",\"resourceVersion\":\"" rv           \
    "\",\"managedFields\":[1]}}"
#define LIST(rv, items) "{\"metadata\":{\"resourceVersion\":\"" rv "\"},\"items\":[" items "]}"
#define EVENT(type, obj) "{\"type\":\"" type "\",\"object\":" obj "}\n"

static void serve(struct script *s, struct world_http *h)
{
    struct view *v = s->ctx;

    if (strstr(h->path, "watch=true")) {
        if (v->watch_status)
            script_answer(h, v->watch_status, NULL, "{\"kind\":\"Status\",\"message\":\"pods is forbidden\"}\n");
        return; /* else it stays open */
    }
    script_answer(h, v->list_status ? v->list_status : 200, NULL, v->list);
}

static void on_change(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct view *v = ctx;

    if (v->log.len)
        str_addc(&v->log, ' ');
    if (what == KUBE_SYNCED) {
        str_add(&v->log, "synced");
        return;
    }
    assert_int_equal(old == NULL, what == KUBE_ADDED);
    str_addf(&v->log, "%c%s@%s", "?+~-"[what], json_name(obj), json_rv(obj));
    assert_null(json_at(obj, "metadata.managedFields"));
    if (what == KUBE_ADDED && v->stop_at_add) {
        kube_watch_stop(v->c);
        v->c = NULL;
    }
}

static void drop_spec(cJSON *obj)
{
    cJSON_DeleteItemFromObject(obj, "spec");
}

static struct view *open_view(const char *list)
{
    struct view *v = mem_zero(sizeof *v);

    v->s = script_new();
    v->k = script_kube(v->s);
    v->s->serve = serve;
    v->s->ctx = v;
    v->list = list;
    v->c = kube_watch(v->k, KUBE_POD, NULL, NULL, drop_spec, on_change, v);
    script_run(v->s, 100);
    return v;
}

static void close_view(struct view *v)
{
    if (v->c)
        kube_watch_stop(v->c);
    kube_free(v->k);
    script_free(v->s);
    str_free(&v->log);
    free(v);
}

static struct world_http *watch_of(struct view *v)
{
    struct world_http *h = script_open(v->s, "GET", "/api/v1/pods?watch=true&allowWatchBookmarks=true");

    assert_non_null(h);
    return h;
}

static void expect(struct view *v, const char *want)
{
    assert_string_equal(str_text(&v->log), want);
    str_reset(&v->log);
}

static unsigned lists(const struct view *v)
{
    unsigned n = 0;

    for (const char *p = v->s->log; (p = strstr(p, "GET /api/v1/pods?limit=")); p++)
        n++;
    return n;
}

static void a_list_then_its_changes(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("b", "1", "5") "," OBJ("a", "2", "6")));

    (void)state;
    expect(v, "+b@5 +a@6 synced");
    assert_true(kube_cache_synced(v->c));
    assert_non_null(strstr(watch_of(v)->path, "resourceVersion=10&timeoutSeconds="));
    script_data(watch_of(v), EVENT("MODIFIED", OBJ("a", "2", "11")) EVENT("ADDED", OBJ("c", "3", "12")));
    script_data(watch_of(v), "{\"type\":\"DELETED\",\"obj");
    script_data(watch_of(v), "ect\":" OBJ("b", "1", "13") "}\n");
    expect(v, "~a@11 +c@12 -b@13");
    assert_null(kube_cache_get(v->c, "n", "b"));
    assert_string_equal(json_rv(kube_cache_get(v->c, "n", "a")), "11");
    assert_string_equal(json_str(kube_cache_get(v->c, "n", "a"), "kind", ""), "");
    assert_int_equal(kube_cache_size(v->c), 2);
    close_view(v);
}

static void old_news_changes_nothing(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("a", "1", "9")));

    (void)state;
    expect(v, "+a@9 synced");
    script_data(watch_of(v), EVENT("MODIFIED", OBJ("a", "1", "8")) EVENT("MODIFIED", OBJ("a", "1", "9")));
    script_data(watch_of(v), EVENT("DELETED", OBJ("a", "1", "7")) EVENT("ADDED", OBJ("z", "2", "4")));
    script_data(watch_of(v), "garbage\n{\"type\":\"ADDED\"}\n\n");
    expect(v, "");
    close_view(v);
}

static void our_own_writes_are_known_at_once_and_never_come_back_from_the_dead(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("a", "1", "9")));
    auto_json cJSON *newer = json_parse(OBJ("a", "1", "15"), strlen(OBJ("a", "1", "15")), NULL);
    auto_json cJSON *late = json_parse(OBJ("b", "2", "12"), strlen(OBJ("b", "2", "12")), NULL);
    auto_json cJSON *born = json_parse(OBJ("c", "3", "40"), strlen(OBJ("c", "3", "40")), NULL);

    (void)state;
    expect(v, "+a@9 synced");
    kube_cache_put(v->c, newer);
    expect(v, "~a@15");
    script_data(watch_of(v), EVENT("MODIFIED", OBJ("a", "1", "14")) EVENT("MODIFIED", OBJ("a", "1", "15")));
    expect(v, "");
    script_data(watch_of(v), EVENT("ADDED", OBJ("b", "2", "12")) EVENT("DELETED", OBJ("b", "2", "20")));
    expect(v, "+b@12 -b@20");
    kube_cache_put(v->c, late); /* the answer to its creation comes after the news of its end */
    expect(v, "");
    script_data(watch_of(v), EVENT("ADDED", OBJ("b", "2", "12"))); /* nor an event out of order */
    expect(v, "");
    kube_cache_put(v->c, born);
    expect(v, "+c@40");
    script_data(watch_of(v), EVENT("DELETED", OBJ("c", "2", "30"))); /* an older one of that name */
    expect(v, "");
    close_view(v);
}

static void what_a_list_read_apart_does_not_show_is_gone(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("a", "1", "9") "," OBJ("b", "2", "9")));

    (void)state;
    expect(v, "+a@9 +b@9 synced");
    script_data(watch_of(v), EVENT("MODIFIED", OBJ("b", "2", "30")));
    expect(v, "~b@30");
    kube_cache_missing(v->c, "n", "b", "20"); /* the list is older than what we know */
    kube_cache_missing(v->c, "n", "nobody", "20");
    expect(v, "");
    kube_cache_missing(v->c, "n", "a", "20");
    expect(v, "-a@9");
    script_data(watch_of(v), EVENT("MODIFIED", OBJ("a", "1", "15")) EVENT("DELETED", OBJ("a", "1", "18"))); /* late news */
    expect(v, "");
    script_data(watch_of(v), EVENT("ADDED", OBJ("a", "3", "25")));
    expect(v, "+a@25");
    close_view(v);
}

static void a_reborn_name_is_gone_and_then_added(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("a", "1", "9")));

    (void)state;
    expect(v, "+a@9 synced");
    script_data(watch_of(v), EVENT("MODIFIED", OBJ("a", "2", "12")));
    expect(v, "-a@9 +a@12");
    close_view(v);
}

static void a_watch_that_ends_goes_on_where_it_was(void **state)
{
    struct view *v = open_view(LIST("10", ""));

    (void)state;
    script_run(v->s, 60000);
    script_data(watch_of(v), EVENT("BOOKMARK", "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"77\"}}"));
    assert_int_equal(kube_cache_age_ms(v->c), 0);
    script_run(v->s, 60000);
    assert_int_equal(kube_cache_age_ms(v->c), 60000);
    script_answer(watch_of(v), 200, NULL, NULL);
    script_run(v->s, 200);
    assert_non_null(strstr(watch_of(v)->path, "resourceVersion=77&"));
    assert_int_equal(lists(v), 1);
    close_view(v);
}

static void a_silent_watch_is_made_anew(void **state)
{
    struct view *v = open_view(LIST("10", ""));
    struct world_http *first = watch_of(v);
    uint64_t from = v->s->now;

    (void)state;
    assert_in_range(first->idle_ms, 60000, 120000);
    script_run(v->s, first->idle_ms + 1000);
    assert_int_equal(lists(v), 1);
    assert_true(watch_of(v)->heard_ms > from + 60000); /* another one */
    close_view(v);
}

static void compacted_history_is_listed_again_and_the_difference_told(void **state)
{
    (void)state;
    for (int in_stream = 0; in_stream < 2; in_stream++) {
        struct view *v = open_view(LIST("10", OBJ("a", "1", "5") "," OBJ("b", "2", "6") "," OBJ("c", "3", "7")));
        auto_json cJSON *ours = json_parse(OBJ("d", "4", "60"), strlen(OBJ("d", "4", "60")), NULL);

        expect(v, "+a@5 +b@6 +c@7 synced");
        kube_cache_put(v->c, ours); /* newer than the list that comes */
        expect(v, "+d@60");
        v->list = LIST("50", OBJ("b", "2", "6") "," OBJ("c", "3", "44") "," OBJ("e", "5", "45"));
        if (in_stream) {
            script_data(watch_of(v), EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}"));
            script_answer(watch_of(v), 200, NULL, NULL);
        } else {
            script_answer(watch_of(v), 410, NULL, NULL);
        }
        script_run(v->s, 500);
        expect(v, "~c@44 +e@45 -a@5");
        assert_non_null(strstr(watch_of(v)->path, "resourceVersion=50&"));
        assert_int_equal(lists(v), 2);
        close_view(v);
    }
}

static void refusals_back_off_and_are_visible(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("a", "1", "5")));

    (void)state;
    v->watch_status = 403;
    script_answer(watch_of(v), 200, NULL, NULL);
    script_run(v->s, 120000);
    assert_in_range(v->s->requests, 6, 30);
    assert_int_equal(kube_cache_problem(v->c)->kind, ERR_REFUSED);
    assert_non_null(strstr(kube_cache_problem(v->c)->msg, "pods is forbidden"));
    expect(v, "+a@5 synced"); /* nothing is forgotten */
    v->watch_status = 0;
    script_run(v->s, 60000);
    script_data(watch_of(v), EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"20\"}}"));
    assert_null(kube_cache_problem(v->c));
    close_view(v);
}

static void a_list_from_the_past_is_not_believed_until_it_stays(void **state)
{
    struct view *v = open_view(LIST("100", OBJ("a", "1", "90")));

    (void)state;
    expect(v, "+a@90 synced");
    v->list = LIST("50", OBJ("a", "1", "40") "," OBJ("ghost", "2", "45"));
    script_answer(watch_of(v), 410, NULL, NULL);
    script_run(v->s, 3000);
    expect(v, "");
    assert_non_null(kube_cache_problem(v->c));
    script_run(v->s, 300000); /* a server that was restored from a backup */
    expect(v, "~a@40 +ghost@45");
    assert_non_null(strstr(watch_of(v)->path, "resourceVersion=50&"));
    close_view(v);
}

static void a_first_list_that_fails_comes_later(void **state)
{
    struct view *v = mem_zero(sizeof *v);

    (void)state;
    v->list_status = 404; /* the CRD is not installed yet */
    v->list = "{\"message\":\"the server could not find the requested resource\"}";
    v->s = script_new();
    v->k = script_kube(v->s);
    v->s->serve = serve;
    v->s->ctx = v;
    v->c = kube_watch(v->k, KUBE_POD, NULL, NULL, NULL, on_change, v);
    script_run(v->s, 5000);
    assert_false(kube_cache_synced(v->c));
    assert_int_equal(kube_cache_problem(v->c)->kind, ERR_MISSING);
    v->list_status = 0;
    v->list = LIST("10", "");
    script_run(v->s, 60000);
    expect(v, "synced");
    close_view(v);
}

static void it_may_be_stopped_from_inside_a_change(void **state)
{
    struct view *v = open_view(LIST("10", ""));
    struct view *w = mem_zero(sizeof *w);

    (void)state;
    v->stop_at_add = true;
    script_data(watch_of(v), EVENT("ADDED", OBJ("a", "1", "11")) EVENT("ADDED", OBJ("b", "1", "12")));
    assert_null(v->c);
    expect(v, "synced +a@11");
    close_view(v);
    w->s = script_new(); /* inside the list */
    w->k = script_kube(w->s);
    w->s->serve = serve;
    w->s->ctx = w;
    w->stop_at_add = true;
    w->list = LIST("10", OBJ("a", "1", "5") "," OBJ("b", "2", "6"));
    w->c = kube_watch(w->k, KUBE_POD, NULL, NULL, NULL, on_change, w);
    script_run(w->s, 1000);
    expect(w, "+a@5");
    assert_false(kube_busy(w->k));
    close_view(w);
}

static int count(void *ctx, const cJSON *obj)
{
    str_addf(ctx, "%s/%s ", json_ns(obj), json_name(obj));
    return 0;
}

static void a_walk_is_in_order_of_namespace_and_name(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("b", "1", "5") "," OBJ("a", "2", "6") "," OBJ("aa", "3", "6")));
    const char text[] = "{\"metadata\":{\"namespace\":\"m\",\"name\":\"z\",\"resourceVersion\":\"30\"}}";
    auto_json cJSON *other = json_parse(text, strlen(text), NULL);
    auto_str struct str order = STR_INIT;

    (void)state;
    assert_non_null(other);
    kube_cache_put(v->c, other);
    kube_cache_each(v->c, count, &order);
    assert_string_equal(str_text(&order), "m/z n/a n/aa n/b ");
    close_view(v);
}

static void a_walk_by_the_end_of_names_stays_in_its_namespace(void **state)
{
    struct view *v = open_view(LIST("10", OBJ("data-b-0", "1", "5") "," OBJ("data-bb-0", "2", "6") "," OBJ("log-b-0", "3", "6")));
    const char text[] = "{\"metadata\":{\"namespace\":\"m\",\"name\":\"data-b-0\",\"resourceVersion\":\"30\"}}";
    auto_json cJSON *other = json_parse(text, strlen(text), NULL);
    auto_str struct str found = STR_INIT;

    (void)state;
    kube_cache_put(v->c, other);
    kube_cache_each_ending(v->c, "n", "-b-0", count, &found);
    assert_string_equal(str_text(&found), "n/data-b-0 n/log-b-0 ");
    close_view(v);
}

/* Two namespaces, each with one pod of the same name; what is asked for outside of them is forbidden. */
static void serve_two(struct script *s, struct world_http *h)
{
    struct view *v = s->ctx;
    bool m = strstr(h->path, "/namespaces/m/") != NULL, n = strstr(h->path, "/namespaces/n/") != NULL;

    if (!m && !n)
        script_answer(h, 403, NULL, "{\"kind\":\"Status\",\"message\":\"pods is forbidden\"}\n");
    else if (m && v->list_status)
        script_answer(h, v->list_status, NULL, "{\"kind\":\"Status\",\"message\":\"pods is forbidden\"}\n");
    else if (!strstr(h->path, "watch=true"))
        script_answer(h, 200, NULL, m ? LIST("10", "{\"metadata\":{\"namespace\":\"m\",\"name\":\"a\",\"uid\":\"7\",\"resourceVersion\":\"4\"}}") : LIST("10", OBJ("a", "1", "5")));
}

static void several_namespaces_are_one_cache(void **state)
{
    static const char *const spaces[] = {"n", "m", NULL};
    struct view *v = mem_zero(sizeof *v);
    const char text[] = "{\"metadata\":{\"namespace\":\"m\",\"name\":\"b\",\"resourceVersion\":\"30\"}}";
    const char alien[] = "{\"metadata\":{\"namespace\":\"x\",\"name\":\"b\",\"resourceVersion\":\"31\"}}";
    auto_json cJSON *own = json_parse(text, strlen(text), NULL), *other = json_parse(alien, strlen(alien), NULL);
    auto_str struct str order = STR_INIT;

    (void)state;
    v->s = script_new();
    v->k = script_kube(v->s);
    v->s->serve = serve_two;
    v->s->ctx = v;
    v->list_status = 403;
    v->c = kube_watch_several(v->k, KUBE_POD, spaces, NULL, NULL, on_change, v);
    script_run(v->s, 100);
    assert_false(kube_cache_synced(v->c)); /* one of them may not be read yet */
    assert_int_equal(kube_cache_problem(v->c)->kind, ERR_REFUSED);
    expect(v, "+a@5");
    v->list_status = 0;
    script_run(v->s, 60000);
    assert_true(kube_cache_synced(v->c));
    assert_null(kube_cache_problem(v->c));
    expect(v, "+a@4 synced");
    kube_cache_put(v->c, own);
    kube_cache_put(v->c, other); /* of a namespace that is not watched */
    expect(v, "+b@30");
    assert_int_equal(kube_cache_size(v->c), 3);
    assert_string_equal(json_uid(kube_cache_get(v->c, "m", "a")), "7");
    assert_string_equal(json_uid(kube_cache_get(v->c, "n", "a")), "1");
    assert_null(kube_cache_get(v->c, "x", "b"));
    kube_cache_each(v->c, count, &order);
    assert_string_equal(str_text(&order), "n/a m/a m/b ");
    close_view(v);
}

static void several_may_be_stopped_from_inside_a_change(void **state)
{
    static const char *const spaces[] = {"m", "n", NULL};
    struct view *v = mem_zero(sizeof *v);

    (void)state;
    v->s = script_new();
    v->k = script_kube(v->s);
    v->s->serve = serve_two;
    v->s->ctx = v;
    v->stop_at_add = true;
    v->c = kube_watch_several(v->k, KUBE_POD, spaces, NULL, NULL, on_change, v);
    script_run(v->s, 1000);
    expect(v, "+a@4");
    assert_false(kube_busy(v->k));
    close_view(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_namespaces_are_one_cache),
        cmocka_unit_test(several_may_be_stopped_from_inside_a_change),
        cmocka_unit_test(a_list_then_its_changes),
        cmocka_unit_test(old_news_changes_nothing),
        cmocka_unit_test(our_own_writes_are_known_at_once_and_never_come_back_from_the_dead),
        cmocka_unit_test(what_a_list_read_apart_does_not_show_is_gone),
        cmocka_unit_test(a_reborn_name_is_gone_and_then_added),
        cmocka_unit_test(a_watch_that_ends_goes_on_where_it_was),
        cmocka_unit_test(a_silent_watch_is_made_anew),
        cmocka_unit_test(compacted_history_is_listed_again_and_the_difference_told),
        cmocka_unit_test(refusals_back_off_and_are_visible),
        cmocka_unit_test(a_list_from_the_past_is_not_believed_until_it_stays),
        cmocka_unit_test(a_first_list_that_fails_comes_later),
        cmocka_unit_test(it_may_be_stopped_from_inside_a_change),
        cmocka_unit_test(a_walk_is_in_order_of_namespace_and_name),
        cmocka_unit_test(a_walk_by_the_end_of_names_stays_in_its_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
