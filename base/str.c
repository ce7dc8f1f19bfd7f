/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static void reserve(struct str *s, size_t more)
{
    size_t need = s->len + more + 1, cap = s->cap ? s->cap : 64;

    if (need <= s->cap)
        return;
    while (cap < need)
        cap *= 2;
    s->s = mem_grow(s->s, cap, 1);
    s->cap = cap;
}

void str_free(struct str *s)
{
    free(s->s);
    *s = (struct str)STR_INIT;
}

void str_reset(struct str *s)
{
    s->len = 0;
    if (s->s)
        s->s[0] = '\0';
}

void str_addn(struct str *s, const void *data, size_t n)
{
    reserve(s, n);
    if (n)
        memcpy(s->s + s->len, data, n);
    s->len += n;
    s->s[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
    str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
    str_addn(s, &c, 1);
}

void str_addv(struct str *s, const char *fmt, va_list args)
{
    va_list ap;
    int n;

    va_copy(ap, args);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    reserve(s, (size_t)n);
    vsnprintf(s->s + s->len, (size_t)n + 1, fmt, args);
    s->len += (size_t)n;
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    str_addv(s, fmt, ap);
    va_end(ap);
}

void str_cut(struct str *s, size_t front)
{
    if (!s->s)
        return;
    if (front > s->len)
        front = s->len;
    memmove(s->s, s->s + front, s->len - front + 1);
    s->len -= front;
}

const char *str_text(const struct str *s)
{
    return s->s ? s->s : "";
}

char *str_take(struct str *s)
{
    char *text = s->s ? s->s : mem_str("");

    *s = (struct str)STR_INIT;
    return text;
}

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

int str_bool(const char *s)
{
    static const char *const yes[] = {"1", "true", "yes", "on", "enable", "enabled"};
    static const char *const no[] = {"0", "false", "no", "off", "disable", "disabled"};

    if (!s)
        return -1;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(s, yes[i]) == 0)
            return 1;
        if (strcasecmp(s, no[i]) == 0)
            return 0;
    }
    return -1;
}
