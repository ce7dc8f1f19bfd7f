/* SPDX-License-Identifier: Apache-2.0 */
/* The normal form of stored objects, from the table in types.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/mem.h"
#include "plane/types.h"

/* ---- quantities ---- */

struct quantity {
    __int128 nano;
    char form; /* 'b' binary, 'd' decimal, 'e' exponent */
    bool negative;
};

static const char *const binary_suffix[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
static const char *const decimal_suffix[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};

static __int128 pow_int(int base, int n)
{
    __int128 v = 1;

    while (n-- > 0)
        v *= base;
    return v;
}

static int apply_suffix(struct quantity *q, const char *s)
{
    if (strlen(s) == 2 && s[1] == 'i')
        for (int i = 1; i < 7; i++)
            if (strcmp(binary_suffix[i], s) == 0) {
                q->form = 'b';
                q->nano *= pow_int(1024, i);
                return 0;
            }
    for (int i = 0; i < 10; i++)
        if (strcmp(decimal_suffix[i], s) == 0) {
            if (i < 3)
                q->nano /= pow_int(1000, 3 - i);
            else
                q->nano *= pow_int(1000, i - 3);
            return 0;
        }
    if ((*s == 'e' || *s == 'E') && s[1]) {
        char *end;
        long e = strtol(s + 1, &end, 10);

        if (*end || e > 18 || e < -9)
            return -1;
        q->form = 'e';
        if (e < 0)
            q->nano /= pow_int(10, (int)-e);
        else
            q->nano *= pow_int(10, (int)e);
        return 0;
    }
    return -1;
}

static int quantity_parse(const char *s, struct quantity *q)
{
    int digits = 0, scale = 9;

    *q = (struct quantity){0, 'd', *s == '-'};
    s += *s == '-' || *s == '+';
    for (; *s >= '0' && *s <= '9'; s++, digits++)
        q->nano = q->nano * 10 + (*s - '0');
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++, digits++)
            if (scale > 0) {
                q->nano = q->nano * 10 + (*s - '0');
                scale--;
            }
    if (digits == 0 || digits > 18)
        return -1;
    q->nano *= pow_int(10, scale);
    if (q->nano > pow_int(10, 9) * pow_int(10, 9) * 10 && *s) { /* beyond 2^63 with a suffix: no machine has it */
        q->nano = pow_int(10, 18) * 9;
        return *s == 'm' || *s == 'u' || *s == 'n' ? apply_suffix(q, s) : 0;
    }
    return apply_suffix(q, s);
}

static void print_scaled(char *buf, size_t size, bool negative, __int128 value, const char *suffix)
{
    snprintf(buf, size, "%s%lld%s", negative && value ? "-" : "", (long long)value, suffix);
}

static void print_exponent(char *buf, size_t size, const struct quantity *q)
{
    __int128 v = q->nano;
    char suffix[16] = "";
    int e = -9;

    while (v && v % 1000 == 0) {
        v /= 1000;
        e += 3;
    }
    if (v == 0)
        e = 0;
    if (e != 0)
        snprintf(suffix, sizeof suffix, "e%d", e);
    print_scaled(buf, size, q->negative, v, suffix);
}

bool quantity_canonical(const char *text, char *buf, size_t size)
{
    const __int128 one = 1000000000;
    struct quantity q;
    int i;

    if (quantity_parse(text, &q) < 0)
        return false;
    if (q.form == 'e') {
        print_exponent(buf, size, &q);
        return true;
    }
    if (q.form == 'b' && q.nano % one == 0 && q.nano / one >= 1024) {
        __int128 v = q.nano / one;

        for (i = 0; i < 6 && v % 1024 == 0; i++)
            v /= 1024;
        print_scaled(buf, size, q.negative, v, binary_suffix[i]);
        return true;
    }
    for (i = 0; i < 9 && q.nano && q.nano % 1000 == 0; i++)
        q.nano /= 1000;
    print_scaled(buf, size, q.negative, q.nano, q.nano ? decimal_suffix[i] : "");
    return true;
}

bool quantity_milli(const char *text, long double *out)
{
    struct quantity q;

    if (quantity_parse(text, &q) < 0)
        return false;
    *out = (long double)q.nano / 1e6L * (q.negative ? -1 : 1);
    return true;
}

/* ---- normal form ---- */

struct walk {
    struct str path;
    struct type_report *r;
};

static void wrong(struct walk *w, const char *want)
{
    if (w->r->wrong.len == 0)
        str_addf(&w->r->wrong, "%s: must be %s", str_text(&w->path), want);
}

static bool normalize_value(struct walk *w, cJSON *item, const struct type_ref *t);
static void normalize_object(struct walk *w, cJSON *obj, const struct type_row *row);

static void become_text(cJSON *item, const char *text)
{
    char *copy = cJSON_malloc(strlen(text) + 1);

    memcpy(copy, text, strlen(text) + 1);
    cJSON_free(item->valuestring);
    item->valuestring = copy;
    item->type = cJSON_String | (item->type & cJSON_StringIsConst);
}

