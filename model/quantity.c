/* SPDX-License-Identifier: Apache-2.0 */
#include "model/quantity.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/settings.h"

/* By repeated multiplication: powl() is not exact everywhere. */
static long double power(long double base, int n)
{
    long double out = 1;

    for (; n > 0; n--)
        out *= base;
    for (; n < 0; n++)
        out /= base;
    return out;
}

static bool suffix_factor(const char *s, long double *factor)
{
    static const char binary[] = "KMGTPE", decimal[] = "num kMGTPE";
    const char *at;

    if (!*s) {
        *factor = 1;
        return true;
    }
    if (s[1] == 'i' && !s[2] && (at = strchr(binary, *s)) && *at) {
        *factor = power(1024, (int)(at - binary) + 1);
        return true;
    }
    if (!s[1] && *s != ' ' && (at = strchr(decimal, *s)) && *at) {
        *factor = power(1000, (int)(at - decimal) - 3);
        return true;
    }
    return false;
}

bool quantity_parse(const char *text, long double *out)
{
    char *end;
    long double v, factor;

    if (!isdigit((unsigned char)text[*text == '-' || *text == '+']) && *text != '.')
        return false;
    v = strtold(text, &end);
    if (end == text || strpbrk(text, "xXnNpP") || !suffix_factor(end, &factor)) {
        /* hexadecimal, nan and the suffixes that strtold would eat are none of ours, but n and P may be suffixes */
        size_t n = strspn(text, "+-0123456789.");

        if (n == 0 || !suffix_factor(text + n, &factor))
            return false;
        v = strtold(text, NULL);
    }
    *out = v * factor;
    return true;
}

int64_t quantity_bytes(const cJSON *v)
{
    auto_free char *text = settings_scalar(v);
    long double q;

    if (!text || !quantity_parse(text, &q) || q < 0 || q > 9e18L)
        return -1;
    return (int64_t)ceill(q);
}

bool quantity_same(const cJSON *a, const cJSON *b)
{
    auto_free char *x = settings_scalar(a), *y = settings_scalar(b);
    long double p, q;

    return x && y && quantity_parse(x, &p) && quantity_parse(y, &q) && fabsl(p - q) <= 1e-12L * fabsl(p);
}
