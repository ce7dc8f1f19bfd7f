/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's side of its workers: orders to the spawner, reports from it, and the switch to the spare when the
 * spawner has died. After a switch the new spawner is asked to fork the next spare.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/world_impl.h"

enum { NOT_STARTED = 71 << 8 }; /* wait status of a worker that never ran */

struct world_proc {
    LIST_ENTRY(world_proc) link;
    struct world_real *w;
    uint64_t id;
    pid_t pid; /* 0 until the spawner said */
    bool sent; /* a spawner has the order: the worker shares its fate */
    struct world_chan *chan;
    world_exit_fn *on_exit;
    void *ctx;
};

struct spawn_order {
    TAILQ_ENTRY(spawn_order) link;
    struct spawn_msg msg;
    char *name, *lock_path;
    int fd;
};

static void links_watch(struct world_real *w);

/* ---- ends ---- */

static void proc_end(struct world_proc *p, int status, const char *why)
{
    world_exit_fn *on_exit = p->on_exit;
    void *ctx = p->ctx;

    if (p->chan)
        world_chan_finish(p->chan, why);
    LIST_REMOVE(p, link);
    free(p);
    on_exit(ctx, status);
}

static struct world_proc *proc_find(struct world_real *w, uint64_t id)
{
    struct world_proc *p;

    LIST_FOREACH(p, &w->procs, link)
    {
        if (p->id == id)
            return p;
    }
    return NULL;
}

static void order_free(struct world_real *w, struct spawn_order *o)
{
    TAILQ_REMOVE(&w->orders, o, link);
    mem_closep(&o->fd);
    free(o->name);
    free(o->lock_path);
    free(o);
}

/* ---- orders ---- */

static void orders_flush(struct world_real *w)
{
    struct spawner_link *l = &w->spawner->link[0];
    struct spawn_order *o;

    while (l->fd >= 0 && (o = TAILQ_FIRST(&w->orders))) {
        struct world_proc *p = o->msg.type == SPAWN_START ? proc_find(w, o->msg.id) : NULL;

        if (spawn_send(l->fd, &o->msg, o->name, o->lock_path, o->fd, MSG_DONTWAIT) < 0) {
            /* Full (or too many descriptors in flight): when it has read. Broken: the read side switches. */
            if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS)
                world_event_in(l->write, 1000);
            return;
        }
        if (p)
            p->sent = true;
        order_free(w, o);
    }
}

static void order(struct world_real *w, enum spawn_type type, uint64_t id, const struct world_worker_args *args, int fd)
{
    struct spawn_order *o = mem_zero(sizeof *o);

    o->msg.type = type;
    o->msg.id = id;
    o->fd = fd;
    o->name = mem_str(args ? args->name : "");
    o->lock_path = mem_str(args && args->lock_path ? args->lock_path : "");
    if (args) {
        o->msg.generation = args->generation;
        o->msg.name_len = (uint32_t)strlen(o->name) + 1;
        o->msg.lock_len = (uint32_t)strlen(o->lock_path) + 1;
    }
    TAILQ_INSERT_TAIL(&w->orders, o, link);
    orders_flush(w);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    orders_flush(ctx);
}

/* ---- reports ---- */

static void on_report(struct world_real *w, const struct spawn_msg *msg)
{
    struct world_proc *p = proc_find(w, msg->id);
    char why[128];

    if (!p)
        return;
    switch ((enum spawn_type)msg->type) {
    case SPAWN_STARTED:
        p->pid = msg->value;
        break;
    case SPAWN_EXITED:
        if (WIFSIGNALED(msg->value))
            snprintf(why, sizeof why, "the worker was ended by signal %d", WTERMSIG(msg->value));
        else
            snprintf(why, sizeof why, "the worker ended with code %d", WEXITSTATUS(msg->value));
        proc_end(p, msg->value, why);
        break;
    case SPAWN_FAILED:
        snprintf(why, sizeof why, "the worker could not be started: %s", strerror(msg->value));
        proc_end(p, NOT_STARTED, why);
        break;
    default:
        break;
    }
}

