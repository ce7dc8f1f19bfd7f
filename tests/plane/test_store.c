/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/store.h"
#include "tests/plane/mini.h"

struct bed {
    struct world *w;
    struct store *s;
    struct err err;
};

static int setup(void **state)
{
    struct bed *b = mem_zero(sizeof *b);

    b->w = mini_new(7);
    *state = b;
    return store_open(b->w, ":memory:", &b->s, &b->err);
}

static int teardown(void **state)
{
    struct bed *b = *state;

    store_close(b->s);
    mini_free(b->w);
    free(b);
    return 0;
}

static cJSON *parse(const char *text)
{
    cJSON *j = json_parse(text, strlen(text), NULL);

    assert_non_null(j);
    return j;
}

static cJSON *config_map(const char *name, const char *value)
{
    cJSON *j = store_new_object(PK_CM, "default", name);

    json_set_str(json_set_obj(j, "data"), "k", value);
    return j;
}

static const cJSON *make(struct bed *b, enum plane_kind kind, cJSON *obj)
{
    const cJSON *out = NULL;

    if (store_create(b->s, kind, obj, 0, &out, &b->err) < 0)
        fail_msg("%s", b->err.msg);
    return out;
}

static cJSON *stateful_set(const char *name)
{
    auto_free char *text = mem_printf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\"},\"spec\":{"
                                      "\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
                                      "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":["
                                      "{\"name\":\"c\",\"image\":\"i:1\"}]}}}}",
                                      name);

    return parse(text);
}

static cJSON *pod(const char *name, const char *node)
{
    cJSON *p = store_new_object(PK_POD, "default", name), *spec = json_set_obj(p, "spec"), *c = cJSON_CreateObject();

    json_set_str(c, "name", "c");
    json_set_str(c, "image", "i");
    cJSON_AddItemToArray(json_set_arr(spec, "containers"), c);
    json_set_str(spec, "nodeName", node);
    return p;
}

static void an_object_gets_identity_and_defaults(void **state)
{
    struct bed *b = *state;
    const cJSON *o = make(b, PK_STS, stateful_set("x"));

    assert_int_equal(strlen(json_uid(o)), 36);
    assert_string_not_equal(json_rv(o), "");
    assert_int_equal(json_int(o, "metadata.generation", 0), 1);
    assert_string_equal(json_str(o, "spec.podManagementPolicy", ""), "OrderedReady");
    assert_int_equal(json_int(o, "spec.replicas", 0), 1);
    assert_string_equal(json_str(o, "spec.template.spec.dnsPolicy", ""), "ClusterFirst");
    assert_string_equal(json_str(o, "spec.template.spec.containers.0.imagePullPolicy", ""), "IfNotPresent");
    assert_non_null(json_at(o, "spec.template.spec.securityContext"));
}

static void a_name_is_taken_once(void **state)
{
    struct bed *b = *state;

    make(b, PK_CM, config_map("x", "1"));
    assert_int_equal(store_create(b->s, PK_CM, config_map("x", "2"), 0, NULL, &b->err), -1);
    assert_int_equal(b->err.kind, ERR_CONFLICT);
    assert_string_equal(store_why(b->s)->reason, "AlreadyExists");
    assert_string_equal(json_str(store_get(b->s, PK_CM, "default", "x"), "data.k", ""), "1");
}

static void a_write_that_changes_nothing_keeps_the_version(void **state)
{
    struct bed *b = *state;
    auto_free char *rv = NULL;
    const cJSON *out;

    rv = mem_str(json_rv(make(b, PK_CM, config_map("x", "1"))));
    assert_int_equal(store_update(b->s, PK_CM, config_map("x", "1"), 0, &out, &b->err), 0);
    assert_string_equal(json_rv(out), rv);
    assert_int_equal(store_update(b->s, PK_CM, config_map("x", "2"), 0, &out, &b->err), 0);
    assert_string_not_equal(json_rv(out), rv);
}

