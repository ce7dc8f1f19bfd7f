/* SPDX-License-Identifier: Apache-2.0 */
/* What a host gets from its templates: object names, ports, image, volumes, address. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "model/fleet_build.h"
#include "model/quantity.h"
#include "model/version.h"

const char *const host_port_names[HOST_PORTS] = {"tcp", "secureclient", "http", "https", "interserver", "zk", "raft"};

static const struct {
    const char *field, *setting;
    unsigned dflt;
} port_rules[HOST_PORTS] = {
    [PORT_TCP] = {"tcpPort", "tcp_port", 9000},
    [PORT_TLS] = {"tlsPort", "tcp_port_secure", 9440},
    [PORT_HTTP] = {"httpPort", "http_port", 8123},
    [PORT_HTTPS] = {"httpsPort", "https_port", 8443},
    [PORT_INTERSERVER] = {"interserverHTTPPort", "interserver_http_port", 9009},
    [PORT_ZK] = {"zkPort", "keeper_server/tcp_port", 2181},
    [PORT_RAFT] = {"raftPort", "keeper_server/raft_configuration/server/port", 9444},
};

unsigned host_port_default(enum host_port p)
{
    return port_rules[p].dflt;
}

/* ---- the server's container ---- */

const char *fleet_container_name(const struct fleet *f)
{
    return f->kind == FLEET_KEEPER ? "clickhouse-keeper" : "clickhouse";
}

const cJSON *fleet_server_container(const struct fleet *f, const cJSON *pod_spec)
{
    const cJSON *list = json_get(pod_spec, "containers"), *c;

    cJSON_ArrayForEach(c, list)
        if (str_eq(json_str(c, "name", NULL), fleet_container_name(f)))
            return c;
    return f->kind == FLEET_KEEPER ? NULL : cJSON_GetArrayItem(list, 0);
}

const char *fleet_data_dir(const struct fleet *f)
{
    return f->kind == FLEET_KEEPER ? "/var/lib/clickhouse-keeper" : "/var/lib/clickhouse";
}

const char *fleet_log_dir(const struct fleet *f)
{
    return f->kind == FLEET_KEEPER ? "/var/log/clickhouse-keeper" : "/var/log/clickhouse-server";
}

static void host_image(struct fleet *f, struct host *h)
{
    const cJSON *c = fleet_server_container(f, json_get(h->pod_template, "spec"));
    const char *image = json_str(c, "image", "");
    auto_free char *version = NULL;

    if (!*image)
        image = f->kind == FLEET_KEEPER ? "clickhouse/clickhouse-keeper:latest" : "clickhouse/clickhouse-server:latest";
    h->image = mem_str(image);
    version = version_of_image(image);
    h->tag_version = mem_str(strcmp(version, VERSION_LATEST) == 0 ? "" : version);
}

/* ---- templates ---- */

static const cJSON *named(struct build *b, const struct host *h, const char *list, const char *key)
{
    const char *name = json_str(json_get(h->source, "templates"), key, "");
    const cJSON *t = names_template(b->f, list, name);

    if (*name && !t)
        fleet_warn(b->f, "templates.%s: there is no \"%s\" in spec.templates.%s; the built-in one is used", key, name,
                   list);
    return t;
}

/* Names the host template gives where the host has none. */
static void names_from_host_template(struct host *h)
{
    const cJSON *v;
    cJSON *own = json_need_obj(h->source, "templates");

    cJSON_ArrayForEach(v, json_at(h->templates.host, "spec.templates"))
        if (cJSON_IsString(v) && !*json_str(own, v->string, ""))
            json_set(own, v->string, json_copy(v));
}

static void host_templates(struct build *b, struct host *h)
{
    cJSON *names = json_need_obj(h->source, "templates");

    h->templates.host = named(b, h, "hostTemplates", "hostTemplate");
    names_from_host_template(h);
    if (!*json_str(names, "dataVolumeClaimTemplate", "") && *json_str(names, "volumeClaimTemplate", ""))
        json_set_str(names, "dataVolumeClaimTemplate", json_str(names, "volumeClaimTemplate", ""));
    h->pod_template = named(b, h, "podTemplates", "podTemplate");
    h->templates.data_vct = named(b, h, "volumeClaimTemplates", "dataVolumeClaimTemplate");
    h->templates.log_vct = named(b, h, "volumeClaimTemplates", "logVolumeClaimTemplate");
    h->templates.replica_service = named(b, h, "serviceTemplates", "replicaServiceTemplate");
}

