/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/lb.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/lb_conf.h"
#include "plane/ports.h"
#include "plane/programs.h"
#include "plane/shim.h"

enum {
    FIRST_PORT = 33200,
    LAST_PORT = 34199,
    ASK_MS = 2000,
    JOIN_MS = 100,
    DRAIN_MS = 1000,
    LAUNCH_MS = 10000,
    RELOAD_MS = 50,
    RELOAD_LIMIT_MS = 10000,
    AGAIN_MS = 200,
    SILENT_MS = 1500,
    TROUBLE_AGAIN_MS = 1000,
    BUSY_AGAIN_MS = 5000,
    SHIM_BUSY = 3
};

/* What the answer that is awaited is for. */
enum ask { ASK_NONE, ASK_NOW, ASK_COMMANDS, ASK_STATE };

struct lb_run {
    struct lb *lb; /* NULL: it is gone */
};

struct lb {
    struct plane *p;
    struct world *w;
    char *dir, *shim, *haproxy;
    struct ports *ports;
    struct lbw want;
    void (*changed)(void *ctx, const char *ns, const char *name);
    void *changed_ctx;
    bool known; /* HAProxy was asked at least once */
    bool dirty; /* look again when the round under way is over */
    enum ask ask;
    int fd; /* question under way */
    struct event *ev;
    struct str answer;
    int watch_fd; /* to the shim: its end means that HAProxy has no guard */
    struct event *watch_ev;
    struct world_timer *timer;
    struct lb_run *run;    /* shim being launched */
    uint64_t reload_since; /* monotonic; 0 = no reload under way */
    char *written;         /* the configuration file's text */
    char *sent;            /* the last commands: the same ones twice in a row did not help */
    char *trouble;         /* said already; NULL = none */
    void (*on_trouble)(void *ctx);
    void *on_trouble_ctx;
    uint64_t silent_since; /* monotonic; HAProxy has not answered since; 0 = it answers */
    struct world_timer *busy_timer;
};

static void look(void *ctx);

static void look_in(struct lb *lb, uint64_t ms)
{
    if (lb->ask != ASK_NONE || lb->run) {
        lb->dirty = true;
        return;
    }
    world_timer_stop(lb->w, &lb->timer);
    lb->timer = world_timer(lb->w, ms, look, lb);
}

/* ---- what is wrong ---- */

static void tell(struct lb *lb, const struct lbw_service *s, bool warning, const char *reason, const char *text)
{
    const cJSON *svc = store_get(lb->p->store, PK_SVC, s->ns, s->name);

    if (svc)
        store_event(lb->p->store, "balancer", svc, warning, reason, "%s", text);
}

/* NULL: it works (again). The same trouble is said once. */
static void set_trouble(struct lb *lb, const char *text)
{
    if (str_eq(lb->trouble, text))
        return;
    if (text)
        log_error(NULL, "balancer: %s", text);
    else
        log_info(NULL, "the balancer works again");
    for (size_t i = 0; i < lb->want.n; i++)
        tell(lb, &lb->want.v[i], text != NULL, text ? "BalancerFailed" : "Balanced",
             text ? text : "HAProxy works again: the Service is balanced");
    free(lb->trouble);
    lb->trouble = mem_str(text);
    if (lb->on_trouble)
        lb->on_trouble(lb->on_trouble_ctx);
}

const char *lb_trouble(const struct lb *lb)
{
    return lb->trouble;
}

void lb_on_trouble(struct lb *lb, void (*changed)(void *ctx), void *ctx)
{
    lb->on_trouble = changed;
    lb->on_trouble_ctx = ctx;
}

/* The last thing HAProxy complained about since that moment; "". Its last line of all only says that it ended. Caller
 * frees. */
