/* SPDX-License-Identifier: Apache-2.0 */
/* One host: what it needs, and what it takes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/quantity.h"
#include "model/version.h"
#include "render/claims.h"
#include "render/facts_internal.h"

/* A file is in every running container so long after its ConfigMap was written: by kubelets, by the plane of one
 * machine. */
enum { PROPAGATION_S = 120, PROPAGATION_HERE_S = 2 };
/* How long a pod may take to get its node and volumes, and a node to let a file system grow. */
enum { STUCK_S = 300, NODE_GROWS_S = 600 };

/* ---- live state ---- */

static const cJSON *server_of(const cJSON *list)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
        if (str_eq(json_str(v, "name", NULL), "clickhouse") || str_eq(json_str(v, "name", NULL), "clickhouse-keeper"))
            return v;
    return cJSON_GetArrayItem(list, 0);
}

/* The act that was begun last has happened, whoever knows of it: another process runs than before it. Then the note's
 * text under `field`, else dflt. Caller frees. */
static char *act_took_effect(const cJSON *sts, const char *identity, const char *field, const char *dflt)
{
    const char *text = sts ? json_annotation(sts, RENDER_STEP) : NULL;
    auto_json cJSON *note = text ? json_parse(text, strlen(text), NULL) : NULL;
    const char *step = json_str(note, "step", ""), *was = json_str(note, "baseline.identity", "");
    size_t uid = strcspn(was, " ");
    bool same_pod = strncmp(was, identity, uid + 1) == 0;

    if (!*identity || strcmp(was, identity) == 0 || !json_str(note, field, NULL))
        return mem_str(dflt);
    if (!*was) /* nothing ran before: what runs was begun with the objects as they were then made */
        return mem_str(strcmp(step, "objects") == 0 ? json_str(note, field, dflt) : dflt);
    if (strcmp(step, "shutdown") == 0 || (strcmp(step, "replace") == 0 && !same_pod))
        return mem_str(json_str(note, field, dflt));
    return mem_str(dflt);
}

/* Seconds since 1970 of an RFC 3339 time in UTC; -1 when it is none. */
static int64_t seconds(const char *text)
{
    int y, mo, d, h, mi, s;
    int64_t days;

    if (sscanf(text, "%d-%d-%dT%d:%d:%d", &y, &mo, &d, &h, &mi, &s) != 6)
        return -1;
    y -= mo <= 2;
    days = y * INT64_C(365) + y / 4 - y / 100 + y / 400 + (153 * (mo + (mo > 2 ? -3 : 9)) + 2) / 5 + d - 1 - 719468;
    return days * 86400 + h * 3600 + mi * 60 + s;
}

static bool older_than(const struct gather *g, const char *since, int64_t limit_s)
{
    int64_t then = seconds(since), now = seconds(g->c->now ? g->c->now : "");

    return then >= 0 && now >= 0 && now > then + limit_s;
}

/* Why the pod does not run, when waiting will not help: no node takes it, it ends again and again, or nothing comes of it
 * for long. Caller frees. */
static char *why_stuck(const struct gather *g, const cJSON *pod, const struct host_facts *out)
{
    const cJSON *v;

    if (!pod || *out->identity || out->ready || json_at(pod, "metadata.deletionTimestamp"))
        return mem_str("");
    cJSON_ArrayForEach(v, json_at(pod, "status.conditions"))
        if (str_eq(json_str(v, "type", NULL), "PodScheduled") && str_eq(json_str(v, "reason", NULL), "Unschedulable") &&
            str_eq(json_str(v, "status", NULL), "False"))
            return mem_printf("Unschedulable: %s", json_str(v, "message", "no node takes it"));
    if (strcmp(out->waiting, "CrashLoopBackOff") == 0)
        return mem_str(out->waiting);
    if (older_than(g, json_str(pod, "metadata.creationTimestamp", ""), STUCK_S))
        return mem_str(*out->waiting ? out->waiting : "it waits for its node or its volumes");
    return mem_str("");
}

/* What was written down of the process that was seen last; NULL. Caller owns. */
static cJSON *loaded_note(const cJSON *sts)
{
    const char *text = sts ? json_annotation(sts, RENDER_LOADED) : NULL;

    return text ? json_parse(text, strlen(text), NULL) : NULL;
}

