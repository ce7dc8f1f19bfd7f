/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the journal share: a world of clocks and 0 ms timers, a directory that goes away, short records. */
#ifndef TESTS_JOURNAL_KIT_H
#define TESTS_JOURNAL_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/journal.h"

struct world_timer {
    struct world_timer *next;
    void (*fn)(void *ctx);
    void *ctx;
};

/* Clocks stand still until they are moved; timers run in kit_round(). */
struct kit_world {
    struct world world;
    uint64_t mono_ms, wall_ms;
    const char *boot_id;
    struct world_timer *timers;
};
void kit_world_init(struct kit_world *w);
void kit_round(struct kit_world *w); /* runs the timers that are set */

/* A new directory below the current one, and its removal with all in it. */
char *kit_dir_new(void); /* kit_dir_remove() frees */
void kit_dir_remove(char *dir);
void kit_copy(const char *from, const char *to);

/* The result of the last record put by kit_put(). */
struct kit_result {
    int acks;
    struct err err; /* of the last ack */
};
journal_ack_fn kit_ack;

/* Opens with JOURNAL_INLINE | JOURNAL_NO_BALLAST; fails the test when it cannot. */
struct journal *kit_open(struct kit_world *w, const char *dir);
/* Puts, runs a round, and gives the kind of error (ERR_NONE: durable). JOURNAL_INLINE only. */
enum err_kind kit_put(struct journal *j, struct kit_world *w, struct journal_rec rec);
/* Operation `op` of ns/a with plan {}, and task of it for shard "ns/a/c/0". */
void kit_begin(struct journal *j, struct kit_world *w, uint64_t op, uint32_t task);

/* A generator for seeded tests. */
uint64_t kit_random(uint64_t *state);

#endif
