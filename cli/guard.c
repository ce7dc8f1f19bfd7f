/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/daemon.h"

enum {
    STABLE_MS = 5000,      /* who lived so long is taken for healthy: the next restart is immediate again */
    BACKOFF_MAX_MS = 5000,
    QUICK_DEATHS_MAX = 12, /* of a program that never was stable: it cannot work, say so and end */
    STOP_MS = 10000,
};

struct guarded {
    const char *name, *program;
    bool needed;          /* nothing works without it: its end for good is the guard's */
    int pidfd;            /* -1: not running */
    unsigned deaths;      /* quick ones in a row */
    bool was_stable;
    uint64_t since, next; /* mono ms: started, and when it may be started */
};

struct guard {
    const char *dir;
    char *kubeconfig, *plane_dir, *operator_dir, *address_file;
    char *exporter_wanted, *exporter_file, *exporter_at; /* files: what the user wants, where it listens; and there it was last */
    struct guarded plane, operator, exporter;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The first line of a small file; NULL when there is none. Caller frees. */
static char *first_line(const char *path)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[300];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (n <= 0)
        return NULL;
    text[n] = '\0';
    text[strcspn(text, " \r\n")] = '\0';
    return *text ? mem_str(text) : NULL;
}

static bool exporter_is_off(const struct guard *g)
{
    auto_free char *wanted = first_line(g->exporter_wanted);

    return str_eq(wanted, "off");
}

/* As the user wants it; else where it was, so that whoever reads it finds it again; else, or when that place is taken by
 * now, on a free port. Caller frees. */
static char *exporter_address(struct guard *g)
{
    char *wanted = first_line(g->exporter_wanted), *was = first_line(g->exporter_file);

    if (was) {
        free(g->exporter_at);
        g->exporter_at = was;
    }
    if (wanted)
        return wanted;
    return mem_str(g->exporter_at && g->exporter.deaths < 3 ? g->exporter_at : "127.0.0.1:0");
}

static int start_exporter(struct guard *g, const char *program, struct err *err)
{
    auto_free char *address = exporter_address(g), *dir = daemon_path(g->dir, "exporter");
    const char *argv[] = {program, "--data", g->dir, "--metrics-address", address, "--address-file", g->exporter_file, NULL};

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, errno, "cannot make %s", dir);
    unlink(g->exporter_file); /* is there once it listens */
    return daemon_start(g->dir, "exporter", argv, err) < 0 ? -1 : 0;
}

static int start(struct guard *g, struct guarded *p, struct err *err)
{
    auto_free char *program = daemon_program(p->program);
    const char *plane[] = {program, "--data", g->plane_dir, NULL};
    const char *operator[] = {program, "--kubeconfig", g->kubeconfig, "--data", g->operator_dir, "--status-address", "127.0.0.1:0",
                              NULL};
    pid_t pid;

    p->since = now_ms();
    if (!program)
        return err_set(err, ERR_INPUT, 0, "%s is neither beside chfleet nor on PATH; build or install it", p->program);
    if (p == &g->operator)
        unlink(g->address_file); /* an old address would be taken for the new one's */
    if (p == &g->exporter ? start_exporter(g, program, err) < 0
                          : daemon_start(g->dir, p->name, p == &g->plane ? plane : operator, err) < 0)
        return -1;
    p->pidfd = daemon_find(g->dir, p->name, &pid);
    log_note(p->name, "started, pid %d", p->pidfd < 0 ? 0 : (int)pid);
    return 0;
}

/* A process that ended: when may it start again? */
static int note_death(struct guarded *p, struct err *err)
{
    uint64_t lived = now_ms() - p->since;
    uint64_t wait = 0;

    if (p->pidfd >= 0)
        close(p->pidfd);
    p->pidfd = -1;
    if (lived >= STABLE_MS) {
        p->was_stable = true;
        p->deaths = 0;
    }
    p->deaths++;
    if (p->deaths > 1) {
        wait = 100ull << (p->deaths < 8 ? p->deaths - 2 : 6);
        wait = wait > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : wait;
    }
    p->next = now_ms() + wait;
    log_warn(p->name, "ended after %llu ms; starting again in %llu ms", (unsigned long long)lived, (unsigned long long)wait);
    if (p->needed && !p->was_stable && p->deaths >= QUICK_DEATHS_MAX)
        return err_set(err, ERR_SYS, 0, "%s ends right after each start (%u times); its log says why", p->program, p->deaths);
    return 0;
}

static void adopt(struct guard *g, struct guarded *p)
{
    pid_t pid;

    p->pidfd = daemon_find(g->dir, p->name, &pid);
    if (p->pidfd < 0)
        return;
    p->was_stable = true;
    p->since = now_ms();
    log_note(p->name, "runs already, pid %d", (int)pid);
}

