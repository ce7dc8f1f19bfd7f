/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-sim-scenarios [--scenario NAME] [--seed N] [--runs N] [--chaos N] [--trace] [--digest]
 * Each scenario over many seeds: odd ones as on a cluster, even ones as in the plane; without faults, with a bad
 * network, with deaths, with both. A seed that fails prints how to play it again. Then the seeds that failed once, and
 * whether a seed gives the same run in another process with another environment. SIM_RUNS=N in the environment: N seeds
 * of each scenario only. Output is TAP.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    bool trace, digest;
};

/* What failed once. */
static const struct {
    const char *scenario;
    uint64_t seed;
    unsigned chaos;
} once[] = {
    {"generation", 5, 2},        /* a server's pod was evicted while its shard's task was at another host */
    {"generation", 32633481, 6}, /* a leave that nobody asked for again after a death */
    {"evict", 1075, 3},          /* a server that restarted while it caught up */
    {"evict", 3019, 3},          /* a worker that hung while a request that it had given up was still waited for */
    {"disk-full", 12, 0},        /* an operation whose end was not written was taken up after another one */
    {"scale-out", 1054, 7},      /* a list that no peer had loaded in time */
    {"two", 9, 6},               /* a server without a replicated table was taken for one that is read-only */
    {"two", 12, 0},
    {"two", 40, 2},
    {"keeper-volumes", 7, 3}, /* a member that serves waited for one that was half moved, and that one for it */
    {"keeper-volumes", 16, 2},
};

static unsigned level_of(const struct options *o, uint64_t seed)
{
    return o->chaos >= 0 ? (unsigned)o->chaos : levels[seed / 2 % N_LEVELS];
}

static bool one_seed(const struct scenario *sc, const struct options *o, uint64_t seed, bool show)
{
    unsigned chaos = level_of(o, seed);
    auto_free char *why = NULL;
    uint64_t digest = 0;
    int rc = scenario_run(sc, seed, seed & 1, chaos, o->trace, &digest, &why);

    if (o->digest)
        printf("# digest %s %llu %u: %016" PRIx64 "\n", sc->name, (unsigned long long)seed, chaos, digest);
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

static bool failed_once(void)
{
    unsigned n = sizeof once / sizeof *once, failed = 0;

    for (unsigned i = 0; i < n; i++) {
        struct options o = {once[i].scenario, once[i].seed, 1, (int)once[i].chaos, false, false};

        failed += !one_seed(scenario_named(o.scenario), &o, o.seed, true);
    }
    printf("%s seeds that failed once (%u of %u)\n", failed ? "not ok" : "ok", n - failed, n);
    fflush(stdout);
    return failed == 0;
}

/* The same seed in another process, with other addresses, contents of fresh memory, time zone, language and folder. */
static bool digest_elsewhere(const struct scenario *sc, uint64_t seed, uint64_t *digest)
{
    char exe[512], line[200] = "";
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    auto_free char *cmd = NULL;
    const char *colon;
    FILE *p;

    exe[n > 0 ? n : 0] = '\0';
    cmd = mem_printf("TZ=Asia/Tokyo LC_ALL=C HOME=/nonexistent MALLOC_PERTURB_=165 MALLOC_ARENA_MAX=1 '%s' --digest "
                     "--scenario %s --seed %llu --runs 1",
                     exe, sc->name, (unsigned long long)seed);
    p = popen(cmd, "r");
    while (p && fgets(line, sizeof line, p) && !strstr(line, "digest "))
        continue;
    if (p)
        pclose(p);
    colon = strrchr(line, ':');
    *digest = colon ? strtoull(colon + 1, NULL, 16) : 0;
    return colon != NULL;
}

static bool same_everywhere(void)
{
    const struct scenario *sc;
    unsigned failed = 0, i;

    for (i = 0; (sc = scenario_at(i)); i++) {
        struct options o = {NULL, 0, 1, -1, false, false};
        uint64_t seed = 2 * i + 3 + i % 2, here = 0, there = 1;
        auto_free char *why = NULL;

        scenario_run(sc, seed, seed & 1, level_of(&o, seed), false, &here, &why);
        if (!digest_elsewhere(sc, seed, &there) || here != there) {
            printf("# %s, seed %llu: %016" PRIx64 " here, %016" PRIx64 " in another process\n", sc->name,
                   (unsigned long long)seed, here, there);
            failed++;
        }
    }
    printf("%s the same seed gives the same run in another process (%u of %u)\n", failed ? "not ok" : "ok", i - failed,
           i);
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
                                          {"chaos", 1, NULL, 'c'},    {"trace", 0, NULL, 't'}, {"digest", 0, NULL, 'd'},
                                          {NULL, 0, NULL, 0}};
    struct options o = {NULL, seed_of_today(), RUNS, -1, false, false};
    const char *few = getenv("SIM_RUNS"); /* so many seeds, and nothing else: with sanitizers */
    const struct scenario *sc;
    bool good = true;
    int c;

    few = few && *few ? few : NULL;
    if (few) {
        o.runs = (unsigned)atoi(few);
        o.seed = 5; /* with deaths */
    }
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
        case 'd':
            o.digest = true;
            break;
        default:
            return 2;
        }
    }
    if (o.scenario && !scenario_named(o.scenario)) {
        fprintf(stderr, "no scenario \"%s\"\n", o.scenario);
        return 2;
    }
    for (unsigned i = 0; (sc = scenario_at(i)); i++)
        if (!o.scenario || strcmp(o.scenario, sc->name) == 0)
            good &= one_scenario(sc, &o);
    if (argc == 1 && !few) {
        good &= failed_once();
        good &= same_everywhere();
    }
    return good ? 0 : 1;
}
