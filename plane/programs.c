/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "plane/programs_default.h"
#include "schema/yaml.h"

static const char *const kind_names[] = {"clickhouse", "keeper", "command"};

static void free_texts(char **list)
{
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
}

static void program_fini(struct program *p)
{
    free_texts(p->images);
    free_texts(p->binaries);
    free_texts(p->args);
    free_texts(p->java_args);
    free(p->library_path);
    free(p->where);
    cJSON_Delete(p->env);
    cJSON_Delete(p->profile);
    cJSON_Delete(p->settings);
}

void programs_free(struct programs *p)
{
    for (size_t i = 0; p && i < p->n; i++)
        program_fini(&p->v[i]);
    if (p)
        free(p->v);
    free(p);
}

/* ---- reading ---- */

static int bad(struct err *err, const struct schema_yaml *y, const cJSON *item, const char *what)
{
    struct schema_pos pos = schema_yaml_key_pos(y, item);

    return err_set(err, ERR_INPUT, 0, "%s:%u:%u: %s", y->file, pos.line, pos.column, what);
}

/* A text or a list of texts. */
static int take_texts(const struct schema_yaml *y, const cJSON *item, char ***out, struct err *err)
{
    const cJSON *one = cJSON_IsArray(item) ? item->child : item;
    size_t n = 0;

    for (; one; one = cJSON_IsArray(item) ? one->next : NULL) {
        if (!cJSON_IsString(one))
            return bad(err, y, item, "must be a text or a list of texts");
        *out = mem_grow(*out, n + 2, sizeof **out);
        (*out)[n++] = mem_str(one->valuestring);
        (*out)[n] = NULL;
    }
    return 0;
}

static int take_object(const struct schema_yaml *y, const cJSON *item, cJSON **out, struct err *err)
{
    if (!cJSON_IsObject(item))
        return bad(err, y, item, "must be a map");
    *out = json_copy(item);
    return 0;
}

static int take_kind(const struct schema_yaml *y, const cJSON *item, struct program *p, struct err *err)
{
    for (int i = 0; i < 3; i++)
        if (cJSON_IsString(item) && strcmp(item->valuestring, kind_names[i]) == 0) {
            p->kind = (enum program_kind)i;
            return 0;
        }
    return bad(err, y, item, "kind must be clickhouse, keeper or command");
}

static int take_listen(const struct schema_yaml *y, const cJSON *item, struct program *p, struct err *err)
{
    p->listen_as_configured = cJSON_IsString(item) && strcmp(item->valuestring, "files") == 0;
    if (p->listen_as_configured || (cJSON_IsString(item) && strcmp(item->valuestring, "127.0.0.1") == 0))
        return 0;
    return bad(err, y, item, "listen must be 127.0.0.1, or files (as the configuration files say)");
}

static int take_field(const struct schema_yaml *y, const cJSON *f, struct program *p, struct err *err)
{
    const char *key = f->string;

    if (strcmp(key, "image") == 0 || strcmp(key, "images") == 0)
        return take_texts(y, f, &p->images, err);
    if (strcmp(key, "binary") == 0)
        return take_texts(y, f, &p->binaries, err);
    if (strcmp(key, "args") == 0)
        return take_texts(y, f, &p->args, err);
    if (strcmp(key, "java_args") == 0)
        return take_texts(y, f, &p->java_args, err);
    if (strcmp(key, "env") == 0)
        return take_object(y, f, &p->env, err);
    if (strcmp(key, "profile") == 0)
        return take_object(y, f, &p->profile, err);
    if (strcmp(key, "settings") == 0)
        return take_object(y, f, &p->settings, err);
    if (strcmp(key, "kind") == 0)
        return take_kind(y, f, p, err);
    if (strcmp(key, "listen") == 0)
        return take_listen(y, f, p, err);
    if (strcmp(key, "library_path") == 0 && cJSON_IsString(f)) {
        p->library_path = mem_str(f->valuestring);
        return 0;
    }
    return bad(err, y, f,
               "unknown field; there are: images kind binary library_path args java_args env profile settings listen");
}

