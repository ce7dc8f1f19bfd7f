/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over the wire: HTTP, WebSocket, SPDY, protobuf; and seeded mutations of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/api.h"
#include "plane/http.h"
#include "plane/proto.h"
#include "plane/spdy.h"
#include "plane/types.h"
#include "plane/ws.h"
#include "tests/plane/mini.h"

/* Made with zlib: two SPDY header blocks on one stream. */
static const unsigned char headers_error[] = {
    0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0x25, 0x3a, 0x70, 0x3a, 0x2b, 0x29, 0x4a, 0x4d, 0xcc, 0x85, 0x16,
    0x25, 0xac, 0xa9, 0xa0, 0x80, 0x86, 0x14, 0xcb, 0x45, 0xe0, 0x1c, 0x60, 0x61, 0x68, 0x64, 0x0c, 0xa4, 0x39,
    0x8b, 0x20, 0xd1, 0x98, 0x09, 0x4a, 0xde, 0x4c, 0x26, 0x46, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
};

static const unsigned char headers_data[] = {
    0xc2, 0xaa, 0x1b, 0x54, 0x10, 0x25, 0x12, 0xa1, 0x19, 0x00, 0x00, 0x00, 0xff, 0xff,
};

/* ---- HTTP ---- */

static int head_status(const char *text)
{
    struct http_head h;
    size_t used = 0;
    int status = 0, rc = http_head_parse(text, strlen(text), &h, &used, &status);

    if (rc == 1)
        http_head_free(&h);
    return rc < 0 ? status : rc;
}

