/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_K8S_HOSTSIM_IMPL_H
#define TESTS_K8S_HOSTSIM_IMPL_H

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <openssl/ssl.h>
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
/* hostsim_tls.c */
struct hs_tls *hs_tls_new(void);
char *hs_tls_authority(const struct hs_tls *t); /* PEM; caller frees */
/* For the pod "ns/name" at this address. Caller frees. */
SSL_CTX *hs_tls_host(struct hs_tls *t, const char *pod, const char *ip);

void hs_http_send(struct evhttp_request *req, int status, const char *body, size_t len);

#endif
