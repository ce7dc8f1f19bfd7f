/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watch caches: LIST (paged), then WATCH from its resourceVersion, for ever. Three rules keep a cache right whatever
 * the order in which things arrive:
 *  - an object is replaced only by a newer version (resourceVersions of one kind are numbers that grow);
 *  - an object that a list does not show is gone only if the list is newer than what we have;
 *  - nothing that the watch has already seen going is revived by an older version, be it the answer to our own write or
 *    an event out of order.
 * A watch that is silent for longer than bookmarks allow is taken for half-closed and made anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/impl.h"

enum {
    WATCH_S = 300,    /* the server ends a watch between this and twice this */
    IDLE_MS = 100000, /* bookmarks come once a minute */
    AGAIN_MS = 50,
    BACKOFF_MS = 500,
    BACKOFF_MAX_MS = 30000,
    GOOD_MS = 20000, /* a watch that lived so long was a good one: no back-off after it */
    LINE_MAX = 16 << 20,
    STALE_LISTS = 5,
    GRAVES = 128, /* ends that are remembered */
    STUCK = 4,    /* failures in a row after which the list is read again */
};

struct entry {
    const cJSON *obj;      /* kept */
    const char *ns, *name; /* inside obj */
    uint64_t rv;
    unsigned seen; /* the last list that showed it */
};

struct grave {
    uint64_t key, rv;
};

struct kube_cache {
    struct kube *k;
    struct world *w;
    enum kube_kind kind;
    char *ns, *selector, *what;
    kube_compact_fn *compact;
    kube_change_fn *on_change;
    void *ctx;
    struct entry *entries; /* in order of ns, name */
    size_t n, cap;
    struct kube_call *call;
    struct world_timer *timer;
    struct str line; /* the begun line of the watch */
    uint64_t rv;     /* the watch goes on from here */
    uint64_t list_rv, alive_ms, watch_ms;
    struct grave graves[GRAVES]; /* a ring */
    unsigned grave_at;
    unsigned generation, failures, list_failures; /* failures: of the watch, in a row */
    bool synced, relist, told, stopped;
    bool stale;         /* the list being read is older than what we know */
    bool force;         /* … and it has been so often that the server must have been set back: believe it */
    unsigned busy;      /* inside callbacks: stop waits */
    struct err problem; /* why the cache lags now */
    struct err ended;   /* what the server said in the running watch before it ended it */
    struct kube_cache **parts; /* of several namespaces: one cache for each, and none of the above but whom to tell */
    size_t n_parts;
};

static void begin(struct kube_cache *c);

/* ---- the table ---- */

static int compare(const struct entry *e, const char *ns, const char *name)
{
    int rc = strcmp(e->ns, ns);

    return rc ? rc : strcmp(e->name, name);
}

/* Where ns/name is, or would be. */
static size_t locate(const struct kube_cache *c, const char *ns, const char *name, bool *found)
{
    size_t low = 0, high = c->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int rc = compare(&c->entries[mid], ns, name);

        if (rc == 0) {
            *found = true;
            return mid;
        }
        if (rc < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = false;
    return low;
}

static void entry_set(struct entry *e, const cJSON *obj, unsigned seen)
{
    e->obj = obj;
    e->ns = json_ns(obj);
    e->name = json_name(obj);
    e->rv = strtoull(json_rv(obj), NULL, 10);
    e->seen = seen;
}

static void notify(struct kube_cache *c, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    if (!c->stopped)
        c->on_change(c->ctx, what, old, obj);
}

static uint64_t grave_key(const cJSON *obj)
{
    const char *ns = json_ns(obj), *name = json_name(obj);

    return hash_fnv64(ns, strlen(ns)) * 31 + hash_fnv64(name, strlen(name));
}

static void bury(struct kube_cache *c, const cJSON *obj, uint64_t rv)
{
    struct grave *g = &c->graves[c->grave_at++ % GRAVES];

    g->key = grave_key(obj);
    g->rv = rv;
}

static bool is_buried(const struct kube_cache *c, const cJSON *obj, uint64_t rv)
{
    uint64_t key = grave_key(obj);

    for (size_t i = 0; i < GRAVES; i++)
        if (c->graves[i].key == key && c->graves[i].rv >= rv)
            return true;
    return false;
}

static void drop_at(struct kube_cache *c, size_t i, const cJSON *last)
{
    const cJSON *old = c->entries[i].obj;

    memmove(c->entries + i, c->entries + i + 1, (c->n - i - 1) * sizeof *c->entries);
    c->n--;
    notify(c, KUBE_GONE, old, last ? last : old);
    json_keep_no_more(old);
}

static void insert_at(struct kube_cache *c, size_t i, const cJSON *obj)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->entries = mem_grow(c->entries, c->cap, sizeof *c->entries);
    }
    memmove(c->entries + i + 1, c->entries + i, (c->n - i) * sizeof *c->entries);
    c->n++;
    entry_set(&c->entries[i], obj, c->generation);
    notify(c, KUBE_ADDED, NULL, obj);
}