static char *last_alert(const struct lb *lb, uint64_t since_ms)
{
    auto_free char *path = mem_printf("%s/log", lb->dir), *text = NULL;
    const char *found = NULL;
    struct stat st;

    if (stat(path, &st) < 0 || (uint64_t)st.st_mtime + 1 < since_ms / 1000)
        return mem_str("");
    text = shim_read(AT_FDCWD, path);
    for (const char *p = text ? strstr(text, "[ALERT]") : NULL; p; p = strstr(p + 1, "[ALERT]"))
        if (!memmem(p, strcspn(p, "\n"), "exited with code", 16))
            found = p;
    return found ? mem_strn(found, strcspn(found, "\n")) : mem_str("");
}

static void try_busy(void *ctx)
{
    struct lb *lb = ctx;
    bool left = false;

    lb->busy_timer = NULL;
    for (size_t i = 0; i < lb->want.n; i++)
        for (size_t k = 0; k < lb->want.v[i].n_ports; k++) {
            struct lbw_port *p = &lb->want.v[i].ports[k];
            auto_free char *text = mem_printf("port %u is free again", p->busy);

            if (!p->busy)
                continue;
            if (!lb->w->ops->port_free(lb->w, p->busy)) {
                left = true;
                continue;
            }
            p->listen = p->busy;
            p->busy = 0;
            tell(lb, &lb->want.v[i], false, "Balanced", text);
            look_in(lb, 0);
        }
    if (left)
        lb->busy_timer = world_timer(lb->w, BUSY_AGAIN_MS, try_busy, lb);
}

static void set_busy(struct lb *lb, const struct lbw_service *s, struct lbw_port *p)
{
    auto_free char *text =
        mem_printf("port %u is used by another process (ss -ltnp 'sport = :%u' shows which): stop that one, or "
                   "delete and create the Service to get another port",
                   p->listen, p->listen);

    log_warn(s->name, "Service %s/%s: %s", s->ns, s->name, text);
    tell(lb, s, true, "PortTaken", text);
    p->busy = p->listen;
    p->listen = 0;
    if (!lb->busy_timer)
        lb->busy_timer = world_timer(lb->w, BUSY_AGAIN_MS, try_busy, lb);
}

/* Somebody else may have the port of one Service: that one goes without, the others work. `now`: what a running HAProxy
 * has; NULL: none runs. True when there was one. */
static bool drop_busy_ports(struct lb *lb, const struct lbs *now)
{
    bool some = false;

    for (size_t i = 0; i < lb->want.n; i++)
        for (size_t k = 0; k < lb->want.v[i].n_ports; k++) {
            struct lbw_service *s = &lb->want.v[i];
            auto_free char *proxy = lbw_proxy(s, &s->ports[k]);

            if (!s->ports[k].listen || (now && lbs_listens(now, proxy)) ||
                lb->w->ops->port_free(lb->w, s->ports[k].listen))
                continue;
            set_busy(lb, s, &s->ports[k]);
            some = true;
        }
    return some;
}

/* ---- model ---- */

static struct lbw_service *find(struct lb *lb, const char *ns, const char *name, size_t *at)
{
    size_t i = 0;

    for (; i < lb->want.n; i++) {
        int c = strcmp(lb->want.v[i].ns, ns);

        c = c ? c : strcmp(lb->want.v[i].name, name);
        if (c >= 0) {
            *at = i;
            return c == 0 ? &lb->want.v[i] : NULL;
        }
    }
    *at = i;
    return NULL;
}

static struct lbw_service *add_service(struct lb *lb, const struct lb_service *s, size_t at)
{
    lb->want.v = mem_grow(lb->want.v, lb->want.n + 1, sizeof *lb->want.v);
    memmove(lb->want.v + at + 1, lb->want.v + at, (lb->want.n - at) * sizeof *lb->want.v);
    lb->want.n++;
    lb->want.v[at] = (struct lbw_service){mem_str(s->ns), mem_str(s->name), NULL, 0, NULL, 0};
    return &lb->want.v[at];
}

static void drop_ports(struct lb *lb, const char *ns, const char *name, const struct lbw_port *p)
{
    auto_free char *key = mem_printf("%s/%s/%s", ns, name, p->name);

    ports_drop(lb->ports, key);
}

