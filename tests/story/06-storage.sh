#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Storage under load: volumes grow, claims change their maker, data moves to another storage class and another volume, a
# node with a local disk is gone, Retain is honoured.
# shellcheck source=tests/story/_lib.sh
. "$SRC/tests/story/_lib.sh"
# shellcheck source=tests/story/_fleet.sh
. "$SRC/tests/story/_fleet.sh"
need clickhouse-server haproxy java jq curl

# with EDIT [EXTRA-SPEC [RECLAIM]]: the fleet with the claim template edited by sed
with() { fleet st 1 2 24.8 "" "${2-}" "${3-Delete}" | sed -e "$1" >"$WORK/st.yaml"; }
claim() { chf get pvc "$1" -o json; }
claims_are() { # JQ-CONDITION: true of both data claims
    local r
    for r in 0 1; do
        claim "${CLAIM:-data}-chi-st-main-0-$r-0" | jq -e "$1" >/dev/null || return 1
    done
}
both() { [ "$(on_all st 'SELECT count() FROM app.ev' | awk -v n="$ROWS" '$2 == n' | wc -l)" -eq 2 ]; }
starts_are() { jq -e --argjson n "$1" '(.violated | not) and ([.starts[]] | all(. == $n))' "$WORK/observer.json"; }
refused_for() { # TEXT: the plan is refused (3) and says so
    local text rc=0
    text=$(chf plan -f "$WORK/st.yaml" 2>&1) || rc=$?
    echo "$text"
    [ "$rc" -eq 3 ] && grep -q "$1" <<<"$text"
}

keeper >"$WORK/keeper.yaml"
chf up >/dev/null || exit 1
chf apply -f "$WORK/keeper.yaml" >/dev/null
with ''
check "an installation is complete" apply "$WORK/st.yaml" 120
tables "$(host_url st chi-st-main-0-0)" main >/dev/null
sql "$(host_url st chi-st-main-0-0)" "INSERT INTO app.ev SELECT toDate('2026-01-01'), number, 'e' FROM numbers(1000)" >/dev/null
ROWS=1000
check "both replicas have the rows" wait_until 30 both

say "growth"
watch_start st
with 's/storage: 1Gi/storage: 2Gi/'
check "larger volumes are complete" apply "$WORK/st.yaml" 120
check "the claims have the size" claims_are '.status.capacity.storage == "2Gi"'
sets_say() { chf get sts -o json | jq -e '[.items[] | select(.metadata.name | startswith("chi-st")) | .spec.volumeClaimTemplates[0].spec.resources.requests.storage] == ["2Gi","2Gi"]'; }
check "the StatefulSets say so" sets_say
watch_end
check "nobody restarted" starts_are 1
with ''
check "smaller is refused with a word" refused_for 'volumes cannot shrink; write storage: 2Gi'

say "the maker of the claims"
uids() { chf get pvc -o json | jq -c '[.items[] | select(.metadata.name | startswith("data-chi-st")) | .metadata.uid] | sort'; }
before=$(uids)
watch_start st
with 's/storage: 1Gi/storage: 2Gi/; s/reclaimPolicy: Delete/reclaimPolicy: Delete\n        provisioner: Operator/'
check "provisioner Operator is complete" apply "$WORK/st.yaml" 240
no_templates() { chf get sts chi-st-main-0-0 -o json | jq -e '.spec.volumeClaimTemplates == null'; }
check "the StatefulSets have no claims of their own" no_templates
same_claims() { [ "$(uids)" = "$before" ]; }
check "the claims are the same" same_claims
check "and so are the rows" wait_until 30 both
watch_end
check "each host restarted once, one at a time" starts_are 2
with 's/storage: 1Gi/storage: 2Gi/'
check "and back is complete" apply "$WORK/st.yaml" 240
check "with the same claims" same_claims

