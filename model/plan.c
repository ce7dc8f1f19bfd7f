/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const action_names[HOST_ACTIONS] = {
    [ACT_NONE] = "none",       [ACT_RELOAD] = "reload",     [ACT_SOFT_RESTART] = "soft-restart",
    [ACT_RESTART] = "restart", [ACT_RECREATE] = "recreate", [ACT_CREATE] = "create",
    [ACT_REMOVE] = "remove",   [ACT_RESIZE] = "resize",     [ACT_REBUILD] = "rebuild",
    [ACT_STOP] = "stop",       [ACT_START] = "start",       [ACT_JOIN] = "join",
    [ACT_MOVE] = "move",
};

const char *host_action_name(enum host_action a)
{
    return (unsigned)a < HOST_ACTIONS ? action_names[a] : "unknown";
}

struct planner {
    const struct fleet *f;
    const struct facts *live;
    struct plan *p;
};

static void add_text(char ***list, size_t *n, char *text)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp((*list)[i], text) == 0) {
            free(text);
            return;
        }
    *list = mem_grow(*list, *n + 1, sizeof **list);
    (*list)[(*n)++] = text;
}

static void warn(struct planner *m, char *text)
{
    add_text(&m->p->warnings, &m->p->n_warnings, text);
}

static void refuse(struct planner *m, char *text)
{
    add_text(&m->p->refused, &m->p->n_refused, text);
}

/* ---- reasons ---- */

static char *reason_of(const struct change *v, size_t n)
{
    auto_str struct str s = STR_INIT;

    str_addf(&s, "%s", v->path);
    if (v->from || v->to)
        str_addf(&s, ": %s → %s", v->from ? v->from : "(none)", v->to ? v->to : "(none)");
    if (n > 1)
        str_addf(&s, " (and %zu more)", n - 1);
    return str_take(&s);
}

static void decide(struct plan_host *h, enum host_action a, char *reason)
{
    free(h->reason);
    h->action = a;
    h->reason = reason;
}

/* ---- consent ---- */

static bool consent_holds(const struct planner *m)
{
    const char *until = json_str(m->f->consent, "until", "");

    /* the same form and zone: texts compare as times do */
    return m->f->consent && (!*until || !*m->live->now || strcmp(m->live->now, until) < 0);
}

static bool consents(const struct planner *m, const char *list, const char *cluster, const char *name)
{
    auto_free char *full = mem_printf("%s/%s", cluster, name);
    const cJSON *names = json_get(m->f->consent, list);

    return consent_holds(m) && (json_has(names, name) || json_has(names, full));
}

static bool consents_host_loss(const struct planner *m, const struct host_facts *h)
{
    auto_free char *name = mem_printf("%s-%s", h->shard, h->replica);
    bool volumes = h->n_pvcs > 0;

    if (consents(m, "dataLoss", h->cluster, name) || consents(m, "dataLoss", h->cluster, h->shard))
        return true;
    for (size_t i = 0; i < h->n_pvcs; i++)
        volumes &= h->pvc_retain[i] || consents(m, "volumes", h->cluster, h->pvcs[i]);
    return volumes;
}

static char *consent_text(const char *list, const char *name)
{
    return mem_printf("spec:\n  chfleet:\n    consent:\n      %s: [\"%s\"]", list, name);
}

/* ---- removal ---- */

static bool shard_lives_on(const struct planner *m, const struct host_facts *gone)
{
    for (size_t i = 0; i < m->live->n_hosts; i++) {
        const struct host_facts *h = &m->live->hosts[i];

        if (h->in_spec && strcmp(h->cluster, gone->cluster) == 0 && strcmp(h->shard, gone->shard) == 0)
            return true;
    }
    return false;
}

static void check_loss(struct planner *m, const struct host_facts *h)
{
    auto_free char *shard = mem_printf("%s/%s", h->cluster, h->shard), *yaml = consent_text("dataLoss", shard);

    if (m->f->kind == FLEET_KEEPER || shard_lives_on(m, h) || consents_host_loss(m, h))
        return;
    if (h->n_pvcs > 0 && (h->all_retained || !m->f->knobs.unknown.pvc))
        return; /* its volumes stay */
    refuse(m,
           mem_printf("shard %s would be removed, and no other shard has its data. If the data may be gone, write:\n%s",
                      shard, yaml));
}

/* Claims that are retained outlive the installation: they are nothing to wait for. */
static bool claims_to_delete(const struct host_facts *live)
{
    for (size_t i = 0; i < live->n_pvcs; i++)
        if (!live->pvc_retain[i])
            return true;
    return false;
}

