/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define LOG_KEEP (16 << 20) /* a log longer than this is put aside at the next start */

char *daemon_path(const char *dir, const char *below)
{
    return mem_printf("%s/%s", dir, below);
}

/* ---- the folder ---- */

static int make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return err_set(err, errno == EACCES || errno == ENOTDIR || errno == EROFS ? ERR_INPUT : ERR_SYS, errno,
                   "cannot make the folder %s (%s); choose another one with --data", path, strerror(errno));
}

static int make_dirs(const char *path, struct err *err)
{
    auto_free char *copy = mem_str(path);

    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (make_dir(copy, err) < 0)
            return -1;
        *p = '/';
    }
    return make_dir(copy, err);
}

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    bool empty = true;

    while (d && (e = readdir(d)))
        if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
            empty = false;
    if (d)
        closedir(d);
    return empty;
}

int daemon_check_dir(const char *dir, struct err *err)
{
    auto_free char *marker = daemon_path(dir, DAEMON_MARKER);
    FILE *f = fopen(marker, "re");
    int version = 0, n;

    if (!f && access(dir, F_OK) < 0)
        return err_set(err, ERR_MISSING, 0, "%s does not exist", dir);
    if (!f)
        return err_set(err, ERR_INPUT, 0, "%s is not a folder of chfleet up (%s cannot be read: %s); give another one with --data", dir, marker,
                       strerror(errno));
    n = fscanf(f, "chfleet data version %d", &version);
    fclose(f);
    if (n != 1)
        return err_set(err, ERR_INPUT, 0, "%s is damaged: it should say \"chfleet data version %d\"", marker, DAEMON_LAYOUT);
    if (version > DAEMON_LAYOUT)
        return err_set(err, ERR_INPUT, 0, "%s was made by a newer chfleet (layout %d, this one knows %d); use that one", dir,
                       version, DAEMON_LAYOUT);
    return 0;
}

static int write_marker(const char *dir, struct err *err)
{
    auto_free char *path = daemon_path(dir, DAEMON_MARKER);
    FILE *f = fopen(path, "wxe");

    if (!f)
        return err_set(err, ERR_SYS, errno, "cannot write %s", path);
    fprintf(f, "chfleet data version %d\nchfleet down --purge removes this folder.\n", DAEMON_LAYOUT);
    if (fclose(f) != 0)
        return err_set(err, ERR_SYS, errno, "cannot write %s", path);
    return 0;
}

int daemon_prepare_dir(const char *dir, struct err *err)
{
    static const char *const below[] = {"log", "run", "plane", "operator"};

    if (make_dirs(dir, err) < 0)
        return -1;
    if (is_empty(dir) && write_marker(dir, err) < 0)
        return -1;
    if (daemon_check_dir(dir, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        auto_free char *path = daemon_path(dir, below[i]);

        if (make_dir(path, err) < 0)
            return -1;
    }
    return 0;
}

int daemon_lock(const char *dir, const char *name, bool wait, int *fd, struct err *err)
{
    auto_free char *path = mem_printf("%s/run/%s.lock", dir, name);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), n;
    char pid[32];

    if (lock < 0)
        return err_set(err, ERR_SYS, errno, "cannot open %s", path);
    if (flock(lock, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
        close(lock);
        return err_set(err, ERR_REFUSED, 0, "another chfleet works on %s right now (%s)", dir, path);
    }
    n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (pwrite(lock, pid, (size_t)n, 0) == n && ftruncate(lock, n) < 0) /* for daemon_find(); without it the pid file does */
        errno = 0;
    *fd = lock;
    return 0;
}

/* ---- identity ---- */

/* Start time in clock ticks since boot: field 22, counted after the name, which may hold anything. 0 = not there. */
static unsigned long long start_of(pid_t pid)
{
    char path[64], text[1024], *p;
    FILE *f;
    size_t n;
    unsigned field = 2;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    p = strrchr(text, ')');
    if (!p || p[1] == '\0' || p[2] == 'Z' || p[2] == 'X')
        return 0;
    for (; *p && field < 22; p++)
        field += *p == ' ';
    return strtoull(p, NULL, 10);
}

static void boot_id(char *buf, size_t size)
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    snprintf(buf, size, "unknown");
    if (f && fgets(buf, (int)size, f))
        buf[strcspn(buf, "\n")] = '\0';
    if (f)
        fclose(f);
}

static int write_pid(const char *dir, const char *name, pid_t pid)
{
    auto_free char *path = mem_printf("%s/run/%s.pid", dir, name), *fresh = mem_printf("%s.new", path);
    char boot[64];
    FILE *f = fopen(fresh, "we");

    if (!f)
        return -1;
    boot_id(boot, sizeof boot);
    fprintf(f, "%d %llu %s\n", (int)pid, start_of(pid), boot);
    return fclose(f) == 0 ? rename(fresh, path) : -1;
}

/* Whoever starts a process may die before it has written the pid file. But each process holds a lock as long as it lives, in a
 * file that says its pid. */
