/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/samples.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { TABLE_FIRST = 256 }; /* slots of a hash table; a power of two */

/* Open addressing over indexes of an array that lives elsewhere; 0 = free, else index + 1. */
struct table {
    uint32_t *slots;
    size_t size, used;
};

struct labelset {
    struct prom_labels labels;
    uint64_t hash;
};

struct pool {
    struct family *families;
    uint64_t *family_hash;
    size_t n_families, cap_families;
    struct labelset *sets;
    size_t n_sets, cap_sets;
    struct table by_name, by_set;
};

/* ---- hash tables ---- */

static uint64_t hash_at(const struct pool *p, const struct table *t, uint32_t index)
{
    return t == &p->by_name ? p->family_hash[index] : p->sets[index].hash;
}

static void table_put(const struct pool *p, struct table *t, uint32_t index)
{
    size_t at = hash_at(p, t, index) & (t->size - 1);

    while (t->slots[at])
        at = (at + 1) & (t->size - 1);
    t->slots[at] = index + 1;
}

static void table_add(const struct pool *p, struct table *t, uint32_t index)
{
    if ((t->used + 1) * 2 > t->size) {
        free(t->slots);
        t->size = t->size ? t->size * 2 : TABLE_FIRST;
        t->slots = mem_array(t->size, sizeof *t->slots);
        for (uint32_t i = 0; i < index; i++)
            table_put(p, t, i);
    }
    t->used++;
    table_put(p, t, index);
}

/* ---- pool ---- */

struct pool *pool_new(void)
{
    static const char *const none[] = {NULL};
    struct pool *p = mem_zero(sizeof *p);

    pool_labels(p, none); /* index 0 */
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_families; i++)
        free(p->families[i].name);
    for (size_t i = 0; i < p->n_sets; i++)
        prom_labels_free(&p->sets[i].labels);
    free(p->families);
    free(p->family_hash);
    free(p->sets);
    free(p->by_name.slots);
    free(p->by_set.slots);
    free(p);
}

uint32_t pool_family(struct pool *p, const char *name, const char *help, bool counter)
{
    uint64_t hash = hash_fnv64(name, strlen(name));
    const struct table *t = &p->by_name;

    for (size_t at = t->size ? hash & (t->size - 1) : 0; t->size && t->slots[at]; at = (at + 1) & (t->size - 1)) {
        uint32_t i = t->slots[at] - 1;

        if (p->family_hash[i] == hash && strcmp(p->families[i].name, name) == 0)
            return i;
    }
    if (p->n_families == p->cap_families) {
        p->cap_families = p->cap_families ? p->cap_families * 2 : 64;
        p->families = mem_grow(p->families, p->cap_families, sizeof *p->families);
        p->family_hash = mem_grow(p->family_hash, p->cap_families, sizeof *p->family_hash);
    }
    p->families[p->n_families] = (struct family){mem_str(name), help, counter};
    p->family_hash[p->n_families] = hash;
    table_add(p, &p->by_name, (uint32_t)p->n_families);
    return (uint32_t)p->n_families++;
}

static bool same_labels(const struct prom_labels *a, const struct prom_labels *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i].name, b->v[i].name) != 0 || strcmp(a->v[i].value, b->v[i].value) != 0)
            return false;
    return true;
}

uint32_t pool_labels(struct pool *p, const char *const *pairs)
{
    static const struct prom_labels nothing = {NULL, 0};
    struct prom_labels l = {NULL, 0};
    auto_str struct str text = STR_INIT;
    const struct table *t = &p->by_set;
    uint64_t hash;

    for (; *pairs; pairs += 2)
        prom_labels_put(&l, pairs[0], pairs[1]);
    prom_labels_print(&text, &l, &nothing);
    hash = hash_fnv64(str_text(&text), text.len);
    for (size_t at = t->size ? hash & (t->size - 1) : 0; t->size && t->slots[at]; at = (at + 1) & (t->size - 1)) {
        uint32_t i = t->slots[at] - 1;

        if (p->sets[i].hash == hash && same_labels(&p->sets[i].labels, &l)) {
            prom_labels_free(&l);
            return i;
        }
    }
    if (p->n_sets == p->cap_sets) {
        p->cap_sets = p->cap_sets ? p->cap_sets * 2 : 64;
        p->sets = mem_grow(p->sets, p->cap_sets, sizeof *p->sets);
    }
    p->sets[p->n_sets] = (struct labelset){l, hash};
    table_add(p, &p->by_set, (uint32_t)p->n_sets);
    return (uint32_t)p->n_sets++;
}

size_t pool_families(const struct pool *p)
{
    return p->n_families;
}

const struct family *pool_family_at(const struct pool *p, uint32_t family)
{
    return &p->families[family];
}

const struct prom_labels *pool_labels_at(const struct pool *p, uint32_t labels)
{
    return &p->sets[labels].labels;
}

static int by_name(const void *a, const void *b, void *ctx)
{
    const struct pool *p = ctx;

    return strcmp(p->families[*(const uint32_t *)a].name, p->families[*(const uint32_t *)b].name);
}

uint32_t *pool_by_name(const struct pool *p)
{
    uint32_t *order = mem_array(p->n_families + 1, sizeof *order);

    for (uint32_t i = 0; i < p->n_families; i++)
        order[i] = i;
    qsort_r(order, p->n_families, sizeof *order, by_name, (void *)p);
    return order;
}

/* ---- samples ---- */

void samples_free(struct samples *s)
{
    free(s->v);
    *s = (struct samples){NULL, 0, 0};
}

void samples_add(struct samples *s, uint32_t family, uint32_t labels, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap + s->cap / 2 : 128;
        s->v = mem_grow(s->v, s->cap, sizeof *s->v);
    }
    s->v[s->n++] = (struct sample){family, labels, value};
}

static int by_labels(const struct prom_labels *a, const struct prom_labels *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        int order = strcmp(a->v[i].name, b->v[i].name);

        order = order ? order : strcmp(a->v[i].value, b->v[i].value);
        if (order)
            return order;
    }
    return (a->n > b->n) - (a->n < b->n);
}

static int by_family(const void *left, const void *right, void *ctx)
{
    const struct sample *a = left, *b = right;
    const struct pool *p = ctx;

    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return a->labels == b->labels ? 0 : by_labels(&p->sets[a->labels].labels, &p->sets[b->labels].labels);
}

void samples_finish(struct samples *s, const struct pool *p)
{
    size_t n = 0;

    if (!s->n)
        return;
    qsort_r(s->v, s->n, sizeof *s->v, by_family, (void *)p);
    for (size_t i = 1; i < s->n; i++)
        if (s->v[i].family != s->v[n].family || s->v[i].labels != s->v[n].labels)
            s->v[++n] = s->v[i];
    s->n = s->cap = n + 1;
    s->v = mem_grow(s->v, s->n, sizeof *s->v); /* what was asked for too much goes back */
}

const struct sample *samples_of(const struct samples *s, uint32_t family, size_t *n)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->v[mid].family < family)
            low = mid + 1;
        else
            high = mid;
    }
    for (high = low; high < s->n && s->v[high].family == family; high++)
        continue;
    *n = high - low;
    return s->v + low;
}
