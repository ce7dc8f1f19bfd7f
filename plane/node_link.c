/* SPDX-License-Identifier: Apache-2.0 */
/* The line from the node agent to one shim: status lines come, requests go. */
#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/node_priv.h"

void link_init(struct node_link *l)
{
    *l = (struct node_link){.fd = -1};
}

void link_close(struct node_ctr *c)
{
    struct node_link *l = &c->link;

    if (l->ev)
        event_free(l->ev);
    if (l->fd >= 0)
        close(l->fd);
    str_free(&l->in);
    link_init(l);
}

static void take_line(struct node_ctr *c, const char *line)
{
    struct err e = ERR_INIT;

    if (!c->link.greeted) {
        c->link.greeted = str_starts(line, "chfleet-shim ");
        return;
    }
    if (str_starts(line, "status ")) {
        if (shim_state_decode(line, &c->st, &e) < 0)
            return;
        c->known = true;
        ctr_state(c);
    } else if (str_starts(line, "error ")) {
        log_warn(c->dir, "the shim says: %s", line + 6);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct node_ctr *c = ctx;
    char buf[4096], *end;
    ssize_t n = read(fd, buf, sizeof buf);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        link_close(c);
        ctr_link_lost(c);
        return;
    }
    str_addn(&c->link.in, buf, (size_t)n);
    while (c->link.fd == fd && c->link.in.len && (end = memchr(c->link.in.s, '\n', c->link.in.len))) {
        size_t len = (size_t)(end - c->link.in.s);
        auto_free char *line = mem_strn(c->link.in.s, len);

        str_cut(&c->link.in, len + 1);
        take_line(c, line);
    }
}

int link_open(struct node_ctr *c, struct err *err)
{
    int fd = shim_connect(c->dir, err);

    if (fd < 0)
        return -1;
    c->link.fd = fd;
    c->link.ev = event_new(c->pod->node->p->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_add(c->link.ev, NULL);
    return link_say(c, "watch\n");
}

int link_say(struct node_ctr *c, const char *fmt, ...)
{
    char text[128];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (c->link.fd < 0 || send(c->link.fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
        return -1;
    return 0;
}
