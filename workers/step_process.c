/* SPDX-License-Identifier: Apache-2.0 */
/* The server process: what it has loaded, ending it once, and knowing the new one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/protocol.h"
#include "workers/task.h"

/* ---- has the running server the new files? ---- */

/* Render puts the host's restart digest into its own macros file: the server says which one it has loaded. */
#define CONFIG_MACRO "chfleet_config"
enum { RELOAD_MS = 5000, PENDING_MS = 10000 };

static bool macro_of(const struct answer *a, const char *name, struct str *value)
{
    struct sql_rows rows = answer_rows(a);
    auto_str struct str buf = STR_INIT;
    const char *f[2];

    while (sql_next(&rows, &buf, f, 2) == 2)
        if (strcmp(f[0], name) == 0) {
            str_reset(value);
            str_add(value, f[1]);
            return true;
        }
    return false;
}

/* Reloads, then asks what is loaded. Without the macro the files count as seen once a reload succeeded after the time
 * that ConfigMaps take to reach a pod. Where only a reload is wanted a short time is enough: a server that gets its
 * files later takes them over by itself within two seconds. */
static enum step_rc files_loaded(struct task *t, struct err *err)
{
    const char *want = fact_str(t, t->host, "configmap.restart_hash");
    uint64_t propagation_ms = (uint64_t)knob_int(t, "files_s", knob_int(t, "propagation_s", 90)) * 1000;
    bool only_reload = strcmp(t->step->name, "reload") == 0;
    auto_str struct str have = STR_INIT;
    struct answer a;
    enum step_rc rc = asked(t, ask_sql(t, t->host, "reload_config", NULL, &a), &a, err);

    if (rc == STEP_FAIL)
        return not_yet(t, "WAIT_PROPAGATION", "the server cannot read its files: %s", a.err.msg);
    if (rc != STEP_YES)
        return rc;
    rc = asked(t, ask_sql(t, t->host, "macros", NULL, &a), &a, err);
    if (rc != STEP_YES)
        return rc;
    if (macro_of(&a, CONFIG_MACRO, &have)) {
        if (*want && strcmp(str_text(&have), want) == 0)
            return STEP_YES;
        return not_yet(t, "WAIT_PROPAGATION", "the server still sees its old files");
    }
    if (only_reload && propagation_ms > RELOAD_MS)
        propagation_ms = RELOAD_MS;
    if (world_mono(t->w) - t->attempt_ms >= propagation_ms)
        return STEP_YES;
    return not_yet(t, "WAIT_PROPAGATION", "the files need up to %lld s to reach the server",
                   (long long)propagation_ms / 1000);
}

/* The digest is older than the time files take to get into any pod: they are there, whatever came after them. */
static bool long_there(struct task *t)
{
    int64_t since_ms = fact_int(t, t->host, "configmap.since_ms", -1), now_ms = (int64_t)world_wall(t->w);

    return since_ms > 0 && now_ms - since_ms > knob_int(t, "propagation_s", 90) * 1000;
}

static enum step_rc seen_probe(struct task *t, struct err *err)
{
    if (!host_runs(t, t->host))
        return STEP_YES; /* it reads them when it starts */
    if (!fact_bool(t, t->host, "configmap.current"))
        return not_yet(t, "WAIT_PROPAGATION", "its ConfigMap is not yet as wanted");
    if (strcmp(t->step->name, "seen") == 0 && long_there(t))
        return STEP_YES;
    if (t->phase == PHASE_PROBE)
        return not_yet(t, "WAIT_PROPAGATION", "not asked yet"); /* a reload is an effect */
    return files_loaded(t, err);
}

/* ---- shutdown ---- */

static enum step_rc shutdown_probe(struct task *t, struct err *err)
{
    const char *now = fact_str(t, t->host, "pod.identity");

    (void)err;
    if (!t->baseline)
        return not_yet(t, NULL, "the server is to restart");
    if (*base_str(t, "identity") && strcmp(now, base_str(t, "identity")) == 0)
        return not_yet(t, NULL, "the old server process is still there");
    return *now ? STEP_YES : not_yet(t, "WAIT_LOADING", "the server is starting again");
}