/* Servers older than 21.1 may come up without a table (workers/step_attach.c). Whoever starts one of ours looks at it then; one
 * that crashed, or whose node did, is looked at when its process is not the one that was written down. What others could not be
 * asked is asked then. */
static bool came_back(const struct gather *g, const cJSON *sts, const char *identity)
{
    auto_json cJSON *loaded = g->f->kind == FLEET_CLICKHOUSE ? loaded_note(sts) : NULL;
    const char *version = json_str(loaded, "version", "");

    return *identity && *version && !version_at_least(version, "21.1") && !str_eq(json_str(loaded, "identity", NULL), identity);
}

static bool unasked(const struct gather *g, const cJSON *sts, const char *identity)
{
    auto_json cJSON *loaded = g->f->kind == FLEET_CLICKHOUSE ? loaded_note(sts) : NULL;

    return *identity && str_eq(json_str(loaded, "identity", NULL), identity) && json_bool(loaded, "unasked", false);
}

void facts_live_host(const struct gather *g, const cJSON *sts, const cJSON *pod, struct host_facts *out)
{
    const char *given_up = sts ? json_annotation(sts, RENDER_GIVEN_UP) : NULL;
    auto_free char *ready = meta_key(g->f, "ready");
    const char *token = sts ? json_annotation(sts, RENDER_RESTART) : NULL, *label = pod ? json_label(pod, ready) : NULL;

    out->sts = sts;
    out->pod = pod;
    out->ready = compare_pod_ready(pod);
    out->labelled_in = str_eq(label, "yes");
    out->replicas = sts ? json_int(sts, "spec.replicas", 1) : 0;
    out->identity = compare_identity(pod);
    out->came_back = came_back(g, sts, out->identity);
    out->unasked = unasked(g, sts, out->identity);
    out->image = mem_str(json_str(server_of(json_at(pod, "spec.containers")), "image", ""));
    out->waiting = mem_str(json_str(server_of(json_at(pod, "status.containerStatuses")), "state.waiting.reason", ""));
    out->stuck = why_stuck(g, pod, out);
    out->given_up = mem_str(given_up ? given_up : "");
    if (sts && !json_annotation(sts, RENDER_LOADED) && json_annotation(sts, RENDER_GAVE_UP))
        out->gave_up = strtoll(json_annotation(sts, RENDER_GAVE_UP), NULL, 10);
    out->restarted_for = act_took_effect(sts, out->identity, "token", token ? token : "");
}

/* ---- has the process loaded what it should? ---- */

static bool loaded_by_record(const cJSON *sts, const char *identity, const char *hash)
{
    auto_json cJSON *loaded = loaded_note(sts);

    return loaded && str_eq(json_str(loaded, "identity", NULL), identity) &&
           str_eq(json_str(loaded, "restart_hash", NULL), hash);
}

static bool loaded_by_time(const struct gather *g, const cJSON *configmap, const char *identity, const char *hash)
{
    const char *since = configmap ? json_annotation(configmap, RENDER_RESTART_SINCE) : NULL;
    const char *started = strrchr(identity, ' ');
    int64_t from, at;

    if (!since || !started || !str_eq(json_annotation(configmap, RENDER_RESTART_HASH), hash))
        return false;
    from = seconds(since);
    at = seconds(started + 1);
    return from >= 0 && at >= 0 && at > from + (g->f->endpoints ? PROPAGATION_HERE_S : PROPAGATION_S);
}

/* ---- files ---- */

static void take(struct change **to, size_t *n, const struct file_line *l)
{
    compare_add(to, n, l->path, l->from, l->to);
}

static void sort_lines(const struct gather *g, const struct host *h, const struct file_lines *lines, bool loaded,
                       struct host_facts *out)
{
    for (size_t i = 0; i < lines->n; i++) {
        const struct file_line *l = &lines->v[i];

        if (l->membership || l->addresses || l->lets_in)
            continue;
        if (!file_line_restarts(g->f, h, l))
            take(&out->reload_changes, &out->n_reload, l);
        else if (!loaded)
            take(&out->restart_changes, &out->n_restart, l);
    }
}

