/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fleet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "model/fleet_build.h"

static int head(struct build *b, struct err *err)
{
    struct fleet *f = b->f;
    const cJSON *r = b->in->resource;
    const char *kind = json_str(r, "kind", "");

    if (strcmp(kind, "ClickHouseInstallation") == 0)
        f->kind = FLEET_CLICKHOUSE;
    else if (strcmp(kind, "ClickHouseKeeperInstallation") == 0)
        f->kind = FLEET_KEEPER;
    else
        return err_set(err, ERR_INPUT, 0, "kind: \"%s\" describes no installation", kind);
    if (!*json_name(r))
        return err_set(err, ERR_INPUT, 0, "metadata.name: is missing");
    f->name = mem_str(json_name(r));
    f->ns = mem_str(*json_ns(r) ? json_ns(r) : "default");
    f->uid = mem_str(json_uid(r));
    f->key = mem_printf("%s/%s%s", f->ns, f->name, f->kind == FLEET_KEEPER ? ".keeper" : "");
    f->generation = json_int(r, "metadata.generation", 0);
    f->deleting = *json_str(r, "metadata.deletionTimestamp", "") != '\0';
    f->endpoints = b->in->addressing && b->in->addressing->endpoints;
    f->config = b->in->config ? json_copy(b->in->config) : config_builtin();
    f->warnings = cJSON_CreateArray();
    return 0;
}

static int domain(struct build *b, struct err *err)
{
    struct fleet *f = b->f;
    const char *pattern = json_str(b->spec, "namespaceDomainPattern", "%s.svc.cluster.local");
    const char *hole = strchr(pattern, '%');

    if (!*pattern)
        pattern = "%s.svc.cluster.local", hole = pattern;
    if (!hole || hole[1] != 's' || strchr(hole + 1, '%'))
        return err_set(err, ERR_INPUT, 0,
                       "spec.namespaceDomainPattern: \"%s\" must have %%s exactly once, for the namespace", pattern);
    f->domain_pattern = mem_str(pattern);
    return 0;
}

static void hold(struct fleet *f)
{
    const cJSON *reason = json_get(f->annotations, FLEET_HOLD);

    if (cJSON_IsString(reason) && *reason->valuestring && str_bool(reason->valuestring) != 0)
        fleet_warn(f, "held by annotation " FLEET_HOLD ": %s: nothing that serves is taken out", reason->valuestring);
}

/* What a ClickHouseKeeperInstallation may say and Keeper has no use for: said, not dropped without a word. */
static void without_effect(struct build *b)
{
    static const struct {
        const char *path, *why;
    } parts[] = {
        {"hooks", "they are statements for ClickHouse servers, which Keeper members do not run"},
        {"waves", "members change one after the other, the leader last, while a quorum of members in sync stays"},
        {"replicas.minServing", "it is the quorum that decides how many members must serve"},
    };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (json_at(b->f->chfleet, parts[i].path))
            fleet_warn(b->f, "spec.chfleet.%s: has no effect for Keeper: %s", parts[i].path, parts[i].why);
}

static void switches(struct build *b)
{
    struct fleet *f = b->f;
    const char *task = json_str(b->spec, "taskID", ""),
               *profile = json_str(b->spec, "defaults.distributedDDL.profile", "");
    bool keeper = f->kind == FLEET_KEEPER;

    f->task_id = *task ? mem_str(task) : NULL;
    f->stop = config_bool(b->spec, "stop", false);
    f->suspend = config_bool(b->spec, "suspend", false);
    f->troubleshoot = !keeper && config_bool(b->spec, "troubleshoot", false);
    f->rolling_restart = !keeper && strcmp(json_str(b->spec, "restart", ""), "RollingUpdate") == 0;
    f->use_fqdn = config_bool(b->spec, "defaults.replicasUseFQDN", false);
    f->ddl_profile = *profile ? mem_str(profile) : NULL;
    f->labels = json_at(f->resource, "metadata.labels");
    f->annotations = json_at(f->resource, "metadata.annotations");
    hold(f);
    f->chfleet = json_get(b->spec, "chfleet");
    f->consent = json_at(f->chfleet, "consent");
    if (keeper)
        without_effect(b);
}

