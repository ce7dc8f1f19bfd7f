/* SPDX-License-Identifier: Apache-2.0 */
/* JSON → YAML in block style. Text is quoted whenever a YAML reader (1.1 as kubectl's, or 1.2) could see something else
 * in it than text. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "cli/out.h"

static bool is_word_of_yaml(const char *s)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<", "..."};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i], s) == 0)
            return true;
    return false;
}

/* Numbers, times, versions like 1.20 and everything else that starts as they do: quoted. */
static bool starts_as_number(const char *s)
{
    if (*s == '-' || *s == '+' || *s == '.')
        s++;
    return isdigit((unsigned char)*s) || *s == '\0' || strcasecmp(s, "inf") == 0 || strcasecmp(s, "nan") == 0;
}

static bool plain_is_safe(const char *s)
{
    if (*s == '\0' || strchr(" -?:,[]{}#&*!|>'\"%@`", *s) || is_word_of_yaml(s) || starts_as_number(s))
        return false;
    for (const char *p = s; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c < 0x20 || c == 0x7f || (c == ':' && (p[1] == ' ' || p[1] == '\0')) || (c == '#' && p[-1] == ' '))
            return false;
    }
    return s[strlen(s) - 1] != ' ';
}

static void put_text(const char *s, struct str *out)
{
    cJSON item = {.type = cJSON_String, .valuestring = (char *)s};
    auto_free char *quoted = NULL;

    if (plain_is_safe(s)) {
        str_add(out, s);
        return;
    }
    quoted = json_print(&item); /* a JSON string is a double-quoted YAML scalar */
    str_add(out, quoted);
}

/* Several lines of ordinary text read best as they are. */
static bool fits_block(const char *s)
{
    if (!strchr(s, '\n') || *s == ' ' || *s == '\n' || *s == '\t')
        return false;
    for (const char *p = s; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || (*p == '\n' && p > s && p[-1] == ' '))
            return false;
    return true;
}

static void put_block(const char *s, unsigned indent, struct str *out)
{
    size_t len = strlen(s);

    str_add(out, s[len - 1] != '\n' ? "|-" : len > 1 && s[len - 2] == '\n' ? "|+" : "|");
    while (*s) {
        size_t n = strcspn(s, "\n");

        str_addc(out, '\n');
        if (n)
            str_addf(out, "%*s", (int)indent, "");
        str_addn(out, s, n);
        s += n + (s[n] == '\n');
    }
}

static void put_node(const cJSON *j, unsigned indent, bool in_list, struct str *out);

static void put_map(const cJSON *j, unsigned indent, bool in_list, struct str *out)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, j) {
        if (item != j->child || !in_list)
            str_addf(out, "\n%*s", (int)indent, "");
        put_text(item->string, out);
        str_addc(out, ':');
        put_node(item, cJSON_IsArray(item) ? indent : indent + 2, false, out);
    }
}

static void put_list(const cJSON *j, unsigned indent, bool in_list, struct str *out)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, j) {
        if (item != j->child || !in_list)
            str_addf(out, "\n%*s", (int)indent, "");
        str_addc(out, '-');
        put_node(item, indent + 2, true, out);
    }
}

/* What follows "key:" or "-". In a list the first entry goes on in the same line. */
static void put_node(const cJSON *j, unsigned indent, bool in_list, struct str *out)
{
    bool map = cJSON_IsObject(j), list = cJSON_IsArray(j);

    if ((map || list) && j->child) {
        if (in_list)
            str_addc(out, ' ');
        if (map)
            put_map(j, indent, in_list, out);
        else
            put_list(j, indent, in_list, out);
        return;
    }
    str_addc(out, ' ');
    if (map || list) {
        str_add(out, map ? "{}" : "[]");
    } else if (cJSON_IsString(j) && fits_block(j->valuestring)) {
        put_block(j->valuestring, indent, out);
    } else if (cJSON_IsString(j)) {
        put_text(j->valuestring, out);
    } else {
        auto_free char *text = json_print(j);

        str_add(out, text);
    }
}

void out_yaml(const cJSON *j, struct str *out)
{
    auto_str struct str text = STR_INIT;

    put_node(j, 0, false, &text);
    str_add(out, str_text(&text) + ((j->child && (cJSON_IsObject(j) || cJSON_IsArray(j))) || *str_text(&text) == ' '));
    str_addc(out, '\n');
}
