/* SPDX-License-Identifier: Apache-2.0 */
/* Subresources of pods: log, exec, portforward, eviction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/api_priv.h"

static const cJSON *find_container(const cJSON *pod, const char *name)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers", "spec.ephemeralContainers"};
    const cJSON *c;

    for (int i = 0; i < 3; i++)
        cJSON_ArrayForEach(c, json_at(pod, lists[i]))
            if (str_eq(json_str(c, "name", NULL), name))
                return c;
    return NULL;
}

/* The container that is meant; NULL: res says what to name. Which one is meant without a name, where there are several, clients
 * decide by an annotation. */
static const char *pick_container(struct api_call *c, const cJSON *pod)
{
    const char *name = call_param(c, "container");
    auto_str struct str names = STR_INIT;
    const cJSON *all = json_at(pod, "spec.containers"), *one;

    if ((!name || !*name) && cJSON_GetArraySize(all) == 1)
        return json_str(all->child, "name", "");
    if (name && *name) {
        if (find_container(pod, name))
            return json_str(find_container(pod, name), "name", "");
        answer_fail(c, 400, "BadRequest", "container %s is not valid for pod %s", name, c->name);
        return NULL;
    }
    cJSON_ArrayForEach(one, json_at(pod, "spec.initContainers"))
        str_addf(&names, "%s%s", names.len ? " " : "", json_str(one, "name", ""));
    cJSON_ArrayForEach(one, all)
        str_addf(&names, "%s%s", names.len ? " " : "", json_str(one, "name", ""));
    answer_fail(c, 400, "BadRequest", "a container name must be specified for pod %s, choose one of: [%s]", c->name,
                str_text(&names));
    return NULL;
}

static bool has_node(const cJSON *pod)
{
    return *json_str(pod, "spec.nodeName", "") != '\0';
}

static bool need_node(struct api_call *c, const cJSON *pod)
{
    if (!has_node(pod))
        answer_fail(c, 400, "BadRequest", "pod %s does not have a host assigned", c->name);
    return has_node(pod);
}

static bool need_runtime(struct api_call *c)
{
    if (c->a->runtime)
        return true;
    answer_fail(c, 503, "ServiceUnavailable", "the node agent is not running: no container can be reached");
    return false;
}

static bool is_get_or_post(struct api_call *c)
{
    if (call_is(c, "GET") || call_is(c, "POST"))
        return true;
    answer_method(c);
    return false;
}

/* ---- eviction ---- */

/* Takes one from each budget that covers the pod; the name of the one that has none left, or NULL. */
static const char *spend_budgets(struct api_call *c, const cJSON *pod, bool dry)
{
    struct store *s = c->a->store;
    const cJSON *labels = json_at(pod, "metadata.labels");
    size_t from, to;
    char now[32];

    store_range(s, PK_PDB, c->ns, &from, &to);
    for (size_t i = from; i < to; i++) {
        const cJSON *pdb = s->kinds[PK_PDB].v[i]->json;

        if (store_selector_matches(json_at(pdb, "spec.selector"), labels) &&
            json_int(pdb, "status.disruptionsAllowed", 0) <= 0)
            return json_name(pdb);
    }
    for (size_t i = from; !dry && i < to; i++) {
        cJSON *pdb;

        if (!store_selector_matches(json_at(s->kinds[PK_PDB].v[i]->json, "spec.selector"), labels))
            continue;
        pdb = json_copy(s->kinds[PK_PDB].v[i]->json);
        json_set_int(json_need_obj(pdb, "status"), "disruptionsAllowed",
                     json_int(pdb, "status.disruptionsAllowed", 0) - 1);
        json_set_str(json_need_obj(json_get(pdb, "status"), "disruptedPods"), c->name, store_now(s, now));
        store_update(s, PK_PDB, pdb, STORE_STATUS | STORE_SYSTEM, NULL, NULL);
    }
    return NULL;
}

static bool is_running(const cJSON *pod)
{
    const char *phase = json_str(pod, "status.phase", "");

    return strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0 && strcmp(phase, "Pending") != 0 &&
           !is_deleting(pod);
}

