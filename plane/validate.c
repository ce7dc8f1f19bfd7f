/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/rules.h"
#include "plane/types.h"

const char rules_subdomain_help[] = "a name is made of lower-case letters, digits, '-' and '.', begins and ends with a "
                                    "letter or digit (RFC 1123 subdomain, at most "
                                    "253 characters)";
const char rules_label_help[] = "a name is made of lower-case letters, digits and '-', begins and ends with a letter "
                                "or digit (RFC 1123 label, at most 63 "
                                "characters)";

void field_errs_free(struct field_errs *e)
{
    cJSON_Delete(e->causes);
    str_free(&e->text);
    *e = (struct field_errs)FIELD_ERRS_INIT;
}

static const char *reason_text(const char *reason)
{
    static const char *const known[][2] = {
        {"Invalid", "Invalid value"},     {"Required", "Required value"},        {"Forbidden", "Forbidden"},
        {"Duplicate", "Duplicate value"}, {"NotSupported", "Unsupported value"}, {"TooLong", "Too long"},
        {"TypeInvalid", "Invalid value"}, {"NotFound", "Not found"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i][0], reason) == 0)
            return known[i][1];
    return reason;
}

void field_err(struct field_errs *e, const char *reason, const char *field, const char *fmt, ...)
{
    auto_str struct str text = STR_INIT;
    char detail[1024], full[64];
    cJSON *cause = cJSON_CreateObject();
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    str_addf(&text, "%s%s%s", reason_text(reason), *detail ? ": " : "", detail);
    snprintf(full, sizeof full, "FieldValue%s", reason);
    json_set_str(cause, "reason", full);
    json_set_str(cause, "message", str_text(&text));
    json_set_str(cause, "field", field);
    if (!e->causes)
        e->causes = cJSON_CreateArray();
    cJSON_AddItemToArray(e->causes, cause);
    str_addf(&e->text, "%s%s: %s", e->n++ ? ", " : "", field, str_text(&text));
}

/* ---- names ---- */

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *s, size_t max, bool dots)
{
    size_t n = strlen(s);

    if (n == 0 || n > max || !is_lower_alnum(s[0]) || !is_lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (is_lower_alnum(s[i]) || s[i] == '-')
            continue;
        if (s[i] != '.' || !dots || !is_lower_alnum(s[i - 1]) || !is_lower_alnum(s[i + 1]))
            return false;
    }
    return true;
}

bool rules_is_label_name(const char *s)
{
    return is_name(s, 63, false);
}

bool rules_is_subdomain(const char *s)
{
    return is_name(s, 253, true);
}

