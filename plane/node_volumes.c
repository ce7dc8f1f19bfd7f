/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes. A ConfigMap or Secret volume is laid out as kubelets do it, so that it changes in one step:
 *     ..data → ..2026_01_02_…      the files; `..data` is replaced by rename
 *     NAME   → ..data/NAME
 * A file that did not change keeps its modification time; one that did gets a later whole second (ClickHouse compares
 * those).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "plane/node_priv.h"

/* ---- trees ---- */

static int remove_at(int dir, const char *name, struct err *err)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    int rc = 0;

    if (!d) {
        if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
            return err_set(err, ERR_SYS, errno, "remove %s", name);
        return 0;
    }
    while (rc == 0 && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = remove_at(fd, e->d_name, err);
    closedir(d);
    if (rc == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_set(err, ERR_SYS, errno, "remove directory %s", name);
    return rc;
}

int node_remove_tree(const char *path, struct err *err)
{
    return remove_at(AT_FDCWD, path, err) < 0 ? err_ctx(err, "%s", path) : 0;
}

/* ---- files of a ConfigMap or Secret ---- */

struct vol_file {
    char *path; /* inside the volume */
    char *data;
    size_t len;
    unsigned mode;
};
struct vol_files {
    struct vol_file *v;
    size_t n;
};

static void files_fini(struct vol_files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->v[i].path);
        free(f->v[i].data);
    }
    free(f->v);
}

static void add_file(struct vol_files *f, const char *path, char *takes, size_t len, unsigned mode)
{
    f->v = mem_grow(f->v, f->n + 1, sizeof *f->v);
    f->v[f->n++] = (struct vol_file){mem_str(path), takes, len, mode};
}

/* The value of one key: text from data of a ConfigMap, else base64. NULL when it is not there. */
static char *key_value(const cJSON *obj, bool secret, const char *key, size_t *len)
{
    const cJSON *plain = secret ? NULL : json_get(json_get(obj, "data"), key);
    const cJSON *coded = json_get(json_get(obj, secret ? "data" : "binaryData"), key);

    if (cJSON_IsString(plain)) {
        *len = strlen(plain->valuestring);
        return mem_str(plain->valuestring);
    }
    return cJSON_IsString(coded) ? (char *)hash_unbase64(coded->valuestring, len) : NULL;
}

static bool safe_path(const char *path)
{
    return *path && *path != '/' && strcmp(path, "..") != 0 && !str_starts(path, "../") && !strstr(path, "/../") &&
           !str_ends(path, "/..");
}

static int add_items(struct vol_files *f, const cJSON *obj, bool secret, const cJSON *source, unsigned mode,
                     struct err *err)
{
    bool optional = json_bool(source, "optional", false);
    const cJSON *item;

    cJSON_ArrayForEach(item, json_get(source, "items")) {
        const char *key = json_str(item, "key", ""), *path = json_str(item, "path", key);
        size_t len = 0;
        char *data = key_value(obj, secret, key, &len);

        if (!safe_path(path)) {
            free(data);
            return err_set(err, ERR_INPUT, 0, "path \"%s\" of key %s must stay inside the volume", path, key);
        }
        if (data)
            add_file(f, path, data, len, (unsigned)json_int(item, "mode", mode));
        else if (!optional)
            return err_set(err, ERR_MISSING, 0, "%s %s has no key %s", secret ? "Secret" : "ConfigMap", json_name(obj),
                           key);
    }
    return 0;
}

static void add_all(struct vol_files *f, const cJSON *obj, bool secret, unsigned mode)
{
    static const char *const parts[] = {"data", "binaryData"};
    const cJSON *v;

    for (int i = 0; i < (secret ? 1 : 2); i++)
        cJSON_ArrayForEach(v, json_get(obj, parts[i])) {
            size_t len = 0;
            char *data = key_value(obj, secret, v->string, &len);

            if (data && safe_path(v->string))
                add_file(f, v->string, data, len, mode);
            else
                free(data);
        }
}

static int source_files(struct node_pod *p, const cJSON *source, bool secret, struct vol_files *f, struct err *err)
{
    const char *name = json_str(source, secret ? "secretName" : "name", "");
    const cJSON *obj = store_get(p->node->s, secret ? PK_SECRET : PK_CM, p->ns, name);
    unsigned mode = (unsigned)json_int(source, "defaultMode", 0644);

    if (!obj)
        return json_bool(source, "optional", false)
                   ? 0
                   : err_set(err, ERR_MISSING, 0, "%s %s is not there", secret ? "Secret" : "ConfigMap", name);
    if (json_get(source, "items"))
        return add_items(f, obj, secret, source, mode, err);
    add_all(f, obj, secret, mode);
    return 0;
}