static void evict(struct api_call *c, const cJSON *pod)
{
    struct store_delete d = {.grace_s = -1};
    auto_json cJSON *body = NULL, *st = cJSON_CreateObject();
    struct err err = ERR_INIT;
    const char *budget = NULL;

    if (!call_is(c, "POST")) {
        answer_method(c);
        return;
    }
    if (call_body(c, &body) < 0)
        return;
    d.uid = json_str(body, "deleteOptions.preconditions.uid", NULL);
    d.rv = json_str(body, "deleteOptions.preconditions.resourceVersion", NULL);
    d.propagation = json_str(body, "deleteOptions.propagationPolicy", NULL);
    d.grace_s = json_int(body, "deleteOptions.gracePeriodSeconds", -1);
    d.flags = call_dry_run(c) || json_has(json_at(body, "deleteOptions.dryRun"), "All") ? STORE_DRY_RUN : 0;
    if (is_running(pod) && (budget = spend_budgets(c, pod, d.flags & STORE_DRY_RUN))) {
        answer_fail(c, 429, "TooManyRequests",
                    "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget %s "
                    "allows no disruption now.",
                    budget);
        return;
    }
    if (store_delete(c->a->store, PK_POD, c->ns, c->name, &d, NULL, NULL, &err) < 0) {
        answer_store(c, &err);
        return;
    }
    json_set_str(st, "kind", "Status");
    json_set_str(st, "apiVersion", "v1");
    json_set_obj(st, "metadata");
    json_set_str(st, "status", "Success");
    json_set_int(st, "code", 201);
    answer_json(c, 201, st);
}

/* ---- streams ---- */

static bool bad_option(struct api_call *c, const char *why)
{
    answer_fail(c, 422, "Invalid", "PodLogOptions \"%s\" is invalid: %s", c->name, why);
    return false;
}

/* A number that is at least `least`, or none. */
static bool check_number(struct api_call *c, const char *name, int64_t least, const char *must)
{
    const char *text = call_param(c, name);
    char *end = NULL;
    int64_t v = text && *text ? strtoll(text, &end, 10) : least;
    auto_free char *why = NULL;

    if (end && *end) {
        answer_fail(c, 400, "BadRequest", "%s=%s is no number", name, text);
        return false;
    }
    if (v >= least)
        return true;
    why = mem_printf("%s: Invalid value: %lld: must be %s", name, (long long)v, must);
    return bad_option(c, why);
}

static bool check_log_options(struct api_call *c)
{
    const char *time = call_param(c, "sinceTime"), *seconds = call_param(c, "sinceSeconds");

    if (!check_number(c, "tailLines", 0, "greater than or equal to 0") || !check_number(c, "limitBytes", 1, "greater than 0") ||
        !check_number(c, "sinceSeconds", 1, "greater than 0"))
        return false;
    if (time && *time && parse_time(time) < 0) {
        answer_fail(c, 400, "BadRequest", "sinceTime=%s is no time: 2006-01-02T15:04:05Z is one", time);
        return false;
    }
    return !time || !*time || !seconds || !*seconds ||
           bad_option(c, "at most one of `sinceTime` or `sinceSeconds` may be specified");
}

static enum api_outcome check_log(struct api_call *c, const cJSON *pod)
{
    if (!call_is(c, "GET")) {
        answer_method(c);
        return API_DONE;
    }
    if (!check_log_options(c) || !pick_container(c, pod))
        return API_DONE;
    if (!has_node(pod)) {
        c->res->status = 204;
        return API_DONE;
    }
    return need_runtime(c) ? API_LOGS : API_DONE;
}

static enum api_outcome check_exec(struct api_call *c, const cJSON *pod)
{
    if (!is_get_or_post(c) || !pick_container(c, pod) || !need_node(c, pod) || !need_runtime(c))
        return API_DONE;
    if (!call_param(c, "command")) {
        answer_fail(c, 400, "BadRequest", "exec needs a command");
        return API_DONE;
    }
    if (!call_flag(c, "stdin") && !call_flag(c, "stdout") && !call_flag(c, "stderr")) {
        answer_fail(c, 400, "BadRequest", "exec needs one of stdin, stdout, stderr");
        return API_DONE;
    }
    return API_EXEC;
}

