/* SPDX-License-Identifier: Apache-2.0 */
/* Prints all objects that are made of the installations of examples, as one Kubernetes List. For tests/k8s/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/examples/lib.h"

static int add_objects(const struct example *e, const cJSON *resource, cJSON *items)
{
    auto_fleet struct fleet *f = NULL;
    struct cluster_state state = e->state;
    struct render_ctx ctx;
    struct err err = ERR_INIT;
    cJSON *all = NULL, *o;

    cluster_ctx(&state, &ctx);
    if (example_fleet(e, resource, NULL, &f, &err) < 0 || !(all = cluster_render_all(f, &ctx, &err))) {
        fprintf(stderr, "examples/%s: %s\n", e->path, err.msg);
        return -1;
    }
    while ((o = cJSON_DetachItemFromArray(all, 0)))
        cJSON_AddItemToArray(items, o);
    cJSON_Delete(all);
    return 0;
}

int main(int argc, char **argv)
{
    auto_json cJSON *list = cJSON_CreateObject();
    auto_free char *text = NULL;
    cJSON *items;
    int rc = 0;

    json_set_str(list, "apiVersion", "v1");
    json_set_str(list, "kind", "List");
    items = json_set_arr(list, "items");
    for (int i = 1; i < argc; i++) {
        struct example e;
        const cJSON *o;

        example_load(argv[i], &e);
        example_state(&e);
        cJSON_ArrayForEach(o, e.state.objects)
            if (example_is_installation(o) && add_objects(&e, o, items) < 0)
                rc = 1;
        example_fini(&e);
    }
    text = json_print(list);
    puts(text);
    return rc;
}
