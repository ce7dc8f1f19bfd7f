/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/leader.h"
#include "cli/letgo.h"


enum { RENEWED_MS = 8000, POLL_MS = 500 }; /* a living holder renews every two seconds; a lost answer costs one time */

static bool is_ending(struct fleet_api *a, const char *ns)
{
    struct err ignored = ERR_INIT;
    auto_json cJSON *space = api_get(a, KUBE_NS, NULL, ns, &ignored);

    return space && json_at(space, "metadata.deletionTimestamp");
}

/* Does the holder renew? Its clock says nothing, so that is watched. *holder: caller frees. */
static bool renews(struct fleet_api *a, const char *ns, char **holder)
{
    struct err ignored = ERR_INIT;
    auto_json cJSON *lease = api_get(a, KUBE_LEASE, ns, OPERATOR_LEASE, &ignored);
    const char *who = json_str(lease, "spec.holderIdentity", ""), *when = json_str(lease, "spec.renewTime", "");
    uint64_t until = api_mono(a) + RENEWED_MS;

    while (*who && api_mono(a) < until) {
        auto_json cJSON *now = NULL;

        api_sleep(a, POLL_MS);
        now = api_get(a, KUBE_LEASE, ns, OPERATOR_LEASE, &ignored);
        if (now && str_eq(json_str(now, "spec.holderIdentity", ""), who) && !str_eq(json_str(now, "spec.renewTime", ""), when)) {
            *holder = mem_printf("%s in namespace %s", who, ns);
            return true;
        }
    }
    return false;
}

/* Who will do it in order; NULL: nobody. Where the namespace ends, an operator with rights in it alone has lost them. Caller frees. */
static char *who_lives(struct fleet_api *a, const cJSON *live)
{
    const char *ns = json_annotation(live, OPERATOR_NOTE);
    struct err ignored = ERR_INIT;
    char *holder = NULL;

    if (a->local) {
        auto_json cJSON *status = api_operator(a, "/status", &ignored);

        return status ? mem_str("the operator of this machine") : NULL;
    }
    if (!ns || is_ending(a, json_ns(live)))
        return NULL;
    renews(a, ns, &holder);
    return holder;
}

static void tell_volumes(struct fleet_api *a, enum kube_kind kind, const cJSON *live)
{
    struct err ignored = ERR_INIT;
    auto_free char *mine = mem_printf("%s=%s", kind == KUBE_CHI ? "clickhouse.altinity.com/chi" : "clickhouse-keeper.altinity.com/chk",
                                      json_name(live));
    auto_json cJSON *claims = api_list(a, KUBE_PVC, json_ns(live), mine, &ignored);
    const cJSON *v;

    cJSON_ArrayForEach(v, json_get(claims, "items"))
        printf("persistentvolumeclaim/%s stays\n", json_name(v));
}

int letgo(struct fleet_api *a, enum kube_kind kind, const cJSON *live, struct err *err)
{
    const char *ours = kind == KUBE_CHI ? "finalizer.clickhouseinstallation.altinity.com"
                                        : "finalizer.clickhousekeeperinstallation.altinity.com";
    auto_free char *lives = NULL;
    auto_json cJSON *patch = cJSON_CreateObject(), *answer = NULL;
    cJSON *meta = json_set_obj(patch, "metadata"), *list;
    const cJSON *f;

    if (!json_has(json_at(live, "metadata.finalizers"), ours))
        return 0;
    lives = who_lives(a, live);
    if (lives)
        return err_set(err, ERR_REFUSED, 0,
                       "%s/%s has an operator that lives (%s) and ends it in order; chfleet why %s says what it waits for. "
                       "Stop the operator first if it is to be gone without that",
                       kube_kind_info(kind)->singular, json_name(live), lives, json_name(live));
    json_set_str(meta, "uid", json_uid(live));
    json_set_str(meta, "resourceVersion", json_rv(live));
    list = json_set_arr(meta, "finalizers");
    cJSON_ArrayForEach(f, json_at(live, "metadata.finalizers"))
        if (!str_eq(f->valuestring, ours))
            json_add_str(list, f->valuestring);
    answer = api_patch(a, kind, json_ns(live), json_name(live), patch, err);
    if (!answer)
        return -1;
    printf("%s/%s ends without its operator: what it owns goes with it\n", kube_kind_info(kind)->singular, json_name(live));
    tell_volumes(a, kind, live);
    return 0;
}
