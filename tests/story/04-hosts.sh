#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Single states of a fleet: no volumes, image and settings in one edit, suspend, troubleshoot, a lost volume, a deleted object.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server haproxy java jq curl

keeper >"$WORK/keeper.yaml"
chf up >/dev/null || exit 1
chf apply -f "$WORK/keeper.yaml" >/dev/null

say "a host without a volume"
fleet eph 1 2 24.8 | sed -e 's/, dataVolumeClaimTemplate: data//' >"$WORK/eph.yaml"
check "an installation without volumes is complete" apply "$WORK/eph.yaml" 120
tables "$(host_url eph chi-eph-main-0-0)" main >/dev/null
sql "$(host_url eph chi-eph-main-0-0)" "INSERT INTO app.ev SELECT toDate('2026-01-01'), number, 'e' FROM numbers(50)" >/dev/null
both() { [ "$(on_all eph 'SELECT count() FROM app.ev' | awk '$2 == 50' | wc -l)" -eq 2 ]; }
check "both replicas have the rows" wait_until 30 both
fleet eph 1 2 24.9 | sed -e 's/, dataVolumeClaimTemplate: data//' >"$WORK/eph.yaml"
check "an upgrade re-creates both, one after the other" apply "$WORK/eph.yaml" 180
check "schema and rows came from the peers" wait_until 60 both
one_entry_each() { [ "$(sql "$(host_url eph chi-eph-main-0-0)" "SELECT count() FROM system.zookeeper WHERE path = '/clickhouse/tables/eph/0/app/ev/replicas'")" = 2 ]; }
check "Keeper has two replicas, no ghosts" one_entry_each
chf delete chi eph >/dev/null

say "image and settings in one edit"
fleet two 1 2 24.8 "    settings: {max_connections: 300}" >"$WORK/two.yaml"
check "an installation is complete" apply "$WORK/two.yaml" 120
watch_start two
fleet two 1 2 24.9 "    settings: {max_connections: 400}" >"$WORK/two.yaml"
check "image and setting together are complete" apply "$WORK/two.yaml" 180
watch_end
check "each host restarted once, one at a time" jq -e '(.violated | not) and ([.starts[]] | all(. == 2))' "$WORK/observer.json"
common_has() { chf get cm chi-two-common-configd -o json | jq -r '.data["chop-generated-settings.xml"]' | grep -q '400'; }
check "the setting is in the common file again" common_has
no_copies() { ! chf get cm -o json | jq -r '.items[].data | keys[]' | grep -q settings_common; }
check "and no host keeps a copy" no_copies

say "a bad setting"
fleet two 1 2 24.9 "    settings: {max_connections: 400, http_port: none}" >"$WORK/two.yaml"
chf apply -f "$WORK/two.yaml" >/dev/null
check "a setting that no server starts with stops at the first host" wait_until 90 status_is two Aborted
told_what_next() { chf why two | grep -q 'chfleet retry'; }
check "why says what to do next" told_what_next
victim=$(pgrep -f -- "$DATA/.*/default_chi-two-main-0-1-0_.*config.xml" | head -n 1)
[ -n "$victim" ] && kill -9 "$victim"
sibling_new() { [ "$(pgrep -f -- "$DATA/.*/default_chi-two-main-0-1-0_.*config.xml" | head -n 1)" != "$victim" ] && sql "$(host_url two chi-two-main-0-1)" "SELECT 1"; }
check "its sibling crashes and comes back with the settings that it had" wait_until 60 sibling_new
fleet two 1 2 24.9 "    settings: {max_connections: 410}" >"$WORK/two.yaml"
check "another setting repairs it" apply "$WORK/two.yaml" 180
starts_both() { chf plan two | grep -q '2 unchanged' && no_copies; }
check "in both hosts, in one file again" starts_both

say "suspend"
fleet two 1 2 24.9 "    settings: {max_connections: 500}" "  suspend: \"yes\"" >"$WORK/two.yaml"
chf apply -f "$WORK/two.yaml" >/dev/null
sleep 4
common_500() { chf get cm chi-two-common-configd -o json | jq -r '.data["chop-generated-settings.xml"]' | grep -q '500'; }
check "a suspended installation is left as it is" not common_500
fleet two 1 2 24.9 "    settings: {max_connections: 500}" >"$WORK/two.yaml"
check "it goes on when the word is taken back" apply "$WORK/two.yaml" 180
check "with the edit" common_500

say "what is deleted by hand comes back"
chf delete svc chi-two-main-0-1 >/dev/null
service_back() { chf get svc chi-two-main-0-1; }
check "a Service" wait_until 30 service_back
chf delete cm chi-two-common-usersd >/dev/null
users_back() { chf get cm chi-two-common-usersd; }
check "a ConfigMap" wait_until 30 users_back
chf delete sts chi-two-main-0-1 >/dev/null
all_two() { [ "$(on_all two 'SELECT 1' | awk '$2 == 1' | wc -l)" -eq 2 ]; }
check "a StatefulSet with its server" wait_until 90 all_two
check "and the fleet is complete" wait_until 60 settled two

say "troubleshoot"
fleet two 1 2 24.9 "    settings: {max_connections: 500}" "  troubleshoot: \"yes\"" >"$WORK/two.yaml"
chf apply -f "$WORK/two.yaml" >/dev/null
check "troubleshoot is complete" wait_until 120 settled two
check "exec gets in" chf exec chi-two-main-0-0-0 -- /bin/sh -c 'exit 0'
fleet two 1 2 24.9 "    settings: {max_connections: 500}" >"$WORK/two.yaml"
check "and out again" apply "$WORK/two.yaml" 180
finish
