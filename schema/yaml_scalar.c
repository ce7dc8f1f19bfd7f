/* SPDX-License-Identifier: Apache-2.0 */
/* What an unquoted word is: YAML 1.1 as the YAML library of kubectl reads it. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schema/yaml_internal.h"

#define CORE_TAG "tag:yaml.org,2002:"

static bool one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
static const char *const falses[] = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
static const char *const strange[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF", "+.inf",
                                      "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL};

cJSON *schema_whole_number(const char *digits, size_t len)
{
    cJSON *item;
    char *text = mem_strn(digits, len);

    item = len > 15 ? cJSON_CreateRaw(text) : cJSON_CreateNumber(strtod(text, NULL));
    free(text);
    return item;
}

static bool all_digits(const char *s)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && s[n] == '\0';
}

/* 0x1f, 0b101, 0o17, 017: a base by prefix. NULL when it is none of them or does not fit 64 bits. */
static cJSON *based_number(const char *s, bool minus)
{
    static const struct {
        const char *prefix;
        int base;
    } forms[] = {{"0x", 16}, {"0X", 16}, {"0b", 2}, {"0B", 2}, {"0o", 8}, {"0O", 8}, {"0", 8}};
    char text[32], *end;

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *digits = s + strlen(forms[i].prefix);
        unsigned long long v;

        if (!str_starts(s, forms[i].prefix) || !isxdigit((unsigned char)*digits))
            continue;
        errno = 0;
        v = strtoull(digits, &end, forms[i].base);
        if (*end || errno || (minus && v > (UINT64_C(1) << 63)))
            continue;
        snprintf(text, sizeof text, "%s%llu", minus && v ? "-" : "", v);
        return schema_whole_number(text, strlen(text));
    }
    return NULL;
}

/* [.]digits[.digits][e[sign]digits], nothing else that strtod would take. */
static bool is_float(const char *s)
{
    size_t whole = strspn(s, "0123456789"), part = 0;

    s += whole;
    if (*s == '.') {
        part = strspn(s + 1, "0123456789");
        s += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        return all_digits(s);
    }
    return *s == '\0';
}

/* Long decimal numbers stay as they are written: a double would change them. */
static cJSON *decimal_number(const char *s, bool minus)
{
    auto_free char *text = NULL;

    while (s[0] == '0' && s[1])
        s++;
    text = mem_printf("%s%s", minus && strcmp(s, "0") != 0 ? "-" : "", s);
    return schema_whole_number(text, strlen(text));
}

static cJSON *number(const char *word)
{
    auto_free char *clean = mem_alloc(strlen(word) + 1);
    bool minus = word[0] == '-', sign = minus || word[0] == '+';
    char *to = clean;
    double v;
    cJSON *item;

    for (const char *s = word + sign; *s; s++)
        if (*s != '_')
            *to++ = *s;
    *to = '\0';
    if (!isdigit((unsigned char)word[sign]) && word[sign] != '.')
        return NULL;
    if ((item = based_number(clean, minus)))
        return item;
    if (all_digits(clean))
        return decimal_number(clean, minus);
    if (!is_float(clean))
        return NULL;
    v = strtod(clean, NULL);
    return isfinite(v) ? cJSON_CreateNumber(minus ? -v : v) : NULL;
}

static cJSON *plain_value(const char *word, const char **why)
{
    cJSON *item;

    if (one_of(word, nulls))
        return cJSON_CreateNull();
    if (one_of(word, trues))
        return cJSON_CreateTrue();
    if (one_of(word, falses))
        return cJSON_CreateFalse();
    if (one_of(word, strange)) {
        *why = "not-a-number and infinity have no JSON form; if text is meant, put it in quotes";
        return NULL;
    }
    item = number(word);
    return item ? item : cJSON_CreateString(word);
}

static bool is_number(const cJSON *item)
{
    return cJSON_IsNumber(item) || cJSON_IsRaw(item);
}

/* A tag such as !!int only says what the word must be. */
static cJSON *tagged_value(const char *word, const char *tag, const char **why)
{
    const char *name = str_starts(tag, CORE_TAG) ? tag + strlen(CORE_TAG) : "?";
    cJSON *item;

    if (strcmp(tag, "!") == 0 || str_eq(name, "str") || str_eq(name, "timestamp"))
        return cJSON_CreateString(word);
    if (!str_eq(name, "int") && !str_eq(name, "float") && !str_eq(name, "bool") && !str_eq(name, "null")) {
        *why = "this tag is not supported; write plain text, or !!str for text";
        return NULL;
    }
    item = plain_value(word, why);
    if (!item)
        return NULL;
    if ((str_eq(name, "null") && cJSON_IsNull(item)) || (str_eq(name, "bool") && cJSON_IsBool(item)) ||
        (str_eq(name, "float") && is_number(item)) || (str_eq(name, "int") && is_number(item)))
        return item;
    cJSON_Delete(item);
    *why = "the value is not what its tag says";
    return NULL;
}

cJSON *schema_scalar(const char *text, size_t len, bool plain, const char *tag, const char **why)
{
    if (memchr(text, '\0', len)) {
        *why = "a NUL character inside text is not possible";
        return NULL;
    }
    if (tag)
        return tagged_value(text, tag, why);
    return plain ? plain_value(text, why) : cJSON_CreateString(text);
}
