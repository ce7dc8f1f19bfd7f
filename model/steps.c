/* SPDX-License-Identifier: Apache-2.0 */
#include "model/steps.h"

#include <string.h>

/* Names are journalled and mean the same in every table: append only, never rename. */
enum { WAITS = 1, UNDO = 2, AHEAD = 4 }; /* interruptible; has an undo; for all hosts first */
#define STEP(name, what, klass, guards, limit_s, tries, flags)                                                         \
    {                                                                                                                  \
        name, what, CLASS_##klass, guards, limit_s, tries, ((flags)&WAITS) != 0, ((flags)&UNDO) != 0,                  \
            ((flags)&AHEAD) != 0                                                                                       \
    }

enum { HOUR = 3600, STOP_GUARDS = GUARD_PEER_SERVES | GUARD_IDENTITY | GUARD_OUT };

#define CONFIG STEP("config", "the host's ConfigMap is as the fleet says", NONE, 0, 60, 3, 0)
#define SEEN STEP("seen", "the running server has the new files mounted: a reload shows them", NONE, 0, 300, 2, WAITS)
#define LEAVE                                                                                                          \
    STEP("leave", "out of the balancer and of its peers' remote_servers", PLANNED, GUARD_PEER_SERVES, 300, 3,          \
         WAITS | UNDO)
#define LEAVE_FOR_GOOD                                                                                                 \
    STEP("leave", "out of the balancer and of its peers' remote_servers", OWNER, 0, 300, 3, WAITS | UNDO)
#define LEAVE_DOWN STEP("leave", "out of the balancer and of its peers' remote_servers", DOWN, 0, 300, 3, WAITS)
#define DRAIN STEP("drain", "its queries are done; what outlives the deadline is killed", NONE, 0, 300, 2, WAITS)
#define REPLACE STEP("replace", "a new pod by the StatefulSet's template", DOWN, STOP_GUARDS, 600, 3, 0)
#define SHUTDOWN STEP("shutdown", "the server process ends once and is started again", DOWN, STOP_GUARDS, 180, 3, 0)
#define ORPHAN STEP("orphan", "the StatefulSet is made anew around its pod", DOWN, 0, 180, 3, 0)
#define STARTED STEP("started", "the pod is Ready and the server answers", RECOVER, 0, 600, 1, WAITS)
#define LOADED STEP("loaded", "the new process has loaded what it should", RECOVER, 0, 300, 3, WAITS)
#define ATTACHED STEP("attached", "no table that its disk has was left out when the server started", RECOVER, 0, 300, 3, WAITS)
#define FORGET STEP("forget", "Keeper entries of tables that the host lost are gone", RECOVER, 0, 300, 3, WAITS)
#define SCHEMA                                                                                                         \
    STEP("schema", "databases, tables, functions and what SQL made of users and roles are those of its peers", RECOVER, 0, 600, 3,  \
         WAITS)
#define CAUGHT_UP                                                                                                      \
    STEP("caught-up", "its own replicas passed what was logged when it came back", RECOVER, 0, HOUR, 3, WAITS)
#define JOIN STEP("join", "in its peers' remote_servers and behind the balancer", RECOVER, 0, 300, 5, 0)
#define OBJECTS_(flags) STEP("objects", "ConfigMap, Service, volume claims and StatefulSet exist", RECOVER, 0, 180, 3, flags)
#define OBJECTS OBJECTS_(0)
#define OBJECTS_OF_ALL OBJECTS_(AHEAD)
#define FLUSH                                                                                                          \
    STEP("flush", "Distributed queues are sent; every part of a replicated table is on a peer", NONE, 0, 1800, 2, WAITS)
#define HALT STEP("halt", "scaled to 0, the pod is gone", OWNER, GUARD_IDENTITY, 300, 3, 0)
#define HALT_FOR_GOOD                                                                                                  \
    STEP("halt", "scaled to 0, the pod is gone", OWNER, GUARD_IDENTITY | GUARD_OUT | GUARD_DATA_ELSEWHERE, 300, 3, 0)
