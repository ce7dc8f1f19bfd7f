/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet up: the guard, and through it plane, operator and exporter. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/world_real.h"
#include "cli/api.h"
#include "cli/daemon.h"
#include "cli/guard.h"
#include "cli/node.h"

enum { POLL_MS = 20, EXPORTER_MS = 15000 };

struct up {
    struct cli *c;
    const char *dir;
    uint64_t limit_ms;
    struct fleet_api api;
    bool open;
    bool started; /* the guard is ours: when it ends, starting another one would not help */
};

/* Is the plane's API server there? Opens the client once its kubeconfig exists. */
static bool plane_serves(struct up *u)
{
    struct err err = ERR_INIT;
    auto_free char *config = daemon_path(u->dir, "plane/kubeconfig");
    auto_json cJSON *version = NULL;

    if (access(config, R_OK) < 0)
        return false;
    if (u->open)
        api_fini(&u->api);
    u->open = true; /* anew each time: a plane that starts may have written another kubeconfig */
    if (api_open_local(&u->api, u->dir, &err) < 0 || !api_ping(&u->api))
        return false;
    version = api_raw(&u->api, "/version", &err);
    return version != NULL;
}

static bool operator_serves(struct up *u)
{
    struct err err = ERR_INIT;
    auto_json cJSON *health = api_operator(&u->api, "/healthz", &err);

    return health != NULL;
}

static int start_guard(struct up *u, struct err *err)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *argv[] = {self, "up", "--foreground", "--data", u->dir, NULL};
    auto_close int running = daemon_find(u->dir, "guard", NULL);

    if (running >= 0)
        return 0;
    if (n <= 0)
        return err_set(err, ERR_SYS, 0, "cannot find out where chfleet itself is (/proc/self/exe)");
    self[n] = '\0';
    u->started = true;
    return daemon_start(u->dir, "guard", argv, err) < 0 ? -1 : 0;
}

/* Waits until `serves` says so; gives up when the guard has ended or the time is over. */
static int wait_until(struct up *u, bool (*serves)(struct up *), const char *name, struct err *err)
{
    for (uint64_t waited = 0; !serves(u); waited += POLL_MS) {
        auto_close int guard = daemon_find(u->dir, "guard", NULL);

        if (guard < 0 && !u->started) { /* it was ending already when we found it */
            if (start_guard(u, err) < 0)
                return -1;
        } else if (guard < 0) {
            daemon_show_log(u->dir, "guard", 5);
            daemon_show_log(u->dir, name, 10);
            return err_set(err, ERR_SYS, 0, "the %s did not start", name);
        }
        if (waited >= u->limit_ms) {
            daemon_show_log(u->dir, name, 10);
            return err_set(err, ERR_AGAIN, 0, "the %s does not serve after %llu s; its log is %s/log/%s.log", name,
                           (unsigned long long)u->limit_ms / 1000, u->dir, name);
        }
        usleep(POLL_MS * 1000);
    }
    return 0;
}

/* ---- the exporter ---- */

static bool exporter_listens(struct up *u)
{
    auto_free char *file = daemon_path(u->dir, "exporter/address");

    return access(file, R_OK) == 0;
}

/* "off", or where to listen: "HOST:PORT". */
static int check_exporter(const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

    if (str_eq(text, "off") || (colon && colon[1] && !*end && port <= 65535 && !strpbrk(text, " \r\n")))
        return 0;
    return err_set(err, ERR_INPUT, 0, "--exporter %s: write HOST:PORT, as 127.0.0.1:8888, or off", text);
}

/* It looks who is to be started whenever it hears of a child's end. */
static void wake_guard(struct up *u)
{
    auto_close int fd = daemon_find(u->dir, "guard", NULL);

    if (fd >= 0)
        daemon_signal(fd, SIGCHLD);
}

/* Keeps in the folder what the user wants; an exporter that runs is started again when that is something else. */
static int take_exporter(struct up *u, struct err *err)
{
    const char *wanted = cli_text(u->c, "exporter", NULL);
    auto_free char *dir = daemon_path(u->dir, "exporter"), *file = daemon_path(u->dir, "exporter/wanted"), *old = NULL;
    struct err ignored = ERR_INIT;
    struct world *w = NULL;
    size_t len;
    int rc = 0;

    if (!wanted)
        return 0;
    if (check_exporter(wanted, err) < 0)
        return -1;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, errno, "cannot make %s", dir);
    if (world_real_new(NULL, &w, err) < 0)
        return -1;
    if (w->ops->read_file(w, file, &old, &len, &ignored) < 0 || !str_eq(old, wanted)) {
        auto_free char *address = daemon_path(u->dir, "exporter/address");

        rc = w->ops->write_file(w, file, wanted, strlen(wanted), 0600, err);
        unlink(address);
        daemon_stop(u->dir, "exporter", 5000);
        wake_guard(u);
    }
    world_real_free(w);
    return rc;
}

