/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/selector.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/rules.h"
#include "plane/store.h"

enum selector_op { SEL_IN, SEL_NOT_IN, SEL_EXISTS, SEL_ABSENT };

struct selector_req {
    char *key;
    enum selector_op op;
    char **values;
    size_t n;
};

struct selector {
    struct selector_req *reqs;
    size_t n;
};

void selector_free(struct selector *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->reqs[i].n; k++)
            free(s->reqs[i].values[k]);
        free(s->reqs[i].values);
        free(s->reqs[i].key);
    }
    free(s->reqs);
    free(s);
}

static struct selector_req *add_req(struct selector *s)
{
    s->reqs = mem_grow(s->reqs, s->n + 1, sizeof *s->reqs);
    s->reqs[s->n] = (struct selector_req){NULL, SEL_EXISTS, NULL, 0};
    return &s->reqs[s->n++];
}

static void add_value(struct selector_req *r, const char *s, size_t n)
{
    r->values = mem_grow(r->values, r->n + 1, sizeof *r->values);
    r->values[r->n++] = mem_strn(s, n);
}

static const char *skip(const char *p)
{
    return p + strspn(p, " \t");
}

static size_t word(const char *p)
{
    return strcspn(p, " \t,=!()");
}

/* "(a,b)" after in/notin; NULL when it is not that. */
static const char *parse_set(const char *p, struct selector_req *r)
{
    p = skip(p);
    if (*p++ != '(')
        return NULL;
    for (;;) {
        size_t n;

        p = skip(p);
        n = word(p);
        add_value(r, p, n);
        p = skip(p + n);
        if (*p == ')')
            return p + 1;
        if (*p++ != ',')
            return NULL;
    }
}

static const char *parse_equal(const char *p, struct selector_req *r)
{
    size_t n;

    r->op = *p == '!' ? SEL_NOT_IN : SEL_IN;
    p += *p == '!' ? 2 : p[1] == '=' ? 2 : 1;
    p = skip(p);
    n = word(p);
    add_value(r, p, n);
    return p + n;
}

/* One requirement; the place after it, or NULL. */
static const char *parse_req(const char *p, struct selector *s)
{
    struct selector_req *r = add_req(s);
    size_t n;

    if (*p == '!') {
        r->op = SEL_ABSENT;
        p = skip(p + 1);
    }
    n = word(p);
    if (n == 0)
        return NULL;
    r->key = mem_strn(p, n);
    p = skip(p + n);
    if (r->op == SEL_ABSENT || *p == ',' || *p == '\0')
        return p;
    if (*p == '=' || (p[0] == '!' && p[1] == '='))
        return parse_equal(p, r);
    if (strncmp(p, "in", 2) == 0 && !isalnum((unsigned char)p[2])) {
        r->op = SEL_IN;
        return parse_set(p + 2, r);
    }
    if (strncmp(p, "notin", 5) == 0) {
        r->op = SEL_NOT_IN;
        return parse_set(p + 5, r);
    }
    return NULL;
}

static const char *bad_req(const struct selector *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!rules_is_label_key(s->reqs[i].key))
            return s->reqs[i].key;
        for (size_t k = 0; k < s->reqs[i].n; k++)
            if (!rules_is_label_value(s->reqs[i].values[k]))
                return s->reqs[i].values[k];
    }
    return NULL;
}

int selector_labels(const char *text, struct selector **out, struct err *err)
{
    struct selector *s;
    const char *p = text ? skip(text) : "";

    *out = NULL;
    if (!*p)
        return 0;
    s = mem_zero(sizeof *s);
    while (p && *p) {
        p = parse_req(p, s);
        p = p ? skip(p) : NULL;
        if (p && *p == ',')
            p = skip(p + 1);
        else if (p && *p)
            p = NULL;
    }
    if (!p || bad_req(s)) {
        err_set(err, ERR_INPUT, 400,
                "unable to parse the label selector \"%s\"%s%s: write key=value, key!=value, key in (a,b), "
                "key notin (a,b), key or !key, separated by commas",
                text, p ? " at " : "", p ? bad_req(s) : "");
        selector_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

static bool value_in(const struct selector_req *r, const char *value)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->values[i], value) == 0)
            return true;
    return false;
}

static bool req_matches(const struct selector_req *r, const char *value)
{
    switch (r->op) {
    case SEL_IN:
        return value && value_in(r, value);
    case SEL_NOT_IN:
        return !value || !value_in(r, value);
    case SEL_EXISTS:
        return value != NULL;
    case SEL_ABSENT:
        return value == NULL;
    }
    return false;
}

bool selector_match_labels(const struct selector *s, const cJSON *obj)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (!req_matches(&s->reqs[i], json_label(obj, s->reqs[i].key)))
            return false;
    return true;
}

/* ---- fields ---- */

static const char *const pod_fields[] = {"spec.nodeName",
                                         "spec.restartPolicy",
                                         "spec.schedulerName",
                                         "spec.serviceAccountName",
                                         "spec.hostNetwork",
                                         "status.phase",
                                         "status.podIP",
                                         "status.nominatedNodeName",
                                         NULL};
