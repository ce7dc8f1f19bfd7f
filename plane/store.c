/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "plane/store_priv.h"

enum { HISTORY_PER_KIND = 2000, HISTORY_BYTES = 3 << 20, RETRY_MS = 1000 };

/* ---- object versions ---- */

struct object *object_ref(struct object *o)
{
    if (o)
        o->refs++;
    return o;
}

void object_unref(struct store *s, struct object *o)
{
    if (!o || --o->refs)
        return;
    if (o->counted)
        s->history_bytes -= o->text_len;
    cJSON_Delete(o->json);
    free(o->text);
    free(o->key);
    free(o);
}

const cJSON *object_json(struct object *o)
{
    if (!o->json)
        o->json = json_parse(o->text, o->text_len, NULL);
    return o->json;
}

const char *object_text(struct object *o)
{
    if (!o->text) {
        o->text = json_print(o->json);
        o->text_len = strlen(o->text);
    }
    return o->text;
}

/* Keeps one form only: the tree of what is current, the text of what was. */
static void object_pack(struct store *s, struct object *o)
{
    if (!o)
        return;
    if (o->current) {
        if (o->json) {
            free(o->text);
            o->text = NULL;
        }
        return;
    }
    object_text(o);
    cJSON_Delete(o->json);
    o->json = NULL;
    if (!o->counted) {
        o->counted = true;
        s->history_bytes += o->text_len;
    }
}

static struct object *object_new(enum plane_kind kind, cJSON *json)
{
    struct object *o = mem_zero(sizeof *o);
    char key[600];

    store_key(key, sizeof key, json_ns(json), json_name(json));
    o->refs = 1;
    o->kind = kind;
    o->key = mem_str(key);
    o->json = json;
    o->rv = strtoull(json_rv(json), NULL, 10);
    return o;
}

/* ---- index ---- */

void store_key(char *buf, size_t size, const char *ns, const char *name)
{
    snprintf(buf, size, "%s/%s", ns ? ns : "", name);
}

