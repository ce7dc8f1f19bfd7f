/* SPDX-License-Identifier: Apache-2.0 */
/* The zookeeper sections: own nodes, inherited ones, a reference to a Keeper installation. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "model/fleet_build.h"

enum { ZK_PORT = 2181 };

static void add_node(struct zookeeper *z, const char *host, unsigned port, const cJSON *own)
{
    const cJSON *secure = json_get(own, "secure");
    const char *zone = json_str(own, "availabilityZone", "");

    z->nodes = mem_grow(z->nodes, z->n_nodes + 1, sizeof *z->nodes);
    z->nodes[z->n_nodes++] = (struct zk_node){
        .host = mem_str(host),
        .port = port,
        .secure = cJSON_IsString(secure) && *secure->valuestring ? config_flag(secure) == 1 : -1,
        .zone = *zone ? mem_str(zone) : NULL,
    };
}

struct emit {
    struct zookeeper *z;
    const cJSON *own;
};

static void emit_node(void *ctx, const char *host, unsigned port)
{
    struct emit *e = ctx;

    add_node(e->z, host, port, e->own);
}

static int add_nodes(struct build *b, struct zookeeper *z, const cJSON *nodes, struct err *err)
{
    const struct addressing *a = b->in->addressing;
    const cJSON *v;

    cJSON_ArrayForEach(v, nodes) {
        const char *host = json_str(v, "host", "");
        int64_t port = json_int(v, "port", 0);
        struct emit e = {z, v};

        if (!*host)
            return err_set(err, ERR_INPUT, 0, "spec.configuration.zookeeper.nodes: a node has no host");
        if (port <= 0 || port > 65535)
            port = ZK_PORT;
        if (b->f->endpoints && a->resolve && a->resolve(a->ctx, b->f->ns, host, (unsigned)port, emit_node, &e) > 0)
            continue;
        add_node(z, host, (unsigned)port, v);
    }
    return 0;
}

static const cJSON *find_keeper(const struct build *b, const char *ns, const char *name)
{
    for (size_t i = 0; i < b->in->n_keepers; i++)
        if (strcmp(json_name(b->in->keepers[i]), name) == 0 && strcmp(json_ns(b->in->keepers[i]), ns) == 0)
            return b->in->keepers[i];
    return NULL;
}

/* The members of a ClickHouseKeeperInstallation, as its own fleet lays them out. */
static int add_keeper(struct build *b, struct zookeeper *z, const cJSON *ref, struct err *err)
{
    const char *name = json_str(ref, "name", ""), *ns = json_str(ref, "namespace", "");
    const cJSON *resource;
    struct fleet_input in = *b->in;
    auto_fleet struct fleet *keeper = NULL;

    ns = *ns ? ns : b->f->ns;
    resource = find_keeper(b, ns, name);
    if (!resource)
        return err_set(
            err, ERR_INPUT, 0,
            "spec.configuration.zookeeper.keeper: there is no ClickHouseKeeperInstallation \"%s\" in namespace "
            "\"%s\": create it, or correct the name",
            name, ns);
    in.resource = resource;
    in.n_templates = in.n_keepers = 0;
    if (fleet_make(&in, &keeper, err) < 0)
        return err_ctx(err, "ClickHouseKeeperInstallation %s/%s", ns, name);
    for (size_t i = 0; i < keeper->n_hosts; i++) {
        const struct host *h = keeper->hosts[i];

        add_node(z, b->f->endpoints ? h->address : h->fqdn, h->ports[PORT_ZK], NULL);
    }
    return 0;
}

static void scalars(struct zookeeper *z, const cJSON *own)
{
    int64_t session = json_int(own, "session_timeout_ms", 0), operation = json_int(own, "operation_timeout_ms", 0);
    struct {
        const char *key;
        char **to;
    } texts[] = {{"root", &z->root}, {"identity", &z->identity}};

    if (session > 0)
        z->session_timeout_ms = session;
    if (operation > 0)
        z->operation_timeout_ms = operation;
    for (size_t i = 0; i < 2; i++) {
        const char *text = json_str(own, texts[i].key, "");

        if (!*text)
            continue;
        free(*texts[i].to);
        *texts[i].to = mem_str(text);
    }
    if (!z->use_compression && *json_str(own, "use_compression", ""))
        z->use_compression = mem_str(json_str(own, "use_compression", ""));
}

static bool has_nodes(const cJSON *section)
{
    return cJSON_GetArraySize(json_get(section, "nodes")) > 0 || *json_str(section, "keeper.name", "");
}

static int nodes_of(struct build *b, struct zookeeper *z, const cJSON *section, struct err *err)
{
    if (cJSON_GetArraySize(json_get(section, "nodes")) > 0)
        return add_nodes(b, z, json_get(section, "nodes"), err);
    return add_keeper(b, z, json_get(section, "keeper"), err);
}

int zookeeper_make(struct build *b, struct err *err)
{
    const cJSON *common = json_at(b->spec, "configuration.zookeeper");

    for (size_t i = 0; i < b->f->n_clusters; i++) {
        struct cluster *c = &b->f->clusters[i];
        const cJSON *own = json_get(c->source, "zookeeper");

        scalars(&c->zookeeper, own);
        if (has_nodes(own)) {
            if (nodes_of(b, &c->zookeeper, own, err) < 0)
                return -1;
            continue;
        }
        /* a cluster without nodes of its own takes the common ones, and then the common values win */
        scalars(&c->zookeeper, common);
        if (has_nodes(common) && nodes_of(b, &c->zookeeper, common, err) < 0)
            return -1;
    }
    return 0;
}