enum api_outcome api_pod_sub(struct api_call *c, const cJSON *pod)
{
    if (strcmp(c->sub, "log") == 0)
        return check_log(c, pod);
    if (strcmp(c->sub, "exec") == 0)
        return check_exec(c, pod);
    if (strcmp(c->sub, "portforward") == 0)
        return is_get_or_post(c) && need_node(c, pod) && need_runtime(c) ? API_FORWARD : API_DONE;
    if (strcmp(c->sub, "eviction") == 0)
        evict(c, pod);
    else
        answer_fail(c, 404, "NotFound",
                    "the server could not find the requested resource: chfleet-plane does not serve pods/%s", c->sub);
    return API_DONE;
}

static int64_t param_int(const struct api_call *c, const char *name, int64_t dflt)
{
    const char *v = call_param(c, name);

    return v && *v ? strtoll(v, NULL, 10) : dflt;
}

static void fill_logs(struct api_call *c, struct api_stream *st)
{
    int64_t since = param_int(c, "sinceSeconds", 0);
    const char *time = call_param(c, "sinceTime");

    st->logs.container = st->container;
    st->logs.follow = call_flag(c, "follow");
    st->logs.previous = call_flag(c, "previous");
    st->logs.timestamps = call_flag(c, "timestamps");
    st->logs.tail_lines = param_int(c, "tailLines", -1);
    st->logs.limit_bytes = param_int(c, "limitBytes", -1);
    if (since > 0)
        st->logs.since_wall_ms = (int64_t)world_wall(c->a->w) - since * 1000;
    else if (time && parse_time(time) > 0)
        st->logs.since_wall_ms = parse_time(time) * 1000;
}

static void fill_exec(struct api_call *c, struct api_stream *st)
{
    int n = 0;

    st->argv = mem_array((size_t)c->n_params + 1, sizeof *st->argv);
    for (int i = 0; i < c->n_params; i++)
        if (strcmp(c->params[i].name, "command") == 0)
            st->argv[n++] = mem_str(c->params[i].value);
    st->flags = (call_flag(c, "stdin") ? RUNTIME_STDIN : 0) | (call_flag(c, "stdout") ? RUNTIME_STDOUT : 0) |
                (call_flag(c, "tty")      ? RUNTIME_TTY
                 : call_flag(c, "stderr") ? RUNTIME_STDERR
                                          : 0);
}

struct api_stream *api_stream_open(struct api *a, const struct api_request *req)
{
    struct api_response unused = {0};
    struct api_stream *st = NULL;
    struct api_call c;
    const cJSON *pod;

    if (call_parse(&c, a, req, &unused) == 0 && c.segs > 2) {
        c.group = "";
        c.version = c.seg[1];
        pod = call_route(&c, 2) == 0 && c.kind == PK_POD && c.sub ? store_get(a->store, PK_POD, c.ns, c.name) : NULL;
        if (pod) {
            const char *container = strcmp(c.sub, "portforward") == 0 ? NULL : pick_container(&c, pod);

            st = mem_zero(sizeof *st);
            st->what = strcmp(c.sub, "log") == 0 ? API_LOGS : strcmp(c.sub, "exec") == 0 ? API_EXEC : API_FORWARD;
            st->pod = json_copy(pod);
            st->container = mem_str(container);
            if (st->what == API_LOGS)
                fill_logs(&c, st);
            else if (st->what == API_EXEC)
                fill_exec(&c, st);
        }
    }
    call_free(&c);
    api_response_free(&unused);
    return st;
}

void api_stream_free(struct api_stream *s)
{
    if (!s)
        return;
    for (char **p = s->argv; p && *p; p++)
        free(*p);
    free(s->argv);
    free(s->container);
    cJSON_Delete(s->pod);
    free(s);
}
