/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/budget.h"

enum {
    QPS = 50,
    BURST = 100,
    MOST = 200,
    QUICK_MS = 200,   /* a server that answers a write within this has room */
    SLOW_MS = 1000,   /* one that takes so long has none */
    STEADY_MS = 10000 /* after a refusal, and how long nobody must have waited for the rate to be forgotten */
};

void budget_set_limits(struct kube_budget *b, const struct kube_limits *limits)
{
    b->limits.qps = limits && limits->qps ? limits->qps : QPS;
    b->limits.burst = limits && limits->burst ? limits->burst : BURST;
    b->limits.most = limits && limits->most ? limits->most : limits ? b->limits.qps : MOST;
    if (b->limits.most < b->limits.qps)
        b->limits.most = b->limits.qps;
    b->rate = b->limits.qps;
    if (b->tokens > b->limits.burst)
        b->tokens = b->limits.burst;
}

void budget_init(struct kube_budget *b, const struct kube_limits *limits, uint64_t now)
{
    *b = (struct kube_budget){.filled_ms = now};
    budget_set_limits(b, limits);
    b->tokens = b->limits.burst;
}

static void refill(struct kube_budget *b, uint64_t now)
{
    if (now > b->starved_ms + STEADY_MS)
        b->rate = b->limits.qps;
    b->tokens += (double)(now - b->filled_ms) * b->rate / 1000;
    if (b->tokens > b->limits.burst)
        b->tokens = b->limits.burst;
    b->filled_ms = now;
}

uint64_t budget_wait(struct kube_budget *b, uint64_t now)
{
    if (b->pause_until_ms > now)
        return b->pause_until_ms - now;
    refill(b, now);
    if (b->tokens >= 1)
        return 0;
    b->starved_ms = now;
    return (uint64_t)((1 - b->tokens) * 1000 / b->rate) + 1;
}

void budget_take(struct kube_budget *b)
{
    b->tokens -= 1;
}

void budget_pause(struct kube_budget *b, uint64_t until_ms)
{
    if (until_ms > b->pause_until_ms)
        b->pause_until_ms = until_ms;
}

static void slower(struct kube_budget *b, uint64_t now)
{
    if (now < b->slowed_ms + SLOW_MS) /* they were sent together: one sign, not many */
        return;
    b->slowed_ms = now;
    b->rate = b->rate / 2 > b->limits.qps ? b->rate / 2 : b->limits.qps;
}

void budget_answered(struct kube_budget *b, uint64_t now, int status, bool write, uint64_t took_ms)
{
    if (status == 0 || status == 429 || status >= 500) {
        b->rate = b->limits.qps;
        b->steady_until_ms = now + STEADY_MS;
    } else if (write && took_ms >= SLOW_MS) {
        slower(b, now);
    } else if (write && took_ms <= QUICK_MS && now >= b->steady_until_ms && now < b->starved_ms + SLOW_MS &&
               b->starved_ms && b->rate < b->limits.most) {
        b->rate += 1;
    }
}
