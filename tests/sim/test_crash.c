/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash matrix: test-sim-crash [--scenario NAME] [--every N] [--first N] [--record N --point P --victim V]
 * [--trace] A scenario runs once to count the records of its steps. Then it runs again for each record, each named
 * point around it and each victim, which dies there; the end must be the same fleet, each process started as often as
 * without a death, and no invariant broken on the way. All runs of a scenario begin from one prepared fleet, by fork.
 * Output is TAP.
 */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/sim/scenario.h"
#include "workers/protocol.h"

enum { EVERY = 13, FAILURES_SHOWN = 3 };

/* Around the n-th record that a worker sends to the supervisor. */
enum point { BEFORE_RECORD, AFTER_COMMIT, BEFORE_ACK, AFTER_ACK, AFTER_EFFECT, POINTS };
static const char *const point_names[] = {"before its record", "after its record, before the ack",
                                          "the ack is on its way", "after the ack, before the act",
                                          "after the act's first effect"};
enum victim { WORKER, SUPERVISOR, BOTH, SUPERVISOR_AND_JOURNAL, VICTIMS };
static const char *const victim_names[] = {"the worker", "the supervisor", "the worker and then the supervisor",
                                           "the supervisor and its journal"};

struct cut {
    struct run *r;
    unsigned record; /* from 1; 0 = only count */
    enum point point;
    enum victim victim;
    unsigned seen;
    struct world *worker;
    uint32_t seq;
    bool armed, fired;
    char what[200]; /* the record that was cut */
};

static void supervisor_dies(void *ctx)
{
    lab_super_kill(ctx);
}

static void strike(struct cut *c)
{
    struct lab *l = c->r->l;

    if (c->fired)
        return;
    c->fired = true;
    if (c->victim == WORKER) {
        sim_kill(c->worker);
        return;
    }
    if (c->victim == BOTH) {
        sim_kill(c->worker);
        sim_after(l->s, 1 + sim_random(l->s) % 4, supervisor_dies, l);
    } else {
        lab_super_kill(l);
    }
    if (c->victim == SUPERVISOR_AND_JOURNAL)
        lab_forget_journal(l);
    lab_super_restart_in(l, 20 + sim_random(l->s) % 500);
}

static void on_record(struct cut *c, const struct sim_frame *f)
{
    if (!f->after && ++c->seen == c->record) {
        c->worker = f->from;
        c->seq = f->seq;
        snprintf(c->what, sizeof c->what, "%s: %.*s", sim_name(f->from), (int)f->len, f->body);
        if (c->point == BEFORE_RECORD)
            strike(c);
    } else if (f->after && c->seen == c->record && f->from == c->worker && f->seq == c->seq &&
               c->point == AFTER_COMMIT) {
        strike(c);
    }
}

static void on_frame(void *ctx, const struct sim_frame *f)
{
    struct cut *c = ctx;

    if (f->type == MSG_RECORD)
        on_record(c, f);
    else if (f->type == MSG_ANSWER && c->worker && f->to == c->worker && f->seq == c->seq && !c->fired) {
        c->armed |= f->after;
        if (c->point == (f->after ? AFTER_ACK : BEFORE_ACK))
            strike(c);
    }
}

static void on_effect(struct cut *c)
{
    if (c->armed && c->point == AFTER_EFFECT)
        strike(c);
}

static void on_write(void *ctx, const char *method, const char *path)
{
    (void)method;
    if (!strstr(path, "/events") && !strstr(path, "/status"))
        on_effect(ctx);
}

static void on_statement(void *ctx, struct chost *h, const struct world *from, const char *sql)
{
    struct cut *c = ctx;

    (void)h;
    if (from == c->worker && strncmp(sql, "SELECT", 6) != 0)
        on_effect(c);
}

/* ---- one run, in a child ---- */

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char buf[65536];
    size_t n;

    while (in && out && (n = fread(buf, 1, sizeof buf, in)) > 0)
        fwrite(buf, 1, n, out);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
}

/* The prepared journal belongs to all runs: each gets a copy. */
static void own_journal(struct lab *l)
{
    char *mine = mem_printf("%s.%d", l->journal_dir, (int)getpid());
    DIR *d = opendir(l->journal_dir);
    struct dirent *e;

    mkdir(mine, 0700);
    while (d && (e = readdir(d))) {
        auto_free char *from = mem_printf("%s/%s", l->journal_dir, e->d_name),
                       *to = mem_printf("%s/%s", mine, e->d_name);

        if (*e->d_name != '.')
            copy_file(from, to);
    }
    if (d)
        closedir(d);
    free(l->journal_dir);
    l->journal_dir = mine;
    free(l->spare_dir);
    l->spare_dir = mem_printf("%s.spare", mine);
    mkdir(l->spare_dir, 0700);
}

