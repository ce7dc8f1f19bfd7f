/* SPDX-License-Identifier: Apache-2.0 */
#include "model/version.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PARTS = 4 };

struct number {
    unsigned long part[PARTS];
    unsigned n;    /* given parts */
    bool wildcard; /* ends with x or *: only the first n count */
};

char *version_of_image(const char *image)
{
    const char *digest = strchr(image, '@'), *slash = strrchr(image, '/'), *tag = strchr(slash ? slash : image, ':');

    if (tag && digest && tag > digest)
        tag = NULL;
    if (!tag || strcmp(tag, ":latest") == 0)
        return mem_str(digest ? "" : VERSION_LATEST);
    for (const char *p = tag + 1; *p && *p != '@'; p++) {
        size_t n = strspn(p, "0123456789.");
        const char *dot = memchr(p, '.', n);

        if (!isdigit((unsigned char)*p))
            continue;
        while (n && p[n - 1] == '.')
            n--;
        if (dot && dot < p + n)
            return mem_strn(p, n);
        p += n ? n - 1 : 0;
    }
    return mem_str("");
}

static bool read_number(const char *text, size_t len, struct number *out)
{
    const char *p = text, *end = text + len;

    *out = (struct number){.n = 0};
    if (p < end && (*p == 'v' || *p == 'V'))
        p++;
    while (p < end && out->n < PARTS) {
        if (*p == '*' || *p == 'x' || *p == 'X') {
            out->wildcard = true;
            return true;
        }
        if (!isdigit((unsigned char)*p))
            break;
        out->part[out->n++] = strtoul(p, (char **)&p, 10);
        if (p < end && *p == '.')
            p++;
    }
    return out->n > 0;
}

static int compare(const struct number *a, const struct number *b, unsigned parts)
{
    for (unsigned i = 0; i < parts; i++)
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    return 0;
}

int version_compare(const char *a, const char *b)
{
    struct number x, y;
    bool has_x = read_number(a, strlen(a), &x), has_y = read_number(b, strlen(b), &y);

    if (!has_x || !has_y)
        return has_x - has_y;
    return compare(&x, &y, PARTS);
}

bool version_at_least(const char *version, const char *least)
{
    return *version && version_compare(version, least) >= 0;
}

static bool fits_one(const struct number *v, const char *op, size_t op_len, const struct number *want)
{
    int c = compare(v, want, 3);

    if (op_len == 0 || (op_len == 1 && *op == '='))
        return want->wildcard ? compare(v, want, want->n) == 0 : c == 0;
    switch (*op) {
    case '>':
        return op_len == 2 ? c >= 0 : (want->wildcard ? compare(v, want, want->n) > 0 : c > 0);
    case '<':
        return op_len == 2 ? (want->wildcard ? compare(v, want, want->n) <= 0 : c <= 0) : c < 0;
    case '!':
        return want->wildcard ? compare(v, want, want->n) != 0 : c != 0;
    case '~':
        return c >= 0 && compare(v, want, want->n > 1 ? 2 : 1) == 0;
    case '^':
        return c >= 0 && compare(v, want, want->part[0] ? 1 : 2) == 0;
    case '=':
        return c == 0;
    default:
        return false;
    }
}

/* Parts joined by "," or blanks, all of which must fit. */
static bool fits_all(const struct number *v, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    bool any = false;

    while (p < end) {
        const char *op, *from;
        struct number want;
        size_t op_len;

        if (*p == ',' || isspace((unsigned char)*p)) {
            p++;
            continue;
        }
        op = p;
        op_len = strspn(p, "<>=!~^");
        p += op_len;
        while (p < end && isspace((unsigned char)*p))
            p++;
        from = p;
        while (p < end && *p != ',' && !isspace((unsigned char)*p))
            p++;
        if (!read_number(from, (size_t)(p - from), &want) && !want.wildcard)
            return false;
        if (!fits_one(v, op, op_len, &want))
            return false;
        any = true;
    }
    return any;
}

bool version_fits(const char *version, const char *constraint)
{
    struct number v;

    if (strcmp(constraint, "*") == 0 || !*constraint)
        return true;
    if (!read_number(version, strlen(version), &v))
        return false;
    for (const char *p = constraint;; p += 2) {
        const char *bar = strstr(p, "||");

        if (fits_all(&v, p, bar ? (size_t)(bar - p) : strlen(p)))
            return true;
        if (!bar)
            return false;
        p = bar;
    }
}
