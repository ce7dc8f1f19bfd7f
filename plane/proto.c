/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages are given as texts: "number:name:type" separated by blanks; types are s text, y bytes (base64 in JSON), i
 * integer, b boolean, t time, o integer or text, a name of another message; [x] repeated, {x} a map with text keys.
 */
#include "plane/proto.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

static const struct message {
    const char *name, *fields;
} messages[] = {
    {"ObjectMeta",
     "1:name:s 2:generateName:s 3:namespace:s 5:uid:s 6:resourceVersion:s 7:generation:i 8:creationTimestamp:t "
     "9:deletionTimestamp:t 10:deletionGracePeriodSeconds:i 11:labels:{s} 12:annotations:{s} "
     "13:ownerReferences:[OwnerReference] 14:finalizers:[s]"},
    {"OwnerReference", "1:kind:s 3:name:s 4:uid:s 5:apiVersion:s 6:controller:b 7:blockOwnerDeletion:b"},
    {"LabelSelector", "1:matchLabels:{s} 2:matchExpressions:[LabelSelectorRequirement]"},
    {"LabelSelectorRequirement", "1:key:s 2:operator:s 3:values:[s]"},
    {"ObjectReference", "1:kind:s 2:namespace:s 3:name:s 4:uid:s 5:apiVersion:s 6:resourceVersion:s 7:fieldPath:s"},
    {"LocalObjectReference", "1:name:s"},
    {"Namespace", "1:metadata:ObjectMeta 2:spec:NamespaceSpec"},
    {"NamespaceSpec", "1:finalizers:[s]"},
    {"ConfigMap", "1:metadata:ObjectMeta 2:data:{s} 3:binaryData:{y} 4:immutable:b"},
    {"Secret", "1:metadata:ObjectMeta 2:data:{y} 3:type:s 4:stringData:{s} 5:immutable:b"},
    {"ServiceAccount", "1:metadata:ObjectMeta 2:secrets:[ObjectReference] 3:imagePullSecrets:[LocalObjectReference] "
                       "4:automountServiceAccountToken:b"},
    {"Service", "1:metadata:ObjectMeta 2:spec:ServiceSpec"},
    {"ServiceSpec", "1:ports:[ServicePort] 2:selector:{s} 3:clusterIP:s 4:type:s 5:externalIPs:[s] 7:sessionAffinity:s "
                    "8:loadBalancerIP:s "
                    "10:externalName:s 11:externalTrafficPolicy:s 13:publishNotReadyAddresses:b"},
    {"ServicePort", "1:name:s 2:protocol:s 3:port:i 4:targetPort:o 5:nodePort:i 6:appProtocol:s"},
    {"PodDisruptionBudget", "1:metadata:ObjectMeta 2:spec:PodDisruptionBudgetSpec"},
    {"PodDisruptionBudgetSpec",
     "1:minAvailable:o 2:selector:LabelSelector 3:maxUnavailable:o 4:unhealthyPodEvictionPolicy:s"},
    {"Eviction", "1:metadata:ObjectMeta 2:deleteOptions:DeleteOptions"},
    {"DeleteOptions",
     "1:gracePeriodSeconds:i 2:preconditions:Preconditions 3:orphanDependents:b 4:propagationPolicy:s 5:dryRun:[s]"},
    {"Preconditions", "1:uid:s 2:resourceVersion:s"},
    {"Lease", "1:metadata:ObjectMeta 2:spec:LeaseSpec"},
    {"LeaseSpec", "1:holderIdentity:s 2:leaseDurationSeconds:i 3:acquireTime:t 4:renewTime:t 5:leaseTransitions:i"},
    {"Event", "1:metadata:ObjectMeta 2:involvedObject:ObjectReference 3:reason:s 4:message:s 5:source:EventSource "
              "6:firstTimestamp:t "
              "7:lastTimestamp:t 8:count:i 9:type:s 10:eventTime:t 12:action:s 13:related:ObjectReference "
              "14:reportingComponent:s "
              "15:reportingInstance:s"},
    {"EventSource", "1:component:s 2:host:s"},
    {"SelfSubjectAccessReview", "1:metadata:ObjectMeta 2:spec:SelfSubjectAccessReviewSpec"},
    {"SelfSubjectAccessReviewSpec",
     "1:resourceAttributes:ResourceAttributes 2:nonResourceAttributes:NonResourceAttributes"},
    {"ResourceAttributes", "1:namespace:s 2:verb:s 3:group:s 4:version:s 5:resource:s 6:subresource:s 7:name:s"},
    {"NonResourceAttributes", "1:path:s 2:verb:s"},
    {"SelfSubjectReview", "1:metadata:ObjectMeta"},
};

