/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/files.h"
#include "journal/internal.h"
#include "journal/store.h"

enum {
    BATCH_MAX = 4096, /* records of one commit, so that an ack never waits for a whole flood */
    BALLAST_BYTES = 8 << 20,
    KEEP_OPS = 1000,        /* ended operations of one object */
    KEEP_BYTES = 256 << 20, /* of all; then the oldest ended operations go */
    KEEP_INCIDENTS = 10000,
};

const char *outcome_name(enum outcome o)
{
    static const char *const names[] = {
        [OUT_NONE] = "open",       [OUT_DONE] = "done",     [OUT_ALREADY] = "already so",
        [OUT_FAILED] = "failed",   [OUT_UNDONE] = "undone", [OUT_SUPERSEDED] = "superseded",
        [OUT_REFUSED] = "refused",
    };
    return (unsigned)o < sizeof names / sizeof *names ? names[o] : "unknown";
}

/* ---- queue ---- */

static void queue_init(struct journal_queue *q)
{
    *q = (struct journal_queue){.tail = &q->head};
}

static void queue_add(struct journal_queue *q, struct journal_entry *first)
{
    while (first) {
        struct journal_entry *next = first->next;

        first->next = NULL;
        *q->tail = first;
        q->tail = &first->next;
        q->n++;
        first = next;
    }
}

static struct journal_entry *queue_take(struct journal_queue *q, size_t limit)
{
    struct journal_entry *first = q->head, *last = first;
    size_t n = 1;

    if (!first)
        return NULL;
    for (; last->next && n < limit; n++)
        last = last->next;
    q->head = last->next;
    q->n -= n;
    last->next = NULL;
    if (!q->head)
        queue_init(q);
    return first;
}

static const char *copy_text(char **at, const char *s)
{
    char *copy = *at;
    size_t n;

    if (!s)
        return NULL;
    n = strlen(s) + 1;
    memcpy(copy, s, n);
    *at += n;
    return copy;
}

static size_t text_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static struct journal_entry *entry_new(struct journal *j, const struct journal_rec *r, journal_ack_fn *ack, void *ctx)
{
    size_t size = text_size(r->object) + text_size(r->kind) + text_size(r->name) + text_size(r->text);
    struct journal_entry *e = mem_alloc(sizeof *e + size);
    char *at = (char *)(e + 1);

    *e = (struct journal_entry){.rec = *r, .ack = ack, .ctx = ctx};
    e->wall_ms = world_wall(j->world);
    e->mono_ms = world_mono(j->world);
    e->rec.object = copy_text(&at, r->object);
    e->rec.kind = copy_text(&at, r->kind);
    e->rec.name = copy_text(&at, r->name);
    e->rec.text = copy_text(&at, r->text);
    return e;
}

static void entry_free(struct journal_entry *e)
{
    free(e->err);
    free(e);
}

/* ---- acks ---- */

static void deliver(struct journal *j)
{
    struct journal_entry *e, *next;

    pthread_mutex_lock(&j->mutex);
    e = queue_take(&j->done, SIZE_MAX);
    pthread_mutex_unlock(&j->mutex);
    for (; e; e = next) {
        next = e->next;
        j->unacked--;
        if (e->ack)
            e->ack(e->ctx, e->err);
        entry_free(e);
    }
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct journal *j = ctx;
    uint64_t n;

    (void)what;
    if (read(fd, &n, sizeof n) == sizeof n)
        deliver(j);
}

/* Runs behind the events that are active now: what their callbacks put goes into one commit. */
static void on_kick(evutil_socket_t fd, short what, void *ctx)
{
    struct journal *j = ctx;

    (void)fd;
    (void)what;
    pthread_mutex_lock(&j->mutex);
    queue_add(&j->waiting, queue_take(&j->arrived, SIZE_MAX));
    pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->mutex);
}

static void on_timer(void *ctx)
{
    struct journal *j = ctx;

    j->timer = NULL;
    deliver(j);
}

