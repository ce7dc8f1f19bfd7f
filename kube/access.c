/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, and connections of the caller's own. */
#include <stdlib.h>

#include "base/mem.h"
#include "kube/impl.h"

struct access {
    struct kube_access shown; /* first */
    struct kube_cred *cred;
    const char *headers[40];
};

struct kube_call *kube_stream(struct kube *k, const char *path, http_data_fn *on_data, kube_done_fn *done, void *ctx)
{
    struct call_spec spec = {.method = "GET",
                             .path = path,
                             .what = path,
                             .flags = CALL_STREAM,
                             .on_data = on_data,
                             .done = done,
                             .ctx = ctx};

    return kube_call_start(k, &spec);
}

struct kube_access *kube_access_get(struct kube *k, struct err *err)
{
    struct kube_auth *auth = kube_auth_of(k);
    const struct kube_config *config = kube_auth_config(auth);
    struct err why = ERR_INIT;
    struct kube_cred *cred = kube_auth_get(auth, &why);
    struct access *a;
    size_t n = 0;

    if (!cred) {
        if (why.kind == ERR_NONE)
            err_set(&why, ERR_AGAIN, 0, "the credentials of %s are still being fetched", config->server);
        if (err)
            *err = why;
        return NULL;
    }
    a = mem_zero(sizeof *a);
    a->cred = cred;
    if (cred->auth)
        a->headers[n++] = cred->auth;
    for (char **p = config->impersonate; p && *p && n + 1 < sizeof a->headers / sizeof *a->headers; p++)
        a->headers[n++] = *p;
    a->shown = (struct kube_access){.server = config->server, .tls = &cred->tls, .headers = a->headers};
    return &a->shown;
}

void kube_access_put(struct kube_access *shown)
{
    struct access *a = (struct access *)shown;

    if (!a)
        return;
    kube_cred_put(a->cred);
    free(a);
}
