/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share; nobody outside includes it. */
#ifndef SUPERVISOR_INTERNAL_H
#define SUPERVISOR_INTERNAL_H

#include "model/fleet.h"
#include "model/plan.h"
#include "model/steps.h"
#include "render/compare.h"
#include "render/render.h"
#include "model/spaces.h"
#include "supervisor/super.h"
#include "workers/protocol.h"

enum {
    OWNED_KINDS = 9, /* kinds that are watched for objects of ours */
    FAIL_BACKOFF_MS = 15000,
    FAIL_BACKOFF_MAX_MS = 600000,
    WORKER_SILENT_MS = 90000, /* no frame for so long from a worker that has a task: it hangs */
};

/* The peer's two API groups are also the two sets of labels. */
enum owner_group { GROUP_CHI, GROUP_CHK, GROUPS };

struct inst;
struct wproc;
struct task;

enum member_state { MEMBER_OUT, MEMBER_GOING_IN, MEMBER_IN, MEMBER_GOING_OUT };

/* What the supervisor remembers of one host between events. */
struct hostrec {
    char *key;
    bool want_in;   /* wanted in remote_servers and balancer */
    bool published; /* is in the list that is being published or was last… */
    uint64_t fresh_ms; /* monotonic: when the pods of its shard were last read from the API server for it; 0 = never */
    uint64_t published_since; /* …and (or is not) since this generation */
    bool listed;    /* is in the remote_servers that all (answering) peers have loaded */
    bool held_turn; /* held settings: this host has got the new ones */
    bool held_back; /* … and gives them back: its change has failed */
    bool disrupted; /* a disruptive step is begun and the host has not joined since */
    bool finished;  /* its action of this operation is done */
    bool joined;    /* its task has put it back in; other hosts of that task may still be at work */
    bool ordered;   /* its restart is ordered by spec.restart: its StatefulSet gets the plan's token */
    bool objects;   /* its Service or metadata are written with the shared objects */
    bool facts_due; /* something changed since its worker was told… */
    uint64_t facts_sent; /* …these facts (their digest) */
    uint64_t begun_ms; /* monotonic: its first step of this operation, for metrics; 0 = not begun */
    char step[48], waiting[40], text[320];
    uint64_t out_since_ms; /* monotonic: ready, out, and nobody's business since then; 0 = not so */
    unsigned replans;      /* how often a new plan was made for that in this generation */
    uint64_t since_ms;     /* wall clock: since when it waits or works on this step */
    enum host_action action;
    char *version; /* what runs (annotation chfleet.io/loaded), "" unknown; backing of render_ctx.version */
};

/* How long something took, in the peer's buckets (seconds). */
enum { TIMING_BUCKETS = 15 };
struct timing {
    uint64_t in_bucket[TIMING_BUCKETS + 1], count;
    double sum;
};

/* What an installation's operations came to since this process began; see metrics.c. */
struct counts {
    uint64_t started, completed, aborted, hosts_started, hosts_completed, hosts_restarts, hosts_errors;
    struct timing op_time, host_time;
};

enum task_state { TASK_WAIT, TASK_RUN, TASK_DONE, TASK_FAILED, TASK_SUPERSEDED };

struct task {
    struct inst *inst;
    uint32_t id;
    unsigned wave, tries;
    char *table, *object;
    char **hosts;
    size_t n_hosts;
    enum task_state state;
    struct wproc *wp;
    struct world_timer *retry;
    cJSON *resume; /* rows of the journal, oldest first; NULL when none */
    char *error;
    bool tolerated; /* failed, and onFailure is ignore: the others go on */
};