static bool is_qualified(const char *s, size_t n)
{
    if (n == 0 || n > 63 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
            return false;
    return true;
}

bool rules_is_label_key(const char *s)
{
    const char *slash = strchr(s, '/');
    char prefix[256];

    if (!slash)
        return is_qualified(s, strlen(s));
    snprintf(prefix, sizeof prefix, "%.*s", (int)(slash - s), s);
    return slash - s < 254 && rules_is_subdomain(prefix) && is_qualified(slash + 1, strlen(slash + 1));
}

bool rules_is_label_value(const char *s)
{
    return *s == '\0' || is_qualified(s, strlen(s));
}

/* ---- metadata ---- */

static void validate_labels(const cJSON *labels, const char *path, struct field_errs *e)
{
    const cJSON *l;

    cJSON_ArrayForEach(l, labels) {
        if (!rules_is_label_key(l->string))
            field_err(e, "Invalid", path,
                      "\"%s\": a label key is [prefix/]name of letters, digits, '-', '_' and '.', the name at most "
                      "63 characters",
                      l->string);
        if (!cJSON_IsString(l) || !rules_is_label_value(l->valuestring))
            field_err(e, "Invalid", path,
                      "the value of \"%s\": a label value has at most 63 letters, digits, '-', '_' and '.', and "
                      "begins and ends with a letter or digit",
                      l->string);
    }
}

static void validate_annotations(const cJSON *annotations, struct field_errs *e)
{
    size_t total = 0;
    const cJSON *a;

    cJSON_ArrayForEach(a, annotations) {
        char low[400];
        size_t i;

        for (i = 0; a->string[i] && i < sizeof low - 1; i++)
            low[i] = (char)tolower((unsigned char)a->string[i]);
        low[i] = '\0';
        if (!rules_is_label_key(low))
            field_err(e, "Invalid", "metadata.annotations", "\"%s\": an annotation key is [prefix/]name", a->string);
        total += strlen(a->string) + (cJSON_IsString(a) ? strlen(a->valuestring) : 0);
    }
    if (total > 256 * 1024)
        field_err(e, "TooLong", "metadata.annotations", "may not be more than 262144 bytes together, these are %zu",
                  total);
}

static void validate_owners(const cJSON *owners, struct field_errs *e)
{
    int controllers = 0;
    const cJSON *o;

    cJSON_ArrayForEach(o, owners) {
        static const char *const need[] = {"apiVersion", "kind", "name", "uid"};

        for (int i = 0; i < 4; i++)
            if (!*json_str(o, need[i], ""))
                field_err(e, "Invalid", "metadata.ownerReferences", "%s must not be empty", need[i]);
        controllers += json_bool(o, "controller", false);
    }
    if (controllers > 1)
        field_err(e, "Invalid", "metadata.ownerReferences", "only one reference can have controller set to true");
}

static bool name_fits(enum plane_kind kind, const char *name, const char **help)
{
    if (kind == PK_NS || kind == PK_SVC) {
        *help =
            kind == PK_SVC
                ? "a service name is made of lower-case letters, digits and '-', begins with a letter (RFC 1035 label, "
                  "at most 63 characters)"
                : rules_label_help;
        return rules_is_label_name(name) && (kind == PK_NS || !isdigit((unsigned char)name[0]));
    }
    *help = rules_subdomain_help;
    if (kind == PK_EVENT) /* clients make names from foreign ones */
        return strlen(name) <= 253 && !strchr(name, '/') && !strchr(name, '%');
    return rules_is_subdomain(name);
}

void rules_validate_meta(enum plane_kind kind, const cJSON *obj, struct field_errs *e)
{
    const char *name = json_name(obj), *help;
    const cJSON *meta = json_get(obj, "metadata"), *f;

    if (!*name)
        field_err(e, "Required", "metadata.name", "name or generateName is required");
    else if (!name_fits(kind, name, &help))
        field_err(e, "Invalid", "metadata.name", "\"%s\": %s", name, help);
    validate_labels(json_get(meta, "labels"), "metadata.labels", e);
    validate_annotations(json_get(meta, "annotations"), e);
    validate_owners(json_get(meta, "ownerReferences"), e);
    cJSON_ArrayForEach(f, json_get(meta, "finalizers"))
        if (!cJSON_IsString(f) || !rules_is_label_key(f->valuestring))
            field_err(e, "Invalid", "metadata.finalizers", "a finalizer is [prefix/]name");
}

/* ---- parts ---- */

static void one_of(struct field_errs *e, const char *field, const char *value, const char *bars)
{
    size_t n = strlen(value);

    for (const char *p = bars; *p; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == n && strncmp(p, value, n) == 0)
            return;
    field_err(e, "NotSupported", field, "\"%s\": supported values: %s", value, bars);
}

static void validate_selector(const cJSON *sel, const char *path, struct field_errs *e)
{
    const cJSON *x;
    char field[160];

    snprintf(field, sizeof field, "%s.matchLabels", path);
    validate_labels(json_get(sel, "matchLabels"), field, e);
    snprintf(field, sizeof field, "%s.matchExpressions", path);
    cJSON_ArrayForEach(x, json_get(sel, "matchExpressions")) {
        const char *op = json_str(x, "operator", "");
        bool list = strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0;

        one_of(e, field, op, "In|NotIn|Exists|DoesNotExist");
        if (list != (cJSON_GetArraySize(json_get(x, "values")) > 0))
            field_err(e, "Invalid", field, "%s %s values", op, list ? "needs" : "takes no");
    }
}

static void validate_port(const cJSON *j, const char *path, struct field_errs *e)
{
    int64_t port = json_int(j, "containerPort", 0);
    const char *name = json_str(j, "name", "");
    size_t n = strlen(name);

    if (port < 1 || port > 65535)
        field_err(e, "Invalid", path, "containerPort %lld: must be between 1 and 65535", (long long)port);
    if (n > 15 || (n && !rules_is_label_name(name)))
        field_err(e, "Invalid", path, "name \"%s\": at most 15 lower-case letters, digits and '-'", name);
    one_of(e, path, json_str(j, "protocol", "TCP"), "TCP|UDP|SCTP");
}

static void validate_probe(const cJSON *probe, const char *path, struct field_errs *e)
{
    int handlers = !!json_get(probe, "exec") + !!json_get(probe, "httpGet") + !!json_get(probe, "tcpSocket") +
                   !!json_get(probe, "grpc");

    if (probe && handlers != 1)
        field_err(e, handlers ? "Forbidden" : "Required", path, "exactly one of exec, httpGet, tcpSocket, grpc");
}

static void validate_hook(const cJSON *hook, const char *path, struct field_errs *e)
{
    int handlers = !!json_get(hook, "exec") + !!json_get(hook, "httpGet") + !!json_get(hook, "tcpSocket") +
                   !!json_get(hook, "sleep");

    if (hook && handlers != 1)
        field_err(e, handlers ? "Forbidden" : "Required", path, "exactly one of exec, httpGet, tcpSocket, sleep");
}

struct container_at {
    const cJSON *spec;
    const cJSON *claims; /* volumeClaimTemplates, which are volumes too; NULL when there are none */
    char path[200];
};

static bool names_volume(const struct container_at *at, const char *name)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_get(at->spec, "volumes"))
        if (str_eq(json_str(v, "name", NULL), name))
            return true;
    cJSON_ArrayForEach(v, at->claims)
        if (str_eq(json_name(v), name))
            return true;
    return false;
}

