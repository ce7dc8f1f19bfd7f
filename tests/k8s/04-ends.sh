#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that is asked to end ends: a namespace, a suspended installation, one that never came up, and chfleet itself in
# any order with its resources.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
k8s_start
operator_start one
check "the operator leads" wait_until 30 leads one
make() { # NAMESPACE [SPEC]: a Keeper and one shard of two
    kubectl create namespace "$1" >/dev/null
    chk keeper 1 24.8 | kubectl -n "$1" apply -f - >/dev/null
    chi demo 1 2 24.8 "${2-}" | kubectl -n "$1" apply -f - >/dev/null
}
ns_gone() { ! kubectl get namespace "$1" >/dev/null 2>&1; }
for ns in whole suspended retain; do
    make "$ns"
done
make broken
chi demo 1 2 24.8 | sed 's/server:24.8/nosuch:1/' | kubectl -n broken apply -f - >/dev/null
for ns in whole suspended retain; do
    check "an installation is there ($ns)" wait_until 180 settled chi demo "$ns"
done

kubectl delete namespace whole --wait=false >/dev/null
check "a namespace with installations ends" wait_until 90 ns_gone whole

kubectl -n suspended patch chi demo --type merge -p '{"spec": {"suspend": "yes"}}' >/dev/null
kubectl -n suspended patch chk keeper --type merge -p '{"spec": {"suspend": "yes"}}' >/dev/null
sleep 1
check "a suspended installation that is deleted ends" kubectl -n suspended delete chi demo --timeout=60s
kubectl delete namespace suspended --wait=false >/dev/null
check "… and its namespace with a suspended Keeper" wait_until 90 ns_gone suspended

check "an installation whose image is nowhere ends" kubectl -n broken delete chi demo --timeout=60s
kubectl delete namespace broken --wait=false >/dev/null
check "… and its namespace" wait_until 90 ns_gone broken

# ---- the Keeper first ----
check "the Keeper that an installation uses ends" kubectl -n retain delete chk keeper --timeout=60s
check "… and then the installation" kubectl -n retain delete chi demo --timeout=120s

# ---- chfleet goes first ----
make late
check "an installation is there (late)" wait_until 180 settled chi demo late
operator_stop one
kubectl -n chfleet delete deployment chfleet --ignore-not-found >/dev/null
kubectl -n late delete chi demo --wait=false >/dev/null
waits() { kubectl -n late get chi demo -o 'jsonpath={.metadata.deletionTimestamp}' | grep -q . && kubectl -n late get pod chi-demo-main-0-0-0; }
check "without an operator a deleted installation waits, and its servers run" waits
operator_start two
chi_gone() { ! kubectl -n late get chi demo >/dev/null 2>&1; }
check "with one it ends" wait_until 60 chi_gone
operator_stop two

# ---- the operator has roles in single namespaces, and they go with theirs ----
kubectl create namespace shop >/dev/null
kubectl create namespace stats >/dev/null
kubectl get clusterrolebinding chfleet -o json | jq 'del(.metadata.resourceVersion, .metadata.uid)' >"$WORK/binding.json"
kubectl delete clusterrolebinding chfleet >/dev/null
"$SRC/deploy/bundle.sh" --watch shop,stats --no-crds --no-secret | kubectl apply --server-side --force-conflicts -f - >/dev/null
rm -rf "$WORK/two"
OPERATOR_ENV=WATCH_NAMESPACES=shop,stats operator_start two
for ns in shop stats; do
    chi demo 1 2 24.8 | sed '/zookeeper:/d' | kubectl -n "$ns" apply -f - >/dev/null
    check "an installation is there ($ns)" wait_until 90 settled chi demo "$ns"
done
let_go() { KUBECONFIG=$K/admin chfleet -n "$1" delete chi demo --without-operator "${@:2}"; }
refuses() { let_go "$1" >"$WORK/said" 2>&1; [ $? -eq 3 ] && grep -q 'an operator that lives' "$WORK/said"; }
kubectl delete namespace shop --wait=false >/dev/null
stuck() { [ -z "$(kubectl -n shop get role -o name)" ] && kubectl -n shop get chi demo -o 'jsonpath={.metadata.deletionTimestamp}' | grep -q .; }
check "the role goes with its namespace, the installation waits" wait_until 30 stuck
check "… is let go of" let_go shop --wait --timeout 60s
check "… and the namespace ends" wait_until 90 ns_gone shop
kubectl -n stats patch chi demo --type merge -p '{"spec": {"configuration": {"profiles": {"default/max_threads": "4"}}}}' >/dev/null
check "the operator goes on in the other namespace" wait_until 60 settled chi demo stats
check "nobody lets go of what an operator can end" refuses stats
check "… which ends it" wait_until 60 fails kubectl -n stats get chi demo
kubectl create namespace shop >/dev/null
"$SRC/deploy/bundle.sh" --watch shop,stats --no-crds --no-secret | kubectl apply --server-side --force-conflicts -f - >/dev/null
chi demo 1 1 24.8 | sed '/zookeeper:/d' | kubectl -n shop apply -f - >/dev/null
check "the namespace is made again with its role: it is served" wait_until 120 settled chi demo shop
operator_stop two
kubectl -n shop delete chi demo --wait=false >/dev/null
check "the operator went first: the installation is let go of" let_go shop --wait --timeout 60s
owned_gone() { [ -z "$(kubectl -n shop get sts,svc,cm,pdb -l clickhouse.altinity.com/chi=demo -o name)" ]; }
check "… what it owned goes" wait_until 60 owned_gone
check "… its volume stays" kubectl -n shop get pvc data-chi-demo-main-0-0-0
kubectl delete namespace shop stats --wait=false >/dev/null
for ns in shop stats; do
    check "namespace $ns ends" wait_until 90 ns_gone "$ns"
done
kubectl create -f "$WORK/binding.json" >/dev/null

# ---- the definitions go while resources are there, without an operator: the documented way out ----
make last
kubectl -n last patch chi demo --type merge -p '{"metadata": {"finalizers": ["finalizer.clickhouseinstallation.altinity.com"]}}' >/dev/null
kubectl delete crd clickhouseinstallations.clickhouse.altinity.com --wait=false >/dev/null
operator_start three
crd_gone() { ! kubectl get crd clickhouseinstallations.clickhouse.altinity.com >/dev/null 2>&1; }
check "a definition that is deleted with its resources ends while an operator runs" wait_until 90 crd_gone
kubectl delete namespace last late retain --wait=false >/dev/null
for ns in last late retain; do
    check "namespace $ns ends" wait_until 90 ns_gone "$ns"
done
kubectl delete crd --all --wait=false >/dev/null
bundle_gone() { "$SRC/deploy/bundle.sh" | kubectl delete --ignore-not-found -f - --timeout=90s; }
check "the bundle is taken away while the operator runs" bundle_gone
check "its namespace is gone" wait_until 60 ns_gone chfleet
# shellcheck disable=SC2154 # set by operator_start
alive() { kill -0 "$PID_three"; }
check "the operator without rights is still there and waits" alive
operator_stop three
finish
