/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: changes after a resourceVersion, as lines of JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/api_priv.h"

enum { BOOKMARK_MS = 30000, DEFAULT_TIMEOUT_S = 1800 };

struct api_watch {
    struct api_watch *next;
    struct api_call call; /* own copies of everything it needs: see keep_call() */
    struct api_request req;
    struct api_response res;
    char *path, *query, *accept;
    struct selector *labels, *fields;
    struct store_sub *sub;
    struct world_timer *end_timer, *mark_timer, *start_timer;
    uint64_t from_rv;
    bool list_first, bookmarks, end_mark, columns_sent, dead;
    api_emit_fn *emit;
    void (*done)(void *ctx);
    void *ctx;
};

static void send_event(struct api_watch *w, const char *type, const char *object)
{
    auto_str struct str line = STR_INIT;

    str_addf(&line, "{\"type\":\"%s\",\"object\":", type);
    str_add(&line, object);
    str_add(&line, "}\n");
    w->emit(w->ctx, line.s, line.len);
}

static void send_object(struct api_watch *w, const char *type, const cJSON *obj)
{
    auto_str struct str text = STR_INIT;

    object_in_form(&w->call, obj, !w->columns_sent, &text);
    w->columns_sent = true;
    send_event(w, type, str_text(&text));
}

static bool matches(const struct api_watch *w, const cJSON *obj)
{
    return (!w->call.ns || strcmp(w->call.ns, json_ns(obj)) == 0) &&
           (!w->call.name || strcmp(w->call.name, json_name(obj)) == 0) && selector_match_labels(w->labels, obj) &&
           selector_match_fields(w->fields, obj);
}

/* An object that begins or ends to match is added or gone for this watch, whatever really happened to it. */
static void on_change(void *ctx, const struct change *c)
{
    struct api_watch *w = ctx;
    const cJSON *obj = object_json(c->obj), *old = c->old ? object_json(c->old) : NULL;
    bool was, is;

    if (w->dead)
        return;
    if (w->call.ns && strcmp(w->call.ns, json_ns(obj)) != 0)
        return;
    was = old && matches(w, old);
    is = c->what != STORE_GONE && matches(w, obj);
    if (is)
        send_object(w, was ? "MODIFIED" : "ADDED", obj);
    else if (was)
        send_object(w, "DELETED", obj);
}

