/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/leader.h"
#include "cli/out.h"

/* What differs between the two kinds of installations. */
struct group {
    enum kube_kind kind;
    const char *prefix, *label, *suffix; /* of label names, the owner's label, and of the operator's key */
};
static const struct group groups[] = {
    {KUBE_CHI, "clickhouse.altinity.com/", "clickhouse.altinity.com/chi", ""},
    {KUBE_CHK, "clickhouse-keeper.altinity.com/", "clickhouse-keeper.altinity.com/chk", ".keeper"},
};

/* What operators say: of this machine, or by the namespaces that they are in, each asked once. */
struct operators {
    struct fleet_api *a;
    cJSON *here, *by_ns; /* by_ns: null where none answered */
    struct err why;
};

static const cJSON *operator_of(struct operators *o, const cJSON *res)
{
    const char *ns = json_annotation(res, OPERATOR_NOTE);

    if (o->a->local || !ns)
        return o->here;
    if (!cJSON_HasObjectItem(o->by_ns, ns)) {
        cJSON *said = leader_page(o->a, ns, "/status", &o->why);

        json_set(o->by_ns, ns, said ? said : cJSON_CreateNull());
    }
    return json_get(o->by_ns, ns);
}

/* One that answered; NULL. */
static const cJSON *some_operator(const struct operators *o)
{
    const cJSON *one, *found = o->here;

    cJSON_ArrayForEach(one, o->by_ns)
        if (!found && cJSON_IsObject(one))
            found = one;
    return found;
}

/* ---- hosts ---- */

/* "24.8" of "clickhouse/clickhouse-server:24.8" */
static const char *tag_of(const char *image)
{
    const char *slash = strrchr(image, '/'), *colon = strrchr(slash ? slash : image, ':');

    return colon ? colon + 1 : "";
}

/* "main/0/1" of "ns/demo/main/0/1" */
static const char *short_key(const char *key)
{
    const char *p = strchr(key, '/');

    p = p ? strchr(p + 1, '/') : NULL;
    return p ? p + 1 : key;
}

static void copy(cJSON *to, const char *key, const cJSON *from, const char *path)
{
    const cJSON *item = json_at(from, path);

    if (item)
        json_set(to, key, json_copy(item));
}

static cJSON *host_from_operator(const cJSON *h)
{
    static const char *const same[] = {"key", "pod", "action", "step", "state", "waiting", "text", "version", "image", "ready",
                                       "member"};
    cJSON *out = cJSON_CreateObject();

    json_set_str(out, "host", short_key(json_str(h, "key", "")));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        copy(out, same[i], h, same[i]);
    copy(out, "sinceMs", h, "since_ms");
    copy(out, "podImage", h, "pod_image");
    json_set_str(out, "tag", tag_of(json_str(h, "image", "")));
    return out;
}

bool status_pod_ready(const cJSON *pod)
{
    const cJSON *c;

    if (json_at(pod, "metadata.deletionTimestamp"))
        return false;
    cJSON_ArrayForEach(c, json_at(pod, "status.conditions"))
        if (str_eq(json_str(c, "type", ""), "Ready"))
            return str_eq(json_str(c, "status", ""), "True");
    return false;
}

static const char *pod_waiting(const cJSON *pod, const char **message)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(pod, "status.containerStatuses")) {
        const char *reason = json_str(c, "state.waiting.reason", "");

        *message = json_str(c, "state.waiting.message", "");
        if (*reason)
            return reason;
    }
    *message = "";
    return "";
}

static const char *label_under(const cJSON *pod, const char *prefix, const char *name)
{
    auto_free char *key = mem_printf("%s%s", prefix, name);
    const char *value = json_label(pod, key);

    return value ? value : "";
}