struct wire {
    const unsigned char *p, *end;
};

struct item { /* one field as it stands on the wire */
    unsigned number, kind;
    uint64_t value;    /* kind 0 */
    struct wire bytes; /* kind 2 */
};

struct proto_field {
    char name[48], type[48];
    char form; /* 0, '[' or '{' */
};

static const char *find_message(const char *name)
{
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (strcmp(messages[i].name, name) == 0)
            return messages[i].fields;
    return NULL;
}

static bool find_field(const char *fields, unsigned number, struct proto_field *f)
{
    for (const char *p = fields; *p; p += strcspn(p, " "), p += *p == ' ') {
        char *end;
        size_t n;

        if (strtoul(p, &end, 10) != number)
            continue;
        n = strcspn(++end, ":");
        snprintf(f->name, sizeof f->name, "%.*s", (int)n, end);
        end += n + 1;
        f->form = *end == '[' || *end == '{' ? *end++ : 0;
        snprintf(f->type, sizeof f->type, "%.*s", (int)strcspn(end, " ]}"), end);
        return true;
    }
    return false;
}

static int varint(struct wire *w, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && w->p < w->end; shift += 7) {
        *out |= (uint64_t)(*w->p & 127) << shift;
        if (!(*w->p++ & 128))
            return 0;
    }
    return -1;
}

static int next_item(struct wire *w, struct item *it)
{
    uint64_t tag, n;

    if (varint(w, &tag) < 0)
        return -1;
    it->number = (unsigned)(tag >> 3);
    it->kind = tag & 7;
    it->value = 0;
    switch (it->kind) {
    case 0:
        return varint(w, &it->value);
    case 1:
    case 5:
        n = it->kind == 1 ? 8 : 4;
        break;
    case 2:
        if (varint(w, &n) < 0)
            return -1;
        break;
    default:
        return -1;
    }
    if (n > (uint64_t)(w->end - w->p))
        return -1;
    it->bytes = (struct wire){w->p, w->p + n};
    w->p += n;
    return 0;
}

static cJSON *read_message(struct wire w, const char *fields, int depth);

static cJSON *text_of(struct wire w)
{
    auto_free char *s = mem_strn((const char *)w.p, (size_t)(w.end - w.p));

    return cJSON_CreateString(s);
}

static cJSON *time_of(struct wire w)
{
    struct item it;
    char text[40];
    struct tm tm;
    time_t t = 0;

    while (w.p < w.end && next_item(&w, &it) == 0)
        if (it.number == 1)
            t = (time_t)it.value;
    if (t == 0)
        return cJSON_CreateNull();
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return cJSON_CreateString(text);
}

static cJSON *int_or_text(struct wire w)
{
    struct item it;
    bool text = false;
    int32_t number = 0;
    struct wire s = {NULL, NULL};

    while (w.p < w.end && next_item(&w, &it) == 0) {
        if (it.number == 1)
            text = it.value == 1;
        else if (it.number == 2)
            number = (int32_t)it.value;
        else if (it.number == 3 && it.kind == 2)
            s = it.bytes;
    }
    return text ? text_of(s) : cJSON_CreateNumber(number);
}