static const char *const event_fields[] = {"involvedObject.kind",
                                           "involvedObject.namespace",
                                           "involvedObject.name",
                                           "involvedObject.uid",
                                           "involvedObject.apiVersion",
                                           "involvedObject.resourceVersion",
                                           "involvedObject.fieldPath",
                                           "reason",
                                           "reportingComponent",
                                           "source",
                                           "type",
                                           NULL};
static const char *const ns_fields[] = {"status.phase", NULL};
static const char *const secret_fields[] = {"type", NULL};
static const char *const node_fields[] = {"spec.unschedulable", NULL};
static const char *const service_fields[] = {"spec.clusterIP", "spec.type", NULL};

static bool field_is_known(enum plane_kind kind, const char *field)
{
    const char *const *f = kind == PK_POD      ? pod_fields
                           : kind == PK_EVENT  ? event_fields
                           : kind == PK_NS     ? ns_fields
                           : kind == PK_SECRET ? secret_fields
                           : kind == PK_NODE   ? node_fields
                           : kind == PK_SVC    ? service_fields
                                               : NULL;

    if (strcmp(field, "metadata.name") == 0)
        return true;
    if (strcmp(field, "metadata.namespace") == 0)
        return plane_kind_namespaced(kind);
    for (; f && *f; f++)
        if (strcmp(*f, field) == 0)
            return true;
    return false;
}

/* Values may hold nearly everything; a backslash protects ',', '=' and '\'. */
static const char *parse_field(const char *p, struct selector_req *r)
{
    auto_str struct str value = STR_INIT;
    size_t n = strcspn(p, "=!,");

    r->key = mem_strn(p, n);
    p += n;
    if (*p == '!' && p[1] == '=') {
        r->op = SEL_NOT_IN;
        p += 2;
    } else if (*p == '=') {
        r->op = SEL_IN;
        p += p[1] == '=' ? 2 : 1;
    } else {
        return NULL;
    }
    for (; *p && *p != ','; p++) {
        if (*p == '\\' && p[1])
            p++;
        str_addc(&value, *p);
    }
    add_value(r, str_text(&value), value.len);
    return p;
}

int selector_fields(enum plane_kind kind, const char *text, struct selector **out, struct err *err)
{
    struct selector *s;
    const char *p = text ? text : "";
    int rc = 0;

    *out = NULL;
    if (!*p)
        return 0;
    s = mem_zero(sizeof *s);
    while (rc == 0 && *p) {
        struct selector_req *r = add_req(s);

        p = parse_field(p, r);
        if (!p)
            rc = err_set(err, ERR_INPUT, 400, "invalid field selector \"%s\": write field=value or field!=value", text);
        else if (!field_is_known(kind, r->key))
            rc = err_set(err, ERR_INPUT, 400, "field label not supported: %s", r->key);
        else
            p += *p == ',';
        if (rc < 0)
            break;
    }
    if (rc < 0) {
        selector_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

static const char *field_value(const cJSON *obj, const char *key)
{
    const cJSON *j;

    if (strcmp(key, "source") == 0)
        return json_str(obj, "source.component", "");
    j = json_at(obj, key);
    if (cJSON_IsString(j))
        return j->valuestring;
    if (cJSON_IsBool(j))
        return cJSON_IsTrue(j) ? "true" : "false";
    return strcmp(key, "spec.unschedulable") == 0 || strcmp(key, "spec.hostNetwork") == 0 ? "false" : "";
}

bool selector_match_fields(const struct selector *s, const cJSON *obj)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (!req_matches(&s->reqs[i], field_value(obj, s->reqs[i].key)))
            return false;
    return true;
}

/* ---- selectors that are part of objects ---- */

static bool expression_matches(const cJSON *x, const cJSON *labels)
{
    const cJSON *have = json_get(labels, json_str(x, "key", ""));
    const char *op = json_str(x, "operator", ""), *value = cJSON_IsString(have) ? have->valuestring : NULL;

    if (strcmp(op, "In") == 0)
        return value && json_has(json_get(x, "values"), value);
    if (strcmp(op, "NotIn") == 0)
        return !value || !json_has(json_get(x, "values"), value);
    if (strcmp(op, "Exists") == 0)
        return value != NULL;
    return strcmp(op, "DoesNotExist") == 0 && !value;
}

bool store_selector_matches(const cJSON *label_selector, const cJSON *labels)
{
    const cJSON *j;

    if (!label_selector)
        return false;
    cJSON_ArrayForEach(j, json_get(label_selector, "matchLabels")) {
        const cJSON *have = json_get(labels, j->string);

        if (!cJSON_IsString(have) || !cJSON_IsString(j) || strcmp(have->valuestring, j->valuestring) != 0)
            return false;
    }
    cJSON_ArrayForEach(j, json_get(label_selector, "matchExpressions"))
        if (!expression_matches(j, labels))
            return false;
    return true;
}
