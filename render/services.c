/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "render/internal.h"

static cJSON *port(const char *name, unsigned number, const char *target)
{
    cJSON *p = cJSON_CreateObject();

    json_set_str(p, "name", name);
    json_set_str(p, "protocol", "TCP");
    json_set_int(p, "port", number);
    if (target)
        json_set_str(p, "targetPort", target);
    else
        json_set_int(p, "targetPort", number);
    return p;
}

static bool ports_fit(const cJSON *spec)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_get(spec, "ports"))
        if (json_int(p, "port", 0) <= 0 || json_int(p, "port", 0) >= 65535)
            return false;
    return true;
}

/* In `endpoints` addressing every host has ports of its own, so a port of a Service leads to the container's port of
 * that name. */
static void target_by_name(const struct fleet *f, cJSON *spec)
{
    cJSON *p;

    if (!f->endpoints)
        return;
    cJSON_ArrayForEach(p, json_get(spec, "ports")) {
        int64_t target = json_int(p, "targetPort", json_int(p, "port", 0));

        for (int i = 0; i < HOST_PORTS && !cJSON_IsString(json_get(p, "targetPort")); i++)
            if (target == host_port_default((enum host_port)i) ||
                (!json_get(p, "targetPort") && str_eq(json_str(p, "name", NULL), host_port_names[i])))
                json_set_str(p, "targetPort", host_port_names[i]);
    }
}

/* The user's metadata first, ours on top; the user's selector, ours on top. NULL when a port is impossible. */
static cJSON *from_template(const struct place *p, const cJSON *tmpl, const char *dflt_name, const char *kind,
                            bool ready)
{
    const char *pattern = json_str(tmpl, "generateName", "");
    auto_free char *name = fleet_macros(p->f, p->c, p->s, p->h, *pattern ? pattern : dflt_name);
    cJSON *labels = cJSON_CreateObject(), *annotations = cJSON_CreateObject(), *o, *spec, *selector;
    auto_json cJSON *own = meta_labels(p, "Service", kind), *own_selector = meta_selector(p, ready),
                    *notes = meta_annotations(p);

    if (!ports_fit(json_get(tmpl, "spec"))) {
        cJSON_Delete(labels);
        cJSON_Delete(annotations);
        return NULL;
    }
    meta_expand_into(p, labels, json_at(tmpl, "metadata.labels"));
    meta_expand_into(p, labels, own);
    meta_expand_into(p, annotations, json_at(tmpl, "metadata.annotations"));
    meta_expand_into(p, annotations, notes);
    o = meta_object(p, "v1", "Service", name, labels, true);
    json_set(json_get(o, "metadata"), "annotations", annotations);
    spec = json_copy(json_get(tmpl, "spec"));
    if (!cJSON_IsObject(spec))
        spec = cJSON_CreateObject();
    json_set(o, "spec", spec);
    target_by_name(p->f, spec);
    selector = json_need_obj(spec, "selector");
    for (const cJSON *v = own_selector->child; v; v = v->next)
        json_set_str(selector, v->string, v->valuestring);
    return o;
}

static cJSON *headless(const struct place *p, const char *name, const char *kind, bool ready)
{
    cJSON *o = meta_object(p, "v1", "Service", name, meta_labels(p, "Service", kind), true);
    cJSON *spec = json_set_obj(o, "spec");

    json_set_str(spec, "type", "ClusterIP");
    json_set_str(spec, "clusterIP", "None");
    json_set_arr(spec, "ports");
    json_set(spec, "selector", meta_selector(p, ready));
    return o;
}

static void keep_ready_mark(const struct fleet *f, const struct render_ctx *c, cJSON *service)
{
    auto_free char *key = meta_key(f, "ready");
    const cJSON *live = ctx_live(c, "Service", json_name(service));

    if (live && json_annotation(live, key))
        json_set_str(json_at(service, "metadata.annotations"), key, json_annotation(live, key));
}

cJSON *render_host_service(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err)
{
    struct place p = place_host(h);
    cJSON *o;

    if (h->templates.replica_service) {
        o = from_template(&p, h->templates.replica_service, h->service, "host", false);
        if (!o) {
            err_set(err, ERR_INPUT, 0,
                    "spec.templates.serviceTemplates[%s].spec.ports: a port must be between 1 and 65534",
                    json_str(h->templates.replica_service, "name", ""));
            return NULL;
        }
    } else {
        o = headless(&p, h->service, "host", false);
        json_set_bool(json_get(o, "spec"), "publishNotReadyAddresses", true);
        for (int i = 0; i < HOST_PORTS; i++)
            if (h->ports[i])
                cJSON_AddItemToArray(json_at(o, "spec.ports"), port(host_port_names[i], h->ports[i], NULL));
    }
    keep_ready_mark(f, c, o);
    meta_note_keys(&p, o);
    return o;
}

