/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the crash matrix is complete over: each step of each table of model/steps.c, its two records (begun, result),
 * and each named point around them. And the reader of frames that says which of these a record is.
 */
#ifndef TESTS_SIM_CELLS_H
#define TESTS_SIM_CELLS_H

#include "base/json.h"
#include "base/str.h"
#include "model/steps.h"
#include "tests/sim/sim.h"

/* Around a record that a worker sends to the supervisor. */
enum point { BEFORE_RECORD, AFTER_COMMIT, BEFORE_ACK, AFTER_ACK, AFTER_EFFECT, POINTS };
extern const char *const point_names[POINTS];

struct record {
    const struct step_table *table;
    size_t step;
    bool result; /* else: begun */
    bool acts;   /* a begun one after whose ack something was written or executed */
};

/* The tasks that workers are at. Zeroed is empty. */
struct tasks {
    struct worker_task {
        const struct world *worker;
        cJSON *json;
        char aftermath[160]; /* the host that is rolled back or taken back */
        const struct step_table *after;
    } * v;
    size_t n;
};
void tasks_frame(struct tasks *t, const struct sim_frame *f); /* each frame before it is delivered */
bool tasks_record(struct tasks *t, const struct sim_frame *f, struct record *rec);
void tasks_free(struct tasks *t);

struct cells {
    unsigned *v; /* runs that died there */
};
struct cells cells_new(void);
void cells_free(struct cells *c);
unsigned *cells_at(struct cells *c, const struct record *rec, enum point p);
/* The points that a record has. */
bool record_has(const struct record *rec, enum point p);
/* Steps and points that nothing died at, a line each. Returns how many. */
unsigned cells_missing(const struct cells *c, struct str *out);

#endif
