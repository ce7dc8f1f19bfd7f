/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs on resources. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "plane/api_priv.h"
#include "plane/types.h"
#include "schema/fields.h"

/* ---- get, list ---- */

int call_selectors(struct api_call *c, struct selector **labels, struct selector **fields)
{
    struct err err = ERR_INIT;

    *labels = *fields = NULL;
    if (selector_labels(call_param(c, "labelSelector"), labels, &err) == 0) {
        const char *f = call_param(c, "fieldSelector");

        if (c->events_v1 && f && str_starts(f, "regarding."))
            answer_fail(c, 400, "BadRequest", "field label not supported: %s (use involvedObject.* of core events)", f);
        else if (selector_fields(c->kind, f, fields, &err) == 0)
            return 0;
        else
            answer_fail(c, 400, "BadRequest", "%s", err.msg);
    } else {
        answer_fail(c, 400, "BadRequest", "%s", err.msg);
    }
    selector_free(*labels);
    *labels = NULL;
    return -1;
}

/* Parameters that hold a number, if they are there; -1: res has the 400. */
static int check_numbers(struct api_call *c)
{
    static const char *const names[] = {"limit", "resourceVersion", "timeoutSeconds"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = call_param(c, names[i]);

        if (!text || text[strspn(text, "0123456789")] == '\0')
            continue;
        answer_fail(c, 400, "BadRequest", "%s: Invalid value: \"%s\": must be a whole number", names[i], text);
        return -1;
    }
    return 0;
}

struct page {
    int64_t limit; /* 0 = all */
    char *after;   /* key of the last object of the page before, or NULL */
    uint64_t rv;   /* of the first page */
};

/* The token is base64 of "rv key". */
static int page_parse(struct api_call *c, struct page *p)
{
    const char *limit = call_param(c, "limit"), *token = call_param(c, "continue");
    auto_free unsigned char *text = NULL;
    char *end;
    size_t n;

    *p = (struct page){limit ? strtoll(limit, NULL, 10) : 0, NULL, store_rv(c->a->store)};
    if (p->limit < 0)
        p->limit = 0;
    if (!token || !*token)
        return 0;
    text = hash_unbase64(token, &n);
    p->rv = text ? strtoull((char *)text, &end, 10) : 0;
    if (!text || *end != ' ' || !strchr(end, '/')) {
        answer_fail(c, 400, "BadRequest", "continue: this token was not given out by this server");
        return -1;
    }
    if (p->rv < c->a->store->kinds[c->kind].lost_rv) {
        answer_fail(c, 410, "Expired", "the continue token is too old: start the list again from its first page");
        return -1;
    }
    p->after = mem_str(end + 1);
    return 0;
}

/* Of a list by labels or fields nobody says how much is left: clients take the number for one of the whole list. */
static bool is_selected(const struct api_call *c)
{
    const char *labels = call_param(c, "labelSelector"), *fields = call_param(c, "fieldSelector");

    return (labels && *labels) || (fields && *fields);
}

