/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS on loopback around the API. */
#ifndef PLANE_SERVER_H
#define PLANE_SERVER_H

#include "base/err.h"
#include "plane/api.h"
#include "plane/tls.h"

struct event_base;
struct server;

struct server_options {
    struct world *w;
    struct event_base *base;
    struct api *api;
    struct store *store;
    const struct tls_files *tls; /* borrowed */
    const char *host;            /* a loopback address */
    unsigned port;               /* 0 = any free one */
};

/* Listens; ERR_REFUSED says that the port is taken, ERR_INPUT that the address is not a loopback address. */
int server_start(const struct server_options *o, struct server **out, struct err *err);
unsigned server_port(const struct server *s);
void server_stop(struct server *s); /* closes all connections; NULL-safe */

#endif
