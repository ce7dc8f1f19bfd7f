/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes, as kubelets do them, with one difference: startup and readiness are tried from the first moment, every 200
 * ms, until they succeed once, so that a server that is up in 0.1 s counts as up after 0.3 s. Their initialDelaySeconds
 * is the time in which failures do not count yet. Liveness waits it out as everywhere.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/node_priv.h"

enum { EAGER_MS = 200 };

static void probe_try(void *ctx);

static struct world *world_of(const struct node_probe *p)
{
    return p->ctr->pod->node->w;
}

static uint64_t conf_ms(const struct node_probe *p, const char *key, int64_t dflt_s)
{
    int64_t s = json_int(p->conf, key, dflt_s);

    return s < 0 ? 0 : (uint64_t)s * 1000;
}

static uint64_t period_ms(const struct node_probe *p)
{
    uint64_t ms = conf_ms(p, "periodSeconds", 10);

    return ms ? ms : 10000;
}

static void end_try(struct node_probe *p)
{
    struct world *w = world_of(p);

    if (p->http)
        w->ops->http_cancel(w, p->http);
    if (p->tcp)
        w->ops->tcp_cancel(w, p->tcp);
    if (p->connect)
        event_free(p->connect);
    if (p->fd >= 0)
        close(p->fd);
    if (p->run)
        node_run_forget(p->ctr->pod->node, p);
    p->http = NULL;
    p->tcp = NULL;
    p->connect = NULL;
    p->fd = -1;
    p->run = 0;
}

static void probe_stop(struct node_probe *p)
{
    end_try(p);
    world_timer_stop(world_of(p), &p->timer);
    p->active = false;
}

static void probe_start(struct node_probe *p)
{
    uint64_t delay = conf_ms(p, "initialDelaySeconds", 0);

    probe_stop(p);
    p->good = p->bad = 0;
    p->passed = false;
    if (!p->conf)
        return;
    p->active = true;
    p->count_at = world_mono(world_of(p)) + delay;
    p->timer = world_timer(world_of(p), p->kind == PROBE_LIVENESS ? delay : 0, probe_try, p);
}

/* ---- what follows from results ---- */

static void gate_open(struct node_ctr *c)
{
    c->started = true;
    if (!c->probes[PROBE_READINESS].conf)
        c->ready = true;
    probe_start(&c->probes[PROBE_READINESS]);
    probe_start(&c->probes[PROBE_LIVENESS]);
    pod_soon(c->pod, 0);
}

static void kill_container(struct node_probe *p, const char *why)
{
    struct node_ctr *c = p->ctr;
    int64_t own = json_int(p->conf, "terminationGracePeriodSeconds", -1);

    pod_event(c->pod, true, "Unhealthy", "%s probe failed: %s", p->kind == PROBE_LIVENESS ? "Liveness" : "Startup",
              why);
    pod_event(c->pod, false, "Killing", "Container %s failed %s probe, will be restarted", c->name,
              p->kind == PROBE_LIVENESS ? "liveness" : "startup");
    for (int i = 0; i < PROBES; i++)
        probe_stop(&c->probes[i]);
    c->ready = false;
    ctr_restart(c, own >= 0 ? (uint64_t)own * 1000 : pod_grace_ms(c->pod));
    pod_soon(c->pod, 0);
}

static void next_try(struct node_probe *p)
{
    bool eager = p->kind != PROBE_LIVENESS && !p->passed;

    if (p->active)
        p->timer = world_timer(world_of(p), eager ? EAGER_MS : period_ms(p), probe_try, p);
}

static void passed(struct node_probe *p)
{
    struct node_ctr *c = p->ctr;
    unsigned need = (unsigned)json_int(p->conf, "successThreshold", 1);

    p->bad = 0;
    p->good++;
    if (p->good < (need ? need : 1))
        return;
    p->passed = true;
    if (p->kind == PROBE_STARTUP && !c->started) {
        probe_stop(p);
        gate_open(c);
    } else if (p->kind == PROBE_READINESS && !c->ready) {
        c->ready = true;
        pod_soon(c->pod, 0);
    }
}

/* Eager tries are many; a failure counts once in a period. */
static bool counts(struct node_probe *p)
{
    uint64_t now = world_mono(world_of(p));

    if (now < p->count_at)
        return false;
    p->count_at = now + (p->passed || p->kind == PROBE_LIVENESS ? 0 : period_ms(p));
    return true;
}

static void failed(struct node_probe *p, const char *why)
{
    struct node_ctr *c = p->ctr;
    unsigned limit = (unsigned)json_int(p->conf, "failureThreshold", 3);

    p->good = 0;
    if (!counts(p) || ++p->bad < (limit ? limit : 3))
        return;
    if (p->kind != PROBE_READINESS) {
        kill_container(p, why);
    } else if (c->ready || p->bad == limit) {
        pod_event(c->pod, true, "Unhealthy", "Readiness probe failed: %s", why);
        c->ready = false;
        pod_soon(c->pod, 0);
    }
}

