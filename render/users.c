/* SPDX-License-Identifier: Apache-2.0 */
/* chop-generated-users.xml: what the resource says about users, and what every user must have. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/version.h"
#include "render/internal.h"
#include "render/xml.h"

#define QUOTA_OPTIONAL_SINCE "20.1" /* before, a user without a quota kept the server from starting */

static const char *const password_fields[] = {"password_double_sha1_hex", "password_sha256_hex", "password"};
enum { FIELDS = sizeof password_fields / sizeof *password_fields };

struct users {
    const struct fleet *f;
    const struct render_ctx *c;
    struct settings s;
    const char *operator_name;
    bool needs_quota;
    struct str notes; /* comments for the file */
};

static char *field(const char *user, const char *name)
{
    return mem_printf("%s/%s", user, name);
}

static struct setting *find(struct users *u, const char *user, const char *name)
{
    auto_free char *path = field(user, name);

    return settings_find(&u->s, path);
}

static void put(struct users *u, const char *user, const char *name, const char *value)
{
    auto_free char *path = field(user, name);

    settings_put_text(&u->s, path, value);
}

static void drop(struct users *u, const char *user, const char *name)
{
    auto_free char *path = field(user, name);

    settings_drop(&u->s, path);
}

/* The value behind "ns/secret/key" or "secret/key". NULL with err. */
static const char *read_secret(struct users *u, const char *user, const char *what, const char *address,
                               struct err *err)
{
    const char *last = strrchr(address, '/'), *first = strchr(address, '/'), *value = NULL;
    auto_free char *ns = NULL, *name = NULL;

    if (!last || last == address || !last[1]) {
        err_set(err, ERR_INPUT, 0, "spec.configuration.users.%s/%s: must be \"secret/key\" or \"namespace/secret/key\"",
                user, what);
        return NULL;
    }
    ns = first < last ? mem_strn(address, (size_t)(first - address)) : mem_str(u->f->ns);
    name = first < last ? mem_strn(first + 1, (size_t)(last - first - 1)) : mem_strn(address, (size_t)(last - address));
    if (u->c->secret)
        value = u->c->secret(u->c->ctx, ns, name, last + 1);
    if (!value)
        err_set(err, ERR_MISSING, 0,
                "spec.configuration.users.%s/%s: Secret %s/%s with key \"%s\" does not exist (or may not be read): "
                "create it",
                user, what, ns, name, last + 1);
    return value;
}

/* k8s_secret_password…: the value takes the place of the plain field, unless that comes from the environment. */
static int resolve_secrets(struct users *u, const char *user, struct err *err)
{
    for (size_t i = 0; i < FIELDS; i++) {
        auto_free char *ref = mem_printf("k8s_secret_%s", password_fields[i]);
        const struct setting *one = find(u, user, ref), *plain = find(u, user, password_fields[i]);

        if (!one)
            continue;
        if (!plain || plain->kind != SETTING_ENV) {
            const char *value =
                read_secret(u, user, ref, one->kind == SETTING_TEXT && one->n_values ? one->values[0] : "", err);

            if (!value)
                return -1;
            put(u, user, password_fields[i], value);
        }
        drop(u, user, ref);
    }
    return 0;
}

static void hash_password(struct users *u, const char *user, const char *plain)
{
    auto_free char *hex = hash_sha256_hex(plain, strlen(plain));

    put(u, user, "password_sha256_hex", hex);
    drop(u, user, "password");
}

static const char *default_password(const struct users *u, const char *user)
{
    if (strcmp(user, u->operator_name) == 0)
        return json_str(u->f->config, "clickhouse.access.password", "clickhouse_operator_password");
    return strcmp(user, "default") == 0
               ? NULL
               : json_str(u->f->config, "clickhouse.configuration.user.default.password", "default");
}

/* Ways to prove who one is, besides passwords that every server knows: the fields, and since when servers have them. A server
 * that does not know the only way of a user does not start. */
