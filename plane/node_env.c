/* SPDX-License-Identifier: Apache-2.0 */
/* The environment a container asks for. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "plane/node_priv.h"

struct env {
    char **v;
    size_t n;
};

void env_free(char **env)
{
    for (char **e = env; e && *e; e++)
        free(*e);
    free(env);
}

static void put(struct env *e, const char *name, const char *value)
{
    size_t len = strlen(name), i = 0;

    while (i < e->n && (strncmp(e->v[i], name, len) != 0 || e->v[i][len] != '='))
        i++;
    if (i == e->n) {
        e->v = mem_grow(e->v, e->n + 2, sizeof *e->v);
        e->v[++e->n] = NULL;
    } else {
        free(e->v[i]);
    }
    e->v[i] = mem_printf("%s=%s", name, value);
}

/* $(NAME) of a variable above. */
static char *expand(const struct env *e, const char *text)
{
    struct str out = STR_INIT;

    while (*text) {
        size_t name = text[0] == '$' && text[1] == '(' ? strcspn(text + 2, ")") : 0, i = e->n;

        for (i = 0; name && text[2 + name] == ')' && i < e->n; i++)
            if (strncmp(e->v[i], text + 2, name) == 0 && e->v[i][name] == '=')
                break;
        if (name && text[2 + name] == ')' && i < e->n) {
            str_add(&out, e->v[i] + name + 1);
            text += name + 3;
        } else if (text[0] == '$' && text[1] == '$') {
            str_addc(&out, '$');
            text += 2;
        } else {
            str_addc(&out, *text++);
        }
    }
    return str_take(&out);
}

/* ---- valueFrom ---- */

/* 1: *value is there; 0: it is optional and absent; -1. */
static int from_key(struct node_ctr *c, const cJSON *ref, bool secret, char **value, struct err *err)
{
    const char *name = json_str(ref, "name", ""), *key = json_str(ref, "key", "");
    const cJSON *obj = store_get(c->pod->node->s, secret ? PK_SECRET : PK_CM, c->pod->ns, name);
    const cJSON *v = obj ? json_get(json_get(obj, "data"), key) : NULL;
    size_t len = 0;

    if (cJSON_IsString(v))
        *value = secret ? (char *)hash_unbase64(v->valuestring, &len) : mem_str(v->valuestring);
    if (*value)
        return 1;
    if (json_bool(ref, "optional", false))
        return 0;
    return err_set(err, ERR_MISSING, 0, "%s %s%s%s is not there", secret ? "Secret" : "ConfigMap", name,
                   obj ? " key " : "", obj ? key : "");
}

static bool bracketed(const char *path, const char *prefix, char *key, size_t size)
{
    size_t n = strlen(prefix);

    if (strncmp(path, prefix, n) != 0 || path[n] != '[' || (path[n + 1] != '\'' && path[n + 1] != '"'))
        return false;
    snprintf(key, size, "%.*s", (int)strcspn(path + n + 2, "'\""), path + n + 2);
    return true;
}

static char *from_field(const struct node_ctr *c, const char *path)
{
    char key[320];
    const char *v;

    if (bracketed(path, "metadata.labels", key, sizeof key))
        v = json_label(c->pod->obj, key);
    else if (bracketed(path, "metadata.annotations", key, sizeof key))
        v = json_annotation(c->pod->obj, key);
    else if (strcmp(path, "status.podIP") == 0 || strcmp(path, "status.hostIP") == 0 ||
             strcmp(path, "status.podIPs") == 0)
        v = "127.0.0.1";
    else
        v = json_str(c->pod->obj, path, "");
    return mem_str(v ? v : "");
}

/* "2Gi", "500m" as a number. */
static double quantity(const char *text)
{
    static const struct {
        const char *unit;
        double is;
    } units[] = {{"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0},
                 {"m", 0.001},   {"k", 1e3},        {"M", 1e6},           {"G", 1e9},
                 {"T", 1e12}};
    char *end;
    double v = strtod(text, &end);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0)
            return v * units[i].is;
    return v;
}

static char *from_resource(const struct node_ctr *c, const cJSON *ref)
{
    auto_free char *path = mem_printf("resources.%s", json_str(ref, "resource", ""));
    const cJSON *v = json_at(c->spec, path);
    auto_free char *text = cJSON_IsString(v) ? mem_str(v->valuestring) : v ? json_print(v) : mem_str("0");
    double divisor = quantity(json_str(ref, "divisor", "1"));

    return mem_printf("%.0f", ceil(quantity(text) / (divisor > 0 ? divisor : 1)));
}

static int value_from(struct node_ctr *c, const cJSON *from, char **value, struct err *err)
{
    const cJSON *ref;

    if ((ref = json_get(from, "secretKeyRef")))
        return from_key(c, ref, true, value, err);
    if ((ref = json_get(from, "configMapKeyRef")))
        return from_key(c, ref, false, value, err);
    if ((ref = json_get(from, "fieldRef")))
        *value = from_field(c, json_str(ref, "fieldPath", ""));
    else if ((ref = json_get(from, "resourceFieldRef")))
        *value = from_resource(c, ref);
    else
        return err_set(err, ERR_INPUT, 0,
                       "valueFrom must be secretKeyRef, configMapKeyRef, fieldRef or resourceFieldRef");
    return 1;
}

/* ---- all ---- */

static int all_of(struct node_ctr *c, const cJSON *from, struct env *e, struct err *err)
{
    const cJSON *secret = json_get(from, "secretRef"), *cm = json_get(from, "configMapRef"),
                *ref = secret ? secret : cm, *v;
    const char *name = json_str(ref, "name", ""), *prefix = json_str(from, "prefix", "");
    const cJSON *obj = store_get(c->pod->node->s, secret ? PK_SECRET : PK_CM, c->pod->ns, name);

    if (!obj)
        return json_bool(ref, "optional", false)
                   ? 0
                   : err_set(err, ERR_MISSING, 0, "%s %s is not there", secret ? "Secret" : "ConfigMap", name);
    cJSON_ArrayForEach(v, json_get(obj, "data")) {
        auto_free char *key = mem_printf("%s%s", prefix, v->string);
        size_t len = 0;
        auto_free char *value = secret ? (char *)hash_unbase64(v->valuestring, &len) : mem_str(v->valuestring);

        if (value)
            put(e, key, value);
    }
    return 0;
}

static int one_variable(struct node_ctr *c, const cJSON *item, struct env *e, struct err *err)
{
    const char *name = json_str(item, "name", "");
    const cJSON *from = json_get(item, "valueFrom");
    auto_free char *value = NULL;
    int rc = 1;

    if (from)
        rc = value_from(c, from, &value, err);
    else
        value = expand(e, json_str(item, "value", ""));
    if (rc < 0)
        return err_ctx(err, "environment variable %s", name);
    if (rc > 0)
        put(e, name, value);
    return 0;
}

int ctr_environment(struct node_ctr *c, char ***env, struct err *err)
{
    struct env e = {mem_array(1, sizeof(char *)), 0};
    const cJSON *item;

    cJSON_ArrayForEach(item, json_get(c->spec, "envFrom"))
        if (all_of(c, item, &e, err) < 0)
            goto fail;
    cJSON_ArrayForEach(item, json_get(c->spec, "env"))
        if (one_variable(c, item, &e, err) < 0)
            goto fail;
    *env = e.v;
    return 0;
fail:
    env_free(e.v);
    return -1;
}
