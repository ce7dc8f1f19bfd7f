/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one look at all hosts found, kept small: a number, the family and the labels it has beside its host's are two
 * indexes, 16 bytes in all, because a fleet of 1,000 hosts has two million of them. Families and label sets exist once per look.
 */
#ifndef EXPORTER_SAMPLES_H
#define EXPORTER_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prom.h"

struct sample {
    uint32_t family, labels; /* indexes into the pool; labels 0 = none beside the host's */
    double value;
};

struct samples {
    struct sample *v;
    size_t n, cap;
};
void samples_free(struct samples *s);

struct family {
    char *name; /* whole, as in the text format */
    const char *help; /* static */
    bool counter;
};

struct pool;
struct pool *pool_new(void);
void pool_free(struct pool *p);
/* The family of this (whole, clean) name; the first one who asks says help and type. */
uint32_t pool_family(struct pool *p, const char *name, const char *help, bool counter);
/* The label set of name, value, name, value … NULL (raw). */
uint32_t pool_labels(struct pool *p, const char *const *pairs);
size_t pool_families(const struct pool *p);
const struct family *pool_family_at(const struct pool *p, uint32_t family);
const struct prom_labels *pool_labels_at(const struct pool *p, uint32_t labels);
/* Family indexes in the order of their names; caller frees. */
uint32_t *pool_by_name(const struct pool *p);

void samples_add(struct samples *s, uint32_t family, uint32_t labels, double value);
/* Sorts by family; of two with the same family and labels the later one is dropped: a page with both would be refused. */
void samples_finish(struct samples *s, const struct pool *p);
/* The samples of a family in a finished list: the first, *n of them. */
const struct sample *samples_of(const struct samples *s, uint32_t family, size_t *n);

#endif
