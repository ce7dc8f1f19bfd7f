/* SPDX-License-Identifier: Apache-2.0 */
/* A value against its shape, all the way down. */
#include "schema/check.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "schema/check_internal.h"
#include "schema/fields_internal.h"
#include "schema/words.h"
#include "schema/rules.h"
#include "schema/yaml_internal.h"

const char *schema_type_word(const cJSON *item)
{
    if (cJSON_IsString(item))
        return "text";
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "a bare true" : "a bare false";
    if (cJSON_IsArray(item))
        return "a list";
    if (cJSON_IsObject(item))
        return "a mapping";
    return cJSON_IsNull(item) ? "empty" : "a number";
}

static bool is_number(const cJSON *item)
{
    return cJSON_IsNumber(item) || cJSON_IsRaw(item);
}

/* ---- text ---- */

/* Turns a bare boolean or number into text, in place: the item's address, and so its place in the file, stays. */
static void make_text(cJSON *item)
{
    auto_free char *text = cJSON_IsBool(item) ? mem_str(cJSON_IsTrue(item) ? "true" : "false") : json_print(item);

    cJSON_free(item->valuestring);
    item->valuestring = cJSON_malloc(strlen(text) + 1);
    memcpy(item->valuestring, text, strlen(text) + 1);
    item->type = (item->type & ~0xff) | cJSON_String;
}

static bool is_string_bool(const struct shape *shape)
{
    return shape == &schema_string_bool;
}

/* true when the item is text now. */
static bool need_text(struct check *c, cJSON *item, const struct shape *shape)
{
    bool simple = cJSON_IsBool(item) || is_number(item);

    if (cJSON_IsString(item))
        return true;
    if (simple && c->config) {
        make_text(item);
        return true;
    }
    if (is_string_bool(shape) && simple && c->from_file) {
        make_text(item);
        if (schema_value_allowed(shape->values, item->valuestring))
            schema_problem(c, SCHEMA_COERCED, item, false, NULL,
                           "taken as the text \"%s\". An API server refuses it without quotes", item->valuestring);
        return true;
    }
    if (is_string_bool(shape))
        schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is %s; write \"yes\" or \"no\", in quotes",
                       schema_type_word(item));
    else
        schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is %s, but text belongs here%s", schema_type_word(item),
                       simple ? ": put it in quotes" : "");
    return false;
}

static void not_allowed(struct check *c, const cJSON *item, const struct shape *shape)
{
    auto_str struct str all = STR_INIT;
    char near[64];

    if (is_string_bool(shape)) {
        schema_problem(c, SCHEMA_VALUE, item, false, NULL, "\"%.60s\" is neither yes nor no; write \"yes\" or \"no\"",
                       item->valuestring);
        return;
    }
    if (schema_near_value(shape->values, item->valuestring, near, sizeof near))
        str_addf(&all, "; did you mean %s? ", near);
    else
        str_add(&all, "; ");
    str_add(&all, "Possible: ");
    schema_list_values(shape->values, &all);
    schema_problem(c, SCHEMA_VALUE, item, false, NULL, "\"%.60s\" is not possible%s", item->valuestring,
                   str_text(&all));
}

