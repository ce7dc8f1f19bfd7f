/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/columns.h"
#include "cli/out.h"
#include "cli/redact.h"

struct getting {
    struct cli *c;
    struct fleet_api api;
    const char *form;
    cJSON *all;  /* items of all kinds, for json and yaml */
    bool several; /* kinds */
    bool printed;
};

/* The objects of one kind: by name, or all that fit. An array; NULL and err. */
static cJSON *fetch(struct getting *g, enum kube_kind kind, struct err *err)
{
    bool namespaced = kube_kind_info(kind)->namespaced;
    auto_json cJSON *list = NULL;
    cJSON *items;

    if (g->c->n_args == 1) {
        list = api_list(&g->api, kind, namespaced && !g->api.all ? g->api.ns : NULL, cli_text(g->c, "selector", NULL), err);
        return list ? json_copy(json_get(list, "items")) : NULL;
    }
    items = cJSON_CreateArray();
    for (int i = 1; i < g->c->n_args; i++) {
        cJSON *obj = api_get(&g->api, kind, namespaced ? g->api.ns : NULL, g->c->args[i], err);

        if (!obj) {
            cJSON_Delete(items);
            return NULL;
        }
        cJSON_AddItemToArray(items, obj);
    }
    return items;
}

/* Items of a list lack kind and apiVersion; alone they need them. */
static void name_kind(enum kube_kind kind, cJSON *obj)
{
    const struct kube_kind_info *info = kube_kind_info(kind);
    auto_free char *api = *info->group ? mem_printf("%s/%s", info->group, info->version) : mem_str(info->version);

    json_set_str(obj, "apiVersion", api);
    json_set_str(obj, "kind", info->kind);
}

static void keep(struct getting *g, enum kube_kind kind, cJSON *items)
{
    cJSON *item;

    while ((item = cJSON_DetachItemFromArray(items, 0))) {
        name_kind(kind, item);
        if (kind == KUBE_SECRET)
            redact_object(item);
        if (json_get(item, "metadata"))
            cJSON_DeleteItemFromObjectCaseSensitive(json_get(item, "metadata"), "managedFields");
        cJSON_AddItemToArray(g->all, item);
    }
}

static void print_table(struct getting *g, enum kube_kind kind, const cJSON *items)
{
    struct out_table t;
    auto_str struct str text = STR_INIT;

    if (!items->child && g->several)
        return;
    if (!items->child) {
        fprintf(stderr, "no %s in %s%s\n", kube_kind_info(kind)->plural, g->api.all ? "any namespace" : "namespace ",
                g->api.all ? "" : g->api.ns);
        return;
    }
    columns_table(kind, items, str_eq(g->form, "wide"), g->api.all, &t);
    if (g->several) {
        str_addf(&text, "%s%s%s%s\n", g->printed ? "\n" : "", out_bold(), kube_kind_info(kind)->plural, out_plain());
        g->printed = true;
    }
    out_table_print(&t, "", &text);
    out_table_fini(&t);
    fputs(str_text(&text), stdout);
}

static int one_kind(struct getting *g, const char *name, struct err *err)
{
    int kind = kube_kind_by_name(name);
    auto_json cJSON *items = NULL;

    if (kind < 0)
        return err_set(err, ERR_INPUT, 0, "there is no kind '%s'; known are chi, chk, chit, chopconf, pods, sts, services, pvc, pv, cm, "
                                          "secrets, pdb, events, leases, nodes, namespaces", name);
    items = fetch(g, (enum kube_kind)kind, err);
    if (!items)
        return -1;
    if (g->all)
        keep(g, (enum kube_kind)kind, items);
    else
        print_table(g, (enum kube_kind)kind, items);
    return 0;
}

static int all_kinds(struct getting *g, struct err *err)
{
    auto_free char *kinds = mem_str(g->c->args[0]);

    g->several = strchr(kinds, ',') != NULL;
    if (g->several && g->c->n_args > 1)
        return err_set(err, ERR_INPUT, 0, "names go with one kind, not with '%s'", g->c->args[0]);
    for (char *save = NULL, *k = strtok_r(kinds, ",", &save); k; k = strtok_r(NULL, ",", &save))
        if (one_kind(g, k, err) < 0)
            return -1;
    return 0;
}

static void print_document(const struct getting *g)
{
    auto_json cJSON *list = NULL;

    if (g->c->n_args == 2 && cJSON_GetArraySize(g->all) == 1) {
        out_document(g->all->child, g->form);
        return;
    }
    list = cJSON_CreateObject();
    json_set_str(list, "apiVersion", "v1");
    json_set_str(list, "kind", "List");
    json_set(list, "items", json_copy(g->all));
    out_document(list, g->form);
}

int cmd_get(struct cli *c)
{
    struct err err = ERR_INIT;
    struct getting g = {.c = c, .form = cli_text(c, "output", "table")};
    int code = EXIT_DONE;

    if (str_eq(g.form, "json") || str_eq(g.form, "yaml"))
        g.all = cJSON_CreateArray();
    if (api_open(&g.api, c, &err) < 0 || all_kinds(&g, &err) < 0)
        code = cli_fail(c, &err);
    else if (g.all)
        print_document(&g);
    cJSON_Delete(g.all);
    api_fini(&g.api);
    return code;
}
