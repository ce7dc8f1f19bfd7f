/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl exec: the shim starts the command with the container's environment; we keep the other ends of its stdin,
 * stdout and stderr (or one terminal). Closing the line to the shim hangs the command up.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/node_runtime.h"

enum { IN_HIGH = 1 << 18, STREAMS = 3 };

struct exec_job {
    struct runtime_job job;
    int line; /* to the shim */
    struct event *line_ev;
    struct str line_in;
    int fd[STREAMS]; /* our ends; with a terminal fd[1] is its master and fd[0] a copy; -1 = closed */
    struct event *ev[STREAMS];
    struct str in; /* waits for stdin */
    bool in_end, held, paused, tty;
    int code; /* -1 = not known yet */
    struct err why;
    bool failed;
};

static void close_stream(struct exec_job *j, int i)
{
    if (j->ev[i])
        event_free(j->ev[i]);
    if (j->fd[i] >= 0)
        close(j->fd[i]);
    j->ev[i] = NULL;
    j->fd[i] = -1;
}

static void job_free(struct exec_job *j)
{
    for (int i = 0; i < STREAMS; i++)
        close_stream(j, i);
    if (j->line_ev)
        event_free(j->line_ev);
    if (j->line >= 0)
        close(j->line);
    str_free(&j->line_in);
    str_free(&j->in);
    free(j);
}

/* Over when the command's end is known and all it wrote was read. */
static bool maybe_end(struct exec_job *j)
{
    void (*done)(void *ctx, int code, const struct err *err) = j->job.cbs.done;
    void *ctx = j->job.ctx;
    struct err why = j->why;
    int code = j->code;
    bool failed = j->failed;

    if ((code < 0 && !failed) || (!failed && (j->fd[1] >= 0 || j->fd[2] >= 0)))
        return false;
    job_free(j);
    done(ctx, failed ? 1 : code, failed ? &why : NULL);
    return true;
}

/* ---- streams ---- */

static void on_output(evutil_socket_t fd, short what, void *ctx)
{
    struct exec_job *j = ctx;
    int i = fd == j->fd[1] ? 1 : 2;
    char buf[16384];
    ssize_t n = read(fd, buf, sizeof buf);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        j->job.cbs.data(j->job.ctx, i == 1 ? RUNTIME_STDOUT : RUNTIME_STDERR, buf, (size_t)n);
        return;
    }
    close_stream(j, i);
    maybe_end(j);
}

static void flush_input(struct exec_job *j)
{
    while (j->fd[0] >= 0 && j->in.len) {
        ssize_t n = write(j->fd[0], j->in.s, j->in.len);

        if (n < 0 && errno == EAGAIN) {
            event_add(j->ev[0], NULL);
            return;
        }
        if (n < 0) { /* the command does not read any more */
            str_reset(&j->in);
            close_stream(j, 0);
            return;
        }
        str_cut(&j->in, (size_t)n);
    }
    if (j->in_end && !j->tty)
        close_stream(j, 0);
    if (j->held && j->job.cbs.drained) {
        j->held = false;
        j->job.cbs.drained(j->job.ctx);
    }
}

static void on_input_room(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    flush_input(ctx);
}

static bool exec_input(struct runtime_job *job, const char *data, size_t len)
{
    struct exec_job *j = (struct exec_job *)job;

    if (len == 0) {
        j->in_end = true;
        if (j->tty)
            str_addc(&j->in, 4); /* Ctrl-D */
    } else if (j->fd[0] >= 0) {
        str_addn(&j->in, data, len);
    }
    j->held = j->in.len > IN_HIGH;
    if (j->ev[0])
        event_add(j->ev[0], NULL); /* written from the loop, never from inside the call */
    return !j->held;
}

static void exec_resize(struct runtime_job *job, unsigned columns, unsigned rows)
{
    struct exec_job *j = (struct exec_job *)job;
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};

    if (j->tty && j->fd[1] >= 0)
        ioctl(j->fd[1], TIOCSWINSZ, &size);
}

static void exec_pause(struct runtime_job *job, bool paused)
{
    struct exec_job *j = (struct exec_job *)job;

    j->paused = paused;
    for (int i = 1; i < STREAMS; i++) {
        if (j->ev[i] && paused)
            event_del(j->ev[i]);
        else if (j->ev[i])
            event_add(j->ev[i], NULL);
    }
}

static void exec_cancel(struct runtime_job *job)
{
    job_free((struct exec_job *)job);
}

/* ---- the shim's side ---- */

static void fail_job(struct exec_job *j, const char *text)
{
    j->failed = true;
    err_set(&j->why, ERR_REFUSED, 0, "%s", text);
}

static void take_line(struct exec_job *j, const char *line)
{
    if (str_starts(line, "exit "))
        j->code = atoi(line + 5);
    else if (str_starts(line, "error "))
        fail_job(j, line + 6);
}

