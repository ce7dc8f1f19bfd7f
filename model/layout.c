/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters, shards and hosts: the layout in all its forms, names, inherited settings, files and template names. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "model/fleet_build.h"

enum { MOST_HOSTS = 10000 };

/* What one level of the layout gives to the ones below. */
struct level {
    struct settings settings, files;
    cJSON *templates; /* names */
};

static void level_fini(struct level *l)
{
    settings_fini(&l->settings);
    settings_fini(&l->files);
    cJSON_Delete(l->templates);
}

struct scope {
    const struct fleet *f;
    const struct cluster *c;
    const struct shard *s;
    const struct host *h;
    bool macros, users;
};

/* The name of the operator's own account stands for this text in users sections, whatever the macro switches say. */
static char *operator_user(const struct fleet *f, char *text)
{
    static const char macro[] = "{clickhouseOperatorUser}";
    const char *at = strstr(text, macro);
    char *out;

    if (!at)
        return text;
    out = mem_printf("%.*s%s%s", (int)(at - text), text,
                     json_str(f->config, "clickhouse.access.username", "clickhouse_operator"), at + sizeof macro - 1);
    free(text);
    return out;
}

static char *expand(void *ctx, const char *text)
{
    const struct scope *scope = ctx;
    char *out = scope->macros ? fleet_macros(scope->f, scope->c, scope->s, scope->h, text) : mem_str(text);

    return scope->users ? operator_user(scope->f, out) : out;
}

int layout_section(struct build *b, struct settings *to, const cJSON *level, const char *what, const char *where,
                   const struct cluster *c, const struct shard *s, const struct host *h, struct err *err)
{
    auto_free char *path = mem_printf("%s.%s", where, what);
    auto_free char *toggle = mem_printf("reconcile.macros.sections.%s.enabled", what);
    struct scope scope = {.f = b->f, .c = c, .s = s, .h = h};
    struct settings_source src = {.where = path, .warnings = b->f->warnings, .ctx = &scope};

    src.files = strcmp(what, "files") == 0;
    src.users = strcmp(what, "users") == 0;
    src.env_prefix = src.users                       ? "CONFIGURATION_USERS_"
                     : strcmp(what, "settings") == 0 ? "CONFIGURATION_SETTINGS_"
                                                     : NULL;
    scope.users = src.users;
    scope.macros = b->f->kind == FLEET_CLICKHOUSE && config_bool(b->spec, toggle, false);
    if (scope.macros || scope.users)
        src.expand = expand;
    return settings_load(to, json_get(level, what), &src, err);
}

int fleet_section(const struct fleet *f, const char *what, const cJSON *section, const char *where, struct settings *to,
                  struct err *err)
{
    struct scope scope = {.f = f, .users = strcmp(what, "users") == 0};
    struct settings_source src = {.where = where, .ctx = &scope, .users = scope.users};

    src.files = strcmp(what, "files") == 0;
    src.env_prefix = src.users                       ? "CONFIGURATION_USERS_"
                     : strcmp(what, "settings") == 0 ? "CONFIGURATION_SETTINGS_"
                                                     : NULL;
    src.expand = scope.users ? expand : NULL;
    return settings_load(to, section, &src, err);
}

/* Own names win over those above; the list of service templates is joined. */
static cJSON *inherit_templates(const cJSON *own, const cJSON *above)
{
    cJSON *out = cJSON_IsObject(own) ? json_copy(own) : cJSON_CreateObject();
    const cJSON *v, *name;

    cJSON_ArrayForEach(v, above) {
        cJSON *have = json_get(out, v->string);

        if (cJSON_IsArray(v) && cJSON_IsArray(have)) {
            cJSON_ArrayForEach(name, v)
                if (cJSON_IsString(name) && !json_has(have, name->valuestring))
                    json_add_str(have, name->valuestring);
        } else if (!have || (cJSON_IsString(have) && !*have->valuestring)) {
            json_set(out, v->string, json_copy(v));
        }
    }
    return out;
}

static bool is_host_file(const char *key)
{
    return !strchr(key, '/') || strncasecmp(key, "conf.d/", 7) == 0 || strncasecmp(key, "{hosts}/", 8) == 0;
}

