/* SPDX-License-Identifier: Apache-2.0 */
/* The real ClickHouse 18.16 starts with everything that is rendered for it, for the first host of every cluster of the
 * recorded installations; and with what is rendered when nobody knows the version yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "tests/lib/servers.h"
#include "tests/model/cluster.h"

static const char *const cases[] = {"minimal",          "replicated", "shards",      "services", "secrets",
                                    "storage-operator", "template",   "hostnetwork", "stopped",  "troubleshoot"};
enum { CASES = sizeof cases / sizeof *cases };

static void write_file(const char *dir, const char *name, const char *text)
{
    auto_free char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "wb");

    if (!f)
        fail_msg("cannot write %s", path);
    fputs(text, f);
    fclose(f);
}

/* A certificate for ports that a secure host opens. */
static void write_certificate(const char *dir)
{
    auto_free char *key_path = mem_printf("%s/server.key", dir), *cert_path = mem_printf("%s/server.crt", dir);
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *cert = X509_new();
    FILE *f;

    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
                               -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_sign(cert, key, EVP_sha256());
    f = fopen(key_path, "wb");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    f = fopen(cert_path, "wb");
    PEM_write_X509(f, cert);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

struct ports {
    struct servers *s;
    struct server *server;
    const char *service; /* whose server it is; others get ports that nobody listens on */
    unsigned extra[HOST_PORTS];
};

static unsigned give_port(void *ctx, const char *ns, const char *service, enum host_port proto, struct err *err)
{
    struct ports *p = ctx;

    (void)ns;
    (void)err;
    if (strcmp(service, p->service) != 0)
        return 1000 + (unsigned)proto;
    if (proto == PORT_TCP)
        return p->server->tcp;
    if (proto == PORT_HTTP)
        return p->server->http;
    if (proto == PORT_INTERSERVER)
        return p->server->interserver;
    if (!p->extra[proto])
        p->extra[proto] = servers_port(p->s);
    return p->extra[proto];
}

static char *replaced(const char *text, const char *what, const char *with)
{
    auto_str struct str out = STR_INIT;
    const char *at;

    while ((at = strstr(text, what))) {
        str_addn(&out, text, (size_t)(at - text));
        str_add(&out, with);
        text = at + strlen(what);
    }
    str_add(&out, text);
    return str_take(&out);
}

/* Files as a pod has them mounted; only folders of this machine and listening addresses are put right. */
static void write_data(const struct server *c, const char *folder, const cJSON *data)
{
    auto_free char *dir = mem_printf("%s/etc/%s", c->dir, folder), *logs = mem_printf("%s/log", c->dir);
    const cJSON *v;

    mkdir(dir, 0777);
    cJSON_ArrayForEach(v, data) {
        auto_free char *a = replaced(v->valuestring, "/var/log/clickhouse-server", logs);
        auto_free char *b = replaced(a, "<listen_host>::</listen_host>", "");
        auto_free char *text =
            replaced(b, "<listen_host>0.0.0.0</listen_host>", "<listen_host>127.0.0.1</listen_host>");

        write_file(dir, v->string, text);
    }
}

static void write_extra(const struct server *c)
{
    auto_free char *config = mem_printf("%s/etc/config.d", c->dir), *users = mem_printf("%s/etc/users.d", c->dir);
    auto_free char *ssl = mem_printf(
        "<yandex><openSSL><server><certificateFile>%s/etc/server.crt</certificateFile><privateKeyFile>%s/etc/"
        "server.key</privateKeyFile><verificationMode>none</verificationMode><loadDefaultCAFile>false"
        "</loadDefaultCAFile></server></openSSL></yandex>\n",
        c->dir, c->dir);
    auto_free char *etc = mem_printf("%s/etc", c->dir);

    write_certificate(etc);
    write_file(config, "zz-test.xml", ssl);
    /* images come with it */
    write_file(users, "00-image.xml",
               "<yandex><profiles><readonly><readonly>1</readonly></readonly></profiles></yandex>\n");
}

/* The test's own configuration takes these sections from another file, and then does not look at config.d. */
static void free_sections(const struct server *c)
{
    auto_free char *path = mem_printf("%s/etc/config.xml", c->dir), *etc = mem_printf("%s/etc", c->dir);
    auto_str struct str s = STR_INIT;
    char buf[8192];
    size_t n;
    FILE *f = fopen(path, "rb");
    auto_free char *a = NULL, *text = NULL;

    while (f && (n = fread(buf, 1, sizeof buf, f)) > 0)
        str_addn(&s, buf, n);
    if (!f)
        fail_msg("there is no %s", path);
    fclose(f);
    a = replaced(str_text(&s), "<remote_servers incl=\"remote_servers\" optional=\"true\"/>", "");
    text = replaced(a, "<macros incl=\"macros\" optional=\"true\"/>", "");
    assert_string_not_equal(text, str_text(&s));
    write_file(etc, "config.xml", text);
}

/* It not only starts: it has read who belongs to the clusters, and which generation of that it knows. */
static void ask(const struct server *c, const struct fleet *f, const char *name)
{
    auto_str struct str out = STR_INIT, want = STR_INIT;
    struct err err = ERR_INIT;

    if (server_query(c, &out, &err, "SELECT count() FROM system.clusters WHERE cluster NOT LIKE 'all-%%'") < 0)
        fail_msg("%s: %s", name, err.msg);
    str_addf(&want, "%zu\n", f->n_hosts);
    assert_string_equal(out.s, want.s);
    str_reset(&out);
    if (server_query(c, &out, &err, "SELECT substitution FROM system.macros WHERE macro = 'chfleet_membership'") < 0)
        fail_msg("%s: %s", name, err.msg);
    assert_string_equal(out.s, "7\n");
}

static void start_host(struct servers *s, const char *name, const char *version, size_t cluster)
{
    auto_free char *file = mem_printf("%s.json", name), *service = NULL;
    struct clickhouse_opts opts = {.name = name};
    struct cluster_state state;
    struct render_ctx ctx;
    struct ports ports = {.s = s};
    struct addressing a = {.endpoints = true, .port = give_port, .ctx = &ports};
    auto_fleet struct fleet *f = NULL, *names = NULL;
    auto_json cJSON *common = NULL, *users = NULL, *own = NULL;
    struct err err = ERR_INIT;

    cluster_init(&state, test_file_json("tests/takeover", file));
    if (cluster_fleet(&state, NULL, &names, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    service = mem_str(names->clusters[cluster].shards[0].hosts[0]->service);
    ports.service = service;
    if (servers_clickhouse(s, &opts, &ports.server, &err) < 0 || cluster_fleet(&state, &a, &f, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    cluster_ctx(&state, &ctx);
    state.version = version;
    ctx.live = NULL;
    ctx.membership_generation = 7;
    common = render_common_configmap(f, &ctx, &err);
    users = render_users_configmap(f, &ctx, &err);
    own = render_host_configmap(f, f->clusters[cluster].shards[0].hosts[0], &ctx, &err);
    if (!common || !users || !own)
        fail_msg("%s: %s", name, err.msg);
    write_data(ports.server, "config.d", json_get(common, "data"));
    write_data(ports.server, "users.d", json_get(users, "data"));
    write_data(ports.server, "conf.d", json_get(own, "data"));
    write_extra(ports.server);
    free_sections(ports.server);
    if (server_start(ports.server, &err) < 0)
        fail_msg("%s, cluster %zu, version \"%s\": %s", name, cluster, version, err.msg);
    ask(ports.server, f, name);
    if (server_stop(ports.server, 15, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    cluster_fini(&state);
}

static size_t clusters_of(const char *name)
{
    auto_free char *file = mem_printf("%s.json", name);
    struct cluster_state state;
    auto_fleet struct fleet *f = NULL;
    struct err err = ERR_INIT;
    size_t n;

    cluster_init(&state, test_file_json("tests/takeover", file));
    if (cluster_fleet(&state, NULL, &f, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    n = f->n_clusters;
    cluster_fini(&state);
    return n;
}

static void start_all(const char *version)
{
    struct servers *s = NULL;
    struct err err = ERR_INIT;

    if (!servers_have_clickhouse()) {
        print_message("skipped: there is no clickhouse-server on this machine\n");
        skip();
    }
    if (servers_new(&s, &err) < 0)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < CASES; i++)
        for (size_t k = 0; k < clusters_of(cases[i]); k++)
            start_host(s, cases[i], version, k);
    servers_free(s);
}

static void the_server_starts_with_what_is_rendered_for_18_16(void **state)
{
    (void)state;
    start_all("18.16.1");
}

static void the_server_starts_with_what_is_rendered_for_an_unknown_version(void **state)
{
    (void)state;
    start_all("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_starts_with_what_is_rendered_for_18_16),
        cmocka_unit_test(the_server_starts_with_what_is_rendered_for_an_unknown_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
