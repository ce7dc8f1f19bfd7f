/* SPDX-License-Identifier: Apache-2.0 */
/* What goes because something else went: dependents of owners, content of namespaces, old events. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "plane/store_priv.h"

enum { EVENT_LIFE_S = 3600, EXPIRY_MS = 60000 };

static bool has_finalizer(const cJSON *obj, const char *name)
{
    return json_has(json_at(obj, "metadata.finalizers"), name);
}

static void drop_finalizer(struct store *s, struct object *o, const char *name)
{
    cJSON *obj = json_copy(o->json), *list = json_at(obj, "metadata.finalizers"), *f;

    cJSON_ArrayForEach(f, list)
        if (str_eq(f->valuestring, name)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, f));
            break;
        }
    store_update(s, o->kind, obj, STORE_SYSTEM | STORE_FROM_GC, NULL, NULL);
}

static struct object *owner_of(struct store *s, const cJSON *ref, const cJSON *dependent)
{
    struct object *o = store_by_uid(s, json_str(ref, "uid", ""));

    if (!o || (*json_ns(o->json) && strcmp(json_ns(o->json), json_ns(dependent)) != 0))
        return NULL;
    return o;
}

static void set_owners(struct store *s, struct object *o, cJSON *takes_list)
{
    cJSON *obj = json_copy(o->json), *meta = json_get(obj, "metadata");

    cJSON_DeleteItemFromObjectCaseSensitive(meta, "ownerReferences");
    if (takes_list->child)
        json_set(meta, "ownerReferences", takes_list);
    else
        cJSON_Delete(takes_list);
    store_update(s, o->kind, obj, STORE_SYSTEM | STORE_FROM_GC, NULL, NULL);
    gc_wake(s); /* an owner may have waited for this one */
}

/* The usual case, cheap: every owner is there and stays. */
static bool all_owners_stay(struct store *s, const cJSON *obj)
{
    const cJSON *ref;

    cJSON_ArrayForEach(ref, json_at(obj, "metadata.ownerReferences")) {
        struct object *owner = owner_of(s, ref, obj);

        if (!owner || is_deleting(owner->json))
            return false;
    }
    return true;
}

void gc_look_at(struct store *s, const cJSON *obj)
{
    if (is_deleting(obj) || !all_owners_stay(s, obj))
        gc_wake(s);
}

/* An object with owners: references to owners that let it go or are gone are dropped; when all owners are gone, it
 * goes. */
static void judge_dependent(struct store *s, struct object *o)
{
    const cJSON *refs = json_at(o->json, "metadata.ownerReferences"), *ref;
    cJSON *left = cJSON_CreateArray();
    bool orphaned = false, foreground = false, changed = false, solid = false;
    struct store_delete d = {.grace_s = -1};

    cJSON_ArrayForEach(ref, refs) {
        struct object *owner = owner_of(s, ref, o->json);
        bool leaves = owner && is_deleting(owner->json);

        if (leaves && has_finalizer(owner->json, "orphan")) {
            orphaned = changed = true;
            continue;
        }
        if (!owner) {
            changed = true;
            continue;
        }
        if (leaves && has_finalizer(owner->json, "foregroundDeletion"))
            foreground = true;
        else
            solid = true;
        cJSON_AddItemToArray(left, json_copy(ref));
    }
    if (solid || orphaned) {
        if (changed)
            set_owners(s, o, left);
        else
            cJSON_Delete(left);
        return;
    }
    cJSON_Delete(left);
    if (is_deleting(o->json))
        return;
    d.uid = json_uid(o->json);
    d.propagation = foreground ? "Foreground" : "Background";
    store_delete(s, o->kind, json_ns(o->json), json_name(o->json), &d, NULL, NULL, NULL);
}

static bool blocks(const cJSON *obj, const char *owner_uid)
{
    const cJSON *ref;

    cJSON_ArrayForEach(ref, json_at(obj, "metadata.ownerReferences"))
        if (strcmp(json_str(ref, "uid", ""), owner_uid) == 0)
            return json_bool(ref, "blockOwnerDeletion", false);
    return false;
}

static bool refers(const cJSON *obj, const char *owner_uid)
{
    const cJSON *ref;

    cJSON_ArrayForEach(ref, json_at(obj, "metadata.ownerReferences"))
        if (strcmp(json_str(ref, "uid", ""), owner_uid) == 0)
            return true;
    return false;
}

static bool any_dependent(struct store *s, const char *uid, bool blocking_only)
{
    for (int k = 0; k < PK_KINDS; k++)
        for (size_t i = 0; i < s->kinds[k].n; i++) {
            const cJSON *obj = s->kinds[k].v[i]->json;

            if (blocking_only ? blocks(obj, uid) : refers(obj, uid))
                return true;
        }
    return false;
}

/* An owner on its way out lets go of "orphan" and "foregroundDeletion" when its dependents are settled. */
static void judge_owner(struct store *s, struct object *o)
{
    if (has_finalizer(o->json, "orphan") && !any_dependent(s, json_uid(o->json), false))
        drop_finalizer(s, o, "orphan");
    else if (has_finalizer(o->json, "foregroundDeletion") && !any_dependent(s, json_uid(o->json), true))
        drop_finalizer(s, o, "foregroundDeletion");
}

