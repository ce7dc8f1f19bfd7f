/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeper paths on the loop. One connection per operation: connect, do it, close. libzookeeper_st has no thread: it says
 * which descriptor and how long it wants to be watched (zookeeper_interest), and is told what happened
 * (zookeeper_process).
 *
 * Deleting a tree is depth first: the children of a node are listed; a node without children is deleted; a node whose
 * deletion says "not empty" is listed again (somebody made a child meanwhile). At most IN_FLIGHT requests are under
 * way.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#include "base/mem.h"
#include "base/str.h"
#include "keeper/keeper.h"

enum { SESSION_MS = 10000, IN_FLIGHT = 64, MAX_RELIST = 20 };

struct node { /* of a tree that is being deleted */
    struct world_zk *z;
    struct node *parent, *next; /* next: in the list of nodes to be listed or deleted */
    struct node *older, *newer; /* all that live */
    unsigned children, relisted;
    bool leaf; /* children are gone: delete */
    char path[];
};

struct world_zk {
    struct world *w;
    zhandle_t *zh;
    enum zk_op op;
    char *path;
    zk_done_fn *done;
    void *ctx;
    struct event *io, *limit, *soon;
    int fd;
    bool begun, over;
    struct err err;
    struct str value;
    /* ZK_CREATE_PATH */
    size_t made; /* bytes of path that exist */
    /* ZK_DELETE_TREE */
    struct node *todo, *all;
    unsigned in_flight;
};

static void finish(struct world_zk *z, enum err_kind kind, const char *why);

static const char *rc_text(int rc)
{
    return zerror(rc);
}

static enum err_kind rc_kind(int rc)
{
    switch (rc) {
    case ZNONODE:
        return ERR_MISSING;
    case ZNOAUTH:
    case ZAUTHFAILED:
        return ERR_REFUSED;
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZSESSIONEXPIRED:
    case ZINVALIDSTATE:
    case ZCLOSING:
        return ERR_AGAIN;
    default:
        return ERR_SYS;
    }
}

static void finish_rc(struct world_zk *z, const char *what, const char *path, int rc)
{
    char why[300];

    snprintf(why, sizeof why, "%s %s: %s", what, path, rc_text(rc));
    finish(z, rc_kind(rc), why);
}

/* ---- get, list ---- */

static void got_value(int rc, const char *value, int len, const struct Stat *st, const void *ctx)
{
    struct world_zk *z = (struct world_zk *)(uintptr_t)ctx;

    (void)st;
    if (z->over)
        return;
    if (rc != ZOK) {
        finish_rc(z, "read", z->path, rc);
        return;
    }
    str_addn(&z->value, value, len > 0 ? (size_t)len : 0);
    finish(z, ERR_NONE, NULL);
}

static void got_list(int rc, const struct String_vector *names, const void *ctx)
{
    struct world_zk *z = (struct world_zk *)(uintptr_t)ctx;

    if (z->over)
        return;
    if (rc != ZOK) {
        finish_rc(z, "list", z->path, rc);
        return;
    }
    for (int i = 0; i < names->count; i++)
        str_addf(&z->value, "%s\n", names->data[i]);
    finish(z, ERR_NONE, NULL);
}

/* ---- create path ---- */

static void create_next(struct world_zk *z);

static void created(int rc, const char *name, const void *ctx)
{
    struct world_zk *z = (struct world_zk *)(uintptr_t)ctx;

    (void)name;
    if (z->over)
        return;
    if (rc != ZOK && rc != ZNODEEXISTS)
        finish_rc(z, "create", z->path, rc);
    else
        create_next(z);
}

static void create_next(struct world_zk *z)
{
    size_t len = strlen(z->path);
    size_t to = z->made + 1 + strcspn(z->path + (z->made < len ? z->made + 1 : len), "/");
    auto_free char *part = NULL;
    int rc;

    if (z->made >= len) {
        finish(z, ERR_NONE, NULL);
        return;
    }
    part = mem_strn(z->path, to);
    z->made = to;
    rc = zoo_acreate(z->zh, part, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, created, z);
    if (rc != ZOK)
        finish_rc(z, "create", part, rc);
}

/* ---- delete tree ---- */

static void delete_more(struct world_zk *z);