static bool matches(const char *pattern, const char *text)
{
    regex_t re;
    bool ok;

    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
        return false;
    ok = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static size_t characters(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void check_text(struct check *c, cJSON *item, const struct shape *shape)
{
    size_t n;

    if (!need_text(c, item, shape))
        return;
    n = characters(item->valuestring);
    if (shape->values && !schema_value_allowed(shape->values, item->valuestring))
        not_allowed(c, item, shape);
    else if (n < shape->min_length)
        schema_problem(c, SCHEMA_VALUE, item, false, NULL, "may not be empty: remove it or fill it");
    else if (shape->max_length && n > shape->max_length)
        schema_problem(c, SCHEMA_VALUE, item, false, NULL, "\"%.60s\" has %zu characters; at most %u are possible",
                       item->valuestring, n, shape->max_length);
    else if ((shape == &schema_short_name || shape == &schema_cluster_name) && !matches(shape->pattern, item->valuestring))
        schema_problem(c, SCHEMA_VALUE, item, false, NULL,
                       "\"%.60s\" has characters that a name cannot have; use letters, digits and \"-\"%s",
                       item->valuestring, shape == &schema_cluster_name ? ", and a letter first" : "");
    else if (shape->pattern && !matches(shape->pattern, item->valuestring))
        schema_problem(c, SCHEMA_VALUE, item, false, NULL, "\"%.60s\" has not the form that belongs here (%s)",
                       item->valuestring, shape->name ? shape->name : shape->pattern);
}

/* ---- numbers ---- */

static bool whole(const cJSON *item, int64_t *out)
{
    char *end;

    if (cJSON_IsRaw(item)) {
        errno = 0;
        *out = strtoll(item->valuestring, &end, 10);
        if (*end)
            return false;
        return true; /* beyond 64 bits it stands at the limit, which every range of ours excludes */
    }
    if (item->valuedouble != floor(item->valuedouble) || fabs(item->valuedouble) > 9e15)
        return false;
    *out = (int64_t)item->valuedouble;
    return true;
}

static void check_integer(struct check *c, cJSON *item, const struct shape *shape)
{
    int64_t v = 0;

    if (!is_number(item)) {
        char *end;
        bool digits = cJSON_IsString(item) && *item->valuestring && (strtoll(item->valuestring, &end, 10), !*end);

        schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is %s, but a whole number belongs here%s",
                       schema_type_word(item), digits ? ": take the quotes away" : "");
        return;
    }
    if (!whole(item, &v) || v == INT64_MAX || v == INT64_MIN)
        schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is not a whole number that fits here");
    else if (shape->has_min && v < shape->min)
        schema_problem(c, SCHEMA_VALUE, item, false, NULL, "%" PRId64 " is too small: at least %" PRId64, v,
                       shape->min);
    else if (shape->has_max && v > shape->max)
        schema_problem(c, SCHEMA_VALUE, item, false, NULL, "%" PRId64 " is too large: at most %" PRId64, v, shape->max);
}

static void check_boolean(struct check *c, cJSON *item)
{
    if (c->config && cJSON_IsString(item) && str_bool(item->valuestring) >= 0)
        return;
    if (!cJSON_IsBool(item))
        schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is %s, but true or false belongs here, without quotes",
                       schema_type_word(item));
}

/* ---- lists ---- */

static void check_unique(struct check *c, const cJSON *list)
{
    struct keyset names = {NULL, 0, 0};
    auto_json cJSON *keys = cJSON_CreateArray(); /* the set holds items by key: shadows named after the entries */
    const cJSON *item;
    size_t i = 0;

    cJSON_ArrayForEach(item, list)
    {
        const cJSON *name = json_get(item, "name"), *first;
        size_t len = schema_path_index(&c->path, i);
        cJSON *shadow;

        if (cJSON_IsString(name) && *name->valuestring) {
            shadow = cJSON_CreateNumber((double)i);
            shadow->string = cJSON_malloc(strlen(name->valuestring) + 1);
            memcpy(shadow->string, name->valuestring, strlen(name->valuestring) + 1);
            cJSON_AddItemToArray(keys, shadow);
            first = schema_keyset_add(&names, shadow);
            if (first)
                schema_problem(c, SCHEMA_DUPLICATE, name, false, "name",
                               "\"%.60s\" is taken by entry [%d] of this list; names must differ", name->valuestring,
                               first->valueint);
        }
        schema_path_back(&c->path, len);
        i++;
    }
    schema_keyset_fini(&names);
}

