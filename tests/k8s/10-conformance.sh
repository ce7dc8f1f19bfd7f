#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The facts that the plane is held against (tests/slow/conformance.sh) are those of a real API server; and kubectl does the same
# with both.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/conform/facts.sh
. "$SRC/tests/conform/facts.sh"
# shellcheck source=tests/conform/kubectl.sh
. "$SRC/tests/conform/kubectl.sh"

# shellcheck disable=SC2154 # bg sets PID_…
server_restarts() {
    kill "$PID_apiserver"
    wait "$PID_apiserver"
    apiserver_start
    wait_until 60 kubectl get --raw /readyz
}

k8s_start 2
facts kube-apiserver "$KUBECONFIG" "$SRC"/tests/conform/facts/[1-8]*.facts
kubectl_facts kube-apiserver
check "kube-apiserver: kubectl apply --server-side" kc_says 'serverside-applied' -n default apply --server-side -f - <<<'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}'
check "the API server starts again" server_restarts
facts kube-apiserver "$KUBECONFIG" "$SRC"/tests/conform/facts/9*.facts

bg plane chfleet-plane --data "$WORK/plane"
check "the plane answers" wait_until 30 kubectl --kubeconfig "$WORK/plane/kubeconfig" get --raw /readyz
export KUBECONFIG=$WORK/plane/kubeconfig
kubectl_facts plane
check "plane: kubectl apply --server-side is refused with what to do instead" kc_refuses 'use kubectl apply without --server-side' -n default apply --server-side -f - <<<'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}'
# shellcheck disable=SC2154
kill "$PID_plane"
wait "$PID_plane"
finish
