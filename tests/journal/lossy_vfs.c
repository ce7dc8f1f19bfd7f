/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/journal/lossy_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"

enum { SECTOR = 512 };

/* Something done to a file and not synced: bytes at an offset, or (data NULL) a new length. */
struct change {
    struct change *next;
    uint64_t at, len;
    unsigned char *data;
};

struct image {
    struct image *next;
    char *name; /* without directory */
    struct str durable;
    struct change *first, **last;
    uint64_t size; /* as the program sees it */
    bool synced, deleted;
};

struct lossy {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    char *dir, *crash_dir, *reserve;
    struct image *images;
    uint64_t ops, nth, seed, limit, reserve_bytes;
    bool dead;
};

struct lossy_file {
    sqlite3_file file;
    struct lossy *lossy;
    struct image *image; /* NULL: not watched */
    sqlite3_file *real;  /* behind this struct */
};

static uint64_t dice(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* ---- images ---- */

static void image_clear(struct image *im)
{
    struct change *c, *next;

    for (c = im->first; c; c = next) {
        next = c->next;
        free(c->data);
        free(c);
    }
    im->first = NULL;
    im->last = &im->first;
}

static void resize(struct str *s, uint64_t len)
{
    while (s->len < len)
        str_addc(s, 0);
    s->len = len;
}

static void overwrite(struct str *s, uint64_t at, const void *data, uint64_t len)
{
    if (s->len < at + len)
        resize(s, at + len);
    if (len)
        memcpy(s->s + at, data, len);
}

static void settle(struct image *im)
{
    for (struct change *c = im->first; c; c = c->next)
        if (c->data)
            overwrite(&im->durable, c->at, c->data, c->len);
        else
            resize(&im->durable, c->len);
    image_clear(im);
    im->synced = true;
}

static void note_change(struct image *im, const void *data, uint64_t at, uint64_t len)
{
    struct change *c = mem_zero(sizeof *c);

    *c = (struct change){NULL, at, len, data ? mem_copy(data, len) : NULL};
    *im->last = c;
    im->last = &c->next;
    im->size = !data ? len : at + len > im->size ? at + len : im->size;
}

/* All of it, nothing of it, or some of its sectors. */
static void survive(struct lossy *l, struct str *out, const struct change *c)
{
    uint64_t luck = dice(&l->seed) % 4;

    if (luck == 0)
        return;
    if (!c->data) {
        resize(out, c->len);
        return;
    }
    for (uint64_t i = 0; i < c->len; i += SECTOR)
        if (luck > 1 || dice(&l->seed) % 2)
            overwrite(out, c->at + i, c->data + i, c->len - i < SECTOR ? c->len - i : SECTOR);
}

static void leave_image(struct lossy *l, const struct image *im)
{
    auto_free char *path = mem_printf("%s/%s", l->crash_dir, im->name);
    auto_str struct str out = STR_INIT;
    FILE *f;

    if ((!im->synced || im->deleted) && dice(&l->seed) % 2)
        return; /* a new name, or the end of one, was durable or not */
    str_addn(&out, str_text(&im->durable), im->durable.len);
    for (const struct change *c = im->first; c; c = c->next)
        survive(l, &out, c);
    f = fopen(path, "wb");
    if (!f || fwrite(str_text(&out), 1, out.len, f) != out.len || fclose(f) != 0) {
        perror(path);
        abort();
    }
}

void lossy_crash(struct lossy *l)
{
    if (l->dead)
        return;
    l->dead = true;
    for (struct image *im = l->images; im; im = im->next)
        leave_image(l, im);
}

/* Counts an operation; true: the power is gone. */
static bool gone(struct lossy *l)
{
    if (l->dir && !l->dead && ++l->ops == l->nth)
        lossy_crash(l);
    return l->dead;
}

/* ---- file methods ---- */

static struct lossy_file *self(sqlite3_file *f)
{
    return (struct lossy_file *)f;
}

static int f_close(sqlite3_file *f)
{
    return self(f)->real->pMethods->xClose(self(f)->real);
}

static int f_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 at)
{
    return self(f)->real->pMethods->xRead(self(f)->real, buf, n, at);
}

