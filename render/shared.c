/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the whole installation: Services, disruption budgets, secrets made once. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "render/internal.h"

static cJSON *budget(const struct cluster *c, const struct shard *s)
{
    struct place p = s ? place_shard(s) : place_cluster(c);
    bool keeper = c->fleet->kind == FLEET_KEEPER;
    auto_free char *cluster =
        fleet_macros(c->fleet, c, NULL, NULL, keeper ? "chk-{chk}-{cluster}" : "chi-{chi}-{cluster}");
    auto_free char *part = s ? fleet_macros(c->fleet, c, s, NULL, "-{shard}") : mem_str("");
    auto_free char *name = mem_printf("%s%s", cluster, part);
    cJSON *o = meta_object(&p, "policy/v1", "PodDisruptionBudget", name, meta_labels(&p, NULL, NULL), true);
    cJSON *spec = json_set_obj(o, "spec");

    json_set_int(spec, "maxUnavailable", c->pdb_max_unavailable);
    json_set(json_set_obj(spec, "selector"), "matchLabels", meta_selector(&p, false));
    meta_note_keys(&p, o);
    return o;
}

static void budgets(const struct fleet *f, cJSON *array)
{
    for (size_t i = 0; i < f->n_clusters; i++) {
        const struct cluster *c = &f->clusters[i];

        if (!c->pdb_managed)
            continue;
        if (!json_bool(f->chfleet, "budgets.pdbPerShard", false)) {
            cJSON_AddItemToArray(array, budget(c, NULL));
            continue;
        }
        for (size_t j = 0; j < c->n_shards; j++)
            cJSON_AddItemToArray(array, budget(c, &c->shards[j]));
    }
}

static char *random_secret(const struct render_ctx *c)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    enum { LENGTH = 20 };
    unsigned char bytes[LENGTH];
    auto_free char *text = mem_alloc(LENGTH + 1);

    c->random(c->ctx, bytes, sizeof bytes);
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = letters[bytes[i] % (sizeof letters - 1)];
    text[LENGTH] = '\0';
    return hash_base64(text, LENGTH);
}

/* Made when there is none, never changed. */
static int secrets(const struct fleet *f, const struct render_ctx *c, cJSON *array, struct err *err)
{
    for (size_t i = 0; i < f->n_clusters; i++) {
        const struct cluster *cluster = &f->clusters[i];
        struct place p = place_cluster(cluster);
        auto_free char *value = NULL;
        cJSON *o;

        if (cluster->secret_kind != SECRET_AUTO || ctx_live(c, "Secret", cluster->secret_name))
            continue;
        if (!c->random)
            return err_set(err, ERR_BUG, 0, "Secret %s: there is no source of random numbers", cluster->secret_name);
        value = random_secret(c);
        o = meta_object(&p, "v1", "Secret", cluster->secret_name, meta_labels(&p, NULL, NULL), true);
        json_set_str(o, "type", "Opaque");
        json_set_str(json_set_obj(o, "data"), cluster->secret_key, value);
        meta_note_keys(&p, o);
        cJSON_AddItemToArray(array, o);
    }
    return 0;
}

int render_shared(const struct fleet *f, const struct render_ctx *c, cJSON *array, struct err *err)
{
    if (shared_services(f, array, err) < 0)
        return -1;
    budgets(f, array);
    return secrets(f, c, array, err);
}
