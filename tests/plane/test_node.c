/* SPDX-License-Identifier: Apache-2.0 */
/* StatefulSet, claims, node agent and shim together, with small shell programs as servers. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "plane/shim.h"
#include "tests/plane/rig.h"

static int set_up(void **state)
{
    struct rig *r = mem_zero(sizeof *r);
    auto_free char *programs = NULL;
    static const char text[] = "programs:\n- images: test/sh:*\n  kind: command\n";

    rig_init(r);
    programs = mem_printf("%s/programs.yaml", r->dir);
    assert_int_equal(shim_write(AT_FDCWD, programs, text, strlen(text), 0600, NULL), 0);
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

/* A StatefulSet whose container runs a shell script. `more` goes into the container. */
static void create_set(struct rig *r, const char *name, int replicas, const char *script, const char *more,
                       const char *claims)
{
    auto_free char *text =
        mem_printf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":%d,\"serviceName\":\"%s\",\"selector\":{"
                   "\"matchLabels\":{\"a\":\"%s\"}},"
                   "\"template\":{\"metadata\":{\"labels\":{\"a\":\"%s\"}},\"spec\":{\"terminationGracePeriodSeconds\":"
                   "5,\"containers\":["
                   "{\"name\":\"c\",\"image\":\"test/sh:1\",\"command\":[\"/bin/sh\",\"-c\",\"%s\"]%s}]}}%s}}",
                   name, replicas, name, name, name, script, more, claims);

    rig_create(r, PK_STS, text);
}

#define DATA_CLAIM                                                                                                     \
    ",\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"      \
    "\"resources\":"                                                                                                   \
    "{\"requests\":{\"storage\":\"1Gi\"}}}}]"
#define DATA_MOUNT ",\"volumeMounts\":[{\"name\":\"data\",\"mountPath\":\"/data\"}]"

static void a_set_makes_claim_volume_pod_and_server(void **state)
{
    struct rig *r = *state;
    auto_free char *file = mem_printf("%s/volumes/default_data-web-0/mark", r->dir), *text = NULL;
    auto_json cJSON *pod = NULL;

    create_set(
        r, "web", 1, "echo $POD >/data/mark; exec sleep 1000",
        ",\"env\":[{\"name\":\"POD\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}}]" DATA_MOUNT,
        DATA_CLAIM);
    rig_await_ready(r, "web-0", 5000);
    rig_await(r, PK_PVC, "data-web-0", "status.phase", "\"Bound\"", 1000);
    rig_await(r, PK_PVC, "data-web-0", "status.capacity.storage", "\"1Gi\"", 1000);
    for (int i = 0; i < 100 && !text; i++, rest_ms(10))
        text = shim_read(AT_FDCWD, file);
    assert_string_equal(text, "web-0\n");
    pod = rig_get(r, PK_POD, "web-0");
    assert_string_equal(json_str(pod, "status.phase", ""), "Running");
    assert_string_equal(json_str(pod, "status.qosClass", ""), "BestEffort");
    assert_true(str_starts(json_str(pod, "status.containerStatuses.0.containerID", ""), "chfleet://"));
    assert_int_equal(json_int(pod, "status.containerStatuses.0.restartCount", -1), 0);
    assert_non_null(json_at(pod, "status.containerStatuses.0.state.running.startedAt"));
    rig_await(r, PK_STS, "web", "status.readyReplicas", "1", 1000);
    rig_await(r, PK_STS, "web", "status.availableReplicas", "1", 1000);
}

static void pods_come_one_after_the_other_and_go_in_reverse(void **state)
{
    struct rig *r = *state;

    create_set(r, "ord", 3, "exec sleep 1000", "", "");
    rig_await(r, PK_STS, "ord", "status.readyReplicas", "3", 8000);
    rig_patch(r, PK_STS, "ord", "{\"spec\":{\"replicas\":1}}");
    rig_await(r, PK_STS, "ord", "status.replicas", "1", 8000);
    rig_await(r, PK_POD, "ord-2", "", NULL, 100);
    rig_await(r, PK_POD, "ord-1", "", NULL, 100);
    assert_true(rig_pod_ready(r, "ord-0"));
    rig_patch(r, PK_STS, "ord", "{\"spec\":{\"replicas\":0}}");
    rig_await(r, PK_STS, "ord", "status.replicas", "0", 8000);
}