#define HALT_DOWN STEP("halt", "scaled to 0, the pod is gone", DOWN, GUARD_IDENTITY | GUARD_OUT, 300, 3, 0)
#define DROP_REPLICA STEP("drop-replica", "its entries are gone from Keeper", OWNER, GUARD_DATA_ELSEWHERE, 600, 5, 0)
#define DELETE_STS STEP("delete-statefulset", "the StatefulSet is gone", OWNER, 0, 120, 3, 0)
#define VOLUMES                                                                                                        \
    STEP("volumes", "volume claims that are not to be kept are gone", OWNER, GUARD_DATA_ELSEWHERE, 300, 3, 0)
#define LOST_VOLUMES STEP("lost-volumes", "claims of volumes that are lost are gone", RECOVER, 0, 300, 3, 0)
#define OLD_VOLUMES                                                                                                    \
    STEP("old-volumes", "claims that only new ones can replace are gone", DOWN, GUARD_DATA_ELSEWHERE, 300, 3, 0)
#define UNUSED_VOLUMES                                                                                                 \
    STEP("unused-volumes", "claims that it does not use any more and that consent names are gone", RECOVER, 0, 300, 3, \
         WAITS)
#define HALT_TO_MOVE                                                                                                   \
    STEP("halt", "scaled to 0, the pod is gone", DOWN, STOP_GUARDS | GUARD_DATA_ELSEWHERE, 300, 3, 0)
#define DELETE_OBJECTS STEP("delete-objects", "Service and ConfigMap are gone", OWNER, 0, 120, 3, 0)
/* Statements of spec.chfleet.hooks; what is asked again until it is so has the time the hook gives. */
#define HOOK(name, what) STEP(name, what, NONE, 0, 120, 2, WAITS)
#define BEFORE_SHARD HOOK("before-shard", "hooks that run once before the shard's first host is touched")
#define BEFORE_HOST HOOK("before-host", "hooks that run on the host before it is touched")
#define AFTER_HOST HOOK("after-host", "hooks that run on the host when it is back")
#define AFTER_SHARD HOOK("after-shard", "hooks that run once when the shard's last host is done")
#define RESTORE STEP("restore", "the StatefulSet is as it was before the change, with a pod of that template", RECOVER, 0, 600, 3, 0)
#define NOTED STEP("noted", "what the process of before has loaded is written down", RECOVER, 0, 120, 3, 0)
#define PARK STEP("park", "scaled to 0 until the spec changes; StatefulSet and volumes stay", RECOVER, 0, 300, 3, 0)
#define FAILED_OBJECTS                                                                                                 \
    STEP("failed-objects", "what reconcile.cleanup.reconcileFailedObjects names is gone", OWNER, 0, 120, 3, 0)
#define FAILED_VOLUMES                                                                                                 \
    STEP("failed-volumes", "its volume claims are gone, where that is asked for and consent is given", OWNER,           \
         GUARD_DATA_ELSEWHERE, 300, 3, 0)
#define GROW                                                                                                           \
    STEP("grow", "volume claims ask for their new size and attributes, and have them", NONE, 0, 1800, 2, WAITS)
#define ORPHAN_QUIET STEP("orphan", "the StatefulSet is made anew around its pod", NONE, 0, 180, 3, 0)

static const struct step create_steps[] = {OBJECTS_OF_ALL, STARTED, LOADED, ATTACHED, FORGET, SCHEMA, CAUGHT_UP, JOIN,
                                          AFTER_HOST, AFTER_SHARD};
static const struct step reload_steps[] = {
    CONFIG, STEP("reload", "the running server has loaded the new files", NONE, 0, 300, 2, WAITS)};
static const struct step soft_restart_steps[] = {CONFIG, SEEN,   BEFORE_SHARD, BEFORE_HOST, LEAVE,
                                                 DRAIN,  SHUTDOWN, STARTED,    LOADED,      ATTACHED, FORGET,
                                                 SCHEMA, CAUGHT_UP, JOIN,      AFTER_HOST,  AFTER_SHARD};
