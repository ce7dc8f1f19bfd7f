/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes REST client: credentials, requests with one budget, watch caches, events, leases. Never blocks; answers
 * come by callback from the world's loop. Writes are POST, PUT, merge PATCH (each with a resourceVersion or UID
 * precondition where an object exists) and DELETE with a UID.
 */
#ifndef KUBE_KUBE_H
#define KUBE_KUBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/world.h"
#include "kube/kinds.h"

/* ---- credentials (kubeconfig.c) ---- */
struct kube_config; /* server, TLS, token / token file / client certificate / exec plugin, default namespace */
/* path NULL: $KUBECONFIG (first file), else ~/.kube/config when it exists, else the in-cluster account. ERR_INPUT names
 * file and field. Token files and exec credentials are refreshed by kube_new()'s client as they expire. */
int kube_config_load(struct world *w, const char *path, struct kube_config **out, struct err *err);
void kube_config_free(struct kube_config *c);
const char *kube_config_server(const struct kube_config *c);
const char *kube_config_namespace(const struct kube_config *c); /* "default" when none */

/* ---- client ---- */
struct kube;
struct kube_limits {
    /* Requests a second, and at once; 0 = 50 and 100. The rate rises up to `most` while the server answers quickly; 0: it stays. */
    unsigned qps, burst, most;
};
struct kube *kube_new(struct world *w, struct kube_config *takes, const struct kube_limits *limits); /* NULL: 50, 100, 200 */
void kube_free(struct kube *k); /* cancels all calls; caches and leases are stopped by their owners before */
void kube_set_limits(struct kube *k, const struct kube_limits *limits);

/* status is the HTTP status, 0 if there was no answer. obj is the answered object (also a Status), borrowed, may be NULL.
 * err is NULL for 2xx. Kinds: 404 ERR_MISSING, 409/412 ERR_CONFLICT, 400/405/406/413/415/422 ERR_INPUT, 401/403
 * ERR_REFUSED, else ERR_AGAIN; err->sys is the HTTP status; text is the server's message with method, kind and name in
 * front. 429, 5xx and lost connections were already retried with back-off and Retry-After until 30 s had passed, except a
 * POST without a known answer (the caller decides by reading). A 401 was retried once where credentials can be renewed. */
typedef void kube_done_fn(void *ctx, int status, const cJSON *obj, const struct err *err);

struct kube_call; /* handle; dead after done */
struct kube_call *kube_get(struct kube *k, enum kube_kind kind, const char *ns, const char *name, kube_done_fn *done, void *ctx);
/* One page after the other; `done` gets one List with all items. label_selector may be NULL. */
struct kube_call *kube_list(struct kube *k, enum kube_kind kind, const char *ns, const char *label_selector, kube_done_fn *done, void *ctx);
struct kube_call *kube_create(struct kube *k, enum kube_kind kind, const char *ns, const cJSON *obj, kube_done_fn *done, void *ctx);
/* PUT; obj carries metadata.resourceVersion. `sub` is NULL, "status" or "scale". */
struct kube_call *kube_put(struct kube *k, enum kube_kind kind, const char *ns, const char *name, const char *sub, const cJSON *obj, kube_done_fn *done, void *ctx);
/* application/merge-patch+json; put metadata.resourceVersion in the patch as precondition (409 ERR_CONFLICT), or metadata.uid:
 * another UID is 422 ERR_INPUT, since a patch cannot change that field. */
struct kube_call *kube_patch(struct kube *k, enum kube_kind kind, const char *ns, const char *name, const char *sub, const cJSON *patch, kube_done_fn *done, void *ctx);
/* propagation NULL (server's default), "Orphan", "Background", "Foreground"; grace_s -1 = the object's own. 404 is ERR_MISSING. */
struct kube_call *kube_delete(struct kube *k, enum kube_kind kind, const char *ns, const char *name, const char *uid, const char *propagation, int grace_s, kube_done_fn *done, void *ctx);
/* Any path ("/version"), for discovery. What is not JSON comes as a string item. Without retry unless it is a GET. */
struct kube_call *kube_raw(struct kube *k, const char *method, const char *path, const char *content_type, const char *body, kube_done_fn *done, void *ctx);
void kube_cancel(struct kube_call *c);
uint64_t kube_requests(const struct kube *k, uint64_t *writes); /* sent so far, for /metrics and tests */
/* GET whose answer is no object (logs): on_data gets the body of a 200 as it comes, done its end. No limit of time. */
struct kube_call *kube_stream(struct kube *k, const char *path, http_data_fn *on_data, kube_done_fn *done, void *ctx);
/* Asked just before a write is sent, also before it is repeated; false ends it unsent with ERR_AGAIN. The lease's own
 * requests are not asked for. A process that slept while another took over must not wake up and write. */
void kube_guard_writes(struct kube *k, bool (*may_write)(void *ctx), void *ctx);
bool kube_busy(const struct kube *k); /* calls (watches too) wait or are under way */

