/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the invariants of the design from the model servers and the API server's store, never from the journal: who
 * serves, which queries fail, which volumes go, how often processes start, whether Completed is true.
 */
#ifndef TESTS_SIM_OBSERVER_H
#define TESTS_SIM_OBSERVER_H

#include "plane/plane.h"
#include "tests/sim/kubelet.h"

struct observer;

struct observer *observer_new(struct sim *s, struct plane *p, struct hosts *hs, struct kubelet *k);
void observer_free(struct observer *o);

/* A breach; printed when the run is traced. */
void observer_violation(struct observer *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
unsigned observer_count(const struct observer *o);
const char *observer_text(const struct observer *o); /* all of them, a line each */

/* From now on shards must serve (1) and queries must not fail (2). Off: what happens is the environment's fault. */
void observer_guard(struct observer *o, bool on);

void observer_calm(struct observer *o, bool on); /* little is expected to happen: it looks seldom */

/* Somebody else takes a server away now: what is said in the next minute may not know it yet. */
void observer_outside(struct observer *o);

/* From now on a process whose image is this may start only with this value of the setting. Texts are borrowed. */
void observer_pair(struct observer *o, const char *image, const char *tag, const char *value);

/* What is told to it. */
void observer_host(struct observer *o, struct chost *h, enum chost_state was);
void observer_query_failed(struct observer *o, const char *pod, const char *why);
void observer_wrote(struct observer *o, const void *body, size_t len); /* bytes that went to the API server */

/* Counting starts (4): from a mark on, each host's process has started exactly so often. Pods that were not there at
 * the mark are not counted. */
void observer_mark(struct observer *o);
void observer_expect_starts(struct observer *o, unsigned each);
void observer_expect_starts_within(struct observer *o, unsigned least, unsigned most);

/* Is the fleet of installation default/NAME in truth as its spec says? NULL, or what is not; caller frees. final: all
 * rows are there too. */
char *observer_audit(struct observer *o, const char *name, bool final);

/* Installation, shard and replica from a pod's name "default/chi-NAME-main-S-R-0". */
bool observer_place(const char *pod, char *name, size_t size, unsigned *shard, unsigned *replica);

#endif