static int find_holder(const char *dir, const char *name, pid_t *pid)
{
    static const char *const locks[][2] = {
        {"guard", "run/guard.lock"}, {"plane", "plane/plane.lock"}, {"operator", "operator/journal.lock"}};
    int number = 0, fd = -1;

    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        auto_free char *path = str_eq(locks[i][0], name) ? daemon_path(dir, locks[i][1]) : NULL;
        auto_close int lock = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        char text[32] = "";

        if (lock < 0 || flock(lock, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            continue; /* nobody has it; ours goes with the file */
        number = pread(lock, text, sizeof text - 1, 0) > 0 ? atoi(text) : 0;
        fd = number > 1 ? (int)syscall(SYS_pidfd_open, number, 0) : -1;
        if (fd >= 0 && flock(lock, LOCK_SH | LOCK_NB) == 0) { /* it ended meanwhile: the number may be another's */
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0 && pid)
        *pid = number;
    return fd;
}

static int find_by_file(const char *dir, const char *name, pid_t *pid)
{
    auto_free char *path = mem_printf("%s/run/%s.pid", dir, name);
    char boot[64] = "", now[64];
    unsigned long long start = 0;
    FILE *f = fopen(path, "re");
    int number = 0, fd, n;

    if (!f)
        return -1;
    n = fscanf(f, "%d %llu %63s", &number, &start, boot);
    fclose(f);
    boot_id(now, sizeof now);
    if (n != 3 || number <= 1 || start == 0 || !str_eq(boot, now))
        return -1;
    fd = (int)syscall(SYS_pidfd_open, number, 0);
    if (fd < 0)
        return -1;
    if (start_of(number) != start) { /* after the handle exists: from here on it cannot change its meaning */
        close(fd);
        return -1;
    }
    if (pid)
        *pid = number;
    return fd;
}

int daemon_find(const char *dir, const char *name, pid_t *pid)
{
    int fd = find_by_file(dir, name, pid);

    return fd >= 0 ? fd : find_holder(dir, name, pid);
}

void daemon_signal(int pidfd, int signo)
{
    syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

bool daemon_wait(int pidfd, int ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, ms) > 0;
}

bool daemon_stop(const char *dir, const char *name, int grace_ms)
{
    auto_close int fd = daemon_find(dir, name, NULL);

    if (fd < 0)
        return false;
    daemon_signal(fd, SIGTERM);
    if (!daemon_wait(fd, grace_ms)) {
        daemon_signal(fd, SIGKILL);
        daemon_wait(fd, 5000);
    }
    return true;
}

/* ---- starting ---- */

char *daemon_program(const char *name)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *path = getenv("PATH");

    if (n > 0) {
        char *slash, *beside;

        self[n] = '\0';
        slash = strrchr(self, '/');
        beside = mem_printf("%.*s/%s", (int)(slash ? slash - self : 0), self, name);
        if (access(beside, X_OK) == 0)
            return beside;
        free(beside);
    }
    while (path && *path) {
        size_t len = strcspn(path, ":");
        char *at = mem_printf("%.*s/%s", (int)len, path, name);

        if (len > 0 && access(at, X_OK) == 0)
            return at;
        free(at);
        path += len + (path[len] == ':');
    }
    return NULL;
}

static int open_log(const char *dir, const char *name)
{
    auto_free char *path = mem_printf("%s/log/%s.log", dir, name), *old = mem_printf("%s.1", path);
    struct stat st;

    if (stat(path, &st) == 0 && st.st_size > LOG_KEEP)
        rename(path, old);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* In the child. Says errno through `report`, which exec closes. */
static void become(const char *const *argv, int log, int report)
{
    int nowhere = open("/dev/null", O_RDONLY);
    sigset_t none;
    int code;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    if (chdir("/") == 0 && dup2(nowhere, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2)
        execv(argv[0], (char *const *)argv);
    code = errno;
    if (write(report, &code, sizeof code) < 0)
        _exit(126);
    _exit(127);
}

pid_t daemon_start(const char *dir, const char *name, const char *const *argv, struct err *err)
{
    auto_close int log = open_log(dir, name);
    int report[2], code = 0;
    pid_t pid;

    if (log < 0)
        return err_set(err, ERR_SYS, errno, "cannot write %s/log/%s.log", dir, name);
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYS, errno, "cannot start %s", argv[0]);
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become(argv, log, report[1]);
    close(report[1]);
    if (pid > 0 && read(report[0], &code, sizeof code) <= 0)
        code = 0;
    close(report[0]);
    if (pid < 0 || code != 0)
        return err_set(err, ERR_SYS, pid < 0 ? errno : code, "cannot start %s", argv[0]);
    if (write_pid(dir, name, pid) < 0)
        return err_set(err, ERR_SYS, errno, "cannot write %s/run/%s.pid", dir, name);
    return pid;
}

void daemon_show_log(const char *dir, const char *name, unsigned lines)
{
    auto_free char *path = mem_printf("%s/log/%s.log", dir, name);
    FILE *f = fopen(path, "re");
    char text[8192], *p;
    size_t n;

    if (!f)
        return;
    if (fseek(f, -(long)(sizeof text - 1), SEEK_END) < 0)
        rewind(f);
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = '\0';
    for (p = text + n; p > text && lines > 0; p--)
        lines -= p[-1] == '\n';
    if (p > text || *p == '\n')
        p++;
    fprintf(stderr, "  the end of %s:\n", path);
    for (char *line = strtok(p, "\n"); line; line = strtok(NULL, "\n"))
        fprintf(stderr, "    %s\n", line);
}