static void on_line(evutil_socket_t fd, short what, void *ctx)
{
    struct exec_job *j = ctx;
    char buf[1024], *end;
    ssize_t n = read(fd, buf, sizeof buf);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (j->code < 0 && !j->failed)
            fail_job(j, "the container ended");
        event_free(j->line_ev);
        j->line_ev = NULL;
    }
    str_addn(&j->line_in, buf, n > 0 ? (size_t)n : 0);
    while (j->line_in.len && (end = memchr(j->line_in.s, '\n', j->line_in.len))) {
        *end = '\0';
        take_line(j, j->line_in.s);
        str_cut(&j->line_in, (size_t)(end - j->line_in.s) + 1);
    }
    maybe_end(j);
}

/* ---- start ---- */

static int open_terminal(struct exec_job *j, int child[STREAMS])
{
    int master, slave;

    if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
        return -1;
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    j->fd[1] = master;
    j->fd[0] = fcntl(master, F_DUPFD_CLOEXEC, 0);
    child[0] = slave;
    child[1] = fcntl(slave, F_DUPFD_CLOEXEC, 0);
    child[2] = fcntl(slave, F_DUPFD_CLOEXEC, 0);
    return 0;
}

static int open_pipes(struct exec_job *j, unsigned flags, int child[STREAMS])
{
    static const unsigned wanted[STREAMS] = {RUNTIME_STDIN, RUNTIME_STDOUT, RUNTIME_STDERR};

    for (int i = 0; i < STREAMS; i++) {
        int p[2];

        if (!(flags & wanted[i])) {
            child[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
            continue;
        }
        if (pipe2(p, O_CLOEXEC) < 0)
            return -1;
        child[i] = i == 0 ? p[0] : p[1];
        j->fd[i] = i == 0 ? p[1] : p[0];
    }
    return 0;
}

static int send_request(int line, const char *const *argv, bool tty, const int child[STREAMS])
{
    auto_str struct str args = STR_INIT;
    auto_free char *head = NULL;
    union {
        char buf[CMSG_SPACE(STREAMS * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec io[2];
    struct msghdr m = {
        .msg_iov = io, .msg_iovlen = 2, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);

    str_addn(&args, tty ? "t" : "-", 2);
    for (; *argv; argv++)
        str_addn(&args, *argv, strlen(*argv) + 1);
    head = mem_printf("exec %zu\n", args.len);
    io[0] = (struct iovec){head, strlen(head)};
    io[1] = (struct iovec){args.s, args.len};
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(STREAMS * sizeof(int));
    memcpy(CMSG_DATA(h), child, STREAMS * sizeof(int));
    return sendmsg(line, &m, MSG_NOSIGNAL) == (ssize_t)(io[0].iov_len + io[1].iov_len) ? 0 : -1;
}

static void listen_all(struct exec_job *j)
{
    struct event_base *base = j->job.node->p->base;

    j->line_ev = event_new(base, j->line, EV_READ | EV_PERSIST, on_line, j);
    event_add(j->line_ev, NULL);
    for (int i = 0; i < STREAMS; i++) {
        if (j->fd[i] < 0)
            continue;
        evutil_make_socket_nonblocking(j->fd[i]);
        j->ev[i] = i == 0 ? event_new(base, j->fd[i], EV_WRITE, on_input_room, j)
                          : event_new(base, j->fd[i], EV_READ | EV_PERSIST, on_output, j);
        if (i > 0)
            event_add(j->ev[i], NULL);
    }
}

struct runtime_job *node_exec(void *node, const cJSON *pod, const char *container, const char *const *argv,
                              unsigned flags, const struct runtime_cbs *cbs, void *ctx, struct err *err)
{
    static const struct job_kind kind = {exec_input, exec_resize, exec_pause, exec_cancel};
    struct node_ctr *c = runtime_container(node, pod, container, err);
    int child[STREAMS] = {-1, -1, -1}, rc;
    struct exec_job *j;

    if (!c)
        return NULL;
    j = mem_zero(sizeof *j);
    j->job = (struct runtime_job){&kind, node, *cbs, ctx};
    j->fd[0] = j->fd[1] = j->fd[2] = -1;
    j->code = -1;
    j->tty = flags & RUNTIME_TTY;
    j->line = shim_connect(c->dir, err);
    if (j->line < 0) {
        job_free(j);
        err_set(err, ERR_REFUSED, 0, "container %s does not run (%s)", container, c->wait_reason);
        return NULL;
    }
    rc = j->tty ? open_terminal(j, child) : open_pipes(j, flags, child);
    if (rc == 0)
        rc = send_request(j->line, argv, j->tty, child);
    for (int i = 0; i < STREAMS; i++)
        if (child[i] >= 0)
            close(child[i]);
    if (rc < 0) {
        err_set(err, ERR_SYS, errno, "start a command in container %s", container);
        job_free(j);
        return NULL;
    }
    listen_all(j);
    return &j->job;
}
