/* SPDX-License-Identifier: Apache-2.0 */
/* The generated files of one host and the small common ones. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/version.h"
#include "render/internal.h"
#include "render/xml.h"

/* Servers of this version and later take port 0 as "not open"; older ones try to open it. */
#define ZERO_PORT_SINCE "20.3"

/* On one machine a tag names a wish, not the program, and some tags say nothing; but what runs elsewhere under the same image is
 * the same program. */
static char *version_of_sibling(const struct fleet *f, const struct host *h, const struct render_ctx *c)
{
    for (size_t i = 0; c->version && i < f->n_hosts; i++) {
        const char *runs = strcmp(f->hosts[i]->image, h->image) == 0 ? c->version(c->ctx, f->hosts[i]) : NULL;

        if (runs && *runs)
            return mem_str(runs);
    }
    return mem_str("");
}

char *render_version_for(const struct fleet *f, const struct host *h, const struct render_ctx *c)
{
    const char *runs = c->version ? c->version(c->ctx, h) : NULL;
    const cJSON *live = ctx_live(c, "ConfigMap", h->configmap);
    const char *made_for = live ? json_annotation(live, RENDER_FOR) : NULL;

    if (runs && *runs)
        return mem_str(runs);
    if (made_for)
        return mem_str(strcmp(made_for, "any") == 0 ? "" : made_for);
    if (live) { /* another operator made it, and from the tag alone */
        auto_free char *tag = version_of_image(h->image);

        return mem_str(tag);
    }
    return f->endpoints || !*h->tag_version ? version_of_sibling(f, h, c) : mem_str(h->tag_version);
}

/* A new host of which nobody knows anything yet takes nothing away from the ones that serve. */
char *version_lowest(const struct fleet *f, const struct render_ctx *c)
{
    char *lowest = NULL;

    for (size_t i = 0; i < f->n_hosts; i++) {
        char *v = render_version_for(f, f->hosts[i], c);

        if (*v && (!lowest || version_compare(v, lowest) < 0)) {
            free(lowest);
            lowest = v;
        } else {
            free(v);
        }
    }
    return lowest ? lowest : mem_str("");
}

void section_with_addons(const struct fleet *f, const char *version, const char *section, const struct settings *own,
                         struct settings *out)
{
    const cJSON *rule;

    *out = (struct settings){NULL, 0};
    cJSON_ArrayForEach(rule, json_at(f->config, "clickhouse.addons.rules")) {
        struct settings extra = {NULL, 0};
        const cJSON *values = json_get(json_at(rule, "spec.configuration"), section);

        if (f->kind == FLEET_KEEPER || !version_fits(version, json_str(rule, "version", "*")))
            continue;
        /* a rule that cannot be read adds nothing; the configuration is checked when it is loaded */
        if (fleet_section(f, section, values, "clickhouse.addons.rules", &extra, NULL) == 0)
            settings_fill(out, &extra); /* earlier rules win, and all win over the resource */
        settings_fini(&extra);
    }
    settings_fill(out, own);
}

const char *file_name(const char *key)
{
    const char *slash = strrchr(key, '/');

    return slash ? slash + 1 : key;
}

