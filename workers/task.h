/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside workers/ only: the task a worker executes, what steps are made of, and what they may ask.
 *
 * A probe, baseline, act, undo or guard is a plain function that is called again on every event until it gives
 * something else than STEP_WAIT. What it asks (SQL, the supervisor, Keeper) is remembered in the order of asking: an
 * ask that was answered answers at once the next time, so that a step reads as if it waited. The memory is emptied when
 * a round or a phase ends. An answer that comes for one of several hosts does not disturb what the others were asked.
 */
#ifndef WORKERS_TASK_H
#define WORKERS_TASK_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/world.h"
#include "model/steps.h"
#include "sql/sql.h"
#include "sql/statements.h"

/* What ends by its owner's word waits so long for answers of a server that does not give any. */
enum { MUTE_MS = 30000 };

enum step_rc {
    STEP_WAIT,  /* something asked is not answered yet */
    STEP_YES,   /* it is so; the act is done; the guard is content */
    STEP_NO,    /* not so (yet): t->why says what is missing */
    STEP_SKIP,  /* probe only: this step is nothing for this host; nothing is recorded */
    STEP_FAIL,  /* err says why; ends the attempt */
    STEP_BACK,  /* guard: the host must leave again first; probe: another process runs, back to "started" */
    STEP_DEFER, /* guard only: this host goes behind the other hosts of the task */
};

struct task;
struct worker;

struct whost {
    const char *key;   /* borrowed from the task */
    const cJSON *json; /* borrowed from the task */
    bool peer;         /* not one of the task's hosts */
    bool over;         /* its table is done */
    bool behind;       /* membership: it answers, and has an older list: */
    int64_t loaded;    /* of this generation, -1 = of none */
    char *version_of;  /* identity of the process that said so */
    struct sql_version version;
    int64_t started_s; /* Unix time at which that process started, as it says */
};

typedef enum step_rc step_fn(struct task *t, struct err *err);
struct step_fns {
    const char *name; /* of the step, in every table … */
    const char *kind; /* … for this kind of resource ("chi", "chk"); NULL = both */
    step_fn *probe, *act, *undo;
    /* Adds to *out what must be known after a crash; STEP_NO = cannot be known now, ask again. NULL = identity only. */
    enum step_rc (*baseline)(struct task *t, cJSON *out, struct err *err);
};
const struct step_fns *step_fns_find(const char *name, const char *kind); /* NULL */

enum phase {
    PHASE_FENCE,
    PHASE_PROBE,
    PHASE_BASE,
    PHASE_RECORD,
    PHASE_PERMIT,
    PHASE_GUARD,
    PHASE_ACT,
    PHASE_CHECK,
    PHASE_UNDO,
    PHASE_OVER
};

struct ask;

struct task {
    struct worker *worker;
    struct world *w;
    uint32_t id, tries; /* task number; which worker of it this is */
    int64_t op;
    const cJSON *json;   /* MSG_TASK, kept */
    const char *kind;    /* "chi" or "chk" */
    struct whost *hosts; /* the task's, then its peers */
    size_t n_hosts, n_own;
    size_t *order;      /* indexes of own hosts as they are done */
    size_t at;          /* in order[] */
    bool ahead;         /* of each host only the steps that are done ahead; then again from the first host */
    struct whost *host; /* NULL in tables that run once */
    const struct step_table *table;
    size_t step_at;
    const struct step *step;
    const struct step_fns *fns;
    cJSON *rows; /* of this task: resumed ones, then ours; newest of (host, step) counts */

    /* the step under way */
    enum phase phase;
    unsigned attempt, tried; /* number of the journal's row; how many of this step's tries are used */
    bool begun, acted;       /* a durable begun row is open; its act was started */
    cJSON *baseline;
    char *probed; /* what ran when the probe said no */
    uint64_t attempt_ms, deadline_ms, permit_ms, settled_ms;
    int64_t progress_mark;     /* a step that gets on renews its deadline */
    struct err fail;           /* why the attempt failed */
    bool left, stopped_server; /* the host is out because of us; something was done that has no undo */
    unsigned backs;