static int run_cut(void *ctx, struct str *out)
{
    struct cut *c = ctx;
    struct lab *l = c->r->l;
    unsigned records;
    int rc;

    own_journal(l);
    sim_on_frame(l->s, on_frame, c);
    l->on_write = on_write;
    l->on_statement = on_statement;
    l->hook_ctx = c;
    lab_super_start(l);
    run_finish(c->r, c->victim == SUPERVISOR_AND_JOURNAL ? CHAOS_LOST : 0);
    records = c->seen;
    if (c->record == 0)
        str_addf(out, "%u\n", records);
    if (observer_count(l->obs))
        str_addf(out, "#   cut at %s\n%s", c->what, observer_text(l->obs));
    rc = observer_count(l->obs) > 0;
    run_free(c->r);
    return rc;
}

/* ---- scenarios ---- */

struct matrix {
    struct run r;
    struct scenario sc;
    unsigned records;
};

static const char *const in_matrix[] = {"create", "upgrade",   "settings", "both",       "reload", "task-id",
                                        "stop",   "scale-out", "scale-in", "shard-away", "delete"};
enum { N_IN_MATRIX = sizeof in_matrix / sizeof *in_matrix };

static bool prepare(struct matrix *m, const char *name)
{
    auto_free char *text = NULL;
    struct cut count = {.r = &m->r};

    m->sc = *scenario_named(name);
    if (m->sc.from.shards == 2 && m->sc.from.replicas == 2 && strcmp(name, "shard-away") != 0)
        m->sc.from.shards = 1; /* the same steps, half as often */
    if (!run_prepare(&m->r, &m->sc, 4242, false))
        return false;
    lab_super_kill(m->r.l);
    in_child(run_cut, &count, &text);
    m->records = text ? (unsigned)atoi(text) : 0;
    if (text && strchr(text, '\n') && strchr(text, '\n')[1])
        printf("# %s without a death: %s\n", name, strchr(text, '\n') + 1);
    return m->records > 0;
}

static bool one(struct matrix *m, unsigned record, enum point point, enum victim victim, bool show)
{
    struct cut c = {.r = &m->r, .record = record, .point = point, .victim = victim};
    auto_free char *why = NULL;
    int rc = in_child(run_cut, &c, &why);

    if (rc == 0)
        return true;
    if (show)
        printf("# %s, %s dies %s (record %u):\n%s#   again: test-sim-crash --scenario %s --record %u --point %d "
               "--victim %d --trace\n",
               m->sc.name, victim_names[victim], point_names[point], record, why ? why : "", m->sc.name, record,
               (int)point, (int)victim);
    return false;
}

static bool scenario_matrix(const char *name, unsigned every, unsigned first)
{
    struct matrix m = {0};
    unsigned runs = 0, failed = 0, n = first;

    if (!prepare(&m, name)) {
        printf("not ok crash %s: the fleet is not prepared: %s\n", name, observer_text(m.r.l->obs));
        return false;
    }
    for (unsigned record = 1; record <= m.records; record++)
        for (int point = 0; point < POINTS; point++)
            for (int victim = 0; victim < VICTIMS; victim++) {
                if (n++ % every)
                    continue;
                runs++;
                failed += !one(&m, record, (enum point)point, (enum victim)victim, failed < FAILURES_SHOWN);
            }
    printf("%s crash %s: %u records, %u of %u runs\n", failed ? "not ok" : "ok", name, m.records, runs - failed, runs);
    fflush(stdout);
    run_free(&m.r);
    return failed == 0;
}

static bool replay(const char *name, unsigned record, int point, int victim, bool trace)
{
    struct matrix m = {0};

    if (!prepare(&m, name))
        return false;
    simlog_trace(trace, NULL);
    return one(&m, record, (enum point)point, (enum victim)victim, true);
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"scenario", 1, NULL, 'n'}, {"every", 1, NULL, 'e'}, {"first", 1, NULL, 'f'},
                                          {"record", 1, NULL, 'r'},   {"point", 1, NULL, 'p'}, {"victim", 1, NULL, 'v'},
                                          {"trace", 0, NULL, 't'},    {NULL, 0, NULL, 0}};
    const char *name = NULL, *seed = getenv("CHFLEET_LONG") ? getenv("SEED") : NULL;
    unsigned every = EVERY, first = seed ? (unsigned)(strtoull(seed, NULL, 10) % EVERY) : 0, record = 0;
    int point = 0, victim = 0, c;
    bool trace = false, good = true;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            name = optarg;
            break;
        case 'e':
            every = (unsigned)atoi(optarg);
            break;
        case 'f':
            first = (unsigned)atoi(optarg);
            break;
        case 'r':
            record = (unsigned)atoi(optarg);
            break;
        case 'p':
            point = atoi(optarg);
            break;
        case 'v':
            victim = atoi(optarg);
            break;
        case 't':
            trace = true;
            break;
        default:
            return 2;
        }
    }
    if (!every || (name && !scenario_named(name)))
        return 2;
    if (record)
        return replay(name ? name : "upgrade", record, point, victim, trace) ? 0 : 1;
    for (unsigned i = 0; i < N_IN_MATRIX; i++)
        if (!name || strcmp(name, in_matrix[i]) == 0)
            good &= scenario_matrix(in_matrix[i], every, first);
    return good ? 0 : 1;
}