static void validate_mounts(const struct container_at *at, const cJSON *mounts, struct field_errs *e)
{
    const cJSON *m, *other;
    char field[320];
    int i = 0;

    cJSON_ArrayForEach(m, mounts) {
        const char *path = json_str(m, "mountPath", "");

        snprintf(field, sizeof field, "%s.volumeMounts[%d].name", at->path, i);
        if (!names_volume(at, json_str(m, "name", "")))
            field_err(e, "NotFound", field, "\"%s\"", json_str(m, "name", ""));
        snprintf(field, sizeof field, "%s.volumeMounts[%d].mountPath", at->path, i++);
        for (other = mounts->child; other != m; other = other->next)
            if (strcmp(path, json_str(other, "mountPath", "")) == 0)
                field_err(e, "Invalid", field, "\"%s\": must be unique", path);
    }
}

static void validate_container(const struct container_at *at, const cJSON *c, struct field_errs *e)
{
    static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    static const char *const hooks[] = {"lifecycle.postStart", "lifecycle.preStop"};
    const char *name = json_str(c, "name", "");
    char field[320];
    const cJSON *j;

    snprintf(field, sizeof field, "%s.name", at->path);
    if (!rules_is_label_name(name))
        field_err(e, *name ? "Invalid" : "Required", field, "\"%s\": %s", name, rules_label_help);
    snprintf(field, sizeof field, "%s.image", at->path);
    if (!*json_str(c, "image", ""))
        field_err(e, "Required", field, "%s", "");
    snprintf(field, sizeof field, "%s.ports", at->path);
    cJSON_ArrayForEach(j, json_get(c, "ports"))
        validate_port(j, field, e);
    for (int i = 0; i < 3; i++) {
        snprintf(field, sizeof field, "%s.%s", at->path, probes[i]);
        validate_probe(json_get(c, probes[i]), field, e);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(field, sizeof field, "%s.%s", at->path, hooks[i]);
        validate_hook(json_at(c, hooks[i]), field, e);
    }
    snprintf(field, sizeof field, "%s.imagePullPolicy", at->path);
    one_of(e, field, json_str(c, "imagePullPolicy", ""), "Always|IfNotPresent|Never");
    validate_mounts(at, json_get(c, "volumeMounts"), e);
}

static void validate_containers(struct container_at *at, const char *path, const char *list, struct field_errs *e)
{
    const cJSON *c, *other;
    int i = 0;

    cJSON_ArrayForEach(c, json_get(at->spec, list)) {
        snprintf(at->path, sizeof at->path, "%s.%s[%d]", path, list, i++);
        validate_container(at, c, e);
        for (other = json_get(at->spec, list)->child; other != c; other = other->next)
            if (str_eq(json_str(c, "name", NULL), json_str(other, "name", "")))
                field_err(e, "Duplicate", at->path, "\"%s\"", json_str(c, "name", ""));
    }
}