static void put_node(struct world_zk *z, struct node *parent, const char *name)
{
    size_t n = parent ? strlen(parent->path) : 0;
    struct node *node = mem_zero(sizeof *node + n + strlen(name) + 2);

    node->z = z;
    node->parent = parent;
    snprintf(node->path, n + strlen(name) + 2, "%s%s%s", parent ? parent->path : "", parent && n > 1 ? "/" : "", name);
    node->next = z->todo;
    z->todo = node;
    node->older = z->all;
    if (z->all)
        z->all->newer = node;
    z->all = node;
}

static void free_node(struct node *node)
{
    if (node->newer)
        node->newer->older = node->older;
    else
        node->z->all = node->older;
    if (node->older)
        node->older->newer = node->newer;
    free(node);
}

static void requeue(struct node *node)
{
    node->next = node->z->todo;
    node->z->todo = node;
}

static void node_gone(struct node *node)
{
    struct world_zk *z = node->z;
    struct node *parent = node->parent;

    free_node(node);
    if (!parent) {
        finish(z, ERR_NONE, NULL);
        return;
    }
    if (--parent->children == 0) {
        parent->leaf = true;
        requeue(parent);
    }
}

static void node_listed(int rc, const struct String_vector *names, const void *ctx)
{
    struct node *node = (struct node *)(uintptr_t)ctx;
    struct world_zk *z = node->z;

    z->in_flight--;
    if (z->over) {
        return;
    } else if (rc == ZNONODE) {
        node_gone(node);
    } else if (rc != ZOK) {
        finish_rc(z, "list", node->path, rc);
        return;
    } else if (names->count == 0) {
        node->leaf = true;
        requeue(node);
    } else {
        node->children = (unsigned)names->count;
        for (int i = 0; i < names->count; i++)
            put_node(z, node, names->data[i]);
    }
    if (!z->over)
        delete_more(z);
}

static void node_deleted(int rc, const void *ctx)
{
    struct node *node = (struct node *)(uintptr_t)ctx;
    struct world_zk *z = node->z;

    z->in_flight--;
    if (z->over)
        return;
    if (rc == ZOK || rc == ZNONODE) {
        node_gone(node);
    } else if (rc == ZNOTEMPTY && node->relisted++ < MAX_RELIST) {
        node->leaf = false;
        requeue(node);
    } else {
        finish_rc(z, "delete", node->path, rc);
        return;
    }
    if (!z->over)
        delete_more(z);
}

static void delete_more(struct world_zk *z)
{
    while (z->todo && z->in_flight < IN_FLIGHT) {
        struct node *node = z->todo;
        int rc;

        z->todo = node->next;
        z->in_flight++;
        rc = node->leaf ? zoo_adelete(z->zh, node->path, -1, node_deleted, node)
                        : zoo_aget_children(z->zh, node->path, 0, node_listed, node);
        if (rc != ZOK) {
            finish_rc(z, node->leaf ? "delete" : "list", node->path, rc);
            return;
        }
    }
}

/* ---- the loop's part ---- */

static void begin(struct world_zk *z)
{
    int rc = ZOK;

    z->begun = true;
    switch (z->op) {
    case ZK_GET:
        rc = zoo_aget(z->zh, z->path, 0, got_value, z);
        break;
    case ZK_LIST:
        rc = zoo_aget_children(z->zh, z->path, 0, got_list, z);
        break;
    case ZK_CREATE_PATH:
        create_next(z);
        break;
    case ZK_DELETE_TREE:
        put_node(z, NULL, z->path);
        delete_more(z);
        break;
    }
    if (rc != ZOK)
        finish_rc(z, "ask for", z->path, rc);
}

static void watch(struct world_zk *z);

static void io_ready(evutil_socket_t fd, short what, void *ctx)
{
    struct world_zk *z = ctx;
    int events = (what & EV_READ ? ZOOKEEPER_READ : 0) | (what & EV_WRITE ? ZOOKEEPER_WRITE : 0), rc, state;

    (void)fd;
    if (z->over)
        return;
    rc = zookeeper_process(z->zh, events);
    state = zoo_state(z->zh);
    if (!z->over && state == ZOO_CONNECTED_STATE && !z->begun)
        begin(z);
    if (!z->over && (state == ZOO_AUTH_FAILED_STATE || state == ZOO_EXPIRED_SESSION_STATE))
        finish(z, ERR_REFUSED, state == ZOO_AUTH_FAILED_STATE ? "Keeper refuses the identity" : "the session expired");
    if (!z->over && rc != ZOK && rc != ZNOTHING && z->begun)
        finish_rc(z, "talk about", z->path, rc);
    watch(z);
}