/* ---- names ---- */

static char *pattern(const struct host *h, const cJSON *tmpl, const char *dflt)
{
    const char *text = json_str(tmpl, "generateName", "");

    return fleet_macros(h->cluster->fleet, NULL, NULL, h, *text ? text : dflt);
}

static char *fqdn(const struct fleet *f, const char *service)
{
    const char *hole = strstr(f->domain_pattern, "%s");

    if (!hole)
        return mem_printf("%s.%s", service, f->domain_pattern);
    return mem_printf("%s.%.*s%s%s", service, (int)(hole - f->domain_pattern), f->domain_pattern, f->ns, hole + 2);
}

char *fleet_fqdn(const struct fleet *f, const char *service)
{
    return fqdn(f, service);
}

static void host_names(struct fleet *f, struct host *h)
{
    bool keeper = f->kind == FLEET_KEEPER;
    const char *object = keeper ? "chk-{chk}-{cluster}-{host}" : "chi-{chi}-{cluster}-{host}";

    h->sts = pattern(h, h->pod_template, object);
    h->service = pattern(h, h->templates.replica_service, object);
    h->configmap = pattern(
        h, NULL, keeper ? "chk-{chk}-deploy-confd-{cluster}-{host}" : "chi-{chi}-deploy-confd-{cluster}-{host}");
    h->pod = mem_printf("%s-0", h->sts);
    h->fqdn = fqdn(f, h->service);
    h->address = mem_str(f->endpoints ? "127.0.0.1" : f->use_fqdn ? h->fqdn : h->service);
}

/* ---- ports ---- */

static bool flag(const struct host *h, const char *key, bool dflt)
{
    const cJSON *levels[] = {h->source, json_get(h->templates.host, "spec"), h->cluster->source};

    for (size_t i = 0; i < 3; i++) {
        const cJSON *v = json_get(levels[i], key);

        if (v && !cJSON_IsNull(v))
            return config_flag(v) == 1;
    }
    return dflt;
}

static bool by_cluster_index(const struct host *h)
{
    const cJSON *d;

    if (!h->templates.host)
        return json_bool(h->pod_template, "spec.hostNetwork", false);
    cJSON_ArrayForEach(d, json_get(h->templates.host, "portDistribution"))
        if (str_eq(json_str(d, "type", NULL), "ClusterScopeIndex"))
            return true;
    return false;
}

static unsigned port_of_setting(const struct settings *s, const char *path)
{
    const struct setting *one = settings_find(s, path);
    long n = one && one->kind == SETTING_TEXT && one->n_values ? strtol(one->values[0], NULL, 10) : 0;

    return n > 0 && n < 65536 ? (unsigned)n : 0;
}

static unsigned port_number(const struct fleet *f, const struct host *h, enum host_port p, bool open)
{
    int64_t own = json_int(h->source, port_rules[p].field, 0);
    int64_t from_template = json_int(json_get(h->templates.host, "spec"), port_rules[p].field, 0);
    unsigned set;

    if (own > 0 && own < 65536)
        return (unsigned)own;
    if (by_cluster_index(h))
        return (unsigned)(from_template > 0 ? from_template : port_rules[p].dflt) + h->cluster_index;
    if (from_template > 0 && from_template < 65536)
        return (unsigned)from_template;
    set = port_of_setting(&h->settings, port_rules[p].setting);
    if (!set)
        set = port_of_setting(&f->settings, port_rules[p].setting);
    return set ? set : open ? port_rules[p].dflt : 0;
}

static int allocate(struct build *b, struct host *h, struct err *err)
{
    const struct addressing *a = b->in->addressing;

    for (int p = 0; p < HOST_PORTS; p++) {
        unsigned got;

        if (!h->ports[p])
            continue;
        got = a->port(a->ctx, b->f->ns, h->service, (enum host_port)p, err);
        if (!got)
            return err_ctx(err, "host %s", h->key);
        h->ports[p] = got;
    }
    return 0;
}

