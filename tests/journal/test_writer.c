/* SPDX-License-Identifier: Apache-2.0 */
/* The writer thread: order of acks, group commit, signals, close, the lock, and kill -9. */
#include "tests/journal/kit.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

struct fixture {
    struct kit_world world;
    char *dir;
    struct event_base *base;
    struct journal *j;
};

static struct journal *open_thread(struct fixture *f)
{
    struct journal *j = NULL;
    struct err err = ERR_INIT;

    if (journal_open(&j, f->dir, &f->world.world, f->base, JOURNAL_NO_BALLAST, &err) < 0)
        fail_msg("%s", err.msg);
    return j;
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);

    kit_world_init(&f->world);
    f->dir = kit_dir_new();
    f->base = event_base_new();
    f->j = open_thread(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    journal_close(f->j);
    event_base_free(f->base);
    kit_dir_remove(f->dir);
    free(f);
    return 0;
}

struct order {
    struct fixture *f;
    pthread_t loop;
    int next, wrong, errors, want;
};

struct one {
    struct order *order;
    int n;
};

static void in_order(void *ctx, const struct err *err)
{
    struct one *one = ctx;
    struct order *o = one->order;

    o->wrong += one->n != o->next || !pthread_equal(pthread_self(), o->loop);
    o->errors += err != NULL;
    if (++o->next == o->want)
        event_base_loopbreak(o->f->base);
}

static void put_all(struct order *o, struct one *ones, int n)
{
    o->loop = pthread_self();
    o->want = n;
    for (int i = 0; i < n; i++) {
        char key[32];
        struct journal_rec rec = {.type = JRN_KV, .name = key, .text = key};

        snprintf(key, sizeof key, "k%d", i);
        ones[i] = (struct one){o, i};
        journal_put(o->f->j, &rec, in_order, &ones[i]);
    }
}

static void acks_come_in_order_on_the_loop_and_share_commits(void **state)
{
    enum { N = 5000 };
    struct fixture *f = *state;
    struct order o = {.f = f};
    struct one *ones = mem_array(N, sizeof *ones);
    uint64_t commits, records, waiting;

    put_all(&o, ones, N);
    assert_int_equal(o.next, 0);
    event_base_dispatch(f->base);
    assert_int_equal(o.next, N);
    assert_int_equal(o.wrong, 0);
    assert_int_equal(o.errors, 0);
    journal_stats(f->j, &commits, &records, &waiting);
    assert_int_equal(records, N);
    assert_int_equal(waiting, 0);
    assert_true(commits >= 1 && commits < N / 4);
    free(ones);
}

static void close_writes_what_waits_and_calls_nobody(void **state)
{
    enum { N = 300 };
    struct fixture *f = *state;
    struct order o = {.f = f};
    struct one *ones = mem_array(N, sizeof *ones);
    auto_free char *last = NULL;

    put_all(&o, ones, N);
    journal_close(f->j);
    assert_int_equal(o.next, 0);
    f->j = open_thread(f);
    last = journal_kv(f->j, "k299");
    assert_string_equal(last, "k299");
    free(ones);
}

struct chain {
    struct fixture *f;
    int left;
};

static void put_next(void *ctx, const struct err *err)
{
    struct chain *c = ctx;
    struct journal_rec rec = {.type = JRN_KV, .name = "chain", .text = "x"};

    assert_null(err);
    if (c->left-- > 0)
        journal_put(c->f->j, &rec, put_next, c);
    else
        event_base_loopbreak(c->f->base);
}

static void an_ack_may_put_the_next_record(void **state)
{
    struct fixture *f = *state;
    struct chain c = {f, 20};

    put_next(&c, NULL);
    event_base_dispatch(f->base);
    assert_int_equal(c.left, -1);
}

static volatile sig_atomic_t taken;

static void take(int signo)
{
    (void)signo;
    taken = 1;
}

