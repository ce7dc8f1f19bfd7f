/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/frame.h"
#include "base/mem.h"
#include "base/world_real.h"

enum { F_ECHO = 10, F_QUIT, F_FACTS, F_BIG, F_STALL };

/* ---- the worker ---- */

struct worker {
    struct world *w;
    struct world_chan *chan;
};

static long private_kib(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    long kib = 0, n;

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Private_Dirty: %ld", &n) == 1 || sscanf(line, "Private_Clean: %ld", &n) == 1)
            kib += n;
    if (f)
        fclose(f);
    return kib;
}

static int open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void worker_frame(void *ctx, const struct frame *f)
{
    struct worker *me = ctx;
    auto_free char *text = NULL;

    switch (f->type) {
    case F_ECHO:
        me->w->ops->chan_send(me->w, me->chan, F_ECHO, f->task, f->seq, f->body, f->len);
        break;
    case F_FACTS:
        text = mem_printf("%d %ld %d", (int)getpid(), private_kib(), open_fds());
        me->w->ops->chan_send(me->w, me->chan, F_FACTS, 0, 0, text, strlen(text));
        break;
    case F_BIG: /* more than the socket holds, then the end: all of it must arrive */
        text = mem_zero(4 << 20);
        me->w->ops->chan_send(me->w, me->chan, F_BIG, 0, 0, text, 4 << 20);
        me->w->ops->quit(me->w, 5);
        break;
    case F_STALL:
        for (;;)
            pause();
        break;
    case F_QUIT:
        me->w->ops->quit(me->w, 7);
        break;
    default:
        break;
    }
}

static int worker_main(struct world *w, struct world_chan *chan, const struct world_worker_args *args)
{
    static const struct world_chan_cbs cbs = {.frame = worker_frame};
    struct worker *me = mem_zero(sizeof *me);
    auto_free char *text = mem_printf("%s %d", args->name, (int)args->generation);

    me->w = w;
    me->chan = chan;
    w->ops->chan_listen(w, chan, &cbs, me);
    w->ops->chan_send(w, chan, F_ECHO, 1, 0, text, strlen(text));
    return 0;
}

/* ---- the supervisor ---- */

struct sup {
    struct world *w;
    struct world_proc *proc[3];
    struct world_chan *chan[3];
    struct job {
        struct sup *s;
        int i, frames, closed, exits, status;
        size_t last_len;
        char first[64], last[256], why[200];
        bool quit_on_frame;
    } job[3];
    struct world_timer *limit;
};

static void sup_frame(void *ctx, const struct frame *f)
{
    struct job *j = ctx;

    assert_int_equal(j->closed, 0);
    assert_int_not_equal(f->type, FRAME_HELLO);
    if (j->frames++ == 0)
        snprintf(j->first, sizeof j->first, "%.*s", (int)f->len, f->body);
    snprintf(j->last, sizeof j->last, "%.*s", (int)f->len, f->body);
    j->last_len = f->len;
    if (j->quit_on_frame)
        j->s->w->ops->quit(j->s->w, 0);
}

static void sup_closed(void *ctx, const char *why)
{
    struct job *j = ctx;

    j->closed++;
    j->s->chan[j->i] = NULL;
    snprintf(j->why, sizeof j->why, "%s", why);
}

static void sup_exit(void *ctx, int status)
{
    struct job *j = ctx;

    assert_int_equal(j->closed, 1); /* closed() comes first */
    j->exits++;
    j->status = status;
    j->s->proc[j->i] = NULL;
    j->s->w->ops->quit(j->s->w, 0);
}

static const struct world_chan_cbs sup_cbs = {sup_frame, sup_closed};

static void on_limit(void *ctx)
{
    struct sup *s = ctx;

    fprintf(stderr, "test: nothing came in 10 s\n");
    for (int i = 0; i < 3; i++)
        fprintf(stderr, "worker %d: pid %d, %d frames (last \"%s\"), closed %d (%s), exits %d, status %x\n", i,
                s->proc[i] ? (int)s->w->ops->pid(s->w, s->proc[i]) : -1, s->job[i].frames, s->job[i].last,
                s->job[i].closed, s->job[i].why, s->job[i].exits, (unsigned)s->job[i].status);
    abort();
}

