/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for the story: clients that never retry, and remember what was acknowledged.
 *
 *   story-load --http HOST:PORT --native HOST:PORT --cluster-table app.ev_all --seconds N [--first-id N] [--fresh]
 *
 * HTTP clients (new connection for each query, and kept-alive ones) run plain and Distributed selects; one inserts batches
 * through the Distributed table with insert_distributed_sync=1; one runs clickhouse-client through the native port. --fresh: nobody keeps a connection, for a balancer that cannot move those. At
 * SIGTERM or after N seconds it prints one JSON line: queries, failures with their texts, ids acknowledged [first, next).
 */
#include <curl/curl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { BATCH_ROWS = 50, ERRORS_KEPT = 20 };

struct load {
    const char *http, *native, *table, *client;
    double seconds;
    bool fresh;
    long first_id;
    atomic_bool stop;
    atomic_long ok, failed, acked_rows, next_id, native_ok;
    pthread_mutex_t lock;
    cJSON *errors;
};

struct client {
    struct load *l;
    const char *kind, *query;
    bool keep;
    unsigned pause_us;
    pthread_t thread;
};

static struct load *signalled;

static void on_term(int signo)
{
    (void)signo;
    atomic_store(&signalled->stop, true);
}

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void failed(struct load *l, const char *kind, const char *text)
{
    time_t t = time(NULL);

    atomic_fetch_add(&l->failed, 1);
    pthread_mutex_lock(&l->lock);
    if (cJSON_GetArraySize(l->errors) < ERRORS_KEPT) {
        auto_free char *line = mem_printf("%ld %s: %.300s", (long)t, kind, text);

        json_add_str(l->errors, line);
    }
    pthread_mutex_unlock(&l->lock);
}

static size_t take(char *data, size_t size, size_t n, void *out)
{
    str_addn(out, data, size * n);
    return size * n;
}

/* One query; true when it was answered with 200 and no error text. */
static bool query(struct load *l, CURL *c, const char *sql, const char *params, struct str *answer, struct str *why)
{
    auto_free char *url = mem_printf("http://%s/?wait_end_of_query=1%s", l->http, params);
    char text[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode rc;

    str_reset(answer);
    str_reset(why);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, sql);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    rc = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (rc != CURLE_OK)
        str_addf(why, "%s", *text ? text : curl_easy_strerror(rc));
    else if (status != 200)
        str_addf(why, "HTTP %ld %s", status, str_text(answer));
    return rc == CURLE_OK && status == 200;
}

static void *run_selects(void *ctx)
{
    struct client *me = ctx;
    struct load *l = me->l;
    bool keep = me->keep && !l->fresh;
    auto_str struct str answer = STR_INIT, why = STR_INIT;
    CURL *c = curl_easy_init();

    while (!atomic_load(&l->stop)) {
        curl_easy_setopt(c, CURLOPT_FORBID_REUSE, keep ? 0L : 1L);
        curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, keep ? 0L : 1L);
        if (query(l, c, me->query, "", &answer, &why))
            atomic_fetch_add(&l->ok, 1);
        else
            failed(l, me->kind, str_text(&why));
        usleep(me->pause_us);
    }
    curl_easy_cleanup(c);
    return NULL;
}

static void *run_inserts(void *ctx)
{
    struct client *me = ctx;
    struct load *l = me->l;
    auto_str struct str answer = STR_INIT, why = STR_INIT, sql = STR_INIT;
    CURL *c = curl_easy_init();

    curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
    while (!atomic_load(&l->stop)) {
        long from = atomic_load(&l->next_id);

        str_reset(&sql);
        str_addf(&sql, "INSERT INTO %s SELECT toDate('2026-01-01'), %ld + number, 'x' FROM numbers(%d)", l->table, from, BATCH_ROWS);
        if (query(l, c, str_text(&sql), "&insert_distributed_sync=1", &answer, &why)) {
            atomic_fetch_add(&l->ok, 1);
            atomic_fetch_add(&l->acked_rows, BATCH_ROWS);
        } else {
            failed(l, me->kind, str_text(&why));
        }
        atomic_store(&l->next_id, from + BATCH_ROWS);
        usleep(me->pause_us);
    }
    curl_easy_cleanup(c);
    return NULL;
}

/* One clickhouse-client run; its words on failure. */
static int run_client(struct load *l, const char *sql, char *out, size_t size)
{
    auto_free char *host = mem_str(l->native);
    char *colon = strrchr(host, ':');
    auto_free char *command = NULL;
    FILE *p;
    size_t n;

    *colon = '\0';
    command = mem_printf("%s --host %s --port %s --query \"%s\" 2>&1", l->client, host, colon + 1, sql);
    p = popen(command, "r");
    if (!p)
        return -1;
    n = fread(out, 1, size - 1, p);
    out[n] = '\0';
    return pclose(p);
}