static void drop_service(struct lb *lb, size_t at)
{
    struct lbw_service *s = &lb->want.v[at];

    for (size_t i = 0; i < s->n_ports; i++)
        drop_ports(lb, s->ns, s->name, &s->ports[i]);
    lbw_service_fini(s);
    memmove(s, s + 1, (lb->want.n - at - 1) * sizeof *s);
    lb->want.n--;
}

static bool set_ports(struct lbw_service *to, const struct lb_service *s)
{
    bool same = to->n_ports == s->n_ports;

    for (size_t i = 0; same && i < s->n_ports; i++)
        same = strcmp(to->ports[i].name, s->ports[i].name) == 0 &&
               (to->ports[i].busy ? to->ports[i].busy : to->ports[i].listen) == s->ports[i].listen &&
               to->ports[i].http == s->ports[i].http && to->ports[i].port == s->ports[i].port;
    if (same)
        return false;
    for (size_t i = 0; i < to->n_ports; i++)
        free(to->ports[i].name);
    to->ports = mem_grow(to->ports, s->n_ports, sizeof *to->ports);
    to->n_ports = s->n_ports;
    for (size_t i = 0; i < s->n_ports; i++)
        to->ports[i] =
            (struct lbw_port){mem_str(s->ports[i].name), s->ports[i].port, s->ports[i].listen, s->ports[i].http, 0};
    for (size_t i = 0; i < to->n_members; i++) /* their ports are counted anew below */
        lbw_member_fini(&to->members[i]);
    to->n_members = 0;
    return true;
}

static struct lbw_member *member(struct lbw_service *s, const char *uid)
{
    for (size_t i = 0; i < s->n_members; i++)
        if (strcmp(s->members[i].uid, uid) == 0)
            return &s->members[i];
    return NULL;
}

static bool set_member(struct lbw_service *to, const struct lb_member *m)
{
    struct lbw_member *have = member(to, m->uid);
    size_t size = to->n_ports * sizeof *m->ports;

    if (have && have->wanted && have->ping == m->ping && memcmp(have->ports, m->ports, size) == 0)
        return false;
    if (!have) {
        to->members = mem_grow(to->members, to->n_members + 1, sizeof *to->members);
        have = &to->members[to->n_members++];
        *have = (struct lbw_member){mem_str(m->name), mem_str(m->uid), NULL, 0, true, false};
    }
    free(have->ports);
    have->ports = mem_copy(m->ports, size);
    have->ping = m->ping;
    have->wanted = true;
    return true;
}

static bool set_members(struct lbw_service *to, const struct lb_service *s)
{
    bool changed = false;

    for (size_t i = 0; i < to->n_members; i++) {
        bool still = false;

        for (size_t k = 0; k < s->n_members && !still; k++)
            still = strcmp(s->members[k].uid, to->members[i].uid) == 0;
        changed |= to->members[i].wanted && !still;
        to->members[i].wanted &= still;
    }
    for (size_t i = 0; i < s->n_members; i++)
        changed |= set_member(to, &s->members[i]);
    return changed;
}

/* What is wrong with a Service that is new or has new ports. */
static void tell_new(struct lb *lb, const struct lbw_service *s)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        auto_free char *text = mem_printf("port %u is not balanced: none of the ports %d to %d is free",
                                          s->ports[i].port, FIRST_PORT, LAST_PORT);

        if (!s->ports[i].listen)
            tell(lb, s, true, "PortTaken", text);
    }
    if (lb->trouble)
        tell(lb, s, true, "BalancerFailed", lb->trouble);
}

static void lb_apply(void *ctx, const struct lb_service *s)
{
    struct lb *lb = ctx;
    size_t at = 0;
    struct lbw_service *to = find(lb, s->ns, s->name, &at);
    bool changed = false;

    if (s->n_ports == 0) {
        if (!to)
            return;
        drop_service(lb, at);
        look_in(lb, 0);
        return;
    }
    if (!to)
        to = add_service(lb, s, at);
    if (set_ports(to, s)) {
        changed = true;
        tell_new(lb, to);
    }
    changed |= set_members(to, s);
    if (changed || !lb->known)
        look_in(lb, 0);
}

