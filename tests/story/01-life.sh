#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of a fleet on real servers: create, fill, scale out, refuse, scale in, reload, restart, stop, start, delete, return.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server haproxy java jq curl

keeper >"$WORK/keeper.yaml"
fleet demo 2 2 24.8 >"$WORK/demo.yaml"

say "create 2 x 2"
check "up starts plane and supervisor" chf up
check "up twice is harmless" chf up
check "the Keeper and the installation are applied and complete" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; chf apply -f "$WORK/keeper.yaml" && apply "$WORK/demo.yaml" 120'
first=$(host_url demo chi-demo-main-0-0)
all_answer() { [ "$(on_all demo 'SELECT 1' | awk '$2 == 1' | wc -l)" -eq "$1" ]; }
check "four servers answer" all_answer 4
lists() { [ "$(sql "$first" "SELECT count() FROM system.clusters WHERE cluster = 'main'")" = "$1" ]; }
check "each is in remote_servers" wait_until 10 lists 4

say "data through the balancer"
check "a replicated table is made ON CLUSTER" tables "$first" main
insert() { sql "http://$(balancer demo http)/" "INSERT INTO app.ev_all SELECT toDate('2026-01-01'), $1 + number, 'x' FROM numbers($2)"; }
check "rows go in through the balancer" insert 0 1000
rows_everywhere() { [ "$(on_all demo 'SELECT count() FROM app.ev_all' | awk -v n="$1" '$2 == n' | wc -l)" -eq "$2" ]; }
check "every host reads all of them" wait_until 20 rows_everywhere 1000 4

say "scale out to 3 x 3"
sql "$first" "CREATE VIEW app.ev_view ON CLUSTER main AS SELECT count() AS n FROM app.ev_all" >/dev/null
sql "$first" "CREATE TABLE app.log_plain (t DateTime, m String) ENGINE = Log" >/dev/null
watch_start demo
fleet demo 3 3 24.8 >"$WORK/demo.yaml"
check "plan says five hosts are created and none restarts" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; p=$(plan_of "$WORK/demo.yaml"); echo "$p"; [ "$(grep -c " create " <<<"$p")" -eq 5 ] && ! grep -qE " (soft-restart|restart|recreate) " <<<"$p"'
check "3 x 3 is complete" apply "$WORK/demo.yaml" 180
watch_end
check "no host was out and none restarted" jq -e '(.violated | not) and ([.starts[]] | max == 1)' "$WORK/observer.json"
check "nine servers answer" all_answer 9
tables_there() { [ "$(on_all demo "SELECT count() FROM system.tables WHERE database = 'app' AND name IN ('ev', 'ev_all', 'ev_view')" | awk '$2 == 3' | wc -l)" -eq 9 ]; }
check "the schema is everywhere" tables_there
check "every new host reads all rows" wait_until 20 rows_everywhere 1000 9
check "new replicas hold the shard's rows" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; a=$(sql "$(host_url demo chi-demo-main-0-0)" "SELECT count() FROM app.ev"); b=$(sql "$(host_url demo chi-demo-main-0-2)" "SELECT count() FROM app.ev"); echo "$a $b"; [ "$a" -gt 0 ] && [ "$a" = "$b" ]'
unchanged() { local a b; a=$(curl -s "http://$(cat "$DATA/operator/status.address")/metrics" | awk '/^chfleet_api_writes_total /{print $2}'); sleep 5; b=$(curl -s "http://$(cat "$DATA/operator/status.address")/metrics" | awk '/^chfleet_api_writes_total /{print $2}'); echo "$a $b"; [ "$a" = "$b" ]; }
check "an unchanged fleet sees no write" unchanged

say "scale in"
insert 1000 300 >/dev/null
fleet demo 2 2 24.8 >"$WORK/demo.yaml"
chf apply -f "$WORK/demo.yaml" >/dev/null
refused() { chf get chi demo -o json | jq -e '.status.status == "Aborted" and (.status.error | contains("consent"))'; }
check "removing a shard with data is refused and says what to write" wait_until 30 refused
check "nothing was removed" all_answer 9
fleet demo 2 2 24.8 "" "  chfleet: {consent: {dataLoss: [\"main/2\"]}}" >"$WORK/demo.yaml"
check "with consent 2 x 2 is complete" apply "$WORK/demo.yaml" 180
check "four servers are left" all_answer 4
no_entries() { [ "$(sql "$first" "SELECT count() FROM system.zookeeper WHERE path = '/clickhouse/tables/demo/0/app/ev/replicas'")" = 2 ]; }
check "removed replicas left Keeper" no_entries
check "four hosts are listed" wait_until 10 lists 4