    struct ask **asks;
    size_t n_asks, ask_at;
    bool polled;          /* this round asked somebody else than the facts */
    unsigned quiet;       /* for steps that want an answer twice in a row */
    uint32_t queries;     /* counter for query ids */
    uint64_t refused_ms;  /* since when no server lets us in; 0 = not so */
    uint64_t peerless_ms; /* out, and nobody else of the shard serves, since then; 0 = not so */
    uint64_t asked_ms;    /* when the permit was asked for */
    uint32_t back_off_ms, guard_wait_ms;
    struct world_timer *wake;
    uint64_t next_poll_ms; /* 0 = only an event or the deadline goes on */
    bool fence_all;        /* PHASE_FENCE: every host this task may have spoken to, not only the one at hand */

    char why[400], waiting[32], said[440]; /* progress */
    uint64_t why_ms, beat_ms;
    bool stop, stop_now;
    char stop_why[200];
    char undo_outcome[16]; /* what MSG_DONE says after the undo */
    char aftermath[560];   /* in the tables rollback and take-back: why */
    uint64_t hooks_told;   /* of this attempt: whose failure was said, a bit for each */
    cJSON *late, *behind;  /* membership: peers that did not say in time that they have the list; those that have an older one */
    cJSON *told; /* incidents of this task that are told once, and what is not tried any more */
    bool alone_told;
};

/* ---- hosts and facts ---- */
const cJSON *host_facts(struct task *t, const struct whost *h);                /* newest, NULL when none came */
const char *fact_str(struct task *t, const struct whost *h, const char *path); /* "" when unknown */
bool fact_bool(struct task *t, const struct whost *h, const char *path);       /* false when unknown */
int64_t fact_int(struct task *t, const struct whost *h, const char *path, int64_t dflt);
const char *host_str(const struct whost *h, const char *path); /* of the task's description; "" */
bool host_runs(struct task *t, const struct whost *h);         /* its pod runs a server and is Ready */
bool host_serves(struct task *t, const struct whost *h);       /* and it is a member: what a permit counts */
bool same_shard(const struct whost *a, const struct whost *b);
bool same_cluster(const struct whost *a, const struct whost *b);
int64_t knob_int(const struct task *t, const char *name, int64_t dflt);
bool knob_bool(const struct task *t, const char *name, bool dflt);
/* Newest row of this host and step: its baseline; NULL. */
const cJSON *row_baseline(const struct task *t, const char *host, const char *step);
const cJSON *task_row(const struct task *t, const char *host, const char *step);
const char *base_str(const struct task *t, const char *path); /* of the step's own baseline; "" */