/* ---- writing ---- */

static void write_and_note(struct journal *j, struct journal_entry *first)
{
    uint64_t commits = 0, stored = 0;

    journal_write_batch(&j->writer, first, &commits);
    for (struct journal_entry *e = first; e; e = e->next)
        stored += e->err == NULL;
    pthread_mutex_lock(&j->mutex);
    j->commits += commits;
    j->records += stored;
    j->low = j->writer.low;
    queue_add(&j->done, first);
    pthread_mutex_unlock(&j->mutex);
}

static void *writer_main(void *arg)
{
    static const uint64_t one = 1;
    struct journal *j = arg;
    struct journal_entry *first;

    for (;;) {
        pthread_mutex_lock(&j->mutex);
        while (!j->waiting.head && !j->stopping)
            pthread_cond_wait(&j->wake, &j->mutex);
        first = queue_take(&j->waiting, BATCH_MAX);
        pthread_mutex_unlock(&j->mutex);
        if (!first)
            return NULL;
        write_and_note(j, first);
        while (write(j->event_fd, &one, sizeof one) < 0 && errno == EINTR)
            continue;
    }
}

void journal_put(struct journal *j, const struct journal_rec *rec, journal_ack_fn *ack, void *ctx)
{
    struct journal_entry *e = entry_new(j, rec, ack, ctx);

    j->unacked++;
    if (!j->is_inline) {
        if (!j->arrived.head)
            event_active(j->kick, EV_TIMEOUT, 0);
        queue_add(&j->arrived, e);
        return;
    }
    write_and_note(j, e);
    if (!j->timer)
        j->timer = world_timer(j->world, 0, on_timer, j);
}

void journal_stats(struct journal *j, uint64_t *commits, uint64_t *records, uint64_t *waiting)
{
    pthread_mutex_lock(&j->mutex);
    *commits = j->commits;
    *records = j->records;
    *waiting = j->unacked;
    pthread_mutex_unlock(&j->mutex);
}

bool journal_low(struct journal *j)
{
    bool low;

    pthread_mutex_lock(&j->mutex);
    low = j->low;
    pthread_mutex_unlock(&j->mutex);
    return low;
}

uint64_t journal_next_op(struct journal *j)
{
    return j->next_op++;
}

uint32_t journal_next_task(struct journal *j)
{
    return j->next_task++;
}

void journal_skip_numbers(struct journal *j, uint64_t op, uint32_t task)
{
    if (j->next_op <= op)
        j->next_op = op + 1;
    if (j->next_task <= task)
        j->next_task = task + 1;
}

/* ---- opening and closing ---- */

static int load_number(struct journal_db *d, const char *name, uint64_t *out, struct err *err)
{
    int64_t v = 0;

    if (journal_db_int(d, SQL_NUMBER_GET, &v, err, name) < 0)
        return -1;
    *out = (uint64_t)v;
    return 0;
}

static int open_database(struct journal *j, struct err *err)
{
    struct journal_writer *w = &j->writer;
    auto_free char *path = mem_printf("%s/journal.db", w->dir);
    int64_t now = (int64_t)world_wall(j->world);
    uint64_t op = 0, task = 0;
    int rc = journal_store_open(&w->db, w->dir, now, err);

    while (rc < 0 && err->kind == ERR_SYS && err->sys == ENOSPC && journal_ballast_give(w->dir))
        rc = journal_store_open(&w->db, w->dir, now, err); /* a full disk must not keep us from starting */
    if (rc < 0 || load_number(&w->db, "op", &op, err) < 0 || load_number(&w->db, "task", &task, err) < 0)
        return -1;
    w->high_op = w->saved_op = op;
    w->high_task = w->saved_task = (uint32_t)task;
    journal_skip_numbers(j, op, (uint32_t)task);
    return journal_db_open(&j->read, path, DB_READ_ONLY, err);
}

