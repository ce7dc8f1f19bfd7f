/* SPDX-License-Identifier: Apache-2.0 */
/* From live objects to the facts a plan is made of. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "render/claims.h"
#include "render/facts_internal.h"
#include "render/xmldiff.h"

/* ---- sets of texts ---- */

void text_set_add(struct text_set *s, const char *text)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->v = mem_grow(s->v, s->cap, sizeof *s->v);
    }
    s->v[s->n++] = mem_str(text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void text_set_sort(struct text_set *s)
{
    if (s->n)
        qsort(s->v, s->n, sizeof *s->v, by_text);
}

bool text_set_has(const struct text_set *s, const char *text)
{
    return s->n && bsearch(&text, s->v, s->n, sizeof *s->v, by_text);
}

void text_set_free(struct text_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
}

/* ---- who is in the list ---- */

struct list_walk {
    struct text_set *out;
    char *host;
};

static void one_entry(void *ctx, const char *path, const char *value, const char *unused)
{
    struct list_walk *w = ctx;

    (void)unused;
    if (str_ends(path, "/host") || str_ends(path, "/hostname")) {
        free(w->host);
        w->host = mem_str(value);
    } else if (str_ends(path, "/port") && w->host) {
        auto_free char *key = mem_printf("%s:%s", w->host, value);

        text_set_add(w->out, key);
    }
}

static char *common_name(const struct fleet *f, const char *what)
{
    auto_free char *pattern = mem_printf("%s-common-%s", f->kind == FLEET_KEEPER ? "chk-{chk}" : "chi-{chi}", what);

    return fleet_macros(f, NULL, NULL, NULL, pattern);
}

static void read_list(struct gather *g, const cJSON *common)
{
    const char *file = g->f->kind == FLEET_KEEPER ? "chop-generated-raft.xml" : "chop-generated-remote_servers.xml";
    struct list_walk w = {&g->listed, NULL};

    xmldiff_walk(cJSON_GetStringValue(json_get(json_get(common, "data"), file)), one_entry, &w);
    free(w.host);
    text_set_sort(&g->listed);
}

/* ---- common objects ---- */

static void split_common(struct gather *g, const cJSON *live, const cJSON *want)
{
    static const char *const settings = "chop-generated-settings.xml";
    static const char *const lists[] = {"chop-generated-remote_servers.xml", "chop-generated-raft.xml",
                                        "chfleet-membership.xml"};
    auto_json cJSON *a = json_copy(live), *b = json_copy(want), *x = cJSON_CreateObject(), *y = cJSON_CreateObject();

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(a, lists[i]);
        cJSON_DeleteItemFromObjectCaseSensitive(b, lists[i]);
    }
    if (json_get(a, settings))
        json_set(x, settings, cJSON_DetachItemFromObjectCaseSensitive(a, settings));
    if (json_get(b, settings))
        json_set(y, settings, cJSON_DetachItemFromObjectCaseSensitive(b, settings));
    filediff(g->f, x, y, "spec.configuration", false, &g->settings);
    filediff(g->f, a, b, "spec.configuration", false, &g->common);
}

/* ---- where the default user may come from: pods' addresses change with each of them, and only what the resource says counts ---- */

#define USERS_FILE "chop-generated-users.xml"

static void one_address(void *ctx, const char *path, const char *value, const char *none)
{
    (void)none;
    if (str_starts(path, "users/default/networks/ip"))
        json_add_str(ctx, value);
}

/* Those in the file that are not noted as a pod's. Caller owns. */
static cJSON *said_addresses(const cJSON *cm, bool *noted)
{
    const char *pods = json_annotation(cm, RENDER_POD_IPS);
    auto_free char *text = mem_printf(",%s,", pods ? pods : "");
    auto_json cJSON *all = cJSON_CreateArray();
    cJSON *out = cJSON_CreateArray();
    const cJSON *v;

    *noted = pods != NULL;
    xmldiff_walk(cJSON_GetStringValue(json_get(json_get(cm, "data"), USERS_FILE)), one_address, all);
    cJSON_ArrayForEach(v, all) {
        auto_free char *one = mem_printf(",%s,", v->valuestring);

        if (!strstr(text, one))
            json_add_str(out, v->valuestring);
    }
    return out;
}

