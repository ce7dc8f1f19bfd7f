/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/lb_conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { COMMANDS_MAX = 8000 };

/* Measured: no idle connection to a server is kept (else a stop waits for it), a server that comes back is up after one
 * good answer, one that is down is asked often. */
#define CHECK "check inter 500ms downinter 200ms fall 2 rise 1"

void lbw_member_fini(struct lbw_member *m)
{
    free(m->name);
    free(m->uid);
    free(m->ports);
}

void lbw_service_fini(struct lbw_service *s)
{
    for (size_t i = 0; i < s->n_ports; i++)
        free(s->ports[i].name);
    for (size_t i = 0; i < s->n_members; i++)
        lbw_member_fini(&s->members[i]);
    free(s->ports);
    free(s->members);
    free(s->ns);
    free(s->name);
}

char *lbw_proxy(const struct lbw_service *s, const struct lbw_port *p)
{
    return *p->name ? mem_printf("%s.%s.%s", s->ns, s->name, p->name) : mem_printf("%s.%s.%u", s->ns, s->name, p->port);
}

char *lbw_digest(const struct lbw *w)
{
    auto_str struct str text = STR_INIT;

    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->v[i].n_ports; k++) {
            const struct lbw_port *p = &w->v[i].ports[k];
            auto_free char *proxy = lbw_proxy(&w->v[i], p);

            if (p->listen)
                str_addf(&text, "%s %u %d\n", proxy, p->listen, p->http);
        }
    return hash_sha1_hex(str_text(&text), text.len);
}

/* The words of a server line, the same in the file and in `add server`. */
static void server_words(const struct lbw_member *m, size_t port, struct str *out)
{
    str_addf(out, "127.0.0.1:%u pool-max-conn 0", m->ports[port]);
    if (m->ping)
        str_addf(out, " " CHECK " port %u", m->ping);
}

static void proxy_section(const struct lbw_service *s, size_t port, struct str *out)
{
    const struct lbw_port *p = &s->ports[port];
    auto_free char *proxy = lbw_proxy(s, p);

    str_addf(out, "listen %s\n    mode %s\n    balance %s\n    bind 127.0.0.1:%u\n", proxy, p->http ? "http" : "tcp",
             p->http ? "roundrobin" : "leastconn", p->listen);
    str_add(out, "    option httpchk\n    http-check send meth GET uri /ping\n    http-check expect status 200\n");
    for (size_t i = 0; i < s->n_members; i++) {
        if (!s->members[i].wanted || !s->members[i].ports[port])
            continue;
        str_addf(out, "    server %s ", s->members[i].name);
        server_words(&s->members[i], port, out);
        str_addc(out, '\n');
    }
}

void lbw_config(const struct lbw *w, const char *dir, unsigned maxconn, struct str *out)
{
    auto_free char *digest = lbw_digest(w);

    str_addf(out, "# made by chfleet-plane; written again at each change\nglobal\n    description %s\n    maxconn %u\n",
             digest, maxconn);
    str_add(out, "    stats socket unix@admin.sock mode 600 level admin expose-fd listeners\n    stats timeout 30s\n");
    str_addf(out, "    server-state-base \"%s\"\n    server-state-file servers.state\n    hard-stop-after 12h\n", dir);
    /* long queries are normal; nothing is ever sent twice */
    str_add(out,
            "defaults\n    timeout connect 2s\n    timeout client 24h\n    timeout server 24h\n    timeout queue 5s\n"
            "    timeout http-request 60s\n    timeout http-keep-alive 60s\n    retries 0\n    option clitcpka\n    "
            "option srvtcpka\n"
            "    load-server-state-from-file global\n");
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->v[i].n_ports; k++)
            if (w->v[i].ports[k].listen)
                proxy_section(&w->v[i], k, out);
}

/* ---- show info; show stat ---- */

