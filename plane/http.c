/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static int refuse(int *status, int code)
{
    *status = code;
    return -1;
}

/* End of the head: the place behind the empty line, or 0. */
static size_t head_end(const char *data, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++)
        if (data[i] == '\n' && (data[i + 1] == '\n' || (data[i + 1] == '\r' && i + 2 < len && data[i + 2] == '\n')))
            return i + (data[i + 1] == '\n' ? 2 : 3);
    return 0;
}

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
            return false;
    return true;
}

/* The next line of text, ended in place; NULL at the end. */
static char *next_line(char **p)
{
    char *line = *p, *end = strchr(line, '\n');

    if (!end)
        return NULL;
    *p = end + 1;
    *end = '\0';
    if (end > line && end[-1] == '\r')
        end[-1] = '\0';
    return line;
}

static int parse_request_line(char *line, struct http_head *h, int *status)
{
    char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL, *query;

    if (!version || strchr(version + 1, ' '))
        return refuse(status, 400);
    *target++ = '\0';
    *version++ = '\0';
    if (strncmp(version, "HTTP/", 5) != 0 || !is_token(line) || *target != '/')
        return refuse(status, 400);
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return refuse(status, 505);
    h->keep_alive = strcmp(version, "HTTP/1.1") == 0;
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127)
            return refuse(status, 400);
    query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    h->method = line;
    h->path = target;
    h->query = query;
    return 0;
}

static int parse_header(char *line, struct http_head *h, int *status)
{
    char *colon = strchr(line, ':'), *value, *end;

    if (!colon || h->n_headers == HTTP_HEADERS_MAX)
        return refuse(status, colon ? 431 : 400);
    *colon = '\0';
    if (!is_token(line)) /* also a folded line, which begins with a blank */
        return refuse(status, 400);
    value = colon + 1 + strspn(colon + 1, " \t");
    end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    h->headers[h->n_headers].name = line;
    h->headers[h->n_headers++].value = value;
    return 0;
}

static int parse_length(const char *text, size_t *out, int *status)
{
    size_t n = strlen(text);

    if (n == 0 || n > 12 || strspn(text, "0123456789") != n)
        return refuse(status, 400);
    *out = strtoull(text, NULL, 10);
    return *out > HTTP_BODY_MAX ? refuse(status, 413) : 0;
}

/* How the body comes. Two ways at once, or two lengths, is how requests are smuggled: refused. */
static int frame_body(struct http_head *h, int *status)
{
    const char *length = NULL, *encoding = NULL;

    for (unsigned i = 0; i < h->n_headers; i++) {
        if (strcasecmp(h->headers[i].name, "Content-Length") == 0) {
            if (length && strcmp(length, h->headers[i].value) != 0)
                return refuse(status, 400);
            length = h->headers[i].value;
        } else if (strcasecmp(h->headers[i].name, "Transfer-Encoding") == 0) {
            if (encoding)
                return refuse(status, 400);
            encoding = h->headers[i].value;
        }
    }
    if (encoding && length)
        return refuse(status, 400);
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        return refuse(status, 501);
    h->chunked = encoding != NULL;
    return length ? parse_length(length, &h->length, status) : 0;
}

static int parse_head(char *text, struct http_head *h, int *status)
{
    char *p = text, *line = next_line(&p);

    if (!line || parse_request_line(line, h, status) < 0)
        return line ? -1 : refuse(status, 400);
    while ((line = next_line(&p)) && *line)
        if (parse_header(line, h, status) < 0)
            return -1;
    if (frame_body(h, status) < 0)
        return -1;
    if (http_head_has(h, "Connection", "close"))
        h->keep_alive = false;
    else if (http_head_has(h, "Connection", "keep-alive"))
        h->keep_alive = true;
    h->expect_continue = http_head_has(h, "Expect", "100-continue");
    return 0;
}

int http_head_parse(const char *data, size_t len, struct http_head *h, size_t *used, int *status)
{
    size_t skip = 0, end;

    memset(h, 0, sizeof *h);
    while (skip < len && (data[skip] == '\r' || data[skip] == '\n')) /* empty lines before a request */
        skip++;
    end = head_end(data + skip, len - skip);
    if (end == 0)
        return len > HTTP_HEAD_MAX ? refuse(status, 431) : 0;
    if (end > HTTP_HEAD_MAX)
        return refuse(status, 431);
    if (memchr(data + skip, '\0', end))
        return refuse(status, 400);
    h->text = mem_strn(data + skip, end);
    if (parse_head(h->text, h, status) < 0) {
        http_head_free(h);
        return -1;
    }
    *used = skip + end;
    return 1;
}

