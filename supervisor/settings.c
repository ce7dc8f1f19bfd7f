/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Held settings. Image and settings change together: each host keeps a copy of today's settings until its turn comes,
 * and in the end all go back to the common file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

/* How long a kubelet takes to show a changed ConfigMap in a running pod. */
enum { COPIES_MS = 100000 };

static bool common_has_settings(struct inst *in)
{
    auto_free char *name = mem_printf("chi-%s-common-configd", in->name);

    return json_get(json_get(inst_live(in, KUBE_CM, name), "data"),
                    "chop-generated-settings.xml") != NULL;
}

static void tell_hold(struct inst *in, const char *code)
{
    struct journal_rec rec = {.type = JRN_DECISION, .op = in->op, .object = in->key, .name = code};

    rec.text = "each host's own copy of today's settings is on its way into its pod, before the common file goes";
    journal_put(in->s->j, &rec, NULL, NULL);
}

static void copies_are_there(void *ctx)
{
    struct inst *in = ctx;

    in->hold_timer = NULL;
    tell_hold(in, NULL);
    op_run_wave(in);
}

void settings_held(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    (void)changed;
    in->pending--;
    if (err) {
        op_end(in, OUT_FAILED, err->msg);
        return;
    }
    /* A server that starts between the two would find neither. */
    if (in->holding && !in->s->endpoints && common_has_settings(in)) {
        tell_hold(in, "WAIT_PROPAGATION");
        in->hold_timer = world_timer(in->s->w, COPIES_MS, copies_are_there, in);
        return;
    }
    op_run_wave(in);
}

/* What was for all before: when the common file is gone already, the copy of a host whose turn has not come. Caller frees. */
static char *settings_of_before(struct inst *in)
{
    auto_free char *cm_name = mem_printf("chi-%s-common-configd", in->name);
    const cJSON *text = json_get(json_get(inst_live(in, KUBE_CM, cm_name), "data"), "chop-generated-settings.xml");
    struct render_ctx c;

    desired_ctx(in, &c); /* and with it in->held_new: hosts that have that have had their turn */
    for (size_t i = 0; !text && i < in->fleet->n_hosts; i++) {
        const cJSON *own = json_get(json_get(inst_live(in, KUBE_CM, in->fleet->hosts[i]->configmap), "data"),
                                    "chop-generated-settings_common.xml");

        if (cJSON_IsString(own) && !str_eq(own->valuestring, in->held_new))
            text = own;
    }
    return mem_str(cJSON_GetStringValue(text));
}

/* Each host gets a copy of today's common settings file, then the common one goes. */
void settings_hold(struct inst *in)
{
    cJSON *list = cJSON_CreateArray();

    in->state = INST_PREPARING;
    in->holding = true;
    free(in->held_old);
    free(in->held_new);
    in->held_old = in->held_new = NULL;
    in->held_old = settings_of_before(in);
    for (size_t i = 0; i < in->fleet->n_hosts; i++) {
        cJSON *req;

        if (!inst_live(in, KUBE_STS, in->fleet->hosts[i]->sts))
            continue;
        req = cJSON_CreateObject();
        json_set_str(req, "what", "configmap");
        json_set_str(req, "host", in->fleet->hosts[i]->key);
        json_set_bool(req, "hold", true);
        cJSON_AddItemToArray(list, req);
    }
    in->pending++;
    apply_all(in, list, settings_held, in);
}

static void settled(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    (void)changed;
    in->pending--;
    in->holding = err != NULL;
    op_end(in, err ? OUT_FAILED : OUT_DONE, err ? err->msg : "");
}

/* The copies go. */
static void settle_hosts(void *ctx)
{
    struct inst *in = ctx;
    cJSON *list = cJSON_CreateArray();

    in->hold_timer = NULL;
    for (size_t i = 0; i < in->fleet->n_hosts; i++) {
        cJSON *req = cJSON_CreateObject();

        json_set_str(req, "what", "configmap");
        json_set_str(req, "host", in->fleet->hosts[i]->key);
        cJSON_AddItemToArray(list, req);
    }
    in->pending++;
    apply_all(in, list, settled, in);
}

static void common_settled(void *ctx, bool changed, const struct err *err)
{
    struct inst *in = ctx;

    if (err) {
        settled(in, changed, err);
        return;
    }
    in->pending--;
    if (in->s->endpoints)
        settle_hosts(in);
    else /* a server that starts before it sees the common file still finds its copy */
        in->hold_timer = world_timer(in->s->w, COPIES_MS, settle_hosts, in);
}

/* All hosts have their settings: the common file gets them again, then the copies go. */
void settings_settle(struct inst *in)
{
    cJSON *list = cJSON_CreateArray(), *req = cJSON_CreateObject();

    in->state = INST_SETTLING;
    in->holding = false;
    json_set_str(req, "what", "common");
    cJSON_AddItemToArray(list, req);
    in->pending++;
    apply_all(in, list, common_settled, in);
}