static void prepare(struct kube_cache *c, cJSON *obj)
{
    cJSON_DeleteItemFromObjectCaseSensitive(json_get(obj, "metadata"), "managedFields");
    if (c->compact)
        c->compact(obj);
}

/* Takes fresh. `since`: what is absent here and not newer than this is known to be gone. */
static void store(struct kube_cache *c, cJSON *fresh, uint64_t since)
{
    uint64_t rv = strtoull(json_rv(fresh), NULL, 10);
    const cJSON *obj;
    bool found;
    size_t i = locate(c, json_ns(fresh), json_name(fresh), &found);

    if (found ? rv <= c->entries[i].rv && (!c->force || rv == c->entries[i].rv)
              : rv <= since || is_buried(c, fresh, rv)) {
        if (found)
            c->entries[i].seen = c->generation;
        cJSON_Delete(fresh);
        return;
    }
    prepare(c, fresh);
    obj = json_keep(fresh);
    if (found && !str_eq(json_uid(obj), json_uid(c->entries[i].obj))) {
        drop_at(c, i, NULL);
        i = locate(c, json_ns(obj), json_name(obj), &found); /* the callback may have put others */
    }
    if (!found) {
        insert_at(c, i, obj);
        return;
    }
    const cJSON *old = c->entries[i].obj;

    entry_set(&c->entries[i], obj, c->generation);
    notify(c, KUBE_CHANGED, old, obj);
    json_keep_no_more(old);
}

static void remove_object(struct kube_cache *c, cJSON *last)
{
    bool found;
    size_t i = locate(c, json_ns(last), json_name(last), &found);

    bury(c, last, strtoull(json_rv(last), NULL, 10));
    /* A newer one of that name, known from our own write, outlives the news of the former one's end. */
    if (found && c->entries[i].rv <= strtoull(json_rv(last), NULL, 10)) {
        prepare(c, last);
        drop_at(c, i, last);
    }
}

/* What the complete list did not show is gone, unless we know it from a write after the list. */
static void sweep(struct kube_cache *c)
{
    for (size_t i = 0; i < c->n && !c->stopped;) {
        if (c->entries[i].seen != c->generation && (c->force || c->entries[i].rv <= c->list_rv))
            drop_at(c, i, NULL);
        else
            i++;
    }
}

/* ---- life ---- */

static void alive(struct kube_cache *c)
{
    c->alive_ms = world_mono(c->w);
}

static void cache_free(struct kube_cache *c)
{
    for (size_t i = 0; i < c->n; i++)
        json_keep_no_more(c->entries[i].obj);
    free(c->entries);
    str_free(&c->line);
    free(c->ns);
    free(c->selector);
    free(c->what);
    free(c);
}

static void enter(struct kube_cache *c)
{
    c->busy++;
}

/* True: it was stopped by a callback and is gone now. */
static bool leave(struct kube_cache *c)
{
    if (--c->busy || !c->stopped)
        return c->stopped;
    cache_free(c);
    return true;
}

static void stop_parts(struct kube_cache *c)
{
    for (size_t i = 0; i < c->n_parts; i++)
        kube_watch_stop(c->parts[i]);
    free(c->parts);
    free(c);
}

void kube_watch_stop(struct kube_cache *c)
{
    if (c->parts) {
        stop_parts(c);
        return;
    }
    c->stopped = true;
    if (c->call)
        kube_cancel(c->call);
    c->call = NULL;
    world_timer_stop(c->w, &c->timer);
    if (!c->busy)
        cache_free(c);
}

