/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: what `kubectl get` shows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "plane/api_priv.h"
#include "schema/fields.h"

struct column {
    const char *name, *type;
    int priority;
};

static const struct column pod_columns[] = {{"Name", "string", 0},
                                            {"Ready", "string", 0},
                                            {"Status", "string", 0},
                                            {"Restarts", "string", 0},
                                            {"Age", "string", 0},
                                            {"IP", "string", 1},
                                            {"Node", "string", 1},
                                            {"Nominated Node", "string", 1},
                                            {"Readiness Gates", "string", 1},
                                            {NULL, NULL, 0}};
static const struct column sts_columns[] = {{"Name", "string", 0},       {"Ready", "string", 0},  {"Age", "string", 0},
                                            {"Containers", "string", 1}, {"Images", "string", 1}, {NULL, NULL, 0}};
static const struct column svc_columns[] = {
    {"Name", "string", 0},    {"Type", "string", 0}, {"Cluster-IP", "string", 0}, {"External-IP", "string", 0},
    {"Port(s)", "string", 0}, {"Age", "string", 0},  {"Selector", "string", 1},   {NULL, NULL, 0}};
static const struct column cm_columns[] = {
    {"Name", "string", 0}, {"Data", "integer", 0}, {"Age", "string", 0}, {NULL, NULL, 0}};
static const struct column secret_columns[] = {
    {"Name", "string", 0}, {"Type", "string", 0}, {"Data", "integer", 0}, {"Age", "string", 0}, {NULL, NULL, 0}};
static const struct column pvc_columns[] = {{"Name", "string", 0},
                                            {"Status", "string", 0},
                                            {"Volume", "string", 0},
                                            {"Capacity", "string", 0},
                                            {"Access Modes", "string", 0},
                                            {"StorageClass", "string", 0},
                                            {"VolumeAttributesClass", "string", 0},
                                            {"Age", "string", 0},
                                            {"VolumeMode", "string", 1},
                                            {NULL, NULL, 0}};
static const struct column pv_columns[] = {{"Name", "string", 0},         {"Capacity", "string", 0},
                                           {"Access Modes", "string", 0}, {"Reclaim Policy", "string", 0},
                                           {"Status", "string", 0},       {"Claim", "string", 0},
                                           {"StorageClass", "string", 0}, {"VolumeAttributesClass", "string", 0},
                                           {"Reason", "string", 0},       {"Age", "string", 0},
                                           {"VolumeMode", "string", 1},   {NULL, NULL, 0}};
static const struct column ns_columns[] = {
    {"Name", "string", 0}, {"Status", "string", 0}, {"Age", "string", 0}, {NULL, NULL, 0}};
static const struct column node_columns[] = {{"Name", "string", 0},
                                             {"Status", "string", 0},
                                             {"Roles", "string", 0},
                                             {"Age", "string", 0},
                                             {"Version", "string", 0},
                                             {"Internal-IP", "string", 1},
                                             {"External-IP", "string", 1},
                                             {"OS-Image", "string", 1},
                                             {"Kernel-Version", "string", 1},
                                             {"Container-Runtime", "string", 1},
                                             {NULL, NULL, 0}};
static const struct column event_columns[] = {
    {"Last Seen", "string", 0}, {"Type", "string", 0},   {"Reason", "string", 0},  {"Object", "string", 0},
    {"Subobject", "string", 1}, {"Source", "string", 1}, {"Message", "string", 0}, {"First Seen", "string", 1},
    {"Count", "string", 1},     {"Name", "string", 1},   {NULL, NULL, 0}};
static const struct column pdb_columns[] = {{"Name", "string", 0},
                                            {"Min Available", "string", 0},
                                            {"Max Unavailable", "string", 0},
                                            {"Allowed Disruptions", "integer", 0},
                                            {"Age", "string", 0},
                                            {NULL, NULL, 0}};
static const struct column slice_columns[] = {{"Name", "string", 0},  {"AddressType", "string", 0},
                                              {"Ports", "string", 0}, {"Endpoints", "string", 0},
                                              {"Age", "string", 0},   {NULL, NULL, 0}};
static const struct column endpoints_columns[] = {
    {"Name", "string", 0}, {"Endpoints", "string", 0}, {"Age", "string", 0}, {NULL, NULL, 0}};