static cJSON *host_from_pod(const struct group *g, const char *key, const cJSON *pod)
{
    cJSON *out = cJSON_CreateObject();
    const char *message, *waiting = pod_waiting(pod, &message), *image = json_str(pod, "spec.containers.0.image", "");
    auto_free char *host = mem_printf("%s/%s/%s", label_under(pod, g->prefix, "cluster"), label_under(pod, g->prefix, "shard"),
                                      label_under(pod, g->prefix, "replica"));
    auto_free char *whole = mem_printf("%s/%s", key, host);

    json_set_str(out, "key", whole);
    json_set_str(out, "host", host);
    json_set_str(out, "pod", json_name(pod));
    json_set_str(out, "state", *waiting ? "waiting" : json_str(pod, "status.phase", ""));
    json_set_str(out, "waiting", waiting);
    json_set_str(out, "text", message);
    json_set_str(out, "image", image);
    json_set_str(out, "podImage", image);
    json_set_str(out, "tag", tag_of(image));
    json_set_bool(out, "ready", status_pod_ready(pod));
    json_set_str(out, "member", str_eq(label_under(pod, g->prefix, "ready"), "yes") ? "in" : "out");
    return out;
}

static void hosts_from_pods(struct fleet_api *a, const struct group *g, const cJSON *res, cJSON *inst)
{
    struct err ignored = ERR_INIT;
    auto_free char *selector = mem_printf("%s=%s", g->label, json_name(res));
    auto_json cJSON *pods = api_list(a, KUBE_POD, json_ns(res), selector, &ignored);
    cJSON *hosts = json_set_arr(inst, "hosts");
    const cJSON *pod;

    cJSON_ArrayForEach(pod, json_get(pods, "items"))
        cJSON_AddItemToArray(hosts, host_from_pod(g, json_str(inst, "key", ""), pod));
}

/* ---- installations ---- */

static int64_t observed(const cJSON *res)
{
    const cJSON *c;
    int64_t generation = json_int(res, "status.observedGeneration", -1);

    cJSON_ArrayForEach(c, json_at(res, "status.conditions"))
        if (str_eq(json_str(c, "type", ""), "Ready"))
            generation = json_int(c, "observedGeneration", generation);
    return generation;
}

static const cJSON *find_detail(const cJSON *live, const char *key)
{
    const cJSON *i;

    cJSON_ArrayForEach(i, json_get(live, "installations"))
        if (str_eq(json_str(i, "key", ""), key))
            return i;
    return NULL;
}

static void add_detail(cJSON *inst, const cJSON *d)
{
    static const char *const same[] = {"status", "operation", "busy", "error", "code", "progress"};
    cJSON *hosts = json_set_arr(inst, "hosts");
    const cJSON *h;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        copy(inst, same[i], d, same[i]);
    copy(inst, "observedGeneration", d, "generation");
    json_set_bool(inst, "detailed", true);
    cJSON_ArrayForEach(h, json_get(d, "hosts"))
        cJSON_AddItemToArray(hosts, host_from_operator(h));
}

static cJSON *installation(struct fleet_api *a, const struct group *g, const cJSON *res, const cJSON *live)
{
    cJSON *inst = cJSON_CreateObject();
    auto_free char *key = mem_printf("%s/%s%s", json_ns(res), json_name(res), g->suffix);
    const cJSON *detail = find_detail(live, key);

    json_set_str(inst, "namespace", json_ns(res));
    json_set_str(inst, "name", json_name(res));
    json_set_str(inst, "kind", kube_kind_info(g->kind)->kind);
    json_set_str(inst, "key", key);
    json_set_str(inst, "status", json_str(res, "status.status", ""));
    if (*json_str(res, "status.error", ""))
        json_set_str(inst, "error", json_str(res, "status.error", ""));
    copy(inst, "generation", res, "metadata.generation");
    json_set_int(inst, "observedGeneration", observed(res));
    json_set_bool(inst, "deleting", json_at(res, "metadata.deletionTimestamp") != NULL);
    if (str_bool(json_str(res, "spec.suspend", NULL)) == 1)
        json_set_bool(inst, "suspended", true);
    json_set_bool(inst, "detailed", false);
    if (detail && *json_str(detail, "status", "")) /* an operator that has just begun has not looked at it yet */
        add_detail(inst, detail);
    else
        hosts_from_pods(a, g, res, inst);
    return inst;
}

