/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/examples/objects.h"

#include <ctype.h>
#include <libxml/parser.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

struct look {
    const char *who;
    const cJSON *made, *given;
};

#define bad(l, o, ...) bad_at(l, o, mem_printf(__VA_ARGS__))
static void bad_at(const struct look *l, const cJSON *o, char *text)
{
    fail_msg("%s: %s %s: %s", l->who, json_str(o, "kind", "?"), json_name(o), text);
    free(text);
}

static const cJSON *find(const struct look *l, const char *kind, const char *name)
{
    const cJSON *const lists[] = {l->made, l->given};
    const cJSON *o;

    for (size_t i = 0; i < 2; i++)
        cJSON_ArrayForEach(o, lists[i])
            if (strcmp(json_str(o, "kind", ""), kind) == 0 && strcmp(json_name(o), name) == 0)
                return o;
    return NULL;
}

/* ---- names and labels ---- */

static bool is_label(const char *s, size_t n)
{
    if (n == 0 || n > 63 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-')
            return false;
    return true;
}

static bool is_name(const char *s)
{
    for (size_t n; (n = strcspn(s, ".")); s += n + 1) {
        if (!is_label(s, n))
            return false;
        if (!s[n])
            return true;
    }
    return false;
}

static bool is_value(const char *s)
{
    size_t n = strlen(s);

    if (n == 0)
        return true;
    if (n > 63 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
        return false;
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

static bool is_key(const char *s)
{
    const char *slash = strchr(s, '/');
    auto_free char *prefix = slash ? mem_strn(s, (size_t)(slash - s)) : NULL;

    if (prefix && !is_name(prefix))
        return false;
    s = slash ? slash + 1 : s;
    return *s && is_value(s);
}

static void labels(const struct look *l, const cJSON *o, const cJSON *map)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, map) {
        if (!is_key(v->string))
            bad(l, o, "label \"%s\" is no name", v->string);
        if (!cJSON_IsString(v) || !is_value(v->valuestring))
            bad(l, o, "label %s has the value \"%s\"", v->string, v->valuestring ? v->valuestring : "?");
    }
}

/* Label selectors wherever they stand. */
static void selectors(const struct look *l, const cJSON *o, const cJSON *v)
{
    const cJSON *child, *value;

    cJSON_ArrayForEach(child, v) {
        if (str_eq(child->string, "matchLabels"))
            labels(l, o, child);
        else if (str_eq(child->string, "matchExpressions"))
            for (const cJSON *e = child->child; e; e = e->next) {
                if (!is_key(json_str(e, "key", "")))
                    bad(l, o, "selects by \"%s\"", json_str(e, "key", ""));
                cJSON_ArrayForEach(value, json_get(e, "values"))
                    if (!is_value(value->valuestring))
                        bad(l, o, "selects the value \"%s\"", value->valuestring);
            }
        selectors(l, o, child);
    }
}

static void metadata(const struct look *l, const cJSON *o)
{
    const char *kind = json_str(o, "kind", "");
    const cJSON *other, *v;
    bool service = strcmp(kind, "Service") == 0;

    if (!*json_str(o, "apiVersion", "") || !*kind || !*json_ns(o))
        bad(l, o, "has no apiVersion, kind or namespace");
    if (!is_name(json_name(o)) || (service && (!is_label(json_name(o), strlen(json_name(o))) || isdigit(*json_name(o)))))
        bad(l, o, "is no name");
    if (strcmp(kind, "StatefulSet") == 0 && strlen(json_name(o)) > 52)
        bad(l, o, "is too long");
    cJSON_ArrayForEach(other, l->made)
        if (other != o && strcmp(json_str(other, "kind", ""), kind) == 0 && strcmp(json_name(other), json_name(o)) == 0)
            bad(l, o, "is there twice");
    labels(l, o, json_at(o, "metadata.labels"));
    cJSON_ArrayForEach(v, json_at(o, "metadata.annotations"))
        if (!is_key(v->string))
            bad(l, o, "annotation \"%s\" is no name", v->string);
    if (strcmp(kind, "PersistentVolumeClaim") != 0 && cJSON_GetArraySize(json_at(o, "metadata.ownerReferences")) != 1)
        bad(l, o, "has no owner");
}

/* ---- selectors ---- */

static bool selects(const cJSON *selector, const cJSON *own, const char *but)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, selector)
        if (!str_ends(v->string, but) &&
            (!cJSON_IsString(json_get(own, v->string)) ||
             strcmp(json_get(own, v->string)->valuestring, v->valuestring) != 0))
            return false;
    return selector && selector->child;
}

