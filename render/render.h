/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet → Kubernetes objects and ClickHouse/Keeper configuration files. Pure: no clock, no I/O, same input same bytes.
 * Names, labels, files and shapes are the peer's (kubernetes/objects.md, config.md); differences on purpose are listed in
 * docs/compatibility.md. Files are rendered for the version that RUNS on the host (never for the tag), XML is escaped and
 * well-formed.
 */
#ifndef RENDER_RENDER_H
#define RENDER_RENDER_H

#include "base/err.h"
#include "base/json.h"
#include "model/fleet.h"

#define RENDER_VERSION 1 /* a new number is needed for any visible change */
/* An installation can be pinned to the version it is rendered by (annotation chfleet.io/render; without it: the first).
 * ERR_INPUT when this build does not have that one. */
int render_check_version(const cJSON *resource, struct err *err);

/* What rendering needs to know that the fleet does not say. */
struct render_ctx {
    const char *operator_ip;      /* OPERATOR_POD_IP, "127.0.0.1" embedded; goes to users.xml as the peer's does */
    const cJSON *operator_ips;    /* of all who may lead next, sorted, that one among them; NULL: only that one */
    /* Is this host in remote_servers now? NULL = all are. */
    bool (*listed)(void *ctx, const struct host *h);
    uint64_t membership_generation; /* written beside remote_servers as macro chfleet_membership; 0 = none */
    /* Version that runs on the host ("18.16.1"), or "" when unknown. NULL = unknown everywhere. */
    const char *(*version)(void *ctx, const struct host *h);
    /* Value of a Secret key, NULL if there is none (namespace defaults to the fleet's). */
    const char *(*secret)(void *ctx, const char *ns, const char *name, const char *key);
    /* Addresses of all live pods of the installation, for the default user's networks; NULL-terminated; may be NULL. */
    const char *const *(*pod_ips)(void *ctx);
    /* The object as it is now (by kind "StatefulSet", name in the fleet's namespace), or NULL: what must be kept from it
     * (live template of adopted pods, claim templates, node ports …) is. NULL function = nothing exists. */
    const cJSON *(*live)(void *ctx, const char *kind, const char *name);
    /* Held settings (image and settings change together): text of chop-generated-settings.xml that this host must have in
     * its own conf.d as chop-generated-settings_common.xml; NULL function or NULL result = not held. While any host is
     * held (holding) the common ConfigMap goes without that file. */
    const char *(*held_settings)(void *ctx, const struct host *h);
    bool holding;
    /* Keeper installations: a member that is no longer in the spec stays in the raft list while this says so. NULL = none. */
    bool (*member)(void *ctx, unsigned id, const char *hostname);
    /* Time of day as text, RFC 3339 in UTC with seconds ("2026-01-02T03:04:05Z"): goes to chfleet.io/restart-since when the
     * settings that need a restart change. NULL: "" is written, and nothing counts as loaded by its start time. */
    const char *now;
    /* Fills buf with random bytes, for secrets that are made once. NULL: render_shared fails if one must be made. */
    void (*random)(void *ctx, void *buf, size_t n);
    void *ctx;
};

/* Annotations of ours on rendered objects (metadata only, never in a pod template). */
#define RENDER_RESTART_HASH "chfleet.io/restart-hash"   /* host ConfigMap: digest of what only a restart loads */
#define RENDER_RESTART_SINCE "chfleet.io/restart-since" /* host ConfigMap: since when that digest is there */
#define RENDER_FOR "chfleet.io/rendered-for"            /* host ConfigMap: the server version it was made for, or "any" */
#define RENDER_LOADED "chfleet.io/loaded"               /* StatefulSet: {"restart_hash","identity","version"} of the worker */
#define RENDER_NUDGE "chfleet.io/nudge"                 /* Pod: when a ConfigMap of it was last changed: its kubelet looks at once */
#define RENDER_STEP "chfleet.io/step"                   /* StatefulSet: the last act on its pod, with what was before it */
#define RENDER_RESTART "chfleet.io/restart"             /* StatefulSet: token of the plan whose ordered restart it had */
#define RENDER_PREVIOUS "chfleet.io/previous"           /* StatefulSet: {"generation","spec"} it had before the change */
#define RENDER_GAVE_UP "chfleet.io/gave-up"             /* StatefulSet: generation in which its new host did not start */
#define RENDER_GIVEN_UP "chfleet.io/given-up"           /* StatefulSet: claims that were deleted by a consent that still stands */
#define RENDER_SIZE "chfleet.io/size"                   /* claim that we make: the size that was asked for last */
#define RENDER_OPERATOR_IPS "chfleet.io/operator-ips" /* the same ConfigMap: addresses of operators, when there are several */
#define RENDER_POD_IPS "chfleet.io/pod-ips"             /* users ConfigMap: addresses of pods that stand in it, by commas */
#define RENDER_KEYS "chfleet.io/keys"                   /* labels and annotations that came from the resource, so that they go */
#define RENDER_CONFIG_FILE "chfleet-config.xml"         /* host ConfigMap: the digest as macro chfleet_config */
/* restart-since of a host that was taken over with what it runs: all that is there is loaded. */
#define RENDER_ADOPTED "1970-01-01T00:00:00Z"

/* Each returns a new object (caller owns) or NULL with err. Objects carry owner references, labels, annotations. */
cJSON *render_host_statefulset(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err);
cJSON *render_host_service(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err);
cJSON *render_host_configmap(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err);
cJSON *render_host_pvc(const struct fleet *f, const struct host *h, const struct volume *v, const struct render_ctx *c,
                       struct err *err);
cJSON *render_common_configmap(const struct fleet *f, const struct render_ctx *c, struct err *err);
cJSON *render_users_configmap(const struct fleet *f, const struct render_ctx *c, struct err *err);
/* Services of installation, clusters and shards; PDBs; auto Secrets (only when `live` has none): appended to `array`. */
int render_shared(const struct fleet *f, const struct render_ctx *c, cJSON *array, struct err *err);

/* Text of one generated file, for tests and for held settings; NULL when the section is empty. Caller frees. */
char *render_common_settings_file(const struct fleet *f, const struct render_ctx *c);

/* Does a change of this path need a restart by the rule list (algorithm.md §8, operator configuration)? `path` is
 * "settings/logger/level"; version "" matches only rules for "*". */
bool render_needs_restart(const cJSON *config, const char *version, const char *path);

/* The version the host's files are made for: the one that runs; unknown: what its ConfigMap was last made for, a taken over
 * host's tag; a new host on a cluster: its tag; else "" = only what every version takes. Caller frees. */
char *render_version_for(const struct fleet *f, const struct host *h, const struct render_ctx *c);

/* Are the autogenerated all-* clusters left out, because the ConfigMap would grow too large? */
bool render_drops_auto_clusters(const struct fleet *f, const struct render_ctx *c);

/* For a configuration that was read from a file (schema/config_file.h), once: files of its folders that are not XML are an
 * error, and those that only repeat what is generated anyway (the peer's shipped ones) are taken out. */
int render_check_config(cJSON *config, struct err *err);

/* Digest over everything in the host's files that only a restart loads, for this host and version. Caller frees. It is
 * the value of annotation chfleet.io/restart-hash of the host ConfigMap. */
char *render_restart_hash(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err);

#endif