static const struct column lease_columns[] = {
    {"Name", "string", 0}, {"Holder", "string", 0}, {"Age", "string", 0}, {NULL, NULL, 0}};
static const struct column class_columns[] = {{"Name", "string", 0},
                                              {"Provisioner", "string", 0},
                                              {"ReclaimPolicy", "string", 0},
                                              {"VolumeBindingMode", "string", 0},
                                              {"AllowVolumeExpansion", "boolean", 0},
                                              {"Age", "string", 0},
                                              {NULL, NULL, 0}};
static const struct column sa_columns[] = {
    {"Name", "string", 0}, {"Secrets", "integer", 0}, {"Age", "string", 0}, {NULL, NULL, 0}};
static const struct column revision_columns[] = {{"Name", "string", 0},
                                                 {"Controller", "string", 0},
                                                 {"Revision", "integer", 0},
                                                 {"Age", "string", 0},
                                                 {NULL, NULL, 0}};
static const struct column crd_columns[] = {{"Name", "string", 0}, {"Created At", "date", 0}, {NULL, NULL, 0}};

static const struct column *const columns[PK_KINDS] = {
    [PK_POD] = pod_columns,
    [PK_STS] = sts_columns,
    [PK_SVC] = svc_columns,
    [PK_CM] = cm_columns,
    [PK_SECRET] = secret_columns,
    [PK_PVC] = pvc_columns,
    [PK_PV] = pv_columns,
    [PK_NS] = ns_columns,
    [PK_NODE] = node_columns,
    [PK_EVENT] = event_columns,
    [PK_PDB] = pdb_columns,
    [PK_EPSLICE] = slice_columns,
    [PK_ENDPOINTS] = endpoints_columns,
    [PK_LEASE] = lease_columns,
    [PK_STORAGECLASS] = class_columns,
    [PK_SA] = sa_columns,
    [PK_REVISION] = revision_columns,
    [PK_CRD] = crd_columns,
};

static int schema_kind_of_plane(enum plane_kind kind)
{
    return kind == PK_CHI ? SCHEMA_CHI : kind == PK_CHIT ? SCHEMA_CHIT : kind == PK_CHK ? SCHEMA_CHK : SCHEMA_CHOPCONF;
}

static void add_column(struct str *out, const char *name, const char *type, int priority, bool first)
{
    str_addf(out, "%s{\"name\":\"%s\",\"type\":\"%s\",\"format\":\"%s\",\"description\":\"\",\"priority\":%d}",
             first ? "" : ",", name, type, strcmp(name, "Name") == 0 ? "name" : "", priority);
}

void table_columns(enum plane_kind kind, struct str *out)
{
    str_addc(out, '[');
    if (plane_kind(kind)->flags & PKF_CUSTOM) {
        const struct schema_resource *r = schema_resource((enum schema_kind)schema_kind_of_plane(kind));

        add_column(out, "Name", "string", 0, true);
        for (size_t i = 0; i < r->n_columns; i++)
            add_column(out, r->columns[i].name, r->columns[i].type, r->columns[i].priority, false);
    } else {
        for (const struct column *c = columns[kind]; c->name; c++)
            add_column(out, c->name, c->type, c->priority, c == columns[kind]);
    }
    str_addc(out, ']');
}

/* ---- time ---- */

void human_duration(int64_t s, char *buf, size_t size)
{
    int64_t m = s / 60, h = s / 3600, d = h / 24;
    int n;

    if (s < 0)
        n = snprintf(buf, size, s < -1 ? "<invalid>" : "0s");
    else if (s < 120)
        n = snprintf(buf, size, "%" PRId64 "s", s);
    else if (m < 10)
        n = s % 60 ? snprintf(buf, size, "%" PRId64 "m%" PRId64 "s", m, s % 60)
                   : snprintf(buf, size, "%" PRId64 "m", m);
    else if (m < 180)
        n = snprintf(buf, size, "%" PRId64 "m", m);
    else if (h < 8)
        n = m % 60 ? snprintf(buf, size, "%" PRId64 "h%" PRId64 "m", h, m % 60)
                   : snprintf(buf, size, "%" PRId64 "h", h);
    else if (h < 48)
        n = snprintf(buf, size, "%" PRId64 "h", h);
    else if (h < 192)
        n = h % 24 ? snprintf(buf, size, "%" PRId64 "d%" PRId64 "h", d, h % 24)
                   : snprintf(buf, size, "%" PRId64 "d", d);
    else if (d < 730)
        n = snprintf(buf, size, "%" PRId64 "d", d);
    else
        n = snprintf(buf, size, "%" PRId64 "y", d / 365);
    (void)n;
}

