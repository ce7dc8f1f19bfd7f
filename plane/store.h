/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plane's object store. All objects are in memory, indexed by kind, namespace and name; what changed in a round of
 * the loop is written to SQLite in one transaction at its end (WAL, synchronous=FULL). The same rules hold for
 * everybody, HTTP clients and controllers in this process: defaults, validation, uid, generation, resourceVersion,
 * finalizers, owner references, namespace content. Nothing here blocks but the commit.
 *
 * For controllers: subscribe, read with store_get()/store_each(), write with
 * store_create()/store_update()/store_patch()/ store_delete(). Callbacks always come from the loop, after the change is
 * durable, never from inside a write. Borrowed objects live until the loop's next round; copy (json_copy) what is kept
 * longer. Never change them in place.
 *
 * Errors: ERR_MISSING (404), ERR_CONFLICT (409), ERR_INPUT (400, 413, 422), ERR_REFUSED (403, 405), ERR_AGAIN (disk);
 * err->sys is the HTTP status. store_why() has the Kubernetes reason ("AlreadyExists", "Conflict", …).
 */
#ifndef PLANE_STORE_H
#define PLANE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/world.h"
#include "plane/kinds.h"

struct store;

enum store_change { STORE_ADDED, STORE_CHANGED, STORE_GONE, STORE_SYNCED /* obj NULL: the first list is complete */ };

/* ---- life ---- */
/* `path` is the SQLite file, or ":memory:" (nothing is written; for the simulation). ERR_SYS/ERR_INPUT say what is
 * wrong with the file (foreign, damaged, of a newer version, locked by another plane). */
int store_open(struct world *w, const char *path, struct store **out, struct err *err);
void store_close(struct store *s); /* commits what is left; stops all subscriptions */
/* Commits now and delivers to subscribers; else it happens by itself in the next round. 0, or -1 when the disk refused:
 * the changes stay in memory, are tried again every second, and new writes get ERR_AGAIN until it worked. */
int store_flush(struct store *s, struct err *err);
uint64_t store_rv(const struct store *s); /* the newest resourceVersion */

/* ---- reading ---- */
const cJSON *store_get(struct store *s, enum plane_kind kind, const char *ns /* NULL or "" for cluster kinds */,
                       const char *name);
/* In order of ns, name. ns NULL = all. `labels` is a selector in text form ("a=b,c in (d,e),!f") or NULL. fn returning
 * non-zero ends the walk. Writes during the walk are allowed. */
int store_each(struct store *s, enum plane_kind kind, const char *ns, const char *labels,
               int (*fn)(void *ctx, const cJSON *obj), void *ctx);
size_t store_count(const struct store *s, enum plane_kind kind);

/* ---- writing ---- */
enum {
    STORE_STATUS = 1,  /* only .status of obj (and nothing else) is taken: the status subresource */
    STORE_DRY_RUN = 2, /* everything but the change */
    STORE_SYSTEM = 4,  /* by a controller of the plane: may set spec.nodeName, clusterIP, bind volumes, and the like */
};
/* Takes obj in all cases. metadata.name or generateName, and metadata.namespace for namespaced kinds, must be set.
 * `out` (may be NULL) gets the stored object, borrowed (with STORE_DRY_RUN: owned by the store until its next write).
 * An object that did not change is not written: its resourceVersion stays. */
int store_create(struct store *s, enum plane_kind kind, cJSON *obj, unsigned flags, const cJSON **out, struct err *err);
/* Replaces. metadata.resourceVersion and metadata.uid, when set in obj, are preconditions. */
int store_update(struct store *s, enum plane_kind kind, cJSON *obj, unsigned flags, const cJSON **out, struct err *err);
/* RFC 7396 merge patch; metadata.resourceVersion/uid in it are preconditions. With STORE_STATUS only its .status
 * counts. */
int store_patch(struct store *s, enum plane_kind kind, const char *ns, const char *name, const cJSON *patch,
                unsigned flags, const cJSON **out, struct err *err);

struct store_delete {
    const char *uid, *rv;    /* preconditions or NULL */
    const char *propagation; /* NULL, "Orphan", "Background", "Foreground" */
    int64_t grace_s;         /* -1 = the object's own; 0 = now (how the node agent ends a pod) */
    unsigned flags;          /* STORE_DRY_RUN */
};
/* opts may be NULL. `out` (may be NULL) gets the object as it was last seen; *gone says whether it is really gone (else
 * it waits for finalizers, or the node's end of the pod, with deletionTimestamp set). A pod with spec.nodeName that is
 * not finished gets deletionTimestamp and deletionGracePeriodSeconds; the node agent then stops it and deletes it with
 * grace_s 0. */
int store_delete(struct store *s, enum plane_kind kind, const char *ns, const char *name,
                 const struct store_delete *opts, const cJSON **out, bool *gone, struct err *err);

struct store_why {
    int code;            /* HTTP status */
    const char *reason;  /* "NotFound", "AlreadyExists", "Conflict", "Invalid", "BadRequest", "Forbidden", … */
    const cJSON *causes; /* array of {reason, message, field}, or NULL; borrowed until the next write */
    const char *kind;    /* plural of the kind that it is about where that is another one, or NULL */
};
const struct store_why *store_why(const struct store *s); /* about the last call that failed */

/* ---- changes ---- */
/* `old` is the version before (NULL when added); for STORE_GONE obj is the last version and old is NULL. */
typedef void store_change_fn(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj);
struct store_sub;
/* First STORE_ADDED for each object there, then STORE_SYNCED, then changes in order of resourceVersion. */
struct store_sub *store_subscribe(struct store *s, enum plane_kind kind, store_change_fn *fn, void *ctx);
void store_unsubscribe(struct store_sub *sub); /* NULL-safe; also from inside its own callback */

/* ---- helpers for controllers ---- */
/* {apiVersion, kind, metadata:{name, namespace}} of a new object. Caller owns. */
cJSON *store_new_object(enum plane_kind kind, const char *ns, const char *name);
/* Adds an owner reference with controller: true, blockOwnerDeletion: true. */
void store_set_controller(cJSON *obj, const cJSON *owner);
/* The owner reference with controller: true; NULL when none. */
const cJSON *store_controller_of(const cJSON *obj);
bool store_selector_matches(const cJSON *label_selector /* matchLabels/matchExpressions */, const cJSON *labels);
/* An Event about `about`, counted up when the same was said within ten minutes. Kept for an hour. */
void store_event(struct store *s, const char *component, const cJSON *about, bool warning, const char *reason,
                 const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* RFC 3339 of now (wall clock of the world) into buf of at least 32 bytes; returns buf. */
const char *store_now(struct store *s, char *buf);

#endif
