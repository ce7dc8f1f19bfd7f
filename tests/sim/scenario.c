/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/sim/load.h"

#define MINUTES(n) ((n)*UINT64_C(60000))

enum { LOAD_EVERY_MS = 400 };

/* ---- chaos ---- */

static uint64_t upto(struct run *r, uint64_t n)
{
    return sim_random(r->l->s) % n;
}

static void kill_something(struct run *r)
{
    struct world *w = sim_worker_at(r->l->s, (unsigned)upto(r, 4));
    uint64_t what = upto(r, 100);

    r->deaths++;
    if (what < 40 && w) {
        log_debug("chaos", "%s dies", sim_name(w));
        sim_kill(w);
    } else if (what < 50 && w) {
        log_debug("chaos", "%s hangs", sim_name(w));
        sim_freeze(w);
    } else {
        log_debug("chaos", "the operator dies");
        if (upto(r, 2))
            lab_power_fails(r->l);
        else
            lab_super_kill(r->l);
        if (r->chaos & CHAOS_EMPTY && upto(r, 3) == 0)
            lab_forget_journal(r->l);
        lab_super_restart_in(r->l, upto(r, 20) ? 50 + upto(r, 3000) : upto(r, 120000));
    }
}

static void reaper(void *ctx)
{
    struct run *r = ctx;

    if (r->over || !(r->chaos & CHAOS_DEATH) || r->deaths >= 40)
        return;
    if (r->l->super_w)
        kill_something(r);
    /* Sometimes in quick succession, mostly with time to get something done. */
    sim_after(r->l->s, upto(r, 3) ? 500 + upto(r, 40000) : upto(r, 200), reaper, r);
}

static void chaos_begins(struct run *r)
{
    struct sim_faults *f = sim_faults(r->l->s);
    struct hosts_knobs *k = hosts_knobs(r->l->hosts);

    if (r->chaos & CHAOS_NETWORK) {
        f->http_drop_permille = (unsigned)upto(r, 20);
        f->http_lose_permille = (unsigned)upto(r, 20);
        f->http_error_permille = (unsigned)upto(r, 30);
        f->max_latency_ms = 3 + (unsigned)upto(r, 60);
        r->l->watch = (struct watch_faults){(unsigned)upto(r, 3000), 100, 20, 20};
        k->slow_permille = (unsigned)upto(r, 20);
        k->hang_permille = (unsigned)upto(r, 4);
        k->error_permille = (unsigned)upto(r, 15);
    }
    if (r->chaos & CHAOS_DEATH)
        sim_after(r->l->s, upto(r, 3000), reaper, r);
}

static void chaos_ends(struct run *r)
{
    struct hosts_knobs *k = hosts_knobs(r->l->hosts);

    r->over = true;
    *sim_faults(r->l->s) = (struct sim_faults){.error_prefix = sim_faults(r->l->s)->error_prefix};
    r->l->watch = (struct watch_faults){0};
    k->slow_permille = k->hang_permille = k->error_permille = 0;
    lab_super_start(r->l);
}

/* ---- a run ---- */

void run_apply(struct run *r)
{
    free(r->text);
    r->text = lab_demo(&r->shape);
    lab_apply(r->l, r->text);
}

bool run_prepare(struct run *r, const struct scenario *sc, uint64_t seed, bool dns)
{
    *r = (struct run){.l = lab_new(seed, dns), .sc = sc, .shape = sc->from};
    lab_super_start(r->l);
    if (!sc->from.shards)
        return true;
    run_apply(r);
    if (!lab_wait_completed(r->l, "demo", HOURS(3))) {
        observer_violation(r->l->obs, "the fleet to begin with is not completed");
        return false;
    }
    lab_schema(r->l, "demo");
    lab_run(r->l, MINUTES(2));
    return true;
}

static void guard_begins(struct run *r)
{
    observer_mark(r->l->obs);
    if (!r->sc->from.shards)
        return;
    if (!r->sc->no_load)
        load_start(r->l->load, "clickhouse-demo", LOAD_EVERY_MS);
    lab_run(r->l, 2000);
    observer_guard(r->l->obs, !r->sc->unguarded);
}

static void audit(struct run *r)
{
    auto_free char *bad = observer_audit(r->l->obs, "demo", true);

    if (bad)
        observer_violation(r->l->obs, "[5] in the end %s", bad);
}

static void expect_starts(struct run *r)
{
    unsigned each = (unsigned)r->sc->starts, again = r->sc->proves && r->chaos & (CHAOS_EMPTY | CHAOS_LOST);

    if (r->sc->starts >= 0)
        observer_expect_starts_within(r->l->obs, each, each + again);
}

/* Live equals desired: nothing is written, whoever looks. */
static void idle(struct run *r)
{
    uint64_t before;
    char *end;

    observer_calm(r->l->obs, true);
    lab_run(r->l, MINUTES(3));
    before = r->l->writes;
    r->l->write_log[0] = '\0';
    lab_run(r->l, MINUTES(10));
    lab_super_kill(r->l);
    lab_super_start(r->l);
    lab_run(r->l, MINUTES(10));
    end = r->l->write_log;
    if (r->l->writes != before)
        observer_violation(r->l->obs, "[6] %llu writes though nothing is to be done, the last: %.300s",
                           (unsigned long long)(r->l->writes - before), end);
}

