#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# chfleet-exporter on real ClickHouse servers: its page read by promtool and by a real Prometheus, hosts that die, stop and go.
# shellcheck source=tests/story/_lib.sh
. "${SRC:?}/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server java haproxy jq curl prometheus promtool
cd "$WORK" || exit 1
EXPORTER=
PROMETHEUS=
end_ours() {
    [ -z "$PROMETHEUS" ] || kill "$PROMETHEUS" 2>/dev/null
    [ -z "$EXPORTER" ] || kill "$EXPORTER" 2>/dev/null
    wait $PROMETHEUS $EXPORTER 2>/dev/null
    end_all
}
trap end_ours EXIT

exporter_start() { # OPTIONS…
    rm -f exporter.address
    "$BUILD/chfleet-exporter" --data "$DATA" --metrics-address 127.0.0.1:0 --address-file exporter.address "$@" >>exporter.log 2>&1 &
    EXPORTER=$!
    wait_until 20 test -s exporter.address
    wait_until 20 ready
}
exporter_end() {
    kill "$EXPORTER"
    wait "$EXPORTER"
}
ready() { curl -sf "http://$(cat exporter.address)/ready"; }
metrics() { curl -sS -f --max-time 20 "$@" "http://$(cat exporter.address)/metrics"; }
# value NAME LABEL…: the number of the one series with these labels
value() {
    local name=$1 label
    shift
    metrics >page || return 1
    grep "^chi_clickhouse_$name{" page >lines
    for label in "$@"; do
        grep -F "$label" lines >fewer
        mv fewer lines
    done
    [ "$(wc -l <lines)" = 1 ] || {
        echo "$(wc -l <lines) series of $name with $*"
        return 1
    }
    awk '{print $NF}' lines
}
is() { # WANTED NAME LABEL…
    local wanted=$1 v
    shift
    v=$(value "$@") && [ "$v" = "$wanted" ] || {
        echo "$*: ${v-}, wanted $wanted"
        return 1
    }
}
parses() { # FILE: promtool's exit code 3 is about style, and the peer's names are not in its style
    promtool check metrics <"$1" >promtool.out 2>&1
    case $? in
    0 | 3) ;;
    *)
        cat promtool.out
        return 1
        ;;
    esac
}

keeper >keeper.yaml
fleet shop 1 2 24.8 >shop.yaml
sed -i 's/^  name: shop$/  name: shop\n  labels: {team: blue, private: x}\n  annotations: {example.com\/owner: "a \\"b\\""}/' shop.yaml
check "up, a Keeper and an installation" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; chf up && chf apply -f keeper.yaml && apply shop.yaml 120'
first=$(host_url shop chi-shop-main-0-0)
table() { # on each host by itself
    local url
    for url in "$first" "$(host_url shop chi-shop-main-0-1)"; do
        sql "$url" "CREATE DATABASE IF NOT EXISTS app" && sql "$url" "CREATE TABLE app.ev (d Date, id UInt64, v String)
            ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/app/ev', '{replica}') PARTITION BY toYYYYMM(d) ORDER BY id" || return 1
    done
}
check "a replicated table" table
sql "$first" "INSERT INTO app.ev SELECT toDate('2026-01-01'), number, 'x' FROM numbers(1000)" >/dev/null

exporter_start
check "the exporter is ready" ready
metrics -D head >page
check "promtool reads the page" parses page
check "the page says how long it is" grep -qi '^content-length: [0-9]' head
check "its type is that of the text format" grep -qi '^content-type: text/plain; version=0.0.4' head
same_packed() { metrics | grep -c . >a && metrics --compressed | grep -c . >b && diff a b; }
check "compressed it is the same" same_packed
check "gzip is really used" bash -c 'curl -sS -H "Accept-Encoding: gzip" "http://$(cat exporter.address)/metrics" | gzip -t'
H0='hostname="chi-shop-main-0-0.default.svc.cluster.local"'
H1='hostname="chi-shop-main-0-1.default.svc.cluster.local"'
check "rows of the table" is 1000 table_parts_rows "$H0" 'table="ev"' 'active="1"'
check "its session lives" is 0 system_replicas_is_session_expired "$H0" 'table="ev"'
check "labels of the resource are labels of the series" is 0 metric_fetch_errors "$H0" 'fetch_type="system.metrics"' 'chi="shop"' \
    'namespace="default"' 'team="blue"' 'example_com_owner="a \"b\""' 'private="x"'
