/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the node agent. */
#ifndef PLANE_NODE_PRIV_H
#define PLANE_NODE_PRIV_H

#include <sys/queue.h>

#include "base/json.h"
#include "plane/node.h"
#include "plane/ports.h"

struct event;
struct node_pod;
struct node_ctr;

enum probe_kind { PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS, PROBES };

struct node_probe {
    struct node_ctr *ctr;
    enum probe_kind kind;
    const cJSON *conf; /* NULL = none */
    struct world_timer *timer;
    struct world_http *http;
    struct world_tcp *tcp;
    struct event *connect; /* tcpSocket */
    int fd;
    uint64_t run;       /* number of a try under way by world.run, which cannot be cancelled; 0 = none */
    unsigned good, bad; /* in a row */
    uint64_t count_at;  /* failures before this moment do not count */
    bool passed;        /* succeeded at least once since the server started */
    bool active;
};

enum hook_kind { HOOK_POST_START, HOOK_PRE_STOP, HOOKS };

typedef void hook_fn(struct node_ctr *c, const char *why); /* NULL = it went well */

struct node_hook {
    struct node_ctr *ctr;
    hook_fn *done;
    struct world_timer *timer;
    struct world_http *http;
    bool busy;
};

/* The line to a shim. */
struct node_link {
    int fd; /* -1 = none */
    struct event *ev;
    struct str in;
    bool greeted;
};

struct node_ctr {
    struct node_pod *pod;
    const cJSON *spec; /* in pod->obj */
    char *name, *dir;
    bool init;
    const struct program *program;
    struct container_plan plan;
    bool prepared, launching, stopping;
    char *loaded; /* plan.digest that the running server has loaded */
    int64_t loaded_pid;
    struct node_link link;
    struct shim_state st;
    bool known;       /* st came from the shim or its files */
    bool over;        /* no process and no shim any more, and none will be started */
    uint64_t stop_ms; /* grace that was asked for */
    struct world_timer *retry;
    char wait_reason[40];
    char *wait_message;
    char *words;           /* why the last server ended, as far as can be seen */
    int64_t words_pid;     /* … which was this one */
    uint64_t words_start;
    bool ready, started;
    struct node_hook hooks[HOOKS];
    int64_t probed_pid; /* which server the probes are about */
    uint64_t probed_start;
    struct node_probe probes[PROBES];
};

enum pod_stage {
    POD_NEW,      /* claims, ConfigMaps or Secrets are missing yet */
    POD_RUNS,     /* volumes are there; containers are run */
    POD_STOPPING, /* deletionTimestamp */
    POD_GONE,
};

struct node_pod {
    LIST_ENTRY(node_pod) link;
    struct node *node;
    cJSON *obj; /* the last version, owned */
    char *ns, *name, *uid, *dir;
    enum pod_stage stage;
    struct node_ctr *ctrs; /* init containers first */
    size_t n_ctrs;
    struct world_timer *sync_timer;
    uint64_t started_ms; /* status.startTime */
    bool pre_stopped;          /* the hooks were started */
    uint64_t pre_stop_since;   /* monotonic */
    uint64_t pre_stop_took_ms; /* counts against the grace */
    char *last_event;   /* reason and text of the last mount problem that was told */
};

LIST_HEAD(node_pods, node_pod);

struct node {
    struct plane *p;
    struct world *w;
    struct store *s;
    struct programs *programs;
    char *shim;
    char *dir; /* DATA */
    char boot[40];
    struct node_pods pods;
    struct store_sub *subs[5];
    struct ports *ports;
    uint64_t runs; /* numbers of world.run() tries */
    struct node_run_ref *run_refs;
    struct world_timer *sweep_timer;
    struct world_timer *zk_turn; /* ZooKeeper members restart one after the other */
    struct node_ctr *zk_restarting;
};

/* node.c */
struct node_pod *node_find(struct node *n, const char *uid);
unsigned node_port(void *node, const char *name); /* container_run.port */
/* world.run() whose owner may be gone when it answers: fn is called with the owner only while `owner` was not
 * forgotten. */
typedef void node_run_fn(void *owner, int status, const char *out, const char *errtext);
void node_run(struct node *n, void *owner, const char *const *argv, const char *const *env, uint32_t total_ms,
              node_run_fn *fn);
void node_run_forget(struct node *n, const void *owner);

