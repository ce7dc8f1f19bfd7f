/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeper members: ZooKeeper's protocol over the znodes that the server models share, and four-letter words. A member serves
 * while more than half of its installation's members run; the one of the smallest pod name leads.
 */
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>

#include "tests/k8s/hostsim_impl.h"
#include "tests/sim/hosts_impl.h"

enum {
    OP_CREATE = 1,
    OP_DELETE = 2,
    OP_EXISTS = 3,
    OP_GET = 4,
    OP_SET = 5,
    OP_CHILDREN = 8,
    OP_PING = 11,
    OP_CHILDREN2 = 12,
    OP_CLOSE = -11,
    OP_AUTH = 100,
    ERR_UNIMPLEMENTED = -6,
    ERR_NO_NODE = -101,
    ERR_NODE_EXISTS = -110,
    ERR_NOT_EMPTY = -111,
    FRAME_MAX = 1 << 20,
    PASSWORD = 16,
};

struct hs_member {
    struct hostsim *hs;
    char *uid; /* of the pod; NULL: the ensemble that is always there */
    struct evconnlistener *listener;
    struct hs_conn *conns;
    struct hs_member *next;
};

struct hs_conn {
    struct hs_member *m;
    struct bufferevent *bev;
    bool session, ends;
    struct hs_conn *next;
};

static void conn_free(struct hs_conn *c)
{
    for (struct hs_conn **at = &c->m->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    bufferevent_free(c->bev);
    free(c);
}

/* ---- who is there ---- */

static struct hpod *pod_of(struct hs_member *m)
{
    for (struct hpod *p = m->uid ? m->hs->list : NULL; p; p = p->next)
        if (strcmp(p->uid, m->uid) == 0)
            return p;
    return NULL;
}

/* How many members are wanted: the Services of hosts stay while pods come and go. */
static int count_service(void *ctx, const cJSON *svc)
{
    struct {
        const char *path;
        unsigned n;
    } *want = ctx;
    const char *chk = json_label(svc, "clickhouse-keeper.altinity.com/chk"),
               *of = json_label(svc, "clickhouse-keeper.altinity.com/cluster"),
               *what = json_label(svc, "clickhouse-keeper.altinity.com/Service");
    auto_free char *path = mem_printf("%s/%s/%s", json_ns(svc), chk ? chk : "", of ? of : "");

    want->n += chk && str_eq(what, "host") && strcmp(path, want->path) == 0;
    return 0;
}

static unsigned running(struct hostsim *hs, const struct hpod *p, const struct hpod **leader)
{
    unsigned n = 0;

    *leader = NULL;
    for (const struct hpod *o = hs->list; o; o = o->next)
        if (o->keeper && !o->gone && o->running && !o->ending && strcmp(o->cluster, p->cluster) == 0) {
            n++;
            if (!*leader || strcmp(o->name, (*leader)->name) < 0)
                *leader = o;
        }
    return n;
}

/* Its place: "" when there is no quorum. */
static const char *role(struct hs_member *m, unsigned *followers)
{
    const struct hpod *p = pod_of(m), *leader;
    struct {
        const char *path;
        unsigned n;
    } want = {p ? p->cluster : "", 0};
    unsigned n;

    *followers = 0;
    if (!m->uid)
        return "standalone";
    if (!p)
        return "";
    n = running(m->hs, p, &leader);
    kube_cache_each(m->hs->services, count_service, &want);
    if (2 * n <= want.n)
        return "";
    *followers = p == leader ? n - 1 : 0;
    return want.n <= 1 ? "standalone" : p == leader ? "leader" : "follower";
}

/* ---- words ---- */

static bool is_word(const char *text)
{
    static const char *const words[] = {"ruok", "mntr", "srvr", "stat", "conf"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memcmp(text, words[i], 4) == 0)
            return true;
    return false;
}

static void word(struct hs_conn *c, const char *text)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    unsigned followers;
    const char *is = role(c->m, &followers);

    if (memcmp(text, "ruok", 4) == 0)
        evbuffer_add_printf(out, "imok");
    else if (!*is)
        evbuffer_add_printf(out, "This instance is not currently serving requests");
    else if (memcmp(text, "mntr", 4) == 0)
        evbuffer_add_printf(out, "zk_version\t3.8.0\nzk_server_state\t%s\nzk_znode_count\t%zu\nzk_zxid\t7\n", is,
                            c->m->hs->hosts->znodes.n);
    else
        evbuffer_add_printf(out, "Zookeeper version: 3.8.0\nZxid: 0x7\nMode: %s\nNode count: %zu\n", is,
                            c->m->hs->hosts->znodes.n);
    if (memcmp(text, "mntr", 4) == 0 && strcmp(is, "leader") == 0)
        evbuffer_add_printf(out, "zk_followers\t%u\nzk_synced_followers\t%u\n", followers, followers);
    c->ends = true;
}

