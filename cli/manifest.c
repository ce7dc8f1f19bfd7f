/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "schema/check.h"
#include "schema/fields.h"

struct loading {
    struct manifests *out;
    const char *ns;
    bool forced;
    size_t errors;
};

void manifests_free(struct manifests *m)
{
    for (size_t i = 0; i < m->n; i++) {
        cJSON_Delete(m->v[i].obj);
        free(m->v[i].file);
    }
    free(m->v);
    memset(m, 0, sizeof *m);
}

void manifest_title(const struct manifest *m, char *buf, size_t size)
{
    snprintf(buf, size, "%s/%s", kube_kind_info(m->kind)->singular, json_name(m->obj));
}

static void complain(struct loading *l, const char *file, struct schema_pos pos, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void complain(struct loading *l, const char *file, struct schema_pos pos, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s:%u:%u: error: %s\n", file, pos.line, pos.column, text);
    l->errors++;
}

static int check_schema(struct loading *l, cJSON *obj, const struct schema_yaml *y)
{
    auto_problems struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    auto_str struct str text = STR_INIT;

    schema_check(obj, SCHEMA_FROM_FILE, y, &problems);
    schema_problems_print(&problems, y->file, &text);
    fputs(str_text(&text), stderr);
    l->errors += problems.errors;
    l->out->notes += problems.n - problems.errors;
    return problems.errors ? -1 : 0;
}

/* Kind and apiVersion as one: "StatefulSet" of another group is not ours. -1 when chfleet does not speak it. */
static int kind_of(const cJSON *obj)
{
    const char *api = json_str(obj, "apiVersion", "");
    int kind = kube_kind_by_name(json_str(obj, "kind", ""));
    const struct kube_kind_info *info = kind < 0 ? NULL : kube_kind_info((enum kube_kind)kind);
    auto_free char *want = NULL;

    if (!info || !str_eq(info->kind, json_str(obj, "kind", "")))
        return -1;
    want = *info->group ? mem_printf("%s/%s", info->group, info->version) : mem_str(info->version);
    return str_eq(api, want) ? kind : -1;
}

static int set_namespace(struct loading *l, const struct schema_yaml *y, struct manifest *m)
{
    const char *own = json_ns(m->obj);
    cJSON *meta = json_need_obj(m->obj, "metadata");

    if (!kube_kind_info(m->kind)->namespaced)
        return 0;
    if (*own && l->forced && !str_eq(own, l->ns)) {
        complain(l, y->file, m->pos, "metadata.namespace: the file says %s, the command line %s; drop one of them", own, l->ns);
        return -1;
    }
    if (!*own)
        json_set_str(meta, "namespace", l->ns);
    return 0;
}

static bool known_twice(struct loading *l, const struct schema_yaml *y, const struct manifest *m)
{
    for (size_t i = 0; i < l->out->n; i++) {
        const struct manifest *o = &l->out->v[i];

        if (o->kind == m->kind && str_eq(json_name(o->obj), json_name(m->obj)) && str_eq(json_ns(o->obj), json_ns(m->obj))) {
            complain(l, y->file, m->pos, "metadata.name: %s %s stands already at %s:%u; give one another name or drop it",
                     json_str(m->obj, "kind", ""), json_name(m->obj), o->file, o->pos.line);
            return true;
        }
    }
    return false;
}

static void take_document(struct loading *l, struct schema_yaml *y, size_t i)
{
    cJSON *root = y->roots[i];
    struct manifest m = {.pos = y->starts[i]};
    int kind = kind_of(root);

    if (schema_kind_of(root) >= 0 || kind < 0) { /* also what is nobody's kind: the check says so best */
        if (check_schema(l, root, y) < 0)
            return;
    } else if (!*json_name(root)) {
        complain(l, y->file, m.pos, "metadata.name: is missing");
        return;
    }
    if (kind < 0) {
        complain(l, y->file, m.pos, "kind: chfleet does not know %s of %s", json_str(root, "kind", "(none)"),
                 json_str(root, "apiVersion", "(no apiVersion)"));
        return;
    }
    m.kind = (enum kube_kind)kind;
    m.obj = schema_yaml_take(y, i);
    cJSON_DeleteItemFromObjectCaseSensitive(m.obj, "status");
    if (set_namespace(l, y, &m) < 0 || known_twice(l, y, &m)) {
        cJSON_Delete(m.obj);
        return;
    }
    m.file = mem_str(y->file);
    l->out->v = mem_grow(l->out->v, l->out->n + 1, sizeof *l->out->v);
    l->out->v[l->out->n++] = m;
}

static int take_file(struct loading *l, const char *path, struct err *err)
{
    auto_yaml struct schema_yaml *y = NULL;
    struct err why = ERR_INIT;

    if (schema_yaml_load(path, &y, &why) < 0) {
        if (why.kind != ERR_INPUT) {
            *err = why;
            return -1;
        }
        fprintf(stderr, "%s\n", why.msg);
        l->errors++;
        return 0;
    }
    for (size_t i = 0; i < y->n; i++)
        if (y->roots[i])
            take_document(l, y, i);
    return 0;
}

static int is_manifest(const struct dirent *e)
{
    return e->d_name[0] != '.' &&
           (str_ends(e->d_name, ".yaml") || str_ends(e->d_name, ".yml") || str_ends(e->d_name, ".json"));
}

static int take_folder(struct loading *l, const char *path, struct err *err)
{
    struct dirent **list;
    int n = scandir(path, &list, is_manifest, alphasort), rc = 0;

    if (n < 0)
        return err_set(err, ERR_INPUT, errno, "cannot read the folder %s: %s", path, strerror(errno));
    if (n == 0)
        rc = err_set(err, ERR_INPUT, 0, "%s holds no .yaml, .yml or .json file", path);
    for (int i = 0; i < n; i++) {
        auto_free char *file = mem_printf("%s/%s", path, list[i]->d_name);

        if (rc == 0)
            rc = take_file(l, file, err);
        free(list[i]);
    }
    free(list);
    return rc;
}

int manifests_load(const struct cli *c, const char *ns, bool forced, struct manifests *out, struct err *err)
{
    struct loading l = {.out = out, .ns = ns, .forced = forced};
    const char *path;
    struct stat st;

    for (size_t i = 0; (path = cli_nth(c, "filename", i)); i++) {
        bool folder = !str_eq(path, "-") && stat(path, &st) == 0 && S_ISDIR(st.st_mode);

        if ((folder ? take_folder(&l, path, err) : take_file(&l, path, err)) < 0)
            return -1;
    }
    if (l.errors)
        return err_set(err, ERR_INPUT, 0, "%zu mistake%s, see above; nothing was sent", l.errors, l.errors == 1 ? "" : "s");
    if (out->n == 0)
        return err_set(err, ERR_INPUT, 0, "there is no resource in what -f gives");
    return 0;
}
