/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-journal DIR [steps|recovery|archive N]: durable steps per second against SQLite alone with the same rows and
 * batches, opening and walking 100,000 steps, bytes of N archived rollouts of 300 shards × 2 hosts. DIR is on the disk
 * to be measured; what is made there is removed.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/journal.h"

enum { SHARDS = 300, HOSTS = 2, RECOVERY_STEPS = 100000, STEPS_PER_TASK = 24 };

/* ---- a world of clocks ---- */

static uint64_t clock_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Archived rollouts take hours of simulated time. */
struct bench_world {
    struct world world;
    uint64_t ahead_ms;
};

static uint64_t mono(struct world *w)
{
    return clock_ms(CLOCK_MONOTONIC) + ((struct bench_world *)w)->ahead_ms;
}

static uint64_t wall(struct world *w)
{
    return clock_ms(CLOCK_REALTIME) + ((struct bench_world *)w)->ahead_ms;
}

static const char *boot_id(struct world *w)
{
    (void)w;
    return "5b1a7d0e-8f42-4c39-a5f1-0d6c2b9e7a31";
}

static const struct world_ops ops = {.mono_ms = mono, .wall_ms = wall, .boot_id = boot_id};

/* ---- one journal under measurement ---- */

struct bench {
    struct bench_world world;
    struct event_base *base;
    struct journal *j;
    char *dir;
    uint64_t put, acked, want; /* the loop ends at `want` acks */
    uint64_t seed;
};

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "bench-journal: %s: %s\n", what, err->msg);
    exit(1);
}

static void open_journal(struct bench *b)
{
    struct err err = ERR_INIT;

    if (journal_open(&b->j, b->dir, &b->world.world, b->base, JOURNAL_NO_BALLAST, &err) < 0)
        die("open", &err);
}