/* A host that holds settings of its own compares them with the common ones to come, not with the live common file. */
static void own_common(const struct gather *g, const cJSON *live, struct file_lines *out)
{
    const cJSON *held = json_get(json_get(live, "data"), "chop-generated-settings_common.xml");
    auto_json cJSON *a = cJSON_CreateObject(), *b = cJSON_CreateObject();

    json_set_str(a, "chop-generated-settings.xml", cJSON_GetStringValue(held));
    if (*g->common_settings)
        json_set_str(b, "chop-generated-settings.xml", g->common_settings);
    filediff(g->f, a, b, "spec.configuration", false, out);
}

/* Without the files that follow from others. */
static cJSON *without_ours(const cJSON *data)
{
    cJSON *copy = json_copy(data);

    cJSON_DeleteItemFromObjectCaseSensitive(copy, RENDER_CONFIG_FILE);
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "chop-generated-settings_common.xml");
    return copy;
}

/* A host whose turn has not come is to keep its old copy for now; its process is compared with what it is to load in the end. */
static void files(const struct gather *g, const struct host *h, const cJSON *sts, const cJSON *live, const cJSON *desired,
                  struct host_facts *out)
{
    struct err ignored = ERR_INIT;
    auto_free char *hash = g->c->holding ? render_restart_hash(g->f, h, g->c, &ignored)
                                         : mem_str(json_annotation(desired, RENDER_RESTART_HASH));
    auto_free char *scope = mem_printf("spec.configuration.clusters[%s].hosts[%s]", h->cluster->name, h->name);
    auto_json cJSON *have = without_ours(json_get(live, "data")), *want = without_ours(json_get(desired, "data"));
    struct file_lines own = {NULL, 0}, held = {NULL, 0};
    bool is_held = json_get(json_get(live, "data"), "chop-generated-settings_common.xml");
    bool ours = live && json_annotation(live, RENDER_RESTART_HASH);
    auto_free char *by_act = act_took_effect(sts, out->identity, "restart_hash", "");
    bool dead = !*out->identity;
    bool loaded = !dead && (loaded_by_record(sts, out->identity, hash) || (hash && str_eq(by_act, hash)) ||
                            loaded_by_time(g, live, out->identity, hash));

    filediff(g->f, have, want, scope, true, &own);
    g->out->held |= is_held && g->c->holding;
    if (is_held)
        own_common(g, live, &held);
    /* One that does not run has loaded nothing: it finds the shared files as they are when it starts, but its own ones are
     * written only when its turn comes. */
    sort_lines(g, h, &own, loaded, out);
    sort_lines(g, h, &g->common, loaded || dead, out);
    sort_lines(g, h, is_held ? &held : &g->settings, loaded || (dead && !is_held), out);
    if (ours && !loaded && !dead && out->n_restart == 0)
        compare_add(&out->restart_changes, &out->n_restart,
                    "settings that are written but that the process has not loaded",
                    json_annotation(live, RENDER_RESTART_SINCE), NULL);
    /* The common file has them again: the host's own copy may go. Before that it must not. */
    if (is_held && g->settings.n == 0 && !json_get(json_get(desired, "data"), "chop-generated-settings_common.xml"))
        compare_add(&out->object_changes, &out->n_object, "ConfigMap data.chop-generated-settings_common.xml", "(text)",
                    NULL);
    if (live &&
        !json_same(json_get(json_get(live, "data"), RENDER_CONFIG_FILE),
                   json_get(json_get(desired, "data"), RENDER_CONFIG_FILE)) &&
        out->n_restart == 0 && out->n_reload == 0)
        compare_add(&out->object_changes, &out->n_object, "ConfigMap data." RENDER_CONFIG_FILE, NULL, "(text)");
    file_lines_free(&own);
    file_lines_free(&held);
}

/* ---- StatefulSet ---- */

/* Claims themselves are compared elsewhere; what is left to do when they are as wanted is to make the StatefulSet say
 * so. No pod needs to know. */
static void claim_spec(struct host_facts *out, const struct change *c)
{
    if (out->n_volume == 0 && out->n_moves == 0 && !out->volume_refused)
        compare_add(&out->volume_changes, &out->n_volume, c->path, c->from, c->to);
}

static bool of_claim_spec(const char *path)
{
    return str_starts(path, "StatefulSet spec.volumeClaimTemplates[") && strstr(path, "].spec.");
}

static char *claim_names(const cJSON *sts)
{
    auto_str struct str s = STR_INIT;
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(sts, "spec.volumeClaimTemplates"))
        str_addf(&s, "%s%s", s.len ? ", " : "", json_name(v));
    return s.len ? str_take(&s) : NULL;
}