static bool name_wanted(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return true;
    return n == 0;
}

static int add_group(struct fleet_api *a, const struct group *g, const char *const *names, int n, struct operators *o, cJSON *list,
                     struct err *err)
{
    auto_json cJSON *all = api_list(a, g->kind, a->all ? NULL : a->ns, NULL, err);
    const cJSON *res;

    if (!all)
        return -1;
    cJSON_ArrayForEach(res, json_get(all, "items"))
        if (name_wanted(json_name(res), names, n))
            cJSON_AddItemToArray(list, installation(a, g, res, operator_of(o, res)));
    return 0;
}

static int all_found(const struct fleet_api *a, const cJSON *list, const char *const *names, int n, struct err *err)
{
    for (int i = 0; i < n; i++) {
        const cJSON *inst;
        bool found = false;

        cJSON_ArrayForEach(inst, list)
            found = found || str_eq(json_str(inst, "name", ""), names[i]);
        if (!found)
            return err_set(err, ERR_MISSING, 0, "there is no installation %s in %s%s; chfleet get chi,chk -A lists all", names[i],
                           a->all ? "any namespace" : "namespace ", a->all ? "" : a->ns);
    }
    return 0;
}

static cJSON *operator_part(struct fleet_api *a, const cJSON *live, const struct err *why)
{
    cJSON *op = cJSON_CreateObject();
    auto_free char *address = api_operator_address(a);

    json_set_bool(op, "reachable", live != NULL);
    json_set_str(op, "address", address);
    if (!live)
        json_set_str(op, "why", why->msg);
    copy(op, "leader", live, "leader");
    copy(op, "version", live, "version");
    return op;
}

/* Of chfleet up: where the numbers of the databases are. */
static void exporter_part(struct fleet_api *a, cJSON *doc)
{
    auto_free char *address = api_exporter_address(a);

    if (address)
        json_set_str(json_set_obj(doc, "exporter"), "address", address);
}

cJSON *status_collect(struct fleet_api *a, const char *const *names, int n_names, struct err *err)
{
    struct operators o = {.a = a, .by_ns = cJSON_CreateObject()};
    cJSON *doc = out_document_new("Status"), *list = json_set_arr(doc, "installations");
    int rc = 0;

    o.here = api_operator(a, "/status", &o.why);
    for (size_t i = 0; rc == 0 && i < sizeof groups / sizeof *groups; i++)
        rc = add_group(a, &groups[i], names, n_names, &o, list, err);
    if (rc == 0)
        rc = all_found(a, list, names, n_names, err);
    json_set(doc, "operator", operator_part(a, some_operator(&o), &o.why));
    exporter_part(a, doc);
    cJSON_Delete(o.here);
    cJSON_Delete(o.by_ns);
    if (rc == 0)
        return doc;
    cJSON_Delete(doc);
    return NULL;
}

int status_done(const cJSON *inst, int64_t generation)
{
    const char *status = json_str(inst, "status", "");
    int64_t seen = json_int(inst, "observedGeneration", -1);

    if (seen < generation || json_bool(inst, "busy", false))
        return 0;
    if (str_eq(status, "Completed"))
        return 1;
    return str_eq(status, "Aborted") ? -1 : 0;
}

/* ---- for people ---- */

static const char *state_colour(const char *state)
{
    if (str_eq(state, "done") || str_eq(state, "Completed") || str_eq(state, "Running"))
        return out_green();
    if (str_eq(state, "waiting") || str_eq(state, "working") || str_eq(state, "InProgress"))
        return out_yellow();
    return str_eq(state, "failed") || str_eq(state, "Aborted") ? out_red() : "";
}

