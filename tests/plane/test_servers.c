/* SPDX-License-Identifier: Apache-2.0 */
/* The real ClickHouse, ZooKeeper and HAProxy as pods and Services of a plane. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/shim.h"
#include "tests/plane/rig.h"

static int set_up(void **state)
{
    struct rig *r = mem_zero(sizeof *r);

    rig_init(r);
    rig_start(r);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static unsigned http_of(const struct rig *r, int host)
{
    return r->base_port + 3 * (unsigned)host;
}

/* The operator's files, as far as they matter here: ones that would break a server of this machine when taken as they
 * are. */
static void create_common(struct rig *r)
{
    rig_create(r, PK_CM,
               "{\"metadata\":{\"name\":\"common\"},\"data\":{"
               "\"01-listen.xml\":\"<yandex><listen_host>::</listen_host><listen_host>0.0.0.0</"
               "listen_host><listen_try>1</listen_try></yandex>\","
               "\"02-logger.xml\":\"<yandex><logger><level>debug</level><log>/var/log/clickhouse-server/"
               "clickhouse-server.log</log>"
               "<errorlog>/var/log/clickhouse-server/clickhouse-server.err.log</errorlog></logger></yandex>\","
               "\"remote.xml\":\"<yandex><remote_servers><one><shard><replica><host>127.0.0.1</host><port>1</port></"
               "replica></shard></one>"
               "</remote_servers></yandex>\"}}");
    rig_create(r, PK_CM,
               "{\"metadata\":{\"name\":\"users\"},\"data\":{\"u.xml\":\"<clickhouse><users><op><password "
               "from_env='OP_PW'></password><networks>"
               "<ip>127.0.0.1</ip></networks><profile>default</profile></op></users></clickhouse>\"}}");
    rig_create(r, PK_SECRET, "{\"metadata\":{\"name\":\"pw\"},\"data\":{\"op\":\"b3BlbnNlc2FtZQ==\"}}");
}