static void remove_files(const char *dir)
{
    static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.lock",
                                        "ballast",    "raw.db",         "raw.db-wal",     "raw.db-shm"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        auto_free char *path = mem_printf("%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void on_ack(void *ctx, const struct err *err)
{
    struct bench *b = ctx;

    if (err)
        die("record", err);
    if (++b->acked >= b->want)
        event_base_loopbreak(b->base);
}

static void put(struct bench *b, struct journal_rec rec)
{
    journal_put(b->j, &rec, on_ack, b);
    b->put++;
}

/* Waits until no more than `left` records are without an ack. */
static void wait_for(struct bench *b, uint64_t left)
{
    b->want = b->put - left;
    if (b->put > left && b->acked < b->want)
        event_base_dispatch(b->base);
}

static uint64_t rnd(struct bench *b, uint64_t below)
{
    b->seed ^= b->seed << 13;
    b->seed ^= b->seed >> 7;
    b->seed ^= b->seed << 17;
    return (b->seed >> 11) % below;
}

/* ---- durable steps per second ---- */

static const char baseline[] = "{\"podUID\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"containerID\":\"containerd://"
                               "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\","
                               "\"startedAt\":\"2026-01-02T03:04:05Z\"}";

static struct journal_rec step_rec(int i, enum journal_type type)
{
    struct journal_rec r = {.type = type,
                            .op = 1,
                            .task = 1 + (uint32_t)(i / STEPS_PER_TASK),
                            .object = "ns/inst/c/0/0",
                            .name = "stop",
                            .attempt = (uint32_t)i,
                            .text = baseline};

    if (type == JRN_STEP_END) {
        r.outcome = OUT_DONE;
        r.text = "stopped after 4 s";
    }
    return r;
}

static void begin_tasks(struct bench *b, uint64_t op, uint32_t task, int steps)
{
    put(b, (struct journal_rec){.type = JRN_OP_BEGIN,
                                .op = op,
                                .object = "ns/inst",
                                .kind = "ClickHouseInstallation",
                                .generation = 1,
                                .text = "{}"});
    for (int t = 0; t <= steps / STEPS_PER_TASK; t++)
        put(b, (struct journal_rec){.type = JRN_TASK,
                                    .op = op,
                                    .task = task + (uint32_t)t,
                                    .object = "ns/inst/c/0",
                                    .name = "shard",
                                    .text = "{}"});
    wait_for(b, 0);
}

/* With `alone` nothing is put until the batch is acknowledged; else one batch is put while the one before is being
 * written, as records of many workers are. */
static void put_batch(struct bench *b, int from, int to, enum journal_type type, int steps, bool alone)
{
    if (from >= steps)
        return;
    for (int i = from; i < to && i < steps; i++)
        put(b, step_rec(i, type));
    event_base_loop(b->base, EVLOOP_NONBLOCK); /* the round ends */
    wait_for(b, alone ? 0 : (uint64_t)(to - from));
}

static double journal_steps(struct bench *b, int steps, int batch, bool alone)
{
    double from;

    mkdir(b->dir, 0700);
    open_journal(b);
    begin_tasks(b, 1, 1, steps);
    from = seconds();
    for (int i = 0; i < steps; i += 2 * batch) {
        put_batch(b, i, i + batch, JRN_STEP_BEGIN, steps, alone);
        put_batch(b, i + batch, i + 2 * batch, JRN_STEP_BEGIN, steps, alone);
        put_batch(b, i, i + batch, JRN_STEP_END, steps, alone);
        put_batch(b, i + batch, i + 2 * batch, JRN_STEP_END, steps, alone);
    }
    wait_for(b, 0);
    from = seconds() - from;
    journal_close(b->j);
    remove_files(b->dir);
    return steps / from;
}

static void must(sqlite3 *db, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
        return;
    fprintf(stderr, "bench-journal: SQLite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;

    must(db, sqlite3_prepare_v2(db, sql, -1, &s, NULL));
    return s;
}

static void raw_row(sqlite3 *db, sqlite3_stmt *s, const struct journal_rec *r)
{
    sqlite3_bind_int64(s, 1, r->task);
    sqlite3_bind_text(s, 2, r->object, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, r->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, r->attempt);
    sqlite3_bind_int64(s, 5, (int64_t)clock_ms(CLOCK_REALTIME));
    sqlite3_bind_int64(s, 6, r->type == JRN_STEP_END ? (int64_t)r->outcome : (int64_t)clock_ms(CLOCK_MONOTONIC));
    sqlite3_bind_text(s, 7, r->text, -1, SQLITE_STATIC);
    if (r->type == JRN_STEP_BEGIN)
        sqlite3_bind_text(s, 8, boot_id(NULL), -1, SQLITE_STATIC);
    must(db, sqlite3_step(s));
    sqlite3_reset(s);
}

static double raw_steps(const char *dir, int steps, int batch)
{
    static const char schema[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE step (task "
                                 "INTEGER NOT NULL, object TEXT NOT "
                                 "NULL, name TEXT NOT NULL, attempt INTEGER NOT NULL, seq INTEGER NOT NULL, begun_ms "
                                 "INTEGER NOT NULL, mono_ms INTEGER "
                                 "NOT NULL, boot TEXT NOT NULL, ended_ms INTEGER, outcome INTEGER NOT NULL DEFAULT 0, "
                                 "baseline TEXT, detail TEXT, "
                                 "PRIMARY KEY (task, object, name, attempt)) STRICT, WITHOUT ROWID";
    auto_free char *path = mem_printf("%s/raw.db", dir);
    sqlite3_stmt *s[4];
    sqlite3 *db;
    double from;

    mkdir(dir, 0700);
    must(NULL, sqlite3_open(path, &db));
    must(db, sqlite3_exec(db, schema, NULL, NULL, NULL));
    s[0] = prepare(db, "BEGIN IMMEDIATE");
    s[1] = prepare(db, "COMMIT");
    s[2] = prepare(db, "INSERT INTO step VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?8, NULL, 0, ?7, NULL)");
    s[3] = prepare(
        db, "UPDATE step SET ended_ms = ?5, outcome = ?6, detail = ?7 WHERE task = ?1 AND object = ?2 AND name = ?3 "
            "AND attempt = ?4");
    from = seconds();
    for (int i = 0; i < steps; i += batch)
        for (int end = 0; end < 2; end++) {
            must(db, sqlite3_step(s[0]));
            sqlite3_reset(s[0]);
            for (int k = i; k < i + batch && k < steps; k++) {
                struct journal_rec r = step_rec(k, end ? JRN_STEP_END : JRN_STEP_BEGIN);
                raw_row(db, s[2 + end], &r);
            }
            must(db, sqlite3_step(s[1]));
            sqlite3_reset(s[1]);
        }
    from = seconds() - from;
    for (int i = 0; i < 4; i++)
        sqlite3_finalize(s[i]);
    sqlite3_close(db);
    remove_files(dir);
    return steps / from;
}

/* The disk's own speed changes while others use it: journal and SQLite take turns, the middle of the ratios counts. */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void bench_steps(struct bench *b)
{
    static const struct {
        int batch, steps;
    } runs[] = {{1, 300}, {16, 3200}, {150, 15000}, {1000, 60000}};
    enum { ROUNDS = 5 };

    printf("%8s %12s %18s %18s\n", "batch", "SQLite/s", "journal/s, alone", "journal/s, busy");
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        double ratio[2][ROUNDS], ours[2] = {0, 0}, raw = 0;

        for (int k = 0; k < ROUNDS; k++) {
            double r = raw_steps(b->dir, runs[i].steps, runs[i].batch);
            raw += r / ROUNDS;
            for (int busy = 0; busy < 2; busy++) {
                double o = journal_steps(b, runs[i].steps, runs[i].batch, !busy);
                ratio[busy][k] = o / r;
                ours[busy] += o / ROUNDS;
            }
        }
        for (int busy = 0; busy < 2; busy++)
            qsort(ratio[busy], ROUNDS, sizeof(double), by_value);
        printf("%8d %12.0f %11.0f = %.2f %11.0f = %.2f\n", runs[i].batch, raw, ours[0], ratio[0][ROUNDS / 2], ours[1],
               ratio[1][ROUNDS / 2]);
    }
}

/* ---- recovery ---- */

struct walk {
    struct journal *j;
    uint64_t steps;
    double first; /* time of the first step */
};

static int walk_step(void *ctx, const struct journal_step *s)
{
    struct walk *w = ctx;

    (void)s;
    if (w->steps++ == 0)
        w->first = seconds();
    return 0;
}

static int walk_task(void *ctx, const struct journal_task *t)
{
    return journal_each_step(((struct walk *)ctx)->j, t->task, walk_step, ctx);
}

static int walk_op(void *ctx, const struct journal_op *op)
{
    return journal_each_task(((struct walk *)ctx)->j, op->op, walk_task, ctx);
}

static void measure_open(struct bench *b, const char *what)
{
    double from = seconds(), opened, walked;
    struct walk w = {0};

    open_journal(b);
    opened = seconds();
    w.j = b->j;
    journal_each_open_op(b->j, walk_op, &w);
    walked = seconds();
    printf("%-38s open %5.1f ms", what, (opened - from) * 1e3);
    if (w.steps)
        printf(", first step at %5.1f ms, all %" PRIu64 " at %5.1f ms", (w.first - from) * 1e3, w.steps,
               (walked - from) * 1e3);
    puts("");
    journal_close(b->j);
}

static void copy_file(const char *from_dir, const char *to_dir, const char *name)
{
    auto_free char *from = mem_printf("%s/%s", from_dir, name), *to = mem_printf("%s/%s", to_dir, name);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char buf[65536];
    size_t n;

    if (!in || !out) {
        fprintf(stderr, "bench-journal: copy %s: %s\n", from, strerror(errno));
        exit(1);
    }
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        fwrite(buf, 1, n, out);
    fclose(in);
    fclose(out);
}

static void fill_steps(struct bench *b, int tasks_open)
{
    int tasks = RECOVERY_STEPS / STEPS_PER_TASK;

    begin_tasks(b, 1, 1, RECOVERY_STEPS);
    for (int i = 0; i < RECOVERY_STEPS; i++) {
        char host[64], name[32];
        struct journal_rec r = step_rec(i, JRN_STEP_BEGIN);

        snprintf(host, sizeof host, "ns/inst/c/%d/%d", i / STEPS_PER_TASK, i % 2);
        snprintf(name, sizeof name, "step-%d", i % STEPS_PER_TASK / 2);
        r.object = host;
        r.name = name;
        r.attempt = 1;
        put(b, r);
        r.type = JRN_STEP_END;
        r.outcome = OUT_DONE;
        r.text = "done";
        if (i % STEPS_PER_TASK < STEPS_PER_TASK - 2)
            put(b, r);
        wait_for(b, 20000);
    }
    for (int t = tasks_open; t < tasks; t++)
        put(b, (struct journal_rec){.type = JRN_TASK_END, .op = 1, .task = 1 + (uint32_t)t, .outcome = OUT_DONE});
    wait_for(b, 0);
}

/* As a kill leaves it: the WAL not yet in the file. */
static void measure_killed(struct bench *b, const char *what)
{
    auto_free char *crashed = mem_printf("%s-crashed", b->dir);
    struct bench killed = *b;

    mkdir(crashed, 0700);
    copy_file(b->dir, crashed, "journal.db");
    copy_file(b->dir, crashed, "journal.db-wal");
    killed.dir = crashed;
    measure_open(&killed, what);
    remove_files(crashed);
}

static void recovery_case(struct bench *b, int tasks_open, const char *what)
{
    auto_free char *clean = mem_printf("%s, closed", what), *killed = mem_printf("%s, killed", what);

    mkdir(b->dir, 0700);
    open_journal(b);
    fill_steps(b, tasks_open);
    measure_killed(b, killed);
    journal_close(b->j);
    measure_open(b, clean);
    remove_files(b->dir);
}

static void bench_recovery(struct bench *b)
{
    recovery_case(b, RECOVERY_STEPS, "100,000 steps, all open");
    recovery_case(b, 150, "3,600 open, 96,400 archived");
}

/* ---- size of archived rollouts ---- */

static const char *const host_steps[] = {"settings", "leave", "propagate", "drain",    "identity", "stop",
                                         "start",    "ping",  "loaded",    "catch-up", "join",     "verify"};
enum { N_STEPS = sizeof host_steps / sizeof *host_steps };

static void random_hex(struct bench *b, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = "0123456789abcdef"[rnd(b, 16)];
    out[n] = '\0';
}

/* An identity as a kubelet reports it: nothing in it comes back. */
static char *identity(struct bench *b)
{
    char uid[33], id[65];
    time_t t = (time_t)(wall(&b->world.world) / 1000);
    struct tm tm;

    random_hex(b, uid, 32);
    random_hex(b, id, 64);
    gmtime_r(&t, &tm);
    return mem_printf(
        "{\"podUID\":\"%.8s-%.4s-%.4s-%.4s-%.12s\",\"containerID\":\"containerd://%s\",\"startedAt\":\"%04d-%02d-"
        "%02dT%02d:%02d:%02dZ\"}",
        uid, uid + 8, uid + 12, uid + 16, uid + 20, id, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
        tm.tm_min, tm.tm_sec);
}

static char *detail(struct bench *b, int step)
{
    switch (step) {
    case 2:
        return mem_printf("%d of %d peers have loaded generation %d", (int)rnd(b, 600), 599, 1000 + (int)rnd(b, 4000));
    case 3:
        return mem_printf("%d queries ended, 0 left", (int)rnd(b, 500));
    case 5:
        return mem_printf("stopped after %d.%d s", (int)rnd(b, 60), (int)rnd(b, 10));
    case 8:
        return mem_printf("%d parts loaded", (int)rnd(b, 30000));
    case 9:
        return mem_printf("log pointer %d, queue 0, delay %d s", (int)rnd(b, 90000000), (int)rnd(b, 5));
    default:
        return NULL;
    }
}

static void host_rollout(struct bench *b, uint64_t op, uint32_t task, int shard, int replica)
{
    auto_free char *before = identity(b), *after = identity(b);
    char host[64];

    snprintf(host, sizeof host, "prod/events/main/%d/%d", shard, replica);
    for (int i = 0; i < N_STEPS; i++) {
        auto_free char *text = detail(b, i);
        struct journal_rec r = {.type = JRN_STEP_BEGIN,
                                .op = op,
                                .task = task,
                                .object = host,
                                .name = host_steps[i],
                                .attempt = 1,
                                .text = i == 4 || i == 5 ? before
                                        : i > 5          ? after
                                                         : NULL};
        put(b, r);
        b->world.ahead_ms += rnd(b, i == 8 ? 60000 : 6000);
        r.type = JRN_STEP_END;
        r.outcome = i == 7 ? OUT_ALREADY : OUT_DONE;
        r.text = text;
        put(b, r);
        b->world.ahead_ms += rnd(b, 20);
    }
}

static char *plan_text(void)
{
    auto_str struct str s = STR_INIT;

    str_add(&s, "{\"object\":\"prod/events\",\"generation\":7,\"hosts\":[");
    for (int i = 0; i < SHARDS * HOSTS; i++)
        str_addf(
            &s,
            "%s{\"key\":\"prod/events/main/%d/%d\",\"action\":\"restart\",\"reason\":\"spec.configuration.settings."
            "max_concurrent_queries: 100 → 150 (and 2 more)\",\"wave\":%d}",
            i ? "," : "", i / HOSTS, i % HOSTS, i % 8);
    str_add(&s, "],\"tasks\":[");
    for (int i = 0; i < SHARDS; i++)
        str_addf(&s, "%s{\"table\":\"shard\",\"object\":\"prod/events/main/%d\",\"wave\":%d,\"hosts\":[%d,%d]}",
                 i ? "," : "", i, i / 40, 2 * i, 2 * i + 1);
    str_add(&s, "]}");
    return str_take(&s);
}

static void rollout(struct bench *b, const char *plan)
{
    uint64_t op = journal_next_op(b->j);

    put(b, (struct journal_rec){.type = JRN_OP_BEGIN,
                                .op = op,
                                .object = "prod/events",
                                .kind = "ClickHouseInstallation",
                                .generation = (int64_t)op,
                                .text = plan});
    for (int shard = 0; shard < SHARDS; shard++) {
        char object[64], text[128];
        uint32_t task = journal_next_task(b->j);

        snprintf(object, sizeof object, "prod/events/main/%d", shard);
        snprintf(text, sizeof text, "{\"table\":\"shard\",\"object\":\"%s\",\"wave\":%d,\"hosts\":[%d,%d]}", object,
                 shard / 40, 2 * shard, 2 * shard + 1);
        put(b, (struct journal_rec){.type = JRN_TASK,
                                    .op = op,
                                    .task = task,
                                    .wave = (uint32_t)shard / 40,
                                    .object = object,
                                    .name = "shard",
                                    .text = text});
        for (int replica = 0; replica < HOSTS; replica++)
            host_rollout(b, op, task, shard, replica);
        put(b, (struct journal_rec){.type = JRN_TASK_END, .op = op, .task = task, .outcome = OUT_DONE});
        wait_for(b, 20000);
    }
    put(b, (struct journal_rec){.type = JRN_OP_END, .op = op, .outcome = OUT_DONE});
}

static int64_t file_size(const char *dir, const char *name)
{
    auto_free char *path = mem_printf("%s/%s", dir, name);
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void bench_archive(struct bench *b, int n)
{
    auto_free char *plan = plan_text();
    double from = seconds();
    int64_t size;

    mkdir(b->dir, 0700);
    open_journal(b);
    for (int i = 0; i < n; i++)
        rollout(b, plan);
    wait_for(b, 0);
    from = seconds() - from;
    begin_tasks(b, journal_next_op(b->j), journal_next_task(b->j), RECOVERY_STEPS / 100);
    measure_killed(b, "all of that, killed");
    journal_close(b->j);
    size = file_size(b->dir, "journal.db");
    printf("%d rollouts of %d shards x %d, %d steps each host: %.1f MiB, %.1f KiB each, %.0f bytes per task, %.0f s\n",
           n, SHARDS, HOSTS, N_STEPS, (double)size / 1048576, (double)size / n / 1024, (double)size / n / SHARDS, from);
    remove_files(b->dir);
}

int main(int argc, char **argv)
{
    struct bench b = {.world = {{&ops}, 0}, .seed = 88172645463325252};
    const char *what = argc > 2 ? argv[2] : "all";
    bool all = strcmp(what, "all") == 0;

    if (argc < 2) {
        fprintf(stderr, "usage: bench-journal DIR [steps|recovery|archive [N]]\n");
        return 2;
    }
    b.dir = mem_printf("%s/bench-journal.%d", argv[1], (int)getpid());
    b.base = event_base_new();
    if (all || strcmp(what, "steps") == 0)
        bench_steps(&b);
    if (all || strcmp(what, "recovery") == 0)
        bench_recovery(&b);
    if (all || strcmp(what, "archive") == 0)
        bench_archive(&b, argc > 3 ? atoi(argv[3]) : 20);
    event_base_free(b.base);
    free(b.dir);
    return 0;
}
