/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/config_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"

/* Where the configuration says which folder it is, and what counts when it does not say. */
static const struct folder {
    const char *path, *old_key, *dflt, *into, *name;
} folders[] = {
    {"clickhouse.configuration.file.path.common", "chCommonConfigsPath", "chi/config.d", "clickhouse", "common"},
    {"clickhouse.configuration.file.path.host", "chHostConfigsPath", "chi/conf.d", "clickhouse", "host"},
    {"clickhouse.configuration.file.path.user", "chUsersConfigsPath", "chi/users.d", "clickhouse", "user"},
    {"keeper.configuration.file.path.common", NULL, "chk/keeper_config.d", "keeper", "common"},
    {"keeper.configuration.file.path.host", NULL, "chk/conf.d", "keeper", "host"},
    {"keeper.configuration.file.path.user", NULL, "chk/users.d", "keeper", "user"},
    {"template.chi.path", "chiTemplatesPath", "chi/templates.d", NULL, NULL},
};
enum { FOLDERS = sizeof folders / sizeof *folders };

/* Relative to the configuration file. NULL: none (an empty text switches it off). Caller frees. */
static char *folder_path(const struct folder *f, const char *file, const cJSON *config)
{
    const char *old = f->old_key ? json_str(config, f->old_key, NULL) : NULL;
    const char *dir = old && *old ? old : json_str(config, f->path, f->dflt), *slash = strrchr(file, '/');

    if (!*dir)
        return NULL;
    if (*dir == '/' || !slash)
        return mem_str(dir);
    return mem_printf("%.*s/%s", (int)(slash - file), file, dir);
}

static bool is_template(const char *name)
{
    return str_ends(name, ".yaml") || str_ends(name, ".yml") || str_ends(name, ".json");
}

static int wanted_xml(const struct dirent *d)
{
    return d->d_name[0] != '.' && str_ends(d->d_name, ".xml");
}

static int wanted_template(const struct dirent *d)
{
    return d->d_name[0] != '.' && is_template(d->d_name);
}

/* Sorted names in the folder; n < 0 with err only when it is there and cannot be read. */
static int list(const char *dir, bool xml, struct dirent ***out, struct err *err)
{
    int n = scandir(dir, out, xml ? wanted_xml : wanted_template, alphasort);

    if (n >= 0)
        return n;
    *out = NULL;
    if (errno == ENOENT || errno == ENOTDIR)
        return 0;
    return err_set(err, ERR_SYS, errno, "cannot read folder %s", dir);
}

static void free_list(struct dirent **v, int n)
{
    for (int i = 0; i < n; i++)
        free(v[i]);
    free(v);
}

static char *read_text(const char *path, size_t limit, struct err *err)
{
    auto_free char *text = mem_alloc(limit + 1);
    FILE *f = fopen(path, "re");
    size_t n;

    if (!f) {
        err_set(err, ERR_SYS, errno, "cannot read %s", path);
        return NULL;
    }
    n = fread(text, 1, limit + 1, f);
    fclose(f);
    if (n > limit || memchr(text, '\0', n)) {
        err_set(err, ERR_INPUT, 0, "%s: %s", path,
                n > limit ? "too long: the files of one folder have to fit into 512 KiB" : "is no text");
        return NULL;
    }
    return mem_strn(text, n);
}

static int add_files(const struct folder *f, const char *dir, cJSON *config, struct err *err)
{
    struct dirent **names;
    int n = list(dir, true, &names, err), rc = 0;
    size_t left = SCHEMA_CONFIG_BYTES;
    cJSON *to;

    if (n <= 0)
        return n;
    to = json_need_obj(json_need_obj(json_need_obj(config, f->into), "configuration"), "file");
    to = json_need_obj(json_need_obj(to, "content"), f->name);
    for (int i = 0; i < n && rc == 0; i++) {
        auto_free char *path = mem_printf("%s/%s", dir, names[i]->d_name), *text = read_text(path, left, err);

        if (!text) {
            rc = -1;
            break;
        }
        left -= strlen(text);
        json_set_str(to, names[i]->d_name, text);
    }
    free_list(names, n);
    return rc;
}

