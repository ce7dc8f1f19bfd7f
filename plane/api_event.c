/* SPDX-License-Identifier: Apache-2.0 */
/* Events have two forms, core/v1 and events.k8s.io/v1. Core is what is stored. */
#include "plane/api_priv.h"

static const struct {
    const char *core, *v1;
} names[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
    {"metadata", "metadata"},
    {"eventTime", "eventTime"},
    {"series", "series"},
    {"reportingInstance", "reportingInstance"},
    {"action", "action"},
    {"reason", "reason"},
    {"related", "related"},
    {"type", "type"},
};

static cJSON *convert(const cJSON *from, bool to_v1)
{
    cJSON *to = cJSON_CreateObject();

    json_set_str(to, "kind", "Event");
    json_set_str(to, "apiVersion", to_v1 ? "events.k8s.io/v1" : "v1");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *j = json_get(from, to_v1 ? names[i].core : names[i].v1);

        if (j)
            json_set(to, to_v1 ? names[i].v1 : names[i].core, json_copy(j));
    }
    return to;
}

cJSON *event_to_v1(const cJSON *core)
{
    return convert(core, true);
}

cJSON *event_from_v1(const cJSON *v1)
{
    return convert(v1, false);
}
