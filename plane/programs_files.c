/* SPDX-License-Identifier: Apache-2.0 */
/* Generated files: written only when they change, with modification times that ClickHouse can tell apart. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/programs.h"

int program_mkdirs(const char *path, struct err *err)
{
    auto_free char *part = mem_str(path);

    for (char *p = part + 1;; p++) {
        bool end = *p == '\0';

        if (!end && *p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, 0750) < 0 && errno != EEXIST)
            return err_set(err, ERR_SYS, errno, "create directory %s", part);
        if (end)
            return 0;
        *p = '/';
    }
}

void program_touch(int dir, const char *name, long before)
{
    time_t now = time(NULL);
    struct timespec when[2] = {{now > before ? now : before + 1, 0}, {now > before ? now : before + 1, 0}};

    utimensat(dir, name, when, AT_SYMLINK_NOFOLLOW);
}

int program_write(const char *dir, const char *name, const char *text, size_t len, unsigned mode, bool *changed,
                  struct err *err)
{
    auto_close int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_free char *tmp = mem_printf(".%s.next", name), *old = NULL;
    struct stat st = {0};
    bool is_file;

    if (at < 0)
        return err_set(err, ERR_SYS, errno, "open %s", dir);
    is_file = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    old = is_file ? shim_read(at, name) : NULL;
    if (changed)
        *changed = false;
    if (old && (size_t)st.st_size == len && memcmp(old, text, len) == 0)
        return 0;
    if (shim_write(at, tmp, text, len, mode, err) < 0)
        return err_ctx(err, "%s", dir);
    fchmodat(at, tmp, mode, 0);
    program_touch(at, tmp, is_file ? (long)st.st_mtime : 0);
    if (renameat(at, tmp, at, name) < 0)
        return err_set(err, ERR_SYS, errno, "write %s/%s", dir, name);
    if (changed)
        *changed = true;
    return 0;
}

unsigned container_port(const cJSON *container, const char *name, unsigned dflt)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_get(container, "ports"))
        if (str_eq(json_str(p, "name", NULL), name))
            return (unsigned)json_int(p, "containerPort", dflt);
    return dflt;
}
