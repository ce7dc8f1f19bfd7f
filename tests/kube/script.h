/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted world for the tests of kube/: virtual time, files in memory, and a server that is a function of the test.
 */
#ifndef TESTS_KUBE_SCRIPT_H
#define TESTS_KUBE_SCRIPT_H

#include "base/world.h"
#include "kube/kube.h"

struct world_http {
    struct script *s;
    char *method, *path, *body, *auth, *agent, *type; /* path: with query, without scheme and host */
    char *ca, *cert;
    unsigned flags;
    uint32_t idle_ms, total_ms;
    uint64_t heard_ms;
    bool seen, dead;
    http_data_fn *on_data;
    http_done_fn *on_done;
    void *ctx;
    struct world_http *next;
};

struct script {
    struct world w; /* first */
    uint64_t now, wall0, seed;
    struct world_timer *timers;
    struct world_http *calls;
    void (*serve)(struct script *s, struct world_http *h); /* once per request, from the loop */
    void *ctx;
    unsigned requests;
    char *log; /* "GET /path\n" per request */
    struct {
        char *path, *text;
    } files[8];
    /* what the next program prints */
    const char *run_out, *run_err;
    int run_status, runs;
    char *run_env;
    struct script_run *pending_run;
};

struct script *script_new(void);
void script_free(struct script *s);
void script_run(struct script *s, uint64_t ms); /* lets so much time pass */
void script_file(struct script *s, const char *path, const char *text);
struct kube *script_kube(struct script *s); /* a client of http://server with a token */

/* Answers; each ends the request but script_data(). */
void script_answer(struct world_http *h, int status, const char *headers, const char *body);
void script_data(struct world_http *h, const char *text);
void script_lose(struct world_http *h, bool sent);
/* The open request whose path starts so, or NULL. */
struct world_http *script_open(struct script *s, const char *method, const char *prefix);

/* A done callback that remembers. */
struct heard {
    int n, status;
    cJSON *obj;
    struct err err;
};
void heard_done(void *ctx, int status, const cJSON *obj, const struct err *err);
void heard_free(struct heard *h);

#endif