static bool all_in(const cJSON *some, const cJSON *all)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, some)
        if (!json_has(all, v->valuestring))
            return false;
    return true;
}

/* A file of another operator, which notes nothing, may have more. */
static bool same_addresses(const cJSON *live, const cJSON *want)
{
    bool noted, ignored;
    auto_json cJSON *a = said_addresses(live, &noted), *b = said_addresses(want, &ignored);

    return all_in(b, a) && (!noted || all_in(a, b));
}

/* ---- where the operator's user may come from ---- */

struct ips_of {
    char *path;
    cJSON *all;
};

static void one_of_operator(void *ctx, const char *path, const char *value, const char *none)
{
    struct ips_of *o = ctx;

    (void)none;
    if (str_starts(path, o->path))
        json_add_str(o->all, value);
}

/* The resource's own addresses: without those that are noted as operators', or, where nothing is noted, without the first. */
static cJSON *own_addresses(const struct fleet *f, const cJSON *cm)
{
    const char *user = json_str(f->config, "clickhouse.access.username", "clickhouse_operator");
    const char *noted = json_annotation(cm, RENDER_OPERATOR_IPS);
    auto_free char *path = mem_printf("users/%s/networks/ip", user), *text = mem_printf(",%s,", noted ? noted : "");
    auto_json cJSON *all = cJSON_CreateArray();
    struct ips_of o = {path, all};
    cJSON *out = cJSON_CreateArray();
    const cJSON *v;

    xmldiff_walk(cJSON_GetStringValue(json_get(json_get(cm, "data"), USERS_FILE)), one_of_operator, &o);
    cJSON_ArrayForEach(v, all) {
        auto_free char *one = mem_printf(",%s,", v->valuestring);

        if (noted ? !strstr(text, one) : v != all->child)
            json_add_str(out, v->valuestring);
    }
    return out;
}

/* Another operator is let in, and that is all: a note of ours, for which nobody is asked. */
static void note_operators(const struct gather *g, const cJSON *live, const cJSON *want, struct file_lines *l)
{
    auto_json cJSON *a = own_addresses(g->f, live), *b = own_addresses(g->f, want);

    if (!all_in(a, b) || !all_in(b, a))
        return;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].lets_in) {
            free(l->v[i].path);
            l->v[i].path = mem_printf("ConfigMap %s metadata.annotations." RENDER_OPERATOR_IPS, json_name(live));
        }
}

static void drop_addresses(struct file_lines *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (!l->v[i].addresses) {
            l->v[n++] = l->v[i];
            continue;
        }
        free(l->v[i].path);
        free(l->v[i].from);
        free(l->v[i].to);
        free(l->v[i].rule);
    }
    l->n = n;
}

static void add_lines(struct gather *g, const struct file_lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        compare_add(&g->out->common_changes, &g->out->n_common, l->v[i].path, l->v[i].from, l->v[i].to);
}

/* Everything about a common object except what its files say. */
static void add_object(struct gather *g, const cJSON *live, const cJSON *want)
{
    struct change *all = NULL;
    size_t n = 0;
    auto_json cJSON *patch = NULL;

    if (!live) {
        compare_add(&g->out->common_changes, &g->out->n_common, json_str(want, "kind", ""), NULL, json_name(want));
        return;
    }
    patch = compare_object(live, want, &all, &n);
    for (size_t i = 0; patch && i < n; i++)
        if (!strstr(all[i].path, " data.") && !strstr(all[i].path, RENDER_POD_IPS) &&
            !strstr(all[i].path, RENDER_OPERATOR_IPS))
            compare_add(&g->out->common_changes, &g->out->n_common, all[i].path, all[i].from, all[i].to);
    changes_free(all, n);
}