static void does_not_end(struct lab *l)
{
    auto_json cJSON *status = l->super ? super_status(l->super) : NULL;
    const cJSON *h;

    observer_violation(l->obs, "it does not end: %s", json_str(lab_chi(l, "demo"), "status.error", "no error is said"));
    cJSON_ArrayForEach(h, json_at(status, "installations.0.hosts"))
        log_warn(json_str(h, "key", ""), "%s %s: %s %s %s", json_str(h, "action", ""), json_str(h, "state", ""),
                 json_str(h, "step", ""), json_str(h, "waiting", ""), json_str(h, "text", ""));
}

static void all_loaded(struct run *r)
{
    const struct chost *h;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++)
        if (chost_left_out(h))
            observer_violation(r->l->obs, "%s serves without %s", chost_pod(h), chost_left_out(h));
}

void run_finish(struct run *r, unsigned chaos)
{
    struct lab *l = r->l;

    guard_begins(r);
    r->chaos = chaos;
    r->changed_ms = sim_now(l->s);
    hosts_knobs(l->hosts)->left_out_permille = r->sc->left_out;
    chaos_begins(r);
    r->sc->change(r);
    if (!(r->sc->done ? r->sc->done(r) : lab_wait_completed(l, "demo", HOURS(12))))
        does_not_end(l);
    chaos_ends(r);
    lab_run(l, MINUTES(5));
    if (lab_chi(l, "demo"))
        audit(r);
    all_loaded(r);
    if (r->sc->judge)
        r->sc->judge(r);
    load_stop(l->load);
    lab_run(l, 20000);
    expect_starts(r);
    idle(r);
    expect_starts(r);
    if (simlog_leaks())
        observer_violation(l->obs, "[9] a password is in the log");
}

/* ---- parts of scenarios ---- */

bool run_completed(struct run *r)
{
    return lab_wait_completed(r->l, "demo", HOURS(12));
}

void run_change_image(struct run *r)
{
    r->shape.image = LAB_NEW_IMAGE;
    run_apply(r);
}

void run_change_setting(struct run *r)
{
    r->shape.settings = SETTING("200");
    run_apply(r);
}

void run_judge_schema(struct run *r)
{
    struct chost *h;

    for (size_t i = 0; (h = hosts_at(r->l->hosts, i)); i++) {
        auto_free char *gap = chost_state(h) == CHOST_UP
                                  ? hosts_schema_gap(r->l->hosts, "default/chi-demo-main-0-0-0", chost_pod(h))
                                  : NULL;

        if (gap)
            observer_violation(r->l->obs, "%s lacks %s", chost_pod(h), gap);
        if (chost_state(h) == CHOST_UP && !chost_current(h, 60000))
            observer_violation(r->l->obs, "%s has not all rows", chost_pod(h));
    }
}

void run_free(struct run *r)
{
    lab_free(r->l);
    free(r->text);
}

/* ---- processes of their own ---- */

static void read_all(int fd, struct str *out)
{
    char buf[4096];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0)
        str_addn(out, buf, (size_t)n);
}

static _Noreturn void child(int fd, int (*fn)(void *ctx, struct str *out), void *ctx)
{
    struct str out = STR_INIT;
    int rc = fn(ctx, &out);
    size_t at = 0;
    ssize_t n;

    while (at < out.len && (n = write(fd, out.s + at, out.len - at)) > 0)
        at += (size_t)n;
    _exit(rc); /* what killed processes of the simulation left behind is no leak */
}

int in_child(int (*fn)(void *ctx, struct str *out), void *ctx, char **text)
{
    struct str out = STR_INIT;
    int fds[2], status = 0;
    pid_t pid;

    *text = NULL;
    if (pipe(fds) < 0)
        return 127;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(fds[1], fn, ctx);
    }
    close(fds[1]);
    read_all(fds[0], &out);
    close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return 127;
    if (WIFSIGNALED(status))
        str_addf(&out, "ended by signal %d\n", WTERMSIG(status));
    *text = str_take(&out);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct one {
    const struct scenario *sc;
    uint64_t seed;
    bool dns, trace;
    unsigned chaos;
};

/* The first line is the digest, the rest are violations. */
static int run_one(void *ctx, struct str *out)
{
    const struct one *o = ctx;
    struct run r;
    int rc;

    if (o->trace)
        simlog_trace(true, NULL);
    if (run_prepare(&r, o->sc, o->seed, o->dns))
        run_finish(&r, o->chaos);
    str_addf(out, "%016" PRIx64 "\n%s", simlog_digest() ^ sim_random(r.l->s), observer_text(r.l->obs));
    rc = observer_count(r.l->obs) > 0;
    run_free(&r);
    return rc;
}

int scenario_run(const struct scenario *sc, uint64_t seed, bool dns, unsigned chaos, bool trace, uint64_t *digest,
                 char **why)
{
    struct one o = {sc, seed, dns, trace, chaos};
    auto_free char *text = NULL;
    int rc = in_child(run_one, &o, &text);
    char *rest = text;

    if (text && strchr(text, '\n')) {
        uint64_t sum = strtoull(text, &rest, 16);

        rest += *rest == '\n';
        if (digest)
            *digest = sum;
    }
    *why = mem_str(rest ? rest : "");
    return rc;
}
