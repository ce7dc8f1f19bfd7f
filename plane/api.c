/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/api_priv.h"
#include "plane/custom.h"
#include "plane/proto.h"

static const char json_type[] = "application/json";

/* ---- parsing ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL when it is not well-formed or holds a NUL. */
static char *percent_decode(const char *s, size_t n, bool plus)
{
    char *out = mem_alloc(n + 1), *p = out;

    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];

        if (c == '%') {
            int hi = i + 2 < n + 0 ? hex_value(s[i + 1]) : -1, lo = hi >= 0 ? hex_value(s[i + 2]) : -1;

            if (lo < 0 || (hi == 0 && lo == 0)) {
                free(out);
                return NULL;
            }
            c = hi * 16 + lo;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *p++ = (char)c;
    }
    *p = '\0';
    return out;
}

static int parse_path(struct api_call *c, const char *path)
{
    if (*path != '/')
        return -1;
    while (*path) {
        size_t n;

        path += strspn(path, "/");
        n = strcspn(path, "/");
        if (n == 0)
            break;
        if (c->segs == API_SEGMENTS || !(c->seg[c->segs] = percent_decode(path, n, false)))
            return -1;
        c->segs++;
        path += n;
    }
    return 0;
}

static int parse_query(struct api_call *c, const char *q)
{
    while (q && *q) {
        size_t n = strcspn(q, "&"), eq = strcspn(q, "=&");
        struct api_param *p = &c->params[c->n_params];

        if (n) {
            if (c->n_params == API_PARAMS)
                return -1;
            p->name = percent_decode(q, eq, true);
            p->value = percent_decode(eq < n ? q + eq + 1 : q + n, eq < n ? n - eq - 1 : 0, true);
            c->n_params++;
            if (!p->name || !p->value)
                return -1;
        }
        q += n;
        q += *q == '&';
    }
    return 0;
}

static void parse_accept(struct api_call *c)
{
    const char *accept = c->req->accept ? c->req->accept : "";

    c->include_object = call_param(c, "includeObject");
    if (!c->include_object)
        c->include_object = "Metadata";
    if (strstr(accept, "as=Table") && strstr(accept, "meta.k8s.io"))
        c->form = FORM_TABLE;
    else if (strstr(accept, "as=PartialObjectMetadata"))
        c->form = FORM_METADATA;
}

/* Can the client read JSON at all? */
static bool accepts_json(const char *accept)
{
    return !accept || !*accept || strstr(accept, "json") || strstr(accept, "*/*") || strstr(accept, "application/*") ||
           strstr(accept, "yaml") || strstr(accept, "text/plain");
}

int call_parse(struct api_call *c, struct api *a, const struct api_request *req, struct api_response *res)
{
    memset(c, 0, sizeof *c);
    c->a = a;
    c->req = req;
    c->res = res;
    if (parse_path(c, req->path) < 0 || parse_query(c, req->query) < 0) {
        answer_fail(c, 400, "BadRequest", "the address of the request is not well-formed");
        return -1;
    }
    parse_accept(c);
    return 0;
}

void call_free(struct api_call *c)
{
    for (int i = 0; i < c->segs; i++)
        free(c->seg[i]);
    for (int i = 0; i < c->n_params; i++) {
        free(c->params[i].name);
        free(c->params[i].value);
    }
}

const char *call_param(const struct api_call *c, const char *name)
{
    for (int i = 0; i < c->n_params; i++)
        if (strcmp(c->params[i].name, name) == 0)
            return c->params[i].value;
    return NULL;
}

bool call_flag(const struct api_call *c, const char *name)
{
    const char *v = call_param(c, name);

    return v && (strcmp(v, "true") == 0 || strcmp(v, "1") == 0);
}

bool call_is(const struct api_call *c, const char *method)
{
    return strcmp(c->req->method, method) == 0;
}

bool call_dry_run(const struct api_call *c)
{
    return str_eq(call_param(c, "dryRun"), "All");
}

unsigned call_write_flags(const struct api_call *c)
{
    return (call_dry_run(c) ? STORE_DRY_RUN : 0) |
           (str_eq(call_param(c, "fieldValidation"), "Strict") ? STORE_STRICT : 0);
}

