/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the API: one parsed request and the files that answer it. */
#ifndef PLANE_API_PRIV_H
#define PLANE_API_PRIV_H

#include "plane/api.h"
#include "plane/store_priv.h"

enum { API_SEGMENTS = 10, API_PARAMS = 64, API_PAGE_MAX = 500 };

struct api {
    struct world *w;
    struct store *store;
    const struct runtime_ops *runtime;
    void *node;
    struct api_watch *watches;
    uint64_t start_hash; /* in ETags and OpenAPI addresses */
};

enum api_form { FORM_OBJECT, FORM_TABLE, FORM_METADATA };

struct api_param {
    char *name, *value;
};

struct api_call {
    struct api *a;
    const struct api_request *req;
    struct api_response *res;
    char *seg[API_SEGMENTS];
    int segs;
    struct api_param params[API_PARAMS];
    int n_params;
    /* of resource paths */
    const char *group, *version;
    enum plane_kind kind;
    const char *ns, *name, *sub; /* NULL when absent */
    bool events_v1;              /* events.k8s.io/v1: the same objects in another form */
    char body_name[256];         /* of the object in the body, for answers to POST */
    bool collection;
    enum api_form form;
    const char *include_object; /* table rows: "Metadata", "Object", "None" */
};

/* ---- api.c ---- */
int call_parse(struct api_call *c, struct api *a, const struct api_request *req,
               struct api_response *res); /* -1: res is the answer */
void call_free(struct api_call *c);
const char *call_param(const struct api_call *c, const char *name); /* NULL when absent */
bool call_flag(const struct api_call *c, const char *name);
bool call_is(const struct api_call *c, const char *method);
/* Finds kind, namespace, name and subresource; -1: res has the 404. */
int call_route(struct api_call *c, int first);
bool call_dry_run(const struct api_call *c);
unsigned call_write_flags(const struct api_call *c);
int call_body(struct api_call *c, cJSON **out); /* -1: res has the 400 */
void answer_json(struct api_call *c, int status, const cJSON *obj);
void answer_object(struct api_call *c, int status, const cJSON *obj); /* in the form that was asked for */
void answer_fail(struct api_call *c, int code, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* 422 with its causes (copied). */
void answer_invalid(struct api_call *c, const cJSON *causes, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void answer_store(struct api_call *c, const struct err *err); /* from store_why() */
void answer_method(struct api_call *c);                       /* 405 */
void warn(struct api_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- api_object.c ---- */
enum api_outcome api_resource(struct api_call *c);
/* Filters of a list or watch; -1: res has the 400. */
int call_selectors(struct api_call *c, struct selector **labels, struct selector **fields);

/* ---- api_pod.c ---- */
enum api_outcome api_pod_sub(struct api_call *c, const cJSON *pod);

/* ---- api_discovery.c, api_openapi.c ---- */
bool api_discovery(struct api_call *c); /* false: not a discovery path */
bool api_openapi(struct api_call *c);

/* ---- api_table.c ---- */
void table_columns(enum plane_kind kind, struct str *out); /* JSON array of column definitions */
void table_row(struct api_call *c, const cJSON *obj, struct str *out);
/* "5m12s": how old something is, as kubectl shows it. */
void human_duration(int64_t seconds, char *buf, size_t size);
int64_t parse_time(const char *rfc3339); /* seconds since 1970; -1 */

/* ---- api_event.c ---- */
cJSON *event_to_v1(const cJSON *core); /* caller owns */
cJSON *event_from_v1(const cJSON *v1);

/* ---- patch.c ---- */
int patch_json(cJSON **obj, const cJSON *ops, struct err *err);
int patch_strategic(cJSON **obj, const cJSON *patch, const char *type, struct err *err);

/* One object as text in the form asked for (JSON object, table row wrapped in a Table, metadata only). */
void object_in_form(struct api_call *c, const cJSON *obj, bool with_columns, struct str *out);

#endif