/* Files below the installation: only those for hosts count. */
static int load_files(struct build *b, struct settings *to, const cJSON *own, const char *where,
                      const struct cluster *c, const struct shard *s, const struct host *h, struct err *err)
{
    struct settings all = {NULL, 0};
    int rc = layout_section(b, &all, own, "files", where, c, s, h, err);

    for (size_t i = 0; rc == 0 && i < all.n; i++) {
        if (is_host_file(all.v[i].path))
            settings_put(to, &all.v[i]);
        else
            fleet_warn(b->f,
                       "%s.files[%s]: only files for hosts (conf.d/… or without a folder) count here; this one is left "
                       "out: put it into spec.configuration.files",
                       where, all.v[i].path);
    }
    settings_fini(&all);
    return rc;
}

static int level_make(struct build *b, struct level *out, const cJSON *own, const struct level *above,
                      const char *where, const struct cluster *c, const struct shard *s, const struct host *h,
                      struct err *err)
{
    if (layout_section(b, &out->settings, own, "settings", where, c, s, h, err) < 0 ||
        load_files(b, &out->files, own, where, c, s, h, err) < 0)
        return -1;
    if (above) {
        settings_fill(&out->settings, &above->settings);
        settings_fill(&out->files, &above->files);
    }
    out->templates = inherit_templates(json_get(own, "templates"),
                                       above ? above->templates : json_at(b->spec, "defaults.templates"));
    return 0;
}

/* ---- counts ---- */

struct counts {
    int64_t shards, replicas;
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Grows a count by what nested lists ask for. */
static int64_t grown(const cJSON *layout, int64_t n, const char *list, const char *other, const char *nested_count,
                     const char *nested_list)
{
    const cJSON *v;

    if (n == 0)
        n = 1;
    n = larger(n, cJSON_GetArraySize(json_get(layout, list)));
    cJSON_ArrayForEach(v, json_get(layout, other)) {
        n = larger(n, json_int(v, nested_count, 0));
        n = larger(n, cJSON_GetArraySize(json_get(v, nested_list)));
    }
    return n;
}

static int count(struct build *b, const struct cluster *c, const cJSON *layout, struct counts *out, struct err *err)
{
    static const char *const names[] = {"shardsCount", "replicasCount"};
    int64_t given[2];

    for (int i = 0; i < 2; i++) {
        given[i] = json_int(layout, names[i], 0);
        if (given[i] < 0)
            return err_set(err, ERR_INPUT, 0,
                           "spec.configuration.clusters[%s].layout.%s: is %" PRId64 "; it must be 1 or more", c->name,
                           names[i], given[i]);
    }
    if (json_int(b->spec, "chfleet.replicasCount", 0) > 0)
        given[1] = json_int(b->spec, "chfleet.replicasCount", 0);
    out->shards = grown(layout, given[0], "shards", "replicas", "shardsCount", "shards");
    out->replicas = grown(layout, given[1], "replicas", "shards", "replicasCount", "replicas");
    if (out->shards > MOST_HOSTS || out->replicas > MOST_HOSTS || out->shards * out->replicas > MOST_HOSTS)
        return err_set(err, ERR_INPUT, 0,
                       "spec.configuration.clusters[%s].layout: asks for %" PRId64 " x %" PRId64
                       " hosts; at most %d are supported",
                       c->name, out->shards, out->replicas, MOST_HOSTS);
    if (given[0] && out->shards > given[0])
        fleet_warn(b->f,
                   "spec.configuration.clusters[%s].layout.shardsCount: is %" PRId64 ", but %" PRId64
                   " shards are described, so there are %" PRId64,
                   c->name, given[0], out->shards, out->shards);
    if (given[1] && out->replicas > given[1])
        fleet_warn(b->f,
                   "spec.configuration.clusters[%s].layout.replicasCount: is %" PRId64 ", but %" PRId64
                   " replicas are described, so shards without a count of their own have %" PRId64,
                   c->name, given[1], out->replicas, out->replicas);
    return 0;
}

static int64_t shard_replicas(struct build *b, const struct shard *s, const cJSON *own, int64_t dflt)
{
    int64_t given = json_int(own, "replicasCount", 0), listed = cJSON_GetArraySize(json_get(own, "replicas"));

    if (given > 0 && listed > given)
        fleet_warn(b->f,
                   "spec.configuration.clusters[%s].layout.shards[%s].replicasCount: is %" PRId64 ", but %" PRId64
                   " replicas are listed; the last ones are left out",
                   s->cluster->name, s->name, given, listed);
    return given > 0 ? given : listed > 0 ? listed : dflt;
}

/* ---- names ---- */

static char *given_name(const cJSON *own, unsigned index)
{
    const char *name = json_str(own, "name", "");

    return *name ? mem_str(name) : mem_printf("%u", index);
}

static char *host_name(const cJSON *own, const struct host *h)
{
    auto_free char *made = mem_printf("%s-%s", h->shard->name, h->replica_name);
    auto_free char *pair = mem_printf("%u-%u", h->shard_index, h->replica_index);
    auto_free char *i = mem_printf("%u", h->shard_index), *j = mem_printf("%u", h->replica_index);
    const char *name = json_str(own, "name", "");

    if (!*name || strcmp(name, made) == 0 || strcmp(name, pair) == 0 || strcmp(name, i) == 0 || strcmp(name, j) == 0)
        return mem_str(made);
    return mem_str(name);
}

/* ---- hosts ---- */

struct grid {
    struct cluster *c;
    const cJSON *layout;
    bool from_replicas; /* only replicas are listed: hosts inherit from their column */
    struct level cluster;
    struct level *columns;
    size_t n_columns;
};

static void warn_lost_side(struct build *b, const struct host *h, const cJSON *lost)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, lost)
        if (strcmp(v->string, "secure") != 0 && strcmp(v->string, "insecure") != 0 &&
            strcmp(v->string, "templates") != 0)
            fleet_warn(b->f,
                       "spec.configuration.clusters[%s].layout.replicas[%u].shards[%u].%s: has no effect, because the "
                       "same host is described in layout.shards[%u].replicas[%u]",
                       h->cluster->name, h->replica_index, h->shard_index, v->string, h->shard_index, h->replica_index);
}