int64_t parse_time(const char *t)
{
    struct tm tm = {0};
    int off_h = 0, off_m = 0;
    const char *end = t ? strptime(t, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    int64_t at;

    if (!end)
        return -1;
    at = timegm(&tm);
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if ((*end == '+' || *end == '-') && sscanf(end + 1, "%2d:%2d", &off_h, &off_m) == 2)
        at -= (*end == '-' ? -1 : 1) * (off_h * 3600 + off_m * 60);
    return at;
}

static void age(struct api_call *c, const char *since, char *buf, size_t size)
{
    int64_t at = parse_time(since);

    if (at < 0)
        snprintf(buf, size, "<unknown>");
    else
        human_duration((int64_t)(world_wall(c->a->w) / 1000) - at, buf, size);
}

/* ---- cells ---- */

struct row {
    struct api_call *c;
    cJSON *cells;
};

static void cell(struct row *r, const char *text)
{
    cJSON_AddItemToArray(r->cells, cJSON_CreateString(text));
}

static void cell_or(struct row *r, const char *text, const char *dflt)
{
    cell(r, text && *text ? text : dflt);
}

static void cell_int(struct row *r, int64_t v)
{
    cJSON_AddItemToArray(r->cells, cJSON_CreateNumber((double)v));
}

static void cell_age(struct row *r, const cJSON *obj)
{
    char buf[32];

    age(r->c, json_str(obj, "metadata.creationTimestamp", NULL), buf, sizeof buf);
    cell(r, buf);
}

static void join(struct str *out, const cJSON *list, const char *key)
{
    const cJSON *j;

    cJSON_ArrayForEach(j, list)
        str_addf(out, "%s%s", out->len ? "," : "",
                 key                 ? json_str(j, key, "")
                 : cJSON_IsString(j) ? j->valuestring
                                     : "");
}

static void cell_join(struct row *r, const cJSON *list, const char *key, const char *dflt)
{
    auto_str struct str s = STR_INIT;

    join(&s, list, key);
    cell_or(r, str_text(&s), dflt);
}

/* ---- pods ---- */

static bool condition_is(const cJSON *obj, const char *type, const char *status)
{
    const cJSON *j;

    cJSON_ArrayForEach(j, json_at(obj, "status.conditions"))
        if (strcmp(json_str(j, "type", ""), type) == 0)
            return strcmp(json_str(j, "status", ""), status) == 0;
    return false;
}

struct pod_view {
    int total, ready;
    int64_t restarts, last_restart;
    char status[80];
};

static void ended_text(const cJSON *ended, const char *prefix, char *buf, size_t size)
{
    const char *reason = json_str(ended, "reason", "");
    int64_t signal_no = json_int(ended, "signal", 0);

    if (*reason)
        snprintf(buf, size, "%s%s", prefix, reason);
    else if (signal_no)
        snprintf(buf, size, "%sSignal:%" PRId64, prefix, signal_no);
    else
        snprintf(buf, size, "%sExitCode:%" PRId64, prefix, json_int(ended, "exitCode", 0));
}

static void count_restart(const cJSON *status, struct pod_view *v)
{
    int64_t at = parse_time(json_str(status, "lastState.terminated.finishedAt", NULL));

    v->restarts += json_int(status, "restartCount", 0);
    if (at > v->last_restart)
        v->last_restart = at;
}

/* True: an init container is what the pod waits for. */
static bool view_init(const cJSON *pod, struct pod_view *v)
{
    const cJSON *s;
    int i = 0;

    cJSON_ArrayForEach(s, json_at(pod, "status.initContainerStatuses")) {
        const cJSON *ended = json_at(s, "state.terminated");
        const char *waiting = json_str(s, "state.waiting.reason", "");

        count_restart(s, v);
        if (ended && json_int(ended, "exitCode", 0) == 0) {
            i++;
            continue;
        }
        if (ended)
            ended_text(ended, "Init:", v->status, sizeof v->status);
        else if (*waiting && strcmp(waiting, "PodInitializing") != 0)
            snprintf(v->status, sizeof v->status, "Init:%s", waiting);
        else
            snprintf(v->status, sizeof v->status, "Init:%d/%d", i,
                     cJSON_GetArraySize(json_at(pod, "spec.initContainers")));
        return true;
    }
    return false;
}

static void view_containers(const cJSON *pod, struct pod_view *v)
{
    const cJSON *list = json_at(pod, "status.containerStatuses");
    bool running = false;

    v->restarts = 0;
    for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--) {
        const cJSON *s = cJSON_GetArrayItem(list, i), *ended = json_at(s, "state.terminated");
        const char *waiting = json_str(s, "state.waiting.reason", "");

        count_restart(s, v);
        if (*waiting)
            snprintf(v->status, sizeof v->status, "%s", waiting);
        else if (ended)
            ended_text(ended, "", v->status, sizeof v->status);
        else if (json_bool(s, "ready", false) && json_at(s, "state.running")) {
            running = true;
            v->ready++;
        }
    }
    if (strcmp(v->status, "Completed") == 0 && running)
        snprintf(v->status, sizeof v->status, "%s", condition_is(pod, "Ready", "True") ? "Running" : "NotReady");
}

