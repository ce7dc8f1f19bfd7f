/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawner: a small process that forks workers, forked itself before the supervisor has grown. It has no libraries'
 * state, so that its children are cheap. It waits in one poll(); SIGCHLD only interrupts it.
 *
 * Who dies with whom: a worker with its spawner and the spawner with its supervisor, both by PR_SET_PDEATHSIG, which is
 * checked after the fork because the parent may be gone before the call. A spare that was forked by the spawner
 * (SPAWN_CLONE) must outlive that one: it ends when its socket says that the supervisor is gone.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/world_impl.h"

enum { FIRST_FD = 3, NO_LOCK_CODE = 71, DRAIN_MS = 2000 };

struct child {
    uint64_t id;
    pid_t pid;
};

struct spawner {
    int sock;
    world_worker_main *worker_main;
    struct child *children;
    size_t n;
};

static void spawner_loop(struct spawner *s);

/* ---- messages ---- */

int spawn_send(int sock, const struct spawn_msg *msg, const char *name, const char *lock_path, int fd, int flags)
{
    struct iovec iov[3] = {
        {(void *)msg, sizeof *msg}, {(void *)name, msg->name_len}, {(void *)lock_path, msg->lock_len}};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 3};
    ssize_t n;

    if (fd >= 0) {
        struct cmsghdr *c;

        m.msg_control = &control;
        m.msg_controllen = sizeof control.room;
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL | flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static int received_fd(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int fd = -1;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

int spawn_recv(int sock, struct spawn_msg *msg, char *buf, int *fd, int flags)
{
    struct iovec iov[2] = {{msg, sizeof *msg}, {buf, SPAWN_MSG_MAX}};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control.room};
    ssize_t n;

    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | flags);
    while (n < 0 && errno == EINTR && (flags & MSG_DONTWAIT));
    if (n < 0 && errno == ECONNRESET)
        return 0;
    if (n <= 0)
        return (int)n;
    *fd = received_fd(&m);
    if ((size_t)n < sizeof *msg || (size_t)n != sizeof *msg + msg->name_len + (size_t)msg->lock_len) {
        mem_closep(fd);
        errno = EPROTO;
        return -1;
    }
    return 1;
}

/* ---- after a fork ---- */

/* Nothing of the parent is kept but `keep`, which becomes FIRST_FD, and standard input, output and error. */
static void keep_one_fd(int keep)
{
    if (keep != FIRST_FD) {
        dup2(keep, FIRST_FD);
        close(keep);
    }
    fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC);
    if (close_range(FIRST_FD + 1, ~0u, 0) < 0)
        for (int fd = FIRST_FD + 1; fd < 4096; fd++)
            close(fd);
}

/* The end is decided by the supervisor: what a terminal or a service manager sends to the whole group is for it. */
static void reset_signals(void)
{
    static const int ignored[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Forks with all signals blocked, so that no handler of the parent runs in the child. */
static pid_t quiet_fork(void)
{
    sigset_t all, old;
    pid_t pid;
    int why;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid = fork();
    why = errno;
    if (pid != 0)
        sigprocmask(SIG_SETMASK, &old, NULL);
    errno = why;
    return pid;
}

static void die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
}

/* ---- the worker ---- */

static int take_lock(const char *path)
{
    int fd;

    if (!*path)
        return 0;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX) < 0) /* waits for the predecessor's end; held as long as this process lives */
        if (errno != EINTR)
            return -1;
    return 0;
}

static _Noreturn void worker_run(world_worker_main *worker_main, const struct world_worker_args *args)
{
    struct err err = ERR_INIT;
    struct world_chan *chan = NULL;
    struct world *w = NULL;
    int code;

    if (take_lock(args->lock_path) < 0) {
        log_error(args->name,
                  "worker: cannot take the lock %s: %s; make its folder writable and free space on its disk",
                  args->lock_path, strerror(errno));
        _exit(NO_LOCK_CODE);
    }
    if (world_real_new(NULL, &w, &err) < 0) {
        log_error(args->name, "worker: %s", err.msg);
        _exit(NO_LOCK_CODE);
    }
    chan = world_chan_new(real_of(w), FIRST_FD, NULL, NULL, true);
    world_chan_own(chan, &chan);
    code = worker_main(w, chan, args);
    if (code == 0)
        code = world_real_run(w);
    if (chan)
        world_chan_drain(chan, DRAIN_MS);
    _exit(code);
}

/* ---- the spawner ---- */

static void answer(struct spawner *s, enum spawn_type type, uint64_t id, int value)
{
    struct spawn_msg msg = {.type = type, .id = id, .value = value};

    spawn_send(s->sock, &msg, "", "", -1, 0); /* a supervisor that is gone is found by the next receive */
}

