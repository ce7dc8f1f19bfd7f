/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the only writer of managed objects: one request under way, and what its files ask of each other.
 *   apply.c         the writes, with their preconditions, one object after the other; deleting
 *   apply_want.c    the one object that is wanted
 *   apply_anew.c    an object that no patch can bring to that
 *   apply_queue.c   requests of several objects, or of fixed patches
 */
#ifndef SUPERVISOR_APPLY_H
#define SUPERVISOR_APPLY_H

#include "supervisor/internal.h"

struct apply {
    struct inst *in;
    cJSON *req; /* body of MSG_APPLY or MSG_DELETE */
    apply_done_fn *done;
    void *ctx;
    unsigned tries, waits;
    bool changed;
    enum kube_kind kind; /* of the object being written */
    char *name;
    cJSON *queue;      /* what is still to write: objects, {"kind","metadata","patch"} or {…,"delete":true} */
    cJSON *then;       /* requests that are carried out, some at a time, when that is done; NULL: none */
    cJSON *desired;    /* the one being written; NULL = it is rendered anew at each try */
    cJSON *patch_only; /* a plain merge patch instead of a rendered object */
    struct world_timer *timer;
    char sent_rv[32]; /* precondition of the patch under way */
};

/* ---- apply.c ---- */
void apply_finish(struct apply *a, const struct err *err); /* tells the asker and frees a; err NULL: done */
void apply_fail(struct apply *a, enum err_kind kind, const char *text);
/* What a DELETE was answered: gone is gone, 409 too (another object has the name). False: failed, and a is freed. */
bool apply_deleted(struct apply *a, int status, const struct err *err);
void apply_again(struct apply *a, uint64_t ms); /* reads, compares and writes anew after this time */

/* ---- apply_want.c ---- */
const struct host *apply_wanted_host(const struct apply *a); /* NULL: the spec has it no more, or it names none */
/* The worker's note of its act, with what orders the restart. Takes note; caller frees. */
char *apply_note_text(const struct apply *a, cJSON *note);
/* The last act and its epoch ride in the same request, so that a standby with an empty journal can go on. */
void apply_mirror(const struct apply *a, cJSON *desired);
cJSON *apply_want_statefulset(const struct apply *a, const struct host *h, const struct render_ctx *c, struct err *err);
/* Sets kind and name of the object and returns it as it should be (caller owns), or NULL with err. */
cJSON *apply_want(struct apply *a, struct err *err);

/* ---- apply_anew.c ---- */
/* True: a patch will not do; what is there is on its way out, or the request has failed. */
bool apply_anew(struct apply *a, const cJSON *now, const cJSON *desired);
void apply_put_notes(const struct apply *a, cJSON *desired); /* those of the set that was there before */

/* ---- apply_queue.c ---- */
/* 1: a->queue has all that is asked for; 0: it is a single rendered object; -1: error. */
int apply_fill_queue(struct apply *a, struct err *err);

#endif
