/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl logs: what the server wrote to stdout and stderr, rotated file first. The files hold plain lines (no pipe, so
 * nobody could stamp them): with `timestamps` a line that begins with a time of its own gets that one, others the one
 * of the line before. Following asks the file twice a second; a ClickHouse server's real log is in its log volume.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/node_runtime.h"

enum { FOLLOW_MS = 500, CHUNK = 32768 };

struct log_job {
    struct runtime_job job;
    char *dir, *uid, *container;
    struct runtime_log_options o;
    int fd;
    off_t at, end;    /* end: where the instance that is meant ended; -1 = it goes on */
    bool whole;       /* the instance began in this file */
    int64_t left;     /* bytes of the limit; -1 = none */
    struct str line;  /* incomplete line, with timestamps or since */
    uint64_t last_ms; /* time of the last line that had one */
    struct world_timer *timer;
    bool paused, last_look;
};

static void look(void *ctx);

static void job_free(struct log_job *j)
{
    world_timer_stop(j->job.node->w, &j->timer);
    if (j->fd >= 0)
        close(j->fd);
    str_free(&j->line);
    free(j->dir);
    free(j->uid);
    free(j->container);
    free(j);
}

static void job_end(struct log_job *j)
{
    void (*done)(void *ctx, int code, const struct err *err) = j->job.cbs.done;
    void *ctx = j->job.ctx;

    job_free(j);
    done(ctx, 0, NULL);
}

/* ---- text ---- */

/* "2026.11.24 06:21:04.558573 …" (ClickHouse), "2026-11-24 06:21:04,558" or RFC 3339: its time, else 0. */
static uint64_t line_time(const char *line)
{
    struct tm tm = {0};
    char a, b, t;
    int n = 0;

    if (sscanf(line, "%4d%c%2d%c%2d%c%2d:%2d:%2d%n", &tm.tm_year, &a, &tm.tm_mon, &b, &tm.tm_mday, &t, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &n) != 9 ||
        (a != '.' && a != '-') || a != b || tm.tm_year < 1970)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    tm.tm_isdst = -1;
    return (uint64_t)(strchr(line, 'Z') == line + n ? timegm(&tm) : mktime(&tm)) * 1000;
}

static void give(struct log_job *j, const char *text, size_t len)
{
    if (j->left >= 0 && (int64_t)len > j->left)
        len = (size_t)j->left;
    if (!len)
        return;
    if (j->left >= 0)
        j->left -= (int64_t)len;
    j->job.cbs.data(j->job.ctx, RUNTIME_STDOUT, text, len);
}

static void give_line(struct log_job *j, const char *line, size_t len)
{
    uint64_t when = line_time(line);
    char stamp[40];

    if (when)
        j->last_ms = when;
    if (j->o.since_wall_ms && (int64_t)j->last_ms < j->o.since_wall_ms)
        return;
    if (j->o.timestamps) {
        rfc3339(j->last_ms, stamp);
        give(j, stamp, strlen(stamp));
        give(j, " ", 1);
    }
    give(j, line, len);
}

static void take(struct log_job *j, const char *text, size_t len)
{
    char *end;

    if (!j->o.timestamps && !j->o.since_wall_ms) {
        give(j, text, len);
        return;
    }
    str_addn(&j->line, text, len);
    while (j->line.len && (end = memchr(j->line.s, '\n', j->line.len))) {
        size_t n = (size_t)(end - j->line.s) + 1;
        auto_free char *line = mem_strn(j->line.s, n);

        str_cut(&j->line, n);
        give_line(j, line, n);
    }
}

/* ---- where to begin ---- */

/* Offset of the n-th last line. */
static off_t tail_offset(int fd, off_t size, int64_t lines)
{
    char buf[4096];
    off_t at = size;

    if (lines == 0)
        return size;
    while (at > 0) {
        size_t want = at > (off_t)sizeof buf ? sizeof buf : (size_t)at;
        ssize_t n = pread(fd, buf, want, at - (off_t)want);

        if (n != (ssize_t)want)
            return 0;
        for (size_t i = want; i-- > 0;)
            if (buf[i] == '\n' && at - (off_t)want + (off_t)i + 1 < size && --lines == 0)
                return at - (off_t)want + (off_t)i + 1;
        at -= (off_t)want;
    }
    return 0;
}

static int open_log(const char *dir, const char *name)
{
    auto_free char *path = mem_printf("%s/%s", dir, name);

    return open(path, O_RDONLY | O_CLOEXEC);
}

