/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/journal/kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static uint64_t mono(struct world *w)
{
    return ((struct kit_world *)w)->mono_ms;
}

static uint64_t wall(struct world *w)
{
    return ((struct kit_world *)w)->wall_ms;
}

static const char *boot_id(struct world *w)
{
    return ((struct kit_world *)w)->boot_id;
}

static struct world_timer *timer(struct world *w, uint64_t ms, void (*fn)(void *), void *ctx)
{
    struct kit_world *k = (struct kit_world *)w;
    struct world_timer *t = mem_zero(sizeof *t);

    assert_int_equal(ms, 0);
    *t = (struct world_timer){k->timers, fn, ctx};
    k->timers = t;
    return t;
}

static void timer_stop(struct world *w, struct world_timer *t)
{
    struct world_timer **at = &((struct kit_world *)w)->timers;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    free(t);
}

static const struct world_ops ops = {
    .mono_ms = mono,
    .wall_ms = wall,
    .boot_id = boot_id,
    .timer = timer,
    .timer_stop = timer_stop,
};

void kit_world_init(struct kit_world *w)
{
    *w = (struct kit_world){{&ops}, 5000, 1700000000000, "boot-1", NULL};
}

void kit_round(struct kit_world *w)
{
    struct world_timer *t;

    while ((t = w->timers)) {
        w->timers = t->next;
        t->fn(t->ctx);
        free(t);
    }
}

char *kit_dir_new(void)
{
    char *dir = mem_str("journal-test-XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

void kit_dir_remove(char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        auto_free char *path = mem_printf("%s/%s", dir, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
    free(dir);
}

void kit_copy(const char *from, const char *to)
{
    auto_close int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char buf[65536];
    ssize_t n;

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof buf)) > 0)
        assert_int_equal(write(out, buf, (size_t)n), n);
    assert_int_equal(n, 0);
}

void kit_ack(void *ctx, const struct err *err)
{
    struct kit_result *r = ctx;

    r->acks++;
    r->err = err ? *err : (struct err)ERR_INIT;
}

struct journal *kit_open(struct kit_world *w, const char *dir)
{
    struct journal *j = NULL;
    struct err err = ERR_INIT;

    if (journal_open(&j, dir, &w->world, NULL, JOURNAL_INLINE | JOURNAL_NO_BALLAST, &err) < 0)
        fail_msg("%s", err.msg);
    return j;
}

enum err_kind kit_put(struct journal *j, struct kit_world *w, struct journal_rec rec)
{
    struct kit_result r = {0, ERR_INIT};

    journal_put(j, &rec, kit_ack, &r);
    assert_int_equal(r.acks, 0); /* never from inside the call */
    kit_round(w);
    assert_int_equal(r.acks, 1);
    return r.err.kind;
}

void kit_begin(struct journal *j, struct kit_world *w, uint64_t op, uint32_t task)
{
    struct journal_rec begin = {.type = JRN_OP_BEGIN,
                                .op = op,
                                .object = "ns/a",
                                .kind = "ClickHouseInstallation",
                                .generation = 3,
                                .text = "{}"};
    struct journal_rec t = {
        .type = JRN_TASK, .op = op, .task = task, .object = "ns/a/c/0", .name = "shard", .text = "{\"hosts\":[0,1]}"};

    assert_int_equal(kit_put(j, w, begin), ERR_NONE);
    assert_int_equal(kit_put(j, w, t), ERR_NONE);
}

uint64_t kit_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
