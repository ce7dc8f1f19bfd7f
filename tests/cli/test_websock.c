/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cli/websock.h"

/* ---- frames ---- */

static void frames_of_all_lengths_survive(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 100000};
    const unsigned char no_mask[4] = {0, 0, 0, 0};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        auto_str struct str out = STR_INIT, plain = STR_INIT;
        auto_free char *data = mem_zero(lengths[i] + 1);
        struct websock_frame f;
        size_t used, head = lengths[i] < 126 ? 2 : lengths[i] < 65536 ? 4 : 10;
        struct err err = ERR_INIT;

        memset(data, 'q', lengths[i]);
        websock_put(&out, 2, data, lengths[i], no_mask);
        assert_int_equal(out.len, head + 4 + lengths[i]);
        /* Without the mask it is what a server sends. */
        str_addn(&plain, out.s, head);
        plain.s[1] &= 0x7f;
        str_addn(&plain, out.s + head + 4, lengths[i]);
        for (size_t cut = 0; cut < plain.len && cut < 20; cut++)
            assert_int_equal(websock_parse(plain.s, cut, &f, &used, &err), 0);
        assert_int_equal(websock_parse(plain.s, plain.len, &f, &used, &err), 1);
        assert_int_equal(used, plain.len);
        assert_int_equal(f.len, lengths[i]);
        assert_int_equal(f.opcode, 2);
        assert_true(f.fin);
        assert_memory_equal(f.data, data, lengths[i]);
    }
}

static void what_clients_send_is_masked(void **state)
{
    const unsigned char mask[4] = {1, 2, 3, 4};
    auto_str struct str out = STR_INIT;

    (void)state;
    websock_put(&out, 2, "abcde", 5, mask);
    assert_memory_equal(out.s, "\x82\x85\x01\x02\x03\x04\x60\x60\x60\x60\x64", 11);
}

static void nonsense_is_refused(void **state)
{
    struct websock_frame f;
    size_t used;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(websock_parse("\x82\x85masked", 8, &f, &used, &err), -1);     /* servers do not mask */
    assert_int_equal(websock_parse("\xf2\x01x", 3, &f, &used, &err), -1);          /* reserved bits */
    assert_int_equal(websock_parse("\x82\x7f\xff\0\0\0\0\0\0\0", 10, &f, &used, &err), -1); /* absurd length */
}

/* ---- a scripted server in a child ---- */

static int serve_once(int listener, const char *protocol, const char *frames, size_t len)
{
    int fd = accept(listener, NULL, NULL);
    char head[4096] = "", *key, joined[128], answer[512], got[256];
    auto_free char *hex = NULL, *accept64 = NULL;
    unsigned char digest[20];
    size_t n = 0;

    while (!strstr(head, "\r\n\r\n")) {
        ssize_t rc = read(fd, head + n, sizeof head - 1 - n);

        if (rc <= 0)
            return 9;
        n += (size_t)rc;
        head[n] = '\0';
    }
    key = strstr(head, "Sec-WebSocket-Key: ") + 19;
    key[strcspn(key, "\r")] = '\0';
    snprintf(joined, sizeof joined, "%.60s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    hex = hash_sha1_hex(joined, strlen(joined));
    for (int i = 0; i < 20; i++)
        digest[i] = (unsigned char)strtoul((char[]){hex[2 * i], hex[2 * i + 1], '\0'}, NULL, 16);
    accept64 = hash_base64(digest, sizeof digest);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nsec-websocket-accept: %s\r\n"
             "sec-websocket-protocol: %s\r\n\r\n", accept64, protocol);
    if (write(fd, answer, strlen(answer)) < 0 || write(fd, frames, len) < 0)
        return 8;
    return read(fd, got, sizeof got) > 0 ? (unsigned char)got[0] : 7; /* first byte of the first frame that came back */
}

struct server {
    pid_t pid;
    char url[64];
};

static struct server start_server(const char *protocol, const char *frames, size_t len)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct server s;

    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&a, &size);
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d", ntohs(a.sin_port));
    s.pid = fork();
    if (s.pid == 0) {
        alarm(20);
        _exit(serve_once(listener, protocol, frames, len));
    }
    close(listener);
    return s;
}

static int end_server(const struct server *s)
{
    int status;

    waitpid(s->pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int next_message(struct websock *w, struct str *m, struct err *err)
{
    struct pollfd p = {.fd = websock_fd(w), .events = POLLIN};
    int rc;

    while ((rc = websock_next(w, m, err)) == 0)
        assert_true(poll(&p, 1, 5000) > 0);
    return rc;
}

static void messages_come_whole_pings_are_answered_inside(void **state)
{
    static const char frames[] = "\x02\x03\x01" "ab\x89\x01p\x80\x02" "cd\x82\x02\x02" "e\x88\x02\x03\xe8";
    struct server s = start_server("v5.channel.k8s.io", frames, sizeof frames - 1);
    struct websock_target t = {.server = s.url, .path = "/x", .protocol = "v5.channel.k8s.io"};
    struct websock *w = NULL;
    auto_str struct str m = STR_INIT;
    struct err err = ERR_INIT;

    (void)state;
    if (websock_open(&w, &t, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(next_message(w, &m, &err), 1);
    assert_int_equal(m.len, 5);
    assert_memory_equal(m.s, "\x01" "abcd", 5);
    assert_int_equal(next_message(w, &m, &err), 1);
    assert_memory_equal(m.s, "\x02" "e", 2);
    assert_int_equal(next_message(w, &m, &err), -1);
    assert_int_equal(err.kind, ERR_MISSING); /* a proper end */
    websock_close(w);
    assert_int_equal(end_server(&s), 0x8a); /* the pong was its first frame */
}

static void another_protocol_is_refused(void **state)
{
    struct server s = start_server("v4.channel.k8s.io", "", 0);
    struct websock_target t = {.server = s.url, .path = "/x", .protocol = "v5.channel.k8s.io"};
    struct websock *w = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(websock_open(&w, &t, &err), -1);
    assert_non_null(strstr(err.msg, "v5.channel.k8s.io"));
    end_server(&s);
}

static void nobody_there_is_said(void **state)
{
    struct websock_target t = {.server = "http://127.0.0.1:1", .path = "/", .protocol = "p"};
    struct websock *w = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(websock_open(&w, &t, &err), -1);
    assert_int_equal(err.kind, ERR_AGAIN);
    t.server = "ftp://x";
    assert_int_equal(websock_open(&w, &t, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_all_lengths_survive),
        cmocka_unit_test(what_clients_send_is_masked),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(messages_come_whole_pings_are_answered_inside),
        cmocka_unit_test(another_protocol_is_refused),
        cmocka_unit_test(nobody_there_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