/* ---- on disk ---- */

static bool same_file(int dir, const struct vol_file *f, struct stat *st)
{
    auto_free char *old = NULL;

    if (fstatat(dir, f->path, st, 0) < 0)
        return false;
    old = shim_read(dir, f->path);
    return old && (size_t)st->st_size == f->len && memcmp(old, f->data, f->len) == 0;
}

static size_t count_files(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    size_t n = 0;

    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static size_t top_entries(const struct vol_files *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        bool seen = false;
        size_t len = strcspn(f->v[i].path, "/");

        for (size_t k = 0; k < i && !seen; k++)
            seen = strcspn(f->v[k].path, "/") == len && memcmp(f->v[k].path, f->v[i].path, len) == 0;
        n += !seen && f->v[i].path[0] != '.';
    }
    return n;
}

static bool up_to_date(int data, const struct vol_files *f)
{
    struct stat st;

    if (data < 0 || count_files(data) != top_entries(f))
        return false;
    for (size_t i = 0; i < f->n; i++)
        if (!same_file(data, &f->v[i], &st) || (st.st_mode & 0777) != (f->v[i].mode & 0777))
            return false;
    return true;
}

static int write_one(int to, const char *base, int before, const struct vol_file *f, struct err *err)
{
    struct stat st = {0};
    bool same = before >= 0 && same_file(before, f, &st);

    if (strchr(f->path, '/')) {
        auto_free char *dir = mem_printf("%s/%.*s", base, (int)(strrchr(f->path, '/') - f->path), f->path);

        if (program_mkdirs(dir, err) < 0)
            return -1;
    }
    if (shim_write(to, f->path, f->data, f->len, f->mode & 0777, err) < 0)
        return -1;
    fchmodat(to, f->path, f->mode & 0777, 0);
    if (same)
        utimensat(to, f->path, (struct timespec[2]){st.st_atim, st.st_mtim}, 0);
    else
        program_touch(to, f->path, (long)st.st_mtime);
    return 0;
}

/* A directory name no earlier one had. */
static char *stamp(void)
{
    struct timespec ts;
    struct tm tm;
    char day[40];

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(day, sizeof day, "..%Y_%m_%d_%H_%M_%S", &tm);
    return mem_printf("%s.%09ld", day, ts.tv_nsec);
}

static int link_names(int vol, const struct vol_files *f, struct err *err)
{
    for (size_t i = 0; i < f->n; i++) {
        auto_free char *top = mem_strn(f->v[i].path, strcspn(f->v[i].path, "/"));
        auto_free char *target = mem_printf("..data/%s", top);

        if (symlinkat(target, vol, top) < 0 && errno != EEXIST)
            return err_set(err, ERR_SYS, errno, "link %s", top);
    }
    return 0;
}

/* Names whose file is gone, and old data directories. */
static void tidy(const char *dir, const char *current)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;

    while (d && (e = readdir(d))) {
        const char *name = e->d_name;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "..data") == 0 ||
            strcmp(name, current) == 0)
            continue;
        if (str_starts(name, ".."))
            remove_at(dirfd(d), name, &(struct err)ERR_INIT);
        else if (fstatat(dirfd(d), name, &st, 0) < 0 && errno == ENOENT)
            unlinkat(dirfd(d), name, 0);
    }
    if (d)
        closedir(d);
}