/* Asks the library what to wait for, and waits for that. */
static void watch(struct world_zk *z)
{
    struct timeval tv = {0, 0};
    int fd = -1, interest = 0;

    if (z->over)
        return;
    zookeeper_interest(z->zh, &fd, &interest, &tv); /* a refused connection shows as fd -1 with the time to try again */
    if (z->io) {
        event_free(z->io);
        z->io = NULL;
    }
    if (tv.tv_sec == 0 && tv.tv_usec < 1000)
        tv.tv_usec = 1000;
    if (fd < 0 && (tv.tv_sec > 0 || tv.tv_usec > 100000))
        tv = (struct timeval){0, 100000}; /* the next server of the list */
    z->io = event_new(world_real_base(z->w), fd,
                      (short)((interest & ZOOKEEPER_READ ? EV_READ : 0) | (interest & ZOOKEEPER_WRITE ? EV_WRITE : 0)),
                      io_ready, z);
    event_add(z->io, &tv);
}

static void free_zk(struct world_zk *z)
{
    if (z->io)
        event_free(z->io);
    if (z->limit)
        event_free(z->limit);
    if (z->soon)
        event_free(z->soon);
    if (z->zh)
        zookeeper_close(z->zh); /* calls the completions of what is in flight: nodes live until after it */
    while (z->all)
        free_node(z->all);
    free(z->path);
    str_free(&z->value);
    free(z);
}

/* The library may be on the stack (a completion calls finish()): closing and telling happen on the next round. */
static void told(evutil_socket_t fd, short what, void *ctx)
{
    struct world_zk *z = ctx;
    zk_done_fn *done = z->done;
    void *done_ctx = z->ctx;
    struct err err = z->err;
    auto_str struct str value = z->value;

    (void)fd;
    (void)what;
    z->value = (struct str)STR_INIT;
    free_zk(z);
    done(done_ctx, str_text(&value), err.kind == ERR_NONE ? NULL : &err);
}

static void finish(struct world_zk *z, enum err_kind kind, const char *why)
{
    struct timeval now = {0, 0};

    if (z->over)
        return;
    z->over = true;
    if (kind != ERR_NONE)
        err_set(&z->err, kind, 0, "Keeper: %s", why);
    z->soon = evtimer_new(world_real_base(z->w), told, z);
    evtimer_add(z->soon, &now);
}

static void too_late(evutil_socket_t fd, short what, void *ctx)
{
    struct world_zk *z = ctx;
    char why[200];

    (void)fd;
    (void)what;
    if (z->begun)
        snprintf(why, sizeof why, "no answer about %.150s in time", z->path);
    else
        snprintf(why, sizeof why, "no connection in time");
    finish(z, ERR_AGAIN, why);
}

static void ignore_events(zhandle_t *zh, int type, int state, const char *path, void *ctx)
{
    (void)zh;
    (void)type;
    (void)state;
    (void)path;
    (void)ctx;
}

static size_t without_slash(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

static struct world_zk *zk_start(struct world *w, const char *servers, enum zk_op op, const char *path,
                                 uint32_t total_ms, zk_done_fn *done, void *ctx)
{
    struct world_zk *z = mem_zero(sizeof *z);
    struct timeval tv = {(time_t)(total_ms / 1000), (suseconds_t)(total_ms % 1000 * 1000)};

    zoo_set_debug_level(0);
    z->w = w;
    z->op = op;
    z->path = mem_strn(path, without_slash(path));
    z->done = done;
    z->ctx = ctx;
    if (path[0] != '/' || (op == ZK_DELETE_TREE && z->path[1] == '\0')) {
        finish(z, ERR_INPUT, "not a path that can be used here");
        return z;
    }
    z->zh = zookeeper_init(servers, ignore_events, SESSION_MS, NULL, NULL, 0);
    if (!z->zh) {
        finish(z, ERR_INPUT, "the list of servers is not host:port,host:port");
        return z;
    }
    z->limit = evtimer_new(world_real_base(w), too_late, z);
    evtimer_add(z->limit, &tv);
    watch(z);
    return z;
}

static void zk_cancel(struct world *w, struct world_zk *z)
{
    (void)w;
    z->over = true;
    free_zk(z);
}

const struct world_zk_ops keeper_zk_ops = {.start = zk_start, .cancel = zk_cancel};
