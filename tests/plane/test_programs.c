/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/programs.h"
#include "plane/translate.h"

static char box[64];

static int make_box(void **state)
{
    (void)state;
    snprintf(box, sizeof box, "/tmp/programs-test-XXXXXX");
    return mkdtemp(box) ? 0 : -1;
}

static int drop_box(void **state)
{
    auto_free char *rm = mem_printf("rm -rf %s", box);

    (void)state;
    return system(rm);
}

static struct path_maps some_maps(void)
{
    struct path_maps m = {NULL, 0};

    path_maps_add(&m, "/var/lib/clickhouse", "/d/vol");
    path_maps_add(&m, "/var/log/clickhouse-server/", "/d/log");
    path_maps_add(&m, "/etc/clickhouse-server/", "/d/etc");
    path_maps_add(&m, "/etc/clickhouse-server/secrets.d/a/", "/d/secret");
    return m;
}

static void container_paths_are_found_in_text_as_whole_paths_only(void **state)
{
    static const char *const pairs[][2] = {
        {"/var/lib/clickhouse", "/d/vol"},
        {"/var/lib/clickhouse/", "/d/vol/"},
        {"/var/lib/clickhouse/disks/a", "/d/vol/disks/a"},
        {"/var/lib/clickhouse-keeper/x", "/var/lib/clickhouse-keeper/x"},
        {"/mnt/var/lib/clickhouse/x", "/mnt/var/lib/clickhouse/x"},
        {"/var/lib/clickhouse2", "/var/lib/clickhouse2"},
        {"cp /var/lib/clickhouse/a '/var/log/clickhouse-server/b'", "cp /d/vol/a '/d/log/b'"},
        {"--path=/var/lib/clickhouse:/etc/clickhouse-server", "--path=/d/vol:/d/etc"},
        {"/etc/clickhouse-server/secrets.d/a/pw", "/d/secret/pw"},
        {"/etc/clickhouse-server/secrets.d/b/pw", "/d/etc/secrets.d/b/pw"},
        {"https://h/var/lib/clickhouse/", "https://h/var/lib/clickhouse/"},
        {"", ""},
    };
    struct path_maps m = some_maps();

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        auto_free char *got = path_maps_text(&m, pairs[i][0]);

        assert_string_equal(got, pairs[i][1]);
    }
    assert_string_equal(path_maps_at(&m, "/var/log/clickhouse-server"), "/d/log");
    assert_null(path_maps_at(&m, "/var/log"));
    path_maps_fini(&m);
}

static char *translated(const char *text, struct translate_facts *facts)
{
    struct path_maps m = some_maps();
    struct str out = STR_INIT;
    bool changed = translate_clickhouse(text, strlen(text), &m, false, facts, &out);

    path_maps_fini(&m);
    if (!changed)
        return NULL;
    return str_take(&out);
}

static void a_file_that_fits_is_not_touched(void **state)
{
    struct translate_facts facts = {0};

    (void)state;
    assert_null(translated("<yandex><macros><shard>0</shard></macros><http_port>8124</http_port></yandex>", &facts));
    assert_null(translated("this is not xml", &facts));
    assert_null(translated("<!-- only a comment -->", &facts));
    assert_int_equal(facts.n_users, 0);
}

static void paths_are_translated_in_elements_and_attributes_and_escaped(void **state)
{
    struct translate_facts facts = {0};
    auto_free char *out = translated("<clickhouse><logger><log>/var/log/clickhouse-server/a&amp;b.log</log></logger>"
                                     "<x incl=\"/etc/clickhouse-server/f\"/></clickhouse>",
                                     &facts);

    (void)state;
    assert_non_null(strstr(out, "<log>/d/log/a&amp;b.log</log>"));
    assert_non_null(strstr(out, "<x incl=\"/d/etc/f\"/>"));
}

static void foreign_addresses_and_closed_ports_go(void **state)
{
    struct translate_facts facts = {0};
    auto_free char *out =
        translated("<yandex><listen_host>::</listen_host><listen_host>0.0.0.0</listen_host><https_port>0</https_port>"
                   "<tcp_port>9001</tcp_port><other><https_port>0</https_port></other></yandex>",
                   &facts);

    (void)state;
    assert_null(strstr(out, "listen_host"));
    assert_non_null(strstr(out, "<yandex><tcp_port>9001</tcp_port><other><https_port>0</https_port></other></yandex>"));
}

static void users_without_a_quota_in_any_file_get_the_default_one(void **state)
{
    struct translate_facts facts = {0};
    auto_str struct str out = STR_INIT;

    (void)state;
    assert_null(translated(
        "<clickhouse><users><a><profile>p</profile></a><b><quota>q</quota></b><default/></users></clickhouse>",
        &facts));
    assert_null(translated("<clickhouse><users><c/><a><quota>q</quota></a></users></clickhouse>", &facts));
    translate_missing_quotas(&facts, &out);
    assert_string_equal(
        out.s, "<clickhouse>\n    <users>\n        <c><quota>default</quota></c>\n    </users>\n</clickhouse>\n");
    translate_facts_fini(&facts);
}

