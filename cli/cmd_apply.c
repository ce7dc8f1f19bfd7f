/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/connect.h"
#include "cli/manifest.h"
#include "cli/merge.h"
#include "cli/out.h"
#include "cli/progress.h"

enum { CONFLICTS_MAX = 5, WAIT_MS = 30 * 60 * 1000 };

/* created, configured or unchanged; NULL and err. The answer goes to *m's object, for its generation. */
static const char *send_once(struct fleet_api *a, struct manifest *m, bool dry, struct err *err)
{
    struct err why = ERR_INIT;
    const char *ns = json_ns(m->obj), *name = json_name(m->obj);
    auto_json cJSON *live = api_get(a, m->kind, ns, name, &why), *patch = NULL, *answer = NULL;

    if (!live && why.kind != ERR_MISSING) {
        *err = why;
        return NULL;
    }
    if (live)
        patch = merge_patch(live, m->obj);
    if (!live) {
        answer = dry ? json_copy(m->obj) : api_create(a, m->kind, ns, m->obj, err);
    } else if (json_at(live, "metadata.deletionTimestamp")) {
        err_set(err, ERR_REFUSED, 0, "is being deleted; apply again when it is gone (chfleet get %s)",
                kube_kind_info(m->kind)->plural);
    } else if (patch && !dry) {
        json_set_str(json_need_obj(patch, "metadata"), "resourceVersion", json_rv(live));
        answer = api_patch(a, m->kind, ns, name, patch, err);
    } else {
        answer = json_copy(live);
    }
    if (!answer)
        return NULL;
    cJSON_Delete(m->obj);
    m->obj = answer;
    answer = NULL;
    return !live ? "created" : patch ? "configured" : "unchanged";
}

/* Somebody else may write at the same moment (the operator its status): then read again. */
static const char *send(struct fleet_api *a, struct manifest *m, bool dry, struct err *err)
{
    const char *done = NULL;

    for (int i = 0; i < CONFLICTS_MAX && !done; i++) {
        struct err why = ERR_INIT;

        done = send_once(a, m, dry, &why);
        if (!done)
            *err = why;
        if (why.kind != ERR_CONFLICT)
            break;
    }
    return done;
}

static int send_all(struct fleet_api *a, struct manifests *all, bool dry, struct err *err)
{
    for (size_t i = 0; i < all->n; i++) {
        char title[400];
        const char *done;

        manifest_title(&all->v[i], title, sizeof title);
        merge_note(all->v[i].obj);
        done = send(a, &all->v[i], dry, err);
        if (!done)
            return err_ctx(err, "%s", title);
        printf("%s %s%s\n", title, done, dry ? " (dry run)" : "");
    }
    fflush(stdout);
    return 0;
}

/* Follows the installations among them until all are done, then says how to connect. */
static int wait_all(struct fleet_api *a, const struct manifests *all, uint64_t limit_ms)
{
    struct progress_goal *goals = mem_array(all->n, sizeof *goals);
    size_t n = 0;
    int code;

    for (size_t i = 0; i < all->n; i++)
        if (all->v[i].kind == KUBE_CHI || all->v[i].kind == KUBE_CHK)
            goals[n++] = (struct progress_goal){all->v[i].kind, json_ns(all->v[i].obj), json_name(all->v[i].obj),
                                                json_int(all->v[i].obj, "metadata.generation", 0)};
    code = progress_follow(a, goals, n, limit_ms);
    for (size_t i = 0; code == EXIT_DONE && i < n; i++)
        if (goals[i].kind == KUBE_CHI)
            connect_print(a, goals[i].ns, goals[i].name);
    free(goals);
    return code;
}

int cmd_apply(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    auto_manifests struct manifests all = {0};
    const char *timeout = cli_text(c, "timeout", NULL);
    uint64_t limit_ms = WAIT_MS;
    bool dry = cli_flag(c, "dry-run");

    if (!cli_nth(c, "filename", 0))
        err_set(&err, ERR_INPUT, 0, "say what to apply: -f FILE, -f FOLDER or -f -");
    if (err.kind != ERR_NONE || (timeout && cli_duration_ms(timeout, &limit_ms, &err) < 0) || api_open(&a, c, &err) < 0 ||
        manifests_load(c, a.ns, cli_text(c, "namespace", NULL), &all, &err) < 0 || send_all(&a, &all, dry, &err) < 0)
        return cli_fail(c, &err);
    return cli_flag(c, "wait") && !dry ? wait_all(&a, &all, limit_ms) : EXIT_DONE;
}