static void on_timer(void *ctx)
{
    struct kube_cache *c = ctx;

    c->timer = NULL;
    begin(c);
}

static void again_in(struct kube_cache *c, uint64_t ms)
{
    world_timer_stop(c->w, &c->timer);
    c->timer = world_timer(c->w, ms, on_timer, c);
}

static void failed(struct kube_cache *c, const struct err *err, unsigned *count)
{
    uint64_t wait = (uint64_t)BACKOFF_MS << (*count < 6 ? *count : 6);

    if ((*count)++ && !c->told && err->kind != ERR_AGAIN) {
        log_warn(NULL, "watch of %s: %s", c->what, err->msg); /* once; until it works again */
        c->told = true;
    }
    c->problem = *err;
    again_in(c, kube_jitter(c->k, wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS));
}

static void works(struct kube_cache *c)
{
    if (c->told)
        log_note(NULL, "watch of %s works again", c->what);
    c->told = false;
    c->failures = 0;
    c->problem = (struct err)ERR_INIT;
}

/* ---- list ---- */

static void on_page(void *ctx, cJSON *items, const char *rv)
{
    struct kube_cache *c = ctx;

    alive(c);
    c->list_rv = strtoull(rv, NULL, 10);
    if (!items) {
        c->generation++; /* what earlier pages showed proves nothing now */
        return;
    }
    c->stale = c->list_rv < c->rv && !c->force;
    if (c->stale)
        return;
    enter(c);
    while (items->child && !c->stopped)
        store(c, cJSON_DetachItemViaPointer(items, items->child), 0);
    leave(c);
}

/* A list from the past (a server that lags) would bring back what is gone. One that stays in the past is a server that
 * was restored from a backup. */
static void list_is_stale(struct kube_cache *c)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_AGAIN, 0, "the list shows version %llu, %llu was seen already", (unsigned long long)c->list_rv,
            (unsigned long long)c->rv);
    c->force = c->list_failures >= STALE_LISTS;
    failed(c, &err, &c->list_failures);
}

static void on_list_done(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct kube_cache *c = ctx;

    (void)status;
    (void)obj;
    c->call = NULL;
    if (err) {
        failed(c, err, &c->list_failures);
        return;
    }
    if (c->stale) {
        list_is_stale(c);
        return;
    }
    c->list_failures = 0;
    if (c->failures == 0)
        works(c);
    alive(c);
    enter(c);
    sweep(c);
    c->rv = c->list_rv;
    c->relist = c->force = false;
    if (!c->synced && !c->stopped) {
        c->synced = true;
        notify(c, KUBE_SYNCED, NULL, NULL);
    }
    if (!leave(c))
        begin(c);
}

/* ---- watch ---- */

static void on_error_event(struct kube_cache *c, const cJSON *status)
{
    struct err err = ERR_INIT;
    int64_t code = json_int(status, "code", 0);

    if (code == 410) {
        c->relist = true; /* the history that we would continue is compacted */
        return;
    }
    err_set(&err, ERR_AGAIN, (int)code, "%s", json_str(status, "message", "the server gave no reason"));
    c->ended = err;
}

static void on_event(struct kube_cache *c, cJSON *event)
{
    const char *type = json_str(event, "type", "");
    auto_json cJSON *obj = cJSON_DetachItemFromObjectCaseSensitive(event, "object");
    uint64_t rv = strtoull(json_rv(obj), NULL, 10);

    if (str_eq(type, "ERROR")) {
        on_error_event(c, obj);
        return;
    }
    works(c);
    alive(c);
    if (rv > c->rv)
        c->rv = rv;
    if (str_eq(type, "DELETED")) {
        remove_object(c, obj);
    } else if (str_eq(type, "ADDED") || str_eq(type, "MODIFIED")) {
        store(c, obj, c->list_rv);
        obj = NULL;
    }
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct kube_cache *c = ctx;
    struct err err = ERR_INIT;
    size_t at = 0;

    str_addn(&c->line, data, len);
    enter(c);
    while (!c->stopped) {
        const char *from = c->line.s + at, *end = memchr(from, '\n', c->line.len - at);

        if (!end)
            break;
        auto_json cJSON *event = json_parse(from, (size_t)(end - from), &err);

        at = (size_t)(end - c->line.s) + 1;
        if (cJSON_IsObject(json_get(event, "object")))
            on_event(c, event);
    }
    if (at == c->line.len)
        str_free(&c->line);
    else if (at)
        str_cut(&c->line, at);
    if (!leave(c) && c->line.len > LINE_MAX && c->call) {
        kube_cancel(c->call);
        c->call = NULL;
        err_set(&err, ERR_AGAIN, 0, "an event is longer than %d MiB", LINE_MAX >> 20);
        c->relist = true;
        failed(c, &err, &c->failures);
    }
}