static void keepers_of_this_machine_are_noted(void **state)
{
    struct translate_facts facts = {0};

    (void)state;
    assert_null(translated("<clickhouse><zookeeper><node><host>127.0.0.1</host><port>7001</port></node>"
                           "<node index=\"2\"><host>zk.example.org</host><port>2181</port></node>"
                           "<node><host>127.0.0.1</host><port>x</port></node><root>/a</root></zookeeper></clickhouse>",
                           &facts));
    assert_int_equal(facts.n_keepers, 1);
    assert_int_equal(facts.keepers[0], 7001);
}

static unsigned plus_one(void *ctx, unsigned port)
{
    (void)ctx;
    return port + 1;
}

static void one_keeper_becomes_a_standalone_zookeeper(void **state)
{
    struct keeper_conf k = {0};
    auto_str struct str out = STR_INIT;
    struct err e = ERR_INIT;
    static const char text[] =
        "<clickhouse><keeper_server><tcp_port>2181</tcp_port><raft_configuration><server><id>0</id>"
        "<hostname>h</hostname><port>9444</port></server></raft_configuration></keeper_server></clickhouse>";

    (void)state;
    assert_int_equal(keeper_conf_read(&k, text, strlen(text), &e), 0);
    assert_int_equal(k.tcp_port, 2181);
    assert_int_equal(translate_zoo_cfg(&k, 7001, "/d/zk", plus_one, NULL, &out, &e), 0);
    assert_non_null(strstr(out.s, "clientPort=7001\n"));
    assert_non_null(strstr(out.s, "clientPortAddress=127.0.0.1\n"));
    assert_non_null(strstr(out.s, "maxClientCnxns=0\n"));
    assert_non_null(strstr(out.s, "admin.enableServer=false\n"));
    assert_null(strstr(out.s, "server."));
    keeper_conf_fini(&k);
}

static void three_keepers_become_an_ensemble_and_a_later_file_wins(void **state)
{
    struct keeper_conf k = {0};
    auto_str struct str out = STR_INIT;
    struct err e = ERR_INIT;
    static const char raft[] =
        "<clickhouse><keeper_server><raft_configuration><server><id>0</id><hostname>h</hostname><port>9444</port></"
        "server>"
        "<server><id>1</id><hostname>h</hostname><port>9445</port></server><server><id>2</id><hostname>h</hostname>"
        "<port>9446</port></server></raft_configuration></keeper_server></clickhouse>";
    static const char id[] =
        "<clickhouse><keeper_server><server_id>2</server_id><coordination_settings><session_timeout_ms>30000"
        "</session_timeout_ms></coordination_settings></keeper_server></clickhouse>";

    (void)state;
    assert_int_equal(keeper_conf_read(&k, id, strlen(id), &e), 0);
    assert_int_equal(keeper_conf_read(&k, raft, strlen(raft), &e), 0);
    assert_int_equal(k.server_id, 2);
    assert_int_equal(translate_zoo_cfg(&k, 7001, "/d/zk", plus_one, NULL, &out, &e), 0);
    assert_non_null(strstr(out.s, "server.1=127.0.0.1:9444:9445\n"));
    assert_non_null(strstr(out.s, "server.3=127.0.0.1:9446:9447\n"));
    assert_non_null(strstr(out.s, "maxSessionTimeout=30000\n"));
    k.server_id = 7;
    assert_int_equal(translate_zoo_cfg(&k, 7001, "/d/zk", plus_one, NULL, &out, &e), -1);
    keeper_conf_fini(&k);
}

static struct programs *loaded(const char *text)
{
    struct programs *p = mem_zero(sizeof *p);
    struct err e = ERR_INIT;

    if (programs_parse(p, "t.yaml", text, strlen(text), &e) < 0)
        fail_msg("%s", e.msg);
    return p;
}