/* What the resource says about the host, from the shard's list or the replica's; caller owns. */
static cJSON *host_source(struct build *b, const struct grid *g, const struct host *h)
{
    const cJSON *shard = cJSON_GetArrayItem(json_get(g->layout, "shards"), (int)h->shard_index);
    const cJSON *column = cJSON_GetArrayItem(json_get(g->layout, "replicas"), (int)h->replica_index);
    const cJSON *a = cJSON_GetArrayItem(json_get(shard, "replicas"), (int)h->replica_index);
    const cJSON *z = cJSON_GetArrayItem(json_get(column, "shards"), (int)h->shard_index);
    cJSON *out;

    if (!cJSON_IsObject(a))
        return cJSON_IsObject(z) ? json_copy(z) : cJSON_CreateObject();
    out = json_copy(a);
    if (!cJSON_IsObject(z))
        return out;
    warn_lost_side(b, h, z);
    for (size_t i = 0; i < 2; i++) {
        const char *key = i ? "insecure" : "secure";

        if (!json_get(out, key) && json_get(z, key))
            json_set(out, key, json_copy(json_get(z, key)));
    }
    if (json_get(z, "templates")) {
        cJSON *names = inherit_templates(json_get(out, "templates"), json_get(z, "templates"));

        json_set(out, "templates", names);
    }
    return out;
}

static int host_make(struct build *b, struct grid *g, struct shard *s, const struct level *shard_level, unsigned j,
                     struct err *err)
{
    const cJSON *column = cJSON_GetArrayItem(json_get(g->layout, "replicas"), (int)j);
    struct host *h = mem_zero(sizeof *h);
    struct level l = {.templates = NULL};
    auto_free char *where = NULL;
    auto_json cJSON *own = NULL;
    int rc;

    s->hosts[s->n_hosts++] = h;
    b->f->hosts = mem_grow(b->f->hosts, b->f->n_hosts + 1, sizeof *b->f->hosts);
    b->f->hosts[b->f->n_hosts] = h;
    h->chi_index = (unsigned)b->f->n_hosts++;
    h->cluster = g->c;
    h->shard = s;
    h->shard_index = s->index;
    h->replica_index = j;
    h->cluster_index = h->chi_index - g->c->shards[0].hosts[0]->chi_index;
    h->replica_name = given_name(column, j);
    own = host_source(b, g, h);
    h->name = host_name(own, h);
    h->key = mem_printf("%s/%s/%s/%s/%s", b->f->ns, b->f->name, g->c->name, s->name, h->replica_name);
    where = mem_printf("spec.configuration.clusters[%s].layout.hosts[%s]", g->c->name, h->name);
    rc = level_make(b, &l, own, g->from_replicas && j < g->n_columns ? &g->columns[j] : shard_level, where, g->c, s, h,
                    err);
    h->settings = l.settings;
    h->files = l.files;
    h->source = own;
    own = NULL;
    if (rc == 0)
        json_set((cJSON *)h->source, "templates", l.templates);
    return rc;
}

