/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/api.h"
#include "tests/plane/mini.h"

#define CMS "/api/v1/namespaces/default/configmaps"
#define STS "/apis/apps/v1/namespaces/default/statefulsets"
#define CHI "/apis/clickhouse.altinity.com/v1/namespaces/default/clickhouseinstallations"
#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

struct bed {
    struct world *w;
    struct store *s;
    struct api *a;
    struct api_response res;
    cJSON *json;
    enum api_outcome outcome;
};

static int setup(void **state)
{
    struct bed *b = mem_zero(sizeof *b);
    struct err err = ERR_INIT;

    b->w = mini_new(3);
    *state = b;
    if (store_open(b->w, ":memory:", &b->s, &err) < 0)
        return -1;
    b->a = api_new(b->w, b->s);
    mini_run(b->w, 5);
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;

    api_response_free(&b->res);
    cJSON_Delete(b->json);
    api_free(b->a);
    store_close(b->s);
    mini_free(b->w);
    free(b);
    return 0;
}

/* One request; the status. The answer is in b->json. `url` may hold a query. */
static int ask_as(struct bed *b, const char *method, const char *url, const char *type, const char *accept,
                  const char *body)
{
    auto_free char *path = mem_strn(url, strcspn(url, "?"));
    struct api_request req = {.method = method,
                              .path = path,
                              .query = strchr(url, '?') ? strchr(url, '?') + 1 : NULL,
                              .content_type = type,
                              .accept = accept,
                              .user = "test",
                              .body = body,
                              .body_len = body ? strlen(body) : 0};

    api_response_free(&b->res);
    memset(&b->res, 0, sizeof b->res);
    cJSON_Delete(b->json);
    b->outcome = api_handle(b->a, &req, &b->res);
    b->json = json_parse(str_text(&b->res.body), b->res.body.len, NULL);
    return b->res.status;
}

static int ask(struct bed *b, const char *method, const char *url, const char *body)
{
    return ask_as(b, method, url, "application/json", "application/json", body);
}

static int patch(struct bed *b, const char *url, const char *type, const char *body)
{
    auto_free char *full = mem_printf("application/%s", type);

    return ask_as(b, "PATCH", url, full, "application/json", body);
}

static const char *text(struct bed *b, const char *path)
{
    return json_str(b->json, path, "(nothing)");
}

static void make_map(struct bed *b, const char *name, const char *label)
{
    auto_free char *body =
        mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"l\":\"%s\"}},\"data\":{\"k\":\"v\"}}", name, label);

    assert_int_equal(ask(b, "POST", CMS, body), 201);
}

static const char sts_body[] = "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}}"
                               ",\"template\":{\"metadata\":{\"labels\":"
                               "{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"env\":[{"
                               "\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\","
                               "\"value\":\"2\"}]}]}}}}";

static void what_is_not_served_is_404_and_wrong_verbs_are_405(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "GET", "/apis/apps/v1/deployments", NULL), 404);
    assert_string_equal(text(b, "kind"), "Status");
    assert_int_equal(ask(b, "GET", CMS "/nope", NULL), 404);
    assert_string_equal(text(b, "reason"), "NotFound");
    assert_string_equal(text(b, "message"), "configmaps \"nope\" not found");
    assert_string_equal(text(b, "details.kind"), "configmaps");
    assert_int_equal(ask(b, "PUT", CMS, "{}"), 405);
    assert_int_equal(ask(b, "POST", "/api/v1/configmaps", "{\"metadata\":{\"name\":\"x\"}}"), 405);
    assert_int_equal(ask(b, "GET", "/api/v1/namespaces/default/nodes", NULL), 404);
    assert_int_equal(ask(b, "GET", "/api/v1/%zz", NULL), 400);
}

