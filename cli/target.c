/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/target.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char *label(const cJSON *pod, const char *chi, const char *chk)
{
    const char *value = json_label(pod, chi);

    return value ? value : json_label(pod, chk);
}

#define LABEL(pod, name) label(pod, "clickhouse.altinity.com/" name, "clickhouse-keeper.altinity.com/" name)

bool target_fits(const cJSON *pod, const char *what)
{
    const char *inst = label(pod, "clickhouse.altinity.com/chi", "clickhouse-keeper.altinity.com/chk");
    const char *cluster = LABEL(pod, "cluster"), *shard = LABEL(pod, "shard"), *replica = LABEL(pod, "replica"), *ns = json_ns(pod);
    auto_free char *sts = NULL, *full = NULL;
    size_t at;

    if (str_eq(json_name(pod), what))
        return true;
    sts = mem_strn(json_name(pod), strlen(json_name(pod)) > 2 ? strlen(json_name(pod)) - 2 : 0);
    if (str_ends(json_name(pod), "-0") && str_eq(sts, what)) /* its StatefulSet = host Service */
        return true;
    if (!inst || !cluster || !replica)
        return false;
    full = mem_printf("/%s/%s/%s/%s/%s", ns, inst, cluster, shard ? shard : "0", replica);
    at = strlen(full) - (strlen(what) < strlen(full) ? strlen(what) : 0);
    return strchr(what, '/') && at > 0 && full[at - 1] == '/' && str_eq(full + at, what);
}

static int choose_container(const cJSON *pod, const char *wanted, const char **name, struct err *err)
{
    static const char *const servers[] = {"clickhouse", "clickhouse-pod", "clickhouse-keeper"};
    const cJSON *c, *first = json_at(pod, "spec.containers.0");
    auto_str struct str all = STR_INIT;

    cJSON_ArrayForEach(c, json_at(pod, "spec.containers")) {
        const char *has = json_str(c, "name", "");

        str_addf(&all, " %s", has);
        if (wanted && str_eq(has, wanted)) {
            *name = has;
            return 0;
        }
        for (size_t i = 0; !wanted && i < sizeof servers / sizeof *servers; i++)
            if (str_eq(has, servers[i])) {
                *name = has;
                return 0;
            }
    }
    if (wanted || !first)
        return err_set(err, ERR_INPUT, 0, "pod %s has no container %s; it has:%s", json_name(pod), wanted ? wanted : "", str_text(&all));
    *name = json_str(first, "name", "");
    return 0;
}

int target_find(struct fleet_api *a, const char *what, const char *container, cJSON **pod, const char **name, struct err *err)
{
    auto_json cJSON *pods = api_list(a, KUBE_POD, a->ns, NULL, err);
    cJSON *p, *found = NULL;
    auto_str struct str fit = STR_INIT;
    int n = 0;

    if (!pods)
        return -1;
    cJSON_ArrayForEach(p, json_get(pods, "items")) {
        if (!target_fits(p, what))
            continue;
        str_addf(&fit, " %s", json_name(p));
        found = p;
        n++;
    }
    if (n > 1)
        return err_set(err, ERR_INPUT, 0, "%s fits several pods:%s; say installation/cluster/shard/replica or the pod", what, str_text(&fit));
    if (!found)
        return err_set(err, ERR_MISSING, 0, "there is no host or pod %s in namespace %s; chfleet status -o wide shows them "
                       "(a host is written main/0/1 or demo/main/0/1)", what, a->ns);
    if (choose_container(found, container, name, err) < 0)
        return -1;
    *pod = cJSON_DetachItemViaPointer(json_get(pods, "items"), found);
    return 0;
}