static void run(struct sup *s)
{
    struct world_timer *limit = world_timer(s->w, 10000, on_limit, s);

    world_real_run(s->w);
    world_timer_stop(s->w, &limit);
}

static void on_pause(void *ctx)
{
    struct world *w = ctx;

    w->ops->quit(w, 0);
}

static void spawn(struct sup *s, int i, const char *name, const char *lock_path)
{
    struct world_worker_args args = {name, 40 + (uint64_t)i, lock_path};
    struct err err = ERR_INIT;

    s->job[i] = (struct job){.s = s, .i = i, .quit_on_frame = true};
    s->proc[i] = s->w->ops->spawn(s->w, &args, &sup_cbs, sup_exit, &s->job[i], &s->chan[i], &err);
    if (!s->proc[i])
        fail_msg("%s", err.msg);
}

static void say(struct sup *s, int i, uint16_t type, const char *body)
{
    s->w->ops->chan_send(s->w, s->chan[i], type, 0, 0, body, strlen(body));
}

static pid_t facts(struct sup *s, int i, long *kib, int *fds)
{
    int pid = 0, frames = s->job[i].frames;

    say(s, i, F_FACTS, "");
    while (s->job[i].frames == frames || !strchr(s->job[i].last, ' ') || s->job[i].frames < 2)
        run(s);
    assert_int_equal(sscanf(s->job[i].last, "%d %ld %d", &pid, kib, fds), 3);
    return pid;
}

static struct sup *sup_new(void)
{
    struct sup *s = mem_zero(sizeof *s);
    struct world_spawner *spawner = NULL;
    struct err err = ERR_INIT;

    if (world_real_spawner(worker_main, &spawner, &err) < 0 || world_real_new(spawner, &s->w, &err) < 0)
        abort();
    return s;
}

static int setup(void **state)
{
    *state = sup_new();
    return 0;
}

static int teardown(void **state)
{
    struct sup *s = *state;

    world_real_free(s->w);
    free(s);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    return 0;
}

static void wait_frames(struct sup *s, int i, int n)
{
    while (s->job[i].frames < n)
        run(s);
}

/* True when the process ends within 5 s. This process is the subreaper, so it can wait for grandchildren. */
static bool ends(pid_t pid)
{
    for (int i = 0; i < 500; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid || (kill(pid, 0) < 0 && errno == ESRCH))
            return true;
        usleep(10000);
    }
    return false;
}

static pid_t parent_of(pid_t pid)
{
    auto_free char *path = mem_printf("/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    int parent = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d (%*[^)]) %*c %d", &parent), 1);
    fclose(f);
    return parent;
}

/* ---- facts ---- */

static void a_worker_echoes_and_knows_its_arguments(void **state)
{
    struct sup *s = *state;
    long kib;
    int fds;

    spawn(s, 0, "ns/inst/0", "");
    say(s, 0, F_ECHO, "hello"); /* before it exists: the channel keeps it */
    wait_frames(s, 0, 2);
    assert_string_equal(s->job[0].first, "ns/inst/0 40");
    assert_string_equal(s->job[0].last, "hello");
    assert_int_equal(facts(s, 0, &kib, &fds), s->w->ops->pid(s->w, s->proc[0]));
}

static void an_idle_worker_is_small_and_holds_no_foreign_descriptor(void **state)
{
    struct sup *s = *state;
    long kib = 0;
    int fds = 0;

    spawn(s, 0, "a", "");
    spawn(s, 1, "b", "");
    facts(s, 1, &kib, &fds);
    print_message("private memory of an idle worker: %ld KiB\n", kib);
    assert_true(fds <= 8); /* 0-2, channel, and epoll, timer and signal descriptors of its loop */
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(kib < 512);
#endif
}

