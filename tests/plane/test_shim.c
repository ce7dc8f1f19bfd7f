/* SPDX-License-Identifier: Apache-2.0 */
/* The real chfleet-shim with small shell programs as servers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/shim.h"

struct box {
    char dir[64];
};

static void rest_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

static void put_spec_awaiting(const struct box *b, const char *script, enum shim_restart restart, unsigned port)
{
    struct shim_spec spec = {.restart = restart, .cwd = mem_str(b->dir), .log_max = 4096};
    auto_str struct str text = STR_INIT;
    auto_free char *path = mem_printf("%s/spec", b->dir);
    struct err e = ERR_INIT;

    shim_spec_arg(&spec, "/bin/sh");
    shim_spec_arg(&spec, "-c");
    shim_spec_arg(&spec, script);
    if (port)
        shim_spec_await(&spec, port);
    shim_spec_env(&spec, "PATH", "/usr/bin:/bin");
    shim_spec_env(&spec, "WORD", "line one\nline \\ two");
    shim_spec_encode(&spec, &text);
    assert_int_equal(shim_write(AT_FDCWD, path, text.s, text.len, 0600, &e), 0);
    shim_spec_fini(&spec);
}

static void put_spec(const struct box *b, const char *script, enum shim_restart restart)
{
    put_spec_awaiting(b, script, restart, 0);
}

static int run_shim(const struct box *b)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        execl("./chfleet-shim", "chfleet-shim", b->dir, (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static struct shim_state state_of(const struct box *b)
{
    struct shim_state s;
    struct err e = ERR_INIT;

    if (shim_last_state(b->dir, &s, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    return s;
}

/* Waits up to 5 s until `phase` is reached with at least `restarts`. */
static struct shim_state await(const struct box *b, enum shim_phase phase, uint64_t restarts)
{
    struct shim_state s = state_of(b);

    for (int i = 0; i < 500 && (s.phase != phase || s.restarts < restarts); i++) {
        rest_ms(10);
        s = state_of(b);
    }
    assert_string_equal(shim_phase_names[s.phase], shim_phase_names[phase]);
    assert_true(s.restarts >= restarts);
    return s;
}

static void await_gone(pid_t pid, uint64_t start)
{
    for (int i = 0; i < 500 && shim_proc_start(pid) == start; i++)
        rest_ms(10);
    assert_true(shim_proc_start(pid) != start);
}

static void call(const struct box *b, const char *request)
{
    struct err e = ERR_INIT;

    if (shim_call(b->dir, request, 5000, &e) < 0)
        fail_msg("%s: %s", request, e.msg);
}