/* The port of a Keeper's pod and Service is one thing, the one its server opens another. */
static void warn_zk_port(struct build *b, const struct host *h)
{
    unsigned opened = port_of_setting(&h->settings, port_rules[PORT_ZK].setting);

    if (!opened)
        opened = port_of_setting(&b->f->settings, port_rules[PORT_ZK].setting);
    if (!opened)
        opened = port_rules[PORT_ZK].dflt;
    if (opened != h->ports[PORT_ZK])
        fleet_warn(b->f,
                   "host %s: its Service and probe use port %u, but the server opens %u: set keeper_server/tcp_port in "
                   "spec.configuration.settings to the same number",
                   h->key, h->ports[PORT_ZK], opened);
}

/* A port with TLS that is the usual one is written into no file, as Altinity's operator does it, and images do not open it. */
static void warn_tls_port(struct build *b, const struct host *h, enum host_port p)
{
    const char *name = port_rules[p].setting;

    if (h->ports[p] == port_rules[p].dflt && !port_of_setting(&h->settings, name) && !port_of_setting(&b->f->settings, name))
        fleet_warn(b->f,
                   "cluster %s: a secure host is reached at port %u, which its server opens only when it is told to: set %s: %u "
                   "in spec.configuration.settings, if no file of yours does",
                   h->cluster->name, h->ports[p], name, h->ports[p]);
}

static int host_ports(struct build *b, struct host *h, struct err *err)
{
    struct fleet *f = b->f;
    bool keeper = f->kind == FLEET_KEEPER;

    h->secure = flag(h, "secure", false);
    h->insecure = flag(h, "insecure", true);
    for (int p = 0; p < HOST_PORTS; p++) {
        bool open = p == PORT_TCP || p == PORT_HTTP ? h->insecure : p == PORT_TLS || p == PORT_HTTPS ? h->secure : true;

        if (keeper == (p == PORT_ZK || p == PORT_RAFT))
            h->ports[p] = port_number(f, h, (enum host_port)p, open);
        if (h->ports[p] > 65535)
            return err_set(err, ERR_INPUT, 0,
                           "host %s: its port %s would be %u, but 65535 is the highest: lower the base port", h->key,
                           host_port_names[p], h->ports[p]);
    }
    if (keeper && !f->endpoints)
        warn_zk_port(b, h);
    for (int p = 0; p < HOST_PORTS && h->secure && !f->endpoints; p++)
        if (p == PORT_TLS || p == PORT_HTTPS)
            warn_tls_port(b, h, (enum host_port)p);
    return f->endpoints ? allocate(b, h, err) : 0;
}

/* ---- volumes ---- */

static bool mounts(const cJSON *container, const char *name, const char *path)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, json_get(container, "volumeMounts")) {
        const char *at = json_str(m, "mountPath", "");
        size_t n = strlen(path);

        if (str_eq(json_str(m, "name", NULL), name))
            return true;
        if (strncmp(at, path, n) == 0 && (!at[n] || strcmp(at + n, "/") == 0))
            return true;
    }
    return false;
}

bool fleet_holds_data(const struct fleet *f, const char *path)
{
    const char *dir = fleet_data_dir(f);
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return strncmp(dir, path, n) == 0 && (dir[n] == '\0' || dir[n] == '/') && n > 1;
}

static bool holds_logs(const struct fleet *f, const char *path)
{
    const char *dir = fleet_log_dir(f);
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && (!path[n] || path[n] == '/');
}

static const char *storage(const struct fleet *f, const cJSON *tmpl, const char *key)
{
    const char *own = json_str(tmpl, key, "");

    return *own ? own : json_str(json_at(f->resource, "spec.defaults.storageManagement"), key, "");
}

static void add_volume(struct host *h, const cJSON *tmpl, const char *path)
{
    const struct fleet *f = h->cluster->fleet;
    const char *name = json_str(tmpl, "name", "");
    struct volume *v;

    for (size_t i = 0; i < h->n_volumes; i++)
        if (strcmp(h->volumes[i].name, name) == 0) {
            h->volumes[i].data |= fleet_holds_data(f, path);
            h->volumes[i].logs &= holds_logs(f, path);
            return;
        }
    h->volumes = mem_grow(h->volumes, h->n_volumes + 1, sizeof *h->volumes);
    v = &h->volumes[h->n_volumes++];
    *v = (struct volume){
        .name = mem_str(name),
        .pvc_name = mem_printf("%s-%s-0", name, h->sts),
        .tmpl = tmpl,
        .operator_made = strcmp(storage(f, tmpl, "provisioner"), "Operator") == 0,
        .retain = strcmp(storage(f, tmpl, "reclaimPolicy"), "Retain") == 0,
        .size_bytes = quantity_bytes(json_at(tmpl, "spec.resources.requests.storage")),
        .data = fleet_holds_data(f, path),
        .logs = holds_logs(f, path),
    };
}

