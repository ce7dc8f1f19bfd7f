/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden plans. A case is a folder of tests/plan/:
 *   spec.yaml     the resource, and whatever else it needs (templates, Keeper installations, Secrets)
 *   before.yaml   optional: the same resource as it was; the cluster is then in that state, with everything running
 *   facts.json    optional: live objects, merged over that state; "absent": true takes one away
 *   options.json  optional: {"addressing": "endpoints", "version": "18.16.1", "objects": true, "version of pods only": true,
 *                 "held": true: hosts hold the settings for all of before.yaml in files of their own}
 *   plan.txt      what `chfleet plan` prints, or "error: " and the message
 *   objects/      with "objects": every rendered object
 * CHFLEET_UPDATE_GOLDEN=1 writes plan.txt and objects/ instead of comparing.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/plan.h"
#include "schema/yaml.h"
#include "tests/model/cluster.h"

struct plan_case {
    char *dir;
    cJSON *options;
    struct cluster_state state;
    struct render_ctx ctx;
    const struct addressing *addressing;
};

static void add_resources(struct plan_case *c, const char *file)
{
    auto_free char *text = test_file_text(c->dir, file);
    auto_yaml struct schema_yaml *y = NULL;
    struct err err = ERR_INIT;

    if (!text)
        return;
    if (schema_yaml_parse(file, text, strlen(text), &y, &err) < 0)
        fail_msg("%s/%s: %s", c->dir, file, err.msg);
    for (size_t i = 0; i < y->n; i++) {
        cJSON *o = schema_yaml_take(y, i), *m = json_get(o, "metadata");

        if (!json_get(m, "namespace"))
            json_set_str(m, "namespace", "shop");
        if (!json_get(m, "uid"))
            json_set_str(m, "uid", "11111111-2222-3333-4444-555555555555");
        cluster_put(&c->state, o);
    }
}

/* The worker's record that the process has loaded what its ConfigMap says. */
static void note_loaded(struct plan_case *c, const struct fleet *f, const struct host *h, const cJSON *pod, cJSON *sts)
{
    auto_free char *identity = compare_identity(pod), *text = NULL;
    const cJSON *map = cluster_find(&c->state, "ConfigMap", h->configmap);
    auto_json cJSON *loaded = cJSON_CreateObject();

    (void)f;
    json_set_str(loaded, "restart_hash", json_annotation(map, RENDER_RESTART_HASH));
    json_set_str(loaded, "identity", identity);
    json_set_str(loaded, "version", c->state.version ? c->state.version : "");
    text = json_print(loaded);
    json_set_str(json_need_obj(json_get(sts, "metadata"), "annotations"), RENDER_LOADED, text);
}

static void run_host(struct plan_case *c, const struct fleet *f, const struct host *h)
{
    bool keeper = f->kind == FLEET_KEEPER;
    const char *key = keeper ? "clickhouse-keeper.altinity.com/ready" : "clickhouse.altinity.com/ready";
    cJSON *sts = (cJSON *)cluster_find(&c->state, "StatefulSet", h->sts), *pod;

    if (f->stop)
        return;
    pod = cluster_pod(sts, key, "yes", "2029-06-01T00:00:00Z");
    note_loaded(c, f, h, pod, sts);
    cluster_put(&c->state, pod);
    if (!keeper)
        json_set_str(
            json_need_obj(json_get((cJSON *)cluster_find(&c->state, "Service", h->service), "metadata"), "annotations"),
            key, "yes");
}