/* Which claims there are, not all that they say. */
static void claim_list(struct host_facts *out, const cJSON *live, const cJSON *desired)
{
    auto_free char *from = claim_names(live), *to = claim_names(desired);

    compare_add(&out->recreate_changes, &out->n_recreate, "StatefulSet spec.volumeClaimTemplates", from, to);
}

static void statefulset(struct host_facts *out, const cJSON *live, const cJSON *desired)
{
    struct change *all = NULL;
    size_t n = 0;

    out->sts_anew = compare_statefulset(live, desired, &all, &n) == COMPARE_IMMUTABLE;
    for (size_t i = 0; i < n; i++) {
        const char *path = all[i].path;

        if (str_starts(path, "StatefulSet spec.template"))
            compare_add(&out->template_changes, &out->n_template, path, all[i].from, all[i].to);
        else if (of_claim_spec(path))
            claim_spec(out, &all[i]);
        else if (strcmp(path, "StatefulSet spec.volumeClaimTemplates") == 0)
            claim_list(out, live, desired);
        else if (str_starts(path, "StatefulSet spec.replicas"))
            ; /* stop and start are told by `replicas` */
        else if (str_starts(path, "StatefulSet spec.selector") || str_starts(path, "StatefulSet spec.serviceName") ||
                 str_starts(path, "StatefulSet spec.podManagementPolicy") ||
                 str_starts(path, "StatefulSet spec.volumeClaimTemplates"))
            compare_add(&out->recreate_changes, &out->n_recreate, path, all[i].from, all[i].to);
        else
            compare_add(&out->object_changes, &out->n_object, path, all[i].from, all[i].to);
    }
    changes_free(all, n);
}

static void metadata(struct host_facts *out, const cJSON *live, const cJSON *desired)
{
    if (live)
        compare_metadata(live, desired, &out->object_changes, &out->n_object);
}

static void whole_object(struct host_facts *out, const cJSON *live, const cJSON *desired)
{
    auto_json cJSON *patch = live ? compare_object(live, desired, &out->object_changes, &out->n_object) : NULL;

    (void)patch;
}

/* ---- volumes ---- */

static bool wants_claim(const struct host *h, const char *name)
{
    for (size_t i = 0; i < h->n_volumes; i++)
        if (strcmp(h->volumes[i].pvc_name, name) == 0)
            return true;
    return false;
}

static void drop_claim(struct host_facts *out, const struct host *h, const char *name)
{
    if (wants_claim(h, name))
        return;
    out->dropped = mem_grow(out->dropped, out->n_dropped + 1, sizeof *out->dropped);
    out->dropped[out->n_dropped++] = mem_str(name);
}

static void dropped_claims(struct host_facts *out, const struct host *h, const cJSON *sts)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(sts, "spec.volumeClaimTemplates")) {
        auto_free char *name = mem_printf("%s-%s-0", json_name(v), h->sts);

        drop_claim(out, h, name);
    }
    cJSON_ArrayForEach(v, json_at(sts, "spec.template.spec.volumes")) {
        const char *claim = json_str(v, "persistentVolumeClaim.claimName", NULL);
        const cJSON *own = json_at(h->pod_template, "spec.volumes"), *w;
        bool users = false;

        cJSON_ArrayForEach(w, own)
            users |= str_eq(json_str(w, "persistentVolumeClaim.claimName", NULL), claim);
        if (claim && !users)
            drop_claim(out, h, claim);
    }
}

/* What was asked for last: in the StatefulSet, or, where the claim is made by us, on the claim. A claim that is larger
 * was enlarged by somebody else, and stays so. */
static const cJSON *asked_before(const struct volume *v, const cJSON *sts, const cJSON *claim)
{
    const cJSON *t;

    if (v->operator_made && json_annotation(claim, RENDER_SIZE))
        return json_get(json_at(claim, "metadata.annotations"), RENDER_SIZE);
    cJSON_ArrayForEach(t, json_at(sts, "spec.volumeClaimTemplates"))
        if (strcmp(json_name(t), v->name) == 0)
            return json_at(t, "spec.resources.requests.storage");
    return json_at(claim, "spec.resources.requests.storage");
}

