/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The normalized installation: what one ClickHouseInstallation or ClickHouseKeeperInstallation asks for, with every
 * default, template and inheritance resolved, so that nobody after this point looks at the resource again. Pure: same
 * input, same fleet. Names, defaults and inheritance are the peer's (field reference; kubernetes/objects.md §1-2, §6).
 *
 * All memory belongs to the fleet (fleet_free). JSON in it is borrowed by readers.
 */
#ifndef MODEL_FLEET_H
#define MODEL_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/index.h"
#include "base/json.h"
#include "model/knobs.h"
#include "model/settings.h"

enum fleet_kind { FLEET_CLICKHOUSE, FLEET_KEEPER };

enum host_port { PORT_TCP, PORT_TLS, PORT_HTTP, PORT_HTTPS, PORT_INTERSERVER, PORT_ZK, PORT_RAFT, HOST_PORTS };
extern const char *const host_port_names[HOST_PORTS]; /* tcp secureclient http https interserver zk raft */

/* How hosts are reached. dns: by Service names (a cluster). endpoints: 127.0.0.1 and a port of its own for each host and
 * protocol (the plane). The only thing that tells the two apart. */
struct addressing {
    bool endpoints;
    /* endpoints only: the port for this host Service and protocol, allocated once and kept; 0 = cannot (err set). */
    unsigned (*port)(void *ctx, const char *ns, const char *service, enum host_port proto, struct err *err);
    /* endpoints only: where does "name[.ns…]:port" of a zookeeper node lead? Appends "host","port" pairs by calling
     * emit; returns the number emitted, 0 = not one of ours (keep as written). */
    int (*resolve)(void *ctx, const char *ns, const char *name, unsigned port,
                   void (*emit)(void *emit_ctx, const char *host, unsigned port), void *emit_ctx);
    void *ctx;
};

struct volume {
    char *name;          /* template name = volume name */
    char *pvc_name;      /* <template>-<sts>-0 */
    const cJSON *tmpl;   /* the volumeClaimTemplate entry */
    bool operator_made;  /* provisioner Operator */
    bool retain;         /* reclaimPolicy */
    int64_t size_bytes;  /* requested */
    bool data;           /* holds /var/lib/clickhouse */
    bool logs;           /* holds nothing but logs */
};

struct cluster;
struct shard;

struct host {
    struct cluster *cluster;
    struct shard *shard;
    char *key;              /* "ns/installation/cluster/<shard>/<replica>": by shard and replica NAME; identity in the journal */
    char *name;             /* "0-1" */
    char *replica_name;
    unsigned shard_index, replica_index; /* positions in the layout */
    unsigned chi_index, cluster_index;   /* running numbers over the installation, over the cluster */
    char *sts, *service, *fqdn, *pod; /* object names */
    char *configmap;        /* host ConfigMap */
    char *address;          /* what others connect to: service name, FQDN, or 127.0.0.1 */
    unsigned ports[HOST_PORTS]; /* 0 = not open */
    bool secure, insecure;
    struct settings settings; /* host-level, merged (cluster → shard/replica → host) */
    struct settings files;    /* host-section files, by key as written */
    const cJSON *pod_template; /* entry of podTemplates, NULL = built-in */
    char *image;            /* of the server container */
    char *tag_version;      /* digits read from the tag ("24.8"), "" when the tag says none */
    struct volume *volumes; /* every claim its pod mounts */
    size_t n_volumes;
    bool ephemeral;         /* nothing that outlives the pod holds the data directory */
    struct host_templates {
        const cJSON *host, *data_vct, *log_vct, *replica_service;
    } templates;
    cJSON *source;          /* what the resource says about this host, names of all its templates resolved */
};

struct shard {
    struct cluster *cluster;
    char *name;
    unsigned index;
    int64_t weight;               /* -1 = not given */
    char *internal_replication;   /* text as rendered: "True", "False", or the user's spelling */
    const cJSON *service_template;
    struct host **hosts;          /* in replica order */
    size_t n_hosts;
};

struct zk_node {
    char *host;
    unsigned port;
    int secure;                   /* -1 not given */
    char *zone;                   /* NULL */
};
struct zookeeper {
    struct zk_node *nodes;
    size_t n_nodes;
    int64_t session_timeout_ms, operation_timeout_ms; /* 0 = not given */
    char *root, *identity, *use_compression;          /* NULL = not given */
};

struct cluster {
    struct fleet *fleet;
    char *name;
    unsigned index;
    struct shard *shards;
    size_t n_shards;
    struct zookeeper zookeeper;
    enum { SECRET_NONE, SECRET_VALUE, SECRET_REF, SECRET_AUTO } secret_kind;
    char *secret_value, *secret_name, *secret_key;
    bool secret_optional; /* pods may start without it */
    bool pdb_managed;
    unsigned pdb_max_unavailable;
    enum schema_policy { SCHEMA_NONE, SCHEMA_ALL, SCHEMA_DISTRIBUTED } schema_replica, schema_shard;
    const cJSON *service_template;
    const cJSON *source;                                 /* its entry in the effective resource */
    struct cluster_knobs knobs;
};