static int common_maps(struct gather *g, struct err *err)
{
    auto_free char *common = common_name(g->f, "configd"), *users = common_name(g->f, "usersd");
    const cJSON *live_common = ctx_live(g->c, "ConfigMap", common), *live_users = ctx_live(g->c, "ConfigMap", users);
    auto_json cJSON *want_common = render_common_configmap(g->f, g->c, err);
    auto_json cJSON *want_users = want_common ? render_users_configmap(g->f, g->c, err) : NULL;
    auto_free char *settings = NULL;

    if (!want_users)
        return -1;
    read_list(g, live_common);
    settings = render_common_settings_file(g->f, g->c); /* the common file itself goes without while hosts hold theirs */
    g->common_settings = mem_str(settings ? settings : "");
    if (live_common)
        split_common(g, json_get(live_common, "data"), json_get(want_common, "data"));
    if (live_users)
        filediff(g->f, json_get(live_users, "data"), json_get(want_users, "data"), "spec.configuration", false,
                 &g->common);
    if (live_users && same_addresses(live_users, want_users))
        drop_addresses(&g->common);
    if (live_users)
        note_operators(g, live_users, want_users, &g->common);
    add_lines(g, &g->settings);
    add_lines(g, &g->common);
    add_object(g, live_common, want_common);
    add_object(g, live_users, want_users);
    return 0;
}

static void count_one(void *ctx, const char *path, const char *from, const char *to)
{
    (void)path;
    (void)from;
    (void)to;
    ++*(size_t *)ctx;
}

static bool in_live_list(void *ctx, const struct host *h)
{
    const struct gather *g = ctx;
    const struct host_facts *facts = &g->out->hosts[h->chi_index]; /* wanted hosts stand in the fleet's order */

    return facts->in_spec && facts->listed;
}

/* Would writing the list with the members it has now change it? */
static void staleness(struct gather *g)
{
    auto_free char *common = common_name(g->f, "configd");
    const cJSON *data = json_get(ctx_live(g->c, "ConfigMap", common), "data");
    auto_free char *want = NULL;
    size_t n = 0;

    if (!data || g->f->kind == FLEET_KEEPER || g->f->deleting)
        return;
    want = file_remote_servers_of(g->f, g->c, in_live_list, g);
    xmldiff(cJSON_GetStringValue(json_get(data, "chop-generated-remote_servers.xml")), want, NULL, count_one, &n);
    g->out->membership_stale = n > 0 || (g->c->membership_generation && !json_get(data, "chfleet-membership.xml"));
}

static int shared(struct gather *g, struct err *err)
{
    auto_json cJSON *all = cJSON_CreateArray();
    const cJSON *v;

    if (render_shared(g->f, g->c, all, err) < 0)
        return -1;
    cJSON_ArrayForEach(v, all)
        add_object(g, ctx_live(g->c, json_str(v, "kind", ""), json_name(v)), v);
    return 0;
}

/* ---- what nothing wants any more ---- */

struct unknown_walk {
    struct gather *g;
    struct text_set wanted; /* "Kind name" */
    struct host_facts *v;
    size_t n;
};

static void want(struct unknown_walk *w, const char *kind, const char *name)
{
    auto_free char *key = mem_printf("%s %s", kind, name);

    text_set_add(&w->wanted, key);
}