/* node_pod.c */
struct node_pod *pod_new(struct node *n, const cJSON *obj);
void pod_free(struct node_pod *p); /* lets go; nothing is stopped */
void pod_update(struct node_pod *p, const cJSON *obj);
void pod_soon(struct node_pod *p, uint64_t ms); /* pod_sync() then */
void pod_refresh(struct node_pod *p);           /* a ConfigMap or Secret changed */
bool pod_uses(const struct node_pod *p, const char *what /* "configMap", "secret", "claim" */, const char *name);
bool pod_deleted(const struct node_pod *p);
void pod_event(struct node_pod *p, bool warning, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
struct node_ctr *pod_container(struct node_pod *p, const char *name); /* NULL */

/* node_volumes.c */
/* Makes or refreshes all volumes of the pod: 0; ERR_MISSING with the object's name when something is not there yet. */
int pod_volumes(struct node_pod *p, struct err *err);
/* Fills maps with the container's mounts. */
int ctr_mounts(struct node_ctr *c, struct path_maps *maps, struct err *err);
/* "NAME=value" list, NULL-terminated; caller frees with env_free(). ERR_MISSING/ERR_INPUT as kubelets'
 * CreateContainerConfigError. */
int ctr_environment(struct node_ctr *c, char ***env, struct err *err);
void env_free(char **env);
/* Deletes a directory and all below; does not follow links. */
int node_remove_tree(const char *path, struct err *err);

/* node_ctr.c */
void ctr_init(struct node_ctr *c, struct node_pod *p, const cJSON *spec, bool init);
void ctr_fini(struct node_ctr *c);
void ctr_run(struct node_ctr *c);     /* prepares, launches or adopts; called again at each sync, idempotent */
void ctr_refresh(struct node_ctr *c); /* mounts changed */
void ctr_stop(struct node_ctr *c, uint64_t grace_ms);
void ctr_restart(struct node_ctr *c, uint64_t grace_ms);
bool ctr_running(const struct node_ctr *c);
bool ctr_done_well(const struct node_ctr *c); /* ended with 0 */
void ctr_wait_set(struct node_ctr *c, const char *reason, const char *message);
uint64_t pod_grace_ms(const struct node_pod *p);

/* node_hook.c */
/* A number or the name of one of the container's ports; 0 = neither. */
unsigned ctr_port(const struct node_ctr *c, const cJSON *port);
/* node_run() of a command of the container, with its mounts and environment. */
void ctr_command(struct node_ctr *c, const cJSON *command, uint32_t total_ms, void *owner, node_run_fn *fn);
/* An HTTPGetAction. */
struct world_http *ctr_http_get(struct node_ctr *c, const cJSON *get, uint32_t total_ms, http_done_fn *fn, void *ctx);
int hooks_check(const struct node_ctr *c, struct err *err); /* ERR_INPUT: it has one that cannot be run */
/* Starts the hook anew; false when the container has none. A sleep may take longer than limit_ms. */
bool hook_run(struct node_ctr *c, enum hook_kind kind, uint32_t limit_ms, hook_fn *fn);
void hook_forget(struct node_ctr *c, enum hook_kind kind); /* fn will not be called any more */

/* node_words.c */
char *ctr_last_words(const struct node_ctr *c); /* one line, "" when nothing is known; caller frees */

/* node_link.c */
void link_init(struct node_link *l);
void link_close(struct node_ctr *c);
int link_open(struct node_ctr *c, struct err *err); /* connects and asks to watch */
int link_say(struct node_ctr *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctr_state(struct node_ctr *c); /* c->st is new (from node_link.c) */
void ctr_link_lost(struct node_ctr *c);

/* node_probe.c */
void probes_init(struct node_ctr *c);
void probes_fini(struct node_ctr *c);
void probes_server_changed(struct node_ctr *c); /* another server runs, or none */

/* node_status.c */
void pod_write_status(struct node_pod *p);
/* Does the pod's stored status speak of the server that runs now? Then also what it says (pointers may be NULL). */
bool ctr_in_status(const struct node_ctr *c, bool *started, bool *ready);
void rfc3339(uint64_t wall_ms, char *buf /* 32 */);
char *ctr_id(const struct node_ctr *c, int64_t pid, uint64_t start); /* "chfleet://boot-pid-start"; caller frees */

#endif
