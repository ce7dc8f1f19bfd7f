/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's configuration: file and ClickHouseOperatorConfigurations, put over each other and taken over while we run.
 * What is wrong is refused whole, with a reason that people find; what was in force stays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/config.h"
#include "schema/check.h"
#include "supervisor/internal.h"

#define OF_FILE "the configuration file"

/* ---- what changed, for the log ---- */

static bool is_hidden(const char *path)
{
    return strstr(path, "password") || strstr(path, "rootCA") || strstr(path, ".content");
}

static void show_value(struct str *out, const cJSON *v)
{
    auto_free char *text = v ? json_print(v) : mem_str("(none)");

    str_addf(out, "%.80s", text);
}

static void show_changes(struct str *out, const char *path, const cJSON *from, const cJSON *to, const cJSON *diff)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, diff) {
        auto_free char *below = mem_printf("%s%s%s", path, *path ? "." : "", v->string);
        const cJSON *a = json_get(from, v->string), *b = json_get(to, v->string);

        if (cJSON_IsObject(v) && cJSON_IsObject(a) && cJSON_IsObject(b)) {
            show_changes(out, below, a, b, v);
            continue;
        }
        str_addf(out, "%s%s", out->len ? "; " : "", below);
        if (is_hidden(below))
            continue;
        str_add(out, ": ");
        show_value(out, a);
        str_add(out, " -> ");
        show_value(out, b);
    }
}

/* ---- checks that the schema does not make ---- */

static int check_tree(struct super *s, const cJSON *config, struct spaces **spaces, struct err *err)
{
    const char *ca = json_str(config, "clickhouse.access.rootCA", "");

    if (*ca && !strstr(ca, "-----BEGIN CERTIFICATE-----"))
        return err_set(err, ERR_INPUT, 0,
                       "clickhouse.access.rootCA: must be certificates as PEM text, which begin with "
                       "-----BEGIN CERTIFICATE-----");
    return spaces_new(config, s->opt.namespaces, s->opt.exclude, spaces, err);
}

/* ---- refusals ---- */

static void refuse(struct super *s, const char *source, const cJSON *obj, const char *why)
{
    const cJSON *said = json_get(s->refused, source);

    if (cJSON_IsString(said) && strcmp(said->valuestring, why) == 0)
        return;
    json_set_str(s->refused, source, why);
    s->n_config_refused++;
    log_error(NULL, "%s is refused: %s; what was in force stays", source, why);
    if (obj && s->leading)
        kube_event(s->kube, obj, true, "ConfigurationRefused", "%s; what was in force stays", why);
}

static void accept(struct super *s, const char *source)
{
    cJSON_DeleteItemFromObjectCaseSensitive(s->refused, source);
}

/* ---- the effective configuration ---- */

static cJSON *effective(const cJSON *file, const cJSON *accepted)
{
    size_t n = 0;
    auto_free const cJSON **v = mem_array((size_t)cJSON_GetArraySize(accepted) + 1, sizeof *v);
    const cJSON *one;

    cJSON_ArrayForEach(one, accepted)
        v[n++] = one;
    return config_effective(file, v, n);
}

/* Watches in single namespaces cannot be widened by another list. */
static bool needs_new_watches(const struct super *s, const struct spaces *now)
{
    return s->chi && s->narrow && !spaces_same(s->spaces, now);
}

/* The peer's levels 2 and up are for those who look for a mistake. */
static void set_verbosity(struct super *s)
{
    bool verbose = atoi(json_str(s->config, "logger.v", "0")) >= 2;

    if (verbose != s->verbose)
        log_set_level(verbose ? LOG_DBG : (enum log_level)s->opt.log_level);
    s->verbose = verbose;
}

static void take(struct super *s, cJSON *config, struct spaces *spaces)
{
    auto_json cJSON *diff = s->config ? json_diff_patch(s->config, config) : NULL;
    auto_str struct str text = STR_INIT;
    bool first = !s->config, restart = !first && needs_new_watches(s, spaces);

    if (!first && (!diff || !diff->child)) {
        cJSON_Delete(config);
        spaces_free(spaces);
        return;
    }
    show_changes(&text, "", s->config, config, first ? NULL : diff);
    cJSON_Delete(s->config);
    spaces_free(s->spaces);
    s->config = config;
    s->spaces = spaces;
    set_verbosity(s);
    if (first)
        return;
    s->n_reloads++;
    log_note(NULL, "operator configuration changed: %s", str_text(&text));
    if (restart) {
        log_note(NULL, "other namespaces are to be watched: starting over");
        s->w->ops->quit(s->w, 75);
        return;
    }
    if (s->recovered)
        super_kick_all(s);
}

