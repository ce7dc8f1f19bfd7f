#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every manifest of examples/ on a real API server: taken without a word about unknown fields, and so is what is made of it;
# then each is applied in a namespace of its own and has to be Completed, all in one run. An unchanged pass writes nothing.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$SRC" || exit 1
K8S_APISERVER_FLAGS='--max-requests-inflight=800'
k8s_start 1
[ -x "$BUILD/example-objects" ] || skip_all "example-objects is not built: make check-programs"

mapfile -t files < <(find examples -mindepth 2 -name '*.yaml' | sort)
namespace_of() { # FILE
    local name=${1#examples/}
    name=${name%.yaml}
    echo "ex-${name//\//-}"
}

# ---- what the API server says to them ----
for ns in shop coordination platform; do
    kubectl create namespace "$ns" >/dev/null
done
# kubectl with -n refuses what names another namespace, so the context says where the others go.
cp "$K/admin" "$K/examples"
inside() { # NAMESPACE ARGUMENT…
    kubectl --kubeconfig "$K/examples" config set-context c --namespace "$1" >/dev/null && kubectl --kubeconfig "$K/examples" "${@:2}"
}
taken() { inside shop apply --server-side --dry-run=server --validate=strict "$@"; }
check "it takes every manifest, field by field" taken -R -f examples/
# Below all others are really made; of these no objects come, or not all.
made() {
    # the program looks for examples/ beside the folder it stands in
    srcdir=$SRC "$BUILD/example-objects" operations/suspend.yaml operations/stop.yaml chfleet/approval.yaml >"$WORK/objects.json" || return 1
    inside shop create --dry-run=server --validate=strict -f "$WORK/objects.json" -o name >"$WORK/objects.names" || return 1
    [ "$(wc -l <"$WORK/objects.names")" -eq "$(jq '.items | length' "$WORK/objects.json")" ]
}
check "it takes each object that is made of those which are not applied below" made

# ---- what it refuses, so that nobody waits for a plan to hear it ----
refuses() { # KIND SPEC MESSAGE
    local api=clickhouse.altinity.com/v1 out
    [ "$1" != ClickHouseKeeperInstallation ] || api=clickhouse-keeper.altinity.com/v1
    out=$(printf '{"apiVersion": "%s", "kind": "%s", "metadata": {"name": "bad"}, "spec": %s}' "$api" "$1" "$2" |
        inside shop create --dry-run=server -f - 2>&1) && return 1
    echo "$out"
    grep -qF "$3" <<<"$out"
}
chi=ClickHouseInstallation chk=ClickHouseKeeperInstallation
check "it refuses a cluster that XML cannot name" refuses $chi '{"configuration": {"clusters": [{"name": "1st"}]}}' 'should match'
check "… a negative number of shards" refuses $chi '{"configuration": {"clusters": [{"layout": {"shardsCount": -1}}]}}' 'greater than or equal to 0'
check "… nodes and a Keeper at once" refuses $chi '{"configuration": {"zookeeper": {"nodes": [{"host": "a"}], "keeper": {"name": "b"}}}}' 'exclude each other'
check "… a wave of no size" refuses $chi '{"chfleet": {"waves": [{"soak": "1m"}]}}' 'needs shards or percent'
check "… a domain without the namespace" refuses $chi '{"namespaceDomainPattern": "svc.cluster.local"}' 'namespaceDomainPattern'
check "… a Keeper with two clusters" refuses $chk '{"configuration": {"clusters": [{"name": "a"}, {"name": "b"}]}}' 'has one cluster'
check "… a Keeper with two shards" refuses $chk '{"configuration": {"clusters": [{"layout": {"replicas": [{"shardsCount": 2}]}}]}}' 'less than or equal to 1'

# ---- all of them at once ----
# Nodes that have what the examples ask for.
nodes() {
    local zones=(zone-a zone-b zone-c zone-east zone-west zone-middle) i
    for ((i = 0; i < 18; i++)); do
        cat <<YAML
---
apiVersion: v1
kind: Node
metadata:
  name: ex-$i
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: ex-$i, kubernetes.io/os: linux, topology.kubernetes.io/zone: ${zones[i % 6]},
    topology.kubernetes.io/region: region-1, example.com/pool: databases}
status:
  allocatable: {cpu: "2000", memory: 4000Gi, ephemeral-storage: 4000Gi, pods: "2000"}
  capacity: {cpu: "2000", memory: 4000Gi, ephemeral-storage: 4000Gi, pods: "2000"}
YAML
    done
    echo ---
    kubectl get storageclass standard -o json | jq '.metadata = {name: "fast"}' # the class that an example names
}
nodes | kubectl apply -f - >/dev/null
kubectl delete node kwok-0 >/dev/null
# Some rules of placement need labels with the numbers of hosts.
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseOperatorConfiguration
metadata: {name: scope, namespace: chfleet}
spec: {label: {appendScope: "yes"}}
YAML
operator_start one
check "the operator leads" wait_until 30 leads one
applied=()
for f in "${files[@]}"; do
    ! grep -qE '^kind: ClickHouse(Keeper)?Installation$' "$f" || applied+=("$f") # others are for the operator