static void bodies_that_do_not_fit_are_refused(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "POST", CMS, "{"), 400);
    assert_int_equal(ask(b, "POST", CMS, "[]"), 400);
    assert_int_equal(ask(b, "POST", CMS, "{\"kind\":\"Pod\"}"), 400);
    assert_int_equal(ask(b, "POST", CMS, "{\"metadata\":{\"name\":\"x\",\"namespace\":\"other\"}}"), 400);
    assert_int_equal(ask(b, "POST", CMS, "{\"metadata\":{}}"), 422);
    assert_string_equal(text(b, "details.causes.0.field"), "metadata.name");
    assert_int_equal(ask(b, "POST", "/api/v1/namespaces/none/configmaps", "{\"metadata\":{\"name\":\"x\"}}"), 404);
    assert_int_equal(ask_as(b, "POST", CMS, "text/html", NULL, "<x>"), 415);
    assert_int_equal(ask(b, "POST", STS, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"replicas\":\"two\"}}"), 400);
    assert_non_null(strstr(text(b, "message"), "spec.replicas"));
}

static void unknown_fields_are_dropped_warned_or_refused(void **state)
{
    struct bed *b = *state;
    static const char body[] = "{\"metadata\":{\"name\":\"x\"},\"data\":{},\"oops\":1}";

    assert_int_equal(ask(b, "POST", CMS "?fieldValidation=Strict", body), 400);
    assert_string_equal(text(b, "message"), "strict decoding error: unknown field \"oops\"");
    assert_int_equal(ask(b, "POST", CMS "?fieldValidation=Warn", body), 201);
    assert_non_null(strstr(str_text(&b->res.headers), "Warning: 299 - \"unknown field \\\"oops\\\"\""));
    assert_null(json_get(b->json, "oops"));
    assert_int_equal(ask(b, "PUT", CMS "/x?fieldValidation=Ignore", body), 200);
    assert_int_equal(b->res.headers.len, 0);
}

static void dry_run_changes_nothing(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "POST", CMS "?dryRun=All", "{\"metadata\":{\"name\":\"x\"}}"), 201);
    assert_false(b->res.wrote);
    assert_int_equal(ask(b, "GET", CMS "/x", NULL), 404);
    make_map(b, "x", "1");
    assert_int_equal(ask(b, "DELETE", CMS "/x?dryRun=All", NULL), 200);
    assert_int_equal(patch(b, CMS "/x?dryRun=All", "merge-patch+json", "{\"data\":{\"k\":\"w\"}}"), 200);
    assert_string_equal(text(b, "data.k"), "w");
    assert_int_equal(ask(b, "GET", CMS "/x", NULL), 200);
    assert_string_equal(text(b, "data.k"), "v");
}

static void selectors_filter(void **state)
{
    static const struct {
        const char *query;
        int n;
    } cases[] = {{"labelSelector=l%3Da", 2},
                 {"labelSelector=l!%3Da", 1},
                 {"labelSelector=l+in+(b,c)", 1},
                 {"labelSelector=l+notin+(a,b)", 0},
                 {"labelSelector=l", 3},
                 {"labelSelector=!l", 0},
                 {"fieldSelector=metadata.name%3Dm2", 1},
                 {"fieldSelector=metadata.name!%3Dm2", 2},
                 {"labelSelector=l%3D%3Da&fieldSelector=metadata.name%3Dm3", 0}};
    struct bed *b = *state;

    make_map(b, "m1", "a");
    make_map(b, "m2", "a");
    make_map(b, "m3", "b");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_free char *url = mem_printf(CMS "?%s", cases[i].query);

        assert_int_equal(ask(b, "GET", url, NULL), 200);
        assert_int_equal(cJSON_GetArraySize(json_get(b->json, "items")), cases[i].n);
    }
    assert_int_equal(ask(b, "GET", CMS "?labelSelector=a%3D%3D%3D", NULL), 400);
    assert_int_equal(ask(b, "GET", CMS "?fieldSelector=data.k%3Dv", NULL), 400);
}

