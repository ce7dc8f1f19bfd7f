/* SPDX-License-Identifier: Apache-2.0 */
/* The real world: loop, clocks, timers, signals, small files. The other parts are in world_*.c beside this. */
#include "base/world_real.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/world_impl.h"

enum { FILE_MAX = 64 << 20 };

struct world_timer {
    LIST_ENTRY(world_timer) link;
    struct world_real *w;
    struct event *ev;
    void (*fn)(void *ctx);
    void *ctx;
};

struct world_signal {
    LIST_ENTRY(world_signal) link;
    struct event *ev;
    int signo;
    void (*fn)(void *ctx, int signo);
    void *ctx;
};

static const struct world_zk_ops *zk_ops; /* set once, before any world exists */

/* ---- clocks and chance ---- */

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t real_mono(struct world *w)
{
    (void)w;
    return clock_ms(CLOCK_MONOTONIC);
}

static uint64_t real_wall(struct world *w)
{
    (void)w;
    return clock_ms(CLOCK_REALTIME);
}

static uint64_t real_random(struct world *w)
{
    uint64_t v = 0;

    (void)w;
    while (getrandom(&v, sizeof v, 0) != (ssize_t)sizeof v)
        if (errno != EINTR)
            abort(); /* without randomness UIDs collide and back-off falls into step */
    return v;
}

static const char *real_boot_id(struct world *w)
{
    return real_of(w)->boot_id;
}

static void read_boot_id(struct world_real *w)
{
    auto_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, w->boot_id, sizeof w->boot_id - 1);

    if (n > 0)
        w->boot_id[strcspn(w->boot_id, "\n")] = '\0';
    else
        snprintf(w->boot_id, sizeof w->boot_id, "unknown");
}

/* ---- events and timers ---- */

struct event *world_event(struct world_real *w, int fd, short what, event_callback_fn fn, void *ctx)
{
    struct event *ev = event_new(w->base, fd, what, fn, ctx);

    if (!ev)
        abort(); /* only for want of memory */
    return ev;
}

void world_event_in(struct event *ev, uint64_t delay_ms)
{
    struct timeval tv = {(time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000 * 1000)};

    event_add(ev, &tv);
}

static void timer_free(struct world_timer *t)
{
    LIST_REMOVE(t, link);
    event_free(t->ev);
    free(t);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct world_timer *t = ctx;
    void (*fn)(void *) = t->fn;
    void *fn_ctx = t->ctx;

    (void)fd;
    (void)what;
    timer_free(t); /* before the call: the handle is dead once the callback runs */
    fn(fn_ctx);
}

static struct world_timer *real_timer(struct world *w, uint64_t delay_ms, void (*fn)(void *), void *ctx)
{
    struct world_timer *t = mem_zero(sizeof *t);

    t->w = real_of(w);
    t->fn = fn;
    t->ctx = ctx;
    t->ev = world_event(t->w, -1, 0, on_timer, t);
    LIST_INSERT_HEAD(&t->w->timers, t, link);
    world_event_in(t->ev, delay_ms);
    return t;
}

static void real_timer_stop(struct world *w, struct world_timer *t)
{
    (void)w;
    timer_free(t);
}

/* ---- Keeper paths: reached through what keeper/ registered ---- */

struct zk_absent {
    struct world *w;
    struct world_timer *timer;
    zk_done_fn *done;
    void *ctx;
};

static void zk_absent_done(void *ctx)
{
    struct zk_absent *z = ctx;
    struct err err = ERR_INIT;

    err_set(&err, ERR_REFUSED, 0, "this program was built to run without a Keeper client: no Keeper path can be read");
    z->done(z->ctx, NULL, &err);
    free(z);
}

static struct world_zk *real_zk(struct world *w, const char *servers, enum zk_op op, const char *path,
                                uint32_t total_ms, zk_done_fn *done, void *ctx)
{
    struct zk_absent *z;

    if (zk_ops)
        return zk_ops->start(w, servers, op, path, total_ms, done, ctx);
    z = mem_zero(sizeof *z);
    z->w = w;
    z->done = done;
    z->ctx = ctx;
    z->timer = real_timer(w, 0, zk_absent_done, z);
    return (struct world_zk *)z;
}

static void real_zk_cancel(struct world *w, struct world_zk *handle)
{
    struct zk_absent *z = (struct zk_absent *)handle;

    if (zk_ops) {
        zk_ops->cancel(w, handle);
        return;
    }
    world_timer_stop(w, &z->timer);
    free(z);
}

void world_real_set_zk(const struct world_zk_ops *ops)
{
    zk_ops = ops;
}

/* ---- files and ports ---- */