/* Annotation of a resource or of a host's StatefulSet: a reason why nothing that serves may be taken out. */
#define FLEET_HOLD "chfleet.io/hold"

struct fleet {
    enum fleet_kind kind;
    char *ns, *name, *uid, *key; /* key = "ns/name" (CHI) or "ns/name.keeper" (CHK) */
    int64_t generation;
    const cJSON *resource;       /* the effective resource (templates merged), owned */
    const cJSON *labels, *annotations; /* of the effective resource: templates' and its own */
    const cJSON *config;         /* effective operator configuration, owned */
    cJSON *default_clusters;     /* stands in for an absent cluster list, owned */
    const cJSON *used_templates; /* what status.usedTemplates says, owned */
    char *task_id;               /* NULL when not given */
    bool stop, suspend, troubleshoot, rolling_restart;
    bool endpoints;              /* addressing */
    bool deleting;               /* metadata.deletionTimestamp: no host is wanted any more; the owner's word is consent */
    bool use_fqdn;
    char *domain_pattern;        /* "%s.svc.cluster.local" */
    char *ddl_profile;           /* NULL */
    /* Installation level. users: as merged, k8s_secret_* still addresses (render resolves them); files: by key as written. */
    struct settings settings, users, profiles, quotas, files;
    struct cluster *clusters;
    size_t n_clusters;
    struct host **hosts;         /* clusters → shards → replicas */
    size_t n_hosts;
    struct index by_key;         /* hosts, when the fleet is complete */
    const cJSON **service_templates; /* CR level, in order */
    size_t n_service_templates;
    struct knobs knobs;
    /* secretKeyRef environment of every server container, in the order users, settings, cluster secret; names unique */
    struct env_ref { char *name, *secret, *key; bool optional; } *env;
    size_t n_env;
    const cJSON *consent;        /* spec.chfleet.consent, NULL */
    const cJSON *chfleet;        /* spec.chfleet, NULL */
    cJSON *hooks;                /* spec.chfleet.hooks, normalized (knobs.h), owned */
    cJSON *warnings;             /* array of texts: what the peer would do silently */
};

struct fleet_input {
    const cJSON *resource;          /* the CHI or CHK as the API server gave it */
    const cJSON *const *templates;  /* CHITs that exist, any order; model decides which apply */
    size_t n_templates;
    const cJSON *const *keepers;    /* CHKs that exist, for zookeeper.keeper references */
    size_t n_keepers;
    const cJSON *config;            /* operator configuration (effective, peer's config.yaml shape), NULL = built-in defaults */
    const struct addressing *addressing;
};

/* ERR_INPUT with the path in the spec when the resource contradicts itself (duplicate names, names too long or colliding
 * after the cut, unknown template names get a warning as the peer ignores them). */
int fleet_make(const struct fleet_input *in, struct fleet **out, struct err *err);
void fleet_free(struct fleet *f);
void fleet_freep(struct fleet **f);
#define auto_fleet __attribute__((cleanup(fleet_freep)))

unsigned host_port_default(enum host_port p); /* 9000 for tcp, … */
const char *fleet_container_name(const struct fleet *f); /* "clickhouse", "clickhouse-keeper" */
/* The container of a pod spec that is the server: by name, for ClickHouse else the first; NULL. */
const cJSON *fleet_server_container(const struct fleet *f, const cJSON *pod_spec);
const char *fleet_data_dir(const struct fleet *f);
const char *fleet_log_dir(const struct fleet *f);
bool fleet_holds_data(const struct fleet *f, const char *mount_path); /* is the data directory on what is mounted there? */
char *fleet_fqdn(const struct fleet *f, const char *service); /* with the domain pattern; caller frees */

/* What orders a restart of every host now: "task:ID", or "generation:N" without a task ID; NULL when nothing does. A host whose
 * StatefulSet has this in chfleet.io/restart had it. Caller frees. */
char *fleet_restart_token(const struct fleet *f);

/* Reads a settings, users, profiles, quotas or files section from elsewhere (the operator configuration's additions), without
 * macros of a level. `where` names it in messages. */
int fleet_section(const struct fleet *f, const char *what, const cJSON *section, const char *where, struct settings *to,
                  struct err *err);

struct host *fleet_host(const struct fleet *f, const char *key); /* NULL */

/* Object names are made of several names, so two installations may want the same. `owner` says which other installation a
 * host's StatefulSet name belongs to, by the live object or by what that one plans; NULL = none. ERR_INPUT names both. */
int fleet_check_owners(const struct fleet *f, const char *(*owner)(void *ctx, const struct host *h), void *ctx, struct err *err);
/* Does the fleet have a host with this StatefulSet name? */
bool fleet_has_sts(const struct fleet *f, const char *sts);

bool fleet_name_fits(const char *name); /* lower case letters, digits and inner dashes */

/* Expands {macros} for this scope (any of cluster/shard/host may be NULL; a host without a name stands for all replicas of
 * its number). Unknown ones stay. Caller frees. */
char *fleet_macros(const struct fleet *f, const struct cluster *c, const struct shard *s, const struct host *h, const char *text);

#endif