static void pages_hold_every_object_once(void **state)
{
    struct bed *b = *state;
    auto_str struct str url = STR_INIT, seen = STR_INIT;
    auto_free char *rv = NULL;
    int pages = 0;

    for (int i = 0; i < 7; i++) {
        char name[8];

        snprintf(name, sizeof name, "m%d", i);
        make_map(b, name, "a");
    }
    str_add(&url, CMS "?limit=3");
    for (;;) {
        const cJSON *item;
        const char *token;

        assert_int_equal(ask(b, "GET", str_text(&url), NULL), 200);
        if (!rv)
            rv = mem_str(text(b, "metadata.resourceVersion"));
        assert_string_equal(text(b, "metadata.resourceVersion"), rv);
        cJSON_ArrayForEach(item, json_get(b->json, "items"))
            str_addf(&seen, "%s ", json_name(item));
        pages++;
        token = json_str(b->json, "metadata.continue", NULL);
        if (!token)
            break;
        str_reset(&url);
        str_addf(&url, CMS "?limit=3&continue=%s", token);
    }
    assert_int_equal(pages, 3);
    assert_string_equal(str_text(&seen), "m0 m1 m2 m3 m4 m5 m6 ");
    assert_int_equal(ask(b, "GET", CMS "?limit=3&continue=x", NULL), 400);
}

static void strategic_merge_knows_the_list_keys(void **state)
{
    struct bed *b = *state;
    static const char order[] = "{\"spec\":{\"template\":{\"spec\":{\"$setElementOrder/"
                                "containers\":[{\"name\":\"d\"},{\"name\":\"c\"}],\"containers\":[{\"name\":\"d\","
                                "\"image\":\"j\"},{\"name\":\"c\",\"$setElementOrder/"
                                "env\":[{\"name\":\"C\"},{\"name\":\"B\"}],\"env\":[{\"name\":\"A\",\"$patch\":"
                                "\"delete\"},{\"name\":\"C\",\"value\":\"3\"}]}]}}}}";

    assert_int_equal(ask(b, "POST", STS, sts_body), 201);
    assert_int_equal(patch(b, STS "/web", "strategic-merge-patch+json", order), 200);
    assert_string_equal(text(b, "spec.template.spec.containers.0.name"), "d");
    assert_string_equal(text(b, "spec.template.spec.containers.1.env.0.name"), "C");
    assert_string_equal(text(b, "spec.template.spec.containers.1.env.1.name"), "B");
    assert_int_equal(cJSON_GetArraySize(json_at(b->json, "spec.template.spec.containers.1.env")), 2);
    assert_string_equal(text(b, "spec.template.spec.containers.1.image"), "i:1");
    assert_int_equal(patch(b, STS "/web", "strategic-merge-patch+json",
                           "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}}}"),
                     400);
}

static void json_patch_follows_the_rfc(void **state)
{
    struct bed *b = *state;

    make_map(b, "x", "a");
    assert_int_equal(patch(b, CMS "/x", "json-patch+json",
                           "[{\"op\":\"test\",\"path\":\"/data/k\",\"value\":\"v\"},"
                           "{\"op\":\"add\",\"path\":\"/data/a~1b\",\"value\":\"1\"}]"),
                     422); /* '/' is not allowed in a key */
    assert_int_equal(patch(b, CMS "/x", "json-patch+json",
                           "[{\"op\":\"copy\",\"from\":\"/data/k\",\"path\":\"/data/c\"},"
                           "{\"op\":\"move\",\"from\":\"/data/k\",\"path\":\"/data/m\"}]"),
                     200);
    assert_string_equal(text(b, "data.c"), "v");
    assert_string_equal(text(b, "data.m"), "v");
    assert_string_equal(text(b, "data.k"), "(nothing)");
    assert_int_equal(patch(b, CMS "/x", "json-patch+json", "[{\"op\":\"test\",\"path\":\"/data/c\",\"value\":\"no\"}]"),
                     422);
    assert_int_equal(patch(b, CMS "/x", "json-patch+json", "[{\"op\":\"remove\",\"path\":\"/data/none\"}]"), 422);
    assert_int_equal(patch(b, CMS "/x", "json-patch+json", "{}"), 400);
}