static void an_old_version_or_a_wrong_uid_conflicts(void **state)
{
    struct bed *b = *state;
    cJSON *stale = json_copy(make(b, PK_CM, config_map("x", "1"))), *other;
    struct store_delete d = {.grace_s = -1, .uid = "nobody"};

    assert_int_equal(store_update(b->s, PK_CM, config_map("x", "2"), 0, NULL, &b->err), 0);
    json_set_str(json_get(stale, "data"), "k", "3");
    assert_int_equal(store_update(b->s, PK_CM, stale, 0, NULL, &b->err), -1);
    assert_string_equal(store_why(b->s)->reason, "Conflict");
    other = config_map("x", "4");
    json_set_str(json_get(other, "metadata"), "uid", "nobody");
    assert_int_equal(store_update(b->s, PK_CM, other, 0, NULL, &b->err), -1);
    assert_int_equal(store_why(b->s)->code, 409);
    assert_int_equal(store_delete(b->s, PK_CM, "default", "x", &d, NULL, NULL, &b->err), -1);
    assert_non_null(store_get(b->s, PK_CM, "default", "x"));
}

static void generation_counts_spec_only(void **state)
{
    struct bed *b = *state;
    auto_json cJSON *label = parse("{\"metadata\":{\"labels\":{\"x\":\"y\"}}}"),
                    *scale = parse("{\"spec\":{\"replicas\":3}}");
    auto_json cJSON *status = parse("{\"spec\":{\"replicas\":9},\"status\":{\"replicas\":2}}");
    const cJSON *o;

    make(b, PK_STS, stateful_set("x"));
    assert_int_equal(store_patch(b->s, PK_STS, "default", "x", label, 0, &o, &b->err), 0);
    assert_int_equal(json_int(o, "metadata.generation", 0), 1);
    assert_int_equal(store_patch(b->s, PK_STS, "default", "x", scale, 0, &o, &b->err), 0);
    assert_int_equal(json_int(o, "metadata.generation", 0), 2);
    assert_int_equal(store_patch(b->s, PK_STS, "default", "x", status, STORE_STATUS, &o, &b->err), 0);
    assert_int_equal(json_int(o, "metadata.generation", 0), 2);
    assert_int_equal(json_int(o, "spec.replicas", 0), 3);
    assert_int_equal(json_int(o, "status.replicas", 0), 2);
    assert_int_equal(store_patch(b->s, PK_STS, "default", "x", status, 0, &o, &b->err), 0);
    assert_int_equal(json_int(o, "spec.replicas", 0), 9);
}

static void immutable_fields_stay(void **state)
{
    struct bed *b = *state;
    auto_json cJSON *name = parse("{\"spec\":{\"serviceName\":\"other\"}}");

    make(b, PK_STS, stateful_set("x"));
    assert_int_equal(store_patch(b->s, PK_STS, "default", "x", name, 0, NULL, &b->err), -1);
    assert_int_equal(store_why(b->s)->code, 422);
    assert_non_null(strstr(b->err.msg, "Forbidden: updates to statefulset spec for fields other than"));
    assert_int_equal(cJSON_GetArraySize(store_why(b->s)->causes), 1);
}

static void a_claim_cannot_shrink(void **state)
{
    struct bed *b = *state;
    auto_json cJSON *less = parse("{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"900Mi\"}}}}");
    auto_json cJSON *more = parse("{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}");
    auto_json cJSON *bound = parse("{\"status\":{\"phase\":\"Bound\"}}");

    make(b, PK_PVC,
         parse("{\"metadata\":{\"name\":\"x\",\"namespace\":\"default\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
               "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}"));
    assert_int_equal(store_patch(b->s, PK_PVC, "default", "x", less, 0, NULL, &b->err), -1);
    /* nor grow before it has a volume */
    assert_int_equal(store_patch(b->s, PK_PVC, "default", "x", more, 0, NULL, &b->err), -1);
    assert_int_equal(store_patch(b->s, PK_PVC, "default", "x", bound, STORE_STATUS, NULL, &b->err), 0);
    assert_int_equal(store_patch(b->s, PK_PVC, "default", "x", less, 0, NULL, &b->err), -1);
    assert_int_equal(store_patch(b->s, PK_PVC, "default", "x", more, 0, NULL, &b->err), 0);
}