static int sections(struct build *b, struct err *err)
{
    struct fleet *f = b->f;
    const cJSON *conf = json_get(b->spec, "configuration");
    const char *where = "spec.configuration";
    struct {
        const char *name;
        struct settings *to;
        bool keeper;
    } all[] = {
        {"settings", &f->settings, true},  {"files", &f->files, true},    {"users", &f->users, false},
        {"profiles", &f->profiles, false}, {"quotas", &f->quotas, false},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((f->kind == FLEET_CLICKHOUSE || all[i].keeper) &&
            layout_section(b, all[i].to, conf, all[i].name, where, NULL, NULL, NULL, err) < 0)
            return -1;
    return 0;
}

static void add_env(struct fleet *f, const char *name, const char *secret, const char *key, bool optional)
{
    for (size_t i = 0; i < f->n_env; i++)
        if (strcmp(f->env[i].name, name) == 0) {
            if (strcmp(f->env[i].secret, secret) != 0 || strcmp(f->env[i].key, key) != 0)
                fleet_warn(f, "environment variable %s: two settings want it with different Secrets; %s/%s is used",
                           name, f->env[i].secret, f->env[i].key);
            return;
        }
    f->env = mem_grow(f->env, f->n_env + 1, sizeof *f->env);
    f->env[f->n_env++] = (struct env_ref){mem_str(name), mem_str(secret), mem_str(key), optional};
}

static void env_of(struct fleet *f, const struct settings *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].kind == SETTING_ENV)
            add_env(f, s->v[i].values[0], s->v[i].secret_name, s->v[i].secret_key, false);
}

static void environment(struct fleet *f)
{
    env_of(f, &f->users);
    env_of(f, &f->settings);
    for (size_t i = 0; i < f->n_hosts; i++)
        env_of(f, &f->hosts[i]->settings);
    for (size_t i = 0; i < f->n_clusters; i++) {
        const struct cluster *c = &f->clusters[i];

        if (c->secret_kind == SECRET_REF || c->secret_kind == SECRET_AUTO)
            add_env(f, "CLICKHOUSE_INTERNODE_CLUSTER_SECRET", c->secret_name, c->secret_key, c->secret_optional);
    }
}

static bool add_service(struct fleet *f, const char *name)
{
    const cJSON *t = names_template(f, "serviceTemplates", name);

    if (!t) {
        fleet_warn(f,
                   "spec.defaults.templates: there is no service template \"%s\"; none of the list is used, the "
                   "installation gets the built-in Service",
                   name);
        f->n_service_templates = 0;
        return false;
    }
    for (size_t i = 0; i < f->n_service_templates; i++)
        if (f->service_templates[i] == t)
            return true;
    f->service_templates = mem_grow(f->service_templates, f->n_service_templates + 1, sizeof *f->service_templates);
    f->service_templates[f->n_service_templates++] = t;
    return true;
}

static void services(struct build *b)
{
    const cJSON *names = json_at(b->spec, "defaults.templates"), *v;
    const char *one = json_str(names, "serviceTemplate", "");

    if (*one && !add_service(b->f, one))
        return;
    cJSON_ArrayForEach(v, json_get(names, "serviceTemplates"))
        if (cJSON_IsString(v) && *v->valuestring && !add_service(b->f, v->valuestring))
            return;
}

static int make(struct build *b, struct err *err)
{
    cJSON *used = NULL;

    if (head(b, err) < 0)
        return -1;
    b->f->resource = merge_resource(b->in, b->f->config, b->f->warnings, &used);
    b->f->used_templates = used;
    b->spec = json_get(b->f->resource, "spec");
    if (domain(b, err) < 0)
        return -1;
    switches(b);
    knobs_of_installation(b->f, b->spec, &b->f->knobs);
    b->f->hooks = knobs_hooks(b->spec);
    if (sections(b, err) < 0)
        return -1;
    services(b);
    if (layout_make(b, err) < 0 || hosts_make(b, err) < 0)
        return -1;
    environment(b->f);
    return b->f->kind == FLEET_CLICKHOUSE ? zookeeper_make(b, err) : 0;
}