static int swap_data(const char *dir, int vol, const struct vol_files *f, int before, struct err *err)
{
    auto_free char *name = stamp(), *base = mem_printf("%s/%s", dir, name);
    auto_close int to = -1;

    if (program_mkdirs(base, err) < 0 || (to = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    for (size_t i = 0; i < f->n; i++)
        if (write_one(to, base, before, &f->v[i], err) < 0)
            return -1;
    unlinkat(vol, "..data_tmp", 0);
    if (symlinkat(name, vol, "..data_tmp") < 0 || renameat(vol, "..data_tmp", vol, "..data") < 0)
        return err_set(err, ERR_SYS, errno, "replace %s/..data", dir);
    if (link_names(vol, f, err) < 0)
        return -1;
    tidy(dir, name);
    return 0;
}

static int write_volume(const char *dir, const struct vol_files *f, struct err *err)
{
    auto_close int vol = -1, before = -1;

    if (program_mkdirs(dir, err) < 0)
        return -1;
    vol = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (vol < 0)
        return err_set(err, ERR_SYS, errno, "open %s", dir);
    before = openat(vol, "..data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return up_to_date(before, f) ? 0 : swap_data(dir, vol, f, before, err);
}

/* ---- volumes of a pod ---- */

static char *volume_dir(const struct node_pod *p, const char *name)
{
    return mem_printf("%s/volumes/%s", p->dir, name);
}

/* The directory of a bound claim. Caller frees. */
static char *claim_dir(struct node_pod *p, const char *claim, struct err *err)
{
    const cJSON *pvc = store_get(p->node->s, PK_PVC, p->ns, claim), *pv;
    const char *volume = pvc ? json_str(pvc, "spec.volumeName", "") : "", *path;

    if (!pvc || !str_eq(json_str(pvc, "status.phase", NULL), "Bound")) {
        err_set(err, ERR_MISSING, 0, "claim %s is not %s", claim, pvc ? "bound yet" : "there");
        return NULL;
    }
    pv = store_get(p->node->s, PK_PV, NULL, volume);
    path = pv ? json_str(pv, "spec.local.path", json_str(pv, "spec.hostPath.path", NULL)) : NULL;
    if (!path) {
        err_set(err, ERR_MISSING, 0, "claim %s: its volume %s is not on this machine", claim, volume);
        return NULL;
    }
    return mem_str(path);
}

static int one_volume(struct node_pod *p, const cJSON *v, struct err *err)
{
    auto_free char *dir = volume_dir(p, json_str(v, "name", ""));
    const cJSON *cm = json_get(v, "configMap"), *secret = json_get(v, "secret");
    struct vol_files f = {NULL, 0};
    int rc;

    if (json_get(v, "persistentVolumeClaim")) {
        auto_free char *path = claim_dir(p, json_str(v, "persistentVolumeClaim.claimName", ""), err);

        return path ? program_mkdirs(path, err) : -1;
    }
    if (json_get(v, "emptyDir"))
        return program_mkdirs(dir, err);
    if (json_get(v, "hostPath"))
        return strstr(json_str(v, "hostPath.type", ""), "OrCreate")
                   ? program_mkdirs(json_str(v, "hostPath.path", "/"), err)
                   : 0;
    if (!cm && !secret)
        return err_set(
            err, ERR_INPUT, 0,
            "volume %s is of a kind the plane does not have; it has persistentVolumeClaim, emptyDir, configMap, secret "
            "and hostPath",
            json_str(v, "name", ""));
    rc = source_files(p, cm ? cm : secret, secret != NULL, &f, err);
    if (rc == 0)
        rc = write_volume(dir, &f, err);
    files_fini(&f);
    return rc < 0 ? err_ctx(err, "volume %s", json_str(v, "name", "")) : 0;
}

int pod_volumes(struct node_pod *p, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(p->obj, "spec.volumes"))
        if (one_volume(p, v, err) < 0)
            return -1;
    return 0;
}

/* ---- mounts ---- */

static const cJSON *volume_named(const struct node_pod *p, const char *name)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_at(p->obj, "spec.volumes"))
        if (str_eq(json_str(v, "name", NULL), name))
            return v;
    return NULL;
}

static char *mount_source(struct node_pod *p, const cJSON *mount, struct err *err)
{
    const char *name = json_str(mount, "name", "");
    const cJSON *v = volume_named(p, name);

    if (!v) {
        err_set(err, ERR_INPUT, 0, "volumeMount %s: the pod has no volume of that name", name);
        return NULL;
    }
    if (json_get(v, "persistentVolumeClaim"))
        return claim_dir(p, json_str(v, "persistentVolumeClaim.claimName", ""), err);
    if (json_get(v, "hostPath"))
        return mem_str(json_str(v, "hostPath.path", "/"));
    return volume_dir(p, name);
}

int ctr_mounts(struct node_ctr *c, struct path_maps *maps, struct err *err)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, json_get(c->spec, "volumeMounts")) {
        auto_free char *source = mount_source(c->pod, m, err);
        const char *sub = json_str(m, "subPath", NULL);
        auto_free char *dir = NULL;

        if (!source)
            return -1;
        if (sub && *sub && !safe_path(sub))
            return err_set(err, ERR_INPUT, 0, "volumeMount %s: subPath %s must stay inside the volume",
                           json_str(m, "name", ""), sub);
        dir = sub && *sub ? mem_printf("%s/%s", source, sub) : mem_str(source);
        if (access(dir, F_OK) < 0 && program_mkdirs(dir, err) < 0)
            return -1;
        path_maps_add(maps, json_str(m, "mountPath", "/"), dir);
    }
    return 0;
}