static void list_head(struct api_call *c, const struct page *p, const char *next_key, int64_t left, struct str *out)
{
    const struct plane_kind_info *info = plane_kind(c->kind);
    char version[128];

    plane_kind_api_version(c->kind, version, sizeof version);
    if (c->form == FORM_TABLE)
        str_add(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else if (c->form == FORM_METADATA)
        str_add(out, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else
        str_addf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\"", info->kind,
                 c->events_v1 ? "events.k8s.io/v1" : version);
    str_addf(out, ",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"", p->rv);
    if (next_key) {
        auto_free char *plain = mem_printf("%" PRIu64 " %s", p->rv, next_key);
        auto_free char *token = hash_base64(plain, strlen(plain));

        str_addf(out, ",\"continue\":\"%s\"", token);
        if (!is_selected(c))
            str_addf(out, ",\"remainingItemCount\":%" PRId64, left);
    }
    str_add(out, "}");
    if (c->form == FORM_TABLE) {
        str_add(out, ",\"columnDefinitions\":");
        table_columns(c->kind, out);
    }
    str_add(out, c->form == FORM_TABLE ? ",\"rows\":[" : ",\"items\":[");
}

/* The list says what its items are: built-in kinds do not say it again, custom resources do. */
static void bare_item(struct api_call *c, const cJSON *obj, struct str *out)
{
    auto_json cJSON *v1 = c->events_v1 ? event_to_v1(obj) : NULL, *bare = cJSON_CreateObject();
    const cJSON *whole = v1 ? v1 : obj;
    cJSON *part;

    cJSON_ArrayForEach(part, whole)
        if (strcmp(part->string, "kind") != 0 && strcmp(part->string, "apiVersion") != 0)
            cJSON_AddItemReferenceToObject(bare, part->string, part);
    auto_free char *text = json_print(bare);

    str_add(out, text);
}

static void list_item(struct api_call *c, const cJSON *obj, struct str *out)
{
    if (c->form == FORM_TABLE)
        table_row(c, obj, out);
    else if (c->form == FORM_OBJECT && !(plane_kind(c->kind)->flags & PKF_CUSTOM))
        bare_item(c, obj, out);
    else
        object_in_form(c, obj, false, out);
}

struct listing {
    struct str items;
    int64_t n, left;
    const char *last_key, *next_key;
};

static void collect(struct api_call *c, const struct page *p, const struct selector *labels,
                    const struct selector *fields, struct listing *l)
{
    struct kind_store *k = &c->a->store->kinds[c->kind];
    size_t from, to;

    store_range(c->a->store, c->kind, c->ns, &from, &to);
    for (size_t i = from; i < to; i++) {
        struct object *o = k->v[i];

        if ((p->after && strcmp(o->key, p->after) <= 0) || !selector_match_labels(labels, o->json) ||
            !selector_match_fields(fields, o->json))
            continue;
        if (p->limit && l->n == p->limit) {
            l->next_key = l->last_key;
            l->left++;
            continue;
        }
        if (l->n++)
            str_addc(&l->items, ',');
        list_item(c, o->json, &l->items);
        l->last_key = o->key;
    }
}

static void do_list(struct api_call *c)
{
    struct selector *labels, *fields;
    struct listing l = {STR_INIT, 0, 0, NULL, NULL};
    struct page p;

    if (check_numbers(c) < 0 || page_parse(c, &p) < 0)
        return;
    if (call_selectors(c, &labels, &fields) == 0) {
        collect(c, &p, labels, fields, &l);
        c->res->status = 200;
        c->res->content_type = "application/json";
        list_head(c, &p, l.next_key, l.left, &c->res->body);
        str_addn(&c->res->body, str_text(&l.items), l.items.len);
        str_add(&c->res->body, "]}\n");
        str_free(&l.items);
        selector_free(labels);
        selector_free(fields);
    }
    free(p.after);
}

static const cJSON *need_object(struct api_call *c)
{
    const cJSON *obj = store_get(c->a->store, c->kind, c->ns, c->name);
    const struct plane_kind_info *info = plane_kind(c->kind);

    if (!obj)
        answer_fail(c, 404, "NotFound", "%s%s%s \"%s\" not found", info->plural, *info->group ? "." : "", info->group,
                    c->name);
    return obj;
}

/* ---- create, update ---- */

/* Address and body must name the same thing. */
static int match_body(struct api_call *c, cJSON *obj)
{
    const struct plane_kind_info *info = plane_kind(c->kind);
    const char *kind = json_str(obj, "kind", info->kind), *version = json_str(obj, "apiVersion", NULL);
    char want[128];
    cJSON *meta;

    if (!cJSON_IsObject(obj)) {
        answer_fail(c, 400, "BadRequest", "the body of the request is not an object");
        return -1;
    }
    if ((info->flags & PKF_CUSTOM) && (!json_get(obj, "kind") || !version)) {
        answer_fail(c, 400, "BadRequest", "the body says no %s: a custom resource names its apiVersion and kind",
                    version ? "kind" : "apiVersion");
        return -1;
    }
    plane_kind_api_version(c->kind, want, sizeof want);
    if (c->events_v1)
        snprintf(want, sizeof want, "events.k8s.io/v1");
    if (strcmp(kind, info->kind) != 0 || (version && strcmp(version, want) != 0)) {
        answer_fail(c, 400, "BadRequest", "the body is a %s of %s, the address is that of a %s of %s", kind,
                    version ? version : "(no version)", info->kind, want);
        return -1;
    }
    meta = json_need_obj(obj, "metadata");
    if (c->ns && *json_str(meta, "namespace", c->ns) && strcmp(json_str(meta, "namespace", c->ns), c->ns) != 0) {
        answer_fail(c, 400, "BadRequest",
                    "the namespace of the provided object does not match the namespace sent on the request");
        return -1;
    }
    if (c->name && *json_str(meta, "name", c->name) && strcmp(json_str(meta, "name", c->name), c->name) != 0) {
        answer_fail(c, 400, "BadRequest", "the name of the object (%s) does not match the name on the URL (%s)",
                    json_str(meta, "name", ""), c->name);
        return -1;
    }
    if (c->ns)
        json_set_str(meta, "namespace", c->ns);
    json_set_str(meta, "name", c->name);
    snprintf(c->body_name, sizeof c->body_name, "%s", json_str(meta, "name", ""));
    return 0;
}

static void warn_dropped(struct api_call *c)
{
    const char *mode = call_param(c, "fieldValidation");
    int n = 0;

    if (mode && strcmp(mode, "Warn") != 0)
        return;
    for (const char *p = store_dropped(c->a->store); *p && n++ < 20; p += strcspn(p, "\n"), p += *p == '\n')
        warn(c, "unknown field \"%.*s\"", (int)strcspn(p, "\n"), p);
}

static void answer_written(struct api_call *c, int rc, int status, const cJSON *obj, const struct err *err)
{
    if (rc < 0) {
        answer_store(c, err);
        return;
    }
    warn_dropped(c);
    answer_object(c, status, obj);
}

static bool is_fixed(struct api_call *c)
{
    if (c->kind != PK_CRD)
        return false;
    answer_fail(c, 403, "Forbidden", "chfleet-plane has its custom resources built in and takes no other: %s",
                c->name ? c->name : "");
    return true;
}

/* The object that the body has, as the store keeps it (caller owns); NULL: res is the answer. */
static cJSON *object_in_body(struct api_call *c)
{
    cJSON *obj, *core;

    if (is_fixed(c) || call_body(c, &obj) < 0)
        return NULL;
    if (match_body(c, obj) < 0) {
        cJSON_Delete(obj);
        return NULL;
    }
    if (!c->events_v1)
        return obj;
    core = event_from_v1(obj);
    cJSON_Delete(obj);
    return core;
}

static void do_create(struct api_call *c)
{
    struct err err = ERR_INIT;
    const cJSON *out = NULL;
    cJSON *obj = object_in_body(c);
    int rc;

    if (!obj)
        return;
    if (plane_kind_namespaced(c->kind) && !c->ns) {
        answer_fail(c, 405, "MethodNotAllowed", "create %s in a namespace: POST to …/namespaces/NAME/%s",
                    plane_kind(c->kind)->plural, plane_kind(c->kind)->plural);
        cJSON_Delete(obj);
        return;
    }
    rc = store_create(c->a->store, c->kind, obj, call_write_flags(c), &out, &err);
    answer_written(c, rc, 201, out, &err);
}

static unsigned sub_flags(const struct api_call *c)
{
    return call_write_flags(c) | (c->sub && strcmp(c->sub, "status") == 0 ? STORE_STATUS : 0);
}

static void do_update(struct api_call *c)
{
    struct err err = ERR_INIT;
    const cJSON *out = NULL;
    cJSON *obj = object_in_body(c);
    int rc;

    if (!obj)
        return;
    if ((plane_kind(c->kind)->flags & PKF_CUSTOM) && !*json_rv(obj)) {
        answer_fail(
            c, 422, "Invalid",
            "%s.%s \"%s\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update",
            plane_kind(c->kind)->plural, c->group, c->name);
        cJSON_Delete(obj);
        return;
    }
    rc = store_update(c->a->store, c->kind, obj, sub_flags(c), &out, &err);
    answer_written(c, rc, 200, out, &err);
}

/* ---- patch ---- */

/* The patched object, from the current one; NULL: res is the answer. */
static cJSON *patched(struct api_call *c, const cJSON *old, const cJSON *patch)
{
    const char *type = c->req->content_type ? c->req->content_type : "";
    const char *object_type = c->sub && strcmp(c->sub, "scale") == 0 ? "Scale" : type_of_kind(c->kind);
    cJSON *obj = json_copy(old);
    struct err err = ERR_INIT;
    int rc = 0;

    if (str_starts(type, "application/json-patch+json")) {
        rc = patch_json(&obj, patch, &err);
    } else if (str_starts(type, "application/merge-patch+json")) {
        json_merge_patch(&obj, patch);
    } else if (str_starts(type, "application/strategic-merge-patch+json") && object_type) {
        rc = patch_strategic(&obj, patch, object_type, &err);
    } else {
        answer_fail(c, 415, "UnsupportedMediaType",
                    "patches of the type %s are not served for this kind; use application/merge-patch+json "
                    "or application/json-patch+json",
                    *type ? type : "(none)");
        cJSON_Delete(obj);
        return NULL;
    }
    if (rc == 0 && cJSON_IsObject(obj))
        return obj;
    if (err.sys == 422)
        answer_fail(c, 422, "Invalid", "%s", err.msg);
    else
        answer_fail(c, 400, "BadRequest", "%s", rc < 0 ? err.msg : "the patch does not give an object");
    cJSON_Delete(obj);
    return NULL;
}

static int patch_body(struct api_call *c, cJSON **patch)
{
    struct err err = ERR_INIT;

    *patch = json_parse(c->req->body ? c->req->body : "", c->req->body_len, &err);
    if (*patch)
        return 0;
    answer_fail(c, 400, "BadRequest", "the patch is %s", err.msg);
    return -1;
}

/* A patch that gives what cannot be read is 422, where the same in a PUT or POST is 400. */
static void answer_patched(struct api_call *c, int rc, const cJSON *obj, const struct err *err)
{
    struct field_errs e = FIELD_ERRS_INIT;

    if (rc == 0 || store_why(c->a->store)->code != 400) {
        answer_written(c, rc, 200, obj, err);
        return;
    }
    field_err(&e, "Invalid", "patch", "%s", err->msg);
    answer_invalid(c, e.causes, "%s \"%s\" is invalid: %s", plane_kind(c->kind)->kind, c->name, str_text(&e.text));
    field_errs_free(&e);
}

/* The UID is a field like others to a patch: it may say what it is, and cannot change it. */
static bool keeps_uid(struct api_call *c, const cJSON *obj, const cJSON *old)
{
    const char *uid = json_uid(obj);
    struct field_errs e = FIELD_ERRS_INIT;

    if (!*uid || strcmp(uid, json_uid(old)) == 0)
        return true;
    field_err(&e, "Invalid", "metadata.uid", "\"%s\": field is immutable", uid);
    answer_invalid(c, e.causes, "%s \"%s\" is invalid: %s", plane_kind(c->kind)->kind, c->name, str_text(&e.text));
    field_errs_free(&e);
    return false;
}

static void do_patch(struct api_call *c)
{
    const cJSON *old, *out = NULL;
    auto_json cJSON *patch = NULL, *shown = NULL;
    struct err err = ERR_INIT;
    cJSON *obj;
    int rc;

    if (str_starts(c->req->content_type ? c->req->content_type : "", "application/apply-patch")) {
        answer_fail(c, 415, "UnsupportedMediaType",
                    "chfleet-plane has no server-side apply: use kubectl apply without --server-side");
        return;
    }
    if (patch_body(c, &patch) < 0 || !(old = need_object(c)) || is_fixed(c))
        return;
    shown = c->events_v1 ? event_to_v1(old) : NULL;
    obj = patched(c, shown ? shown : old, patch);
    if (!obj)
        return;
    if (c->events_v1) {
        cJSON *core = event_from_v1(obj);

        cJSON_Delete(obj);
        obj = core;
    }
    if (match_body(c, obj) < 0 || !keeps_uid(c, obj, old)) {
        cJSON_Delete(obj);
        return;
    }
    rc = store_update(c->a->store, c->kind, obj, sub_flags(c), &out, &err);
    answer_patched(c, rc, out, &err);
}

/* ---- delete ---- */

struct delete_call {
    cJSON *body; /* DeleteOptions or NULL; holds the texts */
    struct store_delete opts;
};

static int delete_options(struct api_call *c, struct delete_call *d)
{
    const char *q;

    memset(d, 0, sizeof *d);
    d->opts.grace_s = -1;
    if (c->req->body_len && call_body(c, &d->body) < 0)
        return -1;
    if (d->body && !cJSON_IsObject(d->body)) {
        answer_fail(c, 400, "BadRequest", "the body of a DELETE is a DeleteOptions object");
        cJSON_Delete(d->body);
        return -1;
    }
    d->opts.uid = json_str(d->body, "preconditions.uid", NULL);
    d->opts.rv = json_str(d->body, "preconditions.resourceVersion", NULL);
    d->opts.propagation = json_str(d->body, "propagationPolicy", call_param(c, "propagationPolicy"));
    d->opts.grace_s = json_int(d->body, "gracePeriodSeconds", -1);
    if (d->opts.grace_s < 0 && (q = call_param(c, "gracePeriodSeconds")))
        d->opts.grace_s = strtoll(q, NULL, 10);
    if (!d->opts.propagation && json_bool(d->body, "orphanDependents", false))
        d->opts.propagation = "Orphan";
    if (call_dry_run(c) || json_has(json_get(d->body, "dryRun"), "All"))
        d->opts.flags |= STORE_DRY_RUN;
    return 0;
}

static void answer_deleted(struct api_call *c, const char *uid)
{
    auto_json cJSON *st = cJSON_CreateObject();
    cJSON *d;

    json_set_str(st, "kind", "Status");
    json_set_str(st, "apiVersion", "v1");
    json_set_obj(st, "metadata");
    json_set_str(st, "status", "Success");
    d = json_set_obj(st, "details");
    json_set_str(d, "name", c->name);
    if (*c->group)
        json_set_str(d, "group", c->group);
    json_set_str(d, "kind", plane_kind(c->kind)->plural);
    json_set_str(d, "uid", uid);
    answer_json(c, 200, st);
}

static void do_delete(struct api_call *c)
{
    struct delete_call d;
    struct err err = ERR_INIT;
    const cJSON *last = NULL;
    auto_free char *uid = NULL;
    bool gone = false;

    if (is_fixed(c) || !need_object(c) || delete_options(c, &d) < 0)
        return;
    uid = mem_str(json_uid(need_object(c)));
    if (store_delete(c->a->store, c->kind, c->ns, c->name, &d.opts, &last, &gone, &err) < 0)
        answer_store(c, &err);
    else if (gone && c->kind != PK_POD)
        answer_deleted(c, uid);
    else
        answer_object(c, 200, last);
    cJSON_Delete(d.body);
}

static void delete_matching(struct api_call *c, const struct store_delete *opts, const struct selector *labels,
                            const struct selector *fields)
{
    struct store *s = c->a->store;
    struct object **v;
    size_t from, to, n = 0;

    store_range(s, c->kind, c->ns, &from, &to);
    v = mem_array(to - from, sizeof *v);
    for (size_t i = from; i < to; i++)
        if (selector_match_labels(labels, s->kinds[c->kind].v[i]->json) &&
            selector_match_fields(fields, s->kinds[c->kind].v[i]->json))
            v[n++] = object_ref(s->kinds[c->kind].v[i]);
    list_head(c, &(struct page){0, NULL, store_rv(s)}, NULL, 0, &c->res->body);
    for (size_t i = 0; i < n; i++) {
        const cJSON *last = NULL;

        if (store_delete(s, c->kind, json_ns(object_json(v[i])), json_name(object_json(v[i])), opts, &last, NULL,
                         NULL) == 0) {
            if (i)
                str_addc(&c->res->body, ',');
            list_item(c, last, &c->res->body);
        }
        object_unref(s, v[i]);
    }
    free(v);
    str_add(&c->res->body, "]}\n");
    c->res->status = 200;
    c->res->content_type = "application/json";
}

static void do_delete_collection(struct api_call *c)
{
    struct selector *labels, *fields;
    struct delete_call d;

    if (is_fixed(c) || delete_options(c, &d) < 0)
        return;
    if (call_selectors(c, &labels, &fields) == 0) {
        delete_matching(c, &d.opts, labels, fields);
        selector_free(labels);
        selector_free(fields);
    }
    cJSON_Delete(d.body);
}

/* ---- scale ---- */

static bool is_custom(const struct api_call *c)
{
    return plane_kind(c->kind)->flags & PKF_CUSTOM;
}

static void add_selector(const cJSON *obj, cJSON *status)
{
    auto_str struct str sel = STR_INIT;
    const cJSON *l;

    cJSON_ArrayForEach(l, json_at(obj, "spec.selector.matchLabels"))
        str_addf(&sel, "%s%s=%s", sel.len ? "," : "", l->string, cJSON_IsString(l) ? l->valuestring : "");
    json_set_str(status, "selector", str_text(&sel));
}

static cJSON *scale_of(const struct api_call *c, const cJSON *obj)
{
    cJSON *scale = cJSON_CreateObject(), *meta = json_set_obj(scale, "metadata"), *status;
    static const char *const keep[] = {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"};
    int64_t replicas;

    json_set_str(scale, "kind", "Scale");
    json_set_str(scale, "apiVersion", "autoscaling/v1");
    for (int i = 0; i < 5; i++)
        json_set(meta, keep[i], json_copy(json_get(json_get(obj, "metadata"), keep[i])));
    replicas = json_int(obj, is_custom(c) ? SCHEMA_SCALE_SPEC : "spec.replicas", 0);
    json_set_obj(scale, "spec");
    if (replicas != 0) /* 0 is left out, as clusters do it */
        json_set_int(json_get(scale, "spec"), "replicas", replicas);
    status = json_set_obj(scale, "status");
    json_set_int(status, "replicas", json_int(obj, SCHEMA_SCALE_STATUS, 0));
    if (is_custom(c))
        json_set_str(status, "selector", json_str(obj, SCHEMA_SCALE_SELECTOR, ""));
    else
        add_selector(obj, status);
    return scale;
}

static void put_scale(struct api_call *c, const cJSON *obj, const cJSON *scale)
{
    const cJSON *replicas = json_at(scale, "spec.replicas"), *out = NULL;
    struct err err = ERR_INIT;
    cJSON *now;

    if (replicas && !cJSON_IsNumber(replicas)) {
        answer_fail(c, 400, "BadRequest", "spec.replicas: must be a whole number");
        return;
    }
    now = json_copy(obj);
    if (is_custom(c))
        json_set_int(json_need_obj(json_need_obj(now, "spec"), "chfleet"), "replicasCount", json_int(scale, "spec.replicas", 0));
    else
        json_set_int(json_need_obj(now, "spec"), "replicas", json_int(scale, "spec.replicas", 0));
    if (*json_rv(scale))
        json_set_str(json_get(now, "metadata"), "resourceVersion", json_rv(scale));
    if (*json_uid(scale))
        json_set_str(json_get(now, "metadata"), "uid", json_uid(scale));
    if (store_update(c->a->store, c->kind, now, call_write_flags(c), &out, &err) < 0) {
        answer_store(c, &err);
    } else {
        auto_json cJSON *answer = scale_of(c, out);

        answer_json(c, 200, answer);
    }
}

static void do_scale(struct api_call *c)
{
    const cJSON *obj = need_object(c);
    auto_json cJSON *now = NULL, *body = NULL, *next = NULL;

    if (!obj)
        return;
    if (is_custom(c) && !json_at(obj, SCHEMA_SCALE_SPEC)) { /* as kube-apiserver does */
        answer_fail(c, 500, "InternalError", "the field " SCHEMA_SCALE_SPEC " is not given");
        return;
    }
    now = scale_of(c, obj);
    if (call_is(c, "GET")) {
        answer_json(c, 200, now);
    } else if (call_is(c, "PUT")) {
        if (call_body(c, &body) == 0)
            put_scale(c, obj, body);
    } else if (call_is(c, "PATCH")) {
        if (patch_body(c, &body) == 0 && (next = patched(c, now, body)))
            put_scale(c, obj, next);
    } else {
        answer_method(c);
    }
}

/* ---- dispatch ---- */

static enum api_outcome collection_verb(struct api_call *c)
{
    if (call_is(c, "GET") && call_flag(c, "watch")) {
        struct selector *labels, *fields;

        if (check_numbers(c) < 0 || call_selectors(c, &labels, &fields) < 0)
            return API_DONE;
        selector_free(labels);
        selector_free(fields);
        c->res->status = 200;
        c->res->content_type = "application/json";
        return API_WATCH;
    }
    if (call_is(c, "GET"))
        do_list(c);
    else if (call_is(c, "POST"))
        do_create(c);
    else if (call_is(c, "DELETE"))
        do_delete_collection(c);
    else
        answer_method(c);
    return API_DONE;
}

static void object_verb(struct api_call *c)
{
    const cJSON *obj;

    if (call_is(c, "GET")) {
        if ((obj = need_object(c)))
            answer_object(c, 200, obj);
    } else if (call_is(c, "PUT")) {
        do_update(c);
    } else if (call_is(c, "PATCH")) {
        do_patch(c);
    } else if (call_is(c, "DELETE") && !c->sub) {
        do_delete(c);
    } else {
        answer_method(c);
    }
}

enum api_outcome api_resource(struct api_call *c)
{
    unsigned flags = plane_kind(c->kind)->flags;
    const cJSON *obj;

    if (c->collection)
        return collection_verb(c);
    if (!c->sub || (strcmp(c->sub, "status") == 0 && (flags & PKF_STATUS))) {
        object_verb(c);
        return API_DONE;
    }
    if (strcmp(c->sub, "scale") == 0 && (flags & PKF_SCALE)) {
        do_scale(c);
        return API_DONE;
    }
    if (c->kind == PK_POD)
        return (obj = need_object(c)) ? api_pod_sub(c, obj) : API_DONE;
    answer_fail(c, 404, "NotFound", "the server could not find the requested resource: %s have no subresource %s",
                plane_kind(c->kind)->plural, c->sub);
    return API_DONE;
}