/* The configuration comes when the host is out: a server that dies before must not start with settings of the next
 * version. */
static const struct step restart_steps[] = {BEFORE_SHARD, BEFORE_HOST, LEAVE,  DRAIN,     CONFIG, REPLACE,    STARTED,
                                            LOADED,       ATTACHED, FORGET,      SCHEMA, CAUGHT_UP, JOIN,   AFTER_HOST, AFTER_SHARD};
static const struct step recreate_steps[] = {BEFORE_SHARD, BEFORE_HOST, GROW,           LEAVE,      DRAIN,  CONFIG,
                                             ORPHAN,       REPLACE,     STARTED,        LOADED,     ATTACHED, FORGET, SCHEMA,
                                             CAUGHT_UP,    JOIN,        UNUSED_VOLUMES, AFTER_HOST, AFTER_SHARD};
static const struct step move_steps[] = {BEFORE_SHARD, BEFORE_HOST,    LEAVE,      DRAIN,   FLUSH,
                                         HALT_TO_MOVE, OLD_VOLUMES,    CONFIG,     ORPHAN,  OBJECTS,
                                         STARTED,      LOADED,         ATTACHED, FORGET,     SCHEMA,  CAUGHT_UP,
                                         JOIN,         UNUSED_VOLUMES, AFTER_HOST, AFTER_SHARD};
/* After a failure, by reconcile.statefulSet.{update,create}.onFailure. */
static const struct step rollback_steps[] = {RESTORE, STARTED, NOTED, ATTACHED, CAUGHT_UP, JOIN};
static const struct step take_back_steps[] = {PARK, FAILED_OBJECTS, FAILED_VOLUMES};
static const struct step remove_steps[] = {BEFORE_SHARD, BEFORE_HOST, LEAVE_FOR_GOOD, DRAIN,
                                           FLUSH,        HALT_FOR_GOOD, DROP_REPLICA, DELETE_STS,
                                           VOLUMES,      DELETE_OBJECTS, AFTER_SHARD};
static const struct step resize_steps[] = {GROW, ORPHAN_QUIET};
static const struct step rebuild_steps[] = {LEAVE_DOWN, HALT_DOWN, LOST_VOLUMES, OBJECTS,   STARTED,
                                            LOADED,     ATTACHED, FORGET,    SCHEMA,       CAUGHT_UP, JOIN,
                                            AFTER_HOST, AFTER_SHARD};
static const struct step stop_steps[] = {BEFORE_SHARD, BEFORE_HOST, LEAVE_FOR_GOOD, DRAIN, HALT};
static const struct step start_steps[] = {OBJECTS_OF_ALL, STARTED, LOADED, ATTACHED, FORGET, SCHEMA, CAUGHT_UP, JOIN, AFTER_HOST, AFTER_SHARD};
/* It may be out because its creation was not finished. */
static const struct step join_steps[] = {STARTED, LOADED, ATTACHED, FORGET, SCHEMA, CAUGHT_UP, JOIN};

static const struct step prepare_steps[] = {
    HOOK("before-cluster", "hooks that run once for each cluster before its hosts are touched"),
    STEP("shared", "Services, disruption budgets and Secrets of the installation are as the fleet says", NONE, 0, 120,
         3, 0),
    STEP("users", "the users ConfigMap is as the fleet says", NONE, 0, 60, 3, 0),
    STEP("common", "the common ConfigMap is as the fleet says", NONE, 0, 60, 3, 0),
};
static const struct step finish_steps[] = {
    STEP("common", "settings that were held per host are in the common ConfigMap", NONE, 0, 60, 3, 0),
    STEP("shared", "Services, disruption budgets and Secrets of the installation are as the fleet says", NONE, 0, 120,
         3, 0),
    HOOK("after-cluster", "hooks that run once for each cluster when its hosts are done"),
    STEP("status", "the resource's status says what is live", NONE, 0, 60, 3, 0),
};
static const struct step membership_steps[] = {
    STEP("publish", "remote_servers with its generation is in the common ConfigMap", NONE, 0, 60, 5, 0),
    STEP("confirm", "the serving peers say that they have loaded the generation", NONE, 0, 120, 1, WAITS),
};