void lbs_fini(struct lbs *s)
{
    free(s->v);
    free(s->proxies);
    *s = (struct lbs){.v = NULL};
}

bool lbs_listens(const struct lbs *s, const char *proxy)
{
    for (size_t i = 0; i < s->n_proxies; i++)
        if (strcmp(s->proxies[i], proxy) == 0)
            return true;
    return false;
}

const struct lbs_server *lbs_find(const struct lbs *s, const char *proxy, const char *server)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].name, server) == 0 && strcmp(s->v[i].proxy, proxy) == 0)
            return &s->v[i];
    return NULL;
}

/* Number of a column in the "# pxname,svname,…" line; -1. */
static int column(const char *head, const char *name)
{
    size_t n = strlen(name);
    int i = 0;

    for (const char *p = head + 2; *p && *p != '\n'; i++) {
        size_t len = strcspn(p, ",\n");

        if (len == n && memcmp(p, name, n) == 0)
            return i;
        p += len + (p[len] == ',');
    }
    return -1;
}

static void field(const char *line, int i, char *buf, size_t size)
{
    while (i > 0 && *line && *line != '\n') {
        size_t len = strcspn(line, ",\n");

        line += len + (line[len] == ',');
        i--;
    }
    snprintf(buf, size, "%.*s", i > 0 ? 0 : (int)strcspn(line, ",\n"), line);
}

static void read_row(const char *head, const char *line, struct lbs *out)
{
    struct lbs_server s = {.port = 0};
    char text[128];
    const char *colon;

    field(line, column(head, "pxname"), s.proxy, sizeof s.proxy);
    field(line, column(head, "svname"), s.name, sizeof s.name);
    if (strcmp(s.name, "FRONTEND") == 0) {
        out->proxies = mem_grow(out->proxies, out->n_proxies + 1, sizeof *out->proxies);
        memcpy(out->proxies[out->n_proxies++], s.proxy, sizeof s.proxy);
        return;
    }
    if (strcmp(s.name, "BACKEND") == 0 || !s.name[0])
        return;
    field(line, column(head, "status"), s.status, sizeof s.status);
    field(line, column(head, "scur"), text, sizeof text);
    s.sessions = (unsigned)strtoul(text, NULL, 10);
    field(line, column(head, "addr"), text, sizeof text);
    colon = strrchr(text, ':');
    s.port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
    out->v = mem_grow(out->v, out->n + 1, sizeof *out->v);
    out->v[out->n++] = s;
}

int lbs_read(const char *text, struct lbs *out, struct err *err)
{
    const char *info = strstr(text, "description: "), *head = strstr(text, "# pxname,");
    struct lbs got = {.v = NULL};

    if (!head)
        return err_set(err, ERR_AGAIN, 0, "haproxy's answer has no table of servers");
    if (info && info < head)
        snprintf(got.digest, sizeof got.digest, "%.*s", (int)strcspn(info + 13, "\r\n"), info + 13);
    for (const char *line = strchr(head, '\n'); line && line[1] && line[1] != '\n'; line = strchr(line + 1, '\n'))
        read_row(head, line + 1, &got);
    *out = got;
    return 0;
}

/* ---- plan ---- */

static bool starts(const struct lbs_server *s, const char *word)
{
    return strncmp(s->status, word, strlen(word)) == 0;
}

static bool is_out(const struct lbs_server *s)
{
    return !s || starts(s, "DRAIN") || starts(s, "MAINT");
}

