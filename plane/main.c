/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet-plane: API server, controllers and node agent of the embedded mode, in one process. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/world_real.h"
#include "plane/api.h"
#include "plane/controllers.h"
#include "plane/program.h"
#include "plane/server.h"
#include "plane/tls.h"

struct options {
    char *data, *host, *programs, *haproxy;
    unsigned port;
    bool port_given;
};

struct process {
    struct options o;
    struct plane plane;
    struct world *w;
    struct tls_files tls;
    struct server *server;
    int lock_fd;
    char *node_name;
};

/* ---- options ---- */

static int parse_listen(struct options *o, const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end;
    long port;

    if (text[0] == '[') { /* [::1]:6443 */
        const char *close = strchr(text, ']');

        if (!close || (close[1] && close[1] != ':'))
            return -1;
        o->host = mem_strn(text + 1, (size_t)(close - text - 1));
        colon = close[1] ? close + 1 : NULL;
    } else {
        o->host = mem_strn(text, colon ? (size_t)(colon - text) : strlen(text));
    }
    if (!colon)
        return 0;
    port = strtol(colon + 1, &end, 10);
    if (!colon[1] || *end || port < 0 || port > 65535)
        return -1;
    o->port = (unsigned)port;
    o->port_given = port != 0;
    return 0;
}

static int parse_level(const char *text)
{
    int level = log_level_parse(text);

    if (level >= 0)
        log_set_level((enum log_level)level);
    return level < 0 ? -1 : 0;
}

static void put(char **to, const char *value)
{
    free(*to);
    *to = mem_str(value);
}

static int take_option(void *ctx, const char *name, const char *value, struct err *err)
{
    struct options *o = ctx;

    if (strcmp(name, "data") == 0)
        put(&o->data, value);
    else if (strcmp(name, "programs") == 0)
        put(&o->programs, value);
    else if (strcmp(name, "haproxy") == 0)
        put(&o->haproxy, value);
    else if (strcmp(name, "log-level") == 0 && parse_level(value) < 0)
        return err_set(err, ERR_INPUT, 0, "--log-level %s: write error, warning, notice, info or debug", value);
    if (strcmp(name, "listen") != 0)
        return 0;
    free(o->host);
    o->host = NULL;
    return parse_listen(o, value) == 0 ? 0 : err_set(err, ERR_INPUT, 0, "--listen %s: write 127.0.0.1:PORT", value);
}

/* -1: go on; else the exit code. */
static int parse_options(int argc, char **argv, struct options *o)
{
    int code = 0;

    if (!program_parse(&plane_program, argc, argv, take_option, o, &code))
        return code;
    if (o->data && *o->data)
        return -1;
    fputs("chfleet-plane: --data DIR is needed: where everything is kept\n", stderr);
    return 2;
}

/* ---- the data directory ---- */

static int make_dirs(const char *path)
{
    auto_free char *p = mem_str(path);

    for (char *s = p + 1; *s; s++)
        if (*s == '/') {
            *s = '\0';
            if (mkdir(p, 0755) < 0 && errno != EEXIST)
                return -1;
            *s = '/';
        }
    return mkdir(p, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

static int lock_data(struct process *p, struct err *err)
{
    auto_free char *path = mem_printf("%s/plane.lock", p->o.data);
    char pid[32];
    int n;

    p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (p->lock_fd < 0)
        return err_set(err, ERR_SYS, errno, "open %s", path);
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
        if (pwrite(p->lock_fd, pid, (size_t)n, 0) == n && ftruncate(p->lock_fd, n) < 0) /* who has it, for chfleet up and down */
            errno = 0;
        return 0;
    }
    if (errno == EWOULDBLOCK)
        return err_set(err, ERR_REFUSED, 0,
                       "another chfleet-plane runs on %s: end it first, or give this one another --data", p->o.data);
    return err_set(err, ERR_SYS, errno, "lock %s", path);
}

static int prepare_data(struct process *p, struct err *err)
{
    char *real;

    if (make_dirs(p->o.data) < 0)
        return err_set(err, ERR_SYS, errno, "mkdir %s", p->o.data);
    real = realpath(p->o.data, NULL);
    if (!real)
        return err_set(err, ERR_SYS, errno, "%s", p->o.data);
    free(p->o.data);
    p->o.data = real;
    return lock_data(p, err);
}

/* The port of the time before, so that kubeconfigs stay true. */
static void kept_port(struct process *p)
{
    auto_free char *path = mem_printf("%s/plane.port", p->o.data), *text = NULL;
    struct err ignored = ERR_INIT;
    size_t n;

    if (p->o.port_given || p->w->ops->read_file(p->w, path, &text, &n, &ignored) < 0)
        return;
    p->o.port = (unsigned)strtoul(text, NULL, 10);
    if (p->o.port > 65535)
        p->o.port = 0;
}

static int write_number(struct process *p, const char *name, long value, struct err *err)
{
    auto_free char *path = mem_printf("%s/%s", p->o.data, name), *text = mem_printf("%ld\n", value);

    return p->w->ops->write_file(p->w, path, text, strlen(text), 0644, err);
}

/* ---- start ---- */

static char *machine_name(void)
{
    struct utsname u;
    char *name;

    name = mem_str(uname(&u) == 0 && u.nodename[0] ? u.nodename : "localhost");
    for (char *c = name; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
        else if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '.'))
            *c = '-';
    }
    if (strlen(name) > 63)
        name[63] = '\0';
    return name;
}

