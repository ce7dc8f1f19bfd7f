/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/kube/script.h"

#define CLUSTER "clusters:\n- name: c\n  cluster: {server: https://h:1}\n"
#define CONTEXT "contexts:\n- name: x\n  context: {cluster: c, user: u}\ncurrent-context: x\n"

static struct kube_config *load(struct script *s, const char *text, struct err *err)
{
    struct kube_config *c = NULL;

    script_file(s, "/etc/kc/config", text);
    return kube_config_load(&s->w, "/etc/kc/config", &c, err) == 0 ? c : NULL;
}

static void all_fields_reach_the_request(void **state)
{
    struct script *s = script_new();
    struct err err = ERR_INIT;
    struct heard h = {0};
    struct kube_config *c;
    struct world_http *call;
    struct kube *k;

    (void)state;
    script_file(s, "/etc/kc/pki/ca.pem", "CA TEXT");
    script_file(s, "/keys/key.pem", "KEY TEXT");
    c = load(s,
             "# a comment\napiVersion: v1\nkind: Config\n"
             "clusters:\n- name: other\n  cluster: {server: 'http://no'}\n"
             "- name: c\n  cluster:\n    server: https://api:6443/prefix/\n    certificate-authority: pki/ca.pem\n"
             "users:\n- name: u\n  user:\n    client-certificate-data: Q0VSVA==\n    client-key: /keys/key.pem\n"
             "    token: tok\n    as: joe\n"
             "contexts:\n- name: x\n  context: {cluster: c, user: u, namespace: prod}\ncurrent-context: \"x\"\n",
             &err);
    assert_string_equal(err.msg, "");
    assert_string_equal(kube_config_server(c), "https://api:6443/prefix");
    assert_string_equal(kube_config_namespace(c), "prod");
    k = kube_new(&s->w, c, NULL);
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    script_run(s, 0);
    call = script_open(s, "GET", "/prefix/api/v1/namespaces/a");
    assert_non_null(call);
    assert_string_equal(call->ca, "CA TEXT");
    assert_string_equal(call->cert, "CERT");
    assert_string_equal(call->auth, "Bearer tok");
    kube_free(k);
    script_free(s);
}

static void errors_name_file_and_field(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "the file is empty"},
        {"a: [", "line 2"},
        {"a: &a [*a]", "alias inside itself"},
        {"kind: Pod", "not a kubeconfig"},
        {CLUSTER "contexts: []\n", "current-context"},
        {CLUSTER "current-context: y\n", "no entry \"y\" under contexts"},
        {CLUSTER CONTEXT, "no entry \"u\" under users"},
        {"clusters: [{name: c, cluster: {server: h:1}}]\n" CONTEXT, "must be a URL"},
        {"clusters: [{name: c, cluster: {server: 'https://h', certificate-authority-data: '*'}}]\n" CONTEXT,
         "certificate-authority-data is not base64"},
        {"clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: none.pem}}]\n" CONTEXT,
         "/etc/kc/none.pem"},
        {CLUSTER CONTEXT "users: [{name: u, user: {client-certificate-data: QQ==}}]\n", "missing is: client-key"},
        {CLUSTER CONTEXT "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n", "exec plugin"},
        {CLUSTER CONTEXT "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1}}}]\n",
         "no \"command\""},
        {CLUSTER CONTEXT "users: [{name: u, user: {exec: {apiVersion: v9, command: x}}}]\n", "v1beta1"},
        {CLUSTER CONTEXT "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
                         "interactiveMode: Always}}}]\n",
         "terminal"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct script *s = script_new();
        struct err err = ERR_INIT;

        assert_null(load(s, rows[i].text, &err));
        if (!strstr(err.msg, rows[i].want))
            fail_msg("row %zu: \"%s\" lacks \"%s\"", i, err.msg, rows[i].want);
        assert_non_null(strstr(err.msg, "/etc/kc/config"));
        assert_int_equal(err.kind == ERR_INPUT || err.kind == ERR_MISSING, 1);
        script_free(s);
    }
}

static void a_missing_file_and_no_cluster_around_say_what_to_do(void **state)
{
    struct script *s = script_new();
    struct kube_config *c = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(kube_config_load(&s->w, "/nowhere", &c, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.msg, "/nowhere"));
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_int_equal(kube_config_load(&s->w, NULL, &c, &err), -1);
    assert_non_null(strstr(err.msg, "--kubeconfig"));
    script_free(s);
}

static void serve_token(struct script *s, struct world_http *h)
{
    const char *good = s->ctx;

    if (h->auth && str_eq(h->auth, good))
        script_answer(h, 200, NULL, "{\"kind\":\"Namespace\"}");
    else
        script_answer(h, 401, NULL, "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}");
}

