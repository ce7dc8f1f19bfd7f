/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/emit.h"

#include <string.h>

#include "base/mem.h"
#include "schema/yaml_internal.h"

#define LONG_KEY 500 /* YAML knows no simple keys beyond 1024 characters, escapes included */

/* The character at s as a code point; *n = its bytes. Broken bytes count as one each. */
static uint32_t code_point(const char *text, size_t *n)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t len = s[0] < 0xc2 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 1;
    uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));

    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *n = 1;
            return s[0];
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    *n = len;
    return c;
}

static bool is_printable(uint32_t c)
{
    return (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c < 0xd800 && c != 0x2028 && c != 0x2029) ||
           (c >= 0xe000 && c < 0xfffe && c != 0xfeff) || c >= 0x10000;
}

static bool all_printable(const char *s, bool newlines)
{
    size_t n;

    for (; *s; s += n) {
        uint32_t c = code_point(s, &n);

        if (!is_printable(c) && !(newlines && c == '\n'))
            return false;
    }
    return true;
}

/* Does the bare word mean this very text to every reader? */
static bool is_bare(const char *s)
{
    const char *why = NULL;
    size_t n = strlen(s);
    auto_json cJSON *item = NULL;

    if (n == 0 || n > 200 || strchr("-?:,[]{}#&*!|>'\"%@` =<~", s[0]) || s[n - 1] == ' ' || s[n - 1] == ':')
        return false;
    if (str_starts(s, "...") || strstr(s, ": ") || strstr(s, " #") || !all_printable(s, false))
        return false;
    item = schema_scalar(s, n, true, NULL, &why);
    return cJSON_IsString(item);
}

static void quoted(const char *s, struct str *out)
{
    size_t n;

    str_addc(out, '"');
    for (; *s; s += n) {
        uint32_t c = code_point(s, &n);

        if (c == '"' || c == '\\')
            str_addf(out, "\\%c", (int)c);
        else if (c == '\n')
            str_add(out, "\\n");
        else if (c == '\t')
            str_add(out, "\\t");
        else if (is_printable(c))
            str_addn(out, s, n);
        else if (c < 0x100)
            str_addf(out, "\\x%02x", c);
        else
            str_addf(out, "\\u%04x", c);
    }
    str_addc(out, '"');
}

void schema_emit_text(const char *text, struct str *out)
{
    if (is_bare(text))
        str_add(out, text);
    else
        quoted(text, out);
}

/* Several lines that a "|" block gives back unchanged: no blank at the start, and exactly one or no newline at the end.
 */
static bool is_block(const char *s)
{
    size_t n = strlen(s);
    const char *newline = strchr(s, '\n');

    return newline && newline != s && newline[1] && *s != ' ' && all_printable(s, true) &&
           !(n > 1 && s[n - 1] == '\n' && s[n - 2] == '\n') && !strstr(s, " \n");
}

static void indent(struct str *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        str_add(out, "  ");
}

static void block(const char *s, struct str *out, unsigned depth)
{
    str_add(out, str_ends(s, "\n") ? "|\n" : "|-\n");
    while (*s) {
        size_t n = strcspn(s, "\n");

        if (n)
            indent(out, depth);
        str_addn(out, s, n);
        str_addc(out, '\n');
        s += n + (s[n] == '\n');
    }
}

static void emit(const cJSON *v, struct str *out, unsigned depth);

/* A value behind "key:"; the blank comes with it. */
static void emit_member(const cJSON *v, struct str *out, unsigned depth)
{
    if (cJSON_IsObject(v) && v->child) {
        str_addc(out, '\n');
        indent(out, depth + 1);
        emit(v, out, depth + 1);
    } else if (cJSON_IsArray(v) && v->child) {
        str_addc(out, '\n');
        indent(out, depth);
        emit(v, out, depth);
    } else {
        str_addc(out, ' ');
        emit(v, out, depth + 1);
    }
}

static void emit_object(const cJSON *v, struct str *out, unsigned depth)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, v)
    {
        bool longer = strlen(m->string) > LONG_KEY / 4;

        if (m != v->child)
            indent(out, depth);
        if (longer)
            str_add(out, "? ");
        schema_emit_text(m->string, out);
        if (longer) {
            str_addc(out, '\n');
            indent(out, depth);
        }
        str_addc(out, ':');
        emit_member(m, out, depth);
    }
}

static void emit_list(const cJSON *v, struct str *out, unsigned depth)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, v)
    {
        if (item != v->child)
            indent(out, depth);
        str_add(out, "- ");
        emit(item, out, depth + 1);
    }
}

/* The cursor stands where the value begins; ends behind a newline. */
static void emit(const cJSON *v, struct str *out, unsigned depth)
{
    auto_free char *text = NULL;

    if (cJSON_IsObject(v) && v->child) {
        emit_object(v, out, depth);
        return;
    }
    if (cJSON_IsArray(v) && v->child) {
        emit_list(v, out, depth);
        return;
    }
    if (cJSON_IsString(v) && is_block(v->valuestring)) {
        block(v->valuestring, out, depth);
        return;
    }
    if (cJSON_IsString(v)) {
        schema_emit_text(v->valuestring, out);
    } else {
        text = json_print(v);
        str_add(out, text);
    }
    str_addc(out, '\n');
}

void schema_emit(const cJSON *value, struct str *out)
{
    emit(value, out, 0);
}
