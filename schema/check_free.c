/* SPDX-License-Identifier: Apache-2.0 */
/* The free-form parts: what the CRD leaves open but chfleet reads. */
#include <ctype.h>
#include <string.h>

#include "schema/check_internal.h"
#include "schema/fields_internal.h"

static bool is_scalar(const cJSON *v)
{
    return cJSON_IsString(v) || cJSON_IsBool(v) || cJSON_IsNumber(v) || cJSON_IsRaw(v);
}

static bool need_mapping(struct check *c, const cJSON *item)
{
    if (cJSON_IsObject(item))
        return true;
    schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is %s, but a mapping (key: value) belongs here",
                   schema_type_word(item));
    return false;
}

/* ---- maps of text and of quantities ---- */

static void check_labels(struct check *c, cJSON *map)
{
    cJSON *v;

    if (!need_mapping(c, map))
        return;
    cJSON_ArrayForEach(v, map)
    {
        bool simple = is_scalar(v);

        if (cJSON_IsString(v) || cJSON_IsNull(v))
            continue;
        schema_problem(c, SCHEMA_TYPE, v, false, v->string, "is %s, but text belongs here%s", schema_type_word(v),
                       simple ? ": put it in quotes" : "");
    }
}

/* digits[.digits][suffix] */
bool schema_is_quantity(const cJSON *item)
{
    static const char *const suffixes[] = {"",  "n", "u",  "m",  "k",  "M",  "G",  "T",
                                           "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    const char *s = cJSON_IsString(item) ? item->valuestring : NULL;
    size_t whole, part = 0;

    if (!s)
        return cJSON_IsNumber(item) || cJSON_IsRaw(item);
    s += *s == '+' || *s == '-';
    whole = strspn(s, "0123456789");
    s += whole;
    if (*s == '.') {
        part = strspn(s + 1, "0123456789");
        s += 1 + part;
    }
    if (whole + part == 0)
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (strcmp(s, suffixes[i]) == 0)
            return true;
    if (*s != 'e' && *s != 'E')
        return false;
    s++;
    s += *s == '+' || *s == '-';
    return *s && s[strspn(s, "0123456789")] == '\0';
}

static void check_quantities(struct check *c, const cJSON *map)
{
    const cJSON *v;

    if (!need_mapping(c, map))
        return;
    cJSON_ArrayForEach(v, map) if (!schema_is_quantity(v))
        schema_problem(c, SCHEMA_VALUE, v, false, v->string,
                       "%s%.40s%s is no quantity; write for example 500m, 2 or 10Gi", cJSON_IsString(v) ? "\"" : "",
                       cJSON_IsString(v) ? v->valuestring : schema_type_word(v), cJSON_IsString(v) ? "\"" : "");
}

/* ---- settings and files ---- */

static void check_secret_ref(struct check *c, const cJSON *item, const cJSON *ref)
{
    if (!cJSON_IsObject(ref)) {
        schema_problem(c, SCHEMA_MISSING, item, false, "valueFrom", "needs secretKeyRef: {name: …, key: …}");
        return;
    }
    if (!*json_str(ref, "name", "") || !*json_str(ref, "key", ""))
        schema_problem(c, SCHEMA_MISSING, ref, false, "valueFrom", "secretKeyRef needs name and key, both as text");
}

static void check_setting_list(struct check *c, const cJSON *list)
{
    const cJSON *v;
    size_t i = 0;

    cJSON_ArrayForEach(v, list)
    {
        size_t len = schema_path_index(&c->path, i++);

        if (!is_scalar(v))
            schema_problem(c, SCHEMA_NO_EFFECT, v, false, NULL,
                           "is %s inside a list of values and is left out; only single values work here",
                           schema_type_word(v));
        schema_path_back(&c->path, len);
    }
}

static void check_settings(struct check *c, const cJSON *map, bool files);

static void check_setting(struct check *c, const cJSON *v, bool files)
{
    const cJSON *from = json_get(v, "valueFrom");

    if (is_scalar(v))
        return;
    if (from)
        check_secret_ref(c, v, json_get(from, "secretKeyRef"));
    else if (cJSON_IsNull(v))
        schema_problem(c, SCHEMA_NO_EFFECT, v, true, NULL, "has no value and is left out; write \"\" for an empty one");
    else if (files)
        schema_problem(c, SCHEMA_NO_EFFECT, v, false, NULL,
                       "is %s and is left out; the content of a file is text: begin it with \"|\"",
                       schema_type_word(v));
    else if (cJSON_IsArray(v))
        check_setting_list(c, v);
    else
        check_settings(c, v, false);
}

static void check_settings(struct check *c, const cJSON *map, bool files)
{
    const cJSON *v;

    if (!need_mapping(c, map))
        return;
    if (++c->depth >= CHECK_DEPTH) {
        c->depth--;
        schema_problem(c, SCHEMA_VALUE, map, false, NULL, "is nested too deep");
        return;
    }
    cJSON_ArrayForEach(v, map)
    {
        size_t len = schema_path_key(&c->path, v->string);

        if (v->string[strspn(v->string, "/")] == '\0')
            schema_problem(c, SCHEMA_VALUE, v, true, NULL, "the name is empty");
        else
            check_setting(c, v, files);
        schema_path_back(&c->path, len);
    }
    c->depth--;
}

/* ---- the operator's configuration ---- */

static void check_rule(struct check *c, cJSON *map)
{
    cJSON *v;

    if (!need_mapping(c, map))
        return;
    cJSON_ArrayForEach(v, map)
    {
        size_t len = schema_path_key(&c->path, v->string);

        schema_check_value(c, v, &schema_string_bool, 0);
        schema_path_back(&c->path, len);
    }
}

static void check_namespaces(struct check *c, cJSON *item)
{
    if (cJSON_IsArray(item) && c->config)
        schema_check_value(c, item, &schema_texts, 0);
    else
        schema_check_value(c, item, schema_free_shape(FREE_NAMESPACES), 0);
}

/* ---- a resource's own metadata ---- */

static bool is_dns_name(const char *s)
{
    size_t n = strlen(s);

    if (!n || n > 253 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-' && s[i] != '.')
            return false;
        if (s[i] == '.' && (s[i - 1] == '.' || s[i - 1] == '-' || s[i + 1] == '-'))
            return false;
    }
    return true;
}

/* The name of a label without its prefix, and a label's value, obey the same rule; a value may be empty. */
static bool is_label_word(const char *s, size_t n)
{
    if (n == 0 || n > 63 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
            return false;
    return true;
}

static bool is_label_key(const char *key)
{
    const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;
    char prefix[256];

    if (slash) {
        if ((size_t)(slash - key) >= sizeof prefix)
            return false;
        memcpy(prefix, key, (size_t)(slash - key));
        prefix[slash - key] = '\0';
        if (!is_dns_name(prefix))
            return false;
    }
    return is_label_word(name, strlen(name));
}

static void check_label_words(struct check *c, const cJSON *map, const char *what, bool values)
{
    size_t len = schema_path_key(&c->path, what);
    const cJSON *v;

    cJSON_ArrayForEach(v, map)
    {
        if (!is_label_key(v->string))
            schema_problem(
                c, SCHEMA_VALUE, v, true, v->string,
                "is no possible name: letters, digits, - _ . and at most 63 of them; a domain and / may come first");
        else if (values && cJSON_IsString(v) && *v->valuestring &&
                 !is_label_word(v->valuestring, strlen(v->valuestring)))
            schema_problem(c, SCHEMA_VALUE, v, false, v->string,
                           "\"%.70s\" is no possible label value: letters, digits, - _ . and at most 63 of them",
                           v->valuestring);
    }
    schema_path_back(&c->path, len);
}

void schema_check_own_metadata(struct check *c, cJSON *meta)
{
    const cJSON *name = json_get(meta, "name");

    schema_check_value(c, meta, &schema_own_meta, 0);
    if (!cJSON_IsObject(meta))
        return;
    if ((!name || cJSON_IsNull(name)) && !json_get(meta, "generateName"))
        schema_problem(c, SCHEMA_MISSING, meta, false, "name", "is missing: every resource needs a name");
    if (cJSON_IsString(name) && !is_dns_name(name->valuestring))
        schema_problem(
            c, SCHEMA_VALUE, name, false, "name",
            "\"%.60s\" is no possible name: small letters, digits, \"-\" and \".\", a letter or digit at both ends",
            name->valuestring);
    check_label_words(c, json_get(meta, "labels"), "labels", true);
    check_label_words(c, json_get(meta, "annotations"), "annotations", false);
}

void schema_check_free(struct check *c, cJSON *item, const struct shape *shape)
{
    switch (shape->free) {
    case FREE_SETTINGS:
    case FREE_FILES:
        check_settings(c, item, shape->free == FREE_FILES);
        break;
    case FREE_LABELS:
        check_labels(c, item);
        break;
    case FREE_QUANTITIES:
        check_quantities(c, item);
        break;
    case FREE_RULES:
        check_rule(c, item);
        break;
    case FREE_NAMESPACES:
        check_namespaces(c, item);
        break;
    case FREE_ANY:
    case FREE_NONE:
        need_mapping(c, item);
        break;
    default:
        schema_check_value(c, item, schema_free_shape(shape->free), 0);
        break;
    }
}