static void view_pod(const cJSON *pod, struct pod_view *v)
{
    *v = (struct pod_view){.total = cJSON_GetArraySize(json_at(pod, "spec.containers"))};
    snprintf(v->status, sizeof v->status, "%s", json_str(pod, "status.reason", json_str(pod, "status.phase", "")));
    if (!view_init(pod, v))
        view_containers(pod, v);
    if (json_at(pod, "metadata.deletionTimestamp"))
        snprintf(v->status, sizeof v->status, "%s",
                 strcmp(json_str(pod, "status.reason", ""), "NodeLost") == 0 ? "Unknown" : "Terminating");
}

static void row_pod(struct row *r, const cJSON *pod)
{
    struct pod_view v;
    char buf[80], ago[32];

    view_pod(pod, &v);
    cell(r, json_name(pod));
    snprintf(buf, sizeof buf, "%d/%d", v.ready, v.total);
    cell(r, buf);
    cell(r, v.status);
    snprintf(buf, sizeof buf, "%" PRId64, v.restarts);
    if (v.restarts && v.last_restart > 0) {
        human_duration((int64_t)(world_wall(r->c->a->w) / 1000) - v.last_restart, ago, sizeof ago);
        snprintf(buf, sizeof buf, "%" PRId64 " (%s ago)", v.restarts, ago);
    }
    cell(r, buf);
    cell_age(r, pod);
    cell_or(r, json_str(pod, "status.podIP", ""), "<none>");
    cell_or(r, json_str(pod, "spec.nodeName", ""), "<none>");
    cell_or(r, json_str(pod, "status.nominatedNodeName", ""), "<none>");
    cell(r, "<none>");
}

/* ---- the other kinds ---- */

static void row_sts(struct row *r, const cJSON *o)
{
    char buf[48];

    cell(r, json_name(o));
    snprintf(buf, sizeof buf, "%" PRId64 "/%" PRId64, json_int(o, "status.readyReplicas", 0),
             json_int(o, "spec.replicas", 0));
    cell(r, buf);
    cell_age(r, o);
    cell_join(r, json_at(o, "spec.template.spec.containers"), "name", "");
    cell_join(r, json_at(o, "spec.template.spec.containers"), "image", "");
}

static void external_address(const cJSON *o, struct str *out)
{
    const char *type = json_str(o, "spec.type", "");
    const cJSON *j;

    if (strcmp(type, "ExternalName") == 0)
        str_add(out, json_str(o, "spec.externalName", ""));
    cJSON_ArrayForEach(j, json_at(o, "status.loadBalancer.ingress"))
        str_addf(out, "%s%s", out->len ? "," : "", json_str(j, "ip", json_str(j, "hostname", "")));
    join(out, json_at(o, "spec.externalIPs"), NULL);
    if (!out->len)
        str_add(out, strcmp(type, "LoadBalancer") == 0 ? "<pending>" : "<none>");
}