static void check_list(struct check *c, cJSON *list, const struct shape *shape, unsigned flags)
{
    cJSON *item;
    size_t i = 0;

    if (!cJSON_IsArray(list)) {
        schema_problem(c, SCHEMA_TYPE, list, false, NULL,
                       "is %s, but a list belongs here: begin each entry with \"- \"", schema_type_word(list));
        return;
    }
    cJSON_ArrayForEach(item, list)
    {
        size_t len = schema_path_index(&c->path, i++);

        if (cJSON_IsNull(item))
            schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is an empty entry: remove it or fill it");
        else
            schema_check_value(c, item, shape->items, 0);
        schema_path_back(&c->path, len);
    }
    if (flags & FIELD_UNIQUE)
        check_unique(c, list);
}

/* ---- objects ---- */

static void note_flags(struct check *c, const cJSON *item, const struct field *f)
{
    bool empty = cJSON_IsString(item) && !*item->valuestring;

    if (empty || cJSON_IsNull(item))
        return;
    if (f->flags & FIELD_NO_EFFECT)
        schema_problem(c, SCHEMA_NO_EFFECT, item, true, NULL, "has no effect. %s", f->text);
    else if (f->flags & FIELD_OBSOLETE)
        schema_problem(c, SCHEMA_OBSOLETE, item, true, NULL, "works, but is an old form. %s", f->text);
}

static void unknown_key(struct check *c, const cJSON *item, const struct shape *shape)
{
    auto_str struct str advice = STR_INIT;

    schema_unknown_advice(c, shape, item->string, &advice);
    if (!shape->open)
        schema_problem(c, SCHEMA_UNKNOWN, item, true, item->string, "there is no such field%s", str_text(&advice));
    else if (strstr(str_text(&advice), "did you mean"))
        schema_problem(c, SCHEMA_SUSPECT, item, true, item->string, "is kept, but is not known%s", str_text(&advice));
}

static void check_member(struct check *c, cJSON *item, const struct shape *shape)
{
    const struct field *f = schema_child(shape, item->string, strlen(item->string));
    bool kept = c->kept;
    size_t len;

    if (!f) {
        unknown_key(c, item, shape);
        return;
    }
    len = schema_path_key(&c->path, item->string);
    c->kept = kept || ((f->flags & FIELD_FILE) && shape->open);
    if ((f->flags & FIELD_FILE) && !c->config && !c->kept)
        schema_problem(c, SCHEMA_UNKNOWN, item, true, NULL, "is possible in the configuration file only");
    else if (!cJSON_IsNull(item)) /* null is as good as absent for an API server too */
        schema_check_value(c, item, f->shape, f->flags);
    note_flags(c, item, f);
    schema_path_back(&c->path, len);
    c->kept = kept;
}

static void check_required(struct check *c, const cJSON *object, const struct shape *shape)
{
    for (const struct field *f = shape->fields; f->name; f++) {
        const cJSON *item = f->flags & FIELD_REQUIRED ? json_get(object, f->name) : NULL;

        if ((f->flags & FIELD_REQUIRED) && (!item || cJSON_IsNull(item)))
            schema_problem(c, SCHEMA_MISSING, object, false, f->name, "is missing%s%s", f->text ? ". " : "",
                           f->text ? f->text : "");
    }
}

static void check_rules(struct check *c, const cJSON *object, const struct shape *shape)
{
    const struct schema_rule *rule;

    for (unsigned i = 0; (rule = schema_rule(shape, i)); i++)
        if (!rule->holds(object))
            schema_problem(c, SCHEMA_VALUE, object, false, NULL, "%s", rule->message);
}

static void check_object(struct check *c, cJSON *object, const struct shape *shape)
{
    cJSON *item;

    if (!cJSON_IsObject(object)) {
        schema_problem(c, SCHEMA_TYPE, object, false, NULL, "is %s, but a mapping (key: value) belongs here",
                       schema_type_word(object));
        return;
    }
    c->around[c->n_around].shape = shape;
    c->around[c->n_around++].path_len = c->path.len;
    check_required(c, object, shape);
    cJSON_ArrayForEach(item, object) check_member(c, item, shape);
    check_rules(c, object, shape);
    c->n_around--;
}