/* ---- the protocol: big-endian numbers, texts with their length in front ---- */

struct in {
    const unsigned char *p, *end;
};

static int32_t take_int(struct in *in)
{
    uint32_t v = 0;

    for (int i = 0; i < 4 && in->p < in->end; i++)
        v = v << 8 | *in->p++;
    return (int32_t)v;
}

static char *take_text(struct in *in)
{
    int32_t n = take_int(in);
    char *s;

    if (n < 0 || n > in->end - in->p)
        n = 0;
    s = mem_strn((const char *)in->p, (size_t)n);
    in->p += n;
    return s;
}

static void put_int(struct str *out, int32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        str_addc(out, (char)((uint32_t)v >> shift));
}

static void put_long(struct str *out, int64_t v)
{
    put_int(out, (int32_t)((uint64_t)v >> 32));
    put_int(out, (int32_t)v);
}

static void put_text(struct str *out, const char *text)
{
    put_int(out, (int32_t)strlen(text));
    str_add(out, text);
}

static void put_stat(struct str *out, unsigned children)
{
    put_long(out, 1); /* czxid, mzxid, ctime, mtime */
    put_long(out, 1);
    put_long(out, 1000);
    put_long(out, 1000);
    put_int(out, 0); /* version, cversion, aversion */
    put_int(out, 0);
    put_int(out, 0);
    put_long(out, 0); /* ephemeral owner */
    put_int(out, 0);  /* length of the data */
    put_int(out, (int32_t)children);
    put_long(out, 1);
}

static void send_frame(struct hs_conn *c, const struct str *body)
{
    auto_str struct str head = STR_INIT;

    put_int(&head, (int32_t)body->len);
    bufferevent_write(c->bev, head.s, head.len);
    bufferevent_write(c->bev, body->s, body->len);
}

static void open_session(struct hs_conn *c, struct in *in)
{
    auto_str struct str out = STR_INIT;
    unsigned followers;
    int32_t timeout;

    if (!*role(c->m, &followers)) {
        c->ends = true; /* a member without a quorum closes */
        return;
    }
    in->p += 4 + 8; /* protocol, last zxid */
    timeout = take_int(in);
    put_int(&out, 0);
    put_int(&out, timeout);
    put_long(&out, (int64_t)(sim_random(c->m->hs->sim) >> 1) | 1);
    put_int(&out, PASSWORD);
    for (int i = 0; i < PASSWORD; i++)
        str_addc(&out, 'x');
    str_addc(&out, 0); /* not read-only */
    send_frame(c, &out);
    c->session = true;
}

static unsigned names_below(struct hostsim *hs, const char *path, struct str *names)
{
    unsigned n = 0;

    znode_children(hs->hosts, path, names);
    for (const char *p = str_text(names); (p = strchr(p, '\n')); p++)
        n++;
    return n;
}

static void put_children(struct str *out, struct str *names, unsigned n)
{
    put_int(out, (int32_t)n);
    for (char *p = names->s, *end; p && *p; p = end + 1) {
        end = strchr(p, '\n');
        *end = '\0';
        put_text(out, p);
    }
}

/* Error code, and what follows it in out. */
static int32_t operate(struct hostsim *hs, int32_t op, struct in *in, struct str *out)
{
    auto_free char *path = take_text(in);
    auto_str struct str names = STR_INIT;
    bool there = strcmp(path, "/") == 0 || hosts_znode(hs->hosts, path);
    unsigned n = names_below(hs, path, &names);

    if (op == OP_CREATE) {
        if (there)
            return ERR_NODE_EXISTS;
        znode_add(hs->hosts, path);
        put_text(out, path);
        return 0;
    }
    if (!there)
        return ERR_NO_NODE;
    switch (op) {
    case OP_DELETE:
        if (n)
            return ERR_NOT_EMPTY;
        znode_delete_tree(hs->hosts, path);
        return 0;
    case OP_GET:
        put_text(out, "");
        put_stat(out, n);
        return 0;
    case OP_CHILDREN:
    case OP_CHILDREN2:
        put_children(out, &names, n);
        if (op == OP_CHILDREN2)
            put_stat(out, n);
        return 0;
    case OP_EXISTS:
    case OP_SET:
        put_stat(out, n);
        return 0;
    default:
        return ERR_UNIMPLEMENTED;
    }
}