static int set_up(void **state)
{
    struct box *b = mem_zero(sizeof *b);

    snprintf(b->dir, sizeof b->dir, "/tmp/shim-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    *state = b;
    return 0;
}

/* Processes that sit in the container's directory and are not its shim: every server does. `last` gets one of them. */
static unsigned servers_in(const struct box *b, pid_t *last)
{
    struct shim_state s = {0};
    DIR *d = opendir("/proc");
    struct dirent *e;
    unsigned n = 0;

    shim_last_state(b->dir, &s, NULL, NULL);
    while (d && (e = readdir(d))) {
        auto_free char *path = mem_printf("/proc/%s/cwd", e->d_name);
        char cwd[128] = "";
        pid_t pid = atoi(e->d_name);

        if (pid <= 0 || pid == (pid_t)s.shim || readlink(path, cwd, sizeof cwd - 1) < 0 ||
            strncmp(cwd, b->dir, strlen(b->dir)) != 0)
            continue;
        n++;
        *last = pid;
    }
    if (d)
        closedir(d);
    return n;
}

static int tear_down(void **state)
{
    struct box *b = *state;
    auto_free char *rm = mem_printf("rm -rf %s", b->dir);
    struct shim_state s;
    pid_t left = 0;

    shim_call(b->dir, "stop 0", 1000, NULL);
    if (shim_last_state(b->dir, &s, NULL, NULL) == 0 && s.shim > 0 && shim_proc_start((pid_t)s.shim) == s.shim_start)
        await_gone((pid_t)s.shim, s.shim_start);
    if (servers_in(b, &left))
        fail_msg("%s: process %d outlived its shim", b->dir, (int)left);
    assert_int_equal(system(rm), 0);
    free(b);
    return 0;
}

static void back_off_doubles_to_a_minute_and_is_forgotten_after_a_good_run(void **state)
{
    static const uint64_t want[] = {200, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    unsigned step = 0;

    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_int_equal(shim_backoff_ms(&step, 50, false), want[i]);
    assert_int_equal(shim_backoff_ms(&step, 10001, false), 200);
    assert_int_equal(shim_backoff_ms(&step, 9999, false), 1000);
    assert_int_equal(shim_backoff_ms(&step, 900, true), 2000);
    assert_int_equal(shim_backoff_ms(&step, 1001, true), 200); /* it was told to end */
}

static void a_status_line_gives_back_what_went_in_and_skips_words_of_the_future(void **state)
{
    struct shim_state a = {.boot = "b-1",
                           .phase = SHIM_STOPPING,
                           .pid = 12,
                           .start = 1u << 31,
                           .started_ms = 77,
                           .restarts = 3,
                           .shim = 9,
                           .shim_start = 8,
                           .next_ms = 4,
                           .exit_code = 139,
                           .exit_signal = 11,
                           .last_pid = 5,
                           .last_start = 6,
                           .last_started_ms = 1,
                           .finished_ms = 2,
                           .reason = "Error",
                           .message = "a b=c\nd"};
    struct shim_state b;
    auto_str struct str x = STR_INIT, y = STR_INIT;
    struct err e = ERR_INIT;

    (void)state;
    shim_state_encode(&a, &x);
    assert_int_equal(shim_state_decode(x.s, &b, &e), 0);
    assert_string_equal(b.message, "a b=c d");
    shim_state_encode(&b, &y);
    assert_string_equal(x.s, y.s);
    assert_int_equal(shim_state_decode("status colour=red pid=4 started=x boot=q\n", &b, &e), 0);
    assert_int_equal(b.pid, 4);
    assert_string_equal(b.boot, "q");
    assert_int_equal(shim_state_decode("hello", &b, &e), -1);
}

static void a_specification_survives_newlines_and_backslashes(void **state)
{
    struct shim_spec a = {.cwd = mem_str("/a\nb"), .restart = SHIM_RESTART_NEVER}, b;
    auto_str struct str text = STR_INIT;
    struct err e = ERR_INIT;

    (void)state;
    shim_spec_arg(&a, "x\\n");
    shim_spec_arg(&a, "");
    shim_spec_env(&a, "A", "1");
    shim_spec_env(&a, "A", "2\n3");
    shim_spec_encode(&a, &text);
    assert_int_equal(shim_spec_decode(text.s, &b, &e), 0);
    assert_int_equal(b.n_argv, 2);
    assert_string_equal(b.argv[0], "x\\n");
    assert_string_equal(b.argv[1], "");
    assert_int_equal(b.n_env, 1);
    assert_string_equal(b.env[0], "A=2\n3");
    assert_string_equal(b.cwd, "/a\nb");
    assert_int_equal(b.restart, SHIM_RESTART_NEVER);
    shim_spec_fini(&a);
    shim_spec_fini(&b);
    assert_int_equal(shim_spec_decode("chfleet-shim-spec 1\n", &b, &e), -1);
}

static void a_server_gets_its_environment_and_its_own_session(void **state)
{
    struct box *b = *state;
    auto_free char *log = mem_printf("%s/log", b->dir);
    auto_free char *text = NULL;
    struct shim_state s;

    put_spec(b, "printf '%s|' \"$WORD\"; exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    s = await(b, SHIM_RUNNING, 0);
    assert_int_equal(getsid((pid_t)s.pid), s.pid);
    assert_int_equal(s.start, shim_proc_start((pid_t)s.pid));
    assert_true(getsid((pid_t)s.shim) != getsid(0));
    for (int i = 0; i < 200 && (!text || !*text); i++) {
        free(text);
        rest_ms(10);
        text = shim_read(AT_FDCWD, log);
    }
    assert_string_equal(text, "line one\nline \\ two|");
}

static void a_crash_is_restarted_and_reported(void **state)
{
    struct box *b = *state;
    struct shim_state first, s;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    first = await(b, SHIM_RUNNING, 0);
    kill((pid_t)first.pid, SIGKILL);
    s = await(b, SHIM_RUNNING, 1);
    assert_true(s.pid != first.pid);
    assert_int_equal(s.last_pid, first.pid);
    assert_int_equal(s.exit_code, 137);
    assert_int_equal(s.exit_signal, SIGKILL);
    assert_string_equal(s.reason, "Error");
    assert_int_equal(s.restarts, 1);
}

/* A Keeper: first its port is closed, then it takes connections and breaks them off, then it serves. */
static void keeper_says(int listening, const char *answer)
{
    char word[4];
    struct pollfd p = {.fd = listening, .events = POLLIN};
    int fd = poll(&p, 1, 5000) > 0 ? accept(listening, NULL, NULL) : -1;

    assert_true(fd >= 0);
    assert_int_equal(recv(fd, word, sizeof word, MSG_WAITALL), 4);
    assert_memory_equal(word, "srvr", 4);
    assert_int_equal(send(fd, answer, strlen(answer), 0), (ssize_t)strlen(answer));
    close(fd);
}

static void a_start_waits_until_its_keeper_serves(void **state)
{
    struct box *b = *state;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t last = 0;

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    put_spec_awaiting(b, "exec sleep 60", SHIM_RESTART_ALWAYS, ntohs(a.sin_port));
    assert_int_equal(run_shim(b), 0);
    rest_ms(300);
    assert_int_equal(servers_in(b, &last), 0);
    assert_int_equal(listen(fd, 4), 0);
    keeper_says(fd, "");
    keeper_says(fd, "This ZooKeeper instance is not currently serving requests\n");
    assert_int_equal(servers_in(b, &last), 0);
    keeper_says(fd, "Zookeeper version: 3.8\nMode: standalone\n");
    for (int i = 0; i < 500 && !servers_in(b, &last); i++)
        rest_ms(10);
    assert_int_equal(await(b, SHIM_RUNNING, 0).restarts, 0);
    close(fd);
}

static void the_restart_policy_is_kept(void **state)
{
    struct box *b = *state;
    struct shim_state s;

    put_spec(b, "exit 0", SHIM_RESTART_ON_FAILURE);
    assert_int_equal(run_shim(b), 0);
    s = await(b, SHIM_EXITED, 0);
    assert_string_equal(s.reason, "Completed");
    await_gone((pid_t)s.shim, s.shim_start);
    put_spec(b, "exit 3", SHIM_RESTART_NEVER);
    assert_int_equal(run_shim(b), 0);
    s = await(b, SHIM_EXITED, 0);
    assert_int_equal(s.exit_code, 3);
    assert_int_equal(s.restarts, 1);
}

static void a_missing_program_is_said_by_name(void **state)
{
    struct box *b = *state;
    struct shim_spec spec = {.cwd = mem_str("/")};
    auto_str struct str text = STR_INIT;
    auto_free char *path = mem_printf("%s/spec", b->dir);
    struct err e = ERR_INIT;
    struct shim_state s;

    shim_spec_arg(&spec, "/nowhere/at-all");
    shim_spec_encode(&spec, &text);
    assert_int_equal(shim_write(AT_FDCWD, path, text.s, text.len, 0600, &e), 0);
    shim_spec_fini(&spec);
    assert_int_equal(run_shim(b), 0);
    s = await(b, SHIM_WAITING, 0);
    assert_string_equal(s.reason, "StartError");
    assert_non_null(strstr(s.message, "/nowhere/at-all: No such file"));
}

static void stop_is_graceful_and_final(void **state)
{
    struct box *b = *state;
    struct shim_state s;

    put_spec(b, "trap 'exit 7' TERM; while :; do sleep 0.05; done", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    rest_ms(100);
    call(b, "stop 5000");
    s = await(b, SHIM_EXITED, 0);
    assert_int_equal(s.exit_code, 7);
    await_gone((pid_t)s.shim, s.shim_start);
    assert_int_equal(shim_connect(b->dir, &(struct err)ERR_INIT), -1);
}

static void who_ignores_sigterm_is_killed_after_the_grace(void **state)
{
    struct box *b = *state;
    struct shim_state s;
    uint64_t took;

    put_spec(b, "trap '' TERM; while :; do sleep 0.05; done", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    rest_ms(100);
    call(b, "stop 300");
    s = await(b, SHIM_EXITED, 0);
    took = s.finished_ms - s.last_started_ms;
    assert_int_equal(s.exit_signal, SIGKILL);
    assert_true(took >= 300);
}

static void children_of_the_server_go_with_it(void **state)
{
    struct box *b = *state;
    auto_free char *path = mem_printf("%s/child", b->dir);
    auto_free char *text = NULL;
    pid_t child;
    uint64_t start;

    put_spec(b, "sleep 60 & echo $! >child; wait", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    rest_ms(150);
    text = shim_read(AT_FDCWD, path);
    child = atoi(text);
    start = shim_proc_start(child);
    assert_true(start > 0);
    kill((pid_t)state_of(b).pid, SIGKILL);
    await(b, SHIM_RUNNING, 1);
    await_gone(child, start);
}

static void restart_by_request_counts_and_goes_on(void **state)
{
    struct box *b = *state;
    struct shim_state first, s;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    first = await(b, SHIM_RUNNING, 0);
    call(b, "restart 1000");
    s = await(b, SHIM_RUNNING, 1);
    assert_true(s.pid != first.pid);
}

static void a_killed_shim_leaves_the_server_and_its_successor_adopts_it(void **state)
{
    struct box *b = *state;
    struct shim_state first, second, third;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    first = await(b, SHIM_RUNNING, 0);
    assert_int_equal(run_shim(b), 3); /* one shim per directory */
    kill((pid_t)first.shim, SIGKILL);
    await_gone((pid_t)first.shim, first.shim_start);
    assert_int_equal(shim_proc_start((pid_t)first.pid), first.start);
    assert_int_equal(run_shim(b), 0);
    second = await(b, SHIM_RUNNING, 0);
    assert_int_equal(second.pid, first.pid);
    assert_int_equal(second.restarts, 0);
    assert_true(second.shim != first.shim);
    /* an adopted server is watched like an own one */
    kill((pid_t)first.pid, SIGTERM);
    third = await(b, SHIM_RUNNING, 1);
    assert_true(third.pid != first.pid);
    assert_int_equal(third.exit_code, -1);
    assert_string_equal(third.reason, "Unknown");
}

static void a_server_that_died_with_its_shim_is_started_once(void **state)
{
    struct box *b = *state;
    struct shim_state first, s;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    first = await(b, SHIM_RUNNING, 0);
    kill((pid_t)first.shim, SIGKILL);
    kill((pid_t)first.pid, SIGKILL);
    await_gone((pid_t)first.shim, first.shim_start);
    await_gone((pid_t)first.pid, first.start);
    assert_int_equal(run_shim(b), 0);
    s = await(b, SHIM_RUNNING, 1);
    assert_int_equal(s.restarts, 1);
    assert_int_equal(s.last_pid, first.pid);
    assert_string_equal(s.reason, "Unknown");
}

static void sigterm_to_the_shim_leaves_the_server_alone(void **state)
{
    struct box *b = *state;
    struct shim_state first;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    first = await(b, SHIM_RUNNING, 0);
    kill((pid_t)first.shim, SIGTERM);
    await_gone((pid_t)first.shim, first.shim_start);
    assert_int_equal(shim_proc_start((pid_t)first.pid), first.start);
    assert_int_equal(run_shim(b), 0);
    assert_int_equal(await(b, SHIM_RUNNING, 0).pid, first.pid);
}

static void shims_killed_at_any_instant_never_make_two_servers(void **state)
{
    struct box *b = *state;
    auto_free char *path = mem_printf("%s/count", b->dir);
    struct shim_state s, killed = {0};
    pid_t server = 0;

    /* each server leaves a mark while it runs; a second one at the same time would see it */
    put_spec(b, "if mkdir mine 2>/dev/null; then exec sleep 60; else echo double >>count; exec sleep 60; fi",
             SHIM_RESTART_ALWAYS);
    for (unsigned i = 0; i < 40; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            int null = open("/dev/null", O_RDWR);

            dup2(null, 2);
            execl("./chfleet-shim", "chfleet-shim", b->dir, (char *)NULL);
            _exit(99);
        }
        nanosleep(&(struct timespec){0, (long)i * 150000}, NULL);
        if (shim_last_state(b->dir, &s, NULL, NULL) == 0 && s.shim > 0 &&
            shim_proc_start((pid_t)s.shim) == s.shim_start) {
            kill((pid_t)s.shim, SIGKILL);
            killed = s;
        }
        waitpid(pid, NULL, 0);
    }
    if (killed.shim) /* a dying one may take a connection yet */
        await_gone((pid_t)killed.shim, killed.shim_start);
    for (int i = 0; i < 20 && shim_connect(b->dir, &(struct err)ERR_INIT) < 0; i++) {
        run_shim(b);
        rest_ms(20);
    }
    s = await(b, SHIM_RUNNING, 0);
    assert_int_equal(shim_proc_start((pid_t)s.shim), s.shim_start);
    assert_int_equal(servers_in(b, &server), 1);
    assert_int_equal(server, s.pid);
    assert_int_equal(access(path, F_OK), -1);
}

static void the_log_is_bounded(void **state)
{
    struct box *b = *state;
    static const char *const files[] = {"log", "log.1", "log.2", "log.3"};
    off_t sum = 0;

    put_spec(
        b,
        "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; exec sleep 60",
        SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    rest_ms(1500);
    for (size_t i = 0; i < 4; i++) {
        auto_free char *path = mem_printf("%s/%s", b->dir, files[i]);
        struct stat st;

        if (stat(path, &st) == 0)
            sum += i == 0 ? st.st_size : 0;
        else
            assert_true(i >= 2);
    }
    assert_true(sum <= 4096);
}

static void exec_runs_beside_the_server_and_reports_its_exit(void **state)
{
    struct box *b = *state;
    static const char args[] = "-\0/bin/sh\0-c\0echo \"$WORD\"; exit 5";
    struct err e = ERR_INIT;
    int out[2], null = open("/dev/null", O_RDWR), fd;
    auto_free char *head = mem_printf("exec %zu\n", sizeof args);
    union {
        char buf[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec io[2] = {{head, strlen(head)}, {(char *)args, sizeof args}};
    struct msghdr m = {
        .msg_iov = io, .msg_iovlen = 2, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    char text[512] = "";
    size_t n = 0;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    assert_int_equal(pipe(out), 0);
    fd = shim_connect(b->dir, &e);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(h), (int[]){null, out[1], null}, 3 * sizeof(int));
    assert_int_equal(sendmsg(fd, &m, 0), (ssize_t)(strlen(head) + sizeof args));
    close(out[1]);
    for (int i = 0; i < 300 && !strstr(text, "exit "); i++) {
        struct pollfd p = {fd, POLLIN, 0};

        poll(&p, 1, 10);
        ssize_t got = read(fd, text + n, sizeof text - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    assert_non_null(strstr(text, "started "));
    assert_non_null(strstr(text, "exit 5\n"));
    n = (size_t)read(out[0], text, sizeof text - 1);
    text[n] = '\0';
    assert_string_equal(text, "line one\nline \\ two\n");
    close(fd);
    close(out[0]);
    close(null);
}

static void a_shim_whose_directory_is_gone_ends_instead_of_trying_for_ever(void **state)
{
    struct box *b = *state;
    auto_free char *rm = mem_printf("rm -rf %s", b->dir);
    struct shim_state s;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    s = await(b, SHIM_RUNNING, 0);
    assert_int_equal(system(rm), 0);
    kill((pid_t)s.pid, SIGKILL);
    await_gone((pid_t)s.shim, s.shim_start);
}

static void a_shim_is_small(void **state)
{
    struct box *b = *state;
    char path[64], line[128];
    long pss = -1;
    FILE *f;

    put_spec(b, "exec sleep 60", SHIM_RESTART_ALWAYS);
    assert_int_equal(run_shim(b), 0);
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)state_of(b).shim);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %ld kB", &pss) == 1)
            break;
    if (f)
        fclose(f);
    print_message("PSS of an idle shim: %ld KiB\n", pss);
#ifndef __SANITIZE_ADDRESS__
    assert_true(pss > 0 && pss < 1024);
#endif
}

#define IN_BOX(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_off_doubles_to_a_minute_and_is_forgotten_after_a_good_run),
        cmocka_unit_test(a_status_line_gives_back_what_went_in_and_skips_words_of_the_future),
        cmocka_unit_test(a_specification_survives_newlines_and_backslashes),
        IN_BOX(a_server_gets_its_environment_and_its_own_session),
        IN_BOX(a_crash_is_restarted_and_reported),
        IN_BOX(a_start_waits_until_its_keeper_serves),
        IN_BOX(the_restart_policy_is_kept),
        IN_BOX(a_missing_program_is_said_by_name),
        IN_BOX(stop_is_graceful_and_final),
        IN_BOX(who_ignores_sigterm_is_killed_after_the_grace),
        IN_BOX(children_of_the_server_go_with_it),
        IN_BOX(restart_by_request_counts_and_goes_on),
        IN_BOX(a_killed_shim_leaves_the_server_and_its_successor_adopts_it),
        IN_BOX(a_server_that_died_with_its_shim_is_started_once),
        IN_BOX(sigterm_to_the_shim_leaves_the_server_alone),
        IN_BOX(shims_killed_at_any_instant_never_make_two_servers),
        IN_BOX(the_log_is_bounded),
        IN_BOX(exec_runs_beside_the_server_and_reports_its_exit),
        IN_BOX(a_shim_whose_directory_is_gone_ends_instead_of_trying_for_ever),
        IN_BOX(a_shim_is_small),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