#define SYNCED                                                                                                         \
    STEP("synced", "the member serves and the ensemble has all its members in sync", RECOVER, 0, 600, 1, WAITS)
#define KEEPER_REPLACE                                                                                                 \
    STEP("replace", "a new pod by the StatefulSet's template", KEEPER, GUARD_QUORUM | GUARD_IDENTITY, 600, 3, 0)
#define KEEPER_READY STEP("started", "the pod is Ready and the member answers", RECOVER, 0, 600, 1, WAITS)
#define KEEPER_LOADED STEP("loaded", "the new process has loaded what it should", RECOVER, 0, 120, 3, WAITS)
#define KEEPER_HALT STEP("halt", "scaled to 0, the pod is gone", KEEPER, GUARD_QUORUM | GUARD_IDENTITY, 300, 3, 0)

static const struct step keeper_create_steps[] = {OBJECTS, KEEPER_READY, KEEPER_LOADED, SYNCED};
static const struct step keeper_restart_steps[] = {CONFIG, KEEPER_REPLACE, KEEPER_READY, KEEPER_LOADED, SYNCED};
static const struct step keeper_recreate_steps[] = {CONFIG,       GROW,          ORPHAN_QUIET, KEEPER_REPLACE,
                                                    KEEPER_READY, KEEPER_LOADED, SYNCED,       UNUSED_VOLUMES};
static const struct step keeper_move_steps[] = {CONFIG,       KEEPER_HALT,   OLD_VOLUMES, ORPHAN_QUIET,  OBJECTS,
                                                KEEPER_READY, KEEPER_LOADED, SYNCED,      UNUSED_VOLUMES};
static const struct step keeper_remove_steps[] = {KEEPER_HALT, DELETE_STS, VOLUMES, DELETE_OBJECTS};
static const struct step keeper_rebuild_steps[] = {KEEPER_HALT,  LOST_VOLUMES,  OBJECTS,
                                                   KEEPER_READY, KEEPER_LOADED, SYNCED};
static const struct step keeper_reload_steps[] = {CONFIG};
static const struct step keeper_stop_steps[] = {HALT};
static const struct step keeper_join_steps[] = {KEEPER_READY, KEEPER_LOADED, SYNCED};

#define TABLE(name, what, per_host, steps)                                                                             \
    {                                                                                                                  \
        name, what, per_host, steps, sizeof(steps) / sizeof *(steps)                                                   \
    }

