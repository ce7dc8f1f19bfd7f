#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the dashboards in this folder: deploy/grafana/dashboards.py [--check].

A panel is a row of the lists below: title, unit, and one or more (query, legend). H stands for the chosen hosts.
"""
import json
import os
import sys

H = 'exported_namespace=~"$exported_namespace",chi=~"$chi",hostname=~"$hostname"'
C = 'chi=~"$chi"'
K = 'namespace=~"$namespace"'
M, E, T = "chi_clickhouse_metric_", "chi_clickhouse_event_", "chi_clickhouse_table_"
HOST = "{{hostname}}"


def value(name, what=M):
    return "%s%s{%s}" % (what, name, H)


def rate(name):
    return "rate(%s%s{%s}[$__rate_interval])" % (E, name, H)


CLICKHOUSE = [
    ("Hosts", [
        ("Hosts that answer", "stat", "none", [("count(chi_clickhouse_metric_fetch_errors{%s,fetch_type=\"system.metrics\"} == 0)" % H, "answer")]),
        ("Hosts that do not answer", "stat", "none", [("count(chi_clickhouse_metric_fetch_errors{%s,fetch_type=\"system.metrics\"} == 1) or vector(0)" % H, "failed")]),
        ("Read-only replicas", "stat", "none", [("sum(%s)" % value("ReadonlyReplica"), "read-only")]),
        ("Rows", "stat", "short", [("sum(chi_clickhouse_table_parts_rows{%s,active=\"1\"})" % H, "rows")]),
        ("Firing alerts", "table", "none", [('ALERTS{alertstate="firing",alertname=~"ClickHouse.*|Chfleet.*"}', "")]),
        ("Uptime", "line", "s", [(value("Uptime"), HOST)]),
        ("Version", "line", "none", [(value("VersionInteger"), HOST)]),
    ]),
    ("Queries", [
        ("Queries per second", "line", "reqps", [(rate("SelectQuery"), "select " + HOST), (rate("InsertQuery"), "insert " + HOST)]),
        ("Running queries", "line", "none", [(value("Query"), HOST)]),
        ("Longest running query", "line", "s", [(value("LongestRunningQuery"), HOST)]),
        ("Failed queries per second", "line", "reqps", [(rate("FailedQuery"), HOST)]),
        ("Connections", "line", "none", [(value("TCPConnection"), "tcp " + HOST), (value("HTTPConnection"), "http " + HOST),
                                         (value("InterserverConnection"), "interserver " + HOST)]),
        ("Preempted and waiting", "line", "none", [(value("QueryPreempted"), "preempted " + HOST), (value("ContextLockWait"), "lock " + HOST)]),
    ]),
    ("Inserts and merges", [
        ("Inserted rows per second", "line", "rowsps", [(rate("InsertedRows"), HOST)]),
        ("Rows per insert", "line", "short", [("%s / %s" % (rate("InsertedRows"), rate("InsertQuery")), HOST)]),
        ("Delayed and rejected inserts", "line", "reqps", [(rate("DelayedInserts"), "delayed " + HOST), (rate("RejectedInserts"), "rejected " + HOST)]),
        ("Merged rows per second", "line", "rowsps", [(rate("MergedRows"), HOST)]),
        ("Most parts in a partition", "line", "none", [(value("MaxPartCountForPartition"), HOST)]),
        ("Merges and mutations at work", "line", "none", [(value("Merge"), "merges " + HOST), (value("PartMutation"), "mutations " + HOST)]),
        ("Unfinished mutations", "line", "none", [("sum by (hostname) (%s)" % value("mutations", T), HOST)]),
        ("Background tasks", "line", "none", [(value("BackgroundMergesAndMutationsPoolTask"), "merges " + HOST), (value("BackgroundPoolTask"), "pool " + HOST),
                                              (value("BackgroundSchedulePoolTask"), "schedule " + HOST)]),
    ]),
    ("Replication", [
        ("Delay", "line", "s", [(value("ReplicasMaxAbsoluteDelay"), HOST)]),
        ("Queue", "line", "none", [(value("ReplicasSumInsertsInQueue"), "inserts " + HOST), (value("ReplicasSumMergesInQueue"), "merges " + HOST)]),
        ("Fetches per second", "line", "ops", [(rate("ReplicatedPartFetches"), HOST), (rate("ReplicatedPartFailedFetches"), "failed " + HOST)]),
        ("Lost sessions of tables", "line", "none", [("sum by (hostname) (chi_clickhouse_system_replicas_is_session_expired{%s})" % H, HOST)]),
        ("Keeper transactions per second", "line", "ops", [(rate("ZooKeeperTransactions"), HOST)]),
        ("Keeper failures per second", "line", "ops", [(rate("ZooKeeperHardwareExceptions"), "network " + HOST), (rate("ZooKeeperUserExceptions"), "refused " + HOST)]),
        ("Files for other shards", "line", "none", [(value("DistributedFilesToInsert"), HOST), (value("BrokenDistributedFilesToInsert"), "broken " + HOST)]),
        ("Data loss", "line", "none", [("increase(%sReplicatedDataLoss{%s}[1h])" % (E, H), HOST)]),
    ]),
    ("Memory, CPU, disks", [
        ("Memory", "line", "bytes", [(value("MemoryResident"), "resident " + HOST), (value("MemoryTracking"), "queries " + HOST)]),
        ("Memory of keys and dictionaries", "line", "bytes", [(value("MemoryPrimaryKeyBytesAllocated"), "keys " + HOST),
                                                              (value("MemoryDictionaryBytesAllocated"), "dictionaries " + HOST)]),
        ("CPU", "line", "short", [("%s / 1e6" % rate("OSCPUVirtualTimeMicroseconds"), HOST), ("%s / 1e6" % rate("OSCPUWaitMicroseconds"), "wait " + HOST)]),
        ("Load", "line", "short", [(value("LoadAverage1"), HOST)]),
        ("Free disk space", "line", "percentunit", [("%s / %s" % (value("DiskFreeBytes"), value("DiskTotalBytes")), "{{disk}} " + HOST)]),
        ("Data on disk", "line", "bytes", [(value("DiskDataBytes"), HOST)]),
        ("Time for disks", "line", "s", [("%s / 1e6" % rate("DiskReadElapsedMicroseconds"), "read " + HOST), ("%s / 1e6" % rate("DiskWriteElapsedMicroseconds"), "write " + HOST)]),
        ("Detached parts", "line", "none", [("sum by (hostname, reason) (%s)" % value("DetachedParts"), "{{reason}} " + HOST)]),
    ]),
    ("Tables", [
        ("Largest tables", "line", "bytes", [("topk(10, sum by (database, table) (%s))" % ("chi_clickhouse_table_parts_bytes{%s,active=\"1\"}" % H), "{{database}}.{{table}}")]),
        ("Rows of the largest tables", "line", "short", [("topk(10, sum by (database, table) (%s))" % ("chi_clickhouse_table_parts_rows{%s,active=\"1\"}" % H), "{{database}}.{{table}}")]),
        ("Tables with most parts", "line", "none", [("topk(10, max by (database, table) (%s))" % ("chi_clickhouse_table_parts{%s,active=\"1\"}" % H), "{{database}}.{{table}}")]),
        ("Databases and tables", "line", "none", [(value("NumberOfDatabases"), "databases " + HOST), (value("NumberOfTables"), "tables " + HOST)]),
    ]),
]

OPERATOR = [
    ("Work", [
        ("Operators that lead", "stat", "none", [("sum(chfleet_leading)", "leading")]),
        ("Installations", "stat", "none", [("max(chfleet_installations)", "all"), ("max(chfleet_installations_busy)", "busy"), ("max(chfleet_installations_blocked)", "blocked")]),
        ("Blocked", "table", "none", [("chfleet_installation_blocked", "")]),
        ("Waiting hosts", "table", "s", [("chfleet_host_waiting_seconds", "")]),
        ("Operations", "line", "none", [("sum by (chi) (increase(clickhouse_operator_chi_reconciles_started{%s}[1h]))" % C, "begun {{chi}}"),
                                        ("sum by (chi) (increase(clickhouse_operator_chi_reconciles_completed{%s}[1h]))" % C, "done {{chi}}"),
                                        ("sum by (chi) (increase(clickhouse_operator_chi_reconciles_aborted{%s}[1h]))" % C, "failed {{chi}}")]),
        ("Hosts", "line", "none", [("sum by (chi) (increase(clickhouse_operator_host_reconciles_completed{%s}[1h]))" % C, "done {{chi}}"),
                                   ("sum by (chi) (increase(clickhouse_operator_host_reconciles_restarts{%s}[1h]))" % C, "restarted {{chi}}"),
                                   ("sum by (chi) (increase(clickhouse_operator_host_reconciles_errors{%s}[1h]))" % C, "failed {{chi}}")]),
        ("Time of an operation", "line", "s", [("histogram_quantile(0.9, sum by (chi, le) (rate(clickhouse_operator_chi_reconciles_timings_bucket{%s}[1h])))" % C, "9 of 10 {{chi}}")]),
        ("Time of a host", "line", "s", [("histogram_quantile(0.9, sum by (chi, le) (rate(clickhouse_operator_host_reconciles_timings_bucket{%s}[1h])))" % C, "9 of 10 {{chi}}")]),
        ("Permits", "line", "ops", [("rate(chfleet_permits_total[$__rate_interval])", "given"), ("rate(chfleet_waits_total[$__rate_interval])", "had to wait")]),
        ("Incidents", "line", "none", [("increase(chfleet_incidents_total[1h])", "{{instance}}")]),
    ]),
    ("The operator itself", [
        ("Requests to the API server", "line", "reqps", [("rate(chfleet_api_requests_total[$__rate_interval])", "all"), ("rate(chfleet_api_writes_total[$__rate_interval])", "writes")]),
        ("Journal", "line", "ops", [("rate(chfleet_journal_commits_total[$__rate_interval])", "commits"), ("rate(chfleet_journal_records_total[$__rate_interval])", "records"), ("chfleet_journal_waiting", "waiting")]),
        ("Workers", "line", "none", [("chfleet_workers", "{{instance}}"), ("increase(chfleet_workers_killed_total[1h])", "killed {{instance}}")]),
        ("Memory", "line", "bytes", [("process_resident_memory_bytes and on (instance) chfleet_leading", "operator {{instance}}"),
                                     ("process_resident_memory_bytes and on (instance) chfleet_exporter_info", "exporter {{instance}}")]),
        ("Time to ask all ClickHouse hosts", "line", "s", [("chfleet_exporter_look_seconds", "{{instance}}")]),
        ("Hosts that are asked", "line", "none", [("chfleet_exporter_hosts", "all"), ("chfleet_exporter_hosts_failed", "failed")]),
    ]),
]

POD = "{{pod_name}}{{pod}}"
KEEPER = [
    ("Keeper", [
        ("Members that answer", "stat", "none", [('sum(up{%s,container_name="clickhouse-keeper"} or up{%s,container="clickhouse-keeper"})' % (K, K), "up")]),
        ("Nodes", "line", "short", [("ClickHouseAsyncMetrics_KeeperZnodeCount{%s}" % K, POD)]),
        ("Data", "line", "bytes", [("ClickHouseAsyncMetrics_KeeperApproximateDataSize{%s}" % K, POD)]),
        ("Latency", "line", "ms", [("ClickHouseAsyncMetrics_KeeperAvgLatency{%s}" % K, POD), ("ClickHouseAsyncMetrics_KeeperMaxLatency{%s}" % K, "most " + POD)]),
        ("Packets per second", "line", "pps", [("rate(ClickHouseAsyncMetrics_KeeperPacketsReceived{%s}[$__rate_interval])" % K, "in " + POD),
                                               ("rate(ClickHouseAsyncMetrics_KeeperPacketsSent{%s}[$__rate_interval])" % K, "out " + POD)]),
        ("Connections", "line", "none", [("ClickHouseMetrics_KeeperAliveConnections{%s}" % K, POD)]),
        ("Requests that wait", "line", "none", [("ClickHouseMetrics_KeeperOutstandingRequests{%s}" % K, POD)]),
        ("Watches and ephemeral nodes", "line", "none", [("ClickHouseAsyncMetrics_KeeperWatchCount{%s}" % K, "watches " + POD), ("ClickHouseAsyncMetrics_KeeperEphemeralsCount{%s}" % K, "ephemeral " + POD)]),
        ("Open files", "line", "none", [("ClickHouseAsyncMetrics_KeeperOpenFileDescriptorCount{%s}" % K, POD)]),
    ]),
]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TYPES = {"line": "timeseries", "stat": "stat", "table": "table"}


def panel(n, row, x, y):
    title, kind, unit, queries = row
    out = {
        "id": n, "title": title, "type": TYPES[kind], "datasource": SOURCE, "gridPos": {"h": 4 if kind == "stat" else 8, "w": 6 if kind == "stat" else 12, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}, "options": {},
        "targets": [{"datasource": SOURCE, "expr": expr, "legendFormat": legend, "refId": chr(65 + i)} for i, (expr, legend) in enumerate(queries)],
    }
    if kind == "line":
        out["fieldConfig"]["defaults"]["custom"] = {"lineWidth": 1, "fillOpacity": 5, "showPoints": "never"}
        out["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    elif kind == "stat":
        out["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}}
    else:
        for t in out["targets"]:
            t.update({"instant": True, "format": "table"})
    return out


def panels(rows):
    out, n, y = [], 0, 0
    for title, row in rows:
        n += 1
        out.append({"id": n, "title": title, "type": "row", "collapsed": False, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
        y, x, height = y + 1, 0, 0
        for one in row:
            n += 1
            p = panel(n, one, x, y)
            if x + p["gridPos"]["w"] > 24:
                y, x = y + height, 0
                p["gridPos"].update({"x": 0, "y": y})
                height = 0
            height = max(height, p["gridPos"]["h"])
            x += p["gridPos"]["w"]
            out.append(p)
        y += height
    return out


def variable(name, query, label):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "definition": query,
            "multi": True, "includeAll": True, "allValue": ".*", "refresh": 2, "sort": 1, "current": {"text": "All", "value": "$__all"}}


def dashboard(uid, title, rows, variables):
    return {"uid": uid, "title": title, "tags": ["chfleet"], "timezone": "browser", "schemaVersion": 38, "version": 1, "editable": True,
            "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "annotations": {"list": []}, "links": [],
            "templating": {"list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}] + variables},
            "panels": panels(rows)}


FETCH = "chi_clickhouse_metric_fetch_errors"
FILES = {
    "clickhouse.json": dashboard("chfleet-clickhouse", "ClickHouse hosts", CLICKHOUSE, [
        variable("exported_namespace", "label_values(%s, exported_namespace)" % FETCH, "Namespace"),
        variable("chi", 'label_values(%s{exported_namespace=~"$exported_namespace"}, chi)' % FETCH, "Installation"),
        variable("hostname", 'label_values(%s{exported_namespace=~"$exported_namespace",chi=~"$chi"}, hostname)' % FETCH, "Host")]),
    "chfleet.json": dashboard("chfleet-operator", "chfleet", OPERATOR, [variable("chi", "label_values(clickhouse_operator_chi, chi)", "Installation")]),
    "keeper.json": dashboard("chfleet-keeper", "ClickHouse Keeper", KEEPER, [
        variable("namespace", "label_values(ClickHouseAsyncMetrics_KeeperZnodeCount, namespace)", "Namespace")]),
}


def main():
    bad = 0
    here = os.path.dirname(os.path.abspath(__file__))
    for name, what in FILES.items():
        path, text = os.path.join(here, name), json.dumps(what, indent=1) + "\n"
        if os.path.exists(path) and open(path, encoding="utf-8").read() == text:
            continue
        if "--check" in sys.argv[1:]:
            print("deploy/grafana/%s is not up to date: run deploy/grafana/dashboards.py" % name)
            bad = 1
        else:
            open(path, "w", encoding="utf-8").write(text)
            print("deploy/grafana/" + name)
    return bad


if __name__ == "__main__":
    sys.exit(main())