static void preconditions_in_a_patch_hold(void **state)
{
    struct bed *b = *state;

    make_map(b, "x", "a");
    assert_int_equal(
        patch(b, CMS "/x", "merge-patch+json", "{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"k\":\"w\"}}"),
        409);
    assert_string_equal(text(b, "reason"), "Conflict");
    assert_int_equal(
        patch(b, CMS "/x", "merge-patch+json", "{\"metadata\":{\"uid\":\"other\"},\"data\":{\"k\":\"w\"}}"), 422);
    assert_int_equal(patch(b, CMS "/x", "apply-patch+yaml", "data: {}"), 415);
    assert_int_equal(ask(b, "DELETE", CMS "/x", "{\"preconditions\":{\"uid\":\"other\"}}"), 409);
    assert_int_equal(ask(b, "GET", CMS "/x", NULL), 200);
    assert_string_equal(text(b, "data.k"), "v");
}

static void tables_have_columns_and_metadata(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "POST", STS, sts_body), 201);
    assert_int_equal(ask_as(b, "GET", STS, NULL, TABLE, NULL), 200);
    assert_string_equal(text(b, "kind"), "Table");
    assert_string_equal(text(b, "columnDefinitions.1.name"), "Ready");
    assert_string_equal(text(b, "rows.0.cells.0"), "web");
    assert_string_equal(text(b, "rows.0.cells.1"), "0/1");
    assert_string_equal(text(b, "rows.0.object.kind"), "PartialObjectMetadata");
    assert_int_equal(ask_as(b, "GET", STS "?includeObject=None", NULL, TABLE, NULL), 200);
    assert_null(json_at(b->json, "rows.0.object"));
}

static void every_kind_has_a_table_that_fits_its_columns(void **state)
{
    struct bed *b = *state;

    for (int k = 0; k < PK_KINDS; k++) {
        const struct plane_kind_info *info = plane_kind((enum plane_kind)k);
        auto_free char *url = *info->group ? mem_printf("/apis/%s/%s/%s", info->group, info->version, info->plural)
                                           : mem_printf("/api/v1/%s", info->plural);

        if (k != PK_CRD) {
            cJSON *obj = store_new_object((enum plane_kind)k, "default", "probe");

            store_create(b->s, (enum plane_kind)k, obj, STORE_SYSTEM, NULL,
                         NULL); /* kinds that need more have no row */
        }
        assert_int_equal(ask_as(b, "GET", url, NULL, TABLE, NULL), 200);
        assert_non_null(json_at(b->json, "columnDefinitions.0"));
        if (json_at(b->json, "rows.0"))
            assert_int_equal(cJSON_GetArraySize(json_at(b->json, "rows.0.cells")),
                             cJSON_GetArraySize(json_at(b->json, "columnDefinitions")));
    }
}

static void discovery_and_paths_agree(void **state)
{
    struct bed *b = *state;
    auto_json cJSON *groups = NULL;
    const cJSON *g, *r;

    assert_int_equal(ask(b, "GET", "/apis", NULL), 200);
    groups = json_copy(json_get(b->json, "groups"));
    cJSON_ArrayForEach(g, groups) {
        auto_free char *url = mem_printf("/apis/%s", json_str(g, "versions.0.groupVersion", ""));
        auto_json cJSON *list = NULL;

        assert_int_equal(ask(b, "GET", url, NULL), 200);
        list = json_copy(json_get(b->json, "resources"));
        assert_true(cJSON_GetArraySize(list) > 0);
        cJSON_ArrayForEach(r, list) {
            auto_free char *one = mem_printf("%s/%s", url, json_str(r, "name", ""));

            if (!strchr(json_str(r, "name", ""), '/') && json_has(json_get(r, "verbs"), "list"))
                assert_int_equal(ask(b, "GET", one, NULL), 200);
        }
    }
    assert_int_equal(ask(b, "GET", "/version", NULL), 200);
    assert_string_equal(text(b, "platform"), "chfleet-plane");
    assert_int_equal(
        ask_as(b, "GET", "/openapi/v2", NULL, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", NULL), 406);
    assert_int_equal(ask(b, "GET", "/openapi/v3/apis/apps/v1", NULL), 200);
    assert_non_null(json_get(json_at(b->json, "components.schemas"), "io.k8s.api.apps.v1.StatefulSet"));
}

#define CHI_HEAD "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\","

static void custom_resources_are_judged_by_the_schema(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "POST", CHI, "{\"metadata\":{\"name\":\"x\"},\"spec\":{}}"), 400);
    assert_int_equal(ask(b, "POST", CHI, CHI_HEAD "\"metadata\":{\"name\":\"x\"},\"spec\":{\"stop\":true}}"), 422);
    assert_string_equal(text(b, "details.causes.0.field"), "spec.stop");
    assert_int_equal(
        ask(b, "POST", CHI "?fieldValidation=Strict", CHI_HEAD "\"metadata\":{\"name\":\"x\"},\"spec\":{\"stopp\":\"yes\"}}"),
        400);
    assert_int_equal(
        ask(b, "POST", CHI,
            CHI_HEAD "\"metadata\":{\"name\":\"x\"},\"spec\":{\"stop\":\"yes\"},\"status\":{\"status\":\"Forged\"}}"),
        201);
    assert_null(json_get(b->json, "status"));
    assert_int_equal(patch(b, CHI "/x/status", "merge-patch+json",
                           "{\"spec\":{\"stop\":\"no\"},\"status\":{\"status\":\"Completed\"}}"),
                     200);
    assert_string_equal(text(b, "status.status"), "Completed");
    assert_string_equal(text(b, "spec.stop"), "yes");
    assert_int_equal(patch(b, CHI "/x", "strategic-merge-patch+json", "{}"), 415);
    assert_int_equal(ask(b, "PUT", CHI "/x", CHI_HEAD "\"metadata\":{\"name\":\"x\"},\"spec\":{}}"), 422);
}