static int open_server(struct process *p, struct err *err)
{
    struct server_options so = {.w = p->w,
                                .base = world_real_base(p->w),
                                .api = p->plane.api,
                                .store = p->plane.store,
                                .tls = &p->tls,
                                .host = p->o.host,
                                .port = p->o.port};
    int rc = server_start(&so, &p->server, err);

    if (rc < 0 && err->kind == ERR_REFUSED && !p->o.port_given && p->o.port) {
        log_warn(NULL,
                 "port %u of the time before is taken by another program: a new one is picked, kubeconfigs copied "
                 "earlier are void",
                 p->o.port);
        so.port = 0;
        rc = server_start(&so, &p->server, err);
    }
    return rc;
}

static int start(struct process *p, struct err *err)
{
    auto_free char *db = mem_printf("%s/plane.db", p->o.data);

    p->plane = (struct plane){.w = p->w,
                              .data_dir = p->o.data,
                              .programs_file = p->o.programs,
                              .haproxy = p->o.haproxy,
                              .node_name = p->node_name,
                              .base = world_real_base(p->w)};
    if (store_open(p->w, db, &p->plane.store, err) < 0)
        return -1;
    p->plane.api = api_new(p->w, p->plane.store);
    if (tls_load(p->w, p->o.data, &p->tls, err) < 0)
        return -1;
    kept_port(p);
    if (open_server(p, err) < 0 || controllers_start(&p->plane, err) < 0)
        return -1;
    if (write_number(p, "plane.port", (long)server_port(p->server), err) < 0 ||
        write_number(p, "plane.pid", (long)getpid(), err) < 0)
        return -1;
    return tls_write_kubeconfig(p->w, p->o.data, p->o.host, server_port(p->server), &p->tls, err);
}

static void stop(struct process *p)
{
    auto_free char *pid_path = mem_printf("%s/plane.pid", p->o.data);

    server_stop(p->server);
    if (p->plane.controllers)
        controllers_stop(&p->plane);
    api_free(p->plane.api);
    store_close(p->plane.store);
    tls_free(&p->tls);
    if (p->server)
        unlink(pid_path);
    if (p->w)
        world_real_free(p->w);
    if (p->lock_fd >= 0)
        close(p->lock_fd);
    free(p->o.data);
    free(p->o.host);
    free(p->o.programs);
    free(p->o.haproxy);
    free(p->node_name);
}

static void on_signal(void *ctx, int signo)
{
    struct process *p = ctx;

    log_note(NULL, "signal %d: the plane ends; the servers it started go on", signo);
    p->w->ops->quit(p->w, 0);
}

/* A plane is small and its peaks are short: memory goes back to the machine. */
static void tune_memory(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
    mallopt(M_TOP_PAD, 64 << 10);
}

static int run(struct process *p)
{
    struct err err = ERR_INIT;

    if (prepare_data(p, &err) < 0 || world_real_new(NULL, &p->w, &err) < 0 || start(p, &err) < 0) {
        log_error(NULL, "%s", err.msg);
        return err_exit_code(&err);
    }
    world_real_signal(p->w, SIGTERM, on_signal, p);
    world_real_signal(p->w, SIGINT, on_signal, p);
    log_note(NULL, "serving on https://%s:%u; kubectl --kubeconfig %s/kubeconfig get pods", p->o.host,
             server_port(p->server), p->o.data);
    return world_real_run(p->w);
}

int main(int argc, char **argv)
{
    struct process p = {.lock_fd = -1};
    int rc;

    log_init("chfleet-plane", LOG_INFO);
    tune_memory();
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    rc = parse_options(argc, argv, &p.o);
    if (rc < 0) {
        if (!p.o.host)
            p.o.host = mem_str("127.0.0.1");
        p.node_name = machine_name();
        rc = run(&p);
    }
    stop(&p);
    return rc;
}
