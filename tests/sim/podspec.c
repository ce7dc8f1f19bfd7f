/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/podspec.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

const cJSON *podspec_server(const cJSON *pod, const char *container)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(pod, "spec.containers"))
        if (str_eq(json_str(c, "name", NULL), container))
            return c;
    return json_at(pod, "spec.containers.0");
}

static const cJSON *volume_at(const cJSON *pod, const char *container, const char *path)
{
    const cJSON *m, *v;

    cJSON_ArrayForEach(m, json_get(podspec_server(pod, container), "volumeMounts"))
        if (str_eq(json_str(m, "mountPath", NULL), path))
            cJSON_ArrayForEach(v, json_at(pod, "spec.volumes"))
                if (str_eq(json_str(v, "name", NULL), json_str(m, "name", "")))
                    return v;
    return NULL;
}

char *podspec_disk(const cJSON *pod, const char *container, const struct podspec_source *from)
{
    const cJSON *v = volume_at(pod, container, "/var/lib/clickhouse");
    const char *claim = json_str(v, "persistentVolumeClaim.claimName", NULL);
    const cJSON *pvc = claim ? from->claim(from->ctx, json_ns(pod), claim) : NULL;

    return mem_str(json_uid(pvc ? pvc : pod));
}

const char *podspec_missing(const cJSON *pod, const struct podspec_source *from)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(pod, "spec.volumes")) {
        const char *claim = json_str(v, "persistentVolumeClaim.claimName", NULL),
                   *cm = json_str(v, "configMap.name", NULL);
        const cJSON *pvc = claim ? from->claim(from->ctx, json_ns(pod), claim) : NULL;

        if (claim && (!pvc || strcmp(json_str(pvc, "status.phase", ""), "Bound") != 0))
            return "a volume claim is not bound";
        if (cm && !from->configmap(from->ctx, json_ns(pod), cm) && !json_bool(v, "configMap.optional", false))
            return "a ConfigMap is missing";
    }
    return NULL;
}

bool podspec_mounts_configmap(const cJSON *pod, const char *name)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(pod, "spec.volumes"))
        if (str_eq(json_str(v, "configMap.name", NULL), name))
            return true;
    return false;
}

void podspec_mount_all(struct chost *h, const cJSON *pod, const struct podspec_source *from)
{
    const cJSON *v;

    chost_unmount_all(h);
    cJSON_ArrayForEach(v, json_at(pod, "spec.volumes")) {
        const char *name = json_str(v, "configMap.name", NULL);
        const cJSON *cm = name ? from->configmap(from->ctx, json_ns(pod), name) : NULL;

        if (cm)
            chost_mount(h, name, json_copy(json_get(cm, "data")));
    }
}

void podspec_time(uint64_t wall_ms, char out[32])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void podspec_condition(cJSON *list, const char *type, bool on, const char *since)
{
    cJSON *c = cJSON_CreateObject();

    json_set_str(c, "type", type);
    json_set_str(c, "status", on ? "True" : "False");
    json_set_str(c, "lastTransitionTime", since);
    cJSON_AddItemToArray(list, c);
}
