#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Keeper and a 2 x 2 installation on a real API server: from nothing to Completed, left alone when nothing changed, and away.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
k8s_start
operator_start one --status-address 10.72.0.1:8085
check "the operator leads" wait_until 30 leads one

chk keeper 3 24.8 | kubectl apply -f - >/dev/null
check "the Keeper installation completes" wait_until 120 settled chk keeper
mark=$(audit_mark)
chi demo 2 2 24.8 | kubectl apply -f - >/dev/null
check "the installation completes" wait_until 120 settled chi demo
say "requests to create 4 hosts: $(audit_requests "$mark"), writes: $(audit_writes "$mark")"
check "tables are made by users" tables demo
behind() { # SERVICE NUMBER: so many ready addresses
    kubectl get endpointslice -l "kubernetes.io/service-name=$1" -o json |
        jq -e --argjson n "$2" '[.items[].endpoints[]? | select(.conditions.ready)] | length == $n'
}
check "all four hosts are behind the installation's Service" wait_until 20 behind clickhouse-demo 4
each_started_once() { starts_all | jq -e 'length == 7 and all(. == 1)'; }
check "each process was started once" each_started_once
no_refusal() { ! grep -iE 'forbidden|HTTP 403' "$K"/one.log; }
check "the account of the install bundle may do all of it" no_refusal
refused() { ! audit_since 0 | awk '$4 >= 400 && $4 != 404 && $4 != 409 && $4 != 429' | grep .; }
check "the API server refused nothing" refused

# ---- the command line, from where there is only the API server ----
# The pod that the operator would be: simulated nodes cannot run it.
kubectl -n chfleet apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  schedulerName: nobody
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - {name: chfleet, image: chfleet, ports: [{name: status, containerPort: 8085}],
       securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
YAML
kubectl -n chfleet patch pod one --subresource=status --type=merge -p '{"status":{"phase":"Running","podIP":"10.72.0.1",
    "podIPs":[{"ip":"10.72.0.1"}],"conditions":[{"type":"Ready","status":"True"}]}}' >/dev/null
status_says() { # JQ
    chfleet --kubeconfig "$K/admin" status demo -o json | jq -e "$1" >/dev/null
}
check "status asks the operator through the API server" wait_until 20 status_says '.operator.reachable and .operator.leader and
    (.installations[0] | .detailed and (.hosts | length == 4 and all(.version | startswith("24.8"))))'
kubectl -n chfleet delete pod one --now >/dev/null
check "without it, it tells what the resource and its pods say" wait_until 20 status_says '(.operator.reachable | not) and
    (.installations[0] | (.detailed | not) and .status == "Completed" and (.hosts | length == 4))'

# ---- nothing changed ----
again() { # a pass over both: it audits what is live
    operator_stop one
    mark=$(audit_mark)
    operator_start one
}
looked() { wait_until 30 leads one && wait_until 30 synced && sleep 3; }
synced() { ask one /status | jq -e '.synced and ([.installations[] | select(.busy or .status != "Completed")] | length == 0) and (.installations | length == 2)'; }
written_since() { # nothing but leases
    audit_since "$mark" | grep -E '^(create|update|patch|delete) ' | grep -vE '^[a-z]+ leases '
    [ "$(audit_writes "$mark")" -eq 0 ]
}
again
check "the operator is started again and has looked at both" looked
check "… and writes nothing" written_since
say "requests of an unchanged start: $(audit_requests "$mark")"
operator_stop one
rm -rf "$WORK/one"
again
check "it is started with an empty journal" looked
check "… and writes nothing" written_since
check "each process was started once" each_started_once
check "no server was harmed" unharmed

# ---- away ----
sim calm >/dev/null
check "the installation goes" kubectl delete chi demo --timeout=90s
check "the Keeper installation goes" kubectl delete chk keeper --timeout=90s
nothing_left() {
    local left
    left=$(kubectl get statefulset,service,configmap,pdb,pvc,pod -A -o name -l 'clickhouse.altinity.com/app=chop'
        kubectl get statefulset,service,configmap,pdb,pvc,pod -A -o name -l 'clickhouse-keeper.altinity.com/app=chop')
    echo "$left"
    [ -z "$left" ]
}
check "nothing of them is left" wait_until 30 nothing_left
finish