check "what this version does not have is no failure" is 0 metric_fetch_errors "$H0" 'fetch_type="system.disks"'
agrees() { # the same number as the server says
    local a b
    a=$(value event_InsertQuery "$H0") && b=$(sql "$first" "SELECT value FROM system.events WHERE event = 'InsertQuery'") && [ "$a" = "$b" ] || {
        echo "$a, the server: $b"
        return 1
    }
}
check "an event has the server's value" agrees
check "counters are counters" grep -qx '# TYPE chi_clickhouse_event_InsertQuery counter' page
check "numbers are gauges" grep -qx '# TYPE chi_clickhouse_metric_Query gauge' page
check "no password is shown" not grep -q clickhouse_operator_password page exporter.log
lists() { curl -sf "http://$(cat exporter.address)/chi" | jq -e "$1" >/dev/null; }
check "/chi lists the hosts" lists '[.[] | select(.name == "shop") | .clusters[].hosts[].name] == ["0-0", "0-1"]'
peers_operator() { [ "$(curl -s -o /dev/null -w '%{http_code}' -X POST -d '{}' "http://$(cat exporter.address)/chi")" = 501 ]; }
check "/chi is not told: it finds out" peers_operator

say "hosts that die"
pod_pid() { pgrep -f "clickhouse-server.*$1" | head -n 1; }
kill -STOP "$(pod_pid chi-shop-main-0-1)"
fails() { is 1 metric_fetch_errors "$1" 'fetch_type="system.metrics"'; }
serves() { is 0 metric_fetch_errors "$1" 'fetch_type="system.metrics"'; }
check "a host that says nothing has failed" fails "$H1"
check "the other one is shown" is 1000 table_parts_rows "$H0" 'table="ev"' 'active="1"'
in_time() {
    local s
    s=$(metrics -o /dev/null -w '%{time_total}') && awk -v s="$s" 'BEGIN {exit s < 6 ? 0 : 1}' || {
        echo "$s s"
        return 1
    }
}
check "within the limit of one query" in_time
early() { # Prometheus says how long it waits
    local s
    s=$(metrics -H 'X-Prometheus-Scrape-Timeout-Seconds: 2' -o page2 -w '%{time_total}') &&
        awk -v s="$s" 'BEGIN {exit s < 2 ? 0 : 1}' && grep -q "^chi_clickhouse_metric_Query{.*$H0" page2 || {
        echo "$s s"
        return 1
    }
}
check "and within what the reader has time for" early
kill -CONT "$(pod_pid chi-shop-main-0-1)"
check "it is back" wait_until 30 serves "$H1"

say "configuration"
exporter_end
printf 'metrics: {labels: {exclude: [private, example.com/owner]}}\nclickhouse: {access: {timeouts: {connect: 1, query: 2}}}\n' >config.yaml
exporter_start --config config.yaml
metrics >page
check "labels that the configuration excludes are gone" not grep -qE 'private=|example_com_owner=' page
check "the others are not" grep -q 'team="blue' page
exporter_end
exporter_start --namespace other
metrics >page
check "with another namespace there is no host" not grep -q '^chi_' page
exporter_end
refuses() { # WORDS OPTIONS…
    local words=$1
    shift
    ! timeout 10 "$BUILD/chfleet-exporter" --data "$DATA" "$@" >refused 2>&1 && grep -q "$words" refused || {
        cat refused
        return 1
    }
}
printf 'metrics: {labels: 7}\n' >wrong.yaml
check "a wrong configuration is refused with its place" refuses wrong.yaml:1: --config wrong.yaml
check "a wrong address is refused" refuses HOST:PORT --metrics-address nowhere

say "Keeper ends for a moment"
keeper_failed() { # a server shows an event when it has happened
    sql "$first" "SELECT count() FROM system.zookeeper WHERE path = '/'" >/dev/null 2>&1
    [ -n "$(sql "$first" "SELECT value FROM system.events WHERE event = 'ZooKeeperHardwareExceptions'")" ]
}
kill -9 "$(pgrep -f "java.*$DATA" | head -n 1)"
check "its servers count that" wait_until 60 keeper_failed

say "a real Prometheus"
exporter_start
metrics >page
operator=$(cat "$DATA/operator/status.address")
curl -sf "http://$operator/metrics" >operator.page
check "promtool reads the operator's page" parses operator.page
cat page operator.page >both
check "dashboards and alerts use what there is" bash -c 'cd "$SRC" && python3 tests/deploy/monitoring.py names "$WORK/both" deploy/grafana/*.json deploy/prometheus/rules/*.yaml'
cat >prometheus.yml <<Y
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
scrape_configs:
  - job_name: exporter
    static_configs: [{targets: ["$(cat exporter.address)"], labels: {app: clickhouse-operator}}]
  - job_name: operator
    static_configs: [{targets: ["$operator"]}]
Y
printf 'rule_files: ["%s/deploy/prometheus/rules/*.yaml"]\n' "$SRC" >>prometheus.yml
port=$(shuf -i 20000-20900 -n 1)
prometheus --config.file=prometheus.yml --storage.tsdb.path="$WORK/tsdb" --web.listen-address="127.0.0.1:$port" --log.level=warn >prometheus.log 2>&1 &
PROMETHEUS=$!
ask() { curl -sf --get "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1"; }
answers() { # QUERY JQ
    ask "$1" | tee answer | jq -e "$2" >/dev/null || {
        cat answer
        return 1
    }
}
check "Prometheus scrapes both" wait_until 60 answers 'sum(up)' '.data.result[0].value[1] == "2"'
check "it has the operator's numbers" wait_until 30 answers 'clickhouse_operator_chi{chi="shop",team="blue"}' '.data.result[0].value[1] == "1"'
check "the reconcile that made the hosts is counted" wait_until 30 answers 'clickhouse_operator_chi_reconciles_completed{chi="shop"}' '(.data.result[0].value[1] | tonumber) >= 1'
check "so are its hosts, and their time" wait_until 30 answers 'clickhouse_operator_host_reconciles_timings_count{chi="shop"}' '(.data.result[0].value[1] | tonumber) >= 2'
check "it has the hosts' numbers" wait_until 30 answers 'chi_clickhouse_metric_Query{chi="shop"}' '.data.result | length == 2'
check "scraping takes no second" answers 'max(scrape_duration_seconds)' '(.data.result[0].value[1] | tonumber) < 1'
down() { answers 'ALERTS{alertname="ClickHouseServerDown"}' '.data.result | length >= 1'; }
kill -STOP "$(pod_pid chi-shop-main-0-1)"
check "the alert of a dead server fires" wait_until 60 down
kill -CONT "$(pod_pid chi-shop-main-0-1)"
check "and ends" wait_until 60 not down
kill "$PROMETHEUS"
wait "$PROMETHEUS" 2>/dev/null
PROMETHEUS=

say "stop and removal"
sed 's/^spec:$/spec:\n  stop: "yes"/' shop.yaml >stopped.yaml
check "the installation stops" apply stopped.yaml 120
gone() { metrics >page && ! grep -q '^chi_' page; }
check "stopped hosts are not shown" wait_until 20 gone
check "it starts again" apply shop.yaml 120
check "and is shown again" wait_until 30 serves "$H1"
check "it is deleted" chf delete chi shop --wait --timeout 120s
check "and gone from the page" wait_until 20 gone
check "the exporter is the same process" kill -0 "$EXPORTER"
finish