static void scale_is_a_view_of_replicas(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "POST", STS, sts_body), 201);
    assert_int_equal(ask(b, "GET", STS "/web/scale", NULL), 200);
    assert_string_equal(text(b, "kind"), "Scale");
    assert_string_equal(text(b, "status.selector"), "a=b");
    assert_int_equal(patch(b, STS "/web/scale", "merge-patch+json", "{\"spec\":{\"replicas\":4}}"), 200);
    assert_int_equal(ask(b, "GET", STS "/web", NULL), 200);
    assert_int_equal(json_int(b->json, "spec.replicas", 0), 4);
    assert_int_equal(patch(b, STS "/web/scale", "merge-patch+json", "{\"spec\":{\"replicas\":-1}}"), 422);
}

static void scale_of_an_installation_is_a_field_of_ours(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "POST", CHI, CHI_HEAD "\"metadata\":{\"name\":\"x\"},\"spec\":{}}"), 201);
    assert_int_equal(ask(b, "GET", CHI "/x/scale", NULL), 500);
    assert_int_equal(patch(b, CHI "/x", "merge-patch+json", "{\"spec\":{\"chfleet\":{\"replicasCount\":1}}}"), 200);
    assert_int_equal(patch(b, CHI "/x/status", "merge-patch+json", "{\"status\":{\"replicas\":1,\"selector\":\"a=b\"}}"), 200);
    assert_int_equal(ask(b, "GET", CHI "/x/scale", NULL), 200);
    assert_string_equal(text(b, "status.selector"), "a=b");
    assert_int_equal(json_int(b->json, "status.replicas", 0), 1);
    assert_int_equal(patch(b, CHI "/x/scale", "merge-patch+json", "{\"spec\":{\"replicas\":3}}"), 200);
    assert_int_equal(json_int(b->json, "spec.replicas", 0), 3);
    assert_int_equal(ask(b, "GET", CHI "/x", NULL), 200);
    assert_int_equal(json_int(b->json, "spec.chfleet.replicasCount", 0), 3);
    assert_int_equal(patch(b, CHI "/x/scale", "merge-patch+json", "{\"spec\":{\"replicas\":0}}"), 422);
}

