/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter's HTTP server: /metrics, /chi, /healthz, /ready. */
#ifndef EXPORTER_FRONT_H
#define EXPORTER_FRONT_H

#include "exporter/targets.h"

struct front;
struct front_options {
    const char *address;      /* HOST:PORT */
    const char *address_file; /* where it is written, NULL */
    bool (*leading)(void *ctx); /* NULL: always */
    void *ctx;
};
/* Does not take world and targets; `base` is the world's event base. */
struct event_base;
int front_open(struct event_base *base, struct world *w, struct targets *t, const struct front_options *opt, struct front **out,
               struct err *err);
void front_close(struct front *f); /* NULL is allowed */

#endif
