/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that forgets. An SQLite VFS over the real one that keeps, for each database file and WAL of one directory,
 * what is durable (contents at the last sync) and what was written since. At a chosen write, truncation or sync the
 * power goes: durable contents plus a seeded random subset of the rest, torn at 512 bytes, become the files of another
 * directory, and every later write fails. It can also be full. Real syncs are left out, so that hundreds of runs take
 * seconds.
 */
#ifndef TESTS_JOURNAL_LOSSY_VFS_H
#define TESTS_JOURNAL_LOSSY_VFS_H

#include <stdbool.h>
#include <stdint.h>

struct lossy;

/* Becomes the default VFS of the process until lossy_free(). */
struct lossy *lossy_new(void);
void lossy_free(struct lossy *l);

/* Watches the files of `dir` from their next opening on; the power goes at the nth operation from now (0: never), and
 * leaves its files in `crash_dir` (exists, empty). */
void lossy_arm(struct lossy *l, const char *dir, const char *crash_dir, uint64_t nth, uint64_t seed);
void lossy_crash(struct lossy *l); /* now, if it did not happen yet */
bool lossy_dead(const struct lossy *l);
uint64_t lossy_ops(const struct lossy *l); /* operations since lossy_arm() */
void lossy_disarm(struct lossy *l);        /* forgets the directory; its files must be closed */

/* Watched files may have this many bytes together; what grows beyond gets SQLITE_FULL. 0: no limit. What the file
 * `reserve` (NULL: none) has lost in size since the call comes on top. */
void lossy_limit(struct lossy *l, uint64_t bytes, const char *reserve);
uint64_t lossy_used(const struct lossy *l);

#endif