static void eviction_respects_the_budget(void **state)
{
    struct bed *b = *state;
    static const char pods[] = "/api/v1/namespaces/default/pods",
                      pdbs[] = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

    assert_int_equal(ask(b, "POST", pods,
                         "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":"
                         "\"c\",\"image\":\"i\"}]}}"),
                     201);
    assert_int_equal(patch(b, "/api/v1/namespaces/default/pods/p/status", "merge-patch+json",
                           "{\"status\":{\"phase\":\"Running\"}}"),
                     200);
    assert_int_equal(ask(b, "POST", pdbs,
                         "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"maxUnavailable\":1,\"selector\":{\"matchLabels\":{"
                         "\"a\":\"b\"}}}}"),
                     201);
    assert_int_equal(ask(b, "POST", "/api/v1/namespaces/default/pods/p/eviction",
                         "{\"kind\":\"Eviction\",\"apiVersion\":\"policy/v1\"}"),
                     429);
    assert_int_equal(patch(b, "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b/status", "merge-patch+json",
                           "{\"status\":{\"disruptionsAllowed\":1}}"),
                     200);
    assert_int_equal(ask(b, "POST", "/api/v1/namespaces/default/pods/p/eviction",
                         "{\"kind\":\"Eviction\",\"apiVersion\":\"policy/v1\"}"),
                     201);
    assert_int_equal(ask(b, "GET", "/api/v1/namespaces/default/pods/p", NULL), 404);
}

static void events_have_two_forms(void **state)
{
    struct bed *b = *state;

    assert_int_equal(ask(b, "POST", "/apis/events.k8s.io/v1/namespaces/default/events",
                         "{\"metadata\":{\"name\":\"e\"},\"regarding\":{\"kind\":\"Pod\",\"name\":\"p\",\"namespace\":"
                         "\"default\"},\"reason\":\"R\",\"note\":\"N\","
                         "\"type\":\"Normal\",\"eventTime\":\"2026-01-01T00:00:00.000000Z\",\"reportingController\":"
                         "\"c\",\"reportingInstance\":\"i\","
                         "\"action\":\"A\"}"),
                     201);
    assert_string_equal(text(b, "note"), "N");
    assert_int_equal(ask(b, "GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp", NULL),
                     200);
    assert_string_equal(text(b, "items.0.message"), "N");
}

/* ---- watches ---- */

struct heard {
    struct str types; /* "ADDED m1 " … */
    struct str last;
    int done;
};

static void emit(void *ctx, const char *data, size_t len)
{
    struct heard *h = ctx;
    auto_json cJSON *e = json_parse(data, len, NULL);

    assert_int_equal(data[len - 1], '\n');
    str_addf(&h->types, "%s %s ", json_str(e, "type", "?"), json_name(json_get(e, "object")));
    str_reset(&h->last);
    str_addn(&h->last, data, len);
}

static void on_done(void *ctx)
{
    ((struct heard *)ctx)->done++;
}

static struct api_watch *watch(struct bed *b, const char *path, const char *query, struct heard *h)
{
    struct api_request req = {
        .method = "GET", .path = path, .query = query, .accept = "application/json", .user = "test"};
    struct api_watch *w = api_watch_open(b->a, &req, emit, on_done, h);

    assert_non_null(w);
    return w;
}

static void heard_free(struct heard *h)
{
    str_free(&h->types);
    str_free(&h->last);
}

static void a_watch_tells_changes_after_its_version(void **state)
{
    struct bed *b = *state;
    struct heard h = {STR_INIT, STR_INIT, 0};
    auto_free char *query = NULL;
    struct api_watch *w;

    make_map(b, "m1", "a");
    query = mem_printf("watch=true&resourceVersion=%s", text(b, "metadata.resourceVersion"));
    make_map(b, "m2", "a");
    w = watch(b, CMS, query, &h);
    mini_run(b->w, 5);
    make_map(b, "m3", "a");
    assert_int_equal(ask(b, "DELETE", CMS "/m1", NULL), 200);
    mini_run(b->w, 5);
    assert_string_equal(str_text(&h.types), "ADDED m2 ADDED m3 DELETED m1 ");
    api_watch_close(w);
    make_map(b, "m4", "a");
    mini_run(b->w, 5);
    assert_string_equal(str_text(&h.types), "ADDED m2 ADDED m3 DELETED m1 ");
    heard_free(&h);
}

