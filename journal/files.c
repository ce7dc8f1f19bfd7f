/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"

enum { GIVE_BYTES = 64 << 10 };

static int refuse_second(const char *dir, int fd, struct err *err)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    text[strspn(text, "0123456789")] = '\0';
    return err_set(err, ERR_REFUSED, 0,
                   "data directory %s is in use by process %s: stop that one first, or use another "
                   "directory",
                   dir, *text ? text : "(unknown)");
}

int journal_lock(const char *dir, int *fd, struct err *err)
{
    auto_free char *path = mem_printf("%s/journal.lock", dir);
    char pid[32];
    int f = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), n;

    if (f < 0)
        return err_set(err, ERR_SYS, errno, "open %s", path);
    if (flock(f, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            refuse_second(dir, f, err);
        else
            err_set(err, ERR_SYS, errno, "lock %s", path);
        close(f);
        return -1;
    }
    /* The pid is for people; a full disk that cannot take it must not keep the supervisor from starting. */
    n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (pwrite(f, pid, (size_t)n, 0) == n && ftruncate(f, n) < 0)
        errno = 0;
    *fd = f;
    return 0;
}

int journal_ballast_make(const char *dir, size_t bytes, struct err *err)
{
    auto_free char *path = mem_printf("%s/ballast", dir);
    auto_free char *half = mem_printf("%s/ballast.new", dir);
    auto_close int fd = -1;
    struct statvfs fs;
    int rc;

    if (journal_file_size(path) >= (int64_t)bytes)
        return 0;
    if (statvfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < 2 * (uint64_t)bytes)
        return err_set(err, ERR_SYS, ENOSPC, "%s: not enough space for the ballast of %zu KiB", dir, bytes / 1024);
    fd = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "create %s", half);
    rc = posix_fallocate(fd, 0, (off_t)bytes);
    if (rc == 0 && fsync(fd) < 0)
        rc = errno;
    if (rc == 0 && rename(half, path) < 0)
        rc = errno;
    if (rc != 0) {
        unlink(half);
        return err_set(err, ERR_SYS, rc, "create %s", path);
    }
    return journal_sync_dir(dir, err);
}

bool journal_ballast_give(const char *dir)
{
    auto_free char *path = mem_printf("%s/ballast", dir);
    int64_t size = journal_file_size(path);

    if (size > GIVE_BYTES)
        return truncate(path, (off_t)(size - GIVE_BYTES)) == 0;
    if (unlink(path) < 0)
        return false;
    journal_sync_dir(dir, NULL); /* some file systems free the blocks only then */
    return size > 0;
}

int64_t journal_file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

int journal_sync_dir(const char *dir, struct err *err)
{
    auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return err_set(err, ERR_SYS, errno, "sync %s", dir);
    return 0;
}