static bool exporter_is_off(const struct up *u)
{
    auto_free char *file = daemon_path(u->dir, "exporter/wanted");
    char text[8] = "";
    FILE *f = fopen(file, "re");
    bool off;

    if (!f)
        return false;
    off = fgets(text, sizeof text, f) && strcmp(text, "off") == 0;
    fclose(f);
    return off;
}

/* Databases do not need it, so what keeps it from starting is told, and all else stays up. */
static int wait_exporter(struct up *u, struct err *err)
{
    uint64_t limit = u->limit_ms < EXPORTER_MS ? u->limit_ms : EXPORTER_MS;

    if (exporter_is_off(u))
        return 0;
    for (uint64_t waited = 0; !exporter_listens(u); waited += POLL_MS) {
        if (waited >= limit) {
            daemon_show_log(u->dir, "exporter", 3);
            return err_set(err, ERR_SYS, 0,
                           "plane and operator run, but the exporter does not start (its last words are above): give it another "
                           "address with --exporter HOST:PORT, or none with --exporter off");
        }
        usleep(POLL_MS * 1000);
    }
    return 0;
}

static int pid_of(const char *dir, const char *name)
{
    pid_t pid = 0;
    auto_close int fd = daemon_find(dir, name, &pid);

    return fd < 0 ? 0 : (int)pid;
}

static void say(struct up *u)
{
    auto_free char *address = api_operator_address(&u->api), *exporter = api_exporter_address(&u->api);

    printf("chfleet runs in %s\n", u->dir);
    printf("  plane     pid %-7d kubeconfig %s/plane/kubeconfig\n", pid_of(u->dir, "plane"), u->dir);
    printf("  operator  pid %-7d http://%s/ (live page, /status, /metrics)\n", pid_of(u->dir, "operator"), address ? address : "?");
    if (exporter)
        printf("  exporter  pid %-7d http://%s/metrics (Prometheus)\n", pid_of(u->dir, "exporter"), exporter);
}

/* The plane reads which program runs for which image when it starts; a running one is started again, which no database
 * notices. */
static int take_programs(struct up *u, struct err *err)
{
    const char *from = cli_text(u->c, "programs", NULL);
    auto_free char *to = daemon_path(u->dir, "plane/programs.yaml"), *text = NULL, *old = NULL;
    struct world *w = NULL;
    struct err ignored = ERR_INIT;
    size_t len = 0, old_len = 0;
    int rc;

    if (!from)
        return 0;
    if (world_real_new(NULL, &w, err) < 0)
        return -1;
    rc = w->ops->read_file(w, from, &text, &len, err);
    if (rc == 0 && w->ops->read_file(w, to, &old, &old_len, &ignored) == 0 && str_eq(text, old)) {
        world_real_free(w);
        return 0;
    }
    if (rc == 0)
        rc = w->ops->write_file(w, to, text, len, 0600, err);
    world_real_free(w);
    if (rc < 0 && err->kind == ERR_MISSING)
        err->kind = ERR_INPUT;
    if (rc == 0 && daemon_stop(u->dir, "plane", 10000))
        printf("the plane starts again with %s\n", from);
    return rc;
}

static int background(struct up *u, struct err *err)
{
    auto_close int lock = -1;

    if (daemon_lock(u->dir, "updown", true, &lock, err) < 0 || take_programs(u, err) < 0 || take_exporter(u, err) < 0 || start_guard(u, err) < 0 ||
        wait_until(u, plane_serves, "plane", err) < 0 || node_allow(&u->api, err) < 0 ||
        wait_until(u, operator_serves, "operator", err) < 0)
        return -1;
    if (wait_exporter(u, err) < 0)
        return -1;
    say(u);
    return 0;
}

static int foreground(struct up *u, struct err *err)
{
    log_set_level(LOG_INFO);
    if (take_exporter(u, err) < 0)
        return -1;
    return guard_run(u->dir, err);
}

int cmd_up(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_free char *dir = api_data_dir(c, &err);
    struct up u = {.c = c, .dir = dir, .limit_ms = 60000};
    const char *timeout = cli_text(c, "timeout", NULL);
    int rc = -1;

    if (dir && (!timeout || cli_duration_ms(timeout, &u.limit_ms, &err) == 0) && daemon_prepare_dir(dir, &err) == 0)
        rc = cli_flag(c, "foreground") ? foreground(&u, &err) : background(&u, &err);
    if (u.open)
        api_fini(&u.api);
    if (rc < 0)
        return err.kind == ERR_AGAIN ? (cli_fail(c, &err), EXIT_TIMEOUT) : cli_fail(c, &err);
    return EXIT_DONE;
}