static void the_pods_account_is_used_and_its_token_read_again(void **state)
{
    struct script *s = script_new();
    struct kube_config *c = NULL;
    struct err err = ERR_INIT;
    struct heard h = {0};
    struct kube *k;

    (void)state;
    unsetenv("KUBECONFIG");
    setenv("HOME", "/none", 1);
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    script_file(s, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", "CA");
    script_file(s, "/var/run/secrets/kubernetes.io/serviceaccount/namespace", "ops\n");
    script_file(s, "/var/run/secrets/kubernetes.io/serviceaccount/token", "one\n");
    assert_int_equal(kube_config_load(&s->w, NULL, &c, &err), 0);
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_string_equal(kube_config_server(c), "https://[fd00::1]:443");
    assert_string_equal(kube_config_namespace(c), "ops");
    s->serve = serve_token;
    s->ctx = "Bearer one";
    k = kube_new(&s->w, c, NULL);
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    script_run(s, 10);
    assert_int_equal(h.status, 200);
    /* rotated: within a minute it is read by itself */
    script_file(s, "/var/run/secrets/kubernetes.io/serviceaccount/token", "two\n");
    s->ctx = "Bearer two";
    script_run(s, 61000);
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    script_run(s, 10);
    assert_int_equal(h.status, 200);
    assert_int_equal(s->requests, 2);
    /* rotated and revoked at once: the 401 makes it look */
    script_file(s, "/var/run/secrets/kubernetes.io/serviceaccount/token", "three\n");
    s->ctx = "Bearer three";
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    script_run(s, 10);
    assert_int_equal(h.status, 200);
    assert_int_equal(s->requests, 4);
    /* revoked for good: said, not repeated */
    s->ctx = "Bearer four";
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    script_run(s, 60000);
    assert_int_equal(h.err.kind, ERR_REFUSED);
    assert_int_equal(s->requests, 5);
    heard_free(&h);
    kube_free(k);
    script_free(s);
}

/* ---- exec plugin ---- */

static struct kube *exec_client(struct script *s, const char *version)
{
    struct err err = ERR_INIT;
    auto_free char *text =
        mem_printf(CLUSTER CONTEXT "users:\n- name: u\n  user:\n    exec:\n"
                                   "      apiVersion: client.authentication.k8s.io/%s\n"
                                   "      command: bin/plugin\n      args: [get, token]\n"
                                   "      env: [{name: A, value: b}]\n      provideClusterInfo: true\n"
                                   "      installHint: get it from the vendor\n",
                   version);
    struct kube_config *c = load(s, text, &err);

    assert_string_equal(err.msg, "");
    s->serve = serve_token;
    s->ctx = "Bearer plug";
    return kube_new(&s->w, c, NULL);
}

#define CRED(version, status)                                                                                          \
    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/" version "\",\"status\":{" status "}" \
                                                                                                                   "}"

static void an_exec_plugin_gives_credentials_until_they_expire(void **state)
{
    struct script *s = script_new();
    struct kube *k = exec_client(s, "v1beta1");
    struct heard h = {0};

    (void)state;
    /* the world begins at 2023-11-14T22:13:20Z plus its 1000 s */
    s->run_out = CRED("v1beta1", "\"token\":\"plug\",\"expirationTimestamp\":\"2023-11-14T23:13:20Z\"");
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    kube_get(k, KUBE_NS, NULL, "b", heard_done, &h);
    script_run(s, 10);
    assert_int_equal(h.n, 2);
    assert_int_equal(h.status, 200);
    assert_int_equal(s->runs, 1);
    assert_true(str_starts(s->run_env, "/etc/kc/bin/plugin get token A=b\nKUBERNETES_EXEC_INFO={\"apiVersion\":"));
    assert_non_null(strstr(s->run_env, "\"server\":\"https://h:1\""));
    script_run(s, 3600000);
    s->run_out = CRED("v1beta1", "\"token\":\"plug\"");
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    script_run(s, 10);
    assert_int_equal(h.n, 3);
    assert_int_equal(s->runs, 2);
    s->ctx = "Bearer new"; /* revoked before its time */
    s->run_out = CRED("v1beta1", "\"token\":\"new\"");
    kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
    script_run(s, 10);
    assert_int_equal(h.n, 4);
    assert_int_equal(h.status, 200);
    assert_int_equal(s->runs, 3);
    heard_free(&h);
    kube_free(k);
    script_free(s);
}

static void a_broken_exec_plugin_is_an_error_that_passes(void **state)
{
    static const char *const outputs[] = {"nonsense", CRED("v1beta1", "\"token\":\"plug\""), CRED("v1", ""),
                                          CRED("v1", "\"token\":\"plug\",\"expirationTimestamp\":\"soon\"")};

    (void)state;
    for (size_t i = 0; i <= sizeof outputs / sizeof *outputs; i++) {
        struct script *s = script_new();
        struct kube *k = exec_client(s, "v1");
        struct heard h = {0};

        s->run_out = i ? outputs[i - 1] : "";
        s->run_status = i ? 0 : 2 << 8;
        s->run_err = i ? "" : "not logged in";
        kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
        script_run(s, 60000);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.status, 0);
        assert_non_null(strstr(h.err.msg, "bin/plugin"));
        if (i == 0)
            assert_non_null(strstr(h.err.msg, "not logged in; get it from the vendor"));
        assert_int_equal(s->requests, 0); /* nothing goes out without credentials */
        assert_in_range(s->runs, 2, 8);
        s->run_status = 0;
        s->run_out = CRED("v1", "\"token\":\"plug\"");
        script_run(s, 130000);
        kube_get(k, KUBE_NS, NULL, "a", heard_done, &h);
        script_run(s, 130000);
        assert_int_equal(h.status, 200);
        heard_free(&h);
        kube_free(k);
        script_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_reach_the_request),
        cmocka_unit_test(errors_name_file_and_field),
        cmocka_unit_test(a_missing_file_and_no_cluster_around_say_what_to_do),
        cmocka_unit_test(the_pods_account_is_used_and_its_token_read_again),
        cmocka_unit_test(an_exec_plugin_gives_credentials_until_they_expire),
        cmocka_unit_test(a_broken_exec_plugin_is_an_error_that_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
