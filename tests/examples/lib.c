/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/examples/lib.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/config.h"

struct list {
    char **v;
    size_t n;
};

static void add(struct list *l, char *path)
{
    l->v = mem_grow(l->v, l->n + 2, sizeof *l->v);
    l->v[l->n++] = path;
    l->v[l->n] = NULL;
}

static DIR *open_folder(const char *below)
{
    const char *top = getenv("srcdir");
    auto_free char *path = mem_printf("%s/examples/%s", top ? top : "..", below);

    return opendir(path);
}

static void add_folder(struct list *l, const char *folder)
{
    DIR *d = open_folder(folder);
    const struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d)))
        if (str_ends(e->d_name, ".yaml"))
            add(l, mem_printf("%s/%s", folder, e->d_name));
    closedir(d);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **examples_list(void)
{
    struct list l = {NULL, 0};
    DIR *d = open_folder("");
    const struct dirent *e;

    if (!d)
        fail_msg("there is no folder examples/");
    while ((e = readdir(d)))
        if (e->d_name[0] != '.' && !strchr(e->d_name, '.'))
            add_folder(&l, e->d_name);
    closedir(d);
    add(&l, mem_str("quickstart.yaml"));
    qsort(l.v, l.n, sizeof *l.v, by_text);
    return l.v;
}

char **cases_list(void)
{
    struct list l = {NULL, 0};

    add_folder(&l, "../tests/examples/cases");
    if (!l.n)
        fail_msg("there is nothing in tests/examples/cases/");
    qsort(l.v, l.n, sizeof *l.v, by_text);
    return l.v;
}

void examples_free(char **list)
{
    for (size_t i = 0; list[i]; i++)
        free(list[i]);
    free(list);
}

void example_load(const char *path, struct example *e)
{
    struct err err = ERR_INIT;

    *e = (struct example){.path = mem_str(path), .text = test_file_text("examples", path)};
    if (!e->text)
        fail_msg("cannot read examples/%s", path);
    if (schema_yaml_parse(path, e->text, strlen(e->text), &e->yaml, &err) < 0)
        fail_msg("examples/%s", err.msg);
    cluster_init(&e->state, NULL);
}

/* stringData is write-only: the API server puts it into data. */
static void decode_secret(cJSON *o)
{
    cJSON *plain = cJSON_DetachItemFromObjectCaseSensitive(o, "stringData"), *data = json_need_obj(o, "data"), *v;

    cJSON_ArrayForEach(v, plain) {
        auto_free char *coded = hash_base64(v->valuestring, strlen(v->valuestring));

        json_set_str(data, v->string, coded);
    }
    cJSON_Delete(plain);
}

void example_state(struct example *e)
{
    const cJSON *confs[16], *o;
    size_t n = 0;

    for (size_t i = 0; i < e->yaml->n; i++) {
        cJSON *own = schema_yaml_take(e->yaml, i), *m = json_need_obj(own, "metadata");

        if (!json_get(m, "namespace") && strcmp(json_str(own, "kind", ""), "Namespace") != 0)
            json_set_str(m, "namespace", "shop");
        json_set_str(m, "uid", "11111111-2222-3333-4444-555555555555");
        json_set_int(m, "generation", 1);
        if (strcmp(json_str(own, "kind", ""), "Secret") == 0)
            decode_secret(own);
        cJSON_AddItemToArray(e->state.objects, own);
    }
    cJSON_ArrayForEach(o, e->state.objects)
        if (n < 16 && strcmp(json_str(o, "kind", ""), "ClickHouseOperatorConfiguration") == 0)
            confs[n++] = o;
    e->config = config_effective(NULL, confs, n);
}

void example_fini(struct example *e)
{
    free(e->path);
    free(e->text);
    schema_yaml_free(e->yaml);
    cluster_fini(&e->state);
    cJSON_Delete(e->config);
}

bool example_is_installation(const cJSON *object)
{
    const char *kind = json_str(object, "kind", "");

    return strcmp(kind, "ClickHouseInstallation") == 0 || strcmp(kind, "ClickHouseKeeperInstallation") == 0;
}

int example_fleet(const struct example *e, const cJSON *resource, const struct addressing *a, struct fleet **out,
                  struct err *err)
{
    const cJSON *templates[16], *keepers[16], *o;
    struct fleet_input in = {
        .resource = resource, .templates = templates, .keepers = keepers, .config = e->config, .addressing = a};

    cJSON_ArrayForEach(o, e->state.objects) {
        const char *kind = json_str(o, "kind", "");

        if (strcmp(kind, "ClickHouseInstallationTemplate") == 0 && in.n_templates < 16)
            templates[in.n_templates++] = o;
        else if (strcmp(kind, "ClickHouseKeeperInstallation") == 0 && in.n_keepers < 16)
            keepers[in.n_keepers++] = o;
    }
    return fleet_make(&in, out, err);
}

int example_notes(const struct example *e, const char *what, void (*fn)(void *ctx, const char *text), void *ctx)
{
    auto_free char *mark = mem_printf("# %s: ", what);
    int n = 0;

    for (const char *p = e->text; *p == '#'; p += strcspn(p, "\n"), p += *p == '\n') {
        auto_free char *line = mem_strn(p, strcspn(p, "\n"));

        if (!str_starts(line, mark))
            continue;
        n++;
        if (fn)
            fn(ctx, line + strlen(mark));
    }
    return n;
}
