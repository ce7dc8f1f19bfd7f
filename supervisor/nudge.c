/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubelet brings a changed ConfigMap into its pods when it next looks at them: after up to a minute and a half. It looks
 * at once when an annotation of the pod changes. That is one request for each pod and comes out of the budget of requests:
 * lists of hosts are announced while hosts are few, and when hosts restart only for so many pods as the budget has left;
 * else the kubelet's own time is good enough, and propagation waits for it. Users change rarely, and with them who may log
 * in: up to MANY are told. spec.chfleet.nudge: always or never, whatever it costs.
 */
#include <stdint.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

enum { FEW = 8, PER_RESTART = 1, MANY = 200 };

/* It only saves time: what fails is not tried again. */
static void told(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    (void)changed;
    if (err)
        log_debug(in->key, "nudge: %s", err->msg);
    if (in->kicked)
        inst_kick(in, 0);
}

static void tell(struct inst *in, const char *host)
{
    auto_json cJSON *req = cJSON_CreateObject();

    json_set_str(req, "what", "nudge");
    json_set_str(req, "host", host);
    apply_start(in, req, told, in);
}

/* A pod that starts now reads the newest files anyhow. */
static bool runs(struct inst *in, const char *host)
{
    char sts[300];
    const cJSON *pod = hostfacts_sts(in, host, sts, sizeof sts) ? hostfacts_pod(in, sts) : NULL;

    return pod && compare_pod_ready(pod) && !json_at(pod, "metadata.deletionTimestamp");
}

static bool restarts(enum host_action a)
{
    return a == ACT_SOFT_RESTART || a == ACT_RESTART || a == ACT_RECREATE || a == ACT_RESIZE || a == ACT_REBUILD;
}

/* To how many pods at most a list of hosts is announced now. */
static size_t budget(struct inst *in)
{
    size_t n = 0;

    for (size_t i = 0; i < in->n_hosts; i++)
        n += restarts(in->hosts[i].action);
    if (in->nudge_op != in->op) {
        in->nudge_op = in->op;
        in->nudges = 0;
    }
    if (n == 0)
        return FEW;
    n = n * PER_RESTART > in->nudges ? n * PER_RESTART - in->nudges : 0;
    return n < FEW ? n : FEW;
}

/* One that is going to be replaced gets its files anew then. */
static bool goes_on(const struct hostrec *h)
{
    return h->action == ACT_NONE || h->action == ACT_RELOAD || h->action == ACT_SOFT_RESTART || h->action == ACT_JOIN;
}

static const char *word(const struct inst *in)
{
    return json_str(in->fleet->chfleet, "nudge", "budget");
}

/* Lists and users are wanted by all: who may not log in any more (the operator has another address) can do nothing. */
static void tell_all(struct inst *in, bool list, bool users)
{
    size_t n = 0, most = strcmp(word(in), "always") == 0 ? SIZE_MAX : users ? MANY : budget(in);

    for (size_t i = 0; i < in->n_hosts; i++)
        n += runs(in, in->hosts[i].key);
    if (n > most)
        return;
    in->nudges += list ? n : 0;
    for (size_t i = 0; i < in->n_hosts; i++)
        if (runs(in, in->hosts[i].key) && (list || users || goes_on(&in->hosts[i])))
            tell(in, in->hosts[i].key);
}

void nudge_after(struct inst *in, const cJSON *req)
{
    const char *what = json_str(req, "what", "");
    const struct hostrec *h = inst_host(in, json_str(req, "host", ""));

    if (in->s->endpoints || !in->fleet || in->fleet->deleting) /* the plane's own node brings files at once */
        return;
    if (strcmp(word(in), "never") == 0)
        return;
    if (strcmp(what, "common") == 0 || strcmp(what, "users") == 0)
        tell_all(in, json_at(req, "generation") != NULL, strcmp(what, "users") == 0);
    else if (strcmp(what, "configmap") == 0 && h && (h->action == ACT_RELOAD || h->action == ACT_SOFT_RESTART) &&
             runs(in, h->key))
        tell(in, h->key);
}