static unsigned lb_listen(void *ctx, const char *ns, const char *name, const char *port_name, unsigned want)
{
    struct lb *lb = ctx;
    auto_free char *key = mem_printf("%s/%s/%s", ns, name, port_name);

    return ports_get(lb->ports, key, want);
}

static enum lb_state lb_state(void *ctx, const char *ns, const char *name, const char *uid)
{
    struct lb *lb = ctx;
    size_t at = 0;
    struct lbw_service *s = find(lb, ns, name, &at);
    const struct lbw_member *m = s ? member(s, uid) : NULL;

    return !lb->known ? LB_UNKNOWN : m && m->in ? LB_IN : LB_OUT;
}

static void lb_listener(void *ctx, void (*changed)(void *ctx, const char *ns, const char *name), void *changed_ctx)
{
    struct lb *lb = ctx;

    lb->changed = changed;
    lb->changed_ctx = changed_ctx;
}

const struct lb_ops *lb_real(void)
{
    static const struct lb_ops ops = {lb_listen, lb_apply, lb_state, lb_listener};

    return &ops;
}

static void tell_all(struct lb *lb)
{
    for (size_t i = 0; lb->changed && i < lb->want.n; i++)
        lb->changed(lb->changed_ctx, lb->want.v[i].ns, lb->want.v[i].name);
}

/* ---- questions over the runtime socket ---- */

static void answered(struct lb *lb, bool ok);

static void end_question(struct lb *lb)
{
    if (lb->ev)
        event_free(lb->ev);
    if (lb->fd >= 0)
        close(lb->fd);
    lb->ev = NULL;
    lb->fd = -1;
}

static void on_answer(evutil_socket_t fd, short what, void *ctx)
{
    struct lb *lb = ctx;
    char buf[16384];
    ssize_t n = what & EV_TIMEOUT ? -1 : read(fd, buf, sizeof buf);

    if (n < 0 && !(what & EV_TIMEOUT) && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        str_addn(&lb->answer, buf, (size_t)n);
        return;
    }
    end_question(lb);
    answered(lb, n == 0);
}