/* When this process started, as it says itself: with that the statement can tell it from the next one. */
static enum step_rc shutdown_baseline(struct task *t, cJSON *out, struct err *err)
{
    struct answer a;
    enum step_rc rc;

    if (!host_runs(t, t->host))
        return *fact_str(t, t->host, "pod.identity") ? not_yet(t, "WAIT_LOADING", "the server does not answer")
                                                     : STEP_YES;
    rc = asked(t, ask_version(t, t->host, &a), &a, err);
    if (rc == STEP_YES)
        json_set_int(out, "started_s", t->host->started_s);
    return rc;
}

static bool other_process(struct task *t, int64_t started_s)
{
    int64_t was = json_int(t->baseline, "started_s", 0), off = started_s - was;

    return was != 0 && (off > 2 || off < -2); /* uptime and clock are read a moment apart */
}

/*
 * A session ties the look at the process to the statement that ends it: the session is made by the same request that
 * says since when the process runs, and SYSTEM SHUTDOWN demands that session (session_check). A process that started
 * meanwhile does not know it and refuses. The statement has a connection of its own and is never sent again in this
 * attempt.
 */
static enum ask_rc note_act(struct task *t, struct answer *a)
{
    auto_json cJSON *note = act_note(t);
    auto_free char *text = json_print(note);
    cJSON *more = cJSON_CreateObject();

    json_set_str(more, "key", "chfleet.io/step");
    json_set_str(more, "value", text);
    return ask_apply(t, t->host, "annotate", more, a);
}

static enum step_rc shutdown_act(struct task *t, struct err *err)
{
    auto_free char *make = mem_printf("session_id=chfleet-%lld-%u-%u-%u&session_timeout=60", (long long)t->op, t->id,
                                      t->tries, t->attempt);
    auto_free char *check = mem_printf("%s&session_check=1", make);
    const struct ask_opts first = {.settings = make}, second = {.settings = check, .alone = true, .timeout_ms = 30000};
    auto_str struct str buf = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[2];
    enum ask_rc rc;

    if (!*base_str(t, "identity"))
        return STEP_YES; /* nothing ran: what comes up now is the new process */
    rc = note_act(t, &a);
    if (rc != ASK_GOOD)
        return asked(t, rc, &a, err);
    rc = ask_sql_opts(t, t->host, "identity", NULL, &first, &a);
    if (rc != ASK_GOOD)
        return asked(t, rc, &a, err);
    rows = answer_rows(&a);
    if (sql_next(&rows, &buf, f, 2) != 2)
        return step_failed(err, ERR_SYS, "the server does not say since when it runs");
    if (other_process(t, strtoll(f[1], NULL, 10)))
        return STEP_YES; /* somebody restarted it: the probe knows the rest */
    rc = ask_sql_opts(t, t->host, "shutdown", NULL, &second, &a);
    return rc == ASK_WAIT ? STEP_WAIT : STEP_YES; /* whatever the answer was: only the identity tells */
}

/* ---- started ---- */

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

enum { CRASHES = 3, IMAGE_PATIENCE_MS = 60000 };

/* Why the pod does not get ready, for people; a server that crashes again and again, or an image that does not come,
 * ends the attempt before its deadline. */
