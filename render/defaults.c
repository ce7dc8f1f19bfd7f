/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's own files: same names and same effect as the ones the peer ships, without what the server version does
 * not know (an unknown setting in a profile keeps a server from starting). Files that the operator configuration brings
 * along (clickhouse.configuration.file.content) come last and win.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/version.h"
#include "render/internal.h"
#include "render/xml.h"
#include "render/xmldiff.h"

static const char listen_xml[] = "<clickhouse>\n"
                                 "    <listen_host>::</listen_host>\n"
                                 "    <listen_host>0.0.0.0</listen_host>\n"
                                 "    <listen_try>1</listen_try>\n"
                                 "</clickhouse>\n";

static const char logger_xml[] = "<clickhouse>\n"
                                 "    <logger>\n"
                                 "        <level>debug</level>\n"
                                 "        <log>/var/log/clickhouse-server/clickhouse-server.log</log>\n"
                                 "        <errorlog>/var/log/clickhouse-server/clickhouse-server.err.log</errorlog>\n"
                                 "        <size>1000M</size>\n"
                                 "        <count>10</count>\n"
                                 "        <console>1</console>\n"
                                 "    </logger>\n"
                                 "</clickhouse>\n";

static const char keeper_main_xml[] =
    "<clickhouse>\n"
    "    <keeper_server>\n"
    "        <coordination_settings>\n"
    "            <min_session_timeout_ms>10000</min_session_timeout_ms>\n"
    "            <operation_timeout_ms>10000</operation_timeout_ms>\n"
    "            <raft_logs_level>information</raft_logs_level>\n"
    "            <session_timeout_ms>100000</session_timeout_ms>\n"
    "        </coordination_settings>\n"
    "        <hostname_checks_enabled>true</hostname_checks_enabled>\n"
    "        <log_storage_path>/var/lib/clickhouse-keeper/coordination/logs</log_storage_path>\n"
    "        <snapshot_storage_path>/var/lib/clickhouse-keeper/coordination/snapshots"
    "</snapshot_storage_path>\n"
    "        <storage_path>/var/lib/clickhouse-keeper</storage_path>\n"
    "        <tcp_port>2181</tcp_port>\n"
    "    </keeper_server>\n"
    "    <listen_host>::</listen_host>\n"
    "    <listen_host>0.0.0.0</listen_host>\n"
    "    <listen_try>1</listen_try>\n"
    "    <logger>\n"
    "        <console>1</console>\n"
    "        <level>information</level>\n"
    "    </logger>\n"
    "    <max_connections>4096</max_connections>\n"
    "</clickhouse>\n";

static const char keeper_ready_xml[] = "<clickhouse>\n"
                                       "    <keeper_server>\n"
                                       "        <http_control>\n"
                                       "            <port>9182</port>\n"
                                       "            <readiness>\n"
                                       "                <endpoint>/ready</endpoint>\n"
                                       "            </readiness>\n"
                                       "        </http_control>\n"
                                       "    </keeper_server>\n"
                                       "</clickhouse>\n";

static const char keeper_reconfig_xml[] = "<clickhouse>\n"
                                          "    <keeper_server>\n"
                                          "        <enable_reconfiguration>false</enable_reconfiguration>\n"
                                          "    </keeper_server>\n"
                                          "</clickhouse>\n";

/* A table the server writes its own events into, kept for a month. */
static void log_table(struct xml *x, const char *table)
{
    auto_free char *open = mem_printf("%s replace=\"1\"", table);

    xml_open(x, open);
    xml_text(x, "database", "system");
    xml_text(x, "table", table);
    xml_text(x, "engine",
             "Engine = MergeTree PARTITION BY event_date ORDER BY event_time TTL event_date + interval 30 day");
    xml_text(x, "flush_interval_milliseconds", "7500");
    xml_close(x, table);
}

static void add_log_table(cJSON *data, const char *name, const char *table, bool no_threads)
{
    struct xml x = XML_INIT;

    xml_open(&x, "clickhouse");
    log_table(&x, table);
    if (no_threads)
        xml_line(&x, "<query_thread_log remove=\"1\"/>");
    xml_close(&x, "clickhouse");
    json_set_str(data, name, str_text(&x.out));
    str_free(&x.out);
}

/* Settings of profiles with the version that brought them ("" = every version). */
struct profile_line {
    const char *name, *value, *since;
};
static const struct profile_line operator_profile[] = {
    {"log_queries", "0", ""},
    {"skip_unavailable_shards", "1", ""},
    {"http_connection_timeout", "10", ""},
    {"max_concurrent_queries_for_all_users", "0", "21.3"},
    {"os_thread_priority", "0", "20.3"},
};
static const struct profile_line default_profile[] = {
    {"os_thread_priority", "2", "20.3"},
    {"log_queries", "1", ""},
    {"connect_timeout_with_failover_ms", "1000", ""},
    {"distributed_aggregation_memory_efficient", "1", ""},
    {"parallel_view_processing", "1", ""},
    {"do_not_merge_across_partitions_select_final", "1", "20.6"},
    {"load_balancing", "nearest_hostname", ""},
    {"prefer_localhost_replica", "0", ""},
};

