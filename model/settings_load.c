/* SPDX-License-Identifier: Apache-2.0 */
/* From the free-form sections of a resource to settings. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/settings.h"

char *settings_scalar(const cJSON *v)
{
    char digits[40];

    if (cJSON_IsString(v) || cJSON_IsRaw(v))
        return mem_str(v->valuestring);
    if (cJSON_IsBool(v))
        return mem_str(cJSON_IsTrue(v) ? "true" : "false");
    if (!cJSON_IsNumber(v))
        return NULL;
    if (v->valuedouble == floor(v->valuedouble) && fabs(v->valuedouble) < 9e15)
        return mem_printf("%" PRId64, (int64_t)v->valuedouble);
    snprintf(digits, sizeof digits, "%.15g", v->valuedouble);
    if (strtod(digits, NULL) != v->valuedouble)
        snprintf(digits, sizeof digits, "%.17g", v->valuedouble);
    return mem_str(digits);
}

char *settings_env_name(const char *prefix, const char *path)
{
    enum { LONGEST = 63 };
    auto_free char *whole = mem_printf("%s%s", prefix, path);
    auto_str struct str out = STR_INIT;
    auto_free char *md5 = NULL;

    for (const char *p = whole; *p; p++) {
        char c = (char)toupper((unsigned char)*p);

        if (out.len == 0 && !isalpha((unsigned char)c))
            continue;
        if (c == '/')
            c = '_';
        if (isalnum((unsigned char)c) || c == '_')
            str_addc(&out, c);
    }
    if (out.len <= LONGEST)
        return str_take(&out);
    out.len = LONGEST;
    while (out.len && out.s[out.len - 1] == '_')
        out.len--;
    out.s[out.len] = '\0';
    md5 = hash_md5_hex(whole, strlen(whole));
    str_addc(&out, '_');
    for (const char *p = md5; *p; p++)
        str_addc(&out, (char)toupper((unsigned char)*p));
    return str_take(&out);
}

static void warn(const struct settings_source *src, const char *path, const char *what)
{
    auto_free char *text = mem_printf("%s.%s: %s", src->where, path, what);

    if (src->warnings && !json_has(src->warnings, text))
        json_add_str(src->warnings, text);
}

/* Can each component be the name of an XML element? */
static bool path_is_xml(const char *path)
{
    bool first = true;

    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (*p == '/') {
            first = true;
            continue;
        }
        if (*p < 0x80 && !isalpha(*p) && *p != '_' && (first || !strchr("0123456789.-:", *p)))
            return false;
        first = false;
    }
    return true;
}

static char *expand(const struct settings_source *src, const char *text)
{
    return src->expand ? src->expand(src->ctx, text) : mem_str(text);
}

static void put(struct settings *s, const char *path, enum setting_kind kind, char **values, size_t n)
{
    struct setting one = {.path = (char *)path, .kind = kind, .values = values, .n_values = n};
    const struct setting *old = settings_find(s, path);

    if (old && old->attributes)
        one.attributes = old->attributes;
    settings_put(s, &one);
}

static void put_scalar(struct settings *s, const char *path, const char *raw, const struct settings_source *src)
{
    auto_free char *value = expand(src, raw);

    if (!src->files && (strcmp(value, "_removed_") == 0 || strcmp(value, "_remove_") == 0))
        put(s, path, SETTING_REMOVE, NULL, 0);
    else
        put(s, path, SETTING_TEXT, &value, 1);
}

static void put_list(struct settings *s, const char *path, const cJSON *list, const struct settings_source *src)
{
    size_t n = 0, cap = (size_t)cJSON_GetArraySize(list);
    char **values = mem_array(cap, sizeof *values);
    const cJSON *item;

    cJSON_ArrayForEach(item, list) {
        auto_free char *raw = settings_scalar(item);

        if (raw)
            values[n++] = expand(src, raw);
        else
            warn(src, path, "an item of the list is not a text or number and is left out");
    }
    if (n)
        put(s, path, SETTING_LIST, values, n);
    for (size_t i = 0; i < n; i++)
        free(values[i]);
    free(values);
}

static void put_ref(struct settings *s, const char *path, enum setting_kind kind, const char *env, const char *name,
                    const char *key)
{
    char *value = (char *)env;
    struct setting one = {.path = (char *)path,
                          .kind = kind,
                          .values = &value,
                          .n_values = env ? 1 : 0,
                          .secret_name = (char *)name,
                          .secret_key = (char *)key};

    settings_put(s, &one);
}

static int bad(struct err *err, const struct settings_source *src, const char *path, const char *what)
{
    return err_set(err, ERR_INPUT, 0, "%s.%s: %s", src->where, path, what);
}

/* The last component of a user's path when it names a password that lives in a Secret, else NULL. */
static const char *secret_field(const char *path, const char *prefix)
{
    static const char *const fields[] = {"password", "password_sha256_hex", "password_double_sha1_hex"};
    const char *last = strrchr(path, '/');

    if (!last || !str_starts(last + 1, prefix))
        return NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(last + 1 + strlen(prefix), fields[i]) == 0)
            return fields[i];
    return NULL;
}

/* "ns/name/key" or "name/key" → name, key (the namespace does not matter to a pod's environment). */
static bool split_address(const char *text, char **name, char **key)
{
    const char *last = strrchr(text, '/'), *from;

    if (!last || last == text || !last[1])
        return false;
    for (from = last; from > text && from[-1] != '/'; from--)
        ;
    *name = mem_strn(from, (size_t)(last - from));
    *key = mem_str(last + 1);
    return true;
}

