/* SPDX-License-Identifier: Apache-2.0 */
/* The disk is full: what is refused, what still works, and how it goes on. */
#include "tests/journal/kit.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "journal/files.h"
#include "journal/internal.h"
#include "tests/journal/lossy_vfs.h"

enum { BALLAST = 8 << 20 };

/* What the journal is told about free space: linked with --wrap=statvfs. */
static bool no_space_left;
int __real_statvfs(const char *path, struct statvfs *fs);
int __wrap_statvfs(const char *path, struct statvfs *fs);

int __wrap_statvfs(const char *path, struct statvfs *fs)
{
    int rc = __real_statvfs(path, fs);

    if (rc == 0 && no_space_left)
        fs->f_bavail = 0;
    return rc;
}

struct fixture {
    struct kit_world world;
    struct lossy *lossy;
    struct event_base *base;
    char *dir, *ballast;
    struct journal *j;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);

    log_set_level(LOG_ERR); /* the warnings are meant */
    kit_world_init(&f->world);
    f->dir = kit_dir_new();
    f->ballast = mem_printf("%s/ballast", f->dir);
    f->lossy = lossy_new();
    f->base = event_base_new();
    no_space_left = false;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    journal_close(f->j);
    lossy_free(f->lossy);
    event_base_free(f->base);
    kit_dir_remove(f->dir);
    free(f->ballast);
    free(f);
    return 0;
}

static void open_watched(struct fixture *f, unsigned flags)
{
    struct err err = ERR_INIT;

    journal_close(kit_open(&f->world, f->dir));
    lossy_arm(f->lossy, f->dir, f->dir, 0, 1);
    if (journal_open(&f->j, f->dir, &f->world.world, f->base, flags, &err) < 0)
        fail_msg("%s", err.msg);
}

static struct journal_rec fact(const char *name, const char *text)
{
    return (struct journal_rec){.type = JRN_KV, .name = name, .text = text};
}

/* The disk has room for `more` bytes of database and WAL, and what the ballast gives. */
static void fill_disk(struct fixture *f, uint64_t more)
{
    no_space_left = true;
    lossy_limit(f->lossy, lossy_used(f->lossy) + more, f->ballast);
}

static void free_disk(struct fixture *f)
{
    no_space_left = false;
    lossy_limit(f->lossy, 0, NULL);
}

static void a_full_disk_refuses_and_stores_nothing(void **state)
{
    struct fixture *f = *state;
    struct kit_result r = {0, ERR_INIT};
    struct journal_rec rec = fact("a", "1");
    auto_free char *a = NULL, *b = NULL;

    open_watched(f, JOURNAL_INLINE | JOURNAL_NO_BALLAST);
    kit_begin(f->j, &f->world, 1, 1);
    no_space_left = true;
    lossy_limit(f->lossy, lossy_used(f->lossy), NULL);
    journal_put(f->j, &rec, kit_ack, &r);
    kit_round(&f->world);
    assert_int_equal(r.acks, 1);
    assert_int_equal(r.err.kind, ERR_SYS);
    assert_int_equal(r.err.sys, ENOSPC);
    a = journal_kv(f->j, "a");
    assert_null(a);
    free_disk(f);
    assert_int_equal(kit_put(f->j, &f->world, rec), ERR_NONE);
    b = journal_kv(f->j, "a");
    assert_string_equal(b, "1");
}

static void the_ballast_lets_begun_work_end_and_nothing_new_begin(void **state)
{
    struct fixture *f = *state;
    struct journal_rec join = {
        .type = JRN_STEP_BEGIN, .op = 1, .task = 1, .object = "ns/a/c/0/0", .name = "join", .attempt = 1};
    struct journal_rec task = {.type = JRN_TASK, .op = 1, .task = 2, .object = "ns/a/c/1", .name = "shard"};
    struct journal_rec op = {.type = JRN_OP_BEGIN, .op = 2, .object = "ns/b", .kind = "k", .text = "{}"};

    open_watched(f, JOURNAL_INLINE);
    assert_int_equal(journal_file_size(f->ballast), BALLAST);
    kit_begin(f->j, &f->world, 1, 1);
    fill_disk(f, 0);
    assert_int_equal(kit_put(f->j, &f->world, join), ERR_NONE);
    assert_true(journal_low(f->j));
    assert_true(journal_file_size(f->ballast) < BALLAST);
    assert_true(journal_file_size(f->ballast) > BALLAST / 2); /* bit by bit */
    join.type = JRN_STEP_END;
    join.outcome = OUT_DONE;
    assert_int_equal(kit_put(f->j, &f->world, join), ERR_NONE);
    assert_int_equal(kit_put(f->j, &f->world, op), ERR_SYS);
    assert_int_equal(kit_put(f->j, &f->world, task), ERR_SYS);
    join = (struct journal_rec){.type = JRN_TASK_END, .op = 1, .task = 1, .outcome = OUT_DONE};
    assert_int_equal(kit_put(f->j, &f->world, join), ERR_NONE);
    free_disk(f);
    assert_int_equal(kit_put(f->j, &f->world, op), ERR_NONE); /* noticed by itself */
    assert_false(journal_low(f->j));
    assert_int_equal(journal_file_size(f->ballast), BALLAST);
}