static void create_host(struct rig *r, int host)
{
    unsigned http = http_of(r, host);
    auto_free char *conf = mem_printf("{\"metadata\":{\"name\":\"conf-%d\"},\"data\":{\"ports.xml\":\"<yandex><tcp_"
                                      "port>%u</tcp_port><http_port>%u</http_port>"
                                      "<tcp_port_secure>0</tcp_port_secure><https_port>0</"
                                      "https_port><interserver_http_host>127.0.0.1</interserver_http_host>"
                                      "<interserver_http_port>%u</interserver_http_port></"
                                      "yandex>\",\"macros.xml\":\"<yandex><macros><replica>r%d</replica></macros>"
                                      "</yandex>\"}}",
                                      host, http + 1, http, http + 2, host);
    auto_free char *sts = mem_printf(
        "{\"metadata\":{\"name\":\"ch%d\"},\"spec\":{\"replicas\":1,\"serviceName\":\"ch%d\",\"selector\":{"
        "\"matchLabels\":{\"host\":\"%d\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"host\":\"%d\",\"app\":\"ch\",\"ready\":\"yes\"}},\"spec\":{"
        "\"containers\":[{\"name\":"
        "\"clickhouse\",\"image\":\"clickhouse/"
        "clickhouse-server:24.8\",\"ports\":[{\"name\":\"tcp\",\"containerPort\":%u},{\"name\":\"http\","
        "\"containerPort\":%u},{\"name\":\"interserver\",\"containerPort\":%u}],\"env\":[{\"name\":\"OP_PW\","
        "\"valueFrom\":{\"secretKeyRef\":"
        "{\"name\":\"pw\",\"key\":\"op\"}}}],\"readinessProbe\":{\"httpGet\":{\"path\":\"/"
        "ping\",\"port\":\"http\"},\"initialDelaySeconds\":10,"
        "\"periodSeconds\":3},\"livenessProbe\":{\"httpGet\":{\"path\":\"/"
        "ping\",\"port\":\"http\"},\"initialDelaySeconds\":60,"
        "\"periodSeconds\":3,\"failureThreshold\":10},\"volumeMounts\":[{\"name\":\"common\",\"mountPath\":\"/etc/"
        "clickhouse-server/config.d/\"},"
        "{\"name\":\"users\",\"mountPath\":\"/etc/clickhouse-server/users.d/\"},{\"name\":\"conf\",\"mountPath\":"
        "\"/etc/clickhouse-server/conf.d/\"},{\"name\":\"data\",\"mountPath\":\"/var/lib/"
        "clickhouse\"}]}],\"volumes\":[{\"name\":\"common\","
        "\"configMap\":{\"name\":\"common\"}},{\"name\":\"users\",\"configMap\":{\"name\":\"users\"}},{\"name\":"
        "\"conf\",\"configMap\":{\"name\":"
        "\"conf-%d\"}}]}},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":["
        "\"ReadWriteOnce\"],"
        "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]}}",
        host, host, host, host, http + 1, http, http + 2, host);

    rig_create(r, PK_CM, conf);
    rig_create(r, PK_STS, sts);
}

static void create_balancer(struct rig *r)
{
    auto_free char *text = mem_printf(
        "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"LoadBalancer\",\"selector\":{\"app\":\"ch\",\"ready\":"
        "\"yes\"},\"ports\":[{\"name\":\"http\",\"port\":%u},{\"name\":\"tcp\",\"port\":%u}]}}",
        r->base_port + 40, r->base_port + 41);

    rig_create(r, PK_SVC, text);
}

static char *query(unsigned port, const char *sql)
{
    char *body = NULL;
    int status = rig_http(port, "/?user=op&password=opensesame", sql, &body);

    if (status != 200)
        fail_msg("port %u: HTTP %d: %s", port, status, body ? body : "");
    return body;
}

static bool wait_clusters(unsigned port, const char *want, unsigned ms)
{
    for (unsigned i = 0; i < ms / 20; i++, rest_ms(20)) {
        auto_free char *got = query(port, "SELECT cluster FROM system.clusters ORDER BY cluster");

        if (strcmp(got, want) == 0)
            return true;
    }
    return false;
}

static void a_pod_of_the_image_is_a_real_server_with_the_operators_files(void **state)
{
    struct rig *r = *state;
    auto_free char *replica = NULL, *data = NULL, *log = NULL, *uid = NULL;
    auto_json cJSON *pod = NULL;

    create_common(r);
    create_host(r, 0);
    rig_await_ready(r, "ch0-0", 10000);
    replica = query(http_of(r, 0), "SELECT substitution FROM system.macros WHERE macro = 'replica'");
    assert_string_equal(replica, "r0\n");
    data = mem_printf("%s/volumes/default_data-ch0-0/metadata", r->dir);
    assert_int_equal(access(data, F_OK), 0);
    pod = rig_get(r, PK_POD, "ch0-0");
    log =
        mem_printf("%s/pods/default_ch0-0_%s/containers/clickhouse/logs/clickhouse-server.log", r->dir, json_uid(pod));
    assert_int_equal(access(log, F_OK), 0);
    /* a change of the mounted file is noticed by the server itself */
    assert_true(wait_clusters(http_of(r, 0), "one\n", 1000));
    rig_patch(r, PK_CM, "common",
              "{\"data\":{\"remote.xml\":\"<yandex><remote_servers><two><shard><replica><host>127.0.0.1</host><port>1</"
              "port></replica></shard>"
              "</two></remote_servers></yandex>\"}}");
    assert_true(wait_clusters(http_of(r, 0), "two\n", 5000));
}

static cJSON *slices(struct rig *r, const char *svc)
{
    auto_json cJSON *all = rig_list(r, PK_EPSLICE);
    cJSON *mine = cJSON_CreateArray(), *one;

    cJSON_ArrayForEach(one, all)
        if (str_eq(json_label(one, "kubernetes.io/service-name"), svc))
            cJSON_AddItemToArray(mine, json_copy(one));
    return mine;
}

static bool in_slices(struct rig *r, const char *svc, const char *pod)
{
    auto_json cJSON *all = slices(r, svc);
    const cJSON *s, *e;

    cJSON_ArrayForEach(s, all)
        cJSON_ArrayForEach(e, json_get(s, "endpoints"))
            if (str_eq(json_str(e, "targetRef.name", ""), pod) && json_bool(e, "conditions.ready", false))
                return true;
    return false;
}

static void await_listed(struct rig *r, const char *pod, bool listed, unsigned ms)
{
    for (unsigned i = 0; i < ms / 10; i++, rest_ms(10))
        if (in_slices(r, "lb", pod) == listed)
            return;
    fail_msg("pod %s is%s in the EndpointSlices of lb", pod, listed ? " not" : "");
}

struct load {
    volatile int stop; /* shared with the loading processes */
    unsigned good, bad;
    pid_t pid[4];
};

static struct load *start_load(unsigned port)
{
    struct load *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    fflush(NULL);
    for (int i = 0; i < 4; i++) {
        l->pid[i] = fork();
        if (l->pid[i] != 0)
            continue;
        while (!l->stop) {
            auto_free char *body = NULL;
            int status = rig_http(port, "/?user=op&password=opensesame", "SELECT sleep(0.02)", &body);

            __atomic_add_fetch(status == 200 ? &l->good : &l->bad, 1, __ATOMIC_SEQ_CST);
        }
        _exit(0);
    }
    return l;
}

static void end_load(struct load *l)
{
    l->stop = 1;
    for (int i = 0; i < 4; i++)
        waitpid(l->pid[i], NULL, 0);
}

static void a_rolling_restart_behind_the_balancer_loses_no_query(void **state)
{
    struct rig *r = *state;
    unsigned lb = r->base_port + 40;
    struct load *load;
    auto_json cJSON *svc = NULL;
    auto_free char *want = mem_printf("http=127.0.0.1:%u,tcp=127.0.0.1:%u", lb, lb + 1);

    create_common(r);
    create_balancer(r);
    create_host(r, 0);
    create_host(r, 1);
    rig_await_ready(r, "ch0-0", 10000);
    rig_await_ready(r, "ch1-0", 10000);
    await_listed(r, "ch0-0", true, 5000);
    await_listed(r, "ch1-0", true, 5000);
    svc = rig_get(r, PK_SVC, "lb");
    assert_string_equal(json_annotation(svc, "chfleet.io/endpoints"), want);
    assert_string_equal(json_str(svc, "status.loadBalancer.ingress.0.ip", ""), "127.0.0.1");
    load = start_load(lb);
    for (int host = 0; host < 2; host++) {
        auto_free char *pod = mem_printf("ch%d-0", host), *before = rig_container_id(r, pod), *after = NULL;

        rig_patch(r, PK_POD, pod, "{\"metadata\":{\"labels\":{\"ready\":\"no\"}}}");
        await_listed(r, pod, false, 5000);
        rest_ms(150); /* what runs ends */
        rig_delete(r, PK_POD, pod, -1, NULL);
        for (int i = 0; i < 1000 && (!after || strcmp(after, before) == 0 || !*after); i++, rest_ms(10)) {
            free(after);
            after = rig_container_id(r, pod);
        }
        rig_await_ready(r, pod, 10000);
        await_listed(r, pod, true, 5000);
    }
    /* a new listener needs a reload */
    rig_create(r, PK_SVC,
               "{\"metadata\":{\"name\":\"lb2\"},\"spec\":{\"selector\":{\"app\":\"ch\"},\"ports\":[{\"name\":\"http\","
               "\"port\":8123}]}}");
    rest_ms(1000);
    end_load(load);
    print_message("queries: %u good, %u bad\n", load->good, load->bad);
    assert_true(load->good > 100);
    assert_int_equal(load->bad, 0);
    munmap(load, sizeof *load);
    rig_await(r, PK_SVC, "lb2", "spec.type", "\"ClusterIP\"", 100);
}

static void the_balancer_outlives_the_plane_and_is_adopted_without_a_write(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *before = NULL, *after = NULL;
    auto_free char *lb_dir = mem_printf("%s/lb", r->dir);
    struct shim_state a, b;
    unsigned lb = r->base_port + 40;

    create_common(r);
    create_balancer(r);
    create_host(r, 0);
    rig_await_ready(r, "ch0-0", 10000);
    await_listed(r, "ch0-0", true, 5000);
    before = slices(r, "lb");
    assert_int_equal(shim_last_state(lb_dir, &a, NULL, NULL), 0);
    rig_kill(r, SIGKILL);
    assert_int_equal(rig_http(lb, "/ping", NULL, NULL), 200);
    kill((pid_t)a.shim, SIGKILL); /* and without its shim */
    assert_int_equal(rig_http(lb, "/ping", NULL, NULL), 200);
    rig_start(r);
    rest_ms(1500);
    after = slices(r, "lb");
    assert_true(json_same(before, after));
    assert_int_equal(rig_http(lb, "/ping", NULL, NULL), 200);
    assert_int_equal(shim_last_state(lb_dir, &b, NULL, NULL), 0);
    assert_int_equal(a.pid, b.pid);
    /* HAProxy itself dies: back with all members */
    kill((pid_t)b.pid, SIGKILL);
    for (int i = 0; i < 500 && (shim_last_state(lb_dir, &a, NULL, NULL) < 0 || a.pid == b.pid || a.pid == 0); i++)
        rest_ms(10);
    for (int i = 0; i < 500 && rig_http(lb, "/ping", NULL, NULL) != 200; i++)
        rest_ms(10);
    assert_int_equal(rig_http(lb, "/ping", NULL, NULL), 200);
}

static void a_used_port_is_named_in_the_status(void **state)
{
    struct rig *r = *state;
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)http_of(r, 0)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_free char *want = mem_printf("port %u is used by another process", http_of(r, 0));
    auto_json cJSON *pod = NULL;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    create_common(r);
    create_host(r, 0);
    rig_await(r, PK_POD, "ch0-0", "status.containerStatuses.0.state.waiting.reason", "\"CrashLoopBackOff\"", 8000);
    pod = rig_get(r, PK_POD, "ch0-0");
    assert_non_null(strstr(json_str(pod, "status.containerStatuses.0.state.waiting.message", ""), want));
    close(fd);
    rig_await_ready(r, "ch0-0", 8000); /* and it comes up when the port is free */
}

