/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for tests that talk to real servers: real clock, a libevent loop, HTTP and TCP that block while they run and
 * answer from the loop, Keeper paths through keeper/. A channel's other side is the test itself. Not for production.
 */
#ifndef TESTS_LIB_NETWORLD_H
#define TESTS_LIB_NETWORLD_H

#include "base/frame.h"
#include "base/world.h"

struct networld;
struct networld *networld_new(void);
void networld_free(struct networld *n); /* runs what waits once, then frees */
struct world *networld_world(struct networld *n);

/* Runs the loop until *flag or the limit; false when the limit came first. */
bool networld_run(struct networld *n, const bool *flag, unsigned limit_ms);

/* The supervisor's end: frames the worker sends come to on_frame (body NUL-terminated), from the loop. */
struct world_chan *networld_chan(struct networld *n, void (*on_frame)(void *ctx, const struct frame *f), void *ctx);
void networld_send(struct networld *n, uint16_t type, uint32_t task, uint32_t seq,
                   const char *body);    /* to the worker */
void networld_close(struct networld *n); /* the supervisor's end is gone */
extern unsigned networld_requests;       /* HTTP requests made so far, for tests that count */

#endif