static int take_program(const struct schema_yaml *y, const cJSON *item, struct program *p, struct err *err)
{
    const cJSON *f;

    if (!cJSON_IsObject(item))
        return bad(err, y, item, "an entry must be a map with images and kind");
    p->where = mem_printf("%s:%u", y->file, schema_yaml_value_pos(y, item).line);
    p->kind = PROGRAM_COMMAND;
    cJSON_ArrayForEach(f, item)
        if (take_field(y, f, p, err) < 0)
            return -1;
    if (!p->images)
        return bad(err, y, item, "an entry needs images: a pattern or a list of patterns");
    if (!p->binaries && p->kind != PROGRAM_COMMAND)
        return bad(err, y, item, "an entry of this kind needs binary: a path or a list of paths and names");
    return 0;
}

static int take_list(struct programs *p, const struct schema_yaml *y, struct err *err)
{
    const cJSON *item, *list;

    for (size_t i = 0; i < y->n; i++) {
        list = json_get(y->roots[i], "programs");
        if (!cJSON_IsArray(list))
            return err_set(err, ERR_INPUT, 0, "%s: must hold one list, programs", y->file);
        cJSON_ArrayForEach(item, list) {
            p->v = mem_grow(p->v, p->n + 1, sizeof *p->v);
            memset(&p->v[p->n++], 0, sizeof *p->v);
            if (take_program(y, item, &p->v[p->n - 1], err) < 0)
                return -1;
        }
    }
    return 0;
}

int programs_parse(struct programs *p, const char *file, const char *text, size_t len, struct err *err)
{
    auto_yaml struct schema_yaml *y = NULL;

    if (schema_yaml_parse(file, text, len, &y, err) < 0)
        return -1;
    return take_list(p, y, err);
}

static int parse_file(struct programs *p, const char *path, bool *found, struct err *err)
{
    auto_free char *text = shim_read(AT_FDCWD, path);

    *found = text != NULL;
    return text ? programs_parse(p, path, text, strlen(text), err) : 0;
}

int programs_load(const char *user_file, struct programs **out, struct err *err)
{
    struct programs *p = mem_zero(sizeof *p);
    bool users = false, found = false;

    if ((user_file && parse_file(p, user_file, &users, err) < 0) || parse_file(p, PKGDATADIR "/programs.yaml", &found, err) < 0 ||
        (!found && programs_parse(p, "programs.yaml", programs_default_text, strlen(programs_default_text), err) < 0)) {
        programs_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

/* ---- finding ---- */

const struct program *programs_find(const struct programs *p, const char *image)
{
    if (str_starts(image, "docker.io/"))
        image += strlen("docker.io/");
    for (size_t i = 0; i < p->n; i++)
        for (char **pattern = p->v[i].images; *pattern; pattern++)
            if (str_glob(*pattern, image))
                return &p->v[i];
    return NULL;
}

static char *in_path(const char *name)
{
    const char *dirs = getenv("PATH");

    for (const char *p = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        auto_free char *file = mem_printf("%.*s/%s", (int)n, p, name);

        if (n && *p == '/' && access(file, X_OK) == 0)
            return mem_str(file);
        p += n + (p[n] == ':');
    }
    return NULL;
}

char *program_binary(const struct program *p, struct err *err)
{
    auto_str struct str tried = STR_INIT;

    for (char **b = p->binaries; b && *b; b++) {
        bool jar = str_ends(*b, ".jar");

        if (**b == '/' ? access(*b, jar ? R_OK : X_OK) == 0 : false) {
            auto_free char *java = jar ? in_path("java") : NULL;

            if (!jar || java)
                return mem_str(*b);
        } else if (**b != '/') {
            char *found = in_path(*b);

            if (found)
                return found;
        }
        str_addf(&tried, "%s%s%s", tried.len ? ", " : "", *b, jar ? " (with java)" : "");
    }
    err_set(err, ERR_MISSING, 0,
            "none of these programs is on this machine: %s. Install one, or name another under binary: in "
            "programs.yaml (%s)",
            str_text(&tried), p->where);
    return NULL;
}

void programs_missing_text(const char *image, struct str *out)
{
    const char *tag = strrchr(image, ':');
    int name = tag && !strchr(tag, '/') ? (int)(tag - image) : (int)strlen(image);

    str_addf(out,
             "no program of this machine stands for image %s. Add to programs.yaml in the plane's data directory: "
             "\"programs: [{images: '%.*s:*', kind: command, binary: /path/of/the/program}]\" (kind clickhouse or "
             "keeper for "
             "servers of that kind)",
             image, name, image);
}