static void result(struct node_probe *p, bool ok, const char *why)
{
    end_try(p);
    if (ok)
        passed(p);
    else
        failed(p, why);
    next_try(p);
}

/* ---- kinds of probes ---- */

static void on_words(void *ctx, const char *text, size_t len, const struct err *err)
{
    struct node_probe *p = ctx;
    bool serves = !err && len && strstr(text, "Mode:");
    auto_free char *why = err ? mem_str(err->msg) : mem_printf("the Keeper does not serve yet: %.80s", text);

    p->tcp = NULL;
    result(p, serves, why);
}

/* Keeper's /ready, asked by "srvr": `ruok` says imok a quarter of a second before a ZooKeeper serves. */
static void try_words(struct node_probe *p, unsigned port)
{
    struct world *w = world_of(p);

    p->tcp = w->ops->tcp(w, "127.0.0.1", port, "srvr", 4096, (uint32_t)conf_ms(p, "timeoutSeconds", 1), on_words, p);
}

static void on_http(void *ctx, const struct http_response *res)
{
    struct node_probe *p = ctx;
    auto_free char *why =
        res->status ? mem_printf("HTTP probe failed with statuscode: %d", res->status) : mem_str(res->why.msg);

    p->http = NULL;
    result(p, res->status >= 200 && res->status < 400, why);
}

static void try_http(struct node_probe *p, const cJSON *get)
{
    const struct container_plan *plan = &p->ctr->plan;

    if (plan->zookeeper_port || plan->keeper_http_ready)
        try_words(p, plan->zk_port);
    else
        p->http = ctr_http_get(p->ctr, get, (uint32_t)conf_ms(p, "timeoutSeconds", 1), on_http, p);
}

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
    struct node_probe *p = ctx;
    int why = 0;
    socklen_t len = sizeof why;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len);
    result(p, (what & EV_WRITE) && why == 0, what & EV_TIMEOUT ? "connection timed out" : strerror(why));
}

static void try_tcp(struct node_probe *p, const cJSON *conf)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)ctr_port(p->ctr, json_get(conf, "port"))),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    uint64_t ms = conf_ms(p, "timeoutSeconds", 1);
    struct timeval tv = {(time_t)(ms / 1000), 0};

    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd >= 0)
        (void)!connect(p->fd, (struct sockaddr *)&a, sizeof a); /* the outcome comes as event */
    p->connect = event_new(p->ctr->pod->node->p->base, p->fd, EV_WRITE, on_connected, p);
    event_add(p->connect, &tv);
}

static void on_command(void *owner, int status, const char *out, const char *errtext)
{
    struct node_probe *p = owner;
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    auto_free char *why = mem_printf("%.200s%s%.200s", out, *out && *errtext ? " " : "", errtext);

    p->run = 0;
    result(p, ok, why);
}

static void try_command(struct node_probe *p, const cJSON *command)
{
    p->run = ++p->ctr->pod->node->runs;
    ctr_command(p->ctr, command, (uint32_t)conf_ms(p, "timeoutSeconds", 1), p, on_command);
}

static void probe_try(void *ctx)
{
    struct node_probe *p = ctx;
    const cJSON *get = json_get(p->conf, "httpGet"), *sock = json_get(p->conf, "tcpSocket");
    const cJSON *command = json_at(p->conf, "exec.command");

    p->timer = NULL;
    if (get)
        try_http(p, get);
    else if (sock)
        try_tcp(p, sock);
    else if (cJSON_GetArraySize(command))
        try_command(p, command);
    else
        result(p, false, "the probe must be httpGet, tcpSocket or exec");
}

/* ---- life ---- */

void probes_init(struct node_ctr *c)
{
    static const char *const keys[PROBES] = {"startupProbe", "readinessProbe", "livenessProbe"};

    for (int i = 0; i < PROBES; i++) {
        struct node_probe *p = &c->probes[i];

        if (!p->ctr)
            p->fd = -1;
        p->ctr = c;
        p->kind = (enum probe_kind)i;
        p->conf = c->init ? NULL : json_get(c->spec, keys[i]);
    }
}

void probes_fini(struct node_ctr *c)
{
    for (int i = 0; i < PROBES; i++)
        probe_stop(&c->probes[i]);
}

void probes_server_changed(struct node_ctr *c)
{
    bool started = false, ready = false;

    probes_fini(c);
    c->started = c->ready = false;
    if (!ctr_running(c) || c->st.phase != SHIM_RUNNING)
        return;
    if (ctr_in_status(c, &started, &ready) && started) { /* adopted: it is what the plane before this one found */
        gate_open(c);
        c->ready |= ready;
        c->probes[PROBE_READINESS].passed = ready;
        if (ready)
            c->probes[PROBE_READINESS].count_at = 0;
        return;
    }
    if (c->probes[PROBE_STARTUP].conf)
        probe_start(&c->probes[PROBE_STARTUP]);
    else
        gate_open(c);
}
