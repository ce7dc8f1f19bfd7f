/* SPDX-License-Identifier: Apache-2.0 */
/* The packed form: lossless for anything, small for what rollouts write, and harmless when damaged; retention. */
#include "tests/journal/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "journal/archive.h"
#include "journal/internal.h"
#include "journal/pack.h"

struct fixture {
    struct kit_world world;
    char *dir;
    struct journal *j;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);

    kit_world_init(&f->world);
    f->dir = kit_dir_new();
    f->j = kit_open(&f->world, f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    journal_close(f->j);
    kit_dir_remove(f->dir);
    free(f);
    return 0;
}

static void begin(struct fixture *f)
{
    assert_int_equal(journal_db_exec(&f->j->writer.db, "BEGIN", NULL), 0); /* words are added without a sync for each */
}

static size_t back_and_forth(struct fixture *f, const cJSON *j)
{
    auto_str struct str pack = STR_INIT;
    auto_json cJSON *again = NULL;
    auto_free char *want = json_print(j), *got = NULL;
    struct err err = ERR_INIT;

    if (journal_pack(j, &f->j->writer.db, &pack, &err) < 0)
        fail_msg("%s", err.msg);
    again = journal_unpack(pack.s, pack.len, &f->j->writer.db, &err);
    if (!again)
        fail_msg("%s: %s", err.msg, want);
    got = json_print(again);
    assert_string_equal(got, want);
    return pack.len;
}

static size_t text_back_and_forth(struct fixture *f, const char *text)
{
    auto_json cJSON *j = cJSON_CreateString(text);

    return back_and_forth(f, j);
}

static void every_kind_of_string_comes_back(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "a",
        "ab",
        "0",
        "00",
        "7",
        "63",
        "64",
        "007",
        "18446744073709551615",
        "999999999999999",
        "1000000000000000",
        "-5",
        "3.05 s",
        "x 007 y 08",
        "ns/inst/c/0/1",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "6BA7B810-9dad-11d1-80b4-00c04fd430c8",
        "2026-01-02T03:04:05Z",
        "2026-02-30T03:04:05Z",
        "2026-01-02T03:04:05.1Z",
        "1969-01-02T03:04:05Z",
        "containerd://9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "abcdefabcdefabcdefabc",
        "xabcdefabcdefabcdefy0123456789abcdef0123z",
        "größer „als“ gedacht",
        "line\nbreak\ttab",
        "\x01\x1f",
        "a\x1f"
        "b c",
        "two  blanks ",
        " 12 of 13 ",
        "{\"not\":json",
        "99999999999999999999 of 3",
        "killed query chfleet-12-40-stop-1 of 9f86d081884c7d659a2feaa0c55ad015 after 3 s",
    };
    struct fixture *f = *state;

    begin(f);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        text_back_and_forth(f, texts[i]);
}

static void long_strings_of_many_parts_come_back(void **state)
{
    struct fixture *f = *state;
    auto_str struct str s = STR_INIT, t = STR_INIT;

    begin(f);
    for (int i = 0; i < 500; i++) {
        str_addf(&s, "x0123456789abcdef%04xz", i);
        str_addf(&t, "word%d and 0123456789abcdef%04x ", i, i);
    }
    text_back_and_forth(f, str_text(&s));
    text_back_and_forth(f, str_text(&t));
}

static void numbers_keep_their_text(void **state)
{
    static const char text[] =
        "[0,1,-1,63,64,-64,1e+300,0.5,-0.25,9007199254740993,18446744073709551615,-9223372036854775808,"
        "[1,1,1,1,1,1,2,2,2,2,2],[5],[],[-3,-3],{\"a\":[null,true,false]}]";
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    auto_json cJSON *j = json_parse(text, sizeof text - 1, &err);

    begin(f);
    assert_non_null(j);
    back_and_forth(f, j);
}

