/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "cli/merge.h"

static cJSON *parse(const char *text)
{
    cJSON *j = json_parse(text, strlen(text), NULL);

    assert_non_null(j);
    return j;
}

/* Applies `first`, lets `others` change it, applies `second`; returns the object then. */
static cJSON *apply_twice(const char *first, const char *others, const char *second, cJSON **patch_out)
{
    auto_json cJSON *other_patch = parse(others);
    cJSON *live = parse(first), *wanted = parse(second), *patch;

    merge_note(live);
    json_merge_patch(&live, other_patch);
    merge_note(wanted);
    patch = merge_patch(live, wanted);
    if (patch)
        json_merge_patch(&live, patch);
    cJSON_Delete(wanted);
    if (patch_out)
        *patch_out = patch;
    else
        cJSON_Delete(patch);
    return live;
}

static void same_file_twice_sends_nothing(void **state)
{
    const char *file = "{\"metadata\":{\"name\":\"a\",\"annotations\":{\"x\":\"1\"}},\"spec\":{\"n\":1,\"list\":[{\"a\":1}]}}";
    auto_json cJSON *patch = NULL;
    auto_json cJSON *live = apply_twice(file, "{\"metadata\":{\"uid\":\"u\"},\"status\":{\"ok\":true}}", file, &patch);

    (void)state;
    assert_null(patch);
    assert_string_equal(json_str(live, "metadata.uid", ""), "u");
}

static void what_others_wrote_stays(void **state)
{
    auto_json cJSON *live = apply_twice("{\"spec\":{\"a\":1}}", "{\"spec\":{\"theirs\":7},\"status\":{\"s\":1}}",
                                        "{\"spec\":{\"a\":2}}", NULL);

    (void)state;
    assert_int_equal(json_int(live, "spec.a", 0), 2);
    assert_int_equal(json_int(live, "spec.theirs", 0), 7);
    assert_int_equal(json_int(live, "status.s", 0), 1);
}

static void a_field_taken_out_of_the_file_goes(void **state)
{
    auto_json cJSON *live = apply_twice("{\"spec\":{\"a\":1,\"deep\":{\"b\":1,\"c\":2}}}", "{\"spec\":{\"theirs\":7}}",
                                        "{\"spec\":{\"deep\":{\"c\":2}}}", NULL);

    (void)state;
    assert_null(json_at(live, "spec.a"));
    assert_null(json_at(live, "spec.deep.b"));
    assert_int_equal(json_int(live, "spec.deep.c", 0), 2);
    assert_int_equal(json_int(live, "spec.theirs", 0), 7);
}

static void removing_what_is_gone_already_sends_only_the_note(void **state)
{
    auto_json cJSON *patch = NULL;
    auto_json cJSON *live = apply_twice("{\"spec\":{\"a\":1,\"b\":2}}", "{\"spec\":{\"a\":null}}", "{\"spec\":{\"b\":2}}", &patch);

    (void)state;
    assert_null(json_at(live, "spec.a"));
    assert_null(json_at(patch, "spec"));
    assert_non_null(json_at(patch, "metadata.annotations"));
}

static void a_list_is_replaced_whole(void **state)
{
    auto_json cJSON *live = apply_twice("{\"spec\":{\"l\":[1,2,3]}}", "{}", "{\"spec\":{\"l\":[3]}}", NULL);

    (void)state;
    assert_int_equal(cJSON_GetArraySize(json_at(live, "spec.l")), 1);
}

static void without_a_note_nothing_is_removed(void **state)
{
    auto_json cJSON *live = parse("{\"spec\":{\"a\":1,\"b\":2}}");
    auto_json cJSON *wanted = parse("{\"spec\":{\"b\":3}}");
    auto_json cJSON *patch = NULL;

    (void)state;
    merge_note(wanted);
    patch = merge_patch(live, wanted);
    assert_int_equal(json_int(patch, "spec.b", 0), 3);
    assert_null(json_at(patch, "spec.a"));
}

static void the_note_is_kubectls(void **state)
{
    auto_json cJSON *obj = parse("{\"spec\":{\"b\":1,\"a\":2},\"metadata\":{\"name\":\"n\",\"namespace\":\"d\"},\"kind\":\"K\"}");

    (void)state;
    merge_note(obj);
    merge_note(obj); /* the note does not hold itself */
    assert_string_equal(json_annotation(obj, MERGE_NOTE),
                        "{\"kind\":\"K\",\"metadata\":{\"annotations\":{},\"name\":\"n\",\"namespace\":\"d\"},\"spec\":{\"a\":2,\"b\":1}}\n");
}

static void big_numbers_keep_their_digits(void **state)
{
    auto_json cJSON *live = apply_twice("{\"spec\":{\"n\":1}}", "{}", "{\"spec\":{\"n\":18446744073709551615}}", NULL);
    auto_free char *text = json_print(json_at(live, "spec.n"));

    (void)state;
    assert_string_equal(text, "18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_file_twice_sends_nothing),
        cmocka_unit_test(what_others_wrote_stays),
        cmocka_unit_test(a_field_taken_out_of_the_file_goes),
        cmocka_unit_test(removing_what_is_gone_already_sends_only_the_note),
        cmocka_unit_test(a_list_is_replaced_whole),
        cmocka_unit_test(without_a_note_nothing_is_removed),
        cmocka_unit_test(the_note_is_kubectls),
        cmocka_unit_test(big_numbers_keep_their_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