static const struct step_table tables[] = {
    TABLE("create", "a new host: objects, server, schema, data, then members", true, create_steps),
    TABLE("reload", "configuration that a running server takes over", true, reload_steps),
    TABLE("soft-restart", "the server process restarts in its pod", true, soft_restart_steps),
    TABLE("restart", "a new pod by the StatefulSet's template", true, restart_steps),
    TABLE("recreate", "a StatefulSet field that cannot be edited: new StatefulSet, then a new pod", true,
          recreate_steps),
    TABLE("remove", "a host that is not wanted any more", true, remove_steps),
    TABLE("resize", "volumes grow or get other attributes; nothing restarts", true, resize_steps),
    TABLE("rebuild", "a host that lost its volume starts empty and is filled by its peers", true, rebuild_steps),
    TABLE("stop", "spec.stop: the server ends, volumes stay", true, stop_steps),
    TABLE("start", "a stopped host comes back", true, start_steps),
    TABLE("join", "a host that runs and is right, but is out", true, join_steps),
    TABLE("rollback", "a change that failed: the host gets its old StatefulSet back", true, rollback_steps),
    TABLE("take-back", "a new host that did not start: scaled to 0 until the spec changes", true, take_back_steps),
    TABLE("move", "volumes that only new ones can replace: its data is on its peers, it starts empty, they fill it", true,
          move_steps),
    TABLE("prepare", "what all hosts of an installation share, before its hosts change", false, prepare_steps),
    TABLE("finish", "what all hosts share, after its hosts changed", false, finish_steps),
    TABLE("membership", "who is in remote_servers", false, membership_steps),
    TABLE("keeper-create", "a new Keeper member", true, keeper_create_steps),
    TABLE("keeper-restart", "a new pod for a Keeper member; the leader goes last", true, keeper_restart_steps),
    TABLE("keeper-remove", "a Keeper member that is not wanted any more", true, keeper_remove_steps),
    TABLE("keeper-soft-restart", "a Keeper member restarts for its configuration", true, keeper_restart_steps),
    TABLE("keeper-recreate", "a Keeper StatefulSet field that cannot be edited", true, keeper_recreate_steps),
    TABLE("keeper-rebuild", "a Keeper member that lost its volume", true, keeper_rebuild_steps),
    TABLE("keeper-reload", "Keeper configuration that a running member takes over", true, keeper_reload_steps),
    TABLE("keeper-resize", "volumes of a Keeper member grow", true, resize_steps),
    TABLE("keeper-stop", "spec.stop: the member ends, volumes stay", true, keeper_stop_steps),
    TABLE("keeper-start", "a stopped Keeper member comes back", true, keeper_create_steps),
    TABLE("keeper-join", "a Keeper member that runs, until it is in sync", true, keeper_join_steps),
    TABLE("keeper-move", "a Keeper member gets new volumes and is filled by the others", true, keeper_move_steps),
};
enum { N_TABLES = sizeof tables / sizeof *tables };

const char *step_class_name(enum step_class c)
{
    static const char *const names[] = {
        [CLASS_NONE] = "none",       [CLASS_PLANNED] = "planned", [CLASS_DOWN] = "down",
        [CLASS_RECOVER] = "recover", [CLASS_OWNER] = "owner",     [CLASS_KEEPER] = "keeper",
    };
    return (unsigned)c < sizeof names / sizeof *names ? names[c] : "unknown";
}

const struct step_table *steps_table(const char *name)
{
    for (size_t i = 0; i < N_TABLES; i++)
        if (strcmp(tables[i].name, name) == 0)
            return &tables[i];
    return NULL;
}

const struct step_table *steps_at(size_t i)
{
    return i < N_TABLES ? &tables[i] : NULL;
}

static void print_guards(unsigned guards, struct str *out)
{
    static const struct {
        unsigned bit;
        const char *text;
    } names[] = {
        {GUARD_PEER_SERVES, "peer serves"},       {GUARD_IDENTITY, "same process"}, {GUARD_OUT, "host is out"},
        {GUARD_DATA_ELSEWHERE, "data elsewhere"}, {GUARD_QUORUM, "quorum stays"},
    };
    const char *sep = "  guards: ";

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(guards & names[i].bit))
            continue;
        str_addf(out, "%s%s", sep, names[i].text);
        sep = ", ";
    }
}

void steps_print(const struct step_table *t, struct str *out)
{
    str_addf(out, "%s: %s (%s)\n", t->name, t->what, t->per_host ? "host after host" : "once");
    for (size_t i = 0; i < t->n_steps; i++) {
        const struct step *s = &t->steps[i];

        str_addf(out, "  %zu %-18s %s\n      %-18s permit: %s  deadline: %u s  tries: %u", i + 1, s->name, s->what, "",
                 step_class_name(s->klass), s->limit_s, s->tries);
        print_guards(s->guards, out);
        str_addf(out, "%s%s%s\n", s->interruptible ? "  may be interrupted" : "", s->has_undo ? "  can be undone" : "",
                 s->ahead ? "  of all hosts first" : "");
    }
}
