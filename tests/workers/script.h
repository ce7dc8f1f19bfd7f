/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted world and a scripted supervisor for workers: virtual time, hosts as small models, everything in one
 * process. Hosts belong to one cluster "c"; each has one replicated table unless told otherwise. The script watches
 * what workers do and writes down violations of the rules that no worker may break.
 */
#ifndef TESTS_WORKERS_SCRIPT_H
#define TESTS_WORKERS_SCRIPT_H

#include "base/json.h"
#include "base/str.h"
#include "base/world.h"

enum { SCRIPT_HOSTS = 6 };

struct script_host {
    char key[64];
    unsigned shard, replica;
    bool peer; /* not in the task; its facts are not told */
    const char *action;
    /* objects */
    bool sts, observed, updated, configmap, service, claim, retain, lost_claim;
    bool claim_goes, claim_given_up, unused_claim; /* as the supervisor marks them */
    const char *requested, *capacity, *attributes, *attributes_now;
    bool attributes_refused, database_replica;
    bool set_refused; /* a quota lets no StatefulSet be made */
    uint64_t node_grows_ms; /* since then the file system is still to grow; 0 = it is not */
    int replicas;
    const char *depth;
    /* pod and server */
    bool pod, ready, terminating, image_matches, broken_image, hangs;
    unsigned uid, process, restarts, session; /* session: of which process */
    bool label, endpoint;
    const char *member; /* "in", "out" */
    char loaded_identity[64], loaded_hash[32];
    uint64_t started_s;
    unsigned starts; /* processes seen so far: what restarts are counted by */
    /* data */
    bool left_out; /* its table is on its disk, and not loaded */
    bool has_table, readonly, zk_entry, zk_active, plain_rows, missing_part, distributed;
    unsigned queries; /* of others, running */
    unsigned queries_stay_ms;
    uint64_t locked_until_ms; /* lets nobody log in before */
    bool kept_queries; /* short ones that never cease */
    int64_t log_pointer, delay;
    int64_t membership;   /* loaded generation */
    bool keeps_old_files, fresh_names; /* a reload does not show the new ones */
    const char *keeper_role;
    unsigned gone_ms;    /* how long its pod or process takes to go; 0: as usual */
    bool going;          /* its process, by a shutdown */
    unsigned session_ms; /* its Keeper session outlives its process so long */
    bool unlisted;       /* the list to be published does not have it */
    bool unready;        /* its server answers, and its pod never gets Ready */
    bool not_started;    /* its startup probe has not succeeded */
    bool previous;       /* what its StatefulSet was before the change is known */
    bool restored;
    int64_t hook_value;  /* what it answers to "SELECT hook" */
};

struct script {
    struct world w; /* first */
    uint64_t now_ms;
    struct script_event *events;
    uint64_t n_events, seq;
    struct script_host hosts[SCRIPT_HOSTS];
    int n_hosts;
    /* the worker */
    struct world_chan *chan;
    bool worker_lives, done;
    char outcome[24], done_text[700];
    cJSON *done_body;
    unsigned workers;
    /* the supervisor */
    cJSON *rows; /* the journal of the task */
    const char *table, *kind;
    const char *consent; /* JSON text of spec.chfleet.consent */
    const char *schema_policy;
    const char *hooks, *changes; /* JSON texts of the task */
    const char *want_attributes; /* class of the volumes */
    int64_t want_gib;            /* their size; 0 = nothing is said */
    void (*on_claim)(struct script *s, struct script_host *h); /* 1 s after claims were written */
    bool deleting, journal_full;
    unsigned api_fails; /* so many applies from now on come to nothing: the API server gives no good answer */
    int permit; /* 0 grant, 1 keep waiting, 2 refuse */
    void (*on_permit)(struct script *s, struct script_host *h, const char *step);
    int64_t generation;
    int64_t log_max;
    unsigned restarted_ms; /* how long a start takes */
    const char *version;
    bool named;          /* hosts have names, whose addresses servers remember */
    const char *disturb; /* with the first statement that has this text, somebody else restarts the server */
    cJSON *knobs;
    /* what is watched */
    struct str log; /* one line per effect */
    struct str said;             /* all that the worker sent to the supervisor */
    cJSON *access[SCRIPT_HOSTS]; /* script_access.c */
    bool access_denied;
    bool replicated; /* the database is of the Replicated engine */
    uint64_t locked_until_ms; /* until then no server lets the operator in */
    char violation[200];
    unsigned frames_in; /* from the worker */
    unsigned sql_sent;
    /* faults: the worker dies with the n-th thing it does (frame or statement), before or after it takes effect */
    unsigned kill_at, acted;
    bool kill_before, dying;
    unsigned stop_at; /* MSG_STOP with the n-th thing */
};

/* script_access.c. "KIND name" of what is to be had; a row as it is described there. */
void script_access_add(struct script *s, int host, const char *row);
bool script_access_has(const struct script *s, int host, const char *what);
void script_access_same(struct script *s, int a, int b);
bool script_access_sql(struct script *s, const struct script_host *h, const char *sql, struct str *out, int *status);

void script_init(struct script *s, int shards, int replicas); /* all hosts run, are in, and are right */
void script_fini(struct script *s);
void script_start(struct script *s); /* a worker with the task and the rows of the journal */
void script_kill(struct script *s);  /* the worker dies now */
/* Runs until the worker said done, nothing is left to happen, or the limit of virtual time. */
bool script_run(struct script *s, uint64_t limit_ms);
/* As script_run; a worker that dies is followed by another one. */
bool script_finish(struct script *s, uint64_t limit_ms);
void script_facts(struct script *s, struct script_host *h); /* something about it changed */
void script_after(struct script *s, uint64_t ms, void (*fn)(struct script *s, struct script_host *h),
                  struct script_host *h);
void script_stop(struct script *s, bool now);
unsigned script_count(const struct script *s, const char *line); /* how often this effect is in the log */
bool script_row(const struct script *s, const char *host, const char *step, const char *outcome);

#endif
