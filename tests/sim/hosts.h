/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of ClickHouse servers for the simulation: processes with an identity, files mounted with a kubelet's delay,
 * configuration that is loaded at start or by a reload, tables, replication through a shared log, queries that run, and
 * servers that hang, lie and die. They answer exactly the statements of sql/statements/, nothing else. Numbers come
 * from measurements of 18.16 (start, stop, the 20 s in which a killed replica lies).
 */
#ifndef TESTS_SIM_HOSTS_H
#define TESTS_SIM_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "tests/sim/sim.h"

struct hosts;
struct chost; /* one server: pod ns/name; outlives its processes */

enum chost_state { CHOST_DOWN, CHOST_STARTING, CHOST_UP, CHOST_STOPPING };

struct hosts_knobs {
    unsigned mount_max_ms;   /* a changed ConfigMap reaches a running pod after 0..n */
    unsigned start_max_ms;   /* loading metadata */
    unsigned catchup_max_ms; /* fetching what was missed */
    unsigned session_max_ms; /* until a started one has a Keeper session: 0..n */
    unsigned lie_ms;         /* how long a killed replica says it is fine, and replicates nothing */
    unsigned slow_permille;  /* a statement is answered late (up to 15 s), being carried out at once */
    unsigned hang_permille;  /* never answered */
    unsigned error_permille; /* code 210 or an HTTP 500 without one */
    unsigned left_out_permille; /* a server older than 21.1 comes up without a table of its disk, until that is attached */
    bool version_by_tag;     /* "24.8" answers 24.8.1.1; else every server is 18.16.1 */
    uint64_t epoch_s;        /* seconds since 1970 at time 0 */
};

/* What happens to servers; all may be NULL. */
struct hosts_hooks {
    void (*state)(void *ctx, struct chost *h, enum chost_state was);
    void (*exited)(void *ctx, struct chost *h, int code); /* by itself: shutdown, crash */
    void (*unknown)(void *ctx, struct chost *h, const char *statement);
    void *ctx;
};

struct hosts *hosts_new(struct sim *s, const struct hosts_hooks *hooks);
/* Whose name this is, as a pod of namespace ns resolves it. Without: "SERVICE[.ns…]" is pod SERVICE-0. ctx is the
 * hooks'. */
typedef struct chost *hosts_resolve_fn(void *ctx, const char *ns, const char *name);
void hosts_resolver(struct hosts *hs, hosts_resolve_fn *fn);
void hosts_free(struct hosts *hs);
struct hosts_knobs *hosts_knobs(struct hosts *hs);

/* ---- kubelet's side ---- */
struct chost *hosts_get(struct hosts *hs, const char *pod, bool make); /* "ns/name" */
struct chost *hosts_at(struct hosts *hs, size_t i);                    /* NULL after the last */
/* Starts a process. `disk` names what outlives it (the claim's UID, or the pod's when it has none). `ready_ms` more
 * than the usual start; crash: ends with code 70 instead of coming up; mute: listens never. */
struct chost_boot {
    const char *image, *disk, *identity;
    unsigned ready_ms;
    bool crash, mute;
};
void chost_boot(struct chost *h, const struct chost_boot *b);
void chost_term(struct chost *h); /* SIGTERM; exited() follows */
void chost_kill(struct chost *h); /* SIGKILL; exited() follows at once */
/* The content of a ConfigMap as the pod's volume shows it now. Takes data. A new one counts at the next reload or
 * start; a running server looks by itself every 2 s. */
void chost_mount(struct chost *h, const char *configmap, cJSON *data);
/* Its kubelet shows it no new files until it is stuck no more; what was held back then comes with the next change. */
void chost_stick(struct chost *h, bool stuck);
void chost_unmount_all(struct chost *h);
void hosts_disk_gone(struct hosts *hs, const char *disk);

/* ---- world's side ---- */
/* *asked: whose answer it is, or NULL. */
bool hosts_http(struct hosts *hs, struct sim_http *h, const struct http_request *req, int *status, struct str *body,
                struct chost **asked);
/* The same for a server that is already known. */
bool chost_http(struct chost *h, struct sim_http *http, const struct http_request *req, int *status, struct str *body);
int hosts_zk(struct hosts *hs, enum zk_op op, const char *path, struct str *value, struct err *err);

/* ---- clients ---- */
/* Runs a statement as a user does; -1 and err as the server says it. */
int chost_execute(struct chost *h, const char *sql, struct err *err);
/* A query that takes ms. done(ok) comes once; why says what broke. Not reachable: done comes at once. */
typedef void query_done_fn(void *ctx, bool ok, const char *why);
void chost_query(struct chost *h, const char *id, unsigned ms, query_done_fn *done, void *ctx);
/* One row into a replicated table through this server. -1: it did not take it (not up, read-only). */
int64_t chost_insert(struct chost *h, const char *database, const char *table);
/* The table is gone from its disk; Keeper still knows its replica. */
void chost_lose_table(struct chost *h, const char *database, const char *table);
/* Who listens at an address: 127.0.0.1 and a port of its own, or the name of a host Service. NULL: nobody. */
struct chost *hosts_listening(struct hosts *hs, const char *address, unsigned port, bool tcp);
/* Replicas of one shard (from 0) in the loaded remote_servers, at most max. A NULL one is listed, but nobody listens
 * there. Returns the number listed; -1: no such shard. */
int chost_members(const struct chost *h, unsigned shard, struct chost **replicas, int max);

/* ---- truth, for the observer ---- */
const char *chost_pod(const struct chost *h);
enum chost_state chost_state(const struct chost *h);
const char *chost_image(const struct chost *h); /* of the running process, "" */
const char *chost_identity(const struct chost *h);
const char *chost_disk(const struct chost *h);
unsigned chost_starts(const struct chost *h);         /* processes ever begun */
unsigned chost_queries(const struct chost *h);        /* of others, running now */
unsigned chost_port(const struct chost *h, bool tcp); /* loaded; 0 when down, or when it is closed */
unsigned chost_tls_port(const struct chost *h, bool tcp);
bool chost_readonly(struct chost *h); /* down, or a replicated table of it takes no rows: no Keeper session */
/* Has every row that its replicas were told of more than `within_ms` ago? */
bool chost_current(struct chost *h, uint64_t within_ms);
/* At the moment of its start it missed rows, and has not got all of those yet. */
bool chost_behind_start(struct chost *h);
const char *chost_left_out(const struct chost *h); /* a table that its disk has and it did not load; NULL */
/* The value of a setting's element as this process read it at its start (restart) or last (reload); "" when absent. */
const char *chost_setting(const struct chost *h, const char *tag, bool at_start, char *buf, size_t size);
int64_t chost_macro_int(const struct chost *h, const char *macro);
/* Rows of all replicated tables under this Keeper prefix that are on no disk but `disk`. */
int64_t hosts_only_on(struct hosts *hs, const char *disk);
/* Every table that one host of the list has and another lacks: the first such name, or NULL. Caller frees. */
char *hosts_schema_gap(struct hosts *hs, const char *pod_a, const char *pod_b);
bool hosts_znode(struct hosts *hs, const char *path);
/* Names below path/replicas that no disk has. Caller frees; NULL when none. */
char *hosts_dead_replica(struct hosts *hs);

#endif
