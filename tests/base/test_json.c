/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/frame.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *j = json_parse(text, strlen(text), &err);

    if (!j)
        fail_msg("%s: %s", text, err.msg);
    return j;
}

static void long_integers_keep_their_digits(void **state)
{
    const char *text = "{\"s\":\"12345678901234567890\",\"n\":18446744073709551615,\"f\":0.5,\"i\":-7}";
    auto_json cJSON *j = parse(text);
    auto_free char *out = json_print(j);

    (void)state;
    assert_string_equal(out, text);
    assert_int_equal(json_int(j, "i", 0), -7);
}

static void garbage_is_refused(void **state)
{
    static const char *const bad[] = {"", "{", "{\"a\":1}x", "[1,]", "nul"};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(json_parse(bad[i], strlen(bad[i]), &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void merge_patch_and_its_diff_agree(void **state)
{
    auto_json cJSON *from = parse("{\"a\":1,\"b\":{\"c\":2,\"d\":3},\"l\":[1,2]}");
    auto_json cJSON *to = parse("{\"b\":{\"c\":2,\"e\":null,\"f\":\"x\"},\"l\":[2],\"z\":{}}");
    auto_json cJSON *want = parse("{\"b\":{\"c\":2,\"f\":\"x\"},\"l\":[2],\"z\":{}}");
    auto_json cJSON *patch = json_diff_patch(from, to);

    (void)state;
    json_merge_patch(&from, patch);
    assert_true(json_same(from, want));
    assert_null(json_diff_patch(from, want));
}

static void paths_and_equality(void **state)
{
    auto_json cJSON *j = parse("{\"metadata\":{\"name\":\"x\",\"labels\":{\"a.b/c\":\"1\"}},\"l\":[{\"k\":5}]}");
    auto_json cJSON *k = parse("{\"l\":[{\"k\":5}],\"metadata\":{\"labels\":{\"a.b/c\":\"1\"},\"name\":\"x\"}}");

    (void)state;
    assert_string_equal(json_name(j), "x");
    assert_string_equal(json_label(j, "a.b/c"), "1");
    assert_int_equal(json_int(j, "l.0.k", 0), 5);
    assert_true(json_same(j, k));
}

static void frames_come_back_whole(void **state)
{
    auto_str struct str s = STR_INIT;
    struct frame f;
    struct err err = ERR_INIT;
    size_t used = 0;

    (void)state;
    frame_put(&s, 7, 3, 9, "{}", 2);
    for (size_t n = 0; n < s.len; n++) {
        struct str part = {s.s, n, s.cap};
        assert_int_equal(frame_get(&part, &f, &used, &err), 0);
    }
    assert_int_equal(frame_get(&s, &f, &used, &err), 1);
    assert_int_equal(used, s.len);
    assert_int_equal(f.type, 7);
    assert_int_equal(f.task, 3);
    assert_int_equal(f.seq, 9);
    assert_memory_equal(f.body, "{}", 2);
    memset(s.s, 0xff, 4);
    assert_int_equal(frame_get(&s, &f, &used, &err), -1);
}

static void globs_bools_and_digests(void **state)
{
    auto_free char *sha = hash_sha256_hex("abc", 3);
    auto_free char *b64 = hash_base64("abcd", 4);
    size_t n = 0;
    auto_free unsigned char *back = hash_unbase64(b64, &n);

    (void)state;
    assert_true(str_glob("settings/*", "settings/logger/level"));
    assert_true(str_glob("files/config.d/*dict*.xml", "files/config.d/my_dict_1.xml"));
    assert_false(str_glob("settings/logger", "settings/logger/level"));
    assert_int_equal(str_bool("Enabled"), 1);
    assert_int_equal(str_bool("off"), 0);
    assert_int_equal(str_bool(""), -1);
    assert_string_equal(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(b64, "YWJjZA==");
    assert_int_equal(n, 4);
    assert_memory_equal(back, "abcd", 4);
}

static void copies_outlive_an_object_with_shared_names(void **state)
{
    cJSON *a = cJSON_Parse("{\"spec\":{\"shared\":[{\"image\":\"x\"}]}}"), *b = cJSON_Parse("{\"spec\":{\"image\":\"y\"}}");
    auto_json cJSON *copy = NULL;

    (void)state;
    json_share_names(a);
    json_share_names(b);
    json_share_names(b);
    assert_ptr_equal(json_at(a, "spec.shared.0.image")->string, json_at(b, "spec.image")->string);
    copy = json_copy(a);
    json_set_str(json_at(a, "spec.shared.0"), "image", "z");
    cJSON_Delete(a);
    cJSON_Delete(b);
    assert_string_equal(json_str(copy, "spec.shared.0.image", ""), "x");
    json_set_str(json_at(copy, "spec.shared.0"), "image", "w");
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "spec");
    assert_null(json_get(copy, "spec"));
}

static cJSON *pod(const char *name, int port)
{
    auto_free char *text = mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"x\",\"empty\":{}}},\"spec\":{\"containers\":["
                                      "{\"name\":\"c\",\"ports\":[{\"port\":%d,\"tcp\":true}],\"env\":[\"a\",1.5,null]}]}}", name, port);

    return cJSON_Parse(text);
}

static void kept_trees_share_what_is_equal_and_nothing_else(void **state)
{
    const cJSON *a = json_keep(pod("a", 1)), *b = json_keep(pod("b", 1)), *c = json_keep(pod("c", 2));
    auto_json cJSON *was = pod("c", 2), *copy = json_copy(b);

    (void)state;
    assert_ptr_equal(json_at(a, "spec.containers.0"), json_at(b, "spec.containers.0"));
    assert_ptr_equal(json_at(a, "metadata.labels.app"), json_at(c, "metadata.labels.app"));
    assert_ptr_not_equal(json_at(a, "spec.containers.0"), json_at(c, "spec.containers.0"));
    assert_ptr_equal(json_at(a, "spec.containers.0.env.1"), json_at(c, "spec.containers.0.env.1"));
    assert_string_equal(json_name(b), "b");
    json_keep_no_more(a);
    json_keep_no_more(b);
    assert_true(json_same(c, was));
    json_keep_no_more(c);
    assert_string_equal(json_name(copy), "b");
    json_set_str(json_at(copy, "spec.containers.0"), "name", "other");
    assert_int_equal(json_int(copy, "spec.containers.0.ports.0.port", 0), 1);
    json_keep_no_more(json_keep(NULL));
}

/* A part is found again also after the table has grown and shrunk, and a name beyond those that are shared is its own. */
static void thousands_of_trees_are_kept_and_let_go(void **state)
{
    const cJSON *kept[3000];
    char name[40];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        kept[i] = json_keep(pod(name, i % 50));
    }
    for (int i = 0; i < 3000; i += 2)
        json_keep_no_more(kept[i]);
    for (int i = 1; i < 3000; i += 2) {
        snprintf(name, sizeof name, "n%d", i);
        assert_string_equal(json_name(kept[i]), name);
        assert_int_equal(json_int(kept[i], "spec.containers.0.ports.0.port", -1), i % 50);
        if (i >= 51)
            assert_ptr_equal(json_at(kept[i], "spec.containers.0"), json_at(kept[i - 50], "spec.containers.0"));
    }
    for (int i = 1; i < 3000; i += 2)
        json_keep_no_more(kept[i]);
}

static void endless_names_are_not_all_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 6000; i++) {
        auto_json cJSON *j = cJSON_CreateObject();
        auto_free char *name = mem_printf("name-%d", i);

        json_set_int(j, name, i);
        json_share_names(j);
        assert_int_equal(json_int(j, name, -1), i);
        assert_true(i < 5000 || !(j->child->type & cJSON_StringIsConst));
    }
}

static void an_item_goes_where_it_is_told(void **state)
{
    auto_json cJSON *list = cJSON_CreateArray();
    auto_free char *text = NULL;

    (void)state;
    json_insert(list, 0, cJSON_CreateNumber(4));
    json_insert(list, 0, cJSON_CreateNumber(1));
    json_insert(list, 1, cJSON_CreateNumber(3));
    json_insert(list, 1, cJSON_CreateNumber(2));
    json_insert(list, 9, cJSON_CreateNumber(5));
    text = json_print(list);
    assert_string_equal(text, "[1,2,3,4,5]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_integers_keep_their_digits), cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(merge_patch_and_its_diff_agree),  cmocka_unit_test(paths_and_equality),
        cmocka_unit_test(frames_come_back_whole),          cmocka_unit_test(globs_bools_and_digests),
        cmocka_unit_test(an_item_goes_where_it_is_told),
        cmocka_unit_test(copies_outlive_an_object_with_shared_names), cmocka_unit_test(endless_names_are_not_all_kept),
        cmocka_unit_test(kept_trees_share_what_is_equal_and_nothing_else), cmocka_unit_test(thousands_of_trees_are_kept_and_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
