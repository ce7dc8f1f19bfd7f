/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClickHouse over HTTP. Statements live in sql/statements/, one file each, with a variant per server version where
 * servers differ (18.16 … today). Values and names go into a statement only through the quoting functions. Every query
 * carries the id chfleet-<operation>-<task>-<step>-<try>[-<n>].
 */
#ifndef SQL_SQL_H
#define SQL_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/world.h"

/* ---- quoting: the only way a value gets into a statement; tested against hostile names ---- */
void sql_quote_string(struct str *out, const char *value); /* 'it\'s' */
void sql_quote_name(struct str *out, const char *name);    /* `odd\`name` */

/* ---- versions ---- */
struct sql_version {
    unsigned major, minor, patch;
};
int sql_version_parse(const char *text, struct sql_version *out); /* "18.16.1" or "24.8.4.13-lts"; -1 if it is none */
bool sql_version_at_least(const struct sql_version *v, unsigned major, unsigned minor);

/* ---- one query ---- */
struct sql_host {
    const char *address;
    unsigned port;
    bool tls;
    const char *user, *password; /* password goes into a header */
    const struct http_tls *trust;
};
struct sql_query {
    const char *text;
    const char *id;       /* query_id; NULL = none */
    const char *database; /* NULL */
    const char *settings; /* "a=1&b=2" already encoded, or NULL */
    uint32_t timeout_ms;  /* whole answer */
    uint32_t connect_ms;  /* of it, for the connection; 0 = 2000 */
    bool alone;           /* a connection of its own, never re-sent (SYSTEM SHUTDOWN) */
};
/* rows: the answer's text (TSV unless the statement says FORMAT); err NULL on success. err.sys = ClickHouse error code
 * (Code: N of the body) when the server said one; kinds: ERR_AGAIN for connection trouble and time-outs, ERR_REFUSED
 * for authentication, ERR_MISSING for unknown table/database (60, 81), ERR_SYS otherwise. sent false: the statement
 * surely did not arrive. */
typedef void sql_done_fn(void *ctx, const char *rows, size_t len, const struct err *err, bool sent);
struct sql_call;
struct sql_call *sql_start(struct world *w, const struct sql_host *h, const struct sql_query *q, sql_done_fn *done,
                           void *ctx);
void sql_cancel(struct sql_call *c);

/* ---- reading TSV ---- */
struct sql_rows {
    const char *p, *end;
};
/* Next row: unescaped fields (NUL-terminated, in buf, which is reset). Returns the number of fields, 0 at the end. */
int sql_next(struct sql_rows *r, struct str *buf, const char **fields, int max);

#endif
