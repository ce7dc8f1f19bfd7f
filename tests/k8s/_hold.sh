#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The cluster of the tests to work with by hand, with an operator, until this script is interrupted:
#   BUILD=$PWD/build SRC=$PWD WORK=$(mktemp -d) tests/k8s/_hold.sh [NODES]
# shellcheck source=tests/k8s/lib.sh
. "$(dirname "$0")/lib.sh"
k8s_start "${1:-4}"
operator_start one
cat >"$K/enter" <<SH
#!/bin/sh
# a command, or a shell, inside: API server, names of Services, hostsim's page
exec nsenter -t "\$(cat "$K/outer.pid")" -U --preserve-credentials -n -m -p env KUBECONFIG=$K/admin WORK=$WORK "\${@:-bash}"
SH
[ "$(readlink /proc/self/ns/user)" != "$K8S_OUTER_USER" ] || sed -i 's/ -U --preserve-credentials//' "$K/enter"
chmod +x "$K/enter"
say "enter with: $K/enter kubectl get pods"
wait
