#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# chfleet-exporter with 1,000 hosts of a modern server's size: all of them on one page, within a scrape interval, in little memory.
set -uo pipefail
: "${BUILD:?} ${SRC:?} ${WORK:?}"
cd "$WORK" || exit 1
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
HOSTS=1000
VALUES=1500
[ -x "$BUILD/fake-fleet" ] || make -s -C "$BUILD" fake-fleet >/dev/null || exit 1
port=$(shuf -i 19000-19900 -n 1)
"$BUILD/fake-fleet" "$port" "$HOSTS" "$VALUES" >fleet.log 2>&1 &
FLEET=$!
cat >kubeconfig <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:$port"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
Y
# This machine may be busy with other tests: what is asked for below is more than is needed.
printf 'clickhouse: {metrics: {timeouts: {collect: 120}}, access: {timeouts: {connect: 10, query: 60}}}\n' >config.yaml
"$BUILD/chfleet-exporter" --kubeconfig kubeconfig --config config.yaml --metrics-address 127.0.0.1:0 --address-file address >exporter.log 2>&1 &
EXPORTER=$!
trap 'kill "$EXPORTER" "$FLEET" 2>/dev/null; wait 2>/dev/null' EXIT
ready() {
    for _ in $(seq 300); do
        [ -s address ] && curl -sf "http://$(cat address)/ready" >/dev/null && return 0
        sleep 0.1
    done
    curl -s "http://$(cat address)/ready"
    cat exporter.log
    return 1
}
check "the exporter is ready" ready
page() { # one page; what is on it, and how long it took
    curl -sS -f -H 'Accept-Encoding: gzip' -H 'X-Prometheus-Scrape-Timeout-Seconds: 120' --max-time 120 -w '%{time_total}\n' -o page.gz "http://$(cat address)/metrics" >seconds &&
        gzip -dc page.gz | awk '
            /^chi_clickhouse_event_/ { events++ }
            /^chi_clickhouse_table_parts[{]/ { tables++ }
            /^chi_clickhouse_metric_fetch_errors.*"system.metrics".* 0$/ { good++ }
            /^# TYPE/ { if (seen[$3]++) twice++; family = $3 }
            !/^#/ { name = $1; sub(/[{].*/, "", name); if (name != family) strange++ }
            /^process_resident_memory_bytes / { memory = $2 }
            /^chfleet_exporter_look_seconds / { look = $2 }
            END { print good + 0, events + 0, tables + 0, twice + 0, strange + 0, int(memory / 1048576), look }' >sums
}
check "its page comes" page
read -r good events tables twice strange _ _ <sums
check "all hosts are on it" test "$good" = "$HOSTS"
check "with all their numbers" test "$events" = "$((HOSTS * VALUES))"
check "and tables" test "$tables" = "$((HOSTS * 50))"
check "each family is there once, in one piece" test "$twice$strange" = 00
check "a second page comes" page
read -r good _ _ _ _ memory look <sums
seconds=$(cat seconds)
echo "# $good hosts, $(gzip -dc page.gz | wc -c) bytes ($(stat -c %s page.gz) packed), look $look s, page $seconds s, memory $memory MiB"
within() { awk -v a="$1" -v b="$2" 'BEGIN {exit a < b ? 0 : 1}' || {
    echo "$1, wanted less than $2"
    return 1
}; }
check "within a scrape interval of 30 s" within "$seconds" 30
check "in less than 128 MiB" within "$memory" 128
curl -s "http://$(cat address)/metrics" 2>/dev/null | head -c 1000000 >/dev/null
check "a reader that goes away in the middle harms nobody" page
exit $((FAILED > 0))