void http_head_free(struct http_head *h)
{
    free(h->text);
    memset(h, 0, sizeof *h);
}

const char *http_head_get(const struct http_head *h, const char *name)
{
    for (unsigned i = 0; i < h->n_headers; i++)
        if (strcasecmp(h->headers[i].name, name) == 0)
            return h->headers[i].value;
    return NULL;
}

bool http_head_has(const struct http_head *h, const char *name, const char *token)
{
    size_t want = strlen(token);

    for (unsigned i = 0; i < h->n_headers; i++) {
        const char *p = h->headers[i].value;

        if (strcasecmp(h->headers[i].name, name) != 0)
            continue;
        while (*p) {
            size_t n;

            p += strspn(p, " \t,");
            n = strcspn(p, " \t,");
            if (n == want && strncasecmp(p, token, n) == 0)
                return true;
            p += n;
        }
    }
    return false;
}

/* ---- body ---- */

void http_body_begin(struct http_body *b, const struct http_head *h)
{
    *b = (struct http_body){STR_INIT, h->chunked ? 0 : h->length, h->chunked ? BODY_SIZE : BODY_PLAIN};
}

/* A line "1a;extension\r\n"; 0 when it is not complete. */
static int chunk_size(struct http_body *b, const char *data, size_t len, size_t *used, int *status)
{
    const char *end = memchr(data, '\n', len > 256 ? 256 : len);
    size_t digits = 0, size = 0;

    if (!end)
        return len > 256 ? refuse(status, 400) : 0;
    for (; data + digits < end && isxdigit((unsigned char)data[digits]) && digits < 8; digits++)
        size = size * 16 +
               (size_t)(isdigit((unsigned char)data[digits]) ? data[digits] - '0' : (data[digits] | 32) - 'a' + 10);
    if (digits == 0 || (data[digits] != ';' && data[digits] != '\r' && data[digits] != '\n' && data[digits] != ' '))
        return refuse(status, 400);
    if (size > HTTP_BODY_MAX || b->bytes.len + size > HTTP_BODY_MAX)
        return refuse(status, 413);
    *used = (size_t)(end - data) + 1;
    b->left = size;
    b->state = size ? BODY_DATA : BODY_TRAILER;
    return 1;
}

static size_t take(struct http_body *b, const char *data, size_t len)
{
    size_t n = len < b->left ? len : b->left;

    str_addn(&b->bytes, data, n);
    b->left -= n;
    return n;
}

/* One step of a chunked body: 1 made a step, 0 more is needed, 2 complete. */
static int chunk_step(struct http_body *b, const char *data, size_t len, size_t *used, int *status)
{
    const char *end;

    *used = 0;
    switch (b->state) {
    case BODY_SIZE:
        return chunk_size(b, data, len, used, status);
    case BODY_DATA:
        *used = take(b, data, len);
        if (b->left == 0)
            b->state = BODY_DATA_END;
        return *used > 0;
    case BODY_DATA_END:
        if (len == 0 || (data[0] == '\r' && len == 1))
            return 0;
        *used = data[0] == '\r' ? 2 : 1;
        if (data[*used - 1] != '\n')
            return refuse(status, 400);
        b->state = BODY_SIZE;
        return 1;
    default:
        end = memchr(data, '\n', len);
        if (!end)
            return len > 4096 ? refuse(status, 431) : 0;
        *used = (size_t)(end - data) + 1;
        return *used <= 2 && (*used == 1 || data[0] == '\r') ? 2 : 1;
    }
}

int http_body_feed(struct http_body *b, const char *data, size_t len, size_t *used, int *status)
{
    *used = 0;
    if (b->state == BODY_PLAIN) {
        *used = take(b, data, len);
        return b->left == 0;
    }
    for (;;) {
        size_t n = 0;
        int rc = chunk_step(b, data + *used, len - *used, &n, status);

        if (rc < 0)
            return -1;
        *used += n;
        if (rc != 1)
            return rc == 2;
    }
}