static void send_bookmark(struct api_watch *w, bool end_of_list)
{
    const struct plane_kind_info *info = plane_kind(w->call.kind);
    auto_str struct str text = STR_INIT;
    char version[128];

    plane_kind_api_version(w->call.kind, version, sizeof version);
    if (w->call.form == FORM_TABLE)
        str_add(&text, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else if (w->call.form == FORM_METADATA)
        str_add(&text, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else
        str_addf(&text, "{\"kind\":\"%s\",\"apiVersion\":\"%s\"", info->kind,
                 w->call.events_v1 ? "events.k8s.io/v1" : version);
    str_addf(&text, ",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\",\"creationTimestamp\":null%s}",
             store_rv(w->call.a->store),
             end_of_list ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    if (w->call.form == FORM_TABLE)
        str_add(&text, ",\"columnDefinitions\":[],\"rows\":[]");
    str_addc(&text, '}');
    send_event(w, "BOOKMARK", str_text(&text));
}

static void finish(struct api_watch *w)
{
    void (*done)(void *) = w->done;
    void *ctx = w->ctx;

    api_watch_close(w);
    done(ctx);
}

static void on_end(void *ctx)
{
    struct api_watch *w = ctx;

    w->end_timer = NULL;
    if (w->bookmarks && !store_is_dirty(w->call.a->store))
        send_bookmark(w, false);
    finish(w);
}

static void on_mark(void *ctx)
{
    struct api_watch *w = ctx;

    /* Only when nothing is on its way: a bookmark says that everything up to it was told. */
    w->mark_timer = world_timer(w->call.a->w, BOOKMARK_MS, on_mark, w);
    if (!store_is_dirty(w->call.a->store))
        send_bookmark(w, false);
}

static void send_list(struct api_watch *w)
{
    struct store *s = w->call.a->store;
    size_t from, to;

    store_range(s, w->call.kind, w->call.ns, &from, &to);
    for (size_t i = from; i < to; i++)
        if (matches(w, s->kinds[w->call.kind].v[i]->json))
            send_object(w, "ADDED", s->kinds[w->call.kind].v[i]->json);
    if (w->end_mark)
        send_bookmark(w, true);
}

static void send_expired(struct api_watch *w)
{
    struct api_response res = {0};

    api_fail(&res, 410, "Expired", "too old resource version: %" PRIu64 " (%" PRIu64 "): list again", w->from_rv,
             w->call.a->store->kinds[w->call.kind].lost_rv);
    res.body.s[res.body.len - 1] = '\0'; /* the newline */
    send_event(w, "ERROR", str_text(&res.body));
    api_response_free(&res);
}

static void on_start(void *ctx)
{
    struct api_watch *w = ctx;
    struct store *s = w->call.a->store;

    w->start_timer = NULL;
    if (store_flush(s, NULL) < 0) { /* the list must not show what may be lost */
        w->start_timer = world_timer(w->call.a->w, 200, on_start, w);
        return;
    }
    if (w->list_first) {
        send_list(w);
        w->from_rv = store_rv(s);
    }
    if (w->from_rv <= store_rv(s))
        w->sub = store_listen(s, w->call.kind, w->from_rv, on_change, w);
    if (!w->sub) {
        send_expired(w);
        finish(w);
        return;
    }
    if (w->bookmarks)
        w->mark_timer = world_timer(w->call.a->w, BOOKMARK_MS, on_mark, w);
}

/* The request's texts are borrowed: the watch keeps copies and parses them again. */
static int keep_call(struct api_watch *w, struct api *a, const struct api_request *req)
{
    int first;

    w->path = mem_str(req->path);
    w->query = mem_str(req->query);
    w->accept = mem_str(req->accept);
    w->req = (struct api_request){.method = "GET", .path = w->path, .query = w->query, .accept = w->accept, .user = ""};
    if (call_parse(&w->call, a, &w->req, &w->res) < 0 || w->call.segs < 3)
        return -1;
    first = strcmp(w->call.seg[0], "api") == 0 ? 2 : 3;
    w->call.group = first == 2 ? "" : w->call.seg[1];
    w->call.version = w->call.seg[first - 1];
    if (call_route(&w->call, first) < 0)
        return -1;
    return call_selectors(&w->call, &w->labels, &w->fields);
}

static void set_options(struct api_watch *w)
{
    const char *rv = call_param(&w->call, "resourceVersion"), *timeout = call_param(&w->call, "timeoutSeconds");
    int64_t seconds = timeout ? strtoll(timeout, NULL, 10) : 0;
    bool initial = call_flag(&w->call, "sendInitialEvents");

    w->bookmarks = call_flag(&w->call, "allowWatchBookmarks");
    w->from_rv = rv ? strtoull(rv, NULL, 10) : 0;
    w->list_first = initial || (w->from_rv == 0 && !call_param(&w->call, "sendInitialEvents"));
    if (!w->list_first && w->from_rv == 0)
        w->from_rv = store_rv(w->call.a->store);
    w->end_mark = initial && w->bookmarks;
    if (seconds <= 0)
        seconds = DEFAULT_TIMEOUT_S + (int64_t)(w->call.a->w->ops->random(w->call.a->w) % DEFAULT_TIMEOUT_S);
    w->end_timer = world_timer(w->call.a->w, (uint64_t)seconds * 1000, on_end, w);
}

struct api_watch *api_watch_open(struct api *a, const struct api_request *req, api_emit_fn *emit,
                                 void (*done)(void *ctx), void *ctx)
{
    struct api_watch *w = mem_zero(sizeof *w);

    w->emit = emit;
    w->done = done;
    w->ctx = ctx;
    w->next = a->watches;
    w->call.a = a;
    if (keep_call(w, a, req) < 0) {
        a->watches = w;
        api_watch_close(w);
        return NULL;
    }
    a->watches = w;
    set_options(w);
    w->start_timer = world_timer(a->w, 0, on_start, w);
    return w;
}

void api_watch_close(struct api_watch *w)
{
    struct api_watch **p;

    if (!w)
        return;
    w->dead = true;
    for (p = &w->call.a->watches; *p && *p != w; p = &(*p)->next)
        ;
    if (*p)
        *p = w->next;
    store_unsubscribe(w->sub);
    world_timer_stop(w->call.a->w, &w->end_timer);
    world_timer_stop(w->call.a->w, &w->mark_timer);
    world_timer_stop(w->call.a->w, &w->start_timer);
    selector_free(w->labels);
    selector_free(w->fields);
    call_free(&w->call);
    api_response_free(&w->res);
    free(w->path);
    free(w->query);
    free(w->accept);
    free(w);
}

void api_free(struct api *a)
{
    if (!a)
        return;
    while (a->watches)
        api_watch_close(a->watches);
    free(a);
}
