/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing, at most half full; nothing is ever taken out but all. */
#include "base/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static struct index_slot *slot_of(const struct index *x, const char *key)
{
    size_t i = (size_t)hash_fnv64(key, strlen(key)) & (x->cap - 1);

    while (x->slots[i].key && strcmp(x->slots[i].key, key) != 0)
        i = (i + 1) & (x->cap - 1);
    return &x->slots[i];
}

static void grow(struct index *x)
{
    struct index old = *x;

    x->cap = old.cap ? old.cap * 2 : 16;
    x->slots = mem_array(x->cap, sizeof *x->slots);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].key)
            *slot_of(x, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

void index_add(struct index *x, const char *key, size_t at)
{
    struct index_slot *s;

    if (x->n * 2 >= x->cap)
        grow(x);
    s = slot_of(x, key);
    x->n += s->key == NULL;
    *s = (struct index_slot){key, at};
}

bool index_find(const struct index *x, const char *key, size_t *at)
{
    const struct index_slot *s = x->n ? slot_of(x, key) : NULL;

    if (!s || !s->key)
        return false;
    *at = s->at;
    return true;
}

void index_fini(struct index *x)
{
    free(x->slots);
    *x = (struct index){0};
}
