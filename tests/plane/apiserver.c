/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server alone, for tests: no controllers, and a runtime that runs commands as plain children. Usage:
 * plane-apiserver DIR; it serves on a free port and writes DIR/kubeconfig. Ends with SIGTERM or with its parent.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/world_real.h"
#include "plane/server.h"

struct runtime_job {
    struct world *w;
    struct event_base *base;
    const struct runtime_cbs *cbs;
    void *ctx;
    struct bufferevent *out, *err, *in;
    struct world_timer *timer;
    pid_t pid;
    int open; /* outputs not yet at their end */
    char *text;
    bool eof;
};

static void job_free(struct runtime_job *j)
{
    struct bufferevent *all[] = {j->out, j->err, j->in};

    for (int i = 0; i < 3; i++)
        if (all[i])
            bufferevent_free(all[i]);
    world_timer_stop(j->w, &j->timer);
    free(j->text);
    free(j);
}

/* ---- logs: three lines and the options that came ---- */

static void logs_fire(void *ctx)
{
    struct runtime_job *j = ctx;

    j->timer = NULL;
    j->cbs->data(j->ctx, RUNTIME_STDOUT, j->text, strlen(j->text));
    j->cbs->done(j->ctx, 0, NULL);
    job_free(j);
}

static struct runtime_job *test_logs(void *node, const cJSON *pod, const struct runtime_log_options *o,
                                     const struct runtime_cbs *cbs, void *ctx, struct err *err)
{
    struct runtime_job *j;

    if (o->previous) {
        err_set(err, ERR_MISSING, 0, "previous terminated container \"%s\" in pod \"%s\" not found", o->container,
                json_name(pod));
        return NULL;
    }
    j = mem_zero(sizeof *j);
    j->w = node;
    j->cbs = cbs;
    j->ctx = ctx;
    j->text = mem_printf("log of %s/%s\ntail %lld follow %d timestamps %d\n", json_name(pod), o->container,
                         (long long)o->tail_lines, o->follow, o->timestamps);
    j->timer = world_timer(j->w, 50, logs_fire, j);
    return j;
}

/* ---- exec: a child ---- */

static void job_end(struct runtime_job *j)
{
    int status = 0;

    waitpid(j->pid, &status, 0);
    j->cbs->done(j->ctx, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), NULL);
    job_free(j);
}

static void on_out(struct bufferevent *bev, void *ctx)
{
    struct runtime_job *j = ctx;
    char buf[8192];
    size_t n;

    while ((n = bufferevent_read(bev, buf, sizeof buf)) > 0)
        j->cbs->data(j->ctx, bev == j->out ? RUNTIME_STDOUT : RUNTIME_STDERR, buf, n);
}

static void on_end(struct bufferevent *bev, short what, void *ctx)
{
    struct runtime_job *j = ctx;

    (void)what;
    on_out(bev, j);
    bufferevent_disable(bev, EV_READ);
    if (--j->open == 0)
        job_end(j);
}

static void on_drained(struct bufferevent *bev, void *ctx)
{
    struct runtime_job *j = ctx;

    if (j->eof) {
        bufferevent_free(bev);
        j->in = NULL;
    } else if (j->cbs->drained) {
        j->cbs->drained(j->ctx);
    }
}

static struct bufferevent *wrap(struct runtime_job *j, int fd, bool reads)
{
    struct bufferevent *b;

    evutil_make_socket_nonblocking(fd);
    b = bufferevent_socket_new(j->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    bufferevent_setcb(b, reads ? on_out : NULL, reads ? NULL : on_drained, reads ? on_end : NULL, j);
    bufferevent_enable(b, reads ? EV_READ : EV_WRITE);
    return b;
}

static struct runtime_job *test_exec(void *node, const cJSON *pod, const char *container, const char *const *argv,
                                     unsigned flags, const struct runtime_cbs *cbs, void *ctx, struct err *err)
{
    struct runtime_job *j;
    int in[2], out[2], er[2];

    (void)pod;
    (void)container;
    (void)flags;
    if (pipe(in) < 0 || pipe(out) < 0 || pipe(er) < 0) {
        err_set(err, ERR_SYS, errno, "pipe");
        return NULL;
    }
    j = mem_zero(sizeof *j);
    j->w = node;
    j->base = world_real_base(node);
    j->cbs = cbs;
    j->ctx = ctx;
    j->open = 2;
    j->pid = fork();
    if (j->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(er[1], 2);
        for (int fd = 3; fd < 256; fd++)
            close(fd);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(er[1]);
    j->in = wrap(j, in[1], false);
    j->out = wrap(j, out[0], true);
    j->err = wrap(j, er[0], true);
    return j;
}

static void close_input(struct runtime_job *j)
{
    bufferevent_free(j->in);
    j->in = NULL;
}

static bool test_input(struct runtime_job *j, const char *data, size_t len)
{
    if (!j->in)
        return true;
    if (len == 0) {
        j->eof = true;
        if (evbuffer_get_length(bufferevent_get_output(j->in)) == 0)
            close_input(j);
        return true;
    }
    bufferevent_write(j->in, data, len);
    return true;
}

static void test_resize(struct runtime_job *j, unsigned columns, unsigned rows)
{
    (void)j;
    (void)columns;
    (void)rows;
}

static void test_pause(struct runtime_job *j, bool paused)
{
    if (j->out)
        (paused ? bufferevent_disable : bufferevent_enable)(j->out, EV_READ);
}

static void test_cancel(struct runtime_job *j)
{
    if (j->pid) {
        kill(j->pid, SIGKILL);
        waitpid(j->pid, NULL, 0);
    }
    job_free(j);
}

static int test_port(void *node, const cJSON *pod, unsigned container_port, char *host, size_t size, unsigned *port,
                     struct err *err)
{
    (void)node;
    (void)pod;
    (void)err;
    snprintf(host, size, "127.0.0.1");
    *port = container_port;
    return 0;
}

static const struct runtime_ops test_runtime = {test_logs,  test_exec,   test_input, test_resize,
                                                test_pause, test_cancel, test_port};

static void on_signal(void *ctx, int signo)
{
    struct world *w = ctx;

    (void)signo;
    w->ops->quit(w, 0);
}

static int serve(const char *dir, struct err *err)
{
    auto_free char *db = mem_printf("%s/plane.db", dir);
    struct tls_files tls = {0};
    struct store *store = NULL;
    struct server *server = NULL;
    struct world *w = NULL;
    struct api *api;
    int rc;

    if (world_real_new(NULL, &w, err) < 0 || store_open(w, db, &store, err) < 0 || tls_load(w, dir, &tls, err) < 0)
        return -1;
    api = api_new(w, store);
    api_set_runtime(api, &test_runtime, w);
    rc = server_start(
        &(struct server_options){
            .w = w, .base = world_real_base(w), .api = api, .store = store, .tls = &tls, .host = "127.0.0.1"},
        &server, err);
    if (rc == 0)
        rc = tls_write_kubeconfig(w, dir, "127.0.0.1", server_port(server), &tls, err);
    if (rc == 0) {
        world_real_signal(w, SIGTERM, on_signal, w);
        rc = world_real_run(w);
    }
    server_stop(server);
    api_free(api);
    store_close(store);
    tls_free(&tls);
    world_real_free(w);
    return rc;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    log_init("plane-apiserver", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (argc != 2 || (mkdir(argv[1], 0700) < 0 && errno != EEXIST))
        return 2;
    if (serve(argv[1], &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    return 0;
}