static void a_new_template_rolls_the_pods_and_the_revision_follows(void **state)
{
    struct rig *r = *state;
    auto_free char *before = NULL, *after = NULL, *rev = NULL;
    auto_json cJSON *sts = NULL;

    create_set(r, "roll", 2, "exec sleep 1000", "", "");
    rig_await(r, PK_STS, "roll", "status.readyReplicas", "2", 8000);
    before = rig_container_id(r, "roll-1");
    sts = rig_get(r, PK_STS, "roll");
    rev = mem_str(json_str(sts, "status.currentRevision", ""));
    rig_patch(r, PK_STS, "roll", "{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"x\":\"y\"}}}}}");
    rig_await(r, PK_STS, "roll", "status.observedGeneration", "2", 2000);
    for (int i = 0; i < 800; i++, rest_ms(10)) {
        cJSON_Delete(sts);
        sts = rig_get(r, PK_STS, "roll");
        if (json_int(sts, "status.updatedReplicas", 0) == 2 && json_int(sts, "status.readyReplicas", 0) == 2)
            break;
    }
    after = rig_container_id(r, "roll-1");
    assert_string_not_equal(before, after);
    assert_string_not_equal(json_str(sts, "status.currentRevision", ""), rev);
    assert_string_equal(json_str(sts, "status.currentRevision", "a"), json_str(sts, "status.updateRevision", "b"));
}

static void orphaned_pods_are_adopted_without_a_restart(void **state)
{
    struct rig *r = *state;
    auto_free char *before = NULL, *after = NULL;

    create_set(r, "orph", 1, "exec sleep 1000", DATA_MOUNT, DATA_CLAIM);
    rig_await_ready(r, "orph-0", 5000);
    before = rig_container_id(r, "orph-0");
    rig_delete(r, PK_STS, "orph", -1, "Orphan");
    rig_await(r, PK_STS, "orph", "", NULL, 3000);
    rest_ms(200);
    assert_true(rig_pod_ready(r, "orph-0"));
    create_set(r, "orph", 1, "exec sleep 1000", DATA_MOUNT, DATA_CLAIM);
    rig_await(r, PK_STS, "orph", "status.readyReplicas", "1", 3000);
    after = rig_container_id(r, "orph-0");
    assert_string_equal(before, after);
    rig_await(r, PK_POD, "orph-0", "metadata.ownerReferences.0.kind", "\"StatefulSet\"", 1000);
}

static void a_deleted_claim_waits_for_its_pod_and_takes_the_directory_along(void **state)
{
    struct rig *r = *state;
    auto_free char *dir = mem_printf("%s/volumes/default_data-gone-0", r->dir);

    create_set(r, "gone", 1, "exec sleep 1000", DATA_MOUNT, DATA_CLAIM);
    rig_await_ready(r, "gone-0", 5000);
    rig_delete(r, PK_PVC, "data-gone-0", -1, NULL);
    rest_ms(200);
    assert_int_equal(access(dir, F_OK), 0);
    rig_patch(r, PK_STS, "gone", "{\"spec\":{\"replicas\":0}}");
    rig_await(r, PK_PVC, "data-gone-0", "", NULL, 8000);
    for (int i = 0; i < 200 && access(dir, F_OK) == 0; i++)
        rest_ms(10);
    assert_int_equal(access(dir, F_OK), -1);
}

static void a_claim_grows_and_its_volume_with_it(void **state)
{
    struct rig *r = *state;

    create_set(r, "big", 1, "exec sleep 1000", DATA_MOUNT, DATA_CLAIM);
    rig_await(r, PK_PVC, "data-big-0", "status.capacity.storage", "\"1Gi\"", 3000);
    rig_patch(r, PK_PVC, "data-big-0", "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}");
    rig_await(r, PK_PVC, "data-big-0", "status.capacity.storage", "\"2Gi\"", 3000);
}

