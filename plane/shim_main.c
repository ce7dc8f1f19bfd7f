/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chfleet-shim DIR: parent of one container's server (plane/shim.h says all). It returns once the shim stands in its
 * own session and listens; the caller need not stay. Exit codes: 0 listening, 2 usage or bad specification, 3 another
 * shim holds this directory, 1 else.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/shim_run.h"

static int listen_here(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX,
                            .sun_path = "sock"}; /* relative: absolute paths are often too long */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    unlink("sock");
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 16) < 0)
        return -1;
    return fd;
}

static int catch_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_SETMASK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void on_signal(struct shim *s)
{
    struct signalfd_siginfo info;

    while (read(s->sig_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            s->term = true;
    shim_reap(s);
}

static int wait_ms(const struct shim *s, uint64_t now)
{
    uint64_t next = UINT64_MAX, left;
    const uint64_t at[] = {s->kill_at, s->start_at, s->log_at};

    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        if (at[i] && at[i] < next)
            next = at[i];
    for (int i = 0; i < SHIM_CLIENTS; i++)
        if (s->clients[i].exec_kill_at && s->clients[i].exec_kill_at < next)
            next = s->clients[i].exec_kill_at;
    if (next == UINT64_MAX)
        return -1;
    left = next > now ? next - now : 0;
    return left > 3600000 ? 3600000 : (int)left;
}

static void round_once(struct shim *s)
{
    struct pollfd p[4 + SHIM_CLIENTS] = {
        {s->sig_fd, POLLIN, 0}, {s->listen_fd, POLLIN, 0}, {s->pid_fd, POLLIN, 0}, {s->inotify_fd, POLLIN, 0}};

    for (int i = 0; i < SHIM_CLIENTS; i++)
        p[4 + i] = (struct pollfd){s->clients[i].fd, POLLIN, 0};
    if (poll(p, 4 + SHIM_CLIENTS, wait_ms(s, shim_mono_ms())) < 0 && errno != EINTR)
        return;
    if (p[0].revents)
        on_signal(s);
    if (p[2].revents && !s->child && s->pid_fd == p[2].fd)
        shim_server_gone(s, 0, false);
    if (p[3].revents)
        shim_log_event(s);
    for (int i = 0; i < SHIM_CLIENTS; i++)
        if (p[4 + i].revents && s->clients[i].fd == p[4 + i].fd)
            shim_client_read(s, &s->clients[i]);
    if (p[1].revents)
        shim_accept(s);
    shim_tick(s, shim_mono_ms());
}

/* The starter waits for one byte: the shim listens. */
static int into_background(int *ready)
{
    int fd[2], null;
    char byte = 1;
    pid_t pid;

    if (pipe2(fd, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        return -1;
    if (pid > 0) {
        close(fd[1]);
        _exit(read(fd[0], &byte, 1) == 1 ? byte : 1);
    }
    close(fd[0]);
    setsid();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    *ready = fd[1];
    return 0;
}

static int set_up(struct shim *s, const char *dir)
{
    auto_free char *text = NULL;
    struct err e = ERR_INIT;

    if (chdir(dir) < 0 || !(text = shim_read(AT_FDCWD, "spec"))) {
        fprintf(stderr, "chfleet-shim: %s/spec: %s\n", dir, strerror(errno));
        return 2;
    }
    if (shim_spec_decode(text, &s->spec, &e) < 0) {
        fprintf(stderr, "chfleet-shim: %s/spec: %s\n", dir, e.msg);
        return 2;
    }
    s->lock_fd = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0 || flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        fprintf(stderr, "chfleet-shim: %s: %s\n", dir,
                errno == EWOULDBLOCK ? "another shim holds it" : strerror(errno));
        return errno == EWOULDBLOCK ? 3 : 1;
    }
    return 0;
}

static int run(struct shim *s)
{
    int ready = -1;

    if (into_background(&ready) < 0)
        return 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    s->sig_fd = catch_signals();
    shim_log_open(s);
    s->listen_fd = listen_here();
    if (s->sig_fd < 0 || s->listen_fd < 0 || s->log_fd < 0)
        return 1;
    shim_begin(s);
    if (write(ready, "", 1) == 1)
        close(ready);
    while (!s->term && !shim_over(s))
        round_once(s);
    if (!s->term) {
        shim_end_execs(s);
        unlink("sock");
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct shim s = {.pid_fd = -1, .log_fd = -1, .inotify_fd = -1};
    int rc;

    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: chfleet-shim CONTAINER_DIRECTORY (started by chfleet-plane, not by hand)\n");
        return 2;
    }
    umask(027);
    for (int i = 0; i < SHIM_CLIENTS; i++)
        s.clients[i].fd = -1;
    rc = set_up(&s, argv[1]);
    if (rc == 0)
        rc = run(&s);
    shim_spec_fini(&s.spec);
    return rc;
}