static void link_close(struct spawner_link *l)
{
    if (l->fd < 0)
        return;
    /* Before the close: a spawner that was just forked may still hold a copy of the socket, which keeps a closed
     * descriptor in the kernel's event set. */
    if (l->read)
        event_free(l->read);
    if (l->write)
        event_free(l->write);
    close(l->fd);
    if (l->pid > 0) {
        kill(l->pid, SIGKILL); /* not waited for yet, so the number is still its own */
        while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    *l = (struct spawner_link){.fd = -1};
}

static void ask_for_spare(struct world_real *w)
{
    struct spawner_link *l = w->spawner->link;
    int pair[2];

    if (l[0].fd < 0 || l[1].fd >= 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return;
    l[1] = (struct spawner_link){.fd = pair[0]};
    order(w, SPAWN_CLONE, 0, NULL, pair[1]);
}

/* Workers die with their spawner. Those whose order was not sent yet start in the next one, if there is one. */
static void end_workers(struct world_real *w, bool unsent_too)
{
    struct world_proc *p;
    bool found = true;

    while (found) { /* each callback may change the list */
        found = false;
        LIST_FOREACH(p, &w->procs, link)
        {
            if (!p->sent && !unsent_too)
                continue;
            found = true;
            proc_end(p, SIGKILL, "the spawner died, and this worker with it");
            break;
        }
    }
}

/* The spawner died before it was asked for a spare: the other end of the spare's socket is still here. */
static void forget_clone(struct world_real *w)
{
    struct spawn_order *o, *next;

    for (o = TAILQ_FIRST(&w->orders); o; o = next) {
        next = TAILQ_NEXT(o, link);
        if (o->msg.type != SPAWN_CLONE)
            continue;
        order_free(w, o);
        link_close(&w->spawner->link[1]);
    }
}

static void spawner_died(struct world_real *w)
{
    struct spawner_link *l = w->spawner->link;
    bool none;

    forget_clone(w);
    link_close(&l[0]);
    l[0] = l[1];
    l[1] = (struct spawner_link){.fd = -1};
    none = l[0].fd < 0;
    links_watch(w);
    end_workers(w, none);
    if (none)
        return;
    ask_for_spare(w);
    links_watch(w);
    orders_flush(w);
}

static void on_active(evutil_socket_t fd, short what, void *ctx)
{
    struct world_real *w = ctx;
    char strings[SPAWN_MSG_MAX];
    struct spawn_msg msg;
    int rc, stray = -1;

    (void)what;
    while ((rc = spawn_recv(fd, &msg, strings, &stray, MSG_DONTWAIT)) > 0) {
        mem_closep(&stray);
        stray = -1;
        on_report(w, &msg);
    }
    if (rc == 0 || errno != EAGAIN)
        spawner_died(w);
}

static void on_spare(evutil_socket_t fd, short what, void *ctx)
{
    struct world_real *w = ctx;
    char byte;

    (void)what;
    if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
        return;
    link_close(&w->spawner->link[1]); /* a spare says nothing: it has died */
    ask_for_spare(w);
    links_watch(w);
}

/* (Re)makes the events of both links, as their roles change. */
static void links_watch(struct world_real *w)
{
    for (int i = 0; i < 2; i++) {
        struct spawner_link *l = &w->spawner->link[i];

        if (l->read)
            event_free(l->read);
        if (l->write)
            event_free(l->write);
        l->read = l->write = NULL;
        if (l->fd < 0)
            continue;
        l->read = world_event(w, l->fd, EV_READ | EV_PERSIST, i == 0 ? on_active : on_spare, w);
        l->write = world_event(w, l->fd, EV_WRITE, on_writable, w);
        event_add(l->read, NULL);
    }
}

/* ---- what the table offers ---- */

struct world_proc *world_proc_spawn(struct world *world, const struct world_worker_args *args,
                                    const struct world_chan_cbs *cbs, world_exit_fn *on_exit, void *ctx,
                                    struct world_chan **chan, struct err *err)
{
    struct world_real *w = real_of(world);
    struct world_proc *p;
    int pair[2];

    if (!w->spawner || w->spawner->link[0].fd < 0) {
        err_set(err, ERR_AGAIN, 0, "worker %s: the spawner is gone; start this program again", args->name);
        return NULL;
    }
    if (strlen(args->name) + strlen(args->lock_path ? args->lock_path : "") + 2 > SPAWN_MSG_MAX) {
        err_set(err, ERR_INPUT, 0, "worker %.80s…: its name and lock path are too long", args->name);
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        err_set(err, ERR_SYS, errno, "worker %s: cannot make its channel", args->name);
        return NULL;
    }
    p = mem_zero(sizeof *p);
    p->w = w;
    p->id = ++w->last_proc;
    p->on_exit = on_exit;
    p->ctx = ctx;
    LIST_INSERT_HEAD(&w->procs, p, link);
    p->chan = world_chan_new(w, pair[0], cbs, ctx, false);
    world_chan_own(p->chan, &p->chan);
    *chan = p->chan;
    order(w, SPAWN_START, p->id, args, pair[1]);
    return p;
}

void world_proc_kill(struct world *w, struct world_proc *p)
{
    order(real_of(w), SPAWN_KILL, p->id, NULL,
          -1); /* by the parent, which knows whether the pid is still the worker's */
}

int64_t world_proc_pid(struct world *w, struct world_proc *p)
{
    (void)w;
    if (!p->pid && p->chan)
        return world_chan_peer(p->chan); /* its greeting may come before the spawner's report */
    return p->pid;
}

void world_proc_attach(struct world_real *w)
{
    TAILQ_INIT(&w->orders);
    links_watch(w);
}

void world_proc_close(struct world_real *w)
{
    if (!w->spawner)
        return;
    while (!LIST_EMPTY(&w->procs)) {
        struct world_proc *p = LIST_FIRST(&w->procs);

        if (p->chan)
            world_chan_free(p->chan);
        LIST_REMOVE(p, link);
        free(p);
    }
    while (!TAILQ_EMPTY(&w->orders))
        order_free(w, TAILQ_FIRST(&w->orders));
    for (int i = 0; i < 2; i++)
        link_close(&w->spawner->link[i]);
    free(w->spawner);
}