static int start_thread(struct journal *j, struct event_base *base, struct err *err)
{
    sigset_t all, old;
    int rc;

    j->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (j->event_fd < 0)
        return err_set(err, ERR_SYS, errno, "eventfd of the journal");
    j->event = event_new(base, j->event_fd, EV_READ | EV_PERSIST, on_event, j);
    j->kick = event_new(base, -1, 0, on_kick, j);
    if (!j->event || !j->kick || event_add(j->event, NULL) < 0)
        return err_set(err, ERR_SYS, ENOMEM, "event of the journal");
    sigfillset(&all); /* signals belong to the loop */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&j->thread, NULL, writer_main, j);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return err_set(err, ERR_SYS, rc, "thread of the journal");
    j->is_inline = false;
    return 0;
}

static struct journal *journal_new(const char *dir, struct world *w, unsigned flags)
{
    struct journal *j = mem_zero(sizeof *j);

    j->world = w;
    j->lock_fd = j->event_fd = -1;
    j->is_inline = true; /* until the thread runs */
    j->next_op = j->next_task = 1;
    j->writer.dir = mem_str(dir);
    j->writer.boot_id = mem_str(w->ops->boot_id(w));
    j->writer.ballast_bytes = flags & JOURNAL_NO_BALLAST ? 0 : BALLAST_BYTES;
    j->writer.keep_ops = KEEP_OPS;
    j->writer.keep_bytes = KEEP_BYTES;
    j->writer.keep_incidents = KEEP_INCIDENTS;
    queue_init(&j->arrived);
    queue_init(&j->waiting);
    queue_init(&j->done);
    pthread_mutex_init(&j->mutex, NULL);
    pthread_cond_init(&j->wake, NULL);
    return j;
}

static int open_all(struct journal *j, struct event_base *base, unsigned flags, struct err *err)
{
    struct journal_writer *w = &j->writer;
    struct err why = ERR_INIT;

    if (mkdir(w->dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, errno, "create data directory %s", w->dir);
    if (journal_lock(w->dir, &j->lock_fd, err) < 0 || open_database(j, err) < 0)
        return -1;
    if (w->ballast_bytes && journal_ballast_make(w->dir, w->ballast_bytes, &why) < 0) {
        if (why.kind != ERR_SYS || why.sys != ENOSPC) {
            *err = why;
            return -1;
        }
        w->low = j->low = true;
    }
    return flags & JOURNAL_INLINE ? 0 : start_thread(j, base, err);
}

int journal_open(struct journal **out, const char *dir, struct world *w, struct event_base *base, unsigned flags,
                 struct err *err)
{
    struct journal *j = journal_new(dir, w, flags);
    struct err why = ERR_INIT;

    if (open_all(j, base, flags, &why) < 0) {
        if (err)
            *err = why;
        journal_close(j);
        return -1;
    }
    *out = j;
    return 0;
}

static void stop_thread(struct journal *j)
{
    if (j->is_inline)
        return;
    on_kick(-1, 0, j);
    pthread_mutex_lock(&j->mutex);
    j->stopping = true;
    pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->mutex);
    pthread_join(j->thread, NULL);
}

void journal_close(struct journal *j)
{
    struct journal_entry *e, *next;

    if (!j)
        return;
    stop_thread(j);
    if (j->timer)
        world_timer_stop(j->world, &j->timer);
    if (j->event)
        event_free(j->event);
    if (j->kick)
        event_free(j->kick);
    mem_closep(&j->event_fd);
    for (e = queue_take(&j->done, SIZE_MAX); e; e = next) {
        next = e->next;
        entry_free(e);
    }
    journal_db_close(&j->read);
    journal_db_close(&j->writer.db); /* the last one: the WAL goes into the file */
    mem_closep(&j->lock_fd);
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->mutex);
    free(j->writer.dir);
    free(j->writer.boot_id);
    free(j);
}