static void add_profile(cJSON *data, const char *file, const char *profile, const struct profile_line *v, size_t n,
                        const char *version)
{
    struct xml x = XML_INIT;

    xml_open(&x, "clickhouse");
    xml_open(&x, "profiles");
    xml_open(&x, profile);
    for (size_t i = 0; i < n; i++)
        if (!*v[i].since || version_at_least(version, v[i].since))
            xml_text(&x, v[i].name, v[i].value);
    xml_close(&x, profile);
    xml_close(&x, "profiles");
    xml_close(&x, "clickhouse");
    json_set_str(data, file, str_text(&x.out));
    str_free(&x.out);
}

static void clickhouse_files(enum file_place where, const char *version, cJSON *data)
{
    if (where == FILE_COMMON) {
        json_set_str(data, "01-clickhouse-01-listen.xml", listen_xml);
        json_set_str(data, "01-clickhouse-02-logger.xml", logger_xml);
        add_log_table(data, "01-clickhouse-03-query_log.xml", "query_log", true);
        add_log_table(data, "01-clickhouse-04-part_log.xml", "part_log", false);
        add_log_table(data, "01-clickhouse-05-trace_log.xml", "trace_log", false);
    } else if (where == FILE_USERS) {
        add_profile(data, "01-clickhouse-operator-profile.xml", "clickhouse_operator", operator_profile,
                    sizeof operator_profile / sizeof *operator_profile, version);
        add_profile(data, "02-clickhouse-default-profile.xml", "default", default_profile,
                    sizeof default_profile / sizeof *default_profile, version);
    }
}

static void keeper_files(enum file_place where, cJSON *data)
{
    if (where != FILE_COMMON)
        return;
    json_set_str(data, "01-keeper-01-default-config.xml", keeper_main_xml);
    json_set_str(data, "01-keeper-02-readiness.xml", keeper_ready_xml);
    json_set_str(data, "01-keeper-03-enable-reconfig.xml", keeper_reconfig_xml);
}

/* ---- files of the operator's configuration ---- */

static void count_difference(void *ctx, const char *path, const char *from, const char *to)
{
    (void)path;
    (void)from;
    (void)to;
    ++*(size_t *)ctx;
}

/* Those that the peer ships are what is generated anyway, without what an older server does not know. */
static bool is_shipped(const cJSON *shipped, const char *name, const char *text)
{
    const char *ours = cJSON_GetStringValue(json_get(shipped, name));
    size_t n = 0;

    if (!ours)
        return false;
    xmldiff(ours, text, NULL, count_difference, &n);
    return n == 0;
}

static int check_folder(cJSON *files, const cJSON *shipped, const char *what, struct err *err)
{
    for (cJSON *v = files->child, *next; v; v = next) {
        auto_free char *wrong = xmldiff_complaint(v->valuestring);

        next = v->next;
        if (wrong)
            return err_set(err, ERR_INPUT, 0, "operator configuration: file %s of the folder %s is not well-formed XML: %s",
                           v->string, what, wrong);
        if (is_shipped(shipped, v->string, v->valuestring))
            cJSON_Delete(cJSON_DetachItemViaPointer(files, v));
    }
    return 0;
}

int render_check_config(cJSON *config, struct err *err)
{
    static const char *const roots[] = {"clickhouse", "keeper"}, *const names[] = {"common", "user", "host"};
    static const enum file_place where[] = {FILE_COMMON, FILE_USERS, FILE_HOST};

    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < 3; i++) {
            auto_free char *what = mem_printf("%s.configuration.file.path.%s", roots[r], names[i]),
                           *path = mem_printf("%s.configuration.file.content.%s", roots[r], names[i]);
            auto_json cJSON *shipped = cJSON_CreateObject();
            cJSON *files = json_at(config, path);

            if (!files)
                continue;
            if (r == 0)
                clickhouse_files(where[i], "99.99.99", shipped);
            else
                keeper_files(where[i], shipped);
            if (check_folder(files, shipped, what, err) < 0)
                return -1;
        }
    return 0;
}

void defaults_add(const struct fleet *f, enum file_place where, const char *version, cJSON *data)
{
    static const char *const places[] = {"common", "user", "host"};
    bool keeper = f->kind == FLEET_KEEPER;
    const cJSON *own =
        json_at(f->config, keeper ? "keeper.configuration.file.content" : "clickhouse.configuration.file.content");
    const cJSON *v;

    if (!keeper)
        clickhouse_files(where, version, data);
    if (keeper)
        keeper_files(where, data);
    cJSON_ArrayForEach(v, json_get(own, places[where]))
        if (cJSON_IsString(v))
            json_set_str(data, v->string, v->valuestring);
}