static cJSON *random_value(uint64_t *seed, int depth)
{
    static const char *const words[] = {"leave",
                                        "drain",
                                        "stop",
                                        "ns/a/c/0/1",
                                        "12 of 13 peers",
                                        "",
                                        "x y",
                                        "0",
                                        "77",
                                        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                                        "2026-01-02T03:04:05Z",
                                        "é",
                                        "a0123456789abcdef0123"};
    uint64_t what = kit_random(seed) % (depth > 5 ? 5 : 8);
    int n = (int)(kit_random(seed) % 6);
    cJSON *j;

    if (what < 2)
        return cJSON_CreateString(words[kit_random(seed) % (sizeof words / sizeof *words)]);
    if (what == 2)
        return cJSON_CreateNumber((double)(int64_t)(kit_random(seed) % 2000000) - 1000000);
    if (what == 3)
        return cJSON_CreateNumber((double)(kit_random(seed) % 100000) / 64);
    if (what == 4)
        return kit_random(seed) % 2 ? cJSON_CreateNull() : cJSON_CreateBool(kit_random(seed) % 2);
    j = what == 5 ? cJSON_CreateObject() : cJSON_CreateArray();
    for (int i = 0; i < n; i++) {
        cJSON *v = what == 7 ? cJSON_CreateString(words[kit_random(seed) % 3]) : random_value(seed, depth + 1);
        if (what == 5)
            json_set(j, words[(kit_random(seed) + (uint64_t)i) % (sizeof words / sizeof *words)], v);
        else
            cJSON_AddItemToArray(j, v);
    }
    return j;
}

static void random_documents_come_back(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 20260102;

    begin(f);
    for (int i = 0; i < 3000; i++) {
        auto_json cJSON *j = random_value(&seed, 0);
        back_and_forth(f, j);
    }
}

static void more_words_and_shapes_than_there_is_room_for_come_back(void **state)
{
    struct fixture *f = *state;
    auto_json cJSON *j = cJSON_CreateArray();

    begin(f);
    for (int i = 0; i < 200; i++) {
        cJSON *o = cJSON_CreateObject();
        char key[32];
        snprintf(key, sizeof key, "key%c%c", 'a' + i / 26, 'a' + i % 26);
        json_set_int(o, key, i);
        json_set_int(o, "n", i);
        cJSON_AddItemToArray(j, o);
    }
    back_and_forth(f, j);
    assert_int_equal(journal_db_exec(&f->j->writer.db, "INSERT INTO word VALUES (40000, 'last word')", NULL), 0);
    text_back_and_forth(f, "newword");
    text_back_and_forth(f, "a new sentence of 7 words is 1");
}

/* Damaged rows are read by people who look for help: they must not bring the reader down. */
static void damaged_bytes_are_refused_or_read_but_never_harm(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 99;
    int refused = 0;

    begin(f);
    for (int i = 0; i < 4000; i++) {
        auto_json cJSON *j = random_value(&seed, 0), *again = NULL;
        auto_str struct str pack = STR_INIT;
        struct err err = ERR_INIT;
        char *exact;

        assert_int_equal(journal_pack(j, &f->j->writer.db, &pack, &err), 0);
        for (uint64_t k = kit_random(&seed) % 4; k < 4; k++)
            pack.s[kit_random(&seed) % pack.len] = (char)kit_random(&seed);
        pack.len -= kit_random(&seed) % 3 == 0 && pack.len > 1;
        exact = mem_copy(pack.s, pack.len); /* so that the address sanitizer sees each byte too many */
        again = journal_unpack(exact, pack.len, &f->j->writer.db, &err);
        refused += again == NULL;
        free(exact);
    }
    assert_true(refused > 100);
}

static void a_rollout_of_two_hosts_is_small(void **state)
{
    static const char doc[] =
        "[\"shard\",\"ns/a/c/0\",1,1700000000000,91000,null,[\"500 of 599 peers have loaded generation 12\","
        "\"17 queries ended, 0 left\"],[\"ns/a/c/0/0\",\"ns/a/c/0/1\"],[[\"leave\",\"drain\",\"stop\",\"start\","
        "\"join\"],[\"leave\",\"drain\",\"stop\",\"start\",\"join\"]],[9,9,9,9,9,9,9,9,9,9],"
        "[0,5,2,1,2,4,5,1,1,2],[900,4000,3200,5100,60,900,4000,3200,5100,60],[0,0,0,0,0,0,0,0,0,0],"
        "[1,2,0,0,0,1,2,0,0,0]]";
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    auto_json cJSON *j = json_parse(doc, sizeof doc - 1, &err);

    begin(f);
    back_and_forth(f, j); /* the words of the first are in the table then */
    assert_true(back_and_forth(f, j) < sizeof doc / 3);
}

/* ---- retention ---- */