static void a_restart_on_a_full_disk_stays_careful(void **state)
{
    struct fixture *f = *state;
    struct journal_rec op = {.type = JRN_OP_BEGIN, .op = 2, .object = "ns/b", .kind = "k", .text = "{}"};

    open_watched(f, JOURNAL_INLINE);
    kit_begin(f->j, &f->world, 1, 1);
    fill_disk(f, 0);
    assert_int_equal(kit_put(f->j, &f->world, fact("a", "1")), ERR_NONE);
    journal_close(f->j);
    f->j = NULL;
    lossy_disarm(f->lossy);
    open_watched(f, JOURNAL_INLINE);
    assert_true(journal_low(f->j));
    assert_int_equal(kit_put(f->j, &f->world, op), ERR_SYS);
    assert_int_equal(kit_put(f->j, &f->world, fact("a", "2")), ERR_NONE);
}

struct acks {
    struct event_base *base;
    int n, want;
    enum err_kind kinds[8];
    int sys[8];
};

static void collect(void *ctx, const struct err *err)
{
    struct acks *a = ctx;

    a->kinds[a->n] = err ? err->kind : ERR_NONE;
    a->sys[a->n] = err ? err->sys : 0;
    if (++a->n == a->want)
        event_base_loopbreak(a->base);
}

static void a_large_record_does_not_take_the_small_ones_with_it(void **state)
{
    struct fixture *f = *state;
    struct acks a = {.base = f->base, .want = 3};
    char *large = mem_alloc(1 << 20);
    struct journal_rec recs[3] = {fact("first", "1"), fact("large", large), fact("last", "2")};
    auto_free char *first = NULL, *last = NULL;

    memset(large, 'x', (1 << 20) - 1);
    large[(1 << 20) - 1] = '\0';
    open_watched(f, JOURNAL_NO_BALLAST);
    lossy_limit(f->lossy, lossy_used(f->lossy) + 200000, NULL);
    for (int i = 0; i < 3; i++)
        journal_put(f->j, &recs[i], collect, &a);
    event_base_dispatch(f->base);
    assert_int_equal(a.kinds[0], ERR_NONE);
    assert_int_equal(a.kinds[1], ERR_SYS);
    assert_int_equal(a.sys[1], ENOSPC);
    assert_int_equal(a.kinds[2], ERR_NONE);
    first = journal_kv(f->j, "first");
    last = journal_kv(f->j, "last");
    assert_string_equal(first, "1");
    assert_string_equal(last, "2");
    free(large);
}

/* ---- a real full disk: a small tmpfs in a mount namespace of a child ---- */

static bool small_disk(const char *dir)
{
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return false;
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    return mount("tmpfs", dir, "tmpfs", 0, "size=24m") == 0;
}

static void eat(const char *dir)
{
    auto_free char *path = mem_printf("%s/eaten", dir);
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    char buf[4096] = "x";

    while (write(fd, buf, sizeof buf) > 0)
        continue;
}

#define MUST(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "line %d: %s\n", __LINE__, #x);                                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static enum err_kind child_put(struct journal *j, struct kit_world *w, struct journal_rec rec)
{
    struct kit_result r = {0, ERR_INIT};

    journal_put(j, &rec, kit_ack, &r);
    kit_round(w);
    MUST(r.acks == 1);
    return r.err.kind;
}

static struct journal *child_open(struct kit_world *w, const char *dir)
{
    struct err err = ERR_INIT;
    struct journal *j = NULL;

    if (journal_open(&j, dir, &w->world, NULL, JOURNAL_INLINE, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(1);
    }
    return j;
}

static void child_on_a_full_disk(const char *dir)
{
    auto_free char *eaten = mem_printf("%s/eaten", dir);
    struct journal_rec op = {.type = JRN_OP_BEGIN, .op = 1, .object = "ns/a", .kind = "k", .text = "{}"};
    struct kit_world w;
    struct journal *j;
    char *value;

    kit_world_init(&w);
    if (!small_disk(dir))
        _exit(77);
    j = child_open(&w, dir);
    MUST(child_put(j, &w, op) == ERR_NONE);
    journal_close(j);
    eat(dir);
    j = child_open(&w, dir); /* a full disk does not keep us from starting */
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        MUST(child_put(j, &w, fact(key, "value")) == ERR_NONE);
        if (i % 20 == 0)
            eat(dir); /* somebody else takes what the ballast gave, too */
        if (journal_low(j) && i > 100)
            break;
    }
    MUST(journal_low(j));
    op.op = 2;
    MUST(child_put(j, &w, op) == ERR_SYS);
    unlink(eaten);
    MUST(child_put(j, &w, op) == ERR_NONE);
    MUST(!journal_low(j));
    journal_close(j);
    j = child_open(&w, dir);
    value = journal_kv(j, "k99");
    MUST(value && strcmp(value, "value") == 0);
    free(value);
    journal_close(j);
    _exit(0);
}

static void a_real_full_disk_is_survived(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        child_on_a_full_disk(f->dir);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("no mount namespace here: a real full disk was not tried\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_full_disk_refuses_and_stores_nothing), T(the_ballast_lets_begun_work_end_and_nothing_new_begin),
        T(a_restart_on_a_full_disk_stays_careful), T(a_large_record_does_not_take_the_small_ones_with_it),
        T(a_real_full_disk_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