/* Waits until another shim than `old` guards the pod's server; returns the server. */
static pid_t await_other_shim(struct rig *r, const char *pod, pid_t old)
{
    pid_t shim = old, server = 0;

    for (int i = 0; i < 500 && (shim == old || !shim_proc_start(shim)); i++, rest_ms(10))
        server = rig_server_pid(r, pod, &shim);
    assert_true(shim != old);
    return server;
}

static void killing_plane_shim_or_server_by_turns_restarts_only_the_server(void **state)
{
    struct rig *r = *state;
    auto_free char *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    pid_t shim, server;

    create_set(r, "kill", 1, "exec sleep 1000", "", "");
    rig_await_ready(r, "kill-0", 5000);
    a = rig_container_id(r, "kill-0");
    /* the plane */
    rig_kill(r, SIGKILL);
    rig_start(r);
    rest_ms(300);
    assert_true(rig_pod_ready(r, "kill-0"));
    b = rig_container_id(r, "kill-0");
    assert_string_equal(a, b);
    /* the shim: the plane starts another, which adopts the server */
    server = rig_server_pid(r, "kill-0", &shim);
    kill(shim, SIGKILL);
    assert_int_equal(await_other_shim(r, "kill-0", shim), server);
    rig_server_pid(r, "kill-0", &shim);
    assert_true(rig_pod_ready(r, "kill-0"));
    /* plane and shim */
    rig_kill(r, SIGKILL);
    kill(shim, SIGKILL);
    rig_start(r);
    assert_int_equal(await_other_shim(r, "kill-0", shim), server);
    rig_await_ready(r, "kill-0", 2000);
    /* the server */
    kill(server, SIGKILL);
    rig_await(r, PK_POD, "kill-0", "status.containerStatuses.0.restartCount", "1", 5000);
    rig_await_ready(r, "kill-0", 5000);
    c = rig_container_id(r, "kill-0");
    assert_string_not_equal(a, c);
    /* all three */
    server = rig_server_pid(r, "kill-0", &shim);
    rig_kill(r, SIGKILL);
    kill(shim, SIGKILL);
    kill(server, SIGKILL);
    rig_start(r);
    rig_await(r, PK_POD, "kill-0", "status.containerStatuses.0.restartCount", "2", 5000);
    rig_await_ready(r, "kill-0", 5000);
    d = rig_container_id(r, "kill-0");
    assert_string_not_equal(c, d);
}

static void a_new_plane_writes_nothing_about_pods_that_did_not_change(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *before = NULL, *after = NULL;

    create_set(r, "calm", 1, "exec sleep 1000",
               ",\"readinessProbe\":{\"periodSeconds\":1,\"exec\":{\"command\":[\"/bin/true\"]}}" DATA_MOUNT,
               DATA_CLAIM);
    rig_await_ready(r, "calm-0", 5000);
    rest_ms(200);
    before = rig_get(r, PK_POD, "calm-0");
    for (int i = 0; i < 3; i++) {
        rig_kill(r, SIGKILL);
        rig_start(r);
        rest_ms(300);
    }
    after = rig_get(r, PK_POD, "calm-0");
    assert_true(json_same(before, after));
}

/* As if the machine had been started anew: no process of before is there, and the files speak of another boot. */
static void fake_reboot(struct rig *r, const char *pod)
{
    auto_json cJSON *obj = rig_get(r, PK_POD, pod);
    auto_free char *cmd =
        mem_printf("sed -i 's/boot=[^ ]*/boot=11111111-2222-3333-4444-555555555555/' "
                   "%s/pods/default_%s_%s/containers/*/state %s/pods/default_%s_%s/containers/*/server",
                   r->dir, pod, json_uid(obj), r->dir, pod, json_uid(obj));
    pid_t shim, server = rig_server_pid(r, pod, &shim);

    rig_kill(r, SIGKILL);
    kill(shim, SIGKILL);
    kill(server, SIGKILL);
    rest_ms(50);
    assert_int_equal(system(cmd), 0);
}

