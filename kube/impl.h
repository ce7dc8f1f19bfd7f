/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of kube/ share. Nobody else includes this. */
#ifndef KUBE_IMPL_H
#define KUBE_IMPL_H

#include <sys/queue.h>

#include "kube/kube.h"

/* ---- yaml.c: a kubeconfig as JSON. Plain true/false/null become such, every other scalar is a string. ---- */
cJSON *kube_yaml_parse(const char *text, size_t len, struct err *err);

/* ---- kubeconfig.c ---- */
struct kube_exec {
    char **argv, **env; /* end with NULL */
    char *api_version, *install_hint;
    bool cluster_info;
};

struct kube_config {
    struct world *w;
    char *source; /* the file, for errors */
    char *server; /* no '/' at the end */
    char *ns;
    char *ca, *server_name, *proxy;
    char *cert, *key, *cert_file, *key_file;
    char *token, *token_file;
    char *basic;        /* value of the Authorization header for user and password */
    char **impersonate; /* header lines, end with NULL; may be NULL */
    bool insecure;
    struct kube_exec *exec;
};

/* ---- auth.c: what a request needs to be let in. Shared by the requests in flight, so that a refresh pulls nothing
 * from under them. ---- */
struct kube_cred {
    unsigned refs;
    struct http_tls tls;
    char *ca, *cert, *key, *server_name, *proxy;
    char *auth; /* "Authorization: …" or NULL */
};
struct kube_auth;
struct kube_auth *kube_auth_new(struct kube_config *takes, void (*ready)(void *ctx), void *ctx);
void kube_auth_free(struct kube_auth *a);
const struct kube_config *kube_auth_config(const struct kube_auth *a);
/* The credentials to use now (one reference is the caller's), or NULL: they are being fetched, ready() comes. With *err
 * set they could not be fetched lately; ready() comes when it is time to try again. */
struct kube_cred *kube_auth_get(struct kube_auth *a, struct err *err);
void kube_cred_put(struct kube_cred *c); /* NULL is allowed */
/* The server answered 401 to `used`. True: other ones are there or on their way, so ask again. */
bool kube_auth_refused(struct kube_auth *a, const struct kube_cred *used);

/* ---- request.c: one engine for all requests ---- */
enum {
    CALL_WRITE = 1,      /* counted as such */
    CALL_UNREPEATED = 2, /* a lost answer is the caller's to clear up (POST) */
    CALL_URGENT = 4,     /* before the others, and not held back by the budget (lease) */
    CALL_SINGLE = 8,     /* one try */
    CALL_STREAM = 16,    /* on_data gets the body of a 2xx; that answer has no object */
    CALL_TEXT = 32,      /* the answer may be something else than a JSON object */
};
struct call_spec {
    const char *method, *path, *content_type, *what; /* what: "Pod ns/name", for errors */
    const char *body;                                /* NULL: none */
    unsigned flags;
    uint32_t total_ms, idle_ms, give_up_ms; /* 0: 20 s, none, 30 s */
    http_data_fn *on_data;
    kube_done_fn *done;
    void *ctx;
};
struct kube_call *kube_call_start(struct kube *k, const struct call_spec *spec); /* copies */
/* A call that is made of others (paged list): has no request of its own; `cancel` frees ctx. */
struct kube_call *kube_call_wrap(struct kube *k, void (*cancel)(void *ctx), void *ctx);
void kube_call_unwrap(struct kube_call *c);
struct world *kube_world(struct kube *k);
struct kube_auth *kube_auth_of(struct kube *k);
struct kube_events **kube_events_slot(struct kube *k); /* event.c keeps its table there */
void kube_events_free(struct kube_events *e);
uint64_t kube_jitter(struct kube *k, uint64_t ms); /* between half and one and a half of it */

/* ---- candidates.c: who may lead next, in the Lease's record ---- */
enum { CANDIDATE_SAYS_MS = 60000, CANDIDATE_FORGOTTEN_MS = 240000 };
struct candidates;
struct candidates *candidates_new(const char *identity, const char *address);
void candidates_free(struct candidates *c); /* NULL is allowed */
bool candidates_read(struct candidates *c, const cJSON *record, uint64_t now_ms); /* true: the addresses are others */
bool candidates_due(const struct candidates *c, const cJSON *record, uint64_t now_ms); /* it is time to say ours */
/* Ours into the record when it is due; forget: those out of it that have not been heard of. */
void candidates_write(const struct candidates *c, cJSON *record, const char *now, uint64_t now_ms, bool forget);
const cJSON *candidates_addresses(const struct candidates *c);

/* ---- list.c ---- */
/* `page` gets each page's items (it may take children out) and the list's resourceVersion; NULL items: the list began
 * again, forget what came. */
typedef void kube_page_fn(void *ctx, cJSON *items, const char *rv);
struct kube_call *kube_list_pages(struct kube *k, enum kube_kind kind, const char *ns, const char *label_selector,
                                  kube_page_fn *page, kube_done_fn *done, void *ctx);

/* ---- kinds.c ---- */
void kube_url_add(struct str *out, const char *text);                   /* percent-encoded */
char *kube_what(enum kube_kind kind, const char *ns, const char *name); /* "Pod ns/name"; caller frees */

/* ---- time.c ---- */
void kube_time_print(uint64_t wall_ms, bool micro, char out[32]);

#endif