int fleet_make(const struct fleet_input *in, struct fleet **out, struct err *err)
{
    auto_fleet struct fleet *f = mem_zero(sizeof *f);
    struct build b = {.in = in, .f = f};

    if (make(&b, err) < 0)
        return -1;
    for (size_t i = 0; i < f->n_hosts; i++)
        index_add(&f->by_key, f->hosts[i]->key, i);
    *out = f;
    f = NULL;
    return 0;
}

static void host_free(struct host *h)
{
    char *const texts[] = {h->key, h->name,      h->replica_name, h->sts,   h->service,    h->fqdn,
                           h->pod, h->configmap, h->address,      h->image, h->tag_version};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    settings_fini(&h->settings);
    settings_fini(&h->files);
    for (size_t i = 0; i < h->n_volumes; i++) {
        free(h->volumes[i].name);
        free(h->volumes[i].pvc_name);
    }
    free(h->volumes);
    cJSON_Delete(h->source);
    free(h);
}

static void cluster_fini(struct cluster *c)
{
    for (size_t i = 0; i < c->n_shards; i++) {
        free(c->shards[i].name);
        free(c->shards[i].internal_replication);
        free(c->shards[i].hosts);
    }
    free(c->shards);
    for (size_t i = 0; i < c->zookeeper.n_nodes; i++) {
        free(c->zookeeper.nodes[i].host);
        free(c->zookeeper.nodes[i].zone);
    }
    free(c->zookeeper.nodes);
    free(c->zookeeper.root);
    free(c->zookeeper.identity);
    free(c->zookeeper.use_compression);
    free(c->name);
    free(c->secret_value);
    free(c->secret_name);
    free(c->secret_key);
}

void fleet_free(struct fleet *f)
{
    if (!f)
        return;
    index_fini(&f->by_key);
    for (size_t i = 0; i < f->n_hosts; i++)
        host_free(f->hosts[i]);
    for (size_t i = 0; i < f->n_clusters; i++)
        cluster_fini(&f->clusters[i]);
    for (size_t i = 0; i < f->n_env; i++) {
        free(f->env[i].name);
        free(f->env[i].secret);
        free(f->env[i].key);
    }
    settings_fini(&f->settings);
    settings_fini(&f->users);
    settings_fini(&f->profiles);
    settings_fini(&f->quotas);
    settings_fini(&f->files);
    cJSON_Delete(f->warnings);
    cJSON_Delete(f->hooks);
    cJSON_Delete((cJSON *)f->resource);
    cJSON_Delete((cJSON *)f->config);
    cJSON_Delete((cJSON *)f->used_templates);
    cJSON_Delete(f->default_clusters);
    free(f->env);
    free(f->service_templates);
    free(f->hosts);
    free(f->clusters);
    free(f->ns);
    free(f->name);
    free(f->uid);
    free(f->key);
    free(f->task_id);
    free(f->domain_pattern);
    free(f->ddl_profile);
    free(f);
}

void fleet_freep(struct fleet **f)
{
    fleet_free(*f);
}

char *fleet_restart_token(const struct fleet *f)
{
    if (!f->rolling_restart)
        return NULL;
    return f->task_id ? mem_printf("task:%s", f->task_id) : mem_printf("generation:%" PRId64, f->generation);
}

struct host *fleet_host(const struct fleet *f, const char *key)
{
    size_t i;

    return index_find(&f->by_key, key, &i) ? f->hosts[i] : NULL;
}

bool fleet_has_sts(const struct fleet *f, const char *sts)
{
    for (size_t i = 0; i < f->n_hosts; i++)
        if (strcmp(f->hosts[i]->sts, sts) == 0)
            return true;
    return false;
}

int fleet_check_owners(const struct fleet *f, const char *(*owner)(void *ctx, const struct host *h), void *ctx, struct err *err)
{
    for (size_t i = 0; i < f->n_hosts; i++) {
        const char *other = owner(ctx, f->hosts[i]);

        if (other)
            return err_set(
                err, ERR_INPUT, 0,
                "host %s: its name %s belongs to a host of installation \"%s\" already: give the installation, the "
                "cluster, the shard or the replica another name",
                f->hosts[i]->key, f->hosts[i]->sts, other);
    }
    return 0;
}