static void validate_volumes(const cJSON *spec, const char *path, struct field_errs *e)
{
    const cJSON *v, *other;
    char field[240];
    int i = 0;

    cJSON_ArrayForEach(v, json_get(spec, "volumes")) {
        const char *name = json_str(v, "name", "");

        snprintf(field, sizeof field, "%s.volumes[%d].name", path, i++);
        if (!rules_is_label_name(name))
            field_err(e, *name ? "Invalid" : "Required", field, "\"%s\": %s", name, rules_label_help);
        for (other = json_get(spec, "volumes")->child; other != v; other = other->next)
            if (str_eq(name, json_str(other, "name", NULL)))
                field_err(e, "Duplicate", field, "\"%s\"", name);
    }
}

static void validate_pod_spec_at(const cJSON *spec, const char *path, const cJSON *claims, struct field_errs *e)
{
    struct container_at at = {.spec = spec, .claims = claims};
    char field[200];

    snprintf(field, sizeof field, "%s.containers", path);
    if (cJSON_GetArraySize(json_get(spec, "containers")) == 0)
        field_err(e, "Required", field, "a pod needs at least one container");
    validate_volumes(spec, path, e);
    validate_containers(&at, path, "initContainers", e);
    validate_containers(&at, path, "containers", e);
    snprintf(field, sizeof field, "%s.restartPolicy", path);
    one_of(e, field, json_str(spec, "restartPolicy", ""), "Always|OnFailure|Never");
    snprintf(field, sizeof field, "%s.dnsPolicy", path);
    one_of(e, field, json_str(spec, "dnsPolicy", ""), "ClusterFirst|ClusterFirstWithHostNet|Default|None");
    if (json_int(spec, "terminationGracePeriodSeconds", 0) < 0) {
        snprintf(field, sizeof field, "%s.terminationGracePeriodSeconds", path);
        field_err(e, "Invalid", field, "must not be negative");
    }
}

/* ---- kinds ---- */