static void request(struct hs_conn *c, struct in *in)
{
    auto_str struct str out = STR_INIT, body = STR_INIT;
    int32_t xid = take_int(in), op = take_int(in), rc = 0;
    unsigned followers;

    if (!*role(c->m, &followers)) {
        c->ends = true;
        return;
    }
    if (op == OP_CLOSE)
        c->ends = true;
    else if (op != OP_PING && op != OP_AUTH)
        rc = operate(c->m->hs, op, in, &body);
    put_int(&out, xid);
    put_long(&out, 7);
    put_int(&out, rc);
    if (rc == 0 && body.len)
        str_addn(&out, body.s, body.len);
    send_frame(c, &out);
}

/* ---- connections ---- */

static void on_read(struct bufferevent *bev, void *ctx)
{
    struct hs_conn *c = ctx;
    struct evbuffer *buf = bufferevent_get_input(bev);
    unsigned char head[4];

    while (!c->ends && evbuffer_copyout(buf, head, 4) == 4) {
        struct in in = {head, head + 4};
        int32_t len = take_int(&in);

        if (!c->session && is_word((const char *)head)) {
            word(c, (const char *)head);
            break;
        }
        if (len < 0 || len > FRAME_MAX) {
            conn_free(c);
            return;
        }
        if (evbuffer_get_length(buf) < 4 + (size_t)len)
            return;
        evbuffer_drain(buf, 4);
        auto_free unsigned char *frame = mem_alloc((size_t)len + 1);
        evbuffer_remove(buf, frame, (size_t)len);
        in = (struct in){frame, frame + len};
        if (c->session)
            request(c, &in);
        else
            open_session(c, &in);
    }
    if (c->ends && !evbuffer_get_length(bufferevent_get_output(bev)))
        conn_free(c);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
    struct hs_conn *c = ctx;

    (void)bev;
    if (c->ends)
        conn_free(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        conn_free(ctx);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len, void *ctx)
{
    struct hs_member *m = ctx;
    struct hpod *p = pod_of(m);
    struct hs_conn *c = mem_zero(sizeof *c);

    (void)l;
    (void)from;
    (void)len;
    c->m = m;
    c->bev = bufferevent_socket_new(m->hs->base, fd, BEV_OPT_CLOSE_ON_FREE);
    c->next = m->conns;
    m->conns = c;
    if (p && order_of(m->hs, p->key, "hang"))
        return;
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static struct hs_member *member_open(struct hostsim *hs, const char *uid, const char *ip, unsigned port)
{
    struct hs_member *m = mem_zero(sizeof *m);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    evutil_inet_pton(AF_INET, ip, &at.sin_addr);
    *m = (struct hs_member){.hs = hs, .uid = mem_str(uid), .next = hs->members};
    m->listener = evconnlistener_new_bind(hs->base, on_accept, m, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
                                          (struct sockaddr *)&at, sizeof at);
    if (!m->listener) {
        free(m->uid);
        free(m);
        return NULL;
    }
    return hs->members = m;
}

void keeper_open(struct hostsim *hs, struct hpod *p)
{
    unsigned port = pods_port(hs, p, "zk");

    keeper_close(hs, p);
    if (!member_open(hs, p->uid, p->ip, port ? port : 2181))
        log_error(p->key, "cannot listen on %s:%u", p->ip, port);
}

void keeper_close(struct hostsim *hs, struct hpod *p)
{
    for (struct hs_member **at = &hs->members; *at; at = &(*at)->next) {
        struct hs_member *m = *at;

        if (!str_eq(m->uid, p->uid))
            continue;
        *at = m->next;
        while (m->conns)
            conn_free(m->conns);
        evconnlistener_free(m->listener);
        free(m->uid);
        free(m);
        return;
    }
}

int ensemble_open(struct hostsim *hs, struct err *err)
{
    auto_free char *ip = mem_printf("%s.255.254", hs->o.subnet);

    if (!member_open(hs, NULL, ip, 2181))
        return err_set(err, ERR_SYS, errno, "cannot listen on %s:2181; the subnet must be local here", ip);
    return 0;
}
