#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installations that Altinity's operator made, on a real API server with pods: nothing is touched while that operator's Deployment has
# replicas, then they are taken over by themselves, and no pod, selector, address, template or volume changes.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null 2>&1 || skip_all "python3 is not installed"
k8s_start 6
take() { python3 "$SRC/tests/k8s/takeover.py" "$@"; }
cases=(minimal replicated shards services secrets storage-operator template hostnetwork stopped troubleshoot keeper)
declare -A KIND NAME # check() has a name of its own

kubectl label node --all topology.kubernetes.io/zone=z0 --overwrite >/dev/null
# ---- the fleet as the other operator left it ----
load() { # CASE
    local uid
    kubectl create namespace "$1" >/dev/null
    read -r "KIND[$1]" "NAME[$1]" < <(take kind "$1")
    take resource "$1" | kubectl create -f - >/dev/null 2>"$K/load.log" || return 1
    uid=$(kubectl -n "$1" get "${KIND[$1]}" "${NAME[$1]}" -o 'jsonpath={.metadata.uid}')
    kubectl -n "$1" patch "${KIND[$1]}" "${NAME[$1]}" --subresource=status --type=merge -p "$(take status "$1")" >/dev/null || return 1
    take objects "$1" "$uid" | kubectl create -f - >/dev/null 2>"$K/load.log"
}
for c in "${cases[@]}"; do
    load "$c" || check "$c is loaded" false
done
pods_up() { # every StatefulSet has what it asks for
    kubectl get statefulset -A -o json | jq -e '[.items[] | select((.status.readyReplicas // 0) != .spec.replicas)] | length == 0'
}
check "the pods are there" wait_until 120 pods_up
say "hosts: $(kubectl get statefulset -A -o name | wc -l), pods: $(kubectl get pod -A -o name | wc -l)"
snapshot() { # FILE
    local c
    for c in "${cases[@]}"; do
        kubectl -n "$c" get pod,statefulset,service,pvc,pdb,secret,configmap -o json | take before "$c" | grep -v 'ConfigMap .*/kube-root-ca.crt'
    done >"$1"
}
snapshot "$WORK/before"

# ---- the other operator runs ----
kubectl -n kube-system apply -f - >/dev/null <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: clickhouse-operator, labels: {app: clickhouse-operator, clickhouse.altinity.com/chop: 0.25.6}}
spec:
  replicas: 1
  selector: {matchLabels: {app: clickhouse-operator}}
  template:
    metadata: {labels: {app: clickhouse-operator}}
    spec: {containers: [{name: clickhouse-operator, image: "altinity/clickhouse-operator:0.25.6"}]}
YAML
other_up() { [ "$(kubectl -n kube-system get deployment clickhouse-operator -o 'jsonpath={.status.replicas}')" = "$1" ]; }
check "Altinity's operator has a replica" wait_until 30 other_up 1
plan_of() { chfleet -n "$1" plan >"$WORK/plan.$1" 2>&1; }
plan_blocked() { plan_of minimal && grep -q 'nothing is done now.*kubectl -n kube-system scale deployment clickhouse-operator' "$WORK/plan.minimal"; }
check "the plan says what to scale down" plan_blocked
mark=$(audit_mark)
operator_start one
check "chfleet leads" wait_until 30 leads one
blocked() { ask one /status | jq -e '(.installations | length == 11) and all(.installations[]; .code == "OTHER_OPERATOR")'; }
check "it does nothing, and says so of each installation" wait_until 30 blocked
said() { kubectl -n minimal get chi tiny -o 'jsonpath={.status.chfleet.blocked}' | grep -q 'scale deployment clickhouse-operator --replicas=0'; }
check "so does the status of the resource" wait_until 10 said
event() { kubectl -n minimal get events -o 'jsonpath={.items[*].reason}' | grep -q OTHER_OPERATOR; }
check "and an Event" wait_until 10 event
kept() { [ "$(kubectl -n minimal get chi tiny -o 'jsonpath={.status.status} {.status.chop-version}')" = "Completed dev-version" ]; }
check "what the other operator says in the status stays" kept
only_status() { # writes: events and status.chfleet
    audit_since "$mark" | grep -E '^(create|update|patch|delete) ' | grep -vE '^[a-z]+ (leases|events) |^patch [a-z]+ status '
    [ -z "$(audit_since "$mark" | grep -E '^(create|update|patch|delete) ' | grep -vE '^[a-z]+ (leases|events) |^patch [a-z]+ status ')" ]
}
check "nothing else is written" only_status
kubectl -n kube-system set env deployment/clickhouse-operator WATCH_NAMESPACES=minimal,shards >/dev/null