static const struct {
    const char *field, *since;
} other_ways[] = {
    {"password_double_sha1_hex", "20.1"}, {"no_password", "20.5"},         {"ldap", "20.11"},    {"kerberos", "21.1"},
    {"ssl_certificates", "21.12"},        {"http_authentication", "23.7"}, {"ssh_keys", "23.9"},
};
enum { OTHER_WAYS = sizeof other_ways / sizeof *other_ways };

static bool has_below(const struct users *u, const char *user, const char *what)
{
    auto_free char *path = field(user, what);
    size_t n = strlen(path);

    for (size_t i = 0; i < u->s.n; i++)
        if (strncmp(u->s.v[i].path, path, n) == 0 && (u->s.v[i].path[n] == '\0' || u->s.v[i].path[n] == '/'))
            return true;
    return false;
}

/* Does the user need no password, because there is another way? */
static bool has_other_way(const struct users *u, const char *user)
{
    for (size_t i = 1; i < OTHER_WAYS; i++)
        if (has_below(u, user, other_ways[i].field))
            return true;
    return false;
}

static void drop_user(struct users *u, const char *user)
{
    size_t n = strlen(user);

    for (size_t i = u->s.n; i-- > 0;)
        if (strncmp(u->s.v[i].path, user, n) == 0 && u->s.v[i].path[n] == '/') {
            auto_free char *path = mem_str(u->s.v[i].path);

            settings_drop(&u->s, path);
        }
}

/* A user whose only way this version does not know is left out; the file says so, and with a newer server the user comes. */
static bool left_out(struct users *u, const char *user, const char *version)
{
    if (strcmp(user, "default") == 0 || has_below(u, user, "password") || has_below(u, user, "password_sha256_hex"))
        return false;
    for (size_t i = 0; i < OTHER_WAYS; i++) {
        if (!has_below(u, user, other_ways[i].field) || version_at_least(version, other_ways[i].since))
            continue;
        str_addf(&u->notes, "        <!-- user %s is left out: %s is known since ClickHouse %s, here runs %s -->\n", user,
                 other_ways[i].field, other_ways[i].since, *version ? version : "an unknown version");
        drop_user(u, user);
        return true;
    }
    return false;
}

/* One kind of password stays: environment first, then double SHA1, SHA256, plain text. */
static void choose_password(struct users *u, const char *user)
{
    size_t keep = FIELDS;
    const struct setting *one;
    bool other_way = has_other_way(u, user);

    for (size_t i = 0; i < FIELDS && keep == FIELDS; i++)
        if ((one = find(u, user, password_fields[i])) && one->kind == SETTING_ENV)
            keep = i;
    for (size_t i = 0; i < FIELDS && keep == FIELDS; i++)
        if (find(u, user, password_fields[i]))
            keep = i;
    for (size_t i = 0; i < FIELDS; i++)
        if (i != keep)
            drop(u, user, password_fields[i]);
    one = keep < FIELDS ? find(u, user, password_fields[keep]) : NULL;
    if (one && keep == 2 && one->kind == SETTING_TEXT && one->n_values && !other_way) {
        auto_free char *plain = mem_str(one->values[0]);

        hash_password(u, user, plain);
    } else if (!one && !other_way && default_password(u, user)) {
        hash_password(u, user, default_password(u, user));
    }
    if (strcmp(user, "default") == 0 && !find(u, user, "password") &&
        (find(u, user, "password_sha256_hex") || find(u, user, "password_double_sha1_hex"))) {
        auto_free char *path = field(user, "password");
        struct setting gone = {.path = path, .kind = SETTING_REMOVE};

        settings_put(&u->s, &gone);
    }
}

struct ips {
    char **v;
    size_t n;
};

static void add_ip(struct ips *l, const char *ip)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i], ip) == 0)
            return;
    l->v = mem_grow(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = mem_str(ip);
}