static void plan_unwanted(struct planner *m, const struct host_facts *live, struct plan_host *h)
{
    if (!live->sts && !m->f->deleting)
        return;
    if (m->f->deleting) {
        if (live->sts || claims_to_delete(live))
            decide(h, ACT_REMOVE, mem_str("the installation is deleted"));
        return;
    }
    if (!m->f->knobs.unknown.statefulset) {
        decide(h, ACT_NONE,
               mem_str("not in the layout any more; kept by spec.reconcile.cleanup.unknownObjects.statefulSet"));
        warn(m, mem_printf("%s: %s", live->key, h->reason));
        return;
    }
    check_loss(m, live);
    decide(h, ACT_REMOVE, mem_str("spec.configuration.clusters: the layout does not have it any more"));
}

/* ---- wanted hosts ---- */

static const struct shard *shard_of(const struct planner *m, const struct host_facts *live)
{
    const struct host *h = fleet_host(m->f, live->key);

    return h ? h->shard : NULL;
}

static bool has_restart_due(const struct planner *m, const struct host_facts *live)
{
    return m->p->restart_token && !str_eq(live->restarted_for, m->p->restart_token);
}

static bool consents_a_volume(const struct planner *m, const struct host_facts *live)
{
    for (size_t i = 0; i < live->n_pvcs; i++)
        if (!live->pvc_retain[i] && consents(m, "volumes", live->cluster, live->pvcs[i]))
            return true;
    return false;
}

