/* SPDX-License-Identifier: Apache-2.0 */
/* Installations: finding and making them, what blocks or failed in them, and what changed around them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "supervisor/internal.h"

enum { LOOK_SOON_MS = 5 };

/* ---- finding and making ---- */

struct inst *inst_find(struct super *s, enum owner_group g, const char *ns, const char *name)
{
    for (struct inst *in = s->insts; in; in = in->next)
        if (in->group == g && strcmp(in->ns, ns) == 0 && strcmp(in->name, name) == 0)
            return in;
    return NULL;
}

struct inst *inst_get(struct super *s, enum owner_group g, const char *ns, const char *name)
{
    struct inst *in = inst_find(s, g, ns, name);

    if (in)
        return in;
    in = mem_zero(sizeof *in);
    in->s = s;
    in->group = g;
    in->kind = g == GROUP_CHI ? KUBE_CHI : KUBE_CHK;
    in->ns = mem_str(ns);
    in->name = mem_str(name);
    in->key = mem_printf("%s/%s%s", ns, name, g == GROUP_CHK ? ".keeper" : "");
    in->secrets = cJSON_CreateObject();
    in->member_unknown = true;
    in->next = s->insts;
    s->insts = in;
    return in;
}

void inst_free_tasks(struct inst *in)
{
    for (size_t i = 0; i < in->n_tasks; i++) {
        struct task *t = &in->tasks[i];

        if (t->wp)
            t->wp->task = NULL;
        world_timer_stop(in->s->w, &t->retry);
        free(t->table);
        free(t->object);
        for (size_t k = 0; k < t->n_hosts; k++)
            free(t->hosts[k]);
        free(t->hosts);
        cJSON_Delete(t->resume);
        free(t->error);
    }
    free(in->tasks);
    in->tasks = NULL;
    in->n_tasks = 0;
}

static void free_hosts(struct inst *in)
{
    index_fini(&in->by_key);
    for (size_t i = 0; i < in->n_hosts; i++) {
        free(in->hosts[i].key);
        free(in->hosts[i].version);
    }
    in->n_hosts = 0;
}

void inst_free(struct inst *in)
{
    inst_free_tasks(in);
    world_timer_stop(in->s->w, &in->timer);
    world_timer_stop(in->s->w, &in->status_timer);
    world_timer_stop(in->s->w, &in->member_timer);
    world_timer_stop(in->s->w, &in->soak_timer);
    world_timer_stop(in->s->w, &in->hold_timer);
    fleet_free(in->fleet);
    plan_free(in->plan);
    free_hosts(in);
    free(in->hosts);
    for (size_t i = 0; i < in->n_member_list; i++)
        free(in->member_list[i]);
    free(in->member_list);
    cJSON_Delete(in->behind);
    free(in->held_old);
    free(in->held_new);
    in->held_new = NULL;
    free(in->error);
    free(in->write_error);
    free(in->error_code);
    cJSON_Delete(in->told);
    free(in->status_sent);
    free(in->done_hash);
    free(in->pod_ips);
    cJSON_Delete(in->secrets);
    free(in->ns);
    free(in->name);
    free(in->key);
    free(in);
}

void inst_forget(struct inst *in)
{
    inst_free_tasks(in);
    fleet_free(in->fleet);
    in->fleet = NULL;
    free_hosts(in);
    free(in->error);
    free(in->error_code);
    free(in->done_hash);
    in->error = in->error_code = in->done_hash = NULL;
    in->halted = in->holding = false;
    in->backoff_ms = 0;
    in->restarted_generation = 0;
    cJSON_Delete(in->secrets);
    in->secrets = cJSON_CreateObject();
}

const cJSON *inst_live(const struct inst *in, enum kube_kind kind, const char *name)
{
    return super_get(in->s, in->group, kind, in->ns, name);
}

struct hostrec *inst_host(struct inst *in, const char *key)
{
    size_t i;

    return index_find(&in->by_key, key, &i) ? &in->hosts[i] : NULL;
}

struct hostrec *inst_host_need(struct inst *in, const char *key)
{
    struct hostrec *h = inst_host(in, key);

    if (h)
        return h;
    in->hosts = mem_grow(in->hosts, in->n_hosts + 1, sizeof *in->hosts);
    h = &in->hosts[in->n_hosts];
    memset(h, 0, sizeof *h);
    h->key = mem_str(key);
    h->version = mem_str("");
    index_add(&in->by_key, h->key, in->n_hosts++);
    return h;
}

bool inst_busy(const struct inst *in)
{
    return in->state != INST_IDLE;
}

/* ---- the resource itself ---- */

static void resource_patched(void *ctx, int status, const cJSON *obj, const struct err *err)
{
    struct inst *in = ctx;

    (void)status;
    in->pending--;
    if (err && err->kind != ERR_CONFLICT && err->kind != ERR_MISSING)
        log_warn(in->key, "%s; trying again", err->msg);
    if (obj && !err)
        kube_cache_put(in->group == GROUP_CHI ? in->s->chi : in->s->chk, obj);
    inst_kick(in, err ? 1000 : 0);
}

void inst_patch_resource(struct inst *in, const cJSON *res, cJSON *patch)
{
    json_set_str(json_need_obj(patch, "metadata"), "resourceVersion", json_rv(res));
    in->pending++;
    kube_patch(in->s->kube, in->kind, in->ns, in->name, NULL, patch, resource_patched, in);
}

