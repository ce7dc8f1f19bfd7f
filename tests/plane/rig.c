/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/plane/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/world_real.h"
#include "plane/controllers.h"
#include "plane/shim.h"

enum { T_CREATE = 2, T_PATCH, T_DELETE, T_GET, T_LIST };

/* ---- the plane's process ---- */

struct runner {
    struct plane p;
    int fd;
    struct str in;
};

static int append(void *ctx, const cJSON *obj)
{
    cJSON_AddItemToArray(ctx, json_copy(obj));
    return 0;
}

/* req: {kind, name, body, grace, propagation} → {ok, error, object} */
static cJSON *serve(struct runner *r, int type, const cJSON *req)
{
    enum plane_kind kind = (enum plane_kind)json_int(req, "kind", 0);
    const char *name = json_str(req, "name", ""), *ns = plane_kind_namespaced(kind) ? "default" : NULL;
    struct store_delete d = {.grace_s = json_int(req, "grace", -1), .propagation = json_str(req, "propagation", NULL)};
    cJSON *res = cJSON_CreateObject(), *body;
    const cJSON *obj = NULL;
    struct err e = ERR_INIT;
    int rc = 0;

    if (type == T_CREATE) {
        body = json_copy(json_get(req, "body"));
        if (ns)
            json_set_str(json_need_obj(body, "metadata"), "namespace", ns);
        rc = store_create(r->p.store, kind, body, 0, &obj, &e);
    } else if (type == T_PATCH) {
        rc = store_patch(r->p.store, kind, ns, name, json_get(req, "body"), 0, &obj, &e);
    } else if (type == T_DELETE) {
        rc = store_delete(r->p.store, kind, ns, name, &d, NULL, NULL, &e);
    } else if (type == T_GET) {
        obj = store_get(r->p.store, kind, ns, name);
    } else {
        store_each(r->p.store, kind, NULL, NULL, append, json_set_arr(res, "object"));
    }
    json_set_bool(res, "ok", rc == 0);
    json_set_str(res, "error", e.msg);
    if (obj)
        json_set(res, "object", json_copy(obj));
    return res;
}

static void on_request(evutil_socket_t fd, short what, void *ctx)
{
    struct runner *r = ctx;
    char buf[65536];
    ssize_t n = read(fd, buf, sizeof buf);
    struct frame f;
    size_t used;

    (void)what;
    if (n <= 0)
        _exit(0);
    str_addn(&r->in, buf, (size_t)n);
    while (frame_get(&r->in, &f, &used, NULL) == 1) {
        auto_json cJSON *req = json_parse(f.body, f.len, NULL), *res = serve(r, f.type, req);
        auto_free char *text = json_print(res);
        auto_str struct str out = STR_INIT;

        frame_put(&out, f.type, 0, 0, text, strlen(text));
        for (size_t at = 0; at < out.len;) {
            ssize_t w = write(fd, out.s + at, out.len - at);

            if (w <= 0)
                _exit(1);
            at += (size_t)w;
        }
        str_cut(&r->in, used);
    }
}

static _Noreturn void run_plane(const char *dir, int fd)
{
    struct runner r = {.fd = fd};
    auto_free char *db = mem_printf("%s/plane.db", dir);
    struct err e = ERR_INIT;
    struct event *ev;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    log_init("plane", getenv("RIG_LOG") ? LOG_DBG : LOG_ERR);
    if (world_real_new(NULL, &r.p.w, &e) < 0 || store_open(r.p.w, db, &r.p.store, &e) < 0)
        goto fail;
    r.p.data_dir = dir; /* a test's programs.yaml lies in it */
    r.p.node_name = "rig";
    r.p.haproxy = getenv("RIG_HAPROXY");
    r.p.base = world_real_base(r.p.w);
    if (!store_get(r.p.store, PK_NS, NULL, "default"))
        store_create(r.p.store, PK_NS, store_new_object(PK_NS, NULL, "default"), STORE_SYSTEM, NULL, NULL);
    if (controllers_start(&r.p, &e) < 0)
        goto fail;
    ev = event_new(r.p.base, fd, EV_READ | EV_PERSIST, on_request, &r);
    event_add(ev, NULL);
    _exit(world_real_run(r.p.w));
fail:
    fprintf(stderr, "plane: %s\n", e.msg);
    _exit(1);
}

/* ---- the test's side ---- */

void rest_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    snprintf(r->dir, sizeof r->dir, "/tmp/plane-test-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->fd = -1;
    r->base_port = 20000 + (unsigned)getpid() % 200 * 50;
}

void rig_start(struct rig *r)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fflush(NULL);
    r->plane = fork();
    if (r->plane == 0) {
        close(pair[0]);
        run_plane(r->dir, pair[1]);
    }
    close(pair[1]);
    r->fd = pair[0];
}

void rig_kill(struct rig *r, int signo)
{
    if (r->plane <= 0)
        return;
    kill(r->plane, signo);
    waitpid(r->plane, NULL, 0);
    close(r->fd);
    r->plane = 0;
    r->fd = -1;
}

void rig_fini(struct rig *r)
{
    auto_free char *rm = mem_printf("rm -rf %s", r->dir), *lb = mem_printf("%s/lb", r->dir);
    struct err e = ERR_INIT;
    struct shim_state st;
    bool alive = true;

    rig_kill(r, SIGKILL);
    if (shim_stop_all(r->dir, 0, 20000, &e) < 0)
        print_message("%s\n", e.msg);
    shim_call(lb, "stop 0", 2000, NULL);
    for (int i = 0; i < 200 && alive && shim_last_state(lb, &st, &alive, NULL) == 0; i++)
        rest_ms(10);
    if (!getenv("RIG_KEEP"))
        assert_int_equal(system(rm), 0);
}