/* A worker process and what it is at. */
struct wproc {
    struct inst *inst;
    struct task *task; /* NULL: a membership worker, or an ended one */
    bool membership;
    struct world_proc *proc; /* NULL after exit */
    struct world_chan *chan; /* NULL after closed */
    char *name;
    uint64_t generation;       /* unique in this process */
    uint64_t last_frame_ms;    /* monotonic */
    uint64_t step_deadline_ms; /* monotonic; 0 = no open step */
    uint64_t step_limit_ms;    /* of the open step, with slack */
    bool stopping;
    uint64_t facts_due; /* its turn to be told what changed of its hosts; 0 = nothing */
    struct wproc *next;
    struct permit *permits; /* requests that wait */
};

/* A worker's wish that waits: a permit or a membership change. */
struct permit {
    struct wproc *wp;
    uint32_t seq;
    char *host, *step, *klass;
    bool member; /* MSG_MEMBER */
    bool want_in;
    uint64_t since_wall_ms;
    bool reading; /* a fresh read is under way */
    struct permit *next;
};

enum inst_state {
    INST_IDLE,      /* nothing to do, or nothing may be done (text says why) */
    INST_WRITING,   /* the plan is on its way into the journal */
    INST_PREPARING, /* settings are being moved into the hosts' own files before the first wave */
    INST_RUNNING,
    INST_SETTLING, /* settings go back to the common file after the last wave */
};

struct inst {
    struct super *s;
    enum owner_group group;
    enum kube_kind kind;
    char *ns, *name, *key; /* key as fleet->key */
    struct fleet *fleet;   /* of the generation that is worked on, or last planned */
    struct plan *plan;
    enum inst_state state;
    uint64_t op;
    uint64_t nudge_op; /* the operation in which `nudges` pods were told of lists of hosts */
    size_t nudges;
    int64_t generation; /* of the running operation */
    bool superseding;   /* a newer generation waits for the workers' safe points */
    bool kicked;        /* look again when possible */
    bool gone;          /* the resource is not there any more */
    char *done_hash;    /* of the plan that was carried out last, and its generation */
    int64_t done_generation;
    unsigned repeats;   /* how often the same plan came back right after it was done */
    uint64_t repeat_at; /* monotonic: not before */
    bool halted;        /* a planned change failed in this generation: no further one starts */
    int64_t halted_generation;
    int64_t rolled_back_generation; /* a host was rolled back: only another generation tries that change again */
    int64_t retried_generation;     /* people asked to try again what was given up in it */
    uint64_t turn_since;            /* monotonic: waits for its turn among the installations; 0 = does not */
    bool audited;  /* the last look at everything found live equal to desired, and no operation has begun since */
    bool recalled; /* what an earlier supervisor said of a failure was looked at */
    uint64_t backoff_ms;
    struct world_timer *timer; /* debounce and back-off */
    struct task *tasks;
    size_t n_tasks;
    unsigned wave;
    unsigned soaked_wave;
    uint64_t soak_until; /* monotonic: the wave before is being watched; 0 = no soak */
    struct world_timer *soak_timer;
    int64_t restarted_generation; /* whose spec.restart without a task ID was executed, for the status */
    char now[32];                 /* backing of render_ctx.now */
    const char **pod_ips;         /* backing of render_ctx.pod_ips: ends with NULL, borrowed from the cache */
    size_t n_pod_ips;
    struct hostrec *hosts;
    size_t n_hosts;
    struct index by_key; /* hosts */
    /* membership */
    struct wproc *member_wp;
    uint64_t member_generation; /* of the newest published list */
    bool member_late;           /* peers have not loaded the list in time: it is published once more */
    unsigned late_tries;
    bool member_unknown;     /* the membership worker died or failed: the list must be published again */
    uint64_t member_running; /* generation being published; 0 = none */
    char **member_list;      /* keys of the list being published or last published */
    size_t n_member_list;
    struct world_timer *member_timer;
    cJSON *behind; /* keys of peers that answer and have an older list than the newest; NULL: none */
    bool holding;
    struct world_timer *hold_timer; /* until the copies of held settings have reached the pods */
    char *held_old, *held_new;      /* text of the common settings file before and after this operation */
    /* reporting */
    struct counts counts;
    char *error;       /* why it is blocked or failed; NULL */
    char *write_error; /* why the journal did not take the head of the last plan; NULL */
    char *error_code;
    int64_t error_generation; /* of the resource when that was said */
    cJSON *told;              /* warnings of the spec that people know */
    uint64_t op_started_ms;   /* wall */
    struct world_timer *status_timer;
    char *status_sent; /* canonical text of the last status written */
    bool status_busy, status_again; /* a write is under way; there was more to say meanwhile */
    cJSON *secrets; /* "ns/name" → Secret object read for users, or null when absent */
    unsigned secrets_waiting;
    unsigned pending; /* callbacks that still refer to this struct */
    struct inst *next;
};

