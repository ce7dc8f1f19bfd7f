/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/text.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- names ---- */

/* How many bytes the UTF-8 character at s has; 0 when it is none (cut, too long, a surrogate). */
static int rune(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    int n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static void put_name(struct str *out, const char *raw, bool colon)
{
    for (int n; *raw; raw += n ? n : 1) {
        n = rune(raw);
        if ((unsigned char)*raw < 0x80 && (isalnum((unsigned char)*raw) || *raw == '_' || (colon && *raw == ':')))
            str_addc(out, *raw);
        else
            str_addc(out, '_');
    }
}

void text_metric_name(struct str *out, const char *raw)
{
    put_name(out, raw, true);
}

void text_label_name(struct str *out, const char *raw)
{
    while (raw[0] == '_' && raw[1] == '_')
        raw++;
    if (!*raw || isdigit((unsigned char)*raw))
        str_addc(out, '_');
    put_name(out, raw, false);
}

/* ---- values ---- */

void text_label_value(struct str *out, const char *value)
{
    for (int n; *value; value += n ? n : 1) {
        n = rune(value);
        if (n == 0)
            str_addc(out, '?');
        else if (*value == '\\' || *value == '"')
            str_addf(out, "\\%c", *value);
        else if (*value == '\n')
            str_add(out, "\\n");
        else
            str_addn(out, value, (size_t)n);
    }
}

void text_number(struct str *out, double v)
{
    char buf[40];

    if (isnan(v)) {
        str_add(out, "NaN");
    } else if (isinf(v)) {
        str_add(out, v > 0 ? "+Inf" : "-Inf");
    } else if (v == floor(v) && fabs(v) < 1e15) {
        str_addf(out, "%lld", (long long)v);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(buf, sizeof buf, "%.*g", digits, v);
            if (strtod(buf, NULL) == v)
                break;
        }
        str_add(out, buf);
    }
}

double text_read_number(const char *s)
{
    char *end;
    double v = strtod(s, &end);

    return end == s || *end ? 0 : v;
}

/* ---- labels ---- */

void labels_put(struct labels *l, const char *name, const char *value)
{
    auto_str struct str key = STR_INIT, text = STR_INIT;
    size_t at = 0;
    int order = 1;

    text_label_name(&key, name);
    text_label_value(&text, value);
    while (at < l->n && (order = strcmp(l->v[at].name, str_text(&key))) < 0)
        at++;
    if (at == l->n || order != 0) {
        l->v = mem_grow(l->v, l->n + 1, sizeof *l->v);
        memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof *l->v);
        l->n++;
        l->v[at].name = mem_str(str_text(&key));
    } else {
        free(l->v[at].value);
    }
    l->v[at].value = mem_str(str_text(&text));
}

void labels_free(struct labels *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].value);
    }
    free(l->v);
    *l = (struct labels){NULL, 0};
}

void labels_print(struct str *out, const struct labels *l, const struct labels *over)
{
    size_t a = 0, b = 0;
    const char *comma = "";

    while (a < l->n || b < over->n) {
        int order = a == l->n ? 1 : b == over->n ? -1 : strcmp(l->v[a].name, over->v[b].name);
        const struct label *one = order < 0 ? &l->v[a] : &over->v[b];

        a += order <= 0;
        b += order >= 0;
        str_add(out, comma);
        str_add(out, one->name);
        str_add(out, "=\"");
        str_add(out, one->value);
        str_addc(out, '"');
        comma = ",";
    }
}
