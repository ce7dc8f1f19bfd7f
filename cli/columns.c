/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "schema/fields.h"

typedef void cell_fn(const cJSON *obj, struct str *out);

struct column {
    const char *head;
    const char *path; /* dotted, or NULL */
    cell_fn *fn;      /* where a path is not enough */
    bool wide;
};

/* ---- cells that are computed ---- */

static void age(const cJSON *obj, struct str *out)
{
    char buf[32];

    out_age_of(json_str(obj, "metadata.creationTimestamp", ""), buf, sizeof buf);
    str_add(out, buf);
}

static void last_seen(const cJSON *obj, struct str *out)
{
    char buf[32];

    out_age_of(json_str(obj, "lastTimestamp", json_str(obj, "eventTime", json_str(obj, "metadata.creationTimestamp", ""))), buf,
               sizeof buf);
    str_add(out, buf);
}

static void pod_ready(const cJSON *obj, struct str *out)
{
    const cJSON *c;
    int ready = 0;

    cJSON_ArrayForEach(c, json_at(obj, "status.containerStatuses"))
        ready += json_bool(c, "ready", false);
    str_addf(out, "%d/%d", ready, cJSON_GetArraySize(json_at(obj, "spec.containers")));
}

static void pod_status(const cJSON *obj, struct str *out)
{
    const cJSON *c;

    if (json_at(obj, "metadata.deletionTimestamp")) {
        str_add(out, "Terminating");
        return;
    }
    cJSON_ArrayForEach(c, json_at(obj, "status.containerStatuses")) {
        const char *reason = json_str(c, "state.waiting.reason", "");

        if (*reason) {
            str_add(out, reason);
            return;
        }
    }
    str_add(out, json_str(obj, "status.reason", json_str(obj, "status.phase", "")));
}

static void pod_restarts(const cJSON *obj, struct str *out)
{
    const cJSON *c;
    int64_t n = 0;

    cJSON_ArrayForEach(c, json_at(obj, "status.containerStatuses"))
        n += json_int(c, "restartCount", 0);
    str_addf(out, "%lld", (long long)n);
}

static void images(const cJSON *obj, struct str *out)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(obj, "spec.containers"))
        str_addf(out, "%s%s", out->len ? "," : "", json_str(c, "image", ""));
}

static void replicas(const cJSON *obj, struct str *out)
{
    str_addf(out, "%lld/%lld", (long long)json_int(obj, "status.readyReplicas", 0), (long long)json_int(obj, "spec.replicas", 1));
}

static void service_ports(const cJSON *obj, struct str *out)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_at(obj, "spec.ports")) {
        str_addf(out, "%s%lld", out->len ? "," : "", (long long)json_int(p, "port", 0));
        if (json_int(p, "nodePort", 0))
            str_addf(out, ":%lld", (long long)json_int(p, "nodePort", 0));
        str_addf(out, "/%s", json_str(p, "protocol", "TCP"));
    }
}

static void external_ip(const cJSON *obj, struct str *out)
{
    const cJSON *i;

    cJSON_ArrayForEach(i, json_at(obj, "status.loadBalancer.ingress"))
        str_addf(out, "%s%s", out->len ? "," : "", json_str(i, "hostname", json_str(i, "ip", "")));
    if (!out->len)
        str_add(out, str_eq(json_str(obj, "spec.type", ""), "LoadBalancer") ? "<pending>" : "<none>");
}

static void data_count(const cJSON *obj, struct str *out)
{
    str_addf(out, "%d", cJSON_GetArraySize(json_get(obj, "data")) + cJSON_GetArraySize(json_get(obj, "binaryData")));
}

static void node_status(const cJSON *obj, struct str *out)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(obj, "status.conditions"))
        if (str_eq(json_str(c, "type", ""), "Ready"))
            str_add(out, str_eq(json_str(c, "status", ""), "True") ? "Ready" : "NotReady");
    if (json_bool(obj, "spec.unschedulable", false))
        str_add(out, ",SchedulingDisabled");
}

