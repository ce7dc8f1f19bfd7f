#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The plane has the facts of tests/conform/facts, which tests/k8s/10-conformance.sh holds against a real API server, and serves
# the project's own client. Gets BUILD, SRC and WORK; TAP on standard output.
set -uo pipefail
: "${BUILD:?} ${SRC:?} ${WORK:?}"
# shellcheck source=tests/lib/tap.sh
. "$SRC/tests/lib/tap.sh"
# shellcheck source=tests/conform/facts.sh
. "$SRC/tests/conform/facts.sh"
D=$WORK/plane
plane=''

start() {
    rm -f "$D/kubeconfig"
    "$BUILD/chfleet-plane" --data "$D" >>"$WORK/plane.log" 2>&1 &
    plane=$!
}
answers() { [ -s "$D/kubeconfig" ] && curl -fsSk --max-time 2 "$(sed -n 's/^ *server: *//p' "$D/kubeconfig" | tr -d '"')/readyz"; }
stop() {
    [ -z "$plane" ] || kill "$plane"
    wait "$plane"
    plane=''
}
check_failed() { tail -n 5 "$WORK/plane.log"; }
# The balancer outlives the plane, and its shim.
end_balancer() {
    local pid part
    for part in shim pid; do
        pid=$(sed -n "s/.* $part=\([0-9]*\).*/\1/p" "$D/lb/state")
        [ -n "$pid" ] && kill "$pid" && wait_until 20 fails kill -0 "$pid" || return 1
    done
}
fails() { ! "$@"; }
trap 'stop 2>/dev/null' EXIT

start
check "the plane answers" wait_until 30 answers
facts plane "$D/kubeconfig" "$SRC"/tests/conform/facts/[1-8]*.facts
check "the plane serves chfleet's own client" env CHFLEET_TEST_KUBECONFIG="$D/kubeconfig" "$BUILD/test-kube-apiserver"
stop
start
check "the plane is back after its end" wait_until 30 answers
facts plane "$D/kubeconfig" "$SRC"/tests/conform/facts/9*.facts
stop
[ ! -f "$D/lb/state" ] || check "the plane's balancer ends" end_balancer
echo "1..$CASE"
[ "$FAILED" -eq 0 ]