static void command(struct lb_todo *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void command(struct lb_todo *t, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (t->commands.len + strlen(text) > COMMANDS_MAX) /* the rest comes in the next round */
        return;
    str_addf(&t->commands, "%s%s", t->commands.len ? ";" : "", text);
}

static void join(const char *proxy, const struct lbw_member *m, size_t port, const struct lbs_server *s,
                 struct lb_todo *t)
{
    auto_str struct str words = STR_INIT;

    if (s && s->port != m->ports[port]) { /* the name came back with another port */
        command(t, "set server %s/%s state maint;shutdown sessions server %s/%s;del server %s/%s", proxy, m->name,
                proxy, m->name, proxy, m->name);
        return;
    }
    if (!s) {
        server_words(m, port, &words);
        command(t, "add server %s/%s %s", proxy, m->name, words.s);
    }
    if (!s || is_out(s)) {
        if (m->ping)
            command(t, "enable health %s/%s", proxy, m->name);
        command(t, "set server %s/%s state ready", proxy, m->name);
    }
}

static void leave(const char *proxy, const char *name, const struct lbs_server *s, struct lb_todo *t)
{
    if (!is_out(s))
        command(t, "set server %s/%s state drain", proxy, name);
    else if (s->sessions == 0)
        command(t, "set server %s/%s state maint;del server %s/%s", proxy, name, proxy, name);
    else
        t->draining = true;
}

/* Is this member up in every proxy where it has a port? gone: is it out of all of them? */
static void look_at(const struct lbw_service *s, const struct lbs *now, struct lbw_member *m, bool *up, bool *out)
{
    size_t seen = 0;

    *up = *out = true;
    for (size_t k = 0; k < s->n_ports; k++) {
        auto_free char *proxy = lbw_proxy(s, &s->ports[k]);
        const struct lbs_server *one = lbs_find(now, proxy, m->name);

        if (!m->ports[k] || !s->ports[k].listen)
            continue;
        seen++;
        *up &= one && one->port == m->ports[k] && (starts(one, "UP") || starts(one, "no check"));
        *out &= is_out(one);
    }
    *up &= seen > 0;
}

static void plan_member(struct lbw_service *s, const struct lbs *now, struct lbw_member *m, struct lb_todo *t)
{
    for (size_t k = 0; k < s->n_ports; k++) {
        auto_free char *proxy = lbw_proxy(s, &s->ports[k]);

        if (m->wanted && m->ports[k] && s->ports[k].listen)
            join(proxy, m, k, lbs_find(now, proxy, m->name), t);
    }
}

static bool known(const struct lbw_service *s, const char *name)
{
    for (size_t i = 0; i < s->n_members; i++)
        if (s->members[i].wanted && strcmp(s->members[i].name, name) == 0)
            return true;
    return false;
}

static void plan_strangers(struct lbw_service *s, const struct lbs *now, struct lb_todo *t)
{
    for (size_t k = 0; k < s->n_ports; k++) {
        auto_free char *proxy = lbw_proxy(s, &s->ports[k]);

        for (size_t i = 0; i < now->n; i++)
            if (strcmp(now->v[i].proxy, proxy) == 0 && !known(s, now->v[i].name))
                leave(proxy, now->v[i].name, &now->v[i], t);
    }
}

static void note_member(struct lbw_service *s, const struct lbs *now, struct lbw_member *m, struct lb_todo *t,
                        bool *changed)
{
    bool up, out, was = m->in;

    look_at(s, now, m, &up, &out);
    if (m->wanted) {
        m->in = up || (m->in && !out); /* once in, a failed check is HAProxy's business until the pod is not ready */
        t->joining |= !m->in;
    } else {
        m->in = m->in && !out;
    }
    *changed |= was != m->in;
}

void lb_plan(struct lbw_service *s, const struct lbs *now, struct lb_todo *todo, bool *changed)
{
    size_t left = 0;

    for (size_t i = 0; i < s->n_members; i++) {
        note_member(s, now, &s->members[i], todo, changed);
        plan_member(s, now, &s->members[i], todo);
    }
    plan_strangers(s, now, todo);
    for (size_t i = 0; i < s->n_members; i++) {
        if (s->members[i].wanted || s->members[i].in)
            s->members[left++] = s->members[i];
        else
            lbw_member_fini(&s->members[i]);
    }
    s->n_members = left;
}