static int pods_selected(const struct look *l, const cJSON *selector, const char *but)
{
    const cJSON *o;
    int n = 0;

    cJSON_ArrayForEach(o, l->made)
        if (strcmp(json_str(o, "kind", ""), "StatefulSet") == 0)
            n += selects(selector, json_at(o, "spec.template.metadata.labels"), but);
    return n;
}

/* ---- pods ---- */

static void need_secret(const struct look *l, const cJSON *o, const char *name, const char *key, bool optional)
{
    const cJSON *s = find(l, "Secret", name);

    if (optional)
        return;
    if (!s)
        bad(l, o, "there is no Secret %s", name);
    if (key && !json_get(json_get(s, "data"), key) && !json_get(json_get(s, "stringData"), key))
        bad(l, o, "Secret %s has no key %s", name, key);
}

static void unique(const struct look *l, const cJSON *o, const cJSON *list, const char *key, const char *what)
{
    const cJSON *v, *w;

    cJSON_ArrayForEach(v, list)
        for (w = v->next; w; w = w->next)
            if (json_get(v, key) && str_eq(json_str(v, key, NULL), json_str(w, key, "")))
                bad(l, o, "%s %s is there twice", what, json_str(v, key, ""));
}

static bool volume_there(const cJSON *sts, const char *name)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(sts, "spec.template.spec.volumes"))
        if (strcmp(json_name(v), name) == 0 || str_eq(json_str(v, "name", NULL), name))
            return true;
    cJSON_ArrayForEach(v, json_at(sts, "spec.volumeClaimTemplates"))
        if (strcmp(json_name(v), name) == 0)
            return true;
    return false;
}

static void container(const struct look *l, const cJSON *sts, const cJSON *c)
{
    const cJSON *v, *ref;

    if (!is_label(json_str(c, "name", ""), strlen(json_str(c, "name", ""))) || !*json_str(c, "image", ""))
        bad(l, sts, "container \"%s\" has no name or image", json_str(c, "name", ""));
    unique(l, sts, json_get(c, "ports"), "name", "port");
    unique(l, sts, json_get(c, "env"), "name", "variable");
    unique(l, sts, json_get(c, "volumeMounts"), "mountPath", "path");
    cJSON_ArrayForEach(v, json_get(c, "ports"))
        if (json_int(v, "containerPort", 0) < 1 || json_int(v, "containerPort", 0) > 65535)
            bad(l, sts, "port %s has no number", json_str(v, "name", ""));
    cJSON_ArrayForEach(v, json_get(c, "env"))
        if ((ref = json_at(v, "valueFrom.secretKeyRef")))
            need_secret(l, sts, json_str(ref, "name", ""), json_str(ref, "key", ""), json_bool(ref, "optional", false));
    cJSON_ArrayForEach(v, json_get(c, "volumeMounts"))
        if (!volume_there(sts, json_str(v, "name", "")))
            bad(l, sts, "container %s mounts %s, which is no volume", json_str(c, "name", ""), json_str(v, "name", ""));
}