static int put_reference(struct settings *s, const char *path, const char *name, const char *key,
                         const struct settings_source *src, struct err *err)
{
    auto_free char *env = NULL;

    if (!name || !*name || !key || !*key)
        return bad(err, src, path, "a reference to a Secret needs its name and key");
    if (src->files) {
        put_ref(s, path, SETTING_FILE, NULL, name, key);
        return 0;
    }
    if (src->users && secret_field(path, "k8s_secret_") && !secret_field(path, "k8s_secret_env_")) {
        auto_free char *address = mem_printf("%s/%s", name, key);

        put(s, path, SETTING_TEXT, &address, 1);
        return 0;
    }
    if (!src->env_prefix) {
        warn(src, path, "a Secret cannot be referred to here; this value is left out");
        return 0;
    }
    env = settings_env_name(src->env_prefix, path);
    put_ref(s, path, SETTING_ENV, env, name, key);
    return 0;
}

/* user/k8s_secret_env_password: "secret/key" → user/password from the environment. */
static int put_user_env(struct settings *s, const char *path, const cJSON *v, const struct settings_source *src,
                        struct err *err)
{
    const char *field = secret_field(path, "k8s_secret_env_");
    auto_free char *to = mem_printf("%.*s/%s", (int)(strrchr(path, '/') - path), path, field);
    auto_free char *name = NULL, *key = NULL;
    const cJSON *ref = json_at(v, "valueFrom.secretKeyRef");

    if (ref)
        return put_reference(s, to, json_str(ref, "name", NULL), json_str(ref, "key", NULL), src, err);
    if (!cJSON_IsString(v) || !split_address(v->valuestring, &name, &key))
        return bad(err, src, path, "must be \"secret/key\" or a valueFrom.secretKeyRef");
    return put_reference(s, to, name, key, src, err);
}

static int load_map(struct settings *s, const char *prefix, const cJSON *map, const struct settings_source *src,
                    struct err *err);

static int load_value(struct settings *s, const char *path, const cJSON *v, const struct settings_source *src,
                      struct err *err)
{
    const cJSON *ref = json_at(v, "valueFrom.secretKeyRef");
    auto_free char *raw = NULL;

    if (src->users && secret_field(path, "k8s_secret_env_"))
        return put_user_env(s, path, v, src, err);
    if (cJSON_IsObject(ref))
        return put_reference(s, path, json_str(ref, "name", NULL), json_str(ref, "key", NULL), src, err);
    if (cJSON_IsNull(v) || (src->files && (cJSON_IsArray(v) || cJSON_IsObject(v)))) {
        warn(src, path, "has no text and is left out");
        return 0;
    }
    if (cJSON_IsArray(v)) {
        put_list(s, path, v, src);
        return 0;
    }
    if (cJSON_IsObject(v))
        return load_map(s, path, v, src, err);
    raw = settings_scalar(v);
    put_scalar(s, path, raw, src);
    return 0;
}

/* "@replace": "1" inside a map: an attribute of the element the map stands for. */
static int load_attribute(struct settings *s, const char *path, const cJSON *v, const struct settings_source *src,
                          struct err *err)
{
    struct setting *old = settings_find(s, path);
    auto_str struct str text = STR_INIT;
    auto_free char *raw = settings_scalar(v);

    if (!raw || !path_is_xml(v->string + 1) || strchr(v->string, '/'))
        return bad(err, src, path, "an attribute needs an XML name and a text");
    if (!old) {
        put(s, path, SETTING_TEXT, NULL, 0);
        old = settings_find(s, path);
    }
    if (old->attributes)
        str_addf(&text, "%s ", old->attributes);
    str_addf(&text, "%s=\"", v->string + 1);
    for (const char *p = raw; *p; p++)
        str_add(&text, *p == '"' ? "&quot;" : *p == '&' ? "&amp;" : *p == '<' ? "&lt;" : (char[]){*p, 0});
    str_addc(&text, '"');
    free(old->attributes);
    old->attributes = str_take(&text);
    return 0;
}

static int load_map(struct settings *s, const char *prefix, const cJSON *map, const struct settings_source *src,
                    struct err *err)
{
    const cJSON *v;

    if (*prefix)
        warn(src, prefix,
             "is a nested map: it is written out level by level (Altinity's operator ignores nested maps)");
    cJSON_ArrayForEach(v, map) {
        auto_free char *key = expand(src, v->string), *joined = NULL, *path = NULL;

        if (v->string[0] == '@' && *prefix && !src->files) {
            if (load_attribute(s, prefix, v, src, err) < 0)
                return -1;
            continue;
        }
        joined = mem_printf("%s/%s", prefix, key);
        path = settings_path(strcmp(key, "#text") == 0 ? prefix : joined);
        if (!*path)
            return bad(err, src, v->string, "the name is empty");
        if (!src->files && !path_is_xml(path))
            return bad(err, src, path,
                       "is not a name an XML element can have (letters, digits, _ . - and no digit first)");
        if (load_value(s, path, v, src, err) < 0)
            return -1;
    }
    return 0;
}

int settings_load(struct settings *s, const cJSON *section, const struct settings_source *src, struct err *err)
{
    if (!section || cJSON_IsNull(section))
        return 0;
    if (!cJSON_IsObject(section))
        return err_set(err, ERR_INPUT, 0, "%s: must be a map of names to values", src->where);
    return load_map(s, "", section, src, err);
}