static void a_server_that_does_not_start_says_why_in_the_status(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *pod = NULL;

    create_common(r);
    rig_patch(r, PK_CM, "users",
              "{\"data\":{\"bad.xml\":\"<yandex><profiles><default><no_such_setting>1</no_such_setting></default></"
              "profiles></yandex>\"}}");
    create_host(r, 0);
    rig_await(r, PK_POD, "ch0-0", "status.containerStatuses.0.state.waiting.reason", "\"CrashLoopBackOff\"", 8000);
    pod = rig_get(r, PK_POD, "ch0-0");
    assert_non_null(strstr(json_str(pod, "status.containerStatuses.0.state.waiting.message", ""), "no_such_setting"));
}

static void troubleshooting_keeps_the_container_when_the_server_ends(void **state)
{
    struct rig *r = *state;
    auto_free char *script =
        mem_printf("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"clickhouse\",\"image\":"
                   "\"clickhouse/clickhouse-server:24.8\",\"command\":[\"/bin/sh\",\"-c\",\"/entrypoint.sh || "
                   "sleep 1800\"],\"ports\":[{\"name\":\"http\",\"containerPort\":%u}],\"env\":[{\"name\":"
                   "\"OP_PW\",\"value\":\"x\"}],\"volumeMounts\":[{\"name\":\"users\",\"mountPath\":"
                   "\"/etc/clickhouse-server/users.d/\"},{\"name\":\"data\",\"mountPath\":"
                   "\"/var/lib/clickhouse\"}]}]}}}}",
                   http_of(r, 0));

    create_common(r);
    create_host(r, 0);
    rig_await_ready(r, "ch0-0", 10000);
    rig_patch(r, PK_STS, "ch0", script);
    rig_await(r, PK_POD, "ch0-0", "spec.containers.0.command.0", "\"/bin/sh\"", 10000);
    rig_await_ready(r, "ch0-0", 5000);
    for (int i = 0; i < 500 && rig_http(http_of(r, 0), "/ping", NULL, NULL) != 200; i++)
        rest_ms(10);
    assert_int_equal(rig_http(http_of(r, 0), "/ping", NULL, NULL), 200); /* the entry point is the server */
    rig_patch(r, PK_CM, "users",
              "{\"data\":{\"bad.xml\":\"<yandex><profiles><default><no_such_setting>1</no_such_setting></default></"
              "profiles></yandex>\"}}");
    rig_delete(r, PK_POD, "ch0-0", -1, NULL);
    rest_ms(1500);
    rig_await_ready(r, "ch0-0", 10000);
    rest_ms(1500); /* the server has ended long ago */
    rig_await(r, PK_POD, "ch0-0", "status.containerStatuses.0.restartCount", "0", 100);
    assert_int_equal(rig_http(http_of(r, 0), "/ping", NULL, NULL), 0);
}