static void a_watch_without_version_begins_with_the_list(void **state)
{
    struct bed *b = *state;
    struct heard h = {STR_INIT, STR_INIT, 0};

    make_map(b, "m1", "a");
    watch(b, CMS,
          "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=40",
          &h);
    mini_run(b->w, 5);
    assert_string_equal(str_text(&h.types), "ADDED m1 BOOKMARK  ");
    assert_non_null(strstr(str_text(&h.last), "k8s.io/initial-events-end"));
    mini_run(b->w, 31000);
    assert_string_equal(str_text(&h.types), "ADDED m1 BOOKMARK  BOOKMARK  ");
    assert_int_equal(h.done, 0);
    mini_run(b->w, 10000);
    assert_int_equal(h.done, 1);
    heard_free(&h);
}

static void leaving_the_selector_is_a_deletion_for_the_watch(void **state)
{
    struct bed *b = *state;
    struct heard h = {STR_INIT, STR_INIT, 0};

    watch(b, CMS, "watch=1&labelSelector=l%3Da&timeoutSeconds=1", &h);
    mini_run(b->w, 5);
    make_map(b, "m1", "a");
    make_map(b, "m2", "b");
    assert_int_equal(patch(b, CMS "/m1", "merge-patch+json", "{\"metadata\":{\"labels\":{\"l\":\"b\"}}}"), 200);
    assert_int_equal(patch(b, CMS "/m2", "merge-patch+json", "{\"metadata\":{\"labels\":{\"l\":\"a\"}}}"), 200);
    mini_run(b->w, 5);
    assert_string_equal(str_text(&h.types), "ADDED m1 DELETED m1 ADDED m2 ");
    mini_run(b->w, 2000);
    assert_int_equal(h.done, 1);
    heard_free(&h);
}

static void a_version_that_is_too_old_is_410(void **state)
{
    struct bed *b = *state;
    struct heard h = {STR_INIT, STR_INIT, 0};
    auto_free char *query = NULL;

    make_map(b, "m1", "a");
    query = mem_printf("watch=1&resourceVersion=%s", text(b, "metadata.resourceVersion"));
    for (int i = 0; i < 2500; i++) {
        auto_free char *body = mem_printf("{\"data\":{\"k\":\"%d\"}}", i);

        assert_int_equal(patch(b, CMS "/m1", "merge-patch+json", body), 200);
        mini_run(b->w, 1);
    }
    watch(b, CMS, query, &h);
    mini_run(b->w, 5);
    assert_non_null(strstr(str_text(&h.last), "\"type\":\"ERROR\""));
    assert_non_null(strstr(str_text(&h.last), "\"code\":410"));
    assert_int_equal(h.done, 1);
    heard_free(&h);
}

static void a_version_of_the_future_is_410_too(void **state)
{
    struct bed *b = *state;
    struct heard h = {STR_INIT, STR_INIT, 0};

    watch(b, CMS, "watch=1&resourceVersion=99999999", &h);
    mini_run(b->w, 5);
    assert_non_null(strstr(str_text(&h.last), "\"code\":410"));
    heard_free(&h);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_not_served_is_404_and_wrong_verbs_are_405),
        T(bodies_that_do_not_fit_are_refused),
        T(unknown_fields_are_dropped_warned_or_refused),
        T(dry_run_changes_nothing),
        T(selectors_filter),
        T(pages_hold_every_object_once),
        T(strategic_merge_knows_the_list_keys),
        T(json_patch_follows_the_rfc),
        T(preconditions_in_a_patch_hold),
        T(tables_have_columns_and_metadata),
        T(every_kind_has_a_table_that_fits_its_columns),
        T(discovery_and_paths_agree),
        T(custom_resources_are_judged_by_the_schema),
        T(scale_is_a_view_of_replicas),
        T(scale_of_an_installation_is_a_field_of_ours),
        T(eviction_respects_the_budget),
        T(events_have_two_forms),
        T(a_watch_tells_changes_after_its_version),
        T(a_watch_without_version_begins_with_the_list),
        T(leaving_the_selector_is_a_deletion_for_the_watch),
        T(a_version_that_is_too_old_is_410),
        T(a_version_of_the_future_is_410_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