static void after_a_reboot_everything_starts_again(void **state)
{
    struct rig *r = *state;
    auto_free char *before = NULL, *after = NULL;

    create_set(r, "boot", 1, "exec sleep 1000", DATA_MOUNT, DATA_CLAIM);
    rig_await_ready(r, "boot-0", 5000);
    before = rig_container_id(r, "boot-0");
    fake_reboot(r, "boot-0");
    rig_start(r);
    rig_await(r, PK_POD, "boot-0", "status.containerStatuses.0.restartCount", "1", 5000);
    rig_await_ready(r, "boot-0", 5000);
    after = rig_container_id(r, "boot-0");
    assert_string_not_equal(before, after);
}

static void a_closed_node_takes_no_pods_until_it_is_opened(void **state)
{
    struct rig *r = *state;

    rig_patch(r, PK_NODE, "rig", "{\"spec\":{\"unschedulable\":true}}");
    create_set(r, "cord", 1, "exec sleep 1000", "", "");
    rig_await(r, PK_POD, "cord-0", "status.conditions.0.reason", "\"Unschedulable\"", 3000);
    rig_patch(r, PK_NODE, "rig", "{\"spec\":{\"unschedulable\":null}}");
    rig_await_ready(r, "cord-0", 3000);
}

static void a_pod_deleted_while_no_plane_ran_leaves_nothing(void **state)
{
    struct rig *r = *state;
    pid_t shim, server;
    uint64_t start;

    rig_create(
        r, PK_POD,
        "{\"metadata\":{\"name\":\"del\"},\"spec\":{\"terminationGracePeriodSeconds\":1,\"containers\":[{\"name\":"
        "\"c\","
        "\"image\":\"test/sh:1\",\"command\":[\"/bin/sh\",\"-c\",\"trap '' TERM; while :; do sleep 0.1; done\"]}]}}");
    rig_await_ready(r, "del", 5000);
    server = rig_server_pid(r, "del", &shim);
    start = shim_proc_start(server);
    rig_delete(r, PK_POD, "del", -1, NULL);
    rig_await(r, PK_POD, "del", "metadata.deletionGracePeriodSeconds", "1", 3000);
    rest_ms(100);         /* the deletion is on disk: the API would not have answered before */
    rig_kill(r, SIGKILL); /* in the middle of the stop */
    kill(shim, SIGKILL);
    rig_start(r);
    rig_await(r, PK_POD, "del", "", NULL, 15000);
    assert_true(shim_proc_start(server) != start);
}

static void a_changed_configmap_reaches_the_mount_in_a_later_second(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *pod = NULL;
    auto_free char *path = NULL, *text = NULL;
    struct stat a, b;

    rig_create(r, PK_CM, "{\"metadata\":{\"name\":\"conf\"},\"data\":{\"one.xml\":\"1\",\"two.xml\":\"2\"}}");
    rig_create(r, PK_POD,
               "{\"metadata\":{\"name\":\"m\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"test/"
               "sh:1\",\"command\":[\"/bin/sh\","
               "\"-c\",\"exec sleep "
               "1000\"],\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/etc/x\"}]}],\"volumes\":[{\"name\":\"v\","
               "\"configMap\":{\"name\":\"conf\"}}]}}");
    rig_await_ready(r, "m", 5000);
    pod = rig_get(r, PK_POD, "m");
    path = mem_printf("%s/pods/default_m_%s/volumes/v/one.xml", r->dir, json_uid(pod));
    assert_int_equal(stat(path, &a), 0);
    rig_patch(r, PK_CM, "conf", "{\"data\":{\"one.xml\":\"one\",\"two.xml\":null,\"three.xml\":\"3\"}}");
    for (int i = 0; i < 200 && !str_eq(text, "one"); i++, rest_ms(10)) {
        free(text);
        text = shim_read(AT_FDCWD, path);
    }
    assert_string_equal(text, "one");
    assert_int_equal(stat(path, &b), 0);
    assert_true(b.st_mtime > a.st_mtime);
    memcpy(strrchr(path, '/'), "/two.xml", 8);
    assert_int_equal(access(path, F_OK), -1);
}