/* The state that a finished operation leaves. */
static void run_before(struct plan_case *c)
{
    auto_fleet struct fleet *f = NULL;
    auto_json cJSON *all = NULL;
    struct err err = ERR_INIT;

    add_resources(c, "before.yaml");
    if (!c->state.objects->child)
        return;
    cluster_ctx(&c->state, &c->ctx);
    c->ctx.membership_generation = 1;
    if (cluster_fleet(&c->state, c->addressing, &f, &err) < 0)
        fail_msg("%s/before.yaml: %s", c->dir, err.msg);
    all = cluster_render_all(f, &c->ctx, &err);
    if (!all)
        fail_msg("%s/before.yaml: %s", c->dir, err.msg);
    while (all->child)
        cluster_put(&c->state, cJSON_DetachItemFromArray(all, 0));
    for (size_t i = 0; i < f->n_hosts; i++)
        run_host(c, f, f->hosts[i]);
}

/* An operation that held settings has failed: each host has a copy of what was for all, and that file is gone. */
static void hold_settings(struct plan_case *c)
{
    static const char name[] = "chop-generated-settings.xml";
    cJSON *all = (cJSON *)cluster_find(&c->state, "ConfigMap", "chi-demo-common-configd"), *o, *text;

    if (!json_bool(c->options, "held", false))
        return;
    text = cJSON_DetachItemFromObjectCaseSensitive(json_get(all, "data"), name);
    assert_non_null(text);
    c->state.held = text->valuestring;
    cJSON_ArrayForEach(o, c->state.objects)
        if (str_eq(json_str(o, "kind", NULL), "ConfigMap") && str_starts(json_name(o), "chi-demo-deploy-confd-"))
            json_set_str(json_get(o, "data"), "chop-generated-settings_common.xml", c->state.held);
    cJSON_AddItemToObject(c->options, "text of held", text);
}

static void add_facts(struct plan_case *c)
{
    auto_free char *text = test_file_text(c->dir, "facts.json");
    auto_json cJSON *facts = text ? test_file_json(c->dir, "facts.json") : NULL;
    cJSON *o;

    cJSON_ArrayForEach(o, facts) {
        const cJSON *old = cluster_find(&c->state, json_str(o, "kind", ""), json_name(o));
        cJSON *now = json_copy(old);

        if (!old && json_bool(o, "only", false))
            fail_msg("%s/facts.json: there is no %s %s", c->dir, json_str(o, "kind", ""), json_name(o));
        if (json_bool(o, "absent", false)) {
            cJSON_Delete(now);
            cJSON_Delete(cJSON_DetachItemViaPointer(c->state.objects, (cJSON *)old));
            continue;
        }
        json_merge_patch(&now, o);
        cluster_put(&c->state, now);
    }
}

static void load(struct plan_case *c, const char *name)
{
    auto_free char *options = NULL;

    *c = (struct plan_case){.dir = mem_printf("tests/plan/%s", name)};
    cluster_init(&c->state, NULL);
    options = test_file_text(c->dir, "options.json");
    c->options = options ? test_file_json(c->dir, "options.json") : cJSON_CreateObject();
    c->state.version = json_str(c->options, "version", NULL);
    if (strcmp(json_str(c->options, "addressing", "dns"), "endpoints") == 0)
        c->addressing = cluster_endpoints();
    run_before(c);
    hold_settings(c);
    c->state.version_of_pods = json_bool(c->options, "version of pods only", false);
    add_resources(c, "spec.yaml");
    add_facts(c);
    cluster_ctx(&c->state, &c->ctx);
    c->ctx.membership_generation = 1;
}

static void unload(struct plan_case *c)
{
    free(c->dir);
    cJSON_Delete(c->options);
    cluster_fini(&c->state);
}

static void check(const char *dir, const char *file, const char *got)
{
    auto_free char *want = test_file_text(dir, file);

    if (test_updates()) {
        if (!str_eq(want, got))
            test_file_write(dir, file, got);
        return;
    }
    if (!str_eq(want, got))
        fail_msg("%s/%s\n--- expected\n%s\n--- got\n%s", dir, file, want ? want : "(no file)", got);
}