static int shard_make(struct build *b, struct grid *g, unsigned i, int64_t dflt_replicas, struct err *err)
{
    struct shard *s = &g->c->shards[i];
    const cJSON *own = cJSON_GetArrayItem(json_get(g->layout, "shards"), (int)i),
                *ir = json_get(own, "internalReplication");
    struct level l = {.templates = NULL};
    auto_free char *where = NULL;
    int64_t n;
    int rc;

    *s = (struct shard){.cluster = g->c, .name = given_name(own, i), .index = i};
    where = mem_printf("spec.configuration.clusters[%s].layout.shards[%s]", g->c->name, s->name);
    s->weight = json_int(own, "weight", -1);
    n = shard_replicas(b, s, own, dflt_replicas);
    s->internal_replication = mem_str(config_flag(ir) >= 0 && cJSON_IsString(ir) ? ir->valuestring
                                      : n > 1                                    ? "True"
                                                                                 : "False");
    s->hosts = mem_array((size_t)n, sizeof *s->hosts);
    rc = level_make(b, &l, own, &g->cluster, where, g->c, s, NULL, err);
    if (rc == 0)
        s->service_template =
            names_template(b->f, "serviceTemplates", json_str(l.templates, "shardServiceTemplate", NULL));
    for (unsigned j = 0; rc == 0 && j < (unsigned)n; j++)
        rc = host_make(b, g, s, &l, j, err);
    level_fini(&l);
    return rc;
}

static int columns_make(struct build *b, struct grid *g, struct err *err)
{
    const cJSON *list = json_get(g->layout, "replicas"), *v;
    int rc = 0;

    g->columns = mem_array((size_t)cJSON_GetArraySize(list), sizeof *g->columns);
    cJSON_ArrayForEach(v, list) {
        unsigned j = (unsigned)g->n_columns;
        auto_free char *where = mem_printf("spec.configuration.clusters[%s].layout.replicas[%u]", g->c->name, j);
        auto_free char *name = given_name(v, j);
        const struct host column = {.cluster = g->c, .replica_name = name, .replica_index = j};

        if (rc == 0)
            rc = level_make(b, &g->columns[g->n_columns++], v, &g->cluster, where, g->c, NULL, &column, err);
    }
    return rc;
}

/* Installation-level host files reach every cluster and win there. */
static void cluster_files(struct build *b, struct level *l)
{
    for (size_t i = 0; i < b->f->files.n; i++) {
        const char *key = b->f->files.v[i].path;

        if (strchr(key, '/') && is_host_file(key))
            settings_put(&l->files, &b->f->files.v[i]);
    }
}

