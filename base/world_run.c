/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program and collects what it prints (credential plugins of a kubeconfig). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/world_impl.h"

enum { RUN_MS = 60000, RUN_OUT_MAX = 1 << 20, RUN_NOT_STARTED = 127 << 8 };

struct world_run {
    LIST_ENTRY(world_run) link;
    struct world_real *w;
    pid_t pid;
    int pidfd, pipe[2]; /* [0] its standard output, [1] its standard error: our ends; pidfd -1: a kernel without */
    int open;           /* pipes that may still bring something */
    struct event *exit_ev, *read_ev[2], *limit_ev;
    struct str text[2];
    void (*done)(void *ctx, int status, const char *out, const char *errtext);
    void *ctx;
};

static void run_free(struct world_run *r)
{
    struct event *const evs[] = {r->exit_ev, r->read_ev[0], r->read_ev[1], r->limit_ev};

    LIST_REMOVE(r, link);
    for (size_t i = 0; i < sizeof evs / sizeof *evs; i++)
        if (evs[i])
            event_free(evs[i]);
    for (int i = 0; i < 2; i++) {
        if (r->pipe[i] >= 0)
            close(r->pipe[i]);
        str_free(&r->text[i]);
    }
    if (r->pidfd >= 0)
        close(r->pidfd);
    free(r);
}

/* 1: more may wait; 0: nothing waits; -1: the end of the pipe. */
static int run_read(struct world_run *r, int i)
{
    char buf[4096];
    ssize_t n = read(r->pipe[i], buf, sizeof buf);

    if (n < 0)
        return errno == EINTR ? 1 : errno == EAGAIN ? 0 : -1;
    if (r->text[i].len < RUN_OUT_MAX)
        str_addn(&r->text[i], buf, (size_t)n);
    return n ? 1 : -1;
}

/* What the program's own children still print is not waited for. */
static void run_end(struct world_run *r)
{
    int status = 0;

    for (int i = 0; i < 2; i++)
        while (run_read(r, i) > 0)
            continue;
    if (waitpid(r->pid, &status, 0) != r->pid)
        status = RUN_NOT_STARTED;
    r->done(r->ctx, status, str_text(&r->text[0]), str_text(&r->text[1]));
    run_free(r);
}

static void on_output(evutil_socket_t fd, short what, void *ctx)
{
    struct world_run *r = ctx;
    int i = fd == r->pipe[1];

    (void)what;
    if (run_read(r, i) >= 0)
        return;
    event_del(r->read_ev[i]);
    if (--r->open == 0 && r->pidfd < 0)
        run_end(r); /* nobody else tells its exit */
}

static void on_exit_event(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    run_end(ctx);
}

static void on_limit(evutil_socket_t fd, short what, void *ctx)
{
    struct world_run *r = ctx;

    (void)fd;
    (void)what;
    str_add(&r->text[1], "\nended by chfleet: it took too long");
    kill(-r->pid, SIGKILL); /* on_exit_event() or on_output() goes on */
}

static void on_not_started(evutil_socket_t fd, short what, void *ctx)
{
    struct world_run *r = ctx;

    (void)fd;
    (void)what;
    r->done(r->ctx, RUN_NOT_STARTED, "", str_text(&r->text[1]));
    run_free(r);
}

/* This process's environment and what `more` adds or replaces; the array is the caller's, the strings are not. */
static char **merged_env(const char *const *more)
{
    size_t n = 0, m = 0, out = 0;
    char **env;

    while (environ && environ[n])
        n++;
    while (more && more[m])
        m++;
    env = mem_array(n + m + 1, sizeof *env);
    for (size_t i = 0; i < n; i++) {
        bool replaced = false;

        for (size_t k = 0; k < m; k++)
            if (strncmp(environ[i], more[k], strcspn(more[k], "=") + 1) == 0)
                replaced = true;
        if (!replaced)
            env[out++] = environ[i];
    }
    for (size_t k = 0; k < m; k++)
        env[out++] = (char *)more[k];
    return env;
}

static int run_spawn(struct world_run *r, const char *const *argv, const char *const *env, const int ends[2])
{
    auto_free char **merged = merged_env(env);
    posix_spawn_file_actions_t acts;
    posix_spawnattr_t attr;
    sigset_t all, none;
    int rc;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&acts);
    posix_spawn_file_actions_addopen(&acts, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&acts, ends[0], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&acts, ends[1], STDERR_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    rc = posix_spawnp(&r->pid, argv[0], &acts, &attr, (char *const *)argv, merged);
    posix_spawn_file_actions_destroy(&acts);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static int run_open(struct world_run *r, const char *const *argv, const char *const *env)
{
    int out[2] = {-1, -1}, errs[2] = {-1, -1}, ends[2], rc;

    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(errs, O_CLOEXEC) < 0) {
        rc = errno;
        mem_closep(&out[0]);
        mem_closep(&out[1]);
        return rc;
    }
    r->pipe[0] = out[0];
    r->pipe[1] = errs[0];
    ends[0] = out[1];
    ends[1] = errs[1];
    evutil_make_socket_nonblocking(out[0]);
    evutil_make_socket_nonblocking(errs[0]);
    rc = run_spawn(r, argv, env, ends);
    close(out[1]);
    close(errs[1]);
    if (rc == 0)
        r->pidfd = pidfd_open(r->pid, 0);
    return rc;
}

void world_run_start(struct world *w, const char *const *argv, const char *const *env, uint32_t total_ms,
                     void (*done)(void *ctx, int status, const char *out, const char *errtext), void *ctx)
{
    struct world_run *r = mem_zero(sizeof *r);
    int rc;

    r->w = real_of(w);
    r->pidfd = r->pipe[0] = r->pipe[1] = -1;
    r->done = done;
    r->ctx = ctx;
    LIST_INSERT_HEAD(&r->w->runs, r, link);
    rc = run_open(r, argv, env);
    if (rc) {
        str_addf(&r->text[1], "cannot run %s: %s", argv[0], strerror(rc));
        r->limit_ev = world_event(r->w, -1, 0, on_not_started, r);
        world_event_in(r->limit_ev, 0);
        return;
    }
    for (int i = 0; i < 2; i++) {
        r->read_ev[i] = world_event(r->w, r->pipe[i], EV_READ | EV_PERSIST, on_output, r);
        event_add(r->read_ev[i], NULL);
    }
    r->open = 2;
    if (r->pidfd >= 0) {
        r->exit_ev = world_event(r->w, r->pidfd, EV_READ, on_exit_event, r);
        event_add(r->exit_ev, NULL);
    }
    r->limit_ev = world_event(r->w, -1, 0, on_limit, r);
    world_event_in(r->limit_ev, total_ms ? total_ms : RUN_MS);
}

void world_run_close(struct world_real *w)
{
    while (!LIST_EMPTY(&w->runs)) {
        struct world_run *r = LIST_FIRST(&w->runs);

        if (r->pid > 0) {
            kill(-r->pid, SIGKILL);
            waitpid(r->pid, NULL, 0);
        }
        run_free(r);
    }
}
