/* SPDX-License-Identifier: Apache-2.0 */
#include "model/facts.h"

#include <stdlib.h>
#include <string.h>

void changes_free(struct change *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].path);
        free(v[i].from);
        free(v[i].to);
    }
    free(v);
}

static void host_fini(struct host_facts *h)
{
    changes_free(h->restart_changes, h->n_restart);
    changes_free(h->reload_changes, h->n_reload);
    changes_free(h->template_changes, h->n_template);
    changes_free(h->recreate_changes, h->n_recreate);
    changes_free(h->object_changes, h->n_object);
    changes_free(h->volume_changes, h->n_volume);
    for (size_t i = 0; i < h->n_moves; i++) {
        free(h->moves[i].what.path);
        free(h->moves[i].what.from);
        free(h->moves[i].what.to);
        free(h->moves[i].volume);
        free(h->moves[i].claim);
    }
    free(h->moves);
    free(h->data_from);
    free(h->data_to);
    free(h->lost_kept);
    free(h->stuck);
    free(h->given_up);
    for (size_t i = 0; i < h->n_pvcs; i++)
        free(h->pvcs[i]);
    for (size_t i = 0; i < h->n_dropped; i++)
        free(h->dropped[i]);
    free(h->dropped);
    free(h->pvcs);
    free(h->pvc_retain);
    free(h->key);
    free(h->sts_name);
    free(h->cluster);
    free(h->shard);
    free(h->replica);
    free(h->identity);
    free(h->image);
    free(h->waiting);
    free(h->restarted_for);
    free(h->volume_refused);
}

void facts_free(struct facts *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n_hosts; i++)
        host_fini(&f->hosts[i]);
    for (size_t i = 0; i < f->n_task_ids; i++)
        free(f->task_ids[i]);
    for (size_t i = 0; i < f->n_unknown; i++)
        free(f->unknown[i]);
    for (size_t i = 0; i < f->n_warnings; i++)
        free(f->warnings[i]);
    free(f->warnings);
    changes_free(f->common_changes, f->n_common);
    free(f->hosts);
    free(f->task_ids);
    free(f->unknown);
    free(f->now);
    free(f);
}

void facts_freep(struct facts **f)
{
    facts_free(*f);
}