/* ConfigMap texts stay readable when each line is an item of a list. */
static void lines_of_texts(cJSON *v)
{
    cJSON *child, *next;

    for (child = v->child; child; child = next) {
        next = child->next;
        if (!cJSON_IsString(child) || !strchr(child->valuestring, '\n')) {
            lines_of_texts(child);
            continue;
        }
        cJSON *lines = cJSON_CreateArray();
        for (char *p = child->valuestring; *p;) {
            size_t n = strcspn(p, "\n");
            auto_free char *line = mem_strn(p, n);

            json_add_str(lines, line);
            p += n + (p[n] == '\n');
        }
        json_set(v, child->string, lines);
    }
}

static void check_objects(struct plan_case *c, const struct fleet *f)
{
    auto_free char *dir = mem_printf("%s/objects", c->dir);
    struct err err = ERR_INIT;
    auto_json cJSON *all = cluster_render_all(f, &c->ctx, &err);
    cJSON *o;

    if (!all)
        fail_msg("%s: %s", c->dir, err.msg);
    cJSON_ArrayForEach(o, all) {
        auto_free char *file = mem_printf("%s.%s.json", json_str(o, "kind", ""), json_name(o)), *text = NULL,
                       *whole = NULL;

        lines_of_texts(o);
        text = cJSON_Print(o);
        whole = mem_printf("%s\n", text);
        check(dir, file, whole);
    }
}

static void one_case(const char *name)
{
    struct plan_case c;
    auto_fleet struct fleet *f = NULL;
    auto_facts struct facts *facts = NULL;
    auto_plan struct plan *p = NULL;
    auto_str struct str text = STR_INIT;
    struct facts_source src;
    struct err err = ERR_INIT;

    load(&c, name);
    cluster_source(&c.state, &src);
    if (cluster_fleet(&c.state, c.addressing, &f, &err) < 0 || facts_make(f, &c.ctx, &src, &facts, &err) < 0 ||
        plan_make(f, facts, &p, &err) < 0)
        str_addf(&text, "error: %s\n", err.msg);
    else
        plan_print(p, &text);
    check(c.dir, "plan.txt", str_text(&text));
    if (f && json_bool(c.options, "objects", false))
        check_objects(&c, f);
    unload(&c);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void every_case_gives_its_plan(void **state)
{
    const char *top = getenv("srcdir");
    auto_free char *path = mem_printf("%s/tests/plan", top ? top : "..");
    DIR *d = opendir(path);
    const struct dirent *e;
    char **names = NULL;
    size_t n = 0;

    (void)state;
    if (!d)
        fail_msg("there is no %s", path);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.') {
            names = mem_grow(names, n + 1, sizeof *names);
            names[n++] = mem_str(e->d_name);
        }
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    assert_true(n > 30);
    for (size_t i = 0; i < n; i++) {
        one_case(names[i]);
        free(names[i]);
    }
    free(names);
}

static const char *any_secret(void *ctx, const char *ns, const char *name, const char *key)
{
    (void)ctx;
    (void)ns;
    (void)name;
    (void)key;
    return "value";
}

/* Every parameter there is, in one resource: nothing of it may be unknown to what reads it. */
static void examples_with_every_parameter_render(void **state)
{
    static const char *const files[] = {"all-parameters-chi.yaml", "all-parameters-chk.yaml", "quickstart.yaml"};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct plan_case c = {.dir = mem_str("examples")};
        auto_fleet struct fleet *f = NULL;
        auto_json cJSON *all = NULL;
        struct err err = ERR_INIT;

        cluster_init(&c.state, NULL);
        add_resources(&c, files[i]);
        assert_non_null(c.state.objects->child);
        cluster_ctx(&c.state, &c.ctx);
        c.ctx.secret = any_secret;
        if (cluster_fleet(&c.state, NULL, &f, &err) < 0 || !(all = cluster_render_all(f, &c.ctx, &err)))
            fail_msg("examples/%s: %s", files[i], err.msg);
        assert_true(cJSON_GetArraySize(all) > 5);
        free(c.dir);
        cluster_fini(&c.state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gives_its_plan),
        cmocka_unit_test(examples_with_every_parameter_render),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
