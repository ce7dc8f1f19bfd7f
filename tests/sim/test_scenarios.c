/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-sim-scenarios [--scenario NAME] [--seed N] [--runs N] [--chaos N] [--trace]
 * Each scenario over many seeds: odd ones as on a cluster, even ones as in the plane; without faults, with a bad
 * network, with deaths, with both. A seed that fails prints how to play it again. Output is TAP.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/scenario.h"

enum { RUNS = 12, FAILURES_SHOWN = 2 };

static const unsigned levels[] = {
    0, CHAOS_NETWORK, CHAOS_DEATH, CHAOS_NETWORK | CHAOS_DEATH, CHAOS_DEATH | CHAOS_EMPTY, CHAOS_ALL};
enum { N_LEVELS = sizeof levels / sizeof *levels };

struct options {
    const char *scenario;
    uint64_t seed;
    unsigned runs;
    int chaos; /* -1: by the seed */
    bool trace;
};

static bool one_seed(const struct scenario *sc, const struct options *o, uint64_t seed, bool show)
{
    unsigned chaos = o->chaos >= 0 ? (unsigned)o->chaos : levels[seed / 2 % N_LEVELS];
    auto_free char *why = NULL;
    int rc = scenario_run(sc, seed, seed & 1, chaos, o->trace, &why);

    if (rc == 0)
        return true;
    if (show)
        printf("# %s, seed %llu (chaos %u):\n%s#   again: test-sim-scenarios --scenario %s --seed %llu --chaos %u "
               "--runs 1 --trace\n",
               sc->name, (unsigned long long)seed, chaos, why ? why : "", sc->name, (unsigned long long)seed, chaos);
    return false;
}

static bool one_scenario(const struct scenario *sc, const struct options *o)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < o->runs; i++)
        failed += !one_seed(sc, o, o->seed + i, failed < FAILURES_SHOWN);
    printf("%s %s: %s (%u of %u seeds from %llu)\n", failed ? "not ok" : "ok", sc->name, sc->what, o->runs - failed,
           o->runs, (unsigned long long)o->seed);
    fflush(stdout);
    return failed == 0;
}

static uint64_t seed_of_today(void)
{
    const char *env = getenv("CHFLEET_LONG") ? getenv("SEED") : NULL; /* new seeds are for the long runs */

    return env ? strtoull(env, NULL, 10) % 1000000 * 64 : 1;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"scenario", 1, NULL, 'n'}, {"seed", 1, NULL, 's'},  {"runs", 1, NULL, 'r'},
                                          {"chaos", 1, NULL, 'c'},    {"trace", 0, NULL, 't'}, {NULL, 0, NULL, 0}};
    struct options o = {NULL, seed_of_today(), RUNS, -1, false};
    bool good = true;
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            o.scenario = optarg;
            break;
        case 's':
            o.seed = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            o.runs = (unsigned)atoi(optarg);
            break;
        case 'c':
            o.chaos = atoi(optarg);
            break;
        case 't':
            o.trace = true;
            break;
        default:
            return 2;
        }
    }
    if (o.scenario && !scenario_named(o.scenario)) {
        fprintf(stderr, "no scenario \"%s\"\n", o.scenario);
        return 2;
    }
    for (unsigned i = 0; i < n_scenarios; i++)
        if (!o.scenario || strcmp(o.scenario, scenarios[i].name) == 0)
            good &= one_scenario(&scenarios[i], &o);
    return good ? 0 : 1;
}