static int route_rest(struct api_call *c, int i)
{
    int kind;

    if (i >= c->segs)
        return -1;
    kind = plane_kind_by_plural(c->group, c->version, c->seg[i]);
    if (kind < 0)
        return -1;
    c->kind = (enum plane_kind)kind;
    c->events_v1 = strcmp(c->group, "events.k8s.io") == 0;
    c->name = i + 1 < c->segs ? c->seg[i + 1] : NULL;
    c->sub = i + 2 < c->segs ? c->seg[i + 2] : NULL;
    c->collection = !c->name;
    return i + 3 < c->segs ? -1 : 0;
}

int call_route(struct api_call *c, int first)
{
    bool in_ns = c->segs > first + 2 && strcmp(c->seg[first], "namespaces") == 0;

    if (in_ns && *c->group == '\0' &&
        (strcmp(c->seg[first + 2], "status") == 0 || strcmp(c->seg[first + 2], "finalize") == 0))
        in_ns = false;
    if (in_ns)
        c->ns = c->seg[first + 1];
    if (route_rest(c, in_ns ? first + 2 : first) < 0 || (in_ns && !plane_kind_namespaced(c->kind)) ||
        (!in_ns && c->name && plane_kind_namespaced(c->kind))) {
        answer_fail(c, 404, "NotFound",
                    "the server could not find the requested resource: chfleet-plane does not serve %s", c->req->path);
        return -1;
    }
    return 0;
}

static int proto_body(struct api_call *c, cJSON **out)
{
    struct err err = ERR_INIT;

    *out = proto_parse(c->req->body ? c->req->body : "", c->req->body_len, &err);
    if (*out)
        return 0;
    answer_fail(c, err.sys, err.sys == 415 ? "UnsupportedMediaType" : "BadRequest", "the body of the request: %s",
                err.msg);
    return -1;
}

int call_body(struct api_call *c, cJSON **out)
{
    const char *type = c->req->content_type ? c->req->content_type : "";
    struct err err = ERR_INIT;

    if (str_starts(type, "application/vnd.kubernetes.protobuf"))
        return proto_body(c, out);
    if (*type && !strstr(type, "json") && strcmp(type, "*/*") != 0 && !strstr(type, "urlencoded")) {
        answer_fail(c, 415, "UnsupportedMediaType",
                    "the body of the request has the type %s: chfleet-plane reads application/json", type);
        return -1;
    }
    *out = json_parse(c->req->body ? c->req->body : "", c->req->body_len, &err);
    if (*out)
        return 0;
    answer_fail(c, 400, "BadRequest", "the body of the request is %s", err.msg);
    return -1;
}

/* ---- answers ---- */

void answer_json(struct api_call *c, int status, const cJSON *obj)
{
    auto_free char *text = json_print(obj);

    c->res->status = status;
    c->res->content_type = json_type;
    str_reset(&c->res->body);
    str_add(&c->res->body, text);
    str_addc(&c->res->body, '\n');
}

static void fill_status(struct api_response *res, int code, const char *reason, const char *message,
                        cJSON *takes_details)
{
    auto_json cJSON *st = cJSON_CreateObject();
    char *text;

    json_set_str(st, "kind", "Status");
    json_set_str(st, "apiVersion", "v1");
    json_set_obj(st, "metadata");
    json_set_str(st, "status", code < 400 ? "Success" : "Failure");
    json_set_str(st, "message", message);
    json_set_str(st, "reason", reason);
    if (takes_details)
        json_set(st, "details", takes_details);
    json_set_int(st, "code", code);
    text = json_print(st);
    res->status = code;
    res->content_type = json_type;
    str_reset(&res->body);
    str_add(&res->body, text);
    str_addc(&res->body, '\n');
    cJSON_free(text);
    if (code == 429 || code == 503)
        str_add(&res->headers, "Retry-After: 1\r\n");
}

void api_fail(struct api_response *res, int code, const char *reason, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fill_status(res, code, reason, text, NULL);
}