static void create_keeper(struct rig *r, int id, int members)
{
    unsigned zk = r->base_port + 20 + 2 * (unsigned)id;
    auto_free char *conf = mem_printf(
        "{\"metadata\":{\"name\":\"kh-%d\"},\"data\":{\"id.xml\":\"<clickhouse><keeper_server><server_id>%d</server_id>"
        "</keeper_server></clickhouse>\"}}",
        id, id);
    auto_free char *pod = mem_printf(
        "{\"metadata\":{\"name\":\"zk%d\"},\"spec\":{\"containers\":[{\"name\":\"clickhouse-keeper\",\"image\":"
        "\"clickhouse/clickhouse-keeper:24.8\","
        "\"ports\":[{\"name\":\"zk\",\"containerPort\":%u},{\"name\":\"raft\",\"containerPort\":%u}],"
        "\"readinessProbe\":{\"httpGet\":{\"path\":"
        "\"/"
        "ready\",\"port\":9182},\"initialDelaySeconds\":5,\"periodSeconds\":5},\"livenessProbe\":{\"exec\":{"
        "\"command\":[\"bash\",\"-xc\","
        "\"date && OK=$(exec 3<>/dev/tcp/127.0.0.1/%u; printf 'ruok' >&3; IFS=; tee <&3; exec 3<&-;);if [[ "
        "\\\"${OK}\\\" == \\\"imok\\\" ]]; then "
        "exit 0; else exit 1; "
        "fi\"]},\"initialDelaySeconds\":1,\"periodSeconds\":1},\"volumeMounts\":[{\"name\":\"c\",\"mountPath\":"
        "\"/etc/clickhouse-keeper/keeper_config.d/\"},{\"name\":\"h\",\"mountPath\":\"/etc/clickhouse-keeper/conf.d/"
        "\"}]}],\"volumes\":[{\"name\":"
        "\"c\",\"configMap\":{\"name\":\"kc\"}},{\"name\":\"h\",\"configMap\":{\"name\":\"kh-%d\"}}]}}",
        id, zk, zk + 1, zk, id);

    (void)members;
    rig_create(r, PK_CM, conf);
    rig_create(r, PK_POD, pod);
}

