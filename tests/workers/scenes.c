/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/workers/scenes.h"

#include <string.h>

void scene_give(struct script *s, int i, const char *action)
{
    s->hosts[i].action = action;
    if (strcmp(action, "create") == 0 || strcmp(action, "rebuild") == 0) {
        struct script_host *h = &s->hosts[i];

        h->has_table = h->zk_active = false;
        if (strcmp(action, "create") == 0) {
            h->sts = h->pod = h->ready = h->label = h->endpoint = h->configmap = h->service = h->claim = h->zk_entry =
                false;
            h->replicas = 0;
            h->process = h->starts = h->uid = 0;
        } else {
            h->lost_claim = true;
            h->ready = h->label = h->endpoint = false;
        }
        h->member = "out";
        h->log_pointer = 0;
    } else if (strcmp(action, "restart") == 0) {
        s->hosts[i].depth = "template";
        s->hosts[i].image_matches = false;
    } else if (strcmp(action, "move") == 0) {
        s->hosts[i].depth = "immutable";
        s->hosts[i].claim_goes = true;
    } else if (strcmp(action, "recreate") == 0) {
        s->hosts[i].depth = "immutable";
    } else if (strcmp(action, "soft-restart") == 0 || strcmp(action, "reload") == 0) {
        s->hosts[i].configmap = false;
    }
}

void scene(struct script *s, int shards, int replicas, const char *action)
{
    script_init(s, shards, replicas);
    for (int i = 0; i < s->n_hosts; i++)
        s->hosts[i].peer = s->hosts[i].shard > 0;
    scene_give(s, 0, action);
}