static void finish_op(struct fixture *f, uint64_t op, const char *object)
{
    struct journal_rec recs[] = {
        {.type = JRN_OP_BEGIN, .op = op, .object = object, .kind = "k", .text = "{}"},
        {.type = JRN_TASK, .op = op, .task = (uint32_t)op, .object = "s", .name = "shard"},
        {.type = JRN_STEP_END,
         .op = op,
         .task = (uint32_t)op,
         .object = "h",
         .name = "x",
         .attempt = 1,
         .outcome = OUT_DONE},
        {.type = JRN_TASK_END, .op = op, .task = (uint32_t)op, .outcome = OUT_DONE},
        {.type = JRN_OP_END, .op = op, .outcome = OUT_DONE},
    };

    for (size_t i = 0; i < sizeof recs / sizeof *recs; i++)
        assert_int_equal(kit_put(f->j, &f->world, recs[i]), ERR_NONE);
}

static int64_t count(struct fixture *f, const char *sql)
{
    struct err err = ERR_INIT;
    int64_t n = -1;

    if (journal_db_pragma(&f->j->writer.db, sql, &n, &err) < 0)
        fail_msg("%s", err.msg);
    return n;
}

static void the_newest_operations_of_each_object_are_kept(void **state)
{
    struct fixture *f = *state;

    f->j->writer.keep_ops = 3;
    finish_op(f, 1, "ns/c");
    kit_begin(f->j, &f->world, 2, 2); /* ns/a, stays open */
    for (uint64_t op = 3; op < 10; op++)
        finish_op(f, op, "ns/b");
    assert_int_equal(count(f, "SELECT count(*) FROM op WHERE object = 'ns/c'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM op WHERE object = 'ns/a' AND outcome = 0"), 1);
    assert_int_equal(count(f, "SELECT min(op) FROM op WHERE object = 'ns/b'"), 7);
    assert_int_equal(count(f, "SELECT count(*) FROM archive"), 4);
    assert_int_equal(count(f, "SELECT count(*) FROM archive WHERE op NOT IN (SELECT op FROM op)"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM step"), 0);
}

static void the_oldest_operations_go_when_the_file_is_too_large(void **state)
{
    struct fixture *f = *state;

    for (uint64_t op = 1; op < 40; op++)
        finish_op(f, op, op % 2 ? "ns/a" : "ns/b");
    f->j->writer.keep_bytes = count(f, "SELECT page_count * 4096 FROM pragma_page_count");
    for (uint64_t op = 40; op < 80; op++)
        finish_op(f, op, "ns/a");
    assert_true(count(f, "SELECT min(op) FROM op") > 1);
    assert_int_equal(count(f, "SELECT max(op) FROM op"), 79);
    assert_true(count(f, "SELECT page_count * 4096 FROM pragma_page_count") <= f->j->writer.keep_bytes + 8 * 4096);
}

static void free_pages_go_back_to_the_file_system_bit_by_bit(void **state)
{
    struct fixture *f = *state;
    int64_t before, after;

    assert_int_equal(journal_db_exec(&f->j->writer.db,
                                     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                                     "2000) INSERT INTO kv SELECT 'k' || i, hex(zeroblob(1900)) FROM n",
                                     NULL),
                     0);
    assert_int_equal(journal_db_exec(&f->j->writer.db, "DELETE FROM kv", NULL), 0);
    before = count(f, "SELECT page_count FROM pragma_page_count");
    finish_op(f, 1, "ns/a");
    after = count(f, "SELECT page_count FROM pragma_page_count");
    assert_in_range(before - after, 200, 260);
    for (uint64_t op = 2; op < 12; op++)
        finish_op(f, op, "ns/a");
    assert_in_range(count(f, "SELECT freelist_count FROM pragma_freelist_count"), 700, 1024);
}

static void incidents_are_bounded(void **state)
{
    struct fixture *f = *state;

    f->j->writer.keep_incidents = 20;
    for (int i = 0; i < 50; i++)
        assert_int_equal(
            kit_put(f->j, &f->world, (struct journal_rec){.type = JRN_INCIDENT, .object = "o", .name = "C"}), ERR_NONE);
    assert_int_equal(count(f, "SELECT count(*) FROM incident"), 20);
    assert_int_equal(count(f, "SELECT max(id) FROM incident"), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(every_kind_of_string_comes_back),
        T(long_strings_of_many_parts_come_back),
        T(numbers_keep_their_text),
        T(random_documents_come_back),
        T(more_words_and_shapes_than_there_is_room_for_come_back),
        T(damaged_bytes_are_refused_or_read_but_never_harm),
        T(a_rollout_of_two_hosts_is_small),
        T(the_newest_operations_of_each_object_are_kept),
        T(the_oldest_operations_go_when_the_file_is_too_large),
        T(free_pages_go_back_to_the_file_system_bit_by_bit),
        T(incidents_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
