/* SPDX-License-Identifier: Apache-2.0 */
/* The unix socket of a shim. Answers are short lines; a client that does not take them is dropped. */
#include "plane/shim_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

enum { LINE_MAX_LEN = 256, HANG_UP_MS = 2000 };

static void say(struct shim_client *c, const char *text)
{
    size_t len = strlen(text);

    if (c->fd >= 0 && send(c->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
        shim_client_close(c);
}

static void drop_fds(struct shim_client *c)
{
    for (int i = 0; i < c->n_fds; i++)
        close(c->fds[i]);
    c->n_fds = 0;
}

void shim_client_close(struct shim_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    drop_fds(c);
    free(c->in);
    c->in = NULL;
    c->in_len = c->exec_left = 0;
    c->fd = -1;
    c->watching = false;
    if (c->exec_pid && !c->exec_kill_at) {
        kill(-c->exec_pid, SIGHUP);
        c->exec_kill_at = shim_mono_ms() + HANG_UP_MS;
    }
}

void shim_accept(struct shim *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    for (int i = 0; fd >= 0 && i < SHIM_CLIENTS; i++) {
        struct shim_client *c = &s->clients[i];

        if (c->fd < 0 && !c->exec_pid) {
            c->fd = fd;
            say(c, "chfleet-shim 1 " PACKAGE_VERSION_TEXT "\n");
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

void shim_tell(struct shim *s)
{
    auto_str struct str line = STR_INIT;

    shim_state_encode(&s->st, &line);
    for (int i = 0; i < SHIM_CLIENTS; i++)
        if (s->clients[i].watching)
            say(&s->clients[i], line.s);
}

/* ---- exec ---- */

static char **split_args(char *text, size_t len, size_t *n)
{
    char **argv = NULL;

    *n = 0;
    for (size_t at = 0; at < len; at += strlen(text + at) + 1) {
        argv = mem_grow(argv, *n + 2, sizeof *argv);
        argv[(*n)++] = text + at;
        argv[*n] = NULL;
    }
    return argv;
}

static _Noreturn void become_command(struct shim *s, struct shim_client *c, char **argv, bool tty, int why_fd)
{
    int why;

    setsid();
    for (int i = 0; i < 3; i++)
        dup2(c->fds[i], i);
    if (tty)
        ioctl(0, TIOCSCTTY, 0);
    shim_child_signals();
    environ = s->spec.env ? s->spec.env : (char *[]){NULL};
    if (chdir(s->spec.cwd) == 0)
        execvp(argv[0], argv);
    why = errno;
    if (write(why_fd, &why, sizeof why) < 0)
        _exit(126);
    _exit(127);
}

static void start_command(struct shim *s, struct shim_client *c, char **argv, bool tty)
{
    int pipe_fd[2], why = 0;
    char line[LINE_MAX_LEN];
    pid_t pid;

    if (pipe2(pipe_fd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        say(c, "error cannot start another process\n");
        return;
    }
    if (pid == 0)
        become_command(s, c, argv, tty, pipe_fd[1]);
    close(pipe_fd[1]);
    if (read(pipe_fd[0], &why, sizeof why) == (ssize_t)sizeof why) {
        waitpid(pid, NULL, 0);
        snprintf(line, sizeof line, "error cannot run %.100s: %s\n", argv[0], strerror(why));
        pid = 0;
    } else {
        snprintf(line, sizeof line, "started %d\n", (int)pid);
    }
    close(pipe_fd[0]);
    c->exec_pid = pid;
    c->exec_kill_at = 0;
    drop_fds(c);
    say(c, line);
}

static void do_exec(struct shim *s, struct shim_client *c, char *text, size_t len)
{
    size_t n = 0;
    auto_free char **argv = split_args(text, len, &n);

    if (c->n_fds != 3 || n < 2 || c->exec_pid)
        say(c, "error exec needs three descriptors and a command, once per connection\n");
    else
        start_command(s, c, argv + 1, argv[0][0] == 't');
}

bool shim_exec_reaped(struct shim *s, pid_t pid, int status)
{
    char line[32];

    for (int i = 0; i < SHIM_CLIENTS; i++) {
        struct shim_client *c = &s->clients[i];

        if (c->exec_pid != pid)
            continue;
        c->exec_pid = 0;
        c->exec_kill_at = 0;
        snprintf(line, sizeof line, "exit %d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
        say(c, line);
        return true;
    }
    return false;
}

/* ---- requests ---- */

static void do_status(struct shim *s, struct shim_client *c)
{
    auto_str struct str line = STR_INIT;

    shim_state_encode(&s->st, &line);
    say(c, line.s);
}

static bool number_after(const char *line, const char *word, unsigned long *n)
{
    char *end;

    if (!str_starts(line, word) || line[strlen(word)] < '0' || line[strlen(word)] > '9')
        return false;
    *n = strtoul(line + strlen(word), &end, 10);
    return *end == '\0';
}

static void do_line(struct shim *s, struct shim_client *c, const char *line)
{
    unsigned long n;

    if (strcmp(line, "status") == 0) {
        do_status(s, c);
    } else if (strcmp(line, "watch") == 0) {
        c->watching = true;
        do_status(s, c);
    } else if (number_after(line, "stop ", &n)) {
        say(c, "ok\n");
        shim_end(s, SHIM_WANT_STOP, n);
    } else if (number_after(line, "restart ", &n)) {
        say(c, "ok\n");
        shim_end(s, SHIM_WANT_RESTART, n);
    } else if (number_after(line, "signal ", &n) && n > 0 && n < NSIG) {
        bool sent = s->st.pid && kill((pid_t)s->st.pid, (int)n) == 0;

        say(c, sent ? "ok\n" : "error no server runs\n");
    } else if (number_after(line, "exec ", &n) && n > 0 && n <= SHIM_EXEC_MAX) {
        c->exec_left = n + 1;
    } else {
        say(c, "error unknown request\n");
    }
}

/* Takes one request off the front of the buffer; 0 = more bytes are needed. */
static size_t take_one(struct shim *s, struct shim_client *c)
{
    char *end;

    if (c->exec_left) {
        size_t len = c->exec_left - 1;

        if (c->in_len < len)
            return 0;
        c->in[len - 1] = '\0';
        c->exec_left = 0;
        do_exec(s, c, c->in, len);
        return len;
    }
    end = memchr(c->in, '\n', c->in_len);
    if (!end) {
        if (c->in_len > LINE_MAX_LEN)
            shim_client_close(c);
        return 0;
    }
    *end = '\0';
    do_line(s, c, c->in);
    return (size_t)(end - c->in) + 1;
}

static void keep_fds(struct shim_client *c, struct msghdr *m)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        int n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (int i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + (size_t)i * sizeof fd, sizeof fd);
            if (c->n_fds < 3)
                c->fds[c->n_fds++] = fd;
            else
                close(fd);
        }
    }
}

void shim_client_read(struct shim *s, struct shim_client *c)
{
    char buf[4096], control[CMSG_SPACE(sizeof(int) * 3)];
    struct iovec io = {buf, sizeof buf};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    size_t used;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || c->in_len > SHIM_EXEC_MAX) {
        shim_client_close(c);
        return;
    }
    keep_fds(c, &m);
    c->in = mem_grow(c->in, c->in_len + (size_t)n + 1, 1);
    memcpy(c->in + c->in_len, buf, (size_t)n);
    c->in_len += (size_t)n;
    while (c->fd >= 0 && c->in_len && (used = take_one(s, c)) > 0 && c->fd >= 0) {
        memmove(c->in, c->in + used, c->in_len - used);
        c->in_len -= used;
    }
}
