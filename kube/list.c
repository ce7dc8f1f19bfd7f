/* SPDX-License-Identifier: Apache-2.0 */
/* Paged LIST. A continue token that has expired (410) begins the list again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/impl.h"

enum { PAGE = 500, PAGE_MS = 60000, RESTARTS = 3 };

struct pages {
    struct kube *k;
    struct kube_call *outer, *call;
    enum kube_kind kind;
    char *ns, *selector, *next;
    unsigned restarts;
    char rv[64]; /* of the first page: the state that all pages show */
    bool *gone;  /* set while page() runs: it may cancel us */
    kube_page_fn *page;
    kube_done_fn *done;
    void *ctx;
};

static void pages_free(void *ctx)
{
    struct pages *p = ctx;

    if (p->gone)
        *p->gone = true;
    if (p->call)
        kube_cancel(p->call);
    free(p->ns);
    free(p->selector);
    free(p->next);
    free(p);
}

static void ask_page(struct pages *p);

static void pages_end(struct pages *p, int status, const cJSON *obj, const struct err *err)
{
    kube_done_fn *done = p->done;
    void *ctx = p->ctx;
    struct err copy = ERR_INIT;

    if (err)
        copy = *err;
    kube_call_unwrap(p->outer);
    pages_free(p);
    done(ctx, status, obj, err ? &copy : NULL);
}

/* Items of a list come without kind and apiVersion where the list's own say it. */
static void name_kinds(enum kube_kind kind, cJSON *items)
{
    const struct kube_kind_info *info = kube_kind_info(kind);
    auto_free char *version = mem_printf("%s%s%s", info->group, *info->group ? "/" : "", info->version);
    cJSON *item;

    cJSON_ArrayForEach(item, items)
    {
        if (json_get(item, "kind"))
            continue;
        json_set_str(item, "apiVersion", version);
        json_set_str(item, "kind", info->kind);
    }
}

/* False: the list was cancelled by its user. */
static bool hand_over(struct pages *p, cJSON *items, const char *rv)
{
    bool gone = false;

    p->gone = &gone;
    p->page(p->ctx, items, rv);
    if (!gone)
        p->gone = NULL;
    return !gone;
}

static void on_page(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct pages *p = ctx;
    cJSON *items = (cJSON *)json_get(obj, "items"); /* ours to change: it dies with this call */
    const char *next = json_str(obj, "metadata.continue", "");
    struct err bad = ERR_INIT;

    p->call = NULL;
    if (status == 410 && p->next && p->restarts++ < RESTARTS) {
        free(p->next);
        p->next = NULL;
        if (hand_over(p, NULL, ""))
            ask_page(p);
        return;
    }
    if (err) {
        pages_end(p, status, obj, err);
        return;
    }
    if (!cJSON_IsArray(items) && !cJSON_IsNull(items)) {
        err_set(&bad, ERR_AGAIN, status, "GET %s: the answer is not a list", kube_kind_info(p->kind)->plural);
        pages_end(p, status, NULL, &bad);
        return;
    }
    if (!p->next)
        snprintf(p->rv, sizeof p->rv, "%s", json_rv(obj));
    free(p->next);
    p->next = *next ? mem_str(next) : NULL;
    if (cJSON_IsArray(items)) {
        name_kinds(p->kind, items);
        if (!hand_over(p, items, p->rv))
            return;
    }
    if (p->next)
        ask_page(p);
    else
        pages_end(p, status, obj, NULL);
}

static void ask_page(struct pages *p)
{
    auto_str struct str path = STR_INIT;
    auto_free char *base = kube_path(p->kind, p->ns, NULL), *what = kube_what(p->kind, p->ns, NULL);
    struct call_spec spec = {.method = "GET", .what = what, .total_ms = PAGE_MS, .done = on_page, .ctx = p};

    str_addf(&path, "%s?limit=%d", base, PAGE);
    if (p->selector) {
        str_add(&path, "&labelSelector=");
        kube_url_add(&path, p->selector);
    }
    if (p->next) {
        str_add(&path, "&continue=");
        kube_url_add(&path, p->next);
    }
    spec.path = str_text(&path);
    p->call = kube_call_start(p->k, &spec);
}

struct kube_call *kube_list_pages(struct kube *k, enum kube_kind kind, const char *ns, const char *label_selector,
                                  kube_page_fn *page, kube_done_fn *done, void *ctx)
{
    struct pages *p = mem_zero(sizeof *p);

    p->k = k;
    p->kind = kind;
    p->ns = mem_str(ns);
    p->selector = mem_str(label_selector);
    p->page = page;
    p->done = done;
    p->ctx = ctx;
    p->outer = kube_call_wrap(k, pages_free, p);
    ask_page(p);
    return p->outer;
}

/* ---- the whole list at once ---- */

struct whole {
    struct kube_call *outer, *call;
    cJSON *list;
    kube_done_fn *done;
    void *ctx;
};

static void whole_free(void *ctx)
{
    struct whole *l = ctx;

    if (l->call)
        kube_cancel(l->call);
    cJSON_Delete(l->list);
    free(l);
}

static void on_whole_page(void *ctx, cJSON *items, const char *rv)
{
    struct whole *l = ctx;
    cJSON *all = json_get(l->list, "items");

    if (!items) {
        json_set_arr(l->list, "items");
        return;
    }
    json_set_str(json_get(l->list, "metadata"), "resourceVersion", rv);
    while (items->child)
        cJSON_AddItemToArray(all, cJSON_DetachItemViaPointer(items, items->child));
}

static void on_whole_done(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct whole *l = ctx;
    kube_done_fn *done = l->done;
    void *done_ctx = l->ctx;
    auto_json cJSON *list = l->list;

    l->list = NULL;
    l->call = NULL;
    kube_call_unwrap(l->outer);
    whole_free(l);
    done(done_ctx, status, err ? obj : list, err);
}

struct kube_call *kube_list(struct kube *k, enum kube_kind kind, const char *ns, const char *label_selector,
                            kube_done_fn *done, void *ctx)
{
    struct whole *l = mem_zero(sizeof *l);

    l->done = done;
    l->ctx = ctx;
    l->list = cJSON_CreateObject();
    json_set_str(l->list, "apiVersion", "v1");
    json_set_str(l->list, "kind", "List");
    json_set_obj(l->list, "metadata");
    json_set_arr(l->list, "items");
    l->outer = kube_call_wrap(k, whole_free, l);
    l->call = kube_list_pages(k, kind, ns, label_selector, on_whole_page, on_whole_done, l);
    return l->outer;
}
