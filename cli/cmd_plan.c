/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/live.h"
#include "cli/manifest.h"
#include "cli/merge.h"
#include "cli/out.h"
#include "schema/config_file.h"

struct planning {
    struct cli *c;
    struct fleet_api api;
    struct live *live;
    const char *form;
    cJSON *plans;  /* for json and yaml */
    unsigned shown, refused;
};

static int one_plan(struct planning *p, enum kube_kind kind, const char *name, struct err *err)
{
    struct plan *plan = NULL;
    auto_str struct str text = STR_INIT;
    auto_free char *hash = NULL;

    if (live_plan(p->live, kind, name, &plan, err) < 0)
        return -1;
    p->refused += plan->n_refused > 0;
    hash = plan_hash(plan);
    if (p->plans) {
        cJSON *o = plan_json(plan);

        json_set_str(o, "hash", hash);
        cJSON_AddItemToArray(p->plans, o);
    } else {
        if (p->shown++)
            putchar('\n');
        plan_print(plan, &text);
        fputs(str_text(&text), stdout);
        if (!plan->empty && !plan->n_refused)
            printf("hash %s: where approval is required, write it into spec.chfleet.approved\n", hash);
    }
    plan_free(plan);
    return 0;
}

/* What the API server would hold after apply: live, changed as apply would change it. */
static cJSON *as_applied(const cJSON *live, const struct manifest *m)
{
    auto_json cJSON *wanted = json_copy(m->obj), *patch = NULL;
    cJSON *out;

    merge_note(wanted);
    if (!live)
        return json_copy(wanted);
    out = json_copy(live);
    patch = merge_patch(live, wanted);
    if (patch) {
        json_merge_patch(&out, patch);
        json_set_int(json_get(out, "metadata"), "generation", json_int(live, "metadata.generation", 0) + 1);
    }
    return out;
}

static int plan_all_of(struct planning *p, enum kube_kind kind, struct err *err)
{
    const cJSON *res;

    cJSON_ArrayForEach(res, live_list(p->live, kind))
        if (one_plan(p, kind, json_name(res), err) < 0)
            return -1;
    return 0;
}

static int plan_files(struct planning *p, struct err *err)
{
    auto_manifests struct manifests m = {0};
    bool all = false; /* a template or a configuration may change each installation */

    if (manifests_load(p->c, p->api.ns, NULL, &m, err) < 0)
        return -1;
    for (size_t i = 0; i < m.n; i++) {
        auto_json cJSON *after = as_applied(live_object(p->live, m.v[i].kind, json_ns(m.v[i].obj), json_name(m.v[i].obj)), &m.v[i]);

        all |= m.v[i].kind == KUBE_CHIT || m.v[i].kind == KUBE_CHOPCONF;
        if (m.v[i].kind != KUBE_CHIT && m.v[i].kind != KUBE_CHOPCONF && kube_kind_info(m.v[i].kind)->namespaced &&
            !str_eq(json_ns(after), p->api.ns))
            return err_set(err, ERR_INPUT, 0, "%s is of namespace %s: plan one namespace at a time (-n %s)", m.v[i].file, json_ns(after),
                           json_ns(after));
        live_replace(p->live, m.v[i].kind, after);
    }
    if (all)
        return plan_all_of(p, KUBE_CHK, err) < 0 ? -1 : plan_all_of(p, KUBE_CHI, err);
    for (size_t i = 0; i < m.n; i++)
        if ((m.v[i].kind == KUBE_CHI || m.v[i].kind == KUBE_CHK) && one_plan(p, m.v[i].kind, json_name(m.v[i].obj), err) < 0)
            return err_ctx(err, "%s:%u", m.v[i].file, m.v[i].pos.line);
    return 0;
}

static int plan_names(struct planning *p, struct err *err)
{
    if (p->c->n_args == 0)
        return plan_all_of(p, KUBE_CHK, err) < 0 ? -1 : plan_all_of(p, KUBE_CHI, err);
    for (int i = 0; i < p->c->n_args; i++) {
        const char *name = p->c->args[i];
        enum kube_kind kind = live_resource(p->live, KUBE_CHI, name) ? KUBE_CHI : KUBE_CHK;

        if (kind == KUBE_CHK && !live_resource(p->live, KUBE_CHK, name))
            return err_set(err, ERR_MISSING, 0, "there is no installation %s in namespace %s", name, p->api.ns);
        if (one_plan(p, kind, name, err) < 0)
            return -1;
    }
    return 0;
}

/* The operator's configuration file and its folders, when the user names it. */
static int read_config(struct cli *c, cJSON **out, struct err *err)
{
    const char *path = cli_text(c, "config", NULL);

    if (!path)
        return 0;
    return schema_config_load(path, out, NULL, err) < 0 ? -1 : render_check_config(*out, err);
}

static void print_document(const struct planning *p)
{
    auto_json cJSON *doc = out_document_new("Plan");

    json_set(doc, "plans", json_copy(p->plans));
    json_set_str(doc, "blocked", live_blocked(p->live));
    out_document(doc, p->form);
}

int cmd_plan(struct cli *c)
{
    struct err err = ERR_INIT;
    struct planning p = {.c = c, .form = cli_text(c, "output", "table")};
    auto_json cJSON *config = NULL;
    int rc = -1;

    if (cli_nth(c, "filename", 0) && c->n_args > 0)
        err_set(&err, ERR_INPUT, 0, "either -f or names, not both");
    else if (read_config(c, &config, &err) == 0 && api_open(&p.api, c, &err) == 0 &&
             live_read(&p.api, p.api.ns, cli_text(c, "operator-namespace", NULL), config, &p.live, &err) == 0) {
        if (!str_eq(p.form, "table"))
            p.plans = cJSON_CreateArray();
        else if (live_blocked(p.live))
            printf("nothing is done now: %s\n\n", live_blocked(p.live));
        rc = cli_nth(c, "filename", 0) ? plan_files(&p, &err) : plan_names(&p, &err);
    }
    if (rc == 0 && p.plans)
        print_document(&p);
    else if (rc == 0 && p.shown == 0)
        printf("no installation to plan in namespace %s\n", p.api.ns);
    cJSON_Delete(p.plans);
    live_free(p.live);
    api_fini(&p.api);
    return rc < 0 ? cli_fail(c, &err) : p.refused ? EXIT_REFUSED : EXIT_DONE;
}