/* ---- saying ---- */
/* Why it is not so yet, for people, and the reason code (NULL = none). Always returns STEP_NO. */
enum step_rc not_yet(struct task *t, const char *waiting, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
enum step_rc step_failed(struct err *err, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void task_incident(struct task *t, const char *host, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- asking ---- */
enum ask_rc { ASK_WAIT, ASK_GOOD, ASK_BAD };
struct answer {
    const char *text; /* never NULL once answered */
    size_t len;
    const cJSON *data;
    struct err err;
    bool sent;
};
struct ask_opts {
    uint32_t timeout_ms; /* 0 = 10 s */
    bool alone;
    const char *settings; /* encoded; NULL */
};
/* A statement of sql/statements/ in the variant of the host's server. Asks for the version first when it is unknown. */
enum ask_rc ask_sql(struct task *t, struct whost *h, const char *statement, const struct sql_arg *args,
                    struct answer *out);
enum ask_rc ask_sql_opts(struct task *t, struct whost *h, const char *statement, const struct sql_arg *args,
                         const struct ask_opts *o, struct answer *out);
/* Any text: statements that servers themselves gave (schema). */
enum ask_rc ask_text(struct task *t, struct whost *h, const char *sql, const struct ask_opts *o, struct answer *out);
enum ask_rc ask_version(struct task *t, struct whost *h, struct answer *out); /* fills h->version, h->started_s */
enum ask_rc ask_known_version(struct task *t, struct whost *h, struct answer *out); /* only when this process was not asked */
/* One number. ASK_BAD with err when the answer is none. */
enum ask_rc ask_number(struct task *t, struct whost *h, const char *statement, const struct sql_arg *args, int64_t *out,
                       struct answer *a);
/* MSG_APPLY etc. `body` is taken. */
enum ask_rc ask_msg(struct task *t, int type, cJSON *body, struct answer *out);
enum ask_rc ask_apply(struct task *t, const struct whost *h, const char *what, cJSON *more, struct answer *out);
enum ask_rc ask_delete(struct task *t, const struct whost *h, const char *what, const char *name, const char *uid,
                       bool consent, struct answer *out);
enum ask_rc ask_zk(struct task *t, enum zk_op op, const char *path, struct answer *out);
enum ask_rc ask_word(struct task *t, const struct whost *h, const char *word, struct answer *out);
/* STEP_YES, STEP_WAIT, or for ASK_BAD: STEP_NO when it may pass (ERR_AGAIN, ERR_CONFLICT), else STEP_FAIL. */
enum step_rc asked(struct task *t, enum ask_rc rc, const struct answer *a, struct err *err);
void asks_clear(struct task *t);
void asks_restart(struct task *t); /* next call begins at the first ask again */
struct ask *asks_pending_msg(struct task *t, uint32_t seq);
void ask_answered(struct ask *a, const cJSON *answer);
/* The row that is begun, for an annotation of the StatefulSet that is written before or with the act, so that a lost
 * journal is not a lost fleet. Caller owns. */
cJSON *act_note(const struct task *t);
/* "chfleet-<op>-<task>-": all queries of this task begin with it. */
void query_prefix(const struct task *t, char *buf, size_t size);
struct sql_rows answer_rows(const struct answer *a);

/* ---- worker ---- */
uint32_t worker_send(struct worker *wk, int type, const cJSON *body); /* returns the sequence number */
bool worker_has_credentials(struct worker *wk, const char **user, const char **password);
void worker_take_credentials(struct worker *wk, const cJSON *data);
void worker_forget_credentials(struct worker *wk);
const cJSON *worker_facts(struct worker *wk, const char *key);
void worker_task_over(struct worker *wk);
/* How databases are reached, as the operator's configuration says. */
struct access {
    bool secure, plain; /* https, http; none: http where a host has it */
    unsigned port;      /* of a host that names none */
    uint32_t connect_ms, query_ms; /* 0 = not said */
};
const struct access *worker_access(const struct worker *wk);
struct http_tls worker_trust(const struct worker *wk); /* borrowed texts */

/* ---- driver ---- */
struct task *task_new(struct worker *wk, struct world *w, cJSON *json, struct err *err); /* takes json */
void task_free(struct task *t); /* cancels all it asked; NULL is allowed */
void task_poke(struct task *t); /* something changed: drive on the next round */
void task_stop(struct task *t, const char *why, bool now);

/* fence.c: STEP_YES when nothing of an earlier worker is under way any more. */
enum step_rc fence_hosts(struct task *t);
/* step_after.c: tables that follow a failure, and which one follows the failure of the step at hand (NULL: none). */
bool is_aftermath(const struct step_table *table);
const char *aftermath_refused(struct task *t); /* for the end of a failure's text: why there is no roll-back; "" */
const char *aftermath_table(struct task *t);

/* ---- guards and parts of steps that several files need ---- */
enum step_rc guards_check(struct task *t, unsigned guards, struct err *err);
enum step_rc guard_data_elsewhere(struct task *t, struct err *err);
enum step_rc guard_quorum(struct task *t, struct err *err);
/* Writes down that the process at hand has loaded the files with this digest (annotation chfleet.io/loaded). */
enum step_rc write_loaded(struct task *t, const char *version, const char *restart_hash, struct err *err);
/* Beside what was written last: other servers could not be asked which tables this process may lack; or they were. */
enum step_rc write_unasked(struct task *t, bool unasked, struct err *err);
bool consent_covers(const struct task *t, const struct whost *h);
enum step_rc drop_replica_entries(struct task *t, const struct whost *gone, const char *path, const char *replica,
                                  struct err *err);

extern const struct step_fns step_objects_fns[], step_member_fns[], step_process_fns[], step_attach_fns[], step_schema_fns[],
    step_catchup_fns[], step_remove_fns[], step_keeper_fns[], step_membership_fns[], step_after_fns[], step_hooks_fns[];

#endif