static int grid_fill(struct build *b, struct grid *g, struct err *err)
{
    struct counts n = {0, 0};

    if (count(b, g->c, g->layout, &n, err) < 0 || columns_make(b, g, err) < 0)
        return -1;
    if (b->f->kind == FLEET_KEEPER && n.shards > 1)
        return err_set(
            err, ERR_INPUT, 0,
            "spec.configuration.clusters[%s].layout: a Keeper has one shard (member numbers are replica positions); "
            "this one asks for %" PRId64,
            g->c->name, n.shards);
    g->c->shards = mem_array((size_t)n.shards, sizeof *g->c->shards);
    for (unsigned i = 0; i < (unsigned)n.shards; i++) {
        g->c->n_shards = i + 1;
        if (shard_make(b, g, i, n.replicas, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- clusters ---- */

static void cluster_secret(struct cluster *c, const cJSON *own)
{
    const cJSON *secret = json_get(own, "secret"), *ref = json_at(secret, "valueFrom.secretKeyRef");
    const char *value = json_str(secret, "value", "");

    if (*value) {
        c->secret_kind = SECRET_VALUE;
        c->secret_value = mem_str(value);
    } else if (cJSON_IsObject(ref)) {
        c->secret_kind = SECRET_REF;
        c->secret_name = mem_str(json_str(ref, "name", ""));
        c->secret_key = mem_str(json_str(ref, "key", ""));
        c->secret_optional = json_bool(ref, "optional", false);
    } else if (config_bool(secret, "auto", false)) {
        c->secret_kind = SECRET_AUTO;
        c->secret_name = mem_printf("%s-%s-auto-secret", c->fleet->name, c->name);
        c->secret_key = mem_str("secret");
    }
}

static enum schema_policy policy(const cJSON *own, const char *path)
{
    const char *text = json_str(own, path, "");

    if (strcasecmp(text, "None") == 0)
        return SCHEMA_NONE;
    return strcasecmp(text, "DistributedTablesOnly") == 0 ? SCHEMA_DISTRIBUTED : SCHEMA_ALL;
}

static void cluster_switches(struct build *b, struct cluster *c, const cJSON *own)
{
    knobs_of_cluster(b->f, b->spec, own, &c->knobs);
    c->pdb_managed = config_bool(own, "pdbManaged", true);
    c->pdb_max_unavailable = (unsigned)json_int(own, "pdbMaxUnavailable", 1);
    c->schema_replica = policy(own, "schemaPolicy.replica");
    c->schema_shard = policy(own, "schemaPolicy.shard");
}

static int cluster_make(struct build *b, struct cluster *c, const cJSON *own, struct err *err)
{
    struct grid g = {.c = c, .layout = json_get(own, "layout")};
    auto_free char *where = mem_printf("spec.configuration.clusters[%s]", c->name);
    int rc;

    c->source = own;
    cluster_switches(b, c, own);
    cluster_secret(c, own);
    g.from_replicas =
        cJSON_GetArraySize(json_get(g.layout, "replicas")) > 0 && cJSON_GetArraySize(json_get(g.layout, "shards")) == 0;
    rc = level_make(b, &g.cluster, own, NULL, where, c, NULL, NULL, err);
    if (rc == 0) {
        cluster_files(b, &g.cluster);
        c->service_template =
            names_template(b->f, "serviceTemplates", json_str(g.cluster.templates, "clusterServiceTemplate", NULL));
        rc = grid_fill(b, &g, err);
    }
    level_fini(&g.cluster);
    for (size_t i = 0; i < g.n_columns; i++)
        level_fini(&g.columns[i]);
    free(g.columns);
    return rc;
}

static int check_names(const struct fleet *f, const struct cluster *c, struct err *err)
{
    for (const struct cluster *o = f->clusters; o < c; o++)
        if (strcmp(o->name, c->name) == 0)
            return err_set(err, ERR_INPUT, 0, "spec.configuration.clusters: two clusters are named \"%s\": rename one",
                           c->name);
    for (size_t i = 0; i < c->n_shards; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->shards[i].name, c->shards[j].name) == 0)
                return err_set(
                    err, ERR_INPUT, 0,
                    "spec.configuration.clusters[%s].layout.shards: shards %zu and %zu are both named \"%s\": "
                    "rename one",
                    c->name, j, i, c->shards[i].name);
    return 0;
}

int layout_make(struct build *b, struct err *err)
{
    struct fleet *f = b->f;
    const cJSON *list = json_at(b->spec, "configuration.clusters"), *v;

    if (cJSON_GetArraySize(list) == 0)
        list = f->default_clusters = json_parse("[{\"name\":\"cluster\"}]", 20, NULL);
    if (f->kind == FLEET_KEEPER && cJSON_GetArraySize(list) > 1)
        return err_set(err, ERR_INPUT, 0,
                       "spec.configuration.clusters: a Keeper has one cluster (member numbers are replica positions); "
                       "this one has %d: make a ClickHouseKeeperInstallation of each",
                       cJSON_GetArraySize(list));
    f->clusters = mem_array((size_t)cJSON_GetArraySize(list), sizeof *f->clusters);
    cJSON_ArrayForEach(v, list) {
        struct cluster *c = &f->clusters[f->n_clusters];

        c->fleet = f;
        c->index = (unsigned)f->n_clusters++;
        c->name = mem_str(json_str(v, "name", cJSON_IsObject(v) ? "" : "cluster"));
        if (!*c->name && f->kind == FLEET_KEEPER)
            return err_set(err, ERR_INPUT, 0, "spec.configuration.clusters[%u].name: is missing: name the cluster",
                           c->index);
        if (f->kind == FLEET_CLICKHOUSE && (!*c->name || !(c->name[0] >= 'A')))
            return err_set(
                err, ERR_INPUT, 0,
                "spec.configuration.clusters[%u].name: \"%s\" cannot be an element of remote_servers: a name "
                "that begins with a letter is needed",
                c->index, c->name);
        if (cluster_make(b, c, v, err) < 0 || check_names(f, c, err) < 0)
            return -1;
    }
    return 0;
}