static void row_svc(struct row *r, const cJSON *o)
{
    auto_str struct str external = STR_INIT, ports = STR_INIT, sel = STR_INIT;
    const cJSON *j;

    external_address(o, &external);
    cJSON_ArrayForEach(j, json_at(o, "spec.ports")) {
        str_addf(&ports, "%s%" PRId64, ports.len ? "," : "", json_int(j, "port", 0));
        if (json_int(j, "nodePort", 0))
            str_addf(&ports, ":%" PRId64, json_int(j, "nodePort", 0));
        str_addf(&ports, "/%s", json_str(j, "protocol", "TCP"));
    }
    cJSON_ArrayForEach(j, json_at(o, "spec.selector"))
        str_addf(&sel, "%s%s=%s", sel.len ? "," : "", j->string, cJSON_IsString(j) ? j->valuestring : "");
    cell(r, json_name(o));
    cell(r, json_str(o, "spec.type", ""));
    cell_or(r, json_str(o, "spec.clusterIP", ""), "<none>");
    cell(r, str_text(&external));
    cell_or(r, str_text(&ports), "<none>");
    cell_age(r, o);
    cell_or(r, str_text(&sel), "<none>");
}

static void cell_modes(struct row *r, const cJSON *list)
{
    static const char *const shorts[][2] = {
        {"ReadWriteOnce", "RWO"}, {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"}, {"ReadWriteOncePod", "RWOP"}};
    auto_str struct str s = STR_INIT;

    for (size_t i = 0; i < 4; i++)
        if (json_has(list, shorts[i][0]))
            str_addf(&s, "%s%s", s.len ? "," : "", shorts[i][1]);
    cell(r, str_text(&s));
}

static void row_pvc(struct row *r, const cJSON *o)
{
    bool bound = *json_str(o, "spec.volumeName", "");

    cell(r, json_name(o));
    cell(r, json_at(o, "metadata.deletionTimestamp") ? "Terminating" : json_str(o, "status.phase", ""));
    cell(r, json_str(o, "spec.volumeName", ""));
    cell(r, bound ? json_str(o, "status.capacity.storage", "") : "");
    cell_modes(r, bound ? json_at(o, "status.accessModes") : NULL);
    cell(r, json_str(o, "spec.storageClassName", ""));
    cell_or(r, json_str(o, "spec.volumeAttributesClassName", ""), "<unset>");
    cell_age(r, o);
    cell_or(r, json_str(o, "spec.volumeMode", ""), "<unset>");
}

static void row_pv(struct row *r, const cJSON *o)
{
    auto_str struct str claim = STR_INIT;

    if (json_at(o, "spec.claimRef"))
        str_addf(&claim, "%s/%s", json_str(o, "spec.claimRef.namespace", ""), json_str(o, "spec.claimRef.name", ""));
    cell(r, json_name(o));
    cell(r, json_str(o, "spec.capacity.storage", ""));
    cell_modes(r, json_at(o, "spec.accessModes"));
    cell(r, json_str(o, "spec.persistentVolumeReclaimPolicy", ""));
    cell(r, json_at(o, "metadata.deletionTimestamp") ? "Terminating" : json_str(o, "status.phase", ""));
    cell(r, str_text(&claim));
    cell(r, json_str(o, "spec.storageClassName", ""));
    cell_or(r, json_str(o, "spec.volumeAttributesClassName", ""), "<unset>");
    cell(r, json_str(o, "status.reason", ""));
    cell_age(r, o);
    cell_or(r, json_str(o, "spec.volumeMode", ""), "<unset>");
}

static const char *node_address(const cJSON *o, const char *type)
{
    const cJSON *j;

    cJSON_ArrayForEach(j, json_at(o, "status.addresses"))
        if (strcmp(json_str(j, "type", ""), type) == 0)
            return json_str(j, "address", "");
    return "<none>";
}

static void row_node(struct row *r, const cJSON *o)
{
    auto_str struct str roles = STR_INIT, status = STR_INIT;
    const cJSON *l;

    str_add(&status, condition_is(o, "Ready", "True")    ? "Ready"
                     : condition_is(o, "Ready", "False") ? "NotReady"
                                                         : "Unknown");
    if (json_bool(o, "spec.unschedulable", false))
        str_add(&status, ",SchedulingDisabled");
    cJSON_ArrayForEach(l, json_at(o, "metadata.labels"))
        if (str_starts(l->string, "node-role.kubernetes.io/"))
            str_addf(&roles, "%s%s", roles.len ? "," : "", l->string + strlen("node-role.kubernetes.io/"));
    cell(r, json_name(o));
    cell(r, str_text(&status));
    cell_or(r, str_text(&roles), "<none>");
    cell_age(r, o);
    cell(r, json_str(o, "status.nodeInfo.kubeletVersion", ""));
    cell(r, node_address(o, "InternalIP"));
    cell(r, node_address(o, "ExternalIP"));
    cell_or(r, json_str(o, "status.nodeInfo.osImage", ""), "<unknown>");
    cell_or(r, json_str(o, "status.nodeInfo.kernelVersion", ""), "<unknown>");
    cell_or(r, json_str(o, "status.nodeInfo.containerRuntimeVersion", ""), "<unknown>");
}

static void row_event(struct row *r, const cJSON *o)
{
    const char *last =
        json_str(o, "series.lastObservedTime", json_str(o, "lastTimestamp", json_str(o, "eventTime", NULL)));
    const char *first = json_str(o, "firstTimestamp", json_str(o, "eventTime", NULL));
    int64_t count = json_int(o, "series.count", json_int(o, "count", 1));
    auto_str struct str about = STR_INIT;
    char buf[48];

    age(r->c, last ? last : json_str(o, "metadata.creationTimestamp", NULL), buf, sizeof buf);
    cell(r, buf);
    cell(r, json_str(o, "type", ""));
    cell(r, json_str(o, "reason", ""));
    str_add(&about, json_str(o, "involvedObject.kind", ""));
    for (size_t i = 0; i < about.len; i++)
        about.s[i] = about.s[i] >= 'A' && about.s[i] <= 'Z' ? (char)(about.s[i] + 32) : about.s[i];
    str_addf(&about, "/%s", json_str(o, "involvedObject.name", ""));
    cell(r, str_text(&about));
    cell(r, json_str(o, "involvedObject.fieldPath", ""));
    cell(r, json_str(o, "source.component", json_str(o, "reportingComponent", "")));
    cell(r, json_str(o, "message", ""));
    age(r->c, first ? first : json_str(o, "metadata.creationTimestamp", NULL), buf, sizeof buf);
    cell(r, buf);
    snprintf(buf, sizeof buf, "%" PRId64, count);
    cell(r, buf);
    cell(r, json_name(o));
}

static void cell_either(struct row *r, const cJSON *value)
{
    auto_free char *text =
        value ? cJSON_IsString(value) ? mem_str(value->valuestring) : json_print(value) : mem_str("N/A");

    cell(r, text);
}

static void row_pdb(struct row *r, const cJSON *o)
{
    cell(r, json_name(o));
    cell_either(r, json_at(o, "spec.minAvailable"));
    cell_either(r, json_at(o, "spec.maxUnavailable"));
    cell_int(r, json_int(o, "status.disruptionsAllowed", 0));
    cell_age(r, o);
}

static void cell_ports(struct row *r, const cJSON *ports)
{
    auto_str struct str s = STR_INIT;
    const cJSON *p;

    cJSON_ArrayForEach(p, ports)
        str_addf(&s, "%s%" PRId64, s.len ? "," : "", json_int(p, "port", 0));
    cell_or(r, str_text(&s), "<unset>");
}

static void row_slice(struct row *r, const cJSON *o)
{
    auto_str struct str s = STR_INIT;
    const cJSON *e;

    cJSON_ArrayForEach(e, json_get(o, "endpoints"))
        join(&s, json_get(e, "addresses"), NULL);
    cell(r, json_name(o));
    cell(r, json_str(o, "addressType", ""));
    cell_ports(r, json_get(o, "ports"));
    cell_or(r, str_text(&s), "<unset>");
    cell_age(r, o);
}

static void row_endpoints(struct row *r, const cJSON *o)
{
    auto_str struct str s = STR_INIT;
    const cJSON *set, *a, *p;

    cJSON_ArrayForEach(set, json_get(o, "subsets"))
        cJSON_ArrayForEach(p, json_get(set, "ports"))
            cJSON_ArrayForEach(a, json_get(set, "addresses"))
                str_addf(&s, "%s%s:%" PRId64, s.len ? "," : "", json_str(a, "ip", ""), json_int(p, "port", 0));
    cell(r, json_name(o));
    cell_or(r, str_text(&s), "<none>");
    cell_age(r, o);
}

static void row_class(struct row *r, const cJSON *o)
{
    const char *is_default = json_annotation(o, "storageclass.kubernetes.io/is-default-class");
    auto_free char *name = mem_printf("%s%s", json_name(o), str_eq(is_default, "true") ? " (default)" : "");

    cell(r, name);
    cell(r, json_str(o, "provisioner", ""));
    cell(r, json_str(o, "reclaimPolicy", ""));
    cell(r, json_str(o, "volumeBindingMode", ""));
    cJSON_AddItemToArray(r->cells, cJSON_CreateBool(json_bool(o, "allowVolumeExpansion", false)));
    cell_age(r, o);
}

static void row_revision(struct row *r, const cJSON *o)
{
    const cJSON *owner = store_controller_of(o);
    auto_free char *text =
        owner ? mem_printf("%s/%s", json_str(owner, "kind", ""), json_str(owner, "name", "")) : mem_str("<none>");

    cell(r, json_name(o));
    cell(r, text);
    cell_int(r, json_int(o, "revision", 0));
    cell_age(r, o);
}

static void row_custom(struct row *r, const cJSON *o)
{
    const struct schema_resource *res = schema_resource((enum schema_kind)schema_kind_of_plane(r->c->kind));
    char buf[32];

    cell(r, json_name(o));
    for (size_t i = 0; i < res->n_columns; i++) {
        const struct schema_column *col = &res->columns[i];
        const cJSON *v = json_at(o, col->path + (*col->path == '.'));

        if (strcmp(col->type, "date") == 0) {
            age(r->c, cJSON_IsString(v) ? v->valuestring : NULL, buf, sizeof buf);
            cell(r, buf);
        } else {
            cJSON_AddItemToArray(r->cells, v ? json_copy(v) : cJSON_CreateNull());
        }
    }
}

static void row_simple(struct row *r, enum plane_kind kind, const cJSON *o)
{
    cell(r, json_name(o));
    switch (kind) {
    case PK_NS:
        cell(r, json_str(o, "status.phase", ""));
        break;
    case PK_CM:
        cell_int(r, cJSON_GetArraySize(json_get(o, "data")) + cJSON_GetArraySize(json_get(o, "binaryData")));
        break;
    case PK_SECRET:
        cell(r, json_str(o, "type", ""));
        cell_int(r, cJSON_GetArraySize(json_get(o, "data")));
        break;
    case PK_SA:
        cell_int(r, cJSON_GetArraySize(json_get(o, "secrets")));
        break;
    case PK_LEASE:
        cell(r, json_str(o, "spec.holderIdentity", ""));
        break;
    case PK_CRD:
        cell(r, json_str(o, "metadata.creationTimestamp", ""));
        return;
    default:
        break;
    }
    cell_age(r, o);
}

static void row_cells(struct row *r, enum plane_kind kind, const cJSON *o)
{
    switch (kind) {
    case PK_POD:
        row_pod(r, o);
        break;
    case PK_STS:
        row_sts(r, o);
        break;
    case PK_SVC:
        row_svc(r, o);
        break;
    case PK_PVC:
        row_pvc(r, o);
        break;
    case PK_PV:
        row_pv(r, o);
        break;
    case PK_NODE:
        row_node(r, o);
        break;
    case PK_EVENT:
        row_event(r, o);
        break;
    case PK_PDB:
        row_pdb(r, o);
        break;
    case PK_EPSLICE:
        row_slice(r, o);
        break;
    case PK_ENDPOINTS:
        row_endpoints(r, o);
        break;
    case PK_STORAGECLASS:
        row_class(r, o);
        break;
    case PK_REVISION:
        row_revision(r, o);
        break;
    case PK_CHI:
    case PK_CHIT:
    case PK_CHOPCONF:
    case PK_CHK:
        row_custom(r, o);
        break;
    default:
        row_simple(r, kind, o);
        break;
    }
}

void table_row(struct api_call *c, const cJSON *obj, struct str *out)
{
    struct row r = {c, cJSON_CreateArray()};
    char *text;

    row_cells(&r, c->kind, obj);
    text = json_print(r.cells);
    str_addf(out, "{\"cells\":");
    str_add(out, text);
    cJSON_free(text);
    cJSON_Delete(r.cells);
    if (strcmp(c->include_object, "None") != 0) {
        bool whole = strcmp(c->include_object, "Object") == 0;

        text = json_print(whole ? obj : json_get(obj, "metadata"));
        str_add(
            out,
            whole ? ",\"object\":"
                  : ",\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":");
        str_add(out, text);
        if (!whole)
            str_addc(out, '}');
        cJSON_free(text);
    }
    str_addc(out, '}');
}
