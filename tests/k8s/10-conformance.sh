#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The facts that the plane is held against (tests/slow/conformance.sh) are those of a real API server; and kubectl does the same
# with both.
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/conform/kubectl.sh
. "$SRC/tests/conform/kubectl.sh"

# facts NAME KUBECONFIG FILE…: each fact is a line of the result
facts() {
    local f_name=$1 f_config=$2
    shift 2
    "$BUILD/conformance" "$f_config" "$@" >"$WORK/facts" 2>&1
    check "$f_name: the facts were looked at" grep -qE '^1\.\.[1-9]' "$WORK/facts"
    while IFS= read -r f_line; do
        case "$f_line" in
        'ok '* | 'not ok '*)
            CASE=$((CASE + 1))
            [[ $f_line = ok* ]] || FAILED=$((FAILED + 1))
            echo "${f_line%%ok *}ok $CASE - $f_name: ${f_line#*- }"
            ;;
        '#'*) echo "$f_line" | cut -c1-400 ;;
        esac
    done <"$WORK/facts"
}
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
