/* SPDX-License-Identifier: Apache-2.0 */
/* HAProxy's language: its configuration, its runtime commands, what it says about its servers. Pure. */
#ifndef PLANE_LB_CONF_H
#define PLANE_LB_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* ---- what is wanted ---- */
struct lbw_port {
    char *name;
    unsigned port, listen; /* listen 0: nothing was free, or somebody took it … */
    bool http;
    unsigned busy; /* … namely this port, which is tried again */
};
struct lbw_member {
    char *name, *uid;
    unsigned *ports; /* one for each port of the service */
    unsigned ping;
    bool wanted; /* false: it leaves */
    bool in;     /* gets connections, as last seen */
};
struct lbw_service {
    char *ns, *name;
    struct lbw_port *ports;
    size_t n_ports;
    struct lbw_member *members;
    size_t n_members;
};
struct lbw {
    struct lbw_service *v; /* sorted by ns, name */
    size_t n;
};

/* "ns.name.port": the proxy of one port. Caller frees. */
char *lbw_proxy(const struct lbw_service *s, const struct lbw_port *p);
/* Digest of what only a reload can change: proxies, listeners, modes. Caller frees. */
char *lbw_digest(const struct lbw *w);
/* The whole file; relative paths are the working directory's. `drained` members are left out. */
void lbw_config(const struct lbw *w, const char *dir, unsigned maxconn, struct str *out);

/* ---- what is so ---- */
struct lbs_server {
    char proxy[256], name[256];
    char status[24]; /* "UP", "DOWN 1/2", "DRAIN", "MAINT", "no check" */
    unsigned port;   /* of its address */
    unsigned sessions;
};
struct lbs {
    char digest[64]; /* description of the running configuration; "" */
    struct lbs_server *v;
    size_t n;
    char (*proxies)[256]; /* that listen */
    size_t n_proxies;
};
/* Reads the answer to LBS_ASK. ERR_AGAIN when it is not complete. */
#define LBS_ASK "show info;show stat\n"
int lbs_read(const char *text, struct lbs *out, struct err *err);
void lbs_fini(struct lbs *s);
bool lbs_listens(const struct lbs *s, const char *proxy);
const struct lbs_server *lbs_find(const struct lbs *s, const char *proxy, const char *server);

/* ---- the way from one to the other ---- */
struct lb_todo {
    struct str commands; /* one line of commands, without its end; "" when there is nothing to do */
    bool joining;        /* somebody is not up yet */
    bool draining;       /* somebody still has sessions */
};
/* Looks at one service; sets `in` of its members and drops those that left. *changed: an `in` flipped. */
void lb_plan(struct lbw_service *s, const struct lbs *now, struct lb_todo *todo, bool *changed);
/* Servers of proxies of `s` that no member accounts for are removed by lb_plan(), too. */

void lbw_service_fini(struct lbw_service *s);
void lbw_member_fini(struct lbw_member *m);

#endif