static int real_read_file(struct world *w, const char *path, char **text, size_t *len, struct err *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_str struct str s = STR_INIT;
    char buf[8192];
    ssize_t n;

    (void)w;
    if (fd < 0)
        return err_set(err, errno == ENOENT ? ERR_MISSING : ERR_SYS, errno, "cannot open %s%s", path,
                       errno == ENOENT ? ": there is no such file" : "");
    while ((n = read(fd, buf, sizeof buf)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_SYS, errno, "cannot read %s", path);
        if (s.len + (size_t)n > FILE_MAX)
            return err_set(err, ERR_INPUT, 0, "%s is larger than %d MiB", path, FILE_MAX >> 20);
        str_addn(&s, buf, (size_t)n);
    }
    *len = s.len;
    *text = str_take(&s);
    return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

/* Under its name there is the old text or the new one, never a half. */
static int real_write_file(struct world *w, const char *path, const char *text, size_t len, unsigned mode,
                           struct err *err)
{
    auto_free char *tmp = mem_printf("%s.%08x.new", path, (unsigned)real_random(w));
    auto_close int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);

    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "cannot create %s", tmp);
    if (fchmod(fd, (mode_t)mode) < 0 || write_all(fd, text, len) < 0 || rename(tmp, path) < 0) {
        int why = errno;

        unlink(tmp);
        return err_set(err, ERR_SYS, why, "cannot write %s", path);
    }
    return 0;
}

static bool real_port_free(struct world *w, unsigned port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1; /* as servers do: connections that linger do not hold the port */

    (void)w;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || port == 0 || port > 65535)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&sin, sizeof sin) == 0 && listen(fd, 1) == 0;
}

/* ---- the loop ---- */

static void real_quit(struct world *w, int code)
{
    struct world_real *r = real_of(w);

    r->code = code;
    r->quitting = true; /* the loop may not have begun yet */
    event_base_loopbreak(r->base);
}

static const struct world_ops real_ops = {
    .mono_ms = real_mono,
    .wall_ms = real_wall,
    .random = real_random,
    .boot_id = real_boot_id,
    .timer = real_timer,
    .timer_stop = real_timer_stop,
    .http = world_http_start,
    .http_cancel = world_http_cancel,
    .tcp = world_tcp_start,
    .tcp_cancel = world_tcp_cancel,
    .zk = real_zk,
    .zk_cancel = real_zk_cancel,
    .spawn = world_proc_spawn,
    .kill = world_proc_kill,
    .pid = world_proc_pid,
    .chan_send = world_chan_send,
    .chan_listen = world_chan_listen,
    .read_file = real_read_file,
    .write_file = real_write_file,
    .port_free = real_port_free,
    .run = world_run_start,
    .quit = real_quit,
};

static struct event_base *new_base(void)
{
    struct event_config *cfg = event_config_new();
    struct event_base *base = NULL;

    if (!cfg)
        return NULL;
    /* Exact times: a cached or coarse clock lets timers fire before they are due. */
    event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME);
    event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    return base;
}

int world_real_new(struct world_spawner *spawner, struct world **out, struct err *err)
{
    struct world_real *w = mem_zero(sizeof *w);

    w->w.ops = &real_ops;
    w->base = new_base();
    if (!w->base) {
        free(w);
        return err_set(err, ERR_SYS, errno, "cannot make the event loop");
    }
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of its write, not the end of us */
    read_boot_id(w);
    w->spawner = spawner;
    if (spawner)
        world_proc_attach(w);
    *out = &w->w;
    return 0;
}

void world_real_free(struct world *world)
{
    struct world_real *w = real_of(world);

    if (!w)
        return;
    world_proc_close(w);
    while (!LIST_EMPTY(&w->chans))
        world_chan_free(LIST_FIRST(&w->chans));
    world_run_close(w);
    world_tcp_close(w);
    world_http_close(w);
    while (!LIST_EMPTY(&w->timers))
        timer_free(LIST_FIRST(&w->timers));
    while (!LIST_EMPTY(&w->signals)) {
        struct world_signal *s = LIST_FIRST(&w->signals);

        LIST_REMOVE(s, link);
        event_free(s->ev);
        free(s);
    }
    event_base_free(w->base);
    free(w);
}

struct event_base *world_real_base(struct world *w)
{
    return real_of(w)->base;
}

int world_real_run(struct world *w)
{
    struct world_real *r = real_of(w);

    if (!r->quitting)
        event_base_loop(r->base, EVLOOP_NO_EXIT_ON_EMPTY);
    r->quitting = false;
    return r->code;
}

static void on_signal(evutil_socket_t signo, short what, void *ctx)
{
    struct world_signal *s = ctx;

    (void)what;
    s->fn(s->ctx, (int)signo);
}

void world_real_signal(struct world *world, int signo, void (*fn)(void *ctx, int signo), void *ctx)
{
    struct world_real *w = real_of(world);
    struct world_signal *s = mem_zero(sizeof *s);

    s->signo = signo;
    s->fn = fn;
    s->ctx = ctx;
    s->ev = evsignal_new(w->base, signo, on_signal, s);
    LIST_INSERT_HEAD(&w->signals, s, link);
    event_add(s->ev, NULL);
}
