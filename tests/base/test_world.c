/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
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
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/mem.h"
#include "base/world_real.h"

struct seen {
    struct world *w;
    struct str text;
    int left, status;
    struct err err;
    struct bufferevent *peer; /* the last one accepted */
};

static void expect_end(struct seen *s)
{
    if (--s->left == 0)
        s->w->ops->quit(s->w, 0);
}

static int setup(void **state)
{
    struct seen *s = mem_zero(sizeof *s);
    struct err err = ERR_INIT;

    assert_int_equal(world_real_new(NULL, &s->w, &err), 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct seen *s = *state;

    if (s->peer)
        bufferevent_free(s->peer);
    world_real_free(s->w);
    str_free(&s->text);
    free(s);
    return 0;
}

/* ---- timers ---- */

struct tick {
    struct seen *s;
    uint64_t due;
    char name;
    bool fired;
};

static void on_tick(void *ctx)
{
    struct tick *t = ctx;

    assert_true(world_mono(t->s->w) >= t->due);
    t->fired = true;
    str_addc(&t->s->text, t->name);
    expect_end(t->s);
}

static void arm(struct tick *t, struct seen *s, char name, uint64_t ms)
{
    *t = (struct tick){s, world_mono(s->w) + ms, name, false};
    world_timer(s->w, ms, on_tick, t);
}

static void timers_fire_in_order_and_never_early(void **state)
{
    struct seen *s = *state;
    struct tick t[3];

    s->left = 3;
    arm(&t[0], s, 'c', 60);
    arm(&t[1], s, 'b', 30);
    arm(&t[2], s, 'a', 0);
    assert_false(t[2].fired); /* never inside the call */
    assert_int_equal(world_real_run(s->w), 0);
    assert_string_equal(str_text(&s->text), "abc");
}

static void a_stopped_timer_calls_nobody(void **state)
{
    struct seen *s = *state;
    struct tick t, late;
    struct world_timer *timer;

    s->left = 1;
    t = (struct tick){s, 0, 'x', false};
    timer = world_timer(s->w, 5, on_tick, &t);
    world_timer_stop(s->w, &timer);
    assert_null(timer);
    arm(&late, s, 'y', 30);
    world_real_run(s->w);
    assert_string_equal(str_text(&s->text), "y");
}

static void quit_before_the_loop_ends_it_at_once(void **state)
{
    struct seen *s = *state;

    s->w->ops->quit(s->w, 9);
    assert_int_equal(world_real_run(s->w), 9);
}

static void on_signal(void *ctx, int signo)
{
    struct seen *s = ctx;

    s->status = signo;
    s->w->ops->quit(s->w, 0);
}

static void signals_come_from_the_loop(void **state)
{
    struct seen *s = *state;

    world_real_signal(s->w, SIGUSR1, on_signal, s);
    kill(getpid(), SIGUSR1);
    assert_int_equal(s->status, 0);
    world_real_run(s->w);
    assert_int_equal(s->status, SIGUSR1);
}

/* ---- files ---- */

static void files_are_replaced_whole_with_their_mode(void **state)
{
    struct seen *s = *state;
    char dir[] = "world-test-XXXXXX";
    struct err err = ERR_INIT;
    struct stat st;
    auto_free char *text = NULL;
    size_t len = 0;

    assert_non_null(mkdtemp(dir));
    auto_free char *path = mem_printf("%s/file", dir);
    assert_int_equal(s->w->ops->read_file(s->w, path, &text, &len, &err), -1);
    assert_int_equal(err.kind, ERR_MISSING);
    assert_int_equal(s->w->ops->write_file(s->w, path, "first", 5, 0644, &err), 0);
    assert_int_equal(s->w->ops->write_file(s->w, path, "second\0x", 8, 0600, &err), 0);
    assert_int_equal(s->w->ops->read_file(s->w, path, &text, &len, &err), 0);
    assert_int_equal(len, 8);
    assert_memory_equal(text, "second\0x", 8);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing is left beside it */
}

/* ---- a program ---- */

static void on_run(void *ctx, int status, const char *out, const char *errtext)
{
    struct seen *s = ctx;

    s->status = status;
    str_addf(&s->text, "%s|%s", out, errtext);
    s->w->ops->quit(s->w, 0);
}

static void a_program_gives_output_and_status(void **state)
{
    struct seen *s = *state;
    const char *const argv[] = {"sh", "-c", "echo out $GREETING; echo err >&2; exit 3", NULL};
    const char *const env[] = {"GREETING=hello", NULL};

    s->w->ops->run(s->w, argv, env, 5000, on_run, s);
    world_real_run(s->w);
    assert_true(WIFEXITED(s->status));
    assert_int_equal(WEXITSTATUS(s->status), 3);
    assert_string_equal(str_text(&s->text), "out hello\n|err\n");
}

static void a_program_that_hangs_is_ended(void **state)
{
    struct seen *s = *state;
    const char *const argv[] = {"sh", "-c", "sleep 60; true", NULL};

    s->w->ops->run(s->w, argv, NULL, 50, on_run, s);
    world_real_run(s->w);
    assert_true(WIFSIGNALED(s->status));
    assert_non_null(strstr(str_text(&s->text), "took too long"));
}

static void a_program_that_is_not_there_is_said(void **state)
{
    struct seen *s = *state;
    const char *const argv[] = {"no-such-program-of-chfleet", NULL};

    s->w->ops->run(s->w, argv, NULL, 50, on_run, s);
    world_real_run(s->w);
    assert_int_equal(WEXITSTATUS(s->status), 127);
    assert_non_null(strstr(str_text(&s->text), "no-such-program-of-chfleet"));
}

/* ---- TCP ---- */

static void peer_read(struct bufferevent *bev, void *ctx)
{
    (void)ctx;
    if (evbuffer_get_length(bufferevent_get_input(bev)) >= 4) {
        bufferevent_write(bev, "imok", 4);
        bufferevent_disable(bev, EV_READ);
    }
}

static void peer_written(struct bufferevent *bev, void *ctx)
{
    struct seen *s = ctx;

    if (bufferevent_get_enabled(bev) & EV_READ)
        return;
    bufferevent_free(bev);
    s->peer = NULL;
}

static void peer_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *ctx)
{
    struct bufferevent *bev = bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);

    struct seen *s = ctx;

    (void)sa;
    (void)len;
    s->peer = bev;
    bufferevent_setcb(bev, peer_read, peer_written, NULL, s);
    bufferevent_enable(bev, EV_READ);
}