struct foreign;

struct super {
    struct world *w;
    struct kube *kube;
    struct journal *j;
    struct super_options opt; /* strings owned */
    cJSON *config;            /* in force: file and resources over what is built in */
    cJSON *config_file;       /* tree of the file, NULL = none */
    cJSON *accepted;          /* name → ClickHouseOperatorConfiguration in force */
    cJSON *refused;           /* source → why it is not */
    struct spaces *spaces;
    bool verbose; /* by logger.v */
    bool narrow;  /* watches stand in single namespaces */
    uint64_t n_reloads, n_config_refused;
    cJSON *first_templates; /* as they were at the start, for template.chi.policy ReadOnStart */
    bool endpoints, discovered, leading, stopping, recovered;
    struct kube_lease *lease;
    struct kube_cache *chi, *chk, *chit, *chopconf, *deployments;
    struct foreign *foreign; /* operators whose names stand on resources */
    struct kube_cache *owned[OWNED_KINDS][GROUPS];
    struct inst *insts;
    struct wproc *wprocs;
    unsigned n_workers;
    uint64_t epoch, worker_generation;
    uint64_t watched_ms; /* monotonic: when hanging workers were looked for last */
    cJSON *ports;        /* "ns/service" → {"tcp":N,…}: given out and perhaps not in a Service yet */
    struct world_timer *tick;
    struct world_timer *facts_timer; /* until facts that are due go out */
    uint64_t facts_turn;
    struct world_timer *look_timer; /* until permits and members are looked at again */
    struct endpoints *balanced; /* which pods balancing Services send to */
    struct world_timer *stop_timer;
    void (*stop_done)(void *ctx);
    void *stop_ctx;
    uint64_t n_ops, n_permits, n_refused, n_worker_kills, n_incidents, n_pods_added, n_pods_deleted;
};

/* ---- super.c ---- */
extern const enum kube_kind owned_kinds[OWNED_KINDS];
struct kube_cache *super_cache(const struct super *s, enum owner_group g, enum kube_kind kind);
const cJSON *super_get(const struct super *s, enum owner_group g, enum kube_kind kind, const char *ns,
                       const char *name);
