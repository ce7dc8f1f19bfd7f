/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: EndpointSlices for all of them; ClusterIP and LoadBalancer ones also get a listener of the balancer.
 *
 * Order: a pod that leaves gets no new connection from the balancer before the slice says so; one that joins is in the
 * slice only when the balancer sends to it. So whoever reads the slice (the operator does) knows what is true.
 *
 * Pods share one address, so what tells them apart in a slice is the port: there is one slice for each set of ports.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "plane/ctl.h"

#define SERVICE_LABEL "kubernetes.io/service-name"
#define MANAGED_LABEL "endpointslice.kubernetes.io/managed-by"
#define MANAGED_BY "endpointslice-controller.k8s.io"
#define ENDPOINTS_NOTE "chfleet.io/endpoints"

enum { MAX_PORTS = 32 };

struct ctl_svc {
    struct plane *p;
    struct store *s;
    const struct lb_ops *lb;
    void *lb_ctx;
    struct ctl_queue *q;
    struct store_sub *svcs, *pods;
};

struct endpoint {
    cJSON *pod; /* copy */
    unsigned ports[MAX_PORTS];
    bool selected, ready, terminating; /* ready: shall get connections */
    bool listed;                       /* in the slices with ready: true */
};

struct pass {
    struct ctl_svc *c;
    const cJSON *svc;
    const char *ns, *name;
    const cJSON *ports;
    size_t n_ports;
    bool balanced;
    struct endpoint *v;
    size_t n;
};

/* ---- which pods ---- */

static bool matches(const cJSON *svc, const cJSON *pod)
{
    const cJSON *selector = json_at(svc, "spec.selector"), *want;

    if (!cJSON_GetArraySize(selector))
        return false;
    cJSON_ArrayForEach(want, selector)
        if (!str_eq(json_label(pod, want->string), cJSON_IsString(want) ? want->valuestring : ""))
            return false;
    return true;
}

static unsigned pod_port(const cJSON *pod, const char *name, unsigned number)
{
    const cJSON *c, *p;

    cJSON_ArrayForEach(c, json_at(pod, "spec.containers"))
        cJSON_ArrayForEach(p, json_get(c, "ports")) {
            unsigned port = (unsigned)json_int(p, "containerPort", 0);

            if ((name && str_eq(json_str(p, "name", NULL), name)) || (!name && port == number))
                return port;
        }
    return 0;
}

/* targetPort is a name or a number. All pods share the machine's ports, so a number that the pod does not open means
 * the port of the Service port's name: "http → 8123" leads to each pod's own http port. */
static unsigned target_port(const cJSON *svc_port, const cJSON *pod)
{
    const cJSON *target = json_get(svc_port, "targetPort");
    const char *name = json_str(svc_port, "name", NULL);
    unsigned number = (unsigned)(cJSON_IsNumber(target) ? target->valuedouble : json_int(svc_port, "port", 0)), found;

    if (cJSON_IsString(target))
        return pod_port(pod, target->valuestring, 0);
    if ((found = pod_port(pod, NULL, number)) || (name && (found = pod_port(pod, name, 0))))
        return found;
    return number;
}

static void add_endpoint(struct pass *p, const cJSON *pod, bool selected)
{
    bool all = json_bool(p->svc, "spec.publishNotReadyAddresses", false);
    const cJSON *port;
    struct endpoint *e;
    size_t i = 0;

    p->v = mem_grow(p->v, p->n + 1, sizeof *p->v);
    e = &p->v[p->n++];
    memset(e, 0, sizeof *e);
    e->pod = json_copy(pod);
    e->selected = selected;
    e->terminating = ctl_deleting(pod);
    e->ready = selected && (all || (ctl_pod_ready(pod) && !e->terminating));
    cJSON_ArrayForEach(port, p->ports)
        if (i < MAX_PORTS)
            e->ports[i++] = target_port(port, pod);
}

static int collect(void *ctx, const cJSON *pod)
{
    struct pass *p = ctx;

    if (ctl_pod_over(pod) || !*json_str(pod, "status.podIP", ""))
        return 0;
    if (matches(p->svc, pod))
        add_endpoint(p, pod, true);
    else if (p->balanced && p->c->lb->state(p->c->lb_ctx, p->ns, p->name, json_uid(pod)) == LB_IN)
        add_endpoint(p, pod, false); /* leaves, but still gets connections */
    return 0;
}

/* ---- balancer ---- */

