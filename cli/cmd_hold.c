/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet hold, release, retry: words to the operator, as annotations (supervisor/command.c reads them). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/target.h"
#include "model/fleet.h"

#define COMMAND "chfleet.io/command"

enum { TAKEN_MS = 10000, POLL_MS = 100 };

struct object {
    enum kube_kind kind;
    cJSON *obj;
};

/* An installation by its name: a ClickHouse one, else a Keeper one. */
static int find_installation(struct fleet_api *a, const char *name, struct object *o, struct err *err)
{
    static const enum kube_kind kinds[] = {KUBE_CHI, KUBE_CHK};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *err = (struct err)ERR_INIT;
        o->kind = kinds[i];
        o->obj = api_get(a, o->kind, a->ns, name, err);
        if (o->obj || err->kind != ERR_MISSING)
            return o->obj ? 0 : -1;
    }
    return err_set(err, ERR_MISSING, 0, "there is no installation %s in namespace %s; chfleet status shows them", name,
                   a->ns);
}

/* The StatefulSet of one host, which is there also when its pod is not. */
static int find_host(struct fleet_api *a, const char *installation, const char *host, struct object *o, struct err *err)
{
    auto_free char *path = mem_printf("%s/%s", installation, host);
    auto_json cJSON *all = api_list(a, KUBE_STS, a->ns, NULL, err);
    cJSON *s;

    if (!all)
        return -1;
    cJSON_ArrayForEach(s, json_get(all, "items")) {
        if (!target_fits(s, path))
            continue;
        o->kind = KUBE_STS;
        o->obj = cJSON_DetachItemViaPointer(json_get(all, "items"), s);
        return 0;
    }
    return err_set(err, ERR_MISSING, 0, "%s has no host %s; chfleet status %s shows its hosts", installation, host,
                   installation);
}

static int annotate(struct fleet_api *a, const struct object *o, const char *key, const char *value, struct err *err)
{
    auto_json cJSON *patch = cJSON_CreateObject(), *answer = NULL;
    cJSON *notes = json_set_obj(json_set_obj(patch, "metadata"), "annotations");

    json_set(notes, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
    answer = api_patch(a, o->kind, a->ns, json_name(o->obj), patch, err);
    return answer ? 0 : -1;
}

static int set_hold(struct cli *c, const char *reason)
{
    const char *name = c->args[0], *host = c->n_args > 1 ? c->args[1] : NULL;
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    struct object o = {KUBE_CHI, NULL};
    int rc;

    if (api_open(&a, c, &err) < 0)
        return cli_fail(c, &err);
    rc = find_installation(&a, name, &o, &err);
    if (rc == 0 && host) {
        cJSON_Delete(o.obj);
        o.obj = NULL;
        rc = find_host(&a, name, host, &o, &err);
    }
    if (rc == 0)
        rc = annotate(&a, &o, FLEET_HOLD, reason, &err);
    cJSON_Delete(o.obj);
    if (rc < 0)
        return cli_fail(c, &err);
    printf("%s%s%s is %s\n", name, host ? " " : "", host ? host : "",
           reason ? "held: nothing of it that serves is taken out" : "not held any more");
    return EXIT_DONE;
}

int cmd_hold(struct cli *c)
{
    return set_hold(c, cli_text(c, "reason", "by chfleet hold"));
}

int cmd_release(struct cli *c)
{
    return set_hold(c, NULL);
}

/* The operator takes the annotation away when it has done what it says. */
static int wait_taken(struct fleet_api *a, const struct object *o, struct err *err)
{
    uint64_t until = api_mono(a) + TAKEN_MS;

    for (;;) {
        auto_json cJSON *live = api_get(a, o->kind, a->ns, json_name(o->obj), err);

        if (!live)
            return -1;
        if (!json_annotation(live, COMMAND))
            return EXIT_DONE;
        if (api_mono(a) >= until)
            return EXIT_TIMEOUT;
        api_sleep(a, POLL_MS);
    }
}

int cmd_retry(struct cli *c)
{
    const char *name = c->args[0];
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    struct object o = {KUBE_CHI, NULL};
    int rc = -1;

    if (api_open(&a, c, &err) < 0)
        return cli_fail(c, &err);
    if (find_installation(&a, name, &o, &err) == 0 && annotate(&a, &o, COMMAND, "retry", &err) == 0)
        rc = wait_taken(&a, &o, &err);
    cJSON_Delete(o.obj);
    if (rc < 0)
        return cli_fail(c, &err);
    if (rc == EXIT_TIMEOUT)
        fprintf(stderr,
                "chfleet retry: the operator has not taken it up yet: it is at work on %s, or does not run. It will, as soon "
                "as it can\n",
                name);
    else
        printf("%s is tried again\n", name);
    return rc;
}
