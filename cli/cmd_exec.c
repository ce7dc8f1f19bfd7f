/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet exec: the pod's exec subresource over a WebSocket, protocol v5.channel.k8s.io: the first byte of each message names
 * the stream. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/target.h"
#include "cli/websock.h"

enum { CH_STDIN, CH_STDOUT, CH_STDERR, CH_ERROR, CH_RESIZE, CH_CLOSE = 255 };

struct session {
    struct websock *ws;
    bool input, tty, raw;
    struct termios before;
    int winch;     /* signalfd */
    int code;      /* exit code of the command, -1 until it is known */
    struct err err;
};

static void add_escaped(struct str *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-_.~/", *p);

        str_addf(out, plain ? "%c" : "%%%02X", *p);
    }
}

static void make_path(const struct cli *c, const cJSON *pod, const char *container, bool input, bool tty, struct str *path)
{
    auto_free char *base = kube_path(KUBE_POD, json_ns(pod), json_name(pod));

    str_addf(path, "%s/exec?container=%s&stdout=true", base, container);
    str_add(path, tty ? "&tty=true" : "&stderr=true"); /* with a terminal both come on one stream */
    if (input)
        str_add(path, "&stdin=true");
    for (int i = 1; i < c->n_args; i++) {
        str_add(path, "&command=");
        add_escaped(path, c->args[i]);
    }
}

/* ---- what comes ---- */

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t rc = write(fd, p, n);

        if (rc < 0 && errno == EINTR)
            continue;
        if (rc <= 0)
            return; /* nobody reads our output any more; the command goes on to its end */
        p += rc;
        n -= (size_t)rc;
    }
}

/* The Status at the end: {"status":"Success"} or Failure with the exit code among its causes. */
static void take_status(struct session *s, const char *text, size_t len)
{
    auto_json cJSON *status = json_parse(text, len, &s->err);
    const cJSON *cause;

    if (!status)
        return;
    if (str_eq(json_str(status, "status", ""), "Success")) {
        s->code = 0;
        return;
    }
    cJSON_ArrayForEach(cause, json_at(status, "details.causes"))
        if (str_eq(json_str(cause, "reason", ""), "ExitCode"))
            s->code = atoi(json_str(cause, "message", "1"));
    if (s->code < 0)
        err_set(&s->err, ERR_SYS, 0, "%s", json_str(status, "message", "the server says the command failed, without a reason"));
}

/* 1: it is over. */
static int take_all(struct session *s)
{
    auto_str struct str m = STR_INIT;
    struct err err = ERR_INIT;
    int rc;

    while ((rc = websock_next(s->ws, &m, &err)) > 0) {
        if (m.len == 0)
            continue;
        if (m.s[0] == CH_STDOUT)
            write_all(STDOUT_FILENO, m.s + 1, m.len - 1);
        else if (m.s[0] == CH_STDERR)
            write_all(STDERR_FILENO, m.s + 1, m.len - 1);
        else if (m.s[0] == CH_ERROR)
            take_status(s, m.s + 1, m.len - 1);
    }
    if (rc == 0)
        return 0;
    if (s->code < 0 && s->err.kind == ERR_NONE)
        s->err = err;
    return 1;
}

/* ---- what goes ---- */

static int send_on(struct session *s, unsigned channel, const char *data, size_t len)
{
    auto_str struct str m = STR_INIT;

    str_addc(&m, (char)channel);
    str_addn(&m, data, len);
    return websock_send(s->ws, m.s, m.len, &s->err);
}

static int send_size(struct session *s)
{
    struct winsize size;
    char text[64];

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    snprintf(text, sizeof text, "{\"Width\":%u,\"Height\":%u}", size.ws_col, size.ws_row);
    return send_on(s, CH_RESIZE, text, strlen(text));
}

static int pass_input(struct session *s)
{
    char buf[32768];
    ssize_t n = read(STDIN_FILENO, buf, sizeof buf);
    const char end = CH_STDIN;

    if (n > 0)
        return send_on(s, CH_STDIN, buf, (size_t)n);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    s->input = false;
    return send_on(s, CH_CLOSE, &end, 1); /* v5: closes one stream */
}

static int pump(struct session *s)
{
    struct pollfd p[3] = {{websock_fd(s->ws), POLLIN, 0}, {-1, POLLIN, 0}, {s->winch, POLLIN, 0}};
    struct signalfd_siginfo si;

    for (;;) {
        if (take_all(s))
            return 0;
        p[1].fd = s->input ? STDIN_FILENO : -1;
        if (poll(p, 3, -1) < 0 && errno != EINTR)
            return err_set(&s->err, ERR_SYS, errno, "poll");
        if (s->input && p[1].revents && pass_input(s) < 0)
            return -1;
        if (p[2].revents && read(s->winch, &si, sizeof si) == sizeof si && send_size(s) < 0)
            return -1;
    }
}

/* ---- the terminal ---- */

static void terminal_raw(struct session *s)
{
    struct termios raw;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->winch = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (tcgetattr(STDIN_FILENO, &s->before) < 0)
        return;
    raw = s->before;
    cfmakeraw(&raw);
    s->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void terminal_back(struct session *s)
{
    if (s->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
    if (s->winch >= 0)
        close(s->winch);
}

static int run(struct session *s, struct fleet_api *a, const char *path, struct err *err)
{
    struct kube_access *access = kube_access_get(a->k, err);
    int rc;

    if (!access)
        return -1;
    struct websock_target t = {.server = access->server, .path = path, .protocol = "v5.channel.k8s.io", .headers = access->headers,
                               .tls = access->tls};
    rc = websock_open(&s->ws, &t, err);
    kube_access_put(access);
    if (rc < 0)
        return -1;
    if (s->tty)
        terminal_raw(s);
    if (s->tty)
        send_size(s);
    pump(s);
    terminal_back(s);
    websock_close(s->ws);
    if (s->code < 0)
        *err = s->err;
    return s->code < 0 ? -1 : 0;
}

int cmd_exec(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    auto_json cJSON *pod = NULL;
    auto_str struct str path = STR_INIT;
    const char *container;
    struct session s = {.input = cli_flag(c, "stdin"), .tty = cli_flag(c, "tty"), .winch = -1, .code = -1};

    if (s.tty && !isatty(STDIN_FILENO))
        err_set(&err, ERR_INPUT, 0, "-t needs a terminal on standard input");
    if (err.kind != ERR_NONE || api_open(&a, c, &err) < 0 ||
        target_find(&a, c->args[0], cli_text(c, "container", NULL), &pod, &container, &err) < 0)
        return cli_fail(c, &err);
    make_path(c, pod, container, s.input, s.tty, &path);
    return run(&s, &a, path.s, &err) < 0 ? cli_fail(c, &err) : s.code;
}