/* Over the directory's descriptor: socket paths are short. */
static int connect_admin(const struct lb *lb)
{
    auto_close int dir = open(lb->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/admin.sock", dir);
    if (dir < 0 || fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool question(struct lb *lb, enum ask ask, const char *text)
{
    struct timeval tv = {ASK_MS / 1000, 0};

    lb->fd = connect_admin(lb);
    if (lb->fd < 0)
        return false;
    if (send(lb->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) {
        end_question(lb);
        return false;
    }
    evutil_make_socket_nonblocking(lb->fd);
    str_reset(&lb->answer);
    lb->ask = ask;
    lb->ev = event_new(lb->p->base, lb->fd, EV_READ | EV_PERSIST, on_answer, lb);
    event_add(lb->ev, &tv);
    return true;
}

/* ---- files and processes ---- */

static unsigned max_connections(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max == RLIM_INFINITY || r.rlim_max > 200000)
        return 50000;
    return r.rlim_max > 1200 ? (unsigned)(r.rlim_max - 200) / 2 - 200 : 400; /* two descriptors a connection */
}

static int write_config(struct lb *lb, struct err *err)
{
    struct str text = STR_INIT;
    bool changed = false;

    lbw_config(&lb->want, lb->dir, max_connections(), &text);
    if (lb->written && strcmp(lb->written, str_text(&text)) == 0) {
        str_free(&text);
        return 0;
    }
    if (program_write(lb->dir, "haproxy.cfg", str_text(&text), text.len, 0600, &changed, err) < 0) {
        str_free(&text);
        return -1;
    }
    free(lb->written);
    lb->written = str_take(&text);
    return 0;
}

static int write_spec(struct lb *lb, struct err *err)
{
    struct shim_spec spec = {.restart = SHIM_RESTART_ALWAYS, .cwd = mem_str(lb->dir)};
    auto_str struct str text = STR_INIT;
    const char *const words[] = {lb->haproxy, "-W", "-f", "haproxy.cfg"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        shim_spec_arg(&spec, words[i]);
    shim_spec_env(&spec, "PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    shim_spec_encode(&spec, &text);
    shim_spec_fini(&spec);
    return program_write(lb->dir, "spec", str_text(&text), text.len, 0600, NULL, err);
}

static void on_shim(evutil_socket_t fd, short what, void *ctx)
{
    struct lb *lb = ctx;
    char buf[1024];
    ssize_t n = read(fd, buf, sizeof buf);

    (void)what;
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    event_free(lb->watch_ev);
    close(lb->watch_fd);
    lb->watch_ev = NULL;
    lb->watch_fd = -1;
    look_in(lb, 0); /* finds no shim and starts one */
}

static bool watch_shim(struct lb *lb)
{
    if (lb->watch_fd >= 0)
        return true;
    lb->watch_fd = shim_connect(lb->dir, NULL);
    if (lb->watch_fd < 0)
        return false;
    lb->watch_ev = event_new(lb->p->base, lb->watch_fd, EV_READ | EV_PERSIST, on_shim, lb);
    event_add(lb->watch_ev, NULL);
    return send(lb->watch_fd, "watch\n", 6, MSG_NOSIGNAL) == 6;
}

static void launched(void *ctx, int status, const char *out, const char *errtext)
{
    struct lb_run *run = ctx;
    struct lb *lb = run->lb;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    (void)out;
    free(run);
    if (!lb)
        return;
    lb->run = NULL;
    if (code != 0 && code != SHIM_BUSY) {
        auto_free char *text = mem_printf("%s did not start: %.200s", lb->shim, errtext);

        set_trouble(lb, text);
    }
    look_in(lb, code == 0 ? 0 : TROUBLE_AGAIN_MS);
}

static bool haproxy_alive(const struct lb *lb)
{
    struct shim_state st;
    bool alive = false;

    return shim_last_state(lb->dir, &st, &alive, NULL) == 0 && alive;
}

static void launch(struct lb *lb)
{
    const char *const argv[] = {lb->shim, lb->dir, NULL};
    struct err e = ERR_INIT;

    if (!haproxy_alive(lb)) { /* what an earlier one knew of its servers is of no use */
        drop_busy_ports(lb, NULL);
        program_write(lb->dir, "servers.state", "1\n", 2, 0600, NULL, NULL);
    }
    if (write_config(lb, &e) < 0 || write_spec(lb, &e) < 0) {
        set_trouble(lb, e.msg);
        look_in(lb, TROUBLE_AGAIN_MS);
        return;
    }
    lb->run = mem_zero(sizeof *lb->run);
    lb->run->lb = lb;
    lb->w->ops->run(lb->w, argv, NULL, LAUNCH_MS, launched, lb->run);
}

/* ---- when it does not answer ---- */

static void ask_for_a_start(struct lb *lb)
{
    struct err e = ERR_INIT;

    if (write_config(lb, &e) < 0 || write_spec(lb, &e) < 0 || shim_call(lb->dir, "restart 0", 1000, &e) < 0)
        log_error(NULL, "balancer: %s", e.msg);
}

/* Says why, and takes away what can be the reason. The shim goes on starting it, with its back-off. */
static void silent(struct lb *lb)
{
    uint64_t now = world_mono(lb->w);
    auto_free char *alert = NULL, *text = NULL;
    struct shim_state st = {0};
    bool alive = false;

    if (!lb->silent_since)
        lb->silent_since = now;
    look_in(lb, lb->trouble ? TROUBLE_AGAIN_MS : AGAIN_MS);
    if (now - lb->silent_since < SILENT_MS)
        return;
    shim_last_state(lb->dir, &st, &alive, NULL);
    if (!alive && drop_busy_ports(lb, NULL)) {
        ask_for_a_start(lb);
        return;
    }
    alert = last_alert(lb, st.last_started_ms);
    if (alive)
        text = mem_printf("HAProxy runs (pid %d) and does not answer on %s/admin.sock; see %s/log", (int)st.pid,
                          lb->dir, lb->dir);
    else
        text = mem_printf("HAProxy does not start: %s%s%s; see %s/log. It is tried again",
                          st.message[0] ? st.message : "it ended at once", *alert ? ": " : "", alert, lb->dir);
    set_trouble(lb, text);
}

/* ---- rounds ---- */

static void reload(struct lb *lb)
{
    struct err e = ERR_INIT;

    if (program_write(lb->dir, "servers.state", str_text(&lb->answer), lb->answer.len, 0600, NULL, &e) < 0 ||
        write_config(lb, &e) < 0 ||
        shim_call(lb->dir, "signal 12", 1000, &e) < 0) /* SIGUSR2: the master loads it anew */
        log_error(NULL, "balancer not reloaded: %s", e.msg);
    lb->reload_since = world_mono(lb->w);
    look_in(lb, RELOAD_MS);
}

/* True when a reload is due or under way, and nothing else is to be done now. */
static bool wants_reload(struct lb *lb, const struct lbs *now)
{
    auto_free char *digest = lbw_digest(&lb->want);

    if (strcmp(now->digest, digest) == 0) {
        lb->reload_since = 0;
        return false;
    }
    if (lb->reload_since && world_mono(lb->w) - lb->reload_since < RELOAD_LIMIT_MS) {
        look_in(lb, RELOAD_MS);
        return true;
    }
    if (lb->reload_since && !drop_busy_ports(lb, now)) {
        auto_free char *alert = last_alert(lb, world_wall(lb->w) - RELOAD_LIMIT_MS);
        auto_free char *text = mem_printf("HAProxy did not take the new configuration within %d s%s%s; see %s/log",
                                          RELOAD_LIMIT_MS / 1000, *alert ? ": " : "", alert, lb->dir);

        set_trouble(lb, text);
    }
    if (!question(lb, ASK_STATE, "show servers state\n"))
        look_in(lb, AGAIN_MS);
    return true;
}

static void plan_all(struct lb *lb, const struct lbs *now, struct lb_todo *todo)
{
    for (size_t i = 0; i < lb->want.n; i++) {
        struct lbw_service *s = &lb->want.v[i];
        bool changed = !lb->known;

        lb_plan(s, now, todo, &changed);
        if (changed && lb->known && lb->changed)
            lb->changed(lb->changed_ctx, s->ns, s->name);
    }
}

/* Sends what is to be done. The same commands as the last time were refused: said once, and tried again later. */
static void send_commands(struct lb *lb, struct str *commands)
{
    if (str_eq(lb->sent, str_text(commands))) {
        free(lb->sent);
        lb->sent = NULL;
        look_in(lb, DRAIN_MS);
        return;
    }
    free(lb->sent);
    lb->sent = mem_str(str_text(commands));
    str_addc(commands, '\n');
    if (!question(lb, ASK_COMMANDS, commands->s))
        look_in(lb, AGAIN_MS);
}

static void act_on(struct lb *lb, const struct lbs *now)
{
    struct lb_todo todo = {.commands = STR_INIT};
    struct err e = ERR_INIT;
    bool first = !lb->known;

    set_trouble(lb, NULL);
    plan_all(lb, now, &todo);
    lb->known = true;
    if (first)
        tell_all(lb);
    if (todo.commands.len) {
        send_commands(lb, &todo.commands);
    } else {
        free(lb->sent);
        lb->sent = NULL;
        if (todo.joining || todo.draining)
            look_in(lb, todo.joining ? JOIN_MS : DRAIN_MS);
        if (write_config(lb, &e) < 0)
            log_error(NULL, "balancer: %s", e.msg);
    }
    str_free(&todo.commands);
}

static void take_now(struct lb *lb)
{
    struct lbs now;

    if (lbs_read(str_text(&lb->answer), &now, NULL) < 0) {
        look_in(lb, AGAIN_MS);
        return;
    }
    if (!wants_reload(lb, &now))
        act_on(lb, &now);
    lbs_fini(&now);
}

/* HAProxy answers commands with nothing, or a sentence for people. */
static void note_answer(struct lb *lb)
{
    const char *text = str_text(&lb->answer) + strspn(str_text(&lb->answer), " \n");

    if (*text && strstr(text, "New server registered") != text)
        log_debug(NULL, "haproxy: %s", text);
}

static void answered(struct lb *lb, bool ok)
{
    enum ask ask = lb->ask;
    bool dirty = lb->dirty;

    lb->ask = ASK_NONE;
    lb->dirty = false;
    if (ok)
        lb->silent_since = 0;
    if (!ok)
        silent(lb);
    else if (ask == ASK_NOW)
        take_now(lb);
    else if (ask == ASK_STATE)
        reload(lb);
    else {
        note_answer(lb);
        look_in(lb, 0); /* what did the commands do? */
    }
    if (dirty)
        look_in(lb, 0);
}

static void look(void *ctx)
{
    struct lb *lb = ctx;

    lb->timer = NULL;
    if (!watch_shim(lb)) {
        if (lb->want.n)
            launch(lb);
        else if (!lb->known) {
            lb->known = true;
            tell_all(lb);
        }
        return;
    }
    if (!question(lb, ASK_NOW, LBS_ASK))
        silent(lb);
}

/* ---- life ---- */

static char *find_haproxy(const char *given)
{
    static const char *const at[] = {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy",
                                     "/usr/local/bin/haproxy"};

    if (given)
        return access(given, X_OK) == 0 ? mem_str(given) : NULL;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        if (access(at[i], X_OK) == 0)
            return mem_str(at[i]);
    return NULL;
}

int lb_new(struct plane *p, const char *shim, struct lb **out, struct err *err)
{
    struct lb *lb;
    auto_free char *haproxy = find_haproxy(p->haproxy), *dir = mem_printf("%s/lb", p->data_dir),
                   *ports = mem_printf("%s/ports.json", dir);

    if (!haproxy)
        return err_set(err, ERR_MISSING, 0,
                       "%s is not on this machine: install it to have Services of type LoadBalancer",
                       p->haproxy ? p->haproxy : "haproxy");
    if (program_mkdirs(dir, err) < 0)
        return -1;
    lb = mem_zero(sizeof *lb);
    lb->p = p;
    lb->w = p->w;
    lb->dir = mem_str(dir);
    lb->shim = mem_str(shim);
    lb->haproxy = mem_str(haproxy);
    lb->ports = ports_open(p->w, ports, FIRST_PORT, LAST_PORT);
    lb->fd = lb->watch_fd = -1;
    *out = lb;
    return 0;
}

void lb_free(struct lb *lb)
{
    if (!lb)
        return;
    end_question(lb);
    world_timer_stop(lb->w, &lb->timer);
    world_timer_stop(lb->w, &lb->busy_timer);
    if (lb->watch_ev)
        event_free(lb->watch_ev);
    if (lb->watch_fd >= 0)
        close(lb->watch_fd);
    if (lb->run)
        lb->run->lb = NULL;
    for (size_t i = 0; i < lb->want.n; i++)
        lbw_service_fini(&lb->want.v[i]);
    free(lb->want.v);
    ports_close(lb->ports);
    str_free(&lb->answer);
    free(lb->written);
    free(lb->sent);
    free(lb->trouble);
    free(lb->dir);
    free(lb->shim);
    free(lb->haproxy);
    free(lb);
}