static bool was_given_up(const struct host_facts *live, const char *claim)
{
    size_t n = strlen(claim);

    for (const char *p = live->given_up; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strncmp(p, claim, n) == 0 && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

/* The owner says that a claim of a host that cannot run may go: it is rebuilt from its peers. Once: a word that still
 * stands there when the host is down another time is not for its new volume. */
static bool gives_up_volume(struct planner *m, const struct host_facts *live)
{
    bool any = false;

    if (!*live->stuck)
        return false;
    for (size_t i = 0; i < live->n_pvcs; i++) {
        const char *claim = live->pvcs[i];

        if (!consents(m, "volumes", live->cluster, claim))
            continue;
        if (was_given_up(live, claim))
            warn(m, mem_printf("%s: spec.chfleet.consent.volumes was used for %s already. If its new volume may go, too, "
                               "take the name out, apply, and write it again",
                               live->key, claim));
        else if (live->pvc_retain[i])
            warn(m, mem_printf("%s: spec.chfleet.consent.volumes names %s, but its reclaimPolicy keeps it: write "
                               "reclaimPolicy: Delete in its template, or delete the claim by hand",
                               live->key, claim));
        else
            any = true;
    }
    return any;
}

/* Its pod finds no node. If its volumes are on one that is gone, somebody must say so. */
static void tell_of_gone_node(struct planner *m, const struct host_facts *live)
{
    if (!str_starts(live->stuck, "Unschedulable") || m->f->stop)
        return;
    for (size_t i = 0; i < live->n_pvcs; i++) {
        auto_free char *yaml = consent_text("volumes", live->pvcs[i]);

        if (live->pvc_retain[i] || consents(m, "volumes", live->cluster, live->pvcs[i]))
            continue;
        warn(m, mem_printf("%s: its pod finds no node (%s). If its volume %s is on a node that is gone for good, "
                           "write this and it is rebuilt from its peers:\n%s",
                           live->key, live->stuck, live->pvcs[i], yaml));
    }
}

/* ---- volumes that must be replaced ---- */

static char *template_of(const struct host_facts *live, const char *claim)
{
    auto_free char *suffix = mem_printf("-%s-0", live->sts_name);

    return str_ends(claim, suffix) ? mem_strn(claim, strlen(claim) - strlen(suffix)) : mem_str(claim);
}

static bool is_alone(const struct planner *m, const struct host_facts *live)
{
    const struct shard *s = shard_of(m, live);

    return s && s->n_hosts == 1;
}

/* May this claim be replaced by an empty one? Consent to move needs peers to be filled from; consent to lose needs none. */
static bool may_replace(const struct planner *m, const struct host_facts *live, const char *claim, bool logs)
{
    auto_free char *template = template_of(live, claim);

    if (consents(m, "volumes", live->cluster, claim))
        return true;
    return consents(m, "moveVolumes", live->cluster, template) && (logs || !is_alone(m, live));
}

static char *move_yaml(const struct planner *m, const struct host_facts *live, const char *claim, bool logs)
{
    auto_free char *template = template_of(live, claim);

    return logs || !is_alone(m, live) ? consent_text("moveVolumes", template) : consent_text("volumes", claim);
}

static void check_move(struct planner *m, const struct host_facts *live, const struct volume_move *v)
{
    auto_free char *yaml = move_yaml(m, live, v->claim, v->logs);
    const char *from = v->what.from ? v->what.from : "(none)", *to = v->what.to ? v->what.to : "(none)";

    if (v->kept)
        refuse(m, mem_printf("%s: %s: %s → %s: only a new volume can have that, and reclaimPolicy Retain keeps claim %s. "
                             "Give the volume template another name (the old claim stays), or write reclaimPolicy: Delete",
                             live->key, v->what.path, from, to, v->claim));
    else if (!may_replace(m, live, v->claim, v->logs))
        refuse(m,
               mem_printf("%s: %s: %s → %s: only a new volume can have that. %s:\n%s", live->key, v->what.path, from, to,
                          v->logs || !is_alone(m, live)
                              ? "If its hosts may get new volumes, one after the other, each filled by its peers, write"
                              : "Its shard has no other replica that could fill it: add one first, or, if its data may "
                                "be gone, write",
                          yaml));
}

static bool moves(const struct host_facts *live)
{
    return live->data_from || (live->n_moves && *live->identity);
}

static char *move_reason(const struct host_facts *live)
{
    if (!live->data_from)
        return reason_of(&live->moves[0].what, live->n_moves);
    return mem_printf("data directory: %s → %s", *live->data_from ? live->data_from : "(in the pod)",
                      *live->data_to ? live->data_to : "(in the pod)");
}

/* Is the claim dropped for another one that its host is moved to? */
static bool is_moved_from(const struct host_facts *live, const char *claim)
{
    return live->data_from && *live->data_to && strcmp(live->data_from, claim) == 0;
}

static void check_volumes(struct planner *m, const struct host_facts *live)
{
    if (live->volume_refused)
        refuse(m, mem_printf("%s: %s", live->key, live->volume_refused));
    for (size_t i = 0; i < live->n_moves; i++)
        check_move(m, live, &live->moves[i]);
    for (size_t i = 0; i < live->n_dropped; i++) {
        const char *claim = live->dropped[i];
        bool moved = is_moved_from(live, claim);
        auto_free char *yaml = moved ? move_yaml(m, live, claim, false) : consent_text("volumes", claim);

        if (moved ? may_replace(m, live, claim, false) : consents(m, "volumes", live->cluster, claim))
            continue;
        refuse(m, mem_printf("%s: its volume %s would not be used any more. If that is meant, write:\n%s", live->key,
                             claim, yaml));
    }
    if (live->lost_kept)
        warn(m, mem_printf("%s: claim %s is lost, and its reclaimPolicy keeps it: bring its volume back, or delete the "
                           "claim by hand; then the host is rebuilt from its peers",
                           live->key, live->lost_kept));
    tell_of_gone_node(m, live);
}

/* reconcile.statefulSet.recreate.onDataLoss: abort. */
static void refuse_rebuild(struct planner *m, const struct host_facts *live)
{
    auto_free char *yaml = live->n_pvcs ? consent_text("volumes", live->pvcs[0]) : mem_str("");

    refuse(m, mem_printf("%s: its volume is lost, and reconcile.statefulSet.recreate.onDataLoss is abort. To have it rebuilt "
                         "from its peers, set that to recreate%s%s",
                         live->key, *yaml ? ", or write:\n" : "", yaml));
}

/* Stopped, absent, lost: states that come before any comparison. False: the host runs, compare. */
static bool plan_state(struct planner *m, const struct host_facts *live, struct plan_host *h)
{
    if (!live->sts) {
        if (!m->f->stop)
            decide(h, ACT_CREATE,
                   mem_str(m->live->fresh ? "new installation" : "spec.configuration.clusters: new host"));
        else
            decide(h, ACT_NONE, mem_str("does not exist; is created when spec.stop is taken back"));
        return true;
    }
    if (m->f->stop) {
        if (live->replicas > 0)
            decide(h, ACT_STOP, mem_str("spec.stop: yes"));
        return true;
    }
    if (live->volume_lost && !m->f->knobs.recreate_on_data_loss && !consents_a_volume(m, live)) {
        refuse_rebuild(m, live);
        return true;
    }
    if (live->volume_lost && !live->lost_kept) {
        decide(h, ACT_REBUILD, mem_str("its volume is lost"));
        return true;
    }
    if (!live->lost_kept && gives_up_volume(m, live)) {
        decide(h, ACT_REBUILD, mem_str("spec.chfleet.consent.volumes: its volume is given up"));
        return true;
    }
    if (live->replicas == 0 && live->gave_up != 0) {
        if (live->gave_up == m->f->generation)
            refuse(m, mem_printf("%s: it did not start and was scaled to 0 (reconcile.statefulSet.create.onFailure). Correct "
                                 "the spec, or try again as it is: chfleet retry",
                                 live->key));
        else
            decide(h, ACT_CREATE, mem_str("it did not start with an earlier spec"));
        return true;
    }
    if (live->replicas == 0) {
        decide(h, ACT_START, mem_str("its StatefulSet is at 0"));
        return true;
    }
    return false;
}

static bool restart_in_pod(const struct planner *m, const struct host_facts *live)
{
    return m->f->kind == FLEET_CLICKHOUSE && *live->identity;
}

/* It is out and runs, or is about to: it is missed by its siblings, whose turn may wait for it. Its volumes grow when it is
 * back; those of a host that cannot start, a full disk perhaps, grow first. */
static bool waits_to_join(const struct planner *m, const struct host_facts *live)
{
    bool out = !live->listed || (m->f->kind == FLEET_CLICKHOUSE && !live->labelled_in);

    return out && !*live->stuck && !m->f->troubleshoot;
}

/* A process of its shard that does not answer and may go on as it is: there is nobody to ask now. */
static bool sibling_hangs(const struct planner *m, const struct host_facts *live)
{
    for (size_t i = 0; i < m->live->n_hosts; i++) {
        const struct host_facts *h = &m->live->hosts[i];

        if (h != live && strcmp(h->cluster, live->cluster) == 0 && strcmp(h->shard, live->shard) == 0 && *h->identity &&
            !h->ready && !h->came_back)
            return true;
    }
    return false;
}

static void plan_changes(struct planner *m, const struct host_facts *live, struct plan_host *h)
{
    bool soft = restart_in_pod(m, live), quiet = m->f->troubleshoot;

    if (moves(live))
        decide(h, ACT_MOVE, move_reason(live));
    else if (live->n_recreate && !m->f->knobs.recreate_on_update) {
        auto_free char *why = reason_of(live->recreate_changes, live->n_recreate);

        refuse(m, mem_printf("%s: %s: that field of a StatefulSet cannot be edited, and "
                             "reconcile.statefulSet.recreate.onUpdateFailure is abort. To have the StatefulSet made anew "
                             "around its pod, set that to recreate",
                             live->key, why));
    } else if (live->n_recreate)
        decide(h, ACT_RECREATE, reason_of(live->recreate_changes, live->n_recreate + live->n_template));
    else if (live->n_template)
        decide(h, live->sts_anew ? ACT_RECREATE : ACT_RESTART,
               reason_of(live->template_changes, live->n_template + live->n_restart + live->n_volume));
    else if (live->resize_stuck && !quiet && *live->identity)
        decide(h, live->sts_anew ? ACT_RECREATE : ACT_RESTART, reason_of(live->volume_changes, live->n_volume));
    else if (live->n_restart && !quiet)
        decide(h, soft ? ACT_SOFT_RESTART : ACT_RESTART, reason_of(live->restart_changes, live->n_restart));
    else if (has_restart_due(m, live) && !quiet && *live->identity)
        decide(h, soft ? ACT_SOFT_RESTART : ACT_RESTART, mem_str("spec.restart: RollingUpdate"));
    else if (live->n_volume && !waits_to_join(m, live))
        decide(h, ACT_RESIZE, reason_of(live->volume_changes, live->n_volume));
    else if (!live->listed || (m->f->kind == FLEET_CLICKHOUSE ? !live->labelled_in : !live->ready)) {
        if (live->ready && *live->identity && !quiet)
            decide(h, ACT_JOIN,
                   mem_str(live->listed ? "it runs, but is out of the balancer"
                                        : "it runs, but its peers do not list it"));
        else if (!quiet) /* watched until it runs: if it never does, that is a failure to be told */
            decide(
                h, ACT_JOIN,
                mem_printf("it is out, and its server does not answer%s%s", *live->waiting ? ": " : "", live->waiting));
    } else if (live->came_back && live->ready && !quiet)
        decide(h, ACT_JOIN, mem_str("its server was started again by itself: are all tables there?"));
    else if (live->unasked && live->ready && !quiet && !sibling_hangs(m, live))
        decide(h, ACT_JOIN, mem_str("its peers could not be asked when it started: are all tables there?"));
    else if (live->n_reload && *live->identity && !quiet)
        decide(h, ACT_RELOAD, reason_of(live->reload_changes, live->n_reload));
    h->ordered = (h->action == ACT_RESTART || h->action == ACT_SOFT_RESTART || h->action == ACT_RECREATE) &&
                 has_restart_due(m, live);
}

static bool disruptive(enum host_action a)
{
    return a == ACT_SOFT_RESTART || a == ACT_RESTART || a == ACT_RECREATE || a == ACT_MOVE;
}

/* Tables whose path in Keeper is made from macros look for their data in another place after the next start. */
static void check_macros(struct planner *m, const struct host_facts *live)
{
    static const char *const names[] = {".macros.replica", ".macros.shard", ".macros.cluster", ".macros.installation"};

    for (size_t i = 0; i < live->n_reload; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (str_ends(live->reload_changes[i].path, names[k]))
                warn(m,
                     mem_printf(
                         "%s: macro {%s} changes (%s → %s); replicated tables that were made with it do not find their "
                         "data after the next start",
                         live->key, strrchr(names[k], '.') + 1,
                         live->reload_changes[i].from ? live->reload_changes[i].from : "",
                         live->reload_changes[i].to ? live->reload_changes[i].to : ""));
}

static void plan_wanted(struct planner *m, const struct host_facts *live, struct plan_host *h)
{
    const struct shard *s = shard_of(m, live);

    check_volumes(m, live);
    check_macros(m, live);
    if (!plan_state(m, live, h))
        plan_changes(m, live, h);
    h->objects = live->n_object > 0;
    if (disruptive(h->action) && s && s->n_hosts == 1 && m->f->kind == FLEET_CLICKHOUSE) {
        h->single_replica = true;
        warn(m, mem_printf("%s: it is the only replica of its shard; the shard does not answer while it restarts",
                           h->key));
    }
    if (disruptive(h->action) && s && s->n_hosts > 1 && s->n_hosts <= s->cluster->knobs.min_serving)
        warn(m, mem_printf("shard %s/%s: it has %zu replicas, so that %zu serve while one restarts; "
                           "spec.chfleet.replicas.minServing asks for %u",
                           live->cluster, live->shard, s->n_hosts, s->n_hosts - 1, s->cluster->knobs.min_serving));
    if ((h->action == ACT_REBUILD || (h->action == ACT_MOVE && live->data_from)) && s && s->n_hosts == 1)
        warn(m, mem_printf("%s: it is the only replica of its shard; it comes back empty", h->key));
}

/* ---- tasks and waves ---- */

static struct plan_task *add_task(struct planner *m, const char *table, const char *object, unsigned wave)
{
    struct plan *p = m->p;

    p->tasks = mem_grow(p->tasks, p->n_tasks + 1, sizeof *p->tasks);
    p->tasks[p->n_tasks] = (struct plan_task){.table = mem_str(table), .object = mem_str(object), .wave = wave};
    return &p->tasks[p->n_tasks++];
}

static void add_host(struct planner *m, struct plan_task *t, size_t i)
{
    t->hosts = mem_grow(t->hosts, t->n_hosts + 1, sizeof *t->hosts);
    t->hosts[t->n_hosts++] = i;
    m->p->hosts[i].wave = t->wave;
}

static char *shard_object(const struct planner *m, const struct host_facts *h)
{
    return mem_printf("%s/%s/%s/%s", m->f->ns, m->f->name, h->cluster, h->shard);
}

/* What comes first: hosts that are made or come back. Then what changes running ones. Last what goes. */
enum turn { TURN_NEVER, TURN_EARLY, TURN_CHANGE, TURN_LAST };

static enum turn turn_of(enum host_action a)
{
    switch (a) {
    case ACT_CREATE:
    case ACT_START:
    case ACT_JOIN:
    case ACT_REBUILD:
    case ACT_STOP:
        return TURN_EARLY;
    case ACT_RELOAD:
    case ACT_SOFT_RESTART:
    case ACT_RESTART:
    case ACT_RECREATE:
    case ACT_RESIZE:
    case ACT_MOVE:
        return TURN_CHANGE;
    case ACT_REMOVE:
        return TURN_LAST;
    case ACT_NONE:
    case HOST_ACTIONS:
        return TURN_NEVER;
    }
    return TURN_NEVER;
}

/* One task per shard that has hosts of this turn, all in one wave. Returns the number of tasks made. */
static size_t shard_tasks(struct planner *m, enum turn turn, unsigned wave)
{
    size_t made = 0, first = m->p->n_tasks;

    for (size_t i = 0; i < m->p->n_hosts; i++) {
        auto_free char *object = NULL;
        struct plan_task *t = NULL;

        if (turn_of(m->p->hosts[i].action) != turn)
            continue;
        object = shard_object(m, &m->live->hosts[i]);
        for (size_t k = m->p->n_tasks; k-- > first && !t;)
            if (strcmp(m->p->tasks[k].object, object) == 0)
                t = &m->p->tasks[k];
        if (!t) {
            t = add_task(m, "shard", object, wave);
            made++;
        }
        add_host(m, t, i);
    }
    return made;
}

static bool task_disrupts(const struct planner *m, const struct plan_task *t)
{
    for (size_t i = 0; i < t->n_hosts; i++)
        if (disruptive(m->p->hosts[t->hosts[i]].action))
            return true;
    return false;
}

static void set_wave(struct planner *m, struct plan_task *t, unsigned wave)
{
    t->wave = wave;
    for (size_t i = 0; i < t->n_hosts; i++)
        m->p->hosts[t->hosts[i]].wave = wave;
}

/* What follows the creation, when it is known which server runs, is part of it: there is nothing to spoil yet. */
static bool of_creation(const struct planner *m, unsigned wave)
{
    for (size_t i = 0; i < m->p->n_tasks; i++)
        if (m->p->tasks[i].wave == wave && task_disrupts(m, &m->p->tasks[i]))
            return false;
    return m->f->generation <= 1;
}

static void add_soak(struct planner *m, unsigned wave, const cJSON *rule)
{
    int64_t s = knobs_duration(json_str(rule, "soak", ""));

    if (s <= 0 || of_creation(m, wave))
        return;
    m->p->soaks = mem_grow(m->p->soaks, m->p->n_soaks + 1, sizeof *m->p->soaks);
    m->p->soaks[m->p->n_soaks++] = (struct plan_soak){wave, s};
}

/* How many of `all` shards are done when this rule's wave ends. */
static size_t wave_end(const cJSON *rule, size_t done, size_t all)
{
    int64_t shards = json_int(rule, "shards", 0), percent = json_int(rule, "percent", 0);
    size_t end = shards > 0 ? done + (size_t)shards : percent > 0 ? (all * (size_t)percent + 99) / 100 : done + 1;

    return end > all ? all : end < done ? done : end;
}

/* Spreads the tasks from `first` on over waves, by the resource's rules or first shard, then the rest. Returns the next
 * free wave. */
static unsigned spread(struct planner *m, size_t first, unsigned wave)
{
    const cJSON *rules = json_get(m->f->chfleet, "waves"), *rule = rules ? rules->child : NULL;
    size_t all = m->p->n_tasks - first, done = 0;
    bool any = false;

    for (size_t i = first; i < m->p->n_tasks && !any; i++)
        any = task_disrupts(m, &m->p->tasks[i]);
    if (!any && !rule)
        return wave + 1;
    while (done < all) {
        size_t end = rule ? wave_end(rule, done, all) : !rules && done == 0 ? 1 : all;

        for (; done < end; done++)
            set_wave(m, &m->p->tasks[first + done], wave);
        if (rule) {
            add_soak(m, wave, rule);
            rule = rule->next;
        }
        wave++;
    }
    return wave;
}

/* Disruptive shards first, so that the canary is one of them. */
static void canary_first(struct planner *m, size_t first)
{
    for (size_t i = first; i < m->p->n_tasks; i++)
        if (task_disrupts(m, &m->p->tasks[i])) {
            struct plan_task t = m->p->tasks[i];

            memmove(&m->p->tasks[first + 1], &m->p->tasks[first], (i - first) * sizeof t);
            m->p->tasks[first] = t;
            return;
        }
}

static unsigned clickhouse_tasks(struct planner *m, unsigned wave)
{
    size_t first;

    if (shard_tasks(m, TURN_EARLY, wave))
        wave++;
    first = m->p->n_tasks;
    if (shard_tasks(m, TURN_CHANGE, wave)) {
        canary_first(m, first);
        wave = spread(m, first, wave);
    }
    if (shard_tasks(m, TURN_LAST, wave))
        wave++;
    return wave;
}

/* Each member in a task and wave of its own; of a fresh ensemble all at once, because they need each other to serve. */
static unsigned keeper_each(struct planner *m, enum turn turn, unsigned wave, bool together, bool backwards)
{
    size_t n = m->p->n_hosts;
    unsigned used = 0;

    for (size_t k = 0; k < n; k++) {
        size_t i = backwards ? n - 1 - k : k;

        if (turn_of(m->p->hosts[i].action) != turn)
            continue;
        add_host(m, add_task(m, "keeper", m->p->hosts[i].key, wave + (together ? 0 : used)), i);
        used++;
    }
    return wave + (together ? used > 0 : used);
}

static unsigned keeper_tasks(struct planner *m, unsigned wave)
{
    struct plan_task *t = NULL;
    bool together = m->live->fresh || m->f->stop;

    for (size_t i = 0; i < m->p->n_hosts; i++)
        together |= m->p->hosts[i].action == ACT_START;
    wave = keeper_each(m, TURN_EARLY, wave, together, false);
    for (size_t i = 0; i < m->p->n_hosts; i++) {
        if (turn_of(m->p->hosts[i].action) != TURN_CHANGE)
            continue;
        if (!t)
            t = add_task(m, "keeper", m->f->key, wave);
        add_host(m, t, i);
    }
    if (t)
        wave++;
    return keeper_each(m, TURN_LAST, wave, m->f->deleting, true);
}

static void make_tasks(struct planner *m)
{
    unsigned wave = 0;

    if (!m->f->deleting)
        add_task(m, "prepare", m->f->key, wave++);
    wave = m->f->kind == FLEET_KEEPER ? keeper_tasks(m, wave) : clickhouse_tasks(m, wave);
    add_task(m, "finish", m->f->key, wave);
}

/* ---- the whole ---- */

static void copy_change(struct plan *p, const char *path, const char *from, const char *to)
{
    p->common = mem_grow(p->common, p->n_common + 1, sizeof *p->common);
    p->common[p->n_common++] = (struct change){mem_str(path), mem_str(from), mem_str(to)};
}

/* "Service x": may it go? */
static bool unknown_goes(const struct cleanup_kinds *k, const char *object)
{
    if (str_starts(object, "Service "))
        return k->service;
    if (str_starts(object, "ConfigMap "))
        return k->configmap;
    return str_starts(object, "Secret ") ? k->secret : k->pdb;
}

static void common(struct planner *m)
{
    const struct facts *live = m->live;

    if (m->f->deleting)
        return;
    for (size_t i = 0; i < live->n_common; i++) {
        if (strstr(live->common_changes[i].path, ".chfleet.io/")) {
            m->p->marks = true; /* our own notes: written, but nothing to tell */
            continue;
        }
        copy_change(m->p, live->common_changes[i].path, live->common_changes[i].from, live->common_changes[i].to);
    }
    if (live->membership_stale)
        copy_change(m->p, "remote_servers", "another list", "the hosts that are members");
    if (live->held)
        copy_change(m->p, "chop-generated-settings.xml", "in files of the hosts' own", "for all");
    for (size_t i = 0; i < live->n_unknown; i++) {
        if (unknown_goes(&m->f->knobs.unknown, live->unknown[i]))
            copy_change(m->p, live->unknown[i], "there", NULL);
    }
}

static void restart_order(struct planner *m)
{
    const struct facts *live = m->live;
    bool done = live->fresh || m->f->stop || m->f->deleting;

    for (size_t i = 0; m->f->task_id && i < live->n_task_ids; i++)
        done |= strcmp(live->task_ids[i], m->f->task_id) == 0;
    done |= !m->f->task_id && live->restarted_generation >= m->f->generation;
    if (done)
        return;
    m->p->restart_token = fleet_restart_token(m->f);
    m->p->execute_task_id = m->p->restart_token && m->f->task_id;
}

/*
 * Settings for all hosts that change while hosts get new pods: no server may read settings meant for another version. On one
 * machine, where files reach a server at once, settings that need a restart are held, too: until its turn comes, a server
 * that crashes by itself starts with the settings that it had. A kubelet's time for that would be waited for at each turn.
 * What an operation that failed left held stays so.
 */
static bool must_hold(const struct planner *m)
{
    bool settings = m->live->held, turns = false;

    for (size_t i = 0; i < m->p->n_common; i++)
        settings |= str_starts(m->p->common[i].path, "spec.configuration.settings.");
    for (size_t i = 0; i < m->live->n_hosts; i++) {
        const struct host_facts *h = &m->live->hosts[i];

        turns |= (h->n_template > 0 || (h->n_restart > 0 && (m->f->endpoints || m->live->held))) &&
                 disruptive(m->p->hosts[i].action);
    }
    return settings && turns && m->f->kind == FLEET_CLICKHOUSE;
}

static bool is_empty(const struct planner *m)
{
    for (size_t i = 0; i < m->p->n_hosts; i++)
        if (m->p->hosts[i].action != ACT_NONE || m->p->hosts[i].objects)
            return false;
    return m->p->n_common == 0 && !m->p->marks;
}

static void hosts(struct planner *m)
{
    const struct facts *live = m->live;

    m->p->hosts = mem_array(live->n_hosts, sizeof *m->p->hosts);
    m->p->n_hosts = live->n_hosts;
    for (size_t i = 0; i < live->n_hosts; i++) {
        struct plan_host *h = &m->p->hosts[i];

        h->key = mem_str(live->hosts[i].key);
        h->action = ACT_NONE;
        h->reason = mem_str("");
        if (m->f->suspend && !m->f->deleting)
            continue;
        if (live->hosts[i].in_spec)
            plan_wanted(m, &live->hosts[i], h);
        else
            plan_unwanted(m, &live->hosts[i], h);
    }
}

/* onFailure: rollback keeps what a pod template was. What else takes a host out has its way back in the spec alone: said before. */
static void no_way_back(struct planner *m)
{
    if (m->f->kind != FLEET_CLICKHOUSE || m->f->knobs.update_failed != FAILURE_ROLLBACK)
        return;
    for (size_t i = 0; i < m->live->n_hosts; i++) {
        const struct host_facts *h = &m->live->hosts[i];
        const struct change *c = h->n_restart ? h->restart_changes : h->n_recreate ? h->recreate_changes : NULL;

        if (!c || !disruptive(m->p->hosts[i].action) || (h->n_template && m->p->hosts[i].action == ACT_RESTART))
            continue;
        warn(m, mem_printf("reconcile.statefulSet.update.onFailure: rollback gives back pod templates, and settings that come with "
                           "them. Where a server does not start with %s, nothing else is taken out, and the way back is "
                           "the spec of before",
                           c->path));
        return;
    }
}

static void keeper_warnings(struct planner *m)
{
    if (m->f->kind == FLEET_KEEPER && m->f->stop && !m->f->deleting)
        warn(m, mem_str("spec.stop: yes: what uses these Keepers cannot write while they are stopped; replicated tables "
                        "become read-only"));
    if (m->f->kind == FLEET_KEEPER && !m->f->deleting && m->f->n_hosts % 2 == 0)
        warn(m, mem_printf("%zu members stand the loss of no more members than %zu do: use an odd number",
                           m->f->n_hosts, m->f->n_hosts - 1));
}

int plan_make(const struct fleet *f, const struct facts *live, struct plan **out, struct err *err)
{
    struct planner m = {f, live, mem_zero(sizeof *m.p)};
    const cJSON *v;

    (void)err;
    m.p->object = mem_str(f->key);
    m.p->generation = f->generation;
    cJSON_ArrayForEach(v, f->warnings)
        warn(&m, mem_str(v->valuestring));
    for (size_t i = 0; i < live->n_warnings; i++)
        warn(&m, mem_str(live->warnings[i]));
    restart_order(&m);
    keeper_warnings(&m);
    hosts(&m);
    no_way_back(&m);
    if (f->suspend && !f->deleting) {
        warn(&m, mem_str("spec.suspend: yes: nothing is done"));
        m.p->empty = true;
    } else {
        common(&m);
        m.p->hold_settings = must_hold(&m);
        m.p->empty = is_empty(&m);
    }
    if (!m.p->empty && m.p->n_refused == 0)
        make_tasks(&m);
    *out = m.p;
    return 0;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_hosts; i++) {
        free(p->hosts[i].key);
        free(p->hosts[i].reason);
    }
    for (size_t i = 0; i < p->n_tasks; i++) {
        free(p->tasks[i].table);
        free(p->tasks[i].object);
        free(p->tasks[i].hosts);
    }
    for (size_t i = 0; i < p->n_refused; i++)
        free(p->refused[i]);
    for (size_t i = 0; i < p->n_warnings; i++)
        free(p->warnings[i]);
    changes_free(p->common, p->n_common);
    free(p->refused);
    free(p->warnings);
    free(p->hosts);
    free(p->tasks);
    free(p->soaks);
    free(p->restart_token);
    free(p->object);
    free(p);
}

void plan_freep(struct plan **p)
{
    plan_free(*p);
}
