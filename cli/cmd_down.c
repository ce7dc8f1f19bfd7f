/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet down: operator, then databases, then plane; with --purge the folder too. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/daemon.h"
#include "cli/node.h"
#include "cli/shims.h"

enum { STOP_MS = 10000 };

/* The guard would start again what we stop. */
static void end_guard(const char *dir)
{
    auto_close int fd = daemon_find(dir, "guard", NULL);

    if (fd < 0)
        return;
    daemon_signal(fd, SIGUSR1);
    if (!daemon_wait(fd, STOP_MS))
        daemon_stop(dir, "guard", 0);
}

/* A plane that is down cannot stop its pods; it is started for that when pods may run. */
static int ensure_plane(const char *dir, struct err *err)
{
    auto_close int fd = daemon_find(dir, "plane", NULL);
    auto_free char *program = daemon_program("chfleet-plane"), *plane_dir = daemon_path(dir, "plane"),
                   *config = daemon_path(dir, "plane/kubeconfig");
    const char *argv[] = {program, "--data", plane_dir, NULL};

    if (fd >= 0 || access(config, F_OK) < 0)
        return 0;
    if (!program)
        return err_set(err, ERR_INPUT, 0, "chfleet-plane is neither beside chfleet nor on PATH; it is needed to stop the pods");
    return daemon_start(dir, "plane", argv, err) < 0 ? -1 : 0;
}

static int stop_pods(const char *dir, uint64_t limit_ms, struct err *err)
{
    auto_free char *config = daemon_path(dir, "plane/kubeconfig");
    auto_api struct fleet_api a = {0};
    uint64_t until;

    if (access(config, F_OK) < 0)
        return 0; /* never served, so no pod was ever started */
    if (ensure_plane(dir, err) < 0 || api_open_local(&a, dir, err) < 0)
        return -1;
    until = api_mono(&a) + 15000;
    while (!api_ping(&a) && api_mono(&a) < until)
        usleep(50000);
    if (node_empty(&a, limit_ms, err) < 0)
        return err_ctx(err, "stopping the databases");
    return 0;
}

static bool agreed(const struct cli *c, const char *dir, struct err *err)
{
    char answer[16] = "";

    if (cli_flag(c, "yes") || !isatty(STDIN_FILENO)) /* a script that says --purge means it */
        return true;
    printf("Remove %s with all databases in it? Write yes: ", dir);
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) && str_eq(answer, "yes\n"))
        return true;
    err_set(err, ERR_REFUSED, 0, "nothing was removed");
    return false;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if ((type == FTW_DP ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT)
        return 0;
    return errno;
}

/* Does not follow links and stays on the folder's file system, so nothing outside is touched. The marker goes last: a removal
 * that was interrupted can be taken up again. */
static int purge(const char *dir, struct err *err)
{
    static const char *const parts[] = {"exporter", "operator", "plane", "log", "run"};
    auto_free char *marker = daemon_path(dir, DAEMON_MARKER);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        auto_free char *path = daemon_path(dir, parts[i]);
        int rc = access(path, F_OK) < 0 ? 0 : nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

        if (rc != 0)
            return err_set(err, ERR_SYS, rc > 0 ? rc : errno, "cannot remove %s", path);
    }
    if (unlink(marker) < 0 && errno != ENOENT)
        return err_set(err, ERR_SYS, errno, "cannot remove %s", marker);
    if (rmdir(dir) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY)
        return err_set(err, ERR_SYS, errno, "cannot remove %s", dir);
    return 0;
}

/* The plane leaves its balancer running, as it leaves everything it runs; so might a plane that was killed. */
static int stop_shims(const char *dir, struct err *err)
{
    auto_free char *plane_dir = daemon_path(dir, "plane");

    return shims_stop(plane_dir, STOP_MS, 2 * STOP_MS, err) < 0 ? -1 : 0;
}

static int stop_all(struct cli *c, const char *dir, uint64_t limit_ms, struct err *err)
{
    end_guard(dir);
    if (daemon_stop(dir, "exporter", STOP_MS))
        printf("exporter ended\n");
    if (daemon_stop(dir, "operator", STOP_MS))
        printf("operator ended\n");
    if (!cli_flag(c, "keep")) {
        if (stop_pods(dir, limit_ms, err) < 0)
            return -1;
        printf("databases ended\n");
    }
    if (daemon_stop(dir, "plane", STOP_MS))
        printf("plane ended\n");
    return cli_flag(c, "keep") ? 0 : stop_shims(dir, err);
}

static int down(struct cli *c, const char *dir, struct err *err)
{
    auto_close int lock = -1;
    auto_free char *run = daemon_path(dir, "run");
    const char *timeout = cli_text(c, "timeout", NULL);
    uint64_t limit_ms = 120000;

    if (timeout && cli_duration_ms(timeout, &limit_ms, err) < 0)
        return -1;
    if (cli_flag(c, "keep") && cli_flag(c, "purge"))
        return err_set(err, ERR_INPUT, 0, "--keep and --purge contradict each other: databases would lose their files");
    if (mkdir(run, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, errno, "cannot make %s", run);
    if ((cli_flag(c, "purge") && !agreed(c, dir, err)) || daemon_lock(dir, "updown", true, &lock, err) < 0 ||
        stop_all(c, dir, limit_ms, err) < 0)
        return -1;
    if (!cli_flag(c, "purge"))
        return 0;
    if (purge(dir, err) < 0)
        return -1;
    printf("%s removed\n", dir);
    return 0;
}

int cmd_down(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_free char *dir = api_data_dir(c, &err);

    if (!dir)
        return cli_fail(c, &err);
    if (daemon_check_dir(dir, &err) < 0) {
        if (err.kind != ERR_MISSING)
            return cli_fail(c, &err);
        printf("nothing runs in %s\n", dir);
        return EXIT_DONE;
    }
    if (down(c, dir, &err) < 0)
        return err.kind == ERR_AGAIN ? (cli_fail(c, &err), EXIT_TIMEOUT) : cli_fail(c, &err);
    return EXIT_DONE;
}
