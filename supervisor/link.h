/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the files that deal with workers only: what they ask of each other.
 *   wproc.c      a worker process: begun, watched, ended
 *   link.c       its socket: what goes out, what comes in
 *   tasktext.c, access.c, records.c   what is behind single messages
 * Nothing here waits. A worker may end between a request and its answer: see link_later().
 */
#ifndef SUPERVISOR_LINK_H
#define SUPERVISOR_LINK_H

#include "base/world.h"
#include "supervisor/internal.h"

/* ---- link.c ---- */
extern const struct world_chan_cbs link_cbs; /* of a worker's channel; ctx is its struct wproc */
/* A request that is answered later, and only if the worker that asked still lives then. */
struct pending;
struct pending *link_later(struct wproc *wp, uint32_t seq); /* caller owns, until it is answered */
struct wproc *link_asker(const struct pending *p);          /* NULL: it is gone */
void link_answer_pending(struct pending *p, const cJSON *data, const struct err *err); /* takes p; err NULL: ok */

/* ---- tasktext.c ---- */
cJSON *tasktext_make(const struct wproc *wp);                  /* body of MSG_TASK; caller owns */
bool tasktext_has_host(const struct task *t, const char *key); /* t NULL: no */

/* ---- access.c ---- */
/* What MSG_CREDENTIALS is answered with: password included, never to be logged. Caller owns. */
cJSON *access_data(struct inst *in);

/* ---- records.c ---- */
void records_take(struct wproc *wp, uint32_t seq, const cJSON *req); /* MSG_RECORD; answered when it is durable */

#endif