static struct evconnlistener *peer(struct seen *s, unsigned *port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    socklen_t n = sizeof sin;
    struct evconnlistener *l;

    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l = evconnlistener_new_bind(world_real_base(s->w), peer_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 4,
                                (void *)&sin, sizeof sin);
    assert_non_null(l);
    getsockname(evconnlistener_get_fd(l), (void *)&sin, &n);
    *port = ntohs(sin.sin_port);
    return l;
}

static void on_tcp(void *ctx, const char *text, size_t len, const struct err *err)
{
    struct seen *s = ctx;

    str_addn(&s->text, text, len);
    s->err = err ? *err : (struct err)ERR_INIT;
    s->w->ops->quit(s->w, 0);
}

static void a_word_over_tcp_is_answered(void **state)
{
    struct seen *s = *state;
    unsigned port;
    struct evconnlistener *l = peer(s, &port);

    assert_false(s->w->ops->port_free(s->w, port));
    s->w->ops->tcp(s->w, "127.0.0.1", port, "ruok", 100, 2000, on_tcp, s);
    world_real_run(s->w);
    assert_string_equal(s->err.msg, "");
    assert_string_equal(str_text(&s->text), "imok");
    str_reset(&s->text);
    s->w->ops->tcp(s->w, "localhost", port, "ruok", 2, 2000, on_tcp, s); /* a name, and a limit */
    world_real_run(s->w);
    assert_string_equal(str_text(&s->text), "im");
    evconnlistener_free(l);
}

static void a_silent_or_absent_tcp_peer_is_an_error_in_time(void **state)
{
    struct seen *s = *state;
    unsigned port;
    struct evconnlistener *l = peer(s, &port);
    uint64_t from = world_mono(s->w);

    s->w->ops->tcp(s->w, "127.0.0.1", port, "no", 100, 100, on_tcp, s);
    world_real_run(s->w);
    assert_int_equal(s->err.kind, ERR_AGAIN);
    assert_non_null(strstr(s->err.msg, "within 100 ms"));
    assert_in_range(world_mono(s->w) - from, 100, 1500);
    evconnlistener_free(l);
    assert_true(s->w->ops->port_free(s->w, port));
    s->w->ops->tcp(s->w, "127.0.0.1", port, "ruok", 100, 1000, on_tcp, s);
    world_real_run(s->w);
    assert_int_equal(s->err.kind, ERR_AGAIN);
    s->w->ops->tcp_cancel(s->w, s->w->ops->tcp(s->w, "127.0.0.1", port, "ruok", 100, 1000, on_tcp, s));
}

/* ---- Keeper without keeper/ ---- */

static void on_zk(void *ctx, const char *value, const struct err *err)
{
    struct seen *s = ctx;

    assert_null(value);
    s->err = *err;
    s->w->ops->quit(s->w, 0);
}

static void keeper_paths_without_a_client_are_refused(void **state)
{
    struct seen *s = *state;

    s->w->ops->zk_cancel(s->w, s->w->ops->zk(s->w, "h:2181", ZK_GET, "/x", 100, on_zk, s));
    assert_non_null(s->w->ops->zk(s->w, "h:2181", ZK_GET, "/x", 100, on_zk, s));
    assert_string_equal(s->err.msg, "");
    world_real_run(s->w);
    assert_int_equal(s->err.kind, ERR_REFUSED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(timers_fire_in_order_and_never_early),
        T(a_stopped_timer_calls_nobody),
        T(quit_before_the_loop_ends_it_at_once),
        T(signals_come_from_the_loop),
        T(files_are_replaced_whole_with_their_mode),
        T(a_program_gives_output_and_status),
        T(a_program_that_hangs_is_ended),
        T(a_program_that_is_not_there_is_said),
        T(a_word_over_tcp_is_answered),
        T(a_silent_or_absent_tcp_peer_is_an_error_in_time),
        T(keeper_paths_without_a_client_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