/* The spec without what may change, for comparison with the old one. */
static cJSON *frozen_pod_spec(const cJSON *spec, bool system)
{
    static const char *const free_fields[] = {"tolerations", "activeDeadlineSeconds", "ephemeralContainers",
                                              "schedulingGates"};
    static const char *const lists[] = {"containers", "initContainers"};
    cJSON *s = json_copy(spec), *c;

    for (size_t i = 0; i < sizeof free_fields / sizeof *free_fields; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(s, free_fields[i]);
    for (int i = 0; i < 2; i++)
        cJSON_ArrayForEach(c, json_get(s, lists[i])) {
            cJSON_DeleteItemFromObjectCaseSensitive(c, "image");
            cJSON_DeleteItemFromObjectCaseSensitive(c, "imagePullPolicy");
        }
    if (system)
        cJSON_DeleteItemFromObjectCaseSensitive(s, "nodeName");
    return s;
}

static void validate_pod(const cJSON *obj, const cJSON *old, bool system, struct field_errs *e)
{
    const cJSON *spec = json_get(obj, "spec");

    validate_pod_spec_at(spec, "spec", NULL, e);
    if (old) {
        auto_json cJSON *a = frozen_pod_spec(spec, system), *b = frozen_pod_spec(json_get(old, "spec"), system);

        if (!json_same(a, b))
            field_err(e, "Forbidden", "spec",
                      "pod updates may not change fields other than `spec.containers[*].image`, "
                      "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations`");
    }
}

static cJSON *frozen_statefulset_spec(const cJSON *spec)
{
    static const char *const free_fields[] = {"replicas",
                                              "ordinals",
                                              "template",
                                              "updateStrategy",
                                              "revisionHistoryLimit",
                                              "persistentVolumeClaimRetentionPolicy",
                                              "minReadySeconds"};
    cJSON *s = json_copy(spec);

    for (size_t i = 0; i < sizeof free_fields / sizeof *free_fields; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(s, free_fields[i]);
    return s;
}

static void validate_claim_spec(const cJSON *spec, const char *path, struct field_errs *e)
{
    const char *size = json_str(spec, "resources.requests.storage", "");
    const cJSON *mode;
    long double milli;
    char field[160];

    snprintf(field, sizeof field, "%s.accessModes", path);
    if (cJSON_GetArraySize(json_get(spec, "accessModes")) == 0)
        field_err(e, "Required", field, "at least one access mode is required");
    cJSON_ArrayForEach(mode, json_get(spec, "accessModes"))
        one_of(e, field, cJSON_IsString(mode) ? mode->valuestring : "",
               "ReadWriteOnce|ReadOnlyMany|ReadWriteMany|ReadWriteOncePod");
    snprintf(field, sizeof field, "%s.resources[storage]", path);
    if (!*size)
        field_err(e, "Required", field, "%s", "");
    else if (quantity_milli(size, &milli) && milli <= 0)
        field_err(e, "Invalid", field, "\"%s\": must be greater than zero", size);
}

static void validate_statefulset(const cJSON *obj, const cJSON *old, struct field_errs *e)
{
    const cJSON *spec = json_get(obj, "spec"), *sel = json_get(spec, "selector"), *want, *claim;
    const cJSON *labels = json_at(spec, "template.metadata.labels");
    int i = 0;

    if (!sel || (!json_get(sel, "matchLabels") && !json_get(sel, "matchExpressions")))
        field_err(e, "Required", "spec.selector", "a selector with at least one label is required");
    validate_selector(sel, "spec.selector", e);
    cJSON_ArrayForEach(want, json_get(sel, "matchLabels"))
        if (!json_same(json_get(labels, want->string), want)) {
            field_err(e, "Invalid", "spec.template.metadata.labels", "`selector` does not match template `labels`: %s",
                      want->string);
            break;
        }
    validate_labels(labels, "spec.template.metadata.labels", e);
    validate_pod_spec_at(json_at(spec, "template.spec"), "spec.template.spec", json_get(spec, "volumeClaimTemplates"), e);
    if (!str_eq(json_str(spec, "template.spec.restartPolicy", ""), "Always"))
        field_err(e, "NotSupported", "spec.template.spec.restartPolicy", "supported values: Always");
    if (json_int(spec, "replicas", 0) < 0)
        field_err(e, "Invalid", "spec.replicas", "must not be negative");
    one_of(e, "spec.podManagementPolicy", json_str(spec, "podManagementPolicy", ""), "OrderedReady|Parallel");
    one_of(e, "spec.updateStrategy.type", json_str(spec, "updateStrategy.type", ""), "RollingUpdate|OnDelete");
    cJSON_ArrayForEach(claim, json_get(spec, "volumeClaimTemplates")) {
        char path[80];

        snprintf(path, sizeof path, "spec.volumeClaimTemplates[%d].spec", i++);
        validate_claim_spec(json_get(claim, "spec"), path, e);
    }
    if (old) {
        auto_json cJSON *a = frozen_statefulset_spec(spec), *b = frozen_statefulset_spec(json_get(old, "spec"));

        if (!json_same(a, b))
            field_err(e, "Forbidden", "spec",
                      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                      "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
                      "'minReadySeconds' are "
                      "forbidden");
    }
}

static void validate_service_ports(const cJSON *spec, struct field_errs *e)
{
    const cJSON *ports = json_get(spec, "ports"), *p, *other;
    int n = cJSON_GetArraySize(ports), i = 0;

    cJSON_ArrayForEach(p, ports) {
        int64_t port = json_int(p, "port", 0);
        char field[64];

        snprintf(field, sizeof field, "spec.ports[%d].name", i);
        if (n > 1 && !*json_str(p, "name", ""))
            field_err(e, "Required", field, "a service with several ports names each of them");
        snprintf(field, sizeof field, "spec.ports[%d].port", i++);
        if (port < 1 || port > 65535)
            field_err(e, "Invalid", field, "%lld: must be between 1 and 65535", (long long)port);
        for (other = ports->child; other != p; other = other->next) {
            if (n > 1 && str_eq(json_str(p, "name", ""), json_str(other, "name", NULL)))
                field_err(e, "Duplicate", field, "the name \"%s\"", json_str(p, "name", ""));
            if (port == json_int(other, "port", 0) &&
                str_eq(json_str(p, "protocol", "TCP"), json_str(other, "protocol", "TCP")))
                field_err(e, "Duplicate", field, "%lld of one protocol twice", (long long)port);
        }
    }
}

static void validate_service(const cJSON *obj, const cJSON *old, struct field_errs *e)
{
    const cJSON *spec = json_get(obj, "spec");
    const char *type = json_str(spec, "type", ""), *ip = json_str(spec, "clusterIP", "");
    bool headless = strcmp(ip, "None") == 0;

    one_of(e, "spec.type", type, "ClusterIP|NodePort|LoadBalancer|ExternalName");
    one_of(e, "spec.sessionAffinity", json_str(spec, "sessionAffinity", ""), "ClientIP|None");
    if (strcmp(type, "ExternalName") == 0) {
        if (!*json_str(spec, "externalName", ""))
            field_err(e, "Required", "spec.externalName", "%s", "");
        return;
    }
    validate_labels(json_get(spec, "selector"), "spec.selector", e);
    if (cJSON_GetArraySize(json_get(spec, "ports")) == 0 && !headless)
        field_err(e, "Required", "spec.ports", "%s", "");
    if (headless && strcmp(type, "ClusterIP") != 0)
        field_err(e, "Invalid", "spec.clusterIPs[0]", "\"None\": may not be None for %s services", type);
    validate_service_ports(spec, e);
    if (old && !str_eq(json_str(old, "spec.type", ""), "ExternalName") &&
        !str_eq(ip, json_str(old, "spec.clusterIP", "")))
        field_err(e, "Invalid", "spec.clusterIPs[0]", "\"%s\": may not change once set", ip);
}

static void validate_claim(const cJSON *obj, const cJSON *old, bool system, struct field_errs *e)
{
    const cJSON *spec = json_get(obj, "spec");
    long double now = 0, before = 0;

    validate_claim_spec(spec, "spec", e);
    if (!old)
        return;
    auto_json cJSON *a = json_copy(spec), *b = json_copy(json_get(old, "spec"));

    if (str_eq(json_str(old, "status.phase", NULL), "Bound")) {
        cJSON_DeleteItemFromObjectCaseSensitive(json_at(a, "resources.requests"), "storage");
        cJSON_DeleteItemFromObjectCaseSensitive(json_at(b, "resources.requests"), "storage");
    }
    if (system || !*json_str(old, "spec.volumeName", "")) {
        cJSON_DeleteItemFromObjectCaseSensitive(a, "volumeName");
        cJSON_DeleteItemFromObjectCaseSensitive(b, "volumeName");
    }
    if (system || !json_at(old, "spec.storageClassName")) {
        cJSON_DeleteItemFromObjectCaseSensitive(a, "storageClassName");
        cJSON_DeleteItemFromObjectCaseSensitive(b, "storageClassName");
    }
    if (str_eq(json_str(old, "status.phase", NULL), "Bound") && *json_str(a, "volumeAttributesClassName", "")) {
        cJSON_DeleteItemFromObjectCaseSensitive(a, "volumeAttributesClassName");
        cJSON_DeleteItemFromObjectCaseSensitive(b, "volumeAttributesClassName");
    }
    if (!json_same(a, b))
        field_err(e, "Forbidden", "spec",
                  "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
                  "bound claims");
    if (quantity_milli(json_str(spec, "resources.requests.storage", ""), &now) &&
        quantity_milli(json_str(old, "spec.resources.requests.storage", ""), &before) && now < before)
        field_err(e, "Forbidden", "spec.resources.requests.storage", "field can not be less than previous value");
}

static void validate_keys(const cJSON *map, const char *list, struct field_errs *e, size_t *total)
{
    const cJSON *item;
    char field[320];

    cJSON_ArrayForEach(item, map) {
        size_t n = strlen(item->string),
               ok = strspn(item->string, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

        if (n == 0 || n > 253 || ok != n || strcmp(item->string, ".") == 0 || strcmp(item->string, "..") == 0) {
            snprintf(field, sizeof field, "%s[%.253s]", list, item->string);
            field_err(e, "Invalid", field, "\"%s\": a key has at most 253 letters, digits, '-', '_' and '.'",
                      item->string);
        }
        *total += n + (cJSON_IsString(item) ? strlen(item->valuestring) : 0);
    }
}

static void validate_data(const cJSON *obj, const cJSON *old, bool base64, struct field_errs *e)
{
    const cJSON *item;
    size_t total = 0, limit = base64 ? ((size_t)1 << 20) / 3 * 4 : (size_t)1 << 20;

    validate_keys(json_get(obj, "data"), "data", e, &total);
    validate_keys(json_get(obj, "binaryData"), "binaryData", e, &total);
    cJSON_ArrayForEach(item, json_get(obj, "binaryData"))
        if (json_get(json_get(obj, "data"), item->string))
            field_err(e, "Invalid", "binaryData", "the key \"%s\" is in data, too", item->string);
    if (total > limit)
        field_err(e, "TooLong", "data", "may not be more than 1048576 bytes");
    if (!old)
        return;
    if (json_bool(old, "immutable", false) &&
        (!json_bool(obj, "immutable", false) || !json_same(json_get(obj, "data"), json_get(old, "data")) ||
         !json_same(json_get(obj, "binaryData"), json_get(old, "binaryData"))))
        field_err(e, "Forbidden", "data", "field is immutable when `immutable` is set");
    if (!json_same(json_get(obj, "type"), json_get(old, "type")))
        field_err(e, "Invalid", "type", "field is immutable");
}

static void validate_pdb(const cJSON *obj, struct field_errs *e)
{
    const cJSON *spec = json_get(obj, "spec");

    if (json_get(spec, "minAvailable") && json_get(spec, "maxUnavailable"))
        field_err(e, "Invalid", "spec", "minAvailable and maxUnavailable cannot be both set");
    validate_selector(json_get(spec, "selector"), "spec.selector", e);
}

static void validate_slice(const cJSON *obj, const cJSON *old, struct field_errs *e)
{
    one_of(e, "addressType", json_str(obj, "addressType", ""), "IPv4|IPv6|FQDN");
    if (old && !json_same(json_get(obj, "addressType"), json_get(old, "addressType")))
        field_err(e, "Invalid", "addressType", "field is immutable");
    if (cJSON_GetArraySize(json_get(obj, "endpoints")) > 1000)
        field_err(e, "TooLong", "endpoints", "must have at most 1000 items");
}

static void validate_lease(const cJSON *obj, struct field_errs *e)
{
    if (json_int(obj, "spec.leaseDurationSeconds", 1) <= 0)
        field_err(e, "Invalid", "spec.leaseDurationSeconds", "%lld: must be greater than 0",
                  (long long)json_int(obj, "spec.leaseDurationSeconds", 0));
    if (json_int(obj, "spec.leaseTransitions", 0) < 0)
        field_err(e, "Invalid", "spec.leaseTransitions", "%lld: must be greater than or equal to 0",
                  (long long)json_int(obj, "spec.leaseTransitions", 0));
}

static void validate_event(const cJSON *obj, struct field_errs *e)
{
    const char *ns = json_str(obj, "involvedObject.namespace", "");

    if (*ns && strcmp(ns, json_ns(obj)) != 0)
        field_err(e, "Invalid", "involvedObject.namespace", "\"%s\": does not match event.namespace", ns);
}

static void validate_storage(enum plane_kind kind, const cJSON *obj, const cJSON *old, struct field_errs *e)
{
    if (kind == PK_STORAGECLASS && !*json_str(obj, "provisioner", ""))
        field_err(e, "Required", "provisioner", "%s", "");
    if (kind == PK_STORAGECLASS && old && !json_same(json_get(obj, "parameters"), json_get(old, "parameters")))
        field_err(e, "Forbidden", "parameters", "updates to parameters are forbidden");
    if (kind == PK_PV && !*json_str(obj, "spec.capacity.storage", ""))
        field_err(e, "Required", "spec.capacity", "storage is required");
}

void rules_validate(enum plane_kind kind, const cJSON *obj, const cJSON *old, bool system, struct field_errs *e)
{
    rules_validate_meta(kind, obj, e);
    switch (kind) {
    case PK_POD:
        validate_pod(obj, old, system, e);
        break;
    case PK_STS:
        validate_statefulset(obj, old, e);
        break;
    case PK_SVC:
        validate_service(obj, old, e);
        break;
    case PK_PVC:
        validate_claim(obj, old, system, e);
        break;
    case PK_CM:
    case PK_SECRET:
        validate_data(obj, old, kind == PK_SECRET, e);
        break;
    case PK_PDB:
        validate_pdb(obj, e);
        break;
    case PK_EPSLICE:
        validate_slice(obj, old, e);
        break;
    case PK_LEASE:
        validate_lease(obj, e);
        break;
    case PK_EVENT:
        validate_event(obj, e);
        break;
    case PK_STORAGECLASS:
    case PK_PV:
        validate_storage(kind, obj, old, e);
        break;
    default:
        break;
    }
}
