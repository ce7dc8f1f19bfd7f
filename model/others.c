/* SPDX-License-Identifier: Apache-2.0 */
#include "model/others.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/spaces.h"

#define CONTAINERS "spec.template.spec.containers"

/* Last part of an image's path, without tag and digest. Caller frees. */
static char *image_name(const char *image)
{
    const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image;

    return mem_strn(name, strcspn(name, ":@"));
}

static bool has_image(const cJSON *deployment, bool of_altinity)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(deployment, CONTAINERS)) {
        const char *image = json_str(c, "image", "");
        auto_free char *name = image_name(image);

        if (strcmp(name, "clickhouse-operator") == 0 && (!of_altinity || strcasestr(image, "altinity")))
            return true;
    }
    return false;
}

bool others_is(const cJSON *deployment)
{
    const char *app = json_label(deployment, "app"), *name = json_label(deployment, "app.kubernetes.io/name");

    if (json_label(deployment, "clickhouse.altinity.com/chop") || str_eq(name, "altinity-clickhouse-operator") ||
        has_image(deployment, true))
        return true;
    return str_eq(app, "clickhouse-operator") && has_image(deployment, false);
}

int64_t others_replicas(const cJSON *deployment)
{
    int64_t wanted = json_int(deployment, "spec.replicas", 1), there = json_int(deployment, "status.replicas", 0);

    return wanted > there ? wanted : there;
}

/* Splits at ',' and ':' as that operator does. *out ends with NULL; free with free_names(). */
static void split(const char *text, char ***out)
{
    auto_free char *copy = mem_str(text);
    size_t n = 0;

    *out = mem_array(1, sizeof **out);
    for (char *save = NULL, *one = strtok_r(copy, ",:", &save); one; one = strtok_r(NULL, ",:", &save)) {
        *out = mem_grow(*out, n + 2, sizeof **out);
        (*out)[n++] = mem_str(one);
        (*out)[n] = NULL;
    }
}

static const char *variable(const cJSON *deployment, const char *name)
{
    const cJSON *c, *e;

    cJSON_ArrayForEach(c, json_at(deployment, CONTAINERS))
        cJSON_ArrayForEach(e, json_get(c, "env"))
            if (str_eq(json_str(e, "name", NULL), name) && *json_str(e, "value", ""))
                return json_str(e, "value", NULL);
    return NULL;
}

static void add_names(cJSON *list, const char *text)
{
    char **names;

    if (!text)
        return;
    split(text, &names);
    for (size_t i = 0; names[i]; i++) {
        json_add_str(list, names[i]);
        free(names[i]);
    }
    free(names);
}

bool others_acts_in(const cJSON *deployment, const char *ns)
{
    const char *several = variable(deployment, "WATCH_NAMESPACES");
    auto_json cJSON *config = cJSON_CreateObject();
    cJSON *lists = json_set_obj(json_set_obj(config, "watch"), "namespaces");
    struct spaces *s = NULL;
    struct err ignored = ERR_INIT;
    bool acts;

    add_names(json_set_arr(lists, "include"), several ? several : variable(deployment, "WATCH_NAMESPACE"));
    add_names(json_set_arr(lists, "exclude"), variable(deployment, "WATCH_NAMESPACES_EXCLUDE"));
    if (spaces_new(config, NULL, NULL, &s, &ignored) < 0)
        return true;
    acts = spaces_has(s, ns);
    spaces_free(s);
    return acts;
}

char *others_advice(const cJSON *deployment)
{
    return mem_printf("Altinity's clickhouse-operator runs: Deployment %s/%s has %lld replica%s. Only one operator may act; "
                      "nothing is changed until it is scaled down: kubectl -n %s scale deployment %s --replicas=0 (or its "
                      "WATCH_NAMESPACES leaves this namespace out)",
                      json_ns(deployment), json_name(deployment), (long long)others_replicas(deployment),
                      others_replicas(deployment) == 1 ? "" : "s", json_ns(deployment), json_name(deployment));
}

static cJSON *container_only(const cJSON *c)
{
    cJSON *out = cJSON_CreateObject(), *env = json_set_arr(out, "env");
    const cJSON *e;

    json_set_str(out, "image", json_str(c, "image", NULL));
    cJSON_ArrayForEach(e, json_get(c, "env"))
        if (str_starts(json_str(e, "name", ""), "WATCH_NAMESPACE"))
            cJSON_AddItemToArray(env, json_copy(e));
    return out;
}

void others_compact(cJSON *deployment)
{
    static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion"};
    cJSON *old = json_get(deployment, "metadata"), *meta = cJSON_CreateObject(), *spec = NULL;
    bool is = others_is(deployment);
    const cJSON *c;

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        json_set_str(meta, kept[i], json_str(old, kept[i], NULL));
    if (is) {
        cJSON *list;

        json_set(meta, "labels", json_copy(json_get(old, "labels")));
        spec = cJSON_CreateObject();
        json_set_int(spec, "replicas", json_int(deployment, "spec.replicas", 1));
        list = json_set_arr(json_set_obj(json_set_obj(spec, "template"), "spec"), "containers");
        cJSON_ArrayForEach(c, json_at(deployment, CONTAINERS))
            cJSON_AddItemToArray(list, container_only(c));
    }
    json_set(deployment, "metadata", meta);
    cJSON_DeleteItemFromObjectCaseSensitive(deployment, "spec");
    if (spec)
        json_set(deployment, "spec", spec);
    else
        cJSON_DeleteItemFromObjectCaseSensitive(deployment, "status");
}