static void volumes(const struct look *l, const cJSON *sts, const cJSON *list)
{
    const cJSON *v;

    unique(l, sts, list, "name", "volume");
    cJSON_ArrayForEach(v, list) {
        const char *name = json_str(v, "name", ""), *map = json_str(v, "configMap.name", NULL);
        const char *claim = json_str(v, "persistentVolumeClaim.claimName", NULL);
        const char *secret = json_str(v, "secret.secretName", NULL);
        const cJSON *item;

        if (!is_label(name, strlen(name)))
            bad(l, sts, "volume \"%s\" is no name", name);
        if (map && !find(l, "ConfigMap", map))
            bad(l, sts, "there is no ConfigMap %s", map);
        if (claim && !find(l, "PersistentVolumeClaim", claim))
            bad(l, sts, "there is no claim %s", claim);
        if (secret)
            need_secret(l, sts, secret, NULL, json_bool(v, "secret.optional", false));
        cJSON_ArrayForEach(item, json_at(v, "secret.items"))
            need_secret(l, sts, secret, json_str(item, "key", ""), false);
    }
}

static void statefulset(const struct look *l, const cJSON *sts)
{
    const cJSON *spec = json_at(sts, "spec.template.spec"), *c;

    labels(l, sts, json_at(sts, "spec.template.metadata.labels"));
    if (!selects(json_at(sts, "spec.selector.matchLabels"), json_at(sts, "spec.template.metadata.labels"), "\n"))
        bad(l, sts, "does not select its own pod");
    if (pods_selected(l, json_at(sts, "spec.selector.matchLabels"), "\n") != 1)
        bad(l, sts, "selects pods of others");
    if (!find(l, "Service", json_str(sts, "spec.serviceName", "")))
        bad(l, sts, "there is no Service %s", json_str(sts, "spec.serviceName", ""));
    unique(l, sts, json_get(spec, "containers"), "name", "container");
    cJSON_ArrayForEach(c, json_get(spec, "containers"))
        container(l, sts, c);
    cJSON_ArrayForEach(c, json_get(spec, "initContainers"))
        container(l, sts, c);
    volumes(l, sts, json_get(spec, "volumes"));
}

/* ---- the other kinds ---- */

/* A Service of an installation may narrow its selector down; those of hosts and budgets may not. */
static void service(const struct look *l, const cJSON *o)
{
    const cJSON *p;
    int n = pods_selected(l, json_at(o, "spec.selector"), "/ready");

    if (n == 0 || (json_get(json_at(o, "spec.selector"), "clickhouse.altinity.com/replica") && n != 1))
        bad(l, o, "selects %d pods", n);
    unique(l, o, json_at(o, "spec.ports"), "name", "port");
    if (cJSON_GetArraySize(json_at(o, "spec.ports")) == 0)
        bad(l, o, "has no port");
    cJSON_ArrayForEach(p, json_at(o, "spec.ports"))
        if (json_int(p, "port", 0) < 1 || json_int(p, "port", 0) > 65534)
            bad(l, o, "port %s has no number", json_str(p, "name", ""));
}

static void configmap(const struct look *l, const cJSON *o)
{
    const cJSON *v;
    size_t size = 0;

    cJSON_ArrayForEach(v, json_get(o, "data")) {
        xmlDocPtr doc;

        size += strlen(v->valuestring);
        if (!str_ends(v->string, ".xml"))
            continue;
        doc = xmlReadMemory(v->valuestring, (int)strlen(v->valuestring), v->string, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        if (!doc)
            bad(l, o, "%s is no XML:\n%s", v->string, v->valuestring);
        xmlFreeDoc(doc);
    }
    if (size > 512 * 1024)
        bad(l, o, "is too large");
}

void objects_check(const char *who, const cJSON *made, const cJSON *given)
{
    struct look l = {who, made, given};
    const cJSON *o;

    cJSON_ArrayForEach(o, made) {
        const char *kind = json_str(o, "kind", "");

        metadata(&l, o);
        selectors(&l, o, json_get(o, "spec"));
        if (strcmp(kind, "StatefulSet") == 0)
            statefulset(&l, o);
        else if (strcmp(kind, "Service") == 0)
            service(&l, o);
        else if (strcmp(kind, "ConfigMap") == 0)
            configmap(&l, o);
        else if (strcmp(kind, "PodDisruptionBudget") == 0 &&
                 pods_selected(&l, json_at(o, "spec.selector.matchLabels"), "\n") == 0)
            bad(&l, o, "selects no pod");
    }
}