static void event_object(const cJSON *obj, struct str *out)
{
    str_addf(out, "%s/%s", json_str(obj, "involvedObject.kind", ""), json_str(obj, "involvedObject.name", ""));
}

/* ---- the columns ---- */

#define NAME_COLUMN {"NAME", "metadata.name", NULL, false}
#define AGE_COLUMN {"AGE", NULL, age, false}

static const struct column pod_columns[] = {NAME_COLUMN, {"READY", NULL, pod_ready, false}, {"STATUS", NULL, pod_status, false},
    {"RESTARTS", NULL, pod_restarts, false}, AGE_COLUMN, {"IP", "status.podIP", NULL, true}, {"NODE", "spec.nodeName", NULL, true},
    {"IMAGES", NULL, images, true}, {NULL, NULL, NULL, false}};
static const struct column sts_columns[] = {NAME_COLUMN, {"READY", NULL, replicas, false}, AGE_COLUMN,
    {"IMAGE", "spec.template.spec.containers.0.image", NULL, true}, {NULL, NULL, NULL, false}};
static const struct column svc_columns[] = {NAME_COLUMN, {"TYPE", "spec.type", NULL, false},
    {"CLUSTER-IP", "spec.clusterIP", NULL, false}, {"EXTERNAL-IP", NULL, external_ip, false},
    {"PORT(S)", NULL, service_ports, false}, AGE_COLUMN, {NULL, NULL, NULL, false}};
static const struct column pvc_columns[] = {NAME_COLUMN, {"STATUS", "status.phase", NULL, false},
    {"VOLUME", "spec.volumeName", NULL, false}, {"CAPACITY", "status.capacity.storage", NULL, false},
    {"STORAGECLASS", "spec.storageClassName", NULL, false}, AGE_COLUMN, {NULL, NULL, NULL, false}};
static const struct column pv_columns[] = {NAME_COLUMN, {"CAPACITY", "spec.capacity.storage", NULL, false},
    {"RECLAIM", "spec.persistentVolumeReclaimPolicy", NULL, false}, {"STATUS", "status.phase", NULL, false},
    {"CLAIM", "spec.claimRef.name", NULL, false}, AGE_COLUMN, {NULL, NULL, NULL, false}};
static const struct column data_columns[] = {NAME_COLUMN, {"DATA", NULL, data_count, false}, AGE_COLUMN, {NULL, NULL, NULL, false}};
static const struct column secret_columns[] = {NAME_COLUMN, {"TYPE", "type", NULL, false}, {"DATA", NULL, data_count, false},
    AGE_COLUMN, {NULL, NULL, NULL, false}};
static const struct column event_columns[] = {{"LAST SEEN", NULL, last_seen, false}, {"TYPE", "type", NULL, false},
    {"REASON", "reason", NULL, false}, {"OBJECT", NULL, event_object, false}, {"COUNT", "count", NULL, true},
    {"MESSAGE", "message", NULL, false}, {NULL, NULL, NULL, false}};
static const struct column node_columns[] = {NAME_COLUMN, {"STATUS", NULL, node_status, false}, AGE_COLUMN,
    {"VERSION", "status.nodeInfo.kubeletVersion", NULL, false}, {NULL, NULL, NULL, false}};
static const struct column pdb_columns[] = {NAME_COLUMN, {"MAX UNAVAILABLE", "spec.maxUnavailable", NULL, false},
    {"ALLOWED", "status.disruptionsAllowed", NULL, false}, AGE_COLUMN, {NULL, NULL, NULL, false}};
static const struct column lease_columns[] = {NAME_COLUMN, {"HOLDER", "spec.holderIdentity", NULL, false}, AGE_COLUMN,
    {NULL, NULL, NULL, false}};
static const struct column ns_columns[] = {NAME_COLUMN, {"STATUS", "status.phase", NULL, false}, AGE_COLUMN, {NULL, NULL, NULL, false}};
static const struct column plain_columns[] = {NAME_COLUMN, AGE_COLUMN, {NULL, NULL, NULL, false}};