static void container_volumes(struct fleet *f, struct host *h, const cJSON *container)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, json_get(container, "volumeMounts")) {
        const cJSON *tmpl = names_template(f, "volumeClaimTemplates", json_str(m, "name", NULL));

        if (tmpl)
            add_volume(h, tmpl, json_str(m, "mountPath", ""));
    }
    if (h->templates.data_vct && !mounts(container, json_str(h->templates.data_vct, "name", ""), fleet_data_dir(f)))
        add_volume(h, h->templates.data_vct, fleet_data_dir(f));
    if (h->templates.log_vct && !mounts(container, json_str(h->templates.log_vct, "name", ""), fleet_log_dir(f)))
        add_volume(h, h->templates.log_vct, fleet_log_dir(f));
}

/* Does a volume of the pod itself, other than emptyDir, hold the data? */
static bool pod_volume_holds_data(const struct fleet *f, const cJSON *pod_spec)
{
    const cJSON *m, *v;

    cJSON_ArrayForEach(m, json_get(fleet_server_container(f, pod_spec), "volumeMounts")) {
        if (!fleet_holds_data(f, json_str(m, "mountPath", "")))
            continue;
        cJSON_ArrayForEach(v, json_get(pod_spec, "volumes"))
            if (str_eq(json_str(v, "name", NULL), json_str(m, "name", "")) && !json_get(v, "emptyDir"))
                return true;
    }
    return false;
}

static void host_volumes(struct fleet *f, struct host *h)
{
    const cJSON *spec = json_get(h->pod_template, "spec"), *c;

    if (!fleet_server_container(f, spec))
        container_volumes(f, h, NULL);
    cJSON_ArrayForEach(c, json_get(spec, "containers"))
        container_volumes(f, h, c);
    h->ephemeral = !pod_volume_holds_data(f, spec);
    for (size_t i = 0; i < h->n_volumes; i++)
        if (h->volumes[i].data)
            h->ephemeral = false;
}

/* Rules that stand on labels with running numbers, of which the peer never closes a cycle. */
static void warn_numbers(struct fleet *f, const struct host *h)
{
    const char *name = json_str(h->pod_template, "name", "");
    bool labels = config_bool(f->config, "label.appendScope", false);
    const cJSON *d;

    cJSON_ArrayForEach(d, json_get(h->pod_template, "podDistribution")) {
        const char *type = json_str(d, "type", "");
        bool circular = strcmp(type, "CircularReplication") == 0, most = strcmp(type, "MaxNumberPerNode") == 0;

        if ((circular || strcmp(type, "PreviousTailAffinity") == 0) && !labels)
            fleet_warn(f,
                       "spec.templates.podTemplates[%s].podDistribution: %s needs label.appendScope: \"yes\" in the "
                       "operator's configuration: without it no node fits and the pods stay pending",
                       name, type);
        else if (most && !labels)
            fleet_warn(f,
                       "spec.templates.podTemplates[%s].podDistribution: %s has no effect without label.appendScope: "
                       "\"yes\" in the operator's configuration",
                       name, type);
        if (most && labels && json_int(d, "number", 0) > 1)
            fleet_warn(f,
                       "spec.templates.podTemplates[%s].podDistribution: %s puts one pod on a node, whatever number "
                       "says (as Altinity's operator does)",
                       name, type);
    }
}

int hosts_make(struct build *b, struct err *err)
{
    struct fleet *f = b->f;

    for (size_t i = 0; i < f->n_hosts; i++) {
        struct host *h = f->hosts[i];

        host_templates(b, h);
        host_image(f, h);
        host_names(f, h);
        host_volumes(f, h);
        warn_numbers(f, h);
        for (size_t v = 0; v < h->n_volumes; v++)
            if (h->volumes[v].size_bytes < 0)
                return err_set(
                    err, ERR_INPUT, 0,
                    "spec.templates.volumeClaimTemplates[%s].spec.resources.requests.storage: a size such as "
                    "\"100Gi\" is needed",
                    h->volumes[v].name);
    }
    if (names_check(b, err) < 0)
        return -1;
    for (size_t i = 0; i < f->n_hosts; i++)
        if (host_ports(b, f->hosts[i], err) < 0)
            return -1;
    return 0;
}
