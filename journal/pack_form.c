/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/pack_form.h"

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

void journal_shape_free(struct journal_shape *shape)
{
    for (size_t i = 0; i < shape->n; i++)
        free(shape->keys[i]);
    free(shape->keys);
}

void journal_dict_free(struct journal_dict *d)
{
    for (size_t i = 0; i < d->n_seen; i++)
        free(d->seen[i]);
    for (size_t i = 0; i < d->n_shapes; i++)
        journal_shape_free(&d->shapes[i]);
    free(d->seen);
}

void journal_dict_add(struct journal_dict *d, char *text)
{
    if (d->n_seen == d->cap_seen) {
        d->cap_seen = d->cap_seen ? 2 * d->cap_seen : 32;
        d->seen = mem_grow(d->seen, d->cap_seen, sizeof *d->seen);
    }
    d->seen[d->n_seen++] = text;
}

void journal_time_text(int64_t at, char buf[32])
{
    time_t t = (time_t)at;
    struct tm tm = {0};

    if (!gmtime_r(&t, &tm) || strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        buf[0] = '\0';
}