static const struct column *columns_of(enum kube_kind kind)
{
    switch (kind) {
    case KUBE_POD: return pod_columns;
    case KUBE_STS: case KUBE_DEPLOYMENT: return sts_columns;
    case KUBE_SVC: return svc_columns;
    case KUBE_PVC: return pvc_columns;
    case KUBE_PV: return pv_columns;
    case KUBE_CM: return data_columns;
    case KUBE_SECRET: return secret_columns;
    case KUBE_EVENT: return event_columns;
    case KUBE_NODE: return node_columns;
    case KUBE_PDB: return pdb_columns;
    case KUBE_LEASE: return lease_columns;
    case KUBE_NS: return ns_columns;
    default: return plain_columns;
    }
}

static void add_value(const cJSON *v, struct str *out)
{
    if (cJSON_IsString(v)) {
        str_add(out, v->valuestring);
    } else if (v && !cJSON_IsNull(v)) {
        auto_free char *text = json_print(v);

        str_add(out, text);
    }
}

static void one_line(struct str *s)
{
    for (size_t i = 0; i < s->len; i++)
        if (s->s[i] == '\n')
            s->s[i] = ' ';
}

static void plain_table(enum kube_kind kind, const cJSON *items, bool wide, bool with_namespace, struct out_table *t)
{
    const struct column *columns = columns_of(kind);
    const char *heads[16] = {with_namespace ? "NAMESPACE" : NULL};
    size_t n = with_namespace;
    const cJSON *obj;

    for (const struct column *k = columns; k->head; k++)
        if (wide || !k->wide)
            heads[n++] = k->head;
    heads[n] = NULL;
    out_table_init(t, heads);
    cJSON_ArrayForEach(obj, items) {
        if (with_namespace)
            out_cell(t, json_ns(obj));
        for (const struct column *k = columns; k->head; k++) {
            auto_str struct str text = STR_INIT;

            if (!wide && k->wide)
                continue;
            if (k->fn)
                k->fn(obj, &text);
            else
                add_value(json_at(obj, k->path), &text);
            one_line(&text);
            out_cell(t, str_text(&text));
        }
    }
}

/* ---- our own kinds: the printer columns of the schema ---- */

static char *upper(const char *s)
{
    char *out = mem_str(s);

    for (char *p = out; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    return out;
}

static void schema_cell(const struct schema_column *k, const cJSON *obj, struct out_table *t)
{
    const cJSON *v = json_at(obj, k->path[0] == '.' ? k->path + 1 : k->path);
    auto_str struct str text = STR_INIT;

    if (str_eq(k->type, "date") && cJSON_IsString(v)) {
        char buf[32];

        out_age_of(v->valuestring, buf, sizeof buf);
        str_add(&text, buf);
    } else {
        add_value(v, &text);
    }
    one_line(&text);
    out_cell(t, str_text(&text));
}

static void schema_table(const struct schema_resource *r, const cJSON *items, bool wide, bool with_namespace, struct out_table *t)
{
    char *heads[32] = {NULL};
    size_t n = 0;
    const cJSON *obj;

    if (with_namespace)
        heads[n++] = mem_str("NAMESPACE");
    heads[n++] = mem_str("NAME");
    for (size_t i = 0; i < r->n_columns && n < 31; i++)
        if (wide || r->columns[i].priority == 0)
            heads[n++] = upper(r->columns[i].name);
    out_table_init(t, (const char *const *)heads);
    cJSON_ArrayForEach(obj, items) {
        if (with_namespace)
            out_cell(t, json_ns(obj));
        out_cell(t, json_name(obj));
        for (size_t i = 0; i < r->n_columns; i++)
            if (wide || r->columns[i].priority == 0)
                schema_cell(&r->columns[i], obj, t);
    }
    while (n > 0)
        free(heads[--n]);
}

void columns_table(enum kube_kind kind, const cJSON *items, bool wide, bool with_namespace, struct out_table *t)
{
    int own = schema_kind_by_name(kube_kind_info(kind)->kind);

    if (own >= 0)
        schema_table(schema_resource((enum schema_kind)own), items, wide, with_namespace, t);
    else
        plain_table(kind, items, wide, with_namespace && kube_kind_info(kind)->namespaced, t);
}