static void exit_codes_and_signals_are_reported_once_after_closed(void **state)
{
    struct sup *s = *state;

    spawn(s, 0, "a", "");
    say(s, 0, F_QUIT, "");
    while (!s->job[0].exits)
        run(s);
    assert_true(WIFEXITED(s->job[0].status));
    assert_int_equal(WEXITSTATUS(s->job[0].status), 7);
    spawn(s, 1, "b", "");
    wait_frames(s, 1, 1);
    s->w->ops->kill(s->w, s->proc[1]);
    while (!s->job[1].exits)
        run(s);
    assert_true(WIFSIGNALED(s->job[1].status));
    assert_int_equal(WTERMSIG(s->job[1].status), SIGKILL);
    assert_int_equal(s->job[0].exits + s->job[1].exits, 2);
}

static void a_kill_right_after_the_spawn_still_finds_the_worker(void **state)
{
    struct sup *s = *state;

    spawn(s, 0, "a", "");
    s->w->ops->kill(s->w, s->proc[0]);
    while (!s->job[0].exits)
        run(s);
    assert_true(WIFSIGNALED(s->job[0].status));
}

static void what_a_worker_said_before_its_end_arrives(void **state)
{
    struct sup *s = *state;

    spawn(s, 0, "a", "");
    wait_frames(s, 0, 1);
    say(s, 0, F_BIG, "");
    while (!s->job[0].exits)
        run(s);
    assert_int_equal(s->job[0].last_len, 4 << 20);
    assert_int_equal(WEXITSTATUS(s->job[0].status), 5);
}

static void a_successor_waits_for_the_lock_of_its_predecessor(void **state)
{
    struct sup *s = *state;
    char path[] = "workers-test-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    spawn(s, 0, "old", path);
    wait_frames(s, 0, 1);
    say(s, 0, F_STALL, "");
    spawn(s, 1, "new", path);
    spawn(s, 2, "other", "");
    wait_frames(s, 2, 1);
    assert_int_equal(s->job[1].frames, 0);
    s->w->ops->kill(s->w, s->proc[0]);
    wait_frames(s, 1, 1);
    while (!s->job[0].exits)
        run(s);
    assert_string_equal(s->job[1].first, "new 41");
    unlink(path);
}

static void a_lock_that_cannot_be_taken_ends_the_worker(void **state)
{
    struct sup *s = *state;

    spawn(s, 0, "a", "no-such-folder/lock");
    while (!s->job[0].exits)
        run(s);
    assert_int_equal(WEXITSTATUS(s->job[0].status), 71);
    assert_int_equal(s->job[0].frames, 0);
}

static void kill_9_of_the_spawner_ends_its_workers_and_the_spare_takes_over(void **state)
{
    struct sup *s = *state;
    pid_t spawner = 0;
    long kib;
    int fds;

    for (int round = 0; round < 4; round++) { /* more often than there were spares at the start */
        pid_t worker;

        spawn(s, 0, "a", "");
        wait_frames(s, 0, 1);
        worker = facts(s, 0, &kib, &fds);
        assert_int_not_equal(parent_of(worker), spawner);
        spawner = parent_of(worker);
        assert_int_not_equal(spawner, getpid());
        say(s, 0, F_STALL, ""); /* it hangs: what its socket tells it helps nobody */
        kill(spawner, SIGKILL);
        spawn(s, 1, "b", ""); /* meets the dead spawner or the spare: it must work or be reported */
        while (!s->job[0].exits)
            run(s);
        assert_int_equal(WTERMSIG(s->job[0].status), SIGKILL);
        assert_true(ends(worker));
        while (!s->job[1].exits && !s->job[1].frames)
            run(s);
        if (!s->job[1].exits)
            s->w->ops->kill(s->w, s->proc[1]);
        while (!s->job[1].exits)
            run(s);
    }
}