static void give_rotated(struct log_job *j)
{
    int fd = open_log(j->dir, "log.1");
    char buf[CHUNK];
    ssize_t n;

    if (fd < 0)
        return;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        take(j, buf, (size_t)n);
    close(fd);
}

/* ---- life ---- */

static bool still_there(const struct log_job *j)
{
    struct node_pod *p = node_find(j->job.node, j->uid);
    struct node_ctr *c = p ? pod_container(p, j->container) : NULL;

    return c && !c->over && !(c->known && c->st.phase == SHIM_EXITED);
}

static bool read_more(struct log_job *j)
{
    char buf[CHUNK];
    size_t want = sizeof buf;
    struct stat st;
    ssize_t n;

    if (fstat(j->fd, &st) == 0 && st.st_size < j->at) {
        if (j->end >= 0)
            return false;
        j->at = 0; /* it was cut: the old text is in log.1 now */
    }
    if (j->end >= 0 && j->end - j->at < (off_t)want)
        want = j->end > j->at ? (size_t)(j->end - j->at) : 0;
    n = pread(j->fd, buf, want, j->at);
    if (n <= 0)
        return false;
    j->at += n;
    take(j, buf, (size_t)n);
    return true;
}

static void look(void *ctx)
{
    struct log_job *j = ctx;
    bool more;

    j->timer = NULL;
    if (j->paused)
        return;
    more = read_more(j);
    if (j->left == 0 || (!more && (!j->o.follow || j->last_look))) {
        if (j->line.len)
            give_line(j, j->line.s, j->line.len);
        job_end(j);
        return;
    }
    if (!more)
        j->last_look = !still_there(j);
    j->timer = world_timer(j->job.node->w, more ? 0 : FOLLOW_MS, look, j);
}

static void first_look(void *ctx)
{
    struct log_job *j = ctx;
    struct stat st = {0};

    fstat(j->fd, &st);
    if (j->o.tail_lines >= 0) {
        off_t at = tail_offset(j->fd, j->end >= 0 ? j->end : st.st_size, j->o.tail_lines);

        j->at = at > j->at ? at : j->at;
    } else if (!j->whole && !j->o.previous) {
        give_rotated(j);
    }
    look(j);
}

static void logs_pause(struct runtime_job *job, bool paused)
{
    struct log_job *j = (struct log_job *)job;

    j->paused = paused;
    if (!paused && !j->timer)
        j->timer = world_timer(job->node->w, 0, look, j);
}

static void logs_cancel(struct runtime_job *job)
{
    job_free((struct log_job *)job);
}

/* Opens the file that has the instance that is meant, from `*at` on to `*end`. */
static int open_instance(const struct node_ctr *c, const struct runtime_log_options *o, struct log_job *j, struct err *err)
{
    auto_free char *begun = mem_printf("%s/" SHIM_LOG_BEGUN, c->dir);
    long long before = 0, at = 0;

    j->whole = shim_log_begun(AT_FDCWD, begun, &before, &at);
    j->end = -1;
    if (!o->previous) {
        j->at = j->whole ? at : 0;
        j->fd = open_log(c->dir, "log");
        return j->fd >= 0 ? 0
                          : err_set(err, ERR_REFUSED, 0, "container %s has not started yet: %s", c->name,
                                    c->wait_message && *c->wait_message ? c->wait_message : c->wait_reason);
    }
    if (j->whole) {
        j->at = before;
        j->end = at;
    }
    j->fd = before < 0 ? -1 : open_log(c->dir, j->whole ? "log" : "log.1");
    return j->fd >= 0 ? 0
                      : err_set(err, ERR_MISSING, 0, "previous terminated container \"%s\" in pod \"%s\" not found", c->name,
                                c->pod->name);
}

struct runtime_job *node_logs(void *node, const cJSON *pod, const struct runtime_log_options *o,
                              const struct runtime_cbs *cbs, void *ctx, struct err *err)
{
    static const struct job_kind kind = {NULL, NULL, logs_pause, logs_cancel};
    struct node *n = node;
    struct node_ctr *c = runtime_container(n, pod, o->container, err);
    struct log_job *j;

    if (!c)
        return NULL;
    j = mem_zero(sizeof *j);
    if (open_instance(c, o, j, err) < 0) {
        free(j);
        return NULL;
    }
    j->job = (struct runtime_job){&kind, n, *cbs, ctx};
    j->dir = mem_str(c->dir);
    j->uid = mem_str(c->pod->uid);
    j->container = mem_str(c->name);
    j->o = *o;
    j->left = o->limit_bytes;
    j->last_ms = c->st.started_ms;
    j->timer = world_timer(n->w, 0, first_look, j);
    return &j->job;
}
