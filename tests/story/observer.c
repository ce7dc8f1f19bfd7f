/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observer of the story: it asks servers, and nobody else, whether the invariants hold.
 *
 *   story-observer --hosts FILE [--interval-ms N] [--seen FILE]
 *
 * FILE has one line per host, "SHARD NAME ADDRESS:HTTPPORT", and is read again when it changes (hosts come and go by the
 * owner's word, not by ours). Every interval each host is asked for its uptime; --seen is made when each has answered once:
 * what happens to a host before that is not seen. At SIGTERM one JSON line says: for each
 * host how often it started, for each shard the longest time without any answering replica and the most replicas that were
 * out at one moment. Exit status 1 when a shard of two or more replicas was ever without one, or had two out at once.
 */
#include <curl/curl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define CLOCK_SLACK_S 0.1 /* its clock and ours may drift apart by so much during a story */

struct watched {
    char shard[128], name[128], url[160];
    bool seen;    /* has answered once: from then on its silence counts */
    bool answers; /* in this round */
    bool late;    /* its last answer did not come in time: once, that may be a busy machine, and it counts as before */
    bool up, listed;
    long starts;
    double asked, answered;           /* of this round; monotonic seconds, as are: */
    double began_after, began_before; /* between these its process began, by all it has said of its uptime */
    struct str answer;
    CURL *c;
};

struct shard_view {
    char name[128];
    double dark_since, dark_longest;
    int out_most;
};

struct observer {
    const char *file, *seen_file;
    struct timespec mtime;
    struct watched *hosts;
    size_t n_hosts;
    struct shard_view *shards;
    size_t n_shards;
    CURLM *multi;
    unsigned interval_ms;
    long rounds;
};

static volatile sig_atomic_t ended;

static void on_term(int signo)
{
    (void)signo;
    ended = 1;
}

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* When it is here it was said before, however long we were kept from looking. */
static size_t take(char *data, size_t size, size_t n, void *host)
{
    struct watched *h = host;

    h->answered = now_s();
    str_addn(&h->answer, data, size * n);
    return size * n;
}

static struct watched *host_named(struct observer *o, const char *name)
{
    for (size_t i = 0; i < o->n_hosts; i++)
        if (strcmp(o->hosts[i].name, name) == 0)
            return &o->hosts[i];
    o->hosts = mem_grow(o->hosts, o->n_hosts + 1, sizeof *o->hosts);
    memset(&o->hosts[o->n_hosts], 0, sizeof *o->hosts);
    snprintf(o->hosts[o->n_hosts].name, sizeof o->hosts->name, "%s", name);
    return &o->hosts[o->n_hosts++];
}

static struct shard_view *shard_named(struct observer *o, const char *name)
{
    for (size_t i = 0; i < o->n_shards; i++)
        if (strcmp(o->shards[i].name, name) == 0)
            return &o->shards[i];
    o->shards = mem_grow(o->shards, o->n_shards + 1, sizeof *o->shards);
    memset(&o->shards[o->n_shards], 0, sizeof *o->shards);
    snprintf(o->shards[o->n_shards].name, sizeof o->shards->name, "%s", name);
    return &o->shards[o->n_shards++];
}

static void read_hosts(struct observer *o)
{
    struct stat st;
    char shard[128], name[128], address[128];
    FILE *f;

    if (stat(o->file, &st) < 0 || memcmp(&st.st_mtim, &o->mtime, sizeof st.st_mtim) == 0)
        return;
    f = fopen(o->file, "r");
    if (!f)
        return;
    o->mtime = st.st_mtim;
    for (size_t i = 0; i < o->n_hosts; i++)
        o->hosts[i].listed = false;
    while (fscanf(f, "%127s %127s %127s", shard, name, address) == 3) {
        struct watched *h = host_named(o, name);

        h->listed = true;
        snprintf(h->shard, sizeof h->shard, "%s", shard);
        snprintf(h->url, sizeof h->url, "http://%s/?query=SELECT%%20uptime()", address);
        shard_named(o, shard);
    }
    fclose(f);
}

static void ask_all(struct observer *o)
{
    int running = 0;
    CURLMsg *m;
    int left;

    for (size_t i = 0; i < o->n_hosts; i++) {
        struct watched *h = &o->hosts[i];

        if (!h->listed) {
            h->up = false;
            continue;
        }
        str_reset(&h->answer);
        h->asked = now_s();
        h->c = curl_easy_init();
        curl_easy_setopt(h->c, CURLOPT_URL, h->url);
        curl_easy_setopt(h->c, CURLOPT_TIMEOUT_MS, 1500L);
        curl_easy_setopt(h->c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(h->c, CURLOPT_FORBID_REUSE, 1L);
        curl_easy_setopt(h->c, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* a pod comes back with another address */
        curl_easy_setopt(h->c, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(h->c, CURLOPT_WRITEDATA, h);
        curl_easy_setopt(h->c, CURLOPT_PRIVATE, (void *)i);
        curl_multi_add_handle(o->multi, h->c);
    }
    do {
        curl_multi_perform(o->multi, &running);
        if (running)
            curl_multi_poll(o->multi, NULL, 0, 50, NULL);
    } while (running);
    while ((m = curl_multi_info_read(o->multi, &left))) {
        struct watched *h;
        bool late = m->data.result == CURLE_OPERATION_TIMEDOUT;
        long status = 0;
        void *i = NULL;

        curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&i);
        h = &o->hosts[(size_t)i];
        h->answers = m->data.result == CURLE_OK && status == 200;
        h->up = h->answers || (late && !h->late && h->up);
        h->late = late;
    }
    for (size_t i = 0; i < o->n_hosts; i++)
        if (o->hosts[i].c) {
            curl_multi_remove_handle(o->multi, o->hosts[i].c);
            curl_easy_cleanup(o->hosts[i].c);
            o->hosts[i].c = NULL;
        }
}

/* Uptime is cut to whole seconds, and was true at some moment between question and answer: each answer says between which
 * two moments the process began. All answers of one process agree; one that says "later" is of another. */
static void count_starts(struct watched *h)
{
    double uptime, after, before;

    if (!h->answers)
        return;
    uptime = atof(str_text(&h->answer));
    after = h->asked - uptime - 1 - CLOCK_SLACK_S;
    before = h->answered - uptime + CLOCK_SLACK_S;
    if (!h->seen || after > h->began_before) {
        h->starts++;
        h->began_after = after;
        h->began_before = before;
    }
    h->began_after = after > h->began_after ? after : h->began_after;
    h->began_before = before < h->began_before ? before : h->began_before;
    h->seen = true;
}

static void judge(struct observer *o)
{
    for (size_t s = 0; s < o->n_shards; s++) {
        struct shard_view *v = &o->shards[s];
        int all = 0, up = 0;

        for (size_t i = 0; i < o->n_hosts; i++)
            if (o->hosts[i].listed && o->hosts[i].seen && strcmp(o->hosts[i].shard, v->name) == 0) {
                all++;
                up += o->hosts[i].up;
            }
        if (all < 2)
            continue;
        if (all - up > v->out_most)
            v->out_most = all - up;
        if (up > 0) {
            v->dark_since = 0;
        } else {
            if (v->dark_since == 0)
                v->dark_since = now_s();
            if (now_s() - v->dark_since + o->interval_ms / 1000.0 > v->dark_longest)
                v->dark_longest = now_s() - v->dark_since + o->interval_ms / 1000.0;
        }
    }
}

static void tell_when_seen(struct observer *o)
{
    FILE *f;

    for (size_t i = 0; i < o->n_hosts; i++)
        if (o->hosts[i].listed && !o->hosts[i].seen)
            return;
    if (!o->seen_file || !o->n_hosts)
        return;
    f = fopen(o->seen_file, "w");
    if (f)
        fclose(f);
    o->seen_file = NULL;
}

static int report(struct observer *o)
{
    auto_json cJSON *j = cJSON_CreateObject();
    cJSON *hosts = json_set_obj(j, "starts"), *shards = json_set_obj(j, "shards");
    auto_free char *text = NULL;
    bool bad = false;

    for (size_t i = 0; i < o->n_hosts; i++)
        json_set_int(hosts, o->hosts[i].name, o->hosts[i].starts);
    for (size_t i = 0; i < o->n_shards; i++) {
        cJSON *s = json_set_obj(shards, o->shards[i].name);

        json_set_int(s, "dark_ms", (int64_t)(o->shards[i].dark_longest * 1000));
        json_set_int(s, "most_out", o->shards[i].out_most);
        bad |= o->shards[i].dark_longest > 0 || o->shards[i].out_most > 1;
    }
    json_set_int(j, "rounds", o->rounds);
    json_set_bool(j, "violated", bad);
    text = json_print(j);
    puts(text);
    return bad;
}

int main(int argc, char **argv)
{
    struct observer o = {.interval_ms = 100};
    static const struct option longs[] = {{"hosts", 1, NULL, 'h'}, {"interval-ms", 1, NULL, 'i'}, {"seen", 1, NULL, 's'}, {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'h')
            o.file = optarg;
        else if (c == 'i')
            o.interval_ms = (unsigned)atoi(optarg);
        else if (c == 's')
            o.seen_file = optarg;
    }
    if (!o.file) {
        fputs("usage: story-observer --hosts FILE [--interval-ms N] [--seen FILE]\n", stderr);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    o.multi = curl_multi_init();
    signal(SIGTERM, on_term);
    signal(SIGINT, on_term);
    for (;;) {
        bool last = ended; /* asked once more: a host may have started since it was asked */
        read_hosts(&o);
        ask_all(&o);
        for (size_t i = 0; i < o.n_hosts; i++)
            count_starts(&o.hosts[i]);
        if (last)
            break;
        judge(&o);
        tell_when_seen(&o);
        o.rounds++;
        usleep(o.interval_ms * 1000);
    }
    return report(&o);
}
