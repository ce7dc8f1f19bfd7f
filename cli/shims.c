/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/shims.h"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

/* Socket paths may be longer than sun_path: the folder is reached through a descriptor. -1: nobody listens. */
static int call(const char *sock)
{
    auto_free char *dir = mem_str(sock);
    auto_close int folder = -1;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd;

    *strrchr(dir, '/') = '\0';
    folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/sock", folder);
    if (folder >= 0 && fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The shim ends with its server, and the connection with it. */
static bool wait_end(int fd, uint64_t until)
{
    char buf[512];

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = now_ms();

        if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
            return false;
        if (recv(fd, buf, sizeof buf, 0) <= 0)
            return true;
    }
}

int shims_stop(const char *plane_dir, unsigned grace_ms, unsigned wait_ms, struct err *err)
{
    static const char *const places[] = {"lb/sock", "pods/*/containers/*/sock"};
    glob_t found = {0};
    uint64_t until = now_ms() + wait_ms;
    int n = 0, left = 0, *fds;

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        auto_free char *pattern = mem_printf("%s/%s", plane_dir, places[i]);

        glob(pattern, GLOB_NOSORT | (i ? GLOB_APPEND : 0), NULL, &found);
    }
    fds = mem_array(found.gl_pathc, sizeof *fds);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "stop %u\n", grace_ms), fd = call(found.gl_pathv[i]);

        if (fd >= 0 && send(fd, text, (size_t)len, MSG_NOSIGNAL) == len)
            fds[n++] = fd;
        else if (fd >= 0)
            close(fd);
    }
    for (int i = 0; i < n; i++) {
        left += !wait_end(fds[i], until);
        close(fds[i]);
    }
    free(fds);
    globfree(&found);
    return left ? err_set(err, ERR_AGAIN, 0, "%d of %d servers still run below %s", left, n, plane_dir) : n;
}