int config_set_file(struct super *s, const char *text, struct err *err)
{
    cJSON *file = text ? json_parse(text, strlen(text), err) : NULL, *config;
    struct spaces *spaces = NULL;

    if (text && !file)
        return err_ctx(err, "operator configuration");
    config = effective(file, s->accepted);
    if (check_tree(s, config, &spaces, err) < 0) {
        cJSON_Delete(file);
        cJSON_Delete(config);
        refuse(s, OF_FILE, NULL, err->msg);
        return -1;
    }
    accept(s, OF_FILE);
    cJSON_Delete(s->config_file);
    s->config_file = file;
    take(s, config, spaces);
    return 0;
}

void config_file_failed(struct super *s, const char *why)
{
    refuse(s, OF_FILE, NULL, why);
}

/* ---- resources ---- */

struct gathering {
    struct super *s;
    cJSON *accepted; /* in the order of their names, as the cache has them */
};

/* The resource as it is, if it is right: with the others before it. */
static int check_resource(struct super *s, const cJSON *accepted, const cJSON *obj, struct err *err)
{
    auto_json cJSON *copy = json_copy(obj), *with = json_copy(accepted), *config = NULL;
    auto_problems struct schema_problems problems = SCHEMA_PROBLEMS_INIT;
    struct spaces *spaces = NULL;

    if (!json_get(copy, "kind"))
        json_set_str(copy, "kind", "ClickHouseOperatorConfiguration");
    if (!json_get(copy, "apiVersion"))
        json_set_str(copy, "apiVersion", "clickhouse.altinity.com/v1");
    schema_check(copy, 0, NULL, &problems);
    if (schema_problems_err(&problems, NULL, err) < 0)
        return -1;
    if (problems.n) {
        auto_str struct str text = STR_INIT;

        schema_problems_print(&problems, NULL, &text);
        if (text.len)
            log_warn(json_name(obj), "%.*s", (int)strcspn(text.s, "\n"), text.s);
    }
    json_set(with, json_name(obj), json_copy(obj));
    config = effective(s->config_file, with);
    if (check_tree(s, config, &spaces, err) < 0)
        return -1;
    spaces_free(spaces);
    return 0;
}

static int gather(void *ctx, const cJSON *obj)
{
    struct gathering *g = ctx;
    const char *name = json_name(obj);
    const cJSON *old = json_get(g->s->accepted, name);
    auto_free char *source = mem_printf("ClickHouseOperatorConfiguration %s/%s", json_ns(obj), name);
    struct err err = ERR_INIT;

    if (json_at(obj, "metadata.deletionTimestamp"))
        return 0;
    if (old && json_same(json_get(old, "spec"), json_get(obj, "spec"))) {
        json_set(g->accepted, name, json_copy(old));
        accept(g->s, source);
    } else if (check_resource(g->s, g->accepted, obj, &err) < 0) {
        refuse(g->s, source, obj, err.msg);
        if (old)
            json_set(g->accepted, name, json_copy(old));
    } else {
        json_set(g->accepted, name, json_copy(obj));
        accept(g->s, source);
        if (g->s->leading && old)
            kube_event(g->s->kube, obj, false, "ConfigurationLoaded", "this configuration is in force");
    }
    return 0;
}

void config_resources_changed(struct super *s)
{
    struct gathering g = {s, cJSON_CreateObject()};
    struct spaces *spaces = NULL;
    struct err err = ERR_INIT;
    cJSON *config;

    kube_cache_each(s->chopconf, gather, &g);
    config = effective(s->config_file, g.accepted);
    if (check_tree(s, config, &spaces, &err) < 0) { /* each was right; together with another that went they are not */
        cJSON_Delete(config);
        cJSON_Delete(g.accepted);
        refuse(s, "the ClickHouseOperatorConfigurations", NULL, err.msg);
        return;
    }
    cJSON_Delete(s->accepted);
    s->accepted = g.accepted;
    take(s, config, spaces);
}

void config_resource_gone(struct super *s, const cJSON *obj)
{
    auto_free char *source = mem_printf("ClickHouseOperatorConfiguration %s/%s", json_ns(obj), json_name(obj));

    accept(s, source);
}

/* ---- for people ---- */

void config_status(const struct super *s, cJSON *to)
{
    cJSON *j = json_set_obj(to, "configuration"), *objects = json_set_arr(j, "resources");
    auto_free char *spaces = s->spaces ? spaces_print(s->spaces) : mem_str("all");
    const cJSON *v;

    json_set_bool(j, "file", s->config_file != NULL);
    json_set_str(j, "namespaces", spaces);
    cJSON_ArrayForEach(v, s->accepted)
        json_add_str(objects, v->string);
    json_set(j, "refused", json_copy(s->refused));
}

void config_free(struct super *s)
{
    cJSON_Delete(s->config);
    cJSON_Delete(s->config_file);
    cJSON_Delete(s->accepted);
    cJSON_Delete(s->refused);
    spaces_free(s->spaces);
}

bool super_watches(const struct super *s, const char *ns)
{
    return !s->spaces || spaces_has(s->spaces, ns);
}