static char *raft(const struct rig *r, int members)
{
    struct str s = STR_INIT;

    str_add(&s,
            "{\"metadata\":{\"name\":\"kc\"},\"data\":{\"raft.xml\":\"<clickhouse><keeper_server><raft_configuration>");
    for (int i = 0; i < members; i++)
        str_addf(&s, "<server><id>%d</id><hostname>127.0.0.1</hostname><port>%u</port></server>", i,
                 r->base_port + 21 + 2 * (unsigned)i);
    str_add(&s, "</raft_configuration></keeper_server></clickhouse>\"}}");
    return str_take(&s);
}

static void a_keeper_is_a_zookeeper_that_answers_its_probes(void **state)
{
    struct rig *r = *state;
    auto_free char *one = raft(r, 1);

    rig_create(r, PK_CM, one);
    create_keeper(r, 0, 1);
    rig_await_ready(r, "zk0", 15000);
    rest_ms(2500); /* the liveness probe is bash speaking to the port */
    rig_await(r, PK_POD, "zk0", "status.containerStatuses.0.restartCount", "0", 100);
}

static void members_that_are_added_make_zookeeper_load_the_new_list(void **state)
{
    struct rig *r = *state;
    auto_free char *one = raft(r, 1), *three = raft(r, 3);

    rig_create(r, PK_CM, one);
    create_keeper(r, 0, 1);
    rig_await_ready(r, "zk0", 15000);
    rig_patch(r, PK_CM, "kc", three);
    create_keeper(r, 1, 3);
    create_keeper(r, 2, 3);
    rig_await_ready(r, "zk1", 20000);
    rig_await_ready(r, "zk2", 20000);
    rig_await(r, PK_POD, "zk0", "status.containerStatuses.0.restartCount", "1", 5000);
    rig_await_ready(r, "zk0", 20000);
}

#define IN_RIG(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        IN_RIG(a_pod_of_the_image_is_a_real_server_with_the_operators_files),
        IN_RIG(a_rolling_restart_behind_the_balancer_loses_no_query),
        IN_RIG(the_balancer_outlives_the_plane_and_is_adopted_without_a_write),
        IN_RIG(a_used_port_is_named_in_the_status),
        IN_RIG(a_server_that_does_not_start_says_why_in_the_status),
        IN_RIG(troubleshooting_keeps_the_container_when_the_server_ends),
        IN_RIG(a_keeper_is_a_zookeeper_that_answers_its_probes),
        IN_RIG(members_that_are_added_make_zookeeper_load_the_new_list),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    alarm(300);
    if (access("/usr/sbin/clickhouse-server", X_OK) < 0 || access("/usr/sbin/haproxy", X_OK) < 0 ||
        access("/usr/share/java/zookeeper.jar", R_OK) < 0) {
        print_message("clickhouse-server, haproxy or zookeeper is not installed: nothing tested\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
