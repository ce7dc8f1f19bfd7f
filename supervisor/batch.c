/* SPDX-License-Identifier: Apache-2.0 */
/* Many objects brought to what is wanted, some at a time; the first error ends it. */
#include <stdlib.h>

#include "base/mem.h"
#include "supervisor/internal.h"

enum { APPLY_PARALLEL = 8 };

struct batch {
    struct inst *in;
    cJSON *list;
    unsigned running;
    bool changed, failed;
    struct err err;
    apply_done_fn *done;
    void *ctx;
    struct world_timer *timer;
};

static void batch_more(void *ctx);

static void batch_one(void *ctx, bool changed, const struct err *err)
{
    struct batch *b = ctx;

    b->running--;
    b->changed |= changed;
    if (err && !b->failed) {
        b->failed = true;
        b->err = *err;
    }
    batch_more(b);
}

static void batch_more(void *ctx)
{
    struct batch *b = ctx;

    while (b->running < APPLY_PARALLEL && cJSON_GetArraySize(b->list) > 0 && !b->failed) {
        auto_json cJSON *req = cJSON_DetachItemFromArray(b->list, 0);

        b->running++;
        apply_start(b->in, req, batch_one, b);
    }
    if (b->running)
        return;
    b->in->pending--;
    b->done(b->ctx, b->changed, b->failed ? &b->err : NULL);
    cJSON_Delete(b->list);
    free(b);
}

void apply_all(struct inst *in, cJSON *list, apply_done_fn *done, void *ctx)
{
    struct batch *b = mem_zero(sizeof *b);

    *b = (struct batch){.in = in, .list = list, .done = done, .ctx = ctx};
    in->pending++;
    world_timer(in->s->w, 0, batch_more, b);
}