say "another storage class"
FAST='s/storage: 1Gi/storage: 2Gi/; s/accessModes:/storageClassName: fast, accessModes:/'
with "$FAST"
check "is refused without consent" refused_for 'moveVolumes: \["data"\]'
with "$FAST" '  chfleet: {consent: {moveVolumes: [data]}}'
watch_start st
load_start st app.ev_all 5000
check "with consent it is complete" apply "$WORK/st.yaml" 300
load_end
watch_end
check "no query failed" jq -es 'length == 1 and .[0].failed == 0 and .[0].ok > 100' "$WORK/load.json"
check "each host restarted once, one at a time" starts_are 2
check "the claims are of the new class" claims_are '.spec.storageClassName == "fast"'
check "they are other claims" not same_claims
rows_of_load() { ROWS=$(sql "$(host_url st chi-st-main-0-1)" 'SELECT count() FROM app.ev') && [ "$ROWS" -ge 1000 ] && both; }
check "no row is missing" wait_until 60 rows_of_load
entries() { [ "$(sql "$(host_url st chi-st-main-0-0)" "SELECT count() FROM system.zookeeper WHERE path = '/clickhouse/tables/st/0/app/ev/replicas'")" = 2 ]; }
check "Keeper has two replicas, no ghosts" entries

say "a node that is gone"
pv=$(claim data-chi-st-main-0-1-0 | jq -r .spec.volumeName)
before=$(uids)
chf get pv "$pv" -o json | jq '.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values = ["gone"]' >"$WORK/pv.json"
check "its volume is on another node" chf apply -f "$WORK/pv.json"
chf delete pod chi-st-main-0-1-0 >/dev/null
unschedulable() { chf get pod chi-st-main-0-1-0 -o json | jq -e '[.status.conditions[] | select(.reason == "Unschedulable")] | length == 1'; }
check "its pod finds no node" wait_until 60 unschedulable
asks() { grep -q 'volumes: \["data-chi-st-main-0-1-0"\]' <<<"$(chf plan st 2>&1)"; }
check "the plan says what to write" wait_until 30 asks
check "its claim is left alone" same_claims
with "$FAST" '  chfleet: {consent: {volumes: [data-chi-st-main-0-1-0]}}'
check "with consent it is rebuilt" apply "$WORK/st.yaml" 300
check "with all rows" wait_until 60 rows_of_load
after=$(uids)
rebuilt_once() { [ "$(uids)" = "$after" ] && [ "$after" != "$before" ]; }
chf delete pod chi-st-main-0-1-0 >/dev/null
check "the pod comes back" wait_until 120 rows_of_load
check "and the word is not used twice" rebuilt_once

say "Retain"
with "$FAST" '' Retain
check "an edit of the policy is complete" apply "$WORK/st.yaml" 120
check "the claims say so" claims_are '.metadata.labels["clickhouse.altinity.com/reclaimPolicy"] == "Retain"'
with 's/storage: 1Gi/storage: 2Gi/; s/accessModes:/storageClassName: slow, accessModes:/' '  chfleet: {consent: {moveVolumes: [data]}}' Retain
check "a kept claim is not replaced" refused_for 'reclaimPolicy Retain keeps claim'
with 's/storage: 1Gi/storage: 2Gi/; s/accessModes:/storageClassName: slow, accessModes:/; s/name: data$/name: ssd/; s/Template: data/Template: ssd/' '  chfleet: {consent: {moveVolumes: [data]}}' Retain
check "another template moves the data" apply "$WORK/st.yaml" 300
CLAIM=ssd
check "to its claims" claims_are '.spec.storageClassName == "slow"'
CLAIM=data
check "the old ones stay" claims_are '.metadata.deletionTimestamp == null'
check "with all rows" wait_until 60 rows_of_load
chf delete chi st >/dev/null
CLAIM=ssd
check "the installation goes, its volumes stay" claims_are '.metadata.deletionTimestamp == null'
finish