static void networks(struct users *u, const char *user)
{
    const cJSON *common = json_at(u->f->config, "clickhouse.configuration.user.default.networksIP"), *v;
    auto_free char *path = field(user, "networks/ip");
    const struct setting *own = settings_find(&u->s, path);
    struct ips l = {NULL, 0};
    struct setting all = {.path = path, .kind = SETTING_LIST};
    const char *const *pods = u->c->pod_ips && strcmp(user, "default") == 0 ? u->c->pod_ips(u->c->ctx) : NULL;

    if (strcmp(user, u->operator_name) == 0) {
        cJSON_ArrayForEach(v, u->c->operator_ips)
            add_ip(&l, v->valuestring);
        if (u->c->operator_ip && *u->c->operator_ip)
            add_ip(&l, u->c->operator_ip);
    } else {
        cJSON_ArrayForEach(v, common)
            if (cJSON_IsString(v))
                add_ip(&l, v->valuestring);
    }
    for (size_t i = 0; pods && pods[i]; i++)
        add_ip(&l, pods[i]);
    for (size_t i = 0; own && own->kind <= SETTING_LIST && i < own->n_values; i++)
        add_ip(&l, own->values[i]);
    all.values = l.v;
    all.n_values = l.n;
    if (l.n)
        settings_put(&u->s, &all);
    for (size_t i = 0; i < l.n; i++)
        free(l.v[i]);
    free(l.v);
}

static void mandatory(struct users *u, const char *user)
{
    const char *defaults = "clickhouse.configuration.user.default";
    const char *regexp = json_str(u->f->config, "clickhouse.configuration.network.hostRegexpTemplate", "");
    auto_free char *quota = mem_printf("%s.quota", defaults), *profile = mem_printf("%s.profile", defaults);
    bool is_operator = strcmp(user, u->operator_name) == 0;

    if (!find(u, user, "profile"))
        put(u, user, "profile", is_operator ? "clickhouse_operator" : json_str(u->f->config, profile, "default"));
    if (!find(u, user, "quota") && (!is_operator || u->needs_quota))
        put(u, user, "quota", json_str(u->f->config, quota, "default"));
    if (!is_operator && *regexp && !find(u, user, "networks/host_regexp")) {
        auto_free char *text = fleet_macros(u->f, NULL, NULL, NULL, regexp);

        put(u, user, "networks/host_regexp", text);
    }
    networks(u, user);
}

/* Names of all users: the first components, the default user, the operator's. */
static cJSON *names(const struct users *u)
{
    cJSON *out = cJSON_CreateArray();

    json_add_str(out, "default");
    if (!json_has(out, u->operator_name))
        json_add_str(out, u->operator_name);
    for (size_t i = 0; i < u->s.n; i++) {
        const char *slash = strchr(u->s.v[i].path, '/');
        auto_free char *name = slash ? mem_strn(u->s.v[i].path, (size_t)(slash - u->s.v[i].path)) : NULL;

        if (name && !json_has(out, name))
            json_add_str(out, name);
    }
    return out;
}

/* Puts comments behind the line <users>. Takes file. */
static char *with_notes(char *file, const char *notes)
{
    static const char mark[] = "    <users>\n";
    char *at = *notes ? strstr(file, mark) : NULL, *out;

    if (!at)
        return file;
    at += strlen(mark);
    out = mem_printf("%.*s%s%s", (int)(at - file), file, notes, at);
    free(file);
    return out;
}

int file_users(const struct fleet *f, const struct render_ctx *c, char **out, struct err *err)
{
    auto_free char *version = version_lowest(f, c);
    struct users u = {.f = f, .c = c, .needs_quota = !version_at_least(version, QUOTA_OPTIONAL_SINCE)};
    auto_json cJSON *all = NULL;
    const cJSON *name;
    int rc = 0;

    u.operator_name = json_str(f->config, "clickhouse.access.username", "clickhouse_operator");
    section_with_addons(f, version, "users", &f->users, &u.s);
    all = names(&u);
    cJSON_ArrayForEach(name, all) {
        if (rc == 0)
            rc = resolve_secrets(&u, name->valuestring, err);
        if (rc < 0)
            break;
        choose_password(&u, name->valuestring);
        if (!left_out(&u, name->valuestring, version))
            mandatory(&u, name->valuestring);
    }
    if (rc == 0)
        *out = with_notes(xml_settings_file(&u.s, "users"), str_text(&u.notes));
    settings_fini(&u.s);
    str_free(&u.notes);
    return rc;
}
