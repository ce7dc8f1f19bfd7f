/* SPDX-License-Identifier: Apache-2.0 */
/* The one object that a request of a worker asks for, as it should be: rendered, with the notes that ride in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "render/claims.h"
#include "supervisor/apply.h"

const struct host *apply_wanted_host(const struct apply *a)
{
    return a->in->fleet ? fleet_host(a->in->fleet, json_str(a->req, "host", "")) : NULL;
}

/* ---- notes ---- */

char *apply_note_text(const struct apply *a, cJSON *note)
{
    const struct hostrec *rec = inst_host(a->in, json_str(a->req, "host", ""));
    char *text;

    if (note && rec && rec->ordered && a->in->plan && a->in->plan->restart_token)
        json_set_str(note, "token", a->in->plan->restart_token);
    text = json_print(note);
    cJSON_Delete(note);
    return text;
}

void apply_mirror(const struct apply *a, cJSON *desired)
{
    cJSON *notes = json_need_obj(json_need_obj(desired, "metadata"), "annotations");
    char epoch[24];

    if (!json_get(a->req, "mirror"))
        return;
    auto_free char *text = apply_note_text(a, json_copy(json_get(a->req, "mirror")));
    snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)a->in->s->epoch);
    json_set_str(notes, RENDER_STEP, text);
    json_set_str(notes, "chfleet.io/epoch", epoch);
}

/* What it was is written down with the change; a host that is given up carries the generation it could not start in. */
static void note_before(const struct apply *a, const struct host *h, cJSON *desired)
{
    cJSON *notes = json_need_obj(json_get(desired, "metadata"), "annotations");
    auto_free char *previous =
        json_get(a->req, "mirror") ? previous_note(a->in, inst_live(a->in, KUBE_STS, h->sts), desired) : NULL;

    if (previous)
        json_set_str(notes, RENDER_PREVIOUS, previous);
    if (json_bool(a->req, "gave_up", false)) {
        auto_free char *text = mem_printf("%lld", (long long)a->in->generation);

        json_set_str(notes, RENDER_GAVE_UP, text);
    }
}

/* Its claims that consent gave up are gone when the set is written for a new start. */
static void note_given_up(const struct apply *a, const struct host *h, cJSON *desired)
{
    const struct hostrec *rec = inst_host(a->in, h->key);
    auto_str struct str names = STR_INIT;

    if (!rec || (rec->action != ACT_REBUILD && rec->action != ACT_MOVE) || json_int(a->req, "replicas", 0) == 0)
        return;
    for (size_t i = 0; i < h->n_volumes; i++)
        if (claim_consented(desired_consent(a->in), "volumes", h->cluster->name, h->volumes[i].pvc_name))
            str_addf(&names, "%s%s", names.len ? " " : "", h->volumes[i].pvc_name);
    if (names.len)
        json_set_str(json_at(desired, "metadata.annotations"), RENDER_GIVEN_UP, str_text(&names));
}

/* ---- objects ---- */

/* As it was before this generation: a roll-back. */
static cJSON *want_previous(const struct apply *a, const struct host *h, struct err *err)
{
    cJSON *d = previous_statefulset(a->in, inst_live(a->in, KUBE_STS, h->sts));

    if (!d)
        err_set(err, ERR_REFUSED, 0, "%s: what its StatefulSet was before is not known any more", h->key);
    return d;
}

cJSON *apply_want_statefulset(const struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    cJSON *d;

    if (json_bool(a->req, "restore", false))
        return want_previous(a, h, err);
    d = render_host_statefulset(a->in->fleet, h, c, err);
    if (!d)
        return NULL;
    note_before(a, h, d);
    if (json_get(a->req, "replicas"))
        json_set_int(json_get(d, "spec"), "replicas", json_int(a->req, "replicas", 1));
    note_given_up(a, h, d);
    apply_mirror(a, d);
    return d;
}

static cJSON *want_common(const struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    (void)h;
    return render_common_configmap(a->in->fleet, c, err);
}

static cJSON *want_users(const struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    (void)h;
    return render_users_configmap(a->in->fleet, c, err);
}

static cJSON *want_configmap(const struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    if (a->in->holding && !json_bool(a->req, "hold", false))
        inst_host_need(a->in, h->key)->held_turn = true;
    if (json_bool(a->req, "held_back", false))
        inst_host_need(a->in, h->key)->held_back = true;
    return render_host_configmap(a->in->fleet, h, c, err);
}

static cJSON *want_service(const struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err)
{
    return render_host_service(a->in->fleet, h, c, err);
}

static const struct {
    const char *what; /* of MSG_APPLY */
    enum kube_kind kind;
    bool of_host;
    cJSON *(*make)(const struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err);
} objects[] = {
    {"common", KUBE_CM, false, want_common},
    {"users", KUBE_CM, false, want_users},
    {"configmap", KUBE_CM, true, want_configmap},
    {"service", KUBE_SVC, true, want_service},
    {"statefulset", KUBE_STS, true, apply_want_statefulset},
};

cJSON *apply_want(struct apply *a, struct err *err)
{
    const char *what = json_str(a->req, "what", "");
    const struct host *h = apply_wanted_host(a);
    struct render_ctx c;
    cJSON *d;
    size_t i = 0;

    while (i < sizeof objects / sizeof *objects && strcmp(objects[i].what, what) != 0)
        i++;
    if (i == sizeof objects / sizeof *objects) {
        err_set(err, ERR_BUG, 0, "unknown object \"%s\" asked for by a worker", what);
        return NULL;
    }
    if (objects[i].of_host && !h) {
        err_set(err, ERR_REFUSED, 0, "%s: %s of host %s: the spec has no such host any more", a->in->key, what,
                json_str(a->req, "host", "(none)"));
        return NULL;
    }
    desired_ctx(a->in, &c);
    a->kind = objects[i].kind;
    d = objects[i].make(a, h, &c, err);
    if (d) {
        free(a->name);
        a->name = mem_str(json_name(d));
    }
    return d;
}
