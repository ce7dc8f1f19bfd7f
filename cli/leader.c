/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/leader.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/status.h"

enum { STATUS_PORT = 8080, ANSWER_MS = 5000 };

/* The port that the install bundle names so. */
static int64_t status_port(const cJSON *pod)
{
    const cJSON *container, *port;

    cJSON_ArrayForEach(container, json_at(pod, "spec.containers"))
        cJSON_ArrayForEach(port, json_get(container, "ports"))
            if (str_eq(json_str(port, "name", ""), "status"))
                return json_int(port, "containerPort", STATUS_PORT);
    return STATUS_PORT;
}

cJSON *leader_page(struct fleet_api *a, const char *ns, const char *path, struct err *err)
{
    auto_json cJSON *lease = api_get(a, KUBE_LEASE, ns, OPERATOR_LEASE, err), *pod = NULL;
    const char *holder = json_str(lease, "spec.holderIdentity", "");
    auto_free char *url = NULL;

    if (!lease)
        return NULL;
    if (!*holder) {
        err_set(err, ERR_MISSING, 0, "no operator leads in namespace %s", ns);
        return NULL;
    }
    pod = api_get(a, KUBE_POD, ns, holder, err);
    if (!pod)
        return NULL;
    if (!status_pod_ready(pod)) { /* the API server would be asked again and again for what cannot be had */
        err_set(err, ERR_AGAIN, 0, "pod %s/%s, which leads, is not Ready", ns, holder);
        return NULL;
    }
    url = mem_printf("/api/v1/namespaces/%s/pods/%s:%lld/proxy%s", ns, holder, (long long)status_port(pod), path);
    return api_raw_within(a, url, ANSWER_MS, err);
}