/* The place of the first key >= key. */
static size_t lower_bound(const struct kind_store *k, const char *key)
{
    size_t lo = 0, hi = k->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (strcmp(k->v[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct object *store_find(struct store *s, enum plane_kind kind, const char *ns, const char *name)
{
    struct kind_store *k = &s->kinds[kind];
    char key[600];
    size_t i;

    store_key(key, sizeof key, plane_kind_namespaced(kind) ? ns : "", name);
    i = lower_bound(k, key);
    return i < k->n && strcmp(k->v[i]->key, key) == 0 ? k->v[i] : NULL;
}

void store_range(struct store *s, enum plane_kind kind, const char *ns, size_t *from, size_t *to)
{
    struct kind_store *k = &s->kinds[kind];
    char key[600];

    *from = 0;
    *to = k->n;
    if (!ns || !plane_kind_namespaced(kind))
        return;
    snprintf(key, sizeof key, "%s/", ns);
    *from = lower_bound(k, key);
    snprintf(key, sizeof key, "%s0", ns); /* '0' follows '/' */
    *to = lower_bound(k, key);
}

static void uid_grow(struct store *s);

static size_t uid_slot(const struct store *s, const char *uid)
{
    size_t i = hash_fnv64(uid, strlen(uid)) & (s->uid_cap - 1);

    while (s->uids[i] && strcmp(json_uid(s->uids[i]->json), uid) != 0)
        i = (i + 1) & (s->uid_cap - 1);
    return i;
}

static void uid_put(struct store *s, struct object *o)
{
    size_t i;

    if (s->uid_used * 2 >= s->uid_cap)
        uid_grow(s);
    i = uid_slot(s, json_uid(o->json));
    s->uid_used += !s->uids[i];
    s->uids[i] = o;
}

static void uid_grow(struct store *s)
{
    struct object **old = s->uids;
    size_t n = s->uid_cap;

    s->uid_cap = n ? n * 2 : 256;
    s->uids = mem_array(s->uid_cap, sizeof *s->uids);
    s->uid_used = 0;
    for (size_t i = 0; i < n; i++)
        if (old[i])
            uid_put(s, old[i]);
    free(old);
}

/* Takes out and moves up what was pushed behind it. */
static void uid_drop(struct store *s, const char *uid)
{
    size_t i = uid_slot(s, uid);

    if (!s->uids[i])
        return;
    s->uids[i] = NULL;
    s->uid_used--;
    for (size_t k = (i + 1) & (s->uid_cap - 1); s->uids[k]; k = (k + 1) & (s->uid_cap - 1)) {
        struct object *o = s->uids[k];

        s->uids[k] = NULL;
        s->uids[uid_slot(s, json_uid(o->json))] = o;
    }
}

struct object *store_by_uid(struct store *s, const char *uid)
{
    return *uid && s->uid_cap ? s->uids[uid_slot(s, uid)] : NULL;
}

static void index_insert(struct kind_store *k, struct object *o)
{
    size_t i = lower_bound(k, o->key);

    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 16;
        k->v = mem_grow(k->v, k->cap, sizeof *k->v);
    }
    memmove(k->v + i + 1, k->v + i, (k->n - i) * sizeof *k->v);
    k->v[i] = o;
    k->n++;
}

/* ---- rounds: commit, then tell ---- */

static void round_cb(void *ctx)
{
    struct store *s = ctx;
    struct err err = ERR_INIT;

    s->round_timer = NULL;
    store_flush(s, &err);
}

static void wake_round(struct store *s, uint64_t ms)
{
    if (!s->round_timer)
        s->round_timer = world_timer(s->w, ms, round_cb, s);
}

static void log_change(struct store *s, enum plane_kind kind, enum store_change what, struct object *obj,
                       struct object *old)
{
    struct kind_store *k = &s->kinds[kind];

    if (k->log_n == k->log_cap) {
        k->log_cap = k->log_cap ? k->log_cap * 2 : 32;
        k->log = mem_grow(k->log, k->log_cap, sizeof *k->log);
    }
    k->log[k->log_n++] = (struct change){what, obj->rv, object_ref(obj), object_ref(old)};
    wake_round(s, s->disk_failed ? RETRY_MS : 0);
}

static void mark_dirty(struct store *s, struct object *o)
{
    if (o->dirty)
        return;
    o->dirty = true;
    if (s->dirty_n == s->dirty_cap) {
        s->dirty_cap = s->dirty_cap ? s->dirty_cap * 2 : 32;
        s->dirty = mem_grow(s->dirty, s->dirty_cap, sizeof *s->dirty);
    }
    s->dirty[s->dirty_n++] = (struct dirty_key){o->kind, mem_str(o->key)};
}

bool store_is_dirty(const struct store *s)
{
    return s->dirty_n > 0;
}

static void set_rv(struct store *s, cJSON *json)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, ++s->rv);
    json_set_str(json_need_obj(json, "metadata"), "resourceVersion", text);
}

void store_load(struct store *s, enum plane_kind kind, cJSON *takes)
{
    struct object *o = object_new(kind, takes);

    o->current = true;
    index_insert(&s->kinds[kind], o);
    uid_put(s, o);
}

void store_put(struct store *s, enum plane_kind kind, cJSON *takes, struct object *old)
{
    struct kind_store *k = &s->kinds[kind];
    struct object *o;

    set_rv(s, takes);
    o = object_new(kind, takes);
    o->current = true;
    if (old) {
        k->v[lower_bound(k, o->key)] = o;
        old->current = false;
        o->dirty = old->dirty;
    } else {
        index_insert(k, o);
    }
    uid_put(s, o);
    mark_dirty(s, o);
    log_change(s, kind, old ? STORE_CHANGED : STORE_ADDED, o, old);
    object_unref(s, old);
}

void store_remove(struct store *s, struct object *o)
{
    struct kind_store *k = &s->kinds[o->kind];
    size_t i = lower_bound(k, o->key);
    cJSON *last = json_copy(o->json);
    struct object *gone;

    memmove(k->v + i, k->v + i + 1, (k->n - i - 1) * sizeof *k->v);
    k->n--;
    uid_drop(s, json_uid(o->json));
    o->current = false;
    mark_dirty(s, o);
    set_rv(s, last);
    gone = object_new(o->kind, last);
    log_change(s, o->kind, STORE_GONE, gone, o);
    object_unref(s, gone);
    object_unref(s, o);
    gc_wake(s);
}

static int commit(struct store *s, struct err *err)
{
    struct err why = ERR_INIT;

    if (s->dirty_n && s->db && store_db_commit(s->db, s, &why) < 0) {
        if (!s->disk_failed)
            log_error(NULL, "%s; new writes are refused, it is tried again every second", why.msg);
        s->disk_failed = true;
        wake_round(s, RETRY_MS);
        if (err)
            *err = why;
        return -1;
    }
    if (s->disk_failed)
        log_note(NULL, "the object store can be written again");
    s->disk_failed = false;
    for (size_t i = 0; i < s->dirty_n; i++) {
        struct kind_store *k = &s->kinds[s->dirty[i].kind];
        size_t at = lower_bound(k, s->dirty[i].key);

        if (at < k->n && strcmp(k->v[at]->key, s->dirty[i].key) == 0)
            k->v[at]->dirty = false;
        free(s->dirty[i].key);
    }
    s->dirty_n = 0;
    for (int i = 0; i < PK_KINDS; i++)
        s->kinds[i].ready = s->kinds[i].log_first + s->kinds[i].log_n;
    return 0;
}

/* The first list of a new subscriber. */
static void tell_first(struct store_sub *sub)
{
    struct store *s = sub->store;
    struct kind_store *k = &s->kinds[sub->kind];
    size_t n = k->n;
    struct object **v = mem_array(n, sizeof *v);

    sub->fresh = false;
    sub->cursor = k->log_first + k->log_n;
    for (size_t i = 0; i < n; i++)
        v[i] = object_ref(k->v[i]);
    for (size_t i = 0; i < n; i++) {
        if (!sub->dead)
            sub->fn(sub->ctx, STORE_ADDED, NULL, object_json(v[i]));
        object_unref(s, v[i]);
    }
    free(v);
    if (!sub->dead)
        sub->fn(sub->ctx, STORE_SYNCED, NULL, NULL);
}

static bool tell_one(struct store_sub *sub)
{
    struct store *s = sub->store;
    struct kind_store *k = &s->kinds[sub->kind];
    struct change c;

    if (sub->dead)
        return false;
    if (sub->fresh) {
        tell_first(sub);
        return true;
    }
    if (sub->cursor >= k->ready)
        return false;
    c = k->log[sub->cursor++ - k->log_first];
    if (sub->listen)
        sub->listen(sub->ctx, &c);
    else
        sub->fn(sub->ctx, c.what, c.old && c.what != STORE_GONE ? object_json(c.old) : NULL, object_json(c.obj));
    return true;
}

static void forget_oldest(struct store *s, struct kind_store *k, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        k->lost_rv = k->log[i].rv;
        object_unref(s, k->log[i].obj);
        object_unref(s, k->log[i].old);
    }
    memmove(k->log, k->log + n, (k->log_n - n) * sizeof *k->log);
    k->log_n -= n;
    k->log_first += n;
}