static enum step_rc not_ready(struct task *t, struct err *err)
{
    static const char *const image[] = {"ErrImagePull",      "ImagePullBackOff",    "InvalidImageName",
                                        "ErrImageNeverPull", "RegistryUnavailable", NULL};
    static const char *const config[] = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError",
                                         NULL};
    const char *reason = fact_str(t, t->host, "pod.waiting"), *text = fact_str(t, t->host, "pod.waiting_message");
    bool late = t->begun && world_mono(t->w) - t->attempt_ms > IMAGE_PATIENCE_MS;

    if (!fact_bool(t, t->host, "pod.exists"))
        return not_yet(t, NULL, "its pod does not exist yet");
    t->polled = true; /* patience is a matter of time */
    if (is_one_of(reason, image) || is_one_of(reason, config)) {
        if (late)
            return step_failed(err, ERR_SYS, "the server cannot start: %s %s", reason, text);
        return not_yet(t, is_one_of(reason, image) ? "WAIT_IMAGE" : "WAIT_LOADING", "%s %s", reason, text);
    }
    if (strcmp(reason, "CrashLoopBackOff") == 0 || fact_int(t, t->host, "pod.restarts", 0) >= CRASHES) {
        if (late ||
            (t->begun && fact_int(t, t->host, "pod.restarts", 0) - json_int(t->baseline, "restarts", 0) >= CRASHES))
            return step_failed(err, ERR_SYS, "the server crashes while it starts: %s", text);
        return not_yet(t, "WAIT_LOADING", "the server crashed while it started: %s", text);
    }
    if (strcmp(reason, "Unschedulable") == 0 && world_mono(t->w) - t->attempt_ms >= PENDING_MS)
        return not_yet(t, "WAIT_UNSCHEDULABLE", "no node takes the pod: %s", text);
    if (strcmp(fact_str(t, t->host, "pod.phase"), "Pending") == 0 && !*fact_str(t, t->host, "pod.identity"))
        return not_yet(t,
                       *reason || world_mono(t->w) - t->attempt_ms < PENDING_MS ? "WAIT_LOADING" : "WAIT_UNSCHEDULABLE",
                       "the pod is pending: %s %s", reason, text);
    return not_yet(t, "WAIT_LOADING", "the pod is not Ready yet");
}

static enum step_rc started_baseline(struct task *t, cJSON *out, struct err *err)
{
    (void)err;
    json_set_int(out, "restarts", fact_int(t, t->host, "pod.restarts", 0));
    return STEP_YES;
}

/* Waiting for a node or an image is not starting: the time begins anew when the container runs. */
static void note_container(struct task *t)
{
    int64_t mark = *fact_str(t, t->host, "pod.identity") ? 2 : 1;

    if (t->phase == PHASE_CHECK && mark > t->progress_mark)
        t->progress_mark = mark;
}

static enum step_rc pod_ready(struct task *t, struct err *err)
{
    note_container(t);
    if (!host_runs(t, t->host) || fact_bool(t, t->host, "pod.terminating"))
        return not_ready(t, err);
    return STEP_YES;
}

/* On a cluster, an operator that has just taken over has another address than its users' files allow until they arrive. */
static bool may_be_let_in(const struct task *t)
{
    uint64_t patience_ms = (uint64_t)knob_int(t, "propagation_s", 90) * 1000;

    return strcmp(host_str(t->host, "address"), "127.0.0.1") != 0 &&
           (t->phase == PHASE_PROBE || world_mono(t->w) - t->attempt_ms < patience_ms);
}

static enum step_rc started_probe(struct task *t, struct err *err)
{
    struct answer a;
    enum step_rc rc = pod_ready(t, err);

    if (rc != STEP_YES)
        return rc;
    rc = asked(t, ask_version(t, t->host, &a), &a, err);
    if (rc == STEP_FAIL && a.err.kind != ERR_REFUSED)
        return not_yet(t, "WAIT_LOADING", "%s", a.err.msg);
    if (rc == STEP_FAIL && may_be_let_in(t))
        return not_yet(t, "WAIT_PROPAGATION", "the server does not let the operator in yet: %s", a.err.msg);
    return rc;
}

/* ---- loaded ---- */

static enum step_rc loaded_probe(struct task *t, struct err *err)
{
    const char *identity = fact_str(t, t->host, "pod.identity"), *want = host_str(t->host, "want.restart_hash");

    (void)err;
    if (!*identity)
        return not_yet(t, "WAIT_LOADING", "the server does not run");
    if (strcmp(fact_str(t, t->host, "loaded.identity"), identity) != 0)
        return not_yet(t, "WAIT_LOADING", "not known yet what the new process has loaded");
    if (*want && strcmp(fact_str(t, t->host, "loaded.restart_hash"), want) != 0)
        return not_yet(t, "WAIT_LOADING", "the process has not loaded the wanted settings");
    return STEP_YES;
}