static void refuse_shrink(struct host_facts *out, const char *path, const cJSON *before, const char *to)
{
    auto_free char *from = settings_scalar(before);

    if (!out->volume_refused)
        out->volume_refused =
            mem_printf("%s: %s → %s: volumes cannot shrink; write storage: %s", path, from ? from : "", to, from ? from : "");
}

static void grow(const struct gather *g, struct host_facts *out, const struct volume *v, const cJSON *sts,
                 const cJSON *claim)
{
    const cJSON *have = json_at(claim, "spec.resources.requests.storage"), *before = asked_before(v, sts, claim);
    const cJSON *want = json_at(v->tmpl, "spec.resources.requests.storage"), *real = json_at(claim, "status.capacity.storage");
    int64_t now = quantity_bytes(have), asked = quantity_bytes(before), size = quantity_bytes(real);
    auto_free char *from = settings_scalar(have), *to = settings_scalar(want);
    auto_free char *path = mem_printf("volume %s", v->name), *waits = mem_printf("file system of volume %s", v->name);
    auto_free char *real_text = real ? settings_scalar(real) : NULL;

    if (now < 0 || v->size_bytes < 0)
        return;
    if (v->size_bytes > now)
        compare_add(&out->volume_changes, &out->n_volume, path, from, to);
    else if (v->size_bytes < now && v->size_bytes < asked)
        refuse_shrink(out, path, before, to);
    else if (size >= 0 && size < v->size_bytes && *claim_waits_for_node(claim)) {
        compare_add(&out->volume_changes, &out->n_volume, waits, real_text, to);
        out->resize_stuck |= older_than(g, claim_waits_for_node(claim), NODE_GROWS_S);
    }
}

/* A class of attributes is changed on the claim that is there; the cluster does the rest. */
static void attributes(struct host_facts *out, const struct volume *v, const cJSON *claim)
{
    const char *want = json_str(v->tmpl, "spec.volumeAttributesClassName", "");
    const char *asked = json_str(claim, "spec.volumeAttributesClassName", "");
    const char *real = json_str(claim, "status.currentVolumeAttributesClassName", "");
    auto_free char *path = mem_printf("volume %s volumeAttributesClassName", v->name);

    if (*want && strcmp(want, asked) != 0)
        compare_add(&out->volume_changes, &out->n_volume, path, *asked ? asked : NULL, want);
    else if (*want && json_at(claim, "status.modifyVolumeStatus") && strcmp(want, real) != 0)
        compare_add(&out->volume_changes, &out->n_volume, path, *real ? real : NULL, want);
}

static void add_move(const struct gather *g, struct host_facts *out, const struct host *h, const struct volume *v,
                     const cJSON *claim, bool data_moves)
{
    struct volume_move m = {.kept = claim_kept(g->f, h->sts, claim), .logs = v->logs};

    if (!claim_goes(v, claim, data_moves, &m.what))
        return;
    m.volume = mem_str(v->name);
    m.claim = mem_str(v->pvc_name);
    out->moves = mem_grow(out->moves, out->n_moves + 1, sizeof *out->moves);
    out->moves[out->n_moves++] = m;
}

/* Claims that must be replaced, and the data directory that gets another one. */
static void find_moves(const struct gather *g, const struct host *h, const cJSON *sts, const cJSON *wanted,
                       struct host_facts *out)
{
    bool data_moves = claim_data_moves(g->f, h, g->c, wanted);
    auto_free char *from = claim_of_data(g->f, sts), *to = claim_of_data(g->f, wanted);

    if (strcmp(from, to) != 0) {
        out->data_from = mem_str(from);
        out->data_to = mem_str(to);
    }
    for (size_t i = 0; i < h->n_volumes; i++) {
        const cJSON *claim = ctx_live(g->c, "PersistentVolumeClaim", h->volumes[i].pvc_name);

        if (claim)
            add_move(g, out, h, &h->volumes[i], claim, data_moves);
    }
}

/* reclaimPolicy and other labels of a claim. */
static int claim_metadata(const struct gather *g, const struct host *h, const struct volume *v, const cJSON *claim,
                          struct host_facts *out, struct err *err)
{
    auto_json cJSON *want = render_host_pvc(g->f, h, v, g->c, err);

    if (!want)
        return -1;
    metadata(out, claim, want);
    return 0;
}