static bool is_balanced(const struct ctl_svc *c, const cJSON *svc)
{
    const char *type = json_str(svc, "spec.type", "ClusterIP");
    bool headless = strcmp(json_str(svc, "spec.clusterIP", ""), "None") == 0;

    return c->lb && !headless && strcmp(type, "ExternalName") != 0 &&
           cJSON_GetArraySize(json_at(svc, "spec.selector")) > 0;
}

/* ClickHouse's pods have an http and a tcp port; their health is what GET /ping says. */
static unsigned ping_port(const cJSON *pod)
{
    return pod_port(pod, "tcp", 0) ? pod_port(pod, "http", 0) : 0;
}

static void balance(struct pass *p, struct lb_port *ports)
{
    struct lb_member *members = mem_array(p->n, sizeof *members);
    struct lb_service want = {p->ns, p->name, ports, p->n_ports, members, 0};

    for (size_t i = 0; i < p->n; i++) {
        struct endpoint *e = &p->v[i];

        if (e->ready)
            members[want.n_members++] =
                (struct lb_member){json_name(e->pod), json_uid(e->pod), e->ports, ping_port(e->pod)};
    }
    p->c->lb->apply(p->c->lb_ctx, &want);
    free(members);
}

static void fill_ports(struct pass *p, struct lb_port *ports)
{
    const cJSON *port;
    size_t i = 0;

    cJSON_ArrayForEach(port, p->ports) {
        const char *name = json_str(port, "name", "");

        if (i == p->n_ports)
            break;
        ports[i] = (struct lb_port){name, (unsigned)json_int(port, "port", 0), 0, strcmp(name, "http") == 0};
        ports[i].listen = p->c->lb->listen(p->c->lb_ctx, p->ns, p->name, name, ports[i].port);
        i++;
    }
}

/* ---- what the Service says ---- */

static void note_endpoints(struct pass *p, const struct lb_port *ports)
{
    auto_str struct str text = STR_INIT;
    auto_json cJSON *patch = NULL;

    for (size_t i = 0; i < p->n_ports; i++)
        if (ports[i].listen)
            str_addf(&text, "%s%s=127.0.0.1:%u", text.len ? "," : "", *ports[i].name ? ports[i].name : "port",
                     ports[i].listen);
    if (str_eq(json_annotation(p->svc, ENDPOINTS_NOTE), str_text(&text)))
        return;
    patch = cJSON_CreateObject();
    json_set_str(json_set_obj(json_set_obj(patch, "metadata"), "annotations"), ENDPOINTS_NOTE, str_text(&text));
    store_patch(p->c->s, PK_SVC, p->ns, p->name, patch, STORE_SYSTEM, NULL, NULL);
}

static void write_ingress(struct pass *p, const struct lb_port *ports)
{
    cJSON *st = cJSON_CreateObject(), *one = cJSON_CreateObject(), *list;

    json_set_str(one, "ip", "127.0.0.1");
    list = json_set_arr(one, "ports");
    for (size_t i = 0; i < p->n_ports; i++) {
        cJSON *port = cJSON_CreateObject();

        json_set_int(port, "port", ports[i].listen);
        json_set_str(port, "protocol", "TCP");
        cJSON_AddItemToArray(list, port);
    }
    cJSON_AddItemToArray(json_set_arr(json_set_obj(st, "loadBalancer"), "ingress"), one);
    ctl_write_status(p->c->s, PK_SVC, p->svc, st);
}

/* ---- slices ---- */