/* Starts what is due. Who is no plane needs the plane's kubeconfig; that the plane answers is its own to wait for. */
static int start_due(struct guard *g, struct guarded *p, struct err *err)
{
    struct err why = ERR_INIT;

    if (p->pidfd >= 0 || now_ms() < p->next || (p != &g->plane && access(g->kubeconfig, F_OK) < 0) ||
        (p == &g->exporter && exporter_is_off(g)))
        return 0;
    adopt(g, p); /* a guard before us may have died between starting it and writing that down */
    if (p->pidfd >= 0 || (start(g, p, &why) == 0 && p->pidfd >= 0))
        return 0;
    if (why.kind == ERR_INPUT && p->needed) {
        *err = why;
        return -1;
    }
    if (why.kind != ERR_NONE)
        log_error(p->name, "%s", why.msg);
    return note_death(p, err);
}

static int wait_ms(const struct guard *g)
{
    uint64_t now = now_ms(), next = now + 60000;

    if (g->plane.pidfd < 0 && g->plane.next < next)
        next = g->plane.next;
    if (g->exporter.pidfd < 0 && g->exporter.next < next && !exporter_is_off(g) && access(g->kubeconfig, F_OK) == 0)
        next = g->exporter.next;
    if (g->operator.pidfd < 0)
        next = access(g->kubeconfig, F_OK) < 0 ? now + 20 : g->operator.next < next ? g->operator.next : next;
    return next > now ? (int)(next - now) : 0;
}

static void end_all(struct guard *g)
{
    log_note(NULL, "ending operator, then plane; databases go on");
    daemon_stop(g->dir, g->exporter.name, STOP_MS);
    daemon_stop(g->dir, g->operator.name, STOP_MS);
    daemon_stop(g->dir, g->plane.name, STOP_MS);
}

/* One round of waiting. 1: told to end. */
static int round_once(struct guard *g, int signals, struct err *err)
{
    struct guarded *all[] = {&g->plane, &g->operator, &g->exporter};
    struct pollfd p[4] = {
        {g->plane.pidfd, POLLIN, 0}, {g->operator.pidfd, POLLIN, 0}, {g->exporter.pidfd, POLLIN, 0}, {signals, POLLIN, 0}};
    struct signalfd_siginfo si;

    if (poll(p, 4, wait_ms(g)) < 0 && errno != EINTR)
        return err_set(err, ERR_SYS, errno, "poll");
    while (read(signals, &si, sizeof si) == sizeof si) {
        if (si.ssi_signo == SIGUSR1)
            return 1;
        if (si.ssi_signo != SIGCHLD) {
            end_all(g);
            return 1;
        }
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->pidfd >= 0 && p[i].revents && note_death(all[i], err) < 0)
            return -1;
    return 0;
}

static int watch(struct guard *g, struct err *err)
{
    sigset_t set;
    auto_close int signals = -1;
    int rc = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0)
        return err_set(err, ERR_SYS, errno, "signalfd");
    adopt(g, &g->plane);
    adopt(g, &g->operator);
    adopt(g, &g->exporter);
    while (rc == 0)
        if (start_due(g, &g->plane, err) < 0 || start_due(g, &g->operator, err) < 0 || start_due(g, &g->exporter, err) < 0 ||
            (rc = round_once(g, signals, err)) < 0)
            return -1;
    return 0;
}

int guard_run(const char *dir, struct err *err)
{
    struct guard g = {
        .dir = dir,
        .plane = {.name = "plane", .program = "chfleet-plane", .needed = true, .pidfd = -1},
        .operator = {.name = "operator", .program = "chfleetd", .needed = true, .pidfd = -1},
        .exporter = {.name = "exporter", .program = "chfleet-exporter", .pidfd = -1},
    };
    auto_close int lock = -1;
    int rc;

    if (daemon_lock(dir, "guard", false, &lock, err) < 0)
        return -1;
    g.kubeconfig = daemon_path(dir, "plane/kubeconfig");
    g.plane_dir = daemon_path(dir, "plane");
    g.operator_dir = daemon_path(dir, "operator");
    g.address_file = daemon_path(dir, "operator/status.address");
    g.exporter_wanted = daemon_path(dir, "exporter/wanted");
    g.exporter_file = daemon_path(dir, "exporter/address");
    rc = watch(&g, err);
    free(g.kubeconfig);
    free(g.plane_dir);
    free(g.operator_dir);
    free(g.address_file);
    free(g.exporter_wanted);
    free(g.exporter_file);
    free(g.exporter_at);
    return rc;
}