static cJSON *details(struct api_call *c, const char *kind)
{
    cJSON *d = cJSON_CreateObject();

    json_set_str(d, "name", c->name ? c->name : c->body_name);
    if (c->group && *c->group)
        json_set_str(d, "group", c->group);
    json_set_str(d, "kind", kind);
    return d;
}

void answer_fail(struct api_call *c, int code, const char *reason, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fill_status(c->res, code, reason, text, c->name ? details(c, plane_kind(c->kind)->plural) : cJSON_CreateObject());
}

void answer_invalid(struct api_call *c, const cJSON *causes, const char *fmt, ...)
{
    cJSON *d = details(c, plane_kind(c->kind)->kind);
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_set(d, "causes", json_copy(causes));
    fill_status(c->res, 422, "Invalid", text, d);
}

void answer_store(struct api_call *c, const struct err *err)
{
    const struct store_why *why = store_why(c->a->store);
    const struct plane_kind_info *info = plane_kind(c->kind);
    cJSON *d = details(c, why->kind ? why->kind : why->code == 422 ? info->kind : info->plural);

    if (why->causes)
        json_set(d, "causes", json_copy(why->causes));
    fill_status(c->res, why->code, why->reason, err->msg, d);
}

void answer_method(struct api_call *c)
{
    answer_fail(c, 405, "MethodNotAllowed", "%s is not served for %s", c->req->method, c->req->path);
}

void warn(struct api_call *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    str_add(&c->res->headers, "Warning: 299 - \"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            str_addc(&c->res->headers, '\\');
        str_addc(&c->res->headers, (unsigned char)*p < ' ' ? ' ' : *p);
    }
    str_add(&c->res->headers, "\"\r\n");
}

void object_in_form(struct api_call *c, const cJSON *obj, bool with_columns, struct str *out)
{
    if (c->form == FORM_TABLE) {
        str_add(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"");
        str_add(out, json_rv(obj));
        str_add(out, "\"},\"columnDefinitions\":");
        if (with_columns)
            table_columns(c->kind, out);
        else
            str_add(out, "null");
        str_add(out, ",\"rows\":[");
        table_row(c, obj, out);
        str_add(out, "]}");
    } else if (c->form == FORM_METADATA) {
        auto_free char *meta = json_print(json_get(obj, "metadata"));

        str_addf(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":%s}", meta);
    } else {
        auto_json cJSON *v1 = c->events_v1 ? event_to_v1(obj) : NULL;
        auto_free char *text = json_print(v1 ? v1 : obj);

        str_add(out, text);
    }
}

void answer_object(struct api_call *c, int status, const cJSON *obj)
{
    c->res->status = status;
    c->res->content_type = json_type;
    str_reset(&c->res->body);
    object_in_form(c, obj, true, &c->res->body);
    str_addc(&c->res->body, '\n');
}

static void answer_text(struct api_call *c, const char *text)
{
    c->res->status = 200;
    c->res->content_type = "text/plain";
    str_add(&c->res->body, text);
}

/* ---- paths that are no resources ---- */

static void answer_version(struct api_call *c)
{
    auto_json cJSON *v = cJSON_CreateObject();

    json_set_str(v, "major", "1");
    json_set_str(v, "minor", "32");
    json_set_str(v, "gitVersion", "v1.32.0+chfleet-" PACKAGE_VERSION_TEXT);
    json_set_str(v, "gitCommit", "");
    json_set_str(v, "gitTreeState", "");
    json_set_str(v, "buildDate", "");
    json_set_str(v, "goVersion", "");
    json_set_str(v, "compiler", "gcc");
    json_set_str(v, "platform", "chfleet-plane");
    answer_json(c, 200, v);
}

static bool answer_review(struct api_call *c, cJSON *review)
{
    cJSON *status = json_set_obj(review, "status");

    if (strcmp(c->seg[3], "selfsubjectaccessreviews") == 0) {
        json_set_bool(status, "allowed", true);
        json_set_str(status, "reason", "the plane has one user, who may do everything");
    } else if (strcmp(c->seg[3], "selfsubjectreviews") == 0) {
        json_set_str(json_set_obj(status, "userInfo"), "username", c->req->user ? c->req->user : "");
    } else {
        return false;
    }
    answer_json(c, 201, review);
    return true;
}