static void with_both_spawners_dead_spawn_says_so(void **state)
{
    struct sup *s = *state;
    struct world_worker_args args = {"late", 1, ""};
    auto_free char *path = mem_printf("/proc/self/task/%d/children", (int)getpid());
    struct err err = ERR_INIT;
    FILE *f;
    int pid;

    spawn(s, 0, "a", "");
    wait_frames(s, 0, 1);
    f = fopen(path, "re");
    assert_non_null(f);
    while (fscanf(f, "%d", &pid) == 1)
        kill(pid, SIGKILL); /* both are children of this process, the worker is not */
    fclose(f);
    while (!s->job[0].exits)
        run(s);
    for (int i = 0; i < 100 && err.kind == ERR_NONE; i++) {
        world_timer(s->w, 20, on_pause, s->w);
        world_real_run(s->w);
        s->job[1] = (struct job){.s = s, .i = 1, .quit_on_frame = true};
        s->proc[1] = s->w->ops->spawn(s->w, &args, &sup_cbs, sup_exit, &s->job[1], &s->chan[1], &err);
        while (s->proc[1] && !s->job[1].exits)
            run(s);
    }
    assert_int_equal(err.kind, ERR_AGAIN);
}

static pid_t read_pid(int fd)
{
    pid_t pid = 0;

    assert_int_equal(read(fd, &pid, sizeof pid), sizeof pid);
    return pid;
}

/* A supervisor in a process of its own that tells the pids of its worker and its spawner and then waits. `after_switch`
 * makes it lose its spawners first, so that one which is not its own child serves it. */
static pid_t start_supervisor(int out, int losses)
{
    pid_t pid = fork(), ids[2];
    struct sup *s;
    long kib;
    int fds;

    if (pid)
        return pid;
    s = sup_new();
    for (;;) {
        spawn(s, 0, "a", "");
        wait_frames(s, 0, 1);
        ids[0] = facts(s, 0, &kib, &fds);
        ids[1] = parent_of(ids[0]);
        if (losses-- == 0)
            break;
        say(s, 0, F_STALL, "");
        kill(ids[1], SIGKILL);
        while (!s->job[0].exits)
            run(s);
    }
    say(s, 0, F_STALL, "");
    if (write(out, ids, sizeof ids) != sizeof ids)
        _exit(1);
    world_real_run(s->w);
    _exit(1);
}

static void kill_9_of_the_supervisor_ends_spawner_and_workers(void **state)
{
    (void)state;
    for (int losses = 0; losses < 4; losses += 3) {
        pid_t super, worker, spawner;
        int pipes[2];

        assert_int_equal(pipe(pipes), 0);
        super = start_supervisor(pipes[1], losses);
        worker = read_pid(pipes[0]);
        spawner = read_pid(pipes[0]);
        close(pipes[0]);
        close(pipes[1]);
        kill(super, SIGKILL);
        assert_true(ends(super));
        assert_true(ends(worker));
        assert_true(ends(spawner));
    }
}

static void a_world_without_spawner_refuses_to_spawn(void **state)
{
    struct world_worker_args args = {"a", 1, ""};
    struct world_chan *chan = NULL;
    struct err err = ERR_INIT;
    struct world *w;

    (void)state;
    assert_int_equal(world_real_new(NULL, &w, &err), 0);
    assert_null(w->ops->spawn(w, &args, &sup_cbs, sup_exit, NULL, &chan, &err));
    assert_int_equal(err.kind, ERR_AGAIN);
    world_real_free(w);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_worker_echoes_and_knows_its_arguments),
        T(an_idle_worker_is_small_and_holds_no_foreign_descriptor),
        T(exit_codes_and_signals_are_reported_once_after_closed),
        T(a_kill_right_after_the_spawn_still_finds_the_worker),
        T(what_a_worker_said_before_its_end_arrives),
        T(a_successor_waits_for_the_lock_of_its_predecessor),
        T(a_lock_that_cannot_be_taken_ends_the_worker),
        T(kill_9_of_the_spawner_ends_its_workers_and_the_spare_takes_over),
        T(with_both_spawners_dead_spawn_says_so),
        cmocka_unit_test(kill_9_of_the_supervisor_ends_spawner_and_workers),
        cmocka_unit_test(a_world_without_spawner_refuses_to_spawn),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