static void normalize_quantity(struct walk *w, cJSON *item)
{
    char buf[64];
    auto_free char *text = cJSON_IsString(item) ? mem_str(item->valuestring) : json_print(item);

    if (cJSON_IsObject(item) || cJSON_IsArray(item) || !quantity_canonical(text, buf, sizeof buf))
        wrong(w, "a quantity, such as 500m, 2 or 10Gi");
    else if (!cJSON_IsString(item) || strcmp(text, buf) != 0)
        become_text(item, buf);
}

static bool is_integer(const cJSON *j)
{
    return cJSON_IsRaw(j) || (cJSON_IsNumber(j) && j->valuedouble == floor(j->valuedouble));
}

/* RFC 3339: 2026-01-02T03:04:05[.678](Z|+01:00) */
static bool is_time(const char *text)
{
    struct tm tm;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (!end || strcmp(end, "Z") == 0)
        return end != NULL;
    return (*end == '+' || *end == '-') && strlen(end) == 6 && end[3] == ':' &&
           strspn(end + 1, "0123456789:") == 5;
}

/* false: leave the field out */
static bool normalize_scalar(struct walk *w, cJSON *j, char code)
{
    switch (code) {
    case 't':
        if (cJSON_IsString(j) && j->valuestring[0] && !is_time(j->valuestring))
            wrong(w, "a time as in 2026-01-02T03:04:05Z");
        /* fallthrough */
    case 's':
    case 'S':
        if (!cJSON_IsString(j))
            wrong(w, "text (put it in quotes)");
        else
            return code == 'S' || j->valuestring[0];
        return true;
    case 'b':
    case 'B':
        if (!cJSON_IsBool(j))
            wrong(w, "true or false");
        return code == 'B' || !cJSON_IsFalse(j);
    case 'i':
    case 'I':
        if (!is_integer(j))
            wrong(w, "a whole number");
        return code == 'I' || !(cJSON_IsNumber(j) && j->valuedouble == 0);
    case 'o':
        if (!cJSON_IsString(j) && !is_integer(j))
            wrong(w, "a whole number or text");
        return true;
    case 'q':
        normalize_quantity(w, j);
        return true;
    case 'y': {
        size_t n;
        auto_free unsigned char *bytes = cJSON_IsString(j) ? hash_unbase64(j->valuestring, &n) : NULL;

        if (!bytes)
            wrong(w, "base64 text");
        return true;
    }
    default:
        return true;
    }
}

static void path_back(struct walk *w, size_t mark)
{
    w->path.len = mark;
    if (w->path.s)
        w->path.s[mark] = '\0';
}

static void normalize_items(struct walk *w, cJSON *parent, const struct type_ref *item_type)
{
    size_t mark = w->path.len;
    int i = 0;

    for (cJSON *child = parent->child, *next; child; child = next, i++) {
        next = child->next;
        if (cJSON_IsArray(parent))
            str_addf(&w->path, "[%d]", i);
        else
            str_addf(&w->path, ".%s", child->string);
        if (cJSON_IsNull(child))
            cJSON_Delete(cJSON_DetachItemViaPointer(parent, child));
        else
            normalize_value(w, child, item_type);
        path_back(w, mark);
    }
}

static bool normalize_value(struct walk *w, cJSON *item, const struct type_ref *t)
{
    struct type_ref inner = *t;
    const struct type_row *row;

    if (t->form != TYPE_ONE) {
        bool list = t->form == TYPE_LIST;

        if (!(list ? cJSON_IsArray(item) : cJSON_IsObject(item))) {
            wrong(w, list ? "a list" : "an object");
            return true;
        }
        inner.form = TYPE_ONE;
        if (strcmp(inner.name, "s") == 0) /* texts in lists and maps stay even when empty */
            inner.name[0] = 'S';
        if (strcmp(inner.name, "i") == 0)
            inner.name[0] = 'I';
        normalize_items(w, item, &inner);
        return item->child != NULL;
    }
    if (!t->name[1])
        return normalize_scalar(w, item, t->name[0]);
    row = type_find(t->name);
    if (!row)
        return true;
    if (!cJSON_IsObject(item)) {
        wrong(w, "an object");
        return true;
    }
    normalize_object(w, item, row);
    return true;
}

static void normalize_object(struct walk *w, cJSON *obj, const struct type_row *row)
{
    size_t mark = w->path.len;

    for (cJSON *child = obj->child, *next; child; child = next) {
        struct type_ref t;
        bool keep = false;

        next = child->next;
        str_addf(&w->path, "%s%s", mark ? "." : "", child->string);
        if (!type_field(row, child->string, &t))
            str_addf(&w->r->unknown, "%s\n", str_text(&w->path));
        else if (!cJSON_IsNull(child))
            keep = normalize_value(w, child, &t);
        if (!keep)
            cJSON_Delete(cJSON_DetachItemViaPointer(obj, child));
        path_back(w, mark);
    }
}

void type_normalize(cJSON *obj, const char *type, struct type_report *r)
{
    struct walk w = {STR_INIT, r};
    const struct type_row *row = type_find(type);

    if (row && cJSON_IsObject(obj))
        normalize_object(&w, obj, row);
    str_free(&w.path);
}

void type_report_free(struct type_report *r)
{
    str_free(&r->unknown);
    str_free(&r->wrong);
}