static void headline(const cJSON *inst, struct str *out)
{
    const char *status = json_str(inst, "status", "");
    int64_t total = json_int(inst, "progress.total", 0), op = json_int(inst, "operation", 0);

    if (json_bool(inst, "deleting", false))
        status = "Terminating";
    str_addf(out, "%s%s%s  %s  %s%s%s", out_bold(), json_str(inst, "name", ""), out_plain(), json_str(inst, "kind", ""),
             state_colour(status), *status ? status : "not seen by an operator yet", out_plain());
    if (total > 0)
        str_addf(out, "  %lld of %lld hosts", (long long)json_int(inst, "progress.done", 0), (long long)total);
    if (op > 0)
        str_addf(out, "  operation %lld", (long long)op);
    str_addc(out, '\n');
    if (json_bool(inst, "suspended", false))
        str_add(out, "  spec.suspend: yes: nothing is done until it is taken back\n");
    if (*json_str(inst, "error", "")) {
        str_add(out, out_red());
        out_indented(out, "  ", json_str(inst, "error", ""));
        str_add(out, out_plain());
    }
}

static void host_note(const cJSON *h, struct str *out)
{
    const char *code = json_str(h, "waiting", ""), *text = json_str(h, "text", "");

    str_add(out, code);
    if (*code && *text)
        str_add(out, ": ");
    str_add(out, text);
    for (size_t i = 0; i < out->len; i++)
        if (out->s[i] == '\n')
            out->s[i] = ' ';
}

/* What its pod has, and on the way to another one, both. */
static void image_cell(struct out_table *t, const cJSON *h, bool wide)
{
    const char *image = json_str(h, "image", ""), *now = json_str(h, "podImage", "");
    const char *to = wide ? image : tag_of(image), *from = wide ? now : tag_of(now);
    auto_free char *both = mem_printf("%s→%s", from, to);

    out_cell(t, *from && *to && !str_eq(now, image) ? both : to);
}

static void add_row(struct out_table *t, const cJSON *h, bool wide, uint64_t now)
{
    char since[32] = "";
    int64_t at = json_int(h, "sinceMs", 0);
    const char *state = json_str(h, "state", ""), *version = json_str(h, "version", "");
    bool ready = json_bool(h, "ready", false);
    auto_str struct str note = STR_INIT;

    if (at > 0 && (str_eq(state, "waiting") || str_eq(state, "working")))
        out_age(now > (uint64_t)at ? now - (uint64_t)at : 0, since, sizeof since);
    host_note(h, &note);
    out_cell(t, json_str(h, "host", ""));
    out_cell(t, json_str(h, "action", ""));
    out_cell(t, json_str(h, "step", ""));
    out_cell_colour(t, state, state_colour(state));
    out_cell(t, since);
    out_cell(t, version);
    image_cell(t, h, wide);
    out_cell_colour(t, ready ? "yes" : "no", ready ? out_green() : out_red());
    out_cell(t, json_str(h, "member", ""));
    if (wide)
        out_cell(t, json_str(h, "pod", ""));
    out_cell(t, str_text(&note));
}

static void cut_lines(const struct str *text, unsigned columns, struct str *out)
{
    const char *p = str_text(text);

    while (*p) {
        size_t len = strcspn(p, "\n"), seen = 0, i = 0;

        for (; i < len && seen < columns; i++) {
            if (p[i] == '\033')
                i += strcspn(p + i, "m");
            else
                seen += ((unsigned char)p[i + 1] & 0xc0) != 0x80;
        }
        str_addn(out, p, i);
        if (i < len)
            str_add(out, out_plain());
        str_addc(out, '\n');
        p += len + (p[len] == '\n');
    }
}

static bool at_rest(const cJSON *host)
{
    const char *state = json_str(host, "state", "");

    return str_eq(state, "idle") || str_eq(state, "done") || str_eq(state, "queued");
}

