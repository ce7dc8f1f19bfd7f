/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are not what they should be, migrations, and readers: who may change what. */
#include "tests/journal/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "journal/files.h"
#include "journal/internal.h"
#include "journal/store.h"

struct fixture {
    struct kit_world world;
    char *dir, *path, *wal;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);

    kit_world_init(&f->world);
    f->dir = kit_dir_new();
    f->path = mem_printf("%s/journal.db", f->dir);
    f->wal = mem_printf("%s/journal.db-wal", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kit_dir_remove(f->dir);
    free(f->path);
    free(f->wal);
    free(f);
    return 0;
}

/* The file's bytes as one text, "-" when absent. */
static char *digest(const char *path)
{
    auto_str struct str s = STR_INIT;
    auto_close int fd = open(path, O_RDONLY);
    char buf[65536];
    ssize_t n;

    if (fd < 0)
        return mem_str("-");
    while ((n = read(fd, buf, sizeof buf)) > 0)
        str_addn(&s, buf, (size_t)n);
    return hash_sha256_hex(str_text(&s), s.len);
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db;
    char *why = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(db);
}

/* Some work, closed cleanly. */
static void fill(struct fixture *f, int records)
{
    struct journal *j = kit_open(&f->world, f->dir);

    kit_begin(j, &f->world, 1, 1);
    for (int i = 0; i < records; i++) {
        char host[64];
        struct journal_rec rec = {.type = JRN_STEP_BEGIN,
                                  .op = 1,
                                  .task = 1,
                                  .object = host,
                                  .name = "step",
                                  .attempt = 1,
                                  .text = "{\"uid\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"n\":[1,2,3]}"};
        snprintf(host, sizeof host, "ns/a/c/0/%d", i);
        assert_int_equal(kit_put(j, &f->world, rec), ERR_NONE);
    }
    journal_close(j);
}

/* Leaves the directory as a killed supervisor does: a WAL that is not in the file yet. */
static void fill_and_die(struct fixture *f)
{
    auto_free char *db = mem_printf("%s.copy", f->path), *wal = mem_printf("%s.copy", f->wal);
    struct journal *j = kit_open(&f->world, f->dir);
    struct journal_rec kv = {.type = JRN_KV, .name = "late", .text = "1"};

    kit_begin(j, &f->world, 1, 1);
    assert_int_equal(kit_put(j, &f->world, kv), ERR_NONE);
    kit_copy(f->path, db);
    kit_copy(f->wal, wal);
    journal_close(j);
    assert_int_equal(rename(db, f->path), 0);
    assert_int_equal(rename(wal, f->wal), 0);
}

