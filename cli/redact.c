/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/merge.h"

static bool contains(const char *s, size_t len, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= len; i++)
        if (strncasecmp(s + i, word, n) == 0)
            return true;
    return false;
}

static bool ends(const char *s, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len >= n && strncasecmp(s + len - n, suffix, n) == 0;
}

/* Does a field, setting or element of this name hold a secret? Settings come as paths: the whole path counts. */
static bool is_secret_name(const char *s, size_t len)
{
    static const char *const inside[] = {"password", "passwd", "secret", "token", "credential", "private_key", "access_key",
                                         "ssh_key", "identity"};

    if (ends(s, len, "secretName") || ends(s, len, "secretRef") || ends(s, len, "secretKeyRef") || contains(s, len, "valueFrom"))
        return false; /* names of secrets, not their values */
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        if (contains(s, len, inside[i]))
            return true;
    return ends(s, len, "/key") || ends(s, len, "header");
}

char *redact_xml(const char *text)
{
    auto_str struct str out = STR_INIT;
    const char *p = text;

    while (*p) {
        const char *open = strchr(p, '<'), *close, *end;
        size_t name;

        if (!open)
            break;
        name = strcspn(open + 1, " \t\n>/");
        close = strchr(open, '>');
        if (!close)
            break;
        str_addn(&out, p, (size_t)(close + 1 - p));
        p = close + 1;
        end = strchr(p, '<');
        if (!end || open[1] == '/' || close[-1] == '/' || !is_secret_name(open + 1, name) || end[1] != '/')
            continue;
        if (end > p)
            str_add(&out, REDACTED);
        p = end;
    }
    str_add(&out, p);
    return str_take(&out);
}

static void redact_tree(cJSON *j);

/* A value under a secret's name: text and numbers go, references ({secretKeyRef: …}) stay. */
static void redact_value(cJSON *j)
{
    if (cJSON_IsObject(j) || cJSON_IsArray(j)) {
        cJSON *item;

        cJSON_ArrayForEach(item, j) {
            if (cJSON_IsObject(j))
                redact_tree(item);
            else
                redact_value(item);
        }
        return;
    }
    if (cJSON_IsString(j) || cJSON_IsNumber(j) || cJSON_IsRaw(j)) {
        cJSON *fresh = cJSON_CreateString(REDACTED);
        char *old = j->valuestring;

        j->valuestring = fresh->valuestring;
        fresh->valuestring = old;
        j->type = cJSON_String | (j->type & cJSON_StringIsConst);
        cJSON_Delete(fresh);
    }
}

/* {"secret": {"value": …, "valueFrom": …}} of a cluster, {"name": "TOKEN", "value": …} of an environment */
static bool is_named_value(const cJSON *j)
{
    const char *name = json_str(j, "name", NULL);

    return name && json_get(j, "value") && is_secret_name(name, strlen(name));
}

static void redact_tree(cJSON *j)
{
    cJSON *item;

    if (cJSON_IsString(j) && strchr(j->valuestring, '<') && strstr(j->valuestring, "</")) {
        auto_free char *clean = redact_xml(j->valuestring);

        cJSON_SetValuestring(j, clean);
    }
    if (is_named_value(j))
        redact_value(json_get(j, "value"));
    cJSON_ArrayForEach(item, j) {
        bool secret = item->string && is_secret_name(item->string, strlen(item->string));

        if (secret && cJSON_IsObject(item) && json_get(item, "value"))
            redact_value(json_get(item, "value"));
        else if (secret)
            redact_value(item);
        if (!secret || cJSON_IsObject(item))
            redact_tree(item);
    }
}

static void redact_all(cJSON *map)
{
    cJSON *item;

    cJSON_ArrayForEach(item, map)
        redact_value(item);
}

void redact_object(cJSON *obj)
{
    cJSON *annotations = json_at(obj, "metadata.annotations");

    if (annotations)
        cJSON_DeleteItemFromObjectCaseSensitive(annotations, MERGE_NOTE); /* it repeats everything, as text */
    if (str_eq(json_str(obj, "kind", ""), "Secret")) {
        redact_all(json_get(obj, "data"));
        redact_all(json_get(obj, "stringData"));
        return;
    }
    redact_tree(obj);
}
