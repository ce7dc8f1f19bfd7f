/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/letgo.h"
#include "cli/manifest.h"

enum { WAIT_MS = 10 * 60 * 1000, POLL_MS = 200 };

struct target {
    enum kube_kind kind;
    const char *ns, *name;
    char *uid; /* of the object that was deleted; NULL: it was not there */
};

/* It is read again, for its version: with the deletion it has another one. */
static int without_operator(struct cli *c, struct fleet_api *a, const struct target *t, struct err *err)
{
    struct err why = ERR_INIT;
    auto_json cJSON *live = NULL;

    if (!cli_flag(c, "without-operator") || (t->kind != KUBE_CHI && t->kind != KUBE_CHK))
        return 0;
    live = api_get(a, t->kind, t->ns, t->name, &why);
    if (live)
        return letgo(a, t->kind, live, err);
    if (why.kind == ERR_MISSING)
        return 0;
    *err = why;
    return -1;
}

static int delete_one(struct cli *c, struct fleet_api *a, struct target *t, struct err *err)
{
    struct err why = ERR_INIT;
    const char *what = kube_kind_info(t->kind)->singular;
    auto_json cJSON *live = api_get(a, t->kind, t->ns, t->name, &why);

    if (live && api_delete(a, t->kind, t->ns, t->name, json_uid(live), &why) == 0) {
        t->uid = mem_str(json_uid(live));
        printf("%s/%s is being deleted\n", what, t->name);
        return without_operator(c, a, t, err);
    }
    if (why.kind == ERR_MISSING && cli_flag(c, "ignore-not-found"))
        return 0;
    *err = why;
    return -1;
}

/* The name may be in use again by then: only the UID tells. */
static int wait_gone(struct fleet_api *a, const struct target *t, uint64_t until, struct err *err)
{
    while (t->uid) {
        struct err why = ERR_INIT;
        auto_json cJSON *live = api_get(a, t->kind, t->ns, t->name, &why);

        if (why.kind == ERR_MISSING || (live && !str_eq(json_uid(live), t->uid)))
            break;
        if (!live && why.kind != ERR_AGAIN) {
            *err = why;
            return -1;
        }
        if (api_mono(a) > until)
            return err_set(err, ERR_AGAIN, 0, "%s/%s is not gone yet; the deletion goes on (chfleet why %s)",
                           kube_kind_info(t->kind)->singular, t->name, t->name);
        api_sleep(a, POLL_MS);
    }
    return 0;
}

/* KIND NAME… or what -f gives. */
static int find_targets(struct cli *c, const struct fleet_api *a, const struct manifests *m, struct target **out, size_t *n,
                        struct err *err)
{
    bool files = cli_nth(c, "filename", 0) != NULL;
    int kind = files || c->n_args == 0 ? -1 : kube_kind_by_name(c->args[0]);

    if (files ? c->n_args > 0 : c->n_args < 2)
        return err_set(err, ERR_INPUT, 0, "say what to delete: KIND NAME…, or -f FILE");
    if (!files && kind < 0)
        return err_set(err, ERR_INPUT, 0, "there is no kind '%s'", c->args[0]);
    *n = files ? m->n : (size_t)c->n_args - 1;
    *out = mem_array(*n, sizeof **out);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = files ? (struct target){m->v[i].kind, json_ns(m->v[i].obj), json_name(m->v[i].obj), NULL}
                          : (struct target){(enum kube_kind)kind, kube_kind_info((enum kube_kind)kind)->namespaced ? a->ns : NULL,
                                            c->args[i + 1], NULL};
    return 0;
}

static int delete_all(struct cli *c, struct fleet_api *a, struct target *t, size_t n, uint64_t limit_ms, struct err *err)
{
    uint64_t until = api_mono(a) + limit_ms;

    for (size_t i = n; i-- > 0;) /* what was written last depends on what stands above it */
        if (delete_one(c, a, &t[i], err) < 0)
            return -1;
    for (size_t i = 0; cli_flag(c, "wait") && i < n; i++)
        if (wait_gone(a, &t[i], until, err) < 0)
            return -1;
    return 0;
}

int cmd_delete(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    auto_manifests struct manifests m = {0};
    auto_free struct target *targets = NULL;
    const char *timeout = cli_text(c, "timeout", NULL);
    uint64_t limit_ms = WAIT_MS;
    size_t n = 0;
    int rc = -1;

    if ((!timeout || cli_duration_ms(timeout, &limit_ms, &err) == 0) && api_open(&a, c, &err) == 0 &&
        (!cli_nth(c, "filename", 0) || manifests_load(c, a.ns, cli_text(c, "namespace", NULL), &m, &err) == 0) &&
        find_targets(c, &a, &m, &targets, &n, &err) == 0)
        rc = delete_all(c, &a, targets, n, limit_ms, &err);
    for (size_t i = 0; targets && i < n; i++)
        free(targets[i].uid);
    if (rc < 0)
        return err.kind == ERR_AGAIN && cli_flag(c, "wait") ? (cli_fail(c, &err), EXIT_TIMEOUT) : cli_fail(c, &err);
    return EXIT_DONE;
}
