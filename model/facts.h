/* SPDX-License-Identifier: Apache-2.0 */
/* What is live, as far as planning needs it. Built from API objects by render/facts.h (supervisor, CLI and golden tests
 * use the same function). Pure data; owned by facts_free. */
#ifndef MODEL_FACTS_H
#define MODEL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct change {
    char *path;       /* where: "spec.configuration.settings.max_concurrent_queries", "StatefulSet spec.template.spec.containers.0.image" */
    char *from, *to;  /* NULL = absent; never a secret's value */
};

void changes_free(struct change *v, size_t n);

/* A live claim that must go before its host can be as wanted. */
struct volume_move {
    struct change what;
    char *volume, *claim; /* template, claim */
    bool kept;            /* by its policy: nothing of ours may delete it */
    bool logs;
};

struct host_facts {
    char *key;
    char *sts_name;         /* its StatefulSet, wanted or live */
    char *cluster, *shard, *replica; /* by name */
    bool in_spec;           /* false: live but not wanted any more */
    bool sts, pod;          /* exist */
    bool ready;             /* pod Ready, not terminating */
    bool labelled_in;       /* pod label ready=yes */
    bool listed;            /* in the live remote_servers */
    int64_t replicas;       /* StatefulSet's */
    char *identity;         /* "podUID containerID startedAt" of the server container; "" when not running */
    bool came_back;         /* a server that may leave out tables when it starts was started by nobody of us: look at it */
    bool unasked;           /* others could not be asked which tables it left out when it started */
    char *image;            /* of the running container's spec; "" */
    char *waiting;          /* container waiting reason (ImagePullBackOff, CrashLoopBackOff, …) or "" */
    int64_t gave_up;        /* generation in which it was made, did not start, and was scaled to 0; 0 = not so, -1 = tried again by request */
    char *restarted_for;    /* annotation chfleet.io/restart of the StatefulSet: token of the last ordered restart, or "" */
    /* desired against live, by what it takes to reach it: */
    struct change *restart_changes;  size_t n_restart;  /* settings that only a restart loads (and it is not loaded yet) */
    struct change *reload_changes;   size_t n_reload;   /* configuration that a reload is enough for */
    struct change *template_changes; size_t n_template; /* pod template: a new pod is needed */
    struct change *recreate_changes; size_t n_recreate; /* immutable StatefulSet fields */
    struct change *object_changes;   size_t n_object;   /* Service, labels, …: no effect on the server */
    struct change *volume_changes;   size_t n_volume;   /* what claims take over without a restart: sizes that grow, classes of attributes */
    struct volume_move *moves;       size_t n_moves;    /* claims that only new ones can replace */
    char *data_from, *data_to; /* claims of the data directory when another one is wanted ("" = it is on none); else NULL */
    bool sts_anew;          /* its StatefulSet can only be made anew to be as wanted */
    bool resize_stuck;      /* a file system has not grown for long: it does when a new pod mounts it */
    char *volume_refused;   /* "volume data: 20Gi → 10Gi: volumes cannot shrink", or NULL */
    bool volume_lost;       /* a claim is missing or Lost though the host had data */
    char *lost_kept;        /* a lost claim that its policy keeps, or NULL */
    char *stuck;            /* why its pod does not run and will not by waiting: "Unschedulable: …", "CrashLoopBackOff"; or "" */
    char *given_up;         /* claims that were given up by a consent that still stands in the spec: names and blanks; "" */
    bool ephemeral;         /* no claim holds its data */
    bool all_retained;      /* it has claims, and every one of them is kept when the host goes */
    char **pvcs;            /* live claims of this host */
    bool *pvc_retain;
    size_t n_pvcs;
    char **dropped;         /* claims that its live StatefulSet uses and the wanted one does not */
    size_t n_dropped;
};

struct facts {
    bool fresh;             /* nothing of this installation exists yet */
    bool held;              /* settings for all are kept in files of the hosts' own, for now */
    bool membership_stale;  /* live remote_servers differ from what all joined hosts should give */
    struct change *common_changes; size_t n_common;   /* shared objects: common/users ConfigMaps, Services, Secrets, PDBs */
    struct host_facts *hosts; size_t n_hosts;         /* wanted hosts in fleet order, then unwanted ones by key */
    char **task_ids; size_t n_task_ids;               /* executed ones known from the status */
    int64_t restarted_generation; /* last generation whose spec.restart was executed (status.chfleet.restartedGeneration), 0 = none */
    char **unknown; size_t n_unknown; /* "Service x", …: objects of the installation that nothing wants any more, hosts' not counted */
    char *now;              /* as in render_ctx; "" = unknown */
    char **warnings; size_t n_warnings; /* what only rendering finds out: files that are no XML, lists left out */
};

void facts_free(struct facts *f);
void facts_freep(struct facts **f);
#define auto_facts __attribute__((cleanup(facts_freep)))

#endif