static uint64_t file_bytes(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int f_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 at)
{
    struct lossy_file *lf = self(f);
    struct lossy *l = lf->lossy;
    uint64_t grow, limit;

    if (lf->image) {
        grow = (uint64_t)at + (uint64_t)n > lf->image->size ? (uint64_t)at + (uint64_t)n - lf->image->size : 0;
        limit = l->limit + l->reserve_bytes - file_bytes(l->reserve);
        if (l->limit && grow && lossy_used(l) + grow > limit)
            return SQLITE_FULL;
        if (!l->dead)
            note_change(lf->image, buf, (uint64_t)at, (uint64_t)n); /* power may go while it is on its way */
        if (gone(l))
            return SQLITE_IOERR_WRITE;
    }
    return lf->real->pMethods->xWrite(lf->real, buf, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct lossy_file *lf = self(f);

    if (lf->image) {
        if (!lf->lossy->dead)
            note_change(lf->image, NULL, 0, (uint64_t)size);
        if (gone(lf->lossy))
            return SQLITE_IOERR_TRUNCATE;
    }
    return lf->real->pMethods->xTruncate(lf->real, size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    struct lossy_file *lf = self(f);

    (void)flags;
    if (lf->image) {
        if (gone(lf->lossy))
            return SQLITE_IOERR_FSYNC;
        settle(lf->image);
    }
    return SQLITE_OK;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return self(f)->real->pMethods->xFileSize(self(f)->real, size);
}

static int f_lock(sqlite3_file *f, int level)
{
    return self(f)->real->pMethods->xLock(self(f)->real, level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return self(f)->real->pMethods->xUnlock(self(f)->real, level);
}

static int f_reserved(sqlite3_file *f, int *out)
{
    return self(f)->real->pMethods->xCheckReservedLock(self(f)->real, out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK; /* would write behind our back */
    return self(f)->real->pMethods->xFileControl(self(f)->real, op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return self(f)->real->pMethods->xSectorSize(self(f)->real);
}

static int f_device(sqlite3_file *f)
{
    return self(f)->real->pMethods->xDeviceCharacteristics(self(f)->real);
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return self(f)->real->pMethods->xShmMap(self(f)->real, page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return self(f)->real->pMethods->xShmLock(self(f)->real, at, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    self(f)->real->pMethods->xShmBarrier(self(f)->real);
}

static int f_shm_unmap(sqlite3_file *f, int del)
{
    return self(f)->real->pMethods->xShmUnmap(self(f)->real, del);
}

static const sqlite3_io_methods methods = {
    2,         f_close,  f_read,   f_write,   f_truncate, f_sync,        f_size,      f_lock, f_unlock, f_reserved,
    f_control, f_sector, f_device, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, NULL,   NULL,
};

/* ---- VFS ---- */

static struct image *image_of(struct lossy *l, const char *path)
{
    const char *name = strrchr(path, '/');
    auto_free char *dir = name ? mem_strn(path, (size_t)(name - path)) : NULL;
    auto_free char *full = l->dir ? realpath(l->dir, NULL) : NULL;
    struct image *im;

    if (!full || !dir || strcmp(dir, full) != 0)
        return NULL;
    for (im = l->images; im; im = im->next)
        if (strcmp(im->name, name + 1) == 0)
            return im;
    im = mem_zero(sizeof *im);
    im->name = mem_str(name + 1);
    im->last = &im->first;
    im->next = l->images;
    l->images = im;
    return im;
}

/* What is in a file when it is opened first is durable. */
static void load(struct image *im, const char *path)
{
    FILE *f = fopen(path, "rb");
    char buf[65536];
    size_t n;

    if (!f)
        return;
    im->synced = true;
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_addn(&im->durable, buf, n);
    fclose(f);
    im->size = im->durable.len;
}

static int v_open(sqlite3_vfs *v, sqlite3_filename path, sqlite3_file *f, int flags, int *out)
{
    struct lossy *l = v->pAppData;
    struct lossy_file *lf = self(f);
    struct image *before = l->images;
    int rc;

    memset(lf, 0, sizeof *lf);
    lf->lossy = l;
    lf->real = (sqlite3_file *)(lf + 1);
    if (path && flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))
        lf->image = image_of(l, path);
    if (l->images != before)
        load(lf->image, path);
    rc = l->real->xOpen(l->real, path, lf->real, flags, out);
    if (lf->real->pMethods)
        lf->file.pMethods = &methods;
    return rc;
}

static int v_delete(sqlite3_vfs *v, const char *path, int sync)
{
    struct lossy *l = v->pAppData;
    const char *name = strrchr(path, '/');

    (void)sync;
    if (gone(l))
        return SQLITE_IOERR_DELETE;
    for (struct image *im = l->images; im; im = im->next)
        im->deleted |= name && strcmp(im->name, name + 1) == 0;
    return l->real->xDelete(l->real, path, 0);
}

static int v_access(sqlite3_vfs *v, const char *path, int flags, int *out)
{
    struct lossy *l = v->pAppData;

    return l->real->xAccess(l->real, path, flags, out);
}

static int v_full(sqlite3_vfs *v, const char *path, int n, char *out)
{
    struct lossy *l = v->pAppData;

    return l->real->xFullPathname(l->real, path, n, out);
}

static int v_random(sqlite3_vfs *v, int n, char *out)
{
    struct lossy *l = v->pAppData;

    return l->real->xRandomness(l->real, n, out);
}

static int v_sleep(sqlite3_vfs *v, int us)
{
    struct lossy *l = v->pAppData;

    return l->real->xSleep(l->real, us);
}

static int v_time(sqlite3_vfs *v, double *out)
{
    struct lossy *l = v->pAppData;

    return l->real->xCurrentTime(l->real, out);
}

static int v_error(sqlite3_vfs *v, int n, char *out)
{
    struct lossy *l = v->pAppData;

    return l->real->xGetLastError ? l->real->xGetLastError(l->real, n, out) : 0;
}

struct lossy *lossy_new(void)
{
    struct lossy *l = mem_zero(sizeof *l);

    l->real = sqlite3_vfs_find(NULL);
    l->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct lossy_file) + l->real->szOsFile,
        .mxPathname = l->real->mxPathname,
        .zName = "lossy",
        .pAppData = l,
        .xOpen = v_open,
        .xDelete = v_delete,
        .xAccess = v_access,
        .xFullPathname = v_full,
        .xRandomness = v_random,
        .xSleep = v_sleep,
        .xCurrentTime = v_time,
        .xGetLastError = v_error,
    };
    if (sqlite3_vfs_register(&l->vfs, 1) != SQLITE_OK)
        abort();
    return l;
}

void lossy_disarm(struct lossy *l)
{
    struct image *im, *next;

    for (im = l->images; im; im = next) {
        next = im->next;
        image_clear(im);
        str_free(&im->durable);
        free(im->name);
        free(im);
    }
    l->images = NULL;
    free(l->dir);
    free(l->crash_dir);
    free(l->reserve);
    l->dir = l->crash_dir = l->reserve = NULL;
    l->limit = 0;
    l->dead = false;
}

void lossy_arm(struct lossy *l, const char *dir, const char *crash_dir, uint64_t nth, uint64_t seed)
{
    lossy_disarm(l);
    l->dir = mem_str(dir);
    l->crash_dir = mem_str(crash_dir);
    l->nth = nth;
    l->ops = 0;
    l->seed = seed;
}

void lossy_free(struct lossy *l)
{
    lossy_disarm(l);
    sqlite3_vfs_unregister(&l->vfs);
    sqlite3_vfs_register(l->real, 1);
    free(l);
}

bool lossy_dead(const struct lossy *l)
{
    return l->dead;
}

uint64_t lossy_ops(const struct lossy *l)
{
    return l->ops;
}

void lossy_limit(struct lossy *l, uint64_t bytes, const char *reserve)
{
    free(l->reserve);
    l->limit = bytes;
    l->reserve = mem_str(reserve);
    l->reserve_bytes = file_bytes(reserve);
}

uint64_t lossy_used(const struct lossy *l)
{
    uint64_t used = 0;

    for (const struct image *im = l->images; im; im = im->next)
        used += im->size;
    return used;
}
