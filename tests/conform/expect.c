/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schema/yaml.h"
#include "tests/conform/conform.h"

cJSON *expect_yaml(const char *text, struct err *err)
{
    auto_yaml struct schema_yaml *y = NULL;
    auto_free char *doc = mem_printf("v: %s", text);
    auto_json cJSON *root = NULL;

    if (schema_yaml_parse("facts", doc, strlen(doc), &y, err) < 0)
        return NULL;
    root = schema_yaml_take(y, 0);
    return cJSON_DetachItemFromObjectCaseSensitive(root, "v");
}

/* What stands behind "=": plain words are a text, whatever YAML would make of a ": " in them. */
static cJSON *wanted(const char *text, struct err *err)
{
    if (strchr("\"[{", *text))
        return expect_yaml(text, err);
    auto_json cJSON *plain = expect_yaml(text, err);

    return cJSON_IsString(plain) || !plain ? cJSON_CreateString(text) : json_copy(plain);
}

static const cJSON *find_by(const cJSON *list, const char *key, size_t key_len, const char *value)
{
    auto_free char *name = mem_strn(key, key_len);
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
        if (strcmp(json_str(item, name, ""), value) == 0)
            return item;
    return NULL;
}

/* "[0]", "[key.with.dots]", "[name=value]" without the brackets */
static const cJSON *step_bracket(const cJSON *j, const char *text)
{
    const char *eq = strchr(text, '=');
    char *end;
    long i = strtol(text, &end, 10);

    if (!cJSON_IsArray(j))
        return json_get(j, text);
    if (*text && !*end)
        return cJSON_GetArrayItem(j, (int)i);
    return eq ? find_by(j, text, (size_t)(eq - text), eq + 1) : NULL;
}

const cJSON *expect_at(const cJSON *body, const char *path)
{
    const cJSON *j = body;

    while (*path && j) {
        bool bracket = *path == '[';
        size_t n = bracket ? strcspn(path + 1, "]") : strcspn(path + 1, ".[");
        auto_free char *step = mem_strn(path + 1, n);

        if (n > 0)
            j = bracket ? step_bracket(j, step) : json_get(j, step);
        path += 1 + n + (bracket && path[1 + n] == ']');
    }
    return j;
}

static bool differs(struct str *why, const cJSON *is)
{
    auto_free char *text = is ? json_print(is) : mem_str("absent");

    str_addf(why, "it is %.600s", text);
    return false;
}

static bool same_as(const cJSON *is, const char *value, struct str *why)
{
    struct err err = ERR_INIT;
    auto_json cJSON *want = wanted(value, &err);

    if (!want) {
        str_addf(why, "the expectation is no YAML: %s", err.msg);
        return false;
    }
    return json_same(is, want) || differs(why, is);
}

static const char *plain_text(const cJSON *j, char **owned)
{
    if (cJSON_IsString(j))
        return j->valuestring;
    *owned = j ? json_print(j) : mem_str("");
    return *owned;
}

static bool take_variable(const cJSON *is, const char *name, cJSON *vars, struct str *why)
{
    auto_free char *owned = NULL;

    if (!is)
        return differs(why, is);
    json_set_str(vars, name, plain_text(is, &owned));
    return true;
}

static bool holds(const cJSON *is, const char *op, const char *value, cJSON *vars, struct str *why)
{
    auto_free char *owned = NULL, *number = NULL;

    if (strcmp(op, "absent") == 0)
        return !is || differs(why, is);
    if (strcmp(op, "present") == 0)
        return is || differs(why, is);
    if (strcmp(op, "size") == 0)
        return (is && cJSON_GetArraySize(is) == atoi(value)) || differs(why, is);
    if (strcmp(op, "let") == 0)
        return take_variable(is, value, vars, why);
    if (strcmp(op, "~") == 0)
        return strstr(plain_text(is, &owned), value) || differs(why, is);
    if (strcmp(op, ">") == 0)
        return strtod(plain_text(is, &number), NULL) > atof(value) || differs(why, is);
    if (strcmp(op, "=") == 0)
        return same_as(is, value, why);
    if (strcmp(op, "!=") == 0) {
        auto_str struct str quiet = STR_INIT;

        return !same_as(is, value, &quiet) || differs(why, is);
    }
    str_addf(why, "no such operator: %s", op);
    return false;
}

bool expect_holds(const cJSON *body, const char *line, cJSON *vars, struct str *why)
{
    size_t path_len = strcspn(line, " ");
    const char *op = line + path_len + strspn(line + path_len, " ");
    size_t op_len = strcspn(op, " ");
    const char *value = op + op_len + strspn(op + op_len, " ");
    auto_free char *path = mem_strn(line, path_len), *op_text = mem_strn(op, op_len);

    return holds(expect_at(body, strcmp(path, ".") == 0 ? "" : path), op_text, value, vars, why);
}