static void a_finalizer_holds_the_object(void **state)
{
    struct bed *b = *state;
    cJSON *o = config_map("x", "1");
    auto_json cJSON *free_it = parse("{\"metadata\":{\"finalizers\":null}}"),
                    *more = parse("{\"metadata\":{\"finalizers\":[\"a/b\",\"c/d\"]}}");
    bool gone = true;

    json_add_str(json_set_arr(json_get(o, "metadata"), "finalizers"), "a/b");
    make(b, PK_CM, o);
    assert_int_equal(store_delete(b->s, PK_CM, "default", "x", NULL, NULL, &gone, &b->err), 0);
    assert_false(gone);
    assert_non_null(json_at(store_get(b->s, PK_CM, "default", "x"), "metadata.deletionTimestamp"));
    assert_int_equal(store_patch(b->s, PK_CM, "default", "x", more, 0, NULL, &b->err), -1);
    assert_int_equal(store_patch(b->s, PK_CM, "default", "x", free_it, 0, NULL, &b->err), 0);
    assert_null(store_get(b->s, PK_CM, "default", "x"));
}

static void a_pod_on_a_node_is_ended_by_the_node(void **state)
{
    struct bed *b = *state;
    struct store_delete now = {.grace_s = 0};
    bool gone = true;

    make(b, PK_POD, pod("free", NULL));
    make(b, PK_POD, pod("placed", "n1"));
    store_delete(b->s, PK_POD, "default", "free", NULL, NULL, &gone, &b->err);
    assert_true(gone);
    store_delete(b->s, PK_POD, "default", "placed", NULL, NULL, &gone, &b->err);
    assert_false(gone);
    assert_int_equal(json_int(store_get(b->s, PK_POD, "default", "placed"), "metadata.deletionGracePeriodSeconds", 0),
                     30);
    store_delete(b->s, PK_POD, "default", "placed", &now, NULL, &gone, &b->err);
    assert_true(gone);
}

static cJSON *owned(const char *name, const cJSON *owner)
{
    cJSON *o = config_map(name, "1");

    store_set_controller(o, owner);
    return o;
}

static void dependents_go_with_their_owner(void **state)
{
    struct bed *b = *state;

    make(b, PK_CM, owned("child", make(b, PK_CM, config_map("owner", "1"))));
    mini_run(b->w, 10);
    assert_non_null(store_get(b->s, PK_CM, "default", "child"));
    assert_int_equal(store_delete(b->s, PK_CM, "default", "owner", NULL, NULL, NULL, &b->err), 0);
    mini_run(b->w, 10);
    assert_null(store_get(b->s, PK_CM, "default", "child"));
}

static void orphans_stay_and_lose_the_reference(void **state)
{
    struct bed *b = *state;
    struct store_delete d = {.grace_s = -1, .propagation = "Orphan"};

    make(b, PK_CM, owned("child", make(b, PK_CM, config_map("owner", "1"))));
    assert_int_equal(store_delete(b->s, PK_CM, "default", "owner", &d, NULL, NULL, &b->err), 0);
    mini_run(b->w, 10);
    assert_null(store_get(b->s, PK_CM, "default", "owner"));
    assert_non_null(store_get(b->s, PK_CM, "default", "child"));
    assert_null(json_at(store_get(b->s, PK_CM, "default", "child"), "metadata.ownerReferences"));
}

static void foreground_waits_for_dependents(void **state)
{
    struct bed *b = *state;
    struct store_delete d = {.grace_s = -1, .propagation = "Foreground"};
    cJSON *child = owned("child", make(b, PK_CM, config_map("owner", "1")));
    auto_json cJSON *free_it = parse("{\"metadata\":{\"finalizers\":null}}");

    json_add_str(json_set_arr(json_get(child, "metadata"), "finalizers"), "hold/it");
    make(b, PK_CM, child);
    assert_int_equal(store_delete(b->s, PK_CM, "default", "owner", &d, NULL, NULL, &b->err), 0);
    mini_run(b->w, 10);
    assert_non_null(store_get(b->s, PK_CM, "default", "owner"));
    assert_non_null(json_at(store_get(b->s, PK_CM, "default", "child"), "metadata.deletionTimestamp"));
    assert_int_equal(store_patch(b->s, PK_CM, "default", "child", free_it, 0, NULL, &b->err), 0);
    mini_run(b->w, 10);
    assert_null(store_get(b->s, PK_CM, "default", "child"));
    assert_null(store_get(b->s, PK_CM, "default", "owner"));
}

