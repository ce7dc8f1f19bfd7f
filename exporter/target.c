/* SPDX-License-Identifier: Apache-2.0 */
/* One installation: from its resource, by the same model as the operator's, to what the exporter keeps of it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "exporter/target.h"

static void host_fini(struct target_host *h)
{
    free(h->cluster);
    free(h->name);
    free(h->hostname);
    free(h->address);
    free(h->sts);
    prom_labels_free(&h->labels);
    free(h->text);
}

struct target *target_ref(struct target *t)
{
    t->refs++;
    return t;
}

void target_unref(struct target *t)
{
    if (!t || --t->refs)
        return;
    for (size_t i = 0; i < t->n_hosts; i++)
        host_fini(&t->hosts[i]);
    free(t->hosts);
    cJSON_Delete(t->labels);
    cJSON_Delete(t->annotations);
    free(t->ns);
    free(t->name);
    free(t);
}

static void put_one(struct prom_labels *l, const char *name, const char *value, const cJSON *exclude)
{
    if (!json_has(exclude, name))
        prom_labels_put(l, name, value);
}

/* Later ones win over earlier ones of the same name. */
static void host_labels(const struct target *t, struct target_host *h, const cJSON *exclude)
{
    static const struct prom_labels nothing = {NULL, 0};
    auto_str struct str text = STR_INIT;

    put_one(&h->labels, "chi", t->name, exclude);
    put_one(&h->labels, "namespace", t->ns, exclude);
    prom_labels_put_texts(&h->labels, t->labels, exclude);
    prom_labels_put_texts(&h->labels, t->annotations, exclude);
    put_one(&h->labels, "hostname", h->hostname, exclude);
    prom_labels_print(&text, &h->labels, &nothing);
    h->text = mem_str(str_text(&text));
}

static void host_make(const struct fleet *f, const struct host *from, struct target_host *h)
{
    h->cluster = mem_str(from->cluster->name);
    h->name = mem_str(from->name);
    h->hostname = mem_str(from->fqdn);
    h->address = mem_str(f->endpoints ? "127.0.0.1" : from->fqdn);
    h->sts = mem_str(from->sts);
    h->tcp = from->ports[PORT_TCP];
    h->tls = from->ports[PORT_TLS];
    h->http = from->ports[PORT_HTTP];
    h->https = from->ports[PORT_HTTPS];
}

static void remember(struct target_host *h, const struct target *old)
{
    for (size_t i = 0; old && i < old->n_hosts; i++)
        if (str_eq(old->hosts[i].sts, h->sts)) {
            h->version = old->hosts[i].version;
            h->version_known = old->hosts[i].version_known;
            h->failed = old->hosts[i].failed;
        }
}

struct target *target_make(const struct fleet *f, const struct target *old)
{
    struct target *t = mem_zero(sizeof *t);
    const cJSON *exclude = json_at(f->config, "metrics.labels.exclude");

    t->refs = 1;
    t->ns = mem_str(f->ns);
    t->name = mem_str(f->name);
    t->labels = prom_texts(f->labels);
    t->annotations = prom_texts(f->annotations);
    t->n_hosts = f->n_hosts;
    t->hosts = mem_array(f->n_hosts + 1, sizeof *t->hosts);
    for (size_t i = 0; i < f->n_hosts; i++) {
        host_make(f, f->hosts[i], &t->hosts[i]);
        host_labels(t, &t->hosts[i], exclude);
        remember(&t->hosts[i], old);
    }
    return t;
}

/* ---- as /chi shows it ---- */

static void set_port(cJSON *to, const char *name, unsigned port)
{
    if (port)
        json_set_int(to, name, port);
}

static cJSON *host_json(const struct target_host *h)
{
    cJSON *j = cJSON_CreateObject();

    json_set_str(j, "name", h->name);
    json_set_str(j, "hostname", h->hostname);
    set_port(j, "tcpPort", h->tcp);
    set_port(j, "tlsPort", h->tls);
    set_port(j, "httpPort", h->http);
    set_port(j, "httpsPort", h->https);
    return j;
}

cJSON *target_json(const struct target *t)
{
    cJSON *j = cJSON_CreateObject(), *clusters, *hosts = NULL;
    const char *last = NULL;

    json_set_str(j, "namespace", t->ns);
    json_set_str(j, "name", t->name);
    json_set(j, "labels", json_copy(t->labels));
    json_set(j, "annotations", json_copy(t->annotations));
    clusters = json_set_arr(j, "clusters");
    for (size_t i = 0; i < t->n_hosts; i++) {
        if (!str_eq(last, t->hosts[i].cluster)) {
            cJSON *c = cJSON_CreateObject();

            last = t->hosts[i].cluster;
            json_set_str(c, "name", last);
            hosts = json_set_arr(c, "hosts");
            cJSON_AddItemToArray(clusters, c);
        }
        cJSON_AddItemToArray(hosts, host_json(&t->hosts[i]));
    }
    return j;
}
