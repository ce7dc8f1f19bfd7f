/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the server: start, end, back-off, adoption. */
#include "plane/shim_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

static uint64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t shim_mono_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

uint64_t shim_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

void shim_changed(struct shim *s)
{
    auto_str struct str line = STR_INIT;
    struct err e = ERR_INIT;

    shim_state_encode(&s->st, &line);
    if (shim_write(AT_FDCWD, "state", line.s, line.len, 0600, &e) < 0) /* a full disk: the watchers still hear it */
        dprintf(s->log_fd, "chfleet-shim: %s\n", e.msg);
    shim_tell(s);
}

/* ---- start ---- */

void shim_child_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void raise_limits(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

static _Noreturn void child_fail(int why_fd)
{
    int why = errno;

    if (write(why_fd, &why, sizeof why) < 0)
        _exit(126);
    _exit(127);
}

/* Runs in the new process. The record comes first and the look at the parent second: if the shim died before the look,
 * this process ends; if it dies later, its successor finds the record. So there is never a server nobody knows of, nor
 * two. */
static _Noreturn void become_server(struct shim *s, pid_t shim, int why_fd)
{
    char boot[40], line[160];
    struct err e = ERR_INIT;
    int null, n;

    setsid(); /* SYSTEM SHUTDOWN of old servers signals its whole process group */
    n = snprintf(line, sizeof line, "server boot=%s pid=%d start=%" PRIu64 " started_ms=%" PRIu64 "\n",
                 shim_boot_id(boot), (int)getpid(), shim_proc_start(getpid()), shim_wall_ms());
    if (shim_write(AT_FDCWD, "server", line, (size_t)n, 0600, &e) < 0 || getppid() != shim) {
        errno = e.kind == ERR_SYS ? e.sys : ECANCELED;
        child_fail(why_fd);
    }
    shim_log_begin(s);
    null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(s->log_fd, 1);
    dup2(s->log_fd, 2);
    if (chdir(s->spec.cwd) < 0)
        child_fail(why_fd);
    raise_limits();
    shim_child_signals();
    environ = s->spec.env ? s->spec.env : (char *[]){NULL};
    execvp(s->spec.argv[0], s->spec.argv);
    child_fail(why_fd);
}

static void close_pid(struct shim *s)
{
    if (s->pid_fd >= 0)
        close(s->pid_fd);
    s->pid_fd = -1;
}

static void start_failed(struct shim *s, int why)
{
    s->st.last_pid = s->st.pid;
    s->st.last_start = s->st.start;
    s->st.last_started_ms = s->st.finished_ms = shim_wall_ms();
    s->st.pid = 0;
    s->st.exit_code = 128;
    s->st.exit_signal = 0;
    snprintf(s->st.reason, sizeof s->st.reason, "StartError");
    snprintf(s->st.message, sizeof s->st.message, "cannot run %s: %s", s->spec.argv[0], strerror(why));
}

static void schedule(struct shim *s, uint64_t uptime_ms)
{
    uint64_t wait = shim_backoff_ms(&s->step, uptime_ms, s->st.exit_code == 0 && s->st.exit_signal == 0);

    s->st.phase = SHIM_WAITING;
    s->st.next_ms = shim_wall_ms() + wait;
    s->start_at = shim_mono_ms() + wait;
}

static bool wants_another(const struct shim *s)
{
    if (s->want == SHIM_WANT_STOP || s->spec.restart == SHIM_RESTART_NEVER)
        return false;
    return s->want == SHIM_WANT_RESTART || s->spec.restart == SHIM_RESTART_ALWAYS || s->st.exit_code != 0 ||
           s->st.exit_signal != 0;
}

static void after_end(struct shim *s, uint64_t uptime_ms)
{
    if (wants_another(s))
        schedule(s, uptime_ms);
    else
        s->st.phase = SHIM_EXITED;
    s->want = s->want == SHIM_WANT_STOP ? SHIM_WANT_STOP : SHIM_WANT_RUN;
    s->kill_at = 0;
    shim_changed(s);
}

static void started(struct shim *s, pid_t pid, bool child)
{
    s->st.phase = SHIM_RUNNING;
    s->st.pid = pid;
    s->st.start = shim_proc_start(pid);
    s->st.next_ms = 0;
    s->group = pid;
    s->child = child;
    s->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    s->start_at = 0;
    s->up_since = shim_mono_ms();
}

/* What to run may have been written anew since the last start. */
static void read_spec(struct shim *s)
{
    auto_free char *text = shim_read(AT_FDCWD, "spec");
    struct shim_spec spec;

    if (!text || shim_spec_decode(text, &spec, NULL) < 0)
        return;
    shim_spec_fini(&s->spec);
    s->spec = spec;
}

void shim_start_server(struct shim *s)
{
    pid_t self = getpid(), pid;
    int pipe_fd[2], why = 0;
    ssize_t n;

    s->start_at = 0;
    if (access("spec", F_OK) < 0 && errno == ENOENT) { /* the directory was removed: nobody wants this server any more */
        s->st.phase = SHIM_EXITED;
        return;
    }
    read_spec(s);
    if (shim_awaits(s))
        return;
    if (s->st.last_pid || s->st.reason[0])
        s->st.restarts++;
    s->st.started_ms = shim_wall_ms();
    if (pipe2(pipe_fd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        start_failed(s, errno);
        after_end(s, 0);
        return;
    }
    if (pid == 0)
        become_server(s, self, pipe_fd[1]);
    close(pipe_fd[1]);
    started(s, pid, true);
    do
        n = read(pipe_fd[0], &why, sizeof why); /* ends at exec, within milliseconds */
    while (n < 0 && errno == EINTR);
    close(pipe_fd[0]);
    if (n == (ssize_t)sizeof why) {
        waitpid(pid, NULL, 0);
        close_pid(s);
        s->group = 0;
        start_failed(s, why);
        after_end(s, 0);
        return;
    }
    s->st.message[0] = '\0';
    shim_changed(s);
}

/* ---- end ---- */

static void note_end(struct shim *s, int status, bool known)
{
    struct shim_state *st = &s->st;

    st->last_pid = st->pid;
    st->last_start = st->start;
    st->last_started_ms = st->started_ms;
    st->finished_ms = shim_wall_ms();
    st->pid = 0;
    st->exit_signal = known && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    st->exit_code = !known ? -1 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    snprintf(st->reason, sizeof st->reason, "%s", !known ? "Unknown" : st->exit_code ? "Error" : "Completed");
    st->message[0] = '\0';
}

/* Members of the server's group that outlive it: they get the rest of the grace when a stop runs, else SIGKILL at once.
 * As subreaper we hear of the last one's end. The number of a group with members is never reused. */
static bool group_left(struct shim *s)
{
    if (!s->group || kill(-s->group, 0) < 0) {
        s->group = 0;
        return false;
    }
    if (!s->kill_at || !s->child)
        kill(-s->group, SIGKILL);
    if (!s->child) /* not our children: nobody would tell us of their end */
        s->group = 0;
    return s->child;
}

void shim_server_gone(struct shim *s, int status, bool known)
{
    uint64_t uptime = shim_mono_ms() - s->up_since;

    close_pid(s);
    note_end(s, status, known);
    if (group_left(s)) {
        s->st.phase = SHIM_STOPPING;
        s->up_since = shim_mono_ms() - uptime;
        shim_changed(s);
        return;
    }
    after_end(s, uptime);
}

static void group_reaped(struct shim *s)
{
    if (s->st.pid || !s->group || group_left(s))
        return;
    after_end(s, s->st.finished_ms > s->st.last_started_ms ? s->st.finished_ms - s->st.last_started_ms : 0);
}

void shim_reap(struct shim *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (s->child && s->st.pid && pid == (pid_t)s->st.pid)
            shim_server_gone(s, status, true);
        else
            shim_exec_reaped(s, pid, status);
    }
    group_reaped(s);
}

void shim_end(struct shim *s, enum shim_want want, uint64_t grace_ms)
{
    if (s->want == SHIM_WANT_STOP && want == SHIM_WANT_RESTART)
        return;
    s->want = want;
    if (!s->st.pid && !s->group) { /* in the back-off */
        s->start_at = 0;
        if (want == SHIM_WANT_STOP) {
            s->st.phase = SHIM_EXITED;
            shim_changed(s);
        } else {
            s->want = SHIM_WANT_RUN;
            s->start_at = shim_mono_ms();
        }
        return;
    }
    if (!s->kill_at)
        kill(-s->group, SIGTERM);
    if (grace_ms > SHIM_GRACE_MAX_MS)
        grace_ms = SHIM_GRACE_MAX_MS;
    if (!s->kill_at || shim_mono_ms() + grace_ms < s->kill_at) /* asking again may only shorten */
        s->kill_at = shim_mono_ms() + grace_ms;
    s->st.phase = SHIM_STOPPING;
    shim_changed(s);
}

static void hang_up_execs(struct shim *s, uint64_t now)
{
    for (int i = 0; i < SHIM_CLIENTS; i++) {
        struct shim_client *c = &s->clients[i];

        if (c->exec_pid && c->exec_kill_at && now >= c->exec_kill_at) {
            kill(-c->exec_pid, SIGKILL);
            c->exec_kill_at = 0;
        }
    }
}

void shim_tick(struct shim *s, uint64_t now)
{
    if (s->kill_at && now >= s->kill_at && s->group) {
        kill(-s->group, SIGKILL);
        s->kill_at = now + 1000; /* again, should one of the group have forked meanwhile */
    }
    if (s->start_at && now >= s->start_at)
        shim_start_server(s);
    if (s->log_at && now >= s->log_at)
        shim_log_rotate(s);
    hang_up_execs(s, now);
}

bool shim_over(const struct shim *s)
{
    return s->st.phase == SHIM_EXITED && !s->st.pid && !s->group;
}

/* ---- begin ---- */

struct record {
    char boot[40];
    int pid;
    uint64_t start, started_ms;
};

static bool read_record(struct record *r)
{
    auto_free char *text = shim_read(AT_FDCWD, "server");

    return text && sscanf(text, "server boot=%39s pid=%d start=%" SCNu64 " started_ms=%" SCNu64, r->boot, &r->pid,
                          &r->start, &r->started_ms) == 4;
}

static void read_state(struct shim *s)
{
    auto_free char *text = shim_read(AT_FDCWD, "state");

    if (!text || shim_state_decode(text, &s->st, NULL) < 0)
        memset(&s->st, 0, sizeof s->st);
}

static void adopt(struct shim *s, const struct record *r)
{
    uint64_t now = shim_wall_ms();

    started(s, r->pid, false);
    s->st.start = r->start;
    s->st.started_ms = r->started_ms;
    if (now > r->started_ms && now - r->started_ms < s->up_since)
        s->up_since -= now - r->started_ms;
    if (s->pid_fd < 0) /* it ended under our hands */
        shim_server_gone(s, 0, false);
    else
        shim_changed(s);
}

/* An earlier shim died in the back-off: the server is not due before the end of it. */
static bool still_waiting(struct shim *s, bool same_boot)
{
    uint64_t now = shim_wall_ms();

    if (!same_boot || s->st.phase != SHIM_WAITING || s->st.next_ms <= now || s->st.next_ms - now > 60000)
        return false;
    s->start_at = shim_mono_ms() + (s->st.next_ms - now);
    shim_changed(s);
    return true;
}

void shim_begin(struct shim *s)
{
    struct record r;
    char boot[40];
    bool same_boot, known;

    read_state(s);
    known = read_record(&r);
    shim_boot_id(boot);
    same_boot = known && strcmp(r.boot, boot) == 0;
    snprintf(s->st.boot, sizeof s->st.boot, "%s", boot);
    s->st.shim = getpid();
    s->st.shim_start = shim_proc_start(getpid());
    s->pid_fd = -1;
    if (same_boot && shim_proc_start(r.pid) == r.start) {
        adopt(s, &r);
        return;
    }
    if (known && (s->st.phase != SHIM_WAITING || s->st.last_pid != r.pid || s->st.last_start != r.start) &&
        s->st.phase != SHIM_EXITED) { /* it ended while no shim was there to see how */
        s->st.pid = r.pid;
        s->st.start = r.start;
        s->st.started_ms = r.started_ms;
        note_end(s, 0, false);
    }
    if (still_waiting(s, same_boot))
        return;
    s->st.phase = SHIM_WAITING;
    shim_start_server(s);
}

void shim_end_execs(struct shim *s)
{
    for (int i = 0; i < SHIM_CLIENTS; i++)
        if (s->clients[i].exec_pid)
            kill(-s->clients[i].exec_pid, SIGKILL);
}