static int wanted_names(struct unknown_walk *w, struct err *err)
{
    const struct fleet *f = w->g->f;
    auto_free char *common = common_name(f, "configd"), *users = common_name(f, "usersd");
    auto_free char *storage = mem_printf("chi-storage-%s", f->name);
    auto_json cJSON *all = cJSON_CreateArray();
    const cJSON *v;

    for (size_t i = 0; i < f->n_hosts; i++) {
        want(w, "StatefulSet", f->hosts[i]->sts);
        want(w, "Service", f->hosts[i]->service);
        want(w, "ConfigMap", f->hosts[i]->configmap);
    }
    want(w, "ConfigMap", common);
    want(w, "ConfigMap", users);
    want(w, "ConfigMap", storage);
    for (size_t i = 0; i < f->n_clusters; i++) /* rendered only while it is not there */
        if (f->clusters[i].secret_kind == SECRET_AUTO)
            want(w, "Secret", f->clusters[i].secret_name);
    if (render_shared(f, w->g->c, all, err) < 0)
        return -1;
    cJSON_ArrayForEach(v, all)
        want(w, json_str(v, "kind", ""), json_name(v));
    text_set_sort(&w->wanted);
    return 0;
}

static const char *label(const struct fleet *f, const cJSON *o, const char *name)
{
    auto_free char *key = meta_key(f, name);
    const char *v = json_label(o, key);

    return v ? v : "";
}

static bool is_host_object(const struct fleet *f, const cJSON *o)
{
    return *label(f, o, "replica") && *label(f, o, "shard");
}

/* Where all hosts are 127.0.0.1, the port tells them apart. */
static bool lists_port(const char *entry, const cJSON *sts)
{
    const cJSON *c, *p;

    if (!str_starts(entry, "127.0.0.1:"))
        return false;
    cJSON_ArrayForEach(c, json_at(sts, "spec.template.spec.containers"))
        cJSON_ArrayForEach(p, json_get(c, "ports"))
            if (json_int(p, "containerPort", -1) == strtol(entry + 10, NULL, 10))
                return true;
    return false;
}

static void unwanted_host(struct unknown_walk *w, const cJSON *sts)
{
    const struct fleet *f = w->g->f;
    auto_free char *pod = mem_printf("%s-0", json_name(sts));
    struct host_facts *h;

    w->v = mem_grow(w->v, w->n + 1, sizeof *w->v);
    h = &w->v[w->n++];
    *h = (struct host_facts){.in_spec = false};
    h->cluster = mem_str(label(f, sts, "cluster"));
    h->shard = mem_str(label(f, sts, "shard"));
    h->replica = mem_str(label(f, sts, "replica"));
    h->sts_name = mem_str(json_name(sts));
    h->key = mem_printf("%s/%s/%s/%s/%s", f->ns, f->name, h->cluster, h->shard, h->replica);
    if (fleet_host(f, h->key)) { /* the same place under another name */
        char *other = mem_printf("%s@%s", h->key, h->sts_name);

        free(h->key);
        h->key = other;
    }
    facts_live_host(w->g, sts, ctx_live(w->g->c, "Pod", pod), h);
    /* it has been a member as long as its service is in the list; which port it had does not matter any more */
    for (size_t i = 0; i < w->g->listed.n; i++) {
        const char *service = json_str(sts, "spec.serviceName", json_name(sts));
        size_t n = strlen(service);

        h->listed |= strncmp(w->g->listed.v[i], service, n) == 0 && strchr(":.", w->g->listed.v[i][n]);
        h->listed |= lists_port(w->g->listed.v[i], sts);
    }
    h->ephemeral = cJSON_GetArraySize(json_at(sts, "spec.volumeClaimTemplates")) == 0;
}

static int one_statefulset(void *ctx, const cJSON *o)
{
    struct unknown_walk *w = ctx;
    auto_free char *key = mem_printf("StatefulSet %s", json_name(o));

    if (!text_set_has(&w->wanted, key) && is_host_object(w->g->f, o))
        unwanted_host(w, o);
    return 0;
}

static int one_other(struct unknown_walk *w, const char *kind, const cJSON *o)
{
    auto_free char *key = mem_printf("%s %s", kind, json_name(o));
    struct facts *out = w->g->out;

    if (text_set_has(&w->wanted, key) || is_host_object(w->g->f, o))
        return 0;
    out->unknown = mem_grow(out->unknown, out->n_unknown + 1, sizeof *out->unknown);
    out->unknown[out->n_unknown++] = mem_str(key);
    return 0;
}