static void the_shipped_list_knows_the_usual_images(void **state)
{
    struct programs *p = NULL;
    struct err e = ERR_INIT;

    (void)state;
    if (programs_load("/nowhere/programs.yaml", &p, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(programs_find(p, "clickhouse/clickhouse-server:24.8")->kind, PROGRAM_CLICKHOUSE);
    assert_int_equal(programs_find(p, "docker.io/altinity/clickhouse-server:23.8.altinitystable")->kind,
                     PROGRAM_CLICKHOUSE);
    assert_int_equal(programs_find(p, "clickhouse/clickhouse-keeper:latest")->kind, PROGRAM_KEEPER);
    assert_int_equal(programs_find(p, "registry.access.redhat.com/ubi8/ubi-minimal:latest")->kind, PROGRAM_COMMAND);
    assert_null(programs_find(p, "nginx:1"));
    programs_free(p);
}

static void the_first_pattern_wins(void **state)
{
    struct programs *p = loaded("programs:\n- images: a/b:24.9*\n  kind: command\n  binary: /x\n- images: [a/b:*]\n  "
                                "kind: command\n  binary: /y\n");

    (void)state;
    assert_string_equal(programs_find(p, "a/b:24.9.1")->binaries[0], "/x");
    assert_string_equal(programs_find(p, "a/b:24.8")->binaries[0], "/y");
    programs_free(p);
}

static void mistakes_are_named_by_line(void **state)
{
    static const char *const bad[][2] = {
        {"programs:\n- images: a\n  kind: boat\n", "t.yaml:3:3: kind must be"},
        {"programs:\n- images: a\n  colour: red\n", "t.yaml:3:3: unknown field"},
        {"programs:\n- kind: command\n", "needs images"},
        {"programs:\n- images: a\n  kind: keeper\n", "needs binary"},
        {"things: []\n", "must hold one list"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct programs *p = mem_zero(sizeof *p);
        struct err e = ERR_INIT;

        assert_int_equal(programs_parse(p, "t.yaml", bad[i][0], strlen(bad[i][0]), &e), -1);
        if (!strstr(e.msg, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], e.msg);
        programs_free(p);
    }
}

static void a_missing_program_says_what_was_looked_for(void **state)
{
    struct programs *p = loaded("programs:\n- images: a\n  kind: clickhouse\n  binary: [/no/where, no-such-name]\n");
    struct err e = ERR_INIT;

    (void)state;
    assert_null(program_binary(&p->v[0], &e));
    assert_non_null(strstr(e.msg, "/no/where, no-such-name"));
    assert_non_null(strstr(e.msg, "t.yaml:2"));
    programs_free(p);
}

static void a_second_write_in_the_same_second_gets_another_second(void **state)
{
    struct err e = ERR_INIT;
    auto_free char *path = mem_printf("%s/f.xml", box);
    struct stat a, b, c;
    bool changed;

    (void)state;
    assert_int_equal(program_write(box, "f.xml", "one", 3, 0600, &changed, &e), 0);
    assert_true(changed);
    stat(path, &a);
    assert_int_equal(program_write(box, "f.xml", "two", 3, 0600, &changed, &e), 0);
    stat(path, &b);
    assert_int_equal(program_write(box, "f.xml", "two", 3, 0600, &changed, &e), 0);
    assert_false(changed);
    stat(path, &c);
    assert_true(b.st_mtime > a.st_mtime);
    assert_int_equal(b.st_mtime, c.st_mtime);
}

static void command_and_arguments_are_expanded_and_translated(void **state)
{
    struct programs *p = loaded("programs:\n- images: a\n  kind: command\n  binary: /bin/true\n  env: {X: 1}\n");
    static const char text[] =
        "{\"name\":\"c\",\"command\":[\"/bin/sh\",\"-c\"],\"args\":[\"ls /data/$(X) $$(X) $(NOPE)\"]}";
    struct err e = ERR_INIT;
    auto_json cJSON *container = json_parse(text, strlen(text), &e);
    auto_json cJSON *pod = cJSON_CreateObject();
    char *env[] = {(char *)"HOME2=/data/h", NULL};
    struct container_run r = {.pod = pod, .container = container, .dir = box, .env = env};
    struct container_plan plan;
    struct shim_spec spec;

    (void)state;
    path_maps_add(&r.maps, "/data", "/real");
    if (container_prepare(&p->v[0], &r, &spec, &plan, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(spec.n_argv, 3);
    assert_string_equal(spec.argv[2], "ls /real/1 $(X) $(NOPE)");
    assert_string_equal(spec.env[spec.n_env - 1], "HOME2=/real/h");
    assert_string_equal(spec.cwd, box);
    shim_spec_fini(&spec);
    container_plan_fini(&plan);
    path_maps_fini(&r.maps);
    programs_free(p);
}

#define IN_BOX(f) cmocka_unit_test_setup_teardown(f, make_box, drop_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(container_paths_are_found_in_text_as_whole_paths_only),
        cmocka_unit_test(a_file_that_fits_is_not_touched),
        cmocka_unit_test(paths_are_translated_in_elements_and_attributes_and_escaped),
        cmocka_unit_test(foreign_addresses_and_closed_ports_go),
        cmocka_unit_test(users_without_a_quota_in_any_file_get_the_default_one),
        cmocka_unit_test(keepers_of_this_machine_are_noted),
        cmocka_unit_test(one_keeper_becomes_a_standalone_zookeeper),
        cmocka_unit_test(three_keepers_become_an_ensemble_and_a_later_file_wins),
        cmocka_unit_test(the_shipped_list_knows_the_usual_images),
        cmocka_unit_test(the_first_pattern_wins),
        cmocka_unit_test(mistakes_are_named_by_line),
        cmocka_unit_test(a_missing_program_says_what_was_looked_for),
        IN_BOX(a_second_write_in_the_same_second_gets_another_second),
        IN_BOX(command_and_arguments_are_expanded_and_translated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
