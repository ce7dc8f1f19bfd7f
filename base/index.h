/* SPDX-License-Identifier: Apache-2.0 */
/* Where in an array a name is, found in constant time. Knows names and positions only; the array stays its owner's. */
#ifndef BASE_INDEX_H
#define BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_slot {
    const char *key; /* NULL: free */
    size_t at;
};

struct index { /* zeroed = empty */
    struct index_slot *slots;
    size_t cap, n;
};

void index_add(struct index *x, const char *key, size_t at); /* key is borrowed and must not change; not twice */
bool index_find(const struct index *x, const char *key, size_t *at);
void index_fini(struct index *x); /* empty again */

#endif
