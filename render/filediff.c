/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between the files servers have and the files they should have, named by the field of the resource they
 * come from. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "render/internal.h"
#include "render/xmldiff.h"

void file_lines_free(struct file_lines *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].path);
        free(l->v[i].from);
        free(l->v[i].to);
        free(l->v[i].rule);
    }
    free(l->v);
    *l = (struct file_lines){NULL, 0};
}

/* Which file it is decides how a difference is named and what it takes. */
struct file_kind {
    const char *name;    /* key in the ConfigMap */
    const char *section; /* behind the scope: "settings" */
    const char *rule;    /* prefix of rule paths, NULL = none */
    const char *below;   /* element under the root that the section stands for */
    bool restart, membership;
};

static const struct file_kind kinds[] = {
    {"chop-generated-settings.xml", "settings", "settings/", NULL, false, false},
    {"chop-generated-settings_common.xml", "settings", "settings/", NULL, false, false},
    {"chop-generated-profiles.xml", "profiles", "profiles/", "profiles", false, false},
    {"chop-generated-quotas.xml", "quotas", "quotas/", "quotas", false, false},
    {"chop-generated-users.xml", "users", NULL, "users", false, false},
    {"chop-generated-zookeeper.xml", "zookeeper", NULL, NULL, true, false},
    {"chop-generated-hostname-ports.xml", "ports", NULL, NULL, true, false},
    {"chop-generated-macros.xml", "macros", NULL, "macros", false, false},
    {"chop-generated-remote_servers.xml", "remote_servers", NULL, "remote_servers", false, true},
    {"chop-generated-raft.xml", "raft", NULL, NULL, false, true},
    {"chop-generated-server-id.xml", "server id", NULL, NULL, true, false},
    {"chfleet-membership.xml", "membership", NULL, NULL, false, true},
};

struct walk {
    const struct fleet *f;
    const struct file_kind *kind; /* NULL: a file of the user or of the operator */
    const char *scope;
    char *file_path, *file_rule;
    struct file_lines *out;
};

/* Does this component of a path name something that must not be shown? display_secrets_… says how to show, not what. */
static bool hides_component(const char *name, size_t len)
{
    static const char *const anywhere[] = {"password",    "passwd",   "credential", "access_key",
                                           "private_key", "identity", "token"};
    auto_free char *low = mem_strn(name, len);

    for (char *p = low; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++)
        if (strstr(low, anywhere[i]))
            return true;
    return strcmp(low, "secret") == 0 || str_ends(low, "_secret") || str_starts(low, "secret_");
}

static bool hides(const char *path)
{
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");

        if (hides_component(p, n))
            return true;
        p += n + (p[n] == '/');
    }
    return false;
}

static char *show(const char *path, const char *value)
{
    enum { LONGEST = 120 };
    char *text;

    if (!value)
        return NULL;
    if (hides(path))
        return mem_str("(hidden)");
    if (!*path && strlen(value) > 40)
        return mem_str("(text)");
    text = mem_str(value);
    if (strlen(text) > LONGEST)
        memcpy(text + LONGEST - 3, "...", 4);
    return text;
}

/* Ports that are not open are written as 0, as removed, or not at all: the same thing. */
static bool closed(const char *value)
{
    return !value || !*value || strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
}

static bool no_difference(const struct walk *w, const char *path, const char *from, const char *to)
{
    if (!w->kind || strcmp(w->kind->section, "ports") != 0)
        return false;
    return closed(from) && closed(to) && (strchr(path, '@') || !str_eq(from, "1"));
}

static bool is_operators(const struct fleet *f, const char *path)
{
    auto_free char *own = mem_printf("%s/networks/ip", json_str(f->config, "clickhouse.access.username", "clickhouse_operator"));

    return str_starts(path, own);
}

static void one(void *ctx, const char *path, const char *from, const char *to)
{
    struct walk *w = ctx;
    const struct file_kind *k = w->kind;
    struct file_line l = {.from = show(path, from), .to = show(path, to)};

    if (no_difference(w, path, from, to)) {
        free(l.from);
        free(l.to);
        return;
    }
    l.path = k ? mem_printf("%s.%s.%s", w->scope, k->section, path)
               : mem_printf("%s%s%s", w->file_path, *path ? ": " : "", path);
    if (k) {
        l.restart = k->restart;
        l.membership = k->membership;
        l.rule = k->rule ? mem_printf("%s%s", k->rule, path) : NULL;
        l.addresses = strcmp(k->section, "users") == 0 && str_starts(path, "default/networks/ip");
        l.lets_in = strcmp(k->section, "users") == 0 && is_operators(w->f, path);
    } else {
        l.rule = mem_str(w->file_rule);
    }
    w->out->v = mem_grow(w->out->v, w->out->n + 1, sizeof *w->out->v);
    w->out->v[w->out->n++] = l;
}