done
apply_all() {
    local f ns rc=0
    for f in "${applied[@]}"; do
        ns=$(namespace_of "$f")
        # nobody waits hours here for shards to stay healthy
        kubectl create namespace "$ns" && sed 's/soak: .*/soak: 2s/' "$f" | inside "$ns" apply -f - || {
            echo "$f"
            rc=1
        }
    done
    return "$rc"
}
check "each is applied in a namespace of its own" apply_all

# NAMESPACE/KIND/NAME STATUS, of everything that is applied
states() {
    kubectl get chi,chk -A -o json | jq -r '.items[] | .metadata.generation as $g |
        (.metadata.namespace + "/" + .kind + "/" + .metadata.name) + " " +
        (if .spec.suspend == "yes" then "Suspended"
         elif .spec.chfleet.approval == "required" and (.spec.chfleet.approved // "") == "" then "Approval"
         elif .status.status == "Completed" and ([.status.conditions[]? | select(.type == "Ready" and .status == "True" and .observedGeneration == $g)] | length == 1) then "Completed"
         else (.status.status // "none") end)'
}
readonly done_words='Completed|Suspended|Approval'
all_done() { ! states | grep -vE " ($done_words)\$"; }
began=$SECONDS
wait_until "${EXAMPLES_S:-600}" all_done >/dev/null 2>&1
say "$(states | wc -l) resources, $(kubectl get pod -A -l 'clickhouse.altinity.com/app=chop' -o name | wc -l) ClickHouse pods after $((SECONDS - began)) s"
states >"$WORK/states"
complete() { # FILE
    local ns
    ns=$(namespace_of "$1")
    grep "^$ns/" "$WORK/states" || return 1
    ! grep "^$ns/" "$WORK/states" | grep -qvE " ($done_words)\$" || {
        kubectl -n "$ns" get chi,chk -o json | jq -c '.items[].status | {status, error, conditions, chfleet}'
        kubectl -n "$ns" get pod -o wide
        return 1
    }
}
for f in "${applied[@]}"; do
    check "$f is completed" complete "$f"
done
other_namespaces() { ! grep -E '^(coordination|platform)/' "$WORK/states" | grep -v ' Completed$'; }
check "so is what they put into other namespaces" other_namespaces
by_tls() { sim hosts | jq -e '[.[] | select(.pod | test("^ex-network-(tls-only/|one-secure-host/.*-edge-)")) | .https_requests] | length >= 2 and all(. > 0)'; }
check "those with TLS only were asked over HTTPS" by_tls
suspended() { [ -z "$(kubectl -n ex-operations-suspend get statefulset -o name)" ]; }
check "what is suspended is left alone" suspended
stopped() { [ -z "$(kubectl -n ex-operations-stop get pod -o name)" ]; }
check "what is stopped has no pod" stopped

# ---- a plan that waits for four eyes ----
nothing_yet() { [ -z "$(kubectl -n ex-chfleet-approval get statefulset -o name)" ]; }
check "a plan that needs approval is not carried out" nothing_yet
approve() {
    local hash
    hash=$(chfleet -n ex-chfleet-approval plan approval --config "$K/config.yaml" --operator-namespace chfleet -o json | jq -r '.plans[0].hash') && [ "${#hash}" -gt 8 ] &&
        kubectl -n ex-chfleet-approval patch chi approval --type merge -p "{\"spec\": {\"chfleet\": {\"approved\": \"$hash\"}}}"
}
check "its hash is approved" approve
check "… and it is completed" wait_until 120 settled chi approval ex-chfleet-approval

# ---- a number that others change ----
scaled() { settled chi scale ex-chfleet-scale && [ "$(kubectl -n ex-chfleet-scale get pod -l clickhouse.altinity.com/chi=scale -o name | wc -l)" -eq "$1" ]; }
check "kubectl scale changes the number of replicas" kubectl -n ex-chfleet-scale scale chi scale --replicas=3
check "… of each shard" wait_until 120 scaled 6
scale_says() { [ "$(kubectl -n ex-chfleet-scale get --raw /apis/clickhouse.altinity.com/v1/namespaces/ex-chfleet-scale/clickhouseinstallations/scale/scale | jq -r '"\(.spec.replicas) \(.status.replicas)"')" = "3 3" ]; }
check "… and says so" wait_until 20 scale_says

# ---- nothing changed ----
no_refusal() { ! grep -iE 'forbidden|HTTP 403' "$K"/one.log; }
check "the account of the install bundle may do all of it" no_refusal
operator_stop one
mark=$(audit_mark)
operator_start one
synced() { ask one /status | jq -e '.synced and ([.installations[] | select(.busy)] | length == 0) and (.installations | length > 100)'; }
looked() { wait_until 60 leads one && wait_until 120 synced && sleep 5; }
check "the operator is started again and has looked at all of them" looked
written_since() { # nothing but leases
    audit_since "$mark" | grep -E '^(create|update|patch|delete) ' | grep -vE '^[a-z]+ leases '
    [ "$(audit_writes "$mark")" -eq 0 ]
}
check "… and writes nothing" written_since
harmless() { # statements of hooks are beyond what simulated hosts know
    sim seen | jq '{breaches, stopped_served, stopped_listed, notes}'
    sim seen | jq -e '.breaches == 0 and .stopped_served == 0 and .stopped_listed == 0' >/dev/null
}
check "no server was harmed" harmless
finish
