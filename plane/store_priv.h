/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the store; for store*.c, gc.c and api*.c (which need versions and history). */
#ifndef PLANE_STORE_PRIV_H
#define PLANE_STORE_PRIV_H

#include "plane/rules.h"
#include "plane/selector.h"
#include "plane/store.h"

struct store_db;

/* One version of one object. What is current lives as a tree; what only the history holds, as text. */
struct object {
    unsigned refs;
    enum plane_kind kind;
    bool current;
    bool counted; /* in history_bytes */
    bool dirty;   /* on the list for the next commit */
    uint64_t rv;
    char *key; /* "ns/name"; "/name" for cluster kinds */
    cJSON *json;
    char *text;
    size_t text_len;
};

struct change {
    enum store_change what;
    uint64_t rv;
    struct object *obj, *old; /* old NULL when added */
};

struct kind_store {
    struct object **v; /* sorted by key */
    size_t n, cap;
    struct change *log;
    size_t log_n, log_cap;
    uint64_t log_first; /* number of log[0] since the start */
    uint64_t ready;     /* changes below this number are durable and may be told */
    uint64_t packed;    /* changes below this number were told and are kept as text */
    uint64_t lost_rv;   /* changes up to this resourceVersion are no longer in the log */
};

struct dirty_key {
    enum plane_kind kind;
    char *key;
};

typedef void store_listen_fn(void *ctx, const struct change *c);

struct store_sub {
    struct store_sub *next;
    struct store *store;
    enum plane_kind kind;
    uint64_t cursor;
    bool fresh; /* still has to get the first list */
    bool dead;
    store_listen_fn *listen;
    store_change_fn *fn;
    void *ctx;
};

struct store {
    struct world *w;
    struct store_db *db; /* NULL for :memory: */
    uint64_t rv;
    struct kind_store kinds[PK_KINDS];
    struct store_sub *subs;
    struct world_timer *round_timer, *gc_timer, *expiry_timer;
    bool delivering, disk_failed;
    struct dirty_key *dirty;
    size_t dirty_n, dirty_cap;
    struct object **uids; /* open addressing by metadata.uid */
    size_t uid_cap, uid_used;
    size_t history_bytes;
    struct object *dry; /* answer of the last dry run */
    struct store_why why;
    struct field_errs errs; /* owns why.causes */
    struct str dropped;     /* unknown fields of the last write, one a line */
};

enum {
    STORE_STRICT = 256,  /* unknown fields are refused */
    STORE_FROM_GC = 512, /* finalizers of the garbage collector may change */
};

/* ---- store.c ---- */
void store_key(char *buf, size_t size, const char *ns, const char *name);
struct object *store_find(struct store *s, enum plane_kind kind, const char *ns, const char *name);
struct object *store_by_uid(struct store *s, const char *uid);
const cJSON *object_json(struct object *o); /* parses packed text; dies with the object */
const char *object_text(struct object *o);
struct object *object_ref(struct object *o);
void object_unref(struct store *s, struct object *o);
void store_put(struct store *s, enum plane_kind kind, cJSON *takes,
               struct object *old); /* new version; old NULL = added */
void store_remove(struct store *s, struct object *o);
void store_load(struct store *s, enum plane_kind kind, cJSON *takes); /* at start: no change is told */
/* Changes of `kind` after `rv`, in order, from the loop. NULL: the history no longer reaches back to rv. */
struct store_sub *store_listen(struct store *s, enum plane_kind kind, uint64_t rv, store_listen_fn *fn, void *ctx);
/* Objects of a kind in a namespace (NULL = all): [*from, *to) of kinds[kind].v. */
void store_range(struct store *s, enum plane_kind kind, const char *ns, size_t *from, size_t *to);
bool store_is_dirty(const struct store *s);

/* ---- store_write.c ---- */
int store_fail(struct store *s, int code, const char *reason, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
const char *store_dropped(const struct store *s);
bool is_deleting(const cJSON *obj);
void store_finish_if_released(struct store *s, enum plane_kind kind, struct object *o);

/* ---- store_db.c ---- */
int store_db_open(const char *path, struct store_db **out, struct err *err);
int store_db_load(struct store_db *db, struct store *s, struct err *err);
int store_db_commit(struct store_db *db, struct store *s, struct err *err);
void store_db_close(struct store_db *db);

/* ---- gc.c ---- */
void gc_wake(struct store *s);
void gc_look_at(struct store *s, const cJSON *obj); /* wakes when obj gives it work */
void gc_start(struct store *s);

#endif