const cJSON *super_resource(const struct inst *in); /* the CR in the cache, NULL when gone */
void super_incident(struct super *s, struct inst *in, const char *host, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

bool super_watches(const struct super *s, const char *ns);
/* One cache over all namespaces that are watched. */
struct kube_cache *super_watch(struct super *s, enum kube_kind kind, const char *selector, kube_compact_fn *compact,
                               kube_change_fn *fn, void *ctx);
void super_start_watches(struct super *s); /* those that are not there; when all are complete, work begins */
void super_kick_all(struct super *s); /* each installation that is watched, or was */

/* ---- others.c: who else might act ---- */
#define OPERATOR_NOTE "chfleet.io/operator" /* on the resource: namespace of the operator that takes care of it */
void others_watch(struct super *s);
bool others_known(const struct super *s);
/* Why nothing may be done because of somebody else, with a code; NULL: nothing of that kind. Caller frees. */
char *others_say(const struct inst *in, const cJSON *res, const char **code);
bool others_needs_claim(const struct inst *in, const cJSON *res);
void others_free(struct super *s);

/* ---- config.c ---- */
int config_set_file(struct super *s, const char *text, struct err *err); /* NULL text: no file */
void config_file_failed(struct super *s, const char *why);
void config_resources_changed(struct super *s);
void config_resource_gone(struct super *s, const cJSON *obj);
void config_status(const struct super *s, cJSON *to);
void config_free(struct super *s);

bool super_leads(const struct super *s); /* may it act now? To be asked just before an act */

/* ---- inst.c ---- */
/* An object of this installation as the cache has it; NULL: none, or not of it. Borrowed until the cache changes. */
const cJSON *inst_live(const struct inst *in, enum kube_kind kind, const char *name);
struct inst *inst_find(struct super *s, enum owner_group g, const char *ns, const char *name);
struct inst *inst_get(struct super *s, enum owner_group g, const char *ns,
                      const char *name); /* makes one when needed */
void inst_kick(struct inst *in, uint64_t delay_ms);
void inst_owned_changed(struct inst *in, enum kube_kind kind, const cJSON *obj);
/* Length of "ns/installation", which host keys begin with (the key of a Keeper installation is longer by ".keeper"). */
size_t inst_prefix(const struct inst *in);
size_t inst_shard_len(const char *key); /* of "ns/installation/cluster/shard/" in a host key */
/* Merges the patch into the resource as it was read (`res`): what somebody wrote meanwhile is not written over, and a look
 * follows in any case. */
void inst_patch_resource(struct inst *in, const cJSON *res, cJSON *patch);
void inst_free(struct inst *in);
void inst_free_tasks(struct inst *in);
void inst_forget(struct inst *in); /* the resource is gone: another of the same name starts from nothing */
struct hostrec *inst_host(struct inst *in, const char *key); /* NULL */
struct hostrec *inst_host_need(struct inst *in, const char *key);
bool inst_busy(const struct inst *in);
void inst_set_error(struct inst *in, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A failure outlives the supervisor that saw it; text NULL: it is over. */
void inst_note_failure(struct inst *in, const char *text);
void inst_recall_failure(struct inst *in, const cJSON *res);
void inst_retry(struct inst *in); /* forgets that a change failed in this generation, and when to try again */

/* ---- look.c ---- */
void inst_look(struct inst *in);          /* plans when nothing is under way; else supersedes what is out of date */
void inst_let_in(struct inst *in);        /* other operators may lead next: their addresses go into the users' file now */
void inst_look_for_lost(struct inst *in); /* on each tick */

/* ---- op.c ---- */
void op_begin(struct inst *in, struct fleet *f, struct plan *p); /* in->fleet is f; p is taken */
void op_end(struct inst *in, enum outcome outcome, const char *why);
void op_run_wave(struct inst *in); /* the first that has tasks left */
void op_run_ready_tasks(struct inst *in);
void op_task_over(struct inst *in, struct task *t);
bool op_is_shard_task(const struct task *t);

/* ---- settings.c: held settings ---- */
void settings_hold(struct inst *in);                                /* then op_run_wave() */
void settings_held(void *ctx, bool changed, const struct err *err); /* an apply_done_fn: the copies are written */
void settings_settle(struct inst *in);                              /* then op_end() */

/* ---- recover.c ---- */
int inst_recover(struct super *s, const struct journal_op *op);

/* ---- command.c: annotations chfleet.io/hold and chfleet.io/command ---- */
const char *command_hold(struct inst *in, const char *host); /* why this host may not be taken out; NULL. Borrowed. */
bool command_look(struct inst *in, const cJSON *res); /* true: a command is being taken; a look follows by itself */

/* ---- desired.c ---- */
void desired_ctx(struct inst *in, struct render_ctx *c);
/* spec.chfleet.consent, as long as it holds; NULL. Borrowed. */
const cJSON *desired_consent(struct inst *in);
int desired_fleet(struct inst *in, struct fleet **out, struct err *err);
int desired_facts(struct inst *in, const struct fleet *f, struct facts **out, struct err *err);
const char *desired_access_ns(const struct inst *in);   /* where the Secret of our login to the databases is */
void desired_need_secrets(struct inst *in);             /* starts reading; kicks the installation when all are there */
const char *desired_owner_label(const struct inst *in); /* that every object of an installation carries */
void desired_forget_missing(struct inst *in); /* Secrets that were not there are read again at the next look */
void desired_addressing(struct super *s, struct addressing *a);
char *desired_version(const struct inst *in, const char *sts); /* from the annotation; caller frees */

/* ---- apply.c ---- */
typedef void apply_done_fn(void *ctx, bool changed, const struct err *err);
/* Brings one object to what the fleet says. `req` is the body of MSG_APPLY (borrowed, copied). done comes later. */
void apply_start(struct inst *in, const cJSON *req, apply_done_fn *done, void *ctx);
void apply_delete(struct inst *in, const cJSON *req, apply_done_fn *done, void *ctx);
/* Each request of `list` (array of MSG_APPLY bodies, taken), 8 at a time; done once with the first error. */
void apply_all(struct inst *in, cJSON *list, apply_done_fn *done, void *ctx);

/* ---- previous.c ---- */
/* Text of the annotation that keeps what `now` is, when `desired` takes a new pod and roll-backs are wanted; else NULL. Caller
 * frees. */
char *previous_note(const struct inst *in, const cJSON *now, const cJSON *desired);
/* The StatefulSet as it was before this generation changed it; NULL when that is not known. Caller owns. */
cJSON *previous_statefulset(const struct inst *in, const cJSON *now);

/* ---- hostfacts.c ---- */
cJSON *hostfacts_make(struct inst *in, const struct fleet *f, const char *key); /* FACTS of protocol.h */
/* May this claim of the host be deleted now? Not while its policy keeps it; of a wanted host only for a reason. */
bool hostfacts_claim_may_go(struct inst *in, const char *key, const cJSON *pvc);
bool hostfacts_takes_queries(struct inst *in, const char *key);                 /* pod ready, labelled in, listed */
bool hostfacts_in_endpoints(struct inst *in, const char *key);                  /* a balancing Service sends to it */
bool hostfacts_serves(struct inst *in, const char *key); /* and nothing disruptive is begun on it */
const cJSON *hostfacts_pod(struct inst *in, const char *sts);
const char *hostfacts_image(const struct inst *in, const cJSON *pod); /* of the server's container; borrowed */
const char *hostfacts_sts(struct inst *in, const char *key, char *buf,
                          size_t size); /* object name for a key, live or wanted */

/* ---- governor.c ---- */
void governor_ask(struct wproc *wp, uint32_t seq, const cJSON *req);
void governor_look(struct super *s);                      /* something changed: waiting permits are looked at again */
void governor_no_wait(struct inst *in, const char *host); /* it waits for nothing any more: nor in the journal */
void governor_drop(struct wproc *wp);                     /* the worker is gone */
void governor_drop_permit(struct wproc *wp, struct permit *p); /* this request is answered or gone; frees it */
void governor_drop_waits(struct wproc *wp);               /* it asks for something else now */
/* Does the failure of this host's task leave the others alone (onFailure: ignore)? */
bool governor_tolerates(struct inst *in, const char *host);
/* reconcile.runtime.reconcileCHIsThreadsNumber: may this installation begin with this plan? Who may not is woken later. */
bool governor_turn(struct inst *in, const struct plan *p);
void governor_no_turn(struct inst *in);
void governor_next_turn(struct super *s); /* an operation has ended */
unsigned governor_shard_slots(struct inst *in, const char *cluster); /* shard tasks that may run at once */

/* ---- member.c ---- */
void member_ask(struct wproc *wp, uint32_t seq, const cJSON *req);
void member_look(struct inst *in);
void member_resume(struct inst *in);
bool member_to_be_told(const struct inst *in); /* the newest list is on its way to peers: the operation has not ended */
void member_done(struct inst *in, bool ok, const cJSON *said); /* body of MSG_DONE */
void member_worker_gone(struct inst *in);
void member_init(struct inst *in, const struct facts *facts);
bool member_listed(void *ctx, const struct host *h); /* render_ctx.listed */
enum member_state member_state(struct inst *in, const char *key);

/* ---- knobs.c ---- */
cJSON *knobs_limits(const struct fleet *f); /* deadlines that knobs move: {STEP: seconds}; caller owns */
void knobs_add(cJSON *task, const struct inst *in, const struct cluster *c);
/* Statements of people, and which clusters this operation changes how: hooks of clusters have no host of their own. */
void knobs_add_hooks(cJSON *task, const struct inst *in, const struct task *t);

/* ---- nudge.c ---- */
void nudge_after(struct inst *in, const cJSON *req); /* this MSG_APPLY has changed a ConfigMap */

/* ---- link.c ---- */
void link_send_task(struct wproc *wp);
void link_answer(struct wproc *wp, uint32_t seq, const cJSON *data, const struct err *err); /* err NULL: ok */
void link_send(struct wproc *wp, uint16_t type, uint32_t seq, const char *text);
void link_stop(struct wproc *wp, const char *why, bool now);

/* ---- wproc.c: worker processes ---- */
/* Begins one for this task, or (t NULL) for the installation's lists of hosts; it gets its text at once. */
int wproc_start(struct inst *in, struct task *t, bool membership, struct err *err);
void wproc_kill(struct wproc *wp, const char *why); /* its end comes by an event: wp stays until then */
void wproc_watchdog(struct super *s);               /* on each tick */

/* ---- records.c ---- */
bool records_joined(const char *step, enum outcome outcome); /* this end of a row put its host back in */

/* ---- tell.c: what changed of a host, told to the worker that deals with it ---- */
/* Shortly: what changes in one moment is one message. host_key NULL: all hosts. */
void tell_host(struct inst *in, const char *host_key);
void tell_pod(struct inst *in, const char *pod); /* the same by the name of the host's pod */
void tell_now(struct wproc *wp);                 /* what is due to it, before an answer that follows from it */
void tell_begin(struct wproc *wp);                 /* it begins */

/* ---- endpoints.c ---- */
struct endpoints *endpoints_new(void);
void endpoints_free(struct endpoints *e);
/* A slice changed (NULL: was not there, or is gone). told is called for each pod that is in now, or out. */
void endpoints_changed(struct endpoints *e, const cJSON *before, const cJSON *now,
                       void (*told)(void *ctx, const char *ns, const char *pod), void *ctx);
/* Does a Service other than the pod's own (of the StatefulSet's name) send to it? */
bool endpoints_have(const struct endpoints *e, const char *ns, const char *sts);

/* ---- http.c: /healthz, /readyz, /status, /metrics, the live page ---- */
struct http_front;
struct event_base;
/* `address` "127.0.0.1:0" picks a port; the real one is written to `file` (NULL: nowhere). ERR_SYS when the port is
 * used. */
int http_front_open(struct event_base *base, struct super *s, const char *address, const char *file,
                    struct http_front **out, struct err *err);
void http_front_close(struct http_front *h);

/* ---- metrics.c ---- */
void metrics_op_begun(struct inst *in);
void metrics_op_over(struct inst *in, enum outcome outcome);
void metrics_host_works(struct inst *in, struct hostrec *h); /* on each of its steps */
void metrics_host_done(struct inst *in, struct hostrec *h);
void metrics_host_failed(struct inst *in);

/* ---- status.c ---- */
void status_kick(struct inst *in);
void status_write_now(struct inst *in);
const char *status_word(const struct inst *in); /* InProgress, Completed, Aborted, Terminating, or "" */

#endif