static void is_refused(struct fixture *f, const char *word)
{
    auto_free char *db = digest(f->path), *wal = digest(f->wal), *db_after = NULL, *wal_after = NULL;
    struct journal *j = NULL;
    struct journal_reader *r = NULL;
    struct err err = ERR_INIT, read_err = ERR_INIT;

    assert_int_equal(journal_open(&j, f->dir, &f->world.world, NULL, JOURNAL_INLINE | JOURNAL_NO_BALLAST, &err), -1);
    assert_null(j);
    assert_int_equal(err.kind, ERR_INPUT);
    if (!strstr(err.msg, word) || !strstr(err.msg, f->path))
        fail_msg("\"%s\" does not say %s", err.msg, word);
    if (journal_read_open(&r, f->dir, &read_err) ==
        0) { /* a reader may be luckier with half a file, but never harms it */
        cJSON_Delete(journal_read_ops(r, "", 10, &read_err));
        cJSON_Delete(journal_read_steps(r, 1, &read_err));
        journal_read_close(r);
    }
    db_after = digest(f->path);
    wal_after = digest(f->wal);
    assert_string_equal(db, db_after);
    assert_string_equal(wal, wal_after);
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void a_text_file_is_not_a_journal(void **state)
{
    struct fixture *f = *state;

    write_file(f->path,
               "this is the diary of somebody, and it is long enough to look like a header of one hundred bytes, "
               "or a little more than that");
    is_refused(f, "not a journal");
}

static void an_empty_file_is_not_taken_for_a_new_journal(void **state)
{
    struct fixture *f = *state;

    write_file(f->path, "");
    is_refused(f, "not a journal");
}

static void a_database_of_another_program_is_recognised(void **state)
{
    struct fixture *f = *state;

    sql(f->path,
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 77; CREATE TABLE op (x); INSERT INTO op VALUES (1)");
    is_refused(f, "another program");
}

static void a_database_without_application_is_recognised(void **state)
{
    struct fixture *f = *state;

    sql(f->path, "CREATE TABLE op (x); INSERT INTO op VALUES (1)");
    is_refused(f, "not a journal");
}

static void a_newer_journal_is_refused(void **state)
{
    struct fixture *f = *state;

    fill(f, 3);
    sql(f->path, "PRAGMA user_version = 99");
    is_refused(f, "newer");
}

static void a_newer_journal_whose_version_is_only_in_the_wal_is_refused(void **state)
{
    struct fixture *f = *state;
    auto_free char *db = mem_printf("%s.copy", f->path), *wal = mem_printf("%s.copy", f->wal);
    sqlite3 *newer;

    fill(f, 3);
    assert_int_equal(sqlite3_open(f->path, &newer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(newer, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    kit_copy(f->path, db);
    kit_copy(f->wal, wal);
    sqlite3_close(newer);
    assert_int_equal(rename(db, f->path), 0);
    assert_int_equal(rename(wal, f->wal), 0);
    is_refused(f, "newer");
}

static void a_wal_without_its_file_is_not_replayed_into_a_new_one(void **state)
{
    struct fixture *f = *state;

    fill_and_die(f);
    unlink(f->path);
    is_refused(f, "missing");
}

static void a_cut_file_is_refused(void **state)
{
    struct fixture *f = *state;

    fill(f, 300);
    assert_int_equal(truncate(f->path, journal_file_size(f->path) / 2 / 4096 * 4096), 0);
    is_refused(f, "damaged");
}

static void garbage_over_pages_is_refused(void **state)
{
    struct fixture *f = *state;
    auto_free char *good = mem_printf("%s.good", f->path);
    char garbage[9000];
    uint64_t seed = 4711;

    fill(f, 400);
    kit_copy(f->path, good);
    for (int round = 0; round < 150; round++) {
        off_t size = (off_t)journal_file_size(good),
              at = (off_t)(kit_random(&seed) % (uint64_t)(size - (off_t)sizeof garbage));
        int fd;

        kit_copy(good, f->path);
        for (size_t i = 0; i < sizeof garbage; i++)
            garbage[i] = (char)kit_random(&seed);
        fd = open(f->path, O_WRONLY);
        assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage); /* covers a whole page at least */
        close(fd);
        is_refused(f, "damaged");
    }
    unlink(good);
}

static void a_large_file_that_was_closed_is_not_read_through_at_start(void **state)
{
    struct fixture *f = *state;
    struct journal *j;
    struct timespec from, to;

    sqlite3 *db;
    fill(f, 1);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT "
                     "INTO step SELECT 1, 'ns/a/c/1/' || i, 'x', 1, i, i, i, 'b', i, 1, NULL, 'some detail' "
                     "FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    clock_gettime(CLOCK_MONOTONIC, &from);
    j = kit_open(&f->world, f->dir);
    clock_gettime(CLOCK_MONOTONIC, &to);
    journal_close(j);
    assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 200);
}

static void what_recovery_needs_of_a_large_file_is_checked_after_a_crash(void **state)
{
    struct fixture *f = *state;
    auto_free char *copy = mem_printf("%s.copy", f->wal);
    char garbage[4096];
    int64_t page = 0;
    struct journal_db d;
    struct err err = ERR_INIT;
    struct journal *j;
    int fd;

    fill(f, 300);
    sql(f->path, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "
                 "INSERT INTO archive SELECT i, 99, i, zeroblob(1000000) FROM n");
    assert_int_equal(journal_db_open(&d, f->path, DB_READ_ONLY, &err), 0);
    assert_int_equal(journal_db_pragma(&d, "SELECT rootpage FROM sqlite_schema WHERE name = 'step'", &page, &err), 0);
    journal_db_close(&d);
    j = kit_open(&f->world, f->dir);
    assert_int_equal(kit_put(j, &f->world, (struct journal_rec){.type = JRN_KV, .name = "a", .text = "1"}), ERR_NONE);
    kit_copy(f->wal, copy);
    journal_close(j);
    assert_int_equal(rename(copy, f->wal), 0);
    memset(garbage, 0x55, sizeof garbage);
    fd = open(f->path, O_WRONLY);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, (page - 1) * 4096), sizeof garbage);
    close(fd);
    is_refused(f, "damaged");
}

/* ---- migrations ---- */

static const char *const schema_of_3[] = {
    "CREATE TABLE migration (version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL, program TEXT NOT NULL) STRICT",
    "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)",
    "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = 'two'",
};

static void migrations_run_once_in_order_and_are_written_down(void **state)
{
    struct fixture *f = *state;
    struct journal_db d;
    struct err err = ERR_INIT;
    int64_t n = 0;

    assert_int_equal(journal_db_open(&d, f->path, DB_CREATE, &err), 0);
    assert_int_equal(journal_migrate(&d, schema_of_3, 2, 1000, &err), 0);
    assert_int_equal(journal_migrate(&d, schema_of_3, 3, 2000, &err), 0);
    assert_int_equal(journal_migrate(&d, schema_of_3, 3, 3000, &err), 0);
    assert_int_equal(journal_db_pragma(&d, "SELECT count(*) FROM a WHERE y = 'two'", &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(journal_db_pragma(&d, "SELECT sum(version * applied_ms) FROM migration", &n, &err), 0);
    assert_int_equal(n, 1000 + 2 * 1000 + 3 * 2000);
    assert_int_equal(journal_db_pragma(&d, "PRAGMA user_version", &n, &err), 0);
    assert_int_equal(n, 3);
    journal_db_close(&d);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    static const char *const bad[] = {"CREATE TABLE migration (version, applied_ms, program)",
                                      "CREATE TABLE b (x); INSERT INTO b VALUES (1); INSERT INTO nowhere VALUES (1)"};
    struct fixture *f = *state;
    struct journal_db d;
    struct err err = ERR_INIT;
    int64_t n = 0;

    assert_int_equal(journal_db_open(&d, f->path, DB_CREATE, &err), 0);
    assert_int_equal(journal_migrate(&d, bad, 2, 1000, &err), -1);
    assert_non_null(strstr(err.msg, "version 2"));
    assert_int_equal(journal_db_pragma(&d, "PRAGMA user_version", &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(journal_db_pragma(&d, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'", &n, &err), 0);
    assert_int_equal(n, 0);
    journal_db_close(&d);
}

static void a_new_journal_is_private_and_marked(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    struct journal_db d;
    struct err err = ERR_INIT;
    int64_t v = 0;

    fill(f, 1);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(journal_file_size(f->wal), -1); /* closed: all is in the file */
    assert_int_equal(journal_db_open(&d, f->path, DB_READ_ONLY, &err), 0);
    assert_int_equal(journal_db_pragma(&d, "PRAGMA application_id", &v, &err), 0);
    assert_int_equal(v, JOURNAL_APPLICATION_ID);
    assert_int_equal(
        journal_db_pragma(&d, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%STRICT%'", &v,
                          &err),
        0);
    assert_int_equal(v, 0);
    journal_db_close(&d);
}

static void the_writer_syncs_each_commit(void **state)
{
    struct fixture *f = *state;
    struct journal *j = kit_open(&f->world, f->dir);
    struct err err = ERR_INIT;
    int64_t v = 0;

    assert_int_equal(journal_db_pragma(&j->writer.db, "PRAGMA synchronous", &v, &err), 0);
    assert_int_equal(v, 2);
    assert_int_equal(journal_db_pragma(&j->writer.db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &v, &err),
                     0);
    assert_int_equal(v, 1);
    journal_close(j);
}

/* ---- readers ---- */

static int ops_seen(struct journal_reader *r)
{
    struct err err = ERR_INIT;
    auto_json cJSON *j = journal_read_ops(r, "", 100, &err);

    if (!j)
        fail_msg("%s", err.msg);
    return cJSON_GetArraySize(j);
}

static struct journal_reader *reader(struct fixture *f)
{
    struct journal_reader *r = NULL;
    struct err err = ERR_INIT;

    if (journal_read_open(&r, f->dir, &err) < 0)
        fail_msg("%s", err.msg);
    return r;
}

static void a_reader_of_a_closed_journal_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    auto_free char *shm = mem_printf("%s/journal.db-shm", f->dir), *before = NULL, *after = NULL;
    struct journal_reader *r;

    fill(f, 5);
    before = digest(f->path);
    r = reader(f);
    assert_int_equal(ops_seen(r), 1);
    journal_read_close(r);
    after = digest(f->path);
    assert_string_equal(before, after);
    assert_int_equal(journal_file_size(f->wal), -1);
    assert_int_equal(journal_file_size(shm), -1);
}

static void a_reader_after_a_crash_sees_the_wal_and_leaves_it(void **state)
{
    struct fixture *f = *state;
    auto_free char *db = NULL, *wal = NULL, *db_after = NULL, *wal_after = NULL;
    struct journal_reader *r;

    fill_and_die(f);
    db = digest(f->path);
    wal = digest(f->wal);
    r = reader(f);
    assert_int_equal(ops_seen(r), 1);
    journal_read_close(r);
    db_after = digest(f->path);
    wal_after = digest(f->wal);
    assert_string_equal(db, db_after);
    assert_string_equal(wal, wal_after);
}

static void a_reader_follows_supervisors_that_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct journal_reader *r;
    struct journal *j;

    fill(f, 1);
    r = reader(f); /* nobody writes */
    assert_int_equal(ops_seen(r), 1);
    for (uint64_t op = 2; op < 6; op++) {
        j = kit_open(&f->world, f->dir);
        kit_begin(j, &f->world, op, (uint32_t)op);
        assert_int_equal(ops_seen(r), (int)op);
        journal_close(j);
        assert_int_equal(ops_seen(r), (int)op);
    }
    journal_read_close(r);
    j = kit_open(&f->world, f->dir);
    kit_begin(j, &f->world, 6, 6);
    r = reader(f); /* opened while one writes */
    assert_int_equal(ops_seen(r), 6);
    kit_begin(j, &f->world, 7, 7);
    assert_int_equal(ops_seen(r), 7);
    journal_close(j);
    assert_int_equal(ops_seen(r), 7);
    journal_read_close(r);
}

static void a_reader_in_the_same_process_does_not_drop_the_writers_locks(void **state)
{
    struct fixture *f = *state;
    struct journal *j = kit_open(&f->world, f->dir);
    auto_str struct str locks = STR_INIT;
    struct stat st;
    char line[256], inode[64];
    bool held = false;
    FILE *in;

    kit_begin(j, &f->world, 1, 1);
    journal_read_close(reader(f));
    assert_int_equal(stat(f->path, &st), 0);
    snprintf(inode, sizeof inode, ":%llu ", (unsigned long long)st.st_ino);
    in = fopen("/proc/locks", "r");
    while (in && fgets(line, sizeof line, in))
        held = held || strstr(line, inode);
    if (in)
        fclose(in);
    assert_true(held);
    journal_close(j);
}

static void a_directory_without_journal_is_missing(void **state)
{
    struct fixture *f = *state;
    struct journal_reader *r = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(journal_read_open(&r, f->dir, &err), -1);
    assert_int_equal(err.kind, ERR_MISSING);
    assert_int_equal(journal_file_size(f->path), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_text_file_is_not_a_journal),
        T(an_empty_file_is_not_taken_for_a_new_journal),
        T(a_database_of_another_program_is_recognised),
        T(a_database_without_application_is_recognised),
        T(a_newer_journal_is_refused),
        T(a_newer_journal_whose_version_is_only_in_the_wal_is_refused),
        T(a_wal_without_its_file_is_not_replayed_into_a_new_one),
        T(a_cut_file_is_refused),
        T(garbage_over_pages_is_refused),
        T(a_large_file_that_was_closed_is_not_read_through_at_start),
        T(what_recovery_needs_of_a_large_file_is_checked_after_a_crash),
        T(migrations_run_once_in_order_and_are_written_down),
        T(a_migration_that_fails_changes_nothing),
        T(a_new_journal_is_private_and_marked),
        T(the_writer_syncs_each_commit),
        T(a_reader_of_a_closed_journal_leaves_no_trace),
        T(a_reader_after_a_crash_sees_the_wal_and_leaves_it),
        T(a_reader_follows_supervisors_that_come_and_go),
        T(a_reader_in_the_same_process_does_not_drop_the_writers_locks),
        T(a_directory_without_journal_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