static int one_configmap(void *ctx, const cJSON *o)
{
    return one_other(ctx, "ConfigMap", o);
}

static int one_service(void *ctx, const cJSON *o)
{
    return one_other(ctx, "Service", o);
}

static int one_secret(void *ctx, const cJSON *o)
{
    return one_other(ctx, "Secret", o);
}

static int one_budget(void *ctx, const cJSON *o)
{
    return one_other(ctx, "PodDisruptionBudget", o);
}

static int one_claim(void *ctx, const cJSON *o)
{
    struct unknown_walk *w = ctx;
    const struct fleet *f = w->g->f;

    for (size_t i = 0; i < w->g->out->n_hosts; i++) {
        struct host_facts *h = &w->g->out->hosts[i];
        auto_free char *suffix = mem_printf("-%s-0", h->sts_name);

        if (!str_ends(json_name(o), suffix))
            continue;
        h->pvcs = mem_grow(h->pvcs, h->n_pvcs + 1, sizeof *h->pvcs);
        h->pvc_retain = mem_grow(h->pvc_retain, h->n_pvcs + 1, sizeof *h->pvc_retain);
        h->pvcs[h->n_pvcs] = mem_str(json_name(o));
        h->pvc_retain[h->n_pvcs++] = claim_kept(f, h->sts_name, o);
        return 0;
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct host_facts *)a)->key, ((const struct host_facts *)b)->key);
}

static void take_unwanted(struct unknown_walk *w)
{
    struct facts *out = w->g->out;

    if (!w->n)
        return;
    qsort(w->v, w->n, sizeof *w->v, by_key);
    out->hosts = mem_grow(out->hosts, out->n_hosts + w->n, sizeof *out->hosts);
    memcpy(out->hosts + out->n_hosts, w->v, w->n * sizeof *w->v);
    out->n_hosts += w->n;
}

static void retained(struct facts *out)
{
    for (size_t i = 0; i < out->n_hosts; i++) {
        struct host_facts *h = &out->hosts[i];

        if (h->n_pvcs == 0)
            continue;
        h->all_retained = true;
        h->ephemeral = false;
        for (size_t k = 0; k < h->n_pvcs; k++)
            h->all_retained &= h->pvc_retain[k];
    }
}

static int unknown(struct gather *g, struct err *err)
{
    static const struct {
        const char *kind;
        int (*fn)(void *, const cJSON *);
    } kinds[] = {{"StatefulSet", one_statefulset},
                 {"ConfigMap", one_configmap},
                 {"Service", one_service},
                 {"Secret", one_secret},
                 {"PodDisruptionBudget", one_budget}};
    struct unknown_walk w = {.g = g};
    int rc = wanted_names(&w, err);

    for (size_t i = 0; rc == 0 && g->src && g->src->each && i < sizeof kinds / sizeof *kinds; i++)
        rc = g->src->each(g->src->ctx, kinds[i].kind, kinds[i].fn, &w);
    take_unwanted(&w);
    if (rc == 0 && g->src && g->src->each)
        rc = g->src->each(g->src->ctx, "PersistentVolumeClaim", one_claim, &w);
    retained(g->out);
    text_set_free(&w.wanted);
    free(w.v);
    return rc;
}

/* ---- warnings ---- */

static void facts_warn(struct facts *out, char *text)
{
    for (size_t i = 0; i < out->n_warnings; i++)
        if (strcmp(out->warnings[i], text) == 0) {
            free(text);
            return;
        }
    out->warnings = mem_grow(out->warnings, out->n_warnings + 1, sizeof *out->warnings);
    out->warnings[out->n_warnings++] = text;
}

