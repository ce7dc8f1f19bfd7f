/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/rules.h"

#include "schema/fields_internal.h"

static bool given(const cJSON *object, const char *name)
{
    const cJSON *v = json_get(object, name);

    return v && !cJSON_IsNull(v);
}

static bool wave_has_one_size(const cJSON *wave)
{
    return given(wave, "shards") != given(wave, "percent");
}

static bool nodes_or_keeper(const cJSON *zookeeper)
{
    return !given(zookeeper, "keeper") || cJSON_GetArraySize(json_get(zookeeper, "nodes")) == 0;
}

static bool one_cluster(const cJSON *configuration)
{
    return cJSON_GetArraySize(json_get(configuration, "clusters")) <= 1;
}

/* An API server estimates what a rule may cost. Below lists without a limit only the cheapest are taken. */
static const struct schema_rule rules[] = {
    {&schema_chk_configuration, "!has(self.clusters) || size(self.clusters) <= 1",
     "a Keeper has one cluster, because member numbers are positions of replicas", one_cluster},
    {&schema_wave, "has(self.shards) != has(self.percent)", "a wave needs shards or percent, and not both",
     wave_has_one_size},
    {&schema_zookeeper, "!has(self.keeper) || !has(self.nodes) || size(self.nodes) == 0",
     "nodes and keeper exclude each other: remove one", nodes_or_keeper},
};

const struct schema_rule *schema_rule(const struct shape *shape, unsigned n)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].shape == shape && n-- == 0)
            return &rules[i];
    return NULL;
}