static const struct setting *find_file(const struct settings *files, const char *name)
{
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(file_name(files->v[i].path), name) == 0)
            return &files->v[i];
    return NULL;
}

static bool is_own(const char *name)
{
    return str_starts(name, "01-clickhouse-") || str_starts(name, "02-clickhouse-") || str_starts(name, "01-keeper-");
}

/* Does a folder of the operator's configuration have it? */
static bool of_operator(const struct fleet *f, const char *name)
{
    const cJSON *content =
                    json_at(f->config, f->kind == FLEET_KEEPER ? "keeper.configuration.file.content" : "clickhouse.configuration.file.content"),
                *folder;

    cJSON_ArrayForEach(folder, content)
        if (json_get(folder, name))
            return true;
    return false;
}

/* A file of the user: its key in the resource, or what it must have been called there. */
static void name_file(struct walk *w, const char *name, bool host)
{
    const struct setting *s = find_file(&w->f->files, name);

    for (size_t i = 0; host && !s && i < w->f->n_hosts; i++)
        s = find_file(&w->f->hosts[i]->files, name);
    free(w->file_path);
    free(w->file_rule);
    w->file_rule = NULL;
    if (is_own(name)) {
        w->file_path = mem_printf("operator file %s", name);
        return;
    }
    w->file_path = of_operator(w->f, name) ? mem_printf("operator configuration: file %s", name)
                                           : mem_printf("%s.files[%s]", w->scope, s ? s->path : name);
    w->file_rule = s ? mem_printf("files/%s", s->path) : mem_printf("files/%s%s", host ? "" : "config.d/", name);
}

static void one_file(struct walk *w, const char *name, const char *from, const char *to, bool host)
{
    w->kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            w->kind = &kinds[i];
    if (!w->kind)
        name_file(w, name, host);
    xmldiff(from, to, w->kind ? w->kind->below : NULL, one, w);
}

static const char *text_of(const cJSON *data, const char *name)
{
    return cJSON_GetStringValue(json_get(data, name));
}

void filediff(const struct fleet *f, const cJSON *live, const cJSON *desired, const char *scope, bool host,
              struct file_lines *out)
{
    struct walk w = {.f = f, .scope = scope, .out = out};
    const cJSON *v;

    cJSON_ArrayForEach(v, desired)
        one_file(&w, v->string, text_of(live, v->string), v->valuestring, host);
    cJSON_ArrayForEach(v, live)
        if (!json_get(desired, v->string) && strcmp(v->string, ".gitkeep.xml") != 0 && cJSON_IsString(v))
            one_file(&w, v->string, v->valuestring, NULL, host);
    free(w.file_path);
    free(w.file_rule);
}

bool file_line_restarts(const struct fleet *f, const struct host *h, const struct file_line *l)
{
    if (l->restart)
        return true;
    return l->rule && !l->membership && render_needs_restart(f->config, h->tag_version, l->rule);
}

static char *common_name(const struct fleet *f, const char *what)
{
    auto_free char *pattern = mem_printf("%s-common-%s", f->kind == FLEET_KEEPER ? "chk-{chk}" : "chi-{chi}", what);

    return fleet_macros(f, NULL, NULL, NULL, pattern);
}

static bool any_restarts(const struct fleet *f, const struct host *h, const struct file_lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (file_line_restarts(f, h, &l->v[i]))
            return true;
    return false;
}

bool restart_same_as_live(const struct fleet *f, const struct host *h, const struct render_ctx *c, const cJSON *desired)
{
    auto_free char *common = common_name(f, "configd"), *users = common_name(f, "usersd");
    auto_json cJSON *common_data = cJSON_CreateObject(), *users_data = cJSON_CreateObject();
    const cJSON *live = ctx_live(c, "ConfigMap", h->configmap);
    struct file_lines lines = {NULL, 0};
    bool same;

    common_files(f, c, common_data);
    users_files(f, c, users_data);
    filediff(f, json_get(live, "data"), json_get(desired, "data"), "host", true, &lines);
    filediff(f, json_get(ctx_live(c, "ConfigMap", common), "data"), common_data, "spec.configuration", false, &lines);
    filediff(f, json_get(ctx_live(c, "ConfigMap", users), "data"), users_data, "spec.configuration", false, &lines);
    same = !any_restarts(f, h, &lines);
    file_lines_free(&lines);
    return same;
}