static void check_file(struct gather *g, const char *scope, const struct setting *s, bool below)
{
    auto_free char *complaint = NULL;

    if (file_place(s->path, below) < 0) {
        if (s->kind == SETTING_TEXT)
            facts_warn(g->out,
                       mem_printf("%s.files[%s]: no server gets it: the folder must be config.d, users.d or conf.d",
                                  scope, s->path));
        return;
    }
    if (s->kind != SETTING_TEXT || !s->n_values || !str_ends(s->path, ".xml"))
        return;
    complaint = xmldiff_complaint(s->values[0]);
    if (complaint)
        facts_warn(
            g->out,
            mem_printf("%s.files[%s]: is not well-formed XML (%s): a running server keeps what it had, one that starts "
                       "does not come up",
                       scope, s->path, complaint));
}

static void warnings(struct gather *g)
{
    for (size_t i = 0; i < g->f->files.n; i++)
        check_file(g, "spec.configuration", &g->f->files.v[i], false);
    for (size_t i = 0; i < g->f->n_hosts; i++) {
        const struct host *h = g->f->hosts[i];
        auto_free char *scope = mem_printf("spec.configuration.clusters[%s]", h->cluster->name);

        for (size_t k = 0; k < h->files.n; k++)
            check_file(g, scope, &h->files.v[k], true);
    }
    if (render_drops_auto_clusters(g->f, g->c))
        facts_warn(g->out,
                   mem_printf("%zu hosts: the clusters all-replicated, all-sharded and all-clusters are left out of "
                              "remote_servers, because its ConfigMap would near the limit of the API server",
                              g->f->n_hosts));
}

/* ---- status ---- */

static void executed(struct gather *g)
{
    const cJSON *status = json_get(g->f->resource, "status"), *v;
    struct facts *out = g->out;

    cJSON_ArrayForEach(v, json_get(status, "taskIDsCompleted"))
        if (cJSON_IsString(v) && *v->valuestring) {
            out->task_ids = mem_grow(out->task_ids, out->n_task_ids + 1, sizeof *out->task_ids);
            out->task_ids[out->n_task_ids++] = mem_str(v->valuestring);
        }
    out->restarted_generation = json_int(status, "chfleet.restartedGeneration", 0);
    /* Taken over: what another operator completed counts as done, so that taking over restarts nothing. */
    if (!json_get(status, "chfleet") && str_eq(json_str(status, "status", NULL), "Completed"))
        out->restarted_generation = g->f->generation;
    cJSON_ArrayForEach(v, json_get(status, "hostsWithTablesCreated"))
        if (cJSON_IsString(v))
            text_set_add(&g->has_data, v->valuestring);
    text_set_sort(&g->has_data);
}

static int gather_all(struct gather *g, struct err *err)
{
    struct facts *out = g->out;
    bool any = false;

    executed(g);
    warnings(g);
    if (common_maps(g, err) < 0)
        return -1;
    for (size_t i = 0; i < g->f->n_hosts; i++) {
        out->n_hosts = i + 1;
        if (facts_wanted_host(g, g->f->hosts[i], &out->hosts[i], err) < 0)
            return err_ctx(err, "host %s", g->f->hosts[i]->key);
    }
    if (unknown(g, err) < 0 || shared(g, err) < 0)
        return -1;
    staleness(g);
    for (size_t i = 0; i < out->n_hosts; i++)
        any |= out->hosts[i].sts || out->hosts[i].n_pvcs;
    out->fresh = !any;
    return 0;
}

int facts_make(const struct fleet *f, const struct render_ctx *c, const struct facts_source *live, struct facts **out,
               struct err *err)
{
    auto_facts struct facts *facts = mem_zero(sizeof *facts);
    struct gather g = {.f = f, .c = c, .src = live, .out = facts};
    int rc;

    facts->hosts = mem_array(f->n_hosts, sizeof *facts->hosts);
    facts->now = mem_str(c->now ? c->now : "");
    rc = gather_all(&g, err);
    text_set_free(&g.listed);
    text_set_free(&g.has_data);
    file_lines_free(&g.common);
    file_lines_free(&g.settings);
    free(g.common_settings);
    if (rc < 0)
        return -1;
    *out = facts;
    facts = NULL;
    return 0;
}