static void trim_history(struct store *s)
{
    for (int i = 0; i < PK_KINDS; i++) {
        struct kind_store *k = &s->kinds[i];

        for (; k->packed < k->ready; k->packed++) {
            object_pack(s, k->log[k->packed - k->log_first].old);
            object_pack(s, k->log[k->packed - k->log_first].obj);
        }
        if (k->packed - k->log_first > HISTORY_PER_KIND)
            forget_oldest(s, k, (size_t)(k->packed - k->log_first) - HISTORY_PER_KIND / 2);
    }
    while (s->history_bytes > HISTORY_BYTES) {
        struct kind_store *most = NULL;

        for (int i = 0; i < PK_KINDS; i++)
            if (s->kinds[i].packed > s->kinds[i].log_first && (!most || s->kinds[i].log_n > most->log_n))
                most = &s->kinds[i];
        if (!most)
            break;
        forget_oldest(s, most, (size_t)(most->packed - most->log_first + 3) / 4);
    }
}

static void bury_subs(struct store *s)
{
    struct store_sub **p = &s->subs;

    while (*p) {
        struct store_sub *sub = *p;

        if (!sub->dead) {
            p = &sub->next;
            continue;
        }
        *p = sub->next;
        free(sub);
    }
}

int store_flush(struct store *s, struct err *err)
{
    bool again = true;

    if (commit(s, err) < 0)
        return -1;
    if (s->delivering)
        return 0;
    s->delivering = true;
    while (again) {
        again = false;
        for (struct store_sub *sub = s->subs; sub; sub = sub->next)
            while (tell_one(sub))
                again = true;
    }
    s->delivering = false;
    bury_subs(s);
    trim_history(s);
    return 0;
}

/* ---- subscriptions ---- */

static struct store_sub *sub_new(struct store *s, enum plane_kind kind, void *ctx)
{
    struct store_sub *sub = mem_zero(sizeof *sub), **p = &s->subs;

    sub->store = s;
    sub->kind = kind;
    sub->ctx = ctx;
    while (*p)
        p = &(*p)->next;
    *p = sub;
    return sub;
}

