/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_K8S_HOSTSIM_IMPL_H
#define TESTS_K8S_HOSTSIM_IMPL_H

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "tests/k8s/hostsim.h"

/* A request that waits for its answer. */
struct sim_http {
    struct evhttp_request *req;
    void (*gone)(void *ctx);
    void *gone_ctx;
    struct sim_http **list, *next; /* of its server */
};
struct sim_http *hs_http_new(struct evhttp_request *req, struct sim_http **list);
void hs_http_over(struct sim_http *h); /* answered without it */
void hs_http_send(struct evhttp_request *req, int status, const char *body, size_t len);

#endif
