/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's stdout and stderr go straight to a file opened for appending: a pipe would break, and the server with
 * it, when the shim dies. The file is bounded by copying it away and cutting it; inotify says that it grew, so that an
 * idle shim never wakes up. What is written between the last look and the cut (microseconds) can be lost.
 */
#include "plane/shim_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { LOOK_EVERY_MS = 1000 };

static void arm(struct shim *s)
{
    inotify_add_watch(s->inotify_fd, "log", IN_MODIFY | IN_ONESHOT);
}

void shim_log_open(struct shim *s)
{
    s->log_fd = open("log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    s->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    s->log_at = shim_mono_ms() + LOOK_EVERY_MS;
}

void shim_log_event(struct shim *s)
{
    char buf[sizeof(struct inotify_event) * 8];

    while (read(s->inotify_fd, buf, sizeof buf) > 0)
        continue;
    if (!s->log_at)
        s->log_at = shim_mono_ms() + LOOK_EVERY_MS;
}

static int copy_all(int from, int to, off_t *at)
{
    struct stat st;

    while (fstat(from, &st) == 0 && st.st_size > *at)
        if (sendfile(to, from, at, (size_t)(st.st_size - *at)) <= 0)
            return -1;
    return 0;
}

static void shift(unsigned keep)
{
    char from[24], to[24];

    for (unsigned i = keep; i > 1; i--) {
        snprintf(from, sizeof from, "log.%u", i - 1);
        snprintf(to, sizeof to, "log.%u", i);
        rename(from, to);
    }
}

void shim_log_begin(struct shim *s)
{
    long long before = -1, at = -1;
    struct stat st = {0};
    char line[64] = "";
    struct err ignored = ERR_INIT;
    int n;

    fstat(s->log_fd, &st);
    if (!shim_log_begun(AT_FDCWD, SHIM_LOG_BEGUN, &before, &at))
        at = st.st_size > 0 ? 0 : -1;
    n = snprintf(line, sizeof line, "%lld %lld\n", at, (long long)st.st_size);
    shim_write(AT_FDCWD, SHIM_LOG_BEGUN, line, (size_t)n, 0640, &ignored);
}

void shim_log_rotate(struct shim *s)
{
    auto_close int copy = -1;
    struct stat st;
    off_t at = 0;

    s->log_at = 0;
    arm(s);
    if (s->log_fd < 0 || fstat(s->log_fd, &st) < 0 || (uint64_t)st.st_size < s->spec.log_max)
        return;
    copy = open("log.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (copy < 0 || copy_all(s->log_fd, copy, &at) < 0) {
        unlink("log.new"); /* no room for the copy: bounded is worth more than complete */
        if (ftruncate(s->log_fd, 0) < 0)
            s->log_at = shim_mono_ms() + LOOK_EVERY_MS;
        return;
    }
    shift(s->spec.log_files);
    rename("log.new", "log.1");
    unlink(SHIM_LOG_BEGUN); /* these places are in log.1 now */
    if (ftruncate(s->log_fd, 0) < 0)
        s->log_at = shim_mono_ms() + LOOK_EVERY_MS;
}