# ---- one that the other operator leaves out ----
settled_case() { settled "${KIND[$1]}" "${NAME[$1]}" "$1"; }
check "a namespace that it does not watch any more is taken over" wait_until 60 settled_case hostnetwork
still() { ask one /status | jq -e '[.installations[] | select(.code == "OTHER_OPERATOR") | .key] | sort == ["minimal/tiny", "shards/'"${NAME[shards]}"'"]'; }
check "those that it watches are not" still

# ---- it goes ----
zero_restarts() { # CASE
    plan_of "$1"
    cat "$WORK/plan.$1"
    ! grep -qE 'restart|recreate|remove|rebuild|create' "$WORK/plan.$1"
}
for c in minimal shards; do
    check "the plan of $c has no restart" zero_restarts "$c"
done
kubectl -n kube-system scale deployment clickhouse-operator --replicas=0 >/dev/null
for c in "${cases[@]}"; do
    check "$c is taken over" wait_until 90 settled_case "$c"
done
snapshot "$WORK/after"
same_objects() { diff "$WORK/before" "$WORK/after" | cut -c1-1500; cmp -s "$WORK/before" "$WORK/after"; }
check "no pod, address, selector, template, volume or owner has changed" same_objects
pods_known() { # the default user may come from each pod, as the other operator has it
    local ip
    for ip in $(kubectl -n replicated get pod -o 'jsonpath={.items[*].status.podIP}'); do
        kubectl -n replicated get configmap "chi-${NAME[replicated]}-common-usersd" -o yaml | grep -qF "<ip>$ip</ip>" || {
            echo "$ip is not in the users' file"
            return 1
        }
    done
}
check "the users' file has the pods' addresses and the operator's" pods_known
each_started_once() { starts_all | jq -e 'all(. == 1)'; }
check "no process was started again" each_started_once
for c in "${cases[@]}"; do
    check "nothing is left to do for $c" zero_restarts "$c"
done
forbidden() { ! grep -iE 'forbidden|HTTP 403' "$K/one.log"; }
check "the account of the install bundle may do all of it" forbidden

# ---- it comes back: no two act ----
kubectl -n kube-system scale deployment clickhouse-operator --replicas=1 >/dev/null
check "when it comes back chfleet stops" wait_until 30 still
kubectl -n kube-system scale deployment clickhouse-operator --replicas=0 >/dev/null
none_blocked() { ask one /status | jq -e 'all(.installations[]; .code == null)'; }
check "and goes on when it is gone" wait_until 30 none_blocked

# ---- the old operator's way back: what it compares is as it left it ----
snapshot "$WORK/again"
same_again() { cmp -s "$WORK/before" "$WORK/again" || diff "$WORK/before" "$WORK/again" | cut -c1-600; }
check "after all of that the objects are still as it left them" same_again

# ---- a new operator pod has another address ----
operator_stop one
OPERATOR_ENV=OPERATOR_POD_IP=10.72.0.77 operator_start one
own_address() { kubectl -n minimal get configmap chi-tiny-common-usersd -o yaml | grep -qF '<ip>10.72.0.77</ip>'; }
check "the address of a new operator pod gets into the users' files" wait_until 60 own_address
check "and the installation is complete" wait_until 60 settled_case minimal
check "no process was started again for that" each_started_once

# ---- an upgrade after the takeover ----
kubectl -n replicated patch chi "${NAME[replicated]}" --type=json -p '[{"op": "replace", "path": "/spec/templates/podTemplates/0/spec/containers/0/image", "value": "clickhouse/clickhouse-server:25.3"}]' >/dev/null
check "a new image after the takeover is rolled out" wait_until 300 settled_case replicated
upgraded() { kubectl -n replicated get pod -o json | jq -e 'all(.items[]; .spec.containers[0].image == "clickhouse/clickhouse-server:25.3") and (.items | length > 1)'; }
check "all its pods have it" upgraded
check "no shard was without a server" unharmed
finish
