#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The plane's API server against the real kubectl. Gets BUILD and WORK; TAP on standard output.
set -uo pipefail
BUILD=${BUILD:-build} WORK=${WORK:-$(mktemp -d)}
command -v kubectl >/dev/null || {
    echo "1..0 # skip kubectl is not installed"
    exit 77
}
export KUBECONFIG=$WORK/plane/kubeconfig HOME=$WORK LC_ALL=C
n=0 failed=0 server='' children=''

ok() { # NAME RC [DETAIL]
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        failed=$((failed + 1))
        echo "not ok $n - $1"
        printf '%s\n' "${3-}" | awk '{print "# " $0}'
    fi
}
k() { timeout 20 kubectl "$@" 2>&1; }
# says NAME PATTERN ARGUMENTS…: kubectl succeeds and prints a line that fits
says() {
    local name=$1 pattern=$2 out rc
    shift 2
    out=$(k "$@")
    rc=$?
    [ "$rc" -eq 0 ] && grep -qE -- "$pattern" <<<"$out"
    ok "$name" $? "$out"
}
# refuses NAME PATTERN ARGUMENTS…: kubectl fails and says why
refuses() {
    local name=$1 pattern=$2 out
    shift 2
    if out=$(k "$@"); then
        ok "$name" 1 "$out"
    else
        grep -qE -- "$pattern" <<<"$out"
        ok "$name" $? "$out"
    fi
}
until_true() { # SECONDS COMMAND…
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
start() {
    "$BUILD/plane-apiserver" "$WORK/plane" >>"$WORK/server.log" 2>&1 &
    server=$!
    until_true 15 kubectl get --raw /readyz >/dev/null 2>&1
}
finish() {
    local p
    for p in $children $server; do
        kill "$p" 2>/dev/null
        wait "$p" 2>/dev/null
    done
}
trap finish EXIT

start
ok "the server answers within 15 s" $? "$(cat "$WORK/server.log")"
[ "$(stat -c %a "$KUBECONFIG")" = 600 ]
ok "the kubeconfig is for its owner only" $?

cat >"$WORK/app.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata: {name: conf, labels: {app: web}}
data: {a: "1", b: "2"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "busybox:1.36", env: [{name: A, value: "1"}, {name: B, value: "2"}], ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {app: web}}
spec: {nodeName: here, terminationGracePeriodSeconds: 0, containers: [{name: c, image: busybox}]}
YAML
cat >"$WORK/chi.yaml" <<'YAML'
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata: {name: demo}
spec:
  configuration:
    clusters:
    - {name: c, layout: {shardsCount: 2, replicasCount: 2}}
YAML
sed 's/shardsCount/shardCount/' "$WORK/chi.yaml" >"$WORK/unknown.yaml"
sed 's/shardsCount: 2/shardsCount: "2"/' "$WORK/chi.yaml" >"$WORK/wrong.yaml"

says "version tells the plane" 'Server Version: v1\.32\.0\+chfleet' version
says "api-resources lists the custom kinds" 'clickhouseinstallations +chi ' api-resources
says "apply creates" 'statefulset.apps/web created' apply -f "$WORK/app.yaml"
says "apply again changes nothing" 'configmap/conf unchanged' apply -f "$WORK/app.yaml"
k diff -f "$WORK/app.yaml" >/dev/null
ok "diff finds nothing" $?
sed -i 's/replicas: 2/replicas: 3/; s/, {name: B, value: "2"}//' "$WORK/app.yaml"
says "apply of an edit" 'statefulset.apps/web configured' apply -f "$WORK/app.yaml"
says "what was taken out of the file is gone, the rest stays" '^3 \[\{"name":"A","value":"1"\}\] IfNotPresent$' get sts web \
    -o 'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].env} {.spec.template.spec.containers[0].imagePullPolicy}{"\n"}'
says "get shows a table" '^web +0/3 ' get sts
says "get -o wide" '^web +ClusterIP +127\.0\.0\.1 +<none> +80/TCP .*app=web' get svc -o wide
says "get all" 'pod/p1 +0/1 +Pending' get all
says "label selectors" '^configmap/conf$' get cm -l 'app in (web)' -o name
says "field selectors" '^pod/p1$' get po --field-selector status.phase=Pending -o name
says "describe a StatefulSet" 'Replicas: +3 desired' describe sts web
says "describe a Pod" 'QoS Class: +BestEffort' describe pod p1
says "scale" 'scaled' scale sts web --replicas=5
says "strategic patch merges by name" 'patched' patch sts web -p \
    '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"Z","value":"9"}]}]}}}}'
says "both variables are there" '^A Z$' get sts web -o 'jsonpath={.spec.template.spec.containers[0].env[*].name}{"\n"}'
says "set image" 'image updated' set image sts/web c=busybox:1.37
refuses "an immutable field" 'Forbidden: updates to statefulset spec' patch sts web -p '{"spec":{"serviceName":"other"}}'
EDITOR='sed -i s/busybox:1.37/busybox:1.38/' says "edit" 'edited' edit sts web
says "label" 'labeled' label pod p1 x=y
says "explain a built-in kind" 'imagePullPolicy' explain pod.spec.containers
says "explain a custom kind" 'clusters' explain chi.spec.configuration
refuses "apply refuses unknown fields" 'unknown field "spec.configuration.clusters\[0\].layout.shardCount"' apply -f "$WORK/unknown.yaml"
refuses "apply refuses wrong types" 'shardsCount: .*whole number' apply -f "$WORK/wrong.yaml"
says "apply a ClickHouseInstallation" 'demo created' apply -f "$WORK/chi.yaml"
says "status by its subresource" 'patched' patch chi demo --subresource=status --type=merge -p \
    '{"status":{"status":"Completed","clusters":1,"hosts":4}}'
says "printer columns" '^demo +1 +4 +Completed' get chi
says "wait on a field" 'condition met' wait --for=jsonpath='{.status.status}'=Completed chi/demo --timeout=5s
refuses "wait ends" 'timed out' wait --for=condition=Ready pod/p1 --timeout=1s
says "logs" '^log of p1/c$' logs p1
refuses "logs of an instance that never was" 'previous terminated container' logs p1 --previous
says "exec gives both outputs" '^out$' exec p1 -- sh -c 'echo out; echo err >&2'
k exec p1 -- sh -c 'exit 7' >/dev/null
[ $? -eq 7 ]
ok "exec gives the exit code" $?
[ "$(head -c 200000 /dev/zero | timeout 20 kubectl exec -i p1 -- wc -c)" = 200000 ]
ok "exec carries standard input and its end" $?
[ "$(timeout 20 kubectl exec p1 -- head -c 5000000 /dev/zero | wc -c)" = 5000000 ]
ok "exec carries megabytes" $?

k patch pod p1 --subresource=status -p '{"status":{"phase":"Running"}}' >/dev/null
port=$(sed -n 's|.*https://127.0.0.1:||p' "$KUBECONFIG")
kubectl port-forward pod/p1 ":$port" >"$WORK/forward.log" 2>&1 &
children="$children $!"
until_true 10 grep -q Forwarding "$WORK/forward.log"
local_port=$(sed -n 's/Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$WORK/forward.log")
all=0
for _ in 1 2 3; do
    [ "$(curl -sk --max-time 10 "https://127.0.0.1:$local_port/readyz")" = ok ] || all=1
done
ok "port-forward carries connections" "$all" "$(cat "$WORK/forward.log")"

kubectl get cm -w --output-watch-events >"$WORK/watch.log" 2>&1 &
children="$children $!"
until_true 10 grep -q conf "$WORK/watch.log"
k create cm seen --from-literal=a=b >/dev/null
k delete cm seen >/dev/null
until_true 10 grep -qE 'DELETED +seen' "$WORK/watch.log"
ok "get -w tells additions and deletions" $? "$(cat "$WORK/watch.log")"

says "create namespace" 'created' create ns other
says "create secret" 'created' create secret generic s -n other --from-literal=p=q
says "delete namespace waits for its content" 'deleted' delete ns other
refuses "the namespace is gone" 'not found' get ns other
says "auth can-i" 'yes' auth can-i delete pods
refuses "server-side apply is refused with a reason" 'no server-side apply' apply --server-side -f "$WORK/chi.yaml"
refuses "what is not served" 'does not serve' create deployment x --image=y

uid=$(k get chi demo -o 'jsonpath={.metadata.uid}')
kill -9 "$server"
wait "$server" 2>/dev/null
start
[ "$(k get chi demo -o 'jsonpath={.metadata.uid}')" = "$uid" ]
ok "a killed server comes back with its objects" $?
says "delete what was applied" 'statefulset.apps "web" deleted' delete -f "$WORK/app.yaml" --timeout=10s
kill -TERM "$server"
wait "$server"
ok "SIGTERM ends it cleanly" $? "$(tail -n 40 "$WORK/server.log")"
server=''
echo "1..$n"
[ "$failed" -eq 0 ]