/* What a connection of the caller's own (exec by WebSocket) needs to be let in. Lives until put; the client must live too.
 * NULL and ERR_AGAIN while credentials are being fetched: after an answered request they are there. */
struct kube_access {
    const char *server;          /* URL, no '/' at its end */
    const struct http_tls *tls;
    const char *const *headers;  /* "Authorization: …" and the like, ends with NULL */
};
struct kube_access *kube_access_get(struct kube *k, struct err *err);
void kube_access_put(struct kube_access *a); /* NULL is allowed */

/* ---- watch cache: one LIST (paged) + WATCH (bookmarks; 410 lists again) per kind and namespace ---- */
struct kube_cache;
enum kube_change { KUBE_SYNCED /* first list is complete; obj NULL */, KUBE_ADDED, KUBE_CHANGED, KUBE_GONE };
/* `old` is the version before (NULL when added). With KUBE_GONE, obj is the last version known. Both are borrowed and die
 * at the next change of the same name. A name that comes back with another UID is KUBE_GONE and then KUBE_ADDED. */
typedef void kube_change_fn(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj);
/* Cuts an object down before it is kept (managedFields are always dropped); may be NULL. */
typedef void kube_compact_fn(cJSON *obj);
struct kube_cache *kube_watch(struct kube *k, enum kube_kind kind, const char *ns /* NULL = all */, const char *label_selector,
                              kube_compact_fn *compact, kube_change_fn *on_change, void *ctx);
/* The same over several namespaces (ends with NULL): one LIST and WATCH in each, so that rights in these are enough. All
 * functions below take it as one cache; KUBE_SYNCED comes once, when each of them is complete. */
struct kube_cache *kube_watch_several(struct kube *k, enum kube_kind kind, const char *const *namespaces, const char *label_selector,
                                      kube_compact_fn *compact, kube_change_fn *on_change, void *ctx);
void kube_watch_stop(struct kube_cache *c); /* also from inside its on_change */
bool kube_cache_synced(const struct kube_cache *c);
uint64_t kube_cache_age_ms(const struct kube_cache *c); /* since the last sign of life of the watch (event, bookmark, list) */
/* Why the cache is not being kept up to date now (403, 404 of a missing CRD, no connection …), or NULL. */
const struct err *kube_cache_problem(const struct kube_cache *c);
size_t kube_cache_size(const struct kube_cache *c);
const cJSON *kube_cache_get(const struct kube_cache *c, const char *ns, const char *name); /* borrowed; NULL */
/* Order of ns, name. A callback that returns non-zero ends the walk. The cache must not change during it. */
int kube_cache_each(const struct kube_cache *c, int (*fn)(void *ctx, const cJSON *obj), void *ctx);
/* Only those of one namespace whose names end so: cheap also among thousands. */
int kube_cache_each_ending(const struct kube_cache *c, const char *ns, const char *suffix,
                           int (*fn)(void *ctx, const cJSON *obj), void *ctx);
/* The answer to our own write, so that the cache is never older than what we know. Newer versions win. on_change is
 * called before this returns. The answer to a DELETE is not put here: the watch tells the end. */
void kube_cache_put(struct kube_cache *c, const cJSON *obj);
/* A list that was read apart, at this resourceVersion, does not show ns/name: it is gone, unless we know a newer version. */
void kube_cache_missing(struct kube_cache *c, const char *ns, const char *name, const char *list_rv);

/* ---- events: aggregated (same object, reason and text within 10 min raises count), at most 1 per second and object ---- */
void kube_event(struct kube *k, const cJSON *about, bool warning, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- leader election (Lease chfleet-leader) ---- */
struct kube_lease;
enum { KUBE_LEASE_S = 12 }; /* a dead leader is succeeded within 15 s: this, a renewal's time and the requests */
typedef void kube_lease_fn(void *ctx, bool leading); /* false: stop acting now */
struct kube_lease *kube_lease_start(struct kube *k, const char *ns, const char *name, const char *identity, unsigned duration_s, kube_lease_fn *fn, void *ctx);
void kube_lease_stop(struct kube_lease *l);               /* gives the lease back */
/* The same, and says when that was answered, or could not be within 1.5 s. The client must live until then. */
void kube_lease_release(struct kube_lease *l, void (*done)(void *ctx), void *ctx);
bool kube_lease_valid(const struct kube_lease *l);        /* leading, and renewed recently enough to act */
/* Whoever takes part says in the Lease from which address it will act; the leader forgets who has not said so for minutes. moved: the
 * addresses are others now; it must not stop the lease. To be called right after the start. */
void kube_lease_announce(struct kube_lease *l, const char *address, void (*moved)(void *ctx));
const cJSON *kube_lease_addresses(const struct kube_lease *l); /* sorted, ours among them; NULL: not announced. Borrowed */

int64_t kube_time_parse(const char *rfc3339); /* ms since 1970, -1 when it is none */

#endif