static void heads_are_read_or_refused(void **state)
{
    static const struct {
        int want;
        const char *text;
    } cases[] = {
        {1, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {1, "\r\nGET /a?b HTTP/1.0\nHost: x\n\n"},
        {0, "GET / HTTP/1.1\r\nHost: x\r\n"},
        {400, "GET  / HTTP/1.1\r\n\r\n"},
        {400, "GET http://x/ HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nNo colon\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nA : b\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"},
        {413, "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"},
        {501, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (head_status(cases[i].text) != cases[i].want)
            fail_msg("%s: %d, not %d", cases[i].text, head_status(cases[i].text), cases[i].want);
}

/* Feeds a chunked body in pieces of `step` bytes; its text, or NULL. */
static char *unchunk(const char *text, size_t step, int *status)
{
    struct http_head h = {.chunked = true};
    struct http_body b;
    struct str rest = STR_INIT;
    int rc = 0;
    char *out = NULL;

    http_body_begin(&b, &h);
    for (size_t at = 0; rc == 0 && at < strlen(text); at += step) {
        size_t used = 0, n = strlen(text) - at < step ? strlen(text) - at : step;

        str_addn(&rest, text + at, n);
        rc = http_body_feed(&b, rest.s, rest.len, &used, status);
        str_cut(&rest, used);
    }
    if (rc == 1)
        out = mem_str(str_text(&b.bytes));
    str_free(&b.bytes);
    str_free(&rest);
    return out;
}

static void chunked_bodies_come_in_any_pieces(void **state)
{
    static const char text[] = "5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n";
    int status = 0;

    (void)state;
    for (size_t step = 1; step <= sizeof text; step++) {
        auto_free char *out = unchunk(text, step, &status);

        assert_string_equal(out, "hello world");
    }
    assert_null(unchunk("5\r\nhelloX\r\n", 100, &status));
    assert_int_equal(status, 400);
    assert_null(unchunk("zz\r\n", 100, &status));
    assert_null(unchunk("7fffffff\r\n", 100, &status));
    assert_int_equal(status, 413);
}

/* ---- WebSocket ---- */

static void ws_client(struct str *out, int first, const char *text, size_t len)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};

    str_addc(out, (char)first);
    str_addc(out, (char)(0x80 | len));
    str_addn(out, mask, 4);
    for (size_t i = 0; i < len; i++)
        str_addc(out, (char)(text[i] ^ mask[i & 3]));
}

static void fragments_become_one_message(void **state)
{
    auto_str struct str in = STR_INIT;
    struct ws_reader r = {STR_INIT, 0};
    const char *text = NULL;
    size_t used, n = 0;
    int opcode = 0;

    (void)state;
    ws_client(&in, 0x02, "one ", 4);
    ws_client(&in, 0x89, "ping", 4);
    ws_client(&in, 0x80, "two", 3);
    assert_int_equal(ws_read(&r, in.s, in.len, &used, &opcode, &text, &n), 0);
    str_cut(&in, used);
    assert_int_equal(ws_read(&r, in.s, in.len, &used, &opcode, &text, &n), 1);
    assert_int_equal(opcode, WS_PING);
    str_cut(&in, used);
    assert_int_equal(ws_read(&r, in.s, in.len, &used, &opcode, &text, &n), 1);
    assert_int_equal(opcode, WS_BINARY);
    assert_int_equal(n, 7);
    assert_memory_equal(text, "one two", 7);
    ws_reader_free(&r);
}

static void unmasked_frames_are_refused(void **state)
{
    struct ws_reader r = {STR_INIT, 0};
    char frame[] = {(char)0x82, 1, 'x', 0};
    const char *text;
    size_t used, n;
    int opcode;

    (void)state;
    assert_int_equal(ws_read(&r, frame, 3, &used, &opcode, &text, &n), -1);
}

static void the_accept_key_is_that_of_the_rfc(void **state)
{
    auto_free char *key = ws_accept("dGhlIHNhbXBsZSBub25jZQ==");

    (void)state;
    assert_string_equal(key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* ---- SPDY ---- */

static void put_syn(struct str *out, unsigned id, const unsigned char *block, size_t n)
{
    const unsigned char head[] = {
        0x80, 3, 0, 1, 0, 0, (unsigned char)((n + 10) >> 8), (unsigned char)(n + 10), 0, 0, 0, (unsigned char)id,
        0,    0, 0, 0, 0, 0};

    str_addn(out, head, sizeof head);
    str_addn(out, block, n);
}

static void header_blocks_build_on_each_other(void **state)
{
    static const char *const names[] = {"streamtype", "port", "requestid", NULL};
    auto_str struct str in = STR_INIT;
    struct spdy *s = mem_zero(sizeof *s);
    struct spdy_frame f;
    char values[3][64];

    (void)state;
    spdy_init(s);
    put_syn(&in, 1, headers_error, sizeof headers_error);
    put_syn(&in, 3, headers_data, sizeof headers_data);
    assert_int_equal(spdy_frame(in.s, in.len, &f), 1);
    assert_int_equal(f.stream, 1);
    assert_int_equal(spdy_headers(s, &f, names, values), 0);
    assert_string_equal(values[0], "error");
    assert_string_equal(values[1], "8123");
    str_cut(&in, f.used);
    assert_int_equal(spdy_frame(in.s, in.len, &f), 1);
    assert_int_equal(spdy_headers(s, &f, names, values), 0);
    assert_string_equal(values[0], "data");
    assert_string_equal(values[2], "42");
    spdy_fini(s);
    free(s);
}

static void a_header_block_that_unpacks_to_too_much_is_refused(void **state)
{
    static const char *const names[] = {"port", NULL};
    struct spdy *s = mem_zero(sizeof *s);
    struct spdy_frame f;
    auto_str struct str in = STR_INIT;
    auto_free unsigned char *zeros = mem_zero(1 << 20);
    unsigned char block[4096];
    uLongf len = sizeof block;
    char values[1][64];

    (void)state;
    assert_int_equal(compress2(block, &len, zeros, 1 << 20, 9), Z_OK);
    put_syn(&in, 1, block, len);
    spdy_init(s);
    assert_int_equal(spdy_frame(in.s, in.len, &f), 1);
    assert_int_equal(spdy_headers(s, &f, names, values), -1);
    spdy_fini(s);
    free(s);
}

/* Replies have empty header blocks with the preset dictionary, which build on each other. */
static void replies_are_one_stream_that_zlib_reads(void **state)
{
    struct spdy *s = mem_zero(sizeof *s), *other = mem_zero(sizeof *other);
    static const char *const names[] = {"port", NULL};
    char values[1][64] = {"?"};

    (void)state;
    spdy_init(s);
    spdy_init(other);
    for (uint32_t stream = 1; stream < 7; stream += 2) {
        auto_str struct str out = STR_INIT, syn = STR_INIT;
        struct spdy_frame f;

        spdy_put_reply(s, &out, stream);
        assert_int_equal(spdy_frame(out.s, out.len, &f), 1);
        assert_int_equal(f.type, SPDY_SYN_REPLY);
        assert_int_equal(f.stream, stream);
        put_syn(&syn, stream, (const unsigned char *)f.body + 4, f.len - 4);
        assert_int_equal(spdy_frame(syn.s, syn.len, &f), 1);
        assert_int_equal(spdy_headers(other, &f, names, values), 0);
        assert_string_equal(values[0], "");
    }
    spdy_fini(s);
    spdy_fini(other);
    free(s);
    free(other);
}

/* ---- protobuf ---- */

static const char namespace_proto[] = "k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x17\x0a\x15\x0a\x03"
                                      "foo\x5a\x06\x0a\x01"
                                      "a\x12\x01"
                                      "b\x5a\x06\x0a\x01"
                                      "c\x12\x01"
                                      "d";

static void protobuf_becomes_the_same_object(void **state)
{
    struct err err = ERR_INIT;
    auto_json cJSON *j = proto_parse(namespace_proto, sizeof namespace_proto - 1, &err);

    (void)state;
    if (!j)
        fail_msg("%s", err.msg);
    assert_string_equal(json_str(j, "kind", ""), "Namespace");
    assert_string_equal(json_name(j), "foo");
    assert_string_equal(json_label(j, "c"), "d");
    assert_null(proto_parse(namespace_proto, sizeof namespace_proto - 3, &err));
}

/* ---- quantities ---- */

static void quantities_get_their_canonical_text(void **state)
{
    static const char *const cases[][2] = {
        {"1024Mi", "1Gi"},  {"0.5", "500m"}, {"1000m", "1"},  {"1.5Gi", "1536Mi"},  {"1e3", "1e3"},
        {"100Gi", "100Gi"}, {"1000k", "1M"}, {"0", "0"},      {"1023Ki", "1023Ki"}, {"12", "12"},
        {"-1Gi", "-1Gi"},   {"2Ti", "2Ti"},  {"0.1", "100m"}, {"1500m", "1500m"},   {"10Gi", "10Gi"},
    };
    char buf[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(quantity_canonical(cases[i][0], buf, sizeof buf));
        assert_string_equal(buf, cases[i][1]);
    }
    assert_false(quantity_canonical("ten", buf, sizeof buf));
    assert_false(quantity_canonical("", buf, sizeof buf));
    assert_false(quantity_canonical("1Gb", buf, sizeof buf));
    assert_false(quantity_canonical("1 Gi", buf, sizeof buf));
}

/* ---- mutations ---- */

static uint64_t seed_of_run(void)
{
    const char *s = getenv("SEED");

    return s ? strtoull(s, NULL, 10) : 1;
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void mutate(struct str *s, uint64_t *x)
{
    static const char *const pieces[] = {"\0",   "\r\n", "{",  "}",    "[",        "\"",          "%",
                                         "%00",  "/",    "..", "null", "-1",       "99999999999", "$patch",
                                         "\xff", ":",    ",",  "kind", "metadata", "\n"};
    int times = 1 + (int)(next_random(x) % 4);

    while (times-- && s->len) {
        size_t at = next_random(x) % s->len;

        switch (next_random(x) % 4) {
        case 0:
            s->s[at] = (char)next_random(x);
            break;
        case 1: { /* cut out */
            size_t n = next_random(x) % 8 + 1;

            n = n > s->len - at ? s->len - at : n;
            memmove(s->s + at, s->s + at + n, s->len - at - n + 1);
            s->len -= n;
            break;
        }
        case 2: { /* put in */
            auto_free char *tail = mem_copy(s->s + at, s->len - at);
            size_t n = s->len - at;

            s->len = at;
            str_add(s, pieces[next_random(x) % (sizeof pieces / sizeof *pieces)]);
            str_addn(s, tail, n);
            break;
        }
        default: /* cut off */
            s->len = at;
            s->s[at] = '\0';
        }
    }
}

static void fuzz_http(const char *text, size_t len)
{
    struct http_head h;
    struct http_body b;
    size_t used = 0, more = 0;
    int status = 0;

    if (http_head_parse(text, len, &h, &used, &status) != 1)
        return;
    http_body_begin(&b, &h);
    http_body_feed(&b, text + used, len - used, &more, &status);
    str_free(&b.bytes);
    http_head_free(&h);
}

static void fuzz_ws_and_spdy(struct str *in)
{
    static const char *const names[] = {"streamtype", "port", NULL};
    struct ws_reader r = {STR_INIT, 0};
    struct spdy *s = mem_zero(sizeof *s);
    struct spdy_frame f;
    char values[2][64];
    const char *text;
    size_t used, n, at = 0;
    int opcode;

    spdy_init(s);
    while (spdy_frame(in->s + at, in->len - at, &f) == 1) {
        if (f.type == SPDY_SYN_STREAM && spdy_headers(s, &f, names, values) < 0)
            break;
        at += f.used;
    }
    spdy_fini(s);
    free(s);
    for (at = 0; at < in->len; at += used)
        if (ws_read(&r, in->s + at, in->len - at, &used, &opcode, &text, &n) < 0 || used == 0)
            break;
    ws_reader_free(&r);
}

static void parsers_survive_mutations(void **state)
{
    uint64_t x = seed_of_run() * 0x9e3779b97f4a7c15u + 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        auto_str struct str s = STR_INIT;

        switch (i % 4) {
        case 0:
            str_add(&s, "POST /api/v1/pods?x=%41 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                        "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
            mutate(&s, &x);
            fuzz_http(str_text(&s), s.len);
            break;
        case 1:
            str_addn(&s, namespace_proto, sizeof namespace_proto - 1);
            mutate(&s, &x);
            cJSON_Delete(proto_parse(str_text(&s), s.len, NULL));
            break;
        case 2:
            put_syn(&s, 1, headers_error, sizeof headers_error);
            put_syn(&s, 3, headers_data, sizeof headers_data);
            mutate(&s, &x);
            fuzz_ws_and_spdy(&s);
            break;
        default:
            ws_client(&s, 0x02, "one ", 4);
            ws_client(&s, 0x80, "two", 3);
            mutate(&s, &x);
            fuzz_ws_and_spdy(&s);
        }
    }
}

static const char *const seeds[][4] = {
    {"POST", "/api/v1/namespaces/default/pods", "application/json",
     "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
     "\"i\",\"resources\":{\"limits\":{"
     "\"cpu\":1}}}]}}"},
    {"PATCH", "/apis/apps/v1/namespaces/default/statefulsets/web", "application/strategic-merge-patch+json",
     "{\"spec\":{\"template\":{\"spec\":{\"$setElementOrder/"
     "containers\":[{\"name\":\"c\"}],\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":"
     "\"A\",\"$patch\":\"delete\"}]}]}}}}"},
    {"PATCH", "/apis/apps/v1/namespaces/default/statefulsets/web", "application/json-patch+json",
     "[{\"op\":\"move\",\"from\":\"/spec/replicas\",\"path\":\"/metadata/labels/x\"},{\"op\":\"add\",\"path\":\"/spec/"
     "template/spec/containers/-\","
     "\"value\":{\"name\":\"d\",\"image\":\"x\"}}]"},
    {"PATCH", "/apis/clickhouse.altinity.com/v1/namespaces/default/clickhouseinstallations/x",
     "application/merge-patch+json",
     "{\"spec\":{\"configuration\":{\"clusters\":[{\"name\":\"c\",\"layout\":{\"shardsCount\":2}}]}},\"metadata\":{"
     "\"finalizers\":[\"a/b\"]}}"},
    {"GET", "/api/v1/namespaces/default/pods", NULL, NULL},
    {"DELETE", "/api/v1/namespaces/default/pods", "application/json",
     "{\"propagationPolicy\":\"Foreground\",\"gracePeriodSeconds\":1}"},
    {"POST", "/api/v1/namespaces", "application/json", "{\"metadata\":{\"name\":\"other\"}}"},
    {"DELETE", "/api/v1/namespaces/other", NULL, NULL},
    {"PUT", "/api/v1/namespaces/default/services/s", "application/json",
     "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":1}]}}"},
};

static void drop(void *ctx, const char *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
}

static void drop_done(void *ctx)
{
    (void)ctx;
}

static void one_request(struct api *a, struct world *w, uint64_t *x)
{
    const char *const *seed = seeds[next_random(x) % (sizeof seeds / sizeof *seeds)];
    auto_str struct str path = STR_INIT, query = STR_INIT, body = STR_INIT;
    struct api_request req = {.method = seed[0], .content_type = seed[2], .user = "test"};
    struct api_response res = {0};
    enum api_outcome outcome;

    str_add(&path, seed[1]);
    str_add(
        &query,
        "labelSelector=a+in+(b,c)&fieldSelector=metadata.name%3Dx&limit=2&watch=0&continue=MSBhL2I=&timeoutSeconds=1");
    str_add(&body, seed[3] ? seed[3] : "");
    if (next_random(x) % 3 == 0)
        mutate(&path, x);
    if (next_random(x) % 2)
        mutate(&query, x);
    if (next_random(x) % 3)
        mutate(&body, x);
    req.path = str_text(&path);
    req.query = next_random(x) % 2 ? str_text(&query) : NULL;
    req.accept = next_random(x) % 2 ? "application/json" : "application/json;as=Table;v=v1;g=meta.k8s.io";
    req.body = str_text(&body);
    req.body_len = body.len;
    outcome = api_handle(a, &req, &res);
    if (outcome == API_WATCH)
        api_watch_open(a, &req, drop, drop_done, NULL);
    else if (outcome == API_DONE)
        assert_in_range(res.status, 200, 599);
    if (res.status >= 500 && res.status != 503)
        fail_msg("%s %s: %s", req.method, req.path, str_text(&res.body));
    api_response_free(&res);
    if (next_random(x) % 8 == 0)
        mini_run(w, next_random(x) % 2000);
}

static void the_api_survives_mutated_requests(void **state)
{
    uint64_t x = seed_of_run() * 0xd1342543de82ef95u + 3;
    struct world *w = mini_new(x);
    struct err err = ERR_INIT;
    struct store *s;
    struct api *a;

    (void)state;
    assert_int_equal(store_open(w, ":memory:", &s, &err), 0);
    a = api_new(w, s);
    for (int i = 0; i < 6000; i++)
        one_request(a, w, &x);
    mini_run(w, 60000);
    api_free(a);
    store_close(s);
    mini_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read_or_refused),
        cmocka_unit_test(chunked_bodies_come_in_any_pieces),
        cmocka_unit_test(fragments_become_one_message),
        cmocka_unit_test(unmasked_frames_are_refused),
        cmocka_unit_test(the_accept_key_is_that_of_the_rfc),
        cmocka_unit_test(header_blocks_build_on_each_other),
        cmocka_unit_test(a_header_block_that_unpacks_to_too_much_is_refused),
        cmocka_unit_test(replies_are_one_stream_that_zlib_reads),
        cmocka_unit_test(protobuf_becomes_the_same_object),
        cmocka_unit_test(quantities_get_their_canonical_text),
        cmocka_unit_test(parsers_survive_mutations),
        cmocka_unit_test(the_api_survives_mutated_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
