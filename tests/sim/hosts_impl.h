/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the host model share. */
#ifndef TESTS_SIM_HOSTS_IMPL_H
#define TESTS_SIM_HOSTS_IMPL_H

#include "sql/sql.h"
#include "tests/sim/hosts.h"

enum { ZK_LAG_MS = 100, STOP_WAIT_MS = 5000, STOP_IDLE_MS = 500, POLL_MS = 2000 };

/* The shared log of one replicated table, in Keeper. */
struct klog {
    char *path;
    uint64_t *at; /* time of each entry = one row, one part */
    size_t n, cap;
    struct klog *next;
};

struct dtable {
    char *db, *name, *engine, *create;
    char *path, *replica; /* replicated ones; NULL */
    struct klog *log;
    size_t have;        /* all entries before this are here */
    size_t *own, n_own; /* and these, written here */
    uint64_t catch_at;  /* fetches nothing before; NEVER while a process does not run */
    size_t at_start;    /* entries that existed when this process began */
    bool broken;        /* its znodes were taken away under it */
    bool left_out;      /* the process came up without it */
    int64_t rows;       /* plain tables */
    struct dtable *next;
};

struct disk {
    char *id;
    struct ddatabase {
        char *name, *engine;  /* with arguments */
        char *path, *replica; /* Replicated ones, expanded; NULL */
    } * databases;
    size_t n_databases;
    struct dtable *tables;
    bool gone, killed; /* killed: the last process died without closing its session */
    struct disk *next;
};

struct mount {
    char *configmap;
    cJSON *data;
    uint64_t written_ms;
};

struct loaded {
    struct {
        char *name, *value;
    } macros[24];
    size_t n_macros;
    struct {
        unsigned shard, port;
        char *host;
    } * members;
    size_t n_members;
    int n_shards;
    char *settings; /* text of the settings files, host's first */
    char *users;
    unsigned http, tcp, https, tls; /* 0: closed */
};

struct query {
    struct chost *h;
    char *id;
    bool ours, over;
    query_done_fn *done;
    void *ctx;
    uint64_t end;
    uint64_t serial;
    struct query *next;
};

struct session {
    char *id;
    struct session *next;
};

struct chost {
    struct hosts *hs;
    char *pod;
    enum chost_state state;
    char *image, *identity;
    struct disk *disk;
    struct mount *mounts;
    size_t n_mounts;
    struct loaded now, start;
    unsigned starts;
    uint64_t serial;                 /* of the process: events of an earlier one do nothing */
    uint64_t started_ms, session_ms; /* Keeper session from then on */
    uint64_t loaded_ms;              /* when the files were read last */
    bool stuck;                      /* its kubelet shows no new files */
    bool queue_style, mute;          /* the way it catches up: log first, parts later */
    struct query *queries;
    struct session *sessions;
    struct chost *next;
};

struct hosts {
    struct sim *s;
    struct hosts_hooks hooks;
    hosts_resolve_fn *resolve;
    struct hosts_knobs knobs;
    struct chost *list;
    struct disk *disks;
    struct klog *logs;
    struct {
        char **v;
        size_t n;
    } znodes;
};

#define NEVER UINT64_MAX

/* hosts_tables.c */
struct disk *disk_get(struct hosts *hs, const char *id);
void disks_free(struct hosts *hs);
struct dtable *disk_table(const struct disk *d, const char *db, const char *name);
struct dtable *table_first(const struct chost *h); /* of those that its process has loaded; then table_next */
struct dtable *table_next(const struct dtable *t);
int table_attach(struct chost *h, const char *db, const char *name, struct err *err);
bool disk_has(const struct dtable *t, size_t entry);
void tables_started(struct chost *h);        /* a process took the disk */
struct ddatabase *disk_database(const struct disk *d, const char *name); /* NULL */
int database_drop_replica(struct chost *h, const char *name, const char *replica, struct err *err);
bool tables_loadable(const struct chost *h); /* false: a replica's znodes are gone, the server refuses to start */
void tables_sync(struct chost *h);
size_t table_pointer(struct chost *h, struct dtable *t); /* log_pointer as the server says it */
int64_t table_delay_s(struct chost *h, const struct dtable *t);
bool chost_lies(const struct chost *h);
bool chost_session(const struct chost *h);                         /* with Keeper, as the server says */
int tables_ddl(struct chost *h, const char *sql, struct err *err); /* CREATE, DROP, ATTACH, DETACH */
void table_drop(struct chost *h, const char *db, const char *name);
bool znode_has(const struct hosts *hs, const char *path);
void znode_add(struct hosts *hs, const char *path);
void znode_delete_tree(struct hosts *hs, const char *path);
void znode_children(const struct hosts *hs, const char *path, struct str *out);
unsigned replicas_of(struct hosts *hs, const char *path, bool active);

/* hosts_config.c */
void config_load(struct chost *h, bool at_start);
void loaded_free(struct loaded *l);
const char *loaded_macro(const struct loaded *l, const char *name);
char *expand_macros(const struct chost *h, const char *text);

/* hosts.c */
struct query *query_add(struct chost *h, const char *id, uint64_t ms, query_done_fn *done, void *ctx);
void queries_kill(struct chost *h, bool (*which)(const struct query *q, void *ctx), void *ctx);
struct sql_version chost_version(const struct chost *h);

/* hosts_sql.c */
/* Answers one statement: 0 and rows in out, or -1 with err.sys = ClickHouse's code. */
int statement_run(struct chost *h, const char *sql, const char *query_id, const char *settings, struct str *out,
                  struct err *err);

#endif
