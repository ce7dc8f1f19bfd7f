/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests a second may go out. A rate that is always allowed, and more while the API server shows that it has
 * room: each write that it answers quickly while others wait raises the rate by one, slow answers lower it, a refusal (429,
 * 5xx, no answer) brings it back to where it began for a while. So a fleet that is created does not wait for a budget that
 * was made for a server with much else to do, and a server with much else to do is left alone. No clock of its own.
 */
#ifndef KUBE_BUDGET_H
#define KUBE_BUDGET_H

#include "kube/kube.h"

struct kube_budget {
    struct kube_limits limits; /* none is 0 */
    double tokens, rate;
    uint64_t filled_ms;
    uint64_t pause_until_ms;  /* Retry-After of a 429 */
    uint64_t steady_until_ms; /* no more than limits.qps until then */
    uint64_t starved_ms;      /* when a request had to wait last */
    uint64_t slowed_ms;
};

void budget_init(struct kube_budget *b, const struct kube_limits *limits, uint64_t now);
void budget_set_limits(struct kube_budget *b, const struct kube_limits *limits);
uint64_t budget_wait(struct kube_budget *b, uint64_t now); /* 0: one may go now; else ask again in so many ms */
void budget_take(struct kube_budget *b);
void budget_pause(struct kube_budget *b, uint64_t until_ms); /* none may go until then */
/* status 0: no answer came. */
void budget_answered(struct kube_budget *b, uint64_t now, int status, bool write, uint64_t took_ms);

#endif