static void secrets_become_files_of_their_mode_and_environment(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *pod = NULL;
    auto_free char *path = NULL, *log = NULL, *text = NULL;
    struct stat st;

    rig_create(r, PK_SECRET, "{\"metadata\":{\"name\":\"s\"},\"data\":{\"pw\":\"aHVzaA==\"}}");
    rig_create(r, PK_POD,
               "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"test/"
               "sh:1\",\"command\":[\"/bin/sh\","
               "\"-c\",\"cat /sec/a/pw; echo -$PW; exec sleep "
               "1000\"],\"env\":[{\"name\":\"PW\",\"valueFrom\":{\"secretKeyRef\":{\"name\":"
               "\"s\",\"key\":\"pw\"}}}],\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/"
               "sec\"}]}],\"volumes\":[{\"name\":\"v\","
               "\"secret\":{\"secretName\":\"s\",\"items\":[{\"key\":\"pw\",\"path\":\"a/pw\",\"mode\":256}]}}]}}");
    rig_await_ready(r, "s", 5000);
    pod = rig_get(r, PK_POD, "s");
    path = mem_printf("%s/pods/default_s_%s/volumes/v/a/pw", r->dir, json_uid(pod));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    log = mem_printf("%s/pods/default_s_%s/containers/c/log", r->dir, json_uid(pod));
    for (int i = 0; i < 200 && !(text && strchr(text, '\n')); i++, rest_ms(10)) {
        free(text);
        text = shim_read(AT_FDCWD, log);
    }
    assert_string_equal(text, "hush-hush\n");
}

static void an_image_without_a_program_waits_and_says_what_to_add(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *pod = NULL;

    rig_create(
        r, PK_POD,
        "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"acme/thing:2\"}]}}");
    rig_await(r, PK_POD, "n", "status.containerStatuses.0.state.waiting.reason", "\"ProgramMissing\"", 3000);
    pod = rig_get(r, PK_POD, "n");
    assert_non_null(
        strstr(json_str(pod, "status.containerStatuses.0.state.waiting.message", ""), "images: 'acme/thing:*'"));
    assert_string_equal(json_str(pod, "status.phase", ""), "Pending");
    rig_delete(r, PK_POD, "n", -1, NULL);
    rig_await(r, PK_POD, "n", "", NULL, 3000);
}

static void a_crash_loop_is_waiting_with_its_last_exit(void **state)
{
    struct rig *r = *state;

    create_set(r, "crash", 1, "exit 3", "", "");
    rig_await(r, PK_POD, "crash-0", "status.containerStatuses.0.state.waiting.reason", "\"CrashLoopBackOff\"", 5000);
    rig_await(r, PK_POD, "crash-0", "status.containerStatuses.0.lastState.terminated.exitCode", "3", 1000);
    rig_await(r, PK_POD, "crash-0", "status.containerStatuses.0.restartCount", "2", 5000);
}

static void a_job_like_pod_ends_as_succeeded(void **state)
{
    struct rig *r = *state;

    rig_create(r, PK_POD,
               "{\"metadata\":{\"name\":\"once\"},\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":"
               "\"c\",\"image\":"
               "\"test/sh:1\",\"command\":[\"/bin/true\"]}]}}");
    rig_await(r, PK_POD, "once", "status.phase", "\"Succeeded\"", 5000);
    rig_await(r, PK_POD, "once", "status.containerStatuses.0.state.terminated.reason", "\"Completed\"", 1000);
    rig_delete(r, PK_POD, "once", -1, NULL);
    rig_await(r, PK_POD, "once", "", NULL, 3000);
}