/* Two levels or templates that make a Service of one name would write over each other for ever. */
static bool is_taken(const struct fleet *f, const cJSON *array, const char *name)
{
    const cJSON *o;

    cJSON_ArrayForEach(o, array)
        if (strcmp(json_str(o, "kind", ""), "Service") == 0 && strcmp(json_name(o), name) == 0)
            return true;
    for (size_t i = 0; i < f->n_hosts; i++)
        if (strcmp(f->hosts[i]->service, name) == 0)
            return true;
    return false;
}

static int check_name(const struct fleet *f, const cJSON *tmpl, const cJSON *array, const char *name, struct err *err)
{
    enum { LONGEST = 63 };

    if (!fleet_name_fits(name) || strlen(name) > LONGEST || !(*name >= 'a'))
        return err_set(err, ERR_INPUT, 0,
                       "spec.templates.serviceTemplates[%s].generateName: a Service would be named \"%s\", but Kubernetes "
                       "takes at most %d lower case letters, digits and -, and a letter first",
                       json_str(tmpl, "name", ""), name, LONGEST);
    if (is_taken(f, array, name))
        return err_set(err, ERR_INPUT, 0,
                       "spec.templates.serviceTemplates[%s].generateName: two Services would be named \"%s\": use a "
                       "template of its own for each level, with macros that tell its Services apart",
                       json_str(tmpl, "name", ""), name);
    return 0;
}

static int add(const struct place *p, const cJSON *tmpl, const char *dflt_name, const char *kind, cJSON *array,
               struct err *err)
{
    cJSON *o = from_template(p, tmpl, dflt_name, kind, true);

    if (!o)
        return err_set(err, ERR_INPUT, 0,
                       "spec.templates.serviceTemplates[%s].spec.ports: a port must be between 1 and 65534",
                       json_str(tmpl, "name", ""));
    if (check_name(p->f, tmpl, array, json_name(o), err) < 0) {
        cJSON_Delete(o);
        return -1;
    }
    meta_note_keys(p, o);
    cJSON_AddItemToArray(array, o);
    return 0;
}

static int installation_services(const struct fleet *f, cJSON *array, struct err *err)
{
    bool keeper = f->kind == FLEET_KEEPER;
    struct place p = place_cr(f);
    const char *pattern = keeper ? "keeper-{chk}" : "clickhouse-{chi}";
    auto_free char *name = fleet_macros(f, NULL, NULL, NULL, pattern);
    cJSON *o;

    for (size_t i = 0; i < f->n_service_templates; i++)
        if (add(&p, f->service_templates[i], pattern, keeper ? "chk" : "chi", array, err) < 0)
            return -1;
    if (f->n_service_templates)
        return 0;
    o = headless(&p, name, keeper ? "chk" : "chi", true);
    if (keeper) {
        cJSON_AddItemToArray(json_at(o, "spec.ports"), port("zk", host_port_default(PORT_ZK), "zk"));
        cJSON_AddItemToArray(json_at(o, "spec.ports"), port("raft", host_port_default(PORT_RAFT), "raft"));
    } else {
        cJSON_AddItemToArray(json_at(o, "spec.ports"), port("http", host_port_default(PORT_HTTP), "http"));
        cJSON_AddItemToArray(json_at(o, "spec.ports"), port("tcp", host_port_default(PORT_TCP), "tcp"));
    }
    meta_note_keys(&p, o);
    cJSON_AddItemToArray(array, o);
    return 0;
}

int shared_services(const struct fleet *f, cJSON *array, struct err *err)
{
    if ((!f->stop || f->kind == FLEET_KEEPER) && installation_services(f, array, err) < 0)
        return -1;
    for (size_t i = 0; i < f->n_clusters && f->kind == FLEET_CLICKHOUSE; i++) {
        const struct cluster *c = &f->clusters[i];
        struct place p = place_cluster(c);

        if (c->service_template && add(&p, c->service_template, "cluster-{chi}-{cluster}", "cluster", array, err) < 0)
            return -1;
        for (size_t j = 0; j < c->n_shards; j++) {
            struct place q = place_shard(&c->shards[j]);

            if (c->shards[j].service_template &&
                add(&q, c->shards[j].service_template, "shard-{chi}-{cluster}-{shard}", "shard", array, err) < 0)
                return -1;
        }
    }
    return 0;
}
