#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A 2 x 2 installation with a Keeper of three changes on a real API server: image, restart, settings, more and fewer hosts, volume
# size, stop and start. No client or peer meets a server that stops; requests are counted from the audit log.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
k8s_start
operator_start one
chk keeper 3 24.8 | kubectl apply -f - >/dev/null
chi demo 2 2 24.8 | kubectl apply -f - >/dev/null
check "a Keeper and an installation are there" wait_until 180 settled chi demo
check "… both of them" wait_until 60 settled chk keeper
check "tables are made by users" tables demo
for pod in 0-0 0-1 1-0 1-1; do
    sim "insert?pod=default/chi-demo-main-$pod-0&db=app&table=ev&n=20" >/dev/null
done

changed() { # NAME-OF-FILE SECONDS: applied, and the operator says it is done
    kubectl apply -f "$1" >/dev/null && wait_until "$2" settled chi demo
}
begin() {
    mark=$(audit_mark)
    starts_all >"$WORK/starts"
}
# Each ClickHouse process was started so often since begin
started_more() { # TIMES
    starts_all >"$WORK/now"
    jq -n --slurpfile was "$WORK/starts" --slurpfile now "$WORK/now" --argjson n "$1" '
        [$now[0] | to_entries[] | select(.key | contains("/chi-")) | .value - ($was[0][.key] // 0)] as $more |
        $more, ($more | length >= 4 and all(. == $n)) | tostring' -r
    jq -ne --slurpfile was "$WORK/starts" --slurpfile now "$WORK/now" --argjson n "$1" '
        [$now[0] | to_entries[] | select(.key | contains("/chi-")) | .value - ($was[0][.key] // 0)] | all(. == $n)' >/dev/null
}
few_requests() { # RESTARTED-HOSTS [MORE]: at most 12 for each, besides the status of so small an installation
    local n
    n=$(audit_requests "$mark")
    echo "$n requests for $1 restarted hosts"
    audit_since "$mark" | grep -v leases | sort | uniq -c | sort -rn | head -n 40
    [ "$n" -le $((12 * $1 + 10 + ${2-0})) ]
}
images() { [ "$(sim hosts | jq -r '[.[] | select(.keeper | not) | .image] | unique | join(" ")')" = "$1" ]; }

# ---- image ----
begin
chi demo 2 2 24.9 >"$WORK/demo.yaml"
check "an upgrade completes" changed "$WORK/demo.yaml" 120
check "… each server has the new image" images clickhouse/clickhouse-server:24.9
check "… and was started once more" started_more 1
check "… for at most 12 requests each, and 5 that tell all of the users of another version" few_requests 4 5
say "upgrade: $(audit_requests "$mark") requests, $(audit_writes "$mark") writes for 4 hosts"
check "nobody was harmed" unharmed

# ---- restart by the owner's word, an annotation, a setting: one manifest that grows ----
demo() { # SHARDS: with what stands in the variables
    chi demo "$1" 2 24.9 "  restart: RollingUpdate
  taskID: $task
$spec" "    settings: {keep_alive_timeout: $keep_alive, max_table_size_to_drop: \"18446744073709551615\"}" | sed "s/storage: 1Gi/storage: $size/" >"$WORK/demo.yaml"
}
task=again keep_alive=10 size=1Gi spec=
begin
demo 2
sed -i '/settings:/d' "$WORK/demo.yaml"
check "a rolling restart completes" changed "$WORK/demo.yaml" 120
check "… each server was started once more" started_more 1
check "… for at most 12 requests each" few_requests 4
say "restart: $(audit_requests "$mark") requests, $(audit_writes "$mark") writes for 4 hosts"
begin
demo 2
check "settings complete, one of which only a restart loads" changed "$WORK/demo.yaml" 120
check "… each server was started once more" started_more 1
loaded() { sim "setting?pod=default/chi-demo-main-$1-0&tag=$2&start=1"; [ "$(sim "setting?pod=default/chi-demo-main-$1-0&tag=$2&start=1")" = "$3" ]; }
check "… with the number as it was written" loaded 1-1 max_table_size_to_drop 18446744073709551615
check "nobody was harmed" unharmed

# ---- larger volumes ----
begin
size=2Gi
demo 2
check "larger volumes complete" changed "$WORK/demo.yaml" 120
larger() { [ "$(kubectl get pvc -l clickhouse.altinity.com/chi=demo -o 'jsonpath={.items[*].status.capacity.storage}')" = "2Gi 2Gi 2Gi 2Gi" ]; }
check "… and are there" larger
check "… without a restart" started_more 0

# ---- more hosts, fewer hosts ----
begin
demo 3
check "a third shard completes" changed "$WORK/demo.yaml" 120
has_tables() { sim "insert?pod=default/chi-demo-main-2-1-0&db=app&table=ev"; }
check "… and its hosts have the tables" has_tables
check "nobody was harmed" unharmed
demo 2
refused() { kubectl get chi demo -o json | jq -e '.status.conditions[] | select(.type == "Degraded" and .reason == "REFUSED")'; }
kubectl apply -f "$WORK/demo.yaml" >/dev/null
check "a shard with rows is not removed just like that" wait_until 30 refused
check "… its pods stay" kubectl get pod chi-demo-main-2-0-0 chi-demo-main-2-1-0
sim 'calm?of=default/demo/main/2' >/dev/null
spec='  chfleet: {consent: {dataLoss: ["main/2"]}}'
demo 2
begin
check "with consent it is" changed "$WORK/demo.yaml" 120
shard_gone() { [ -z "$(kubectl get sts,pod,pvc,svc,cm -o name -l clickhouse.altinity.com/chi=demo,clickhouse.altinity.com/shard=2)" ]; }
check "… with all that it had" wait_until 20 shard_gone
rest_same() { starts_all | jq -e --slurpfile was "$WORK/starts" 'to_entries | all(.value == $was[0][.key])'; }
check "… and nobody else was started" rest_same

# ---- stop and start ----
sim calm >/dev/null
spec='  stop: "yes"
  chfleet: {consent: {dataLoss: ["main/2"]}}'
demo 2
check "a stop completes" changed "$WORK/demo.yaml" 120
no_pods() { [ -z "$(kubectl get pod -o name -l clickhouse.altinity.com/chi=demo)" ]; }
check "… no pod is left" wait_until 20 no_pods
begin
spec='  chfleet: {consent: {dataLoss: ["main/2"]}}'
demo 2
check "a start completes" changed "$WORK/demo.yaml" 120
started_four() { starts_all | jq -e --slurpfile was "$WORK/starts" '[to_entries[] | select(.key | contains("chi-demo-main-2") | not) | select(.value == $was[0][.key] + 1)] | length == 4'; }
check "… each server was started once" started_four
kept_rows() { sim "insert?pod=default/chi-demo-main-0-0-0&db=app&table=ev"; }
check "… with its tables" kept_rows

# ---- Keeper ----
begin
quorum_watch() { # until the file is gone: the most members that did not run at the same time
    local most=0 out
    while [ -e "$WORK/watching" ]; do
        out=$(sim hosts | jq '3 - ([.[] | select(.keeper and .ready)] | length)')
        [ "$out" -le "$most" ] || most=$out
        echo "$most" >"$WORK/out"
        sleep 0.1
    done
}
touch "$WORK/watching"
quorum_watch &
chk keeper 3 24.9 | kubectl apply -f - >/dev/null
check "an upgrade of the Keeper completes" wait_until 120 settled chk keeper
rm "$WORK/watching"
wait $!
one_out() { [ "$(cat "$WORK/out")" -eq 1 ]; }
check "… one member at a time" one_out
members_new() { [ "$(sim hosts | jq -r '[.[] | select(.keeper) | .image] | unique | join(" ")')" = clickhouse/clickhouse-keeper:24.9 ]; }
check "… all with the new image" members_new
check "nobody was harmed" unharmed
finish
