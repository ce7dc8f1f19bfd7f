/* SPDX-License-Identifier: Apache-2.0 */
/*
 * corral -t SECONDS -- PROGRAM [ARGUMENT…]: runs a test and leaves nothing behind. Whatever the test starts, also what
 * makes sessions of its own, stays below this process (it is the subreaper), so all of it can be ended by pid without
 * touching anybody else's. Exit: the program's code (128 + signal), 124 when the time was over, 125 when it ended well
 * but left processes running.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Parent and name of a process; -1 when it is gone. */
static int parent_of(const char *pid, char *name, size_t size)
{
    char path[64], line[512], *end, *open;
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    f = fopen(path, "re");
    if (!f)
        return -1;
    n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = 0;
    end = strrchr(line, ')');
    open = strchr(line, '(');
    if (!end || !open || end[1] != ' ' || end[2] == 'Z')
        return -1;
    snprintf(name, size, "%.*s", (int)(end - open - 1), open + 1);
    return (int)strtol(end + 3, NULL, 10);
}

/* Who was left behind, and where it sat: the place names the test. */
static void say_left(const char *pid, const char *name)
{
    char path[64], cwd[512] = "?";
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%.20s/cwd", pid);
    n = readlink(path, cwd, sizeof cwd - 1);
    cwd[n > 0 ? n : 1] = 0;
    fprintf(stderr, "corral: left behind: %s (%s) in %s\n", pid, name, cwd);
}

/* Signals each direct child. A child's number cannot be given to somebody else before we have reaped it. */
static int signal_children(int signo, bool say)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    char name[64];
    int n = 0;

    while (d && (e = readdir(d))) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || parent_of(e->d_name, name, sizeof name) != getpid())
            continue;
        if (say)
            say_left(e->d_name, name);
        kill((pid_t)strtol(e->d_name, NULL, 10), signo);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static void nap(void)
{
    struct timespec t = {0, 20 * 1000 * 1000};

    nanosleep(&t, NULL);
}

/* Reaps what has ended; returns false when no child is left. The exit of `mine` goes to *status. */
static bool reap(pid_t mine, int *status, bool *ended)
{
    int st;
    pid_t pid;

    while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
        if (pid != mine)
            continue;
        *status = st;
        *ended = true;
    }
    return pid == 0;
}

/* Ends everything below us: asks, waits a little, then kills level by level as orphans come up to us. */
static void clear_all(pid_t mine, int *status, bool *ended, double grace_s)
{
    double until = now_s() + grace_s;

    if (grace_s > 0)
        signal_children(SIGTERM, false);
    while (reap(mine, status, ended) && now_s() < until)
        nap();
    until = now_s() + 20;
    while (reap(mine, status, ended) && now_s() < until) {
        signal_children(SIGKILL, false);
        nap();
    }
}

static pid_t start(char **argv)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    execvp(argv[0], argv);
    fprintf(stderr, "corral: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int watch(pid_t pid, double limit_s, const sigset_t *set)
{
    double until = now_s() + limit_s;
    struct timespec tick = {0, 200 * 1000 * 1000};
    bool ended = false, children;
    int status = 0, signo;

    for (;;) {
        children = reap(pid, &status, &ended);
        if (ended)
            break;
        signo = sigtimedwait(set, NULL, &tick);
        if (signo > 0 && signo != SIGCHLD) {
            clear_all(pid, &status, &ended, 3);
            return 128 + signo;
        }
        if (now_s() > until) {
            fprintf(stderr, "corral: still running after %.0f s: ended\n", limit_s);
            clear_all(pid, &status, &ended, 5);
            return 124;
        }
    }
    for (until = now_s() + 0.5; children && now_s() < until; children = reap(pid, &status, &ended))
        nap(); /* what is on its way out is not left behind */
    if (children && signal_children(0, true) > 0) {
        clear_all(pid, &status, &ended, 3);
        return status == 0 ? 125 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    sigset_t set;
    pid_t pid;

    if (argc < 5 || strcmp(argv[1], "-t") != 0 || strcmp(argv[3], "--") != 0) {
        fprintf(stderr, "usage: corral -t SECONDS -- PROGRAM [ARGUMENT…]\n");
        return 2;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid = start(argv + 4);
    if (pid < 0) {
        perror("corral: fork");
        return 1;
    }
    return watch(pid, strtod(argv[2], NULL), &set);
}
