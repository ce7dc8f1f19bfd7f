/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/api.h"
#include "cli/out.h"

static void add_server(struct fleet_api *a, cJSON *doc)
{
    struct err err = ERR_INIT;
    auto_json cJSON *server = api_raw(a, "/version", &err), *live = NULL;

    json_set_str(doc, "server", a->server);
    if (server) {
        json_set_str(doc, "serverVersion", json_str(server, "gitVersion", ""));
        live = api_operator(a, "/status", &err);
    }
    json_set_str(doc, "operatorVersion", json_str(live, "version", NULL));
    if (err.kind != ERR_NONE && err.kind != ERR_MISSING)
        json_set_str(doc, "error", err.msg);
}

/* Answers also where no fleet can be reached: then only its own version. */
int cmd_version(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_api struct fleet_api a = {0};
    auto_json cJSON *doc = out_document_new("Version");
    const char *form = cli_text(c, "output", "table");

    json_set_str(doc, "chfleet", PACKAGE_VERSION_TEXT);
    if (api_open(&a, c, &err) == 0)
        add_server(&a, doc);
    else
        json_set_str(doc, "error", err.msg);
    if (!str_eq(form, "table")) {
        out_document(doc, form);
        return EXIT_DONE;
    }
    printf("chfleet     %s\n", PACKAGE_VERSION_TEXT);
    if (json_get(doc, "operatorVersion"))
        printf("chfleetd    %s\n", json_str(doc, "operatorVersion", ""));
    if (json_get(doc, "serverVersion"))
        printf("API server  %s at %s\n", json_str(doc, "serverVersion", ""), json_str(doc, "server", ""));
    if (json_get(doc, "error"))
        printf("%s\n", json_str(doc, "error", ""));
    return EXIT_DONE;
}