static void on_watch_done(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct kube_cache *c = ctx;
    bool lived = world_mono(c->w) - c->watch_ms >= GOOD_MS;
    struct err why = ERR_INIT;

    (void)obj;
    c->call = NULL;
    str_free(&c->line);
    if (status == 410)
        c->relist = true;
    if (c->relist && c->failures++ == 0) {
        again_in(c, kube_jitter(c->k, AGAIN_MS)); /* the history was compacted: an ordinary thing, once */
        return;
    }
    if (lived && !c->relist && (status == 200 || status == 0)) {
        works(c); /* its time was over, or its connection: the next one begins where this one ended */
        again_in(c, kube_jitter(c->k, AGAIN_MS));
        return;
    }
    if (err)
        why = *err;
    else
        err_set(&why, ERR_AGAIN, 0, "the server ended the watch at once");
    if (c->ended.kind != ERR_NONE)
        err_set(&why, why.kind, status, "%s (HTTP %d)", c->ended.msg, status);
    failed(c, &why, &c->failures);
    if (c->failures % STUCK == 0)
        c->relist = true;
}

static void watch_begin(struct kube_cache *c)
{
    auto_str struct str path = STR_INIT;
    auto_free char *base = kube_path(c->kind, c->ns, NULL);
    struct call_spec spec = {.method = "GET",
                             .what = c->what,
                             .flags = CALL_STREAM | CALL_SINGLE,
                             .idle_ms = IDLE_MS,
                             .on_data = on_data,
                             .done = on_watch_done,
                             .ctx = c};

    str_addf(&path, "%s?watch=true&allowWatchBookmarks=true&resourceVersion=%llu&timeoutSeconds=%u", base,
             (unsigned long long)c->rv, WATCH_S + (unsigned)(c->w->ops->random(c->w) % WATCH_S));
    if (c->selector) {
        str_add(&path, "&labelSelector=");
        kube_url_add(&path, c->selector);
    }
    spec.path = str_text(&path);
    c->watch_ms = world_mono(c->w);
    c->ended = (struct err)ERR_INIT;
    c->call = kube_call_start(c->k, &spec);
}

static void begin(struct kube_cache *c)
{
    if (!c->relist) {
        watch_begin(c);
        return;
    }
    c->generation++;
    c->call = kube_list_pages(c->k, c->kind, c->ns, c->selector, on_page, on_list_done, c);
}

/* ---- what users see ---- */

struct kube_cache *kube_watch(struct kube *k, enum kube_kind kind, const char *ns, const char *label_selector,
                              kube_compact_fn *compact, kube_change_fn *on_change, void *ctx)
{
    struct kube_cache *c = mem_zero(sizeof *c);

    c->k = k;
    c->w = kube_world(k);
    c->kind = kind;
    c->ns = mem_str(ns);
    c->selector = mem_str(label_selector);
    c->what = kube_what(kind, ns, NULL);
    c->compact = compact;
    c->on_change = on_change;
    c->ctx = ctx;
    c->relist = true;
    alive(c);
    begin(c);
    return c;
}

/* Nothing of `whole` is touched after its callback: that may have stopped it. */
static void part_changed(void *ctx, enum kube_change what, const cJSON *old, const cJSON *obj)
{
    struct kube_cache *whole = ctx;

    if (what != KUBE_SYNCED || kube_cache_synced(whole))
        whole->on_change(whole->ctx, what, old, obj);
}