/* "What may I do, who am I": kubectl auth. */
static bool api_review(struct api_call *c)
{
    cJSON *review;
    bool known;

    if (c->segs != 4 || strcmp(c->seg[0], "apis") != 0 ||
        (strcmp(c->seg[1], "authorization.k8s.io") != 0 && strcmp(c->seg[1], "authentication.k8s.io") != 0))
        return false;
    if (!call_is(c, "POST")) {
        answer_method(c);
        return true;
    }
    if (call_body(c, &review) < 0)
        return true;
    known = answer_review(c, review);
    cJSON_Delete(review);
    return known;
}

/* A dry run of another kind than "All" must not be taken for a real one. */
static int check_dry_run(struct api_call *c)
{
    const char *how = call_param(c, "dryRun");

    if (!how || !*how || strcmp(how, "All") == 0)
        return 0;
    answer_fail(c, 422, "Invalid", "dryRun: Unsupported value: \"%s\": supported values: \"All\"", how);
    return -1;
}

static enum api_outcome dispatch(struct api_call *c)
{
    int first = 2;

    if (c->segs == 1 &&
        (strcmp(c->seg[0], "healthz") == 0 || strcmp(c->seg[0], "livez") == 0 || strcmp(c->seg[0], "readyz") == 0)) {
        answer_text(c, "ok");
        return API_DONE;
    }
    if (c->segs == 1 && strcmp(c->seg[0], "version") == 0) {
        answer_version(c);
        return API_DONE;
    }
    if (api_openapi(c) || api_discovery(c) || api_review(c))
        return API_DONE;
    c->group = "";
    if (c->segs > 2 && strcmp(c->seg[0], "api") == 0) {
        c->version = c->seg[1];
    } else if (c->segs > 3 && strcmp(c->seg[0], "apis") == 0) {
        c->group = c->seg[1];
        c->version = c->seg[2];
        first = 3;
    } else {
        answer_fail(c, 404, "NotFound",
                    "the server could not find the requested resource: chfleet-plane does not serve %s", c->req->path);
        return API_DONE;
    }
    if (call_route(c, first) < 0 || check_dry_run(c) < 0)
        return API_DONE;
    return api_resource(c);
}

enum api_outcome api_handle(struct api *a, const struct api_request *req, struct api_response *res)
{
    struct api_call c;
    enum api_outcome outcome = API_DONE;
    uint64_t rv = store_rv(a->store);

    if (call_parse(&c, a, req, res) == 0) {
        if (!accepts_json(req->accept))
            answer_fail(&c, 406, "NotAcceptable", "only the following media types are served: application/json");
        else
            outcome = dispatch(&c);
    }
    call_free(&c);
    res->wrote = store_rv(a->store) != rv;
    return outcome;
}

void api_response_free(struct api_response *res)
{
    str_free(&res->body);
    str_free(&res->headers);
}

/* ---- life ---- */

struct api *api_new(struct world *w, struct store *s)
{
    static const enum plane_kind custom[] = {PK_CHI, PK_CHIT, PK_CHOPCONF, PK_CHK};
    struct api *a = mem_zero(sizeof *a);

    a->w = w;
    a->store = s;
    a->start_hash = w->ops->random(w);
    for (size_t i = 0; i < sizeof custom / sizeof *custom; i++) {
        cJSON *crd = custom_crd(custom[i]);

        if (store_find(s, PK_CRD, NULL, json_name(crd)))
            store_update(s, PK_CRD, crd, STORE_SYSTEM, NULL, NULL);
        else
            store_create(s, PK_CRD, crd, STORE_SYSTEM, NULL, NULL);
    }
    return a;
}

void api_set_runtime(struct api *a, const struct runtime_ops *ops, void *node)
{
    a->runtime = ops;
    a->node = node;
}

const struct runtime_ops *api_runtime(const struct api *a, void **node)
{
    *node = a->node;
    return a->runtime;
}
