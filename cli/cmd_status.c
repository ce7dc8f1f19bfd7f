/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "cli/api.h"
#include "cli/connect.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "cli/status.h"

static void print_text(struct fleet_api *a, const cJSON *doc, bool wide, bool one)
{
    auto_str struct str text = STR_INIT;
    struct status_form form = {.wide = wide, .now_ms = (uint64_t)time(NULL) * 1000};
    const cJSON *inst = json_get(doc, "installations")->child;

    status_print(doc, &form, &text);
    fputs(str_text(&text), stdout);
    if (one && inst && str_eq(json_str(inst, "kind", ""), kube_kind_info(KUBE_CHI)->kind))
        connect_print(a, json_str(inst, "namespace", ""), json_str(inst, "name", ""));
}

int cmd_status(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    auto_json cJSON *doc = NULL;
    const char *form = cli_text(c, "output", "table");
    bool wide = str_eq(form, "wide");

    if (api_open(&a, c, &err) < 0)
        return cli_fail(c, &err);
    if (cli_flag(c, "watch"))
        return progress_watch(&a, c->args, c->n_args, wide, &err) < 0 ? cli_fail(c, &err) : EXIT_DONE;
    doc = status_collect(&a, c->args, c->n_args, &err);
    if (!doc)
        return cli_fail(c, &err);
    if (wide || str_eq(form, "table"))
        print_text(&a, doc, wide, c->n_args == 1);
    else
        out_document(doc, form);
    return EXIT_DONE;
}
