/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios: from a fleet that is complete, a change, and what must be true in the end, whatever was lost or died
 * on the way. Used by the scenario test, the crash matrix and the mutants.
 */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "tests/sim/lab.h"

struct run;

struct scenario {
    const char *name, *what;
    struct shape from; /* the fleet before; shards 0: none, the change creates it */
    void (*change)(struct run *r);
    bool (*done)(struct run *r);  /* runs until the end is reached; false: not in time. NULL: Completed */
    void (*judge)(struct run *r); /* more than the audit; may be NULL */
    unsigned left_out;            /* of 1000: how often a server comes up without a table of its disk; in the end none is */
    int starts;                   /* of each process that was there, after the change; -1: judge knows */
    bool proves;    /* that data is elsewhere; who has lost his journal starts a stopped host to prove it again */
    bool unguarded; /* shards may go dark and queries may fail: it is the owner's word */
    bool no_load;
};

extern const struct scenario more_scenarios[], keeper_scenarios[]; /* the last one has no name */
const struct scenario *scenario_at(unsigned i);                    /* all; NULL after the last */
const struct scenario *scenario_named(const char *name);           /* NULL */

enum {
    CHAOS_NETWORK = 1, /* lost requests and answers, 500 and 429, bad watches, slow and lying servers */
    CHAOS_DEATH = 2,   /* supervisor and workers die and hang at any time */
    CHAOS_EMPTY = 4,   /* sometimes the next supervisor begins with an empty journal */
    CHAOS_ALL = 7,
    CHAOS_LOST = 8, /* no chaos by itself: the caller takes a journal away */
};

struct run {
    struct lab *l;
    const struct scenario *sc;
    unsigned chaos;
    bool over;          /* chaos ends */
    struct shape shape; /* as it is now */
    char *text;         /* last applied */
    uint64_t changed_ms;
    unsigned deaths;
    unsigned members; /* of Keeper, whose quorum must stay; 0: nobody looks */
};

#define SETTING(n) "\"keep_alive_timeout\":\"" n "\"" /* only a restart loads it */

/* Parts of many scenarios. */
bool run_completed(struct run *r); /* waits for it, 12 hours at most */
void run_change_image(struct run *r);
void run_change_setting(struct run *r);
void run_judge_schema(struct run *r); /* all hosts have the tables and the rows of the first one */

/* Brings the fleet to scenario->from, without chaos. False: it did not get there (violations say why). */
bool run_prepare(struct run *r, const struct scenario *sc, uint64_t seed, bool dns);
/* The change, the chaos, the wait, the judgement. */
void run_finish(struct run *r, unsigned chaos);
void run_apply(struct run *r); /* r->shape */
void run_free(struct run *r);

/* All of it in a process of its own. 0: kept all; else violations are in *why (caller frees). The digest is of the
 * whole run: all that happened, and when; may be NULL. */
int scenario_run(const struct scenario *sc, uint64_t seed, bool dns, unsigned chaos, bool trace, uint64_t *digest,
                 char **why);
/* Runs fn(ctx) in a child process; its text comes back. Returns what fn returned (0..125), or 128 + signal. */
int in_child(int (*fn)(void *ctx, struct str *out), void *ctx, char **text);

#endif