static enum step_rc write_note(struct task *t, const char *identity, const char *version, const char *restart_hash,
                               bool unasked, struct err *err)
{
    auto_json cJSON *value = cJSON_CreateObject();
    auto_free char *text = NULL;
    cJSON *more = cJSON_CreateObject();
    struct answer a;

    json_set_str(value, "restart_hash", restart_hash);
    json_set_str(value, "identity", identity);
    json_set_str(value, "version", version);
    if (unasked)
        json_set_bool(value, "unasked", true);
    text = json_print(value);
    json_set_str(more, "key", "chfleet.io/loaded");
    json_set_str(more, "value", text);
    return asked(t, ask_apply(t, t->host, "annotate", more, &a), &a, err);
}

enum step_rc write_loaded(struct task *t, const char *version, const char *restart_hash, struct err *err)
{
    return write_note(t, fact_str(t, t->host, "pod.identity"), version, restart_hash, false, err);
}

enum step_rc write_unasked(struct task *t, bool unasked, struct err *err)
{
    return write_note(t, fact_str(t, t->host, "loaded.identity"), fact_str(t, t->host, "loaded.version"),
                      fact_str(t, t->host, "loaded.restart_hash"), unasked, err);
}

/* The image of the pod is the wanted one, the ConfigMap it read is the wanted one, and the server that answers is the
 * one whose start the facts show. */
static enum step_rc loaded_act(struct task *t, struct err *err)
{
    const char *want = host_str(t->host, "want.restart_hash");
    auto_str struct str buf = STR_INIT, have = STR_INIT, version = STR_INIT;
    struct sql_rows rows;
    struct answer a;
    const char *f[2];
    enum step_rc rc;

    if (!host_runs(t, t->host))
        return not_yet(t, "WAIT_LOADING", "the server does not run");
    if (!fact_bool(t, t->host, "pod.image_matches"))
        return not_yet(t, "WAIT_IMAGE", "the pod runs another image than wanted");
    if (*want && strcmp(fact_str(t, t->host, "configmap.restart_hash"), want) != 0)
        return not_yet(t, "WAIT_PROPAGATION", "its ConfigMap is not the wanted one");
    rc = asked(t, ask_version(t, t->host, &a), &a, err);
    if (rc != STEP_YES)
        return rc;
    rows = answer_rows(&a);
    sql_next(&rows, &buf, f, 2);
    str_add(&version, f[0]);
    rc = asked(t, ask_sql(t, t->host, "macros", NULL, &a), &a, err);
    if (rc != STEP_YES)
        return rc;
    if (*want && macro_of(&a, CONFIG_MACRO, &have) && strcmp(str_text(&have), want) != 0)
        return step_failed(err, ERR_AGAIN, "the server started with older files than wanted");
    return write_loaded(t, str_text(&version), fact_str(t, t->host, "configmap.restart_hash"), err);
}

static enum step_rc keeper_loaded_act(struct task *t, struct err *err)
{
    if (!host_runs(t, t->host) || !fact_bool(t, t->host, "pod.image_matches"))
        return not_yet(t, "WAIT_LOADING", "the member does not run the wanted image");
    return write_loaded(t, "", fact_str(t, t->host, "configmap.restart_hash"), err);
}

const struct step_fns step_process_fns[] = {
    {.name = "seen", .probe = seen_probe},
    {.name = "reload", .probe = seen_probe},
    {.name = "shutdown", .probe = shutdown_probe, .act = shutdown_act, .baseline = shutdown_baseline},
    {.name = "started", .kind = "chi", .probe = started_probe, .baseline = started_baseline},
    {.name = "loaded", .kind = "chi", .probe = loaded_probe, .act = loaded_act},
    {.name = "loaded", .kind = "chk", .probe = loaded_probe, .act = keeper_loaded_act},
    {.name = NULL},
};
