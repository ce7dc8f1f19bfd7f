/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash matrix: test-sim-crash [--scenario NAME] [--every N] [--first N] [--record N --point P --victim V]
 * [--list] [--trace] A scenario runs once to list the records of its steps. Then it runs again, and somebody dies at
 * one named point around one record; the end must be the same fleet, each process started as often as without a death,
 * and no invariant broken on the way. All runs of a scenario begin from one prepared fleet, by fork.
 *
 * Without options: at each point of each record of each step of each table somebody dies once, victims taking turns,
 * and at the end model/steps.c is gone over: nothing may be missing. --every N: each Nth of all records x points x
 * victims of the scenarios, from --first; so do the long runs, and their seed says which. Output is TAP.
 */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/sim/cells.h"
#include "tests/sim/scenario.h"
#include "workers/protocol.h"

enum { EVERY_LONG = 29, FAILURES_SHOWN = 3 };

enum victim { WORKER, SUPERVISOR, BOTH, SUPERVISOR_AND_JOURNAL, VICTIMS };
static const char *const victim_names[] = {"the worker", "the supervisor", "the worker and then the supervisor",
                                           "the supervisor and its journal"};

struct cut {
    struct run *r;
    unsigned record; /* from 1; 0 = only list */
    enum point point;
    enum victim victim;
    unsigned seen;
    struct world *worker;
    uint32_t seq;
    bool armed, fired;
    char what[200]; /* the record that was cut */
    /* for the list */
    struct tasks tasks;
    struct record *records;
    struct world *last_worker; /* the newest record, and whether its ack came */
    uint32_t last_seq;
    bool last_acked;
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

static void note(struct cut *c, const struct sim_frame *f)
{
    struct record rec;

    if (!tasks_record(&c->tasks, f, &rec))
        observer_violation(c->r->l->obs, "a record of no step table: %.*s", (int)f->len, f->body);
    c->records = mem_grow(c->records, c->seen, sizeof *c->records);
    c->records[c->seen - 1] = rec;
    c->last_worker = f->from;
    c->last_seq = f->seq;
    c->last_acked = false;
}

static void on_record(struct cut *c, const struct sim_frame *f)
{
    c->seen += !f->after;
    if (c->record == 0) {
        if (!f->after)
            note(c, f);
    } else if (!f->after && c->seen == c->record) {
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

    tasks_frame(&c->tasks, f);
    if (f->type == MSG_RECORD)
        on_record(c, f);
    else if (f->type == MSG_ANSWER && f->after && f->to == c->last_worker && f->seq == c->last_seq)
        c->last_acked = true;
    else if (f->type == MSG_ANSWER && c->worker && f->to == c->worker && f->seq == c->seq && !c->fired) {
        c->armed |= f->after;
        if (c->point == (f->after ? AFTER_ACK : BEFORE_ACK))
            strike(c);
    }
}

static void on_effect(struct cut *c)
{
    if (c->record == 0 && c->last_acked && !c->records[c->seen - 1].result)
        c->records[c->seen - 1].acts = true;
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
    if (from == (c->record ? c->worker : c->last_worker) && strncmp(sql, "SELECT", 6) != 0)
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

/* Lines "TABLE STEP RESULT ACTS". */
static void list_records(const struct cut *c, struct str *out)
{
    for (unsigned i = 0; i < c->seen; i++)
        if (c->records[i].table)
            str_addf(out, "%s %s %d %d\n", c->records[i].table->name,
                     c->records[i].table->steps[c->records[i].step].name, c->records[i].result, c->records[i].acts);
}

/* The first line says whether somebody died; or the list. Then "#" and what is wrong. */
static int run_cut(void *ctx, struct str *out)
{
    struct cut *c = ctx;
    struct lab *l = c->r->l;
    int rc;

    own_journal(l);
    sim_on_frame(l->s, on_frame, c);
    l->on_write = on_write;
    l->on_statement = on_statement;
    l->hook_ctx = c;
    lab_super_start(l);
    run_finish(c->r, c->victim == SUPERVISOR_AND_JOURNAL ? CHAOS_LOST : 0);
    if (c->record == 0)
        list_records(c, out);
    else
        str_addf(out, "%d\n", c->fired);
    if (observer_count(l->obs))
        str_addf(out, "#   cut at %s\n%s", c->what, observer_text(l->obs));
    rc = observer_count(l->obs) > 0;
    tasks_free(&c->tasks);
    free(c->records);
    run_free(c->r);
    return rc;
}

/* ---- scenarios ---- */

struct matrix {
    struct run r;
    struct scenario sc;
    struct record *records;
    unsigned n;
    unsigned runs, failed;
};

/* All of these together do every step of every table. */
static const char *const in_matrix[] = {"create",
                                        "upgrade",
                                        "settings",
                                        "both",
                                        "reload",
                                        "task-id",
                                        "stop",
                                        "scale-out",
                                        "scale-in",
                                        "shard-away",
                                        "delete",
                                        "grow",
                                        "grow-lazy",
                                        "provisioner",
                                        "storage-class",
                                        "logs-away",
                                        "class-and-image",
                                        "disk-gone",
                                        "node-gone",
                                        "known-name",
                                        "take-back",
                                        "rollback",
                                        "ephemeral",
                                        "ephemeral-setting",
                                        "ephemeral-logs",
                                        "ephemeral-evicted",
                                        "ephemeral-scaled",
                                        "keeper",
                                        "keeper-settings",
                                        "keeper-scale",
                                        "keeper-grow",
                                        "keeper-grow-and-image",
                                        "keeper-move",
                                        "keeper-rebuild",
                                        "keeper-stop",
                                        "volume-renamed",
                                        "grow-and-image",
                                        "keeper-volumes",
                                        "lost-table",
                                        "keeper-interrupted",
                                        "keeper-forgotten",
                                        "left-out",
                                        "left-out-setting",
                                        "left-out-logs",
                                        "stop-left-out",
                                        "crash-left-out",
                                        "rollback-left-out"};
enum { N_IN_MATRIX = sizeof in_matrix / sizeof *in_matrix };

static bool needs_two(const char *name)
{
    static const char *const names[] = {"shard-away", "node-gone", "rollback", "rollback-left-out", "grow-and-image", NULL};

    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void read_record(struct matrix *m, const char *line)
{
    char table[64], step[64];
    int result, acts;
    struct record rec;

    if (sscanf(line, "%63s %63s %d %d", table, step, &result, &acts) != 4 || !(rec.table = steps_table(table)))
        return;
    rec.result = result;
    rec.acts = acts;
    for (rec.step = 0; rec.step < rec.table->n_steps - 1 && strcmp(rec.table->steps[rec.step].name, step) != 0;)
        rec.step++;
    m->records = mem_grow(m->records, m->n + 1, sizeof *m->records);
    m->records[m->n++] = rec;
}

static bool prepare(struct matrix *m, const char *name)
{
    auto_free char *text = NULL;
    struct cut list = {.r = &m->r};
    char *bad;
    int rc;

    m->sc = *scenario_named(name);
    m->sc.from.hooks = true;
    if (m->sc.from.shards == 2 && m->sc.from.replicas == 2 && !needs_two(name))
        m->sc.from.shards = 1; /* the same steps, half as often */
    if (!run_prepare(&m->r, &m->sc, 4242, false)) {
        printf("not ok crash %s: the fleet is not prepared: %s\n", name, observer_text(m->r.l->obs));
        return false;
    }
    lab_super_kill(m->r.l);
    rc = in_child(run_cut, &list, &text);
    bad = text ? strchr(text, '#') : NULL;
    for (char *p = text, *end; p && p != bad && (end = strchr(p, '\n')); p = end + 1)
        read_record(m, p);
    if (rc != 0 || m->n == 0)
        printf("not ok crash %s: without a death: %s\n", name, bad ? bad : "nothing is recorded");
    return rc == 0 && m->n > 0;
}

static void forget(struct matrix *m)
{
    run_free(&m->r);
    free(m->records);
}

/* One run. *fired: somebody died. */
static void one(struct matrix *m, unsigned record, enum point point, enum victim victim, bool *fired)
{
    struct cut c = {.r = &m->r, .record = record, .point = point, .victim = victim};
    auto_free char *why = NULL;
    int rc = in_child(run_cut, &c, &why);
    const char *text = why && strchr(why, '\n') ? strchr(why, '\n') + 1 : "";

    *fired = why && *why == '1';
    m->runs++;
    if (rc == 0 || m->failed++ >= FAILURES_SHOWN)
        return;
    printf("# %s, %s dies %s (record %u):\n%s#   again: test-sim-crash --scenario %s --record %u --point %d "
           "--victim %d --trace\n",
           m->sc.name, victim_names[victim], point_names[point], record, rc > 1 ? why : text, m->sc.name, record,
           (int)point, (int)victim);
}

static bool say(const struct matrix *m, const char *which)
{
    printf("%s crash %s: %s of %u records, %u of %u runs\n", m->failed ? "not ok" : "ok", m->sc.name, which, m->n,
           m->runs - m->failed, m->runs);
    fflush(stdout);
    return m->failed == 0;
}

/* Somebody dies where nobody has died yet. */
static bool new_cells(const char *name, struct cells *cells, unsigned *turn)
{
    struct matrix m = {0};
    bool good = prepare(&m, name), fired;

    for (unsigned i = 0; good && i < m.n; i++)
        for (int p = 0; p < POINTS; p++) {
            unsigned *died = cells_at(cells, &m.records[i], (enum point)p);

            if (*died || !record_has(&m.records[i], (enum point)p))
                continue;
            one(&m, i + 1, (enum point)p, (enum victim)(*turn % VICTIMS), &fired);
            *died += fired;
            *turn += 1 + (p == 0); /* not always the same victim at the same point */
        }
    if (good)
        good = say(&m, "new points");
    forget(&m);
    return good;
}

static bool each_nth(const char *name, unsigned every, unsigned first)
{
    struct matrix m = {0};
    bool good = prepare(&m, name), fired;
    unsigned n = first;

    for (unsigned i = 0; good && i < m.n; i++)
        for (int p = 0; p < POINTS; p++)
            for (int victim = 0; victim < VICTIMS && record_has(&m.records[i], (enum point)p); victim++)
                if (n++ % every == 0)
                    one(&m, i + 1, (enum point)p, (enum victim)victim, &fired);
    if (good)
        good = say(&m, every == 1 ? "all points" : "some points");
    forget(&m);
    return good;
}

static bool replay(const char *name, unsigned record, int point, int victim, bool trace)
{
    struct matrix m = {0};
    bool fired = false;

    if (!prepare(&m, name))
        return false;
    simlog_trace(trace, NULL);
    one(&m, record, (enum point)point, (enum victim)victim, &fired);
    printf("%s, and %s\n", m.failed ? "failed" : "good", fired ? "somebody died" : "nobody died");
    return m.failed == 0;
}

static bool list(const char *name)
{
    struct matrix m = {0};
    bool good = prepare(&m, name);

    for (unsigned i = 0; i < m.n; i++)
        printf("%s %u %s %s %s%s\n", name, i + 1, m.records[i].table->name,
               m.records[i].table->steps[m.records[i].step].name, m.records[i].result ? "result" : "begun",
               m.records[i].acts ? " acts" : "");
    forget(&m);
    return good;
}

static bool complete(const struct cells *cells)
{
    auto_str struct str missing = STR_INIT;
    unsigned n = cells_missing(cells, &missing);

    printf("%s%s each point of each record of each step of each table has seen a death (%u missing)\n",
           str_text(&missing), n ? "not ok" : "ok", n);
    return n == 0;
}

struct options {
    const char *name;
    unsigned every, first, record;
    int point, victim;
    bool trace, list;
};

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"scenario", 1, NULL, 'n'}, {"every", 1, NULL, 'e'}, {"first", 1, NULL, 'f'},
                                          {"record", 1, NULL, 'r'},   {"point", 1, NULL, 'p'}, {"victim", 1, NULL, 'v'},
                                          {"trace", 0, NULL, 't'},    {"list", 0, NULL, 'l'},  {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'n')
            o->name = optarg;
        else if (c == 'e')
            o->every = (unsigned)atoi(optarg);
        else if (c == 'f')
            o->first = (unsigned)atoi(optarg);
        else if (c == 'r')
            o->record = (unsigned)atoi(optarg);
        else if (c == 'p')
            o->point = atoi(optarg) % POINTS;
        else if (c == 'v')
            o->victim = atoi(optarg) % VICTIMS;
        else if (c == 't')
            o->trace = true;
        else if (c == 'l')
            o->list = true;
        else
            return -1;
    }
    return o->name && !scenario_named(o->name) ? -1 : 0;
}

static bool all_of(const struct options *o)
{
    struct cells cells = cells_new();
    const char *few = getenv("SIM_RUNS"), *seed = getenv("SEED");
    unsigned turn = o->first, n = N_IN_MATRIX, from = 0;
    bool good = true;

    few = few && *few ? few : NULL;
    if (few) { /* so many scenarios, by the seed, and nothing else: with sanitizers */
        n = (unsigned)atoi(few);
        from = seed ? (unsigned)(strtoull(seed, NULL, 10) % N_IN_MATRIX) : 0;
    }
    for (unsigned k = 0; k < n && k < N_IN_MATRIX; k++) {
        unsigned i = (from + k) % N_IN_MATRIX;

        if (o->name && strcmp(o->name, in_matrix[i]) != 0)
            continue;
        if (o->list)
            good &= list(in_matrix[i]);
        else
            good &= new_cells(in_matrix[i], &cells, &turn);
        if (o->every && !o->list)
            good &= each_nth(in_matrix[i], o->every, o->first);
    }
    if (!o->name && !o->list && !few)
        good &= complete(&cells);
    cells_free(&cells);
    return good;
}

int main(int argc, char **argv)
{
    const char *seed = getenv("CHFLEET_LONG") ? getenv("SEED") : NULL;
    struct options o = {.every = seed ? EVERY_LONG : 0,
                        .first = seed ? (unsigned)(strtoull(seed, NULL, 10) % 1000) : 0};

    int rc;

    if (parse(argc, argv, &o) < 0)
        return 2;
    if (o.record)
        rc = !replay(o.name ? o.name : "upgrade", o.record, o.point, o.victim, o.trace);
    else if (o.list && o.name)
        rc = !list(o.name);
    else
        rc = !all_of(&o);
    fflush(NULL);
    _exit(rc); /* what killed processes of the simulation left behind is no leak */
}