static void look_for_loss(const struct gather *g, const struct host *h, const struct volume *v, const cJSON *claim,
                          bool had_data, struct host_facts *out)
{
    if (claim && str_eq(json_str(claim, "status.phase", NULL), "Lost")) {
        out->volume_lost = true;
        if (!out->lost_kept && claim_kept(g->f, h->sts, claim))
            out->lost_kept = mem_str(v->pvc_name);
    } else if (!claim && v->data && (out->pod || had_data) && out->replicas > 0) {
        out->volume_lost = true;
    }
}

/* A claim that is not made yet is not lost: the data directory was on none, or on another one. */
static bool data_was_there(const struct gather *g, const struct host *h, const cJSON *sts)
{
    auto_free char *from = claim_of_data(g->f, sts);

    for (size_t i = 0; i < h->n_volumes; i++)
        if (h->volumes[i].data && strcmp(h->volumes[i].pvc_name, from) == 0)
            return true;
    return false;
}

static int volumes(const struct gather *g, const struct host *h, const cJSON *sts, struct host_facts *out,
                   struct err *err)
{
    bool had_data = text_set_has(&g->has_data, h->fqdn) || (sts && json_annotation(sts, RENDER_LOADED));
    bool there = sts && data_was_there(g, h, sts);

    out->ephemeral = h->ephemeral;
    out->all_retained = h->n_volumes > 0;
    for (size_t i = 0; i < h->n_volumes; i++) {
        const struct volume *v = &h->volumes[i];
        const cJSON *claim = ctx_live(g->c, "PersistentVolumeClaim", v->pvc_name);

        out->all_retained &= v->retain;
        if (claim) {
            grow(g, out, v, sts, claim);
            attributes(out, v, claim);
        }
        if (claim && claim_metadata(g, h, v, claim, out, err) < 0)
            return -1;
        if (sts && (claim || there))
            look_for_loss(g, h, v, claim, had_data, out);
    }
    return 0;
}

/* ---- the whole ---- */

static bool is_listed(const struct gather *g, const struct host *h)
{
    auto_free char *key = g->f->kind == FLEET_KEEPER
                              ? mem_str(h->address)
                              : mem_printf("%s:%u", h->address, h->secure ? h->ports[PORT_TLS] : h->ports[PORT_TCP]);
    auto_free char *member = mem_printf("%s:%u", h->address, h->ports[PORT_RAFT]);

    return text_set_has(&g->listed, g->f->kind == FLEET_KEEPER ? member : key);
}

static void names(const struct host *h, struct host_facts *out)
{
    out->key = mem_str(h->key);
    out->sts_name = mem_str(h->sts);
    out->cluster = mem_str(h->cluster->name);
    out->shard = mem_str(h->shard->name);
    out->replica = mem_str(h->replica_name);
}

int facts_wanted_host(struct gather *g, const struct host *h, struct host_facts *out, struct err *err)
{
    const cJSON *sts = ctx_live(g->c, "StatefulSet", h->sts), *pod = ctx_live(g->c, "Pod", h->pod);
    const cJSON *configmap = ctx_live(g->c, "ConfigMap", h->configmap),
                *service = ctx_live(g->c, "Service", h->service);
    auto_json cJSON *want_sts = NULL, *want_map = NULL, *want_service = NULL;

    names(h, out);
    out->in_spec = !g->f->deleting;
    facts_live_host(g, sts, pod, out);
    out->listed = is_listed(g, h);
    if (volumes(g, h, sts, out, err) < 0)
        return -1;
    if (!sts || g->f->deleting)
        return 0;
    dropped_claims(out, h, sts);
    want_sts = render_host_statefulset(g->f, h, g->c, err);
    want_map = want_sts ? render_host_configmap(g->f, h, g->c, err) : NULL;
    want_service = want_map ? render_host_service(g->f, h, g->c, err) : NULL;
    if (!want_service)
        return -1;
    find_moves(g, h, sts, want_sts, out);
    statefulset(out, sts, want_sts);
    files(g, h, sts, configmap, want_map, out);
    metadata(out, sts, want_sts);
    metadata(out, configmap, want_map);
    whole_object(out, service, want_service);
    if (!service)
        compare_add(&out->object_changes, &out->n_object, "Service", NULL, h->service);
    if (!configmap)
        compare_add(&out->object_changes, &out->n_object, "ConfigMap", NULL, h->configmap);
    return 0;
}