static void start_worker(struct spawner *s, const struct spawn_msg *msg, const char *strings, int fd)
{
    struct world_worker_args args = {strings, msg->generation, strings + msg->name_len};
    pid_t self = getpid(), pid = fd < 0 ? -1 : quiet_fork();

    if (pid == 0) {
        die_with(self);
        prctl(PR_SET_NAME, "chfleet-worker");
        keep_one_fd(fd);
        reset_signals();
        worker_run(s->worker_main, &args);
    }
    if (pid < 0) {
        answer(s, SPAWN_FAILED, msg->id, fd < 0 ? EBADF : errno);
        return;
    }
    s->children = mem_grow(s->children, s->n + 1, sizeof *s->children);
    s->children[s->n++] = (struct child){msg->id, pid};
    answer(s, SPAWN_STARTED, msg->id, pid);
}

static void kill_worker(struct spawner *s, uint64_t id)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i].id == id)
            kill(s->children[i].pid, SIGKILL); /* not reaped yet, so the number is still its own */
}

static void clone_spawner(struct spawner *s, int fd)
{
    struct spawner spare = {.sock = FIRST_FD, .worker_main = s->worker_main};

    if (fd < 0 || quiet_fork() != 0)
        return; /* without a fork the socket closes, and the supervisor knows that it has no spare */
    keep_one_fd(fd);
    spawner_loop(&spare);
}

static void reap(struct spawner *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < s->n; i++)
            if (s->children[i].pid == pid) {
                answer(s, SPAWN_EXITED, s->children[i].id, status);
                s->children[i] = s->children[--s->n];
                break;
            }
}

static _Noreturn void spawner_end(struct spawner *s)
{
    for (size_t i = 0; i < s->n; i++)
        kill(s->children[i].pid, SIGKILL);
    _exit(0);
}

static void obey(struct spawner *s)
{
    char strings[SPAWN_MSG_MAX];
    struct spawn_msg msg;
    int fd = -1, rc = spawn_recv(s->sock, &msg, strings, &fd, MSG_DONTWAIT);

    if (rc == 0 || (rc < 0 && errno != EAGAIN))
        spawner_end(s);
    if (rc < 0)
        return;
    switch ((enum spawn_type)msg.type) {
    case SPAWN_START:
        start_worker(s, &msg, strings, fd);
        break;
    case SPAWN_KILL:
        kill_worker(s, msg.id);
        break;
    case SPAWN_CLONE:
        clone_spawner(s, fd);
        break;
    default:
        break;
    }
    mem_closep(&fd);
}

static void on_child(int sig)
{
    (void)sig;
}

static _Noreturn void spawner_loop_forever(struct spawner *s)
{
    struct pollfd p = {.fd = s->sock, .events = POLLIN};
    sigset_t blocked, open_mask;

    sigemptyset(&open_mask);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD); /* comes only while we wait, so that none is missed */
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    for (;;) {
        reap(s);
        if (ppoll(&p, 1, NULL, &open_mask) > 0)
            obey(s);
    }
}

static void spawner_loop(struct spawner *s)
{
    struct sigaction act = {.sa_handler = on_child};

    prctl(PR_SET_NAME, "chfleet-spawner");
    reset_signals();
    sigaction(SIGCHLD, &act, NULL);
    spawner_loop_forever(s);
}

static int fork_spawner(world_worker_main *worker_main, struct spawner_link *link, struct err *err)
{
    struct spawner s = {.sock = FIRST_FD, .worker_main = worker_main};
    pid_t self = getpid();
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ERR_SYS, errno, "cannot make the spawner's socket");
    fflush(NULL);
    link->pid = quiet_fork();
    if (link->pid == 0) {
        die_with(self);
        keep_one_fd(pair[1]);
        spawner_loop(&s);
    }
    close(pair[1]);
    if (link->pid < 0) {
        close(pair[0]);
        return err_set(err, ERR_SYS, errno, "cannot fork the spawner");
    }
    link->fd = pair[0];
    return 0;
}

int world_real_spawner(world_worker_main *worker_main, struct world_spawner **out, struct err *err)
{
    struct world_spawner *s = mem_zero(sizeof *s);

    curl_global_init(CURL_GLOBAL_DEFAULT); /* once, and shared by all that are forked: TLS alone takes 0.2 MiB to begin */
    s->link[1].fd = -1;
    if (fork_spawner(worker_main, &s->link[0], err) < 0) {
        free(s);
        return -1;
    }
    if (fork_spawner(worker_main, &s->link[1], err) < 0) {
        close(s->link[0].fd);
        waitpid(s->link[0].pid, NULL, 0);
        free(s);
        return -1;
    }
    *out = s;
    return 0;
}