size_t inst_shard_len(const char *key)
{
    const char *slash = strrchr(key, '/');

    return slash ? (size_t)(slash - key) + 1 : strlen(key);
}

/* ---- errors: what blocks or failed, for status, decisions and people ---- */

void inst_set_error(struct inst *in, const char *code, const char *fmt, ...)
{
    char text[1600];
    va_list ap;
    struct journal_rec rec = {.type = JRN_DECISION, .op = in->op, .object = in->key, .name = code, .text = text};

    text[0] = '\0';
    if (fmt) {
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
    }
    in->error_generation = json_int(super_resource(in), "metadata.generation", 0);
    if (str_eq(in->error, code ? text : NULL) && str_eq(in->error_code, code))
        return;
    free(in->error);
    free(in->error_code);
    in->error = code ? mem_str(text) : NULL;
    in->error_code = mem_str(code);
    journal_put(in->s->j, &rec, NULL, NULL);
    if (code) {
        const cJSON *res = super_resource(in);

        log_error(in->key, "%s: %s", code, text);
        if (res)
            kube_event(in->s->kube, res, true, code, "%s", text);
    }
    status_kick(in);
}

/* ---- looking ---- */

static void look_timer(void *ctx)
{
    struct inst *in = ctx;

    in->timer = NULL;
    inst_look(in);
}

void inst_kick(struct inst *in, uint64_t delay_ms)
{
    if (in->timer && delay_ms > 0)
        return;
    world_timer_stop(in->s->w, &in->timer);
    in->timer = world_timer(in->s->w, delay_ms, look_timer, in);
}

/* The key of the host an owned object belongs to, by its labels; NULL for installation-wide objects. Caller frees. */
static char *host_of(const struct inst *in, const cJSON *obj)
{
    const char *g = in->group == GROUP_CHI ? "clickhouse.altinity.com" : "clickhouse-keeper.altinity.com";
    char label[96];
    const char *cluster, *shard, *replica;

    snprintf(label, sizeof label, "%s/cluster", g);
    cluster = json_label(obj, label);
    snprintf(label, sizeof label, "%s/shard", g);
    shard = json_label(obj, label);
    snprintf(label, sizeof label, "%s/replica", g);
    replica = json_label(obj, label);
    return cluster && shard && replica ? mem_printf("%s/%s/%s/%s/%s", in->ns, in->name, cluster, shard, replica) : NULL;
}

size_t inst_prefix(const struct inst *in)
{
    return strlen(in->ns) + 1 + strlen(in->name);
}

static void look_again(void *ctx)
{
    struct super *s = ctx;

    s->look_timer = NULL;
    governor_look(s);
    for (struct inst *in = s->insts; in; in = in->next)
        if (in->state == INST_RUNNING)
            member_look(in);
}

/* Hundreds of pods that start are thousands of events: those who wait are looked at once for all of a moment. */
static void look_soon(struct super *s)
{
    if (!s->look_timer)
        s->look_timer = world_timer(s->w, LOOK_SOON_MS, look_again, s);
}

void inst_owned_changed(struct inst *in, enum kube_kind kind, const cJSON *obj)
{
    auto_free char *host = host_of(in, obj);

    if (in->state == INST_RUNNING) {
        if (kind != KUBE_EPSLICE) /* pods that come into a slice or leave it are told of one by one */
            tell_host(in, host);
        look_soon(in->s);
        return;
    }
    if (!inst_busy(in))
        inst_kick(in, in->backoff_ms && !in->gone ? in->backoff_ms : 60);
    else
        in->kicked = true;
}

/* ---- a failure outlives the supervisor that saw it: in the journal, and for a lost journal in the status ---- */

void inst_note_failure(struct inst *in, const char *text)
{
    auto_free char *key = mem_printf("failed/%s", in->key),
                   *value = text ? mem_printf("%lld %s", (long long)in->halted_generation, text) : NULL;
    struct journal_rec rec = {.type = JRN_KV, .name = key, .text = value};

    journal_put(in->s->j, &rec, NULL, NULL);
}

void inst_recall_failure(struct inst *in, const cJSON *res)
{
    auto_free char *key = mem_printf("failed/%s", in->key), *value = journal_kv(in->s->j, key), *said = NULL;
    int64_t generation = json_int(res, "metadata.generation", 0);
    const char *text = value ? strchr(value, ' ') : NULL;
    const cJSON *c;

    if (in->recalled || in->group != GROUP_CHI)
        return;
    in->recalled = true;
    if (text && strtoll(value, NULL, 10) == generation)
        said = mem_str(text + 1);
    cJSON_ArrayForEach(c, json_at(res, "status.conditions"))
        if (!said && strcmp(json_str(c, "type", ""), "Degraded") == 0 &&
            strcmp(json_str(c, "reason", ""), "FAILED") == 0 && json_int(c, "observedGeneration", -1) == generation)
            said = mem_str(json_str(c, "message", ""));
    if (!said)
        return;
    in->halted = true;
    in->halted_generation = generation;
    in->generation = generation;
    inst_set_error(in, "FAILED", "%s", said);
}

void inst_retry(struct inst *in)
{
    if (in->halted)
        inst_note_failure(in, NULL);
    in->halted = false;
    in->backoff_ms = in->repeat_at = 0;
    in->rolled_back_generation = 0;
    in->retried_generation = json_int(super_resource(in), "metadata.generation", 0);
    in->repeats = 0;
    inst_set_error(in, NULL, NULL);
    status_write_now(in); /* the status must not say any more what a successor would believe */
}
