/* SPDX-License-Identifier: Apache-2.0 */
/* A plan for people and for programs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/plan.h"

static const char *short_key(const struct plan *p, const char *key)
{
    size_t n = strcspn(key, "/");

    (void)p;
    if (key[n])
        n += 1 + strcspn(key + n + 1, "/");
    return key[n] ? key + n + 1 : key;
}

static void print_counts(const struct plan *p, struct str *out)
{
    size_t counts[HOST_ACTIONS] = {0};
    const char *sep = "";

    for (size_t i = 0; i < p->n_hosts; i++)
        counts[p->hosts[i].action]++;
    str_add(out, "hosts: ");
    for (int a = 0; a < HOST_ACTIONS; a++)
        if (counts[a]) {
            str_addf(out, "%s%zu %s", sep, counts[a],
                     a == ACT_NONE ? "unchanged" : host_action_name((enum host_action)a));
            sep = ", ";
        }
    str_addf(out, "%s\n", *sep ? "" : "none");
}

static void print_host(const struct plan *p, const struct plan_host *h, struct str *out)
{
    str_addf(out, "    %-12s %s%s\n", host_action_name(h->action), short_key(p, h->key),
             h->single_replica ? " (only replica)" : "");
    if (*h->reason)
        str_addf(out, "                 %s\n", h->reason);
}

static void print_tasks(const struct plan *p, struct str *out)
{
    unsigned last = 0;

    for (size_t i = 0; i < p->n_tasks; i++) {
        const struct plan_task *t = &p->tasks[i];

        if (i == 0 || t->wave != last)
            str_addf(out, "wave %u\n", t->wave);
        last = t->wave;
        str_addf(out, "  %s %s\n", t->table, t->n_hosts ? short_key(p, t->object) : t->object);
        for (size_t k = 0; k < t->n_hosts; k++)
            print_host(p, &p->hosts[t->hosts[k]], out);
        for (size_t k = 0; k < p->n_soaks; k++)
            if (p->soaks[k].wave == t->wave && (i + 1 == p->n_tasks || p->tasks[i + 1].wave != t->wave))
                str_addf(out, "  then %" PRId64 " s of watching\n", p->soaks[k].seconds);
    }
}

static void print_list(const char *head, char *const *list, size_t n, struct str *out)
{
    if (n)
        str_addf(out, "%s\n", head);
    for (size_t i = 0; i < n; i++) {
        str_add(out, "  - ");
        for (const char *p = list[i]; *p; p++)
            str_add(out, *p == '\n' ? "\n      " : (char[]){*p, 0});
        str_addc(out, '\n');
    }
}

static void print_notes(const struct plan *p, struct str *out)
{
    bool head = false;

    for (size_t i = 0; i < p->n_hosts; i++) {
        const struct plan_host *h = &p->hosts[i];

        if (h->action != ACT_NONE || (!*h->reason && !h->objects))
            continue;
        if (!head)
            str_add(out, "left as they are\n");
        head = true;
        str_addf(out, "  %s: %s\n", short_key(p, h->key),
                 *h->reason ? h->reason : "its labels, Service or ConfigMap are written, the server is not touched");
    }
}

void plan_print(const struct plan *p, struct str *out)
{
    str_addf(out, "plan for %s, generation %" PRId64 "\n", p->object, p->generation);
    print_counts(p, out);
    if (p->n_common)
        str_add(out, "common\n");
    for (size_t i = 0; i < p->n_common; i++) {
        const struct change *c = &p->common[i];

        str_addf(out, "  %s: %s → %s\n", c->path, c->from ? c->from : "(none)", c->to ? c->to : "(none)");
    }
    if (p->marks)
        str_add(out, "chfleet's own annotations are written on shared objects\n");
    if (p->hold_settings)
        str_add(out, "settings reach each host when its turn comes\n");
    if (p->restart_token)
        str_addf(out, "ordered restart: %s\n", p->restart_token);
    print_tasks(p, out);
    print_notes(p, out);
    print_list("warnings", p->warnings, p->n_warnings, out);
    print_list("refused", p->refused, p->n_refused, out);
    if (p->empty && !p->n_refused)
        str_add(out, "nothing to do\n");
}

static cJSON *texts(char *const *list, size_t n)
{
    cJSON *a = cJSON_CreateArray();

    for (size_t i = 0; i < n; i++)
        json_add_str(a, list[i]);
    return a;
}

static cJSON *host_json(const struct plan_host *h)
{
    cJSON *o = cJSON_CreateObject();

    json_set_str(o, "key", h->key);
    json_set_str(o, "action", host_action_name(h->action));
    json_set_str(o, "reason", h->reason);
    json_set_int(o, "wave", h->wave);
    if (h->single_replica)
        json_set_bool(o, "singleReplica", true);
    if (h->objects)
        json_set_bool(o, "objects", true);
    if (h->ordered)
        json_set_bool(o, "ordered", true);
    return o;
}

static cJSON *task_json(const struct plan *p, const struct plan_task *t)
{
    cJSON *o = cJSON_CreateObject(), *list;

    json_set_str(o, "table", t->table);
    json_set_str(o, "object", t->object);
    json_set_int(o, "wave", t->wave);
    list = json_set_arr(o, "hosts");
    for (size_t i = 0; i < t->n_hosts; i++)
        json_add_str(list, p->hosts[t->hosts[i]].key);
    return o;
}

cJSON *plan_json(const struct plan *p)
{
    cJSON *o = cJSON_CreateObject(), *list;

    json_set_str(o, "apiVersion", "chfleet.io/v1");
    json_set_str(o, "kind", "Plan");
    json_set_str(o, "object", p->object);
    json_set_int(o, "generation", p->generation);
    json_set_bool(o, "empty", p->empty);
    json_set_bool(o, "marks", p->marks);
    json_set_bool(o, "holdSettings", p->hold_settings);
    json_set_str(o, "restart", p->restart_token);
    list = json_set_arr(o, "hosts");
    for (size_t i = 0; i < p->n_hosts; i++)
        cJSON_AddItemToArray(list, host_json(&p->hosts[i]));
    list = json_set_arr(o, "tasks");
    for (size_t i = 0; i < p->n_tasks; i++)
        cJSON_AddItemToArray(list, task_json(p, &p->tasks[i]));
    list = json_set_arr(o, "common");
    for (size_t i = 0; i < p->n_common; i++) {
        cJSON *c = cJSON_CreateObject();

        json_set_str(c, "path", p->common[i].path);
        json_set_str(c, "from", p->common[i].from);
        json_set_str(c, "to", p->common[i].to);
        cJSON_AddItemToArray(list, c);
    }
    list = json_set_arr(o, "soaks");
    for (size_t i = 0; i < p->n_soaks; i++) {
        cJSON *s = cJSON_CreateObject();

        json_set_int(s, "wave", p->soaks[i].wave);
        json_set_int(s, "seconds", p->soaks[i].seconds);
        cJSON_AddItemToArray(list, s);
    }
    json_set(o, "refused", texts(p->refused, p->n_refused));
    json_set(o, "warnings", texts(p->warnings, p->n_warnings));
    return o;
}

char *plan_hash(const struct plan *p)
{
    auto_json cJSON *j = plan_json(p);
    auto_str struct str text = STR_INIT;
    char *hex;

    /* approving is an edit of the resource, and must not change what was approved */
    cJSON_DeleteItemFromObjectCaseSensitive(j, "generation");
    cJSON_DeleteItemFromObjectCaseSensitive(j, "restart");
    json_canonical(j, &text);
    hex = hash_sha256_hex(str_text(&text), text.len);
    hex[16] = '\0';
    return hex;
}