static void a_namespace_takes_its_content_along(void **state)
{
    struct bed *b = *state;
    cJSON *o = config_map("x", "1");

    make(b, PK_NS, store_new_object(PK_NS, NULL, "n"));
    json_set_str(json_get(o, "metadata"), "namespace", "n");
    make(b, PK_CM, o);
    assert_int_equal(store_delete(b->s, PK_NS, NULL, "n", NULL, NULL, NULL, &b->err), 0);
    o = config_map("y", "1");
    json_set_str(json_get(o, "metadata"), "namespace", "n");
    assert_int_equal(store_create(b->s, PK_CM, o, 0, NULL, &b->err), -1);
    assert_int_equal(store_why(b->s)->code, 403);
    mini_run(b->w, 10);
    assert_null(store_get(b->s, PK_CM, "n", "x"));
    assert_null(store_get(b->s, PK_NS, NULL, "n"));
    assert_int_equal(store_delete(b->s, PK_NS, NULL, "default", NULL, NULL, NULL, &b->err), -1);
}

struct heard {
    struct str text;
    struct store *s;
    bool write_once;
};

static void hear(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct heard *h = ctx;

    str_addf(&h->text, "%c%s%s ", "ACGS"[what], obj ? json_name(obj) : "", old ? "+" : "");
    if (h->write_once && what == STORE_ADDED) {
        h->write_once = false;
        store_update(h->s, PK_CM, config_map(json_name(obj), "changed"), 0, NULL, NULL);
    }
}

static void subscribers_hear_everything_once_and_in_order(void **state)
{
    struct bed *b = *state;
    struct heard h = {STR_INIT, b->s, true};
    struct store_sub *sub;

    make(b, PK_CM, config_map("a", "1"));
    sub = store_subscribe(b->s, PK_CM, hear, &h);
    assert_int_equal(h.text.len, 0);
    mini_run(b->w, 1);
    assert_string_equal(str_text(&h.text), "Aa S Ca+ ");
    make(b, PK_CM, config_map("b", "1"));
    store_delete(b->s, PK_CM, "default", "a", NULL, NULL, NULL, &b->err);
    mini_run(b->w, 1);
    assert_string_equal(str_text(&h.text), "Aa S Ca+ Ab Ga ");
    store_unsubscribe(sub);
    make(b, PK_CM, config_map("c", "1"));
    mini_run(b->w, 1);
    assert_string_equal(str_text(&h.text), "Aa S Ca+ Ab Ga ");
    str_free(&h.text);
}

static void events_are_counted_and_expire(void **state)
{
    struct bed *b = *state;
    const cJSON *o = make(b, PK_CM, config_map("x", "1"));

    store_event(b->s, "test", o, true, "Bad", "it is %d", 7);
    store_event(b->s, "test", o, true, "Bad", "it is %d", 7);
    store_event(b->s, "test", o, false, "Good", "fine");
    assert_int_equal(store_count(b->s, PK_EVENT), 2);
    mini_run(b->w, 2 * 3600 * 1000);
    assert_int_equal(store_count(b->s, PK_EVENT), 0);
}

static void bad_names_are_refused_with_the_field(void **state)
{
    static const char *const bad[] = {"", "A", "a_b", "-a", "a-", "a..b", "a/b", "é"};
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(store_create(b->s, PK_CM, config_map(bad[i], "1"), 0, NULL, &b->err), -1);
        assert_int_equal(store_why(b->s)->code, 422);
        assert_string_equal(json_str(store_why(b->s)->causes->child, "field", ""), "metadata.name");
    }
}

/* ---- on disk ---- */

static void remove_files(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};

    for (int i = 0; i < 4; i++) {
        auto_free char *name = mem_printf("%s%s", path, tails[i]);

        unlink(name);
    }
}

static char *temp_path(void)
{
    const char *dir = getenv("TMPDIR");

    return mem_printf("%s/plane-store-%d.db", dir ? dir : "/tmp", (int)getpid());
}

