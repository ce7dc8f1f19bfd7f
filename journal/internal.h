/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of struct journal, for the files of this room and their tests. */
#ifndef JOURNAL_INTERNAL_H
#define JOURNAL_INTERNAL_H

#include <pthread.h>

#include "journal/db.h"
#include "journal/journal.h"

/* A record on its way: strings are copied behind the struct. */
struct journal_entry {
    struct journal_entry *next;
    struct journal_rec rec;
    uint64_t wall_ms, mono_ms;
    journal_ack_fn *ack;
    void *ctx;
    struct err *err; /* NULL: durable */
};

struct journal_queue {
    struct journal_entry *head, **tail;
    size_t n;
};

enum { JOURNAL_KNOWN_TASKS = 256 };

/* What the writer owns: the thread, or with JOURNAL_INLINE the caller of put(). */
struct journal_writer {
    struct journal_db db;
    char *dir, *boot_id;
    size_t ballast_bytes;       /* 0: none is kept */
    bool low;                   /* the ballast is gone: nothing new is begun */
    uint64_t seq;               /* of the last step */
    uint64_t high_op, saved_op; /* highest numbers seen and stored */
    uint32_t high_task, saved_task;
    uint32_t known[JOURNAL_KNOWN_TASKS]; /* open tasks, by number modulo the size; 0: none */
    int64_t keep_ops, keep_bytes;        /* retention */
    int64_t keep_incidents;
};

struct journal {
    struct world *world;
    struct journal_writer writer;
    struct journal_db read; /* of the caller's thread */
    int lock_fd;
    bool is_inline;
    uint64_t next_op;
    uint32_t next_task;

    struct journal_queue arrived; /* in this round of the loop */
    uint64_t unacked;

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct journal_queue waiting, done;
    bool stopping, low;
    uint64_t commits, records;

    int event_fd;
    struct event *event;       /* acks of the thread */
    struct event *kick;        /* the round is over: the thread may take what waits */
    struct world_timer *timer; /* acks of JOURNAL_INLINE */
};

/* Takes up to a batch of records through one commit; each entry gets its err. Blocks. *commits counts. */
void journal_write_batch(struct journal_writer *w, struct journal_entry *first, uint64_t *commits);

/* One record in the open transaction. ERR_BUG, ERR_REFUSED, ERR_CONFLICT and ENOSPC for want of the ballast are about
 * this record alone (*alone). */
int journal_apply(struct journal_writer *w, const struct journal_entry *e, bool *alone, struct err *err);

#endif