say "configuration"
watch_start demo
fleet demo 2 2 24.8 "    settings: {logger/level: warning}" "  chfleet: {consent: {dataLoss: [\"main/2\"]}}" >"$WORK/demo.yaml"
check "a reloadable setting is applied" apply "$WORK/demo.yaml" 60
fleet demo 2 2 24.8 "    settings: {logger/level: warning, max_connections: 500}" "  chfleet: {consent: {dataLoss: [\"main/2\"]}}" >"$WORK/demo.yaml"
watch_end
check "without a restart" jq -e '[.starts[]] | max == 1' "$WORK/observer.json"
watch_start demo
check "a setting that needs a restart is applied" apply "$WORK/demo.yaml" 180
watch_end
check "with one restart of each host, one replica at a time" jq -e '(.violated == false or ([.shards[].dark_ms] | max) == 0) and ([.starts[]] | all(. == 2)) and ([.shards[].most_out] | max <= 1)' "$WORK/observer.json"

say "task IDs"
watch_start demo
fleet demo 2 2 24.8 "    settings: {logger/level: warning, max_connections: 500}" "  taskID: t1
  restart: RollingUpdate
  chfleet: {consent: {dataLoss: [\"main/2\"]}}" >"$WORK/demo.yaml"
check "a task ID with a rolling restart is executed" apply "$WORK/demo.yaml" 180
sleep 3
watch_end
check "once on each host" jq -e '[.starts[]] | all(. == 2)' "$WORK/observer.json"

say "stop, start, suspend, troubleshoot"
fleet demo 2 2 24.8 "    settings: {logger/level: warning, max_connections: 500}" "  stop: \"yes\"
  taskID: t1
  restart: RollingUpdate
  chfleet: {consent: {dataLoss: [\"main/2\"]}}" >"$WORK/demo.yaml"
check "stop is complete" apply "$WORK/demo.yaml" 120
none_runs() { [ "$(chf get pods -o json | jq '[.items[] | select(.metadata.labels["clickhouse.altinity.com/chi"] == "demo")] | length')" -eq 0 ]; }
check "no server runs" wait_until 20 none_runs
check "the volumes are there" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; [ "$(chf get pvc -o json | jq "[.items[] | select(.metadata.labels[\"clickhouse.altinity.com/chi\"] == \"demo\")] | length")" -eq 4 ]'
fleet demo 2 2 24.8 "    settings: {logger/level: warning, max_connections: 500}" "  taskID: t1
  restart: RollingUpdate
  chfleet: {consent: {dataLoss: [\"main/2\"]}}" >"$WORK/demo.yaml"
check "start is complete" apply "$WORK/demo.yaml" 120
check "the data came back" wait_until 30 rows_everywhere "$(sql "$first" 'SELECT count() FROM app.ev_all')" 4

say "delete and return"
fleet keep 1 2 24.8 "" "" Retain >"$WORK/keep.yaml"
check "a second installation lives beside the first" apply "$WORK/keep.yaml" 120
k=$(host_url keep chi-keep-main-0-0)
tables "$k" main >/dev/null
sql "$k" "INSERT INTO app.ev SELECT toDate('2026-01-01'), number, 'k' FROM numbers(77)" >/dev/null
check "it is deleted" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; chf delete chi keep && wait_until 90 bash -c "! $BUILD/chfleet --data $DATA get chi keep"'
gone() { ! chf get pods -o json | jq -e '[.items[] | select(.metadata.labels["clickhouse.altinity.com/chi"] == "keep")] | length > 0'; }
check "its servers are gone" wait_until 30 gone
check "its volumes stay" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; [ "$(chf get pvc -o json | jq "[.items[] | select(.metadata.name | contains(\"chi-keep\"))] | length")" -eq 2 ]'
check "it is created again" apply "$WORK/keep.yaml" 120
came_back() { [ "$(sql "$(host_url keep chi-keep-main-0-0)" 'SELECT count() FROM app.ev')" = 77 ]; }
check "with its data" wait_until 30 came_back
# with their Keeper gone first, databases wait 10 s for it
check "down takes no 8 s" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; from=$SECONDS; chf down && [ $((SECONDS - from)) -lt 8 ]'
check "down --purge --yes leaves nothing" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; chf down --purge --yes && [ ! -e "$DATA" ]'
finish