static cJSON *slice_ports(const struct pass *p, const struct endpoint *e)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *port;
    size_t i = 0;

    cJSON_ArrayForEach(port, p->ports) {
        cJSON *one;

        if (i == p->n_ports)
            break;
        if (!e->ports[i++])
            continue;
        one = cJSON_CreateObject();
        json_set_str(one, "name", json_str(port, "name", ""));
        json_set_str(one, "protocol", json_str(port, "protocol", "TCP"));
        json_set_int(one, "port", e->ports[i - 1]);
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

static cJSON *slice_endpoint(const struct pass *p, const struct endpoint *e)
{
    cJSON *one = cJSON_CreateObject(), *conditions, *ref;

    json_add_str(json_set_arr(one, "addresses"), "127.0.0.1");
    conditions = json_set_obj(one, "conditions");
    json_set_bool(conditions, "ready", e->listed);
    json_set_bool(conditions, "serving", e->listed || ctl_pod_ready(e->pod));
    json_set_bool(conditions, "terminating", e->terminating);
    json_set_str(one, "nodeName", p->c->p->node_name);
    ref = json_set_obj(one, "targetRef");
    json_set_str(ref, "kind", "Pod");
    json_set_str(ref, "namespace", p->ns);
    json_set_str(ref, "name", json_name(e->pod));
    json_set_str(ref, "uid", json_uid(e->pod));
    return one;
}

static cJSON *new_slice(const struct pass *p, const char *name, cJSON *takes_ports)
{
    cJSON *slice = store_new_object(PK_EPSLICE, p->ns, name),
          *labels = json_set_obj(json_get(slice, "metadata"), "labels");
    const cJSON *l;

    cJSON_ArrayForEach(l, json_at(p->svc, "metadata.labels"))
        json_set(labels, l->string, json_copy(l));
    json_set_str(labels, SERVICE_LABEL, p->name);
    json_set_str(labels, MANAGED_LABEL, MANAGED_BY);
    if (strcmp(json_str(p->svc, "spec.clusterIP", ""), "None") == 0)
        json_set_str(labels, "service.kubernetes.io/headless", "");
    store_set_controller(slice, p->svc);
    json_set_str(slice, "addressType", "IPv4");
    json_set_arr(slice, "endpoints");
    json_set(slice, "ports", takes_ports);
    return slice;
}

/* name → slice */
static cJSON *wanted_slices(const struct pass *p)
{
    cJSON *all = cJSON_CreateObject();

    for (size_t i = 0; i < p->n; i++) {
        cJSON *ports = slice_ports(p, &p->v[i]), *slice;
        auto_str struct str text = STR_INIT;
        auto_free char *hex = NULL, *name = NULL;

        json_canonical(ports, &text);
        hex = hash_sha1_hex(str_text(&text), text.len);
        name = mem_printf("%.52s-%.10s", p->name, hex);
        slice = json_get(all, name);
        if (slice)
            cJSON_Delete(ports);
        else
            slice = json_set(all, name, new_slice(p, name, ports));
        cJSON_AddItemToArray(json_get(slice, "endpoints"), slice_endpoint(p, &p->v[i]));
    }
    return all;
}

struct stale {
    struct pass *p;
    cJSON *wanted;
    cJSON *names; /* array: to be deleted */
};

static int find_stale(void *ctx, const cJSON *slice)
{
    struct stale *st = ctx;

    if (str_eq(json_label(slice, SERVICE_LABEL), st->p->name) && str_eq(json_label(slice, MANAGED_LABEL), MANAGED_BY) &&
        !json_get(st->wanted, json_name(slice)))
        json_add_str(st->names, json_name(slice));
    return 0;
}

static bool slice_same(const cJSON *live, const cJSON *want)
{
    return json_same(json_get(live, "endpoints"), json_get(want, "endpoints")) &&
           json_same(json_at(live, "metadata.labels"), json_at(want, "metadata.labels")) &&
           json_same(json_at(live, "metadata.ownerReferences"), json_at(want, "metadata.ownerReferences"));
}

static void put_slice(struct pass *p, cJSON *takes)
{
    const cJSON *live = store_get(p->c->s, PK_EPSLICE, p->ns, json_name(takes));
    struct err e = ERR_INIT;
    int rc = 0;

    if (live && slice_same(live, takes))
        cJSON_Delete(takes);
    else if (live)
        rc = store_update(p->c->s, PK_EPSLICE, takes, STORE_SYSTEM, NULL, &e);
    else
        rc = store_create(p->c->s, PK_EPSLICE, takes, STORE_SYSTEM, NULL, &e);
    if (rc < 0) {
        log_warn(p->name, "EndpointSlice not written: %s", e.msg);
        ctl_queue_add(p->c->q, p->ns, p->name, 1000);
    }
}

static void write_slices(struct pass *p)
{
    auto_json cJSON *wanted = wanted_slices(p), *names = cJSON_CreateArray();
    struct stale st = {p, wanted, names};
    cJSON *one;

    store_each(p->c->s, PK_EPSLICE, p->ns, NULL, find_stale, &st);
    cJSON_ArrayForEach(one, names)
        store_delete(p->c->s, PK_EPSLICE, p->ns, one->valuestring, NULL, NULL, NULL, NULL);
    while ((one = wanted->child))
        put_slice(p, cJSON_DetachItemViaPointer(wanted, one));
}

/* ---- the pass ---- */

static void gone(struct ctl_svc *c, const char *ns, const char *name)
{
    struct lb_service none = {.ns = ns, .name = name};

    if (c->lb)
        c->lb->apply(c->lb_ctx, &none);
}

static void list_endpoints(struct pass *p)
{
    size_t out = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct endpoint *e = &p->v[i];

        e->listed = p->balanced ? p->c->lb->state(p->c->lb_ctx, p->ns, p->name, json_uid(e->pod)) == LB_IN : e->ready;
        if (e->selected || e->listed)
            p->v[out++] = *e;
        else
            cJSON_Delete(e->pod);
    }
    p->n = out;
}

