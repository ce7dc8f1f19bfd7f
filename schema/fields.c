/* SPDX-License-Identifier: Apache-2.0 */
/* The four resources and look-ups in their fields. */
#include "schema/fields.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "schema/fields_internal.h"

#define GROUP "clickhouse.altinity.com"
#define GROUP_KEEPER "clickhouse-keeper.altinity.com"

static const struct schema_column chi_columns[] = {
    {"version", "string", ".status.chop-version", 1},
    {"clusters", "integer", ".status.clusters", 0},
    {"shards", "integer", ".status.shards", 1},
    {"hosts", "integer", ".status.hosts", 0},
    {"taskID", "string", ".status.taskID", 1},
    {"status", "string", ".status.status", 0},
    {"hosts-completed", "integer", ".status.hostsCompleted", 0},
    {"hosts-updated", "integer", ".status.hostsUpdated", 1},
    {"hosts-added", "integer", ".status.hostsAdded", 1},
    {"hosts-deleted", "integer", ".status.hostsDeleted", 1},
    {"endpoint", "string", ".status.endpoint", 1},
    {"age", "date", ".metadata.creationTimestamp", 0},
    {"suspend", "string", ".spec.suspend", 0},
};

static const struct schema_column chk_columns[] = {
    {"version", "string", ".status.chop-version", 1},
    {"clusters", "integer", ".status.clusters", 0},
    {"shards", "integer", ".status.shards", 1},
    {"hosts", "integer", ".status.hosts", 0},
    {"taskID", "string", ".status.taskID", 1},
    {"status", "string", ".status.status", 0},
    {"hosts-unchanged", "integer", ".status.hostsUnchanged", 1},
    {"hosts-updated", "integer", ".status.hostsUpdated", 1},
    {"hosts-added", "integer", ".status.hostsAdded", 1},
    {"hosts-completed", "integer", ".status.hostsCompleted", 0},
    {"hosts-deleted", "integer", ".status.hostsDeleted", 1},
    {"hosts-delete", "integer", ".status.hostsDelete", 1},
    {"endpoint", "string", ".status.endpoint", 1},
    {"age", "date", ".metadata.creationTimestamp", 0},
    {"suspend", "string", ".spec.suspend", 0},
};

static const struct schema_column chopconf_columns[] = {
    {"namespaces", "string", ".status", 0},
    {"age", "date", ".metadata.creationTimestamp", 0},
};

#define COLUMNS(list) list, sizeof(list) / sizeof *(list)

static const struct schema_resource resources[SCHEMA_KINDS] = {
    [SCHEMA_CHI] = {GROUP, "v1", "ClickHouseInstallation", "ClickHouseInstallationList", "clickhouseinstallations",
                    "clickhouseinstallation", "chi", "One or several ClickHouse clusters and how they are run.",
                    &schema_chi_root, COLUMNS(chi_columns), true, true},
    [SCHEMA_CHIT] = {GROUP, "v1", "ClickHouseInstallationTemplate", "ClickHouseInstallationTemplateList",
                     "clickhouseinstallationtemplates", "clickhouseinstallationtemplate", "chit",
                     "A part of an installation that other installations are put on top of.", &schema_chit_root,
                     COLUMNS(chi_columns), true, false},
    [SCHEMA_CHK] = {GROUP_KEEPER, "v1", "ClickHouseKeeperInstallation", "ClickHouseKeeperInstallationList",
                    "clickhousekeeperinstallations", "clickhousekeeperinstallation", "chk",
                    "A ClickHouse Keeper cluster and how it is run.", &schema_chk_root, COLUMNS(chk_columns), true,
                    true},
    [SCHEMA_CHOPCONF] = {GROUP, "v1", "ClickHouseOperatorConfiguration", "ClickHouseOperatorConfigurationList",
                         "clickhouseoperatorconfigurations", "clickhouseoperatorconfiguration", "chopconf",
                         "Settings of the operator itself, put over its configuration file.", &schema_chopconf_root,
                         COLUMNS(chopconf_columns), false, false},
};

const struct schema_resource *schema_resource(enum schema_kind kind)
{
    return &resources[kind];
}

int schema_kind_by_name(const char *name)
{
    for (int i = 0; name && i < SCHEMA_KINDS; i++) {
        const struct schema_resource *r = &resources[i];

        if (!strcasecmp(name, r->kind) || !strcasecmp(name, r->plural) || !strcasecmp(name, r->singular) ||
            !strcasecmp(name, r->short_name))
            return i;
    }
    return -1;
}

int schema_kind_of(const cJSON *resource)
{
    const char *kind = json_str(resource, "kind", ""), *api = json_str(resource, "apiVersion", "");

    for (int i = 0; i < SCHEMA_KINDS; i++) {
        size_t n = strlen(resources[i].group);

        if (str_eq(kind, resources[i].kind) && strncmp(api, resources[i].group, n) == 0 && api[n] == '/')
            return i;
    }
    return -1;
}

const struct shape *schema_config_shape(void)
{
    return &schema_chopconf_spec;
}

const struct shape *schema_inner(const struct shape *shape)
{
    while (shape->kind == SHAPE_LIST)
        shape = shape->items;
    return shape;
}

const struct field *schema_child(const struct shape *shape, const char *name, size_t len)
{
    shape = schema_inner(shape);
    if (shape->kind != SHAPE_OBJECT)
        return NULL;
    for (const struct field *f = shape->fields; f->name; f++)
        if (strncmp(f->name, name, len) == 0 && f->name[len] == '\0')
            return f;
    return NULL;
}

const struct field *schema_field(const struct shape *shape, const char *path)
{
    const struct field *f = NULL;

    while (*path) {
        size_t n = strcspn(path, ".[");

        f = schema_child(shape, path, n);
        if (!f)
            return NULL;
        shape = f->shape;
        path += n;
        while (*path == '[') {
            path += strcspn(path, "]");
            path += *path == ']';
        }
        path += *path == '.';
    }
    return f;
}

bool schema_value_allowed(const char *values, const char *text)
{
    size_t n = strlen(text);

    for (const char *v = values;; v++) {
        size_t m = strcspn(v, "|");

        if (n == m && memcmp(v, text, n) == 0)
            return true;
        v += m;
        if (!*v)
            return false;
    }
}
