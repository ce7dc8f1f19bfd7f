/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/shim.h"

static uint64_t mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int shim_connect(const char *dir, struct err *err)
{
    auto_close int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd;

    if (at < 0)
        return err_set(err, ERR_MISSING, errno, "%s: no such container", dir);
    /* through the directory's descriptor: the whole path is often longer than a socket address may be */
    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/sock", at);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        int why = errno;

        if (fd >= 0)
            close(fd);
        return err_set(err, ERR_MISSING, why, "%s: no shim listens (%s)", dir, strerror(why));
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Reads one line into buf; -1 at the end, on a longer line or when time is up. */
static int read_line(int fd, char *buf, size_t size, uint64_t until)
{
    size_t n = 0;

    while (n + 1 < size) {
        uint64_t now = mono_ms();
        struct pollfd p = {fd, POLLIN, 0};

        if (now >= until || poll(&p, 1, (int)(until - now)) <= 0 || read(fd, buf + n, 1) != 1)
            return -1;
        if (buf[n] == '\n') {
            buf[n] = '\0';
            return 0;
        }
        n++;
    }
    return -1;
}

int shim_call(const char *dir, const char *request, unsigned ms, struct err *err)
{
    auto_close int fd = shim_connect(dir, err);
    auto_free char *line = mem_printf("%s\n", request);
    uint64_t until = mono_ms() + ms;
    char buf[1024];

    if (fd < 0)
        return -1;
    if (read_line(fd, buf, sizeof buf, until) < 0 || !str_starts(buf, "chfleet-shim "))
        return err_set(err, ERR_AGAIN, 0, "%s: the shim does not answer", dir);
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line) ||
        read_line(fd, buf, sizeof buf, until) < 0)
        return err_set(err, ERR_AGAIN, 0, "%s: the shim went away during \"%s\"", dir, request);
    if (str_starts(buf, "error"))
        return err_set(err, ERR_REFUSED, 0, "%s: %s", dir, buf);
    return 0;
}

/* ---- all of them ---- */

typedef int visit_fn(void *ctx, const char *dir); /* returns what is summed up */

static int each_entry(const char *dir, visit_fn *fn, void *ctx)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int sum = 0;

    while (d && (e = readdir(d))) {
        auto_free char *path = NULL;

        if (e->d_name[0] == '.')
            continue;
        path = mem_printf("%s/%s", dir, e->d_name);
        sum += fn(ctx, path);
    }
    if (d)
        closedir(d);
    return sum;
}

static int stop_one(void *ctx, const char *dir)
{
    return shim_call(dir, ctx, 1000, NULL) == 0;
}

static int count_one(void *ctx, const char *dir)
{
    struct shim_state s;
    bool alive = false;
    struct err e = ERR_INIT;
    int fd = shim_connect(dir, &e);

    (void)ctx;
    if (fd >= 0)
        close(fd);
    return fd >= 0 || (shim_last_state(dir, &s, &alive, &e) == 0 && alive);
}

struct pod_visit {
    visit_fn *fn;
    void *ctx;
};

static int each_container(void *ctx, const char *pod_dir)
{
    struct pod_visit *v = ctx;
    auto_free char *dir = mem_printf("%s/containers", pod_dir);

    return each_entry(dir, v->fn, v->ctx);
}

int shim_stop_all(const char *data_dir, int64_t grace_ms, unsigned ms, struct err *err)
{
    auto_free char *pods = mem_printf("%s/pods", data_dir);
    auto_free char *stop = mem_printf("stop %" PRId64, grace_ms < 0 ? 30000 : grace_ms);
    struct pod_visit ask = {stop_one, stop}, count = {count_one, NULL};
    uint64_t until = mono_ms() + ms;
    int left;

    each_entry(pods, each_container, &ask);
    while ((left = each_entry(pods, each_container, &count)) > 0 && mono_ms() < until)
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    if (left)
        return err_set(err, ERR_AGAIN, 0, "%d containers still run after %u s; wait and try again", left, ms / 1000);
    return 0;
}