struct store_sub *store_subscribe(struct store *s, enum plane_kind kind, store_change_fn *fn, void *ctx)
{
    struct store_sub *sub = sub_new(s, kind, ctx);

    sub->fn = fn;
    sub->fresh = true;
    wake_round(s, 0);
    return sub;
}

struct store_sub *store_listen(struct store *s, enum plane_kind kind, uint64_t rv, store_listen_fn *fn, void *ctx)
{
    struct kind_store *k = &s->kinds[kind];
    struct store_sub *sub;
    size_t i = k->log_n;

    if (rv < k->lost_rv)
        return NULL;
    while (i > 0 && k->log[i - 1].rv > rv)
        i--;
    sub = sub_new(s, kind, ctx);
    sub->listen = fn;
    sub->cursor = k->log_first + i;
    wake_round(s, 0);
    return sub;
}

void store_unsubscribe(struct store_sub *sub)
{
    if (!sub)
        return;
    sub->dead = true;
    if (!sub->store->delivering)
        bury_subs(sub->store);
}

/* ---- life ---- */

int store_open(struct world *w, const char *path, struct store **out, struct err *err)
{
    static const char *const first[] = {"default", "kube-system"};
    struct store *s = mem_zero(sizeof *s);

    s->w = w;
    s->rv = 1;
    uid_grow(s);
    if (strcmp(path, ":memory:") != 0 && (store_db_open(path, &s->db, err) < 0 || store_db_load(s->db, s, err) < 0)) {
        store_close(s);
        return -1;
    }
    for (int i = 0; i < PK_KINDS; i++)
        s->kinds[i].lost_rv = s->rv;
    for (int i = 0; i < 2; i++)
        if (!store_find(s, PK_NS, NULL, first[i]) &&
            store_create(s, PK_NS, store_new_object(PK_NS, NULL, first[i]), STORE_SYSTEM, NULL, err) < 0) {
            store_close(s);
            return -1;
        }
    gc_start(s);
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    struct err err = ERR_INIT;

    if (!s)
        return;
    for (struct store_sub *sub = s->subs; sub; sub = sub->next)
        sub->dead = true;
    if (s->dirty_n)
        store_flush(s, &err);
    bury_subs(s);
    world_timer_stop(s->w, &s->round_timer);
    world_timer_stop(s->w, &s->gc_timer);
    world_timer_stop(s->w, &s->expiry_timer);
    for (int i = 0; i < PK_KINDS; i++) {
        struct kind_store *k = &s->kinds[i];

        forget_oldest(s, k, k->log_n);
        for (size_t j = 0; j < k->n; j++)
            object_unref(s, k->v[j]);
        free(k->v);
        free(k->log);
    }
    for (size_t i = 0; i < s->dirty_n; i++)
        free(s->dirty[i].key);
    free(s->dirty);
    free(s->uids);
    object_unref(s, s->dry);
    field_errs_free(&s->errs);
    str_free(&s->dropped);
    store_db_close(s->db);
    free(s);
}

uint64_t store_rv(const struct store *s)
{
    return s->rv;
}

/* ---- reading ---- */

const cJSON *store_get(struct store *s, enum plane_kind kind, const char *ns, const char *name)
{
    struct object *o = store_find(s, kind, ns, name);

    return o ? o->json : NULL;
}

size_t store_count(const struct store *s, enum plane_kind kind)
{
    return s->kinds[kind].n;
}

int store_each(struct store *s, enum plane_kind kind, const char *ns, const char *labels,
               int (*fn)(void *ctx, const cJSON *obj), void *ctx)
{
    struct selector *sel;
    struct err err = ERR_INIT;
    size_t from, to, n = 0;
    struct object **v;
    int rc = 0;

    if (selector_labels(labels, &sel, &err) < 0) {
        log_error(NULL, "a controller asked with a selector that cannot be read: %s", err.msg);
        return 0;
    }
    store_range(s, kind, ns, &from, &to);
    v = mem_array(to - from, sizeof *v);
    for (size_t i = from; i < to; i++)
        if (selector_match_labels(sel, s->kinds[kind].v[i]->json))
            v[n++] = object_ref(s->kinds[kind].v[i]);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0 && v[i]->current)
            rc = fn(ctx, object_json(v[i]));
        object_unref(s, v[i]);
    }
    free(v);
    selector_free(sel);
    return rc;
}

/* ---- time ---- */

const char *store_now(struct store *s, char *buf)
{
    time_t t = (time_t)(world_wall(s->w) / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return buf;
}