/* "  588 more: 280 done, 308 queued" */
static void count_at_rest(const cJSON *hosts, struct str *out)
{
    static const char *const states[] = {"done", "queued", "idle"};
    size_t n[3] = {0}, all = 0;
    const char *sep = ": ";
    const cJSON *h;

    cJSON_ArrayForEach(h, hosts)
        for (size_t i = 0; i < 3; i++)
            if (str_eq(json_str(h, "state", ""), states[i])) {
                n[i]++;
                all++;
            }
    if (!all)
        return;
    str_addf(out, "  %zu more", all);
    for (size_t i = 0; i < 3; i++)
        if (n[i]) {
            str_addf(out, "%s%zu %s", sep, n[i], states[i]);
            sep = ", ";
        }
    str_addc(out, '\n');
}

static void print_installation(const cJSON *inst, const struct status_form *form, bool at_work, struct str *out)
{
    static const char *const heads[] = {"HOST", "ACTION", "STEP", "STATE", "SINCE", "RUNS", "IMAGE", "READY", "MEMBER", "NOTE", NULL};
    static const char *const wide_heads[] = {"HOST", "ACTION", "STEP", "STATE", "SINCE", "RUNS", "IMAGE", "READY", "MEMBER", "POD", "NOTE",
                                             NULL};
    struct out_table t;
    const cJSON *h;

    headline(inst, out);
    out_table_init(&t, form->wide ? wide_heads : heads);
    cJSON_ArrayForEach(h, json_get(inst, "hosts"))
        if (!at_work || !at_rest(h))
            add_row(&t, h, form->wide, form->now_ms);
    if (t.n_cells > t.header)
        out_table_print(&t, "  ", out);
    out_table_fini(&t);
    if (at_work)
        count_at_rest(json_get(inst, "hosts"), out);
}

static void print_all(const cJSON *doc, const struct status_form *form, bool at_work, struct str *out)
{
    const cJSON *inst, *list = json_get(doc, "installations");

    cJSON_ArrayForEach(inst, list) {
        if (inst != list->child)
            str_addc(out, '\n');
        print_installation(inst, form, at_work, out);
    }
    if (!list->child)
        str_add(out, "no installation here yet: chfleet apply -f FILE makes one\n");
    if (json_at(doc, "exporter.address") && !at_work)
        str_addf(out, "\nmetrics of the databases: http://%s/metrics\n", json_str(doc, "exporter.address", ""));
    if (!json_bool(doc, "operator.reachable", false) && *json_str(doc, "operator.address", ""))
        str_addf(out, "%sthe operator does not answer (%s); shown is what the API server knows%s\n", out_yellow(),
                 json_str(doc, "operator.why", ""), out_plain());
}

/* The first lines, and how many more there were: less than `rows` in all. */
static void add_rows(const struct str *text, unsigned rows, struct str *out)
{
    unsigned all = out_lines(str_text(text)), kept = 0;
    const char *p = str_text(text);

    while (kept + 2 < rows && kept < all)
        kept += *p++ == '\n';
    if (all < rows)
        p = str_text(text) + text->len;
    str_addn(out, str_text(text), (size_t)(p - str_text(text)));
    if (all >= rows)
        str_addf(out, "%s… %u more lines\n", out_plain(), all - kept);
}

void status_print(const cJSON *doc, const struct status_form *form, struct str *out)
{
    auto_str struct str text = STR_INIT, fits = STR_INIT;

    print_all(doc, form, false, &text);
    if (form->rows && out_lines(str_text(&text)) >= form->rows) {
        str_reset(&text);
        print_all(doc, form, true, &text);
    }
    add_rows(&text, form->rows ? form->rows : UINT_MAX, &fits);
    cut_lines(&fits, form->columns ? form->columns : UINT_MAX, out);
}