/* A namespace goes when nothing is left in it. */
static void judge_namespace(struct store *s, struct object *o)
{
    auto_free char *ns = mem_str(json_name(o->json));
    size_t left = 0, from, to;

    for (int k = 0; k < PK_KINDS; k++) {
        if (!plane_kind_namespaced((enum plane_kind)k))
            continue;
        store_range(s, (enum plane_kind)k, ns, &from, &to);
        for (size_t i = to; i > from; i--) { /* from the end: a deletion moves what is behind it */
            struct object *c = s->kinds[k].v[i - 1];

            if (!is_deleting(c->json))
                store_delete(s, c->kind, ns, json_name(c->json), NULL, NULL, NULL, NULL);
        }
        store_range(s, (enum plane_kind)k, ns, &from, &to);
        left += to - from;
    }
    if (left == 0 && cJSON_GetArraySize(json_at(o->json, "metadata.finalizers")) == 0)
        store_remove(s, o);
}

static struct object **all_of_interest(struct store *s, size_t *n)
{
    struct object **v = NULL;
    size_t cap = 0;

    *n = 0;
    for (int k = 0; k < PK_KINDS; k++)
        for (size_t i = 0; i < s->kinds[k].n; i++) {
            const cJSON *meta = json_get(s->kinds[k].v[i]->json, "metadata");

            if (!json_get(meta, "ownerReferences") && !json_get(meta, "deletionTimestamp"))
                continue;
            if (*n == cap) {
                cap = cap ? cap * 2 : 64;
                v = mem_grow(v, cap, sizeof *v);
            }
            v[(*n)++] = object_ref(s->kinds[k].v[i]);
        }
    return v;
}

static void gc_round(void *ctx)
{
    struct store *s = ctx;
    size_t n;
    struct object **v;

    s->gc_timer = NULL;
    v = all_of_interest(s, &n);
    for (size_t i = 0; i < n; i++) {
        if (v[i]->current && !all_owners_stay(s, v[i]->json))
            judge_dependent(s, v[i]);
        if (v[i]->current && is_deleting(v[i]->json))
            judge_owner(s, v[i]);
        if (v[i]->current && v[i]->kind == PK_NS && is_deleting(v[i]->json))
            judge_namespace(s, v[i]);
        object_unref(s, v[i]);
    }
    free(v);
}

void gc_wake(struct store *s)
{
    if (!s->gc_timer)
        s->gc_timer = world_timer(s->w, 0, gc_round, s);
}

/* ---- events ---- */

static const char *event_time(const cJSON *e)
{
    const char *t = json_str(e, "series.lastObservedTime", NULL);

    if (!t)
        t = json_str(e, "lastTimestamp", NULL);
    if (!t)
        t = json_str(e, "eventTime", NULL);
    return t ? t : json_str(e, "metadata.creationTimestamp", "");
}

static void expire(void *ctx)
{
    struct store *s = ctx;
    struct kind_store *k = &s->kinds[PK_EVENT];
    time_t t = (time_t)(world_wall(s->w) / 1000) - EVENT_LIFE_S;
    struct tm tm;
    char limit[32];

    gmtime_r(&t, &tm);
    strftime(limit, sizeof limit, "%Y-%m-%dT%H:%M:%S", &tm);
    for (size_t i = k->n; i > 0; i--)
        if (strncmp(event_time(k->v[i - 1]->json), limit, 19) < 0)
            store_remove(s, k->v[i - 1]);
    s->expiry_timer = world_timer(s->w, EXPIRY_MS, expire, s);
}

void gc_start(struct store *s)
{
    s->expiry_timer = world_timer(s->w, EXPIRY_MS, expire, s);
    gc_wake(s);
}

static cJSON *new_event(struct store *s, const char *component, const cJSON *about, const char *name)
{
    const char *ns = *json_ns(about) ? json_ns(about) : "default";
    cJSON *e = store_new_object(PK_EVENT, ns, name), *ref = json_set_obj(e, "involvedObject");
    char now[32];

    json_set_str(ref, "apiVersion", json_str(about, "apiVersion", NULL));
    json_set_str(ref, "kind", json_str(about, "kind", NULL));
    json_set_str(ref, "name", json_name(about));
    if (*json_ns(about))
        json_set_str(ref, "namespace", json_ns(about));
    json_set_str(ref, "uid", json_uid(about));
    json_set_str(ref, "resourceVersion", json_rv(about));
    json_set_str(json_set_obj(e, "source"), "component", component);
    json_set_str(e, "reportingComponent", component);
    json_set_str(e, "reportingInstance", "");
    json_set_str(e, "firstTimestamp", store_now(s, now));
    return e;
}

void store_event(struct store *s, const char *component, const cJSON *about, bool warning, const char *reason,
                 const char *fmt, ...)
{
    auto_str struct str id = STR_INIT;
    char text[1024], name[260], now[32];
    const cJSON *have;
    struct err err = ERR_INIT;
    cJSON *e;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    str_addf(&id, "%s %s %s %s", json_uid(about), component, reason, text);
    snprintf(name, sizeof name, "%.200s.%016llx", json_name(about), (unsigned long long)hash_fnv64(id.s, id.len));
    have = store_get(s, PK_EVENT, *json_ns(about) ? json_ns(about) : "default", name);
    e = have ? json_copy(have) : new_event(s, component, about, name);
    json_set_str(e, "type", warning ? "Warning" : "Normal");
    json_set_str(e, "reason", reason);
    json_set_str(e, "message", text);
    json_set_str(e, "lastTimestamp", store_now(s, now));
    json_set_int(e, "count", json_int(have, "count", 0) + 1);
    if ((have ? store_update(s, PK_EVENT, e, STORE_SYSTEM, NULL, &err)
              : store_create(s, PK_EVENT, e, STORE_SYSTEM, NULL, &err)) < 0)
        log_debug(json_name(about), "event %s was not kept: %s", reason, err.msg);
}