static void probes_gate_readiness_and_liveness_restarts(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *pod = NULL;
    auto_free char *ok = NULL;

    create_set(
        r, "pr", 1, "touch ok; exec sleep 1000",
        ",\"readinessProbe\":{\"periodSeconds\":1,\"exec\":{\"command\":[\"test\",\"-e\",\"/cdir/ok\"]}},"
        "\"livenessProbe\":{\"periodSeconds\":1,\"failureThreshold\":2,\"exec\":{\"command\":[\"test\",\"-e\",\"/cdir/"
        "ok\"]}},"
        "\"volumeMounts\":[{\"name\":\"h\",\"mountPath\":\"/cdir\"}]},{\"name\":\"d\",\"image\":\"test/"
        "sh:1\",\"command\":"
        "[\"/bin/sh\",\"-c\",\"touch /cdir/ok; sleep 1; rm /cdir/ok; exec sleep "
        "1000\"],\"volumeMounts\":[{\"name\":\"h\","
        "\"mountPath\":\"/"
        "cdir\"}]}],\"volumes\":[{\"name\":\"h\",\"emptyDir\":{}}],\"initContainers\":[{\"name\":\"i\",\"image\":"
        "\"test/sh:1\",\"command\":[\"/bin/true\"]",
        "");
    rig_await_ready(r, "pr-0", 8000);
    rig_await(r, PK_POD, "pr-0", "status.containerStatuses.0.restartCount", "1", 10000);
    rig_await(r, PK_POD, "pr-0", "status.containerStatuses.0.ready", "false", 5000);
    pod = rig_get(r, PK_POD, "pr-0");
    assert_string_equal(json_str(pod, "status.initContainerStatuses.0.state.terminated.reason", ""), "Completed");
}

/* Takes one connection and its request, and answers with 204. */
static void serve_once(int listen_fd, char *request, size_t size)
{
    struct pollfd p = {listen_fd, POLLIN, 0};
    size_t n = 0;
    ssize_t got = 1;
    int fd;

    assert_int_equal(poll(&p, 1, 5000), 1);
    fd = accept(listen_fd, NULL, NULL);
    request[0] = '\0';
    while (got > 0 && n < size - 1 && !strstr(request, "\r\n\r\n")) {
        got = read(fd, request + n, size - 1 - n);
        n += got > 0 ? (size_t)got : 0;
        request[n] = '\0';
    }
    assert_int_equal(write(fd, "HTTP/1.1 204 No Content\r\n\r\n", 27), 27);
    close(fd);
}