static void sync_svc(void *ctx, const char *ns, const char *name)
{
    struct ctl_svc *c = ctx;
    const cJSON *svc = store_get(c->s, PK_SVC, ns, name);
    auto_json cJSON *own = NULL;
    struct lb_port ports[MAX_PORTS];
    struct pass p = {.c = c, .ns = ns, .name = name};

    if (!svc || ctl_deleting(svc)) {
        gone(c, ns, name);
        return;
    }
    own = json_copy(svc);
    p.svc = own;
    p.ports = json_at(own, "spec.ports");
    p.n_ports = (size_t)cJSON_GetArraySize(p.ports);
    p.n_ports = p.n_ports > MAX_PORTS ? MAX_PORTS : p.n_ports;
    p.balanced = is_balanced(c, own);
    if (!cJSON_GetArraySize(json_at(own, "spec.selector"))) /* its slices are somebody else's */
        return;
    store_each(c->s, PK_POD, ns, NULL, collect, &p);
    if (p.balanced) {
        fill_ports(&p, ports);
        balance(&p, ports);
        note_endpoints(&p, ports);
        if (strcmp(json_str(own, "spec.type", ""), "LoadBalancer") == 0)
            write_ingress(&p, ports);
    } else {
        gone(c, ns, name); /* its type may have changed */
    }
    if (!p.balanced ||
        c->lb->state(c->lb_ctx, ns, name, "") != LB_UNKNOWN) { /* else it is called again when that is known */
        list_endpoints(&p);
        write_slices(&p);
    }
    for (size_t i = 0; i < p.n; i++)
        cJSON_Delete(p.v[i].pod);
    free(p.v);
}

/* ---- watching ---- */

static void on_svc(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_svc *c = ctx;

    (void)what;
    if (obj && (!old || !json_same(json_get(old, "spec"), json_get(obj, "spec")) ||
                !json_same(json_at(old, "metadata.labels"), json_at(obj, "metadata.labels")) ||
                ctl_deleting(old) != ctl_deleting(obj)))
        ctl_queue_add(c->q, json_ns(obj), json_name(obj), 0);
}

struct search {
    struct ctl_svc *c;
    const cJSON *old, *pod;
};

static int touch(void *ctx, const cJSON *svc)
{
    struct search *s = ctx;

    if (matches(svc, s->pod) || (s->old && matches(svc, s->old)))
        ctl_queue_add(s->c->q, json_ns(svc), json_name(svc), 0);
    return 0;
}

static void on_pod(void *ctx, enum store_change what, const cJSON *old, const cJSON *obj)
{
    struct ctl_svc *c = ctx;
    struct search s = {c, old, obj};

    if (!obj)
        return;
    if (what == STORE_CHANGED && old && ctl_pod_ready(old) == ctl_pod_ready(obj) &&
        ctl_deleting(old) == ctl_deleting(obj) &&
        json_same(json_at(old, "metadata.labels"), json_at(obj, "metadata.labels")) &&
        str_eq(json_str(old, "status.podIP", NULL), json_str(obj, "status.podIP", NULL)) &&
        ctl_pod_over(old) == ctl_pod_over(obj))
        return;
    store_each(c->s, PK_SVC, json_ns(obj), NULL, touch, &s);
}

static void on_balancer(void *ctx, const char *ns, const char *name)
{
    struct ctl_svc *c = ctx;

    ctl_queue_add(c->q, ns, name, 0);
}

struct ctl_svc *ctl_svc_new(struct plane *p, const struct lb_ops *lb, void *ctx)
{
    struct ctl_svc *c = mem_zero(sizeof *c);

    c->p = p;
    c->s = p->store;
    c->lb = lb;
    c->lb_ctx = ctx;
    c->q = ctl_queue_new(p->w, sync_svc, c);
    if (lb)
        lb->listener(ctx, on_balancer, c);
    c->svcs = store_subscribe(c->s, PK_SVC, on_svc, c);
    c->pods = store_subscribe(c->s, PK_POD, on_pod, c);
    return c;
}

void ctl_svc_free(struct ctl_svc *c)
{
    if (!c)
        return;
    store_unsubscribe(c->svcs);
    store_unsubscribe(c->pods);
    ctl_queue_free(c->q);
    free(c);
}