static int add_template_file(const char *path, cJSON *to, struct err *err)
{
    auto_yaml struct schema_yaml *y = NULL;

    if (schema_yaml_load(path, &y, err) < 0)
        return -1;
    for (size_t i = 0; i < y->n; i++) {
        auto_problems struct schema_problems found = SCHEMA_PROBLEMS_INIT;
        cJSON *one = y->roots[i];

        if (!str_eq(json_str(one, "kind", NULL), "ClickHouseInstallationTemplate"))
            return err_set(err, ERR_INPUT, 0, "%s: only ClickHouseInstallationTemplates belong into this folder", path);
        schema_check(one, SCHEMA_FROM_FILE, y, &found);
        if (schema_problems_err(&found, path, err) < 0)
            return -1;
        cJSON_DeleteItemFromObjectCaseSensitive(json_get(one, "metadata"), "namespace"); /* they are for all */
        cJSON_AddItemToArray(to, schema_yaml_take(y, i));
    }
    return 0;
}

static int add_templates(const char *dir, cJSON *config, struct err *err)
{
    struct dirent **names;
    int n = list(dir, false, &names, err), rc = 0;
    cJSON *to;

    if (n <= 0)
        return n;
    to = json_set_arr(json_need_obj(json_need_obj(config, "template"), "chi"), "content");
    for (int i = 0; i < n && rc == 0; i++) {
        auto_free char *path = mem_printf("%s/%s", dir, names[i]->d_name);

        rc = add_template_file(path, to, err);
    }
    free_list(names, n);
    return rc;
}

int schema_config_load(const char *path, cJSON **out, struct schema_problems *notes, struct err *err)
{
    auto_yaml struct schema_yaml *docs = NULL;
    auto_problems struct schema_problems found = SCHEMA_PROBLEMS_INIT;
    struct schema_problems *problems = notes ? notes : &found;
    auto_json cJSON *config = NULL;

    if (schema_yaml_load(path, &docs, err) < 0)
        return -1;
    if (docs->n > 1)
        return err_set(err, ERR_INPUT, 0, "%s: one YAML document is expected, it has %zu", path, docs->n);
    if (docs->n) {
        schema_check_config(docs->roots[0], docs, problems);
        if (schema_problems_err(problems, path, err) < 0)
            return -1;
        config = schema_yaml_take(docs, 0);
    } else {
        config = cJSON_CreateObject(); /* only comments: all defaults */
    }
    for (size_t i = 0; i < FOLDERS; i++) {
        auto_free char *dir = folder_path(&folders[i], path, config);

        if (dir && (folders[i].into ? add_files(&folders[i], dir, config, err)
                                    : add_templates(dir, config, err)) < 0)
            return -1;
    }
    *out = config;
    config = NULL;
    return 0;
}

static void stamp_one(struct str *out, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        str_addf(out, "%s -\n", path);
    else
        str_addf(out, "%s %llu %lld %lld.%09ld\n", path, (unsigned long long)st.st_ino, (long long)st.st_size,
                 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

char *schema_config_stamp(const char *path, const cJSON *config)
{
    struct str out = STR_INIT;
    struct err ignored = ERR_INIT;

    stamp_one(&out, path);
    for (size_t i = 0; i < FOLDERS; i++) {
        auto_free char *dir = folder_path(&folders[i], path, config);
        struct dirent **names = NULL;
        int n = dir ? list(dir, folders[i].into != NULL, &names, &ignored) : 0;

        for (int k = 0; k < n; k++) {
            auto_free char *one = mem_printf("%s/%s", dir, names[k]->d_name);

            stamp_one(&out, one);
        }
        free_list(names, n);
    }
    return str_take(&out);
}