static int listen_any(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void hooks_ask_over_http_and_a_stop_waits_for_its_hook(void **state)
{
    struct rig *r = *state;
    unsigned port = 0;
    auto_close int fd = listen_any(&port);
    auto_free char *hooks = mem_printf(
        ",\"ports\":[{\"name\":\"hook\",\"containerPort\":%u}],\"lifecycle\":{\"postStart\":{\"httpGet\":{\"port\":"
        "\"hook\",\"path\":\"/begun\",\"httpHeaders\":[{\"name\":\"X-From\",\"value\":\"test\"}]}},"
        "\"preStop\":{\"httpGet\":{\"port\":%u,\"path\":\"/ends\"}}}",
        port, port);
    char request[1024];
    pid_t shim, server;
    uint64_t start;

    create_set(r, "hook", 1, "exec sleep 1000", hooks, "");
    serve_once(fd, request, sizeof request);
    assert_true(str_starts(request, "GET /begun HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\nX-From: test\r\n"));
    rig_await_ready(r, "hook-0", 3000);
    server = rig_server_pid(r, "hook-0", &shim);
    start = shim_proc_start(server);
    rig_patch(r, PK_STS, "hook", "{\"spec\":{\"replicas\":0}}");
    rig_await(r, PK_POD, "hook-0", "metadata.deletionGracePeriodSeconds", "5", 3000);
    rest_ms(300);
    assert_int_equal(shim_proc_start(server), start); /* the hook has no answer yet */
    serve_once(fd, request, sizeof request);
    assert_true(str_starts(request, "GET /ends "));
    rig_await(r, PK_POD, "hook-0", "", NULL, 3000);
    assert_true(shim_proc_start(server) != start);
}

static void a_stop_waits_for_a_sleep_hook_unless_it_is_forced(void **state)
{
    struct rig *r = *state;
    pid_t shim, server;
    uint64_t start;

    create_set(r, "nap", 1, "exec sleep 1000", ",\"lifecycle\":{\"preStop\":{\"sleep\":{\"seconds\":60}}}", "");
    rig_await_ready(r, "nap-0", 5000);
    server = rig_server_pid(r, "nap-0", &shim);
    start = shim_proc_start(server);
    rig_patch(r, PK_STS, "nap", "{\"spec\":{\"replicas\":0}}");
    rig_await(r, PK_POD, "nap-0", "metadata.deletionGracePeriodSeconds", "5", 3000);
    rest_ms(300);
    assert_int_equal(shim_proc_start(server), start);
    rig_delete(r, PK_POD, "nap-0", 0, NULL);
    for (int i = 0; i < 200 && shim_proc_start(server) == start; i++)
        rest_ms(10);
    assert_true(shim_proc_start(server) != start);
}

static void a_hook_that_cannot_be_run_is_said_instead_of_skipped(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *pod = NULL;

    create_set(r, "sock", 1, "exec sleep 1000", ",\"lifecycle\":{\"preStop\":{\"tcpSocket\":{\"port\":1}}}", "");
    rig_await(r, PK_POD, "sock-0", "status.containerStatuses.0.state.waiting.reason", "\"CreateContainerConfigError\"",
              3000);
    pod = rig_get(r, PK_POD, "sock-0");
    assert_non_null(strstr(json_str(pod, "status.containerStatuses.0.state.waiting.message", ""),
                           "tcpSocket hooks are not supported"));
}

static void a_volume_of_a_kind_that_is_not_there_is_said(void **state)
{
    struct rig *r = *state;
    auto_json cJSON *pod = NULL;

    rig_create(r, PK_POD,
               "{\"metadata\":{\"name\":\"proj\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"test/"
               "sh:1\",\"command\":[\"/bin/true\"]}],\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{"
               "\"downwardAPI\":{\"items\":[{\"path\":\"n\",\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}]}}]}}]}}");
    rig_await(r, PK_POD, "proj", "status.containerStatuses.0.state.waiting.reason", "\"ContainerCreating\"", 3000);
    for (int i = 0; i < 100; i++, rest_ms(10)) {
        cJSON_Delete(pod);
        pod = rig_get(r, PK_POD, "proj");
        if (*json_str(pod, "status.containerStatuses.0.state.waiting.message", ""))
            break;
    }
    assert_non_null(strstr(json_str(pod, "status.containerStatuses.0.state.waiting.message", ""),
                           "volume v is of a kind the plane does not have"));
}

#define IN_RIG(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        IN_RIG(a_set_makes_claim_volume_pod_and_server),
        IN_RIG(pods_come_one_after_the_other_and_go_in_reverse),
        IN_RIG(a_new_template_rolls_the_pods_and_the_revision_follows),
        IN_RIG(orphaned_pods_are_adopted_without_a_restart),
        IN_RIG(a_deleted_claim_waits_for_its_pod_and_takes_the_directory_along),
        IN_RIG(a_claim_grows_and_its_volume_with_it),
        IN_RIG(killing_plane_shim_or_server_by_turns_restarts_only_the_server),
        IN_RIG(a_new_plane_writes_nothing_about_pods_that_did_not_change),
        IN_RIG(after_a_reboot_everything_starts_again),
        IN_RIG(a_closed_node_takes_no_pods_until_it_is_opened),
        IN_RIG(a_pod_deleted_while_no_plane_ran_leaves_nothing),
        IN_RIG(a_changed_configmap_reaches_the_mount_in_a_later_second),
        IN_RIG(secrets_become_files_of_their_mode_and_environment),
        IN_RIG(an_image_without_a_program_waits_and_says_what_to_add),
        IN_RIG(a_crash_loop_is_waiting_with_its_last_exit),
        IN_RIG(a_job_like_pod_ends_as_succeeded),
        IN_RIG(probes_gate_readiness_and_liveness_restarts),
        IN_RIG(hooks_ask_over_http_and_a_stop_waits_for_its_hook),
        IN_RIG(a_stop_waits_for_a_sleep_hook_unless_it_is_forced),
        IN_RIG(a_hook_that_cannot_be_run_is_said_instead_of_skipped),
        IN_RIG(a_volume_of_a_kind_that_is_not_there_is_said),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    alarm(240);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