static void objects_and_versions_outlive_the_process(void **state)
{
    struct bed *b = *state;
    auto_free char *path = temp_path(), *uid = NULL;
    struct store *s = NULL;
    struct stat st;
    uint64_t rv;

    remove_files(path);
    assert_int_equal(store_open(b->w, path, &s, &b->err), 0);
    assert_int_equal(store_create(s, PK_CM, config_map("x", "1"), 0, NULL, &b->err), 0);
    assert_int_equal(store_create(s, PK_CM, config_map("y", "1"), 0, NULL, &b->err), 0);
    assert_int_equal(store_delete(s, PK_CM, "default", "y", NULL, NULL, NULL, &b->err), 0);
    uid = mem_str(json_uid(store_get(s, PK_CM, "default", "x")));
    rv = store_rv(s);
    store_close(s);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(store_open(b->w, path, &s, &b->err), 0);
    assert_string_equal(json_uid(store_get(s, PK_CM, "default", "x")), uid);
    assert_null(store_get(s, PK_CM, "default", "y"));
    assert_true(store_rv(s) >= rv);
    store_close(s);
    remove_files(path);
}

static void a_full_disk_refuses_writes_and_loses_nothing(void **state)
{
    struct bed *b = *state;
    auto_free char *path = temp_path(), *wal = mem_printf("%s-wal", path), *big = mem_zero(60001);
    struct rlimit old, tight;
    struct store *s = NULL;
    struct stat st;

    remove_files(path);
    memset(big, 'x', 60000);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(store_open(b->w, path, &s, &b->err), 0);
    assert_int_equal(store_create(s, PK_CM, config_map("before", "1"), 0, NULL, &b->err), 0);
    assert_int_equal(store_flush(s, &b->err), 0);
    assert_int_equal(stat(wal, &st), 0);
    getrlimit(RLIMIT_FSIZE, &old);
    tight = (struct rlimit){(rlim_t)st.st_size, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    assert_int_equal(store_create(s, PK_CM, config_map("during", big), 0, NULL, &b->err), 0);
    assert_int_equal(store_flush(s, &b->err), -1);
    assert_int_equal(b->err.kind, ERR_AGAIN);
    assert_int_equal(store_create(s, PK_CM, config_map("refused", "1"), 0, NULL, &b->err), -1);
    assert_int_equal(store_why(s)->code, 503);
    setrlimit(RLIMIT_FSIZE, &old);
    mini_run(b->w, 1100);
    assert_int_equal(store_create(s, PK_CM, config_map("after", "1"), 0, NULL, &b->err), 0);
    store_close(s);
    assert_int_equal(store_open(b->w, path, &s, &b->err), 0);
    assert_non_null(store_get(s, PK_CM, "default", "before"));
    assert_non_null(store_get(s, PK_CM, "default", "during"));
    assert_non_null(store_get(s, PK_CM, "default", "after"));
    assert_null(store_get(s, PK_CM, "default", "refused"));
    store_close(s);
    remove_files(path);
}

static void a_foreign_file_is_refused(void **state)
{
    struct bed *b = *state;
    auto_free char *path = temp_path();
    struct store *s = NULL;
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs("this is no database, and it is longer than the head of one: it goes on and on and on and on and on and on.",
          f);
    fclose(f);
    assert_int_equal(store_open(b->w, path, &s, &b->err), -1);
    assert_int_equal(b->err.kind, ERR_INPUT);
    assert_non_null(strstr(b->err.msg, path));
    remove_files(path);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_object_gets_identity_and_defaults),
        T(a_name_is_taken_once),
        T(a_write_that_changes_nothing_keeps_the_version),
        T(an_old_version_or_a_wrong_uid_conflicts),
        T(generation_counts_spec_only),
        T(immutable_fields_stay),
        T(a_claim_cannot_shrink),
        T(a_finalizer_holds_the_object),
        T(a_pod_on_a_node_is_ended_by_the_node),
        T(dependents_go_with_their_owner),
        T(orphans_stay_and_lose_the_reference),
        T(foreground_waits_for_dependents),
        T(a_namespace_takes_its_content_along),
        T(subscribers_hear_everything_once_and_in_order),
        T(events_are_counted_and_expire),
        T(bad_names_are_refused_with_the_field),
        T(objects_and_versions_outlive_the_process),
        T(a_full_disk_refuses_writes_and_loses_nothing),
        T(a_foreign_file_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