/* NULL: it does not fit the type. */
static cJSON *value_of(const struct item *it, const char *type, int depth)
{
    char digits[24];
    const char *fields;

    if (type[1]) {
        fields = find_message(type);
        return it->kind == 2 && fields ? read_message(it->bytes, fields, depth + 1) : NULL;
    }
    if (*type == 'i' && it->kind == 0) {
        snprintf(digits, sizeof digits, "%" PRId64, (int64_t)it->value);
        return strlen(digits) > 15 ? cJSON_CreateRaw(digits) : cJSON_CreateNumber((double)(int64_t)it->value);
    }
    if (*type == 'b' && it->kind == 0)
        return cJSON_CreateBool(it->value != 0);
    if (it->kind != 2)
        return NULL;
    if (*type == 'y') {
        auto_free char *text = hash_base64(it->bytes.p, (size_t)(it->bytes.end - it->bytes.p));

        return cJSON_CreateString(text);
    }
    return *type == 's'   ? text_of(it->bytes)
           : *type == 't' ? time_of(it->bytes)
           : *type == 'o' ? int_or_text(it->bytes)
                          : NULL;
}

static int map_entry(cJSON *map, const struct item *entry, const char *type, int depth)
{
    struct wire w = entry->bytes;
    auto_free char *key = mem_str("");
    cJSON *value = NULL;
    struct item it;

    if (entry->kind != 2)
        return -1;
    while (w.p < w.end) {
        if (next_item(&w, &it) < 0 || it.kind != 2)
            break;
        if (it.number == 1) {
            free(key);
            key = mem_strn((const char *)it.bytes.p, (size_t)(it.bytes.end - it.bytes.p));
        } else if (it.number == 2) {
            cJSON_Delete(value);
            value = value_of(&it, type, depth);
        }
    }
    json_set(map, key, value ? value : cJSON_CreateString(""));
    return w.p < w.end ? -1 : 0;
}

static int add_field(cJSON *obj, const struct item *it, const struct proto_field *f, int depth)
{
    cJSON *into = json_get(obj, f->name), *value;

    if (f->form == '{')
        return map_entry(into ? into : json_set_obj(obj, f->name), it, f->type, depth);
    value = value_of(it, f->type, depth);
    if (!value)
        return -1;
    if (f->form == '[')
        cJSON_AddItemToArray(into ? into : json_set_arr(obj, f->name), value);
    else
        json_set(obj, f->name, value);
    return 0;
}

static cJSON *read_message(struct wire w, const char *fields, int depth)
{
    cJSON *obj = cJSON_CreateObject();
    struct proto_field f;
    struct item it;

    while (w.p < w.end) {
        if (depth > 8 || next_item(&w, &it) < 0 ||
            (find_field(fields, it.number, &f) && add_field(obj, &it, &f, depth) < 0)) {
            cJSON_Delete(obj);
            return NULL;
        }
    }
    return obj;
}

cJSON *proto_parse(const char *data, size_t len, struct err *err)
{
    auto_json cJSON *type = NULL;
    struct wire w = {(const unsigned char *)data + 4, (const unsigned char *)data + len}, raw = {NULL, NULL};
    const char *fields = NULL, *kind;
    struct item it;
    cJSON *obj = NULL;

    if (len < 4 || memcmp(data, "k8s", 4) != 0) {
        err_set(err, ERR_INPUT, 400, "not Kubernetes protobuf");
        return NULL;
    }
    while (w.p < w.end && next_item(&w, &it) == 0) {
        if (it.number == 1 && it.kind == 2 && !type)
            type = read_message(it.bytes, "1:apiVersion:s 2:kind:s", 1);
        else if (it.number == 2 && it.kind == 2)
            raw = it.bytes;
    }
    kind = json_str(type, "kind", "");
    fields = find_message(kind);
    if (type && *kind && !fields) {
        err_set(err, ERR_INPUT, 415, "%s is not read as protobuf: send it as application/json (kubectl create -f does)",
                kind);
        return NULL;
    }
    obj = fields && w.p == w.end ? read_message(raw, fields, 1) : NULL;
    if (!obj) {
        err_set(err, ERR_INPUT, 400, "damaged Kubernetes protobuf");
        return NULL;
    }
    json_set_str(obj, "apiVersion", json_str(type, "apiVersion", ""));
    json_set_str(obj, "kind", kind);
    return obj;
}
