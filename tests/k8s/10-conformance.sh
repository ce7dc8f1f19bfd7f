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
# shellcheck source=tests/conform/pods.sh
. "$SRC/tests/conform/pods.sh"

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
cat >"$WORK/answer.py" <<'PY'
import http.server, sys, threading

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b"from %d" % self.server.server_address[1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

for port in (int(sys.argv[1]), int(sys.argv[1]) + 1):
    threading.Thread(target=http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever).start()
PY
bg answers python3 "$WORK/answer.py" 18080 # pods of the plane have the machine's network
pods_facts plane busybox:1 18080
# shellcheck disable=SC2154
kill "$PID_plane"
wait "$PID_plane"
finish