static cJSON *call(struct rig *r, int type, cJSON *takes)
{
    auto_json cJSON *req = takes;
    auto_free char *text = json_print(req);
    auto_str struct str out = STR_INIT, in = STR_INIT;
    struct frame f;
    size_t used;
    char buf[65536];

    frame_put(&out, (uint16_t)type, 0, 0, text, strlen(text));
    if (write(r->fd, out.s, out.len) != (ssize_t)out.len)
        fail_msg("the plane is gone");
    while (frame_get(&in, &f, &used, NULL) != 1) {
        ssize_t n = read(r->fd, buf, sizeof buf);

        if (n <= 0)
            fail_msg("the plane is gone");
        str_addn(&in, buf, (size_t)n);
    }
    return json_parse(f.body, f.len, NULL);
}

static cJSON *request(enum plane_kind kind, const char *name, const char *body)
{
    cJSON *req = cJSON_CreateObject();
    struct err e = ERR_INIT;

    json_set_int(req, "kind", kind);
    json_set_str(req, "name", name ? name : "");
    if (body) {
        cJSON *j = json_parse(body, strlen(body), &e);

        if (!j)
            fail_msg("%s: %s", e.msg, body);
        json_set(req, "body", j);
    }
    return req;
}

static void demand(struct rig *r, int type, cJSON *req)
{
    auto_json cJSON *res = call(r, type, req);

    if (!json_bool(res, "ok", false))
        fail_msg("%s", json_str(res, "error", "?"));
}

void rig_create(struct rig *r, enum plane_kind kind, const char *json)
{
    demand(r, T_CREATE, request(kind, NULL, json));
}

void rig_patch(struct rig *r, enum plane_kind kind, const char *name, const char *merge_patch)
{
    demand(r, T_PATCH, request(kind, name, merge_patch));
}

void rig_delete(struct rig *r, enum plane_kind kind, const char *name, int grace_s, const char *propagation)
{
    cJSON *req = request(kind, name, NULL);

    json_set_int(req, "grace", grace_s);
    if (propagation)
        json_set_str(req, "propagation", propagation);
    demand(r, T_DELETE, req);
}

cJSON *rig_get(struct rig *r, enum plane_kind kind, const char *name)
{
    auto_json cJSON *res = call(r, T_GET, request(kind, name, NULL));

    return cJSON_DetachItemFromObjectCaseSensitive(res, "object");
}

cJSON *rig_list(struct rig *r, enum plane_kind kind)
{
    auto_json cJSON *res = call(r, T_LIST, request(kind, NULL, NULL));

    return cJSON_DetachItemFromObjectCaseSensitive(res, "object");
}

void rig_await(struct rig *r, enum plane_kind kind, const char *name, const char *path, const char *text, unsigned ms)
{
    auto_free char *got = NULL;

    for (unsigned i = 0; i <= ms / 10; i++) {
        auto_json cJSON *obj = rig_get(r, kind, name);
        const cJSON *at = obj ? json_at(obj, path) : NULL;

        free(got);
        got = at ? json_print(at) : NULL;
        if (str_eq(got, text) && (text || !obj || *path))
            return;
        rest_ms(10);
    }
    fail_msg("%s %s: %s is %s, wanted %s", plane_kind(kind)->kind, name, path, got ? got : "absent",
             text ? text : "absent");
}

bool rig_pod_ready(struct rig *r, const char *name)
{
    auto_json cJSON *pod = rig_get(r, PK_POD, name);
    const cJSON *c;

    cJSON_ArrayForEach(c, json_at(pod, "status.conditions"))
        if (str_eq(json_str(c, "type", ""), "Ready") && str_eq(json_str(c, "status", ""), "True"))
            return true;
    return false;
}

void rig_await_ready(struct rig *r, const char *name, unsigned ms)
{
    auto_json cJSON *pod = NULL;
    auto_free char *text = NULL;

    for (unsigned i = 0; i <= ms / 10; i++) {
        if (rig_pod_ready(r, name))
            return;
        rest_ms(10);
    }
    pod = rig_get(r, PK_POD, name);
    text = pod ? json_print(json_get(pod, "status")) : mem_str("it is not there");
    fail_msg("pod %s is not ready: %s", name, text);
}

char *rig_container_id(struct rig *r, const char *pod)
{
    auto_json cJSON *obj = rig_get(r, PK_POD, pod);

    return mem_str(json_str(obj, "status.containerStatuses.0.containerID", ""));
}

pid_t rig_server_pid(struct rig *r, const char *pod, pid_t *shim)
{
    auto_json cJSON *obj = rig_get(r, PK_POD, pod);
    auto_free char *dir = mem_printf("%s/pods/default_%s_%s/containers/%s", r->dir, pod, json_uid(obj),
                                     json_str(obj, "spec.containers.0.name", ""));
    struct shim_state st;
    struct err e = ERR_INIT;

    if (shim_last_state(dir, &st, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    if (shim)
        *shim = (pid_t)st.shim;
    return (pid_t)st.pid;
}

int rig_http(unsigned port, const char *path, const char *post, char **body)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_str struct str out = STR_INIT, in = STR_INIT;
    struct timeval tv = {10, 0};
    char buf[4096], *end;
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return 0;
    str_addf(&out, "%s %s HTTP/1.0\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", post ? "POST" : "GET", path,
             post ? strlen(post) : 0, post ? post : "");
    if (send(fd, out.s, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
        return 0;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        str_addn(&in, buf, (size_t)n);
    end = in.len ? strstr(in.s, "\r\n\r\n") : NULL;
    if (!end || !str_starts(in.s, "HTTP/1."))
        return 0;
    if (body)
        *body = mem_str(end + 4);
    return atoi(in.s + 9);
}
