/* SPDX-License-Identifier: Apache-2.0 */
/* What SQL made of users on the hosts of the script: rows "KIND<TAB>name<TAB>database<TAB>table<TAB>statement". A statement
 * that names what is not there fails, as on a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/workers/script.h"

struct row {
    char *f[5];
};

static struct row split(const char *text)
{
    struct row r = {{NULL}};

    for (int i = 0; i < 5; i++) {
        size_t n = strcspn(text, "\t");

        r.f[i] = mem_strn(text, n);
        text += n + (text[n] == '\t');
    }
    return r;
}

static void row_free(struct row *r)
{
    for (int i = 0; i < 5; i++)
        free(r->f[i]);
}

static cJSON *list_of(struct script *s, int host)
{
    if (!s->access[host])
        s->access[host] = cJSON_CreateArray();
    return s->access[host];
}

void script_access_add(struct script *s, int host, const char *row)
{
    json_add_str(list_of(s, host), row);
}

bool script_access_has(const struct script *s, int host, const char *what)
{
    const cJSON *v;
    bool found = false;

    cJSON_ArrayForEach(v, s->access[host]) {
        struct row r = split(v->valuestring);
        auto_free char *key = mem_printf("%s %s", r.f[0], r.f[1]);

        found |= strcmp(key, what) == 0;
        row_free(&r);
    }
    return found;
}

void script_access_same(struct script *s, int a, int b)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, s->access[a])
        if (!json_has(s->access[b], v->valuestring))
            fail_msg("host %d lacks: %s\nit has %s", b, v->valuestring, cJSON_Print(s->access[b]));
    assert_int_equal(cJSON_GetArraySize(s->access[a]), cJSON_GetArraySize(s->access[b]));
}

static bool named(const char *sql, const char *name)
{
    auto_free char *quoted = mem_printf("`%s`", name), *bare = mem_printf(" %s", name);

    return strstr(sql, quoted) || strstr(sql, bare);
}

static bool is_kind(const struct row *r, const char *kind)
{
    return strcmp(r->f[0], kind) == 0;
}

static void show(struct script *s, int host, const char *sql, struct str *out)
{
    bool grants = str_starts(sql, "SHOW GRANTS FOR ");
    const cJSON *v;

    cJSON_ArrayForEach(v, s->access[host]) {
        struct row r = split(v->valuestring);
        auto_free char *kind = mem_printf("SHOW CREATE %s ", r.f[0]);

        if (named(sql, r.f[1]) && (grants ? is_kind(&r, "GRANT") : str_starts(sql, kind)))
            str_addf(out, "%s\n", r.f[4]);
        row_free(&r);
    }
}

static void list(struct script *s, int host, bool collections, struct str *out)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, s->access[host]) {
        struct row r = split(v->valuestring);

        if (collections && is_kind(&r, "COLLECTION"))
            str_addf(out, "%s\t%s\t%s\n", r.f[1], r.f[2], r.f[4]);
        if (!collections && !is_kind(&r, "COLLECTION") && !is_kind(&r, "GRANT"))
            str_addf(out, "%s\t%s\t%s\t%s\n", r.f[0], r.f[1], r.f[2], r.f[3]);
        row_free(&r);
    }
}

/* Everything that the names after `word` stand for is there. */
static bool knows(struct script *s, int host, const char *sql, const char *word)
{
    const char *p = strstr(sql, word);

    for (p = p ? p + strlen(word) : NULL; p && *p; p += strspn(p, ", ")) {
        auto_free char *name = mem_strn(p + (*p == '`'), strcspn(p + (*p == '`'), "`, "));
        auto_free char *user = mem_printf("USER %s", name), *role = mem_printf("ROLE %s", name),
                       *profile = mem_printf("SETTINGS PROFILE %s", name);

        if (!script_access_has(s, host, user) && !script_access_has(s, host, role) && !script_access_has(s, host, profile))
            return false;
        p += strcspn(p, ", ");
        if (*p != ',')
            break;
    }
    return true;
}

static void add_from(struct script *s, int host, const char *sql)
{
    static const char *const kinds[] = {"SETTINGS PROFILE", "ROLE", "USER", "QUOTA", "ROW POLICY"};
    const cJSON *v;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        auto_free char *begin = mem_printf("CREATE %s IF NOT EXISTS ", kinds[i]), *text = NULL, *row = NULL;

        if (!str_starts(sql, begin))
            continue;
        text = mem_printf("CREATE %s %s", kinds[i], sql + strlen(begin));
        cJSON_ArrayForEach(v, s->access[0]) { /* as it is called where it came from */
            struct row r = split(v->valuestring);
            size_t n = strlen(text);

            if (!row && is_kind(&r, kinds[i]) && strncmp(r.f[4], text, n) == 0)
                row = mem_printf("%s\t%s\t%s\t%s\t%s", r.f[0], r.f[1], r.f[2], r.f[3], text);
            row_free(&r);
        }
        if (row)
            script_access_add(s, host, row);
    }
}

static void assign(struct script *s, int host, const char *sql)
{
    cJSON *v;

    cJSON_ArrayForEach(v, s->access[host])
        if (str_starts(v->valuestring, "SETTINGS PROFILE\t")) {
            auto_free char *whole = mem_printf("%s%s", v->valuestring, strstr(sql, " TO "));

            cJSON_SetValuestring(v, whole);
            return;
        }
}

static int run(struct script *s, int host, const char *sql)
{
    if (str_starts(sql, "CREATE NAMED COLLECTION IF NOT EXISTS `nc` AS `key` = 'TOPSECRET'")) {
        script_access_add(s, host, "COLLECTION\tnc\tkey\t\tTOPSECRET");
        return 200;
    }
    if (!knows(s, host, sql, " TO ") || !knows(s, host, sql, "SETTINGS PROFILE `"))
        return 500;
    if (str_starts(sql, "ALTER SETTINGS PROFILE"))
        assign(s, host, sql);
    else if (str_starts(sql, "GRANT ")) {
        auto_free char *row = mem_printf("GRANT\t%s\t\t\t%s", strstr(sql, " TO ") + 4, sql);

        script_access_add(s, host, row);
    } else
        add_from(s, host, sql);
    return 200;
}

bool script_access_sql(struct script *s, const struct script_host *h, const char *sql, struct str *out, int *status)
{
    int host = (int)(h - s->hosts);
    bool shown = str_starts(sql, "SHOW ") && !str_starts(sql, "SHOW CREATE TABLE ");
    bool about = strstr(sql, "FROM system.settings_profiles") || shown;

    *status = 200;
    if (about && s->access_denied) {
        str_add(out, "Code: 497. DB::Exception: u: Not enough privileges.");
        *status = 500;
    } else if (strstr(sql, "FROM system.settings_profiles")) {
        list(s, host, false, out);
    } else if (strstr(sql, "FROM system.named_collections")) {
        list(s, host, true, out);
    } else if (shown) {
        show(s, host, sql, out);
    } else if (strstr(sql, " IF NOT EXISTS ") && !str_starts(sql, "CREATE TABLE") && !str_starts(sql, "CREATE DATABASE")) {
        *status = run(s, host, sql);
    } else if (str_starts(sql, "GRANT ") || str_starts(sql, "ALTER SETTINGS PROFILE ")) {
        *status = run(s, host, sql);
    } else {
        return false;
    }
    if (*status == 500 && !out->len)
        str_addf(out, "Code: 511. DB::Exception: There is no such user in: %s", sql);
    return true;
}
