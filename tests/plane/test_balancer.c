/* SPDX-License-Identifier: Apache-2.0 */
/* A balancer that cannot work: it says so, and works as soon as it can. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/shim.h"
#include "tests/plane/rig.h"

static const char real[] = "/usr/sbin/haproxy";

struct box {
    struct rig r;
    char *haproxy; /* what the plane takes for HAProxy */
};

static int set_up(void **state)
{
    struct box *b = mem_zero(sizeof *b);
    auto_free char *programs = NULL;
    static const char text[] = "programs:\n- images: test/sh:*\n  kind: command\n";

    rig_init(&b->r);
    programs = mem_printf("%s/programs.yaml", b->r.dir);
    b->haproxy = mem_printf("%s/haproxy", b->r.dir);
    assert_int_equal(shim_write(AT_FDCWD, programs, text, strlen(text), 0600, NULL), 0);
    setenv("RIG_HAPROXY", b->haproxy, 1);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct box *b = *state;

    rig_fini(&b->r);
    free(b->haproxy);
    free(b);
    return 0;
}

static void create_service(struct box *b, const char *name, unsigned port)
{
    auto_free char *text =
        mem_printf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"type\":\"LoadBalancer\",\"selector\":{\"app\":\"x\"},"
                   "\"ports\":[{\"name\":\"tcp\",\"port\":%u}]}}",
                   name, port);

    rig_create(&b->r, PK_SVC, text);
}

/* Waits for an event of that reason about the Service, with `words` in it. */
static void await_event(struct box *b, const char *service, const char *reason, const char *words)
{
    auto_json cJSON *all = NULL;
    const cJSON *e;

    for (int i = 0; i < 600; i++, rest_ms(20)) {
        cJSON_Delete(all);
        all = rig_list(&b->r, PK_EVENT);
        cJSON_ArrayForEach(e, all)
            if (strcmp(json_str(e, "involvedObject.name", ""), service) == 0 &&
                strcmp(json_str(e, "reason", ""), reason) == 0 && strstr(json_str(e, "message", ""), words))
                return;
    }
    fail_msg("no event %s about Service %s that says \"%s\"", reason, service, words);
}

static bool accepts(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;

    close(fd);
    return ok;
}

static void await_accepts(unsigned port)
{
    for (int i = 0; i < 750 && !accepts(port); i++)
        rest_ms(20);
    assert_true(accepts(port));
}

static void a_missing_haproxy_is_said_and_looked_for_again(void **state)
{
    struct box *b = *state;

    rig_start(&b->r);
    create_service(b, "one", b->r.base_port);
    rig_await(&b->r, PK_NODE, "rig", "status.conditions.1.reason", "\"HAProxyMissing\"", 3000);
    await_event(b, "one", "BalancerFailed", "install it");
    assert_int_equal(symlink(real, b->haproxy), 0);
    await_accepts(b->r.base_port);
    rig_await(&b->r, PK_NODE, "rig", "status.conditions.1.status", "\"True\"", 3000);
}

static void a_haproxy_that_does_not_start_is_said_with_its_words(void **state)
{
    struct box *b = *state;
    static const char script[] = "#!/bin/sh\necho '[ALERT] (1) : out of order'\nexit 1\n";

    assert_int_equal(shim_write(AT_FDCWD, b->haproxy, script, strlen(script), 0700, NULL), 0);
    assert_int_equal(chmod(b->haproxy, 0700), 0);
    rig_start(&b->r);
    create_service(b, "one", b->r.base_port + 1);
    await_event(b, "one", "BalancerFailed", "out of order");
    rig_await(&b->r, PK_NODE, "rig", "status.conditions.1.reason", "\"HAProxyFailed\"", 3000);
    unlink(b->haproxy);
    assert_int_equal(symlink(real, b->haproxy), 0);
    await_event(b, "one", "Balanced", "works again");
    await_accepts(b->r.base_port + 1);
    rig_await(&b->r, PK_NODE, "rig", "status.conditions.1.status", "\"True\"", 3000);
}

/* A process that listens there. (In this one the plane, a fork of it, would hold the port too.) */
static pid_t take_port(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int ready[2], on = 1;
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        for (int i = 0; i < 500 && bind(fd, (struct sockaddr *)&a, sizeof a) < 0; i++)
            rest_ms(10);
        if (listen(fd, 1) == 0 && write(ready[1], "", 1) == 1)
            sleep(60);
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

/* As after a reboot: HAProxy does not run, and somebody else was faster. */
static void a_taken_port_costs_its_own_service_only_until_it_is_free(void **state)
{
    struct box *b = *state;
    unsigned port = b->r.base_port + 2;
    auto_free char *lb = mem_printf("%s/lb", b->r.dir);
    pid_t other;

    assert_int_equal(symlink(real, b->haproxy), 0);
    rig_start(&b->r);
    create_service(b, "one", port);
    create_service(b, "two", port + 1);
    await_accepts(port);
    await_accepts(port + 1);
    rig_kill(&b->r, SIGKILL);
    assert_int_equal(shim_call(lb, "stop 0", 1000, NULL), 0);
    other = take_port(port);
    rig_start(&b->r);
    await_event(b, "one", "PortTaken", "used by another process");
    await_accepts(port + 1);
    kill(other, SIGKILL);
    assert_int_equal(waitpid(other, NULL, 0), other);
    await_event(b, "one", "Balanced", "free again");
    await_accepts(port);
}

#define IN_BOX(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        IN_BOX(a_missing_haproxy_is_said_and_looked_for_again),
        IN_BOX(a_haproxy_that_does_not_start_is_said_with_its_words),
        IN_BOX(a_taken_port_costs_its_own_service_only_until_it_is_free),
    };

    if (access(real, X_OK) < 0)
        return 77; /* skipped */
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
