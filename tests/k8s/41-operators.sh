#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two operators in two namespaces that watch the same installations: one acts, the other waits and takes over when the first is gone
# or dead; a namespace that goes with everything in it ends, also while an installation is suspended; names in the configuration
# with rights in single namespaces only.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
k8s_start
kubectl create namespace second >/dev/null
operator_start one
check "the first operator leads" wait_until 30 leads one
chi demo 1 2 24.8 | sed '/zookeeper:/d' | kubectl apply -f - >/dev/null
check "it makes an installation" wait_until 120 settled chi demo
owner() { [ "$(kubectl get chi "$1" -o 'jsonpath={.metadata.annotations.chfleet\.io/operator}')" = "$2" ]; }
check "its name stands on it" owner demo chfleet

second_start() {
    OPERATOR_KUBECONFIG=$K/admin OPERATOR_ENV=OPERATOR_POD_NAMESPACE=second operator_start two
}
second_start
check "a second operator in another namespace has its own Lease" wait_until 30 leads two
code_is() { ask "$1" /status | jq -e --arg k "$2" --arg c "$3" '.installations[] | select(.key == $k) | (.code // "") == $c'; }
check "it does not take the installation" wait_until 20 code_is two default/demo CLAIMED
names_it() { ask two /status | jq -re '.installations[] | select(.key == "default/demo") | .error' | grep -q 'chfleet of namespace chfleet.*Lease'; }
check "and says whose it is" names_it
kubectl patch chi demo --type=merge -p '{"spec":{"configuration":{"profiles":{"default/max_threads":"3"}}}}' >/dev/null
by_one() { wait_until 60 settled chi demo && [ "$(kubectl get chi demo -o 'jsonpath={.status.chfleet.operator}')" = chfleet ]; }
check "an edit is carried out by the first one" by_one
nothing_by_two() { ! grep -q 'operation 1' "$K/two.log"; }
check "the second one began nothing" nothing_by_two
seen_starts=$(starts_all)

operator_stop one
check "when the first one ends, the second takes the installation" wait_until 40 owner demo second
check "and finds it complete" wait_until 40 settled chi demo
same_starts() { [ "$(starts_all)" = "$seen_starts" ]; }
check "no server was restarted for that" same_starts
operator_start one
check "the first one comes back" wait_until 40 leads one
check "and waits now" wait_until 20 code_is one default/demo CLAIMED
operator_stop two KILL
kubectl patch chi demo --type=merge -p '{"spec":{"configuration":{"profiles":{"default/max_threads":"4"}}}}' >/dev/null
check "when the second one is killed, the first takes over once its Lease is over" wait_until 60 owner demo chfleet
check "and carries out what was edited meanwhile" wait_until 60 settled chi demo
check "no server was restarted" same_starts

# ---- a namespace goes with all that is in it ----
kubectl create namespace gone >/dev/null
chi here 1 1 24.8 | sed '/zookeeper:/d' | kubectl -n gone apply -f - >/dev/null
check "an installation in another namespace is made" wait_until 90 settled chi here gone
kubectl -n gone patch chi here --type=merge -p '{"spec":{"suspend":"yes"}}' >/dev/null
check "its namespace goes, although it is suspended" kubectl delete namespace gone --timeout=120s
operator_stop one

# ---- rights in single namespaces; the configuration names them ----
kubectl delete clusterrolebinding chfleet >/dev/null
"$SRC/deploy/bundle.sh" --watch shop,stats --no-crds --no-secret >"$K/narrow.yaml"
for ns in shop stats other; do
    kubectl create namespace "$ns" >/dev/null
    chi one 1 1 24.8 | sed '/zookeeper:/d' | kubectl -n "$ns" apply -f - >/dev/null
done
kubectl apply --server-side --force-conflicts -f "$K/narrow.yaml" >/dev/null
kubectl -n chfleet create configmap chfleet-config --from-literal=config.yaml='watch: {namespaces: [shop, stats]}' --dry-run=client -o yaml | kubectl apply --server-side --force-conflicts -f - >/dev/null
rm -rf "$WORK/one"
mark=$(audit_mark)
operator_start one
check "with roles in two namespaces and their names in the configuration it serves the first" wait_until 90 settled chi one shop
check "… and the second" wait_until 90 settled chi one stats
untouched() { [ -z "$(kubectl -n other get chi one -o 'jsonpath={.metadata.finalizers}')" ]; }
check "… and leaves the third alone" untouched
refused_once() { # only the look whether it may see all
    local n
    n=$(audit_since "$mark" | awk '$4 == 403' | wc -l)
    echo "$n refusals"
    [ "$n" -le 1 ]
}
check "it asked for nothing else" refused_once
finish
