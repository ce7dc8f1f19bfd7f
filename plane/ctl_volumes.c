/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of the real machine: DATA/volumes/<namespace>_<claim>. */
#include "plane/ctl_volumes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "plane/programs.h"

static int dir_make(void *ctx, const char *ns, const char *claim, const char *uid,
                    bool (*taken)(void *tctx, const char *path), void *tctx, char **path, struct err *err)
{
    struct plane *p = ctx;
    auto_free char *dir = mem_printf("%s/volumes/%s_%s", p->data_dir, ns, claim);
    bool there;

    if (taken(tctx, dir)) { /* a released volume that is kept has the plain name */
        auto_free char *own = mem_printf("%s_%.8s", dir, uid);
        char *swap = dir;

        dir = own;
        own = swap;
    }
    there = access(dir, F_OK) == 0;
    if (program_mkdirs(dir, err) < 0)
        return -1;
    if (there)
        log_note(claim, "takes the data that is in %s", dir);
    *path = mem_str(dir);
    return 0;
}

static void removed(void *ctx, int status, const char *out, const char *errtext)
{
    (void)ctx;
    (void)out;
    if (status != 0)
        log_warn(NULL, "removing old volumes: %s", errtext);
}

/* Out of the way at once; the files go in the background. */
static int dir_remove(void *ctx, const char *path, struct err *err)
{
    struct plane *p = ctx;
    auto_free char *trash = mem_printf("%s/volumes/.trash", p->data_dir);
    auto_free char *to = mem_printf("%s/%s.%016llx", trash, strrchr(path, '/') ? strrchr(path, '/') + 1 : path,
                                    (unsigned long long)p->w->ops->random(p->w));
    const char *const argv[] = {"rm", "-rf", "--", trash, NULL};

    if (program_mkdirs(trash, err) < 0)
        return -1;
    if (rename(path, to) < 0 && errno != ENOENT)
        return err_set(err, ERR_SYS, errno, "remove %s", path);
    p->w->ops->run(p->w, argv, NULL, 3600000, removed, NULL);
    return 0;
}

const struct volume_ops *ctl_volumes(void)
{
    static const struct volume_ops ops = {dir_make, dir_remove, NULL};

    return &ops;
}
