# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What people do with kubectl, with the same results on the plane and on a cluster: kubectl_facts NAME, with KUBECONFIG set,
# check and wait_until at hand. It works in the namespace kubectl and deletes it.

# says PATTERN ARGUMENTS…: kubectl succeeds, and a line of its words fits
kc_says() {
    local kc_pattern=$1 kc_out kc_rc
    shift
    kc_out=$(timeout 60 kubectl -n kubectl "$@" 2>&1)
    kc_rc=$?
    printf '%s\n' "$kc_out"
    [ "$kc_rc" -eq 0 ] && grep -qE -- "$kc_pattern" <<<"$kc_out"
}
# refuses PATTERN ARGUMENTS…
kc_refuses() {
    local kc_pattern=$1 kc_out
    shift
    kc_out=$(timeout 60 kubectl -n kubectl "$@" 2>&1) && {
        printf '%s\n' "$kc_out"
        return 1
    }
    printf '%s\n' "$kc_out"
    grep -qE -- "$kc_pattern" <<<"$kc_out"
}
kc_edit() { # SED-SCRIPT OBJECT
    printf '#!/bin/sh\nexec sed -i %q "$1"\n' "$1" >"$WORK/editor"
    chmod +x "$WORK/editor"
    KUBE_EDITOR=$WORK/editor kc_says 'edited' edit "$2"
}
kc_manifest() { # IMAGE-TAG
    cat <<YAML
apiVersion: v1
kind: ConfigMap
metadata: {name: conf, labels: {app: web}}
data: {a: "1", b: "2"}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 0
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:$1"}]}
---
apiVersion: clickhouse.altinity.com/v1
kind: ClickHouseInstallation
metadata: {name: chi}
spec: {suspend: "yes", configuration: {clusters: [{name: main, layout: {shardsCount: 1}}]}}
YAML
}
kc_watch() { # what a watch prints while an object is changed
    timeout 20 kubectl -n kubectl get configmap conf --watch --output-watch-events >"$WORK/watched" 2>&1 &
    local kc_pid=$!
    wait_until 10 grep -q '^ADDED  *conf ' "$WORK/watched" &&
        kubectl -n kubectl annotate --overwrite configmap conf seen=yes >/dev/null &&
        wait_until 10 grep -q '^MODIFIED  *conf ' "$WORK/watched"
    local kc_rc=$?
    kill "$kc_pid"
    wait "$kc_pid" 2>/dev/null
    return "$kc_rc"
}

kubectl_facts() { # NAME
    local kc=$1
    check "$kc: kubectl create namespace" kc_says 'namespace/kubectl created' create namespace kubectl
    kc_manifest 1 >"$WORK/manifest.yaml"
    check "$kc: kubectl apply creates" kc_says 'statefulset.apps/web created' apply -f "$WORK/manifest.yaml"
    check "$kc: kubectl apply of the same changes nothing" kc_says 'clickhouseinstallation.*chi unchanged' apply -f "$WORK/manifest.yaml"
    kc_manifest 2 >"$WORK/manifest.yaml"
    check "$kc: kubectl diff shows what would change" kc_refuses '^\+.*image: web:2' diff -f "$WORK/manifest.yaml"
    check "$kc: kubectl apply --dry-run=server" kc_says 'web configured \(server dry run\)' apply --dry-run=server -f "$WORK/manifest.yaml"
    check "$kc: kubectl apply changes" kc_says 'statefulset.apps/web configured' apply -f "$WORK/manifest.yaml"
    check "$kc: kubectl get as a table" kc_says '^web +0/0 ' get statefulsets
    check "$kc: kubectl get -o wide" kc_says '^web +0/0 .* web +web:2' get statefulsets -o wide
    check "$kc: kubectl get all" kc_says 'service/web ' get all
    check "$kc: kubectl get of several kinds with labels" kc_says 'configmap/conf' get cm,svc,sts -l app=web -o name
    check "$kc: kubectl get -o jsonpath" kc_says '^12$' get cm conf -o 'jsonpath={.data.a}{.data.b}'
    check "$kc: kubectl get --watch" kc_watch
    check "$kc: kubectl get of short names" kc_says '^chi ' get chi
    check "$kc: kubectl get of what is not there" kc_refuses 'NotFound.*configmaps "none" not found' get cm none
    check "$kc: kubectl edit" kc_edit 's/a: "1"/a: "7"/' configmap/conf
    check "$kc: kubectl edit was stored" kc_says '^7$' get cm conf -o 'jsonpath={.data.a}'
    check "$kc: kubectl edit of a custom resource" kc_edit 's/shardsCount: 1/shardsCount: 2/' chi/chi
    check "$kc: kubectl patch (strategic)" kc_says 'patched' patch sts web -p '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":5}}}}'
    check "$kc: kubectl patch --type merge" kc_says 'patched' patch chi chi --type merge -p '{"spec":{"taskID":"1"}}'
    check "$kc: kubectl patch --type json" kc_says 'patched' patch cm conf --type json -p '[{"op":"replace","path":"/data/b","value":"9"}]'
    check "$kc: kubectl patch --subresource status" kc_says 'patched' patch chi chi --subresource status --type merge -p '{"status":{"status":"InProgress"}}'
    check "$kc: kubectl label, annotate" kc_says 'labeled' label cm conf tier=front
    check "$kc: kubectl replace" kc_says 'configmap/other replaced' replace -f - < <(kubectl -n kubectl create cm other --from-literal=a=1 -o json 2>/dev/null)
    check "$kc: kubectl create of bad input names the field" kc_refuses 'spec.stop' patch chi chi --type merge -p '{"spec":{"stop":"perhaps"}}'
    check "$kc: kubectl apply of an unknown field is refused" kc_refuses 'unknown field "spec.nothing"' apply -f - < <(kc_manifest 2 | sed 's/suspend: "yes"/nothing: 1/')
    check "$kc: kubectl describe statefulset" kc_says '^Replicas: +0 desired' describe sts web
    check "$kc: kubectl describe of a custom resource" kc_says 'Shards Count: +2' describe chi chi
    check "$kc: kubectl scale" kc_says 'scaled' scale sts web --replicas=1
    check "$kc: kubectl wait for a field" kc_says 'condition met' wait --for=jsonpath='{.spec.replicas}'=1 sts/web --timeout=20s
    check "$kc: kubectl wait for creation" kc_says 'condition met' wait --for=create pod/web-0 --timeout=30s
    check "$kc: kubectl describe pod" kc_says '^Controlled By: +StatefulSet/web' describe pod web-0
    check "$kc: kubectl rollout history" kc_says 'REVISION' rollout history sts/web
    check "$kc: kubectl explain" kc_says 'shardsCount' explain chi.spec.configuration.clusters.layout
    check "$kc: kubectl api-resources" kc_says '^clickhouseinstallations +chi ' api-resources
    check "$kc: kubectl auth can-i" kc_says '^yes' auth can-i delete pods
    check "$kc: kubectl delete" kc_says 'configmap "?conf"? deleted' delete cm conf
    check "$kc: kubectl delete -l" kc_says 'statefulset.*web"? deleted' delete sts,svc -l app=web
    check "$kc: kubectl wait for deletion" kc_says '' wait --for=delete pod/web-0 --timeout=40s
    check "$kc: kubectl delete of a custom resource" kc_says 'deleted' delete chi chi --timeout=20s
    check "$kc: kubectl delete namespace" kc_says 'deleted' delete namespace kubectl --timeout=60s
}
