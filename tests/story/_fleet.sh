# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# fleet NAME SHARDS REPLICAS TAG [EXTRA-CONFIGURATION] [EXTRA-SPEC] [RECLAIM]: a ClickHouseInstallation as YAML
fleet() {
    cat <<Y
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata:
  name: $1
spec:
${6-}
  configuration:
    zookeeper:
      keeper: {name: keeper}
${5-}
    clusters:
      - name: main
        layout: {shardsCount: $2, replicasCount: $3}
  defaults:
    templates: {podTemplate: clickhouse, dataVolumeClaimTemplate: data, serviceTemplate: balancer}
  templates:
    podTemplates:
      - name: clickhouse
        spec:
          containers:
            - {name: clickhouse, image: "clickhouse/clickhouse-server:$4"}
    serviceTemplates:
      - name: balancer
        spec:
          type: LoadBalancer
          ports: [{name: http, port: 8123}, {name: tcp, port: 9000}]
    volumeClaimTemplates:
      - name: data
        reclaimPolicy: ${7:-Delete}
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
Y
}
keeper() {
    cat <<'Y'
apiVersion: clickhouse-keeper.altinity.com/v1
kind: ClickHouseKeeperInstallation
metadata:
  name: keeper
spec:
  configuration:
    clusters:
      - name: keeper
        layout: {replicasCount: 1}
  defaults: {templates: {podTemplate: keeper, dataVolumeClaimTemplate: data}}
  templates:
    podTemplates:
      - name: keeper
        spec: {containers: [{name: clickhouse-keeper, image: "clickhouse/clickhouse-keeper:24.8"}]}
    volumeClaimTemplates:
      - name: data
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
Y
}
# The same tables, made on each host of installation $1 (cluster $2) by itself: for stories that are not about ON CLUSTER, of
# which a server of 18.16 can die on a busy machine, its table then never made
tables_each() {
    local each_address
    hosts_of "$1" >"$WORK/hosts.tables"
    while read -r _ _ each_address; do
        tables_sql "http://$each_address/" "$2" "" || return 1
    done <"$WORK/hosts.tables"
}
# Databases and tables of the stories, ON CLUSTER, through host URL $1 of cluster $2
tables() {
    # A server of 18.16 whose queue of ON CLUSTER statements is not connected to Keeper yet dies of one (a few seconds after
    # its start, on a busy machine): then once more.
    tables_once "$@" || wait_until 60 tables_once "$@"
}
tables_once() { tables_sql "$1" "$2" "ON CLUSTER $2"; }
tables_sql() { # URL CLUSTER [ON CLUSTER …]
    sql "$1" "CREATE DATABASE IF NOT EXISTS app $3" &&
        sql "$1" "CREATE TABLE IF NOT EXISTS app.ev $3 (d Date, id UInt64, v String) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{installation}/{shard}/app/ev', '{replica}') PARTITION BY toYYYYMM(d) ORDER BY id" &&
        sql "$1" "CREATE TABLE IF NOT EXISTS app.ev_all $3 AS app.ev ENGINE = Distributed('$2', 'app', 'ev', cityHash64(id))"
}
