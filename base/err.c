/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void mark_cut(char *buf, size_t size, int want)
{
    if (want >= (int)size)
        memcpy(buf + size - 4, "...", 4);
}

int err_set(struct err *err, enum err_kind kind, int sys, const char *fmt, ...)
{
    char text[sizeof err->msg];
    va_list ap;
    int n;

    if (!err)
        return -1;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    mark_cut(text, sizeof text, n);
    if (kind == ERR_SYS && sys != 0 && n >= 0 && n < (int)sizeof text) {
        int m = snprintf(text + n, sizeof text - (size_t)n, ": %s", strerror(sys));
        mark_cut(text, sizeof text, n + m);
    }
    err->kind = kind;
    err->sys = sys;
    memcpy(err->msg, text, sizeof text);
    return -1;
}

int err_ctx(struct err *err, const char *fmt, ...)
{
    char old[sizeof err->msg];
    va_list ap;
    int n;

    if (!err)
        return -1;
    memcpy(old, err->msg, sizeof old);
    va_start(ap, fmt);
    n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n >= 0 && n < (int)sizeof err->msg)
        n += snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %s", old);
    mark_cut(err->msg, sizeof err->msg, n);
    return -1;
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",         [ERR_AGAIN] = "again",     [ERR_REFUSED] = "refused", [ERR_INPUT] = "input",
        [ERR_CONFLICT] = "conflict", [ERR_MISSING] = "missing", [ERR_SYS] = "system",      [ERR_BUG] = "bug",
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

int err_exit_code(const struct err *err)
{
    switch (err->kind) {
    case ERR_NONE:
        return 0;
    case ERR_INPUT:
        return 2;
    case ERR_REFUSED:
    case ERR_CONFLICT:
        return 3;
    case ERR_AGAIN:
        return 5;
    case ERR_MISSING:
    case ERR_SYS:
    case ERR_BUG:
        return 1;
    }
    return 1;
}
