/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- quoting ---- */

static void quote(struct str *out, const char *text, char mark)
{
    str_addc(out, mark);
    for (; *text; text++) {
        switch (*text) {
        case '\n':
            str_add(out, "\\n");
            break;
        case '\t':
            str_add(out, "\\t");
            break;
        case '\r':
            str_add(out, "\\r");
            break;
        default:
            if (*text == '\\' || *text == mark)
                str_addc(out, '\\');
            str_addc(out, *text);
        }
    }
    str_addc(out, mark);
}

void sql_quote_string(struct str *out, const char *value)
{
    quote(out, value, '\'');
}

void sql_quote_name(struct str *out, const char *name)
{
    quote(out, name, '`');
}

/* ---- versions ---- */

int sql_version_parse(const char *text, struct sql_version *out)
{
    struct sql_version v = {0, 0, 0};
    int n = text ? sscanf(text, "%u.%u.%u", &v.major, &v.minor, &v.patch) : 0;

    if (n < 2)
        return -1;
    *out = v;
    return 0;
}

bool sql_version_at_least(const struct sql_version *v, unsigned major, unsigned minor)
{
    return v->major > major || (v->major == major && v->minor >= minor);
}

/* ---- one query ---- */

struct sql_call {
    struct world *w;
    struct world_http *http;
    sql_done_fn *done;
    void *ctx;
    char where[128];
};

static void url_encode(struct str *out, const char *text)
{
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
            str_addc(out, *text);
        else
            str_addf(out, "%%%02X", (unsigned char)*text);
    }
}

/* The number behind "Code: " where a server's answer begins ("Code: 60, e.displayText()…", "Poco::Exception. Code: …").
 */
static int error_code(const char *body)
{
    const char *p = strstr(body, "Code: ");

    return p && p - body < 64 ? atoi(p + 6) : 0;
}

static enum err_kind kind_of(int code, int status)
{
    static const int refused[] = {192, 193, 194, 195, 497, 516}, missing[] = {60, 81};
    static const int again[] = {159, 202, 203, 209, 210, 225, 236, 241, 242, 279, 394, 425, 999};

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (code == refused[i])
            return ERR_REFUSED;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (code == missing[i])
            return ERR_MISSING;
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        if (code == again[i])
            return ERR_AGAIN;
    if (code == 0 && (status == 401 || status == 403))
        return ERR_REFUSED;
    return code == 0 && status >= 500 ? ERR_AGAIN : ERR_SYS;
}

/* The part of the server's text that a person needs: without e.what() and the stack trace. */
static void server_error(const struct sql_call *c, const struct http_response *res, struct err *err)
{
    const char *text = strstr(res->body, "e.displayText() = ");
    int code = error_code(res->body), n;

    text = text ? text + strlen("e.displayText() = ") : res->body;
    n = (int)strcspn(text, "\n");
    for (const char *cut = text; (cut = strstr(cut, ", e.what()")) && cut - text < n;)
        n = (int)(cut - text);
    if (n > 320)
        n = 320;
    if (code)
        err_set(err, kind_of(code, res->status), 0, "%s: ClickHouse error %d: %.*s", c->where, code, n, text);
    else
        err_set(err, kind_of(0, res->status), 0, "%s: HTTP status %d: %.*s", c->where, res->status, n, text);
    err->sys = code;
}

static void answered(void *ctx, const struct http_response *res)
{
    struct sql_call *c = ctx;
    struct err err = ERR_INIT;

    if (res->status == 200) {
        c->done(c->ctx, res->body, res->body_len, NULL, true);
    } else if (res->status == 0) {
        err = res->why;
        if (err.kind == ERR_NONE)
            err_set(&err, ERR_AGAIN, 0, "no answer");
        err_ctx(&err, "%s", c->where);
        c->done(c->ctx, "", 0, &err, res->sent);
    } else {
        server_error(c, res, &err);
        c->done(c->ctx, "", 0, &err, true);
    }
    free(c);
}

static void make_url(const struct sql_host *h, const struct sql_query *q, struct str *url)
{
    bool v6 = strchr(h->address, ':') != NULL;

    str_addf(url, "%s://%s%s%s:%u/?wait_end_of_query=1", h->tls ? "https" : "http", v6 ? "[" : "", h->address,
             v6 ? "]" : "", h->port);
    if (q->id) {
        str_add(url, "&query_id=");
        url_encode(url, q->id);
    }
    if (q->database) {
        str_add(url, "&database=");
        url_encode(url, q->database);
    }
    if (q->settings && *q->settings)
        str_addf(url, "&%s", q->settings);
}

/* No pooled connection: one that idles keeps a stopping server waiting. */
struct sql_call *sql_start(struct world *w, const struct sql_host *h, const struct sql_query *q, sql_done_fn *done,
                           void *ctx)
{
    struct sql_call *c = mem_zero(sizeof *c);
    auto_free char *user = mem_printf("X-ClickHouse-User: %s", h->user ? h->user : "default");
    auto_free char *key = mem_printf("X-ClickHouse-Key: %s", h->password ? h->password : "");
    const char *headers[] = {user, key, "Content-Type: text/plain; charset=utf-8", NULL};
    auto_str struct str url = STR_INIT;
    struct http_request req = {
        .method = "POST",
        .headers = headers,
        .body = q->text,
        .body_len = strlen(q->text),
        .total_ms = q->timeout_ms,
        .connect_ms = q->connect_ms ? q->connect_ms : 2000,
        .tls = h->tls ? h->trust : NULL,
        .flags = q->alone ? HTTP_ALONE : 0,
    };

    make_url(h, q, &url);
    req.url = str_text(&url);
    c->w = w;
    c->done = done;
    c->ctx = ctx;
    snprintf(c->where, sizeof c->where, "%s:%u", h->address, h->port);
    c->http = w->ops->http(w, &req, NULL, answered, c);
    return c;
}

void sql_cancel(struct sql_call *c)
{
    if (!c)
        return;
    c->w->ops->http_cancel(c->w, c->http);
    free(c);
}

/* ---- reading TSV ---- */

static char unescaped(char c)
{
    static const char from[] = "btnfr0", to[] = "\b\t\n\f\r";
    const char *p = c ? strchr(from, c) : NULL;

    return p ? to[p - from] : c; /* '0' gives the NUL behind "to" */
}

int sql_next(struct sql_rows *r, struct str *buf, const char **fields, int max)
{
    size_t at[64];
    int n = 0;

    if (r->p >= r->end)
        return 0;
    str_reset(buf);
    if (max > 64)
        max = 64;
    at[n++] = 0;
    for (; r->p < r->end && *r->p != '\n'; r->p++) {
        if (*r->p == '\t') {
            str_addc(buf, '\0');
            if (n < max)
                at[n++] = buf->len;
        } else if (*r->p == '\\' && r->p + 1 < r->end) {
            str_addc(buf, unescaped(*++r->p));
        } else {
            const char *from = r->p;

            while (r->p + 1 < r->end && r->p[1] != '\t' && r->p[1] != '\n' && r->p[1] != '\\')
                r->p++;
            str_addn(buf, from, (size_t)(r->p - from) + 1);
        }
    }
    if (r->p < r->end)
        r->p++;
    for (int i = 0; i < n; i++)
        fields[i] = str_text(buf) + at[i];
    return n;
}