static void *run_native(void *ctx)
{
    struct client *me = ctx;
    struct load *l = me->l;
    char out[600];

    while (!atomic_load(&l->stop)) {
        if (run_client(l, me->query, out, sizeof out) == 0) {
            atomic_fetch_add(&l->ok, 1);
            atomic_fetch_add(&l->native_ok, 1);
        } else {
            failed(l, me->kind, out);
        }
        usleep(me->pause_us);
    }
    return NULL;
}

static int parse(int argc, char **argv, struct load *l)
{
    static const struct option longs[] = {{"http", 1, NULL, 'h'},     {"native", 1, NULL, 'n'},  {"cluster-table", 1, NULL, 't'},
                                          {"seconds", 1, NULL, 's'}, {"first-id", 1, NULL, 'f'}, {"client", 1, NULL, 'c'},
                                          {"fresh", 0, NULL, 'F'},   {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        switch (c) {
        case 'h': l->http = optarg; break;
        case 'n': l->native = optarg; break;
        case 't': l->table = optarg; break;
        case 's': l->seconds = atof(optarg); break;
        case 'f': l->first_id = atol(optarg); break;
        case 'c': l->client = optarg; break;
        case 'F': l->fresh = true; break;
        default: return -1;
        }
    return l->http && l->table ? 0 : -1;
}

static void report(struct load *l, double seconds)
{
    auto_json cJSON *j = cJSON_CreateObject();
    auto_free char *text = NULL;

    json_set_int(j, "ok", atomic_load(&l->ok));
    json_set_int(j, "failed", atomic_load(&l->failed));
    json_set_int(j, "native_ok", atomic_load(&l->native_ok));
    json_set_int(j, "per_second", (int64_t)((double)atomic_load(&l->ok) / seconds));
    json_set_int(j, "acked_rows", atomic_load(&l->acked_rows));
    json_set_int(j, "first_id", l->first_id);
    json_set_int(j, "next_id", atomic_load(&l->next_id));
    json_set(j, "errors", json_copy(l->errors));
    text = json_print(j);
    puts(text);
}

int main(int argc, char **argv)
{
    static struct load l = {.client = "clickhouse-client", .seconds = 30, .lock = PTHREAD_MUTEX_INITIALIZER};
    auto_free char *plain = NULL, *distributed = NULL;
    double start;

    if (parse(argc, argv, &l) < 0) {
        fputs("usage: story-load --http HOST:PORT [--native HOST:PORT] --cluster-table DB.TABLE [--seconds N] [--first-id N] [--client PROGRAM] [--fresh]\n", stderr);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    l.errors = cJSON_CreateArray();
    atomic_store(&l.next_id, l.first_id);
    plain = mem_str("SELECT sum(number) FROM numbers(1000)");
    distributed = mem_printf("SELECT count(), max(id) FROM %s", l.table);
    struct client clients[] = {
        {&l, "plain", plain, false, 12000, 0},       {&l, "plain", plain, false, 12000, 0},
        {&l, "plain", plain, false, 12000, 0},       {&l, "plain", plain, false, 12000, 0},
        {&l, "kept", plain, true, 12000, 0},         {&l, "kept", plain, true, 12000, 0},
        {&l, "distributed", distributed, false, 25000, 0}, {&l, "distributed", distributed, true, 25000, 0},
        {&l, "insert", NULL, false, 150000, 0},      {&l, "native", plain, false, 100000, 0},
        {&l, "native-distributed", distributed, false, 200000, 0},
    };
    size_t n = sizeof clients / sizeof *clients;

    signalled = &l;
    signal(SIGTERM, on_term);
    signal(SIGINT, on_term);
    start = now_s();
    for (size_t i = 0; i < n; i++) {
        bool native = str_starts(clients[i].kind, "native");

        if (native && !l.native)
            continue;
        pthread_create(&clients[i].thread, NULL, native ? run_native : clients[i].query ? run_selects : run_inserts, &clients[i]);
    }
    while (!atomic_load(&l.stop) && now_s() - start < l.seconds)
        usleep(20000);
    atomic_store(&l.stop, true);
    for (size_t i = 0; i < n; i++)
        if (clients[i].thread)
            pthread_join(clients[i].thread, NULL);
    report(&l, now_s() - start);
    cJSON_Delete(l.errors);
    return atomic_load(&l.failed) ? 1 : 0;
}