struct kube_cache *kube_watch_several(struct kube *k, enum kube_kind kind, const char *const *namespaces, const char *label_selector,
                                      kube_compact_fn *compact, kube_change_fn *on_change, void *ctx)
{
    struct kube_cache *c = mem_zero(sizeof *c);

    while (namespaces[c->n_parts])
        c->n_parts++;
    c->k = k;
    c->w = kube_world(k);
    c->on_change = on_change;
    c->ctx = ctx;
    c->parts = mem_array(c->n_parts, sizeof *c->parts);
    for (size_t i = 0; i < c->n_parts; i++)
        c->parts[i] = kube_watch(k, kind, namespaces[i], label_selector, compact, part_changed, c);
    return c;
}

static struct kube_cache *part_of(const struct kube_cache *c, const char *ns)
{
    for (size_t i = 0; i < c->n_parts; i++)
        if (str_eq(c->parts[i]->ns, ns))
            return c->parts[i];
    return NULL;
}

bool kube_cache_synced(const struct kube_cache *c)
{
    for (size_t i = 0; i < c->n_parts; i++)
        if (!c->parts[i]->synced)
            return false;
    return c->parts ? true : c->synced;
}

uint64_t kube_cache_age_ms(const struct kube_cache *c)
{
    uint64_t oldest = c->parts ? 0 : world_mono(c->w) - c->alive_ms;

    for (size_t i = 0; i < c->n_parts; i++)
        if (kube_cache_age_ms(c->parts[i]) > oldest)
            oldest = kube_cache_age_ms(c->parts[i]);
    return oldest;
}

const struct err *kube_cache_problem(const struct kube_cache *c)
{
    for (size_t i = 0; i < c->n_parts; i++)
        if (kube_cache_problem(c->parts[i]))
            return kube_cache_problem(c->parts[i]);
    return c->parts || c->problem.kind == ERR_NONE ? NULL : &c->problem;
}

size_t kube_cache_size(const struct kube_cache *c)
{
    size_t n = c->n;

    for (size_t i = 0; i < c->n_parts; i++)
        n += c->parts[i]->n;
    return n;
}

const cJSON *kube_cache_get(const struct kube_cache *c, const char *ns, const char *name)
{
    const struct kube_cache *in = c->parts ? part_of(c, ns) : c;
    bool found = false;
    size_t i = in ? locate(in, ns ? ns : "", name, &found) : 0;

    return found ? in->entries[i].obj : NULL;
}

int kube_cache_each(const struct kube_cache *c, int (*fn)(void *ctx, const cJSON *obj), void *ctx)
{
    int rc = 0;

    for (size_t i = 0; i < c->n_parts && rc == 0; i++)
        rc = kube_cache_each(c->parts[i], fn, ctx);
    for (size_t i = 0; i < c->n && rc == 0; i++)
        rc = fn(ctx, c->entries[i].obj);
    return rc;
}

int kube_cache_each_ending(const struct kube_cache *c, const char *ns, const char *suffix,
                           int (*fn)(void *ctx, const cJSON *obj), void *ctx)
{
    const struct kube_cache *in = c->parts ? part_of(c, ns) : c;
    int rc = 0;

    for (size_t i = 0; in && i < in->n && rc == 0; i++)
        if (strcmp(in->entries[i].ns, ns) == 0 && str_ends(in->entries[i].name, suffix))
            rc = fn(ctx, in->entries[i].obj);
    return rc;
}

void kube_cache_put(struct kube_cache *c, const cJSON *obj)
{
    struct kube_cache *in = c->parts ? part_of(c, json_ns(obj)) : c;

    if (!in || !*json_rv(obj) || !*json_name(obj) || in->stopped)
        return;
    enter(in);
    store(in, json_copy(obj), in->rv);
    leave(in);
}

void kube_cache_missing(struct kube_cache *c, const char *ns, const char *name, const char *list_rv)
{
    struct kube_cache *in = c->parts ? part_of(c, ns) : c;
    uint64_t rv = strtoull(list_rv, NULL, 10);
    bool found;
    size_t i;

    if (!in || in->stopped || !rv)
        return;
    i = locate(in, ns, name, &found);
    if (!found || in->entries[i].rv > rv)
        return;
    bury(in, in->entries[i].obj, rv);
    enter(in);
    drop_at(in, i, NULL);
    leave(in);
}