/* With the signal blocked in this thread it goes to the writer, or to nobody. */
static void the_thread_takes_no_signals(void **state)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGCHLD, SIGUSR1};
    sigset_t set, old, pending;

    (void)state;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&set, signals[i]);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        signal(signals[i], take);
        kill(getpid(), signals[i]);
        usleep(5000);
        sigpending(&pending);
        assert_true(sigismember(&pending, signals[i]));
        assert_int_equal(taken, 0);
        signal(signals[i], SIG_IGN); /* drops it */
        signal(signals[i], SIG_DFL);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void a_second_supervisor_is_refused_with_the_pid_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct journal *second = NULL;
    struct err err = ERR_INIT;
    auto_free char *pid = mem_printf("process %d:", (int)getpid());

    assert_int_equal(journal_open(&second, f->dir, &f->world.world, f->base, 0, &err), -1);
    assert_null(second);
    assert_int_equal(err.kind, ERR_REFUSED);
    assert_non_null(strstr(err.msg, pid));
    assert_non_null(strstr(err.msg, f->dir));
    journal_close(f->j);
    f->j = open_thread(f);
}

/* ---- kill -9 ---- */

struct child {
    struct fixture *f;
    int fd;
    uint32_t n;
};

static void child_put(struct child *c);

static void child_acked(void *ctx, const struct err *err)
{
    struct child *c = ctx;

    if (err || write(c->fd, &c->n, sizeof c->n) != sizeof c->n)
        _exit(1);
    child_put(c);
}

static void child_put(struct child *c)
{
    struct journal_rec rec = {
        .type = JRN_STEP_END, .op = 1, .task = 1, .object = "h", .name = "s", .outcome = OUT_DONE};

    rec.attempt = ++c->n;
    rec.text = "detail";
    journal_put(c->f->j, &rec, child_acked, c);
}

static void child_main(struct fixture *f, int fd)
{
    struct child c = {f, fd, 0};
    struct journal_rec op = {.type = JRN_OP_BEGIN, .op = 1, .object = "ns/a", .kind = "k"};
    struct journal_rec task = {.type = JRN_TASK, .op = 1, .task = 1, .object = "ns/a/c/0", .name = "shard"};

    f->base = event_base_new();
    f->j = open_thread(f);
    journal_put(f->j, &op, NULL, NULL);
    journal_put(f->j, &task, NULL, NULL);
    child_put(&c);
    event_base_dispatch(f->base);
    _exit(1);
}

static int newest(void *ctx, const struct journal_step *s)
{
    *(uint32_t *)ctx = s->attempt;
    return 0;
}

/* Kills the child some time after its nth ack; the number of the last one that came. A child of its own, without event
 * base and thread of the parent. */
static uint32_t run_and_kill(struct fixture *f, uint32_t nth, useconds_t after)
{
    uint32_t acked = 0, n;
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_main(f, fds[1]);
    close(fds[1]);
    while (acked < nth && read(fds[0], &n, sizeof n) == sizeof n)
        acked = n;
    usleep(after);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &n, sizeof n) == sizeof n)
        acked = n;
    close(fds[0]);
    return acked;
}

static void every_acked_record_is_there_after_kill_9(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        struct fixture f = {0};
        uint32_t acked, found = 0;
        auto_json cJSON *steps = NULL;
        struct journal_reader *r = NULL;
        struct err err = ERR_INIT;

        kit_world_init(&f.world);
        f.dir = kit_dir_new();
        acked = run_and_kill(&f, 1 + 7 * i, 37 * i);
        assert_true(acked > 7 * i);
        assert_int_equal(journal_read_open(&r, f.dir, &err), 0); /* readers get along before recovery */
        steps = journal_read_steps(r, 1, &err);
        assert_true((uint32_t)cJSON_GetArraySize(steps) >= acked);
        journal_read_close(r);
        f.j = kit_open(&f.world, f.dir);
        assert_int_equal(journal_each_step(f.j, 1, newest, &found), 0);
        assert_true(found == acked || found == acked + 1);
        journal_close(f.j);
        kit_dir_remove(f.dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        cmocka_unit_test(every_acked_record_is_there_after_kill_9), /* first: it forks */
        T(acks_come_in_order_on_the_loop_and_share_commits),
        T(close_writes_what_waits_and_calls_nobody),
        T(an_ack_may_put_the_next_record),
        T(the_thread_takes_no_signals),
        T(a_second_supervisor_is_refused_with_the_pid_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