void schema_check_value(struct check *c, cJSON *item, const struct shape *shape, unsigned flags)
{
    if (c->depth >= CHECK_DEPTH) {
        schema_problem(c, SCHEMA_VALUE, item, false, NULL, "is nested too deep");
        return;
    }
    c->depth++;
    switch (shape->kind) {
    case SHAPE_TEXT:
        check_text(c, item, shape);
        break;
    case SHAPE_INTEGER:
        check_integer(c, item, shape);
        break;
    case SHAPE_BOOLEAN:
        check_boolean(c, item);
        break;
    case SHAPE_LIST:
        check_list(c, item, shape, flags);
        break;
    case SHAPE_OBJECT:
        check_object(c, item, shape);
        break;
    case SHAPE_INT_OR_TEXT:
        if (!is_number(item) && !cJSON_IsString(item))
            schema_problem(c, SCHEMA_TYPE, item, false, NULL, "is %s, but a number or a name belongs here",
                           schema_type_word(item));
        break;
    case SHAPE_FREE:
        schema_check_free(c, item, shape);
        break;
    }
    c->depth--;
}

/* ---- resources ---- */

static int resource_kind(struct check *c, const cJSON *resource)
{
    const cJSON *kind = json_get(resource, "kind"), *api = json_get(resource, "apiVersion");
    int named = cJSON_IsString(kind) ? schema_kind_by_name(kind->valuestring) : -1;
    const struct schema_resource *r = named < 0 ? NULL : schema_resource((enum schema_kind)named);
    auto_free char *want = r ? mem_printf("%s/%s", r->group, r->version) : NULL;

    if (!cJSON_IsObject(resource))
        schema_problem(c, SCHEMA_KIND, resource, false, NULL, "a resource must be a mapping with apiVersion and kind");
    else if (!kind || !r || !str_eq(kind->valuestring, r->kind))
        schema_problem(c, SCHEMA_KIND, kind ? kind : resource, false, "kind",
                       "%s%.60s%s; chfleet knows ClickHouseInstallation, ClickHouseKeeperInstallation, "
                       "ClickHouseInstallationTemplate and ClickHouseOperatorConfiguration",
                       cJSON_IsString(kind) ? "\"" : "", cJSON_IsString(kind) ? kind->valuestring : "is missing",
                       cJSON_IsString(kind) ? "\" is none of ours" : "");
    else if (!cJSON_IsString(api) || !str_eq(api->valuestring, want))
        schema_problem(c, SCHEMA_KIND, api ? api : resource, false, "apiVersion", "a %s needs apiVersion: %s", r->kind,
                       want);
    else
        return named;
    return -1;
}

static void check_root(struct check *c, cJSON *resource, const struct shape *shape)
{
    cJSON *item;

    c->around[c->n_around].shape = shape;
    c->around[c->n_around++].path_len = 0;
    check_required(c, resource, shape);
    cJSON_ArrayForEach(item, resource)
    {
        if (str_eq(item->string, "metadata")) {
            size_t len = schema_path_key(&c->path, "metadata");

            schema_check_own_metadata(c, item);
            schema_path_back(&c->path, len);
        } else if (!c->from_file || !str_eq(item->string, "status")) {
            check_member(c, item, shape);
        }
    }
    if (!json_get(resource, "metadata"))
        schema_problem(c, SCHEMA_MISSING, resource, false, "metadata", "is missing; write metadata: with a name below");
    c->n_around--;
}

void schema_check(cJSON *resource, unsigned flags, const struct schema_yaml *where, struct schema_problems *out)
{
    struct check c = {.out = out, .where = where, .from_file = flags & SCHEMA_FROM_FILE};
    int kind = resource_kind(&c, resource);

    if (kind >= 0)
        check_root(&c, resource, schema_resource((enum schema_kind)kind)->root);
    str_free(&c.path);
}

void schema_check_config(cJSON *config, const struct schema_yaml *where, struct schema_problems *out)
{
    struct check c = {.out = out, .where = where, .from_file = true, .config = true};

    if (!cJSON_IsNull(config))
        check_object(&c, config, schema_config_shape());
    str_free(&c.path);
}
