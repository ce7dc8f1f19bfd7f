#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A rolling upgrade of 4 shards x 2 replicas under load: no failed query, no lost or doubled row, one replica of a shard at a time.
# Then a version that does not start.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server haproxy java jq curl perl

version_copy "$WORK/v2" || {
    echo "skipped: the installed clickhouse-server is not the one that can be relabelled"
    exit 77
}
chf up >/dev/null && chf down >/dev/null || exit 1 # programs.yaml is read when the plane starts
cat >"$DATA/plane/programs.yaml" <<Y
programs:
- images: clickhouse/clickhouse-server:24.9
  kind: clickhouse
  binary: $WORK/v2/clickhouse-server
  library_path: $WORK/v2
- images: clickhouse/clickhouse-server:broken
  kind: command
  binary: /bin/false
Y
chf up >/dev/null || exit 1
keeper >"$WORK/keeper.yaml"
fleet up 4 2 24.8 >"$WORK/up.yaml"
check "4 x 2 is complete" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; chf apply -f "$WORK/keeper.yaml" && apply "$WORK/up.yaml" 180'
first=$(host_url up chi-up-main-0-0)
check "tables are made" tables "$first" main
versions() { [ "$(on_all up 'SELECT version()' | awk -v v="$1" '$2 == v' | wc -l)" -eq 8 ]; }
check "all run 18.16.1" versions 18.16.1

say "upgrade under load"
watch_start up
load_start up app.ev_all 0
sleep 3
fleet up 4 2 24.9 >"$WORK/up.yaml"
before=$SECONDS
check "the upgrade is complete" apply "$WORK/up.yaml" 600
say "upgrade took $((SECONDS - before)) s"
sleep 2
load_end
watch_end
say "load: $(head -c 600 "$WORK/load.json")"
say "observer: $(head -c 900 "$WORK/observer.json")"
check "all run 18.16.9" versions 18.16.9
check "no query failed" jq -e '.failed == 0' "$WORK/load.json"
check "at least 200 queries a second were answered" jq -e '.per_second >= 200' "$WORK/load.json"
check "over the native port too" jq -e '.native_ok > 10' "$WORK/load.json"
exact() {
    local acked
    acked=$(jq .acked_rows "$WORK/load.json")
    sql "$first" "SELECT count() = $acked AND uniqExact(id) = $acked, count(), uniqExact(id) FROM app.ev_all" | tee /dev/stderr | grep -q '^1'
}
check "every acknowledged row is there exactly once" wait_until 20 exact
check "at most one replica of a shard was out, each host restarted once" jq -e '(.violated | not) and ([.starts[]] | all(. == 2))' "$WORK/observer.json"

say "a version that does not start"
watch_start up
fleet up 4 2 broken >"$WORK/up.yaml"
chf apply -f "$WORK/up.yaml" >/dev/null
aborted() { chf get chi up -o json | jq -e '.status.status == "Aborted" and (.status.error | contains("chi-up-main-0-0") or contains("main/0/0"))'; }
check "the upgrade stops and says where" wait_until 240 aborted
sleep 5
check "seven hosts were not touched" bash -c '. "$SRC/tests/story/_lib.sh"; trap - EXIT; [ "$(on_all up "SELECT version()" | grep -c 18.16.9)" -eq 7 ]'
fleet up 4 2 24.9 >"$WORK/up.yaml"
check "the old tag back repairs it" apply "$WORK/up.yaml" 240
watch_end
check "all eight run 18.16.9" versions 18.16.9
check "no sibling was touched" jq -e '[.starts | to_entries[] | select(.key != "chi-up-main-0-0") | .value] | max == 1' "$WORK/observer.json"

say "the same with update.onFailure: rollback, and hooks"
watch_start up
knobs() { # TAG: the fleet with these knobs
    fleet up 4 2 "$1" '' '  reconcile: {statefulSet: {update: {onFailure: rollback}}}
  chfleet:
    hooks:
      - {name: before, when: beforeHost, sql: ["CREATE DATABASE IF NOT EXISTS hooked", "SELECT 1"], expect: "1"}'
}
knobs broken >"$WORK/up.yaml"
chf apply -f "$WORK/up.yaml" >/dev/null
rolled_back() { chf get chi up -o json | jq -e '.status.status == "Aborted" and (.status.error | contains("old StatefulSet back"))'; }
check "the host that does not start gets its old StatefulSet back" wait_until 240 rolled_back
check "all eight run 18.16.9 again" wait_until 60 versions 18.16.9
hooked() { [ "$(on_all up "SELECT count() FROM system.databases WHERE name = 'hooked'" | awk '$2 == 1' | wc -l)" -eq 1 ]; }
check "the hook ran on the one host that was touched" hooked
knobs 24.9 >"$WORK/up.yaml"
check "the old tag in the spec repairs it" apply "$WORK/up.yaml" 240
watch_end
check "nobody else was touched, and going back in the spec restarts nobody" jq -e '[.starts | to_entries[] | select(.key != "chi-up-main-0-0") | .value] | max == 1' "$WORK/observer.json"
finish
