/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "base/world_real.h"
#include "kube/kube.h"
#include "tests/conform/conform.h"

enum { ANSWER_S = 30, EVENTS_MS = 20000 };

struct wire {
    struct world *world;
    struct kube *kube;
    struct kube_access *access;
    struct str prefix; /* of every address */
    CURL *easy;
    /* the watch */
    CURLM *multi;
    CURL *watch;
    struct curl_slist *watch_headers;
    struct str lines; /* not yet told */
    bool ended;
    /* of wire_open() */
    bool is_plane;
    struct err why;
};

static void discovered(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct wire *w = ctx;

    if (err)
        w->why = *err;
    else if (status == 200)
        w->is_plane = strcmp(json_str(obj, "platform", ""), "chfleet-plane") == 0;
    w->world->ops->quit(w->world, 0);
}

struct wire *wire_open(const char *kubeconfig, bool *is_plane, struct err *err)
{
    struct wire *w = mem_zero(sizeof *w);
    struct kube_config *config;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (world_real_new(NULL, &w->world, err) < 0 || kube_config_load(w->world, kubeconfig, &config, err) < 0)
        return NULL;
    w->kube = kube_new(w->world, config, NULL);
    kube_raw(w->kube, "GET", "/version", NULL, NULL, discovered, w);
    world_real_run(w->world);
    if (w->why.kind != ERR_NONE) {
        *err = w->why;
        return NULL;
    }
    if (!(w->access = kube_access_get(w->kube, err)))
        return NULL;
    str_add(&w->prefix, w->access->server);
    w->easy = curl_easy_init();
    w->multi = curl_multi_init();
    *is_plane = w->is_plane;
    return w;
}

void wire_close(struct wire *w)
{
    wire_unwatch(w);
    curl_multi_cleanup(w->multi);
    curl_easy_cleanup(w->easy);
    kube_access_put(w->access);
    kube_free(w->kube);
    world_real_free(w->world);
    str_free(&w->prefix);
    str_free(&w->lines);
    free(w);
    curl_global_cleanup();
}

static size_t add_text(char *data, size_t size, size_t n, void *ctx)
{
    str_addn(ctx, data, size * n);
    return size * n;
}

static void set_blob(CURL *easy, CURLoption option, const char *text)
{
    struct curl_blob blob = {(void *)text, text ? strlen(text) : 0, CURL_BLOB_COPY};

    if (text)
        curl_easy_setopt(easy, option, &blob);
}

static struct curl_slist *prepare(struct wire *w, CURL *easy, const struct wire_request *req)
{
    const struct http_tls *tls = w->access->tls;
    auto_free char *url = mem_printf("%s%s", w->prefix.s, req->path);
    auto_free char *accept = mem_printf("Accept: %s", req->accept ? req->accept : "application/json");
    auto_free char *type = mem_printf("Content-Type: %s", req->type ? req->type : "application/json");
    struct curl_slist *headers = curl_slist_append(NULL, accept);

    headers = curl_slist_append(curl_slist_append(headers, type), "Expect:");
    for (const char *const *h = w->access->headers; *h; h++)
        headers = curl_slist_append(headers, *h);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, add_text);
    if (req->body)
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, req->body);
    set_blob(easy, CURLOPT_CAINFO_BLOB, tls->ca);
    set_blob(easy, CURLOPT_SSLCERT_BLOB, tls->cert);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, tls->key);
    return headers;
}

void wire_send(struct wire *w, const struct wire_request *req, struct wire_answer *out)
{
    struct curl_slist *headers;
    long status = 0;
    CURLcode rc;

    *out = (struct wire_answer){0, STR_INIT, STR_INIT, NULL};
    curl_easy_reset(w->easy); /* keeps its connection */
    headers = prepare(w, w->easy, req);
    curl_easy_setopt(w->easy, CURLOPT_TIMEOUT, (long)ANSWER_S);
    curl_easy_setopt(w->easy, CURLOPT_WRITEDATA, &out->text);
    curl_easy_setopt(w->easy, CURLOPT_HEADERFUNCTION, add_text);
    curl_easy_setopt(w->easy, CURLOPT_HEADERDATA, &out->headers);
    rc = curl_easy_perform(w->easy);
    curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (rc != CURLE_OK) {
        str_reset(&out->text);
        str_addf(&out->text, "no answer: %s", curl_easy_strerror(rc));
        return;
    }
    out->status = (int)status;
    out->body = json_parse(str_text(&out->text), out->text.len, NULL);
}

void wire_answer_free(struct wire_answer *a)
{
    cJSON_Delete(a->body);
    str_free(&a->headers);
    str_free(&a->text);
    *a = (struct wire_answer){0, STR_INIT, STR_INIT, NULL};
}

/* ---- watch ---- */

void wire_unwatch(struct wire *w)
{
    if (!w->watch)
        return;
    curl_multi_remove_handle(w->multi, w->watch);
    curl_easy_cleanup(w->watch);
    curl_slist_free_all(w->watch_headers);
    w->watch = NULL;
}

void wire_watch(struct wire *w, const char *path)
{
    wire_unwatch(w);
    str_reset(&w->lines);
    w->ended = false;
    w->watch = curl_easy_init();
    w->watch_headers = prepare(w, w->watch, &(struct wire_request){.method = "GET", .path = path});
    curl_easy_setopt(w->watch, CURLOPT_WRITEDATA, &w->lines);
    curl_multi_add_handle(w->multi, w->watch);
}

static bool is_bookmark(const cJSON *event)
{
    return strcmp(json_str(event, "type", ""), "BOOKMARK") == 0;
}

/* Takes whole lines out of what has come. */
static void take_events(struct wire *w, cJSON *out)
{
    const char *from = str_text(&w->lines), *nl;
    cJSON *events = json_get(out, "events"), *marks = json_get(out, "bookmarks");

    for (; (nl = strchr(from, '\n')); from = nl + 1) {
        cJSON *event = json_parse(from, (size_t)(nl - from), NULL);

        if (event)
            cJSON_AddItemToArray(is_bookmark(event) ? marks : events, event);
    }
    auto_free char *rest = mem_str(from);

    str_reset(&w->lines);
    str_add(&w->lines, rest);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

cJSON *wire_events(struct wire *w, int n)
{
    cJSON *out = cJSON_CreateObject(), *events = json_set_arr(out, "events");
    uint64_t end = now_ms() + EVENTS_MS;
    long status = 0;

    json_set_arr(out, "bookmarks");
    while (now_ms() < end && w->watch && !w->ended) {
        int running = 0, left;

        curl_multi_perform(w->multi, &running);
        w->ended = curl_multi_info_read(w->multi, &left) != NULL;
        take_events(w, out);
        if (n >= 0 && cJSON_GetArraySize(events) >= n)
            break;
        if (!w->ended)
            curl_multi_poll(w->multi, NULL, 0, 200, NULL);
    }
    if (w->watch)
        curl_easy_getinfo(w->watch, CURLINFO_RESPONSE_CODE, &status);
    json_set_int(out, "status", status);
    json_set_bool(out, "ended", w->ended);
    return out;
}