int file_place(const char *key, bool below)
{
    static const struct {
        const char *prefix;
        enum file_place where;
    } prefixes[] = {
        {"config.d/", FILE_COMMON}, {"keeper_config.d/", FILE_COMMON}, {"{common}/", FILE_COMMON},
        {"users.d/", FILE_USERS},   {"{users}/", FILE_USERS},          {"conf.d/", FILE_HOST},
        {"{hosts}/", FILE_HOST},
    };

    if (!strchr(key, '/'))
        return below ? FILE_HOST : FILE_COMMON;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncasecmp(key, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
            return below && prefixes[i].where != FILE_HOST ? -1 : (int)prefixes[i].where;
    return -1;
}

char *render_common_settings_file(const struct fleet *f, const struct render_ctx *c)
{
    auto_free char *version = version_lowest(f, c);
    struct settings all;
    char *text;

    section_with_addons(f, version, "settings", &f->settings, &all);
    text = xml_settings_file(&all, NULL);
    settings_fini(&all);
    return text;
}

char *file_membership(uint64_t generation)
{
    struct xml x = XML_INIT;

    xml_open(&x, "yandex");
    xml_open(&x, "macros");
    xml_int(&x, "chfleet_membership", (int64_t)generation);
    xml_close(&x, "macros");
    xml_close(&x, "yandex");
    return str_take(&x.out);
}

char *file_macros(const struct host *h)
{
    struct xml x = XML_INIT;

    xml_open(&x, "yandex");
    xml_open(&x, "macros");
    xml_text(&x, "installation", h->cluster->fleet->name);
    xml_int(&x, "all-sharded-shard", h->chi_index);
    xml_text(&x, "cluster", h->cluster->name);
    xml_text(&x, "shard", h->shard->name);
    xml_text(&x, "replica", h->service);
    xml_close(&x, "macros");
    xml_close(&x, "yandex");
    return str_take(&x.out);
}

/* A port that is not open: modern servers get the peer's 0. Older ones must not see it: ports that the image's own
 * configuration opens are taken away, the others not mentioned. */
static void closed_port(struct xml *x, const char *tag, bool zero_works, bool image_opens_it)
{
    auto_free char *removed = mem_printf("<%s remove=\"1\"></%s>", tag, tag);

    if (zero_works)
        xml_int(x, tag, 0);
    else if (image_opens_it)
        xml_line(x, removed);
}

char *file_ports(const struct host *h, const char *version)
{
    static const struct {
        enum host_port p;
        const char *tag;
        bool in_image;
    } ports[] = {{PORT_TCP, "tcp_port", true},
                 {PORT_TLS, "tcp_port_secure", false},
                 {PORT_HTTP, "http_port", true},
                 {PORT_HTTPS, "https_port", false}};
    bool zero_works = version_at_least(version, ZERO_PORT_SINCE);
    struct xml x = XML_INIT;

    xml_open(&x, "yandex");
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        unsigned n = h->ports[ports[i].p];

        if (n == 0)
            closed_port(&x, ports[i].tag, zero_works, ports[i].in_image);
        else if (n != host_port_default(ports[i].p))
            xml_int(&x, ports[i].tag, n);
    }
    xml_text(&x, "interserver_http_host", h->address);
    if (h->ports[PORT_INTERSERVER] != host_port_default(PORT_INTERSERVER))
        xml_int(&x, "interserver_http_port", h->ports[PORT_INTERSERVER]);
    xml_close(&x, "yandex");
    return str_take(&x.out);
}

static void zk_node(struct xml *x, const struct zk_node *n)
{
    xml_open(x, "node");
    xml_text(x, "host", n->host);
    xml_int(x, "port", n->port);
    if (n->secure >= 0)
        xml_int(x, "secure", n->secure);
    if (n->zone)
        xml_text(x, "availability_zone", n->zone);
    xml_close(x, "node");
}

char *file_zookeeper(const struct host *h)
{
    const struct zookeeper *z = &h->cluster->zookeeper;
    const struct fleet *f = h->cluster->fleet;
    auto_free char *path = mem_printf("/clickhouse/%s/task_queue/ddl", f->name);
    struct xml x = XML_INIT;

    if (z->n_nodes == 0)
        return NULL;
    xml_open(&x, "yandex");
    xml_open(&x, "zookeeper");
    for (size_t i = 0; i < z->n_nodes; i++)
        zk_node(&x, &z->nodes[i]);
    if (z->session_timeout_ms > 0)
        xml_int(&x, "session_timeout_ms", z->session_timeout_ms);
    if (z->operation_timeout_ms > 0)
        xml_int(&x, "operation_timeout_ms", z->operation_timeout_ms);
    if (z->root)
        xml_text(&x, "root", z->root);
    if (z->identity)
        xml_text(&x, "identity", z->identity);
    if (z->use_compression)
        xml_text(&x, "use_compression", xml_bool(z->use_compression));
    xml_close(&x, "zookeeper");
    xml_open(&x, "distributed_ddl");
    xml_text(&x, "path", path);
    if (f->ddl_profile)
        xml_text(&x, "profile", f->ddl_profile);
    xml_close(&x, "distributed_ddl");
    xml_close(&x, "yandex");
    return str_take(&x.out);
}

char *file_server_id(const struct host *h)
{
    struct xml x = XML_INIT;

    xml_open(&x, "clickhouse");
    xml_open(&x, "keeper_server");
    xml_int(&x, "server_id", h->replica_index);
    xml_close(&x, "keeper_server");
    xml_close(&x, "clickhouse");
    return str_take(&x.out);
}
